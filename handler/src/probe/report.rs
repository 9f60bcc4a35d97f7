//! What the probe says, as plain data: written by the function, read by `k2m run --probe` and `k2m doctor`. Holds no secret.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The function's whole answer: `{"k2m": {"probe": …}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What is said of k2m itself, in place of a batch.
    pub k2m: Said,
}

/// The part of an answer that is under `k2m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The probe's report.
    pub probe: Report,
}

/// All that was tried, in the order of the steps, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether nothing failed.
    pub ok: bool,
    /// The function's version.
    pub version: String,
    /// How it speaks to the brokers, as `K2M_AUTHENTICATION` has it.
    pub authentication: String,
    /// The first failure in the order of the steps.
    pub failure: Option<Failure>,
    /// Every failure, in the order of the steps.
    pub failures: Vec<Failure>,
    /// The brokers: those of `K2M_BOOTSTRAP_SERVERS`, then those that only the cluster's metadata names.
    pub brokers: Vec<Broker>,
    /// What the metadata says of the cluster; absent where no broker could be asked.
    pub cluster: Option<Cluster>,
    /// The topics that the function may write to, the pipeline's first; empty where no broker could be asked.
    pub topics: Vec<Topic>,
    /// What the function may do in the cluster as a whole.
    pub rights: ClusterRights,
    /// What became of the topic's creation, where it was asked for.
    pub created: Option<Created>,
    /// What became of the canary, where it was asked for.
    pub canary: Option<Canary>,
    /// How long all of it took.
    pub milliseconds: Millis,
}

/// A time in milliseconds, to a hundredth; a number in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(u32);

impl Millis {
    /// The milliseconds, such as 1.25.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl From<Duration> for Millis {
    fn from(duration: Duration) -> Self {
        Self(u32::try_from((duration.as_micros() + 5) / 10).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.value())
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.value())
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        let duration = Duration::try_from_secs_f64(millis / 1000.0).map_err(serde::de::Error::custom)?;
        Ok(duration.into())
    }
}

/// A step of the probe, in the order of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Reading the function's secret or certificates.
    Secret,
    /// Finding a broker's addresses.
    Dns,
    /// Connecting to one of them.
    Tcp,
    /// Encrypting the connection, and knowing whom with.
    Tls,
    /// Asking which requests the broker takes: the first words in Kafka's protocol.
    ApiVersions,
    /// Proving who the function is.
    Sasl,
    /// Asking for the cluster's brokers and topics.
    Metadata,
    /// Creating the topic.
    CreateTopic,
    /// Finding the topic and its partitions' leaders.
    Topic,
    /// Whether the function may write to the topic.
    Write,
    /// Whether it may write idempotently.
    IdempotentWrite,
    /// Writing a record and reading it back.
    Canary,
}

impl Step {
    /// In words, as they stand before a colon.
    pub fn words(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::ApiVersions => "API versions",
            Self::Sasl => "SASL",
            Self::Metadata => "metadata",
            Self::CreateTopic => "create topic",
            Self::Topic => "topic",
            Self::Write => "write",
            Self::IdempotentWrite => "idempotent write",
            Self::Canary => "canary",
        }
    }
}

/// Something that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// At which step.
    pub step: Step,
    /// Which broker, as `host:port`; absent where it is none's own failure.
    pub broker: Option<String>,
    /// Which topic, where it is about one.
    pub topic: Option<String>,
    /// What happened and what it means, in plain words.
    pub reason: String,
    /// What to do.
    pub next: String,
    /// What the system, OpenSSL or the broker said; empty where nobody said anything.
    pub detail: String,
}

/// One broker, as far as the probe came with it: a step that was not tried is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Broker {
    /// `host:port`.
    pub address: String,
    /// Its id, where the metadata names it under this address.
    pub id: Option<i32>,
    /// Whether it is one of `K2M_BOOTSTRAP_SERVERS`.
    pub bootstrap: bool,
    /// The addresses that its name has.
    pub addresses: Vec<String>,
    /// Finding them.
    pub dns: Option<Timed>,
    /// Connecting to each of them.
    pub tcp: Vec<Tcp>,
    /// The TLS handshake.
    pub tls: Option<Tls>,
    /// The first request.
    pub api_versions: Option<Timed>,
    /// Proving who the function is.
    pub sasl: Option<Sasl>,
    /// What failed.
    pub failure: Option<Failure>,
}

/// A step with nothing more to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// Whether it went well.
    pub ok: bool,
    /// How long it took.
    pub milliseconds: Millis,
}

/// A connection to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcp {
    /// `address:port`.
    pub address: String,
    /// Whether it was made.
    pub ok: bool,
    /// How long it took.
    pub milliseconds: Millis,
}

/// A TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Whether it went well.
    pub ok: bool,
    /// How long it took.
    pub milliseconds: Millis,
    /// Such as `TLSv1.3`; absent where none was agreed on.
    pub protocol: Option<String>,
    /// Whom the broker's certificate is for, also where it isn't trusted.
    pub certificate: Option<Certificate>,
}

/// A broker's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its subject, such as `CN=b-1.example.com`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The end of its validity, RFC 3339.
    pub expires: String,
    /// The hosts that it is for.
    pub hosts: Vec<String>,
}

/// A SASL exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sasl {
    /// Whether it went well.
    pub ok: bool,
    /// How long it took.
    pub milliseconds: Millis,
    /// Such as `OAUTHBEARER`.
    pub mechanism: String,
    /// What the port offers, where it said.
    pub offered: Vec<String>,
    /// Milliseconds until the broker wants to know again; absent where it never does.
    pub session_lifetime_milliseconds: Option<i64>,
}

/// The cluster, by its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Its id.
    pub id: Option<String>,
    /// The broker that was asked.
    pub asked: String,
    /// How many brokers it has.
    pub brokers: usize,
    /// How many of them were left out: the probe goes to a hundred at the most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// How long the question took.
    pub milliseconds: Millis,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What a topic is to the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// The pipeline's topic.
    Pipeline,
    /// One of the topics that a record's value chooses.
    Chosen,
    /// Where records go that the topic can never take.
    DeadLetter,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What it is to the function.
    pub purpose: Purpose,
    /// Whether it is there; absent where the brokers don't say.
    pub exists: Option<bool>,
    /// Its partitions, in order.
    pub partitions: Vec<Partition>,
    /// Bytes of the largest record batch it takes, where the function may know.
    pub max_message_bytes: Option<u64>,
    /// What the function may do on it.
    pub rights: TopicRights,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partition {
    /// Its number.
    pub number: i32,
    /// The id of the broker that leads it; absent where none does.
    pub leader: Option<i32>,
    /// How many replicas it should have.
    pub replicas: usize,
    /// How many of them are in sync.
    pub in_sync: usize,
}

/// Whether something may be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Right {
    /// It may.
    Allowed,
    /// It may not.
    Denied {
        /// What the broker said.
        reason: String,
    },
    /// Nobody knows.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Right {
    /// What nobody could be asked about.
    pub fn not_asked() -> Self {
        Self::Unknown {
            reason: "it was not tried".to_owned(),
        }
    }
}

/// What the function may do on a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicRights {
    /// Learn of its partitions.
    pub describe: Right,
    /// Write to it: found out without writing.
    pub write: Right,
    /// Learn of its settings; nothing that delivery needs.
    pub describe_configs: Right,
}

impl TopicRights {
    /// Before anything was asked.
    pub fn not_asked() -> Self {
        Self {
            describe: Right::not_asked(),
            write: Right::not_asked(),
            describe_configs: Right::not_asked(),
        }
    }
}

/// What the function may do in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRights {
    /// Write idempotently, as it does.
    pub idempotent_write: Right,
}

/// A topic's creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Whether it was created now: else it was there before, or could not be.
    pub created: bool,
    /// How long it took.
    pub milliseconds: Millis,
}

/// A record that says nothing, written to the topic and read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// The partition that it went to.
    pub partition: i32,
    /// Where it stands there; absent where it was not taken.
    pub offset: Option<i64>,
    /// How long the brokers took to acknowledge it.
    pub produce_milliseconds: Option<Millis>,
    /// How long it took to read it back; absent where that was not done.
    pub read_milliseconds: Option<Millis>,
    /// Why it was not read back, where that is no failure: a function needs no right to read.
    pub not_read: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_survive_the_way_through_json() {
        for (micros, text) in [
            (0, "0.0"),
            (4, "0.0"),
            (5, "0.01"),
            (1_254, "1.25"),
            (9_000_000, "9000.0"),
        ] {
            let millis = Millis::from(Duration::from_micros(micros));
            assert_eq!(serde_json::to_string(&millis).expect("a number"), text);
            assert_eq!(serde_json::from_str::<Millis>(text).expect("milliseconds"), millis);
        }
        for bad in ["-1", "1e300"] {
            assert!(serde_json::from_str::<Millis>(bad).is_err(), "{bad}");
        }
    }
}

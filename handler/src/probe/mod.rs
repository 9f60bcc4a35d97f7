//! The probe: the function's own report of its way to Kafka, asked for by a direct invocation, `{"k2m": {"probe": {}}}`. It speaks Kafka's
//! protocol itself, so that each step is told from the next, and works when everything is broken: each step has a time-out of its own, and all
//! of them have one together. It touches neither the stream nor the producer.
//!
//! `{"k2m": {"createTopics": …}}` goes the same way, and has topics that are missing created ([`creation`]).

mod canary;
mod certificate;
mod connect;
pub mod creation;
mod crew;
pub mod report;
mod sasl;
mod scram;
mod sniff;
mod topic;
mod wire;
mod words;

use std::time::Duration;

use kafka_protocol::messages::MetadataResponse;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::connect::Means;
use self::creation::CreateTopics;
use self::crew::Crew;
use self::report::{
    Answer, Broker, Canary, Cluster, ClusterRights, Created, Failure, Purpose, Report, Right, Said, Step, Topic,
};
use self::words::{Method, Place, Trouble, explain, short};
use crate::config::{Authentication, Config, OnPoison};

/// How long all of it may take.
const WHOLE: Duration = Duration::from_secs(9);

/// What the probe is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Create the pipeline's topic where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_topic: Option<CreateTopic>,
    /// Write a record to the pipeline's topic and read it back.
    #[serde(default)]
    pub canary: bool,
}

/// How a topic is to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTopic {
    /// Its number of partitions.
    pub partitions: i32,
    /// Replicas of each.
    pub replication_factor: i16,
}

/// The payload of an invocation that asks something of k2m itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// What is asked.
    pub k2m: Asked,
}

/// The part of the payload that is under `k2m`: one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Asked {
    /// The probe.
    Probe(Request),
    /// Topics, where they are missing.
    CreateTopics(CreateTopics),
}

impl Payload {
    /// The payload that asks for the probe.
    pub fn new(probe: Request) -> Self {
        Self {
            k2m: Asked::Probe(probe),
        }
    }

    /// The payload that asks for topics.
    pub fn create_topics(topics: CreateTopics) -> Self {
        Self {
            k2m: Asked::CreateTopics(topics),
        }
    }
}

/// A payload that asks for something that k2m can't do.
#[derive(Debug, thiserror::Error)]
#[error(
    "the invocation asks k2m for what it can't do: {0}; the probe is asked for with \
     {{\"k2m\":{{\"probe\":{{\"createTopic\":{{\"partitions\":3,\"replicationFactor\":3}},\"canary\":true}}}}}}, where \"createTopic\" and \
     \"canary\" may be left out, and topics with {{\"k2m\":{{\"createTopics\":{{\"topics\":[{{\"name\":\"orders\",\"partitions\":3}}]}}}}}}"
)]
pub struct AskedWrongly(#[from] serde_json::Error);

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Told {
    /// To the probe.
    Probe(Box<Answer>),
    /// To the question for topics.
    Topics(creation::Answer),
}

/// Whether a payload is meant for k2m itself: an object whose first key is `k2m`. Looks at no more than its beginning.
pub fn is_asked(payload: &[u8]) -> bool {
    let object = payload.trim_ascii_start().strip_prefix(b"{");
    object.is_some_and(|keys| keys.trim_ascii_start().starts_with(b"\"k2m\""))
}

/// Does what is asked, and reports by `due`.
///
/// # Errors
/// The payload asks for something else.
pub async fn answer(payload: &[u8], request_id: &str, config: &Config, due: Instant) -> Result<Told, AskedWrongly> {
    let Payload { k2m } = serde_json::from_slice(payload)?;
    Ok(match k2m {
        Asked::Probe(request) => {
            let probe = probe(request, config, due).await;
            note(request_id, &probe);
            Told::Probe(Box::new(Answer { k2m: Said { probe } }))
        }
        Asked::CreateTopics(request) => {
            let topics = creation::create(&request, config, due).await;
            creation::note(request_id, &topics);
            Told::Topics(creation::Answer {
                k2m: creation::Said { topics },
            })
        }
    })
}

/// The line that the log has of it.
fn note(request_id: &str, report: &Report) {
    let (ok, milliseconds) = (report.ok, report.milliseconds.value());
    match &report.failure {
        None => tracing::info!(requestId = request_id, ok, milliseconds, "probe"),
        Some(failure) => tracing::warn!(
            requestId = request_id,
            ok,
            milliseconds,
            step = failure.step.words(),
            broker = failure.broker.as_deref().unwrap_or_default(),
            reason = failure.reason,
            next = failure.next,
            detail = failure.detail,
            "probe"
        ),
    }
}

fn method(authentication: &Authentication) -> Method {
    match authentication {
        Authentication::Plaintext => Method::Plaintext,
        Authentication::Tls => Method::Tls,
        Authentication::MutualTls(_) => Method::MutualTls,
        Authentication::Scram(_) => Method::Scram,
        Authentication::Iam(_) => Method::Iam,
    }
}

/// The topics that the function may write to, the pipeline's first, each once.
fn topics(config: &Config) -> Vec<(String, Purpose)> {
    let purposes = std::iter::once(Purpose::Pipeline).chain(std::iter::repeat(Purpose::Chosen));
    let names = config.payload.topics(&config.topic).into_iter().map(str::to_owned);
    let mut topics: Vec<(String, Purpose)> = names.zip(purposes).collect();
    if let OnPoison::Divert(name) = &config.on_poison {
        topics.push((name.clone(), Purpose::DeadLetter));
    }
    topics
}

/// The probe under way.
struct Probe {
    method: Method,
    failures: Vec<Failure>,
    cluster: Option<Cluster>,
    topics: Vec<Topic>,
    rights: ClusterRights,
    created: Option<Created>,
    canary: Option<Canary>,
}

impl Probe {
    fn new(method: Method) -> Self {
        Self {
            method,
            failures: Vec::new(),
            cluster: None,
            topics: Vec::new(),
            rights: ClusterRights {
                idempotent_write: Right::not_asked(),
            },
            created: None,
            canary: None,
        }
    }

    /// Every failure, the brokers' own too, in the order of the steps. What nobody was asked is not well, even where nobody says why.
    fn all_failures(&mut self, brokers: &[Broker], asked: bool) -> Vec<Failure> {
        let told = !self.failures.is_empty() || brokers.iter().any(|broker| broker.failure.is_some());
        if !asked && !told {
            self.fail(Step::Metadata, &Trouble::Nobody, None, None);
        }
        let own = brokers.iter().filter_map(|broker| broker.failure.clone());
        let mut failures: Vec<Failure> = own.chain(std::mem::take(&mut self.failures)).collect();
        failures.sort_by_key(|failure| failure.step);
        failures
    }

    /// Keeps a failure that is of this topic, or of none.
    fn fail(&mut self, step: Step, trouble: &Trouble, broker: Option<&str>, topic: Option<&str>) {
        let place = Place {
            broker,
            topic,
            method: self.method,
        };
        self.failures.push(explain(step, trouble, &place));
    }
}

async fn probe(request: Request, config: &Config, due: Instant) -> Report {
    let start = Instant::now();
    let means = Means::new(method(&config.authentication), config.clone(), due.min(start + WHOLE));
    let mut probe = Probe::new(means.method);
    let mut crew = Crew::new(means);
    let servers: Vec<&str> = config.bootstrap_servers.split(',').collect();
    crew.reach(&servers, true).await;
    // Also where no broker came so far as to need it.
    if let Some(trouble) = crew.secret().await {
        probe.fail(Step::Secret, &trouble, None, None);
    }
    let names = topics(config);
    if let Some((metadata, elapsed)) = crew.metadata(&names, &mut probe).await {
        let left_out = crew.meet(&metadata).await;
        probe.cluster = Some(Cluster {
            id: metadata.cluster_id.as_ref().map(|id| short(id.as_str())),
            asked: crew.asked().to_owned(),
            brokers: metadata.brokers.len(),
            left_out,
            milliseconds: elapsed.into(),
        });
        look(request, &names, metadata, &mut crew, &mut probe).await;
    }
    let brokers = crew.brokers();
    let failures = probe.all_failures(&brokers, probe.cluster.is_some());
    Report {
        ok: failures.is_empty() && probe.cluster.is_some(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        authentication: probe.method.name().to_owned(),
        failure: failures.first().cloned(),
        failures,
        brokers,
        cluster: probe.cluster,
        topics: probe.topics,
        rights: probe.rights,
        created: probe.created,
        canary: probe.canary,
        milliseconds: start.elapsed().into(),
    }
}

/// All that comes after the way to the brokers: the topics, the rights, and what was asked for besides.
async fn look(
    request: Request,
    names: &[(String, Purpose)],
    metadata: MetadataResponse,
    crew: &mut Crew,
    probe: &mut Probe,
) {
    let pipeline = names.first().map(|(name, _)| name.as_str()).unwrap_or_default();
    let metadata = match request.create_topic {
        None => metadata,
        Some(wanted) => topic::create(wanted, names, crew, probe, &metadata)
            .await
            .unwrap_or(metadata),
    };
    for (name, purpose) in names {
        topic::look(name, *purpose, &metadata, crew, probe).await;
    }
    topic::idempotence(crew, probe).await;
    if request.canary && probe.topics.first().is_some_and(|topic| topic.exists == Some(true)) {
        canary::fly(pipeline, crew, probe).await;
    }
    topic::settings(crew, probe).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_for_k2m_itself_goes_to_the_probe() {
        for (payload, asked) in [
            (r#"{"k2m":{"probe":{}}}"#, true),
            (" {\n  \"k2m\" : 1}", true),
            (r#"{"Records":[]}"#, false),
            (r#"{"k2mm":1}"#, false),
            (r#"["k2m"]"#, false),
            ("", false),
            ("{", false),
        ] {
            assert_eq!(is_asked(payload.as_bytes()), asked, "{payload}");
        }
    }

    #[test]
    fn what_is_asked_wrongly_is_named() {
        let read = |text: &str| serde_json::from_str::<Payload>(text);
        assert_eq!(
            read(r#"{"k2m":{"probe":{}}}"#).expect("nothing more is needed"),
            Payload::new(Request::default())
        );
        let full = Request {
            create_topic: Some(CreateTopic {
                partitions: 3,
                replication_factor: 2,
            }),
            canary: true,
        };
        let text = serde_json::to_string(&Payload::new(full)).expect("JSON");
        assert_eq!(read(&text).expect("its own words"), Payload::new(full));
        for (bad, named) in [
            (r#"{"k2m":{"probe":{"canry":true}}}"#, "canry"),
            (r#"{"k2m":{"prob":{}}}"#, "prob"),
            (r#"{"k2m":{"probe":{}},"Records":[]}"#, "Records"),
            (
                r#"{"k2m":{"probe":{"createTopic":{"partitions":3}}}}"#,
                "replicationFactor",
            ),
            (
                r#"{"k2m":{"createTopics":{"topics":[{"name":"orders","replicas":3}]}}}"#,
                "replicas",
            ),
            (r#"{"k2m":{"createTopics":{"topics":[]}}}"#, "no topic"),
            (
                r#"{"k2m":{"createTopics":{"topics":[{"name":"a","partitions":1},{"name":"a","partitions":1}]}}}"#,
                "a is named twice",
            ),
            (
                r#"{"k2m":{"createTopics":{"topics":[{"name":"a","partitions":0}]}}}"#,
                "partitions of a",
            ),
            (
                r#"{"k2m":{"createTopics":{"topics":[{"name":"a","partitions":1,"replicationFactor":-1}]}}}"#,
                "replicationFactor of a",
            ),
            (r#"{"k2m":{}}"#, "expected"),
            (r#"{"k2m":"#, "EOF"),
        ] {
            let error = AskedWrongly::from(read(bad).expect_err(bad)).to_string();
            assert!(error.contains(named) && error.contains("may be left out"), "{error}");
        }
    }
}

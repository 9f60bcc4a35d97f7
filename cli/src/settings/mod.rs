//! What the user chose, resolved once: flag, then environment, then k2m.yaml, then default, each value with where it comes from. Pure: the caller
//! reads the environment and the file.

mod file;
mod form;
pub(crate) mod parse;
mod payload;
mod resolve;
pub mod schema;
mod servers;
mod table;

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;
use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;

pub use file::{Entry, File, FileError, FilePipeline, Overlay, SIZE_LIMIT};
pub use form::Form;
pub use k2m_bundle::Architecture;
pub use payload::{Payload, Told};
pub(crate) use resolve::ENVIRONMENT_FLAG;
pub use resolve::{
    ChosenStack, Environment, FunctionEnds, LocalSettings, SettingsError, Sources, StackOutputs, in_environment,
    resolve, resolve_deployed, resolve_function, resolve_local, resolve_stack,
};
pub use servers::{ServerName, Servers};
pub use table::{Preset, Row, Shape, TABLE, check};

use crate::arn::{Arn, SecretArn};

/// A value, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub source: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A flag, such as `--batch-size`.
    Flag(String),
    /// A variable of the environment, such as `K2M_BATCH_SIZE`.
    Environment(String),
    /// A line of k2m.yaml.
    File(Box<FileLine>),
    /// Nobody chose.
    Default,
}

/// A line of k2m.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileLine {
    /// The file's name as it was given.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// The environment whose line it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(variable) => f.write_str(variable),
            Self::File(place) => {
                let FileLine {
                    path,
                    line,
                    environment,
                } = place.as_ref();
                write!(f, "{path}:{line}")?;
                match environment {
                    Some(name) => write!(f, ", environment {name}"),
                    None => Ok(()),
                }
            }
            Self::Default => f.write_str("default"),
        }
    }
}

/// Which credentials are used, and in which region k2m looks where no ARN says so. The SDK's own rules fill what is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// `--profile`.
    pub profile: Option<String>,
    /// `--region`.
    pub region: Option<String>,
}

/// How the function proves itself to the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// SASL/IAM: the function's role.
    Iam,
    /// TLS without a client certificate.
    Tls,
    /// Neither encryption nor identity.
    Plaintext,
    /// SASL/SCRAM-SHA-512: a user and a password, out of a secret.
    Scram,
    /// TLS with a client certificate, out of a secret.
    MutualTls,
}

impl Authentication {
    /// All ways, the best first: those that keep no secret go before those that do.
    pub const ALL: [Self; 5] = [Self::Iam, Self::Tls, Self::Plaintext, Self::Scram, Self::MutualTls];

    /// Whether what is shown to the brokers is kept in a secret.
    pub const fn needs_secret(self) -> bool {
        matches!(self, Self::Scram | Self::MutualTls)
    }

    /// What speaks to a port of MSK's brokers: inside their VPC (90xx), by public access (91xx), or by IPv6 (200xx). Mutual TLS has the ports of TLS.
    pub const fn of_port(port: u16) -> Option<Self> {
        match port {
            9092 | 20092 => Some(Self::Plaintext),
            9094 | 9194 | 20094 => Some(Self::Tls),
            9096 | 9196 | 20096 => Some(Self::Scram),
            9098 | 9198 | 20098 => Some(Self::Iam),
            _ => None,
        }
    }

    /// As it is written in k2m.yaml, on the command line and in `K2M_AUTHENTICATION`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Tls => "tls",
            Self::Plaintext => "plaintext",
            Self::Scram => "scram",
            Self::MutualTls => "mutual_tls",
        }
    }
}

/// What becomes of a record that the topic can never take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnPoison {
    /// It fails until its retries are used up, and goes to the failure destination
    #[default]
    Block,
    /// It goes to the dead-letter topic whole, and the shard goes on
    Divert,
}

impl OnPoison {
    /// As it is written in k2m.yaml, on the command line and in `K2M_ON_POISON`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Divert => "divert",
        }
    }
}

/// The name of the dead-letter topic where nobody names one.
pub(crate) fn default_dead_letter_topic(topic: &str) -> String {
    format!("{topic}-dead-letter")
}

/// Where in the stream the mapping begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StartingPosition {
    /// The oldest record that the stream still has.
    TrimHorizon,
    /// What arrives after the mapping was made.
    Latest,
    /// What arrived at this time or later; RFC 3339.
    AtTimestamp(String),
}

impl Settings {
    /// Refuses times that have not come: no mapping begins there.
    pub fn check_times(&self, now: Timestamp) -> Result<(), SettingsError> {
        for pipeline in &self.pipelines {
            if let StartingPosition::AtTimestamp(time) = &pipeline.starting_position.value
                && time.parse::<Timestamp>().is_ok_and(|time| time > now)
            {
                return Err(SettingsError::FutureTimestamp {
                    time: time.clone(),
                    stream: pipeline.stream.value.name().to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Everything that a user can choose for a stack, resolved. What is `None` is decided by the plan, from facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Where the stack is.
    #[serde(skip)]
    pub home: Home,
    /// The profile that was named, whoever named it: commands that are printed name it again.
    #[serde(skip)]
    pub profile: Option<String>,
    /// The environment of k2m.yaml that was chosen: commands that are printed name it again, with the file.
    #[serde(skip)]
    pub environment: Option<ChosenEnvironment>,
    /// Where records go.
    #[serde(flatten)]
    pub kafka: Kafka,
    /// Blocks that the brokers' addresses are in, of a Kafka that is not MSK; those of the servers' names by default.
    pub broker_cidrs: Option<Setting<Vec<Ipv4Net>>>,
    /// The CloudFormation stack; `k2m-<stream>` by default, where there is one stream.
    pub stack: Setting<String>,
    /// How the brokers are spoken to; the best that the cluster has by default.
    pub authentication: Option<Setting<Authentication>>,
    /// What is shown to the brokers, with the ways that need a secret.
    pub secret: Option<Setting<SecretArn>>,
    /// The certificate authority to trust in place of the system's.
    pub ca_secret: Option<Setting<SecretArn>>,
    /// Whether rules are for 9092-9098 instead of the one port that is used.
    pub all_broker_ports: Setting<bool>,
    /// Subnets of the functions, by id; chosen by the plan by default.
    pub subnets: Option<Setting<Vec<String>>>,
    /// The function's VPC, by id; chosen by the plan by default.
    pub vpc: Option<Setting<String>>,
    /// The peering connection to use, by id; chosen by the plan by default.
    pub peering: Option<Setting<String>>,
    /// The functions' security group, by id; the stack's own by default.
    pub security_group: Option<Setting<String>>,
    /// Whether functions are in no VPC.
    pub public_access: Setting<bool>,
    /// Whether the cluster is reached by its multi-VPC private connectivity; where nothing else leads there by default.
    pub private_connectivity: Option<Setting<bool>>,
    /// Whether an interface endpoint for Secrets Manager is made where nothing else leads there; asked by default.
    pub secrets_endpoint: Option<Setting<bool>>,
    /// Tags of stacks and of what is in them, beside k2m's own.
    pub tags: Option<Setting<BTreeMap<String, String>>>,
    /// Whether the stack is kept from being deleted; left as it is by default.
    pub termination_protection: Option<Setting<bool>>,
    /// ARN of the policy that bounds what the stack's roles may be allowed.
    pub permissions_boundary: Option<Setting<String>>,
    /// ARN of the role whose rights CloudFormation works with.
    pub cloudformation_role: Option<Setting<String>>,
    /// The bucket for code and templates, in place of k2m's own.
    pub artifact_bucket: Option<Setting<String>>,
    /// The functions' processor, where one was chosen; else the handler's, for which one that is carried for arm64 comes first.
    pub architecture: Option<Setting<Architecture>>,
    /// Each pipeline, in the user's order; never empty, and of each stream there is one.
    pub pipelines: Vec<PipelineSettings>,
    /// Streams of k2m.yaml's pipelines that `--stream` or its variable leaves out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Arn>,
    /// The file that names streams, where there is one, and all that it names.
    #[serde(skip)]
    pub listed: Option<Listed>,
}

/// Streams that a file of settings names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The file, as it was given.
    pub path: String,
    /// What it names; never empty.
    pub streams: Vec<Arn>,
}

/// An environment of a file of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenEnvironment {
    /// Its name, which means nothing to a shell.
    pub name: String,
    /// The file, as it was given.
    pub path: String,
}

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kafka {
    /// A cluster of MSK.
    Cluster(Setting<Arn>),
    /// A Kafka that is not MSK, by servers to begin with.
    BootstrapServers(Setting<Servers>),
}

/// The partition and the region of all streams of a stack, and the account that the stack is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// `aws`, `aws-cn`, `aws-us-gov` and so on.
    pub partition: String,
    /// Such as `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Home {
    /// Where the stack is that joins this stream to this cluster: beside the stream, and in the cluster's account, whose network it is in.
    pub fn joining(stream: &Arn, cluster: &Arn) -> Self {
        Self {
            account: cluster.account.clone(),
            ..Self::of(stream)
        }
    }

    /// Where this is.
    pub fn of(arn: &Arn) -> Self {
        Self {
            partition: arn.partition.clone(),
            region: arn.region.clone(),
            account: arn.account.clone(),
        }
    }
}

/// What a user can choose for one pipeline, resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineSettings {
    /// The stream to read.
    pub stream: Setting<Arn>,
    /// The topic; the stream's name by default.
    pub topic: Setting<String>,
    /// Whether a topic that is missing is created; asked by default.
    pub create_topic: Option<Setting<bool>>,
    /// Partitions of a topic that is created.
    pub topic_partitions: Option<Setting<u32>>,
    /// Replicas of each partition of a topic that is created.
    pub topic_replication_factor: Option<Setting<u32>>,
    /// What becomes of a record that the topic can never take.
    pub on_poison: Setting<OnPoison>,
    /// Where it goes with [`OnPoison::Divert`], `<topic>-dead-letter` by default; always given with that, and only with that.
    pub dead_letter_topic: Option<Setting<String>>,
    /// ARN of the stream's consumer that is read in its place: enhanced fan-out.
    pub consumer: Option<Setting<String>>,
    /// Where the mapping begins.
    pub starting_position: Setting<StartingPosition>,
    /// Most records in one invocation, 1-10000.
    pub batch_size: Setting<u32>,
    /// Seconds that a batch may take to fill, 0-300.
    pub batching_window: Setting<u32>,
    /// Batches of one shard in work at the same time, 1-10.
    pub parallelization_factor: Setting<u32>,
    /// Retries of a failed batch, -1 (without end) to 10000.
    pub retries: Setting<i32>,
    /// Oldest record that is still sent, in seconds: -1 (any age) or 60-604800; by default the smaller of 7 days and the stream's retention.
    pub maximum_record_age: Option<Setting<i32>>,
    /// Whether a batch is split in two when the function fails.
    pub bisect: Setting<bool>,
    /// Whether the mapping reads.
    pub enabled: Setting<bool>,
    /// ARN of an SNS topic, SQS queue or S3 bucket for what is given up; the stack's own by default.
    pub failure_destination: Option<Setting<String>>,
    /// E-mail address that is subscribed to the stack's own SNS topic for what is given up.
    pub failure_email: Option<Setting<String>>,
    /// ARN of an SNS topic that the alarms tell.
    pub alarm_topic: Option<Setting<String>>,
    /// The function's memory in MB, 128-10240.
    pub memory: Setting<u32>,
    /// Seconds an invocation may take, 1-900.
    pub timeout: Setting<u32>,
    /// Days that logs are kept.
    pub log_retention: Setting<u32>,
    /// What data is taken for, and what messages are made of.
    #[serde(flatten)]
    pub payload: Payload,
}

impl Settings {
    /// The cluster to write to, where it is one of MSK.
    pub const fn cluster(&self) -> Option<&Setting<Arn>> {
        match &self.kafka {
            Kafka::Cluster(cluster) => Some(cluster),
            Kafka::BootstrapServers(_) => None,
        }
    }

    /// The servers to begin with, where the Kafka is not MSK.
    pub const fn servers(&self) -> Option<&Setting<Servers>> {
        match &self.kafka {
            Kafka::Cluster(_) => None,
            Kafka::BootstrapServers(servers) => Some(servers),
        }
    }

    /// What tells the Kafka from any other: the cluster's ARN, else the servers as they were named.
    pub fn identity(&self) -> String {
        match &self.kafka {
            Kafka::Cluster(cluster) => cluster.value.to_string(),
            Kafka::BootstrapServers(servers) => servers.value.to_string(),
        }
    }

    /// The region of the networks that lead to the brokers: the cluster's, else the streams'.
    pub fn brokers_region(&self) -> &str {
        self.cluster()
            .map_or(&self.home.region, |cluster| &cluster.value.region)
    }

    /// Those of a pipeline of which nothing is said but its ends, which come from there.
    #[cfg(test)]
    pub(crate) fn by_default(stream: &str, cluster: &str, source: &Source) -> Self {
        let flags = crate::args::SettingsArgs {
            stream: vec![stream.to_owned()],
            cluster: Some(cluster.to_owned()),
            ..crate::args::SettingsArgs::default()
        };
        let sources = Sources {
            flags: &flags,
            environment: &Environment::new(),
            file: None,
        };
        let (mut settings, _) = resolve(sources).unwrap();
        settings.one().stream.source.clone_from(source);
        if let Kafka::Cluster(cluster) = &mut settings.kafka {
            cluster.source.clone_from(source);
        }
        settings
    }

    /// What is of the only pipeline.
    #[cfg(test)]
    pub(crate) fn one(&mut self) -> &mut PipelineSettings {
        assert_eq!(self.pipelines.len(), 1, "it is not the only one");
        &mut self.pipelines[0]
    }
}

impl PipelineSettings {
    /// Every topic that it may write to: its own, those that the data chooses among, the dead-letter topic.
    pub fn topics(&self) -> Vec<&str> {
        let dead_letter = self.dead_letter_topic.iter().map(|topic| topic.value.as_str());
        let mut topics = vec![self.topic.value.as_str()];
        topics.extend(self.mapped_topics());
        topics.extend(dead_letter);
        topics
    }

    /// The topics that the data chooses among, beside the topic; each once, in order.
    pub fn mapped_topics(&self) -> Vec<&str> {
        self.payload.other_topics(&self.topic.value)
    }
}

/// The name that was probably meant, where one is like the text.
fn closest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let like = names.map(|name| (strsim::jaro_winkler(name, text), name));
    like.filter(|(similarity, _)| *similarity > 0.84)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests;

//! What k2m will create, as plain data: all that the templates print, and why each choice was made. Holds no secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shared::NetworkStack;
use crate::arn::SecretArn;
use crate::facts::stream_name;
use crate::network::Proof;
use crate::settings::{Authentication, StartingPosition};

/// One stack, decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// ARN of the policy that bounds what the roles may be allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// The stack's name.
    pub stack: String,
    /// The stack's region: the stream's.
    pub region: String,
    /// The account, twelve digits.
    pub account: String,
    /// The partition, such as `aws`.
    pub partition: String,
    /// The cluster.
    pub cluster: PlannedCluster,
    /// The functions' network; none where they are in no VPC.
    pub network: Option<PlannedNetwork>,
    /// The interface endpoint for Secrets Manager that a network stack makes, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets_endpoint: Option<PlannedEndpoint>,
    /// The VPC connection that the functions come in by, where they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<PlannedConnection>,
    /// Network stacks that the stack needs, in the order in which they are deployed.
    pub network_stacks: Vec<NetworkStack>,
    /// What moves records; each has its own function. Never empty.
    pub pipelines: Vec<Pipeline>,
    /// Pipelines that the stack has and that this takes away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// What was asked for and would lose a position in a stream. A starting position among it is not taken: the deployed one stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
    /// Whether the stack tells of each pipeline only what can't be told otherwise: CloudFormation has no room for more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub brief_outputs: bool,
    /// What was decided, in the order of the way from the stream to the topic.
    pub decisions: Vec<Decision>,
    /// Each chosen subnet to each broker, through the network as it will be: all reachable, else there would be no plan.
    pub proofs: Vec<Proof>,
    /// What should be known before it is deployed, though nothing stands in the way.
    pub warnings: Vec<String>,
}

/// A pipeline that is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// The stream's ARN.
    pub stream: String,
    /// The topic that it wrote to, where the stack says.
    pub topic: Option<String>,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = match &self.topic {
            Some(topic) => format!("the topic {topic} stays"),
            None => "its topic stays".to_owned(),
        };
        write!(
            f,
            "removes the pipeline of the stream {}: its function, event source mapping, role, alarms and logs, and its failure queue with what is in it; {topic}",
            stream_name(&self.stream)
        )
    }
}

/// A setting with which a deployed event source mapping would lose its position in the stream: only another mapping can have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// The stream's ARN.
    pub stream: String,
    /// `starting_position`, or `consumer`.
    pub setting: &'static str,
    /// What it was to be: the starting position, or the ARN of what the mapping was to read.
    pub asked: String,
    /// Who asked for it.
    pub by: String,
    /// What is deployed.
    pub deployed: String,
}

/// [`Loss::setting`] of another starting position.
pub const STARTING_POSITION: &str = "starting_position";
/// [`Loss::setting`] of another consumer, or none.
pub const CONSUMER: &str = "consumer";

/// A decision, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The name of the stream whose pipeline it is of, in a plan of several; left out where it is of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// What it is about: `subnets`, `port` and so on.
    pub about: &'static str,
    /// What was chosen.
    pub choice: String,
    /// Why.
    pub why: String,
}

/// The cluster, as the function will speak to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCluster {
    /// Its ARN; left out where the Kafka is not MSK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Its region; the stack's where the Kafka is not MSK.
    pub region: String,
    /// How the brokers are spoken to.
    pub authentication: Authentication,
    /// `host:port`, joined by commas.
    pub bootstrap_servers: String,
    /// Blocks that the brokers of a Kafka that is not MSK are in, where they were named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broker_cidrs: Vec<Ipv4Net>,
    /// The port of all of them; by private connectivity, and of a Kafka that is not MSK, the lowest.
    pub port: u16,
    /// What the function reads out of Secrets Manager, and is let out to it for; left out where that is nothing.
    #[serde(skip_serializing_if = "PlannedSecrets::is_empty")]
    pub secrets: PlannedSecrets,
}

/// Secrets that the function reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSecrets {
    /// What it shows to the brokers.
    pub identity: Option<SecretArn>,
    /// The authority it trusts.
    pub ca: Option<SecretArn>,
}

impl PlannedCluster {
    /// What tells it from any other Kafka: its ARN, else its servers as they were named.
    pub fn identity(&self) -> &str {
        self.arn.as_deref().unwrap_or(&self.bootstrap_servers)
    }

    /// Where the brokers listen, for people: `port 9098`. Only by private connectivity does each broker have a port of its own.
    pub fn ports(&self) -> String {
        let servers = self.bootstrap_servers.split(',');
        let ports: BTreeSet<&str> = servers.filter_map(|server| Some(server.rsplit_once(':')?.1)).collect();
        let ports: Vec<&str> = ports.into_iter().collect();
        format!("port{} {}", if ports.len() == 1 { "" } else { "s" }, ports.join(", "))
    }
}

impl PlannedSecrets {
    /// Each of them.
    pub fn all(&self) -> impl Iterator<Item = &SecretArn> {
        self.identity.iter().chain(&self.ca)
    }

    fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }
}

/// Where the function is, and which rules let it through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedNetwork {
    /// The VPC's id.
    pub vpc: String,
    /// Ids of the function's subnets, in order.
    pub subnets: Vec<String>,
    /// The id of the brokers' VPC; empty where the Kafka is not MSK.
    pub cluster_vpc: String,
    /// The security group of the cluster, or of somebody else's VPC connection, that lets the function in; none where a network stack's own does, and where
    /// the Kafka is not MSK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_group: Option<String>,
    /// First and last port of the rules.
    pub ports: (u16, u16),
    /// The functions' group, where it is not the stack's own.
    pub function_group: Option<String>,
    /// Where the stack's own group lets out to.
    pub egress: Vec<PlannedPeer>,
    /// Whether the stack gives the cluster's group a rule that names the function's group. Else a network stack gives it rules by CIDR block.
    pub ingress_by_group: bool,
}

/// An interface endpoint that a network stack makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedEndpoint {
    /// The service.
    pub service: String,
    /// The VPC's id.
    pub vpc: String,
    /// How many network interfaces it has: AWS charges for each.
    pub interfaces: usize,
    /// Whether it is made because nobody said that it must not be: to be confirmed.
    pub unconfirmed: bool,
    /// Whether the network stack has it already.
    pub exists: bool,
}

/// A VPC connection: what reaches a cluster by multi-VPC private connectivity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedConnection {
    /// The functions' VPC.
    pub vpc: String,
    /// `SASL_IAM`, `SASL_SCRAM` or `TLS`.
    pub authentication: &'static str,
    /// The subnets that have a network interface of it: AWS charges for it by the hour.
    pub subnets: Vec<String>,
    /// Whether it is a network stack's.
    pub own: bool,
    /// Whether it is there already.
    pub exists: bool,
    /// Whether it is made because nobody said that it must not be: to be confirmed.
    pub unconfirmed: bool,
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "camelCase")]
pub enum PlannedPeer {
    /// A security group's id.
    Group(String),
    /// An IPv4 CIDR block.
    Cidr(String),
    /// An IPv4 CIDR block where brokers of a Kafka that is not MSK are, and their port.
    Server {
        /// The block.
        cidr: String,
        /// The port.
        port: u16,
    },
}

/// A stream into a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    /// What the logical ids of its resources begin with: letters and digits, the same as long as the stream is the same.
    pub id: String,
    /// The stream's ARN.
    pub stream: String,
    /// The stream's name.
    pub stream_name: String,
    /// The topic's name.
    pub topic: String,
    /// The topic, where it is made for the stack.
    pub new_topic: Option<NewTopic>,
    /// The topics that the data chooses among, beside the topic.
    pub mapped_topics: Vec<MappedTopic>,
    /// The dead-letter topic, where poison goes to one.
    pub dead_letter_topic: Option<DeadLetterTopic>,
    /// Logical ids of topics that another pipeline of the stack brings, and that have to be there first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// The topics that its function makes, or has made: what the stack remembers of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_topics: Option<FunctionTopics>,
    /// What its role may do besides, until the function has made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation: Option<Statement>,
    /// The function.
    pub function: PlannedFunction,
    /// Its event source mapping.
    pub mapping: PlannedMapping,
    /// Where what is given up goes.
    pub destination: Destination,
    /// Who is told by e-mail of what is given up, with a destination of the stack's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_email: Option<String>,
    /// What the function's role may do.
    pub statements: Vec<Statement>,
    /// Its alarms.
    pub alarms: Vec<Alarm>,
    /// Whether the mapping is left out, since an old one has to go before a new one can come.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_mapping: bool,
}

impl Pipeline {
    /// The topics that it brings as resources: logical id and name.
    pub fn made(&self) -> impl Iterator<Item = (String, &str)> {
        let is = |topic: &Option<NewTopic>| topic.as_ref().is_some_and(|topic| topic.by == Maker::CloudFormation);
        let own = is(&self.new_topic).then(|| (format!("{}Topic", self.id), self.topic.as_str()));
        let mapped = self.mapped_topics.iter().filter(move |topic| is(&topic.new_topic));
        let mapped = mapped.map(|topic| (format!("{}{}", self.id, topic.id), topic.name.as_str()));
        let dead_letter = self.dead_letter_topic.iter().filter(move |topic| is(&topic.new_topic));
        let dead_letter = dead_letter.map(|topic| (format!("{}DeadLetterTopic", self.id), topic.name.as_str()));
        own.into_iter().chain(mapped).chain(dead_letter)
    }

    /// The topics that its function is still to make.
    pub fn pending(&self) -> impl Iterator<Item = (&str, &NewTopic)> {
        let new = self.topics().filter_map(|(name, topic)| Some((name, topic?)));
        new.filter(|(_, topic)| topic.is_pending())
    }

    /// All topics that it writes to, each with what is made of it.
    pub fn topics(&self) -> impl Iterator<Item = (&str, Option<&NewTopic>)> {
        let mapped = self.mapped_topics.iter();
        let mapped = mapped.map(|topic| (topic.name.as_str(), topic.new_topic.as_ref()));
        let dead_letter = self.dead_letter_topic.iter();
        let dead_letter = dead_letter.map(|topic| (topic.name.as_str(), topic.new_topic.as_ref()));
        std::iter::once((self.topic.as_str(), self.new_topic.as_ref()))
            .chain(mapped)
            .chain(dead_letter)
    }
}

/// A topic that the data chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MappedTopic {
    /// Its name.
    pub name: String,
    /// The end of its logical id.
    pub id: String,
    /// The topic, where it is made for the stack.
    pub new_topic: Option<NewTopic>,
}

/// The dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterTopic {
    /// Its name.
    pub name: String,
    /// The topic, where it is made for the stack.
    pub new_topic: Option<NewTopic>,
}

/// Who makes a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Maker {
    /// CloudFormation, as a resource of a stack.
    CloudFormation,
    /// The function, which `k2m deploy` asks before its mapping reads: where MSK makes none.
    Function,
}

/// A topic that is made for the stack, and that stays when the stack goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTopic {
    /// Who makes it.
    pub by: Maker,
    /// How many partitions.
    pub partitions: u32,
    /// How many replicas of each. None: as many as the brokers give by themselves, which only the function can ask for.
    pub replication_factor: Option<u32>,
    /// Its own settings, as CloudFormation takes them: a JSON object in base64. Without them the cluster's hold.
    pub configs: Option<String>,
    /// Whether it is made because nobody said that it must not be: to be confirmed.
    pub unconfirmed: bool,
    /// Whether the stack has it already, or the function has made it.
    pub exists: bool,
}

impl NewTopic {
    /// Whether the function is still to make it, where it is missing.
    pub fn is_pending(&self) -> bool {
        self.by == Maker::Function && !self.exists
    }
}

/// What the stack remembers of topics that a function makes: in the mapping's own metadata, since it is the mapping that waits for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionTopics {
    /// The Kafka that they are of: a cluster's ARN, or servers.
    pub cluster: String,
    /// Those that are there, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub made: BTreeMap<String, TopicShape>,
    /// Those that the mapping is kept from reading for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
}

/// A topic's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicShape {
    /// Its partitions.
    pub partitions: u32,
    /// Replicas of each, where they were not left to the brokers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<u32>,
}

/// The function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedFunction {
    /// Memory in MB.
    pub memory_mb: u32,
    /// Seconds an invocation may take.
    pub timeout_seconds: u32,
    /// The handler's variables.
    pub variables: BTreeMap<String, String>,
    /// Days that its logs are kept.
    pub log_retention_days: u32,
}

/// The event source mapping, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedMapping {
    /// ARN of what it reads: the stream, or a consumer of it.
    pub source: String,
    /// `TRIM_HORIZON`, `LATEST` or `AT_TIMESTAMP`.
    pub starting_position: &'static str,
    /// Seconds since 1970, with `AT_TIMESTAMP`.
    pub starting_position_timestamp: Option<i64>,
    /// 1-10000.
    pub batch_size: u32,
    /// 0-300.
    pub maximum_batching_window_seconds: u32,
    /// 1-10.
    pub parallelization_factor: u32,
    /// -1 to 10000.
    pub maximum_retry_attempts: i32,
    /// -1, or 60-604800.
    pub maximum_record_age_seconds: i32,
    /// Whether a batch is split in two when the function fails.
    pub bisect: bool,
    /// Whether it reads.
    pub enabled: bool,
}

/// Where what is given up goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "arn", rename_all = "camelCase")]
pub enum Destination {
    /// An SNS topic of the stack's own, with an encrypted queue that keeps its messages for 14 days.
    Own,
    /// A given SNS topic.
    Sns(String),
    /// A given SQS queue.
    Sqs(String),
    /// A given S3 bucket.
    S3(String),
}

/// A statement of a policy, in IAM's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// Letters and digits.
    pub sid: String,
    /// `Allow` or `Deny`.
    pub effect: &'static str,
    /// Actions.
    pub action: Vec<String>,
    /// ARNs, or CloudFormation's intrinsic functions where the thing is of the same stack.
    pub resource: Vec<Value>,
    /// Conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Value>,
}

/// An alarm of CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// The end of its logical id: `IteratorAge`, `Errors` and so on.
    pub id: &'static str,
    /// What it means, and what to do.
    pub description: String,
    /// The metric's namespace: `AWS/Lambda`, or `k2m` for what the function tells of itself.
    pub namespace: &'static str,
    /// The metric.
    pub metric: &'static str,
    /// Whose metric it is.
    pub of: Dimension,
    /// `Maximum` or `Sum`.
    pub statistic: &'static str,
    /// Seconds of a period.
    pub period_seconds: u32,
    /// Periods that are looked at.
    pub evaluation_periods: u32,
    /// How many of them must be over the threshold.
    pub datapoints: u32,
    /// It goes off above this.
    pub threshold: u64,
    /// ARN of the SNS topic that it tells.
    pub topic: Option<String>,
}

/// Whose metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Dimension {
    /// The function's.
    Function,
    /// The event source mapping's.
    Mapping,
}

impl StartingPosition {
    /// AWS's words for each.
    pub const WORDS: [&str; 3] = ["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"];

    /// AWS's word for it.
    pub const fn word(&self) -> &'static str {
        let [trim_horizon, latest, at_timestamp] = Self::WORDS;
        match self {
            Self::TrimHorizon => trim_horizon,
            Self::Latest => latest,
            Self::AtTimestamp(_) => at_timestamp,
        }
    }
}

//! What AWS said, as plain data, at one moment: what plan, reachability and doctor judge. Holds no secret and no SDK type, so that it can be
//! saved (`k2m inspect`), sent along with a question, and given back (`--facts FILE`).

pub mod cluster;
pub mod deployed;
pub mod file;
pub mod foreign;
pub mod given;
pub mod history;
pub mod log;
pub mod network;
pub mod probe;
pub mod server;
pub mod stream;
pub mod watched;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use cluster::{Broker, Cluster, Topic};
pub use deployed::{Function, Mapping, Owner, Stack};
pub use foreign::{Foreign, Origin, Said};
pub use given::{Consumer, GivenDestination};
pub use history::{
    Denier, Flow, FlowMinute, GivenUp, Metrics, Minute, Minutes, Point, Right, Secret, Sighting, Waiting,
};
pub use network::Network;
pub use probe::Probe;
pub use server::Server;
pub use stream::Stream;
pub use watched::{Reading, StackPipeline, Watched, WatchedPipeline};

/// The version of the document's shape: raised when an older k2m could misread a newer document.
pub const SCHEMA: u32 = 2;

/// What is known of one thing. A missing right to look never looks like a missing thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "camelCase", deny_unknown_fields)]
pub enum Fact<T> {
    /// It is there, and this is what AWS says of it.
    Found {
        /// What AWS says.
        value: T,
    },
    /// AWS says that there is no such thing.
    Absent,
    /// Nobody knows: AWS did not say.
    Unreadable(Unreadable),
}

/// Why AWS did not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unreadable {
    /// The IAM action that would have to be allowed, such as `kafka:DescribeClusterV2`; absent where rights are not the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_action: Option<String>,
    /// AWS's or the client's own words.
    pub message: String,
}

impl<T> Fact<T> {
    /// The value, where it is there.
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found { value } => Some(value),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }

    /// Why it could not be read, where that is so.
    pub fn unreadable(&self) -> Option<&Unreadable> {
        match self {
            Self::Unreadable(why) => Some(why),
            Self::Found { .. } | Self::Absent => None,
        }
    }

    /// Whether AWS says that there is no such thing.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// Everything that was seen for the pipelines of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Facts {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When AWS was asked, RFC 3339.
    pub taken_at: String,
    /// The account that asked, twelve digits; unreadable where the credentials don't say.
    pub account: Fact<String>,
    /// What the account has room for in Lambda; left out where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Fact<Concurrency>>,
    /// The servers to begin with, of a Kafka that is not MSK: then there is no cluster, and with it no brokers, no configuration and no topics that AWS could tell of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Server>,
    /// The cluster to write to.
    pub cluster: Fact<Cluster>,
    /// Its brokers.
    pub brokers: Fact<Vec<Broker>>,
    /// Its server properties, such as `auto.create.topics.enable`.
    pub configuration: Fact<BTreeMap<String, String>>,
    /// By name, every topic that a pipeline may write to: its own, those that the data chooses among, its dead-letter topic.
    pub topics: BTreeMap<String, Fact<Topic>>,
    /// By ARN, every topic, queue and bucket that is named for what is given up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub destinations: BTreeMap<String, Fact<GivenDestination>>,
    /// By ARN, the policies of streams, and of consumers, that are of another account than the stack.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stream_policies: BTreeMap<String, Fact<String>>,
    /// By region, what of the networks matters: that of the cluster, and that of the function where it is another.
    pub networks: BTreeMap<String, Network>,
    /// By name, the network stacks of the VPCs that matter; absent ones may be left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub network_stacks: BTreeMap<String, Fact<Stack>>,
    /// The stack of the settings' name.
    pub stack: Fact<Stack>,
    /// By the stream's ARN, what is of one pipeline alone.
    pub pipelines: BTreeMap<String, PipelineFacts>,
}

/// What was seen of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineFacts {
    /// The stream to read.
    pub stream: Fact<Stream>,
    /// The consumer by which it is read, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Fact<Consumer>>,
    /// What is known of the function where it was named by itself and is not of a stack of k2m: then `function` and `mapping` are that one and its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,
    /// The stack's function for it.
    pub function: Fact<Function>,
    /// The stack's event source mapping that reads it.
    pub mapping: Fact<Mapping>,
    /// What the function answered when it was asked how its way to the brokers is; left out where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Fact<Probe>>,
    /// Figures of the stream, the function and the mapping; this and all below left out where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Fact<Metrics>>,
    /// What the function's log of the last hours says that is known to mean trouble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Fact<Vec<Sighting>>>,
    /// Whether that log is longer than what was searched of it, the latest first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log_unfinished: bool,
    /// What the function's role may do of what the pipeline needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<Fact<Vec<Right>>>,
    /// ARNs of the queues that the topic tells which the mapping tells of what is given up; absent where the topic is gone, left out where it tells no topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribed: Option<Fact<Vec<String>>>,
    /// What waits where it was given up; absent where the queue is gone, or a topic has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Fact<Waiting>>,
    /// The function's secret, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Fact<Secret>>,
}

impl PipelineFacts {
    /// Of a pipeline of which nothing is there.
    pub const NOTHING: Self = Self {
        stream: Fact::Absent,
        consumer: None,
        foreign: None,
        function: Fact::Absent,
        mapping: Fact::Absent,
        probe: None,
        metrics: None,
        log: None,
        log_unfinished: false,
        rights: None,
        subscribed: None,
        waiting: None,
        secret: None,
    };

    /// Each part's name in the document, with why it could not be read where that is so.
    fn parts(&self) -> impl Iterator<Item = (&'static str, Option<&Unreadable>)> {
        fn why<T>(fact: Option<&Fact<T>>) -> Option<&Unreadable> {
            fact.and_then(Fact::unreadable)
        }
        [
            ("stream", self.stream.unreadable()),
            ("consumer", why(self.consumer.as_ref())),
            (
                "foreign.servers",
                self.foreign.as_ref().and_then(|foreign| foreign.servers.unreadable()),
            ),
            (
                "foreign.topic",
                self.foreign.as_ref().and_then(|foreign| foreign.topic.unreadable()),
            ),
            ("function", self.function.unreadable()),
            (
                "function.reservedConcurrency",
                why(self
                    .function
                    .found()
                    .and_then(|function| function.reserved_concurrency.as_ref())),
            ),
            ("mapping", self.mapping.unreadable()),
            ("probe", why(self.probe.as_ref())),
            ("metrics", why(self.metrics.as_ref())),
            ("log", why(self.log.as_ref())),
            ("rights", why(self.rights.as_ref())),
            ("subscribed", why(self.subscribed.as_ref())),
            ("waiting", why(self.waiting.as_ref())),
            ("secret", why(self.secret.as_ref())),
        ]
        .into_iter()
    }
}

/// What an account may run at the same time in Lambda, in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Concurrency {
    /// Invocations of all functions.
    pub limit: u32,
    /// What of it no function has reserved for itself.
    pub unreserved: u32,
}

/// A stream's name out of its ARN, as its facts are named for people.
pub fn stream_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

impl Facts {
    /// The functions that are there, in the order of their streams.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.pipelines.values().filter_map(|pipeline| pipeline.function.found())
    }

    /// What is of the only pipeline.
    #[cfg(test)]
    pub(crate) fn one(&mut self) -> &mut PipelineFacts {
        assert_eq!(self.pipelines.len(), 1, "it is not the only one");
        self.pipelines.values_mut().next().unwrap()
    }

    /// The fact of a topic, absent before it was known.
    #[cfg(test)]
    pub(crate) fn topic_named(&mut self, name: &str) -> &mut Fact<Topic> {
        self.topics.entry(name.to_owned()).or_insert(Fact::Absent)
    }

    /// What could not be read, each with its name in the document, in the document's order.
    pub fn unreadable(&self) -> Vec<(String, &Unreadable)> {
        let mut found: Vec<(String, Option<&Unreadable>)> = vec![
            ("account".to_owned(), self.account.unreadable()),
            (
                "concurrency".to_owned(),
                self.concurrency.as_ref().and_then(Fact::unreadable),
            ),
        ];
        let servers = self.servers.iter();
        found.extend(servers.map(|server| (format!("servers.{}", server.text()), server.addresses.unreadable())));
        found.extend([
            ("cluster".to_owned(), self.cluster.unreadable()),
            (
                "cluster.scramSecrets".to_owned(),
                self.cluster
                    .found()
                    .and_then(|cluster| cluster.scram_secrets.as_ref()?.unreadable()),
            ),
            (
                "cluster.vpcConnections".to_owned(),
                self.cluster
                    .found()
                    .and_then(|cluster| cluster.vpc_connections.as_ref()?.unreadable()),
            ),
            (
                "cluster.policy".to_owned(),
                self.cluster
                    .found()
                    .and_then(|cluster| cluster.policy.as_ref()?.unreadable()),
            ),
            ("brokers".to_owned(), self.brokers.unreadable()),
            ("configuration".to_owned(), self.configuration.unreadable()),
        ]);
        let topics = self.topics.iter();
        found.extend(topics.map(|(name, topic)| (format!("topics.{name}"), topic.unreadable())));
        for (arn, destination) in &self.destinations {
            let seen = destination.found();
            found.extend([
                (format!("destinations.{arn}"), destination.unreadable()),
                (
                    format!("destinations.{arn}.kmsKey"),
                    seen.and_then(|seen| seen.kms_key.unreadable()),
                ),
                (
                    format!("destinations.{arn}.policy"),
                    seen.and_then(|seen| seen.policy.unreadable()),
                ),
            ]);
        }
        let policies = self.stream_policies.iter();
        found.extend(policies.map(|(arn, policy)| (format!("streamPolicies.{arn}"), policy.unreadable())));
        for (region, network) in &self.networks {
            found.extend([
                (format!("networks.{region}.vpcs"), network.vpcs.unreadable()),
                (format!("networks.{region}.vpcs.dns"), network.dns_unreadable()),
                (format!("networks.{region}.subnets"), network.subnets.unreadable()),
                (
                    format!("networks.{region}.routeTables"),
                    network.route_tables.unreadable(),
                ),
                (
                    format!("networks.{region}.networkAcls"),
                    network.network_acls.unreadable(),
                ),
                (
                    format!("networks.{region}.securityGroups"),
                    network.security_groups.unreadable(),
                ),
                (
                    format!("networks.{region}.prefixLists"),
                    network.prefix_lists.unreadable(),
                ),
                (format!("networks.{region}.peerings"), network.peerings.unreadable()),
                (
                    format!("networks.{region}.transitGatewayAttachments"),
                    network.transit_gateway_attachments.unreadable(),
                ),
                (format!("networks.{region}.endpoints"), network.endpoints.unreadable()),
            ]);
        }
        for (name, stack) in &self.network_stacks {
            let template = stack.found().and_then(|stack| stack.template_unreadable.as_ref());
            found.extend([
                (format!("networkStacks.{name}"), stack.unreadable()),
                (format!("networkStacks.{name}.template"), template),
            ]);
        }
        found.extend([
            ("stack".to_owned(), self.stack.unreadable()),
            (
                "stack.template".to_owned(),
                self.stack.found().and_then(|stack| stack.template_unreadable.as_ref()),
            ),
        ]);
        for (arn, pipeline) in &self.pipelines {
            let name = |part| format!("pipelines.{}.{part}", stream_name(arn));
            found.extend(pipeline.parts().map(|(part, why)| (name(part), why)));
        }
        found.into_iter().filter_map(|(name, why)| Some((name, why?))).collect()
    }
}

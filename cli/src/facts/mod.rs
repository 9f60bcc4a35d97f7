//! What AWS said, as plain data, at one moment: what plan, reachability and doctor judge. Holds no secret and no SDK type, so that it can be
//! saved (`k2m inspect`), sent along with a question, and given back (`--facts FILE`).

pub mod cluster;
pub mod deployed;
pub mod file;
pub mod network;
pub mod probe;
pub mod stream;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use cluster::{Broker, Cluster, Topic};
pub use deployed::{Function, Mapping, Owner, Stack};
pub use network::Network;
pub use probe::Probe;
pub use stream::Stream;

/// The version of the document's shape: raised when an older k2m could misread a newer document.
pub const SCHEMA: u32 = 1;

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

/// Everything that was seen for one pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Facts {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When AWS was asked, RFC 3339.
    pub taken_at: String,
    /// The account that asked, twelve digits; unreadable where the credentials don't say.
    pub account: Fact<String>,
    /// The stream to read.
    pub stream: Fact<Stream>,
    /// The cluster to write to.
    pub cluster: Fact<Cluster>,
    /// Its brokers.
    pub brokers: Fact<Vec<Broker>>,
    /// Its server properties, such as `auto.create.topics.enable`.
    pub configuration: Fact<BTreeMap<String, String>>,
    /// The topic.
    pub topic: Fact<Topic>,
    /// The dead-letter topic, where poison goes to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_topic: Option<Fact<Topic>>,
    /// By name, the topics that the data chooses among, beside the topic.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mapped_topics: BTreeMap<String, Fact<Topic>>,
    /// By region, what of the networks matters: that of the cluster, and that of the function where it is another.
    pub networks: BTreeMap<String, Network>,
    /// The stack of this pipeline's name.
    pub stack: Fact<Stack>,
    /// The function of that stack.
    pub function: Fact<Function>,
    /// Its event source mapping.
    pub mapping: Fact<Mapping>,
    /// What the function answered when it was asked how its way to the brokers is; left out where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Fact<Probe>>,
}

impl Facts {
    /// What could not be read, each with its name in the document, in the document's order.
    pub fn unreadable(&self) -> Vec<(String, &Unreadable)> {
        let mut found: Vec<(String, Option<&Unreadable>)> = vec![
            ("account".to_owned(), self.account.unreadable()),
            ("stream".to_owned(), self.stream.unreadable()),
            ("cluster".to_owned(), self.cluster.unreadable()),
            (
                "cluster.scramSecrets".to_owned(),
                self.cluster
                    .found()
                    .and_then(|cluster| cluster.scram_secrets.as_ref()?.unreadable()),
            ),
            ("brokers".to_owned(), self.brokers.unreadable()),
            ("configuration".to_owned(), self.configuration.unreadable()),
            ("topic".to_owned(), self.topic.unreadable()),
            (
                "deadLetterTopic".to_owned(),
                self.dead_letter_topic.as_ref().and_then(Fact::unreadable),
            ),
        ];
        let mapped = self.mapped_topics.iter();
        found.extend(mapped.map(|(name, topic)| (format!("mappedTopics.{name}"), topic.unreadable())));
        for (region, network) in &self.networks {
            found.extend([
                (format!("networks.{region}.vpcs"), network.vpcs.unreadable()),
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
        found.extend([
            ("stack".to_owned(), self.stack.unreadable()),
            (
                "stack.template".to_owned(),
                self.stack.found().and_then(|stack| stack.template_unreadable.as_ref()),
            ),
            ("function".to_owned(), self.function.unreadable()),
            ("mapping".to_owned(), self.mapping.unreadable()),
            ("probe".to_owned(), self.probe.as_ref().and_then(Fact::unreadable)),
        ]);
        found.into_iter().filter_map(|(name, why)| Some((name, why?))).collect()
    }
}

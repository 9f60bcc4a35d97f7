//! The MSK cluster, its brokers and a topic, as `DescribeClusterV2`, `GetBootstrapBrokers`, `ListNodes` and `DescribeTopic` tell them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Fact, Owner};

/// An MSK cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Its ARN.
    pub arn: String,
    /// `PROVISIONED` or `SERVERLESS`.
    pub kind: String,
    /// `ACTIVE`, `CREATING`, `UPDATING` and so on.
    pub state: String,
    /// Such as `3.6.0`; absent for serverless clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka_version: Option<String>,
    /// What the brokers run on, such as `kafka.m7g.large`, or `express.m7g.large` of Express brokers; absent for serverless clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Subnets that the brokers are in.
    pub subnets: Vec<String>,
    /// Security groups of the brokers' network interfaces.
    pub security_groups: Vec<String>,
    /// Which ways of authentication are switched on.
    pub authentication: Authentication,
    /// Between clients and brokers: `TLS`, `TLS_PLAINTEXT` or `PLAINTEXT`; absent for serverless clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_encryption: Option<String>,
    /// Bootstrap brokers by AWS's own field name less the prefix (`""`, `Tls`, `SaslScram`, `SaslIam`, `PublicTls` …), each a list
    /// of `host:port` joined by commas.
    pub bootstrap_brokers: BTreeMap<String, String>,
    /// ARNs of the secrets that SASL/SCRAM takes users from; only where that is switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scram_secrets: Option<Fact<Vec<String>>>,
    /// For which ways of authentication its multi-VPC private connectivity is switched on.
    #[serde(default, skip_serializing_if = "PrivateConnectivity::is_off")]
    pub private_connectivity: PrivateConnectivity,
    /// VPC connections of the account that lead to it, in the order of ARNs; only where private connectivity is switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc_connections: Option<Fact<Vec<VpcConnection>>>,
    /// Its resource policy, absent where it has none; left out where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Fact<String>>,
}

impl Cluster {
    /// Whether it has Express brokers.
    pub fn is_express(&self) -> bool {
        self.instance_type
            .as_ref()
            .is_some_and(|kind| kind.starts_with("express."))
    }
}

/// Ways of authentication that a cluster has switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "AWS lists them as independent switches")]
pub struct Authentication {
    /// SASL/IAM.
    pub iam: bool,
    /// SASL/SCRAM.
    pub scram: bool,
    /// Mutual TLS.
    pub mutual_tls: bool,
    /// None.
    pub unauthenticated: bool,
}

/// Ways of authentication of multi-VPC private connectivity that a cluster has switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrivateConnectivity {
    /// SASL/IAM.
    pub iam: bool,
    /// SASL/SCRAM.
    pub scram: bool,
    /// TLS, with or without a client's certificate.
    pub tls: bool,
}

impl PrivateConnectivity {
    /// Whether none is.
    pub const fn is_off(&self) -> bool {
        !(self.iam || self.scram || self.tls)
    }
}

/// A VPC connection, as MSK calls it: network interfaces in a client's VPC through which a cluster in another VPC is reached, whatever its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VpcConnection {
    /// Its ARN.
    pub arn: String,
    /// The client's VPC.
    pub vpc: String,
    /// `SASL_IAM`, `SASL_SCRAM` or `TLS`: it is for one of them alone.
    pub authentication: String,
    /// `AVAILABLE`, `CREATING`, `INACTIVE`, `REJECTED` and so on.
    pub state: String,
    /// Subnets that have a network interface of it, one a zone.
    pub subnets: Vec<String>,
    /// Security groups of these network interfaces.
    pub security_groups: Vec<String>,
    /// Who made it.
    pub owner: Owner,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Broker {
    /// Its number, from 1.
    pub id: u32,
    /// The subnet it is in.
    pub subnet: String,
    /// Its private address; empty where AWS doesn't say.
    pub address: String,
    /// Its network interface; absent where AWS doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_interface: Option<String>,
    /// Its host names.
    pub endpoints: Vec<String>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// How many replicas of each.
    pub replication_factor: u32,
    /// Its own settings, such as `max.message.bytes`.
    pub settings: BTreeMap<String, String>,
}

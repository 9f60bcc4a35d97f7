//! The MSK cluster, its brokers, its configuration and a topic.

use std::collections::BTreeMap;

use aws_sdk_kafka::Client;
use aws_sdk_kafka::operation::get_bootstrap_brokers::GetBootstrapBrokersOutput;
use aws_sdk_kafka::types::{
    Cluster as SdkCluster, ClusterState, NodeInfo, Provisioned, Serverless, Tls, Unauthenticated,
    VpcConnection as SdkVpcConnection, VpcConnectivityClientAuthentication, VpcConnectivityTls,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::{Answer, Trouble, trouble};
use super::pace::{MSK, Paced};
use super::{incomplete, number};
use crate::facts::cluster::{Authentication, PrivateConnectivity, VpcConnection};
use crate::facts::{Broker, Cluster, Owner, Topic};

const NOT_FOUND: &[&str] = &["NotFoundException"];

/// A configuration and its revision.
pub(super) type Revision = (String, i64);

/// A cluster, and what else to look at because of it.
#[derive(Debug)]
pub(super) struct Seen {
    /// The fact. Unreadable also where only its bootstrap brokers are.
    pub(super) cluster: Answer<Cluster>,
    /// Its subnets, where they are known.
    pub(super) subnets: Answer<Vec<String>>,
    /// Its security groups, as far as they are known.
    pub(super) security_groups: Vec<String>,
    /// Its configuration; absent where it has MSK's default.
    pub(super) configuration: Answer<Revision>,
    /// Whether AWS shows its brokers one by one.
    pub(super) has_brokers: bool,
}

impl Seen {
    /// Of a cluster that can't be seen, or isn't there.
    pub(super) fn none(trouble: &Trouble) -> Self {
        Self {
            subnets: Err(trouble.clone()),
            security_groups: Vec::new(),
            configuration: Err(trouble.clone()),
            has_brokers: *trouble != Trouble::Absent,
            cluster: Err(trouble.clone()),
        }
    }
}

/// Looks at the cluster and its bootstrap brokers; not yet at the secrets that it takes users from.
pub(super) async fn cluster(client: &Client, arn: &str) -> Seen {
    let (cluster, brokers) = tokio::join!(describe(client, arn), bootstrap_brokers(client, arn));
    let (mut cluster, configuration) = match cluster {
        Ok(found) => found,
        Err(trouble) => {
            return Seen::none(&trouble);
        }
    };
    let active = cluster.state == ClusterState::Active.as_str();
    let mut seen = Seen {
        subnets: Ok(cluster.subnets.clone()),
        security_groups: cluster.security_groups.clone(),
        configuration: configuration.ok_or(Trouble::Absent),
        has_brokers: cluster.kind != "SERVERLESS",
        cluster: Err(Trouble::Absent),
    };
    seen.cluster = match brokers {
        Ok(brokers) => {
            cluster.bootstrap_brokers = brokers;
            Ok(cluster)
        }
        // MSK refuses the question while there are no brokers yet: the state says enough.
        Err(Trouble::Refused(_) | Trouble::Absent) if !active => Ok(cluster),
        Err(Trouble::Absent) => Err(incomplete("kafka:GetBootstrapBrokers")),
        Err(trouble) => Err(trouble),
    };
    seen
}

async fn describe(client: &Client, arn: &str) -> Answer<(Cluster, Option<Revision>)> {
    const ACTION: &str = "kafka:DescribeClusterV2";
    let output = client
        .describe_cluster_v2()
        .cluster_arn(arn)
        .send()
        .await
        .map_err(|error| trouble(&error, ACTION, NOT_FOUND))?;
    let info = output.cluster_info.ok_or_else(|| incomplete(ACTION))?;
    Ok(told(info, arn))
}

/// A cluster as it is described and listed, and its configuration.
pub(super) fn told(info: SdkCluster, arn: &str) -> (Cluster, Option<Revision>) {
    let word = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
    let mut cluster = Cluster {
        arn: arn.to_owned(),
        kind: word(info.cluster_type().map(AsRef::as_ref)),
        state: word(info.state().map(AsRef::as_ref)),
        kafka_version: None,
        instance_type: None,
        subnets: Vec::new(),
        security_groups: Vec::new(),
        authentication: Authentication::default(),
        client_encryption: None,
        bootstrap_brokers: BTreeMap::new(),
        scram_secrets: None,
        private_connectivity: PrivateConnectivity::default(),
        vpc_connections: None,
        policy: None,
    };
    let SdkCluster {
        provisioned,
        serverless,
        ..
    } = info;
    if let Some(serverless) = serverless {
        of_serverless(&serverless, &mut cluster);
    }
    let configuration = provisioned.and_then(|provisioned| of_provisioned(provisioned, &mut cluster));
    for ids in [&mut cluster.subnets, &mut cluster.security_groups] {
        ids.sort();
        ids.dedup();
    }
    (cluster, configuration)
}

fn of_serverless(serverless: &Serverless, cluster: &mut Cluster) {
    for vpc in serverless.vpc_configs() {
        cluster.subnets.extend_from_slice(vpc.subnet_ids());
        cluster.security_groups.extend_from_slice(vpc.security_group_ids());
    }
    let iam = serverless
        .client_authentication()
        .and_then(|authentication| authentication.sasl()?.iam()?.enabled());
    cluster.authentication.iam = iam.unwrap_or_default();
}

fn of_provisioned(provisioned: Provisioned, cluster: &mut Cluster) -> Option<Revision> {
    if let Some(nodes) = provisioned.broker_node_group_info {
        cluster.instance_type = nodes.instance_type.filter(|kind| !kind.is_empty());
        cluster.subnets = nodes.client_subnets.unwrap_or_default();
        cluster.security_groups = nodes.security_groups.unwrap_or_default();
        let connectivity = nodes.connectivity_info.and_then(|info| info.vpc_connectivity);
        let ways = connectivity.and_then(|connectivity| connectivity.client_authentication);
        cluster.private_connectivity = ways.as_ref().map(private_connectivity).unwrap_or_default();
    }
    if let Some(authentication) = &provisioned.client_authentication {
        let sasl = authentication.sasl();
        let on = |switch: Option<bool>| switch.unwrap_or_default();
        cluster.authentication = Authentication {
            iam: on(sasl.and_then(|sasl| sasl.iam()?.enabled())),
            scram: on(sasl.and_then(|sasl| sasl.scram()?.enabled())),
            mutual_tls: on(authentication.tls().and_then(Tls::enabled)),
            unauthenticated: on(authentication.unauthenticated().and_then(Unauthenticated::enabled)),
        };
    }
    let in_transit = provisioned
        .encryption_info
        .and_then(|encryption| encryption.encryption_in_transit?.client_broker);
    cluster.client_encryption = in_transit.map(|mode| mode.as_str().to_owned());
    let software = provisioned.current_broker_software_info?;
    cluster.kafka_version = software.kafka_version;
    Some((software.configuration_arn?, software.configuration_revision?))
}

fn private_connectivity(ways: &VpcConnectivityClientAuthentication) -> PrivateConnectivity {
    let sasl = ways.sasl();
    let on = |switch: Option<bool>| switch.unwrap_or_default();
    PrivateConnectivity {
        iam: on(sasl.and_then(|sasl| sasl.iam()?.enabled())),
        scram: on(sasl.and_then(|sasl| sasl.scram()?.enabled())),
        tls: on(ways.tls().and_then(VpcConnectivityTls::enabled)),
    }
}

async fn bootstrap_brokers(client: &Client, arn: &str) -> Answer<BTreeMap<String, String>> {
    let output = client
        .get_bootstrap_brokers()
        .cluster_arn(arn)
        .send()
        .await
        .map_err(|error| trouble(&error, "kafka:GetBootstrapBrokers", NOT_FOUND))?;
    let GetBootstrapBrokersOutput {
        bootstrap_broker_string,
        bootstrap_broker_string_tls,
        bootstrap_broker_string_sasl_scram,
        bootstrap_broker_string_sasl_iam,
        bootstrap_broker_string_public_tls,
        bootstrap_broker_string_public_sasl_scram,
        bootstrap_broker_string_public_sasl_iam,
        bootstrap_broker_string_vpc_connectivity_tls,
        bootstrap_broker_string_vpc_connectivity_sasl_scram,
        bootstrap_broker_string_vpc_connectivity_sasl_iam,
        bootstrap_broker_string_ipv6,
        bootstrap_broker_string_tls_ipv6,
        bootstrap_broker_string_sasl_scram_ipv6,
        bootstrap_broker_string_sasl_iam_ipv6,
        ..
    } = output;
    let named = [
        ("", bootstrap_broker_string),
        ("Tls", bootstrap_broker_string_tls),
        ("SaslScram", bootstrap_broker_string_sasl_scram),
        ("SaslIam", bootstrap_broker_string_sasl_iam),
        ("PublicTls", bootstrap_broker_string_public_tls),
        ("PublicSaslScram", bootstrap_broker_string_public_sasl_scram),
        ("PublicSaslIam", bootstrap_broker_string_public_sasl_iam),
        ("VpcConnectivityTls", bootstrap_broker_string_vpc_connectivity_tls),
        (
            "VpcConnectivitySaslScram",
            bootstrap_broker_string_vpc_connectivity_sasl_scram,
        ),
        (
            "VpcConnectivitySaslIam",
            bootstrap_broker_string_vpc_connectivity_sasl_iam,
        ),
        ("Ipv6", bootstrap_broker_string_ipv6),
        ("TlsIpv6", bootstrap_broker_string_tls_ipv6),
        ("SaslScramIpv6", bootstrap_broker_string_sasl_scram_ipv6),
        ("SaslIamIpv6", bootstrap_broker_string_sasl_iam_ipv6),
    ];
    let given = named.into_iter().filter_map(|(name, brokers)| Some((name, brokers?)));
    // AWS answers an empty text for a way that is switched off.
    let given = given.filter(|(_, brokers)| !brokers.is_empty());
    Ok(given
        .map(|(name, brokers)| {
            // AWS gives them in any order: sorted, the same cluster gives the same document.
            let mut brokers: Vec<&str> = brokers.split(',').collect();
            brokers.sort_unstable();
            (name.to_owned(), brokers.join(","))
        })
        .collect())
}

/// Looks at the secrets that SASL/SCRAM takes users from.
pub(super) async fn scram_secrets(client: &Client, arn: &str) -> Answer<Vec<String>> {
    let mut secrets: Vec<String> = client
        .list_scram_secrets()
        .cluster_arn(arn)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(|error| trouble(&error, "kafka:ListScramSecrets", NOT_FOUND))?;
    secrets.sort();
    Ok(secrets)
}

/// Looks at the cluster's resource policy.
pub(super) async fn policy(client: &Client, arn: &str) -> Answer<String> {
    let answer = client.get_cluster_policy().cluster_arn(arn).send().await;
    let answer = answer.map_err(|error| trouble(&error, "kafka:GetClusterPolicy", NOT_FOUND))?;
    answer.policy.filter(|policy| !policy.is_empty()).ok_or(Trouble::Absent)
}

/// A VPC connection, and its tags: whose it is, is told where stacks are known.
pub(super) type Tagged = (VpcConnection, BTreeMap<String, String>);

/// Looks at the VPC connections of the account that lead to this cluster.
pub(super) async fn vpc_connections(client: &Client, cluster: &str) -> Answer<Vec<Tagged>> {
    let listed: Vec<SdkVpcConnection> = client
        .list_vpc_connections()
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(|error| trouble(&error, "kafka:ListVpcConnections", NOT_FOUND))?;
    let arns: Vec<String> = listed
        .into_iter()
        .filter(|connection| connection.target_cluster_arn() == Some(cluster))
        .filter_map(|connection| connection.vpc_connection_arn)
        .collect();
    let paced = Paced::new(MSK);
    let seen = paced.all(&arns, |arn| vpc_connection(client, arn)).await;
    // One that was deleted meanwhile is none.
    let seen = seen.into_iter().filter(|seen| !matches!(seen, Err(Trouble::Absent)));
    let mut connections = seen.collect::<Answer<Vec<Tagged>>>()?;
    connections.sort_by(|(one, _), (other, _)| one.arn.cmp(&other.arn));
    Ok(connections)
}

async fn vpc_connection(client: &Client, arn: &str) -> Answer<Tagged> {
    let output = client
        .describe_vpc_connection()
        .arn(arn)
        .send()
        .await
        .map_err(|error| trouble(&error, "kafka:DescribeVpcConnection", NOT_FOUND))?;
    let sorted = |ids: Option<Vec<String>>| {
        let mut ids = ids.unwrap_or_default();
        ids.sort();
        ids
    };
    let connection = VpcConnection {
        arn: arn.to_owned(),
        vpc: output.vpc_id.unwrap_or_default(),
        authentication: output.authentication.unwrap_or_default(),
        state: output
            .state
            .map_or_else(|| "unknown".to_owned(), |state| state.as_str().to_owned()),
        subnets: sorted(output.subnets),
        security_groups: sorted(output.security_groups),
        owner: Owner::Foreign,
    };
    Ok((connection, output.tags.unwrap_or_default().into_iter().collect()))
}

/// Looks at the brokers, in the order of their numbers.
pub(super) async fn brokers(client: &Client, arn: &str) -> Answer<Vec<Broker>> {
    let nodes: Vec<NodeInfo> = client
        .list_nodes()
        .cluster_arn(arn)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(|error| trouble(&error, "kafka:ListNodes", NOT_FOUND))?;
    // Other nodes are controllers, which no client speaks to.
    let mut brokers: Vec<Broker> = nodes
        .into_iter()
        .filter_map(|node| node.broker_node_info)
        .map(|node| Broker {
            id: broker_number(node.broker_id.unwrap_or_default()),
            subnet: node.client_subnet.unwrap_or_default(),
            address: node.client_vpc_ip_address.unwrap_or_default(),
            network_interface: node.attached_eni_id.filter(|id| !id.is_empty()),
            endpoints: node.endpoints.unwrap_or_default(),
        })
        .collect();
    brokers.sort_by_key(|broker| broker.id);
    Ok(brokers)
}

/// MSK writes a broker's number as a floating-point one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and brokers are numbered from 1"
)]
fn broker_number(id: f64) -> u32 {
    id as u32
}

/// Looks at the server properties of a configuration.
pub(super) async fn configuration(client: &Client, seen: &Answer<Revision>) -> Answer<BTreeMap<String, String>> {
    let (arn, revision) = seen.as_ref().map_err(Clone::clone)?;
    let output = client
        .describe_configuration_revision()
        .arn(arn)
        .revision(*revision)
        .send()
        .await
        .map_err(|error| trouble(&error, "kafka:DescribeConfigurationRevision", NOT_FOUND))?;
    let text = output.server_properties.unwrap_or_default();
    Ok(properties(&String::from_utf8_lossy(text.as_ref())))
}

/// Looks at a topic. Clusters that lack this API refuse, which is no answer about the topic.
pub(super) async fn topic(client: &Client, arn: &str, name: &str) -> Answer<Topic> {
    let output = client
        .describe_topic()
        .cluster_arn(arn)
        .topic_name(name)
        .send()
        .await
        .map_err(|error| trouble(&error, "kafka-cluster:DescribeTopic", NOT_FOUND))?;
    let settings = output.configs.unwrap_or_default();
    let settings = match STANDARD.decode(&settings) {
        Ok(bytes) => topic_settings(&String::from_utf8_lossy(&bytes)),
        Err(_) => topic_settings(&settings),
    };
    Ok(Topic {
        name: name.to_owned(),
        partitions: number(output.partition_count.unwrap_or_default()),
        replication_factor: number(output.replication_factor.unwrap_or_default()),
        settings,
    })
}

/// A topic's settings. AWS's documentation shows them as Java's properties, the API answers with a JSON object.
fn topic_settings(text: &str) -> BTreeMap<String, String> {
    let Ok(serde_json::Value::Object(settings)) = serde_json::from_str(text) else {
        return properties(text);
    };
    let text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    settings.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// Java's properties, as far as Kafka's settings use them.
fn properties(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', '!']))
        .filter_map(|line| line.split_once(['=', ':']))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

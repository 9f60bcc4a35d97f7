//! The digest and the exit code, from facts made by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::*;
use crate::arn::{Arn, Kind};
use crate::aws::Question;
use crate::facts::cluster::Authentication;
use crate::facts::network::{Rule, RulePeer, SecurityGroup, Subnet, Vpc};
use crate::facts::{Broker, Cluster, Fact, Network, Owner, PipelineFacts, Server, Stream, Topic, Unreadable};

fn found<T>(value: T) -> Fact<T> {
    Fact::Found { value }
}

fn denied<T>(action: &str) -> Fact<T> {
    Fact::Unreadable(Unreadable {
        missing_action: Some(action.to_owned()),
        message: format!("User: u is not authorized to perform: {action}"),
    })
}

const TOPIC: &str = "orders";

fn question() -> Question {
    let stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
    let cluster = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1";
    Question {
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
        streams: vec![Arn::parse(Kind::Stream, stream).unwrap()],
        cluster: Some(Arn::parse(Kind::Cluster, cluster).unwrap()),
        topics: BTreeSet::from([TOPIC.to_owned()]),
        destinations: BTreeSet::new(),
        consumers: BTreeMap::new(),
        stack: "k2m-orders".to_owned(),
        vpc: None,
        subnets: Vec::new(),
        security_group: None,
        writes: BTreeMap::new(),
        authentication: None,
        history: true,
        function: None,
    }
}

/// A healthy account without a stack.
#[expect(clippy::too_many_lines, reason = "plain data")]
fn facts() -> Facts {
    let question = question();
    let rule = |owner| Rule {
        id: "sgr-1".to_owned(),
        egress: false,
        protocol: "tcp".to_owned(),
        ports: Some((9098, 9098)),
        peer: RulePeer::Cidr("10.0.0.0/16".to_owned()),
        owner,
    };
    Facts {
        schema: crate::facts::SCHEMA,
        taken_at: "2026-01-02T03:04:05Z".to_owned(),
        account: found("123456789012".to_owned()),
        concurrency: None,
        servers: Vec::new(),
        cluster: found(Cluster {
            arn: question.cluster.as_ref().unwrap().to_string(),
            kind: "PROVISIONED".to_owned(),
            state: "ACTIVE".to_owned(),
            kafka_version: Some("3.6.0".to_owned()),
            instance_type: None,
            subnets: vec!["subnet-1".to_owned()],
            security_groups: vec!["sg-1".to_owned()],
            authentication: Authentication {
                iam: true,
                unauthenticated: true,
                ..Authentication::default()
            },
            client_encryption: Some("TLS".to_owned()),
            scram_secrets: None,
            private_connectivity: crate::facts::cluster::PrivateConnectivity::default(),
            vpc_connections: None,
            policy: None,
            bootstrap_brokers: BTreeMap::from([("SaslIam".to_owned(), "b-1:9098".to_owned())]),
        }),
        brokers: found(vec![Broker {
            id: 1,
            subnet: "subnet-1".to_owned(),
            address: "10.0.0.10".to_owned(),
            network_interface: None,
            endpoints: Vec::new(),
        }]),
        configuration: Fact::Absent,
        destinations: BTreeMap::new(),
        stream_policies: BTreeMap::new(),
        topics: BTreeMap::from([(
            TOPIC.to_owned(),
            found(Topic {
                name: TOPIC.to_owned(),
                partitions: 6,
                replication_factor: 3,
                settings: BTreeMap::new(),
            }),
        )]),
        networks: BTreeMap::from([(
            "eu-west-1".to_owned(),
            Network {
                vpcs: found(vec![Vpc {
                    id: "vpc-1".to_owned(),
                    cidrs: vec!["10.0.0.0/16".to_owned()],
                    ..Vpc::default()
                }]),
                subnets: found(vec![Subnet {
                    id: "subnet-1".to_owned(),
                    vpc: "vpc-1".to_owned(),
                    zone: "eu-west-1a".to_owned(),
                    cidr: "10.0.0.0/24".to_owned(),
                    free_addresses: 250,
                }]),
                route_tables: found(Vec::new()),
                network_acls: found(Vec::new()),
                security_groups: found(vec![SecurityGroup {
                    id: "sg-1".to_owned(),
                    vpc: "vpc-1".to_owned(),
                    name: "brokers".to_owned(),
                    rules: vec![rule(Owner::Foreign), rule(Owner::K2mStack("k2m-clicks".to_owned()))],
                    owner: Owner::Foreign,
                }]),
                prefix_lists: found(Vec::new()),
                peerings: found(Vec::new()),
                transit_gateway_attachments: found(Vec::new()),
                endpoints: found(Vec::new()),
                stale_groups: BTreeSet::new(),
            },
        )]),
        network_stacks: BTreeMap::new(),
        stack: Fact::Absent,
        pipelines: BTreeMap::from([(
            question.streams[0].to_string(),
            PipelineFacts {
                stream: found(Stream {
                    arn: question.streams[0].to_string(),
                    status: "ACTIVE".to_owned(),
                    open_shards: 1,
                    retention_hours: 24,
                    kms_key: None,
                    max_record_kib: None,
                    on_demand: false,
                }),
                ..PipelineFacts::NOTHING
            },
        )]),
    }
}

fn shown(facts: &Facts) -> String {
    let question = question();
    let digest = Digest {
        question: &question,
        facts,
    };
    format!("{digest}exit {}\n", exit(facts).code())
}

#[test]
fn what_people_see() {
    let healthy = facts();
    let mut blind = facts();
    blind.account = denied("sts:GetCallerIdentity");
    blind.brokers = denied("kafka:ListNodes");
    *blind.topic_named(TOPIC) = denied("kafka-cluster:DescribeTopic");
    if let Some(network) = blind.networks.get_mut("eu-west-1") {
        network.vpcs = denied("ec2:DescribeSubnets");
        network.subnets = denied("ec2:DescribeSubnets");
        network.peerings = denied("ec2:DescribeVpcPeeringConnections");
        network.transit_gateway_attachments = denied("ec2:DescribeTransitGatewayVpcAttachments");
        network.endpoints = denied("ec2:DescribeVpcEndpoints");
    }
    blind.one().function = Fact::Unreadable(Unreadable {
        missing_action: None,
        message: "TooManyRequestsException: slow down".to_owned(),
    });
    let mut gone = facts();
    gone.cluster = Fact::Absent;
    gone.brokers = Fact::Absent;
    *gone.topic_named(TOPIC) = Fact::Absent;
    gone.networks.clear();
    let mut text = String::new();
    for (name, facts) in [("healthy", healthy), ("blind", blind), ("gone", gone)] {
        writeln!(text, "== {name}\n{}", shown(&facts)).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_kafka_that_is_not_msk_is_shown_by_its_servers() {
    let mut question = question();
    question.cluster = None;
    question.topics.clear();
    let mut facts = facts();
    (facts.cluster, facts.brokers) = (Fact::Absent, Fact::Absent);
    facts.topics.clear();
    let server = |host: &str, addresses| Server {
        host: host.to_owned(),
        port: 9092,
        addresses,
    };
    facts.servers = vec![
        server("kafka-1", found(vec!["10.9.0.5".to_owned(), "10.9.0.6".to_owned()])),
        server("kafka-2", Fact::Absent),
        server(
            "kafka-3",
            Fact::Unreadable(Unreadable {
                missing_action: None,
                message: "kafka-3 was not resolved within 5 s".to_owned(),
            }),
        ),
    ];
    let digest = Digest {
        question: &question,
        facts: &facts,
    };
    insta::assert_snapshot!(format!("{digest}exit {}\n", exit(&facts).code()));
    // What is written is read again.
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
}

#[test]
fn each_topic_that_was_asked_for_is_shown_and_none_is_needed() {
    let mut facts = facts();
    for (fact, said) in [
        (facts.topic_named(TOPIC).clone(), "topic          poison: 6 partitions"),
        (Fact::Absent, "topic          poison: absent"),
        (
            denied("kafka-cluster:DescribeTopic"),
            "topic          poison: could not be read",
        ),
    ] {
        *facts.topic_named("poison") = fact;
        let text = shown(&facts);
        assert!(text.contains(said), "{text}");
        assert_eq!(exit(&facts), Exit::Fine, "it is not needed");
    }
}

#[test]
fn the_exit_code_tells_absence_from_blindness() {
    let mut facts = facts();
    assert_eq!(exit(&facts), Exit::Fine);
    *facts.topic_named(TOPIC) = denied("kafka-cluster:DescribeTopic");
    facts.account = denied("sts:GetCallerIdentity");
    assert_eq!(exit(&facts), Exit::Fine, "neither is needed");
    if let Some(network) = facts.networks.get_mut("eu-west-1") {
        network.peerings = denied("ec2:DescribeVpcPeeringConnections");
        network.transit_gateway_attachments = denied("ec2:DescribeTransitGatewayVpcAttachments");
        network.endpoints = denied("ec2:DescribeVpcEndpoints");
    }
    assert_eq!(exit(&facts), Exit::Fine, "they matter where a way leads there");
    facts.one().mapping = denied("lambda:GetEventSourceMapping");
    assert_eq!(exit(&facts), Exit::CouldNotTell);
    facts.one().stream = Fact::Absent;
    assert_eq!(exit(&facts), Exit::Failed, "what is certain comes first");
}

#[test]
fn secrets_that_can_t_be_listed_are_told_and_not_needed() {
    let mut facts = facts();
    let Fact::Found { value: cluster } = &mut facts.cluster else {
        panic!("a healthy account has it")
    };
    cluster.scram_secrets = Some(denied("kafka:ListScramSecrets"));
    assert_eq!(exit(&facts), Exit::Fine);
    let shown = shown(&facts);
    assert!(shown.contains("cluster.scramSecrets (not needed): "), "{shown}");
    assert!(shown.contains("Missing IAM actions: kafka:ListScramSecrets"), "{shown}");
}

#[test]
fn what_is_given_is_shown_and_not_needed() {
    use crate::facts::given::Subscriptions;
    use crate::facts::{Consumer, GivenDestination};

    const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:failed";
    const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:failed";
    let mut facts = facts();
    let destination = |arn: &str, policy| GivenDestination {
        arn: arn.to_owned(),
        kms_key: found("alias/failures".to_owned()),
        policy,
        subscriptions: None,
        region: None,
    };
    let topic = GivenDestination {
        subscriptions: Some(Subscriptions {
            confirmed: 1,
            pending: 2,
        }),
        ..destination(TOPIC, Fact::Absent)
    };
    let bucket = GivenDestination {
        region: Some("eu-central-1".to_owned()),
        ..destination("arn:aws:s3:::failed", denied("s3:GetBucketPolicy"))
    };
    facts.destinations = BTreeMap::from([
        (TOPIC.to_owned(), found(topic)),
        (QUEUE.to_owned(), denied("sqs:GetQueueUrl")),
        (bucket.arn.clone(), found(bucket)),
    ]);
    facts.one().consumer = Some(found(Consumer {
        arn: "arn:consumer".to_owned(),
        status: "ACTIVE".to_owned(),
    }));
    assert_eq!(exit(&facts), Exit::Fine);
    insta::assert_snapshot!(shown(&facts));
    facts.one().consumer = Some(denied("kinesis:DescribeStreamConsumer"));
    assert_eq!(exit(&facts), Exit::Fine);
    let shown = shown(&facts);
    assert!(shown.contains("pipelines.orders.consumer (not needed): "), "{shown}");
    let document = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&document).unwrap(), facts);
}

#[test]
fn programs_see_the_facts_themselves() {
    let (question, mut facts) = (question(), facts());
    *facts.topic_named(TOPIC) = denied("kafka-cluster:DescribeTopic");
    facts.stack = Fact::Unreadable(Unreadable {
        missing_action: None,
        message: "slow down".to_owned(),
    });
    let digest = Digest {
        question: &question,
        facts: &facts,
    };
    let document = serde_json::to_string(&digest).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&document).unwrap(), facts);
}

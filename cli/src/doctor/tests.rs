//! A healthy pipeline, and what each check says when one thing about it is changed.

mod by_hand;
mod eld;
pub(crate) mod foreign;
mod hands;
mod html;
mod mends;
mod nat;
mod outside;
mod planned;
mod said;
pub(crate) mod schema;
mod shown;
mod signatures;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use k2m_handler::payload::Pointer;
use k2m_handler::probe::report::{Failure, Right, Step};
use serde_json::json;

use super::{CHECKS, Health, Outcome, PipelineReport};
use crate::arn::{Arn, Kind};
use crate::exit::Exit;
use crate::facts::cluster::Authentication;
use crate::facts::cluster::VpcConnection;
use crate::facts::given::Subscriptions;
use crate::facts::network::{AclEntry, NetworkAcl, Route, RouteTable, Rule, RulePeer, SecurityGroup, Subnet, Vpc};
use crate::facts::{
    Broker, Cluster, Consumer, Fact, Facts, Function, GivenDestination, Mapping, Network, Owner, PipelineFacts, Probe,
    SCHEMA, Stack, Stream, Topic, Unreadable,
};
use crate::settings::{Kafka, OnPoison, Setting, Settings, Source, StartingPosition, Told};

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1";
const REGION: &str = "eu-west-1";
const TOPIC: &str = "orders";
const OWN_QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:k2m-orders-FailureQueue-1";
const DEAD_LETTERS: &str = "orders-dead-letter";

fn default<T>(value: T) -> Setting<T> {
    Setting {
        value,
        source: Source::Default,
    }
}

pub(crate) fn settings() -> Settings {
    Settings::by_default(STREAM, CLUSTER, &Source::Default)
}

/// What is found of the only pipeline.
fn examine(settings: &Settings, facts: &Facts) -> PipelineReport {
    let mut pipelines = super::examine(settings, facts).pipelines;
    assert_eq!(pipelines.len(), 1);
    pipelines.remove(0).report
}

fn found<T>(value: T) -> Fact<T> {
    Fact::Found { value }
}

fn denied<T>(action: &str) -> Fact<T> {
    Fact::Unreadable(Unreadable {
        missing_action: Some(action.to_owned()),
        message: format!("User: u is not authorized to perform: {action}"),
    })
}

fn get<T>(fact: &mut Fact<T>) -> &mut T {
    match fact {
        Fact::Found { value } => value,
        _ => panic!("a healthy pipeline has it"),
    }
}

fn map(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    pairs.collect()
}

fn rule(id: &str, egress: bool, peer: &str) -> Rule {
    Rule {
        id: id.to_owned(),
        egress,
        protocol: "tcp".to_owned(),
        ports: Some((9098, 9098)),
        peer: RulePeer::Group(peer.to_owned()),
        owner: Owner::ThisStack,
    }
}

fn group(id: &str, rules: Vec<Rule>) -> SecurityGroup {
    SecurityGroup {
        id: id.to_owned(),
        vpc: "vpc-1".to_owned(),
        name: id.to_owned(),
        rules,
        owner: Owner::Foreign,
    }
}

fn network() -> Network {
    let subnets = [
        ("subnet-1", "eu-west-1a", "10.0.0.0/24"),
        ("subnet-2", "eu-west-1b", "10.0.1.0/24"),
    ];
    let entry = |number, egress, allow| AclEntry {
        number,
        egress,
        allow,
        protocol: "-1".to_owned(),
        cidr: "0.0.0.0/0".to_owned(),
        ports: None,
    };
    Network {
        vpcs: found(vec![Vpc {
            id: "vpc-1".to_owned(),
            cidrs: vec!["10.0.0.0/16".to_owned()],
            ipv6_cidrs: Vec::new(),
            ..Vpc::default()
        }]),
        subnets: found(
            subnets
                .iter()
                .map(|&(id, zone, cidr)| Subnet {
                    id: id.to_owned(),
                    vpc: "vpc-1".to_owned(),
                    zone: zone.to_owned(),
                    cidr: cidr.to_owned(),
                    free_addresses: 200,
                })
                .collect(),
        ),
        route_tables: found(vec![RouteTable {
            id: "rtb-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            main: true,
            subnets: Vec::new(),
            routes: vec![Route {
                destination: "10.0.0.0/16".to_owned(),
                target: "local".to_owned(),
                active: true,
                propagated: false,
                owner: Owner::Foreign,
            }],
        }]),
        network_acls: found(vec![NetworkAcl {
            id: "acl-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            default: true,
            subnets: Vec::new(),
            entries: vec![entry(100, false, true), entry(100, true, true)],
        }]),
        security_groups: found(vec![
            group("sg-brokers", vec![rule("sgr-in", false, "sg-function")]),
            group("sg-function", vec![rule("sgr-out", true, "sg-brokers")]),
        ]),
        prefix_lists: found(Vec::new()),
        peerings: found(Vec::new()),
        transit_gateway_attachments: found(Vec::new()),
        endpoints: found(Vec::new()),
        stale_groups: BTreeSet::new(),
    }
}

/// The stack's template, as far as doctor looks at it, as it was when this was deployed.
fn template(facts: &mut Facts) -> String {
    let (function, mapping) = (
        get(&mut facts.one().function).clone(),
        get(&mut facts.one().mapping).clone(),
    );
    let response_types: &[&str] = if mapping.partial_failures {
        &["ReportBatchItemFailures"]
    } else {
        &[]
    };
    json!({"Resources": {
        "ClusterIngress": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {}},
        "OrdersFunction": {"Type": "AWS::Lambda::Function", "Properties": {
            "Timeout": function.timeout_seconds,
            "MemorySize": function.memory_mb,
            "Environment": {"Variables": function.variables},
            "VpcConfig": {
                "SecurityGroupIds": [{"Fn::GetAtt": ["FunctionSecurityGroup", "GroupId"]}],
                "SubnetIds": function.subnets,
            },
        }},
        "OrdersMapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
            "Enabled": mapping.state == "Enabled",
            "BatchSize": mapping.batch_size,
            "FunctionResponseTypes": response_types,
            "DestinationConfig": {"OnFailure": {"Destination": {"Ref": "OrdersFailureTopic"}}},
        }},
    }})
    .to_string()
}

/// The facts once this is what was deployed.
fn redeployed(facts: &mut Facts) {
    let template = template(facts);
    get(&mut facts.stack).template = Some(template);
}

/// The function speaks SASL/SCRAM, as the cluster does.
fn over_scram(f: &mut Facts) {
    let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";
    variable(f, "K2M_AUTHENTICATION", "scram");
    variable(f, "K2M_SECRET_ARN", secret);
    variable(f, "K2M_BOOTSTRAP_SERVERS", "b-1.events:9096,b-2.events:9096");
    let cluster = get(&mut f.cluster);
    cluster.authentication.scram = true;
    cluster.scram_secrets = Some(found(vec![secret.to_owned()]));
    let brokers = "b-1.events:9096,b-2.events:9096".to_owned();
    cluster.bootstrap_brokers.insert("SaslScram".to_owned(), brokers);
    let network = f.networks.values_mut().next().unwrap();
    for group in get(&mut network.security_groups) {
        for rule in &mut group.rules {
            rule.ports = Some((9096, 9096));
        }
    }
}

/// Deployed, and delivering.
pub(crate) fn facts() -> Facts {
    let mut facts = looked_at();
    redeployed(&mut facts);
    facts
}

#[expect(clippy::too_many_lines, reason = "plain data")]
fn looked_at() -> Facts {
    let broker = |id: u32, subnet: &str, address: &str| Broker {
        id,
        subnet: subnet.to_owned(),
        address: address.to_owned(),
        network_interface: None,
        endpoints: vec![format!("b-{id}.events")],
    };
    Facts {
        schema: SCHEMA,
        taken_at: "2026-01-02T03:04:05Z".to_owned(),
        account: found("123456789012".to_owned()),
        concurrency: None,
        servers: Vec::new(),
        cluster: found(Cluster {
            arn: CLUSTER.to_owned(),
            kind: "PROVISIONED".to_owned(),
            state: "ACTIVE".to_owned(),
            kafka_version: Some("3.6.0".to_owned()),
            instance_type: None,
            subnets: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
            security_groups: vec!["sg-brokers".to_owned()],
            authentication: Authentication {
                iam: true,
                unauthenticated: true,
                ..Authentication::default()
            },
            client_encryption: Some("TLS_PLAINTEXT".to_owned()),
            scram_secrets: None,
            private_connectivity: crate::facts::cluster::PrivateConnectivity::default(),
            vpc_connections: None,
            policy: None,
            bootstrap_brokers: map(&[
                ("", "b-1.events:9092,b-2.events:9092"),
                ("SaslIam", "b-1.events:9098,b-2.events:9098"),
                ("Tls", "b-1.events:9094,b-2.events:9094"),
            ]),
        }),
        brokers: found(vec![
            broker(1, "subnet-1", "10.0.0.10"),
            broker(2, "subnet-2", "10.0.1.10"),
        ]),
        configuration: Fact::Absent,
        destinations: BTreeMap::new(),
        stream_policies: BTreeMap::new(),
        topics: BTreeMap::from([(
            TOPIC.to_owned(),
            found(Topic {
                name: TOPIC.to_owned(),
                partitions: 6,
                replication_factor: 2,
                settings: map(&[]),
            }),
        )]),
        networks: [(REGION.to_owned(), network())].into(),
        network_stacks: BTreeMap::new(),
        stack: found(Stack {
            tags: BTreeMap::new(),
            protected: false,
            name: "k2m-orders".to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            made_by_k2m: true,
            resources: map(&[
                ("ClusterIngress", "sgr-in"),
                ("FunctionSecurityGroup", "sg-function"),
                ("OrdersFailureTopic", "arn:aws:sns:eu-west-1:123456789012:failures"),
                ("OrdersFunction", "orders"),
                ("OrdersLogGroup", "k2m-orders-OrdersLogGroup-1"),
                ("OrdersMapping", "u-2"),
            ]),
            outputs: map(&[]),
            parameters: map(&[]),
            template: None,
            template_unreadable: None,
        }),
        pipelines: BTreeMap::from([(
            STREAM.to_owned(),
            PipelineFacts {
                stream: found(Stream {
                    arn: STREAM.to_owned(),
                    status: "ACTIVE".to_owned(),
                    open_shards: 2,
                    retention_hours: 24,
                    kms_key: None,
                    max_record_kib: None,
                    on_demand: false,
                }),
                consumer: None,
                function: found(Function {
                    vpc: Some("vpc-1".to_owned()),
                    arn: "arn:aws:lambda:eu-west-1:123456789012:function:orders".to_owned(),
                    state: "Active".to_owned(),
                    state_reason: None,
                    last_update: Some("Successful".to_owned()),
                    last_update_reason: None,
                    timeout_seconds: 60,
                    memory_mb: 256,
                    subnets: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
                    security_groups: vec!["sg-function".to_owned()],
                    variables: map(&[
                        ("K2M_AUTHENTICATION", "iam"),
                        ("K2M_BOOTSTRAP_SERVERS", "b-1.events:9098,b-2.events:9098"),
                        ("K2M_TOPIC", "orders"),
                    ]),
                    ..Function::default()
                }),
                mapping: found(Mapping {
                    uuid: "u-2".to_owned(),
                    state: "Enabled".to_owned(),
                    last_result: Some("OK".to_owned()),
                    batch_size: 1000,
                    partial_failures: true,
                    destination: Some("arn:aws:sns:eu-west-1:123456789012:failures".to_owned()),
                    ..Mapping::default()
                }),
                probe: Some(found(answered())),
                ..PipelineFacts::NOTHING
            },
        )]),
    }
}

/// What a function says that finds nothing wrong.
fn answered() -> Probe {
    let brokers = [1, 2].map(|id| {
        json!({
            "address": format!("b-{id}.events:9098"), "id": id, "bootstrap": true, "addresses": [format!("10.0.{}.10", id - 1)],
            "dns": {"ok": true, "milliseconds": 1.2},
            "tcp": [{"address": format!("10.0.{}.10:9098", id - 1), "ok": true, "milliseconds": 0.8}],
            "tls": {
                "ok": true, "milliseconds": 4.5, "protocol": "TLSv1.3",
                "certificate": {"subject": "CN=*.events", "issuer": "CN=Amazon", "expires": "2027-01-01T00:00:00Z", "hosts": ["*.events"]},
            },
            "apiVersions": {"ok": true, "milliseconds": 1.0},
            "sasl": {"ok": true, "milliseconds": 9.0, "mechanism": "OAUTHBEARER", "offered": ["OAUTHBEARER"], "sessionLifetimeMilliseconds": null},
            "failure": null,
        })
    });
    let report = json!({
        "ok": true, "version": "0.1.0", "authentication": "iam", "failure": null, "failures": [],
        "brokers": brokers,
        "cluster": {"id": "u-1", "asked": "b-1.events:9098", "brokers": 2, "milliseconds": 2.0},
        "topics": [{
            "name": "orders", "purpose": "pipeline", "exists": true, "maxMessageBytes": null,
            "partitions": [{"number": 0, "leader": 1, "replicas": 2, "inSync": 2}],
            "rights": {"describe": {"verdict": "allowed"}, "write": {"verdict": "allowed"}, "describeConfigs": {"verdict": "denied", "reason": "TopicAuthorizationFailed"}},
        }],
        "rights": {"idempotentWrite": {"verdict": "allowed"}},
        "created": null, "canary": null, "milliseconds": 25.5,
    });
    Probe::Answered(Box::new(serde_json::from_value(report).unwrap()))
}

fn fails(kind: &str, message: &str) -> Fact<Probe> {
    found(Probe::Failed {
        kind: kind.to_owned(),
        message: message.to_owned(),
    })
}

fn unanswered(facts: &mut Facts, message: &str) {
    facts.one().probe = Some(Fact::Unreadable(Unreadable {
        missing_action: None,
        message: message.to_owned(),
    }));
}

/// The function says that something failed at this step; where nothing was reached, no cluster answered either.
fn says(facts: &mut Facts, step: Step, reason: &str, next: &str) {
    let Probe::Answered(mut report) = answered() else {
        panic!("it answers")
    };
    if step < Step::Metadata {
        report.cluster = None;
        report.topics.clear();
    }
    report.failures.push(Failure {
        step,
        broker: None,
        topic: None,
        reason: reason.to_owned(),
        next: next.to_owned(),
        detail: "as the broker said".to_owned(),
    });
    report.failure = report.failures.first().cloned();
    report.ok = false;
    facts.one().probe = Some(found(Probe::Answered(report)));
}

/// A change of a healthy pipeline.
type Change = fn(&mut Settings, &mut Facts);

fn changed(change: Change) -> PipelineReport {
    let (mut settings, mut facts) = (settings(), facts());
    change(&mut settings, &mut facts);
    examine(&settings, &facts)
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Pass { .. } => "pass",
        Outcome::Warn { .. } => "warn",
        Outcome::Fail { .. } => "fail",
        Outcome::Skip { .. } => "skip",
        Outcome::Unknown { .. } => "unknown",
    }
}

/// The data chooses between the topic and this one.
fn mapped(settings: &mut Settings, name: &str, source: Source) {
    let map = BTreeMap::from([("created".to_owned(), name.to_owned())]);
    let text = serde_json::to_string(&map).unwrap();
    settings.one().payload.topic_map = Some(Setting {
        value: Told { choice: map, text },
        source: source.clone(),
    });
    settings.one().payload.topic_pointer = Some(Setting {
        value: Told {
            choice: Pointer::parse("/type").unwrap(),
            text: "/type".to_owned(),
        },
        source,
    });
}

fn variable(facts: &mut Facts, name: &str, value: &str) {
    let variables = &mut get(&mut facts.one().function).variables;
    variables.insert(name.to_owned(), value.to_owned());
}

/// Everything between subnets passes an instance.
fn by_appliance(facts: &mut Facts) {
    for table in get(&mut the_network(facts).route_tables) {
        table.routes.push(Route {
            destination: "10.0.0.0/17".into(),
            target: "eni-1".into(),
            active: true,
            propagated: false,
            owner: Owner::Foreign,
        });
    }
}

/// Rules name a block.
fn by_block(facts: &mut Facts) {
    for group in get(&mut the_network(facts).security_groups) {
        for rule in &mut group.rules {
            rule.peer = RulePeer::Cidr("10.0.0.0/16".into());
        }
    }
}

fn the_network(facts: &mut Facts) -> &mut Network {
    facts.networks.get_mut(REGION).unwrap()
}

/// Deployed to come in by the cluster's private connectivity.
fn privately(facts: &mut Facts) {
    let servers = "b-1.iam.events:14001,b-2.iam.events:14002";
    variable(facts, "K2M_BOOTSTRAP_SERVERS", servers);
    for group in get(&mut the_network(facts).security_groups) {
        for rule in &mut group.rules {
            rule.ports = Some((14001, 14100));
        }
    }
    let cluster = get(&mut facts.cluster);
    let name = "VpcConnectivitySaslIam".to_owned();
    cluster.bootstrap_brokers.insert(name, servers.to_owned());
    cluster.private_connectivity.iam = true;
    cluster.vpc_connections = Some(found(vec![VpcConnection {
        arn: "arn:aws:kafka:eu-west-1:123456789012:vpc-connection/123456789012/events/1".to_owned(),
        vpc: "vpc-1".to_owned(),
        authentication: "SASL_IAM".to_owned(),
        state: "AVAILABLE".to_owned(),
        subnets: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
        security_groups: vec!["sg-brokers".to_owned()],
        owner: Owner::Foreign,
    }]));
}

fn door(facts: &mut Facts) -> &mut Vec<VpcConnection> {
    get(get(&mut facts.cluster).vpc_connections.as_mut().unwrap())
}

/// Deployed with a dead-letter topic.
fn divert(settings: &mut Settings, facts: &mut Facts) {
    settings.one().on_poison = Setting {
        value: OnPoison::Divert,
        source: Source::Flag("--on-poison".to_owned()),
    };
    settings.one().dead_letter_topic = Some(Setting {
        value: "orders-dead-letter".to_owned(),
        source: Source::Flag("--dead-letter-topic".to_owned()),
    });
    variable(facts, "K2M_ON_POISON", "divert");
    variable(facts, "K2M_DEAD_LETTER_TOPIC", "orders-dead-letter");
    *facts.topic_named(DEAD_LETTERS) = found(Topic {
        name: "orders-dead-letter".to_owned(),
        partitions: 1,
        replication_factor: 2,
        settings: map(&[("max.message.bytes", "11534336")]),
    });
    redeployed(facts);
}

/// Takes the ingress of the cluster's group away, as somebody did by hand.
fn no_ingress(_: &mut Settings, facts: &mut Facts) {
    get(&mut the_network(facts).security_groups)[0].rules.clear();
    failing(facts);
}

fn no_topic(_: &mut Settings, facts: &mut Facts) {
    without_topic(facts);
    failing(facts);
}

/// Neither MSK nor the function sees the topic.
pub(crate) fn without_topic(facts: &mut Facts) {
    *facts.topic_named(TOPIC) = Fact::Absent;
    sees(facts, Some(false));
}

/// What the function says of the topic, where it was asked.
fn sees(facts: &mut Facts, exists: Option<bool>) {
    if let Some(Fact::Found {
        value: Probe::Answered(report),
    }) = &mut facts.one().probe
        && let Some(topic) = report.topics.first_mut()
    {
        topic.exists = exists;
    }
}

/// The topic that the function was asked about is this one.
fn rename(facts: &mut Facts, name: &str) {
    let Some(Fact::Found {
        value: Probe::Answered(report),
    }) = &mut facts.one().probe
    else {
        panic!("it answers")
    };
    name.clone_into(&mut report.topics[0].name);
}

/// MSK does not list what was just made.
fn just_made(settings: &mut Settings, facts: &mut Facts) {
    no_topic(settings, facts);
    sees(facts, Some(true));
}

/// The stack's own queue, whose topic tells these.
fn tells(facts: &mut Facts, queues: Fact<Vec<String>>) {
    let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/k2m-orders-FailureQueue-1";
    get(&mut facts.stack)
        .resources
        .insert("OrdersFailureQueue".into(), url.into());
    facts.one().subscribed = Some(queues);
}

/// A topic of which MSK says nothing, and of which the function says this.
fn untold(facts: &mut Facts, exists: Option<bool>) {
    get(&mut facts.cluster).kafka_version = Some("2.8.1".into());
    *facts.topic_named(TOPIC) = Fact::Unreadable(Unreadable {
        missing_action: None,
        message: "BadRequestException: no topics here".to_owned(),
    });
    failing(facts);
    sees(facts, exists);
}

fn no_own_topic(settings: &mut Settings, facts: &mut Facts) {
    no_topic(settings, facts);
    let stack = get(&mut facts.stack);
    let mut template: serde_json::Value = serde_json::from_str(stack.template.as_ref().unwrap()).unwrap();
    template["Resources"]["OrdersTopic"] = json!({
        "Type": "AWS::MSK::Topic",
        "Properties": {"TopicName": "orders", "PartitionCount": 7, "ReplicationFactor": 2},
    });
    stack.template = Some(template.to_string());
}

fn no_template(_: &mut Settings, facts: &mut Facts) {
    let stack = get(&mut facts.stack);
    stack.template = None;
    stack.template_unreadable = denied::<()>("cloudformation:GetTemplate").unreadable().cloned();
}

fn wrong_port(_: &mut Settings, facts: &mut Facts) {
    variable(facts, "K2M_BOOTSTRAP_SERVERS", "b-1.events:9092,b-2.events:9092");
    failing(facts);
}

fn five_seconds(_: &mut Settings, facts: &mut Facts) {
    get(&mut facts.one().function).timeout_seconds = 5;
    failing(facts);
}

const GIVEN: &str = "arn:aws:sns:eu-west-1:123456789012:failures";

/// The mapping's topic was given, with all well but for a change.
fn given(facts: &mut Facts, change: fn(&mut GivenDestination)) {
    let mut topic = GivenDestination {
        arn: GIVEN.to_owned(),
        kms_key: Fact::Absent,
        policy: Fact::Absent,
        subscriptions: Some(Subscriptions {
            confirmed: 1,
            pending: 0,
        }),
        region: None,
    };
    change(&mut topic);
    facts.destinations.insert(GIVEN.to_owned(), found(topic));
}

fn policy(statement: &str) -> Fact<String> {
    found(format!(r#"{{"Statement": [{statement}]}}"#))
}

/// The stream is read by a consumer in this state.
fn by_consumer(settings: &mut Settings, facts: &mut Facts, status: Fact<&str>) {
    let arn = format!("{STREAM}/consumer/k2m:1");
    facts.one().consumer = Some(match status {
        Fact::Found { value } => found(Consumer {
            arn: arn.clone(),
            status: value.to_owned(),
        }),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
    });
    settings.pipelines[0].consumer = Some(default(arn));
}

fn not_deployed(_: &mut Settings, facts: &mut Facts) {
    facts.stack = Fact::Absent;
    facts.one().function = Fact::Absent;
    facts.one().mapping = Fact::Absent;
}

fn failing(facts: &mut Facts) {
    get(&mut facts.one().mapping).last_result = Some("PROBLEM: Function call failed".to_owned());
}

fn blind(_: &mut Settings, facts: &mut Facts) {
    the_network(facts).security_groups = denied("ec2:DescribeSecurityGroups");
    facts.one().function = denied("lambda:GetFunctionConfiguration");
    *facts.topic_named(TOPIC) = denied("kafka-cluster:DescribeTopic");
    get(&mut facts.one().mapping).last_result = None;
}

fn another_s_stack(_: &mut Settings, facts: &mut Facts) {
    get(&mut facts.stack).made_by_k2m = false;
}

/// The check, what is changed, what it says then, and words of it.
#[rustfmt::skip]
const ROWS: &[(&str, Change, &str, &str)] = &[
    ("K2M-L01", |_, _| {}, "pass", "k2m-orders is CREATE_COMPLETE"),
    ("K2M-L01", not_deployed, "fail", "k2m deploy --stream arn:aws:kinesis"),
    ("K2M-L01", another_s_stack, "fail", "--stack NAME"),
    ("K2M-L01", |_, f| f.stack = denied("cloudformation:DescribeStacks"), "unknown", "cloudformation:DescribeStacks"),
    ("K2M-L01", |_, f| get(&mut f.stack).status = "ROLLBACK_COMPLETE".into(), "fail", "creates it anew"),
    ("K2M-L01", |_, f| get(&mut f.stack).status = "REVIEW_IN_PROGRESS".into(), "fail", "never created"),
    ("K2M-L01", |_, f| get(&mut f.stack).status = "UPDATE_ROLLBACK_FAILED".into(), "fail", "continue-update-rollback"),
    ("K2M-L01", |_, f| get(&mut f.stack).status = "UPDATE_FAILED".into(), "fail", "rollback-stack"),
    ("K2M-L01", |_, f| get(&mut f.stack).status = "DELETE_FAILED".into(), "fail", "describe-stack-events"),
    ("K2M-L01", |_, f| get(&mut f.stack).status = "DELETE_IN_PROGRESS".into(), "fail", "once it is gone"),
    ("K2M-L01", |_, f| get(&mut f.stack).status = "UPDATE_IN_PROGRESS".into(), "warn", "at work"),
    ("K2M-L01", |_, f| get(&mut f.stack).status = "UPDATE_ROLLBACK_COMPLETE".into(), "warn", "taken back"),
    ("K2M-E01", |_, _| {}, "pass", "orders is ACTIVE, open shards: 2"),
    ("K2M-E01", |_, f| get(&mut f.one().stream).status = "DELETING".into(), "fail", "DELETING"),
    ("K2M-E01", |_, f| f.one().stream = Fact::Absent, "fail", STREAM),
    ("K2M-E01", |_, f| f.one().stream = denied("kinesis:DescribeStreamSummary"), "unknown", "kinesis:DescribeStreamSummary"),
    ("K2M-E02", |_, _| {}, "pass", "u-2 is Enabled"),
    ("K2M-E02", |_, f| f.one().mapping = Fact::Absent, "fail", "k2m destroy --stack k2m-orders --region eu-west-1"),
    (
        "K2M-E02",
        |_, f| {
            f.one().mapping = Fact::Absent;
            get(&mut f.stack).resources.remove("OrdersMapping");
        },
        "fail",
        "nobody reads it",
    ),
    ("K2M-E02", |_, f| f.one().mapping = denied("lambda:GetEventSourceMapping"), "unknown", "lambda:GetEventSourceMapping"),
    ("K2M-E02", |_, f| get(&mut f.one().mapping).state = "Creating".into(), "warn", "wait a minute"),
    ("K2M-E02", |_, f| get(&mut f.one().mapping).state = "Disabled".into(), "fail", "--uuid u-2 --enabled --region eu-west-1"),
    (
        "K2M-E02",
        |s, f| {
            s.one().enabled.value = false;
            get(&mut f.one().mapping).state = "Disabled".into();
        },
        "warn",
        "as the settings say",
    ),
    (
        "K2M-E02",
        |s, f| {
            get(&mut f.one().mapping).state = "Disabled".into();
            let stack = get(&mut f.stack);
            let mut template: serde_json::Value = serde_json::from_str(stack.template.as_ref().unwrap()).unwrap();
            template["Resources"]["OrdersMapping"]["Properties"]["Enabled"] = json!(false);
            let waits = json!({"cluster": s.identity(), "waitsFor": ["orders"]});
            let id = crate::facts::deployed::pipeline_id(&s.pipelines[0].stream.value);
            template["Resources"][format!("{id}Mapping")] = json!({"Metadata": {"k2m": waits}});
            stack.template = Some(template.to_string());
        },
        "fail",
        "it waits for orders, which the function is to make, and the deployment was stopped before that",
    ),
    ("K2M-E02", |_, f| get(&mut f.one().mapping).state = "Deleting".into(), "fail", "Deleting"),
    ("K2M-E02", not_deployed, "skip", "nothing is deployed"),
    ("K2M-E03", |_, _| {}, "pass", "is on"),
    ("K2M-E03", |_, f| get(&mut f.one().mapping).partial_failures = false, "fail", "they are lost"),
    ("K2M-E03", another_s_stack, "skip", "not of k2m"),
    ("K2M-E04", |_, _| {}, "pass", "1000"),
    ("K2M-E04", |_, f| get(&mut f.one().mapping).batch_size = 10, "warn", "at most 10 records"),
    ("K2M-E04", |_, f| f.one().mapping = Fact::Absent, "skip", "no event source mapping"),
    ("K2M-L02", |_, _| {}, "pass", "Active"),
    ("K2M-L02", |_, f| f.one().function = Fact::Absent, "fail", "changed outside the stack: it was deleted"),
    (
        "K2M-L02",
        |_, f| {
            f.one().function = Fact::Absent;
            get(&mut f.stack).resources.remove("OrdersFunction");
        },
        "fail",
        "has no function",
    ),
    ("K2M-L02", blind, "unknown", "lambda:GetFunctionConfiguration"),
    ("K2M-L02", |_, f| get(&mut f.one().function).state = "Pending".into(), "warn", "Pending"),
    ("K2M-L02", |_, f| get(&mut f.one().function).last_update = Some("InProgress".into()), "warn", "an update is under way"),
    ("K2M-L02", |_, f| get(&mut f.one().function).state = "Inactive".into(), "warn", "put a record"),
    (
        "K2M-L02",
        |_, f| {
            get(&mut f.one().function).state = "Failed".into();
            get(&mut f.one().function).state_reason = Some("subnet is out of addresses".into());
        },
        "fail",
        "subnet is out of addresses",
    ),
    (
        "K2M-L02",
        |_, f| {
            get(&mut f.one().function).last_update = Some("Failed".into());
            get(&mut f.one().function).last_update_reason = Some("EniLimitExceeded".into());
        },
        "fail",
        "EniLimitExceeded",
    ),
    ("K2M-L02", not_deployed, "skip", "nothing is deployed"),
    ("K2M-N01", |_, _| {}, "pass", "events is ACTIVE"),
    ("K2M-N01", |_, f| get(&mut f.cluster).state = "HEALING".into(), "warn", "HEALING"),
    ("K2M-N01", |_, f| get(&mut f.cluster).state = "CREATING".into(), "fail", "wait until"),
    ("K2M-N01", |_, f| get(&mut f.cluster).state = "FAILED".into(), "fail", "FAILED"),
    ("K2M-N01", |_, f| f.cluster = Fact::Absent, "fail", CLUSTER),
    ("K2M-N01", |_, f| f.cluster = denied("kafka:DescribeClusterV2"), "unknown", "kafka:DescribeClusterV2"),
    ("K2M-A01", |_, _| {}, "pass", "iam: the cluster takes IAM, unauthenticated access"),
    ("K2M-A01", |_, f| get(&mut f.cluster).authentication.iam = false, "fail", "the function uses iam"),
    (
        "K2M-A01",
        |_, f| {
            variable(f, "K2M_AUTHENTICATION", "tls");
            get(&mut f.cluster).authentication.unauthenticated = false;
        },
        "fail",
        "the function uses tls, and the cluster takes IAM",
    ),
    (
        "K2M-A01",
        |_, f| {
            variable(f, "K2M_AUTHENTICATION", "plaintext");
            get(&mut f.cluster).client_encryption = Some("TLS".into());
        },
        "fail",
        "encryption in transit TLS",
    ),
    (
        // Made before there was a choice: MSK says nothing, and lets all in.
        "K2M-A01",
        |_, f| {
            variable(f, "K2M_AUTHENTICATION", "plaintext");
            get(&mut f.cluster).authentication = Authentication::default();
        },
        "pass",
        "plaintext: the cluster takes unauthenticated access",
    ),
    ("K2M-A01", |_, f| variable(f, "K2M_AUTHENTICATION", "kerberos"), "fail", "kerberos"),
    (
        "K2M-A01",
        |_, f| {
            over_scram(f);
            get(&mut f.cluster).authentication.scram = false;
        },
        "fail",
        "the function uses scram, and the cluster takes IAM",
    ),
    ("K2M-A01", |_, f| over_scram(f), "pass", "scram: the cluster takes IAM, SCRAM"),
    (
        "K2M-A05",
        |_, f| {
            over_scram(f);
            get(&mut f.cluster).scram_secrets = Some(denied("kafka:ListScramSecrets"));
        },
        "unknown",
        "could not be compared: User: u is not authorized to perform: kafka:ListScramSecrets",
    ),
    (
        "K2M-A05",
        |_, f| {
            over_scram(f);
            get(&mut f.cluster).scram_secrets = Some(found(vec!["arn:another".to_owned()]));
        },
        "fail",
        "is not associated with the cluster",
    ),
    (
        "K2M-A01",
        |_, f| {
            get(&mut f.cluster).authentication = Authentication {
                mutual_tls: true,
                ..Authentication::default()
            };
        },
        "fail",
        "--authentication mutual_tls",
    ),
    (
        "K2M-A01",
        |_, f| {
            variable(f, "K2M_AUTHENTICATION", "mutual_tls");
            get(&mut f.cluster).authentication.mutual_tls = true;
        },
        "pass",
        "mutual_tls: the cluster takes",
    ),
    ("K2M-A02", |_, f| over_scram(f), "pass", "the cluster's brokers for scram"),
    (
        "K2M-A02",
        |_, f| {
            variable(f, "K2M_AUTHENTICATION", "mutual_tls");
            variable(f, "K2M_BOOTSTRAP_SERVERS", "b-1.events:9094,b-2.events:9094");
        },
        "pass",
        "the cluster's brokers for mutual_tls",
    ),
    ("K2M-A01", not_deployed, "pass", "planned: iam: the cluster takes IAM"),
    ("K2M-A01", |_, f| f.cluster = denied("kafka:DescribeClusterV2"), "skip", "see K2M-N01"),
    ("K2M-A02", |_, _| {}, "pass", "the cluster's brokers for iam"),
    ("K2M-A02", wrong_port, "fail", "b-1.events:9092 is the cluster's port for plaintext"),
    (
        "K2M-A02",
        |s, f| {
            wrong_port(s, f);
            redeployed(f);
        },
        "fail",
        "for iam: b-1.events:9098,b-2.events:9098",
    ),
    ("K2M-A02", |_, f| variable(f, "K2M_BOOTSTRAP_SERVERS", "b-1.events:9096"), "fail", "no port of the cluster for it"),
    ("K2M-A02", |_, f| variable(f, "K2M_BOOTSTRAP_SERVERS", "b-1.clicks:9098"), "fail", "none of these"),
    ("K2M-A02", |_, f| variable(f, "K2M_BOOTSTRAP_SERVERS", ""), "fail", "is not set"),
    ("K2M-A02", |_, f| variable(f, "K2M_BOOTSTRAP_SERVERS", "b-1.events:9098,b-9.events:9098"), "warn", "stale: b-9.events:9098"),
    (
        // MSK names three brokers at most in its list; the fourth is one all the same.
        "K2M-A02",
        |_, f| {
            get(&mut f.brokers)[1].endpoints = vec!["b-4.events".into()];
            variable(f, "K2M_BOOTSTRAP_SERVERS", "b-4.events:9098");
        },
        "pass",
        "b-4.events:9098",
    ),
    ("K2M-A02", |_, f| f.cluster = Fact::Absent, "skip", "no cluster"),
    ("K2M-A02", blind, "skip", "see K2M-L02"),
    ("K2M-N02", |_, _| {}, "pass", "4 ways: from subnet-1, subnet-2 to brokers 1, 2 on 9098"),
    ("K2M-N02", no_ingress, "fail", "no ingress rule of sg-brokers allows tcp 9098"),
    ("K2M-N02", no_ingress, "fail", "changed outside the stack: its ClusterIngress (sgr-in) is gone"),
    (
        "K2M-N02",
        no_ingress,
        "fail",
        "authorize-security-group-ingress --group-id sg-brokers --ip-permissions '[{",
    ),
    ("K2M-N02", |_, f| get(&mut the_network(f).security_groups)[1].rules.clear(), "fail", "authorize-security-group-egress --group-id sg-function"),
    (
        "K2M-N02",
        |_, f| {
            let deny = AclEntry {
                number: 50,
                egress: true,
                allow: false,
                protocol: "6".into(),
                cidr: "10.0.1.10/32".into(),
                ports: Some((9098, 9098)),
            };
            get(&mut the_network(f).network_acls)[0].entries.push(deny);
        },
        "fail",
        "create-network-acl-entry --network-acl-id acl-1 --egress --protocol tcp --port-range From=9098,To=9098 --cidr-block 10.0.1.10/32",
    ),
    (
        // Each entry has a number of its own, below what denies.
        "K2M-N02",
        |_, f| {
            let entries = &mut get(&mut the_network(f).network_acls)[0].entries;
            entries[1] = AclEntry { number: 50, allow: false, ..entries[1].clone() };
            let taken = AclEntry { number: 48, cidr: "10.9.0.0/16".into(), ..entries[1].clone() };
            entries.push(taken);
        },
        "fail",
        "--cidr-block 10.0.0.0/23 --rule-action allow --rule-number 49",
    ),
    ("K2M-N02", |_, f| get(&mut the_network(f).route_tables)[0].routes.clear(), "fail", "rtb-1 has no route to 10.0.1.10/32, 10.0.0.10/32; add one"),
    // Behind an appliance rules that name groups don't hold, and whether it lets the rest pass isn't known.
    ("K2M-N02", |_, f| by_appliance(f), "fail", r#"\"IpRanges\":[{\"CidrIp\":\"10.0.1.10/32\"}]"#),
    (
        "K2M-N02",
        |_, f| {
            by_appliance(f);
            by_block(f);
            f.one().probe = None;
        },
        "unknown",
        "gateway: reachable as far as eni-1",
    ),
    (
        "K2M-N02",
        |_, f| {
            by_appliance(f);
            by_block(f);
        },
        "pass",
        "as far as eni-1; and the function gets through, see K2M-P01",
    ),
    ("K2M-N02", |_, f| get(&mut f.one().function).subnets.clear(), "fail", "in no VPC"),
    ("K2M-N02", |_, f| variable(f, "K2M_BOOTSTRAP_SERVERS", "b-1.events:9198"), "skip", "internet"),
    ("K2M-N02", |_, f| variable(f, "K2M_BOOTSTRAP_SERVERS", ""), "skip", "told of no brokers"),
    ("K2M-N02", |_, f| f.brokers = Fact::Absent, "skip", "shows no brokers"),
    ("K2M-N02", |_, f| f.brokers = denied("kafka:ListNodes"), "unknown", "kafka:ListNodes"),
    ("K2M-N02", |_, f| f.networks.clear(), "unknown", "no network of eu-west-1"),
    ("K2M-N02", |_, f| the_network(f).security_groups = denied("ec2:DescribeSecurityGroups"), "unknown", "ec2:DescribeSecurityGroups"),
    ("K2M-N02", |_, f| privately(f), "pass", "8 ways: from subnet-1, subnet-2 to the VPC connection in subnet-1, subnet-2 on 14001, 14002"),
    ("K2M-N02", |_, f| { privately(f); door(f).clear(); }, "fail", "its VPC vpc-1 has no VPC connection to the cluster for iam"),
    ("K2M-N02", |_, f| { privately(f); door(f)[0].authentication = "TLS".into(); }, "fail", "has no VPC connection"),
    ("K2M-N02", |_, f| { privately(f); get(&mut f.cluster).vpc_connections = None; }, "fail", "aws kafka update-connectivity --cluster-arn arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1 --current-version VERSION --connectivity-info '{"),
    ("K2M-N02", |_, f| { privately(f); let mut other = door(f)[0].clone(); other.state = "INACTIVE".into(); door(f).insert(0, other); }, "pass", "the VPC connection in subnet-1, subnet-2"),
    ("K2M-N02", |_, f| { privately(f); door(f)[0].state = "CREATING".into(); }, "fail", "wait until it is AVAILABLE"),
    ("K2M-N02", |_, f| { privately(f); door(f)[0].state = "INACTIVE".into(); }, "fail", "is INACTIVE"),
    ("K2M-N02", |_, f| { privately(f); get(&mut f.cluster).vpc_connections = Some(denied("kafka:ListVpcConnections")); }, "unknown", "kafka:ListVpcConnections"),
    ("K2M-N02", |_, f| { privately(f); get(&mut the_network(f).security_groups)[0].rules.clear(); }, "fail", "authorize-security-group-ingress --group-id sg-brokers"),
    ("K2M-A02", |_, f| privately(f), "pass", "the cluster's brokers for iam"),
    ("K2M-A02", |_, f| { privately(f); variable(f, "K2M_BOOTSTRAP_SERVERS", "b-1.iam.events:14001,b-2.iam.events:14007"); }, "pass", "the cluster's brokers for iam"),
    ("K2M-T01", |_, _| {}, "pass", "6 partitions, 2 replicas"),
    ("K2M-T01", no_topic, "fail", "auto.create.topics.enable is false: nothing creates it"),
    ("K2M-T01", no_topic, "fail", "--create-topic true"),
    ("K2M-T01", just_made, "pass", "orders: the function sees it; MSK does not list it yet"),
    ("K2M-T01", |s, f| { just_made(s, f); sees(f, None); }, "fail", "nothing creates it"),
    (
        "K2M-T01",
        |s, f| {
            mapped(s, "orders-new", Source::Default);
            f.topics.insert("orders-new".to_owned(), Fact::Absent);
            rename(f, "orders-new");
        },
        "pass",
        "orders-new: the function sees it",
    ),
    (
        "K2M-T01",
        |s, f| {
            no_topic(s, f);
            get(&mut f.cluster).state = "MAINTENANCE".into();
        },
        "fail",
        "CloudFormation can't create it",
    ),
    // Before the first deployment it need not be there.
    (
        "K2M-T01",
        |s, f| {
            no_topic(s, f);
            not_deployed(s, f);
        },
        "skip",
        "orders is not in the cluster yet: nothing is deployed, and the first deployment creates it",
    ),
    (
        "K2M-T01",
        |s, f| {
            no_topic(s, f);
            not_deployed(s, f);
            s.one().create_topic = Some(Setting {
                value: false,
                source: Source::Flag("--create-topic".to_owned()),
            });
        },
        "fail",
        "nothing creates it",
    ),
    // Where MSK makes none, the function does.
    (
        "K2M-T01",
        |s, f| {
            no_topic(s, f);
            get(&mut f.cluster).kafka_version = Some("3.5.1".into());
        },
        "fail",
        "k2m deploy --stream arn:aws:kinesis:eu-west-1:123456789012:stream/orders --cluster arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1 --create-topic true",
    ),
    // Where MSK does not tell, the function does.
    ("K2M-T01", |_, f| untold(f, Some(false)), "fail", "--create-topic true"),
    ("K2M-T01", |_, f| untold(f, Some(true)), "pass", "MSK does not say (BadRequestException: no topics here), but the function sees it"),
    ("K2M-T01", |_, f| untold(f, None), "unknown", "orders could not be read: BadRequestException"),
    (
        "K2M-T01",
        |_, f| {
            untold(f, Some(false));
            let stack = get(&mut f.stack);
            let mut template: serde_json::Value = serde_json::from_str(stack.template.as_ref().unwrap()).unwrap();
            let remembered = json!({"cluster": get(&mut f.cluster).arn, "made": {"orders": {"partitions": 3}}});
            template["Resources"]["OrdersMapping"]["Metadata"] = json!({"k2m": remembered});
            get(&mut f.stack).template = Some(template.to_string());
        },
        "fail",
        "the stack remembers that the function made it, so k2m deploy does not have it made again",
    ),
    ("K2M-T01", no_own_topic, "fail", "CloudFormation takes it to be there, so k2m deploy does not create it again"),
    (
        "K2M-T01",
        no_own_topic,
        "fail",
        "aws kafka create-topic --cluster-arn arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1 --topic-name orders --partition-count 7 --replication-factor 2 --region eu-west-1",
    ),
    (
        "K2M-T01",
        |s, f| {
            no_topic(s, f);
            f.configuration = found(map(&[("auto.create.topics.enable", "true")]));
        },
        "fail",
        "no kafka-cluster:CreateTopic",
    ),
    (
        "K2M-T01",
        |s, f| {
            no_topic(s, f);
            f.configuration = found(map(&[("auto.create.topics.enable", "true")]));
            variable(f, "K2M_AUTHENTICATION", "tls");
        },
        "warn",
        "the first record creates it",
    ),
    (
        "K2M-T01",
        |s, f| {
            no_topic(s, f);
            f.configuration = denied("kafka:DescribeConfigurationRevision");
        },
        "fail",
        "could not be read",
    ),
    ("K2M-T01", |_, f| *f.topic_named(TOPIC) = denied("kafka-cluster:DescribeTopic"), "pass", "the last batch was delivered"),
    ("K2M-T01", blind, "unknown", "kafka-cluster:DescribeTopic"),
    ("K2M-T02", |_, _| {}, "pass", "K2M_TOPIC is orders"),
    ("K2M-T02", |_, f| variable(f, "K2M_TOPIC", "clicks"), "warn", "writes to clicks (K2M_TOPIC), the settings say orders"),
    ("K2M-T02", |_, f| variable(f, "K2M_TOPIC", ""), "fail", "stops at its start"),
    (
        "K2M-T01",
        |s, f| {
            mapped(s, "orders-new", Source::Default);
            f.topics.insert("orders-new".to_owned(), Fact::Absent);
        },
        "fail",
        "orders-new is not in the cluster",
    ),
    (
        "K2M-T01",
        |s, f| {
            mapped(s, "orders-new", Source::Default);
            f.topics.insert("orders-new".to_owned(), denied("kafka-cluster:DescribeTopic"));
        },
        "unknown",
        "orders-new could not be read",
    ),
    (
        "K2M-T01",
        |s, f| {
            mapped(s, "orders-new", Source::Default);
            f.topics.insert("orders-new".to_owned(), Fact::Absent);
            blind(s, f);
        },
        "fail",
        "orders could not be read",
    ),
    ("K2M-T01", |s, _| mapped(s, "orders-new", Source::Default), "unknown", "the facts say nothing of orders-new"),
    (
        "K2M-T02",
        |s, _| mapped(s, "orders-new", Source::Flag("--topic-map".to_owned())),
        "warn",
        "the function takes nothing for topic_map (K2M_TOPIC_MAP), the settings say",
    ),
    (
        "K2M-T02",
        |s, _| mapped(s, "orders-new", Source::Flag("--topic-map".to_owned())),
        "warn",
        "--topic-pointer /type --topic-map '{",
    ),
    // What nobody chose is as the function has it.
    ("K2M-T02", |_, f| variable(f, "K2M_DECODE", "kpl,lines"), "pass", "K2M_TOPIC is orders"),
    ("K2M-T02", not_deployed, "skip", "nothing is deployed"),
    ("K2M-T02", divert, "pass", "K2M_DEAD_LETTER_TOPIC is orders-dead-letter"),
    (
        "K2M-T02",
        |s, f| {
            divert(s, f);
            variable(f, "K2M_DEAD_LETTER_TOPIC", "poison");
        },
        "warn",
        "diverts what the topic can never take to poison (K2M_DEAD_LETTER_TOPIC), the settings say to divert it to orders-dead-letter (--on-poison)",
    ),
    (
        "K2M-T02",
        |s, f| {
            divert(s, f);
            s.one().on_poison = default(OnPoison::Block);
            s.one().dead_letter_topic = None;
        },
        "warn",
        "the settings say to block it (default)",
    ),
    (
        "K2M-T02",
        |s, f| {
            divert(s, f);
            variable(f, "K2M_ON_POISON", "block");
            redeployed(f);
        },
        "warn",
        "k2m deploy --stream arn:aws:kinesis:eu-west-1:123456789012:stream/orders \
         --cluster arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1 --on-poison divert --dead-letter-topic orders-dead-letter",
    ),
    ("K2M-T03", |_, _| {}, "pass", "on_poison is block"),
    ("K2M-T03", divert, "pass", "orders-dead-letter has 1 partitions, 2 replicas"),
    (
        "K2M-T03",
        |s, f| {
            divert(s, f);
            *f.topic_named(DEAD_LETTERS) = Fact::Absent;
            rename(f, DEAD_LETTERS);
        },
        "pass",
        "orders-dead-letter: the function sees it",
    ),
    (
        "K2M-T03",
        |s, f| {
            divert(s, f);
            *f.topic_named(DEAD_LETTERS) = Fact::Absent;
        },
        "fail",
        "--on-poison divert --dead-letter-topic orders-dead-letter --create-topic true",
    ),
    (
        "K2M-T03",
        |s, f| {
            divert(s, f);
            *f.topic_named(DEAD_LETTERS) = Fact::Absent;
        },
        "fail",
        "--topic orders-dead-letter --partitions 1 --replication-factor 2 --config 'max.message.bytes=11534336'",
    ),
    (
        "K2M-T03",
        |s, f| {
            divert(s, f);
            *f.topic_named(DEAD_LETTERS) = Fact::Absent;
            let stack = get(&mut f.stack);
            let mut template: serde_json::Value = serde_json::from_str(stack.template.as_ref().unwrap()).unwrap();
            template["Resources"]["OrdersDeadLetterTopic"] = json!({
                "Type": "AWS::MSK::Topic",
                "Properties": {"TopicName": "orders-dead-letter", "PartitionCount": 1, "ReplicationFactor": 2},
            });
            stack.template = Some(template.to_string());
        },
        "fail",
        "--partition-count 1 --replication-factor 2 --configs 'eyJ",
    ),
    (
        "K2M-T03",
        |s, f| {
            divert(s, f);
            let topic = get(f.topic_named(DEAD_LETTERS));
            topic.settings = map(&[("max.message.bytes", "1000000")]);
        },
        "warn",
        "kafka-configs.sh",
    ),
    (
        "K2M-T03",
        |s, f| {
            divert(s, f);
            *f.topic_named(DEAD_LETTERS) = denied("kafka-cluster:DescribeTopic");
        },
        "unknown",
        "kafka-cluster:DescribeTopic",
    ),
    (
        "K2M-T03",
        |s, f| {
            divert(s, f);
            f.topics.remove(DEAD_LETTERS);
        },
        "unknown",
        "inspect again",
    ),
    ("K2M-L03", |_, f| variable(f, "K2M_TIMEOUT_MS", "60000"), "pass", "60 s"),
    ("K2M-L03", |_, f| variable(f, "K2M_TIMEOUT_MS", "30000"), "warn", "K2M_TIMEOUT_MS is 30000"),
    ("K2M-L03", |_, _| {}, "pass", "60 s: the handler answers 1000 ms before its end, so 59000 ms"),
    ("K2M-L03", |_, f| get(&mut f.one().function).timeout_seconds = 29, "warn", "29 s"),
    ("K2M-L03", |_, f| get(&mut f.one().function).timeout_seconds = 15, "warn", "15 s"),
    ("K2M-L03", |_, f| get(&mut f.one().function).timeout_seconds = 14, "fail", "14 s"),
    ("K2M-L03", five_seconds, "fail", "answers 500 ms before its end, so 4500 ms are left"),
    ("K2M-L03", |_, f| variable(f, "K2M_DEADLINE_MARGIN_MS", "60000"), "fail", "K2M_DEADLINE_MARGIN_MS"),
    ("K2M-L03", blind, "skip", "see K2M-L02"),
    ("K2M-L04", |_, _| {}, "pass", "256 MB"),
    ("K2M-L04", |_, f| get(&mut f.one().function).memory_mb = 128, "warn", "--memory-size 256"),
    ("K2M-L04", |_, f| get(&mut f.one().mapping).batch_size = 10_000, "warn", "--batch-size 1000"),
    (
        "K2M-L04",
        |_, f| {
            get(&mut f.one().mapping).batch_size = 10_000;
            redeployed(f);
        },
        "warn",
        "--memory 512",
    ),
    ("K2M-L04", |_, f| f.one().mapping = Fact::Absent, "skip", "no event source mapping"),
    ("K2M-P01", |_, _| {}, "pass", "it reaches b-1.events:9098, b-2.events:9098 over TLSv1.3"),
    ("K2M-P01", |_, f| says(f, Step::Tcp, "b-1.events:9098 does not answer", "open the port"), "fail", "open the port"),
    ("K2M-P01", |_, f| f.one().probe = Some(fails("K2m.Configuration", "K2M_TOPIC is not set")), "fail", "K2M_TOPIC is not set"),
    ("K2M-P01", |_, f| f.one().probe = Some(fails("K2m.NotAKinesisEvent", "no event")), "skip", "older than the probe"),
    ("K2M-P01", |_, f| f.one().probe = Some(denied("lambda:InvokeFunction")), "skip", "lambda:InvokeFunction is not allowed"),
    ("K2M-P01", |_, f| f.one().probe = None, "skip", "--no-probe"),
    ("K2M-P01", |_, f| unanswered(f, "no answer to lambda:InvokeFunction in time"), "unknown", "in time; ask again, or leave the probe out"),
    ("K2M-P01", |_, f| unanswered(f, "ResourceNotReadyException: not ready"), "unknown", "ask again in a minute"),
    (
        "K2M-P01",
        |_, f| unanswered(f, "TooManyRequestsException: Rate Exceeded. (ReservedFunctionConcurrentInvocationLimitExceeded)"),
        "fail",
        "aws lambda delete-function-concurrency --function-name",
    ),
    (
        "K2M-P01",
        |_, f| unanswered(f, "TooManyRequestsException: Rate Exceeded. (ConcurrentInvocationLimitExceeded)"),
        "fail",
        "all of the account's concurrent executions",
    ),
    ("K2M-P01", |_, f| f.one().probe = Some(Fact::Absent), "unknown", "gone when it was to answer"),
    ("K2M-P01", |_, f| says(f, Step::Secret, "the secret is not there", "make it"), "skip", "see K2M-P02"),
    (
        "K2M-P01",
        |_, f| {
            variable(f, "K2M_TOPIC", "");
            f.one().probe = Some(fails("K2m.Configuration", "K2M_TOPIC is not set"));
        },
        "fail",
        "aws lambda update-function-configuration",
    ),
    ("K2M-P02", |_, f| unanswered(f, "no answer"), "skip", "the function did not answer, see K2M-P01"),
    ("K2M-P02", |_, f| f.one().probe = Some(denied("lambda:InvokeFunction")), "skip", "lambda:InvokeFunction is not allowed"),
    ("K2M-P02", |_, f| says(f, Step::Secret, "the secret is not there", "make it"), "fail", "make it"),
    ("K2M-P01", not_deployed, "skip", "nothing is deployed"),
    ("K2M-P02", |_, _| {}, "pass", "it is known by iam (OAUTHBEARER)"),
    ("K2M-P02", |_, f| says(f, Step::Sasl, "it was refused", "allow kafka-cluster:Connect"), "fail", "allow kafka-cluster:Connect"),
    ("K2M-P02", |_, f| says(f, Step::Tcp, "it does not answer", "open the port"), "skip", "see K2M-P01"),
    ("K2M-P02", |_, f| f.one().probe = Some(fails("Runtime.ExitError", "it ended")), "skip", "see K2M-P01"),
    (
        "K2M-P03",
        |_, _| {},
        "pass",
        "it may describe orders (1 partition), write to orders, write idempotently",
    ),
    (
        "K2M-P03",
        |_, f| {
            let Some(Fact::Found { value: Probe::Answered(report) }) = &mut f.one().probe else { panic!("it answers") };
            report.topics[0].rights.write = Right::not_asked();
        },
        "unknown",
        "it may describe orders (1 partition), write idempotently; the probe could not tell whether it may write to orders (it was not tried)",
    ),
    ("K2M-P03", |_, f| says(f, Step::Write, "it may not write", "allow kafka-cluster:WriteData"), "fail", "allow kafka-cluster:WriteData"),
    ("K2M-P03", |_, f| says(f, Step::Sasl, "it was refused", "allow kafka-cluster:Connect"), "skip", "see K2M-P01 and K2M-P02"),
    ("K2M-E05", |_, _| {}, "pass", "OK"),
    ("K2M-E05", |_, f| get(&mut f.one().mapping).last_result = None, "skip", "no batch"),
    ("K2M-E05", |_, f| get(&mut f.one().mapping).last_result = Some("No records processed".into()), "pass", "nothing came"),
    ("K2M-E05", |_, f| failing(f), "fail", "aws logs tail k2m-orders-OrdersLogGroup-1"),
    ("K2M-E05", |_, f| f.one().mapping = denied("lambda:GetEventSourceMapping"), "skip", "see K2M-E02"),
    ("K2M-D01", |_, _| {}, "pass", "failures"),
    ("K2M-D01", |_, f| get(&mut f.one().mapping).destination = None, "warn", "gone without a word"),
    ("K2M-D01", |_, f| f.one().waiting = Some(Fact::Absent), "pass", "failures"),
    (
        "K2M-D01",
        |_, f| {
            f.one().waiting = Some(Fact::Absent);
            let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/k2m-orders-FailureQueue-1";
            get(&mut f.stack).resources.insert("OrdersFailureQueue".into(), url.into());
        },
        "fail",
        "aws sqs create-queue --queue-name k2m-orders-FailureQueue-1 --attributes",
    ),
    ("K2M-D01", |_, f| tells(f, found(vec![OWN_QUEUE.into()])), "pass", "failures"),
    ("K2M-D01", |_, f| tells(f, found(Vec::new())), "fail", "k2m-orders-FailureQueue-1 is not subscribed to arn:aws:sns:eu-west-1:123456789012:failures, and SNS keeps nothing"),
    (
        "K2M-D01",
        |_, f| tells(f, found(Vec::new())),
        "fail",
        "aws sns subscribe --topic-arn arn:aws:sns:eu-west-1:123456789012:failures --protocol sqs --notification-endpoint \
         arn:aws:sqs:eu-west-1:123456789012:k2m-orders-FailureQueue-1 --attributes 'RawMessageDelivery=true' --region eu-west-1",
    ),
    ("K2M-D01", |_, f| tells(f, found(vec!["arn:aws:sqs:eu-west-1:123456789012:other".into()])), "warn", "goes to arn:aws:sqs:eu-west-1:123456789012:other alone"),
    ("K2M-D01", |_, f| tells(f, Fact::Absent), "fail", "the stack's own topic failures is not there"),
    ("K2M-D01", |_, f| tells(f, Fact::Absent), "fail", "aws sns create-topic --name failures --attributes 'KmsMasterKeyId=alias/aws/sns' --region eu-west-1"),
    ("K2M-D01", |_, f| tells(f, denied("sns:ListSubscriptionsByTopic")), "unknown", "sns:ListSubscriptionsByTopic"),
    ("K2M-D01", |_, f| { tells(f, denied("sns:ListSubscriptionsByTopic")); f.one().waiting = Some(Fact::Absent); }, "fail", "aws sqs create-queue"),
    ("K2M-D01", not_deployed, "skip", "nothing is deployed"),
    ("K2M-D01", |_, f| given(f, |_| ()), "pass", "failures"),
    ("K2M-D01", |_, f| given(f, |topic| topic.subscriptions.as_mut().unwrap().confirmed = 0), "warn", "no confirmed subscription"),
    ("K2M-D01", |_, f| given(f, |topic| topic.policy = policy(r#"{"Effect": "Deny", "Principal": "*", "Action": "sns:*"}"#)), "fail", "denies sns:Publish"),
    (
        "K2M-D01",
        |_, f| given(f, |topic| topic.policy = policy(r#"{"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:ViaAWSService": "true"}}}"#)),
        "warn",
        "may deny it",
    ),
    ("K2M-D01", |_, f| drop(f.destinations.insert(GIVEN.to_owned(), Fact::Absent)), "fail", "is not there"),
    ("K2M-D01", |_, f| drop(f.destinations.insert(GIVEN.to_owned(), denied("sns:GetTopicAttributes"))), "unknown", "sns:GetTopicAttributes"),
    ("K2M-E01", |s, f| by_consumer(s, f, found("ACTIVE")), "pass", "is ACTIVE"),
    ("K2M-E01", |s, f| by_consumer(s, f, found("DELETING")), "fail", "k2m:1 is DELETING"),
    ("K2M-E01", |s, f| by_consumer(s, f, Fact::Absent), "fail", "there is no consumer"),
    ("K2M-L05", |_, _| {}, "pass", "as the template of k2m-orders says"),
    ("K2M-L05", five_seconds, "warn", "Timeout is 5, the template says 60"),
    ("K2M-L05", |_, f| variable(f, "K2M_LOG", "debug"), "warn", "K2M_LOG is debug, and the template does not have it"),
    (
        "K2M-L05",
        |_, f| drop(get(&mut f.one().function).variables.remove("K2M_TOPIC")),
        "warn",
        "K2M_TOPIC is not set, the template says orders",
    ),
    ("K2M-L05", |_, f| get(&mut f.one().function).security_groups = vec!["sg-9".into()], "warn", "SecurityGroupIds is sg-9, the template says sg-function"),
    ("K2M-L05", |_, f| get(&mut f.stack).template = None, "skip", "inspect again"),
    ("K2M-L05", |_, f| get(&mut f.stack).template = Some("{".into()), "skip", "no YAML"),
    ("K2M-L05", no_template, "unknown", "cloudformation:GetTemplate"),
    ("K2M-L05", |_, f| get(&mut f.stack).status = "UPDATE_IN_PROGRESS".into(), "skip", "UPDATE_IN_PROGRESS"),
    ("K2M-L05", blind, "skip", "see K2M-L02"),
    ("K2M-L05", not_deployed, "skip", "nothing is deployed"),
];

/// What is changed, the check, the command that mends it where the change was made outside the stack, and where it was deployed so.
type Fix = (&'static str, Change, &'static str, &'static str);

const FIXES: &[Fix] = &[
    (
        "K2M-L03",
        five_seconds,
        "aws lambda update-function-configuration --function-name orders --timeout 60 --region eu-west-1",
        "--timeout 60",
    ),
    (
        "K2M-L03",
        |_, f| variable(f, "K2M_DEADLINE_MARGIN_MS", "60000"),
        "aws lambda update-function-configuration --function-name orders --environment '{\"Variables\":{\"K2M_AUTHENTICATION\":\"iam\",\
         \"K2M_BOOTSTRAP_SERVERS\":\"b-1.events:9098,b-2.events:9098\",\"K2M_TOPIC\":\"orders\"}}' --region eu-west-1",
        "",
    ),
    (
        "K2M-L04",
        |_, f| get(&mut f.one().function).memory_mb = 128,
        "aws lambda update-function-configuration --function-name orders --memory-size 256 --region eu-west-1",
        "--memory 256",
    ),
    (
        "K2M-A01",
        |_, f| variable(f, "K2M_AUTHENTICATION", "kerberos"),
        "aws lambda update-function-configuration --function-name orders --environment '{\"Variables\":{\"K2M_AUTHENTICATION\":\"iam\",\
         \"K2M_BOOTSTRAP_SERVERS\":\"b-1.events:9098,b-2.events:9098\",\"K2M_TOPIC\":\"orders\"}}' --region eu-west-1",
        "",
    ),
    (
        "K2M-A02",
        wrong_port,
        "aws lambda update-function-configuration --function-name orders --environment '{\"Variables\":{\"K2M_AUTHENTICATION\":\"iam\",\
         \"K2M_BOOTSTRAP_SERVERS\":\"b-1.events:9098,b-2.events:9098\",\"K2M_TOPIC\":\"orders\"}}' --region eu-west-1",
        "",
    ),
    (
        "K2M-N02",
        |_, f| get(&mut f.one().function).subnets.clear(),
        "aws lambda update-function-configuration --function-name orders --vpc-config \
         '{\"SecurityGroupIds\":[\"sg-function\"],\"SubnetIds\":[\"subnet-1\",\"subnet-2\"]}' --region eu-west-1",
        "",
    ),
    (
        "K2M-T02",
        |_, f| variable(f, "K2M_TOPIC", "clicks"),
        "aws lambda update-function-configuration --function-name orders --environment '{\"Variables\":{\"K2M_AUTHENTICATION\":\"iam\",\
         \"K2M_BOOTSTRAP_SERVERS\":\"b-1.events:9098,b-2.events:9098\",\"K2M_TOPIC\":\"orders\"}}' --region eu-west-1",
        "",
    ),
    (
        "K2M-E02",
        |_, f| get(&mut f.one().mapping).state = "Disabled".into(),
        "aws lambda update-event-source-mapping --uuid u-2 --enabled --region eu-west-1",
        "--enabled true",
    ),
    (
        "K2M-E03",
        |_, f| get(&mut f.one().mapping).partial_failures = false,
        "aws lambda update-event-source-mapping --uuid u-2 --function-response-types '[\"ReportBatchItemFailures\"]' --region eu-west-1",
        "",
    ),
    (
        "K2M-E04",
        |_, f| get(&mut f.one().mapping).batch_size = 10,
        "aws lambda update-event-source-mapping --uuid u-2 --batch-size 1000 --region eu-west-1",
        "--batch-size 1000",
    ),
];

#[test]
fn a_deployment_mends_what_was_deployed_and_a_direct_command_what_was_not() {
    let deploy = format!("k2m deploy --stream {STREAM} --cluster {CLUSTER}");
    for (code, change, direct, more) in FIXES {
        let seen = |deployed: bool| {
            let (settings, mut facts) = (settings(), facts());
            change(&mut { settings.clone() }, &mut facts);
            if deployed {
                redeployed(&mut facts);
            }
            examine(&settings, &facts)
        };
        let of =
            |report: &PipelineReport| match &report.checks.iter().find(|check| check.code == *code).unwrap().outcome {
                Outcome::Warn { evidence, fix } | Outcome::Fail { evidence, fix } => (evidence.join("\n"), fix.clone()),
                other => panic!("{code}: {other:?}"),
            };
        let outside = seen(false);
        let (evidence, fix) = of(&outside);
        assert!(evidence.contains("changed outside the stack"), "{code}: {evidence}");
        assert_eq!(fix, [*direct], "{code}");
        // The list of changes says no more than that.
        let list = outside.checks.iter().find(|check| check.code == "K2M-L05").unwrap();
        assert!(list.said_by.contains(code), "{code}: {outside}");
        assert!(!outside.to_string().contains("(K2M-L05)"), "{code}: {outside}");

        let deployed = seen(true);
        let (evidence, fix) = of(&deployed);
        assert!(!evidence.contains("outside"), "{code}: {evidence}");
        let wanted = if more.is_empty() {
            deploy.clone()
        } else {
            format!("{deploy} {more}")
        };
        if *code != "K2M-L03" || !more.is_empty() {
            assert_eq!(fix[0], wanted, "{code}");
        }
        assert!(list_passes(&deployed), "{code}: {deployed}");
    }
}

fn list_passes(report: &PipelineReport) -> bool {
    let list = report.checks.iter().find(|check| check.code == "K2M-L05").unwrap();
    matches!(list.outcome, Outcome::Pass { .. })
}

#[test]
fn what_no_other_check_says_is_worth_a_look() {
    let change: Change = |settings, facts| {
        five_seconds(settings, facts);
        variable(facts, "K2M_LOG", "debug");
    };
    let text = changed(change).to_string();
    assert!(
        text.contains("Worth a look: Timeout is 5, the template says 60 (K2M-L05)"),
        "{text}"
    );
    assert!(text.contains("K2M_LOG is debug"), "{text}");
    // Not what another does not need: the log stays as it was set.
    assert!(text.contains("fix       aws lambda update-function-configuration --function-name orders --timeout 60 --region eu-west-1\n"), "{text}");
}

#[test]
fn without_the_template_a_fix_says_what_it_may_not_mend() {
    let change: Change = |settings, facts| {
        five_seconds(settings, facts);
        no_template(settings, facts);
    };
    let text = changed(change).to_string();
    assert!(text.contains("if k2m deploy says that nothing changes, it was changed outside the stack: allow cloudformation:GetTemplate and ask again"), "{text}");
}

#[test]
fn names_in_commands_are_one_word_each() {
    let report = changed(|_, facts| {
        let name = "it's $(harm)";
        get(&mut facts.one().function).arn = format!("arn:aws:lambda:eu-west-1:123456789012:function:{name}");
        get(&mut facts.stack)
            .resources
            .insert("OrdersFunction".to_owned(), name.to_owned());
        variable(facts, "K2M_BOOTSTRAP_SERVERS", "x`harm`:9098");
        get(&mut facts.stack)
            .resources
            .insert("OrdersLogGroup".to_owned(), "-a; harm".to_owned());
        for group in get(&mut the_network(facts).security_groups) {
            group.rules.clear();
        }
        get(&mut facts.cluster).security_groups = vec!["sg; harm".to_owned()];
        get(&mut the_network(facts).security_groups)[0].id = "sg; harm".to_owned();
        failing(facts);
    });
    let fixes: Vec<&String> = report
        .checks
        .iter()
        .filter_map(|check| match &check.outcome {
            Outcome::Warn { fix, .. } | Outcome::Fail { fix, .. } => Some(fix),
            _ => None,
        })
        .flatten()
        .filter(|step| step.starts_with("aws ") || step.starts_with("k2m "))
        .collect();
    insta::assert_snapshot!(fixes.into_iter().cloned().collect::<Vec<_>>().join("\n"));
}

/// What is printed to deploy a pipeline whose topic is gone.
fn deployment(change: Change) -> String {
    let (mut settings, mut facts) = (settings(), facts());
    no_topic(&mut settings, &mut facts);
    change(&mut settings, &mut facts);
    let text = examine(&settings, &facts).to_string();
    let line = text.lines().find(|line| line.contains("k2m deploy")).unwrap();
    line.trim().to_owned()
}

#[test]
fn a_deployment_keeps_what_was_deployed_where_nobody_says_anything() {
    let command = deployment(|_, facts| {
        over_scram(facts);
        variable(
            facts,
            "K2M_CA_SECRET_ARN",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ca-Ab12Cd",
        );
        variable(facts, "K2M_DECODE", "lines");
        variable(facts, "K2M_TOPIC_MAP", "{\"a\":\"b\"}");
        redeployed(facts);
    });
    for option in [
        "--authentication scram",
        "--secret arn:",
        "--ca-secret arn:",
        "--decode lines",
        "--topic-map '{",
    ] {
        assert!(command.contains(option), "{option}: {command}");
    }
    // What k2m.yaml says or leaves out is heard by itself.
    let command = deployment(|settings, facts| {
        over_scram(facts);
        variable(facts, "K2M_DECODE", "lines");
        redeployed(facts);
        settings.one().stream.source = Source::File(Box::new(crate::settings::FileLine {
            path: "k2m.yaml".to_owned(),
            line: 1,
            environment: None,
        }));
    });
    assert!(
        !command.contains("--authentication") && !command.contains("--decode"),
        "{command}"
    );
}

#[test]
fn a_deployment_says_again_what_flags_said_of_secrets_and_order() {
    let command = deployment(|settings, _| {
        let flag = |name: &str| Source::Flag(name.to_owned());
        let secret = |end: &str| {
            let arn = format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{end}");
            crate::arn::SecretArn::parse(&arn).unwrap()
        };
        settings.authentication = Some(Setting {
            value: crate::settings::Authentication::MutualTls,
            source: flag("--authentication"),
        });
        settings.secret = Some(Setting {
            value: secret("client-Ab12Cd"),
            source: flag("--secret"),
        });
        settings.ca_secret = Some(Setting {
            value: secret("ca-Ab12Cd"),
            source: flag("--ca-secret"),
        });
        settings.one().payload.strict_order = Setting {
            value: true,
            source: flag("--strict-order"),
        };
    });
    for option in [
        "--authentication mutual_tls",
        "--secret arn:",
        "--ca-secret arn:",
        "--strict-order true",
    ] {
        assert!(command.contains(option), "{option}: {command}");
    }
}

#[test]
fn a_deployment_says_again_what_flags_said() {
    let flag = |name: &str| Source::Flag(name.to_owned());
    let (mut settings, facts) = (settings(), facts());
    settings.one().stream.source = Source::Environment("K2M_STREAM".to_owned());
    let Kafka::Cluster(cluster) = &mut settings.kafka else {
        panic!("no cluster");
    };
    cluster.source = Source::File(Box::new(crate::settings::FileLine {
        path: "my pipelines/orders.yaml".to_owned(),
        line: 2,
        environment: None,
    }));
    settings.one().topic = Setting {
        value: "-orders".to_owned(),
        source: flag("--topic"),
    };
    settings.stack.source = flag("--stack");
    let report = examine(
        &settings,
        &Facts {
            stack: Fact::Absent,
            ..facts
        },
    );
    let text = report.to_string();
    assert!(
        text.contains("k2m deploy --config 'my pipelines/orders.yaml' --topic=-orders --stack k2m-orders\n"),
        "{text}"
    );
}

#[test]
fn each_check_says_what_it_sees() {
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (code, change, wanted, words) in ROWS.iter().chain(nat::ROWS) {
        let report = changed(*change);
        let check = report.checks.iter().find(|check| check.code == *code).unwrap();
        let text = format!("{:?}", check.outcome);
        assert_eq!(word(&check.outcome), *wanted, "{code}: {text}");
        assert!(text.contains(words), "{code}: `{words}` is not in {text}");
        seen.insert((code, wanted));
    }
    seen.extend(eld::ROWS.iter().map(|(code, _, wanted, _)| (*code, *wanted)));
    for check in CHECKS {
        let outcomes = seen.iter().filter(|(code, _)| *code == check.code).count();
        assert!(
            outcomes > 1 && seen.contains(&(check.code, "pass")),
            "{} lacks rows",
            check.code
        );
    }
}

#[test]
fn codes_are_given_once_and_causes_come_before_what_follows() {
    let codes: Vec<&str> = CHECKS.iter().map(|check| check.code).collect();
    let once: BTreeSet<&str> = codes.iter().copied().collect();
    assert_eq!(once.len(), codes.len());
    for (place, check) in CHECKS.iter().enumerate() {
        for cause in check.after {
            assert!(codes[..place].contains(cause), "{} after {cause}", check.code);
        }
    }
}

#[test]
fn the_root_comes_first_and_what_follows_is_folded_under_it() {
    /// A cause with what it explains.
    type Root = (&'static str, &'static [&'static str]);
    let rows: [(Change, &[Root]); 8] = [
        (|_, _| {}, &[]),
        (no_ingress, &[("K2M-N02", &["K2M-E05"])]),
        (no_topic, &[("K2M-T01", &["K2M-E05"])]),
        // No rule is for this port either: that follows.
        (wrong_port, &[("K2M-A02", &["K2M-N02", "K2M-E05", "K2M-L05"])]),
        (five_seconds, &[("K2M-L03", &["K2M-E05", "K2M-L05"])]),
        (not_deployed, &[("K2M-L01", &[])]),
        // Both have to be mended, the way first: a longer time-out alone helps nothing.
        (
            |settings, facts| {
                no_ingress(settings, facts);
                five_seconds(settings, facts);
            },
            &[("K2M-N02", &["K2M-E05"]), ("K2M-L03", &["K2M-E05", "K2M-L05"])],
        ),
        (|_, facts| failing(facts), &[("K2M-E05", &[])]),
    ];
    for (number, (change, wanted)) in rows.into_iter().enumerate() {
        let report = changed(change);
        let causes: Vec<(&str, &[&str])> = report
            .causes
            .iter()
            .map(|cause| (cause.code, cause.explains.as_slice()))
            .collect();
        assert_eq!(causes, wanted, "row {number}");
        let exit = if wanted.is_empty() { Exit::Fine } else { Exit::Failed };
        assert_eq!(report.health.exit(), exit, "row {number}");
    }
    assert_eq!(changed(blind).health.exit(), Exit::CouldNotTell);
    let both: Change = |settings, facts| {
        blind(settings, facts);
        facts.one().stream = Fact::Absent;
    };
    assert_eq!(changed(both).health.exit(), Exit::Failed, "what is certain comes first");
}

#[test]
fn what_people_see() {
    let cases: [(&str, Change); 9] = [
        ("healthy", |_, _| {}),
        ("ingress removed", no_ingress),
        ("topic missing", no_topic),
        ("topic of the stack missing", no_own_topic),
        ("wrong port", wrong_port),
        ("time-out of 5 s", five_seconds),
        ("deployed with a time-out of 5 s", |settings, facts| {
            five_seconds(settings, facts);
            redeployed(facts);
        }),
        ("nothing deployed", not_deployed),
        ("no rights", blind),
    ];
    let text: Vec<String> = cases
        .iter()
        .map(|(name, change)| {
            let report = changed(*change);
            format!("== {name}\n{report}exit {}\n", report.health.exit().code())
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

/// A stack of two pipelines: that of the others tests, and one like it.
fn two() -> (Settings, Facts) {
    let (mut settings, mut facts) = (settings(), facts());
    let clicks = STREAM.replace("orders", "clicks");
    let mut other = settings.pipelines[0].clone();
    other.stream = default(Arn::parse(Kind::Stream, &clicks).unwrap());
    other.topic = default("clicks".to_owned());
    settings.pipelines.push(other);
    for pipeline in &mut settings.pipelines {
        pipeline.stream.source = Source::File(Box::new(crate::settings::FileLine {
            path: "k2m.yaml".to_owned(),
            line: 4,
            environment: None,
        }));
    }
    let mut seen = facts.pipelines[STREAM].clone();
    get(&mut seen.stream).arn.clone_from(&clicks);
    let function = get(&mut seen.function);
    function.arn = function.arn.replace("orders", "clicks");
    function.variables.insert("K2M_TOPIC".to_owned(), "clicks".to_owned());
    get(&mut seen.mapping).uuid = "u-3".to_owned();
    facts.pipelines.insert(clicks, seen);
    let mut topic = get(facts.topic_named(TOPIC)).clone();
    topic.name = "clicks".to_owned();
    *facts.topic_named("clicks") = found(topic);
    let stack = get(&mut facts.stack);
    let resources = ["Function", "LogGroup", "Mapping"].map(|end| {
        let physical = if end == "Mapping" {
            "u-3".to_owned()
        } else {
            format!("clicks-{end}")
        };
        (format!("Clicks3f9bdfc7{end}"), physical)
    });
    stack.resources.extend(resources);
    (settings, facts)
}

#[test]
fn each_pipeline_is_judged_and_named() {
    type Row = (&'static str, fn(&mut Settings, &mut PipelineFacts));
    let judged = |change: fn(&mut Settings, &mut PipelineFacts)| {
        let (mut settings, mut facts) = two();
        change(
            &mut settings,
            facts.pipelines.get_mut(&STREAM.replace("orders", "clicks")).unwrap(),
        );
        let report = super::examine(&settings, &facts);
        let each: Vec<Health> = report.pipelines.iter().map(|one| one.report.health).collect();
        (report.to_string(), report.exit(), each)
    };
    let (healthy, exit, _) = judged(|_, _| {});
    assert_eq!(exit, Exit::Fine, "{healthy}");
    assert!(healthy.ends_with("2 pipelines: 2 healthy.\n"), "{healthy}");
    let rows: [Row; 4] = [
        ("its mapping is switched off", |_, seen| {
            "Disabled".clone_into(&mut get(&mut seen.mapping).state);
        }),
        ("its function is gone", |_, seen| seen.function = Fact::Absent),
        ("its batches are small", |_, seen| {
            get(&mut seen.mapping).batch_size = 10;
        }),
        ("its batches fail", |_, seen| {
            get(&mut seen.mapping).last_result = Some("PROBLEM: Function call failed".to_owned());
        }),
    ];
    let mut text = String::new();
    for (name, change) in rows {
        let (shown, exit, each) = judged(change);
        assert_eq!(each[0], Health::Healthy, "{name}: {shown}");
        let (_, of_clicks) = shown.split_once("== the pipeline of clicks\n").unwrap();
        let (_, causes) = of_clicks.split_once("\n\n").unwrap();
        text.extend(["== ", name, ": exit ", &exit.code().to_string(), "\n", causes]);
    }
    insta::assert_snapshot!(text);
    let (settings, facts) = two();
    let document = serde_json::to_value(super::examine(&settings, &facts)).unwrap();
    assert_eq!(
        (&document["health"], &document["pipelines"][1]["stream"]),
        (&json!("healthy"), &json!("clicks"))
    );
    assert!(document["pipelines"][0]["checks"].is_array());
}

#[test]
fn what_programs_see() {
    insta::assert_json_snapshot!(changed(wrong_port));
}

#[test]
fn documentation_has_every_check_and_exit_code() {
    let documented = include_str!("../../../docs/doctor.md");
    for check in CHECKS {
        let row = format!("| [`{0}`](checks/{0}.md) | {1} |", check.code, check.title);
        assert!(documented.contains(&row), "docs/doctor.md lacks `{row}`");
    }
    for (exit, meaning) in super::Report::EXITS {
        let row = format!("| {} | {meaning} |", exit.code());
        assert!(documented.contains(&row), "docs/doctor.md lacks `{row}`");
    }
}

#[test]
fn every_check_has_a_page_and_every_page_a_check() {
    for check in CHECKS {
        let title = format!("# {}: {}", check.code, check.title);
        let headings: Vec<&str> = check.page.lines().filter(|line| line.starts_with('#')).collect();
        let wanted = [
            &title,
            "## What it means",
            "## How it shows",
            "## Confirm it by hand",
            "## Mend it",
        ];
        assert_eq!(headings, wanted);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/checks");
    let pages = std::fs::read_dir(folder).unwrap();
    let pages: BTreeSet<String> = pages
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let codes = CHECKS.iter().map(|check| format!("{}.md", check.code));
    assert_eq!(pages, codes.collect());
}

#[test]
fn the_documentation_s_example_of_a_probe_is_what_is_printed() {
    let reason = "b-2.events:9098 does not answer within 3 s: something on the way drops the packets";
    let next = "a security group, a network ACL or a route does: TCP port 9098 has to be open out of the function's security group, into the brokers', and \
                through both network ACLs with the way back (ports 1024-65535); each side's route table needs the other";
    let (settings, mut facts) = (settings(), facts());
    says(&mut facts, Step::Tcp, reason, next);
    let Some(Fact::Found {
        value: Probe::Answered(report),
    }) = &mut facts.one().probe
    else {
        panic!("it answers")
    };
    report.failures[0].detail.clear();
    let text = examine(&settings, &facts).to_string();
    let (lines, cause) = text.split_once("\n\n").unwrap();
    let of_probe = |line: &&str| line.contains("  K2M-P");
    let lines: Vec<&str> = lines.lines().filter(of_probe).collect();
    let wanted = format!("```text\n{}\n\n{}\n```\n", lines.join("\n"), cause.trim_end());
    let documented = include_str!("../../../docs/doctor.md");
    assert!(documented.contains(&wanted), "docs/doctor.md lacks\n{wanted}");
}

//! The plan from the facts of examples/same-vpc, spoilt in one thing a row; and what must hold for every plan.

mod anew;
mod creation;
mod needs;
mod outside;
pub(crate) mod several;
mod stability;
mod table;
pub(crate) mod topologies;

use std::collections::BTreeMap;

use super::*;
use crate::arn::{Arn, Kind};
use crate::facts::network::{RouteTable, Subnet};
use crate::facts::{Cluster, Fact, Function, Network, Owner, Stack, Stream, Topic, Unreadable};
use crate::settings::{Kafka, OnPoison, PipelineSettings, Setting, Source, StartingPosition};

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3";
const REGION: &str = "eu-west-1";
const ORDERS: &str = "orders";
/// The cluster's group, and the brokers' subnets by zone; that of zone c has one free address.
const GROUP: &str = "sg-0c1d2e3f4a5b6c701";
const BROKERS_A: &str = "subnet-01a2b3c4d5e6f7a01";
const BROKERS_B: &str = "subnet-02b3c4d5e6f7a8b02";
const BROKERS_C: &str = "subnet-03c4d5e6f7a8b9c03";
const PRIVATE_A: &str = "subnet-04d5e6f7a8b9c0d04";
const PRIVATE_C: &str = "subnet-06f7a8b9c0d1e2f06";
/// A network ACL of the brokers keeps it out.
const PUBLIC_B: &str = "subnet-08b9c0d1e2f3a4b08";

/// The defaults, for the pipeline of the example.
pub(crate) fn settings() -> Settings {
    Settings::by_default(STREAM, CLUSTER, &chosen(()).source)
}

/// The facts of the example: a healthy network, the topic is there, nothing is deployed.
pub(crate) fn facts() -> Facts {
    serde_json::from_str(include_str!("../../../examples/same-vpc/facts.json")).unwrap()
}

fn default<T>(value: T) -> Setting<T> {
    Setting {
        value,
        source: Source::Default,
    }
}

fn chosen<T>(value: T) -> Setting<T> {
    Setting {
        value,
        source: Source::File(Box::new(crate::settings::FileLine {
            path: "k2m.yaml".to_owned(),
            line: 7,
            environment: None,
        })),
    }
}

fn found<T>(fact: &mut Fact<T>) -> &mut T {
    match fact {
        Fact::Found { value } => value,
        _ => panic!("the test already hid this fact"),
    }
}

fn denied<T>(action: &str) -> Fact<T> {
    Fact::Unreadable(Unreadable {
        missing_action: Some(action.to_owned()),
        message: format!("AccessDenied: not authorized to perform: {action}"),
    })
}

/// What MSK answers of a topic where it has no API for topics.
fn without_api<T>() -> Fact<T> {
    Fact::Unreadable(Unreadable {
        missing_action: None,
        message: "BadRequestException: the cluster does not support topics".to_owned(),
    })
}

/// A cluster of which MSK makes no topics and tells of none.
fn old_kafka(facts: &mut Facts) {
    cluster(facts).kafka_version = Some("2.8.1".to_owned());
    facts.topics.values_mut().for_each(|topic| *topic = without_api());
}

fn stream(facts: &mut Facts) -> &mut Stream {
    found(&mut facts.one().stream)
}

fn cluster(facts: &mut Facts) -> &mut Cluster {
    found(&mut facts.cluster)
}

fn network(facts: &mut Facts) -> &mut Network {
    facts.networks.get_mut(REGION).unwrap()
}

fn subnet<'a>(facts: &'a mut Facts, id: &str) -> &'a mut Subnet {
    let subnets = found(&mut network(facts).subnets);
    subnets.iter_mut().find(|subnet| subnet.id == id).unwrap()
}

fn tables(facts: &mut Facts) -> &mut Vec<RouteTable> {
    found(&mut network(facts).route_tables)
}

/// A stack of the pipeline with these resources, and with this template.
fn stack(status: &str, resources: &[(&str, &str)], template: Option<&str>) -> Fact<Stack> {
    Fact::Found {
        value: Stack {
            tags: BTreeMap::new(),
            protected: false,
            name: "k2m-orders".to_owned(),
            status: status.to_owned(),
            made_by_k2m: true,
            resources: resources
                .iter()
                .map(|(logical, physical)| ((*logical).to_owned(), (*physical).to_owned()))
                .collect(),
            outputs: BTreeMap::new(),
            parameters: BTreeMap::new(),
            template: template.map(str::to_owned),
            template_unreadable: None,
        },
    }
}

fn function(subnets: &[&str]) -> Fact<Function> {
    Fact::Found {
        value: serde_json::from_value(serde_json::json!({
            "arn": "arn:aws:lambda:eu-west-1:123456789012:function:k2m-orders-Function-1",
            "state": "Active",
            "timeoutSeconds": 60,
            "memoryMb": 256,
            "subnets": subnets,
            "securityGroups": ["sg-0e0e0e0e0e0e0e0e0"],
            "variables": {},
        }))
        .unwrap(),
    }
}

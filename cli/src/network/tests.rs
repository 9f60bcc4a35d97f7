//! The engine against a table of AWS's rules, and against a plain one that looks at every packet.

mod oracle;
mod table;
mod topologies;
mod words;
mod world;

use std::collections::BTreeMap;

use super::{Destination, Source};
use crate::facts::network::{
    AclEntry, NetworkAcl, Peering, PeeringSide, PrefixList, Route, RouteTable, Rule, RulePeer, SecurityGroup, Subnet,
    TransitGatewayAttachment, Vpc,
};
use crate::facts::{Fact, Network, Owner, Unreadable};

const PORT: u16 = 9098;
const REGION: &str = "eu-west-1";
const FAR_REGION: &str = "us-east-1";

fn found<T>(value: Vec<T>) -> Fact<Vec<T>> {
    Fact::Found { value }
}

fn unreadable<T>(action: &str) -> Fact<T> {
    Fact::Unreadable(Unreadable {
        missing_action: Some(action.to_owned()),
        message: "UnauthorizedOperation".to_owned(),
    })
}

fn vpc(id: &str, cidr: &str) -> Vpc {
    Vpc {
        id: id.to_owned(),
        cidrs: vec![cidr.to_owned()],
        ..Vpc::default()
    }
}

fn subnet(id: &str, vpc: &str, cidr: &str) -> Subnet {
    Subnet {
        id: id.to_owned(),
        vpc: vpc.to_owned(),
        zone: "eu-west-1a".to_owned(),
        cidr: cidr.to_owned(),
        free_addresses: 200,
    }
}

fn table(id: &str, vpc: &str, subnets: &[&str], routes: Vec<Route>) -> RouteTable {
    RouteTable {
        id: id.to_owned(),
        vpc: vpc.to_owned(),
        main: subnets.is_empty(),
        subnets: owned(subnets),
        routes,
    }
}

fn route(destination: &str, target: &str) -> Route {
    Route {
        destination: destination.to_owned(),
        target: target.to_owned(),
        active: true,
        propagated: false,
        owner: Owner::Foreign,
    }
}

fn acl(id: &str, vpc: &str, subnets: &[&str], entries: Vec<AclEntry>) -> NetworkAcl {
    NetworkAcl {
        id: id.to_owned(),
        vpc: vpc.to_owned(),
        default: subnets.is_empty(),
        subnets: owned(subnets),
        entries,
    }
}

fn entry(number: u32, egress: bool, allow: bool, protocol: &str, cidr: &str, ports: Option<(u16, u16)>) -> AclEntry {
    AclEntry {
        number,
        egress,
        allow,
        protocol: protocol.to_owned(),
        cidr: cidr.to_owned(),
        ports,
    }
}

fn group(id: &str, vpc: &str, rules: Vec<Rule>) -> SecurityGroup {
    SecurityGroup {
        id: id.to_owned(),
        vpc: vpc.to_owned(),
        name: id.to_owned(),
        rules,
        owner: Owner::Foreign,
    }
}

fn rule(id: &str, egress: bool, protocol: &str, ports: Option<(u16, u16)>, peer: RulePeer) -> Rule {
    Rule {
        id: id.to_owned(),
        egress,
        protocol: protocol.to_owned(),
        ports,
        peer,
        owner: Owner::Foreign,
    }
}

fn prefix_list(id: &str, cidrs: &[&str]) -> PrefixList {
    PrefixList {
        id: id.to_owned(),
        cidrs: owned(cidrs),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn items<T>(fact: &mut Fact<Vec<T>>) -> &mut Vec<T> {
    match fact {
        Fact::Found { value } => value,
        _ => panic!("the test already hid this fact"),
    }
}

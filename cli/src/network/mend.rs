//! Remedies, made in facts: what a network will be after them, for whoever wants to see that they were enough.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::refusal::{PortRange, VpcIn};
use super::remedy::Remedy;
use crate::facts::network::{
    AclEntry, NetworkAcl, Peering, PeeringSide, Route, RouteTable, Rule, RulePeer, SecurityGroup,
    TransitGatewayAttachment,
};
use crate::facts::{Fact, Network, Owner};

impl Remedy {
    /// Makes the change in facts. False where that can't be done: the thing isn't there, or no number is free.
    pub fn apply(&self, networks: &mut BTreeMap<String, Network>) -> bool {
        let mut applied = false;
        for (region, network) in networks.iter_mut() {
            applied |= self.apply_in(region, network);
        }
        applied
    }

    fn apply_in(&self, region: &str, network: &mut Network) -> bool {
        match self {
            Self::AddRule {
                group,
                egress,
                cidr,
                ports,
            } => change(
                &mut network.security_groups,
                |found: &SecurityGroup| found.id == *group,
                |found| {
                    let id = format!("sgr-mended-{}", found.rules.len());
                    found.rules.push(rule(id, *egress, *cidr, *ports));
                    true
                },
            ),
            Self::AllowInAcl {
                acl,
                egress,
                cidr,
                ports,
                before,
            } => change(
                &mut network.network_acls,
                |found: &NetworkAcl| found.id == *acl,
                |found| allow(found, *egress, *cidr, *ports, *before),
            ),
            Self::AddRoute {
                table,
                destination,
                target,
            } => in_table(network, table, |routes| {
                routes.push(route(&destination.to_string(), target));
                true
            }),
            Self::ReplaceRoute {
                table,
                destination,
                target,
            } => in_table(network, table, |routes| {
                let before = routes.len();
                routes.retain(|route| route.destination != *destination);
                let there = routes.len() < before;
                routes.push(route(destination, target));
                there
            }),
            Self::RemoveRoute {
                table,
                destination,
                target,
            } => in_table(network, table, |routes| {
                let before = routes.len();
                routes.retain(|route| (&route.destination, &route.target) != (destination, target));
                routes.len() < before
            }),
            Self::CreatePeering { requester, accepter } => join(region, network, requester, accepter),
            Self::AcceptPeering { peering, .. } => change(
                &mut network.peerings,
                |found: &Peering| found.id == *peering,
                |found| {
                    "active".clone_into(&mut found.status);
                    true
                },
            ),
            Self::Attach { gateway, vpc, subnet } => attach(network, gateway, vpc, subnet),
            Self::AcceptAttachment { attachment } => in_attachment(network, attachment, |found| {
                "available".clone_into(&mut found.state);
            }),
            Self::AddToAttachment { attachment, subnet } => in_attachment(network, attachment, |found| {
                found.subnets.push(subnet.clone());
            }),
        }
    }
}

fn rule(id: String, egress: bool, cidr: Ipv4Net, ports: PortRange) -> Rule {
    Rule {
        id,
        egress,
        protocol: "tcp".to_owned(),
        ports: Some((ports.first, ports.last)),
        peer: RulePeer::Cidr(cidr.to_string()),
        owner: Owner::Foreign,
    }
}

/// The highest number that is free and lower than `before`.
fn allow(acl: &mut NetworkAcl, egress: bool, cidr: Ipv4Net, ports: PortRange, before: u32) -> bool {
    let taken = |number: &u32| {
        let mut entries = acl.entries.iter();
        entries.any(|entry| entry.egress == egress && entry.number == *number)
    };
    let Some(number) = (1..before).rev().find(|number| !taken(number)) else {
        return false;
    };
    acl.entries.push(AclEntry {
        number,
        egress,
        allow: true,
        protocol: "6".to_owned(),
        cidr: cidr.to_string(),
        ports: Some((ports.first, ports.last)),
    });
    true
}

/// An active peering connection, where this region is that of one of its sides.
fn join(region: &str, network: &mut Network, requester: &VpcIn, accepter: &VpcIn) -> bool {
    let Fact::Found { value } = &mut network.peerings else {
        return false;
    };
    let side = |place: &VpcIn| PeeringSide {
        vpc: place.vpc.clone(),
        region: place.region.clone(),
        account: String::new(),
        cidrs: Vec::new(),
    };
    if region != requester.region && region != accepter.region {
        return false;
    }
    value.push(Peering {
        id: format!("pcx-{}-{}", requester.vpc, accepter.vpc),
        status: "active".to_owned(),
        requester: side(requester),
        accepter: side(accepter),
        owner: Owner::Foreign,
    });
    true
}

/// An attachment in the region that has the VPC.
fn attach(network: &mut Network, gateway: &str, vpc: &str, subnet: &str) -> bool {
    let mut vpcs = network.vpcs.found().into_iter().flatten();
    if !vpcs.any(|found| found.id == *vpc) {
        return false;
    }
    let Fact::Found { value } = &mut network.transit_gateway_attachments else {
        return false;
    };
    value.push(TransitGatewayAttachment {
        id: format!("tgw-attach-{gateway}-{vpc}"),
        gateway: gateway.to_owned(),
        vpc: vpc.to_owned(),
        subnets: vec![subnet.to_owned()],
        state: "available".to_owned(),
    });
    true
}

fn change<T>(fact: &mut Fact<Vec<T>>, wanted: impl Fn(&T) -> bool, change: impl FnOnce(&mut T) -> bool) -> bool {
    let Fact::Found { value } = fact else {
        return false;
    };
    value.iter_mut().find(|item| wanted(item)).is_some_and(change)
}

fn in_table(network: &mut Network, id: &str, routes: impl FnOnce(&mut Vec<Route>) -> bool) -> bool {
    change(
        &mut network.route_tables,
        |table: &RouteTable| table.id == id,
        |table| routes(&mut table.routes),
    )
}

fn in_attachment(network: &mut Network, id: &str, edit: impl FnOnce(&mut TransitGatewayAttachment)) -> bool {
    let attachments = &mut network.transit_gateway_attachments;
    change(
        attachments,
        |found: &TransitGatewayAttachment| found.id == id,
        |found| {
            edit(found);
            true
        },
    )
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

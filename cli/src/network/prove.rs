//! The way of a packet and of its answer, hop by hop. Every hop is judged, also behind one that refuses, so that all that is wrong is said at
//! once.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::area::Area;
use super::groups::Peer;
use super::proof::{Hop, Outcome, Proof, Step, Unknown};
use super::view::{View, ipv4};
use super::{Destination, Source, acls, groups, routes};
use crate::facts::network::Subnet;

/// Ports that answers may go to. Linux takes 32768-60999 unless told otherwise; what Lambda takes isn't documented, so all must pass.
pub const EPHEMERAL_PORTS: (u16, u16) = (1024, u16::MAX);

/// Judges a TCP connection on `port`, and its answers. Steps are in the order of the way.
pub fn prove(view: &View, from: &Source, to: &Destination, port: u16) -> Proof {
    let proof = |steps| {
        Proof::new(
            (&from.subnet, from.address.as_deref()),
            (&to.subnet, &aim(view, to)),
            port,
            steps,
        )
    };
    let ends = match Ends::locate(view, from, to) {
        Ok(ends) => ends,
        Err(reason) => return proof(vec![Step::new(Hop::Ends, vec![], Outcome::Unknown { reason })]),
    };
    let located = format!(
        "{} in {}, {} in {}",
        ends.source_net, ends.source.vpc, ends.destination_net, ends.destination.vpc
    );
    let mut steps = vec![Step::new(
        Hop::Ends,
        vec![from.subnet.clone(), to.subnet.clone()],
        Outcome::Passes { by: vec![located] },
    )];
    let judge_groups = |hop, own: &[String], egress, asked, other: &[String]| {
        let peer = Peer {
            groups: other,
            same_vpc: ends.source.vpc == ends.destination.vpc,
        };
        Step::new(hop, own.to_vec(), groups::judge(view, own, egress, asked, &peer))
    };
    let (own, other) = (&from.security_groups, &to.security_groups);
    let (source, destination) = (ends.source, ends.destination);

    let to_destination = Area::block(ends.destination_net, (port, port));
    let from_source = Area::block(ends.source_net, (port, port));
    steps.push(judge_groups(Hop::Egress, own, true, to_destination, other));
    steps.push(ends.acl(view, Hop::AclOut, source, true, to_destination));
    steps.push(ends.route(view, Hop::Route, source, destination, to_destination));
    steps.push(ends.acl(view, Hop::AclIn, destination, false, from_source));
    steps.push(judge_groups(Hop::Ingress, other, false, from_source, own));

    let to_source = Area::block(ends.source_net, EPHEMERAL_PORTS);
    let from_destination = Area::block(ends.destination_net, EPHEMERAL_PORTS);
    steps.push(ends.acl(view, Hop::AnswerAclOut, destination, true, to_source));
    steps.push(ends.route(view, Hop::AnswerRoute, destination, source, to_source));
    steps.push(ends.acl(view, Hop::AnswerAclIn, source, false, from_destination));
    proof(steps)
}

/// The destination's address, or its subnet's block.
fn aim(view: &View, to: &Destination) -> String {
    let block = || {
        view.subnet(&to.subnet)
            .map_or_else(|_| "an unknown address".to_owned(), |subnet| subnet.cidr.clone())
    };
    to.address.clone().unwrap_or_else(block)
}

/// Both ends, with the addresses that matter of each.
struct Ends<'a> {
    source: &'a Subnet,
    source_net: Ipv4Net,
    destination: &'a Subnet,
    destination_net: Ipv4Net,
}

impl<'a> Ends<'a> {
    fn locate(view: &'a View, from: &Source, to: &Destination) -> Result<Self, Unknown> {
        let source = view.subnet(&from.subnet)?;
        let destination = view.subnet(&to.subnet)?;
        let source_net = match &from.address {
            Some(address) => address_in(source, address)?,
            None => block(source)?,
        };
        let destination_net = match &to.address {
            Some(address) => address_in(destination, address)?,
            None => block(destination)?,
        };
        Ok(Self {
            source,
            source_net,
            destination,
            destination_net,
        })
    }

    fn same_subnet(&self) -> bool {
        self.source.id == self.destination.id
    }

    fn acl(&self, view: &View, hop: Hop, subnet: &Subnet, egress: bool, asked: Area) -> Step {
        if self.same_subnet() {
            return Step::new(
                hop,
                vec![],
                Outcome::NotApplied {
                    reason: "network ACLs don't apply inside a subnet",
                },
            );
        }
        match view.acl(subnet) {
            Ok(acl) => Step::new(
                hop,
                vec![acl.id.clone()],
                acls::judge(acl, egress, hop.is_answer(), asked),
            ),
            Err(reason) => Step::new(hop, vec![], Outcome::Unknown { reason }),
        }
    }

    fn route(&self, view: &View, hop: Hop, subnet: &Subnet, destination: &Subnet, asked: Area) -> Step {
        if self.same_subnet() {
            return Step::new(
                hop,
                vec![],
                Outcome::NotApplied {
                    reason: "routes don't apply inside a subnet",
                },
            );
        }
        match view.route_table(subnet) {
            Ok(table) => {
                let outcome = routes::judge(view, table, &subnet.vpc, &destination.vpc, asked);
                Step::new(hop, vec![table.id.clone()], outcome)
            }
            Err(reason) => Step::new(hop, vec![], Outcome::Unknown { reason }),
        }
    }
}

fn block(subnet: &Subnet) -> Result<Ipv4Net, Unknown> {
    ipv4(&subnet.cidr, &subnet.id)?.ok_or_else(|| malformed(&subnet.cidr, subnet))
}

/// One address, as a block of its own. Facts that put it outside its subnet contradict themselves, and so say nothing.
fn address_in(subnet: &Subnet, address: &str) -> Result<Ipv4Net, Unknown> {
    let parsed: Ipv4Addr = address.parse().map_err(|_| malformed(address, subnet))?;
    if block(subnet)?.contains(&parsed) {
        Ok(Ipv4Net::from(parsed))
    } else {
        Err(Unknown::OutsideSubnet {
            address: address.to_owned(),
            subnet: subnet.id.clone(),
            cidr: subnet.cidr.clone(),
        })
    }
}

fn malformed(value: &str, subnet: &Subnet) -> Unknown {
    Unknown::Malformed {
        value: value.to_owned(),
        of: subnet.id.clone(),
    }
}

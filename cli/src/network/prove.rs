//! The way of a packet and of its answer, hop by hop. Every hop is judged, also behind one that refuses, so that all that is wrong is said at
//! once.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::area::Area;
use super::gateways::{self, Crossing};
use super::groups::{Peer, references, whole};
use super::proof::{Hop, Outcome, Proof, Step};
use super::routes::{self, Leg};
use super::transit::{self, Arrival};
use super::unknown::Unknown;
use super::view::{Placed, Table, View, ipv4};
use super::{Destination, Source, acls, groups};
use crate::facts::network::Subnet;

/// Ports that answers may go to. Linux takes 32768-60999 unless told otherwise; what Lambda takes isn't documented, so all must pass.
pub const EPHEMERAL_PORTS: (u16, u16) = (1024, u16::MAX);

/// Where packets are meant for.
#[derive(Clone, Copy)]
pub(super) enum Towards<'a> {
    /// A subnet that is among the facts.
    Subnet(&'a Placed<Subnet>),
    /// No VPC that is among the facts.
    Outside,
}

/// Judges a TCP connection on `port`, and its answers. Steps are in the order of the way.
pub fn prove(view: &View, from: &Source, to: &Destination, port: u16) -> Proof {
    let proof = |steps| {
        Proof::new(
            (&from.subnet, from.address.as_deref()),
            (Some(&to.subnet), &aim(view, to)),
            port,
            steps,
        )
    };
    let (near, far) = match (End::source(view, from), End::destination(view, to)) {
        (Ok(near), Ok(far)) => (near, far),
        (Err(reason), _) | (_, Err(reason)) => return proof(vec![lost(reason)]),
    };
    let (source, destination) = (near.subnet, far.subnet);
    let mut steps = vec![Step::new(
        Hop::Ends,
        vec![from.subnet.clone(), to.subnet.clone()],
        Outcome::Passes {
            by: vec![format!(
                "{} in {}, {} in {}",
                near.net, source.vpc, far.net, destination.vpc
            )],
        },
    )];
    let same_subnet = source.id == destination.id;
    let to_destination = Area::block(far.net, (port, port));
    let from_source = Area::block(near.net, (port, port));
    let to_source = Area::block(near.net, EPHEMERAL_PORTS);
    let from_destination = Area::block(far.net, EPHEMERAL_PORTS);
    let there = Way::new(view, source, Towards::Subnet(destination), to_destination, same_subnet);
    let back = Way::new(view, destination, Towards::Subnet(source), to_source, same_subnet);

    let judge_groups = |hop, subnet: &Placed<Subnet>, own: &[String], other: &[String], egress, asked| {
        let references = match &there.legs {
            // Inside a subnet there is no way to take.
            _ if same_subnet => vec![(
                Area::everywhere(super::area::ALL_PORTS).into(),
                groups::Reference::Holds,
            )],
            Ok(legs) => references(view, source, destination, Ok(legs), egress),
            Err(reason) => references(view, source, destination, Err(reason), egress),
        };
        let peer = Peer {
            groups: other,
            references: if egress { references } else { whole(references) },
        };
        let outcome = groups::judge(view, &subnet.region, own, egress, asked, &peer);
        Step::new(hop, own.to_vec(), outcome)
    };
    let judge_acl = |hop, subnet: &Placed<Subnet>, egress, asked| {
        if same_subnet {
            inside_subnet(hop, "network ACLs don't apply inside a subnet")
        } else {
            acl(view, hop, subnet, egress, asked)
        }
    };
    let judge_arrival = |hop, subnet, way: &Way, asked| {
        let step = judge_acl(hop, subnet, false, asked);
        if source.vpc == destination.vpc {
            step
        } else {
            arrived(view, subnet, way, step)
        }
    };
    let (own, other) = (&from.security_groups, &to.security_groups);
    steps.push(judge_groups(Hop::Egress, source, own, other, true, to_destination));
    steps.push(judge_acl(Hop::AclOut, source, true, to_destination));
    steps.extend(there.judge(view, Hop::Route, Hop::Gateway, from_source, back.legs()));
    steps.push(judge_arrival(Hop::AclIn, destination, &there, from_source));
    steps.push(judge_groups(Hop::Ingress, destination, other, own, false, from_source));

    steps.push(judge_acl(Hop::AnswerAclOut, destination, true, to_source));
    let mut answers = back.judge(
        view,
        Hop::AnswerRoute,
        Hop::AnswerGateway,
        from_destination,
        there.legs(),
    );
    // The peering connection that packets come by is judged already.
    let (came_by, goes_by) = (gateways::targets(there.legs()), gateways::targets(back.legs()));
    if came_by == goes_by && goes_by.iter().all(|target| view.is_peering(target)) {
        answers.retain(|step| step.hop != Hop::AnswerGateway);
    }
    steps.extend(answers);
    steps.push(judge_arrival(Hop::AnswerAclIn, source, &back, from_destination));
    proof(steps)
}

/// Judges a TCP connection on `port` to an address, or to every address of a CIDR block, that is in no VPC among the facts: as far as the
/// gateway that leads there, and what lets answers back in.
pub fn prove_outside(view: &View, from: &Source, address: &str, port: u16) -> Proof {
    let proof = |steps| Proof::new((&from.subnet, from.address.as_deref()), (None, address), port, steps);
    let (near, net) = match (End::source(view, from), net_of(address)) {
        (Ok(near), Ok(net)) => (near, net),
        (Err(reason), _) | (_, Err(reason)) => return proof(vec![lost(reason)]),
    };
    let source = near.subnet;
    let located = format!("{} in {}, {net} outside every known VPC", near.net, source.vpc);
    let mut steps = vec![Step::new(
        Hop::Ends,
        vec![from.subnet.clone()],
        Outcome::Passes { by: vec![located] },
    )];
    let to_address = Area::block(net, (port, port));
    let nobody = Peer {
        groups: &[],
        references: Vec::new(),
    };
    let own = &from.security_groups;
    let egress = groups::judge(view, &source.region, own, true, to_address, &nobody);
    steps.push(Step::new(Hop::Egress, own.clone(), egress));
    steps.push(acl(view, Hop::AclOut, source, true, to_address));
    let there = Way::new(view, source, Towards::Outside, to_address, false);
    let from_source = Area::block(near.net, (port, port));
    steps.extend(there.judge(view, Hop::Route, Hop::Gateway, from_source, &[]));
    let answers = Area::block(net, EPHEMERAL_PORTS);
    // What leaves by a gateway is taken to come back by it.
    let into = acl(view, Hop::AnswerAclIn, source, false, answers);
    steps.push(arrived(view, source, &there, into));
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

pub(super) fn lost(reason: Unknown) -> Step {
    Step::new(Hop::Ends, vec![], Outcome::Unknown { reason })
}

fn inside_subnet(hop: Hop, reason: &'static str) -> Step {
    Step::new(hop, vec![], Outcome::NotApplied { reason })
}

pub(super) fn acl(view: &View, hop: Hop, subnet: &Placed<Subnet>, egress: bool, asked: Area) -> Step {
    match view.acl(subnet) {
        Ok(acl) => Step::new(
            hop,
            vec![acl.id.clone()],
            acls::judge(acl, egress, hop.is_answer(), &asked.into()),
        ),
        Err(reason) => Step::new(hop, vec![], Outcome::Unknown { reason }),
    }
}

/// The network ACL's step, where packets that may come by a transit gateway's own interface meet it.
fn arrived(view: &View, subnet: &Placed<Subnet>, way: &Way, step: Step) -> Step {
    match (transit::arrival(view, subnet, way.legs.as_deref()), &step.outcome) {
        (Arrival::Inside, _) => inside_subnet(
            step.hop,
            "network ACLs don't apply to what a transit gateway delivers inside its own subnet",
        ),
        (Arrival::Either, Outcome::Refused { .. }) => {
            let reason = Unknown::AclMayNotApply {
                acl: step.resources.join(", "),
                subnet: subnet.id.clone(),
            };
            Step::new(step.hop, step.resources, Outcome::Unknown { reason })
        }
        _ => step,
    }
}

/// One end, with the addresses of it that matter.
struct End<'a> {
    subnet: &'a Placed<Subnet>,
    net: Ipv4Net,
}

impl<'a> End<'a> {
    fn source(view: &'a View, from: &Source) -> Result<Self, Unknown> {
        Self::locate(view, &from.subnet, from.address.as_deref())
    }

    fn destination(view: &'a View, to: &Destination) -> Result<Self, Unknown> {
        Self::locate(view, &to.subnet, to.address.as_deref())
    }

    fn locate(view: &'a View, subnet: &str, address: Option<&str>) -> Result<Self, Unknown> {
        let subnet = view.subnet(subnet)?;
        let net = match address {
            Some(address) => address_in(subnet, address)?,
            None => block(subnet)?,
        };
        Ok(Self { subnet, net })
    }
}

/// The way out of a subnet, as its route table says.
struct Way<'a> {
    subnet: &'a Placed<Subnet>,
    towards: Towards<'a>,
    asked: Area,
    /// Both ends are in this subnet, so that no table is asked.
    none: bool,
    table: Option<&'a Table>,
    legs: Result<Vec<Leg<'a>>, Unknown>,
}

impl<'a> Way<'a> {
    fn new(view: &'a View, subnet: &'a Placed<Subnet>, towards: Towards<'a>, asked: Area, none: bool) -> Self {
        let table = if none {
            Ok(None)
        } else {
            view.route_table(subnet).map(Some)
        };
        let (table, legs) = match table {
            Ok(Some(table)) => (Some(table), routes::legs(view, table, &subnet.region, asked)),
            Ok(None) => (None, Ok(Vec::new())),
            Err(reason) => (None, Err(reason)),
        };
        Self {
            subnet,
            towards,
            asked,
            none,
            table,
            legs,
        }
    }

    /// Empty where they aren't known.
    fn legs(&self) -> &[Leg<'a>] {
        self.legs.as_deref().unwrap_or_default()
    }

    /// The route table's step, and the gateway's where it leads to one.
    fn judge(&self, view: &View, route: Hop, gateway: Hop, origin: Area, back: &[Leg]) -> Vec<Step> {
        if self.none {
            return vec![inside_subnet(route, "routes don't apply inside a subnet")];
        }
        let resources = self.table.map(|table| table.id.clone()).into_iter().collect();
        let (table, legs) = match (self.table, &self.legs) {
            (Some(table), Ok(legs)) => (table, legs),
            (_, Err(reason)) => {
                let reason = reason.clone();
                return vec![Step::new(route, resources, Outcome::Unknown { reason })];
            }
            (None, Ok(_)) => return Vec::new(),
        };
        let outcome = routes::judge(view, table, self.subnet, self.towards, self.asked, legs);
        let crossing = Crossing {
            view,
            subnet: self.subnet,
            towards: self.towards,
            table,
            back,
            origin,
            ports: self.asked.ports(),
            answers: route.is_answer(),
        };
        let mut steps = vec![Step::new(route, resources, outcome)];
        steps.extend(crossing.judge(gateway, legs));
        steps
    }
}

fn block(subnet: &Subnet) -> Result<Ipv4Net, Unknown> {
    ipv4(&subnet.cidr, &subnet.id)?.ok_or_else(|| malformed(&subnet.cidr, &subnet.id))
}

/// An address or a CIDR block, as text.
fn net_of(text: &str) -> Result<Ipv4Net, Unknown> {
    let address = text.parse::<Ipv4Addr>().map(Ipv4Net::from);
    let net = address.or_else(|_| text.parse::<Ipv4Net>());
    net.map(|net| net.trunc())
        .map_err(|_| malformed(text, "the destination"))
}

/// One address, as a block of its own. Facts that put it outside its subnet contradict themselves, and so say nothing.
fn address_in(subnet: &Subnet, address: &str) -> Result<Ipv4Net, Unknown> {
    let parsed: Ipv4Addr = address.parse().map_err(|_| malformed(address, &subnet.id))?;
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

fn malformed(value: &str, of: &str) -> Unknown {
    Unknown::Malformed {
        value: value.to_owned(),
        of: of.to_owned(),
    }
}

//! Random small networks, judged packet by packet with plain loops that share nothing with the engine, and what must hold whatever the
//! network: hiding a fact never turns an answer into its opposite, and mending exactly what is named ends in a connection.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::world::{Expected, attachment, peering};
use super::*;
use crate::network::{Change, EPHEMERAL_PORTS, Flow, Hop, Link, Outcome, Proof, Refusal, Verdict, View, prove};

const CASES: u64 = 10_000;
const FIRST_SEED: u64 = 0x6b32_6d00;

/// Where ranges of ports begin and end: all that can differ differs at one of these or beside it.
const PORTS: [u16; 12] = [
    0,
    1023,
    1024,
    5000,
    PORT - 1,
    PORT,
    PORT + 1,
    32767,
    32768,
    60999,
    65534,
    65535,
];

/// Subnets: their VPC, their zone, and where their eight addresses begin.
const SUBNETS: [(&str, &str, u8); 5] = [
    ("vpc-a", "eu-west-1a", 0),
    ("vpc-a", "eu-west-1b", 8),
    ("vpc-b", "eu-west-1a", 32),
    ("vpc-b", "eu-west-1b", 40),
    ("vpc-c", "eu-west-1a", 64),
];

/// VPCs, and where their 32 addresses begin.
const VPCS: [(&str, u8); 3] = [("vpc-a", 0), ("vpc-b", 32), ("vpc-c", 64)];

#[derive(Clone)]
struct Case {
    networks: BTreeMap<String, Network>,
    source: Source,
    destination: Destination,
}

impl Case {
    fn random(rng: &mut Rng) -> Self {
        let far = rng.u8(..4) == 0;
        let region = |vpc: &str| if far && vpc == "vpc-b" { FAR_REGION } else { REGION };
        // The subnet of the other VPC may have the addresses of one of the own VPC's.
        let twin = rng.u8(..16) == 0;
        let base = |nth: usize| if twin && nth == 2 { 8 } else { SUBNETS[nth].2 };
        let mut networks = BTreeMap::from([(REGION.to_owned(), empty())]);
        if far {
            networks.insert(FAR_REGION.to_owned(), empty());
        }
        let mut cidrs: Vec<(&str, Vec<String>)> = VPCS
            .iter()
            .map(|(id, base)| (*id, vec![format!("10.0.0.{base}/27")]))
            .collect();
        if twin {
            cidrs[1].1.push("10.0.0.8/29".to_owned());
        } else if rng.u8(..24) == 0 {
            cidrs[1].1.push("10.0.0.16/28".to_owned());
        }
        for (id, cidrs) in &cidrs {
            let network = networks.get_mut(region(id)).expect("made above");
            items(&mut network.vpcs).push(Vpc {
                cidrs: cidrs.clone(),
                ..vpc(id, "")
            });
        }
        for (nth, (vpc, zone, _)) in SUBNETS.iter().enumerate() {
            let network = networks.get_mut(region(vpc)).expect("made above");
            items(&mut network.subnets).push(Subnet {
                zone: (*zone).to_owned(),
                ..subnet(&format!("subnet-{nth}"), vpc, &format!("10.0.0.{}/29", base(nth)))
            });
        }
        random_joints(rng, &mut networks, &cidrs, far);
        for table in random_tables(rng) {
            let network = networks.get_mut(region(&table.vpc)).expect("made above");
            items(&mut network.route_tables).push(table);
        }
        for acl in random_acls(rng) {
            let network = networks.get_mut(region(&acl.vpc)).expect("made above");
            items(&mut network.network_acls).push(acl);
        }
        let destination = match rng.u8(..16) {
            0 => 0,
            1..5 => 1,
            5..13 => 2,
            _ => 3,
        };
        for group in random_groups(rng, destination > 1) {
            let network = networks.get_mut(region(&group.vpc)).expect("made above");
            items(&mut network.security_groups).push(group);
        }
        let lists: Vec<PrefixList> = (0..2).map(|nth| random_list(rng, nth)).collect();
        for network in networks.values_mut() {
            items(&mut network.prefix_lists).extend(lists.clone());
        }
        let address = (rng.u8(..3) == 0).then(|| format!("10.0.0.{}", rng.u8(..8)));
        let more = if rng.bool() { &["sg-0", "sg-2"][..] } else { &["sg-0"] };
        Self {
            networks,
            source: Source {
                subnet: "subnet-0".to_owned(),
                address,
                security_groups: owned(more),
            },
            destination: Destination {
                subnet: format!("subnet-{destination}"),
                address: (rng.u8(..4) > 0).then(|| format!("10.0.0.{}", base(destination) + rng.u8(..8))),
                security_groups: owned(if rng.u8(..8) == 0 { &["sg-1", "sg-3"] } else { &["sg-1"] }),
            },
        }
    }

    fn prove(&self) -> Proof {
        self.prove_with([])
    }

    fn prove_with(&self, changes: impl IntoIterator<Item = Change>) -> Proof {
        let view = View::new(&self.networks).with(changes);
        prove(&view, &self.source, &self.destination, PORT)
    }

    /// Everything of one kind, with its region.
    fn all<'a, T>(&'a self, list: impl Fn(&'a Network) -> &'a Fact<Vec<T>>) -> Vec<(&'a str, &'a T)> {
        let networks = self.networks.iter();
        networks
            .flat_map(|(region, network)| {
                let found = list(network).found().expect("visible");
                found.iter().map(|item| (region.as_str(), item))
            })
            .collect()
    }

    fn subnet(&self, id: &str) -> (&str, &Subnet) {
        let all = self.all(|network| &network.subnets);
        *all.iter()
            .find(|(_, subnet)| subnet.id == id)
            .expect("made with the case")
    }

    fn attachments(&self, vpc: &str) -> Vec<&TransitGatewayAttachment> {
        let all = self.all(|network| &network.transit_gateway_attachments);
        let all = all.into_iter().map(|(_, attachment)| attachment);
        all.filter(|attachment| attachment.vpc == vpc).collect()
    }

    /// The address, or all of the subnet's.
    fn addresses(&self, subnet: &str, address: Option<&String>) -> Vec<u32> {
        let first = self.subnet(subnet).1.cidr.split('/').next().expect("a block");
        match address {
            Some(address) => vec![number(address)],
            None => (0..8).map(|nth| number(first) + nth).collect(),
        }
    }

    fn source_addresses(&self) -> Vec<u32> {
        self.addresses(&self.source.subnet, self.source.address.as_ref())
    }

    fn destination_addresses(&self) -> Vec<u32> {
        self.addresses(&self.destination.subnet, self.destination.address.as_ref())
    }
}

fn empty() -> Network {
    Network {
        vpcs: found(vec![]),
        subnets: found(vec![]),
        route_tables: found(vec![]),
        network_acls: found(vec![]),
        security_groups: found(vec![]),
        prefix_lists: found(vec![]),
        peerings: found(vec![]),
        transit_gateway_attachments: found(vec![]),
        endpoints: found(vec![]),
        stale_groups: BTreeSet::new(),
    }
}

/// Peering connections and attachments to a transit gateway, each listed where AWS would list it.
fn random_joints(rng: &mut Rng, networks: &mut BTreeMap<String, Network>, cidrs: &[(&str, Vec<String>)], far: bool) {
    let region = |vpc: &str| if far && vpc == "vpc-b" { FAR_REGION } else { REGION };
    for (id, one, other) in [("pcx-1", 0, 1), ("pcx-2", 0, 2), ("pcx-3", 1, 2)] {
        if rng.u8(..8) == 0 {
            continue;
        }
        let status = match rng.u8(..16) {
            0 => "pending-acceptance",
            1 => "provisioning",
            2 => "failed",
            _ => "active",
        };
        let (one, other) = (&cidrs[one], &cidrs[other]);
        let mut made = peering(id, status, other.0, (region(other.0), ""));
        made.requester.vpc = one.0.to_owned();
        made.requester.region = region(one.0).to_owned();
        for (side, (_, cidrs)) in [(&mut made.requester, one), (&mut made.accepter, other)] {
            side.cidrs = if status == "active" { cidrs.clone() } else { vec![] };
        }
        let regions: BTreeSet<&str> = [region(one.0), region(other.0)].into();
        for region in regions {
            let network = networks.get_mut(region).expect("made before");
            items(&mut network.peerings).push(made.clone());
        }
    }
    for (vpc, subnets) in [("vpc-a", ["subnet-0", "subnet-1"]), ("vpc-b", ["subnet-2", "subnet-3"])] {
        if rng.u8(..12) == 0 {
            continue;
        }
        let held = match rng.u8(..8) {
            0 => &subnets[..1],
            1 => &subnets[1..],
            _ => &subnets[..],
        };
        let mut made = attachment(&format!("tgw-attach-{vpc}"), vpc, held);
        made.state = match rng.u8(..24) {
            0 => "modifying",
            1 => "pendingAcceptance",
            2 => "failing",
            _ => "available",
        }
        .to_owned();
        let network = networks.get_mut(region(vpc)).expect("made before");
        items(&mut network.transit_gateway_attachments).push(made);
    }
}

fn random_cidr(rng: &mut Rng) -> String {
    match rng.u8(..12) {
        0..4 => "0.0.0.0/0".to_owned(),
        4 => "::/0".to_owned(),
        _ => format!("10.0.0.{}/{}", rng.u8(..72), rng.u8(24..=32)),
    }
}

fn random_ports(rng: &mut Rng) -> Option<(u16, u16)> {
    let mut port = || PORTS[rng.usize(..PORTS.len())];
    let (first, last) = (port(), port());
    rng.bool().then_some((first.min(last), first.max(last)))
}

fn random_protocol(rng: &mut Rng) -> &'static str {
    ["-1", "-1", "tcp", "6", "6", "17", "udp"][rng.usize(..7)]
}

/// The source's groups, 0 and 2, and the destination's, 1 and 3.
fn random_groups(rng: &mut Rng, other_vpc: bool) -> Vec<SecurityGroup> {
    let far = if other_vpc { "vpc-b" } else { "vpc-a" };
    let mut groups: Vec<SecurityGroup> = (0..4)
        .map(|nth| random_group(rng, nth, if nth % 2 == 0 { "vpc-a" } else { far }))
        .collect();
    let wide = |id, egress, peer| rule(id, egress, "-1", None, peer);
    let anywhere = || RulePeer::Cidr("0.0.0.0/0".to_owned());
    let names = |group: &str| RulePeer::Group(group.to_owned());
    match rng.u8(..8) {
        0 => {}
        1 => groups[0].rules.push(wide("sgr-out", true, names("sg-1"))),
        _ => groups[0].rules.push(wide("sgr-out", true, anywhere())),
    }
    match rng.u8(..8) {
        0 => {}
        1..3 => groups[1].rules.push(wide("sgr-in", false, names("sg-0"))),
        3 => groups[1]
            .rules
            .push(wide("sgr-in", false, RulePeer::Cidr("10.0.0.0/29".to_owned()))),
        _ => groups[1].rules.push(wide("sgr-in", false, anywhere())),
    }
    groups
}

fn random_group(rng: &mut Rng, nth: usize, vpc: &str) -> SecurityGroup {
    let rules = (0..rng.usize(..3)).map(|number| {
        let peer = match rng.u8(..4) {
            0 => RulePeer::Group(format!("sg-{}", rng.u8(..4))),
            1 => RulePeer::PrefixList(format!("pl-{}", rng.u8(..2))),
            _ => RulePeer::Cidr(random_cidr(rng)),
        };
        rule(
            &format!("sgr-{nth}-{number}"),
            rng.bool(),
            random_protocol(rng),
            random_ports(rng),
            peer,
        )
    });
    let rules = rules.collect();
    group(&format!("sg-{nth}"), vpc, rules)
}

fn random_list(rng: &mut Rng, nth: usize) -> PrefixList {
    let cidrs: Vec<String> = (0..rng.usize(..3)).map(|_| random_cidr(rng)).collect();
    PrefixList {
        id: format!("pl-{nth}"),
        cidrs,
    }
}

fn random_acls(rng: &mut Rng) -> Vec<NetworkAcl> {
    let mut acls = Vec::new();
    for (id, vpc, subnets) in [
        ("acl-0", "vpc-a", &["subnet-0"][..]),
        ("acl-1", "vpc-a", &["subnet-1"]),
        ("acl-3", "vpc-b", &["subnet-3"]),
        ("acl-a", "vpc-a", &[]),
        ("acl-b", "vpc-b", &[]),
        ("acl-c", "vpc-c", &[]),
    ] {
        if !subnets.is_empty() && rng.u8(..3) == 0 {
            continue;
        }
        let mut entries = Vec::new();
        for egress in [true, false] {
            let mut numbers: Vec<u32> = (100..110).collect();
            rng.shuffle(&mut numbers);
            let amount = [0, 0, 0, 0, 0, 0, 0, 0, 1, 3][rng.usize(..10)];
            for number in numbers.into_iter().take(amount) {
                let ports = random_ports(rng);
                entries.push(entry(
                    number,
                    egress,
                    rng.bool(),
                    random_protocol(rng),
                    &random_cidr(rng),
                    ports,
                ));
            }
            if rng.u8(..32) > 0 {
                entries.push(entry(200, egress, true, "-1", "0.0.0.0/0", None));
            }
        }
        rng.shuffle(&mut entries);
        acls.push(acl(id, vpc, subnets, entries));
    }
    acls
}

/// What routes lead to; the right one is likely.
fn random_target(rng: &mut Rng) -> &'static str {
    const OTHERS: [&str; 10] = [
        "tgw-1", "tgw-1", "tgw-1", "pcx-2", "pcx-9", "vgw-1", "nat-1", "igw-1", "eni-1", "vpce-1",
    ];
    if rng.u8(..8) < 5 {
        "pcx-1"
    } else {
        OTHERS[rng.usize(..OTHERS.len())]
    }
}

fn random_tables(rng: &mut Rng) -> Vec<RouteTable> {
    let mut tables = Vec::new();
    for (id, vpc, subnets) in [
        ("rtb-0", "vpc-a", &["subnet-0"][..]),
        ("rtb-1", "vpc-a", &["subnet-1"]),
        ("rtb-3", "vpc-b", &["subnet-3"]),
        ("rtb-a", "vpc-a", &[]),
        ("rtb-b", "vpc-b", &[]),
        ("rtb-c", "vpc-c", &[]),
    ] {
        if !subnets.is_empty() && rng.bool() {
            continue;
        }
        let (own, other) = match vpc {
            "vpc-a" => ("10.0.0.0/27", "10.0.0.32/27"),
            "vpc-b" => ("10.0.0.32/27", "10.0.0.0/27"),
            _ => ("10.0.0.64/27", "10.0.0.0/27"),
        };
        let mut routes = Vec::new();
        if rng.u8(..16) > 0 {
            routes.push(route(own, "local"));
        }
        if rng.u8(..8) > 0 {
            let wide = rng.u8(..8) == 0;
            routes.push(route(if wide { "0.0.0.0/0" } else { other }, random_target(rng)));
        }
        for _ in 0..[0, 0, 0, 0, 1, 3][rng.usize(..6)] {
            let destination = if rng.u8(..4) == 0 {
                format!("pl-{}", rng.u8(..2))
            } else {
                random_cidr(rng)
            };
            let target = random_target(rng);
            routes.push(Route {
                active: rng.u8(..4) > 0,
                propagated: target == "vgw-1" && !destination.starts_with("pl-") && rng.bool(),
                ..route(&destination, target)
            });
        }
        rng.shuffle(&mut routes);
        tables.push(table(id, vpc, subnets, routes));
    }
    tables
}

/// What the plain loops say of one packet at one hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    /// To a gateway that isn't judged.
    Through,
    Refused,
    /// Not decided by what the facts hold.
    Maybe,
}

fn number(address: &str) -> u32 {
    address.split('.').fold(0, |number, byte| {
        number * 256 + byte.parse::<u32>().expect("an IPv4 address")
    })
}

fn covers(cidr: &str, address: u32) -> bool {
    let (base, length) = cidr.split_once('/').expect("a CIDR block");
    if base.contains(':') {
        return false;
    }
    let shift = 32 - length.parse::<u32>().expect("a prefix length");
    u64::from(number(base)) >> shift == u64::from(address) >> shift
}

fn takes_tcp(protocol: &str, ports: Option<(u16, u16)>, port: u16) -> bool {
    let all = protocol == "-1";
    let tcp = protocol == "tcp" || protocol == "6";
    let in_range = ports.is_none_or(|(first, last)| first <= port && port <= last);
    all || (tcp && in_range)
}

fn listed<'a>(case: &'a Case, id: &str) -> &'a [String] {
    let lists = case.all(|network| &network.prefix_lists);
    let list = lists.iter().find(|(_, list)| list.id == id);
    &list.expect("made with the case").1.cidrs
}

/// Where the table of a subnet leads an address.
#[derive(Clone, Copy)]
enum Lead<'a> {
    Local,
    Out(&'a Route),
    Gone,
    Undecided,
    Nowhere,
}

fn lead<'a>(case: &'a Case, subnet: &str, address: u32) -> Lead<'a> {
    let tables = case.all(|network| &network.route_tables);
    let vpc = &case.subnet(subnet).1.vpc;
    let own = tables
        .iter()
        .find(|(_, table)| table.subnets.iter().any(|id| id == subnet));
    let main = || tables.iter().find(|(_, table)| table.main && &table.vpc == vpc);
    let (_, table) = own.or_else(main).expect("made with the case");
    lead_by(case, table, address)
}

fn lead_by<'a>(case: &'a Case, table: &'a RouteTable, address: u32) -> Lead<'a> {
    let length = |cidr: &str| {
        let (_, length) = cidr.split_once('/').expect("a CIDR block");
        length.parse::<u32>().expect("a prefix length")
    };
    let local = |route: &&Route| route.target == "local" && covers(&route.destination, address);
    let inside = table.routes.iter().any(|route| local(&route));
    // Four times the prefix length, and how good the route is among equal ones: the highest wins.
    let mut matches: Vec<(u32, &Route)> = Vec::new();
    for route in &table.routes {
        if route.destination.starts_with("pl-") {
            for cidr in listed(case, &route.destination) {
                if covers(cidr, address) {
                    matches.push((4 * length(cidr) + 1, route));
                }
            }
        } else if covers(&route.destination, address) && !(route.propagated && inside) {
            let good = match (route.target.as_str(), route.propagated) {
                ("local", _) => 3,
                (_, false) => 2,
                (_, true) => 0,
            };
            matches.push((4 * length(&route.destination) + good, route));
        }
    }
    let Some(best) = matches.iter().map(|(rank, _)| *rank).max() else {
        return Lead::Nowhere;
    };
    let winners: Vec<&Route> = matches
        .iter()
        .filter(|(rank, _)| *rank == best)
        .map(|(_, route)| *route)
        .collect();
    let one = winners[0];
    let same = |route: &&Route| (&route.target, route.active) == (&one.target, one.active);
    if one.target == "local" {
        Lead::Local
    } else if !winners.iter().all(same) {
        Lead::Undecided
    } else if one.active || is_coming(case, &one.target) {
        Lead::Out(one)
    } else {
        Lead::Gone
    }
}

/// EC2 calls a route to a peering connection that isn't there yet a blackhole.
fn is_coming(case: &Case, target: &str) -> bool {
    let peering = peering_of(case, target);
    peering.is_some_and(|peering| ["pending-acceptance", "provisioning"].contains(&peering.status.as_str()))
}

fn route_fate(case: &Case, subnet: &str, other: &str, address: u32) -> Fate {
    match lead(case, subnet, address) {
        Lead::Local if case.subnet(subnet).1.vpc != case.subnet(other).1.vpc => Fate::Refused,
        Lead::Local | Lead::Out(_) => Fate::Passes,
        Lead::Gone | Lead::Nowhere => Fate::Refused,
        Lead::Undecided => Fate::Maybe,
    }
}

fn peering_of<'a>(case: &'a Case, id: &str) -> Option<&'a Peering> {
    let all = case.all(|network| &network.peerings);
    all.into_iter()
        .map(|(_, peering)| peering)
        .find(|peering| peering.id == id)
}

fn joins(peering: &Peering, one: &str, other: &str) -> bool {
    let ends = (peering.requester.vpc.as_str(), peering.accepter.vpc.as_str());
    ends == (one, other) || ends == (other, one)
}

/// Whether a rule holds that names a group of the other side, for a packet to this address.
fn reference_fate(case: &Case, egress: bool, address: u32) -> Fate {
    let (source, destination) = (&case.source.subnet, &case.destination.subnet);
    let ((near, from), (far, to)) = (case.subnet(source), case.subnet(destination));
    if source == destination {
        return Fate::Passes;
    }
    if near != far {
        return Fate::Refused;
    }
    let all = case.all(|network| &network.peerings);
    let peered = all
        .iter()
        .any(|(_, peering)| peering.status == "active" && joins(peering, &from.vpc, &to.vpc));
    let there = from.vpc == to.vpc || peered;
    match lead(case, source, address) {
        Lead::Out(route) if route.target.starts_with("pcx-") && from.vpc != to.vpc => {
            match peering_of(case, &route.target) {
                None => Fate::Maybe,
                Some(peering) if peering.status == "active" && joins(peering, &from.vpc, &to.vpc) => Fate::Passes,
                Some(_) => Fate::Refused,
            }
        }
        Lead::Out(route) if route.target.starts_with("tgw-") && !egress => Fate::Maybe,
        Lead::Out(_) => Fate::Refused,
        _ if there => Fate::Passes,
        Lead::Undecided => Fate::Maybe,
        _ => Fate::Refused,
    }
}

fn group_fate(case: &Case, egress: bool, address: u32, port: u16) -> Fate {
    let (own, other) = (&case.source.security_groups, &case.destination.security_groups);
    let (own, other) = if egress { (own, other) } else { (other, own) };
    let reference = if egress {
        reference_fate(case, true, address)
    } else {
        let fates: Vec<Fate> = case
            .destination_addresses()
            .into_iter()
            .map(|address| reference_fate(case, false, address))
            .collect();
        let worst = [Fate::Refused, Fate::Maybe]
            .into_iter()
            .find(|fate| fates.contains(fate));
        worst.unwrap_or(Fate::Passes)
    };
    let mut fate = Fate::Refused;
    for (_, group) in case.all(|network| &network.security_groups) {
        for rule in &group.rules {
            if !own.contains(&group.id) || rule.egress != egress || !takes_tcp(&rule.protocol, rule.ports, port) {
                continue;
            }
            match &rule.peer {
                RulePeer::Cidr(cidr) if covers(cidr, address) => return Fate::Passes,
                RulePeer::PrefixList(id) if listed(case, id).iter().any(|cidr| covers(cidr, address)) => {
                    return Fate::Passes;
                }
                RulePeer::Group(id) if other.contains(id) && reference == Fate::Passes => return Fate::Passes,
                RulePeer::Group(id) if other.contains(id) && reference == Fate::Maybe => fate = Fate::Maybe,
                _ => {}
            }
        }
    }
    fate
}

/// The fate and the number of the entry that decides it.
fn acl_fate(case: &Case, subnet: &str, egress: bool, address: u32, port: u16) -> (Fate, u32) {
    let acls = case.all(|network| &network.network_acls);
    let vpc = &case.subnet(subnet).1.vpc;
    let own = acls.iter().find(|(_, acl)| acl.subnets.iter().any(|id| id == subnet));
    let default = || acls.iter().find(|(_, acl)| acl.default && &acl.vpc == vpc);
    let (_, acl) = own.or_else(default).expect("made with the case");
    let mut decided = (Fate::Refused, 32767);
    for entry in &acl.entries {
        let matches =
            entry.egress == egress && covers(&entry.cidr, address) && takes_tcp(&entry.protocol, entry.ports, port);
        if matches && entry.number < decided.1 {
            decided = (if entry.allow { Fate::Passes } else { Fate::Refused }, entry.number);
        }
    }
    decided
}

/// How a hop stands to a subnet's network ACL that packets meet when they come in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meets {
    Always,
    Never,
    Perhaps,
}

fn meets(case: &Case, from: &str, to: &str, addresses: &[u32]) -> Meets {
    let (source, destination) = (case.subnet(from).1, case.subnet(to).1);
    let leads: Vec<Lead> = addresses.iter().map(|address| lead(case, from, *address)).collect();
    let by_gateway = |lead: &Lead| matches!(lead, Lead::Out(route) if route.target.starts_with("tgw-"));
    let may = |lead: &Lead| by_gateway(lead) || matches!(lead, Lead::Undecided);
    let attachments = case.attachments(&destination.vpc);
    let entries: Vec<&String> = attachments.iter().flat_map(|found| &found.subnets).collect();
    if source.vpc == destination.vpc || !leads.iter().any(may) || !entries.iter().any(|id| *id == to) {
        Meets::Always
    } else if leads.iter().all(by_gateway) && entries.iter().all(|id| *id == to) {
        Meets::Never
    } else {
        Meets::Perhaps
    }
}

/// Packets from a subnet to an address of another one: who they are of, and where.
struct Trip<'a> {
    case: &'a Case,
    from: &'a Subnet,
    to: &'a Subnet,
    origins: Vec<u32>,
    ports: &'a [u16],
    /// The addresses that the other way leads to.
    back: Vec<u32>,
}

/// At a gateway, for one address.
fn gateway_fate(trip: &Trip, route: &Route, address: u32) -> Fate {
    let case = trip.case;
    let target = route.target.as_str();
    match target {
        "vgw-1" => Fate::Through,
        "igw-1" => Fate::Refused,
        "nat-1" => {
            let tables = case.all(|network| &network.route_tables);
            let on = tables
                .iter()
                .filter(|(_, table)| table.vpc == trip.from.vpc)
                .any(|(_, table)| match lead_by(case, table, address) {
                    Lead::Out(route) => route.target != "nat-1" && route.target != "igw-1",
                    Lead::Undecided => true,
                    _ => false,
                });
            if on { Fate::Maybe } else { Fate::Refused }
        }
        "eni-1" if route.destination != "0.0.0.0/0" => {
            let other = trip.back.iter().any(|address| match lead(case, &trip.to.id, *address) {
                Lead::Out(route) => route.target != "eni-1",
                Lead::Local => true,
                _ => false,
            });
            if other { Fate::Maybe } else { Fate::Through }
        }
        "tgw-1" => transit_fate(trip, address),
        _ if target.starts_with("pcx-") => match peering_of(case, target) {
            None => Fate::Maybe,
            Some(peering) if !joins(peering, &trip.from.vpc, &trip.to.vpc) => Fate::Refused,
            Some(peering) if peering.status != "active" || overlapping(case, trip) => Fate::Refused,
            Some(_) => Fate::Passes,
        },
        _ => Fate::Maybe,
    }
}

fn overlapping(case: &Case, trip: &Trip) -> bool {
    let vpcs = case.all(|network| &network.vpcs);
    let has = |id: &str, address: u32| {
        let vpc = vpcs.iter().find(|(_, vpc)| vpc.id == id).expect("made with the case");
        vpc.1.cidrs.iter().any(|cidr| covers(cidr, address))
    };
    let first = number("10.0.0.0");
    (first..first + 128).any(|address| has(&trip.from.vpc, address) && has(&trip.to.vpc, address))
}

fn transit_fate(trip: &Trip, address: u32) -> Fate {
    let case = trip.case;
    let state = |attachment: &TransitGatewayAttachment| match attachment.state.as_str() {
        "available" => Fate::Passes,
        "modifying" => Fate::Maybe,
        _ => Fate::Refused,
    };
    let near = case.attachments(&trip.from.vpc);
    let Some(near) = near.first() else {
        return Fate::Refused;
    };
    if state(near) != Fate::Passes {
        return state(near);
    }
    let entry = near.subnets.iter().find(|id| case.subnet(id).1.zone == trip.from.zone);
    let Some(entry) = entry else {
        return Fate::Refused;
    };
    for origin in &trip.origins {
        for port in trip.ports {
            if acl_fate(case, entry, false, *origin, *port).0 == Fate::Refused {
                return Fate::Refused;
            }
        }
    }
    let far = case.attachments(&trip.to.vpc);
    let Some(far) = far.first() else {
        let elsewhere = trip.back.iter().any(|address| match lead(case, &trip.to.id, *address) {
            Lead::Out(route) => route.target != "tgw-1",
            Lead::Undecided => true,
            _ => false,
        });
        return if elsewhere { Fate::Through } else { Fate::Refused };
    };
    if state(far) != Fate::Passes {
        return state(far);
    }
    let denies = |entry: &&String| {
        let denied = |port: &u16| acl_fate(case, entry, true, address, *port).0 == Fate::Refused;
        **entry != trip.to.id && trip.ports.iter().any(denied)
    };
    match far.subnets.iter().filter(denies).count() {
        0 => Fate::Through,
        all if all == far.subnets.len() => Fate::Refused,
        _ => Fate::Maybe,
    }
}

/// One packet at one hop: the address and port that its rules look at, its fate, and the entry that decides, where it is a network ACL.
type Packet = (u32, u16, Fate, Option<u32>);

/// All packets that must pass this hop, on all of these ephemeral ports; none where the hop doesn't apply.
fn packets(case: &Case, hop: Hop, ephemeral: &[u16]) -> Option<Vec<Packet>> {
    let (source, destination) = (&case.source.subnet, &case.destination.subnet);
    if source == destination && !matches!(hop, Hop::Egress | Hop::Ingress) {
        return None;
    }
    let from_source = case.source_addresses();
    let to_destination = case.destination_addresses();
    let port = [PORT];
    let met = match hop {
        Hop::AclIn => meets(case, source, destination, &to_destination),
        Hop::AnswerAclIn => meets(case, destination, source, &from_source),
        _ => Meets::Always,
    };
    if met == Meets::Never {
        return None;
    }
    let (addresses, ports) = match hop {
        Hop::Ends => return Some(vec![]),
        Hop::Egress | Hop::AclOut | Hop::Route | Hop::Gateway => (to_destination.clone(), &port[..]),
        Hop::AclIn | Hop::Ingress => (from_source.clone(), &port[..]),
        Hop::AnswerAclOut | Hop::AnswerRoute | Hop::AnswerGateway => (from_source.clone(), ephemeral),
        Hop::AnswerAclIn => (to_destination.clone(), ephemeral),
    };
    let answers = hop == Hop::AnswerGateway;
    let (near, far) = (case.subnet(source).1, case.subnet(destination).1);
    let trip = Trip {
        case,
        from: if answers { far } else { near },
        to: if answers { near } else { far },
        origins: if answers {
            to_destination.clone()
        } else {
            from_source.clone()
        },
        ports,
        back: if answers { to_destination } else { from_source },
    };
    let mut packets = Vec::new();
    for address in addresses {
        if matches!(hop, Hop::Gateway | Hop::AnswerGateway) {
            if let Lead::Out(route) = lead(case, &trip.from.id, address) {
                packets.push((address, 0, gateway_fate(&trip, route, address), None));
            }
            continue;
        }
        for &port in ports {
            let acl = |subnet, egress| {
                let (fate, entry) = acl_fate(case, subnet, egress, address, port);
                let fate = if fate == Fate::Refused && met == Meets::Perhaps {
                    Fate::Maybe
                } else {
                    fate
                };
                (fate, Some(entry))
            };
            let (fate, entry) = match hop {
                Hop::Ends | Hop::Gateway | Hop::AnswerGateway => (Fate::Passes, None),
                Hop::Egress => (group_fate(case, true, address, port), None),
                Hop::Ingress => (group_fate(case, false, address, port), None),
                Hop::AclOut => acl(source, true),
                Hop::AnswerAclIn => acl(source, false),
                Hop::AclIn => acl(destination, false),
                Hop::AnswerAclOut => acl(destination, true),
                Hop::Route => (route_fate(case, source, destination, address), None),
                Hop::AnswerRoute => (route_fate(case, destination, source, address), None),
            };
            packets.push((address, port, fate, entry));
        }
    }
    Some(packets)
}

fn holds(flows: &[Flow], address: u32, port: u16) -> bool {
    flows.iter().any(|flow| {
        flow.ports.first <= port
            && port <= flow.ports.last
            && flow.cidrs.iter().any(|cidr| covers(&cidr.to_string(), address))
    })
}

/// Compares every hop of the proof with the packets', down to which of them is refused by what.
fn agree(case: &Case, proof: &Proof, ephemeral: &[u16]) {
    for step in &proof.steps {
        let Some(packets) = packets(case, step.hop, ephemeral) else {
            if step.hop != Hop::Ends {
                assert!(matches!(step.outcome, Outcome::NotApplied { .. }), "{step}");
            }
            continue;
        };
        let any = |wanted| packets.iter().any(|packet| packet.2 == wanted);
        match &step.outcome {
            Outcome::Passes { .. } => {
                assert!(
                    !any(Fate::Refused) && !any(Fate::Maybe) && !any(Fate::Through),
                    "{step}"
                );
            }
            Outcome::ThroughGateway { .. } => {
                assert!(any(Fate::Through) && !any(Fate::Refused) && !any(Fate::Maybe), "{step}");
            }
            Outcome::Unknown { .. } => assert!(any(Fate::Maybe) && !any(Fate::Refused), "{step}"),
            Outcome::NotApplied { .. } => panic!("applies here: {step}"),
            // Whichever subnet packets come in by, some of them are refused, though none by all.
            Outcome::Refused {
                reason: Refusal::AclDenies { .. },
            } if matches!(step.hop, Hop::Gateway | Hop::AnswerGateway) => {
                assert!(any(Fate::Refused) || any(Fate::Maybe), "{step}");
            }
            Outcome::Refused { reason } => {
                assert!(any(Fate::Refused), "{step}");
                for packet in &packets {
                    agree_on(packet, reason);
                }
                if let Refusal::NoRule { partly, .. } | Refusal::AclDenies { partly, .. } = reason {
                    assert_eq!(*partly, any(Fate::Passes) || any(Fate::Maybe), "{step}");
                }
            }
        }
    }
    for hop in [Hop::Gateway, Hop::AnswerGateway] {
        let said = proof.steps.iter().any(|step| step.hop == hop);
        let there = packets(case, hop, ephemeral).is_some_and(|packets| !packets.is_empty());
        assert!(there || !said, "nothing leads to a {hop}: {proof}");
        assert!(said || !there || hop == Hop::AnswerGateway, "no {hop}: {proof}");
    }
    let first = |wanted: fn(&Outcome) -> bool| {
        let found = proof.steps.iter().find(|step| wanted(&step.outcome));
        found.map(|step| step.hop)
    };
    let refused = first(|outcome| matches!(outcome, Outcome::Refused { .. }));
    let unknown = first(|outcome| matches!(outcome, Outcome::Unknown { .. }));
    let through = first(|outcome| matches!(outcome, Outcome::ThroughGateway { .. }));
    match &proof.verdict {
        Verdict::Refused { hop, .. } => assert_eq!(Some(*hop), refused),
        Verdict::Unknown { hop, .. } => assert_eq!((None, Some(*hop)), (refused, unknown)),
        Verdict::ThroughGateway { hop, .. } => assert_eq!((None, None, Some(*hop)), (refused, unknown, through)),
        Verdict::Reachable => assert_eq!((None, None, None), (refused, unknown, through)),
    }
}

fn agree_on(&(address, port, fate, entry): &Packet, reason: &Refusal) {
    let refused = fate == Fate::Refused;
    let named = |blocked: &[ipnet::Ipv4Net]| blocked.iter().any(|cidr| covers(&cidr.to_string(), address));
    match reason {
        Refusal::NoRule { blocked, .. } => assert_eq!(holds(blocked, address, port), refused, "{reason}"),
        Refusal::AclDenies { denials, .. } => {
            let by = denials
                .iter()
                .find(|denial| holds(&denial.blocked, address, port))
                .map(|denial| denial.entry);
            assert_eq!(by, entry.filter(|_| refused), "{reason}");
        }
        // A refusal of a route or of what it leads to names the first reason of possibly several.
        Refusal::NoRoute { blocked, .. }
        | Refusal::Blackhole { blocked, .. }
        | Refusal::StaysLocal { blocked, .. }
        | Refusal::OnlyInternet { blocked, .. }
        | Refusal::PeeringNotActive { blocked, .. }
        | Refusal::NotTransitive { blocked, .. } => assert!(refused || !named(blocked), "{reason}"),
        Refusal::NotOfPeer { .. } => panic!("every destination is in a VPC: {reason}"),
        Refusal::NoInternetGateway { .. } => panic!("no connection comes from the internet: {reason}"),
        Refusal::Overlap { .. }
        | Refusal::NotAttached { .. }
        | Refusal::AttachmentNotAvailable { .. }
        | Refusal::ZoneNotAttached { .. } => {}
    }
}

/// Hides one fact of one region, as a missing right would.
fn hide(networks: &mut BTreeMap<String, Network>, rng: &mut Rng) {
    let nth = rng.usize(..networks.len());
    let network = networks.values_mut().nth(nth).expect("a region");
    match rng.u8(..10) {
        0 => network.subnets = unreadable("ec2:DescribeSubnets"),
        1 => network.route_tables = unreadable("ec2:DescribeRouteTables"),
        2 => network.network_acls = unreadable("ec2:DescribeNetworkAcls"),
        3 => network.security_groups = unreadable("ec2:DescribeSecurityGroups"),
        4 => network.prefix_lists = unreadable("ec2:DescribeManagedPrefixLists"),
        5 => network.vpcs = unreadable("ec2:DescribeVpcs"),
        6 => network.peerings = unreadable("ec2:DescribeVpcPeeringConnections"),
        7 => network.transit_gateway_attachments = unreadable("ec2:DescribeTransitGatewayVpcAttachments"),
        8 => drop(items(&mut network.security_groups).pop()),
        _ => drop(items(&mut network.prefix_lists).pop()),
    }
}

/// Whether nothing can mend it but another network, or time.
fn is_final(reason: &Refusal) -> bool {
    match reason {
        Refusal::StaysLocal { .. } | Refusal::Overlap { .. } => true,
        Refusal::AttachmentNotAvailable { state, .. } => state != "pendingAcceptance",
        Refusal::PeeringNotActive { status, .. } if status == "provisioning" => true,
        Refusal::NoRoute { link, .. }
        | Refusal::OnlyInternet { link, .. }
        | Refusal::NotTransitive { link, .. }
        | Refusal::PeeringNotActive { link, .. } => matches!(link, Link::Impossible { .. }),
        _ => false,
    }
}

/// The seeds of all cases: `K2M_TEST_SEED` begins with another one.
fn seeds() -> std::ops::Range<u64> {
    let first =
        std::env::var("K2M_TEST_SEED").map_or(FIRST_SEED, |seed| seed.parse().expect("K2M_TEST_SEED is a number"));
    println!("seeds from {first}");
    first..first + CASES
}

/// Names the seed of a case that fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("to begin with the case that failed: K2M_TEST_SEED={}", self.0);
        }
    }
}

/// Every port where anything may change, and its neighbours.
fn telling_ports() -> Vec<u16> {
    let near = PORTS
        .iter()
        .flat_map(|port| [port.saturating_sub(1), *port, port.saturating_add(1)]);
    let ports: BTreeSet<u16> = near.filter(|port| *port >= EPHEMERAL_PORTS.0).collect();
    ports.into_iter().collect()
}

#[test]
fn agrees_with_every_packet() {
    let ports = telling_ports();
    let all_ports: Vec<u16> = (EPHEMERAL_PORTS.0..=EPHEMERAL_PORTS.1).collect();
    let (mut reachable, mut through, mut refused, mut unknown) = (0, 0, 0, 0);
    let (mut hops, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for seed in seeds() {
        let _named = Named(seed);
        let case = Case::random(&mut Rng::with_seed(seed));
        let proof = case.prove();
        agree(&case, &proof, if seed % 1000 == 0 { &all_ports } else { &ports });
        for (_, reason) in proof.refusals() {
            kinds.insert(serde_json::to_value(reason).unwrap()["kind"].to_string());
        }
        match proof.verdict {
            Verdict::Reachable => reachable += 1,
            Verdict::ThroughGateway { .. } => through += 1,
            Verdict::Unknown { .. } => unknown += 1,
            Verdict::Refused { hop, .. } => {
                refused += 1;
                hops.insert(hop);
            }
        }
    }
    println!("reachable {reachable}, through a gateway {through}, refused {refused}, unknown {unknown}");
    assert!(
        reachable > 1000 && through > 100 && refused > 1000 && unknown > 500,
        "the cases became too alike"
    );
    assert_eq!(hops.len(), 10, "some hop never refuses first: {hops:?}");
    assert_eq!(kinds.len(), 12, "some refusal never happens: {kinds:?}");
}

#[test]
fn a_hidden_fact_never_lies() {
    let mut doubtful = 0;
    for seed in seeds() {
        let _named = Named(seed);
        let mut rng = Rng::with_seed(seed);
        let mut case = Case::random(&mut rng);
        let whole = case.prove();
        hide(&mut case.networks, &mut rng);
        let part = case.prove();
        match part.verdict {
            Verdict::Unknown { .. } => doubtful += 1,
            Verdict::Reachable => assert!(matches!(whole.verdict, Verdict::Reachable), "{whole}"),
            Verdict::ThroughGateway { .. } => {
                assert!(matches!(whole.verdict, Verdict::ThroughGateway { .. }), "{whole}");
            }
            Verdict::Refused { .. } => assert!(matches!(whole.verdict, Verdict::Refused { .. }), "{part} was {whole}"),
        }
    }
    assert!(
        (1000..9000).contains(&doubtful),
        "hiding facts tells nothing: {doubtful} of {CASES} became unknown"
    );
}

#[test]
fn mending_what_is_named_makes_the_connection() {
    let (mut mended, mut never) = (0, 0);
    for seed in seeds() {
        let _named = Named(seed);
        let mut case = Case::random(&mut Rng::with_seed(seed));
        let mut proof = case.prove();
        let mut rounds = 0;
        while let Verdict::Refused { reason, .. } = &proof.verdict {
            rounds += 1;
            assert!(rounds <= 40, "after {rounds} rounds still {proof}");
            let remedies = reason.remedies();
            if remedies.is_empty() {
                assert!(is_final(reason), "nothing mends {proof}");
                never += 1;
                break;
            }
            for remedy in remedies {
                assert!(remedy.apply(&mut case.networks), "{remedy:?} of {proof}");
            }
            proof = case.prove();
        }
        if rounds > 0 && matches!(proof.verdict, Verdict::Reachable | Verdict::ThroughGateway { .. }) {
            mended += 1;
        }
    }
    println!("mended {mended}, can't be mended {never}");
    assert!(mended > 1000, "only {mended} networks were mended");
    assert!(never < 3000, "{never} networks can't be mended");
}

#[test]
fn planned_changes_are_as_good_as_facts() {
    for seed in seeds() {
        let _named = Named(seed);
        let mut rng = Rng::with_seed(seed);
        let case = Case::random(&mut rng);
        let mut fewer = case.clone();
        let network = fewer.networks.get_mut(REGION).expect("a region");
        let all = Expected::of(&case.prove().verdict);
        let (removed, added) = match rng.u8(..3) {
            0 => {
                let groups = items(&mut network.security_groups);
                let nth = rng.usize(..groups.len());
                let group = &mut groups[nth];
                let Some(rule) = group.rules.pop() else {
                    continue;
                };
                let added = Change::AddRule {
                    group: group.id.clone(),
                    rule: rule.clone(),
                };
                (Some(Change::RemoveRule(rule.id)), added)
            }
            1 => {
                let tables = items(&mut network.route_tables);
                let nth = rng.usize(..tables.len());
                let table = &mut tables[nth];
                let Some(route) = table.routes.pop() else {
                    continue;
                };
                let alone = table.routes.iter().all(|other| other.destination != route.destination);
                let removed = Change::RemoveRoute {
                    table: table.id.clone(),
                    destination: route.destination.clone(),
                };
                let added = Change::AddRoute {
                    table: table.id.clone(),
                    route,
                };
                (alone.then_some(removed), added)
            }
            _ => {
                let Some(peering) = items(&mut network.peerings).pop() else {
                    continue;
                };
                for network in fewer.networks.values_mut() {
                    items(&mut network.peerings).retain(|other| other.id != peering.id);
                }
                (None, Change::Peering(peering))
            }
        };
        if let Some(removed) = removed {
            let less = Expected::of(&fewer.prove().verdict);
            assert_eq!(Expected::of(&case.prove_with([removed]).verdict), less);
        }
        assert_eq!(Expected::of(&fewer.prove_with([added]).verdict), all);
    }
}

//! Random small networks, judged packet by packet with plain loops that share nothing with the engine, and what must hold whatever the
//! network: hiding a fact never turns an answer into its opposite, and mending exactly what is named ends in a connection.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::*;
use crate::network::{Change, EPHEMERAL_PORTS, Flow, Hop, Outcome, Proof, Refusal, Verdict, View, prove};

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

struct Case {
    network: Network,
    source: Source,
    destination: Destination,
}

impl Case {
    fn random(rng: &mut Rng) -> Self {
        let far = "10.0.0.32/29";
        let subnets = vec![
            subnet("subnet-0", "vpc-a", "10.0.0.0/29"),
            subnet("subnet-1", "vpc-a", "10.0.0.8/29"),
            subnet("subnet-2", "vpc-b", far),
        ];
        let destination = match rng.u8(..16) {
            0 => 0,
            _ => 1,
        };
        let base = 8 * destination;
        let mut groups: Vec<SecurityGroup> = (0..3).map(|nth| random_group(rng, nth)).collect();
        let egress = rule("sgr-wide", true, "-1", None, RulePeer::Cidr("0.0.0.0/0".to_owned()));
        if rng.u8(..8) > 0 {
            groups[0].rules.push(egress);
        }
        if rng.u8(..8) > 0 {
            let peer = if rng.bool() {
                RulePeer::Group("sg-0".to_owned())
            } else {
                RulePeer::Cidr("10.0.0.0/29".to_owned())
            };
            groups[1]
                .rules
                .push(rule("sgr-kafka", false, "tcp", Some((PORT, PORT)), peer));
        }
        let network = Network {
            vpcs: found(vec![vpc("vpc-a", "10.0.0.0/27"), vpc("vpc-b", "10.0.0.0/26")]),
            subnets: found(subnets),
            route_tables: found(random_tables(rng)),
            network_acls: found(random_acls(rng)),
            security_groups: found(groups),
            prefix_lists: found((0..2).map(|nth| random_list(rng, nth)).collect()),
            peerings: found(Vec::new()),
            transit_gateway_attachments: found(Vec::new()),
            endpoints: found(Vec::new()),
        };
        let address = (rng.u8(..3) == 0).then(|| format!("10.0.0.{}", rng.u8(..8)));
        let more = if rng.bool() { &["sg-0", "sg-2"][..] } else { &["sg-0"] };
        Self {
            network,
            source: Source {
                subnet: "subnet-0".to_owned(),
                address,
                security_groups: owned(more),
            },
            destination: Destination {
                subnet: format!("subnet-{destination}"),
                address: (rng.u8(..4) > 0).then(|| format!("10.0.0.{}", base + rng.u8(..8))),
                security_groups: owned(if rng.u8(..8) == 0 { &["sg-1", "sg-2"] } else { &["sg-1"] }),
            },
        }
    }

    fn prove(&self) -> Proof {
        prove(&View::new(&alone(&self.network)), &self.source, &self.destination, PORT)
    }

    fn subnet(&self, id: &str) -> &Subnet {
        let subnets = self.network.subnets.found().expect("visible");
        subnets
            .iter()
            .find(|subnet| subnet.id == id)
            .expect("made with the case")
    }

    /// The address, or all of the subnet's.
    fn addresses(&self, subnet: &str, address: Option<&String>) -> Vec<u32> {
        let first = self.subnet(subnet).cidr.split('/').next().expect("a block");
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

fn alone(network: &Network) -> BTreeMap<String, Network> {
    BTreeMap::from([(REGION.to_owned(), network.clone())])
}

fn random_cidr(rng: &mut Rng) -> String {
    match rng.u8(..12) {
        0..4 => "0.0.0.0/0".to_owned(),
        4 => "::/0".to_owned(),
        _ => format!("10.0.0.{}/{}", rng.u8(..48), rng.u8(24..=32)),
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

fn random_group(rng: &mut Rng, nth: usize) -> SecurityGroup {
    let rules = (0..rng.usize(..3)).map(|number| {
        let peer = match rng.u8(..4) {
            0 => RulePeer::Group(format!("sg-{}", rng.u8(..3))),
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
    group(&format!("sg-{nth}"), "vpc-a", rules)
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
        ("acl-a", "vpc-a", &[]),
        ("acl-b", "vpc-b", &[]),
    ] {
        if !subnets.is_empty() && rng.u8(..3) == 0 {
            continue;
        }
        let mut entries = Vec::new();
        for egress in [true, false] {
            let mut numbers: Vec<u32> = (100..110).collect();
            rng.shuffle(&mut numbers);
            let amount = [0, 0, 0, 0, 0, 1, 3][rng.usize(..7)];
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
            if rng.u8(..24) > 0 {
                entries.push(entry(200, egress, true, "-1", "0.0.0.0/0", None));
            }
        }
        rng.shuffle(&mut entries);
        acls.push(acl(id, vpc, subnets, entries));
    }
    acls
}

fn random_tables(rng: &mut Rng) -> Vec<RouteTable> {
    let mut tables = Vec::new();
    for (id, vpc, subnets, block, other) in [
        ("rtb-0", "vpc-a", &["subnet-0"][..], "10.0.0.0/27", "10.0.0.32/27"),
        ("rtb-1", "vpc-a", &["subnet-1"], "10.0.0.0/27", "10.0.0.32/27"),
        ("rtb-a", "vpc-a", &[], "10.0.0.0/27", "10.0.0.32/27"),
        ("rtb-b", "vpc-b", &[], "10.0.0.32/27", "10.0.0.0/27"),
    ] {
        if !subnets.is_empty() && rng.bool() {
            continue;
        }
        let mut routes = Vec::new();
        if rng.u8(..16) > 0 {
            routes.push(route(block, "local"));
        }
        if rng.u8(..8) > 0 {
            routes.push(route(other, "vpce-1"));
        }
        for _ in 0..[0, 0, 1, 3][rng.usize(..4)] {
            let destination = if rng.u8(..4) == 0 {
                format!("pl-{}", rng.u8(..2))
            } else {
                random_cidr(rng)
            };
            let by_list = destination.starts_with("pl-");
            let target = ["local", "vpce-1", "vpce-2"][rng.usize(usize::from(by_list)..3)];
            routes.push(Route {
                active: target == "local" || rng.bool(),
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
    Refused,
    /// Not decided by what a region's facts hold.
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

fn listed<'a>(network: &'a Network, id: &str) -> &'a [String] {
    let lists = network.prefix_lists.found().expect("visible");
    &lists
        .iter()
        .find(|list| list.id == id)
        .expect("made with the case")
        .cidrs
}

fn group_fate(case: &Case, egress: bool, address: u32, port: u16) -> Fate {
    let (own, other) = (&case.source.security_groups, &case.destination.security_groups);
    let (own, other) = if egress { (own, other) } else { (other, own) };
    let direct = direct(case, if egress { Some(address) } else { None });
    for group in case.network.security_groups.found().expect("visible") {
        for rule in &group.rules {
            if !own.contains(&group.id) || rule.egress != egress || !takes_tcp(&rule.protocol, rule.ports, port) {
                continue;
            }
            match &rule.peer {
                RulePeer::Cidr(cidr) if covers(cidr, address) => return Fate::Passes,
                RulePeer::PrefixList(id) if listed(&case.network, id).iter().any(|cidr| covers(cidr, address)) => {
                    return Fate::Passes;
                }
                RulePeer::Group(id) if other.contains(id) && direct => return Fate::Passes,
                _ => {}
            }
        }
    }
    Fate::Refused
}

fn acl_of<'a>(case: &'a Case, subnet: &str) -> &'a NetworkAcl {
    let acls = case.network.network_acls.found().expect("visible");
    let vpc = &case.subnet(subnet).vpc;
    let own = acls.iter().find(|acl| acl.subnets.iter().any(|id| id == subnet));
    own.or_else(|| acls.iter().find(|acl| acl.default && &acl.vpc == vpc))
        .expect("made with the case")
}

/// The fate and the number of the entry that decides it.
fn acl_fate(case: &Case, subnet: &str, egress: bool, address: u32, port: u16) -> (Fate, u32) {
    let mut decided = (Fate::Refused, 32767);
    for entry in &acl_of(case, subnet).entries {
        let matches =
            entry.egress == egress && covers(&entry.cidr, address) && takes_tcp(&entry.protocol, entry.ports, port);
        if matches && entry.number < decided.1 {
            decided = (if entry.allow { Fate::Passes } else { Fate::Refused }, entry.number);
        }
    }
    decided
}

/// Where the table of a subnet leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lead {
    Local,
    Out,
    Gone,
    Undecided,
    Nowhere,
}

fn route_fate(case: &Case, subnet: &str, address: u32) -> Fate {
    match lead(case, subnet, address) {
        Lead::Local | Lead::Out => Fate::Passes,
        Lead::Gone | Lead::Nowhere => Fate::Refused,
        Lead::Undecided => Fate::Maybe,
    }
}

/// Whether nothing forwards packets, to this address or to any of the destination's, on their way.
fn direct(case: &Case, address: Option<u32>) -> bool {
    let subnet = &case.source.subnet;
    let all = address.map_or_else(|| case.destination_addresses(), |address| vec![address]);
    *subnet == case.destination.subnet || all.iter().all(|address| lead(case, subnet, *address) != Lead::Out)
}

fn lead(case: &Case, subnet: &str, address: u32) -> Lead {
    let tables = case.network.route_tables.found().expect("visible");
    let vpc = &case.subnet(subnet).vpc;
    let own = tables.iter().find(|table| table.subnets.iter().any(|id| id == subnet));
    let table = own
        .or_else(|| tables.iter().find(|table| table.main && &table.vpc == vpc))
        .expect("made with the case");
    let length = |cidr: &str| {
        cidr.split_once('/')
            .expect("a CIDR block")
            .1
            .parse::<u8>()
            .expect("a prefix length")
    };

    // Twice the prefix length, plus one for routes that name their block themselves: the highest rank wins.
    let mut matches: Vec<(u8, &Route)> = Vec::new();
    for route in &table.routes {
        if route.destination.starts_with("pl-") {
            for cidr in listed(&case.network, &route.destination) {
                if covers(cidr, address) {
                    matches.push((2 * length(cidr), route));
                }
            }
        } else if covers(&route.destination, address) {
            matches.push((2 * length(&route.destination) + 1, route));
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
    if winners.iter().any(|route| route.target == "local") {
        return Lead::Local;
    }
    let one = winners[0];
    if winners
        .iter()
        .any(|route| (&route.target, route.active) != (&one.target, one.active))
    {
        return Lead::Undecided;
    }
    if one.active { Lead::Out } else { Lead::Gone }
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
    let (addresses, ports) = match hop {
        Hop::Ends => return Some(vec![]),
        Hop::Gateway | Hop::AnswerGateway => return Some(vec![(0, PORT, Fate::Maybe, None)]),
        Hop::Egress | Hop::AclOut | Hop::Route => (to_destination, &port[..]),
        Hop::AclIn | Hop::Ingress => (from_source, &port[..]),
        Hop::AnswerAclOut | Hop::AnswerRoute => (from_source, ephemeral),
        Hop::AnswerAclIn => (to_destination, ephemeral),
    };
    let mut packets = Vec::new();
    for address in addresses {
        for &port in ports {
            let acl = |subnet, egress| {
                let (fate, entry) = acl_fate(case, subnet, egress, address, port);
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
                Hop::Route => (route_fate(case, source, address), None),
                Hop::AnswerRoute => (route_fate(case, destination, address), None),
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
            Outcome::Passes { .. } => assert!(!any(Fate::Refused) && !any(Fate::Maybe), "{step}"),
            Outcome::Unknown { .. } => assert!(any(Fate::Maybe) && !any(Fate::Refused), "{step}"),
            Outcome::ThroughGateway { .. } => panic!("nothing leads to a gateway: {step}"),
            Outcome::NotApplied { .. } => panic!("applies between subnets: {step}"),
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
    let first = |wanted: fn(&Outcome) -> bool| {
        proof
            .steps
            .iter()
            .find(|step| wanted(&step.outcome))
            .map(|step| step.hop)
    };
    let refused = first(|outcome| matches!(outcome, Outcome::Refused { .. }));
    let unknown = first(|outcome| matches!(outcome, Outcome::Unknown { .. }));
    match &proof.verdict {
        Verdict::Refused { hop, .. } => assert_eq!(Some(*hop), refused),
        Verdict::Unknown { hop, .. } => assert_eq!((None, Some(*hop)), (refused, unknown)),
        Verdict::Reachable | Verdict::ThroughGateway { .. } => assert_eq!((None, None), (refused, unknown)),
    }
}

fn agree_on(&(address, port, fate, entry): &Packet, reason: &Refusal) {
    let refused = fate == Fate::Refused;
    match reason {
        Refusal::NoRule { blocked, .. } => assert_eq!(holds(blocked, address, port), refused, "{reason}"),
        Refusal::AclDenies { denials, .. } => {
            let by = denials
                .iter()
                .find(|denial| holds(&denial.blocked, address, port))
                .map(|denial| denial.entry);
            assert_eq!(by, entry.filter(|_| refused), "{reason}");
        }
        // A route's refusal names the first reason of possibly several.
        Refusal::NoRoute { blocked, .. } | Refusal::Blackhole { blocked, .. } | Refusal::StaysLocal { blocked, .. } => {
            let named = blocked.iter().any(|cidr| covers(&cidr.to_string(), address));
            assert!(refused || !named, "{reason}");
        }
        _ => panic!("nothing leads to a gateway: {reason}"),
    }
}

/// Hides one fact, as a missing right would.
fn hide(network: &mut Network, rng: &mut Rng) {
    match rng.u8(..7) {
        0 => network.subnets = unreadable("ec2:DescribeSubnets"),
        1 => network.route_tables = unreadable("ec2:DescribeRouteTables"),
        2 => network.network_acls = unreadable("ec2:DescribeNetworkAcls"),
        3 => network.security_groups = unreadable("ec2:DescribeSecurityGroups"),
        4 => network.prefix_lists = unreadable("ec2:DescribeManagedPrefixLists"),
        5 => drop(items(&mut network.security_groups).remove(rng.usize(..3))),
        _ => drop(items(&mut network.prefix_lists).remove(rng.usize(..2))),
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
    let (mut reachable, mut refused, mut unknown) = (0, 0, 0);
    let mut hops = BTreeSet::new();
    for seed in seeds() {
        let _named = Named(seed);
        let case = Case::random(&mut Rng::with_seed(seed));
        let proof = case.prove();
        agree(&case, &proof, if seed % 500 == 0 { &all_ports } else { &ports });
        match proof.verdict {
            Verdict::Reachable | Verdict::ThroughGateway { .. } => reachable += 1,
            Verdict::Unknown { .. } => unknown += 1,
            Verdict::Refused { hop, .. } => {
                refused += 1;
                hops.insert(hop);
            }
        }
    }
    println!("reachable {reachable}, refused {refused}, unknown {unknown}");
    assert!(
        reachable > 1000 && refused > 1000 && unknown > 100,
        "the cases became too alike"
    );
    assert_eq!(hops.len(), 8, "some hop never refuses first: {hops:?}");
}

#[test]
fn a_hidden_fact_never_lies() {
    let mut doubtful = 0;
    for seed in seeds() {
        let _named = Named(seed);
        let mut rng = Rng::with_seed(seed);
        let mut case = Case::random(&mut rng);
        let whole = case.prove();
        hide(&mut case.network, &mut rng);
        let part = case.prove();
        match part.verdict {
            Verdict::Unknown { .. } => doubtful += 1,
            Verdict::Reachable | Verdict::ThroughGateway { .. } => {
                assert!(matches!(whole.verdict, Verdict::Reachable));
            }
            Verdict::Refused { .. } => assert!(matches!(whole.verdict, Verdict::Refused { .. })),
        }
    }
    assert!(
        (1000..9000).contains(&doubtful),
        "hiding facts tells nothing: {doubtful} of {CASES} became unknown"
    );
}

#[test]
fn mending_what_is_named_makes_the_connection() {
    let mut mended = 0;
    for seed in seeds() {
        let _named = Named(seed);
        let mut case = Case::random(&mut Rng::with_seed(seed));
        let mut proof = case.prove();
        let mut rounds = 0;
        while let Verdict::Refused { reason, .. } = &proof.verdict {
            rounds += 1;
            assert!(rounds <= 40, "after {rounds} rounds still {proof}");
            let mut networks = alone(&case.network);
            for remedy in reason.remedies() {
                assert!(remedy.apply(&mut networks), "{remedy:?} of {proof}");
            }
            case.network = networks.remove(REGION).expect("the one region");
            proof = case.prove();
        }
        if rounds > 0 && matches!(proof.verdict, Verdict::Reachable) {
            mended += 1;
        }
    }
    assert!(mended > 1000, "only {mended} networks were mended");
}

#[test]
fn planned_changes_are_as_good_as_facts() {
    for seed in seeds() {
        let _named = Named(seed);
        let mut rng = Rng::with_seed(seed);
        let case = Case::random(&mut rng);
        let mut without = Case {
            network: case.network.clone(),
            source: case.source.clone(),
            destination: case.destination.clone(),
        };
        let group = &mut items(&mut without.network.security_groups)[rng.usize(..3)];
        let Some(rule) = group.rules.pop() else {
            continue;
        };
        let verdict = |view: View| prove(&view, &case.source, &case.destination, PORT).verdict;
        let removed = Change::RemoveRule(rule.id.clone());
        let added = Change::AddRule {
            group: group.id.clone(),
            rule,
        };
        let (all, fewer) = (View::new(&alone(&case.network)), View::new(&alone(&without.network)));
        assert_eq!(
            verdict(all.clone().with([removed])),
            verdict(fewer.clone()),
            "K2M_TEST_SEED={seed}"
        );
        assert_eq!(verdict(fewer.with([added])), verdict(all));
    }
}

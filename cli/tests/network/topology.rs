//! Random networks: the facts themselves, as `k2m inspect` would write them, and who is in the subnets. What is drawn leans towards networks that nearly
//! work, since in one that refuses everything nothing can be told apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use fastrand::Rng;
use ipnet::Ipv4Net;
use k2m::facts::network::{
    AclEntry, NetworkAcl, Peering, PeeringSide, PrefixList, Route, RouteTable, Rule, RulePeer, SecurityGroup, Subnet,
    TransitGatewayAttachment, Vpc,
};
use k2m::facts::{Fact, Network, Owner};
use k2m::network::{Destination, Source};

use crate::kernel::block;

/// Ports of brokers.
const BROKER_PORTS: [u16; 4] = [9092, 9094, 9096, 9098];
/// Addresses of a host that any address of its subnet may have.
const ADDRESSES: usize = 4;
/// Addresses that AWS keeps for itself at the beginning of a subnet; one more at its end.
const RESERVED: u32 = 4;

/// A network interface.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    pub(crate) groups: Vec<String>,
    /// Its address; several where the engine is told that any of the subnet may be the one.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// Whether the engine is told the address.
    pub(crate) is_known: bool,
    /// Whether it is a broker.
    pub(crate) listens: bool,
}

impl Host {
    fn address(&self) -> Option<String> {
        self.addresses
            .first()
            .filter(|_| self.is_known)
            .map(Ipv4Addr::to_string)
    }

    pub(crate) fn source(&self) -> Source {
        Source {
            subnet: self.subnet.clone(),
            address: self.address(),
            security_groups: self.groups.clone(),
        }
    }

    pub(crate) fn destination(&self) -> Destination {
        Destination {
            subnet: self.subnet.clone(),
            address: self.address(),
            security_groups: self.groups.clone(),
        }
    }
}

/// Networks, and functions and brokers in them.
#[derive(Debug, Clone)]
pub(crate) struct Topology {
    pub(crate) seed: u64,
    pub(crate) regions: BTreeMap<String, Network>,
    pub(crate) hosts: Vec<Host>,
    /// The brokers' port.
    pub(crate) port: u16,
}

pub(crate) fn found<T>(fact: &Fact<Vec<T>>) -> &[T] {
    fact.found().expect("everything is known")
}

pub(crate) fn found_mut<T>(fact: &mut Fact<Vec<T>>) -> &mut Vec<T> {
    match fact {
        Fact::Found { value } => value,
        Fact::Absent | Fact::Unreadable(_) => panic!("everything is known"),
    }
}

impl Topology {
    pub(crate) fn functions(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| !host.listens)
    }

    pub(crate) fn brokers(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.listens)
    }

    /// Every function with every broker.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Host, &Host)> {
        self.functions()
            .flat_map(|from| self.brokers().map(move |to| (from, to)))
    }

    pub(crate) fn number_of(&self, host: &Host) -> usize {
        let mut hosts = self.hosts.iter();
        hosts.position(|other| other.name == host.name).expect("made with it")
    }

    pub(crate) fn vpcs(&self) -> impl Iterator<Item = (&str, &Vpc)> {
        self.regions
            .iter()
            .flat_map(|(region, network)| found(&network.vpcs).iter().map(move |vpc| (region.as_str(), vpc)))
    }

    pub(crate) fn cidrs_of(&self, vpc: &str) -> Vec<String> {
        let found = self.vpcs().find(|(_, other)| other.id == vpc);
        found.expect("made with it").1.cidrs.clone()
    }

    pub(crate) fn subnet(&self, id: &str) -> &Subnet {
        let mut subnets = self.regions.values().flat_map(|network| found(&network.subnets));
        subnets.find(|subnet| subnet.id == id).expect("made with it")
    }

    /// Each connection once, though both regions tell it.
    pub(crate) fn peerings(&self) -> Vec<&Peering> {
        let mut seen = BTreeSet::new();
        self.regions
            .values()
            .flat_map(|network| found(&network.peerings))
            .filter(|peering| seen.insert(&peering.id))
            .collect()
    }

    /// Attachments by gateway.
    pub(crate) fn transit_gateways(&self) -> BTreeMap<&str, Vec<&TransitGatewayAttachment>> {
        let mut gateways: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for network in self.regions.values() {
            for attachment in found(&network.transit_gateway_attachments) {
                gateways.entry(&attachment.gateway).or_default().push(attachment);
            }
        }
        gateways
    }

    /// The network ACL of a subnet: its own, else the VPC's default.
    pub(crate) fn acl_of(&self, region: &str, subnet: &Subnet) -> &NetworkAcl {
        let acls = found(&self.regions[region].network_acls);
        let own = acls.iter().find(|acl| acl.subnets.contains(&subnet.id));
        own.or_else(|| acls.iter().find(|acl| acl.default && acl.vpc == subnet.vpc))
            .expect("made with it")
    }

    /// The route table of a subnet: its own, else the VPC's main one.
    pub(crate) fn table_of(&self, region: &str, subnet: &Subnet) -> &RouteTable {
        let tables = found(&self.regions[region].route_tables);
        let own = tables.iter().find(|table| table.subnets.contains(&subnet.id));
        own.or_else(|| tables.iter().find(|table| table.main && table.vpc == subnet.vpc))
            .expect("made with it")
    }

    pub(crate) fn group(&self, region: &str, id: &str) -> &SecurityGroup {
        let mut groups = found(&self.regions[region].security_groups).iter();
        groups.find(|group| group.id == id).expect("made with it")
    }

    /// The IPv4 blocks of a prefix list.
    pub(crate) fn listed(&self, region: &str, id: &str) -> Vec<Ipv4Net> {
        let mut lists = found(&self.regions[region].prefix_lists).iter();
        let list = lists.find(|list| list.id == id).expect("made with it");
        list.cidrs.iter().filter_map(|cidr| block(cidr)).collect()
    }

    /// Addresses that the name of a group stands for in a rule of another one: those of its members in the same VPC, and in one that an active peering
    /// connection in one region joins with it.
    pub(crate) fn members(&self, of: &str, named: &str) -> Vec<Ipv4Addr> {
        let home = |id: &str| {
            let mut groups = self
                .regions
                .values()
                .flat_map(|network| found(&network.security_groups));
            groups.find(|group| group.id == id).map(|group| group.vpc.clone())
        };
        let (Some(own), Some(other)) = (home(of), home(named)) else {
            return Vec::new();
        };
        let joined = self.peerings().into_iter().any(|peering| {
            let sides = [&peering.requester, &peering.accepter];
            peering.status == "active"
                && sides[0].region == sides[1].region
                && sides.iter().any(|side| side.vpc == own)
                && sides.iter().any(|side| side.vpc == other)
        });
        if own != other && !joined {
            return Vec::new();
        }
        let members = self
            .hosts
            .iter()
            .filter(|host| host.groups.iter().any(|id| id == named));
        members.flat_map(|host| host.addresses.clone()).collect()
    }

    /// Whether it is known here that a gateway leads from one of these VPCs to the other: a transit gateway does to every VPC that it joins, if none of their blocks
    /// overlap.
    pub(crate) fn knows_behind(&self, gateway: &str, ends: [&str; 2]) -> bool {
        let gateways = self.transit_gateways();
        let Some(attachments) = gateways.get(gateway) else {
            return false;
        };
        let cidrs: Vec<Ipv4Net> = attachments
            .iter()
            .flat_map(|attachment| self.cidrs_of(&attachment.vpc))
            .filter_map(|cidr| block(&cidr))
            .collect();
        let overlap = |(number, one): (usize, &Ipv4Net)| {
            let mut others = cidrs[number + 1..].iter();
            others.any(|other| one.contains(other) || other.contains(one))
        };
        let is_attached = |vpc: &&str| attachments.iter().any(|attachment| attachment.vpc == *vpc);
        ends.iter().all(is_attached)
            && attachments.iter().all(|attachment| attachment.state == "available")
            && !cidrs.iter().enumerate().any(overlap)
    }

    /// Whether a route can lead there.
    pub(crate) fn has_gateway(&self, target: &str) -> bool {
        self.peerings().iter().any(|peering| peering.id == target) || self.transit_gateways().contains_key(target)
    }

    /// Lets EC2 notice what changed: a route to a peering connection is a blackhole as long as that isn't active.
    pub(crate) fn settle(&mut self) {
        let active: BTreeMap<String, bool> = self
            .peerings()
            .into_iter()
            .map(|peering| (peering.id.clone(), peering.status == "active"))
            .collect();
        for network in self.regions.values_mut() {
            let tables = found_mut(&mut network.route_tables).iter_mut();
            for route in tables.flat_map(|table| &mut table.routes) {
                route.active = active.get(&route.target).copied().unwrap_or(route.active);
            }
        }
    }

    /// Every block that anything names.
    pub(crate) fn blocks(&self) -> Vec<Ipv4Net> {
        let mut blocks = BTreeSet::new();
        for network in self.regions.values() {
            let rules = found(&network.security_groups).iter().flat_map(|group| &group.rules);
            let cidrs = rules.filter_map(|rule| match &rule.peer {
                RulePeer::Cidr(cidr) => Some(cidr),
                RulePeer::Group(_) | RulePeer::PrefixList(_) => None,
            });
            let entries = found(&network.network_acls).iter().flat_map(|acl| &acl.entries);
            let routes = found(&network.route_tables).iter().flat_map(|table| &table.routes);
            let destinations = routes.map(|route| &route.destination);
            let lists = found(&network.prefix_lists).iter().flat_map(|list| &list.cidrs);
            let all = cidrs
                .chain(entries.map(|entry| &entry.cidr))
                .chain(destinations.filter(|destination| !destination.starts_with("pl-")))
                .chain(lists);
            blocks.extend(all.filter_map(|cidr| block(cidr)));
        }
        blocks.into_iter().collect()
    }

    /// Every range of ports that anything names.
    pub(crate) fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges = BTreeSet::new();
        for network in self.regions.values() {
            let entries = found(&network.network_acls).iter().flat_map(|acl| &acl.entries);
            ranges.extend(entries.filter_map(|entry| entry.ports));
        }
        ranges.into_iter().collect()
    }

    /// Whether a host can have this address in the subnet, and nobody else has it.
    pub(crate) fn is_free(&self, host: &Host, address: Ipv4Addr) -> bool {
        let others = self.hosts.iter().filter(|other| other.name != host.name);
        usable(self.subnet(&host.subnet)).contains(&u32::from(address))
            && !others.into_iter().any(|other| other.addresses.contains(&address))
    }
}

/// Addresses that AWS gives to network interfaces.
pub(crate) fn usable(subnet: &Subnet) -> std::ops::RangeInclusive<u32> {
    let cidr = block(&subnet.cidr).expect("IPv4");
    u32::from(cidr.network()) + RESERVED..=u32::from(cidr.broadcast()) - 1
}

/// One VPC while a topology is drawn.
#[derive(Debug, Clone)]
struct Lot {
    region: &'static str,
    letter: char,
    id: String,
    cidrs: Vec<String>,
    subnets: Vec<Subnet>,
}

impl Lot {
    fn group(&self, number: usize) -> String {
        format!("sg-{}{number}", self.letter)
    }
}

/// A block that is of nothing here.
const NOWHERE: &str = "192.168.0.0/16";
const GROUPS: usize = 3;
const LISTS: usize = 2;
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

/// How the VPCs are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    Peering { active: bool },
    TransitGateway { available: bool },
}

struct Draw {
    rng: Rng,
    lots: Vec<Lot>,
    joints: Vec<(usize, usize, Joint)>,
    port: u16,
}

impl Topology {
    /// The same seed draws the same topology.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let port = BROKER_PORTS[rng.usize(..BROKER_PORTS.len())];
        let mut draw = Draw {
            rng,
            lots: Vec::new(),
            joints: Vec::new(),
            port,
        };
        draw.lots();
        let regions = draw.regions();
        let hosts = draw.hosts();
        let mut topology = Self {
            seed,
            regions,
            hosts,
            port,
        };
        draw.addresses(&mut topology);
        topology
    }
}

impl Draw {
    /// One time in so many.
    fn one_in(&mut self, many: u8) -> bool {
        self.rng.u8(..many) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())].clone()
    }

    /// The VPCs, and how they are joined.
    fn lots(&mut self) {
        let far = self.one_in(3);
        let (amount, overlap) = match self.rng.u8(..10) {
            0..4 => (1, false),
            4..8 => (2, self.one_in(6)),
            _ => (3, self.one_in(4)),
        };
        for number in 0..amount {
            let letter = ['a', 'b', 'c'][number];
            let region = REGIONS[usize::from(number > 0 && far)];
            // Of two that overlap, one may hold the other.
            let (second, length) = if overlap && number == 1 {
                (1, [22, 20, 23][self.rng.usize(..3)])
            } else {
                (number + 1, 22)
            };
            let mut cidrs = vec![format!("10.{second}.0.0/{length}")];
            if self.one_in(5) {
                cidrs.push(format!("10.{}.64.0/24", number + 101));
            }
            let id = format!("vpc-{letter}");
            let mut subnets: Vec<Subnet> = Vec::new();
            for nth in 0..self.rng.usize(2..4) {
                // In a secondary block, if there is one.
                let cidr = match cidrs.get(1) {
                    Some(_) if nth == 1 => format!("10.{}.64.{}/{}", number + 101, 64, self.rng.u8(26..29)),
                    _ => {
                        let offset = if overlap && number == 1 && length == 22 { 128 } else { 0 };
                        let third = if length == 23 { nth % 2 } else { nth };
                        let offset = if length == 23 {
                            offset + nth / 2 * 128 + 64
                        } else {
                            offset
                        };
                        format!("10.{second}.{third}.{offset}/{}", self.rng.u8(26..29))
                    }
                };
                subnets.push(Subnet {
                    id: format!("subnet-{letter}{nth}"),
                    vpc: id.clone(),
                    zone: format!("{region}{}", if self.rng.bool() { 'a' } else { 'b' }),
                    cidr,
                    free_addresses: 9,
                });
            }
            self.lots.push(Lot {
                region,
                letter,
                id,
                cidrs,
                subnets,
            });
        }
        for second in 1..amount {
            for first in 0..second {
                // Of three, two are often joined by the third alone.
                if amount == 3 && (first, second) == (0, 1) && self.rng.bool() {
                    continue;
                }
                let apart = self.lots[first].region != self.lots[second].region;
                let active = !self.one_in(6);
                // VPCs whose blocks overlap can't be peered, and a transit gateway is of one region.
                if overlap && (first, second) == (0, 1) {
                    if !apart {
                        self.joints
                            .push((first, second, Joint::TransitGateway { available: active }));
                    }
                } else if apart || self.rng.bool() {
                    self.joints.push((first, second, Joint::Peering { active }));
                } else {
                    self.joints
                        .push((first, second, Joint::TransitGateway { available: active }));
                }
            }
        }
    }

    fn regions(&mut self) -> BTreeMap<String, Network> {
        let mut regions = BTreeMap::new();
        for region in REGIONS {
            let lots: Vec<Lot> = self.lots.iter().filter(|lot| lot.region == region).cloned().collect();
            if lots.is_empty() {
                continue;
            }
            let mut network = Network {
                vpcs: fact(Vec::new()),
                subnets: fact(Vec::new()),
                route_tables: fact(Vec::new()),
                network_acls: fact(Vec::new()),
                security_groups: fact(Vec::new()),
                prefix_lists: fact((0..LISTS).map(|nth| self.prefix_list(region, nth)).collect()),
                peerings: fact(Vec::new()),
                transit_gateway_attachments: fact(Vec::new()),
                endpoints: fact(Vec::new()),
                stale_groups: BTreeSet::new(),
            };
            for lot in &lots {
                found_mut(&mut network.vpcs).push(Vpc {
                    id: lot.id.clone(),
                    cidrs: lot.cidrs.clone(),
                    ..Vpc::default()
                });
                found_mut(&mut network.subnets).extend(lot.subnets.clone());
                let acls = self.acls(lot);
                found_mut(&mut network.network_acls).extend(acls);
                let groups: Vec<_> = (0..GROUPS).map(|number| self.group(lot, number)).collect();
                found_mut(&mut network.security_groups).extend(groups);
                let tables = self.tables(lot, &mut network.prefix_lists);
                found_mut(&mut network.route_tables).extend(tables);
            }
            self.joined(region, &mut network);
            regions.insert(region.to_owned(), network);
        }
        regions
    }

    /// What one region tells of the joints.
    fn joined(&mut self, region: &str, network: &mut Network) {
        let side = |lot: &Lot, cidrs: &[String]| PeeringSide {
            vpc: lot.id.clone(),
            region: lot.region.to_owned(),
            account: "123456789012".to_owned(),
            cidrs: cidrs.to_vec(),
        };
        for (number, (first, second, joint)) in self.joints.clone().into_iter().enumerate() {
            let (first, second) = (self.lots[first].clone(), self.lots[second].clone());
            match joint {
                Joint::Peering { active } if first.region == region || second.region == region => {
                    found_mut(&mut network.peerings).push(Peering {
                        id: format!("pcx-{number}"),
                        status: if active { "active" } else { "pending-acceptance" }.to_owned(),
                        requester: side(&first, &first.cidrs),
                        accepter: side(&second, if active { &second.cidrs } else { &[] }),
                        owner: Owner::Foreign,
                    });
                }
                Joint::TransitGateway { available } if first.region == region => {
                    for lot in [first.clone(), second.clone()] {
                        let subnets = self.attached(&lot);
                        found_mut(&mut network.transit_gateway_attachments).push(TransitGatewayAttachment {
                            id: format!("tgw-attach-{number}{}", lot.letter),
                            gateway: format!("tgw-{number}"),
                            vpc: lot.id.clone(),
                            subnets,
                            state: if available { "available" } else { "pendingAcceptance" }.to_owned(),
                        });
                    }
                }
                Joint::Peering { .. } | Joint::TransitGateway { .. } => {}
            }
        }
    }

    /// Subnets for an attachment to a transit gateway: one in each zone, mostly.
    fn attached(&mut self, lot: &Lot) -> Vec<String> {
        let mut subnets = lot.subnets.clone();
        self.rng.shuffle(&mut subnets);
        let mut zones = BTreeSet::new();
        subnets.retain(|subnet| zones.insert(subnet.zone.clone()));
        if subnets.len() > 1 && self.rng.bool() {
            subnets.pop();
        }
        subnets.into_iter().map(|subnet| subnet.id).collect()
    }

    /// A block that may matter: of a subnet, a part of one, of more, or of nothing here.
    fn cidr(&mut self) -> String {
        let lot = self.rng.usize(..self.lots.len());
        let subnets = self.lots[lot].subnets.clone();
        let subnet = block(&self.pick(&subnets).cidr).expect("IPv4");
        let first = u32::from(subnet.network());
        let size = 1u32 << (32 - subnet.prefix_len());
        let inside = Ipv4Addr::from(first + self.rng.u32(RESERVED..size - 1));
        match self.rng.u8(..16) {
            0..5 => subnet.to_string(),
            5 | 6 => format!("{}/{}", subnet.network(), subnet.prefix_len() + 1),
            7 => format!("{}/{}", Ipv4Addr::from(first + size / 2), subnet.prefix_len() + 1),
            8 => format!("{inside}/32"),
            9 => format!("{inside}/{}", self.rng.u8(29..32)),
            10 | 11 => self.lots[lot].cidrs[0].clone(),
            12 => "10.0.0.0/8".to_owned(),
            13 => "0.0.0.0/0".to_owned(),
            14 => "::/0".to_owned(),
            _ => NOWHERE.to_owned(),
        }
    }

    fn ports(&mut self) -> Option<(u16, u16)> {
        let port = self.port;
        match self.rng.u8(..12) {
            0..3 => Some((port, port)),
            3 => Some((9092, 9098)),
            4 => Some((1024, 65535)),
            5 => Some((32768, 60999)),
            6 => Some((0, 65535)),
            7 => Some((0, port - 1)),
            8 => Some((port + 1, 65535)),
            9 => {
                let first = self.rng.u16(1024..60000);
                Some((first, first + self.rng.u16(..5000)))
            }
            _ => None,
        }
    }

    fn protocol(&mut self, words: bool) -> String {
        let numbers = ["-1", "-1", "6", "6", "6", "6", "17", "1"];
        let named = ["-1", "-1", "tcp", "tcp", "tcp", "6", "udp", "icmp"];
        self.pick(if words { &named } else { &numbers }).to_owned()
    }

    fn prefix_list(&mut self, region: &str, number: usize) -> PrefixList {
        let mut cidrs: Vec<String> = (0..self.rng.usize(2..5)).map(|_| self.cidr()).collect();
        if self.rng.bool() {
            cidrs.insert(0, NOWHERE.to_owned());
        }
        PrefixList {
            id: list_id(region, number),
            cidrs,
        }
    }

    /// A VPC's default network ACL, and those of its own that some subnets have.
    fn acls(&mut self, lot: &Lot) -> Vec<NetworkAcl> {
        let mut acls = vec![self.acl(lot, format!("acl-{}", lot.letter), None)];
        for (number, subnet) in lot.subnets.iter().enumerate() {
            if self.rng.bool() {
                acls.push(self.acl(lot, format!("acl-{}{number}", lot.letter), Some(subnet)));
            }
        }
        acls
    }

    fn acl(&mut self, lot: &Lot, id: String, subnet: Option<&Subnet>) -> NetworkAcl {
        let mut entries = Vec::new();
        // As it comes with the VPC.
        let is_plain = self.rng.u8(..5) < 2;
        for egress in [false, true] {
            let mut numbers: Vec<u32> = (1..10).map(|number| number * 100).collect();
            self.rng.shuffle(&mut numbers);
            let amount = if is_plain {
                0
            } else {
                [0, 1, 1, 2, 3][self.rng.usize(..5)]
            };
            for number in numbers.into_iter().take(amount) {
                let allow = self.rng.u8(..5) < 3;
                entries.push(AclEntry {
                    number,
                    egress,
                    allow,
                    protocol: self.protocol(false),
                    cidr: self.cidr(),
                    ports: self.ports(),
                });
            }
            if is_plain || !self.one_in(8) {
                entries.push(AclEntry {
                    number: 1000,
                    egress,
                    allow: true,
                    protocol: if self.one_in(3) { "6" } else { "-1" }.to_owned(),
                    cidr: "0.0.0.0/0".to_owned(),
                    ports: None,
                });
            }
            entries.push(AclEntry {
                number: 32767,
                egress,
                allow: false,
                protocol: "-1".to_owned(),
                cidr: "0.0.0.0/0".to_owned(),
                ports: None,
            });
        }
        self.rng.shuffle(&mut entries);
        NetworkAcl {
            id,
            vpc: lot.id.clone(),
            default: subnet.is_none(),
            subnets: subnet.map(|subnet| subnet.id.clone()).into_iter().collect(),
            entries,
        }
    }

    fn group(&mut self, lot: &Lot, number: usize) -> SecurityGroup {
        let id = lot.group(number);
        let mut rules = Vec::new();
        for _ in 0..self.rng.usize(..4) {
            let egress = self.one_in(3);
            let (protocol, ports, peer) = (self.protocol(true), self.ports(), self.peer(lot));
            rules.push((egress, protocol, ports, peer));
        }
        // What most have, so that most can do something.
        if self.rng.u8(..5) > 0 {
            rules.push((true, "-1".to_owned(), None, RulePeer::Cidr("0.0.0.0/0".to_owned())));
        }
        if self.rng.u8(..5) > 0 {
            let peer = match self.rng.u8(..6) {
                0 => RulePeer::PrefixList(list_id(lot.region, self.rng.usize(..LISTS))),
                1 | 2 => RulePeer::Cidr("10.0.0.0/8".to_owned()),
                _ => self.peer(lot),
            };
            // And what somebody took for it.
            let (protocol, port) = match self.rng.u8(..10) {
                0 => ("udp", self.port),
                1 => ("tcp", self.port + 1),
                2 => ("6", self.port),
                _ => ("tcp", self.port),
            };
            rules.push((false, protocol.to_owned(), Some((port, port)), peer));
        }
        let rules = rules.into_iter().enumerate();
        let rules = rules.map(|(nth, (egress, protocol, ports, peer))| Rule {
            id: format!("sgr-{}{number}{nth}", lot.letter),
            egress,
            protocol,
            ports,
            peer,
            owner: Owner::Foreign,
        });
        SecurityGroup {
            vpc: lot.id.clone(),
            name: id.clone(),
            rules: rules.collect(),
            id,
            owner: Owner::Foreign,
        }
    }

    fn peer(&mut self, lot: &Lot) -> RulePeer {
        match self.rng.u8(..7) {
            0 | 1 => {
                let number = self.rng.usize(..GROUPS);
                RulePeer::Group(lot.group(number))
            }
            2 | 3 => {
                // Rules that name a group of another VPC are there whether they match or not.
                let (other, number) = (self.rng.usize(..self.lots.len()), self.rng.usize(..GROUPS));
                RulePeer::Group(self.lots[other].group(number))
            }
            4 => RulePeer::PrefixList(list_id(lot.region, self.rng.usize(..LISTS))),
            _ => RulePeer::Cidr(self.cidr()),
        }
    }

    /// A VPC's main route table, and those of its own that some subnets have.
    fn tables(&mut self, lot: &Lot, lists: &mut Fact<Vec<PrefixList>>) -> Vec<RouteTable> {
        let mut tables = vec![self.table(lot, format!("rtb-{}", lot.letter), None, lists)];
        for (number, subnet) in lot.subnets.iter().enumerate() {
            if self.rng.bool() {
                tables.push(self.table(lot, format!("rtb-{}{number}", lot.letter), Some(subnet), lists));
            }
        }
        tables
    }

    fn table(
        &mut self,
        lot: &Lot,
        id: String,
        subnet: Option<&Subnet>,
        lists: &mut Fact<Vec<PrefixList>>,
    ) -> RouteTable {
        let mut routes = Routes::default();
        for cidr in &lot.cidrs {
            routes.add(cidr, "local", true);
        }
        for (number, (first, second, joint)) in self.joints.clone().into_iter().enumerate() {
            let (first, second) = (self.lots[first].clone(), self.lots[second].clone());
            let other = match (first.id == lot.id, second.id == lot.id) {
                (true, _) => second,
                (_, true) => first,
                _ => continue,
            };
            // What some believe that is joined to the other is joined to this one.
            let beyond: Vec<Lot> = self
                .lots
                .iter()
                .filter(|it| it.id != lot.id && it.id != other.id)
                .cloned()
                .collect();
            let (target, active) = match joint {
                Joint::Peering { active } => (format!("pcx-{number}"), active),
                Joint::TransitGateway { available: true } => (format!("tgw-{number}"), true),
                // EC2 takes no route to it.
                Joint::TransitGateway { available: false } => continue,
            };
            self.routes_to(&other, lot.region, &mut routes, lists, (&target, active));
            for lot in beyond {
                if self.one_in(3) {
                    for cidr in &lot.cidrs {
                        routes.add(cidr, &target, active);
                    }
                }
            }
        }
        match self.rng.u8(..8) {
            0 => routes.add("0.0.0.0/0", "nat-1", true),
            1 => routes.add("0.0.0.0/0", "igw-1", true),
            2 => routes.add("0.0.0.0/0", "nat-1", false),
            _ => {}
        }
        // Routes inside the VPC are those of appliances, for a whole subnet.
        let rare = if self.lots.len() == 1 { 4 } else { 12 };
        if self.one_in(rare) {
            let (inside, active) = (self.pick(&lot.subnets).cidr, self.rng.bool());
            routes.add(&inside, "eni-1", active);
        }
        if self.one_in(10) {
            let (cidr, active) = (self.cidr(), self.rng.bool());
            if !cidr.contains(':') && !is_within(&cidr, &lot.cidrs) {
                routes.add(&cidr, "pcx-gone", active && cidr == NOWHERE);
            }
        }
        if self.one_in(4) {
            let inside = self.pick(&lot.subnets).cidr;
            let cidr = if self.rng.bool() { inside } else { self.cidr() };
            if !cidr.contains(':') {
                routes.add_propagated(&cidr);
            }
        }
        self.rng.shuffle(&mut routes.0);
        RouteTable {
            id,
            vpc: lot.id.clone(),
            main: subnet.is_none(),
            subnets: subnet.map(|subnet| subnet.id.clone()).into_iter().collect(),
            routes: routes.0,
        }
    }

    /// Routes to another VPC, in one of the ways in which people write them, or none.
    fn routes_to(
        &mut self,
        other: &Lot,
        region: &str,
        routes: &mut Routes,
        lists: &mut Fact<Vec<PrefixList>>,
        (target, active): (&str, bool),
    ) {
        match self.rng.u8(..10) {
            0..6 => {
                for cidr in &other.cidrs {
                    routes.add(cidr, target, active);
                }
            }
            6 => routes.add("10.0.0.0/8", target, active),
            7 => {
                for subnet in &other.subnets {
                    if !self.one_in(6) {
                        routes.add(&subnet.cidr, target, active);
                    }
                }
            }
            8 => {
                // One route of a list a table: between equal blocks of two lists AWS chooses at random.
                let lists = found_mut(lists);
                let id = list_id(region, lists.len());
                if !routes.0.iter().any(|route| route.destination.starts_with("pl-")) {
                    routes.add(&id, target, active);
                    lists.push(PrefixList {
                        id,
                        cidrs: [&[NOWHERE.to_owned()], other.cidrs.as_slice()].concat(),
                    });
                }
            }
            _ => {}
        }
    }

    /// Functions and brokers.
    fn hosts(&mut self) -> Vec<Host> {
        let mut hosts = Vec::new();
        // Functions are in the first VPC, brokers mostly in the second, where there is one.
        let other = usize::from(self.lots.len() > 1 && !self.one_in(6));
        for (listens, amount) in [(false, 2), (true, 2)] {
            for nth in 0..amount {
                let lot = self.lots[if listens { other } else { 0 }].clone();
                let mut groups: Vec<String> = (0..GROUPS).map(|number| lot.group(number)).collect();
                self.rng.shuffle(&mut groups);
                groups.truncate(self.rng.usize(1..3));
                let subnet = self.pick(&lot.subnets);
                hosts.push(Host {
                    name: format!("{}{nth}", if listens { "broker" } else { "function" }),
                    region: lot.region.to_owned(),
                    vpc: lot.id,
                    subnet: subnet.id,
                    groups,
                    addresses: Vec::new(),
                    is_known: if listens { !self.one_in(5) } else { self.one_in(3) },
                    listens,
                });
            }
        }
        hosts
    }

    /// Addresses of the hosts: those at which something begins or ends before others.
    fn addresses(&mut self, topology: &mut Topology) {
        let blocks = topology.blocks();
        for number in 0..topology.hosts.len() {
            let host = topology.hosts[number].clone();
            let range = usable(topology.subnet(&host.subnet));
            let mut edges: BTreeSet<u32> = BTreeSet::from([*range.start(), *range.end()]);
            for net in &blocks {
                let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
                edges.extend([first.wrapping_sub(1), first, last, last.wrapping_add(1)]);
            }
            let mut addresses: Vec<Ipv4Addr> = edges.into_iter().map(Ipv4Addr::from).collect();
            addresses.retain(|address| topology.is_free(&host, *address));
            self.rng.shuffle(&mut addresses);
            let free: Vec<Ipv4Addr> = range.map(Ipv4Addr::from).collect();
            let free: Vec<Ipv4Addr> = free.into_iter().filter(|any| topology.is_free(&host, *any)).collect();
            let any = self.pick(&free);
            addresses.retain(|address| *address != any);
            addresses.insert(0, any);
            addresses.truncate(if host.is_known { 1 } else { ADDRESSES });
            topology.hosts[number].addresses = addresses;
        }
    }
}

/// Routes of one table: one static for each destination.
#[derive(Default)]
struct Routes(Vec<Route>);

impl Routes {
    fn add(&mut self, destination: &str, target: &str, active: bool) {
        let destination = block_or_list(destination);
        let mut taken = self.0.iter().filter(|route| !route.propagated);
        if !taken.any(|route| route.destination == destination) {
            self.push(destination, target, active, false);
        }
    }

    fn add_propagated(&mut self, destination: &str) {
        self.push(block_or_list(destination), "vgw-1", true, true);
    }

    fn push(&mut self, destination: String, target: &str, active: bool, propagated: bool) {
        self.0.push(Route {
            destination,
            target: target.to_owned(),
            active,
            propagated,
            owner: Owner::Foreign,
        });
    }
}

/// EC2 clears the bits beyond a route's prefix.
fn block_or_list(destination: &str) -> String {
    if destination.starts_with("pl-") {
        return destination.to_owned();
    }
    block(destination).map_or_else(|| destination.to_owned(), |net| net.to_string())
}

fn is_within(cidr: &str, cidrs: &[String]) -> bool {
    let inner = block(cidr).expect("IPv4");
    cidrs
        .iter()
        .filter_map(|cidr| block(cidr))
        .any(|net| net.contains(&inner))
}

fn list_id(region: &str, number: usize) -> String {
    format!("pl-{}{number}", &region[..2])
}

fn fact<T>(value: Vec<T>) -> Fact<Vec<T>> {
    Fact::Found { value }
}

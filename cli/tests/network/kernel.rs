//! A topology as the kernel is told it: namespaces, links, routes and filters. It reads the facts with eyes of its own, shares nothing with the
//! engine, and says what AWS documents in the words of Linux.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write as _};
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use k2m::facts::network::{NetworkAcl, Peering, Route, Rule, RulePeer, Subnet, TransitGatewayAttachment, Vpc};
use serde::Serialize;

use crate::topology::{Host, Topology, found};

/// The table that leads to a VPC's own subnets.
const LOCAL_TABLE: usize = 50;
/// The table of the first subnet.
const FIRST_TABLE: usize = 100;

/// What to build.
#[derive(Debug, Serialize)]
pub(crate) struct Build {
    spaces: Vec<Space>,
    /// For `ip -batch`, outside all of them; `@name@` is a namespace.
    wires: String,
}

/// A namespace and what is in it.
#[derive(Debug, Default, Serialize)]
struct Space {
    name: String,
    settings: BTreeMap<&'static str, &'static str>,
    /// For `ip -batch`.
    ip: String,
    /// For `nft -f`.
    nft: String,
    listen: Option<u16>,
}

impl Space {
    fn host(name: &str) -> Self {
        // A packet is dropped by filters and by missing routes alone.
        let settings = BTreeMap::from([("conf/all/rp_filter", "0"), ("conf/default/rp_filter", "0")]);
        Self {
            name: name.to_owned(),
            settings,
            ..Self::default()
        }
    }

    fn router(name: &str) -> Self {
        let mut space = Self::host(name);
        space.settings.insert("ip_forward", "1");
        space.ip("link set lo up");
        space
    }

    fn ip(&mut self, line: impl AsRef<str>) {
        self.ip.push_str(line.as_ref());
        self.ip.push('\n');
    }
}

impl Display for Build {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "# links\n{}", self.wires)?;
        for space in &self.spaces {
            let Space {
                name,
                settings,
                ip,
                nft,
                listen,
            } = space;
            writeln!(f, "# {name} {settings:?} {listen:?}\n{ip}\n{nft}")?;
        }
        Ok(())
    }
}

/// A link between two routers, `/30`.
struct Link {
    number: usize,
    name: String,
}

impl Link {
    fn new(number: usize) -> Self {
        Self {
            number,
            name: format!("link{number}"),
        }
    }

    fn address(&self, second: bool) -> String {
        format!("169.254.{}.{}", self.number, if second { 2 } else { 1 })
    }

    /// Gives a router its end.
    fn end(&self, space: &mut Space, second: bool) {
        space.ip(format!("addr add {}/30 dev {}", self.address(second), self.name));
        space.ip(format!("link set {} up", self.name));
    }

    /// The way over it, seen from one end.
    fn way(&self, second: bool) -> String {
        format!("via {} dev {} onlink", self.address(!second), self.name)
    }
}

/// Where a router can send things to besides its subnets: how it is written in a route, by target, and for which subnets.
struct Gateway {
    target: String,
    way: String,
    /// Zones from which it is reached; absent for all.
    zones: Option<Vec<String>>,
}

struct Builder<'a> {
    topology: &'a Topology,
    spaces: Vec<Space>,
    wires: String,
    /// Per VPC.
    gateways: BTreeMap<&'a str, Vec<Gateway>>,
    /// Per VPC: filters of links.
    link_filters: BTreeMap<&'a str, String>,
    /// Per VPC: links to transit gateways.
    attachments: BTreeMap<&'a str, Vec<(String, &'a TransitGatewayAttachment)>>,
    /// Per VPC: the ends of links, for the router.
    link_ends: BTreeMap<&'a str, Vec<(Link, bool)>>,
    links: usize,
}

/// Compiles it.
pub(crate) fn build(topology: &Topology) -> Build {
    let mut builder = Builder {
        topology,
        spaces: Vec::new(),
        wires: String::new(),
        gateways: BTreeMap::new(),
        link_filters: BTreeMap::new(),
        attachments: BTreeMap::new(),
        link_ends: BTreeMap::new(),
        links: 0,
    };
    for peering in topology.peerings() {
        builder.peering(peering);
    }
    for attachments in topology.transit_gateways().values() {
        builder.transit_gateway(attachments);
    }
    for (region, vpc) in topology.vpcs() {
        builder.vpc(region, vpc);
    }
    for host in &topology.hosts {
        builder.host(host);
    }
    Build {
        spaces: builder.spaces,
        wires: builder.wires,
    }
}

fn router(vpc: &str) -> String {
    format!("router of {vpc}")
}

impl<'a> Builder<'a> {
    fn wire(&mut self, first: (&str, &str), second: (&str, &str)) {
        let ((space, name), (other_space, other_name)) = (first, second);
        // Writing to a string does not fail.
        let _ = writeln!(
            self.wires,
            "link add {name} netns @{space}@ type veth peer name {other_name} netns @{other_space}@"
        );
    }

    /// A link that carries only what goes from one of the two VPCs to the other; none where the connection isn't active.
    fn peering(&mut self, peering: &'a Peering) {
        if peering.status != "active" {
            return;
        }
        self.links += 1;
        let sides = [&peering.requester.vpc, &peering.accepter.vpc];
        let name = Link::new(self.links).name;
        self.wire((&router(sides[0]), &name), (&router(sides[1]), &name));
        for (second, vpc, other) in [(false, sides[0], sides[1]), (true, sides[1], sides[0])] {
            let link = Link::new(self.links);
            self.gateways.entry(vpc).or_default().push(Gateway {
                target: peering.id.clone(),
                way: link.way(second),
                zones: None,
            });
            let [own, other] = [vpc, other].map(|vpc| self.topology.cidrs_of(vpc));
            let filters = self.link_filters.entry(vpc).or_default();
            for (side, from, to) in [("iifname", &other, &own), ("oifname", &own, &other)] {
                let _ = writeln!(filters, "{side} {name} ip saddr != {{ {} }} drop", from.join(", "));
                let _ = writeln!(filters, "{side} {name} ip daddr != {{ {} }} drop", to.join(", "));
            }
            self.link_ends.entry(vpc).or_default().push((link, second));
        }
    }

    /// A router that knows the blocks of all VPCs that are attached to it.
    fn transit_gateway(&mut self, attachments: &[&'a TransitGatewayAttachment]) {
        let Some(gateway) = attachments.first().map(|attachment| &attachment.gateway) else {
            return;
        };
        let mut space = Space::router(gateway);
        for (number, attachment) in attachments.iter().enumerate() {
            if attachment.state != "available" {
                continue;
            }
            self.links += 1;
            let link = Link::new(self.links);
            let vpc = attachment.vpc.as_str();
            self.wire((&router(vpc), &link.name), (gateway, &link.name));
            link.end(&mut space, true);
            for cidr in self.topology.cidrs_of(vpc) {
                // Of two VPCs with the same block the first has it.
                space.ip(format!("route add {cidr} {} metric {}", link.way(true), number + 1));
            }
            let zones = attachment
                .subnets
                .iter()
                .map(|id| self.topology.subnet(id).zone.clone());
            self.gateways.entry(vpc).or_default().push(Gateway {
                target: gateway.clone(),
                way: link.way(false),
                zones: Some(zones.collect()),
            });
            let attached = (link.name.clone(), *attachment);
            self.attachments.entry(vpc).or_default().push(attached);
            self.link_ends.entry(vpc).or_default().push((link, false));
        }
        self.spaces.push(space);
    }

    /// A router with a bridge for each subnet, so that what stays inside one meets neither route nor filter.
    fn vpc(&mut self, region: &str, vpc: &Vpc) {
        let network = &self.topology.regions[region];
        let mut space = Space::router(&router(&vpc.id));
        let mut forward = String::new();
        let mut acls = String::new();
        for acl in found(&network.network_acls).iter().filter(|acl| acl.vpc == vpc.id) {
            acls.push_str(&acl_chains(acl));
        }
        for rule in [
            // A subnet's own table first. What it keeps in the VPC it throws, and only that is looked up next.
            "rule del priority 32766",
            "rule del priority 32767",
            "rule add priority 400 unreachable",
        ] {
            space.ip(rule);
        }
        space.ip(format!("rule add priority 300 iif lo lookup {LOCAL_TABLE}"));
        for (link, second) in self.link_ends.remove(vpc.id.as_str()).unwrap_or_default() {
            link.end(&mut space, second);
            space.ip(format!("rule add priority 200 iif {} lookup {LOCAL_TABLE}", link.name));
        }
        let subnets = found(&network.subnets).iter().filter(|subnet| subnet.vpc == vpc.id);
        for (number, subnet) in subnets.enumerate() {
            let bridge = bridge(number);
            let cidr: Ipv4Net = block(&subnet.cidr).expect("IPv4");
            let table = FIRST_TABLE + number;
            space.ip(format!("link add {bridge} type bridge"));
            space.ip(format!("addr add {}/{} dev {bridge}", gateway(cidr), cidr.prefix_len()));
            space.ip(format!("link set {bridge} up"));
            space.ip(format!("route add {cidr} dev {bridge} table {LOCAL_TABLE}"));
            space.ip(format!("rule add priority 100 iif {bridge} lookup {table}"));
            space.ip(format!("rule add priority 200 iif {bridge} lookup {LOCAL_TABLE}"));
            // Everything else ends here, and is not looked up next.
            space.ip(format!("route add unreachable default metric 9 table {table}"));
            for line in self.routes(region, vpc, subnet) {
                space.ip(format!("{line} table {table}"));
            }
            // Where bridged packets pass filters too.
            let _ = writeln!(forward, "iifname {bridge} oifname {bridge} accept");
            forward.push_str(&self.at_transit_gateways(region, subnet, &bridge));
            let acl = self.topology.acl_of(region, subnet);
            let _ = writeln!(forward, "iifname {bridge} jump {}", chain(acl, true));
            let _ = writeln!(forward, "oifname {bridge} jump {}", chain(acl, false));
        }
        for (number, host) in self.topology.hosts.iter().enumerate() {
            if host.vpc == vpc.id {
                let port = port(number);
                space.ip(format!(
                    "link set {port} master {}",
                    bridge(self.position(region, &host.subnet))
                ));
                space.ip(format!("link set {port} up"));
            }
        }
        let filters = self.link_filters.remove(vpc.id.as_str()).unwrap_or_default();
        // Nothing here asks for the state of a connection, so none is kept.
        space.nft = format!(
            "table inet acl {{\n{acls}chain forward {{\ntype filter hook forward priority 0; policy accept;\n{filters}{forward}}}\n}}\n"
        );
        self.spaces.push(space);
    }

    /// Network ACLs of subnets that hold a transit gateway's interfaces, for what passes between it and this subnet.
    fn at_transit_gateways(&self, region: &str, subnet: &Subnet, bridge: &str) -> String {
        let mut text = String::new();
        for (link, attachment) in self.attachments.get(subnet.vpc.as_str()).into_iter().flatten() {
            let mut attached = attachment.subnets.iter().map(|id| self.topology.subnet(id));
            // AWS takes any of them where the zone has none.
            let near = attached.clone().find(|other| other.zone == subnet.zone);
            let Some(near) = near.or_else(|| attached.next()) else {
                continue;
            };
            let acl = self.topology.acl_of(region, near);
            // Inbound entries are asked about packets towards the gateway, with the address that they come from.
            let _ = writeln!(text, "iifname {bridge} oifname {link} jump {}", chain(acl, false));
            if near.id == subnet.id {
                // What comes from the gateway to the subnet that it is in is asked nothing.
                let _ = writeln!(text, "iifname {link} oifname {bridge} accept");
            } else {
                let _ = writeln!(text, "iifname {link} oifname {bridge} jump {}", chain(acl, true));
            }
        }
        text
    }

    fn position(&self, region: &str, subnet: &str) -> usize {
        let vpc = &self.topology.subnet(subnet).vpc;
        let mut subnets = found(&self.topology.regions[region].subnets)
            .iter()
            .filter(|other| &other.vpc == vpc);
        subnets.position(|other| other.id == subnet).expect("made with it")
    }

    /// The routes of the subnet's table.
    fn routes(&self, region: &str, vpc: &Vpc, subnet: &Subnet) -> Vec<String> {
        let table = self.topology.table_of(region, subnet);
        let mut lines = Vec::new();
        for route in &table.routes {
            let by_list = route.destination.starts_with("pl-");
            for net in self.nets(region, &route.destination) {
                let kept = vpc.cidrs.iter().filter_map(|cidr| block(cidr));
                // The local route wins over propagated ones even where they are longer.
                if route.propagated && kept.into_iter().any(|local| local.contains(&net)) {
                    continue;
                }
                // Between equal blocks the lowest wins: local, static, of a prefix list, propagated.
                let metric = match (route.target.as_str(), by_list, route.propagated) {
                    ("local", ..) => 1,
                    (_, false, false) => 2,
                    (_, true, _) => 3,
                    (_, false, true) => 4,
                };
                lines.push(self.route(&vpc.id, subnet, route, net, metric));
            }
        }
        lines
    }

    fn route(&self, vpc: &str, subnet: &Subnet, route: &Route, net: Ipv4Net, metric: usize) -> String {
        if route.target == "local" {
            return format!("route add throw {net} metric {metric}");
        }
        if !route.active {
            return format!("route add blackhole {net} metric {metric}");
        }
        let gateway = self.gateways.get(vpc).into_iter().flatten().find(|gateway| {
            let zones = gateway.zones.as_ref();
            gateway.target == route.target && zones.is_none_or(|zones| zones.contains(&subnet.zone))
        });
        match gateway {
            Some(gateway) => format!("route add {net} {} metric {metric}", gateway.way),
            // To the Internet, a data centre, an appliance: nothing of that is here.
            None => format!("route add prohibit {net} metric {metric}"),
        }
    }

    /// The IPv4 blocks of a route's destination.
    fn nets(&self, region: &str, destination: &str) -> Vec<Ipv4Net> {
        if destination.starts_with("pl-") {
            self.topology.listed(region, destination)
        } else {
            block(destination).into_iter().collect()
        }
    }

    /// A network interface with its security groups.
    fn host(&mut self, host: &'a Host) {
        let number = self.topology.number_of(host);
        self.wire((&router(&host.vpc), &port(number)), (&host.name, "eth0"));
        let cidr = block(&self.topology.subnet(&host.subnet).cidr).expect("IPv4");
        let mut space = Space::host(&host.name);
        for address in &host.addresses {
            space.ip(format!("addr add {address}/{} dev eth0", cidr.prefix_len()));
        }
        space.ip("link set eth0 up");
        space.ip(format!("route add default via {}", gateway(cidr)));
        let mut rules = [String::new(), String::new()];
        for group in &host.groups {
            for rule in &self.topology.group(&host.region, group).rules {
                for line in self.rule(host, group, rule) {
                    rules[usize::from(rule.egress)].push_str(&line);
                }
            }
        }
        for (hook, rules) in ["input", "output"].into_iter().zip(rules) {
            let _ = write!(
                space.nft,
                "table inet groups {{\nchain {hook} {{\ntype filter hook {hook} priority 0; policy drop;\n\
                 ct state established,related accept\n{rules}}}\n}}\n"
            );
        }
        space.listen = host.listens.then_some(self.topology.port);
        self.spaces.push(space);
    }

    /// The lines of a rule of a security group.
    fn rule(&self, host: &Host, group: &str, rule: &Rule) -> Vec<String> {
        let side = if rule.egress { "daddr" } else { "saddr" };
        let peers: Vec<String> = match &rule.peer {
            RulePeer::Cidr(cidr) => vec![cidr_match(cidr, side)],
            RulePeer::PrefixList(id) => self
                .topology
                .listed(&host.region, id)
                .iter()
                .map(|net| cidr_match(&net.to_string(), side))
                .collect(),
            RulePeer::Group(id) => self
                .topology
                .members(group, id)
                .iter()
                .map(|address| format!("ip {side} {address}"))
                .collect(),
        };
        let protocol = protocol(&rule.protocol, rule.ports);
        peers.iter().map(|peer| format!("{peer} {protocol} accept\n")).collect()
    }
}

fn bridge(number: usize) -> String {
    format!("subnet{number}")
}

fn port(number: usize) -> String {
    format!("host{number}")
}

/// The router's address in a subnet: AWS keeps it for itself.
fn gateway(cidr: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(cidr.network()) + 1)
}

fn chain(acl: &NetworkAcl, egress: bool) -> String {
    // A name must not be quoted, nor hold a dash.
    format!("{}_{}", acl.id.replace('-', "_"), if egress { "out" } else { "in" })
}

/// Both directions of a network ACL: entries by number, and the last refuses.
fn acl_chains(acl: &NetworkAcl) -> String {
    let mut text = String::new();
    for (egress, side) in [(false, "saddr"), (true, "daddr")] {
        let mut entries: Vec<_> = acl.entries.iter().filter(|entry| entry.egress == egress).collect();
        entries.sort_by_key(|entry| entry.number);
        let _ = writeln!(text, "chain {} {{", chain(acl, egress));
        for entry in entries {
            let verdict = if entry.allow { "return" } else { "drop" };
            let (peer, protocol) = (cidr_match(&entry.cidr, side), protocol(&entry.protocol, entry.ports));
            let _ = writeln!(text, "{peer} {protocol} {verdict}");
        }
        text.push_str("drop\n}\n");
    }
    text
}

/// An IPv4 block without bits beyond its prefix.
pub(crate) fn block(cidr: &str) -> Option<Ipv4Net> {
    match cidr.parse().expect("a CIDR block") {
        IpNet::V4(net) => Some(net.trunc()),
        IpNet::V6(_) => None,
    }
}

fn cidr_match(cidr: &str, side: &str) -> String {
    match block(cidr) {
        // `nft` has no word for it.
        Some(net) if net.prefix_len() == 0 => "meta nfproto ipv4".to_owned(),
        Some(net) => format!("ip {side} {net}"),
        None => "meta nfproto ipv6".to_owned(),
    }
}

fn protocol(protocol: &str, ports: Option<(u16, u16)>) -> String {
    let name = match protocol {
        "-1" => return String::new(),
        "6" | "tcp" => "tcp",
        "17" | "udp" => "udp",
        "1" | "icmp" => return "meta l4proto icmp".to_owned(),
        other => panic!("{other}: no such protocol is made here"),
    };
    match ports {
        None | Some((0, u16::MAX)) => format!("meta l4proto {name}"),
        Some((first, last)) => format!("{name} dport {first}-{last}"),
    }
}

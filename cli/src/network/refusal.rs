//! Why a hop refuses: the very rule, entry, route or gateway, what of the connection it stops, and in words the next step.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use ipnet::Ipv4Net;
use serde::Serialize;
use thiserror::Error;

use super::acls::FINAL_ENTRY;
use super::proof::list;

/// TCP packets: addresses of the other side and destination ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// The other side's addresses, as the fewest blocks.
    pub cidrs: Vec<Ipv4Net>,
    /// The destination ports.
    pub ports: PortRange,
}

/// Ports from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

/// What one entry of a network ACL denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    /// The entry's number; 32767 is the final one, which denies what no other matched.
    pub entry: u32,
    /// What it denies.
    pub blocked: Vec<Flow>,
}

/// A rule that names a group of the other side, and yet matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unhonoured {
    /// The rule's id.
    pub rule: String,
    /// The security group that it names.
    pub group: String,
    /// Why it matches nothing.
    pub reason: GroupLimit,
}

/// Why rules that name a group of the other side match nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum GroupLimit {
    /// The other side is in another region.
    OtherRegion,
    /// The other side is in another VPC, and no active peering connection joins them.
    NoActivePeering,
    /// Packets leave through a transit gateway, which honours such rules for what comes in at most.
    OutThroughTransitGateway {
        /// The transit gateway's id.
        gateway: String,
    },
    /// Packets pass something that forwards them.
    Forwarded {
        /// Its id.
        by: String,
    },
}

/// What could carry packets to where they are meant for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Link {
    /// Both ends are in one VPC.
    Local,
    /// A peering connection or a transit gateway joins their VPCs.
    Gateway {
        /// Its id.
        id: String,
    },
    /// Nothing joins their VPCs: a peering connection would have to be made.
    Missing {
        /// Where packets begin.
        from: VpcIn,
        /// Where they are meant for.
        to: VpcIn,
    },
    /// Their VPCs have overlapping CIDR blocks, so that no peering connection can join them.
    Impossible {
        /// Where packets begin.
        from: VpcIn,
        /// Where they are meant for.
        to: VpcIn,
    },
    /// The facts don't say.
    Unsaid,
}

/// A VPC and its region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VpcIn {
    /// The VPC's id.
    pub vpc: String,
    /// Its region.
    pub region: String,
}

/// Why a hop refuses. The text ends with the next step.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Refusal {
    /// No rule of any of the security groups allows it.
    #[error("{}", no_rule(groups, *egress, blocked, *partly, unhonoured))]
    NoRule {
        /// Ids of the security groups.
        groups: Vec<String>,
        /// Whether it is about what leaves.
        egress: bool,
        /// What a rule is missing for.
        blocked: Vec<Flow>,
        /// Whether other parts of what must pass do.
        partly: bool,
        /// Rules that would allow it, if naming a group held here.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        unhonoured: Vec<Unhonoured>,
        /// Whether a rule has to be for CIDR blocks: what carries the packets honours none that names the other side's group, or none of which that is known.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        by_block: bool,
    },
    /// Entries of a network ACL deny it.
    #[error("{}", acl_denies(acl, *egress, denials, *partly, *answers))]
    AclDenies {
        /// The network ACL's id.
        acl: String,
        /// Whether it is about what leaves the subnet.
        egress: bool,
        /// Whether it is about answers, which may go to any ephemeral port.
        answers: bool,
        /// By entry, in the order of numbers.
        denials: Vec<Denial>,
        /// Whether other parts of what must pass do.
        partly: bool,
    },
    /// The route table leads nowhere.
    #[error("{table} has no route to {}; {}", some(blocked), add_route(link))]
    NoRoute {
        /// The route table's id.
        table: String,
        /// Addresses without a route.
        blocked: Vec<Ipv4Net>,
        /// Whether other addresses have one.
        partly: bool,
        /// What a route could lead to.
        link: Link,
    },
    /// The route's target is gone.
    #[error(
        "the route {destination} of {table} is a blackhole for {}: {target} is gone; replace or delete the route",
        some(blocked)
    )]
    Blackhole {
        /// The route table's id.
        table: String,
        /// The route's CIDR block or prefix list.
        destination: String,
        /// The target that is gone.
        target: String,
        /// Addresses that it swallows.
        blocked: Vec<Ipv4Net>,
        /// What a route could lead to.
        link: Link,
    },
    /// Answers to the internet don't get there.
    #[error(
        "{table} leads answers to the internet {}, and not to an internet gateway: add a route 0.0.0.0/0 to one",
        target.as_deref().map_or_else(|| "nowhere".to_owned(), |target| format!("to {target}"))
    )]
    NoInternetGateway {
        /// The route table's id.
        table: String,
        /// Where its default route leads, where it has one.
        target: Option<String>,
    },
    /// The addresses of two VPCs overlap, and what is meant for the other one stays in its own.
    #[error(
        "the route {destination} of {table} keeps {} inside {vpc}, but it is meant for {destination_vpc}: their CIDR blocks overlap; \
         use subnets in {destination_vpc} or a private endpoint",
        some(blocked)
    )]
    StaysLocal {
        /// The route table's id.
        table: String,
        /// The local route's CIDR block.
        destination: String,
        /// The VPC that it stays in.
        vpc: String,
        /// The VPC that it is meant for.
        destination_vpc: String,
        /// Addresses that overlap.
        blocked: Vec<Ipv4Net>,
    },
    /// The route leads to something that only leads to the internet, where private addresses lead nowhere.
    #[error(
        "the route {destination} of {table} leads {} to {target}, and {}; {}",
        some(blocked),
        only_internet(target),
        lead_instead(link)
    )]
    OnlyInternet {
        /// The route table's id.
        table: String,
        /// The route's CIDR block or prefix list.
        destination: String,
        /// The internet gateway, egress-only internet gateway or NAT gateway.
        target: String,
        /// Private addresses that it leads there.
        blocked: Vec<Ipv4Net>,
        /// What a route could lead to.
        link: Link,
    },
    /// The peering connection is not active.
    #[error("{}", not_active(peering, status, (accepter, accepter_account), (table, link)))]
    PeeringNotActive {
        /// The route table's id.
        table: String,
        /// The route's CIDR block or prefix list.
        destination: String,
        /// The peering connection's id.
        peering: String,
        /// Its status.
        status: String,
        /// The side that was asked, in whose region it is accepted.
        accepter: VpcIn,
        /// The account that accepts it.
        accepter_account: String,
        /// Addresses that the route leads to it.
        blocked: Vec<Ipv4Net>,
        /// What the route could lead to, where nothing makes this one active any more.
        link: Link,
    },
    /// The peering connection leads to another VPC, from where nothing leads on.
    #[error(
        "the route {destination} of {table} leads {} to {peering}, which leads to {vpc} and no further: peering is not transitive; {}",
        some(blocked),
        lead_instead(link)
    )]
    NotTransitive {
        /// The route table's id.
        table: String,
        /// The route's CIDR block or prefix list.
        destination: String,
        /// The peering connection's id.
        peering: String,
        /// The VPC that it leads to.
        vpc: String,
        /// Addresses that are meant for another one.
        blocked: Vec<Ipv4Net>,
        /// What a route could lead to.
        link: Link,
    },
    /// The addresses are none of the peer VPC's: its gateways can't be used from here.
    #[error(
        "the route {destination} of {table} leads {} to {peering}, but {vpc} at its other side has only {}, and its gateways can't be used \
         through a peering connection; lead the route to a gateway of this VPC",
        some(blocked),
        list(cidrs)
    )]
    NotOfPeer {
        /// The route table's id.
        table: String,
        /// The route's CIDR block or prefix list.
        destination: String,
        /// The peering connection's id.
        peering: String,
        /// The VPC that it leads to.
        vpc: String,
        /// What that VPC has.
        cidrs: Vec<Ipv4Net>,
        /// Addresses that it hasn't.
        blocked: Vec<Ipv4Net>,
    },
    /// CIDR blocks of the two VPCs overlap, which no peering connection can join.
    #[error(
        "{peering} can't join {vpc} ({cidr}) and {other_vpc} ({other_cidr}): their CIDR blocks overlap; use subnets in {other_vpc} or a private \
         endpoint"
    )]
    Overlap {
        /// The peering connection's id.
        peering: String,
        /// The one VPC.
        vpc: String,
        /// A block of it.
        cidr: Ipv4Net,
        /// The other VPC.
        other_vpc: String,
        /// A block of it that overlaps.
        other_cidr: Ipv4Net,
    },
    /// The VPC isn't attached to the transit gateway.
    #[error("{vpc} is not attached to {gateway}; attach it, with a subnet in the zone of {subnet}")]
    NotAttached {
        /// The transit gateway's id.
        gateway: String,
        /// The VPC's id.
        vpc: String,
        /// A subnet of it, whose zone must be among those of the attachment.
        subnet: String,
    },
    /// The attachment to the transit gateway carries nothing yet, or no more.
    #[error("{attachment}, of {vpc} to {gateway}, is {state}; {}", attachment_next(state))]
    AttachmentNotAvailable {
        /// The attachment's id.
        attachment: String,
        /// The transit gateway's id.
        gateway: String,
        /// The VPC's id.
        vpc: String,
        /// Its state.
        state: String,
    },
    /// The attachment has no subnet in the zone, and so nothing of that zone reaches the transit gateway.
    #[error(
        "{subnet} is in {zone}, where {attachment} to {gateway} has no subnet, so nothing there reaches the gateway; add {subnet} or another \
         subnet of {zone} to the attachment"
    )]
    ZoneNotAttached {
        /// The attachment's id.
        attachment: String,
        /// The transit gateway's id.
        gateway: String,
        /// The subnet's id.
        subnet: String,
        /// Its zone.
        zone: String,
    },
}

/// Most addresses of one route that are named.
const NAMED: usize = 3;

impl Refusal {
    /// What is missing or in the way, without whom it stops and without the next step: short enough for a line.
    pub fn in_short(&self) -> String {
        match self {
            Self::NoRule {
                groups,
                egress,
                blocked,
                partly,
                ..
            } => {
                let direction = if *egress { "egress" } else { "ingress" };
                let (groups, ports) = (list(groups), ports(blocked));
                if *partly {
                    format!("{direction} rules of {groups} allow tcp {ports} in part")
                } else {
                    format!("no {direction} rule of {groups} allows tcp {ports}")
                }
            }
            Self::AclDenies {
                acl,
                egress,
                denials,
                partly,
                ..
            } => {
                let direction = if *egress { "outbound" } else { "inbound" };
                match denials.first() {
                    Some(Denial { entry, blocked }) if *entry != FINAL_ENTRY => {
                        format!("{direction} entry {entry} of {acl} denies tcp {}", ports(blocked))
                    }
                    first => {
                        let ports = ports(first.map_or(&[][..], |denial| denial.blocked.as_slice()));
                        if *partly {
                            format!("{direction} entries of {acl} allow tcp {ports} in part")
                        } else {
                            format!("no {direction} entry of {acl} allows tcp {ports}")
                        }
                    }
                }
            }
            Self::NoRoute { table, blocked, .. } => format!("{table} has no route to {}", first(blocked, 1)),
            Self::Blackhole { table, destination, .. } => {
                format!("the route {destination} of {table} is a blackhole")
            }
            Self::StaysLocal {
                vpc, destination_vpc, ..
            } => format!("CIDR blocks of {vpc} and {destination_vpc} overlap"),
            Self::Overlap { vpc, other_vpc, .. } => format!("CIDR blocks of {vpc} and {other_vpc} overlap"),
            Self::OnlyInternet {
                table,
                destination,
                target,
                ..
            } => format!("the route {destination} of {table} leads to {target}"),
            Self::PeeringNotActive { peering, status, .. } => format!("the peering connection {peering} is {status}"),
            Self::NotTransitive {
                table,
                destination,
                peering,
                ..
            }
            | Self::NotOfPeer {
                table,
                destination,
                peering,
                ..
            } => format!("the route {destination} of {table} leads to {peering}"),
            Self::AttachmentNotAvailable { attachment, state, .. } => {
                format!("the attachment {attachment} is {state}")
            }
            Self::NoInternetGateway { table, .. } => format!("{table} leads no answers to an internet gateway"),
            Self::NotAttached { gateway, vpc, .. } => format!("{vpc} is not attached to {gateway}"),
            Self::ZoneNotAttached { attachment, zone, .. } => format!("{attachment} has no subnet in {zone}"),
        }
    }

    /// What is to be done about it, in words.
    pub fn next_step(&self) -> String {
        match self {
            Self::Blackhole { link, .. } => format!("{}: {}", self.in_short(), lead_instead(link)),
            Self::NoRoute {
                table,
                blocked,
                link: Link::Local | Link::Unsaid,
                ..
            } => format!("add a route to {} to {table}, along what leads there", some(blocked)),
            _ => {
                let said = self.to_string();
                let step = said.rsplit_once("; ").or_else(|| said.rsplit_once(": "));
                format!("{}: {}", self.in_short(), step.map_or(said.as_str(), |(_, step)| step))
            }
        }
    }

    /// This and another one as one, where the same route or gap in a route table stops both; each address stands once.
    pub fn with(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        let mut theirs = other.clone();
        let addresses = std::mem::take(theirs.addresses()?);
        let own = std::mem::take(both.addresses()?);
        if both != theirs {
            return None;
        }
        let known = both.addresses()?;
        *known = own;
        for address in addresses {
            if !known.contains(&address) {
                known.push(address);
            }
        }
        Some(both)
    }

    /// What a route table stops; none where it is something else that does.
    fn addresses(&mut self) -> Option<&mut Vec<Ipv4Net>> {
        match self {
            Self::NoRoute { blocked, .. }
            | Self::Blackhole { blocked, .. }
            | Self::StaysLocal { blocked, .. }
            | Self::OnlyInternet { blocked, .. }
            | Self::PeeringNotActive { blocked, .. }
            | Self::NotTransitive { blocked, .. }
            | Self::NotOfPeer { blocked, .. } => Some(blocked),
            Self::NoRule { .. }
            | Self::AclDenies { .. }
            | Self::NoInternetGateway { .. }
            | Self::Overlap { .. }
            | Self::NotAttached { .. }
            | Self::AttachmentNotAvailable { .. }
            | Self::ZoneNotAttached { .. } => None,
        }
    }
}

fn some(blocks: &[Ipv4Net]) -> String {
    first(blocks, NAMED)
}

/// The first of them, and how many there are besides.
fn first(blocks: &[Ipv4Net], most: usize) -> String {
    match blocks.split_at_checked(most) {
        Some((first, more)) if !more.is_empty() => format!("{} and {} more", list(first), more.len()),
        _ => list(blocks),
    }
}

/// The ports of all of them.
fn ports(flows: &[Flow]) -> String {
    let ports: BTreeSet<(u16, u16)> = flows.iter().map(|flow| (flow.ports.first, flow.ports.last)).collect();
    let ports: Vec<PortRange> = ports
        .into_iter()
        .map(|(first, last)| PortRange { first, last })
        .collect();
    list(&ports)
}

impl Display for PortRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl Display for Unhonoured {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { rule, group, reason } = self;
        write!(f, "{rule} names {group}, {reason}")
    }
}

impl Display for GroupLimit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherRegion => f.write_str("which is in another region, where only CIDR blocks match"),
            Self::NoActivePeering => {
                f.write_str("which is in another VPC, and no active peering connection joins the two")
            }
            Self::OutThroughTransitGateway { gateway } => {
                write!(f, "which egress rules can't across a transit gateway ({gateway})")
            }
            Self::Forwarded { by } => write!(f, "but packets pass {by}, behind which only CIDR blocks match"),
        }
    }
}

fn no_rule(groups: &[String], egress: bool, blocked: &[Flow], partly: bool, unhonoured: &[Unhonoured]) -> String {
    let direction = if egress { "egress" } else { "ingress" };
    let rest = if partly {
        " (the rest of what must pass is covered)"
    } else {
        ""
    };
    let groups = list(groups);
    let flows = flows(blocked, egress);
    if unhonoured.is_empty() {
        format!("no {direction} rule of {groups} allows {flows}{rest}; add one")
    } else {
        format!(
            "no {direction} rule of {groups} allows {flows}{rest}: {}; add one for CIDR blocks",
            list(unhonoured)
        )
    }
}

fn acl_denies(acl: &str, egress: bool, denials: &[Denial], partly: bool, answers: bool) -> String {
    let direction = if egress { "outbound" } else { "inbound" };
    let denials_said: Vec<String> = denials
        .iter()
        .map(|Denial { entry, blocked }| {
            let blocked = flows(blocked, egress);
            if *entry == FINAL_ENTRY {
                format!("no {direction} entry of {acl} allows {blocked}")
            } else {
                format!("{direction} entry {entry} of {acl} denies {blocked}")
            }
        })
        .collect();
    let rest = match (partly, answers) {
        (true, true) => {
            " (other answers pass, but Lambda documents neither its range of ports nor which address of a subnet it takes)"
        }
        (true, false) => " (the rest of what must pass does)",
        (false, true) => " (answers)",
        (false, false) => "",
    };
    let lowest = denials.first().map_or(FINAL_ENTRY, |denial| denial.entry);
    let next = if lowest == FINAL_ENTRY {
        String::new()
    } else {
        format!(" with a number below {lowest}")
    };
    format!("{}{rest}; add an entry that allows it{next}", denials_said.join(", "))
}

/// The next step where a route is missing.
fn add_route(link: &Link) -> String {
    match link {
        Link::Local | Link::Unsaid => "add one".to_owned(),
        Link::Gateway { id } => format!("add one to {id}"),
        Link::Missing { from, to } => format!(
            "create a peering connection from {} ({}) to {} ({}), and add a route to it",
            from.vpc, from.region, to.vpc, to.region
        ),
        Link::Impossible { from, to } => format!(
            "the CIDR blocks of {} and {} overlap, so no peering connection can join them: use subnets in {} or a private endpoint",
            from.vpc, to.vpc, to.vpc
        ),
    }
}

/// The next step where a route leads to what can't carry it.
fn lead_instead(link: &Link) -> String {
    match link {
        Link::Local => "delete the route".to_owned(),
        Link::Gateway { id } => format!("lead them to {id}"),
        Link::Missing { .. } | Link::Impossible { .. } => add_route(link),
        Link::Unsaid => "lead them to a gateway that carries them".to_owned(),
    }
}

fn only_internet(target: &str) -> &'static str {
    if target.starts_with("nat-") {
        "from there no route table of the VPC leads on but to the internet"
    } else if target.starts_with("eigw-") {
        "an egress-only internet gateway carries IPv6 alone"
    } else {
        "an internet gateway carries nothing to private addresses, nor from a network interface without a public one"
    }
}

fn not_active(
    peering: &str,
    status: &str,
    (accepter, account): (&VpcIn, &str),
    (table, link): (&str, &Link),
) -> String {
    let next = match status {
        "pending-acceptance" => format!("accept it in {} as account {account}", accepter.region),
        "initiating-request" | "provisioning" => "wait until it is active".to_owned(),
        _ => match link {
            Link::Missing { .. } => format!("create another one, and lead the route of {table} to it"),
            _ => lead_instead(link),
        },
    };
    format!("{peering} is {status} and carries nothing before it is active; {next}")
}

fn attachment_next(state: &str) -> &'static str {
    match state {
        "pendingAcceptance" => "the gateway's account must accept it",
        "initiating" | "initiatingRequest" | "pending" | "modifying" | "rollingBack" => "wait until it is available",
        _ => "attach the VPC once more",
    }
}

fn flows(flows: &[Flow], egress: bool) -> String {
    let direction = if egress { "to" } else { "from" };
    let flows: Vec<String> = flows
        .iter()
        .map(|flow| format!("tcp {} {direction} {}", flow.ports, list(&flow.cidrs)))
        .collect();
    flows.join(" and ")
}

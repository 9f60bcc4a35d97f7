//! What the engine says: every hop with its outcome and the rule that decides it, the same value as text and as JSON.

use std::fmt::{self, Display, Formatter};

use ipnet::Ipv4Net;
use serde::Serialize;
use thiserror::Error;

use super::acls::FINAL_ENTRY;

/// A connection, hop by hop, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The subnet that it begins in.
    pub source_subnet: String,
    /// The address that it begins at; absent where any address of the subnet may be the one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// The subnet that it leads to.
    pub destination_subnet: String,
    /// The address that it leads to; the subnet's block where any address of it may be the one.
    pub destination_address: String,
    /// The TCP port.
    pub port: u16,
    /// Whether it is reachable.
    pub verdict: Verdict,
    /// Every hop, in the order of the way and of the way back.
    pub steps: Vec<Step>,
}

/// Whether a connection gets there and its answers back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// Every hop lets it pass.
    Reachable,
    /// A hop refuses at least a part of what must pass.
    Refused {
        /// The first that does.
        hop: Hop,
        /// What refuses, and what would mend it.
        reason: Refusal,
    },
    /// No hop is known to refuse, but of at least one it isn't known that it lets everything pass.
    Unknown {
        /// The first of these.
        hop: Hop,
        /// What isn't known.
        reason: Unknown,
    },
}

/// One hop and what became of the connection there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which.
    pub hop: Hop,
    /// Ids of the security groups, the network ACL or the route table that were asked; empty where none was.
    pub resources: Vec<String>,
    /// What they say.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Places that a packet or its answer passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Hop {
    /// Where both ends are, before any packet leaves.
    Ends,
    /// Security groups of the source, egress.
    Egress,
    /// Network ACL of the source's subnet, outbound.
    AclOut,
    /// Route table of the source's subnet.
    Route,
    /// Network ACL of the destination's subnet, inbound.
    AclIn,
    /// Security groups of the destination, ingress.
    Ingress,
    /// Answers: network ACL of the destination's subnet, outbound.
    AnswerAclOut,
    /// Answers: route table of the destination's subnet.
    AnswerRoute,
    /// Answers: network ACL of the source's subnet, inbound.
    AnswerAclIn,
}

/// What a hop says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// All of it passes.
    Passes {
        /// The rules, entries or routes that let it.
        by: Vec<String>,
    },
    /// Such a hop isn't on the way.
    NotApplied {
        /// Why.
        reason: &'static str,
    },
    /// At least a part of it doesn't pass.
    Refused {
        /// Which part, and what refuses it.
        reason: Refusal,
    },
    /// It isn't known that all of it passes, nor that anything is refused.
    Unknown {
        /// What isn't known.
        reason: Unknown,
    },
}

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

/// Why a hop refuses. The text ends with the next step.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Refusal {
    /// No rule of any of the security groups allows it.
    #[error("{}", no_rule(groups, *egress, blocked, *partly))]
    NoRule {
        /// Ids of the security groups.
        groups: Vec<String>,
        /// Whether it is about what leaves.
        egress: bool,
        /// What a rule is missing for.
        blocked: Vec<Flow>,
        /// Whether other parts of what must pass do.
        partly: bool,
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
    #[error("{table} has no route to {}; add one", list(blocked))]
    NoRoute {
        /// The route table's id.
        table: String,
        /// Addresses without a route.
        blocked: Vec<Ipv4Net>,
        /// Whether other addresses have one.
        partly: bool,
    },
    /// The route's target is gone.
    #[error(
        "the route {destination} of {table} is a blackhole for {}: {target} is gone; replace or delete the route",
        list(blocked)
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
    },
    /// The addresses of two VPCs overlap, and what is meant for the other one stays in its own.
    #[error(
        "the route {destination} of {table} keeps {} inside {vpc}, but it is meant for {destination_vpc}: their CIDR blocks overlap; \
         use subnets in {destination_vpc} or a private endpoint",
        list(blocked)
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
}

/// Why a hop can't be judged. The text ends with the next step, where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Unknown {
    /// Nobody could read it.
    #[error("{}", unreadable(what, id, missing_action.as_deref(), message))]
    Unreadable {
        /// What was looked for.
        what: &'static str,
        /// Its id, or that of the subnet it belongs to.
        id: String,
        /// The IAM action that would have to be allowed; absent where rights are not the reason.
        #[serde(skip_serializing_if = "Option::is_none")]
        missing_action: Option<String>,
        /// AWS's or the client's own words.
        message: String,
    },
    /// The facts were read, and it isn't among them.
    #[error("the {what} {id} is not among the facts; inspect again, and check that it still exists")]
    NotAmongFacts {
        /// What was looked for.
        what: &'static str,
        /// Its id, or that of the subnet it belongs to.
        id: String,
    },
    /// A value of the facts is no IPv4 address or CIDR block.
    #[error("`{value}`, of {of}, is no IPv4 address or CIDR block; inspect again")]
    Malformed {
        /// The value.
        value: String,
        /// The id of what it belongs to.
        of: String,
    },
    /// The facts contradict themselves.
    #[error("the address {address} is outside {subnet} ({cidr}), which it should be in; inspect again")]
    OutsideSubnet {
        /// The address.
        address: String,
        /// The subnet's id.
        subnet: String,
        /// The subnet's CIDR block.
        cidr: String,
    },
    /// A network interface always has a security group, but none was given.
    #[error("no security group is known of this network interface; inspect again, or name one")]
    NoSecurityGroups,
    /// A rule names a group of the other side, which is in another VPC.
    #[error(
        "the rule {rule} names {group}, of another VPC: that holds only over an active peering connection in the region"
    )]
    GroupOfOtherVpc {
        /// The rule's id.
        rule: String,
        /// The security group that it names.
        group: String,
    },
    /// The route leads out of the VPC, to something that isn't judged.
    #[error("leaves by {target} (route {destination} of {table}): what lies behind it is not proven")]
    LeavesBy {
        /// The route table's id.
        table: String,
        /// The route's CIDR block or prefix list.
        destination: String,
        /// Its target.
        target: String,
    },
    /// Two routes compete, and the facts don't say which wins.
    #[error(
        "{table} has the routes {destination} to {target} and {other_destination} to {other_target}: which of them wins can't be told \
         from the facts; look at the route table for propagated routes"
    )]
    RoutesCompete {
        /// The route table's id.
        table: String,
        /// The CIDR block or prefix list of the one.
        destination: String,
        /// Its target.
        target: String,
        /// The CIDR block or prefix list of the other.
        other_destination: String,
        /// Its target.
        other_target: String,
    },
}

impl Proof {
    pub(super) fn new(
        (source_subnet, source_address): (&str, Option<&str>),
        (destination_subnet, destination_address): (&str, &str),
        port: u16,
        steps: Vec<Step>,
    ) -> Self {
        Self {
            source_subnet: source_subnet.to_owned(),
            source_address: source_address.map(str::to_owned),
            destination_subnet: destination_subnet.to_owned(),
            destination_address: destination_address.to_owned(),
            port,
            verdict: Verdict::of(&steps),
            steps,
        }
    }

    /// Every refusal, in the order of hops.
    pub fn refusals(&self) -> impl Iterator<Item = (Hop, &Refusal)> {
        self.steps.iter().filter_map(|step| match &step.outcome {
            Outcome::Refused { reason } => Some((step.hop, reason)),
            _ => None,
        })
    }

    /// Everything that isn't known, in the order of hops.
    pub fn unknowns(&self) -> impl Iterator<Item = (Hop, &Unknown)> {
        self.steps.iter().filter_map(|step| match &step.outcome {
            Outcome::Unknown { reason } => Some((step.hop, reason)),
            _ => None,
        })
    }
}

impl Verdict {
    /// One hop that refuses is enough, whatever isn't known of the others.
    fn of(steps: &[Step]) -> Self {
        let refused = steps.iter().find_map(|step| match &step.outcome {
            Outcome::Refused { reason } => Some(Self::Refused {
                hop: step.hop,
                reason: reason.clone(),
            }),
            _ => None,
        });
        let unknown = || {
            steps.iter().find_map(|step| match &step.outcome {
                Outcome::Unknown { reason } => Some(Self::Unknown {
                    hop: step.hop,
                    reason: reason.clone(),
                }),
                _ => None,
            })
        };
        refused.or_else(unknown).unwrap_or(Self::Reachable)
    }
}

impl Hop {
    /// Whether answers pass it, rather than what they answer.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::AnswerAclOut | Self::AnswerRoute | Self::AnswerAclIn)
    }
}

impl Step {
    pub(super) fn new(hop: Hop, resources: Vec<String>, outcome: Outcome) -> Self {
        Self {
            hop,
            resources,
            outcome,
        }
    }
}

impl Display for Proof {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "from {}", self.source_subnet)?;
        if let Some(address) = &self.source_address {
            write!(f, " ({address})")?;
        }
        write!(
            f,
            " to {}:{} in {}: {}",
            self.destination_address, self.port, self.destination_subnet, self.verdict
        )
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reachable => f.write_str("reachable"),
            Self::Refused { hop, reason } => write!(f, "refused at {hop}: {reason}"),
            Self::Unknown { hop, reason } => write!(f, "unknown at {hop}: {reason}"),
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Passes { by } => write!(f, "{}: passes by {}", self.hop, list(by)),
            Outcome::NotApplied { reason } => write!(f, "{}: not applied: {reason}", self.hop),
            Outcome::Refused { reason } => write!(f, "{}: refused: {reason}", self.hop),
            Outcome::Unknown { reason } => write!(f, "{}: unknown: {reason}", self.hop),
        }
    }
}

impl Display for Hop {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ends => "the two ends",
            Self::Egress => "security group egress",
            Self::AclOut => "network ACL outbound",
            Self::Route => "route",
            Self::AclIn => "network ACL inbound",
            Self::Ingress => "security group ingress",
            Self::AnswerAclOut => "network ACL outbound for answers",
            Self::AnswerRoute => "route for answers",
            Self::AnswerAclIn => "network ACL inbound for answers",
        })
    }
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

fn no_rule(groups: &[String], egress: bool, blocked: &[Flow], partly: bool) -> String {
    let direction = if egress { "egress" } else { "ingress" };
    let rest = if partly {
        " (the rest of what must pass is covered)"
    } else {
        ""
    };
    let groups = list(groups);
    format!(
        "no {direction} rule of {groups} allows {}{rest}; add one",
        flows(blocked, egress)
    )
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

fn unreadable(what: &str, id: &str, missing_action: Option<&str>, message: &str) -> String {
    let next = missing_action
        .map(|action| format!("; allow {action}"))
        .unwrap_or_default();
    format!("the {what} {id} could not be read: {message}{next}")
}

fn flows(flows: &[Flow], egress: bool) -> String {
    let direction = if egress { "to" } else { "from" };
    let flows: Vec<String> = flows
        .iter()
        .map(|flow| format!("tcp {} {direction} {}", flow.ports, list(&flow.cidrs)))
        .collect();
    flows.join(" and ")
}

fn list<T: Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(", ")
}

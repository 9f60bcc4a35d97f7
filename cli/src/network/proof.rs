//! What the engine says: every hop with its outcome and the rule that decides it, the same value as text and as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::refusal::Refusal;
use super::unknown::{Beyond, Unknown};

/// A connection, hop by hop, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The subnet that it begins in.
    pub source_subnet: String,
    /// The address that it begins at; absent where any address of the subnet may be the one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// The subnet that it leads to; absent where that is outside every known VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_subnet: Option<String>,
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
    /// Every hop lets it pass, as far as a gateway of which the facts don't say what it does.
    ThroughGateway {
        /// The first that leads to such a gateway.
        hop: Hop,
        /// Which gateway, and what isn't known of it.
        reason: Beyond,
    },
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
    /// What the route leads to outside the VPC: a peering connection, a transit gateway and so on. Left out inside a VPC.
    Gateway,
    /// Network ACL of the destination's subnet, inbound.
    AclIn,
    /// Security groups of the destination, ingress.
    Ingress,
    /// Answers: network ACL of the destination's subnet, outbound.
    AnswerAclOut,
    /// Answers: route table of the destination's subnet.
    AnswerRoute,
    /// Answers: what that route leads to outside the VPC. Left out where it is the peering connection that packets come by.
    AnswerGateway,
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
    /// All of it passes to a gateway, of which the facts don't say what it does.
    ThroughGateway {
        /// Which, and what isn't known of it.
        reason: Beyond,
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

impl Proof {
    pub(super) fn new(
        (source_subnet, source_address): (&str, Option<&str>),
        (destination_subnet, destination_address): (Option<&str>, &str),
        port: u16,
        steps: Vec<Step>,
    ) -> Self {
        Self {
            source_subnet: source_subnet.to_owned(),
            source_address: source_address.map(str::to_owned),
            destination_subnet: destination_subnet.map(str::to_owned),
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
        let beyond = || {
            steps.iter().find_map(|step| match &step.outcome {
                Outcome::ThroughGateway { reason } => Some(Self::ThroughGateway {
                    hop: step.hop,
                    reason: reason.clone(),
                }),
                _ => None,
            })
        };
        refused.or_else(unknown).or_else(beyond).unwrap_or(Self::Reachable)
    }
}

impl Hop {
    /// Whether answers pass it, rather than what they answer.
    pub fn is_answer(self) -> bool {
        matches!(
            self,
            Self::AnswerAclOut | Self::AnswerRoute | Self::AnswerGateway | Self::AnswerAclIn
        )
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
        write!(f, " to {}:{}", self.destination_address, self.port)?;
        match &self.destination_subnet {
            Some(subnet) => write!(f, " in {subnet}")?,
            None => f.write_str(" outside every known VPC")?,
        }
        write!(f, ": {}", self.verdict)
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reachable => f.write_str("reachable"),
            Self::ThroughGateway { reason, .. } => write!(f, "reachable {reason}"),
            Self::Refused { hop, reason } => write!(f, "refused at {hop}: {reason}"),
            Self::Unknown { hop, reason } => write!(f, "unknown at {hop}: {reason}"),
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Passes { by } => write!(f, "{}: passes by {}", self.hop, list(by)),
            Outcome::ThroughGateway { reason } => write!(f, "{}: passes {reason}", self.hop),
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
            Self::Gateway => "gateway",
            Self::AclIn => "network ACL inbound",
            Self::Ingress => "security group ingress",
            Self::AnswerAclOut => "network ACL outbound for answers",
            Self::AnswerRoute => "route for answers",
            Self::AnswerGateway => "gateway for answers",
            Self::AnswerAclIn => "network ACL inbound for answers",
        })
    }
}

/// Items in a row.
pub(super) fn list<T: Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(", ")
}

//! What mends a refusal, as data: the changes that a plan makes, that a person is told, and that tests make to see that it was enough. Each
//! lets pass what was refused there and no more.

use ipnet::Ipv4Net;
use serde::Serialize;

use super::refusal::{Denial, Flow, Link, PortRange, Refusal, VpcIn};

/// One change that mends a refusal, or leads to the next refusal on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Remedy {
    /// A rule for TCP.
    AddRule {
        /// The security group's id.
        group: String,
        /// Whether it is for what leaves.
        egress: bool,
        /// The other side.
        cidr: Ipv4Net,
        /// Its ports.
        ports: PortRange,
    },
    /// An entry that allows TCP.
    AllowInAcl {
        /// The network ACL's id.
        acl: String,
        /// Whether it is for what leaves the subnet.
        egress: bool,
        /// The other side.
        cidr: Ipv4Net,
        /// Its ports.
        ports: PortRange,
        /// The entry's number must be lower than this one.
        before: u32,
    },
    /// A route.
    AddRoute {
        /// The route table's id.
        table: String,
        /// Its destination.
        destination: Ipv4Net,
        /// Its target: `local`, a peering connection or a transit gateway.
        target: String,
    },
    /// Another target for a route that is there.
    ReplaceRoute {
        /// The route table's id.
        table: String,
        /// Its destination.
        destination: String,
        /// Its new target.
        target: String,
    },
    /// One route less, so that a less specific one decides.
    RemoveRoute {
        /// The route table's id.
        table: String,
        /// Its destination.
        destination: String,
        /// Its target.
        target: String,
    },
    /// A peering connection, with all that makes it active. Routes to it are the next refusal.
    CreatePeering {
        /// The side that asks.
        requester: VpcIn,
        /// The side that accepts.
        accepter: VpcIn,
    },
    /// The other side's yes.
    AcceptPeering {
        /// The peering connection's id.
        peering: String,
        /// The region in which it is accepted.
        region: String,
        /// The account that accepts it.
        account: String,
    },
    /// An attachment to a transit gateway.
    Attach {
        /// The transit gateway's id.
        gateway: String,
        /// The VPC's id.
        vpc: String,
        /// A subnet of the zone that it is for.
        subnet: String,
    },
    /// The yes of the transit gateway's account.
    AcceptAttachment {
        /// The attachment's id.
        attachment: String,
    },
    /// One more zone of an attachment.
    AddToAttachment {
        /// The attachment's id.
        attachment: String,
        /// A subnet of the zone.
        subnet: String,
    },
}

impl Refusal {
    /// All of these together mend it, as far as anything does: what overlaps can't be joined, and some things only take time.
    pub fn remedies(&self) -> Vec<Remedy> {
        match self {
            Self::NoRule {
                groups,
                egress,
                blocked,
                ..
            } => rules(groups, *egress, blocked),
            Self::AclDenies {
                acl, egress, denials, ..
            } => entries(acl, *egress, denials),
            Self::NoRoute {
                table, blocked, link, ..
            } => lead(table, None, blocked, link),
            Self::Blackhole {
                table,
                destination,
                target,
                blocked,
                link,
            } => match link {
                // Out of the way of a less specific one. Where nothing joins the VPCs, it is not in the way.
                Link::Gateway { .. } | Link::Missing { .. } | Link::Impossible { .. } => {
                    lead(table, Some(destination), blocked, link)
                }
                Link::Local | Link::Unsaid => vec![Remedy::RemoveRoute {
                    table: table.clone(),
                    destination: destination.clone(),
                    target: target.clone(),
                }],
            },
            Self::OnlyInternet {
                table,
                destination,
                target,
                blocked,
                link,
            }
            | Self::NotTransitive {
                table,
                destination,
                peering: target,
                blocked,
                link,
                ..
            } => match link {
                // Inside a VPC the local route is there already: this one is more specific.
                Link::Local => vec![Remedy::RemoveRoute {
                    table: table.clone(),
                    destination: destination.clone(),
                    target: target.clone(),
                }],
                _ => lead(table, Some(destination), blocked, link),
            },
            Self::PeeringNotActive {
                table,
                destination,
                peering,
                status,
                accepter,
                accepter_account,
                blocked,
                link,
            } => match status.as_str() {
                "pending-acceptance" => vec![Remedy::AcceptPeering {
                    peering: peering.clone(),
                    region: accepter.region.clone(),
                    account: accepter_account.clone(),
                }],
                "initiating-request" | "provisioning" => Vec::new(),
                _ => lead(table, Some(destination), blocked, link),
            },
            Self::NotAttached { gateway, vpc, subnet } => vec![Remedy::Attach {
                gateway: gateway.clone(),
                vpc: vpc.clone(),
                subnet: subnet.clone(),
            }],
            Self::AttachmentNotAvailable { attachment, state, .. } if state == "pendingAcceptance" => {
                vec![Remedy::AcceptAttachment {
                    attachment: attachment.clone(),
                }]
            }
            Self::ZoneNotAttached { attachment, subnet, .. } => vec![Remedy::AddToAttachment {
                attachment: attachment.clone(),
                subnet: subnet.clone(),
            }],
            Self::StaysLocal { .. }
            // Which gateway, nobody knows.
            | Self::NoInternetGateway { .. }
            | Self::NotOfPeer { .. }
            | Self::Overlap { .. }
            | Self::AttachmentNotAvailable { .. } => Vec::new(),
        }
    }
}

/// Rules of the first of the groups.
fn rules(groups: &[String], egress: bool, blocked: &[Flow]) -> Vec<Remedy> {
    let Some(group) = groups.first() else {
        return Vec::new();
    };
    let each = blocked.iter().flat_map(|flow| {
        let cidrs = flow.cidrs.iter();
        cidrs.map(|cidr| Remedy::AddRule {
            group: group.clone(),
            egress,
            cidr: *cidr,
            ports: flow.ports,
        })
    });
    each.collect()
}

/// Entries before those that deny.
fn entries(acl: &str, egress: bool, denials: &[Denial]) -> Vec<Remedy> {
    let flows = denials
        .iter()
        .flat_map(|denial| denial.blocked.iter().map(|flow| (denial.entry, flow)));
    let each = flows.flat_map(|(before, flow)| {
        let cidrs = flow.cidrs.iter();
        cidrs.map(move |cidr| Remedy::AllowInAcl {
            acl: acl.to_owned(),
            egress,
            cidr: *cidr,
            ports: flow.ports,
            before,
        })
    });
    each.collect()
}

/// Routes for what is blocked, along the link; or the link, where there is none. A route of the same destination gets another target, a less
/// specific one stays for all else.
fn lead(table: &str, instead_of: Option<&String>, blocked: &[Ipv4Net], link: &Link) -> Vec<Remedy> {
    let target = match link {
        Link::Local => "local",
        Link::Gateway { id } => id,
        Link::Missing { from, to } => {
            // The way there and the way back miss the same one.
            let key = |place: &VpcIn| (place.region.clone(), place.vpc.clone());
            let (requester, accepter) = if key(from) <= key(to) { (from, to) } else { (to, from) };
            return vec![Remedy::CreatePeering {
                requester: requester.clone(),
                accepter: accepter.clone(),
            }];
        }
        Link::Impossible { .. } | Link::Unsaid => return Vec::new(),
    };
    let routes = blocked.iter().map(|cidr| {
        let same = instead_of.filter(|destination| destination.parse().is_ok_and(|net: Ipv4Net| net.trunc() == *cidr));
        match same {
            Some(destination) => Remedy::ReplaceRoute {
                table: table.to_owned(),
                destination: destination.clone(),
                target: target.to_owned(),
            },
            None => Remedy::AddRoute {
                table: table.to_owned(),
                destination: *cidr,
                target: target.to_owned(),
            },
        }
    });
    routes.collect()
}

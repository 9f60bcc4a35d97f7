//! What mends a refusal, as data: the changes that a plan makes, that a person is told, and that tests make to see that it was enough. Each
//! lets pass what was refused there and no more.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::refusal::{Link, PortRange, Refusal, VpcIn};
use crate::facts::network::{
    AclEntry, NetworkAcl, Peering, PeeringSide, Route, RouteTable, Rule, RulePeer, SecurityGroup,
    TransitGatewayAttachment,
};
use crate::facts::{Fact, Network, Owner};

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
            } => {
                let Some(group) = groups.first() else {
                    return Vec::new();
                };
                let each = blocked
                    .iter()
                    .flat_map(|flow| flow.cidrs.iter().map(|cidr| (*cidr, flow.ports)));
                each.map(|(cidr, ports)| Remedy::AddRule {
                    group: group.clone(),
                    egress: *egress,
                    cidr,
                    ports,
                })
                .collect()
            }
            Self::AclDenies {
                acl, egress, denials, ..
            } => {
                let each = denials.iter().flat_map(|denial| {
                    let flows = denial.blocked.iter();
                    flows.flat_map(|flow| flow.cidrs.iter().map(|cidr| (denial.entry, *cidr, flow.ports)))
                });
                each.map(|(before, cidr, ports)| Remedy::AllowInAcl {
                    acl: acl.clone(),
                    egress: *egress,
                    cidr,
                    ports,
                    before,
                })
                .collect()
            }
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
            | Self::NotOfPeer { .. }
            | Self::Overlap { .. }
            | Self::AttachmentNotAvailable { .. } => Vec::new(),
        }
    }
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

impl Remedy {
    /// Makes the change in facts. False where that can't be done: the thing isn't there, or no number is free.
    pub fn apply(&self, networks: &mut BTreeMap<String, Network>) -> bool {
        let mut applied = false;
        for (region, network) in networks.iter_mut() {
            applied |= self.apply_in(region, network);
        }
        applied
    }

    fn apply_in(&self, region: &str, network: &mut Network) -> bool {
        match self {
            Self::AddRule {
                group,
                egress,
                cidr,
                ports,
            } => change(
                &mut network.security_groups,
                |found: &SecurityGroup| found.id == *group,
                |found| {
                    found.rules.push(Rule {
                        id: format!("sgr-mended-{}", found.rules.len()),
                        egress: *egress,
                        protocol: "tcp".to_owned(),
                        ports: Some((ports.first, ports.last)),
                        peer: RulePeer::Cidr(cidr.to_string()),
                        owner: Owner::Foreign,
                    });
                    true
                },
            ),
            Self::AllowInAcl {
                acl,
                egress,
                cidr,
                ports,
                before,
            } => change(
                &mut network.network_acls,
                |found: &NetworkAcl| found.id == *acl,
                |found| {
                    let taken = |number: &u32| {
                        let mut entries = found.entries.iter();
                        entries.any(|entry| entry.egress == *egress && entry.number == *number)
                    };
                    let Some(number) = (1..*before).rev().find(|number| !taken(number)) else {
                        return false;
                    };
                    found.entries.push(AclEntry {
                        number,
                        egress: *egress,
                        allow: true,
                        protocol: "6".to_owned(),
                        cidr: cidr.to_string(),
                        ports: Some((ports.first, ports.last)),
                    });
                    true
                },
            ),
            Self::AddRoute {
                table,
                destination,
                target,
            } => in_table(network, table, |routes| {
                routes.push(active_route(&destination.to_string(), target));
                true
            }),
            Self::ReplaceRoute {
                table,
                destination,
                target,
            } => in_table(network, table, |routes| {
                let before = routes.len();
                routes.retain(|route| route.destination != *destination);
                let there = routes.len() < before;
                routes.push(active_route(destination, target));
                there
            }),
            Self::RemoveRoute {
                table,
                destination,
                target,
            } => in_table(network, table, |routes| {
                let before = routes.len();
                routes.retain(|route| (&route.destination, &route.target) != (destination, target));
                routes.len() < before
            }),
            Self::CreatePeering { requester, accepter }
                if [&requester.region, &accepter.region].contains(&&region.to_owned()) =>
            {
                let Fact::Found { value } = &mut network.peerings else {
                    return false;
                };
                let side = |place: &VpcIn| PeeringSide {
                    vpc: place.vpc.clone(),
                    region: place.region.clone(),
                    account: String::new(),
                    cidrs: Vec::new(),
                };
                value.push(Peering {
                    id: format!("pcx-{}-{}", requester.vpc, accepter.vpc),
                    status: "active".to_owned(),
                    requester: side(requester),
                    accepter: side(accepter),
                    owner: Owner::Foreign,
                });
                true
            }
            Self::CreatePeering { .. } => false,
            Self::AcceptPeering { peering, .. } => change(
                &mut network.peerings,
                |found: &Peering| found.id == *peering,
                |found| {
                    "active".clone_into(&mut found.status);
                    true
                },
            ),
            Self::Attach { gateway, vpc, subnet } => {
                let vpcs = network.vpcs.found().into_iter().flatten();
                if !vpcs.clone().any(|found| found.id == *vpc) {
                    return false;
                }
                let Fact::Found { value } = &mut network.transit_gateway_attachments else {
                    return false;
                };
                value.push(TransitGatewayAttachment {
                    id: format!("tgw-attach-{gateway}-{vpc}"),
                    gateway: gateway.clone(),
                    vpc: vpc.clone(),
                    subnets: vec![subnet.clone()],
                    state: "available".to_owned(),
                });
                true
            }
            Self::AcceptAttachment { attachment } => in_attachment(network, attachment, |found| {
                "available".clone_into(&mut found.state);
            }),
            Self::AddToAttachment { attachment, subnet } => in_attachment(network, attachment, |found| {
                found.subnets.push(subnet.clone());
            }),
        }
    }
}

fn change<T>(fact: &mut Fact<Vec<T>>, wanted: impl Fn(&T) -> bool, change: impl FnOnce(&mut T) -> bool) -> bool {
    let Fact::Found { value } = fact else {
        return false;
    };
    value.iter_mut().find(|item| wanted(item)).is_some_and(change)
}

fn in_table(network: &mut Network, id: &str, routes: impl FnOnce(&mut Vec<Route>) -> bool) -> bool {
    change(
        &mut network.route_tables,
        |table: &RouteTable| table.id == id,
        |table| routes(&mut table.routes),
    )
}

fn in_attachment(network: &mut Network, id: &str, edit: impl FnOnce(&mut TransitGatewayAttachment)) -> bool {
    let attachments = &mut network.transit_gateway_attachments;
    change(
        attachments,
        |found: &TransitGatewayAttachment| found.id == id,
        |found| {
            edit(found);
            true
        },
    )
}

fn active_route(destination: &str, target: &str) -> Route {
    Route {
        destination: destination.to_owned(),
        target: target.to_owned(),
        active: true,
        propagated: false,
        owner: Owner::Foreign,
    }
}

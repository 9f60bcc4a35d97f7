//! How the function's VPC and the brokers' are joined: ways that are there go before ways that k2m would make, and each says what it changes for a
//! subnet. Whether it then leads to the brokers, only the reachability engine says.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::error::Obstacle;
use super::place::inbound_rule;
use super::shared::{NeededIngress, NeededPeering, NeededRoute, Needs, RouteTarget, of_network_stack};
use crate::facts::network::{Peering, PeeringSide, Route, RouteTable, RulePeer, SecurityGroup, Subnet, Vpc};
use crate::facts::{Fact, Network, Owner};
use crate::network::{Change, lets_tcp_in};

/// Names the peering connection in proofs before it has an id.
const PLANNED: &str = "pcx-planned";

/// Both ends of a way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends<'a> {
    pub(super) function: End<'a>,
    pub(super) brokers: End<'a>,
    /// The stream's account, whose both VPCs are.
    pub(super) account: &'a str,
}

/// A VPC, and the network of its region.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) region: &'a str,
    pub(super) vpc: &'a str,
    pub(super) network: &'a Network,
}

/// A way between the two VPCs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// The function is in the brokers' VPC.
    Inside,
    /// By routes that are there already. Rules name groups only where these lead through a peering connection in one region.
    Routed {
        /// Whether rules may name groups.
        by_group: bool,
    },
    /// Through a peering connection, with the routes that are missing.
    Peering(Box<Joint>),
}

/// A peering connection, as it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Joint {
    /// As it will be: active. Its id is made up where it doesn't exist yet.
    pub(super) peering: Peering,
    /// Whether a network stack makes it: the brokers', or the one of the function's VPC.
    pub(super) own: bool,
    /// Whether it exists.
    pub(super) exists: bool,
}

/// What a way takes for one subnet.
#[derive(Debug, Default)]
pub(super) struct Takes {
    /// For the reachability engine.
    pub(super) changes: Vec<Change>,
    /// Of the function's VPC.
    pub(super) function: Needs,
    /// Of the brokers' VPC.
    pub(super) brokers: Needs,
}

impl Ends<'_> {
    /// Whether both are one VPC.
    pub(super) fn same_vpc(&self) -> bool {
        self.function.vpc == self.brokers.vpc
    }

    fn vpcs(&self) -> [&str; 2] {
        [self.function.vpc, self.brokers.vpc]
    }

    /// Whether this is the stack's own, or of a network stack of one of the two VPCs: what the plan decides anew.
    pub(super) fn ours(&self, owner: &Owner) -> bool {
        *owner == Owner::ThisStack || of_network_stack(owner, &self.vpcs())
    }

    /// Peering connections between the two VPCs.
    fn peerings(&self) -> impl Iterator<Item = &Peering> {
        let both = [self.brokers.network, self.function.network];
        let mut known = BTreeSet::new();
        both.into_iter()
            .filter_map(|network| network.peerings.found())
            .flatten()
            .filter(|peering| {
                !peering.is_over()
                    && peering.side(self.function.vpc).is_some()
                    && peering.other_side(self.function.vpc).map(|side| side.vpc.as_str()) == Some(self.brokers.vpc)
            })
            .filter(move |peering| known.insert(peering.id.as_str()))
    }
}

impl End<'_> {
    fn cidrs(&self) -> Vec<Ipv4Net> {
        let vpcs = self.network.vpcs.found().map_or(&[][..], Vec::as_slice);
        let vpc = vpcs.iter().find(|vpc| vpc.id == self.vpc);
        let cidrs = vpc.map_or(&[][..], |vpc: &Vpc| &vpc.cidrs);
        cidrs.iter().filter_map(|cidr| cidr.parse().ok()).collect()
    }

    fn tables(&self) -> &[RouteTable] {
        self.network.route_tables.found().map_or(&[], Vec::as_slice)
    }

    /// The table that a subnet uses: its own, else the VPC's main one.
    fn table(&self, subnet: &Subnet) -> Option<&RouteTable> {
        let own = self.tables().iter().find(|table| table.subnets.contains(&subnet.id));
        own.or_else(|| self.tables().iter().find(|table| table.main && table.vpc == subnet.vpc))
    }

    fn side(&self, account: &str) -> PeeringSide {
        PeeringSide {
            vpc: self.vpc.to_owned(),
            region: self.region.to_owned(),
            account: account.to_owned(),
            cidrs: self.cidrs().iter().map(ToString::to_string).collect(),
        }
    }
}

/// The ways that there are, the least that would be made first, and why others are none; `otherwise` is said of what else would do where no connection can.
pub(super) fn ways(ends: &Ends, chosen: Option<&str>, otherwise: &str) -> (Vec<Way>, Vec<String>) {
    if ends.same_vpc() {
        return (vec![Way::Inside], Vec::new());
    }
    let (mut ways, mut reasons) = (Vec::new(), Vec::new());
    let live: Vec<&Peering> = ends.peerings().collect();
    let foreign = |peering: &&&Peering| !ends.ours(&peering.owner);
    if chosen.is_none() {
        let by_group = live
            .iter()
            .filter(foreign)
            .any(|peering| peering.is_active() && peering.in_one_region());
        if by_group {
            ways.push(Way::Routed { by_group: true });
        }
        ways.push(Way::Routed { by_group: false });
    }
    for peering in live.iter().filter(|peering| chosen.is_none_or(|id| id == peering.id)) {
        let own = ends.ours(&peering.owner);
        // One of k2m's own that waits is accepted when it is deployed.
        let waits = matches!(
            peering.status.as_str(),
            "initiating-request" | "pending-acceptance" | "provisioning"
        );
        if peering.is_active() || own && waits {
            ways.push(Way::Peering(Box::new(Joint {
                peering: Peering {
                    status: "active".to_owned(),
                    ..(*peering).clone()
                },
                own,
                exists: true,
            })));
        } else {
            reasons.push(stalled(peering));
        }
    }
    if let Some(id) = chosen {
        if !live.iter().any(|peering| peering.id == id) {
            let known: Vec<&str> = live.iter().map(|peering| peering.id.as_str()).collect();
            let next = match known.as_slice() {
                [] => "there is none: leave the choice to k2m".to_owned(),
                _ => format!("name {}, or leave the choice to k2m", known.join(" or ")),
            };
            reasons.push(format!(
                "{id} is not among the peering connections between {} and {}: {next}",
                ends.function.vpc, ends.brokers.vpc
            ));
        }
        return (ways, reasons);
    }
    if live.is_empty() {
        match overlap(ends) {
            None => ways.push(Way::Peering(Box::new(planned(ends)))),
            Some((one, other)) => {
                let own = if ends.function.region == ends.brokers.region {
                    "the brokers' VPC or into "
                } else {
                    ""
                };
                reasons.push(format!(
                    "{} has {one} and {} has {other}, which overlap, so that AWS joins them by no peering connection: put the function into {own}one with other addresses{otherwise}",
                    ends.function.vpc, ends.brokers.vpc
                ));
            }
        }
    }
    (ways, reasons)
}

/// Why a peering connection carries nothing, and what to do.
fn stalled(peering: &Peering) -> String {
    let Peering {
        id, status, accepter, ..
    } = peering;
    match status.as_str() {
        "pending-acceptance" => format!(
            "the peering connection {id} is pending-acceptance: `aws ec2 accept-vpc-peering-connection --vpc-peering-connection-id {id} --region {}` accepts it, \
             or delete it, and k2m makes one",
            accepter.region
        ),
        "initiating-request" | "provisioning" => {
            format!("the peering connection {id} is {status}: look again in a minute")
        }
        _ => format!(
            "the peering connection {id} is {status}, and carries nothing: look again, or name another VPC with --vpc"
        ),
    }
}

/// Two blocks of the VPCs that overlap.
pub(super) fn overlap(ends: &Ends) -> Option<(Ipv4Net, Ipv4Net)> {
    let others = ends.brokers.cidrs();
    ends.function.cidrs().into_iter().find_map(|one| {
        let other = others
            .iter()
            .find(|other| one.contains(&other.network()) || other.contains(&one.network()))?;
        Some((one, *other))
    })
}

/// The peering connection that the brokers' network stack would make.
fn planned(ends: &Ends) -> Joint {
    Joint {
        peering: Peering {
            id: PLANNED.to_owned(),
            status: "active".to_owned(),
            requester: ends.brokers.side(ends.account),
            accepter: ends.function.side(ends.account),
            owner: Owner::ThisStack,
        },
        own: true,
        exists: false,
    }
}

impl Way {
    /// Whether rules name groups, as they can inside a VPC and across an active peering connection in one region.
    pub(super) fn by_group(&self) -> bool {
        match self {
            Self::Inside => true,
            Self::Routed { by_group } => *by_group,
            Self::Peering(joint) => joint.peering.in_one_region(),
        }
    }

    /// What it takes for a function in this subnet, beside the rules that name groups: the peering connection, routes there and back, and the rule that lets
    /// the subnet's addresses in. An error where a route that is there stands in the way.
    pub(super) fn takes(
        &self,
        ends: &Ends,
        subnet: &Subnet,
        broker_subnets: &[&Subnet],
        group: &SecurityGroup,
        ports: (u16, u16),
    ) -> Result<Takes, Obstacle> {
        let mut takes = Takes::default();
        if !self.by_group() && !lets_in(group, ends, subnet, ports) {
            takes.brokers.ingress.insert(NeededIngress {
                group: group.id.clone(),
                cidr: subnet.cidr.clone(),
                ports,
            });
            takes.changes.push(inbound_rule(&group.id, &subnet.cidr, ports));
        }
        let Self::Peering(joint) = self else {
            return Ok(takes);
        };
        takes.changes.push(Change::Peering(joint.peering.clone()));
        let (function, brokers) = (ends.function.vpc.to_owned(), ends.brokers.vpc.to_owned());
        // There is one connection between two VPCs, and the network stack of the VPC that asked for it has it.
        let (there, back) = if !joint.own {
            let existing = RouteTarget::Peering(joint.peering.id.clone());
            (existing.clone(), existing)
        } else if joint.peering.requester.vpc == function {
            takes.function.peerings.insert(NeededPeering {
                vpc: brokers.clone(),
                region: ends.brokers.region.to_owned(),
            });
            (RouteTarget::Own(brokers), RouteTarget::OfPeer(function))
        } else {
            takes.brokers.peerings.insert(NeededPeering {
                vpc: function.clone(),
                region: ends.function.region.to_owned(),
            });
            (RouteTarget::OfPeer(brokers), RouteTarget::Own(function))
        };
        let mut changes = Vec::new();
        let mut need = |end: &End, from: &Subnet, to: &Subnet, target: &RouteTarget, needs: &mut Needs| {
            // Without its table the engine says that nobody knows.
            let Some(table) = end.table(from) else { return Ok(()) };
            if leads(ends, end, table, &to.cidr, &joint.peering.id)? {
                return Ok(());
            }
            let needed = NeededRoute {
                table: table.id.clone(),
                destination: to.cidr.clone(),
                target: target.clone(),
            };
            if needs.routes.insert(needed) {
                changes.push(Change::AddRoute {
                    table: table.id.clone(),
                    route: Route {
                        destination: to.cidr.clone(),
                        target: joint.peering.id.clone(),
                        active: true,
                        propagated: false,
                        owner: Owner::ThisStack,
                    },
                });
            }
            Ok(())
        };
        for broker in broker_subnets {
            need(&ends.function, subnet, broker, &there, &mut takes.function)?;
            need(&ends.brokers, broker, subnet, &back, &mut takes.brokers)?;
        }
        takes.changes.extend(changes);
        Ok(takes)
    }
}

/// Whether a rule that is not k2m's lets all of the subnet in already.
fn lets_in(group: &SecurityGroup, ends: &Ends, subnet: &Subnet, ports: (u16, u16)) -> bool {
    let Ok(from) = subnet.cidr.parse::<Ipv4Net>() else {
        return false;
    };
    group.rules.iter().any(|rule| {
        let contains = match &rule.peer {
            RulePeer::Cidr(cidr) => cidr.parse::<Ipv4Net>().is_ok_and(|net| net.contains(&from)),
            RulePeer::Group(_) | RulePeer::PrefixList(_) => false,
        };
        lets_tcp_in(rule, ports) && contains && !ends.ours(&rule.owner)
    })
}

/// Whether a route that is not k2m's leads from this table to all of a block through the peering connection. An error where one for exactly this block
/// leads elsewhere: it is somebody's, and is never overwritten.
fn leads(ends: &Ends, end: &End, table: &RouteTable, cidr: &str, peering: &str) -> Result<bool, Obstacle> {
    let Ok(wanted) = cidr.parse::<Ipv4Net>() else {
        return Ok(false);
    };
    let mut best: Option<(Ipv4Net, &Route)> = None;
    for route in table.routes.iter().filter(|route| !ends.ours(&route.owner)) {
        for net in blocks(end.network, &route.destination) {
            let better = best.is_none_or(|(known, _)| net.prefix_len() > known.prefix_len());
            if net.contains(&wanted) && better {
                best = Some((net, route));
            }
        }
    }
    match best {
        Some((_, route)) if route.target == peering && route.active => Ok(true),
        Some((net, route)) if net == wanted && !route.destination.starts_with("pl-") => Err(Obstacle::Route {
            table: table.id.clone(),
            destination: route.destination.clone(),
            target: route.target.clone(),
            gone: !route.active,
        }),
        _ => Ok(false),
    }
}

/// The IPv4 blocks of a route's destination, as far as they are known.
fn blocks(network: &Network, destination: &str) -> Vec<Ipv4Net> {
    if !destination.starts_with("pl-") {
        return destination.parse().into_iter().collect();
    }
    let lists = match &network.prefix_lists {
        Fact::Found { value } => value.as_slice(),
        Fact::Absent | Fact::Unreadable(_) => &[],
    };
    let list = lists.iter().find(|list| list.id == destination);
    let cidrs = list.map_or(&[][..], |list| &list.cidrs);
    cidrs.iter().filter_map(|cidr| cidr.parse().ok()).collect()
}

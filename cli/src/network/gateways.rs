//! What carries packets out of a VPC: peering connections, which the facts show whole, and gateways, of which they show that they are there
//! and joined to the VPC, but not what lies behind.

use ipnet::Ipv4Net;

use super::area::{ALL_PORTS, Area, Areas};
use super::proof::{Hop, Outcome, Step};
use super::prove::Towards;
use super::refusal::{Link, Refusal, VpcIn};
use super::routes::{self, Lead, Leg};
use super::unknown::{Beyond, GatewayKind, Unknown};
use super::view::{Placed, Table, View, ViewedPeering};
use crate::addresses::is_public;
use crate::facts::network::{Peering, Route, Subnet};

/// Packets on their way out of a subnet.
#[derive(Clone, Copy)]
pub(super) struct Crossing<'a> {
    pub(super) view: &'a View,
    pub(super) subnet: &'a Placed<Subnet>,
    pub(super) towards: Towards<'a>,
    pub(super) table: &'a Table,
    /// Where their answers leave; empty where that isn't known.
    pub(super) back: &'a [Leg<'a>],
    /// Where they come from, on the ports that they go to.
    pub(super) origin: Area,
    /// The ports that they go to.
    pub(super) ports: (u16, u16),
    /// Whether they are answers.
    pub(super) answers: bool,
}

/// What becomes of packets at a gateway.
pub(super) enum Crossed {
    Passes(String),
    Beyond(Beyond),
    Refused(Refusal),
    Unknown(Unknown),
}

impl Crossing<'_> {
    /// Judges all gateways that the legs lead to; nothing where they lead to none.
    pub(super) fn judge(&self, hop: Hop, legs: &[Leg]) -> Option<Step> {
        let mut resources = Vec::new();
        let (mut by, mut beyond, mut refusal, mut doubt) = (Vec::new(), None, None, None);
        for Leg { areas, lead } in legs {
            let Lead::Out(viewed) = lead else {
                continue;
            };
            let target = &viewed.route.target;
            if !resources.contains(target) {
                resources.push(target.clone());
            }
            match self.cross(&viewed.route, areas) {
                Crossed::Passes(words) if by.contains(&words) => {}
                Crossed::Passes(words) => by.push(words),
                Crossed::Beyond(reason) => drop(beyond.get_or_insert(reason)),
                Crossed::Refused(reason) => drop(refusal.get_or_insert(reason)),
                Crossed::Unknown(reason) => drop(doubt.get_or_insert(reason)),
            }
        }
        if resources.is_empty() {
            return None;
        }
        let outcome = match (refusal, doubt, beyond) {
            (Some(reason), _, _) => Outcome::Refused { reason },
            (None, Some(reason), _) => Outcome::Unknown { reason },
            (None, None, Some(reason)) => Outcome::ThroughGateway { reason },
            (None, None, None) => Outcome::Passes { by },
        };
        Some(Step::new(hop, resources, outcome))
    }

    fn cross(&self, route: &Route, areas: &Areas) -> Crossed {
        let target = route.target.as_str();
        let prefix = target.split_once('-').map_or(target, |(prefix, _)| prefix);
        let crossed = match prefix {
            _ if self.view.is_peering(target) => self.peering(route, areas),
            "tgw" => self.transit_gateway(route, areas),
            "igw" | "eigw" => Ok(self.only_internet(route, areas)),
            "nat" => Ok(self.translated(route, areas)),
            "vgw" => Ok(self.beyond(route, GatewayKind::VirtualPrivateGateway)),
            "lgw" => Ok(self.beyond(route, GatewayKind::LocalGateway)),
            _ if target.starts_with("arn:") && target.contains(":core-network/") => {
                Ok(self.beyond(route, GatewayKind::CoreNetwork))
            }
            // A default route to an interface is most often for an instance that translates addresses for the internet.
            "eni" | "i" if !is_default(route) => Ok(self.appliance(route)),
            _ => Err(Unknown::LeavesBy {
                table: self.table.id.clone(),
                destination: route.destination.clone(),
                target: target.to_owned(),
            }),
        };
        crossed.unwrap_or_else(Crossed::Unknown)
    }

    pub(super) fn beyond(&self, route: &Route, kind: GatewayKind) -> Crossed {
        Crossed::Beyond(Beyond {
            gateway: route.target.clone(),
            kind,
            table: self.table.id.clone(),
            destination: route.destination.clone(),
        })
    }

    fn peering(&self, route: &Route, areas: &Areas) -> Result<Crossed, Unknown> {
        let ViewedPeering { peering, planned } = self.view.peering(&route.target, &self.subnet.region)?;
        let far = peering.other_side(&self.subnet.vpc);
        match (self.towards, far) {
            (Towards::Subnet(destination), Some(far)) if far.vpc == destination.vpc => {
                if !peering.is_active() {
                    return Ok(self.not_active(peering, route, areas));
                }
                let own = self.view.blocks(&self.subnet.vpc, &self.subnet.region)?;
                let other = self.view.blocks(&far.vpc, &destination.region)?;
                Ok(match overlap(&own, &other) {
                    Some((cidr, other_cidr)) => Crossed::Refused(Refusal::Overlap {
                        peering: peering.id.clone(),
                        vpc: self.subnet.vpc.clone(),
                        cidr,
                        other_vpc: far.vpc.clone(),
                        other_cidr,
                    }),
                    None => Crossed::Passes(described(peering, *planned)),
                })
            }
            (Towards::Subnet(_), far) => Ok(Crossed::Refused(Refusal::NotTransitive {
                table: self.table.id.clone(),
                destination: route.destination.clone(),
                peering: peering.id.clone(),
                vpc: far.unwrap_or(&peering.accepter).vpc.clone(),
                blocked: areas.cidrs(),
                link: link(self.view, self.subnet, self.towards),
            })),
            (Towards::Outside, far) => {
                let far = far.unwrap_or(&peering.accepter);
                let cidrs = self.view.blocks(&far.vpc, &far.region)?;
                let mut left = areas.clone();
                for cidr in &cidrs {
                    left.take(&Area::block(*cidr, ALL_PORTS));
                }
                Ok(if !left.is_empty() {
                    Crossed::Refused(Refusal::NotOfPeer {
                        table: self.table.id.clone(),
                        destination: route.destination.clone(),
                        peering: peering.id.clone(),
                        vpc: far.vpc.clone(),
                        cidrs,
                        blocked: left.cidrs(),
                    })
                } else if peering.is_active() {
                    self.beyond(route, GatewayKind::Peering)
                } else {
                    self.not_active(peering, route, areas)
                })
            }
        }
    }

    fn not_active(&self, peering: &Peering, route: &Route, areas: &Areas) -> Crossed {
        let side = &peering.accepter;
        Crossed::Refused(Refusal::PeeringNotActive {
            table: self.table.id.clone(),
            destination: route.destination.clone(),
            peering: peering.id.clone(),
            status: peering.status.clone(),
            accepter: VpcIn {
                vpc: side.vpc.clone(),
                region: side.region.clone(),
            },
            accepter_account: side.account.clone(),
            blocked: areas.cidrs(),
            link: link(self.view, self.subnet, self.towards),
        })
    }

    fn only_internet(&self, route: &Route, areas: &Areas) -> Crossed {
        Crossed::Refused(Refusal::OnlyInternet {
            table: self.table.id.clone(),
            destination: route.destination.clone(),
            target: route.target.clone(),
            blocked: areas.cidrs(),
            link: link(self.view, self.subnet, self.towards),
        })
    }

    /// A NAT gateway is in another subnet of the VPC, whose table leads its packets on.
    fn translated(&self, route: &Route, areas: &Areas) -> Crossed {
        let public = matches!(self.towards, Towards::Outside) && areas.cidrs().into_iter().all(is_public);
        if public {
            return self.beyond(route, GatewayKind::NatGateway);
        }
        let mut lost = areas.clone();
        for area in areas.clone() {
            for table in self.view.tables_of(&self.subnet.vpc) {
                let legs = match routes::legs(self.view, table, &self.subnet.region, area) {
                    Ok(legs) => legs,
                    Err(reason) => return Crossed::Unknown(reason),
                };
                for Leg { areas, lead } in &legs {
                    if leads_on(lead) {
                        lost.take_all(areas);
                    }
                }
            }
        }
        if lost.is_empty() {
            return Crossed::Unknown(Unknown::Translated {
                table: self.table.id.clone(),
                destination: route.destination.clone(),
                target: route.target.clone(),
            });
        }
        self.only_internet(route, &lost)
    }

    /// An appliance may keep state of connections, and so wants to see both directions.
    fn appliance(&self, route: &Route) -> Crossed {
        let other = self.back.iter().find_map(|leg| match &leg.lead {
            Lead::Out(viewed) | Lead::Local(viewed) => Some(&viewed.route.target).filter(|back| **back != route.target),
            Lead::Gone(_) | Lead::Undecided(_) | Lead::Nowhere => None,
        });
        match other {
            Some(back) => Crossed::Unknown(Unknown::Asymmetric {
                there: route.target.clone(),
                back: back.clone(),
            }),
            None => self.beyond(route, GatewayKind::Appliance),
        }
    }
}

/// Whether a table that leads so may be one that leads a NAT gateway's packets to a private address.
fn leads_on(lead: &Lead) -> bool {
    match lead {
        Lead::Out(viewed) => {
            let target = &viewed.route.target;
            !["nat-", "igw-", "eigw-"]
                .iter()
                .any(|prefix| target.starts_with(prefix))
        }
        Lead::Undecided(_) => true,
        Lead::Local(_) | Lead::Gone(_) | Lead::Nowhere => false,
    }
}

/// What could carry packets from this subnet to where they are meant for.
pub(super) fn link(view: &View, from: &Placed<Subnet>, towards: Towards) -> Link {
    let Towards::Subnet(to) = towards else {
        return Link::Unsaid;
    };
    if from.vpc == to.vpc {
        return Link::Local;
    }
    let place = |subnet: &Placed<Subnet>| VpcIn {
        vpc: subnet.vpc.clone(),
        region: subnet.region.clone(),
    };
    let (between, unread) = view.peerings_between(from, to);
    // One that comes may be led to already: what it lacks is said at its own hop.
    let mut between: Vec<&Peering> = between
        .filter(|peering| peering.is_active() || is_coming(peering))
        .collect();
    between.sort_by_key(|peering| !peering.is_active());
    if let Some(peering) = between.first() {
        return Link::Gateway { id: peering.id.clone() };
    }
    let attached = |subnet: &Placed<Subnet>| -> Option<Vec<String>> {
        let all = view.attachments(&subnet.vpc, &subnet.region).ok()?;
        Some(all.map(|attachment| attachment.gateway.clone()).collect())
    };
    let (Some(near), Some(far), None) = (attached(from), attached(to), unread) else {
        return Link::Unsaid;
    };
    if let Some(gateway) = near.into_iter().find(|gateway| far.contains(gateway)) {
        return Link::Gateway { id: gateway };
    }
    let blocks = |subnet: &Placed<Subnet>| view.blocks(&subnet.vpc, &subnet.region);
    let (from, to, nets) = (place(from), place(to), (blocks(from), blocks(to)));
    match nets {
        (Ok(own), Ok(other)) if overlap(&own, &other).is_some() => Link::Impossible { from, to },
        (Ok(_), Ok(_)) => Link::Missing { from, to },
        _ => Link::Unsaid,
    }
}

/// Whether it isn't active yet, but may become so.
pub(super) fn is_coming(peering: &Peering) -> bool {
    ["pending-acceptance", "provisioning", "initiating-request"].contains(&peering.status.as_str())
}

/// The targets that legs lead to outside the VPC, in a set order.
pub(super) fn targets<'a>(legs: &'a [Leg]) -> std::collections::BTreeSet<&'a str> {
    legs.iter()
        .filter_map(|leg| match &leg.lead {
            Lead::Out(viewed) => Some(viewed.route.target.as_str()),
            _ => None,
        })
        .collect()
}

fn overlap(own: &[Ipv4Net], other: &[Ipv4Net]) -> Option<(Ipv4Net, Ipv4Net)> {
    own.iter().find_map(|one| {
        let two = other.iter().find(|two| one.contains(*two) || two.contains(one))?;
        Some((*one, *two))
    })
}

fn described(peering: &Peering, planned: bool) -> String {
    let planned = if planned { "planned " } else { "" };
    let Peering {
        id,
        requester,
        accepter,
        ..
    } = peering;
    format!(
        "{planned}peering connection {id} of {} and {}",
        requester.vpc, accepter.vpc
    )
}

fn is_default(route: &Route) -> bool {
    route.destination == "0.0.0.0/0"
}

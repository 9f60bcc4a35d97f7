//! Route tables: the longest prefix wins; between equal ones a static CIDR route wins over a prefix list's, and that over a propagated one.
//! A propagated route never wins over the local one, however specific it is.

use std::cmp::Reverse;

use ipnet::Ipv4Net;

use super::area::{ALL_PORTS, Area, Areas};
use super::gateways;
use super::proof::Outcome;
use super::prove::Towards;
use super::refusal::Refusal;
use super::unknown::Unknown;
use super::view::{Placed, Table, View, ViewedRoute, ipv4};
use crate::facts::network::{Route, Subnet};

const LOCAL: &str = "local";

/// One block of a route: a prefix list has many.
struct Candidate<'a> {
    net: Ipv4Net,
    rank: Rank,
    viewed: &'a ViewedRoute,
}

/// Which of two routes with equal blocks wins: the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Local,
    Static,
    PrefixList,
    Propagated,
}

/// A part of the addresses that are asked for, and where the table leads it.
pub(super) struct Leg<'a> {
    pub(super) areas: Areas,
    pub(super) lead: Lead<'a>,
}

/// Where a table leads.
pub(super) enum Lead<'a> {
    /// Stays in the VPC.
    Local(&'a ViewedRoute),
    /// To something that carries it further.
    Out(&'a ViewedRoute),
    /// To something that is gone.
    Gone(&'a ViewedRoute),
    /// Which route wins can't be told.
    Undecided(Unknown),
    /// The table has no route.
    Nowhere,
}

/// Where this table, in this region, leads all addresses of `asked`. A route that can't be read may win anywhere.
pub(super) fn legs<'a>(view: &View, table: &'a Table, region: &str, asked: Area) -> Result<Vec<Leg<'a>>, Unknown> {
    let candidates = candidates(view, table, region)?;
    let locals: Vec<Area> = candidates
        .iter()
        .filter(|candidate| candidate.rank == Rank::Local)
        .map(|candidate| Area::block(candidate.net, ALL_PORTS))
        .collect();
    let mut left = Areas::from(asked.on_all_ports());
    let mut legs = Vec::new();
    for candidate in &candidates {
        let mut block = Areas::from(Area::block(candidate.net, ALL_PORTS));
        if candidate.rank == Rank::Propagated {
            for local in &locals {
                block.take(local);
            }
        }
        let areas = left.take_all(&block);
        if areas.is_empty() {
            continue;
        }
        let lead = match undecided(table, candidate, &candidates) {
            Some(reason) if candidate.rank != Rank::Local => Lead::Undecided(reason),
            _ if is_gone(view, &candidate.viewed.route, region) => Lead::Gone(candidate.viewed),
            _ if candidate.rank == Rank::Local => Lead::Local(candidate.viewed),
            _ => Lead::Out(candidate.viewed),
        };
        legs.push(Leg { areas, lead });
    }
    if !left.is_empty() {
        legs.push(Leg {
            areas: left,
            lead: Lead::Nowhere,
        });
    }
    Ok(legs)
}

/// Whether a route's target is gone. EC2 calls a route to a peering connection that nobody has accepted yet a blackhole too, but what mends it is
/// to accept the connection, so that one is judged as a gateway.
fn is_gone(view: &View, route: &Route, region: &str) -> bool {
    let coming = || {
        view.peering(&route.target, region)
            .is_ok_and(|viewed| gateways::is_coming(&viewed.peering))
    };
    !route.active && !coming()
}

/// Whether the legs, of a subnet's table, lead where packets are meant for, as far as the table says.
pub(super) fn judge(
    view: &View,
    table: &Table,
    subnet: &Placed<Subnet>,
    towards: Towards,
    asked: Area,
    legs: &[Leg],
) -> Outcome {
    let mut by = Vec::new();
    let mut refusal = None;
    let mut doubt = None;
    for Leg { areas, lead } in legs {
        match lead {
            Lead::Out(viewed) => by.push(describe(table, viewed)),
            Lead::Undecided(reason) => {
                doubt.get_or_insert_with(|| reason.clone());
            }
            Lead::Gone(ViewedRoute { route, .. }) => {
                refusal.get_or_insert_with(|| Refusal::Blackhole {
                    table: table.id.clone(),
                    destination: route.destination.clone(),
                    target: route.target.clone(),
                    blocked: areas.cidrs(),
                    link: gateways::link(view, subnet, towards),
                });
            }
            Lead::Nowhere => {
                refusal.get_or_insert_with(|| Refusal::NoRoute {
                    table: table.id.clone(),
                    blocked: areas.cidrs(),
                    partly: !areas.is_whole(&asked.on_all_ports()),
                    link: gateways::link(view, subnet, towards),
                });
            }
            Lead::Local(viewed) => match towards {
                Towards::Subnet(destination) if destination.vpc == subnet.vpc => by.push(describe(table, viewed)),
                Towards::Subnet(destination) => {
                    refusal.get_or_insert_with(|| Refusal::StaysLocal {
                        table: table.id.clone(),
                        destination: viewed.route.destination.clone(),
                        vpc: subnet.vpc.clone(),
                        destination_vpc: destination.vpc.clone(),
                        blocked: areas.cidrs(),
                    });
                }
                Towards::Outside => {
                    doubt.get_or_insert_with(|| Unknown::Inside {
                        table: table.id.clone(),
                        destination: viewed.route.destination.clone(),
                        vpc: subnet.vpc.clone(),
                    });
                }
            },
        }
    }
    match (refusal, doubt) {
        (Some(reason), _) => Outcome::Refused { reason },
        (None, Some(reason)) => Outcome::Unknown { reason },
        (None, None) => Outcome::Passes { by },
    }
}

fn describe(table: &Table, viewed: &ViewedRoute) -> String {
    let planned = if viewed.planned { "planned " } else { "" };
    let Route {
        destination, target, ..
    } = &viewed.route;
    format!("{planned}route {destination} to {target} of {}", table.id)
}

/// All IPv4 blocks that the table has routes for, in the order in which they win.
fn candidates<'a>(view: &View, table: &'a Table, region: &str) -> Result<Vec<Candidate<'a>>, Unknown> {
    let mut candidates = Vec::with_capacity(table.routes.len());
    for viewed in &table.routes {
        let route = &viewed.route;
        let by_list = route.destination.starts_with("pl-");
        let nets = if by_list {
            view.prefix_list(&route.destination, region)?
        } else {
            ipv4(&route.destination, &table.id)?.into_iter().collect()
        };
        let rank = if route.target == LOCAL {
            Rank::Local
        } else if route.propagated {
            Rank::Propagated
        } else if by_list {
            Rank::PrefixList
        } else {
            Rank::Static
        };
        candidates.extend(nets.into_iter().map(|net| Candidate { net, rank, viewed }));
    }
    candidates.sort_by_key(|candidate| (Reverse(candidate.net.prefix_len()), candidate.rank));
    Ok(candidates)
}

/// Whether another route is as good as the winner. Between equal blocks of prefix lists AWS chooses at random; a second static route for a
/// block that has one is a plan's, and AWS would refuse it.
fn undecided(table: &Table, winner: &Candidate, all: &[Candidate]) -> Option<Unknown> {
    let Route {
        destination,
        target,
        active,
        ..
    } = &winner.viewed.route;
    let other = all.iter().find(|other| {
        let route = &other.viewed.route;
        (other.net, other.rank) == (winner.net, winner.rank) && (&route.target, &route.active) != (target, active)
    })?;
    Some(Unknown::RoutesCompete {
        table: table.id.clone(),
        destination: destination.clone(),
        target: target.clone(),
        other_destination: other.viewed.route.destination.clone(),
        other_target: other.viewed.route.target.clone(),
    })
}

//! Route tables: the longest prefix wins; between equal ones a CIDR route wins over a prefix list's.

use std::cmp::Reverse;

use ipnet::Ipv4Net;

use super::area::{ALL_PORTS, Area, Areas};
use super::proof::{Outcome, Refusal, Unknown};
use super::view::{View, ipv4};
use crate::facts::network::{Route, RouteTable};

const LOCAL: &str = "local";

/// One block of a route: a prefix list has many.
struct Candidate<'a> {
    net: Ipv4Net,
    by_list: bool,
    route: &'a Route,
}

/// Whether this table, of a subnet in `vpc`, delivers to all addresses of `asked`, which are in `destination_vpc`.
pub(super) fn judge(view: &View, table: &RouteTable, vpc: &str, destination_vpc: &str, asked: Area) -> Outcome {
    let asked = asked.on_all_ports();
    let candidates = match candidates(view, table) {
        Ok(candidates) => candidates,
        Err(reason) => return Outcome::Unknown { reason },
    };
    let mut left = Areas::from(asked);
    let mut by = Vec::new();
    let mut refusal = None;
    let mut doubt = None;
    for candidate in &candidates {
        let taken = left.take(&Area::block(candidate.net, ALL_PORTS));
        if taken.is_empty() {
            continue;
        }
        let Route {
            destination,
            target,
            active,
            ..
        } = candidate.route;
        if let Some(reason) = undecided(table, candidate, &candidates) {
            doubt.get_or_insert(reason);
        } else if !active {
            refusal.get_or_insert_with(|| Refusal::Blackhole {
                table: table.id.clone(),
                destination: destination.clone(),
                target: target.clone(),
                blocked: taken.cidrs(),
            });
        } else if target != LOCAL {
            doubt.get_or_insert_with(|| Unknown::LeavesBy {
                table: table.id.clone(),
                destination: destination.clone(),
                target: target.clone(),
            });
        } else if vpc == destination_vpc {
            by.push(format!("route {destination} to local of {}", table.id));
        } else {
            refusal.get_or_insert_with(|| Refusal::StaysLocal {
                table: table.id.clone(),
                destination: destination.clone(),
                vpc: vpc.to_owned(),
                destination_vpc: destination_vpc.to_owned(),
                blocked: taken.cidrs(),
            });
        }
    }
    if !left.is_empty() {
        let partly = !left.is_whole(&asked);
        refusal.get_or_insert_with(|| Refusal::NoRoute {
            table: table.id.clone(),
            blocked: left.cidrs(),
            partly,
        });
    }
    match (refusal, doubt) {
        (Some(reason), _) => Outcome::Refused { reason },
        (None, Some(reason)) => Outcome::Unknown { reason },
        (None, None) => Outcome::Passes { by },
    }
}

/// All IPv4 blocks that the table has routes for, in the order in which they win. A route that can't be read may win anywhere.
fn candidates<'a>(view: &View, table: &'a RouteTable) -> Result<Vec<Candidate<'a>>, Unknown> {
    let mut candidates = Vec::with_capacity(table.routes.len());
    for route in &table.routes {
        let by_list = route.destination.starts_with("pl-");
        let nets = if by_list {
            view.prefix_list(&route.destination)?
        } else {
            ipv4(&route.destination, &table.id)?.into_iter().collect()
        };
        candidates.extend(nets.into_iter().map(|net| Candidate { net, by_list, route }));
    }
    candidates.sort_by_key(|candidate| {
        (
            Reverse(candidate.net.prefix_len()),
            candidate.by_list,
            candidate.route.target != LOCAL,
        )
    });
    Ok(candidates)
}

/// Whether the winner can't be told from the facts: they don't say which routes a gateway propagated. A propagated route gives way to an equal
/// static one, and to the local route even where it is more specific. Between equal blocks of prefix lists AWS chooses at random.
fn undecided(table: &RouteTable, winner: &Candidate, all: &[Candidate]) -> Option<Unknown> {
    let Route {
        destination,
        target,
        active,
        ..
    } = winner.route;
    if target == LOCAL {
        return None;
    }
    let equal = all.iter().find(|other| {
        (other.net, other.by_list) == (winner.net, winner.by_list)
            && (&other.route.target, other.route.active) != (target, *active)
    });
    let over_local = || {
        let propagated = target.starts_with("vgw-");
        all.iter()
            .find(|other| propagated && other.route.target == LOCAL && other.net.contains(&winner.net))
    };
    equal.or_else(over_local).map(|other| Unknown::RoutesCompete {
        table: table.id.clone(),
        destination: destination.clone(),
        target: target.clone(),
        other_destination: other.route.destination.clone(),
        other_target: other.route.target.clone(),
    })
}

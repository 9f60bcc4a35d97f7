//! What the plan tells of the way: how the VPCs are joined, which rules there are, and what is taken on trust.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::Ground;
use super::groups::{inbound, warn_of_quota};
use super::subnets::Candidate;
use crate::facts::Owner;
use crate::facts::network::RulePeer;
use crate::network::{Proof, Verdict};
use crate::plan::notes::{Notes, why};
use crate::plan::shared::{NetworkStack, user};
use crate::plan::way::{Ends, Way};
use crate::settings::Settings;

/// Says how the two VPCs are joined, and which routes are made.
pub(super) fn path(
    way: &Way,
    ends: &Ends,
    chosen: &[&Candidate],
    stacks: &[NetworkStack],
    settings: &Settings,
    notes: &mut Notes,
) {
    let (function, brokers) = (ends.function.vpc, ends.brokers.vpc);
    match way {
        Way::Inside => return,
        Way::Routed { .. } => {
            let by: BTreeSet<String> = chosen
                .iter()
                .flat_map(|candidate| &candidate.proofs)
                .flat_map(Proof::gateways)
                .collect();
            let by: Vec<String> = by.into_iter().collect();
            notes.decide(
                "way",
                format!("by the routes that are there, through {}", by.join(", ")),
                format!("they lead from {function} to {brokers} and back; nothing is made, and nothing of it is touched"),
            );
        }
        Way::Peering(joint) if joint.exists && !joint.own => notes.decide(
            "way",
            format!("the peering connection {} between {function} and {brokers}", joint.peering.id),
            settings.peering.as_ref().map_or_else(
                || "it is active, and somebody else's: it is used, and stays when the stack goes".to_owned(),
                |setting| why(setting, ""),
            ),
        ),
        Way::Peering(joint) => notes.decide(
            "way",
            format!("a peering connection between {function} and {brokers}, of k2m's own{}", if joint.exists { format!(": {}", joint.peering.id) } else { String::new() }),
            "nothing else joins the two VPCs; all stacks of k2m that need it share it, and it goes with the last of them",
        ),
    }
    let mut routes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let me = user(&settings.home.region, &settings.stack.value);
    for needed in stacks
        .iter()
        .filter_map(|stack| stack.users.get(&me))
        .flat_map(|needs| &needs.routes)
    {
        routes.entry(&needed.table).or_default().insert(&needed.destination);
    }
    for (table, destinations) in routes {
        let destinations: Vec<&str> = destinations.into_iter().collect();
        notes.decide(
            "routes",
            format!("{table}: to {}", destinations.join(", ")),
            "it has none that leads there; routes that are there stay as they are",
        );
    }
    if !stacks.is_empty() {
        let names: Vec<String> = stacks
            .iter()
            .map(|stack| format!("{} in {}", stack.stack, stack.region))
            .collect();
        notes.decide(
            "network stacks",
            names.join(", "),
            "a VPC has such a thing only once, so stacks share it; deployed before this stack, and deleted after the last that needs it",
        );
    }
}

pub(super) fn rules(ground: &Ground, way: &Way, ends: &Ends, chosen: &[&Candidate], notes: &mut Notes) {
    let (first, last) = ground.ports;
    let shown = if first == last {
        format!("port {first}")
    } else {
        format!("ports {first}-{last}")
    };
    let group = &ground.cluster_group.id;
    let mut inbound = inbound(ground.cluster_group);
    let needed: BTreeSet<&str> = chosen
        .iter()
        .flat_map(|candidate| &candidate.takes.brokers.ingress)
        .map(|rule| rule.cidr.as_str())
        .collect();
    if let Some(own) = ground.function_group {
        notes.decide(
            "function's group",
            own,
            "it was named: it is used as it is, and stays when the stack goes",
        );
    }
    let new = if way.by_group() && !ground.ingress_by_group(way) {
        notes.decide(
            "rules",
            format!("none: {group} lets the function's group in already, on {shown}"),
            "a rule that is there is used, and stays when the stack goes",
        );
        0
    } else if way.by_group() && ground.function_group.is_some() {
        notes.decide(
            "rules",
            format!("into {group}, from the function's group: {shown}"),
            "it goes when the stack goes",
        );
        1
    } else if way.by_group() {
        notes.decide(
            "rules",
            format!("out of the function's group to {group}, and into it: {shown}"),
            "the function's group is the stack's own; the rule on the cluster's group goes when the stack goes",
        );
        1
    } else {
        let out: BTreeSet<&str> = ground
            .broker_subnets
            .iter()
            .map(|subnet| subnet.cidr.as_str())
            .collect();
        let out: Vec<&str> = out.into_iter().collect();
        let reason = if ends.function.region == ends.brokers.region {
            "only across a peering connection do rules name groups of another VPC"
        } else {
            "rules don't name groups of another region"
        };
        if ground.function_group.is_none() {
            notes.decide(
                "rules",
                format!("out of the function's group to {}: {shown}", out.join(", ")),
                reason,
            );
        }
        let into = if needed.is_empty() {
            "nothing: rules that are there let the function's subnets in".to_owned()
        } else {
            let from: Vec<&str> = needed.iter().copied().collect();
            format!("from {}: {shown}", from.join(", "))
        };
        notes.decide("rules of the cluster", format!("into {group} {into}"), reason);
        needed.len()
    };
    // Those that a network stack has for these subnets already are not added once more.
    let there = ground.cluster_group.rules.iter().filter(|rule| {
        let known = matches!(&rule.peer, RulePeer::Cidr(cidr) if needed.contains(cidr.as_str()));
        !rule.egress && known && ends.ours(&rule.owner) && rule.owner != Owner::ThisStack
    });
    inbound -= there.count();
    warn_of_quota(group, inbound, new, notes);
}

/// Says what is taken on trust: what lies behind a gateway.
pub(in crate::plan) fn beyond(chosen: &[&Candidate], notes: &mut Notes) {
    let through: BTreeSet<String> = chosen
        .iter()
        .flat_map(|candidate| &candidate.proofs)
        .filter(|proof| matches!(proof.verdict, Verdict::ThroughGateway { .. }))
        .flat_map(Proof::gateways)
        .collect();
    if !through.is_empty() {
        let through: Vec<String> = through.into_iter().collect();
        notes.warn(format!(
            "the way is proven as far as {}: what is done with packets there isn't seen; after the deployment `k2m doctor` asks the function itself",
            through.join(", ")
        ));
    }
}

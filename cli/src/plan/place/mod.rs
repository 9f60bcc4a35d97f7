//! Where the function is: a VPC, and subnets in it from which every broker is proven to be reached, through the network as the stacks will make it.

mod ground;
mod groups;
mod subnets;
mod told;
mod vpc;

pub(super) use ground::FUNCTION_GROUP;
pub(super) use groups::{
    RULES_PER_GROUP, broker_groups, cluster_group, inbound, inbound_rule, refuse_rule_of_other, warn_of_quota,
};
pub(super) use subnets::{Candidate, MOST_SUBNETS, by_plan, by_user, listed, obstacle, warn_of_room, warn_of_zones};
pub(super) use told::beyond;
pub(super) use vpc::{broker_subnets, function_vpcs, named_vpc, shown, vpc, with_group};

use super::endpoint::outward;
use super::error::PlanError;
use super::model::{PlannedCluster, PlannedConnection, PlannedNetwork};
use super::notes::{Notes, why};
use super::private;
use super::seen::Seen;
use super::shared::{NetworkStack, user};
use super::way::{Ends, Way, ways};
use crate::network::{Proof, Verdict};
use crate::settings::Settings;
use ground::Ground;
use groups::ports;
use subnets::{ENOUGH_ZONES, needs, zones};
use vpc::{named, sighted};

/// The function's place.
#[derive(Debug)]
pub(super) struct Place {
    /// None where functions are in no VPC.
    pub(super) network: Option<PlannedNetwork>,
    pub(super) cluster_vpc: String,
    /// Those that are made or changed for it, in the order in which they are deployed.
    pub(super) network_stacks: Vec<NetworkStack>,
    /// The VPC connection that the functions come in by, where they do.
    pub(super) connection: Option<PlannedConnection>,
    /// Whether VPCs are joined that nothing joins yet.
    pub(super) makes_peering: bool,
    pub(super) proofs: Vec<Proof>,
}

impl Place {
    /// Whether the functions come in by a VPC connection that is there.
    pub(super) fn uses_connection(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.exists)
    }
}

/// A way into one VPC, tried on all its subnets.
struct Tried<'a> {
    ends: Ends<'a>,
    way: Way,
    candidates: Vec<Candidate<'a>>,
}

/// Chooses the VPC, the way to the brokers, the subnets and the rules.
pub(super) fn choose(seen: &Seen, cluster: &PlannedCluster, notes: &mut Notes) -> Result<Place, PlanError> {
    let (settings, port) = (seen.settings, cluster.port);
    let cluster_vpc = vpc(seen)?;
    let ports = ports(settings, port, notes);
    let ground = Ground {
        seen,
        cluster_region: settings.brokers_region(),
        broker_subnets: broker_subnets(seen)?,
        cluster_group: cluster_group(seen, &cluster_vpc)?,
        function_group: settings.security_group.as_ref().map(|group| group.value.as_str()),
        broker_groups: broker_groups(seen, &cluster_vpc),
        cluster_vpc,
        port,
        ports,
    };
    let region = settings.home.region.as_str();
    let (vpcs, reason) = function_vpcs(settings, seen, region, (ground.cluster_region, &ground.cluster_vpc))?;
    let vpcs = with_group(settings, seen, region, vpcs)?;
    let mut dead_ends = Vec::new();
    let all = attempts(&ground, &vpcs, &mut dead_ends)?;
    let best = best(&all, settings);
    let bypassed = all.iter().find_map(|(tried, _)| bypassed(tried));
    let Some((tried, reasons)) = best.and_then(|index| all.into_iter().nth(index)) else {
        return Err(PlanError::NoWay {
            vpcs,
            cluster_vpc: ground.cluster_vpc,
            region: region.to_owned(),
            reasons: dead_ends,
        });
    };
    if vpcs.len() > 1 && tried.usable().next().is_none() {
        return Err(PlanError::ChooseVpc {
            region: region.to_owned(),
            cluster_vpc: ground.cluster_vpc.clone(),
            vpcs: named(seen, region, &vpcs),
        });
    }
    let Tried { ends, way, candidates } = tried;
    if makes_peering(&way) {
        refuse_gone(seen, &ends)?;
        if let Some(text) = bypassed {
            notes.warn(text);
        }
    }
    if let Some(setting) = settings.peering.as_ref().filter(|_| ends.same_vpc()) {
        notes.warn(format!(
            "peering ({}) has no effect: the function is in the brokers' VPC",
            setting.source
        ));
    }
    if !ends.same_vpc() {
        notes.decide("vpc", shown(seen, region, ends.function.vpc), reason);
    }
    let attempt = || ground.attempted(settings, &ends, &way, &candidates);
    let chosen = match &settings.subnets {
        Some(setting) => {
            let chosen = by_user(setting, &candidates, ends.function.vpc, &[port], &reasons);
            let chosen = chosen.map_err(|error| error.tried(attempt))?;
            notes.decide("subnets", listed(&chosen), why(setting, ""));
            chosen
        }
        None => by_plan(
            &candidates,
            ends.function.vpc,
            &[port],
            &reasons,
            because(&ends),
            outward(&cluster.secrets, ends.function.vpc, seen).as_ref(),
            notes,
        )
        .map_err(|error| error.tried(attempt))?,
    };
    warn_of_zones(&chosen, &candidates, notes);
    warn_of_room(&chosen, notes);
    if let Some(named) = settings
        .security_group
        .as_ref()
        .filter(|_| ground.ingress_by_group(&way))
    {
        refuse_rule_of_other(named, ground.cluster_group)?;
    }
    let network_stacks = network_stacks(settings, &ground, &ends, &chosen)?;
    told::path(&way, &ends, &chosen, &network_stacks, settings, notes);
    told::rules(&ground, &way, &ends, &chosen, notes);
    told::beyond(&chosen, notes);
    Ok(Place {
        cluster_vpc: ground.cluster_vpc.clone(),
        network: Some(ground.network(&ends, &way, &chosen)),
        network_stacks,
        connection: None,
        makes_peering: makes_peering(&way),
        proofs: chosen
            .into_iter()
            .flat_map(|candidate| candidate.proofs.iter().cloned())
            .collect(),
    })
}

/// Every way from every VPC, judged, each with why others from there are none; all of these reasons are added to the dead ends.
fn attempts<'a>(
    ground: &'a Ground<'a>,
    vpcs: &'a [String],
    dead_ends: &mut Vec<String>,
) -> Result<Vec<(Tried<'a>, Vec<String>)>, PlanError> {
    let settings = ground.seen.settings;
    let home = &settings.home;
    let peering = settings.peering.as_ref().map(|peering| peering.value.as_str());
    let otherwise = private::hint(ground.seen);
    let mut all = Vec::new();
    for vpc in vpcs {
        let ends = ground.ends(&home.region, vpc, &home.account)?;
        sighted(&ends)?;
        let (ways, reasons) = ways(&ends, peering, &otherwise);
        // With several VPCs to choose from, none is joined to the brokers' that isn't yet: which one, the user has to say.
        let ways = ways.into_iter().filter(|way| vpcs.len() == 1 || !makes_peering(way));
        all.extend(ways.map(|way| (ground.attempt(ends, way), reasons.clone())));
        dead_ends.extend(reasons);
    }
    Ok(all)
}

/// Why the subnets are those that they are, where nobody chose.
fn because(ends: &Ends) -> &'static str {
    if ends.same_vpc() {
        "one in each zone that has a broker: the broker's own where it reaches all brokers and has 2 free addresses, else the one with most of them"
    } else {
        "one in each of two zones, those of the brokers first: the one with most free addresses of those that reach all brokers"
    }
}

impl Tried<'_> {
    /// Whether all that lies on the way is known, from each subnet that does.
    fn proven(&self) -> bool {
        let mut proofs = self.usable().flat_map(|candidate| &candidate.proofs);
        proofs.all(|proof| proof.verdict == Verdict::Reachable)
    }

    /// Whether the function can be placed so: in all subnets that were named, else in two zones, or as many as there are.
    fn does(&self, settings: &Settings) -> bool {
        if let Some(setting) = &settings.subnets {
            let mut ids = setting.value.iter();
            return ids.all(|id| self.usable().any(|candidate| candidate.subnet.id == *id));
        }
        let all: Vec<&Candidate> = self.candidates.iter().collect();
        let usable: Vec<&Candidate> = self.usable().collect();
        !usable.is_empty() && zones(&usable).len() >= ENOUGH_ZONES.min(zones(&all).len())
    }

    /// More is better: named subnets that do, zones that do.
    fn rank(&self, settings: &Settings) -> (usize, usize) {
        let named = settings.subnets.as_ref().map_or(&[][..], |setting| &setting.value);
        let named = self
            .usable()
            .filter(|candidate| named.contains(&candidate.subnet.id))
            .count();
        let usable: Vec<&Candidate> = self.usable().collect();
        (named, zones(&usable).len())
    }

    fn usable(&self) -> impl Iterator<Item = &Candidate<'_>> {
        self.candidates.iter().filter(|candidate| candidate.obstacle.is_none())
    }
}

/// Which of all that were tried is taken: what is proven goes before what is taken on trust, and that before what k2m would make. Of those that don't do,
/// the last says what is left to mend.
fn best(all: &[(Tried, Vec<String>)], settings: &Settings) -> Option<usize> {
    let is = |index: &usize, wanted: fn(&Tried) -> bool| all.get(*index).is_some_and(|(tried, _)| wanted(tried));
    let does = |index: &usize| all.get(*index).is_some_and(|(tried, _)| tried.does(settings));
    let able: Vec<usize> = (0..all.len()).filter(does).collect();
    let proven = able
        .iter()
        .find(|index| is(index, |tried| tried.proven() && !makes_peering(&tried.way)));
    let trusted = able.iter().find(|index| is(index, |tried| !makes_peering(&tried.way)));
    let best = proven.or(trusted).or(able.first()).copied();
    best.or_else(|| (0..all.len()).max_by_key(|index| all.get(*index).map(|(tried, _)| tried.rank(settings))))
}

/// What is to be known where a peering connection is made although routes lead to another gateway, which does not lead to the brokers.
fn bypassed(tried: &Tried) -> Option<String> {
    let Way::Routed { .. } = tried.way else { return None };
    let mut all = tried.candidates.iter();
    all.find_map(|candidate| {
        let refused = candidate.proofs.iter();
        let mut refused = refused.filter(|proof| matches!(proof.verdict, Verdict::Refused { .. }));
        let gateway = |proof: &Proof| proof.gateways().into_iter().find(|id| id.starts_with("tgw-") || id.starts_with("vgw-"));
        let (id, verdict) = refused.find_map(|proof| Some((gateway(proof)?, proof.verdict.to_string())))?;
        Some(format!(
            "routes of {} lead to {id}, which does not lead to the brokers ({verdict}): a peering connection is made beside it, with routes that are more specific",
            tried.ends.function.vpc
        ))
    })
}

/// Refuses to make a peering connection that a network stack has made already.
fn refuse_gone(seen: &Seen, ends: &Ends) -> Result<(), PlanError> {
    for (near, far) in [(ends.function, ends.brokers), (ends.brokers, ends.function)] {
        let what = format!("the peering connection between {} and {}", near.vpc, far.vpc);
        let deployed = seen.network_stack(near.vpc);
        NetworkStack::refuse_gone(deployed, (near.region, near.vpc), &what, |needs| {
            needs.peerings.iter().any(|made| made.vpc == far.vpc)
        })?;
    }
    Ok(())
}

/// Whether this way makes a peering connection between VPCs that have none.
fn makes_peering(way: &Way) -> bool {
    matches!(way, Way::Peering(joint) if !joint.exists)
}

/// Network stacks as they have to be with this plan: what others need in them stays.
fn network_stacks(
    settings: &Settings,
    ground: &Ground,
    ends: &Ends,
    chosen: &[&Candidate],
) -> Result<Vec<NetworkStack>, PlanError> {
    let me = user(&settings.home.region, &settings.stack.value);
    let (function, brokers) = needs(chosen);
    let mut stacks = Vec::new();
    let mut both = [(ends.brokers, brokers), (ends.function, function)];
    // First the one that makes the peering connection, which the other leads through.
    both.sort_by_key(|(_, needs)| needs.peerings.is_empty());
    for (end, needs) in both {
        if needs.is_empty() {
            continue;
        }
        let deployed = ground.seen.network_stack(end.vpc);
        let mut stack = NetworkStack::of_others(deployed, end.region, end.vpc, &me)?;
        stack.users.insert(me.clone(), needs);
        stack.refuse_clashes(&me)?;
        stacks.push(stack);
    }
    Ok(stacks)
}

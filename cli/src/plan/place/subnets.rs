//! Which subnets of the function's VPC: those that reach every broker, in two zones or more, with free addresses.

use std::collections::BTreeSet;

use crate::facts::network::Subnet;
use crate::network::{Proof, Verdict};
use crate::plan::error::{Obstacle, PlanError};
use crate::plan::notes::Notes;
use crate::plan::shared::Needs;
use crate::plan::way::Takes;
use crate::settings::Setting;

/// Lambda takes no more.
pub(in crate::plan) const MOST_SUBNETS: usize = 16;

/// A function survives the loss of a zone when it is in another too.
pub(super) const ENOUGH_ZONES: usize = 2;

/// One address is for the network interface that functions share per subnet and group; a second while Lambda replaces it, or adds one under
/// load.
const ROOM: u32 = 2;

/// A subnet, and what becomes of a function in it.
#[derive(Debug)]
pub(in crate::plan) struct Candidate<'a> {
    pub(in crate::plan) subnet: &'a Subnet,
    /// Whether the deployed function is in it.
    pub(in crate::plan) deployed: bool,
    /// Whether a broker is in it.
    pub(in crate::plan) broker: bool,
    pub(in crate::plan) takes: Takes,
    pub(in crate::plan) proofs: Vec<Proof>,
    pub(in crate::plan) obstacle: Option<Obstacle>,
}

/// What the proofs say against a subnet. A refusal is certain, and so comes before what isn't known.
pub(in crate::plan) fn obstacle<'p>(proofs: impl IntoIterator<Item = &'p Proof>) -> Option<Obstacle> {
    let proofs: Vec<&Proof> = proofs.into_iter().collect();
    let words = |proof: &Proof| {
        let Proof {
            destination_address,
            port,
            verdict,
            ..
        } = proof;
        format!("{destination_address}:{port} {verdict}")
    };
    let refused = proofs
        .iter()
        .find(|proof| matches!(proof.verdict, Verdict::Refused { .. }));
    let unknown = proofs
        .iter()
        .find(|proof| matches!(proof.verdict, Verdict::Unknown { .. }));
    refused
        .map(|proof| Obstacle::Refused(words(proof)))
        .or_else(|| unknown.map(|proof| Obstacle::Unknown(words(proof))))
}

/// The user's own subnets, every one of which must do.
pub(in crate::plan) fn by_user<'c, 'a>(
    setting: &Setting<Vec<String>>,
    candidates: &'c [Candidate<'a>],
    vpc: &str,
    ports: &[u16],
    reasons: &[String],
) -> Result<Vec<&'c Candidate<'a>>, PlanError> {
    // The order says nothing to Lambda; sorted, the same subnets give the same template.
    let ids: BTreeSet<&String> = setting.value.iter().collect();
    if ids.len() > MOST_SUBNETS {
        return Err(PlanError::TooManySubnets {
            count: ids.len(),
            by: setting.source.clone(),
        });
    }
    let mut chosen = Vec::new();
    let mut obstacles = Vec::new();
    for id in ids {
        match candidates.iter().find(|candidate| candidate.subnet.id == *id) {
            Some(candidate) => match &candidate.obstacle {
                None => chosen.push(candidate),
                Some(obstacle) => obstacles.push((id.clone(), obstacle.clone())),
            },
            None => obstacles.push((id.clone(), Obstacle::Elsewhere { vpc: vpc.to_owned() })),
        }
    }
    if obstacles.is_empty() && !chosen.is_empty() {
        Ok(chosen)
    } else {
        Err(PlanError::Subnets {
            ports: ports.into(),
            chosen: Some(setting.source.clone()),
            vpc: vpc.into(),
            obstacles,
            reasons: reasons.to_vec(),
            attempt: None,
        })
    }
}

/// The subnets that the deployed function is in as long as they do; else one in each zone of the brokers, and in other zones where that
/// isn't enough. Of all that do, those that lead outward, where they are enough and the function has to get there.
pub(in crate::plan) fn by_plan<'c, 'a>(
    candidates: &'c [Candidate<'a>],
    vpc: &str,
    ports: &[u16],
    reasons: &[String],
    because: &str,
    outward: Option<&BTreeSet<String>>,
    notes: &mut Notes,
) -> Result<Vec<&'c Candidate<'a>>, PlanError> {
    let usable: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| candidate.obstacle.is_none())
        .collect();
    if usable.is_empty() {
        // The brokers' own first: not all may be shown.
        let mut ordered: Vec<&Candidate> = candidates.iter().collect();
        ordered.sort_by_key(|candidate| !candidate.broker);
        let obstacles = ordered
            .into_iter()
            .filter_map(|candidate| Some((candidate.subnet.id.clone(), candidate.obstacle.clone()?)))
            .collect();
        return Err(PlanError::Subnets {
            ports: ports.into(),
            chosen: None,
            vpc: vpc.into(),
            obstacles,
            reasons: reasons.to_vec(),
            attempt: None,
        });
    }
    let enough = ENOUGH_ZONES.min(zones(&usable).len());
    let deployed: Vec<&Candidate> = usable.iter().copied().filter(|candidate| candidate.deployed).collect();
    let still = candidates
        .iter()
        .all(|candidate| !candidate.deployed || candidate.obstacle.is_none());
    let (mut chosen, reason) = if still && zones(&deployed).len() >= enough {
        (deployed, "the function is in them, and reaches every broker".to_owned())
    } else {
        let leads = |candidate: &&Candidate| outward.is_some_and(|ids| ids.contains(&candidate.subnet.id));
        let leading: Vec<&Candidate> = usable.iter().copied().filter(leads).collect();
        if !leading.is_empty() && leading.len() < usable.len() && zones(&leading).len() >= enough {
            let chosen = one_a_zone(&leading, &broker_zones(candidates), enough);
            (
                chosen,
                format!("{because}; of those that lead to a NAT gateway, as the way to the secrets does"),
            )
        } else {
            let chosen = one_a_zone(&usable, &broker_zones(candidates), enough);
            (chosen, because.to_owned())
        }
    };
    // Sorted, the same subnets give the same template.
    chosen.sort_by(|one, other| one.subnet.id.cmp(&other.subnet.id));
    notes.decide("subnets", listed(&chosen), reason);
    for candidate in candidates {
        if let Some(obstacle) = candidate
            .obstacle
            .as_ref()
            .filter(|_| candidate.broker || candidate.deployed)
        {
            notes.decide("subnet left out", &candidate.subnet.id, obstacle.to_string());
        }
    }
    Ok(chosen)
}

fn one_a_zone<'c, 'a>(
    usable: &[&'c Candidate<'a>],
    broker_zones: &BTreeSet<&str>,
    enough: usize,
) -> Vec<&'c Candidate<'a>> {
    let all = zones(usable);
    let others = all.difference(broker_zones).copied();
    let mut chosen = Vec::new();
    for zone in broker_zones.iter().copied().chain(others) {
        if !broker_zones.contains(zone) && chosen.len() >= enough {
            break;
        }
        let in_zone = usable.iter().copied().filter(|candidate| candidate.subnet.zone == zone);
        let best = in_zone.max_by_key(|candidate| {
            let Candidate {
                subnet,
                deployed,
                broker,
                ..
            } = candidate;
            (
                *deployed,
                subnet.free_addresses >= ROOM,
                *broker,
                subnet.free_addresses,
                std::cmp::Reverse(subnet.id.as_str()),
            )
        });
        chosen.extend(best);
    }
    chosen.truncate(MOST_SUBNETS);
    chosen
}

pub(super) fn zones<'a>(candidates: &[&Candidate<'a>]) -> BTreeSet<&'a str> {
    candidates
        .iter()
        .map(|candidate| candidate.subnet.zone.as_str())
        .collect()
}

fn broker_zones<'a>(candidates: &[Candidate<'a>]) -> BTreeSet<&'a str> {
    let brokers = candidates.iter().filter(|candidate| candidate.broker);
    brokers.map(|candidate| candidate.subnet.zone.as_str()).collect()
}

pub(in crate::plan) fn listed(candidates: &[&Candidate]) -> String {
    let each = candidates.iter().map(|Candidate { subnet, .. }| {
        let Subnet {
            id,
            zone,
            free_addresses,
            ..
        } = subnet;
        format!("{id} ({zone}, {free_addresses} free)")
    });
    each.collect::<Vec<_>>().join(", ")
}

pub(in crate::plan) fn warn_of_room(chosen: &[&Candidate], notes: &mut Notes) {
    for Candidate { subnet, .. } in chosen
        .iter()
        .filter(|candidate| !candidate.deployed && candidate.subnet.free_addresses < ROOM)
    {
        notes.warn(format!(
            "{} has one free address left, which the function takes: Lambda needs another while it replaces the network interface, or adds one under load",
            subnet.id
        ));
    }
}

pub(in crate::plan) fn warn_of_zones(chosen: &[&Candidate], candidates: &[Candidate], notes: &mut Notes) {
    let covered = zones(chosen);
    if covered.len() < ENOUGH_ZONES {
        let zone = covered.into_iter().next().unwrap_or_default();
        let elsewhere = candidates
            .iter()
            .filter(|candidate| candidate.subnet.zone != zone)
            .find_map(|candidate| Some((&candidate.subnet.id, candidate.obstacle.as_ref()?)));
        let next = match elsewhere {
            Some((subnet, obstacle)) => format!("another zone's {subnet} can't be its: {obstacle}"),
            None => "give the VPC a subnet in another zone that reaches the brokers".to_owned(),
        };
        notes.warn(format!(
            "the function is in {zone} alone: records wait whenever that zone fails; {next}"
        ));
        return;
    }
    let missing: Vec<&str> = broker_zones(candidates).difference(&covered).copied().collect();
    if !missing.is_empty() {
        notes.warn(format!(
            "the function is in no subnet of {}, where brokers are: they are reached from the other zones, which AWS charges for",
            missing.join(", ")
        ));
    }
}

/// What these subnets take together, of the function's VPC and of the brokers'.
pub(super) fn needs(chosen: &[&Candidate]) -> (Needs, Needs) {
    let (mut function, mut brokers) = (Needs::default(), Needs::default());
    for Candidate { takes, .. } in chosen {
        function.peerings.extend(takes.function.peerings.iter().cloned());
        function.routes.extend(takes.function.routes.iter().cloned());
        brokers.peerings.extend(takes.brokers.peerings.iter().cloned());
        brokers.routes.extend(takes.brokers.routes.iter().cloned());
        brokers.ingress.extend(takes.brokers.ingress.iter().cloned());
    }
    (function, brokers)
}

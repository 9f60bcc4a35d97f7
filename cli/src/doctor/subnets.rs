//! N: the function's subnets: room for its network interfaces, and zones.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Outcome, given};
use crate::facts::network::Subnet;
use crate::facts::{Fact, Function};

/// With fewer free addresses a subnet is soon full: Lambda takes another while it replaces a network interface, and when there are many connections.
const FEW: u32 = 3;

/// Whether each subnet has free addresses, and they are in two zones.
pub(super) fn room(case: &Case<'_>) -> Outcome {
    let function = given!(case.function());
    if function.subnets.is_empty() {
        return Outcome::skip("the function is in no VPC");
    }
    let region = &case.settings.home.region;
    let known = match case.facts.networks.get(region).map(|network| &network.subnets) {
        Some(Fact::Found { value }) => value,
        Some(Fact::Unreadable(why)) => return Outcome::unreadable(why),
        Some(Fact::Absent) | None if case.facts.cluster.is_absent() && case.settings.cluster().is_some() => {
            return Outcome::skip("there is no cluster, so that no network was looked at, see K2M-N01");
        }
        Some(Fact::Absent) | None => {
            return Outcome::Unknown {
                why: format!("the facts have no subnets of {region}; inspect again"),
                missing_action: None,
            };
        }
    };
    let own: Vec<&Subnet> = known
        .iter()
        .filter(|subnet| function.subnets.contains(&subnet.id))
        .collect();
    let gone: Vec<&str> = function
        .subnets
        .iter()
        .map(String::as_str)
        .filter(|id| !own.iter().any(|subnet| subnet.id == *id))
        .collect();
    if !gone.is_empty() {
        return Outcome::Unknown {
            why: format!("the facts say nothing of {}; inspect again", gone.join(", ")),
            missing_action: None,
        };
    }
    let zones: BTreeSet<&str> = own.iter().map(|subnet| subnet.zone.as_str()).collect();
    let shown = |subnet: &Subnet| {
        format!(
            "{} ({}): {} free addresses",
            subnet.id, subnet.zone, subnet.free_addresses
        )
    };
    let full: Vec<String> = own
        .iter()
        .filter(|subnet| subnet.free_addresses == 0)
        .map(|subnet| shown(subnet))
        .collect();
    let tight: Vec<String> = own
        .iter()
        .filter(|subnet| (1..FEW).contains(&subnet.free_addresses))
        .map(|subnet| shown(subnet))
        .collect();
    if let Some(stuck) = stuck(function).filter(|_| !full.is_empty()) {
        let evidence = full.into_iter().map(|subnet| {
            format!("{subnet}, and the function {stuck}: Lambda can't give it a network interface there")
        });
        return Outcome::Fail {
            evidence: evidence.collect(),
            fix: elsewhere(case, function, known),
        };
    }
    let mut evidence: Vec<String> = full
        .into_iter()
        .map(|subnet| {
            format!("{subnet}: Lambda can neither replace the function's network interface there nor add one")
        })
        .chain(tight.into_iter().map(|subnet| {
            format!("{subnet}: Lambda needs one more while it replaces the function's network interface")
        }))
        .collect();
    if zones.len() < 2 {
        evidence.push(format!(
            "the function is in {} alone: records wait whenever that zone fails",
            zones.iter().copied().collect::<Vec<_>>().join(", ")
        ));
    }
    if evidence.is_empty() {
        return Outcome::Pass {
            evidence: own.into_iter().map(shown).collect(),
        };
    }
    Outcome::Warn {
        evidence,
        fix: elsewhere(case, function, known),
    }
}

/// What keeps the function from being invoked, where its network interfaces may be the reason.
fn stuck(function: &Function) -> Option<String> {
    let (trouble, reason) = trouble(function)?;
    let reason = reason.map(|reason| format!(" ({})", reason.trim_end_matches('.')));
    may_be_network(function).then(|| format!("{trouble}{}", reason.unwrap_or_default()))
}

/// What keeps the function from being invoked, and why, where Lambda says.
fn trouble(function: &Function) -> Option<(String, Option<&str>)> {
    match (function.state.as_str(), function.last_update.as_deref()) {
        ("Active", Some("Failed")) => Some((
            "could not be updated".to_owned(),
            function.last_update_reason.as_deref(),
        )),
        ("Active", _) => None,
        (state, _) => Some((format!("is {state}"), function.state_reason.as_deref())),
    }
}

/// Whether it is not ready for its network interfaces, as far as Lambda says why: it speaks of these, of subnets and addresses, or of EC2 then.
pub(super) fn may_be_network(function: &Function) -> bool {
    const WORDS: [&str; 7] = [
        "subnet",
        "network interface",
        "networkinterface",
        "enilimit",
        "address",
        "ec2",
        "vpc",
    ];
    trouble(function).is_some_and(|(_, reason)| {
        reason.is_none_or(|reason| {
            let reason = reason.to_ascii_lowercase();
            let mut words = reason.split(|c: char| !c.is_ascii_alphanumeric());
            WORDS.iter().any(|word| reason.contains(word)) || words.any(|word| matches!(word, "eni" | "enis"))
        })
    })
}

/// To be in other subnets of the VPC: of each zone the roomiest.
fn elsewhere(case: &Case<'_>, function: &Function, known: &[Subnet]) -> Vec<String> {
    let vpc = function.vpc.as_deref();
    let vpc = vpc.or_else(|| {
        let own = known.iter().find(|subnet| function.subnets.contains(&subnet.id));
        own.map(|subnet| subnet.vpc.as_str())
    });
    let mut by_zone: BTreeMap<&str, &Subnet> = BTreeMap::new();
    for subnet in known
        .iter()
        .filter(|subnet| Some(subnet.vpc.as_str()) == vpc && subnet.free_addresses >= FEW)
    {
        let own = |subnet: &Subnet| (function.subnets.contains(&subnet.id), subnet.free_addresses);
        let best = by_zone.entry(&subnet.zone).or_insert(subnet);
        if own(subnet) > own(best) {
            *best = subnet;
        }
    }
    let chosen: Vec<&str> = by_zone.values().map(|subnet| subnet.id.as_str()).collect();
    let same =
        chosen.len() == function.subnets.len() && function.subnets.iter().all(|id| chosen.contains(&id.as_str()));
    let vpc = vpc.unwrap_or("the VPC");
    if chosen.len() < 2 || same {
        return vec![
            format!(
                "give {vpc} a subnet in another zone, with free addresses and the routes of the others; or free addresses in those that are there"
            ),
            match case.foreign() {
                Some(foreign) => format!("the function takes it {}", foreign.home()),
                None => "k2m deploy takes it with --subnets".to_owned(),
            },
        ];
    }
    let mut steps: Vec<String> = case.setting("subnets", &chosen.join(",")).into();
    if case.foreign().is_none() {
        steps.push(format!("it proves first that {} reach the brokers", chosen.join(", ")));
    }
    steps
}

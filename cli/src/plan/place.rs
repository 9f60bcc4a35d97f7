//! Where the function is: subnets from which every broker is proven to be reached, through the network as the stack will make it, and the
//! rules that let it through.

use std::collections::{BTreeMap, BTreeSet};

use super::PlannedNetwork;
use super::error::{Obstacle, PlanError};
use super::notes::{Notes, why};
use super::seen::Seen;
use crate::facts::network::{Rule, RulePeer, SecurityGroup, Subnet};
use crate::facts::{Broker, Owner};
use crate::network::{Change, Destination, Proof, Source, Verdict, View, prove};
use crate::settings::{Setting, Settings};

/// Names the function's group in proofs: it has no id before it is made.
const FUNCTION_GROUP: &str = "FunctionSecurityGroup";
/// Lambda takes no more.
const MOST_SUBNETS: usize = 16;
/// A function survives the loss of a zone when it is in another too.
const ENOUGH_ZONES: usize = 2;
/// One address is for the network interface that functions share per subnet and group; a second while Lambda replaces it, or adds one under
/// load.
const ROOM: u32 = 2;
/// The brokers' ports inside a VPC, from plaintext to SASL/IAM.
const BROKER_PORTS: (u16, u16) = (9092, 9098);
/// AWS's default quota of inbound rules per security group.
const RULES_PER_GROUP: usize = 60;

/// The function's place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) network: PlannedNetwork,
    pub(super) proofs: Vec<Proof>,
}

/// A subnet, and what becomes of a function in it.
#[derive(Debug)]
struct Candidate<'a> {
    subnet: &'a Subnet,
    /// Whether the deployed function is in it.
    deployed: bool,
    /// Whether a broker is in it.
    broker: bool,
    proofs: Vec<Proof>,
    obstacle: Option<Obstacle>,
}

/// Chooses the subnets and the rules.
pub(super) fn choose(settings: &Settings, seen: &Seen, port: u16, notes: &mut Notes) -> Result<Place, PlanError> {
    let vpc = vpc(seen)?;
    let group = cluster_group(seen)?;
    let ports = ports(settings, port, notes);
    let view = view(seen, &settings.cluster.value.region, &group.id, &vpc, ports);
    let candidates: Vec<Candidate> = seen
        .subnets
        .iter()
        .filter(|subnet| subnet.vpc == vpc)
        .map(|subnet| judge(subnet, seen, &view, port))
        .collect();
    let chosen = match &settings.subnets {
        Some(setting) => {
            let chosen = by_user(setting, &candidates, &vpc, port)?;
            notes.decide("subnets", listed(&chosen), why(setting, ""));
            chosen
        }
        None => by_plan(&candidates, port, notes)?,
    };
    warn_of_zones(&chosen, &candidates, notes);
    warn_of_room(&chosen, notes);
    rules(group, ports, notes);
    Ok(Place {
        network: PlannedNetwork {
            vpc,
            subnets: chosen.iter().map(|candidate| candidate.subnet.id.clone()).collect(),
            cluster_group: group.id.clone(),
            ports,
        },
        proofs: chosen
            .into_iter()
            .flat_map(|candidate| candidate.proofs.iter().cloned())
            .collect(),
    })
}

/// The VPC of the brokers' subnets.
fn vpc(seen: &Seen) -> Result<String, PlanError> {
    let mut vpcs = BTreeSet::new();
    for Broker { subnet, .. } in seen.brokers {
        let found = seen.subnets.iter().find(|candidate| candidate.id == *subnet);
        let found = found.ok_or_else(|| PlanError::Missing {
            what: format!("the brokers' subnet {subnet}"),
        })?;
        vpcs.insert(found.vpc.clone());
    }
    match (vpcs.pop_first(), vpcs.pop_first()) {
        (Some(vpc), None) => Ok(vpc),
        (Some(one), Some(other)) => Err(PlanError::NotYet {
            what: format!("the brokers are in two VPCs, {one} and {other}"),
            next: "look again, and name another cluster if it stays so",
        }),
        (None, _) => Err(PlanError::Missing {
            what: "the brokers' VPC".to_owned(),
        }),
    }
}

/// The cluster's group that has our rule already, else its first.
fn cluster_group<'a>(seen: &Seen<'a>) -> Result<&'a SecurityGroup, PlanError> {
    let ids = &seen.cluster.security_groups;
    let groups = || {
        ids.iter()
            .filter_map(|id| seen.groups.iter().find(|group| group.id == *id))
    };
    let ours = groups().find(|group| {
        let mut rules = group.rules.iter();
        rules.any(|rule| rule.owner == Owner::ThisStack && !rule.egress)
    });
    ours.filter(|_| seen.stack.is_some())
        .or_else(|| groups().next())
        .ok_or_else(|| PlanError::Missing {
            what: format!("the cluster's security groups ({})", ids.join(", ")),
        })
}

fn ports(settings: &Settings, port: u16, notes: &mut Notes) -> (u16, u16) {
    let (first, last) = BROKER_PORTS;
    if !settings.all_broker_ports.value {
        (port, port)
    } else if (first..=last).contains(&port) {
        BROKER_PORTS
    } else {
        notes.warn(format!(
            "all_broker_ports is for {first}-{last}, which the brokers' port {port} is not among: the rules are for {port} alone"
        ));
        (port, port)
    }
}

/// The network as it will be: without what a former deployment made, and with what this one makes.
fn view(seen: &Seen, region: &str, cluster_group: &str, vpc: &str, ports: (u16, u16)) -> View {
    let rule = |id: &str, egress, peer: &str| Rule {
        id: id.to_owned(),
        egress,
        protocol: "tcp".to_owned(),
        ports: Some(ports),
        peer: RulePeer::Group(peer.to_owned()),
        owner: Owner::ThisStack,
    };
    let former = seen
        .groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter(|rule| rule.owner == Owner::ThisStack)
        .map(|rule| Change::RemoveRule(rule.id.clone()));
    let networks = BTreeMap::from([(region.to_owned(), seen.network.clone())]);
    View::new(&networks).with(former).with([
        Change::Group(SecurityGroup {
            id: FUNCTION_GROUP.to_owned(),
            vpc: vpc.to_owned(),
            name: FUNCTION_GROUP.to_owned(),
            rules: vec![rule("FunctionEgress", true, cluster_group)],
            owner: Owner::ThisStack,
        }),
        Change::AddRule {
            group: cluster_group.to_owned(),
            rule: rule("ClusterIngress", false, FUNCTION_GROUP),
        },
    ])
}

fn judge<'a>(subnet: &'a Subnet, seen: &Seen, view: &View, port: u16) -> Candidate<'a> {
    let from = Source {
        subnet: subnet.id.clone(),
        address: None,
        security_groups: vec![FUNCTION_GROUP.to_owned()],
    };
    let proofs: Vec<Proof> = seen
        .brokers
        .iter()
        .map(|broker| {
            let to = Destination::broker(broker, &seen.cluster.security_groups);
            prove(view, &from, &to, port)
        })
        .collect();
    let deployed = seen
        .function
        .is_some_and(|function| function.subnets.contains(&subnet.id));
    let full = (subnet.free_addresses == 0).then_some(Obstacle::Full);
    Candidate {
        subnet,
        deployed,
        broker: seen.brokers.iter().any(|broker| broker.subnet == subnet.id),
        // Where the function is already, it has its network interface.
        obstacle: obstacle(&proofs).or(full.filter(|_| !deployed)),
        proofs,
    }
}

/// What the proofs say against a subnet. A refusal is certain, and so comes before what isn't known.
fn obstacle(proofs: &[Proof]) -> Option<Obstacle> {
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
fn by_user<'c, 'a>(
    setting: &Setting<Vec<String>>,
    candidates: &'c [Candidate<'a>],
    vpc: &str,
    port: u16,
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
            port,
            chosen: Some(setting.source.clone()),
            obstacles,
        })
    }
}

/// The subnets that the deployed function is in as long as they do; else one in each zone of the brokers, and in other zones where that
/// isn't enough.
fn by_plan<'c, 'a>(
    candidates: &'c [Candidate<'a>],
    port: u16,
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
            port,
            chosen: None,
            obstacles,
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
        let chosen = one_a_zone(&usable, &broker_zones(candidates), enough);
        let reason = format!(
            "one in each zone that has a broker: the broker's own where it reaches all brokers and has {ROOM} free addresses, else the one with most of them"
        );
        (chosen, reason)
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

fn zones<'a>(candidates: &[&Candidate<'a>]) -> BTreeSet<&'a str> {
    candidates
        .iter()
        .map(|candidate| candidate.subnet.zone.as_str())
        .collect()
}

fn broker_zones<'a>(candidates: &[Candidate<'a>]) -> BTreeSet<&'a str> {
    let brokers = candidates.iter().filter(|candidate| candidate.broker);
    brokers.map(|candidate| candidate.subnet.zone.as_str()).collect()
}

fn listed(candidates: &[&Candidate]) -> String {
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

fn warn_of_room(chosen: &[&Candidate], notes: &mut Notes) {
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

fn warn_of_zones(chosen: &[&Candidate], candidates: &[Candidate], notes: &mut Notes) {
    let covered = zones(chosen);
    if covered.len() < ENOUGH_ZONES {
        let zone = covered.into_iter().next().unwrap_or_default();
        notes.warn(format!(
            "the function is in {zone} alone: records wait whenever that zone fails; give the VPC a subnet in another zone that reaches the brokers"
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

fn rules(group: &SecurityGroup, ports: (u16, u16), notes: &mut Notes) {
    let (first, last) = ports;
    let shown = if first == last {
        format!("port {first}")
    } else {
        format!("ports {first}-{last}")
    };
    notes.decide(
        "rules",
        format!("out of the function's group to {}, and into it: {shown}", group.id),
        "the function's group is the stack's own; the rule on the cluster's group goes when the stack goes",
    );
    let inbound = group
        .rules
        .iter()
        .filter(|rule| !rule.egress && rule.owner != Owner::ThisStack)
        .count();
    if inbound >= RULES_PER_GROUP {
        notes.warn(format!(
            "{} has {inbound} inbound rules, and AWS's default quota is {RULES_PER_GROUP}: the stack's own may be one too many",
            group.id
        ));
    }
}

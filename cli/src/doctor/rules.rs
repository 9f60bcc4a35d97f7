//! N: rules of security groups that are there, and let nothing through: for ports that no broker has, or for groups that match nobody. What is blocked, and the
//! rule that is missing, K2M-N02 says; these say which rule was meant to be it.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::network::{Ways, distinct, joined, mend, region_of, ways};
use super::{Case, NOT_MSK, Outcome, given};
use crate::facts::network::{Network, Rule, RulePeer, SecurityGroup};
use crate::facts::{Fact, Function, Owner};
use crate::network::{Hop, Proof, Refusal};
use crate::shell::Command;

/// MSK's ports inside its VPC.
const MSK_PORTS: [u16; 4] = [9092, 9094, 9096, 9098];
/// Rules about ports between these are meant for brokers.
const MEANT_FOR_BROKERS: (u16, u16) = (9090, 9099);

/// The rules at both ends, and what is blocked for want of one.
struct Ends<'a> {
    function: &'a Function,
    ways: Ways<'a>,
    /// Groups of the function, and of what it speaks to.
    groups: Vec<(&'a SecurityGroup, Side)>,
}

/// Whose end a group is at, and so which of its rules matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The function's: what it lets out.
    Function,
    /// The cluster's: what it lets in.
    Cluster,
}

impl Side {
    const fn is_egress(self) -> bool {
        matches!(self, Self::Function)
    }

    fn region<'a>(self, case: &Case<'a>) -> &'a str {
        match self {
            Self::Function => &case.settings.home.region,
            Self::Cluster => case.settings.brokers_region(),
        }
    }
}

impl<'a> Ends<'a> {
    fn look(case: &Case<'a>) -> Result<Self, Outcome> {
        let function = case.function()?;
        if case.settings.servers().is_some() {
            return Err(Outcome::skip(NOT_MSK));
        }
        let ways = ways(case).map_err(|outcome| match outcome {
            Outcome::Fail { .. } => Outcome::skip("there is no way to have rules for, see K2M-N02"),
            other => other,
        })?;
        let mut groups = Vec::new();
        let own = (&function.security_groups[..], Side::Function);
        let far = (ways.groups, Side::Cluster);
        for (ids, side) in [own, far] {
            let known = case
                .facts
                .networks
                .get(side.region(case))
                .map(|network| &network.security_groups);
            let known = match known {
                Some(Fact::Found { value }) => value.as_slice(),
                Some(Fact::Unreadable(why)) => return Err(Outcome::unreadable(why)),
                Some(Fact::Absent) | None => &[],
            };
            groups.extend(
                known
                    .iter()
                    .filter(|group| ids.contains(&group.id))
                    .map(|group| (group, side)),
            );
        }
        Ok(Self { function, ways, groups })
    }

    /// Whether something carries the packets from end to end, but for what groups and ACLs refuse.
    fn is_carried(&self) -> bool {
        let mut all = self.ways.proofs.iter().flat_map(Proof::refusals);
        all.all(|(_, refusal)| matches!(refusal, Refusal::NoRule { .. } | Refusal::AclDenies { .. }))
    }

    /// The rules of each group that are about the way.
    fn rules(&self) -> impl Iterator<Item = (&'a SecurityGroup, Side, &'a Rule)> {
        self.groups.iter().flat_map(|&(group, side)| {
            let rules = group.rules.iter().filter(move |rule| rule.egress == side.is_egress());
            rules.map(move |rule| (group, side, rule))
        })
    }

    /// Ids of the groups at the other end than a side.
    fn others(&self, side: Side) -> &[String] {
        match side {
            Side::Function => self.ways.groups,
            Side::Cluster => &self.function.security_groups,
        }
    }

    /// What is refused for want of a rule of this side.
    fn refusals(&self, side: Side) -> Vec<(Hop, &Refusal)> {
        let all = distinct(self.ways.proofs.iter().flat_map(Proof::refusals));
        let of_side = |(_, refusal): &(Hop, &Refusal)| matches!(refusal, Refusal::NoRule { egress, .. } if *egress == side.is_egress());
        all.into_iter().filter(of_side).collect()
    }

    /// The commands that add the rule that is missing at this side.
    fn mend(&self, case: &Case<'_>, side: Side) -> Vec<String> {
        let refusals = self.refusals(side);
        let each = refusals
            .iter()
            .flat_map(|(_, refusal)| mend(case, (self.function, self.ways.groups), refusal, &refusals));
        each.fold(Vec::new(), |mut steps, step| {
            if !steps.contains(&step) {
                steps.push(step);
            }
            steps
        })
    }

    /// IPv4 blocks of the subnets at the other end than a side.
    fn blocks(&self, case: &Case<'_>, side: Side) -> Vec<Ipv4Net> {
        let ids: BTreeSet<&str> = self
            .ways
            .proofs
            .iter()
            .filter_map(|proof| match side {
                Side::Function => proof.destination_subnet.as_deref(),
                Side::Cluster => Some(proof.source_subnet.as_str()),
            })
            .collect();
        let networks = case.facts.networks.values();
        let subnets = networks.filter_map(|network| network.subnets.found()).flatten();
        let there = subnets.filter(|subnet| ids.contains(subnet.id.as_str()));
        there.filter_map(|subnet| subnet.cidr.parse().ok()).collect()
    }
}

/// Takes a rule away.
fn revoke(case: &Case<'_>, group: &str, rule: &Rule) -> String {
    let direction = if rule.egress { "egress" } else { "ingress" };
    Command::new(&format!("aws ec2 revoke-security-group-{direction}"))
        .option("--group-id", group)
        .option("--security-group-rule-ids", &rule.id)
        .option("--region", region_of(case, group))
        .to_string()
}

fn span((first, last): (u16, u16)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

fn is_tcp(rule: &Rule) -> bool {
    rule.protocol.eq_ignore_ascii_case("tcp") || rule.protocol == "6"
}

/// Whether no rule between the function and the brokers is for ports that brokers of MSK don't listen on, in place of the port that is needed.
pub(super) fn ports(case: &Case<'_>) -> Outcome {
    let ends = given!(Ends::look(case));
    let needed = joined(&ends.ways.ports);
    let way = case.authentication();
    let (mut evidence, mut fix, mut harmless) = (Vec::new(), Vec::new(), Vec::new());
    for (group, side, rule) in ends.rules() {
        let Some(ports) = rule.ports.filter(|ports| is_stray(rule, *ports, &ends.ways.ports)) else {
            continue;
        };
        let meets = match &rule.peer {
            RulePeer::Group(id) => ends.others(side).contains(id),
            RulePeer::Cidr(cidr) => cidr.parse::<Ipv4Net>().is_ok_and(|net| {
                let mut blocks = ends.blocks(case, side).into_iter();
                blocks.any(|block| net.contains(&block) || block.contains(&net))
            }),
            RulePeer::PrefixList(_) => false,
        };
        if !meets {
            continue;
        }
        let strays = (ports.0..=ports.1).filter(|port| !MSK_PORTS.contains(port));
        let said = format!(
            "{} of {} is for {}, and {way} is spoken on {needed}: {} is no port of MSK's",
            rule.id,
            group.id,
            span(ports),
            joined(strays)
        );
        let mut steps = ends.mend(case, side);
        if steps.is_empty() {
            harmless.push(format!("{said}; another rule lets {needed} pass"));
            continue;
        }
        evidence.push(said);
        steps.push("the other rule lets nothing of this pipeline's pass; where nothing else needs it:".to_owned());
        steps.push(revoke(case, &group.id, rule));
        fix.extend(steps.into_iter().filter(|step| !fix.contains(step)).collect::<Vec<_>>());
    }
    if !evidence.is_empty() {
        return Outcome::Warn { evidence, fix };
    }
    let mut all = vec![format!("no rule that {way} needs is for another port than {needed}")];
    all.extend(harmless);
    Outcome::Pass { evidence: all }
}

/// Whether a rule about brokers' ports begins or ends with one that MSK hasn't, and lacks those that are needed. What lies between two of MSK's is nobody's mistake.
fn is_stray(rule: &Rule, (first, last): (u16, u16), needed: &BTreeSet<u16>) -> bool {
    let (lowest, highest) = MEANT_FOR_BROKERS;
    let ports = first..=last;
    is_tcp(rule)
        && lowest <= first
        && last <= highest
        && !needed.iter().any(|port| ports.contains(port))
        && [first, last].iter().any(|port| !MSK_PORTS.contains(port))
}

/// Whether the rules for the function's port that name groups match whom they are meant for.
pub(super) fn references(case: &Case<'_>) -> Outcome {
    let ends = given!(Ends::look(case));
    let needed = joined(&ends.ways.ports);
    let (mut evidence, mut fix, mut harmless, mut named) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (group, side, rule) in ends.rules() {
        let RulePeer::Group(peer) = &rule.peer else { continue };
        let covers = |port: &u16| rule.ports.is_none_or(|(first, last)| (first..=last).contains(port));
        let all = rule.protocol == "-1";
        if !(all || is_tcp(rule)) || !ends.ways.ports.iter().any(|port| all || covers(port)) {
            continue;
        }
        let is = format!("{} of {}", rule.id, group.id);
        let Some(why) = dead(case, &ends, side, rule, peer) else {
            if ends.others(side).contains(peer) {
                named.push(format!("{is} names {peer}"));
            }
            continue;
        };
        let said = format!("{is}, for {needed}, names {peer}, {why}");
        let mut steps = ends.mend(case, side);
        if steps.is_empty() {
            harmless.push(format!("{said}; another rule lets pass"));
            continue;
        }
        evidence.push(said);
        if rule.owner == Owner::Foreign {
            steps.push("then take away the one that matches nobody:".to_owned());
            steps.push(revoke(case, &group.id, rule));
        }
        fix.extend(steps.into_iter().filter(|step| !fix.contains(step)).collect::<Vec<_>>());
    }
    if !evidence.is_empty() {
        return Outcome::Warn { evidence, fix };
    }
    if named.is_empty() {
        named.push(format!("no rule that {needed} needs names a group"));
    }
    named.extend(harmless);
    Outcome::Pass { evidence: named }
}

/// Why a rule that names a group matches nobody at the other end, where that is known. A group that nobody looked for may be another client's.
fn dead(case: &Case<'_>, ends: &Ends<'_>, side: Side, rule: &Rule, peer: &str) -> Option<String> {
    let refusals = ends.refusals(side);
    let is_stale = |network: &Network| network.stale_groups.contains(peer);
    if case.facts.networks.get(side.region(case)).is_some_and(is_stale) {
        return Some("which is gone".to_owned());
    }
    // What a rule can honour hangs on what carries the packets: where that is wrong itself, K2M-N02 says so.
    let limit = refusals
        .iter()
        .filter(|_| ends.is_carried())
        .find_map(|(_, refusal)| match refusal {
            Refusal::NoRule { unhonoured, .. } => unhonoured.iter().find(|one| one.rule == rule.id),
            _ => None,
        });
    if let Some(limit) = limit {
        return Some(limit.reason.to_string());
    }
    let others = ends.others(side);
    if others.iter().any(|other| other == peer) {
        return None;
    }
    let here = &case.settings.home.region;
    let network = case.facts.networks.get(here)?;
    let there = network.security_groups.found()?;
    let is_there = there.iter().any(|group| group.id == peer);
    let stack = case.facts.stack.found();
    // The list of the stack's resources was asked for, so what it has and EC2 shows not is gone.
    let of_stack = stack.is_some_and(|stack| stack.made_by_k2m && stack.resources.values().any(|id| id == peer));
    if of_stack && !is_there {
        return Some("which was the stack's, and is gone".to_owned());
    }
    // Where the function's own group is there, it is the function that was given another one, as K2M-N02 says.
    let left = of_stack && side == Side::Cluster;
    (rule.owner == Owner::ThisStack && !left).then(|| {
        let whose = match side {
            Side::Function => "the cluster's is",
            Side::Cluster => "the function's is",
        };
        format!("and {whose} {}", joined(others))
    })
}

//! The brokers' security groups, and the rules that they get.

use crate::facts::Owner;
use crate::facts::network::{Rule, RulePeer, SecurityGroup};
use crate::network::Change;
use crate::plan::error::PlanError;
use crate::plan::notes::Notes;
use crate::plan::seen::Seen;
use crate::settings::{Setting, Settings};

/// AWS's default quota of inbound rules per security group, and of outbound ones.
pub(in crate::plan) const RULES_PER_GROUP: usize = 60;

/// The brokers' ports inside a VPC, from plaintext to SASL/IAM.
const BROKER_PORTS: (u16, u16) = (9092, 9098);

/// The groups of the brokers in this VPC; one that nobody could read counts too.
pub(in crate::plan) fn broker_groups(seen: &Seen, vpc: &str) -> Vec<String> {
    let elsewhere = |id: &String| seen.groups.iter().any(|group| group.id == *id && group.vpc != vpc);
    let groups = seen.cluster.into_iter().flat_map(|cluster| &cluster.security_groups);
    groups.filter(|id| !elsewhere(id)).cloned().collect()
}

/// The cluster's group that has our rule already, else the first that has room for one.
pub(in crate::plan) fn cluster_group<'a>(seen: &Seen<'a>, cluster_vpc: &str) -> Result<&'a SecurityGroup, PlanError> {
    let ids = seen.cluster.map_or(&[][..], |cluster| &cluster.security_groups);
    let groups = || {
        // Those of a serverless cluster are of each of its VPCs.
        ids.iter()
            .filter_map(|id| seen.groups.iter().find(|group| group.id == *id))
            .filter(|group| group.vpc == cluster_vpc)
    };
    let own_rule = |group: &&SecurityGroup| {
        group
            .rules
            .iter()
            .any(|rule| !rule.egress && rule.owner == Owner::ThisStack)
    };
    let needed = seen.needs(cluster_vpc).map(|needs| needs.ingress).unwrap_or_default();
    let own_need = |group: &&SecurityGroup| needed.iter().any(|rule| rule.group == group.id);
    groups()
        .find(own_rule)
        .filter(|_| seen.stack.is_some())
        .or_else(|| groups().find(own_need))
        .or_else(|| groups().find(|group| inbound(group) < RULES_PER_GROUP))
        .or_else(|| groups().next())
        .ok_or_else(|| PlanError::Missing {
            what: format!("the cluster's security groups ({})", ids.join(", ")),
        })
}

/// What lets a block in.
pub(in crate::plan) fn inbound_rule(group: &str, cidr: &str, ports: (u16, u16)) -> Change {
    Change::AddRule {
        group: group.to_owned(),
        rule: Rule {
            id: format!("from {cidr}"),
            egress: false,
            protocol: "tcp".to_owned(),
            ports: Some(ports),
            peer: RulePeer::Cidr(cidr.to_owned()),
            owner: Owner::ThisStack,
        },
    }
}

/// Inbound rules that are not this stack's.
pub(in crate::plan) fn inbound(group: &SecurityGroup) -> usize {
    let rules = group.rules.iter();
    rules
        .filter(|rule| !rule.egress && rule.owner != Owner::ThisStack)
        .count()
}

pub(super) fn ports(settings: &Settings, port: u16, notes: &mut Notes) -> (u16, u16) {
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

/// AWS takes one rule for a group in a group: where another stack of k2m has it, this one can't, and could not rely on that one.
pub(in crate::plan) fn refuse_rule_of_other(named: &Setting<String>, into: &SecurityGroup) -> Result<(), PlanError> {
    let other = into.rules.iter().find_map(|rule| match (&rule.owner, &rule.peer) {
        (Owner::K2mStack(stack), RulePeer::Group(group)) if *group == named.value && !rule.egress => Some(stack),
        _ => None,
    });
    other.map_or(Ok(()), |stack| {
        Err(PlanError::RuleOfOther {
            group: named.value.clone(),
            by: named.source.clone(),
            cluster_group: into.id.clone(),
            stack: stack.clone(),
        })
    })
}

/// Warns where a group has no room for rules that are added.
pub(in crate::plan) fn warn_of_quota(group: &str, inbound: usize, added: usize, notes: &mut Notes) {
    if inbound + added > RULES_PER_GROUP {
        notes.warn(format!(
            "{group} has {inbound} inbound rules, and AWS's default quota is {RULES_PER_GROUP}: what is added ({added}) may be too many",
        ));
    }
}

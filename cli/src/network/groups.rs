//! Security groups: the rules of all groups of a network interface together, which only ever allow. Stateful, so answers need none.

use super::area::{Area, Areas};
use super::proof::{Outcome, Refusal, Unknown};
use super::view::{View, ViewedRule, ipv4, tcp_ports};
use crate::facts::network::RulePeer;

/// The network interface at the other side of a rule.
pub(super) struct Peer<'a> {
    pub(super) groups: &'a [String],
    /// Rules that name a group match by it inside a VPC; elsewhere only an active peering in the region makes them.
    pub(super) same_vpc: bool,
}

/// Whether these groups let all of `asked` out (`egress`) or in.
pub(super) fn judge(view: &View, groups: &[String], egress: bool, asked: Area, peer: &Peer) -> Outcome {
    if groups.is_empty() {
        return Outcome::Unknown {
            reason: Unknown::NoSecurityGroups,
        };
    }
    let mut left = Areas::from(asked);
    let mut by = Vec::new();
    let mut doubts = Vec::new();
    for group in groups {
        let (rules, unseen) = view.group(group);
        doubts.extend(unseen.map(|reason| (asked, reason)));
        for viewed in rules.iter().filter(|viewed| viewed.rule.egress == egress) {
            let (matches, doubt) = matched(view, viewed, peer);
            doubts.extend(doubt);
            let taken = matches.iter().filter(|area| !left.take(area).is_empty()).count();
            if taken > 0 {
                by.push(describe(group, viewed));
            }
        }
    }
    if left.is_empty() {
        return Outcome::Passes { by };
    }
    // One port is asked for, so a rule that nobody could read may allow all that is left, or nothing of it.
    match doubts.into_iter().find(|(area, _)| !left.clone().take(area).is_empty()) {
        Some((_, reason)) => Outcome::Unknown { reason },
        None => Outcome::Refused {
            reason: Refusal::NoRule {
                groups: groups.to_vec(),
                egress,
                partly: !left.is_whole(&asked),
                blocked: left.flows(),
            },
        },
    }
}

/// What a rule allows, and what it may allow for all that is known.
fn matched(view: &View, viewed: &ViewedRule, peer: &Peer) -> (Vec<Area>, Option<(Area, Unknown)>) {
    let rule = &viewed.rule;
    let Some(ports) = tcp_ports(&rule.protocol, rule.ports) else {
        return (Vec::new(), None);
    };
    let everywhere = Area::everywhere(ports);
    let nets = match &rule.peer {
        RulePeer::Cidr(cidr) => ipv4(cidr, &rule.id).map(|net| net.into_iter().collect()),
        RulePeer::PrefixList(id) => view.prefix_list(id),
        RulePeer::Group(id) if !peer.groups.contains(id) => Ok(Vec::new()),
        RulePeer::Group(_) if peer.same_vpc => return (vec![everywhere], None),
        RulePeer::Group(id) => Err(Unknown::GroupOfOtherVpc {
            rule: rule.id.clone(),
            group: id.clone(),
        }),
    };
    match nets {
        Ok(nets) => (nets.into_iter().map(|net| Area::block(net, ports)).collect(), None),
        Err(reason) => (Vec::new(), Some((everywhere, reason))),
    }
}

fn describe(group: &str, viewed: &ViewedRule) -> String {
    let planned = if viewed.planned { "planned " } else { "" };
    let peer = match &viewed.rule.peer {
        RulePeer::Cidr(peer) | RulePeer::Group(peer) | RulePeer::PrefixList(peer) => peer,
    };
    format!("{planned}rule {} of {group} for {peer}", viewed.rule.id)
}

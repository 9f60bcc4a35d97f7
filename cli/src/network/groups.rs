//! Security groups: the rules of all groups of a network interface together, which only ever allow. Stateful, so answers need none.

use super::area::{Area, Areas};
use super::proof::Outcome;
use super::refusal::{GroupLimit, Refusal, Unhonoured};
use super::routes::{Lead, Leg};
use super::unknown::Unknown;
use super::view::{Placed, View, ViewedRule, ipv4, tcp_ports};
use crate::facts::network::{Peering, RulePeer, Subnet};

/// The network interface at the other side of a rule.
pub(super) struct Peer<'a> {
    pub(super) groups: &'a [String],
    /// Whether rules that name one of these groups match, by the addresses that are asked for.
    pub(super) references: Vec<(Areas, Reference)>,
}

/// Whether a rule matches that names a group of the other side.
#[derive(Debug, Clone)]
pub(super) enum Reference {
    Holds,
    /// Only where the transit gateway has that switched on.
    OverTransitGateway(String),
    /// What decides it isn't known.
    Unknown(Unknown),
    Limited(GroupLimit),
}

/// What a rule makes of what is asked for.
#[derive(Default)]
struct Match {
    allows: Vec<Area>,
    /// What it may allow for all that is known.
    may: Option<(Areas, Unknown)>,
    /// What it would allow, if naming a group held.
    would: Option<(Areas, Unhonoured)>,
}

/// Whether these groups, of an interface in this region, let all of `asked` out (`egress`) or in.
pub(super) fn judge(view: &View, region: &str, groups: &[String], egress: bool, asked: Area, peer: &Peer) -> Outcome {
    if groups.is_empty() {
        return Outcome::Unknown {
            reason: Unknown::NoSecurityGroups,
        };
    }
    let mut left = Areas::from(asked);
    let mut by = Vec::new();
    let mut doubts = Vec::new();
    let mut limits = Vec::new();
    for group in groups {
        let (rules, unseen) = view.group(group, region);
        doubts.extend(unseen.map(|reason| (Areas::from(asked), reason)));
        for viewed in rules.iter().filter(|viewed| viewed.rule.egress == egress) {
            let found = matched(view, region, viewed, peer);
            doubts.extend(found.may);
            limits.extend(found.would);
            let taken = found.allows.iter().filter(|area| !left.take(area).is_empty()).count();
            if taken > 0 {
                by.push(describe(group, viewed));
            }
        }
    }
    if left.is_empty() {
        return Outcome::Passes { by };
    }
    // One port is asked for, so a rule that nobody could read may allow all that is left in its area, or nothing of it.
    let mut certain = left.clone();
    for (areas, _) in &doubts {
        certain.take_all(areas);
    }
    let touches = |areas: &Areas| !left.clone().take_all(areas).is_empty();
    if certain.is_empty()
        && let Some((_, reason)) = doubts.into_iter().find(|(areas, _)| touches(areas))
    {
        return Outcome::Unknown { reason };
    }
    let unhonoured = limits.into_iter().filter(|(areas, _)| touches(areas));
    let holds = |reference: &Reference| matches!(reference, Reference::Holds);
    let mut references = peer.references.iter();
    Outcome::Refused {
        reason: Refusal::NoRule {
            groups: groups.to_vec(),
            egress,
            unhonoured: unhonoured.map(|(_, unhonoured)| unhonoured).collect(),
            by_block: references.any(|(areas, reference)| !holds(reference) && touches(areas)),
            partly: !certain.is_whole(&asked),
            blocked: certain.flows(),
        },
    }
}

fn matched(view: &View, region: &str, viewed: &ViewedRule, peer: &Peer) -> Match {
    let rule = &viewed.rule;
    let Some(ports) = tcp_ports(&rule.protocol, rule.ports) else {
        return Match::default();
    };
    let nets = match &rule.peer {
        RulePeer::Cidr(cidr) => ipv4(cidr, &rule.id).map(|net| net.into_iter().collect()),
        RulePeer::PrefixList(id) => view.prefix_list(id, region),
        RulePeer::Group(id) if !peer.groups.contains(id) => Ok(Vec::new()),
        RulePeer::Group(id) => return referred(&rule.id, id, ports, peer),
    };
    match nets {
        Ok(nets) => Match {
            allows: nets.into_iter().map(|net| Area::block(net, ports)).collect(),
            ..Match::default()
        },
        Err(reason) => Match {
            may: Some((Area::everywhere(ports).into(), reason)),
            ..Match::default()
        },
    }
}

/// What a rule that names a group of the other side makes of what is asked for.
fn referred(rule: &str, group: &str, ports: (u16, u16), peer: &Peer) -> Match {
    let mut found = Match::default();
    for (areas, reference) in &peer.references {
        let areas = areas.on_ports(ports);
        let doubt = match reference {
            Reference::Holds => {
                found.allows.extend(areas);
                continue;
            }
            Reference::Limited(reason) => {
                let unhonoured = || Unhonoured {
                    rule: rule.to_owned(),
                    group: group.to_owned(),
                    reason: reason.clone(),
                };
                let (all, _) = found.would.get_or_insert_with(|| (Areas::default(), unhonoured()));
                all.extend(areas);
                continue;
            }
            Reference::Unknown(reason) => reason.clone(),
            Reference::OverTransitGateway(gateway) => Unknown::GroupOverTransitGateway {
                rule: rule.to_owned(),
                group: group.to_owned(),
                gateway: gateway.clone(),
            },
        };
        let (all, _) = found.may.get_or_insert_with(|| (Areas::default(), doubt));
        all.extend(areas);
    }
    found
}

/// Whether rules of `own`'s interface that name a group of `other`'s hold, for each leg of the way from the one to the other or, where they
/// are about what comes in, from the other to the one.
pub(super) fn references(
    view: &View,
    source: &Placed<Subnet>,
    destination: &Placed<Subnet>,
    legs: Result<&[Leg], &Unknown>,
    egress: bool,
) -> Vec<(Areas, Reference)> {
    let everywhere = || Areas::from(Area::everywhere(super::area::ALL_PORTS));
    if source.region != destination.region {
        return vec![(everywhere(), Reference::Limited(GroupLimit::OtherRegion))];
    }
    let legs = match legs {
        Ok(legs) => legs,
        Err(reason) => {
            let reference = by_unknown_way(view, source, destination, reason);
            return vec![(everywhere(), reference)];
        }
    };
    legs.iter()
        .map(|Leg { areas, lead }| {
            let reference = match lead {
                Lead::Out(viewed) => through(view, source, destination, &viewed.route.target, egress),
                Lead::Undecided(reason) => by_unknown_way(view, source, destination, reason),
                Lead::Local(_) | Lead::Gone(_) | Lead::Nowhere => by_any_way(view, source, destination),
            };
            (areas.clone(), reference)
        })
        .collect()
}

/// What holds for all packets, whichever leg they take: every one of them must be let in.
pub(super) fn whole(references: Vec<(Areas, Reference)>) -> Vec<(Areas, Reference)> {
    let weight = |reference: &Reference| match reference {
        Reference::Holds => 0,
        Reference::OverTransitGateway(_) | Reference::Unknown(_) => 1,
        Reference::Limited(_) => 2,
    };
    let all = references.into_iter().map(|(_, reference)| reference);
    let worst = all.max_by_key(weight).unwrap_or(Reference::Holds);
    vec![(Area::everywhere(super::area::ALL_PORTS).into(), worst)]
}

/// Through the target of a route.
fn through(
    view: &View,
    source: &Placed<Subnet>,
    destination: &Placed<Subnet>,
    target: &str,
    egress: bool,
) -> Reference {
    if view.is_peering(target) && source.vpc != destination.vpc {
        let joins = |side: &str| side == destination.vpc;
        return match view.peering(target, &source.region) {
            Ok(viewed) => {
                let far = viewed.peering.other_side(&source.vpc);
                if viewed.peering.is_active() && far.is_some_and(|side| joins(&side.vpc)) {
                    Reference::Holds
                } else {
                    Reference::Limited(GroupLimit::NoActivePeering)
                }
            }
            Err(reason) => Reference::Unknown(reason),
        };
    }
    if target.starts_with("tgw-") {
        let gateway = target.to_owned();
        return if egress {
            Reference::Limited(GroupLimit::OutThroughTransitGateway { gateway })
        } else {
            Reference::OverTransitGateway(gateway)
        };
    }
    Reference::Limited(GroupLimit::Forwarded { by: target.to_owned() })
}

/// Where packets don't leave yet: as soon as they do.
fn by_any_way(view: &View, source: &Placed<Subnet>, destination: &Placed<Subnet>) -> Reference {
    if source.vpc == destination.vpc {
        return Reference::Holds;
    }
    let (mut between, unread) = view.peerings_between(source, destination);
    if between.any(Peering::is_active) {
        return Reference::Holds;
    }
    match unread {
        Some(reason) => Reference::Unknown(reason),
        None => Reference::Limited(GroupLimit::NoActivePeering),
    }
}

/// Where nobody knows how packets leave: it may be by something that honours it, or that the facts don't show.
fn by_unknown_way(view: &View, source: &Placed<Subnet>, destination: &Placed<Subnet>, reason: &Unknown) -> Reference {
    match by_any_way(view, source, destination) {
        Reference::Limited(_) => Reference::Unknown(reason.clone()),
        reference => reference,
    }
}

fn describe(group: &str, viewed: &ViewedRule) -> String {
    let planned = if viewed.planned { "planned " } else { "" };
    let peer = match &viewed.rule.peer {
        RulePeer::Cidr(peer) | RulePeer::Group(peer) | RulePeer::PrefixList(peer) => peer,
    };
    format!("{planned}rule {} of {group} for {peer}", viewed.rule.id)
}

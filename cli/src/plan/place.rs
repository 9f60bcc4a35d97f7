//! Where the function is: a VPC, and subnets in it from which every broker is proven to be reached, through the network as the stacks will make it.

use std::collections::{BTreeMap, BTreeSet};

use super::PlannedNetwork;
use super::error::{Attempt, Obstacle, PlanError};
use super::model::PlannedPeer;
use super::notes::{Notes, why};
use super::seen::Seen;
use super::shared::{Needs, NetworkStack, user};
use super::way::{End, Ends, Takes, Way, ways};
use crate::facts::network::{Route, Rule, RulePeer, SecurityGroup, Subnet, Vpc};
use crate::facts::{Broker, Owner, Unreadable};
use crate::network::{Change, Destination, Proof, Source, Verdict, View, lets_tcp_in, prove};
use crate::settings::{Setting, Settings};

/// Names the function's group in proofs: it has no id before it is made.
pub(super) const FUNCTION_GROUP: &str = "FunctionSecurityGroup";
/// Lambda takes no more.
pub(super) const MOST_SUBNETS: usize = 16;
/// A function survives the loss of a zone when it is in another too.
const ENOUGH_ZONES: usize = 2;
/// One address is for the network interface that functions share per subnet and group; a second while Lambda replaces it, or adds one under
/// load.
const ROOM: u32 = 2;
/// The brokers' ports inside a VPC, from plaintext to SASL/IAM.
const BROKER_PORTS: (u16, u16) = (9092, 9098);
/// AWS's default quota of inbound rules per security group, and of outbound ones.
pub(super) const RULES_PER_GROUP: usize = 60;

/// The function's place.
#[derive(Debug)]
pub(super) struct Place {
    /// None where functions are in no VPC.
    pub(super) network: Option<PlannedNetwork>,
    pub(super) cluster_vpc: String,
    /// Those that are made or changed for it, in the order in which they are deployed.
    pub(super) network_stacks: Vec<NetworkStack>,
    pub(super) proofs: Vec<Proof>,
}

/// A subnet, and what becomes of a function in it.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) subnet: &'a Subnet,
    /// Whether the deployed function is in it.
    pub(super) deployed: bool,
    /// Whether a broker is in it.
    pub(super) broker: bool,
    pub(super) takes: Takes,
    pub(super) proofs: Vec<Proof>,
    pub(super) obstacle: Option<Obstacle>,
}

/// What is the same for all ways and subnets.
struct Ground<'a> {
    seen: &'a Seen<'a>,
    cluster_region: &'a str,
    cluster_vpc: String,
    broker_subnets: Vec<&'a Subnet>,
    cluster_group: &'a SecurityGroup,
    /// The functions' group, where it is named.
    function_group: Option<&'a str>,
    /// All groups of the brokers.
    broker_groups: Vec<String>,
    port: u16,
    ports: (u16, u16),
}

/// A way into one VPC, tried on all its subnets.
struct Tried<'a> {
    ends: Ends<'a>,
    way: Way,
    candidates: Vec<Candidate<'a>>,
}

/// Chooses the VPC, the way to the brokers, the subnets and the rules.
pub(super) fn choose(settings: &Settings, seen: &Seen, port: u16, notes: &mut Notes) -> Result<Place, PlanError> {
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
    let (vpcs, reason) = function_vpcs(settings, &ground, region)?;
    let vpcs = with_group(settings, seen, region, vpcs)?;
    let mut all: Vec<(Tried, Vec<String>)> = Vec::new();
    let mut dead_ends = Vec::new();
    for vpc in &vpcs {
        let ends = ground.ends(region, vpc, &settings.home.account)?;
        sighted(&ends)?;
        let (ways, reasons) = ways(&ends, settings.peering.as_ref().map(|peering| peering.value.as_str()));
        // With several VPCs to choose from, none is joined to the brokers' that isn't yet: which one, the user has to say.
        let ways = ways.into_iter().filter(|way| vpcs.len() == 1 || !makes_peering(way));
        all.extend(ways.map(|way| (ground.attempt(ends, way), reasons.clone())));
        dead_ends.extend(reasons);
    }
    let best = best(&all, settings);
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
            vpcs: vpcs.iter().map(|vpc| shown(seen, region, vpc)).collect(),
        });
    }
    let Tried { ends, way, candidates } = tried;
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
            let chosen = by_user(setting, &candidates, ends.function.vpc, port, &reasons);
            let chosen = chosen.map_err(|error| error.tried(attempt))?;
            notes.decide("subnets", listed(&chosen), why(setting, ""));
            chosen
        }
        None => {
            let how = if ends.same_vpc() {
                format!(
                    "one in each zone that has a broker: the broker's own where it reaches all brokers and has {ROOM} free addresses, else the one with most of them"
                )
            } else {
                "one in each of two zones, those of the brokers first: the one with most free addresses of those that reach all brokers".to_owned()
            };
            let to = (ends.function.vpc, how.as_str());
            by_plan(&candidates, to, port, &reasons, notes).map_err(|error| error.tried(attempt))?
        }
    };
    warn_of_zones(&chosen, &candidates, notes);
    warn_of_room(&chosen, notes);
    ground.refuse_rule_of_other(settings, &way)?;
    let network_stacks = network_stacks(settings, &ground, &ends, &chosen)?;
    path(&way, &ends, &chosen, &network_stacks, settings, notes);
    rules(&ground, &way, &ends, &chosen, notes);
    beyond(&chosen, notes);
    Ok(Place {
        cluster_vpc: ground.cluster_vpc.clone(),
        network: Some(ground.network(&ends, &way, &chosen)),
        network_stacks,
        proofs: chosen
            .into_iter()
            .flat_map(|candidate| candidate.proofs.iter().cloned())
            .collect(),
    })
}

impl<'a> Ground<'a> {
    fn ends<'e>(&'e self, region: &'e str, vpc: &'e str, account: &'e str) -> Result<Ends<'e>, PlanError>
    where
        'a: 'e,
    {
        let end = |region: &'e str, vpc: &'e str| {
            let network = self.seen.networks.get(region);
            let network = network.ok_or_else(|| PlanError::Missing {
                what: format!("the network in {region}"),
            })?;
            Ok::<_, PlanError>(End { region, vpc, network })
        };
        Ok(Ends {
            function: end(region, vpc)?,
            brokers: end(self.cluster_region, &self.cluster_vpc)?,
            account,
        })
    }

    /// Tries a way on all subnets of the function's VPC.
    fn attempt<'e>(&'e self, ends: Ends<'e>, way: Way) -> Tried<'e>
    where
        'a: 'e,
    {
        let base = self.view(&ends, &way);
        let subnets = ends.function.network.subnets.found().map_or(&[][..], Vec::as_slice);
        let candidates = subnets
            .iter()
            .filter(|subnet| subnet.vpc == ends.function.vpc)
            .map(|subnet| self.judge(&base, &ends, &way, subnet))
            .collect();
        Tried { ends, way, candidates }
    }

    /// The network as it will be: without what former deployments made, and with the function's group.
    fn view(&self, ends: &Ends, way: &Way) -> View {
        let rule = |id: &str, egress, peer: RulePeer| Rule {
            id: id.to_owned(),
            egress,
            protocol: "tcp".to_owned(),
            ports: Some(self.ports),
            peer,
            owner: Owner::ThisStack,
        };
        let mut changes = Vec::new();
        for network in self.seen.networks.values() {
            let groups = network.security_groups.found().into_iter().flatten();
            let former = groups
                .flat_map(|group| &group.rules)
                .filter(|rule| ends.ours(&rule.owner));
            changes.extend(former.map(|rule| Change::RemoveRule(rule.id.clone())));
            for table in network.route_tables.found().into_iter().flatten() {
                // What others need stays, and may be more specific. To be led by it is to need it too: that is no way by routes that are there anyway.
                let shared = matches!(way, Way::Peering(_));
                let of_others = |route: &&Route| shared && self.needed_by_others(ends, &table.id, &route.destination);
                let former = table
                    .routes
                    .iter()
                    .filter(|route| ends.ours(&route.owner) && !of_others(route));
                changes.extend(former.map(|route| Change::RemoveRoute {
                    table: table.id.clone(),
                    destination: route.destination.clone(),
                }));
            }
        }
        let group = &self.cluster_group.id;
        let egress = if way.by_group() {
            vec![rule("FunctionEgress", true, RulePeer::Group(group.clone()))]
        } else {
            let cidrs = self.broker_subnets.iter().map(|subnet| &subnet.cidr);
            cidrs
                .map(|cidr| rule(&format!("FunctionEgress to {cidr}"), true, RulePeer::Cidr(cidr.clone())))
                .collect()
        };
        if self.function_group.is_none() {
            changes.push(Change::Group(SecurityGroup {
                id: FUNCTION_GROUP.to_owned(),
                vpc: ends.function.vpc.to_owned(),
                name: FUNCTION_GROUP.to_owned(),
                rules: egress,
                owner: Owner::ThisStack,
            }));
        }
        if self.ingress_by_group(way) {
            let from = self.function_group.unwrap_or(FUNCTION_GROUP).to_owned();
            changes.push(Change::AddRule {
                group: group.clone(),
                rule: rule("ClusterIngress", false, RulePeer::Group(from)),
            });
        }
        View::new(self.seen.networks).with(changes)
    }

    fn network(&self, ends: &Ends, way: &Way, chosen: &[&Candidate]) -> PlannedNetwork {
        let egress = if self.function_group.is_some() {
            Vec::new()
        } else if way.by_group() {
            vec![PlannedPeer::Group(self.cluster_group.id.clone())]
        } else {
            let cidrs: BTreeSet<&str> = self.broker_subnets.iter().map(|subnet| subnet.cidr.as_str()).collect();
            let cidrs = cidrs.into_iter();
            cidrs.map(|cidr| PlannedPeer::Cidr(cidr.to_owned())).collect()
        };
        PlannedNetwork {
            vpc: ends.function.vpc.to_owned(),
            subnets: chosen.iter().map(|candidate| candidate.subnet.id.clone()).collect(),
            cluster_vpc: self.cluster_vpc.clone(),
            cluster_group: self.cluster_group.id.clone(),
            ports: self.ports,
            function_group: self.function_group.map(str::to_owned),
            egress,
            ingress_by_group: self.ingress_by_group(way),
        }
    }

    /// AWS takes one rule for a group in a group: where another stack of k2m has it, this one can't, and could not rely on that one.
    fn refuse_rule_of_other(&self, settings: &Settings, way: &Way) -> Result<(), PlanError> {
        let Some(setting) = settings.security_group.as_ref().filter(|_| self.ingress_by_group(way)) else {
            return Ok(());
        };
        let other = self
            .cluster_group
            .rules
            .iter()
            .find_map(|rule| match (&rule.owner, &rule.peer) {
                (Owner::K2mStack(stack), RulePeer::Group(group)) if *group == setting.value && !rule.egress => {
                    Some(stack)
                }
                _ => None,
            });
        other.map_or(Ok(()), |stack| {
            Err(PlanError::RuleOfOther {
                group: setting.value.clone(),
                by: setting.source.clone(),
                cluster_group: self.cluster_group.id.clone(),
                stack: stack.clone(),
            })
        })
    }

    /// Whether the stack gives the cluster's group a rule that names the functions' group: not where somebody else's does it.
    fn ingress_by_group(&self, way: &Way) -> bool {
        let named = |id: &str| {
            self.cluster_group.rules.iter().any(|rule| {
                let peer = matches!(&rule.peer, RulePeer::Group(group) if group == id);
                lets_tcp_in(rule, self.ports) && peer && rule.owner == Owner::Foreign
            })
        };
        way.by_group() && !self.function_group.is_some_and(named)
    }

    /// What is shown of a way that does not do: the subnets that were named, else in each zone the one that takes the least to mend.
    fn attempted(&self, settings: &Settings, ends: &Ends, way: &Way, candidates: &[Candidate]) -> Attempt {
        let refusals = |candidate: &Candidate| -> usize {
            let proofs = candidate.proofs.iter();
            proofs.map(|proof| proof.refusals().count()).sum()
        };
        let mut nearest: Vec<&Candidate> = if let Some(setting) = &settings.subnets {
            let named = candidates.iter();
            named
                .filter(|candidate| setting.value.contains(&candidate.subnet.id))
                .collect()
        } else {
            let mut ordered: Vec<&Candidate> = candidates.iter().collect();
            ordered.sort_by_key(|candidate| (refusals(candidate), !candidate.broker));
            let mut zones = BTreeSet::new();
            ordered.retain(|candidate| zones.insert(candidate.subnet.zone.as_str()));
            ordered
        };
        nearest.truncate(MOST_SUBNETS);
        nearest.sort_by(|one, other| one.subnet.id.cmp(&other.subnet.id));
        let (function, brokers) = needs(&nearest);
        Attempt {
            network: self.network(ends, way, &nearest),
            function,
            brokers,
            proofs: nearest
                .iter()
                .flat_map(|candidate| candidate.proofs.iter().cloned())
                .collect(),
        }
    }

    /// Whether another stack needs this route of a network stack.
    fn needed_by_others(&self, ends: &Ends, table: &str, destination: &str) -> bool {
        let me = self.seen.user();
        [ends.function, ends.brokers].into_iter().any(|end| {
            let deployed = self.seen.network_stack(end.vpc);
            let others = NetworkStack::of_others(deployed, end.region, end.vpc, &me);
            let needs = others.iter().flat_map(|stack| stack.users.values());
            let mut routes = needs.flat_map(|needs| &needs.routes);
            routes.any(|route| route.table == table && route.destination == destination)
        })
    }

    fn judge<'e>(&self, base: &View, ends: &Ends, way: &Way, subnet: &'e Subnet) -> Candidate<'e> {
        let seen = self.seen;
        let takes = way.takes(ends, subnet, &self.broker_subnets, self.cluster_group, self.ports);
        let (takes, conflict) = match takes {
            Ok(takes) => (takes, None),
            Err(obstacle) => (Takes::default(), Some(obstacle)),
        };
        let view = base.clone().with(takes.changes.iter().cloned());
        let from = Source {
            subnet: subnet.id.clone(),
            address: None,
            security_groups: vec![self.function_group.unwrap_or(FUNCTION_GROUP).to_owned()],
        };
        let proofs: Vec<Proof> = seen
            .brokers
            .iter()
            .map(|broker| {
                let to = Destination::broker(broker, &self.broker_groups);
                prove(&view, &from, &to, self.port)
            })
            .collect();
        let deployed = seen
            .functions
            .iter()
            .any(|function| function.subnets.contains(&subnet.id));
        let full = (subnet.free_addresses == 0).then_some(Obstacle::Full);
        Candidate {
            subnet,
            deployed,
            broker: seen.brokers.iter().any(|broker| broker.subnet == subnet.id),
            // Where the function is already, it has its network interface.
            obstacle: conflict
                .or_else(|| obstacle(proofs.iter()))
                .or(full.filter(|_| !deployed)),
            takes,
            proofs,
        }
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

/// Of these VPCs the one that the named group is of.
pub(super) fn with_group(
    settings: &Settings,
    seen: &Seen,
    region: &str,
    mut vpcs: Vec<String>,
) -> Result<Vec<String>, PlanError> {
    let Some(setting) = &settings.security_group else {
        return Ok(vpcs);
    };
    let network = seen.networks.get(region);
    if let Some(why) = network.and_then(|network| network.security_groups.unreadable()) {
        let name = format!("networks.{region}.securityGroups");
        return Err(PlanError::Blind(vec![(name, why.clone())]));
    }
    let groups = network.and_then(|network| network.security_groups.found());
    let group = groups.into_iter().flatten().find(|group| group.id == setting.value);
    if group.is_none_or(|group| !vpcs.contains(&group.vpc)) {
        return Err(PlanError::NoGroup {
            group: setting.value.clone(),
            by: setting.source.clone(),
            vpc: group.map(|group| group.vpc.clone()),
            vpcs,
        });
    }
    vpcs.retain(|vpc| group.is_some_and(|group| group.vpc == *vpc));
    Ok(vpcs)
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

/// Refuses what can't be told: whether two VPCs are joined, and whether they can be.
fn sighted(ends: &Ends) -> Result<(), PlanError> {
    if ends.same_vpc() {
        return Ok(());
    }
    let of_end = |end: &End| {
        let name = |list| format!("networks.{}.{list}", end.region);
        // Whether a transit gateway that routes lead to has the VPC is only asked where there is one.
        let tables = end.network.route_tables.found().into_iter().flatten();
        let mut routes = tables
            .filter(|table| table.vpc == end.vpc)
            .flat_map(|table| &table.routes);
        let led = routes.any(|route| route.target.starts_with("tgw-"));
        let attachments = end.network.transit_gateway_attachments.unreadable();
        let lists = [
            (name("vpcs"), end.network.vpcs.unreadable().cloned()),
            (name("peerings"), end.network.peerings.unreadable().cloned()),
            (name("transitGatewayAttachments"), attachments.cloned().filter(|_| led)),
        ];
        lists.into_iter().filter_map(|(name, why)| Some((name, why?)))
    };
    let mut unread: Vec<(String, Unreadable)> = of_end(&ends.function).chain(of_end(&ends.brokers)).collect();
    unread.sort_by(|one, other| one.0.cmp(&other.0));
    unread.dedup_by(|one, other| one.0 == other.0);
    if unread.is_empty() {
        Ok(())
    } else {
        Err(PlanError::Blind(unread))
    }
}

/// Whether this way makes a peering connection between VPCs that have none.
fn makes_peering(way: &Way) -> bool {
    matches!(way, Way::Peering(joint) if !joint.exists)
}

/// The VPC of the brokers' subnets.
pub(super) fn vpc(seen: &Seen) -> Result<String, PlanError> {
    let vpcs: BTreeSet<&str> = broker_subnets(seen)?
        .into_iter()
        .map(|subnet| subnet.vpc.as_str())
        .collect();
    let mut vpcs = vpcs.into_iter();
    match (vpcs.next(), vpcs.next()) {
        (Some(vpc), None) => Ok(vpc.to_owned()),
        (Some(one), Some(other)) => Err(PlanError::NotYet {
            what: format!("the brokers are in two VPCs, {one} and {other}"),
            next: "look again, and name another cluster if it stays so",
        }),
        (None, _) => Err(PlanError::Missing {
            what: "the brokers' VPC".to_owned(),
        }),
    }
}

/// The brokers' subnets, each once, in the order of ids.
fn broker_subnets<'a>(seen: &Seen<'a>) -> Result<Vec<&'a Subnet>, PlanError> {
    let ids: BTreeSet<&str> = seen
        .brokers
        .iter()
        .map(|Broker { subnet, .. }| subnet.as_str())
        .collect();
    let find = |id: &str| {
        let found = seen.subnets.iter().find(|candidate| candidate.id == id);
        found.ok_or_else(|| PlanError::Missing {
            what: format!("the brokers' subnet {id}"),
        })
    };
    ids.into_iter().map(find).collect()
}

/// The VPCs that the function may be in, and why these: what was named, where the deployed function is, the brokers' own, else all of the region.
fn function_vpcs(settings: &Settings, ground: &Ground, region: &str) -> Result<(Vec<String>, String), PlanError> {
    let seen = ground.seen;
    if let Some((vpc, reason)) = named_vpc(settings, seen, region)? {
        return Ok((vec![vpc], reason));
    }
    if region == ground.cluster_region {
        return Ok((vec![ground.cluster_vpc.clone()], "the brokers are in it".to_owned()));
    }
    let vpcs: BTreeSet<String> = subnets_of(seen, region)
        .iter()
        .map(|subnet| subnet.vpc.clone())
        .collect();
    if vpcs.is_empty() {
        return Err(PlanError::Missing {
            what: format!("a VPC with subnets in {region}, where the function has to be"),
        });
    }
    let reason = match vpcs.len() {
        1 => format!("it is the only one in {region}, where the stream is"),
        _ => format!("of those in {region}, where the stream is, it is joined to the brokers'"),
    };
    Ok((vpcs.into_iter().collect(), reason))
}

fn subnets_of<'a>(seen: &Seen<'a>, region: &str) -> &'a [Subnet] {
    let network = seen.networks.get(region).and_then(|network| network.subnets.found());
    network.map_or(&[][..], Vec::as_slice)
}

/// The VPC that was named, by itself or by its subnets, or where the deployed function is; and why it.
pub(super) fn named_vpc(settings: &Settings, seen: &Seen, region: &str) -> Result<Option<(String, String)>, PlanError> {
    let subnets = || subnets_of(seen, region);
    let vpcs_of = |ids: &[String]| -> BTreeSet<String> {
        let found = subnets().iter().filter(|subnet| ids.contains(&subnet.id));
        found.map(|subnet| subnet.vpc.clone()).collect()
    };
    let known = |vpc: &str| subnets().iter().any(|subnet| subnet.vpc == vpc);
    if let Some(setting) = &settings.vpc {
        if !known(&setting.value) {
            return Err(PlanError::NoVpc {
                vpc: setting.value.clone(),
                by: setting.source.clone(),
                region: region.to_owned(),
            });
        }
        return Ok(Some((setting.value.clone(), why(setting, ""))));
    }
    if let Some(setting) = &settings.subnets {
        let vpcs = vpcs_of(&setting.value);
        if vpcs.len() > 1 {
            return Err(PlanError::SubnetsOfVpcs {
                vpcs: vpcs.into_iter().collect(),
                by: setting.source.clone(),
            });
        }
        if let Some(vpc) = vpcs.into_iter().next() {
            return Ok(Some((vpc, format!("the subnets are in it ({})", setting.source))));
        }
    }
    let deployed: Vec<String> = seen
        .functions
        .iter()
        .flat_map(|function| function.subnets.clone())
        .collect();
    let vpc = vpcs_of(&deployed).into_iter().next();
    Ok(vpc.map(|vpc| (vpc, "the function is in it".to_owned())))
}

/// The groups of the brokers in this VPC; one that nobody could read counts too.
pub(super) fn broker_groups(seen: &Seen, vpc: &str) -> Vec<String> {
    let elsewhere = |id: &String| seen.groups.iter().any(|group| group.id == *id && group.vpc != vpc);
    let groups = seen.cluster.into_iter().flat_map(|cluster| &cluster.security_groups);
    groups.filter(|id| !elsewhere(id)).cloned().collect()
}

/// The cluster's group that has our rule already, else the first that has room for one.
pub(super) fn cluster_group<'a>(seen: &Seen<'a>, cluster_vpc: &str) -> Result<&'a SecurityGroup, PlanError> {
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
pub(super) fn inbound_rule(group: &str, cidr: &str, ports: (u16, u16)) -> Change {
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
fn inbound(group: &SecurityGroup) -> usize {
    let rules = group.rules.iter();
    rules
        .filter(|rule| !rule.egress && rule.owner != Owner::ThisStack)
        .count()
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

/// What the proofs say against a subnet. A refusal is certain, and so comes before what isn't known.
pub(super) fn obstacle<'p>(proofs: impl Iterator<Item = &'p Proof> + Clone) -> Option<Obstacle> {
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
        .clone()
        .find(|proof| matches!(proof.verdict, Verdict::Refused { .. }));
    let unknown = proofs
        .clone()
        .find(|proof| matches!(proof.verdict, Verdict::Unknown { .. }));
    refused
        .map(|proof| Obstacle::Refused(words(proof)))
        .or_else(|| unknown.map(|proof| Obstacle::Unknown(words(proof))))
}

/// The user's own subnets, every one of which must do.
pub(super) fn by_user<'c, 'a>(
    setting: &Setting<Vec<String>>,
    candidates: &'c [Candidate<'a>],
    vpc: &str,
    port: u16,
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
            port,
            chosen: Some(setting.source.clone()),
            vpc: vpc.to_owned(),
            obstacles,
            reasons: reasons.to_vec(),
            attempt: None,
        })
    }
}

/// The subnets that the deployed function is in as long as they do; else one in each zone of the brokers, and in other zones where that
/// isn't enough.
pub(super) fn by_plan<'c, 'a>(
    candidates: &'c [Candidate<'a>],
    (vpc, how): (&str, &str),
    port: u16,
    reasons: &[String],
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
            vpc: vpc.to_owned(),
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
        (one_a_zone(&usable, &broker_zones(candidates), enough), how.to_owned())
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

pub(super) fn listed(candidates: &[&Candidate]) -> String {
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

pub(super) fn warn_of_room(chosen: &[&Candidate], notes: &mut Notes) {
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

pub(super) fn warn_of_zones(chosen: &[&Candidate], candidates: &[Candidate], notes: &mut Notes) {
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
fn needs(chosen: &[&Candidate]) -> (Needs, Needs) {
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

/// Says how the two VPCs are joined, and which routes are made.
fn path(
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

fn rules(ground: &Ground, way: &Way, ends: &Ends, chosen: &[&Candidate], notes: &mut Notes) {
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
    if inbound + new > RULES_PER_GROUP {
        notes.warn(format!(
            "{group} has {inbound} inbound rules, and AWS's default quota is {RULES_PER_GROUP}: what is added ({new}) may be too many",
        ));
    }
}

/// Says what is taken on trust: what lies behind a gateway.
pub(super) fn beyond(chosen: &[&Candidate], notes: &mut Notes) {
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

/// A VPC with its name, which may be any text, and its blocks.
pub(super) fn shown(seen: &Seen, region: &str, id: &str) -> String {
    let network = seen.networks.get(region);
    let vpcs = network.and_then(|network| network.vpcs.found());
    let Some(vpc) = vpcs.into_iter().flatten().find(|vpc| vpc.id == id) else {
        return id.to_owned();
    };
    let Vpc { cidrs, name, .. } = vpc;
    let name = name.as_deref().map(|name| format!("{}, ", name.escape_debug()));
    format!("{id} ({}{})", name.unwrap_or_default(), cidrs.join(", "))
}

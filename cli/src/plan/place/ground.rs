//! What is the same for all ways and subnets: the brokers' side, and the network as it will be.

use std::collections::BTreeSet;

use super::Tried;
use super::subnets::{Candidate, MOST_SUBNETS, needs, obstacle};
use crate::facts::Owner;
use crate::facts::network::{Route, Rule, RulePeer, SecurityGroup, Subnet};
use crate::network::{Change, Destination, Proof, Source, View, lets_tcp_in, prove};
use crate::plan::PlannedNetwork;
use crate::plan::error::{Attempt, Obstacle, PlanError};
use crate::plan::model::PlannedPeer;
use crate::plan::seen::Seen;
use crate::plan::shared::NetworkStack;
use crate::plan::way::{End, Ends, Takes, Way};
use crate::settings::Settings;

/// Names the function's group in proofs: it has no id before it is made.
pub(in crate::plan) const FUNCTION_GROUP: &str = "FunctionSecurityGroup";

/// What is the same for all ways and subnets.
pub(super) struct Ground<'a> {
    pub(super) seen: &'a Seen<'a>,
    pub(super) cluster_region: &'a str,
    pub(super) cluster_vpc: String,
    pub(super) broker_subnets: Vec<&'a Subnet>,
    pub(super) cluster_group: &'a SecurityGroup,
    /// The functions' group, where it is named.
    pub(super) function_group: Option<&'a str>,
    /// All groups of the brokers.
    pub(super) broker_groups: Vec<String>,
    pub(super) port: u16,
    pub(super) ports: (u16, u16),
}

impl<'a> Ground<'a> {
    pub(super) fn ends<'e>(&'e self, region: &'e str, vpc: &'e str, account: &'e str) -> Result<Ends<'e>, PlanError>
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
    pub(super) fn attempt<'e>(&'e self, ends: Ends<'e>, way: Way) -> Tried<'e>
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

    pub(super) fn network(&self, ends: &Ends, way: &Way, chosen: &[&Candidate]) -> PlannedNetwork {
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
            cluster_group: Some(self.cluster_group.id.clone()),
            ports: self.ports,
            function_group: self.function_group.map(str::to_owned),
            egress,
            ingress_by_group: self.ingress_by_group(way),
        }
    }

    /// Whether the stack gives the cluster's group a rule that names the functions' group: not where somebody else's does it.
    pub(super) fn ingress_by_group(&self, way: &Way) -> bool {
        let named = |id: &str| {
            self.cluster_group.rules.iter().any(|rule| {
                let peer = matches!(&rule.peer, RulePeer::Group(group) if group == id);
                lets_tcp_in(rule, self.ports) && peer && rule.owner == Owner::Foreign
            })
        };
        way.by_group() && !self.function_group.is_some_and(named)
    }

    /// What is shown of a way that does not do: the subnets that were named, else in each zone the one that takes the least to mend.
    pub(super) fn attempted(&self, settings: &Settings, ends: &Ends, way: &Way, candidates: &[Candidate]) -> Attempt {
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
            connection: None,
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
            obstacle: conflict.or_else(|| obstacle(&proofs)).or(full.filter(|_| !deployed)),
            takes,
            proofs,
        }
    }
}

//! Multi-VPC private connectivity: a VPC connection has network interfaces in the function's VPC, which lead to the brokers whatever the addresses of their
//! VPC. It is used where it is there; else the network stack of the function's VPC makes it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use super::endpoint::outward;
use super::error::{Attempt, Obstacle, PlanError};
use super::function::BOOTSTRAP_SERVERS;
use super::model::{PlannedCluster, PlannedConnection, PlannedNetwork, PlannedPeer};
use super::notes::{Notes, why};
use super::place::{
    Candidate, FUNCTION_GROUP, Place, RULES_PER_GROUP, broker_subnets, by_plan, by_user, function_vpcs, inbound,
    listed, obstacle, refuse_rule_of_other, shown, vpc, warn_of_quota, warn_of_room, warn_of_zones, with_group,
};
use super::seen::Seen;
use super::serverless::SERVERLESS;
use super::shared::{NeededConnection, Needs, NetworkStack, connection_of, of_network_stack};
use super::way::{End, Ends, Takes, overlap};
use crate::facts::cluster::VpcConnection;
use crate::facts::network::{Rule, RulePeer, SecurityGroup, Subnet};
use crate::facts::{Cluster, Fact, Network, Owner};
use crate::network::{Change, Destination, Proof, Source, Verdict, View, lets_tcp_in, prove};
use crate::settings::Authentication;

/// Each broker has one of these ports, for each way of authentication another.
pub(crate) const PORTS: (u16, u16) = (14001, 14100);
/// Names the group in proofs: it has no id before it is made.
const CONNECTION_GROUP: &str = "ConnectionSecurityGroup";
/// Subnets of a zone that are compared for the connection's network interface: of the roomiest a few do.
const COMPARED: usize = 4;

/// AWS's word for the way of authentication that a VPC connection is for.
pub(crate) const fn word(way: Authentication) -> &'static str {
    match way {
        Authentication::Iam => "SASL_IAM",
        Authentication::Scram => "SASL_SCRAM",
        Authentication::Tls | Authentication::MutualTls | Authentication::Plaintext => "TLS",
    }
}

/// Whether this is a port of private connectivity.
pub(crate) fn is_port(port: u16) -> bool {
    (PORTS.0..=PORTS.1).contains(&port)
}

/// A broker's name of private connectivity as its list of nodes has it: without the way of authentication.
pub(crate) fn plain(host: &str) -> String {
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [broker, "iam" | "scram" | "tls", rest @ ..] => format!("{broker}.{}", rest.join(".")),
        _ => host.to_owned(),
    }
}

/// Which of several connections of a VPC counts first: the network stack's own, and one that is available.
pub(crate) fn rank(connection: &VpcConnection) -> (bool, bool) {
    let own = of_network_stack(&connection.owner, &[&connection.vpc]);
    (!own, connection.state != "AVAILABLE")
}

/// Whether a VPC connection is over, or never came to be.
pub(crate) fn is_over(connection: &VpcConnection) -> bool {
    matches!(
        connection.state.as_str(),
        "DELETING" | "FAILED" | "REJECTED" | "REJECTING"
    )
}

/// Whether the deployed function comes in by it.
pub(super) fn is_deployed(seen: &Seen) -> bool {
    let servers = seen.deployed_variable(BOOTSTRAP_SERVERS).unwrap_or_default();
    let mut ports = servers
        .split(',')
        .filter_map(|server| server.rsplit_once(':')?.1.parse().ok());
    !seen.deployed_outside() && ports.any(is_port)
}

/// Whether a function is deployed in the VPC where it is to be, and comes in by another door.
pub(super) fn is_deployed_beside(seen: &Seen) -> bool {
    let region = seen.settings.home.region.as_str();
    let subnets = seen.networks.get(region).map_or(&[][..], subnets);
    let mut functions = seen.functions.iter().flat_map(|function| &function.subnets);
    let there = function_vpc(seen)
        .is_some_and(|(vpc, _)| functions.any(|id| subnets.iter().any(|subnet| subnet.id == *id && subnet.vpc == vpc)));
    there && !seen.deployed_outside() && !is_deployed(seen)
}

/// The VPC that the function is to be in, and the brokers', as far as both are decided.
fn function_vpc(seen: &Seen) -> Option<(String, String)> {
    let region = seen.settings.home.region.as_str();
    let cluster_vpc = vpc(seen).ok()?;
    let (vpcs, _) = function_vpcs(seen.settings, seen, region, (region, &cluster_vpc)).ok()?;
    Some((vpcs.into_iter().next()?, cluster_vpc))
}

/// Whether the cluster has it, for the way of authentication where one is chosen, and the function can be beside it.
pub(super) fn is_possible(seen: &Seen) -> bool {
    let on = seen
        .cluster
        .map(|cluster| cluster.private_connectivity)
        .unwrap_or_default();
    let chosen = match seen.settings.authentication.as_ref().map(|setting| setting.value) {
        Some(Authentication::Iam) => on.iam,
        Some(Authentication::Scram) => on.scram,
        Some(Authentication::MutualTls) => on.tls,
        Some(Authentication::Tls | Authentication::Plaintext) => false,
        None => !on.is_off(),
    };
    chosen && refuse_elsewhere(seen).is_ok()
}

/// What else would do where no route joins the VPCs: to be added to a sentence.
pub(super) fn hint(seen: &Seen) -> String {
    let one_region = seen.settings.home.region == seen.settings.brokers_region();
    let Some(cluster) = seen.cluster.filter(|cluster| one_region && cluster.kind != SERVERLESS) else {
        return String::new();
    };
    let whatever = "which leads there whatever the addresses";
    let said = seen.settings.private_connectivity.as_ref();
    if cluster.private_connectivity.is_off() {
        format!(
            ", or switch on the cluster's multi-VPC private connectivity (`aws kafka update-connectivity`), {whatever}"
        )
    } else if let Some(setting) = said.filter(|setting| !setting.value) {
        format!(
            ", or set private_connectivity to true, {whatever}; it is false ({})",
            setting.source
        )
    } else if !is_possible(seen) {
        format!(
            ", or choose a way of authentication that the cluster's multi-VPC private connectivity is switched on for ({}), {whatever}",
            ways(cluster).join(", ")
        )
    } else {
        String::new()
    }
}

/// The ways of authentication that it is switched on for.
pub(super) fn ways(cluster: &Cluster) -> Vec<&'static str> {
    let on = cluster.private_connectivity;
    let each = [
        (on.iam, Authentication::Iam),
        (on.scram, Authentication::Scram),
        (on.tls, Authentication::MutualTls),
    ];
    each.into_iter()
        .filter_map(|(on, way)| on.then_some(way.name()))
        .collect()
}

/// Whether the function is in another VPC than the brokers, as far as that is decided.
pub(super) fn is_apart(seen: &Seen) -> bool {
    function_vpc(seen).is_some_and(|(own, brokers)| own != brokers)
}

/// Whether the addresses of the two VPCs overlap, so that no route can join them.
pub(super) fn is_only_way(seen: &Seen) -> bool {
    let region = seen.settings.home.region.as_str();
    let (Some((own, cluster_vpc)), Some(network)) = (function_vpc(seen), seen.networks.get(region)) else {
        return false;
    };
    let end = |vpc| End { region, vpc, network };
    let ends = Ends {
        function: end(&own),
        brokers: end(&cluster_vpc),
        account: &seen.settings.home.account,
    };
    overlap(&ends).is_some()
}

/// Refuses clusters and regions that AWS has it not for.
pub(super) fn refuse_elsewhere(seen: &Seen) -> Result<(), PlanError> {
    let cluster = seen.msk()?;
    let (here, there) = (seen.settings.home.region.as_str(), seen.settings.brokers_region());
    if cluster.kind == SERVERLESS {
        return Err(not(seen, "a serverless cluster has none".to_owned()));
    }
    if here != there {
        let reason = format!("the cluster is in {there} and the function in {here}, and it works inside one region");
        return Err(not(seen, reason));
    }
    if cluster.private_connectivity.is_off() {
        let reason = format!(
            "it is switched off: `aws kafka update-connectivity --cluster-arn {}` switches it on, for one way of authentication or more",
            cluster.arn
        );
        return Err(not(seen, reason));
    }
    Ok(())
}

fn not(seen: &Seen, reason: String) -> PlanError {
    let by = seen.settings.private_connectivity.as_ref();
    PlanError::NotPrivate {
        by: by.map(|setting| setting.source.clone()),
        reason,
    }
}

/// The connection that the function comes in by.
enum Door<'a> {
    /// Somebody else's, used as it is but for a rule.
    There(&'a VpcConnection),
    /// The network stack's, as it will be.
    Own(NeededConnection),
}

/// Where the functions' group lets out to.
enum Egress {
    /// It is somebody else's, and used as it is.
    Theirs,
    /// A security group.
    Group(String),
    /// CIDR blocks.
    Cidrs(BTreeSet<String>),
}

/// What is the same for all subnets.
struct Ground<'a> {
    seen: &'a Seen<'a>,
    vpc: &'a str,
    network: &'a Network,
    door: Door<'a>,
    /// The subnets that have a network interface of the connection.
    ends: Vec<&'a Subnet>,
    /// Where the brokers listen, each once.
    ports: Vec<u16>,
    function_group: Option<&'a str>,
    /// The group of the connection that gets a rule for the function's group; none where rules that are there do.
    into: Option<&'a SecurityGroup>,
}

/// Chooses the connection, the subnets and the rules.
pub(super) fn choose(seen: &Seen, cluster: &PlannedCluster, notes: &mut Notes) -> Result<Place, PlanError> {
    let settings = seen.settings;
    let region = settings.home.region.as_str();
    let cluster_vpc = vpc(seen)?;
    let (vpcs, reason) = function_vpcs(settings, seen, region, (region, &cluster_vpc))?;
    let vpcs = with_group(settings, seen, region, vpcs)?;
    let vpc = vpcs.first().map(String::as_str).unwrap_or_default();
    if vpc == cluster_vpc {
        let reason = format!(
            "the function is in {vpc}, the brokers' own VPC, which needs none: name another one with --vpc, or leave it out"
        );
        return Err(not(seen, reason));
    }
    if let Some(setting) = &settings.peering {
        notes.warn(format!(
            "peering ({}) has no effect: the cluster is reached by multi-VPC private connectivity",
            setting.source
        ));
    }
    if settings.all_broker_ports.value {
        notes.warn(format!(
            "all_broker_ports has no effect: with private connectivity brokers listen on {}-{}, all of which the rules are for",
            PORTS.0, PORTS.1
        ));
    }
    let ground = Ground::survey(seen, vpc, cluster)?;
    notes.decide("vpc", shown(seen, region, vpc), reason);
    let candidates = ground.candidates();
    let attempt = || ground.attempted(&cluster_vpc, cluster, &candidates);
    let chosen = if let Some(setting) = &settings.subnets {
        let chosen = by_user(setting, &candidates, vpc, &[cluster.port], &[]).map_err(|error| error.tried(attempt))?;
        notes.decide("subnets", listed(&chosen), why(setting, ""));
        chosen
    } else {
        let because = "one in each zone that has a network interface of the VPC connection: that subnet where it has free addresses, else the one with most of them";
        by_plan(
            &candidates,
            vpc,
            &[cluster.port],
            &[],
            because,
            outward(&cluster.secrets, vpc, seen).as_ref(),
            notes,
        )
        .map_err(|error| error.tried(attempt))?
    };
    warn_of_zones(&chosen, &candidates, notes);
    warn_of_room(&chosen, notes);
    ground.tell(notes);
    Ok(Place {
        network: Some(ground.planned(&cluster_vpc, &chosen)),
        network_stacks: ground.network_stacks()?,
        connection: Some(ground.connection(cluster)),
        makes_peering: false,
        proofs: chosen
            .into_iter()
            .flat_map(|candidate| candidate.proofs.iter().cloned())
            .collect(),
        cluster_vpc,
    })
}

impl<'a> Ground<'a> {
    fn survey(seen: &'a Seen<'a>, vpc: &'a str, cluster: &PlannedCluster) -> Result<Self, PlanError> {
        let region = seen.settings.home.region.as_str();
        let missing = |what: String| PlanError::Missing { what };
        let network = seen.networks.get(region);
        let network = network.ok_or_else(|| missing(format!("the network in {region}")))?;
        let way = word(cluster.authentication);
        let deployed = connection_of(seen.network_stack(vpc), &seen.msk()?.arn, way);
        let door = if let Some(deployed) = deployed {
            refuse_unfit(seen, &deployed, vpc, way)?;
            // Whom its group lets in may change, where it is may not.
            Door::Own(NeededConnection {
                cidrs: cidrs(network, vpc)?,
                ..deployed
            })
        } else if let Some(connection) = there(seen, vpc, way)? {
            Door::There(connection)
        } else {
            Door::Own(needed(seen, network, vpc, way)?)
        };
        let ids: Vec<&str> = match &door {
            Door::There(connection) => connection.subnets.iter().map(String::as_str).collect(),
            Door::Own(needed) => needed.subnets.values().map(String::as_str).collect(),
        };
        let subnets = subnets(network);
        let find = |id: &str| subnets.iter().find(|subnet| subnet.id == id);
        let ends = ids
            .into_iter()
            .map(|id| find(id).ok_or_else(|| missing(format!("the subnet {id}"))));
        let ends = ends.collect::<Result<Vec<&Subnet>, PlanError>>()?;
        if ends.is_empty() {
            return Err(missing(format!("the subnets of the VPC connection of {vpc}")));
        }
        let servers = cluster.bootstrap_servers.split(',');
        let mut ports: BTreeSet<u16> = servers
            .filter_map(|server| server.rsplit_once(':')?.1.parse().ok())
            .collect();
        // Of more than three brokers AWS names three: the others may have any of the ports.
        if seen.brokers.len() > ports.len() {
            ports.extend([PORTS.0, PORTS.1]);
        }
        let function_group = seen.settings.security_group.as_ref().map(|group| group.value.as_str());
        let into = match &door {
            Door::There(connection) => into(seen, network, connection, vpc, function_group)?,
            Door::Own(_) => None,
        };
        Ok(Self {
            seen,
            vpc,
            network,
            door,
            ends,
            ports: ports.into_iter().collect(),
            function_group,
            into,
        })
    }

    fn groups(&self) -> Vec<String> {
        match &self.door {
            Door::There(connection) => connection.security_groups.clone(),
            Door::Own(_) => vec![CONNECTION_GROUP.to_owned()],
        }
    }

    /// Where the stack's own group lets out to: the group that has to let it in, else the network interfaces' subnets.
    fn egress(&self) -> Egress {
        match (self.function_group, self.into) {
            (Some(_), _) => Egress::Theirs,
            (None, Some(group)) => Egress::Group(group.id.clone()),
            (None, None) => Egress::Cidrs(self.ends.iter().map(|subnet| subnet.cidr.clone()).collect()),
        }
    }

    /// The network as it will be.
    fn view(&self) -> View {
        let rule = |id: String, egress, peer| Rule {
            id,
            egress,
            protocol: "tcp".to_owned(),
            ports: Some(PORTS),
            peer,
            owner: Owner::ThisStack,
        };
        let group = |id: &str, rules| {
            Change::Group(SecurityGroup {
                id: id.to_owned(),
                vpc: self.vpc.to_owned(),
                name: id.to_owned(),
                rules,
                owner: Owner::ThisStack,
            })
        };
        let groups = self.network.security_groups.found().into_iter().flatten();
        let former = groups.flat_map(|group| &group.rules);
        let former = former.filter(|rule| rule.owner == Owner::ThisStack);
        let mut changes: Vec<Change> = former.map(|rule| Change::RemoveRule(rule.id.clone())).collect();
        let out = match self.egress() {
            Egress::Theirs => None,
            Egress::Group(id) => Some(vec![rule("FunctionEgress".to_owned(), true, RulePeer::Group(id))]),
            Egress::Cidrs(cidrs) => {
                let cidrs = cidrs.into_iter();
                let rules = cidrs.map(|cidr| rule(format!("FunctionEgress to {cidr}"), true, RulePeer::Cidr(cidr)));
                Some(rules.collect())
            }
        };
        if let Some(rules) = out {
            changes.push(group(FUNCTION_GROUP, rules));
        }
        if let Door::Own(needed) = &self.door {
            let cidrs = needed.cidrs.iter().cloned();
            let ingress = cidrs.map(|cidr| rule(format!("ConnectionIngress from {cidr}"), false, RulePeer::Cidr(cidr)));
            changes.push(group(CONNECTION_GROUP, ingress.collect()));
        }
        if let Some(into) = self.into {
            let from = self.function_group.unwrap_or(FUNCTION_GROUP).to_owned();
            changes.push(Change::AddRule {
                group: into.id.clone(),
                rule: rule("ClusterIngress".to_owned(), false, RulePeer::Group(from)),
            });
        }
        View::new(self.seen.networks).with(changes)
    }

    /// Every subnet of the VPC, and what becomes of a function in it.
    fn candidates(&self) -> Vec<Candidate<'a>> {
        let (view, groups) = (self.view(), self.groups());
        let subnets = subnets(self.network).iter().filter(|subnet| subnet.vpc == self.vpc);
        subnets.map(|subnet| self.judge(&view, &groups, subnet)).collect()
    }

    fn judge(&self, view: &View, groups: &[String], subnet: &'a Subnet) -> Candidate<'a> {
        let from = Source {
            subnet: subnet.id.clone(),
            address: None,
            security_groups: vec![self.function_group.unwrap_or(FUNCTION_GROUP).to_owned()],
        };
        // Of the brokers behind one network interface the first that isn't reached speaks for all.
        let proofs = self.ends.iter().filter_map(|end| {
            let to = Destination {
                subnet: end.id.clone(),
                address: None,
                security_groups: groups.to_vec(),
            };
            let all: Vec<Proof> = self.ports.iter().map(|port| prove(view, &from, &to, *port)).collect();
            let worst = all.iter().find(|proof| proof.verdict != Verdict::Reachable);
            worst.or(all.first()).cloned()
        });
        let proofs: Vec<Proof> = proofs.collect();
        let mut functions = self.seen.functions.iter();
        let deployed = functions.any(|function| function.subnets.contains(&subnet.id));
        let end = self.ends.iter().any(|end| end.id == subnet.id);
        // A connection that is to be made takes one too.
        let taken = u32::from(end && !self.exists());
        let full = subnet.free_addresses <= taken && !deployed;
        Candidate {
            subnet,
            deployed,
            broker: end,
            obstacle: obstacle(&proofs).or(full.then_some(Obstacle::Full)),
            takes: Takes::default(),
            proofs,
        }
    }

    fn planned(&self, cluster_vpc: &str, chosen: &[&Candidate]) -> PlannedNetwork {
        PlannedNetwork {
            vpc: self.vpc.to_owned(),
            subnets: chosen.iter().map(|candidate| candidate.subnet.id.clone()).collect(),
            cluster_vpc: cluster_vpc.to_owned(),
            cluster_group: self.into.map(|group| group.id.clone()),
            ports: PORTS,
            function_group: self.function_group.map(str::to_owned),
            egress: match self.egress() {
                Egress::Theirs => Vec::new(),
                Egress::Group(id) => vec![PlannedPeer::Group(id)],
                Egress::Cidrs(cidrs) => cidrs.into_iter().map(PlannedPeer::Cidr).collect(),
            },
            ingress_by_group: self.into.is_some(),
        }
    }

    fn attempted(&self, cluster_vpc: &str, cluster: &PlannedCluster, candidates: &[Candidate]) -> Attempt {
        let named = self.seen.settings.subnets.as_ref();
        let shown = |candidate: &&Candidate| match named {
            Some(setting) => setting.value.contains(&candidate.subnet.id),
            None => candidate.broker,
        };
        let shown: Vec<&Candidate> = candidates.iter().filter(shown).collect();
        Attempt {
            network: self.planned(cluster_vpc, &shown),
            function: self.needs(),
            brokers: Needs::default(),
            connection: Some(self.connection(cluster)),
            proofs: shown
                .iter()
                .flat_map(|candidate| candidate.proofs.iter().cloned())
                .collect(),
        }
    }

    fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        if let Door::Own(needed) = &self.door {
            needs.connections.insert(needed.clone());
        }
        needs
    }

    fn network_stacks(&self) -> Result<Vec<NetworkStack>, PlanError> {
        let needs = self.needs();
        if needs.is_empty() {
            return Ok(Vec::new());
        }
        let (me, region) = (self.seen.user(), self.seen.settings.home.region.as_str());
        let mut stack = NetworkStack::of_others(self.seen.network_stack(self.vpc), region, self.vpc, &me)?;
        stack.users.insert(me, needs);
        Ok(vec![stack])
    }

    /// Whether the connection is there.
    fn exists(&self) -> bool {
        match &self.door {
            Door::There(_) => true,
            Door::Own(needed) => connection_of(
                self.seen.network_stack(self.vpc),
                &needed.cluster,
                &needed.authentication,
            )
            .is_some(),
        }
    }

    fn connection(&self, cluster: &PlannedCluster) -> PlannedConnection {
        let (exists, own) = (self.exists(), matches!(self.door, Door::Own(_)));
        PlannedConnection {
            vpc: self.vpc.to_owned(),
            authentication: word(cluster.authentication),
            subnets: self.ends.iter().map(|subnet| subnet.id.clone()).collect(),
            own,
            exists,
            unconfirmed: own && self.seen.settings.private_connectivity.is_none(),
        }
    }

    /// Says which connection it is, and which rules there are.
    fn tell(&self, notes: &mut Notes) {
        let reason = match &self.seen.settings.private_connectivity {
            Some(setting) => why(setting, ""),
            None if is_deployed(self.seen) => "the functions come in by it already".to_owned(),
            None if is_only_way(self.seen) => {
                "the addresses of the two VPCs overlap, so that no route joins them".to_owned()
            }
            None => "it leads there, and nothing else that is there does".to_owned(),
        };
        let ends: Vec<String> = self
            .ends
            .iter()
            .map(|end| format!("{} ({})", end.id, end.zone))
            .collect();
        let ends = ends.join(", ");
        let (first, last) = PORTS;
        let whose = match &self.door {
            Door::There(connection) => (
                format!("the VPC connection {} in {ends}", connection.arn),
                "it is somebody else's: it is used, and stays when the stack goes".to_owned(),
            ),
            Door::Own(_) => (
                format!("a VPC connection of k2m's own in {ends}"),
                format!(
                    "all stacks of k2m in {} that need it share it, and it goes with the last of them",
                    self.vpc
                ),
            ),
        };
        notes.decide(
            "way",
            format!("the cluster's private connectivity, by {}", whose.0),
            format!("{reason}; {}", whose.1),
        );
        if let Some(own) = self.function_group {
            notes.decide(
                "function's group",
                own,
                "it was named: it is used as it is, and stays when the stack goes",
            );
        } else {
            let to = match self.into {
                Some(group) => group.id.clone(),
                None => "these subnets".to_owned(),
            };
            notes.decide(
                "rules",
                format!("out of the function's group to {to}: ports {first}-{last}"),
                "the function's group is the stack's own; by private connectivity brokers have ports of their own",
            );
        }
        let (into, reason) = match (&self.door, self.into) {
            (Door::There(_), Some(group)) => (
                format!("into {}, from the function's group: ports {first}-{last}", group.id),
                "it goes when the stack goes",
            ),
            (Door::There(_), None) => (
                "nothing: rules that are there let the function in".to_owned(),
                "they are used, and stay when the stack goes",
            ),
            (Door::Own(_), _) => (
                format!("into its group, from all of {}: ports {first}-{last}", self.vpc),
                "stacks share it, and whom brokers let in they decide themselves",
            ),
        };
        notes.decide("rules of the connection", into, reason);
        if let Some(group) = self.into {
            warn_of_quota(&group.id, inbound(group), 1, notes);
        }
    }
}

fn subnets(network: &Network) -> &[Subnet] {
    network.subnets.found().map_or(&[][..], Vec::as_slice)
}

/// VPC connections to the cluster.
fn known<'a>(seen: &Seen<'a>) -> Result<&'a [VpcConnection], PlanError> {
    match &seen.msk()?.vpc_connections {
        Some(Fact::Found { value }) => Ok(value),
        Some(Fact::Unreadable(reason)) => Err(PlanError::Blind(vec![(
            "cluster.vpcConnections".to_owned(),
            reason.clone(),
        )])),
        Some(Fact::Absent) | None => Err(PlanError::Missing {
            what: "the VPC connections of the cluster".to_owned(),
        }),
    }
}

/// Somebody else's connection from this VPC for this way of authentication, which has to be available; of several the first that is.
fn there<'a>(seen: &Seen<'a>, vpc: &str, way: &str) -> Result<Option<&'a VpcConnection>, PlanError> {
    let fits = |one: &&VpcConnection| one.vpc == vpc && one.authentication == way && !is_over(one);
    let all = known(seen)?.iter().filter(fits);
    let Some(connection) = all.min_by_key(|one| one.state != "AVAILABLE") else {
        return Ok(None);
    };
    if connection.state == "AVAILABLE" {
        return Ok(Some(connection));
    }
    let reason = format!(
        "the VPC connection {} of {vpc} is {}, and has to be AVAILABLE: wait, or delete it, and k2m makes one",
        connection.arn, connection.state
    );
    Err(not(seen, reason))
}

/// Refuses the network stack's own connection where it isn't there, or carries nothing.
fn refuse_unfit(seen: &Seen, deployed: &NeededConnection, vpc: &str, way: &str) -> Result<(), PlanError> {
    let known = known(seen)?.iter();
    let own = known.filter(|one| one.vpc == vpc && one.authentication == way && of_network_stack(&one.owner, &[vpc]));
    let Some(connection) = own.min_by_key(|one| is_over(one)) else {
        let what = format!("the VPC connection of {vpc}");
        let place = (seen.settings.home.region.as_str(), vpc);
        return NetworkStack::refuse_gone(seen.network_stack(vpc), place, &what, |needs| {
            let mut connections = needs.connections.iter();
            connections.any(|one| (&one.cluster, &one.authentication) == (&deployed.cluster, &deployed.authentication))
        });
    };
    if connection.state == "AVAILABLE" {
        return Ok(());
    }
    let reason = format!(
        "the VPC connection {}, of the network stack of {vpc}, is {}, and has to be AVAILABLE: wait, or see why in the console of MSK, under managed VPC connections",
        connection.arn, connection.state
    );
    Err(not(seen, reason))
}

/// The VPC's IPv4 CIDR blocks.
fn cidrs(network: &Network, vpc: &str) -> Result<BTreeSet<String>, PlanError> {
    let vpcs = network.vpcs.found().map_or(&[][..], Vec::as_slice);
    let known = vpcs.iter().find(|known| known.id == vpc);
    let cidrs = known.map(|known| known.cidrs.iter().cloned().collect());
    cidrs.ok_or_else(|| PlanError::Missing {
        what: format!("the VPC {vpc}"),
    })
}

/// A connection that the network stack is to make: with a subnet in each of the brokers' zones.
fn needed(seen: &Seen, network: &Network, vpc: &str, way: &'static str) -> Result<NeededConnection, PlanError> {
    let cidrs = cidrs(network, vpc)?;
    let brokers = broker_subnets(seen)?;
    let zones: BTreeSet<&str> = brokers.iter().map(|subnet| subnet.zone.as_str()).collect();
    let named = seen.settings.subnets.as_ref().map_or(&[][..], |setting| &setting.value);
    let mut by_zone: BTreeMap<&str, Vec<&Subnet>> = BTreeMap::new();
    for zone in &zones {
        let in_zone = subnets(network).iter();
        let mut in_zone: Vec<&Subnet> = in_zone
            .filter(|subnet| subnet.vpc == vpc && subnet.zone == *zone && subnet.free_addresses > 0)
            .collect();
        in_zone.sort_by_key(|subnet| {
            let roomiest = std::cmp::Reverse(subnet.free_addresses);
            (!named.contains(&subnet.id), roomiest, subnet.id.as_str())
        });
        in_zone.truncate(COMPARED);
        by_zone.insert(zone, in_zone);
    }
    let bare: Vec<&str> = by_zone
        .iter()
        .filter(|(_, all)| all.is_empty())
        .map(|(zone, _)| *zone)
        .collect();
    if !bare.is_empty() {
        let reason = format!(
            "{vpc} has no subnet with a free address in {}, and a VPC connection has one in each zone of the brokers: give it one, or name another VPC with --vpc",
            bare.join(" and ")
        );
        return Err(not(seen, reason));
    }
    let all: Vec<&Subnet> = by_zone.values().flatten().copied().collect();
    let view = open(seen, vpc, &cidrs);
    // That which most of the others reach, through the network ACLs between.
    let reached = |to: &Subnet| {
        let reached = all.iter().filter(|from| {
            let from = Source {
                subnet: from.id.clone(),
                address: None,
                security_groups: vec![FUNCTION_GROUP.to_owned()],
            };
            let to = Destination {
                subnet: to.id.clone(),
                address: None,
                security_groups: vec![CONNECTION_GROUP.to_owned()],
            };
            !matches!(prove(&view, &from, &to, PORTS.0).verdict, Verdict::Refused { .. })
        });
        reached.count()
    };
    let subnets = by_zone.iter().filter_map(|(zone, in_zone)| {
        // Of equals the first, which they are sorted for.
        let best = in_zone
            .iter()
            .rev()
            .max_by_key(|subnet| (named.contains(&subnet.id), reached(subnet)))?;
        Some(((*zone).to_owned(), best.id.clone()))
    });
    Ok(NeededConnection {
        cluster: seen.msk()?.arn.clone(),
        authentication: way.to_owned(),
        subnets: subnets.collect(),
        cidrs,
    })
}

/// The network with groups of the function and of the connection that let everything pass between them.
fn open(seen: &Seen, vpc: &str, cidrs: &BTreeSet<String>) -> View {
    let group = |id: &str, egress| {
        let rules = cidrs.iter().map(|cidr| Rule {
            id: format!("{id} {cidr}"),
            egress,
            protocol: "tcp".to_owned(),
            ports: Some(PORTS),
            peer: RulePeer::Cidr(cidr.clone()),
            owner: Owner::ThisStack,
        });
        Change::Group(SecurityGroup {
            id: id.to_owned(),
            vpc: vpc.to_owned(),
            name: id.to_owned(),
            rules: rules.collect(),
            owner: Owner::ThisStack,
        })
    };
    View::new(seen.networks).with([group(FUNCTION_GROUP, true), group(CONNECTION_GROUP, false)])
}

/// The group of somebody else's connection that has to let the function in: none where a rule that isn't k2m's does.
fn into<'a>(
    seen: &Seen,
    network: &'a Network,
    connection: &VpcConnection,
    vpc: &str,
    function_group: Option<&str>,
) -> Result<Option<&'a SecurityGroup>, PlanError> {
    let groups = match &network.security_groups {
        Fact::Found { value } => value.as_slice(),
        Fact::Unreadable(reason) => {
            let name = format!("networks.{}.securityGroups", seen.settings.home.region);
            return Err(PlanError::Blind(vec![(name, reason.clone())]));
        }
        Fact::Absent => &[],
    };
    let vpcs = network.vpcs.found().map_or(&[][..], Vec::as_slice);
    let known = vpcs.iter().find(|known| known.id == vpc);
    let blocks: Vec<Ipv4Net> = known
        .into_iter()
        .flat_map(|known| &known.cidrs)
        .filter_map(|cidr| cidr.parse().ok())
        .collect();
    let own: Vec<&SecurityGroup> = groups
        .iter()
        .filter(|group| connection.security_groups.contains(&group.id))
        .collect();
    let lets_in = |rule: &Rule| {
        let whom = match &rule.peer {
            RulePeer::Cidr(cidr) => cidr
                .parse::<Ipv4Net>()
                .is_ok_and(|net| !blocks.is_empty() && blocks.iter().all(|block| net.contains(block))),
            RulePeer::Group(id) => function_group == Some(id.as_str()),
            RulePeer::PrefixList(_) => false,
        };
        whom && lets_tcp_in(rule, PORTS) && rule.owner == Owner::Foreign
    };
    if own.iter().flat_map(|group| &group.rules).any(lets_in) {
        return Ok(None);
    }
    let own_rule = |group: &&SecurityGroup| {
        let mut rules = group.rules.iter();
        rules.any(|rule| !rule.egress && rule.owner == Owner::ThisStack)
    };
    let deployed = own.iter().copied().find(own_rule);
    let roomy = own.iter().copied().find(|group| inbound(group) < RULES_PER_GROUP);
    let chosen = deployed.or(roomy).or(own.first().copied());
    let chosen = chosen.ok_or_else(|| PlanError::Missing {
        what: format!(
            "the security groups of the VPC connection ({})",
            connection.security_groups.join(", ")
        ),
    })?;
    if let Some(named) = &seen.settings.security_group {
        refuse_rule_of_other(named, chosen)?;
    }
    Ok(Some(chosen))
}

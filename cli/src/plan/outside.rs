//! A Kafka that is not MSK: in a data centre over VPN or Direct Connect, on instances, anywhere that a VPC routes to. AWS tells nothing of it, so that how it is
//! spoken to is the user's to say, the way is proven as far as the gateway that leads there, and nothing is made at its side: what has to be let in there is said.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::endpoint::outward;
use super::error::{Attempt, Obstacle, PlanError};
use super::model::PlannedPeer;
use super::notes::{Notes, why};
use super::place::{
    Candidate, FUNCTION_GROUP, MOST_SUBNETS, Place, RULES_PER_GROUP, beyond, by_plan, by_user, listed, named_vpc,
    obstacle, shown, warn_of_room, warn_of_zones, with_group,
};
use super::public::without_effect;
use super::secret;
use super::seen::Seen;
use super::shared::Needs;
use super::way::Takes;
use super::{PlannedCluster, PlannedNetwork, PlannedSecrets};
use crate::addresses::{is_public, no_brokers};
use crate::facts::network::{Rule, RulePeer, SecurityGroup, Subnet};
use crate::facts::server::{MOST_PLACES, NoPlace, Place as At, Server, places};
use crate::facts::{Fact, Owner};
use crate::network::{Change, Proof, Source, View, prove_block};
use crate::settings::{Authentication, PipelineSettings, Servers, Setting, Settings};

/// Ways of which MSK alone knows nothing more than any Kafka.
const POSSIBLE: [Authentication; 4] = [
    Authentication::Plaintext,
    Authentication::Tls,
    Authentication::Scram,
    Authentication::MutualTls,
];

/// Most places of a port that are told: more would fill the screen.
const SHOWN: usize = 12;

/// Why a way can't be any other Kafka's.
const NOT_IAM: &str = "SASL/IAM is MSK's alone";

/// How the brokers are spoken to: as the user says, or as the deployed function does.
pub(super) fn speak(servers: &Setting<Servers>, seen: &Seen, notes: &mut Notes) -> Result<PlannedCluster, PlanError> {
    let settings = seen.settings;
    let possible = || {
        let names: Vec<String> = POSSIBLE.iter().map(|way| format!("`{}`", way.name())).collect();
        names.join(" or ")
    };
    // What a cluster of MSK took, another Kafka need not take.
    let deployed = seen
        .deployed_variable("K2M_AUTHENTICATION")
        .filter(|_| seen.deployed_outside());
    let deployed = POSSIBLE.into_iter().find(|way| deployed == Some(way.name()));
    let (authentication, reason) = match (&settings.authentication, deployed) {
        (Some(setting), _) if setting.value == Authentication::Iam => {
            return Err(PlanError::Authentication {
                chosen: setting.value.name(),
                by: setting.source.clone(),
                reason: NOT_IAM,
                possible: possible(),
            });
        }
        (Some(setting), _) => (setting.value, why(setting, "")),
        (None, Some(way)) => (way, "the deployed function speaks so".to_owned()),
        (None, None) => return Err(PlanError::ChooseAuthentication { possible: possible() }),
    };
    notes.decide("kafka", servers.value.to_string(), why(servers, ""));
    notes.decide("authentication", authentication.name(), reason);
    let secrets = secret::choose(seen, authentication, notes)?;
    if authentication == Authentication::Plaintext {
        notes.warn(
            "plaintext: records cross the network unencrypted, and whoever reaches the port may write; choose another way where that matters",
        );
    }
    let ports = servers.value.ports();
    Ok(PlannedCluster {
        arn: None,
        region: settings.home.region.clone(),
        authentication,
        bootstrap_servers: servers.value.to_string(),
        broker_cidrs: settings
            .broker_cidrs
            .iter()
            .flat_map(|blocks| &blocks.value)
            .copied()
            .collect(),
        port: ports.first().copied().unwrap_or_default(),
        secrets,
    })
}

/// What is said of a topic that nobody is to make: nobody can see it from here.
pub(super) fn topic(about: &'static str, name: &str, reason: &str, settings: &PipelineSettings, notes: &mut Notes) {
    notes.decide(
        about,
        format!("{name}, which has to be there: nothing of AWS tells whether it is"),
        format!(
            "{reason}; after the deployment `k2m doctor` asks the function; with --create-topic true the function creates it where it is missing"
        ),
    );
    let shapes = [
        ("topic_partitions", &settings.topic_partitions),
        ("topic_replication_factor", &settings.topic_replication_factor),
    ];
    for (what, setting) in shapes {
        if let Some(setting) = setting.as_ref().filter(|_| about == "topic") {
            notes.warn(format!(
                "{what} {} ({}) has no effect: the topic is taken as there",
                setting.value, setting.source
            ));
        }
    }
}

/// Chooses to be in no VPC.
pub(super) fn public(settings: &Settings, seen: &Seen, notes: &mut Notes) -> Result<Place, PlanError> {
    without_effect(settings, notes);
    if let Some(blocks) = &settings.broker_cidrs {
        notes.warn(format!(
            "broker_cidrs ({}) has no effect: functions in no VPC have no rules, and nothing of their way can be proven",
            blocks.source
        ));
    }
    for server in seen.servers {
        let mut known = server.known().into_iter();
        if let Some(address) = known.find(|address| !is_public((*address).into())) {
            let what = no_brokers(address.into()).unwrap_or_else(|| "it is a private address".to_owned());
            return Err(PlanError::NotPublic {
                by: settings.public_access.source.clone(),
                reason: format!("{address}, of {}, is none of the internet's: {what}", server.text()),
            });
        }
    }
    notes.decide(
        "vpc",
        "none: the functions reach the brokers' public addresses over the internet",
        why(&settings.public_access, ""),
    );
    notes.decide(
        "rules of the brokers",
        "every address has to be let in there",
        "the address of a function in no VPC may be any of AWS's",
    );
    notes.warn(
        "nothing of the way over the internet is proven: after the deployment `k2m doctor` asks the function itself",
    );
    Ok(Place {
        network: None,
        cluster_vpc: String::new(),
        network_stacks: Vec::new(),
        connection: None,
        makes_peering: false,
        proofs: Vec::new(),
    })
}

/// What is the same for all subnets.
struct Ground<'a> {
    seen: &'a Seen<'a>,
    places: BTreeSet<At>,
    /// The functions' group, where it is named.
    function_group: Option<&'a str>,
    /// The servers' own, each once.
    ports: Vec<u16>,
}

/// A VPC, tried on all its subnets.
struct Tried<'a> {
    vpc: &'a str,
    candidates: Vec<Candidate<'a>>,
}

/// Chooses the VPC, the subnets and the rules.
pub(super) fn choose(
    servers: &Setting<Servers>,
    secrets: &PlannedSecrets,
    seen: &Seen,
    notes: &mut Notes,
) -> Result<Place, PlanError> {
    let settings = seen.settings;
    let region = settings.home.region.as_str();
    let ground = Ground {
        seen,
        places: located(settings, seen, notes)?,
        function_group: settings.security_group.as_ref().map(|group| group.value.as_str()),
        ports: servers.value.ports().into_iter().collect(),
    };
    if let Some(setting) = &settings.peering {
        notes.warn(format!(
            "peering ({}) has no effect: for a Kafka that is not MSK routes are used as they are",
            setting.source
        ));
    }
    if let Some(setting) = settings.private_connectivity.as_ref().filter(|setting| setting.value) {
        notes.warn(format!(
            "private_connectivity ({}) has no effect: it is MSK's alone",
            setting.source
        ));
    }
    if settings.all_broker_ports.value {
        notes.warn(format!(
            "all_broker_ports ({}) has no effect: the rules are for the servers' own ports",
            settings.all_broker_ports.source
        ));
    }
    let all: BTreeSet<&str> = seen.subnets.iter().map(|subnet| subnet.vpc.as_str()).collect();
    let (vpcs, reason) = match named_vpc(settings, seen, region)? {
        Some((vpc, reason)) => (vec![vpc], reason),
        None => (
            all.into_iter().map(str::to_owned).collect(),
            format!("it is the only one in {region}, where the stream is"),
        ),
    };
    if vpcs.is_empty() {
        return Err(no_vpc(region));
    }
    let vpcs = with_group(settings, seen, region, vpcs)?;
    let tried: Vec<Tried> = vpcs.iter().map(|vpc| ground.attempt(vpc)).collect();
    let (Tried { vpc, candidates }, reason) = chosen_vpc(tried, reason, region, seen)?;
    notes.decide("vpc", shown(seen, region, vpc), reason);
    let attempt = || ground.attempted(settings, vpc, &candidates);
    let subnets = if let Some(setting) = &settings.subnets {
        let subnets = by_user(setting, &candidates, vpc, &ground.ports, &[]);
        let subnets = subnets.map_err(|error| error.tried(attempt))?;
        notes.decide("subnets", listed(&subnets), why(setting, ""));
        subnets
    } else {
        let how = "one in each of two zones: the one with most free addresses of those that reach all brokers";
        by_plan(
            &candidates,
            vpc,
            &ground.ports,
            &[],
            how,
            outward(secrets, vpc, seen).as_ref(),
            notes,
        )
        .map_err(|error| error.tried(attempt))?
    };
    warn_of_zones(&subnets, &candidates, notes);
    warn_of_room(&subnets, notes);
    ground.rules(&subnets, notes);
    beyond(&subnets, notes);
    unseen_groups(&subnets, notes);
    Ok(Place {
        network: Some(ground.network(vpc, &subnets)),
        cluster_vpc: String::new(),
        network_stacks: Vec::new(),
        connection: None,
        makes_peering: false,
        proofs: proofs(&subnets),
    })
}

/// Nothing is known that the function could be in.
pub(super) fn no_vpc(region: &str) -> PlanError {
    PlanError::Missing {
        what: format!("a VPC with subnets in {region}, where the function has to be"),
    }
}

/// Where the brokers are.
fn located(settings: &Settings, seen: &Seen, notes: &mut Notes) -> Result<BTreeSet<At>, PlanError> {
    let blocks = settings.broker_cidrs.as_ref();
    let found = places(seen.servers, blocks.map(|blocks| blocks.value.as_slice()));
    let found = found.map_err(|why| match why {
        NoPlace::Unknown(servers) => PlanError::NoAddress {
            servers: servers.into_iter().map(unresolved).collect(),
        },
        NoPlace::NoBroker {
            server,
            address,
            reason,
        } => PlanError::NoBroker {
            server: server.text(),
            address,
            reason,
        },
        NoPlace::TooMany(count) => PlanError::TooManyPlaces {
            count,
            most: MOST_PLACES,
        },
    })?;
    let shown = by_port(&found, single);
    let Some(blocks) = blocks else {
        notes.decide(
            "brokers",
            shown,
            "where the servers' names lead from this machine; brokers that they tell of may be elsewhere, and broker_cidrs says where",
        );
        return Ok(found);
    };
    notes.decide("brokers", shown, why(blocks, ""));
    let within = |address: &Ipv4Addr| blocks.value.iter().any(|block| block.contains(address));
    for server in seen.servers {
        let Some(address) = server.known().into_iter().find(|address| !within(address)) else {
            continue;
        };
        if address.to_string() == server.host {
            return Err(PlanError::OutsideBlocks {
                server: server.text(),
                by: blocks.source.clone(),
            });
        }
        notes.warn(format!(
            "this machine resolves {} to {address}, which is in none of broker_cidrs ({}): only where the function's VPC resolves it otherwise is it let out there",
            server.host, blocks.source
        ));
    }
    Ok(found)
}

/// An address, or a block of more than one.
fn single(net: Ipv4Net) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

/// Places for people: those of a port together, and of very many not all.
fn by_port(places: &BTreeSet<At>, told: fn(Ipv4Net) -> String) -> String {
    let mut ports: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for (net, port) in places {
        ports.entry(*port).or_default().push(told(*net));
    }
    let each = ports.into_iter().map(|(port, mut at)| {
        let more = at.len().saturating_sub(SHOWN);
        at.truncate(SHOWN);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{}{more}: port {port}", at.join(", "))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// A server of which no address is known, and why.
fn unresolved(server: &Server) -> String {
    match &server.addresses {
        Fact::Unreadable(why) => format!("{}: {}", server.text(), why.message),
        Fact::Absent | Fact::Found { .. } => format!("{}: it has no IPv4 address", server.text()),
    }
}

/// What is so of a VPC.
enum Leading<'a> {
    /// Some subnet of it reaches every broker.
    There,
    /// Not that anybody could tell: what is unknown, in the subnet that is nearest.
    Perhaps(&'a str, Obstacle),
    /// None does: what is in the way, in the subnet that is nearest.
    Not(&'a str, Obstacle),
}

impl<'a> Tried<'a> {
    fn leading(&self) -> Leading<'a> {
        let refusals = |candidate: &Candidate| -> usize {
            let all = candidate.proofs.iter();
            all.map(|proof| proof.refusals().count()).sum()
        };
        let mut nearest: Option<((bool, usize), &'a str, &Obstacle)> = None;
        for candidate in &self.candidates {
            let Some(obstacle) = &candidate.obstacle else {
                return Leading::There;
            };
            // What nobody knows may be no obstacle at all.
            let far = (!matches!(obstacle, Obstacle::Unknown(_)), refusals(candidate));
            if nearest.is_none_or(|(least, ..)| far < least) {
                nearest = Some((far, &candidate.subnet.id, obstacle));
            }
        }
        match nearest {
            Some(((false, _), subnet, obstacle)) => Leading::Perhaps(subnet, obstacle.clone()),
            Some((_, subnet, obstacle)) => Leading::Not(subnet, obstacle.clone()),
            None => Leading::Perhaps(
                self.vpc,
                Obstacle::Unknown("no subnet of it is among the facts; look again".to_owned()),
            ),
        }
    }
}

/// Of several VPCs the only one from which every broker can be reached, where all others are known not to lead there.
fn chosen_vpc<'a>(
    mut tried: Vec<Tried<'a>>,
    reason: String,
    region: &str,
    seen: &Seen,
) -> Result<(Tried<'a>, String), PlanError> {
    if tried.len() == 1 {
        return Ok((tried.swap_remove(0), reason));
    }
    let (mut leading, mut unsure, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (index, one) in tried.iter().enumerate() {
        let name = shown(seen, region, one.vpc);
        match one.leading() {
            Leading::There => leading.push((index, name)),
            Leading::Perhaps(subnet, obstacle) => unsure.push((name, subnet.to_owned(), obstacle)),
            Leading::Not(subnet, obstacle) => refused.push((name, subnet.to_owned(), obstacle)),
        }
    }
    match leading.as_slice() {
        [] => {
            // What may lead there is nearer than what does not.
            unsure.append(&mut refused);
            Err(PlanError::NoVpcLeads {
                region: region.to_owned(),
                vpcs: unsure,
            })
        }
        [(index, _)] if unsure.is_empty() => {
            let reason = format!("of those in {region}, where the stream is, it alone leads to the brokers");
            Ok((tried.swap_remove(*index), reason))
        }
        _ => Err(PlanError::WhichVpc {
            region: region.to_owned(),
            leading: leading.into_iter().map(|(_, name)| name).collect(),
            unsure,
        }),
    }
}

fn proofs(subnets: &[&Candidate]) -> Vec<Proof> {
    let each = subnets.iter().flat_map(|candidate| candidate.proofs.iter().cloned());
    each.collect()
}

/// Says that nobody knows who is let in by brokers that are in the function's own VPC.
fn unseen_groups(subnets: &[&Candidate], notes: &mut Notes) {
    let all = subnets.iter().flat_map(|candidate| &candidate.proofs);
    let near: BTreeSet<&str> = all
        .filter(|proof| proof.lacks_only_groups())
        .map(|proof| proof.destination_address.as_str())
        .collect();
    if !near.is_empty() {
        let near: Vec<&str> = near.into_iter().collect();
        notes.warn(format!(
            "{}: in the function's own VPC, and the security groups there are not looked at: whether they let the functions in, `k2m doctor` asks the function after the deployment",
            near.join(", ")
        ));
    }
}

impl<'a> Ground<'a> {
    fn attempt<'e>(&self, vpc: &'e str) -> Tried<'e>
    where
        'a: 'e,
    {
        let base = self.view(vpc);
        let overlap = self.overlap(vpc);
        let subnets = self.seen.subnets.iter().filter(|subnet| subnet.vpc == vpc);
        Tried {
            vpc,
            candidates: subnets
                .map(|subnet| self.judge(&base, subnet, overlap.as_ref()))
                .collect(),
        }
    }

    /// A place among the VPC's own addresses, and in none of its subnets: its local route keeps packets to it in the VPC, where nothing is at them.
    fn overlap(&self, vpc: &str) -> Option<Obstacle> {
        let network = self.seen.networks.get(&self.seen.settings.home.region)?;
        let own = network.vpcs.found()?.iter().find(|one| one.id == vpc)?;
        let own: Vec<Ipv4Net> = own.cidrs.iter().filter_map(|cidr| cidr.parse().ok()).collect();
        let of_subnet = |net: &Ipv4Net| {
            let mut subnets = self.seen.subnets.iter().filter(|subnet| subnet.vpc == vpc);
            subnets.any(|subnet| subnet.cidr.parse::<Ipv4Net>().is_ok_and(|cidr| cidr.contains(net)))
        };
        let mut places = self.places.iter().filter(|(net, _)| !of_subnet(net));
        places.find_map(|(net, port)| {
            let cidr = own.iter().find(|cidr| cidr.contains(net) || net.contains(*cidr))?;
            Some(Obstacle::Refused(format!(
                "{}:{port} overlaps {cidr}, the VPC's own addresses, which stay in the VPC whatever lies elsewhere: use a VPC with other addresses (--vpc), or blocks without \
                 these (--broker-cidrs); of brokers that are in the VPC itself the blocks have to be those of its subnets, one each",
                single(*net)
            )))
        })
    }

    /// The network as it will be: without what a former deployment made, and with the function's group.
    fn view(&self, vpc: &str) -> View {
        let groups = self.seen.groups.iter().flat_map(|group| &group.rules);
        let former = groups.filter(|rule| rule.owner == Owner::ThisStack);
        let mut changes: Vec<Change> = former.map(|rule| Change::RemoveRule(rule.id.clone())).collect();
        if self.function_group.is_none() {
            let rules = self.places.iter().map(|(net, port)| Rule {
                id: format!("FunctionEgress to {net}"),
                egress: true,
                protocol: "tcp".to_owned(),
                ports: Some((*port, *port)),
                peer: RulePeer::Cidr(net.to_string()),
                owner: Owner::ThisStack,
            });
            changes.push(Change::Group(SecurityGroup {
                id: FUNCTION_GROUP.to_owned(),
                vpc: vpc.to_owned(),
                name: FUNCTION_GROUP.to_owned(),
                rules: rules.collect(),
                owner: Owner::ThisStack,
            }));
        }
        View::new(self.seen.networks).with(changes)
    }

    fn judge<'e>(&self, view: &View, subnet: &'e Subnet, overlap: Option<&Obstacle>) -> Candidate<'e> {
        let from = Source {
            subnet: subnet.id.clone(),
            address: None,
            security_groups: vec![self.function_group.unwrap_or(FUNCTION_GROUP).to_owned()],
        };
        let proofs: Vec<Proof> = self
            .places
            .iter()
            .map(|(net, port)| prove_block(view, &from, *net, *port))
            .collect();
        let functions = &self.seen.functions;
        let deployed = functions.iter().any(|function| function.subnets.contains(&subnet.id));
        let full = (subnet.free_addresses == 0).then_some(Obstacle::Full);
        Candidate {
            subnet,
            deployed,
            broker: false,
            takes: Takes::default(),
            // Who is let in by the brokers' own groups is for those who have them.
            obstacle: overlap
                .cloned()
                .or_else(|| obstacle(proofs.iter().filter(|proof| !proof.lacks_only_groups())))
                // Where the function is already, it has its network interface.
                .or(full.filter(|_| !deployed)),
            proofs,
        }
    }

    fn network(&self, vpc: &str, subnets: &[&Candidate]) -> PlannedNetwork {
        let port = self.ports.first().copied().unwrap_or_default();
        let own = self.function_group.is_none();
        let egress = self
            .places
            .iter()
            .filter(|_| own)
            .map(|(net, port)| PlannedPeer::Server {
                cidr: net.to_string(),
                port: *port,
            });
        PlannedNetwork {
            vpc: vpc.to_owned(),
            subnets: subnets.iter().map(|candidate| candidate.subnet.id.clone()).collect(),
            cluster_vpc: String::new(),
            cluster_group: None,
            ports: (port, port),
            function_group: self.function_group.map(str::to_owned),
            egress: egress.collect(),
            ingress_by_group: false,
        }
    }

    /// What is shown of a way that does not do: the subnets that were named, else the one in each zone that takes the least to mend.
    fn attempted(&self, settings: &Settings, vpc: &str, candidates: &[Candidate]) -> Attempt {
        let mut nearest: Vec<&Candidate> = candidates.iter().collect();
        if let Some(setting) = &settings.subnets {
            nearest.retain(|candidate| setting.value.contains(&candidate.subnet.id));
        } else {
            let refusals = |candidate: &&Candidate| -> usize {
                candidate.proofs.iter().map(|proof| proof.refusals().count()).sum()
            };
            nearest.sort_by_key(refusals);
            let mut zones = BTreeSet::new();
            nearest.retain(|candidate| zones.insert(candidate.subnet.zone.as_str()));
        }
        nearest.truncate(MOST_SUBNETS);
        nearest.sort_by(|one, other| one.subnet.id.cmp(&other.subnet.id));
        Attempt {
            connection: None,
            network: self.network(vpc, &nearest),
            function: Needs::default(),
            brokers: Needs::default(),
            proofs: proofs(&nearest),
        }
    }

    fn rules(&self, subnets: &[&Candidate], notes: &mut Notes) {
        if let Some(group) = self.function_group {
            notes.decide(
                "function's group",
                group,
                "it was named: it is used as it is, and stays when the stack goes",
            );
        } else {
            let rules = self.places.len();
            if rules >= RULES_PER_GROUP {
                notes.warn(format!(
                    "the brokers are at {rules} places, and AWS's default quota is {RULES_PER_GROUP} outbound rules in a group: name fewer servers, or wider blocks with broker_cidrs"
                ));
            }
            notes.decide(
                "rules",
                format!(
                    "out of the function's group to {}",
                    by_port(&self.places, |net| net.to_string())
                ),
                "the function's group is the stack's own, and nothing else is let out to the brokers",
            );
        }
        // Behind a NAT gateway nobody sees the function's own addresses.
        let all = subnets
            .iter()
            .flat_map(|candidate| candidate.proofs.iter().map(move |proof| (candidate, proof)));
        let from: BTreeSet<String> = all
            .map(|(candidate, proof)| {
                let mut gateways = proof.gateways().into_iter();
                let translated = gateways.find(|gateway| gateway.starts_with("nat-"));
                translated.map_or_else(
                    || candidate.subnet.cidr.clone(),
                    |gateway| format!("the public address of {gateway}"),
                )
            })
            .collect();
        let from: Vec<String> = from.into_iter().collect();
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        notes.decide(
            "rules of the brokers",
            format!(
                "{} {} to be let in there on {} {}, and answers led back",
                from.join(", "),
                if from.len() == 1 { "has" } else { "have" },
                if ports.len() == 1 { "port" } else { "ports" },
                ports.join(", ")
            ),
            "the functions come from there; firewalls and routes at that side are not k2m's, which makes nothing there",
        );
    }
}

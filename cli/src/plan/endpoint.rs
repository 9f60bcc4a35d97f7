//! How the functions get at Secrets Manager from their VPC: by NAT, by an interface endpoint that is there, or by one that their VPC's network stack makes.

use std::collections::{BTreeMap, BTreeSet};

use k2m_handler::config::Region;
use k2m_handler::secret::interface_endpoint;

use super::error::PlanError;
use super::notes::{Notes, why};
use super::seen::Seen;
use super::shared::{NeededEndpoint, of_network_stack};
use super::{PlannedEndpoint, PlannedNetwork, PlannedSecrets};
use crate::facts::network::{Endpoint, Route, RouteTable, Rule, RulePeer, SecurityGroup, Subnet};
use crate::facts::{Fact, Network, Owner, Unreadable};
use crate::network::{Change, Destination, Proof, Source, Verdict, View, prove};

/// Everywhere that no other route leads to.
const ANYWHERE: &str = "0.0.0.0/0";
/// HTTPS.
const PORT: u16 = 443;
/// Names groups in proofs that have no id before they are made.
const FUNCTION_GROUP: &str = "FunctionSecurityGroup";
const ENDPOINT_GROUP: &str = "EndpointSecurityGroup";

/// How far the routes of a subnet lead towards the internet.
enum Out {
    /// To a NAT gateway.
    Nat,
    /// Nowhere, for this reason.
    Nowhere(String),
    /// To something that may or may not lead on.
    Beyond(String),
}

/// What becomes of the endpoint.
pub(super) type Made = Option<(NeededEndpoint, PlannedEndpoint)>;

/// Decides how the function gets at its secrets.
pub(super) fn reach(
    secrets: &PlannedSecrets,
    network: &PlannedNetwork,
    seen: &Seen,
    notes: &mut Notes,
) -> Result<Made, PlanError> {
    let regions: BTreeSet<&str> = secrets.all().map(|secret| secret.region.as_str()).collect();
    if regions.is_empty() {
        return Ok(None);
    }
    let region = seen.settings.home.region.as_str();
    let Some(facts) = seen.networks.get(region) else {
        return Ok(None);
    };
    let tables = facts.route_tables.found().map_or(&[][..], Vec::as_slice);
    let outs: Vec<(&str, Out)> = network
        .subnets
        .iter()
        .map(|subnet| (subnet.as_str(), out(tables, &network.vpc, subnet)))
        .collect();
    let once = "the function reads its secrets from Secrets Manager: once a sandbox, and again when the brokers refuse what they held";
    let elsewhere: Vec<&str> = regions.iter().copied().filter(|one| *one != region).collect();
    if !elsewhere.is_empty() {
        by_nat(
            &elsewhere,
            &outs,
            "an interface endpoint leads to the secrets of its own region alone",
            notes,
        )?;
    }
    if !regions.contains(region) {
        notes.decide(
            "way to the secrets",
            "out of the function's group to port 443, by NAT",
            once,
        );
        return Ok(None);
    }
    let service = service(region);
    let ground = Ground::planned(network, facts);
    if let Some(there) = foreign(facts, &network.vpc, &service) {
        ground.use_endpoint(there, &service, notes)?;
        let choice = format!("by {}, the interface endpoint that is there", there.id);
        notes.decide("way to the secrets", choice, once);
        return Ok(None);
    }
    let nowhere = outs.iter().any(|(_, out)| matches!(out, Out::Nowhere(_)));
    if !nowhere {
        by_nat(&[region], &outs, "", notes)?;
        notes.decide(
            "way to the secrets",
            "out of the function's group to port 443, by NAT",
            once,
        );
        if let Some(setting) = seen.settings.secrets_endpoint.as_ref().filter(|setting| setting.value) {
            notes.warn(format!(
                "secrets_endpoint ({}) has no effect: the routes of the function's subnets lead to Secrets Manager without one",
                setting.source
            ));
        }
        return Ok(None);
    }
    if let Fact::Unreadable(reason) = &facts.endpoints {
        // Another of the same name would be refused.
        let action = reason.missing_action.as_deref().unwrap_or("ec2:DescribeVpcEndpoints");
        notes.decide("way to the secrets", "out of the function's group to port 443", once);
        notes.warn(format!(
            "the function must reach Secrets Manager in {region}, no NAT gateway is known to lead there from {}, and whether {} has an interface endpoint for it could \
             not be read: allow {action} to see it",
            listed(&outs),
            network.vpc
        ));
        return Ok(None);
    }
    if let Some(setting) = seen.settings.secrets_endpoint.as_ref().filter(|setting| !setting.value) {
        return Err(PlanError::NoWayToSecrets {
            region: region.to_owned(),
            subnets: listed(&outs),
            next: format!(
                "give them a route to a NAT gateway, or {} an interface endpoint {service} with private DNS; secrets_endpoint is false ({}): true lets k2m make it",
                network.vpc, setting.source
            ),
        });
    }
    let needed = ground.needed(region, &service)?;
    let exists = own(facts, &network.vpc, &service).is_some();
    let planned = PlannedEndpoint {
        service: service.clone(),
        vpc: network.vpc.clone(),
        interfaces: needed.subnets.len(),
        unconfirmed: seen.settings.secrets_endpoint.is_none(),
        exists,
    };
    let zones: Vec<&str> = needed.subnets.keys().map(String::as_str).collect();
    notes.decide(
        "way to the secrets",
        format!(
            "by an interface endpoint {service} in {}, of k2m's own: in {}",
            network.vpc,
            zones.join(", ")
        ),
        match &seen.settings.secrets_endpoint {
            Some(setting) => format!("{once}; {}", why(setting, "")),
            None => format!("{once}; no NAT gateway leads there from {}", listed(&outs)),
        },
    );
    Ok(Some((needed, planned)))
}

/// The subnets of a VPC that lead to a NAT gateway, where the way to the secrets takes one: functions are rather in these. Nothing where there are no secrets,
/// or an endpoint leads to them from everywhere, be it one that the user wants.
pub(super) fn outward(secrets: &PlannedSecrets, vpc: &str, seen: &Seen) -> Option<BTreeSet<String>> {
    let region = seen.settings.home.region.as_str();
    let facts = seen.networks.get(region)?;
    let regions: BTreeSet<&str> = secrets.all().map(|secret| secret.region.as_str()).collect();
    let elsewhere = regions.iter().any(|one| *one != region);
    let wanted = seen
        .settings
        .secrets_endpoint
        .as_ref()
        .is_some_and(|setting| setting.value);
    let by_endpoint = wanted || leading(facts, vpc, &service(region)).next().is_some();
    if regions.is_empty() || (by_endpoint && !elsewhere) {
        return None;
    }
    let tables = facts.route_tables.found()?;
    let subnets = facts.subnets.found()?.iter();
    let leads = |subnet: &&Subnet| subnet.vpc == vpc && matches!(out(tables, vpc, &subnet.id), Out::Nat);
    Some(subnets.filter(leads).map(|subnet| subnet.id.clone()).collect())
}

/// The endpoint's service in a region. Checked where ARNs were read, so the fallback is for a partition of the future.
fn service(region: &str) -> String {
    let known = Region::new("region", region).ok();
    known.map_or_else(
        || format!("com.amazonaws.{region}.secretsmanager"),
        |region| interface_endpoint(&region),
    )
}

/// Somebody else's endpoint to which the service's name leads in this VPC.
fn foreign<'a>(facts: &'a Network, vpc: &str, service: &str) -> Option<&'a Endpoint> {
    let mut there = leading(facts, vpc, service);
    there.find(|endpoint| !of_network_stack(&endpoint.owner, &[vpc]))
}

/// The network stack's own.
fn own<'a>(facts: &'a Network, vpc: &str, service: &str) -> Option<&'a Endpoint> {
    let mut there = leading(facts, vpc, service);
    there.find(|endpoint| of_network_stack(&endpoint.owner, &[vpc]))
}

fn leading<'a>(facts: &'a Network, vpc: &str, service: &str) -> impl Iterator<Item = &'a Endpoint> {
    let there = facts.endpoints.found().into_iter().flatten();
    there.filter(move |endpoint| {
        let over = matches!(
            endpoint.state.to_ascii_lowercase().as_str(),
            "deleted" | "deleting" | "rejected" | "failed" | "expired"
        );
        endpoint.vpc == vpc
            && endpoint.service == service
            && endpoint.kind == "Interface"
            && endpoint.private_dns
            && !over
    })
}

/// Refuses subnets that lead nowhere, and warns of those of which it can't be told.
fn by_nat(regions: &[&str], outs: &[(&str, Out)], reason: &str, notes: &mut Notes) -> Result<(), PlanError> {
    if outs.iter().all(|(_, out)| matches!(out, Out::Nat)) {
        return Ok(());
    }
    let regions = regions.join(" and ");
    if outs.iter().any(|(_, out)| matches!(out, Out::Nowhere(_))) {
        return Err(PlanError::NoWayToSecrets {
            region: regions,
            subnets: listed(outs),
            next: format!("give them a route to a NAT gateway: {reason}"),
        });
    }
    notes.warn(format!(
        "the function must reach Secrets Manager in {regions}, and whether it does from {} can't be told: what lies behind that must lead to the internet",
        listed(outs)
    ));
    Ok(())
}

/// The subnets that no NAT gateway is known to lead out of, each with the reason.
fn listed(outs: &[(&str, Out)]) -> String {
    let each = outs.iter().filter_map(|(subnet, out)| match out {
        Out::Nat => None,
        Out::Nowhere(reason) | Out::Beyond(reason) => Some(format!("{subnet} ({reason})")),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// How far a subnet's routes lead.
fn out(tables: &[RouteTable], vpc: &str, subnet: &str) -> Out {
    let own = tables
        .iter()
        .find(|table| table.subnets.iter().any(|one| one == subnet));
    let table = own.or_else(|| tables.iter().find(|table| table.main && table.vpc == vpc));
    let route = table.and_then(|table| table.routes.iter().find(|route| route.destination == ANYWHERE));
    match route {
        None => Out::Nowhere(format!("no route to {ANYWHERE}")),
        Some(Route {
            active: false, target, ..
        }) => Out::Nowhere(format!("its route leads to {target}, which is gone")),
        Some(Route { target, .. }) if target.starts_with("nat-") => Out::Nat,
        Some(Route { target, .. }) if target.starts_with("igw-") => Out::Nowhere(format!(
            "its route leads to {target}, which takes nothing from a function: that has private addresses only"
        )),
        Some(Route { target, .. }) => Out::Beyond(format!("its route leads to {target}")),
    }
}

/// Where functions are.
pub(crate) struct Ground<'a> {
    /// Their VPC.
    pub(crate) vpc: &'a str,
    /// Their subnets.
    pub(crate) subnets: &'a [String],
    /// Their security groups; none where they get one that lets all out.
    pub(crate) groups: Option<&'a [String]>,
    /// What there is in their region.
    pub(crate) facts: &'a Network,
}

/// How functions that are there get at Secrets Manager.
#[derive(Debug)]
pub(crate) enum Way<'a> {
    /// By NAT gateways.
    Nat,
    /// By this interface endpoint.
    Endpoint(&'a Endpoint),
    /// Nobody knows, for this reason; where rights are it, with the action to allow.
    Unknown(Unreadable),
    /// Not by this endpoint, which its name leads to: the reason, and the ways that are blocked where some are.
    Blocked(&'a Endpoint, String, Vec<Proof>),
    /// Not at all: the subnets that nothing leads out of, each with the reason.
    Nowhere(String),
}

/// Whether an endpoint that is there does.
enum By {
    Yes,
    Unknown(String),
    No(String, Vec<Proof>),
}

/// How functions get at the secrets of these regions from where they are, in `region`: the worst of the ways.
pub(crate) fn way<'a>(ground: &Ground<'a>, region: &str, regions: &BTreeSet<&str>) -> Way<'a> {
    let facts = ground.facts;
    let tables = match &facts.route_tables {
        Fact::Found { value } => value.as_slice(),
        Fact::Absent => &[],
        Fact::Unreadable(why) => return Way::Unknown(why.clone()),
    };
    let subnets = ground.subnets.iter();
    let outs: Vec<(&str, Out)> = subnets
        .map(|subnet| (subnet.as_str(), out(tables, ground.vpc, subnet)))
        .collect();
    let nowhere = outs.iter().any(|(_, out)| matches!(out, Out::Nowhere(_)));
    let elsewhere = regions.iter().any(|one| *one != region);
    let endpoint = leading(facts, ground.vpc, &service(region)).next();
    if let Some(there) = endpoint.filter(|_| regions.contains(region)) {
        match ground.by_endpoint(there) {
            By::No(reason, proofs) => return Way::Blocked(there, reason, proofs),
            By::Unknown(message) => {
                let missing_action = None;
                return Way::Unknown(Unreadable {
                    missing_action,
                    message,
                });
            }
            By::Yes if !elsewhere => return Way::Endpoint(there),
            By::Yes => {}
        }
    }
    if nowhere {
        return match &facts.endpoints {
            Fact::Unreadable(why) if !elsewhere => Way::Unknown(why.clone()),
            _ => Way::Nowhere(listed(&outs)),
        };
    }
    if outs.iter().all(|(_, out)| matches!(out, Out::Nat)) {
        return Way::Nat;
    }
    Way::Unknown(Unreadable {
        missing_action: None,
        message: format!("whether what lies behind them leads to the internet: {}", listed(&outs)),
    })
}

/// An interface endpoint of the VPC for Secrets Manager that its name does not lead to.
pub(crate) fn unnamed<'a>(facts: &'a Network, vpc: &str, region: &str) -> Option<&'a Endpoint> {
    let service = service(region);
    let mut there = facts.endpoints.found().into_iter().flatten();
    there.find(|one| one.vpc == vpc && one.service == service && one.kind == "Interface" && !one.private_dns)
}

impl<'a> Ground<'a> {
    fn planned(network: &'a PlannedNetwork, facts: &'a Network) -> Self {
        Self {
            vpc: &network.vpc,
            subnets: &network.subnets,
            groups: network.function_group.as_ref().map(std::slice::from_ref),
            facts,
        }
    }

    /// Refuses an endpoint that is there and doesn't do.
    fn use_endpoint(&self, there: &Endpoint, service: &str, notes: &mut Notes) -> Result<(), PlanError> {
        match self.by_endpoint(there) {
            By::Yes => Ok(()),
            By::No(reason, _) => Err(PlanError::SecretsEndpoint {
                endpoint: there.id.clone(),
                vpc: self.vpc.to_owned(),
                service: service.to_owned(),
                reason,
            }),
            By::Unknown(reason) => {
                notes.warn(reason);
                Ok(())
            }
        }
    }

    /// Whether an endpoint that is there does: its state, its groups, and the network ACLs between.
    fn by_endpoint(&self, there: &Endpoint) -> By {
        if !there.state.eq_ignore_ascii_case("available") {
            let reason = format!("it is {}, and has to be available", there.state);
            return By::No(reason, Vec::new());
        }
        let proofs = self.proofs(&there.subnets, &there.security_groups, None);
        let decides = |(_, _, proof): &&(String, String, Proof)| {
            matches!(proof.verdict, Verdict::Refused { .. } | Verdict::Unknown { .. })
        };
        let reason = match proofs.iter().find(decides) {
            None => return By::Yes,
            Some((from, _, proof)) if matches!(proof.verdict, Verdict::Unknown { .. }) => {
                return By::Unknown(format!(
                    "whether {from} reaches Secrets Manager by {}, the interface endpoint of {}, can't be told: {}",
                    there.id, self.vpc, proof.verdict
                ));
            }
            Some((from, to, proof)) => format!(
                "{from} does not reach its network interface in {to} on port {PORT}: {}",
                proof.verdict
            ),
        };
        By::No(reason, proofs.into_iter().map(|(.., proof)| proof).collect())
    }

    /// Each of the function's subnets to each of the endpoint's.
    fn proofs(&self, to: &[String], groups: &[String], new: Option<SecurityGroup>) -> Vec<(String, String, Proof)> {
        let own = group(FUNCTION_GROUP, self.vpc, vec![rule(ANYWHERE, true)]);
        let own_group = [FUNCTION_GROUP.to_owned()];
        let from_groups = self.groups.unwrap_or(&own_group);
        let made = [Some(own).filter(|_| self.groups.is_none()), new];
        let networks = BTreeMap::from([(String::new(), self.facts.clone())]);
        let view = View::new(&networks).with(made.into_iter().flatten().map(Change::Group));
        let pairs = self.subnets.iter().flat_map(|from| to.iter().map(move |to| (from, to)));
        pairs
            .map(|(from, to)| {
                let source = Source {
                    subnet: from.clone(),
                    address: None,
                    security_groups: from_groups.to_vec(),
                };
                let destination = Destination {
                    subnet: to.clone(),
                    address: None,
                    security_groups: groups.to_vec(),
                };
                let proof = prove(&view, &source, &destination, PORT);
                (from.clone(), to.clone(), proof)
            })
            .collect()
    }

    /// One network interface in each of the functions' zones, for all of the VPC: in the function's own subnet where all of its subnets reach it there, else in
    /// another one that they reach. The service's name leads to all of them from everywhere, so a zone without such a subnet gets none.
    fn needed(&self, region: &str, service: &str) -> Result<NeededEndpoint, PlanError> {
        let vpcs = self.facts.vpcs.found().map_or(&[][..], Vec::as_slice);
        let vpc = vpcs.iter().find(|vpc| vpc.id == self.vpc);
        let vpc = vpc.ok_or_else(|| PlanError::Missing {
            what: format!("the VPC {}", self.vpc),
        })?;
        let cidrs: BTreeSet<String> = vpc.cidrs.iter().cloned().collect();
        let subnets = self.facts.subnets.found().map_or(&[][..], Vec::as_slice);
        let is_functions = |subnet: &Subnet| self.subnets.contains(&subnet.id);
        let zones: BTreeSet<&str> = subnets
            .iter()
            .filter(|subnet| is_functions(subnet))
            .map(|subnet| subnet.zone.as_str())
            .collect();
        let mut candidates: Vec<&Subnet> = subnets
            .iter()
            .filter(|subnet| subnet.vpc == self.vpc && zones.contains(subnet.zone.as_str()))
            .collect();
        candidates.sort_by_key(|subnet| (!is_functions(subnet), subnet.id.as_str()));
        let mut by_zone: BTreeMap<String, String> = BTreeMap::new();
        let mut refused = None;
        for Subnet { id, zone, .. } in candidates {
            if by_zone.contains_key(zone) {
                continue;
            }
            let group = group(
                ENDPOINT_GROUP,
                self.vpc,
                cidrs.iter().map(|cidr| rule(cidr, false)).collect(),
            );
            let proofs = self.proofs(std::slice::from_ref(id), &[ENDPOINT_GROUP.to_owned()], Some(group));
            let wall = proofs
                .into_iter()
                .find(|(.., proof)| matches!(proof.verdict, Verdict::Refused { .. }));
            match wall {
                Some(wall) => refused = refused.or(Some(wall)),
                None => {
                    by_zone.insert(zone.clone(), id.clone());
                }
            }
        }
        if let (true, Some((from, to, proof))) = (by_zone.is_empty(), refused) {
            return Err(PlanError::NoWayToSecrets {
                region: region.to_owned(),
                subnets: from,
                next: format!(
                    "nor would an interface endpoint be reached, such as one in {to}: {}; or name other subnets for the function with --subnets",
                    proof.verdict
                ),
            });
        }
        Ok(NeededEndpoint {
            service: service.to_owned(),
            subnets: by_zone,
            cidrs,
        })
    }
}

fn group(id: &str, vpc: &str, rules: Vec<Rule>) -> SecurityGroup {
    SecurityGroup {
        id: id.to_owned(),
        vpc: vpc.to_owned(),
        name: id.to_owned(),
        rules,
        owner: Owner::ThisStack,
    }
}

fn rule(cidr: &str, egress: bool) -> Rule {
    Rule {
        id: format!("{PORT} {cidr}"),
        egress,
        protocol: "tcp".to_owned(),
        ports: Some((PORT, PORT)),
        peer: RulePeer::Cidr(cidr.to_owned()),
        owner: Owner::ThisStack,
    }
}

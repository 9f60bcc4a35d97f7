//! N: the cluster, and the way to its brokers, judged by the engine that plan uses too.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use serde_json::json;

use super::case::UNKNOWN_WAY;
use super::foreign::{lasting, no_servers};
use super::mend::{GroupChange, Mend, OutwardRule};
use super::{Case, NOT_MSK, Outcome, Server, authentication, given, lost, planned, probe};
use crate::facts::cluster::VpcConnection;
use crate::facts::network::{AclEntry, RouteTable, Rule, Vpc};
use crate::facts::server::{MOST_PLACES, NoPlace, places};
use crate::facts::{Fact, Foreign, Function, Network};
use crate::network::{
    Denial, Destination, FINAL_ENTRY, Hop, Link, Proof, Refusal, Remedy, Source, Unknown, Verdict, View, prove,
    prove_block,
};
use crate::plan::private::{is_over, is_port, rank, word};
use crate::settings::Authentication;
use crate::shell::Command;

/// Ports of MSK's public access: the way there leads over the internet.
const PUBLIC_PORTS: [u16; 3] = [9194, 9196, 9198];

/// Whether the cluster is there and can be spoken to.
pub(super) fn cluster(case: &Case<'_>) -> Outcome {
    let Some(arn) = case.settings.cluster().map(|cluster| &cluster.value) else {
        return Outcome::skip(NOT_MSK);
    };
    let name = arn.name();
    match &case.facts.cluster {
        Fact::Found { value } => {
            let is = format!("{name} is {}", value.state);
            match value.state.as_str() {
                "ACTIVE" => Outcome::pass(is),
                "HEALING" | "MAINTENANCE" | "REBOOTING_BROKER" | "UPDATING" => Outcome::warn(
                    format!("{is}: its brokers restart one after the other, deliveries are retried meanwhile"),
                    "wait until it is ACTIVE",
                ),
                "CREATING" => Outcome::fail(is, "wait until it is ACTIVE: that takes up to an hour"),
                _ => Outcome::fail(is, "mend or replace the cluster"),
            }
        }
        Fact::Absent => Outcome::fail(
            format!("there is no cluster {arn}"),
            "correct --cluster (`cluster` in k2m.yaml), or create the cluster",
        ),
        Fact::Unreadable(why) => Outcome::unreadable(why),
    }
}

/// Whether the cluster names this server for the internet.
fn public(case: &Case<'_>, server: &Server<'_>) -> bool {
    let cluster = case.facts.cluster.found();
    let lists = cluster.into_iter().flat_map(|cluster| &cluster.bootstrap_brokers);
    let mut lists = lists.filter(|(name, _)| name.starts_with("Public"));
    lists.any(|(_, list)| list.split(',').any(|known| known == server.text))
}

/// Every way from the function to the brokers, as the engine sees it.
pub(super) struct Ways<'a> {
    pub(super) function: &'a Function,
    pub(super) proofs: Vec<Proof>,
    /// The VPC connection that they end at, where the function comes in by private connectivity.
    pub(super) connection: Option<&'a VpcConnection>,
    /// Security groups at their end.
    pub(super) groups: &'a [String],
    /// The ports that the function is told.
    pub(super) ports: BTreeSet<u16>,
    /// Their end, for people.
    to: String,
}

/// Whether packets get from each of the function's subnets to each broker, and back.
pub(super) fn reach(case: &Case<'_>) -> Outcome {
    if let Some(outcome) = planned::reach(case) {
        return outcome;
    }
    let ways = given!(ways(case));
    judge(case, ways.function, ways.groups, &ways.proofs, &ways.to)
}

/// Whether what fails may hang on the servers that the function is told: rules and entries are for ports, routes are not. That a function is in no VPC is right
/// for some servers, and no matter of theirs where the stack has it in one.
pub(super) fn by_port(case: &Case<'_>) -> bool {
    let of_ports = |refusal: &Refusal| matches!(refusal, Refusal::NoRule { .. } | Refusal::AclDenies { .. });
    match ways(case) {
        Ok(ways) => ways
            .proofs
            .iter()
            .flat_map(Proof::refusals)
            .all(|(_, refusal)| of_ports(refusal)),
        Err(_) => case.drift.known().is_none_or(|known| known.of_vpc().is_empty()),
    }
}

/// The ways, or what the check says where they can't be judged.
pub(super) fn ways<'a>(case: &Case<'a>) -> Result<Ways<'a>, Outcome> {
    let function = case.function()?;
    if case.settings.servers().is_some() {
        return outside(case, function);
    }
    let mut ports: BTreeSet<u16> = case.servers().iter().map(|server: &Server<'_>| server.port).collect();
    if let Some(foreign) = case.foreign().filter(|_| ports.is_empty()) {
        // Whatever it begins with, a cluster with one door is reached by that.
        ports.extend(case.ports_of_cluster());
        if ports.is_empty() {
            return Err(no_servers(foreign));
        }
    }
    if ports.is_empty() {
        return Err(Outcome::skip("the function is told of no brokers"));
    }
    let servers = case.servers();
    let by_name = !servers.is_empty() && servers.iter().all(|server| public(case, server));
    if by_name || ports.iter().all(|port| PUBLIC_PORTS.contains(port)) {
        return Err(Outcome::skip(
            "the brokers are reached over the internet, which the facts say nothing of",
        ));
    }
    if function.subnets.is_empty() {
        // Where a serverless cluster's brokers are nobody sees, but not there.
        case.cluster()?;
        let none = "the function is in no VPC: nothing leads from there to the brokers' private addresses";
        return Err(match case.foreign() {
            Some(foreign) => Outcome::fail(none, into_vpc(case, foreign)),
            None => Outcome::fail(none, case.deploy(&[])),
        });
    }
    let ends = if ports.iter().copied().all(is_port) {
        connection(case, function)?
    } else {
        ends(case)?
    };
    sighted(case)?;
    let view = View::new(&case.facts.networks);
    let mut proofs = Vec::new();
    for from in sources(function) {
        for to in &ends.each {
            proofs.extend(ports.iter().map(|port| prove(&view, &from, to, *port)));
        }
    }
    Ok(Ways {
        function,
        proofs,
        connection: ends.connection,
        groups: ends.groups,
        to: format!("{} on {}", ends.what, joined(&ports)),
        ports,
    })
}

/// The same of a Kafka that is not MSK: as far as the gateway that leads there.
fn outside<'a>(case: &Case<'a>, function: &'a Function) -> Result<Ways<'a>, Outcome> {
    if function.subnets.is_empty() {
        return Err(if case.settings.public_access.value || case.foreign().is_some() {
            Outcome::skip("the brokers are reached over the internet, which the facts say nothing of")
        } else {
            Outcome::fail(
                "the function is in no VPC, and public_access is not true: no rule and no route of a VPC is for it",
                case.deploy(&[]),
            )
        });
    }
    sighted(case)?;
    let blocks = case.settings.broker_cidrs.as_ref();
    let places = match places(&case.facts.servers, blocks.map(|blocks| blocks.value.as_slice())) {
        Ok(places) => places,
        Err(why) => {
            let why = match why {
                NoPlace::Unknown(servers) => joined(servers.into_iter().map(|server| match &server.addresses {
                    Fact::Unreadable(why) => format!("{}: {}", server.text(), why.message),
                    Fact::Absent | Fact::Found { .. } => format!("{}: it has no IPv4 address", server.text()),
                })),
                NoPlace::NoBroker {
                    server,
                    address,
                    reason,
                } => format!(
                    "{}: it leads to {address} here, where no function finds a broker: {reason}",
                    server.text()
                ),
                NoPlace::TooMany(count) => {
                    format!(
                        "they seem to be at {count} places, and no function can have rules for more than {MOST_PLACES}"
                    )
                }
            };
            return Err(Outcome::Unknown {
                why: format!(
                    "this machine doesn't know where the brokers are ({why}): give the blocks that they are in, with --broker-cidrs"
                ),
                missing_action: None,
            });
        }
    };
    let view = View::new(&case.facts.networks);
    let mut proofs = Vec::new();
    for from in sources(function) {
        proofs.extend(places.iter().map(|(net, port)| prove_block(&view, &from, *net, *port)));
    }
    let to = joined(places.iter().map(|(net, port)| format!("{net} on {port}")));
    Ok(Ways {
        function,
        proofs,
        connection: None,
        groups: &[],
        ports: places.iter().map(|(_, port)| *port).collect(),
        to,
    })
}

/// Whether the networks of both ends are among the facts.
pub(super) fn sighted(case: &Case<'_>) -> Result<(), Outcome> {
    for region in [case.settings.brokers_region(), &case.settings.home.region] {
        if !case.facts.networks.contains_key(region) {
            return Err(Outcome::Unknown {
                why: format!("the facts have no network of {region}; inspect again"),
                missing_action: None,
            });
        }
    }
    Ok(())
}

/// Where the function's connections begin.
fn sources(function: &Function) -> impl Iterator<Item = Source> {
    function.subnets.iter().map(|subnet| Source {
        subnet: subnet.clone(),
        address: None,
        security_groups: function.security_groups.clone(),
    })
}

/// Where the function's connections lead.
struct Ends<'a> {
    /// For people.
    what: String,
    each: Vec<Destination>,
    /// Their security groups.
    groups: &'a [String],
    /// The VPC connection that they are the interfaces of.
    connection: Option<&'a VpcConnection>,
}

/// The brokers' own network interfaces.
fn ends<'a>(case: &Case<'a>) -> Result<Ends<'a>, Outcome> {
    let cluster = case.cluster()?;
    match &case.facts.brokers {
        Fact::Found { value } if !value.is_empty() => Ok(Ends {
            what: format!("brokers {}", joined(value.iter().map(|broker| broker.id))),
            each: value
                .iter()
                .map(|broker| Destination::broker(broker, &cluster.security_groups))
                .collect(),
            groups: &cluster.security_groups,
            connection: None,
        }),
        Fact::Found { .. } | Fact::Absent => Err(Outcome::skip(
            "MSK shows no brokers of this cluster, so the way to them can't be judged",
        )),
        Fact::Unreadable(why) => Err(Outcome::unreadable(why)),
    }
}

/// The network interfaces of the VPC connection in the function's VPC, for a function that is told of the cluster's private connectivity.
fn connection<'a>(case: &Case<'a>, function: &Function) -> Result<Ends<'a>, Outcome> {
    let cluster = case.cluster()?;
    let known = match &cluster.vpc_connections {
        Some(Fact::Found { value }) => value.as_slice(),
        Some(Fact::Unreadable(why)) => return Err(Outcome::unreadable(why)),
        Some(Fact::Absent) | None => {
            let evidence = "the function is told of the cluster's private connectivity, which is switched off";
            let on = json!({"Enabled": true});
            let ways = match case.authentication() {
                "scram" => json!({"Sasl": {"Scram": on}}),
                "tls" | "mutual_tls" => json!({"Tls": on}),
                _ => json!({"Sasl": {"Iam": on}}),
            };
            let info = json!({"VpcConnectivity": {"ClientAuthentication": ways}});
            let switch = authentication::update(case, "update-connectivity", ("--connectivity-info", &info));
            let begin = "to switch it on; without, k2m deploy looks for another way:";
            let steps: Vec<String> = std::iter::once(begin.to_owned()).chain(switch).collect();
            return Err(Outcome::fail(evidence, steps));
        }
    };
    let vpc = function.vpc.as_deref().unwrap_or("an unknown VPC");
    let way = case.authentication();
    if way == UNKNOWN_WAY {
        return Err(Outcome::skip(
            "how the function speaks to the brokers is not known, see K2M-A01",
        ));
    }
    let way = Authentication::ALL.into_iter().find(|known| known.name() == way);
    let way = way.map(word).unwrap_or_default();
    let there = known
        .iter()
        .filter(|one| one.vpc == vpc && one.authentication == way && !is_over(one));
    let Some(connection) = there.min_by_key(|one| rank(one)) else {
        let evidence = format!(
            "the function is told of the cluster's private connectivity, and its VPC {vpc} has no VPC connection to the cluster for {}",
            case.authentication()
        );
        let fix = match case.foreign() {
            Some(_) => {
                let command = Command::new("aws kafka create-vpc-connection")
                    .option("--target-cluster-arn", &cluster.arn)
                    .option("--authentication", way)
                    .option("--vpc-id", vpc);
                let subnets = function.subnets.iter().map(String::as_str);
                let command = subnets.fold(command.flag("--client-subnets"), Command::word);
                let groups = function.security_groups.iter().map(String::as_str);
                let command = groups.fold(command.flag("--security-groups"), Command::word);
                vec![
                    format!(
                        "put the function into the cluster's own VPC, or make one in {vpc}, with a subnet of each of the brokers' zones and a group that lets the function in:"
                    ),
                    command.option("--region", &case.settings.home.region).to_string(),
                ]
            }
            None => vec![case.deploy(&[])],
        };
        return Err(Outcome::fail(evidence, fix));
    };
    if connection.state != "AVAILABLE" {
        let evidence = format!("the VPC connection {} is {}", connection.arn, connection.state);
        let next = match connection.state.as_str() {
            "CREATING" => "wait until it is AVAILABLE",
            _ => "see why in the console of MSK, under managed VPC connections; delete it, and k2m deploy makes one",
        };
        return Err(Outcome::fail(evidence, next));
    }
    let each = connection.subnets.iter().map(|subnet| Destination {
        subnet: subnet.clone(),
        address: None,
        security_groups: connection.security_groups.clone(),
    });
    Ok(Ends {
        what: format!("the VPC connection in {}", connection.subnets.join(", ")),
        each: each.collect(),
        groups: &connection.security_groups,
        connection: Some(connection),
    })
}

/// What puts a function into the cluster's VPC that k2m did not deploy.
fn into_vpc(case: &Case<'_>, foreign: &Foreign) -> Vec<String> {
    let (here, there) = (&case.settings.home.region, case.settings.brokers_region());
    if here != there {
        return vec![
            format!(
                "put it into a VPC in {here} that leads to the cluster's in {there}, by peering or a transit gateway"
            ),
            lasting(foreign),
        ];
    }
    let subnets = case.facts.cluster.found().map(|cluster| cluster.subnets.clone());
    let both = json!({"SubnetIds": subnets.unwrap_or_default(), "SecurityGroupIds": ["GROUP"]});
    let command = Command::new("aws lambda update-function-configuration")
        .option("--function-name", foreign.name())
        .option("--vpc-config", &both.to_string());
    vec![
        "put it into the cluster's VPC, with a security group in place of GROUP that the brokers' lets in; its role needs AWSLambdaVPCAccessExecutionRole:".to_owned(),
        command.option("--region", here).to_string(),
        lasting(foreign),
    ]
}

fn judge(case: &Case<'_>, function: &Function, cluster_groups: &[String], proofs: &[Proof], to: &str) -> Outcome {
    let refusals = distinct(proofs.iter().flat_map(Proof::refusals));
    if !refusals.is_empty() {
        return refused(case, function, cluster_groups, proofs, &refusals);
    }
    let unknowns = distinct(proofs.iter().flat_map(Proof::unknowns));
    let beyond = proofs.iter().find_map(|proof| match &proof.verdict {
        Verdict::ThroughGateway { hop, reason } => Some((hop, reason)),
        _ => None,
    });
    // What AWS doesn't show, the function may know.
    let through = || probe::gets_through(case);
    let as_far = proofs.iter().all(|proof| {
        let beyond = matches!(proof.verdict, Verdict::Reachable | Verdict::ThroughGateway { .. });
        beyond || proof.lacks_only_groups()
    });
    match (unknowns.first(), beyond) {
        (Some(_), _) | (None, Some(_)) if as_far && through() => {
            let gateways: BTreeSet<String> = proofs.iter().flat_map(Proof::gateways).collect();
            let far = if gateways.is_empty() {
                "the brokers' own security groups".to_owned()
            } else {
                joined(gateways)
            };
            Outcome::pass(format!(
                "{} ways: from {} to {to}, as far as {far}; and the function gets through, see K2M-P01",
                proofs.len(),
                function.subnets.join(", ")
            ))
        }
        // Nothing is wrong as far as AWS shows it, which is not all the way.
        (None, Some((hop, reason))) => Outcome::Unknown {
            why: format!("{hop}: reachable {reason}"),
            missing_action: None,
        },
        (None, None) => Outcome::pass(format!(
            "{} ways: from {} to {to}",
            proofs.len(),
            function.subnets.join(", ")
        )),
        (Some((hop, reason)), _) => Outcome::Unknown {
            why: format!("{hop}: {reason}"),
            missing_action: match reason {
                Unknown::Unreadable { missing_action, .. } => missing_action.clone(),
                _ => None,
            },
        },
    }
}

/// Each pair once, in the order in which they first appear.
pub(super) fn distinct<'a, T: PartialEq>(all: impl Iterator<Item = (Hop, &'a T)>) -> Vec<(Hop, &'a T)> {
    all.fold(Vec::new(), |mut seen, one| {
        if !seen.contains(&one) {
            seen.push(one);
        }
        seen
    })
}

fn refused(
    case: &Case<'_>,
    function: &Function,
    cluster_groups: &[String],
    proofs: &[Proof],
    refusals: &[(Hop, &Refusal)],
) -> Outcome {
    let together = together(refusals);
    let refusals: Vec<(Hop, &Refusal)> = together.iter().map(|(hop, refusal)| (*hop, refusal)).collect();
    let blocked = proofs.iter().filter(|proof| proof.refusals().next().is_some()).count();
    // What the first line says has to be enough to know what is wrong.
    let mut evidence: Vec<String> = refusals
        .first()
        .map(|(_, refusal)| refusal.in_short())
        .into_iter()
        .collect();
    let is_rule = |refusal: &Refusal| matches!(refusal, Refusal::NoRule { .. });
    let mut gone = Vec::new();
    if refusals.iter().any(|(_, refusal)| is_rule(refusal)) {
        gone.extend(lost::rules(case));
    }
    if refusals.iter().any(|(_, refusal)| is_route(refusal)) {
        gone.extend(lost::routes(case));
    }
    let beside = gone
        .iter()
        .filter(|gone| gone.stack != case.settings.stack.value || gone.kind == lost::ROUTE);
    let beside: Vec<String> = beside
        .map(|gone| format!("changed outside the stack: {gone} is gone; CloudFormation does not look, so k2m deploy does not put it back"))
        .collect();
    let mut fix = Vec::new();
    if let Some(mend) = lost::remake(case, gone, None) {
        let words = format!("to {}", mend.deed());
        fix.extend([case.offer(mend), words]);
    }
    let through_stack = fix.len();
    let lost = lost_rules(case).map(|(logical, id)| {
        format!(
            "changed outside the stack: its {logical} ({id}) is gone; CloudFormation does not look, so k2m deploy does not put it back"
        )
    });
    let lost: Vec<String> = lost.filter(|_| case.foreign().is_none()).collect();
    match refusals.as_slice() {
        [(hop, refusal)] => evidence.push(format!("{hop}: {refusal} ({blocked} of {} ways)", proofs.len())),
        several => {
            evidence.push(format!(
                "{blocked} of {} ways from the function to the brokers are blocked",
                proofs.len()
            ));
            evidence.extend(several.iter().map(|(hop, refusal)| format!("{hop}: {refusal}")));
        }
    }
    for (_, refusal) in &refusals {
        for step in mend(case, (function, cluster_groups), refusal, &refusals) {
            if !fix.contains(&step) {
                fix.push(step);
            }
        }
    }
    if through_stack > 0 {
        fix.insert(through_stack, "or by hand:".to_owned());
    }
    if refusals
        .iter()
        .any(|(_, refusal)| matches!(refusal, Refusal::NoRule { .. }))
    {
        evidence.extend(lost);
    }
    evidence.extend(beside);
    Outcome::Fail { evidence, fix }
}

/// Whether it is about what leads from one network to the other, rather than about what is let through.
fn is_route(refusal: &Refusal) -> bool {
    !matches!(refusal, Refusal::NoRule { .. } | Refusal::AclDenies { .. })
}

/// What one route stops, or one gap in a route table, as one; and routes first: what a rule has to be for depends on what carries the packets.
fn together(refusals: &[(Hop, &Refusal)]) -> Vec<(Hop, Refusal)> {
    let mut together: Vec<(Hop, Refusal)> = Vec::new();
    for (hop, refusal) in refusals {
        let same = |known: &mut (Hop, Refusal)| {
            let both = Some(&known.1).filter(|_| known.0 == *hop);
            let both = both.and_then(|known| known.with(refusal));
            both.map(|both| known.1 = both).is_some()
        };
        if !together.iter_mut().any(same) {
            together.push((*hop, (*refusal).clone()));
        }
    }
    together.sort_by_key(|(_, refusal)| !is_route(refusal));
    together
}

/// Steps that let pass what is refused between the function and what has these groups.
pub(super) fn mend(
    case: &Case<'_>,
    (function, far_groups): (&Function, &[String]),
    refusal: &Refusal,
    all: &[(Hop, &Refusal)],
) -> Vec<String> {
    match refusal {
        Refusal::NoRule {
            groups,
            egress,
            blocked,
            by_block,
            ..
        } => {
            let other = if *egress { far_groups } else { &function.security_groups };
            // Of a Kafka that is not MSK nobody knows the group.
            let other = other.first().filter(|_| !by_block);
            let Some(group) = groups.first() else {
                return vec![refusal.to_string()];
            };
            if let Some(back) = back(case, groups).filter(|_| *egress) {
                return vec![case.offer(Mend::RestoreGroup(back))];
            }
            let region = region_of(case, group);
            let direction = if *egress { "egress" } else { "ingress" };
            let ports: BTreeSet<_> = blocked.iter().map(|flow| (flow.ports.first, flow.ports.last)).collect();
            let commands = ports.iter().map(|(first, last)| {
                let mut rule = json!({"IpProtocol": "tcp", "FromPort": first, "ToPort": last});
                if let Some(other) = other {
                    rule["UserIdGroupPairs"] = json!([{"GroupId": other}]);
                } else {
                    let flows = blocked
                        .iter()
                        .filter(|flow| (flow.ports.first, flow.ports.last) == (*first, *last));
                    let cidrs = flows.flat_map(|flow| &flow.cidrs);
                    rule["IpRanges"] = cidrs.map(|cidr| json!({"CidrIp": cidr.to_string()})).collect();
                }
                Command::new(&format!("aws ec2 authorize-security-group-{direction}"))
                    .option("--group-id", group)
                    .option("--ip-permissions", &json!([rule]).to_string())
                    .option("--region", region)
                    .to_string()
            });
            let mut steps: Vec<String> = commands.collect();
            if *egress && case.settings.servers().is_some() && case.foreign().is_none() {
                // Their addresses change, and a deployment looks where they are now.
                steps.splice(
                    0..0,
                    [case.deploy(&[]), "or, until the next deployment, by hand:".to_owned()],
                );
            }
            if case.foreign().is_none() && lost_rules(case).next().is_some() {
                steps.push(
                    "revoke the rule that you add before k2m destroy: a group that a rule names can't be deleted"
                        .to_owned(),
                );
            }
            steps
        }
        // All that this ACL denies at once, so that no number is given twice.
        Refusal::AclDenies { acl, egress, .. } => {
            let denials = all.iter().flat_map(|(_, other)| match other {
                Refusal::AclDenies {
                    acl: other,
                    egress: way,
                    denials,
                    ..
                } if other == acl && way == egress => denials.as_slice(),
                _ => &[],
            });
            entries(case, acl, *egress, &denials.collect::<Vec<_>>())
        }
        _ => lead(case, refusal),
    }
}

/// Steps that lead packets to where they are meant for: commands, as far as the facts say what could carry them.
fn lead(case: &Case<'_>, refusal: &Refusal) -> Vec<String> {
    let mut steps = Vec::new();
    let mut remedies = refusal.remedies();
    if let Refusal::Blackhole {
        table,
        destination,
        blocked,
        link: Link::Gateway { id },
        ..
    } = refusal
        && let Some(known) = route_table(case, table)
        && let Ok(there) = destination.parse::<Ipv4Net>()
        && blocked
            .iter()
            .any(|part| block_beyond(case, known, *part).is_some_and(|block| block.contains(&there)))
    {
        // It is for nothing but the other VPC, and carries nothing: to lead all of it elsewhere takes nothing away.
        remedies = vec![Remedy::ReplaceRoute {
            table: table.clone(),
            destination: destination.clone(),
            target: id.clone(),
        }];
    }
    for remedy in remedies {
        let step = match &remedy {
            Remedy::AddRoute {
                table,
                destination,
                target,
            } if target != "local" => {
                let known = route_table(case, table);
                let block = known.and_then(|table| block_beyond(case, table, *destination));
                let taken = |block: &Ipv4Net| {
                    let mut routes = known.into_iter().flat_map(|table| &table.routes);
                    routes.any(|route| route.destination.parse() == Ok(*block))
                };
                let block = block.filter(|block| !taken(block)).unwrap_or(*destination);
                route(case, "create-route", table, &block.to_string(), Some(target))
            }
            Remedy::ReplaceRoute {
                table,
                destination,
                target,
            } if target != "local" => route(case, "replace-route", table, destination, Some(target)),
            Remedy::RemoveRoute { table, destination, .. } => {
                steps.push(format!(
                    "lead {destination} of {table} to what carries it, or delete it, so that a less specific route decides:"
                ));
                route(case, "delete-route", table, destination, None)
            }
            Remedy::AcceptPeering {
                peering,
                region,
                account,
            } => {
                steps.push(format!("as account {account}:"));
                Command::new("aws ec2 accept-vpc-peering-connection")
                    .option("--vpc-peering-connection-id", peering)
                    .option("--region", region)
                    .to_string()
            }
            _ => refusal.next_step(),
        };
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    // Some things only take time, and what overlaps nothing joins.
    if steps.is_empty() {
        steps.push(refusal.next_step());
    }
    steps
}

fn route_table<'a>(case: &Case<'a>, id: &str) -> Option<&'a RouteTable> {
    let networks = case.facts.networks.values();
    let mut tables = networks.filter_map(|network| network.route_tables.found()).flatten();
    tables.find(|table| table.id == id)
}

/// A command about a route. The target is a peering connection or a transit gateway.
fn route(case: &Case<'_>, action: &str, table: &str, destination: &str, target: Option<&str>) -> String {
    let has = |network: &Network| {
        let mut tables = network.route_tables.found().into_iter().flatten();
        tables.any(|one| one.id == table)
    };
    let there = case.facts.networks.iter().find(|(_, network)| has(network));
    let region = there.map_or(case.settings.home.region.as_str(), |(region, _)| region);
    let kind = if destination.starts_with("pl-") {
        "--destination-prefix-list-id"
    } else {
        "--destination-cidr-block"
    };
    let command = Command::new(&format!("aws ec2 {action}"))
        .option("--route-table-id", table)
        .option(kind, destination);
    let command = match target {
        Some(gateway) if gateway.starts_with("tgw-") => command.option("--transit-gateway-id", gateway),
        Some(peering) => command.option("--vpc-peering-connection-id", peering),
        None => command,
    };
    command.option("--region", region).to_string()
}

/// The block of another VPC that the addresses are of: one route for it is enough. None where several may be meant, or the table's own VPC has such addresses.
fn block_beyond(case: &Case<'_>, table: &RouteTable, part: Ipv4Net) -> Option<Ipv4Net> {
    let networks = case.facts.networks.values();
    let vpcs: Vec<&Vpc> = networks.filter_map(|network| network.vpcs.found()).flatten().collect();
    let blocks = |own: bool| {
        let vpcs = vpcs.iter().filter(move |vpc| (vpc.id == table.vpc) == own);
        let blocks = vpcs.flat_map(|vpc| &vpc.cidrs);
        blocks.filter_map(|block| block.parse::<Ipv4Net>().ok())
    };
    let around: BTreeSet<Ipv4Net> = blocks(false).filter(|block| block.contains(&part)).collect();
    let block = around.first().filter(|_| around.len() == 1)?;
    let overlaps = blocks(true).any(|own| own.contains(block) || block.contains(&own));
    (!overlaps).then_some(*block)
}

/// The region of a security group or a network ACL.
pub(super) fn region_of<'a>(case: &Case<'a>, id: &str) -> &'a str {
    let has = |network: &Network| {
        let mut groups = network.security_groups.found().into_iter().flatten();
        let mut acls = network.network_acls.found().into_iter().flatten();
        groups.any(|group| group.id == id) || acls.any(|acl| acl.id == id)
    };
    let mut networks = case.facts.networks.iter();
    let there = networks.find(|(_, network)| has(network));
    there.map_or(case.settings.brokers_region(), |(region, _)| region)
}

/// What the stack's own group lacks of what its template lets out, where it is one of these.
fn back(case: &Case<'_>, groups: &[String]) -> Option<GroupChange> {
    let (stack, known) = (case.stack().ok()?, case.drift.known()?);
    groups.iter().find_map(|id| {
        let group = lost::group(case, id)?;
        let same = |rule: &Rule, wanted: &OutwardRule| {
            rule.egress && rule.protocol == "tcp" && rule.ports == Some(wanted.ports) && rule.peer == wanted.peer
        };
        let mut rules = known.lets_out(stack, id);
        rules.retain(|wanted| !group.rules.iter().any(|rule| same(rule, wanted)));
        (!rules.is_empty()).then(|| GroupChange {
            region: case.settings.home.region.clone(),
            group: id.clone(),
            rules,
        })
    })
}

/// Ports, or all, and the CIDR block of an entry of a network ACL.
type AclFlow = (Option<(u16, u16)>, String);

/// Entries that let pass what a network ACL denies, each with a number that is free and lower than that of what denies. Where there are too few of these, what
/// denies makes room: it goes behind them, as far as no other entry is between, so that for all else it decides as before.
fn entries(case: &Case<'_>, acl: &str, egress: bool, denials: &[&Denial]) -> Vec<String> {
    let region = region_of(case, acl);
    let mut flows: BTreeMap<(u16, u16), Vec<Ipv4Net>> = BTreeMap::new();
    for flow in denials.iter().flat_map(|denial| &denial.blocked) {
        let ports = (flow.ports.first, flow.ports.last);
        flows.entry(ports).or_default().extend(&flow.cidrs);
    }
    let each = flows.iter().flat_map(|(ports, cidrs)| {
        let cidrs = Ipv4Net::aggregate(cidrs).into_iter();
        cidrs.map(|cidr| (Some(*ports), cidr.to_string()))
    });
    let flows: Vec<AclFlow> = each.collect();
    let lowest = denials.iter().map(|denial| denial.entry).min().unwrap_or_default();
    let networks = case
        .facts
        .networks
        .get(region)
        .and_then(|network| network.network_acls.found());
    let mut acls = networks.into_iter().flatten();
    let there: Vec<&AclEntry> = acls
        .find(|one| one.id == acl)
        .into_iter()
        .flat_map(|one| &one.entries)
        .filter(|entry| entry.egress == egress)
        .collect();
    let free = |number: &u32| there.iter().all(|entry| entry.number != *number);
    let direction = if egress { "--egress" } else { "--ingress" };
    let entry = |verb: &str, number: u32, action: &str, protocol: &str, (ports, cidr): &AclFlow| {
        let mut command = Command::new(&format!("aws ec2 {verb}-network-acl-entry"))
            .option("--network-acl-id", acl)
            .flag(direction)
            .option("--protocol", protocol);
        if let Some((first, last)) = ports {
            command = command.flag("--port-range").flag(&format!("From={first},To={last}"));
        }
        command
            .option("--cidr-block", cidr)
            .option("--rule-action", action)
            .option("--rule-number", &number.to_string())
            .option("--region", region)
            .to_string()
    };
    let allow = |(number, flow): (u32, &AclFlow)| entry("create", number, "allow", "tcp", flow);
    let below: Vec<u32> = (1..lowest).rev().filter(free).take(flows.len()).collect();
    if below.len() == flows.len() {
        return below.into_iter().zip(&flows).map(allow).collect();
    }
    // One of them takes the number of what denies.
    let more = flows.len() - below.len() - 1;
    let denies = there.iter().find(|entry| entry.number == lowest);
    let mut above: Vec<u32> = (lowest + 1..FINAL_ENTRY).take_while(free).take(more + 1).collect();
    let behind = if above.len() == more + 1 { above.pop() } else { None };
    let (Some(denies), Some(behind), Some((last, first))) = (denies, behind, flows.split_last()) else {
        let flows = flows.iter().map(|(ports, cidr)| {
            let (first, last) = ports.unwrap_or_default();
            format!("tcp {first}-{last} with {cidr}")
        });
        return vec![format!(
            "give entry {lowest} of {acl} a higher number, then allow before it ({direction}): {}",
            joined(flows)
        )];
    };
    let protocol = match denies.protocol.as_str() {
        "-1" => "all",
        "6" => "tcp",
        other => other,
    };
    let moved = entry("create", behind, "deny", protocol, &(denies.ports, denies.cidr.clone()));
    let allowed = below.into_iter().chain(above).zip(first).map(allow);
    let replaced = entry("replace", lowest, "allow", "tcp", last);
    std::iter::once(moved).chain(allowed).chain([replaced]).collect()
}

/// Rules that the stack's list has and no security group does any more, nor one that lets the same pass: logical and physical ids.
fn lost_rules<'a>(case: &Case<'a>) -> impl Iterator<Item = (&'a String, &'a String)> {
    let networks = case.facts.networks.values();
    let groups: Vec<_> = networks
        .filter_map(|network| network.security_groups.found())
        .flatten()
        .collect();
    let there: BTreeSet<&str> = groups
        .iter()
        .flat_map(|group| &group.rules)
        .map(|rule| rule.id.as_str())
        .collect();
    let resources = case.facts.stack.found().into_iter().flat_map(|stack| &stack.resources);
    let replaced = lost::replaced_rules(case);
    let replaced = move |id: &String| replaced.iter().any(|lost| lost.id == *id);
    resources.filter(move |(_, id)| id.starts_with("sgr-") && !there.contains(id.as_str()) && !replaced(id))
}

pub(super) fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

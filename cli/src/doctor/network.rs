//! N: the cluster, and the way to its brokers, judged by the engine that plan uses too.

use std::collections::BTreeSet;

use super::{Case, Outcome, Server, given};
use crate::facts::{Broker, Cluster, Fact, Function, Network};
use crate::network::{Destination, Hop, Proof, Refusal, Source, Unknown, View, prove};

/// Ports of MSK's public access: the way there leads over the internet.
const PUBLIC_PORTS: [u16; 3] = [9194, 9196, 9198];

/// Whether the cluster is there and can be spoken to.
pub(super) fn cluster(case: &Case<'_>) -> Outcome {
    let name = case.settings.cluster.value.name();
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
            format!("there is no cluster {}", case.settings.cluster.value),
            "correct --cluster (`cluster` in k2m.yaml), or create the cluster",
        ),
        Fact::Unreadable(why) => Outcome::unreadable(why),
    }
}

/// Whether packets get from each of the function's subnets to each broker, and back.
pub(super) fn reach(case: &Case<'_>) -> Outcome {
    let function = given!(case.function());
    let (cluster, brokers) = given!(ends(case));
    let ports: BTreeSet<u16> = case.servers().iter().map(|server: &Server<'_>| server.port).collect();
    if ports.is_empty() {
        return Outcome::skip("the function is told of no brokers");
    }
    if ports.iter().all(|port| PUBLIC_PORTS.contains(port)) {
        return Outcome::skip("the brokers are reached over the internet, which the facts say nothing of");
    }
    if function.subnets.is_empty() {
        return Outcome::fail(
            "the function is in no VPC: nothing leads from there to the brokers' private addresses",
            "k2m deploy: it puts the function into subnets of the cluster's VPC",
        );
    }
    let region = &case.settings.cluster.value.region;
    if *region != case.settings.stream.value.region {
        return Outcome::skip("the function is in another region than the cluster: that way is not judged yet");
    }
    let Some(network) = case.facts.networks.get(region) else {
        return Outcome::Unknown {
            why: format!("the facts have no network of {region}; inspect again"),
            missing_action: None,
        };
    };
    judge(case, network, function, cluster, brokers, &ports)
}

fn ends<'a>(case: &Case<'a>) -> Result<(&'a Cluster, &'a [Broker]), Outcome> {
    let cluster = case.cluster()?;
    match &case.facts.brokers {
        Fact::Found { value } if !value.is_empty() => Ok((cluster, value)),
        Fact::Found { .. } | Fact::Absent => Err(Outcome::skip(
            "MSK shows no brokers of this cluster, so the way to them can't be judged",
        )),
        Fact::Unreadable(why) => Err(Outcome::unreadable(why)),
    }
}

fn judge(
    case: &Case<'_>,
    network: &Network,
    function: &Function,
    cluster: &Cluster,
    brokers: &[Broker],
    ports: &BTreeSet<u16>,
) -> Outcome {
    let view = View::new(network);
    let mut proofs = Vec::new();
    for subnet in &function.subnets {
        let from = Source {
            subnet: subnet.clone(),
            address: None,
            security_groups: function.security_groups.clone(),
        };
        for broker in brokers {
            let to = Destination::broker(broker, &cluster.security_groups);
            proofs.extend(ports.iter().map(|port| prove(&view, &from, &to, *port)));
        }
    }
    let refusals = distinct(proofs.iter().flat_map(Proof::refusals));
    if !refusals.is_empty() {
        return refused(case, function, cluster, &proofs, &refusals);
    }
    let unknowns = distinct(proofs.iter().flat_map(Proof::unknowns));
    match unknowns.first() {
        None => Outcome::pass(format!(
            "{} ways: from {} to brokers {} on {}",
            proofs.len(),
            function.subnets.join(", "),
            joined(brokers.iter().map(|broker| broker.id)),
            joined(ports)
        )),
        Some((hop, reason)) => Outcome::Unknown {
            why: format!("{hop}: {reason}"),
            missing_action: match reason {
                Unknown::Unreadable { missing_action, .. } => missing_action.clone(),
                _ => None,
            },
        },
    }
}

/// Each pair once, in the order in which they first appear.
fn distinct<'a, T: PartialEq>(all: impl Iterator<Item = (Hop, &'a T)>) -> Vec<(Hop, &'a T)> {
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
    cluster: &Cluster,
    proofs: &[Proof],
    refusals: &[(Hop, &Refusal)],
) -> Outcome {
    let blocked = proofs.iter().filter(|proof| proof.refusals().next().is_some()).count();
    let mut evidence = vec![format!(
        "{blocked} of {} ways from the function to the brokers are blocked",
        proofs.len()
    )];
    let mut fix = Vec::new();
    for (hop, refusal) in refusals {
        evidence.push(format!("{hop}: {refusal}"));
        for step in mend(case, function, cluster, *hop, refusal) {
            if !fix.contains(&step) {
                fix.push(step);
            }
        }
    }
    // Of one way of failing the engine's words say it all.
    if refusals.len() == 1 {
        let words = evidence.swap_remove(1);
        evidence = vec![format!("{words} ({blocked} of {} ways)", proofs.len())];
    }
    Outcome::Fail { evidence, fix }
}

/// Steps that let pass what is refused.
fn mend(case: &Case<'_>, function: &Function, cluster: &Cluster, hop: Hop, refusal: &Refusal) -> Vec<String> {
    let region = &case.settings.cluster.value.region;
    match refusal {
        Refusal::NoRule {
            groups,
            egress,
            blocked,
            ..
        } => {
            let other = if *egress {
                &cluster.security_groups
            } else {
                &function.security_groups
            };
            let (Some(group), Some(other), Some(flow)) = (groups.first(), other.first(), blocked.first()) else {
                return vec![refusal.to_string()];
            };
            let direction = if *egress { "egress" } else { "ingress" };
            let (first, last) = (flow.ports.first, flow.ports.last);
            let mut steps = vec![format!(
                "aws ec2 authorize-security-group-{direction} --group-id {group} --ip-permissions \
                 'IpProtocol=tcp,FromPort={first},ToPort={last},UserIdGroupPairs=[{{GroupId={other}}}]' --region {region}"
            )];
            steps.extend(lost_rules(case).map(|(logical, id)| {
                format!(
                    "the stack {} had {logical} ({id}) for this and it is gone: CloudFormation does not notice, so k2m deploy does not put it \
                     back. Revoke the rule that you add before k2m destroy: a group that a rule names can't be deleted",
                    case.settings.stack.value
                )
            }));
            steps
        }
        Refusal::AclDenies {
            acl, egress, denials, ..
        } => {
            let lowest = denials.iter().map(|denial| denial.entry).min().unwrap_or_default();
            let number = if lowest > 1 {
                format!("a free number below {lowest}")
            } else {
                "a free number".to_owned()
            };
            let flows: BTreeSet<String> = denials
                .iter()
                .flat_map(|denial| &denial.blocked)
                .flat_map(|flow| {
                    let ports = format!("From={},To={}", flow.ports.first, flow.ports.last);
                    flow.cidrs
                        .iter()
                        .map(move |cidr| format!("--port-range {ports} --cidr-block {cidr}"))
                })
                .collect();
            let direction = if *egress { "egress" } else { "ingress" };
            let steps = flows.into_iter().map(|flow| {
                format!(
                    "aws ec2 create-network-acl-entry --network-acl-id {acl} --{direction} --protocol tcp {flow} --rule-action allow \
                     --rule-number N --region {region}, with {number} for N"
                )
            });
            steps.collect()
        }
        // The engine's words end with the next step.
        Refusal::NoRoute { .. } | Refusal::Blackhole { .. } | Refusal::StaysLocal { .. } => {
            vec![format!("{hop}: {refusal}")]
        }
    }
}

/// Rules that the stack's list has and no security group does any more: logical and physical ids.
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
    resources.filter(move |(_, id)| id.starts_with("sgr-") && !there.contains(id.as_str()))
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

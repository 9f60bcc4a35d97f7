//! Functions in no VPC: the brokers' public addresses, and the rule that lets the internet in.

use super::error::PlanError;
use super::notes::{Notes, why};
use super::place::{Place, broker_groups, cluster_group, inbound_rule, vpc};
use super::seen::Seen;
use super::serverless::SERVERLESS;
use super::shared::{NeededIngress, Needs, NetworkStack, of_network_stack};
use crate::facts::Owner;
use crate::facts::network::RulePeer;
use crate::network::{Change, Destination, Proof, Verdict, View, lets_tcp_in, prove_public};
use crate::settings::Settings;

/// Whatever address a function has that is in no VPC.
pub(crate) const ANYWHERE: &str = "0.0.0.0/0";

/// Chooses to be in no VPC.
pub(super) fn choose(settings: &Settings, seen: &Seen, port: u16, notes: &mut Notes) -> Result<Place, PlanError> {
    if seen.cluster.is_some_and(|cluster| cluster.kind == SERVERLESS) {
        return Err(PlanError::NotPublic {
            by: settings.public_access.source.clone(),
            reason: "a serverless cluster has no public access".to_owned(),
        });
    }
    without_effect(settings, notes);
    let cluster_vpc = vpc(seen)?;
    let group = cluster_group(seen, &cluster_vpc)?;
    let region = settings.brokers_region();
    let ours = |owner: &Owner| *owner == Owner::ThisStack || of_network_stack(owner, &[&cluster_vpc]);
    let ports = (port, port);
    let open = group.rules.iter().any(|rule| {
        let anybody = matches!(&rule.peer, RulePeer::Cidr(cidr) if cidr == ANYWHERE);
        lets_tcp_in(rule, ports) && anybody && !ours(&rule.owner)
    });
    let mut changes: Vec<Change> = seen
        .groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter(|rule| ours(&rule.owner))
        .map(|rule| Change::RemoveRule(rule.id.clone()))
        .collect();
    let mut needs = Needs::default();
    if !open {
        needs.ingress.insert(NeededIngress {
            group: group.id.clone(),
            cidr: ANYWHERE.to_owned(),
            ports,
        });
        changes.push(inbound_rule(&group.id, ANYWHERE, ports));
    }
    let view = View::new(seen.networks).with(changes);
    let groups = broker_groups(seen, &cluster_vpc);
    let proofs: Vec<Proof> = seen
        .brokers
        .iter()
        .map(|broker| prove_public(&view, &Destination::broker(broker, &groups), port))
        .collect();
    let failed = proofs.iter().find(|proof| proof.verdict != Verdict::Reachable);
    if let Some(proof) = failed {
        return Err(PlanError::NotReachedPublicly {
            subnet: proof.destination_subnet.clone().unwrap_or_default(),
            reason: proof.verdict.to_string(),
            unknown: matches!(proof.verdict, Verdict::Unknown { .. }),
        });
    }
    notes.decide(
        "vpc",
        "none: the functions reach the brokers' public addresses over the internet",
        why(&settings.public_access, ""),
    );
    notes.decide(
        "rules of the cluster",
        if open {
            format!("nothing: {} lets every address in on port {port} already", group.id)
        } else {
            format!("into {} from {ANYWHERE}: port {port}", group.id)
        },
        "the address of a function in no VPC may be any of AWS's",
    );
    notes.warn(format!(
        "port {port} of {} is open to the whole internet: only what the brokers ask for keeps others out; a function in a VPC needs no such rule",
        group.id
    ));
    let mut network_stacks = Vec::new();
    if !needs.is_empty() {
        let me = seen.user();
        let mut stack = NetworkStack::of_others(seen.network_stack(&cluster_vpc), region, &cluster_vpc, &me)?;
        stack.users.insert(me, needs);
        network_stacks.push(stack);
    }
    Ok(Place {
        network: None,
        cluster_vpc,
        network_stacks,
        connection: None,
        makes_peering: false,
        proofs,
    })
}

/// Warns of what says where functions in no VPC are to be.
pub(super) fn without_effect(settings: &Settings, notes: &mut Notes) {
    let chosen = [
        ("vpc", settings.vpc.as_ref().map(|setting| &setting.source)),
        ("subnets", settings.subnets.as_ref().map(|setting| &setting.source)),
        (
            "security_group",
            settings.security_group.as_ref().map(|setting| &setting.source),
        ),
        ("peering", settings.peering.as_ref().map(|setting| &setting.source)),
        (
            "private_connectivity",
            settings
                .private_connectivity
                .as_ref()
                .filter(|setting| setting.value)
                .map(|setting| &setting.source),
        ),
    ];
    for (name, source) in chosen {
        if let Some(source) = source {
            notes.warn(format!(
                "{name} ({source}) has no effect: with public_access functions are in no VPC"
            ));
        }
    }
}

//! Does to a network what a refusal asks for, and nothing more.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use k2m::facts::network::{AclEntry, Rule, RulePeer};
use k2m::facts::{Network, Owner};
use k2m::network::{Flow, Hop, Proof, Refusal};

use crate::topology::{Topology, found_mut};

/// One thing to do.
#[derive(Debug, Clone)]
pub(crate) struct Remedy {
    /// The hop that asks for it.
    pub(crate) hop: Hop,
    what: Refusal,
}

/// What a proof asks for; none where it says that nothing helps.
pub(crate) fn remedies(proof: &Proof) -> Option<Vec<Remedy>> {
    proof
        .refusals()
        .map(|(hop, reason)| match reason {
            Refusal::NoRule { .. } | Refusal::AclDenies { .. } => Some(Remedy {
                hop,
                what: reason.clone(),
            }),
            _ => None,
        })
        .collect()
}

impl Remedy {
    /// Does it.
    pub(crate) fn apply(&self, topology: &mut Topology) {
        match &self.what {
            Refusal::NoRule {
                groups,
                egress,
                blocked,
                ..
            } => add_rules(&mut topology.regions, &groups[0], *egress, blocked),
            Refusal::AclDenies {
                acl, egress, denials, ..
            } => {
                let lowest = denials.first().expect("something denies").entry;
                let blocked: Vec<Flow> = denials.iter().flat_map(|denial| denial.blocked.clone()).collect();
                add_entries(&mut topology.regions, acl, *egress, lowest, &blocked);
            }
            other => panic!("nothing helps against {other}"),
        }
    }
}

fn each(flows: &[Flow]) -> impl Iterator<Item = (Ipv4Net, (u16, u16))> {
    flows.iter().flat_map(|flow| {
        let ports = (flow.ports.first, flow.ports.last);
        flow.cidrs.iter().map(move |cidr| (*cidr, ports))
    })
}

fn add_rules(regions: &mut BTreeMap<String, Network>, id: &str, egress: bool, blocked: &[Flow]) {
    let groups = regions
        .values_mut()
        .flat_map(|network| found_mut(&mut network.security_groups));
    for group in groups.filter(|group| group.id == id) {
        for (nth, (cidr, ports)) in each(blocked).enumerate() {
            group.rules.push(Rule {
                id: format!("sgr-mended-{}-{nth}", group.rules.len()),
                egress,
                protocol: "tcp".to_owned(),
                ports: Some(ports),
                peer: RulePeer::Cidr(cidr.to_string()),
                owner: Owner::Foreign,
            });
        }
    }
}

/// Entries that allow it, with numbers right below the lowest that denies it.
fn add_entries(regions: &mut BTreeMap<String, Network>, id: &str, egress: bool, lowest: u32, blocked: &[Flow]) {
    let acls = regions
        .values_mut()
        .flat_map(|network| found_mut(&mut network.network_acls));
    for acl in acls.filter(|acl| acl.id == id) {
        let mut number = lowest;
        for (cidr, ports) in each(blocked) {
            let taken = |number: u32| {
                acl.entries
                    .iter()
                    .any(|entry| entry.egress == egress && entry.number == number)
            };
            number -= 1;
            while taken(number) {
                number -= 1;
            }
            acl.entries.push(AclEntry {
                number,
                egress,
                allow: true,
                protocol: "6".to_owned(),
                cidr: cidr.to_string(),
                ports: Some(ports),
            });
        }
    }
}

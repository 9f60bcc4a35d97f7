//! Network ACLs: entries in the order of their numbers, of which the first that matches decides, and a refusal at the end. Stateless, so
//! answers are judged like everything else.

use std::collections::BTreeMap;

use super::area::{Area, Areas};
use super::proof::Outcome;
use super::refusal::{Denial, Refusal};
use super::view::{ipv4, tcp_ports};
use crate::facts::network::NetworkAcl;

/// The number of the entry that ends every network ACL and refuses whatever nothing else matched; consoles show it as `*`.
pub(crate) const FINAL_ENTRY: u32 = 32767;

/// Whether this network ACL lets all of `asked`, which are `answers` or not, out of its subnet (`egress`) or in.
pub(super) fn judge(acl: &NetworkAcl, egress: bool, answers: bool, asked: &Areas) -> Outcome {
    let mut entries: Vec<_> = acl.entries.iter().filter(|entry| entry.egress == egress).collect();
    entries.sort_by_key(|entry| entry.number);
    let mut left = asked.clone();
    let mut by = Vec::new();
    let mut denied: BTreeMap<u32, Areas> = BTreeMap::new();
    let mut doubt = None;
    for entry in entries {
        let Some(ports) = tcp_ports(&entry.protocol, entry.ports) else {
            continue;
        };
        match ipv4(&entry.cidr, &acl.id) {
            Ok(net) => {
                let taken = net.map(|net| left.take(&Area::block(net, ports))).unwrap_or_default();
                if taken.is_empty() {
                    continue;
                }
                if entry.allow {
                    by.push(format!("entry {} of {} for {}", entry.number, acl.id, entry.cidr));
                } else {
                    denied.entry(entry.number).or_default().extend(taken);
                }
            }
            // An entry that can't be read may decide anything on its ports that nothing before it decided.
            Err(reason) => {
                if !left.take(&Area::everywhere(ports)).is_empty() {
                    doubt.get_or_insert(reason);
                }
            }
        }
    }
    if !left.is_empty() {
        denied.entry(FINAL_ENTRY).or_default().extend(left);
    }
    if denied.is_empty() {
        return match doubt {
            Some(reason) => Outcome::Unknown { reason },
            None => Outcome::Passes { by },
        };
    }
    let mut all = Areas::default();
    for areas in denied.values() {
        all.extend(areas.clone());
    }
    Outcome::Refused {
        reason: Refusal::AclDenies {
            acl: acl.id.clone(),
            egress,
            answers,
            partly: !all.is_all_of(asked),
            denials: denied
                .iter()
                .map(|(entry, areas)| Denial {
                    entry: *entry,
                    blocked: areas.flows(),
                })
                .collect(),
        },
    }
}

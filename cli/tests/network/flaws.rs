//! Whether the campaign would notice an engine that is wrong: each flaw here is one that somebody could write, made by letting the engine read the network as one
//! who believes it would, or by dropping what it says. Judged by the very connections that the engine itself was judged by.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ipnet::Ipv4Net;
use k2m::facts::Network;
use k2m::facts::network::{AclEntry, Route, RulePeer};
use k2m::network::{Hop, Outcome, Proof, Refusal};

use crate::campaign::{Seen, judge};
use crate::kernel::block;
use crate::topology::{Topology, found, found_mut};

/// A way to be wrong.
struct Flaw {
    name: &'static str,
    misread: fn(&mut Topology),
    misjudge: fn(&mut Proof),
}

const FLAWS: [Flaw; 31] = [
    misjudged("answers need no entry of a network ACL", |proof| {
        proof
            .steps
            .retain(|step| !matches!(step.hop, Hop::AnswerAclOut | Hop::AnswerAclIn));
    }),
    misjudged("answers need no route", |proof| {
        proof.steps.retain(|step| step.hop != Hop::AnswerRoute);
    }),
    misjudged("whatever leaves is let out by its security groups", |proof| {
        proof.steps.retain(|step| step.hop != Hop::Egress);
    }),
    misjudged("answers need no gateway", |proof| {
        proof.steps.retain(|step| step.hop != Hop::AnswerGateway);
    }),
    misjudged("peering connections lead on to others", |proof| {
        no_refusal(proof, |reason| matches!(reason, Refusal::NotTransitive { .. }));
    }),
    misjudged("where blocks overlap, the other VPC's addresses are meant", |proof| {
        no_refusal(proof, |reason| matches!(reason, Refusal::StaysLocal { .. }));
    }),
    misjudged("the internet leads to private addresses", |proof| {
        no_refusal(proof, |reason| matches!(reason, Refusal::OnlyInternet { .. }));
    }),
    misread("peering connections need not be accepted", |topology| {
        each_network(topology, |network| {
            for peering in found_mut(&mut network.peerings) {
                "active".clone_into(&mut peering.status);
            }
        });
        topology.settle();
    }),
    misread("a transit gateway is reached from every zone", |topology| {
        each_network(topology, |network| {
            let subnets = found(&network.subnets).to_vec();
            for attachment in found_mut(&mut network.transit_gateway_attachments) {
                let all = subnets.iter().filter(|subnet| subnet.vpc == attachment.vpc);
                attachment.subnets = all.map(|subnet| subnet.id.clone()).collect();
            }
        });
    }),
    misread("rules that name a group of another VPC match everywhere", |topology| {
        let homes: BTreeMap<String, String> = topology
            .regions
            .values()
            .flat_map(|network| found(&network.security_groups))
            .map(|group| (group.id.clone(), group.vpc.clone()))
            .collect();
        each_network(topology, |network| {
            for group in found_mut(&mut network.security_groups) {
                for rule in &mut group.rules {
                    if matches!(&rule.peer, RulePeer::Group(id) if homes[id] != group.vpc) {
                        rule.peer = RulePeer::Cidr("0.0.0.0/0".to_owned());
                    }
                }
            }
        });
    }),
    misread("entries decide in the order in which they are listed", |topology| {
        each_direction(topology, |entries| {
            for (number, entry) in (1..).zip(entries) {
                entry.number = number;
            }
        });
    }),
    misread("the last entry that matches decides", |topology| {
        each_direction(topology, |entries| {
            for entry in entries.iter_mut().filter(|entry| entry.number < 32767) {
                entry.number = 32767 - entry.number;
            }
        });
    }),
    misread("entries that deny are passed over", |topology| {
        each_network(topology, |network| {
            for acl in found_mut(&mut network.network_acls) {
                acl.entries.retain(|entry| entry.allow || entry.number == 32767);
            }
        });
    }),
    misread("what no entry matches passes", |topology| {
        each_network(topology, |network| {
            for acl in found_mut(&mut network.network_acls) {
                for entry in acl.entries.iter_mut().filter(|entry| entry.number == 32767) {
                    (entry.allow, entry.number) = (true, 32766);
                }
            }
        });
    }),
    misread("entries are for all ports", |topology| {
        each_direction(topology, |entries| {
            for entry in entries {
                entry.ports = None;
            }
        });
    }),
    misread("every subnet has the VPC's default network ACL", |topology| {
        each_network(topology, |network| {
            found_mut(&mut network.network_acls).retain(|acl| acl.default);
        });
    }),
    misread("network ACLs apply inside a subnet", |topology| {
        // Brokers are in a subnet that is like their own, but another.
        each_network(topology, |network| {
            let twin = |id: &String| format!("{id}-twin");
            let subnets = found_mut(&mut network.subnets);
            let twins: Vec<_> = subnets
                .iter()
                .map(|subnet| {
                    let mut other = subnet.clone();
                    other.id = twin(&subnet.id);
                    other
                })
                .collect();
            subnets.extend(twins);
            for acl in found_mut(&mut network.network_acls) {
                acl.subnets.extend(acl.subnets.iter().map(twin).collect::<Vec<_>>());
            }
            for table in found_mut(&mut network.route_tables) {
                table.subnets.extend(table.subnets.iter().map(twin).collect::<Vec<_>>());
            }
        });
        for host in topology.hosts.iter_mut().filter(|host| host.listens) {
            host.subnet += "-twin";
        }
    }),
    misread("the shortest prefix wins", |topology| {
        each_table(topology, |routes| {
            let all = routes.clone();
            routes.retain(|route| !all.iter().any(|other| is_inside(route, other)));
        });
    }),
    misread("the local route always wins", |topology| {
        each_table(topology, |routes| {
            let local: Vec<Route> = routes.iter().filter(|route| route.target == "local").cloned().collect();
            routes.retain(|route| !local.iter().any(|other| is_inside(route, other)));
        });
    }),
    misread("propagated routes are like others", |topology| {
        each_table(topology, |routes| {
            for route in routes.iter_mut().filter(|route| route.propagated) {
                // What it leads to is not known, and so nothing could be tried: as if it were gone.
                (route.propagated, route.active) = (false, false);
            }
        });
    }),
    misread("every subnet has the VPC's main route table", |topology| {
        each_network(topology, |network| {
            found_mut(&mut network.route_tables).retain(|table| table.main);
        });
    }),
    misread("routes whose target is gone are passed over", |topology| {
        each_table(topology, |routes| routes.retain(|route| route.active));
    }),
    misread("an interface has one security group", |topology| {
        for host in &mut topology.hosts {
            host.groups.truncate(1);
        }
    }),
    misread("rules that name a group match nothing", |topology| {
        each_peer(topology, |peer| {
            if matches!(peer, RulePeer::Group(_)) {
                *peer = RulePeer::Cidr("::/0".to_owned());
            }
        });
    }),
    misread("rules that name a group match everybody", |topology| {
        each_peer(topology, |peer| {
            if matches!(peer, RulePeer::Group(_)) {
                *peer = RulePeer::Cidr("0.0.0.0/0".to_owned());
            }
        });
    }),
    misread("prefix lists have one block", |topology| {
        each_network(topology, |network| {
            for list in found_mut(&mut network.prefix_lists) {
                list.cidrs.truncate(1);
            }
        });
    }),
    misread("prefix lists match nothing", |topology| {
        each_network(topology, |network| {
            for list in found_mut(&mut network.prefix_lists) {
                list.cidrs.clear();
            }
        });
    }),
    misread("rules for UDP let TCP pass", |topology| {
        each_network(topology, |network| {
            let rules = found_mut(&mut network.security_groups)
                .iter_mut()
                .flat_map(|group| &mut group.rules);
            for rule in rules.filter(|rule| rule.protocol == "udp") {
                "tcp".clone_into(&mut rule.protocol);
            }
        });
    }),
    misread("rules are for all ports", |topology| {
        each_network(topology, |network| {
            let groups = found_mut(&mut network.security_groups).iter_mut();
            for rule in groups.flat_map(|group| &mut group.rules) {
                rule.ports = None;
            }
        });
    }),
    misread("addresses for IPv6 are for IPv4", |topology| {
        each_direction(topology, |entries| {
            for entry in entries.iter_mut().filter(|entry| entry.cidr == "::/0") {
                "0.0.0.0/0".clone_into(&mut entry.cidr);
            }
        });
        each_peer(topology, |peer| {
            if *peer == RulePeer::Cidr("::/0".to_owned()) {
                *peer = RulePeer::Cidr("0.0.0.0/0".to_owned());
            }
        });
    }),
    misread("of a subnet's addresses the first is enough", |topology| {
        for host in &mut topology.hosts {
            host.is_known = true;
        }
    }),
];

const fn misread(name: &'static str, misread: fn(&mut Topology)) -> Flaw {
    Flaw {
        name,
        misread,
        misjudge: |_| {},
    }
}

const fn misjudged(name: &'static str, misjudge: fn(&mut Proof)) -> Flaw {
    Flaw {
        name,
        misread: |_| {},
        misjudge,
    }
}

fn each_network(topology: &mut Topology, change: impl Fn(&mut Network)) {
    topology.regions.values_mut().for_each(change);
}

/// Takes refusals for passes.
fn no_refusal(proof: &mut Proof, wrong: impl Fn(&Refusal) -> bool) {
    proof
        .steps
        .retain(|step| !matches!(&step.outcome, Outcome::Refused { reason } if wrong(reason)));
}

/// The entries of each direction of each network ACL.
fn each_direction(topology: &mut Topology, change: impl Fn(&mut [&mut AclEntry])) {
    each_network(topology, |network| {
        for acl in found_mut(&mut network.network_acls) {
            for egress in [false, true] {
                let entries = acl.entries.iter_mut().filter(|entry| entry.egress == egress);
                change(&mut entries.collect::<Vec<_>>());
            }
        }
    });
}

fn each_table(topology: &mut Topology, change: impl Fn(&mut Vec<Route>)) {
    each_network(topology, |network| {
        for table in found_mut(&mut network.route_tables) {
            change(&mut table.routes);
        }
    });
}

fn each_peer(topology: &mut Topology, change: impl Fn(&mut RulePeer)) {
    each_network(topology, |network| {
        let groups = found_mut(&mut network.security_groups).iter_mut();
        for rule in groups.flat_map(|group| &mut group.rules) {
            change(&mut rule.peer);
        }
    });
}

/// Whether the one's block is a part of the other's, and not the whole.
fn is_inside(route: &Route, other: &Route) -> bool {
    let net = |route: &Route| -> Option<Ipv4Net> {
        let by_list = route.destination.starts_with("pl-");
        (!by_list).then(|| block(&route.destination)).flatten()
    };
    match (net(route), net(other)) {
        (Some(inner), Some(outer)) => inner != outer && outer.contains(&inner),
        _ => false,
    }
}

impl Flaw {
    /// Seeds whose connections show that it is wrong, and that the engine isn't.
    fn noticed(&self, seen: &[Seen]) -> BTreeSet<u64> {
        let noticing = seen.iter().filter(|seen| {
            let mut misread = seen.topology.clone();
            (self.misread)(&mut misread);
            seen.pairs.iter().any(|pair| {
                let proof = judge(&seen.topology, pair.from, pair.to);
                let mut flawed = judge(&misread, pair.from, pair.to);
                (self.misjudge)(&mut flawed);
                pair.surprises(&misread, &flawed).next().is_some()
                    && pair.surprises(&seen.topology, &proof).next().is_none()
            })
        });
        noticing.map(|seen| seen.topology.seed).collect()
    }
}

/// By how many topologies each flaw is shown.
pub(crate) struct Noticed(Vec<(&'static str, usize)>);

impl Noticed {
    pub(crate) fn new() -> Self {
        Self(FLAWS.iter().map(|flaw| (flaw.name, 0)).collect())
    }

    /// Looks at more topologies.
    pub(crate) fn add(&mut self, seen: &[Seen]) {
        for (flaw, (_, times)) in FLAWS.iter().zip(&mut self.0) {
            *times += flaw.noticed(seen).len();
        }
    }

    /// Flaws that nothing has shown.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let missing = self.0.iter().filter(|(_, times)| *times == 0);
        missing.map(|(name, _)| *name).collect()
    }

    /// As Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("| flaw of an engine | shown by topologies |\n|---|---|\n");
        for (name, times) in &self.0 {
            // Writing to a string does not fail.
            let _ = writeln!(text, "| {name} | {times} |");
        }
        text
    }
}

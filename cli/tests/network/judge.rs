//! What the engine's word means for single connections, and whether what became of them agrees with it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use fastrand::Rng;
use k2m::network::{EPHEMERAL_PORTS, Flow, Hop, Outcome, Proof, Refusal, Unknown, Verdict};

use crate::topology::{Host, Topology, usable};
use crate::world::Sample;

/// Source ports that are tried from each address, besides those that a refusal asks for.
const PORTS: usize = 4;

/// A connection that was made.
pub(crate) const CONNECTED: &str = "connected";

/// What the engine says of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Passes,
    Stopped,
    /// Nothing, since it isn't known what a gateway does.
    Unsaid,
}

/// What a proof says of one connection.
pub(crate) fn fate(proof: &Proof, sample: &Sample) -> Fate {
    let mut fate = Fate::Passes;
    for step in &proof.steps {
        fate = fate.max(match &step.outcome {
            Outcome::Refused { reason } if stops(step.hop, reason, sample) => return Fate::Stopped,
            Outcome::Refused { .. } | Outcome::Passes { .. } | Outcome::NotApplied { .. } => Fate::Passes,
            Outcome::Unknown { .. } => Fate::Unsaid,
        });
    }
    fate
}

/// Whether it is a part of what this refusal is about.
pub(crate) fn stops(hop: Hop, reason: &Refusal, sample: &Sample) -> bool {
    let flows = |flows: &[Flow]| {
        let (address, port) = match hop {
            Hop::Egress | Hop::AclOut => (sample.destination, sample.port),
            Hop::AclIn | Hop::Ingress => (sample.source, sample.port),
            Hop::AnswerAclOut => (sample.source, sample.source_port),
            Hop::AnswerAclIn => (sample.destination, sample.source_port),
            Hop::Ends | Hop::Route | Hop::AnswerRoute => panic!("{hop} has no ports"),
        };
        flows.iter().any(|flow| {
            flow.cidrs.iter().any(|cidr| cidr.contains(&address)) && flow.ports.first <= port && port <= flow.ports.last
        })
    };
    let routed = if hop == Hop::AnswerRoute {
        sample.source
    } else {
        sample.destination
    };
    match reason {
        Refusal::NoRule { blocked, .. } => flows(blocked),
        Refusal::AclDenies { denials, .. } => denials.iter().any(|denial| flows(&denial.blocked)),
        Refusal::NoRoute { blocked, .. } | Refusal::Blackhole { blocked, .. } | Refusal::StaysLocal { blocked, .. } => {
            blocked.iter().any(|cidr| cidr.contains(&routed))
        }
    }
}

/// What can't be known from facts that are all there: what lies behind a gateway.
pub(crate) fn is_of_a_gateway(reason: &Unknown) -> bool {
    matches!(reason, Unknown::LeavesBy { .. } | Unknown::RoutesCompete { .. })
}

/// A function and a broker, what the engine says of them, and the connections that show whether it is right.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// Number of the function's host.
    pub(crate) from: usize,
    /// Number of the broker's.
    pub(crate) to: usize,
    pub(crate) samples: Vec<Sample>,
    /// What became of each.
    pub(crate) said: Vec<String>,
}

impl Pair {
    pub(crate) fn connected(&self, number: usize) -> bool {
        self.said[number] == CONNECTED
    }

    /// Connections that did not go as the proof says.
    pub(crate) fn surprises<'a>(&'a self, proof: &'a Proof) -> impl Iterator<Item = usize> + 'a {
        (0..self.samples.len()).filter(|number| match fate(proof, &self.samples[*number]) {
            Fate::Passes => !self.connected(*number),
            Fate::Stopped => self.connected(*number),
            Fate::Unsaid => false,
        })
    }

    /// What is wrong with the proof, in words.
    pub(crate) fn disagreements(&self, topology: &Topology, proof: &Proof) -> Vec<String> {
        let mut wrong: Vec<String> = self
            .surprises(proof)
            .map(|number| {
                let sample = &self.samples[number];
                let fate = fate(proof, sample);
                format!("{}: {fate:?} says the engine, but: {}", told(sample), self.said[number])
            })
            .collect();
        let all = (0..self.samples.len()).all(|number| self.connected(number));
        match &proof.verdict {
            Verdict::Reachable if !all => wrong.push("not all connections of a reachable broker were made".to_owned()),
            Verdict::Refused { .. } if all => wrong.push("every connection to a refused broker was made".to_owned()),
            Verdict::Unknown { hop, reason } if !is_of_a_gateway(reason) => {
                wrong.push(format!("unknown, though all is known: {hop}: {reason}"));
            }
            Verdict::Reachable | Verdict::Refused { .. } | Verdict::Unknown { .. } => {}
        }
        for (hop, reason) in proof.refusals() {
            if !self.samples.iter().any(|sample| stops(hop, reason, sample)) {
                wrong.push(format!("{hop} refuses what no network interface can send: {reason}"));
            }
        }
        if !wrong.is_empty() {
            let (from, to) = (&topology.hosts[self.from], &topology.hosts[self.to]);
            wrong.insert(0, format!("{} to {}\n{proof}", from.name, to.name));
        }
        wrong
    }
}

fn told(sample: &Sample) -> String {
    format!(
        "{}:{} to {}:{}",
        sample.source, sample.source_port, sample.destination, sample.port
    )
}

/// Gives hosts whose address the engine isn't told one in each part that a proof says is stopped, so that the word can be tested. Answers whether it did.
pub(crate) fn stand_where_it_is_refused(topology: &mut Topology, (from, to): (usize, usize), proof: &Proof) -> bool {
    let mut moved = false;
    for (hop, reason) in proof.refusals() {
        let sides = match hop {
            Hop::Egress | Hop::AclOut | Hop::Route | Hop::AnswerAclIn => [to],
            Hop::AclIn | Hop::Ingress | Hop::AnswerAclOut | Hop::AnswerRoute => [from],
            Hop::Ends => continue,
        };
        let cidrs: Vec<_> = match reason {
            Refusal::NoRule { blocked, .. } => blocked.iter().flat_map(|flow| &flow.cidrs).collect(),
            Refusal::AclDenies { denials, .. } => denials
                .iter()
                .flat_map(|denial| &denial.blocked)
                .flat_map(|flow| &flow.cidrs)
                .collect(),
            Refusal::NoRoute { blocked, .. }
            | Refusal::Blackhole { blocked, .. }
            | Refusal::StaysLocal { blocked, .. } => blocked.iter().collect(),
        };
        for number in sides {
            let host = &topology.hosts[number];
            let is_there = |address: &Ipv4Addr| cidrs.iter().any(|cidr| cidr.contains(address));
            if host.is_known || host.addresses.iter().any(is_there) {
                continue;
            }
            let mut all = usable(topology.subnet(&host.subnet)).map(Ipv4Addr::from);
            if let Some(address) = all.find(|address| is_there(address) && topology.is_free(host, *address)) {
                topology.hosts[number].addresses.push(address);
                moved = true;
            }
        }
    }
    moved
}

/// Connections that show whether a proof is right: from addresses and ports at which something begins or ends, and some out of each part that is refused.
pub(crate) fn samples(topology: &Topology, from: &Host, to: &Host, proof: &Proof) -> Vec<Sample> {
    let name = topology.number_of(from) * topology.hosts.len() + topology.number_of(to);
    let mut rng = Rng::with_seed(topology.seed ^ name as u64);
    let (lowest, highest) = EPHEMERAL_PORTS;
    let mut edges = BTreeSet::from([lowest, highest]);
    for (first, last) in topology.ranges() {
        edges.extend([first.saturating_sub(1), first, last, last.saturating_add(1)]);
    }
    let mut ports: Vec<u16> = edges.into_iter().filter(|port| *port >= lowest).collect();
    rng.shuffle(&mut ports);
    ports.truncate(PORTS);
    ports.push(rng.u16(lowest..=highest));
    // One in each range of ports that answers are refused on.
    for (hop, reason) in proof.refusals() {
        let Refusal::AclDenies { denials, .. } = reason else {
            continue;
        };
        for flow in denials.iter().flat_map(|denial| &denial.blocked) {
            let range = flow.ports.first..=flow.ports.last;
            if hop.is_answer() && !ports.iter().any(|port| range.contains(port)) {
                ports.push(rng.u16(range));
            }
        }
    }
    ports.sort_unstable();
    ports.dedup();
    let mut samples = Vec::new();
    for source in &from.addresses {
        for destination in &to.addresses {
            for source_port in &ports {
                samples.push(Sample {
                    source: *source,
                    source_port: *source_port,
                    destination: *destination,
                    port: topology.port,
                });
            }
        }
    }
    samples
}

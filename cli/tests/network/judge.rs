//! What the engine's word means for single connections, and whether what became of them agrees with it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use fastrand::Rng;
use ipnet::Ipv4Net;
use k2m::network::{EPHEMERAL_PORTS, Flow, Hop, Outcome, PortRange, Proof, Refusal, Unknown, Verdict};

use crate::kernel::block;
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

fn is_way(hop: Hop) -> bool {
    matches!(hop, Hop::Route | Hop::Gateway | Hop::AnswerRoute | Hop::AnswerGateway)
}

/// Whether it is a part of what this refusal is about, where the refusal says which part that is.
fn stops(hop: Hop, reason: &Refusal, sample: &Sample) -> Option<bool> {
    let port = if hop.is_answer() {
        sample.source_port
    } else {
        sample.port
    };
    let address = match side(hop, reason) {
        Side::Function => sample.source,
        Side::Broker => sample.destination,
    };
    let stopped = blocked(reason)?.into_iter().any(|(cidr, ports)| {
        let fits = |range: &PortRange| range.first <= port && port <= range.last;
        cidr.contains(&address) && ports.as_ref().is_none_or(fits)
    });
    // What a network ACL at a gateway denies is denied to what is led there alone.
    let is_elsewhere = matches!(reason, Refusal::AclDenies { egress: false, .. }) && is_way(hop) && stopped;
    (!is_elsewhere).then_some(stopped)
}

/// One end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Function,
    Broker,
}

/// The end whose addresses a refusal is about.
fn side(hop: Hop, reason: &Refusal) -> Side {
    match (hop, reason) {
        // Inbound entries of the subnet that holds the gateway's interface.
        (Hop::Gateway, Refusal::AclDenies { egress: false, .. }) => Side::Function,
        (Hop::AnswerGateway, Refusal::AclDenies { egress: false, .. })
        | (Hop::Egress | Hop::AclOut | Hop::Route | Hop::Gateway | Hop::AnswerAclIn, _) => Side::Broker,
        _ => Side::Function,
    }
}

/// The addresses and ports that a refusal is about, where it says so.
fn blocked(reason: &Refusal) -> Option<Vec<(Ipv4Net, Option<PortRange>)>> {
    let flows = |flows: &[Flow]| -> Vec<(Ipv4Net, Option<PortRange>)> {
        let each = flows.iter();
        each.flat_map(|flow| flow.cidrs.iter().map(|cidr| (*cidr, Some(flow.ports))))
            .collect()
    };
    match reason {
        Refusal::NoRule { blocked, .. } => Some(flows(blocked)),
        Refusal::AclDenies { denials, .. } => Some(denials.iter().flat_map(|denial| flows(&denial.blocked)).collect()),
        Refusal::NoRoute { blocked, .. }
        | Refusal::Blackhole { blocked, .. }
        | Refusal::StaysLocal { blocked, .. }
        | Refusal::OnlyInternet { blocked, .. }
        | Refusal::NotTransitive { blocked, .. }
        | Refusal::PeeringNotActive { blocked, .. }
        | Refusal::NotOfPeer { blocked, .. } => Some(blocked.iter().map(|cidr| (*cidr, None)).collect()),
        // All that is led there, which is said by the routes.
        Refusal::Overlap { .. }
        | Refusal::NotAttached { .. }
        | Refusal::AttachmentNotAvailable { .. }
        | Refusal::ZoneNotAttached { .. }
        | Refusal::NoInternetGateway { .. } => None,
    }
}

/// What can't be known from facts that are all there: what lies behind a gateway.
fn is_of_a_gateway(reason: &Unknown) -> bool {
    matches!(
        reason,
        Unknown::LeavesBy { .. }
            | Unknown::Asymmetric { .. }
            | Unknown::Translated { .. }
            | Unknown::GroupOverTransitGateway { .. }
            | Unknown::AclMayNotApply { .. }
            | Unknown::EntryMayDeny { .. }
    )
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
    /// What a proof says of one connection.
    fn fate(&self, topology: &Topology, proof: &Proof, sample: &Sample) -> Fate {
        let ends = [self.from, self.to].map(|number| topology.hosts[number].vpc.as_str());
        let mut fate = Fate::Passes;
        for step in &proof.steps {
            fate = fate.max(match &step.outcome {
                Outcome::Passes { .. } | Outcome::NotApplied { .. } => Fate::Passes,
                Outcome::Refused { reason } => match stops(step.hop, reason, sample) {
                    Some(true) => return Fate::Stopped,
                    // Where a table leads parts of the addresses to different ends, the first that is wrong is told.
                    Some(false) if is_way(step.hop) => Fate::Unsaid,
                    Some(false) => Fate::Passes,
                    None => Fate::Unsaid,
                },
                Outcome::ThroughGateway { reason } if topology.knows_behind(&reason.gateway, ends) => Fate::Passes,
                Outcome::ThroughGateway { .. } | Outcome::Unknown { .. } => Fate::Unsaid,
            });
        }
        fate
    }

    pub(crate) fn connected(&self, number: usize) -> bool {
        self.said[number] == CONNECTED
    }

    /// Connections that did not go as the proof says.
    pub(crate) fn surprises<'a>(
        &'a self,
        topology: &'a Topology,
        proof: &'a Proof,
    ) -> impl Iterator<Item = usize> + 'a {
        (0..self.samples.len()).filter(move |number| match self.fate(topology, proof, &self.samples[*number]) {
            Fate::Passes => !self.connected(*number),
            Fate::Stopped => self.connected(*number),
            Fate::Unsaid => false,
        })
    }

    /// Refusals that nothing here can test: other hosts have the addresses that they are about, or AWS keeps them for itself, which the engine doesn't
    /// care about where any address of the subnet may be the one.
    pub(crate) fn untested<'a>(
        &'a self,
        topology: &'a Topology,
        proof: &'a Proof,
    ) -> impl Iterator<Item = (Hop, &'a Refusal)> + 'a {
        proof.refusals().filter(|(hop, reason)| {
            let host = &topology.hosts[match side(*hop, reason) {
                Side::Function => self.from,
                Side::Broker => self.to,
            }];
            let subnet = block(&topology.subnet(&host.subnet).cidr);
            let is_here = |cidr: &Ipv4Net| subnet.is_some_and(|subnet| subnet.contains(cidr));
            let blocked = blocked(reason).unwrap_or_default();
            !host.is_known && blocked.iter().any(|(cidr, _)| is_here(cidr)) && !self.is_tested(*hop, reason)
        })
    }

    fn is_tested(&self, hop: Hop, reason: &Refusal) -> bool {
        let mut samples = self.samples.iter();
        samples.any(|sample| stops(hop, reason, sample) != Some(false))
    }

    /// What is wrong with the proof, in words.
    pub(crate) fn disagreements(&self, topology: &Topology, proof: &Proof) -> Vec<String> {
        let mut wrong: Vec<String> = self
            .surprises(topology, proof)
            .map(|number| {
                let sample = &self.samples[number];
                let fate = self.fate(topology, proof, sample);
                format!("{}: {fate:?} says the engine, but: {}", told(sample), self.said[number])
            })
            .collect();
        let all = (0..self.samples.len()).all(|number| self.connected(number));
        let untested: Vec<(Hop, &Refusal)> = self.untested(topology, proof).collect();
        for (hop, reason) in proof.refusals() {
            if !self.is_tested(hop, reason) && !untested.contains(&(hop, reason)) {
                wrong.push(format!("{hop} refuses what no network interface can send: {reason}"));
            }
        }
        let is_tested = proof.refusals().any(|(hop, reason)| self.is_tested(hop, reason));
        match &proof.verdict {
            Verdict::Reachable if !all => wrong.push("not all connections of a reachable broker were made".to_owned()),
            Verdict::Refused { .. } if all && is_tested => {
                wrong.push("every connection to a refused broker was made".to_owned());
            }
            Verdict::Unknown { hop, reason } if !is_of_a_gateway(reason) => {
                wrong.push(format!("unknown, though all is known: {hop}: {reason}"));
            }
            Verdict::Reachable | Verdict::Refused { .. } | Verdict::ThroughGateway { .. } | Verdict::Unknown { .. } => {
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

/// Gives hosts whose address the engine isn't told one in each part that a proof says is stopped, so that the word can be tested.
pub(crate) fn stand_where_it_is_refused(topology: &mut Topology, (from, to): (usize, usize), proof: &Proof) {
    for (hop, reason) in proof.refusals() {
        let number = match side(hop, reason) {
            Side::Function => from,
            Side::Broker => to,
        };
        let Some(blocked) = blocked(reason) else {
            continue;
        };
        let host = &topology.hosts[number];
        let is_there = |address: &Ipv4Addr| blocked.iter().any(|(cidr, _)| cidr.contains(address));
        if host.is_known || host.addresses.iter().any(is_there) {
            continue;
        }
        let mut all = usable(topology.subnet(&host.subnet)).map(Ipv4Addr::from);
        if let Some(address) = all.find(|address| is_there(address) && topology.is_free(host, *address)) {
            topology.hosts[number].addresses.push(address);
        }
    }
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

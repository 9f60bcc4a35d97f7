//! What a campaign has seen, as a table. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use k2m::network::{Proof, Remedy, Verdict};

use serde::Serialize;

use crate::judge::Pair;
use crate::topology::Topology;

/// Sums over topologies.
#[derive(Debug, Default)]
pub(crate) struct Report {
    topologies: u64,
    connections: u64,
    connected: u64,
    verdicts: BTreeMap<String, u64>,
    refusals: BTreeMap<String, u64>,
    mended: u64,
    left_out: u64,
    untested: u64,
    remedies: BTreeMap<String, u64>,
    wrong: Vec<(u64, Vec<String>)>,
    slowest: (Duration, u64),
    elapsed: Duration,
}

impl Report {
    /// Adds a function and a broker.
    pub(crate) fn add(&mut self, topology: &Topology, proof: &Proof, pair: &Pair) {
        self.untested += pair.untested(topology, proof).count() as u64;
        self.connections += pair.said.len() as u64;
        self.connected += (0..pair.said.len()).filter(|number| pair.connected(*number)).count() as u64;
        let verdict = match &proof.verdict {
            Verdict::Reachable => "reachable",
            Verdict::Refused { .. } => "refused",
            Verdict::ThroughGateway { .. } => "reachable as far as a gateway",
            Verdict::Unknown { .. } => "unknown",
        };
        *self.verdicts.entry(verdict.to_owned()).or_default() += 1;
        for (hop, reason) in proof.refusals() {
            *self.refusals.entry(format!("{hop}: {}", kind_of(reason))).or_default() += 1;
        }
    }

    /// Counts what was done to make a broker reachable.
    pub(crate) fn mended(&mut self, remedies: &[Remedy]) {
        self.mended += 1;
        for remedy in remedies {
            *self.remedies.entry(kind_of(remedy)).or_default() += 1;
        }
    }

    /// Counts a topology in which one of these things was not done.
    pub(crate) fn left_out(&mut self) {
        self.left_out += 1;
    }

    /// Ends a topology.
    pub(crate) fn finish(&mut self, seed: u64, wrong: Vec<String>, elapsed: Duration) {
        self.topologies += 1;
        self.slowest = (elapsed, seed);
        if !wrong.is_empty() {
            self.wrong.push((seed, wrong));
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.topologies += other.topologies;
        self.left_out += other.left_out;
        self.untested += other.untested;
        self.connections += other.connections;
        self.connected += other.connected;
        for (verdict, times) in other.verdicts {
            *self.verdicts.entry(verdict).or_default() += times;
        }
        for (refusal, times) in other.refusals {
            *self.refusals.entry(refusal).or_default() += times;
        }
        self.mended += other.mended;
        for (remedy, times) in other.remedies {
            *self.remedies.entry(remedy).or_default() += times;
        }
        self.wrong.extend(other.wrong);
        self.slowest = self.slowest.max(other.slowest);
    }

    pub(crate) fn topologies(&self) -> u64 {
        self.topologies
    }

    pub(crate) fn set_elapsed(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
        self.wrong.sort();
    }

    /// What was wrong, by seed.
    pub(crate) fn wrong(&self) -> &[(u64, Vec<String>)] {
        &self.wrong
    }

    /// As Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("| what | how many |\n|---|---|\n");
        let slowest = format!("{:.1} (seed {})", self.slowest.0.as_secs_f64(), self.slowest.1);
        let counts = [
            ("topologies", self.topologies.to_string()),
            (
                "of them all predictions right",
                (self.topologies - self.wrong.len() as u64).to_string(),
            ),
            ("connections tried", self.connections.to_string()),
            ("of them made", self.connected.to_string()),
            ("mended as was asked for, and tried again", self.mended.to_string()),
            ("mended but for one thing, and tried again", self.left_out.to_string()),
            (
                "refusals of addresses that no host could have",
                self.untested.to_string(),
            ),
            ("seconds", format!("{:.0}", self.elapsed.as_secs_f64())),
            ("seconds of the slowest topology", slowest),
        ];
        // Writing to a string does not fail.
        for (what, count) in counts {
            let _ = writeln!(text, "| {what} | {count} |");
        }
        text.push_str("\n| verdict on a function and a broker | times |\n|---|---|\n");
        for (verdict, times) in &self.verdicts {
            let _ = writeln!(text, "| {verdict} | {times} |");
        }
        text.push_str("\n| refused at | times |\n|---|---|\n");
        for (refusal, times) in &self.refusals {
            let _ = writeln!(text, "| {refusal} | {times} |");
        }
        text.push_str("\n| done to mend | times |\n|---|---|\n");
        for (remedy, times) in &self.remedies {
            let _ = writeln!(text, "| {remedy} | {times} |");
        }
        text
    }
}

/// Its name as it is written in JSON.
fn kind_of(thing: &impl Serialize) -> String {
    let value = serde_json::to_value(thing).expect("plain data");
    value["kind"].as_str().unwrap_or_default().to_owned()
}

//! What a campaign has seen, for people and as a table for the documentation. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::claims::{Broken, Seen};
use crate::schedule::{Fault, Schedule};

/// Sums over schedules.
#[derive(Debug, Default)]
pub(crate) struct Report {
    schedules: u64,
    records: u64,
    invocations: u64,
    failed_invocations: u64,
    retried: u64,
    duplicates: u64,
    dead_letters: u64,
    given_up: u64,
    /// How often each fault happened, and in how many schedules.
    faults: BTreeMap<&'static str, (u64, u64)>,
    broken: Vec<(u64, Vec<Broken>)>,
    slowest: (f64, u64),
    /// Clusters that failed by themselves.
    ground_failures: u64,
}

impl Report {
    /// Adds a run; answers how many there are.
    pub(crate) fn add(&mut self, schedule: &Schedule, seen: &Seen, broken: &[Broken]) -> u64 {
        self.schedules += 1;
        self.records += schedule.records as u64;
        self.invocations += seen.calls.len() as u64;
        let failed = seen.calls.iter().filter(|call| !call.is_accepted());
        self.failed_invocations += failed.count() as u64;
        self.retried += seen.retried();
        self.duplicates += seen.duplicates() as u64;
        self.dead_letters += seen.dead_letters.len() as u64;
        self.given_up += seen.given_up.iter().map(|it| it.places.len() as u64).sum::<u64>();
        for (kind, times) in &seen.happened {
            let sum = self.faults.entry(kind).or_default();
            sum.0 += times;
            sum.1 += 1;
        }
        if !broken.is_empty() {
            self.broken.push((schedule.seed, broken.to_vec()));
        }
        if seen.seconds > self.slowest.0 {
            self.slowest = (seen.seconds, schedule.seed);
        }
        self.schedules
    }

    /// Counts a cluster that failed by itself; answers how many did.
    pub(crate) fn count_ground_failure(&mut self) -> u64 {
        self.ground_failures += 1;
        self.ground_failures
    }

    /// How many schedules kept every claim.
    pub(crate) fn held(&self) -> u64 {
        self.schedules - self.broken.len() as u64
    }

    /// As Markdown.
    pub(crate) fn table(&self, elapsed: Duration) -> String {
        let mut text = String::from("| what | how many |\n|---|---|\n");
        let seconds = format!("{:.0}", elapsed.as_secs_f64());
        let slowest = format!("{:.1} (seed {})", self.slowest.0, self.slowest.1);
        let counts = [
            ("schedules", self.schedules.to_string()),
            ("of them all claims held", self.held().to_string()),
            ("records", self.records.to_string()),
            ("invocations", self.invocations.to_string()),
            ("of them not wholly accepted", self.failed_invocations.to_string()),
            ("records sent again", self.retried.to_string()),
            ("duplicates in the topics", self.duplicates.to_string()),
            ("dead letters", self.dead_letters.to_string()),
            ("records named by the failure destination", self.given_up.to_string()),
            ("clusters that failed by themselves", self.ground_failures.to_string()),
            ("seconds", seconds),
            ("seconds of the slowest schedule", slowest),
        ];
        // Writing to a string does not fail.
        for (what, count) in counts {
            let _ = writeln!(text, "| {what} | {count} |");
        }
        text.push_str("\n| fault | times | in schedules |\n|---|---|---|\n");
        for kind in Fault::KINDS {
            let (times, schedules) = self.faults.get(kind).copied().unwrap_or_default();
            let _ = writeln!(text, "| {kind} | {times} | {schedules} |");
        }
        text
    }

    /// The claims that broke, by seed.
    pub(crate) fn broken(&self) -> &[(u64, Vec<Broken>)] {
        &self.broken
    }
}

/// A broken claim, as it is told.
pub(crate) fn told(broken: &[Broken]) -> String {
    broken.iter().fold(String::new(), |mut text, it| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {}: {}", it.claim, it.evidence);
        text
    })
}

//! What a run has done, counted from its events: one value that is shown to people and to programs.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::engine::Event;

/// Longest invocation that the histogram tells apart, in microseconds: Lambda's 15 minutes, and some.
const LONGEST: u64 = 1_000_000_000;

/// The running count.
#[derive(Clone, Debug)]
pub struct Tally {
    records: u64,
    lines: u64,
    position: u64,
    accepted: u64,
    dead_lettered: u64,
    retried: u64,
    diverted: u64,
    failed: u64,
    invocations: u64,
    errors: u64,
    bytes: u64,
    last_failure: Option<String>,
    latency: Option<Histogram<u64>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            records: 0,
            lines: 0,
            position: 0,
            accepted: 0,
            dead_lettered: 0,
            retried: 0,
            diverted: 0,
            failed: 0,
            invocations: 0,
            errors: 0,
            bytes: 0,
            last_failure: None,
            // The bounds are constants that fit; without a histogram the latencies would be 0.
            latency: Histogram::new_with_bounds(1, LONGEST, 3).ok(),
        }
    }
}

impl Tally {
    /// Counts an event.
    pub fn count(&mut self, event: &Event) {
        match event {
            Event::Read {
                records,
                lines,
                position,
            } => {
                self.records += records;
                self.lines = *lines;
                self.position = *position;
            }
            Event::Invoked {
                again,
                accepted,
                bytes,
                duration,
                error,
                ..
            } => {
                self.invocations += 1;
                self.retried += *again as u64;
                self.accepted += *accepted as u64;
                self.bytes += *bytes as u64;
                if let Some(error) = error {
                    self.errors += 1;
                    self.last_failure = Some(error.clone());
                }
                if let Some(latency) = &mut self.latency {
                    latency.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
                }
            }
            Event::Discarded {
                records,
                diverted: true,
                ..
            } => self.diverted += *records as u64,
            Event::Discarded {
                records,
                diverted: false,
                ..
            } => self.failed += *records as u64,
            Event::DeadLettered { records } => self.dead_lettered += records,
            Event::Reason(reason) => self.last_failure = Some(reason.clone()),
            Event::Started { .. } | Event::Invoking { .. } | Event::Died { .. } | Event::Warning(_) => {}
        }
    }

    /// Records that the function has accepted: acknowledged by Kafka, in the topic or the dead-letter topic.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Records that were read.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Bytes of the input that were read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The newest reason of a failure.
    pub fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    /// The count as it stands after `elapsed`.
    pub fn summary(&self, elapsed: Duration) -> Summary {
        let seconds = elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
        let rate = if seconds > 0.0 {
            self.accepted as f64 / seconds
        } else {
            0.0
        };
        let quantile = |quantile| {
            let micros = self
                .latency
                .as_ref()
                .map_or(0, |latency| latency.value_at_quantile(quantile));
            rounded(Duration::from_micros(micros).as_secs_f64() * 1000.0)
        };
        Summary {
            records: self.records,
            lines: self.lines,
            acknowledged: self.accepted.saturating_sub(self.dead_lettered),
            dead_lettered: self.dead_lettered,
            retried: self.retried,
            diverted: self.diverted,
            failed: self.failed,
            unsent: self.records.saturating_sub(self.accepted + self.diverted + self.failed),
            invocations: self.invocations,
            errors: self.errors,
            bytes: self.bytes,
            seconds: rounded(seconds),
            records_per_second: rate.round(),
            latency_ms: Latency {
                p50: quantile(0.5),
                p90: quantile(0.9),
                p99: quantile(0.99),
                max: quantile(1.0),
            },
            last_failure: self.last_failure.clone(),
        }
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Records that were read.
    pub records: u64,
    /// Lines of the input that were read, the bad one included if one ended the run.
    pub lines: u64,
    /// Records that the topic's brokers have acknowledged: those that the function has accepted, less the dead-lettered ones.
    pub acknowledged: u64,
    /// Records that the handler says it has put into the dead-letter topic, counted each time.
    pub dead_lettered: u64,
    /// Records that were sent again, counted each time.
    pub retried: u64,
    /// Records that were given up and are in the failure destination.
    pub diverted: u64,
    /// Records that were given up and are lost.
    pub failed: u64,
    /// Records that were read and are none of these, because the run ended early.
    pub unsent: u64,
    /// Invocations of the function.
    pub invocations: u64,
    /// Those that ended with a function error.
    pub errors: u64,
    /// Bytes of the payloads that the function has accepted.
    pub bytes: u64,
    /// From start to end.
    pub seconds: f64,
    /// Accepted records per second.
    pub records_per_second: f64,
    /// Durations of the invocations, in milliseconds.
    pub latency_ms: Latency,
    /// The newest reason of a failure, in the handler's words.
    pub last_failure: Option<String>,
}

/// Percentiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half of all are faster.
    pub p50: f64,
    /// 90 of 100 are faster.
    pub p90: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p90, p99, max } = self.latency_ms;
        writeln!(f, "records in     {:>12}", self.records)?;
        writeln!(f, "acknowledged   {:>12}", self.acknowledged)?;
        writeln!(f, "dead-lettered  {:>12}", self.dead_lettered)?;
        writeln!(f, "retried        {:>12}", self.retried)?;
        writeln!(f, "diverted       {:>12}", self.diverted)?;
        writeln!(f, "failed         {:>12}", self.failed)?;
        writeln!(f, "unsent         {:>12}", self.unsent)?;
        writeln!(
            f,
            "invocations    {:>12}   {} with an error",
            self.invocations, self.errors
        )?;
        writeln!(f, "payload bytes  {:>12}", self.bytes)?;
        writeln!(
            f,
            "seconds        {:>12.3}   {:.0} records/s",
            self.seconds, self.records_per_second
        )?;
        writeln!(
            f,
            "latency ms     {p50:>12.1}   p50, p90 {p90:.1}, p99 {p99:.1}, max {max:.1}"
        )?;
        if let Some(reason) = &self.last_failure {
            writeln!(f, "last failure   {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_once_and_shown_the_same_in_both_forms() {
        let mut tally = Tally::default();
        let invoked = |again, accepted, error: Option<&str>| Event::Invoked {
            records: 10,
            again,
            accepted,
            bytes: accepted * 5,
            duration: Duration::from_millis(20),
            error: error.map(str::to_owned),
        };
        for event in [
            Event::Read {
                records: 30,
                lines: 31,
                position: 900,
            },
            invoked(0, 10, None),
            invoked(0, 0, Some("E: broken")),
            invoked(10, 4, None),
            Event::DeadLettered { records: 2 },
            Event::Discarded {
                records: 5,
                diverted: true,
                what: String::new(),
            },
            Event::Discarded {
                records: 1,
                diverted: false,
                what: String::new(),
            },
            Event::Warning("not counted".to_owned()),
        ] {
            tally.count(&event);
        }
        let summary = tally.summary(Duration::from_millis(500));
        insta::assert_snapshot!(summary, @"
        records in               30
        acknowledged             12
        dead-lettered             2
        retried                  10
        diverted                  5
        failed                    1
        unsent                   10
        invocations               3   1 with an error
        payload bytes            70
        seconds               0.500   28 records/s
        latency ms             20.0   p50, p90 20.0, p99 20.0, max 20.0
        last failure   E: broken
        ");
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(
            (json["records"].as_u64(), json["unsent"].as_u64()),
            (Some(30), Some(10))
        );
        assert_eq!(json["latency_ms"]["max"].as_f64(), Some(summary.latency_ms.max));
    }
}

//! What the function says: JSON log lines and CloudWatch embedded metrics on standard output. Never a record's content.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime as _;

use crate::batch::{Delivery, Outcome};
use crate::canary;
use crate::config::LogLevel;
use crate::event::Record;
use crate::failure::Failure;

/// Sends log lines to standard output as JSON, one object a line, from `level` up.
pub fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let started = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "the log was started before");
    }
}

/// One invocation, as the summary line and the metrics tell it.
pub(crate) struct Summary<'a> {
    /// AWS's id of the invocation.
    pub(crate) request_id: &'a str,
    /// The batch.
    pub(crate) records: &'a [Record<'a>],
    /// What became of them.
    pub(crate) delivery: &'a Delivery,
    /// From the payload's arrival to the last record that was read out of it.
    pub(crate) decoding: Duration,
    /// From there to the last word of the brokers.
    pub(crate) delivering: Duration,
}

impl Summary<'_> {
    /// Writes the summary line and the metrics.
    pub(crate) fn write(&self) {
        let Delivery {
            messages,
            controls,
            bytes,
            resent,
            ..
        } = *self.delivery;
        let acknowledged = self.delivery.count(Outcome::Acknowledged);
        let dead_lettered = self.delivery.count(Outcome::DeadLettered);
        let failures = self.delivery.count(Outcome::Failed);
        let milliseconds = round_millis(self.decoding + self.delivering);
        // The level of an event is fixed where it stands: the fields are written once.
        macro_rules! write {
            ($level:ident, $($reason:tt)*) => {
                tracing::$level!(
                    requestId = self.request_id,
                    records = self.records.len(),
                    messages,
                    controlMessages = controls,
                    acknowledged,
                    deadLettered = dead_lettered,
                    failures,
                    resent,
                    bytes,
                    milliseconds,
                    decodeMilliseconds = round_millis(self.decoding),
                    deliveryMilliseconds = round_millis(self.delivering),
                    $($reason)*
                    "invocation"
                )
            };
        }
        if let Some(failure) = &self.delivery.failure {
            let failed = self.delivery.outcomes.iter().position(|it| *it == Outcome::Failed);
            let first = failed.and_then(|place| self.records.get(place));
            write!(
                warn,
                shard = first.map_or("", |record| &record.shard),
                sequenceNumber = first.map_or("", |record| &record.sequence_number),
                reason = failure.reason,
                librdkafka = failure.librdkafka,
            );
        } else {
            write!(info,);
        }
        metrics([
            ("Records", "Count", self.records.len().into()),
            ("Messages", "Count", messages.into()),
            ("Acknowledged", "Count", acknowledged.into()),
            ("DeadLettered", "Count", dead_lettered.into()),
            ("Failures", "Count", failures.into()),
            ("Bytes", "Bytes", bytes.into()),
            ("Duration", "Milliseconds", milliseconds.into()),
        ]);
    }
}

/// What became of a canary, whatever the level is: somebody waits for it.
pub(crate) fn canary(about: &canary::Line) {
    let mut timestamp = String::new();
    let time = tracing_subscriber::fmt::time::SystemTime;
    if time.format_time(&mut Writer::new(&mut timestamp)).is_err() {
        return;
    }
    if let Ok(text) = about.text(&timestamp) {
        line(&text);
    }
}

/// A failure that is no invocation's.
pub(crate) fn warn(what: &str, failure: &Failure) {
    tracing::warn!(reason = failure.reason, librdkafka = failure.librdkafka, "{what}");
}

/// CloudWatch's embedded metric format: one JSON line that CloudWatch Logs turns into metrics. Each has a name, a unit and a value.
fn metrics<const N: usize>(metrics: [(&str, &str, Value); N]) {
    let timestamp = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let definitions: Vec<Value> = metrics
        .iter()
        .map(|(name, unit, _)| json!({"Name": name, "Unit": unit}))
        .collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": u64::try_from(timestamp).unwrap_or(u64::MAX),
            "CloudWatchMetrics": [{"Namespace": "k2m", "Dimensions": [["FunctionName"]], "Metrics": definitions}],
        },
        "FunctionName": std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default(),
    });
    for (name, _, value) in metrics {
        line[name] = value;
    }
    self::line(&line.to_string());
}

/// Writes a line of JSON, whatever the level is.
fn line(text: &str) {
    // A log that can't be written must not fail the batch.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Milliseconds, to a hundredth.
fn round_millis(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 100_000.0).round() / 100.0
}

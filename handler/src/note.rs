//! What the function says: JSON log lines and CloudWatch embedded metrics on standard output. Never a record's content.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use crate::batch::Delivery;
use crate::config::LogLevel;
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
    /// Records in the batch.
    pub(crate) records: usize,
    /// What became of them.
    pub(crate) delivery: &'a Delivery,
    /// From the payload's arrival to the answer.
    pub(crate) elapsed: Duration,
}

impl Summary<'_> {
    /// Writes the summary line and the metrics.
    pub(crate) fn write(&self) {
        let acknowledged = self.delivery.acknowledged_count();
        let failures = self.records - acknowledged;
        let milliseconds = round_millis(self.elapsed);
        if let Some(failure) = &self.delivery.failure {
            tracing::warn!(
                requestId = self.request_id,
                records = self.records,
                acknowledged,
                bytes = self.delivery.bytes,
                milliseconds,
                failures,
                reason = failure.reason,
                librdkafka = failure.librdkafka,
                "invocation"
            );
        } else {
            tracing::info!(
                requestId = self.request_id,
                records = self.records,
                acknowledged,
                bytes = self.delivery.bytes,
                milliseconds,
                failures,
                "invocation"
            );
        }
        metrics(self.records, acknowledged, failures, self.delivery.bytes, milliseconds);
    }
}

/// A failure that is no invocation's.
pub(crate) fn warn(what: &str, failure: &Failure) {
    tracing::warn!(reason = failure.reason, librdkafka = failure.librdkafka, "{what}");
}

/// CloudWatch's embedded metric format: one JSON line that CloudWatch Logs turns into metrics.
fn metrics(records: usize, acknowledged: usize, failures: usize, bytes: u64, milliseconds: f64) {
    let timestamp = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let metric = |name: &str, unit: &str| json!({"Name": name, "Unit": unit});
    let line = json!({
        "_aws": {
            "Timestamp": u64::try_from(timestamp).unwrap_or(u64::MAX),
            "CloudWatchMetrics": [{
                "Namespace": "k2m",
                "Dimensions": [["FunctionName"]],
                "Metrics": [
                    metric("Records", "Count"),
                    metric("Acknowledged", "Count"),
                    metric("Failures", "Count"),
                    metric("Bytes", "Bytes"),
                    metric("Duration", "Milliseconds"),
                ],
            }],
        },
        "FunctionName": function,
        "Records": records,
        "Acknowledged": acknowledged,
        "Failures": failures,
        "Bytes": bytes,
        "Duration": milliseconds,
    });
    // A log that can't be written must not fail the batch.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn round_millis(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 10_000.0).round() / 10.0
}

//! Subscription envelopes of CloudWatch Logs. Pure.
//!
//! A subscription filter writes a JSON object, compressed with gzip, with log events of one log stream; and a control message now and then, to see whether it
//! may write. Source: CloudWatch Logs' documentation of subscription filters.

use std::borrow::Cow;

use serde::Deserialize;

use crate::json::Object;

/// An envelope.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    message_type: Cow<'a, str>,
    /// The log group's name.
    #[serde(borrow, default)]
    pub(super) log_group: Cow<'a, str>,
    /// The log stream's name.
    #[serde(borrow, default)]
    pub(super) log_stream: Cow<'a, str>,
    /// In the order of the envelope.
    #[serde(borrow, default)]
    pub(super) log_events: Vec<Object<LogEvent<'a>>>,
}

/// A log event.
#[derive(Debug, Deserialize)]
pub(super) struct LogEvent<'a> {
    /// Milliseconds since the Unix epoch.
    pub(super) timestamp: i64,
    /// What was logged.
    #[serde(borrow)]
    pub(super) message: Cow<'a, str>,
}

/// Reads an envelope: `Ok(None)` is a control message.
///
/// # Errors
/// What it is instead, without any of its content.
pub(super) fn read(data: &[u8]) -> Result<Option<Envelope<'_>>, String> {
    let envelope: Result<Object<Envelope<'_>>, _> = serde_json::from_slice(data);
    let Object(envelope) = envelope.map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        format!("it is no subscription envelope of CloudWatch Logs (not the JSON that it should be, at {place})")
    })?;
    match &*envelope.message_type {
        "DATA_MESSAGE" => Ok(Some(envelope)),
        "CONTROL_MESSAGE" => Ok(None),
        _ => Err(
            "it is no subscription envelope of CloudWatch Logs (neither DATA_MESSAGE nor CONTROL_MESSAGE)".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_message_has_its_events_and_a_control_message_none() {
        let data = br#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/lambda/f","logStream":"2026/01/02/[1]ab","subscriptionFilters":["k2m"],
            "logEvents":[{"id":"1","timestamp":1700000000000,"message":"a \"line\"\n"},{"id":"2","timestamp":1700000000001,"message":"","extractedFields":{"a":"b"}}]}"#;
        let envelope = read(data).expect("an envelope").expect("data");
        assert_eq!(
            (&*envelope.log_group, &*envelope.log_stream),
            ("/aws/lambda/f", "2026/01/02/[1]ab")
        );
        let events: Vec<_> = envelope
            .log_events
            .iter()
            .map(|Object(it)| (it.timestamp, &*it.message))
            .collect();
        assert_eq!(events, [(1_700_000_000_000, "a \"line\"\n"), (1_700_000_000_001, "")]);
        let control = br#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],
            "logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}"#;
        assert!(read(control).expect("an envelope").is_none());
    }

    #[test]
    fn what_is_none_is_told_without_its_content() {
        for data in [
            &b"secret"[..],
            b"{}",
            b"[]",
            br#"{"messageType":"secret"}"#,
            br#"["DATA_MESSAGE","secret","s",[]]"#,
            br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"secret"}]}"#,
        ] {
            let error = read(data).expect_err("no envelope");
            assert!(
                !error.contains("secret") && error.contains("subscription envelope"),
                "{error}"
            );
        }
    }
}

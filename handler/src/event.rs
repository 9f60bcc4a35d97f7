//! The invocation's payload: Lambda's Kinesis event in, records out. Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

/// One Kinesis record of the event. Its data stays base64 until it is sent, so that a batch is never held decoded as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// The stream's name, the last part of its ARN.
    pub stream: Cow<'a, str>,
    /// The shard's id, such as `shardId-000000000000`.
    pub shard: Cow<'a, str>,
    /// A decimal number of up to 56 digits, rising within a shard.
    pub sequence_number: Cow<'a, str>,
    /// The Kinesis partition key.
    pub partition_key: Cow<'a, str>,
    /// Approximate arrival in milliseconds since the Unix epoch.
    pub arrival_millis: i64,
    /// The data as the event holds it.
    data: Cow<'a, str>,
}

/// A payload that isn't a Kinesis event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not JSON, or JSON of another shape.
    #[error(
        "the event is not a batch of Kinesis records: {}. Invoke the function through an event source mapping on a Kinesis data stream",
        place(.0)
    )]
    Shape(#[from] serde_json::Error),
    /// Records of another service.
    #[error(
        "the event comes from {found:?}, not from \"aws:kinesis\". Connect the function to a Kinesis data stream; k2m reads no other source"
    )]
    Source {
        /// What `eventSource` says.
        found: String,
    },
}

/// Data of one record that isn't base64.
#[derive(Debug, thiserror::Error)]
#[error("the data of record {sequence_number} is not base64: {reason}")]
pub struct DataError {
    sequence_number: String,
    reason: base64::DecodeError,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<EventRecord<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord<'a> {
    #[serde(borrow)]
    event_source: Text<'a>,
    /// Absent when the record is of another service: told apart after parsing, for a better error.
    #[serde(borrow)]
    kinesis: Option<Kinesis<'a>>,
    #[serde(borrow, rename = "eventID", default)]
    event_id: Text<'a>,
    #[serde(borrow, rename = "eventSourceARN", default)]
    event_source_arn: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kinesis<'a> {
    #[serde(borrow)]
    partition_key: Text<'a>,
    #[serde(borrow)]
    sequence_number: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
    approximate_arrival_timestamp: f64,
}

/// A JSON string, borrowed from the payload where it has no escapes.
#[derive(Deserialize, Default)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Record<'a> {
    /// Takes the data out of its base64.
    ///
    /// # Errors
    /// The data isn't base64, which Lambda never sends.
    pub fn data(&self) -> Result<Vec<u8>, DataError> {
        BASE64.decode(self.data.as_bytes()).map_err(|reason| DataError {
            sequence_number: self.sequence_number.clone().into_owned(),
            reason,
        })
    }

    fn from_event(record: EventRecord<'a>) -> Result<Self, EventError> {
        let other_source = |found: &str| EventError::Source {
            found: found.to_owned(),
        };
        if record.event_source.0 != "aws:kinesis" {
            return Err(other_source(&record.event_source.0));
        }
        let kinesis = record
            .kinesis
            .ok_or_else(|| other_source("aws:kinesis, without its kinesis part"))?;
        Ok(Self {
            stream: after(record.event_source_arn.0, '/'),
            shard: before(record.event_id.0, ':'),
            sequence_number: kinesis.sequence_number.0,
            partition_key: kinesis.partition_key.0,
            arrival_millis: millis(kinesis.approximate_arrival_timestamp),
            data: kinesis.data.0,
        })
    }
}

/// Where and how the payload departs from the shape, without the text found there: that may be a record's content.
fn place(error: &serde_json::Error) -> String {
    let words = error.to_string();
    if words.starts_with("missing field") {
        return words;
    }
    let what = if error.is_data() {
        "a value of the wrong type"
    } else {
        "no valid JSON"
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// Reads the payload of an invocation; shapes as AWS documents them for Kinesis event source mappings.
///
/// # Errors
/// The payload isn't JSON, isn't a list of records, or the records are of another service.
pub fn decode(payload: &str) -> Result<Vec<Record<'_>>, EventError> {
    let event: Event<'_> = serde_json::from_str(payload)?;
    event.records.into_iter().map(Record::from_event).collect()
}

/// Seconds with a fraction, as the event has them, to whole milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and a time past the year 292 million is none"
)]
fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

fn after(text: Cow<'_, str>, mark: char) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.split_once(mark).map_or(text, |(_, rest)| rest)),
        Cow::Owned(text) => Cow::Owned(text.split_once(mark).map_or(text.as_str(), |(_, rest)| rest).to_owned()),
    }
}

fn before(text: Cow<'_, str>, mark: char) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.split_once(mark).map_or(text, |(start, _)| start)),
        Cow::Owned(text) => Cow::Owned(
            text.split_once(mark)
                .map_or(text.as_str(), |(start, _)| start)
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"k\"1\"",
        "sequenceNumber":"49590338271490256608559692538361571095921575989136588898","data":"SGVsbG8=",
        "approximateArrivalTimestamp":1545084650.987},"eventSource":"aws:kinesis","eventVersion":"1.0",
        "eventID":"shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
        "eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::123456789012:role/r","awsRegion":"us-east-2",
        "eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/orders"}]}"#;

    #[test]
    fn a_record_keeps_everything_that_identifies_it() {
        let records = decode(EVENT).expect("a Kinesis event");
        let record = &records[0];
        assert_eq!(record.stream, "orders");
        assert_eq!(record.shard, "shardId-000000000006");
        assert_eq!(
            record.sequence_number,
            "49590338271490256608559692538361571095921575989136588898"
        );
        assert_eq!(record.partition_key, "k\"1\"");
        assert_eq!(record.arrival_millis, 1_545_084_650_987);
        assert_eq!(record.data().expect("base64"), b"Hello");
    }

    #[test]
    fn an_empty_batch_is_a_batch() {
        assert_eq!(decode(r#"{"Records":[]}"#).expect("an event"), vec![]);
    }

    #[test]
    fn data_of_no_bytes_and_data_that_is_not_base64() {
        let empty = EVENT.replace("SGVsbG8=", "");
        assert_eq!(decode(&empty).expect("an event")[0].data().expect("no bytes"), b"");
        let broken = EVENT.replace("SGVsbG8=", "SGVsbG8");
        let error = decode(&broken).expect("an event")[0].data().expect_err("not base64");
        assert!(error.to_string().starts_with("the data of record 49590338"), "{error}");
    }

    #[test]
    fn what_is_not_a_kinesis_event_is_named() {
        let rows = [
            "not JSON",
            "{}",
            "[]",
            r#"{"Records":"secret"}"#,
            r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#,
            r#"{"Records":[{"eventSource":"aws:kinesis"}]}"#,
            r#"{"Records":[{"eventSource":"aws:kinesis","kinesis":{"partitionKey":"k"}}]}"#,
        ];
        let said: Vec<String> = rows.iter().map(|row| decode(row).expect_err(row).to_string()).collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}

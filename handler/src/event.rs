//! The invocation's payload: Lambda's Kinesis event in, records out. Pure.

mod scan;

use std::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::{Simd, general_purpose::PAD};
use serde::Deserialize;

use crate::json::Object;

/// Kinesis' data is in standard base64, padded. The processor is looked at once for what makes decoding fast.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

/// The source that the function reads.
const KINESIS: &str = "aws:kinesis";

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
    /// The data as the event holds it: base64.
    data: Cow<'a, [u8]>,
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
    records: Vec<Object<EventRecord<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord<'a> {
    #[serde(borrow)]
    event_source: Text<'a>,
    /// Absent when the record is of another service: told apart after parsing, for a better error.
    #[serde(borrow)]
    kinesis: Option<Object<Kinesis<'a>>>,
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

impl Record<'_> {
    /// Takes the data out of its base64 into `buffer`, in place of what was there: one buffer serves a whole batch.
    ///
    /// # Errors
    /// The data isn't base64, which Lambda never sends.
    pub fn data_into(&self, buffer: &mut Vec<u8>) -> Result<(), DataError> {
        buffer.clear();
        BASE64.decode_vec(&self.data, buffer).map_err(|reason| DataError {
            sequence_number: self.sequence_number.clone().into_owned(),
            reason,
        })
    }

    /// The data as the event holds it: base64, unless it is broken.
    pub fn encoded(&self) -> &[u8] {
        &self.data
    }

    /// Bytes of the data, told from its base64.
    pub fn data_bytes(&self) -> usize {
        let padding = self.data.iter().rev().take(2).filter(|byte| **byte == b'=').count();
        (self.data.len() / 4 * 3).saturating_sub(padding)
    }
}

impl<'a> TryFrom<EventRecord<'a>> for Record<'a> {
    type Error = EventError;

    fn try_from(record: EventRecord<'a>) -> Result<Self, EventError> {
        let other_source = |found: &str| EventError::Source {
            found: found.to_owned(),
        };
        if record.event_source.0 != KINESIS {
            return Err(other_source(&record.event_source.0));
        }
        let kinesis = record
            .kinesis
            .map(|Object(kinesis)| kinesis)
            .ok_or_else(|| other_source("aws:kinesis, without its kinesis part"))?;
        Ok(Self {
            stream: after(record.event_source_arn.0, '/'),
            shard: before(record.event_id.0, ':'),
            sequence_number: kinesis.sequence_number.0,
            partition_key: kinesis.partition_key.0,
            arrival_millis: millis(kinesis.approximate_arrival_timestamp),
            data: match kinesis.data.0 {
                Cow::Borrowed(data) => Cow::Borrowed(data.as_bytes()),
                Cow::Owned(data) => Cow::Owned(data.into_bytes()),
            },
        })
    }
}

/// Bytes in the base64 that Kinesis' data comes in.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
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
pub fn decode(payload: &[u8]) -> Result<Vec<Record<'_>>, EventError> {
    scan::scan(payload).map_or_else(|| parse(payload), Ok)
}

/// The same by the parser of all JSON, which also says what is wrong.
fn parse(payload: &[u8]) -> Result<Vec<Record<'_>>, EventError> {
    let Object(event): Object<Event<'_>> = serde_json::from_slice(payload)?;
    event
        .records
        .into_iter()
        .map(|Object(record)| record.try_into())
        .collect()
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

    fn data(record: &Record<'_>) -> Result<Vec<u8>, DataError> {
        let mut buffer = b"left from the record before".to_vec();
        record.data_into(&mut buffer).map(|()| buffer)
    }

    #[test]
    fn a_record_keeps_everything_that_identifies_it() {
        let records = decode(EVENT.as_bytes()).expect("a Kinesis event");
        let record = &records[0];
        assert_eq!(record.stream, "orders");
        assert_eq!(record.shard, "shardId-000000000006");
        assert_eq!(
            record.sequence_number,
            "49590338271490256608559692538361571095921575989136588898"
        );
        assert_eq!(record.partition_key, "k\"1\"");
        assert_eq!(record.arrival_millis, 1_545_084_650_987);
        assert_eq!(data(record).expect("base64"), b"Hello");
    }

    #[test]
    fn an_empty_batch_is_a_batch() {
        assert_eq!(decode(br#"{"Records":[]}"#).expect("an event"), vec![]);
    }

    #[test]
    fn data_of_no_bytes_and_data_that_is_not_base64() {
        let empty = EVENT.replace("SGVsbG8=", "");
        assert_eq!(
            data(&decode(empty.as_bytes()).expect("an event")[0]).expect("no bytes"),
            b""
        );
        for (encoded, bytes) in [("", 0), ("SGVsbG8=", 5), ("SGVsbA==", 4), ("SGVs", 3)] {
            let event = EVENT.replace("SGVsbG8=", encoded);
            assert_eq!(
                decode(event.as_bytes()).expect("an event")[0].data_bytes(),
                bytes,
                "{encoded}"
            );
        }
        let broken = EVENT.replace("SGVsbG8=", "SGVsbG8");
        let error = data(&decode(broken.as_bytes()).expect("an event")[0]).expect_err("not base64");
        assert!(error.to_string().starts_with("the data of record 49590338"), "{error}");
    }

    #[test]
    fn what_is_not_a_kinesis_event_is_named() {
        let rows = [
            "not JSON",
            "{}",
            "[]",
            "[[]]",
            r#"{"Records":"secret"}"#,
            r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#,
            r#"{"Records":[{"eventSource":"aws:kinesis"}]}"#,
            r#"{"Records":[{"eventSource":"aws:kinesis","kinesis":{"partitionKey":"k"}}]}"#,
        ];
        let said: Vec<String> = rows
            .iter()
            .map(|row| decode(row.as_bytes()).expect_err(row).to_string())
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    /// Both ways to read an event agree wherever the short one gives an answer.
    #[test]
    fn the_scanner_and_the_parser_read_the_same() {
        let (start, end) = (EVENT.replace("\n        ", ""), "]}");
        let record = &start[r#"{"Records":["#.len()..start.len() - end.len()];
        let events = |records: &[&str]| format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let with = |from: &str, to: &str| events(&[record, &record.replace(from, to)]);
        let other_stream = record.replace("stream/orders", "stream/o/2");
        // Whether the scanner reads it, and the event.
        let rows = [
            (true, EVENT.to_owned()),
            (true, events(&[])),
            (true, events(&[record, &other_stream, record])),
            (
                true,
                format!(" {{ \"invocationId\" : 1.5e3 , {} \n", &with("", "")[1..]),
            ),
            (true, with(r#"k\"1\""#, r#"\u00e4\\\"\n\ud83d\ude00"#)),
            (true, with(r#"k\"1\""#, "ключ")),
            (true, with(r#""1.0""#, "null")),
            (true, with("1545084650.987", "1545084650")),
            (true, with("1545084650.987", "-0.5E-1")),
            (true, with("shardId-000000000006:", "no-colon-")),
            // Left to the parser, which takes them.
            (false, with(r#""1.0""#, r#"{"a":["}\"",1]}"#)),
            (false, with("SGVsbG8=", r"SGVs\u0062G8=")),
            (false, with("partitionKey", r"partition\u004bey")),
            (false, with(r#""eventSourceARN""#, r#""none""#)),
            // Left to the parser, which refuses them.
            (false, with("aws:kinesis", "aws:s3")),
            (false, with("1545084650.987", "1545084650.")),
            (false, with("1545084650.987", "inf")),
            (false, with("1545084650.987", "\"1\"")),
            (false, with("\"data\":\"SGVsbG8=\",", "")),
            (false, with("\"data\"", "\"sequenceNumber\":\"1\",\"data\"")),
            (false, EVENT.replace("]}", "]")),
            (false, EVENT.replace("]}", "]}}")),
            (false, EVENT.replace("]}", ",]}")),
            (false, EVENT.replace(r#"orders"}"#, r"orders\")),
            (false, r#"{"Records":[{"#.to_owned()),
            (false, r#"{"Records":[],"Records":[]}"#.to_owned()),
            (false, String::new()),
        ];
        for (scanned, event) in &rows {
            let found = scan::scan(event.as_bytes());
            assert_eq!(found.is_some(), *scanned, "{event}");
            if let Some(found) = found {
                assert_eq!(found, parse(event.as_bytes()).expect("an event"), "{event}");
            }
        }
        // Cut anywhere, or with any byte changed, it is either read alike or left to the parser.
        for at in 0..EVENT.len() {
            assert_eq!(scan::scan(&EVENT.as_bytes()[..at]), None, "cut at {at}");
            for byte in *b"\"\\{}[]:,0x \xff" {
                let mut event = EVENT.as_bytes().to_vec();
                event[at] = byte;
                if let (Some(found), Ok(parsed)) = (scan::scan(&event), parse(&event)) {
                    assert_eq!(found, parsed, "{}", String::from_utf8_lossy(&event));
                }
            }
        }
    }
}

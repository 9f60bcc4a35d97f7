//! Records and batches as the event JSON that Lambda sends for Kinesis. A record is rendered once, when it is read; a batch
//! is those texts joined, so its exact size is a sum and a retry renders nothing.

use std::io::Write as _;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

/// The account, region and names of the stream and function that exist on this machine only.
pub mod names {
    /// The stream's ARN.
    pub const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/k2m-local";
    /// The function's name.
    pub const FUNCTION: &str = "k2m-local";
    /// The function's ARN.
    pub const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:k2m-local";
}

/// Largest event JSON of one invocation, in bytes (Lambda's 6 MB).
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

const OPENING: &str = "{\"Records\":[";
const CLOSING: &str = "]}";
/// Bytes of an event around its records and the commas between them.
const ENVELOPE: usize = OPENING.len() + CLOSING.len();

/// What a record is rendered from.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The record's shard, by number.
    pub shard: u32,
    /// Decimal digits.
    pub sequence_number: &'a str,
    /// The partition key, 1 to 256 characters.
    pub partition_key: &'a str,
    /// The payload.
    pub data: &'a [u8],
    /// Arrival, in milliseconds since the epoch.
    pub arrival: i64,
}

/// One record: its event JSON, and what the mapping has to know of it.
#[derive(Clone, Debug)]
pub struct Record {
    json: Box<str>,
    sequence_number: Range<usize>,
    arrival: i64,
    data_bytes: usize,
}

impl Record {
    /// Renders a record.
    pub fn new(parts: &Parts<'_>) -> Self {
        let mut json = String::with_capacity(parts.data.len().div_ceil(3) * 4 + parts.partition_key.len() + 512);
        json.push_str(r#"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"#);
        json.push_str(&serde_json::Value::from(parts.partition_key).to_string());
        json.push_str(r#","sequenceNumber":""#);
        let start = json.len();
        json.push_str(parts.sequence_number);
        let sequence_number = start..json.len();
        json.push_str(r#"","data":""#);
        BASE64.encode_string(parts.data, &mut json);
        json.push_str(r#"","approximateArrivalTimestamp":"#);
        push_seconds(&mut json, parts.arrival);
        json.push_str(r#"},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":""#);
        json.push_str(&shard_id(parts.shard));
        json.push(':');
        json.push_str(parts.sequence_number);
        json.push_str(concat!(
            r#"","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::000000000000:role/k2m-local","#,
            r#""awsRegion":"us-east-1","eventSourceARN":""#
        ));
        json.push_str(names::STREAM_ARN);
        json.push_str("\"}");
        Self {
            json: json.into_boxed_str(),
            sequence_number,
            arrival: parts.arrival,
            data_bytes: parts.data.len(),
        }
    }

    /// The record within the event.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Decimal digits.
    pub fn sequence_number(&self) -> &str {
        &self.json[self.sequence_number.clone()]
    }

    /// Arrival, in milliseconds since the epoch.
    pub fn arrival(&self) -> i64 {
        self.arrival
    }

    /// Bytes of the payload before base64.
    pub fn data_bytes(&self) -> usize {
        self.data_bytes
    }
}

/// A shard's name, from its number.
pub fn shard_id(shard: u32) -> String {
    format!("shardId-{shard:012}")
}

/// Exact bytes of the event of `count` records whose texts have `json_bytes` bytes together.
pub fn size(count: usize, json_bytes: usize) -> usize {
    ENVELOPE + json_bytes + count.saturating_sub(1)
}

/// The event of a batch.
pub fn render(records: &[Record]) -> Bytes {
    let mut event = String::with_capacity(size(
        records.len(),
        records.iter().map(|record| record.json.len()).sum(),
    ));
    event.push_str(OPENING);
    join(&mut event, records);
    event.push_str(CLOSING);
    Bytes::from(event)
}

/// Appends the records' texts with commas between them.
pub fn join(text: &mut String, records: &[Record]) {
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&record.json);
    }
}

/// Milliseconds as the seconds with a fraction that Kinesis has.
fn push_seconds(text: &mut String, milliseconds: i64) {
    let mut digits = [0_u8; 24];
    let mut rest = &mut digits[..];
    // 24 bytes hold every i64 of milliseconds, so the write can't fail.
    let written = write!(rest, "{}.{:03}", milliseconds / 1000, milliseconds.rem_euclid(1000)).is_ok();
    debug_assert!(written);
    let left = rest.len();
    text.push_str(str::from_utf8(&digits[..24 - left]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(key: &'a str, data: &'a [u8]) -> Parts<'a> {
        Parts {
            shard: 6,
            sequence_number: "49590338271490256608559692538361571095921575989136588898",
            partition_key: key,
            data,
            arrival: 1_545_084_650_987,
        }
    }

    #[test]
    fn a_record_has_the_shape_that_lambda_sends() {
        let event = render(&[Record::new(&parts("1", b"Hello, this is a test."))]);
        insta::assert_snapshot!(str::from_utf8(&event).unwrap(), @r#"{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"1","sequenceNumber":"49590338271490256608559692538361571095921575989136588898","data":"SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==","approximateArrivalTimestamp":1545084650.987},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:49590338271490256608559692538361571095921575989136588898","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::000000000000:role/k2m-local","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/k2m-local"}]}"#);
    }

    #[test]
    fn the_size_is_exact_for_any_number_of_records() {
        for count in 0..4 {
            let records: Vec<_> = (0..count)
                .map(|n| Record::new(&parts(&"k".repeat(n + 1), &vec![7; n])))
                .collect();
            let texts = records.iter().map(|record| record.json().len()).sum();
            assert_eq!(render(&records).len(), size(count, texts));
        }
    }

    #[test]
    fn awkward_keys_and_payloads_come_back_as_they_were() {
        for (key, data) in [("\"\\\u{0}\u{2028}ü", &b""[..]), ("k", b"\xff\x00\xfe")] {
            let event: serde_json::Value = serde_json::from_slice(&render(&[Record::new(&parts(key, data))])).unwrap();
            let kinesis = &event["Records"][0]["kinesis"];
            assert_eq!(kinesis["partitionKey"], key);
            assert_eq!(BASE64.decode(kinesis["data"].as_str().unwrap()).unwrap(), data);
        }
    }

    #[test]
    fn the_arrival_keeps_its_milliseconds() {
        for (milliseconds, text) in [(0, "0.000"), (1, "0.001"), (1_700_000_000_050, "1700000000.050")] {
            let mut seconds = String::new();
            push_seconds(&mut seconds, milliseconds);
            assert_eq!(seconds, text);
        }
    }
}

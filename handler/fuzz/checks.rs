//! What must hold for whatever comes: shared by the fuzz targets and by the test that replays their corpus.

use std::collections::VecDeque;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use k2m_handler::event::{Record, decode};
use k2m_handler::parcel::Scratch;
use k2m_handler::payload::{Decode, Key, Payload, Timestamp, ValueForm};
use k2m_handler::unfold::Unfolding;
use md5::{Digest as _, Md5};
use serde_json::Value;
use serde_json::value::RawValue;

/// An invocation's payload: read, or refused with words; what is read is what any JSON parser reads.
pub(crate) fn event(data: &[u8]) {
    let Ok(records) = decode(data) else { return };
    // A raw control character within a string is JSON to the handler's scanner alone.
    let json: Option<Value> = serde_json::from_slice(data).ok();
    if let Some(json) = &json {
        let own = json["Records"].as_array().expect("records are a list");
        assert_eq!(own.len(), records.len());
        for (record, own) in records.iter().zip(own) {
            let kinesis = &own["kinesis"];
            assert_eq!(kinesis["sequenceNumber"], *record.sequence_number);
            assert_eq!(kinesis["partitionKey"], *record.partition_key);
            assert_eq!(kinesis["data"].as_str().map(str::as_bytes), Some(record.encoded()));
        }
    }
    for record in &records {
        unfold(record, &Payload::default());
    }
}

/// A record's data, and a protobuf message that is made an aggregate of.
pub(crate) fn aggregate(data: &[u8]) {
    let wrapped = [&[0xf3, 0x89, 0x9a, 0xc2], data, &Md5::digest(data)[..]].concat();
    for data in [data, &wrapped] {
        let event = event_of(data);
        let record = &decode(event.as_bytes()).expect("an event")[0];
        let values = unfold(record, &Payload::default());
        // What isn't taken apart goes through as it is.
        let whole = values.len() == 1 && values[0] == data;
        let parts: usize = values.iter().map(Vec::len).sum();
        assert!(whole || parts < data.len(), "parts are within the whole");
        unfold(record, &steps("kpl,gzip,lines", ValueForm::Json));
    }
}

/// A record's data as a log envelope, and compressed; and as JSON that is looked into.
pub(crate) fn envelope(data: &[u8]) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("a vector takes all");
    let packed = encoder.finish().expect("a vector takes all");
    for data in [data, &packed] {
        let event = event_of(data);
        let record = &decode(event.as_bytes()).expect("an event")[0];
        unfold(record, &steps("cloudwatch_logs", ValueForm::Bytes));
        let mut pointed = steps("gzip,lines", ValueForm::Json);
        pointed.key = Key::parse("/logEvents/0/message").expect("a pointer");
        pointed.timestamp = Timestamp::parse("/logEvents/0/timestamp").expect("a pointer");
        unfold(record, &pointed);
    }
}

fn steps(steps: &str, value: ValueForm) -> Payload {
    Payload {
        decode: Decode::parse(steps).expect("steps"),
        value,
        ..Payload::default()
    }
}

fn event_of(data: &[u8]) -> String {
    let data = STANDARD.encode(data);
    format!(
        r#"{{"Records":[{{"eventSource":"aws:kinesis","eventID":"shardId-000000000000:1","eventSourceARN":"arn:aws:kinesis:r:1:stream/s",
        "kinesis":{{"partitionKey":"k","sequenceNumber":"1","data":"{data}","approximateArrivalTimestamp":1.5}}}}]}}"#
    )
}

/// The values of a record's messages; checks that each is as large as was said.
fn unfold(record: &Record<'_>, payload: &Payload) -> Vec<Vec<u8>> {
    let unfolding = Unfolding::new(payload, "topic");
    let (mut parcels, mut scratch) = (VecDeque::new(), Scratch::default());
    let unfolded = unfolding.unfold(0, record, &mut parcels);
    assert_eq!(unfolded.messages, parcels.len());
    let values = parcels.iter().map(|parcel| {
        let letter = parcel.letter(record, payload, &mut scratch).value.len();
        let Ok(message) = parcel.message(record, payload, &mut scratch) else {
            assert!(
                STANDARD.decode(record.encoded()).is_err(),
                "only what isn't base64 makes no message"
            );
            return Vec::new();
        };
        assert_eq!(message.value.len(), parcel.value_bytes);
        assert!(payload.value == ValueForm::Json || letter == parcel.value_bytes);
        assert!(message.timestamp_millis >= 0 || payload.timestamp != Timestamp::Arrival || record.arrival_millis < 0);
        if payload.value == ValueForm::Json {
            serde_json::from_slice::<&RawValue>(message.value).expect("JSON");
        }
        message.value.to_vec()
    });
    values.collect()
}

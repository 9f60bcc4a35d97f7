//! What AWS's own library puts into an aggregate comes out as AWS's own library takes it out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k2m_handler::event::decode;
use k2m_handler::parcel::{Parcel, Scratch};
use k2m_handler::payload::{Key, Payload};
use k2m_handler::unfold::Unfolding;
use k2m_testkit::aggregates::{ReferenceAggregate, ReferenceRecord, reference_aggregates};

/// Random aggregates a run.
const COUNT: usize = 3_000;
/// Chooses them; `K2M_AGGREGATES_SEED` chooses others.
const SEED: u64 = 20_261_126;

#[test]
fn random_aggregates_come_apart_as_with_aws_s_library() {
    let seed = std::env::var("K2M_AGGREGATES_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    let aggregates = reference_aggregates(seed, COUNT).expect("AWS's library works");
    let taken_apart = aggregates.iter().filter(|it| it.records.is_some()).count();
    assert!(taken_apart >= COUNT, "{taken_apart} were aggregates to AWS's library");
    for (place, aggregate) in aggregates.iter().enumerate() {
        let expected = aggregate.records.clone();
        let expected = expected.unwrap_or_else(|| vec![record("own", None, aggregate.data.clone())]);
        let what = format!("seed {seed}, number {place}: {}", aggregate.what);
        assert_eq!(ours(aggregate), expected, "{what}");
    }
}

fn record(partition_key: &str, explicit_hash_key: Option<String>, data: String) -> ReferenceRecord {
    ReferenceRecord {
        partition_key: partition_key.to_owned(),
        explicit_hash_key,
        data,
    }
}

/// What the handler makes of the same data. The messages' keys tell both kinds of key, one after the other.
fn ours(aggregate: &ReferenceAggregate) -> Vec<ReferenceRecord> {
    let event = format!(
        r#"{{"Records":[{{"eventSource":"aws:kinesis","eventID":"s:1","eventSourceARN":"arn:aws:kinesis:r:1:stream/s",
        "kinesis":{{"partitionKey":"own","sequenceNumber":"1","data":"{}","approximateArrivalTimestamp":1.5}}}}]}}"#,
        aggregate.data
    );
    let events = decode(event.as_bytes()).expect("an event");
    let read = |key: Key| -> Vec<(Parcel, String, String)> {
        let payload = Payload {
            key,
            ..Payload::default()
        };
        let (unfolding, mut scratch) = (Unfolding::new(&payload, "t"), Scratch::default());
        let parcels = unfolding.open(0, &events[0], None).map(|parcel| {
            let message = parcel.message(&events[0], &payload, &mut scratch).expect("base64");
            let key = String::from_utf8(message.key.expect("a key").to_vec()).expect("UTF-8");
            let data = STANDARD.encode(message.value);
            (parcel, key, data)
        });
        parcels.collect()
    };
    let by_hash_key = read(Key::ExplicitHashKey);
    let records = read(Key::PartitionKey).into_iter().zip(by_hash_key).zip(0..);
    records
        .map(|(((parcel, key, data), (other, hash_key, _)), place)| {
            assert_eq!(parcel.subsequence, aggregate.records.is_some().then_some(place));
            let has_hash_key = other.taken.is_some_and(|taken| taken.explicit_hash_key.is_some());
            record(&key, has_hash_key.then_some(hash_key), data)
        })
        .collect()
}

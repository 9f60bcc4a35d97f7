//! The batches: records of JSON, as the event that Lambda would send and as the messages that come of it.

use bytes::Bytes;
use k2m::local::event::{self, PAYLOAD_LIMIT, Parts, Record};
use k2m::local::stream::Stream;
use k2m_handler::event::decode;
use k2m_handler::parcel::Scratch;
use k2m_handler::payload::Payload;
use k2m_handler::unfold::Unfolding;

use crate::Result;

/// Bytes of a record's payload: the sizes that the largest batch is measured with.
pub(crate) const RECORD_BYTES: [usize; 3] = [200, 1024, 4096];
/// Bytes of a record's payload where the number of records is what varies.
pub(crate) const SMALL: usize = 200;
/// Different partition keys.
const KEYS: usize = 1_000;
/// When the first record arrived, in milliseconds since the epoch.
const ARRIVAL: i64 = 1_760_000_000_000;

/// A batch in both forms.
pub(crate) struct Batch {
    /// The invocation's payload.
    pub(crate) event: Bytes,
    /// What the handler makes of it.
    pub(crate) messages: Vec<OwnedMessage>,
}

/// A Kafka message in memory.
pub(crate) struct OwnedMessage {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) timestamp_millis: i64,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
}

/// The records of the largest batch; smaller ones are its beginnings.
pub(crate) struct Workload {
    records: Vec<Record>,
}

impl Workload {
    /// As many records of `record_bytes` as an event can hold.
    pub(crate) fn new(record_bytes: usize) -> Result<Self> {
        let mut stream = Stream::new(1, 1);
        let (mut records, mut json_bytes) = (Vec::new(), 0);
        loop {
            let number = records.len();
            let key = format!("customer-{:04}", number % KEYS);
            let place = stream.place(&key, None, None, None)?;
            let record = Record::new(&Parts {
                shard: place.shard,
                sequence_number: place.sequence_number,
                partition_key: &key,
                data: &payload(number, &key, record_bytes),
                arrival: ARRIVAL + i64::try_from(number)?,
            });
            json_bytes += record.json().len();
            if event::size(number + 1, json_bytes) > PAYLOAD_LIMIT {
                return Ok(Self { records });
            }
            records.push(record);
        }
    }

    /// The sizes to measure, in records.
    pub(crate) fn sizes(&self) -> [usize; 4] {
        [10, 100, 1_000, self.records.len()]
    }

    /// All records as a batch.
    pub(crate) fn largest(&self) -> Result<Batch> {
        self.batch(self.records.len())
    }

    /// The first `size` records as a batch.
    pub(crate) fn batch(&self, size: usize) -> Result<Batch> {
        let event = event::render(&self.records[..size]);
        let mut messages = Vec::with_capacity(size);
        let unfolding = Unfolding::new(&Payload::default(), "orders");
        let mut scratch = Scratch::default();
        for (place, record) in decode(&event)?.iter().enumerate() {
            let parcel = unfolding
                .open(place, record, None)
                .next()
                .ok_or("a record is a message")?;
            let message = parcel.message(record, unfolding.payload(), &mut scratch)?;
            messages.push(OwnedMessage {
                key: message.key.unwrap_or_default().to_vec(),
                timestamp_millis: message.timestamp_millis,
                headers: message.headers().map(|(name, value)| (name, value.to_vec())).collect(),
                value: message.value.to_vec(),
            });
        }
        Ok(Batch { event, messages })
    }
}

/// JSON of exactly `bytes`, since the sample takes nothing else.
fn payload(number: usize, key: &str, bytes: usize) -> Vec<u8> {
    let start = format!(r#"{{"order":"{number:08}","customer":"{key}","note":""#);
    let end = "\"}";
    let note = "delivered by hand to the neighbour; ".chars().cycle();
    let note: String = note.take(bytes - start.len() - end.len()).collect();
    [start, note, end.to_owned()].concat().into_bytes()
}

//! A Kinesis record as a Kafka message: key, value, timestamp, identity headers; and how large it is on the wire. Pure.

use crate::event::Record;

/// Names the stream the record came from.
pub const STREAM_HEADER: &str = "k2m-stream";
/// Names the shard the record came from.
pub const SHARD_HEADER: &str = "k2m-shard";
/// The record's Kinesis sequence number: with the shard, what a consumer drops duplicates by.
pub const SEQUENCE_HEADER: &str = "k2m-sequence";

/// In the dead-letter topic: the topic that could not take the record.
pub const TOPIC_HEADER: &str = "k2m-topic";
/// In the dead-letter topic: why the record is there, in words.
pub const REASON_HEADER: &str = "k2m-reason";

/// Why a record goes to the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grounds<'a> {
    /// The topic that could not take it.
    pub topic: &'a str,
    /// Why not.
    pub reason: &'a str,
}

/// What goes to Kafka for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The Kinesis partition key: one key's records stay in one partition and so in order.
    pub key: &'a str,
    /// The record's bytes as they are; no bytes make an empty value, never a null one, which would be a tombstone.
    pub value: &'a [u8],
    /// Arrival in Kinesis, in milliseconds since the Unix epoch.
    pub timestamp_millis: i64,
    /// Name and value of each header that identifies the record.
    pub identity: [(&'static str, &'a str); 3],
    /// Set for the dead-letter topic.
    pub grounds: Option<Grounds<'a>>,
}

impl<'a> Message<'a> {
    /// The message for `record`, whose decoded data is `value`.
    pub fn new(record: &'a Record<'_>, value: &'a [u8]) -> Self {
        Self {
            key: &record.partition_key,
            value,
            timestamp_millis: record.arrival_millis,
            identity: [
                (STREAM_HEADER, &record.stream),
                (SHARD_HEADER, &record.shard),
                (SEQUENCE_HEADER, &record.sequence_number),
            ],
            grounds: None,
        }
    }

    /// Name and value of each header, in the order they are sent.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let grounds = self
            .grounds
            .map(|Grounds { topic, reason }| [(TOPIC_HEADER, topic), (REASON_HEADER, reason)]);
        self.identity.into_iter().chain(grounds.into_iter().flatten())
    }

    /// Bytes of a record batch that holds this message alone, uncompressed, with a value of `value_bytes`: what a broker compares with the
    /// topic's `max.message.bytes`. Source: Kafka's record batch format, version 2.
    pub fn batch_bytes(&self, value_bytes: usize) -> usize {
        let (count, headers) = self.headers().fold((0, 0), |(count, bytes), (name, value)| {
            (count + 1, bytes + sized(name.len()) + sized(value.len()))
        });
        // Attributes, timestamp delta and offset delta of a batch's first record take a byte each.
        let record = 3 + sized(self.key.len()) + sized(value_bytes) + varint(count) + headers;
        BATCH_HEADER_BYTES + sized(record)
    }
}

/// Fixed part of a record batch.
const BATCH_HEADER_BYTES: usize = 61;

/// Bytes of a field and the length before it.
fn sized(length: usize) -> usize {
    varint(length) + length
}

/// Bytes of a length as a zigzag varint.
fn varint(length: usize) -> usize {
    let zigzag = (length as u64) << 1;
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_lengths_change_where_kafka_says() {
        for (length, bytes) in [
            (0, 1),
            (63, 1),
            (64, 2),
            (8_191, 2),
            (8_192, 3),
            (1_048_575, 3),
            (1_048_576, 4),
        ] {
            assert_eq!(varint(length), bytes, "{length}");
        }
    }

    #[test]
    fn the_size_is_the_sum_of_the_fields() {
        let message = Message {
            key: "key",
            value: &[0; 100],
            timestamp_millis: 0,
            identity: [(STREAM_HEADER, "s"), (SHARD_HEADER, "shard"), (SEQUENCE_HEADER, "1")],
            grounds: None,
        };
        let headers = 1 + (1 + 10 + 1 + 1) + (1 + 9 + 1 + 5) + (1 + 12 + 1 + 1);
        let record = 3 + (1 + 3) + (2 + 100) + headers;
        assert_eq!(message.batch_bytes(100), 61 + 2 + record);
    }

    #[test]
    fn a_dead_letter_says_where_it_could_not_go_and_why() {
        let mut message = Message {
            key: "key",
            value: b"",
            timestamp_millis: 0,
            identity: [(STREAM_HEADER, "s"), (SHARD_HEADER, "shard"), (SEQUENCE_HEADER, "1")],
            grounds: None,
        };
        assert_eq!(message.headers().count(), 3);
        message.grounds = Some(Grounds {
            topic: "orders",
            reason: "too large",
        });
        let added: Vec<_> = message.headers().skip(3).collect();
        assert_eq!(added, [("k2m-topic", "orders"), ("k2m-reason", "too large")]);
    }
}

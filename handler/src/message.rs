//! A Kafka message: key, value, timestamp, headers; and how large it is on the wire. Pure.

use std::fmt::Write as _;

use crate::canary;

/// Names the stream the record came from.
pub const STREAM_HEADER: &str = "k2m-stream";
/// Names the shard the record came from.
pub const SHARD_HEADER: &str = "k2m-shard";
/// The record's Kinesis sequence number: with the shard, what a consumer drops duplicates by.
pub const SEQUENCE_HEADER: &str = "k2m-sequence";
/// Where a record became several messages: this one's place in it, from 0. With the shard and the sequence number it is unique.
pub const SUBSEQUENCE_HEADER: &str = "k2m-subsequence";
/// The log group of a log event of CloudWatch Logs.
pub const LOG_GROUP_HEADER: &str = "k2m-log-group";
/// The log stream of a log event of CloudWatch Logs.
pub const LOG_STREAM_HEADER: &str = "k2m-log-stream";

/// In the dead-letter topic: the topic that could not take the record.
pub const TOPIC_HEADER: &str = "k2m-topic";
/// In the dead-letter topic: why the record is there, in words.
pub const REASON_HEADER: &str = "k2m-reason";

/// In the dead-letter topic: the timestamp that the message would have had, in milliseconds since the Unix epoch, where that isn't the record's arrival.
pub const TIMESTAMP_HEADER: &str = "k2m-timestamp";

/// Why a record goes to the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grounds<'a> {
    /// The topic that could not take it.
    pub topic: &'a str,
    /// Why not.
    pub reason: &'a str,
    /// The timestamp that it would have had, where that isn't its arrival.
    pub timestamp_millis: Option<Decimal>,
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The stream's name.
    pub stream: &'a str,
    /// The shard's id.
    pub shard: &'a str,
    /// The record's sequence number.
    pub sequence_number: &'a str,
    /// The message's place in the record, where the record became several.
    pub subsequence: Option<Decimal>,
    /// Log group and log stream, of a log event.
    pub log: Option<(&'a [u8], &'a [u8])>,
}

/// What goes to Kafka as one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// One key's messages stay in one partition and so in order; without a key there is no order.
    pub key: Option<&'a [u8]>,
    /// No bytes make an empty value, never a null one, which would be a tombstone.
    pub value: &'a [u8],
    /// Milliseconds since the Unix epoch.
    pub timestamp_millis: i64,
    /// Where it comes from.
    pub origin: Origin<'a>,
    /// The id of a canary, which is told whether the rest is or not. It has no subsequence.
    pub canary: Option<&'a str>,
    /// Whether headers say where it comes from.
    pub identified: bool,
    /// Set for the dead-letter topic.
    pub grounds: Option<Grounds<'a>>,
}

impl Message<'_> {
    /// Name and value of each header, in the order they are sent.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let origin = self.identified.then_some(&self.origin);
        let identity = origin.map(|it| {
            [
                (STREAM_HEADER, it.stream.as_bytes()),
                (SHARD_HEADER, it.shard.as_bytes()),
                (SEQUENCE_HEADER, it.sequence_number.as_bytes()),
            ]
        });
        let subsequence = origin.and_then(|it| it.subsequence.as_ref());
        let subsequence = subsequence.map(|it| (SUBSEQUENCE_HEADER, it.as_bytes()));
        // In the same place: no message has both.
        let subsequence = subsequence.or_else(|| Some((canary::HEADER, self.canary?.as_bytes())));
        let log = origin.and_then(|it| it.log);
        let log = log.map(|(group, stream)| [(LOG_GROUP_HEADER, group), (LOG_STREAM_HEADER, stream)]);
        let grounds = self.grounds.as_ref();
        let timestamp = grounds.and_then(|it| it.timestamp_millis.as_ref());
        let timestamp = timestamp.map(|it| (TIMESTAMP_HEADER, it.as_bytes()));
        let grounds = grounds.map(|it| {
            [
                (TOPIC_HEADER, it.topic.as_bytes()),
                (REASON_HEADER, it.reason.as_bytes()),
            ]
        });
        identity
            .into_iter()
            .flatten()
            .chain(subsequence)
            .chain(log.into_iter().flatten())
            .chain(grounds.into_iter().flatten())
            .chain(timestamp)
    }

    /// Bytes of a record batch that holds this message alone, uncompressed, with a value of `value_bytes`: what a broker compares with the
    /// topic's `max.message.bytes`. Source: Kafka's record batch format, version 2.
    pub fn batch_bytes(&self, value_bytes: usize) -> usize {
        let (count, headers) = self.headers().fold((0, 0), |(count, bytes), (name, value)| {
            (count + 1, bytes + sized(name.len()) + sized(value.len()))
        });
        // Attributes, timestamp delta and offset delta of a batch's first record take a byte each, and so does the length of a key that isn't there.
        let key = self.key.map_or(1, |key| sized(key.len()));
        let record = 3 + key + sized(value_bytes) + varint(count) + headers;
        BATCH_HEADER_BYTES + sized(record)
    }
}

/// A number in decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    digits: [u8; 20],
    length: usize,
}

impl Decimal {
    /// The digits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        let mut it = Self {
            digits: [0; 20],
            length: 0,
        };
        // Twenty digits are enough for 64 bits.
        let _ = write!(it, "{number}");
        it
    }
}

impl std::fmt::Write for Decimal {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let room = self.digits.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
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

    fn message() -> Message<'static> {
        Message {
            key: Some(b"key"),
            value: b"",
            timestamp_millis: 0,
            origin: Origin {
                stream: "s",
                shard: "shard",
                sequence_number: "1",
                subsequence: None,
                log: None,
            },
            canary: None,
            identified: true,
            grounds: None,
        }
    }

    #[test]
    fn the_size_is_the_sum_of_the_fields() {
        let headers = 1 + (1 + 10 + 1 + 1) + (1 + 9 + 1 + 5) + (1 + 12 + 1 + 1);
        let record = 3 + (1 + 3) + (2 + 100) + headers;
        assert_eq!(message().batch_bytes(100), 61 + 2 + record);
        let bare = Message {
            key: None,
            identified: false,
            ..message()
        };
        assert_eq!(bare.batch_bytes(10), 61 + 1 + 3 + 1 + (1 + 10) + 1);
    }

    fn shown(message: &Message<'_>) -> String {
        let pairs = message
            .headers()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn headers_say_where_it_comes_from_and_why_it_is_a_dead_letter() {
        let mut message = message();
        assert_eq!(shown(&message), "k2m-stream=s k2m-shard=shard k2m-sequence=1");
        message.origin.subsequence = Some(u64::from(u32::MAX).into());
        message.origin.log = Some((b"group", b"stream"));
        message.grounds = Some(Grounds {
            topic: "orders",
            reason: "too large",
            timestamp_millis: Some(17.into()),
        });
        assert_eq!(
            shown(&message),
            "k2m-stream=s k2m-shard=shard k2m-sequence=1 k2m-subsequence=4294967295 k2m-log-group=group k2m-log-stream=stream k2m-topic=orders \
             k2m-reason=too large k2m-timestamp=17"
        );
        message.identified = false;
        message.canary = Some("17");
        assert_eq!(
            shown(&message),
            "k2m-canary=17 k2m-topic=orders k2m-reason=too large k2m-timestamp=17"
        );
    }
}

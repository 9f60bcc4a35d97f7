//! The canary: a record that `k2m deploy --verify` puts into the stream, to follow it into the topic. Pure.
//!
//! It is known by its partition key and its data together, so no other record is ever taken for one. It is delivered as any record is, in the batch's order, but
//! whole: whatever the payload is taken for, it is one message. A batch is looked through for it at the price of one comparison of lengths a record.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::batch::{Delivery, Outcome};
use crate::event::{Record, encode};
use crate::failure::Class;

/// The header by which a consumer knows a canary, to pass it over. Its value is the canary's id.
pub const HEADER: &str = "k2m-canary";
/// What the partition key begins with; the id follows.
const KEY: &str = "k2m-canary-";
/// Digits of an id.
const ID_DIGITS: usize = 32;
/// What a line of the log about one says of itself.
pub const MESSAGE: &str = "canary";

/// The id that two random numbers make.
pub fn new_id(random: (u64, u64)) -> String {
    format!("{:016x}{:016x}", random.0, random.1)
}

/// The partition key of the canary with this id.
pub fn partition_key(id: &str) -> String {
    format!("{KEY}{id}")
}

/// The data of the canary with this id: one line of JSON, which says what it is to who only sees the value.
pub fn data(id: &str) -> String {
    format!(r#"{{"k2m-canary":"{id}","text":"a record of k2m deploy --verify, to be passed over"}}"#)
}

/// The id of a canary; `None` of any other record.
pub fn id<'a>(record: &'a Record<'_>) -> Option<&'a str> {
    if record.partition_key.len() != KEY.len() + ID_DIGITS {
        return None;
    }
    let id = record.partition_key.strip_prefix(KEY)?;
    let is_id = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_id && record.encoded() == encode(data(id).as_bytes()).as_bytes()).then_some(id)
}

/// What became of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// The topic has it.
    Delivered,
    /// The topic can't take it, and the dead-letter topic has it.
    DeadLettered,
    /// The topic can never take it, and no other topic does.
    Refused,
    /// Its batch failed, and Lambda tries it again.
    Failed,
}

/// A line of the function's log about a canary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The canary's id.
    pub canary: String,
    /// What became of it.
    pub outcome: Fate,
    /// The topic that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The partition that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Its offset there; left out where it is not certain: where something was sent again the brokers may have stored it at an earlier try, and not say where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// From its arrival in the stream to the brokers' word, by the function's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// Why it is not in the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The shard that it came from.
    pub shard: String,
    /// Its sequence number there.
    pub sequence_number: String,
}

impl Line {
    fn of(record: &Record<'_>, id: &str, outcome: Fate) -> Self {
        Self {
            canary: id.to_owned(),
            outcome,
            topic: None,
            partition: None,
            offset: None,
            milliseconds: None,
            reason: None,
            shard: record.shard.clone().into_owned(),
            sequence_number: record.sequence_number.clone().into_owned(),
        }
    }

    /// One that a topic has.
    pub(crate) fn stored(
        record: &Record<'_>,
        id: &str,
        (topic, partition, offset): (&str, i32, Option<i64>),
        now: SystemTime,
    ) -> Self {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let took = u64::try_from(record.arrival_millis).ok();
        let took = took.zip(u64::try_from(now).ok());
        Self {
            topic: Some(topic.to_owned()),
            partition: Some(partition),
            offset,
            milliseconds: took.map(|(arrival, now)| now.saturating_sub(arrival)),
            ..Self::of(record, id, Fate::Delivered)
        }
    }

    /// The same of the dead-letter topic, and why it is there.
    pub(crate) fn dead_lettered(self, reason: &str) -> Self {
        Self {
            outcome: Fate::DeadLettered,
            reason: Some(reason.to_owned()),
            ..self
        }
    }

    /// Those of a batch that neither topic has.
    pub(crate) fn failed<'a>(records: &'a [Record<'_>], delivery: &'a Delivery) -> impl Iterator<Item = Self> + 'a {
        let place = delivery.outcomes.iter().position(|it| *it == Outcome::Failed);
        let reason = place.zip(delivery.failure.as_ref());
        reason.into_iter().flat_map(move |(first, failure)| {
            let failed = records.iter().zip(&delivery.outcomes).enumerate().skip(first);
            failed.filter_map(move |(place, (record, outcome))| {
                let id = id(record).filter(|_| *outcome == Outcome::Failed)?;
                let is_poison = place == first && failure.class == Class::Poison;
                let outcome = if is_poison { Fate::Refused } else { Fate::Failed };
                Some(Self {
                    reason: Some(failure.reason.clone()),
                    ..Self::of(record, id, outcome)
                })
            })
        })
    }

    /// The line as it is in the log, at this time in RFC 3339.
    pub(crate) fn text(&self, timestamp: &str) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Logged<'a> {
            timestamp: &'a str,
            level: &'a str,
            message: &'a str,
            #[serde(flatten)]
            line: &'a Line,
        }
        let level = match self.outcome {
            Fate::Delivered => "INFO",
            Fate::DeadLettered | Fate::Refused | Fate::Failed => "WARN",
        };
        serde_json::to_string(&Logged {
            timestamp,
            level,
            message: MESSAGE,
            line: self,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::decode;
    use crate::failure::Failure;

    const ID: &str = "00112233445566778899aabbccddeeff";

    /// An event of records by partition key and data.
    fn event(records: &[(&str, &str)]) -> String {
        let records: Vec<String> = records
            .iter()
            .enumerate()
            .map(|(number, (key, data))| {
                format!(
                    r#"{{"eventSource":"aws:kinesis","eventID":"shardId-000000000001:{number}","eventSourceARN":"arn:aws:kinesis:r:1:stream/s",
                    "kinesis":{{"partitionKey":"{key}","sequenceNumber":"{number}","data":"{}","approximateArrivalTimestamp":1.5}}}}"#,
                    encode(data.as_bytes())
                )
            })
            .collect();
        format!(r#"{{"Records":[{}]}}"#, records.join(","))
    }

    #[test]
    fn a_canary_is_known_by_key_and_data_together() {
        let id_of = |key: &str, data: &str| {
            let event = event(&[(key, data)]);
            id(&decode(event.as_bytes()).expect("an event")[0]).map(str::to_owned)
        };
        let (key, own) = (partition_key(ID), data(ID));
        assert_eq!(id_of(&key, &own).as_deref(), Some(ID));
        assert_eq!(new_id((0x0011_2233_4455_6677, 0x8899_aabb_ccdd_eeff)), ID);
        assert_eq!(new_id((0, 1)).len(), ID_DIGITS);
        let another = new_id((1, 2));
        for (why, key, data) in [
            ("other data", key.as_str(), "{}"),
            ("no data", &key, ""),
            ("another's data", &key, &data(&another)),
            ("another key", "order-17", &own),
            ("a key of the same length", &"x".repeat(key.len()), &own),
            ("capital letters", &key.to_ascii_uppercase(), &own),
            (
                "no digit",
                &partition_key(&ID.replace('f', "g")),
                &data(&ID.replace('f', "g")),
            ),
            ("too short", &key[..key.len() - 1], &own),
        ] {
            assert_eq!(id_of(key, data), None, "{why}");
        }
    }

    #[test]
    fn its_data_is_one_line_of_json() {
        let data = data(ID);
        let value: serde_json::Value = serde_json::from_str(&data).expect("JSON");
        assert_eq!(value["k2m-canary"], ID);
        assert!(!data.contains('\n'));
    }

    fn told(line: &Line) -> serde_json::Value {
        let mut told: serde_json::Value =
            serde_json::from_str(&line.text("2026-11-27T08:00:00Z").expect("a line")).expect("JSON");
        assert_eq!(told["timestamp"].take(), "2026-11-27T08:00:00Z");
        assert_eq!(
            serde_json::from_value::<Line>(told.clone()).expect("it is read back"),
            *line
        );
        told
    }

    #[test]
    fn the_line_says_where_it_is_and_how_long_it_took() {
        let event = event(&[(&partition_key(ID), &data(ID))]);
        let records = decode(event.as_bytes()).expect("an event");
        let now = UNIX_EPOCH + std::time::Duration::from_millis(3_600);
        let line = Line::stored(&records[0], ID, ("orders", 3, Some(1234)), now);
        assert_eq!(
            told(&line),
            serde_json::json!({"timestamp": null, "level": "INFO", "message": "canary", "canary": ID, "outcome": "delivered", "topic": "orders", "partition": 3,
                "offset": 1234, "milliseconds": 2100, "shard": "shardId-000000000001", "sequenceNumber": "0"})
        );
        // A clock that is behind the stream's took no time.
        let line = Line::stored(&records[0], ID, ("orders", 3, None), UNIX_EPOCH);
        assert_eq!((line.offset, line.milliseconds), (None, Some(0)));
        let line = line.dead_lettered("too large");
        let told = told(&line);
        assert_eq!(
            (&told["level"], &told["outcome"]),
            (&"WARN".into(), &"deadLettered".into())
        );
        assert_eq!(told["reason"], "too large");
    }

    #[test]
    fn what_failed_is_told_with_the_reason_of_the_batch() {
        let (key, own) = (partition_key(ID), data(ID));
        let event = event(&[("a", "1"), (&key, &own), ("b", "2"), (&key, &own)]);
        let records = decode(event.as_bytes()).expect("an event");
        let (ok, no) = (Outcome::Acknowledged, Outcome::Failed);
        let lines = |outcomes: [Outcome; 4], class: Class| -> Vec<(String, Fate, Option<String>)> {
            let failure = Failure {
                class,
                reason: "no topic".into(),
                librdkafka: String::new(),
            };
            let delivery = Delivery {
                outcomes: outcomes.to_vec(),
                messages: 0,
                controls: 0,
                bytes: 0,
                resent: 0,
                failure: outcomes.contains(&no).then_some(failure),
            };
            let lines = Line::failed(&records, &delivery);
            lines.map(|it| (it.sequence_number, it.outcome, it.reason)).collect()
        };
        let told = |number: &str, fate| (number.to_owned(), fate, Some("no topic".to_owned()));
        assert_eq!(lines([ok; 4], Class::Retryable), []);
        assert_eq!(lines([ok, ok, no, ok], Class::Retryable), []);
        assert_eq!(
            lines([no; 4], Class::Poison),
            [told("1", Fate::Failed), told("3", Fate::Failed)],
            "another record is the poison"
        );
        assert_eq!(
            lines([ok, no, no, no], Class::Poison),
            [told("1", Fate::Refused), told("3", Fate::Failed)]
        );
        assert_eq!(lines([ok, no, ok, ok], Class::Retryable), [told("1", Fate::Failed)]);
    }
}

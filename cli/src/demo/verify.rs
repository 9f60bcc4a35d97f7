//! Reads back what the demo delivered, and compares it with what was sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::Offset;
use serde::Deserialize;

use super::generate::Dataset;
use crate::local::broker::{BrokerError, Connection};
use crate::local::event::shard_id;
use crate::local::stream::Stream;

/// How long the cluster may be silent before reading back is given up.
const SILENCE: Duration = Duration::from_secs(15);

/// Where each partition begins or ends.
pub type Offsets = BTreeMap<i32, i64>;

/// What came of comparing.
#[derive(Debug)]
pub struct Verification {
    dataset: Dataset,
    stream: Stream,
    arrived: Vec<bool>,
    diverted: Vec<bool>,
    newest_of_key: Vec<Option<u64>>,
    /// Messages that were read.
    pub messages: u64,
    /// Messages of a record that had been read before.
    pub duplicates: u64,
    /// Records whose first appearance was after that of a later one of their key.
    pub out_of_order: u64,
    /// Messages with another payload, key or shard than was sent.
    pub altered: u64,
    /// Messages that are none of ours.
    pub foreign: u64,
}

impl Verification {
    /// Expects the records of `dataset`, sent through a stream of `shards`.
    pub fn new(dataset: Dataset, shards: u32) -> Self {
        let records = usize::try_from(dataset.len()).unwrap_or(usize::MAX);
        Self {
            dataset,
            stream: Stream::new(shards, 1),
            arrived: vec![false; records],
            diverted: vec![false; records],
            newest_of_key: vec![None; usize::try_from(dataset.keys()).unwrap_or(usize::MAX)],
            messages: 0,
            duplicates: 0,
            out_of_order: 0,
            altered: 0,
            foreign: 0,
        }
    }

    /// Takes a message, in the order of its partition.
    pub fn see(&mut self, shard: &str, sequence_number: &str, key: &[u8], payload: &[u8]) {
        self.messages += 1;
        let Some(index) = self.dataset.index(sequence_number) else {
            self.foreign += 1;
            return;
        };
        let (Ok(at), Ok(key_at)) = (usize::try_from(index), usize::try_from(self.dataset.key(index))) else {
            return;
        };
        let partition_key = self.dataset.partition_key(index);
        let expected_shard = self
            .stream
            .place(&partition_key, None, None, None)
            .map(|place| shard_id(place.shard));
        if key != partition_key.as_bytes()
            || expected_shard.is_ok_and(|expected| expected != shard)
            || payload != self.dataset.payload(index).as_bytes()
        {
            self.altered += 1;
        }
        if std::mem::replace(&mut self.arrived[at], true) {
            self.duplicates += 1;
            return;
        }
        match &mut self.newest_of_key[key_at] {
            Some(newest) if *newest > index => self.out_of_order += 1,
            newest => *newest = Some(index),
        }
    }

    /// Takes the failure destination's file.
    pub fn see_destination(&mut self, path: &Path) -> Result<(), String> {
        let unreadable = |error: &dyn std::fmt::Display| format!("failed to read {}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
        for line in text.lines() {
            let message: Diverted = serde_json::from_str(line).map_err(|error| unreadable(&error))?;
            for record in message.records {
                let index = self.dataset.index(&record.kinesis.sequence_number);
                if let Some(at) = index.and_then(|index| usize::try_from(index).ok()) {
                    self.diverted[at] = true;
                }
            }
        }
        Ok(())
    }

    /// Records that were sent.
    pub fn sent(&self) -> u64 {
        self.dataset.len()
    }

    /// Records that were read back, each counted once.
    pub fn read_back(&self) -> u64 {
        count(self.arrived.iter().copied())
    }

    /// Records that are in the failure destination and did not arrive as well.
    pub fn diverted(&self) -> u64 {
        count(
            self.arrived
                .iter()
                .zip(&self.diverted)
                .map(|(arrived, diverted)| *diverted && !*arrived),
        )
    }

    /// Records that are nowhere.
    pub fn lost(&self) -> u64 {
        self.dataset.len() - self.read_back() - self.diverted()
    }

    /// Whether the failure destination names the oversized record.
    pub fn oversized_is_diverted(&self) -> bool {
        usize::try_from(self.dataset.oversized()).is_ok_and(|at| self.diverted[at])
    }
}

fn count(flags: impl Iterator<Item = bool>) -> u64 {
    flags.fold(0, |count, flag| count + u64::from(flag))
}

#[derive(Deserialize)]
struct Diverted {
    records: Vec<DivertedRecord>,
}

#[derive(Deserialize)]
struct DivertedRecord {
    kinesis: DivertedKinesis,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DivertedKinesis {
    sequence_number: String,
}

/// Where each partition of a topic ends now.
pub fn ends(connection: &Connection, topic: &str) -> Result<Offsets, BrokerError> {
    let failed = |source| question("ask where topic's partitions end", connection, source);
    let consumer: BaseConsumer = connection.client_config().create().map_err(failed)?;
    let metadata = consumer.fetch_metadata(Some(topic), SILENCE).map_err(failed)?;
    let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    partitions
        .map(|partition| {
            let (_, end) = consumer
                .fetch_watermarks(topic, partition.id(), SILENCE)
                .map_err(failed)?;
            Ok((partition.id(), end))
        })
        .collect()
}

/// Reads every message between two sets of offsets, partition by partition in its order.
pub fn read_back(
    connection: &Connection,
    topic: &str,
    from: &Offsets,
    to: &Offsets,
    verification: &mut Verification,
) -> Result<(), BrokerError> {
    let failed = |source| question("read topic back", connection, source);
    let consumer: BaseConsumer = connection
        .client_config()
        .set("group.id", "k2m-demo")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .create()
        .map_err(failed)?;
    let mut open = BTreeMap::new();
    let mut assignment = TopicPartitionList::new();
    for (&partition, &end) in to {
        let start = from.get(&partition).copied().unwrap_or(0);
        if start < end {
            open.insert(partition, end);
            assignment
                .add_partition_offset(topic, partition, Offset::Offset(start))
                .map_err(failed)?;
        }
    }
    consumer.assign(&assignment).map_err(failed)?;
    let mut heard = Instant::now();
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let partition = message.partition();
                if message.offset() < open.get(&partition).copied().unwrap_or(0) {
                    let header = |name| header(&message, name);
                    verification.see(
                        &header("k2m-shard"),
                        &header("k2m-sequence"),
                        message.key().unwrap_or_default(),
                        message.payload().unwrap_or_default(),
                    );
                }
                open.retain(|&open, end| open != partition || message.offset() + 1 < *end);
            }
            // Control records at the end of a partition have no message of their own.
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
            // librdkafka tries again by itself; silence tells when it is in vain.
            Some(Err(error)) if heard.elapsed() > SILENCE => return Err(failed(error)),
            None if heard.elapsed() > SILENCE => {
                return Err(failed(KafkaError::Canceled));
            }
            Some(Err(_)) | None => {}
        }
    }
    Ok(())
}

fn header(message: &impl Message, name: &str) -> String {
    let value = message
        .headers()
        .and_then(|headers| headers.iter().find(|header| header.key == name)?.value);
    value
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}

/// The failure of something that was asked.
pub fn question(what: &str, connection: &Connection, source: KafkaError) -> BrokerError {
    BrokerError::Question {
        what: what.to_owned(),
        servers: connection.bootstrap_servers.clone(),
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(verification: &mut Verification, index: u64) {
        let dataset = verification.dataset;
        let payload = dataset.payload(index);
        verification.see(
            "shardId-000000000000",
            &Dataset::sequence_number(index),
            dataset.partition_key(index).as_bytes(),
            payload.as_bytes(),
        );
    }

    #[test]
    fn all_there_once_is_nothing_lost() {
        let mut verification = Verification::new(Dataset::new(100), 1);
        (0..101)
            .filter(|&index| index != 50)
            .for_each(|index| see(&mut verification, index));
        assert_eq!(
            (verification.read_back(), verification.lost()),
            (100, 1),
            "the oversized one is nowhere yet"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let line = format!(
            "{{\"records\":[{{\"kinesis\":{{\"sequenceNumber\":\"{}\"}}}}]}}\n",
            Dataset::sequence_number(50)
        );
        std::fs::write(&path, line).unwrap();
        verification.see_destination(&path).unwrap();
        assert!(verification.oversized_is_diverted());
        assert_eq!((verification.diverted(), verification.lost()), (1, 0));
        assert_eq!(
            (verification.duplicates, verification.out_of_order, verification.altered),
            (0, 0, 0)
        );
    }

    #[test]
    fn repeats_are_no_disorder_but_first_appearances_may_be() {
        let dataset = Dataset::new(100);
        let mut verification = Verification::new(dataset, 1);
        let of_key: Vec<u64> = (0..101)
            .filter(|&i| i != 50 && dataset.key(i) == dataset.key(0))
            .collect();
        assert!(of_key.len() >= 4, "{of_key:?}");
        for index in [of_key[0], of_key[1], of_key[0], of_key[1], of_key[3], of_key[2]] {
            see(&mut verification, index);
        }
        assert_eq!((verification.duplicates, verification.out_of_order), (2, 1));
    }

    #[test]
    fn what_was_changed_is_seen() {
        let dataset = Dataset::new(100);
        let mut verification = Verification::new(dataset, 1);
        let number = Dataset::sequence_number(1);
        let (key, payload) = (dataset.partition_key(1), dataset.payload(1));
        let shard = "shardId-000000000000";
        verification.see(shard, &number, key.as_bytes(), b"other");
        verification.see(shard, &number, b"other", payload.as_bytes());
        verification.see("shardId-000000000001", &number, key.as_bytes(), payload.as_bytes());
        verification.see(shard, "7", key.as_bytes(), payload.as_bytes());
        assert_eq!(
            (verification.altered, verification.foreign, verification.messages),
            (3, 1, 4)
        );
    }
}

//! The canary: a record that says nothing, written to the topic, and read back where the function may read.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError as Code;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, ListOffsetsRequest};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchDecoder,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use tokio::time::{Instant, sleep};

use super::Probe;
use super::crew::{Crew, topic_name};
use super::report::{Canary, Step};
use super::topic::{AGAIN, SETTLING, produce};
use super::wire::{Wire, refused};
use super::words::Trouble;
use crate::canary::HEADER;

/// Bytes that are asked for when it is read back: a batch is given whole, however large.
const READ_BYTES: i32 = 64 << 10;

/// Where a record batch has its length.
const LENGTH_AT: usize = 8;

/// Where what the length counts begins.
const BODY_AT: usize = 12;

/// Milliseconds that the broker may wait for it.
const READ_MILLIS: i32 = 1_000;

/// Writes it to a partition whose leader was reached, and reads it back.
pub(super) async fn fly(topic: &str, crew: &mut Crew, probe: &mut Probe) {
    let led: Vec<(i32, i32)> = probe
        .topics
        .first()
        .map(|topic| topic.partitions.as_slice())
        .unwrap_or_default()
        .iter()
        .filter_map(|partition| Some((partition.number, partition.leader?)))
        .collect();
    let mut reached = None;
    for (partition, leader) in led {
        if crew.of_id(leader).is_some() {
            reached = Some((partition, leader));
            break;
        }
    }
    // That no leader could be reached was told before.
    let Some((partition, leader)) = reached else { return };
    let Some((address, wire)) = crew.of_id(leader) else {
        return;
    };
    let address = address.to_owned();
    let mut canary = Canary {
        partition,
        offset: None,
        produce_milliseconds: None,
        read_milliseconds: None,
        not_read: None,
    };
    if let Err(trouble) = there_and_back(&mut canary, topic, wire).await {
        probe.fail(Step::Canary, &trouble, Some(&address), Some(topic));
    }
    probe.canary = Some(canary);
}

async fn there_and_back(canary: &mut Canary, topic: &str, wire: &mut Wire) -> Result<(), Trouble> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mark = Bytes::from(format!("{:x}", now.as_nanos()));
    let timestamp = i64::try_from(now.as_millis()).unwrap_or_default();
    let start = Instant::now();
    let batch = batch(&mark, timestamp).map_err(|error| Trouble::System(error.to_string()))?;
    let offset = patiently(wire, topic, canary.partition, &batch).await?;
    canary.offset = Some(offset);
    canary.produce_milliseconds = Some(start.elapsed().into());

    let start = Instant::now();
    let end = end_offset(wire, topic, canary.partition).await?;
    if end <= offset {
        return Err(Trouble::Lost(format!(
            "it got offset {offset}, and the partition ends at {end}"
        )));
    }
    match fetch(wire, topic, canary.partition, offset).await {
        Ok(records) => {
            know(records, offset, timestamp, &mark)?;
            canary.read_milliseconds = Some(start.elapsed().into());
            Ok(())
        }
        Err(Trouble::Code(Code::TopicAuthorizationFailed, _)) => {
            canary.not_read = Some(
                "the function may not read the topic, which it need not; the partition's end offset says that the record is there".to_owned(),
            );
            Ok(())
        }
        Err(trouble) => Err(trouble),
    }
}

/// Writes it, and again while a broker does not know yet that it leads a partition that was just created.
async fn patiently(wire: &mut Wire, topic: &str, partition: i32, batch: &Bytes) -> Result<i64, Trouble> {
    let until = Instant::now() + SETTLING;
    loop {
        match produce(wire, topic, partition, batch.clone()).await {
            Err(Trouble::Code(
                Code::NotLeaderOrFollower | Code::UnknownTopicOrPartition | Code::LeaderNotAvailable,
                _,
            )) if Instant::now() < until => {
                sleep(AGAIN).await;
            }
            answered => return answered,
        }
    }
}

type EncodeError = Box<dyn std::error::Error + Send + Sync>;

/// The record, in a batch of its own. It has a key, which compacted topics want.
fn batch(mark: &Bytes, timestamp: i64) -> Result<Bytes, EncodeError> {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp,
        key: Some(Bytes::from_static(HEADER.as_bytes())),
        value: Some(Bytes::from_static(
            b"k2m was here: a record of the probe, to be passed over",
        )),
        headers: IndexMap::from([(StrBytes::from_static_str(HEADER), Some(mark.clone()))]),
    };
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut batch = BytesMut::new();
    RecordBatchEncoder::encode(&mut batch, [&record], &options)?;
    Ok(batch.freeze())
}

/// The offset that the next record of a partition gets.
async fn end_offset(wire: &mut Wire, topic: &str, partition: i32) -> Result<i64, Trouble> {
    let asked = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_current_leader_epoch(-1)
        // Kafka's word for the end.
        .with_timestamp(-1);
    let asked = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![asked]);
    let answer = wire.ask(&request).await?;
    let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
    let partition = partition.ok_or_else(|| Trouble::Unreadable("the answer names no partition".to_owned()))?;
    refused(partition.error_code, None)?;
    Ok(partition.offset)
}

/// What a partition holds from this offset on: record batches, the last of which may be cut off.
async fn fetch(wire: &mut Wire, topic: &str, partition: i32, offset: i64) -> Result<Bytes, Trouble> {
    let asked = FetchPartition::default()
        .with_partition(partition)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(READ_BYTES);
    let asked = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![asked]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(READ_MILLIS)
        .with_min_bytes(1)
        .with_max_bytes(READ_BYTES)
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(vec![asked]);
    let answer = wire.ask(&request).await?;
    refused(answer.error_code, None)?;
    let partition = answer
        .responses
        .into_iter()
        .next()
        .and_then(|topic| topic.partitions.into_iter().next());
    let partition = partition.ok_or_else(|| Trouble::Unreadable("the answer names no partition".to_owned()))?;
    refused(partition.error_code, None)?;
    Ok(partition.records.unwrap_or_default())
}

/// Sees whether the first batch of what was read is the canary's own. A topic with a compression of its own has the broker compress the batch
/// anew: then it is known by its header, which no broker compresses and whose checksum is over all of it.
fn know(mut records: Bytes, offset: i64, timestamp: i64, mark: &Bytes) -> Result<(), Trouble> {
    let unreadable = |error: &dyn std::fmt::Display| Trouble::Unreadable(error.to_string());
    let another = || Trouble::Lost(format!("at offset {offset} is another record"));
    let mut batch = first_batch(&mut records).ok_or_else(|| unreadable(&"no whole record batch was read"))?;
    let info = RecordBatchDecoder::decode_batch_info(&mut batch.clone()).map_err(|error| unreadable(&error))?;
    let info = info
        .first()
        .ok_or_else(|| unreadable(&"the record batch is in a format from before Kafka 0.11"))?;
    // The decoder makes room for as many records as the header says: it is asked for no more than the one.
    if info.min_offset != offset || info.record_count != 1 {
        return Err(another());
    }
    let known = if info.compression == Compression::None {
        let batch = RecordBatchDecoder::decode(&mut batch).map_err(|error| unreadable(&error))?;
        let header = StrBytes::from_static_str(HEADER);
        let marked = |record: &Record| record.headers.get(&header).is_some_and(|it| it.as_ref() == Some(mark));
        batch.records.first().is_some_and(marked)
    } else {
        // Of a topic that keeps the time of writing, the broker may have set it.
        info.timestamp_type == TimestampType::LogAppend || info.min_timestamp == timestamp
    };
    if known { Ok(()) } else { Err(another()) }
}

/// The first batch, without what others have written behind it; none where it is not whole.
fn first_batch(records: &mut Bytes) -> Option<Bytes> {
    let length = records.get(LENGTH_AT..BODY_AT)?.try_into().ok()?;
    let end = BODY_AT.checked_add(u32::from_be_bytes(length).try_into().ok()?)?;
    (end <= records.len()).then(|| records.split_to(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSET: i64 = 7;
    const TIME: i64 = 1_700_000_000_000;

    fn mark() -> Bytes {
        Bytes::from_static(b"17")
    }

    /// The canary's batch as a broker stores it, which compresses it anew.
    fn stored(compression: Compression) -> Bytes {
        let mut sent = batch(&mark(), TIME).expect("a batch");
        let mut records = RecordBatchDecoder::decode(&mut sent).expect("it is good").records;
        records[0].offset = OFFSET;
        let options = RecordEncodeOptions {
            version: 2,
            compression,
        };
        // What a real one would make of it doesn't matter: it is not looked into.
        let press = |_: &mut BytesMut, out: &mut BytesMut, _: Compression| {
            out.extend_from_slice(b"pressed");
            Ok(())
        };
        let mut batch = BytesMut::new();
        if compression == Compression::None {
            RecordBatchEncoder::encode(&mut batch, &records, &options).expect("a batch");
        } else {
            RecordBatchEncoder::encode_with_custom_compression(&mut batch, &records, &options, Some(press))
                .expect("a batch");
        }
        batch.freeze()
    }

    #[test]
    fn the_canary_is_known_whatever_it_was_compressed_with() {
        for compression in [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            let batch = stored(compression);
            assert_eq!(know(batch.clone(), OFFSET, TIME, &mark()), Ok(()), "{compression:?}");
            let and_more = [&batch[..], &batch[..20]].concat();
            assert_eq!(
                know(and_more.into(), OFFSET, TIME, &mark()),
                Ok(()),
                "cut off behind it"
            );
            let lost = know(batch.clone(), OFFSET + 1, TIME, &mark());
            assert!(matches!(lost, Err(Trouble::Lost(_))), "another offset: {lost:?}");
            let lost = know(batch.clone(), OFFSET, TIME + 1, &Bytes::from_static(b"18"));
            assert!(matches!(lost, Err(Trouble::Lost(_))), "another record: {lost:?}");
            let mut damaged = batch.to_vec();
            *damaged.last_mut().expect("bytes") ^= 1;
            let damaged = know(damaged.into(), OFFSET, TIME, &mark());
            assert!(matches!(damaged, Err(Trouble::Unreadable(_))), "{damaged:?}");
        }
    }

    #[test]
    fn what_is_no_whole_batch_is_named() {
        let batch = stored(Compression::None);
        for bad in [
            Bytes::new(),
            batch.slice(..batch.len() - 1),
            Bytes::from_static(&[0xff; 70]),
            Bytes::from_static(&[0; 12]),
        ] {
            let read = know(bad.clone(), 0, TIME, &mark());
            assert!(matches!(read, Err(Trouble::Unreadable(_))), "{bad:?}: {read:?}");
        }
    }
}

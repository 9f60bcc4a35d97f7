//! What data is taken for, and what messages are made of: the user's choices, and what should be known of them.

use k2m_handler::payload::{Compression, Key, Split};

use super::error::PlanError;
use super::notes::Notes;
use super::seen::{One, Seen};
use super::topic::{compacted, numbers};

/// Brokers know Zstandard from this version on.
const FIRST_ZSTD: (u32, u32) = (2, 1);

/// Notes what is not as it is by default, refuses disorder where order was asked for, and warns of it elsewhere.
pub(super) fn choose(one: &One, seen: &Seen, notes: &mut Notes) -> Result<(), PlanError> {
    let settings = one.settings;
    let payload = &settings.payload;
    for (row, text, source) in payload.chosen() {
        let disorder = payload.disorder_by_key().filter(|_| row.name == "key");
        let disorder = disorder.map(|why| format!("; {why}")).unwrap_or_default();
        notes.decide(row.name, text, format!("chosen by {source}{disorder}"));
    }
    if payload.strict_order.value {
        let reasons = payload.disorder(&settings.parallelization_factor);
        if !reasons.is_empty() {
            return Err(PlanError::Disorder {
                by: payload.strict_order.source.clone(),
                reasons,
            });
        }
        notes.decide(
            "strict_order",
            "messages of a partition key are in one partition, in the order of their records",
            format!("chosen by {}", payload.strict_order.source),
        );
    }
    if let Some(warning) = payload.disorder_by_lanes(&settings.parallelization_factor) {
        notes.warn(warning);
    }
    compaction(one, seen, notes);
    zstd(one, seen, notes);
    Ok(())
}

/// Warns where Kafka's compaction of a topic takes messages for older versions of each other, or refuses them.
fn compaction(one: &One, seen: &Seen, notes: &mut Notes) {
    let topics = compacted(one, seen);
    if topics.is_empty() {
        return;
    }
    let (topics, payload) = (topics.join(", "), &one.settings.payload);
    match payload.key.value.choice {
        Key::None => notes.warn(format!(
            "key is none ({}), and {topics} is compacted (cleanup.policy): Kafka refuses every message without a key there, and each would be poison; choose \
             another key, or cleanup.policy=delete",
            payload.key.source
        )),
        Key::PartitionKey | Key::ExplicitHashKey if payload.decode.value.choice.split != Split::Whole => {
            notes.warn(format!(
                "decode is {} ({}), so that messages out of one record have one key, and {topics} is compacted (cleanup.policy): of each record Kafka would keep \
                 the last message only; choose a key by a JSON pointer, or cleanup.policy=delete",
                payload.decode.value.text, payload.decode.source
            ));
        }
        Key::PartitionKey | Key::ExplicitHashKey | Key::Pointer(_) => {}
    }
}

fn zstd(one: &One, seen: &Seen, notes: &mut Notes) {
    let compression = &one.settings.payload.compression;
    let version = seen.cluster.and_then(|cluster| cluster.kafka_version.as_deref());
    let old = version.filter(|version| numbers(version).is_some_and(|version| version < FIRST_ZSTD));
    if let (Compression::Zstd, Some(version)) = (compression.value.choice, old) {
        let (major, minor) = FIRST_ZSTD;
        notes.warn(format!(
            "compression is zstd ({}), which brokers know from Kafka {major}.{minor} on, and the cluster's is {version}: every batch would be refused; choose lz4, \
             or a later version",
            compression.source
        ));
    }
}

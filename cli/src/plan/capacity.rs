//! Whether all of it fits: connections and invocations, what an invocation holds, replicas, and times. Warnings with the numbers, since each may be meant.

use super::notes::Notes;
use super::seen::{One, Seen};
use super::{NewTopic, PlannedCluster, PlannedMapping};
use crate::facts::{Concurrency, Topic};
use crate::settings::Authentication;

/// MSK's limits of IAM connections: per broker, and new ones per second (on kafka.t3.small).
const CONNECTIONS: u64 = 3000;
const NEW_CONNECTIONS: u64 = 100;
const NEW_CONNECTIONS_T3: u64 = 4;
/// The most that Lambda takes of an invocation's event.
pub(super) const EVENT_BYTES: u64 = 6 * 1024 * 1024;
/// What of an event is around the data of one record, and how much of it one with 200 bytes of data takes: counted in real events.
const ENVELOPE_BYTES: u64 = 536;
const SMALL_DATA_BYTES: u64 = 200;
/// Kinesis's own largest record, where AWS names no other.
const MAX_RECORD_KIB: u32 = 1024;

/// Warns where the functions would open more connections than the brokers take, or run more at once than the account lets them.
pub(super) fn connections(cluster: &PlannedCluster, seen: &Seen, notes: &mut Notes) {
    // Each batch in work has a sandbox of its own, and each sandbox a connection to each broker.
    let sandboxes: u64 = seen.pipelines.iter().map(One::sandboxes).sum();
    let shards: u64 = seen.pipelines.iter().map(|one| u64::from(one.stream.open_shards)).sum();
    let origin = match seen.pipelines.as_slice() {
        [one] => format!(
            "{shards} shards with a parallelization factor of {}",
            one.settings.parallelization_factor.value
        ),
        many => format!(
            "{shards} shards of {} streams, each with its parallelization factor,",
            many.len()
        ),
    };
    if cluster.authentication == Authentication::Iam {
        over_iam(sandboxes, &origin, seen, notes);
    }
    if let Some(Concurrency { limit, unreserved }) =
        seen.concurrency.filter(|room| sandboxes > u64::from(room.unreserved))
    {
        notes.warn(format!(
            "{origin} have up to {sandboxes} invocations at the same time, and the account has {unreserved} in {} that no function has reserved (of {limit}): Lambda \
             throttles what is more, and every other function of the account with it; lower the factor, or have the quota of concurrent executions raised",
            seen.settings.home.region
        ));
    }
}

fn over_iam(sandboxes: u64, origin: &str, seen: &Seen, notes: &mut Notes) {
    if sandboxes > CONNECTIONS {
        notes.warn(format!(
            "{origin} take {sandboxes} connections to each of {} brokers, and MSK allows {CONNECTIONS} with IAM: lower the factor, or add brokers and \
             partitions",
            seen.brokers.len()
        ));
    } else if sandboxes > NEW_CONNECTIONS {
        notes.warn(format!(
            "{origin} open {sandboxes} connections to each broker at once, and MSK takes {NEW_CONNECTIONS} new ones a second with IAM \
             ({NEW_CONNECTIONS_T3} on kafka.t3.small): the first batches may be retried after `Too many connects`"
        ));
    }
}

/// Warns of what doesn't fit in one pipeline.
pub(super) fn pipeline(one: &One, seen: &Seen, mapping: &PlannedMapping, new: Option<&NewTopic>, notes: &mut Notes) {
    event(one, notes);
    replicas(one, seen, new, notes);
    times(one, mapping, notes);
}

/// Bytes of an event for a record with so much data: it is in base64.
pub(super) const fn in_event(data: u64) -> u64 {
    data.div_ceil(3) * 4 + ENVELOPE_BYTES
}

/// What Lambda's limit of an event leaves out.
fn event(one: &One, notes: &mut Notes) {
    let largest = u64::from(one.stream.max_record_kib.unwrap_or(MAX_RECORD_KIB)) * 1024;
    if in_event(largest) > EVENT_BYTES {
        let fitting = (EVENT_BYTES - ENVELOPE_BYTES) / 4 * 3;
        notes.warn(format!(
            "the stream takes records of up to {largest} bytes, which are {} in an event, in base64, and Lambda takes events of up to {EVENT_BYTES}: a record of more than \
             {fitting} bytes never reaches the function, and goes to the failure destination",
            in_event(largest)
        ));
    }
    let size = &one.settings.batch_size;
    let small = EVENT_BYTES / in_event(SMALL_DATA_BYTES);
    if u64::from(size.value) > small {
        notes.warn(format!(
            "batch_size {} ({}) is more than an event holds: its {EVENT_BYTES} bytes are {small} records of {SMALL_DATA_BYTES} bytes, {} of 1 KiB, or {} of the stream's largest \
             ({largest} bytes); Lambda sends fewer then, whatever the size says",
            size.value,
            size.source,
            EVENT_BYTES / in_event(1024),
            EVENT_BYTES / in_event(largest)
        ));
    }
}

/// Replicas that have to take each record, of those that there are.
fn replicas(one: &One, seen: &Seen, new: Option<&NewTopic>, notes: &mut Notes) {
    let name = &one.settings.topic.value;
    let topic = one.topic.found();
    let Some(replicas) = topic
        .map(|topic| topic.replication_factor)
        .or(new.and_then(|new| new.replication_factor))
    else {
        return;
    };
    let own = topic.and_then(|topic: &Topic| topic.settings.get("min.insync.replicas"));
    let needed = own.map(String::as_str).or_else(|| seen.property("min.insync.replicas"));
    let Some(needed) = needed.and_then(|needed| needed.parse::<u32>().ok()) else {
        return;
    };
    let whose = if own.is_some() { "its own" } else { "the cluster's" };
    if needed > replicas {
        notes.warn(format!(
            "the topic {name} has {replicas} replica(s) of each partition, and min.insync.replicas ({whose}) is {needed}: brokers refuse every record (`Not enough in-sync \
             replicas`); set min.insync.replicas of the topic to {} or fewer, or give it more replicas",
            replicas.saturating_sub(1).max(1)
        ));
    } else if needed == replicas && replicas > 1 {
        notes.warn(format!(
            "the topic {name} has {replicas} replicas of each partition, and min.insync.replicas ({whose}) is {needed}: while one of {} brokers restarts, as for each update of MSK, \
             nothing is written and records wait; set min.insync.replicas of the topic to {}",
            seen.brokers.len(),
            replicas - 1
        ));
    }
}

/// Times that leave no room for one another.
fn times(one: &One, mapping: &PlannedMapping, notes: &mut Notes) {
    let timeout = &one.settings.timeout;
    let window = mapping.maximum_batching_window_seconds;
    let Ok(age) = u32::try_from(mapping.maximum_record_age_seconds) else {
        return;
    };
    let twice = timeout.value.saturating_mul(2).saturating_add(window);
    if age < twice {
        notes.warn(format!(
            "records are given up when they are {age} s old (maximum_record_age), and a batch is waited for up to {window} s and may take {} s (timeout): one that times out once may \
             not be tried again; {twice} s or more",
            timeout.value
        ));
    }
}

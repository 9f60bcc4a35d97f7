//! What a stream's own figures ask of its mapping and its function, with the numbers. Pure.

use std::fmt::Write as _;

use super::capacity::{EVENT_BYTES, in_event};
use super::fitting_memory;

/// Records come in bursts, and not to all shards alike: what is planned for is so many times the busiest time's mean.
const BURSTS: u64 = 2;
/// Milliseconds that brokers take for a batch at most, as a rule: all replicas, in other zones.
const BROKERS_MS: u64 = 100;
/// Milliseconds that a whole processor works on an event of the largest size; measured, see docs/benchmark.md.
const EVENT_MS: u64 = 28;
/// The memory that comes with a whole processor.
const PROCESSOR_MB: u64 = 1769;
/// So much of a shard's time may be spent, in percent: the rest is for what piles up after a standstill.
const BUSY: u64 = 50;

/// What came into a stream in its busiest time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many days were looked at.
    pub days: u32,
    /// How long the busiest time is, in seconds.
    pub seconds: u32,
    /// Records in the busiest such time.
    pub records: u64,
    /// Bytes in the busiest such time.
    pub bytes: u64,
}

/// A mapping's and a function's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Most records in one invocation.
    pub batch_size: u32,
    /// Batches of one shard in work at the same time.
    pub parallelization_factor: u32,
    /// Memory in MB.
    pub memory: u32,
}

/// The size that a stream with so many shards asks for, in place of this one, and why.
pub fn suggest(now: Size, shards: u32, load: &Load) -> (Size, String) {
    let shards = u64::from(shards.max(1));
    let seconds = u64::from(load.seconds.max(1));
    let a_second = |amount: u64| amount.div_ceil(seconds * shards);
    let (records, bytes) = (a_second(load.records), a_second(load.bytes));
    let seen = format!(
        "in the busiest {} minutes of {} days each shard had {records} records and {} a second",
        load.seconds / 60,
        load.days,
        size(bytes)
    );
    if load.records == 0 {
        return (now, format!("nothing came in within {} days", load.days));
    }
    let mean = load.bytes / load.records;
    let fitting = (EVENT_BYTES / in_event(mean)).clamp(1, 10_000);
    let batch_size = u64::from(now.batch_size).min(rounded(fitting));
    let memory = now
        .memory
        .max(fitting_memory(u32::try_from(batch_size).unwrap_or(u32::MAX)));
    // Of each second: what comes, in so many invocations, each of which takes so long.
    let invocations = (records * BURSTS).div_ceil(batch_size).max(1);
    let event = (batch_size.min(records * BURSTS) * in_event(mean)).min(EVENT_BYTES);
    let works = EVENT_MS * event * PROCESSOR_MB / EVENT_BYTES / u64::from(memory.max(1));
    let took = invocations * (BROKERS_MS + works);
    let factor = took.div_ceil(10 * BUSY).clamp(1, 10);
    let parallelization_factor = now.parallelization_factor.max(u32::try_from(factor).unwrap_or(10));
    let suggested = Size {
        batch_size: u32::try_from(batch_size).unwrap_or(now.batch_size),
        parallelization_factor,
        memory,
    };
    let mut why = seen;
    if suggested.batch_size < now.batch_size {
        let _ = write!(why, "; an event holds {fitting} records of {}", size(mean));
    }
    if suggested.parallelization_factor > now.parallelization_factor {
        let _ = write!(
            why,
            "; one batch at a time would take {took} ms of each second, twice that much coming in"
        );
    } else {
        let _ = write!(
            why,
            "; one function takes that with {} ms of each second, were it twice as much",
            took.min(1000)
        );
    }
    if suggested.memory > now.memory {
        let _ = write!(why, "; {} MB are what such batches get along with", suggested.memory);
    }
    (suggested, why)
}

/// A number that people would choose, not larger.
const fn rounded(number: u64) -> u64 {
    match number {
        0..=9 => number,
        10..=99 => number / 10 * 10,
        100..=999 => number / 100 * 100,
        _ => number / 1000 * 1000,
    }
}

/// Bytes, for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..=9999 => format!("{bytes} bytes"),
        _ => format!("{} KiB", bytes / 1024),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const DEFAULT: Size = Size {
        batch_size: 1000,
        parallelization_factor: 1,
        memory: 256,
    };

    #[test]
    fn each_load_has_its_size() {
        let small = Size {
            batch_size: 10,
            ..DEFAULT
        };
        let tight = Size { memory: 128, ..DEFAULT };
        let rows: &[(&str, Size, u32, u64, u64)] = &[
            ("nothing", DEFAULT, 1, 0, 0),
            ("little", DEFAULT, 4, 300, 300 * 200),
            ("a full shard of small records", DEFAULT, 1, 300_000, 300_000 * 200),
            ("a full shard of 1 KiB", DEFAULT, 1, 300_000, 300_000 * 1024),
            ("large records", DEFAULT, 2, 6_000, 6_000 * 100_000),
            ("the largest records", DEFAULT, 1, 300, 300 << 20),
            ("small batches", small, 1, 60_000, 60_000 * 200),
            ("small batches, many shards", small, 100, 60_000, 60_000 * 200),
            ("little memory", tight, 1, 30_000, 30_000 * 200),
            ("no shards are known", DEFAULT, 0, 300, 300),
            ("more than can be", DEFAULT, 1, u64::MAX / 4, u64::MAX / 4),
        ];
        let mut shown = String::new();
        for (name, now, shards, records, bytes) in rows {
            let load = Load {
                days: 7,
                seconds: 300,
                records: *records,
                bytes: *bytes,
            };
            let (size, why) = suggest(*now, *shards, &load);
            let _ = writeln!(shown, "{name}: {size:?}\n  {why}");
        }
        insta::assert_snapshot!(shown);
    }
}

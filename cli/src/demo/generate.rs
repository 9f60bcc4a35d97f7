//! The demo's records. Each follows from its index alone, so that nothing has to be remembered to check what arrived.

use std::fmt::Write as _;
use std::io::{self, Read};

/// Payload of the record that no topic accepts, in bytes.
pub const OVERSIZED: usize = 2 * 1024 * 1024;
/// What each sequence number begins with; the rest is the index.
const PREFIX: &str = "49";

/// A set of records, numbered from 0, with an oversized one in the middle.
#[derive(Clone, Copy, Debug)]
pub struct Dataset {
    ordinary: u64,
}

impl Dataset {
    /// As many ordinary records, and the oversized one.
    pub fn new(ordinary: u64) -> Self {
        Self { ordinary }
    }

    /// Number of records.
    pub fn len(self) -> u64 {
        self.ordinary + 1
    }

    /// Never: the oversized record is always there.
    pub fn is_empty(self) -> bool {
        false
    }

    /// The index of the oversized record.
    pub fn oversized(self) -> u64 {
        self.ordinary / 2
    }

    /// How many partition keys there are.
    pub fn keys(self) -> u64 {
        (self.ordinary / 20).clamp(10, 1_000)
    }

    /// Which of the keys a record has.
    pub fn key(self, index: u64) -> u64 {
        mix(index) % self.keys()
    }

    /// A record's partition key.
    pub fn partition_key(self, index: u64) -> String {
        format!("sensor-{}", self.key(index))
    }

    /// A record's payload.
    pub fn payload(self, index: u64) -> String {
        if index == self.oversized() {
            return "x".repeat(OVERSIZED);
        }
        let value = mix(index.wrapping_add(1 << 32));
        let mut payload = format!("reading {index} of {}: {value:016x} ", self.partition_key(index));
        let length = 120 + usize::try_from(value % 160).unwrap_or(0);
        while payload.len() < length {
            payload.push(char::from(b'a' + u8::try_from(payload.len() % 26).unwrap_or(0)));
        }
        payload
    }

    /// A record's sequence number, in 56 digits as Kinesis has it.
    pub fn sequence_number(index: u64) -> String {
        format!("{PREFIX}{index:054}")
    }

    /// The index of the record with this sequence number, if it is one of this set.
    pub fn index(self, sequence_number: &str) -> Option<u64> {
        let digits = sequence_number
            .strip_prefix(PREFIX)
            .filter(|digits| digits.len() == 54)?;
        digits.parse().ok().filter(|&index| index < self.len())
    }

    /// The records as the input of a run.
    pub fn lines(self) -> Lines {
        Lines {
            dataset: self,
            next: 0,
            line: String::new(),
            read: 0,
        }
    }
}

/// Scrambles a number (the finalizer of `SplitMix64`).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// JSON lines, made as they are read.
#[derive(Debug)]
pub struct Lines {
    dataset: Dataset,
    next: u64,
    line: String,
    read: usize,
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.line.len() && self.next < self.dataset.len() {
            self.line.clear();
            self.read = 0;
            // Keys and payloads have no character that JSON would escape. Writing to a string can't fail.
            let _ = writeln!(
                self.line,
                r#"{{"partitionKey":"{}","sequenceNumber":"{}","data":"{}"}}"#,
                self.dataset.partition_key(self.next),
                Dataset::sequence_number(self.next),
                self.dataset.payload(self.next)
            );
            self.next += 1;
        }
        let rest = &self.line.as_bytes()[self.read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::input::Input;
    use crate::local::stream::Stream;

    #[test]
    fn the_lines_are_the_records() {
        let dataset = Dataset::new(200);
        let mut input = Input::new(dataset.lines());
        let mut stream = Stream::new(2, 1);
        let mut index = 0;
        while let Some((_, record)) = input.next(&mut stream, 0).unwrap() {
            assert_eq!(dataset.index(record.sequence_number()), Some(index));
            assert_eq!(record.data_bytes(), dataset.payload(index).len());
            index += 1;
        }
        assert_eq!(index, dataset.len());
        assert_eq!(dataset.payload(100).len(), OVERSIZED);
    }

    #[test]
    fn foreign_sequence_numbers_have_no_index() {
        let dataset = Dataset::new(200);
        assert_eq!(dataset.index(&Dataset::sequence_number(200)), Some(200));
        for foreign in [Dataset::sequence_number(201).as_str(), "49", "", "7"] {
            assert_eq!(dataset.index(foreign), None, "{foreign}");
        }
    }
}

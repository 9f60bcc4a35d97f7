//! The stream that the input stands for: which shard and lane a record belongs to, and its sequence number.

use md5::{Digest as _, Md5};
use thiserror::Error;

/// Digits of a sequence number as Kinesis gives them.
const DIGITS: usize = 56;

/// A wish for a place that the stream can't grant.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlaceError {
    /// No such shard.
    #[error(
        "shard {shard} does not exist: the stream has {shards}, numbered from 0; raise --shards or leave `shard` out"
    )]
    Shard {
        /// The shard asked for.
        shard: u32,
        /// How many there are.
        shards: u32,
    },
    /// Sequence numbers must grow within a shard.
    #[error(
        "sequence number {number} does not come after {previous}, the one before it in shard {shard}; \
         sort the input by sequence number or leave `sequenceNumber` out"
    )]
    Backwards {
        /// The number that goes back.
        number: String,
        /// The one before it.
        previous: String,
        /// The shard.
        shard: u32,
    },
}

/// Where a record goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The shard's number.
    pub shard: u32,
    /// The lane's index among all lanes of the stream.
    pub lane: usize,
    /// Decimal digits.
    pub sequence_number: &'a str,
}

/// The shards of a stream, each with the last sequence number given out.
#[derive(Debug)]
pub struct Stream {
    last: Vec<String>,
    parallelization_factor: u32,
}

impl Stream {
    /// A stream of equal hash ranges.
    pub fn new(shards: u32, parallelization_factor: u32) -> Self {
        Self {
            last: vec![String::new(); shards as usize],
            parallelization_factor,
        }
    }

    /// How many batches can be in work at the same time.
    pub fn lanes(&self) -> usize {
        self.last.len() * self.parallelization_factor as usize
    }

    /// The shard that a lane belongs to.
    pub fn shard_of_lane(&self, lane: usize) -> u32 {
        u32::try_from(lane).unwrap_or(u32::MAX) / self.parallelization_factor
    }

    /// Places a record: by `shard`, else by `explicit_hash_key`, else by the MD5 of `partition_key`. Without a
    /// `sequence_number` the next one of the shard is given out.
    pub fn place(
        &mut self,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        shard: Option<u32>,
        sequence_number: Option<&str>,
    ) -> Result<Place<'_>, PlaceError> {
        let shards = u32::try_from(self.last.len()).unwrap_or(u32::MAX);
        // One shard with one lane needs no hash, and that is the most common run.
        let hash = if shards == 1 && self.parallelization_factor == 1 {
            0
        } else {
            hash(partition_key)
        };
        let shard = shard.unwrap_or_else(|| shard_of_hash(explicit_hash_key.unwrap_or(hash), shards));
        let factor = u128::from(self.parallelization_factor);
        let Some(last) = self.last.get_mut(shard as usize) else {
            return Err(PlaceError::Shard { shard, shards });
        };
        match sequence_number {
            Some(number) if !last.is_empty() && (number.len(), number) <= (last.len(), last.as_str()) => {
                return Err(PlaceError::Backwards {
                    number: number.to_owned(),
                    previous: last.clone(),
                    shard,
                });
            }
            Some(number) => number.clone_into(last),
            None if last.is_empty() => *last = format!("49{shard:024}{:030}", 0),
            None => increment(last),
        }
        // The low bits pick the lane, because the high ones have picked the shard.
        let lane = shard as usize * self.parallelization_factor as usize + usize::try_from(hash % factor).unwrap_or(0);
        Ok(Place {
            shard,
            lane,
            sequence_number: last,
        })
    }
}

/// The MD5 of a partition key as the number that Kinesis compares with its hash ranges.
fn hash(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

/// The shard whose range a hash falls into, of `shards` equal ranges of 2^128.
fn shard_of_hash(hash: u128, shards: u32) -> u32 {
    let count = u128::from(shards.max(1));
    if count == 1 {
        return 0;
    }
    // 2^128 / count without overflow.
    let range = u128::MAX / count + u128::from(u128::MAX % count == count - 1);
    u32::try_from((hash / range).min(count - 1)).unwrap_or(0)
}

/// Adds one to a decimal number.
fn increment(number: &mut String) {
    let kept = number.trim_end_matches('9').len();
    let nines = number.len() - kept;
    number.truncate(kept);
    let digit = number.pop().unwrap_or('0');
    number.push(char::from_digit(digit.to_digit(10).unwrap_or(0) + 1, 10).unwrap_or('1'));
    number.extend(std::iter::repeat_n('0', nines));
}

const _: () = assert!(DIGITS == 2 + 24 + 30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_equal_and_meet() {
        let half = 1_u128 << 127;
        for (hash, shards, shard) in [
            (0, 1, 0),
            (u128::MAX, 1, 0),
            (half - 1, 2, 0),
            (half, 2, 1),
            (u128::MAX, 2, 1),
            (u128::MAX / 3, 3, 1),
            (u128::MAX, 3, 2),
            (u128::MAX, 1000, 999),
        ] {
            assert_eq!(shard_of_hash(hash, shards), shard, "{hash} of {shards}");
        }
    }

    #[test]
    fn a_key_hashes_as_kinesis_does() {
        // md5("a") = 0cc175b9c0f1b6a831c399e269772661
        assert_eq!(hash("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }

    #[test]
    fn the_explicit_hash_key_and_the_shard_override_the_key() {
        let mut stream = Stream::new(4, 1);
        assert_eq!(stream.place("a", None, None, None).unwrap().shard, 0);
        assert_eq!(stream.place("a", Some(u128::MAX), None, None).unwrap().shard, 3);
        assert_eq!(stream.place("a", Some(u128::MAX), Some(1), None).unwrap().shard, 1);
        assert_eq!(
            stream.place("a", None, Some(4), None),
            Err(PlaceError::Shard { shard: 4, shards: 4 })
        );
    }

    #[test]
    fn the_lane_follows_the_partition_key() {
        let mut stream = Stream::new(2, 10);
        let mut used = std::collections::BTreeSet::new();
        for key in 0..200 {
            let key = key.to_string();
            let (shard, lane) = stream
                .place(&key, None, None, None)
                .map(|place| (place.shard, place.lane))
                .unwrap();
            assert_eq!(lane / 10, shard as usize);
            assert_eq!(stream.shard_of_lane(lane), shard);
            let again = stream.place(&key, Some(0), Some(shard), None).unwrap();
            assert_eq!(again.lane, lane, "a hash key moves the shard, not the lane");
            used.insert(lane);
        }
        assert_eq!(used.len(), stream.lanes());
    }

    #[test]
    fn sequence_numbers_grow_within_a_shard() {
        let mut stream = Stream::new(1, 1);
        let mut previous = String::new();
        for _ in 0..1001 {
            let number = stream.place("k", None, None, None).unwrap().sequence_number.to_owned();
            assert_eq!(number.len(), DIGITS);
            assert!(number > previous);
            previous = number;
        }
    }

    #[test]
    fn a_given_number_is_kept_and_continued() {
        let mut stream = Stream::new(1, 1);
        for (given, result) in [
            (Some("99"), "99"),
            (None, "100"),
            (Some("101"), "101"),
            (Some("1000"), "1000"),
        ] {
            assert_eq!(stream.place("k", None, None, given).unwrap().sequence_number, result);
        }
        for back in ["1000", "999"] {
            assert!(
                matches!(
                    stream.place("k", None, None, Some(back)),
                    Err(PlaceError::Backwards { .. })
                ),
                "{back}"
            );
        }
    }

    #[test]
    fn incrementing_carries() {
        for (from, to) in [("0", "1"), ("9", "10"), ("199", "200"), ("109", "110"), ("999", "1000")] {
            let mut number = from.to_owned();
            increment(&mut number);
            assert_eq!(number, to);
        }
    }
}

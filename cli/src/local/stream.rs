//! The stream that the input stands for: which shard and lane a record belongs to, and its sequence number, also after a
//! resharding.

use std::ops::Range;

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
    /// A shard that is closed, or not there yet, in a stream that was resharded.
    #[error(
        "shard {shard} is not open: since the resharding after record {after} the open shards are {first} to {last}; \
         name one of them or leave `shard` out"
    )]
    NotOpen {
        /// The shard asked for.
        shard: u32,
        /// Records before the resharding.
        after: u64,
        /// The first open shard.
        first: u32,
        /// The last open shard.
        last: u32,
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
    /// Sequence numbers of a child shard are above those of its parents.
    #[error(
        "sequence number {number} does not come after {previous}, the highest of the parent shards of shard {shard}; \
         sort the input by sequence number or leave `sequenceNumber` out"
    )]
    BelowParents {
        /// The number that goes back.
        number: String,
        /// The parents' highest.
        previous: String,
        /// The child shard.
        shard: u32,
    },
}

/// A change of the number of shards in the middle of the input, as by `UpdateShardCount`: the open shards close, and new
/// ones of equal hash ranges take their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reshard {
    /// How many records of the input come before it.
    pub after: u64,
    /// How many shards the stream has then.
    pub shards: u32,
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

/// Shards that are open at the same time: those from one resharding to the next.
#[derive(Clone, Copy, Debug)]
struct Generation {
    /// Records of the input before it.
    after: u64,
    /// The number of its first shard; shards are numbered through all generations.
    first: u32,
    shards: u32,
}

/// An open shard.
#[derive(Clone, Debug, Default)]
struct Open {
    /// The last sequence number given out, or the highest of its parents.
    last: String,
    /// Whether it has given one out itself.
    used: bool,
}

/// The shards of a stream from its first record to its last, each open one with the last sequence number given out.
#[derive(Debug)]
pub struct Stream {
    generations: Vec<Generation>,
    /// The index of the generation that is open.
    current: usize,
    open: Vec<Open>,
    placed: u64,
    parallelization_factor: u32,
}

impl Stream {
    /// A stream of equal hash ranges that stays as it is.
    pub fn new(shards: u32, parallelization_factor: u32) -> Self {
        Self::resharded(shards, parallelization_factor, &[])
    }

    /// A stream that is resharded on its way; `reshardings` are in the order of their records.
    pub fn resharded(shards: u32, parallelization_factor: u32, reshardings: &[Reshard]) -> Self {
        let mut generations = vec![Generation {
            after: 0,
            first: 0,
            shards,
        }];
        let mut first = shards;
        for &Reshard { after, shards } in reshardings {
            generations.push(Generation { after, first, shards });
            first = first.saturating_add(shards);
        }
        Self {
            generations,
            current: 0,
            open: vec![Open::default(); shards as usize],
            placed: 0,
            parallelization_factor,
        }
    }

    /// Shards of the stream, those that are closed and those that will be opened included.
    pub fn shards(&self) -> u32 {
        self.generations.last().map_or(0, |last| last.first + last.shards)
    }

    /// Lanes of all these shards.
    pub fn lanes(&self) -> usize {
        self.shards() as usize * self.parallelization_factor as usize
    }

    /// Lanes of the shards that are open.
    pub fn open_lanes(&self) -> Range<usize> {
        let Generation { first, shards, .. } = self.generations[self.current];
        let factor = self.parallelization_factor as usize;
        first as usize * factor..(first + shards) as usize * factor
    }

    /// The shard that a lane belongs to.
    pub fn shard_of_lane(&self, lane: usize) -> u32 {
        u32::try_from(lane).unwrap_or(u32::MAX) / self.parallelization_factor
    }

    /// The parent shards of a shard: those of the generation before whose hash range overlaps with its own.
    pub fn parents(&self, shard: u32) -> Range<u32> {
        let child = self.generations.iter().rposition(|it| it.first <= shard).unwrap_or(0);
        let Some(parents) = child.checked_sub(1).map(|index| self.generations[index]) else {
            return 0..0;
        };
        let child = self.generations[child];
        let (lowest, highest) = range_of_shard(shard - child.first, child.shards);
        parents.first + shard_of_hash(lowest, parents.shards)
            ..parents.first + shard_of_hash(highest, parents.shards) + 1
    }

    /// How many records were placed.
    pub fn placed(&self) -> u64 {
        self.placed
    }

    /// The first resharding that the records placed so far have not come to.
    pub fn next_resharding(&self) -> Option<Reshard> {
        self.generations.get(self.current + 1).map(|next| Reshard {
            after: next.after,
            shards: next.shards,
        })
    }

    /// Closes the open shards and opens their children, as often as it is time for it.
    fn reshard(&mut self) {
        while self.next_resharding().is_some_and(|next| next.after <= self.placed) {
            let before = self.generations[self.current].first;
            self.current += 1;
            let Generation { first, shards, .. } = self.generations[self.current];
            let child = |shard| {
                let parents = self.parents(shard);
                let parents = &self.open[(parents.start - before) as usize..(parents.end - before) as usize];
                // What a parent has inherited itself counts too: it may have had no record of its own.
                let last = parents.iter().map(|parent| parent.last.as_str());
                let last = last.max_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
                Open {
                    last: last.unwrap_or_default().to_owned(),
                    used: false,
                }
            };
            self.open = (first..first + shards).map(child).collect();
        }
    }

    /// Places the next record of the input: by `shard`, else by `explicit_hash_key`, else by the MD5 of `partition_key`.
    /// Without a `sequence_number` the next one of the shard is given out. Whether a resharding comes first can be seen from
    /// [`Stream::open_lanes`].
    pub fn place(
        &mut self,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        shard: Option<u32>,
        sequence_number: Option<&str>,
    ) -> Result<Place<'_>, PlaceError> {
        self.reshard();
        let Generation { after, first, shards } = self.generations[self.current];
        // One shard with one lane needs no hash, and that is the most common run.
        let hash = if shards == 1 && self.parallelization_factor == 1 {
            0
        } else {
            hash(partition_key)
        };
        let shard = shard.unwrap_or_else(|| first + shard_of_hash(explicit_hash_key.unwrap_or(hash), shards));
        let factor = u128::from(self.parallelization_factor);
        let Some(open) = shard.checked_sub(first).and_then(|at| self.open.get_mut(at as usize)) else {
            return Err(if self.current == 0 {
                PlaceError::Shard { shard, shards }
            } else {
                let last = first + shards - 1;
                PlaceError::NotOpen {
                    shard,
                    after,
                    first,
                    last,
                }
            });
        };
        let Open { last, used } = open;
        let is_after = |number: &str, last: &str| last.is_empty() || (number.len(), number) > (last.len(), last);
        match sequence_number {
            Some(number) if !is_after(number, last) => {
                let (number, previous) = (number.to_owned(), last.clone());
                return Err(if *used {
                    PlaceError::Backwards {
                        number,
                        previous,
                        shard,
                    }
                } else {
                    PlaceError::BelowParents {
                        number,
                        previous,
                        shard,
                    }
                });
            }
            Some(number) => number.clone_into(last),
            None if *used => increment(last),
            None => {
                let number = format!("49{shard:024}{:030}", 0);
                if is_after(&number, last) {
                    *last = number;
                } else {
                    // The input gave the parents numbers above those that Kinesis would give.
                    increment(last);
                }
            }
        }
        *used = true;
        self.placed += 1;
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
    u32::try_from((hash / width(count)).min(count - 1)).unwrap_or(0)
}

/// The lowest and the highest hash of a shard, of `shards` equal ranges of 2^128.
fn range_of_shard(shard: u32, shards: u32) -> (u128, u128) {
    let (shard, count) = (u128::from(shard), u128::from(shards.max(1)));
    if count == 1 {
        return (0, u128::MAX);
    }
    let lowest = shard * width(count);
    let highest = if shard == count - 1 {
        u128::MAX
    } else {
        lowest + (width(count) - 1)
    };
    (lowest, highest)
}

/// 2^128 / `count` without overflow, for a count from 2.
fn width(count: u128) -> u128 {
    u128::MAX / count + u128::from(u128::MAX % count == count - 1)
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

    fn reshard(after: u64, shards: u32) -> Reshard {
        Reshard { after, shards }
    }

    #[test]
    fn the_range_of_a_shard_is_that_of_its_hashes() {
        for shards in [1, 2, 3, 7, 8, 1000] {
            let mut next = 0;
            for shard in 0..shards {
                let (lowest, highest) = range_of_shard(shard, shards);
                assert_eq!(lowest, next, "{shard} of {shards} begins where the one before it ends");
                assert_eq!(
                    (shard_of_hash(lowest, shards), shard_of_hash(highest, shards)),
                    (shard, shard)
                );
                next = highest.wrapping_add(1);
            }
            assert_eq!(next, 0, "the last of {shards} ends at 2^128");
        }
    }

    #[test]
    fn parents_are_the_shards_before_whose_hash_ranges_overlap() {
        let stream = Stream::resharded(2, 1, &[reshard(10, 8), reshard(20, 3), reshard(30, 3), reshard(40, 1)]);
        assert_eq!(stream.shards(), 17);
        for (shard, parents) in [
            (0, 0..0),
            (1, 0..0),
            (2, 0..1),
            (5, 0..1),
            (6, 1..2),
            (9, 1..2),
            // Thirds of eighths: those in the middle have both neighbours.
            (10, 2..5),
            (11, 4..8),
            (12, 7..10),
            (13, 10..11),
            (15, 12..13),
            (16, 13..16),
        ] {
            assert_eq!(stream.parents(shard), parents, "of shard {shard}");
        }
    }

    #[test]
    fn every_child_of_a_hash_has_the_parent_of_that_hash() {
        for (before, after) in [(1, 5), (2, 8), (8, 3), (3, 7), (7, 7), (5, 1)] {
            let stream = Stream::resharded(before, 1, &[reshard(1, after)]);
            for step in 0..1_000 {
                let hash = u128::MAX / 999 * step;
                let (parent, child) = (shard_of_hash(hash, before), before + shard_of_hash(hash, after));
                assert!(stream.parents(child).contains(&parent), "{before} to {after}: {hash}");
            }
        }
    }

    #[test]
    fn after_so_many_records_the_stream_has_new_shards() {
        let mut stream = Stream::resharded(2, 3, &[reshard(2, 8), reshard(5, 3)]);
        let mut seen = Vec::new();
        for _ in 0..7 {
            let shard = stream.place("a", Some(u128::MAX), None, None).unwrap().shard;
            seen.push((shard, stream.open_lanes()));
        }
        let (two, eight, three) = (0..6, 6..30, 30..39);
        assert_eq!(
            seen,
            [
                (1, two.clone()),
                (1, two),
                (9, eight.clone()),
                (9, eight.clone()),
                (9, eight),
                (12, three.clone()),
                (12, three)
            ]
        );
        assert_eq!((stream.lanes(), stream.next_resharding()), (39, None));
    }

    #[test]
    fn only_an_open_shard_can_be_named() {
        let mut stream = Stream::resharded(2, 1, &[reshard(1, 2)]);
        assert_eq!(
            stream.place("a", None, Some(2), None),
            Err(PlaceError::Shard { shard: 2, shards: 2 })
        );
        assert_eq!(stream.place("a", None, Some(1), None).unwrap().shard, 1);
        for shard in [0, 1, 4] {
            let error = stream.place("a", None, Some(shard), None).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "shard {shard} is not open: since the resharding after record 1 the open shards are 2 to 3; \
                     name one of them or leave `shard` out"
                )
            );
        }
        assert_eq!(stream.place("a", None, Some(3), None).unwrap().shard, 3);
    }

    #[test]
    fn sequence_numbers_of_children_are_above_those_of_all_their_parents() {
        let nines = "9".repeat(60);
        let above = format!("1{}", "0".repeat(60));
        let given = |shard: u32| format!("49{shard:024}{:030}", 0);
        // Numbers of the parents 0 and 1, and the number that the child 2 of both gives out.
        for (low, high, child) in [
            (None, None, given(2)),
            (Some("7"), Some("300"), given(2)),
            (Some(nines.as_str()), Some("8"), above.clone()),
            (Some("8"), Some(nines.as_str()), above),
        ] {
            let mut stream = Stream::resharded(2, 1, &[reshard(2, 1)]);
            for (shard, number) in [(0, low), (1, high)] {
                stream.place("k", None, Some(shard), number).unwrap();
            }
            let number = stream.place("k", None, None, None).unwrap().sequence_number.to_owned();
            assert_eq!(number, child, "{low:?} {high:?}");
        }
    }

    #[test]
    fn a_number_below_the_parents_is_refused_also_through_a_generation_without_records() {
        let mut stream = Stream::resharded(1, 1, &[reshard(1, 2), reshard(1, 1)]);
        stream.place("k", None, None, Some("500")).unwrap();
        for number in ["499", "500"] {
            assert_eq!(
                stream.place("k", None, None, Some(number)),
                Err(PlaceError::BelowParents {
                    number: number.to_owned(),
                    previous: "500".to_owned(),
                    shard: 3
                })
            );
        }
        for number in ["501", "502"] {
            let place = stream.place("k", None, None, Some(number)).unwrap();
            assert_eq!((place.shard, place.sequence_number), (3, number));
        }
        assert!(matches!(
            stream.place("k", None, None, Some("502")),
            Err(PlaceError::Backwards { .. })
        ));
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

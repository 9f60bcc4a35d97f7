//! The rules of a Kinesis event source mapping as a pure state machine: records go in, what to do next comes out. It reads
//! no clock and does no IO; `docs/run.md` says which rule is AWS's word and which is our reading.
//!
//! A [`Lane`] is what is worked off in order: one of the `parallelization factor` parts of a shard. A batch that failed
//! stays in its lane, in pieces if it was split, until each piece is accepted or given up; only then the next is cut.

pub mod answer;

use std::collections::VecDeque;

use super::event::{PAYLOAD_LIMIT, Record, size};

/// The wait after the first failure of a piece, in milliseconds; it doubles with each further one.
const FIRST_BACKOFF: i64 = 100;
/// The longest wait between retries, in milliseconds, unless a test is in a hurry.
pub const LONGEST_BACKOFF: i64 = 2_000;

/// The parameters of the mapping.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most records in a batch.
    pub batch_size: usize,
    /// Longest wait for a batch to fill, in milliseconds.
    pub window: i64,
    /// Retries of a batch; without end if `None`.
    pub retries: Option<u32>,
    /// Oldest record that is still sent, in milliseconds.
    pub maximum_age: Option<i64>,
    /// Whether a failed batch is split.
    pub bisect: bool,
    /// Whether the function's `batchItemFailures` count.
    pub partial_failures: bool,
    /// The longest wait between retries, in milliseconds: [`LONGEST_BACKOFF`].
    pub longest_backoff: i64,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every record was accepted.
    Accepted,
    /// The records before this index were accepted.
    Partial(usize),
    /// The function failed, or its answer can't be read.
    Error,
}

/// Why records are given up, in the words of the failure message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No retry is left.
    RetryAttemptsExhausted,
    /// The first record is too old.
    RecordAgeExceeded,
    /// One record alone is larger than an invocation may be (our own word).
    PayloadLimitExceeded,
}

impl Condition {
    /// As the failure message has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::RecordAgeExceeded => "RecordAgeExceeded",
            Self::PayloadLimitExceeded => "PayloadLimitExceeded",
        }
    }
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send [`Lane::batch`], and tell [`Lane::complete`] how it went.
    Invoke,
    /// These are given up.
    Discard(Discarded),
    /// Wait until this time, in milliseconds since the epoch.
    Backoff(i64),
    /// Wait for records, at most until this time if there is one.
    Fill(Option<i64>),
    /// Nothing is left, and nothing will come.
    Done,
}

/// Records that were given up.
#[derive(Debug)]
pub struct Discarded {
    /// In order, at least one.
    pub records: Vec<Record>,
    /// Why.
    pub condition: Condition,
    /// How often they were sent, counted through the batches they were part of.
    pub invocations: u32,
    /// Whether the last invocation ended with a function error.
    pub function_error: bool,
}

/// What an invocation has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that the function has accepted.
    pub accepted: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
}

/// A batch, or what a split has left of it.
#[derive(Debug)]
struct Piece {
    records: Vec<Record>,
    /// Failures that counted against the retries. A split hands the number on to its parts without adding to it.
    failures: u32,
    invocations: u32,
    not_before: i64,
    function_error: bool,
}

/// Records of one shard that are worked off one batch at a time.
#[derive(Debug)]
pub struct Lane {
    settings: Settings,
    /// Records that are in no batch yet.
    waiting: VecDeque<Record>,
    waiting_bytes: usize,
    waiting_since: i64,
    /// The batch in work, its next piece last.
    pieces: Vec<Piece>,
    ended: bool,
}

impl Lane {
    /// An empty lane.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_since: 0,
            pieces: Vec::new(),
            ended: false,
        }
    }

    /// Adds records, in order.
    pub fn push(&mut self, records: Vec<Record>, now: i64) {
        if self.waiting.is_empty() {
            self.waiting_since = now;
        }
        self.waiting_bytes += records.iter().map(|record| record.json().len()).sum::<usize>();
        self.waiting.extend(records);
    }

    /// Says that no more records come.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether there is neither a batch in work nor enough for a full one.
    pub fn wants_records(&self) -> bool {
        self.pieces.is_empty() && !self.ended && !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= self.settings.batch_size || size(self.waiting.len(), self.waiting_bytes) > PAYLOAD_LIMIT
    }

    /// What to do at the time `now`, in milliseconds since the epoch.
    pub fn next(&mut self, now: i64) -> Step {
        if self.pieces.is_empty() && !self.cut(now) {
            return match self.waiting.is_empty() {
                true if self.ended => Step::Done,
                true => Step::Fill(None),
                false => Step::Fill(Some(self.waiting_since + self.settings.window)),
            };
        }
        let Some(piece) = self.pieces.last() else {
            return Step::Fill(None);
        };
        match self.condition(piece, now) {
            Some(condition) => self.discard(condition),
            None if piece.not_before > now => Step::Backoff(piece.not_before),
            None => Step::Invoke,
        }
    }

    /// The records to send after [`Step::Invoke`].
    pub fn batch(&self) -> &[Record] {
        self.pieces.last().map_or(&[], |piece| &piece.records)
    }

    /// How often the records of [`Lane::batch`] were sent before.
    pub fn invocations(&self) -> u32 {
        self.pieces.last().map_or(0, |piece| piece.invocations)
    }

    /// Says how the invocation of [`Lane::batch`] ended.
    pub fn complete(&mut self, outcome: Outcome, now: i64) -> Progress {
        let Some(mut piece) = self.pieces.pop() else {
            return Progress::default();
        };
        piece.invocations += 1;
        piece.function_error = outcome == Outcome::Error;
        let accepted = match outcome {
            Outcome::Accepted => piece.records.len(),
            Outcome::Partial(first) => first.min(piece.records.len()),
            Outcome::Error => 0,
        };
        let rest = piece.records.split_off(accepted);
        let bytes = piece.records.iter().map(Record::data_bytes).sum();
        if !rest.is_empty() {
            self.retry(Piece { records: rest, ..piece }, accepted > 0, now);
        }
        Progress { accepted, bytes }
    }

    /// Puts what has failed back, split if a rule says so.
    fn retry(&mut self, mut piece: Piece, progressed: bool, now: i64) {
        let splits = self.settings.bisect
            && if piece.function_error {
                piece.records.len() > 1
            } else {
                progressed
            };
        if !splits {
            piece.failures = piece.failures.saturating_add(1);
            piece.not_before = now + backoff(piece.failures, self.settings.longest_backoff);
        } else if piece.function_error {
            let second = piece.records.split_off(piece.records.len() / 2);
            self.pieces.push(Piece {
                records: second,
                ..piece
            });
        }
        self.pieces.push(piece);
    }

    /// Why a piece has to be given up, if it has.
    fn condition(&self, piece: &Piece, now: i64) -> Option<Condition> {
        let first = piece.records.first()?;
        if piece.records.len() == 1 && size(1, first.json().len()) > PAYLOAD_LIMIT {
            Some(Condition::PayloadLimitExceeded)
        } else if self.settings.retries.is_some_and(|retries| piece.failures > retries) {
            Some(Condition::RetryAttemptsExhausted)
        } else if self.settings.maximum_age.is_some_and(|age| now - first.arrival() > age) {
            Some(Condition::RecordAgeExceeded)
        } else {
            None
        }
    }

    fn discard(&mut self, condition: Condition) -> Step {
        let Some(piece) = self.pieces.pop() else {
            return Step::Fill(None);
        };
        Step::Discard(Discarded {
            records: piece.records,
            condition,
            invocations: piece.invocations,
            function_error: piece.function_error,
        })
    }

    /// Makes the next batch if it is time for it.
    fn cut(&mut self, now: i64) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        if !self.is_full() && !self.ended && now - self.waiting_since < self.settings.window {
            return false;
        }
        let mut bytes = 0;
        let mut count = 0;
        for record in self.waiting.iter().take(self.settings.batch_size) {
            bytes += record.json().len();
            // The first is taken whatever its size: alone it is judged by `condition`.
            if count > 0 && size(count + 1, bytes) > PAYLOAD_LIMIT {
                bytes -= record.json().len();
                break;
            }
            count += 1;
        }
        self.waiting_bytes -= bytes;
        // What stays behind begins to wait for its own batch now.
        self.waiting_since = now;
        let records = self.waiting.drain(..count).collect();
        self.pieces.push(Piece {
            records,
            failures: 0,
            invocations: 0,
            not_before: now,
            function_error: false,
        });
        true
    }
}

/// The wait before a retry, in milliseconds.
fn backoff(failures: u32, longest: i64) -> i64 {
    let doublings = failures.saturating_sub(1).min(16);
    (FIRST_BACKOFF << doublings).min(longest)
}

#[cfg(test)]
pub(in crate::local) mod tests;

//! Records that could not be sent as a whole, for as long as Lambda tries them again. Pure, but for the clock.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::Record;
use crate::kafka::round::Segment;
use crate::rounds::Refusal;

/// How long a record is remembered, should its topic change meanwhile.
const TIME: Duration = Duration::from_mins(5);

/// How many are.
const COUNT: usize = 64;

/// Records of several messages, one of which the brokers refused for what it is. Lambda tries such a record again and again until it gives it up: without this,
/// what is good in it would be in the topic as often.
#[derive(Default)]
pub(super) struct Memory(VecDeque<Remembered>);

struct Remembered {
    shard: String,
    sequence_number: String,
    reason: Box<str>,
    until: Instant,
}

impl Memory {
    /// Why a record can't be sent as a whole, if that is remembered.
    pub(super) fn recall(&self, record: &Record<'_>) -> Option<Box<str>> {
        let now = Instant::now();
        let is_it = |it: &&Remembered| it.sequence_number == record.sequence_number && it.shard == record.shard;
        let found = self.0.iter().find(is_it).filter(|it| now < it.until);
        found.map(|it| it.reason.clone())
    }

    /// Remembers the record of a message that was refused.
    pub(super) fn keep(&mut self, segment: &Segment<'_>, poison: &Refusal) {
        let (record, parcel) = (segment.record(poison.place), &segment.parcels[poison.place]);
        // What is known before it is tried is found again without trying.
        if parcel.subsequence.is_none() || parcel.flaw.is_some() {
            return;
        }
        self.0.retain(|it| it.sequence_number != record.sequence_number);
        if self.0.len() == COUNT {
            self.0.pop_front();
        }
        self.0.push_back(Remembered {
            shard: record.shard.clone().into_owned(),
            sequence_number: record.sequence_number.clone().into_owned(),
            reason: poison.failure.reason.as_str().into(),
            until: Instant::now() + TIME,
        });
    }
}

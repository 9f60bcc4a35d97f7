//! Records that could not be sent as a whole, for as long as Lambda tries them again. Pure.

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
    pub(super) fn recall(&self, record: &Record<'_>, now: Instant) -> Option<Box<str>> {
        let is_it = |it: &&Remembered| it.sequence_number == record.sequence_number && it.shard == record.shard;
        let found = self.0.iter().find(is_it).filter(|it| now < it.until);
        found.map(|it| it.reason.clone())
    }

    /// Remembers the record of a message that was refused.
    pub(super) fn keep(&mut self, segment: &Segment<'_>, poison: &Refusal, now: Instant) {
        let (record, parcel) = (segment.record(poison.place), &segment.parcels[poison.place]);
        // What is known before it is tried is found again without trying.
        if parcel.subsequence.is_none() || parcel.flaw.is_some() {
            return;
        }
        self.0
            .retain(|it| it.sequence_number != record.sequence_number || it.shard != record.shard);
        if self.0.len() == COUNT {
            self.0.pop_front();
        }
        self.0.push_back(Remembered {
            shard: record.shard.clone().into_owned(),
            sequence_number: record.sequence_number.clone().into_owned(),
            reason: poison.failure.reason.as_str().into(),
            until: now + TIME,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::decode;
    use crate::failure::Failure;
    use crate::payload::{Decode, Payload};
    use crate::unfold::Unfolding;

    /// Two lines, `a` and `b`, in a record with this number.
    fn event(number: usize) -> String {
        format!(
            r#"{{"Records":[{{"eventSource":"aws:kinesis","eventID":"shard:{number}","eventSourceARN":"arn:stream/s",
            "kinesis":{{"partitionKey":"k","sequenceNumber":"{number}","data":"YQpi","approximateArrivalTimestamp":1}}}}]}}"#
        )
    }

    #[test]
    fn a_record_of_several_messages_is_remembered_for_a_time_and_among_the_newest() {
        let unfolding = |steps| {
            let decode = Decode::parse(steps).expect("steps");
            Unfolding::new(
                &Payload {
                    decode,
                    ..Payload::default()
                },
                "t",
            )
        };
        let (lines, whole) = (unfolding("lines"), unfolding("none"));
        let (mut memory, start) = (Memory::default(), Instant::now());
        let keep = |memory: &mut Memory, unfolding: &Unfolding, number| {
            let event = event(number);
            let records = decode(event.as_bytes()).expect("an event");
            let segment = Segment {
                records: &records,
                parcels: unfolding.open(0, &records[0], None).collect(),
                unfolding,
            };
            let failure = Failure::unreadable(format!("record {number}"));
            memory.keep(&segment, &Refusal { place: 0, failure }, start);
        };
        let recall = |memory: &Memory, number, now| {
            let event = event(number);
            let records = decode(event.as_bytes()).expect("an event");
            memory.recall(&records[0], now)
        };
        keep(&mut memory, &whole, 7);
        assert_eq!(recall(&memory, 7, start), None, "it is sent in no other part");
        keep(&mut memory, &lines, 7);
        keep(&mut memory, &lines, 7);
        assert_eq!(memory.0.len(), 1);
        assert_eq!(recall(&memory, 7, start).as_deref(), Some("record 7"));
        assert_eq!(recall(&memory, 8, start), None);
        assert_eq!(recall(&memory, 7, start + TIME), None, "its topic may have changed");
        for number in 100..100 + COUNT {
            keep(&mut memory, &lines, number);
        }
        assert_eq!(memory.0.len(), COUNT);
        assert_eq!(recall(&memory, 7, start), None);
    }
}

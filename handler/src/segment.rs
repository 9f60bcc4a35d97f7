//! A batch in segments: as many messages at once as memory allows. Pure.
//!
//! librdkafka copies what it is handed, and a record of a few kilobytes can be megabytes of messages. An ordinary batch is one segment.

use std::collections::VecDeque;

use crate::event::Record;
use crate::ledger::Ledger;
use crate::parcel::Parcel;
use crate::unfold::Unfolding;

/// Bytes of messages in one segment, more or less.
const SEGMENT_BYTES: usize = 16 << 20;

/// Bytes that a message takes beside its value, more or less: librdkafka's own, headers, and ours.
const MESSAGE_BYTES: usize = 512;

/// Cuts a batch.
pub(crate) struct Segments<'a> {
    records: &'a [Record<'a>],
    unfolding: &'a Unfolding,
    /// The next record to be looked into.
    next: usize,
    /// What is left of the one before.
    left: VecDeque<Parcel>,
}

impl<'a> Segments<'a> {
    /// Nothing of `records` is looked into yet.
    pub(crate) fn new(records: &'a [Record<'a>], unfolding: &'a Unfolding) -> Self {
        Self {
            records,
            unfolding,
            next: 0,
            left: VecDeque::new(),
        }
    }

    /// The next segment, in the batch's order; `None` at its end. What is in each record is noted in `ledger`.
    pub(crate) fn next(&mut self, ledger: &mut Ledger) -> Option<Vec<Parcel>> {
        let mut segment = Vec::with_capacity(self.records.len() - self.next);
        let mut room = SEGMENT_BYTES;
        loop {
            let Some(parcel) = self.left.front() else {
                let Some(record) = self.records.get(self.next) else {
                    return (!segment.is_empty()).then_some(segment);
                };
                let unfolded = self.unfolding.unfold(self.next, record, &mut self.left);
                ledger.open(self.next, unfolded.messages);
                ledger.controls += unfolded.controls;
                self.next += 1;
                continue;
            };
            let bytes = parcel.value_bytes + MESSAGE_BYTES;
            if bytes > room && !segment.is_empty() {
                return Some(segment);
            }
            room = room.saturating_sub(bytes);
            segment.extend(self.left.pop_front());
        }
    }
}

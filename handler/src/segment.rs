//! A batch in segments: so many messages at once that a small function has room for them. Pure.
//!
//! librdkafka copies what it is handed, key and headers with each message, and a record of a few kilobytes can be megabytes of messages. An ordinary batch is
//! one segment. Between two of them somebody looks at the clock.

use std::iter::Peekable;

use crate::event::Record;
use crate::ledger::Ledger;
use crate::parcel::Parcel;
use crate::unfold::{Opened, Unfolding};

/// Bytes of messages in one segment, more or less.
const SEGMENT_BYTES: usize = 16 << 20;

/// Bytes that a message takes beside itself, more or less: librdkafka's own, and ours.
const MESSAGE_BYTES: usize = 512;

/// Cuts a batch.
pub(crate) struct Segments<'a> {
    records: &'a [Record<'a>],
    unfolding: &'a Unfolding,
    /// The next record to be looked into.
    next: usize,
    /// The one before, as far as its messages are not in a segment yet.
    open: Option<Peekable<Opened<'a>>>,
}

impl<'a> Segments<'a> {
    /// Nothing of `records` is looked into yet.
    pub(crate) fn new(records: &'a [Record<'a>], unfolding: &'a Unfolding) -> Self {
        Self {
            records,
            unfolding,
            next: 0,
            open: None,
        }
    }

    /// The next segment, in the batch's order; `None` at its end. It may be empty, where much was gone through that nothing came of. What is in each
    /// record is noted in `ledger`. `known`: why a record can't be sent, where that is known from before.
    pub(crate) fn next(
        &mut self,
        ledger: &mut Ledger,
        known: impl Fn(&Record<'_>) -> Option<Box<str>>,
    ) -> Option<Vec<Parcel>> {
        let mut segment = Vec::with_capacity(self.records.len() - self.next);
        let mut room = SEGMENT_BYTES;
        loop {
            let Some(open) = &mut self.open else {
                if room == 0 {
                    return Some(segment);
                }
                let Some(record) = self.records.get(self.next) else {
                    return (!segment.is_empty()).then_some(segment);
                };
                let opened = self.unfolding.open(self.next, record, known(record));
                ledger.open(self.next, opened.messages);
                ledger.controls += opened.controls;
                room = room.saturating_sub(opened.work);
                self.next += 1;
                self.open = Some(opened.peekable());
                continue;
            };
            let Some(parcel) = open.peek() else {
                self.open = None;
                continue;
            };
            let record = &self.records[parcel.record];
            let bytes = parcel.batch_bytes(record, self.unfolding.payload()) + MESSAGE_BYTES;
            if bytes > room && !segment.is_empty() {
                return Some(segment);
            }
            room = room.saturating_sub(bytes);
            segment.extend(open.next());
        }
    }
}

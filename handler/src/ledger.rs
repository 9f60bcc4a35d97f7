//! What has become of the records of a batch, told from what became of their messages. Pure.

use crate::batch::Outcome;

/// One batch under way.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    /// Messages that were acknowledged.
    pub(crate) messages: usize,
    /// Bytes of data that were acknowledged.
    pub(crate) bytes: u64,
    /// Messages that were sent again though the brokers may have stored them.
    pub(crate) resent: usize,
    /// Control messages, which are not sent.
    pub(crate) controls: usize,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    /// Whether the record was looked into.
    is_known: bool,
    /// Its messages that are not settled.
    open: usize,
    /// Whether the dead-letter topic has one of them.
    dead_lettered: bool,
}

impl Ledger {
    /// A batch of `len` records, none of them looked into.
    pub(crate) fn new(len: usize) -> Self {
        Self {
            entries: vec![Entry::default(); len],
            messages: 0,
            bytes: 0,
            resent: 0,
            controls: 0,
        }
    }

    /// The record at `place` becomes so many messages.
    pub(crate) fn open(&mut self, place: usize, messages: usize) {
        let entry = &mut self.entries[place];
        entry.is_known = true;
        entry.open = messages;
    }

    /// A message of the record at `place`, of so many bytes, was acknowledged.
    pub(crate) fn acknowledge(&mut self, place: usize, bytes: usize) {
        let entry = &mut self.entries[place];
        entry.open = entry.open.saturating_sub(1);
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    /// The dead-letter topic took a message of the record at `place`.
    pub(crate) fn dead_letter(&mut self, place: usize) {
        let entry = &mut self.entries[place];
        entry.open = entry.open.saturating_sub(1);
        entry.dead_lettered = true;
    }

    /// What has become of each record so far. One of several messages fails all of its record: Lambda knows records only.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |entry: &Entry| match entry {
            Entry { is_known: false, .. } | Entry { open: 1.., .. } => Outcome::Failed,
            Entry {
                dead_lettered: true, ..
            } => Outcome::DeadLettered,
            Entry { .. } => Outcome::Acknowledged,
        };
        self.entries.iter().map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_good_as_its_worst_message() {
        let mut ledger = Ledger::new(5);
        ledger.open(0, 2);
        ledger.acknowledge(0, 3);
        ledger.open(1, 2);
        ledger.acknowledge(1, 3);
        ledger.acknowledge(1, 4);
        ledger.open(2, 2);
        ledger.dead_letter(2);
        ledger.acknowledge(2, 1);
        ledger.open(3, 0);
        let outcomes = [
            Outcome::Failed,
            Outcome::Acknowledged,
            Outcome::DeadLettered,
            Outcome::Acknowledged,
            Outcome::Failed,
        ];
        assert_eq!(ledger.outcomes(), outcomes);
        assert_eq!((ledger.messages, ledger.bytes), (4, 11));
    }
}

//! What has become of the messages of one round, told by librdkafka's delivery reports on another thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::Notify;

use crate::failure::weight;

/// A delivery report: where it is, or why it isn't there.
pub(super) type Report = Result<Stored, Code>;

/// Where the brokers have a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// The partition.
    pub(super) partition: i32,
    /// The offset there, as librdkafka has it: see [`Stored::certain_offset`].
    pub(super) offset: i64,
}

impl Stored {
    /// The offset, where it is certain, of one of so many messages that were sent together.
    ///
    /// That a broker has a request already, since an earlier try of it was stored, librdkafka takes for an acknowledgement. Where the broker then says no
    /// offset it counts the request's messages from -1 on: after a connection was lost an offset below their number may be such a one.
    pub(super) fn certain_offset(self, troubled: bool, sent: usize) -> Option<i64> {
        let offset = usize::try_from(self.offset).ok()?;
        (!troubled || offset >= sent).then_some(self.offset)
    }
}

/// An error of the client as a whole, with librdkafka's text.
pub(super) type ClientError = (Code, String);

/// Reports by place in the round.
#[derive(Default)]
struct Reports {
    /// `None` until something was heard of the message, and where none was sent.
    by_place: Vec<Option<Report>>,
    /// How many reports have come.
    heard: usize,
    /// How many will come; `None` while messages are still being handed over.
    expected: Option<usize>,
    /// The newest error of the client as a whole.
    client_error: Option<ClientError>,
}

impl Reports {
    fn all_heard(&self) -> bool {
        self.expected.is_some_and(|expected| self.heard >= expected)
    }
}

/// Shared between the sending task and the thread that serves delivery reports.
#[derive(Default)]
pub(super) struct Tracker {
    reports: Mutex<Reports>,
    /// Whether a message of this round was refused: looked at for each message that is handed over, so without the lock.
    refused: AtomicBool,
    /// Whether a connection was ever lost. librdkafka tells the same again only after half a minute, so this never goes back.
    troubled: AtomicBool,
    /// Wakes the sending task: all was heard, the first refusal, or an error of the client.
    changed: Notify,
}

impl Tracker {
    fn lock(&self) -> MutexGuard<'_, Reports> {
        // A panic while holding the lock leaves plain data behind: it stays usable.
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a round of `len` messages.
    pub(super) fn begin(&self, len: usize) {
        let mut reports = self.lock();
        // librdkafka repeats an error of the client only every half minute: one from before may be what this round meets.
        let client_error = reports.client_error.take();
        *reports = Reports {
            by_place: vec![None; len],
            client_error,
            ..Reports::default()
        };
        self.refused.store(false, Ordering::Release);
    }

    /// All were handed over: `count` reports will come.
    pub(super) fn expect(&self, count: usize) {
        let mut reports = self.lock();
        reports.expected = Some(count);
        if reports.all_heard() {
            self.changed.notify_one();
        }
    }

    /// A delivery report. Returns `true` for the first refusal of the round.
    pub(super) fn report(&self, place: usize, report: Report) -> bool {
        let first_refusal = report.is_err() && !self.refused.swap(true, Ordering::AcqRel);
        let mut reports = self.lock();
        if let Some(told) = reports.by_place.get_mut(place) {
            *told = Some(report);
        }
        reports.heard += 1;
        if first_refusal || reports.all_heard() {
            self.changed.notify_one();
        }
        first_refusal
    }

    /// An error of the client as a whole: a broker that can't be reached, a handshake that failed.
    pub(super) fn client_error(&self, code: Code, text: &str) {
        let mut reports = self.lock();
        // That a connection was lost, or all are down, follows the error that says why: the why is worth keeping.
        let known = reports
            .client_error
            .as_ref()
            .map_or(0, |(code, text)| weight(*code, text));
        if weight(code, text) >= known {
            reports.client_error = Some((code, text.to_owned()));
        }
        self.changed.notify_one();
    }

    /// Whether a message of this round was refused already.
    pub(super) fn has_refusal(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// A connection was lost, perhaps with something on its way.
    pub(super) fn lost_a_connection(&self) {
        self.troubled.store(true, Ordering::Release);
    }

    /// Whether a connection may have been lost with something on its way.
    pub(super) fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Acquire)
    }

    /// Whether every report has come.
    pub(super) fn all_heard(&self) -> bool {
        self.lock().all_heard()
    }

    /// Messages of this round that were acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        let reports = self.lock();
        reports.by_place.iter().filter(|it| matches!(it, Some(Ok(_)))).count()
    }

    /// The newest error of the client.
    pub(super) fn last_client_error(&self) -> Option<ClientError> {
        self.lock().client_error.clone()
    }

    /// Waits until something has changed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Ends the round: reports by place. After a round without a refusal an error of the client is a thing of the past.
    pub(super) fn finish(&self) -> Vec<Option<Report>> {
        let mut reports = self.lock();
        if reports.all_heard() && !self.has_refusal() {
            reports.client_error = None;
        }
        std::mem::take(&mut reports.by_place)
    }
}

/// Codes that say only that something before failed.
pub(super) fn is_consequence(code: Code) -> bool {
    matches!(
        code,
        Code::PurgeQueue | Code::PurgeInflight | Code::GaplessGuarantee | Code::Fatal | Code::InvalidDifferentRecord
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_that_may_be_counted_from_nowhere_is_not_told() {
        for (offset, troubled, sent, certain) in [
            (0, false, 500, Some(0)),
            (1234, false, 500, Some(1234)),
            (-1, false, 1, None),
            (-1001, false, 1, None),
            (-1, true, 1, None),
            (0, true, 1, None),
            (498, true, 500, None),
            (500, true, 500, Some(500)),
            (1234, true, 500, Some(1234)),
        ] {
            let stored = Stored { partition: 3, offset };
            assert_eq!(
                stored.certain_offset(troubled, sent),
                certain,
                "{offset} of {sent}, {troubled}"
            );
        }
    }
}

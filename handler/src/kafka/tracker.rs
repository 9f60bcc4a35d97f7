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
    /// offset it counts the request's messages from -1 on: where any were put back, an offset below their number may be such a one.
    pub(super) fn certain_offset(self, put_back: bool, sent: usize) -> Option<i64> {
        let offset = usize::try_from(self.offset).ok()?;
        (!put_back || offset >= sent).then_some(self.offset)
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
    /// Messages that librdkafka has put back into its queue, counted each time.
    put_back: usize,
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

    /// librdkafka has put messages that it had sent back into its queue.
    pub(super) fn put_back(&self, messages: usize) {
        let mut reports = self.lock();
        reports.put_back = reports.put_back.saturating_add(messages);
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

    /// Ends the round: reports by place, and how many messages were put back in it. After a round without a refusal an error of the client is a thing of the past.
    pub(super) fn finish(&self) -> (Vec<Option<Report>>, usize) {
        let mut reports = self.lock();
        if reports.all_heard() && !self.has_refusal() {
            reports.client_error = None;
        }
        (std::mem::take(&mut reports.by_place), reports.put_back)
    }
}

/// How many messages librdkafka puts back into its queue, to send them again: it says so in its log and nowhere else. `text`: a line about the answer to a Produce request.
///
/// What is put back may be stored all the same. The answer may have been lost with the connection; and a broker that ceases to lead a partition while it waits
/// for the followers says that it doesn't lead, of records that it and they have in their logs. Where nothing else goes wrong the broker knows by the number
/// what it has. But what is purged in the queue leaves it as if it had never been sent.
pub(super) fn put_back(text: &str) -> usize {
    let said = || {
        let (request, answer) = text.split_once(" encountered error: ")?;
        let (actions, _) = answer.rsplit_once("(actions ")?.1.split_once(')')?;
        if !actions.split(',').any(|action| matches!(action, "Refresh" | "Retry")) {
            return None;
        }
        let (messages, _) = request.rsplit_once("MessageSet with ")?.1.split_once(' ')?;
        messages.parse().ok()
    };
    said().unwrap_or(0)
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

    /// As librdkafka 2.12 writes it.
    fn line(outcome: &str) -> String {
        format!(
            "[thrd:b-1:9092/1]: b-1:9092/1: orders [2]: MessageSet with 13 message(s) (MsgId 2, BaseSeq 1) {outcome}"
        )
    }

    #[test]
    fn what_is_sent_again_by_librdkafka_is_known_from_its_log() {
        let rows = [
            ("delivered", 0),
            (
                "encountered error: Broker: Not leader for partition (actions Refresh,MsgNotPersisted)",
                13,
            ),
            (
                "encountered error: Broker: Not leader for partition (actions Refresh,MsgNotPersisted) [NOT LEADER]",
                13,
            ),
            (
                "encountered error: Local: Broker transport failure (actions Refresh,MsgPossiblyPersisted)",
                13,
            ),
            (
                "encountered error: Broker: Message(s) written to insufficient number of in-sync replicas (actions Retry,MsgPossiblyPersisted)",
                13,
            ),
            (
                "encountered error: Broker: Message size too large (actions Permanent,MsgNotPersisted)",
                0,
            ),
            (
                "encountered error: Local: Purged in flight (actions Permanent,MsgPossiblyPersisted)",
                0,
            ),
        ];
        for (outcome, messages) in rows {
            assert_eq!(put_back(&line(outcome)), messages, "{outcome}");
        }
        assert_eq!(put_back("something else encountered error: x (actions Retry)"), 0);
    }

    #[test]
    fn what_was_put_back_is_counted_by_round() {
        let tracker = Tracker::default();
        tracker.begin(2);
        tracker.put_back(2);
        tracker.put_back(1);
        assert_eq!(tracker.finish(), (vec![None, None], 3));
        tracker.begin(1);
        assert_eq!(tracker.finish(), (vec![None], 0));
    }

    #[test]
    fn an_offset_that_may_be_counted_from_nowhere_is_not_told() {
        for (offset, put_back, sent, certain) in [
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
                stored.certain_offset(put_back, sent),
                certain,
                "{offset} of {sent}, {put_back}"
            );
        }
    }
}

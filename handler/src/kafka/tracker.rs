//! What has become of the messages of one batch, told by librdkafka's delivery reports on another thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::Notify;

/// Outcomes by place in the batch.
#[derive(Default)]
struct Outcomes {
    /// `true` once acknowledged.
    acknowledged: Vec<bool>,
    /// Messages handed to librdkafka of which nothing was heard yet.
    outstanding: usize,
    /// The first refusal that isn't merely the purge that followed another one.
    refusal: Option<Code>,
    failed: bool,
    /// The newest error of the client as a whole, with librdkafka's text.
    client_error: Option<(Code, String)>,
}

/// Shared between the sending task and the thread that serves delivery reports.
#[derive(Default)]
pub(super) struct Tracker {
    outcomes: Mutex<Outcomes>,
    settled: Notify,
}

impl Tracker {
    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        // A panic while holding the lock leaves plain counters behind: they stay usable.
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a batch of `len` records.
    pub(super) fn begin(&self, len: usize) {
        let mut outcomes = self.lock();
        // librdkafka repeats an error of the client only every half minute: one from before may be what this batch meets.
        let client_error = outcomes.client_error.take();
        *outcomes = Outcomes {
            acknowledged: vec![false; len],
            client_error,
            ..Outcomes::default()
        };
    }

    /// One message was handed to librdkafka.
    pub(super) fn sent(&self) {
        self.lock().outstanding += 1;
    }

    /// The message handed over last came back: it was never queued.
    pub(super) fn not_sent(&self) {
        self.lock().outstanding -= 1;
    }

    /// A delivery report. Returns `true` for the first failure of the batch.
    pub(super) fn report(&self, place: usize, error: Option<Code>) -> bool {
        let mut outcomes = self.lock();
        let first_failure = error.is_some() && !outcomes.failed;
        match error {
            None => {
                if let Some(acknowledged) = outcomes.acknowledged.get_mut(place) {
                    *acknowledged = true;
                }
            }
            Some(code) => {
                outcomes.failed = true;
                // A record beside the invalid one is told only that another is: the invalid one's own report says more.
                let vague = outcomes.refusal.is_none_or(|code| code == Code::InvalidDifferentRecord);
                if vague && !is_consequence(code) {
                    outcomes.refusal = Some(code);
                }
            }
        }
        outcomes.outstanding = outcomes.outstanding.saturating_sub(1);
        if outcomes.outstanding == 0 {
            self.settled.notify_one();
        }
        first_failure
    }

    /// An error of the client as a whole: a broker that can't be reached, a handshake that failed.
    pub(super) fn client_error(&self, code: Code, text: &str) {
        let mut outcomes = self.lock();
        // `all brokers down` follows the error that says why: the why is worth keeping.
        if code != Code::AllBrokersDown || outcomes.client_error.is_none() {
            outcomes.client_error = Some((code, text.to_owned()));
        }
    }

    /// Whether a message of this batch has failed already.
    pub(super) fn has_failed(&self) -> bool {
        self.lock().failed
    }

    /// Waits until nothing is outstanding any more.
    pub(super) async fn settled(&self) {
        loop {
            if self.lock().outstanding == 0 {
                return;
            }
            self.settled.notified().await;
        }
    }

    /// Ends the batch: outcomes by place, the refusal and the newest client error, each where there was one.
    pub(super) fn finish(&self) -> (Vec<bool>, Option<Code>, Option<(Code, String)>) {
        let mut outcomes = self.lock();
        if !outcomes.failed && outcomes.outstanding == 0 && outcomes.acknowledged.iter().all(|it| *it) {
            outcomes.client_error = None;
        }
        (
            std::mem::take(&mut outcomes.acknowledged),
            outcomes.refusal.take(),
            outcomes.client_error.clone(),
        )
    }
}

/// Codes that say only that something before failed.
fn is_consequence(code: Code) -> bool {
    matches!(
        code,
        Code::PurgeQueue | Code::PurgeInflight | Code::GaplessGuarantee | Code::Fatal
    )
}

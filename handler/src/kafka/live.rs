//! A producer with the thread that serves its delivery reports, and one round of messages through it.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::time::{Instant, timeout_at};

use crate::Flaw;
use crate::config::Config;
use crate::failure::{Class, Failure};
use crate::kafka::credentials::Credentials;
use crate::kafka::login::Login;
use crate::kafka::settings::{self, Filling};
use crate::kafka::tracker::{Report, Stored, Tracker, is_consequence, put_back};
use crate::message::Message;
use crate::partition::of_key;

/// How often the serving thread looks whether it should end. A bit more than whole milliseconds: rdkafka cuts what is left to whole ones, and
/// would spin through the last.
const POLL: Duration = Duration::from_micros(20_050);

/// How long purged messages may take to come back before they count as failed without having been heard of.
const PURGE_TIME_OUT: Duration = Duration::from_millis(50);

/// How long what is in flight when a record is refused may take to be answered for. The brokers are there: they have just refused.
const AFTERMATH: Duration = Duration::from_secs(2);

/// How often the queue is purged in that time.
const PURGE_AGAIN: Duration = Duration::from_millis(10);

/// How long after a fatal error of the client the round goes on as long as nothing is acknowledged: another broker may still take records.
const FATAL_GRACE: Duration = Duration::from_secs(1);

/// How long one question for the topic's partitions may take.
const ASK: Duration = Duration::from_secs(1);

/// How long to wait before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How late [`Flaw::LatePurge`] purges.
const LATE: Duration = Duration::from_millis(500);

/// A producer at work.
pub(super) struct Live {
    producer: Arc<BaseProducer<Context>>,
    tracker: Arc<Tracker>,
    stop: Arc<AtomicBool>,
    /// Taken when somebody waits for its end.
    serving: Option<JoinHandle<()>>,
    filling: Filling,
    flaw: Option<Flaw>,
    /// By topic, and for each partition of it, whether it has acknowledged a message of this producer; empty until the topic is known.
    acquainted: Vec<Vec<bool>>,
}

/// What librdkafka calls back.
struct Context {
    tracker: Arc<Tracker>,
    /// The producer itself, to purge it from within its own delivery report.
    producer: OnceLock<Weak<BaseProducer<Context>>>,
    flaw: Option<Flaw>,
    /// Set for SASL/IAM.
    login: Option<Login>,
}

impl ClientContext for Context {
    // librdkafka asks only where the mechanism is OAUTHBEARER: never over plaintext or TLS alone.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        // What is to be tried again is no error to librdkafka: it is only logged.
        if facility == "MSGSET" {
            self.tracker.put_back(put_back(text));
        }
        tracing::debug!(librdkafka = text, facility, level = ?level, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.tracker
            .client_error(error.rdkafka_error_code().unwrap_or(Code::Unknown), reason);
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let login = self.login.as_ref().ok_or("K2M_AUTHENTICATION asks for no token")?;
        Ok(login.token()?)
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        let report = match result {
            Ok(message) => Ok(Stored {
                partition: message.partition(),
                offset: message.offset(),
            }),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(Code::Unknown)),
        };
        let first_refusal = self.tracker.report(place, report);
        if first_refusal && self.flaw != Some(Flaw::NoPurge) {
            // Not what is in flight: the brokers answer for it, and what they stored need not be sent again.
            let producer = self.producer.get().cloned();
            let purge = move || {
                if let Some(producer) = producer.as_ref().and_then(Weak::upgrade) {
                    producer.purge(PurgeConfig::default().queue());
                }
            };
            if self.flaw == Some(Flaw::LatePurge) {
                std::thread::spawn(move || {
                    std::thread::park_timeout(LATE);
                    purge();
                });
            } else {
                purge();
            }
        }
    }
}

/// How one round went.
pub(super) struct Told {
    /// Reports by place in the round; `None` where nothing was heard of a message, or it was never handed over.
    pub(super) reports: Vec<Option<Report>>,
    /// Messages that were handed over: those before this place in the round.
    pub(super) sent: usize,
    /// Why the next one could not be handed over, where that is known.
    pub(super) unsendable: Option<Failure>,
    /// Messages that librdkafka put back into its queue in this round: so many of those that were purged out of it may have been stored before.
    pub(super) put_back: usize,
    /// Why the round ended before everything was answered for, where it did.
    pub(super) broken: Option<Broken>,
}

impl Drop for Live {
    fn drop(&mut self) {
        // Also where nobody waits for the thread: it holds the producer for as long as it serves.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Told {
    /// Whether all that was handed over was acknowledged.
    pub(super) fn is_clean(&self) -> bool {
        self.broken.is_none() && self.reports[..self.sent].iter().all(|it| matches!(it, Some(Ok(_))))
    }

    /// How many messages the brokers may have stored without having said so.
    pub(super) fn uncertain(&self) -> usize {
        let (mut open, mut purged) = (0, 0);
        for report in &self.reports[..self.sent] {
            match report {
                Some(Ok(_)) => {}
                None => open += 1,
                Some(Err(code)) if may_be_stored(*code) => open += 1,
                Some(Err(code)) => purged += usize::from(is_consequence(*code)),
            }
        }
        // Nobody can tell what was put back from what was never sent: only how many it was.
        open + purged.min(self.put_back)
    }

    /// Places in the round that were acknowledged, and by which partition.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = (usize, i32)> {
        let reports = self.reports.iter().enumerate();
        reports.filter_map(|(place, report)| Some((place, report.as_ref()?.ok()?.partition)))
    }

    /// Why the client as a whole could not go on, where that ended the round.
    pub(super) fn client_failure(&self) -> Option<Failure> {
        match &self.broken {
            Some(Broken::Client(failure)) => Some(failure.clone()),
            Some(Broken::Deadline) | None => None,
        }
    }
}

/// Codes of messages that were sent, and of which a broker didn't say that it refused them.
fn may_be_stored(code: Code) -> bool {
    matches!(
        code,
        Code::PurgeInflight
            | Code::MessageTimedOut
            | Code::OutOfOrderSequenceNumber
            | Code::NotLeaderForPartition
            | Code::RequestTimedOut
            | Code::NotEnoughReplicasAfterAppend
    )
}

/// What ends a round early.
pub(super) enum Broken {
    /// The time ran out.
    Deadline,
    /// The client as a whole can't go on: refused identity, untrusted certificate, or an error that librdkafka calls fatal.
    Client(Failure),
}

impl Live {
    /// Makes a producer, which connects by itself. Takes milliseconds of processor time: certificates are read.
    pub(super) fn start(
        config: &Config,
        credentials: &Credentials,
        filling: Filling,
        flaw: Option<Flaw>,
        login: Option<Login>,
    ) -> Result<Self, Failure> {
        let tracker = Arc::new(Tracker::default());
        let context = Context {
            tracker: Arc::clone(&tracker),
            producer: OnceLock::new(),
            flaw,
            login,
        };
        let settings = settings::producer(config, credentials, filling, flaw);
        let settings = settings.map_err(|error| Failure::no_tls(&error.to_string()))?;
        let made = settings.create_with_context(context);
        let producer: Arc<BaseProducer<Context>> = Arc::new(made.map_err(|error| Failure::refused_settings(&error))?);
        // Set once, just made: the error would only give the value back.
        let _ = producer.context().producer.set(Arc::downgrade(&producer));
        let stop = Arc::new(AtomicBool::new(false));
        let serving = std::thread::spawn({
            let (producer, stop) = (Arc::clone(&producer), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    producer.poll(POLL);
                }
            }
        });
        Ok(Self {
            producer,
            tracker,
            stop,
            serving: Some(serving),
            filling,
            flaw,
            acquainted: Vec::new(),
        })
    }

    /// How its requests are filled.
    pub(super) fn filling(&self) -> Filling {
        self.filling
    }

    /// Asks the brokers once for the partitions of the pipeline's own topic; blocks, for as long as [`ASK`] at the most. What fails is only told
    /// by asking again.
    pub(super) fn look_around(mut self, topic: &str) -> Self {
        if let Ok(count) = ask_partitions(&self.producer, topic) {
            *self.of_topic(0) = vec![false; count];
        }
        self
    }

    fn of_topic(&mut self, index: usize) -> &mut Vec<bool> {
        if index >= self.acquainted.len() {
            self.acquainted.resize(index + 1, Vec::new());
        }
        &mut self.acquainted[index]
    }

    /// How many partitions the topic has; 0 before it was met.
    fn partitions(&self, index: usize) -> usize {
        self.acquainted.get(index).map_or(0, Vec::len)
    }

    /// Finds the topic, the one at `index` of the pipeline's: how many partitions it has, or why that can't be known.
    pub(super) async fn meet(&mut self, index: usize, topic: &str, deadline: Instant) -> Result<(), Failure> {
        let start = Instant::now();
        while self.partitions(index) == 0 {
            let asked = {
                let (producer, topic) = (Arc::clone(&self.producer), topic.to_owned());
                tokio::task::spawn_blocking(move || ask_partitions(&producer, &topic))
            };
            match timeout_at(deadline, asked).await {
                Ok(Ok(Ok(count))) => *self.of_topic(index) = vec![false; count],
                Ok(Ok(Err(code))) => {
                    let told = Failure::from_kafka(code, None, topic);
                    let failure = match self.client_failure(topic) {
                        Some(failure) if told.class != Class::Fatal => failure,
                        _ => told,
                    };
                    // A topic that was just made is not known to each broker yet, and a broker that refused may be one of several.
                    if failure.class == Class::Fatal && start.elapsed() >= FATAL_GRACE {
                        return Err(failure);
                    }
                }
                Ok(Err(panicked)) => return Err(Failure::internal(&panicked.to_string())),
                Err(_) => {}
            }
            if self.partitions(index) == 0 {
                tokio::time::sleep_until(deadline.min(Instant::now() + ASK_AGAIN)).await;
            }
            if Instant::now() >= deadline {
                return Err(Failure::deadline(self.client_failure(topic).as_ref(), false));
            }
        }
        Ok(())
    }

    /// The first record, among those at `places`, of each partition that has not acknowledged anything from this producer yet.
    ///
    /// A broker that knows nothing of a producer accepts whatever sequence number comes first. So if a partition's first request were refused,
    /// or lost, the one in flight behind it would be accepted: out of order, and taken for a duplicate when the first one is tried again. A
    /// partition is therefore sent one record, and the rest once that is acknowledged.
    ///
    /// `target`: the topic of the message at a place, and what its partition follows from.
    pub(super) fn first_contacts<'a>(
        &self,
        places: &[usize],
        target: impl Fn(usize) -> (usize, Cow<'a, [u8]>),
    ) -> Vec<usize> {
        if self.flaw == Some(Flaw::NoFirstContact) {
            return Vec::new();
        }
        let invert = |known: &Vec<bool>| known.iter().map(|known| !known).collect();
        let mut missing: Vec<Vec<bool>> = self.acquainted.iter().map(invert).collect();
        let mut left = missing.iter().flatten().filter(|it| **it).count();
        let mut first = Vec::new();
        for place in places {
            if left == 0 {
                break;
            }
            let (topic, follows_from) = target(*place);
            let Some(missing) = missing.get_mut(topic).filter(|missing| !missing.is_empty()) else {
                continue;
            };
            let partition = of_key(&follows_from, missing.len());
            if std::mem::take(&mut missing[partition]) {
                left -= 1;
                first.push(*place);
            }
        }
        first
    }

    /// This partition of the topic at `index` has acknowledged a message.
    pub(super) fn acquaint(&mut self, index: usize, partition: i32) {
        let Ok(partition) = usize::try_from(partition) else {
            return;
        };
        let known = self.of_topic(index);
        if partition >= known.len() {
            // The topic has been given more of them.
            known.resize(partition + 1, false);
        }
        known[partition] = true;
    }

    /// The partition for a message without a key in the topic at `index`: follows from what is sent, so that it is the same when it is sent again.
    pub(super) fn partition(&self, index: usize, follows_from: &[u8]) -> Option<i32> {
        let count = self.partitions(index);
        (count > 0).then(|| i32::try_from(of_key(follows_from, count)).unwrap_or_default())
    }

    /// Takes the producer down on a thread of its own: closing connections may take longer than the invocation has.
    pub(super) fn close(mut self) -> tokio::task::JoinHandle<()> {
        tokio::task::spawn_blocking(move || {
            self.stop.store(true, Ordering::Relaxed);
            if let Some(serving) = self.serving.take() {
                // A panic there was reported by the thread itself; the producer is dropped all the same.
                let _ = serving.join();
            }
            drop(self);
        })
    }

    /// Whether the token ended in a frozen sandbox. The brokers have ended the connections with it, and librdkafka would first
    /// show the old token again: a new producer begins with a new one.
    pub(super) fn has_overslept(&self) -> bool {
        self.producer.context().login.as_ref().is_some_and(Login::has_expired)
    }

    /// Whether librdkafka says that this producer can never send again.
    pub(super) fn is_dead(&self) -> bool {
        self.producer.client().fatal_error().is_some()
    }

    /// Drops what is queued or in flight. Doesn't wait for librdkafka's threads: one that resolves a name may take seconds, and the
    /// answer is due.
    fn purge(&self) {
        self.producer
            .purge(PurgeConfig::default().queue().inflight().non_blocking());
    }

    /// Starts a round of up to `len` messages.
    pub(super) fn begin(&self, len: usize) {
        self.tracker.begin(len);
    }

    /// Whether a message of this round was refused already: then nothing more is to be handed over.
    pub(super) fn has_refusal(&self) -> bool {
        self.tracker.has_refusal()
    }

    /// Hands one message to librdkafka, which copies it; `partition`: where it isn't librdkafka that chooses by the key.
    pub(super) fn send(
        &self,
        topic: &str,
        partition: Option<i32>,
        place: usize,
        message: &Message<'_>,
    ) -> Result<(), Code> {
        let headers = message.headers().fold(
            OwnedHeaders::new_with_capacity(message.headers().count()),
            |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            },
        );
        let mut record: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, place)
            .payload(message.value)
            // To librdkafka 0 means now.
            .timestamp(message.timestamp_millis.max(1))
            .headers(headers);
        record.key = message.key;
        record.partition = partition;
        self.producer
            .send(record)
            .map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(Code::Unknown))
    }

    /// Waits until the brokers have answered for all `sent` messages, or nothing is to be waited for any more.
    pub(super) async fn settle(&self, sent: usize, deadline: Instant, topic: &str) -> Told {
        self.tracker.expect(sent);
        if self.tracker.has_refusal() && self.flaw.is_none() {
            // The purge inside the report may have come just before the last message was handed over.
            self.producer.purge(PurgeConfig::default().queue().non_blocking());
        }
        let mut broken = None;
        if self.flaw != Some(Flaw::NoWait) {
            broken = self.wait(deadline, topic).await;
            if !self.tracker.all_heard() {
                self.purge();
                let heard = async {
                    while !self.tracker.all_heard() {
                        self.tracker.changed().await;
                    }
                };
                let _ = tokio::time::timeout(PURGE_TIME_OUT, heard).await;
            }
        }
        let (mut reports, put_back) = self.tracker.finish();
        self.embellish(&mut reports, broken.as_ref());
        Told {
            reports,
            sent,
            unsendable: None,
            put_back: if self.flaw == Some(Flaw::Uncounted) {
                0
            } else {
                put_back
            },
            broken,
        }
    }

    /// What a broken promise makes of the reports: only for tests of the tests.
    fn embellish(&self, reports: &mut [Option<Report>], broken: Option<&Broken>) {
        let success = match self.flaw {
            Some(Flaw::NoWait) => true,
            Some(Flaw::SuccessOnDeadline) => matches!(broken, Some(Broken::Deadline)),
            Some(Flaw::ConnectionErrorIsSuccess) => self.tracker.last_client_error().is_some(),
            _ => false,
        };
        if success {
            reports.fill(Some(Ok(Stored::default())));
        }
    }

    /// Returns once all is answered for, or with the reason why that is not waited for.
    async fn wait(&self, deadline: Instant, topic: &str) -> Option<Broken> {
        // While one runs: when it ends, and how much was acknowledged when it began.
        let mut grace: Option<(Instant, usize)> = None;
        let mut aftermath: Option<Instant> = None;
        loop {
            if self.tracker.all_heard() {
                return None;
            }
            let now = Instant::now();
            if now >= deadline {
                return Some(Broken::Deadline);
            }
            if self.flaw == Some(Flaw::ConnectionErrorIsSuccess) && self.tracker.last_client_error().is_some() {
                return None;
            }
            let mut until = deadline;
            if self.tracker.has_refusal() {
                let end = *aftermath.get_or_insert(now + AFTERMATH);
                if now >= end {
                    return None;
                }
                // What was in flight behind the refusal comes back out of order, and librdkafka puts it into its queue again, to wait there for
                // a producer that can't send any more.
                if self.flaw.is_none() {
                    self.producer.purge(PurgeConfig::default().queue().non_blocking());
                }
                until = until.min(end).min(now + PURGE_AGAIN);
            }
            if let Some(failure) = self.client_failure(topic).filter(|it| it.class == Class::Fatal) {
                let acknowledged = self.tracker.acknowledged();
                match grace {
                    Some((end, before)) if now >= end && acknowledged == before => {
                        return Some(Broken::Client(failure));
                    }
                    Some((end, _)) if now < end => {}
                    _ => grace = Some((now + FATAL_GRACE, acknowledged)),
                }
                until = grace.map_or(until, |(end, _)| until.min(end));
            }
            // Either way it is looked at again.
            let _ = timeout_at(until, self.tracker.changed()).await;
        }
    }

    /// What the client as a whole last complained of: what librdkafka calls fatal, before any other error.
    pub(super) fn client_failure(&self, topic: &str) -> Option<Failure> {
        let fatal = self.producer.client().fatal_error();
        // That a record was refused makes the producer fatal by the gapless guarantee; the record's own report says more.
        let fatal = fatal.filter(|(code, _)| !is_consequence(*code));
        let (code, text) = fatal.or_else(|| self.tracker.last_client_error())?;
        (!is_consequence(code)).then(|| Failure::from_kafka(code, Some(&text), topic))
    }
}

/// How many partitions the topic has, as one of the brokers says.
///
/// Asked twice: librdkafka looks for a producer id when metadata comes, but the first answer also makes it drop the bootstrap connection, so
/// that no broker is there to ask. It would look again after half a second; it does at the second answer, which comes from a broker that stays.
fn ask_partitions(producer: &BaseProducer<Context>, topic: &str) -> Result<usize, Code> {
    let ask = || {
        let metadata = producer.client().fetch_metadata(Some(topic), ASK);
        metadata.map_err(|error| error.rdkafka_error_code().unwrap_or(Code::Unknown))
    };
    ask()?;
    let metadata = ask()?;
    let topic = metadata.topics().first().ok_or(Code::UnknownTopicOrPartition)?;
    match topic.error() {
        Some(error) => Err(error.into()),
        None if topic.partitions().is_empty() => Err(Code::LeaderNotAvailable),
        None => Ok(topic.partitions().len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reports: &[Option<Report>], put_back: usize) -> Told {
        Told {
            reports: reports.to_vec(),
            sent: reports.len(),
            unsendable: None,
            put_back,
            broken: None,
        }
    }

    #[test]
    fn what_the_brokers_may_have_stored_is_uncertain() {
        let stored = Some(Ok(Stored {
            partition: 0,
            offset: 0,
        }));
        let (refused, purged) = (Some(Err(Code::MessageSizeTooLarge)), Some(Err(Code::PurgeQueue)));
        let rows: [(&[Option<Report>], usize, usize); 7] = [
            (&[stored, stored], 2, 0),
            (&[stored, refused, purged], 0, 0),
            // Purged behind a record that another partition refused; but its own leader had moved, with one of them in its log.
            (&[stored, refused, purged, purged], 1, 1),
            (&[refused, purged, purged], 5, 2),
            (&[Some(Err(Code::PurgeInflight)), None, purged], 0, 2),
            (&[Some(Err(Code::NotLeaderForPartition)), purged], 1, 2),
            (&[], 3, 0),
        ];
        for (reports, put_back, uncertain) in rows {
            assert_eq!(
                told(reports, put_back).uncertain(),
                uncertain,
                "{reports:?}, {put_back}"
            );
        }
    }
}

//! The producer: one a sandbox, kept between invocations, made anew after anything went wrong.
//!
//! Order rests on three things. Nothing is queued behind a record that was refused here. librdkafka stops by itself when a
//! broker refuses one (gapless guarantee), and the queue is purged inside the delivery report that says so. And the next
//! invocation starts with a new producer only once the old one is gone with its connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::time::{Instant, timeout, timeout_at};

use crate::batch::Delivery;
use crate::config::{Authentication, Config};
use crate::event::Record;
use crate::failure::Failure;
use crate::invocation::Deliver;
use crate::kafka::limit::{DEFAULT_MAX_MESSAGE_BYTES, LimitError, topic_limit};
use crate::kafka::login::{Login, Process, Surroundings};
use crate::kafka::settings;
use crate::kafka::tracker::Tracker;
use crate::message::Message;
use crate::{Flaw, note};

/// How long the topic may take to tell its size limit.
const LIMIT_TIME_OUT: Duration = Duration::from_secs(3);

/// How long purged messages may take to come back before they count as failed without having been heard of.
const PURGE_TIME_OUT: Duration = Duration::from_millis(50);

/// How often the serving thread looks whether it should end.
const POLL: Duration = Duration::from_millis(100);

/// Delivers batches to one topic.
pub struct KafkaProducer {
    config: Config,
    flaw: Option<Flaw>,
    surroundings: Arc<dyn Surroundings>,
    live: Option<Live>,
    /// The producer that was given up last, while it is being taken down.
    closing: Option<tokio::task::JoinHandle<()>>,
    /// The topic's `max.message.bytes`, once known.
    limit: Option<usize>,
}

/// A producer with the thread that serves its delivery reports.
struct Live {
    producer: Arc<BaseProducer<Context>>,
    tracker: Arc<Tracker>,
    stop: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

/// What librdkafka calls back.
struct Context {
    tracker: Arc<Tracker>,
    /// The producer itself, to purge it from within its own delivery report.
    producer: OnceLock<Weak<BaseProducer<Context>>>,
    purge: bool,
    /// Set for SASL/IAM.
    login: Option<Login>,
}

impl ClientContext for Context {
    // librdkafka asks only where the mechanism is OAUTHBEARER: never over plaintext or TLS alone.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
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
        let error = result
            .as_ref()
            .err()
            .map(|(error, _)| error.rdkafka_error_code().unwrap_or(Code::Unknown));
        let first_failure = self.tracker.report(place, error);
        if first_failure
            && self.purge
            && let Some(producer) = self.producer.get().and_then(Weak::upgrade)
        {
            producer.purge(PurgeConfig::default().queue().inflight());
        }
    }
}

impl Live {
    fn start(
        config: &Config,
        topic_limit: usize,
        flaw: Option<Flaw>,
        login: Option<Login>,
    ) -> Result<Self, KafkaError> {
        let tracker = Arc::new(Tracker::default());
        let context = Context {
            tracker: Arc::clone(&tracker),
            producer: OnceLock::new(),
            purge: flaw != Some(Flaw::NoPurge),
            login,
        };
        let producer: Arc<BaseProducer<Context>> =
            Arc::new(settings::producer(config, topic_limit, flaw).create_with_context(context)?);
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
            serving,
        })
    }

    /// Takes the producer down on a thread of its own: closing connections may take longer than the invocation has.
    fn close(self) -> tokio::task::JoinHandle<()> {
        tokio::task::spawn_blocking(move || {
            self.stop.store(true, Ordering::Relaxed);
            // A panic there was reported by the thread itself; the producer is dropped all the same.
            let _ = self.serving.join();
            drop(self.producer);
        })
    }

    /// Whether the token ended in a frozen sandbox. The brokers have ended the connections with it, and librdkafka would first
    /// show the old token again: a new producer begins with a new one.
    fn has_overslept(&self) -> bool {
        self.producer.context().login.as_ref().is_some_and(Login::has_expired)
    }

    /// Drops what is queued or in flight. Doesn't wait for librdkafka's threads: one that resolves a name may take seconds, and the
    /// answer is due.
    fn purge(&self) {
        self.producer
            .purge(PurgeConfig::default().queue().inflight().non_blocking());
    }

    /// Hands one message to librdkafka.
    fn send(&self, topic: &str, place: usize, message: &Message<'_>) -> Result<(), KafkaError> {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in message.headers {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        let record = BaseRecord::with_opaque_to(topic, place)
            .key(message.key)
            .payload(message.value.as_slice())
            // To librdkafka 0 means now.
            .timestamp(message.timestamp_millis.max(1))
            .headers(headers);
        self.tracker.sent();
        self.producer.send(record).map_err(|(error, _)| {
            self.tracker.not_sent();
            error
        })
    }
}

/// Why queueing ended before the batch's end.
enum Refused {
    /// This record can never be accepted.
    Record(Failure),
    /// The producer can't take anything any more.
    Producer(KafkaError),
}

impl KafkaProducer {
    /// A producer for `config`; nothing is connected yet.
    pub fn new(config: Config, flaw: Option<Flaw>) -> Self {
        let limit = config.max_message_bytes;
        Self {
            config,
            flaw,
            surroundings: Arc::new(Process),
            live: None,
            closing: None,
            limit,
        }
    }

    /// Takes credentials and time from `surroundings` instead of from this process.
    #[must_use]
    pub fn with_surroundings(mut self, surroundings: Arc<dyn Surroundings>) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// Connects ahead of the first invocation, in the sandbox's start, which has processor time to spare. What fails here is
    /// only noted: the first batch tries again and tells.
    pub async fn warm_up(&mut self) {
        if let Err(failure) = self.ready(Instant::now() + LIMIT_TIME_OUT).await {
            note::warn("could not prepare the producer ahead of the first batch", &failure);
        }
    }

    /// What logs the next producer in, where a login is asked for. Tried at once: librdkafka would tell a failure only once, on
    /// another thread, and wait for the next token until the deadline.
    fn login(&self) -> Result<Option<Login>, Failure> {
        let Authentication::Iam(region) = &self.config.authentication else {
            return Ok(None);
        };
        let login = Login::new(region.clone(), Arc::clone(&self.surroundings));
        match login.token() {
            Ok(_) => Ok(Some(login)),
            Err(error) => Err(Failure::no_token(&error.to_string())),
        }
    }

    /// Makes a producer unless there is one, after the one before it is gone.
    async fn ready(&mut self, deadline: Instant) -> Result<(), Failure> {
        if self.live.as_ref().is_some_and(Live::has_overslept) {
            self.closing = self.live.take().map(Live::close);
        }
        if self.live.is_some() {
            return Ok(());
        }
        if let Some(closing) = &mut self.closing {
            if timeout_at(deadline, closing).await.is_err() {
                return Err(Failure::deadline(None));
            }
            self.closing = None;
        }
        let login = self.login()?;
        if self.limit.is_none() {
            let time_out = LIMIT_TIME_OUT.min(deadline.saturating_duration_since(Instant::now()) / 2);
            match limit_in_time(&self.config, time_out).await {
                Ok(limit) => self.limit = Some(limit),
                Err(error) => tracing::warn!(
                    error = %error,
                    assumed = DEFAULT_MAX_MESSAGE_BYTES,
                    "the topic's max.message.bytes is not known and assumed: set K2M_MAX_MESSAGE_BYTES, or mend the error"
                ),
            }
        }
        let limit = self.limit.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES);
        let live = Live::start(&self.config, limit, self.flaw, login).map_err(|error| Failure {
            class: crate::failure::Class::Fatal,
            reason: "librdkafka refuses the settings: check K2M_AUTHENTICATION and K2M_CA_FILE".into(),
            librdkafka: error.to_string(),
        })?;
        self.live = Some(live);
        Ok(())
    }

    /// Queues the records in order, up to the first that is refused. Returns bytes queued by place and the refusal.
    fn queue(&self, live: &Live, records: &[Record<'_>], deadline: Instant) -> (Vec<usize>, Option<Refused>) {
        let limit = self.limit.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES);
        let topic = &self.config.topic;
        let mut sizes = Vec::with_capacity(records.len());
        for (place, record) in records.iter().enumerate() {
            if live.tracker.has_failed() || Instant::now() >= deadline {
                return (sizes, None);
            }
            let message = match record.data() {
                Ok(value) => Message::new(record, value),
                Err(error) => return (sizes, Some(Refused::Record(Failure::unreadable(error.to_string())))),
            };
            let bytes = message.batch_bytes();
            if bytes > limit {
                return (sizes, Some(Refused::Record(Failure::too_large(bytes, limit, topic))));
            }
            if let Err(error) = live.send(topic, place, &message) {
                return (sizes, Some(Refused::Producer(error)));
            }
            sizes.push(message.value.len());
        }
        (sizes, None)
    }

    /// Sends the batch through the live producer and waits. The flag says whether the producer may be used again.
    async fn attempt(&self, live: &Live, records: &[Record<'_>], deadline: Instant) -> (Delivery, bool) {
        live.tracker.begin(records.len());
        let (sizes, refused) = self.queue(live, records, deadline);
        if live.tracker.has_failed() && self.flaw != Some(Flaw::NoPurge) {
            // The purge inside the report may have come just before the last record was queued.
            live.purge();
        }
        let mut timed_out = false;
        if self.flaw != Some(Flaw::NoWait) && timeout_at(deadline, live.tracker.settled()).await.is_err() {
            timed_out = true;
            live.purge();
            let _ = timeout(PURGE_TIME_OUT, live.tracker.settled()).await;
        }
        let (mut acknowledged, code, client_error) = live.tracker.finish();
        if self.flaw == Some(Flaw::NoWait) || (timed_out && self.flaw == Some(Flaw::SuccessOnDeadline)) {
            acknowledged.fill(true);
        }

        let topic = &self.config.topic;
        let detail = client_error.as_ref().map(|(_, text)| text.as_str());
        let client_failure = client_error
            .as_ref()
            .map(|(code, text)| Failure::from_kafka(*code, Some(text), topic));
        let all = acknowledged.iter().all(|it| *it);
        let failure = if all {
            None
        } else if let Some(code) = code {
            Some(Failure::from_kafka(code, None, topic))
        } else {
            match refused {
                Some(Refused::Record(failure)) if !timed_out => Some(failure),
                Some(Refused::Producer(error)) => {
                    let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
                    Some(Failure::from_kafka(code, detail, topic))
                }
                _ if timed_out || Instant::now() >= deadline => Some(Failure::deadline(client_failure.as_ref())),
                // Only consequences were reported: the client as a whole gave up.
                _ => Some(client_failure.unwrap_or_else(|| Failure::from_kafka(Code::Fatal, None, topic))),
            }
        };
        let bytes = acknowledged
            .iter()
            .zip(&sizes)
            .filter(|(ok, _)| **ok)
            .map(|(_, size)| *size as u64)
            .sum();
        (
            Delivery {
                acknowledged,
                bytes,
                failure,
            },
            all,
        )
    }
}

impl Deliver for KafkaProducer {
    async fn deliver(&mut self, records: &[Record<'_>], deadline: Instant) -> Delivery {
        let nothing = |failure| Delivery {
            acknowledged: vec![false; records.len()],
            bytes: 0,
            failure: Some(failure),
        };
        // A producer may have died while the sandbox was frozen: it shows at the first send, and a new one is made, once.
        for last in [false, true] {
            if let Err(failure) = self.ready(deadline).await {
                return nothing(failure);
            }
            let Some(live) = self.live.take() else { continue };
            let (delivery, reusable) = self.attempt(&live, records, deadline).await;
            if reusable {
                self.live = Some(live);
                return delivery;
            }
            let dead_on_arrival = live.producer.client().fatal_error().is_some()
                && delivery.acknowledged_count() == 0
                && !live.tracker.has_failed();
            self.closing = Some(live.close());
            if delivery
                .failure
                .as_ref()
                .is_some_and(|failure| failure.class == crate::failure::Class::Poison)
            {
                // The topic's limit may have been changed since it was read, or could not be read then: it is asked again.
                self.limit = self.config.max_message_bytes;
            }
            if last || !dead_on_arrival {
                return delivery;
            }
        }
        nothing(Failure::deadline(None))
    }
}

/// [`topic_limit`], off the only thread that serves: taking the admin client down waits for librdkafka's threads, which may take
/// seconds where names don't resolve.
async fn limit_in_time(config: &Config, time_out: Duration) -> Result<usize, LimitError> {
    let config = config.clone();
    let runtime = tokio::runtime::Handle::current();
    let asked = tokio::task::spawn_blocking(move || runtime.block_on(topic_limit(&config, time_out)));
    match timeout(time_out, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(LimitError::TimeOut),
    }
}

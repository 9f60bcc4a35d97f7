//! librdkafka alone, with the handler's settings: messages that are in memory already, and nothing around them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use k2m_handler::config::Config;
use k2m_handler::kafka::producer_settings;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use crate::workload::{Batch, OwnedMessage};
use crate::{LIMIT, Result};

/// `max.message.bytes` of a topic that does not set it.
const TOPIC_LIMIT: usize = 1_048_588;
/// How often the serving thread looks whether it should end. Whole milliseconds and a bit: rdkafka cuts what is left to whole milliseconds, and
/// without the bit would spin for nearly one at the end of each.
const POLL: Duration = Duration::from_micros(1_000_100);

/// A warm producer.
pub(crate) struct Librdkafka {
    producer: Arc<BaseProducer<Reports>>,
    topic: String,
    stop: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

/// Delivery reports of the batch under way. Counted without a lock: what is compared with must not be slowed down.
struct Reports {
    outstanding: AtomicUsize,
    error: Mutex<Option<KafkaError>>,
    waiting: std::thread::Thread,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiting.unpark();
        }
    }
}

impl Drop for Librdkafka {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(serving) = self.serving.take() {
            // A panic there was reported by the thread itself.
            let _ = serving.join();
        }
    }
}

/// What the handler, given these variables, would set.
pub(crate) fn settings(environment: Vec<(String, String)>) -> Result<(ClientConfig, String)> {
    let config = Config::from_env(environment)?;
    Ok((producer_settings(&config, TOPIC_LIMIT)?, config.topic))
}

impl Librdkafka {
    /// A producer from the handler's own variables. Delivers on this thread.
    pub(crate) fn start(environment: Vec<(String, String)>) -> Result<Self> {
        let (settings, topic) = settings(environment)?;
        let reports = Reports {
            outstanding: AtomicUsize::new(0),
            error: Mutex::default(),
            waiting: std::thread::current(),
        };
        let producer: Arc<BaseProducer<Reports>> = Arc::new(settings.create_with_context(reports)?);
        let stop = Arc::new(AtomicBool::new(false));
        // Reports are served on a thread of their own, as the handler does: `poll` returns only when its time is over.
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
            topic,
            stop,
            serving: Some(serving),
        })
    }

    /// From the first message handed over to the last delivery report.
    pub(crate) fn deliver(&mut self, batch: &Batch) -> Result<Duration> {
        let reports = self.producer.context();
        reports.outstanding.store(batch.messages.len(), Ordering::Release);
        let start = Instant::now();
        for message in &batch.messages {
            self.send(message)?;
        }
        while reports.outstanding.load(Ordering::Acquire) > 0 {
            std::thread::park_timeout(LIMIT.saturating_sub(start.elapsed()));
            if start.elapsed() >= LIMIT {
                return Err(format!("messages not acknowledged in {LIMIT:?}").into());
            }
        }
        let time = start.elapsed();
        match reports.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error.into()),
            None => Ok(time),
        }
    }

    fn send(&self, message: &OwnedMessage) -> Result<()> {
        let headers = OwnedHeaders::new_with_capacity(message.headers.len());
        let headers = message.headers.iter().fold(headers, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        });
        let record = BaseRecord::to(&self.topic)
            .key(&message.key)
            .payload(&message.value)
            .timestamp(message.timestamp_millis)
            .headers(headers);
        self.producer.send(record).map_err(|(error, _)| error.into())
    }
}

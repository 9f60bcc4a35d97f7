//! librdkafka alone, with the handler's settings: messages that are in memory already, and nothing around them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use k2m_handler::config::Config;
use k2m_handler::kafka::producer_settings;
use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use crate::workload::{Batch, OwnedMessage};
use crate::{LIMIT, Result};

/// `max.message.bytes` of a topic that does not set it, which the handler finds out by asking.
const TOPIC_LIMIT: usize = 1_048_588;
/// How often the serving thread looks whether it should end.
const POLL: Duration = Duration::from_millis(100);

/// A warm producer.
pub(crate) struct Librdkafka {
    producer: Arc<BaseProducer<Reports>>,
    topic: String,
    stop: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

/// Delivery reports of the batch under way.
#[derive(Default)]
struct Reports {
    count: Mutex<Count>,
    settled: Condvar,
}

#[derive(Default)]
struct Count {
    outstanding: usize,
    error: Option<KafkaError>,
}

impl Reports {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the last report.
    fn settled(&self) -> Result<()> {
        let waited = self
            .settled
            .wait_timeout_while(self.count(), LIMIT, |count| count.outstanding > 0);
        let (mut count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match count.error.take() {
            Some(error) => Err(error.into()),
            None if count.outstanding > 0 => {
                Err(format!("{} messages not acknowledged in {LIMIT:?}", count.outstanding).into())
            }
            None => Ok(()),
        }
    }
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut count = self.count();
        if let Err((error, _)) = result {
            count.error = Some(error.clone());
        }
        count.outstanding = count.outstanding.saturating_sub(1);
        if count.outstanding == 0 {
            self.settled.notify_one();
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

impl Librdkafka {
    /// A producer from the handler's own variables.
    pub(crate) fn start(environment: Vec<(String, String)>) -> Result<Self> {
        let config = Config::from_env(environment)?;
        let settings = producer_settings(&config, TOPIC_LIMIT);
        let producer: Arc<BaseProducer<Reports>> = Arc::new(settings.create_with_context(Reports::default())?);
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
            topic: config.topic,
            stop,
            serving: Some(serving),
        })
    }

    /// From the first message handed over to the last delivery report.
    pub(crate) fn deliver(&mut self, batch: &Batch) -> Result<Duration> {
        let reports = self.producer.context();
        reports.count().outstanding = batch.messages.len();
        let start = Instant::now();
        for message in &batch.messages {
            self.send(message)?;
        }
        reports.settled()?;
        Ok(start.elapsed())
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

//! The Kafka side: librdkafka's settings, the producer that lives as long as the sandbox, and what it learns of the topic.

pub(crate) mod credentials;
pub mod iam;
mod limit;
mod live;
mod login;
mod producer;
mod round;
mod settings;
pub(crate) mod tls;
mod tracker;

pub use login::{Process, Surroundings};
pub use producer::KafkaProducer;

use rdkafka::ClientConfig;

use crate::config::Config;
use crate::kafka::credentials::Credentials;

pub use tls::TlsError;

/// The properties that the handler gives librdkafka for a topic whose `max.message.bytes` is `topic_limit`, but for what secrets hold: for
/// whoever wants to compare the handler with librdkafka alone.
///
/// # Errors
/// TLS is spoken, and nobody is there to trust.
pub fn producer_settings(config: &Config, topic_limit: usize) -> Result<ClientConfig, TlsError> {
    let filling = settings::Filling::UpTo(topic_limit);
    settings::producer(config, &Credentials::default(), filling, None)
}

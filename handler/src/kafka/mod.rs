//! The Kafka side: librdkafka's settings, the producer that lives as long as the sandbox, and what it learns of the topic.

pub mod iam;
mod limit;
mod live;
mod login;
mod producer;
mod settings;
mod tracker;

pub use login::Surroundings;
pub use producer::KafkaProducer;

use rdkafka::ClientConfig;

use crate::config::Config;

/// The properties that the handler gives librdkafka for a topic whose `max.message.bytes` is `topic_limit`: for whoever wants to compare
/// the handler with librdkafka alone.
pub fn producer_settings(config: &Config, topic_limit: usize) -> ClientConfig {
    settings::producer(config, settings::Filling::UpTo(topic_limit), None)
}

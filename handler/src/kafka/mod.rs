//! The Kafka side: librdkafka's settings, the producer that lives as long as the sandbox, and what it learns of the topic.

mod limit;
mod producer;
mod settings;
mod tracker;

pub use producer::KafkaProducer;

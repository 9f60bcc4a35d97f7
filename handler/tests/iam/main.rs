//! SASL/IAM: tokens against AWS's own signer, and deliveries to Apache Kafka with a listener that checks tokens.

mod broker;
mod runtime_api;
mod tokens;

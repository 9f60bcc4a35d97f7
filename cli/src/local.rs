//! The event source mapping on this machine: reads records, batches them, invokes the real handler through a local Lambda
//! Runtime API, and retries, splits and gives up as Lambda does.

pub mod broker;
pub mod destination;
pub mod embedded;
pub mod engine;
pub mod event;
pub mod input;
pub mod mapping;
pub mod retries;
pub mod runtime_api;
pub mod sandbox;
pub mod session;
pub mod stream;
pub mod summary;

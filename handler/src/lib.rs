//! The Lambda function of k2m: takes a batch of Kinesis records and answers once Kafka has acknowledged them.
//!
//! The data flows one way: payload -> [`event`] -> [`unfold`] -> [`parcel`] -> [`rounds`] -> [`message`] -> [`kafka`] -> [`batch`] -> answer;
//! [`invocation`] joins them. A [`canary`] among the records is told of. [`probe`] stands beside: it looks at the way to the brokers, has topics created on request, and delivers nothing.

pub mod batch;
pub mod canary;
pub mod config;
pub mod event;
pub mod failure;
pub mod invocation;
mod json;
pub mod kafka;
mod ledger;
pub mod message;
pub mod note;
pub mod parcel;
pub mod partition;
pub mod payload;
pub mod probe;
pub mod rounds;
mod runtime;
pub mod secret;
mod segment;
pub mod unfold;

pub use runtime::{Flaw, main, main_with, main_with_embedded_brokers};

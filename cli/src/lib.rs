//! k2m moves Kinesis data streams into Kafka topics on Amazon MSK through AWS Lambda. This is the library of its command line.

mod addresses;
pub mod args;
pub mod arn;
pub mod aws;
pub mod clock;
pub mod commands;
pub mod demo;
pub mod deploy;
pub mod doctor;
pub mod exit;
pub mod facts;
pub mod help;
pub mod import;
pub mod local;
pub mod logs;
pub mod mend;
pub mod network;
pub mod picture;
pub mod plan;
pub mod probe;
pub mod report;
mod resolver;
pub mod sample;
pub mod settings;
mod shell;
pub mod status;
pub mod template;

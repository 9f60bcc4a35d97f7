//! What is in a topic, as told by a Kafka client that shares no code with k2m's.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::{Error, Result, ground};

const SCRIPT: &str = include_str!("../python/readback.py");

/// Counts over a whole topic. A record is identified by its headers `k2m-shard` and `k2m-sequence` (and
/// `k2m-subsequence` where there is one).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readback {
    /// Messages up to the end offsets.
    pub messages: u64,
    /// Different records among them.
    pub distinct: u64,
    /// Messages that repeat a record seen before.
    pub duplicates: u64,
    /// Different values of `k2m-shard`.
    pub shards: u64,
    /// Different keys.
    pub keys: u64,
    /// Keys whose records did not first appear in the order of their sequence numbers within a shard.
    pub keys_out_of_order: u64,
    /// Up to ten of those keys.
    pub out_of_order_examples: Vec<String>,
    /// Keys found in more than one partition.
    pub keys_in_several_partitions: u64,
    /// Messages that lack an identity header, or whose sequence number is not decimal.
    pub without_headers: u64,
    /// Bytes of all values together.
    pub value_bytes: u64,
}

/// What to read, and how to reach it.
#[derive(Debug, Clone)]
pub struct ReadbackRequest {
    bootstrap: String,
    topic: String,
    ca: Option<PathBuf>,
    values: Option<PathBuf>,
}

impl ReadbackRequest {
    /// All of `topic`, in plaintext from `bootstrap` (`host:port,…`).
    pub fn new(bootstrap: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            topic: topic.into(),
            ca: None,
            values: None,
        }
    }

    /// Speaks TLS and trusts the authority in this PEM file.
    #[must_use]
    pub fn ca_file(mut self, ca: impl AsRef<Path>) -> Self {
        self.ca = Some(ca.as_ref().to_owned());
        self
    }

    /// Also writes each message's value to this file, base64, one a line, in order within each partition.
    #[must_use]
    pub fn values_to(mut self, file: impl AsRef<Path>) -> Self {
        self.values = Some(file.as_ref().to_owned());
        self
    }

    /// Reads up to the end offsets of now.
    pub fn read(&self) -> Result<Readback> {
        let python = ground::python()?;
        let mut command = Command::new(python);
        command
            .arg(ground::script("readback.py", SCRIPT)?)
            .args([&self.bootstrap, &self.topic]);
        for (option, value) in [("--ca", &self.ca), ("--values", &self.values)] {
            if let Some(value) = value {
                command.arg(option).arg(value);
            }
        }
        let printed = ground::run(&mut command)?;
        serde_json::from_slice(&printed).map_err(|source| Error::Report {
            source,
            text: String::from_utf8_lossy(&printed).into_owned(),
        })
    }
}

/// Reads all of `topic` in plaintext.
pub fn readback(bootstrap: &str, topic: &str) -> Result<Readback> {
    ReadbackRequest::new(bootstrap, topic).read()
}

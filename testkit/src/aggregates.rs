//! Aggregates of the Kinesis Producer Library, made and taken apart by AWS's own library for Python: what k2m's reading is compared with.

use std::process::Command;

use serde::Deserialize;

use crate::{Error, Result, ground};

const SCRIPT: &str = include_str!("../python/aggregates.py");

/// Data of a Kinesis record, and what AWS's library takes out of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceAggregate {
    /// What it is, in words.
    pub what: String,
    /// The data, in base64.
    pub data: String,
    /// The records in it; none where it is no aggregate.
    pub records: Option<Vec<ReferenceRecord>>,
}

/// A record of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRecord {
    /// Its partition key.
    pub partition_key: String,
    /// Its explicit hash key, if it has one.
    pub explicit_hash_key: Option<String>,
    /// Its data, in base64.
    pub data: String,
}

/// `count` random aggregates that follow from `seed`, and then broken, nested, large and empty ones.
pub fn reference_aggregates(seed: u64, count: usize) -> Result<Vec<ReferenceAggregate>> {
    let mut command = Command::new(ground::python()?);
    command.arg(ground::script("aggregates.py", SCRIPT)?);
    let printed = ground::run(command.args([seed.to_string(), count.to_string()]))?;
    let lines = printed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            serde_json::from_slice(line).map_err(|source| Error::Report {
                source,
                text: String::from_utf8_lossy(line).into_owned(),
            })
        })
        .collect()
}

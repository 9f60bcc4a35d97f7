//! Facts from a file, as `k2m inspect -o json` prints them.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use super::{Facts, SCHEMA};
use crate::exit::Exit;

/// Why a file gives no facts.
#[derive(Debug, Error)]
pub enum FactsError {
    /// It can't be read.
    #[error("failed to read the facts in {path}: {source}{}", next(path, source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path} holds no facts: {source}; `k2m inspect -o json` prints them, and docs/facts.md describes them")]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        source: serde_json::Error,
    },
    /// It is JSON, and no document of facts.
    #[error(
        "{path} holds no facts: they are a JSON object with a number as `schema`, and this is {found}; `k2m inspect -o json` prints them, and docs/facts.md \
         describes them"
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// It does not say when they were taken.
    #[error(
        "{path} holds no facts: takenAt is {found:?}, and should be a time such as 2026-01-02T03:04:05Z; `k2m inspect -o json` prints them, and \
         docs/facts.md describes them"
    )]
    TakenAt {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// Another version of the document.
    #[error(
        "{path} has facts of schema {found}, this k2m reads {SCHEMA}: look again with this k2m, or use the k2m that wrote it"
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u64,
    },
}

impl FactsError {
    /// The exit code that it ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } => Exit::NoFile,
            Self::Shape { .. } | Self::Other { .. } | Self::TakenAt { .. } | Self::Schema { .. } => Exit::Usage,
        }
    }
}

/// Reads facts from a file.
pub fn read(path: &Path) -> Result<Facts, FactsError> {
    let text = std::fs::read(path).map_err(|source| FactsError::Read {
        path: path.to_owned(),
        source,
    })?;
    let shape = |source| FactsError::Shape {
        path: path.to_owned(),
        source,
    };
    // Asked first: the fields of another version would be called unknown, which misleads.
    let document: Value = serde_json::from_slice(&text).map_err(shape)?;
    let schema = document
        .get("schema")
        .and_then(Value::as_u64)
        .ok_or_else(|| FactsError::Other {
            path: path.to_owned(),
            found: kind(&document),
        })?;
    if schema != u64::from(SCHEMA) {
        return Err(FactsError::Schema {
            path: path.to_owned(),
            found: schema,
        });
    }
    let facts: Facts = serde_json::from_slice(&text).map_err(shape)?;
    match facts.taken_at.parse::<Timestamp>() {
        Ok(_) => Ok(facts),
        Err(_) => Err(FactsError::TakenAt {
            path: path.to_owned(),
            found: facts.taken_at,
        }),
    }
}

/// What a document is, in JSON's own words.
fn kind(document: &Value) -> &'static str {
    match document {
        Value::Object(_) => "an object without one",
        Value::Array(_) => "an array",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) | Value::Null => "a bare word",
    }
}

/// How a file comes to be there that isn't; into what is there and can't be read nothing is to be written.
fn next(path: &Path, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => format!(
            "; `k2m inspect --stream ARN --cluster ARN -o json > {}` writes them",
            path.display()
        ),
        io::ErrorKind::IsADirectory => "; name a file of what `k2m inspect -o json` prints".to_owned(),
        _ => String::new(),
    }
}

//! The failure destination: a file of JSON lines, one for each batch that was given up, in the shape of AWS's failure
//! message with the records themselves added. What is not written is not counted as diverted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use thiserror::Error;

use super::event::{self, names};
use super::mapping::Discarded;

/// A failure destination that can't be used.
#[derive(Debug, Error)]
pub enum DestinationError {
    /// The file can't be opened.
    #[error(
        "failed to open {path}, the file of --on-failure: {source}; name a file in a folder that exists and can be written to"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Writing failed.
    #[error(
        "failed to write to {path}, the file of --on-failure: {source}; \
         make room or name another file, then run the input again from where it stopped"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// What else the message says.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The last invocation's id.
    pub request_id: &'a str,
    /// The shard's number.
    pub shard: u32,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// The file.
#[derive(Debug)]
pub struct Destination {
    path: PathBuf,
    file: Mutex<File>,
}

impl Destination {
    /// Opens the file to append to it: what an earlier run has diverted stays.
    pub fn open(path: &Path) -> Result<Self, DestinationError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|source| DestinationError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a batch that was given up. On failure nothing of it stays in a regular file.
    pub fn write(&self, discarded: &Discarded, context: &Context<'_>) -> Result<(), DestinationError> {
        let line = message(discarded, context);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let before = file
            .metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|metadata| metadata.len());
        file.write_all(line.as_bytes()).map_err(|source| {
            if let Some(length) = before {
                // Best effort: the error that counts is the one of the write.
                let _ = file.set_len(length);
            }
            self.failed(source)
        })
    }

    /// Puts everything on the disk.
    pub fn close(&self) -> Result<(), DestinationError> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // Pipes and devices can't be synchronized.
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            file.sync_all().map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> DestinationError {
        DestinationError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    request_context: RequestContext<'a>,
    response_context: Option<ResponseContext>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "KinesisBatchInfo")]
    batch: BatchInfo<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'static str,
    condition: &'static str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext {
    status_code: u16,
    executed_version: &'static str,
    function_error: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo<'a> {
    shard_id: String,
    start_sequence_number: &'a str,
    end_sequence_number: &'a str,
    approximate_arrival_of_first_record: String,
    approximate_arrival_of_last_record: String,
    batch_size: usize,
    stream_arn: &'static str,
}

fn message(discarded: &Discarded, context: &Context<'_>) -> String {
    let (first, last) = (discarded.records.first(), discarded.records.last());
    let message = Message {
        request_context: RequestContext {
            request_id: context.request_id,
            function_arn: names::FUNCTION_ARN,
            condition: discarded.condition.as_str(),
            approximate_invoke_count: discarded.invocations,
        },
        response_context: (discarded.invocations > 0).then_some(ResponseContext {
            status_code: 200,
            executed_version: "$LATEST",
            function_error: discarded.function_error.then_some("Unhandled"),
        }),
        version: "1.0",
        timestamp: timestamp(context.now),
        batch: BatchInfo {
            shard_id: event::shard_id(context.shard),
            start_sequence_number: first.map_or("", |record| record.sequence_number()),
            end_sequence_number: last.map_or("", |record| record.sequence_number()),
            approximate_arrival_of_first_record: timestamp(first.map_or(0, event::Record::arrival)),
            approximate_arrival_of_last_record: timestamp(last.map_or(0, event::Record::arrival)),
            batch_size: discarded.records.len(),
            stream_arn: names::STREAM_ARN,
        },
    };
    // Plain text and numbers always serialize; the records are JSON already and are put in as they are.
    let mut line = serde_json::to_string(&message).unwrap_or_default();
    line.pop();
    line.push_str(",\"records\":[");
    event::join(&mut line, &discarded.records);
    line.push_str("]}\n");
    line
}

/// RFC 3339 with milliseconds in UTC, from milliseconds since the epoch.
fn timestamp(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::mapping::{Condition, tests::records};

    fn discarded() -> Discarded {
        Discarded {
            records: records(7..=8),
            condition: Condition::RetryAttemptsExhausted,
            invocations: 3,
            function_error: true,
        }
    }

    const CONTEXT: Context<'_> = Context {
        request_id: "r",
        shard: 2,
        now: 1_700_000_000_050,
    };

    #[test]
    fn the_message_has_the_shape_of_aws_and_the_records() {
        let mut message: serde_json::Value = serde_json::from_str(&message(&discarded(), &CONTEXT)).unwrap();
        let records = message["records"].take();
        assert_eq!(records[1]["kinesis"]["sequenceNumber"], "8");
        insta::assert_json_snapshot!(message, @r#"
        {
          "KinesisBatchInfo": {
            "approximateArrivalOfFirstRecord": "1970-01-01T00:00:01.000Z",
            "approximateArrivalOfLastRecord": "1970-01-01T00:00:01.000Z",
            "batchSize": 2,
            "endSequenceNumber": "8",
            "shardId": "shardId-000000000002",
            "startSequenceNumber": "7",
            "streamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/k2m-local"
          },
          "records": null,
          "requestContext": {
            "approximateInvokeCount": 3,
            "condition": "RetryAttemptsExhausted",
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:k2m-local",
            "requestId": "r"
          },
          "responseContext": {
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
            "statusCode": 200
          },
          "timestamp": "2023-11-14T22:13:20.050Z",
          "version": "1.0"
        }
        "#);
    }

    #[test]
    fn a_second_run_appends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed.jsonl");
        for _ in 0..2 {
            let destination = Destination::open(&path).unwrap();
            destination.write(&discarded(), &CONTEXT).unwrap();
            destination.close().unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let destination = Destination::open(Path::new("/dev/full")).unwrap();
        let error = destination.write(&discarded(), &CONTEXT).unwrap_err();
        assert!(error.to_string().contains("No space left on device"), "{error}");
        destination.close().unwrap();
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error = Destination::open(Path::new("/nonexistent/failed.jsonl")).unwrap_err();
        assert!(matches!(error, DestinationError::Open { .. }));
    }
}

//! k2m's handler: the `bootstrap` binary behind k2m's own Runtime API, as `k2m run` has it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use k2m::clock::{Clock, uuid};
use k2m::local::engine::{Event, Events, Sandbox as _};
use k2m::local::runtime_api::Reply;
use k2m::local::sandbox::{ProcessSandbox, Program};
use serde::Deserialize;
use tempfile::NamedTempFile;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{LIMIT, Result};

/// The answer to a batch that was acknowledged as a whole.
const ALL_ACKNOWLEDGED: &str = r#"{"batchItemFailures":[]}"#;

/// A sandbox of the function; its process starts when first needed.
pub(crate) struct Sandbox {
    process: ProcessSandbox,
    log: NamedTempFile,
    events: UnboundedReceiver<Event>,
}

/// An invocation that succeeded.
pub(crate) struct Invocation {
    /// Names it in the log.
    pub(crate) request_id: String,
    /// From handing out the event's bytes to the answer.
    pub(crate) time: Duration,
}

/// What the handler itself says of an invocation.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Reading the event.
    pub(crate) decode_milliseconds: f64,
    /// From there to the last acknowledgement.
    pub(crate) delivery_milliseconds: f64,
}

/// A line of the log, as far as it is of interest here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    message: Option<String>,
    request_id: Option<String>,
}

impl Sandbox {
    /// A sandbox for a program with these variables.
    pub(crate) fn new(program: &Path, environment: Vec<(String, String)>) -> Result<Self> {
        Self::with_command(program, Vec::new(), environment)
    }

    /// A sandbox whose process begins as another program, which then becomes the handler.
    pub(crate) fn with_command(
        program: &Path,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
    ) -> Result<Self> {
        let log = NamedTempFile::new()?;
        let program = Program {
            path: program.to_owned(),
            arguments,
            environment,
            timeout: LIMIT,
            freeze: false,
            log: Some(Arc::new(log.reopen()?)),
        };
        let (sender, events) = Events::channel();
        Ok(Self {
            process: ProcessSandbox::new(Arc::new(program), 0, Clock::start(), sender),
            log,
            events,
        })
    }

    /// One invocation.
    pub(crate) async fn deliver(&mut self, event: &Bytes) -> Result<Invocation> {
        let (request_id, event) = (uuid(), event.clone());
        let start = Instant::now();
        let reply = self.process.invoke(&request_id, event).await?;
        let time = start.elapsed();
        match reply {
            Reply::Response(answer) if answer == ALL_ACKNOWLEDGED => Ok(Invocation { request_id, time }),
            other => {
                let log = std::fs::read_to_string(self.log.path())?;
                Err(format!("the handler did not deliver the batch: {other:?}; it said:\n{log}").into())
            }
        }
    }

    /// The process that was started last.
    pub(crate) fn pid(&mut self) -> Result<u32> {
        let mut newest = None;
        while let Ok(event) = self.events.try_recv() {
            if let Event::Started { pid, .. } = event {
                newest = Some(pid);
            }
        }
        newest.ok_or_else(|| "no process was started".into())
    }

    /// Ends the process, and tells what it said of each invocation.
    pub(crate) async fn close(mut self) -> Result<HashMap<String, Summary>> {
        self.process.close().await;
        let log = std::fs::read_to_string(self.log.path())?;
        let mut summaries = HashMap::new();
        for line in log.lines() {
            let Ok(Line {
                message: Some(message),
                request_id: Some(request_id),
            }) = serde_json::from_str(line)
            else {
                continue;
            };
            if message == "invocation" {
                summaries.insert(request_id, serde_json::from_str(line)?);
            }
        }
        Ok(summaries)
    }
}

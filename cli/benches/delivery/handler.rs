//! k2m's handler: the `bootstrap` binary behind k2m's own Runtime API, as `k2m run` has it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k2m::clock::{Clock, uuid};
use k2m::local::engine::{Events, Sandbox as _};
use k2m::local::runtime_api::Reply;
use k2m::local::sandbox::{ProcessSandbox, Program};

use crate::workload::Batch;
use crate::{LIMIT, Result};

/// The answer to a batch that was acknowledged as a whole.
const ALL_ACKNOWLEDGED: &str = r#"{"batchItemFailures":[]}"#;

/// A sandbox of the function.
pub(crate) struct Handler {
    sandbox: ProcessSandbox,
}

impl Handler {
    /// Builds the binary, which cargo does not do for a benchmark of another package. Its process starts when first needed.
    pub(crate) fn build(environment: Vec<(String, String)>) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["build", "--quiet", "--release", "--workspace", "--bins"];
        let built = Command::new(cargo)
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()?;
        if !built.success() {
            return Err(format!(
                "cargo {} failed ({built}): without it there is no handler to measure",
                arguments.join(" ")
            )
            .into());
        }
        let program = Program {
            path: bootstrap()?,
            arguments: Vec::new(),
            environment,
            timeout: LIMIT,
            freeze: false,
            log: None,
        };
        // Nobody reads the events: they then go nowhere.
        let (events, _) = Events::channel();
        Ok(Self {
            sandbox: ProcessSandbox::new(Arc::new(program), 0, Clock::start(), events),
        })
    }

    /// The whole invocation: from handing out the event's bytes to the answer.
    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Result<Duration> {
        let (request_id, event) = (uuid(), batch.event.clone());
        let start = Instant::now();
        let reply = self.sandbox.invoke(&request_id, event).await?;
        let time = start.elapsed();
        match reply {
            Reply::Response(answer) if answer == ALL_ACKNOWLEDGED => Ok(time),
            other => Err(format!("the handler did not deliver the batch: {other:?}").into()),
        }
    }

    /// Ends the process.
    pub(crate) async fn close(&mut self) {
        self.sandbox.close().await;
    }
}

/// Where the binary lies: beside the folder that this program is in.
fn bootstrap() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own
        .ancestors()
        .nth(2)
        .map(|folder| folder.join("bootstrap"))
        .filter(|path| path.is_file());
    path.ok_or_else(|| {
        format!(
            "there is no `bootstrap` in the parent of the folder of {}: benchmark with --profile release",
            own.display()
        )
        .into()
    })
}

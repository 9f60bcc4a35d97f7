//! One sandbox with the real handler, invoked directly: for what `k2m run` has no flag for, such as a deadline of an invocation's own.

use std::sync::Arc;
use std::time::Duration;

use k2m::clock::{Clock, uuid};
use k2m::local::engine::{Event, Events, Sandbox as _};
use k2m::local::event::{Parts, Record, render};
use k2m::local::runtime_api::Reply;
use k2m::local::sandbox::{Allowance, ProcessSandbox, Program};
use tempfile::NamedTempFile;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::driver::bootstrap;

/// Records of a batch.
pub(crate) const BATCH: u32 = 100;

/// Names and values of the function's environment.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// What reaches brokers in plaintext.
pub(crate) fn plaintext(servers: String) -> Variables {
    vec![
        ("K2M_BOOTSTRAP_SERVERS", servers),
        ("K2M_AUTHENTICATION", "plaintext".to_owned()),
    ]
}

/// The sandbox; topic `orders`.
pub(crate) struct One {
    runtime: Runtime,
    sandbox: ProcessSandbox,
    happened: UnboundedReceiver<Event>,
    pids: Vec<u32>,
    log: NamedTempFile,
    clock: Clock,
}

impl One {
    /// Starts nothing yet.
    pub(crate) fn new(variables: &Variables, timeout: Duration, freeze: bool) -> Self {
        let log = NamedTempFile::new().expect("a file");
        let program = Program {
            path: bootstrap(),
            arguments: Vec::new(),
            environment: [("K2M_TOPIC", "orders".to_owned())]
                .iter()
                .chain(variables)
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            timeout,
            freeze,
            log: Some(Arc::new(log.reopen().expect("the same file"))),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (clock, (events, happened)) = (Clock::start(), Events::channel());
        Self {
            runtime,
            sandbox: ProcessSandbox::new(Arc::new(program), 0, clock, events),
            happened,
            pids: Vec::new(),
            log,
            clock,
        }
    }

    /// Gives the next invocation a time of its own.
    pub(crate) fn allow(&mut self, allowance: Allowance) {
        self.sandbox.allow(allowance);
    }

    /// Sends the batch whose first record has this sequence number.
    pub(crate) fn invoke(&mut self, first: u32) -> Reply {
        let records: Vec<Record> = (first..first + BATCH)
            .map(|number| {
                Record::new(&Parts {
                    shard: 0,
                    sequence_number: &number.to_string(),
                    partition_key: &format!("key-{}", number % 7),
                    data: b"data",
                    arrival: self.clock.now(),
                })
            })
            .collect();
        let reply = self.runtime.block_on(self.sandbox.invoke(&uuid(), render(&records)));
        while let Ok(event) = self.happened.try_recv() {
            if let Event::Started { pid, .. } = event {
                self.pids.push(pid);
            }
        }
        reply.unwrap_or_else(|error| panic!("{error}\n{}", self.said()))
    }

    /// The processes that were started so far.
    pub(crate) fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// All that the function has logged.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// Ends it.
    pub(crate) fn close(mut self) {
        self.runtime.block_on(self.sandbox.close());
    }
}

/// The answer that names a record as the first that failed; without one, that all were accepted.
pub(crate) fn answer(failed: Option<u32>) -> Reply {
    let failures: Vec<_> = failed
        .iter()
        .map(|number| serde_json::json!({"itemIdentifier": number.to_string()}))
        .collect();
    let answer = serde_json::json!({"batchItemFailures": failures});
    Reply::Response(answer.to_string().into())
}

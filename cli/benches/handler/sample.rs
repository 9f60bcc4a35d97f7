//! The original sample's way, in a warm Python process that is spoken to through its pipes; see `sample.py`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use k2m_testkit::ground;

use crate::Result;
use crate::workload::Batch;

const SCRIPT: &str = include_str!("sample.py");

/// The process; it ends with this value.
pub(crate) struct Sample {
    process: Child,
    events: ChildStdin,
    times: BufReader<ChildStdout>,
    versions: String,
}

impl Drop for Sample {
    fn drop(&mut self) {
        // It has nothing left to do; an error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Sample {
    /// Starts Python with kafka-python loaded; nothing is connected yet.
    pub(crate) fn start(bootstrap_servers: &str, topic: &str) -> Result<Self> {
        let mut process = Command::new(ground::python()?)
            // It is warned on every run that serializers should be classes now.
            .args([
                "-W",
                "ignore::DeprecationWarning",
                "-c",
                SCRIPT,
                bootstrap_servers,
                topic,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(events), Some(times)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("Python was started without pipes".into());
        };
        let mut sample = Self {
            process,
            events,
            times: BufReader::new(times),
            versions: String::new(),
        };
        sample.times.read_line(&mut sample.versions)?;
        Ok(sample)
    }

    /// What runs there, such as `kafka-python 3.0.12 on Python 3.11.7`.
    pub(crate) fn versions(&self) -> &str {
        self.versions.trim_end()
    }

    /// One invocation, timed in Python: from parsing the event to the producer's end.
    pub(crate) fn deliver(&mut self, batch: &Batch) -> Result<Duration> {
        self.events
            .write_all(&u32::try_from(batch.event.len())?.to_be_bytes())?;
        self.events.write_all(&batch.event)?;
        self.events.flush()?;
        let mut seconds = [0; 8];
        self.times
            .read_exact(&mut seconds)
            .map_err(|error| format!("the sample's process ended, see its last words above: {error}"))?;
        Ok(Duration::try_from_secs_f64(f64::from_be_bytes(seconds))?)
    }
}

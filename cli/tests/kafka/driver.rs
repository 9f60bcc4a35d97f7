//! Starts the built `k2m run`, feeds it, and takes what it says.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k2m_testkit::wait_until;
use serde_json::Value;
use tempfile::TempDir;

use crate::one::Variables;

/// Longest that any run of these tests may take before it counts as hanging.
const BOUND: Duration = Duration::from_mins(5);

/// The folder that cargo puts binaries into.
fn binaries() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_k2m"))
        .parent()
        .expect("a binary is in a folder")
}

/// The `bootstrap` binary, as AWS runs it.
pub(crate) fn bootstrap() -> PathBuf {
    built(binaries().join("bootstrap"))
}

/// The handler that breaks a promise.
pub(crate) fn flawed_bootstrap() -> PathBuf {
    built(binaries().join("examples/flawed-bootstrap"))
}

fn built(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing: run the tests with scripts/test, or for the whole --workspace",
        path.display()
    );
    path
}

/// One input line whose data is `data`.
pub(crate) fn line(key: &str, data: &str) -> String {
    format!("{}\n", serde_json::json!({"partitionKey": key, "data": data}))
}

/// `count` lines with `keys` different keys and data of `bytes` bytes that names its place.
pub(crate) fn lines(first: usize, count: usize, keys: usize, bytes: usize) -> String {
    (first..first + count)
        .map(|place| line(&format!("key-{}", place % keys), &format!("{place:0>bytes$}")))
        .collect()
}

/// A `k2m run` under way. Dropped, it is killed.
pub(crate) struct Run {
    child: Child,
    folder: TempDir,
}

/// A `k2m run` that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
    /// The JSON summary; null if there was none.
    pub(crate) summary: Value,
    /// Lines of the file of `--on-failure`.
    pub(crate) diverted: Vec<Value>,
    /// All that the handler logged.
    pub(crate) handler_log: String,
}

impl Run {
    /// `k2m run -o json` with a failure destination and a log of its own, and these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &Vec::new())
    }

    /// The same with these variables in its environment.
    pub(crate) fn start_with(arguments: &[&str], variables: &Variables) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let child = Command::new(env!("CARGO_BIN_EXE_k2m"))
            .args(["run", "-o", "json"])
            .arg("--handler-log")
            .arg(folder.path().join("handler.log"))
            .arg("--on-failure")
            .arg(folder.path().join("failed.jsonl"))
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(folder.path().join("stdout")).expect("a file"))
            .stderr(std::fs::File::create(folder.path().join("stderr")).expect("a file"))
            .spawn()
            .expect("k2m starts");
        Self { child, folder }
    }

    /// Feeds input lines; blocks while k2m takes no more.
    pub(crate) fn feed(&mut self, lines: &str) {
        let stdin = self.child.stdin.as_mut().expect("the input is still open");
        // A run that has ended closed its input: what it says then is the test's matter.
        let _ = stdin.write_all(lines.as_bytes());
    }

    /// Ends the input.
    pub(crate) fn end_input(&mut self) {
        self.child.stdin = None;
    }

    fn file(&self, name: &str) -> String {
        std::fs::read(self.folder.path().join(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// What the handler has logged so far.
    pub(crate) fn handler_log(&self) -> String {
        self.file("handler.log")
    }

    /// The process of `k2m` itself.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the handler's log holds `text`, or the run has ended.
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let Self { child, folder } = self;
        let log = folder.path().join("handler.log");
        wait_until(&format!("the handler logs {text:?}"), BOUND, || {
            let logged = std::fs::read_to_string(&log).is_ok_and(|log| log.contains(text));
            Ok(logged || child.try_wait().is_ok_and(|status| status.is_some()))
        })
        .expect("the handler says so, or the run ends");
    }

    /// Ends the input and waits for the run's end.
    pub(crate) fn end(mut self) -> Ended {
        self.end_input();
        let mut status = None;
        wait_until("k2m run ends", BOUND, || {
            status = self.child.try_wait().ok().flatten();
            Ok(status.is_some())
        })
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.file("stderr"), tail(&self.handler_log())));
        let diverted = self.file("failed.jsonl");
        Ended {
            code: status.and_then(|status| status.code()),
            stderr: self.file("stderr"),
            summary: serde_json::from_str(&self.file("stdout")).unwrap_or(Value::Null),
            diverted: diverted
                .lines()
                .map(|line| serde_json::from_str(line).expect("a JSON line"))
                .collect(),
            handler_log: self.handler_log(),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Fails when it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// A number of the summary.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let field = &self.summary[name];
        field
            .as_u64()
            .unwrap_or_else(|| panic!("no number {name} in the summary {}\n{}", self.summary, self.stderr))
    }

    /// All there is to say, for the message of a failed assertion.
    pub(crate) fn told(&self) -> String {
        format!(
            "exit {:?}\n{}\n{}\n{}",
            self.code,
            self.summary,
            self.stderr,
            tail(&self.handler_log)
        )
    }
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains("\"_aws\"")).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

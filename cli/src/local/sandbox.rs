//! A sandbox: one process of the function, started when first needed, killed when it takes too long, replaced when it is
//! gone. What it logs is drained always.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::engine::{Event, Events, Sandbox};
use super::event::names;
use super::runtime_api::{FunctionError, Reply, RuntimeApi};
use crate::clock::Clock;

/// How long a process may take until it asks for its first invocation, if the function's time-out is not longer.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How long a process may take until it asks for the next invocation before it is left unfrozen.
const IDLE_LIMIT: Duration = Duration::from_secs(1);
/// How long to wait for the rest of the logs of a process that has ended.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// Lines of plain output that are kept to explain an exit.
const LINES_KEPT: usize = 5;
/// Longest line of the logs that is looked into, in bytes.
const LINE_LIMIT: usize = 1024 * 1024;

/// A sandbox that can't be used at all, so that the run has to end.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The process can't be started.
    #[error("failed to start the handler {path}: {source}; --handler takes an executable `bootstrap` for this machine")]
    Start {
        /// The program.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// No port for the Runtime API.
    #[error("failed to listen on 127.0.0.1 for the handler: {0}; the loopback interface has to be up, and a port free")]
    Listen(io::Error),
    /// The process refuses its configuration.
    #[error("the handler can't start: {message}")]
    Init {
        /// Its own words.
        message: String,
    },
    /// The process ended before it asked for an invocation.
    #[error("the handler ended before its first invocation ({status}){said}; --handler-log keeps all that it says")]
    Stillborn {
        /// How it ended.
        status: String,
        /// Its last lines.
        said: String,
    },
}

/// What every process is started with.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment, beside what is inherited.
    pub environment: Vec<(String, String)>,
    /// Longest duration of an invocation.
    pub timeout: Duration,
    /// Whether it is stopped between invocations.
    pub freeze: bool,
    /// Where everything that it logs is kept.
    pub log: Option<Arc<File>>,
}

/// The time of one invocation.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// When it is killed, after it was taken.
    pub limit: Duration,
    /// Milliseconds that it is told to have left: less than nothing, or more than the limit, if its clock is wrong.
    pub told: i64,
}

impl Allowance {
    /// As Lambda does it: what is told is what there is.
    pub fn honest(limit: Duration) -> Self {
        Self {
            limit,
            told: i64::try_from(limit.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

/// The sandbox of one lane.
#[derive(Debug)]
pub struct ProcessSandbox {
    program: Arc<Program>,
    lane: usize,
    clock: Clock,
    events: Events,
    running: Option<Running>,
    /// The next invocation's time, if it isn't the program's.
    allowance: Option<Allowance>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    pid: u32,
    api: RuntimeApi,
    said: Arc<Mutex<VecDeque<String>>>,
    drains: [JoinHandle<()>; 2],
    frozen: bool,
    used: bool,
}

impl Running {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // The process may have ended; waiting for it tells.
            let _ = kill_process(pid, signal);
        }
    }

    async fn kill(mut self) -> io::Result<ExitStatus> {
        // An error means that it has ended already, which waiting tells better.
        let _ = self.child.start_kill();
        let status = self.child.wait().await;
        self.drain().await;
        status
    }

    /// Reads what a process that has ended has left in its pipes. A grandchild may hold them open, so not for ever.
    async fn drain(&mut self) {
        for drain in &mut self.drains {
            let _ = timeout(DRAIN_LIMIT, drain).await;
        }
    }

    fn said(&self) -> String {
        let lines = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().fold(String::new(), |said, line| said + "\n  " + line)
    }
}

impl ProcessSandbox {
    /// A sandbox whose process is not started yet.
    pub fn new(program: Arc<Program>, lane: usize, clock: Clock, events: Events) -> Self {
        Self {
            program,
            lane,
            clock,
            events,
            running: None,
            allowance: None,
        }
    }

    /// Gives the next invocation another time than the program's, so that a test can make it short or its deadline wrong.
    pub fn allow(&mut self, allowance: Allowance) {
        self.allowance = Some(allowance);
    }

    async fn start(&self) -> Result<Running, SandboxError> {
        let api = RuntimeApi::start(self.clock).await.map_err(SandboxError::Listen)?;
        let mut command = Command::new(&self.program.path);
        command.args(&self.program.arguments);
        for (name, _) in std::env::vars_os() {
            let inherited = name.to_string_lossy();
            // The function's settings are its own: what the user's shell has under these names is meant for something else.
            if inherited.starts_with("K2M_") || inherited.starts_with("AWS_LAMBDA_") {
                command.env_remove(&name);
            }
        }
        command
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", names::FUNCTION)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", names::FUNCTION))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("lane-{}", self.lane))
            .env("AWS_REGION", "us-east-1")
            .env("K2M_TIMEOUT_MS", self.program.timeout.as_millis().to_string())
            .envs(self.program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C is for k2m, which lets the invocation end. A stopped process whose parent dies
            // is woken and hung up by the kernel only if it is not in its parent's group.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|source| SandboxError::Start {
            path: self.program.path.clone(),
            source,
        })?;
        let pid = child.id().unwrap_or(0);
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let drains = [
            self.drain(child.stdout.take(), &said),
            self.drain(child.stderr.take(), &said),
        ];
        self.events.send(Event::Started { lane: self.lane, pid });
        Ok(Running {
            child,
            pid,
            api,
            said,
            drains,
            frozen: false,
            used: false,
        })
    }

    fn drain(
        &self,
        pipe: Option<impl AsyncRead + Unpin + Send + 'static>,
        said: &Arc<Mutex<VecDeque<String>>>,
    ) -> JoinHandle<()> {
        let (log, events, said) = (self.program.log.clone(), self.events.clone(), Arc::clone(said));
        tokio::spawn(async move {
            if let Some(pipe) = pipe {
                drain(pipe, log.as_deref(), &events, &said).await;
            }
        })
    }

    /// The running process, started or replaced if need be.
    async fn ready(&mut self) -> Result<Running, SandboxError> {
        if let Some(mut running) = self.running.take() {
            if matches!(running.child.try_wait(), Ok(None)) {
                return Ok(running);
            }
            // It died while it had nothing to do: nothing failed, so a new one takes its place.
            running.drain().await;
        }
        self.start().await
    }

    async fn ended(&self, mut running: Running, status: io::Result<ExitStatus>) -> Result<Reply, SandboxError> {
        running.drain().await;
        let signal = status.as_ref().ok().and_then(ExitStatusExt::signal);
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        if !running.used && signal.is_none() {
            return Err(SandboxError::Stillborn {
                status,
                said: running.said(),
            });
        }
        self.events.send(Event::Died {
            lane: self.lane,
            pid: running.pid,
            status: status.clone(),
        });
        Ok(Reply::Error(FunctionError {
            error_type: "Runtime.ExitError".to_owned(),
            error_message: format!(
                "the handler's process ended in the middle of an invocation ({status}){}",
                running.said()
            ),
        }))
    }
}

impl Sandbox for ProcessSandbox {
    async fn invoke(&mut self, request_id: &str, event: Bytes) -> Result<Reply, SandboxError> {
        let mut running = self.ready().await?;
        let allowance = self
            .allowance
            .take()
            .unwrap_or_else(|| Allowance::honest(self.program.timeout));
        if running.frozen {
            running.signal(Signal::CONT);
            running.frozen = false;
        }
        let mut invocation = running.api.offer(request_id, event, allowance.told).await;
        let mut taken = false;
        let mut limit = Instant::now() + self.program.timeout.max(INIT_LIMIT);
        loop {
            tokio::select! {
                biased;
                reply = settled(&mut invocation.reply) => {
                    if self.program.freeze && timeout(IDLE_LIMIT, running.api.idle()).await.is_ok() {
                        running.signal(Signal::STOP);
                        running.frozen = true;
                    }
                    self.running = Some(running);
                    return Ok(reply);
                }
                error = running.api.init_error() => {
                    // Its process has nothing to say after that.
                    let _ = running.kill().await;
                    return Err(SandboxError::Init { message: error.error_message });
                }
                () = settled(&mut invocation.taken), if !taken => {
                    taken = true;
                    running.used = true;
                    limit = Instant::now() + allowance.limit;
                    self.events.send(Event::Invoking { lane: self.lane, pid: running.pid });
                }
                status = running.child.wait() => return self.ended(running, status).await,
                () = sleep_until(limit) => {
                    let pid = running.pid;
                    let _ = running.kill().await;
                    self.events.send(Event::Died { lane: self.lane, pid, status: "killed: it took too long".to_owned() });
                    let seconds = allowance.limit.as_secs_f32();
                    let error_message = if taken {
                        format!("Task timed out after {seconds} seconds")
                    } else {
                        "the handler's process did not ask for an invocation in time".to_owned()
                    };
                    return Ok(Reply::Error(FunctionError { error_type: "Sandbox.Timedout".to_owned(), error_message }));
                }
            }
        }
    }

    async fn close(&mut self) {
        if let Some(running) = self.running.take() {
            // It is idle, and how it ends is of no interest.
            let _ = running.kill().await;
        }
    }
}

/// What is sent through a channel; never, if its sender is gone.
async fn settled<T>(receiver: &mut oneshot::Receiver<T>) -> T {
    if !receiver.is_terminated()
        && let Ok(value) = receiver.await
    {
        return value;
    }
    std::future::pending().await
}

/// A line of the handler's log, as far as it is of interest here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogLine {
    #[serde(default)]
    dead_lettered: u64,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    librdkafka: Option<String>,
}

/// Reads a pipe to its end: keeps the lines if asked, the last plain ones to explain an exit, and reports each reason of a
/// failure and each dead letter.
async fn drain(pipe: impl AsyncRead + Unpin, log: Option<&File>, events: &Events, said: &Mutex<VecDeque<String>>) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    let mut log = log;
    loop {
        line.clear();
        match read_line(&mut reader, &mut line).await {
            Ok(true) => {}
            _ => return,
        }
        if let Some(mut file) = log
            && let Err(error) = file.write_all(&[&line, &b"\n"[..]].concat())
        {
            events.send(Event::Warning(format!(
                "failed to write to the file of --handler-log: {error}; it ends here"
            )));
            log = None;
        }
        let text = String::from_utf8_lossy(&line);
        if line.starts_with(b"{") {
            if (text.contains("\"reason\"") || text.contains("\"deadLettered\""))
                && let Ok(said) = serde_json::from_str::<LogLine>(&text)
            {
                if said.dead_lettered > 0 {
                    events.send(Event::DeadLettered {
                        records: said.dead_lettered,
                    });
                }
                if let Some(reason) = said.reason.filter(|reason| !reason.is_empty()) {
                    let words = said
                        .librdkafka
                        .filter(|words| !words.is_empty())
                        .map(|words| format!(" (librdkafka: {words})"));
                    events.send(Event::Reason(reason + &words.unwrap_or_default()));
                }
            }
            if !text.contains("\"ERROR\"") {
                continue;
            }
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == LINES_KEPT {
            said.pop_front();
        }
        said.push_back(text.chars().take(500).collect());
    }
}

/// Reads one line without its end; what is longer than the limit is cut there. False at the end.
async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let taken = end.unwrap_or(available.len());
        let room = LINE_LIMIT.saturating_sub(line.len());
        line.extend_from_slice(&available[..taken.min(room)]);
        reader.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests;

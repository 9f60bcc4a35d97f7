//! Joins the rooms: a thread reads the input into bounded queues, one task a lane works its queue off through a sandbox,
//! and what happens is told as [`Event`]s. Memory does not grow with the input, since a full queue stops the reader.
//!
//! After a resharding the lanes of a child shard wait until all lanes of its parents have worked off what they had. The
//! reader may wait for a child's full queue meanwhile: all records of the parents are in their queues before the first one
//! of a child, so the parents come to their end without it.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::destination::{Context, Destination, DestinationError};
use super::event::{self, Record};
use super::input::{Input, InputError};
use super::mapping::{Lane, Outcome, Settings, Step, answer};
use super::runtime_api::Reply;
use super::sandbox::SandboxError;
use super::stream::{Reshard, Stream};
use crate::clock::{self, Clock};

/// Most records that go to a lane at once.
const CHUNK_RECORDS: usize = 256;
/// Bytes of event JSON after which a chunk goes to its lane.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Chunks that wait for a lane before the reader waits for it.
const QUEUE: usize = 8;
/// How long a reader may take to notice that the run was stopped.
const READER_GRACE: Duration = Duration::from_millis(200);

/// What happens in a run. Counts are of this event alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Records were read.
    Read {
        /// How many.
        records: u64,
        /// Lines of the input until here.
        lines: u64,
        /// Bytes of the input until here.
        position: u64,
    },
    /// A process was started for a lane.
    Started {
        /// Its lane.
        lane: usize,
        /// Its process id.
        pid: u32,
    },
    /// A process has taken an invocation.
    Invoking {
        /// Its lane.
        lane: usize,
        /// Its process id.
        pid: u32,
    },
    /// A process ended in the middle of an invocation, or was killed because it took too long.
    Died {
        /// Its lane.
        lane: usize,
        /// Its process id.
        pid: u32,
        /// How it ended.
        status: String,
    },
    /// An invocation ended.
    Invoked {
        /// Records that were sent.
        records: usize,
        /// Those of them that had been sent before.
        again: usize,
        /// Those that were accepted.
        accepted: usize,
        /// Bytes of the payloads that were accepted.
        bytes: usize,
        /// From the offer to the reply.
        duration: Duration,
        /// The function's error, if it failed.
        error: Option<String>,
    },
    /// The handler has put records into the dead-letter topic.
    DeadLettered {
        /// How many.
        records: u64,
    },
    /// Records were given up.
    Discarded {
        /// How many.
        records: usize,
        /// Whether they are in the failure destination.
        diverted: bool,
        /// Why, and which: `RetryAttemptsExhausted: sequence number … of shardId-…`.
        what: String,
    },
    /// The handler named a reason of a failure.
    Reason(String),
    /// Something that does not stop the run.
    Warning(String),
}

/// Where events go.
#[derive(Clone, Debug)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// A channel of events. It has no bound, since there are few for each invocation and somebody always reads them.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells what happened.
    pub fn send(&self, event: Event) {
        // Nobody listens any more once the run has ended.
        let _ = self.0.send(event);
    }
}

/// What the engine needs of a sandbox.
pub trait Sandbox: Send + 'static {
    /// Sends an event and waits for the reply. A failure of the function is a reply; an error ends the run.
    fn invoke(&mut self, request_id: &str, event: Bytes) -> impl Future<Output = Result<Reply, SandboxError>> + Send;
    /// Ends the process.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// How much of a run goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub enum Halt {
    /// All of it.
    #[default]
    No,
    /// Nothing new begins; running invocations end.
    Soon,
    /// Nothing, not even running invocations.
    Now,
}

/// Stops a run from outside.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<Halt>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Halt::No)))
    }
}

impl Stop {
    /// Stops, if not stopped as much already.
    pub fn halt(&self, halt: Halt) {
        self.0.send_if_modified(|current| {
            let more = halt > *current;
            if more {
                *current = halt;
            }
            more
        });
    }

    /// How much goes on.
    pub fn state(&self) -> Halt {
        *self.0.borrow()
    }

    /// Resolves when stopped at least as much as `halt`.
    pub async fn reached(&self, halt: Halt) {
        // The sender is alive, since it is `self`.
        let _ = self.0.subscribe().wait_for(|state| *state >= halt).await;
    }
}

/// Why a run ended before its input did.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The failure destination.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// A sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A task or thread of k2m itself ended unexpectedly.
    #[error("a part of k2m ended unexpectedly: {0}; this is a bug, please report it")]
    Internal(String),
}

/// Everything that a run is made of beside its sandboxes.
#[derive(Debug)]
pub struct Engine {
    /// The mapping's parameters.
    pub settings: Settings,
    /// Shards of the stream, at its beginning.
    pub shards: u32,
    /// Changes of their number, in the order of the records that they come after.
    pub reshardings: Vec<Reshard>,
    /// Lanes of a shard.
    pub parallelization_factor: u32,
    /// Where records go that are given up; without it they are lost.
    pub destination: Option<Destination>,
    /// The time.
    pub clock: Clock,
    /// Where it is told what happens.
    pub events: Events,
    /// What stops the run.
    pub stop: Stop,
}

impl Engine {
    /// Works the input off. `sandbox` makes the sandbox of a lane, which starts nothing before it is used.
    ///
    /// Whatever ends the run, what is in the failure destination is on the disk when this returns. A bad line ends it after
    /// all lines before it were worked off.
    pub async fn run<S: Sandbox>(
        self,
        source: impl Read + Send + 'static,
        sandbox: impl Fn(usize) -> S,
    ) -> Result<(), EngineError> {
        let stream = Stream::resharded(self.shards, self.parallelization_factor, &self.reshardings);
        let engine = Arc::new(self);
        let mut queues = Vec::new();
        let mut lanes = JoinSet::new();
        let shards: Vec<ShardState> = (0..stream.shards())
            .map(|_| watch::Sender::new(engine.parallelization_factor))
            .collect();
        for index in 0..stream.lanes() {
            let (queue, records) = mpsc::channel(QUEUE);
            queues.push(Feed {
                queue: Some(queue),
                chunk: Vec::new(),
                bytes: 0,
            });
            let shard = stream.shard_of_lane(index);
            let parents = stream.parents(shard);
            let worker = Worker {
                engine: Arc::clone(&engine),
                shard,
                parents: shards[parents.start as usize..parents.end as usize]
                    .iter()
                    .map(ShardState::subscribe)
                    .collect(),
                working: shards[shard as usize].clone(),
                lane: Lane::new(engine.settings.clone()),
                records,
                sandbox: sandbox(index),
            };
            lanes.spawn(worker.run());
        }
        let reader = Arc::clone(&engine).read(source, stream, queues);

        let mut result = Ok(());
        while let Some(ended) = lanes.join_next().await {
            let ended = ended.unwrap_or_else(|error| Err(EngineError::Internal(error.to_string())));
            if let Err(error) = ended {
                // Others end what they have begun; the first error is the one that is told.
                engine.stop.halt(Halt::Soon);
                if result.is_ok() {
                    result = Err(error);
                }
            }
        }
        // A reader that waits for somebody to type is left behind when the run was stopped; any other ends soon.
        let read = tokio::select! {
            biased;
            read = reader => read.unwrap_or_else(|_| Err(EngineError::Internal("the reader".to_owned()))),
            () = abandoned(&engine.stop) => Ok(()),
        };
        let closed = engine.destination.as_ref().map_or(Ok(()), Destination::close);
        result.and(read).and(closed.map_err(EngineError::from))
    }

    /// Starts the thread that reads, and ends with dropping the queues.
    fn read(
        self: Arc<Self>,
        source: impl Read + Send + 'static,
        stream: Stream,
        mut queues: Vec<Feed>,
    ) -> oneshot::Receiver<Result<(), EngineError>> {
        let (sender, receiver) = oneshot::channel();
        std::thread::spawn(move || {
            let result = self.feed(Input::new(source), stream, &mut queues);
            drop(queues);
            // Nobody waits for a reader that was left behind.
            let _ = sender.send(result.map_err(EngineError::from));
        });
        receiver
    }

    fn feed(&self, mut input: Input<impl Read>, mut stream: Stream, queues: &mut [Feed]) -> Result<(), InputError> {
        let mut open = stream.open_lanes();
        let mut unreported = 0;
        let mut result = Ok(());
        while self.stop.state() == Halt::No {
            let next = input.next(&mut stream, self.clock.now());
            if stream.open_lanes() != open {
                self.report(&input, &mut unreported);
                let children = stream.open_lanes();
                // In the queues of the parents is all they will ever get, before anything is in one of a child's.
                queues[open.start..children.start].iter_mut().for_each(Feed::end);
                open = children;
            }
            let (lane, record) = match next {
                Ok(Some(next)) => next,
                Ok(None) => {
                    self.warn_of_unreached(&stream);
                    break;
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            };
            unreported += 1;
            let feed = &mut queues[lane];
            feed.bytes += record.json().len();
            feed.chunk.push(record);
            let full = feed.chunk.len() >= CHUNK_RECORDS || feed.bytes >= CHUNK_BYTES;
            // Before waiting for input everything goes out, so that what somebody types does not lie here.
            let drained = input.is_drained();
            if full || drained {
                self.report(&input, &mut unreported);
            }
            if drained {
                queues[open.clone()].iter_mut().for_each(Feed::flush);
            } else if full {
                queues[lane].flush();
            }
        }
        self.report(&input, &mut unreported);
        queues[open].iter_mut().for_each(Feed::flush);
        result
    }

    /// A resharding that the input was too short for would otherwise go unnoticed.
    fn warn_of_unreached(&self, stream: &Stream) {
        if let Some(Reshard { after, shards }) = stream.next_resharding() {
            self.events.send(Event::Warning(format!(
                "the input ended after {} records, so the stream was not resharded to {shards} shard(s) after record {after}",
                stream.placed()
            )));
        }
    }

    fn report(&self, input: &Input<impl Read>, unreported: &mut u64) {
        let records = std::mem::take(unreported);
        self.events.send(Event::Read {
            records,
            lines: input.lines(),
            position: input.bytes(),
        });
    }
}

/// The reader's end of a lane.
struct Feed {
    /// Nothing once its shard is closed.
    queue: Option<mpsc::Sender<Vec<Record>>>,
    /// What goes into the queue next.
    chunk: Vec<Record>,
    bytes: usize,
}

impl Feed {
    fn flush(&mut self) {
        self.bytes = 0;
        if let Some(queue) = &self.queue
            && !self.chunk.is_empty()
        {
            // A lane that has ended takes nothing: the run is being stopped, and these count as unsent.
            let _ = queue.blocking_send(std::mem::take(&mut self.chunk));
        }
    }

    /// Says that no more records come.
    fn end(&mut self) {
        self.flush();
        self.queue = None;
    }
}

/// How many lanes of a shard have not worked off all that they will ever get. A lane that ended for another reason stays
/// counted, so that no child begins behind a parent that was broken off.
type ShardState = watch::Sender<u32>;

/// One lane at work.
struct Worker<S> {
    engine: Arc<Engine>,
    shard: u32,
    /// The states of the parent shards.
    parents: Vec<watch::Receiver<u32>>,
    /// The state of its own shard.
    working: ShardState,
    lane: Lane,
    records: mpsc::Receiver<Vec<Record>>,
    sandbox: S,
}

impl<S: Sandbox> Worker<S> {
    async fn run(mut self) -> Result<(), EngineError> {
        let engine = Arc::clone(&self.engine);
        let result = tokio::select! {
            result = self.work() => result,
            () = engine.stop.reached(Halt::Now) => Ok(()),
        };
        self.sandbox.close().await;
        result
    }

    async fn work(&mut self) -> Result<(), EngineError> {
        let engine = Arc::clone(&self.engine);
        let clock = engine.clock;
        tokio::select! {
            () = self.parents_to_end() => {}
            () = engine.stop.reached(Halt::Soon) => return Ok(()),
        }
        let mut request_id = clock::uuid();
        while engine.stop.state() == Halt::No {
            self.take_what_waits();
            match self.lane.next(clock.now()) {
                Step::Done => {
                    self.working.send_modify(|lanes| *lanes -= 1);
                    return Ok(());
                }
                Step::Invoke => {
                    request_id = clock::uuid();
                    self.invoke(&request_id).await?;
                }
                Step::Discard(discarded) => {
                    let context = Context {
                        request_id: &request_id,
                        shard: self.shard,
                        now: clock.now(),
                    };
                    if let Some(destination) = &engine.destination {
                        destination.write(&discarded, &context)?;
                    }
                    let first = discarded.records.first().map_or("", |record| record.sequence_number());
                    engine.events.send(Event::Discarded {
                        records: discarded.records.len(),
                        diverted: engine.destination.is_some(),
                        what: format!(
                            "{}: sequence number {first} of {}",
                            discarded.condition.as_str(),
                            event::shard_id(self.shard)
                        ),
                    });
                }
                Step::Backoff(until) => tokio::select! {
                    () = tokio::time::sleep_until(clock.instant(until)) => {}
                    () = engine.stop.reached(Halt::Soon) => {}
                },
                Step::Fill(until) => tokio::select! {
                    chunk = self.records.recv() => match chunk {
                        Some(records) => self.lane.push(records, clock.now()),
                        None => self.lane.end(),
                    },
                    () = wait(until.map(|until| clock.instant(until))) => {}
                    () = engine.stop.reached(Halt::Soon) => {}
                },
            }
        }
        Ok(())
    }

    /// Resolves when all lanes of all parent shards have accepted or given up what they had.
    async fn parents_to_end(&mut self) {
        for parent in &mut self.parents {
            if parent.wait_for(|lanes| *lanes == 0).await.is_err() {
                // All its lanes are gone without that: the run is ending.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Fills the next batch from the queue: what waits there is not late only because an invocation took long.
    fn take_what_waits(&mut self) {
        while self.lane.wants_records() {
            match self.records.try_recv() {
                Ok(records) => self.lane.push(records, self.engine.clock.now()),
                Err(mpsc::error::TryRecvError::Disconnected) => self.lane.end(),
                Err(mpsc::error::TryRecvError::Empty) => return,
            }
        }
    }

    async fn invoke(&mut self, request_id: &str) -> Result<(), EngineError> {
        let records = self.lane.batch().len();
        let again = if self.lane.invocations() > 0 { records } else { 0 };
        let start = Instant::now();
        let reply = self
            .sandbox
            .invoke(request_id, event::render(self.lane.batch()))
            .await?;
        let duration = start.elapsed();
        let (outcome, error) = match reply {
            Reply::Response(body) => {
                let partial_failures = self.engine.settings.partial_failures;
                (answer::read(&body, self.lane.batch(), partial_failures), None)
            }
            Reply::Error(error) => (
                Outcome::Error,
                Some(format!("{}: {}", error.error_type, error.error_message)),
            ),
        };
        let progress = self.lane.complete(outcome, self.engine.clock.now());
        self.engine.events.send(Event::Invoked {
            records,
            again,
            accepted: progress.accepted,
            bytes: progress.bytes,
            duration,
            error,
        });
        Ok(())
    }
}

/// Resolves some time after the run was stopped.
async fn abandoned(stop: &Stop) {
    stop.reached(Halt::Soon).await;
    tokio::time::sleep(READER_GRACE).await;
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;

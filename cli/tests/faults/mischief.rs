//! A sandbox that makes mischief: it stands between the engine and the real sandboxes, knows the schedule's faults and when each is due,
//! does them, and writes down every invocation for the claims.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use k2m::clock::Clock;
use k2m::local::engine::{Event, Events, Sandbox};
use k2m::local::runtime_api::{FunctionError, Reply};
use k2m::local::sandbox::{Allowance, ProcessSandbox, Program, SandboxError};
use k2m_testkit::KafkaCluster;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::ground::{BROKER_IDLE_MS, Ground};
use crate::schedule::{Fault, Moment, PLACE_BYTES, Planned, Schedule, Trigger};

/// `K2M_IDLE_LIMIT_MS` of the functions.
pub(crate) const IDLE_LIMIT_MS: u64 = 500;
/// How long a process is stopped: longer than the brokers and the function keep idle connections. Brokers look every idle time.
const STOPPED: Duration = Duration::from_millis(2 * BROKER_IDLE_MS + 100);
/// How much later than the deadline that it was told a process is killed: enough for a busy machine to get the answer through.
const GRACE: Duration = Duration::from_secs(2);
/// Time between two looks at a counter.
const PAUSE: Duration = Duration::from_millis(1);

/// What an event says of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its number in the input.
    pub(crate) place: usize,
    pub(crate) shard: String,
    pub(crate) sequence: String,
}

/// How an invocation ended, in the mapping's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// So many of its records were accepted: the first ones.
    Accepted(usize),
    /// With a function error.
    Error(String),
}

/// One invocation.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) lane: usize,
    /// Of this lane, from 1.
    pub(crate) number: u64,
    pub(crate) request_id: String,
    pub(crate) records: Vec<Sent>,
    /// Processes that were given it.
    pub(crate) processes: u64,
    pub(crate) end: End,
    /// Whether it was killed for taking too long, with nobody holding it up.
    pub(crate) overdue: bool,
    /// What was done to it.
    pub(crate) mischief: Vec<&'static str>,
}

impl Call {
    /// Whether all of its records were accepted.
    pub(crate) fn is_accepted(&self) -> bool {
        self.end == End::Accepted(self.records.len())
    }
}

/// What is common to all lanes of a run.
pub(crate) struct Stage {
    pub(crate) schedule: Schedule,
    pub(crate) ground: Arc<Ground>,
    pub(crate) topic: String,
    pub(crate) program: Arc<Program>,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    /// Held while something is done to the cluster.
    play: tokio::sync::Mutex<Play>,
    calls: Mutex<Vec<Call>>,
    left_behind: Mutex<Vec<LeftBehind>>,
}

/// How far the play has come.
#[derive(Default)]
struct Play {
    pending: Vec<Planned>,
    /// What is to be taken back, once so many invocations have ended.
    undo: Vec<(u64, Undo)>,
    accepted: u64,
    ended: u64,
    happened: BTreeMap<&'static str, u64>,
    /// Error of the cluster's own: the schedule can't be judged then.
    trouble: Vec<String>,
}

#[derive(Clone, Copy)]
enum Undo {
    Behave,
    Start(i32),
    Resume(i32),
    Limit,
}

/// A process that nobody waits for.
struct LeftBehind {
    lane: usize,
    /// The lane's invocation with which it goes on.
    goes_on: u64,
    go: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// What an invocation has to suffer.
struct Lot {
    allowance: Allowance,
    kill: Option<Moment>,
    stop: Option<Moment>,
    doubled: Option<bool>,
    left_behind: Option<(Moment, u64)>,
    names: Vec<&'static str>,
}

impl Lot {
    /// Nothing, and the time that the function is told to have.
    fn new(time_out: Duration) -> Self {
        Self {
            allowance: Allowance {
                limit: time_out + GRACE,
                ..Allowance::honest(time_out)
            },
            kill: None,
            stop: None,
            doubled: None,
            left_behind: None,
            names: Vec::new(),
        }
    }
}

impl Stage {
    pub(crate) fn new(
        schedule: Schedule,
        ground: Arc<Ground>,
        topic: String,
        program: Arc<Program>,
        clock: Clock,
        events: Events,
    ) -> Self {
        let play = Play {
            pending: schedule.faults.clone(),
            ..Play::default()
        };
        Self {
            schedule,
            ground,
            topic,
            program,
            clock,
            events,
            play: tokio::sync::Mutex::new(play),
            calls: Mutex::default(),
            left_behind: Mutex::default(),
        }
    }

    /// Does what is due before an invocation, and says what the invocation itself has to suffer.
    async fn before(self: &Arc<Self>, lane: usize, number: u64) -> Lot {
        let mut play = self.play.lock().await;
        let accepted = play.accepted;
        let due = |planned: &Planned| match planned.when {
            Trigger::Accepted(records) => accepted >= records,
            Trigger::Invocation { lane: of, number: from } => lane == of && number >= from,
        };
        let mut lot = Lot::new(self.program.timeout);
        for planned in std::mem::take(&mut play.pending) {
            if due(&planned) && self.apply(&mut play, &mut lot, planned.what).await {
                *play.happened.entry(planned.what.kind()).or_default() += 1;
                lot.names.push(planned.what.kind());
            } else {
                play.pending.push(planned);
            }
        }
        lot
    }

    /// Whether the fault could be done; if not, it comes later.
    async fn apply(self: &Arc<Self>, play: &mut Play, lot: &mut Lot, fault: Fault) -> bool {
        let broken = play
            .undo
            .iter()
            .any(|(_, undo)| matches!(undo, Undo::Start(_) | Undo::Resume(_)));
        let later = play.ended;
        match fault {
            Fault::AcknowledgementsLost { every, until } => {
                self.ground.proxy().lose_every(every);
                play.undo.push((later + until, Undo::Behave));
            }
            Fault::LeaderDenied { until } => {
                self.ground.proxy().deny_leaderships();
                play.undo.push((later + until, Undo::Behave));
            }
            Fault::ConnectionsRefused { until } => {
                self.ground.proxy().refuse(true);
                self.ground.proxy().cut_all();
                play.undo.push((later + until, Undo::Behave));
            }
            Fault::ConnectionsCut => drop(self.ground.proxy().cut_all()),
            Fault::ConnectionsSilent => drop(self.ground.proxy().silence_existing()),
            // One thing at a time is done to the brokers.
            Fault::BrokerKilled { .. }
            | Fault::BrokerPaused { .. }
            | Fault::BrokerRestarted { .. }
            | Fault::LeaderMoved
            | Fault::LimitLowered { .. }
                if broken =>
            {
                return false;
            }
            Fault::BrokerKilled { until } => {
                self.hurt(play, KafkaCluster::kill, Undo::Start, until).await;
            }
            Fault::BrokerRestarted { until } => {
                self.hurt(play, KafkaCluster::stop, Undo::Start, until).await;
            }
            Fault::BrokerPaused { until } => {
                self.hurt(play, KafkaCluster::pause, Undo::Resume, until).await;
            }
            Fault::LeaderMoved => {
                let moved = self.cluster(play, |stage| {
                    let bootstrap = stage.ground.kafka.bootstrap_servers();
                    stage.ground.clerk.move_leaders(&bootstrap, &stage.topic)
                });
                moved.await;
            }
            Fault::LimitLowered { to, until } => {
                let lowered = self.cluster(play, move |stage| {
                    let limit = to.to_string();
                    stage
                        .ground
                        .kafka
                        .set_topic(&stage.topic, &[("max.message.bytes", &limit)])
                });
                lowered.await;
                play.undo.push((later + until, Undo::Limit));
            }
            Fault::DeadlineNear { milliseconds } => {
                // A deadline so near that a busy machine may let it pass looks like a clock that jumped: then the time-out counts.
                let left = match milliseconds {
                    500.. => Duration::from_millis(milliseconds.into()),
                    _ => self.program.timeout,
                };
                lot.allowance = Allowance {
                    limit: left + GRACE,
                    told: milliseconds.into(),
                };
            }
            Fault::ClockJumped { milliseconds, until } => {
                let time_out = i64::try_from(self.schedule.time_out).unwrap_or(i64::MAX);
                lot.allowance.told = time_out.saturating_add(milliseconds);
                if until > 1 {
                    let until = until - 1;
                    // For the next invocation: those that are due now are in hand already.
                    play.pending.push(Planned {
                        when: Trigger::Accepted(0),
                        what: Fault::ClockJumped { milliseconds, until },
                    });
                }
            }
            Fault::HandlerKilled { at } => lot.kill = Some(at),
            Fault::HandlerStopped { at } => lot.stop = Some(at),
            Fault::Doubled { second_counts } => lot.doubled = Some(second_counts),
            Fault::LeftBehind { at, later } => lot.left_behind = Some((at, later)),
        }
        true
    }

    /// Does something to the broker that leads, which is taken back after so many invocations.
    async fn hurt(
        self: &Arc<Self>,
        play: &mut Play,
        how: fn(&KafkaCluster, i32) -> k2m_testkit::Result<()>,
        undo: fn(i32) -> Undo,
        until: u64,
    ) {
        let victim = self.cluster(play, move |stage| {
            let victim = stage.ground.victim(&stage.topic);
            how(&stage.ground.kafka, victim).map(|()| victim)
        });
        if let Some(victim) = victim.await {
            play.undo.push((play.ended + until, undo(victim)));
        }
    }

    /// Does something to the cluster, off the threads that serve the run.
    async fn cluster<T: Send + 'static>(
        self: &Arc<Self>,
        play: &mut Play,
        work: impl FnOnce(&Self) -> k2m_testkit::Result<T> + Send + 'static,
    ) -> Option<T> {
        let stage = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&stage)).await {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                play.trouble.push(error.to_string());
                None
            }
            Err(error) => {
                play.trouble.push(error.to_string());
                None
            }
        }
    }

    /// Counts an invocation that has ended, and takes back what is due.
    async fn after(self: &Arc<Self>, call: Call) {
        let accepted = match call.end {
            End::Accepted(records) => records as u64,
            End::Error(_) => 0,
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        let mut play = self.play.lock().await;
        play.ended += 1;
        play.accepted += accepted;
        let ended = play.ended;
        self.take_back(&mut play, |due| due <= ended).await;
    }

    async fn take_back(self: &Arc<Self>, play: &mut Play, due: impl Fn(u64) -> bool) {
        let (mut now, mut rest): (Vec<_>, Vec<_>) = std::mem::take(&mut play.undo)
            .into_iter()
            .partition(|(when, _)| due(*when));
        // A broker that is down or stopped takes no settings: they wait until it is back.
        let broken = rest
            .iter()
            .any(|(_, undo)| matches!(undo, Undo::Start(_) | Undo::Resume(_)));
        if broken {
            rest.extend(now.extract_if(.., |(_, undo)| matches!(undo, Undo::Limit)));
        }
        now.sort_by_key(|(_, undo)| matches!(undo, Undo::Limit));
        play.undo = rest;
        for (_, undo) in now {
            match undo {
                Undo::Behave => self.ground.proxy().behave(),
                Undo::Start(id) => {
                    self.cluster(play, move |stage| stage.ground.kafka.start_broker(id))
                        .await;
                    let in_sync = self.cluster(play, |stage| stage.ground.kafka.wait_until_in_sync());
                    in_sync.await;
                }
                Undo::Resume(id) => {
                    self.cluster(play, move |stage| stage.ground.kafka.resume(id)).await;
                    let in_sync = self.cluster(play, |stage| stage.ground.kafka.wait_until_in_sync());
                    in_sync.await;
                }
                Undo::Limit => {
                    let raised = self.cluster(play, |stage| {
                        let limit = stage.schedule.limit.to_string();
                        stage
                            .ground
                            .kafka
                            .set_topic(&stage.topic, &[("max.message.bytes", &limit)])
                    });
                    raised.await;
                }
            }
        }
    }

    /// Takes everything back, and lets what was left behind come to its end. Answers what was done, and what went wrong with it.
    pub(crate) async fn close(self: &Arc<Self>) -> (Vec<Call>, BTreeMap<&'static str, u64>, Vec<String>) {
        let mut play = self.play.lock().await;
        self.take_back(&mut play, |_| true).await;
        let left_behind = std::mem::take(&mut *self.left_behind.lock().unwrap_or_else(PoisonError::into_inner));
        for left in left_behind {
            drop(left.go);
            // A panic there would be one of this test; what it did can be seen in the topic.
            let _ = left.task.await;
        }
        let calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        (calls, play.happened.clone(), play.trouble.clone())
    }

    /// Lets those go on whose time has come.
    fn wake(&self, lane: usize, number: u64) {
        let mut left_behind = self.left_behind.lock().unwrap_or_else(PoisonError::into_inner);
        for left in left_behind
            .iter_mut()
            .filter(|left| left.lane == lane && left.goes_on <= number)
        {
            left.go = None;
        }
    }
}

/// The sandbox of one lane.
pub(crate) struct Mischief {
    stage: Arc<Stage>,
    lane: usize,
    number: u64,
    process: Process,
}

/// A real sandbox, and the process id of its newest invocation.
struct Process {
    sandbox: ProcessSandbox,
    /// The process that has taken an invocation, and how many were taken.
    taken: watch::Receiver<(u32, u64)>,
}

impl Process {
    fn new(stage: &Stage, lane: usize) -> Self {
        let (events, mut happened) = Events::channel();
        let (sender, taken) = watch::channel((0, 0));
        let all = stage.events.clone();
        tokio::spawn(async move {
            while let Some(event) = happened.recv().await {
                if let Event::Invoking { pid, .. } = event {
                    sender.send_modify(|(newest, count)| {
                        *newest = pid;
                        *count += 1;
                    });
                }
                all.send(event);
            }
        });
        Self {
            sandbox: ProcessSandbox::new(Arc::clone(&stage.program), lane, stage.clock, events),
            taken,
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// Waits for a moment within the next invocation, and gives the process; none if the invocation ends before.
async fn reached(
    stage: &Stage,
    moment: Moment,
    mut taken: watch::Receiver<(u32, u64)>,
    before: u64,
    mut done: watch::Receiver<bool>,
) -> Option<u32> {
    let reached = async {
        let newest = taken
            .wait_for(|(_, count)| *count > before)
            .await
            .map(|newest| newest.0);
        let Ok(pid) = newest else {
            // The process is gone without having taken it.
            return std::future::pending().await;
        };
        if let Moment::Requested(more) = moment {
            let counter = || stage.ground.proxy().counters().produce_requests;
            let wanted = counter() + more;
            while counter() < wanted {
                sleep(PAUSE).await;
            }
        }
        pid
    };
    tokio::select! {
        pid = reached => Some(pid),
        _ = done.wait_for(|done| *done) => None,
    }
}

impl Mischief {
    pub(crate) fn new(stage: &Arc<Stage>, lane: usize) -> Self {
        Self {
            stage: Arc::clone(stage),
            lane,
            number: 0,
            process: Process::new(stage, lane),
        }
    }

    /// An invocation of one process, to which may happen what happens to processes.
    async fn plainly(&mut self, request_id: &str, event: Bytes, lot: &Lot) -> Result<Reply, SandboxError> {
        let stage = Arc::clone(&self.stage);
        let before = self.process.taken.borrow().1;
        let (done, ended) = watch::channel(false);
        let inside = [(lot.kill, Signal::KILL), (lot.stop, Signal::STOP)]
            .into_iter()
            .filter_map(|(moment, signal)| Some((moment.filter(|it| *it != Moment::Answered)?, signal)));
        let mut meddlers = Vec::new();
        for (moment, sign) in inside {
            let (stage, taken, mut ended) = (Arc::clone(&stage), self.process.taken.clone(), ended.clone());
            meddlers.push(tokio::spawn(async move {
                let Some(pid) = reached(&stage, moment, taken, before, ended.clone()).await else {
                    return;
                };
                signal(pid, sign);
                if sign == Signal::STOP {
                    // Its answer may have been on the way already; it is stopped for its time all the same, unless it was killed.
                    tokio::select! {
                        () = sleep(STOPPED) => {}
                        _ = ended.wait_for(|done| *done) => {}
                    }
                    signal(pid, Signal::CONT);
                }
            }));
        }
        let reply = self.process.sandbox.invoke(request_id, event).await;
        done.send_replace(true);
        for meddler in meddlers {
            let _ = meddler.await;
        }
        let pid = self.process.taken.borrow().0;
        if lot.kill == Some(Moment::Answered) {
            signal(pid, Signal::KILL);
        }
        if lot.stop == Some(Moment::Answered) {
            signal(pid, Signal::STOP);
            sleep(STOPPED).await;
            signal(pid, Signal::CONT);
        }
        reply
    }

    /// The same invocation in two processes at once.
    async fn doubly(
        &mut self,
        request_id: &str,
        event: Bytes,
        second_counts: bool,
        allowance: Allowance,
    ) -> Result<Reply, SandboxError> {
        let mut other = Process::new(&self.stage, self.lane);
        other.sandbox.allow(allowance);
        let (one, two) = tokio::join!(
            self.process.sandbox.invoke(request_id, event.clone()),
            other.sandbox.invoke(request_id, event)
        );
        let (reply, mut rest) = if second_counts {
            (two, std::mem::replace(&mut self.process, other))
        } else {
            (one, other)
        };
        rest.sandbox.close().await;
        reply
    }

    /// An invocation that nobody waits for.
    async fn left_behind(&mut self, request_id: &str, event: Bytes, moment: Moment, later: u64) -> Reply {
        let stage = Arc::clone(&self.stage);
        let mut old = std::mem::replace(&mut self.process, Process::new(&stage, self.lane));
        let before = old.taken.borrow().1;
        let (go, gone) = oneshot::channel::<()>();
        let (stopped, is_stopped) = oneshot::channel();
        let (done, ended) = watch::channel(false);
        let request_id = request_id.to_owned();
        let task = tokio::spawn({
            let taken = old.taken.clone();
            async move {
                let meddler = tokio::spawn({
                    let ended = ended.clone();
                    async move {
                        let pid = reached(&stage, moment, taken, before, ended).await;
                        if let Some(pid) = pid {
                            signal(pid, Signal::STOP);
                        }
                        let _ = stopped.send(());
                        // Its sender is dropped when it is time.
                        let _ = gone.await;
                        if let Some(pid) = pid {
                            signal(pid, Signal::CONT);
                        }
                    }
                });
                // What it answers is nobody's business, and so is how it ends.
                let _ = old.sandbox.invoke(&request_id, event).await;
                done.send_replace(true);
                let _ = meddler.await;
                old.sandbox.close().await;
            }
        });
        let _ = is_stopped.await;
        let left = LeftBehind {
            lane: self.lane,
            goes_on: self.number + later,
            go: Some(go),
            task,
        };
        let mut all = self.stage.left_behind.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(left);
        Reply::Error(FunctionError {
            error_type: "Test.LeftBehind".to_owned(),
            error_message: "nobody waits for this process any more".to_owned(),
        })
    }
}

impl Sandbox for Mischief {
    async fn invoke(&mut self, request_id: &str, event: Bytes) -> Result<Reply, SandboxError> {
        self.number += 1;
        let records = records(&event);
        let id = request_id.to_owned();
        let lot = self.stage.before(self.lane, self.number).await;
        self.stage.wake(self.lane, self.number);
        self.process.sandbox.allow(lot.allowance);
        let (reply, processes) = if let Some((moment, later)) = lot.left_behind {
            (self.left_behind(request_id, event, moment, later).await, 1)
        } else if let Some(second_counts) = lot.doubled {
            (self.doubly(request_id, event, second_counts, lot.allowance).await?, 2)
        } else {
            (self.plainly(request_id, event, &lot).await?, 1)
        };
        let overdue = matches!(&reply, Reply::Error(error) if error.error_type == "Sandbox.Timedout");
        let call = Call {
            lane: self.lane,
            number: self.number,
            request_id: id,
            processes,
            end: end(&reply, &records),
            overdue: overdue && lot.stop.is_none(),
            records,
            mischief: lot.names,
        };
        self.stage.after(call).await;
        Ok(reply)
    }

    async fn close(&mut self) {
        self.process.sandbox.close().await;
    }
}

/// Reads an event as the function does, though with other code.
fn records(event: &[u8]) -> Vec<Sent> {
    let event: Value = serde_json::from_slice(event).expect("the engine sends JSON");
    let records = event["Records"].as_array().expect("records");
    records
        .iter()
        .map(|record| {
            let kinesis = &record["kinesis"];
            let data = kinesis["data"].as_str().unwrap_or_default();
            let data = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
            let place = std::str::from_utf8(&data[..PLACE_BYTES]).expect("digits");
            let shard = record["eventID"].as_str().and_then(|id| id.split(':').next());
            Sent {
                place: place.parse().expect("a number"),
                shard: shard.unwrap_or_default().to_owned(),
                sequence: kinesis["sequenceNumber"].as_str().unwrap_or_default().to_owned(),
            }
        })
        .collect()
}

/// Reads an answer as the mapping does, though with other code.
fn end(reply: &Reply, records: &[Sent]) -> End {
    match reply {
        Reply::Error(error) => End::Error(format!("{}: {}", error.error_type, error.error_message)),
        Reply::Response(body) => {
            let answer: Value = serde_json::from_slice(body).unwrap_or_default();
            let failures = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
            let named = |record: &Sent| {
                failures
                    .iter()
                    .any(|it| it["itemIdentifier"] == record.sequence.as_str())
            };
            match records.iter().position(named) {
                Some(first) => End::Accepted(first),
                None if failures.is_empty() => End::Accepted(records.len()),
                None => End::Accepted(0),
            }
        }
    }
}

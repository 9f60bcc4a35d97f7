//! Many schedules: shares clusters among them, keeps the evidence of those that fail, and shrinks the first of these.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use k2m_testkit::Clerk;

use crate::claims::{Broken, Seen, broken};
use crate::ground::Ground;
use crate::report::{Report, told};
use crate::run::{Handler, run};
use crate::schedule::Schedule;
use crate::shrink::shrink;

/// Clusters of one broker that are used at the same time.
const WORKERS: usize = 3;

/// Schedules after which it is said how it goes.
const PROGRESS: u64 = 50;

/// Clusters that may fail by themselves before a campaign does: schedules are run again on a new one.
const MOST_GROUND_FAILURES: u64 = 3;

/// Runs of schedules so far.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// Clusters that nobody uses now; they end with the test's process.
static IDLE: Mutex<Vec<(u8, Arc<Ground>)>> = Mutex::new(Vec::new());

/// A cluster, for as long as this lives.
pub(crate) struct Borrowed {
    brokers: u8,
    pub(crate) ground: Arc<Ground>,
    is_sound: bool,
}

impl Borrowed {
    /// One that is idle, or a new one.
    pub(crate) fn new(brokers: u8) -> Self {
        let mut idle = lock(&IDLE);
        let found = idle.iter().position(|(size, _)| *size == brokers);
        let ground = if let Some(found) = found {
            idle.swap_remove(found).1
        } else {
            drop(idle);
            let clerk = Clerk::start().expect("a clerk");
            Arc::new(Ground::start(brokers, Arc::new(clerk)).expect("a cluster"))
        };
        Self {
            brokers,
            ground,
            is_sound: true,
        }
    }

    /// Ends it: it failed.
    fn discard(mut self) {
        self.is_sound = false;
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // What a panic left behind may be broken.
        if self.is_sound && !std::thread::panicking() {
            lock(&IDLE).push((self.brokers, Arc::clone(&self.ground)));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the evidence of a schedule's run is kept.
fn folder(schedule: &Schedule, handler: &Handler) -> PathBuf {
    // Schedules of one seed differ while it is made smaller.
    let text = serde_json::to_string(schedule).unwrap_or_default();
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(text);
    let flaw = handler.flaw.map(|flaw| format!("{flaw}-")).unwrap_or_default();
    // And each may run more than once.
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let name = format!("{flaw}{}-{hash:016x}-{run}", schedule.seed);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults").join(name)
}

/// Why a schedule could not be judged: the ground failed, not the function.
#[derive(Debug)]
pub(crate) struct Unjudged(String);

/// Runs a schedule and judges it. The evidence of a broken claim stays in a folder.
pub(crate) fn judge(
    schedule: &Schedule,
    ground: &Arc<Ground>,
    handler: &Handler,
) -> Result<(Seen, Vec<Broken>), Unjudged> {
    let folder = folder(schedule, handler);
    std::fs::create_dir_all(&folder).expect("a folder for the evidence");
    let seen = run(schedule, ground, handler, &folder.join("handler.log"));
    if !seen.trouble.is_empty() {
        let text = format!("{:?}\n{schedule}\n{}", seen.trouble, ground.logs());
        return Err(Unjudged(text));
    }
    let broken = broken(schedule, &seen);
    if broken.is_empty() && std::env::var_os("K2M_FAULTS_KEEP").is_none() {
        // Only evidence is worth the room.
        let _ = std::fs::remove_dir_all(folder);
    } else {
        let text = format!("{schedule}\n\n{}\n{}", told(&broken), story(&seen));
        std::fs::write(folder.join("story.txt"), text).expect("the evidence can be written");
    }
    if !broken.is_empty() {
        say(&format!(
            "BROKEN by {schedule}\n{}the evidence is in the folder target/tmp/faults",
            told(&broken)
        ));
    }
    Ok((seen, broken))
}

/// What happened, for who has to find out why.
fn story(seen: &Seen) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for call in &seen.calls {
        let places: Vec<usize> = call.records.iter().map(|record| record.place).collect();
        let _ = writeln!(
            text,
            "lane {} invocation {} ({}) {:?}: {places:?} -> {:?}",
            call.lane, call.number, call.request_id, call.mischief, call.end
        );
    }
    let _ = writeln!(text, "\ngiven up: {:?}\n", seen.given_up);
    for (name, messages) in [("topic", &seen.topic), ("dead", &seen.dead_letters)] {
        for message in messages {
            let value = message.value.as_deref().unwrap_or_default();
            let _ = writeln!(
                text,
                "{name} {}/{} {} {} {} {:?}",
                message.partition,
                message.offset,
                message.key.as_deref().unwrap_or_default(),
                value.get(..8).unwrap_or_default(),
                value.len(),
                message.headers.get("k2m-reason")
            );
        }
    }
    text
}

/// Says how it goes: a campaign takes minutes.
fn say(line: &str) {
    // Whether anybody reads it does not matter.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs the schedules of all seeds, on as many clusters as there are workers.
pub(crate) fn campaign(schedules: Vec<Schedule>, handler: &Handler, attempts: usize) -> (Report, Option<String>) {
    let (report, failed) = (Mutex::new(Report::default()), Mutex::new(None));
    let (large, small): (VecDeque<_>, VecDeque<_>) = schedules.into_iter().partition(|schedule| schedule.brokers == 3);
    let (large, small) = (Mutex::new(large), Mutex::new(small));
    let began = Instant::now();
    let work = |brokers: u8, queue: &Mutex<VecDeque<Schedule>>| {
        let mut ground = None;
        loop {
            let Some(schedule) = lock(queue).pop_front() else {
                return;
            };
            let borrowed = ground.get_or_insert_with(|| Borrowed::new(brokers));
            let (seen, broken) = match judge(&schedule, &borrowed.ground, handler) {
                Ok(judged) => judged,
                Err(Unjudged(why)) => {
                    say(&format!("the ground failed, and is laid anew: {why}"));
                    let failures = lock(&report).count_ground_failure();
                    assert!(
                        failures <= MOST_GROUND_FAILURES,
                        "the ground fails too often; last: {why}"
                    );
                    ground.take().expect("it is in use").discard();
                    lock(queue).push_back(schedule);
                    continue;
                }
            };
            let done = lock(&report).add(&schedule, &seen, &broken);
            if done.is_multiple_of(PROGRESS) {
                say(&format!("{done} schedules, {:.0?}", began.elapsed()));
            }
            if broken.is_empty() {
                continue;
            }
            let is_first = lock(&failed).is_none();
            if is_first && attempts > 0 {
                *lock(&failed) = Some(String::new());
                let small = smallest(&schedule, &borrowed.ground, handler, attempts);
                *lock(&failed) = Some(small);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| work(1, &small));
        }
        scope.spawn(|| work(3, &large));
    });
    let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    say(&report.table(began.elapsed()));
    (report, failed.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Shrinks a failing schedule, and says how it is replayed.
fn smallest(schedule: &Schedule, ground: &Arc<Ground>, handler: &Handler, attempts: usize) -> String {
    let mut evidence = String::new();
    let (small, made) = shrink(schedule.clone(), attempts, |candidate| {
        let broken = judge(candidate, ground, handler).map_or_else(|_| Vec::new(), |(_, broken)| broken);
        if !broken.is_empty() {
            evidence = told(&broken);
        }
        !broken.is_empty()
    });
    let json = serde_json::to_string(&small).expect("plain data");
    format!(
        "the smallest schedule that fails, after {made} attempts at smaller ones, is {small}\n{evidence}\
         replay it:\n  K2M_FAULTS_SCHEDULE='{json}' cargo test --release -p k2m --test faults claims_hold -- --nocapture\n"
    )
}

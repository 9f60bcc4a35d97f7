//! `k2m deploy --verify`: whether what was deployed delivers, shown by the function's own probe and by a record that is followed from the stream into the topic.
//! [`Verification`] asks through ports and waits by an injected clock; how the answers are judged and what is said of them is pure.

mod judged;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use k2m_handler::canary::{self, Fate};

use super::backoff::Waits;
use super::port::{Doing, Fault, FaultKind, User, World};
use crate::arn::Arn;
use crate::doctor::history::lasting;
use crate::facts::{Fact, Probe, Stack, StackPipeline, Watched};
use crate::logs::port::{Event, Groups};
use crate::logs::tail::{Ended, Reader, Source};
use crate::plan::Pipeline;
pub use judged::{Checked, Flight, Verdict, Verified, worst};
use judged::{Probed, landed, not_heard, probed};

/// How long what may pass is waited for before the canary: a right that was given just now, a function that is not ready, a stream that takes no more.
const PASSING: Duration = Duration::from_mins(1);
/// How long a canary may be on its way, beside the time that a batch may take to fill and the function to deliver it.
const ON_ITS_WAY: Duration = Duration::from_mins(2);
/// How far back the log is read: further than any two clocks that AWS lets talk to each other are apart.
const BEFORE: i64 = 10 * 60 * 1000;
/// How many functions are asked at once.
const ASKED_AT_ONCE: usize = 8;
/// How far back the figures go that are looked at when a canary does not come.
pub const MINUTES: u32 = 15;

/// What will be answered, whatever it is.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is asked of AWS.
pub trait Ground: Sync {
    /// Invokes a function for its probe.
    fn probe<'a>(&'a self, function: &'a str) -> Asked<'a, Fact<Probe>>;
    /// Puts a record into a stream.
    fn put<'a>(&'a self, stream: &'a Arn, partition_key: &'a str, data: &'a str) -> Doing<'a, Placed>;
    /// How a pipeline of the stack is, with figures of the last [`MINUTES`].
    fn watch<'a>(&'a self, stack: &'a Stack, pipeline: &'a StackPipeline) -> Asked<'a, Watched>;
}

/// Where a stream has a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The shard.
    pub shard: String,
    /// The sequence number there.
    pub sequence_number: String,
}

/// A pipeline that is to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What the stack has of it.
    pub of_stack: StackPipeline,
    /// Its topic.
    pub topic: String,
    /// Why nothing reads its stream, where that is known before: no record is put then.
    pub unread: Option<Unread>,
    /// Whether its mapping begins with what comes after it is made.
    pub begins_at_latest: bool,
    /// How long a canary is waited for.
    pub limit: Duration,
}

/// Why nothing reads a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What that says of a pipeline that is to be verified.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    /// What to do, a step each.
    pub fix: Vec<String>,
}

impl Unread {
    /// Of a mapping that is disabled, as the settings say.
    fn as_planned() -> Self {
        Self {
            verdict: Verdict::Unknown,
            why: "the event source mapping is disabled, so nothing reads it".to_owned(),
            fix: vec!["with `enabled: true` the next deployment lets it read".to_owned()],
        }
    }
}

impl Subject {
    /// A pipeline of the plan, as the stack has it.
    pub fn of(pipeline: &Pipeline, stream: Arn, resources: &BTreeMap<String, String>) -> Self {
        let resource = |end: &str| resources.get(&format!("{}{end}", pipeline.id)).cloned();
        let seconds = pipeline.mapping.maximum_batching_window_seconds + pipeline.function.timeout_seconds;
        Self {
            of_stack: StackPipeline {
                stream,
                topic: Some(pipeline.topic.clone()),
                function: resource("Function"),
                mapping: resource("Mapping"),
                log_group: resource("LogGroup"),
            },
            topic: pipeline.topic.clone(),
            unread: (!pipeline.mapping.enabled).then(Unread::as_planned),
            begins_at_latest: pipeline.mapping.starting_position == "LATEST",
            limit: ON_ITS_WAY + Duration::from_secs(seconds.into()),
        }
    }

    fn name(&self) -> &str {
        self.of_stack.name()
    }
}

/// What a fault says, and what to do about it, apart.
fn apart(fault: &Fault) -> (String, Vec<String>) {
    let text = fault.to_string();
    let next = text.strip_prefix(&fault.message).unwrap_or_default();
    let next = next.lines().map(str::trim).filter(|line| !line.is_empty());
    (fault.message.clone(), next.map(str::to_owned).collect())
}

/// What a line of the log says of this canary.
fn heard(event: &Event, id: &str) -> Option<canary::Line> {
    let line: canary::Line = serde_json::from_str(&event.message).ok()?;
    (line.canary == id).then_some(line)
}

/// Whether nothing more is to be heard after this.
const fn is_the_end(fate: Fate) -> bool {
    match fate {
        Fate::Delivered | Fate::DeadLettered | Fate::Refused => true,
        Fate::Failed => false,
    }
}

/// Who asks, and who waits.
pub struct Verification<'a> {
    /// AWS.
    pub ground: &'a dyn Ground,
    /// The functions' logs.
    pub groups: &'a (dyn Groups + Sync),
    /// Time and randomness.
    pub world: &'a (dyn World + Sync),
    /// Who waits.
    pub user: &'a dyn User,
    /// The stack.
    pub stack: &'a Stack,
    /// Its region.
    pub region: &'a str,
    /// Milliseconds since 1970.
    pub now: i64,
    /// Whether anything was made or changed just now.
    pub fresh: bool,
    /// Whether the brokers make a topic that is missing with the first record for it.
    pub brokers_make: bool,
}

impl fmt::Debug for Verification<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").finish_non_exhaustive()
    }
}

impl Verification<'_> {
    /// Verifies pipelines: first their functions are asked, then all canaries are on their way at once.
    pub async fn run(&self, subjects: &[Subject]) -> Vec<Verified> {
        let probes = stream::iter(subjects.iter().map(|subject| self.probe(subject)));
        let probes: Vec<Checked> = probes.buffered(ASKED_AT_ONCE).collect().await;
        let each = subjects.iter().zip(probes);
        join_all(each.map(|(subject, probe)| self.one(subject, probe))).await
    }

    async fn one(&self, subject: &Subject, probe: Checked) -> Verified {
        let canary = if probe.verdict == Verdict::Failed {
            let not_put = "no record was put into the stream: what the probe says comes first";
            (Checked::new(Verdict::Unknown, [not_put.to_owned()]), None)
        } else {
            self.canary(subject).await
        };
        Verified::of(subject, probe, canary)
    }

    fn tell(&self, subject: &Subject, text: &str) {
        self.user.tell(&format!("{}: {text}", subject.name()));
    }

    async fn probe(&self, subject: &Subject) -> Checked {
        let Some(function) = &subject.of_stack.function else {
            return Checked::new(Verdict::Failed, ["the stack has no function for it".to_owned()]);
        };
        self.tell(subject, "asking the function how its way to the brokers is");
        let (start, mut waits, mut told) = (self.world.elapsed(), Waits::default(), Vec::new());
        loop {
            let answer = self.ground.probe(function).await;
            let late = self.world.elapsed().saturating_sub(start) >= PASSING;
            match probed(&answer, self.fresh, self.brokers_make) {
                Probed::Again(checked) if !late => {
                    if checked.seen != told {
                        self.tell(
                            subject,
                            &format!("{}\n  this may pass: asking again", checked.seen.join("\n  ")),
                        );
                        told = checked.seen;
                    }
                    self.world.sleep(waits.answered()).await;
                }
                Probed::Again(checked) | Probed::Done(checked) => return checked,
            }
        }
    }

    async fn canary(&self, subject: &Subject) -> (Checked, Option<Flight>) {
        let not_put = |verdict, why: &str, fix: &[String]| {
            let seen = format!("no record was put into the stream: {why}");
            (Checked::new(verdict, [seen]).fix(fix.iter().cloned()), None)
        };
        if let Some(Unread { verdict, why, fix }) = &subject.unread {
            return not_put(*verdict, why, fix);
        }
        let Some(group) = &subject.of_stack.log_group else {
            return not_put(Verdict::Unknown, "the stack has no log group to follow it in", &[]);
        };
        let id = canary::new_id((self.world.random(), self.world.random()));
        let flight = match self.put(subject, &id).await {
            Ok(Placed { shard, sequence_number }) => Flight {
                id,
                shard,
                sequence_number,
                ..Flight::default()
            },
            Err(fault) => {
                let (message, fix) = apart(&fault);
                let seen = format!("no record could be put into the stream: {message}");
                return (Checked::new(Verdict::Unknown, [seen]).fix(fix), None);
            }
        };
        self.tell(
            subject,
            &format!(
                "a canary was {}; following it into {}, for {} at the most",
                flight.place(),
                subject.topic,
                lasting(subject.limit.as_secs())
            ),
        );
        let (checked, flight) = self.follow(subject, group, flight).await;
        (checked, Some(flight))
    }

    async fn put(&self, subject: &Subject, id: &str) -> Result<Placed, Fault> {
        let (key, data) = (canary::partition_key(id), canary::data(id));
        let (start, mut waits) = (self.world.elapsed(), Waits::default());
        loop {
            let put = self.ground.put(&subject.of_stack.stream, &key, &data).await;
            let late = self.world.elapsed().saturating_sub(start) >= PASSING;
            match put {
                // Where nothing answered it may have been put: another one with the same id does no harm.
                Err(fault) if fault.passes() && !late => self.world.sleep(waits.failed(self.world.random())).await,
                done => return done,
            }
        }
    }

    async fn follow(&self, subject: &Subject, group: &str, flight: Flight) -> (Checked, Flight) {
        let mut sources = [Source::new(group.to_owned(), self.now.saturating_sub(BEFORE))];
        let tell = |text: &str| self.tell(subject, text);
        let reader = Reader {
            groups: self.groups,
            world: self.world,
            pattern: Some(&flight.id),
            tell: &tell,
        };
        let mut last = None;
        let mut line = |_, event: Event| match heard(&event, &flight.id) {
            Some(line) => {
                let more = !is_the_end(line.outcome);
                last = Some(line);
                more
            }
            None => true,
        };
        let ended = reader.follow_for(&mut sources, subject.limit, &mut line).await;
        match (ended, last) {
            (Ok(Ended::Enough | Ended::Read), Some(line)) => landed(flight, line),
            (Ok(Ended::Enough | Ended::Read), None) => {
                let watched = self.ground.watch(self.stack, &subject.of_stack).await;
                let checked = not_heard(subject, &flight, self.fresh, (self.stack, self.region), &watched);
                (checked, flight)
            }
            (Err(failed), _) => {
                let (message, fix) = apart(&failed.fault);
                let why = match failed.fault.kind {
                    FaultKind::Absent => format!("the function's log group {group} is gone"),
                    _ => format!("the function's log could not be read: {message}"),
                };
                let seen = format!("{}; whether it arrived is not known: {why}", flight.place());
                (Checked::new(Verdict::Unknown, [seen]).fix(fix), flight)
            }
        }
    }
}

#[cfg(test)]
mod tests;

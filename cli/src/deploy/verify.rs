//! `k2m deploy --verify`: whether what was deployed delivers, shown by the function's own probe and by a record that is followed from the stream into the topic.
//! What is asked, how the answers are judged and what is said of them is pure; [`Verification`] asks through ports and waits by an injected clock.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use k2m_handler::canary::{self, Fate};
use k2m_handler::probe::report::{Failure, Report, Step};
use serde::Serialize;

use super::backoff::Waits;
use super::port::{Doing, Fault, FaultKind, User, World};
use super::topics::NOT_READY;
use crate::arn::Arn;
use crate::doctor::history::{lasting, lasting_ms};
use crate::doctor::{fails_before, reached, said_of};
use crate::exit::Exit;
use crate::facts::{Fact, Probe, Stack, StackPipeline, Unreadable, Watched, WatchedPipeline};
use crate::logs::port::{Event, Groups};
use crate::logs::tail::{Ended, Reader, Source};
use crate::plan::Pipeline;
use crate::shell::Command;
use crate::status::{self, State, Status};

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
    /// Whether its mapping is to read.
    pub enabled: bool,
    /// Whether its mapping begins with what comes after it is made.
    pub begins_at_latest: bool,
    /// How long a canary is waited for.
    pub limit: Duration,
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
            enabled: pipeline.mapping.enabled,
            begins_at_latest: pipeline.mapping.starting_position == "LATEST",
            limit: ON_ITS_WAY + Duration::from_secs(seconds.into()),
        }
    }

    fn name(&self) -> &str {
        self.of_stack.name()
    }
}

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is as it should be.
    Verified,
    /// It could not be told.
    Unknown,
    /// It does not deliver.
    Failed,
}

impl Verdict {
    /// The exit code that it comes to.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Verified => Exit::Fine,
            Self::Unknown => Exit::CouldNotTell,
            Self::Failed => Exit::Failed,
        }
    }
}

/// One of the two ways to find out, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen, the cause first.
    pub seen: Vec<String>,
    /// What to do, where something is to be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
}

impl Checked {
    fn new(verdict: Verdict, seen: impl IntoIterator<Item = String>) -> Self {
        Self {
            verdict,
            seen: seen.into_iter().collect(),
            fix: Vec::new(),
        }
    }

    fn fix(self, fix: impl IntoIterator<Item = String>) -> Self {
        Self {
            fix: fix.into_iter().collect(),
            ..self
        }
    }
}

/// The canary, as far as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flight {
    /// Its id, which is in its partition key and in the header `k2m-canary`.
    pub id: String,
    /// The shard that it was put into.
    pub shard: String,
    /// Its sequence number there.
    pub sequence_number: String,
    /// The topic that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The partition that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Its offset there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// From its arrival in the stream to the brokers' word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
}

impl Flight {
    fn place(&self) -> String {
        format!("put into {} at {}", self.shard, self.sequence_number)
    }
}

/// A pipeline, verified or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// The stream's name.
    pub name: String,
    /// The stream's ARN.
    pub stream: String,
    /// The topic.
    pub topic: String,
    /// The worse of the two.
    pub verdict: Verdict,
    /// What the function says of its way to the brokers.
    pub probe: Checked,
    /// What became of the record.
    pub canary: Checked,
    /// The record itself, where it was put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flight: Option<Flight>,
}

impl Verified {
    fn of(subject: &Subject, probe: Checked, (canary, flight): (Checked, Option<Flight>)) -> Self {
        Self {
            name: subject.name().to_owned(),
            stream: subject.of_stack.stream.to_string(),
            topic: subject.topic.clone(),
            verdict: probe.verdict.max(canary.verdict),
            probe,
            canary,
            flight,
        }
    }

    /// One of a stack that could not be looked at.
    pub fn unseen(subject: &Subject, why: &Unreadable) -> Self {
        let seen = format!("the stack could not be looked at: {}", why.message);
        let unseen = Checked::new(Verdict::Unknown, [seen]).fix(allow(why.missing_action.as_deref()));
        Self::of(subject, unseen.clone(), (unseen, None))
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, topic, .. } = self;
        match self.verdict {
            Verdict::Verified => writeln!(f, "Verified: records of {name} arrive in {topic}.")?,
            Verdict::Unknown if self.canary.verdict == Verdict::Verified => {
                writeln!(f, "Records of {name} arrive in {topic}, and not all could be told:")?;
            }
            Verdict::Unknown => writeln!(f, "Not known whether records of {name} arrive in {topic}:")?,
            Verdict::Failed => writeln!(f, "Not verified: records of {name} do not arrive in {topic}:")?,
        }
        for (what, checked) in [("probe", &self.probe), ("canary", &self.canary)] {
            let lines = checked.seen.iter().flat_map(|seen| seen.lines());
            lines.enumerate().try_for_each(|(number, line)| {
                let before = if number == 0 { format!("{what}:") } else { String::new() };
                writeln!(f, "  {before:<8} {line}")
            })?;
            let steps = checked.fix.iter().flat_map(|step| step.lines());
            steps.enumerate().try_for_each(|(number, line)| {
                let before = if number == 0 { "fix:" } else { "" };
                writeln!(f, "  {before:>8} {line}")
            })?;
        }
        Ok(())
    }
}

/// The worst of all, where anything was verified.
pub fn worst(verified: &[Verified]) -> Option<Verdict> {
    verified.iter().map(|one| one.verdict).max()
}

fn allow(action: Option<&str>) -> Option<String> {
    action.map(|action| format!("allow {action} to these credentials, then run the same command again"))
}

/// What a fault says, and what to do about it, apart.
fn apart(fault: &Fault) -> (String, Vec<String>) {
    let text = fault.to_string();
    let next = text.strip_prefix(&fault.message).unwrap_or_default();
    let next = next.lines().map(str::trim).filter(|line| !line.is_empty());
    (fault.message.clone(), next.map(str::to_owned).collect())
}

/// What was asked before, so long ago, and whether the answer may be another one in a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Probed {
    /// That's it.
    Done(Checked),
    /// It may pass.
    Again(Checked),
}

/// Judges what came of asking a function for its probe. `fresh`: rights and topics were made just now, and may not count everywhere yet. `brokers_make`: the
/// brokers make a topic that is missing with the first record for it.
fn probed(answer: &Fact<Probe>, fresh: bool, brokers_make: bool) -> Probed {
    let unknown = |seen: String| Checked::new(Verdict::Unknown, [seen]);
    let report = match answer {
        Fact::Found {
            value: Probe::Answered(report),
        } => report,
        Fact::Found {
            value: Probe::Failed { kind, message },
        } => {
            let failed = Checked::new(Verdict::Failed, [fails_before(kind, message)]);
            return Probed::Done(failed.fix(["mend what it names, then deploy again".to_owned()]));
        }
        Fact::Absent => return Probed::Done(unknown("the function is gone: look at the stack".to_owned())),
        Fact::Unreadable(why) => {
            let message = &why.message;
            let Some(action) = &why.missing_action else {
                let checked = unknown(format!("the function could not be asked: {message}"));
                let not_ready = NOT_READY.iter().any(|words| message.contains(words));
                return if not_ready {
                    Probed::Again(checked)
                } else {
                    Probed::Done(checked)
                };
            };
            let checked = unknown(format!("the function was not asked: {action} is not allowed"));
            return Probed::Done(checked.fix(allow(Some(action))));
        }
    };
    let coming = |failure: &&Failure| brokers_make && failure.step == Step::Topic && missing(report, failure);
    let (made, mut failures): (Vec<&Failure>, Vec<&Failure>) = report.failures.iter().partition(coming);
    if failures.is_empty() {
        let mut seen = vec![reached(report)];
        seen.extend(made.first().map(|_| "the first record makes its topic".to_owned()));
        return Probed::Done(Checked::new(Verdict::Verified, seen));
    }
    // Without what a secret holds all that follows fails for another reason than it seems to.
    failures.sort_by_key(|failure| failure.step != Step::Secret);
    let (seen, fix) = said_of(failures.iter().copied());
    let checked = Checked::new(Verdict::Failed, seen).fix(fix);
    let of_rights = |failure: &&Failure| !matches!(failure.step, Step::Dns | Step::Tcp | Step::Tls | Step::ApiVersions);
    if fresh && failures.iter().all(of_rights) {
        Probed::Again(checked)
    } else {
        Probed::Done(checked)
    }
}

fn missing(report: &Report, failure: &Failure) -> bool {
    let mut topics = report.topics.iter();
    topics.any(|topic| Some(&topic.name) == failure.topic.as_ref() && topic.exists == Some(false))
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

/// Judges the last line about a canary.
fn landed(mut flight: Flight, line: canary::Line) -> (Checked, Flight) {
    let canary::Line {
        topic,
        partition,
        offset,
        milliseconds,
        ..
    } = line;
    let at = match (&topic, partition, offset) {
        (Some(topic), Some(partition), Some(offset)) => format!("{topic}[{partition}]@{offset}"),
        (Some(topic), Some(partition), None) => format!("{topic}[{partition}] (its offset is not certain)"),
        _ => "its topic".to_owned(),
    };
    let after = milliseconds.map(|took| format!(" after {}", took_text(took)));
    let after = after.unwrap_or_default();
    let reason = line.reason.unwrap_or_default();
    (flight.topic, flight.partition) = (topic, partition);
    (flight.offset, flight.milliseconds) = (offset, milliseconds);
    let place = flight.place();
    let checked = match line.outcome {
        Fate::Delivered => Checked::new(Verdict::Verified, [format!("{place}, delivered to {at}{after}")]),
        Fate::DeadLettered => Checked::new(
            Verdict::Failed,
            [
                reason,
                format!("{place}, and went to the dead-letter topic, {at}{after}"),
            ],
        ),
        Fate::Refused => Checked::new(
            Verdict::Failed,
            [
                reason,
                format!("{place}, and can never be delivered: Lambda gives it up to the failure destination"),
            ],
        ),
        Fate::Failed => Checked::new(
            Verdict::Failed,
            [
                reason,
                format!("{place}, and could not be delivered; Lambda tries it again"),
            ],
        ),
    };
    (checked, flight)
}

/// To a tenth of a second, as long as that means anything.
fn took_text(milliseconds: u64) -> String {
    match milliseconds {
        0..100 => lasting_ms(milliseconds),
        100..120_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => lasting(milliseconds / 1000),
    }
}

/// What is known of a canary that nothing was heard of in time: what keeps the pipeline from delivering, or that it is behind.
fn not_heard(
    subject: &Subject,
    flight: &Flight,
    fresh: bool,
    (stack, region): (&Stack, &str),
    watched: &Watched,
) -> Checked {
    let waited = lasting(subject.limit.as_secs());
    let nothing = format!("{}; nothing was heard of it in {waited}", flight.place());
    let judged = Status::of(stack, region, watched).pipelines.into_iter().next();
    let (state, why) = judged.map_or(
        (State::Unknown, "there are none".to_owned()),
        |status::Pipeline { state, why, .. }| (state, why),
    );
    let verdict = match state {
        State::Failing | State::Stopped => Verdict::Failed,
        State::Healthy | State::Unknown | State::Behind => Verdict::Unknown,
    };
    let seen: Option<&WatchedPipeline> = watched.pipelines.first();
    let filters = seen
        .and_then(|seen| seen.mapping.found())
        .map_or(0, |mapping| mapping.filters.len());
    let filtered = (filters > 0)
        .then(|| format!("the mapping has {filters} filter(s), which k2m did not make and which may have left it out"));
    let passed_over = (fresh && subject.begins_at_latest)
        .then(|| "the mapping begins at LATEST, and may pass over what comes while it is made".to_owned());
    // Also of records that were put in just now.
    let why = match state {
        State::Healthy | State::Unknown => format!("by its figures, which come some minutes late: {why}"),
        State::Behind | State::Stopped | State::Failing => why,
    };
    let causes = [why].into_iter().chain(filtered).chain(passed_over);
    let seen: Vec<String> = match verdict {
        // The cause first.
        Verdict::Failed => causes.chain([nothing]).collect(),
        Verdict::Verified | Verdict::Unknown => [nothing].into_iter().chain(causes).collect(),
    };
    let follow = Command::new("k2m logs")
        .option("--stack", &stack.name)
        .option("--region", region)
        .option("--filter", &flight.id)
        .flag("--follow");
    Checked::new(verdict, seen).fix([format!("`{follow}` says when it comes")])
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
        let not_put = |why: &str, fix: Option<&str>| {
            let seen = format!("no record was put into the stream: {why}");
            let checked = Checked::new(Verdict::Unknown, [seen]).fix(fix.map(str::to_owned));
            (checked, None)
        };
        if !subject.enabled {
            let why = "the event source mapping is disabled, so nothing reads it";
            return not_put(why, Some("with `enabled: true` the next deployment lets it read"));
        }
        let Some(group) = &subject.of_stack.log_group else {
            return not_put("the stack has no log group to follow it in", None);
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

//! How the answers to a verification are judged, and what is said of them. Pure.

use std::fmt;

use k2m_handler::canary::{self, Fate};
use k2m_handler::probe::report::{Failure, Report, Step};
use serde::Serialize;

use super::Subject;
use crate::deploy::topics::NOT_READY;
use crate::doctor::history::{lasting, lasting_ms};
use crate::doctor::{fails_before, reached, said_of};
use crate::exit::Exit;
use crate::facts::{Fact, Probe, Stack, Unreadable, Watched, WatchedPipeline};
use crate::shell::Command;
use crate::status::{self, State, Status};

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
    pub(super) fn new(verdict: Verdict, seen: impl IntoIterator<Item = String>) -> Self {
        Self {
            verdict,
            seen: seen.into_iter().collect(),
            fix: Vec::new(),
        }
    }

    pub(super) fn fix(self, fix: impl IntoIterator<Item = String>) -> Self {
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
    pub(super) fn place(&self) -> String {
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
    pub(super) fn of(subject: &Subject, probe: Checked, (canary, flight): (Checked, Option<Flight>)) -> Self {
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

/// What was asked before, so long ago, and whether the answer may be another one in a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Probed {
    /// That's it.
    Done(Checked),
    /// It may pass.
    Again(Checked),
}

/// Judges what came of asking a function for its probe. `fresh`: rights and topics were made just now, and may not count everywhere yet. `brokers_make`: the
/// brokers make a topic that is missing with the first record for it.
pub(super) fn probed(answer: &Fact<Probe>, fresh: bool, brokers_make: bool) -> Probed {
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
        Fact::Absent => {
            let seen = "the function is gone, so that nothing is delivered".to_owned();
            let fix = "`k2m doctor` says how to have it again".to_owned();
            return Probed::Done(Checked::new(Verdict::Failed, [seen]).fix([fix]));
        }
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

/// Judges the last line about a canary.
pub(super) fn landed(mut flight: Flight, line: canary::Line) -> (Checked, Flight) {
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
pub(super) fn took_text(milliseconds: u64) -> String {
    match milliseconds {
        0..100 => lasting_ms(milliseconds),
        100..120_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => lasting(milliseconds / 1000),
    }
}

/// What is known of a canary that nothing was heard of in time: what keeps the pipeline from delivering, or that it is behind.
pub(super) fn not_heard(
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

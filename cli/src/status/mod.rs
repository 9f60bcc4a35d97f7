//! How pipelines are, in a word and a sentence each, from what was seen of them. Pure.

mod judge;
mod left;
pub mod table;

use std::fmt;

use serde::Serialize;

use crate::exit::Exit;
use crate::facts::{Fact, Function, Mapping, Metrics, Stack, Unreadable, Watched, WatchedPipeline, stream_name};
use crate::shell::Command;

/// How a pipeline is, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It delivers, or there is nothing to deliver.
    Healthy,
    /// What matters could not be seen.
    Unknown,
    /// It delivers, and what it delivers is old.
    Behind,
    /// Nothing reads the stream.
    Stopped,
    /// What is read is not delivered, or was given up.
    Failing,
}

impl State {
    /// As it is shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Behind => "behind",
            Self::Stopped => "stopped",
            Self::Failing => "failing",
        }
    }

    const fn exit(self) -> Exit {
        match self {
            Self::Healthy => Exit::Fine,
            Self::Unknown => Exit::CouldNotTell,
            Self::Behind | Self::Stopped | Self::Failing => Exit::Failed,
        }
    }
}

/// A figure, which may not be there, or not be readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// So many.
    Is(u64),
    /// CloudWatch has none: nothing of the kind happened.
    None,
    /// It could not be read.
    Unread,
}

/// A pipeline, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    /// The stream's name.
    pub name: String,
    /// The stream's ARN.
    pub stream: String,
    /// The topic, where the stack says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// How it is.
    pub state: State,
    /// Why, in a sentence without a full stop.
    pub why: String,
    /// State of the event source mapping, such as `Enabled`; absent where it is gone or can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// What Lambda says of the last batch, such as `OK`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
    /// Age in milliseconds of the last batch's last record when the function got it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterator_age_ms: Option<u64>,
    /// Records that were put into the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_in: Option<u64>,
    /// Records that the brokers acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_out: Option<u64>,
    /// Records that went to the dead-letter topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_lettered: Option<u64>,
    /// Records that an invocation could not deliver, each try counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undelivered: Option<u64>,
    /// Invocations of the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocations: Option<u64>,
    /// Those that ended with an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<u64>,
    /// Those that Lambda refused for want of room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttles: Option<u64>,
    /// The longest, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_ms: Option<u64>,
    /// Records that were given up and went to the failure destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_up: Option<u64>,
    /// Records that were given up and went nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
    /// Messages that wait in the queue of the failure destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// Which part: `function`, `mapping`, `metrics` or `waiting`.
    pub what: &'static str,
    /// The IAM action to allow, where that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_action: Option<String>,
    /// AWS's or the client's own words.
    pub message: String,
}

/// The pipelines of a stack, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// When AWS was asked, RFC 3339.
    pub taken_at: String,
    /// The stack.
    pub stack: String,
    /// Its region.
    pub region: String,
    /// How far back the figures go.
    pub minutes: u32,
    /// The worst of the pipelines.
    pub state: State,
    /// All of them, in a sentence without a full stop.
    pub why: String,
    /// What to do next, where not all is well: a command, or a right to allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Each pipeline.
    pub pipelines: Vec<Pipeline>,
}

impl Status {
    /// Judges what was seen of a stack in a region.
    pub fn of(stack: &Stack, region: &str, watched: &Watched) -> Self {
        let pipelines: Vec<Pipeline> = watched
            .pipelines
            .iter()
            .map(|seen| Pipeline::of(seen, &watched.taken_at))
            .collect();
        let state = pipelines.iter().map(|one| one.state).max().unwrap_or(State::Unknown);
        Self {
            taken_at: watched.taken_at.clone(),
            stack: stack.name.clone(),
            region: region.to_owned(),
            minutes: watched.minutes,
            state,
            why: all(&pipelines),
            next: next(&pipelines, state, &stack.name, region),
            pipelines,
        }
    }

    /// The exit code that it comes to.
    pub const fn exit(&self) -> Exit {
        self.state.exit()
    }
}

impl Pipeline {
    fn of(seen: &WatchedPipeline, now: &str) -> Self {
        let (state, why) = judge::judge(seen, now);
        let mapping: Option<&Mapping> = seen.mapping.found();
        let metrics: Option<&Metrics> = seen.metrics.found();
        let figure = |of: fn(&Metrics) -> Option<u64>| metrics.and_then(of);
        let waiting = seen.waiting.as_ref().and_then(Fact::found);
        let parts = [
            ("function", seen.function.unreadable()),
            ("mapping", seen.mapping.unreadable()),
            ("metrics", seen.metrics.unreadable()),
            ("waiting", seen.waiting.as_ref().and_then(Fact::unreadable)),
        ];
        let unread = parts.into_iter().filter_map(|(what, why)| {
            let Unreadable {
                missing_action,
                message,
            } = why?.clone();
            Some(Unread {
                what,
                missing_action,
                message,
            })
        });
        Self {
            name: stream_name(&seen.stream).to_owned(),
            stream: seen.stream.clone(),
            topic: seen.topic.clone(),
            state,
            why,
            mapping: mapping.map(|mapping| mapping.state.clone()),
            last_result: mapping.and_then(|mapping| mapping.last_result.clone()),
            iterator_age_ms: figure(|metrics| metrics.iterator_age_ms.last().map(|last| last.value)),
            records_in: figure(|metrics| metrics.incoming_records),
            records_out: figure(|metrics| metrics.acknowledged),
            dead_lettered: figure(|metrics| metrics.dead_lettered),
            undelivered: figure(|metrics| metrics.undelivered),
            invocations: figure(|metrics| metrics.invocations),
            errors: figure(|metrics| metrics.errors),
            throttles: figure(|metrics| metrics.throttles),
            longest_ms: figure(|metrics| metrics.longest_ms),
            given_up: figure(|metrics| metrics.given_up),
            dropped: figure(|metrics| metrics.dropped),
            waiting: waiting.map(|waiting| u64::from(waiting.messages)),
            unread: unread.collect(),
        }
    }

    fn is_unread(&self, what: &str) -> bool {
        self.unread.iter().any(|unread| unread.what == what)
    }

    /// A figure, or why there is none.
    fn figure(&self, figure: Option<u64>, what: &str) -> Figure {
        match figure {
            Some(figure) => Figure::Is(figure),
            None if self.is_unread(what) => Figure::Unread,
            None => Figure::None,
        }
    }
}

/// All pipelines in a sentence. Of one its own says more.
fn all(pipelines: &[Pipeline]) -> String {
    let of = |state: State| pipelines.iter().filter(move |one| one.state == state);
    let count = pipelines.len();
    if let [one] = pipelines {
        return one.why.clone();
    }
    if of(State::Healthy).count() == count {
        return format!("all {count} pipelines are healthy");
    }
    let parts: Vec<String> = [State::Failing, State::Stopped, State::Behind, State::Unknown]
        .into_iter()
        .filter_map(|state| {
            let names: Vec<&str> = of(state).map(|one| one.name.as_str()).collect();
            // More names than that are in the table.
            let list = if names.len() <= 3 {
                format!(" ({})", names.join(", "))
            } else {
                String::new()
            };
            let count = names.len();
            (count > 0).then(|| match state {
                State::Unknown => format!("{count} can't be judged{list}"),
                _ if count == 1 => format!("1 is {}{list}", state.word()),
                _ => format!("{count} are {}{list}", state.word()),
            })
        })
        .collect();
    format!("of {count} pipelines {}", parts.join(", "))
}

/// What to do, where not all is well.
fn next(pipelines: &[Pipeline], state: State, stack: &str, region: &str) -> Option<String> {
    let mut actions: Vec<&str> = pipelines
        .iter()
        .flat_map(|one| &one.unread)
        .filter_map(|unread| unread.missing_action.as_deref())
        .collect();
    actions.sort_unstable();
    actions.dedup();
    let allow = (!actions.is_empty()).then(|| format!("allow {} to these credentials", actions.join(", ")));
    match state {
        State::Healthy => allow,
        State::Unknown if allow.is_some() => allow,
        _ => Some(
            Command::new("k2m doctor")
                .option("--stack", stack)
                .option("--region", region)
                .to_string(),
        ),
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&table::laid_out(
            self,
            crate::report::Screen {
                columns: None,
                colour: false,
            },
        ))
    }
}

/// Whether a function can be invoked.
fn works(function: &Function) -> bool {
    matches!(function.state.as_str(), "Active" | "Inactive")
}

#[cfg(test)]
mod tests;

//! Where a pipeline that goes can be gone on with later: the time that passes over no record which its mapping had not delivered. Pure.
//!
//! CloudWatch tells it, minute by minute. What holds: where nothing failed for an hour, each shard was tried and went well within it, so that what came before the last
//! invocation began is delivered, but for as much as it was behind, for what was under way, and for what is in doubt. All of that is taken off; it costs duplicates.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::columns::hung;
use super::port::{Line, Look};
use super::position::is_live;
use crate::facts::{Fact, Mapping, Minutes, Reading, Unreadable, stream_name};

/// How far back to look: two days.
pub const MINUTES: u32 = 2 * 24 * 60;
/// How long nothing may have failed before the time that is gone on from, in minutes.
pub const CALM_MINUTES: u32 = 60;
/// What is taken off for a batch that waits to be full, for clocks, and for whatever nobody counts, in minutes.
pub const MARGIN_MINUTES: u32 = 10;
/// Most milliseconds behind the stream at which a function keeps up.
pub const KEEPS_UP_MS: u64 = 60_000;
/// Figures are that late, at most, after their invocation has ended: seconds.
const LATE: i64 = 300;
/// How long a mapping takes, at most, until it reads each shard: seconds.
const BEGINS: i64 = 900;
/// Lambda's longest time-out and longest batching window, in seconds.
const LONGEST: (u32, u32) = (900, 300);
const MINUTE: i64 = 60;
/// A mapping that gives records up which are younger than this may do so while nothing reads: seconds.
const DAY: i32 = 86_400;

/// Where to begin, so that nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resume {
    /// The stream's ARN.
    pub stream: String,
    /// `AT_TIMESTAMP` or `TRIM_HORIZON`.
    pub starting_position: &'static str,
    /// The time with `AT_TIMESTAMP`, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_timestamp: Option<String>,
    /// Why there.
    pub why: String,
    /// What else to set until it has caught up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meanwhile: Option<String>,
}

/// What to set where records may get too old while they wait, by the age at which they are given up.
pub fn meanwhile(maximum_record_age: i32) -> Option<String> {
    (1..DAY).contains(&maximum_record_age).then(|| {
        format!(
            "Until it has caught up, `maximum_record_age: -1`: with {maximum_record_age} s, what waited longer would be given up."
        )
    })
}

/// Where a pipeline can be gone on with, also where its mapping is gone already: what was delivered before is delivered.
pub fn resume(reading: &Reading, now: Timestamp) -> Resume {
    let gone = match &reading.mapping {
        Fact::Found { .. } if !is_live(&reading.mapping) => "its mapping is being deleted already; ",
        Fact::Absent => "its mapping is gone already; ",
        Fact::Found { .. } | Fact::Unreadable(_) => "",
    };
    let mapping = reading.mapping.found();
    let began = mapping.and_then(began);
    let good = match &reading.minutes {
        Fact::Found { value } => Good::last(reading, value, now.as_second()).ok_or_else(|| {
            format!(
                "of the last {} hours CloudWatch tells of no invocation with an hour before it in which nothing failed",
                value.looked_back / 60
            )
        }),
        Fact::Absent => Err("CloudWatch tells nothing of it".to_owned()),
        Fact::Unreadable(why) => Err(unread(why)),
    };
    let (at, why) = match (good, began) {
        (Ok(good), None) => (Some(good.at()), good.to_string()),
        (Ok(good), Some(began)) if began < good.at() => (Some(good.at()), good.to_string()),
        (Ok(_), Some(began)) => (Some(began), "its mapping began there itself".to_owned()),
        (Err(unknown), Some(began)) => (
            Some(began),
            format!("{unknown}, so that how far it has come is not known; its mapping began there itself"),
        ),
        (Err(unknown), None) => (
            None,
            format!(
                "{unknown}, so that how far it has come is not known; that is all that the stream holds, also what was delivered already"
            ),
        ),
    };
    let time = at.and_then(|at| Timestamp::from_second(at).ok());
    Resume {
        stream: reading.stream.clone(),
        starting_position: if time.is_some() { "AT_TIMESTAMP" } else { "TRIM_HORIZON" },
        starting_timestamp: time.map(|time| time.to_string()),
        why: format!("{gone}{why}"),
        meanwhile: mapping.and_then(|mapping| meanwhile(mapping.maximum_record_age?)),
    }
}

/// The time that a mapping began at, in seconds since 1970, where it was one.
fn began(mapping: &Mapping) -> Option<i64> {
    let time = mapping.starting_timestamp.as_ref()?;
    Some(time.parse::<Timestamp>().ok()?.as_second())
}

fn unread(why: &Unreadable) -> String {
    let next = why.missing_action.as_ref().map(|action| format!("; allow {action}"));
    format!(
        "CloudWatch could not be read ({}{})",
        why.message,
        next.unwrap_or_default()
    )
}

/// A minute after which nothing that came before it was waiting to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Good {
    /// Its beginning, in seconds since 1970.
    minute: i64,
    /// How far behind the stream it was read in the hour before, at most, in seconds.
    behind: i64,
    /// How long an invocation may take, in seconds.
    timeout: i64,
}

impl Good {
    /// The last that there is.
    fn last(reading: &Reading, minutes: &Minutes, now: i64) -> Option<Self> {
        let counted = &minutes.counted;
        let function = reading.function.found().map(|function| function.timeout_seconds);
        let timeout = i64::from(function.filter(|seconds| *seconds > 0).unwrap_or(LONGEST.0));
        // What is under way may fail yet, and what ended just now is not counted yet.
        let known = now - timeout - LATE - MINUTE;
        let invoked = || {
            counted
                .iter()
                .filter(|(_, minute)| minute.invocations > 0)
                .map(|(at, _)| *at)
        };
        let first = invoked().next()?;
        let (calm, margin) = (i64::from(CALM_MINUTES) * MINUTE, i64::from(MARGIN_MINUTES) * MINUTE);
        invoked()
            .rev()
            .filter(|at| *at <= known && *at >= first + BEGINS)
            .find_map(|minute| {
                // What fails a little later may be of a shard that was not tried before.
                let around = || {
                    counted
                        .range(minute - calm..=minute + margin + timeout)
                        .map(|(_, counted)| counted)
                };
                let before = || counted.range((minute - calm).max(first)..=minute);
                let failed = around().any(|counted| counted.failures > 0);
                let stood =
                    before().any(|(at, counted)| counted.incoming > 0 && stands(reading, minutes, *at, timeout, known));
                let behind = before().map(|(_, counted)| counted.behind_ms).max().unwrap_or_default();
                // A handler whose log can't be read has failed in part where it has fallen behind, for all that is known.
                let told = around().any(|counted| counted.told);
                let unseen = !told && around().any(|counted| counted.behind_ms > KEEPS_UP_MS);
                (!failed && !stood && !unseen).then_some(Self {
                    minute,
                    behind: i64::try_from(behind.div_ceil(1000)).unwrap_or(i64::MAX),
                    timeout,
                })
            })
    }

    /// What is put from then on may not have been delivered; all before is.
    fn at(self) -> i64 {
        let off = self
            .behind
            .saturating_add(self.timeout + i64::from(MARGIN_MINUTES) * MINUTE);
        let at = self.minute.saturating_sub(off).max(0);
        at - at % MINUTE
    }
}

/// Whether records that came in this minute had nobody to take them: nothing reads, as of a mapping that is disabled.
fn stands(reading: &Reading, minutes: &Minutes, at: i64, timeout: i64, known: i64) -> bool {
    let mapping = reading.mapping.found();
    if mapping.is_some_and(|mapping| !mapping.filters.is_empty()) {
        // What is left out invokes nobody.
        return false;
    }
    let window = mapping.and_then(|mapping| mapping.batching_window).unwrap_or(LONGEST.1);
    let until = at + MINUTE + timeout + i64::from(window) + LATE;
    let mut taken = minutes.counted.range(at..=until).map(|(_, minute)| minute.invocations);
    until <= known && !taken.any(|invocations| invocations > 0)
}

impl fmt::Display for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_second(self.minute).map(|time| time.to_string());
        write!(
            f,
            "the function was invoked at {}, nothing had failed in the hour before, and it was at most {} s behind; taken off are that, the {} s that an invocation may \
             take, and {MARGIN_MINUTES} minutes",
            time.unwrap_or_default(),
            self.behind,
            self.timeout
        )
    }
}

/// It for people, in at most so many columns; nothing where there is nothing to tell.
pub fn lines(resumes: &[Resume], columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |introduction: &str, text: &str, look| {
        let hung = hung(introduction, text, columns).into_iter();
        lines.extend(hung.map(|line| Line::new(look, line)));
    };
    if !resumes.is_empty() {
        add(
            "",
            "to go on later without a loss, while the stream still holds what is put meanwhile, deploy with this starting position (some records come twice then):",
            Look::Plain,
        );
    }
    for resume in resumes {
        add("  ", &format!("{}:", stream_name(&resume.stream)), Look::Plain);
        add(
            "    ",
            &format!("starting_position: {}", resume.starting_position),
            Look::Plain,
        );
        if let Some(time) = &resume.starting_timestamp {
            add("    ", &format!("starting_timestamp: {time}"), Look::Plain);
        }
        add("    ", &format!("({})", resume.why), Look::Faint);
        if let Some(meanwhile) = &resume.meanwhile {
            add("    ", meanwhile, Look::Faint);
        }
    }
    lines
}

#[cfg(test)]
mod tests;

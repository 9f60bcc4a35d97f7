//! The judgement of one pipeline: what is worst of it counts.

use jiff::Timestamp;

use super::left::{Left, left};
use super::{State, works};
use crate::doctor::history::{Trend, lasting, lasting_ms, trend};
use crate::facts::{Fact, Function, Mapping, Metrics, Unreadable, WatchedPipeline};

/// An age in milliseconds that a burst, or a broker that restarts, explains.
const LATE: u64 = 5 * 60 * 1000;
/// A figure that is older than these seconds says nothing of where it goes.
const STALE: i64 = 20 * 60;

type Judgement = (State, String);

/// How a pipeline is, and why, in a sentence without a full stop. `now` is when it was seen.
pub(super) fn judge(seen: &WatchedPipeline, now: &str) -> Judgement {
    let judged = gone(seen)
        .or_else(|| of_function(&seen.function))
        .unwrap_or_else(|| of_mapping(seen, now));
    let (state, why) = judged;
    let remarks = remarks(seen, state);
    (state, [vec![why], remarks].concat().join("; "))
}

/// What is no longer there.
fn gone(seen: &WatchedPipeline) -> Option<Judgement> {
    let what = match (&seen.function, &seen.mapping) {
        (Fact::Absent, _) => "its function is gone: nothing takes what is read",
        (_, Fact::Absent) => "its event source mapping is gone: nothing reads the stream",
        _ => return None,
    };
    Some((State::Stopped, what.to_owned()))
}

/// A function that can't be invoked.
fn of_function(function: &Fact<Function>) -> Option<Judgement> {
    let function = function.found().filter(|function| !works(function))?;
    let reason = function.state_reason.as_ref();
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let state = match function.state.as_str() {
        "Failed" => State::Failing,
        // It is being made ready, which takes some minutes at the most.
        _ => State::Unknown,
    };
    Some((state, format!("the function is {}{reason}", function.state)))
}

fn of_mapping(seen: &WatchedPipeline, now: &str) -> Judgement {
    let mapping = match &seen.mapping {
        Fact::Found { value } => value,
        Fact::Absent => return (State::Stopped, String::new()),
        Fact::Unreadable(why) => return unread("the event source mapping", why),
    };
    match mapping.state.as_str() {
        "Enabled" | "Updating" => {}
        state @ ("Disabled" | "Disabling" | "Deleting") => {
            return (
                State::Stopped,
                format!("its event source mapping is {state}: nothing reads the stream"),
            );
        }
        state => {
            return (
                State::Unknown,
                format!("its event source mapping is {state}: ask again in a minute"),
            );
        }
    }
    match &seen.metrics {
        Fact::Found { value } => of_metrics(mapping, value, left(seen, now).as_ref(), now),
        Fact::Absent => (State::Unknown, "nobody looked at its figures".to_owned()),
        Fact::Unreadable(why) => of_last_batch(mapping, None).unwrap_or_else(|| unread("its figures", why)),
    }
}

fn unread(what: &str, why: &Unreadable) -> Judgement {
    (State::Unknown, format!("{what} could not be read: {}", why.message))
}

/// The last batch, where it was not delivered.
fn of_last_batch(mapping: &Mapping, metrics: Option<&Metrics>) -> Option<Judgement> {
    let result = mapping.last_result.as_deref()?;
    if !result.starts_with("PROBLEM") {
        return None;
    }
    let behind = metrics
        .and_then(|metrics| metrics.iterator_age_ms.last())
        .filter(|last| last.value >= LATE)
        .map(|last| format!("; it was {} old", lasting_ms(last.value)))
        .unwrap_or_default();
    Some((
        State::Failing,
        format!("the last batch was not delivered ({result}){behind}"),
    ))
}

fn of_metrics(mapping: &Mapping, metrics: &Metrics, left: Option<&Left>, now: &str) -> Judgement {
    let within = format!("the last {}", lasting(u64::from(metrics.minutes) * 60));
    let some = |figure: Option<u64>| figure.filter(|figure| *figure > 0);
    if let Some(dropped) = some(metrics.dropped) {
        return (
            State::Failing,
            format!(
                "{} given up in {within} and went nowhere",
                were(dropped, "record", "was", "were")
            ),
        );
    }
    if let Some(judged) = of_last_batch(mapping, Some(metrics)) {
        return judged;
    }
    let (incoming, invocations) = (metrics.incoming_records.unwrap_or(0), metrics.invocations.unwrap_or(0));
    if let Some(undelivered) = some(metrics.undelivered)
        && metrics.acknowledged.unwrap_or(0) == 0
    {
        return (
            State::Failing,
            format!("nothing was delivered in {within}, and {undelivered} times a record could not be"),
        );
    }
    if let Some(given_up) = some(metrics.given_up) {
        return (
            State::Failing,
            format!(
                "{} given up in {within} and went to the failure destination",
                were(given_up, "record", "was", "were")
            ),
        );
    }
    if let Some(throttles) = some(metrics.throttles)
        && invocations == 0
    {
        return (
            State::Failing,
            format!("Lambda refused all {throttles} invocations of {within} for want of room"),
        );
    }
    let filtered = metrics
        .polled
        .is_some_and(|polled| polled > 0 && metrics.filtered_out.unwrap_or(0) >= polled);
    let left_lying = left.filter(|left| left.records > 0 && left.quiet && !filtered);
    if let Some(judged) = left_lying.and_then(|left| of_left(mapping, left)) {
        return judged;
    }
    if let Some(judged) = of_age(mapping, metrics, left, now) {
        return judged;
    }
    if incoming > 0 && invocations == 0 && !filtered {
        return (
            State::Unknown,
            format!(
                "{} put into the stream in {within}, and no invocation is counted: figures come some minutes late, so ask again",
                were(incoming, "record", "was", "were")
            ),
        );
    }
    let why = match metrics.iterator_age_ms.last() {
        _ if filtered => format!("it reads, and its filters left out all of {within}"),
        Some(last) if left_lying.is_some() => format!(
            "the last batch was {} old when the function got it, and its filters may have left out what came in since",
            lasting_ms(last.value)
        ),
        Some(last) => format!(
            "it delivers: the last batch was {} old when the function got it",
            lasting_ms(last.value)
        ),
        None if invocations > 0 => "it delivers".to_owned(),
        None => format!("it waits: nothing was put into the stream in {within}"),
    };
    (State::Healthy, why)
}

/// Records that lie in the stream although something should read it. What filters leave out is taken without an invocation.
fn of_left(mapping: &Mapping, left: &Left) -> Option<Judgement> {
    if !mapping.filters.is_empty() {
        return None;
    }
    let came = were(left.records, "record", "came", "came");
    let state = &mapping.state;
    let why = match left.invoked_ago {
        Some(ago) => format!(
            "{came} in after the last that the function got, and it was not invoked for {}, though its event source mapping is {state}",
            lasting(ago)
        ),
        None => format!("{came} in, and the function got none of them, though its event source mapping is {state}"),
    };
    Some((State::Stopped, why))
}

/// A pipeline whose last batch was old, and which has nothing left since.
fn caught_up(metrics: &Metrics, left: &Left, old: &str) -> Option<String> {
    if left.records > 0 || left.coming || !left.seen_whole {
        return None;
    }
    if left.quiet
        && let Some(ago) = left.invoked_ago
    {
        return Some(format!(
            "it has caught up: the last batch, {} ago, was {old} old when the function got it, no record came in after it, and no invocation followed",
            lasting(ago)
        ));
    }
    // Before it is quiet for long enough both have to say so: where records hold several, the sums alone say too much.
    let incoming = metrics.incoming_records.filter(|incoming| *incoming > 0)?;
    (incoming >= left.incoming && metrics.acknowledged? >= incoming).then(|| {
        format!(
            "it has caught up: the last batch was {old} old when the function got it, no record came in after it, and no fewer were delivered than came in"
        )
    })
}

/// A pipeline whose records are old when it gets them.
fn of_age(mapping: &Mapping, metrics: &Metrics, left: Option<&Left>, now: &str) -> Option<Judgement> {
    let last = metrics.iterator_age_ms.last()?;
    let late = LATE + u64::from(mapping.batching_window.unwrap_or(0)) * 1000;
    if last.value < late {
        return None;
    }
    if let Some(why) = left.and_then(|left| caught_up(metrics, left, &lasting_ms(last.value))) {
        return Some((State::Healthy, why));
    }
    let since = now
        .parse::<Timestamp>()
        .ok()
        .zip(last.at.parse::<Timestamp>().ok())
        .map_or(0, |(now, at)| now.as_second() - at.as_second());
    let old = format!(
        "the last batch was {} old when the function got it",
        lasting_ms(last.value)
    );
    let why = match trend(&metrics.iterator_age_ms) {
        _ if since > STALE => {
            let since = lasting(u64::try_from(since).unwrap_or(0));
            format!(
                "the last batch, {since} ago, was {} old when the function got it",
                lasting_ms(last.value)
            )
        }
        Trend::Falls(rate) => format!(
            "{old}; it catches up, and is there in about {}",
            lasting(last.value / rate.max(1) * 60)
        ),
        Trend::Grows(rate) => format!("{old}, and gets older by {} a minute", lasting_ms(rate)),
        Trend::Level | Trend::Unknown => old,
    };
    Some((State::Behind, why))
}

/// What else is to be known, which decides nothing.
fn remarks(seen: &WatchedPipeline, state: State) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(metrics) = seen.metrics.found() {
        if let Some(errors) = metrics.errors.filter(|errors| *errors > 0) {
            let of = metrics.invocations.unwrap_or(errors).max(errors);
            remarks.push(format!("{errors} of {of} invocations ended with an error"));
        }
        let throttles = metrics.throttles.filter(|throttles| *throttles > 0);
        if let Some(throttles) = throttles.filter(|_| metrics.invocations.unwrap_or(0) > 0) {
            remarks.push(format!("Lambda refused {throttles} more for want of room"));
        }
        if let Some(dead) = metrics.dead_lettered.filter(|dead| *dead > 0) {
            remarks.push(format!(
                "{} to the dead-letter topic",
                were(dead, "record", "went", "went")
            ));
        }
    }
    match &seen.waiting {
        Some(Fact::Found { value }) if value.messages > 0 => remarks.push(format!(
            "{} in the failure destination's queue",
            were(u64::from(value.messages), "message", "waits", "wait")
        )),
        Some(Fact::Unreadable(why)) if state == State::Healthy => {
            remarks.push(format!(
                "what waits after it was given up could not be read: {}",
                why.message
            ));
        }
        _ => {}
    }
    if let (State::Healthy, Fact::Unreadable(why)) = (state, &seen.function) {
        remarks.push(format!("the function could not be read: {}", why.message));
    }
    remarks
}

fn were(number: u64, noun: &str, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {noun} {one}")
    } else {
        format!("{number} {noun}s {many}")
    }
}

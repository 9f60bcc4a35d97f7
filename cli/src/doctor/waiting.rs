//! D: what was given up: whether it was kept, and what to do with it.

use jiff::{SignedDuration, Timestamp};

use super::history::{lasting, window};
use super::{Case, Outcome, given};
use crate::facts::{Fact, GivenUp, Waiting};
use crate::shell::Command;

/// Whether nothing was given up that somebody has to look at.
pub(super) fn nothing(case: &Case<'_>) -> Outcome {
    let mapping = given!(case.mapping());
    let metrics = case.metrics();
    if let Ok(metrics) = &metrics
        && let Some(dropped) = metrics.dropped.filter(|dropped| *dropped > 0)
    {
        return lost(case, dropped, &window(metrics), mapping.destination.is_some());
    }
    let given_up = metrics.as_ref().ok().and_then(|metrics| metrics.given_up).unwrap_or(0);
    let within = metrics.as_ref().ok().map(|metrics| window(metrics)).unwrap_or_default();
    match &case.seen.waiting {
        Some(Fact::Found { value }) if value.messages > 0 => waits(case, value),
        Some(Fact::Found { value }) if given_up > 0 => Outcome::pass(format!(
            "nothing waits in {}: {given_up} records were given up in {within}, and somebody took the messages",
            value.queue
        )),
        Some(Fact::Found { value }) => Outcome::pass(format!("nothing waits in {}", value.queue)),
        Some(Fact::Unreadable(why)) => Outcome::unreadable(why),
        Some(Fact::Absent) | None if given_up > 0 => Outcome::warn(
            format!("{given_up} records were given up in {within}, and went to the failure destination"),
            "look there: each message names a shard and sequence numbers, and says why",
        ),
        Some(Fact::Absent) => match metrics {
            Err(unknown @ Outcome::Unknown { .. }) => unknown,
            _ => Outcome::skip("no queue is known that keeps what is given up"),
        },
        None => Outcome::skip("nobody looked into a queue of what is given up"),
    }
}

/// Records that no destination was told of: with one now, what is lost is lost before, and what waits is told with it.
fn lost(case: &Case<'_>, dropped: u64, within: &str, destination: bool) -> Outcome {
    const STILL_THERE: &str = "what was dropped is still in the stream until its retention ends: a new mapping that begins before it sends it again";
    let evidence =
        format!("{dropped} records were given up in {within} and went nowhere: no failure destination took them");
    if !destination {
        return Outcome::fail(
            evidence,
            [
                "what makes batches fail comes first; a failure destination keeps what is given up then:".to_owned(),
                case.deploy(&[]),
                STILL_THERE.to_owned(),
            ],
        );
    }
    let mut all = vec![format!("{evidence}; the mapping has one now, see K2M-D01")];
    let mut fix = vec![STILL_THERE.to_owned()];
    if let Some(Fact::Found { value }) = &case.seen.waiting
        && value.messages > 0
        && let Outcome::Warn { evidence, fix: steps } = waits(case, value)
    {
        all.extend(evidence);
        fix.extend(steps);
    }
    Outcome::Warn { evidence: all, fix }
}

/// Messages that somebody has to look at.
fn waits(case: &Case<'_>, waiting: &Waiting) -> Outcome {
    let Waiting { queue, messages, one } = waiting;
    let plural = if *messages == 1 { " waits" } else { "s wait" };
    let mut evidence = vec![format!(
        "about {messages} message{plural} in {queue}: each is a batch that was given up"
    )];
    let region = &case.settings.home.region;
    let mut fix = Vec::new();
    if let Some((url, there)) = Waiting::url_of(queue) {
        fix.push("to look at them and leave them there:".to_owned());
        fix.push(
            Command::new("aws sqs receive-message")
                .option("--queue-url", &url)
                .option("--max-number-of-messages", "10")
                .option("--visibility-timeout", "0")
                .option("--region", there)
                .to_string(),
        );
    }
    let Some(one) = one else {
        fix.push("each message names a shard and sequence numbers, by which the records can be read again".to_owned());
        return Outcome::Warn { evidence, fix };
    };
    evidence.push(format!(
        "one of them says: {}; {} of {}, from {} to {}",
        condition(one),
        if one.records == 1 {
            "1 record".to_owned()
        } else {
            format!("{} records", one.records)
        },
        shown(&one.shard),
        shown(&one.first),
        shown(&one.last)
    ));
    let until = until(case, one);
    let gone = until.as_ref().is_some_and(|(_, gone)| *gone);
    evidence.extend(until.map(|(text, _)| text));
    if gone {
        fix.push(
            "they can't be read any more: mend what made them fail, and keep the messages for whom it concerns"
                .to_owned(),
        );
    } else {
        fix.push("to read that one's records, with the iterator that the first command answers:".to_owned());
        fix.push(
            Command::new("aws kinesis get-shard-iterator")
                .option("--stream-arn", case.pipeline.stream.value.as_str())
                .option("--shard-id", &one.shard)
                .option("--shard-iterator-type", "AT_SEQUENCE_NUMBER")
                .option("--starting-sequence-number", &one.first)
                .option("--region", region)
                .to_string(),
        );
        fix.push(
            Command::new("aws kinesis get-records")
                .option("--shard-iterator", "ITERATOR")
                .option("--limit", &one.records.clamp(1, 10_000).to_string())
                .option("--region", region)
                .to_string(),
        );
        fix.push("to send them again once they can be delivered, put them into the stream anew: they get new sequence numbers and come after the others of their keys".to_owned());
    }
    fix.push("then delete the message, so that the next is seen".to_owned());
    Outcome::Warn { evidence, fix }
}

/// Why it was given up, in words.
fn condition(one: &GivenUp) -> String {
    let said = shown(&one.condition);
    let words = match one.condition.as_str() {
        "RetryAttemptsExhausted" => "its retries were used up",
        "MaximumRecordAgeExceeded" | "RecordAgeExceeded" => "its records were older than maximum_record_age",
        _ => "it was given up",
    };
    match &one.function_error {
        Some(error) => format!(
            "{words} ({said}), the function's last word was an error ({})",
            shown(error)
        ),
        None => format!("{words} ({said})"),
    }
}

/// Until when the records can be read again, and whether that is over.
fn until(case: &Case<'_>, one: &GivenUp) -> Option<(String, bool)> {
    let kept = case.seen.stream.found()?.retention_hours;
    let arrived: Timestamp = one.arrived.parse().ok()?;
    let taken: Timestamp = case.facts.taken_at.parse().ok()?;
    let end = arrived.checked_add(SignedDuration::from_hours(i64::from(kept))).ok()?;
    let left = end.as_second() - taken.as_second();
    let gone = left <= 0;
    let distance = lasting(left.unsigned_abs());
    Some((
        if gone {
            format!("its records have left the stream since {end} ({distance} ago)")
        } else {
            format!("its records are in the stream until {end} (for {distance})")
        },
        gone,
    ))
}

/// A word of a message, which anybody who may write to the queue has written.
fn shown(word: &str) -> String {
    let plain = !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain { word.to_owned() } else { format!("{word:?}") }
}

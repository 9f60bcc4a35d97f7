//! E: the stream and the event source mapping that reads it.

use super::{Case, Outcome, given, log, lost};
use crate::facts::deployed::pipeline_id;
use crate::facts::log::seen_in;
use crate::facts::{Fact, Foreign, Mapping};
use crate::shell::Command;

/// Below this, most of an invocation is spent on what does not depend on the number of records.
const SMALL_BATCH: u32 = 100;

/// What a new mapping does that begins where the old one once began.
const REREADS: &str = "it begins at the starting position of the stack, and delivers again what the stream still holds from there: duplicates, and nothing lost";

/// Whether the stream is there and can be read.
pub(super) fn stream(case: &Case<'_>) -> Outcome {
    let name = case.pipeline.stream.value.name();
    let then = if case.foreign().is_some() {
        ""
    } else {
        ", then `k2m deploy`"
    };
    match (&case.pipeline.consumer, &case.seen.consumer) {
        (Some(consumer), Some(Fact::Absent)) => {
            return Outcome::fail(
                format!("there is no consumer {} ({}) of it", consumer.value, consumer.source),
                format!("register it again, or leave `consumer` out, so that shards are polled{then}"),
            );
        }
        (Some(_), Some(Fact::Unreadable(why))) => return Outcome::unreadable(why),
        (Some(_), Some(Fact::Found { value })) if value.status != "ACTIVE" => {
            return Outcome::fail(
                format!("the consumer {} is {}", value.arn, value.status),
                format!("wait until it is ACTIVE, or name another with `consumer`{then}"),
            );
        }
        _ => {}
    }
    match &case.seen.stream {
        Fact::Found { value } if matches!(value.status.as_str(), "ACTIVE" | "UPDATING") => Outcome::pass(format!(
            "{name} is {}, open shards: {}, keeps records for {} h",
            value.status, value.open_shards, value.retention_hours
        )),
        Fact::Found { value } => Outcome::fail(
            format!("{name} is {}", value.status),
            "wait until it is ACTIVE, or create it again",
        ),
        Fact::Absent => Outcome::fail(
            format!("there is no stream {}", case.pipeline.stream.value),
            "correct --stream (`stream` in k2m.yaml), or create the stream",
        ),
        Fact::Unreadable(why) => Outcome::unreadable(why),
    }
}

/// Whether the mapping is there and switched on.
pub(super) fn mapping(case: &Case<'_>) -> Outcome {
    given!(case.deployed());
    let mapping = match &case.seen.mapping {
        Fact::Found { value } => value,
        Fact::Absent if case.foreign().is_some() => return unread(case),
        Fact::Absent if case.resource("Mapping").is_some() => {
            let lost = case.resource("Mapping").and_then(|uuid| lost::mapping(case, uuid));
            let again = lost.and_then(|lost| lost::remake(case, vec![lost], Some(REREADS)));
            return case.anew(
                "the stack's event source mapping is gone: nobody reads the stream".to_owned(),
                again,
            );
        }
        Fact::Absent => {
            return Outcome::fail(
                "the stack has no event source mapping for this stream: nobody reads it",
                case.deploy(&[]),
            );
        }
        Fact::Unreadable(why) => return Outcome::unreadable(why),
    };
    let Mapping { uuid, state, .. } = mapping;
    let is = format!("the mapping {uuid} is {state}");
    match state.as_str() {
        "Enabled" => Outcome::pass(format!("{uuid} is Enabled")),
        "Creating" | "Enabling" | "Updating" => Outcome::warn(is, "wait a minute, then ask again"),
        "Disabled" | "Disabling" if case.foreign().is_some() => Outcome::fail(
            format!("{is}: nobody reads the stream for the function"),
            case.setting("enabled", "true"),
        ),
        "Deleting" if case.foreign().is_some() => unread(case),
        "Disabled" | "Disabling" if !case.pipeline.enabled.value => Outcome::warn(
            format!("{is}, as the settings say ({})", case.pipeline.enabled.source),
            ["to let it read:".to_owned(), case.deploy(&[("--enabled", "true")])],
        ),
        "Disabled" | "Disabling" if !waits_for(case).is_empty() => Outcome::Fail {
            evidence: vec![
                is,
                format!(
                    "it waits for {}, which the function is to make, and the deployment was stopped before that",
                    waits_for(case).join(", ")
                ),
            ],
            fix: vec!["to go on:".to_owned(), case.deploy(&[("--create-topic", "true")])],
        },
        "Disabled" | "Disabling" => Outcome::Fail {
            evidence: vec![
                is,
                "nobody reads the stream, though the settings have it enabled".to_owned(),
            ],
            fix: vec![case.deploy(&[("--enabled", "true")])],
        },
        "Deleting" => case.anew(format!("{is}: nobody will read the stream"), None),
        _ => Outcome::fail(
            is,
            [
                "wait a minute, then ask again; what Lambda says of it:".to_owned(),
                Command::new("aws lambda get-event-source-mapping")
                    .option("--uuid", uuid)
                    .option("--region", &case.settings.home.region)
                    .to_string(),
            ],
        ),
    }
}

/// That nothing lets a function that k2m did not deploy read the stream, and what would.
fn unread(case: &Case<'_>) -> Outcome {
    let function = case.foreign().map(Foreign::name).unwrap_or_default();
    let create = Command::new("aws lambda create-event-source-mapping")
        .option("--function-name", function)
        .option("--event-source-arn", case.pipeline.stream.value.as_str())
        .option("--starting-position", "TRIM_HORIZON")
        .option("--batch-size", "1000")
        .flag("--bisect-batch-on-function-error")
        .option("--region", &case.settings.home.region);
    Outcome::fail(
        format!(
            "no event source mapping lets the function read {}",
            case.pipeline.stream.value
        ),
        [
            create.to_string(),
            "it begins with the oldest record that the stream has; its role has to be allowed to read the stream"
                .to_owned(),
        ],
    )
}

/// Whether Lambda reads what the handler answers about single records.
pub(super) fn partial_failures(case: &Case<'_>) -> Outcome {
    if given!(case.mapping()).partial_failures {
        Outcome::pass("ReportBatchItemFailures is on")
    } else if case.foreign().is_some() {
        // Another's handler need not name single records.
        Outcome::pass("ReportBatchItemFailures is off: a batch succeeds or fails as a whole")
    } else {
        Outcome::fail(
            "ReportBatchItemFailures is off: Lambda takes an answer that names failed records for success, and they are lost",
            case.deploy(&[]),
        )
    }
}

/// Whether batches are large enough to be worth an invocation.
pub(super) fn batch_size(case: &Case<'_>) -> Outcome {
    let mapping = given!(case.mapping());
    let size = mapping.batch_size;
    if size < SMALL_BATCH {
        Outcome::warn(
            format!(
                "at most {size} records an invocation: each costs a round trip to the brokers, whatever it carries"
            ),
            case.setting("batch_size", "1000"),
        )
    } else {
        Outcome::pass(format!("at most {size} records an invocation"))
    }
}

/// What became of the last batch, in Lambda's words.
pub(super) fn last_result(case: &Case<'_>) -> Outcome {
    let mapping = given!(case.mapping());
    match mapping.last_result.as_deref() {
        None | Some("") => Outcome::skip("no batch was read yet"),
        Some(result @ "OK") => Outcome::pass(result),
        Some(result @ "No records processed") => {
            Outcome::pass(format!("{result}: nothing came since the mapping began to read"))
        }
        Some(result) => Outcome::Fail {
            evidence: std::iter::once(format!("{result}: {}", explained(result)))
                .chain(log::says(case))
                .collect(),
            fix: vec![
                format!(
                    "mend what is broken; where no other check fails, read {}the function's log:",
                    if case.foreign().is_some() { "" } else { "`reason` in " }
                ),
                log::in_log(case, "reason"),
                "the result stays until the next batch: put a record, then ask again".to_owned(),
            ],
        },
    }
}

/// Lambda's words for a result, in ours.
fn explained(result: &str) -> &'static str {
    if let Some(known) = seen_in(result) {
        known.means
    } else if result.contains("Function call failed") {
        "the function ended with an error, ran out of time, or named records that it could not deliver"
    } else if result.contains("permission") || result.contains("role") || result.contains("ccess") {
        "the function's role may not read the stream, or may not tell the failure destination"
    } else {
        "Lambda could not deliver the batch to the function"
    }
}

/// The topics that the mapping is kept from reading for.
fn waits_for(case: &Case<'_>) -> Vec<String> {
    let known = case.drift.known();
    known
        .map(|known| known.waits_for(&pipeline_id(&case.pipeline.stream.value)))
        .unwrap_or_default()
}

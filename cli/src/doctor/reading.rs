//! E: what the mapping is told of reading: when it gives up, what it leaves out, where it began.

use serde_json::Value as Json;

use super::history::{lasting, window};
use super::{Case, Outcome, given};
use crate::facts::Mapping;
use crate::settings::{Source, StartingPosition};
use crate::shell::Command;

/// Seconds that a broker's restart takes: what is tried for less is given up within one.
const RESTART: u64 = 5 * 60;
/// The same of a record's age, with the time that it waited before.
const YOUNG: u64 = 15 * 60;
/// An attempt, in seconds, where the function's time-out isn't known.
const ATTEMPT: u64 = 60;

/// Keys by which Lambda knows a record of Kinesis, beside `data`.
const METADATA: [&str; 11] = [
    "kinesisSchemaVersion",
    "partitionKey",
    "sequenceNumber",
    "approximateArrivalTimestamp",
    "eventSource",
    "eventVersion",
    "eventID",
    "eventName",
    "invokeIdentityArn",
    "awsRegion",
    "eventSourceARN",
];

/// The mapping, where the facts say how it reads: those of an older k2m don't.
fn told<'a>(case: &Case<'a>) -> Result<&'a Mapping, Outcome> {
    let mapping = case.mapping()?;
    if mapping.starting_position.is_none() && mapping.retries.is_none() {
        return Err(Outcome::skip(
            "the facts don't say how the mapping reads; inspect again",
        ));
    }
    Ok(mapping)
}

/// What the stack's template says of a property of the mapping.
fn deployed<'a>(case: &Case<'a>, mapping: &Mapping, name: &str) -> Option<&'a serde_yaml::Value> {
    let stack = case.facts.stack.found()?;
    case.drift.known()?.of_mapping(stack, &mapping.uuid, name)
}

fn deployed_number(case: &Case<'_>, mapping: &Mapping, name: &str) -> Option<i64> {
    let value = deployed(case, mapping, name)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A part of a check on several: it is only worth a look where nobody chose it so.
struct Doubt {
    evidence: String,
    fix: [String; 2],
}

/// Whether what can't be delivered is given up in time, and nothing else is.
pub(super) fn gives_up(case: &Case<'_>) -> Outcome {
    let mapping = given!(told(case));
    let timeout = case.seen.function.found().map(|function| function.timeout_seconds);
    let timeout = timeout.map_or(ATTEMPT, u64::from);
    let wait = u64::from(mapping.batching_window.unwrap_or(0));
    let age = mapping.maximum_record_age.and_then(|age| u64::try_from(age).ok());
    if let Some(age) = age.filter(|age| *age <= wait) {
        return Outcome::fail(
            format!(
                "records are given up when they are {age} s old (maximum_record_age), and a batch is waited for up to {wait} s (batching_window): a \
                 record may be given up before the function gets it"
            ),
            case.setting("maximum_record_age", "86400"),
        );
    }
    let mut doubts = Vec::new();
    doubts.extend(tumbling(case, mapping));
    doubts.extend(without_end(case, mapping));
    doubts.extend(whole(case, mapping));
    doubts.extend(too_soon(case, mapping, timeout));
    doubts.extend(too_young(case, mapping, timeout, wait));
    if doubts.is_empty() {
        return Outcome::pass(in_words(mapping));
    }
    let mut fix: Vec<String> = Vec::new();
    for step in doubts.iter().flat_map(|doubt| &doubt.fix) {
        if !fix.contains(step) {
            fix.push(step.clone());
        }
    }
    Outcome::Warn {
        evidence: doubts.into_iter().map(|doubt| doubt.evidence).collect(),
        fix,
    }
}

/// What the mapping does with a batch that fails.
fn in_words(mapping: &Mapping) -> String {
    let tries = match mapping.retries {
        Some(-1) => "is tried again without end".to_owned(),
        Some(retries) => format!("is tried {retries} times more"),
        None => "is tried again".to_owned(),
    };
    let halved = if mapping.bisect == Some(true) {
        " and halved"
    } else {
        ""
    };
    let age = mapping.maximum_record_age.and_then(|age| u64::try_from(age).ok());
    let age = age.map_or_else(
        || "as long as the stream keeps its records".to_owned(),
        |age| format!("until its records are {} old", lasting(age)),
    );
    format!("a batch that fails {tries}{halved}, {age}")
}

fn tumbling(case: &Case<'_>, mapping: &Mapping) -> Option<Doubt> {
    let window = mapping.tumbling_window.filter(|window| *window > 0)?;
    Some(Doubt {
        evidence: format!(
            "the mapping has a tumbling window of {window} s: Lambda hands state from one invocation to the next, and the handler keeps none"
        ),
        fix: [
            Command::new("aws lambda update-event-source-mapping")
                .option("--uuid", &mapping.uuid)
                .option("--tumbling-window-in-seconds", "0")
                .option("--region", &case.settings.home.region)
                .to_string(),
            "no template of k2m's has such a window".to_owned(),
        ],
    })
}

/// Retries without end, where a record that can't be delivered keeps its shard waiting.
fn without_end(case: &Case<'_>, mapping: &Mapping) -> Option<Doubt> {
    if mapping.retries != Some(-1) {
        return None;
    }
    let said = case.pipeline.retries.value == -1;
    let source = if said {
        format!(", as the settings say ({})", case.pipeline.retries.source)
    } else {
        String::new()
    };
    let chosen = said || deployed_number(case, mapping, "MaximumRetryAttempts") == Some(-1);
    let evidence = match mapping.maximum_record_age {
        Some(-1) => format!(
            "retries and maximum_record_age are both without end{source}: a record that can't be delivered blocks its shard until it expires"
        ),
        Some(age) if !chosen => {
            let age = lasting(u64::try_from(age).unwrap_or(0));
            let late = if mapping.destination.is_some() {
                "the failure destination hears of it no sooner"
            } else {
                "it is gone without a word then"
            };
            format!(
                "retries are without end: a record that can't be delivered blocks its shard until it is {age} old, and {late}"
            )
        }
        _ => return None,
    };
    Some(Doubt {
        evidence,
        fix: case.setting("retries", "100"),
    })
}

/// Batches that are given up whole for one record in them.
fn whole(case: &Case<'_>, mapping: &Mapping) -> Option<Doubt> {
    let off = mapping.bisect == Some(false);
    let chosen = !case.pipeline.bisect.value
        || deployed(case, mapping, "BisectBatchOnFunctionError").and_then(serde_yaml::Value::as_bool) == Some(false);
    (off && !chosen).then(|| Doubt {
        evidence: "bisect is off: where one record can't be delivered, its whole batch is given up".to_owned(),
        fix: case.setting("bisect", "true"),
    })
}

/// Too few retries to outlast a broker's restart.
fn too_soon(case: &Case<'_>, mapping: &Mapping, timeout: u64) -> Option<Doubt> {
    let retries = u64::try_from(mapping.retries?).ok()?;
    let chosen = u64::try_from(case.pipeline.retries.value) == Ok(retries)
        || deployed_number(case, mapping, "MaximumRetryAttempts").and_then(|said| u64::try_from(said).ok())
            == Some(retries);
    let outlasts = (retries + 1) * timeout;
    (outlasts < RESTART && !chosen).then(|| Doubt {
        evidence: format!(
            "a batch is tried {retries} times more, of {timeout} s at the most: what fails for {}, as while a broker restarts, is given up",
            lasting(outlasts)
        ),
        fix: case.setting("retries", "100"),
    })
}

/// Records that are given up for their age while they could still be delivered.
fn too_young(case: &Case<'_>, mapping: &Mapping, timeout: u64, wait: u64) -> Option<Doubt> {
    let age = u64::try_from(mapping.maximum_record_age?).ok()?;
    let said = case.pipeline.maximum_record_age.as_ref();
    let chosen = said.is_some_and(|said| u64::try_from(said.value) == Ok(age))
        || deployed_number(case, mapping, "MaximumRecordAgeInSeconds").and_then(|said| u64::try_from(said).ok())
            == Some(age);
    let twice = timeout * 2 + wait;
    let evidence = if age < twice {
        format!(
            "records are given up when they are {age} s old (maximum_record_age), and a batch is waited for up to {wait} s and may take {timeout} s: one \
             that times out once may not be tried again"
        )
    } else if age < YOUNG && !chosen {
        format!(
            "records are given up when they are {age} s old (maximum_record_age): a broker's restart is enough for that"
        )
    } else {
        return None;
    };
    Some(Doubt {
        evidence,
        fix: case.setting("maximum_record_age", "86400"),
    })
}

/// Whether the filters let records through.
pub(super) fn filters(case: &Case<'_>) -> Outcome {
    let mapping = given!(told(case));
    if mapping.filters.is_empty() {
        return Outcome::pass("there are no filters: the function gets every record");
    }
    let remove = || {
        [
            "a pattern for Kinesis names what of the JSON in `data` it wants; to have no filters:".to_owned(),
            Command::new("aws lambda update-event-source-mapping")
                .option("--uuid", &mapping.uuid)
                .option("--filter-criteria", "{}")
                .option("--region", &case.settings.home.region)
                .to_string(),
        ]
    };
    let dead: Vec<String> = mapping
        .filters
        .iter()
        .filter_map(|pattern| {
            Some(format!(
                "the filter {} can never match: {}",
                shown(pattern),
                why_never(pattern)?
            ))
        })
        .collect();
    let all = dead.len() == mapping.filters.len();
    if !dead.is_empty() {
        let fix = remove().into();
        // A record has to match one of them.
        return if all {
            Outcome::Fail { evidence: dead, fix }
        } else {
            Outcome::Warn { evidence: dead, fix }
        };
    }
    let these: Vec<String> = mapping.filters.iter().map(|pattern| shown(pattern)).collect();
    let these = these.join(", ");
    let metrics = match case.metrics() {
        Ok(metrics) => metrics,
        Err(unknown @ Outcome::Unknown { .. }) => return unknown,
        Err(_) => {
            return Outcome::pass(format!(
                "a record has to match one of {these}; nobody counts those that don't"
            ));
        }
    };
    let within = window(metrics);
    let json = "records whose data is no JSON match no filter on `data`";
    match (metrics.polled, metrics.filtered_out.unwrap_or(0)) {
        (Some(polled), left_out) if polled > 0 && left_out >= polled => Outcome::Fail {
            evidence: vec![
                format!("the filters left out all of the {polled} records that were read in {within}: {these}"),
                json.to_owned(),
            ],
            fix: remove().into(),
        },
        (Some(polled), left_out) if polled > 0 => Outcome::pass(format!(
            "the filters left out {left_out} of {polled} records in {within}; {json}"
        )),
        _ => Outcome::pass(format!(
            "a record has to match one of {these}; nobody counts those that don't"
        )),
    }
}

/// A pattern in one line, and no more of it than anybody reads.
fn shown(pattern: &str) -> String {
    const MOST: usize = 120;
    let words: Vec<&str> = pattern.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Why a pattern matches no record of Kinesis.
fn why_never(pattern: &str) -> Option<String> {
    let keys = match serde_json::from_str(pattern) {
        Ok(Json::Object(keys)) => keys,
        Ok(_) => return Some("it is no JSON object".to_owned()),
        Err(error) => return Some(format!("it is no JSON: {error}")),
    };
    let strange = keys
        .keys()
        .find(|key| *key != "data" && !METADATA.contains(&key.as_str()))?;
    Some(format!("a record of Kinesis has no `{strange}` beside its `data`"))
}

/// Whether what is in the stream is read from where it should be.
pub(super) fn position(case: &Case<'_>) -> Outcome {
    let mapping = given!(case.mapping());
    let Some(position) = &mapping.starting_position else {
        return Outcome::skip("the facts don't say where the mapping began; inspect again");
    };
    let setting = &case.pipeline.starting_position;
    let mut began = format!("the mapping began at {position}");
    if case
        .seen
        .stream
        .found()
        .is_some_and(|stream| stream.status == "UPDATING")
    {
        began += "; the stream is being changed (UPDATING): a shard that is split or merged is read to its end before those that come out of it";
    }
    if position != "LATEST" {
        return Outcome::pass(began);
    }
    let by_template = setting.source == Source::Default
        && deployed(case, mapping, "StartingPosition").and_then(serde_yaml::Value::as_str) == Some("LATEST");
    if setting.value == StartingPosition::Latest {
        return Outcome::pass(format!("{began}, as the settings say ({})", setting.source));
    }
    if by_template {
        return Outcome::pass(format!("{began}, as it was deployed"));
    }
    // Who made another's mapping chose so, or may have: nobody here knows.
    if case.foreign().is_some() {
        return Outcome::pass(format!(
            "{began}: what was put before is not read; another mapping would begin elsewhere, and send again what was delivered"
        ));
    }
    Outcome::warn(
        format!("{began}: records that were put while it was being created, and before, were passed over"),
        std::iter::once(
            "nothing to mend where they may be missing; to read them, a new mapping has to begin at TRIM_HORIZON, and sends again what was delivered:"
                .to_owned(),
        )
        .chain(case.made_anew(&[("--starting-position", "TRIM_HORIZON")]))
        .collect::<Vec<_>>(),
    )
}

//! The function and its event source mapping: every parameter, and what should be known of those that were chosen.

use std::collections::BTreeMap;

use serde_json::json;

use super::error::PlanError;
use super::notes::{Notes, why};
use super::seen::{One, Seen};
use super::topic::least_message_bytes;
use super::{CONSUMER, Loss, PlannedCluster, PlannedFunction, PlannedMapping, STARTING_POSITION};
use crate::facts::Fact;
use crate::settings::{Authentication, PipelineSettings, Setting, Source, StartingPosition};

/// The most that Lambda takes for all names and values: it measures them as JSON, whose quotes and backslashes are escaped.
const VARIABLES_BYTES: usize = 4096;
/// The variables that tell the handler the brokers, the topic, and the topic's limit.
pub(super) const BOOTSTRAP_SERVERS: &str = "K2M_BOOTSTRAP_SERVERS";
const TOPIC: &str = "K2M_TOPIC";
const MAX_MESSAGE_BYTES: &str = "K2M_MAX_MESSAGE_BYTES";
/// What the handler takes for it.
const MESSAGE_BYTES: (u64, u64) = (1_000, 100_000_000);
/// Lambda's oldest age of a record: seven days.
const OLDEST_SECONDS: i32 = 604_800;
/// Lambda gives a share of the processor with the memory, and a whole one with this much.
const WHOLE_PROCESSOR_MB: u32 = 1769;
/// Below this, a connection that nothing answers may outlast the function.
const PATIENT_SECONDS: u32 = 30;

/// Decides the event source mapping.
pub(super) fn mapping(one: &One, seen: &Seen, notes: &mut Notes) -> Result<PlannedMapping, PlanError> {
    let settings = one.settings;
    let (starting_position, starting_position_timestamp) = starting_position(one, seen, notes)?;
    let maximum_record_age_seconds = maximum_record_age(one, notes);
    let size = &settings.batch_size;
    notes.decide(
        "batches",
        format!(
            "up to {} records, waited for up to {} s, {} at a time per shard",
            size.value, settings.batching_window.value, settings.parallelization_factor.value
        ),
        why(size, "fewer invocations at little delay"),
    );
    if settings.parallelization_factor.value > 1 {
        notes.warn(
            "with a parallelization factor above 1 the order holds for each partition key of the stream, not for the shard",
        );
    }
    if settings.retries.value == -1 && maximum_record_age_seconds == -1 {
        notes.warn(
            "retries and maximum_record_age are both without end: a record that can't be delivered blocks its shard until it expires",
        );
    }
    if !settings.enabled.value {
        notes.warn(format!(
            "enabled is false ({}): nothing is read until it is true",
            settings.enabled.source
        ));
    }
    Ok(PlannedMapping {
        source: source(one, seen, notes)?,
        starting_position,
        starting_position_timestamp,
        batch_size: size.value,
        maximum_batching_window_seconds: settings.batching_window.value,
        parallelization_factor: settings.parallelization_factor.value,
        maximum_retry_attempts: settings.retries.value,
        maximum_record_age_seconds,
        bisect: settings.bisect.value,
        enabled: settings.enabled.value,
    })
}

/// What the mapping reads: the stream, or a consumer of it.
fn source(one: &One, seen: &Seen, notes: &mut Notes) -> Result<String, PlanError> {
    let settings = one.settings;
    let stream = settings.stream.value.as_str();
    let source = settings
        .consumer
        .as_ref()
        .map_or(stream, |consumer| consumer.value.as_str());
    if let Some(consumer) = &settings.consumer {
        notes.decide(
            "consumer",
            source,
            format!(
                "{}; enhanced fan-out: 2 MB a second of each shard for itself, at AWS's price of its own",
                why(consumer, "")
            ),
        );
        ready(one, consumer, notes)?;
    }
    let deployed = seen
        .stack
        .as_ref()
        .and_then(|stack| stack.value(&format!("{}Mapping", one.id), "EventSourceArn"));
    if let Some(former) = deployed
        .and_then(serde_yaml::Value::as_str)
        .filter(|former| *former != source)
    {
        notes.warn(format!(
            "the deployed mapping reads {former}: CloudFormation makes a new one that reads {source} before it takes that away, and the new one begins at the starting position \
             of its own, so records come twice, or with LATEST are missed; `k2m deploy` refuses that, unless it is told --allow-position-loss {}",
            settings.stream.value.name()
        ));
        let by = settings
            .consumer
            .as_ref()
            .map_or(&settings.stream.source, |consumer| &consumer.source);
        notes.losses.push(Loss {
            stream: stream.to_owned(),
            setting: CONSUMER,
            asked: source.to_owned(),
            by: by.to_string(),
            deployed: former.to_owned(),
        });
    }
    Ok(source.to_owned())
}

/// Whether the consumer is there and can be read by: a mapping with another is refused when it is made.
fn ready(one: &One, consumer: &Setting<String>, notes: &mut Notes) -> Result<(), PlanError> {
    let arn = &consumer.value;
    let name = arn
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .split(':')
        .next()
        .unwrap_or_default();
    let what = format!("the consumer {name} of the stream {}", one.settings.stream.value.name());
    let next = match one.consumer {
        None => {
            notes.warn(format!(
                "the facts say nothing of {what} ({}), which has to be ACTIVE: look again, with `k2m inspect -o json` and the same settings",
                consumer.source
            ));
            return Ok(());
        }
        Some(Fact::Unreadable(why)) => {
            let next = match &why.missing_action {
                Some(action) => format!("allow {action} to these credentials, then look again"),
                None => "look again".to_owned(),
            };
            notes.warn(format!(
                "whether {what} ({}) is ACTIVE, as it has to be, could not be seen: {}; {next}",
                consumer.source, why.message
            ));
            return Ok(());
        }
        Some(Fact::Absent) => {
            let stream = &one.settings.stream.value;
            return Err(PlanError::Absent {
                what,
                region: stream.region.clone(),
                account: stream.account.clone(),
                arn: arn.clone(),
                lister: "aws kinesis list-stream-consumers --stream-arn ARN",
            });
        }
        Some(Fact::Found { value }) => match value.status.as_str() {
            "ACTIVE" => return Ok(()),
            "CREATING" => "wait until it is ACTIVE, then try again",
            "DELETING" => "name one that stays, or leave it out, so that shards are polled",
            _ => "wait until it is ACTIVE, or name another",
        },
    };
    Err(PlanError::State {
        what,
        state: one
            .consumer
            .and_then(Fact::found)
            .map(|found| found.status.clone())
            .unwrap_or_default(),
        next,
    })
}

/// Where the mapping begins: AWS's word, and seconds since 1970 with `AT_TIMESTAMP`. One that is deployed has begun, and stays: only another begins
/// elsewhere, which is chosen with [`super::plan_anew`].
fn starting_position(one: &One, seen: &Seen, notes: &mut Notes) -> Result<(&'static str, Option<i64>), PlanError> {
    let position = &one.settings.starting_position;
    let timestamp = match &position.value {
        StartingPosition::AtTimestamp(text) => Some(
            text.parse::<jiff::Timestamp>()
                .map_err(|error| PlanError::Time {
                    value: text.clone(),
                    by: position.source.clone(),
                    reason: error.to_string(),
                })?
                .as_second(),
        ),
        StartingPosition::TrimHorizon | StartingPosition::Latest => None,
    };
    let chosen = (position.value.word(), timestamp);
    let shown = match &position.value {
        StartingPosition::AtTimestamp(time) => format!("{} {time}", chosen.0),
        StartingPosition::TrimHorizon | StartingPosition::Latest => chosen.0.to_owned(),
    };
    let Some(kept) = deployed_position(seen, &one.id).filter(|deployed| *deployed != chosen) else {
        notes.decide(
            "starting position",
            shown,
            why(position, "LATEST can miss records while the mapping is created"),
        );
        return Ok(chosen);
    };
    let (word, seconds) = kept;
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let began = time.map_or_else(|| word.to_owned(), |time| format!("{word} {time}"));
    let stream = &one.settings.stream.value;
    if seen.anew.contains(stream.as_str()) {
        notes.decide(
            "starting position",
            shown,
            format!(
                "chosen by {}; a new mapping begins there, in place of one that began at {began}",
                position.source
            ),
        );
        return Ok(chosen);
    }
    if position.source != Source::Default {
        notes.warn(format!(
            "starting_position {shown} ({}) is not taken: the deployed mapping began at {began} and goes on from where it has come to, which only a new mapping would not; \
             `k2m deploy` refuses it, unless it is told --allow-position-loss {}",
            position.source,
            stream.name()
        ));
        notes.losses.push(Loss {
            stream: stream.to_string(),
            setting: STARTING_POSITION,
            asked: shown,
            by: position.source.to_string(),
            deployed: began.clone(),
        });
    }
    notes.decide(
        "starting position",
        began,
        "the deployed mapping began there, and goes on from where it has come to",
    );
    Ok(kept)
}

/// Where the deployed mapping began, as far as its template is known.
fn deployed_position(seen: &Seen, pipeline: &str) -> Option<(&'static str, Option<i64>)> {
    let stack = seen.stack.as_ref()?;
    let logical_id = format!("{pipeline}Mapping");
    let word = stack.value(&logical_id, "StartingPosition")?.as_str()?;
    let word = StartingPosition::WORDS.into_iter().find(|known| *known == word)?;
    let time = stack.value(&logical_id, "StartingPositionTimestamp");
    let time = time.and_then(serde_yaml::Value::as_i64);
    let whole = time.is_some() == (word == "AT_TIMESTAMP");
    whole.then_some((word, time))
}

fn maximum_record_age(one: &One, notes: &mut Notes) -> i32 {
    let retention = one.stream.retention_hours.saturating_mul(3600);
    let Some(setting) = &one.settings.maximum_record_age else {
        let oldest = i32::try_from(retention).unwrap_or(i32::MAX).min(OLDEST_SECONDS);
        notes.decide(
            "maximum record age",
            age(oldest),
            "the smaller of 7 days, Lambda's most, and the time that the stream keeps records",
        );
        return oldest;
    };
    let chosen = setting.value;
    notes.decide("maximum record age", age(chosen), why(setting, ""));
    if u32::try_from(chosen).is_ok_and(|age| age > retention) {
        notes.warn(format!(
            "a maximum record age of {} ({}) never comes into play: the stream keeps records for {retention} s",
            age(chosen),
            setting.source
        ));
    }
    chosen
}

fn age(seconds: i32) -> String {
    if seconds == -1 {
        "without limit".to_owned()
    } else {
        format!("{seconds} s")
    }
}

/// Decides the function.
pub(super) fn function(
    one: &One,
    seen: &Seen,
    cluster: &PlannedCluster,
    notes: &mut Notes,
) -> Result<PlannedFunction, PlanError> {
    let settings = one.settings;
    let (memory, timeout) = (&settings.memory, &settings.timeout);
    notes.decide(
        "function",
        format!("{} MB, {} s", memory.value, timeout.value),
        format!(
            "memory: {}; time-out: {}",
            why(memory, "enough for a batch of 6 MB, Lambda's most"),
            why(timeout, "long enough that the brokers' own errors are heard")
        ),
    );
    let fitting = fitting_memory(settings.batch_size.value);
    if memory.value < fitting {
        notes.warn(format!(
            "{} MB of memory ({}) come with {} % of a processor (a whole one with 1,769 MB), and batches of up to {} records may hold as much as 6 MB of event: \
             the handler needs some 45 MB for that, but time to read and send it; memory follows batch size: {fitting} MB or more, or smaller batches",
            memory.value,
            memory.source,
            memory.value * 100 / WHOLE_PROCESSOR_MB,
            settings.batch_size.value,
        ));
    }
    if timeout.value < PATIENT_SECONDS {
        notes.warn(format!(
            "a time-out of {} s ({}): to find the brokers, TLS and SASL may take several seconds from a cold start, and a connection that nothing answers \
             is given up after 30 s; a shorter time-out can hide the cause; {PATIENT_SECONDS} s or more",
            timeout.value, timeout.source
        ));
    }
    let variables = variables(one, seen, cluster)?;
    Ok(PlannedFunction {
        memory_mb: memory.value,
        timeout_seconds: timeout.value,
        variables,
        log_retention_days: settings.log_retention.value,
    })
}

/// Memory that a batch of this size gets along with. What an event needs is bounded: the handler was measured at 17 MB with little to do, 21 MB
/// with 1,000 records of 200 bytes, 43 MB with the most that 6 MB of event hold. The processor that comes with the memory decides how long it takes.
pub(crate) const fn fitting_memory(batch_size: u32) -> u32 {
    match batch_size {
        0..=100 => 128,
        101..=1000 => 256,
        _ => 512,
    }
}

fn variables(one: &One, seen: &Seen, cluster: &PlannedCluster) -> Result<BTreeMap<String, String>, PlanError> {
    let settings = one.settings;
    let mut variables = settings.payload.variables();
    variables.extend(named([
        ("K2M_AUTHENTICATION", cluster.authentication.name().to_owned()),
        (BOOTSTRAP_SERVERS, cluster.bootstrap_servers.clone()),
        (TOPIC, settings.topic.value.clone()),
        // So that it notices a clock that jumps: what is left of an invocation is never more.
        ("K2M_TIMEOUT_MS", (u64::from(settings.timeout.value) * 1000).to_string()),
    ]));
    let secrets = [
        ("K2M_SECRET_ARN", &cluster.secrets.identity),
        ("K2M_CA_SECRET_ARN", &cluster.secrets.ca),
    ];
    for (name, secret) in secrets {
        variables.extend(secret.as_ref().map(|secret| (name.to_owned(), secret.to_string())));
    }
    if let Some(topic) = &settings.dead_letter_topic {
        variables.extend(named([
            ("K2M_ON_POISON", settings.on_poison.value.name().to_owned()),
            ("K2M_DEAD_LETTER_TOPIC", topic.value.clone()),
        ]));
    }
    if cluster.authentication == Authentication::Iam {
        let (least, most) = MESSAGE_BYTES;
        // The limit is the least of all topics, so one that can't be seen this time makes it unknown. That is no reason to take another than was
        // seen before: less would give up what is larger, and more would send what that topic refuses.
        let mut topics = std::iter::once(one.topic).chain(one.mapped_topics.values().copied());
        let unseen = topics.any(|topic| topic.unreadable().is_some());
        let before = unseen.then(|| deployed_message_bytes(seen, &settings.topic.value, &one.id));
        let before = before.flatten();
        let bytes = before.unwrap_or_else(|| least_message_bytes(one, seen));
        variables.extend(named([
            ("K2M_CLUSTER_REGION", cluster.region.clone()),
            // Over IAM the handler can't ask the cluster.
            (MAX_MESSAGE_BYTES, bytes.clamp(least, most).to_string()),
        ]));
    }
    let variables: BTreeMap<String, String> = variables.into_iter().collect();
    fit(&variables, settings)?;
    Ok(variables)
}

/// Refuses variables that Lambda would refuse, and names the largest, with what to do about it.
fn fit(variables: &BTreeMap<String, String>, settings: &PipelineSettings) -> Result<(), PlanError> {
    let bytes = json!(variables).to_string().len();
    if bytes <= VARIABLES_BYTES {
        return Ok(());
    }
    // Each has its quotes, and a colon between name and value.
    let size = |name: &str, value: &str| json!(name).to_string().len() + 1 + json!(value).to_string().len();
    let sizes = variables.iter().map(|(name, value)| (size(name, value), name.as_str()));
    let (largest_bytes, name) = sizes.max().unwrap_or_default();
    let chosen = settings.payload.chosen();
    let setting = chosen.iter().find(|(row, ..)| row.variable() == name);
    let (largest, next) = match setting {
        Some((row, _, source)) => (format!("{} ({source})", row.name), shorter(row.name)),
        None => (
            name.to_owned(),
            "nobody chose it, so shorten what was chosen: pointers, topic_map, the names of topics",
        ),
    };
    Err(PlanError::Variables {
        bytes,
        largest,
        largest_bytes,
        next,
    })
}

/// How a setting of the payload takes less room.
fn shorter(setting: &str) -> &'static str {
    match setting {
        "topic_map" => "take entries out: what is not in the map goes to the topic",
        _ => {
            "choose a shorter pointer: have the producer put what is meant nearer to the outside, or under a shorter name"
        }
    }
}

fn named<const N: usize>(variables: [(&str, String); N]) -> impl Iterator<Item = (String, String)> {
    variables.map(|(name, value)| (name.to_owned(), value)).into_iter()
}

/// The topic's limit as the deployed function was told it, if it writes to this topic.
fn deployed_message_bytes(seen: &Seen, topic: &str, pipeline: &str) -> Option<u64> {
    let stack = seen.stack.as_ref()?;
    let of_topic = stack.variable(pipeline, TOPIC) == Some(topic);
    let bytes = stack.variable(pipeline, MAX_MESSAGE_BYTES).filter(|_| of_topic)?;
    bytes.parse().ok()
}

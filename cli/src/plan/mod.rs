//! Every decision: settings and facts in, a plan or the reason why there is none out. Pure.
//!
//! One file a decision, each of which sees the settings, the facts that were found good, and what was decided before it.

mod alarms;
mod authentication;
pub mod change;
mod error;
mod function;
mod model;
mod notes;
mod payload;
mod place;
mod rights;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod secret;
mod seen;
pub(crate) mod topic;

#[cfg(test)]
pub(crate) mod tests;

pub use error::{Obstacle, PlanError};
pub(crate) use function::fitting_memory;
pub use model::{
    Alarm, DeadLetterTopic, Decision, Destination, Dimension, MappedTopic, NewTopic, Pipeline, Plan, PlannedCluster,
    PlannedFunction, PlannedMapping, PlannedNetwork, PlannedSecrets, Statement,
};
pub(crate) use seen::same_pipeline;

use sha2::{Digest as _, Sha256};

use crate::arn::Arn;
use crate::facts::Facts;
use crate::settings::Settings;
use notes::{Notes, why};
use seen::Seen;

/// Longest part of a stream's name in logical ids, which may have 255 characters.
const NAME_IN_ID: usize = 64;

/// Decides what one pipeline needs, and proves that its function will reach every broker. The same settings and facts give the same plan.
pub fn plan(settings: &Settings, facts: &Facts) -> Result<Plan, PlanError> {
    let mut notes = Notes::default();
    let stream = &settings.stream.value;
    let id = pipeline_id(stream);
    let seen = Seen::check(settings, facts, &mut notes)?;

    notes.decide(
        "stream",
        stream.name(),
        format!(
            "{}; open shards: {}, records are kept for {} hours",
            why(&settings.stream, "it was named"),
            seen.stream.open_shards,
            seen.stream.retention_hours
        ),
    );
    let mapping = function::mapping(settings, &seen, &id, &mut notes)?;
    let cluster = authentication::choose(settings, &seen, &id, &mut notes)?;
    let place = place::choose(settings, &seen, cluster.port, &mut notes)?;
    secret::reach(settings, &cluster.secrets, &place.network, &seen, &mut notes);
    function::connections(&mapping, &cluster, &seen, &mut notes);
    payload::choose(settings, &seen, &mut notes)?;
    let new_topic = topic::choose(settings, &seen, &cluster, &id, &mut notes)?;
    let mapped_topics = topic::mapped(settings, &seen, &cluster, &id, &mut notes)?;
    let dead_letter_topic = topic::dead_letter(settings, &seen, &cluster, &id, &mut notes)?;
    let function = function::function(settings, &seen, &cluster, &id, &mut notes)?;
    let destination = destination(settings, &mut notes)?;
    let alarms = alarms::alarms(settings, &seen, &mut notes);
    let statements = rights::statements(settings, &seen, &cluster, &id, &destination)?;

    Ok(Plan {
        stack: settings.stack.value.clone(),
        region: stream.region.clone(),
        account: stream.account.clone(),
        partition: stream.partition.clone(),
        cluster,
        network: place.network,
        pipelines: vec![Pipeline {
            id,
            stream: stream.to_string(),
            stream_name: stream.name().to_owned(),
            topic: settings.topic.value.clone(),
            new_topic,
            mapped_topics,
            dead_letter_topic,
            function,
            mapping,
            destination,
            statements,
            alarms,
        }],
        decisions: notes.decisions,
        proofs: place.proofs,
        warnings: notes.warnings,
    })
}

/// What the logical ids of a stream's resources begin with: its name, for people, and a hash of its ARN, since two names may have the same
/// letters and digits.
fn pipeline_id(stream: &Arn) -> String {
    let mut id = String::new();
    for word in stream.name().split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        id.extend(letters);
    }
    if !id.starts_with(|c: char| c.is_ascii_alphabetic()) {
        id.insert_str(0, "Stream");
    }
    id.truncate(NAME_IN_ID);
    id += &short_hash(stream.as_str());
    id
}

/// Eight characters that tell texts apart where a logical id can't have them.
fn short_hash(text: &str) -> String {
    let [one, two, three, four, ..]: [u8; 32] = Sha256::digest(text).into();
    format!("{:08x}", u32::from_be_bytes([one, two, three, four]))
}

/// Where what is given up goes: a queue or topic that was named, else the stack's own.
fn destination(settings: &Settings, notes: &mut Notes) -> Result<Destination, PlanError> {
    let Some(setting) = &settings.failure_destination else {
        notes.decide(
            "failure destination",
            "an SNS topic with an encrypted queue, of the stack's own",
            "nobody named one; SNS stores nothing, so a queue keeps the messages for 14 days",
        );
        return Ok(Destination::Own);
    };
    let arn = setting.value.clone();
    let chosen = match arn.split(':').nth(2) {
        Some("sns") => Destination::Sns(arn.clone()),
        Some("sqs") => Destination::Sqs(arn.clone()),
        _ => {
            return Err(PlanError::Destination {
                value: arn,
                by: setting.source.clone(),
            });
        }
    };
    notes.decide("failure destination", arn, why(setting, ""));
    Ok(chosen)
}

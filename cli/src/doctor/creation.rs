//! T: whether the brokers would make a topic that is missing, and what they would make of it.

use super::topic::{AUTO_CREATE_DEFAULT, probed, way};
use super::{Case, NOT_MSK, Outcome};
use crate::facts::Fact;
use crate::plan::topic::{is_serverless, new_shape, shape};
use crate::settings::Authentication;

/// The brokers' setting, and what they go by then.
pub(super) const SETTING: &str = "auto.create.topics.enable";
const PARTITIONS: &str = "num.partitions";
const REPLICAS: &str = "default.replication.factor";

/// Whether no topic of the pipeline is left to be made by its first record.
pub(super) fn chosen(case: &Case<'_>) -> Outcome {
    if case.settings.cluster().is_none() {
        return Outcome::skip(NOT_MSK);
    }
    let cluster = case.facts.cluster.found();
    if is_serverless(cluster) {
        return Outcome::skip("brokers of a serverless cluster make no topics by themselves");
    }
    let pipeline = case.pipeline;
    let dead_letter = pipeline.dead_letter_topic.as_ref().map(|topic| topic.value.as_str());
    let names = std::iter::once(pipeline.topic.value.as_str())
        .chain(pipeline.mapped_topics())
        .chain(dead_letter);
    let missing: Vec<&str> = names
        .filter(|name| matches!(case.topic(name), Some(Fact::Absent)) && probed(case, name) != Some(true))
        .collect();
    let properties = match &case.facts.configuration {
        Fact::Found { value } => Some(value),
        Fact::Absent => None,
        Fact::Unreadable(_) if missing.is_empty() => {
            return Outcome::skip("no topic is known to be missing, see K2M-T01, so that nothing hangs on it");
        }
        Fact::Unreadable(why) => return Outcome::unreadable(why),
    };
    let property = |name: &str| {
        properties
            .and_then(|properties| properties.get(name))
            .map(String::as_str)
    };
    let on = property(SETTING).unwrap_or(AUTO_CREATE_DEFAULT);
    if missing.is_empty() {
        return Outcome::pass(format!("{SETTING} is {on}, and no topic is known to be missing"));
    }
    if on != "true" {
        return Outcome::pass(format!(
            "{SETTING} is {on}: what is missing stays so until somebody makes it, see K2M-T01"
        ));
    }
    if way(case) == Authentication::Iam {
        return Outcome::pass(format!(
            "{SETTING} is {on}, and the function's role may create no topic: nothing is made by chance, see K2M-T01"
        ));
    }
    let partitions = property(PARTITIONS).unwrap_or("1");
    let replicas = property(REPLICAS);
    let replicas = replicas.map_or_else(|| "MSK's default, a replica a zone".to_owned(), str::to_owned);
    let shards = case.seen.stream.found().map_or(1, |stream| stream.open_shards);
    let wanted = new_shape(pipeline, shards, super::topic::brokers(case), false);
    let evidence = missing.iter().map(|name| {
        format!(
            "{name} is missing, and {SETTING} is true: the first record makes it, with {partitions} partition(s) ({PARTITIONS}) and {replicas} ({REPLICAS}); k2m would make {}",
            shape(wanted)
        )
    });
    Outcome::Warn {
        evidence: evidence.collect(),
        fix: {
            let mut fix = vec!["make it before a record does:".to_owned()];
            for step in missing.iter().flat_map(|name| super::topic::making(case, name)) {
                // One deployment makes all of them.
                if !(step.starts_with("k2m ") && fix.contains(&step)) {
                    fix.push(step);
                }
            }
            fix.push(format!(
                "to switch {SETTING} off: `k2m explain T04` has the steps; MSK then restarts its brokers one by one"
            ));
            fix
        },
    }
}

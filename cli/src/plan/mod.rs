//! Every decision: settings and facts in, a plan or the reason why there is none out. Pure.
//!
//! One file a decision, each of which sees the settings, the facts that were found good, and what was decided before it.

mod access;
mod alarms;
mod authentication;
mod capacity;
pub mod change;
pub mod creation;
pub(crate) mod destination;
pub(crate) mod endpoint;
mod error;
mod function;
pub mod limits;
mod model;
pub(crate) mod needs;
mod notes;
mod outside;
mod payload;
mod place;
pub(crate) mod policy;
pub(crate) mod private;
pub(crate) mod public;
pub(crate) mod rights;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod secret;
mod seen;
mod serverless;
pub mod shared;
mod sharing;
pub mod size;
mod stack;
pub(crate) mod topic;
mod way;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use authentication::inside as ways_inside;
pub use error::{Attempt, Obstacle, PlanError};
pub(crate) use error::{doubtful, listed_ports, none_leads, which};
pub(crate) use function::fitting_memory;
pub use model::{
    Alarm, CONSUMER, DeadLetterTopic, Decision, Destination, Dimension, FunctionTopics, Loss, Maker, MappedTopic,
    NewTopic, Pipeline, Plan, PlannedCluster, PlannedConnection, PlannedEndpoint, PlannedFunction, PlannedMapping,
    PlannedNetwork, PlannedPeer, PlannedSecrets, Removed, STARTING_POSITION, Statement, TopicShape,
};
pub(crate) use rights::is_managed as is_managed_key;
pub(crate) use seen::{same_pipelines, stands, streams as streams_of};

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::Facts;
use crate::settings::Settings;
use notes::{Notes, why};
use seen::{One, Seen};
use shared::NeededTopic;

/// Decides what the pipelines of a stack need, and proves that their functions will reach every broker. The same settings and facts give the same
/// plan.
pub fn plan(settings: &Settings, facts: &Facts) -> Result<Plan, PlanError> {
    plan_anew(settings, facts, &BTreeSet::new())
}

/// The same where the mappings of some streams, named by their ARNs, begin anew at the starting position of the settings, whatever is deployed.
pub fn plan_anew(settings: &Settings, facts: &Facts, anew: &BTreeSet<String>) -> Result<Plan, PlanError> {
    let mut notes = Notes::default();
    let mut seen = Seen::check(settings, facts, &mut notes)?;
    seen.anew.clone_from(anew);

    let mappings = each(&seen, &mut notes, |one, notes| {
        notes.decide(
            "stream",
            one.settings.stream.value.name(),
            format!(
                "{}; open shards: {}, records are kept for {} hours",
                why(&one.settings.stream, "it was named"),
                one.stream.open_shards,
                one.stream.retention_hours
            ),
        );
        sharing::check(one, &seen, notes)?;
        function::mapping(one, &seen, notes)
    })?;
    let (cluster, place) = access::choose(&seen, &mut notes)?;
    let endpoint = match &place.network {
        Some(network) => endpoint::reach(&cluster.secrets, network, &seen, &mut notes)?,
        None => None,
    };
    capacity::connections(&cluster, &seen, &mut notes);
    let mut mappings = mappings.into_iter();
    let mut pipelines = each(&seen, &mut notes, |one, notes| {
        pipeline(one, &seen, &cluster, mappings.next(), notes)
    })?;
    wait_for_topics(&mut pipelines);
    stack::decide(settings, &mut notes);
    notes.in_order(&pipelines);
    let mut network_stacks = place.network_stacks;
    if cluster.region != settings.home.region {
        let topics = pipelines.iter().flat_map(Pipeline::topics);
        let topics = topics.filter_map(|(name, new)| {
            let new = new.filter(|new| new.by == Maker::CloudFormation)?;
            Some(NeededTopic {
                cluster: cluster.arn.clone()?,
                name: name.to_owned(),
                partitions: new.partitions,
                replication_factor: new.replication_factor?,
                configs: new.configs.clone(),
            })
        });
        let there = (cluster.region.as_str(), place.cluster_vpc.as_str());
        let deployed = seen.network_stack(there.1);
        shared::add_topics(&mut network_stacks, deployed, there, &seen.user(), &topics.collect())?;
    }
    let (needed, secrets_endpoint) = endpoint.unzip();
    if let (Some(needed), Some(network)) = (needed, &place.network) {
        let here = (settings.home.region.as_str(), network.vpc.as_str());
        let deployed = seen.network_stack(here.1);
        shared::add_endpoint(&mut network_stacks, deployed, here, &seen.user(), needed)?;
    }

    shared::name_each_other(&mut network_stacks, &seen.user());
    let warnings = notes.warnings();
    Ok(Plan {
        permissions_boundary: settings
            .permissions_boundary
            .as_ref()
            .map(|policy| policy.value.clone()),
        secrets_endpoint,
        connection: place.connection,
        stack: settings.stack.value.clone(),
        region: settings.home.region.clone(),
        account: settings.home.account.clone(),
        partition: settings.home.partition.clone(),
        cluster,
        network: place.network,
        network_stacks,
        removed: removed(&seen),
        losses: notes.losses,
        brief_outputs: outputs(&pipelines) > limits::OUTPUTS,
        pipelines,
        proofs: place.proofs,
        warnings,
        decisions: notes.decisions,
    })
}

/// How many outputs the stack has when each pipeline tells all of itself.
fn outputs(pipelines: &[Pipeline]) -> usize {
    let each = pipelines.iter().map(|pipeline| {
        let own = usize::from(pipeline.destination == Destination::Own);
        7 + own + usize::from(pipeline.dead_letter_topic.is_some())
    });
    3 + each.sum::<usize>()
}

/// Decides something for each pipeline, which the notes name where there are several.
fn each<'a, T>(
    seen: &Seen<'a>,
    notes: &mut Notes,
    mut decide: impl FnMut(&One<'a>, &mut Notes) -> Result<T, PlanError>,
) -> Result<Vec<T>, PlanError> {
    let mut decided = Vec::new();
    for one in &seen.pipelines {
        notes.of = seen.several().then(|| one.settings.stream.value.name().to_owned());
        decided.push(decide(one, notes)?);
    }
    notes.of = None;
    Ok(decided)
}

/// Decides what one pipeline needs beside its mapping.
fn pipeline(
    one: &One,
    seen: &Seen,
    cluster: &PlannedCluster,
    mapping: Option<PlannedMapping>,
    notes: &mut Notes,
) -> Result<Pipeline, PlanError> {
    let settings = one.settings;
    let stream = &settings.stream.value;
    let mapping = mapping.ok_or_else(|| PlanError::Missing {
        what: format!("the mapping of {}", stream.name()),
    })?;
    payload::choose(one, seen, notes)?;
    let new_topic = topic::choose(one, seen, cluster, notes)?;
    capacity::pipeline(one, seen, &mapping, new_topic.as_ref(), notes);
    let mapped_topics = topic::mapped(one, seen, cluster, notes)?;
    let dead_letter_topic = topic::dead_letter(one, seen, cluster, notes)?;
    let function = function::function(one, seen, cluster, notes)?;
    let (destination, failure_email) = destination::choose(one, seen, notes)?;
    let alarms = alarms::alarms(one, notes);
    let new = std::iter::once((settings.topic.value.as_str(), new_topic.as_ref()))
        .chain(
            mapped_topics
                .iter()
                .map(|topic| (topic.name.as_str(), topic.new_topic.as_ref())),
        )
        .chain(
            dead_letter_topic
                .iter()
                .map(|topic| (topic.name.as_str(), topic.new_topic.as_ref())),
        );
    let new: Vec<(&str, &NewTopic)> = new.filter_map(|(name, topic)| Some((name, topic?))).collect();
    let pending = new
        .iter()
        .filter(|(_, topic)| topic.is_pending())
        .map(|(name, _)| *name);
    let (statements, creation) = rights::statements(one, seen, cluster, &destination, &pending.collect::<Vec<_>>())?;
    let function_topics = creation::remembered(cluster.identity(), &new);
    Ok(Pipeline {
        function_topics,
        creation,
        id: one.id.clone(),
        stream: stream.to_string(),
        stream_name: stream.name().to_owned(),
        topic: one.settings.topic.value.clone(),
        new_topic,
        mapped_topics,
        dead_letter_topic,
        after: Vec::new(),
        function,
        mapping,
        destination,
        failure_email,
        statements,
        alarms,
        without_mapping: false,
    })
}

/// Lets a pipeline begin after the topics that another one brings are there.
fn wait_for_topics(pipelines: &mut [Pipeline]) {
    let made: BTreeMap<String, String> = pipelines
        .iter()
        .flat_map(|pipeline| pipeline.made().map(|(id, name)| (name.to_owned(), id)))
        .collect();
    for pipeline in pipelines {
        let own: BTreeSet<String> = pipeline.made().map(|(id, _)| id).collect();
        let others: BTreeSet<String> = pipeline
            .topics()
            .filter_map(|(name, _)| made.get(name).cloned())
            .filter(|id| !own.contains(id))
            .collect();
        pipeline.after = others.into_iter().collect();
    }
}

/// Pipelines that the stack has and the settings don't: the update takes them away.
fn removed(seen: &Seen) -> Vec<Removed> {
    let Some(stack) = &seen.stack else { return Vec::new() };
    let wanted = |stream: &str| {
        seen.pipelines
            .iter()
            .any(|one| one.settings.stream.value.as_str() == stream)
    };
    let gone = stack.streams().into_iter().filter(|(_, stream)| !wanted(stream));
    gone.map(|(id, stream)| Removed {
        stream: stream.to_owned(),
        topic: stack.output(&format!("{id}Topic")).map(str::to_owned),
    })
    .collect()
}

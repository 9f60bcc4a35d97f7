//! Topics that the function makes: what a deployment does first, what it asks the function for, and what the stack remembers. Pure.
//!
//! A plan is of the end. Where a function is still to make a topic the stack is deployed twice: first with the mappings that would write to it kept from
//! reading, and with the right to make it; then, when it is there, as planned. So no record is tried, let alone given up, while its topic is missing, and
//! the right is gone when it is of no more use.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k2m_handler::probe::creation::{Became, CreateTopics, Wanted};

use super::{Dimension, FunctionTopics, Maker, NewTopic, Pipeline, Plan, TopicShape};

/// What one function is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What the logical ids of its pipeline begin with.
    pub pipeline: String,
    /// The topics.
    pub topics: CreateTopics,
}

impl Plan {
    /// The plan of the time before its functions have made their topics; none where they have, or make none.
    pub fn before_topics(&self) -> Option<Self> {
        let pending: BTreeSet<&str> = self.pending().map(|(name, _)| name).collect();
        if pending.is_empty() {
            return None;
        }
        let mut before = self.clone();
        for pipeline in &mut before.pipelines {
            let waits = pipeline.topics().any(|(name, _)| pending.contains(name));
            pipeline.mapping.enabled &= !waits;
            let own: Vec<String> = pipeline.pending().map(|(name, _)| name.to_owned()).collect();
            pipeline.statements.extend(pipeline.creation.take());
            if let Some(remembered) = &mut pipeline.function_topics {
                remembered.made.retain(|name, _| !own.contains(name));
                remembered.waits_for = own;
            }
        }
        Some(before)
    }

    /// The plan without the mappings of these streams, named by their ARNs: Lambda takes no second mapping of a stream to a function, and `CloudFormation` makes the
    /// new one first, so that the old one has to go before.
    #[must_use]
    pub fn without_mappings(&self, streams: &BTreeSet<String>) -> Self {
        let mut without = self.clone();
        let gone = |pipeline: &&mut Pipeline| streams.contains(&pipeline.stream);
        for pipeline in without.pipelines.iter_mut().filter(gone) {
            pipeline.without_mapping = true;
            pipeline.alarms.retain(|alarm| alarm.of != Dimension::Mapping);
        }
        without
    }

    /// The topics that functions are still to make.
    pub fn pending(&self) -> impl Iterator<Item = (&str, &NewTopic)> {
        self.pipelines.iter().flat_map(Pipeline::pending)
    }

    /// What each function is to be asked for.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.pipelines.iter().map(|pipeline| Asked {
            pipeline: pipeline.id.clone(),
            topics: CreateTopics {
                topics: pipeline.pending().map(|(name, topic)| wanted(name, topic)).collect(),
            },
        });
        asked.filter(|asked| !asked.topics.topics.is_empty()).collect()
    }

    /// The plan of the time after, with each topic as the function has seen it: one that was there before keeps its size.
    #[must_use]
    pub fn after_topics(&self, became: &[Became]) -> Self {
        let mut after = self.clone();
        let shapes: BTreeMap<&str, TopicShape> = became
            .iter()
            .filter_map(|topic| {
                let shape = TopicShape {
                    partitions: u32::try_from(topic.partitions?).ok()?,
                    replication_factor: u32::try_from(topic.replication_factor?).ok(),
                };
                Some((topic.name.as_str(), shape))
            })
            .collect();
        for pipeline in &mut after.pipelines {
            let remembered = pipeline.function_topics.iter_mut();
            for (name, shape) in remembered.flat_map(|remembered| &mut remembered.made) {
                if let Some(seen) = shapes.get(name.as_str()) {
                    *shape = *seen;
                }
            }
        }
        after
    }
}

fn wanted(name: &str, topic: &NewTopic) -> Wanted {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let replicas = topic.replication_factor;
    Wanted {
        name: name.to_owned(),
        partitions: number(topic.partitions),
        replication_factor: replicas.map(|replicas| i16::try_from(replicas).unwrap_or(i16::MAX)),
        configs: topic.configs.as_deref().and_then(settings).unwrap_or_default(),
    }
}

/// A topic's own settings, out of what CloudFormation takes: none but those that the plan wrote itself.
fn settings(configs: &str) -> Option<BTreeMap<String, String>> {
    serde_json::from_slice(&STANDARD.decode(configs).ok()?).ok()
}

/// What the stack is to remember of these new topics of a pipeline, when they are there.
pub(super) fn remembered(cluster: &str, new: &[(&str, &NewTopic)]) -> Option<FunctionTopics> {
    let own = new.iter().filter(|(_, topic)| topic.by == Maker::Function);
    let made: BTreeMap<String, TopicShape> = own
        .map(|(name, topic)| {
            let shape = TopicShape {
                partitions: topic.partitions,
                replication_factor: topic.replication_factor,
            };
            ((*name).to_owned(), shape)
        })
        .collect();
    (!made.is_empty()).then(|| FunctionTopics {
        cluster: cluster.to_owned(),
        made,
        waits_for: Vec::new(),
    })
}

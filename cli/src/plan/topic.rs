//! The topic, and the dead-letter topic beside it: used where it is there, kept where the stack has it, else made where that is wanted: by the stack where
//! MSK makes topics, by the function where it does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::error::PlanError;
use super::notes::{Notes, why};
use super::outside;
use super::seen::{One, Seen, Standing};
use super::serverless::SERVERLESS;
use super::{DeadLetterTopic, Maker, MappedTopic, NewTopic, PlannedCluster, TopicShape};
use crate::facts::deployed::short_hash;
use crate::facts::{Cluster, Fact, Topic};
use crate::settings::{Authentication, OnPoison, PipelineSettings, Setting, StartingPosition};
use crate::shell::Command;

/// Kafka's own default of `max.message.bytes`: 1 MiB and the batch header.
pub(crate) const MAX_MESSAGE_BYTES: u64 = 1_048_588;
/// `max.message.bytes` of a dead-letter topic that is made: room for 10 MiB, the largest record of Kinesis, with its key and its headers.
pub(crate) const DEAD_LETTER_BYTES: u64 = 11 * 1024 * 1024;
/// Kafka's own default of `retention.ms`: seven days.
const RETENTION_HOURS: u64 = 168;
/// Kinesis's own largest record, where AWS names no other.
pub(crate) const MAX_RECORD_KIB: u32 = 1024;
/// Express brokers keep so many replicas, and take no other number.
const EXPRESS_REPLICAS: u32 = 3;
/// The largest `max.message.bytes` that MSK Serverless takes.
pub(crate) const SERVERLESS_BYTES: u64 = 8 * 1024 * 1024;
/// MSK makes topics of clusters with this version or later.
const FIRST_VERSION: (u32, u32) = (3, 6);

/// Partitions of a topic that is made, and replicas of each where they are not left to the brokers.
pub(crate) type Shape = (u32, Option<u32>);

/// A topic as an earlier deployment made it, as far as that is known.
struct Deployed {
    partitions: Option<u32>,
    replication_factor: Option<u32>,
    configs: Option<String>,
}

/// A topic that is needed, and how it would be made.
struct Wanted<'a> {
    /// What its decision is about.
    about: &'static str,
    name: &'a str,
    /// Why it is this one.
    why: String,
    logical_id: String,
    fact: &'a Fact<Topic>,
    /// The user's say on the partitions.
    chosen_partitions: Option<&'a Setting<u32>>,
    shape: Shape,
    /// Why it has so many partitions.
    partitions_why: String,
    /// Its `max.message.bytes`, where that is not left to the cluster.
    max_message_bytes: Option<u64>,
}

/// Decides what becomes of the topic: `None` where it is there and not the stack's.
pub(super) fn choose(
    one: &One,
    seen: &Seen,
    cluster: &PlannedCluster,
    notes: &mut Notes,
) -> Result<Option<NewTopic>, PlanError> {
    let settings = one.settings;
    limits(one, seen, notes);
    let (shards, brokers) = (shards(seen, &settings.topic.value), brokers(seen));
    let wanted = Wanted {
        about: "topic",
        name: &settings.topic.value,
        why: why(&settings.topic, "the stream's name"),
        logical_id: topic_id(one),
        fact: one.topic,
        chosen_partitions: settings.topic_partitions.as_ref(),
        shape: new_shape(settings, shards, brokers, is_unseen(seen.cluster)),
        partitions_why: partitions_why(settings, shards, brokers),
        max_message_bytes: None,
    };
    wanted.settle(one, seen, cluster, notes)
}

/// Decides what becomes of each topic that the data chooses, by the same rule.
pub(super) fn mapped(
    one: &One,
    seen: &Seen,
    cluster: &PlannedCluster,
    notes: &mut Notes,
) -> Result<Vec<MappedTopic>, PlanError> {
    let settings = one.settings;
    let decide = |(&name, &fact): (&&str, &&Fact<Topic>)| {
        let (shards, brokers) = (shards(seen, name), brokers(seen));
        let id = mapped_id(name);
        let texts: Vec<String> = settings.payload.texts_of(name).into_iter().map(quoted).collect();
        let wanted = Wanted {
            about: "mapped topic",
            name,
            why: format!("topic_map gives it to {}", texts.join(", ")),
            logical_id: format!("{}{id}", one.id),
            fact,
            chosen_partitions: settings.topic_partitions.as_ref(),
            shape: new_shape(settings, shards, brokers, is_unseen(seen.cluster)),
            partitions_why: partitions_why(settings, shards, brokers),
            max_message_bytes: None,
        };
        if seen.cluster.is_some() {
            let limit = limit_of(fact.found(), |name| seen.property(name));
            room(one, name, limit, notes);
        }
        Ok(MappedTopic {
            name: name.to_owned(),
            id,
            new_topic: wanted.settle(one, seen, cluster, notes)?,
        })
    };
    one.mapped_topics.iter().map(decide).collect()
}

/// A text out of the user's data, fit for one line.
fn quoted(text: &str) -> String {
    format!("`{}`", text.escape_debug())
}

fn partitions_why(settings: &PipelineSettings, shards: u32, brokers: u32) -> String {
    match &settings.topic_partitions {
        Some(setting) => format!("partitions {}", why(setting, "")),
        None if brokers == 0 => format!("as many partitions as shards are open ({shards})"),
        None => {
            format!("as many partitions as shards are open ({shards}), and one for each broker at least ({brokers})")
        }
    }
}

/// Decides what becomes of poison, and of the dead-letter topic where it goes to one.
pub(super) fn dead_letter(
    one: &One,
    seen: &Seen,
    cluster: &PlannedCluster,
    notes: &mut Notes,
) -> Result<Option<DeadLetterTopic>, PlanError> {
    let settings = one.settings;
    let on_poison = &settings.on_poison;
    let (Some(topic), OnPoison::Divert) = (&settings.dead_letter_topic, on_poison.value) else {
        notes.decide(
            "poison",
            "block: what the topic can never take is tried again, and goes to the failure destination when its retries are used up",
            why(on_poison, "nothing passes it while it may still be delivered; `divert` keeps the shard moving"),
        );
        return Ok(None);
    };
    let name = &topic.value;
    notes.decide(
        "poison",
        format!("divert: what the topic can never take goes to {name} whole, and the shard goes on"),
        why(on_poison, ""),
    );
    let fact = one.dead_letter_topic.ok_or_else(|| PlanError::Missing {
        what: format!("the dead-letter topic {name}"),
    })?;
    let of_topic = max_message_bytes(one, seen);
    let wanted = Wanted {
        about: "dead-letter topic",
        name,
        why: why(topic, "the topic's name, and -dead-letter"),
        logical_id: dead_letter_id(one),
        fact,
        chosen_partitions: None,
        shape: dead_letter_shape(settings, brokers(seen), is_unseen(seen.cluster)),
        partitions_why: "one partition: dead letters are few, and so stay in order".to_owned(),
        max_message_bytes: Some(dead_letter_bytes(is_serverless(seen.cluster), of_topic)),
    };
    let delivered_to = |other: &&One| {
        let settings = other.settings;
        settings.topic.value == *name || settings.mapped_topics().contains(&name.as_str())
    };
    if let Some(other) = seen.pipelines.iter().find(delivered_to) {
        notes.warn(format!(
            "the dead-letter topic {name} ({}) is one that the pipeline of {} delivers to: who reads it gets both",
            topic.source,
            other.settings.stream.value.name()
        ));
    }
    if let Fact::Found { value } = fact {
        let limit = topic_max_message_bytes(value, seen);
        if too_small(limit, of_topic) {
            notes.warn(format!(
                "the dead-letter topic {name} takes messages of up to {limit} bytes (max.message.bytes), the topic {} of up to {of_topic}: a record that is too \
                 large for the topic is too large for it too, and is blocked after all; run\n  {}",
                settings.topic.value,
                with_hint(raise_command(&cluster.bootstrap_servers, cluster.authentication, name))
            ));
        }
    }
    Ok(Some(DeadLetterTopic {
        name: name.clone(),
        new_topic: wanted.settle(one, seen, cluster, notes)?,
    }))
}

/// Whether a dead-letter topic with this limit can't take what is too large for the topic.
pub(crate) const fn too_small(dead_letter: u64, topic: u64) -> bool {
    dead_letter <= topic && dead_letter < DEAD_LETTER_BYTES
}

fn topic_id(one: &One) -> String {
    format!("{}Topic", one.id)
}

fn mapped_id(name: &str) -> String {
    format!("MappedTopic{}", short_hash(name))
}

fn dead_letter_id(one: &One) -> String {
    format!("{}DeadLetterTopic", one.id)
}

/// Whether the function is to make the topic of this name where it is missing: somebody says so, or said so to a deployment that was stopped before that.
fn wants(one: &One, seen: &Seen, name: &str) -> bool {
    if let Some(setting) = &one.settings.create_topic {
        return setting.value;
    }
    let remembered = seen.function_topics(one);
    remembered.is_some_and(|topics| topics.waits_for.iter().any(|it| it == name))
}

/// Which pipeline brings the topic of this name, of all that write to it: that of whose parts the stack has it already, else the first; where nobody knows
/// whether it is there, the first that wants it made. Its logical id comes with it, and whether the stack has it.
fn maker<'s, 'a>(seen: &'s Seen<'a>, name: &str, unknown: bool) -> Option<(&'s One<'a>, String, bool)> {
    let candidates = seen.pipelines.iter().flat_map(|one| {
        let settings = one.settings;
        let own = (settings.topic.value == name).then(|| topic_id(one));
        let mapped = one
            .mapped_topics
            .contains_key(name)
            .then(|| format!("{}{}", one.id, mapped_id(name)));
        let dead_letter = settings.dead_letter_topic.as_ref().filter(|topic| topic.value == name);
        let ids = own
            .into_iter()
            .chain(mapped)
            .chain(dead_letter.map(|_| dead_letter_id(one)));
        ids.map(move |id| (one, id))
    });
    let candidates: Vec<(&One, String)> = candidates.collect();
    let stands = |one: &One, id: &str| {
        let stack = seen.stack.as_ref();
        stack.is_some_and(|stack| stack.has(id, "TopicName", name))
            || seen
                .function_topics(one)
                .is_some_and(|topics| topics.made.contains_key(name))
    };
    let standing = candidates.iter().position(|(one, id)| stands(one, id));
    let first = if unknown {
        candidates.iter().position(|(one, _)| wants(one, seen, name))
    } else {
        Some(0)
    };
    let (one, id) = candidates.into_iter().nth(standing.or(first)?)?;
    Some((one, id, standing.is_some()))
}

/// Open shards of all streams whose records go to this topic.
fn shards(seen: &Seen, name: &str) -> u32 {
    let writing = seen
        .pipelines
        .iter()
        .filter(|one| one.settings.topic.value == name || one.mapped_topics.contains_key(name));
    writing.fold(0, |sum, one| sum.saturating_add(one.stream.open_shards))
}

fn brokers(seen: &Seen) -> u32 {
    u32::try_from(seen.brokers.len()).unwrap_or(u32::MAX)
}

impl Wanted<'_> {
    /// What becomes of it: `None` where it is there and not the stack's.
    fn settle(
        &self,
        one: &One,
        seen: &Seen,
        cluster: &PlannedCluster,
        notes: &mut Notes,
    ) -> Result<Option<NewTopic>, PlanError> {
        let name = self.name;
        let settings = one.settings;
        // Nobody can look, and the function can.
        let lacking = lacking(seen.cluster);
        let unknown = self.fact.unreadable().is_some() && lacking.is_some();
        if let Some((maker, id, stands)) = maker(seen, name, unknown)
            && id != self.logical_id
            && (stands || unknown || self.fact.is_absent())
        {
            self.brought_by(maker, notes);
            return Ok(None);
        }
        let own = seen
            .stack
            .as_ref()
            .filter(|stack| stack.has(&self.logical_id, "TopicName", name));
        if let Some(stack) = own {
            return self.kept(settings, &self.in_stack(stack), cluster, notes).map(Some);
        }
        if let Some(topic) = seen.topic_elsewhere(name) {
            let deployed = Deployed {
                partitions: Some(topic.partitions),
                replication_factor: Some(topic.replication_factor),
                configs: topic.configs,
            };
            return self.kept(settings, &deployed, cluster, notes).map(Some);
        }
        let made = seen
            .function_topics(one)
            .and_then(|topics| topics.made.get(name).copied());
        if let Some(made) = made.filter(|_| !self.fact.is_absent()) {
            return Ok(Some(self.made_before(settings, made, cluster, notes)));
        }
        match self.fact {
            Fact::Found { value } => {
                notes.decide(
                    self.about,
                    format!(
                        "{name}, which is there: {}",
                        shape((value.partitions, Some(value.replication_factor)))
                    ),
                    self.why.clone(),
                );
                let ignored = self.chosen_partitions;
                if let Some(setting) = ignored.filter(|setting| setting.value != value.partitions) {
                    notes.warn(format!(
                        "topic_partitions {} ({}) has no effect: the topic {name} is there, with {}, and is not the stack's",
                        setting.value, setting.source, value.partitions
                    ));
                }
                Ok(None)
            }
            Fact::Unreadable(_) if unknown && wants(one, seen, name) => {
                self.made(settings, seen, cluster, notes).map(Some)
            }
            Fact::Unreadable(_) if seen.cluster.is_none() => {
                outside::topic(self.about, name, &self.why, settings, notes);
                Ok(None)
            }
            Fact::Unreadable(reason) => {
                let action = reason.missing_action.as_deref();
                let next = match (&lacking, action) {
                    (Some(why), _) if settings.create_topic.is_none() => {
                        format!(" ({why}); with --create-topic true the function creates it where it is missing")
                    }
                    (_, Some(action)) => format!("; allow {action} to see it"),
                    (_, None) => String::new(),
                };
                notes.decide(self.about, name, self.why.clone());
                notes.warn(format!(
                    "the topic {name} could not be seen and is taken as there, so it is not created: {}{next}",
                    reason.message
                ));
                if seen.property("auto.create.topics.enable") == Some("true")
                    && cluster.authentication != Authentication::Iam
                {
                    notes.warn(format!(
                        "auto.create.topics.enable is true: if the topic {name} is missing, the first record makes it with {} partition(s)",
                        seen.property("num.partitions").unwrap_or("1")
                    ));
                }
                Ok(None)
            }
            Fact::Absent => self.made(settings, seen, cluster, notes).map(Some),
        }
    }

    /// A topic that another pipeline of the stack brings.
    fn brought_by(&self, maker: &One, notes: &mut Notes) {
        let name = self.name;
        let stream = maker.settings.stream.value.name();
        notes.decide(
            self.about,
            format!("{name}, which the pipeline of {stream} brings"),
            self.why.clone(),
        );
        let of_maker = maker.settings.topic_partitions.as_ref().map(|setting| setting.value);
        if let Some(setting) = self.chosen_partitions.filter(|setting| Some(setting.value) != of_maker) {
            notes.warn(format!(
                "topic_partitions {} ({}) has no effect: the pipeline of {stream} brings the topic {name}, and decides",
                setting.value, setting.source
            ));
        }
    }

    /// A topic that the stack has: it stays there, or CloudFormation would take it for one to let go.
    fn kept(
        &self,
        settings: &PipelineSettings,
        stack: &Deployed,
        cluster: &PlannedCluster,
        notes: &mut Notes,
    ) -> Result<NewTopic, PlanError> {
        let name = self.name;
        let seen_topic = self.fact.found();
        let missing = |property| {
            move || PlanError::Missing {
                what: format!("{property} of the stack's topic {name}"),
            }
        };
        let deployed = stack.partitions.or(seen_topic.map(|topic| topic.partitions));
        let deployed = deployed.ok_or_else(missing("PartitionCount"))?;
        let replicas = seen_topic.map(|topic| topic.replication_factor);
        let replication_factor = stack.replication_factor.or(replicas);
        let replication_factor = replication_factor.ok_or_else(missing("ReplicationFactor"))?;
        let partitions = match self.chosen_partitions {
            None => deployed,
            Some(setting) => {
                let now = seen_topic.map_or(deployed, |topic| topic.partitions.max(deployed));
                if setting.value < now {
                    let reason = format!("it has {now}, and Kafka never takes partitions away; choose {now} or more");
                    return Err(wrong(name, "topic_partitions", setting, reason));
                }
                if setting.value > now {
                    notes.warn(format!(
                        "{} partitions instead of {now} ({}): most keys then belong to another partition, so that what consumers read of a key is no longer in order \
                         across the change",
                        setting.value, setting.source
                    ));
                }
                setting.value
            }
        };
        if let Some(setting) = settings
            .topic_replication_factor
            .as_ref()
            .filter(|setting| setting.value != replication_factor)
        {
            let reason = format!(
                "it has {replication_factor}, and CloudFormation would have to make the topic anew; change it with kafka-reassign-partitions.sh, or leave \
                 the setting out"
            );
            return Err(wrong(name, "topic_replication_factor", setting, reason));
        }
        if self.fact.is_absent() {
            notes.warn(format!(
                "the stack has the topic {name}, but it is gone, and CloudFormation does not look; run\n  {}",
                self.command(cluster, (partitions, Some(replication_factor)))
            ));
        }
        notes.decide(
            self.about,
            format!(
                "{name}, of the stack: {}",
                shape((partitions, Some(replication_factor)))
            ),
            "an earlier deployment made it; it stays when the stack goes",
        );
        Ok(NewTopic {
            by: Maker::CloudFormation,
            partitions,
            replication_factor: Some(replication_factor),
            configs: stack.configs.clone().or_else(|| self.max_message_bytes.map(configs_of)),
            unconfirmed: false,
            exists: true,
        })
    }

    /// A topic that the function made: it stays as it is, since the function changes none.
    fn made_before(
        &self,
        settings: &PipelineSettings,
        made: TopicShape,
        cluster: &PlannedCluster,
        notes: &mut Notes,
    ) -> NewTopic {
        let name = self.name;
        let TopicShape {
            partitions,
            replication_factor,
        } = made;
        notes.decide(
            self.about,
            format!(
                "{name}, which the function made: {}",
                shape((partitions, replication_factor))
            ),
            "an earlier deployment had it made, or found it there; it stays when the stack goes",
        );
        if let Some(setting) = self.chosen_partitions.filter(|setting| setting.value != partitions) {
            let next = if setting.value > partitions {
                format!("; run\n  {}", with_hint(widen_command(cluster, name, setting.value)))
            } else {
                ", and Kafka never takes partitions away".to_owned()
            };
            notes.warn(format!(
                "topic_partitions {} ({}) has no effect: the topic {name} has {partitions}, and the function changes no topic that is there{next}",
                setting.value, setting.source
            ));
        }
        let replicas = settings.topic_replication_factor.as_ref();
        if let (Some(setting), Some(has)) = (replicas, replication_factor)
            && setting.value != has
        {
            notes.warn(format!(
                "topic_replication_factor {} ({}) has no effect: the topic {name} has {has}, and the function changes no topic that is there; change it with \
                 kafka-reassign-partitions.sh, or leave the setting out",
                setting.value, setting.source
            ));
        }
        NewTopic {
            by: Maker::Function,
            partitions,
            replication_factor,
            configs: self.max_message_bytes.map(configs_of),
            unconfirmed: false,
            exists: true,
        }
    }

    /// What the stack's template says of it.
    fn in_stack(&self, stack: &Standing) -> Deployed {
        let number = |property| {
            let deployed = stack.value(&self.logical_id, property);
            let deployed = deployed.and_then(serde_yaml::Value::as_u64);
            deployed.and_then(|number| u32::try_from(number).ok())
        };
        let configs = stack.value(&self.logical_id, "Configs");
        Deployed {
            partitions: number("PartitionCount"),
            replication_factor: number("ReplicationFactor"),
            configs: configs.and_then(serde_yaml::Value::as_str).map(str::to_owned),
        }
    }

    /// A topic that nobody has, or that nobody can tell of.
    fn made(
        &self,
        settings: &PipelineSettings,
        seen: &Seen,
        cluster: &PlannedCluster,
        notes: &mut Notes,
    ) -> Result<NewTopic, PlanError> {
        let name = self.name;
        let brokers = brokers(seen);
        let (partitions, replication_factor) = self.shape;
        if let Some(setting) = settings.create_topic.as_ref().filter(|setting| !setting.value) {
            return Err(PlanError::NoTopic {
                topic: name.to_owned(),
                by: setting.source.clone(),
                command: self.command(cluster, self.shape),
            });
        }
        let lacking = lacking(seen.cluster);
        if let (None, Some(reason)) = (&lacking, seen.cluster.and_then(busy)) {
            return Err(PlanError::CannotMakeTopic {
                topic: name.to_owned(),
                reason,
                command: self.command(cluster, self.shape),
            });
        }
        if let Some(setting) = settings
            .topic_replication_factor
            .as_ref()
            .filter(|setting| seen.cluster.is_some_and(Cluster::is_express) && setting.value != EXPRESS_REPLICAS)
        {
            let reason =
                format!("Express brokers keep {EXPRESS_REPLICAS} replicas of everything; leave the setting out");
            return Err(wrong(name, "topic_replication_factor", setting, reason));
        }
        if let Some(setting) = settings
            .topic_replication_factor
            .as_ref()
            .filter(|setting| setting.value > brokers && !is_unseen(seen.cluster))
        {
            let reason = format!(
                "the cluster has {brokers} brokers, and each holds one replica at most; choose {brokers} or less"
            );
            return Err(wrong(name, "topic_replication_factor", setting, reason));
        }
        if let Some(setting) = self.chosen_partitions.filter(|setting| setting.value == 0) {
            return Err(wrong(
                name,
                "topic_partitions",
                setting,
                "a topic has 1 or more".to_owned(),
            ));
        }
        // Where nobody can look, it comes to this only if somebody wants it.
        let confirmed = settings.create_topic.is_some() || !self.fact.is_absent();
        let replicas_why = match (&settings.topic_replication_factor, replication_factor) {
            (Some(setting), _) => format!("replicas {}", why(setting, "")),
            (None, Some(_)) => "three replicas, or as many as there are brokers".to_owned(),
            (None, None) => "replicas as the cluster has them".to_owned(),
        };
        let (limit, limit_why) = match self.max_message_bytes {
            Some(bytes) if bytes < DEAD_LETTER_BYTES => (
                format!(", max.message.bytes {bytes}"),
                "; the most that MSK Serverless takes",
            ),
            Some(bytes) => (
                format!(", max.message.bytes {bytes}"),
                "; room for the largest record that Kinesis takes",
            ),
            None => (String::new(), ""),
        };
        let (by, how, found) = match &lacking {
            None => (Maker::CloudFormation, "", "it does not exist".to_owned()),
            Some(why) if self.fact.is_absent() => {
                (Maker::Function, " by the function", format!("it does not exist; {why}"))
            }
            Some(why) => (
                Maker::Function,
                " by the function where it is missing",
                format!("whether it exists can't be seen, since {why}"),
            ),
        };
        let asked = if confirmed {
            ""
        } else {
            "; to be confirmed, since nobody said whether it may be created"
        };
        notes.decide(
            self.about,
            format!(
                "{name}, to be created{how}: {}{limit}",
                shape((partitions, replication_factor))
            ),
            format!("{found}; {}; {replicas_why}{limit_why}{asked}", self.partitions_why),
        );
        Ok(NewTopic {
            by,
            partitions,
            replication_factor,
            configs: self.max_message_bytes.map(configs_of),
            unconfirmed: !confirmed,
            exists: false,
        })
    }

    fn command(&self, cluster: &PlannedCluster, (partitions, replication_factor): Shape) -> String {
        let (mut command, file) = create_command(
            &cluster.bootstrap_servers,
            cluster.authentication,
            self.name,
            partitions,
            replication_factor,
        );
        if let Some(bytes) = self.max_message_bytes {
            command = command.option("--config", &format!("max.message.bytes={bytes}"));
        }
        with_hint((command, file))
    }
}

/// Partitions and replicas of a topic that is made. Where nobody sees how many brokers there are, they decide of the replicas.
pub(crate) fn new_shape(settings: &PipelineSettings, shards: u32, brokers: u32, unseen: bool) -> Shape {
    let chosen = |setting: &Option<Setting<u32>>| setting.as_ref().map(|setting| setting.value);
    let by_default = (!unseen).then(|| brokers.min(3));
    (
        chosen(&settings.topic_partitions).unwrap_or(shards.max(brokers).max(1)),
        chosen(&settings.topic_replication_factor).or(by_default),
    )
}

/// Partitions and replicas of a dead-letter topic that is made.
pub(crate) fn dead_letter_shape(settings: &PipelineSettings, brokers: u32, unseen: bool) -> Shape {
    (1, new_shape(settings, 1, brokers, unseen).1)
}

/// `max.message.bytes` of a dead-letter topic that is made beside a topic with this limit.
pub(crate) fn dead_letter_bytes(serverless: bool, topic: u64) -> u64 {
    let wanted = DEAD_LETTER_BYTES.max(topic);
    if serverless {
        wanted.min(SERVERLESS_BYTES)
    } else {
        wanted
    }
}

/// A topic's own settings as the API and CloudFormation take them: a JSON object in base64.
pub(crate) fn configs_of(max_message_bytes: u64) -> String {
    STANDARD.encode(json!({"max.message.bytes": max_message_bytes.to_string()}).to_string())
}

/// Whether the cluster is serverless.
pub(crate) fn is_serverless(cluster: Option<&Cluster>) -> bool {
    cluster.is_some_and(|cluster| cluster.kind == SERVERLESS)
}

/// Whether nobody sees how many brokers there are: behind a serverless cluster, and of a Kafka that is not MSK.
pub(crate) fn is_unseen(cluster: Option<&Cluster>) -> bool {
    cluster.is_none_or(|cluster| cluster.kind == SERVERLESS)
}

/// Why MSK makes no topics of this cluster, and tells of none: the function does.
pub(crate) fn lacking(cluster: Option<&Cluster>) -> Option<String> {
    let Some(cluster) = cluster else {
        return Some("nothing of AWS makes topics of a Kafka that is not MSK".to_owned());
    };
    if cluster.kind == SERVERLESS {
        return Some("MSK makes topics of provisioned clusters alone".to_owned());
    }
    let (major, minor) = FIRST_VERSION;
    let version = cluster.kafka_version.as_deref();
    if version.and_then(numbers).is_none_or(|numbers| numbers < FIRST_VERSION) {
        let version = version.unwrap_or("of an unknown version");
        return Some(format!(
            "MSK makes topics from Kafka {major}.{minor} on, and the cluster's is {version}"
        ));
    }
    None
}

/// Why MSK makes no topics of this cluster just now.
pub(crate) fn busy(cluster: &Cluster) -> Option<String> {
    let state = &cluster.state;
    (state != "ACTIVE")
        .then(|| format!("MSK makes topics while the cluster is ACTIVE, and it is {state}, so try again later"))
}

/// The first two numbers of a version such as `3.7.x.kraft`.
pub(super) fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Kafka's own command that makes a topic, and what its client.properties hold where it needs some.
pub(crate) fn create_command(
    servers: &str,
    authentication: Authentication,
    topic: &str,
    partitions: u32,
    replication_factor: Option<u32>,
) -> (Command, Option<&'static str>) {
    let (command, file) = topics_command(servers, authentication);
    let mut command = command
        .flag("--create")
        .option("--topic", topic)
        .option("--partitions", &partitions.to_string());
    if let Some(replicas) = replication_factor {
        command = command.option("--replication-factor", &replicas.to_string());
    }
    (command, file)
}

/// Kafka's own command that gives a topic more partitions.
fn widen_command(cluster: &PlannedCluster, topic: &str, partitions: u32) -> (Command, Option<&'static str>) {
    let (command, file) = topics_command(&cluster.bootstrap_servers, cluster.authentication);
    let command = command.flag("--alter").option("--topic", topic);
    (command.option("--partitions", &partitions.to_string()), file)
}

/// Kafka's own command for topics, and what its client.properties hold where it needs some.
fn topics_command(servers: &str, authentication: Authentication) -> (Command, Option<&'static str>) {
    let file = client_properties(authentication);
    let mut command = Command::new("kafka-topics.sh").option("--bootstrap-server", servers);
    if file.is_some() {
        command = command.option("--command-config", "client.properties");
    }
    (command, file)
}

/// What client.properties hold, where Kafka's commands need some.
pub(crate) fn client_properties(authentication: Authentication) -> Option<&'static str> {
    match authentication {
        Authentication::Plaintext => None,
        Authentication::Tls => Some("security.protocol=SSL"),
        Authentication::Iam => Some("the settings of AWS's library aws-msk-iam-auth"),
        Authentication::Scram => {
            Some("security.protocol=SASL_SSL, sasl.mechanism=SCRAM-SHA-512 and the user's sasl.jaas.config")
        }
        Authentication::MutualTls => Some("security.protocol=SSL and the client's ssl.keystore settings"),
    }
}

/// Kafka's own command that makes a dead-letter topic take every record, and what its client.properties hold where it needs some.
pub(crate) fn raise_command(
    servers: &str,
    authentication: Authentication,
    topic: &str,
) -> (Command, Option<&'static str>) {
    configure_command(
        servers,
        authentication,
        topic,
        &format!("max.message.bytes={DEAD_LETTER_BYTES}"),
    )
}

/// Kafka's own command that gives a topic a setting, `name=value`, and leaves its others; and what its client.properties hold where it needs some.
pub(crate) fn configure_command(
    servers: &str,
    authentication: Authentication,
    topic: &str,
    setting: &str,
) -> (Command, Option<&'static str>) {
    let file = client_properties(authentication);
    let mut command = Command::new("kafka-configs.sh").option("--bootstrap-server", servers);
    if file.is_some() {
        command = command.option("--command-config", "client.properties");
    }
    let command = command
        .flag("--alter")
        .option("--entity-type", "topics")
        .option("--entity-name", topic)
        .option("--add-config", setting);
    (command, file)
}

fn with_hint((command, file): (Command, Option<&'static str>)) -> String {
    let hint = file
        .map(|file| format!("\n  with {file} in client.properties"))
        .unwrap_or_default();
    format!("{command}{hint}")
}

fn wrong(topic: &str, setting: &'static str, chosen: &Setting<u32>, reason: String) -> PlanError {
    PlanError::TopicSetting {
        topic: topic.to_owned(),
        setting,
        value: chosen.value,
        by: chosen.source.clone(),
        reason,
    }
}

/// A topic's size in words.
pub(crate) fn shape((partitions, replication_factor): Shape) -> String {
    let count = |number, one, many| format!("{number} {}", if number == 1 { one } else { many });
    let replicas = match replication_factor {
        Some(replicas) => count(replicas, "replica", "replicas"),
        None => "the cluster's own number of replicas".to_owned(),
    };
    format!("{}, {replicas} of each", count(partitions, "partition", "partitions"))
}

/// The smallest limit of all topics that messages go to: the handler knows one.
pub(super) fn least_message_bytes(one: &One, seen: &Seen) -> u64 {
    let mapped = one.mapped_topics.values();
    let mapped = mapped.map(|topic| limit_of(topic.found(), |name| seen.property(name)));
    mapped.fold(max_message_bytes(one, seen), u64::min)
}

/// Bytes of the largest batch of records that the topic takes, as far as anybody says.
fn max_message_bytes(one: &One, seen: &Seen) -> u64 {
    limit_of(one.topic.found(), |name| seen.property(name))
}

/// The topics that messages go to whose old messages are compacted.
pub(super) fn compacted<'a>(one: &One<'a>, seen: &Seen<'a>) -> Vec<&'a str> {
    let mapped = one.mapped_topics.iter().map(|(name, topic)| (*name, *topic));
    let all = std::iter::once((one.settings.topic.value.as_str(), one.topic)).chain(mapped);
    let compacts = |fact: &Fact<Topic>| {
        let of_topic = fact.found().and_then(|topic| topic.settings.get("cleanup.policy"));
        let policy = of_topic
            .map(String::as_str)
            .or_else(|| seen.property("log.cleanup.policy"));
        policy.is_some_and(|policy| policy.contains("compact"))
    };
    all.filter(|(_, fact)| compacts(fact)).map(|(name, _)| name).collect()
}

fn topic_max_message_bytes(topic: &Topic, seen: &Seen) -> u64 {
    limit_of(Some(topic), |name| seen.property(name))
}

/// A topic's limit: its own setting, else the brokers', else Kafka's default.
pub(crate) fn limit_of<'a>(topic: Option<&'a Topic>, property: impl FnOnce(&str) -> Option<&'a str>) -> u64 {
    let of_topic = topic.and_then(|topic| topic.settings.get("max.message.bytes"));
    of_topic
        .map(String::as_str)
        .or_else(|| property("message.max.bytes"))
        .and_then(|bytes| bytes.parse().ok())
        .unwrap_or(MAX_MESSAGE_BYTES)
}

/// Hours that the topic keeps a message; none where it keeps them for ever, or where the time of arrival doesn't matter.
fn retention_hours(one: &One, seen: &Seen) -> Option<u64> {
    let topic = one.topic.found().map(|topic| &topic.settings);
    let of_topic = |name: &str| topic.and_then(|settings| settings.get(name)).map(String::as_str);
    let timestamps = of_topic("message.timestamp.type").or_else(|| seen.property("log.message.timestamp.type"));
    let policy = of_topic("cleanup.policy").or_else(|| seen.property("log.cleanup.policy"));
    if timestamps == Some("LogAppendTime") || policy == Some("compact") {
        return None;
    }
    // The finer unit wins, as it does in Kafka.
    let settings = [
        (of_topic("retention.ms"), 3_600_000),
        (seen.property("log.retention.ms"), 3_600_000),
        (seen.property("log.retention.minutes"), 60),
        (seen.property("log.retention.hours"), 1),
    ];
    let chosen = settings
        .into_iter()
        .find_map(|(text, an_hour)| Some((text?.parse::<i64>().ok()?, an_hour)));
    match chosen {
        None => Some(RETENTION_HOURS),
        Some((number, an_hour)) => u64::try_from(number).ok().map(|number| number / an_hour),
    }
}

/// Warns where the topic can't hold what the stream does.
fn limits(one: &One, seen: &Seen, notes: &mut Notes) {
    // Of another Kafka's topics nobody knows them.
    if seen.cluster.is_none() {
        return;
    }
    let settings = one.settings;
    let name = &settings.topic.value;
    let kept = u64::from(one.stream.retention_hours);
    let from_the_start = settings.starting_position.value != StartingPosition::Latest;
    if let Some(hours) = retention_hours(one, seen).filter(|hours| *hours < kept && from_the_start) {
        notes.warn(format!(
            "the topic {name} keeps messages for {hours} hours, the stream for {kept}: a message has the time of its record, so Kafka deletes what is \
             older than {hours} hours soon after it arrives; raise retention.ms of the topic, or begin at LATEST"
        ));
    }
    room(one, name, max_message_bytes(one, seen), notes);
}

/// Warns where a topic with this limit can't take what the stream has.
fn room(one: &One, name: &str, limit: u64, notes: &mut Notes) {
    let record = u64::from(one.stream.max_record_kib.unwrap_or(MAX_RECORD_KIB)) * 1024;
    if limit < record {
        let to = match &one.settings.dead_letter_topic {
            None => "failure destination".to_owned(),
            Some(topic) => format!("dead-letter topic {}", topic.value),
        };
        notes.warn(format!(
            "the topic {name} takes messages of up to {limit} bytes (max.message.bytes), the stream records of up to {record}: a larger record goes to the \
             {to}; raise max.message.bytes of the topic"
        ));
    }
}

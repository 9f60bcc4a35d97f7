//! The topic: used where it is there, kept where the stack has it, else made by the stack where that is wanted and can be.

use super::error::PlanError;
use super::notes::{Notes, why};
use super::seen::{Seen, Standing};
use super::{NewTopic, PlannedCluster};
use crate::facts::{Cluster, Fact, Topic};
use crate::settings::{Authentication, Setting, Settings, StartingPosition};
use crate::shell::Command;

/// Kafka's own default of `max.message.bytes`: 1 MiB and the batch header.
const MAX_MESSAGE_BYTES: u64 = 1_048_588;
/// Kafka's own default of `retention.ms`: seven days.
const RETENTION_HOURS: u64 = 168;
/// Kinesis's own largest record, where AWS names no other.
const MAX_RECORD_KIB: u32 = 1024;
/// MSK makes topics of clusters with this version or later.
const FIRST_VERSION: (u32, u32) = (3, 6);

/// Decides what becomes of the topic: `None` where it is there and not the stack's.
pub(super) fn choose(
    settings: &Settings,
    seen: &Seen,
    cluster: &PlannedCluster,
    pipeline: &str,
    notes: &mut Notes,
) -> Result<Option<NewTopic>, PlanError> {
    let name = &settings.topic.value;
    let logical_id = format!("{pipeline}Topic");
    let own = seen
        .stack
        .as_ref()
        .filter(|stack| stack.has(&logical_id, "TopicName", name));
    limits(settings, seen, notes);
    if let Some(stack) = own {
        return kept(settings, seen, stack, cluster, &logical_id, notes).map(Some);
    }
    match seen.topic {
        Fact::Found { value } => {
            notes.decide(
                "topic",
                format!(
                    "{name}, which is there: {}",
                    shape(value.partitions, value.replication_factor)
                ),
                why(&settings.topic, "the stream's name"),
            );
            let ignored = settings.topic_partitions.as_ref();
            if let Some(setting) = ignored.filter(|setting| setting.value != value.partitions) {
                notes.warn(format!(
                    "topic_partitions {} ({}) has no effect: the topic {name} is there, with {}, and is not the stack's",
                    setting.value, setting.source, value.partitions
                ));
            }
            Ok(None)
        }
        Fact::Unreadable(reason) => {
            let action = reason.missing_action.as_deref();
            let next = action
                .map(|action| format!("; allow {action} to see it"))
                .unwrap_or_default();
            notes.decide("topic", name, why(&settings.topic, "the stream's name"));
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
        Fact::Absent => made(settings, seen, cluster, notes).map(Some),
    }
}

/// A topic that the stack has: it stays there, or CloudFormation would take it for one to let go.
fn kept(
    settings: &Settings,
    seen: &Seen,
    stack: &Standing,
    cluster: &PlannedCluster,
    logical_id: &str,
    notes: &mut Notes,
) -> Result<NewTopic, PlanError> {
    let name = &settings.topic.value;
    let seen_topic = seen.topic.found();
    let number = |property, of: fn(&Topic) -> u32| {
        let deployed = stack.value(logical_id, property).and_then(serde_yaml::Value::as_u64);
        let deployed = deployed.and_then(|number| u32::try_from(number).ok());
        deployed.or(seen_topic.map(of)).ok_or_else(|| PlanError::Missing {
            what: format!("{property} of the stack's topic {name}"),
        })
    };
    let deployed = number("PartitionCount", |topic| topic.partitions)?;
    let replication_factor = number("ReplicationFactor", |topic| topic.replication_factor)?;
    let partitions = match &settings.topic_partitions {
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
    if seen.topic.is_absent() {
        notes.warn(format!(
            "the stack has the topic {name}, but it is gone, and CloudFormation does not look; run\n  {}",
            command(cluster, name, partitions, replication_factor)
        ));
    }
    notes.decide(
        "topic",
        format!("{name}, of the stack: {}", shape(partitions, replication_factor)),
        "an earlier deployment made it; it stays when the stack goes",
    );
    Ok(NewTopic {
        partitions,
        replication_factor,
        unconfirmed: false,
        exists: true,
    })
}

/// A topic that nobody has.
fn made(settings: &Settings, seen: &Seen, cluster: &PlannedCluster, notes: &mut Notes) -> Result<NewTopic, PlanError> {
    let name = &settings.topic.value;
    let brokers = u32::try_from(seen.brokers.len()).unwrap_or(u32::MAX);
    let shards = seen.stream.open_shards;
    let (partitions, replication_factor) = new_shape(settings, shards, brokers);
    let command = command(cluster, name, partitions, replication_factor);
    if let Some(setting) = settings.create_topic.as_ref().filter(|setting| !setting.value) {
        return Err(PlanError::NoTopic {
            topic: name.clone(),
            by: setting.source.clone(),
            command,
        });
    }
    if let Some(reason) = unmakable(seen.cluster) {
        return Err(PlanError::CannotMakeTopic {
            topic: name.clone(),
            reason,
            command,
        });
    }
    if let Some(setting) = settings
        .topic_replication_factor
        .as_ref()
        .filter(|setting| setting.value > brokers)
    {
        let reason =
            format!("the cluster has {brokers} brokers, and each holds one replica at most; choose {brokers} or less");
        return Err(wrong(name, "topic_replication_factor", setting, reason));
    }
    if let Some(setting) = settings.topic_partitions.as_ref().filter(|setting| setting.value == 0) {
        return Err(wrong(
            name,
            "topic_partitions",
            setting,
            "a topic has 1 or more".to_owned(),
        ));
    }
    let confirmed = settings.create_topic.is_some();
    let partitions_why = match &settings.topic_partitions {
        Some(setting) => format!("partitions {}", why(setting, "")),
        None => {
            format!("as many partitions as shards are open ({shards}), and one for each broker at least ({brokers})")
        }
    };
    let replicas_why = match &settings.topic_replication_factor {
        Some(setting) => format!("replicas {}", why(setting, "")),
        None => "three replicas, or as many as there are brokers".to_owned(),
    };
    let asked = if confirmed {
        ""
    } else {
        "; to be confirmed, since nobody said whether it may be created"
    };
    notes.decide(
        "topic",
        format!("{name}, to be created: {}", shape(partitions, replication_factor)),
        format!("it does not exist; {partitions_why}; {replicas_why}{asked}"),
    );
    Ok(NewTopic {
        partitions,
        replication_factor,
        unconfirmed: !confirmed,
        exists: false,
    })
}

/// Partitions and replicas of a topic that is made.
pub(crate) fn new_shape(settings: &Settings, shards: u32, brokers: u32) -> (u32, u32) {
    let chosen = |setting: &Option<Setting<u32>>| setting.as_ref().map(|setting| setting.value);
    (
        chosen(&settings.topic_partitions).unwrap_or(shards.max(brokers).max(1)),
        chosen(&settings.topic_replication_factor).unwrap_or(brokers.min(3)),
    )
}

/// Why CloudFormation can't make a topic of this cluster.
pub(crate) fn unmakable(cluster: &Cluster) -> Option<String> {
    let (major, minor) = FIRST_VERSION;
    let version = cluster.kafka_version.as_deref();
    if version.and_then(numbers).is_none_or(|numbers| numbers < FIRST_VERSION) {
        let version = version.unwrap_or("of an unknown version");
        return Some(format!(
            "MSK makes topics from Kafka {major}.{minor} on, and the cluster's is {version}"
        ));
    }
    let state = &cluster.state;
    (state != "ACTIVE")
        .then(|| format!("MSK makes topics while the cluster is ACTIVE, and it is {state}, so try again later"))
}

/// The first two numbers of a version such as `3.7.x.kraft`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn command(cluster: &PlannedCluster, topic: &str, partitions: u32, replication_factor: u32) -> String {
    let (command, file) = create_command(
        &cluster.bootstrap_servers,
        cluster.authentication,
        topic,
        partitions,
        replication_factor,
    );
    let hint = file
        .map(|file| format!("\n  with {file} in client.properties"))
        .unwrap_or_default();
    format!("{command}{hint}")
}

/// Kafka's own command that makes a topic, and what its client.properties hold where it needs some.
pub(crate) fn create_command(
    servers: &str,
    authentication: Authentication,
    topic: &str,
    partitions: u32,
    replication_factor: u32,
) -> (Command, Option<&'static str>) {
    let file = match authentication {
        Authentication::Plaintext => None,
        Authentication::Tls => Some("security.protocol=SSL"),
        Authentication::Iam => Some("the settings of AWS's library aws-msk-iam-auth"),
    };
    let mut command = Command::new("kafka-topics.sh").option("--bootstrap-server", servers);
    if file.is_some() {
        command = command.option("--command-config", "client.properties");
    }
    let command = command
        .flag("--create")
        .option("--topic", topic)
        .option("--partitions", &partitions.to_string())
        .option("--replication-factor", &replication_factor.to_string());
    (command, file)
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

fn shape(partitions: u32, replication_factor: u32) -> String {
    let count = |number, one, many| format!("{number} {}", if number == 1 { one } else { many });
    format!(
        "{}, {} of each",
        count(partitions, "partition", "partitions"),
        count(replication_factor, "replica", "replicas")
    )
}

/// Bytes of the largest batch of records that the topic takes, as far as anybody says.
pub(super) fn max_message_bytes(seen: &Seen) -> u64 {
    let of_topic = seen
        .topic
        .found()
        .and_then(|topic| topic.settings.get("max.message.bytes"));
    of_topic
        .map(String::as_str)
        .or_else(|| seen.property("message.max.bytes"))
        .and_then(|bytes| bytes.parse().ok())
        .unwrap_or(MAX_MESSAGE_BYTES)
}

/// Hours that the topic keeps a message; none where it keeps them for ever, or where the time of arrival doesn't matter.
fn retention_hours(seen: &Seen) -> Option<u64> {
    let topic = seen.topic.found().map(|topic| &topic.settings);
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
fn limits(settings: &Settings, seen: &Seen, notes: &mut Notes) {
    let name = &settings.topic.value;
    let kept = u64::from(seen.stream.retention_hours);
    let from_the_start = settings.starting_position.value != StartingPosition::Latest;
    if let Some(hours) = retention_hours(seen).filter(|hours| *hours < kept && from_the_start) {
        notes.warn(format!(
            "the topic {name} keeps messages for {hours} hours, the stream for {kept}: a message has the time of its record, so Kafka deletes what is \
             older than {hours} hours soon after it arrives; raise retention.ms of the topic, or begin at LATEST"
        ));
    }
    let record = u64::from(seen.stream.max_record_kib.unwrap_or(MAX_RECORD_KIB)) * 1024;
    let limit = max_message_bytes(seen);
    if limit < record {
        notes.warn(format!(
            "the topic {name} takes messages of up to {limit} bytes (max.message.bytes), the stream records of up to {record}: a larger record goes to the \
             failure destination; raise max.message.bytes of the topic"
        ));
    }
}

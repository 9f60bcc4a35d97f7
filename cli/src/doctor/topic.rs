//! T: the topic.

use super::authentication::servers;
use super::{Case, Outcome};
use crate::facts::Fact;
use crate::plan::topic::{create_command, new_shape, unmakable};
use crate::settings::Authentication;
use crate::shell::Command;

/// MSK's default where a cluster has no configuration of its own.
const AUTO_CREATE_DEFAULT: &str = "false";

/// Whether the topic of the settings is there.
pub(super) fn exists(case: &Case<'_>) -> Outcome {
    let name = &case.settings.topic.value;
    match &case.facts.topic {
        Fact::Found { value } => Outcome::pass(format!(
            "{name} has {} partitions, {} replicas of each",
            value.partitions, value.replication_factor
        )),
        Fact::Absent => absent(case, name),
        // Not every cluster tells of its topics; a batch that was delivered does.
        Fact::Unreadable(why) => match case
            .facts
            .mapping
            .found()
            .and_then(|mapping| mapping.last_result.as_deref())
        {
            Some("OK") if same_topic(case) => Outcome::pass(format!(
                "{name}: MSK does not say ({}), but the last batch was delivered to it",
                why.message
            )),
            _ => Outcome::unreadable(why),
        },
    }
}

fn absent(case: &Case<'_>, name: &str) -> Outcome {
    const SETTING: &str = "auto.create.topics.enable";
    let configured = match &case.facts.configuration {
        Fact::Found { value } => Some(value.get(SETTING).map_or(AUTO_CREATE_DEFAULT, String::as_str)),
        Fact::Absent => Some(AUTO_CREATE_DEFAULT),
        Fact::Unreadable(_) => None,
    };
    let iam = case.authentication() == "iam" && case.facts.function.found().is_some();
    let (deploys, create) = creation(case, name);
    let steps = |evidence: String| Outcome::Fail {
        evidence: match &deploys {
            Ok(_) => vec![evidence],
            Err(why) => vec![evidence, why.clone()],
        },
        fix: deploys.clone().into_iter().chain(create.clone()).collect(),
    };
    match configured {
        Some("true") if iam => steps(format!(
            "{name} is not in the cluster; {SETTING} is true, but the function's role has no kafka-cluster:CreateTopic, so nothing creates it"
        )),
        Some("true") => Outcome::warn(
            format!(
                "{name} is not in the cluster; {SETTING} is true: the first record creates it with the brokers' defaults"
            ),
            [
                "to choose its partitions:".to_owned(),
                deploys.unwrap_or_else(|_| create.join(" ")),
            ],
        ),
        Some(value) => steps(format!(
            "{name} is not in the cluster, and {SETTING} is {value}: nothing creates it"
        )),
        None => steps(format!("{name} is not in the cluster ({SETTING} could not be read)")),
    }
}

/// The deployment that creates the topic, or why none does; and the commands that create it without.
fn creation(case: &Case<'_>, name: &str) -> (Result<String, String>, Vec<String>) {
    let cluster = case.facts.cluster.found();
    let shards = case.facts.stream.found().map_or(1, |stream| stream.open_shards);
    let brokers = case.facts.brokers.found().map_or(1, Vec::len);
    let brokers = u32::try_from(brokers).unwrap_or(u32::MAX).max(1);
    let (partitions, replicas) = new_shape(case.settings, shards, brokers);
    let own = own(case, name);
    let (partitions, replicas) = own.map_or((partitions, replicas), |(own_partitions, own_replicas)| {
        (own_partitions.unwrap_or(partitions), own_replicas.unwrap_or(replicas))
    });
    let unmakable = cluster.and_then(unmakable);
    let deploys = if own.is_some() {
        Err(
            "changed outside the stack: its topic is gone; CloudFormation takes it to be there, so k2m deploy does not create it again"
                .to_owned(),
        )
    } else if let Some(why) = &unmakable {
        Err(format!("CloudFormation can't create it: {why}"))
    } else {
        Ok(case.deploy(&[("--create-topic", "true")]))
    };
    let mut commands = Vec::new();
    if unmakable.is_none() && own.is_some() {
        let command = Command::new("aws kafka create-topic")
            .option("--cluster-arn", case.settings.cluster.value.as_str())
            .option("--topic-name", name)
            .option("--partition-count", &partitions.to_string())
            .option("--replication-factor", &replicas.to_string())
            .option("--region", &case.settings.cluster.value.region);
        commands.push(command.to_string());
    }
    let way = match case.authentication() {
        "iam" => Authentication::Iam,
        "plaintext" => Authentication::Plaintext,
        _ => Authentication::Tls,
    };
    let servers = cluster
        .map(|cluster| servers(cluster, way.name()))
        .filter(|servers| !servers.is_empty());
    let servers = servers.unwrap_or_else(|| "HOST:PORT".to_owned());
    let (command, file) = create_command(&servers, way, name, partitions, replicas);
    let file = file
        .map(|file| format!(", with {file} in client.properties"))
        .unwrap_or_default();
    let or = if deploys.is_ok() || !commands.is_empty() {
        "or "
    } else {
        ""
    };
    commands.push(format!("{or}from a machine that reaches the brokers{file}:"));
    commands.push(command.to_string());
    (deploys, commands)
}

/// Partitions and replicas of the topic as far as they are known, where it is the stack's.
fn own(case: &Case<'_>, name: &str) -> Option<(Option<u32>, Option<u32>)> {
    let stack = case.stack().ok()?;
    if let Some(known) = case.drift.known() {
        return known.topic(name);
    }
    // A topic's physical id is its ARN.
    let is = |id: &String| id.contains(":topic/") && id.ends_with(&format!("/{name}"));
    stack.resources.values().any(is).then_some((None, None))
}

/// Whether the function is told the topic of the settings.
pub(super) fn same(case: &Case<'_>) -> Outcome {
    if let Err(outcome) = case.function() {
        return outcome;
    }
    let wanted = &case.settings.topic.value;
    match case.variable("K2M_TOPIC") {
        Some(topic) if topic == wanted => Outcome::pass(format!("K2M_TOPIC is {topic}")),
        Some(topic) => Outcome::warn(
            format!(
                "the function writes to {topic} (K2M_TOPIC), the settings say {wanted} ({})",
                case.settings.topic.source
            ),
            [
                case.deploy(&[]),
                "that writes to the topic of the settings; --topic judges the function's".to_owned(),
            ],
        ),
        None => Outcome::fail("K2M_TOPIC is not set: the handler stops at its start", case.deploy(&[])),
    }
}

fn same_topic(case: &Case<'_>) -> bool {
    case.variable("K2M_TOPIC") == Some(case.settings.topic.value.as_str())
}

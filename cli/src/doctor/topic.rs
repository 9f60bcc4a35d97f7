//! T: the topic.

use super::{Case, Outcome};
use crate::facts::Fact;

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
    let create = format!(
        "kafka-topics.sh --create --topic {name} --bootstrap-server HOST:PORT, from a machine that reaches the brokers"
    );
    let steps = |evidence: String| Outcome::Fail {
        evidence: vec![evidence],
        fix: vec!["k2m deploy --create-topic".to_owned(), format!("or: {create}")],
    };
    match configured {
        Some("true") if iam => steps(format!(
            "{name} is not in the cluster; {SETTING} is true, but the function's role has no kafka-cluster:CreateTopic, so nothing creates it"
        )),
        Some("true") => Outcome::warn(
            format!(
                "{name} is not in the cluster; {SETTING} is true: the first record creates it with the brokers' defaults"
            ),
            format!("to choose its partitions: k2m deploy --create-topic, or {create}"),
        ),
        Some(value) => steps(format!(
            "{name} is not in the cluster, and {SETTING} is {value}: nothing creates it"
        )),
        None => steps(format!("{name} is not in the cluster ({SETTING} could not be read)")),
    }
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
            "k2m deploy, to write to the topic of the settings; else --topic, to judge the function's",
        ),
        None => Outcome::fail(
            "K2M_TOPIC is not set: the handler stops at its start",
            "k2m deploy: it sets the function's variables",
        ),
    }
}

fn same_topic(case: &Case<'_>) -> bool {
    case.variable("K2M_TOPIC") == Some(case.settings.topic.value.as_str())
}

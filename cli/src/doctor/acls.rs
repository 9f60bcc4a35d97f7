//! A: Kafka's own rules (ACLs), where nothing else explains that brokers refuse what the function does.

use k2m_handler::probe::report::{Failure, Step};

use super::topic::{from_a_machine, reached_at, way};
use super::{Case, Outcome, given};
use crate::facts::{Fact, Probe};
use crate::plan::topic::client_properties;
use crate::settings::Authentication;
use crate::shell::Command;

/// The broker setting that lets everybody do what no rule is about; MSK has it switched on.
const OPEN: &str = "allow.everyone.if.no.acl.found";
/// What brokers and librdkafka say.
const OF_TOPIC: [&str; 2] = ["TopicAuthorizationFailed", "Topic authorization failed"];
const OF_CLUSTER: [&str; 2] = ["ClusterAuthorizationFailed", "Cluster authorization failed"];

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refused {
    /// These operations on a topic.
    Topic(String, &'static [&'static str]),
    /// Writing idempotently.
    Cluster,
}

/// Whether Kafka's rules let the function do what it does.
pub(super) fn allowed(case: &Case<'_>) -> Outcome {
    given!(case.function());
    let authentication = way(case);
    if authentication == Authentication::Iam {
        return Outcome::skip("over IAM the role's rights decide, and no rules of Kafka's own, see K2M-A03");
    }
    let (refused, whence) = match &case.seen.probe {
        Some(Fact::Found {
            value: Probe::Answered(report),
        }) if report.cluster.is_some() => (of_failures(&report.failures), "the brokers told the function so"),
        _ if !failed(case) => (Vec::new(), ""),
        _ => match &case.seen.log {
            Some(Fact::Unreadable(why)) => return Outcome::unreadable(why),
            _ => (of_log(case), "its log says so, and the last batch failed"),
        },
    };
    if refused.is_empty() {
        return match &case.seen.probe {
            Some(Fact::Found {
                value: Probe::Answered(report),
            }) if report.cluster.is_some() => Outcome::pass("no broker refuses what the function does"),
            _ => Outcome::skip("no broker is known to have refused anything, see K2M-P01 to K2M-P03"),
        };
    }
    let properties = case.facts.configuration.found();
    let closed = properties
        .and_then(|properties| properties.get(OPEN))
        .is_some_and(|value| value == "false");
    let because = if closed {
        format!("{OPEN} is false, so that only whom an ACL names may")
    } else {
        "an ACL is about it, so that only whom one names may".to_owned()
    };
    let (who, note) = principal(authentication);
    let mut evidence = Vec::new();
    let mut fix = vec![from_a_machine(
        "as a user who may change ACLs, ",
        client_properties(authentication),
    )];
    for one in &refused {
        let (what, command) = match one {
            Refused::Topic(topic, operations) => {
                let command = operations
                    .iter()
                    .fold(add(case, authentication, &who), |command, operation| {
                        command.option("--operation", operation)
                    });
                (
                    format!("{} on topic {topic}", operations.join(" and ")),
                    command.option("--topic", topic),
                )
            }
            Refused::Cluster => (
                "IdempotentWrite on the cluster".to_owned(),
                add(case, authentication, &who)
                    .option("--operation", "IdempotentWrite")
                    .flag("--cluster"),
            ),
        };
        evidence.push(format!("Kafka's own rules deny {who} {what}: {whence}; {because}"));
        fix.push(command.to_string());
    }
    fix.extend(note.map(str::to_owned));
    Outcome::Fail { evidence, fix }
}

fn add(case: &Case<'_>, authentication: Authentication, who: &str) -> Command {
    let mut command = Command::new("kafka-acls.sh").option("--bootstrap-server", &reached_at(case));
    if client_properties(authentication).is_some() {
        command = command.option("--command-config", "client.properties");
    }
    command.flag("--add").option("--allow-principal", who)
}

/// Whom Kafka takes the function for, and where a name is told that is not known here.
fn principal(authentication: Authentication) -> (String, Option<&'static str>) {
    match authentication {
        Authentication::Scram => (
            "User:NAME".to_owned(),
            Some("NAME is the field `username` of the function's secret"),
        ),
        Authentication::MutualTls => (
            "User:SUBJECT".to_owned(),
            Some(
                "SUBJECT is the distinguished name of the function's certificate, as `openssl x509 -noout -subject -nameopt RFC2253` writes it, unless the brokers' \
                 ssl.principal.mapping.rules make another of it",
            ),
        ),
        Authentication::Plaintext | Authentication::Tls | Authentication::Iam => ("User:ANONYMOUS".to_owned(), None),
    }
}

/// The same, each topic once.
fn of_failures(failures: &[Failure]) -> Vec<Refused> {
    let mut refused: Vec<Refused> = Vec::new();
    for one in failures.iter().filter_map(of_failure) {
        let same = |known: &Refused| match (known, &one) {
            (Refused::Topic(known, _), Refused::Topic(topic, _)) => known == topic,
            (known, one) => known == one,
        };
        if !refused.iter().any(same) {
            refused.push(one);
        }
    }
    refused
}

/// What the probe was refused, where it is a matter of rules.
fn of_failure(failure: &Failure) -> Option<Refused> {
    let says = |words: [&str; 2]| words.iter().any(|words| failure.detail.contains(words));
    let topic = || failure.topic.clone().unwrap_or_default();
    match failure.step {
        Step::Topic if says(OF_TOPIC) => Some(Refused::Topic(topic(), &["Describe", "Write"])),
        Step::Write | Step::Canary if says(OF_TOPIC) => Some(Refused::Topic(topic(), &["Write"])),
        Step::IdempotentWrite if says(OF_CLUSTER) => Some(Refused::Cluster),
        _ => None,
    }
}

/// Whether the last batch failed: else what the log says may be over.
fn failed(case: &Case<'_>) -> bool {
    let mapping = case.seen.mapping.found();
    let result = mapping.and_then(|mapping| mapping.last_result.as_deref());
    result.is_some_and(|result| result.starts_with("PROBLEM"))
}

/// What the log says was refused.
fn of_log(case: &Case<'_>) -> Vec<Refused> {
    let sightings = case.seen.log.as_ref().and_then(Fact::found).into_iter().flatten();
    let topic = case.variable("K2M_TOPIC").unwrap_or(&case.pipeline.topic.value);
    let mut refused = Vec::new();
    for sighting in sightings {
        let says = |words: [&str; 2]| words.iter().any(|words| sighting.signature.contains(words));
        if says(OF_TOPIC) {
            refused.push(Refused::Topic(topic.to_owned(), &["Describe", "Write"]));
        }
        if says(OF_CLUSTER) {
            refused.push(Refused::Cluster);
        }
    }
    refused
}

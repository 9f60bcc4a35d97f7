//! T: whether topics keep records safely, and can be written while a broker restarts.

use k2m_handler::probe::report::Report;
use serde_json::json;

use super::topic::{brokers, from_a_machine, reached_at, serverless, way};
use super::{Case, NOT_MSK, Outcome};
use crate::facts::{Fact, Probe, Topic};
use crate::plan::topic::{client_properties, configure_command};
use crate::shell::Command;

/// How many replicas have to take a record before it is acknowledged.
const NEEDED: &str = "min.insync.replicas";

/// What is found of one topic after another.
#[derive(Default)]
struct Found {
    broken: Vec<String>,
    doubtful: Vec<String>,
    well: Vec<String>,
    fix: Vec<String>,
}

/// Whether each topic of the pipeline that MSK tells of has replicas to spare.
pub(super) fn safe(case: &Case<'_>) -> Outcome {
    if case.settings.cluster().is_none() {
        return Outcome::skip(NOT_MSK);
    }
    if serverless(case) {
        return Outcome::skip("a serverless cluster decides of its replicas itself");
    }
    let pipeline = case.pipeline;
    let dead_letter = pipeline.dead_letter_topic.as_ref().map(|topic| topic.value.as_str());
    let names = std::iter::once(pipeline.topic.value.as_str())
        .chain(pipeline.mapped_topics())
        .chain(dead_letter);
    let topics: Vec<&Topic> = names.filter_map(|name| case.topic(name)?.found()).collect();
    if topics.is_empty() {
        return Outcome::skip("MSK tells of none of the topics, see K2M-T01");
    }
    let (mut found, mut unread) = (Found::default(), None);
    for topic in topics {
        let own = topic.settings.get(NEEDED);
        let needed = match (own, &case.facts.configuration) {
            (Some(own), _) => Some((own.as_str(), "its own")),
            (None, Fact::Found { value }) => value.get(NEEDED).map(|needed| (needed.as_str(), "the cluster's")),
            (None, Fact::Absent) => None,
            (None, Fact::Unreadable(why)) => {
                unread = Some(why);
                None
            }
        };
        let needed = needed.and_then(|(needed, whose)| Some((needed.parse().ok()?, whose)));
        look(case, topic, needed, &mut found);
    }
    let Found {
        broken,
        doubtful,
        well,
        fix,
    } = found;
    match (broken.is_empty(), doubtful.is_empty(), unread) {
        (false, ..) => Outcome::Fail {
            evidence: broken.into_iter().chain(doubtful).collect(),
            fix,
        },
        (true, false, _) => Outcome::Warn {
            evidence: doubtful,
            fix,
        },
        (true, true, Some(why)) => Outcome::unreadable(why),
        (true, true, None) => Outcome::Pass { evidence: well },
    }
}

fn look(case: &Case<'_>, topic: &Topic, needed: Option<(u32, &str)>, found: &mut Found) {
    let Topic {
        name,
        replication_factor: replicas,
        ..
    } = topic;
    let replicas = *replicas;
    let known = brokers(case);
    let is_known = case.facts.brokers.found().is_some_and(|brokers| !brokers.is_empty());
    let mut well = true;
    if replicas == 1 && is_known && known > 1 {
        well = false;
        found.doubtful.push(format!(
            "{name} has 1 replica of each partition: what the broker that has it loses is lost, and while it restarts nothing is written there"
        ));
        more_replicas(case, name, known, &mut found.fix);
    }
    if is_known && replicas > known {
        well = false;
        found.doubtful.push(format!(
            "{name} has {replicas} replicas of each partition, and MSK shows {known} broker(s): the others are nowhere"
        ));
        more_replicas(case, name, known, &mut found.fix);
    }
    if let Some((needed, whose)) = needed {
        let fewer = replicas.saturating_sub(1).max(1);
        let mut lower = || {
            let setting = format!("{NEEDED}={fewer}");
            let (command, file) = configure_command(&reached_at(case), way(case), name, &setting);
            push(&mut found.fix, [from_a_machine("", file), command.to_string()]);
        };
        if needed > replicas {
            well = false;
            lower();
            found.broken.push(format!(
                "{name} has {replicas} replica(s) of each partition, and {NEEDED} ({whose}) is {needed}: brokers refuse every record (`Not enough in-sync replicas`)"
            ));
        } else if needed == replicas && replicas > 1 {
            well = false;
            lower();
            found.doubtful.push(format!(
                "{name} has {replicas} replicas of each partition, and {NEEDED} ({whose}) is {needed}: while one broker restarts, as for each update of MSK, nothing is \
                 written and records wait"
            ));
        } else if let Some(partition) = behind(case, name, needed) {
            well = false;
            found.broken.push(partition);
            let cluster = case.facts.cluster.found().map_or("", |cluster| cluster.arn.as_str());
            let list = Command::new("aws kafka list-nodes")
                .option("--cluster-arn", cluster)
                .option("--region", case.settings.brokers_region());
            push(
                &mut found.fix,
                [
                    "wait until the brokers that are down or behind are back; which there are:".to_owned(),
                    list.to_string(),
                ],
            );
        }
    }
    if well {
        let said = match needed {
            Some((needed, whose)) => format!(", {needed} of which have to take a record ({NEEDED}, {whose})"),
            None => String::new(),
        };
        found
            .well
            .push(format!("{name}: {replicas} replicas of each partition{said}"));
        found.well.extend(narrow(case, topic));
    }
}

/// No command of MSK's gives a topic another number of replicas.
fn more_replicas(case: &Case<'_>, name: &str, brokers: u32, fix: &mut Vec<String>) {
    let wanted = brokers.min(3);
    let numbers = case.facts.brokers.found().into_iter().flatten().map(|broker| broker.id);
    let replicas: Vec<i64> = numbers.map(i64::from).take(wanted as usize).collect();
    let plan = json!({"version": 1, "partitions": [{"topic": name, "partition": 0, "replicas": replicas}]});
    let needed = client_properties(way(case));
    let mut command = Command::new("kafka-reassign-partitions.sh").option("--bootstrap-server", &reached_at(case));
    if needed.is_some() {
        command = command.option("--command-config", "client.properties");
    }
    let command = command
        .option("--reassignment-json-file", "replicas.json")
        .flag("--execute");
    push(
        fix,
        [
            format!(
                "give {name} {wanted} replicas, which copies its data; replicas.json names {wanted} brokers for each partition, the first another each time: `{plan}`"
            ),
            from_a_machine("", needed),
            command.to_string(),
        ],
    );
}

fn push<const N: usize>(fix: &mut Vec<String>, steps: [String; N]) {
    for step in steps {
        if !fix.contains(&step) {
            fix.push(step);
        }
    }
}

/// A partition that too few replicas keep up with, as the function sees it.
fn behind(case: &Case<'_>, name: &str, needed: u32) -> Option<String> {
    let Some(Fact::Found {
        value: Probe::Answered(report),
    }) = &case.seen.probe
    else {
        return None;
    };
    let report: &Report = report;
    let topic = report.topics.iter().find(|topic| topic.name == name)?;
    let needed = usize::try_from(needed).ok()?;
    let partition = topic.partitions.iter().find(|partition| partition.in_sync < needed)?;
    Some(format!(
        "partition {} of {name} has {} of {} replicas in sync, and {NEEDED} is {needed}: brokers refuse every record for it (`Not enough in-sync replicas`)",
        partition.number, partition.in_sync, partition.replicas
    ))
}

/// A note where fewer partitions than batches at the same time take turns; nothing is wrong with that.
fn narrow(case: &Case<'_>, topic: &Topic) -> Option<String> {
    let stream = case.seen.stream.found()?;
    let factor = case.seen.mapping.found()?.parallelization_factor.unwrap_or(1);
    let at_once = stream.open_shards.saturating_mul(factor);
    let is_own = topic.name == case.pipeline.topic.value;
    (is_own && topic.partitions < at_once).then(|| {
        format!(
            "{} has {} partition(s), and up to {at_once} batches come at the same time: no more consumers of a group than partitions work at once",
            topic.name, topic.partitions
        )
    })
}

//! T: the topic.

use super::authentication::servers;
use super::rights::told;
use super::{Case, NOT_MSK, Outcome, given, lost};
use crate::facts::deployed::pipeline_id;
use crate::facts::{Fact, Facts, Probe, Topic, Unreadable};
use crate::plan::topic::{
    Shape, busy, configs_of, create_command, dead_letter_bytes, dead_letter_shape, is_serverless, lacking, limit_of,
    new_shape, raise_command, too_small,
};
use crate::settings::{Authentication, Preset, Settings, Source, parse};
use crate::shell::Command;

/// MSK's default where a cluster has no configuration of its own.
pub(super) const AUTO_CREATE_DEFAULT: &str = "false";

/// A topic that should be there.
struct Wanted<'a> {
    name: &'a str,
    /// Partitions and replicas, where it is created.
    shape: Shape,
    /// Its own `max.message.bytes`, where it is created.
    max_message_bytes: Option<u64>,
}

/// Whether the topic of the settings is there, and each that their map leads to.
pub(super) fn exists(case: &Case<'_>) -> Outcome {
    if case.settings.cluster().is_none() {
        return Outcome::skip(NOT_MSK);
    }
    if let Some(unknown) = case.no_topic() {
        return unknown;
    }
    let mapped = case.pipeline.mapped_topics().into_iter();
    let mapped = mapped.map(|name| match case.topic(name) {
        Some(Fact::Found { value }) => Outcome::pass(shape(name, value)),
        Some(Fact::Absent) => unlisted(case, name).unwrap_or_else(|| absent(case, &wanted(case, name))),
        Some(Fact::Unreadable(why)) => of_probe(case, &wanted(case, name), why),
        None => Outcome::Unknown {
            why: format!("the facts say nothing of {name}; inspect again with the same topic_map"),
            missing_action: None,
        },
    });
    all(std::iter::once(of_pipeline(case)).chain(mapped))
}

/// One outcome of many: what is broken counts first, then what isn't known; and each is named.
fn all(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let (mut seen, mut broken, mut steps, mut unknown) = (Vec::new(), Vec::new(), Vec::<String>::new(), Vec::new());
    let (mut fails, mut unsure, mut action) = (false, false, None);
    for outcome in outcomes {
        fails |= matches!(outcome, Outcome::Fail { .. });
        match outcome {
            Outcome::Pass { evidence } => seen.extend(evidence),
            Outcome::Warn { evidence, fix } | Outcome::Fail { evidence, fix } => {
                broken.extend(evidence);
                // One deployment creates all of them.
                let new = |step: &String| !(step.starts_with("k2m deploy") && steps.contains(step));
                let fix: Vec<String> = fix.into_iter().filter(new).collect();
                steps.extend(fix);
            }
            Outcome::Unknown { why, missing_action } => {
                unknown.push(why);
                unsure = true;
                action = action.or(missing_action);
            }
            Outcome::Skip { why } => unknown.push(why),
        }
    }
    if broken.is_empty() && unknown.is_empty() {
        return Outcome::Pass { evidence: seen };
    }
    if broken.is_empty() && !unsure {
        return Outcome::skip(unknown.join("; "));
    }
    if broken.is_empty() {
        return Outcome::Unknown {
            why: unknown.join("; "),
            missing_action: action,
        };
    }
    let (evidence, fix) = (broken.into_iter().chain(unknown).collect(), steps);
    if fails {
        Outcome::Fail { evidence, fix }
    } else {
        Outcome::Warn { evidence, fix }
    }
}

/// The topic as a deployment would create it.
fn wanted<'a>(case: &Case<'_>, name: &'a str) -> Wanted<'a> {
    let shards = case.seen.stream.found().map_or(1, |stream| stream.open_shards);
    Wanted {
        name,
        shape: new_shape(case.pipeline, shards, brokers(case), unseen(case)),
        max_message_bytes: None,
    }
}

/// The dead-letter topic as a deployment would create it.
fn wanted_dead_letter<'a>(case: &Case<'_>, name: &'a str) -> Wanted<'a> {
    let of_topic = case.topic(&case.pipeline.topic.value).and_then(Fact::found);
    let of_topic = limit_of(of_topic, |name| property(case, name));
    Wanted {
        name,
        shape: dead_letter_shape(case.pipeline, brokers(case), unseen(case)),
        max_message_bytes: Some(dead_letter_bytes(serverless(case), of_topic)),
    }
}

/// A property of the brokers' configuration, where it could be read and has it.
fn property<'a>(case: &Case<'a>, name: &str) -> Option<&'a str> {
    case.facts.configuration.found()?.get(name).map(String::as_str)
}

fn unreadable(name: &str, why: &Unreadable) -> Outcome {
    Outcome::Unknown {
        why: format!("{name} could not be read: {}", told(why)),
        missing_action: why.missing_action.clone(),
    }
}

fn of_pipeline(case: &Case<'_>) -> Outcome {
    let name = &case.pipeline.topic.value;
    match case.topic(name) {
        None => Outcome::Unknown {
            why: format!("the facts say nothing of {name}; inspect again"),
            missing_action: None,
        },
        Some(Fact::Found { value }) => Outcome::pass(shape(name, value)),
        Some(Fact::Absent) => unlisted(case, name).unwrap_or_else(|| absent(case, &wanted(case, name))),
        // Not every cluster tells of its topics; a batch that was delivered does.
        Some(Fact::Unreadable(_)) if probed(case, name) == Some(false) => absent(case, &wanted(case, name)),
        Some(Fact::Unreadable(why)) => match case
            .seen
            .mapping
            .found()
            .and_then(|mapping| mapping.last_result.as_deref())
        {
            Some("OK") if same_topic(case) => Outcome::pass(format!(
                "{name}: MSK does not say ({}), but the last batch was delivered to it",
                why.message
            )),
            _ => of_probe(case, &wanted(case, name), why),
        },
    }
}

/// A topic that MSK does not list and the function sees: what MSK tells of topics is about a minute old.
fn unlisted(case: &Case<'_>, name: &str) -> Option<Outcome> {
    (probed(case, name) == Some(true)).then(|| {
        Outcome::pass(format!(
            "{name}: the function sees it; MSK does not list it yet, which takes about a minute"
        ))
    })
}

/// Whether the function itself sees the topic, where it was asked and could tell.
pub(super) fn probed(case: &Case<'_>, name: &str) -> Option<bool> {
    let Some(Fact::Found {
        value: Probe::Answered(report),
    }) = &case.seen.probe
    else {
        return None;
    };
    report.topics.iter().find(|topic| topic.name == name)?.exists
}

/// A topic that MSK says nothing of: the function's word counts, where it has one.
fn of_probe(case: &Case<'_>, wanted: &Wanted<'_>, why: &Unreadable) -> Outcome {
    let name = wanted.name;
    match probed(case, name) {
        // Where a right is missing that is said: it would tell more than that the topic is there.
        Some(true) if why.missing_action.is_none() => Outcome::pass(format!(
            "{name}: MSK does not say ({}), but the function sees it",
            why.message
        )),
        Some(false) => absent(case, wanted),
        Some(true) | None => unreadable(name, why),
    }
}

/// Whether the dead-letter topic of the settings is there, and takes what the topic can't.
pub(super) fn dead_letter(case: &Case<'_>) -> Outcome {
    given!(case.not_foreign(": it diverts nothing as k2m's handler does"));
    let Some(topic) = &case.pipeline.dead_letter_topic else {
        return Outcome::pass("on_poison is block: what the topic can never take goes to the failure destination");
    };
    if case.settings.cluster().is_none() {
        return Outcome::skip(NOT_MSK);
    }
    let name = &topic.value;
    let property = |name: &str| property(case, name);
    let of_topic = limit_of(case.topic(&case.pipeline.topic.value).and_then(Fact::found), property);
    let wanted = wanted_dead_letter(case, name);
    match case.topic(name) {
        None => Outcome::Unknown {
            why: format!("the facts say nothing of {name}; inspect again with on_poison divert"),
            missing_action: None,
        },
        Some(Fact::Found { value }) => {
            let limit = limit_of(Some(value), property);
            if !too_small(limit, of_topic) {
                return Outcome::pass(shape(name, value));
            }
            let (command, file) = raise_command(&reached_at(case), way(case), name);
            Outcome::warn(
                format!(
                    "{name} takes messages of up to {limit} bytes (max.message.bytes), the topic of up to {of_topic}: a record that is too large for the \
                     topic is too large for it too, and is blocked after all"
                ),
                [from_a_machine("", file), command.to_string()],
            )
        }
        Some(Fact::Absent) => unlisted(case, name).unwrap_or_else(|| absent(case, &wanted)),
        Some(Fact::Unreadable(_)) if probed(case, name) == Some(false) => absent(case, &wanted),
        Some(Fact::Unreadable(why)) => Outcome::unreadable(why),
    }
}

fn shape(name: &str, topic: &Topic) -> String {
    format!(
        "{name} has {} partitions, {} replicas of each",
        topic.partitions, topic.replication_factor
    )
}

pub(super) fn brokers(case: &Case<'_>) -> u32 {
    let brokers = case.facts.brokers.found().map_or(1, Vec::len);
    u32::try_from(brokers).unwrap_or(u32::MAX).max(1)
}

pub(super) fn serverless(case: &Case<'_>) -> bool {
    is_serverless(case.facts.cluster.found())
}

/// Whether nobody sees how many brokers there are.
fn unseen(case: &Case<'_>) -> bool {
    case.settings.cluster().is_none() || serverless(case)
}

/// The function's authentication.
pub(super) fn way(case: &Case<'_>) -> Authentication {
    let name = case.authentication();
    let way = Authentication::ALL.into_iter().find(|way| way.name() == name);
    way.unwrap_or(Authentication::Tls)
}

/// The brokers as Kafka's commands are told them.
pub(super) fn reached_at(case: &Case<'_>) -> String {
    let cluster = case.facts.cluster.found();
    let servers = cluster
        .map(|cluster| servers(cluster, way(case).name()))
        .filter(|servers| !servers.is_empty());
    let told = || {
        let said = case.foreign()?.servers.found()?;
        Some(said.value.clone())
    };
    servers.or_else(told).unwrap_or_else(|| "HOST:PORT".to_owned())
}

pub(super) fn from_a_machine(or: &str, file: Option<&str>) -> String {
    let file = file
        .map(|file| format!(", with {file} in client.properties"))
        .unwrap_or_default();
    format!("{or}from a machine that reaches the brokers{file}:")
}

/// What makes brokers create a topic with the first record for it.
const SETTING: &str = "auto.create.topics.enable";

/// What the brokers' configuration says of [`SETTING`]; none where it could not be read.
fn auto_create(facts: &Facts) -> Option<&str> {
    match &facts.configuration {
        Fact::Found { value } => Some(value.get(SETTING).map_or(AUTO_CREATE_DEFAULT, String::as_str)),
        Fact::Absent => Some(AUTO_CREATE_DEFAULT),
        Fact::Unreadable(_) => None,
    }
}

fn over_iam(case: &Case<'_>) -> bool {
    // Of another's role nobody says here what it has.
    let own = case.seen.function.found().is_some() && case.foreign().is_none();
    case.authentication() == "iam" && own
}

/// Whether a topic that is missing is there with the first record for it.
pub(super) fn made_by_brokers(case: &Case<'_>) -> bool {
    brokers_make_topics(case.settings, case.facts) && !over_iam(case)
}

/// The same, of a function whose role may create topics as far as that goes.
pub(crate) fn brokers_make_topics(settings: &Settings, facts: &Facts) -> bool {
    settings.cluster().is_some() && auto_create(facts) == Some("true")
}

fn absent(case: &Case<'_>, wanted: &Wanted<'_>) -> Outcome {
    let name = wanted.name;
    let configured = auto_create(case.facts);
    let iam = over_iam(case);
    let (deploys, create) = creation(case, wanted);
    let refused = case.pipeline.create_topic.as_ref().is_some_and(|create| !create.value);
    if case.facts.stack.is_absent() && case.foreign().is_none() && deploys.is_ok() && !refused {
        return Outcome::skip(format!(
            "{name} is not in the cluster yet: nothing is deployed, and the first deployment creates it"
        ));
    }
    let steps = |evidence: String| Outcome::Fail {
        evidence: match &deploys {
            Ok(_) => vec![evidence],
            Err(why) => std::iter::once(evidence).chain(why.clone()).collect(),
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
            std::iter::once("to choose its partitions:".to_owned())
                .chain(deploys.map_or(create, |deploy| vec![deploy]))
                .collect::<Vec<_>>(),
        ),
        Some(value) => steps(format!(
            "{name} is not in the cluster, and {SETTING} is {value}: nothing creates it"
        )),
        None => steps(format!("{name} is not in the cluster ({SETTING} could not be read)")),
    }
}

/// The deployment that creates the topic, or why none does where that is worth a word; and the commands that create it without.
fn creation(case: &Case<'_>, wanted: &Wanted<'_>) -> (Result<String, Option<String>>, Vec<String>) {
    let name = wanted.name;
    let cluster = case.facts.cluster.found();
    let (partitions, replicas) = wanted.shape;
    let gone = lost::topic(case, name);
    let own = own(case, name).or_else(|| gone.as_ref().map(|_| (None, None)));
    let (partitions, replicas) = own.map_or((partitions, replicas), |(own_partitions, own_replicas)| {
        (own_partitions.unwrap_or(partitions), own_replicas.or(replicas))
    });
    let lacking = match case.settings.cluster() {
        Some(_) => cluster.and_then(|cluster| lacking(Some(cluster))),
        None => lacking(None),
    };
    let busy = cluster.and_then(busy);
    let known = case.drift.known();
    let foreign = case.foreign().is_some();
    let deploys = if foreign {
        Err(None)
    } else if known.is_some_and(|known| known.made_by_function(name, &case.settings.identity())) {
        Err(Some(
            "the stack remembers that the function made it, so k2m deploy does not have it made again".to_owned(),
        ))
    } else if own.is_some() {
        Err(Some(
            "changed outside the stack: its topic is gone; CloudFormation takes it to be there, so k2m deploy does not create it again"
                .to_owned(),
        ))
    } else if let (None, Some(why)) = (&lacking, &busy) {
        Err(Some(format!("CloudFormation can't create it: {why}")))
    } else {
        // Where MSK makes no topics the function does.
        Ok(case.deploy(&[("--create-topic", "true")]))
    };
    let mut commands = Vec::new();
    let through_stack = gone.filter(|_| lacking.is_none() && busy.is_none());
    if let Some(mend) = through_stack.and_then(|gone| lost::remake(case, vec![gone], None)) {
        let words = format!("to {}", mend.deed());
        commands.extend([case.offer(mend), words, "or by hand:".to_owned()]);
    }
    let msk = case.settings.cluster();
    let made_here = own.map(drop).or(foreign.then_some(()));
    if let (None, None, Some(()), Some(replicas), Some(arn)) = (&lacking, &busy, made_here, replicas, msk) {
        let command = Command::new("aws kafka create-topic")
            .option("--cluster-arn", arn.value.as_str())
            .option("--topic-name", name)
            .option("--partition-count", &partitions.to_string())
            .option("--replication-factor", &replicas.to_string());
        let command = match wanted.max_message_bytes {
            Some(bytes) => command.option("--configs", &configs_of(bytes)),
            None => command,
        };
        let command = command.option("--region", &arn.value.region);
        commands.push(command.to_string());
    }
    let (command, file) = create_command(&reached_at(case), way(case), name, partitions, replicas);
    let command = match wanted.max_message_bytes {
        Some(bytes) => command.option("--config", &format!("max.message.bytes={bytes}")),
        None => command,
    };
    let or = if deploys.is_ok() || !commands.is_empty() {
        "or "
    } else {
        ""
    };
    commands.push(from_a_machine(or, file));
    commands.push(command.to_string());
    (deploys, commands)
}

/// The steps that make a topic of the pipeline that is missing: a deployment where one does, else what makes it again.
pub(super) fn making(case: &Case<'_>, name: &str) -> Vec<String> {
    let dead_letter = case.pipeline.dead_letter_topic.as_ref();
    let wanted = match dead_letter.filter(|topic| topic.value == name) {
        Some(topic) => wanted_dead_letter(case, &topic.value),
        None => wanted(case, name),
    };
    let (deploys, create) = creation(case, &wanted);
    deploys.map_or(create, |deploy| vec![deploy])
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

/// Whether the function is told the topics of the settings.
pub(super) fn same(case: &Case<'_>) -> Outcome {
    given!(case.not_foreign(": there are no settings of k2m's to compare it with"));
    if let Err(outcome) = case.function() {
        return outcome;
    }
    let wanted = &case.pipeline.topic.value;
    if let Some(outcome) = no_name(case) {
        return outcome;
    }
    match case.variable("K2M_TOPIC") {
        Some(topic) if topic == wanted => same_dead_letter(case, topic),
        Some(topic) => {
            let says = format!(
                "the function writes to {topic} (K2M_TOPIC), the settings say {wanted} ({})",
                said_by(case)
            );
            let fix = [
                case.deploy(&[]),
                "that writes to the topic of the settings; --topic judges the function's".to_owned(),
            ];
            if probed(case, topic) == Some(false) && !made_by_brokers(case) {
                Outcome::fail(format!("{says}; and the function sees no {topic}"), fix)
            } else {
                Outcome::warn(says, fix)
            }
        }
        None => Outcome::fail("K2M_TOPIC is not set: the handler stops at its start", case.deploy(&[])),
    }
}

/// Who said the topic of the settings: what nobody said is the stack's own word.
fn said_by(case: &Case<'_>) -> String {
    let source = &case.pipeline.topic.source;
    let output = format!("{}Topic", pipeline_id(&case.pipeline.stream.value));
    let of_stack = case
        .stack()
        .is_ok_and(|stack| stack.outputs.get(&output) == Some(&case.pipeline.topic.value));
    match source {
        Source::Flag(_) if of_stack => format!("the stack's output {output}"),
        source => source.to_string(),
    }
}

/// That a topic of the function's is none that Kafka could have: then it does not start.
fn no_name(case: &Case<'_>) -> Option<Outcome> {
    // The handler checks both, whether it diverts or not.
    let mut wrong = ["K2M_TOPIC", "K2M_DEAD_LETTER_TOPIC"]
        .into_iter()
        .filter_map(|variable| {
            let told = case.variable(variable)?;
            Some((variable, told, parse::topic(told).err()?))
        });
    wrong.next().map(|(variable, told, why)| {
        Outcome::fail(
            format!("{variable} is {told:?}, which names no topic: {why}; the handler stops at its start"),
            case.deploy(&[]),
        )
    })
}

/// Whether the function, which writes to the right topic, does with poison what the settings say.
fn same_dead_letter(case: &Case<'_>, topic: &str) -> Outcome {
    let wanted = case.pipeline.dead_letter_topic.as_ref();
    let deployed = case
        .variable("K2M_DEAD_LETTER_TOPIC")
        .filter(|_| case.variable("K2M_ON_POISON") == Some("divert"));
    if deployed == wanted.map(|topic| topic.value.as_str()) {
        if let Some(outcome) = other_payload(case) {
            return outcome;
        }
        let and = deployed.map(|name| format!(", K2M_DEAD_LETTER_TOPIC is {name}"));
        return Outcome::pass(format!("K2M_TOPIC is {topic}{}", and.unwrap_or_default()));
    }
    let does = deployed.map_or_else(
        || "blocks what the topic can never take".to_owned(),
        |name| format!("diverts what the topic can never take to {name} (K2M_DEAD_LETTER_TOPIC)"),
    );
    let say = match wanted {
        None => format!("to block it ({})", case.pipeline.on_poison.source),
        Some(wanted) => format!("to divert it to {} ({})", wanted.value, case.pipeline.on_poison.source),
    };
    Outcome::warn(
        format!("the function {does}, the settings say {say}"),
        [
            case.deploy(&[]),
            "that does as the settings say; --on-poison and --dead-letter-topic judge the function's".to_owned(),
        ],
    )
}

/// What the function is told of the payload against what somebody chose; what nobody chose is the function's.
fn other_payload(case: &Case<'_>) -> Option<Outcome> {
    let settings = case.pipeline.payload.settings();
    let chosen = settings.iter().filter(|(_, _, source)| **source != Source::Default);
    let mut evidence = Vec::new();
    for (row, wanted, source) in chosen {
        let variable = row.variable();
        let default = match row.default {
            Preset::Is(text) => text,
            Preset::Follows(_) | Preset::Required => "nothing",
        };
        let deployed = case.variable(&variable).unwrap_or(default);
        if deployed != wanted {
            evidence.push(format!(
                "the function takes {deployed} for {} ({variable}), the settings say {wanted} ({source})",
                row.name
            ));
        }
    }
    (!evidence.is_empty()).then(|| Outcome::Warn {
        evidence,
        fix: vec![case.deploy(&[]), "that does as the settings say".to_owned()],
    })
}

fn same_topic(case: &Case<'_>) -> bool {
    case.variable("K2M_TOPIC") == Some(case.pipeline.topic.value.as_str())
}

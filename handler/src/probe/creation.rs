//! Topics that the function creates where they are missing, asked for by `{"k2m": {"createTopics": {"topics": [{"name": "orders", "partitions": 3}]}}}`:
//! with its own connections, its own identity and its own rights, and of none but the topics that it writes to. Asking again does no harm: what is there
//! is told, and never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{CreateTopicsRequest, MetadataResponse};
use kafka_protocol::protocol::StrBytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::{Instant, sleep};

use super::connect::Means;
use super::crew::{Crew, metadata_request, topic_name};
use super::report::{Failure, Millis, Purpose, Step};
use super::topic::{AGAIN, CREATION_MILLIS, leader, of_name};
use super::wire::{Wire, refused};
use super::words::{Method, Place, Trouble, explain};
use super::{Probe, WHOLE, method, topics};
use crate::config::Config;

/// The most topics of one question: more than a function can be told of.
const MOST: usize = 100;

/// What asks the brokers for as many replicas as they give a topic by themselves.
const BROKERS_DEFAULT: i16 = -1;

/// What is left of the time for the answer to the last question.
const LAST_WORD: Duration = Duration::from_millis(200);

/// The topics that are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTopics {
    /// Each once.
    #[serde(deserialize_with = "sound")]
    pub topics: Vec<Wanted>,
}

/// A topic that is to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its number of partitions, where it is missing.
    pub partitions: i32,
    /// Replicas of each; without it as many as the brokers give by themselves, which those before Kafka 2.4 don't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i16>,
    /// Settings of its own; without one the cluster's holds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, String>,
}

/// Topics that can be asked for: some, each once, with numbers that mean something.
fn sound<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Wanted>, D::Error> {
    let topics = Vec::<Wanted>::deserialize(deserializer)?;
    if topics.is_empty() {
        return Err(D::Error::custom("no topic is named"));
    }
    if topics.len() > MOST {
        return Err(D::Error::custom(format!(
            "{} topics are named, and {MOST} are the most",
            topics.len()
        )));
    }
    let mut names = BTreeSet::new();
    for topic in &topics {
        let name = topic.name.as_str();
        if !names.insert(name) {
            return Err(D::Error::custom(format!("{name} is named twice")));
        }
        if topic.partitions < 1 {
            return Err(D::Error::custom(format!(
                "the partitions of {name} are {}: say 1 or more",
                topic.partitions
            )));
        }
        if let Some(replicas) = topic.replication_factor.filter(|replicas| *replicas < 1) {
            return Err(D::Error::custom(format!(
                "the replicationFactor of {name} is {replicas}: say 1 or more, or leave it out for the brokers' own"
            )));
        }
    }
    Ok(topics)
}

/// The function's whole answer: `{"k2m": {"topics": …}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What is said of k2m itself, in place of a batch.
    pub k2m: Said,
}

/// The part of an answer that is under `k2m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What became of the topics.
    pub topics: Report,
}

/// What became of the topics. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether each is there, and has a leader for each partition.
    pub ok: bool,
    /// The function's version.
    pub version: String,
    /// How it speaks to the brokers, as `K2M_AUTHENTICATION` has it.
    pub authentication: String,
    /// Each topic, in the order in which they were asked for.
    pub topics: Vec<Became>,
    /// How long all of it took.
    pub milliseconds: Millis,
}

/// What became of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Became {
    /// Its name.
    pub name: String,
    /// In a word.
    pub outcome: Outcome,
    /// Its partitions, where the brokers show them.
    pub partitions: Option<usize>,
    /// Replicas of each, where the brokers show them.
    pub replication_factor: Option<usize>,
    /// In what it is not as it was asked for, where it was there already.
    pub differs: Option<String>,
    /// Kafka's error code, by its name, where a broker refused.
    pub code: Option<String>,
    /// Why it can't be written to, where it can't.
    pub failure: Option<Failure>,
}

/// What became of a topic, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It was missing, and is there.
    Created,
    /// It was there.
    Exists,
    /// It may not or can't be created.
    Refused,
    /// No broker could be asked.
    NotReached,
}

/// What is known of a topic so far.
#[derive(Debug, Default)]
struct State {
    /// Whether this function made it, as soon as somebody has.
    made: Option<bool>,
    /// Its partitions, and replicas of each.
    shape: Option<(usize, usize)>,
    /// Partitions without a leader.
    leaderless: Vec<i32>,
    /// Whether the speaker shows it with all of its leaders.
    led: bool,
    /// Why it is not, or can't be.
    trouble: Option<(Step, Trouble)>,
}

impl State {
    /// Whether nothing more comes of it.
    fn is_over(&self) -> bool {
        self.trouble.is_some() || self.led
    }
}

/// The lines that the log has of it.
pub(super) fn note(request_id: &str, report: &Report) {
    for topic in &report.topics {
        let outcome = match topic.outcome {
            Outcome::Created => "created",
            Outcome::Exists => "exists",
            Outcome::Refused => "refused",
            Outcome::NotReached => "not reached",
        };
        match &topic.failure {
            None => tracing::info!(
                requestId = request_id,
                topic = topic.name,
                outcome,
                differs = topic.differs.as_deref().unwrap_or_default(),
                "topic"
            ),
            Some(failure) => tracing::warn!(
                requestId = request_id,
                topic = topic.name,
                outcome,
                step = failure.step.words(),
                reason = failure.reason,
                next = failure.next,
                detail = failure.detail,
                "topic"
            ),
        }
    }
}

/// Creates what is missing, and reports by `due`.
pub(super) async fn create(request: &CreateTopics, config: &Config, due: Instant) -> Report {
    let start = Instant::now();
    let means = Means::new(method(&config.authentication), config.clone(), due.min(start + WHOLE));
    let method = means.method;
    let own: BTreeSet<String> = topics(config).into_iter().map(|(name, _)| name).collect();
    let mut states: BTreeMap<&str, State> = BTreeMap::new();
    for wanted in &request.topics {
        let strange = (!own.contains(&wanted.name)).then_some((Step::CreateTopic, Trouble::NotOwn));
        let state = State {
            trouble: strange,
            ..State::default()
        };
        states.insert(&wanted.name, state);
    }
    let mut not_reached = None;
    if states.values().any(|state| !state.is_over()) {
        let mut probe = Probe::new(method);
        let mut crew = Crew::new(means);
        let servers: Vec<&str> = config.bootstrap_servers.split(',').collect();
        crew.reach(&servers, true).await;
        if let Some(trouble) = crew.secret().await {
            probe.fail(Step::Secret, &trouble, None, None);
        }
        let names = unsettled(&states);
        match crew.metadata(&names, &mut probe).await {
            Some((metadata, _)) => {
                crew.meet(&metadata).await;
                make(&request.topics, metadata, &mut states, &mut crew).await;
            }
            None => not_reached = probe.all_failures(&crew.brokers(), false).into_iter().next(),
        }
    }
    let topics: Vec<Became> = request
        .topics
        .iter()
        .map(|wanted| {
            let state = states.remove(wanted.name.as_str()).unwrap_or_default();
            became(wanted, state, not_reached.as_ref(), method)
        })
        .collect();
    Report {
        ok: topics.iter().all(|topic| topic.failure.is_none()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        authentication: method.name().to_owned(),
        topics,
        milliseconds: start.elapsed().into(),
    }
}

/// The topics of which something may come still.
fn unsettled(states: &BTreeMap<&str, State>) -> Vec<(String, Purpose)> {
    let open = states.iter().filter(|(_, state)| !state.is_over());
    open.map(|(name, _)| ((*name).to_owned(), Purpose::Pipeline)).collect()
}

/// Looks and asks until each topic is there with its leaders, or refused, or the time is over.
async fn make(wanted: &[Wanted], mut metadata: MetadataResponse, states: &mut BTreeMap<&str, State>, crew: &mut Crew) {
    let until = crew.end() - LAST_WORD;
    loop {
        for (name, state) in states.iter_mut().filter(|(_, state)| !state.is_over()) {
            see(of_name(&metadata, name), state);
        }
        let missing: Vec<&Wanted> = wanted
            .iter()
            .filter(|wanted| {
                let state = states.get(wanted.name.as_str());
                state.is_some_and(|state| !state.is_over() && state.made.is_none())
            })
            .collect();
        if !missing.is_empty() {
            ask(&missing, &metadata, states, crew).await;
        }
        let names = unsettled(states);
        if names.is_empty() && known_to_all(states, crew).await || Instant::now() >= until {
            return;
        }
        sleep(AGAIN).await;
        // Also what the speaker shows may be gone on by others meanwhile: all that is not refused is asked for again.
        let asked = if names.is_empty() { standing(states) } else { names };
        let Some(wire) = crew.speaker() else { return };
        match wire.ask(&metadata_request(&asked)).await {
            Ok(seen) => metadata = seen,
            Err(trouble) => {
                for state in states.values_mut().filter(|state| !state.is_over()) {
                    state.trouble = Some((Step::Metadata, trouble.clone()));
                }
                return;
            }
        }
    }
}

/// The topics that are there.
fn standing(states: &BTreeMap<&str, State>) -> Vec<(String, Purpose)> {
    let there = states.iter().filter(|(_, state)| state.led);
    there.map(|(name, _)| ((*name).to_owned(), Purpose::Pipeline)).collect()
}

/// What the metadata says of a topic.
fn see(seen: Option<&MetadataResponseTopic>, state: &mut State) {
    let code = seen.map_or(Code::UnknownTopicOrPartition.code(), |topic| topic.error_code);
    match refused(code, None) {
        Ok(()) | Err(Trouble::Code(Code::LeaderNotAvailable, _)) => {
            // Somebody has made it before: this function, where it knows of that.
            state.made.get_or_insert(false);
            let partitions = seen.map(|topic| topic.partitions.as_slice()).unwrap_or_default();
            let without = partitions.iter().filter(|partition| leader(partition).is_none());
            state.leaderless = without.map(|partition| partition.partition_index).collect();
            state.led = !partitions.is_empty() && state.leaderless.is_empty();
            let replicas = partitions.iter().map(|partition| partition.replica_nodes.len()).min();
            state.shape = replicas.map(|replicas| (partitions.len(), replicas));
        }
        // Missing, or made so shortly before that the speaker has not heard of it.
        Err(Trouble::Code(Code::UnknownTopicOrPartition, _)) => {}
        Err(trouble) => state.trouble = Some((Step::Topic, trouble)),
    }
}

/// Asks for topics that nobody has made yet. What may pass is asked for again.
async fn ask(missing: &[&Wanted], metadata: &MetadataResponse, states: &mut BTreeMap<&str, State>, crew: &mut Crew) {
    let asked = missing.iter().map(|wanted| {
        let configs = wanted.configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
        });
        CreatableTopic::default()
            .with_name(topic_name(&wanted.name))
            .with_num_partitions(wanted.partitions)
            .with_replication_factor(wanted.replication_factor.unwrap_or(BROKERS_DEFAULT))
            .with_configs(configs.collect())
    });
    let request = CreateTopicsRequest::default()
        .with_topics(asked.collect())
        .with_timeout_ms(CREATION_MILLIS);
    // Of brokers with ZooKeeper only the controller creates topics.
    let controller = metadata.controller_id.0;
    let wire: Option<&mut Wire> = if crew.of_id(controller).is_some() {
        crew.of_id(controller).map(|(_, wire)| wire)
    } else {
        crew.speaker()
    };
    let Some(wire) = wire else {
        for wanted in missing {
            if let Some(state) = states.get_mut(wanted.name.as_str()) {
                state.trouble = Some((Step::CreateTopic, Trouble::Nobody));
            }
        }
        return;
    };
    let answered = wire.ask(&request).await;
    let until = crew.end() - LAST_WORD;
    for wanted in missing {
        let Some(state) = states.get_mut(wanted.name.as_str()) else {
            continue;
        };
        let said = match &answered {
            Err(trouble) => Err(trouble.clone()),
            Ok(answer) => {
                let mut topics = answer.topics.iter();
                match topics.find(|topic| topic.name.0.as_str() == wanted.name) {
                    Some(topic) => refused(topic.error_code, topic.error_message.as_ref()),
                    None => Err(Trouble::Unreadable("the answer does not name the topic".to_owned())),
                }
            }
        };
        match said {
            Ok(()) => state.made = Some(true),
            Err(Trouble::Code(Code::TopicAlreadyExists, _)) => state.made = Some(false),
            // Another controller, or one that had no time: the next look shows what came of it.
            Err(Trouble::Code(code, _)) if code.is_retriable() && Instant::now() + AGAIN < until => {}
            Err(trouble) => state.trouble = Some((Step::CreateTopic, trouble)),
        }
    }
}

/// Whether each broker that was reached shows the topics with their leaders: whoever writes asks any of them. One that does not answer is not waited for.
async fn known_to_all(states: &BTreeMap<&str, State>, crew: &mut Crew) -> bool {
    let names = standing(states);
    if names.is_empty() {
        return true;
    }
    let request = metadata_request(&names);
    for wire in crew.wires() {
        let Ok(seen) = wire.ask(&request).await else { continue };
        let led = |name: &str| {
            of_name(&seen, name).is_some_and(|topic| {
                let all = topic.partitions.iter().all(|partition| leader(partition).is_some());
                topic.error_code == 0 && !topic.partitions.is_empty() && all
            })
        };
        if !names.iter().all(|(name, _)| led(name)) {
            return false;
        }
    }
    true
}

/// What is told of a topic in the end.
fn became(wanted: &Wanted, state: State, not_reached: Option<&Failure>, method: Method) -> Became {
    let place = Place {
        broker: None,
        topic: Some(&wanted.name),
        method,
    };
    let said = |step, trouble: &Trouble| Some(explain(step, trouble, &place));
    let code = match &state.trouble {
        Some((_, Trouble::Code(code, _))) => Some(format!("{code:?}")),
        _ => None,
    };
    let (outcome, failure) = match (&state.trouble, state.made, not_reached) {
        (Some((step, trouble @ (Trouble::Code(..) | Trouble::NotOwn))), ..) => (Outcome::Refused, said(*step, trouble)),
        (Some((step, trouble)), made, _) => {
            let outcome = match made {
                Some(true) => Outcome::Created,
                Some(false) => Outcome::Exists,
                None => Outcome::NotReached,
            };
            (outcome, said(*step, trouble))
        }
        (None, None, Some(failure)) => (Outcome::NotReached, Some(failure.clone())),
        (None, None, None) => (Outcome::NotReached, said(Step::CreateTopic, &Trouble::OutOfTime)),
        (None, Some(made), _) => {
            let outcome = if made { Outcome::Created } else { Outcome::Exists };
            let trouble = match (state.led, state.leaderless.is_empty() || made) {
                (true, _) => None,
                (false, true) => Some(Trouble::NotYet),
                (false, false) => Some(Trouble::Leaderless(state.leaderless)),
            };
            (outcome, trouble.and_then(|trouble| said(Step::Topic, &trouble)))
        }
    };
    let (partitions, replication_factor) = state.shape.unzip();
    Became {
        name: wanted.name.clone(),
        outcome,
        differs: match (outcome, state.shape) {
            (Outcome::Exists, Some(shape)) => differs(wanted, shape),
            _ => None,
        },
        partitions,
        replication_factor,
        code,
        failure,
    }
}

/// In what a topic that was there is not as it was asked for.
fn differs(wanted: &Wanted, (partitions, replicas): (usize, usize)) -> Option<String> {
    let other = |has: usize, asked: i64, one: &str, many: &str| {
        let what = if has == 1 { one } else { many };
        (i64::try_from(has) != Ok(asked)).then(|| format!("it has {has} {what}, and {asked} were asked for"))
    };
    let parts = [
        other(partitions, wanted.partitions.into(), "partition", "partitions"),
        wanted
            .replication_factor
            .and_then(|asked| other(replicas, asked.into(), "replica of each", "replicas of each")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::BrokerId;
    use kafka_protocol::messages::metadata_response::MetadataResponsePartition;

    use super::*;

    fn wanted(replicas: Option<i16>) -> Wanted {
        Wanted {
            name: "orders".to_owned(),
            partitions: 3,
            replication_factor: replicas,
            configs: BTreeMap::new(),
        }
    }

    /// A topic with these leaders, each partition with two replicas.
    fn seen(leaders: &[i32]) -> MetadataResponseTopic {
        let partitions = leaders.iter().zip(0..).map(|(leader, number)| {
            MetadataResponsePartition::default()
                .with_partition_index(number)
                .with_leader_id(BrokerId(*leader))
                .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
        });
        MetadataResponseTopic::default().with_partitions(partitions.collect())
    }

    #[test]
    fn what_the_metadata_shows_decides_whether_a_topic_is_there() {
        let of_code = |code: Code| MetadataResponseTopic::default().with_error_code(code.code());
        let table = [
            ("led", Some(seen(&[1, 2, 1])), (Some(false), true, None)),
            (
                "a partition without a leader",
                Some(seen(&[1, -1])),
                (Some(false), false, None),
            ),
            ("no partition yet", Some(seen(&[])), (Some(false), false, None)),
            (
                "no leader at all",
                Some(of_code(Code::LeaderNotAvailable)),
                (Some(false), false, None),
            ),
            (
                "missing",
                Some(of_code(Code::UnknownTopicOrPartition)),
                (None, false, None),
            ),
            ("not told of", None, (None, false, None)),
            (
                "not to be seen",
                Some(of_code(Code::TopicAuthorizationFailed)),
                (None, false, Some(Step::Topic)),
            ),
        ];
        for (name, topic, expected) in table {
            let mut state = State::default();
            see(topic.as_ref(), &mut state);
            let trouble = state.trouble.as_ref().map(|(step, _)| *step);
            assert_eq!((state.made, state.led, trouble), expected, "{name}");
        }
        // Whoever made it before, a later look does not take that away.
        let mut state = State {
            made: Some(true),
            ..State::default()
        };
        see(Some(&seen(&[1])), &mut state);
        assert_eq!((state.made, state.shape), (Some(true), Some((1, 2))));
    }

    #[test]
    fn what_became_of_a_topic_is_told_with_the_next_step() {
        let state = |made, led, leaderless: &[i32]| State {
            made,
            led,
            leaderless: leaderless.to_vec(),
            shape: led.then_some((3, 2)),
            trouble: None,
        };
        let trouble = |step, trouble, made| State {
            trouble: Some((step, trouble)),
            made,
            ..State::default()
        };
        let refused = Trouble::Code(Code::InvalidReplicationFactor, Some("too many".to_owned()));
        let table = [
            (state(Some(true), true, &[]), Outcome::Created, false),
            (state(Some(true), false, &[1]), Outcome::Created, true),
            (state(Some(false), true, &[]), Outcome::Exists, false),
            (state(Some(false), false, &[1]), Outcome::Exists, true),
            (state(None, false, &[]), Outcome::NotReached, true),
            (trouble(Step::CreateTopic, refused, None), Outcome::Refused, true),
            (
                trouble(Step::CreateTopic, Trouble::NotOwn, None),
                Outcome::Refused,
                true,
            ),
            (
                trouble(Step::CreateTopic, Trouble::Silent(3), None),
                Outcome::NotReached,
                true,
            ),
            (
                trouble(Step::Metadata, Trouble::Silent(3), Some(true)),
                Outcome::Created,
                true,
            ),
        ];
        for (state, outcome, fails) in table {
            let shown = format!("{state:?}");
            let became = became(&wanted(None), state, None, Method::Iam);
            assert_eq!((became.outcome, became.failure.is_some()), (outcome, fails), "{shown}");
            assert_eq!(became.code.is_some(), shown.contains("Code("), "{shown}");
            let failure = became.failure.map(|failure| (failure.reason, failure.next));
            assert!(
                failure.is_none_or(|(reason, next)| !reason.is_empty() && !next.is_empty()),
                "{shown}"
            );
        }
        // Where nobody was reached, the way's own words are told.
        let place = Place {
            broker: Some("b-1:9098"),
            topic: None,
            method: Method::Iam,
        };
        let failure = explain(Step::Tcp, &Trouble::Silent(3), &place);
        let unreached = became(&wanted(None), State::default(), Some(&failure), Method::Iam);
        assert_eq!(
            (unreached.outcome, unreached.failure),
            (Outcome::NotReached, Some(failure))
        );
    }

    #[test]
    fn a_topic_of_another_shape_is_told_and_what_was_left_to_the_brokers_is_not() {
        assert_eq!(differs(&wanted(Some(2)), (3, 2)), None);
        assert_eq!(differs(&wanted(None), (3, 1)), None);
        assert_eq!(
            differs(&wanted(Some(3)), (6, 2)).as_deref(),
            Some("it has 6 partitions, and 3 were asked for; it has 2 replicas of each, and 3 were asked for")
        );
    }
}

//! The topics and the rights: asked for, or found out without writing anything.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, DescribeConfigsRequest, InitProducerIdRequest, MetadataResponse, ProduceRequest,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, sleep};

use super::crew::{Crew, metadata_request, topic_name};
use super::report::{Created, Partition, Purpose, Right, Step, Topic, TopicRights};
use super::wire::{Wire, refused};
use super::words::Trouble;
use super::{CreateTopic, Probe};

/// How long the brokers may take to create a topic, in milliseconds.
pub(super) const CREATION_MILLIS: i32 = 2_500;

/// How long it may take until each partition of a new topic has a leader, or a broker that has just started can do its work.
pub(super) const SETTLING: Duration = Duration::from_secs(2);

/// How long to wait before asking again whether it is so.
pub(super) const AGAIN: Duration = Duration::from_millis(50);

/// The number of a topic among Kafka's kinds of resources.
const TOPIC: i8 = 2;

/// The setting that says how large a record batch may be.
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// Creates the pipeline's topic unless it is there; returns the metadata after that, where it was created.
pub(super) async fn create(
    wanted: CreateTopic,
    names: &[(String, Purpose)],
    crew: &mut Crew,
    probe: &mut Probe,
    metadata: &MetadataResponse,
) -> Option<MetadataResponse> {
    let name = names.first()?.0.as_str();
    if let Some(topic) = of_name(metadata, name)
        && topic.error_code == 0
    {
        probe.created = Some(Created {
            created: false,
            milliseconds: Duration::ZERO.into(),
        });
        return None;
    }
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(wanted.partitions)
        .with_replication_factor(wanted.replication_factor);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(CREATION_MILLIS);
    let start = Instant::now();
    // Of brokers with ZooKeeper only the controller creates topics.
    let made = match crew.of_id(metadata.controller_id.0) {
        Some((_, wire)) => ask_creation(wire, &request).await,
        None => ask_creation(crew.speaker()?, &request).await,
    };
    let (created, trouble) = match made {
        Ok(()) => (true, None),
        Err(Trouble::Code(Code::TopicAlreadyExists, _)) => (false, None),
        Err(trouble) => (false, Some(trouble)),
    };
    probe.created = Some(Created {
        created,
        milliseconds: start.elapsed().into(),
    });
    if let Some(trouble) = trouble {
        probe.fail(Step::CreateTopic, &trouble, None, Some(name));
        return None;
    }
    settle(names, wanted.partitions, crew).await
}

async fn ask_creation(wire: &mut Wire, request: &CreateTopicsRequest) -> Result<(), Trouble> {
    let answer = wire.ask(request).await?;
    match answer.topics.first() {
        Some(topic) => refused(topic.error_code, topic.error_message.as_ref()),
        None => Err(Trouble::Unreadable("the answer names no topic".to_owned())),
    }
}

/// Waits until each partition of a new topic, the first of these, has a leader.
async fn settle(names: &[(String, Purpose)], partitions: i32, crew: &mut Crew) -> Option<MetadataResponse> {
    let until = crew.end().min(Instant::now() + SETTLING);
    loop {
        let metadata = crew.speaker()?.ask(&metadata_request(names)).await.ok()?;
        let led = of_name(&metadata, &names.first()?.0).map_or(0, |topic| {
            let led = |partition: &&_| leader(partition).is_some();
            topic.partitions.iter().filter(led).count()
        });
        // The brokers may have been asked for as many as they like.
        if led >= usize::try_from(partitions).unwrap_or(1) || Instant::now() >= until {
            return Some(metadata);
        }
        sleep(AGAIN).await;
    }
}

/// What metadata says of a topic.
pub(super) fn of_name<'a>(metadata: &'a MetadataResponse, name: &str) -> Option<&'a MetadataResponseTopic> {
    let named = |topic: &&MetadataResponseTopic| topic.name.as_ref().is_some_and(|it| it.0.as_str() == name);
    metadata.topics.iter().find(named)
}

pub(super) fn leader(
    partition: &kafka_protocol::messages::metadata_response::MetadataResponsePartition,
) -> Option<i32> {
    Some(partition.leader_id.0).filter(|id| *id >= 0)
}

/// Looks at one topic, and at what the function may do on it.
pub(super) async fn look(
    name: &str,
    purpose: Purpose,
    metadata: &MetadataResponse,
    crew: &mut Crew,
    probe: &mut Probe,
) {
    let mut topic = Topic {
        name: name.to_owned(),
        purpose,
        exists: None,
        partitions: Vec::new(),
        max_message_bytes: None,
        rights: TopicRights::not_asked(),
    };
    describe(&mut topic, metadata, probe);
    match crew.speaker() {
        Some(wire) => write(&mut topic, wire, probe).await,
        None => topic.rights.write = after_silence(),
    }
    probe.topics.push(topic);
}

/// Asks for the settings of the topics that are there. Comes after all that delivery needs: behind a question without an answer nothing more can be
/// asked, and that one alone is no failure.
pub(super) async fn settings(crew: &mut Crew, probe: &mut Probe) {
    for topic in &mut probe.topics {
        if topic.exists == Some(false) {
            continue;
        }
        match crew.speaker() {
            Some(wire) => configs(topic, wire).await,
            None => topic.rights.describe_configs = after_silence(),
        }
    }
}

/// What could not be asked any more.
fn after_silence() -> Right {
    Right::Unknown {
        reason: "it was not tried: the broker left a question before it without an answer".to_owned(),
    }
}

fn describe(topic: &mut Topic, metadata: &MetadataResponse, probe: &mut Probe) {
    let found = of_name(metadata, &topic.name);
    let code = found.map_or(Code::UnknownTopicOrPartition.code(), |found| found.error_code);
    match refused(code, None) {
        Ok(()) | Err(Trouble::Code(Code::LeaderNotAvailable, _)) => {
            topic.exists = Some(true);
            topic.rights.describe = Right::Allowed;
        }
        Err(trouble) => {
            match trouble {
                Trouble::Code(Code::UnknownTopicOrPartition, _) => {
                    topic.exists = Some(false);
                    topic.rights.describe = Right::Allowed;
                }
                _ => topic.rights.describe = right(&trouble),
            }
            probe.fail(Step::Topic, &trouble, None, Some(&topic.name));
        }
    }
    let partitions = found.map(|found| found.partitions.as_slice()).unwrap_or_default();
    topic.partitions = partitions
        .iter()
        .map(|partition| Partition {
            number: partition.partition_index,
            leader: leader(partition),
            replicas: partition.replica_nodes.len(),
            in_sync: partition.isr_nodes.len(),
        })
        .collect();
    topic.partitions.sort_by_key(|partition| partition.number);
    let led = |partition: &&Partition| partition.leader.is_none();
    let leaderless: Vec<i32> = topic
        .partitions
        .iter()
        .filter(led)
        .map(|partition| partition.number)
        .collect();
    if !leaderless.is_empty() {
        probe.fail(Step::Topic, &Trouble::Leaderless(leaderless), None, Some(&topic.name));
    }
}

/// What a trouble says of a right.
fn right(trouble: &Trouble) -> Right {
    match trouble {
        Trouble::Code(code @ (Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed), _) => Right::Denied {
            reason: format!("{code:?}"),
        },
        Trouble::Code(code, _) => Right::Unknown {
            reason: format!("{code:?}"),
        },
        _ => Right::Unknown {
            reason: "the broker did not say".to_owned(),
        },
    }
}

/// Finds out whether the function may write to a topic: by a request without a record, which a broker looks at only after it has looked at the
/// right, and then can do nothing with.
async fn write(topic: &mut Topic, wire: &mut Wire, probe: &mut Probe) {
    let partition = topic.partitions.first().map_or(0, |partition| partition.number);
    let answer = produce(wire, &topic.name, partition, Bytes::new()).await;
    let trouble = match answer {
        Ok(_) => None,
        Err(Trouble::Code(code, said)) => {
            let denied = matches!(code, Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed);
            denied.then_some(Trouble::Code(code, said))
        }
        Err(trouble) => Some(trouble),
    };
    match trouble {
        None => topic.rights.write = Right::Allowed,
        Some(trouble) => {
            topic.rights.write = right(&trouble);
            probe.fail(Step::Write, &trouble, None, Some(&topic.name));
        }
    }
}

/// Sends a record batch to a partition, and returns the offset that it got.
pub(super) async fn produce(wire: &mut Wire, topic: &str, partition: i32, batch: Bytes) -> Result<i64, Trouble> {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(CREATION_MILLIS)
        .with_topic_data(vec![topic]);
    let answer = wire.ask(&request).await?;
    let partition = answer
        .responses
        .first()
        .and_then(|topic| topic.partition_responses.first());
    let partition = partition.ok_or_else(|| Trouble::Unreadable("the answer names no partition".to_owned()))?;
    refused(partition.error_code, partition.error_message.as_ref())?;
    Ok(partition.base_offset)
}

/// Asks for the topic's size limit. That the function may not know it is no failure: delivery goes without.
async fn configs(topic: &mut Topic, wire: &mut Wire) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(StrBytes::from_string(topic.name.clone()))
        .with_configuration_keys(Some(vec![StrBytes::from_static_str(MAX_MESSAGE_BYTES)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let asked = wire.ask(&request).await.and_then(|answer| {
        let result = answer.results.into_iter().next();
        let result = result.ok_or_else(|| Trouble::Unreadable("the answer names no topic".to_owned()))?;
        refused(result.error_code, result.error_message.as_ref())?;
        let limit = result.configs.iter().find(|it| it.name.as_str() == MAX_MESSAGE_BYTES);
        Ok(limit.and_then(|limit| limit.value.as_ref()?.as_str().parse().ok()))
    });
    match asked {
        Ok(limit) => {
            topic.max_message_bytes = limit;
            topic.rights.describe_configs = Right::Allowed;
        }
        Err(trouble) => topic.rights.describe_configs = right(&trouble),
    }
}

/// Finds out whether the function may write idempotently: by asking for a producer's id, as every such producer does first.
pub(super) async fn idempotence(crew: &mut Crew, probe: &mut Probe) {
    let Some(wire) = crew.speaker() else {
        probe.rights.idempotent_write = after_silence();
        return;
    };
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    match patiently(wire, &request).await {
        Ok(()) => probe.rights.idempotent_write = Right::Allowed,
        Err(trouble) => {
            probe.rights.idempotent_write = right(&trouble);
            probe.fail(Step::IdempotentWrite, &trouble, None, None);
        }
    }
}

/// Asks for a producer's id, and again while a broker that has just started gets ids itself.
async fn patiently(wire: &mut Wire, request: &InitProducerIdRequest) -> Result<(), Trouble> {
    let until = Instant::now() + SETTLING;
    loop {
        let asked = wire.ask(request).await;
        match asked.and_then(|answer| refused(answer.error_code, None)) {
            Err(Trouble::Code(code, _)) if code.is_retriable() && Instant::now() < until => sleep(AGAIN).await,
            answered => return answered,
        }
    }
}

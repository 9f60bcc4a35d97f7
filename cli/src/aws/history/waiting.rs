//! What waits in the queue that is told of batches that were given up.

use aws_sdk_sqs::types::QueueAttributeName;
use k2m_handler::config::Region;
use serde::Deserialize;

use super::{ByRegion, Config};
use crate::arn::Arn;
use crate::aws::answer::{Answer, Trouble, trouble};
use crate::aws::pace::{LEFT, Paced};
use crate::facts::deployed::pipeline_id;
use crate::facts::{Fact, GivenUp, Mapping, Stack, Waiting};

const NO_QUEUE: &[&str] = &["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];

/// Who is asked, and how fast: each operation has a rate of its own.
pub(in crate::aws) struct Asked<'a> {
    sns: ByRegion<'a, aws_sdk_sns::Client>,
    sqs: ByRegion<'a, aws_sdk_sqs::Client>,
    subscriptions: Paced,
    attributes: Paced,
    messages: Paced,
}

impl<'a> Asked<'a> {
    pub(in crate::aws) fn new(config: Config<'a>) -> Self {
        Self {
            sns: ByRegion::new(config, aws_sdk_sns::Client::new),
            sqs: ByRegion::new(config, aws_sdk_sqs::Client::new),
            subscriptions: Paced::new(LEFT),
            attributes: Paced::new(LEFT),
            messages: Paced::new(LEFT),
        }
    }
}

/// Where a mapping's failure messages end up, as far as that is known without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::aws) enum Left {
    /// In this queue, by its ARN.
    Queue(String),
    /// With those who are subscribed to this topic, by its ARN.
    Topic(String),
}

impl Left {
    /// None where it is in no queue. Of a stack's own topic the stack's own queue is subscribed.
    pub(in crate::aws) fn of(mapping: &Mapping, stream: &Arn, stack: &Fact<Stack>) -> Option<Self> {
        let destination = mapping.destination.as_ref()?;
        let stack = stack.found().filter(|stack| stack.made_by_k2m);
        let own = |end: &str| stack?.resources.get(&format!("{}{end}", pipeline_id(stream)));
        match destination.split(':').nth(2) {
            Some("sqs") => Some(Self::Queue(destination.clone())),
            Some("sns") if own("FailureTopic") == Some(destination) => {
                let queue = own("FailureQueue").and_then(|url| arn_of(url, destination));
                Some(queue.map_or_else(|| Self::Topic(destination.clone()), Self::Queue))
            }
            Some("sns") => Some(Self::Topic(destination.clone())),
            _ => None,
        }
    }
}

/// The ARN of a queue with this URL, which is where the topic is: account and name are the URL's last two parts.
fn arn_of(url: &str, topic: &str) -> Option<String> {
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next()?, parts.next()?);
    let mut place = topic.split(':');
    let (partition, region) = (place.nth(1)?, place.nth(1)?);
    Some(format!("arn:{partition}:sqs:{region}:{account}:{name}"))
}

/// The URL of a queue, as AWS makes them, and the queue's region.
fn url_of(arn: &str) -> Option<(String, &str)> {
    let mut parts = arn.split(':').skip(3);
    let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let suffix = Region::new("region", region).map_or("amazonaws.com", |region| region.dns_suffix());
    Some((format!("https://sqs.{region}.{suffix}/{account}/{name}"), region))
}

/// The ARN of the queue; absent where none is subscribed.
async fn queue(left: Left, asked: &Asked<'_>) -> Answer<String> {
    match left {
        Left::Queue(arn) => Ok(arn),
        Left::Topic(arn) => {
            let region = arn.split(':').nth(3).unwrap_or_default();
            let client = asked.sns.at(region);
            asked.subscriptions.one(subscribed(&client, &arn)).await
        }
    }
}

/// Counts what waits there, and looks at none of it.
pub(in crate::aws) async fn depth(left: Left, asked: &Asked<'_>) -> Answer<Waiting> {
    let queue = queue(left, asked).await?;
    let Some((url, region)) = url_of(&queue) else {
        return Err(Trouble::Absent);
    };
    let client = asked.sqs.at(region);
    let (messages, _) = asked.attributes.one(count(&client, &url)).await?;
    Ok(Waiting {
        queue,
        messages,
        one: None,
    })
}

/// Looks at what waits there; absent where the queue is gone, or none is subscribed.
pub(in crate::aws) async fn waiting(left: Left, asked: &Asked<'_>) -> Answer<Waiting> {
    let queue = queue(left, asked).await?;
    let Some((url, region)) = url_of(&queue) else {
        return Err(Trouble::Absent);
    };
    let client = asked.sqs.at(region);
    let (messages, moves) = asked.attributes.one(count(&client, &url)).await?;
    // A message that was seen too often is moved away by a queue that has a queue for such: then none is looked at.
    let one = if messages > 0 && !moves {
        asked.messages.one(peek(&client, &url)).await?
    } else {
        None
    };
    Ok(Waiting { queue, messages, one })
}

/// The queue that is subscribed to a topic; the first of several.
pub(in crate::aws) async fn subscribed(client: &aws_sdk_sns::Client, topic: &str) -> Answer<String> {
    let items = client
        .list_subscriptions_by_topic()
        .topic_arn(topic)
        .into_paginator()
        .items()
        .send();
    let found: Vec<_> = items.try_collect().await.map_err(|error| {
        trouble(
            &error,
            "sns:ListSubscriptionsByTopic",
            &["NotFound", "NotFoundException"],
        )
    })?;
    let queues = found.into_iter().filter(|one| one.protocol() == Some("sqs"));
    queues.filter_map(|one| one.endpoint).min().ok_or(Trouble::Absent)
}

/// How many messages wait, and whether the queue moves away those that are seen too often.
pub(in crate::aws) async fn count(client: &aws_sdk_sqs::Client, url: &str) -> Answer<(u32, bool)> {
    let answer = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await;
    let answer = answer.map_err(|error| trouble(&error, "sqs:GetQueueAttributes", NO_QUEUE))?;
    let attributes = answer.attributes.unwrap_or_default();
    let count = attributes.get(&QueueAttributeName::ApproximateNumberOfMessages);
    let count = count.and_then(|count| count.parse().ok());
    let count = count.ok_or_else(|| crate::aws::incomplete("sqs:GetQueueAttributes"))?;
    let moves = attributes.get(&QueueAttributeName::RedrivePolicy);
    Ok((count, moves.is_some_and(|policy| !policy.is_empty())))
}

/// What one message says, which is there for others at once. None where none is Lambda's, or SQS happens to show none.
pub(in crate::aws) async fn peek(client: &aws_sdk_sqs::Client, url: &str) -> Answer<Option<GivenUp>> {
    let answer = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(1)
        .visibility_timeout(0)
        .wait_time_seconds(0)
        .send()
        .await;
    let answer = answer.map_err(|error| trouble(&error, "sqs:ReceiveMessage", NO_QUEUE))?;
    let mut messages = answer.messages.unwrap_or_default().into_iter();
    Ok(messages.find_map(|message| given_up(&message.body?)))
}

/// Lambda's message, as far as it is told.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    request_context: RequestContext,
    /// Left out where the function was never invoked.
    #[serde(default)]
    response_context: Option<ResponseContext>,
    #[serde(rename = "KinesisBatchInfo")]
    batch: Batch,
}

#[derive(Deserialize)]
struct RequestContext {
    condition: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext {
    #[serde(default)]
    function_error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
    approximate_arrival_of_last_record: String,
    #[serde(rename = "batchSize")]
    records: u32,
}

/// What SNS puts around a message that it doesn't deliver as it is.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wrapped {
    message: String,
}

/// What a message of Lambda's says; nothing of one that is another's.
pub(in crate::aws) fn given_up(body: &str) -> Option<GivenUp> {
    let message: Message = serde_json::from_str(body).ok().or_else(|| {
        let wrapped: Wrapped = serde_json::from_str(body).ok()?;
        serde_json::from_str(&wrapped.message).ok()
    })?;
    let Batch {
        shard_id,
        start_sequence_number,
        end_sequence_number,
        approximate_arrival_of_last_record,
        records,
    } = message.batch;
    Some(GivenUp {
        condition: message.request_context.condition,
        function_error: message.response_context.and_then(|context| context.function_error),
        shard: shard_id,
        first: start_sequence_number,
        last: end_sequence_number,
        records,
        arrived: approximate_arrival_of_last_record,
    })
}

//! What waits in the queue that is told of batches that were given up.

use aws_sdk_sqs::types::QueueAttributeName;
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
    /// In the queue of a stack of k2m's, which its own topic tells as long as the queue is subscribed.
    Own {
        /// The topic's ARN.
        topic: String,
        /// The queue's.
        queue: String,
    },
}

impl Left {
    /// None where it is in no queue.
    pub(in crate::aws) fn of(mapping: &Mapping, stream: &Arn, stack: &Fact<Stack>) -> Option<Self> {
        let destination = mapping.destination.as_ref()?;
        let stack = stack.found().filter(|stack| stack.made_by_k2m);
        let own = |end: &str| stack?.resources.get(&format!("{}{end}", pipeline_id(stream)));
        match destination.split(':').nth(2) {
            Some("sqs") => Some(Self::Queue(destination.clone())),
            Some("sns") if own("FailureTopic") == Some(destination) => {
                let queue = own("FailureQueue").and_then(|url| arn_of(url, destination));
                let topic = destination.clone();
                Some(match queue {
                    Some(queue) => Self::Own { topic, queue },
                    None => Self::Topic(topic),
                })
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

/// The queues that a topic tells.
async fn queues_of(topic: &str, asked: &Asked<'_>) -> Answer<Vec<String>> {
    let region = topic.split(':').nth(3).unwrap_or_default();
    let client = asked.sns.at(region);
    asked.subscriptions.one(subscribed(&client, topic)).await
}

/// Which queues the topic tells, where there is one; and what waits in its queue, absent where that is gone, or none is subscribed.
pub(in crate::aws) async fn look(left: Left, asked: &Asked<'_>) -> (Option<Answer<Vec<String>>>, Answer<Waiting>) {
    match left {
        Left::Queue(queue) => (None, waiting(queue, asked).await),
        // Side by side: which queue it is, is known.
        Left::Own { topic, queue } => {
            let (queues, waiting) = tokio::join!(queues_of(&topic, asked), waiting(queue, asked));
            (Some(queues), waiting)
        }
        Left::Topic(topic) => {
            let queues = queues_of(&topic, asked).await;
            let first = queues
                .clone()
                .and_then(|queues| queues.into_iter().next().ok_or(Trouble::Absent));
            let waiting = match first {
                Ok(queue) => waiting(queue, asked).await,
                Err(trouble) => Err(trouble),
            };
            (Some(queues), waiting)
        }
    }
}

/// Counts what waits there, and looks at none of it; absent where the queue is gone, or none is subscribed.
pub(in crate::aws) async fn depth(left: Left, asked: &Asked<'_>) -> Answer<Waiting> {
    let queue = match left {
        Left::Queue(queue) | Left::Own { queue, .. } => queue,
        Left::Topic(topic) => {
            let queues = queues_of(&topic, asked).await?;
            queues.into_iter().next().ok_or(Trouble::Absent)?
        }
    };
    let Some((url, region)) = Waiting::url_of(&queue) else {
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

/// Looks at what waits in a queue; absent where it is gone.
async fn waiting(queue: String, asked: &Asked<'_>) -> Answer<Waiting> {
    let Some((url, region)) = Waiting::url_of(&queue) else {
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

/// The queues that a topic tells, in their order; absent where there is no such topic.
pub(in crate::aws) async fn subscribed(client: &aws_sdk_sns::Client, topic: &str) -> Answer<Vec<String>> {
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
    // What has no ARN yet is told nothing before it is confirmed.
    let confirmed = |arn: Option<&str>| arn.is_some_and(|arn| arn.starts_with("arn:"));
    let queues = found
        .into_iter()
        .filter(|one| one.protocol() == Some("sqs") && confirmed(one.subscription_arn()));
    let mut queues: Vec<String> = queues.filter_map(|one| one.endpoint).collect();
    queues.sort_unstable();
    Ok(queues)
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

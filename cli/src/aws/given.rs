//! What the user gives: SNS topics, SQS queues and S3 buckets for what is given up, and consumers of streams.

use std::collections::HashMap;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::ServerSideEncryption;
use aws_sdk_sqs::types::QueueAttributeName;

use super::answer::{Answer, Trouble, fact, trouble};
use crate::facts::given::Subscriptions;
use crate::facts::{Consumer, Fact, GivenDestination};

/// By these SQS says that there is no such queue: in its new protocol, and as it did before.
const NO_QUEUE: &[&str] = &["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];
/// The key of AWS's own that S3 takes where a bucket is encrypted by KMS and names none.
const BUCKETS_OWN_KEY: &str = "alias/aws/s3";

/// Looks at a topic.
pub(super) async fn topic(client: &aws_sdk_sns::Client, arn: &str) -> Answer<GivenDestination> {
    let answer = client.get_topic_attributes().topic_arn(arn).send().await;
    let answer =
        answer.map_err(|error| trouble(&error, "sns:GetTopicAttributes", &["NotFound", "NotFoundException"]))?;
    let attributes = answer.attributes.unwrap_or_default();
    let count = |name: &str| {
        attributes
            .get(name)
            .and_then(|count| count.parse().ok())
            .unwrap_or_default()
    };
    Ok(GivenDestination {
        arn: arn.to_owned(),
        kms_key: said(&attributes, "KmsMasterKeyId"),
        policy: said(&attributes, "Policy"),
        subscriptions: Some(Subscriptions {
            confirmed: count("SubscriptionsConfirmed"),
            pending: count("SubscriptionsPending"),
        }),
        region: None,
    })
}

/// Looks at a queue. It is asked for by its URL, and which that is only SQS says.
pub(super) async fn queue(client: &aws_sdk_sqs::Client, arn: &str) -> Answer<GivenDestination> {
    let mut parts = arn.rsplit(':');
    let (name, account) = (parts.next(), parts.next());
    let answer = client
        .get_queue_url()
        .set_queue_name(name.map(str::to_owned))
        .set_queue_owner_aws_account_id(account.map(str::to_owned))
        .send()
        .await;
    let answer = answer.map_err(|error| trouble(&error, "sqs:GetQueueUrl", NO_QUEUE))?;
    let answer = client
        .get_queue_attributes()
        .set_queue_url(answer.queue_url)
        .attribute_names(QueueAttributeName::KmsMasterKeyId)
        .attribute_names(QueueAttributeName::Policy)
        .send()
        .await;
    let answer = answer.map_err(|error| trouble(&error, "sqs:GetQueueAttributes", NO_QUEUE))?;
    let attributes = answer.attributes.unwrap_or_default();
    let attributes: HashMap<String, String> = attributes
        .into_iter()
        .map(|(name, value)| (name.as_str().to_owned(), value))
        .collect();
    Ok(GivenDestination {
        arn: arn.to_owned(),
        kms_key: said(&attributes, "KmsMasterKeyId"),
        policy: said(&attributes, "Policy"),
        subscriptions: None,
        region: None,
    })
}

/// An attribute, absent where it is left out or empty.
fn said(attributes: &HashMap<String, String>, name: &str) -> Fact<String> {
    match attributes.get(name) {
        Some(value) if !value.is_empty() => Fact::Found { value: value.clone() },
        _ => Fact::Absent,
    }
}

/// Looks at a bucket of this account. It is asked for in a region, and S3 says where it is.
pub(super) async fn bucket(
    client: impl Fn(&str) -> aws_sdk_s3::Client,
    region: &str,
    account: &str,
    arn: &str,
) -> Answer<GivenDestination> {
    let name = arn.rsplit(':').next().unwrap_or_default();
    let answer = client(region)
        .head_bucket()
        .bucket(name)
        .expected_bucket_owner(account)
        .send()
        .await;
    let region = match answer {
        Ok(there) => there.bucket_region.unwrap_or_else(|| region.to_owned()),
        Err(error) => elsewhere(&error, account)?,
    };
    let client = client(&region);
    let (kms_key, policy) = tokio::join!(
        bucket_key(&client, name, account),
        bucket_policy(&client, name, account)
    );
    Ok(GivenDestination {
        arn: arn.to_owned(),
        kms_key: fact(kms_key),
        policy: fact(policy),
        subscriptions: None,
        region: Some(region),
    })
}

/// The region that S3 names in place of an answer. An answer to `HEAD` has no body, so the status alone tells what else is wrong.
fn elsewhere<E>(error: &SdkError<E>, account: &str) -> Answer<String>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    const ACTION: &str = "s3:ListBucket";
    let Some(response) = error.raw_response() else {
        return Err(trouble(error, ACTION, &[]));
    };
    match (
        response.status().as_u16(),
        response.headers().get("x-amz-bucket-region"),
    ) {
        (301, Some(region)) => Ok(region.to_owned()),
        (404, _) => Err(Trouble::Absent),
        (403, _) => Err(Trouble::Denied {
            action: ACTION.to_owned(),
            message: format!(
                "S3 refuses to say (403): these credentials may not list the bucket, or it is not of account {account}"
            ),
        }),
        _ => Err(trouble(error, ACTION, &[])),
    }
}

/// The KMS key by which new objects are encrypted.
async fn bucket_key(client: &aws_sdk_s3::Client, bucket: &str, account: &str) -> Answer<String> {
    let call = client.get_bucket_encryption().bucket(bucket);
    let answer = call.expected_bucket_owner(account).send().await;
    let answer = answer.map_err(|error| {
        trouble(
            &error,
            "s3:GetEncryptionConfiguration",
            &["ServerSideEncryptionConfigurationNotFoundError"],
        )
    })?;
    let rules = answer.server_side_encryption_configuration.map(|all| all.rules);
    let mut defaults = rules.into_iter().flatten();
    let by_default = defaults.find_map(|rule| rule.apply_server_side_encryption_by_default);
    match by_default {
        Some(by)
            if matches!(
                by.sse_algorithm,
                ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse
            ) =>
        {
            Ok(by.kms_master_key_id.unwrap_or_else(|| BUCKETS_OWN_KEY.to_owned()))
        }
        _ => Err(Trouble::Absent),
    }
}

async fn bucket_policy(client: &aws_sdk_s3::Client, bucket: &str, account: &str) -> Answer<String> {
    let call = client.get_bucket_policy().bucket(bucket);
    let answer = call.expected_bucket_owner(account).send().await;
    let answer = answer.map_err(|error| trouble(&error, "s3:GetBucketPolicy", &["NoSuchBucketPolicy"]))?;
    answer.policy.ok_or(Trouble::Absent)
}

/// Looks at a consumer of a stream.
pub(super) async fn consumer(client: &aws_sdk_kinesis::Client, arn: &str) -> Answer<Consumer> {
    const ACTION: &str = "kinesis:DescribeStreamConsumer";
    let answer = client.describe_stream_consumer().consumer_arn(arn).send().await;
    let answer = answer.map_err(|error| trouble(&error, ACTION, &["ResourceNotFoundException"]))?;
    let described = answer.consumer_description.ok_or_else(|| super::incomplete(ACTION))?;
    Ok(Consumer {
        arn: described.consumer_arn,
        status: described.consumer_status.as_str().to_owned(),
    })
}

//! The stream, as `DescribeStreamSummary` tells it.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{EncryptionType, StreamMode};

use super::answer::{Answer, Trouble, trouble};
use super::number;
use crate::facts::Stream;

/// Looks at the policy of a stream or a consumer. AWS answers an empty one where there is none.
pub(super) async fn policy(client: &Client, arn: &str) -> Answer<String> {
    let answer = client.get_resource_policy().resource_arn(arn).send().await;
    let answer =
        answer.map_err(|error| trouble(&error, "kinesis:GetResourcePolicy", &["ResourceNotFoundException"]))?;
    match answer.policy.trim() {
        "" | "{}" => Err(Trouble::Absent),
        policy => Ok(policy.to_owned()),
    }
}

/// Looks at the stream.
pub(super) async fn stream(client: &Client, arn: &str) -> Answer<Stream> {
    let output = client
        .describe_stream_summary()
        .stream_arn(arn)
        .send()
        .await
        .map_err(|error| trouble(&error, "kinesis:DescribeStreamSummary", &["ResourceNotFoundException"]))?;
    let Some(summary) = output.stream_description_summary else {
        return Err(super::incomplete("kinesis:DescribeStreamSummary"));
    };
    Ok(Stream {
        status: summary.stream_status.as_str().to_owned(),
        open_shards: number(summary.open_shard_count),
        retention_hours: number(summary.retention_period_hours),
        kms_key: match summary.encryption_type {
            Some(EncryptionType::Kms) => summary.key_id,
            _ => None,
        },
        on_demand: summary
            .stream_mode_details
            .is_some_and(|details| details.stream_mode == StreamMode::OnDemand),
        max_record_kib: summary.max_record_size_in_kib.map(number),
        arn: summary.stream_arn,
    })
}

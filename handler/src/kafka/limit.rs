//! The topic's size limit, asked of the cluster.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;

use crate::config::{Authentication, Config};
use crate::kafka::credentials::Credentials;
use crate::kafka::settings;
use crate::kafka::tls::TlsError;

/// Kafka's own default of `max.message.bytes`: 1 MiB and the batch header.
pub(super) const DEFAULT_MAX_MESSAGE_BYTES: usize = 1_048_588;

/// Why the limit could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LimitError {
    /// The client or the request failed.
    #[error("{0}; the function needs DescribeTopicDynamicConfiguration on the topic")]
    Kafka(#[from] KafkaError),
    /// TLS can't be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The admin client of the crate `rdkafka` doesn't serve the queue on which librdkafka asks for a token, so that it would wait
    /// for one in vain.
    #[error("over SASL/IAM the cluster can't be asked")]
    Iam,
    /// Nothing answered in time.
    #[error("the cluster did not answer in time")]
    TimeOut,
    /// The cluster answered for another resource, or left the entry out.
    #[error("the cluster's answer does not name max.message.bytes: the topic may be missing")]
    Missing,
}

/// Reads `max.message.bytes` of a topic, in bytes.
///
/// # Errors
/// The cluster can't be reached within `time_out`, the topic is missing, the function may not read topic configurations
/// (`DescribeTopicDynamicConfiguration`), or it speaks SASL/IAM.
pub(super) async fn topic_limit(
    config: &Config,
    credentials: &Credentials,
    topic: &str,
    time_out: Duration,
) -> Result<usize, LimitError> {
    if matches!(config.authentication, Authentication::Iam(_)) {
        return Err(LimitError::Iam);
    }
    let admin: AdminClient<DefaultClientContext> = settings::connection(config, credentials)?.create()?;
    let options = AdminOptions::new().request_timeout(Some(time_out));
    let resource = ResourceSpecifier::Topic(topic);
    let answers = admin.describe_configs([&resource], &options).await?;
    let topic = answers
        .into_iter()
        .next()
        .ok_or(LimitError::Missing)?
        .map_err(KafkaError::AdminOp)?;
    let value = topic.get("max.message.bytes").and_then(|entry| entry.value.as_deref());
    value.and_then(|value| value.parse().ok()).ok_or(LimitError::Missing)
}

//! What the user gives and k2m uses as it is: a failure destination, and a consumer of the stream.

use serde::{Deserialize, Serialize};

use super::Fact;

/// An SNS topic, an SQS queue or an S3 bucket that was named for what is given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenDestination {
    /// Its ARN.
    pub arn: String,
    /// The KMS key that encrypts what it keeps, as AWS names it (id, ARN or alias); absent where none does.
    pub kms_key: Fact<String>,
    /// Its own policy, the text of a JSON document; absent where it has none.
    pub policy: Fact<String>,
    /// Who is told by a topic; left out of what is no topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscriptions: Option<Subscriptions>,
    /// A bucket's region, which its ARN doesn't say; left out of what is no bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// How many a topic tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscriptions {
    /// Those that are sent what is published.
    pub confirmed: u32,
    /// Those whose owner has not confirmed yet.
    pub pending: u32,
}

/// A consumer that is registered with the stream, for enhanced fan-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consumer {
    /// Its ARN.
    pub arn: String,
    /// `CREATING`, `DELETING` or `ACTIVE`.
    pub status: String,
}

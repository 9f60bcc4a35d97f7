//! The Kinesis data stream, as `DescribeStreamSummary` tells it.

use serde::{Deserialize, Serialize};

/// A Kinesis data stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stream {
    /// Its ARN.
    pub arn: String,
    /// `CREATING`, `DELETING`, `ACTIVE` or `UPDATING`.
    pub status: String,
    /// Shards that are open now.
    pub open_shards: u32,
    /// How long a record is kept, in hours.
    pub retention_hours: u32,
    /// The KMS key that encrypts it, as AWS names it (id, ARN or alias); absent where it isn't encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// Largest record it takes, in KiB; absent where AWS doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_record_kib: Option<u32>,
    /// Whether its capacity mode is `ON_DEMAND`: AWS splits its shards then, and nobody else may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_demand: bool,
}

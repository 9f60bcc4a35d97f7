//! What has happened to a pipeline: its metrics, what its log says, what its role may do, what is waiting where it was given up. Only doctor needs it.

use std::collections::BTreeMap;

use k2m_handler::config::Region;
use serde::{Deserialize, Serialize};

/// Figures of CloudWatch, of the last [`Metrics::minutes`]. A figure is absent where CloudWatch has no data point of it: then nothing of the kind happened,
/// or nobody counts it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metrics {
    /// How far back they go.
    pub minutes: u32,
    /// Age in milliseconds of the last record of each batch when the function got it (`AWS/Lambda` `IteratorAge`): the largest of each five minutes,
    /// the oldest first. Five minutes without an invocation have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub iterator_age_ms: Vec<Point>,
    /// Records put into the stream (`AWS/Kinesis` `IncomingRecords`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incoming_records: Option<u64>,
    /// Reads of the stream that were refused, of all its readers (`ReadProvisionedThroughputExceeded`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_reads: Option<u64>,
    /// Invocations of the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocations: Option<u64>,
    /// Invocations that ended with an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<u64>,
    /// Invocations that Lambda refused for want of room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttles: Option<u64>,
    /// The longest invocation, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_ms: Option<u64>,
    /// The most invocations at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_at_once: Option<u64>,
    /// Of the mapping, records that it read (`PolledEventCount`); these four only where it counts events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled: Option<u64>,
    /// Records that its filters left out (`FilteredOutEventCount`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered_out: Option<u64>,
    /// Records that were given up and went nowhere (`DroppedEventCount`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
    /// Records that were given up and went to the failure destination (`OnFailureDestinationDeliveredEventCount`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<u64>,
    /// Records that the brokers acknowledged; this and the two below as k2m's own handler counts them, in every try (`k2m` `Acknowledged`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<u64>,
    /// Records that went to the dead-letter topic (`DeadLettered`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_lettered: Option<u64>,
    /// Records that an invocation could not deliver; Lambda sends them again (`Failures`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undelivered: Option<u64>,
}

/// A figure at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Point {
    /// The beginning of its five minutes, RFC 3339.
    pub at: String,
    /// The figure.
    pub value: u64,
}

/// What CloudWatch counted of a pipeline, minute by minute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minutes {
    /// How many were looked at, until now.
    pub looked_back: u32,
    /// By their beginnings, in seconds since 1970; those of which there is nothing are left out.
    pub counted: BTreeMap<i64, Minute>,
}

/// What happened to invocations that began in a minute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minute {
    /// Invocations of the function (`AWS/Lambda` `Invocations`).
    pub invocations: u64,
    /// Invocations that failed or were refused, and records that an invocation could not deliver (`Errors`, `Throttles`, `k2m` `Failures`).
    pub failures: u64,
    /// Whether the handler itself counted.
    pub told: bool,
    /// How far behind the stream it was read, in milliseconds, at most: as the function got it (`AWS/Lambda` `IteratorAge`) and as any reader did (`AWS/Kinesis`
    /// `GetRecords.IteratorAgeMilliseconds`).
    pub behind_ms: u64,
    /// Records put into the stream (`AWS/Kinesis` `IncomingRecords`).
    pub incoming: u64,
}

/// How far records were taken out of a stream, and when more came into it, minute by minute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// How many minutes were looked at, until now.
    pub looked_back: u32,
    /// When AWS last changed the mapping, or its state, in seconds since 1970; absent where it doesn't say.
    pub changed: Option<i64>,
    /// By their beginnings, in seconds since 1970; those of which there is nothing are left out.
    pub minutes: BTreeMap<i64, FlowMinute>,
}

/// What came and what was taken in a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowMinute {
    /// Records put into the stream (`AWS/Kinesis` `IncomingRecords`).
    pub incoming: u64,
    /// Age in milliseconds of the last record of a batch when the function got it (`AWS/Lambda` `IteratorAge`): the smallest of the invocations that began in
    /// this minute; absent where none did.
    pub youngest_ms: Option<u64>,
}

/// How often a log says something that is known to mean trouble, see [`super::log::SIGNATURES`]. The line itself is left where it is: it may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sighting {
    /// [`super::log::Signature::words`].
    pub signature: String,
    /// How many of the lines that were looked at say so.
    pub count: u32,
    /// When it was last said, RFC 3339.
    pub last: String,
}

/// Whether the function's role may do one thing that the pipeline needs, as `SimulatePrincipalPolicy` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Right {
    /// Such as `kafka-cluster:WriteData`.
    pub action: String,
    /// The ARN it is needed for; `*` where AWS takes none.
    pub resource: String,
    /// Who denies it; absent where it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_by: Option<Denier>,
    /// Keys of conditions, as `aws:SourceVpc`, of which the simulator was told nothing and that it asked for, where it is denied: one of them may be why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<String>,
}

/// Who denies a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Denier {
    /// No policy of the role allows it.
    NoPolicy,
    /// A policy of the role denies it.
    Policy,
    /// The role's permissions boundary doesn't allow it.
    PermissionsBoundary,
    /// A service control policy of the organization doesn't allow it.
    ServiceControlPolicy,
}

/// What waits in the queue that is told of what was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiting {
    /// The queue's ARN.
    pub queue: String,
    /// Messages that wait there, as SQS estimates them.
    pub messages: u32,
    /// What one of them says, where it could be seen without taking it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one: Option<GivenUp>,
}

impl Waiting {
    /// The URL of the queue with this ARN, as AWS makes them, and the queue's region; nothing where it is no queue's ARN.
    pub fn url_of(queue: &str) -> Option<(String, &str)> {
        let mut parts = queue.split(':').skip(3);
        let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
        let suffix = Region::new("region", region).map_or("amazonaws.com", |region| region.dns_suffix());
        Some((format!("https://sqs.{region}.{suffix}/{account}/{name}"), region))
    }
}

/// What Lambda says of a batch that it gave up; the records are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenUp {
    /// Such as `RetryAttemptsExhausted` or `MaximumRecordAgeExceeded`.
    pub condition: String,
    /// `Unhandled` where the function ended with an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_error: Option<String>,
    /// The shard.
    pub shard: String,
    /// The first record's sequence number.
    pub first: String,
    /// The last record's.
    pub last: String,
    /// How many records.
    pub records: u32,
    /// When the last of them arrived in the stream, RFC 3339.
    pub arrived: String,
}

/// A secret of the function's, without what is secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secret {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The KMS key that encrypts it, as it was given; absent where that is the account's default key for secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// Whether it is rotated by itself.
    pub rotates: bool,
    /// When it was last changed, RFC 3339; absent where AWS doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
    /// When it was deleted, RFC 3339; absent where it wasn't: a deleted one is kept for a while and can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
}

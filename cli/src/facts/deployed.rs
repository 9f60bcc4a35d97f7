//! What k2m or another hand has deployed: the stack, its function, its event source mapping, and who owns what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Fact, Unreadable};
use crate::arn::Arn;

/// Longest part of a stream's name in logical ids, which may have 255 characters.
const NAME_IN_ID: usize = 64;

/// The tag that says which stack of k2m a thing belongs to: its value is the stack's name. On the stack itself and on each of its resources that
/// takes tags.
pub const STACK_TAG: &str = "k2m:stack";

/// What the description of a security group's rule begins with, in place of the tag that such a rule does not get from CloudFormation: a
/// space and the stack's name follow, then nothing or more words.
pub const RULE_DESCRIPTION: &str = "k2m";

/// The stack's name for a stream when the user names none. What a stack's name can't hold (`.`, `_`) becomes `-`.
pub fn default_stack_name(stream: &str) -> String {
    let fitting = stream.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    "k2m-".chars().chain(fitting).take(128).collect()
}

/// What the logical ids of a stream's resources begin with: its name, for people, and a hash of its ARN, since two names may have the same
/// letters and digits.
pub fn pipeline_id(stream: &Arn) -> String {
    let mut id = String::new();
    for word in stream.name().split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        id.extend(letters);
    }
    if !id.starts_with(|c: char| c.is_ascii_alphabetic()) {
        id.insert_str(0, "Stream");
    }
    id.truncate(NAME_IN_ID);
    id += &short_hash(stream.as_str());
    id
}

/// Eight characters that tell texts apart where a logical id can't have them.
pub fn short_hash(text: &str) -> String {
    let [one, two, three, four, ..]: [u8; 32] = Sha256::digest(text).into();
    format!("{:08x}", u32::from_be_bytes([one, two, three, four]))
}

/// Who made a thing, and so who may change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// The stack of these pipelines.
    ThisStack,
    /// Another stack of k2m, by its name.
    K2mStack(String),
    /// Somebody else: used, never touched.
    Foreign,
}

/// A CloudFormation stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Such as `CREATE_COMPLETE`.
    pub status: String,
    /// Whether k2m made it, by its tag.
    pub made_by_k2m: bool,
    /// Physical ids by logical ids.
    pub resources: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Its tags, but for those of k2m and AWS; only of a stack that k2m made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Whether it is kept from being deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// Its template, as it was deployed; only of a stack that k2m made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Why the template of a stack that k2m made is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_unreadable: Option<Unreadable>,
}

/// A deployed function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Function {
    /// Its ARN.
    pub arn: String,
    /// `Pending`, `Active`, `Inactive` or `Failed`.
    pub state: String,
    /// Why it is in that state, where AWS says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    /// What became of its last update: `Successful`, `InProgress` or `Failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update: Option<String>,
    /// Why its last update failed, where AWS says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_reason: Option<String>,
    /// Seconds an invocation may take.
    pub timeout_seconds: u32,
    /// Memory in MB.
    pub memory_mb: u32,
    /// The VPC that it is in, where it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc: Option<String>,
    /// Subnets it has network interfaces in; empty where it is in no VPC.
    pub subnets: Vec<String>,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// `x86_64` or `arm64`; absent where AWS doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Such as `provided.al2023`; absent where AWS doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// ARN of its role; absent where AWS doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Name of the log group that it writes to; absent where AWS doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<String>,
    /// How many invocations at the same time are reserved for it, and its most; absent where none are. Left out where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_concurrency: Option<Fact<u32>>,
    /// Those of its variables that k2m sets: names that begin with `K2M_`, none of which is ever secret.
    pub variables: BTreeMap<String, String>,
    /// Names of its other variables, sorted: what they hold is nobody's business here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_variables: Vec<String>,
}

impl Function {
    /// Its name, without what says where it is.
    pub fn name(&self) -> &str {
        function_name(&self.arn)
    }
}

/// A function's name out of its name or ARN, without what says where it is and which version of it is meant.
pub fn function_name(function: &str) -> &str {
    let mut parts = function.split(':');
    let name = if function.starts_with("arn:") {
        parts.nth(6)
    } else {
        parts.next()
    };
    name.unwrap_or_default()
}

/// An event source mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mapping {
    /// Its UUID.
    pub uuid: String,
    /// `Enabled`, `Disabled`, `Creating` and so on.
    pub state: String,
    /// Such as `OK` or `PROBLEM: Function call failed`; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
    /// Most records in an invocation.
    pub batch_size: u32,
    /// `TRIM_HORIZON`, `LATEST` or `AT_TIMESTAMP`; absent where AWS doesn't say, as of what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_position: Option<String>,
    /// The time to begin at with `AT_TIMESTAMP`, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_timestamp: Option<String>,
    /// Longest wait for a batch to fill, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batching_window: Option<u32>,
    /// Batches of one shard at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelization_factor: Option<u32>,
    /// How often a batch is tried again; -1 for as long as its records live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i32>,
    /// Seconds after which a record is given up; -1 for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_record_age: Option<i32>,
    /// Whether a batch that fails is halved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bisect: Option<bool>,
    /// Seconds of a tumbling window; absent or 0 without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tumbling_window: Option<u32>,
    /// Patterns, of which a record has to match one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// Whether it counts events (`EventCount` metrics).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_events: Option<bool>,
    /// Whether partial failures are understood.
    pub partial_failures: bool,
    /// ARN that is told of what is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::default_stack_name;

    #[test]
    fn a_stream_gives_its_stack_a_name_that_cloudformation_takes() {
        assert_eq!(default_stack_name("orders"), "k2m-orders");
        assert_eq!(default_stack_name("a.b_c-d"), "k2m-a-b-c-d");
        assert_eq!(default_stack_name(&"x".repeat(128)).len(), 128);
    }
}

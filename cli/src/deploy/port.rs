//! What the deployment asks of the world: CloudFormation, the artifact bucket, the clock, and the person who waits. The ports carry this project's
//! types only, and their answers are boxed, so that the machine over them is compiled once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::state::Status;
use crate::facts::Unreadable;

/// What a port will have to say.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// Why a call to AWS failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}{}", self.next())]
pub struct Fault {
    /// What kind of failure.
    pub kind: FaultKind,
    /// AWS's or the client's own words.
    pub message: String,
}

/// What kind of failure a [`Fault`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// There is no such thing.
    Absent,
    /// This IAM action is not allowed.
    Denied(String),
    /// Too many calls, or a failure on AWS's side: the same call may succeed later.
    Passing,
    /// Nothing answered.
    Unreachable,
    /// The credentials are wrong or expired.
    Credentials,
    /// All else.
    Refused,
}

/// Why something could not be read, as the fault of the call that was to read it.
impl From<&Unreadable> for Fault {
    fn from(why: &Unreadable) -> Self {
        Self {
            kind: why.missing_action.clone().map_or(FaultKind::Refused, FaultKind::Denied),
            message: why.message.clone(),
        }
    }
}

impl Fault {
    /// Whether the same call may succeed a little later.
    pub fn passes(&self) -> bool {
        matches!(self.kind, FaultKind::Passing | FaultKind::Unreachable)
    }

    fn next(&self) -> String {
        match &self.kind {
            FaultKind::Denied(action) => {
                format!("\n  allow {action} to these credentials, then run the same command again")
            }
            FaultKind::Unreachable => {
                "\n  check the network, HTTPS_PROXY, and AWS_ENDPOINT_URL where it is set".to_owned()
            }
            FaultKind::Credentials => {
                "\n  sign in again (`aws sso login`), or get new credentials, and run the same command".to_owned()
            }
            FaultKind::Passing => "\n  run the same command again in a minute".to_owned(),
            FaultKind::Absent | FaultKind::Refused => String::new(),
        }
    }
}

/// A stack, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its id, which stays good after its deletion.
    pub id: String,
    /// Its status.
    pub status: Status,
    /// Why it is in that status, where CloudFormation says so.
    pub reason: Option<String>,
    /// Whether it has k2m's tag.
    pub made_by_k2m: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it is kept from being deleted.
    pub protected: bool,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its logical id.
    pub logical_id: String,
    /// Such as `AWS::Lambda::Function`.
    pub resource_type: String,
    /// Such as `DELETE_FAILED`; empty where CloudFormation doesn't say.
    pub status: String,
    /// Why it is in that status, where CloudFormation says so.
    pub reason: Option<String>,
}

/// Something that happened to a stack or to one of its resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    /// Its id.
    pub id: String,
    /// The resource's logical id; the stack's name where it is about the stack.
    pub logical_id: String,
    /// The resource's physical id; the stack's id where it is about the stack.
    pub physical_id: String,
    /// Such as `AWS::Lambda::Function`.
    pub resource_type: String,
    /// Such as `CREATE_COMPLETE`.
    pub status: String,
    /// Why, where CloudFormation says so.
    pub reason: Option<String>,
}

/// A page of events, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<StackEvent>,
    /// What asks for the next page.
    pub next: Option<String>,
}

/// A change set to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChangeSet {
    /// The stack's name.
    pub stack: String,
    /// The change set's name.
    pub name: String,
    /// Makes a repeated request the same request.
    pub token: String,
    /// Whether the stack is to be created.
    pub create: bool,
    /// Whether it is in review already, so that it stays where this change set is taken away again.
    pub in_review: bool,
    /// The template.
    pub template: Template,
    /// The stack's parameters.
    pub parameters: BTreeMap<String, String>,
    /// The stack's tags, which CloudFormation gives to its resources too.
    pub tags: BTreeMap<String, String>,
    /// ARN of the role whose rights CloudFormation works with.
    pub role: Option<String>,
}

/// Where the template is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// In the request.
    Body(String),
    /// In the artifact bucket.
    Url(String),
}

/// A change set that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeChangeSet {
    /// Its id.
    pub id: String,
    /// The stack's id.
    pub stack: String,
}

/// A change set, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSet {
    /// CloudFormation works on it.
    Pending,
    /// It can be executed.
    Ready(Vec<Change>),
    /// It can't be; CloudFormation's words.
    Failed(String),
}

/// A property of a resource that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyChange {
    /// Such as `BatchSize` or `Environment.Variables.K2M_TOPIC`; other attributes have their own names, such as `Tags`.
    pub path: String,
    /// Its value now, where it has one and CloudFormation tells.
    pub before: Option<String>,
    /// Its value then, where it has one and CloudFormation knows it.
    pub after: Option<String>,
    /// Whether a new resource takes the place of the old one because of it.
    pub replaces: bool,
}

/// What happens to a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What happens.
    pub action: Action,
    /// The resource's logical id.
    pub logical_id: String,
    /// Such as `AWS::Lambda::Function`.
    pub resource_type: String,
    /// What of it changes, where it stays or is replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<PropertyChange>,
    /// The resource's documents, until what they say is among the properties.
    #[serde(skip)]
    pub context: Context,
}

/// CloudFormation's documents of a resource, each with its `Properties` and other attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// As it is now.
    pub before: Option<Value>,
    /// As it is to be.
    pub after: Option<Value>,
}

/// What happens to a resource. The order is the one in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// A new one takes its place, and the old one goes.
    Replace,
    /// A new one may take its place: it is known only when it is done.
    MayReplace,
    /// It goes.
    Remove,
    /// It changes and stays.
    Modify,
    /// It is made, or one that is there is adopted.
    Add,
}

/// CloudFormation. A stack is named by its name or its id.
pub trait Stacks: Sync {
    /// The stack, if there is one.
    fn stack<'a>(&'a self, stack: &'a str) -> Doing<'a, Option<Stack>>;
    /// Its resources that are there, in the order of logical ids.
    fn resources<'a>(&'a self, stack: &'a str) -> Doing<'a, Vec<Resource>>;
    /// Its template, as it was given.
    fn template<'a>(&'a self, stack: &'a str) -> Doing<'a, String>;
    /// A page of its events: the newest, or the one that an earlier page names.
    fn events<'a>(&'a self, stack: &'a str, page: Option<String>) -> Doing<'a, EventPage>;
    /// Names of its change sets that nobody has executed.
    fn change_sets<'a>(&'a self, stack: &'a str) -> Doing<'a, Vec<String>>;
    /// Asks for a change set.
    fn create_change_set<'a>(&'a self, change_set: &'a NewChangeSet) -> Doing<'a, MadeChangeSet>;
    /// A change set with all of its changes.
    fn change_set<'a>(&'a self, id: &'a str) -> Doing<'a, ChangeSet>;
    /// Deletes a change set of that name; that there is none is fine.
    fn delete_change_set<'a>(&'a self, stack: &'a str, name: &'a str) -> Doing<'a, ()>;
    /// Begins to execute a change set.
    fn execute<'a>(&'a self, id: &'a str, token: &'a str) -> Doing<'a, ()>;
    /// Begins to delete the stack, with the rights of this role where one is named; that there is none is fine.
    fn delete_stack<'a>(&'a self, stack: &'a str, token: &'a str, role: Option<&'a str>) -> Doing<'a, ()>;
    /// Keeps the stack from being deleted, or no more.
    fn protect<'a>(&'a self, stack: &'a str, protected: bool) -> Doing<'a, ()>;
    /// Cancels the update that is under way: CloudFormation rolls it back.
    fn cancel_update<'a>(&'a self, stack: &'a str, token: &'a str) -> Doing<'a, ()>;
    /// Begins to go on with the rollback of an update that failed.
    fn continue_rollback<'a>(&'a self, stack: &'a str, token: &'a str) -> Doing<'a, ()>;
    /// Begins to roll back an update that failed and was told not to.
    fn roll_back<'a>(&'a self, stack: &'a str, token: &'a str) -> Doing<'a, ()>;
}

/// A version of an object, or a marker that says that it is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The object's key.
    pub key: String,
    /// The version's id.
    pub id: String,
}

/// S3, in one region and for one account: each call says whose bucket it expects.
pub trait Artifacts: Sync {
    /// Names of the account's buckets in this region that begin so, in order.
    fn buckets<'a>(&'a self, prefix: &'a str) -> Doing<'a, Vec<String>>;
    /// Whether there is such a bucket of the account.
    fn exists<'a>(&'a self, bucket: &'a str) -> Doing<'a, bool>;
    /// The bucket's tags.
    fn tags<'a>(&'a self, bucket: &'a str) -> Doing<'a, BTreeMap<String, String>>;
    /// Makes a bucket.
    fn create<'a>(&'a self, bucket: &'a str) -> Doing<'a, ()>;
    /// Keeps everybody else out: blocks public access, encrypts, keeps versions, refuses what doesn't come through TLS, and ends uploads that were
    /// given up. Doing it again changes nothing.
    fn secure<'a>(&'a self, bucket: &'a str, policy: &'a str) -> Doing<'a, ()>;
    /// Gives the bucket these tags.
    fn tag<'a>(&'a self, bucket: &'a str, tags: &'a BTreeMap<String, String>) -> Doing<'a, ()>;
    /// Whether there is such an object.
    fn has<'a>(&'a self, bucket: &'a str, key: &'a str) -> Doing<'a, bool>;
    /// Uploads an object.
    fn put<'a>(&'a self, bucket: &'a str, key: &'a str, bytes: &'a [u8]) -> Doing<'a, ()>;
    /// All versions and deletion markers of keys that begin so.
    fn versions<'a>(&'a self, bucket: &'a str, prefix: &'a str) -> Doing<'a, Vec<Version>>;
    /// Removes versions for good.
    fn remove<'a>(&'a self, bucket: &'a str, versions: &'a [Version]) -> Doing<'a, ()>;
    /// Deletes the bucket; false where something is left in it.
    fn delete<'a>(&'a self, bucket: &'a str) -> Doing<'a, bool>;
    /// Where CloudFormation finds an object.
    fn url(&self, bucket: &str, key: &str) -> String;
}

/// Time and randomness.
pub trait World: Sync {
    /// Time since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// Random bits, good enough for names.
    fn random(&self) -> u64;
}

/// How a line looks where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As the rest.
    Plain,
    /// It went well.
    Good,
    /// It failed, or something is lost with it.
    Bad,
    /// It waits, or is beside the point.
    Faint,
}

/// A line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How it looks.
    pub look: Look,
    /// What it says.
    pub text: String,
}

impl Line {
    /// A line of this look.
    pub fn new(look: Look, text: impl Into<String>) -> Self {
        Self {
            look,
            text: text.into(),
        }
    }
}

/// The person who waits.
pub trait User: Sync {
    /// Says what happens.
    fn tell(&self, text: &str);
    /// Says the same in colours.
    fn tell_line(&self, line: &Line) {
        self.tell(&line.text);
    }
    /// Columns of the terminal that is told, where there is one.
    fn columns(&self) -> Option<usize> {
        self.canvas().map(|(columns, _)| columns)
    }
    /// Columns and rows of the terminal, where there is one that can be drawn on.
    fn canvas(&self) -> Option<(usize, usize)> {
        None
    }
    /// Draws these lines in place of those that were drawn before; none take them away.
    fn draw(&self, _: &[Line]) {}
    /// Asks; the answer is yes or no. `--yes` answers by itself.
    fn confirm<'a>(
        &'a self,
        question: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<bool, super::DeployError>> + Send + 'a>>;
    /// Resolves as soon as Ctrl-C or SIGTERM has come so many times.
    fn stopped(&self, times: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

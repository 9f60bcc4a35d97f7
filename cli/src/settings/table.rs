//! The settings: one table that says of each its name, its values, its default, why, and how its text is read. Flags, variables of the environment,
//! k2m.yaml and docs/settings.md all follow from it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use k2m_handler::payload::{Compression, Decode, Key, Pointer, Timestamp, ValueForm};

use super::form::Form::{Booleans, Numbers, OneOf, Words};
use super::form::{self, Form};
use super::parse::{self, IamArn, Position, Target, boolean, number};
use super::payload::{self, Told};
use super::servers::{self, Servers};
use super::{Architecture, Authentication, OnPoison};
use crate::args::SettingsArgs;
use crate::arn::{Arn, SecretArn};

/// What is known of a setting without its type.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As in k2m.yaml; the flag and the variable follow from it.
    pub name: &'static str,
    /// What it can be, for people.
    pub values: &'static str,
    /// What it is when nobody chooses.
    pub default: Preset,
    /// Why it is that, or what it does.
    pub why: &'static str,
    /// How it is written in k2m.yaml.
    pub shape: Shape,
    /// What its values look like to a program.
    pub form: Form,
    /// What the command line says of it.
    pub flag_value: fn(&SettingsArgs) -> Option<Cow<'_, str>>,
    /// Whether a text can be one, and why not.
    pub check: fn(&str) -> Result<(), String>,
}

/// What a setting is when nobody chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// This value.
    Is(&'static str),
    /// What follows from something else, in words.
    Follows(&'static str),
    /// Nothing: somebody has to choose.
    Required,
}

/// How a setting is written in k2m.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// A number, true or false.
    Word,
    /// A list of texts, separated by commas elsewhere.
    List,
    /// A text, or a list of them.
    TextOrList,
    /// A mapping of texts to texts, a JSON object elsewhere.
    Map,
}

impl Row {
    /// Such as `--batch-size`.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// Whether it is of the whole stack, not of one pipeline.
    pub fn of_stack(&self) -> bool {
        OF_STACK.contains(&self.name)
    }

    /// Such as `K2M_BATCH_SIZE`.
    pub fn variable(&self) -> String {
        format!("K2M_{}", self.name.to_ascii_uppercase())
    }
}

/// Settings that all pipelines of a stack have in common: none of them can stand in one pipeline.
pub(super) const OF_STACK: [&str; 23] = [
    "cluster",
    "bootstrap_servers",
    "broker_cidrs",
    "stack",
    "profile",
    "region",
    "authentication",
    "secret",
    "ca_secret",
    "subnets",
    "vpc",
    "peering",
    "security_group",
    "public_access",
    "private_connectivity",
    "secrets_endpoint",
    "all_broker_ports",
    "tags",
    "termination_protection",
    "permissions_boundary",
    "cloudformation_role",
    "artifact_bucket",
    "architecture",
];

/// A regular expression for what names of stacks can't begin with: others make those as they need them.
pub(super) const NAMES_OF_NETWORK_STACKS: &str = "^k2m-network-";

/// What a flag holds, as text.
trait Said {
    fn said(&self) -> Option<Cow<'_, str>>;
}

impl Said for Option<String> {
    fn said(&self) -> Option<Cow<'_, str>> {
        self.as_deref().map(Cow::Borrowed)
    }
}

impl Said for Vec<String> {
    fn said(&self) -> Option<Cow<'_, str>> {
        (!self.is_empty()).then(|| Cow::Owned(self.join(",")))
    }
}

/// A setting, and how its text is read.
pub(super) struct Declared<T> {
    pub(super) row: Row,
    pub(super) parse: fn(&str) -> Result<T, String>,
}

macro_rules! settings {
    ($($constant:ident = $name:ident $(in $group:ident)?: $shape:ident<$type:ty>, $default:expr, $values:expr, $why:expr, $form:expr, $parse:expr;)*) => {
        $(
            pub(super) const $constant: Declared<$type> = Declared {
                row: Row {
                    name: stringify!($name),
                    values: $values,
                    default: $default,
                    why: $why,
                    shape: Shape::$shape,
                    form: $form,
                    flag_value: |args| args$(.$group)?.$name.said(),
                    check: |text| {
                        let parse: fn(&str) -> Result<$type, String> = $parse;
                        parse(text).map(drop)
                    },
                },
                parse: $parse,
            };
        )*

        /// All of them, in the order of the documentation.
        pub const TABLE: &[Row] = &[$($constant.row),*];

        /// Whether a text can be the value of a setting by itself, and if not, why. There is nothing to say of a name that no setting has.
        pub fn check(name: &str, text: &str) -> Result<(), String> {
            match name {
                $(stringify!($name) => ($constant.parse)(text).map(drop),)*
                _ => Ok(()),
            }
        }
    };
}

use Preset::{Follows, Is, Required};

settings! {
    STREAM = stream: TextOrList<Vec<Arn>>, Required, "ARN of a Kinesis data stream, or several",
        "what is read, by a pipeline each; the region comes from it", form::STREAM, parse::streams;
    CLUSTER = cluster: Text<Arn>, Required, "ARN of an MSK cluster",
        "where records go; the account comes from it", form::CLUSTER, parse::cluster;
    BOOTSTRAP_SERVERS = bootstrap_servers: TextOrList<Servers>, Follows("none: `cluster` says where records go"), "`HOST:PORT`, or several; names or IPv4 addresses",
        "in place of `cluster`: a Kafka that is not MSK, by servers to begin with", form::SERVER, Servers::parse;
    BROKER_CIDRS = broker_cidrs: List<Vec<Ipv4Net>>, Follows("the addresses of `bootstrap_servers`"), "IPv4 blocks such as `10.1.2.0/24`",
        "with `bootstrap_servers`: where all brokers' addresses are, for proofs and rules; where this machine resolves names otherwise than the VPC does", form::BLOCK, servers::blocks;
    TOPIC = topic: Text<String>, Follows("the stream's name"), "1 to 249 letters, digits, `.`, `_`, `-`",
        "one stream, one topic: with several streams each pipeline has its own", form::TOPIC, parse::topic;
    STACK = stack: Text<String>, Follows("`k2m-<stream>`; with several streams none: to be given"), "1 to 128 letters, digits, `-`; a letter first",
        "the CloudFormation stack of all pipelines", form::STACK, parse::stack;
    PROFILE = profile: Text<String>, Follows("what the AWS SDK finds (`AWS_PROFILE`)"), "a profile of the AWS configuration",
        "whose credentials are used", form::PROFILE, parse::profile;
    REGION = region: Text<String>, Follows("the stream's"), "a region of AWS",
        "checked against the stream's ARN; where there is none, it says where to look", form::REGION, parse::region;
    AUTHENTICATION = authentication: Text<Authentication>, Follows("the best that the cluster has"), "`iam`, `tls`, `plaintext`, `scram`, `mutual_tls`",
        "the port follows from it", Words(&["iam", "tls", "plaintext", "scram", "mutual_tls"]), parse::authentication;
    SECRET = secret: Text<SecretArn>, Follows("with `scram` the one that is associated with the cluster"), "ARN of a secret in Secrets Manager",
        "what the function shows: user and password with `scram`, certificate and key with `mutual_tls`", form::SECRET, parse::secret;
    CA_SECRET = ca_secret: Text<SecretArn>, Follows("none: the authorities that the system trusts"), "ARN of a secret in Secrets Manager",
        "the brokers' certificate authority, where it is a private one", form::SECRET, parse::secret;
    CREATE_TOPIC = create_topic: Word<bool>, Follows("asked"), "`true`, `false`",
        "whether a topic that is missing is created; it stays when the stack goes", form::BOOLEAN, boolean;
    TOPIC_PARTITIONS = topic_partitions: Word<u32>, Follows("the number of open shards, or of brokers where they are more"), "1 or more",
        "of a topic that is created", Numbers(&[(1, 2_147_483_647)]), |text| number(text, 1..=2_147_483_647, "the partitions of a topic");
    TOPIC_REPLICATION_FACTOR = topic_replication_factor: Word<u32>, Follows("3, or the number of brokers where there are fewer"), "1 or more",
        "of a topic that is created", Numbers(&[(1, 32_767)]), |text| number(text, 1..=32_767, "the replicas of a partition, at most one a broker");
    ON_POISON = on_poison: Text<OnPoison>, Is("block"), "`block`, `divert`",
        "what the topic can never take: retried and then given up, or sent to the dead-letter topic at once", Words(&["block", "divert"]), parse::on_poison;
    DEAD_LETTER_TOPIC = dead_letter_topic: Text<String>, Follows("`<topic>-dead-letter`"), "as `topic`, and another than it",
        "goes with `on_poison: divert`, and only with it", form::TOPIC, parse::topic;
    CONSUMER = consumer: Text<String>, Follows("none: shards are polled"), "ARN of a registered consumer of the stream",
        "enhanced fan-out: the mapping has 2 MB a second of each shard for itself, which AWS charges for", form::CONSUMER, parse::consumer;
    STARTING_POSITION = starting_position: Text<Position>, Is("TRIM_HORIZON"), "`TRIM_HORIZON`, `LATEST`, `AT_TIMESTAMP`",
        "`LATEST` can miss records while the mapping is created", Words(&["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]), parse::starting_position;
    STARTING_TIMESTAMP = starting_timestamp: Text<String>, Follows("none"), "RFC 3339, such as `2026-01-02T03:04:05Z`",
        "goes with `AT_TIMESTAMP`, and only with it; a time that has not come is refused, since no mapping begins there", form::TIME, parse::timestamp;
    BATCH_SIZE = batch_size: Word<u32>, Is("1000"), "1 to 10000 records",
        "small batches waste invocations", Numbers(&[(1, 10_000)]), |text| number(text, 1..=10_000, "the most records that Lambda passes to an invocation");
    BATCHING_WINDOW = batching_window: Word<u32>, Is("1"), "0 to 300 seconds",
        "how long a batch may take to fill: more adds delay", Numbers(&[(0, 300)]), |text| number(text, 0..=300, "the seconds that Lambda lets a batch take to fill");
    PARALLELIZATION_FACTOR = parallelization_factor: Word<u32>, Is("1"), "1 to 10",
        "batches of one shard in work at the same time: each needs connections", Numbers(&[(1, 10)]), |text| number(text, 1..=10, "the batches of one shard that Lambda works on at the same time");
    RETRIES = retries: Word<i32>, Is("100"), "-1 (without end) to 10000",
        "a broker that restarts is back long before", Numbers(&[(-1, 10_000)]), |text| number(text, -1..=10_000, "Lambda's retries of a batch that failed; -1 is without end");
    MAXIMUM_RECORD_AGE = maximum_record_age: Word<i32>, Follows("the smaller of 7 days and the stream's retention"), "-1 (any age), or 60 to 604800 seconds",
        "what is older goes to the failure destination", Numbers(&[(-1, -1), (60, 604_800)]), parse::maximum_record_age;
    BISECT = bisect: Word<bool>, Is("true"), "`true`, `false`",
        "a batch that fails is halved until one record is left to blame", form::BOOLEAN, boolean;
    PARTIAL_FAILURES = partial_failures: Word<bool>, Is("true"), "`true`",
        "without it a partial failure would count as success", Booleans(&[true]), parse::partial_failures;
    TUMBLING_WINDOW = tumbling_window: Word<u32>, Is("0"), "0",
        "a tumbling window makes Lambda hold state between invocations; k2m keeps none", Numbers(&[(0, 0)]), parse::tumbling_window;
    ENABLED = enabled: Word<bool>, Is("true"), "`true`, `false`",
        "whether the mapping reads", form::BOOLEAN, boolean;
    FAILURE_DESTINATION = failure_destination: Text<Target>, Follows("an SNS topic of the stack's own with an SQS queue"), "ARN of an SNS topic or an SQS queue, not FIFO, or of an S3 bucket",
        "the queue keeps what was given up for 14 days", form::FAILURE_DESTINATION, parse::failure_destination;
    FAILURE_EMAIL = failure_email: Text<String>, Follows("nobody"), "an e-mail address",
        "who is told by mail of what was given up, once the mail that AWS sends is confirmed; only with the stack's own failure destination", form::EMAIL, parse::email;
    ALARM_TOPIC = alarm_topic: Text<Target>, Follows("none"), "ARN of an SNS topic, not FIFO",
        "what the alarms tell", form::ALARM_TOPIC, parse::alarm_topic;
    MEMORY = memory: Word<u32>, Is("256"), "128 to 10240 MB",
        "processing power follows memory; larger batches need more", Numbers(&[(128, 10_240)]), |text| number(text, 128..=10_240, "the megabytes that Lambda gives a function");
    TIMEOUT = timeout: Word<u32>, Is("60"), "1 to 900 seconds",
        "a short one hides the cause of every failure", Numbers(&[(1, 900)]), |text| number(text, 1..=900, "the seconds that Lambda lets an invocation take");
    LOG_RETENTION = log_retention: Word<u32>, Is("30"), "a number of days that CloudWatch Logs takes",
        "logs without end cost without end", OneOf(&parse::RETENTIONS), parse::log_retention;
    SUBNETS = subnets: List<Vec<String>>, Follows("chosen from `vpc`"), "1 to 16 ids of subnets",
        "where the function is", form::SUBNET, parse::subnets;
    VPC = vpc: Text<String>, Follows("the brokers', or in another region one that leads there"), "id of a VPC in the stream's region",
        "where the function is; the plan chooses among its subnets", form::VPC, parse::vpc;
    PEERING = peering: Text<String>, Follows("one that is there, else k2m's own"), "id of a VPC peering connection",
        "what joins the function's VPC and the brokers'", form::PEERING, parse::peering;
    SECURITY_GROUP = security_group: Text<String>, Follows("the stack's own"), "id of a security group of `vpc`",
        "that of the functions; it is used as it is, and gets no rule", form::SECURITY_GROUP, parse::security_group;
    PUBLIC_ACCESS = public_access: Word<bool>, Is("false"), "`true`, `false`",
        "whether functions are in no VPC and reach the brokers over the internet, where the cluster has public access", form::BOOLEAN, boolean;
    PRIVATE_CONNECTIVITY = private_connectivity: Word<bool>, Follows("where nothing else can lead there, or a VPC connection does"), "`true`, `false`",
        "whether the cluster is reached by its multi-VPC private connectivity, through a VPC connection that AWS charges for", form::BOOLEAN, boolean;
    SECRETS_ENDPOINT = secrets_endpoint: Word<bool>, Follows("asked"), "`true`, `false`",
        "whether an interface endpoint for Secrets Manager, which AWS charges for, is made where functions need a secret and nothing leads there", form::BOOLEAN, boolean;
    ALL_BROKER_PORTS = all_broker_ports: Word<bool>, Is("false"), "`true`, `false`",
        "whether rules are for ports 9092 to 9098 instead of the one that is used", form::BOOLEAN, boolean;
    TAGS = tags: Map<BTreeMap<String, String>>, Follows("none"), "a mapping of keys to values, 49 at most; `KEY=VALUE,…` or a JSON object elsewhere",
        "tags of the stack and of network stacks, which CloudFormation gives to their resources, and of the artifact bucket that k2m makes", form::TAG, parse::tags;
    TERMINATION_PROTECTION = termination_protection: Word<bool>, Follows("as it is: at first off"), "`true`, `false`",
        "whether the stack is kept from being deleted, by `k2m destroy` too", form::BOOLEAN, boolean;
    PERMISSIONS_BOUNDARY = permissions_boundary: Text<IamArn>, Follows("none"), "ARN of an IAM policy",
        "the most that a role of the stack may be allowed", form::POLICY, parse::policy;
    CLOUDFORMATION_ROLE = cloudformation_role: Text<IamArn>, Follows("none: the rights of who deploys"), "ARN of an IAM role that CloudFormation may assume",
        "whose rights CloudFormation makes, changes and deletes the stacks with", form::ROLE, parse::role;
    ARTIFACT_BUCKET = artifact_bucket: Text<String>, Follows("one that k2m makes for the account and region"), "name of an S3 bucket of the account, in the stack's region",
        "where the function's code and large templates are put; it is used as it is", form::BUCKET, parse::bucket;
    ARCHITECTURE = architecture: Text<Architecture>, Follows("`arm64` where k2m carries a handler for it, else what the handler is built for"), "`x86_64`, `arm64`",
        "the function's processor; a handler that k2m does not carry must be built for it", Words(&["x86_64", "arm64"]), parse::architecture;

    DECODE = decode in payload: List<Told<Decode>>, Is("kpl"), "`kpl`, `gzip`, and `lines` or `cloudwatch_logs`; or `none`",
        "how data is taken apart into messages; docs/payload.md says what each does", Words(&["kpl", "gzip", "lines", "cloudwatch_logs", "none"]), payload::decode;
    KEY = key in payload: Text<Told<Key>>, Is("partition_key"), "`partition_key`, `none`, `explicit_hash_key`, or a JSON pointer into the value",
        "the message's key; another than the partition key gives its order up", form::KEY, payload::key;
    TOPIC_POINTER = topic_pointer in payload: Text<Told<Pointer>>, Follows("none"), "a JSON pointer into the value, such as `/type`",
        "whose text `topic_map` gives a topic; goes with it, and only with it", form::POINTER, payload::pointer;
    TOPIC_MAP = topic_map in payload: Map<Told<BTreeMap<String, String>>>, Follows("none"), "a mapping of texts to names of topics; a JSON object elsewhere",
        "what is not in it goes to `topic`", form::TOPIC, payload::topic_map;
    VALUE = value in payload: Text<Told<ValueForm>>, Is("bytes"), "`bytes`, `json`",
        "the bytes as they are, or a JSON object with the metadata", Words(&["bytes", "json"]), payload::value;
    TIMESTAMP = timestamp in payload: Text<Told<Timestamp>>, Is("arrival"), "`arrival`, a JSON pointer into the value, or with `cloudwatch_logs` `event`",
        "the message's timestamp", form::MESSAGE_TIME, payload::timestamp;
    HEADERS = headers in payload: Word<bool>, Is("true"), "`true`, `false`",
        "whether headers say which record a message is", form::BOOLEAN, boolean;
    COMPRESSION = compression in payload: Text<Told<Compression>>, Is("none"), "`none`, `lz4`, `zstd`, `snappy`, `gzip`",
        "of what is sent to the brokers", Words(&["none", "lz4", "zstd", "snappy", "gzip"]), payload::compression;
    STRICT_ORDER = strict_order: Word<bool>, Is("false"), "`true`, `false`",
        "whether `plan` refuses what gives the order of a partition key up", form::BOOLEAN, boolean;
}

//! The command line: clap structs and value parsers only.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use k2m_handler::probe::CreateTopic;

use crate::local::stream::Reshard;
use crate::settings::OnPoison;
use crate::settings::parse::topic;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "k2m", version, about = "Moves Kinesis data streams into Kafka topics on Amazon MSK through AWS Lambda", long_about = None)]
pub struct Cli {
    /// How much is said, and how it looks.
    #[command(flatten)]
    pub manner: MannerArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How much any command says, and how it looks.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct MannerArgs {
    /// Say only results and errors
    ///
    /// What has to be known to answer a question is said all the same.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say each call to AWS too
    ///
    /// Service, operation, region, result and time; never what was sent or answered.
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Whether there are colours: auto, always or never
    ///
    /// With auto there are on a terminal, unless NO_COLOR, CLICOLOR, CLICOLOR_FORCE or TERM say otherwise.
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        global = true,
        default_value_t,
        hide_possible_values = true
    )]
    #[expect(clippy::doc_markdown, reason = "these are the words of the help")]
    pub color: Color,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that has some, unless the environment says otherwise
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask what can't be found out, and write k2m.yaml
    Init(Box<InitArgs>),
    /// Write the k2m.yaml that does what a function of a template did
    Import(Box<ImportArgs>),
    /// Deploy the pipeline as a CloudFormation stack, or update it
    Deploy(Box<DeployArgs>),
    /// Say which hop, right or topic is broken, and how to mend it
    Doctor(Box<DoctorArgs>),
    /// Say what a code of doctor means, and how to mend it
    Explain(ExplainArgs),
    /// Say how the pipelines of a stack are: a line each, and why
    Status(StatusArgs),
    /// Show what the pipelines' functions log, in sentences
    Logs(LogsArgs),
    /// Look at all in AWS that matters for a pipeline; change nothing
    Inspect(Box<InspectArgs>),
    /// Decide what a pipeline needs, prove its way; change nothing
    Plan(Box<DrawnPlanArgs>),
    /// Print the CloudFormation template of the plan
    Render(Box<RenderArgs>),
    /// Delete the pipeline's stack; topic and cluster stay as they are
    Destroy(Box<DestroyArgs>),
    /// Print the JSON Schema of k2m.yaml, which editors use
    Schema(SchemaArgs),
    /// Deliver a file of records through the real handler into Kafka
    Run(Box<RunArgs>),
    /// Show a pipeline at work: a broker fails, and nothing is lost
    Demo(DemoArgs),
    /// Print what completes k2m's commands and flags in a shell
    Completions(CompletionsArgs),
    /// Serve the Lambda Runtime API as the function's process
    #[command(hide = true)]
    Bootstrap {
        /// In front of the embedded brokers, which take records of any size
        #[arg(long)]
        embedded: bool,
    },
    /// Serve an embedded Kafka cluster, told what to do through standard input
    #[command(hide = true)]
    Broker(EmbeddedArgs),
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text for people
    #[default]
    Human,
    /// One JSON document on stdout
    Json,
}

/// How the brokers are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Authentication {
    /// No encryption (on MSK: port 9092)
    Plaintext,
    /// TLS without a client certificate (on MSK: port 9094)
    Tls,
    /// TLS with a client certificate, out of a secret (on MSK: port 9094)
    #[value(alias = "mutual_tls")]
    MutualTls,
    /// TLS, and a user with a password out of a secret: SASL/SCRAM-SHA-512 (on MSK: port 9096)
    Scram,
    /// TLS, and a token that the access key of the environment signs: SASL/IAM (on MSK: port 9098)
    Iam,
}

/// Which Kafka cluster.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Kafka")]
pub struct BrokerArgs {
    /// Brokers to begin with, comma-separated; without it an embedded broker that keeps records in memory only
    #[arg(long, value_name = "HOST:PORT,…", value_parser = bootstrap_servers)]
    pub bootstrap_servers: Option<String>,
    /// How the brokers are spoken to [default: plaintext, or tls when --ca-file is given]
    #[arg(long, value_enum, requires = "bootstrap_servers")]
    pub authentication: Option<Authentication>,
    /// File with the secret for mutual-tls or scram, as JSON: certificate and privateKey (and privateKeyPassword), or username and password
    #[arg(long, value_name = "FILE", requires = "bootstrap_servers")]
    pub secret_file: Option<PathBuf>,
    /// The same secret in AWS Secrets Manager, read with the access key that the environment holds
    #[arg(
        long,
        value_name = "ARN",
        requires = "bootstrap_servers",
        conflicts_with = "secret_file"
    )]
    pub secret: Option<String>,
    /// Region of the cluster, for iam [default: `AWS_REGION` of the environment]
    #[arg(long, value_name = "REGION", requires = "bootstrap_servers")]
    pub cluster_region: Option<String>,
    /// Certificate authorities to trust, as PEM [default: those of the system]
    #[arg(long, value_name = "FILE", requires = "bootstrap_servers")]
    pub ca_file: Option<PathBuf>,
}

/// `k2m run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each input line is {\"partitionKey\": \"…\", \"data\": \"text\"} or has \"dataBase64\" in place of \"data\"; \
                  \"shard\", \"sequenceNumber\", \"explicitHashKey\" and \"approximateArrivalTimestamp\" are optional."
)]
pub struct RunArgs {
    /// Stream whose pipeline of --config is run, where that lists several
    #[arg(long, value_name = "ARN", requires = "config")]
    pub stream: Option<String>,
    /// Topic to deliver to; it must exist on a broker given with --bootstrap-servers [default: the topic of --config, else its stream's name]
    #[arg(long, value_name = "NAME", value_parser = topic)]
    pub topic: Option<String>,
    /// Records as JSON lines; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// File of settings, to run a pipeline as it is deployed: its topics, payload, mapping and time-out; flags count more [default: none]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Environment of that file whose settings count more than what stands outside of it [default: none]
    #[arg(long, value_name = "NAME", requires = "config")]
    pub env: Option<String>,
    /// How the summary is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,

    /// The cluster.
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// Partitions of the embedded broker's topic [default: 3]
    #[arg(long, value_name = "N", conflicts_with = "bootstrap_servers", help_heading = "Kafka", value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: Option<i32>,

    /// What becomes of a record that the topic can never take [default: block]
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Kafka")]
    pub on_poison: Option<OnPoison>,
    /// Topic that poison is diverted to [default: <topic>-dead-letter]
    #[arg(long, value_name = "NAME", help_heading = "Kafka", value_parser = topic)]
    pub dead_letter_topic: Option<String>,

    /// The payload.
    #[command(flatten)]
    pub payload: PayloadArgs,

    /// The event source mapping.
    #[command(flatten)]
    pub mapping: MappingArgs,

    /// The function.
    #[command(flatten)]
    pub function: FunctionArgs,

    /// The probe.
    #[command(flatten)]
    pub probe: ProbeArgs,
}

/// The probe, in place of a run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Probe")]
pub struct ProbeArgs {
    /// Deliver nothing: try the way to the brokers step by step, as the function does, and say what fails; exit code 1 if something does
    #[arg(long, requires = "bootstrap_servers", conflicts_with = "input")]
    pub probe: bool,
    /// Also write a record to the topic, with the header k2m-canary, and read it back
    #[arg(long, requires = "probe")]
    pub canary: bool,
    /// Also create the topic if it is missing, with so many partitions and replicas of each
    #[arg(long, value_name = "PARTITIONS:REPLICAS", requires = "probe", value_parser = create_topic)]
    pub create_topic: Option<CreateTopic>,
}

/// The event source mapping's parameters.
#[derive(Debug, Args)]
#[command(next_help_heading = "Event source mapping")]
pub struct MappingArgs {
    /// Shards of the stream; a record's shard follows from the MD5 of its partition key
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub shards: u32,
    /// After that many records of the input the stream has SHARDS shards, as after a resharding (repeatable)
    #[arg(long, value_name = "RECORD:SHARDS", value_parser = reshard)]
    pub reshard: Vec<Reshard>,
    /// Most records in one invocation (1-10000) [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch_size: Option<u32>,
    /// Longest wait for a batch to fill, in seconds (0-300) [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=300))]
    pub batching_window: Option<u32>,
    /// Batches of one shard in work at the same time (1-10); records of one partition key stay in order [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10))]
    pub parallelization_factor: Option<u32>,
    /// Retries of a failed batch (0-10000); -1 is without end [default: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1..=10_000))]
    pub retries: Option<i32>,
    /// Oldest record that is still sent, in seconds (60-604800); -1 is any age [default: -1]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = maximum_record_age)]
    pub maximum_record_age: Option<i32>,
    /// Do not split a batch in two when the function fails
    #[arg(long)]
    pub no_bisect: bool,
    /// File for records that are given up, as JSON lines, appended to; without it they count as failed
    #[arg(long, value_name = "FILE")]
    pub on_failure: Option<PathBuf>,
}

/// The function's process.
#[derive(Debug, Args)]
#[command(next_help_heading = "Function")]
pub struct FunctionArgs {
    /// Longest duration of an invocation, in seconds (1-900); a process that takes longer is killed [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=900))]
    pub timeout: Option<u32>,
    /// Stop the process between invocations, as Lambda freezes its sandbox
    #[arg(long)]
    pub freeze: bool,
    /// A bootstrap binary to run in place of the built-in handler
    #[arg(long, value_name = "PATH")]
    pub handler: Option<PathBuf>,
    /// An environment variable for the handler (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = environment_variable)]
    pub handler_env: Vec<(String, String)>,
    /// File for everything that the handler logs
    #[arg(long, value_name = "FILE")]
    pub handler_log: Option<PathBuf>,
}

/// `k2m demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Records to generate, beside one of 2 MiB that no topic accepts
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    pub records: u64,
    /// Topic to deliver to [default: a new one named k2m-demo-<random>, which is left in place]
    #[arg(long, value_name = "NAME", value_parser = topic)]
    pub topic: Option<String>,
    /// How the result is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// The cluster.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// What a user can choose for a pipeline. All as text: flags, environment and k2m.yaml are read by the same rules, which `settings` has.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingsArgs {
    /// The file of settings [default: k2m.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Environment of the file whose settings count more than what stands outside of it [default: none]
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,

    /// Kinesis data stream to read (repeatable: a pipeline each, in one stack)
    #[arg(long, value_name = "ARN", help_heading = "AWS")]
    pub stream: Vec<String>,
    /// CloudFormation stack of the pipelines [default: k2m-<stream>]
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub stack: Option<String>,
    /// Profile of the AWS configuration [default: what the environment says, as in AWS's SDKs]
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub profile: Option<String>,
    /// Region to look in where no ARN says one; else only checked against the stream's ARN
    #[arg(long, value_name = "REGION", help_heading = "AWS")]
    pub region: Option<String>,

    /// Tags of the stacks and of what is in them, comma-separated [default: none]
    #[arg(long, value_name = "KEY=VALUE,…", help_heading = "AWS")]
    pub tags: Option<String>,
    /// Keep the stack from being deleted: true or false [default: as it is]
    #[arg(long, value_name = "BOOL", help_heading = "AWS", num_args = 0..=1, default_missing_value = "true")]
    pub termination_protection: Option<String>,
    /// IAM policy that bounds what the stack's roles may be allowed [default: none]
    #[arg(long, value_name = "ARN", help_heading = "AWS")]
    pub permissions_boundary: Option<String>,
    /// IAM role whose rights CloudFormation works with [default: none, yours]
    #[arg(long, value_name = "ARN", help_heading = "AWS")]
    pub cloudformation_role: Option<String>,
    /// S3 bucket for the function's code, used as it is [default: one that k2m makes]
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub artifact_bucket: Option<String>,

    /// MSK cluster to write to
    #[arg(long, value_name = "ARN", help_heading = "Kafka")]
    pub cluster: Option<String>,
    /// In place of a cluster, servers to begin with of a Kafka that is not MSK, comma-separated
    #[arg(long, value_name = "HOST:PORT,…", help_heading = "Kafka")]
    pub bootstrap_servers: Option<String>,
    /// IPv4 blocks that all of its brokers' addresses are in, comma-separated [default: the addresses of --bootstrap-servers]
    #[arg(long, value_name = "CIDR,…", help_heading = "Kafka")]
    pub broker_cidrs: Option<String>,
    /// Topic to deliver to [default: the stream's name]
    #[arg(long, value_name = "NAME", help_heading = "Kafka")]
    pub topic: Option<String>,
    /// How the brokers are spoken to: iam, tls, plaintext, scram or mutual-tls [default: the best that the cluster has]
    #[arg(long, value_name = "HOW", help_heading = "Kafka")]
    pub authentication: Option<String>,
    /// Secret with user and password for scram, or certificate and key for mutual-tls [default: with scram the cluster's own]
    #[arg(long, value_name = "ARN", help_heading = "Kafka")]
    pub secret: Option<String>,
    /// Secret with the brokers' certificate authority, where it is a private one [default: none]
    #[arg(long, value_name = "ARN", help_heading = "Kafka")]
    pub ca_secret: Option<String>,
    /// Whether a topic that is missing is created: true or false [default: asked]
    #[arg(long, value_name = "BOOL", help_heading = "Kafka", num_args = 0..=1, default_missing_value = "true")]
    pub create_topic: Option<String>,
    /// Partitions of a topic that is created [default: follows the stream's shards]
    #[arg(long, value_name = "N", help_heading = "Kafka", allow_negative_numbers = true)]
    pub topic_partitions: Option<String>,
    /// Replicas of each partition of a topic that is created [default: 3, or fewer on fewer brokers]
    #[arg(long, value_name = "N", help_heading = "Kafka", allow_negative_numbers = true)]
    pub topic_replication_factor: Option<String>,
    /// What becomes of a record that the topic can never take: block or divert [default: block]
    #[arg(long, value_name = "HOW", help_heading = "Kafka")]
    pub on_poison: Option<String>,
    /// Topic that poison is diverted to [default: <topic>-dead-letter]
    #[arg(long, value_name = "NAME", help_heading = "Kafka")]
    pub dead_letter_topic: Option<String>,

    /// Registered consumer of the stream, for enhanced fan-out [default: none]
    #[arg(long, value_name = "ARN", help_heading = "Event source mapping")]
    pub consumer: Option<String>,
    /// Where to begin: TRIM_HORIZON, LATEST or AT_TIMESTAMP [default: TRIM_HORIZON]
    #[arg(long, value_name = "POSITION", help_heading = "Event source mapping")]
    pub starting_position: Option<String>,
    /// When to begin, as RFC 3339 has it; with AT_TIMESTAMP
    #[arg(long, value_name = "TIME", help_heading = "Event source mapping")]
    pub starting_timestamp: Option<String>,
    /// Most records in one invocation (1-10000) [default: 1000]
    #[arg(
        long,
        value_name = "N",
        help_heading = "Event source mapping",
        allow_negative_numbers = true
    )]
    pub batch_size: Option<String>,
    /// Longest wait for a batch to fill, in seconds (0-300) [default: 1]
    #[arg(
        long,
        value_name = "SECONDS",
        help_heading = "Event source mapping",
        allow_negative_numbers = true
    )]
    pub batching_window: Option<String>,
    /// Batches of one shard in work at the same time (1-10) [default: 1]
    #[arg(
        long,
        value_name = "N",
        help_heading = "Event source mapping",
        allow_negative_numbers = true
    )]
    pub parallelization_factor: Option<String>,
    /// Retries of a failed batch (0-10000); -1 is without end [default: 100]
    #[arg(
        long,
        value_name = "N",
        help_heading = "Event source mapping",
        allow_negative_numbers = true
    )]
    pub retries: Option<String>,
    /// Oldest record that is still sent, in seconds (60-604800); -1 is any age [default: 7 days, or the retention if that is less]
    #[arg(
        long,
        value_name = "SECONDS",
        help_heading = "Event source mapping",
        allow_negative_numbers = true
    )]
    pub maximum_record_age: Option<String>,
    /// Whether a batch is split in two when the function fails: true or false [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "Event source mapping", num_args = 0..=1, default_missing_value = "true")]
    pub bisect: Option<String>,
    /// Whether the function says which records failed: true only
    #[arg(long, value_name = "BOOL", help_heading = "Event source mapping", num_args = 0..=1, default_missing_value = "true")]
    pub partial_failures: Option<String>,
    /// Tumbling window, in seconds: 0 only
    #[arg(
        long,
        value_name = "SECONDS",
        help_heading = "Event source mapping",
        allow_negative_numbers = true
    )]
    pub tumbling_window: Option<String>,
    /// Whether the mapping reads: true or false [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "Event source mapping", num_args = 0..=1, default_missing_value = "true")]
    pub enabled: Option<String>,
    /// SNS topic, SQS queue or S3 bucket for what is given up [default: the stack's own]
    #[arg(long, value_name = "ARN", help_heading = "Event source mapping")]
    pub failure_destination: Option<String>,
    /// E-mail address that is told of what was given up, after a confirmation [default: nobody]
    #[arg(long, value_name = "ADDRESS", help_heading = "Event source mapping")]
    pub failure_email: Option<String>,

    /// Memory in MB (128-10240) [default: 256]
    #[arg(long, value_name = "MB", help_heading = "Function", allow_negative_numbers = true)]
    pub memory: Option<String>,
    /// Longest duration of an invocation, in seconds (1-900) [default: 60]
    #[arg(
        long,
        value_name = "SECONDS",
        help_heading = "Function",
        allow_negative_numbers = true
    )]
    pub timeout: Option<String>,
    /// The function's processor: x86_64 or arm64 [default: arm64 where k2m carries its handler, else what the handler is built for]
    #[arg(long, value_name = "NAME", help_heading = "Function")]
    pub architecture: Option<String>,
    /// Days that logs are kept [default: 30]
    #[arg(long, value_name = "DAYS", help_heading = "Function", allow_negative_numbers = true)]
    pub log_retention: Option<String>,
    /// SNS topic that the alarms tell [default: none]
    #[arg(long, value_name = "ARN", help_heading = "Function")]
    pub alarm_topic: Option<String>,

    /// Subnets of the function [default: chosen from --vpc]
    #[arg(long, value_name = "ID,…", help_heading = "Network")]
    pub subnets: Option<String>,
    /// VPC of the function, in the stream's region [default: the brokers', or in another region one that leads there]
    #[arg(long, value_name = "ID", help_heading = "Network")]
    pub vpc: Option<String>,
    /// VPC peering connection between the function's VPC and the brokers' [default: one that is there, else k2m's own]
    #[arg(long, value_name = "ID", help_heading = "Network")]
    pub peering: Option<String>,
    /// Security group of the functions, used as it is [default: the stack's own]
    #[arg(long, value_name = "ID", help_heading = "Network")]
    pub security_group: Option<String>,
    /// Keep functions out of any VPC, and reach the brokers over the internet: true or false [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "Network", num_args = 0..=1, default_missing_value = "true")]
    pub public_access: Option<String>,
    /// Reach the cluster by its multi-VPC private connectivity: true or false [default: where nothing else can lead there, or a VPC connection does]
    #[arg(long, value_name = "BOOL", help_heading = "Network", num_args = 0..=1, default_missing_value = "true")]
    pub private_connectivity: Option<String>,
    /// Make an interface endpoint for Secrets Manager where a secret is needed and nothing leads there: true or false [default: asked]
    #[arg(long, value_name = "BOOL", help_heading = "Network", num_args = 0..=1, default_missing_value = "true")]
    pub secrets_endpoint: Option<String>,
    /// Open ports 9092 to 9098 instead of the one that is used: true or false [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "Network", num_args = 0..=1, default_missing_value = "true")]
    pub all_broker_ports: Option<String>,

    /// The payload.
    #[command(flatten)]
    pub payload: PayloadArgs,
    /// Refuse what gives the order of a partition key up: true or false [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "Payload", num_args = 0..=1, default_missing_value = "true")]
    pub strict_order: Option<String>,
}

/// What data is taken for, and what messages are made of. As text: `settings` has the rules.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Payload")]
#[expect(clippy::doc_markdown, reason = "these are the words of the help")]
pub struct PayloadArgs {
    /// How data is taken apart into messages: steps of kpl, gzip, lines, cloudwatch_logs, separated by commas, or none [default: kpl]
    #[arg(long, value_name = "STEP,…")]
    pub decode: Option<String>,
    /// The message's key: partition_key, none, explicit_hash_key, or a JSON pointer into the value [default: partition_key]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// JSON pointer into the value to the text that chooses the topic; with --topic-map [default: none]
    #[arg(long, value_name = "POINTER")]
    pub topic_pointer: Option<String>,
    /// Topic for each text at --topic-pointer, as a JSON object; what is not in it goes to the topic [default: none]
    #[arg(long, value_name = "JSON")]
    pub topic_map: Option<String>,
    /// The message's value: bytes, or json for an object with the metadata [default: bytes]
    #[arg(long, value_name = "FORM")]
    pub value: Option<String>,
    /// The message's timestamp: arrival, a JSON pointer into the value, or with cloudwatch_logs event [default: arrival]
    #[arg(long, value_name = "TIME")]
    pub timestamp: Option<String>,
    /// Whether headers say which record a message is: true or false [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub headers: Option<String>,
    /// Compression of what is sent to the brokers: none, lz4, zstd, snappy or gzip [default: none]
    #[arg(long, value_name = "CODEC")]
    pub compression: Option<String>,
}

/// `k2m import`.
#[derive(Debug, Args)]
#[command(after_help = "\
A flag of a setting counts more than the template, and is written. --parameter also takes what only a deployment knows: \
AWS::AccountId=…, RESOURCE.ATTRIBUTE=…, the name of an export, or a whole '{{resolve:ssm:…}}'.

Exit codes: 0 all that the mapping says is settled, 1 no Kinesis mapping or settings that don't fit together, 2 usage, \
4 something could not be told, 65 no template, 66 no file, 74 not written.")]
pub struct ImportArgs {
    /// Template of SAM or CloudFormation, YAML or JSON, or the folder that it is in [default: template.yaml or the like in this folder]
    #[arg(value_name = "TEMPLATE")]
    pub template: Option<PathBuf>,
    /// Value of a parameter of the template, or of what only a deployment knows (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameter: Vec<(String, String)>,
    /// Logical id of a mapping or a function to import (repeatable) [default: all that read Kinesis]
    #[arg(long, value_name = "ID")]
    pub mapping: Vec<String>,
    /// Configuration of SAM, whose parameters, stack and region count [default: samconfig.toml beside the template, if it is there]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub samconfig: Option<PathBuf>,
    /// Its environment
    #[arg(long, value_name = "NAME", default_value = "default", hide_short_help = true)]
    pub config_env: String,
    /// Print the file of settings, and write none
    #[arg(long, conflicts_with = "config")]
    pub stdout: bool,
    /// Overwrite a file of settings that is there
    #[arg(short, long)]
    pub yes: bool,
    /// How the result is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// `k2m plan`.
#[derive(Debug, Args)]
pub struct DrawnPlanArgs {
    /// What is planned.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Draw the way to the brokers into this file too, as an SVG, also where it is broken; a file that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub diagram: Option<PathBuf>,
}

/// What `k2m plan`, `k2m render` and `k2m doctor` have in common.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Facts that `k2m inspect -o json` printed, instead of looking at AWS
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,
    /// How the result is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `k2m render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// What is planned.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Write every template, those of network stacks too, each as STACK.yaml into this folder; its files of that name are replaced
    #[arg(long, value_name = "FOLDER")]
    pub directory: Option<PathBuf>,
}

/// `k2m doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 healthy, 1 something is broken, 2 usage, 4 not all could be judged.")]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line are independent")]
pub struct DoctorArgs {
    /// What is looked at.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// A function that k2m did not deploy, to be judged in place of a stack's [default: none]
    #[arg(long, value_name = "NAME|ARN", conflicts_with = "stack")]
    pub function: Option<String>,
    /// Do not invoke the function to ask it how its way to the brokers is
    #[arg(long)]
    pub no_probe: bool,
    /// Write all that was found into this file too, as one page of HTML to send along with a question; a file that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Leave ids of accounts out of that page: each has a stand-in such as 111111111111
    #[arg(long, requires = "report")]
    pub mask: bool,
    /// Show what would be done about what is broken, ask, do it, and look again
    #[arg(long, conflicts_with = "facts")]
    pub fix: bool,
    /// With --fix, answer every question with yes
    #[arg(short, long, requires = "fix")]
    pub yes: bool,
    /// With --fix, the handler to deploy in place of k2m's own, where mending takes a deployment
    #[arg(long, value_name = "PATH", requires = "fix")]
    pub handler: Option<PathBuf>,
    /// Look again until all is healthy, for so long: 30s, 5m or 1h; 24h at most
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "facts", value_parser = waiting_time)]
    pub wait: Option<Duration>,
}

/// Which stack is watched, and which of its pipelines.
#[derive(Clone, Debug, Default, Args)]
pub struct StackArgs {
    /// The file of settings [default: k2m.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Environment of that file whose settings count more than what stands outside of it [default: none]
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Stack of the pipelines [default: that of k2m.yaml, else k2m-<stream>]
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub stack: Option<String>,
    /// Stream of the pipeline that is meant (repeatable) [default: all of the stack's]
    #[arg(long, value_name = "ARN", help_heading = "AWS")]
    pub stream: Vec<String>,
    /// Profile of the AWS configuration [default: what the environment says, as in AWS's SDKs]
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub profile: Option<String>,
    /// Region of the stack [default: that of the stream's ARN, else what AWS's SDKs say]
    #[arg(long, value_name = "REGION", help_heading = "AWS")]
    pub region: Option<String>,
}

impl StackArgs {
    /// The same among all that settings may come from.
    pub fn settings(&self) -> SettingsArgs {
        SettingsArgs {
            config: self.config.clone(),
            env: self.env.clone(),
            stream: self.stream.clone(),
            stack: self.stack.clone(),
            profile: self.profile.clone(),
            region: self.region.clone(),
            ..SettingsArgs::default()
        }
    }
}

/// `k2m status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 healthy, 1 failing, stopped or behind, or nothing is deployed, 2 usage, 4 could not tell, 130 Ctrl-C."
)]
pub struct StatusArgs {
    /// What is looked at.
    #[command(flatten)]
    pub stack: StackArgs,
    /// How far back figures go: 5m to 7d
    #[arg(long, value_name = "TIME", default_value = "3h", value_parser = figures_since)]
    pub since: Duration,
    /// Look again every so often, until Ctrl-C: 5s to 1h [default with no time: 30s]
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "30s", value_parser = watching_pause)]
    pub watch: Option<Duration>,
    /// How the result is shown; with --watch each look is a JSON document on a line of its own
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `k2m logs`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all was read, 1 nothing is deployed, or the log group is gone, 2 usage, 4 could not be read, 130 Ctrl-C."
)]
pub struct LogsArgs {
    /// Whose logs.
    #[command(flatten)]
    pub stack: StackArgs,
    /// How far back to begin: 30s, 15m, 3h or 2d
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = lines_since)]
    pub since: Duration,
    /// Go on with what comes, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Only lines that have this text in them, as they were written or as they are shown; capitals and small letters are the same
    #[arg(long, value_name = "TEXT", value_parser = filter_text)]
    pub filter: Option<String>,
    /// Only lines that tell of a failure
    #[arg(long)]
    pub failures: bool,
    /// Also lines that say nothing more: metrics, and what Lambda writes around each invocation
    #[arg(long)]
    pub all: bool,
    /// How lines are shown: sentences, or a JSON document a line
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `k2m explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The code, such as K2M-N02, or N02 for short; without one every code is listed
    pub code: Option<String>,
    /// How the result is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `k2m completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash, with bash-completion or without
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

/// `k2m schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Whose schema
    #[arg(value_enum, value_name = "OF", default_value_t)]
    pub of: Of,
}

/// Whose schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Of {
    /// k2m.yaml
    #[default]
    Settings,
    /// What `k2m init -o json` prints
    Init,
    /// What `k2m import -o json` prints
    Import,
    /// What `k2m inspect -o json` prints
    Inspect,
    /// What `k2m plan -o json` prints
    Plan,
    /// What `k2m render -o json` prints
    Render,
    /// What `k2m deploy -o json` prints
    Deploy,
    /// What `k2m destroy -o json` prints
    Destroy,
    /// What `k2m doctor -o json` prints
    Doctor,
    /// What `k2m explain -o json` prints
    Explain,
    /// What `k2m status -o json` prints
    Status,
    /// What `k2m logs -o json` prints
    Logs,
    /// What `k2m run -o json` prints
    Run,
    /// What `k2m demo -o json` prints
    Demo,
    /// What any of them prints with `-o json` in failure
    Error,
}

/// `k2m deploy`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line are independent")]
pub struct DeployArgs {
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Answer every question with yes, also whether a missing topic is created; not whether a pipeline is taken away, see --remove
    #[arg(short, long)]
    pub yes: bool,
    /// Stream whose pipeline the stack has and the settings don't, which may be taken away, with its position and with what waits in its failure queue (repeatable)
    #[arg(long, value_name = "NAME|ARN")]
    pub remove: Vec<String>,
    /// Stream whose deployed mapping may lose its position, as by another starting position or consumer: records are read again or passed over (repeatable)
    #[arg(long, value_name = "NAME|ARN", hide_short_help = true)]
    pub allow_position_loss: Vec<String>,
    /// A bootstrap binary, or a zip that holds one, to deploy in place of k2m's own handler
    #[arg(long, value_name = "PATH")]
    pub handler: Option<PathBuf>,
    /// Show what would change, property by property, and change nothing: exit code 3 where there are changes, 0 where there are none
    #[arg(long)]
    pub plan: bool,
    /// End as soon as CloudFormation has begun with the stack; the same command without it follows it to its end
    #[arg(long, conflicts_with = "plan")]
    pub no_wait: bool,
    /// Show then that records arrive: by the function's own probe from inside the VPC, and by a record that is put into each stream and followed into its topic
    #[arg(long, conflicts_with_all = ["plan", "no_wait"])]
    pub verify: bool,
    /// How the result is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `k2m destroy`.
#[derive(Debug, Args)]
pub struct DestroyArgs {
    /// The settings; the stack's name and a region are enough.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Answer every question with yes
    #[arg(short, long)]
    pub yes: bool,
    /// How the result is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `k2m init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Take the default for every question, and change a file that is there
    #[arg(short, long)]
    pub yes: bool,
    /// How the result is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `k2m inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all that is needed could be seen, 1 a stream or the cluster is absent, 2 usage, \
                  4 something that is needed could not be seen."
)]
pub struct InspectArgs {
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// A function that k2m did not deploy, to be looked at in place of a stack's [default: none]
    #[arg(long, value_name = "NAME|ARN", conflicts_with = "stack")]
    pub function: Option<String>,
    /// How the facts are shown: a digest, or the document itself
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// The embedded cluster.
#[derive(Debug, Args)]
pub struct EmbeddedArgs {
    /// Number of brokers
    #[arg(long)]
    pub brokers: i32,
    /// The topic
    #[arg(long, value_parser = topic)]
    pub topic: String,
    /// Its number of partitions
    #[arg(long)]
    pub partitions: i32,
    /// Topics that the data chooses among (repeatable)
    #[arg(long, value_parser = topic)]
    pub mapped_topic: Vec<String>,
    /// The dead-letter topic, if there is to be one
    #[arg(long, value_parser = topic)]
    pub dead_letter_topic: Option<String>,
}

fn bootstrap_servers(text: &str) -> Result<String, String> {
    for server in text.split(',') {
        let fits = server.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if !fits {
            return Err(format!("`{server}` is not HOST:PORT with a port of 1 to 65535"));
        }
    }
    Ok(text.to_owned())
}

/// Longest that is waited for something.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// A whole number of these seconds.
fn whole(digits: &str, seconds: u64) -> Option<Duration> {
    let whole = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let count = digits.parse::<u64>().ok().filter(|_| whole)?;
    Some(Duration::from_secs(count.saturating_mul(seconds)))
}

/// A whole number with one of these units, each with its seconds.
fn with_unit(text: &str, units: &[(char, u64)]) -> Option<Duration> {
    units
        .iter()
        .find_map(|(unit, seconds)| whole(text.strip_suffix(*unit)?, *seconds))
}

/// A span of time between two others, each with how it is written.
fn span(text: &str, least: (&str, u64), most: (&str, u64)) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 24 * 3600)];
    match with_unit(text, &units) {
        Some(time) if time < Duration::from_secs(least.1) => Err(format!("`{text}` is shorter than {}", least.0)),
        Some(time) if time > Duration::from_secs(most.1) => Err(format!("`{text}` is longer than {}", most.0)),
        Some(time) => Ok(time),
        None if whole(text, 1).is_some() => Err(format!(
            "`{text}` has no unit: say {text}s, {text}m, {text}h or {text}d"
        )),
        None => Err(format!(
            "`{text}` is no time: say a whole number with a unit, as 30s, 5m, 1h or 2d"
        )),
    }
}

fn figures_since(text: &str) -> Result<Duration, String> {
    span(
        text,
        ("5m: figures are of five minutes each", 5 * 60),
        ("7d", 7 * 24 * 3600),
    )
}

fn watching_pause(text: &str) -> Result<Duration, String> {
    span(text, ("5s", 5), ("1h", 3600))
}

fn filter_text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(
            "every line has that in it: give a word of the lines that are wanted, or leave --filter out".to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn lines_since(text: &str) -> Result<Duration, String> {
    // CloudWatch's longest retention, short of for ever.
    span(text, ("1s", 1), ("3653d", 3653 * 24 * 3600))
}

fn waiting_time(text: &str) -> Result<Duration, String> {
    let read = with_unit(text, &[('s', 1), ('m', 60), ('h', 3600)]);
    match read {
        Some(Duration::ZERO) => Err(format!(
            "`{text}` leaves no time: say 30s, 5m or 1h, or leave --wait out to look once"
        )),
        Some(time) if time > LONGEST_WAIT => Err(format!("`{text}` is longer than 24h")),
        Some(time) => Ok(time),
        None if whole(text, 1).is_some() => Err(format!("`{text}` has no unit: say {text}s, {text}m or {text}h")),
        None => Err(format!(
            "`{text}` is no time: say a whole number with a unit, as 30s, 5m or 1h"
        )),
    }
}

fn reshard(text: &str) -> Result<Reshard, String> {
    let read = text
        .split_once(':')
        .and_then(|(after, shards)| Some((after.parse().ok()?, shards.parse().ok()?)));
    match read {
        Some((after @ 1.., shards @ 1..=1000)) => Ok(Reshard { after, shards }),
        _ => Err(format!(
            "`{text}` is not RECORD:SHARDS, such as 5000:8, with a RECORD from 1 and 1 to 1000 SHARDS"
        )),
    }
}

fn create_topic(text: &str) -> Result<CreateTopic, String> {
    let read = text
        .split_once(':')
        .and_then(|(partitions, replicas)| Some((partitions.parse().ok()?, replicas.parse().ok()?)));
    match read {
        Some((partitions @ 1..=100_000, replication_factor @ 1..=100)) => Ok(CreateTopic {
            partitions,
            replication_factor,
        }),
        _ => Err(format!(
            "`{text}` is not PARTITIONS:REPLICAS, such as 3:3, with 1 to 100000 PARTITIONS and 1 to 100 REPLICAS"
        )),
    }
}

fn maximum_record_age(text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(age @ (-1 | 60..=604_800)) => Ok(age),
        _ => Err(format!("{text} is neither -1 (any age) nor in 60..=604800 seconds")),
    }
}

/// The flag that a variable of the payload is chosen with.
fn payload_flag(variable: &str) -> Option<String> {
    let args = PayloadArgs::augment_args(clap::Command::new("payload"));
    let names = args.get_arguments().map(|flag| flag.get_id().to_string());
    let mut ours = names.filter(|name| variable == format!("K2M_{}", name.to_ascii_uppercase()));
    ours.next().map(|name| format!("--{}", name.replace('_', "-")))
}

fn environment_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("K2M_TOPIC", _)) => Err("the topic is chosen with --topic".to_owned()),
        Some(("K2M_BOOTSTRAP_SERVERS", _)) => Err("the brokers are chosen with --bootstrap-servers".to_owned()),
        Some(("K2M_ON_POISON", _)) => Err("what becomes of poison is chosen with --on-poison".to_owned()),
        Some(("K2M_DEAD_LETTER_TOPIC", _)) => {
            Err("the dead-letter topic is chosen with --dead-letter-topic".to_owned())
        }
        Some(("K2M_TIMEOUT_MS", _)) => Err("the function's time-out is chosen with --timeout".to_owned()),
        Some((name, _)) if payload_flag(name).is_some() => {
            Err(format!("it is chosen with {}", payload_flag(name).unwrap_or_default()))
        }
        Some((name, _)) if name.starts_with("AWS_LAMBDA_") => Err(format!("`{name}` is k2m's own to set")),
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    // The name of what is looked up may have one itself.
    let end = text
        .starts_with("{{")
        .then(|| text.find("}}="))
        .flatten()
        .map(|end| end + 2);
    let pair = match end.or_else(|| text.find('=')) {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => return Err("it is not NAME=VALUE".to_owned()),
    };
    match pair {
        ("", _) => Err("it has no name before `=`".to_owned()),
        (name, value) => Ok((name.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bootstrap_servers_are_checked() {
        for good in ["localhost:9092", "a:1,b:65535", "[::1]:9092"] {
            assert_eq!(bootstrap_servers(good).as_deref(), Ok(good));
        }
        for bad in ["", "localhost", "a:0", "a:65536", ":9092", "a:1,", "a:1, b:2"] {
            assert!(bootstrap_servers(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_resharding_is_checked() {
        let good = Reshard { after: 5000, shards: 8 };
        assert_eq!(reshard("5000:8"), Ok(good));
        for bad in ["", "8", "0:8", "5:0", "5:1001", "5:8:9", "-5:8", "x:8", "5: 8"] {
            assert!(reshard(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_time_to_wait_is_checked() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h", 3600), ("24h", 86_400), ("1s", 1)] {
            assert_eq!(waiting_time(text), Ok(Duration::from_secs(seconds)));
        }
        for (text, words) in [
            ("5", "no unit: say 5s, 5m or 5h"),
            ("0s", "leaves no time"),
            ("25h", "longer than 24h"),
            ("99999999999999999999s", "is no time"),
            ("9999999999999999999h", "longer than 24h"),
            ("", "is no time"),
            ("m", "is no time"),
            ("-5m", "is no time"),
            ("+5m", "is no time"),
            ("1.5h", "is no time"),
            ("5 m", "is no time"),
            ("5min", "is no time"),
            ("1h30m", "is no time"),
            ("5M", "is no time"),
        ] {
            let error = waiting_time(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_span_of_time_is_checked() {
        for (text, seconds) in [("5m", 300), ("3h", 10_800), ("7d", 604_800), ("300s", 300)] {
            assert_eq!(figures_since(text), Ok(Duration::from_secs(seconds)));
        }
        for (read, text, words) in [
            (figures_since as fn(&str) -> _, "299s", "shorter than 5m"),
            (figures_since, "8d", "longer than 7d"),
            (figures_since, "5", "no unit: say 5s, 5m, 5h or 5d"),
            (figures_since, "", "is no time"),
            (figures_since, "1w", "is no time"),
            (figures_since, "-5m", "is no time"),
            (watching_pause, "4s", "shorter than 5s"),
            (watching_pause, "2h", "longer than 1h"),
            (lines_since, "0s", "shorter than 1s"),
            (lines_since, "9999999999999999999d", "longer than 3653d"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_filter_has_to_leave_something_out() {
        for blank in ["", "  ", "\t"] {
            assert!(filter_text(blank).unwrap_err().contains("leave --filter out"));
        }
        assert_eq!(filter_text(" waits at "), Ok(" waits at ".to_owned()));
    }

    #[test]
    fn a_pause_may_be_left_out() {
        let watch = |words: &[&str]| {
            let words = ["k2m", "status"].iter().chain(words);
            match Cli::try_parse_from(words).unwrap().command {
                Command::Status(args) => args.watch.map(|pause| pause.as_secs()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(watch(&[]), None);
        assert_eq!(watch(&["--watch"]), Some(30));
        assert_eq!(watch(&["--watch", "10s", "-o", "json"]), Some(10));
    }

    #[test]
    fn a_topic_to_create_is_checked() {
        let good = CreateTopic {
            partitions: 6,
            replication_factor: 3,
        };
        assert_eq!(create_topic("6:3"), Ok(good));
        for bad in [
            "", "6", "0:3", "6:0", "6:3:1", "-1:3", "six:3", "6: 3", "100001:3", "6:101",
        ] {
            assert!(create_topic(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_k2m_sets_itself_is_refused_for_the_handler() {
        for name in [
            "K2M_TOPIC",
            "K2M_BOOTSTRAP_SERVERS",
            "K2M_ON_POISON",
            "K2M_DEAD_LETTER_TOPIC",
            "K2M_TIMEOUT_MS",
            "K2M_DECODE",
            "K2M_TOPIC_MAP",
            "AWS_LAMBDA_FUNCTION_NAME",
        ] {
            assert!(environment_variable(&format!("{name}=x")).is_err(), "{name}");
        }
        let good = ("K2M_LOG".to_owned(), "debug=".to_owned());
        assert_eq!(environment_variable("K2M_LOG=debug="), Ok(good));
    }

    #[test]
    fn maximum_record_age_is_checked() {
        for (text, fits) in [
            ("-1", true),
            ("60", true),
            ("604800", true),
            ("0", false),
            ("59", false),
            ("604801", false),
            ("x", false),
        ] {
            assert_eq!(maximum_record_age(text).is_ok(), fits, "{text}");
        }
    }
}

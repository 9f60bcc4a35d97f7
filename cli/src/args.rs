//! The command line: clap structs and value parsers only.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::arn::{Arn, ArnError, Kind};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "k2m", version, about = "Moves Kinesis data streams into Kafka topics on Amazon MSK through AWS Lambda", long_about = None)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deliver a file of records through the real Lambda handler into Kafka, on this machine
    Run(Box<RunArgs>),
    /// Show a pipeline at work: a broker fails, a process dies, a record is refused, nothing is lost
    Demo(DemoArgs),
    /// Look at everything in AWS that matters for a pipeline; change nothing
    Inspect(Box<InspectArgs>),
    /// Serve the Lambda Runtime API as the function's process
    #[command(hide = true)]
    Bootstrap,
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
    /// Topic to deliver to; it must exist on a broker given with --bootstrap-servers
    #[arg(long, value_name = "NAME", value_parser = topic)]
    pub topic: String,
    /// Records as JSON lines; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// How the summary is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,

    /// The cluster.
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// Partitions of the embedded broker's topic [default: 3]
    #[arg(long, value_name = "N", conflicts_with = "bootstrap_servers", help_heading = "Kafka", value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: Option<i32>,

    /// The event source mapping.
    #[command(flatten)]
    pub mapping: MappingArgs,

    /// The function.
    #[command(flatten)]
    pub function: FunctionArgs,
}

/// The event source mapping's parameters.
#[derive(Debug, Args)]
#[command(next_help_heading = "Event source mapping")]
pub struct MappingArgs {
    /// Shards of the stream; a record's shard follows from the MD5 of its partition key
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub shards: u32,
    /// Most records in one invocation (1-10000)
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch_size: u32,
    /// Longest wait for a batch to fill, in seconds (0-300)
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=300))]
    pub batching_window: u32,
    /// Batches of one shard in work at the same time (1-10); records of one partition key stay in order
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub parallelization_factor: u32,
    /// Retries of a failed batch (0-10000); -1 is without end
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1..=10_000))]
    pub retries: i32,
    /// Oldest record that is still sent, in seconds (60-604800); -1 is any age
    #[arg(long, value_name = "SECONDS", default_value_t = -1, allow_negative_numbers = true, value_parser = maximum_record_age)]
    pub maximum_record_age: i32,
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
    /// Longest duration of an invocation, in seconds (1-900); a process that takes longer is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=900))]
    pub timeout: u32,
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

/// `k2m inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all that is needed could be seen, 1 the stream or the cluster is absent, 2 usage, \
                  4 something that is needed could not be seen."
)]
pub struct InspectArgs {
    /// Kinesis data stream to read
    #[arg(long, value_name = "ARN", value_parser = stream_arn)]
    pub stream: Arn,
    /// MSK cluster to write to
    #[arg(long, value_name = "ARN", value_parser = cluster_arn)]
    pub cluster: Arn,
    /// Topic to deliver to [default: the stream's name]
    #[arg(long, value_name = "NAME", value_parser = topic)]
    pub topic: Option<String>,
    /// CloudFormation stack of the pipeline [default: k2m-<stream>]
    #[arg(long, value_name = "NAME", value_parser = stack)]
    pub stack: Option<String>,
    /// Profile of the AWS configuration [default: what the environment says, as in AWS's SDKs]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Region of the stream, which its ARN says already: only checked
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
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

/// Kafka's own rule for topic names.
fn topic(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 249 {
        Err(format!(
            "a topic's name has 1 to 249 characters, this has {}",
            text.len()
        ))
    } else if text == "." || text == ".." {
        Err(format!("Kafka forbids the name `{text}`"))
    } else if let Some(odd) = text.chars().find(|&c| !known(c)) {
        Err(format!(
            "a topic's name has letters, digits, `.`, `_` and `-` only, not `{odd}`"
        ))
    } else {
        Ok(text.to_owned())
    }
}

fn stream_arn(text: &str) -> Result<Arn, ArnError> {
    Arn::parse(Kind::Stream, text)
}

fn cluster_arn(text: &str) -> Result<Arn, ArnError> {
    Arn::parse(Kind::Cluster, text)
}

/// CloudFormation's own rule for stack names.
fn stack(text: &str) -> Result<String, String> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 128
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("a stack's name has 1 to 128 letters, digits and `-`, a letter first".to_owned())
    }
}

fn maximum_record_age(text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(age @ (-1 | 60..=604_800)) => Ok(age),
        _ => Err(format!("{text} is neither -1 (any age) nor in 60..=604800 seconds")),
    }
}

fn environment_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("K2M_TOPIC", _)) => Err("the topic is chosen with --topic".to_owned()),
        Some(("K2M_BOOTSTRAP_SERVERS", _)) => Err("the brokers are chosen with --bootstrap-servers".to_owned()),
        Some((name, _)) if name.starts_with("AWS_LAMBDA_") => Err(format!("`{name}` is k2m's own to set")),
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
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
    fn topics_are_checked() {
        for good in ["a", "my.topic_1-x", &"x".repeat(249)] {
            assert!(topic(good).is_ok(), "{good:?}");
        }
        for bad in ["", ".", "..", "a b", "naïve", "a/b", &"x".repeat(250)] {
            assert!(topic(bad).is_err(), "{bad:?}");
        }
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

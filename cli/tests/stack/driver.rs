//! An account with a cluster and streams, real Kafka behind it, and `k2m` as built.

use std::fs::File;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k2m_testkit::schema::misfits;
use k2m_testkit::{AwsEmulator, KafkaCluster, ReadbackRequest, wait_until};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const SCRIPT: &str = include_str!("account.py");
/// Longest that a test waits for records to arrive: far more than they need, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// A started account. All of it ends with this value.
pub(crate) struct Account {
    /// Absent where no record is to flow.
    pub(crate) kafka: Option<KafkaCluster>,
    pub(crate) emulator: AwsEmulator,
    pub(crate) cluster: String,
    pub(crate) group: String,
    /// The VPC that functions are meant for, where it is another than the brokers'.
    pub(crate) vpc: Option<String>,
    streams: Value,
    folder: TempDir,
}

impl Account {
    /// An account in which nothing is deployed yet.
    pub(crate) fn new(streams: &[&str]) -> Self {
        Self::with_kafka("seed", streams)
    }

    /// The same with a cluster that takes users with passwords alone: this one.
    pub(crate) fn over_scram(user: (&str, &str), streams: &[&str]) -> Self {
        let kafka = KafkaCluster::builder().scram(&[user]).start().unwrap();
        let emulator = AwsEmulator::start_with(&[
            ("MINISTACK_MSK_BOOTSTRAP", &kafka.bootstrap_servers()),
            (
                "MINISTACK_MSK_BOOTSTRAP_SASL_SCRAM",
                &kafka.scram_bootstrap_servers().unwrap(),
            ),
        ])
        .unwrap();
        Self::of(emulator, Some(kafka), "seed_over_scram", streams)
    }

    /// The same with a second VPC that has the cluster's addresses, and private connectivity at these servers.
    pub(crate) fn apart(kafka: KafkaCluster, private: &str, streams: &[&str]) -> Self {
        let door = ("MINISTACK_MSK_BOOTSTRAP_VPC_CONNECTIVITY_SASL_SCRAM", private);
        Self::by_door(kafka, door, "seed_apart", streams)
    }

    /// The same with users with passwords alone, and public access at the same servers.
    pub(crate) fn public(kafka: KafkaCluster, streams: &[&str]) -> Self {
        let servers = kafka.scram_bootstrap_servers().unwrap();
        let door = ("MINISTACK_MSK_BOOTSTRAP_PUBLIC_SASL_SCRAM", servers.as_str());
        Self::by_door(kafka, door, "seed_public", streams)
    }

    /// The same with Express brokers.
    pub(crate) fn express(streams: &[&str]) -> Self {
        Self::with_kafka("seed_express", streams)
    }

    /// The same with a serverless cluster at the IAM listeners of this one.
    pub(crate) fn serverless(kafka: KafkaCluster, streams: &[&str]) -> Self {
        let servers = kafka.iam_bootstrap_servers().unwrap();
        let emulator = AwsEmulator::start_with(&[
            ("MINISTACK_MSK_BOOTSTRAP", &kafka.bootstrap_servers()),
            ("MINISTACK_MSK_BOOTSTRAP_SASL_IAM", &servers),
        ])
        .unwrap();
        Self::of(emulator, Some(kafka), "seed_serverless", streams)
    }

    fn by_door(kafka: KafkaCluster, door: (&str, &str), seed: &str, streams: &[&str]) -> Self {
        let emulator = AwsEmulator::start_with(&[
            ("MINISTACK_MSK_BOOTSTRAP", &kafka.bootstrap_servers()),
            (
                "MINISTACK_MSK_BOOTSTRAP_SASL_SCRAM",
                &kafka.scram_bootstrap_servers().unwrap(),
            ),
            door,
        ])
        .unwrap();
        Self::of(emulator, Some(kafka), seed, streams)
    }

    /// The same with streams in another region than the cluster where that is wanted, and without Kafka: what is there can only be looked at.
    pub(crate) fn to_look_at(across: bool, streams: &[&str]) -> Self {
        let seed = if across {
            "seed_over_scram_across"
        } else {
            "seed_over_scram"
        };
        let brokers = [("MINISTACK_MSK_BOOTSTRAP_SASL_SCRAM", "127.0.0.1:9096")];
        Self::of(AwsEmulator::start_with(&brokers).unwrap(), None, seed, streams)
    }

    /// The same with a cluster that takes IAM's word alone, and without Kafka.
    pub(crate) fn over_iam_to_look_at(streams: &[&str]) -> Self {
        let brokers = [("MINISTACK_MSK_BOOTSTRAP_SASL_IAM", "127.0.0.1:9098")];
        Self::of(
            AwsEmulator::start_with(&brokers).unwrap(),
            None,
            "seed_over_iam",
            streams,
        )
    }

    /// The same with streams in another region than the cluster, and a VPC there.
    pub(crate) fn across(streams: &[&str]) -> Self {
        Self::with_kafka("seed_across", streams)
    }

    /// The same with a cluster of whose topics MSK neither tells nor makes any.
    pub(crate) fn without_topic_api(streams: &[&str]) -> Self {
        Self::with_kafka("seed_without_topic_api", streams)
    }

    /// The same with a second VPC beside the cluster's.
    pub(crate) fn beside(streams: &[&str]) -> Self {
        Self::with_kafka("seed_beside", streams)
    }

    /// An account without a cluster, from one VPC of which a virtual private gateway leads to Kafka.
    pub(crate) fn outside(streams: &[&str]) -> Self {
        let kafka = KafkaCluster::builder().start().unwrap();
        Self::of(AwsEmulator::start().unwrap(), Some(kafka), "seed_outside", streams)
    }

    fn with_kafka(seed: &str, streams: &[&str]) -> Self {
        let kafka = KafkaCluster::builder().start().unwrap();
        let servers = kafka.bootstrap_servers();
        let emulator = AwsEmulator::start_with(&[("MINISTACK_MSK_BOOTSTRAP", &servers)]).unwrap();
        Self::of(emulator, Some(kafka), seed, streams)
    }

    /// The same with no Kafka behind it: topics are made in the emulator's memory alone.
    pub(crate) fn without_kafka(streams: &[&str]) -> Self {
        Self::of(AwsEmulator::start().unwrap(), None, "seed", streams)
    }

    /// An account on an emulator of the caller's, with no Kafka of its own.
    pub(crate) fn on_emulator(emulator: AwsEmulator, seed: &str, streams: &[&str]) -> Self {
        Self::of(emulator, None, seed, streams)
    }

    fn of(emulator: AwsEmulator, kafka: Option<KafkaCluster>, seed: &str, streams: &[&str]) -> Self {
        let mut arguments = vec![seed];
        arguments.extend(streams);
        let seeded = emulator.python(SCRIPT, &arguments).unwrap();
        let text = |name: &str| seeded[name].as_str().unwrap().to_owned();
        Self {
            cluster: text("cluster"),
            group: text("group"),
            vpc: seeded["vpc"].as_str().map(str::to_owned),
            streams: seeded["streams"].clone(),
            folder: tempfile::tempdir().unwrap(),
            kafka,
            emulator,
        }
    }

    /// A stream's ARN.
    pub(crate) fn stream(&self, name: &str) -> &str {
        self.streams[name].as_str().unwrap()
    }

    /// One of the functions of account.py.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        self.emulator.python(SCRIPT, arguments).unwrap()
    }

    /// Any call of boto3's.
    pub(crate) fn call(&self, service: &str, operation: &str, arguments: &Value) -> Value {
        self.ask(&["call", service, operation, &arguments.to_string()])
    }

    /// `k2m` with these arguments, in a folder of its own.
    pub(crate) fn k2m(&self, arguments: &[&str]) -> Command {
        let mut command = k2m(self.folder.path(), arguments);
        command.envs(self.emulator.environment());
        command
    }

    /// What `k2m` with these arguments said, once it ended with this code.
    pub(crate) fn run(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.k2m(arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}\n{}\n{}",
            seen(&output),
            self.emulator.log()
        );
        output
    }

    /// The JSON document that `k2m` with these arguments and `-o json` printed.
    pub(crate) fn json(&self, arguments: &[&str], code: i32) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.extend(["-o", "json"]);
        let output = self.run(&arguments, code);
        let document = serde_json::from_slice(&output.stdout);
        let document: Value = document.unwrap_or_else(|error| panic!("{error}: {}", seen(&output)));
        // Whatever a test is about, what it reads is what docs/schemas promises.
        assert_eq!(misfits(arguments[0], &document), None, "{arguments:?}");
        document
    }

    /// `--stream` and `--cluster` for a stream.
    pub(crate) fn ends(&self, stream: &str) -> [&str; 4] {
        ["--stream", self.stream(stream), "--cluster", &self.cluster]
    }

    /// A command on a stream's pipeline, with more arguments.
    pub(crate) fn on<'a>(&'a self, command: &'a str, stream: &str, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec![command];
        arguments.extend(self.ends(stream));
        arguments.extend(more);
        arguments
    }

    /// Waits until a topic holds this many different records, and gives the numbers in them, sorted.
    pub(crate) fn arrived(&self, topic: &str, records: usize) -> Vec<u64> {
        let servers = self.kafka.as_ref().unwrap().bootstrap_servers();
        let values = self.folder.path().join(format!("{topic}.values"));
        let request = ReadbackRequest::new(&servers, topic).values_to(&values);
        let mut found = 0;
        let waited = wait_until("the records are in the topic", PATIENCE, || {
            found = request.read()?.distinct;
            Ok(found >= records as u64)
        });
        if let Err(error) = waited {
            let logs = self.ask(&["logs"]);
            panic!("{error}: {found} of {records}; {logs:#}\n{}", self.emulator.log());
        }
        let readback = request.read().unwrap();
        assert_eq!(readback.distinct, records as u64, "{readback:?}");
        assert_eq!(readback.keys_out_of_order, 0, "{readback:?}");
        assert_eq!(readback.without_headers, 0, "{readback:?}");
        let lines = std::io::BufReader::new(File::open(&values).unwrap()).lines();
        let mut numbers: Vec<u64> = lines
            .map(|line| {
                let value: Value = serde_json::from_slice(&STANDARD.decode(line.unwrap()).unwrap()).unwrap();
                value["n"].as_u64().unwrap()
            })
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Waits until the stack's failure queue holds a message, and gives all of them.
    pub(crate) fn failures(&self, stack: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        wait_until("the failure queue has a message", PATIENCE, || {
            messages.clone_from(self.ask(&["failures", stack]).as_array().unwrap());
            Ok(!messages.is_empty())
        })
        .unwrap();
        messages
    }

    /// A file in the folder that `k2m` is started in.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// `k2m` with these arguments, in this folder, where nothing of this machine's own configuration shines through.
pub(crate) fn k2m(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_ascii_uppercase();
        if ["AWS_", "K2M_"].iter().any(|prefix| upper.starts_with(prefix)) || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .env("COLUMNS", "120")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", folder.join("no-such-file"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.join("no-such-file"))
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// Everything that a user sees.
pub(crate) fn seen(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    format!(
        "exit {code}\n--- stdout\n{}--- stderr\n{}",
        text(&output.stdout),
        text(&output.stderr)
    )
}

//! Runs `k2m run --probe` with the `bootstrap` binary, and takes what it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use k2m_handler::probe::report::{Failure, Report};
use k2m_testkit::{ClientCertificate, KafkaCluster};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The password that brokers know.
pub(crate) const PASSWORD: &str = "hunter2-the-first";

/// The user that has it.
pub(crate) const USER: &str = "alice";

/// The region that the cluster's IAM access control is in.
pub(crate) const REGION: &str = "eu-central-1";

/// The `bootstrap` binary, as AWS runs it.
pub(crate) fn bootstrap() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_k2m")).with_file_name("bootstrap");
    assert!(
        path.exists(),
        "{} is missing: run the tests with scripts/test, or for the whole --workspace",
        path.display()
    );
    path
}

/// How the function is to speak to the brokers.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    way: &'static str,
    topic: String,
    servers: String,
    ca: Option<PathBuf>,
    secret: Option<Value>,
    region: String,
    more: Vec<String>,
    /// The credentials of the environment.
    keys: bool,
    /// What the program is started by.
    front: Vec<String>,
}

impl Ask {
    /// With this way of authentication, as `K2M_AUTHENTICATION` has it; topic `orders`.
    pub(crate) fn new(way: &'static str, servers: impl Into<String>) -> Self {
        Self {
            way,
            topic: "orders".to_owned(),
            servers: servers.into(),
            ca: None,
            secret: None,
            region: REGION.to_owned(),
            more: Vec::new(),
            keys: true,
            front: Vec::new(),
        }
    }

    /// With this way of authentication, and all it needs, to the listener of a cluster that is its own.
    pub(crate) fn well(way: &'static str, kafka: &KafkaCluster) -> Self {
        let certificate = || {
            let trusted = k2m_testkit::ClientIdentity::Trusted;
            identity(&kafka.client_certificate(trusted).expect("a certificate"))
        };
        let (servers, secret) = match way {
            "plaintext" => (Ok(kafka.bootstrap_servers()), None),
            "tls" => (kafka.tls_bootstrap_servers(), None),
            "mutual_tls" => (kafka.mutual_tls_bootstrap_servers(), Some(certificate())),
            "scram" => (kafka.scram_bootstrap_servers(), Some(user(PASSWORD))),
            "iam" => (kafka.iam_bootstrap_servers(), None),
            other => panic!("{other} is no way of authentication"),
        };
        let mut ask = Self::new(way, servers.expect("a listener")).trusting(kafka);
        ask.secret = secret;
        ask
    }

    pub(crate) fn topic(mut self, topic: &str) -> Self {
        topic.clone_into(&mut self.topic);
        self
    }

    pub(crate) fn at(mut self, servers: impl Into<String>) -> Self {
        self.servers = servers.into();
        self
    }

    /// Trusts the authority of this cluster, but for `plaintext`.
    pub(crate) fn trusting(mut self, kafka: &KafkaCluster) -> Self {
        let ca = (self.way != "plaintext").then(|| kafka.ca_file().expect("an authority").to_owned());
        self.ca = ca;
        self
    }

    /// Trusts the authority of this file.
    pub(crate) fn with_ca(mut self, path: &str) -> Self {
        self.ca = Some(path.into());
        self
    }

    pub(crate) fn secret(mut self, secret: Value) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Signs tokens for this region.
    pub(crate) fn region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    pub(crate) fn without_keys(mut self) -> Self {
        self.keys = false;
        self
    }

    /// More arguments of `k2m run`.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.more.extend(arguments.iter().map(|it| (*it).to_owned()));
        self
    }

    /// Starts the program by another one.
    pub(crate) fn front(mut self, words: &[&str]) -> Self {
        self.front = words.iter().map(|it| (*it).to_owned()).collect();
        self
    }

    /// Asks, for a program.
    pub(crate) fn ask(&self) -> Seen {
        let (code, stdout, stderr, log) = self.run(&["-o", "json"]);
        let report: Report =
            serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}\n{stdout}\n{stderr}\n{log}"));
        assert_eq!(code, Some(i32::from(!report.ok)), "{stdout}\n{stderr}");
        // The program's own bound, whatever else this machine does.
        assert!(report.milliseconds.value() < 10_000.0, "{stdout}");
        assert_eq!(report.ok, report.failures.is_empty(), "{stdout}");
        assert_eq!(report.failure.as_ref(), report.failures.first(), "{stdout}");
        assert!(log.contains("\"message\":\"probe\""), "one line in the log: {log}");
        Seen { report, log }
    }

    /// Asks, for people: the exit code and what was printed.
    pub(crate) fn print(&self) -> (Option<i32>, String) {
        let (code, stdout, stderr, _) = self.run(&[]);
        assert_eq!(stderr, "", "{stdout}");
        (code, stdout)
    }

    fn run(&self, more: &[&str]) -> (Option<i32>, String, String, String) {
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().join("handler.log");
        let mut words = self.front.clone();
        words.push(env!("CARGO_BIN_EXE_k2m").to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["run", "--probe"]).args(more);
        command.args(["--topic", &self.topic, "--bootstrap-servers", &self.servers]);
        command.arg("--handler").arg(bootstrap()).arg("--handler-log").arg(&log);
        command.args(["--authentication", &self.way.replace('_', "-")]);
        if self.way == "iam" {
            command.args(["--cluster-region", &self.region]);
        }
        if let Some(ca) = &self.ca {
            command.arg("--ca-file").arg(ca);
        }
        if let Some(secret) = &self.secret {
            let file = folder.path().join("secret.json");
            std::fs::write(&file, secret.to_string()).expect("it can be written");
            command.arg("--secret-file").arg(file);
        }
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            command.env_remove(name);
        }
        if self.keys {
            command.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
            command.env("AWS_SECRET_ACCESS_KEY", "nothing-to-hide");
        }
        let ended = command.args(&self.more).output().expect("k2m starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        (ended.status.code(), text(&ended.stdout), text(&ended.stderr), log)
    }
}

/// What was answered.
pub(crate) struct Seen {
    pub(crate) report: Report,
    pub(crate) log: String,
}

impl Seen {
    /// The first failure; there has to be one.
    pub(crate) fn failure(&self) -> &Failure {
        let failure = self.report.failure.as_ref();
        failure.unwrap_or_else(|| panic!("nothing failed: {:#?}\n{}", self.report, self.log))
    }

    /// The report; nothing may have failed.
    pub(crate) fn healthy(&self) -> &Report {
        assert!(self.report.ok, "{:#?}\n{}", self.report, self.log);
        &self.report
    }
}

pub(crate) fn user(password: &str) -> Value {
    json!({"username": USER, "password": password})
}

pub(crate) fn identity(certificate: &ClientCertificate) -> Value {
    json!({"certificate": certificate.chain, "privateKey": certificate.private_key})
}

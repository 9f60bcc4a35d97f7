//! A deployed pipeline that is broken, looked at by doctor, and mended again.

use std::sync::LazyLock;
use std::time::Duration;

use k2m_testkit::{AwsEmulator, Hands, KafkaCluster, ServerFiles, wait_until};
use serde_json::{Value, json};

use super::table::{Table, Verdict};
use crate::driver::{Account, SCRIPT};
use crate::secrets::put_secret;

/// The region of accounts in one region.
const HOME: &str = "eu-west-1";
const FAULTS: &str = include_str!("faults.py");
/// Users of [`SHARED`].
pub(crate) const USERS: [(&str, &str); 3] = [
    ("alice", "hunter2-the-first"),
    ("bob", "hunter2-the-second"),
    ("carol", "hunter2-the-third"),
];
/// How soon it tries a batch again.
const RETRIES: (&str, &str) = ("K2M_RETRY_SECONDS", "0.02");
/// What the emulator of a matrix takes for a change of a function: nothing here depends on it.
const QUICK: (&str, &str) = ("K2M_CHANGE_SECONDS", "0.02");

/// Longest that it may take until what was mended is well.
const PATIENCE: Duration = Duration::from_secs(45);

/// Longest that it may take until a broker does as it was told.
const SOON: Duration = Duration::from_secs(5);

/// Kafka for topologies that leave it alone, each with topics of its own.
pub(crate) static SHARED: LazyLock<KafkaCluster> = LazyLock::new(|| {
    let builder = KafkaCluster::builder().tls(true).mutual_tls(true).scram(&USERS);
    let builder = builder.iam("eu-west-1");
    builder.start().unwrap()
});

/// An emulator whose clusters are this Kafka, with more doors.
pub(crate) fn emulator(kafka: &KafkaCluster, more: &[(&str, &str)]) -> AwsEmulator {
    let (plaintext, scram, iam) = (
        kafka.bootstrap_servers(),
        kafka.scram_bootstrap_servers().unwrap_or_default(),
        kafka.iam_bootstrap_servers().unwrap_or_default(),
    );
    let all = [
        ("MINISTACK_MSK_BOOTSTRAP", plaintext.as_str()),
        ("MINISTACK_MSK_BOOTSTRAP_SASL_SCRAM", &scram),
        ("MINISTACK_MSK_BOOTSTRAP_SASL_IAM", &iam),
        QUICK,
        RETRIES,
    ];
    let all: Vec<(&str, &str)> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    AwsEmulator::start_with(&[&all[..], more].concat()).unwrap()
}

/// The secret with the authority of a Kafka's certificates.
pub(crate) fn authority(account: &Account, kafka: &KafkaCluster) -> String {
    let authority = std::fs::read_to_string(kafka.ca_file().unwrap()).unwrap();
    put_secret(account, "ca", &json!({"certificate": authority}))
}

/// What a secret says that holds the certificate of an authority that has signed nothing here.
pub(crate) fn other_authority() -> String {
    let folder = tempfile::tempdir().unwrap();
    ServerFiles::create(folder.path()).unwrap();
    let other = std::fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    json!({"certificate": other}).to_string()
}

/// One pipeline of one account.
pub(crate) struct Bench<'a> {
    pub(crate) account: &'a Account,
    hands: Hands,
    table: Table,
    /// What `k2m` is told in each run, beside the command.
    arguments: Vec<String>,
    /// Whether the function is asked, too.
    asked: bool,
}

/// Where a bench's pipeline is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) topology: &'static str,
    pub(crate) stack: &'a str,
    pub(crate) home: &'a str,
    pub(crate) there: &'a str,
}

impl<'a> Place<'a> {
    /// With all of it in the region that the emulator's accounts are in.
    pub(crate) const fn in_one_region(topology: &'static str, stack: &'a str) -> Self {
        Self {
            topology,
            stack,
            home: HOME,
            there: HOME,
        }
    }
}

impl<'a> Bench<'a> {
    /// Deploys, and sees that nothing is found. `more` is said in each run, `deploy` in that of the deployment.
    pub(crate) fn new(account: &'a Account, place: Place<'a>, ends: &[&str], more: &[&str], deploy: &[&str]) -> Self {
        let bench = Self::unseen(account, place, ends, more, deploy);
        bench.healthy("deployed");
        bench
    }

    /// Deploys what may be broken from the first.
    pub(crate) fn unseen(
        account: &'a Account,
        place: Place<'a>,
        ends: &[&str],
        more: &[&str],
        deploy: &[&str],
    ) -> Self {
        let Place {
            topology,
            stack,
            home,
            there,
        } = place;
        let arguments: Vec<String> = ends.iter().chain(more).map(|word| (*word).to_owned()).collect();
        let script = format!("{FAULTS}\n\n{SCRIPT}");
        let mut bench = Self {
            account,
            hands: account.emulator.hands(&script, &["serve"]).unwrap(),
            table: Table::new(topology),
            arguments,
            asked: true,
        };
        let deployed = bench.k2m("deploy", &[&["--yes"][..], deploy].concat(), 0);
        assert_eq!(deployed["status"], "created", "{deployed:#}");
        let vpc = account.vpc.as_deref().unwrap_or_default();
        bench.hand(&["begin", stack, home, there, &account.cluster, vpc]);
        bench
    }

    fn k2m(&self, command: &str, more: &[&str], code: i32) -> Value {
        let arguments: Vec<&str> = [command]
            .into_iter()
            .chain(self.arguments.iter().map(String::as_str))
            .chain(more.iter().copied())
            .collect();
        self.account.json(&arguments, code)
    }

    /// One of the functions of faults.py or account.py.
    pub(crate) fn hand(&mut self, words: &[&str]) -> Value {
        self.hands.ask(words).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What doctor says.
    fn doctor(&self) -> Value {
        let mut arguments = vec!["doctor"];
        arguments.extend(self.arguments.iter().map(String::as_str));
        arguments.extend(["-o", "json"]);
        if !self.asked {
            arguments.push("--no-probe");
        }
        let output = self.account.k2m(&arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Nothing at all is found, once Lambda is done with what was changed and has delivered what waited.
    fn healthy(&self, after: &str) {
        let mut said = Value::Null;
        let waited = wait_until("nothing is found", PATIENCE, || {
            said = self.doctor();
            // What does not heal by itself is not waited for.
            Ok(findings(&said).is_empty() || !passing(&said))
        });
        assert!(
            waited.is_ok() && findings(&said).is_empty(),
            "{}, after {after}: {said:#}",
            self.account.cluster
        );
    }

    /// Breaks, looks, mends, and sees that nothing is found. `expected` are the codes that have to be named, the first one first.
    /// Answers what was said.
    pub(crate) fn fault(&mut self, fault: &str, how: &[&[&str]], expected: &[&'static str]) -> Value {
        for words in how {
            let words = [&["do"], *words].concat();
            self.hand(&words);
        }
        let said = self.look(fault, expected);
        self.hand(&["undo"]);
        self.healthy(fault);
        said
    }

    /// The same of what is broken and mended by other means.
    pub(crate) fn broken(
        &mut self,
        fault: &str,
        expected: &[&'static str],
        shatter: impl FnOnce(),
        mend: impl FnOnce(),
    ) {
        shatter();
        // A broker goes by a new rule soon after.
        let _ = wait_until("something is found", SOON, || Ok(!findings(&self.doctor()).is_empty()));
        self.look(fault, expected);
        mend();
        self.hand(&["undo"]);
        self.healthy(fault);
    }

    /// The same where the function, which is on this machine all the time, would say that all is well: it is not asked.
    pub(crate) fn unasked(&mut self, fault: &str, how: &[&[&str]], expected: &[&'static str]) {
        self.asked = false;
        self.fault(fault, how, expected);
        self.asked = true;
    }

    /// What is broken from the first, and the end of it.
    pub(crate) fn at_once(mut self, fault: &str, expected: &[&'static str]) {
        self.look(fault, expected);
        self.table.check();
    }

    /// The last one of an account: there is no way back.
    pub(crate) fn last(&mut self, fault: &str, how: &[&str], expected: &[&'static str]) {
        let words = [&["do"], how].concat();
        self.hand(&words);
        self.look(fault, expected);
    }

    /// What has to be found of what was broken by other means.
    pub(crate) fn look(&mut self, fault: &str, expected: &[&'static str]) -> Value {
        let said = self.doctor();
        let found = findings(&said);
        let verdict = Verdict::of(expected, &found);
        self.table.row(fault, expected, &found, verdict, &format!("{said:#}"));
        said
    }

    /// Counts the healthy looks as rows, and compares the table with the documentation's.
    pub(crate) fn end(mut self) {
        self.healthy("all");
        self.table.row("nothing", &[], &[], Verdict::Caught, "");
        self.table.check();
    }

    /// The same after a last fault.
    pub(crate) fn end_broken(mut self) {
        self.table.row("nothing, before", &[], &[], Verdict::Caught, "");
        self.table.check();
    }
}

/// What doctor found, the first cause first: causes, then what warns, less the note of drift that is another's, and what is not known where nothing is broken.
pub(crate) fn findings(said: &Value) -> Vec<String> {
    let code = |one: &Value| one["code"].as_str().unwrap().to_owned();
    let causes = said["causes"].as_array().unwrap().iter().map(code);
    let checks = said["checks"].as_array().unwrap().iter();
    let others = checks.filter(|check| {
        let told = check["saidBy"].as_array().is_some_and(|by| !by.is_empty());
        match check["result"].as_str() {
            Some("warn") => !told,
            // What is broken keeps more from being known.
            Some("unknown") => said["causes"] == json!([]),
            _ => false,
        }
    });
    causes.chain(others.map(code)).collect()
}

/// Whether all that is found may go by itself: a change that Lambda is still at, a batch that is to be tried again.
fn passing(said: &Value) -> bool {
    findings(said)
        .iter()
        .all(|code| ["K2M-E05", "K2M-L02", "K2M-E02", "K2M-P01"].contains(&code.as_str()))
}

/// A JSON text of a user and a password.
pub(crate) fn user((name, password): (&str, &str)) -> Value {
    json!({"username": name, "password": password})
}

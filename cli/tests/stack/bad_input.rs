//! What a user gets wrong, and what AWS does not let them do: told on one screen with the next step, nothing half made, and the next run goes on.

mod interrupted;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use k2m_testkit::wait_until;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::driver::{k2m, seen};
use crate::office::{Office, handler};
use crate::proxy::{PATIENCE, Proxy, Verdict, denied, expired};
use crate::story::remains;

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-0123-4567-89ab-0123456789ab-1";
const DEPLOY: &[&str] = &["deploy", "--yes", "--handler", "bootstrap"];
const DESTROY: &[&str] = &["destroy", "--yes"];
/// A screen: lines, and characters in a line.
const SCREEN: (usize, usize) = (24, 120);

/// What a user sees of one command after the other.
#[derive(Default)]
struct Screens(String);

impl Screens {
    /// Runs a command, which has to end with this code. What it says of the error has to fit on a screen.
    fn show(&mut self, mut command: Command, code: i32) -> &mut Self {
        let output = command.output().unwrap();
        let text = seen(&output);
        assert_eq!(output.status.code(), Some(code), "{command:?}\n{text}");
        let said = text.lines().skip_while(|line| !line.starts_with("error: "));
        let lines: usize = said.map(|line| line.chars().count().div_ceil(SCREEN.1).max(1)).sum();
        assert!(lines <= SCREEN.0, "{lines} lines\n{text}");
        let words: Vec<String> = command.get_args().map(|word| quoted(&word.to_string_lossy())).collect();
        self.0.extend(["$ k2m ", &words.join(" "), "\n", &text, "\n"]);
        self
    }

    /// Compares all that was shown with what it was before.
    fn check(&self, name: &str) {
        settings().bind(|| insta::assert_snapshot!(name, self.0));
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/=".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("{word:?}")
    }
}

/// Takes out of a snapshot what differs from run to run.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in [
        (r"\b(acl|rtb|subnet|sg|vpc)-[0-9a-f]{8,17}\b", "$1-[id]"),
        (r"cluster/events/[0-9a-f-]+", "cluster/events/[uuid]"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        (r"localhost:\d+", "localhost:[port]"),
        (
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
            "[uuid]",
        ),
        // The end of a name that CloudFormation gives.
        (r"-[0-9A-F]{13}\b", "-[id]"),
        // Zones in the order of the subnets' ids.
        (r"\nsubnets: .*", "\nsubnets: [subnets]"),
        (r"k2m-123456789012-eu-west-1-[0-9a-f]{8}", "[bucket]"),
        (r"k2m-[0-9a-f]{16}", "[change set]"),
        (r"[0-9a-f]{64}", "[sha256]"),
        (r"after \d+ms", "after [n]ms"),
        // Said where it takes long.
        (r"still looking .*\n", ""),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings
}

/// A folder of a user, without a way to AWS.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        handler(folder.path());
        Self(folder)
    }

    /// A command on a pipeline that is named in the environment.
    fn on(&self, arguments: &[&str]) -> Command {
        let mut command = k2m(self.0.path(), arguments);
        command.env("K2M_STREAM", STREAM).env("K2M_CLUSTER", CLUSTER);
        command
    }

    /// A command with the settings of this text.
    fn with(&self, yaml: &str, arguments: &[&str]) -> Command {
        std::fs::write(self.0.path().join("k2m.yaml"), yaml).unwrap();
        k2m(self.0.path(), arguments)
    }

    /// A command on a pipeline, with keys and this endpoint.
    fn at(&self, endpoint: &str, arguments: &[&str]) -> Command {
        let mut command = self.on(arguments);
        command
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ACCESS_KEY_ID", "123456789012")
            .env("AWS_SECRET_ACCESS_KEY", "nothing-to-hide")
            .env("AWS_REGION", "eu-west-1");
        command
    }
}

#[test]
fn an_arn_of_the_wrong_kind() {
    let desk = Desk::new();
    let run = |arguments: &[&str]| k2m(desk.0.path(), arguments);
    let mut screens = Screens::default();
    screens
        .show(run(&["deploy", "--yes", "--stream", CLUSTER, "--cluster", STREAM]), 2)
        .show(run(&["destroy", "--yes", "--stream", CLUSTER]), 2)
        .show(run(&["init", "--yes", "--stream", "orders", "--cluster", CLUSTER]), 2);
    let topic = CLUSTER.replace(":cluster/", ":topic/") + "/orders";
    screens.show(
        desk.with(&format!("stream: {STREAM}\ncluster: {topic}\n"), &["plan"]),
        2,
    );
    let consumer = format!("{STREAM}/consumer/counter:1760000000");
    screens.show(
        desk.with(&format!("stream: {consumer}\ncluster: {CLUSTER}\n"), &["doctor"]),
        2,
    );
    screens.check("an_arn_of_the_wrong_kind");
}

#[test]
fn an_unknown_key_in_the_settings() {
    let desk = Desk::new();
    let yaml = format!("stream: {STREAM}\ncluster: {CLUSTER}\n\nbatchsize: 500\n");
    let mut screens = Screens::default();
    for arguments in [DEPLOY, DESTROY, &["plan"], &["doctor"], &["init", "--yes"]] {
        screens.show(desk.with(&yaml, arguments), 2);
    }
    screens.show(desk.with(&yaml.replace("batchsize", "colour"), &["plan"]), 2);
    screens.show(desk.with(&yaml.replace("batchsize", "stream"), &["plan"]), 2);
    screens.check("an_unknown_key_in_the_settings");
}

#[test]
fn no_credentials() {
    let desk = Desk::new();
    let mut screens = Screens::default();
    screens
        .show(desk.on(DEPLOY), 4)
        .show(desk.on(&["destroy", "--yes", "--profile", "nobody"]), 4)
        .show(desk.on(&["deploy", "--yes", "--handler", "bootstrap", "-o", "json"]), 4)
        .show(k2m(desk.0.path(), &["init", "--yes", "--region", "eu-west-1"]), 4);
    screens.check("no_credentials");
}

#[test]
fn expired_credentials() {
    let desk = Desk::new();
    let proxy = Proxy::start("http://127.0.0.1:9", expired);
    let endpoint = proxy.endpoint();
    let mut screens = Screens::default();
    for arguments in [DEPLOY, DESTROY, &["plan"], &["doctor"]] {
        screens.show(desk.at(&endpoint, arguments), 4);
    }
    let mut init = desk.at(&endpoint, &["init", "--yes"]);
    init.env_remove("K2M_STREAM");
    screens.show(init, 4);
    screens.check("expired_credentials");
}

#[test]
fn an_endpoint_that_nothing_answers_at() {
    let desk = Desk::new();
    // A port that nothing listens on: it was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let mut screens = Screens::default();
    for arguments in [DEPLOY, DESTROY, &["plan"], &["doctor"]] {
        screens.show(desk.at(&nowhere, arguments), 4);
    }
    let mut init = desk.at(&nowhere, &["init", "--yes"]);
    init.env_remove("K2M_STREAM");
    screens.show(init, 4);
    screens.check("an_endpoint_that_nothing_answers_at");
}

/// All that YAML, CloudFormation's `Fn::Sub` and minijinja take for something else than text.
const ODD: &str = "a\"b': {c}\n- &d *e # ü☃\u{2028} ${Region} {{ f }} {% g %} !Ref \\";

#[test]
fn odd_names_on_the_way_to_yaml() {
    let desk = Desk::new();
    let mut screens = Screens::default();
    // What no such name can be is refused, wherever it comes from.
    for flag in ["--topic", "--stack", "--stream", "--subnets", "--failure-destination"] {
        screens.show(desk.on(&["deploy", "--yes", "--handler", "bootstrap", flag, ODD]), 2);
    }
    let text = serde_json::to_string(ODD).unwrap();
    for name in ["topic", "stack", "subnets", "alarm_topic"] {
        let yaml = format!("stream: {STREAM}\ncluster: {CLUSTER}\n{name}: {text}\n");
        screens.show(desk.with(&yaml, &["plan"]), 2);
    }
    screens.show(desk.with(&format!("topic: a: b\nstream: {STREAM}\n"), &["plan"]), 2);
    screens.show(desk.with("topic: \"orders\nstream: x\n", &["plan"]), 2);
    screens.check("odd_names_on_the_way_to_yaml");

    // A profile can have nearly any name: it comes out of the file as it was put in.
    let profile = ODD.replace('\n', " ");
    std::fs::remove_file(desk.0.path().join("k2m.yaml")).unwrap();
    let written = desk.on(&["init", "--yes", "--profile", &profile]).output().unwrap();
    assert_eq!(written.status.code(), Some(4), "{}", seen(&written));
    let yaml = std::fs::read_to_string(desk.0.path().join("k2m.yaml")).unwrap();
    let read: Value = serde_yaml::from_str(&yaml).unwrap();
    assert_eq!(read["profile"], json!(profile), "{yaml}");
    let told = desk.on(&["plan"]).output().unwrap();
    assert!(
        seen(&told).contains(&format!("of profile {profile}:")),
        "{}",
        seen(&told)
    );
}

/// A document in which one text stands in place of another, wherever that is a part of a text.
fn replaced(document: &Value, from: &str, to: &str) -> Value {
    match document {
        Value::String(text) => json!(text.replace(from, to)),
        Value::Array(all) => all.iter().map(|each| replaced(each, from, to)).collect(),
        Value::Object(all) => all
            .iter()
            .map(|(name, each)| (name.replace(from, to), replaced(each, from, to)))
            .collect(),
        other => other.clone(),
    }
}

/// Facts come from AWS, or from whoever wrote the file: their texts are texts in the template too.
#[test]
fn odd_facts_on_the_way_to_yaml() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/same-vpc");
    let folder = tempfile::tempdir().unwrap();
    let facts: Value = serde_json::from_slice(&std::fs::read(example.join("facts.json")).unwrap()).unwrap();
    let config = example.join("k2m.yaml").to_string_lossy().into_owned();
    let render = |facts: &Value, form: &str| {
        let file = folder.path().join("facts.json");
        std::fs::write(&file, facts.to_string()).unwrap();
        let arguments = ["render", "--config", &config, "--facts", "facts.json", "-o", form];
        let output = k2m(folder.path(), &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let plain: Value = serde_json::from_str(&render(&facts, "json")).unwrap();
    // A key's ARN is taken apart at its colons.
    let no_colon = ODD.replace(':', "");
    for (part, text) in [
        ("subnet-01a2b3c4d5e6f7a01", ODD),
        ("sg-0c1d2e3f4a5b6c701", ODD),
        ("5c6d7e8f-9a0b-4c1d-8e2f-3a4b5c6d7e8f", &no_colon),
    ] {
        assert!(plain.to_string().contains(part), "the template names {part}");
        let odd = replaced(&facts, part, text);
        let json: Value = serde_json::from_str(&render(&odd, "json")).unwrap();
        let yaml: Value = serde_yaml::from_str(&render(&odd, "human")).unwrap();
        assert_eq!(json, yaml);
        assert_eq!(json, replaced(&plain, part, text));
    }
}

#[test]
fn what_aws_has_or_forbids() {
    let office = Office::new();
    another_account(&office);
    a_cluster_still_creating(&office);
    no_free_address(&office);
    no_right_to_look(&office);
    assert_eq!(remains(&office.account), json!({}), "nothing was made");
    no_right_to_change(&office);
    // The bucket with the handler stays for the next run, and goes with the last stack.
    let left = remains(&office.account);
    assert_eq!(left.as_object().unwrap().keys().collect::<Vec<_>>(), ["buckets"]);
    credentials_that_expire_meanwhile(&office);
    let again = office.on(DESTROY).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", seen(&again));
    assert_eq!(remains(&office.account), json!({}));
    a_stack_of_another_tool(&office);
}

fn another_account(office: &Office) {
    let theirs = STREAM.replace("123456789012", "999999999999");
    let cluster = CLUSTER.replace("123456789012", "999999999999");
    let mut screens = Screens::default();
    // A stream of another account may be read, and nobody here may see this one.
    let mut one = office.on(DEPLOY);
    one.env("K2M_STREAM", &theirs);
    screens.show(one, 4);
    for arguments in [DEPLOY, DESTROY, &["plan"], &["doctor"]] {
        let mut both = office.on(arguments);
        both.env("K2M_STREAM", &theirs).env("K2M_CLUSTER", &cluster);
        screens.show(both, 2);
    }
    screens.check("another_account");
}

fn a_cluster_still_creating(office: &Office) {
    // MSK tells the cluster's state, and no brokers yet.
    let proxy = office.through(|call| {
        let path = call.operation.trim_end_matches('/');
        if call.is("kafka", "GET /api/v2/clusters/") {
            Verdict::Change("\"ACTIVE\"", "\"CREATING\"")
        } else if path.ends_with("/bootstrap-brokers") || path.contains("/nodes") {
            let words = "The cluster is not in a state in which this can be done.";
            Verdict::Refuse("BadRequestException", words.to_owned())
        } else {
            Verdict::Pass
        }
    });
    let mut screens = Screens::default();
    for arguments in [DEPLOY, &["plan"], &["doctor"]] {
        screens.show(office.by(&proxy, arguments), 1);
    }
    screens.check("a_cluster_still_creating");
}

fn no_free_address(office: &Office) {
    let proxy = office.through(|call| {
        if call.is("ec2", "DescribeSubnets") {
            Verdict::Change("<availableIpAddressCount>251<", "<availableIpAddressCount>0<")
        } else {
            Verdict::Pass
        }
    });
    let mut screens = Screens::default();
    screens
        .show(office.by(&proxy, DEPLOY), 1)
        .show(office.by(&proxy, &["plan"]), 1);
    let network = office.account.ask(&["subnets"]);
    let mut chosen = office.by(&proxy, DEPLOY);
    chosen.env("K2M_SUBNETS", network[0].as_str().unwrap());
    screens.show(chosen, 1);
    screens.check("no_free_address");
}

fn no_right_to_look(office: &Office) {
    let mut screens = Screens::default();
    for (service, operation, action, code) in [
        ("kinesis", "DescribeStreamSummary", "kinesis:DescribeStreamSummary", 4),
        ("kafka", "GET /api/v2/clusters/", "kafka:DescribeClusterV2", 4),
        ("ec2", "DescribeSubnets", "ec2:DescribeSubnets", 4),
        ("cloudformation", "DescribeStacks", "cloudformation:DescribeStacks", 4),
        ("s3", "GET /?", "s3:ListAllMyBuckets", 1),
    ] {
        let proxy = office.through(move |call| {
            if call.is(service, operation) {
                denied(call, action)
            } else {
                Verdict::Pass
            }
        });
        screens.show(office.by(&proxy, DEPLOY), code);
        if service == "kafka" {
            screens.show(office.by(&proxy, &["plan"]), 4);
            screens.show(office.by(&proxy, &["doctor"]), 1);
        }
        if service == "cloudformation" {
            screens.show(office.by(&proxy, DESTROY), 4);
        }
    }
    let proxy = office.through(|call| {
        if call.is("kinesis", "ListStreams") {
            denied(call, "kinesis:ListStreams")
        } else {
            Verdict::Pass
        }
    });
    let mut init = office.by(&proxy, &["init", "--yes"]);
    init.env_remove("K2M_STREAM");
    screens.show(init, 4);
    screens.check("no_right_to_look");
}

fn no_right_to_change(office: &Office) {
    let mut screens = Screens::default();
    for (service, operation, action) in [
        ("s3", "PUT /", "s3:CreateBucket"),
        ("cloudformation", "CreateChangeSet", "cloudformation:CreateChangeSet"),
        ("cloudformation", "ExecuteChangeSet", "cloudformation:ExecuteChangeSet"),
    ] {
        let proxy = office.through(move |call| {
            if call.is(service, operation) {
                denied(call, action)
            } else {
                Verdict::Pass
            }
        });
        screens.show(office.by(&proxy, DEPLOY), 1);
        assert_eq!(office.account.ask(&["stacks"]), json!({}), "{action}");
    }
    screens.check("no_right_to_change");
}

fn credentials_that_expire_meanwhile(office: &Office) {
    let mut screens = Screens::default();
    for (last, then) in [
        (
            "CreateChangeSet",
            json!({"changeSets": 1, "status": "REVIEW_IN_PROGRESS"}),
        ),
        (
            "ExecuteChangeSet",
            json!({"changeSets": 0, "status": "CREATE_COMPLETE"}),
        ),
    ] {
        let over = AtomicBool::new(false);
        let proxy = office.through(move |call| {
            if over.fetch_or(call.is("cloudformation", last), Ordering::SeqCst) {
                expired(call)
            } else {
                Verdict::Pass
            }
        });
        screens.show(office.by(&proxy, DEPLOY), 1);
        let stack = &at_rest(office)["k2m-orders"];
        let left = json!({"changeSets": stack["changeSets"].as_array().unwrap().len(), "status": stack["status"]});
        assert_eq!(left, then, "{last}");
    }
    screens.show(office.on(DEPLOY), 0);
    screens.check("credentials_that_expire_meanwhile");
}

/// Every stack, when CloudFormation is at work on none.
fn at_rest(office: &Office) -> Value {
    let mut stacks = Value::Null;
    wait_until("CloudFormation is done", PATIENCE, || {
        stacks = office.account.ask(&["stacks"]);
        let found = stacks.as_object().unwrap();
        Ok(!found.values().any(|stack| {
            let status = stack["status"].as_str().unwrap();
            status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS"
        }))
    })
    .unwrap();
    stacks
}

fn a_stack_of_another_tool(office: &Office) {
    office.account.ask(&["foreign_stack", "billing"]);
    let before = office.account.ask(&["stacks"]);
    let mut screens = Screens::default();
    for arguments in [DEPLOY, DESTROY, &["plan"], &["doctor"]] {
        let mut command = office.on(arguments);
        command.env("K2M_STACK", "billing");
        screens.show(command, 1);
    }
    assert_eq!(office.account.ask(&["stacks"]), before);
    screens.check("a_stack_of_another_tool");
}

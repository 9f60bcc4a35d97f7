//! `k2m init` as built: with `--yes` and without a terminal, on this machine alone; against an emulator of AWS; and at a terminal.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use k2m_testkit::AwsEmulator;
use serde_json::{Value, json};

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-0123-4567-89ab-0123456789ab-1";

/// `k2m` in this folder, where nothing of this machine's own configuration may shine through.
fn k2m(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy().to_ascii_uppercase();
        if ["AWS_", "K2M_"].iter().any(|prefix| name_text.starts_with(prefix)) || name_text.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", "120")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/no-such-file")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/no-such-file")
        .stdin(Stdio::null());
    command
}

/// Everything that a user sees.
fn seen(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let code = output.status.code().unwrap_or(-1);
    format!("exit {code}\n--- stdout\n{stdout}--- stderr\n{stderr}")
}

/// The folder has these files and no others: nothing half made is left behind.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn with_every_answer_given_it_needs_neither_aws_nor_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let all = [&["init", "--yes", "--stream", STREAM, "--cluster", CLUSTER], arguments].concat();
        k2m(folder.path(), &all).output().unwrap()
    };
    let first = run(&["--batch-size", "500"]);
    let written = fs::read_to_string(folder.path().join("k2m.yaml")).unwrap();
    insta::assert_snapshot!(format!("{}--- k2m.yaml\n{written}", seen(&first)));
    assert_eq!(files(folder.path()), ["k2m.yaml"]);

    // Again: what the file says stays, and there is one document for programs.
    let second = run(&["--topic", "new", "-o", "json"]);
    let document: Value = serde_json::from_slice(&second.stdout).unwrap_or_else(|_| panic!("{}", seen(&second)));
    assert_eq!(
        document,
        json!({
            "path": "k2m.yaml",
            "settings": {"stream": STREAM, "cluster": CLUSTER, "topic": "new", "batch_size": 500},
            "next": ["k2m plan", "k2m deploy"],
        })
    );

    // What was written is what other commands take: nothing but a way to AWS is missing.
    let inspect = k2m(folder.path(), &["inspect"]).output().unwrap();
    assert_eq!(inspect.status.code(), Some(4), "{}", seen(&inspect));
    assert!(seen(&inspect).contains("no AWS credentials"), "{}", seen(&inspect));
}

#[test]
fn servers_answer_for_the_cluster_and_each_takes_the_others_place() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |arguments: &[&str]| {
        let all = [&["init", "--yes", "--stream", STREAM, "-o", "json"], arguments].concat();
        let output = k2m(folder.path(), &all).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", seen(&output)));
        document["settings"].clone()
    };
    let servers = "kafka-1:9092,kafka-2:9092";
    let blocks = ["--broker-cidrs", "10.1.2.0/24", "--authentication", "tls"];
    let written = json!({
        "stream": STREAM, "bootstrap_servers": ["kafka-1:9092", "kafka-2:9092"], "broker_cidrs": ["10.1.2.0/24"], "topic": "orders", "authentication": "tls",
    });
    assert_eq!(
        settings(&[&["--bootstrap-servers", servers], &blocks[..]].concat()),
        written
    );
    // What the file says stays, and is no question.
    assert_eq!(settings(&[]), written);
    let of_cluster = json!({"stream": STREAM, "cluster": CLUSTER, "topic": "orders", "authentication": "tls"});
    assert_eq!(settings(&["--cluster", CLUSTER]), of_cluster);
    let back = settings(&["--bootstrap-servers", "kafka:9092"]);
    assert_eq!(
        back,
        json!({"stream": STREAM, "bootstrap_servers": "kafka:9092", "topic": "orders", "authentication": "tls"})
    );
}

#[test]
fn what_is_missing_or_wrong_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let other = CLUSTER.replace("arn:aws:", "arn:aws-cn:");
    let cases: &[&[&str]] = &[
        &[],
        &["--stream", STREAM],
        &["--stream", STREAM, "--cluster", CLUSTER],
        &["--yes"],
        &["--yes", "--stream", STREAM],
        &["--yes", "--stream", "orders", "--cluster", CLUSTER],
        &["--yes", "--stream", STREAM, "--cluster", &other],
        &["--yes", "--stream", STREAM, "--bootstrap-servers", "kafka"],
        &[
            "--yes",
            "--stream",
            STREAM,
            "--cluster",
            CLUSTER,
            "--bootstrap-servers",
            "kafka:9092",
        ],
        &["--yes", "--stream", STREAM, "--cluster", CLUSTER, "--memory", "1"],
        &[
            "--yes",
            "--stream",
            STREAM,
            "--cluster",
            CLUSTER,
            "--config",
            "no/such/folder.yaml",
        ],
        &["--yes", "--stream", STREAM, "--cluster", CLUSTER, "--config", "."],
        &[
            "--yes",
            "--stream",
            STREAM,
            "--cluster",
            CLUSTER,
            "--config",
            "/dev/null",
        ],
    ];
    let mut text = String::new();
    for arguments in cases {
        let output = k2m(folder.path(), &[&["init"], *arguments].concat()).output().unwrap();
        assert!(output.stdout.is_empty(), "{}", seen(&output));
        text.extend(["== ", &arguments.join(" "), "\n", &seen(&output)]);
        assert!(files(folder.path()).is_empty(), "{}", seen(&output));
    }
    // A file that is there stays as it is.
    for content in ["topic: kept # yes\n", "tpoic: kept\n"] {
        let path = folder.path().join("k2m.yaml");
        fs::write(&path, content).unwrap();
        let arguments = ["init", "--stream", STREAM, "--cluster", CLUSTER, "--topic", "new"];
        let output = k2m(folder.path(), &arguments).output().unwrap();
        text.extend(["== with ", content, &seen(&output)]);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(files(folder.path()), ["k2m.yaml"]);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_file_of_settings_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wrong.yaml"), "stream: x\nbatch_sise: 1\n").unwrap();
    fs::write(
        folder.path().join("value.yaml"),
        format!("stream: {STREAM}\ncluster: {CLUSTER}\nmemory: much\n"),
    )
    .unwrap();
    let mut text = String::new();
    for config in ["none.yaml", ".", "wrong.yaml", "value.yaml"] {
        let output = k2m(folder.path(), &["inspect", "--config", config]).output().unwrap();
        text += &seen(&output);
    }
    fs::create_dir(folder.path().join("k2m.yaml")).unwrap();
    text += &seen(&k2m(folder.path(), &["inspect"]).output().unwrap());
    insta::assert_snapshot!(text);
}

/// Two streams and a cluster.
const SEED: &str = r#"
import json, boto3
ec2, kafka, kinesis = (boto3.client(name) for name in ("ec2", "kafka", "kinesis"))
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
subnets = [
    ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"eu-west-1{z}")["Subnet"]["SubnetId"]
    for n, z in enumerate("ab")
]
for name in ("orders", "clicks"):
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
cluster = kafka.create_cluster_v2(
    ClusterName="events",
    Provisioned={
        "BrokerNodeGroupInfo": {"ClientSubnets": subnets, "InstanceType": "kafka.m5.large"},
        "NumberOfBrokerNodes": 2,
        "KafkaVersion": "3.6.0",
        "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}},
    },
)["ClusterArn"]
print(json.dumps({"cluster": cluster}))
"#;

/// Runs a command at a terminal of its own, types what is given once a text is shown, and tells what was seen and what the terminal is like after.
const TERMINAL: &str = r#"
import json, os, pty, select, signal, sys, termios, time
folder, answers, signal_at, command = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4:]
ours, theirs = pty.openpty()
before = termios.tcgetattr(theirs)
process = os.fork()
if process == 0:
    os.setsid()
    os.chdir(folder)
    for descriptor in range(3):
        os.dup2(theirs, descriptor)
    # The terminal that Ctrl-C is typed at.
    import fcntl
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ["TERM"] = "xterm"
    os.execvp(command[0], command)
shown, new, deadline = "", "", time.monotonic() + 60
code = None
while time.monotonic() < deadline:
    if select.select([ours], [], [], 0.05)[0]:
        piece = os.read(ours, 65536).decode(errors="replace")
        shown, new = shown + piece, new + piece
        if answers and answers[0][0] in new:
            # Not before the prompt reads keys: until then typed keys would be echoed.
            while termios.tcgetattr(theirs)[3] & termios.ICANON and time.monotonic() < deadline:
                pass
            new = ""
            os.write(ours, answers.pop(0)[1].encode())
        elif signal_at and signal_at in new:
            while termios.tcgetattr(theirs)[3] & termios.ICANON and time.monotonic() < deadline:
                pass
            new = ""
            os.kill(process, signal.SIGTERM)
    elif code is not None:
        break
    if code is None:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
if code is None:
    os.kill(process, signal.SIGKILL)
hidden = shown.rfind("\x1b[?25l") > shown.rfind("\x1b[?25h")
print(json.dumps({"shown": shown, "code": code, "same": termios.tcgetattr(theirs) == before, "hidden": hidden}))
"#;

#[test]
fn at_a_terminal_and_against_aws() {
    let emulator = AwsEmulator::start().unwrap();
    let seeded = emulator.python(SEED, &[]).unwrap();
    let cluster = seeded["cluster"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k2m.yaml");

    // What --yes finds: one cluster, two streams.
    let with = |arguments: &[&str]| {
        let mut command = k2m(folder.path(), arguments);
        command.envs(emulator.environment()).output().unwrap()
    };
    let ambiguous = with(&["init", "--yes"]);
    assert_eq!(ambiguous.status.code(), Some(2), "{}", seen(&ambiguous));
    for part in [
        "--stream ARN, one of",
        "stream/clicks  (ACTIVE, 2 open shards)",
        "stream/orders  (ACTIVE",
    ] {
        assert!(seen(&ambiguous).contains(part), "{}", seen(&ambiguous));
    }
    let nothing = with(&["init", "--yes", "--region", "us-east-1"]);
    assert!(
        seen(&nothing).contains("there is no stream in us-east-1: create one"),
        "{}",
        seen(&nothing)
    );
    let found = with(&["init", "--yes", "--stream", STREAM, "-o", "json"]);
    let document: Value = serde_json::from_slice(&found.stdout).unwrap_or_else(|_| panic!("{}", seen(&found)));
    assert_eq!(
        document["settings"],
        json!({"stream": STREAM, "cluster": cluster, "topic": "orders"})
    );
    fs::remove_file(&path).unwrap();

    let at_terminal = |answers: Value, signal_at: &str, more: &[&str]| {
        let answers = answers.to_string();
        let folder = folder.path().to_string_lossy().into_owned();
        let arguments = [
            &[folder.as_str(), &answers, signal_at, env!("CARGO_BIN_EXE_k2m"), "init"],
            more,
        ]
        .concat();
        let told = emulator.python(TERMINAL, &arguments).unwrap();
        assert_eq!(told["same"], true, "the terminal is not as it was: {told}");
        assert_eq!(told["hidden"], false, "the cursor is gone: {told}");
        told
    };
    // Stopped with nothing written: Ctrl-C at a choice, SIGTERM at another.
    for (answers, signal_at) in [
        (json!([["another stream", "\u{3}"]]), ""),
        (json!([["another stream", "orders\r"]]), "another cluster"),
    ] {
        let told = at_terminal(answers, signal_at, &[]);
        assert_eq!(told["code"], 130, "{told}");
        assert!(
            told["shown"].as_str().unwrap().contains("stopped: nothing was written"),
            "{told}"
        );
        assert!(files(folder.path()).is_empty());
    }
    // A stream by typing a part of it, the only cluster, another topic, of which the first try is wrong.
    let answers = json!([
        ["another stream", "clicks\r"],
        ["another cluster", "\r"],
        ["another topic", "\u{1b}[B\r"],
        ["Name of the topic", "a b\r"],
        ["not ` `", "\u{7f}\u{7f}\u{7f}from-clicks\r"],
    ]);
    let told = at_terminal(answers, "", &["--memory", "512"]);
    assert_eq!(told["code"], 0, "{told}");
    let written = fs::read_to_string(&path).unwrap();
    let expected = format!(
        "stream: {}\ncluster: {cluster}\ntopic: from-clicks\nmemory: 512\n",
        STREAM.replace("orders", "clicks")
    );
    assert!(written.ends_with(&expected), "{written}");
    // Once more: it asks before it changes the file, and what the file says stands first.
    let told = at_terminal(json!([["change it?", "n"]]), "", &[]);
    assert_eq!(told["code"], 1, "{told}");
    let answers = json!([
        ["change it?", "y"],
        ["another stream", "\r"],
        ["another cluster", "\r"],
        ["another topic", "\r"]
    ]);
    let told = at_terminal(answers, "", &[]);
    assert_eq!(told["code"], 0, "{told}");
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    assert_eq!(files(folder.path()), ["k2m.yaml"]);
}

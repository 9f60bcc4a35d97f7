//! `k2m init` as built: with `--yes` and without a terminal, on this machine alone; against an emulator of AWS; and at a terminal.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use k2m_testkit::terminal::Signal;
use k2m_testkit::{AwsEmulator, Terminal, wait_until};
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
    let mut document: Value = serde_json::from_slice(&second.stdout).unwrap_or_else(|_| panic!("{}", seen(&second)));
    let unseen = document.as_object_mut().and_then(|document| document.remove("unseen"));
    assert!(unseen.is_some_and(|why| why.to_string().contains("no AWS credentials")));
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
def subnet(number, zone):
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"eu-west-1{zone}")
    return made["Subnet"]["SubnetId"]
subnets = [subnet(number, zone) for number, zone in enumerate("ab")]
# What is shown is in the order of the ids, which are drawn by lot.
while subnets != sorted(subnets):
    ec2.delete_subnet(SubnetId=subnets.pop())
    subnets.append(subnet(1, "b"))
for name in ("orders", "clicks"):
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
group = ec2.create_security_group(GroupName="brokers", Description="brokers", VpcId=vpc)["GroupId"]
cluster = kafka.create_cluster_v2(
    ClusterName="events",
    Provisioned={
        "BrokerNodeGroupInfo": {"ClientSubnets": subnets, "SecurityGroups": [group], "InstanceType": "kafka.m5.large"},
        "NumberOfBrokerNodes": 2,
        "KafkaVersion": "3.6.0",
        "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}},
    },
)["ClusterArn"]
print(json.dumps({"cluster": cluster}))
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
        "stream/clicks  (ACTIVE, 2 open shards, provisioned)",
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

    at_terminal(&emulator, folder.path(), cluster);
}

/// A terminal that `k2m init` runs at, of 80 columns.
fn sit(emulator: &AwsEmulator, folder: &Path, arguments: &[&str]) -> Terminal {
    let mut command = k2m(folder, &[&["init"], arguments].concat());
    command.envs(emulator.environment());
    Terminal::start(&command, 80, 50).unwrap()
}

/// Types each answer once its question is there, and waits for the end.
fn answered(terminal: &mut Terminal, answers: &[(&str, &str)]) -> Option<i32> {
    for (question, keys) in answers {
        terminal.wait_for(question).unwrap();
        terminal.type_keys(keys).unwrap();
    }
    let status = terminal.wait().unwrap();
    wait_until("the terminal is as it was", Duration::from_secs(10), || {
        Ok(terminal.is_as_before())
    })
    .unwrap();
    status.code()
}

/// What was shown, without what differs from run to run.
fn shown(terminal: &Terminal, cluster: &str) -> String {
    let id = cluster.rsplit('/').next().unwrap();
    let mut all = terminal.all().replace(id, "<id>");
    for (place, found) in [
        ("vpc-", 'v'),
        ("subnet-", 's'),
        ("sg-", 'g'),
        ("acl-", 'a'),
        ("rtb-", 't'),
    ] {
        // Ids are as long as each other, but each time others.
        let mut known: Vec<String> = Vec::new();
        while let Some(start) = all
            .match_indices(place)
            .map(|(at, _)| at)
            .find(|at| !all[at + place.len()..].starts_with('<'))
        {
            let id: String = all[start + place.len()..]
                .chars()
                .take_while(char::is_ascii_hexdigit)
                .collect();
            if !known.contains(&id) {
                known.push(id.clone());
            }
            let number = known.iter().position(|one| *one == id).unwrap();
            all = all.replace(&format!("{place}{id}"), &format!("{place}<{found}{number}>"));
        }
    }
    all
}

fn at_terminal(emulator: &AwsEmulator, folder: &Path, cluster: &str) {
    let path = folder.join("k2m.yaml");
    // Stopped with nothing written: Ctrl-C at a choice, SIGTERM at another, Ctrl-C at a text and at the last question.
    let ctrl_c = "\u{3}";
    let ends = [
        "--stream",
        STREAM,
        "--cluster",
        cluster,
        "--topic",
        "orders",
        "--create-topic",
        "false",
    ];
    let quiet = ["--failure-email", "a@example.com"];
    let other = "\u{1b}[B\r";
    for (arguments, answers) in [
        (&[][..], &[("another stream", ctrl_c)][..]),
        (&[], &[("another stream", "orders\r"), ("another cluster", ctrl_c)]),
        (
            &ends,
            &[("given up", other), ("ARN of the topic, queue or bucket:", ctrl_c)],
        ),
        (
            &[&ends[..], &quiet].concat(),
            &[("given up", "\r"), ("Write these settings", ctrl_c)],
        ),
    ] {
        let mut terminal = sit(emulator, folder, arguments);
        assert_eq!(answered(&mut terminal, answers), Some(130), "{}", terminal.all());
        terminal.wait_for("stopped: nothing was written").unwrap();
        assert!(files(folder).is_empty());
    }
    let mut terminal = sit(emulator, folder, &[]);
    terminal.wait_for("another stream").unwrap();
    terminal.signal(Signal::TERM).unwrap();
    assert_eq!(answered(&mut terminal, &[]), Some(130), "{}", terminal.all());
    assert!(files(folder).is_empty());

    // A stream by typing a part of it, the only cluster, another topic, of which the first try is wrong.
    let mut terminal = sit(emulator, folder, &["--memory", "512"]);
    let answers = [
        ("another stream", "clicks\r"),
        ("another cluster", "\r"),
        ("another topic", other),
        ("Name of the topic", "a b\r"),
        ("not ` `", "\u{7f}\u{7f}\u{7f}from-clicks\r"),
        ("Create the topic", "\r"),
        ("Where records go that are given up", "\r"),
        ("Who is told by e-mail", other),
        ("E-mail address", "ops@example.com\r"),
        ("Write these settings to k2m.yaml?", "y"),
    ];
    assert_eq!(answered(&mut terminal, &answers), Some(0), "{}", terminal.all());
    terminal.wait_for("next: ").unwrap();
    insta::assert_snapshot!("first_run_at_80_columns", shown(&terminal, cluster));
    let written = fs::read_to_string(&path).unwrap();
    let settings: Vec<&str> = written
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    let stream = format!("stream: {}", STREAM.replace("orders", "clicks"));
    let cluster_line = format!("cluster: {cluster}");
    assert_eq!(
        settings,
        [
            &stream,
            &cluster_line,
            "topic: from-clicks",
            "create_topic: true",
            "failure_email: ops@example.com",
            "memory: 512"
        ]
    );

    // Once more: what the file says stands first, and comments of one's own stay.
    let commented = format!("# mine\n{written}# and last\n");
    fs::write(&path, &commented).unwrap();
    let answers = [
        ("another stream", "\r"),
        ("another cluster", "\r"),
        ("another topic", "\r"),
        ("Where records go that are given up", "\r"),
        ("Who is told by e-mail", "\r"),
        ("Write these settings into k2m.yaml?", "n"),
    ];
    let mut terminal = sit(emulator, folder, &[]);
    assert_eq!(answered(&mut terminal, &answers), Some(1), "{}", terminal.all());
    let mut yes = answers;
    yes[5].1 = "\r";
    let mut terminal = sit(emulator, folder, &[]);
    assert_eq!(answered(&mut terminal, &yes), Some(0), "{}", terminal.all());
    assert_eq!(fs::read_to_string(&path).unwrap(), commented);
    assert_eq!(files(folder), ["k2m.yaml"]);
}

#[test]
fn a_file_that_lists_pipelines_gets_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k2m.yaml");
    let other = STREAM.replace("orders", "clicks");
    let listed = format!(
        "cluster: {CLUSTER} # ours\nstack: all\npipelines: # each\n  - stream: {STREAM} # first\n    topic: o\n# last\n"
    );
    fs::write(&path, &listed).unwrap();
    let run = |arguments: &[&str]| {
        k2m(folder.path(), &[&["init", "--yes"], arguments].concat())
            .output()
            .unwrap()
    };
    let mut text = String::new();
    for arguments in [&["--batch-size", "5"][..], &["--stream", STREAM]] {
        text += &seen(&run(arguments));
        assert_eq!(fs::read_to_string(&path).unwrap(), listed);
    }
    insta::assert_snapshot!(text);
    // What is of the whole stack, and a pipeline more.
    let output = run(&[
        "--stream",
        &other,
        "--topic",
        "c",
        "--batch-size",
        "500",
        "--authentication",
        "iam",
    ]);
    // It is written, and nobody could look.
    assert_eq!(output.status.code(), Some(4), "{}", seen(&output));
    let expected = listed
        .replace("stack: all\n", "stack: all\nauthentication: iam\n")
        .replace(
            "    topic: o\n",
            &format!("    topic: o\n  - stream: {other}\n    topic: c\n    batch_size: 500\n"),
        );
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn comments_and_order_stay_whatever_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real.yaml");
    let text = format!("# head\r\ntopic: 't' # why\r\n\r\nstream: {STREAM}\r\ncluster: {CLUSTER} # old\r\n# foot\r\n");
    fs::write(&real, &text).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.yaml", folder.path().join("k2m.yaml")).unwrap();
    let output = k2m(
        folder.path(),
        &[
            "init",
            "--yes",
            "--topic",
            "u",
            "--bootstrap-servers",
            "h:9092",
            "--authentication",
            "tls",
        ],
    )
    .output()
    .unwrap();
    // It is written, and nobody could look.
    assert_eq!(output.status.code(), Some(4), "{}", seen(&output));
    let expected = format!(
        "# head\r\ntopic: 'u' # why\r\nauthentication: tls\r\n\r\nstream: {STREAM}\r\n# old\r\nbootstrap_servers: h:9092\r\n# foot\r\n"
    );
    assert_eq!(fs::read_to_string(&real).unwrap(), expected);
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(
        fs::symlink_metadata(folder.path().join("k2m.yaml"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(files(folder.path()), ["k2m.yaml", "real.yaml"]);
}

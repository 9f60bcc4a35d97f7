//! `k2m inspect` as built, against an emulator of AWS, and against everything that is not AWS.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use k2m_testkit::AwsEmulator;
use serde_json::Value;

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-0123-4567-89ab-0123456789ab-1";

/// A VPC, three subnets, a group, a configuration, a cluster, a stream, a topic, and a stack of the pipeline's name. Prints the ARNs.
const SEED: &str = include_str!("aws/seed.py");

fn inspect(environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    // Nothing of this machine's own configuration may shine through.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_ascii_uppercase().starts_with("AWS_")
            || name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy")
        {
            command.env_remove(name);
        }
    }
    command
        .arg("inspect")
        .args(arguments)
        .env("COLUMNS", "120")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/no-such-file")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/no-such-file")
        .envs(environment.iter().copied())
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

fn on(emulator: &AwsEmulator, arguments: &[&str]) -> Output {
    inspect(&[], arguments).envs(emulator.environment()).output().unwrap()
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in [
        (
            r"\b(acl|aclassoc|igw|pcx|rtb|rtbassoc|sg|sgr|subnet|vpc)-[0-9a-f]{8,17}\b",
            "$1-[id]",
        ),
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(-\d+)?",
            "[uuid]",
        ),
        (r"cluster/events/[0-9a-f]+", "cluster/events/[uuid]"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[time]"),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings
}

#[test]
fn help() {
    insta::assert_snapshot!(seen(&inspect(&[], &["--help"]).output().unwrap()));
}

#[test]
fn what_does_not_fit_is_a_usage_error() {
    let china = CLUSTER.replace("arn:aws:", "arn:aws-cn:");
    let cases: &[&[&str]] = &[
        &[],
        &["--stream", "orders", "--cluster", CLUSTER],
        &["--stream", CLUSTER, "--cluster", STREAM],
        &["--stream", STREAM, "--cluster", &china],
        &["--stream", STREAM, "--cluster", CLUSTER, "--region", "us-east-1"],
        &["--stream", STREAM, "--cluster", CLUSTER, "--topic", "a b"],
        &["--stream", STREAM, "--cluster", CLUSTER, "--stack", "1_\"x\": y"],
    ];
    let mut text = String::new();
    for arguments in cases {
        let output = inspect(&[], arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
        assert!(output.stdout.is_empty(), "{}", seen(&output));
        let stderr = String::from_utf8_lossy(&output.stderr);
        text.extend(["== ", &arguments.join(" "), "\n", &stderr]);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn without_a_way_to_aws_there_is_one_error_with_the_next_step() {
    let arguments = ["--stream", STREAM, "--cluster", CLUSTER, "-o", "json"];
    // A port that nothing listens on: it was free a moment ago, and is below the range that others are given.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let keys = [("AWS_ACCESS_KEY_ID", "123456789012"), ("AWS_SECRET_ACCESS_KEY", "x")];
    let unreachable = [keys[0], keys[1], ("AWS_ENDPOINT_URL", nowhere.as_str())];
    let profile = [&arguments[..], &["--profile", "nobody"]].concat();
    let cases = [(&[][..], &arguments[..]), (&[], &profile), (&unreachable, &arguments)];
    let mut text = String::new();
    for (environment, arguments) in cases {
        let output = inspect(environment, arguments).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["exit_code"], 4, "{}", seen(&output));
        text += &seen(&output);
    }
    settings().bind(|| insta::assert_snapshot!(text));
}

#[test]
fn an_account_is_seen_whole_and_twice_the_same() {
    let emulator = AwsEmulator::start().unwrap();
    let arns = emulator.python(SEED, &[]).unwrap();
    let arn = |name: &str| {
        arns[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} in {arns}"))
            .to_owned()
    };
    let (stream, cluster) = (arn("stream"), arn("cluster"));
    let arguments = ["--stream", &stream, "--cluster", &cluster];
    let with = |more: &[&'static str]| on(&emulator, &[&arguments[..], more].concat());

    let document = with(&["-o", "json"]);
    assert_eq!(
        document.status.code(),
        Some(0),
        "{}\n{}",
        seen(&document),
        emulator.log()
    );
    let facts: Value = serde_json::from_slice(&document.stdout).unwrap();
    let again = with(&["-o", "json"]);
    let timeless = |output: &Output| {
        let mut facts: Value = serde_json::from_slice(&output.stdout).unwrap();
        facts["takenAt"].take();
        serde_json::to_string_pretty(&facts).unwrap()
    };
    assert_eq!(timeless(&document), timeless(&again));
    typed(&document.stdout);
    let people = with(&[]);
    let text = seen(&people);
    for part in [
        "stream         orders: ACTIVE, 2 open shards",
        "10.0.1.0/24 eu-west-1b, ",
        "k2m-orders: CREATE_COMPLETE, 4 resources",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(people.status.success() && !text.contains("not to be shown"), "{text}");
    let mut facts: Value = serde_json::from_str(&named(&facts.to_string(), &arns)).unwrap();
    sort(&mut facts);
    settings().bind(|| insta::assert_json_snapshot!("account", facts));

    // Of what isn't there, and of another's account.
    let no_stream = stream.replace("orders", "nothing");
    let no_cluster = cluster.replace("events", "nothing");
    let other = |arn: &str| arn.replace(AwsEmulator::ACCOUNT, "999999999999");
    let cases = [
        (no_stream, cluster.clone(), 1),
        (stream.clone(), no_cluster, 1),
        (other(&stream), other(&cluster), 2),
    ];
    let mut text = String::new();
    for (stream, cluster, code) in &cases {
        let output = on(&emulator, &["--stream", stream, "--cluster", cluster]);
        assert_eq!(output.status.code(), Some(*code), "{}", seen(&output));
        text += &seen(&output);
    }

    assert!(
        text.contains("stream         nothing: absent") && text.contains("cluster        nothing: absent"),
        "{text}"
    );
    assert!(
        text.contains("error: the credentials are of account 123456789012, but"),
        "{text}"
    );
}

/// As with AWS's own command line, and other than in the SDK's chain: else a named profile would be passed over without a word.
#[test]
fn a_named_profile_beats_keys_in_the_environment() {
    let emulator = AwsEmulator::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let text = "[profile other]\naws_access_key_id = 999999999999\naws_secret_access_key = x\n";
    std::fs::write(&config, text).unwrap();
    let with = |profile: &str| {
        let arguments = ["--stream", STREAM, "--cluster", CLUSTER, "--profile", profile];
        let mut command = inspect(&[], &arguments);
        let output = command
            .envs(emulator.environment())
            .env("AWS_CONFIG_FILE", &config)
            .output()
            .unwrap();
        seen(&output)
    };
    settings().bind(|| insta::assert_snapshot!(with("other") + &with("nobody")));
}

/// What is printed must be what `--facts` takes.
fn typed(document: &[u8]) {
    let facts: k2m::facts::Facts = serde_json::from_slice(document).unwrap();
    assert_eq!(facts.unreadable(), []);
}

/// The same text with the seed's names in place of the ids that the account made up.
fn named(text: &str, arns: &Value) -> String {
    let names = arns["names"].as_object().unwrap();
    names.iter().fold(text.to_owned(), |text, (id, name)| {
        text.replace(id, name.as_str().unwrap())
    })
}

/// Lists that were in the order of random ids, in the order of what is left.
fn sort(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.iter_mut().for_each(sort);
            list.sort_by_key(|value| without_rule_ids(&value.to_string()));
        }
        Value::Object(map) => map.values_mut().for_each(sort),
        _ => {}
    }
}

/// A rule's id is the one random thing that the seed has no name for.
fn without_rule_ids(text: &str) -> String {
    let mut parts = text.split("sgr-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        all + part.trim_start_matches(|c: char| c.is_ascii_hexdigit())
    })
}

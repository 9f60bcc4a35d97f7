//! `-o json` of every command that needs no AWS for it, in success and in failure: one document on stdout that fits its schema, a JSON parser that isn't k2m's own reads
//! it, the exit code is the one of the document, and stderr has the text for people.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use k2m_testkit::schema::misfits;
use serde_json::Value;

const FACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/same-vpc/facts.json");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/same-vpc/k2m.yaml");
const RECORDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/orders.jsonl");
const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-0123-4567-89ab-0123456789ab-1";

/// Commands whose success takes AWS: the tests of these, against emulators, hold their documents against the schemas.
const OF_AWS: [&str; 5] = ["inspect", "status", "logs", "deploy", "destroy"];

/// Commands that print one thing alone, for programs as for people, and so have no `-o`.
const WITHOUT_OUTPUT: [&str; 2] = ["schema", "completions"];

/// A template whose function says all that an import asks for.
const TEMPLATE: &str = "\
Transform: AWS::Serverless-2016-10-31
Resources:
  Deliver:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.main
      Environment: {Variables: {KAFKA_TOPIC: orders}}
      Events:
        Orders:
          Type: Kinesis
          Properties: {Stream: 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders', StartingPosition: LATEST}
";

fn k2m(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    // Nothing of this machine's own settings may shine through.
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_ascii_uppercase();
        if ["AWS_", "K2M_"].iter().any(|prefix| upper.starts_with(prefix)) || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .args(arguments)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/no-such-file")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/no-such-file")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The one document that stdout has, as Python's parser reads it: neither serde wrote this nor does it read it.
fn document(output: &Output, what: &[&str]) -> Value {
    let told = || format!("{what:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    let mut python = Command::new("python3")
        .args(["-c", "import json, sys; json.dump(json.load(sys.stdin), sys.stdout)"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(&output.stdout).unwrap();
    let parsed = python.wait_with_output().unwrap();
    assert!(parsed.status.success(), "not one JSON document: {}", told());
    let document: Value = serde_json::from_slice(&parsed.stdout).unwrap();
    assert!(
        !text(&output.stderr).contains("\"exit_code\""),
        "a document on stderr: {}",
        told()
    );
    document
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All commands, as the help lists them by groups.
fn commands(folder: &Path) -> BTreeSet<String> {
    let help = text(&k2m(folder, &["--help"]).stdout);
    let (_, list) = help.split_once("\nBegin:\n").unwrap();
    let (list, _) = list.split_once("\nOptions:\n").unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  "));
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn in_success_each_command_prints_one_document_that_fits_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("template.yaml"), TEMPLATE).unwrap();
    let offline = ["--config", CONFIG, "--facts", FACTS];
    let with = |command: &'static str, more: &[&'static str]| [&[command], &offline[..], more].concat();
    let rows: Vec<(&str, i32, Vec<&str>)> = vec![
        ("plan", 3, with("plan", &[])),
        ("plan", 3, with("plan", &["--diagram", "way.svg"])),
        ("render", 0, with("render", &[])),
        ("render", 0, with("render", &["--directory", "templates"])),
        ("doctor", 1, with("doctor", &[])),
        ("doctor", 1, with("doctor", &["--report", "page.html"])),
        ("explain", 0, vec!["explain"]),
        ("explain", 0, vec!["explain", "n02"]),
        ("run", 0, vec!["run", "--topic", "orders", "--input", RECORDS]),
        (
            "run",
            1,
            vec![
                "run",
                "--topic",
                "orders",
                "--bootstrap-servers",
                "127.0.0.1:1",
                "--probe",
            ],
        ),
        ("demo", 0, vec!["demo", "--records", "1000"]),
        (
            "import",
            0,
            vec!["import", "template.yaml", "--cluster", CLUSTER, "--stdout"],
        ),
        (
            "init",
            // Nobody could look at AWS.
            4,
            vec![
                "init",
                "--config",
                "new.yaml",
                "--yes",
                "--stream",
                STREAM,
                "--cluster",
                CLUSTER,
                "--topic",
                "orders",
            ],
        ),
    ];
    let rowed = rows.iter().map(|(_, _, arguments)| arguments[0]);
    let known: BTreeSet<String> = rowed.chain(OF_AWS).chain(WITHOUT_OUTPUT).map(str::to_owned).collect();
    assert_eq!(known, commands(folder.path()), "a command without a row");
    for command in WITHOUT_OUTPUT {
        let help = text(&k2m(folder.path(), &[command, "--help"]).stdout);
        assert!(!help.contains("--output"), "{command} has a document, and no row");
    }
    for of in ["settings", "import", "error"] {
        let arguments = ["schema", of];
        let document = document(&k2m(folder.path(), &arguments), &arguments);
        assert_eq!(
            document["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{of}"
        );
    }
    for (schema, code, arguments) in rows {
        // Quiet or verbose, the result is the same kind of thing.
        for manner in [&[][..], &["--quiet"], &["--verbose"], &["--color", "always"]] {
            if !manner.is_empty() && ["demo", "init"].contains(&schema) {
                continue;
            }
            let arguments = [&arguments[..], &["-o", "json"], manner].concat();
            let output = k2m(folder.path(), &arguments);
            let document = document(&output, &arguments);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{arguments:?} {}",
                text(&output.stderr)
            );
            assert_eq!(misfits(schema, &document), None, "{arguments:?}");
            assert!(!text(&output.stdout).contains('\u{1b}'), "colours in {arguments:?}");
            if manner == ["--quiet"] {
                assert!(output.stderr.is_empty(), "{arguments:?} {}", text(&output.stderr));
            }
        }
    }
}

#[test]
fn in_failure_each_command_prints_one_document_with_the_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.yaml"), "stream: [\n").unwrap();
    std::fs::write(folder.path().join("bad.json"), "{}").unwrap();
    std::fs::write(folder.path().join("a-template.yaml"), TEMPLATE).unwrap();
    std::fs::write(folder.path().join("bad.jsonl"), "nonsense\n").unwrap();
    let ends = ["--stream", STREAM, "--cluster", CLUSTER];
    let looked = [
        "plan", "render", "doctor", "inspect", "deploy", "destroy", "init", "status", "logs",
    ];
    let all = commands(folder.path());
    let mut rows: Vec<(Vec<&str>, i32, &str)> = Vec::new();
    for command in &all {
        rows.push((vec![command, "--nonsense"], 2, "usage"));
    }
    for command in looked {
        rows.push((vec![command, "--config", "bad.yaml"], 2, "settings"));
        rows.push((vec![command, "--stream", "orders"], 2, "settings"));
    }
    for command in ["plan", "render", "doctor", "inspect", "deploy"] {
        rows.push(([&[command], &ends[..]].concat(), 4, "aws"));
    }
    for command in ["plan", "render", "doctor"] {
        rows.push(([&[command], &ends[..], &["--facts", "bad.json"]].concat(), 2, "facts"));
        rows.push(([&[command], &ends[..], &["--facts", "none.json"]].concat(), 66, "facts"));
    }
    rows.extend([
        (vec!["destroy", "--stack", "orders", "--region", "eu-west-1"], 4, "aws"),
        (
            vec![
                "plan",
                "--config",
                CONFIG,
                "--facts",
                FACTS,
                "--subnets",
                "subnet-0000000000000000f",
            ],
            1,
            "plan",
        ),
        (vec!["status", "--stack", "orders", "--region", "eu-west-1"], 4, "aws"),
        (vec!["explain", "K2M-Z99"], 2, "usage"),
        (vec!["schema", "nonsense"], 2, "usage"),
        (vec!["completions", "nonsense"], 2, "usage"),
        (vec!["import"], 66, "import"),
        (vec!["import", "none.yaml"], 66, "import"),
        (vec!["import", "bad.yaml"], 65, "import"),
        (vec!["import", "bad.json"], 65, "import"),
        (vec!["import", "a-template.yaml"], 4, "import"),
        (vec!["run", "--topic", "t", "--input", "none.jsonl"], 66, "file"),
        (vec!["run"], 2, "settings"),
        (
            vec![
                "run",
                "--topic",
                "t",
                "--input",
                RECORDS,
                "--bootstrap-servers",
                "127.0.0.1:1",
            ],
            69,
            "broker",
        ),
        (vec!["demo", "--records", "1"], 2, "usage"),
        (vec!["init"], 2, "init"),
    ]);
    for (arguments, code, kind) in rows {
        for manner in [&[][..], &["--quiet"]] {
            // Those that wait for something need to be seen once.
            if !manner.is_empty() && code != 2 {
                continue;
            }
            let arguments = [&arguments[..], &["-o", "json"], manner].concat();
            let output = k2m(folder.path(), &arguments);
            let document = document(&output, &arguments);
            let told = || format!("{arguments:?}\n{document:#}\n{}", text(&output.stderr));
            assert_eq!(misfits("error", &document), None, "{}", told());
            assert_eq!(output.status.code(), Some(code), "{}", told());
            assert_eq!(document["exit_code"], code, "{}", told());
            assert_eq!(document["kind"], kind, "{}", told());
            // People read the same.
            let error = document["error"].as_str().unwrap();
            let first = error.lines().next().unwrap();
            assert!(text(&output.stderr).contains(first), "{}", told());
            assert!(text(&output.stderr).contains("error: "), "{}", told());
        }
    }
    // A run that broke off has a result: how far it came.
    let arguments = ["run", "--topic", "t", "--input", "bad.jsonl", "-o", "json"];
    let output = k2m(folder.path(), &arguments);
    let document = document(&output, &arguments);
    assert_eq!(output.status.code(), Some(65), "{document:#}");
    assert_eq!(misfits("run", &document), None);
    assert!(document["error"].as_str().unwrap().contains("line 1"), "{document:#}");
}

#[test]
fn facts_of_every_example_fit_the_schema_of_inspect() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path().join("facts.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let facts = serde_json::from_str(&text).unwrap();
        assert_eq!(misfits("inspect", &facts), None, "{}", path.display());
        count += 1;
    }
    assert!(count > 10, "{count}");
}

//! The examples of producers, as built: each is planned and rendered from its facts, and each of its records is delivered on this machine.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use k2m_testkit::cfn_lint;
use serde_json::Value;

/// The folder, the records of its file, and the topics that its data chooses among.
const EXAMPLES: [(&str, u64, &[&str]); 5] = [
    ("cloudwatch-logs", 3, &[]),
    ("pinpoint-events", 4, &["app-campaigns", "app-sessions"]),
    ("dms", 5, &["shop-customers", "shop-orders"]),
    ("dynamodb", 3, &[]),
    ("iot-rules", 4, &[]),
];

/// The one with several pipelines in a stack.
const SEVERAL: &str = "many-pipelines";

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "examples", name].iter().collect()
}

fn k2m(example: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    // Nothing of this machine's own settings may shine through.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name.to_string_lossy().starts_with("K2M_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder(example))
        .args(arguments)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/no-such-file")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/no-such-file")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn each_is_planned_without_a_warning() {
    for (example, _, mapped) in EXAMPLES {
        let output = k2m(
            example,
            &["plan", "--config", "k2m.yaml", "--facts", "facts.json", "-o", "json"],
        );
        // Nothing is deployed, so a deployment would change something.
        assert_eq!(output.status.code(), Some(3), "{example}: {}", said(&output));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let plan = document.get("plan").unwrap_or(&document);
        assert_eq!(plan["warnings"], Value::Array(Vec::new()), "{example}");
        let pipeline = &plan["pipelines"][0];
        let topics = pipeline["mappedTopics"].as_array().unwrap().iter();
        let topics: Vec<&str> = topics.map(|topic| topic["name"].as_str().unwrap()).collect();
        assert_eq!(topics, mapped, "{example}");
        assert_eq!(
            pipeline["function"]["variables"]["K2M_TOPIC"], pipeline["topic"],
            "{example}"
        );
    }
}

#[test]
fn several_pipelines_are_planned_in_one_stack_and_run_one_by_one() {
    let plan = ["plan", "--config", "k2m.yaml", "--facts", "facts.json", "-o", "json"];
    let output = k2m(SEVERAL, &plan);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let pipelines = plan["pipelines"].as_array().unwrap().iter();
    let ways: Vec<String> = pipelines
        .map(|pipeline| format!("{} {}", pipeline["streamName"], pipeline["topic"]).replace('"', ""))
        .collect();
    assert_eq!(ways, ["orders orders", "orders-legacy orders", "clicks clicks"]);

    // Nothing that is in the list is asked for again or lost.
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("k2m.yaml");
    std::fs::copy(folder(SEVERAL).join("k2m.yaml"), &copied).unwrap();
    let output = k2m(SEVERAL, &["init", "--yes", "--config", copied.to_str().unwrap()]);
    // Nobody could look at AWS.
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let written = std::fs::read_to_string(&copied).unwrap();
    assert_eq!(
        written,
        std::fs::read_to_string(folder(SEVERAL).join("k2m.yaml")).unwrap()
    );

    let run = ["run", "--config", "k2m.yaml", "--input", "records.jsonl", "-o", "json"];
    let output = k2m(SEVERAL, &run);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("lists 3 pipelines"), "{}", said(&output));
    let output = k2m(SEVERAL, &[&run[..], &["--topic", "clicks"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&summary["acknowledged"], &summary["dead_letter_topic"]),
        (&Value::from(3), &Value::from("clicks-dead-letter"))
    );
}

#[test]
fn cfn_lint_is_silent_about_each() {
    let render = |example| {
        let output = k2m(example, &["render", "--config", "k2m.yaml", "--facts", "facts.json"]);
        assert_eq!(output.status.code(), Some(0), "{example}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let mut texts = EXAMPLES.map(|(example, ..)| (example, render(example))).to_vec();
    texts.push((SEVERAL, render(SEVERAL)));
    let texts: Vec<(&str, &str)> = texts.iter().map(|(example, text)| (*example, text.as_str())).collect();
    let said = cfn_lint(&texts, &["eu-west-1"]).unwrap();
    let said: Vec<String> = said.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}

#[test]
fn each_record_is_delivered_here() {
    for (example, records, mapped) in EXAMPLES {
        let output = k2m(
            example,
            &["run", "--config", "k2m.yaml", "--input", "records.jsonl", "-o", "json"],
        );
        assert_eq!(output.status.code(), Some(0), "{example}: {}", said(&output));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        // Of records, whatever number of messages each becomes.
        assert_eq!(summary["lines"], records, "{example}");
        assert_eq!(summary["acknowledged"], records, "{example}");
        assert_eq!(summary["retried"], 0, "{example}");
        let topics = summary["mapped_topics"].as_array().cloned().unwrap_or_default();
        assert_eq!(topics, mapped, "{example}");
    }
}

#[test]
fn each_is_described_with_what_it_makes() {
    let text = std::fs::read_to_string(folder("README.md")).unwrap();
    for example in EXAMPLES.map(|(example, ..)| example).into_iter().chain([SEVERAL]) {
        let folder = format!("({example})");
        assert!(text.contains(&folder), "{example} is not in examples/README.md");
    }
}

//! Doctor over facts that `k2m inspect` takes of a pipeline on an emulator of AWS, healthy and broken in one way after another.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use k2m::args::SettingsArgs;
use k2m::doctor::{Health, Outcome, PipelineReport, examine};
use k2m::facts::Facts;
use k2m::settings::{Settings, Sources, resolve};
use k2m_testkit::AwsEmulator;

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";

/// Deploys a pipeline and breaks it.
const PIPELINE: &str = include_str!("aws/pipeline.py");
/// Runs a command that doctor prints.
const COMMAND: &str = include_str!("aws/command.py");

fn settings(cluster: &str) -> Settings {
    let flags = SettingsArgs {
        stream: vec![STREAM.to_owned()],
        cluster: Some(cluster.to_owned()),
        ..SettingsArgs::default()
    };
    let sources = Sources {
        flags: &flags,
        environment: &BTreeMap::new(),
        file: None,
    };
    resolve(sources).unwrap().0
}

/// Facts, taken as a user would.
fn facts(emulator: &AwsEmulator, cluster: &str) -> Facts {
    let output = Command::new(env!("CARGO_BIN_EXE_k2m"))
        .args(["inspect", "-o", "json", "--stream", STREAM, "--cluster", cluster])
        .envs(emulator.environment())
        .env_remove("AWS_PROFILE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{}", emulator.log());
    // What stands in for the handler here is written in Python.
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text.replace("python3.12", "provided.al2023")).unwrap()
}

#[test]
fn each_broken_thing_is_named_first_and_a_healthy_pipeline_has_none() {
    let emulator = AwsEmulator::start().unwrap();
    let act = |actions: &[&str]| emulator.python(PIPELINE, actions).unwrap();
    let cluster = act(&["deploy"]).as_str().unwrap().to_owned();
    let settings = settings(&cluster);
    let look = || -> PipelineReport {
        let report = examine(&settings, &facts(&emulator, &cluster));
        report.pipelines.into_iter().next().unwrap().report
    };
    let healthy = || {
        let report = look();
        // Inspecting invokes nothing, so that the function has said nothing, and asks for nothing that has happened.
        let well = |outcome: &Outcome| matches!(outcome, Outcome::Pass { .. } | Outcome::Skip { .. });
        assert!(report.checks.iter().map(|check| &check.outcome).all(well), "{report}");
        let passed = |outcome: &Outcome| matches!(outcome, Outcome::Pass { .. });
        let passed = report.checks.iter().filter(|check| passed(&check.outcome));
        let passed: Vec<&str> = passed.map(|check| check.code).collect();
        for code in [
            "K2M-L01", "K2M-E02", "K2M-A02", "K2M-N02", "K2M-N05", "K2M-T01", "K2M-T05", "K2M-L05",
        ] {
            assert!(passed.contains(&code), "{code}: {report}");
        }
        assert_eq!(report.health, Health::Healthy);
    };

    let stack = facts(&emulator, &cluster).stack;
    let stack = stack.found().unwrap();
    assert_eq!(stack.parameters["Artifact"], "none");
    assert!(
        stack.template.as_ref().unwrap().contains("AWS::MSK::Topic"),
        "{stack:?}"
    );
    healthy();
    act(&["deliver"]);
    healthy();

    for (broken, code) in [
        ("remove the ingress", "K2M-N02"),
        ("delete the topic", "K2M-T01"),
        ("speak to the plaintext port", "K2M-A02"),
        ("time out after 5 s", "K2M-L03"),
    ] {
        act(&[broken, "fail"]);
        let report = look();
        let causes: Vec<&str> = report.causes.iter().map(|cause| cause.code).collect();
        assert_eq!(causes, [code], "{broken}: {report}");
        let explains = &report.causes[0].explains;
        assert!(explains.contains(&"K2M-E05"), "{broken}: {report}");
        assert_eq!(report.health.exit().code(), 1);

        // What doctor prints is all that it takes, and what no deployment would do.
        let cause = report.checks.iter().find(|check| check.code == code).unwrap();
        let Outcome::Fail { evidence, fix } = &cause.outcome else {
            panic!("{cause:?}");
        };
        assert!(
            evidence.iter().any(|line| line.contains("changed outside the stack")),
            "{report}"
        );
        // Where `k2m doctor --fix` does it too, this is the way by hand.
        let command = fix.iter().find(|step| step.starts_with("aws ")).unwrap();
        emulator.python(COMMAND, &[command]).unwrap();
        act(&["deliver"]);
        healthy();
    }
}

#[test]
fn where_nothing_is_named_it_says_all_that_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("K2M_") {
            command.env_remove(name);
        }
    }
    let output = command
        .arg("doctor")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    for way in ["--stream ARN and --cluster ARN", "`k2m init` asks", "--stack NAME"] {
        assert!(told.contains(way), "{way}: {told}");
    }
}

/// What `k2m explain` says: its exit code, standard output and standard error.
fn explained(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    let output = command
        .arg("explain")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_code_is_explained() {
    let (exit, page, _) = explained(&["n02"]);
    assert_eq!(exit, Some(0));
    assert_eq!(page, include_str!("../../docs/checks/K2M-N02.md"));
    let (exit, document, _) = explained(&["K2M-N02", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        (exit, document["code"].as_str(), document["page"].as_str()),
        (Some(0), Some("K2M-N02"), Some(page.as_str()))
    );

    // What is listed can be asked for, and has a page.
    let (exit, list, _) = explained(&[]);
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/checks");
    let pages = std::fs::read_dir(pages).unwrap().count();
    assert_eq!((exit, list.lines().count()), (Some(0), pages));
    for line in list.lines() {
        let (code, title) = line.split_once("  ").unwrap();
        let (_, page, _) = explained(&[code]);
        assert!(page.starts_with(&format!("# {code}: {title}\n")), "{page}");
    }

    let (exit, said, error) = explained(&["N\u{1b}[31m99"]);
    assert_eq!((exit, said.as_str()), (Some(2), ""));
    assert!(
        error.contains("is the code of no check") && !error.contains('\u{1b}'),
        "{error}"
    );
    let (exit, document, _) = explained(&["N99", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        (exit, document["exit_code"].as_i64()),
        (Some(2), Some(2)),
        "{document:#}"
    );
}

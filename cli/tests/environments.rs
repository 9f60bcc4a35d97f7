//! `--env` as built: which settings count in an environment of k2m.yaml, for each command that reads it, and that no command loses what the file says of it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const PROFILE: &str = "production-account";

fn example(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "examples", "same-vpc", name]
        .iter()
        .collect()
}

fn k2m(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    // Nothing of this machine's own settings may shine through.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name.to_string_lossy().starts_with("K2M_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .args(arguments)
        .env("COLUMNS", "200")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", folder.join("no-such-file"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.join("no-such-file"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A folder with the example's k2m.yaml and two environments, and its facts.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = fs::read_to_string(example("k2m.yaml")).unwrap();
    let environments = "environments: # ours\n  dev:\n    batch_size: 7\n  prod: # the real one\n    batch_size: 500\n    stack: k2m-live\n    profile: production-account\n";
    fs::write(folder.path().join("k2m.yaml"), format!("{settings}{environments}")).unwrap();
    fs::copy(example("facts.json"), folder.path().join("facts.json")).unwrap();
    folder
}

#[test]
fn what_is_planned_and_rendered_is_the_environment_s() {
    let folder = project();
    let facts = ["--facts", "facts.json"];
    for (environment, batch_size) in [(None, None), (Some("dev"), Some(7)), (Some("prod"), Some(500))] {
        let chosen: Vec<&str> = environment.iter().flat_map(|name| ["--env", *name]).collect();
        let output = k2m(folder.path(), &[&["plan", "-o", "json"], &facts[..], &chosen].concat());
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
        let of_mapping = &plan["pipelines"][0]["mapping"]["batchSize"];
        let output = k2m(folder.path(), &[&["render"], &facts[..], &chosen].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(
            said(&output).contains(&format!("BatchSize: {of_mapping}\n")),
            "{}",
            said(&output)
        );
        if let Some(batch_size) = batch_size {
            assert_eq!(*of_mapping, Value::from(batch_size));
        }
        assert_eq!(plan["stack"] == "k2m-live", environment == Some("prod"), "{plan:#}");
    }
}

#[test]
fn each_command_on_a_stack_takes_an_environment() {
    let folder = project();
    for command in [
        &["deploy", "--yes"][..],
        &["plan"],
        &["doctor"],
        &["inspect"],
        &["status"],
        &["logs"],
        &["destroy", "--yes"],
    ] {
        // Its profile is asked for, which is not there; without it nobody names that.
        let output = k2m(folder.path(), &[command, &["--env", "prod"]].concat());
        assert_ne!(output.status.code(), Some(0), "{command:?}");
        assert_ne!(output.status.code(), Some(2), "{command:?} {}", said(&output));
        assert!(said(&output).contains(PROFILE), "{command:?} {}", said(&output));
        let output = k2m(folder.path(), &[command, &["--env", "dev"]].concat());
        assert!(!said(&output).contains(PROFILE), "{command:?} {}", said(&output));
        // One that is not there is refused, with those that are.
        let output = k2m(folder.path(), &[command, &["--env", "live"]].concat());
        assert_eq!(output.status.code(), Some(2), "{command:?} {}", said(&output));
        for name in ["live", "dev", "prod"] {
            assert!(said(&output).contains(name), "{command:?} {}", said(&output));
        }
    }
}

#[test]
fn init_keeps_what_the_file_says_of_environments() {
    let folder = project();
    let path = folder.path().join("k2m.yaml");
    let before = fs::read_to_string(&path).unwrap();
    let (_, environments) = before.split_once("environments:").unwrap();
    let output = k2m(folder.path(), &["init", "--yes", "--batch-size", "123"]);
    // Nobody could look at AWS.
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let after = fs::read_to_string(&path).unwrap();
    assert!(after.contains("batch_size: 123"), "{after}");
    let (_, kept) = after.split_once("environments:").unwrap();
    // What is new stands before or after the block, which is as it was.
    assert!(kept.starts_with(environments), "{after}");
    let output = k2m(
        folder.path(),
        &["plan", "-o", "json", "--facts", "facts.json", "--env", "prod"],
    );
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["pipelines"][0]["mapping"]["batchSize"], 500, "{plan:#}");
}

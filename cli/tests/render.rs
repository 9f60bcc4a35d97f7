//! `k2m render` as built, with the example's settings and facts: no AWS in sight.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::process::{Command, Stdio};

use k2m_testkit::cfn_lint;
use serde_json::Value;

const FACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/same-vpc/facts.json");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/same-vpc/k2m.yaml");

/// Standard output, which is the template and nothing else.
fn render(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    // Nothing of this machine's own settings may shine through.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name.to_string_lossy().starts_with("K2M_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["render", "--facts", FACTS, "--config", CONFIG])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_example_is_rendered_twice_to_the_same_bytes() {
    let text = render(&[]);
    assert_eq!(text, render(&[]));
    insta::assert_snapshot!(text);
}

#[test]
fn cfn_lint_is_silent_about_the_example() {
    let facts: Value = serde_json::from_str(&std::fs::read_to_string(FACTS).unwrap()).unwrap();
    let stream = facts["pipelines"].as_object().unwrap().keys().next().unwrap();
    let region = stream.split(':').nth(3).unwrap();
    for (form, text) in [("yaml", render(&[])), ("json", render(&["-o", "json"]))] {
        let said = cfn_lint(&[(form, &text)], &[region]).unwrap();
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert!(said.is_empty(), "{}", said.join("\n"));
    }
}

#[test]
fn cfn_lint_is_silent_about_a_secret() {
    let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-ca-Ab12Cd";
    let text = render(&["--authentication", "tls", "--ca-secret", secret]);
    for line in ["ToPort: 443", "secretsmanager:GetSecretValue", "K2M_CA_SECRET_ARN"] {
        assert!(text.contains(line), "{text}");
    }
    let said = cfn_lint(&[("secret", &text)], &["eu-west-1"]).unwrap();
    let said: Vec<String> = said.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}

#[test]
fn json_is_the_same_document() {
    let json: Value = serde_json::from_str(&render(&["-o", "json"])).unwrap();
    let yaml: Value = serde_yaml::from_str(&render(&[])).unwrap();
    assert!(json["Resources"]["ClusterIngress"].is_object());
    assert_eq!(json, yaml);
}

//! `-o json` of every command that asks AWS, against an account: one document on stdout that fits its schema, whatever comes of it; and how much the others say.

use serde_json::Value;

use crate::driver::{Account, seen};

#[test]
fn every_command_that_asks_aws_prints_one_document() {
    let account = Account::without_kafka(&["orders"]);
    let on = |command: &'static str, more: &[&'static str], code: i32| {
        let arguments: Vec<String> = account
            .on(command, "orders", more)
            .iter()
            .map(ToString::to_string)
            .collect();
        account.json(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), code)
    };
    let error = |document: &Value, kind: &str, code: i32| {
        assert_eq!(document["kind"], kind, "{document:#}");
        assert_eq!(document["exit_code"], code, "{document:#}");
    };

    // Before anything is deployed.
    on("inspect", &[], 0);
    on("plan", &[], 3);
    on("render", &[], 0);
    on("doctor", &["--no-probe"], 1);
    let init = [
        "init",
        "--config",
        "other.yaml",
        "--yes",
        "--stream",
        account.stream("orders"),
        "--cluster",
        &account.cluster,
        "--topic",
        "orders",
    ];
    account.json(&init, 0);
    error(
        &account.json(&["doctor", "--stack", "nothing", "--region", "eu-west-1"], 1),
        "settings",
        1,
    );
    error(&on("deploy", &["--nonsense"], 2), "usage", 2);
    let absent = account.json(&["destroy", "--stack", "nothing", "--region", "eu-west-1", "--yes"], 0);
    assert_eq!(absent["status"], "absent", "{absent:#}");
    // What the network refuses has no plan, and so no deployment; whom nobody can ask does nothing.
    let nowhere = ["--subnets", "subnet-0123456789abcdef0"];
    for command in ["plan", "render", "deploy"] {
        let refused = on(command, &nowhere, 1);
        assert_eq!(refused["kind"], "plan", "{refused:#}");
    }
    error(&on("deploy", &["--create-topic"], 2), "deploy", 2);

    // A deployment, as a log of a CI has it: short, and in quiet without a word.
    let arguments = account.on("deploy", "orders", &["--yes"]);
    let told = account.run(&arguments, 0);
    let lines = seen(&told).lines().count();
    assert!(lines < 60, "{lines} lines: {}", seen(&told));
    let again = account.run(&account.on("deploy", "orders", &["--yes", "--quiet", "-o", "json"]), 0);
    assert!(again.stderr.is_empty(), "{}", seen(&again));
    assert_eq!(on("deploy", &["--yes"], 0)["status"], "unchanged");
    on("plan", &[], 0);
    on("inspect", &[], 0);

    // Each call is told, and nothing of what it says or who says it.
    let verbose = account.run(&account.on("plan", "orders", &["--verbose", "-o", "json"]), 0);
    let said = String::from_utf8_lossy(&verbose.stderr);
    for call in [
        "aws: kinesis ",
        "aws: sts GetCallerIdentity in eu-west-1: 200 in ",
        "aws: cloudformation DescribeStacks in ",
    ] {
        assert!(said.contains(call), "{call}: {said}");
    }
    for hidden in ["nothing-to-hide", "Credential", "Signature", "StackName", "StreamName"] {
        assert!(!said.contains(hidden), "{hidden}: {said}");
    }
    let _: Value = serde_json::from_slice(&verbose.stdout).unwrap();

    let gone = account.json(
        &["destroy", "--stack", "k2m-orders", "--region", "eu-west-1", "--yes"],
        0,
    );
    assert_eq!(gone["status"], "destroyed", "{gone:#}");
}

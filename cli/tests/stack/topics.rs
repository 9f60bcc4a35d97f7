//! A topic that MSK can neither make nor tell of: the function makes it, and no record is read before it is there.

use serde_json::{Value, json};

use crate::driver::Account;
use crate::story::remains;

/// Inspecting after a deployment and planning again gives an empty change.
fn unchanged(account: &Account, more: &[&str]) {
    let plan = account.json(&account.on("plan", "orders", more), 0);
    assert_eq!(plan["change"]["status"], "none", "{:#}", plan["change"]);
}

fn topics(deployed: &Value) -> Vec<(&str, bool)> {
    let topics = deployed["topics"].as_array().into_iter().flatten();
    topics
        .map(|topic| (topic["name"].as_str().unwrap(), topic["created"].as_bool().unwrap()))
        .collect()
}

#[test]
fn the_function_makes_it_before_anything_is_read() {
    let account = Account::without_topic_api(&["orders"]);
    let kafka = account.kafka.as_ref().unwrap();
    let group = account.ask(&["rules", &account.group]);
    // These wait for the topic.
    account.ask(&["put", "orders", "0", "1000"]);
    let seen = account.json(&account.on("inspect", "orders", &[]), 0);
    assert_eq!(seen["topics"]["orders"]["status"], "unreadable", "{:#}", seen["topics"]);
    assert!(kafka.end_offsets("orders").is_err());

    // Nobody said that it may be made: it is taken as there, and the way to have it made is named.
    let plan = account.json(&account.on("plan", "orders", &[]), 3);
    let warnings = plan["warnings"].as_array().unwrap().iter().filter_map(Value::as_str);
    assert!(
        warnings
            .clone()
            .any(|warning| warning.contains("with --create-topic true the function creates it")),
        "{plan:#}"
    );

    // One broker can't hold two replicas: it is told, and nothing is read.
    let partly = ["--yes", "--create-topic", "true", "--topic-replication-factor", "2"];
    let failed = account.json(&account.on("deploy", "orders", &partly), 1);
    let said = failed["error"].as_str().unwrap();
    assert!(
        said.contains("could not be created") && said.contains("InvalidReplicationFactor"),
        "{said}"
    );
    assert!(said.contains("nothing is lost"), "{said}");
    assert!(kafka.end_offsets("orders").is_err());
    assert_eq!(account.ask(&["mapping", "k2m-orders"])["state"], "Disabled");
    let failures = account.ask(&["failures", "k2m-orders"]);
    assert_eq!(failures, json!([]), "nothing was given up");

    // The same stack is gone on with: what was to be made is remembered. Not without a yes, though the stack itself would not change first.
    let more = ["--topic-partitions", "3", "--topic-replication-factor", "1"];
    let unasked = account.json(&account.on("deploy", "orders", &more), 2);
    assert!(unasked["error"].as_str().unwrap().contains("--yes"), "{unasked:#}");
    assert!(kafka.end_offsets("orders").is_err());
    let deploy = account.on("deploy", "orders", &[&["--yes"][..], &more].concat());
    let deployed = account.json(&deploy, 0);
    assert_eq!(deployed["status"], "updated", "{deployed:#}");
    assert_eq!(topics(&deployed), [("orders", true)], "{deployed:#}");
    assert_eq!(account.arrived("orders", 1000), (0..1000).collect::<Vec<_>>());
    assert_eq!(kafka.end_offsets("orders").unwrap().len(), 3);
    assert_eq!(account.ask(&["mapping", "k2m-orders"])["state"], "Enabled");

    // It is there, so nobody is asked again.
    unchanged(&account, &[]);
    unchanged(&account, &["--create-topic", "true"]);
    let again = account.json(&deploy, 0);
    assert_eq!(
        (&again["status"], topics(&again)),
        (&json!("unchanged"), vec![]),
        "{again:#}"
    );
    let changed = account.on("deploy", "orders", &["--yes", "--batch-size", "500"]);
    let changed = account.json(&changed, 0);
    assert_eq!(
        (&changed["status"], topics(&changed)),
        (&json!("updated"), vec![]),
        "{changed:#}"
    );
    account.run(&account.on("doctor", "orders", &[]), 0);

    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), json!({}));
    assert_eq!(account.ask(&["rules", &account.group]), group);
    assert_eq!(kafka.end_offsets("orders").unwrap().len(), 3, "the topic stays");

    // In one command, beside a topic that is there and one that is not.
    account.ask(&["put", "orders", "1000", "100"]);
    let both = [
        "--yes",
        "--create-topic",
        "true",
        "--on-poison",
        "divert",
        "--topic-replication-factor",
        "1",
    ];
    let deployed = account.json(&account.on("deploy", "orders", &both), 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    assert_eq!(
        topics(&deployed),
        [("orders", false), ("orders-dead-letter", true)],
        "{deployed:#}"
    );
    let there = &deployed["topics"][0];
    assert_eq!(
        (&there["partitions"], there["differs"].is_null()),
        (&json!(3), true),
        "{deployed:#}"
    );
    account.arrived("orders", 1100);
    unchanged(&account, &["--on-poison", "divert"]);
}

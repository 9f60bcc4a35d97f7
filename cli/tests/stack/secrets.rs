//! A whole stack whose function shows the brokers what Secrets Manager keeps.

use serde_json::{Value, json};

use crate::driver::Account;
use crate::story::remains;

const USER: &str = "alice";
const FIRST: &str = "hunter2-the-first";
const SECOND: &str = "hunter3-the-second";

pub(crate) fn put_secret(account: &Account, name: &str, value: &Value) -> String {
    let file = account.file("secret.json");
    std::fs::write(&file, value.to_string()).unwrap();
    let arn = account.ask(&["put_secret", name, file.to_str().unwrap()]);
    arn.as_str().unwrap().to_owned()
}

fn user(password: &str) -> Value {
    json!({"username": USER, "password": password})
}

#[test]
fn users_alone_are_taken_and_a_rotation_needs_no_deployment() {
    let account = Account::over_scram((USER, FIRST), &["orders"]);
    let kafka = account.kafka.as_ref().unwrap();
    let authority = std::fs::read_to_string(kafka.ca_file().unwrap()).unwrap();
    let ca = put_secret(&account, "orders-ca", &json!({"certificate": authority}));

    // Which secret it is need not be said once the cluster has one, and can't be guessed before.
    let deploy = account.on("deploy", "orders", &["--yes", "--ca-secret", &ca]);
    let without = account.run(&deploy, 1).stderr;
    let without = String::from_utf8_lossy(&without);
    assert!(
        without.contains("needs a secret") && without.contains("none is associated"),
        "{without}"
    );
    let secret = put_secret(&account, "AmazonMSK_orders", &user(FIRST));
    account.ask(&["associate", &account.cluster, &secret]);
    let deployed = account.json(&deploy, 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    // Nothing else leads from the VPC to Secrets Manager.
    let there = remains(&account);
    assert_eq!(there["endpoints"], json!(["com.amazonaws.eu-west-1.secretsmanager"]));
    assert_eq!(deployed["networkStacks"][0]["status"], "created", "{deployed:#}");

    account.ask(&["put", "orders", "0", "1000"]);
    account.arrived("orders", 1000);
    let plan = account.json(&account.on("plan", "orders", &["--ca-secret", &ca]), 0);
    assert_eq!(plan["change"]["status"], "none", "{:#}", plan["change"]);
    let doctor = account.json(&account.on("doctor", "orders", &["--ca-secret", &ca]), 0);

    kafka.set_scram_password(USER, SECOND).unwrap();
    put_secret(&account, "AmazonMSK_orders", &user(SECOND));
    // Open connections outlive the password: the broker ends them.
    kafka.restart(1).unwrap();
    account.ask(&["put", "orders", "1000", "1000"]);
    account.arrived("orders", 2000);

    // Nothing that anybody can look at holds a password.
    let facts = account.run(&account.on("inspect", "orders", &["-o", "json"]), 0).stdout;
    let logs = account.ask(&["logs"]).to_string();
    for text in [
        String::from_utf8_lossy(&facts).into_owned(),
        logs,
        deployed.to_string(),
        plan.to_string(),
        doctor.to_string(),
    ] {
        assert!(!text.contains(FIRST) && !text.contains(SECOND), "{text}");
    }
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), json!({}));
}

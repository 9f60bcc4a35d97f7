//! What the user has is used as it is, once it is seen to be there and to take what it is given for.

use serde_json::{Value, json};

use crate::driver::{Account, PATIENCE, seen};
use crate::story::remains;
use k2m_testkit::wait_until;

const DENY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "Closed", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}"#;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What `k2m plan` says of a destination or a consumer that can't be used.
fn refused(account: &Account, more: &[&str]) -> String {
    let output = account.run(&account.on("plan", "orders", more), 1);
    seen(&output)
}

fn warnings(plan: &Value) -> String {
    assert!(plan["warnings"].is_array(), "{plan:#}");
    plan["warnings"].to_string()
}

#[test]
fn a_queue_of_the_user_s_gets_what_is_given_up_and_stays() {
    let account = Account::new(&["orders"]);
    let queue = account.ask(&["make_queue", "failed"]);
    let (arn, url) = (text(&queue["arn"]), text(&queue["url"]));
    let there = remains(&account);

    let said = refused(
        &account,
        &["--failure-destination", &arn.replace("failed", "elsewhere")],
    );
    assert!(said.contains("the SQS queue elsewhere does not exist"), "{said}");
    account.ask(&["set_queue_policy", &url, DENY]);
    let given = ["--failure-destination", &arn, "--retries", "2"];
    let said = refused(&account, &given);
    assert!(said.contains("the statement Closed denies sqs:SendMessage"), "{said}");
    account.ask(&["set_queue_policy", &url, ""]);

    let deployed = account.json(&account.on("deploy", "orders", &[&given[..], &["--yes"]].concat()), 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    let warnings = deployed["planWarnings"].to_string();
    assert!(!warnings.contains("failed"), "{warnings}");
    account.ask(&["put", "orders", "0", "1000"]);
    let poison = account.ask(&["poison", "orders"]);
    account.arrived("orders", 1000);
    let mut messages = Value::Null;
    wait_until("the queue has a message", PATIENCE, || {
        messages = account.ask(&["messages", &url]);
        Ok(messages != json!([]))
    })
    .unwrap();
    let named = &messages[0]["KinesisBatchInfo"];
    assert_eq!(named["startSequenceNumber"], poison["sequenceNumber"], "{messages:#}");

    let plan = account.json(&account.on("plan", "orders", &given), 0);
    assert_eq!(plan["change"]["status"], "none", "{:#}", plan["change"]);
    // What becomes of it afterwards is doctor's to say. The last batch failed, so there is something to say in any case.
    let kept = || {
        let doctor = account.json(&account.on("doctor", "orders", &given), 1);
        let checks = doctor["checks"].as_array().unwrap();
        checks.iter().find(|check| check["code"] == "K2M-D01").unwrap().clone()
    };
    assert_eq!(kept()["result"], "pass");
    account.ask(&["set_queue_policy", &url, DENY]);
    let closed = kept();
    assert_eq!(closed["result"], "fail", "{closed:#}");
    let evidence = closed["evidence"].to_string();
    assert!(
        evidence.contains("the statement Closed denies sqs:SendMessage"),
        "{evidence}"
    );

    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), there);
}

#[test]
fn topics_buckets_and_consumers_are_looked_at() {
    let account = Account::without_kafka(&["orders"]);
    let topic = text(&account.ask(&["make_topic", "failed"]));
    let given = |arn: &str| account.json(&account.on("plan", "orders", &["--failure-destination", arn]), 3);
    let alone = warnings(&given(&topic));
    assert!(alone.contains("no confirmed subscription"), "{alone}");
    account.ask(&["subscribe_queue", &topic, "failed"]);
    let heard = warnings(&given(&topic));
    assert!(!heard.contains("confirmed subscription"), "{heard}");
    let said = refused(
        &account,
        &["--failure-destination", &topic.replace("failed", "elsewhere")],
    );
    assert!(said.contains("the SNS topic elsewhere does not exist"), "{said}");

    // A bucket with a customer's key, and one that is of somebody else.
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    account.ask(&["make_bucket", "given-up", key]);
    let plan = given("arn:aws:s3:::given-up");
    assert_eq!(warnings(&plan).matches("given-up").count(), 0, "{plan:#}");
    let statements = plan["pipelines"][0]["statements"].as_array().unwrap();
    let encrypts = statements.iter().find(|one| one["Sid"] == "EncryptFailures");
    assert_eq!(encrypts.unwrap()["Resource"], json!([key]), "{statements:#?}");
    let said = refused(&account, &["--failure-destination", "arn:aws:s3:::elsewhere"]);
    assert!(said.contains("the S3 bucket elsewhere does not exist"), "{said}");

    let consumer = text(&account.ask(&["register_consumer", account.stream("orders"), "k2m"]));
    let plan = account.json(&account.on("plan", "orders", &["--consumer", &consumer]), 3);
    assert!(!warnings(&plan).contains("consumer"), "{plan:#}");
    let said = refused(&account, &["--consumer", &consumer.replace("/k2m:", "/other:")]);
    assert!(
        said.contains("the consumer other of the stream orders does not exist"),
        "{said}"
    );
}

/// The commands of AWS's command line in what was said, as they stand in it between backticks.
fn commands(said: &str) -> Vec<String> {
    let parts = said
        .split('`')
        .filter(|part| part.starts_with("aws kinesis put-resource-policy"));
    parts.map(str::to_owned).collect()
}

#[test]
fn a_stream_of_another_account_is_read_once_its_owner_lets_it() {
    let account = Account::new(&[]);
    let stream = text(&account.ask(&["lent", "orders"]));
    let on = |command: &'static str, more: &[&'static str]| {
        let ends = [command, "--stream", &stream, "--cluster", &account.cluster].map(str::to_owned);
        ends.into_iter()
            .chain(more.iter().map(|one| (*one).to_owned()))
            .collect::<Vec<String>>()
    };
    let run = |arguments: &[String], code: i32| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        account.json(&arguments, code)
    };
    // Nothing is seen of it, and the owner's part is told: exactly what the owner has to run.
    let blind = run(&on("plan", &[]), 4);
    let message = blind["error"].to_string();
    assert!(message.contains("kinesis:DescribeStreamSummary"), "{blind:#}");
    let told: Value = serde_json::from_str(&message).unwrap();
    let told = commands(told["message"].as_str().or(told.as_str()).unwrap());
    assert_eq!(told.len(), 1, "{blind:#}");
    let words = account.ask(&["words", &told[0]]);
    let mut command = vec!["by_owner"];
    command.extend(words.as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
    account.ask(&command);

    let plan = run(&on("plan", &[]), 3);
    // Its policy is the owner's to see.
    assert_eq!(commands(plan["warnings"][0].as_str().unwrap()), told, "{plan:#}");
    assert_eq!(plan["account"], "123456789012");
    let deployed = run(&on("deploy", &["--yes"]), 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    account.ask(&["put_lent", "orders", "0", "1000"]);
    account.arrived("orders", 1000);
    let plan = run(&on("plan", &[]), 0);
    assert_eq!(plan["change"]["status"], "none", "{:#}", plan["change"]);
    run(&on("doctor", &[]), 0);
    run(&on("destroy", &["--yes"]), 0);
    assert_eq!(remains(&account), json!({}));
}

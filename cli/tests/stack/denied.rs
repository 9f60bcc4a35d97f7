//! Rights taken away one by one: whatever single call `k2m doctor` may not make, nothing is called broken for it, and a check says which action is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::driver::{Account, seen};
use crate::proxy::{Call, Proxy, Verdict, denied};

/// Actions that nothing on the way of this pipeline hangs on.
const NOT_NEEDED: &[(&str, &str)] = &[
    ("ec2:DescribeVpcs", "its way to the brokers stays in one VPC"),
    (
        "kafka:GetClusterPolicy",
        "over SCRAM no policy of the cluster's decides of anything",
    ),
    ("ec2:DescribeVpcPeeringConnections", "the same"),
    ("ec2:DescribeTransitGatewayVpcAttachments", "the same"),
    (
        "sts:GetCallerIdentity",
        "the ARNs name the account too, and AWS lets everybody ask",
    ),
    (
        "lambda:GetAccountSettings",
        "what the account has room for is a plan's to compare",
    ),
];

/// IAM's name for a call. `None` for one that nobody has named here yet.
fn action(call: &Call) -> Option<String> {
    let service = call.service.as_str();
    if !matches!(service, "kafka" | "lambda") {
        let prefix = if service == "monitoring" { "cloudwatch" } else { service };
        return call
            .operation
            .chars()
            .all(char::is_alphanumeric)
            .then(|| format!("{prefix}:{}", call.operation));
    }
    let path = call.operation.split(['?', ' ']).nth(1)?.trim_end_matches('/');
    let within = |part: &str| path.contains(part);
    let name = match service {
        "kafka" if within("/topics/") => return Some("kafka-cluster:DescribeTopic".to_owned()),
        "kafka" if path.ends_with("/bootstrap-brokers") => "GetBootstrapBrokers",
        "kafka" if path.ends_with("/nodes") => "ListNodes",
        "kafka" if path.ends_with("/scram-secrets") => "ListScramSecrets",
        "kafka" if path.ends_with("/policy") => "GetClusterPolicy",
        "kafka" if within("/revisions/") => "DescribeConfigurationRevision",
        "kafka" if path.starts_with("/api/v2/clusters/") => "DescribeClusterV2",
        "lambda" if path.ends_with("/concurrency") => "GetFunctionConcurrency",
        "lambda" if path.ends_with("/configuration") => "GetFunctionConfiguration",
        "lambda" if within("/event-source-mappings/") => "GetEventSourceMapping",
        "lambda" if path.ends_with("/account-settings") => "GetAccountSettings",
        _ => return None,
    };
    Some(format!("{service}:{name}"))
}

/// What the proxy does: lists the actions that are asked for, and denies one of them.
#[derive(Default)]
struct Gate {
    asked: BTreeSet<String>,
    denied: Option<String>,
}

/// A pipeline of which all is there that doctor may look at: a consumer, a secret, a topic of somebody's for what is given up.
fn deployed(account: &Account) -> Vec<String> {
    let file = account.file("secret.json");
    std::fs::write(&file, r#"{"username": "alice", "password": "hunter2"}"#).unwrap();
    let text = |value: Value| value.as_str().unwrap().to_owned();
    let secret = text(account.ask(&["put_secret", "AmazonMSK_orders", file.to_str().unwrap()]));
    account.ask(&["associate", &account.cluster, &secret]);
    account.ask(&["name_lists", &account.cluster]);
    let topic = text(account.ask(&["make_topic", "failed"]));
    account.ask(&["subscribe_queue", &topic, "failed"]);
    account.call("sns", "publish", &json!({"TopicArn": topic, "Message": "somebody's"}));
    let consumer = text(account.ask(&["register_consumer", account.stream("orders"), "k2m"]));
    let given = ["--failure-destination", &topic, "--consumer", &consumer];
    let more = [&given[..], &["--yes", "--create-topic", "true"]].concat();
    account.run(&account.on("deploy", "orders", &more), 0);
    let doctor = account.on("doctor", "orders", &["--no-probe", "-o", "json"]);
    doctor.into_iter().chain(given).map(str::to_owned).collect()
}

#[test]
fn each_right_that_is_missing_is_named_and_nothing_is_called_broken() {
    let account = Account::to_look_at(false, &["orders"]);
    let doctor = deployed(&account);
    let gate: &'static Mutex<Gate> = Box::leak(Box::default());
    let proxy = Proxy::start(&account.emulator.endpoint(), |call| {
        let Some(action) = action(call) else {
            panic!("{call:?} has no name here: give it IAM's")
        };
        let mut gate = gate.lock().unwrap();
        gate.asked.insert(action.clone());
        if gate.denied.as_ref() == Some(&action) {
            denied(call, &action)
        } else {
            Verdict::Pass
        }
    });
    let ask = |without: Option<&str>| {
        gate.lock().unwrap().denied = without.map(str::to_owned);
        let arguments: Vec<&str> = doctor.iter().map(String::as_str).collect();
        let output = account
            .k2m(&arguments)
            .env("AWS_ENDPOINT_URL", proxy.endpoint())
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("without {without:?}: {error}: {}", seen(&output)));
        (output.status.code().unwrap(), said)
    };
    let (code, all) = ask(None);
    assert_eq!(code, 0, "{all:#}");
    let asked = std::mem::take(&mut gate.lock().unwrap().asked);
    assert!(asked.len() > 25, "{asked:?}");
    // Each finding, so that one run tells all of them.
    let mut wrong: BTreeMap<String, String> = BTreeMap::new();
    let mut unchecked = BTreeSet::new();
    for action in &asked {
        let (code, said) = ask(Some(action));
        let checks = said["checks"]
            .as_array()
            .unwrap_or_else(|| panic!("{action}: {said:#}"));
        let failed: Vec<&Value> = checks.iter().filter(|check| check["result"] == "fail").collect();
        let names = checks
            .iter()
            .any(|check| check["result"] == "unknown" && check["missingAction"] == json!(action));
        if !failed.is_empty() {
            wrong.insert(action.clone(), format!("is called broken: {failed:#?}"));
        } else if code == 4 && !names {
            wrong.insert(action.clone(), format!("no check names it: {checks:#?}"));
        } else if code != 0 && code != 4 {
            wrong.insert(action.clone(), format!("ends with {code}"));
        } else if code == 0 && !NOT_NEEDED.iter().any(|(known, _)| known == action) {
            unchecked.insert(action.as_str());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(unchecked.is_empty(), "nothing is said without these: {unchecked:#?}");
}

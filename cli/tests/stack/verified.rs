//! `k2m deploy --verify`: the offset that it says is where Apache Kafka has the record, whatever payloads are taken for; and what keeps it from knowing is told.

use std::process::{Output, Stdio};

use k2m_testkit::clerk::Message;
use k2m_testkit::{Clerk, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::driver::{Account, PATIENCE, seen};
use crate::proxy::{Call, Proxy, Verdict, denied};

/// The message that is where a verified pipeline says that its canary is.
fn canary(clerk: &Clerk, account: &Account, verified: &Value) -> Message {
    let flight = &verified["flight"];
    let servers = account.kafka.as_ref().unwrap().bootstrap_servers();
    let topic = flight["topic"].as_str().unwrap();
    let messages = clerk.read(&servers, topic).unwrap();
    let there = |message: &&Message| flight["partition"] == message.partition && flight["offset"] == message.offset;
    let message = messages.iter().find(there);
    let message = message
        .unwrap_or_else(|| panic!("{flight:#} is not in {messages:#?}"))
        .clone();
    let header = |name: &str| message.headers.get(name).cloned().flatten();
    assert_eq!(header("k2m-canary").as_deref(), flight["id"].as_str(), "{message:?}");
    // Each is one message, and no other is taken for it.
    let marked = messages
        .iter()
        .filter(|other| other.headers.get("k2m-canary") == message.headers.get("k2m-canary"));
    assert_eq!(marked.count(), 1, "{messages:#?}");
    message
}

fn verified(document: &Value) -> &[Value] {
    let verified = document["verified"].as_array().unwrap();
    for one in verified {
        assert_eq!(one["verdict"], "verified", "{document:#}");
    }
    verified
}

#[test]
fn the_canary_is_where_it_is_said_to_be() {
    let account = Account::new(&["orders", "events"]);
    let clerk = Clerk::start().unwrap();
    let config = account.file("k2m.yaml");
    let text = format!(
        "cluster: {}\nstack: k2m-both\ncreate_topic: true\ntopic_partitions: 4\npipelines:\n- stream: {}\n- stream: {}\n  decode: [cloudwatch_logs]\n  value: json\n  headers: false\n",
        account.cluster,
        account.stream("orders"),
        account.stream("events")
    );
    std::fs::write(&config, text).unwrap();
    // As the stack is made, with records that stand before it.
    account.ask(&["put", "orders", "0", "500"]);
    let first = account.json(&["deploy", "--yes", "--verify"], 0);
    assert_eq!(first["status"], "created", "{first:#}");
    let [of_one, of_other] = verified(&first) else {
        panic!("{first:#}")
    };
    let (events, orders) = if of_one["name"] == "events" {
        (of_one, of_other)
    } else {
        (of_other, of_one)
    };
    let message = canary(&clerk, &account, orders);
    let id = orders["flight"]["id"].as_str().unwrap();
    assert_eq!(message.key.as_deref(), Some(format!("k2m-canary-{id}").as_str()));
    let value: Value = serde_json::from_str(message.value.as_deref().unwrap()).unwrap();
    assert_eq!(value["k2m-canary"], id);
    for (header, field) in [("k2m-shard", "shard"), ("k2m-sequence", "sequenceNumber")] {
        assert_eq!(
            message.headers[header].as_deref(),
            orders["flight"][field].as_str(),
            "{message:?}"
        );
    }
    // It is none of the envelopes that this pipeline is for, and arrives all the same, in the form of its values.
    let message = canary(&clerk, &account, events);
    assert_eq!(message.headers.len(), 1, "{message:?}");
    let value: Value = serde_json::from_str(message.value.as_deref().unwrap()).unwrap();
    assert_eq!(value["json"]["k2m-canary"], events["flight"]["id"]);

    // Where nothing changes it is shown again, to people in sentences.
    let output = account.run(&["deploy", "--yes", "--verify"], 0);
    let said = seen(&output);
    for words in [
        "The stack k2m-both in eu-west-1 has no changes.",
        "Verified: records of orders arrive in orders.",
        "Verified: records of events arrive in events.",
        "  probe:   it reaches 127.0.0.1:",
        "  canary:  put into shardId-000000000",
        ", delivered to events[",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // The log tells of it too, and who filters by its id sees this line alone.
    let logs = [
        "logs",
        "--stack",
        "k2m-both",
        "--region",
        "eu-west-1",
        "--filter",
        id,
        "-o",
        "json",
    ];
    let logs = account.run(&logs, 0).stdout;
    let lines: Vec<Value> = String::from_utf8(logs)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    let text = line["text"].as_str().unwrap();
    let at = format!(
        "was delivered to orders[{}]@{} after ",
        orders["flight"]["partition"], orders["flight"]["offset"]
    );
    assert!(text.contains(&at), "{at}: {text}");
}

/// A deployment that is to be verified, with some calls refused for want of a right.
fn without(
    account: &Account,
    refused: impl Fn(&Call) -> Option<&'static str> + Send + Sync + 'static,
    code: i32,
) -> Output {
    let proxy = Proxy::start(&account.emulator.endpoint(), move |call| match refused(call) {
        Some(action) => denied(call, action),
        None => Verdict::Pass,
    });
    let arguments = account.on("deploy", "orders", &["--yes", "--verify"]);
    let output = account
        .k2m(&arguments)
        .env("AWS_ENDPOINT_URL", proxy.endpoint())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", seen(&output));
    output
}

/// A deployment that is stopped by Ctrl-C while it follows its canary.
fn stopped(account: &Account) -> Output {
    let proxy = Proxy::start(&account.emulator.endpoint(), |call| {
        if call.is("logs", "FilterLogEvents") {
            Verdict::Hold
        } else {
            Verdict::Pass
        }
    });
    let mut command = account.k2m(&account.on("deploy", "orders", &["--yes", "--verify"]));
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.env("AWS_ENDPOINT_URL", proxy.endpoint()).spawn().unwrap();
    wait_until("the log is read", PATIENCE, || {
        Ok(proxy.held() > 0 || child.try_wait().unwrap().is_some())
    })
    .unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    wait_until("k2m ends", PATIENCE, || Ok(child.try_wait().unwrap().is_some())).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn what_keeps_it_from_knowing_is_told_and_the_stack_stays() {
    let account = Account::new(&["orders"]);
    account.run(&account.on("deploy", "orders", &["--yes"]), 0);

    let allow = |action: &str| format!("fix: allow {action} to these credentials, then run the same command again");
    let told = |output: &Output, words: &[&str]| {
        let said = seen(output);
        for words in words {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(said.contains("the stack stays as it is deployed"), "{said}");
        assert!(said.contains("Next: `k2m doctor "), "{said}");
    };
    let put = without(
        &account,
        |call| call.is("kinesis", "PutRecord").then_some("kinesis:PutRecord"),
        4,
    );
    let not_known = "Not known whether records of orders arrive in orders:";
    told(
        &put,
        &[
            not_known,
            "canary:  no record could be put into the stream",
            &allow("kinesis:PutRecord"),
        ],
    );
    let log = without(
        &account,
        |call| call.is("logs", "FilterLogEvents").then_some("logs:FilterLogEvents"),
        4,
    );
    told(
        &log,
        &[
            not_known,
            "canary:  put into shardId-",
            "whether it arrived is not known",
            &allow("logs:FilterLogEvents"),
        ],
    );
    // The other half is shown all the same.
    let probe = |call: &Call| {
        call.operation
            .contains("/invocations")
            .then_some("lambda:InvokeFunction")
    };
    let probe = without(&account, probe, 4);
    told(
        &probe,
        &[
            "Records of orders arrive in orders, and not all could be told:",
            "probe:   the function was not asked: lambda:InvokeFunction is not allowed",
            &allow("lambda:InvokeFunction"),
            ", delivered to orders[",
        ],
    );

    // Who does not want to wait for it leaves, and the stack stays.
    let output = stopped(&account);
    let said = seen(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    for words in [
        "The stack k2m-orders in eu-west-1 has no changes.",
        "stopped while it was verified; the stack is deployed",
        "a canary was put into shardId-",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }

    for other in ["--plan", "--no-wait"] {
        let refused = account.json(&account.on("deploy", "orders", &["--yes", "--verify", other]), 2);
        assert!(
            refused["error"].as_str().unwrap().contains("cannot be used with"),
            "{refused:#}"
        );
    }

    // No broker listens any more: the cause comes first, and no record is put that would keep a shard waiting.
    account.kafka.as_ref().unwrap().stop(1).unwrap();
    let broken = account.on("deploy", "orders", &["--yes", "--verify"]);
    let output = account.run(&broken, 1);
    told(
        &output,
        &[
            "Not verified: records of orders do not arrive in orders:\n  probe:   the function says: ",
            "canary:  no record was put into the stream: what the probe says comes first",
        ],
    );
    let document = account.json(&broken, 1);
    assert_eq!(document["status"], "unchanged", "{document:#}");
    let one = &document["verified"][0];
    assert_eq!(
        (&one["verdict"], &one["probe"]["verdict"], &one["canary"]["verdict"]),
        (&"failed".into(), &"failed".into(), &"unknown".into()),
        "{document:#}"
    );
    assert!(one["flight"].is_null(), "{document:#}");
}

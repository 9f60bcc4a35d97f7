//! `k2m status` and `k2m logs` of a stack that runs: what flowed is counted, what breaks is named, and who follows a log sees what comes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use k2m_testkit::{AwsEmulator, KafkaCluster, wait_until};
use serde_json::{Value, json};

use crate::driver::{Account, PATIENCE, seen};
use crate::proxy::{Proxy, Verdict, denied};

const STACK: &str = "k2m-orders";

/// An account whose CloudWatch counts what happens.
pub(crate) fn counting(streams: &[&str]) -> Account {
    let kafka = KafkaCluster::builder().start().unwrap();
    let emulator = AwsEmulator::start_with(&[
        ("MINISTACK_MSK_BOOTSTRAP", kafka.bootstrap_servers().as_str()),
        ("MINISTACK_COUNTS", "1"),
    ])
    .unwrap();
    let mut account = Account::on_emulator(emulator, "seed", streams);
    account.kafka = Some(kafka);
    account
}

/// What status says of the stack, by its name alone.
fn status(account: &Account, code: i32) -> Value {
    account.json(&["status", "--stack", STACK, "--region", "eu-west-1"], code)
}

/// The same while it changes, whatever it ends with.
fn status_meanwhile(account: &Account) -> Value {
    let output = account
        .k2m(&["status", "--stack", STACK, "-o", "json"])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(&output)))
}

/// The lines that `k2m logs` prints for programs.
fn lines(account: &Account, more: &[&str]) -> Vec<Value> {
    let arguments = [&["logs", "--stack", STACK, "--region", "eu-west-1", "-o", "json"], more].concat();
    let output = account.run(&arguments, 0);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(line: &Value) -> &str {
    line["text"].as_str().unwrap()
}

/// A `k2m` that goes on until it is stopped, and the lines that it prints.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(account: &Account, arguments: &[&str]) -> Self {
        let mut command = account.k2m(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                if send.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits for a line that says so, and gives all up to it.
    fn until(&mut self, words: &str) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            let found = line.contains(words);
            all.push(line);
            if found {
                return all;
            }
        }
        self.child.kill().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("no line says {words}: {all:#?}\n{said}");
    }

    /// Presses Ctrl-C, and gives the exit code, what was printed after what was read, and what stderr said.
    fn stop(mut self) -> (Option<i32>, Vec<String>, String) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), self.lines.iter().collect(), said)
    }
}

#[test]
fn what_flows_is_counted_and_what_breaks_is_named() {
    let account = counting(&["orders"]);
    // Nothing is there yet.
    let none = seen(&account.run(&["status", "--stack", STACK, "--region", "eu-west-1"], 1));
    assert!(
        none.contains("nothing is deployed: there is no stack k2m-orders in eu-west-1; `k2m deploy` makes it"),
        "{none}"
    );
    let none = account.json(&["logs", "--stack", STACK, "--region", "eu-west-1"], 1);
    assert_eq!(none["exit_code"], 1, "{none:#}");

    account.run(&account.on("deploy", "orders", &["--yes"]), 0);
    let idle = status(&account, 0);
    assert_eq!(idle["state"], "healthy", "{idle:#}");
    assert!(
        idle["why"]
            .as_str()
            .unwrap()
            .contains("nothing was put into the stream"),
        "{idle:#}"
    );

    account.ask(&["put", "orders", "0", "500"]);
    account.arrived("orders", 500);
    let mut healthy = Value::Null;
    let counted = wait_until("the figures are there", PATIENCE, || {
        // Records are counted before invocations are.
        healthy = status_meanwhile(&account);
        Ok(healthy["pipelines"][0]["recordsOut"] == 500)
    });
    assert!(counted.is_ok(), "{healthy:#}");
    let pipeline = &healthy["pipelines"][0];
    let figures = ["recordsIn", "recordsOut", "undelivered", "errors", "waiting"].map(|key| pipeline[key].clone());
    assert_eq!(json!(figures), json!([500, 500, 0, 0, 0]), "{healthy:#}");
    assert_eq!(
        (&pipeline["mapping"], &pipeline["lastResult"]),
        (&json!("Enabled"), &json!("OK"))
    );
    assert_eq!(
        (&pipeline["topic"], &healthy["state"]),
        (&json!("orders"), &json!("healthy"))
    );
    let shown = seen(&account.run(&account.on("status", "orders", &[])[..3], 0));
    assert!(
        shown.contains("orders: healthy. It delivers: the last batch was "),
        "{shown}"
    );

    // All that was delivered is in the log, in sentences, and nothing failed.
    let delivered = lines(&account, &["--filter", "DELIVERED"]);
    let sum: u64 = delivered
        .iter()
        .map(|line| text(line).split(' ').nth(1).unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(sum, 500, "{delivered:#?}");
    assert_eq!(lines(&account, &["--failures"]), [] as [Value; 0]);
    let all = lines(&account, &["--all"]);
    assert!(
        all.iter().any(|line| text(line).starts_with("START RequestId: ")),
        "{all:#?}"
    );

    what_breaks(&account);
    who_follows(&account);
    what_is_gone(&account);
}

/// Nothing flows here: what is asked for can't be, or AWS doesn't say.
#[test]
fn what_is_wrong_is_named_and_what_cannot_be_read_is_never_zero() {
    let account = Account::without_kafka(&["orders"]);
    for (arguments, words) in [
        (&["status"][..], "no stack: give --stack NAME"),
        (&["logs"], "no stack: give --stack NAME"),
        (
            &["status", "--stack", "a", "--stack", "b"],
            "cannot be used multiple times",
        ),
        (&["logs", "--stack", "no name"], "invalid value `no name` for --stack"),
        (&["status", "--since", "5"], "`5` has no unit: say 5s, 5m, 5h or 5d"),
        (&["status", "--since", "1m"], "`1m` is shorter than 5m"),
        (&["status", "--watch", "1s"], "`1s` is shorter than 5s"),
        (&["logs", "--since", "yesterday"], "`yesterday` is no time"),
        (&["logs", "--filter", " "], "every line has that in it"),
    ] {
        let error = seen(&account.run(arguments, 2));
        assert!(error.contains(words), "{arguments:?}\n{error}");
    }

    account.ask(&["broken_stack", "k2m-broken"]);
    for command in ["status", "logs"] {
        let error = seen(&account.run(&[command, "--stack", "k2m-broken"], 1));
        assert!(
            error.contains(
                "is ROLLBACK_COMPLETE and has no pipeline: it was never made whole. `k2m deploy` replaces it"
            ),
            "{error}"
        );
    }

    account.run(&account.on("deploy", "orders", &["--yes"]), 0);
    account.run(&["status", "--stack", STACK], 0);
    for (service, operation, action, decides, column) in [
        (
            "monitoring",
            "GetMetricData",
            "cloudwatch:GetMetricData",
            true,
            "recordsIn",
        ),
        ("sqs", "GetQueueAttributes", "sqs:GetQueueAttributes", false, "waiting"),
    ] {
        let proxy = Proxy::start(&account.emulator.endpoint(), move |call| {
            if call.is(service, operation) {
                denied(call, action)
            } else {
                Verdict::Pass
            }
        });
        let ask = |more: &[&str]| {
            let mut command = account.k2m(&[&["status", "--stack", STACK], more].concat());
            let output = command.env("AWS_ENDPOINT_URL", proxy.endpoint()).output().unwrap();
            let code = if decides { 4 } else { 0 };
            assert_eq!(output.status.code(), Some(code), "{}", seen(&output));
            output
        };
        let document: Value = serde_json::from_slice(&ask(&["-o", "json"]).stdout).unwrap();
        let pipeline = &document["pipelines"][0];
        assert_eq!(pipeline["unread"][0]["missingAction"], action, "{document:#}");
        assert!(pipeline[column].is_null(), "{document:#}");
        assert_eq!(
            document["next"],
            format!("allow {action} to these credentials"),
            "{document:#}"
        );
        let shown = seen(&ask(&[]));
        let row = shown.lines().find(|line| line.starts_with("orders ")).unwrap();
        assert!(row.contains(" ?") && shown.contains(action), "{shown}");
    }
    for (service, operation, action) in [
        ("logs", "FilterLogEvents", "logs:FilterLogEvents"),
        ("cloudformation", "DescribeStacks", "cloudformation:DescribeStacks"),
    ] {
        let proxy = Proxy::start(&account.emulator.endpoint(), move |call| {
            if call.is(service, operation) {
                denied(call, action)
            } else {
                Verdict::Pass
            }
        });
        let mut command = account.k2m(&["logs", "--stack", STACK, "-o", "json"]);
        let output = command.env("AWS_ENDPOINT_URL", proxy.endpoint()).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = document["error"].as_str().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", seen(&output));
        assert_eq!(document["exit_code"], 4);
        assert!(
            error.contains(&format!("allow {action} to these credentials")),
            "{error}"
        );
    }
}

/// The topic is deleted under the pipeline.
fn what_breaks(account: &Account) {
    account.ask(&["delete_topic", &account.cluster, "orders"]);
    account.ask(&["put", "orders", "500", "10"]);
    let mut failing = Value::Null;
    let failed = wait_until("it fails", PATIENCE, || {
        failing = status_meanwhile(account);
        Ok(failing["state"] == "failing")
    });
    assert!(failed.is_ok(), "{failing:#}");
    let failing = status(account, 1);
    let why = failing["pipelines"][0]["why"].as_str().unwrap();
    assert!(
        why.starts_with("the last batch was not delivered (PROBLEM: "),
        "{failing:#}"
    );
    assert_eq!(
        failing["next"], "k2m doctor --stack k2m-orders --region eu-west-1",
        "{failing:#}"
    );
    let shown = seen(&account.run(&["status", "--stack", STACK], 1));
    assert!(
        shown.contains("orders: failing. The last batch was not delivered")
            && shown.contains("next: k2m doctor --stack"),
        "{shown}"
    );

    let failures = lines(account, &["--failures"]);
    assert!(
        failures
            .iter()
            .any(|line| text(line).starts_with("delivered none of ") && text(line).contains("opic")),
        "{failures:#?}"
    );
    assert!(failures.iter().all(|line| line["level"] != "info"), "{failures:#?}");
    let shown = seen(&account.run(&["logs", "--stack", STACK, "--failures"], 0));
    assert!(
        shown.contains("  warn   delivered none of ") && shown.contains(" waits at "),
        "{shown}"
    );
}

/// A line that comes later is seen once, and nothing of it steers the terminal.
fn who_follows(account: &Account) {
    let group = group(account);
    let mut following = Following::start(account, &["logs", "--stack", STACK, "--follow", "--since", "1s"]);
    let now = account.ask(&["now"]).as_i64().unwrap();
    let put = |at: i64, message: &str| {
        let stream = json!({"logGroupName": group, "logStreamName": "by hand"});
        account.ask(&["log_stream", &stream.to_string()]);
        let mut events = stream;
        events["logEvents"] = json!([{"timestamp": at, "message": message}]);
        account.call("logs", "put_log_events", &events);
    };
    put(now + 1000, "the first line \u{1b}[2J");
    let mut seen_lines = following.until("the first line");
    // One that is older than what was seen, and one of the same time.
    put(now + 500, "a late line");
    put(now + 1000, "a line of the same time");
    seen_lines.extend(following.until("a line of the same time"));
    put(now + 2000, "the last line");
    seen_lines.extend(following.until("the last line"));
    let (code, rest, said) = following.stop();
    seen_lines.extend(rest);
    assert_eq!((code, said.contains("error")), (Some(130), false), "{said}");
    for words in [
        "the first line",
        "a late line",
        "a line of the same time",
        "the last line",
    ] {
        let count = seen_lines.iter().filter(|line| line.contains(words)).count();
        assert_eq!(count, 1, "{words}: {seen_lines:#?}");
    }
    assert!(
        seen_lines.iter().any(|line| line.contains("the first line \\u{1b}[2J")),
        "{seen_lines:#?}"
    );

    // Where there is no terminal each look is a block, and for programs a document on a line.
    let mut watching = Following::start(account, &["status", "--stack", STACK, "--watch", "5s", "-o", "json"]);
    let looks = [watching.until("takenAt"), watching.until("takenAt")].concat();
    assert_eq!(looks.len(), 2, "{looks:#?}");
    for look in looks {
        assert_eq!(serde_json::from_str::<Value>(&look).unwrap()["state"], "failing");
    }
    assert_eq!(watching.stop().0, Some(130));
    let mut watching = Following::start(account, &["status", "--stack", STACK, "--watch", "5s"]);
    let look = [watching.until("next: "), watching.until("next: ")].concat();
    assert!(look.iter().all(|line| !line.contains('\u{1b}')), "{look:#?}");
    assert_eq!(watching.stop().0, Some(130));
}

/// The log group, the mapping, and a stream that is of no pipeline.
fn what_is_gone(account: &Account) {
    account.ask(&["delete_mapping", STACK]);
    let stopped = status(account, 1);
    assert_eq!(stopped["state"], "stopped", "{stopped:#}");
    let group = json!({"logGroupName": group(account)});
    let mut gone = String::new();
    // An invocation that is still under way makes the group anew.
    let waited = wait_until("the log group is gone", PATIENCE, || {
        let output = account.k2m(&["logs", "--stack", STACK]).output().unwrap();
        gone = seen(&output);
        if output.status.success() {
            account.call("logs", "delete_log_group", &group);
        }
        Ok(output.status.code() == Some(1))
    });
    assert!(
        waited.is_ok()
            && gone.contains("there is no log group")
            && gone.contains("aws logs create-log-group --log-group-name"),
        "{gone}"
    );
    let other = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks";
    for command in ["status", "logs"] {
        let error = seen(&account.run(&[command, "--stack", STACK, "--stream", other], 2));
        assert!(error.contains("no pipeline of the stack k2m-orders reads"), "{error}");
    }
    account.ask(&["foreign_stack", "another"]);
    let foreign = seen(&account.run(&["status", "--stack", "another"], 2));
    assert!(foreign.contains("is not k2m's"), "{foreign}");
}

fn group(account: &Account) -> String {
    let groups = account.call("logs", "describe_log_groups", &json!({}));
    let names = groups["logGroups"].as_array().unwrap().iter();
    let mut names = names.map(|group| group["logGroupName"].as_str().unwrap().to_owned());
    names.find(|name| name.contains("rders")).unwrap()
}

//! The position in the stream: what would lose it is refused, what may lose it does, and what is gone on with later loses no record.

use k2m_testkit::{ReadbackRequest, wait_until};
use serde_json::{Value, json};

use crate::driver::{Account, PATIENCE, seen};
use crate::proxy::{Proxy, Verdict, denied};
use crate::story::remains;
use crate::watched::counting;

const STACK: &str = "k2m-orders";

/// The stack's template as it is deployed, its mapping, and the change sets that it has.
fn deployed(account: &Account) -> Value {
    let template = account.call("cloudformation", "get_template", &json!({"StackName": STACK}));
    let stacks = account.ask(&["stacks"]);
    json!({"template": template["TemplateBody"], "mapping": account.ask(&["mapping_of", STACK]), "stack": stacks[STACK]})
}

fn messages(account: &Account) -> u64 {
    let servers = account.kafka.as_ref().unwrap().bootstrap_servers();
    ReadbackRequest::new(&servers, "orders").read().unwrap().messages
}

/// RFC 3339, of seconds since 1970.
fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

/// Tells CloudWatch what it would have counted, had this function been well from 90 to 20 minutes ago; gives when it was invoked last.
fn well(account: &Account, function: &str) -> i64 {
    let now = account.ask(&["now"]).as_i64().unwrap() / 1000;
    let minute = |ago: i64| now - now % 60 - ago * 60;
    let dimensions = json!([{"Name": "FunctionName", "Value": function}]);
    for (namespace, names) in [
        (
            "AWS/Lambda",
            &[("Invocations", 1), ("Errors", 0), ("IteratorAge", 900)][..],
        ),
        ("k2m", &[("Failures", 0)]),
    ] {
        let data = (20..90).flat_map(|ago| names.iter().map(move |name| (ago, *name)));
        let data = data.map(|(ago, (name, value))| {
            json!({"MetricName": name, "Dimensions": dimensions, "Timestamp": time(minute(ago)), "Value": value})
        });
        let data = json!({"Namespace": namespace, "MetricData": data.collect::<Vec<_>>()});
        account.call("cloudwatch", "put_metric_data", &data);
    }
    minute(20)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one pipeline lives through all of it")]
fn what_would_lose_the_position_is_refused_and_what_is_gone_on_with_loses_no_record() {
    let account = counting(&["orders"]);
    let deploy = |more: &[&'static str]| {
        let own = [&["--yes"][..], more].concat();
        account
            .on("deploy", "orders", &own)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = |arguments: &[String], code| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        seen(&account.run(&arguments, code))
    };
    let json_of = |arguments: &[String], code| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        account.json(&arguments, code)
    };
    run(&deploy(&[]), 0);
    account.ask(&["put", "orders", "0", "500"]);
    account.arrived("orders", 500);
    let before = deployed(&account);

    // Another starting position is refused, whatever is said with it, and nothing is changed.
    let latest = ["--starting-position", "LATEST"];
    for more in [&[][..], &["--plan"], &["--no-wait"]] {
        let refused = json_of(&deploy(&[&latest[..], more].concat()), 1);
        let said = refused["error"].as_str().unwrap();
        assert!(
            said.contains("orders: starting_position LATEST (--starting-position)")
                && said.contains("--allow-position-loss orders"),
            "{refused:#}"
        );
        assert_eq!(
            (&refused["kind"], &refused["exit_code"]),
            (&json!("deploy"), &json!(1)),
            "{refused:#}"
        );
        assert_eq!(deployed(&account), before, "{refused:#}");
    }
    let unknown = json_of(&deploy(&[&latest[..], &["--allow-position-loss", "order"]].concat()), 2);
    let said = unknown["error"].as_str().unwrap();
    assert!(said.contains("name one of its streams: orders"), "{said}");
    let plan = account.json(&account.on("plan", "orders", &latest), 0);
    assert_eq!(plan["losses"][0]["asked"], "LATEST", "{plan:#}");
    assert_eq!(deployed(&account), before);
    // The pipeline goes on.
    account.ask(&["put", "orders", "500", "100"]);
    account.arrived("orders", 600);

    // So is what only CloudFormation knows: the template that the plan compares with can't be read.
    let proxy = Proxy::start(&account.emulator.endpoint(), |call| {
        if call.is("cloudformation", "GetTemplate") {
            denied(call, "cloudformation:GetTemplate")
        } else {
            Verdict::Pass
        }
    });
    let output = account
        .k2m(&account.on(
            "deploy",
            "orders",
            &["--yes", "--starting-position", "LATEST", "-o", "json"],
        ))
        .env("AWS_ENDPOINT_URL", proxy.endpoint())
        .output()
        .unwrap();
    let said = seen(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("CloudFormation makes a new mapping"), "{said}");
    drop(proxy);
    assert_eq!(deployed(&account), before, "{said}");

    // It is allowed by name. Lambda refuses a second mapping of the stream to the function, so the old one goes first.
    let hour_ago = time(account.ask(&["now"]).as_i64().unwrap() / 1000 - 3600);
    let began = messages(&account);
    let mut again = deploy(&["--starting-position", "AT_TIMESTAMP", "--starting-timestamp"]);
    again.push(hour_ago.clone());
    let allowed = [&again[..], &["--allow-position-loss".to_owned(), "orders".to_owned()]].concat();
    let updated = json_of(&allowed, 0);
    assert_eq!(updated["status"], "updated", "{updated:#}");
    let mut changes = updated["changes"].as_array().unwrap().iter();
    let mapping = changes.find(|change| change["resourceType"] == "AWS::Lambda::EventSourceMapping");
    assert_eq!(mapping.unwrap()["action"], "replace", "{updated:#}");
    // Nobody has counted long enough to know more.
    assert_eq!(updated["resume"][0]["startingPosition"], "TRIM_HORIZON", "{updated:#}");
    assert_ne!(deployed(&account)["mapping"], before["mapping"]);
    wait_until("all are read again", PATIENCE, || Ok(messages(&account) >= began + 600)).unwrap();
    account.arrived("orders", 600);
    // It is what is deployed now.
    let unchanged = json_of(&again, 0);
    assert_eq!(unchanged["status"], "unchanged", "{unchanged:#}");

    // Whoever is asked whether the stack goes knows from where to go on: where the mapping began, while nobody knows better.
    let destroy = account.on("destroy", "orders", &[]);
    let asked = seen(&account.run(&destroy, 2));
    let words: Vec<&str> = asked.split_whitespace().collect();
    assert!(
        words.join(" ").contains(&format!(
            "orders: starting_position: AT_TIMESTAMP starting_timestamp: {hour_ago}"
        )),
        "{asked}"
    );
    let outputs = unchanged["outputs"].as_object().unwrap().iter();
    let mut function = outputs
        .filter(|(name, _)| name.ends_with("Function"))
        .map(|(_, name)| name);
    let last = well(&account, function.next_back().unwrap().as_str().unwrap());
    // A second behind, a minute that an invocation may take, ten to be certain; and whole minutes.
    let resume = time(last - 12 * 60);
    let destroyed = account.json(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(
        destroyed["resume"][0]["startingTimestamp"],
        json!(resume),
        "{destroyed:#}"
    );
    assert_eq!(remains(&account), json!({}));

    // What is put while nothing is deployed is read from that time on.
    account.ask(&["put", "orders", "600", "400"]);
    let mut on = deploy(&["--starting-position", "AT_TIMESTAMP", "--starting-timestamp"]);
    on.push(resume);
    let created = json_of(&on, 0);
    assert_eq!(created["status"], "created", "{created:#}");
    assert_eq!(account.arrived("orders", 1000), (0..1000).collect::<Vec<_>>());
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), json!({}));
}

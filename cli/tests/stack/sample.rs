//! What k2m did not deploy: a deployment with the shape of the sample is explained and mended; and an account before anything is deployed.

use serde_json::{Value, json};

use crate::driver::{Account, seen};

/// Deploys it, and changes it.
const SAMPLE: &str = include_str!("sample.py");
/// Runs a command that doctor prints.
const COMMAND: &str = include_str!("../aws/command.py");

/// Does something with the sample.
fn ask(account: &Account, arguments: &[&str]) -> Value {
    account.emulator.python(SAMPLE, arguments).unwrap()
}

fn codes(found: &Value) -> Vec<&str> {
    let causes = found["causes"].as_array().unwrap().iter();
    causes.map(|cause| cause["code"].as_str().unwrap()).collect()
}

fn check<'a>(found: &'a Value, code: &str) -> &'a Value {
    let checks = found["checks"].as_array().unwrap();
    checks.iter().find(|check| check["code"] == code).unwrap()
}

/// Runs the commands that a check prints: an alternative is not tried.
fn mend(account: &Account, found: &Value, code: &str) {
    let steps = check(found, code)["fix"].as_array().unwrap();
    let steps: Vec<&str> = steps.iter().map(|step| step.as_str().unwrap()).collect();
    let commands: Vec<&&str> = steps
        .iter()
        .take_while(|step| !step.starts_with("or "))
        .filter(|step| step.starts_with("aws "))
        .collect();
    assert!(!commands.is_empty(), "{code}: {steps:?}");
    for command in commands {
        account.emulator.python(COMMAND, &[command]).unwrap();
    }
}

#[test]
fn the_sample_is_explained_and_mended() {
    let account = Account::without_kafka(&["orders", "clicks"]);
    let cluster = account.cluster.clone();
    let (stream, group) = (account.stream("orders").to_owned(), account.group.clone());
    let made = ask(&account, &["deploy", &cluster, &group, &stream, "shop-orders"]);
    let function = made["function"].as_str().unwrap();
    let doctor = [
        "doctor",
        "--function",
        function,
        "--cluster",
        &cluster,
        "--region",
        "eu-west-1",
    ];

    // Both answers to its FAQ are in what a user sees first.
    let printed = account.run(&doctor, 1);
    let text = String::from_utf8(printed.stdout).unwrap();
    let first: Vec<&str> = text.lines().take(10).collect();
    let first = first.join("\n");
    for words in [
        "shop-orders is not in the cluster, and auto.create.topics.enable is false: nothing creates it (K2M-T01)",
        "`Failed to update metadata after 60.0 secs` (kafka-python)",
        "the function's time-out is 5 s: too short to connect and retry (K2M-L03)",
        "`Task timed out after N seconds`",
    ] {
        assert!(first.contains(words), "`{words}` is not in\n{text}");
    }
    let found = account.json(&doctor, 1);
    assert_eq!(codes(&found), ["K2M-T01", "K2M-L03"], "{found:#}");
    let stack = check(&found, "K2M-L01")["why"].as_str().unwrap();
    assert!(stack.contains("it is of the stack kinesis-to-kafka"), "{stack}");
    assert_eq!(check(&found, "K2M-N02")["result"], "pass", "{found:#}");

    // The same offline, and nothing of the function's that it need not say.
    let facts = account.run(
        &[
            "inspect",
            "--function",
            function,
            "--cluster",
            &cluster,
            "--region",
            "eu-west-1",
            "-o",
            "json",
        ],
        0,
    );
    let facts = String::from_utf8(facts.stdout).unwrap();
    for secret in ["not-for-anybody", "DB_PASSWORD", "LEVEL", "X-Amz-"] {
        assert!(!facts.contains(secret) && !text.contains(secret), "{secret}");
    }
    let told: Value = serde_json::from_str(&facts).unwrap();
    let servers: Vec<String> = (1..=3)
        .map(|id| format!("b-{id}.events.ministack.local:9092"))
        .collect();
    let foreign = &told["pipelines"][&stream]["foreign"];
    let by = json!({"constant": {"file": "config.py", "name": "SERVER"}});
    assert_eq!(
        foreign["servers"]["value"],
        json!({"value": servers.join(","), "by": by})
    );
    assert_eq!(foreign["topic"]["value"]["value"], "shop-orders");
    std::fs::write(account.file("facts.json"), &facts).unwrap();
    assert_eq!(account.json(&["doctor", "--facts", "facts.json"], 1), found);
    let named = ["doctor", "--facts", "facts.json", "--function"];
    assert_eq!(account.json(&[&named[..], &[function]].concat(), 1), found);
    let other = seen(&account.run(&[&named[..], &["another"]].concat(), 2));
    assert!(other.contains("the facts are of the function"), "{other}");

    // The commands as they are printed mend both, and what is only worth a look.
    for code in ["K2M-T01", "K2M-L03", "K2M-E04"] {
        mend(&account, &found, code);
    }
    let mended = account.json(&doctor, 0);
    assert_eq!(mended["health"], "healthy", "{mended:#}");
    let well = |check: &Value| check["result"] == "pass" || check["result"] == "skip" || check["code"] == "K2M-L04";
    assert!(mended["checks"].as_array().unwrap().iter().all(well), "{mended:#}");

    what_nobody_knows_is_not_guessed(&account, function, &doctor);
    without_a_mapping(&account, &made, &doctor);
    names_that_are_wrong(&account, function);
}

/// Servers and topic out of variables, and neither of them.
fn what_nobody_knows_is_not_guessed(account: &Account, function: &str, doctor: &[&str]) {
    let variables = json!({
        "KAFKA_TOPIC": "shop-orders", "DB": "db.example.com:5432", "DB_PASSWORD": "not-for-anybody",
        "BROKERS": "b-1.events.ministack.local:9092",
    });
    ask(account, &["recode", function, &variables.to_string()]);
    let told = account.json(doctor, 0);
    let evidence = check(&told, "K2M-A02")["evidence"][0].as_str().unwrap();
    assert!(evidence.starts_with("b-1.events.ministack.local:9092: "), "{told:#}");

    ask(account, &["recode", function, r#"{"DB": "db.example.com:5432"}"#]);
    let unknown = account.json(doctor, 4);
    for code in ["K2M-A01", "K2M-A02", "K2M-N02", "K2M-T01"] {
        let why = check(&unknown, code)["why"].as_str().unwrap_or_default();
        assert!(why.contains("is not known"), "{code}: {unknown:#}");
    }
    let named = account.json(&[doctor, &["--topic", "shop-orders"]].concat(), 4);
    assert_eq!(check(&named, "K2M-T01")["result"], "pass", "{named:#}");
}

/// A function that nothing lets read.
fn without_a_mapping(account: &Account, made: &Value, doctor: &[&str]) {
    ask(account, &["unmap", made["mapping"].as_str().unwrap()]);
    let none = seen(&account.run(doctor, 2));
    assert!(
        none.contains("give --stream ARN, and the function is judged as far as it goes"),
        "{none}"
    );
    let stream = account.stream("orders");
    let on = [doctor, &["--stream", stream, "--topic", "shop-orders"]].concat();
    let found = account.json(&on, 1);
    assert_eq!(codes(&found), ["K2M-E02"], "{found:#}");
    mend(account, &found, "K2M-E02");
    let found = account.json(&on, 4);
    assert_eq!(check(&found, "K2M-E02")["result"], "pass", "{found:#}");
}

/// What can't be meant is said.
fn names_that_are_wrong(account: &Account, function: &str) {
    let cluster = account.cluster.as_str();
    let refused = |name: &str, more: &[&str], words: &str| {
        let arguments = [&["doctor", "--cluster", cluster, "--function", name][..], more].concat();
        let text = seen(&account.run(&arguments, 2));
        assert!(text.contains(words), "{name} {more:?}: {text}");
    };
    let region = ["--region", "eu-west-1"];
    refused("nowhere", &region, "there is no function nowhere in eu-west-1");
    refused("two words", &region, "invalid value `two words` for --function");
    refused(
        &format!("arn:aws:lambda:us-east-1:000000000000:function:{function}"),
        &region,
        "is in us-east-1, and the settings are of eu-west-1",
    );
    refused(function, &["--stack", "k2m-orders"], "cannot be used with");
    // One of k2m's own is judged with its stack.
    account.run(&account.on("deploy", "clicks", &["--yes"]), 0);
    let own = account.json(
        &["inspect", "--stream", account.stream("clicks"), "--cluster", cluster],
        0,
    );
    let own = own["pipelines"][account.stream("clicks")]["function"]["value"]["arn"]
        .as_str()
        .unwrap()
        .to_owned();
    refused(&own, &[], "k2m doctor --stack k2m-clicks --region eu-west-1");
}

#[test]
fn before_anything_is_deployed_it_is_said_what_would_stop_it() {
    let account = Account::without_kafka(&["orders"]);
    let doctor = account.on("doctor", "orders", &[]);
    let found = account.json(&doctor, 1);
    assert_eq!(codes(&found), ["K2M-L01"], "{found:#}");
    let evidence = check(&found, "K2M-N02")["evidence"][0].as_str().unwrap();
    assert!(evidence.starts_with("planned: "), "{found:#}");
    let fix = check(&found, "K2M-L01")["fix"][0].as_str().unwrap();
    assert!(fix.starts_with("k2m deploy --stream "), "{fix}");

    // What would stop it comes first, and that nothing is deployed follows.
    ask(&account, &["shut", &account.cluster]);
    let found = account.json(&doctor, 1);
    assert_eq!(codes(&found), ["K2M-N02"], "{found:#}");
    assert_eq!(found["causes"][0]["explains"], json!(["K2M-L01"]), "{found:#}");
}

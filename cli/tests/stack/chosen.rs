//! Whom doctor judges, and what it carries: a flag chooses among the pipelines of a stack and takes none of the others away, and what is named against the stack's own
//! word is said at once.

use std::fs::{read, read_to_string, rename, write};

use serde_json::{Value, json};

use crate::driver::{Account, seen};
use crate::story::remains;

const STACK: &str = "k2m-multi";

/// Functions and mappings that the stack has.
fn parts(account: &Account) -> Vec<String> {
    let all = account.call("cloudformation", "list_stack_resources", &json!({"StackName": STACK}));
    let all = all["StackResourceSummaries"].as_array().unwrap().iter();
    let kind = |one: &&Value| {
        let kind = one["ResourceType"].as_str().unwrap();
        kind.ends_with("::Function") || kind.ends_with("::EventSourceMapping") || kind.ends_with("::Queue")
    };
    let mut ids: Vec<String> = all
        .filter(kind)
        .map(|one| format!("{} {}", one["LogicalResourceId"], one["PhysicalResourceId"]))
        .collect();
    ids.sort();
    ids
}

/// Steps of the fix of a check that fails.
fn fix<'a>(found: &'a Value, code: &str) -> Vec<&'a str> {
    let checks = found["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["code"] == code).unwrap();
    assert_eq!(check["result"], "fail", "{check:#}");
    let steps = check["fix"].as_array().unwrap().iter();
    steps.map(|step| step.as_str().unwrap()).collect()
}

/// Two pipelines in one stack by a file of settings, of which the one of orders has too little time.
fn two(account: &Account) {
    let text = format!(
        "cluster: {}\nstack: {STACK}\ncreate_topic: true\npipelines:\n  - stream: {}\n    timeout: 5\n  - stream: {}\n",
        account.cluster,
        account.stream("orders"),
        account.stream("other")
    );
    write(account.file("k2m.yaml"), text).unwrap();
    account.run(&["deploy", "--yes"], 0);
}

#[test]
fn what_mends_one_pipeline_carries_the_others() {
    let account = Account::new(&["orders", "other"]);
    two(&account);
    account.ask(&["put", "other", "0", "500"]);
    account.arrived("other", 500);
    let (there, whole) = (parts(&account), account.file("k2m.yaml"));
    let orders = account.stream("orders");

    // The file has all of them, and what is of one of them is its own.
    let chosen = ["doctor", "--stream", orders];
    let found = account.json(&chosen, 1);
    assert_eq!(
        fix(&found, "K2M-L03")[0],
        "set `timeout: 60` in the pipeline of orders in k2m.yaml, then k2m deploy"
    );
    let fixed = account.json(&[&chosen[..], &["--fix", "--yes"]].concat(), 1);
    assert_eq!(fixed["mends"], json!([]), "{fixed:#}");
    assert_eq!(
        fixed["left"][0]["why"], "it is a setting of one pipeline in its file, which k2m does not change",
        "{fixed:#}"
    );
    // A file that lacks one of them says nothing that may be run.
    let text = read_to_string(&whole).unwrap();
    let (alone, _) = text.rsplit_once("  - stream").unwrap();
    write(&whole, alone).unwrap();
    let found = account.json(&["doctor"], 1);
    let step = fix(&found, "K2M-L03")[0];
    assert!(
        step.starts_with("no deployment from here: k2m.yaml has no pipeline of other, which the stack k2m-multi has"),
        "{step}"
    );
    let fixed = account.json(&["doctor", "--fix", "--yes"], 1);
    assert_eq!(fixed["mends"], json!([]), "{fixed:#}");
    let why = fixed["left"][0]["why"].as_str().unwrap();
    assert!(why.contains("would take other pipelines of the stack away"), "{why}");
    // Nor does a deployment itself take it away because all is answered with yes.
    let refused = seen(&account.run(&["deploy", "--yes"], 1));
    assert!(
        refused.contains("other: the settings don't name it any more") && refused.contains("--remove other"),
        "{refused}"
    );
    write(&whole, text).unwrap();
    assert_eq!(parts(&account), there);

    // Without the file the stack says which pipelines it has, and what it was deployed with is not known: each has to be carried.
    rename(&whole, account.file("elsewhere.yaml")).unwrap();
    let chosen = ["doctor", "--stack", STACK, "--region", "eu-west-1", "--stream", orders];
    let found = account.json(&chosen, 1);
    let command = fix(&found, "K2M-L03")[0];
    let carried = format!(
        "k2m deploy --stream {orders} --stream {} --cluster",
        account.stream("other")
    );
    assert!(
        command.starts_with(&carried) && command.contains(" --stack k2m-multi ") && command.ends_with(" --timeout 60"),
        "{command}"
    );
    // Of all of them it is the same.
    let every = account.json(&["doctor", "--stack", STACK, "--region", "eu-west-1"], 1);
    let of_orders = every["pipelines"].as_array().unwrap().iter();
    let of_orders = of_orders.clone().find(|one| one["stream"] == "orders").unwrap();
    assert_eq!(fix(of_orders, "K2M-L03")[0], command);

    let fixed = account.json(&[&chosen[..], &["--fix", "--yes"]].concat(), 0);
    assert_eq!(fixed["mends"][0]["outcome"], "done", "{fixed:#}");
    assert_eq!(fixed["report"]["health"], "healthy", "{fixed:#}");
    assert_eq!(parts(&account), there);
    account.ask(&["put", "other", "500", "500"]);
    account.arrived("other", 1000);

    what_is_named_to_go_goes(&account, &there);
    account.run(&["destroy", "--stack", STACK, "--region", "eu-west-1", "--yes"], 0);
    assert_eq!(remains(&account), json!({}));
}

fn what_is_named_to_go_goes(account: &Account, there: &[String]) {
    let alone = account.on("deploy", "orders", &["--stack", STACK, "--yes"]);
    account.run(&alone, 1);
    let kept = seen(&account.run(&[&alone[..], &["--remove", "orders", "--remove", "other"]].concat(), 2));
    assert!(
        kept.contains("--remove names orders, whose pipeline the settings have"),
        "{kept}"
    );
    assert_eq!(parts(account), there);
    account.run(&[&alone[..], &["--remove", "other"]].concat(), 0);
    assert_eq!(parts(account).len(), there.len() / 2);
}

#[test]
fn what_pipelines_have_of_their_own_no_flags_say() {
    let account = Account::without_kafka(&["orders", "other"]);
    two(&account);
    let whole = account.file("k2m.yaml");
    let text = read_to_string(&whole).unwrap();
    // One has a topic of its own: with flags its records would go elsewhere.
    write(&whole, format!("{text}    topic: elsewhere\n")).unwrap();
    account.run(&["deploy", "--yes"], 0);
    rename(&whole, account.file("elsewhere.yaml")).unwrap();
    let orders = account.stream("orders");
    let on_orders = ["doctor", "--stack", STACK, "--stream", orders, "--no-probe"];
    let found = account.json(&on_orders, 1);
    let step = fix(&found, "K2M-L03")[0];
    assert!(
        step.starts_with("no deployment from here: ") && step.contains("that of other writes to elsewhere"),
        "{step}"
    );

    // One has more memory, which nobody sees before it is planned: then that is why it is not done.
    rename(account.file("elsewhere.yaml"), &whole).unwrap();
    write(&whole, format!("{text}    memory: 1024\n")).unwrap();
    account.run(&["deploy", "--yes"], 0);
    rename(&whole, account.file("elsewhere.yaml")).unwrap();
    let there = parts(&account);
    let fixed = account.json(&[&on_orders[..], &["--fix", "--yes"]].concat(), 1);
    assert_eq!(fixed["mends"][0]["outcome"], "refused", "{fixed:#}");
    let error = fixed["mends"][0]["error"].as_str().unwrap();
    assert!(
        error.contains("MemorySize of Other") && error.contains("which has settings of its own"),
        "{error}"
    );
    assert_eq!(parts(&account), there);
}

#[test]
fn what_is_named_against_the_stack_s_own_word_is_said_and_nothing_is_judged() {
    let account = Account::without_kafka(&["orders", "other"]);
    account.run(&account.on("deploy", "orders", &["--yes"]), 0);
    let subnets = account.ask(&["subnets"]);
    let of_another = account.call(
        "kafka",
        "create_cluster_v2",
        &json!({"ClusterName": "another", "Serverless": {
            "VpcConfigs": [{"SubnetIds": subnets, "SecurityGroupIds": [account.group]}],
            "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": true}}},
        }}),
    );
    let another = of_another["ClusterArn"].as_str().unwrap();
    let mistyped = format!("{}0", account.cluster.trim_end_matches(|c: char| c.is_ascii_digit()));
    let topics = || account.json(&account.on("inspect", "orders", &[]), 0)["topics"].clone();
    let before = topics();
    for cluster in [another, &mistyped] {
        for more in [&["--no-probe"][..], &["--no-probe", "--fix", "--yes"]] {
            let named = [
                "doctor",
                "--stack",
                "k2m-orders",
                "--region",
                "eu-west-1",
                "--cluster",
                cluster,
            ];
            let said = account.run(&[&named[..], more].concat(), 2);
            assert_eq!(String::from_utf8_lossy(&said.stdout), "");
            let said = seen(&said);
            let first = format!(
                "error: the stack k2m-orders delivers to {} (its output Cluster), and --cluster names {cluster}, so nothing was judged\n",
                account.cluster
            );
            assert!(said.contains(&first), "{said}");
            assert!(
                said.contains("`k2m doctor --stack k2m-orders --region eu-west-1`"),
                "{said}"
            );
        }
    }
    assert_eq!(topics(), before);

    let elsewhere = account.stream("orders").replace(":123456789012:", ":123456789013:");
    for stream in [account.stream("other"), &elsewhere] {
        let named = [
            "doctor",
            "--stack",
            "k2m-orders",
            "--stream",
            stream,
            "--no-probe",
            "--fix",
            "--yes",
        ];
        let said = seen(&account.run(&named, 2));
        let first = format!(
            "error: the stack k2m-orders has no pipeline of {stream}, which --stream names; it has orders, so nothing was judged\n  {}\n",
            account.stream("orders")
        );
        assert!(said.contains(&first), "{said}");
    }

    // A file of facts says it, too.
    let facts = account.run(&account.on("inspect", "orders", &["-o", "json"]), 0).stdout;
    let file = account.file("facts.json");
    write(&file, &facts).unwrap();
    let file = file.to_str().unwrap();
    let said = seen(&account.run(&["doctor", "--facts", file, "--cluster", another], 2));
    assert!(said.contains("(its output Cluster), and --cluster names"), "{said}");
    // And is not what the page is written over.
    let said = seen(&account.run(&["doctor", "--facts", file, "--report", file], 2));
    assert!(
        said.contains("is the file of --facts, which the page would replace"),
        "{said}"
    );
    assert_eq!(read(file).unwrap(), facts);
}

#[test]
fn what_could_not_be_seen_is_not_what_is_broken() {
    let account = Account::without_kafka(&["orders"]);
    // Before anything is deployed the facts hold both ends.
    let facts = account.run(&account.on("inspect", "orders", &["-o", "json"]), 0).stdout;
    let file = account.file("facts.json");
    write(&file, facts).unwrap();
    let found = account.json(&["doctor", "--facts", file.to_str().unwrap()], 1);
    let first = &found["causes"][0]["code"];
    assert!(*first == "K2M-L01" || *first == "K2M-T01", "{found:#}");

    let by_name = ["doctor", "--stack", "k2m-orders", "--region", "eu-west-1"];
    let absent = seen(&account.run(&by_name, 1));
    assert!(
        absent.contains("no stack k2m-orders of k2m is in eu-west-1"),
        "{absent}"
    );
    let template = r#"{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}"#;
    account.call(
        "cloudformation",
        "create_stack",
        &json!({"StackName": "k2m-orders", "TemplateBody": template}),
    );
    let of_other = seen(&account.run(&by_name, 1));
    assert!(
        of_other.contains("the stack k2m-orders in eu-west-1 was not made by k2m"),
        "{of_other}"
    );
    let mut blind = account.k2m(&by_name);
    blind.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let blind = blind.output().unwrap();
    assert_eq!(blind.status.code(), Some(4), "{}", seen(&blind));
}

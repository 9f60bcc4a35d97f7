//! Networks that a stack takes beside its own: made before it, shared with others, and given back after the last.

use serde_json::{Value, json};

use crate::driver::Account;

const HERE: &str = "us-east-1";
const THERE: &str = "eu-west-1";

/// What is asked of account.py in a region.
fn ask(account: &Account, region: &str, what: &[&str]) -> Value {
    let region = format!("--region={region}");
    let mut arguments = vec![region.as_str()];
    arguments.extend(what);
    account.ask(&arguments)
}

/// What is left in a region, by kind; only the kinds of which something is left.
fn remains(account: &Account, region: &str) -> Value {
    let Value::Object(mut all) = ask(account, region, &["remains"]) else {
        panic!("no object");
    };
    all.retain(|_, names| names.as_array().is_none_or(|names| !names.is_empty()));
    Value::Object(all)
}

fn statuses(document: &Value) -> Vec<&str> {
    let stacks = document["networkStacks"].as_array().into_iter().flatten();
    stacks.map(|stack| stack["status"].as_str().unwrap()).collect()
}

/// Inspecting after a deployment and planning again gives an empty change.
fn unchanged(account: &Account, stream: &str, more: &[&str]) {
    let facts = account.run(&account.on("inspect", stream, &[more, &["-o", "json"]].concat()), 0);
    let file = account.file("facts.json");
    std::fs::write(&file, &facts.stdout).unwrap();
    let offline = [more, &["--facts", file.to_str().unwrap()]].concat();
    let plan = account.json(&account.on("plan", stream, &offline), 0);
    assert_eq!(plan["change"]["status"], "none", "{:#}", plan["change"]);
    for network in plan["networkChanges"].as_array().into_iter().flatten() {
        assert_eq!(network["change"]["status"], "none", "{network:#}");
    }
}

#[test]
fn another_region_and_back() {
    let account = Account::across(&["orders"]);
    let before = [HERE, THERE].map(|region| ask(&account, region, &["networks"]));
    // Of two VPCs, neither of which leads there, the user has to name one.
    let unsure = account.json(&account.on("deploy", "orders", &["--yes"]), 2);
    let vpc = account.vpc.clone().unwrap();
    assert!(unsure["error"].as_str().unwrap().contains(&vpc), "{unsure:#}");
    let there = ["--vpc", vpc.as_str()];
    let deploy = [&["--yes"][..], &there].concat();
    let deployed = account.json(&account.on("deploy", "orders", &deploy), 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    assert_eq!(statuses(&deployed), ["created", "created"], "{deployed:#}");
    let regions: Vec<&Value> = deployed["networkStacks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stack| &stack["region"])
        .collect();
    assert_eq!(regions, [THERE, HERE]);
    ask(&account, HERE, &["put", "orders", "0", "1000"]);
    assert_eq!(account.arrived("orders", 1000), (0..1000).collect::<Vec<_>>());
    unchanged(&account, "orders", &[]);

    let again = account.json(&account.on("deploy", "orders", &["--yes"]), 0);
    assert_eq!(
        (again["status"].as_str(), statuses(&again)),
        (Some("unchanged"), vec!["unchanged"; 2]),
        "{again:#}"
    );
    // Judged from both regions' networks, and by the function itself.
    account.run(&account.on("doctor", "orders", &[]), 0);

    // Fewer subnets take less of both networks.
    let facts: Value = serde_json::from_slice(&std::fs::read(account.file("facts.json")).unwrap()).unwrap();
    let subnets = facts["networks"][HERE]["subnets"]["value"].as_array().unwrap().iter();
    let mut subnets = subnets.filter(|subnet| subnet["vpc"] == json!(vpc));
    let subnet = subnets.next().unwrap()["id"].as_str().unwrap();
    let fewer = [&deploy[..], &["--subnets", subnet]].concat();
    let changed = account.json(&account.on("deploy", "orders", &fewer), 0);
    assert_eq!(
        (changed["status"].as_str(), statuses(&changed)),
        (Some("updated"), vec!["updated", "unchanged"]),
        "{changed:#}"
    );
    unchanged(&account, "orders", &["--subnets", subnet]);
    ask(&account, HERE, &["put", "orders", "1000", "100"]);
    assert_eq!(account.arrived("orders", 1100).len(), 1100);

    let destroyed = account.json(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(statuses(&destroyed), ["destroyed", "destroyed"], "{destroyed:#}");
    assert_eq!(
        [HERE, THERE].map(|region| remains(&account, region)),
        [json!({}), json!({})]
    );
    assert_eq!([HERE, THERE].map(|region| ask(&account, region, &["networks"])), before);
    // Once more is no error.
    let absent = account.json(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(absent["status"], "absent", "{absent:#}");
}

#[test]
fn two_stacks_share_a_network_and_survive_each_others_end() {
    let account = Account::across(&["orders", "clicks"]);
    let before = [HERE, THERE].map(|region| ask(&account, region, &["networks"]));
    let vpc = account.vpc.clone().unwrap();
    for (gone, left, offset) in [("orders", "clicks", "0"), ("clicks", "orders", "0")] {
        for stream in ["orders", "clicks"] {
            account.run(&account.on("deploy", stream, &["--yes", "--vpc", &vpc]), 0);
        }
        let both = [HERE, THERE].map(|region| ask(&account, region, &["networks"]));
        let destroyed = account.json(&account.on("destroy", gone, &["--yes"]), 0);
        assert_eq!(statuses(&destroyed), ["updated", "updated"], "{destroyed:#}");
        assert_eq!([HERE, THERE].map(|region| ask(&account, region, &["networks"])), both);
        unchanged(&account, left, &[]);
        ask(&account, HERE, &["put", left, offset, "500"]);
        assert_eq!(account.arrived(left, 500).len(), 500);
        let destroyed = account.json(&account.on("destroy", left, &["--yes"]), 0);
        assert_eq!(statuses(&destroyed), ["destroyed", "destroyed"], "{destroyed:#}");
        assert_eq!([HERE, THERE].map(|region| ask(&account, region, &["networks"])), before);
        assert_eq!(
            [HERE, THERE].map(|region| remains(&account, region)),
            [json!({}), json!({})]
        );
    }
}

#[test]
fn another_vpc_of_the_region() {
    let account = Account::beside(&["orders"]);
    let vpc = account.vpc.clone().unwrap();
    let there = ["--vpc", vpc.as_str()];
    let deploy = [&["--yes"][..], &there].concat();

    // Nothing joins the two.
    let before = ask(&account, THERE, &["networks"]);
    let deployed = account.json(&account.on("deploy", "orders", &deploy), 0);
    assert_eq!(statuses(&deployed), ["created", "created"], "{deployed:#}");
    ask(&account, THERE, &["put", "orders", "0", "500"]);
    assert_eq!(account.arrived("orders", 500).len(), 500);
    unchanged(&account, "orders", &there);
    // The function is where it is, named or not.
    unchanged(&account, "orders", &[]);
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(ask(&account, THERE, &["networks"]), before);
    assert_eq!(remains(&account, THERE), json!({}));

    // Somebody else's peering connection does, with the route back.
    let peering = account.ask(&["peer", &vpc, &account.cluster]);
    let before = ask(&account, THERE, &["networks"]);
    let deployed = account.json(&account.on("deploy", "orders", &deploy), 0);
    assert_eq!(statuses(&deployed), ["created"], "{deployed:#}");
    let now = ask(&account, THERE, &["networks"]);
    assert_eq!(now["peerings"], json!([peering["peering"]]));
    unchanged(&account, "orders", &there);
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(ask(&account, THERE, &["networks"]), before);
    assert_eq!(remains(&account, THERE), json!({}));
}

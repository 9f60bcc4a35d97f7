//! Networks that a stack takes beside its own: made before it, shared with others, and given back after the last.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::driver::{Account, seen};
use crate::proxy::{Proxy, Verdict, denied};

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
pub(crate) fn unchanged(account: &Account, stream: &str, more: &[&str]) {
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

/// Deploying again changes nothing; with another time-out it changes the function alone, and none of its network stacks.
pub(crate) fn changed_in_place(account: &Account, stream: &str, deploy: &[&str], networks: usize) {
    let again = account.json(&account.on("deploy", stream, deploy), 0);
    assert_eq!(
        (again["status"].as_str(), statuses(&again)),
        (Some("unchanged"), vec!["unchanged"; networks]),
        "{again:#}"
    );
    let more = [deploy, &["--timeout", "90"]].concat();
    let changed = account.json(&account.on("deploy", stream, &more), 0);
    assert_eq!(
        (changed["status"].as_str(), statuses(&changed)),
        (Some("updated"), vec!["unchanged"; networks]),
        "{changed:#}"
    );
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
fn networks_go_back_with_the_stack_that_comes_to_nothing() {
    let account = Account::across(&["orders"]);
    let before = [HERE, THERE].map(|region| ask(&account, region, &["networks"]));
    let vpc = account.vpc.clone().unwrap();
    // Two network stacks are executed, and then the stack itself, which nobody may.
    let executed = AtomicUsize::new(0);
    let proxy = Proxy::start(&account.emulator.endpoint(), move |call| {
        let third = call.is("cloudformation", "ExecuteChangeSet") && executed.fetch_add(1, Ordering::SeqCst) == 2;
        if third {
            denied(call, "cloudformation:ExecuteChangeSet")
        } else {
            Verdict::Pass
        }
    });
    let deploy = account.on("deploy", "orders", &["--yes", "--vpc", &vpc]);
    let output = account
        .k2m(&deploy)
        .env("AWS_ENDPOINT_URL", proxy.endpoint())
        .output()
        .unwrap();
    let told = seen(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("bringing the network stacks back") && told.matches(" is destroyed.").count() == 2,
        "{told}"
    );
    assert_eq!([HERE, THERE].map(|region| ask(&account, region, &["networks"])), before);
    for region in [HERE, THERE] {
        assert_eq!(ask(&account, region, &["stacks"]), json!({}), "{told}");
    }
    // And all of it comes when the right is there.
    let deployed = account.json(&deploy, 0);
    assert_eq!(statuses(&deployed), ["created", "created"], "{deployed:#}");
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(
        [HERE, THERE].map(|region| remains(&account, region)),
        [json!({}), json!({})]
    );
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
    changed_in_place(&account, "orders", &deploy, 2);
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
    changed_in_place(&account, "orders", &deploy, 1);
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(ask(&account, THERE, &["networks"]), before);
    assert_eq!(remains(&account, THERE), json!({}));
}

#[test]
fn a_transit_gateway_that_leads_there_is_used_as_it_is() {
    let account = Account::beside(&["orders"]);
    let vpc = account.vpc.clone().unwrap();
    let gateway = account.ask(&["transit", &vpc, &account.cluster])["gateway"].clone();
    let before = ask(&account, THERE, &["networks"]);
    // Of the two VPCs the brokers' own is k2m's choice, so the other is named.
    let there = ["--vpc", vpc.as_str()];
    let deploy = [&["--yes"][..], &there].concat();
    let deployed = account.json(&account.on("deploy", "orders", &deploy), 0);
    // What is let in at the brokers, by blocks, and nothing else.
    assert_eq!(statuses(&deployed), ["created"], "{deployed:#}");
    let now = ask(&account, THERE, &["networks"]);
    assert_eq!(
        (&now["routes"], &now["peerings"], &now["acls"]),
        (&before["routes"], &before["peerings"], &before["acls"])
    );
    ask(&account, THERE, &["put", "orders", "0", "500"]);
    assert_eq!(account.arrived("orders", 500).len(), 500);
    unchanged(&account, "orders", &there);
    let again = account.json(&account.on("deploy", "orders", &["--yes"]), 0);
    assert_eq!(
        (again["status"].as_str(), statuses(&again)),
        (Some("unchanged"), vec!["unchanged"]),
        "{again:#}"
    );

    // The facts don't say what the gateway does, the function does.
    let said = account.json(&account.on("doctor", "orders", &[]), 0);
    let mut checks = said["checks"].as_array().unwrap().iter();
    let way = checks.find(|check| check["code"] == "K2M-N02").unwrap();
    let as_far_as = format!("as far as {}", gateway.as_str().unwrap());
    assert!(way["evidence"][0].as_str().unwrap().contains(&as_far_as), "{said:#}");

    // Fewer subnets are let in by fewer rules.
    let facts: Value = serde_json::from_slice(&std::fs::read(account.file("facts.json")).unwrap()).unwrap();
    let network = &facts["networks"][THERE];
    let attachments = network["transitGatewayAttachments"]["value"].as_array().unwrap();
    assert!(
        attachments.iter().all(|each| each["gateway"] == gateway),
        "{attachments:#?}"
    );
    let mut subnets = network["subnets"]["value"].as_array().unwrap().iter();
    let subnet = subnets.find(|subnet| subnet["vpc"] == json!(vpc)).unwrap()["id"].as_str();
    let fewer = [&deploy[..], &["--subnets", subnet.unwrap()]].concat();
    let changed = account.json(&account.on("deploy", "orders", &fewer), 0);
    assert_eq!(
        (changed["status"].as_str(), statuses(&changed)),
        (Some("updated"), vec!["updated"]),
        "{changed:#}"
    );
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(ask(&account, THERE, &["networks"]), before);
    assert_eq!(remains(&account, THERE), json!({}));
}

#[test]
fn functions_move_to_another_vpc_and_back() {
    let account = Account::beside(&["orders"]);
    let vpc = account.vpc.clone().unwrap();
    let facts = account.json(&account.on("inspect", "orders", &[]), 0);
    let own = facts["networks"][THERE]["vpcs"]["value"][0]["id"].as_str().unwrap();
    let before = ask(&account, THERE, &["networks"]);
    let deploy = |vpc: &str| account.json(&account.on("deploy", "orders", &["--yes", "--vpc", vpc]), 0);
    assert_eq!(statuses(&deploy(own)), [""; 0]);
    assert_eq!(statuses(&deploy(&vpc)), ["created", "created"]);
    ask(&account, THERE, &["put", "orders", "0", "100"]);
    assert_eq!(account.arrived("orders", 100).len(), 100);
    // What was made for them is given back when they are gone from there.
    let begun = account.on("deploy", "orders", &["--yes", "--no-wait", "--vpc", own]);
    assert_eq!(statuses(&account.json(&begun, 0)), [""; 0]);
    let stack = |of: &Value| {
        let name = |one: &Value| one["stack"].as_str().unwrap().to_owned();
        of.as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    let looked = account.json(&account.on("deploy", "orders", &["--plan", "--vpc", own]), 3);
    assert_eq!(
        (&looked["change"], stack(&looked["givenBack"]).len()),
        (&json!("none"), 2),
        "{looked:#}"
    );
    let planned = account.json(&account.on("plan", "orders", &["--vpc", own]), 3);
    assert_eq!(planned["given_back"], looked["givenBack"], "{planned:#}");
    assert_eq!(statuses(&deploy(own)), ["destroyed", "destroyed"]);
    let looked = account.json(&account.on("deploy", "orders", &["--plan", "--vpc", own]), 0);
    assert_eq!(looked["givenBack"], json!([]), "{looked:#}");
    assert_eq!(ask(&account, THERE, &["stacks"]).as_object().unwrap().len(), 1);
    ask(&account, THERE, &["put", "orders", "100", "100"]);
    assert_eq!(account.arrived("orders", 200).len(), 200);
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(ask(&account, THERE, &["networks"]), before);
    assert_eq!(remains(&account, THERE), json!({}));
}

#[test]
fn what_was_stopped_half_way_is_found_again() {
    let account = Account::across(&["orders"]);
    let vpc = account.vpc.clone().unwrap();
    let before = [HERE, THERE].map(|region| ask(&account, region, &["networks"]));
    let deploy = account.on("deploy", "orders", &["--yes", "--vpc", &vpc]);
    account.run(&deploy, 0);
    // As if the run had ended after the stack itself was gone, and before its network was.
    ask(&account, HERE, &["delete_stack", "k2m-orders"]);
    // Neither stream nor cluster is named: the network stack here names the one in the other region.
    let destroy = ["destroy", "--stack", "k2m-orders", "--region", HERE, "--yes"];
    let destroyed = account.json(&destroy, 0);
    assert_eq!(statuses(&destroyed), ["destroyed", "destroyed"], "{destroyed:#}");
    assert_eq!([HERE, THERE].map(|region| ask(&account, region, &["networks"])), before);
    // As if it had ended before the stack was made.
    account.run(&deploy, 0);
    ask(&account, HERE, &["delete_stack", "k2m-orders"]);
    let again = account.json(&deploy, 0);
    assert_eq!(again["status"], "created", "{again:#}");
    assert_eq!(statuses(&again), ["unchanged", "unchanged"], "{again:#}");
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!([HERE, THERE].map(|region| ask(&account, region, &["networks"])), before);
}

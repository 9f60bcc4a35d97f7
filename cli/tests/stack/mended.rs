//! `k2m doctor --fix`: every fault that it claims to mend is mended, and the stack owns afterwards all that was made: nothing is left to change, and nothing is left
//! when it goes.

use serde_json::{Value, json};

use crate::driver::{Account, seen};
use crate::secrets::put_secret;
use crate::story::remains;

/// Words of the deeds, and what became of each.
fn deeds(fixed: &Value) -> Vec<(&str, &str)> {
    let mends = fixed["mends"].as_array().unwrap().iter();
    mends
        .map(|mend| (mend["what"].as_str().unwrap(), mend["outcome"].as_str().unwrap()))
        .collect()
}

/// Has doctor mend, which must do this alone, and looks whether anything is left to say or to change.
fn mended(account: &Account, more: &[&str], fault: &str, deed: &[&str]) -> Value {
    let fixed = account.json(
        &account.on("doctor", "orders", &[more, &["--fix", "--yes"]].concat()),
        0,
    );
    let done = deeds(&fixed);
    assert_eq!(done.len(), deed.len(), "{fault}: {fixed:#}");
    for (words, (what, outcome)) in deed.iter().zip(&done) {
        assert!(
            what.contains(words) && *outcome == "done",
            "{fault}: {words}: {fixed:#}"
        );
    }
    assert_eq!(fixed["left"], json!([]), "{fault}: {fixed:#}");
    assert_eq!(fixed["report"]["health"], "healthy", "{fault}: {fixed:#}");
    let checks = fixed["report"]["checks"].as_array().unwrap();
    let drift = checks.iter().find(|check| check["code"] == "K2M-L05").unwrap();
    assert_eq!(drift["result"], "pass", "{fault}: {drift:#}");
    unchanged(account, more, fault);
    fixed
}

fn unchanged(account: &Account, more: &[&str], fault: &str) {
    let plan = account.json(&account.on("plan", "orders", more), 0);
    assert_eq!(plan["change"]["status"], "none", "{fault}: {:#}", plan["change"]);
    for network in plan["networkChanges"].as_array().into_iter().flatten() {
        assert_eq!(network["change"]["status"], "none", "{fault}: {network:#}");
    }
}

#[test]
fn each_fault_is_mended_through_the_stack_and_nothing_stays_behind() {
    let account = Account::new(&["orders"]);
    let stack = "k2m-orders";
    let group = account.ask(&["rules", &account.group]);
    account.run(&account.on("deploy", "orders", &["--yes"]), 0);
    account.ask(&["put", "orders", "0", "500"]);
    account.arrived("orders", 500);
    let subnet = account.ask(&["subnets"])[0].as_str().unwrap().to_owned();

    // What is well is left as it is.
    mended(&account, &[], "nothing", &[]);
    account.run(&account.on("doctor", "orders", &["--wait", "5m"]), 0);

    let (function, mapping) = ("give the function", "give the event source mapping");
    let again = "make again, through the stack that it is of: ";
    let of_vpc = json!({"VpcConfig": {"SubnetIds": [subnet], "SecurityGroupIds": [account.group]}}).to_string();
    let faults: [(&[&str], &str); 12] = [
        (
            &["set_variable", stack, "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9098"],
            function,
        ),
        (&["set_timeout", stack, "5"], function),
        (&["set_function", stack, r#"{"MemorySize": 128}"#], function),
        (&["set_function", stack, &of_vpc], function),
        (&["set_enabled", stack, "false"], mapping),
        (&["set_mapping", stack, r#"{"BatchSize": 10}"#], mapping),
        (&["set_mapping", stack, r#"{"FunctionResponseTypes": []}"#], mapping),
        (&["set_mapping", stack, r#"{"DestinationConfig": {}}"#], mapping),
        (&["break_egress", stack], "give the security group"),
        (&["break_ingress", &account.group, stack], again),
        (&["delete_topic", &account.cluster, "orders"], again),
        (&["delete_mapping", stack], again),
    ];
    // Somebody set a variable of his own.
    account.ask(&["set_variable", stack, "RUST_LOG", "debug"]);
    for (fault, deed) in faults {
        let broken = account.ask(fault);
        assert_ne!(broken["removed"], 0, "{fault:?}");
        let fixed = mended(&account, &[], &format!("{fault:?}"), &[deed]);
        if fault[0] == "set_variable" {
            let kept = account.ask(&["set_variable", stack, "RUST_LOG", "info"]);
            assert_eq!(kept["before"], "debug", "what is not k2m's stays");
        }
        if fault[0] == "delete_mapping" {
            let what = fixed["mends"][0]["what"].as_str().unwrap();
            assert!(
                what.contains("delivers again") && what.contains("nothing lost"),
                "{what}"
            );
        }
    }

    // Several at once, each once, and in order.
    account.ask(&["set_timeout", stack, "5"]);
    account.ask(&["set_function", stack, r#"{"MemorySize": 128}"#]);
    account.ask(&["break_ingress", &account.group, stack]);
    account.ask(&["delete_mapping", stack]);
    mended(&account, &[], "several", &[again, function]);

    // What the stack itself says wrong is deployed otherwise; how it lasts is said by the check.
    account.run(&account.on("deploy", "orders", &["--yes", "--timeout", "5"]), 0);
    let fixed = mended(&account, &[], "deployed", &["deploy the stack with --timeout 60"]);
    let (command, lasting) = (&fixed["mends"][0]["command"], &fixed["mends"][0]["lasting"]);
    assert!(
        command.as_str().unwrap().ends_with("--timeout 60") && lasting.as_str().unwrap().contains("`timeout: 60`"),
        "{fixed:#}"
    );
    account.run(&account.on("deploy", "orders", &["--yes", "--enabled", "false"]), 0);
    // The stack says which pipeline it is.
    let by_name = ["doctor", "--stack", stack, "--region", "eu-west-1", "--fix", "--yes"];
    let fixed = account.json(&by_name, 0);
    assert_eq!(
        deeds(&fixed),
        [("deploy the stack with --enabled true", "done")],
        "{fixed:#}"
    );
    unchanged(&account, &[], "disabled");

    what_needs_a_person(&account, stack);

    // All of it works, and goes with the stack.
    account.ask(&["put", "orders", "500", "500"]);
    account.arrived("orders", 1000);
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), json!({}));
    assert_eq!(account.ask(&["rules", &account.group]), group);
}

/// Nobody to ask, and what is not k2m's.
fn what_needs_a_person(account: &Account, stack: &str) {
    account.ask(&["set_timeout", stack, "5"]);
    let unasked = seen(&account.run(&account.on("doctor", "orders", &["--fix"]), 2));
    assert!(
        unasked.contains("--yes") && unasked.contains("Timeout is 5, the template says 60"),
        "{unasked}"
    );
    let still = account.json(&account.on("doctor", "orders", &["--wait", "1s"]), 1);
    assert_eq!(still["causes"][0]["code"], "K2M-L03", "{still:#}");
    mended(account, &[], "asked again", &["give the function"]);

    // Nor is a setting changed that has nothing to do with it, though a deployment without it would.
    account.run(&account.on("deploy", "orders", &["--yes", "--retries", "7"]), 0);
    account.ask(&["deny", "true"]);
    let fixed = account.json(&account.on("doctor", "orders", &["--fix", "--yes"]), 1);
    assert_eq!(deeds(&fixed), [], "{fixed:#}");
    assert_eq!(fixed["left"][0]["code"], "K2M-N02", "{fixed:#}");
    let step = fixed["left"][0]["fix"][0].as_str().unwrap();
    assert!(step.starts_with("aws ec2 create-network-acl-entry"), "{step}");
    let text = seen(&account.run(&account.on("doctor", "orders", &["--fix", "--yes"]), 1));
    assert!(text.contains("k2m leaves K2M-N02 to you"), "{text}");
    account.ask(&["deny", "false"]);
    account.run(&account.on("doctor", "orders", &[]), 0);
    unchanged(account, &["--retries", "7"], "left");
}

#[test]
fn what_is_gone_of_network_stacks_is_made_again_in_each_region() {
    const HERE: &str = "--region=us-east-1";
    let account = Account::across(&["orders"]);
    let before = [account.ask(&[HERE, "networks"]), account.ask(&["networks"])];
    let vpc = account.vpc.clone().unwrap();
    account.run(&account.on("deploy", "orders", &["--yes", "--vpc", &vpc]), 0);
    let again = "make again, through the stack that it is of: ";
    let faults: [&[&str]; 4] = [
        &["break_ingress", &account.group, "k2m-network"],
        &["break_routes"],
        &[HERE, "break_routes"],
        &["delete_topic", &account.cluster, "orders"],
    ];
    for fault in faults {
        let broken = account.ask(fault);
        assert_ne!(broken["removed"], 0, "{fault:?}");
        let fixed = mended(&account, &[], &format!("{fault:?}"), &[again]);
        assert!(
            fixed["mends"][0]["what"].as_str().unwrap().contains("of k2m-network-"),
            "{fixed:#}"
        );
    }
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    let after = [account.ask(&[HERE, "networks"]), account.ask(&["networks"])];
    assert_eq!(after, before);
    assert_eq!(remains(&account), json!({}));
}

#[test]
fn a_secret_that_the_cluster_forgot_is_associated_again() {
    let account = Account::over_scram(("alice", "hunter2"), &["orders"]);
    let kafka = account.kafka.as_ref().unwrap();
    let authority = std::fs::read_to_string(kafka.ca_file().unwrap()).unwrap();
    let ca = put_secret(&account, "orders-ca", &json!({"certificate": authority}));
    let user = json!({"username": "alice", "password": "hunter2"});
    let secret = put_secret(&account, "AmazonMSK_orders", &user);
    account.ask(&["associate", &account.cluster, &secret]);
    let more = ["--ca-secret", ca.as_str()];
    account.run(&account.on("deploy", "orders", &[&["--yes"][..], &more].concat()), 0);
    account.ask(&["disassociate", &account.cluster, &secret]);
    mended(&account, &more, "disassociated", &["associate the secret"]);
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), json!({}));
}

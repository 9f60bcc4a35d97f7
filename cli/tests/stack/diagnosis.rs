//! A healthy stack is found healthy; each way in which it is broken is named first.

use serde_json::json;

use crate::driver::{Account, seen};

#[test]
fn each_fault_is_named_first() {
    let account = Account::new(&["orders"]);
    account.run(&account.on("deploy", "orders", &["--yes"]), 0);
    let doctor = account.on("doctor", "orders", &[]);
    let healthy = account.json(&doctor, 0);
    assert_eq!(
        (&healthy["health"], &healthy["causes"]),
        (&json!("healthy"), &json!([])),
        "{healthy:#}"
    );

    let named = |code: &str| {
        let found = account.json(&doctor, 1);
        let text = seen(&account.run(&doctor, 1));
        assert_eq!(found["causes"][0]["code"], code, "{found:#}\n{text}");
        text
    };
    let mut table = String::new();

    let before = account.ask(&["set_variable", "k2m-orders", "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9098"]);
    table += &named("K2M-A02");
    let before = before["before"].as_str().unwrap();
    account.ask(&["set_variable", "k2m-orders", "K2M_BOOTSTRAP_SERVERS", before]);

    account.ask(&["set_timeout", "k2m-orders", "5"]);
    table += &named("K2M-L03");
    account.ask(&["set_timeout", "k2m-orders", "60"]);

    account.ask(&["delete_topic", &account.cluster, "orders"]);
    table += &named("K2M-T01");

    account.ask(&["break_ingress", &account.group, "k2m-orders"]);
    table += &named("K2M-N02");
    println!("{table}");
}

//! A Kafka that is not MSK, in a data centre behind a virtual private gateway: no cluster, no rule and no route of k2m's at that side.

use serde_json::{Value, json};

use crate::driver::Account;
use crate::story::remains;

/// Whether no network stack was touched.
fn no_networks(document: &Value) -> bool {
    document["networkStacks"].as_array().is_none_or(Vec::is_empty)
}

#[test]
fn a_data_centre_behind_a_gateway_and_back_to_an_empty_account() {
    let account = Account::outside(&["orders"]);
    let kafka = account.kafka.as_ref().unwrap();
    // By a name that the VPC is taken to resolve into the data centre; here it leads to Kafka.
    let servers = kafka.bootstrap_servers().replace("127.0.0.1", "localhost");
    let before = account.ask(&["networks"]);
    let on = |command: &'static str, more: &[&'static str]| -> Vec<&str> {
        let ends = [
            command,
            "--stream",
            account.stream("orders"),
            "--bootstrap-servers",
            &servers,
            "--broker-cidrs",
            "10.60.4.0/24",
        ];
        [&ends[..], more].concat()
    };

    // Nothing of AWS tells how the brokers are spoken to.
    let unsure = account.json(&on("deploy", &["--yes"]), 2);
    assert!(
        unsure["error"].as_str().unwrap().contains("--authentication"),
        "{unsure:#}"
    );
    // This machine's own address is none that a function finds a broker at.
    let own = on("deploy", &["--yes", "--authentication", "plaintext"]);
    let own: Vec<&str> = own
        .into_iter()
        .filter(|word| !word.contains("cidrs") && !word.contains("/24"))
        .collect();
    let own = account.json(&own, 2);
    assert!(
        own["error"].as_str().unwrap().contains("leads each machine to itself"),
        "{own:#}"
    );
    assert_eq!(remains(&account), json!({}));

    // Of the VPCs that there are one leads to the brokers. The topic, which nothing of AWS can make there, the function makes.
    let first = [
        "--yes",
        "--authentication",
        "plaintext",
        "--create-topic",
        "--topic-replication-factor",
        "1",
    ];
    let deployed = account.json(&on("deploy", &first), 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    assert!(no_networks(&deployed), "{deployed:#}");
    account.ask(&["put", "orders", "0", "1000"]);
    assert_eq!(account.arrived("orders", 1000), (0..1000).collect::<Vec<_>>());
    assert_eq!(account.ask(&["networks"]), before);

    // Nothing has changed: what is deployed says how they are spoken to; and facts from a file say the same.
    let again = account.json(&on("deploy", &["--yes"]), 0);
    assert_eq!(again["status"], "unchanged", "{again:#}");
    let facts = account.json(&on("inspect", &[]), 0);
    assert_eq!(facts["cluster"], json!({"status": "absent"}), "{facts:#}");
    assert_eq!(
        facts["servers"][0]["addresses"],
        json!({"status": "found", "value": ["127.0.0.1"]})
    );
    let file = account.file("facts.json");
    std::fs::write(&file, facts.to_string()).unwrap();
    let offline = [&on("plan", &[])[..], &["--facts", file.to_str().unwrap()]].concat();
    let plan = account.json(&offline, 0);
    assert_eq!(plan["change"]["status"], "none", "{:#}", plan["change"]);

    // The way is judged as far as the gateway, and by the function itself; the stack alone says which servers are meant.
    for doctor in [
        on("doctor", &[]),
        vec!["doctor", "--stack", "k2m-orders", "--region", "eu-west-1"],
    ] {
        let said = account.json(&doctor, 0);
        let checks = said["checks"].as_array().unwrap().iter();
        let way: Vec<&Value> = checks.filter(|check| check["code"] == "K2M-N02").collect();
        assert!(
            way[0]["evidence"][0].as_str().unwrap().contains("as far as vgw-"),
            "{said:#}"
        );
    }
    // What the deployment says to look with finds the same.
    let next = deployed["nextStep"].as_str().unwrap();
    assert!(next.contains(&format!("--bootstrap-servers {servers}")), "{next}");

    // A change is one, and is made in place.
    let changed = account.json(&on("deploy", &["--yes", "--batch-size", "500"]), 0);
    assert_eq!(changed["status"], "updated", "{changed:#}");
    account.ask(&["put", "orders", "1000", "100"]);
    assert_eq!(account.arrived("orders", 1100).len(), 1100);
    // Wider blocks let out further, and nowhere else.
    let mut wider = on("deploy", &["--yes", "--batch-size", "500"]);
    let blocks = wider.iter_mut().find(|word| **word == "10.60.4.0/24").unwrap();
    *blocks = "10.60.0.0/16";
    assert_eq!(account.json(&wider, 0)["status"], "updated");
    assert_eq!(account.json(&wider, 0)["status"], "unchanged");
    account.run(&["doctor", "--stack", "k2m-orders", "--region", "eu-west-1"], 0);

    // Nothing leads there any more: it is told before anything is made.
    account.ask(&["unroute"]);
    let broken = account.json(&on("deploy", &["--yes", "--batch-size", "400"]), 1);
    assert!(
        broken["error"]
            .as_str()
            .unwrap()
            .contains("has no route to 10.60.4.0/24"),
        "{broken:#}"
    );

    let destroyed = account.json(&on("destroy", &["--yes"]), 0);
    assert!(no_networks(&destroyed), "{destroyed:#}");
    assert_eq!(remains(&account), json!({}));
    let absent = account.json(&on("destroy", &["--yes"]), 0);
    assert_eq!(absent["status"], "absent", "{absent:#}");
}

//! The life of a stack, from an empty account to an empty account.

use serde_json::{Value, json};

use crate::driver::{Account, seen};

/// What is left in the account, by kind; only the kinds of which something is left.
pub(crate) fn remains(account: &Account) -> Value {
    let Value::Object(mut all) = account.ask(&["remains"]) else {
        panic!("no object");
    };
    all.retain(|_, names| names.as_array().is_none_or(|names| !names.is_empty()));
    Value::Object(all)
}

#[test]
fn from_an_empty_account_and_back() {
    let account = Account::new(&["orders"]);
    let group = account.ask(&["rules", &account.group]);
    assert_eq!(remains(&account), json!({}));

    // What would be made, and nothing of it is.
    let looks = account.json(&account.on("deploy", "orders", &["--plan", "--retries", "2"]), 3);
    assert_eq!(looks["change"], "create", "{looks:#}");
    assert!(looks["changes"].as_array().unwrap().len() > 5, "{looks:#}");
    assert_eq!(remains(&account), json!({}));

    // Whoever keeps a log of it reads no more than a page or two.
    let deploy = account.on("deploy", "orders", &["--yes", "--retries", "2"]);
    let output = account.run(&deploy, 0);
    let log = seen(&output);
    let lines = output
        .stdout
        .iter()
        .chain(&output.stderr)
        .filter(|byte| **byte == b'\n')
        .count();
    assert!(lines < 60, "{lines} lines:\n{log}");
    assert!(log.contains("event source mapping"), "{log}");

    account.ask(&["put", "orders", "0", "5000"]);
    let poison = account.ask(&["poison", "orders"]);
    account.ask(&["put", "orders", "5000", "5000"]);
    let numbers = account.arrived("orders", 10_000);
    assert_eq!(numbers, (0..10_000).collect::<Vec<_>>());

    // The one record that no topic takes is named, and nothing else.
    let failures = account.failures("k2m-orders");
    assert_eq!(failures.len(), 1, "{failures:#?}");
    let named = &failures[0]["KinesisBatchInfo"];
    assert_eq!(
        (
            &named["startSequenceNumber"],
            &named["endSequenceNumber"],
            &named["batchSize"]
        ),
        (&poison["sequenceNumber"], &poison["sequenceNumber"], &json!(1)),
        "{failures:#?}"
    );

    // Nothing has changed, so nothing would.
    let again = account.json(&deploy, 0);
    assert_eq!(again["status"], "unchanged", "{again:#}");
    // Another starting position would make the mapping anew: that is refused.
    let elsewhere = [&deploy[..], &["--starting-position", "LATEST", "--topic", "orders"]].concat();
    let refused = account.json(&elsewhere, 1);
    assert!(
        refused["error"].as_str().unwrap().contains("would lose a position"),
        "{refused:#}"
    );
    let same = [
        &deploy[..],
        &["--starting-position", "TRIM_HORIZON", "--topic", "orders"],
    ]
    .concat();
    let same = account.json(&same, 0);
    assert_eq!(same["status"], "unchanged", "{same:#}");
    let next = same["nextStep"].as_str().unwrap();
    assert!(next.contains("--topic orders") && !next.contains("--stack"), "{next}");
    let facts = account.run(&account.on("inspect", "orders", &["-o", "json"]), 0).stdout;
    let file = account.file("facts.json");
    std::fs::write(&file, &facts).unwrap();
    let plan = account.on("plan", "orders", &["--retries", "2", "--facts", file.to_str().unwrap()]);
    let plan = account.json(&plan, 0);
    assert_eq!(plan["change"]["status"], "none", "{:#}", plan["change"]);

    // A change is told with its values, and only told.
    let looks = ["--plan", "--retries", "2", "--batch-size", "500"];
    let looks = account.json(&account.on("deploy", "orders", &looks), 3);
    let change = |kind: &str| {
        let mut changes = looks["changes"].as_array().unwrap().iter();
        changes.find(|change| change["resourceType"] == kind).cloned()
    };
    let batch_size = json!({"path": "BatchSize", "before": "1000", "after": "500", "replaces": false});
    let mapping = change("AWS::Lambda::EventSourceMapping").unwrap_or_else(|| panic!("{looks:#}"));
    assert_eq!(mapping["properties"], json!([batch_size]), "{looks:#}");
    assert!(looks["unchanged"].as_u64().unwrap() > 5, "{looks:#}");
    let none = account.json(&account.on("deploy", "orders", &["--plan", "--retries", "2"]), 0);
    assert_eq!(none["change"], "none", "{none:#}");
    assert_eq!(
        account.ask(&["stacks"]),
        json!({"k2m-orders": {"changeSets": [], "status": "CREATE_COMPLETE"}})
    );

    // A change is one, and is made in place.
    let changed = account.on("deploy", "orders", &["--yes", "--retries", "2", "--batch-size", "500"]);
    let changed = account.json(&changed, 0);
    assert_eq!(changed["status"], "updated", "{changed:#}");
    account.ask(&["put", "orders", "10000", "100"]);
    account.arrived("orders", 10_100);

    let destroy = account.on("destroy", "orders", &["--yes"]);
    account.run(&destroy, 0);
    assert_eq!(remains(&account), json!({}));
    assert_eq!(account.ask(&["rules", &account.group]), group);
    // Once more is no error.
    account.run(&destroy, 0);

    // The topic is still there, and is used as it is.
    let deployed = account.json(&deploy, 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    account.ask(&["put", "orders", "10100", "100"]);
    account.arrived("orders", 10_200);
    account.run(&destroy, 0);
    assert_eq!(remains(&account), json!({}));
    assert_eq!(account.ask(&["rules", &account.group]), group);
}

#[test]
fn two_stacks_on_one_cluster_do_not_need_each_other() {
    let account = Account::new(&["orders", "clicks"]);
    let group = account.ask(&["rules", &account.group]);
    for (gone, left) in [("orders", "clicks"), ("clicks", "orders")] {
        for stream in ["orders", "clicks"] {
            account.run(&account.on("deploy", stream, &["--yes"]), 0);
        }
        account.run(&account.on("destroy", gone, &["--yes"]), 0);
        account.run(&account.on("doctor", left, &[]), 0);
        let offset = if left == "clicks" { "0" } else { "1000" };
        account.ask(&["put", left, offset, "1000"]);
        let numbers = account.arrived(left, 1000);
        assert_eq!(numbers.len(), 1000);
        account.run(&account.on("destroy", left, &["--yes"]), 0);
        assert_eq!(remains(&account), json!({}));
        assert_eq!(account.ask(&["rules", &account.group]), group);
    }
}

#[test]
fn a_dead_letter_topic_is_made_with_the_stack_and_stays() {
    let account = Account::new(&["orders"]);
    let divert = ["--on-poison", "divert"];
    let seen = || {
        let facts = account.json(&account.on("inspect", "orders", &divert), 0);
        facts["topics"]["orders-dead-letter"].clone()
    };
    assert_eq!(seen(), json!({"status": "absent"}));

    let deploy = account.on("deploy", "orders", &["--yes", "--on-poison", "divert"]);
    let deployed = account.json(&deploy, 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    let topic = seen();
    let (settings, partitions) = (&topic["value"]["settings"], &topic["value"]["partitions"]);
    assert_eq!(
        (&settings["max.message.bytes"], partitions),
        (&json!("11534336"), &json!(1)),
        "{topic:#}"
    );
    account.ask(&["put", "orders", "0", "1000"]);
    account.arrived("orders", 1000);

    // Nothing has changed; and the stack's name is enough to find the dead-letter topic.
    let plan = account.json(&account.on("plan", "orders", &divert), 0);
    assert_eq!(plan["change"]["status"], "none", "{:#}", plan["change"]);
    account.run(&["doctor", "--stack", "k2m-orders", "--region", "eu-west-1"], 0);

    // Without it the stack lets the topic go, and the cluster keeps it.
    let block = account.json(&account.on("deploy", "orders", &["--yes"]), 0);
    assert_eq!(block["status"], "updated", "{block:#}");
    assert_eq!(seen(), topic);
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), json!({}));
    assert_eq!(seen(), topic);
}

#[test]
fn pipelines_of_one_stack_come_and_go_by_themselves() {
    let account = Account::new(&["orders", "clicks"]);
    let group = account.ask(&["rules", &account.group]);
    let write = |streams: &[&str]| {
        let pipelines = streams
            .iter()
            .map(|name| format!("  - stream: {}\n", account.stream(name)));
        let of_all = format!(
            "cluster: {}\nstack: shop\nretries: 2\ncreate_topic: true\non_poison: divert\ndead_letter_topic: dead-letters\npipelines:\n",
            account.cluster
        );
        std::fs::write(account.file("k2m.yaml"), of_all + &pipelines.collect::<String>()).unwrap();
    };
    let topics = || account.json(&["inspect"], 0)["topics"].clone();

    write(&["orders", "clicks"]);
    assert_eq!(topics()["dead-letters"], json!({"status": "absent"}));
    let deployed = account.json(&["deploy", "--yes"], 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    assert_eq!(deployed["warnings"], json!([]), "{deployed:#}");
    // Each begins after the topic for dead letters is there, which one of them brings.
    assert_eq!(topics()["dead-letters"]["status"], "found");
    for stream in ["orders", "clicks"] {
        account.ask(&["put", stream, "0", "1000"]);
    }
    for topic in ["orders", "clicks"] {
        assert_eq!(account.arrived(topic, 1000), (0..1000).collect::<Vec<_>>());
    }

    // Nothing has changed; and what the deployment says to look with finds both.
    let plan = account.json(&["plan"], 0);
    assert_eq!(plan["change"]["status"], "none", "{:#}", plan["change"]);
    let next = deployed["nextStep"].as_str().unwrap();
    let (_, rest) = next.split_once("`k2m ").unwrap();
    let (doctor, _) = rest.split_once('`').unwrap();
    std::fs::rename(account.file("k2m.yaml"), account.file("other.yaml")).unwrap();
    let found = account.json(&doctor.split(' ').collect::<Vec<_>>(), 0);
    std::fs::rename(account.file("other.yaml"), account.file("k2m.yaml")).unwrap();
    let judged: Vec<&Value> = found["pipelines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["stream"])
        .collect();
    assert_eq!(judged, ["clicks", "orders"], "{found:#}");

    // A flag chooses among the pipelines of the file, and must not take the others away.
    let arguments = ["deploy", "--yes", "--stream", account.stream("clicks")];
    account.run(&arguments, 2);

    // One goes, and the other goes on from where it was.
    write(&["clicks"]);
    let plan = account.json(&["plan"], 3);
    assert_eq!(plan["removed"][0]["stream"], account.stream("orders"), "{plan:#}");
    // It has a position, so it is named, and no question is enough.
    for arguments in [&["deploy"][..], &["deploy", "--yes"], &["deploy", "--plan"]] {
        let refused = account.json(arguments, 1);
        let said = refused["error"].as_str().unwrap();
        assert!(
            said.contains("orders: the settings don't name it") && said.contains("--remove orders"),
            "{said}"
        );
    }
    let updated = account.json(&["deploy", "--yes", "--remove", "orders"], 0);
    assert_eq!(updated["status"], "updated", "{updated:#}");
    account.ask(&["put", "clicks", "1000", "1000"]);
    account.ask(&["put", "orders", "1000", "1000"]);
    assert_eq!(account.arrived("clicks", 2000), (0..2000).collect::<Vec<_>>());
    assert_eq!(account.arrived("orders", 1000).len(), 1000);
    assert_eq!(account.json(&["doctor"], 0)["health"], "healthy");
    assert_eq!(account.json(&["plan"], 0)["change"]["status"], "none");

    account.run(&["destroy", "--yes"], 0);
    assert_eq!(remains(&account), json!({}));
    assert_eq!(account.ask(&["rules", &account.group]), group);
}

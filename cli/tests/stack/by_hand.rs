//! What was changed by hand behind the stack's back: `k2m deploy` says of each what becomes of it, and that is what becomes of it.

use serde_json::{Value, json};

use crate::driver::{Account, seen};
use crate::from_nothing::as_it_is;

const STACK: &str = "k2m-orders";
/// Runs a command that k2m prints.
const COMMAND: &str = include_str!("../aws/command.py");

/// Each property that was changed by hand: what is there, what the new template says, and what becomes of it.
fn told(document: &Value) -> Vec<(&str, &Value, &Value, &str)> {
    let all = document["drift"].as_array().into_iter().flatten();
    all.map(|one| {
        (
            one["property"].as_str().unwrap(),
            &one["byHand"],
            &one["planned"],
            one["becomes"].as_str().unwrap(),
        )
    })
    .collect()
}

/// What `--plan` says of it; the deployment says the same, and then does so.
fn deployed(account: &Account, more: &[&str], code: i32) -> Value {
    let looked = account.json(&account.on("deploy", "orders", &[&["--plan"], more].concat()), code);
    let deployed = account.json(&account.on("deploy", "orders", &[&["--yes"], more].concat()), 0);
    let (before, after) = (told(&looked), told(&deployed));
    assert_eq!(before, after, "{looked:#}");
    looked
}

fn variables(account: &Account) -> Value {
    let all = account.call("lambda", "list_functions", &json!({}));
    all["Functions"][0]["Environment"]["Variables"].clone()
}

#[test]
fn what_is_said_of_it_is_what_happens() {
    let account = Account::without_kafka(&["orders"]);
    let created = account.json(&account.on("deploy", "orders", &["--yes"]), 0);
    assert_eq!(told(&created), [], "{created:#}");
    let (_, mapping, _) = as_it_is(&account);
    account.ask(&["set_function", STACK, r#"{"MemorySize": 512}"#]);
    account.ask(&["set_mapping", STACK, r#"{"BatchSize": 50}"#]);

    // Nothing is deployed otherwise, so all of it stays.
    let (by_hand, batch_size) = (json!(512), json!(50));
    let looked = deployed(&account, &[], 0);
    assert_eq!(
        told(&looked),
        [
            ("MemorySize", &json!("512"), &json!("256"), "stays"),
            ("BatchSize", &json!("50"), &json!("1000"), "stays"),
        ]
    );
    assert_eq!(as_it_is(&account), (by_hand, mapping.clone(), batch_size.clone()));

    // What the template has otherwise now is overwritten, and the other resource is left alone. People see both before they are asked.
    let memory = ["--memory", "1024"];
    let asked = seen(&account.run(&account.on("deploy", "orders", &memory), 2));
    for line in [
        "function for orders: MemorySize is 512, the template says 256; overwritten with 1024",
        "event source mapping for orders: BatchSize is 50, the template says 1000; stays",
        "to keep MemorySize as it is now: `memory: 512`",
        "to take back what stays of the event source mapping for orders: `aws lambda update-event-source-mapping",
    ] {
        assert!(asked.contains(line), "{line}\n{asked}");
    }
    let plan = account.json(&account.on("plan", "orders", &memory), 3);
    assert_eq!(told(&plan)[0].3, "overwritten", "{plan:#}");
    let looked = deployed(&account, &memory, 3);
    assert_eq!(
        told(&looked),
        [
            ("MemorySize", &json!("512"), &json!("1024"), "overwritten"),
            ("BatchSize", &json!("50"), &json!("1000"), "stays"),
        ]
    );
    assert_eq!(as_it_is(&account), (json!(1024), mapping.clone(), batch_size.clone()));

    // Whoever wants to keep it says so.
    let keep = [&memory[..], &["--batch-size", "50"]].concat();
    let looked = deployed(&account, &keep, 3);
    assert_eq!(
        told(&looked),
        [("BatchSize", &json!("50"), &json!("50"), "adopted")],
        "{looked:#}"
    );
    assert_eq!(told(&deployed(&account, &keep, 0)), []);

    // Whoever does not takes it back with the command that is said.
    account.ask(&["set_mapping", STACK, r#"{"BatchSize": 10}"#]);
    let looked = deployed(&account, &keep, 0);
    let command = looked["drift"][0]["takeBack"][0].as_str().unwrap();
    account.emulator.python(COMMAND, &[command]).unwrap();
    assert_eq!(as_it_is(&account), (json!(1024), mapping, batch_size));
    assert_eq!(told(&deployed(&account, &keep, 0)), []);

    // Variables go together, and what they hold that are not k2m's is nobody's business.
    account.ask(&["set_variable", STACK, "DB_PASSWORD", "hunter2-the-only"]);
    let longer = [&keep[..], &["--timeout", "90"]].concat();
    let output = seen(&account.run(&account.on("deploy", "orders", &[&["--plan"], &longer[..]].concat()), 3));
    assert!(!output.contains("hunter2"), "{output}");
    let looked = deployed(&account, &longer, 3);
    assert_eq!(
        told(&looked),
        [(
            "Environment.Variables.DB_PASSWORD",
            &json!("(not shown)"),
            &Value::Null,
            "overwritten"
        )]
    );
    let left = variables(&account);
    assert_eq!(
        (&left["DB_PASSWORD"], &left["K2M_TIMEOUT_MS"]),
        (&Value::Null, &json!("90000"))
    );
}

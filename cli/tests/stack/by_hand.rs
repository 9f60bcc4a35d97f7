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

/// What a document says of what is gone: the resource, and what becomes of it.
fn gone(document: &Value) -> Vec<(&str, &str)> {
    let all = document["drift"].as_array().into_iter().flatten();
    let all = all.filter(|one| one["property"].is_null());
    all.map(|one| (one["resourceType"].as_str().unwrap(), one["becomes"].as_str().unwrap()))
        .collect()
}

/// What is warned of as broken.
fn broken(document: &Value) -> Vec<&str> {
    let all = document["planWarnings"].as_array().unwrap().iter();
    let all = all.map(|warning| warning.as_str().unwrap());
    all.filter(|warning| warning.contains("as it is deployed now"))
        .collect()
}

/// Has doctor mend what the deployment does not, which is good again then.
fn mended(account: &Account) {
    account.json(&account.on("doctor", "orders", &["--fix", "--yes"]), 0);
    let looked = account.json(&account.on("deploy", "orders", &["--plan"]), 0);
    assert_eq!((gone(&looked), broken(&looked)), (vec![], vec![]), "{looked:#}");
}

#[test]
fn what_is_gone_is_told_and_no_deployment_calls_it_good() {
    const FUNCTION: (&str, &str) = ("AWS::Lambda::Function", "staysGone");
    const MAPPING: (&str, &str) = ("AWS::Lambda::EventSourceMapping", "staysGone");
    let account = Account::new(&["orders"]);
    account.run(&account.on("deploy", "orders", &["--yes"]), 0);
    let looked = |more: &[&str], code| {
        let plan = [&["--plan"], more].concat();
        account.json(&account.on("deploy", "orders", &plan), code)
    };
    let deployed = |more: &[&str], code| {
        let yes = [&["--yes"], more].concat();
        let deployed = account.json(&account.on("deploy", "orders", &yes), code);
        assert_eq!(deployed["status"], "unchanged", "{deployed:#}");
        deployed
    };

    // A mapping that is disabled by hand stays so: nothing waits for it, and nothing is put into a stream that nobody reads.
    account.ask(&["set_enabled", STACK, "false"]);
    let disabled = deployed(&["--verify"], 4);
    let one = &disabled["verified"][0];
    assert_eq!(
        (&one["probe"]["verdict"], &one["canary"]["verdict"], &one["flight"]),
        (&json!("verified"), &json!("unknown"), &Value::Null),
        "{disabled:#}"
    );
    let warnings = disabled["warnings"].to_string();
    assert!(warnings.contains("was disabled by hand"), "{warnings}");
    assert!(!warnings.contains("not yet Enabled"), "{warnings}");
    let command = one["canary"]["fix"][0].as_str().unwrap();
    account.emulator.python(COMMAND, &[command]).unwrap();
    deployed(&["--verify"], 0);

    // The topic is gone.
    account.ask(&["delete_topic", &account.cluster, "orders"]);
    let doctor = "--fix` mends it";
    let planned = looked(&["--create-topic", "true"], 1)["planWarnings"].to_string();
    assert!(planned.contains("K2M-T01") && planned.contains(doctor), "{planned}");
    let without = deployed(&["--create-topic", "true"], 1);
    let warnings = without["warnings"].to_string();
    assert!(warnings.contains("the topic orders is gone"), "{warnings}");
    mended(&account);

    // What is deployed does not write to the topic that is made now.
    let other = looked(&["--topic", "orders2", "--create-topic", "true"], 3);
    assert_eq!(broken(&other), [""; 0], "{other:#}");

    // The mapping is gone.
    account.ask(&["delete_mapping", STACK]);
    let planned = looked(&[], 1);
    assert_eq!(gone(&planned), [MAPPING], "{planned:#}");
    let helps = planned["drift"][0]["takeBack"][0].as_str().unwrap();
    assert_eq!(
        helps, "k2m doctor --stack k2m-orders --region eu-west-1 --fix",
        "{planned:#}"
    );
    let said = seen(&account.run(&account.on("deploy", "orders", &["--plan"]), 1));
    for words in [
        "event source mapping for orders: it is gone",
        "to have the event source mapping for orders again:",
        "The stack is not as it should be",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let unread = deployed(&["--verify"], 1);
    assert_eq!(gone(&unread), [MAPPING], "{unread:#}");
    let one = &unread["verified"][0];
    assert_eq!(
        (&one["verdict"], &one["flight"]),
        (&json!("failed"), &Value::Null),
        "{unread:#}"
    );
    mended(&account);

    // Both are gone.
    account.ask(&["delete_mapping", STACK]);
    let functions = account.call("lambda", "list_functions", &json!({}));
    let name = json!({"FunctionName": functions["Functions"][0]["FunctionName"]});
    account.call("lambda", "delete_function", &name);
    assert_eq!(gone(&looked(&[], 1)), [FUNCTION, MAPPING]);
    let without = deployed(&[], 1);
    assert_eq!(gone(&without), [FUNCTION, MAPPING], "{without:#}");
    let warnings = without["warnings"].to_string();
    assert!(warnings.contains("the function for orders is gone"), "{warnings}");

    // What was delivered before is known all the same.
    let destroyed = account.json(&account.on("destroy", "orders", &["--yes"]), 0);
    let why = destroyed["resume"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("its mapping is gone already; "), "{destroyed:#}");
}

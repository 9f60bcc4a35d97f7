//! A healthy stack is found healthy; each way in which it is broken is named first, and what doctor prints against it mends it.

use k2m_testkit::wait_until;
use serde_json::{Value, json};

use crate::driver::{Account, PATIENCE, seen};

/// Runs a command that doctor prints.
const COMMAND: &str = include_str!("../aws/command.py");

#[test]
fn each_fault_is_named_first_and_its_fix_mends_it() {
    let account = Account::new(&["orders"]);
    account.run(&account.on("deploy", "orders", &["--yes"]), 0);
    let doctor = account.on("doctor", "orders", &[]);
    let healthy = |after: &str| {
        // Lambda takes a moment to be done with a change, which doctor warns of.
        let mut found = Value::Null;
        let waited = wait_until("all is well", PATIENCE, || {
            found = account.json(&doctor, 0);
            // The function itself has been asked, and found nothing.
            let asked = |check: &Value| check["code"].as_str().is_some_and(|code| code.starts_with("K2M-P"));
            let well = |check: &Value| check["result"] == "pass" || (check["result"] == "skip" && !asked(check));
            Ok(found["health"] == "healthy" && found["checks"].as_array().unwrap().iter().all(well))
        });
        assert!(waited.is_ok(), "{after}: {found:#}");
    };
    healthy("deploy");
    // The stack says which pipeline it is.
    let all = account.json(&["doctor", "--stack", "k2m-orders"], 0);
    // What has happened may differ from one look to the next: the function was asked in between.
    let judged = |found: &Value| {
        let checks = found["checks"].as_array().unwrap().iter();
        let codes = checks.map(|check| check["code"].clone());
        json!([found["health"], found["causes"], codes.collect::<Vec<_>>()])
    };
    assert_eq!(judged(&all), judged(&account.json(&doctor, 0)));
    let none = seen(&account.run(&["doctor", "--stack", "k2m-clicks"], 1));
    assert!(none.contains("no stack k2m-clicks of k2m is in eu-west-1"), "{none}");

    what_only_the_function_can_see(&account, &doctor);
    healthy("a broker that hung");

    let stack = "k2m-orders";
    let faults: [(&[&str], &str); 6] = [
        (
            &["set_variable", stack, "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9098"],
            "K2M-A02",
        ),
        (&["set_timeout", stack, "5"], "K2M-L03"),
        (&["set_enabled", stack, "false"], "K2M-E02"),
        (&["delete_topic", &account.cluster, "orders"], "K2M-T01"),
        (&["break_ingress", &account.group, stack], "K2M-N02"),
        (&["delete_mapping", stack], "K2M-E02"),
    ];
    for (fault, code) in faults {
        account.ask(fault);
        // The template is still the deployed one, but that is not all there is to say.
        let planned = account.json(&account.on("plan", "orders", &[]), 0);
        let warnings = planned["warnings"].to_string();
        assert!(
            warnings.contains("as it is deployed now") && warnings.contains(code),
            "{warnings}"
        );
        let outside = mend(&account, &doctor, code);
        assert!(outside.contains("changed outside the stack"), "{outside}");
        healthy(code);
    }

    // What was deployed so is no change outside, and a deployment mends it.
    account.run(&account.on("deploy", "orders", &["--yes", "--timeout", "5"]), 0);
    let deployed = mend(&account, &doctor, "K2M-L03");
    assert!(!deployed.contains("outside"), "{deployed}");
    healthy("K2M-L03, deployed");
}

/// A broker that hangs: AWS says that all is well, and the function that it does not answer.
fn what_only_the_function_can_see(account: &Account, doctor: &[&str]) {
    let kafka = account.kafka.as_ref().unwrap();
    kafka.pause(1).unwrap();
    let found = account.json(doctor, 1);
    assert_eq!(found["causes"][0]["code"], "K2M-P01", "{found:#}");
    let text = seen(&account.run(doctor, 1));
    assert!(
        text.contains("Broken: the function says: ") && text.contains("the broker hangs"),
        "{text}"
    );
    let unasked = [doctor, &["--no-probe"]].concat();
    let text = seen(&account.run(&unasked, 0));
    assert!(text.contains("skip  K2M-P01") && text.contains("--no-probe"), "{text}");
    kafka.resume(1).unwrap();
}

/// Asks doctor, which must name this first, and runs the commands that it prints: an alternative is not tried. Gives the evidence.
fn mend(account: &Account, doctor: &[&str], code: &str) -> String {
    let found = account.json(doctor, 1);
    let text = seen(&account.run(doctor, 1));
    assert_eq!(found["causes"][0]["code"], code, "{found:#}\n{text}");
    let checks = found["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["code"] == code).unwrap();
    let steps = check["fix"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step.as_str().unwrap());
    let mut commands = 0;
    // What k2m does itself has its own tests: here it is done by hand, as far as that goes.
    let by_hand = steps.clone().any(|step| step == "or by hand:");
    let steps = steps
        .skip_while(|step| by_hand && *step != "or by hand:")
        .skip(usize::from(by_hand));
    for step in steps.take_while(|step| !step.starts_with("or ")) {
        if step.starts_with("aws ") {
            account.emulator.python(COMMAND, &[step]).unwrap();
        } else if step.starts_with("k2m ") {
            let words = account.ask(&["words", step]);
            let words = words.as_array().unwrap().iter().map(|word| word.as_str().unwrap());
            let arguments: Vec<&str> = words.skip(1).chain(["--yes"]).collect();
            account.run(&arguments, 0);
        } else {
            continue;
        }
        commands += 1;
    }
    assert_ne!(commands, 0, "{text}");
    json!(check["evidence"]).to_string()
}

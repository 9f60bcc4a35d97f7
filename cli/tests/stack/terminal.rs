//! `k2m deploy` and `k2m destroy` as somebody sees them who sits at a terminal: what they are asked, what is drawn, and what stands there in the end.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k2m_testkit::{Terminal, wait_until};
use serde_json::json;

use crate::bad_input::settings;
use crate::office::Office;
use crate::proxy::{PATIENCE, Proxy, Verdict};
use crate::story::remains;

const CTRL_C: &str = "\u{3}";
const STACK: &str = "k2m-orders";

/// A terminal of so many columns that a command runs at.
pub(crate) fn sit(command: &Command, columns: u16) -> Terminal {
    Terminal::start(command, columns, 50).unwrap()
}

/// The end of the command, which leaves the terminal as it was.
pub(crate) fn ended(terminal: &mut Terminal, code: i32) {
    let status = terminal.wait().unwrap();
    assert_eq!(status.code(), Some(code), "{}", terminal.all());
    wait_until("the terminal is as it was", Duration::from_secs(10), || {
        Ok(terminal.is_as_before())
    })
    .unwrap();
}

/// Types a line for each question, and gives what stands on the screen in the end, which `last` is the last of.
fn answered(command: &Command, columns: u16, answers: &[(&str, &str)], code: i32, last: &str) -> String {
    let mut terminal = sit(command, columns);
    for (question, answer) in answers {
        terminal.wait_for(question).unwrap();
        terminal.type_at_once(&format!("{answer}\r")).unwrap();
    }
    ended(&mut terminal, code);
    terminal.wait_for(last).unwrap();
    terminal.all()
}

/// Whether a line is an output of the stack: a name of letters and digits, and a value without blanks.
fn is_output(key: &str, value: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_uppercase())
        && key.chars().all(|letter| letter.is_ascii_alphanumeric())
        && !value.contains(' ')
}

/// Compares a screen with what it was before; times are as wide as ever.
fn check(name: &str, screen: &str, columns: usize) {
    let mut settings = settings();
    settings.add_filter(r"(?m)\b\d:\d\d$", "t:tt");
    // The rest of the zones, in the order of the subnets' ids.
    settings.add_filter(r"\nsubnets: \[subnets\](\n  .*)*", "\nsubnets: [subnets]");
    // The terminal breaks only what is to be copied whole: commands, and the stack's outputs.
    let whole = |line: &str| {
        line.contains('`')
            // A value that stands below its key.
            || !line.trim_start().contains(' ')
            || line
                .trim_start()
                .split_once("  ")
                .is_some_and(|(key, value)| is_output(key, value.trim_start()))
    };
    let fits = |line: &str| line.chars().count() <= columns || whole(line);
    assert!(screen.lines().all(fits), "{screen}");
    settings.bind(|| insta::assert_snapshot!(name, screen));
}

#[test]
fn who_sees_each_call_or_nothing_sees_no_tree() {
    let office = Office::new();
    let seen = answered(&office.deploy(&["--yes", "--verbose"]), 80, &[], 0, "records can flow");
    let lines = |of: &str| seen.lines().filter(|line| line.contains(of)).count();
    assert!(lines("aws: ") > 10, "{seen}");
    // Each transition has a line of its own, and none is drawn again.
    assert_eq!(lines("made: event source mapping"), 1, "{seen}");
    let changed = ["--yes", "--quiet", "--batch-size", "500"];
    let seen = answered(&office.deploy(&changed), 80, &[], 0, "records can flow");
    assert!(
        seen.starts_with("The stack k2m-orders in eu-west-1 is updated."),
        "{seen}"
    );
}

#[test]
fn a_stack_comes_changes_and_goes() {
    let office = Office::new();
    let created = answered(&office.deploy(&[]), 80, &[("[y/N]", "y")], 0, "records can flow");
    check("created", &created, 80);

    let before = office.account.ask(&["stacks"]);
    let change = ["--batch-size", "500"];
    let declined = answered(&office.deploy(&change), 80, &[("[y/N]", "n")], 1, "as it was");
    check("change_declined", &declined, 80);
    for columns in [80, 160] {
        let looked = office.deploy(&[&["--plan"], &change[..]].concat());
        let looked = answered(&looked, columns, &[], 3, "deploys it.");
        check(&format!("change_looked_at_{columns}"), &looked, usize::from(columns));
    }
    assert_eq!(office.account.ask(&["stacks"]), before);

    let changed = answered(&office.deploy(&change), 160, &[("[y/N]", "y")], 0, "records can flow");
    check("changed_at_160", &changed, 160);

    let destroyed = answered(
        &office.on(&["destroy"]),
        80,
        &[("[y/N]", "y")],
        0,
        "artifact bucket removed: ",
    );
    check("destroyed", &destroyed, 80);
    assert_eq!(remains(&office.account), json!({}));
}

#[test]
fn a_deployment_fails_and_is_replaced() {
    let office = Office::new();
    let proxy = Proxy::start(&office.account.emulator.endpoint(), |call| {
        if call.is("cloudformation", "ExecuteChangeSet") {
            Verdict::Hold
        } else {
            Verdict::Pass
        }
    });
    let mut command = office.deploy(&[]);
    command.env("AWS_ENDPOINT_URL", proxy.endpoint());
    let mut terminal = sit(&command, 80);
    terminal.wait_for("[y/N]").unwrap();
    terminal.type_at_once("y\r").unwrap();
    wait_until("the change set is to be executed", PATIENCE, || Ok(proxy.held() > 0)).unwrap();
    office.account.ask(&["lose_code"]);
    proxy.release();
    ended(&mut terminal, 1);
    terminal.wait_for("replaces the stack").unwrap();
    check("failed", &terminal.all(), 80);
    assert_eq!(office.account.ask(&["stacks"])[STACK]["status"], "ROLLBACK_COMPLETE");

    let answers = [("to create it again? [y/N]", "y"), ("Deploy", "y")];
    let replaced = answered(&office.deploy(&[]), 80, &answers, 0, "records can flow");
    check("replaced", &replaced, 80);
}

/// What is made stays under way until somebody wants it deleted.
fn slow(office: &Office, holds_deletion: bool) -> Proxy {
    let deleted = Arc::new(AtomicBool::new(false));
    Proxy::start(&office.account.emulator.endpoint(), move |call| {
        let over = deleted.fetch_or(call.is("cloudformation", "DeleteStack"), Ordering::SeqCst);
        if call.is("cloudformation", "DeleteStack") && holds_deletion {
            return Verdict::Hold;
        }
        let told = ["DescribeStacks", "DescribeStackEvents"];
        if !over && told.iter().any(|operation| call.is("cloudformation", operation)) {
            Verdict::Mask("CREATE_COMPLETE", "CREATE_IN_PROGRESS")
        } else {
            Verdict::Pass
        }
    })
}

/// Begins a deployment, and waits until all of it is under way.
fn under_way(office: &Office, proxy: &Proxy) -> Terminal {
    let mut command = office.deploy(&[]);
    command.env("AWS_ENDPOINT_URL", proxy.endpoint());
    let mut terminal = sit(&command, 80);
    terminal.wait_for("[y/N]").unwrap();
    terminal.type_at_once("y\r").unwrap();
    wait_until("the stack is made", PATIENCE, || {
        Ok(office.account.ask(&["stacks"])[STACK]["status"] == "CREATE_COMPLETE")
    })
    .unwrap();
    terminal.wait_for("· alarm on dropped").unwrap();
    terminal
}

#[test]
fn ctrl_c_takes_back_what_is_being_created() {
    let office = Office::new();
    let proxy = slow(&office, false);
    let mut terminal = under_way(&office, &proxy);
    terminal.type_at_once(CTRL_C).unwrap();
    ended(&mut terminal, 130);
    terminal.wait_for("begin anew").unwrap();
    check("cancelled", &terminal.all(), 80);
    assert_eq!(office.account.ask(&["stacks"]), json!({}));
    drop(proxy);

    // The second leaves.
    let proxy = slow(&office, true);
    let mut terminal = under_way(&office, &proxy);
    terminal.type_at_once(CTRL_C).unwrap();
    terminal.wait_for("once more leaves").unwrap();
    wait_until("the stack is to be deleted", PATIENCE, || Ok(proxy.held() > 0)).unwrap();
    terminal.type_at_once(CTRL_C).unwrap();
    ended(&mut terminal, 130);
    terminal.wait_for("go on from there").unwrap();
    check("left", &terminal.all(), 80);
    drop(proxy);

    // It comes back to it.
    let again = answered(&office.deploy(&[]), 80, &[], 0, "records can flow");
    check("come_back", &again, 80);
}

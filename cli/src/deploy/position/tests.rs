//! Who loses a position, row by row, and the words of each refusal.

use std::fmt::Write as _;

use super::*;
use crate::deploy::port::{Context, PropertyChange};
use crate::exit::Exit;
use crate::facts::Unreadable;
use crate::plan::sample::sample;
use crate::plan::{CONSUMER, Removed};

const STACK: &str = "shop";

fn stream(name: &str) -> String {
    format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{name}")
}

fn deployed(name: &str, id: &str, live: bool) -> Deployed {
    Deployed {
        id: id.to_owned(),
        stream: stream(name),
        live,
    }
}

fn both(live: bool) -> Vec<Deployed> {
    vec![deployed("clicks", "Clicks", live), deployed("orders", "Orders", live)]
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn begins(name: &str) -> Loss {
    Loss {
        stream: stream(name),
        setting: STARTING_POSITION,
        asked: "LATEST".to_owned(),
        by: "k2m.yaml:7".to_owned(),
        deployed: "TRIM_HORIZON".to_owned(),
    }
}

fn reads(name: &str) -> Loss {
    Loss {
        stream: stream(name),
        setting: CONSUMER,
        asked: format!("{}/consumer/k2m:1700000000", stream(name)),
        by: "--consumer".to_owned(),
        deployed: stream(name),
    }
}

fn plan(losses: Vec<Loss>, removed: &[&str]) -> Plan {
    let removed = removed.iter().map(|name| Removed {
        stream: stream(name),
        topic: None,
    });
    Plan {
        stack: STACK.to_owned(),
        losses,
        removed: removed.collect(),
        ..sample()
    }
}

/// Its name; what the plan loses and removes, whether mappings are live, `--allow-position-loss`, `--remove`; whether it passes, who begins anew, who of them in two
/// steps, whose position goes.
type Row<'a> = (
    &'a str,
    Vec<Loss>,
    &'a [&'a str],
    bool,
    Vec<&'a str>,
    &'a [&'a str],
    bool,
    &'a [&'a str],
    &'a [&'a str],
    &'a [&'a str],
);

#[test]
#[expect(clippy::too_many_lines, reason = "a row a case")]
fn a_position_goes_only_where_there_is_none_or_where_it_was_named() {
    let arn = stream("orders");
    let nothing: &[&str] = &[];
    let rows: Vec<Row<'_>> = vec![
        (
            "nothing is asked for",
            vec![],
            nothing,
            true,
            vec![],
            nothing,
            true,
            nothing,
            nothing,
            nothing,
        ),
        (
            "another beginning",
            vec![begins("orders")],
            nothing,
            true,
            vec![],
            nothing,
            false,
            nothing,
            nothing,
            &["orders"],
        ),
        (
            "another is allowed",
            vec![begins("orders")],
            nothing,
            true,
            vec!["clicks"],
            nothing,
            false,
            nothing,
            nothing,
            &["orders"],
        ),
        (
            "it is allowed by name",
            vec![begins("orders")],
            nothing,
            true,
            vec!["orders"],
            nothing,
            true,
            &["orders"],
            &["orders"],
            &["orders"],
        ),
        (
            "and by ARN",
            vec![begins("orders")],
            nothing,
            true,
            vec![&arn],
            nothing,
            true,
            &["orders"],
            &["orders"],
            &["orders"],
        ),
        (
            "only one of two is",
            vec![begins("clicks"), begins("orders")],
            nothing,
            true,
            vec!["orders"],
            nothing,
            false,
            &["orders"],
            &["orders"],
            &["clicks", "orders"],
        ),
        (
            "its mapping is gone",
            vec![begins("orders")],
            nothing,
            false,
            vec![],
            nothing,
            true,
            &["orders"],
            nothing,
            nothing,
        ),
        // --remove is for what the settings don't name.
        (
            "it is said to be removed",
            vec![begins("orders")],
            nothing,
            true,
            vec![],
            &["orders"],
            false,
            nothing,
            nothing,
            &["orders"],
        ),
        (
            "another consumer",
            vec![reads("orders")],
            nothing,
            true,
            vec![],
            nothing,
            false,
            nothing,
            nothing,
            &["orders"],
        ),
        (
            "it is allowed",
            vec![reads("orders")],
            nothing,
            true,
            vec!["orders"],
            nothing,
            true,
            nothing,
            nothing,
            &["orders"],
        ),
        (
            "both, and Lambda takes both at once",
            vec![reads("orders"), begins("orders")],
            nothing,
            true,
            vec!["orders"],
            nothing,
            true,
            &["orders"],
            nothing,
            &["orders"],
        ),
        (
            "a pipeline less",
            vec![],
            &["clicks"],
            true,
            vec![],
            nothing,
            false,
            nothing,
            nothing,
            &["clicks"],
        ),
        (
            "it may go",
            vec![],
            &["clicks"],
            true,
            vec![],
            &["clicks"],
            true,
            nothing,
            nothing,
            &["clicks"],
        ),
        (
            "its position may",
            vec![],
            &["clicks"],
            true,
            vec!["clicks"],
            nothing,
            true,
            nothing,
            nothing,
            &["clicks"],
        ),
        (
            "it has none",
            vec![],
            &["clicks"],
            false,
            vec![],
            nothing,
            true,
            nothing,
            nothing,
            nothing,
        ),
    ];
    for (what, losses, removed, live, allow, remove, passes, anew, apart, going) in rows {
        let plan = plan(losses, removed);
        let positions = Positions::new(STACK, both(live), &strings(&allow), &strings(remove)).unwrap();
        let names = |streams: BTreeSet<String>| {
            let names = streams.iter().map(|stream| stream_name(stream).to_owned());
            names.collect::<Vec<_>>()
        };
        let check = positions.check(&plan);
        assert_eq!(check.is_ok(), passes, "{what}: {check:?}");
        assert!(check.err().is_none_or(|error| error.exit() == Exit::Failed), "{what}");
        assert_eq!(names(positions.anew(&plan)), anew, "{what}");
        assert_eq!(names(positions.one_after_the_other(&plan)), apart, "{what}");
        assert_eq!(names(positions.going(&plan)), going, "{what}");
    }
}

#[test]
fn a_stream_that_is_not_deployed_is_an_error_that_lists_those_that_are() {
    let error = |deployed, name: &str| {
        let error = Positions::new(STACK, deployed, &strings(&["orders", name]), &[]).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        error.to_string()
    };
    assert_eq!(
        error(both(true), "order"),
        "--allow-position-loss names order, which is no stream of the stack shop\n  name one of its streams: clicks, orders; or leave --allow-position-loss out"
    );
    // Whoever always says it can also make the stack.
    let nothing = Positions::new(STACK, Vec::new(), &strings(&["orders"]), &[]);
    assert_eq!(nothing.unwrap(), Positions::default());
}

#[test]
fn what_is_to_go_and_is_not_there_is_told() {
    let gone = |deployed, remove: &[&str]| {
        let positions = Positions::new(STACK, deployed, &[], &strings(remove)).unwrap();
        positions.gone(STACK, &strings(remove))
    };
    assert_eq!(gone(both(true), &["clicks"]), [""; 0]);
    assert_eq!(
        gone(both(false), &["orders", "click"]),
        ["--remove names click, of which the stack shop has no pipeline: nothing goes for it"]
    );
    assert_eq!(gone(Vec::new(), &["clicks"]).len(), 1);
}

#[test]
fn between_two_steps_records_wait_unless_the_new_mapping_passes_them_over() {
    let anew = |name: &str, at_latest| Anew {
        stream: format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{name}"),
        at_latest,
    };
    let resume = |name: &str, time: Option<&str>| Resume {
        stream: anew(name, true).stream,
        starting_position: if time.is_some() { "AT_TIMESTAMP" } else { "TRIM_HORIZON" },
        starting_timestamp: time.map(str::to_owned),
        why: String::new(),
        meanwhile: None,
    };
    let all = [
        anew("orders", false),
        anew("clicks", true),
        anew("views", true),
        anew("visits", true),
    ];
    let resumes = [
        resume("orders", Some("2026-11-27T08:00:00Z")),
        resume("clicks", Some("2026-11-27T09:00:00Z")),
        resume("views", None),
    ];
    let said: Vec<String> = all.iter().map(Anew::to_string).collect();
    insta::assert_snapshot!(format!("{}\n\n{}", said.join("\n"), between(&all, &resumes)));
}

#[test]
fn a_mapping_is_live_until_it_is_known_to_go() {
    let state = |state: &str| Fact::Found {
        value: Mapping {
            state: state.to_owned(),
            ..Mapping::default()
        },
    };
    let unreadable = Fact::Unreadable(Unreadable {
        missing_action: None,
        message: "throttled".to_owned(),
    });
    for (mapping, live) in [
        (state("Enabled"), true),
        (state("Disabled"), true),
        (state("Creating"), true),
        (state("Deleting"), false),
        (Fact::Absent, false),
        (unreadable, true),
    ] {
        assert_eq!(is_live(&mapping), live, "{mapping:?}");
    }
}

fn change(logical_id: &str, action: Action) -> Change {
    let property = |path: &str, replaces| PropertyChange {
        path: path.to_owned(),
        before: None,
        after: None,
        replaces,
    };
    Change {
        action,
        logical_id: logical_id.to_owned(),
        resource_type: MAPPING.to_owned(),
        properties: vec![property("EventSourceArn", true), property("BatchSize", false)],
        context: Context::default(),
    }
}

#[test]
fn a_change_set_spares_what_is_kept() {
    let kept = |live, allow: &[&str], remove: &[&str]| {
        Positions::new(STACK, both(live), &strings(allow), &strings(remove))
            .unwrap()
            .kept()
    };
    let all = kept(true, &[], &[]);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["ClicksMapping", "OrdersMapping"]);
    for (what, kept, action, passes) in [
        ("replaced", &all, Action::Replace, false),
        ("perhaps", &all, Action::MayReplace, false),
        ("removed", &all, Action::Remove, false),
        ("changed in place", &all, Action::Modify, true),
        ("new", &all, Action::Add, true),
        ("allowed", &kept(true, &["orders"], &[]), Action::Replace, true),
        ("said to go", &kept(true, &[], &["orders"]), Action::Remove, true),
        ("gone before", &kept(false, &[], &[]), Action::Replace, true),
    ] {
        let spared = spared(STACK, &[change("OrdersMapping", action)], kept);
        assert_eq!(spared.is_ok(), passes, "{what}: {spared:?}");
    }
    // Whatever else is of that name has no position.
    let mut function = change("OrdersMapping", Action::Replace);
    function.resource_type = "AWS::Lambda::Function".to_owned();
    assert!(spared(STACK, &[function], &all).is_ok());
}

#[test]
fn a_refusal_says_what_would_be_lost_why_and_the_safe_way() {
    let mut text = String::new();
    let positions = Positions::new(STACK, both(true), &[], &[]).unwrap();
    for plan in [
        plan(vec![begins("orders")], &[]),
        plan(vec![reads("orders")], &[]),
        plan(vec![], &["clicks"]),
        plan(vec![reads("orders"), begins("orders")], &["clicks"]),
    ] {
        writeln!(text, "{}\n", positions.check(&plan).unwrap_err()).unwrap();
    }
    for action in [Action::Replace, Action::MayReplace, Action::Remove] {
        let changes = [change("OrdersMapping", action)];
        writeln!(text, "{}\n", spared(STACK, &changes, &positions.kept()).unwrap_err()).unwrap();
    }
    insta::assert_snapshot!(text);
}

//! Ctrl-C at every stage: nothing half made, and the same command goes on from there.

use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use k2m_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{DEPLOY, DESTROY, Screens, at_rest, settings};
use crate::driver::seen;
use crate::office::Office;
use crate::proxy::{Call, PATIENCE, Proxy, Verdict};
use crate::story::remains;

/// When Ctrl-C is typed.
struct Stage {
    /// The stack and the topic are named so.
    name: &'static str,
    command: &'static [&'static str],
    /// What is under way: calls that are held back.
    at: fn(&Call, begun: bool) -> bool,
    /// How often Ctrl-C is typed: each time that a call is held back.
    times: usize,
    /// Whether the call gets its answer after that, as one that `k2m` waits for in any case.
    answered: bool,
}

const UPDATE: &[&str] = &["deploy", "--yes", "--handler", "bootstrap", "--batch-size", "500"];

const fn stage(name: &'static str, at: fn(&Call, bool) -> bool) -> Stage {
    Stage {
        name,
        command: DEPLOY,
        at,
        times: 1,
        answered: false,
    }
}

/// In the order of a deployment. `begun`: a change set was asked to be executed.
const STAGES: [Stage; 16] = [
    stage("caller", |call, _| call.is("sts", "GetCallerIdentity")),
    stage("settling", |call, _| call.is("cloudformation", "DescribeStacks")),
    stage("looking", |call, _| call.is("kafka", "GET /api/v2/clusters/")),
    stage("bucket", |call, _| call.is("s3", "GET /")),
    stage("uploading", |call, _| call.is("s3", "PUT /")),
    Stage {
        answered: true,
        ..stage("asking", |call, _| call.is("cloudformation", "CreateChangeSet"))
    },
    stage("change-set", |call, _| call.is("cloudformation", "DescribeChangeSet")),
    Stage {
        times: 2,
        ..stage("twice", |call, _| {
            call.is("cloudformation", "DescribeChangeSet") || call.is("cloudformation", "DeleteChangeSet")
        })
    },
    stage("before", |call, begun| {
        !begun && call.is("cloudformation", "DescribeStackEvents")
    }),
    Stage {
        answered: true,
        ..stage("executing", |call, _| call.is("cloudformation", "ExecuteChangeSet"))
    },
    // The first takes back what was begun, and the second leaves.
    Stage {
        times: 2,
        ..stage("following", |call, begun| {
            begun && call.is("cloudformation", "DescribeStackEvents")
        })
    },
    stage("mapping", |call, _| {
        call.is("lambda", "GET /2015-03-31/event-source-mappings")
    }),
    Stage {
        answered: true,
        ..stage("replacing", |call, _| call.is("cloudformation", "DeleteStack"))
    },
    Stage {
        command: UPDATE,
        ..stage("updating", |call, _| call.is("cloudformation", "DescribeChangeSet"))
    },
    Stage {
        command: DESTROY,
        ..stage("listing", |call, _| call.is("cloudformation", "ListStackResources"))
    },
    Stage {
        command: DESTROY,
        answered: true,
        ..stage("deleting", |call, _| call.is("cloudformation", "DeleteStack"))
    },
];

/// A command on the stack and the topic of this name.
fn on(office: &Office, name: &str, arguments: &[&str]) -> Command {
    let mut command = office.on(arguments);
    command.env("K2M_STACK", format!("k2m-{name}")).env("K2M_TOPIC", name);
    command
}

fn signal(proxy: &Proxy, mut command: Command, stage: &Stage) -> Output {
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.env("AWS_ENDPOINT_URL", proxy.endpoint()).spawn().unwrap();
    for held in 1..=stage.times {
        wait_until("a call is held back", PATIENCE, || {
            Ok(proxy.held() >= held || child.try_wait().unwrap().is_some())
        })
        .unwrap();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    }
    if stage.answered {
        proxy.release();
    }
    wait_until("k2m ends", PATIENCE, || Ok(child.try_wait().unwrap().is_some())).unwrap();
    child.wait_with_output().unwrap()
}

/// Stops a command at this stage, and tells what was seen.
fn stopped(office: &Office, stage: &'static Stage) -> String {
    let begun = AtomicBool::new(false);
    let proxy = office.through(move |call| {
        let before = begun.fetch_or(call.is("cloudformation", "ExecuteChangeSet"), Ordering::SeqCst);
        if (stage.at)(call, before) {
            Verdict::Hold
        } else {
            Verdict::Pass
        }
    });
    let output = signal(&proxy, on(office, stage.name, stage.command), stage);
    let text = seen(&output);
    assert!(
        proxy.held() >= stage.times,
        "nothing was held at {}: {text}",
        stage.name
    );
    assert_eq!(output.status.code(), Some(130), "{}: {text}", stage.name);
    // What was decided before is of other tests.
    match text.split_once("\nerror: ") {
        Some((_, error)) => format!("error: {}", error.trim_end()),
        None => text.split("--- ").nth(1).unwrap_or_default().trim_end().to_owned(),
    }
}

/// Does this for each stage, all at the same time, and gives the answers in order.
fn each<T: Send>(work: impl Fn(&'static Stage) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let running: Vec<_> = STAGES.iter().map(|stage| scope.spawn(|| work(stage))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn status(output: &Output) -> String {
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", seen(output)));
    document["status"]
        .as_str()
        .unwrap_or_else(|| panic!("{document}"))
        .to_owned()
}

#[test]
fn at_every_stage() {
    let office = Office::new();
    office.account.ask(&["broken_stack", "k2m-replacing"]);
    for name in ["updating", "listing", "deleting"] {
        let output = on(&office, name, DEPLOY).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    }

    let said = each(|stage| stopped(&office, stage));
    let left = at_rest(&office);
    let again = each(|stage| {
        let arguments = [stage.command, &["-o", "json"]].concat();
        let output = on(&office, stage.name, &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}: {}", stage.name, seen(&output));
        status(&output)
    });
    let mut table = String::new();
    for ((stage, said), again) in STAGES.iter().zip(said).zip(again) {
        let stack = &left[format!("k2m-{}", stage.name)];
        let left = match (&stack["status"], &stack["changeSets"]) {
            (Value::Null, _) => "no stack".to_owned(),
            (status, sets) if *sets == json!([]) => status.as_str().unwrap().to_owned(),
            (status, sets) => format!("{}, change sets {sets}", status.as_str().unwrap()),
        };
        let command = stage.command[0];
        let name = stage.name;
        writeln!(
            table,
            "{command}, {name}\n{said}\nleft: {left}\nthe same again: {again}\n"
        )
        .unwrap();
    }
    settings().bind(|| insta::assert_snapshot!("at_every_stage", table));

    each(|stage| {
        let output = on(&office, stage.name, DESTROY).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}: {}", stage.name, seen(&output));
    });
    assert_eq!(remains(&office.account), json!({}));
}

/// At a terminal, where the question waits for an answer.
#[test]
fn at_the_question() {
    let office = Office::new();
    let ends = [
        "--stream",
        office.account.stream("orders"),
        "--cluster",
        &office.account.cluster,
    ];
    let folder = office.account.file("");
    let folder = folder.to_str().unwrap();
    let asked = |arguments: &[&str]| {
        let words = [&[folder, env!("CARGO_BIN_EXE_k2m")], arguments, &ends].concat();
        office
            .account
            .emulator
            .python(include_str!("../question.py"), &words)
            .unwrap()
    };
    let mut text = String::new();
    let deploy = asked(&["deploy", "--handler", "bootstrap"]);
    assert_eq!(deploy["code"], 130, "{deploy}");
    assert_eq!(office.account.ask(&["stacks"]), json!({}));
    text += deploy["shown"].as_str().unwrap();

    let mut screens = Screens::default();
    // Nobody to ask: the change is shown, and nothing of it stays.
    screens.show(office.on(&["deploy", "--handler", "bootstrap"]), 2);
    assert_eq!(office.account.ask(&["stacks"]), json!({}));
    let output = office.on(DEPLOY).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let before = office.account.ask(&["stacks"]);

    let destroy = asked(&["destroy"]);
    assert_eq!(destroy["code"], 130, "{destroy}");
    assert_eq!(office.account.ask(&["stacks"]), before);
    text += destroy["shown"].as_str().unwrap();
    screens.show(office.on(&["destroy"]), 2);
    assert_eq!(office.account.ask(&["stacks"]), before);
    let output = office.on(DESTROY).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    assert_eq!(remains(&office.account), json!({}));
    settings().bind(|| insta::assert_snapshot!("at_the_question", text));
    screens.check("nobody_to_ask");
}

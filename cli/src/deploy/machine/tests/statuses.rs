//! Every status of a stack, driven through `deploy` and `destroy`, with a yes and with a no: what is asked, what is called, what comes of it.

use super::*;

/// How an operation that is under way ends by itself.
fn ends(status: &Status) -> Vec<Beat> {
    let end = match status {
        Status::CreateInProgress => "CREATE_COMPLETE",
        Status::RollbackInProgress => "ROLLBACK_COMPLETE",
        Status::DeleteInProgress => {
            return vec![Beat::Gone(vec![of_stack("DELETE_COMPLETE")])];
        }
        Status::UpdateInProgress | Status::UpdateCompleteCleanupInProgress => "UPDATE_COMPLETE",
        Status::UpdateRollbackInProgress | Status::UpdateRollbackCompleteCleanupInProgress => {
            "UPDATE_ROLLBACK_COMPLETE"
        }
        Status::ImportInProgress => "IMPORT_COMPLETE",
        Status::ImportRollbackInProgress => "IMPORT_ROLLBACK_COMPLETE",
        _ => return Vec::new(),
    };
    let word = known(status.word());
    vec![
        Beat::Is(word, vec![]),
        // While it is followed, calls are too many now and then.
        Beat::Fails(FaultKind::Passing),
        Beat::Is(end, vec![of_stack(end)]),
    ]
}

/// A stack of this status, with what a stack of it has.
fn in_status(status: &Status, answer: bool) -> Fake {
    let mut fake = Fake::deployed(status.word());
    fake.answer = Some(answer);
    let word = status.word();
    let mut beats = ends(status);
    if beats.is_empty() {
        if matches!(
            status,
            Status::CreateFailed
                | Status::RollbackFailed
                | Status::DeleteFailed
                | Status::UpdateFailed
                | Status::UpdateRollbackFailed
        ) {
            let of = match status {
                Status::CreateFailed => "CREATE_FAILED",
                Status::UpdateFailed | Status::UpdateRollbackFailed => "UPDATE_FAILED",
                _ => "DELETE_FAILED",
            };
            fake.resources = vec![
                resource("Function", "AWS::Lambda::Function", "UPDATE_COMPLETE", ""),
                resource("Group", "AWS::EC2::SecurityGroup", of, "sg-1 has a dependent object"),
                resource("Alarm", "AWS::CloudWatch::Alarm", of, "Resource update cancelled"),
            ];
        }
    } else {
        fake.events.lock().unwrap().push(of_stack(word));
        // The first look, which decides, finds it under way.
        beats.insert(0, Beat::Is(known(word), vec![]));
    }
    match status {
        // All resources of a deleted stack are gone, and its name with it.
        Status::DeleteComplete => {
            fake.stack.lock().unwrap().as_mut().unwrap().parameters.clear();
            fake.on_execute = well("CREATE");
        }
        Status::ReviewInProgress => {
            *fake.change_sets.lock().unwrap() = vec!["k2m-0123".to_owned(), "console-1".to_owned()];
            fake.events.lock().unwrap().clear();
            fake.resources.clear();
            fake.on_execute = well("CREATE");
        }
        Status::DeleteInProgress
        | Status::RollbackInProgress
        | Status::CreateFailed
        | Status::RollbackComplete
        | Status::RollbackFailed
        | Status::DeleteFailed => fake.on_execute = well("CREATE"),
        _ => {}
    }
    *fake.beats.lock().unwrap() = beats.into();
    fake
}

/// What changes a stack for good. What was uploaded for a stack that is gone goes unasked.
const CHANGING: [&str; 5] = [
    "ExecuteChangeSet",
    "DeleteStack",
    "ContinueUpdateRollback",
    "RollbackStack",
    "CancelUpdateStack",
];

#[tokio::test]
async fn every_status_by_both_commands() {
    let mut text = String::new();
    for status in Status::ALL {
        writeln!(text, "{status}").unwrap();
        for (goal, answer) in [
            ("deploy", true),
            ("deploy", false),
            ("destroy", true),
            ("destroy", false),
        ] {
            let fake = in_status(status, answer);
            let result = if goal == "deploy" {
                fake.deploy().await.map(|deployed| format!("{:?}", deployed.status))
            } else {
                fake.destroy().await.map(|destroyed| destroyed.status.to_owned())
            };
            let log = fake.log.lock().unwrap().clone();
            let asks = log.iter().filter(|line| line.starts_with("? "));
            let calls: Vec<&str> = log
                .iter()
                .filter_map(|line| line.strip_prefix("> ")?.split(' ').next())
                .filter(|call| CHANGING.contains(call) || matches!(*call, "CreateChangeSet" | "DeleteChangeSet"))
                .collect();
            let changes = calls.iter().any(|call| CHANGING.contains(call));
            // A question stands before every change, and a no is a no.
            if answer {
                assert!(!changes || asks.clone().count() > 0, "{status} {goal}: {log:#?}");
            } else {
                // But for what it made itself to be able to ask.
                let own = calls == ["CreateChangeSet", "DeleteChangeSet", "DeleteStack"];
                assert!(!changes || own, "{status} {goal}: {log:#?}");
            }
            let asks: Vec<&str> = asks.map(String::as_str).collect();
            let end = match &result {
                Ok(end) => end.clone(),
                Err(error) => error.to_string().lines().next().unwrap().to_owned(),
            };
            let left = fake.stack.lock().unwrap();
            let left = left.as_ref().map_or("no stack", |stack| stack.status.word());
            writeln!(
                text,
                "  {goal}, {}: {} [{}] = {end} ({left})",
                if answer { "yes" } else { "no" },
                asks.join(" "),
                calls.join(" "),
            )
            .unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn what_holds_a_stack_is_told_before_the_question() {
    let mut text = String::new();
    for status in [
        Status::DeleteFailed,
        Status::RollbackFailed,
        Status::UpdateRollbackFailed,
        Status::UpdateFailed,
    ] {
        text += &deploys(&format!("deploy {status}"), in_status(&status, true)).await;
    }
    text += &destroys("destroy DELETE_FAILED", in_status(&Status::DeleteFailed, true)).await;
    text += &deploys("deploy REVIEW_IN_PROGRESS", in_status(&Status::ReviewInProgress, true)).await;
    text += &deploys(
        "deploy REVIEW_IN_PROGRESS, no",
        in_status(&Status::ReviewInProgress, false),
    )
    .await;
    text += &destroys("destroy REVIEW_IN_PROGRESS", in_status(&Status::ReviewInProgress, true)).await;
    let mut again = in_status(&Status::UpdateRollbackFailed, true);
    again.on_rollback = vec![
        Beat::Is(
            "UPDATE_ROLLBACK_IN_PROGRESS",
            vec![of_stack("UPDATE_ROLLBACK_IN_PROGRESS")],
        ),
        Beat::Is(
            "UPDATE_ROLLBACK_FAILED",
            vec![
                event(
                    "Group",
                    "AWS::EC2::SecurityGroup",
                    "UPDATE_FAILED",
                    "sg-1 has a dependent object",
                ),
                of_stack("UPDATE_ROLLBACK_FAILED"),
            ],
        ),
    ];
    text += &deploys("a rollback that fails again", again).await;
    let denied = Fake {
        faults: Mutex::new(vec![(
            "ListStackResources",
            fault(
                FaultKind::Denied("cloudformation:ListStackResources".to_owned()),
                "AccessDenied: no",
            ),
        )]),
        ..in_status(&Status::DeleteFailed, true)
    };
    text += &deploys("what holds it can't be seen", denied).await;
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn each_call_that_is_throttled_is_made_again_later() {
    let throttled = |calls: &[&'static str], times: usize| {
        let one = |call: &&'static str| (*call, fault(FaultKind::Passing, "Throttling: Rate exceeded"));
        Mutex::new(
            (0..times)
                .flat_map(|_| calls.iter().map(one).collect::<Vec<_>>())
                .collect(),
        )
    };
    let all = [
        "DescribeStacks",
        "DescribeStackEvents",
        "ListStackResources",
        "CreateChangeSet",
        "DescribeChangeSet",
        "ExecuteChangeSet",
        "ListChangeSets",
        "DeleteChangeSet",
        "DeleteStack",
        "ContinueUpdateRollback",
        "RollbackStack",
    ];
    for status in Status::ALL {
        let quick = in_status(status, true);
        let calm = quick.deploy().await.map(|deployed| deployed.status);
        let fake = Fake {
            faults: throttled(&all, 6),
            ..in_status(status, true)
        };
        // In a state in which it is refused, it is refused.
        let deployed = fake.deploy().await.map(|deployed| deployed.status);
        assert_eq!(deployed.as_ref().ok(), calm.as_ref().ok(), "{status}: {deployed:?}");
        if calm.is_ok() {
            assert!(fake.elapsed() > quick.elapsed() + Duration::from_mins(1), "{status}");
        }

        let fake = Fake {
            faults: throttled(&all, 6),
            ..in_status(status, true)
        };
        let destroyed = fake.destroy().await;
        assert!(destroyed.is_ok(), "{status}: {destroyed:?}");
    }
    // The waits after failures differ by chance, and grow.
    let fake = Fake {
        faults: throttled(&["DescribeStacks"], 6),
        random: AtomicU64::new(700),
        ..Fake::default()
    };
    fake.deploy().await.unwrap();
    let slept = fake.slept.lock().unwrap()[..6].to_vec();
    let between = |wait: Duration, least, most| wait > Duration::from_secs(least) && wait < Duration::from_secs(most);
    assert!(
        slept.is_sorted() && between(slept[0], 1, 2) && between(slept[5], 30, 60),
        "{slept:?}"
    );
}

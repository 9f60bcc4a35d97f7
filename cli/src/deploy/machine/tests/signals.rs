//! The first signal takes back what was begun, and shows how; the second leaves it to CloudFormation.

use super::*;

fn stopped_at(calls: &[&'static str], fake: Fake) -> Fake {
    Fake {
        stop_at: Mutex::new(calls.to_vec()),
        ..fake
    }
}

/// An operation that goes on until it is cancelled.
fn endless(verb: &str) -> Vec<Beat> {
    let word = known(&format!("{verb}_IN_PROGRESS"));
    let mut beats = vec![Beat::Is(word, vec![of_stack(word), function(word, "")])];
    beats.extend((0..50).map(|_| Beat::Is(word, vec![])));
    beats
}

fn creating() -> Fake {
    Fake {
        on_execute: endless("CREATE"),
        ..Fake::default()
    }
}

fn updating() -> Fake {
    Fake {
        on_execute: endless("UPDATE"),
        ..Fake::deployed("CREATE_COMPLETE")
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn the_first_cancels_and_the_second_leaves() {
    let throttled = |call: &'static str, kind: FaultKind, message: &str, times: usize| {
        Mutex::new((0..times).map(|_| (call, fault(kind.clone(), message))).collect())
    };
    let mut text = deploys("an update", stopped_at(&["ExecuteChangeSet"], updating())).await;
    text += &deploys("a creation", stopped_at(&["ExecuteChangeSet"], creating())).await;
    text += &deploys(
        "a creation that is done before its deletion shows",
        Fake {
            on_delete: [
                vec![Beat::Is("CREATE_COMPLETE", vec![of_stack("CREATE_COMPLETE")]); 3],
                Fake::default().on_delete,
            ]
            .concat(),
            ..stopped_at(&["ExecuteChangeSet"], creating())
        },
    )
    .await;
    text += &deploys(
        "an update, twice",
        stopped_at(&["ExecuteChangeSet", "CancelUpdateStack"], updating()),
    )
    .await;
    text += &deploys(
        "a creation, twice",
        stopped_at(&["ExecuteChangeSet", "DeleteStack"], creating()),
    )
    .await;
    text += &deploys(
        "throttled",
        Fake {
            faults: throttled("CancelUpdateStack", FaultKind::Passing, "Throttling: Rate exceeded", 4),
            ..stopped_at(&["ExecuteChangeSet"], updating())
        },
    )
    .await;
    text += &deploys(
        "no right to cancel",
        Fake {
            faults: throttled(
                "CancelUpdateStack",
                FaultKind::Denied("cloudformation:CancelUpdateStack".to_owned()),
                "AccessDenied: no",
                1,
            ),
            ..stopped_at(&["ExecuteChangeSet"], Fake::deployed("CREATE_COMPLETE"))
        },
    )
    .await;
    text += &deploys(
        "before CloudFormation has begun",
        Fake {
            faults: throttled(
                "CancelUpdateStack",
                FaultKind::Refused,
                "ValidationError: CancelUpdateStack cannot be called from current stack status",
                1,
            ),
            on_execute: [vec![Beat::Is("CREATE_COMPLETE", vec![])], endless("UPDATE")].concat(),
            ..stopped_at(&["ExecuteChangeSet"], Fake::deployed("CREATE_COMPLETE"))
        },
    )
    .await;
    text += &deploys(
        "too late: what was replaced is being taken away",
        Fake {
            on_execute: vec![
                Beat::Is("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", vec![]),
                Beat::Is("UPDATE_COMPLETE", vec![of_stack("UPDATE_COMPLETE")]),
            ],
            ..stopped_at(&["ExecuteChangeSet"], Fake::deployed("CREATE_COMPLETE"))
        },
    )
    .await;
    text += &deploys(
        "a creation that is rolling back by itself",
        Fake {
            on_execute: vec![
                Beat::Is(
                    "ROLLBACK_IN_PROGRESS",
                    vec![
                        function(
                            "CREATE_FAILED",
                            "User: u is not authorized to perform: lambda:CreateFunction",
                        ),
                        of_stack("ROLLBACK_IN_PROGRESS"),
                    ],
                ),
                Beat::Is("ROLLBACK_COMPLETE", vec![of_stack("ROLLBACK_COMPLETE")]),
            ],
            ..stopped_at(&["ExecuteChangeSet"], Fake::default())
        },
    )
    .await;
    text += &deploys(
        "a rollback that fails",
        Fake {
            on_rollback: vec![Beat::Is(
                "UPDATE_ROLLBACK_FAILED",
                vec![
                    function("UPDATE_FAILED", "AccessDenied"),
                    of_stack("UPDATE_ROLLBACK_FAILED"),
                ],
            )],
            ..stopped_at(&["ExecuteChangeSet"], updating())
        },
    )
    .await;
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn what_another_began_is_left_at_once() {
    let fake = Fake::deployed("UPDATE_IN_PROGRESS");
    fake.events.lock().unwrap().push(of_stack("UPDATE_IN_PROGRESS"));
    let fake = stopped_at(&["DescribeStackEvents"], fake);
    let error = fake.deploy().await.unwrap_err();
    assert!(
        matches!(error, DeployError::Stopped { .. } | DeployError::Left { .. }),
        "{error}"
    );
    let log = fake.log.lock().unwrap();
    assert!(
        !log.iter()
            .any(|line| line.contains("Cancel") || line.contains("Delete")),
        "{log:?}"
    );
}

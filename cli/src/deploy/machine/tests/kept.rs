//! A position that must not be lost: a change set that takes it away is told, taken back, and never executed.

use super::looks::looks;
use super::*;

/// A stack whose mapping is kept, and what CloudFormation would do to it.
fn with(action: Action, logical_id: &str) -> Fake {
    let orders = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
    let change = Change {
        action,
        logical_id: "OrdersMapping".to_owned(),
        resource_type: "AWS::Lambda::EventSourceMapping".to_owned(),
        properties: Vec::new(),
        context: Context::default(),
    };
    let mut changes = changes();
    changes.retain(|change| change.logical_id != "Mapping");
    changes.push(change);
    Fake {
        becomes: ChangeSet::Ready(changes),
        kept: BTreeMap::from([(logical_id.to_owned(), orders.to_owned())]),
        ..Fake::deployed("UPDATE_COMPLETE")
    }
}

fn begun(fake: &Fake) -> bool {
    let log = fake.log.lock().unwrap();
    log.iter().any(|line| line.starts_with("> ExecuteChangeSet"))
}

#[tokio::test]
async fn a_change_set_that_would_lose_it_is_never_executed_and_goes_again() {
    let mut text = String::new();
    for action in [Action::Replace, Action::MayReplace, Action::Remove] {
        // Whoever says yes to everything is not asked.
        let fake = with(action, "OrdersMapping");
        let before = fake.objects.lock().unwrap().clone();
        let result = fake.deploy().await;
        assert!(
            matches!(result, Err(DeployError::Position(_))),
            "{action:?}: {result:?}"
        );
        assert!(!begun(&fake), "{action:?}");
        assert!(fake.change_sets.lock().unwrap().is_empty(), "{action:?}");
        assert!(fake.objects.lock().unwrap().is_superset(&before), "{action:?}");
        let log = fake.log.lock().unwrap().clone();
        assert!(!log.iter().any(|line| line.starts_with('?')), "{action:?}: {log:?}");
        writeln!(text, "== {action:?}\n{}", fake.story(Err(result.unwrap_err()))).unwrap();
        text += &looks(
            &format!("{action:?} with --plan"),
            &with(action, "OrdersMapping"),
            "Resources: {}",
        )
        .await;
    }
    // CloudFormation may not be able to take it away: that is said.
    let stays = Fake {
        faults: Mutex::new(vec![(
            "DeleteChangeSet",
            fault(
                FaultKind::Denied("cloudformation:DeleteChangeSet".to_owned()),
                "AccessDenied: no",
            ),
        )]),
        ..with(Action::Replace, "OrdersMapping")
    };
    let result = stays.deploy().await.map(|deployed| deployed.to_string());
    assert!(!begun(&stays));
    writeln!(text, "== a change set that can't be deleted\n{}", stays.story(result)).unwrap();
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn what_stays_or_may_go_is_deployed() {
    for (action, kept) in [
        (Action::Modify, "OrdersMapping"),
        (Action::Add, "OrdersMapping"),
        (Action::Replace, "ClicksMapping"),
        (Action::Remove, "ClicksMapping"),
    ] {
        let fake = with(action, kept);
        let deployed = fake.deploy().await.unwrap();
        assert_eq!(deployed.status, Happened::Updated, "{action:?}");
        assert!(begun(&fake), "{action:?}");
    }
}

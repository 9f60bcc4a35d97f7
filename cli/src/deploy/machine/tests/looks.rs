//! `--plan`: what a deployment would change, with nothing left behind; and `--no-wait`.

use super::*;
use crate::deploy::port::PropertyChange;

const TEMPLATE: &str = "Resources:\n  Function: {Type: AWS::Lambda::Function, Properties: {MemorySize: 512, Code: {S3Key: {Ref: ArtifactKey}}}}\n  Alarm: {Type: AWS::CloudWatch::Alarm}\n";
const DEPLOYED: &str = "Resources:\n  Function: {Type: AWS::Lambda::Function, Properties: {MemorySize: 256, Code: {S3Key: {Ref: ArtifactKey}}}}\n  Queue: {Type: AWS::SQS::Queue}\n";

fn bundle() -> Bundle {
    Bundle {
        zip: vec![0; 3000],
        sha256: "new".to_owned(),
        architecture: Architecture::X86_64,
    }
}

/// CloudFormation as it answers without values: names of properties.
fn named() -> ChangeSet {
    let property = |path: &str| PropertyChange {
        path: path.to_owned(),
        before: None,
        after: None,
        replaces: false,
    };
    let mut all = changes();
    all.truncate(2);
    all[1].properties = vec![property("Code"), property("MemorySize")];
    ChangeSet::Ready(all)
}

pub(super) async fn looks(name: &str, fake: &Fake, template: &str) -> String {
    let (place, bundle) = (place(), bundle());
    let machine = fake.machine(&place);
    let job = Job {
        stack: STACK,
        template,
        bundle: Some(&bundle),
        parameters: BTreeMap::new(),
        agreed: false,
        conditions: vec!["creates the topic orders with 3 partitions".to_owned()],
        replaces: false,
        waits: true,
        kept: fake.kept.clone(),
    };
    let buckets = fake.buckets.lock().unwrap().len();
    let result = machine.look(&job).await.map(|planned| {
        let lines = planned.lines(79);
        let told = lines.iter().map(|line| format!("{}\n", line.text));
        format!(
            "{} ({})\n{}",
            planned.word(),
            planned.pending(),
            told.collect::<String>()
        )
    });
    assert_eq!(fake.buckets.lock().unwrap().len(), buckets, "{name}");
    format!("== {name}\n{}\n", fake.story(result))
}

fn status(word: &str) -> Fake {
    let mut fake = Fake::deployed(word);
    fake.becomes = named();
    fake.template = DEPLOYED;
    fake
}

#[tokio::test]
async fn every_status_is_looked_at_and_nothing_is_left_behind() {
    let mut text = looks("no stack", &Fake::default(), TEMPLATE).await;
    for word in Status::ALL {
        let fake = status(word.word());
        if *word == Status::ReviewInProgress {
            *fake.change_sets.lock().unwrap() = vec!["k2m-0123".to_owned()];
        }
        let sets = fake.change_sets.lock().unwrap().len();
        let objects = fake.objects.lock().unwrap().len();
        text += &looks(word.word(), &fake, TEMPLATE).await;
        assert_eq!(fake.change_sets.lock().unwrap().len(), sets, "{word}");
        assert_eq!(fake.objects.lock().unwrap().len(), objects, "{word}");
        let log = fake.log.lock().unwrap();
        let changing = [
            "Execute",
            "DeleteStack",
            "Rollback",
            "CancelUpdate",
            "PutObject",
            "CreateBucket",
            "?",
        ];
        assert!(
            !log.iter().any(|line| changing.iter().any(|call| line.contains(call))),
            "{word}: {log:?}"
        );
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_look_that_fails_or_is_stopped_leaves_nothing_behind_either() {
    let unchanged = Fake {
        becomes: ChangeSet::Failed("The submitted information didn't contain changes.".to_owned()),
        ..Fake::deployed("UPDATE_COMPLETE")
    };
    let mut text = looks("no changes", &unchanged, TEMPLATE).await;
    let refused = Fake {
        becomes: ChangeSet::Failed("Transform AWS::X failed with: no".to_owned()),
        ..Fake::deployed("UPDATE_COMPLETE")
    };
    text += &looks("a change set that fails", &refused, TEMPLATE).await;
    let blind = Fake {
        faults: Mutex::new(vec![(
            "GetTemplate",
            fault(
                FaultKind::Denied("cloudformation:GetTemplate".to_owned()),
                "AccessDenied: no",
            ),
        )]),
        ..status("UPDATE_COMPLETE")
    };
    text += &looks("no right to see the template", &blind, TEMPLATE).await;
    let stopped = Fake {
        stop_at: Mutex::new(vec!["DescribeChangeSet"]),
        ..status("UPDATE_COMPLETE")
    };
    text += &looks("Ctrl-C", &stopped, TEMPLATE).await;
    // What does not fit into a request has to be uploaded, and goes again.
    let large = status("UPDATE_COMPLETE");
    let template = format!("{TEMPLATE}#{}", "x".repeat(MOST_IN_REQUEST));
    text += &looks("a large template", &large, &template).await;
    assert_eq!(large.objects.lock().unwrap().len(), 3);
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn nobody_waits_who_does_not_want_to() {
    for (fake, created) in [(Fake::default(), true), (Fake::deployed("UPDATE_COMPLETE"), false)] {
        let fake = Fake { waits: false, ..fake };
        let deployed = fake.deploy().await.unwrap();
        assert_eq!(deployed.status, Happened::Begun, "{created}");
        let log = fake.log.lock().unwrap();
        assert_eq!(log.last().map(String::as_str), Some("> ExecuteChangeSet"), "{log:?}");
    }
}

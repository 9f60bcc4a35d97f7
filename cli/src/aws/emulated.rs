//! The deployment's ports against an emulator of AWS: bucket, upload, creation, no change, update, failure, deletion.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use k2m_testkit::AwsEmulator;

use super::*;
use crate::clock::Clock;
use crate::deploy::DeployError;
use crate::deploy::artifacts::Place;
use crate::deploy::board::Board;
use crate::deploy::bundle::{Architecture, Bundle, sha256};
use crate::deploy::machine::{ARTIFACT_KEY, Job, Machine};
use crate::deploy::options::Options;
use crate::deploy::outcome::{ABSENT, DESTROYED, Destroyed, Happened};
use crate::deploy::port::{Action, Artifacts, NewChangeSet, Stacks, Template, User, World};
use crate::deploy::state::{Goal, Status, Step};

const STACK: &str = "k2m-orders";

/// Says yes to everything, and waits hardly at all: the emulator's stacks take a tenth of a second.
#[derive(Debug)]
struct Hurried {
    clock: Clock,
    told: Mutex<Vec<String>>,
}

impl World for Hurried {
    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time / 20))
    }

    fn random(&self) -> u64 {
        crate::clock::random()
    }
}

impl User for Hurried {
    fn tell(&self, text: &str) {
        self.told.lock().unwrap().push(text.to_owned());
    }

    fn confirm<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(true)))
    }

    fn stopped(&self, _: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

fn aws(emulator: &AwsEmulator) -> Aws {
    let key = Credentials::new(AwsEmulator::ACCOUNT, "nothing-to-hide", None, None, "test");
    Aws {
        config: SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(AwsEmulator::REGION))
            .endpoint_url(emulator.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(key))
            .http_client(http_client())
            .build(),
        profile: None,
    }
}

/// A queue, and a topic beside it where `more` says so. The code is only named: it is not the emulator's functions that are tried here.
fn template(more: &str) -> String {
    format!(
        r#"{{"Parameters": {{"ArtifactBucket": {{"Type": "String"}}, "ArtifactKey": {{"Type": "String"}}, "Architecture": {{"Type": "String"}}}},
            "Resources": {{
              "Queue": {{"Type": "AWS::SQS::Queue", "Properties": {{"Tags": [{{"Key": "code", "Value": {{"Ref": "ArtifactKey"}}}}]}}}}
              {more}
            }},
            "Outputs": {{"Queue": {{"Value": {{"Ref": "Queue"}}}}}}}}"#
    )
}

fn bundle(content: &[u8]) -> Bundle {
    Bundle {
        zip: content.to_vec(),
        sha256: sha256(content),
        architecture: Architecture::X86_64,
    }
}

/// Deletes the stack when it is at rest.
async fn destroy(machine: &Machine<'_>) -> Result<Destroyed, DeployError> {
    let settled = machine.settle(STACK, Goal::Destroy).await?;
    machine.destroy(STACK, settled, Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one account lives through all of it")]
async fn a_stack_comes_and_goes_with_its_bucket() {
    let emulator = tokio::task::spawn_blocking(AwsEmulator::start).await.unwrap().unwrap();
    let aws = aws(&emulator);
    assert_eq!(
        aws.caller(AwsEmulator::REGION).await.unwrap(),
        (AwsEmulator::ACCOUNT.to_owned(), "aws".to_owned())
    );
    let place = Place {
        account: AwsEmulator::ACCOUNT.to_owned(),
        region: AwsEmulator::REGION.to_owned(),
        partition: "aws".to_owned(),
    };
    let (stacks, artifacts) = (aws.stacks(&place.region), aws.artifacts(&place.region, &place.account));
    let hurried = Hurried {
        clock: Clock::start(),
        told: Mutex::default(),
    };
    let board = Board::default();
    let machine = Machine {
        stacks: &stacks,
        artifacts: &artifacts,
        world: &hurried,
        user: &hurried,
        place: &place,
        options: &Options::default(),
        board: &board,
    };
    let deploy = async |template: &str, content: &[u8]| {
        let bundle = bundle(content);
        let job = Job {
            stack: STACK,
            template,
            bundle: Some(&bundle),
            parameters: BTreeMap::new(),
            agreed: false,
            conditions: Vec::new(),
            replaces: false,
            waits: true,
            kept: BTreeMap::new(),
        };
        machine.deploy(&job).await
    };
    let keys = async |bucket: &str| -> Vec<String> {
        let versions = artifacts.versions(bucket, "").await.unwrap();
        versions.into_iter().map(|version| version.key).collect()
    };

    // From an empty account.
    let created = deploy(&template(""), b"one").await.unwrap();
    assert_eq!(created.status, Happened::Created);
    assert!(created.outputs["Queue"].contains("Queue"), "{created:?}");
    let [bucket] = artifacts.buckets("k2m-").await.unwrap().try_into().unwrap();
    let secured = emulator.python(BUCKET, &[&bucket]).unwrap();
    let secured = serde_json::to_string_pretty(&secured)
        .unwrap()
        .replace(&bucket, "[bucket]");
    insta::assert_snapshot!(secured);

    // Again: no change, and nothing is left of the question.
    let unchanged = deploy(&template(""), b"one").await.unwrap();
    assert_eq!(unchanged.status, Happened::Unchanged);
    assert_eq!(stacks.change_sets(STACK).await.unwrap(), [""; 0]);
    assert_eq!(unchanged.outputs, created.outputs);

    // Only the code is another: it is seen. Twice, so that the first may go.
    for content in [b"two", b"six"] {
        let updated = deploy(&template(""), content).await.unwrap();
        assert_eq!(updated.status, Happened::Updated);
        assert!(
            updated.changes.iter().all(|change| change.action == Action::Modify),
            "{updated:?}"
        );
    }
    let zip = |content: &[u8]| format!("{STACK}/{}.zip", sha256(content));
    let mut kept = keys(&bucket).await;
    kept.sort();
    let mut live_and_previous = [zip(b"two"), zip(b"six")];
    live_and_previous.sort();
    assert_eq!(kept, live_and_previous);
    let stack = stacks.stack(STACK).await.unwrap().unwrap();
    assert!(
        stack.made_by_k2m && stack.parameters[ARTIFACT_KEY] == zip(b"six"),
        "{stack:?}"
    );

    // A template that only fits the bucket.
    let padding = format!(
        r#", "Metadata": {{"Type": "AWS::SNS::Topic", "Metadata": {{"x": "{}"}}}}"#,
        "x".repeat(60_000)
    );
    let large = deploy(&template(&padding), b"six").await.unwrap();
    assert_eq!(
        (large.status, large.changes[0].action),
        (Happened::Updated, Action::Add)
    );

    // What can't be made fails, is rolled back, and the stack works as before.
    let bad = r#", "Function": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": "none", "S3Key": "none"}, "Role": "arn:aws:iam::123456789012:role/r",
                 "Runtime": "provided.al2023", "Handler": "bootstrap"}}"#;
    let error = deploy(&template(bad), b"six").await.unwrap_err();
    let DeployError::Failed(failure) = &error else {
        panic!("{error}");
    };
    assert_eq!(failure.status, Status::UpdateRollbackComplete, "{error}");
    assert_eq!(failure.resource.as_ref().unwrap().0, "Function", "{error}");
    assert_eq!(deploy(&template(""), b"six").await.unwrap().status, Happened::Updated);

    // All goes, the bucket too; once more there is nothing.
    let destroyed = destroy(&machine).await.unwrap();
    assert_eq!(
        (destroyed.status, destroyed.bucket_removed.as_ref()),
        (DESTROYED, Some(&bucket))
    );
    assert_eq!(stacks.stack(STACK).await.unwrap(), None);
    assert_eq!(artifacts.buckets("k2m-").await.unwrap(), [""; 0]);
    assert_eq!(destroy(&machine).await.unwrap().status, ABSENT);

    // A first creation that fails is replaced.
    let error = deploy(&template(bad), b"one").await.unwrap_err();
    assert!(
        matches!(&error, DeployError::Failed(failure) if failure.status == Status::RollbackComplete),
        "{error}"
    );
    let settled = machine.settle(STACK, Goal::Deploy).await.unwrap();
    assert_eq!(settled.step, Step::Replace);
    machine.make_room(STACK, &settled.stack.unwrap()).await.unwrap();
    assert_eq!(stacks.stack(STACK).await.unwrap(), None);

    // A change set that an earlier run left is gone on from.
    let left = NewChangeSet {
        role: None,
        stack: STACK.to_owned(),
        name: "k2m-left".to_owned(),
        token: "left".to_owned(),
        create: true,
        in_review: false,
        template: Template::Body(template("")),
        parameters: ["ArtifactBucket", "ArtifactKey", "Architecture"]
            .map(|name| (name.to_owned(), "x".to_owned()))
            .into(),
        tags: BTreeMap::new(),
    };
    stacks.create_change_set(&left).await.unwrap();
    assert_eq!(deploy(&template(""), b"one").await.unwrap().status, Happened::Created);
    assert_eq!(destroy(&machine).await.unwrap().status, DESTROYED);
    let told = hurried.told.lock().unwrap().join("\n");
    assert!(
        told.contains("made: failure queue Queue") && told.contains("removed: failure queue Queue"),
        "{told}"
    );
}

/// How the bucket is kept, as another client sees it.
const BUCKET: &str = r#"
import boto3, json, sys
s3, bucket = boto3.client("s3"), sys.argv[1]
print(json.dumps({
    "public": s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
    "encryption": s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"],
    "versioning": s3.get_bucket_versioning(Bucket=bucket)["Status"],
    "lifecycle": s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"],
    "policy": json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]),
    "tags": s3.get_bucket_tagging(Bucket=bucket)["TagSet"],
}, default=str))
"#;

//! What a stack is given beside its template: tags, a boundary for its roles, a role for CloudFormation, a bucket, and protection from deletion.

use serde_json::{Value, json};

use crate::driver::{Account, seen};
use crate::proxy::{Answered, Proxy, Verdict};
use crate::story::remains;

const BUCKET: &str = "team-artifacts";
const EVERYTHING: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// What of the account the user has made for k2m.
struct Given {
    role: String,
    boundary: String,
}

impl Given {
    fn in_account(account: &Account) -> Self {
        let role = json!({"RoleName": "deployer", "AssumeRolePolicyDocument": TRUST});
        let boundary = json!({"PolicyName": "most", "PolicyDocument": EVERYTHING});
        let given = Self {
            role: text(&account.call("iam", "create_role", &role)["Role"]["Arn"]),
            boundary: text(&account.call("iam", "create_policy", &boundary)["Policy"]["Arn"]),
        };
        let place = json!({"LocationConstraint": "eu-west-1"});
        let bucket = json!({"Bucket": BUCKET, "CreateBucketConfiguration": place});
        account.call("s3", "create_bucket", &bucket);
        let object = json!({"Bucket": BUCKET, "Key": "theirs/notes", "Body": "kept"});
        account.call("s3", "put_object", &object);
        given
    }

    /// k2m.yaml, with the protection on or off.
    fn write(&self, account: &Account, protection: bool) {
        let yaml = format!(
            "stream: {}\ncluster: {}\ntags:\n  team: payments\n  cost-center: \"42\"\ntermination_protection: {protection}\n\
             permissions_boundary: {}\ncloudformation_role: {}\nartifact_bucket: {BUCKET}\n",
            account.stream("orders"),
            account.cluster,
            self.boundary,
            self.role
        );
        std::fs::write(account.file("k2m.yaml"), yaml).unwrap();
    }
}

/// What calls of this operation of CloudFormation asked for.
fn asked(calls: &[Answered], operation: &str) -> Vec<String> {
    let calls = calls.iter().map(|answered| &answered.call);
    calls
        .filter(|call| call.is("cloudformation", operation))
        .map(|call| call.subject.clone())
        .collect()
}

/// That of S3 nothing was changed but the stack's own objects in the bucket that is given.
fn only_objects_of_the_stack(calls: &[Answered]) {
    let changes: Vec<&str> = calls
        .iter()
        .filter(|answered| answered.call.service == "s3")
        .map(|answered| answered.call.operation.as_str())
        .filter(|operation| !operation.starts_with("GET ") && !operation.starts_with("HEAD "))
        .collect();
    assert!(!changes.is_empty());
    for change in changes {
        let path = change.split(' ').nth(1).unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let own = change.starts_with("PUT ") && path.starts_with(&format!("/{BUCKET}/k2m-orders/"));
        let old = change.starts_with("POST ")
            && path.trim_end_matches('/') == format!("/{BUCKET}")
            && query.split('&').any(|part| part == "delete" || part == "delete=");
        assert!(own || old, "{change}");
    }
}

fn objects(account: &Account) -> Vec<String> {
    let listed = account.call("s3", "list_objects_v2", &json!({"Bucket": BUCKET}));
    let all = listed["Contents"].as_array().unwrap().iter();
    all.map(|object| text(&object["Key"])).collect()
}

fn stack(account: &Account) -> Value {
    let asked = json!({"StackName": "k2m-orders"});
    account.call("cloudformation", "describe_stacks", &asked)["Stacks"][0].clone()
}

#[test]
fn tags_rights_a_bucket_and_protection_are_the_stack_s_from_its_first_day_to_its_last() {
    let account = Account::new(&["orders"]);
    let given = Given::in_account(&account);
    let there = remains(&account);
    let proxy = Proxy::start(&account.emulator.endpoint(), |_| Verdict::Pass);
    let run = |arguments: &[&str], code: i32| {
        let mut command = account.k2m(arguments);
        let output = command.env("AWS_ENDPOINT_URL", proxy.endpoint()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", seen(&output));
        seen(&output)
    };
    let role = format!("RoleARN={}", given.role.replace(':', "%3A").replace('/', "%2F"));

    given.write(&account, true);
    let said = run(&["deploy", "--yes"], 0);
    assert!(
        said.contains("the stack k2m-orders is protected from deletion now"),
        "{said}"
    );
    let calls = proxy.take_answered();
    let change_sets = asked(&calls, "CreateChangeSet");
    assert!(!change_sets.is_empty());
    for change_set in &change_sets {
        assert!(change_set.contains(&role), "{change_set}");
        for (key, value) in [("team", "payments"), ("cost-center", "42")] {
            let number = (1..=3).find(|n| change_set.contains(&format!("Tags.member.{n}.Key={key}&")));
            let number = number.unwrap_or_else(|| panic!("no tag {key}: {change_set}"));
            let pair = format!("Tags.member.{number}.Value={value}");
            assert!(change_set.contains(&pair), "{pair}: {change_set}");
        }
    }
    only_objects_of_the_stack(&calls);
    let deployed = stack(&account);
    let mut tags: Vec<(String, String)> = deployed["Tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| (text(&tag["Key"]), text(&tag["Value"])))
        .collect();
    tags.sort_unstable();
    let wanted = [("cost-center", "42"), ("k2m:stack", "k2m-orders"), ("team", "payments")];
    assert_eq!(tags, wanted.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(deployed["EnableTerminationProtection"], true, "{deployed:#}");
    let parameters = deployed["Parameters"].as_array().unwrap().iter();
    let mut buckets = parameters.filter(|parameter| parameter["ParameterKey"] == "ArtifactBucket");
    assert_eq!(buckets.next().unwrap()["ParameterValue"], BUCKET, "{deployed:#}");

    let resources = json!({"StackName": "k2m-orders"});
    let resources = account.call("cloudformation", "describe_stack_resources", &resources);
    let resources = resources["StackResources"].as_array().unwrap().iter();
    let roles: Vec<String> = resources
        .filter(|resource| resource["ResourceType"] == "AWS::IAM::Role")
        .map(|resource| text(&resource["PhysicalResourceId"]))
        .collect();
    assert!(!roles.is_empty());
    for name in roles {
        let role = account.call("iam", "get_role", &json!({"RoleName": name}));
        let boundary = &role["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"];
        assert_eq!(*boundary, given.boundary, "{role:#}");
    }
    account.ask(&["put", "orders", "0", "500"]);
    account.arrived("orders", 500);
    let again = run(&["deploy", "--yes"], 0);
    assert!(!again.contains("protected from deletion now"), "{again}");

    // It is kept from being deleted, and the refusal says how to lift that.
    let before = remains(&account);
    proxy.take_answered();
    let refused = run(&["destroy", "--yes"], 1);
    for part in [
        "the stack k2m-orders is protected from deletion, and stays as it is",
        "--no-enable-termination-protection",
        "`k2m deploy` with termination_protection false",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(asked(&proxy.take_answered(), "DeleteStack"), [""; 0]);
    assert_eq!(remains(&account), before);

    given.write(&account, false);
    let lifted = run(&["deploy", "--yes"], 0);
    assert!(
        lifted.contains("the stack k2m-orders is no longer protected from deletion"),
        "{lifted}"
    );
    assert_eq!(stack(&account)["EnableTerminationProtection"], false);

    proxy.take_answered();
    run(&["destroy", "--yes"], 0);
    let calls = proxy.take_answered();
    let deletions = asked(&calls, "DeleteStack");
    assert!(!deletions.is_empty());
    for deletion in &deletions {
        assert!(deletion.contains(&role), "{deletion}");
    }
    only_objects_of_the_stack(&calls);
    assert_eq!(remains(&account), there);
    assert_eq!(objects(&account), ["theirs/notes"]);
}

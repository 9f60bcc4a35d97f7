//! What has happened to a deployed pipeline is what `k2m inspect` shows of it, and the rights of its role are all that it needs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::driver::Account;

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A text in what AWS or k2m said.
fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("{value:#} is no text")).to_owned()
}

/// What is seen of the only pipeline.
fn pipeline(facts: &Value) -> &Value {
    facts["pipelines"].as_object().unwrap().values().next().unwrap()
}

/// The value of a fact.
fn found(fact: &Value) -> &Value {
    assert_eq!(fact["status"], "found", "{fact:#}");
    &fact["value"]
}

/// Each right that is not allowed for all that is known, with who denies it.
fn denied(facts: &Value) -> BTreeSet<(String, String)> {
    let rights = found(&pipeline(facts)["rights"]).as_array().unwrap();
    let denied = rights
        .iter()
        .filter(|right| !right["deniedBy"].is_null() && right["untold"].is_null());
    denied
        .map(|right| (text(&right["action"]), text(&right["deniedBy"])))
        .collect()
}

/// The actions that were asked about.
fn asked(facts: &Value) -> BTreeSet<String> {
    let rights = found(&pipeline(facts)["rights"]).as_array().unwrap();
    rights.iter().map(|right| text(&right["action"])).collect()
}

/// The last part of an ARN.
fn name(arn: &Value) -> String {
    let arn = text(arn);
    arn.rsplit([':', '/']).next().unwrap().to_owned()
}

fn encrypted(account: &Account) {
    let encryption = json!({"StreamName": "orders", "EncryptionType": "KMS", "KeyId": KEY});
    account.call("kinesis", "start_stream_encryption", &encryption);
}

/// What Lambda says of a batch that it gave up.
fn given_up() -> Value {
    json!({
        "requestContext": {"requestId": "1", "functionArn": "f", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 101},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000001",
            "startSequenceNumber": "49590",
            "endSequenceNumber": "49599",
            "approximateArrivalOfFirstRecord": "2026-01-02T03:04:00Z",
            "approximateArrivalOfLastRecord": "2026-01-02T03:04:05Z",
            "batchSize": 10,
            "streamArn": "s",
        },
    })
}

#[test]
#[expect(clippy::too_many_lines, reason = "one account lives through all of it")]
fn what_has_happened_is_seen_and_taken_away_by_nobody() {
    let account = Account::over_iam_to_look_at(&["orders"]);
    encrypted(&account);
    account.run(&account.on("deploy", "orders", &["--yes", "--create-topic", "true"]), 0);
    let inspect = account.on("inspect", "orders", &[]);
    let look = || account.json(&inspect, 0);

    // Nothing has happened yet, and every right that is needed is there: what the template grants is enough.
    let facts = look();
    let seen = pipeline(&facts);
    let function = found(&seen["function"]);
    assert_eq!(function["runtime"], "provided.al2023", "{function:#}");
    assert!(function["architecture"].is_string() && function["role"].is_string());
    assert_eq!(function["reservedConcurrency"], json!({"status": "absent"}));
    let mapping = found(&seen["mapping"]);
    let told = [
        "startingPosition",
        "batchingWindow",
        "parallelizationFactor",
        "retries",
        "maximumRecordAge",
        "bisect",
        "countsEvents",
    ];
    let told = told.map(|key| mapping[key].clone());
    assert_eq!(
        json!(told),
        json!(["TRIM_HORIZON", 1, 1, 100, 86400, true, true]),
        "{mapping:#}"
    );
    assert_eq!(seen["log"], json!({"status": "found", "value": []}));
    assert_eq!(found(&seen["metrics"])["minutes"], 180);
    assert_eq!(found(&seen["waiting"])["messages"], 0);
    assert!(seen["secret"].is_null());
    assert_eq!(found(&facts["cluster"])["policy"], json!({"status": "absent"}));
    let vpc = &found(&facts["networks"]["eu-west-1"]["vpcs"])[0];
    assert_eq!((&vpc["dnsSupport"], &vpc["dnsHostnames"]), (&json!(true), &json!(true)));
    assert_eq!(denied(&facts), BTreeSet::new());
    for action in [
        "kinesis:GetRecords",
        "kms:Decrypt",
        "kafka-cluster:Connect",
        "kafka-cluster:WriteData",
        "ec2:CreateNetworkInterface",
        "logs:PutLogEvents",
        "sns:Publish",
    ] {
        assert!(asked(&facts).contains(action), "{action}: {:?}", asked(&facts));
    }

    // Something happens.
    let function_name = name(&function["arn"]);
    let group = text(&function["logGroup"]);
    let metric = |namespace: &str, metric: &str, dimension: &str, of: &str, value: f64| {
        let data = json!([{"MetricName": metric, "Dimensions": [{"Name": dimension, "Value": of}], "Value": value}]);
        account.call(
            "cloudwatch",
            "put_metric_data",
            &json!({"Namespace": namespace, "MetricData": data}),
        );
    };
    metric("AWS/Lambda", "IteratorAge", "FunctionName", &function_name, 90_000.0);
    metric("AWS/Lambda", "IteratorAge", "FunctionName", &function_name, 120_000.0);
    metric("AWS/Lambda", "Invocations", "FunctionName", &function_name, 7.0);
    metric("AWS/Lambda", "Invocations", "FunctionName", "another", 1000.0);
    metric("AWS/Lambda", "Duration", "FunctionName", &function_name, 812.4);
    metric("AWS/Kinesis", "IncomingRecords", "StreamName", "orders", 41.0);
    metric("AWS/Kinesis", "IncomingRecords", "StreamName", "orders", 1.0);
    let uuid = text(&mapping["uuid"]);
    metric("AWS/Lambda", "DroppedEventCount", "EventSourceMappingUUID", &uuid, 0.0);
    let now = account.ask(&["now"]).as_i64().unwrap();
    let line = |stream: &str, ago: i64, message: &str| {
        let stream = json!({"logGroupName": group, "logStreamName": stream});
        account.ask(&["log_stream", &stream.to_string()]);
        let mut events = stream;
        events["logEvents"] = json!([{"timestamp": now - ago * 60_000, "message": message}]);
        account.call("logs", "put_log_events", &events);
    };
    line(
        "one",
        170,
        "KafkaTimeoutError: Failed to update metadata after 60.0 secs, password=hunter2",
    );
    line("two", 2, "2026-01-02T03:04:05Z 1 Task timed out after 60.00 seconds");
    line("two", 1, "2026-01-02T03:04:05Z 2 Task timed out after 60.00 seconds");
    line("two", 1, "task TIMED out after all");
    line("two", 200, "Task timed out after 3.00 seconds");
    let topic = text(&mapping["destination"]);
    account.call(
        "sns",
        "publish",
        &json!({"TopicArn": topic, "Message": given_up().to_string()}),
    );
    account.call(
        "lambda",
        "put_function_concurrency",
        &json!({"FunctionName": function_name, "ReservedConcurrentExecutions": 5}),
    );
    let policy = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    account.call(
        "kafka",
        "put_cluster_policy",
        &json!({"ClusterArn": account.cluster, "Policy": policy}),
    );
    let id = text(&vpc["id"]);
    account.call(
        "ec2",
        "modify_vpc_attribute",
        &json!({"VpcId": id, "EnableDnsSupport": {"Value": false}}),
    );
    account.call(
        "ec2",
        "modify_vpc_attribute",
        &json!({"VpcId": id, "EnableDnsHostnames": {"Value": true}}),
    );

    // It is seen, and a second look sees the same: nothing is taken out of the queue.
    let first = look();
    for facts in [&first, &look()] {
        let seen = pipeline(facts);
        let metrics = found(&seen["metrics"]);
        let ages = metrics["iteratorAgeMs"].as_array().unwrap();
        let oldest = ages.iter().map(|point| point["value"].as_u64().unwrap()).max();
        assert_eq!(oldest, Some(120_000), "{metrics:#}");
        let figures = ["incomingRecords", "invocations", "longestMs", "dropped"].map(|key| metrics[key].clone());
        assert_eq!(json!(figures), json!([42, 7, 812, 0]), "{metrics:#}");
        assert!(metrics["throttledReads"].is_null(), "{metrics:#}");
        let log = found(&seen["log"]).as_array().unwrap();
        let said: Vec<_> = log
            .iter()
            .map(|one| (text(&one["signature"]), one["count"].as_u64().unwrap()))
            .collect();
        let known = |words: &str, count| (words.to_owned(), count);
        assert_eq!(
            said,
            [
                known("Task timed out after", 2),
                known("Failed to update metadata after", 1)
            ]
        );
        assert!(!facts.to_string().contains("hunter2"), "no line of a log is kept");
        let waiting = found(&seen["waiting"]);
        assert_eq!(waiting["messages"], 1, "{waiting:#}");
        assert!(text(&waiting["queue"]).starts_with("arn:aws:sqs:eu-west-1:123456789012:"));
        let one = json!({
            "condition": "RetryAttemptsExhausted", "functionError": "Unhandled", "shard": "shardId-000000000001", "first": "49590",
            "last": "49599", "records": 10, "arrived": "2026-01-02T03:04:05Z",
        });
        assert_eq!(waiting["one"], one);
        assert_eq!(found(&found(&seen["function"])["reservedConcurrency"]), &json!(5));
        assert_eq!(found(&found(&facts["cluster"])["policy"]), &json!(policy));
        let vpc = &found(&facts["networks"]["eu-west-1"]["vpcs"])[0];
        assert_eq!(
            (&vpc["dnsSupport"], &vpc["dnsHostnames"]),
            (&json!(false), &json!(true))
        );
    }

    who_denies_a_right(&account, &name(&function["role"]), &look);
}

/// Each kind of policy that may stand in the way is told from the others.
fn who_denies_a_right(account: &Account, role: &str, look: &dyn Fn() -> Value) {
    let only = |action: &str, who: &str| BTreeSet::from([(action.to_owned(), who.to_owned())]);
    let document = |effect: &str, actions: &Value| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": actions, "Resource": "*"}]})
            .to_string()
    };
    let denies = document("Deny", &json!("kinesis:GetRec*"));
    account.call(
        "iam",
        "put_role_policy",
        &json!({"RoleName": role, "PolicyName": "no", "PolicyDocument": denies}),
    );
    assert_eq!(denied(&look()), only("kinesis:GetRecords", "policy"));
    account.call(
        "iam",
        "delete_role_policy",
        &json!({"RoleName": role, "PolicyName": "no"}),
    );

    // A denial that hangs on what nobody can know from outside may be none, and says on what.
    let from_elsewhere = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Action": "sns:*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}},
    }]});
    let policy = json!({"RoleName": role, "PolicyName": "no", "PolicyDocument": from_elsewhere.to_string()});
    account.call("iam", "put_role_policy", &policy);
    let facts = look();
    assert_eq!(denied(&facts), BTreeSet::new());
    let rights = found(&pipeline(&facts)["rights"]).as_array().unwrap();
    let publish = rights.iter().find(|right| right["action"] == "sns:Publish").unwrap();
    assert_eq!(
        (&publish["deniedBy"], &publish["untold"]),
        (&json!("policy"), &json!(["aws:SourceVpc"]))
    );
    account.call(
        "iam",
        "delete_role_policy",
        &json!({"RoleName": role, "PolicyName": "no"}),
    );

    let within = json!(["kinesis:*", "kms:*", "kafka-cluster:*", "ec2:*", "logs:*"]);
    let boundary = json!({"PolicyName": "within", "PolicyDocument": document("Allow", &within)});
    let boundary = account.call("iam", "create_policy", &boundary)["Policy"]["Arn"].clone();
    account.call(
        "iam",
        "put_role_permissions_boundary",
        &json!({"RoleName": role, "PermissionsBoundary": boundary}),
    );
    assert_eq!(denied(&look()), only("sns:Publish", "permissionsBoundary"));
    account.call("iam", "delete_role_permissions_boundary", &json!({"RoleName": role}));

    let control = json!({"Name": "no", "Description": "", "Type": "SERVICE_CONTROL_POLICY", "Content": document("Deny", &json!("logs:PutLogEvents"))});
    let control = account.call("organizations", "create_policy", &control)["Policy"]["PolicySummary"]["Id"].clone();
    let attachment = json!({"PolicyId": control, "TargetId": "123456789012"});
    account.call("organizations", "attach_policy", &attachment);
    assert_eq!(denied(&look()), only("logs:PutLogEvents", "serviceControlPolicy"));
    account.call("organizations", "detach_policy", &attachment);

    account.call(
        "iam",
        "delete_role_policy",
        &json!({"RoleName": role, "PolicyName": "pipeline"}),
    );
    let facts = look();
    let all: BTreeSet<String> = denied(&facts)
        .into_iter()
        .map(|(action, who)| format!("{action} {who}"))
        .collect();
    let expected = asked(&facts).into_iter().map(|action| format!("{action} noPolicy"));
    assert_eq!(all, expected.collect());
}

#[test]
fn a_secret_is_described_and_never_read() {
    let account = Account::to_look_at(false, &["orders"]);
    let file = account.file("secret.json");
    std::fs::write(&file, r#"{"username": "alice", "password": "hunter2"}"#).unwrap();
    let secret = text(&account.ask(&["put_secret", "AmazonMSK_orders", file.to_str().unwrap()]));
    account.call(
        "secretsmanager",
        "update_secret",
        &json!({"SecretId": secret, "KmsKeyId": KEY}),
    );
    account.ask(&["associate", &account.cluster, &secret]);
    account.run(&account.on("deploy", "orders", &["--yes", "--create-topic", "true"]), 0);
    let inspect = account.on("inspect", "orders", &[]);
    let facts = account.json(&inspect, 0);
    let seen = found(&pipeline(&facts)["secret"]);
    assert_eq!(seen["arn"], json!(secret), "{seen:#}");
    assert_eq!(
        (&seen["name"], &seen["kmsKey"]),
        (&json!("AmazonMSK_orders"), &json!(KEY))
    );
    assert_eq!(
        (&seen["rotates"], seen["changed"].is_string()),
        (&json!(false), true),
        "{seen:#}"
    );
    assert!(!facts.to_string().contains("hunter2"));
    // The key's use is granted under conditions, which the real request fulfils.
    assert_eq!(denied(&facts), BTreeSet::new());
    let rights = found(&pipeline(&facts)["rights"]).as_array().unwrap();
    let key = rights.iter().find(|right| right["action"] == "kms:Decrypt");
    assert_eq!(key.unwrap()["resource"], json!(KEY));
    assert!(asked(&facts).contains("secretsmanager:GetSecretValue"));
    assert!(!asked(&facts).iter().any(|action| action.starts_with("kafka-cluster:")));

    account.call("secretsmanager", "delete_secret", &json!({"SecretId": secret}));
    let gone = account.json(&inspect, 0);
    assert!(found(&pipeline(&gone)["secret"])["deleted"].is_string(), "{gone:#}");
}

//! What doctor asks besides: figures, logs, rights, what waits, secrets, policies, resolution. Each found, absent and denied.

use aws_config::SdkConfig;
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use serde_json::{Value, json};

use super::*;
use crate::arn::SecretArn;
use crate::aws::history::{self, Ran, log, metrics, rights, waiting};
use crate::aws::pace::{IAM, LOGS, Paced};
use crate::facts::log::SIGNATURES;
use crate::facts::{Denier, Function, GivenUp, Mapping, Point, Sighting, Waiting};
use crate::plan::needs::{Need, Thing};

const ROLE: &str = "arn:aws:iam::123456789012:role/orders";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:failed";

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// The action that is missing.
fn missing<T: std::fmt::Debug>(answer: Answer<T>) -> String {
    match fact(answer) {
        Fact::Unreadable(why) => why.missing_action.unwrap_or_else(|| panic!("{}", why.message)),
        other => panic!("{other:?}"),
    }
}

/// A refusal as IAM words it.
fn refusal(action: &str) -> String {
    format!("User: u is not authorized to perform: {action} on resource: r because no identity-based policy allows it")
}

/// The same from a service that speaks JSON.
fn denied(action: &str) -> Script {
    Script::always(400, &json_error("AccessDeniedException", &refusal(action)))
}

#[tokio::test]
async fn all_that_lambda_says_of_a_mapping_is_heard() {
    let script = Script::always(
        200,
        r#"{"UUID":"u","EventSourceArn":"s","FunctionArn":"f","State":"Enabled","BatchSize":100,"StartingPosition":"AT_TIMESTAMP","StartingPositionTimestamp":1767322800.5,
           "MaximumBatchingWindowInSeconds":5,"ParallelizationFactor":2,"MaximumRetryAttempts":-1,"MaximumRecordAgeInSeconds":-1,
           "BisectBatchOnFunctionError":true,"TumblingWindowInSeconds":0,"FilterCriteria":{"Filters":[{"Pattern":"{\"a\":[1]}"},{"Pattern":"{}"}]},
           "MetricsConfig":{"Metrics":["EventCount"]},"FunctionResponseTypes":["ReportBatchItemFailures"]}"#,
    );
    let (mapping, _) = lambda::mapping(&client!(aws_sdk_lambda, script), "u").await.unwrap();
    let expected = Mapping {
        uuid: "u".to_owned(),
        state: "Enabled".to_owned(),
        batch_size: 100,
        starting_position: Some("AT_TIMESTAMP".to_owned()),
        starting_timestamp: Some("2026-01-02T03:00:00Z".to_owned()),
        batching_window: Some(5),
        parallelization_factor: Some(2),
        retries: Some(-1),
        maximum_record_age: Some(-1),
        bisect: Some(true),
        tumbling_window: Some(0),
        filters: vec![r#"{"a":[1]}"#.to_owned(), "{}".to_owned()],
        counts_events: Some(true),
        partial_failures: true,
        ..Mapping::default()
    };
    assert_eq!(mapping, expected);
    let script = Script::always(200, r#"{"UUID":"u","State":"Enabled","BatchSize":100}"#);
    let (mapping, _) = lambda::mapping(&client!(aws_sdk_lambda, script), "u").await.unwrap();
    assert_eq!((mapping.counts_events, mapping.retries), (Some(false), None));
}

#[tokio::test]
async fn all_that_lambda_says_of_a_function_is_heard() {
    let script = Script::always(
        200,
        r#"{"FunctionArn":"arn:f","State":"Active","Architectures":["arm64"],"Runtime":"python3.12","Role":"arn:r","LoggingConfig":{"LogGroup":"/own"}}"#,
    );
    let function = lambda::function(&client!(aws_sdk_lambda, script), "f").await.unwrap();
    let told = [
        function.architecture,
        function.runtime,
        function.role,
        function.log_group,
    ];
    let told = told.map(Option::unwrap_or_default);
    assert_eq!(told, ["arm64", "python3.12", "arn:r", "/own"]);

    let reserved = async |script: Script| lambda::reserved_concurrency(&client!(aws_sdk_lambda, script), "f").await;
    let body = r#"{"ReservedConcurrentExecutions":0}"#;
    assert_eq!(reserved(Script::always(200, body)).await, Ok(0), "none at all may run");
    assert_eq!(reserved(Script::always(200, "{}")).await, Err(Trouble::Absent));
    let gone = json_error("ResourceNotFoundException", "no such function");
    assert_eq!(reserved(Script::always(404, &gone)).await, Err(Trouble::Absent));
    let answer = reserved(denied("lambda:GetFunctionConcurrency")).await;
    assert_eq!(missing(answer), "lambda:GetFunctionConcurrency");
}

#[tokio::test]
async fn a_cluster_may_have_a_policy() {
    let policy = async |script: Script| kafka::policy(&client!(aws_sdk_kafka, script), CLUSTER).await;
    let body = r#"{"currentVersion":"K1","policy":"{\"Version\":\"2012-10-17\"}"}"#;
    let found = policy(Script::always(200, body)).await;
    assert_eq!(found, Ok(r#"{"Version":"2012-10-17"}"#.to_owned()));
    let none = Script::always(404, &json_error("NotFoundException", "no policy"));
    assert_eq!(policy(none).await, Err(Trouble::Absent));
    let script = Script::always(403, &json_error("ForbiddenException", "no"));
    assert_eq!(missing(policy(script).await), "kafka:GetClusterPolicy");
}

#[tokio::test]
async fn what_a_vpc_resolves_is_asked_for_doctor_alone() {
    let vpcs = |may_ask: bool| {
        Script::new(move |request| {
            let action = request.split_once("Action=").unwrap().1.split('&').next().unwrap();
            let inner = match action {
                "DescribeVpcs" => {
                    "<vpcSet><item><vpcId>vpc-2</vpcId></item><item><vpcId>vpc-1</vpcId></item></vpcSet>".to_owned()
                }
                "DescribeVpcAttribute" if !may_ask => {
                    let words = refusal("ec2:DescribeVpcAttribute");
                    let error = format!("<Error><Code>UnauthorizedOperation</Code><Message>{words}</Message></Error>");
                    return (403, format!("<Response><Errors>{error}</Errors></Response>"));
                }
                "DescribeVpcAttribute" => {
                    let (attribute, element) = if request.contains("enableDnsSupport") {
                        ("enableDnsSupport", true)
                    } else {
                        ("enableDnsHostnames", request.contains("vpc-2"))
                    };
                    format!("<{attribute}><value>{element}</value></{attribute}>")
                }
                _ => String::new(),
            };
            (200, format!("<{action}Response>{inner}</{action}Response>"))
        })
    };
    let look = async |script: &Script, history: bool| {
        let stack = Fact::<Stack>::Absent;
        let ids = Ok(vec!["vpc-1".to_owned(), "vpc-2".to_owned()]);
        let claims = Claims::new("k2m-orders", &stack);
        let network = ec2::network(&client!(aws_sdk_ec2, script), &ids, &[], &claims, history).await;
        let vpcs = network.vpcs.found().unwrap().clone();
        let resolved: Vec<_> = vpcs.iter().map(|vpc| (vpc.dns_support, vpc.dns_hostnames)).collect();
        (resolved, network)
    };
    let known = vpcs(true);
    let (resolved, network) = look(&known, true).await;
    assert_eq!(resolved, [(Some(true), Some(false)), (Some(true), Some(true))]);
    assert_eq!(network.dns_unreadable(), None);
    let asked = known.requests();
    let (resolved, network) = look(&known, false).await;
    assert_eq!((resolved, network.dns_unreadable()), (vec![(None, None); 2], None));
    assert_eq!(known.requests() - asked, asked - 4, "two questions for each VPC");

    let (resolved, network) = look(&vpcs(false), true).await;
    assert_eq!(resolved, [(None, None); 2], "the VPCs are known all the same");
    let why = network.dns_unreadable().unwrap();
    assert_eq!(why.missing_action.as_deref(), Some("ec2:DescribeVpcAttribute"));
}

#[tokio::test]
async fn a_secret_is_described() {
    let arn = SecretArn::parse("arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd").unwrap();
    let secret = async |script: Script| history::secret(&client!(aws_sdk_secretsmanager, script), &arn).await;
    let body = json!({
        "ARN": arn.as_str(), "Name": "AmazonMSK_orders", "KmsKeyId": "alias/ours", "RotationEnabled": true,
        "LastChangedDate": 1_767_323_045.5, "DeletedDate": 1_767_323_046.0,
    });
    let found = secret(Script::always(200, &body.to_string())).await.unwrap();
    assert_eq!(
        (found.name.as_str(), found.kms_key.as_deref()),
        ("AmazonMSK_orders", Some("alias/ours"))
    );
    assert!(found.rotates);
    let times = (found.changed.as_deref(), found.deleted.as_deref());
    assert_eq!(times, (Some("2026-01-02T03:04:05Z"), Some("2026-01-02T03:04:06Z")));
    let bare = secret(Script::always(
        200,
        &json!({"ARN": arn.as_str(), "Name": "n"}).to_string(),
    ))
    .await
    .unwrap();
    assert_eq!((bare.rotates, bare.kms_key, bare.deleted), (false, None, None));
    let gone = Script::always(400, &json_error("ResourceNotFoundException", "can't find it"));
    assert_eq!(secret(gone).await, Err(Trouble::Absent));
    let answer = secret(denied("secretsmanager:DescribeSecret")).await;
    assert_eq!(missing(answer), "secretsmanager:DescribeSecret");
}

/// What CloudWatch's protocol makes of JSON: CBOR. Times are tagged numbers under the key `at`.
pub(super) fn cbor(value: &Value) -> Vec<u8> {
    let head = |kind: u8, length: usize| {
        let length = u32::try_from(length).unwrap().to_be_bytes();
        [&[(kind << 5) + 26][..], &length].concat()
    };
    match value {
        Value::String(text) => [head(3, text.len()), text.clone().into_bytes()].concat(),
        Value::Number(number) => [&[0xfb][..], &number.as_f64().unwrap().to_be_bytes()].concat(),
        Value::Array(list) => list
            .iter()
            .fold(head(4, list.len()), |bytes, one| [bytes, cbor(one)].concat()),
        Value::Object(map) if map.contains_key("at") => [vec![0xc1], cbor(&map["at"])].concat(),
        Value::Object(map) => map.iter().fold(head(5, map.len()), |bytes, (key, one)| {
            [bytes, cbor(&json!(key)), cbor(one)].concat()
        }),
        Value::Bool(_) | Value::Null => vec![0xf6],
    }
}

fn cloudwatch(answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> Script {
    let script = Script::binary(move |request| {
        let (status, body) = answer(request);
        (status, cbor(&body))
    });
    script.with_header("smithy-protocol", "rpc-v2-cbor")
}

fn function() -> Function {
    Function {
        arn: "arn:aws:lambda:eu-west-1:123456789012:function:orders".to_owned(),
        role: Some(ROLE.to_owned()),
        ..Function::default()
    }
}

#[tokio::test]
async fn figures_come_from_every_page_and_what_has_none_is_left_out() {
    let result = |id: &str, points: &[(u32, f64)]| {
        let times: Vec<Value> = points.iter().map(|(at, _)| json!({"at": at})).collect();
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        json!({"Id": id, "Label": id, "StatusCode": "Complete", "Timestamps": times, "Values": values})
    };
    let script = cloudwatch(move |request| {
        assert!(
            request.contains("IteratorAge") && request.contains("EventSourceMappingUUID"),
            "{request}"
        );
        let first = request.matches("NextToken").count() == 0;
        let results = if first {
            vec![
                result("m0_0", &[(1_767_322_800, 1000.4), (1_767_323_100, 90_000.0)]),
                result("m0_1", &[(1_767_322_800, 4.0)]),
                result("m0_4", &[]),
                result("m0_6", &[(1_767_322_800, 12.6), (1_767_323_100, 3.0)]),
            ]
        } else {
            vec![
                result("m0_1", &[(1_767_323_100, 5.0)]),
                result("m0_10", &[(1_767_322_800, 0.0)]),
            ]
        };
        let mut body = json!({"MetricDataResults": results, "Messages": []});
        if first {
            body["NextToken"] = json!("more");
        }
        (200, body)
    });
    let (stream, function) = (Arn::parse(crate::arn::Kind::Stream, STREAM).unwrap(), function());
    let mapping = Mapping {
        uuid: "u-1".to_owned(),
        ..Mapping::default()
    };
    let ran = Ran {
        stream: &stream,
        seen: None,
        function: &function,
        mapping: Some(&mapping),
    };
    let client = client!(aws_sdk_cloudwatch, script);
    let found = metrics::metrics(&client, &[ran], now(), 180).await.remove(0).unwrap();
    assert_eq!(script.requests(), 2);
    let point = |at: &str, value| Point {
        at: at.to_owned(),
        value,
    };
    assert_eq!(found.minutes, 180);
    assert_eq!(
        found.iterator_age_ms,
        [
            point("2026-01-02T03:00:00Z", 1000),
            point("2026-01-02T03:05:00Z", 90_000)
        ]
    );
    assert_eq!(
        (found.incoming_records, found.longest_ms, found.dropped),
        (Some(9), Some(13), Some(0))
    );
    assert_eq!(
        (found.errors, found.invocations, found.most_at_once),
        (None, None, None)
    );

    // 500 figures a question at the most: 33 pipelines.
    let script = cloudwatch(|_| (200, json!({"MetricDataResults": [], "Messages": []})));
    let found = metrics::metrics(&client!(aws_sdk_cloudwatch, script), &[ran; 100], now(), 180).await;
    assert_eq!((found.len(), script.requests()), (100, 4));
    assert!(found.iter().all(Result::is_ok));

    let script = cloudwatch(|_| {
        let words = refusal("cloudwatch:GetMetricData");
        (
            400,
            json!({"__type": "com.amazonaws.cloudwatch#AccessDenied", "message": words}),
        )
    });
    let found = metrics::metrics(&client!(aws_sdk_cloudwatch, script), &[ran; 2], now(), 180).await;
    for answer in found {
        assert_eq!(missing(answer), "cloudwatch:GetMetricData");
    }

    // One figure that is kept back is none that is zero, and is its own pipeline's alone.
    for (code, action) in [("Forbidden", Some("cloudwatch:GetMetricData")), ("InternalError", None)] {
        let script = cloudwatch(move |_| {
            let result = json!({"Id": "m1_4", "Label": "Errors", "StatusCode": code, "Timestamps": [], "Values": []});
            (200, json!({"MetricDataResults": [result], "Messages": []}))
        });
        let mut found = metrics::metrics(&client!(aws_sdk_cloudwatch, script), &[ran; 2], now(), 180).await;
        let withheld = crate::facts::Unreadable::from(found.remove(1).unwrap_err());
        assert_eq!(withheld.missing_action.as_deref(), action);
        assert!(withheld.message.contains(code), "{withheld:?}");
        assert!(found.remove(0).is_ok());
    }
}

#[test]
fn patterns_hold_every_signature_and_are_not_too_long() {
    let patterns = log::patterns(SIGNATURES.iter().map(|signature| signature.words));
    let all = patterns.join(" ");
    for signature in SIGNATURES {
        assert!(
            all.contains(&signature.words.replace('"', "\\\"")),
            "{}",
            signature.words
        );
    }
    let words: Vec<String> = (0..100).map(|number| format!("the \"word\" {number}")).collect();
    let patterns = log::patterns(words.iter().map(String::as_str));
    assert!(patterns.len() > 1 && patterns.iter().all(|pattern| pattern.len() <= 1024));
    assert!(
        patterns[0].starts_with(r#"?"the \"word\" 0" ?"the \"word\" 1" "#),
        "{}",
        patterns[0]
    );
    assert_eq!(patterns.join(" ").matches('?').count(), 100);
}

#[tokio::test]
async fn lines_of_a_log_are_counted_and_let_go() {
    let event = |id: &str, at: i64, message: &str| json!({"eventId": id, "timestamp": at, "message": message});
    let script = Script::new(move |request| {
        let (_, body) = request.split_once(' ').unwrap();
        let asked: Value = serde_json::from_str(body).unwrap();
        assert_eq!(asked["logGroupName"], "/aws/lambda/orders");
        assert_eq!(asked["startFromHead"], false, "the latest first");
        assert_eq!(
            (asked["startTime"].as_i64(), asked["endTime"].as_i64()),
            (Some(1_767_312_245_000), Some(1_767_323_045_000))
        );
        let body = if asked["nextToken"] == "2" {
            json!({"events": [event("3", 1_767_323_000_000, "Task timed out after 3 s")]})
        } else {
            let events = [
                event(
                    "1",
                    1_767_323_040_000,
                    "x Failed to update metadata after 60.0 secs password=hunter2",
                ),
                event(
                    "1",
                    1_767_323_040_000,
                    "x Failed to update metadata after 60.0 secs password=hunter2",
                ),
                event(
                    "2",
                    1_767_323_039_000,
                    "Task timed out after 3 s: Failed to update metadata after 60.0 secs",
                ),
                event("4", 1_767_323_038_000, "nothing that is known"),
            ];
            json!({"events": events, "nextToken": "2"})
        };
        (200, body.to_string())
    });
    let look = async |script: &Script| {
        let client = client!(aws_sdk_cloudwatchlogs, script);
        log::sightings(&client, "/aws/lambda/orders", now(), &Paced::new(LOGS)).await
    };
    let sighting = |signature: &str, count, last: &str| Sighting {
        signature: signature.to_owned(),
        count,
        last: last.to_owned(),
    };
    let patterns = log::patterns(SIGNATURES.iter().map(|signature| signature.words)).len();
    let (known, unfinished) = look(&script).await.unwrap();
    assert!(!unfinished);
    assert_eq!(
        known,
        [
            // A line counts for the first that it holds.
            sighting("Task timed out after", 2, "2026-01-02T03:03:59Z"),
            sighting("Failed to update metadata after", 1, "2026-01-02T03:04:00Z"),
        ]
    );
    assert_eq!(script.requests(), 2 * patterns);

    let endless = Script::always(200, r#"{"events":[],"nextToken":"more"}"#);
    assert_eq!(look(&endless).await, Ok((Vec::new(), true)), "and that is said");
    assert_eq!(
        endless.requests(),
        log::PAGES * patterns,
        "a log without an end is not read to it"
    );
    let none = Script::always(400, &json_error("ResourceNotFoundException", "no such group"));
    assert_eq!(look(&none).await, Ok((Vec::new(), false)), "nothing was logged yet");
    assert_eq!(
        missing(look(&denied("logs:FilterLogEvents")).await),
        "logs:FilterLogEvents"
    );
}

fn need(actions: &'static [&'static str], things: &[&str]) -> Need {
    let things = things.iter().map(|arn| Thing {
        granted: (*arn).to_owned(),
        asked: arn.replace("/*", "/k2m"),
    });
    Need {
        actions,
        things: things.collect(),
        context: BTreeMap::from([("kms:ViaService", "kinesis.eu-west-1.amazonaws.com".to_owned())]),
    }
}

/// One result of the simulator: the decision of all, then of each thing; what more there is to say.
fn result(action: &str, decision: &str, things: &[(&str, &str, &str)], more: &str) -> String {
    let things = things.iter().map(|(thing, decision, more)| {
        format!("<member><EvalResourceName>{thing}</EvalResourceName><EvalResourceDecision>{decision}</EvalResourceDecision>{more}</member>")
    });
    let things: String = things.collect();
    format!(
        "<member><EvalActionName>{action}</EvalActionName><EvalResourceName>*</EvalResourceName><EvalDecision>{decision}</EvalDecision>{more}\
         <ResourceSpecificResults>{things}</ResourceSpecificResults></member>"
    )
}

fn simulated(results: &str) -> String {
    let inner = format!("<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>");
    format!(
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>{inner}</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )
}

async fn of_role(script: &Script, needs: &[Need]) -> Answer<Vec<(String, String, Option<Denier>)>> {
    let stream = Arn::parse(crate::arn::Kind::Stream, STREAM).unwrap();
    let client = client!(aws_sdk_iam, script);
    let rights = rights::rights(&client, ROLE, &stream, needs, &Paced::new(IAM)).await?;
    Ok(rights
        .into_iter()
        .map(|right| (right.action, right.resource, right.denied_by))
        .collect())
}

fn iam_error(status: u16, code: &str, words: &str) -> Script {
    Script::always(
        status,
        &format!("<ErrorResponse><Error><Code>{code}</Code><Message>{words}</Message></Error></ErrorResponse>"),
    )
}

const BOUNDARY: &str = "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>";
const ORGANIZATION: &str =
    "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>";

#[tokio::test]
async fn a_right_is_told_for_each_action_and_each_thing_with_who_denies_it() {
    let script = Script::new(|request| {
        for part in [
            "PolicySourceArn=arn%3Aaws%3Aiam",
            "aws%3ARequestedRegion",
            "kms%3AViaService",
            "aws%3ASecureTransport",
        ] {
            assert!(request.contains(part), "{part}: {request}");
        }
        let results = if request.contains("kinesis%3AListStreams") {
            assert!(!request.contains("ResourceArns.member"), "{request}");
            "<member><EvalActionName>kinesis:ListStreams</EvalActionName><EvalResourceName>*</EvalResourceName><EvalDecision>allowed</EvalDecision></member>"
                .to_owned()
        } else {
            assert!(request.contains("s%2Fk2m") && !request.contains("s%2F%2A"), "{request}");
            [
                result(
                    "s:A",
                    "explicitDeny",
                    &[("s/k2m", "allowed", ""), ("t", "explicitDeny", "")],
                    "",
                ),
                result(
                    "s:B",
                    "implicitDeny",
                    &[("s/k2m", "implicitDeny", BOUNDARY), ("t", "implicitDeny", "")],
                    "",
                ),
                result(
                    "s:C",
                    "implicitDeny",
                    &[("t", "allowed", ""), ("s/k2m", "explicitDeny", "")],
                    ORGANIZATION,
                ),
            ]
            .join("")
        };
        (200, simulated(&results))
    });
    let needs = [
        need(&["s:A", "s:B", "s:C"], &["s/*", "t"]),
        need(&["kinesis:ListStreams"], &["*"]),
    ];
    let rights = of_role(&script, &needs).await.unwrap();
    let right = |action: &str, thing: &str, who| (action.to_owned(), thing.to_owned(), who);
    assert_eq!(
        rights,
        [
            right("s:A", "s/*", None),
            right("s:A", "t", Some(Denier::Policy)),
            right("s:B", "s/*", Some(Denier::PermissionsBoundary)),
            right("s:B", "t", Some(Denier::NoPolicy)),
            right("s:C", "s/*", Some(Denier::ServiceControlPolicy)),
            right("s:C", "t", None),
            right("kinesis:ListStreams", "*", None),
        ]
    );
    assert_eq!(script.requests(), 2);
}

#[tokio::test]
async fn a_denial_is_told_with_the_conditions_that_nobody_told() {
    let key = |key: &str| format!("<MissingContextValues><member>{key}</member></MissingContextValues>");
    for condition in ["aws:SourceVpc", "S:Tag/x", "ec2:ResourceTag/x"] {
        let results = [
            result("s:A", "implicitDeny", &[("t", "implicitDeny", &key(condition))], ""),
            result("s:B", "allowed", &[("t", "allowed", &key(condition))], ""),
        ];
        let script = Script::always(200, &simulated(&results.join("")));
        let stream = Arn::parse(crate::arn::Kind::Stream, STREAM).unwrap();
        let (client, needs) = (client!(aws_sdk_iam, script), [need(&["s:A", "s:B"], &["t"])]);
        let rights = rights::rights(&client, ROLE, &stream, &needs, &Paced::new(IAM)).await;
        let rights = rights.unwrap();
        let told: Vec<_> = rights
            .iter()
            .map(|right| (right.denied_by, right.untold.as_slice()))
            .collect();
        let untold = [condition.to_owned()];
        assert_eq!(
            told,
            [(Some(Denier::NoPolicy), &untold[..]), (None, &[])],
            "{condition}"
        );
    }
}

#[tokio::test]
async fn what_can_t_be_asked_together_is_asked_singly() {
    let script = Script::new(|request| {
        let of = |action: &str| request.contains(&action.replace(':', "%3A"));
        if of("s:A") && of("s:B") {
            let words = "Invalid Input Actions: [s:A] and [s:B] require different authorization information.";
            let error = format!(
                "<ErrorResponse><Error><Code>InvalidInput</Code><Message>{words}</Message></Error></ErrorResponse>"
            );
            return (400, error);
        }
        let action = if of("s:A") { "s:A" } else { "s:B" };
        (200, simulated(&result(action, "allowed", &[("t", "allowed", "")], "")))
    });
    let rights = of_role(&script, &[need(&["s:A", "s:B"], &["t"])]).await.unwrap();
    assert_eq!((rights.len(), script.requests()), (2, 3));

    let one = [need(&["s:A"], &["t"])];
    let gone = iam_error(404, "NoSuchEntity", "no such role");
    assert_eq!(of_role(&gone, &one).await, Err(Trouble::Absent));
    let action = "iam:SimulatePrincipalPolicy";
    let answer = of_role(&iam_error(403, "AccessDenied", &refusal(action)), &one).await;
    assert_eq!(missing(answer), action);
    // An answer without what was asked for is none.
    let empty = Script::always(200, &simulated(""));
    let answer = of_role(&empty, &one).await;
    assert!(
        matches!(&answer, Err(Trouble::Refused(words)) if words.contains(action)),
        "{answer:?}"
    );
}

fn message() -> Value {
    json!({
        "requestContext": {"condition": "RecordAgeExceeded"},
        "responseContext": {"functionError": "Unhandled"},
        "KinesisBatchInfo": {
            "shardId": "shardId-1", "startSequenceNumber": "1", "endSequenceNumber": "9", "batchSize": 9,
            "approximateArrivalOfFirstRecord": "2026-01-02T03:04:00Z", "approximateArrivalOfLastRecord": "2026-01-02T03:04:05Z",
        },
    })
}

#[test]
fn a_message_is_lambda_s_as_it_is_or_in_sns_s_own_and_else_nobody_s() {
    let expected = GivenUp {
        condition: "RecordAgeExceeded".to_owned(),
        function_error: Some("Unhandled".to_owned()),
        shard: "shardId-1".to_owned(),
        first: "1".to_owned(),
        last: "9".to_owned(),
        records: 9,
        arrived: "2026-01-02T03:04:05Z".to_owned(),
    };
    assert_eq!(waiting::given_up(&message().to_string()).as_ref(), Some(&expected));
    let wrapped = json!({"Type": "Notification", "Message": message().to_string()});
    assert_eq!(waiting::given_up(&wrapped.to_string()).as_ref(), Some(&expected));
    // Where records are too old before the function was ever invoked.
    let mut never_invoked = message();
    never_invoked.as_object_mut().unwrap().remove("responseContext");
    assert_eq!(
        waiting::given_up(&never_invoked.to_string()).unwrap().function_error,
        None
    );
    for other in [
        "",
        "text",
        "{}",
        r#"{"Message": "hello"}"#,
        r#"{"KinesisBatchInfo": {}}"#,
    ] {
        assert_eq!(waiting::given_up(other), None, "{other}");
    }
}

#[test]
fn where_failures_wait_is_known_of_k2m_s_own_and_asked_of_others() {
    let stream = Arn::parse(crate::arn::Kind::Stream, STREAM).unwrap();
    let id = pipeline_id(&stream);
    let (topic, url) = (
        "arn:aws-cn:sns:cn-north-1:123456789012:t",
        "http://127.0.0.1:1/123456789012/q-1",
    );
    let resources = [("FailureTopic", topic), ("FailureQueue", url)];
    let resources = resources.map(|(end, physical)| (format!("{id}{end}"), physical.to_owned()));
    let stack = |made_by_k2m| Fact::Found {
        value: Stack {
            tags: std::collections::BTreeMap::new(),
            protected: false,
            name: "k2m-orders".to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            made_by_k2m,
            resources: resources.clone().into(),
            outputs: BTreeMap::new(),
            parameters: BTreeMap::new(),
            template: None,
            template_unreadable: None,
        },
    };
    let left = |destination: Option<&str>, made_by_k2m: bool| {
        let mapping = Mapping {
            destination: destination.map(str::to_owned),
            ..Mapping::default()
        };
        waiting::Left::of(&mapping, &stream, &stack(made_by_k2m))
    };
    let own = waiting::Left::Own {
        topic: topic.to_owned(),
        queue: "arn:aws-cn:sqs:cn-north-1:123456789012:q-1".to_owned(),
    };
    assert_eq!(left(Some(topic), true), Some(own));
    assert_eq!(left(Some(topic), false), Some(waiting::Left::Topic(topic.to_owned())));
    let other = topic.replace(":t", ":other");
    assert_eq!(left(Some(&other), true), Some(waiting::Left::Topic(other.clone())));
    assert_eq!(left(Some(QUEUE), true), Some(waiting::Left::Queue(QUEUE.to_owned())));
    for nowhere in [None, Some("arn:aws:s3:::failed")] {
        assert_eq!(left(nowhere, true), None);
    }
}

/// What is seen where a mapping's failures are.
async fn look(script: &Script, left: waiting::Left) -> (Option<Answer<Vec<String>>>, Answer<Waiting>) {
    let http = script.http();
    let config = move |region: &str| {
        let key = Credentials::new("key", "nothing-to-hide", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(key))
            .region(Region::new(region.to_owned()))
            .http_client(http.clone())
            .build()
    };
    waiting::look(left, &waiting::Asked::new(&config)).await
}

#[tokio::test]
async fn what_waits_is_looked_at_and_left() {
    let queue = |messages: u32, redrive: bool, body: Value| {
        Script::new(move |request| {
            assert!(
                request.contains("https://sqs.eu-west-1.amazonaws.com/123456789012/failed"),
                "{request}"
            );
            let (_, asked) = request.split_once(' ').unwrap();
            let asked: Value = serde_json::from_str(asked).unwrap();
            if asked["AttributeNames"].is_array() {
                let mut attributes = json!({"ApproximateNumberOfMessages": messages.to_string()});
                if redrive {
                    attributes["RedrivePolicy"] = json!(r#"{"maxReceiveCount":3}"#);
                }
                return (200, json!({"Attributes": attributes}).to_string());
            }
            assert_eq!(
                (&asked["VisibilityTimeout"], &asked["MaxNumberOfMessages"]),
                (&json!(0), &json!(1))
            );
            let messages = if body.is_null() {
                json!([])
            } else {
                json!([{"MessageId": "1", "Body": body.to_string()}])
            };
            (200, json!({"Messages": messages}).to_string())
        })
    };
    let failed = || waiting::Left::Queue(QUEUE.to_owned());
    let full = queue(3, false, message());
    let (queues, found) = look(&full, failed()).await;
    let found = found.unwrap();
    assert_eq!(queues, None, "no topic is told");
    assert_eq!(
        (found.queue.as_str(), found.messages, found.one.is_some()),
        (QUEUE, 3, true)
    );
    for (script, asked, why) in [
        (queue(0, false, message()), 1, "there is none"),
        (
            queue(3, true, message()),
            1,
            "one that is looked at too often is moved away",
        ),
        (queue(3, false, Value::Null), 2, "SQS happens to show none"),
        (queue(3, false, json!({"of": "somebody else"})), 2, "another's"),
    ] {
        let found = look(&script, failed()).await.1.unwrap();
        assert_eq!((found.one, script.requests()), (None, asked), "{why}");
    }
    let gone = Script::always(400, &json_error("com.amazonaws.sqs#QueueDoesNotExist", "no such queue"));
    assert_eq!(look(&gone, failed()).await.1, Err(Trouble::Absent));
    for action in ["sqs:GetQueueAttributes", "sqs:ReceiveMessage"] {
        let count = json!({"Attributes": {"ApproximateNumberOfMessages": "1"}}).to_string();
        let script = Script::new(move |request| {
            if action == "sqs:ReceiveMessage" && request.contains("AttributeNames") {
                return (200, count.clone());
            }
            (403, json_error("AccessDeniedException", &refusal(action)))
        });
        assert_eq!(missing(look(&script, failed()).await.1), action);
    }
}

#[tokio::test]
async fn what_a_topic_tells_is_asked_beside_what_waits() {
    // Of the stack's own topic the queue is known, and looked at whatever the topic tells.
    let own = || waiting::Left::Own {
        topic: FAILURES.to_owned(),
        queue: QUEUE.to_owned(),
    };
    let both = |topic: fn() -> (u16, String)| {
        Script::new(move |request| {
            if request.contains("ListSubscriptionsByTopic") {
                return topic();
            }
            (
                200,
                json!({"Attributes": {"ApproximateNumberOfMessages": "0"}}).to_string(),
            )
        })
    };
    let (queues, found) = look(&both(|| (200, subscriptions(&subscription("sqs", QUEUE), ""))), own()).await;
    assert_eq!(
        (queues, found.unwrap().queue.as_str()),
        (Some(Ok(vec![QUEUE.to_owned()])), QUEUE)
    );
    let (queues, found) = look(&both(|| (200, subscriptions("", ""))), own()).await;
    assert_eq!((queues, found.unwrap().messages), (Some(Ok(Vec::new())), 0));
    let gone = || {
        (
            404,
            "<ErrorResponse><Error><Code>NotFound</Code><Message>no</Message></Error></ErrorResponse>".to_owned(),
        )
    };
    let (queues, found) = look(&both(gone), own()).await;
    assert_eq!((queues, found.unwrap().messages), (Some(Err(Trouble::Absent)), 0));
    // Of another's the queue is the first that it tells.
    let other = || waiting::Left::Topic(FAILURES.to_owned());
    let (queues, found) = look(&both(|| (200, subscriptions("", ""))), other()).await;
    assert_eq!((queues, found), (Some(Ok(Vec::new())), Err(Trouble::Absent)));
    let (_, found) = look(&both(|| (200, subscriptions(&subscription("sqs", QUEUE), ""))), other()).await;
    assert_eq!(found.unwrap().queue, QUEUE);
}

const FAILURES: &str = "arn:aws:sns:eu-west-1:123456789012:t";

/// A subscription that is confirmed, as SNS lists it.
fn subscription(protocol: &str, endpoint: &str) -> String {
    format!(
        "<member><Protocol>{protocol}</Protocol><Endpoint>{endpoint}</Endpoint><SubscriptionArn>{FAILURES}:1</SubscriptionArn></member>"
    )
}

fn subscriptions(members: &str, next: &str) -> String {
    let inner = format!("<Subscriptions>{members}</Subscriptions>{next}");
    format!(
        "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult>{inner}</ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
    )
}

#[tokio::test]
async fn the_queues_of_a_topic_are_those_that_are_subscribed() {
    let subscribed = async |script: &Script| waiting::subscribed(&client!(aws_sdk_sns, script), FAILURES).await;
    let later = QUEUE.replace("failed", "later");
    let second = later.clone();
    let script = Script::new(move |request| {
        let body = if request.contains("NextToken") {
            subscriptions(&subscription("sqs", QUEUE), "")
        } else {
            let waits = subscription("sqs", "arn:aws:sqs:eu-west-1:999999999999:a")
                .replace(&format!("{FAILURES}:1"), "PendingConfirmation");
            let members = subscription("email", "a@example.com") + &waits + &subscription("sqs", &second);
            subscriptions(&members, "<NextToken>2</NextToken>")
        };
        (200, body)
    });
    assert_eq!(subscribed(&script).await, Ok(vec![QUEUE.to_owned(), later]));
    let none = Script::always(200, &subscriptions(&subscription("email", "a@example.com"), ""));
    assert_eq!(subscribed(&none).await, Ok(Vec::new()));
    let gone = iam_error(404, "NotFound", "Topic does not exist");
    assert_eq!(subscribed(&gone).await, Err(Trouble::Absent));
    let denied = iam_error(403, "AuthorizationError", &refusal("SNS:ListSubscriptionsByTopic"));
    assert_eq!(missing(subscribed(&denied).await), "SNS:ListSubscriptionsByTopic");
}

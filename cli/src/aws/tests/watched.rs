//! What is asked while pipelines are watched, and lines of log groups: pages, what is gone, what is denied, what is throttled.

use aws_config::SdkConfig;
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use serde_json::{Value, json};

use super::happened::cbor;
use super::*;
use crate::aws::lines::LogGroups;
use crate::facts::{FlowMinute, Minute, StackPipeline, Waiting};
use crate::logs::port::{Event, Groups as _, Page, Question};

fn aws(script: &Script) -> Aws {
    let key = Credentials::new("key", "nothing-to-hide", None, None, "test");
    Aws {
        config: SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(key))
            .retry_config(RetryConfig::disabled())
            .http_client(script.http())
            .build(),
        profile: None,
    }
}

fn stack(made_by_k2m: bool) -> Stack {
    Stack {
        name: "k2m-orders".to_owned(),
        status: "CREATE_COMPLETE".to_owned(),
        made_by_k2m,
        resources: BTreeMap::new(),
        outputs: BTreeMap::new(),
        parameters: BTreeMap::new(),
        tags: BTreeMap::new(),
        protected: false,
        template: None,
        template_unreadable: None,
    }
}

fn pipeline(name: &str) -> StackPipeline {
    StackPipeline {
        stream: Arn::parse(
            crate::arn::Kind::Stream,
            &format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{name}"),
        )
        .unwrap(),
        topic: Some(name.to_owned()),
        function: Some(format!("{name}-1")),
        mapping: Some(format!("{name}-u")),
        log_group: None,
    }
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// What services answer where all is well; `denied` is part of the request that is not allowed.
fn account(denied: &'static [&'static str], gone: &'static [&'static str]) -> Script {
    let script = Script::binary(move |request| {
        let json = |status: u16, value: Value| (status, value.to_string().into_bytes());
        let is_figures = request.contains("GetMetricData");
        if denied.iter().any(|part| request.contains(part)) {
            let words = "User: u is not authorized to perform: some:Action on resource: r";
            if is_figures {
                let body = json!({"__type": "com.amazonaws.cloudwatch#AccessDenied", "message": words});
                return (400, cbor(&body));
            }
            return (400, json_error("AccessDeniedException", words).into_bytes());
        }
        if gone.iter().any(|part| request.contains(part)) {
            return (
                404,
                json_error("ResourceNotFoundException", "no such thing").into_bytes(),
            );
        }
        if is_figures {
            let result = |id: &str, value: f64| json!({"Id": id, "Label": id, "StatusCode": "Complete", "Timestamps": [{"at": 1_767_322_800}], "Values": [value]});
            if request.contains("Minimum") {
                // What came in and what was taken, of the first pipeline; of the second what came in.
                let results = [result("m0_0", 6.0), result("m0_1", 1500.0), result("m1_0", 3.0)];
                return (200, cbor(&json!({"MetricDataResults": results, "Messages": []})));
            }
            if request.contains("GetRecords.IteratorAgeMilliseconds") {
                // Invocations, errors, throttles, the handler's failures, both ages, what came in: of the first pipeline.
                let values = [9.0, 1.0, 2.0, 4.0, 1500.0, 2500.0, 6.0];
                let of_first = values
                    .iter()
                    .enumerate()
                    .map(|(figure, value)| result(&format!("m0_{figure}"), *value));
                let results: Vec<Value> = of_first.chain([result("m1_0", 3.0)]).collect();
                return (200, cbor(&json!({"MetricDataResults": results, "Messages": []})));
            }
            // The second pipeline's records, by what its handler logs.
            let results = [result("m0_1", 7.0), result("m1_12", 5.0), result("m1_14", 2.0)];
            return (200, cbor(&json!({"MetricDataResults": results, "Messages": []})));
        }
        if request.contains("sqs.eu-west-1") {
            assert!(!request.contains("VisibilityTimeout"), "nothing is taken: {request}");
            return json(200, json!({"Attributes": {"ApproximateNumberOfMessages": "3"}}));
        }
        if let Some((_, rest)) = request.split_once("/event-source-mappings/") {
            let uuid = rest.split(['/', '?', ' ']).next().unwrap();
            let destination = "arn:aws:sqs:eu-west-1:123456789012:failed";
            return json(
                200,
                json!({
                    "UUID": uuid, "State": "Enabled", "LastProcessingResult": "OK", "BatchSize": 1000, "LastModified": 1_767_320_000,
                    "DestinationConfig": {"OnFailure": {"Destination": destination}},
                }),
            );
        }
        let (_, rest) = request.split_once("/functions/").unwrap_or_else(|| panic!("{request}"));
        let name = rest.split('/').next().unwrap();
        let arn = format!("arn:aws:lambda:eu-west-1:123456789012:function:{name}");
        json(200, json!({"FunctionArn": arn, "State": "Active"}))
    });
    script.with_header("smithy-protocol", "rpc-v2-cbor")
}

async fn watch(script: &Script) -> crate::facts::Watched {
    let pipelines = [pipeline("clicks"), pipeline("orders")];
    aws(script)
        .watch("eu-west-1", &stack(true), &pipelines, now(), 15)
        .await
}

#[tokio::test]
async fn each_pipeline_gets_what_is_its_own() {
    let script = account(&[], &[]);
    let seen = watch(&script).await;
    assert_eq!((seen.minutes, seen.taken_at.as_str()), (15, "2026-01-02T03:04:05Z"));
    assert_eq!(
        script.requests(),
        8,
        "two to Lambda and one to SQS for each, and two for the figures of all"
    );
    for (one, name) in seen.pipelines.iter().zip(["clicks", "orders"]) {
        assert_eq!(one.topic.as_deref(), Some(name));
        assert_eq!(one.function.found().unwrap().name(), format!("{name}-1"));
        assert_eq!(one.mapping.found().unwrap().uuid, format!("{name}-u"));
        let waiting = Waiting {
            queue: "arn:aws:sqs:eu-west-1:123456789012:failed".to_owned(),
            messages: 3,
            one: None,
        };
        assert_eq!(one.waiting, Some(Fact::Found { value: waiting }));
    }
    let figures = |at: usize| {
        let metrics = seen.pipelines[at].metrics.found().unwrap();
        (metrics.incoming_records, metrics.acknowledged, metrics.undelivered)
    };
    assert_eq!(figures(0), (Some(7), None, None));
    assert_eq!(figures(1), (None, Some(5), Some(2)));
    let flow = |at: usize| {
        let flow = seen.pipelines[at].flow.as_ref().unwrap().found().unwrap();
        assert_eq!((flow.looked_back, flow.changed), (180, Some(1_767_320_000)));
        flow.minutes[&1_767_322_800]
    };
    let (incoming, youngest_ms) = (6, Some(1500));
    assert_eq!(flow(0), FlowMinute { incoming, youngest_ms });
    let (incoming, youngest_ms) = (3, None);
    assert_eq!(flow(1), FlowMinute { incoming, youngest_ms });
}

#[tokio::test]
async fn how_far_a_pipeline_has_come_is_told_by_the_minute() {
    let pipelines = [pipeline("clicks"), pipeline("orders")];
    let read = async |script: &Script| aws(script).readings("eu-west-1", &pipelines, now(), 60).await;
    let seen = read(&account(&[], &[])).await;
    let minute = |at: usize| {
        let minutes = seen[at].minutes.found().unwrap();
        assert_eq!((minutes.looked_back, minutes.counted.len()), (60, 1), "{minutes:?}");
        minutes.counted[&1_767_322_800].clone()
    };
    let first = Minute {
        invocations: 9,
        failures: 7,
        told: true,
        behind_ms: 2500,
        incoming: 6,
    };
    assert_eq!(minute(0), first);
    let second = Minute {
        invocations: 3,
        ..Minute::default()
    };
    assert_eq!(minute(1), second);
    assert_eq!(seen[1].mapping.found().unwrap().uuid, "orders-u");
    // Neither is known by the other.
    let seen = read(&account(&["GetMetricData"], &["/event-source-mappings/clicks-u"])).await;
    assert!(
        seen.iter()
            .all(|one| one.minutes.unreadable().is_some() && one.function.found().is_some())
    );
    assert!(
        seen[0].mapping.is_absent() && seen[1].mapping.found().is_some(),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_right_that_is_missing_and_a_thing_that_is_gone_are_two_things() {
    // Figures are known of a function that can't be read.
    let seen = watch(&account(&["/functions/orders-1"], &["/event-source-mappings/clicks-u"])).await;
    let [clicks, orders] = seen.pipelines.as_slice() else {
        panic!("{seen:?}")
    };
    assert!(clicks.mapping.is_absent() && clicks.waiting.is_none() && clicks.function.found().is_some());
    let why = orders.function.unreadable().unwrap();
    assert_eq!(why.missing_action.as_deref(), Some("some:Action"));
    assert_eq!(orders.metrics.found().unwrap().acknowledged, Some(5));

    let seen = watch(&account(&["GetMetricData", "sqs."], &[])).await;
    for one in &seen.pipelines {
        assert!(
            one.metrics.unreadable().is_some() && one.mapping.found().is_some(),
            "{one:?}"
        );
        assert!(one.waiting.as_ref().unwrap().unreadable().is_some(), "{one:?}");
    }
    // What the stack doesn't have is not asked for.
    let bare = StackPipeline {
        function: None,
        mapping: None,
        ..pipeline("orders")
    };
    let script = account(&["/functions/", "/event-source-mappings/"], &[]);
    let seen = aws(&script).watch("eu-west-1", &stack(true), &[bare], now(), 15).await;
    let one = &seen.pipelines[0];
    assert!(
        one.function.is_absent() && one.mapping.is_absent() && one.waiting.is_none(),
        "{one:?}"
    );
    assert_eq!(script.requests(), 2);
}

async fn page(script: &Script, token: Option<&str>) -> Result<Page, crate::deploy::port::Fault> {
    let groups = LogGroups::new(client!(aws_sdk_cloudwatchlogs, script));
    let question = Question {
        group: "/k2m/orders",
        since: 1_767_323_045_000,
        until: token.map(|_| 1_767_323_046_000),
        pattern: token.map(|_| "-\"a\""),
        token,
    };
    groups.page(question).await
}

#[tokio::test]
async fn lines_come_by_pages_with_what_they_hold() {
    let script = Script::new(|request| {
        let (_, body) = request.split_once(' ').unwrap();
        let asked: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&asked["logGroupName"], &asked["startTime"]),
            (&json!("/k2m/orders"), &json!(1_767_323_045_000_i64))
        );
        assert!(asked["startFromHead"].is_null(), "the oldest first");
        let body = if asked["nextToken"] == "2" {
            assert_eq!(
                (&asked["filterPattern"], &asked["endTime"]),
                (&json!("-\"a\""), &json!(1_767_323_046_000_i64))
            );
            json!({"events": [], "nextToken": ""})
        } else {
            assert!(
                asked["filterPattern"].is_null() && asked["endTime"].is_null(),
                "{asked}"
            );
            json!({
                "events": [{"eventId": "1", "timestamp": 1_767_323_045_001_i64, "ingestionTime": 1_767_323_045_900_i64, "message": "a\u{1b}"}],
                "nextToken": "2",
            })
        };
        (200, body.to_string())
    });
    let event = Event {
        id: "1".to_owned(),
        at: 1_767_323_045_001,
        ingested: 1_767_323_045_900,
        message: "a\u{1b}".to_owned(),
    };
    let first = Page {
        events: vec![event],
        next: Some("2".to_owned()),
    };
    assert_eq!(page(&script, None).await, Ok(first));
    assert_eq!(page(&script, Some("2")).await, Ok(Page::default()), "the last");
}

#[tokio::test]
async fn why_there_are_no_lines_is_sorted() {
    let words = "User: u is not authorized to perform: logs:FilterLogEvents on resource: r";
    for (status, code, message, kind) in [
        (400, "ResourceNotFoundException", "no such group", FaultKind::Absent),
        (
            400,
            "AccessDeniedException",
            words,
            FaultKind::Denied("logs:FilterLogEvents".to_owned()),
        ),
        (400, "ThrottlingException", "Rate exceeded", FaultKind::Passing),
        (503, "ServiceUnavailableException", "later", FaultKind::Passing),
        (400, "UnrecognizedClientException", "bad token", FaultKind::Credentials),
        (400, "InvalidParameterException", "no", FaultKind::Refused),
    ] {
        let script = Script::always(status, &json_error(code, message));
        let fault = page(&script, None).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{code}: {}", fault.message);
    }
}

//! What the deployment asks for, on the wire: pages, absence, refusals, and whose bucket is expected.

use std::sync::Mutex;

use super::*;
use crate::deploy::port::{Action, Artifacts as _, ChangeSet, FaultKind, PropertyChange, Stacks as _, Version};
use crate::deploy::state::Status;

/// Answers by a script, and writes down each request: method, address, owner, body.
#[derive(Clone)]
pub(super) struct Bench {
    answer: Arc<dyn Fn(&str) -> Wire + Send + Sync>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bench")
    }
}

impl HttpConnector for Bench {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let owner = request.headers().get("x-amz-expected-bucket-owner").unwrap_or("nobody");
        let line = format!("{} {} owner {owner} {body}", request.method(), request.uri());
        let (status, body) = (self.answer)(&line);
        self.requests.lock().unwrap().push(line);
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body.into())))
    }
}

impl Bench {
    pub(super) fn new(answer: impl Fn(&str) -> Wire + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            requests: Arc::default(),
        }
    }

    pub(super) fn aws(&self) -> Aws {
        let connector = SharedHttpConnector::new(self.clone());
        let key = aws_sdk_sts::config::Credentials::new("key", "secret", None, None, "test");
        Aws {
            config: SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-west-1"))
                .credentials_provider(aws_sdk_sts::config::SharedCredentialsProvider::new(key))
                .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
                .http_client(http_client_fn(move |_, _| connector.clone()))
                .build(),
            profile: None,
        }
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn query_error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )
}

#[tokio::test]
async fn a_change_set_comes_from_every_page() {
    let change = |action: &str, id: &str, replacement: &str| {
        format!(
            "<member><Type>Resource</Type><ResourceChange><Action>{action}</Action><LogicalResourceId>{id}</LogicalResourceId>\
             <ResourceType>AWS::SQS::Queue</ResourceType>{replacement}</ResourceChange></member>"
        )
    };
    let target = |path: &str, recreation: &str, values: &str| {
        format!(
            "<member><Target><Attribute>Properties</Attribute><Name>Name</Name>{path}<RequiresRecreation>{recreation}</RequiresRecreation>{values}</Target></member>"
        )
    };
    let both = "<BeforeValue>1</BeforeValue><AfterValue>2</AfterValue>";
    let details = format!(
        "<Replacement>True</Replacement><Details>{}{}{}</Details>",
        target("<Path>/Properties/Environment/Variables/A</Path>", "Never", both),
        target("<Path>/Properties/Environment/Variables/A</Path>", "Always", ""),
        target("", "Never", "<AfterValue>x</AfterValue>")
    );
    let first = change("Add", "A", "") + &change("Modify", "B", &details);
    let second = change("Modify", "C", "<Replacement>Conditional</Replacement>")
        + &change("Modify", "D", "<Replacement>False</Replacement>")
        + &change("Remove", "E", "");
    let bench = Bench::new(move |request| {
        let (page, next) = if request.contains("NextToken=2") {
            (&second, "")
        } else {
            (&first, "<NextToken>2</NextToken>")
        };
        let result = format!(
            "<Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus><Changes>{page}</Changes>{next}"
        );
        let body = format!(
            "<DescribeChangeSetResponse><DescribeChangeSetResult>{result}</DescribeChangeSetResult></DescribeChangeSetResponse>"
        );
        (200, body)
    });
    let stacks = bench.aws().stacks("eu-west-1");
    let ChangeSet::Ready(changes) = stacks.change_set("id").await.unwrap() else {
        panic!("it is ready");
    };
    let seen: Vec<_> = changes
        .iter()
        .map(|change| (change.logical_id.as_str(), change.action))
        .collect();
    assert_eq!(
        seen,
        [
            ("A", Action::Add),
            ("B", Action::Replace),
            ("C", Action::MayReplace),
            ("D", Action::Modify),
            ("E", Action::Remove)
        ]
    );
    let property = |path: &str, before: Option<&str>, after: &str, replaces| PropertyChange {
        path: path.to_owned(),
        before: before.map(str::to_owned),
        after: Some(after.to_owned()),
        replaces,
    };
    assert_eq!(
        changes[1].properties,
        [
            property("Environment.Variables.A", Some("1"), "2", true),
            property("Name", None, "x", false)
        ]
    );
    assert!(bench.requests()[0].contains("IncludePropertyValues=true"));
}

#[tokio::test]
async fn a_change_set_is_pending_ready_or_failed() {
    for (status, execution, reason, wanted) in [
        ("CREATE_PENDING", "UNAVAILABLE", "", ChangeSet::Pending),
        ("CREATE_IN_PROGRESS", "UNAVAILABLE", "", ChangeSet::Pending),
        ("CREATE_COMPLETE", "AVAILABLE", "", ChangeSet::Ready(Vec::new())),
        (
            "FAILED",
            "UNAVAILABLE",
            "No updates are to be performed.",
            ChangeSet::Failed("No updates are to be performed.".to_owned()),
        ),
        (
            "CREATE_COMPLETE",
            "OBSOLETE",
            "",
            ChangeSet::Failed("its status is CREATE_COMPLETE, its execution status OBSOLETE".to_owned()),
        ),
    ] {
        let body = format!(
            "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>{status}</Status><ExecutionStatus>{execution}</ExecutionStatus>\
             <StatusReason>{reason}</StatusReason></DescribeChangeSetResult></DescribeChangeSetResponse>"
        );
        let bench = Bench::new(move |_| (200, body.clone()));
        assert_eq!(
            bench.aws().stacks("eu-west-1").change_set("id").await.unwrap(),
            wanted,
            "{status} {execution}"
        );
    }
}

#[tokio::test]
async fn what_cloudformation_does_not_have_is_absent_and_what_fails_is_told_apart() {
    let absent = Bench::new(|_| {
        (
            400,
            query_error("ValidationError", "Stack with id k2m-orders does not exist"),
        )
    });
    let stacks = absent.aws().stacks("eu-west-1");
    assert_eq!(stacks.stack("k2m-orders").await.unwrap(), None);
    assert_eq!(stacks.change_sets("k2m-orders").await.unwrap(), [""; 0]);
    stacks.delete_stack("k2m-orders", "token", None).await.unwrap();
    let gone = Bench::new(|_| (404, query_error("ChangeSetNotFound", "ChangeSet [x] does not exist")));
    gone.aws()
        .stacks("eu-west-1")
        .delete_change_set("k2m-orders", "x")
        .await
        .unwrap();
    for (status, code, kind) in [
        (400, "Throttling", FaultKind::Passing),
        (503, "Odd", FaultKind::Passing),
        (
            403,
            "AccessDenied",
            FaultKind::Denied("cloudformation:DescribeStacks".to_owned()),
        ),
        (403, "ExpiredToken", FaultKind::Credentials),
        (400, "ValidationError", FaultKind::Refused),
    ] {
        let bench = Bench::new(move |_| (status, query_error(code, "why")));
        let fault = bench.aws().stacks("eu-west-1").stack("k2m-orders").await.unwrap_err();
        assert_eq!(fault.kind, kind, "{code}");
    }
}

#[tokio::test]
async fn protection_is_set_and_lifted_and_a_refusal_names_the_right() {
    for protected in [true, false] {
        let bench = Bench::new(|_| {
            let body = "<UpdateTerminationProtectionResponse><UpdateTerminationProtectionResult><StackId>arn:x</StackId></UpdateTerminationProtectionResult></UpdateTerminationProtectionResponse>";
            (200, body.to_owned())
        });
        bench
            .aws()
            .stacks("eu-west-1")
            .protect("arn:x", protected)
            .await
            .unwrap();
        let requests = bench.requests();
        let [request] = requests.as_slice() else {
            panic!("one call: {requests:?}");
        };
        for part in [
            "Action=UpdateTerminationProtection".to_owned(),
            "StackName=arn%3Ax".to_owned(),
            format!("EnableTerminationProtection={protected}"),
        ] {
            assert!(request.contains(&part), "{part}: {request}");
        }
    }
    for (status, code, kind) in [
        (
            403,
            "AccessDenied",
            FaultKind::Denied("cloudformation:UpdateTerminationProtection".to_owned()),
        ),
        (400, "ValidationError", FaultKind::Refused),
        (503, "Odd", FaultKind::Passing),
    ] {
        let bench = Bench::new(move |_| (status, query_error(code, "why")));
        let fault = bench
            .aws()
            .stacks("eu-west-1")
            .protect("arn:x", true)
            .await
            .unwrap_err();
        assert_eq!(fault.kind, kind, "{code}");
    }
}

#[tokio::test]
async fn a_stack_is_seen_with_its_tag_and_parameters() {
    let bench = Bench::new(|_| {
        let stack = "<StackId>arn:x</StackId><StackName>k2m-orders</StackName><CreationTime>2026-01-02T03:04:05Z</CreationTime><StackStatus>ROLLBACK_COMPLETE</StackStatus>\
             <StackStatusReason>why</StackStatusReason><Parameters><member><ParameterKey>ArtifactKey</ParameterKey><ParameterValue>k</ParameterValue></member></Parameters>\
             <Tags><member><Key>k2m:stack</Key><Value>k2m-orders</Value></member></Tags>";
        let body = format!(
            "<DescribeStacksResponse><DescribeStacksResult><Stacks><member>{stack}</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
        );
        (200, body)
    });
    let stack = bench
        .aws()
        .stacks("eu-west-1")
        .stack("k2m-orders")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stack.id.as_str(), &stack.status, stack.made_by_k2m),
        ("arn:x", &Status::RollbackComplete, true)
    );
    assert_eq!(
        (stack.reason.as_deref(), stack.parameters["ArtifactKey"].as_str()),
        (Some("why"), "k")
    );
}

#[tokio::test]
async fn every_call_to_a_bucket_expects_its_owner() {
    let bench = Bench::new(|request| match request {
        request if request.contains("?tagging") && request.starts_with("GET") => {
            (404, "<Error><Code>NoSuchTagSet</Code></Error>".to_owned())
        }
        request if request.contains("versions") => {
            let last = request.contains("key-marker=a");
            let entry = if last {
                "<DeleteMarker><Key>b</Key><VersionId>2</VersionId></DeleteMarker>"
            } else {
                "<Version><Key>a</Key><VersionId>1</VersionId></Version>"
            };
            let more = if last {
                ""
            } else {
                "<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>"
            };
            (200, format!("<ListVersionsResult>{entry}{more}</ListVersionsResult>"))
        }
        request if request.starts_with("POST") => (200, "<DeleteResult/>".to_owned()),
        request if request.starts_with("DELETE") => (
            409,
            "<Error><Code>BucketNotEmpty</Code><Message>no</Message></Error>".to_owned(),
        ),
        _ => (200, String::new()),
    });
    let s3 = bench.aws().artifacts("eu-west-1", "123456789012");
    let tags = BTreeMap::from([("k2m:artifacts".to_owned(), "true".to_owned())]);
    assert!(s3.exists("b").await.unwrap());
    assert_eq!(s3.tags("b").await.unwrap(), BTreeMap::new());
    s3.secure("b", "{}").await.unwrap();
    s3.tag("b", &tags).await.unwrap();
    assert!(s3.has("b", "k").await.unwrap());
    s3.put("b", "k", b"zip").await.unwrap();
    let versions = s3.versions("b", "k2m-orders/").await.unwrap();
    let version = |key: &str, id: &str| Version {
        key: key.to_owned(),
        id: id.to_owned(),
    };
    assert_eq!(versions, [version("a", "1"), version("b", "2")]);
    s3.remove("b", &versions).await.unwrap();
    assert!(!s3.delete("b").await.unwrap());
    let requests = bench.requests();
    assert_eq!(requests.len(), 14);
    for request in requests {
        assert!(request.contains("owner 123456789012"), "{request}");
    }
}

#[tokio::test]
async fn buckets_are_made_where_they_belong_and_found_page_by_page() {
    for (region, constraint) in [
        ("eu-west-1", "<LocationConstraint>eu-west-1<"),
        ("us-east-1", "owner nobody"),
    ] {
        let bench = Bench::new(|_| (200, String::new()));
        bench.aws().artifacts(region, "123456789012").create("b").await.unwrap();
        let request = bench.requests().remove(0);
        assert!(request.contains(constraint), "{request}");
        assert_eq!(
            request.contains("LocationConstraint"),
            region != "us-east-1",
            "{request}"
        );
    }
    let bench = Bench::new(|request| {
        let (name, next) = if request.contains("continuation-token=2") {
            ("k2m-a", "")
        } else {
            ("k2m-b", "<ContinuationToken>2</ContinuationToken>")
        };
        (
            200,
            format!(
                "<ListAllMyBucketsResult><Buckets><Bucket><Name>{name}</Name></Bucket></Buckets>{next}</ListAllMyBucketsResult>"
            ),
        )
    });
    let s3 = bench.aws().artifacts("eu-west-1", "123456789012");
    assert_eq!(s3.buckets("k2m-").await.unwrap(), ["k2m-a", "k2m-b"]);
    assert!(bench.requests()[0].contains("prefix=k2m-"));
    assert_eq!(
        s3.url("b", "k2m-orders/x.template"),
        "https://b.s3.eu-west-1.amazonaws.com/k2m-orders/x.template"
    );
    let china = bench.aws().artifacts("cn-north-1", "123456789012").url("b", "k");
    assert_eq!(china, "https://b.s3.cn-north-1.amazonaws.com.cn/k");
}

#[tokio::test]
async fn an_answer_without_a_body_is_told_by_its_status() {
    for (status, found) in [
        (404, Ok(false)),
        (403, Err(FaultKind::Denied("s3:ListBucket".to_owned()))),
    ] {
        let bench = Bench::new(move |_| (status, String::new()));
        let s3 = bench.aws().artifacts("eu-west-1", "123456789012");
        assert_eq!(s3.exists("b").await.map_err(|fault| fault.kind), found, "{status}");
    }
    // A call that succeeds though an object stays.
    let bench = Bench::new(|_| {
        let error = "<Error><Key>a</Key><Code>AccessDenied</Code><Message>no</Message></Error>";
        (200, format!("<DeleteResult>{error}</DeleteResult>"))
    });
    let version = Version {
        key: "a".to_owned(),
        id: "1".to_owned(),
    };
    let removed = bench
        .aws()
        .artifacts("eu-west-1", "123456789012")
        .remove("b", &[version])
        .await;
    assert_eq!(
        removed.unwrap_err().kind,
        FaultKind::Denied("s3:DeleteObjectVersion".to_owned())
    );
}

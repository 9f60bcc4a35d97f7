//! What the user gives: found, absent, refused, and what is left out of an answer.

use super::*;
use crate::facts::given::Subscriptions;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:failed";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:failed";
const BUCKET: &str = "arn:aws:s3:::given-up";
const CONSUMER: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/k2m:1700000000";

fn text(text: &str) -> Fact<String> {
    Fact::Found { value: text.to_owned() }
}

fn missing<T>(fact: &Fact<T>) -> Option<&str> {
    fact.unreadable()?.missing_action.as_deref()
}

fn query_error(code: &str) -> String {
    format!("<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>")
}

fn s3_error(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>no</Message></Error>")
}

#[tokio::test]
async fn a_topic_says_who_hears_it() {
    let entry = |key: &str, value: &str| format!("<entry><key>{key}</key><value>{value}</value></entry>");
    let attributes = entry("SubscriptionsConfirmed", "2")
        + &entry("SubscriptionsPending", "1")
        + &entry("KmsMasterKeyId", "alias/failures")
        + &entry("Policy", "{}");
    let body = |attributes: &str| {
        format!(
            "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes>{attributes}</Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>"
        )
    };
    let look = async |script: &Script| fact(given::topic(&client!(aws_sdk_sns, script), TOPIC).await);
    let found = look(&Script::always(200, &body(&attributes))).await;
    let expected = GivenDestination {
        arn: TOPIC.to_owned(),
        kms_key: text("alias/failures"),
        policy: text("{}"),
        subscriptions: Some(Subscriptions {
            confirmed: 2,
            pending: 1,
        }),
        region: None,
    };
    assert_eq!(found, Fact::Found { value: expected });
    let bare = look(&Script::always(200, &body(&entry("KmsMasterKeyId", "")))).await;
    let bare = bare.found().unwrap();
    assert_eq!((&bare.kms_key, &bare.policy), (&Fact::Absent, &Fact::Absent));
    assert_eq!(look(&Script::always(404, &query_error("NotFound"))).await, Fact::Absent);
    let denied = look(&Script::always(403, &query_error("AuthorizationError"))).await;
    assert_eq!(missing(&denied), Some("sns:GetTopicAttributes"));
}

#[tokio::test]
async fn a_queue_is_asked_for_by_the_url_that_sqs_gives() {
    let script = Script::new(|request| {
        let body = if request.contains("\"QueueUrl\":\"https://sqs/given\"") {
            r#"{"Attributes":{"KmsMasterKeyId":"1234abcd","Policy":"{\"Statement\":[]}"}}"#
        } else {
            let owner = r#""QueueOwnerAWSAccountId":"123456789012""#;
            assert!(
                request.contains(owner) && request.contains(r#""QueueName":"failed""#),
                "{request}"
            );
            r#"{"QueueUrl":"https://sqs/given"}"#
        };
        (200, body.to_owned())
    });
    let look = async |script: &Script| fact(given::queue(&client!(aws_sdk_sqs, script), QUEUE).await);
    let found = look(&script).await;
    let found = found.found().unwrap();
    assert_eq!(
        (&found.kms_key, &found.policy, found.subscriptions),
        (&text("1234abcd"), &text(r#"{"Statement":[]}"#), None)
    );
    for code in [
        "com.amazonaws.sqs#QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
    ] {
        assert_eq!(
            look(&Script::always(400, &json_error(code, "no"))).await,
            Fact::Absent,
            "{code}"
        );
    }
    let denied = look(&Script::always(403, &json_error("AccessDeniedException", "no"))).await;
    assert_eq!(missing(&denied), Some("sqs:GetQueueUrl"));
    let half = Script::new(|request| {
        if request.contains("AttributeNames") {
            (403, json_error("AccessDenied", "no"))
        } else {
            (200, r#"{"QueueUrl":"https://sqs/given"}"#.to_owned())
        }
    });
    assert_eq!(missing(&look(&half).await), Some("sqs:GetQueueAttributes"));
}

#[tokio::test]
async fn a_bucket_says_where_it_is_and_how_it_encrypts() {
    let encryption = |default: &str| {
        format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>{default}</ApplyServerSideEncryptionByDefault></Rule>\
             </ServerSideEncryptionConfiguration>"
        )
    };
    let bucket = |head: u16, encryption: Wire, policy: Wire| {
        let script = Script::new(move |request| {
            if request.contains("?encryption") {
                encryption.clone()
            } else if request.contains("?policy") {
                policy.clone()
            } else {
                (head, String::new())
            }
        });
        script.with_header("x-amz-bucket-region", "eu-central-1")
    };
    let look = async |script: &Script| {
        let client = |_: &str| client!(aws_sdk_s3, script);
        fact(given::bucket(client, "eu-west-1", "123456789012", BUCKET).await)
    };
    let no_policy = || (404, s3_error("NoSuchBucketPolicy"));
    for (head, default, key) in [
        (200, "<SSEAlgorithm>AES256</SSEAlgorithm>", Fact::Absent),
        (200, "<SSEAlgorithm>aws:kms</SSEAlgorithm>", text("alias/aws/s3")),
        // In another region than it was asked for in.
        (
            301,
            "<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>1234abcd</KMSMasterKeyID>",
            text("1234abcd"),
        ),
        (
            200,
            "<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm><KMSMasterKeyID>1234abcd</KMSMasterKeyID>",
            text("1234abcd"),
        ),
    ] {
        let script = bucket(head, (200, encryption(default)), no_policy());
        let found = look(&script).await;
        let found = found.found().unwrap();
        assert_eq!((&found.kms_key, &found.policy), (&key, &Fact::Absent), "{default}");
        assert_eq!(found.region.as_deref(), Some("eu-central-1"));
        assert_eq!(script.requests(), 3);
    }
    let plain = (404, s3_error("ServerSideEncryptionConfigurationNotFoundError"));
    let found = look(&bucket(200, plain, (200, r#"{"Statement":[]}"#.to_owned()))).await;
    let found = found.found().unwrap();
    assert_eq!(
        (&found.kms_key, &found.policy),
        (&Fact::Absent, &text(r#"{"Statement":[]}"#))
    );
    let denied = || (403, s3_error("AccessDenied"));
    let found = look(&bucket(200, denied(), denied())).await;
    let found = found.found().unwrap();
    assert_eq!(missing(&found.kms_key), Some("s3:GetEncryptionConfiguration"));
    assert_eq!(missing(&found.policy), Some("s3:GetBucketPolicy"));
    assert_eq!(look(&bucket(404, denied(), denied())).await, Fact::Absent);
    let another = look(&bucket(403, denied(), denied())).await;
    assert_eq!(missing(&another), Some("s3:ListBucket"));
    let why = &another.unreadable().unwrap().message;
    assert!(why.contains("not of account 123456789012"), "{why}");
}

#[tokio::test]
async fn a_consumer_says_its_state() {
    let described = format!(
        r#"{{"ConsumerDescription":{{"ConsumerName":"k2m","ConsumerARN":"{CONSUMER}","ConsumerStatus":"CREATING","ConsumerCreationTimestamp":1.0,"StreamARN":"{STREAM}"}}}}"#
    );
    let look = async |script: &Script| fact(given::consumer(&client!(aws_sdk_kinesis, script), CONSUMER).await);
    let found = look(&Script::always(200, &described)).await;
    let expected = Consumer {
        arn: CONSUMER.to_owned(),
        status: "CREATING".to_owned(),
    };
    assert_eq!(found, Fact::Found { value: expected });
    let absent = Script::always(400, &json_error("ResourceNotFoundException", "no"));
    assert_eq!(look(&absent).await, Fact::Absent);
    let denied = Script::always(400, &json_error("AccessDeniedException", "no"));
    assert_eq!(missing(&look(&denied).await), Some("kinesis:DescribeStreamConsumer"));
}

/// AWS shows the policy of a stream to its owner alone, and an empty one where there is none.
#[tokio::test]
async fn a_policy_is_there_empty_or_not_to_be_seen() {
    let look = async |script: &Script| fact(kinesis::policy(&client!(aws_sdk_kinesis, script), STREAM).await);
    for (body, expected) in [
        (r#"{"Policy":"{\"Statement\":[]}"}"#, text(r#"{"Statement":[]}"#)),
        (r#"{"Policy":"{}"}"#, Fact::Absent),
        (r#"{"Policy":""}"#, Fact::Absent),
    ] {
        assert_eq!(look(&Script::always(200, body)).await, expected, "{body}");
    }
    let denied = Script::always(400, &json_error("AccessDeniedException", "no"));
    assert_eq!(missing(&look(&denied).await), Some("kinesis:GetResourcePolicy"));
    let another = Script::always(
        400,
        &json_error(
            "UnrecognizedClientException",
            "No account found for the given parameters",
        ),
    );
    let another = look(&another).await;
    let why = another.unreadable().unwrap();
    assert!(
        why.message.contains("No account found") && why.missing_action.is_none(),
        "{why:?}"
    );
}

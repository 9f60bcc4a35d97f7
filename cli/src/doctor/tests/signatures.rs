//! Words in a log: each is found in a line as its writer writes it, and nothing in the lines of a function that is well.

use k2m_handler::failure::Failure;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::*;
use crate::facts::log::{SIGNATURES, known_as, seen_in};

/// The handler's summary of an invocation that failed.
fn summary(reason: &str, librdkafka: &str) -> String {
    json!({
        "timestamp": "2026-01-02T03:04:05.174699Z", "level": "WARN", "message": "invocation", "requestId": "0b7009c0-48ef-45cd-9042-e91788c341f1",
        "records": 80, "messages": 14, "controlMessages": 0, "acknowledged": 14, "deadLettered": 0, "failures": 66, "resent": 18, "bytes": 2505,
        "milliseconds": 3575.75, "decodeMilliseconds": 0.06, "deliveryMilliseconds": 3575.69, "shard": "shardId-000000000000", "sequenceNumber": "4900",
        "reason": reason, "librdkafka": librdkafka,
    })
    .to_string()
}

/// The same of an error of librdkafka's, in the handler's words.
fn of(code: Code, detail: &str) -> String {
    let failure = Failure::from_kafka(code, Some(detail), "orders");
    summary(&failure.reason, &failure.librdkafka)
}

/// What the handler's runtime logs of a function error.
fn error(text: &str) -> String {
    json!({"timestamp": "2026-01-02T03:04:05.174699Z", "level": "ERROR", "message": text}).to_string()
}

/// A line for each signature, with the words that it counts for.
#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "plain data")]
fn lines() -> Vec<(&'static str, String)> {
    let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";
    let of_runtime = |text: &str| format!("RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95 Error: {text}");
    let of_python = |error: &str| format!("[ERROR] {error}\nTraceback (most recent call last):\n  File \"/var/task/app.py\", line 14, in lambda_handler\n    producer.send(TOPIC, data)");
    vec![
        ("exec format error", of_runtime("fork/exec /var/task/bootstrap: exec format error\nRuntime.InvalidEntrypoint")),
        ("version `GLIBC_", "/var/task/bootstrap: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by /var/task/bootstrap)".into()),
        ("Runtime.InvalidEntrypoint", of_runtime("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]\nRuntime.InvalidEntrypoint")),
        ("Runtime.ImportModuleError", "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'kafka'".into()),
        ("Runtime.HandlerNotFound", "[ERROR] Runtime.HandlerNotFound: Handler 'handler' missing on module 'app'".into()),
        ("Runtime.OutOfMemory", "REPORT RequestId: 8f507cfc Duration: 4200.11 ms Billed Duration: 4201 ms Memory Size: 128 MB Max Memory Used: 128 MB Status: error Error Type: Runtime.OutOfMemory".into()),
        ("signal: killed", of_runtime("Runtime exited with error: signal: killed\nRuntime.ExitError")),
        ("the configuration can't be used", json!({"timestamp": "t", "level": "ERROR", "message": "the configuration can't be used", "error": "K2M_TOPIC is not set: it takes the topic's name"}).to_string()),
        ("K2m.Configuration", "INIT_REPORT Init Duration: 12.06 ms Phase: init Status: error Error Type: K2m.Configuration".into()),
        ("Runtime exited with error", of_runtime("Runtime exited with error: exit status 1\nRuntime.ExitError")),
        ("Runtime.ExitError", "INIT_REPORT Init Duration: 12.06 ms Phase: invoke Status: error Error Type: Runtime.ExitError".into()),
        ("Sandbox.Timedout", r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: 8f507cfc Error: Task timed out after 60.00 seconds"}"#.into()),
        ("Task timed out after", "2026-01-02T03:04:05.678Z 8f507cfc-1111-4697-b07a-ac58fc914c95 Task timed out after 60.06 seconds".into()),
        ("EC2ThrottledException", "EC2ThrottledException: Lambda was throttled by Amazon EC2 during Lambda function initialization using the execution role".into()),
        ("EC2AccessDeniedException", "EC2AccessDeniedException: Need additional permissions to configure VPC settings".into()),
        ("EC2UnexpectedException", "EC2UnexpectedException: Lambda received an unexpected Amazon EC2 client exception".into()),
        ("ENILimitReached", "ENILimitReachedException: Lambda couldn't create an elastic network interface in the VPC".into()),
        ("EniLimitExceeded", "State: Failed, code EniLimitExceeded".into()),
        ("SubnetIPAddressLimitReached", "SubnetIPAddressLimitReachedException: Lambda couldn't set up VPC access for the Lambda function".into()),
        ("SubnetOutOfIPAddresses", "PROBLEM: SubnetOutOfIPAddresses".into()),
        ("InvalidSubnet", "InvalidSubnetIDException: The subnet ID provided is not valid".into()),
        ("InvalidSecurityGroup", "InvalidSecurityGroupIDException: The security group ID provided is not valid".into()),
        ("KMSAccessDenied", "KMSAccessDeniedException: Lambda couldn't decrypt the environment variables because KMS access was denied".into()),
        ("KMSDisabled", "KMSDisabledException: the KMS key used is disabled".into()),
        ("KMSInvalidState", "KMSInvalidStateException: the state of the KMS key used is not valid for Decrypt".into()),
        ("KMSNotFound", "KMSNotFoundException: the KMS key was not found".into()),
        ("ReservedFunctionConcurrent", "TooManyRequestsException: Rate Exceeded. (ReservedFunctionConcurrentInvocationLimitExceeded)".into()),
        ("TooManyRequestsException", "TooManyRequestsException: Rate Exceeded.".into()),
        ("Rate Exceeded", r#"{"Reason":"CallerRateLimitExceeded","Message":"Rate Exceeded."}"#.into()),
        ("Rate exceeded", "ThrottlingException: Rate exceeded".into()),
        ("ProvisionedThroughputExceeded", "ProvisionedThroughputExceededException: Rate of shard shardId-000000000000 in stream orders is too high".into()),
        ("went to the dead-letter topic", r#"{"timestamp":"2026-01-02T04:32:46.174699Z","level":"WARN","message":"a record went to the dead-letter topic","reason":"a record takes 48575 bytes as a message and topic \"orders\" refuses it, sent alone, for its size: raise the topic's max.message.bytes","sequenceNumber":"4900","shard":"shardId-000000000000","topic":"orders-dead"}"#.into()),
        ("for its size: raise the topic's max.message.bytes", error(&format!("{}: it stands first in its batch, which is to be halved until it is alone", Failure::from_kafka(Code::MessageSizeTooLarge, None, "orders").of_one_record(Code::MessageSizeTooLarge, 2_000_000, 0, "orders").reason))),
        ("a record for its timestamp", error(&Failure::from_kafka(Code::InvalidTimestamp, None, "orders").of_one_record(Code::InvalidTimestamp, 10, 0, "orders").reason)),
        ("a record as invalid: a compacted topic needs keys", of(Code::InvalidRecord, "")),
        (" can't be sent: ", summary("record 4900 can't be sent: its key can't be told (K2M_KEY): there is nothing at /id of its value", "")),
        ("it stands first in its batch, which is to be halved", error("the data of record 4900 is not base64: Invalid padding: it stands first in its batch, which is to be halved until it is alone")),
        ("the event is not a batch of Kinesis records", error("the event is not a batch of Kinesis records: missing field `Records` at line 1 column 2. Invoke the function through an event source mapping on a Kinesis data stream")),
        ("Connect the function to a Kinesis data stream", error("the event comes from \"aws:sqs\", not from \"aws:kinesis\". Connect the function to a Kinesis data stream; k2m reads no other source")),
        ("Secrets Manager can't be reached at", summary("Secrets Manager can't be reached at secretsmanager.eu-west-1.amazonaws.com (connect timed out): the function's subnets need a way", "")),
        ("the function may not read the secret", summary(&format!("the function may not read the secret {secret}: allow its role secretsmanager:GetSecretValue; AWS says: no"), "")),
        ("there is no secret", summary(&format!("there is no secret {secret}: correct its ARN, or create it; AWS says: can't find it"), "")),
        ("Secrets Manager refused to give the secret", summary(&format!("Secrets Manager refused to give the secret {secret}: InternalServiceError: again"), "")),
        ("is not Secrets Manager", summary("what answers at 10.0.0.1 is not Secrets Manager (status 404): check AWS_ENDPOINT_URL", "")),
        ("is binary: store it as text", summary(&format!("the secret {secret} is binary: store it as text, which is JSON"), "")),
        ("can't be asked for: ", summary(&format!("the secret {secret} can't be asked for: AWS_ACCESS_KEY_ID is not set: Lambda sets it from the function's role"), "")),
        ("can't be used: it", summary(&format!("the secret {secret} can't be used: its field password is missing, empty or no text; it should be {{\"username\": \"…\"}}"), "")),
        ("no IAM token can be made", { let failure = Failure::no_token("AWS_SESSION_TOKEN is not set"); summary(&failure.reason, &failure.librdkafka) }),
        ("no certificate authorities were found", summary("no certificate authorities were found in SSL_CERT_FILE, SSL_CERT_DIR", "")),
        ("TLS can't be set up", summary("TLS can't be set up: error:0A000179", "")),
        ("librdkafka refuses the settings", { let failure = Failure::refused_settings(&"Client config error: No such configuration property"); summary(&failure.reason, &failure.librdkafka) }),
        ("max.message.bytes can't be asked for", r#"{"timestamp":"t","level":"WARN","message":"the topic's max.message.bytes can't be asked for","error":"the cluster did not answer in time","assumed":524294}"#.into()),
        ("a part of the function ended unexpectedly", { let failure = Failure::internal("the serving thread"); summary(&failure.reason, &failure.librdkafka) }),
        ("user handler panicked", r#"{"timestamp":"t","level":"ERROR","message":"user handler panicked","error":"Any { .. }"}"#.into()),
        ("Too many connects", of(Code::Authentication, "b-1:9098/1: SASL authentication error: [0b1c]: Too many connects (after 320ms in state AUTH_REQ)")),
        ("]: Access denied", of(Code::Authentication, "b-1:9098/1: SASL authentication error: [0b1c]: Access denied (after 320ms in state AUTH_REQ)")),
        ("Failed to acquire SASL OAUTHBEARER token", of(Code::Authentication, "Failed to acquire SASL OAUTHBEARER token: AWS_ACCESS_KEY_ID is not set")),
        ("mechanism handshake failed", of(Code::Authentication, "b-1:9096/1: SASL OAUTHBEARER mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512")),
        ("Broker: Unsupported SASL mechanism", of(Code::UnsupportedSASLMechanism, "")),
        ("Broker: Request not valid in current SASL state", of(Code::IllegalSASLState, "")),
        ("SASL authentication error", of(Code::Authentication, "b-1:9096/1: SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512")),
        ("Broker: SASL Authentication failed", of(Code::SaslAuthenticationFailed, "")),
        ("Local: Authentication failure", "%3|1767323045.678|ERROR|rdkafka#producer-1| [thrd:app]: Local: Authentication failure: b-1:9096".into()),
        ("broker certificate could not be verified", "%3|1767323045.678|FAIL|k2m#producer-1| [thrd:ssl://b-1:9094/1]: SSL handshake failed: error:0A000086: broker certificate could not be verified, verify that ssl.ca.location is correctly configured".into()),
        ("certificate verify failed", of(Code::SSL, "ssl://b-1:9094/1: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed")),
        ("alert bad certificate", of(Code::BrokerTransportFailure, "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42")),
        ("alert certificate", of(Code::SSL, "SSL handshake failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116")),
        ("alert unknown ca", of(Code::SSL, "SSL handshake failed: error:0A000418:SSL routines::tlsv1 alert unknown ca: SSL alert number 48")),
        ("client SSL authentication might be required", "%3|1.0|FAIL|rdkafka#producer-1| SSL handshake failed: unexpected message: client SSL authentication might be required (see ssl.key.location)".into()),
        ("connecting to a SSL listener", of(Code::BrokerTransportFailure, "b-1:9094/1: Disconnected: requesting ApiVersion: might be caused by incorrect security.protocol configuration (connecting to a SSL listener?) or broker version is < 0.10")),
        ("connecting to a PLAINTEXT broker listener", of(Code::BrokerTransportFailure, "ssl://b-1:9092/1: SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener? (after 5ms in state SSL_HANDSHAKE)")),
        ("verify that security.protocol is correctly configured", of(Code::BrokerTransportFailure, "b-1:9096/1: Disconnected: verify that security.protocol is correctly configured, broker might require SASL authentication")),
        ("SSL handshake failed", of(Code::SSL, "ssl://b-1:9094/1: SSL handshake failed: error:0A00010B:SSL routines::wrong version number")),
        ("Local: SSL error", "%3|1.0|ERROR|rdkafka#producer-1| [thrd:app]: Local: SSL error".into()),
        ("Failed to resolve '", of(Code::Resolve, "b-1:9092/bootstrap: Failed to resolve 'b-1:9092': Name or service not known (after 12ms in state CONNECT)")),
        ("Local: Host resolution failure", of(Code::Resolve, "")),
        ("Connection setup timed out in state CONNECT", of(Code::BrokerTransportFailure, "b-1:9098/1: Connection setup timed out in state CONNECT (after 30028ms in state CONNECT)")),
        ("Connection setup timed out in state", of(Code::BrokerTransportFailure, "b-1:9098/1: Connection setup timed out in state SSL_HANDSHAKE (after 30028ms in state SSL_HANDSHAKE)")),
        ("Connection refused", of(Code::BrokerTransportFailure, "10.0.1.7:9092/1: Connect to ipv4#10.0.1.7:9092 failed: Connection refused (after 0ms in state CONNECT)")),
        ("Broker: Topic authorization failed", of(Code::TopicAuthorizationFailed, "")),
        ("Broker: Cluster authorization failed", of(Code::ClusterAuthorizationFailed, "")),
        ("Broker: Transactional Id authorization failed", of(Code::TransactionalIdAuthorizationFailed, "")),
        ("Broker: Unknown topic or partition", of(Code::UnknownTopicOrPartition, "")),
        ("Local: Unknown topic", of(Code::UnknownTopic, "")),
        ("Local: Unknown partition", of(Code::UnknownPartition, "")),
        ("Broker: Message size too large", "KafkaError{code=MSG_SIZE_TOO_LARGE,val=10,str=\"Broker: Message size too large\"}".into()),
        ("Broker: Message batch larger than configured", "KafkaError{code=RECORD_LIST_TOO_LARGE,val=18,str=\"Broker: Message batch larger than configured server segment size\"}".into()),
        ("Broker: Invalid message size", "KafkaError{code=INVALID_MSG_SIZE,val=4,str=\"Broker: Invalid message size\"}".into()),
        ("in-sync replicas", of(Code::NotEnoughReplicas, "")),
        ("Broker: Leader not available", of(Code::LeaderNotAvailable, "")),
        ("Broker: Message format on broker", of(Code::UnsupportedForMessageFormat, "")),
        ("Broker: API version not supported", of(Code::UnsupportedVersion, "")),
        ("Local: Message timed out", of(Code::MessageTimedOut, "")),
        ("Local: Timed out", of(Code::OperationTimedOut, "")),
        ("Broker: Request timed out", of(Code::RequestTimedOut, "")),
        ("Local: Broker transport failure", of(Code::BrokerTransportFailure, "b-1:9098/1: Receive failed: Connection reset by peer (after 9ms in state UP)")),
        ("Local: All broker connections are down", { let failure = Failure::deadline(Some(&Failure::from_kafka(Code::AllBrokersDown, Some("0/1 brokers are down"), "orders")), false); summary(&failure.reason, &failure.librdkafka) }),
        ("Failed to update metadata after", of_python("KafkaTimeoutError: KafkaTimeoutError: Failed to update metadata after 60.0 secs.")),
        ("Failed to allocate memory within", of_python("KafkaTimeoutError: KafkaTimeoutError: Failed to allocate memory within the configured max blocking time")),
        ("KafkaTimeoutError", of_python("KafkaTimeoutError: Batch for TopicPartition(topic='orders', partition=0) containing 3 record(s) expired: 30 seconds have passed since batch creation")),
        ("NoBrokersAvailable", of_python("NoBrokersAvailable: NoBrokersAvailable")),
        ("Unable to bootstrap from", of_python("KafkaConnectionError: Unable to bootstrap from ['b-1:9092']")),
        ("DNS lookup failed for", "[WARNING] 2026-01-02T03:04:05.678Z 8f50 DNS lookup failed for b-1.events:9092 (AddressFamily.AF_UNSPEC)".into()),
        ("UnrecognizedBrokerVersion", of_python("UnrecognizedBrokerVersion: UnrecognizedBrokerVersion")),
        ("TopicAuthorizationFailedError", of_python("TopicAuthorizationFailedError: [Error 29] TopicAuthorizationFailedError: orders")),
        ("ClusterAuthorizationFailedError", of_python("ClusterAuthorizationFailedError: [Error 31] ClusterAuthorizationFailedError")),
        ("TransactionalIdAuthorizationFailedError", of_python("TransactionalIdAuthorizationFailedError: [Error 53] TransactionalIdAuthorizationFailedError")),
        ("SaslAuthenticationFailedError", of_python("SaslAuthenticationFailedError: [Error 58] SaslAuthenticationFailedError: invalid credentials")),
        ("AuthenticationFailedError", of_python("AuthenticationFailedError: AuthenticationFailedError: Unexpected SASL response")),
        ("UnsupportedSaslMechanism", of_python("UnsupportedSaslMechanismError: [Error 33] UnsupportedSaslMechanismError: Kafka broker does not support PLAIN sasl mechanism")),
        ("IllegalSaslState", of_python("IllegalSaslStateError: [Error 34] IllegalSaslStateError")),
        ("UnknownTopicOrPartitionError", of_python("UnknownTopicOrPartitionError: [Error 3] UnknownTopicOrPartitionError: orders")),
        ("MessageSizeTooLargeError", of_python("MessageSizeTooLargeError: [Error 10] MessageSizeTooLargeError: The message is 2000000 bytes when serialized")),
        ("RecordListTooLargeError", of_python("RecordListTooLargeError: [Error 18] RecordListTooLargeError")),
        ("NotEnoughReplicas", of_python("NotEnoughReplicasError: [Error 19] NotEnoughReplicasError")),
        ("KafkaConnectionError", of_python("KafkaConnectionError: KafkaConnectionError: socket disconnected")),
        ("NodeNotReadyError", of_python("NodeNotReadyError: NodeNotReadyError: 1")),
        ("RequestTimedOutError", of_python("RequestTimedOutError: [Error 7] RequestTimedOutError")),
        ("WRONG_VERSION_NUMBER", "[ERROR] ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)".into()),
        ("the function's time ran out before the brokers acknowledged", { let failure = Failure::deadline(None, false); summary(&failure.reason, &failure.librdkafka) }),
    ]
}

#[test]
fn each_signature_is_found_in_a_line_of_its_own() {
    let lines = lines();
    for (words, line) in &lines {
        let seen = seen_in(line).map(|signature| signature.words);
        assert_eq!(seen, Some(*words), "{line}");
    }
    let without: Vec<&str> = SIGNATURES
        .iter()
        .map(|signature| signature.words)
        .filter(|words| lines.iter().all(|(of, _)| of != words))
        .collect();
    assert_eq!(
        without, [""; 0],
        "these have no line here, or an earlier one hides them"
    );
}

#[test]
fn signatures_are_told_apart_and_lead_to_checks() {
    let listed = CHECKS.iter().find(|check| check.code == "K2M-L09").unwrap();
    for (place, signature) in SIGNATURES.iter().enumerate() {
        let words = signature.words;
        assert_eq!(known_as(words), Some(signature), "{words} is there twice");
        for earlier in SIGNATURES.iter().take(place) {
            assert!(
                !words.contains(earlier.words),
                "{words} can't be seen behind {}",
                earlier.words
            );
        }
        assert!(
            !signature.means.ends_with('.') && !signature.means.is_empty(),
            "{words}"
        );
        assert!(!signature.leads_to.is_empty(), "{words}");
        for code in signature.leads_to {
            assert!(
                CHECKS.iter().any(|check| check.code == *code),
                "{words}: {code} is no check"
            );
            assert!(
                listed.after.contains(code),
                "{words}: K2M-L09 does not follow from {code}"
            );
        }
    }
}

#[test]
fn a_handler_that_is_well_says_nothing_that_means_trouble() {
    let lines = [
        "INIT_START Runtime Version: provided:al2023.v87\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:2f1f",
        "START RequestId: 8f507cfc-1111-4697-b07a-ac58fc914c95 Version: $LATEST",
        "END RequestId: 8f507cfc-1111-4697-b07a-ac58fc914c95",
        "REPORT RequestId: 8f507cfc\tDuration: 747.97 ms\tBilled Duration: 748 ms\tMemory Size: 256 MB\tMax Memory Used: 61 MB\tInit Duration: 24.85 ms",
        r#"{"timestamp":"2026-01-02T04:32:46.386140Z","level":"INFO","message":"invocation","requestId":"0b7009c0-48ef-45cd-9042-e91788c341f1","records":45,"messages":45,"controlMessages":0,"acknowledged":45,"deadLettered":0,"failures":0,"resent":0,"bytes":8274,"milliseconds":47.97,"decodeMilliseconds":0.05,"deliveryMilliseconds":47.92}"#,
        r#"{"Acknowledged":45,"Bytes":8274,"DeadLettered":0,"Duration":47.97,"Failures":0,"FunctionName":"orders","Messages":45,"Records":45,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["FunctionName"]],"Metrics":[{"Name":"Records","Unit":"Count"},{"Name":"Failures","Unit":"Count"}],"Namespace":"k2m"}],"Timestamp":1795667566386}}"#,
        // A password that was changed, and was read again in time.
        r#"{"timestamp":"2026-01-02T04:32:46.386140Z","level":"INFO","message":"the brokers refused what the secret held: it was read again","reason":"the brokers refused the user or the password: SASL authentication error"}"#,
        // What librdkafka tries again by itself.
        r#"{"timestamp":"2026-01-02T04:32:46.386140Z","level":"DEBUG","message":"librdkafka","librdkafka":"b-1:9098/1: Connect to ipv4#10.0.0.10:9098 failed: Connection refused","facility":"FAIL","level":"Error"}"#,
        // What k2m asked, and was told.
        r#"{"timestamp":"2026-01-02T04:32:46.386140Z","level":"INFO","message":"probe","requestId":"0b70","ok":true,"milliseconds":25.5}"#,
        r#"{"timestamp":"2026-01-02T04:32:46.386140Z","level":"WARN","message":"probe","requestId":"0b70","ok":false,"milliseconds":3025.5,"step":"sasl","broker":"b-1:9098","reason":"refused","next":"allow it","detail":"[0b1c]: Access denied"}"#,
        r#"{"timestamp":"2026-01-02T04:32:46.386140Z","level":"WARN","message":"topic","requestId":"0b70","topic":"orders","outcome":"refused","step":"create topic","reason":"Broker: Topic authorization failed","next":"allow it","detail":""}"#,
        // Python's formatter.
        r#"{"timestamp": "2026-01-02T04:32:46Z", "level": "INFO", "message": "after KafkaTimeoutError it was sent", "logger": "root"}"#,
        "",
    ];
    for line in lines {
        assert_eq!(seen_in(line), None, "{line}");
    }
}

//! A record that is put into a stream, on the wire.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::deploy::Bench;
use super::*;
use crate::arn::Kind;
use crate::deploy::port::Fault;
use crate::deploy::verify::{Ground as _, Placed};

async fn put(bench: &Bench) -> Result<Placed, Fault> {
    let aws = bench.aws();
    let stream = Arn::parse(Kind::Stream, STREAM).unwrap();
    aws.canaries("eu-west-1")
        .put(&stream, "k2m-canary-1", r#"{"k2m-canary":"1"}"#)
        .await
}

#[tokio::test]
async fn it_says_which_stream_and_is_told_where_it_is() {
    let bench = Bench::new(|_| {
        let body = json!({"ShardId": "shardId-000000000002", "SequenceNumber": "4959"});
        (200, body.to_string())
    });
    let placed = put(&bench).await.unwrap();
    assert_eq!(
        (placed.shard.as_str(), placed.sequence_number.as_str()),
        ("shardId-000000000002", "4959")
    );
    let requests = bench.requests();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    let body: Value = serde_json::from_str(&request[request.find('{').unwrap()..]).unwrap();
    assert_eq!(
        body,
        json!({"StreamARN": STREAM, "PartitionKey": "k2m-canary-1", "Data": STANDARD.encode(r#"{"k2m-canary":"1"}"#)})
    );
}

#[tokio::test]
async fn what_refuses_it_is_told_apart() {
    let denied = |action: &str| FaultKind::Denied(action.to_owned());
    for (status, code, words, kind) in [
        (
            400,
            "AccessDeniedException",
            "User: u is not authorized to perform: kinesis:PutRecord on resource: r",
            denied("kinesis:PutRecord"),
        ),
        (400, "AccessDeniedException", "no", denied("kinesis:PutRecord")),
        (
            400,
            "KMSAccessDeniedException",
            "User: u is not authorized to perform: kms:GenerateDataKey on resource: k",
            denied("kms:GenerateDataKey"),
        ),
        (
            400,
            "ProvisionedThroughputExceededException",
            "Rate exceeded for shard",
            FaultKind::Passing,
        ),
        (400, "KMSThrottlingException", "slow down", FaultKind::Passing),
        (500, "InternalFailureException", "", FaultKind::Passing),
        (400, "UnrecognizedClientException", "bad token", FaultKind::Credentials),
        (
            400,
            "ResourceNotFoundException",
            "Stream orders not found",
            FaultKind::Refused,
        ),
        (400, "KMSDisabledException", "the key is disabled", FaultKind::Refused),
    ] {
        let body = json!({"__type": code, "message": words}).to_string();
        let bench = Bench::new(move |_| (status, body.clone()));
        let fault = put(&bench).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{code}: {}", fault.message);
    }
}

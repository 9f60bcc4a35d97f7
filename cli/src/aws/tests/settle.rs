//! What mending changes of a function, on the wire.

use serde_json::{Value, json};

use super::deploy::Bench;
use super::*;
use crate::doctor::mend::FunctionChange;
use crate::mend::port::Settle as _;

fn change(variables: Option<&[(&str, &str)]>) -> FunctionChange {
    let all = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        pairs.collect()
    };
    FunctionChange {
        region: "eu-west-1".to_owned(),
        function: "orders".to_owned(),
        timeout: Some(60),
        variables: variables.map(all),
        ..FunctionChange::default()
    }
}

/// A function with this environment.
fn with(environment: &Value) -> Bench {
    let body = json!({"FunctionName": "orders", "Environment": environment}).to_string();
    Bench::new(move |request| {
        (
            200,
            if request.starts_with("GET") {
                body.clone()
            } else {
                "{}".to_owned()
            },
        )
    })
}

/// What the last request says of variables.
fn sent(bench: &Bench) -> Value {
    let last = bench.requests().pop().unwrap();
    let (_, body) = last.split_once("owner nobody ").unwrap();
    serde_json::from_str::<Value>(body).unwrap()["Environment"]["Variables"].clone()
}

#[tokio::test]
async fn variables_of_others_are_kept() {
    let bench = with(&json!({"Variables": {
        "K2M_TOPIC": "clicks", "K2M_OLD": "1", "RUST_LOG": "debug", "AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper", "k2m_like": "x",
    }}));
    let ours = [("K2M_TOPIC", "orders"), ("K2M_AUTHENTICATION", "iam")];
    bench.aws().change_function(&change(Some(&ours))).await.unwrap();
    assert_eq!(
        sent(&bench),
        json!({
            "K2M_TOPIC": "orders", "K2M_AUTHENTICATION": "iam", "RUST_LOG": "debug", "AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper", "k2m_like": "x",
        })
    );
    assert_eq!(bench.requests().len(), 2);
}

#[tokio::test]
async fn a_function_without_any_gets_ours() {
    let bench = with(&Value::Null);
    bench
        .aws()
        .change_function(&change(Some(&[("K2M_TOPIC", "orders")])))
        .await
        .unwrap();
    assert_eq!(sent(&bench), json!({"K2M_TOPIC": "orders"}));
}

#[tokio::test]
async fn what_changes_no_variable_does_not_speak_of_them() {
    let bench = with(&json!({"Variables": {"RUST_LOG": "debug"}}));
    bench.aws().change_function(&change(None)).await.unwrap();
    assert_eq!(sent(&bench), Value::Null);
    assert_eq!(bench.requests().len(), 1);
}

/// Variables that can't be decrypted come as an error in their place: to write what is left would lose them.
#[tokio::test]
async fn what_is_not_told_is_not_replaced() {
    let bench = with(
        &json!({"Error": {"ErrorCode": "AccessDeniedException", "Message": "Lambda was unable to decrypt the variables"}}),
    );
    let fault = bench
        .aws()
        .change_function(&change(Some(&[("K2M_TOPIC", "orders")])))
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    assert!(
        fault.message.contains("unable to decrypt the variables"),
        "{}",
        fault.message
    );
    assert_eq!(bench.requests().len(), 1, "nothing was changed");
}

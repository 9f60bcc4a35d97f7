//! A function that was named by itself: what is kept of it, and what a missing right leaves.

use std::io::{Cursor, Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::super::foreign::{Named, look};
use super::*;
use crate::facts::{Fact, Origin, Said};

const SECRET: &str = "hunter2";

/// One answer at an address of this machine, to whoever asks for it.
fn served(status: &'static str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!(
        "http://{}/code?X-Amz-Signature={SECRET}",
        listener.local_addr().unwrap()
    );
    std::thread::spawn(move || {
        let (mut asked, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let read = asked.read(&mut head).unwrap();
        assert!(head[..read].starts_with(b"GET /code?X-Amz-Signature="));
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        // Whoever has seen enough goes away.
        let _ = asked.write_all(head.as_bytes()).and_then(|()| asked.write_all(&body));
    });
    address
}

fn package(config: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("config.py", SimpleFileOptions::default()).unwrap();
    zip.write_all(config.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// Lambda's answers about a function with these variables and its package at this address.
fn lambda(variables: &Value, location: &str) -> Script {
    let configuration =
        json!({"FunctionName": "orders", "Handler": "app.handler", "Environment": {"Variables": variables}});
    let function = json!({
        "Configuration": configuration,
        "Code": {"Location": location},
        "Tags": {"aws:cloudformation:stack-name": "sample"},
    });
    let stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
    let mappings = json!({"EventSourceMappings": [
        {"UUID": "u-2", "EventSourceArn": format!("{stream}/consumer/fast:1")},
        {"UUID": "u-1", "EventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:queue"},
    ]});
    Script::new(move |request| {
        let answer = if request.contains("/event-source-mappings") {
            &mappings
        } else {
            &function
        };
        (200, answer.to_string())
    })
}

async fn named(script: &Script, endpoint: Option<&str>) -> Named {
    look(&client!(aws_sdk_lambda, script), "orders", endpoint)
        .await
        .unwrap()
}

fn value(said: &Fact<Said>) -> (&str, String) {
    let said = said.found().unwrap();
    (said.value.as_str(), said.by.to_string())
}

#[tokio::test]
async fn servers_and_topic_are_read_and_nothing_else_is_kept() {
    let variables = json!({"DB_PASSWORD": SECRET, "DB": "db:5432", "TOPIC": "orders"});
    let location = served(
        "200 OK",
        package("SERVER = 'b-1.events:9092,' \\\n 'b-2.events:9092 '\nKEY = 'hunter2'"),
    );
    let found = named(&lambda(&variables, &location), Some("http://127.0.0.1:1")).await;
    assert_eq!(
        value(&found.foreign.servers),
        ("b-1.events:9092,b-2.events:9092", "SERVER in its config.py".to_owned())
    );
    assert_eq!(value(&found.foreign.topic), ("orders", "its variable TOPIC".to_owned()));
    assert_eq!(found.foreign.stack.as_deref(), Some("sample"));
    let text = serde_json::to_string(&found.foreign).unwrap();
    assert!(!text.contains(SECRET) && !text.contains("db:5432"), "{text}");
    // Of its mappings those of streams are kept, also where a consumer is what they read.
    let reads = found.reads.found().unwrap();
    assert_eq!(reads.len(), 1);
    assert_eq!(reads[0].uuid, "u-2");
    assert!(
        reads[0].consumer.is_some() && reads[0].stream.ends_with("stream/orders"),
        "{reads:?}"
    );
}

#[tokio::test]
async fn where_variables_say_it_all_no_code_is_fetched() {
    let variables = json!({"BROKERS": "a:9092", "KAFKA_TOPIC": "orders"});
    let found = named(&lambda(&variables, "http://127.0.0.1:1/nobody"), None).await;
    assert_eq!(value(&found.foreign.servers).0, "a:9092");
    let by = &found.foreign.topic.found().unwrap().by;
    assert_eq!(*by, Origin::Variable("KAFKA_TOPIC".to_owned()));
}

#[tokio::test]
async fn code_that_can_t_be_read_is_said_without_its_address() {
    let nothing = json!({});
    let own = Some("http://127.0.0.1:1");
    let large = vec![0; (50 << 20) + 1];
    for (location, endpoint, words) in [
        (served("200 OK", b"no zip".to_vec()), own, "it is no zip"),
        (served("403 Forbidden", Vec::new()), own, "its address answers 403"),
        (served("200 OK", large), own, "it has more than 50 MB"),
        // Another AWS than AWS's own may do without encryption, AWS not.
        (served("200 OK", package("TOPIC = 'orders'")), None, "not of https"),
        ("file:///etc/passwd".to_owned(), own, "not of https"),
        (
            format!("http://127.0.0.1:1/code?X-Amz-Signature={SECRET}"),
            own,
            "its code can't be read",
        ),
    ] {
        let found = named(&lambda(&nothing, &location), endpoint).await;
        let why = found.foreign.servers.unreadable().unwrap();
        assert!(why.message.contains(words), "{words}: {}", why.message);
        assert!(
            !why.message.contains(SECRET) && !why.message.contains("X-Amz"),
            "{}",
            why.message
        );
        assert_eq!(found.foreign.servers, found.foreign.topic);
    }
    let none = named(&lambda(&nothing, &served("200 OK", package("X = 'y'"))), own).await;
    assert_eq!((none.foreign.servers, none.foreign.topic), (Fact::Absent, Fact::Absent));
}

#[tokio::test]
async fn a_missing_right_leaves_what_can_be_had() {
    let denied = |action: &str| {
        let words = format!("User: u is not authorized to perform: {action}");
        (403, json_error("AccessDeniedException", &words))
    };
    let variables = json!({"Variables": {"TOPIC": "orders"}});
    let configuration = json!({"Handler": "app.handler", "Environment": variables}).to_string();
    let script = Script::new(move |request| {
        if request.contains("/configuration") {
            (200, configuration.clone())
        } else if request.contains("/event-source-mappings") {
            denied("lambda:ListEventSourceMappings")
        } else {
            denied("lambda:GetFunction")
        }
    });
    let found = named(&script, None).await;
    assert_eq!(value(&found.foreign.topic).0, "orders");
    let action = |why: Option<&crate::facts::Unreadable>| why.unwrap().missing_action.clone().unwrap();
    assert_eq!(action(found.foreign.servers.unreadable()), "lambda:GetFunction");
    assert_eq!(action(found.reads.unreadable()), "lambda:ListEventSourceMappings");

    let absent = Script::always(404, &json_error("ResourceNotFoundException", "no such function"));
    let answer = look(&client!(aws_sdk_lambda, absent), "orders", None).await;
    assert_eq!(answer.err(), Some(Trouble::Absent));
    let several = json!({"BROKERS": "a:9092", "KAFKA": "b:9092", "TOPIC": "orders"});
    let found = named(&lambda(&several, "http://127.0.0.1:1/nobody"), None).await;
    let why = found.foreign.servers.unreadable().unwrap();
    assert_eq!(why.message, "BROKERS and KAFKA say different things");
}

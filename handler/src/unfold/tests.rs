//! Records in, messages out: one row per way that data can be.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};

use super::*;
use crate::event::decode;
use crate::parcel::Scratch;
use crate::payload::{Pointer, TopicChoice, topic_map};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut length = bytes.len();
    let mut field = vec![number << 3 | 2];
    while length >= 0x80 {
        field.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).expect("seven bits"));
    [field, bytes.to_vec()].concat()
}

/// An aggregate of records with the key `key-<place>` each, and an explicit hash key for every second one.
fn aggregate(records: &[&[u8]]) -> Vec<u8> {
    let mut body = field(2, b"170141183460469231731687303715884105728");
    for (place, data) in (0..).zip(records) {
        body.extend(field(1, format!("key-{place}").as_bytes()));
        let hash_key: &[u8] = if place % 2 == 1 { &[16, 0] } else { &[] };
        body.extend(field(3, &[&[8, place], hash_key, &field(3, data)].concat()));
    }
    [&[0xf3, 0x89, 0x9a, 0xc2], &body[..], &Md5::digest(&body)].concat()
}

fn logs(kind: &str, messages: &[&str]) -> Vec<u8> {
    let events: Vec<_> = (0..)
        .zip(messages)
        .map(|(place, message)| serde_json::json!({"id": place.to_string(), "timestamp": 1_700_000_000_000_i64 + place, "message": message}))
        .collect();
    let envelope = serde_json::json!({"messageType": kind, "owner": "123456789012", "logGroup": "/aws/lambda/f", "logStream": "2026/[1]ab",
        "subscriptionFilters": ["k2m"], "logEvents": events});
    gzip(envelope.to_string().as_bytes())
}

/// What a record with this data becomes: a line a message.
fn unfolded(payload: &Payload, data: &[u8]) -> String {
    unfolded_with(payload, data, false)
}

fn unfolded_with(payload: &Payload, data: &[u8], all_or_nothing: bool) -> String {
    let event = format!(
        r#"{{"Records":[{{"eventSource":"aws:kinesis","eventID":"shardId-000000000003:77","eventSourceARN":"arn:aws:kinesis:r:1:stream/s",
        "kinesis":{{"partitionKey":"own","sequenceNumber":"77","data":"{}","approximateArrivalTimestamp":1.5}}}}]}}"#,
        STANDARD.encode(data)
    );
    let records = decode(event.as_bytes()).expect("an event");
    let unfolding = Unfolding::new(payload, "orders").all_or_nothing(all_or_nothing);
    let opened = unfolding.open(0, &records[0], None);
    let (messages, controls) = (opened.messages, opened.controls);
    let parcels: Vec<Parcel> = opened.collect();
    assert_eq!(messages, parcels.len());
    let mut said = String::new();
    if controls > 0 {
        writeln!(said, "{controls} control message(s)").expect("a text");
    }
    let (mut scratch, mut letter_scratch) = (Scratch::default(), Scratch::default());
    for parcel in &parcels {
        let letter = parcel.letter(&records[0], payload, &mut letter_scratch);
        if let Some(flaw) = &parcel.flaw {
            writeln!(said, "flaw: {flaw}; kept: {}", shown(letter.value)).expect("a text");
            continue;
        }
        let message = parcel.message(&records[0], payload, &mut scratch).expect("base64");
        assert_eq!(message.value.len(), parcel.value_bytes, "its size is known before");
        let key = message.key.map_or("none".to_owned(), shown);
        let headers: Vec<String> = message
            .headers()
            .skip(3)
            .map(|(name, value)| format!("{name}={}", shown(value)))
            .collect();
        let topic = &unfolding.topics()[parcel.topic];
        let (value, time) = (shown(message.value), message.timestamp_millis);
        writeln!(said, "{topic} @{time} {key} -> {value} [{}]", headers.join(" ")).expect("a text");
    }
    said
}

fn shown(bytes: &[u8]) -> String {
    if bytes.len() > 400 {
        return format!("{} bytes", bytes.len());
    }
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

fn steps(steps: &str) -> Payload {
    Payload {
        decode: Decode::parse(steps).expect("steps"),
        ..Payload::default()
    }
}

#[test]
fn one_line_a_message() {
    let two = aggregate(&[b"one", b""]);
    let nested = aggregate(&[b"plain", &two]);
    let packed = aggregate(&[&gzip(b"a\nb"), b"c"]);
    let mut broken = two.clone();
    broken[8] ^= 1;
    let mut bad_gzip = gzip(b"hello");
    bad_gzip.truncate(20);
    let log = logs("DATA_MESSAGE", &["first", "{\"level\":\"info\"}\n"]);
    let bomb = gzip(&vec![0; UNPACKED_LIMIT + 1]);
    let rows: [(&str, &str, &[u8]); 22] = [
        ("plain", "kpl", b"hello"),
        ("no bytes", "kpl", b""),
        ("an aggregate", "kpl", &two),
        ("an aggregate, not looked for", "none", &aggregate(&[b"x"])),
        ("an aggregate of none", "kpl", &aggregate(&[])),
        ("a nested aggregate: the inner one is data", "kpl", &nested),
        ("an aggregate with a wrong checksum", "kpl", &broken),
        ("gzip, not looked for", "kpl", &bad_gzip),
        ("gzip", "gzip", &gzip(b"hello")),
        ("gzip that breaks off", "gzip", &bad_gzip),
        ("a bomb", "gzip", &bomb),
        ("gzip in an aggregate, in lines", "kpl,gzip,lines", &packed),
        ("lines", "lines", b"a\r\n\nb\n\r\nc"),
        ("lines of nothing", "lines", b"\n\r\n"),
        ("gzip without lines looked into", "lines", b"\x1f\x8b\x08"),
        ("a log envelope", "cloudwatch_logs", &log),
        (
            "a log envelope in an aggregate",
            "kpl,cloudwatch_logs",
            &aggregate(&[&log]),
        ),
        (
            "a log envelope that was decompressed before",
            "cloudwatch_logs",
            br#"{"messageType":"DATA_MESSAGE","logEvents":[{"timestamp":5,"message":"m"}]}"#,
        ),
        (
            "a control message",
            "cloudwatch_logs",
            &logs("CONTROL_MESSAGE", &["checking"]),
        ),
        (
            "a log envelope without events",
            "cloudwatch_logs",
            &logs("DATA_MESSAGE", &[]),
        ),
        ("no log envelope", "cloudwatch_logs", b"hello"),
        ("a bomb where a log envelope should be", "cloudwatch_logs", &bomb),
    ];
    let said: Vec<String> = rows
        .iter()
        .map(|(what, how, data)| format!("## {what}, {how}\n{}", unfolded(&steps(how), data)))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_messages_are_made_of() {
    let choice = TopicChoice {
        pointer: crate::payload::Pointer::parse("/type").expect("a pointer"),
        topics: topic_map(
            r#"{"created": "orders-created", "paid": "orders-paid", "repaid": "orders-paid", "7": "seven"}"#,
        )
        .expect("a map"),
    };
    let by_type = Payload {
        topic: Some(choice),
        ..Payload::default()
    };
    let key = |key| Payload {
        key: Key::parse(key).expect("a key"),
        ..Payload::default()
    };
    let timestamp = |decode, timestamp| Payload {
        timestamp: Timestamp::parse(timestamp).expect("a timestamp"),
        ..steps(decode)
    };
    let json = |decode| Payload {
        value: ValueForm::Json,
        ..steps(decode)
    };
    let bare = Payload {
        headers: false,
        ..steps("kpl")
    };
    let aggregated = aggregate(&[br#"{"id":1}"#, br#"{"id":"two"}"#, b"three"]);
    let rows: [(&str, Payload, &[u8]); 22] = [
        ("key: none", key("none"), b"x"),
        ("key: none, in an aggregate", key("none"), &aggregated),
        ("key: explicit_hash_key", key("explicit_hash_key"), &aggregated),
        ("key: explicit_hash_key, no aggregate", key("explicit_hash_key"), b"x"),
        ("key: /id", key("/id"), &aggregated),
        ("key: /id, empty", key("/id"), br#"{"id":""}"#),
        ("key: /id, nothing there", key("/id"), br#"{"other":1}"#),
        ("topic: created", by_type.clone(), br#"{"type":"created"}"#),
        ("topic: paid", by_type.clone(), br#"{"type":"paid"}"#),
        ("topic: another name for it", by_type.clone(), br#"{"type":"repaid"}"#),
        ("topic: a number", by_type.clone(), br#"{"type":7}"#),
        (
            "topic: not in the map",
            by_type.clone(),
            br#"{"type":"orders-created"}"#,
        ),
        ("topic: nothing there", by_type.clone(), br#"{"type":null}"#),
        ("topic: no JSON", by_type, b"x"),
        (
            "timestamp: event",
            timestamp("cloudwatch_logs", "event"),
            &logs("DATA_MESSAGE", &["a", "b"]),
        ),
        (
            "timestamp: /at",
            timestamp("kpl", "/at"),
            br#"{"at":"2023-11-14T22:13:20Z"}"#,
        ),
        ("timestamp: /at, nonsense", timestamp("kpl", "/at"), br#"{"at":"noon"}"#),
        ("value: json, of JSON", json("kpl"), b" {\"a\" : 1}\n"),
        ("value: json, of text", json("kpl"), "käse\n".as_bytes()),
        ("value: json, of bytes", json("kpl"), b"\xff\x00"),
        (
            "value: json, of an aggregate and of logs",
            json("kpl,cloudwatch_logs"),
            &aggregate(&[&[], &logs("DATA_MESSAGE", &["m"])]),
        ),
        ("headers: false", bare, &aggregated),
    ];
    let said: Vec<String> = rows
        .iter()
        .map(|(what, payload, data)| format!("## {what}\n{}", unfolded(payload, data)))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_is_decompressed_is_bounded_for_a_record_and_not_for_each_part_of_it() {
    let half = gzip(&vec![b'x'; UNPACKED_LIMIT / 2]);
    let said = unfolded(&steps("kpl,gzip"), &aggregate(&[&half, &half, &half, b"rest"]));
    let flaws: Vec<bool> = said.lines().map(|line| line.starts_with("flaw: ")).collect();
    assert_eq!(flaws, [false, false, true, false], "{said}");
}

#[test]
fn a_record_that_is_given_up_whole_is_sent_in_no_part() {
    let payload = Payload {
        key: Key::parse("/id").expect("a key"),
        ..Payload::default()
    };
    let data = aggregate(&[br#"{"id":1}"#, b"no JSON", br#"{"id":3}"#]);
    let said = unfolded_with(&payload, &data, true);
    assert!(
        said.starts_with("flaw: record 77 can't be sent: its key can't be told"),
        "{said}"
    );
    assert!(said.contains("(the message at 1 of those in it)"), "{said}");
    assert_eq!(said.lines().count(), 1);
    assert_eq!(
        unfolded_with(&payload, b"no JSON", true),
        unfolded(&payload, b"no JSON")
    );
}

#[test]
fn a_record_that_nothing_is_to_be_known_of_is_not_copied() {
    let event = br#"{"Records":[{"eventSource":"aws:kinesis","kinesis":{"partitionKey":"k","sequenceNumber":"1","data":"aGVsbG8=","approximateArrivalTimestamp":1}}]}"#;
    let records = decode(event).expect("an event");
    let unfolding = Unfolding::new(&Payload::default(), "t");
    let parcels: Vec<Parcel> = unfolding.open(0, &records[0], None).collect();
    assert_eq!(parcels.len(), 1);
    assert_eq!(parcels[0].taken, None);
    assert_eq!(parcels[0].value_bytes, 5);
}

#[test]
fn what_one_record_becomes_is_bounded_in_number_and_in_bytes() {
    let too_many = gzip(&b"a\n".repeat(MESSAGES_LIMIT + 1));
    assert!(too_many.len() < 100_000);
    let said = unfolded(&steps("gzip,lines"), &too_many);
    assert!(
        said.starts_with("flaw: record 77 can't be sent: it holds more than 1000000 messages"),
        "{said}"
    );
    // Each of these has the same long key.
    let key = "k".repeat(400_000);
    let mut body = field(1, key.as_bytes());
    for _ in 0..1_000 {
        body.extend(field(3, &[&[8, 0][..], &field(3, b"x")].concat()));
    }
    let data = [&[0xf3, 0x89, 0x9a, 0xc2], &body[..], &Md5::digest(&body)].concat();
    let said = unfolded(&steps("kpl"), &data);
    assert!(
        said.starts_with("flaw: record 77 can't be sent: its messages have more than 268435456 bytes"),
        "{said}"
    );
    // Wrapped into JSON each of these bytes takes six.
    let json = Payload {
        value: ValueForm::Json,
        ..steps("gzip")
    };
    let said = unfolded(&json, &gzip(&vec![0; 20 << 20]));
    assert!(
        said.starts_with("flaw: record 77 can't be sent: its value would have 1258"),
        "{said}"
    );
}

#[test]
fn a_canary_is_one_whole_message_whatever_data_is_taken_for() {
    let id = canary::new_id((1, 2));
    let (key, data) = (canary::partition_key(&id), canary::data(&id));
    let pointer = || Pointer::parse("/no/such/place").expect("a pointer");
    let chosen = TopicChoice {
        pointer: pointer(),
        topics: topic_map(r#"{"a": "another"}"#).expect("a map"),
    };
    for (why, payload) in [
        ("as it is", Payload::default()),
        ("nothing is looked into", steps("none")),
        ("lines", steps("gzip,lines")),
        ("log envelopes", steps("kpl,cloudwatch_logs")),
        (
            "JSON",
            Payload {
                value: ValueForm::Json,
                ..steps("cloudwatch_logs")
            },
        ),
        (
            "what is chosen by a value",
            Payload {
                key: Key::Pointer(pointer()),
                timestamp: Timestamp::Pointer(pointer()),
                topic: Some(chosen),
                headers: false,
                ..Payload::default()
            },
        ),
        (
            "without a key",
            Payload {
                key: Key::None,
                ..Payload::default()
            },
        ),
    ] {
        let event = format!(
            r#"{{"Records":[{{"eventSource":"aws:kinesis","eventID":"shardId-000000000003:77","eventSourceARN":"arn:aws:kinesis:r:1:stream/s",
            "kinesis":{{"partitionKey":"{key}","sequenceNumber":"77","data":"{}","approximateArrivalTimestamp":1.5}}}}]}}"#,
            STANDARD.encode(&data)
        );
        let records = decode(event.as_bytes()).expect("an event");
        let unfolding = Unfolding::new(&payload, "orders").all_or_nothing(true);
        let parcels: Vec<Parcel> = unfolding.open(0, &records[0], None).collect();
        let [parcel] = parcels.as_slice() else {
            panic!("{why}: {parcels:?}")
        };
        assert_eq!((parcel.topic, &parcel.flaw), (0, &None), "{why}");
        assert_eq!(parcel.canary(&records[0]), Some(id.as_str()), "{why}");
        let mut scratch = Scratch::default();
        let message = parcel.message(&records[0], &payload, &mut scratch).expect("base64");
        assert_eq!(message.value.len(), parcel.value_bytes, "{why}");
        assert_eq!(message.timestamp_millis, 1_500, "{why}");
        let wanted_key = (payload.key != Key::None).then_some(key.as_bytes());
        assert_eq!(message.key, wanted_key, "{why}");
        let header = (canary::HEADER, id.as_bytes());
        assert_eq!(message.headers().last(), Some(header), "{why}");
        assert_eq!(message.headers().count(), if payload.headers { 4 } else { 1 }, "{why}");
        let value: serde_json::Value = serde_json::from_slice(message.value).expect("JSON");
        match payload.value {
            ValueForm::Bytes => assert_eq!(value["k2m-canary"], id, "{why}"),
            ValueForm::Json => assert_eq!(value["json"]["k2m-canary"], id, "{why}"),
        }
    }
}

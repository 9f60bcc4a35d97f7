//! What records are taken apart into, through the real function, on real Kafka, read back by a client that isn't k2m.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use k2m_testkit::aggregates::reference_aggregates;
use k2m_testkit::clerk::Message;
use k2m_testkit::partitions::{OtherClient, partitions};
use k2m_testkit::{Clerk, KafkaCluster};
use serde_json::{Value, json};

use crate::driver::{Ended, Run, line};

fn bytes_line(key: &str, data: &[u8]) -> String {
    encoded_line(key, &STANDARD.encode(data))
}

fn encoded_line(key: &str, data: &str) -> String {
    format!("{}\n", json!({"partitionKey": key, "dataBase64": data}))
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// A run of these lines into `orders`.
fn run(kafka: &KafkaCluster, arguments: &[&str], lines: &str) -> Ended {
    let bootstrap = kafka.bootstrap_servers();
    let mut run = Run::start(&[&["--topic", "orders", "--bootstrap-servers", &bootstrap], arguments].concat());
    run.feed(lines);
    run.end()
}

/// All of a topic, by partition and offset.
fn all_of(kafka: &KafkaCluster, topic: &str) -> Vec<Message> {
    let clerk = Clerk::start().expect("the clerk");
    clerk
        .read(&kafka.bootstrap_servers(), topic)
        .expect("the topic can be read")
}

fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.headers.get(name)?.as_deref()
}

/// Values in the order of partition and offset.
fn values(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(|message| message.value.as_deref()).collect()
}

/// An aggregate of AWS's own library: the numbers from 0 to 9,999, of 100 keys.
fn ten_thousand() -> String {
    let aggregates = reference_aggregates(1, 0).expect("AWS's library works");
    let found = aggregates.into_iter().find(|it| it.what == "of 10,000");
    found.expect("it is among them").data
}

#[test]
fn records_of_an_aggregate_arrive_with_their_own_keys_in_order() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka.create_topic("orders", 5, 1, &[]).expect("a topic");
    let lines = [
        line("own", "before"),
        encoded_line("own", &ten_thousand()),
        line("own", "behind"),
    ];
    let ended = run(&kafka, &[], &lines.concat());
    assert_eq!(
        (ended.code, ended.count("acknowledged")),
        (Some(0), 3),
        "{}",
        ended.told()
    );
    let messages = all_of(&kafka, "orders");
    assert_eq!(messages.len(), 10_002);
    let mut last: BTreeMap<&str, u32> = BTreeMap::new();
    for message in &messages {
        let Some(place) = header(message, "k2m-subsequence") else {
            assert_eq!(message.key.as_deref(), Some("own"), "not of the aggregate: {message:?}");
            continue;
        };
        assert_eq!(message.value.as_deref(), Some(place), "its place is its number");
        let place: u32 = place.parse().expect("a number");
        let key = message.key.as_deref().expect("a key");
        assert_eq!(key, format!("key-{}", place % 100));
        let before = last.insert(key, place);
        assert!(before < Some(place), "{key}: {place} after {before:?}");
    }
    let sequence_numbers: BTreeSet<_> = messages.iter().map(|it| header(it, "k2m-sequence")).collect();
    assert_eq!(sequence_numbers.len(), 3, "that of the record that they came in");
}

#[test]
fn one_record_of_an_aggregate_that_is_too_large_is_diverted_alone() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka
        .create_topic("orders", 2, 1, &[("max.message.bytes", "20000")])
        .expect("a topic");
    kafka.create_topic("orders-dead-letter", 1, 1, &[]).expect("a topic");
    let log = |message: String| json!({"id": "1", "timestamp": 1_700_000_000_000_i64, "message": message});
    let events = [log("first".into()), log("x".repeat(50_000)), log("last".into())];
    let envelope = json!({"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "group", "logStream": "stream",
        "subscriptionFilters": ["k2m"], "logEvents": events});
    let record = bytes_line("k", &gzip(envelope.to_string().as_bytes()));
    let decode = ["--decode", "cloudwatch_logs", "--timestamp", "event"];

    let ended = run(&kafka, &[&decode[..], &["--on-poison", "divert"]].concat(), &record);
    assert_eq!(
        (ended.code, ended.count("dead_lettered")),
        (Some(0), 1),
        "{}",
        ended.told()
    );
    let messages = all_of(&kafka, "orders");
    assert_eq!(values(&messages), ["first", "last"]);
    assert!(
        messages.iter().all(|it| it.timestamp == 1_700_000_000_000),
        "{messages:?}"
    );
    assert_eq!(header(&messages[0], "k2m-log-group"), Some("group"));
    let letters = all_of(&kafka, "orders-dead-letter");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value.as_ref().map(String::len), Some(50_000));
    assert_eq!(header(&letters[0], "k2m-subsequence"), Some("1"));

    // With `block` Lambda knows the record only: it is given up as a whole, and named. What is good in it is not sent at each retry.
    let ended = run(&kafka, &[&decode[..], &["--retries", "3"]].concat(), &record);
    assert_eq!((ended.code, ended.count("diverted")), (Some(0), 1), "{}", ended.told());
    let messages = all_of(&kafka, "orders");
    assert_eq!(values(&messages), ["first", "last", "first"]);
}

#[test]
fn a_bomb_is_a_poison_and_no_outage() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka.create_topic("orders", 1, 1, &[]).expect("a topic");
    let bomb = gzip(&vec![0; 100 << 20]);
    let lines = [
        bytes_line("k", &gzip(b"before")),
        bytes_line("k", &bomb),
        bytes_line("k", &gzip(b"behind")),
        bytes_line("k", b"\x1f\x8b\x08 only looks like it"),
    ];
    let ended = run(&kafka, &["--decode", "gzip", "--retries", "1"], &lines.concat());
    assert_eq!(
        (ended.code, ended.count("acknowledged"), ended.count("diverted")),
        (Some(0), 3, 1),
        "{}",
        ended.told()
    );
    assert_eq!(ended.diverted[0]["KinesisBatchInfo"]["batchSize"], 1);
    assert!(
        ended
            .handler_log
            .contains("it decompresses to more than 33554432 bytes"),
        "{}",
        ended.told()
    );
    let messages = all_of(&kafka, "orders");
    let values = values(&messages);
    assert_eq!(values[..2], ["before", "behind"], "{values:?}");
}

#[test]
fn lines_without_end_are_diverted_as_they_came_and_so_is_a_time_that_no_broker_takes() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka.create_topic("orders", 1, 1, &[]).expect("a topic");
    kafka.create_topic("orders-dead-letter", 3, 1, &[]).expect("a topic");
    let arguments = [
        "--decode",
        "gzip,lines",
        "--key",
        "/id",
        "--timestamp",
        "/at",
        "--on-poison",
        "divert",
    ];
    let line_of = |id: usize, at: &str| format!("{}\n", json!({"id": id.to_string(), "at": at}));
    let (now, ahead) = ("2026-01-02T03:04:05Z", "2999-01-01T00:00:00Z");
    let times = [line_of(1, now), line_of(2, ahead), line_of(3, now)].concat();
    let mixed: String = (0..2_000)
        .map(|id| {
            if id % 2 == 0 {
                line_of(id, now)
            } else {
                format!("no JSON {id}\n")
            }
        })
        .collect();
    let bomb = gzip(&b"a\n".repeat(4 << 20));
    let records = [times.as_bytes(), &bomb, mixed.as_bytes()].map(|data| bytes_line("own", data));
    let ended = run(&kafka, &arguments, &records.concat());
    assert_eq!((ended.code, ended.count("retried")), (Some(0), 0), "{}", ended.told());
    let messages = all_of(&kafka, "orders");
    assert_eq!(messages.len(), 1_002, "those of the first and of the last record");
    let letters = all_of(&kafka, "orders-dead-letter");
    assert_eq!(letters.len(), 1_002, "one time, one bomb, and what is no JSON");
    let about = |words: &str| -> Vec<&Message> {
        let of = |letter: &&Message| header(letter, "k2m-reason").is_some_and(|reason| reason.contains(words));
        letters.iter().filter(of).collect()
    };
    let [late] = about("for its timestamp")[..] else {
        panic!("one is too far ahead: {}", letters.len())
    };
    assert_eq!(header(late, "k2m-timestamp"), Some("32472144000000"));
    let [whole] = about("holds more than 1000000 messages")[..] else {
        panic!("one holds too many")
    };
    assert_eq!(header(whole, "k2m-subsequence"), None, "it was not taken apart");
    assert_eq!(about("its value is no JSON").len(), 1_000);
}

#[test]
fn what_stands_before_a_poison_arrives_though_the_dead_letter_topic_takes_nothing() {
    let kafka = KafkaCluster::builder().brokers(3).start().expect("brokers");
    kafka.create_topic("orders", 1, 3, &[]).expect("a topic");
    kafka.create_topic("orders-dead-letter", 1, 1, &[]).expect("a topic");
    let only = kafka.leader("orders-dead-letter", 0).expect("it has a leader");
    kafka
        .kill(only)
        .expect("it is gone, with all that the dead-letter topic has");
    let data = |id: usize| json!({"id": id.to_string()}).to_string();
    let good: String = (0..100).map(|id| line("own", &data(id))).collect();
    let poison = [line("own", "no JSON"), line("own", "no JSON either")].concat();
    let arguments = [
        "--key",
        "/id",
        "--on-poison",
        "divert",
        "--retries",
        "0",
        "--no-bisect",
        "--timeout",
        "10",
    ];
    let ended = run(&kafka, &arguments, &[good, poison].concat());
    assert_eq!(
        (
            ended.count("acknowledged"),
            ended.count("dead_lettered"),
            ended.count("diverted")
        ),
        (100, 0, 2),
        "{}",
        ended.told()
    );
    let running = kafka.bootstrap_servers();
    let found = k2m_testkit::readback(&running, "orders").expect("the topic can be read");
    assert_eq!((found.distinct, found.duplicates), (100, 0), "{}", ended.told());
}

#[test]
fn what_becomes_far_more_than_it_was_is_sent_in_pieces() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    // 60 MB of lines in a few kilobytes, through a function that could not hold them all as messages.
    let number = |place: usize| format!("{place:0>3000}\n");
    let records: Vec<String> = (0..3)
        .map(|record| {
            let text: String = (record * 7_000..(record + 1) * 7_000).map(number).collect();
            bytes_line("k", &gzip(text.as_bytes()))
        })
        .collect();
    let ended = run(
        &kafka,
        &["--decode", "gzip,lines", "--compression", "lz4"],
        &records.concat(),
    );
    assert_eq!(
        (ended.code, ended.count("acknowledged")),
        (Some(0), 3),
        "{}",
        ended.told()
    );
    let messages = all_of(&kafka, "orders");
    assert!(messages.iter().all(|it| it.partition == messages[0].partition));
    let numbers: Vec<usize> = values(&messages)
        .iter()
        .filter_map(|value| value.parse().ok())
        .collect();
    assert_eq!(numbers, (0..21_000).collect::<Vec<_>>());
}

#[test]
fn a_topic_is_chosen_through_the_map_and_the_rest_goes_to_the_default() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    for (topic, partitions) in [("orders", 1), ("orders-created", 3), ("orders-paid", 2)] {
        kafka.create_topic(topic, partitions, 1, &[]).expect("a topic");
    }
    let types = ["created", "paid", "orders-paid", "created", "nonsense"];
    let lines: String = (0..500)
        .map(|place| {
            let data = json!({"type": types[place % 5], "n": place}).to_string();
            line(&format!("key-{}", place % 7), &data)
        })
        .collect();
    let map = r#"{"created": "orders-created", "paid": "orders-paid"}"#;
    let ended = run(&kafka, &["--topic-pointer", "/type", "--topic-map", map], &lines);
    assert_eq!(
        (ended.code, ended.count("acknowledged")),
        (Some(0), 500),
        "{}",
        ended.told()
    );
    for (topic, places) in [
        ("orders-created", &[0, 3][..]),
        ("orders-paid", &[1]),
        ("orders", &[2, 4]),
    ] {
        let messages = all_of(&kafka, topic);
        assert_eq!(messages.len(), places.len() * 100, "{topic}");
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for message in &messages {
            let value: Value = serde_json::from_str(message.value.as_deref().expect("a value")).expect("JSON");
            let n = value["n"].as_u64().expect("a number");
            assert!(places.contains(&(n % 5)), "{topic}: {value}");
            let before = last.insert(message.key.as_deref().expect("a key"), n);
            assert!(before < Some(n), "{topic}: {n} after {before:?}");
        }
    }
}

#[test]
fn every_compression_can_be_read_by_others() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka.create_topic("orders", 1, 1, &[]).expect("a topic");
    let text = "compress me, please. ".repeat(100);
    let codecs = ["none", "lz4", "zstd", "snappy", "gzip"];
    for codec in codecs {
        let ended = run(
            &kafka,
            &["--compression", codec, "--value", "json"],
            &line(codec, &text),
        );
        assert_eq!(ended.code, Some(0), "{codec}: {}", ended.told());
    }
    let messages = all_of(&kafka, "orders");
    let read: Vec<Value> = values(&messages)
        .iter()
        .map(|value| serde_json::from_str(value).expect("JSON"))
        .collect();
    assert_eq!(read.iter().map(|it| &it["partitionKey"]).collect::<Vec<_>>(), codecs);
    assert!(read.iter().all(|it| it["text"] == text), "{read:?}");
}

#[test]
fn keys_land_where_other_clients_put_them() {
    const PARTITIONS: i32 = 7;
    let kafka = KafkaCluster::builder().start().expect("a broker");
    for topic in ["orders", "java", "confluent", "none"] {
        kafka.create_topic(topic, PARTITIONS, 1, &[]).expect("a topic");
    }
    let words = [
        "",
        "0",
        "21",
        "foobar",
        "käse",
        "ключ",
        "鍵",
        "😀",
        "\n",
        "a-little-bit-longer-string",
    ];
    let mut random = fastrand::Rng::with_seed(5);
    let keys: BTreeSet<String> = (0..1_000)
        .map(|_| (0..random.usize(1..40)).map(|_| random.char(..)).collect())
        .chain(words.map(str::to_owned))
        .collect();
    let lines: String = keys
        .iter()
        .map(|key| line("own", &json!({ "key": key }).to_string()))
        .collect();
    let ended = run(&kafka, &["--key", "/key"], &lines);
    assert_eq!(ended.code, Some(0), "{}", ended.told());
    let bootstrap = kafka.bootstrap_servers();
    let ours: BTreeMap<String, i32> = all_of(&kafka, "orders")
        .into_iter()
        .map(|message| (message.key.expect("a key"), message.partition))
        .collect();
    assert_eq!(ours.len(), keys.len());
    let bytes: Vec<Option<Vec<u8>>> = keys.iter().map(|key| Some(key.clone().into_bytes())).collect();
    for (client, topic) in [(OtherClient::Java, "java"), (OtherClient::Confluent, "confluent")] {
        let theirs = partitions(client, &bootstrap, topic, &bytes).expect("the client sends");
        for (key, theirs) in keys.iter().zip(theirs) {
            assert_eq!(ours[key], theirs, "{client:?}: {key:?}");
        }
    }

    // Without a key any partition is as good to the others; ours follows from the sequence number, so a retry lands where the first try did.
    let numbers: String = (0..2_000).map(|place| line("own", &place.to_string())).collect();
    let mut places = Vec::new();
    for _ in 0..2 {
        let mut run = Run::start(&["--topic", "none", "--bootstrap-servers", &bootstrap, "--key", "none"]);
        run.feed(&numbers);
        let ended = run.end();
        assert_eq!(ended.code, Some(0), "{}", ended.told());
        let messages = all_of(&kafka, "none");
        assert!(messages.iter().all(|message| message.key.is_none()));
        let of_value = |message: Message| (message.value.expect("a value"), message.partition);
        places.push(messages.into_iter().map(of_value).collect::<BTreeSet<_>>());
    }
    assert_eq!(places[0].len(), 2_000);
    assert_eq!(
        places[0], places[1],
        "the same records, sent twice, land in the same partitions"
    );
    let used: BTreeSet<i32> = places[0].iter().map(|(_, partition)| *partition).collect();
    assert_eq!(used.len(), 7, "all partitions are used");
    let without = vec![None; 100];
    for client in [OtherClient::Java, OtherClient::Confluent] {
        let theirs = partitions(client, &bootstrap, "none", &without).expect("the client sends");
        assert!(theirs.iter().all(|partition| used.contains(partition)), "{client:?}");
    }
}

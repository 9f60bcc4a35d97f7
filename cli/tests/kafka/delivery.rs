//! The handler keeps every claim through every fault, and the plain things hold on both versions of Kafka.

use std::path::Path;

use k2m_testkit::{KafkaCluster, KafkaVersion, ReadbackRequest, readback};

use crate::driver::{Run, bootstrap, line, lines};
use crate::scenarios::{
    Broken, acknowledgements_lost, broker_hangs, broker_killed_in_a_batch, function_killed, refused_at_first_contact,
    refused_in_the_middle,
};

fn holds(scenario: fn(&Path, Option<&str>) -> Broken) {
    let broken = scenario(&bootstrap(), None);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn broker_killed_in_the_middle_of_a_batch() {
    holds(broker_killed_in_a_batch);
}

#[test]
fn acknowledgements_lost_after_the_broker_stored_the_records() {
    holds(acknowledgements_lost);
}

#[test]
fn a_record_refused_in_the_middle_holds_back_what_follows() {
    holds(refused_in_the_middle);
}

#[test]
fn a_record_refused_at_first_contact_holds_back_what_follows() {
    holds(refused_at_first_contact);
}

#[test]
fn broker_hangs_for_longer_than_the_function_has_time() {
    holds(broker_hangs);
}

#[test]
fn function_killed_in_the_middle_of_a_batch() {
    holds(function_killed);
}

#[test]
fn both_versions_take_records_in_plaintext_and_tls() {
    for version in [KafkaVersion::V4, KafkaVersion::V3] {
        let kafka = KafkaCluster::builder()
            .version(version)
            .tls(true)
            .start()
            .expect("a broker");
        kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
        let ca = kafka
            .ca_file()
            .expect("an authority")
            .to_str()
            .expect("UTF-8")
            .to_owned();
        let tls = kafka.tls_bootstrap_servers().expect("a TLS listener");
        let handler = bootstrap();
        let plaintext = kafka.bootstrap_servers();
        for arguments in [
            vec!["--bootstrap-servers", &plaintext],
            vec!["--bootstrap-servers", &tls, "--ca-file", &ca],
        ] {
            let mut all = vec!["--topic", "orders", "--freeze", "--shards", "2", "--batch-size", "100"];
            all.extend(["--handler", handler.to_str().expect("UTF-8")]);
            all.extend(arguments);
            let mut run = Run::start(&all);
            run.feed(&lines(0, 1_000, 10, 200));
            let ended = run.end();
            assert_eq!(
                (ended.code, ended.count("acknowledged")),
                (Some(0), 1_000),
                "{}",
                ended.told()
            );
        }
        let found = ReadbackRequest::new(&tls, "orders")
            .ca_file(&ca)
            .read()
            .expect("the topic can be read");
        // Both runs number their records alike, so what the second sent counts as a duplicate of the first.
        assert_eq!(
            (found.messages, found.distinct, found.keys_out_of_order),
            (2_000, 1_000, 0),
            "{found:?}"
        );
        assert_eq!(found.shards, 2);
    }
}

#[test]
fn records_of_no_bytes_and_of_a_mebibyte_arrive_as_they_are() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka
        .create_topic("orders", 1, 1, &[("max.message.bytes", "2000000")])
        .expect("a topic");
    let mut run = Run::start(&["--topic", "orders", "--bootstrap-servers", &kafka.bootstrap_servers()]);
    run.feed(&line("a", ""));
    run.feed(&line("a", &"x".repeat(1_048_576)));
    run.feed("{\"partitionKey\": \"ключ \\\"1\\\"\", \"dataBase64\": \"AP8KIg==\"}\n");
    let ended = run.end();
    assert_eq!(
        (ended.code, ended.count("acknowledged")),
        (Some(0), 3),
        "{}",
        ended.told()
    );

    let folder = tempfile::tempdir().expect("a folder");
    let values = folder.path().join("values");
    let request = ReadbackRequest::new(kafka.bootstrap_servers(), "orders").values_to(&values);
    assert_eq!(
        request.read().expect("the topic can be read").value_bytes,
        1_048_576 + 4
    );
    let values = std::fs::read_to_string(values).expect("the values");
    let values: Vec<&str> = values.lines().collect();
    assert_eq!((values[0], values[1].len(), values[2]), ("", 1_398_104, "AP8KIg=="));
}

#[test]
fn what_the_topic_can_never_take_ends_at_the_destination_alone() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka
        .create_topic("orders", 1, 1, &[("max.message.bytes", "100000")])
        .expect("a topic");
    let mut run = Run::start(&[
        "--topic",
        "orders",
        "--bootstrap-servers",
        &kafka.bootstrap_servers(),
        "--retries",
        "1",
    ]);
    run.feed(&lines(0, 40, 4, 200));
    run.feed(&line("key-1", &"x".repeat(150_000)));
    // Larger than an invocation may be as a whole: no function ever sees it.
    run.feed(&line("key-2", &"y".repeat(10 << 20)));
    run.feed(&lines(40, 40, 4, 200));
    let ended = run.end();
    assert_eq!(
        (ended.code, ended.count("acknowledged"), ended.count("diverted")),
        (Some(0), 80, 2),
        "{}",
        ended.told()
    );
    let sizes: Vec<u64> = ended
        .diverted
        .iter()
        .map(|it| it["KinesisBatchInfo"]["batchSize"].as_u64().expect("a size"))
        .collect();
    assert_eq!(sizes, [1, 1], "each is named alone: {:?}", ended.diverted);
    let found = readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read");
    assert_eq!(
        (found.distinct, found.duplicates, found.keys_out_of_order),
        (80, 0, 0),
        "{found:?}"
    );
}

//! A million records of 200 bytes, undisturbed and with the broker killed twice meanwhile.

use std::time::Duration;

use k2m_testkit::{KafkaCluster, readback, wait_until};

use crate::driver::{Run, bootstrap, lines};

const RECORDS: usize = 1_000_000;

/// Records that are made at a time.
const PART: usize = 10_000;

/// Sends the million through a function per shard; `at` is called on another thread, to make trouble meanwhile.
fn million(kafka: &KafkaCluster, trouble: impl FnOnce() + Send) {
    kafka.create_topic("orders", 6, 1, &[]).expect("a topic");
    let bootstrap = bootstrap();
    let mut run = Run::start(&[
        "--topic",
        "orders",
        "--bootstrap-servers",
        &kafka.bootstrap_servers(),
        "--shards",
        "2",
        "--batch-size",
        "5000",
        "--handler",
        bootstrap.to_str().expect("UTF-8"),
    ]);
    let ended = std::thread::scope(|scope| {
        scope.spawn(trouble);
        for part in 0..RECORDS / PART {
            run.feed(&lines(part * PART, PART, 10_000, 200));
        }
        run.end()
    });
    assert_eq!(
        (ended.code, ended.count("acknowledged")),
        (Some(0), RECORDS as u64),
        "{}",
        ended.told()
    );
    let found = readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read");
    assert_eq!(found.distinct, RECORDS as u64, "{found:?}");
    assert_eq!(
        (found.keys, found.keys_out_of_order, found.keys_in_several_partitions),
        (10_000, 0, 0),
        "{found:?}"
    );
    assert_eq!(
        (found.without_headers, found.value_bytes),
        (0, 200 * found.messages),
        "{found:?}"
    );
    assert!(
        found.duplicates <= ended.count("retried"),
        "{found:?}\n{}",
        ended.told()
    );
}

#[test]
fn a_million_records_all_arrive_in_order() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    million(&kafka, || {});
}

#[test]
fn a_million_records_with_the_broker_killed_twice() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    million(&kafka, || {
        for part in [200_000, 600_000] {
            wait_until("part of the records are stored", Duration::from_mins(4), || {
                Ok(kafka.end_offsets("orders")?.iter().sum::<i64>() >= part)
            })
            .expect("records arrive");
            kafka.kill(1).expect("the broker dies");
            kafka.start_broker(1).expect("the broker comes back");
        }
    });
}

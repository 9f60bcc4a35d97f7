//! One record that the topic can't take, among thousands that it can: with `block` the failure destination names it alone, with `divert`
//! the dead-letter topic has it whole. All others arrive, in order.

use base64::Engine as _;
use k2m_testkit::{Clerk, KafkaCluster, readback};

use crate::driver::{Ended, Run, line, lines};

const RECORDS: usize = 5_000;
/// Where the poison stands.
const PLACE: usize = 2_345;
const LIMIT: &str = "100000";

/// How the handler comes to know what is too large.
const KNOWLEDGE: [(&str, &[&str]); 2] = [
    ("it can ask for the topic's limit", &[]),
    (
        "it was told a limit above the topic's, so that only the broker refuses",
        &["--handler-env", "K2M_MAX_MESSAGE_BYTES=3000000"],
    ),
];

fn poison() -> String {
    format!("poison{}", "x".repeat(150_000))
}

/// Feeds all records to a run with two retries, and checks what is true of all but one.
fn run(kafka: &KafkaCluster, how: &str, more: &[&str]) -> Ended {
    kafka
        .create_topic("orders", 3, 1, &[("max.message.bytes", LIMIT)])
        .expect("a topic");
    let bootstrap = kafka.bootstrap_servers();
    let mut arguments = vec!["--topic", "orders", "--bootstrap-servers", &bootstrap, "--retries", "2"];
    arguments.extend(more);
    let mut run = Run::start(&arguments);
    run.feed(&lines(0, PLACE, 40, 200));
    run.feed(&line("key-7", &poison()));
    run.feed(&lines(PLACE + 1, RECORDS - PLACE - 1, 40, 200));
    let ended = run.end();
    let others = RECORDS as u64 - 1;
    assert_eq!(
        (ended.code, ended.count("records"), ended.count("acknowledged")),
        (Some(0), others + 1, others),
        "{how}: {}",
        ended.told()
    );
    let found = readback(&bootstrap, "orders").expect("the topic can be read");
    assert_eq!(
        (
            found.distinct,
            found.keys_out_of_order,
            found.keys_in_several_partitions
        ),
        (others, 0, 0),
        "{how}: {found:?}"
    );
    assert!(
        found.duplicates <= ended.count("retried"),
        "{how}: {found:?}\n{}",
        ended.told()
    );
    ended
}

#[test]
fn with_block_the_destination_names_one_record_of_five_thousand() {
    for (how, more) in KNOWLEDGE {
        let kafka = KafkaCluster::builder().start().expect("a broker");
        let ended = run(&kafka, how, more);
        let [given_up] = &ended.diverted[..] else {
            panic!(
                "{how}: one batch is given up, not {}: {}",
                ended.diverted.len(),
                ended.told()
            );
        };
        assert_eq!(given_up["KinesisBatchInfo"]["batchSize"], 1, "{how}: {given_up}");
        assert_eq!(
            given_up["requestContext"]["condition"], "RetryAttemptsExhausted",
            "{how}: {given_up}"
        );
        let data = given_up["records"][0]["kinesis"]["data"].as_str().expect("data");
        let data = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        assert!(
            data == poison().as_bytes(),
            "{how}: the destination has the record itself"
        );
    }
}

#[test]
fn with_divert_the_dead_letter_topic_has_it_whole() {
    for (how, more) in KNOWLEDGE {
        let kafka = KafkaCluster::builder().start().expect("a broker");
        kafka
            .create_topic("orders-dead-letter", 1, 1, &[("max.message.bytes", "1000000")])
            .expect("a topic");
        let ended = run(&kafka, how, &[&["--on-poison", "divert"], more].concat());
        assert_eq!(ended.count("dead_lettered"), 1, "{how}: {}", ended.told());
        assert!(ended.diverted.is_empty(), "{how}: {}", ended.told());
        let dead = Clerk::start()
            .and_then(|clerk| clerk.read(&kafka.bootstrap_servers(), "orders-dead-letter"))
            .expect("the dead-letter topic can be read");
        let [dead] = &dead[..] else {
            panic!("{how}: one dead letter, not {}", dead.len());
        };
        assert_eq!(dead.key.as_deref(), Some("key-7"), "{how}");
        assert!(dead.value.as_deref() == Some(&poison()), "{how}: the whole record");
        let header = |name: &str| dead.headers.get(name).and_then(Option::as_deref).unwrap_or_default();
        assert_eq!(
            ["k2m-stream", "k2m-shard", "k2m-topic"].map(header),
            ["k2m-local", "shardId-000000000000", "orders"],
            "{how}"
        );
        // Numbers are given out in the order of the input, from the shard's first on.
        assert!(
            header("k2m-sequence").ends_with(&format!("{PLACE:08}")),
            "{how}: {:?}",
            dead.headers
        );
        assert!(
            header("k2m-reason").contains("max.message.bytes"),
            "{how}: {:?}",
            dead.headers
        );
    }
}

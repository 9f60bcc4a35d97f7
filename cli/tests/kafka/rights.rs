//! Rights that are missing: told at once, with the next step, and not by a time-out.

use k2m_testkit::KafkaCluster;

use crate::driver::{Run, bootstrap, lines};

#[test]
fn a_producer_that_may_not_write_says_which_right_it_lacks() {
    let kafka = KafkaCluster::builder().authorizer().start().expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    kafka.deny_writes().expect("rules");
    let handler = bootstrap();
    let mut run = Run::start(&[
        "--topic",
        "orders",
        "--bootstrap-servers",
        &kafka.bootstrap_servers(),
        "--retries",
        "0",
        "--handler",
        handler.to_str().expect("UTF-8"),
    ]);
    run.feed(&lines(0, 10, 2, 20));
    let ended = run.end();
    assert_eq!(
        (ended.code, ended.count("diverted"), ended.count("invocations")),
        (Some(0), 10, 1),
        "{}",
        ended.told()
    );
    let reason = ended.summary["last_failure"].as_str().unwrap_or_default();
    assert!(
        reason.contains("allow it WriteDataIdempotently on the cluster"),
        "{}",
        ended.told()
    );
    assert!(!reason.contains("time ran out"), "{}", ended.told());
}

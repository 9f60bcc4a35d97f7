//! `k2m demo` against a real broker, counted by a client that isn't k2m.

use std::process::Command;

use k2m_testkit::{KafkaCluster, readback};

#[test]
fn the_demo_counts_what_is_there() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka.create_topic("demo", 6, 1, &[]).expect("a topic");
    let output = Command::new(env!("CARGO_BIN_EXE_k2m"))
        .args([
            "demo",
            "--bootstrap-servers",
            &kafka.bootstrap_servers(),
            "--topic",
            "demo",
        ])
        .output()
        .expect("k2m runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        said.lines().last(),
        Some("sent 10001 acknowledged 10000 read_back 10000 diverted 1 lost 0"),
        "{said}"
    );
    let found = readback(&kafka.bootstrap_servers(), "demo").expect("the topic can be read");
    assert_eq!(
        (found.distinct, found.keys_out_of_order, found.without_headers),
        (10_000, 0, 0),
        "{found:?}"
    );
}

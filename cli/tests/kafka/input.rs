//! Bad input that needs a real broker to be bad: what is said, and the exit code.

use k2m_testkit::KafkaCluster;

use crate::driver::{Run, lines};

/// Runs and gives the exit code with what was said, less what differs from run to run.
fn said(kafka: &KafkaCluster, arguments: &[&str]) -> String {
    let mut run = Run::start(arguments);
    run.feed(&lines(0, 10, 2, 20));
    let ended = run.end();
    assert_eq!(
        ended.summary["acknowledged"].as_u64().unwrap_or_default(),
        0,
        "{}",
        ended.told()
    );
    let mut text = format!("exit {:?}\n{}", ended.code.unwrap_or(-1), ended.stderr);
    let ports = [
        (kafka.bootstrap_servers(), "PLAINTEXT"),
        (kafka.tls_bootstrap_servers().expect("a TLS listener"), "TLS"),
    ];
    for (address, name) in ports {
        text = text.replace(&address, name);
    }
    text
}

#[test]
fn the_wrong_door_is_named() {
    let kafka = KafkaCluster::builder().tls(true).start().expect("a broker");
    kafka.create_topic("orders", 1, 1, &[]).expect("a topic");
    let plaintext = kafka.bootstrap_servers();
    let tls = kafka.tls_bootstrap_servers().expect("a TLS listener");
    let rows: [(&str, Vec<&str>); 5] = [
        (
            "a topic that doesn't exist",
            vec!["--topic", "no-such-topic", "--bootstrap-servers", &plaintext],
        ),
        (
            "a dead-letter topic that doesn't exist",
            vec![
                "--topic",
                "orders",
                "--bootstrap-servers",
                &plaintext,
                "--on-poison",
                "divert",
            ],
        ),
        (
            "plaintext to a TLS port",
            vec!["--topic", "orders", "--bootstrap-servers", &tls],
        ),
        (
            "TLS to a plaintext port",
            vec![
                "--topic",
                "orders",
                "--bootstrap-servers",
                &plaintext,
                "--authentication",
                "tls",
            ],
        ),
        (
            "a certificate nobody vouches for",
            vec![
                "--topic",
                "orders",
                "--bootstrap-servers",
                &tls,
                "--authentication",
                "tls",
            ],
        ),
    ];
    let told: Vec<String> = rows
        .iter()
        .map(|(what, arguments)| format!("# {what}\n{}", said(&kafka, arguments)))
        .collect();
    // A plaintext broker hangs up on a TLS greeting before or after librdkafka has read what it says first.
    let hung_up = (
        r"SSL handshake failed: (Disconnected: SSL connection closed by peer): connecting to a PLAINTEXT broker listener\?",
        "$1",
    );
    // On a slow day it tells of one attempt so, and of the next one so.
    let hung_up_twice = (
        r"(\n  librdkafka: \S+: Disconnected: SSL connection closed by peer \(after Nms in state SSL_HANDSHAKE\)){2}",
        "$1",
    );
    insta::with_settings!({filters => vec![(r"after \d+ms", "after Nms"), hung_up, hung_up_twice]}, {
        insta::assert_snapshot!(told.join("\n"));
    });
}

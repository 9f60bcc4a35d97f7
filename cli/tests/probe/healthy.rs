//! Nothing is broken: what is seen, with each way of authentication, on each release of Kafka.

use k2m_handler::probe::report::{Purpose, Report, Right};
use k2m_testkit::{Denied, KafkaCluster, KafkaVersion, readback, wait_until};

use crate::driver::{Ask, PASSWORD, REGION, USER};
use crate::table::example;

/// Every way of authentication.
pub(crate) const WAYS: [&str; 5] = ["plaintext", "tls", "mutual_tls", "scram", "iam"];

fn cluster(version: KafkaVersion) -> KafkaCluster {
    let kafka = KafkaCluster::builder()
        .version(version)
        .tls(true)
        .mutual_tls(true)
        .scram(&[(USER, PASSWORD)])
        .iam(REGION)
        .authorizer()
        .start()
        .expect("a broker");
    kafka
        .create_topic("orders", 3, 1, &[("max.message.bytes", "2097152")])
        .expect("a topic");
    kafka
}

fn all_is_seen(report: &Report, way: &str) {
    assert_eq!(report.authentication, way);
    let [broker] = &report.brokers[..] else {
        panic!("{report:#?}")
    };
    assert_eq!((broker.id, broker.bootstrap), (Some(1), true), "{report:#?}");
    assert!(broker.dns.as_ref().is_some_and(|dns| dns.ok), "{report:#?}");
    assert!(broker.tcp.iter().any(|tcp| tcp.ok), "{report:#?}");
    assert_eq!(broker.tls.is_some(), way != "plaintext", "{report:#?}");
    if let Some(tls) = &broker.tls {
        let certificate = tls.certificate.as_ref().expect("the broker has shown one");
        assert_eq!(tls.protocol.as_deref(), Some("TLSv1.3"));
        assert_eq!(
            (certificate.subject.as_str(), certificate.issuer.as_str()),
            ("CN=localhost", "CN=k2m test authority")
        );
        assert_eq!(certificate.hosts, ["localhost", "127.0.0.1"]);
    }
    let mechanism = match way {
        "scram" => Some("SCRAM-SHA-512"),
        "iam" => Some("OAUTHBEARER"),
        _ => None,
    };
    assert_eq!(broker.sasl.as_ref().map(|sasl| sasl.mechanism.as_str()), mechanism);
    let [topic] = &report.topics[..] else {
        panic!("{report:#?}")
    };
    assert_eq!((topic.name.as_str(), topic.purpose), ("orders", Purpose::Pipeline));
    assert_eq!(topic.max_message_bytes, Some(2_097_152));
    let seen: Vec<_> = topic
        .partitions
        .iter()
        .map(|it| (it.number, it.leader, it.replicas, it.in_sync))
        .collect();
    assert_eq!(seen, [(0, Some(1), 1, 1), (1, Some(1), 1, 1), (2, Some(1), 1, 1)]);
    for right in [
        &topic.rights.describe,
        &topic.rights.write,
        &topic.rights.describe_configs,
        &report.rights.idempotent_write,
    ] {
        assert_eq!(*right, Right::Allowed, "{report:#?}");
    }
    assert_eq!((&report.created, &report.canary), (&None, &None));
}

#[test]
fn everything_is_seen_and_nothing_is_written() {
    for version in KafkaVersion::ALL {
        let kafka = cluster(version);
        for way in WAYS {
            let seen = Ask::well(way, &kafka).ask();
            all_is_seen(seen.healthy(), way);
            for secret in [PASSWORD, "nothing-to-hide", "PRIVATE KEY"] {
                assert!(!seen.log.contains(secret), "the log holds a secret");
            }
        }
        let ends = kafka.end_offsets("orders").expect("the topic is there");
        assert_eq!(ends, [0, 0, 0], "the probe of a right writes nothing");
        // Nor does it in front of a broker that may not be written to.
        kafka.deny(&[Denied::Write("orders")]).expect("a rule");
        wait_until("the rule counts", std::time::Duration::from_secs(30), || {
            Ok(!Ask::well("plaintext", &kafka).ask().report.ok)
        })
        .expect("writing is denied");
        assert_eq!(kafka.end_offsets("orders").expect("the topic is there"), ends);
    }
}

#[test]
fn a_canary_is_written_and_read_back_or_at_least_counted() {
    for version in KafkaVersion::ALL {
        let kafka = cluster(version);
        let asked = Ask::well("iam", &kafka).with(&["--canary"]);
        let seen = asked.ask();
        let canary = seen.healthy().canary.as_ref().expect("it was asked for");
        assert_eq!((canary.partition, canary.offset), (0, Some(0)));
        assert!(
            canary.read_milliseconds.is_some() && canary.not_read.is_none(),
            "{canary:?}"
        );
        let found = readback(&kafka.bootstrap_servers(), "orders").expect("another client reads it");
        assert_eq!(found.messages, 1, "{found:?}");

        kafka.deny(&[Denied::Read("orders")]).expect("a rule");
        wait_until("the rule counts", std::time::Duration::from_secs(30), || {
            let seen = asked.ask();
            let canary = seen.healthy().canary.as_ref().expect("it was asked for");
            assert!(canary.offset.is_some(), "{canary:?}");
            Ok(canary.not_read.is_some())
        })
        .expect("reading is denied, and that is no failure");
    }
}

#[test]
fn a_canary_is_known_on_topics_with_a_compression_of_their_own() {
    for version in KafkaVersion::ALL {
        let kafka = KafkaCluster::builder().version(version).start().expect("a broker");
        for compression in ["zstd", "lz4", "gzip", "snappy", "uncompressed", "producer"] {
            kafka
                .create_topic(compression, 1, 1, &[("compression.type", compression)])
                .expect("a topic");
            let asked = Ask::new("plaintext", kafka.bootstrap_servers())
                .topic(compression)
                .with(&["--canary"]);
            for offset in 0..2 {
                let seen = asked.ask();
                let canary = seen.healthy().canary.as_ref().expect("it was asked for");
                assert_eq!(canary.offset, Some(offset), "{compression}: {canary:?}");
                assert!(canary.read_milliseconds.is_some(), "{compression}: {canary:?}");
            }
        }
    }
}

#[test]
fn a_missing_topic_is_created_once() {
    for version in KafkaVersion::ALL {
        let kafka = KafkaCluster::builder()
            .version(version)
            .brokers(3)
            .start()
            .expect("brokers");
        let asked = Ask::new("plaintext", kafka.bootstrap_servers()).topic("fresh").with(&[
            "--create-topic",
            "6:3",
            "--canary",
        ]);
        let seen = asked.ask();
        let report = seen.healthy();
        assert!(report.created.as_ref().is_some_and(|created| created.created));
        let [topic] = &report.topics[..] else {
            panic!("{report:#?}")
        };
        let led = topic
            .partitions
            .iter()
            .filter(|it| it.leader.is_some() && it.replicas == 3);
        assert_eq!(led.count(), 6, "{report:#?}");
        assert!(report.canary.as_ref().is_some_and(|canary| canary.offset == Some(0)));
        let seen = asked.ask();
        assert!(seen.healthy().created.as_ref().is_some_and(|created| !created.created));
    }
}

#[test]
fn all_topics_of_the_configuration_and_all_brokers_of_the_cluster_are_looked_at() {
    let kafka = KafkaCluster::builder().brokers(3).start().expect("brokers");
    for topic in ["orders", "created", "orders-dead-letter"] {
        kafka.create_topic(topic, 3, 3, &[]).expect("a topic");
    }
    let servers = kafka.bootstrap_servers();
    let first = servers.split(',').next().expect("a broker");
    let seen = Ask::new("plaintext", first)
        .with(&["--on-poison", "divert"])
        .with(&["--topic-pointer", "/type"])
        .with(&["--topic-map", r#"{"c":"created","o":"orders"}"#])
        .ask();
    let report = seen.healthy();
    let topics: Vec<_> = report.topics.iter().map(|it| (it.name.as_str(), it.purpose)).collect();
    assert_eq!(
        topics,
        [
            ("orders", Purpose::Pipeline),
            ("created", Purpose::Chosen),
            ("orders-dead-letter", Purpose::DeadLetter)
        ]
    );
    let mut ids: Vec<_> = report.brokers.iter().map(|it| (it.id, it.bootstrap)).collect();
    ids.sort_unstable();
    assert_eq!(ids.iter().filter(|(_, bootstrap)| *bootstrap).count(), 1, "{report:#?}");
    assert_eq!(
        ids.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3)]
    );

    // One of three is down: the others answer, and it is named.
    kafka.kill(2).expect("a broker dies");
    let down = servers.split(',').nth(1).expect("a broker");
    let seen = Ask::new("plaintext", servers.clone()).ask();
    let failure = seen.failure();
    assert_eq!(failure.broker.as_deref(), Some(down), "{:#?}", seen.report);
    assert_eq!(seen.report.topics.len(), 1, "{:#?}", seen.report);
}

#[test]
fn what_people_read() {
    let kafka = cluster(KafkaVersion::V4);
    let (code, printed) = Ask::well("iam", &kafka).with(&["--canary"]).print();
    assert_eq!(code, Some(0), "{printed}");
    let servers = kafka.iam_bootstrap_servers().expect("a listener");
    example("healthy", &steady(&printed, &[(&servers, "b-1.example.com:9098")]));
    let ask = Ask::well("iam", &kafka).at(kafka.scram_bootstrap_servers().expect("a listener"));
    let (code, printed) = ask.print();
    assert_eq!(code, Some(1), "{printed}");
    let servers = kafka.scram_bootstrap_servers().expect("a listener");
    example("broken", &steady(&printed, &[(&servers, "b-1.example.com:9096")]));
}

/// The text with what changes from run to run put in order.
fn steady(printed: &str, named: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for line in printed.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let shown: Vec<String> = (0..words.len())
            .map(|place| match words.get(place + 1) {
                // The digits of a time, whose width stays as it is.
                Some(unit) if unit.starts_with("ms") && words[place].parse::<f64>().is_ok() => "0.0".to_owned(),
                _ => words[place].to_owned(),
            })
            .collect();
        let line = shown.join(" ");
        // A shorter number leaves more blanks in front.
        let line = match line.split_once("0.0 ms") {
            Some((name, rest)) if line.starts_with("  ") => format!("{:<31}0.0 ms{rest}", name.trim_end()),
            _ => line,
        };
        text.push_str(&line);
        text.push('\n');
    }
    for (this, that) in named {
        text = text.replace(this, that);
    }
    let until = |line: &str| {
        line.split_once(", good until ").map_or_else(
            || line.to_owned(),
            |(before, _)| format!("{before}, good until 2027-01-31T12:00:00Z"),
        )
    };
    text.lines().map(until).collect::<Vec<_>>().join("\n")
}

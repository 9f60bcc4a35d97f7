//! What the test kit claims about its ground, each claim shown on real brokers.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k2m_testkit::{
    Clerk, ClientIdentity, KafkaCluster, KafkaVersion, ReadbackRequest, Result, ServerCertificate, readback, wait_until,
};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

const BOUND: Duration = Duration::from_secs(30);

/// Collects what became of each message, and what went wrong with connections.
#[derive(Default)]
struct Outcomes(
    std::sync::Mutex<Vec<std::result::Result<(), KafkaError>>>,
    std::sync::Mutex<Vec<String>>,
);

impl rdkafka::ClientContext for Outcomes {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let mut errors = self.1.lock().expect("no panic in a callback");
        errors.push(format!("{error}: {reason}"));
    }
}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let outcome = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        self.0.lock().expect("no panic in a callback").push(outcome);
    }
}

/// A producer under test; `settings` come on top of quick time-outs.
struct Sender(BaseProducer<Outcomes>);

impl Sender {
    fn new(bootstrap: &str, settings: &[(&str, &str)]) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("acks", "all")
            .set("message.timeout.ms", "30000");
        config
            .set("reconnect.backoff.max.ms", "500")
            .set("topic.metadata.refresh.sparse", "true");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        Self(
            config
                .create_with_context(Outcomes::default())
                .expect("the settings are right"),
        )
    }

    fn tls(cluster: &KafkaCluster) -> Self {
        let bootstrap = cluster.tls_bootstrap_servers().expect("the cluster has TLS");
        Self::secure(cluster, &bootstrap, &[])
    }

    /// Through TLS, with these settings on top.
    fn secure(cluster: &KafkaCluster, bootstrap: &str, settings: &[(&str, &str)]) -> Self {
        let ca = cluster.ca_file().expect("the cluster has TLS").display().to_string();
        let secure = [("security.protocol", "ssl"), ("ssl.ca.location", ca.as_str())];
        Self::new(bootstrap, &[&secure, settings].concat())
    }

    /// Why no connection can be made, in librdkafka's words.
    fn complaint(&self) -> String {
        let mut said = String::new();
        wait_until("the client complains", BOUND, || {
            self.0.poll(Duration::from_millis(5));
            let errors = self.0.context().1.lock().expect("no panic in a callback");
            said = errors
                .iter()
                .find(|it| !it.contains("brokers are down"))
                .cloned()
                .unwrap_or_default();
            Ok(!said.is_empty())
        })
        .expect("no connection is made");
        said
    }

    fn queue(&self, topic: &str, key: &str, value: &str, headers: OwnedHeaders) {
        let record = BaseRecord::to(topic).key(key).payload(value).headers(headers);
        self.0
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue has room");
    }

    /// Queues a record with the headers that identify it.
    fn queue_record(&self, topic: &str, key: &str, value: &str, shard: &str, sequence: u128) {
        self.queue(topic, key, value, identity(shard, &sequence.to_string()));
    }

    /// Waits for what is queued; answers what became of each message since the last time, in order of the answers.
    fn outcomes(&self) -> Vec<std::result::Result<(), KafkaError>> {
        let started = Instant::now();
        while self.0.in_flight_count() > 0 {
            assert!(started.elapsed() < 2 * BOUND, "messages are still in flight");
            self.0.poll(Duration::from_millis(5));
        }
        std::mem::take(&mut *self.0.context().0.lock().expect("no panic in a callback"))
    }

    fn send(&self, topic: &str, sequence: u128) -> std::result::Result<(), KafkaError> {
        self.queue_record(topic, "key", "value", "shardId-000000000000", sequence);
        let mut outcomes = self.outcomes();
        assert_eq!(outcomes.len(), 1, "one message, one outcome");
        outcomes.remove(0)
    }
}

fn identity(shard: &str, sequence: &str) -> OwnedHeaders {
    [
        ("k2m-stream", "orders"),
        ("k2m-shard", shard),
        ("k2m-sequence", sequence),
    ]
    .into_iter()
    .fold(OwnedHeaders::new(), |all, (key, value)| {
        all.insert(Header {
            key,
            value: Some(value),
        })
    })
}

/// One broker of this version takes a record through each listener, and the other listener gives both back.
fn takes_and_gives_back(version: KafkaVersion) {
    let cluster = KafkaCluster::builder()
        .version(version)
        .tls(true)
        .start()
        .expect("the broker starts");
    cluster
        .create_topic("t", 2, 1, &[("max.message.bytes", "2000000")])
        .expect("the topic is created");
    let plain = Sender::new(&cluster.bootstrap_servers(), &[("message.max.bytes", "2000000")]);
    plain.send("t", 1).expect("plaintext delivers");
    Sender::tls(&cluster).send("t", 2).expect("TLS delivers");

    let through_plaintext = readback(&cluster.bootstrap_servers(), "t").expect("plaintext reads");
    let secure = ReadbackRequest::new(cluster.tls_bootstrap_servers().expect("there is TLS"), "t");
    let through_tls = secure
        .clone()
        .ca_file(cluster.ca_file().expect("there is TLS"))
        .read()
        .expect("TLS reads");
    assert_eq!(through_plaintext, through_tls);
    assert_eq!(
        (through_tls.messages, through_tls.distinct, through_tls.keys),
        (2, 2, 1)
    );
    assert_eq!(
        cluster
            .end_offsets("t")
            .expect("the broker answers")
            .iter()
            .sum::<i64>(),
        2
    );

    // The topic's own setting is in force, and the default of the broker elsewhere.
    cluster.create_topic("small", 1, 1, &[]).expect("the topic is created");
    let large = "x".repeat(1_500_000);
    plain.queue("t", "key", &large, OwnedHeaders::new());
    assert_eq!(plain.outcomes(), [Ok(())]);
    plain.queue("small", "key", &large, OwnedHeaders::new());
    assert_eq!(
        plain.outcomes(),
        [Err(KafkaError::MessageProduction(
            RDKafkaErrorCode::MessageSizeTooLarge
        ))]
    );

    // As on MSK, no topic appears because someone wrote to it.
    // librdkafka gives a new topic half a minute to appear unless told otherwise.
    let hasty = Sender::new(
        &cluster.bootstrap_servers(),
        &[("topic.metadata.propagation.max.ms", "0")],
    );
    let unknown = hasty.send("no-such-topic", 1).expect_err("there is no such topic");
    assert!(
        matches!(
            unknown,
            KafkaError::MessageProduction(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition)
        ),
        "{unknown}"
    );
    let again = cluster
        .create_topic("t", 1, 1, &[])
        .expect_err("there is one of this name");
    assert!(again.to_string().starts_with("create topic t: "), "{again}");
}

#[test]
fn version_3_takes_a_record_and_gives_it_back_through_both_listeners() {
    takes_and_gives_back(KafkaVersion::V3);
}

#[test]
fn version_4_takes_a_record_and_gives_it_back_through_both_listeners() {
    takes_and_gives_back(KafkaVersion::V4);
}

#[test]
fn who_shows_a_certificate_of_the_authority_is_let_in_and_nobody_else() {
    for version in KafkaVersion::ALL {
        let cluster = KafkaCluster::builder()
            .version(version)
            .mutual_tls(true)
            .start()
            .expect("the broker starts");
        cluster.create_topic("t", 1, 1, &[]).expect("the topic is created");
        let bootstrap = cluster.mutual_tls_bootstrap_servers().expect("there is mutual TLS");
        let client = |identity| {
            let certificate = cluster.client_certificate(identity).expect("a certificate");
            let shown = [
                ("ssl.certificate.pem", certificate.chain.as_str()),
                ("ssl.key.pem", certificate.private_key.as_str()),
            ];
            Sender::secure(&cluster, &bootstrap, &shown)
        };
        client(ClientIdentity::Trusted).send("t", 1).expect("it is let in");
        let complaints = [
            Sender::secure(&cluster, &bootstrap, &[]).complaint(),
            client(ClientIdentity::Expired).complaint(),
            client(ClientIdentity::UnknownAuthority).complaint(),
        ];
        for complaint in complaints {
            println!("{version:?}: {complaint}");
            // Java says as much of one that did not come as of one that is not good.
            assert!(
                complaint.contains("SSL routines::") && complaint.contains("alert"),
                "{complaint}"
            );
        }
    }
}

#[test]
fn a_user_is_let_in_by_the_password_of_now() {
    for version in KafkaVersion::ALL {
        let cluster = KafkaCluster::builder()
            .version(version)
            .brokers(if version == KafkaVersion::V4 { 3 } else { 1 })
            .scram(&[("alice", "first/or=not"), ("bob", "other")])
            .start()
            .expect("the brokers start");
        cluster.create_topic("t", 1, 1, &[]).expect("the topic is created");
        let bootstrap = cluster.scram_bootstrap_servers().expect("there is SCRAM");
        let client = |user, password| {
            let shown = [
                ("security.protocol", "sasl_ssl"),
                ("sasl.mechanisms", "SCRAM-SHA-512"),
                ("sasl.username", user),
                ("sasl.password", password),
            ];
            Sender::secure(&cluster, &bootstrap, &shown)
        };
        client("bob", "other").send("t", 1).expect("he is let in");
        client("alice", "first/or=not").send("t", 2).expect("she is let in");
        cluster.set_scram_password("alice", "second").expect("it is changed");
        client("alice", "second").send("t", 3).expect("she is let in");
        let complaint = client("alice", "first/or=not").complaint();
        println!("{version:?}: {complaint}");
        assert!(
            complaint.contains("invalid credentials with SASL mechanism SCRAM-SHA-512"),
            "{complaint}"
        );
    }
}

#[test]
fn a_broker_can_show_a_certificate_that_no_client_should_take() {
    for certificate in [ServerCertificate::Expired, ServerCertificate::WrongHost] {
        let cluster = KafkaCluster::builder()
            .tls(true)
            .server_certificate(certificate)
            .start()
            .expect("the broker starts");
        // librdkafka says as much of both.
        let complaint = Sender::tls(&cluster).complaint();
        println!("{certificate:?}: {complaint}");
        assert!(complaint.contains("certificate verify failed"), "{complaint}");
    }
}

#[test]
fn of_three_brokers_one_can_die_and_come_back() {
    let cluster = KafkaCluster::builder().brokers(3).start().expect("the brokers start");
    cluster.create_topic("t", 3, 3, &[]).expect("the topic is created");
    let sender = Sender::new(&cluster.bootstrap_servers(), &[("enable.idempotence", "true")]);
    let killed = cluster.leader("t", 0).expect("there is a leader");

    cluster.kill(killed).expect("the broker can be killed");
    assert_eq!(cluster.pid(killed).expect("the id is right"), None);
    wait_until("all partitions moved", BOUND, || {
        (0..3).try_fold(true, |moved, partition| {
            Ok(moved && cluster.leader("t", partition)? != killed)
        })
    })
    .expect("the leaders move");
    sender.send("t", 1).expect("two brokers of three are enough");
    cluster.start_broker(killed).expect("the broker starts again");
    cluster.wait_until_in_sync().expect("the broker catches up");
    cluster
        .restart(killed % 3 + 1)
        .expect("another broker restarts in good order");
    cluster.wait_until_in_sync().expect("the broker catches up");
    sender.send("t", 2).expect("all brokers are back");

    let read = readback(&cluster.bootstrap_servers(), "t").expect("the topic can be read");
    assert_eq!((read.messages, read.distinct), (2, 2));
    let twice = cluster.start_broker(killed).expect_err("it runs");
    assert_eq!(
        twice.to_string(),
        format!("broker {killed} is not down: stop or kill it before starting it")
    );
}

#[test]
fn all_brokers_can_go_down_and_come_back_with_their_data() {
    let cluster = KafkaCluster::builder().brokers(3).start().expect("the brokers start");
    cluster.create_topic("t", 1, 3, &[]).expect("the topic is created");
    let sender = Sender::new(&cluster.bootstrap_servers(), &[]);
    sender.send("t", 1).expect("delivers");
    for id in cluster.broker_ids() {
        cluster.kill(id).expect("the broker can be killed");
    }
    for id in cluster.broker_ids() {
        cluster.start_broker(id).expect("the broker starts");
    }
    sender.send("t", 2).expect("delivers again");
    assert_eq!(cluster.end_offsets("t").expect("the brokers answer"), [2]);
}

#[test]
fn a_paused_broker_lets_a_message_time_out_and_a_resumed_one_takes_it() {
    let cluster = KafkaCluster::builder().start().expect("the broker starts");
    cluster.create_topic("t", 1, 1, &[]).expect("the topic is created");
    let sender = Sender::new(&cluster.bootstrap_servers(), &[("message.timeout.ms", "1500")]);
    sender.send("t", 1).expect("the broker answers");
    cluster.pause(1).expect("the broker can be paused");
    let error = sender.send("t", 2).expect_err("nothing answers");
    assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut));
    cluster.resume(1).expect("the broker goes on");
    // What was sent while it slept may still be stored: a time-out says nothing about that.
    wait_until("a message is taken", BOUND, || Ok(sender.send("t", 3).is_ok())).expect("the broker answers again");
    cluster.pause(1).expect("the broker can be paused");
    cluster.kill(1).expect("a paused broker can be killed");
}

/// Sends one record whose acknowledgement is lost; answers how often it is stored.
fn stored_after_a_lost_acknowledgement(cluster: &KafkaCluster, topic: &str, idempotence: &str) -> u64 {
    let proxy = cluster.proxy().expect("there is a proxy");
    let bootstrap = cluster.proxied_bootstrap_servers().expect("there is a proxy");
    cluster.create_topic(topic, 1, 1, &[]).expect("the topic is created");
    let sender = Sender::new(&bootstrap, &[("enable.idempotence", idempotence), ("retries", "10")]);
    let before = proxy.counters();
    proxy.lose_next(1);
    sender.send(topic, 7).expect("a retry is acknowledged");
    let after = proxy.counters();
    assert_eq!(after.responses_lost - before.responses_lost, 1);
    assert_eq!(
        after.produce_requests - before.produce_requests,
        2,
        "the request came a second time"
    );
    let read = readback(&cluster.bootstrap_servers(), topic).expect("the topic can be read");
    assert_eq!((read.distinct, read.duplicates), (1, read.messages - 1));
    read.messages
}

#[test]
fn the_proxy_loses_an_acknowledgement_after_the_record_is_stored() {
    let cluster = KafkaCluster::builder()
        .proxied(true)
        .start()
        .expect("the broker starts");
    assert_eq!(
        stored_after_a_lost_acknowledgement(&cluster, "without", "false"),
        2,
        "the broker had it already"
    );
    assert_eq!(
        stored_after_a_lost_acknowledgement(&cluster, "with", "true"),
        1,
        "the broker knows the second copy"
    );

    // Every second acknowledgement lost, connections cut in between: with idempotence each record is stored once.
    let proxy = cluster.proxy().expect("there is a proxy");
    let bootstrap = cluster.proxied_bootstrap_servers().expect("there is a proxy");
    cluster.create_topic("often", 1, 1, &[]).expect("the topic is created");
    let sender = Sender::new(&bootstrap, &[("enable.idempotence", "true"), ("linger.ms", "0")]);
    proxy.lose_every(2);
    for sequence in 0..10 {
        sender.send("often", sequence).expect("a retry is acknowledged");
    }
    proxy.lose_every(0);
    assert!(proxy.cut_all() > 0);
    sender.send("often", 10).expect("the client connects again");
    let read = readback(&cluster.bootstrap_servers(), "often").expect("the topic can be read");
    assert_eq!((read.messages, read.distinct, read.keys_out_of_order), (11, 11, 0));

    // A broker that can't be reached through the proxy is still there.
    proxy.refuse(true);
    proxy.cut_all();
    let hasty = Sender::new(&bootstrap, &[("message.timeout.ms", "500")]);
    hasty.send("often", 11).expect_err("no connection lasts");
    assert!(proxy.counters().refused > 0);
    assert_eq!(cluster.end_offsets("often").expect("the broker answers"), [11]);
    // The proxy outlives a restart of the broker behind it.
    proxy.refuse(false);
    cluster.restart(1).expect("the broker restarts");
    sender.send("often", 11).expect("the client connects again");
}

#[test]
fn the_reader_counts_what_is_there() {
    let cluster = KafkaCluster::builder().start().expect("the broker starts");
    let bootstrap = cluster.bootstrap_servers();
    cluster.create_topic("t", 4, 1, &[]).expect("the topic is created");
    let sender = Sender::new(&bootstrap, &[("enable.idempotence", "true")]);
    // Compared as text, 900 would come after 1000.
    for n in 0..2_000 {
        let (shard, key) = (n % 3, n % 100);
        sender.queue_record("t", &format!("key-{key}"), "12345", &format!("shard-{shard}"), n);
    }
    // As long as those of Kinesis, longer than any machine integer.
    for end in ["09", "10"] {
        let sequence = format!("{}{end}", "3".repeat(54));
        sender.queue("t", "key-0", "12345", identity("shard-0", &sequence));
    }
    sender
        .outcomes()
        .into_iter()
        .collect::<std::result::Result<Vec<_>, _>>()
        .expect("all are delivered");
    let clean = readback(&bootstrap, "t").expect("the topic can be read");
    assert_eq!((clean.messages, clean.distinct, clean.duplicates), (2_002, 2_002, 0));
    assert_eq!((clean.keys, clean.shards, clean.keys_out_of_order), (100, 3, 0));
    assert_eq!(
        (
            clean.keys_in_several_partitions,
            clean.without_headers,
            clean.value_bytes
        ),
        (0, 0, 5 * 2_002)
    );

    // A copy of an old record is a duplicate, not disorder; the same number in another shard is another record.
    sender.queue_record("t", "key-0", "12345", "shard-0", 0);
    sender.queue_record("t", "elsewhere", "12345", "shard-1", 0);
    // A first appearance after a later one is disorder.
    sender.queue_record("t", "late", "", "shard-0", 500_002);
    sender.queue_record("t", "late", "", "shard-0", 500_001);
    // Sub-records of one record differ.
    for part in ["0", "1"] {
        let headers = identity("shard-2", "600000").insert(Header {
            key: "k2m-subsequence",
            value: Some(part),
        });
        sender.queue("t", "parts", "", headers);
    }
    sender.queue("t", "key-0", "no headers", OwnedHeaders::new());
    sender.queue("t", "key-0", "no number", identity("shard-0", "12a"));
    sender
        .outcomes()
        .into_iter()
        .collect::<std::result::Result<Vec<_>, _>>()
        .expect("all are delivered");
    let mixed = readback(&bootstrap, "t").expect("the topic can be read");
    assert_eq!((mixed.messages, mixed.distinct, mixed.duplicates), (2_010, 2_007, 1));
    assert_eq!(
        (mixed.keys_out_of_order, mixed.out_of_order_examples),
        (1, vec!["late".to_owned()])
    );
    assert_eq!((mixed.without_headers, mixed.value_bytes), (2, 5 * 2_004 + 19));

    // A key in two partitions, and values as they are.
    cluster.create_topic("values", 2, 1, &[]).expect("the topic is created");
    for (partition, value) in [(0, &b"\x00\xffa"[..]), (1, b"second")] {
        let record = BaseRecord::to("values").key("key").payload(value).partition(partition);
        sender
            .0
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue has room");
    }
    assert_eq!(sender.outcomes(), [Ok(()), Ok(())]);
    let folder = tempfile::tempdir().expect("a temp dir");
    let file = folder.path().join("values");
    let read = ReadbackRequest::new(&bootstrap, "values")
        .values_to(&file)
        .read()
        .expect("the topic can be read");
    assert_eq!(read.keys_in_several_partitions, 1);
    let mut lines: Vec<String> = std::fs::read_to_string(&file)
        .expect("it was written")
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, ["AP9h", "c2Vjb25k"]);

    cluster.create_topic("empty", 2, 1, &[]).expect("the topic is created");
    assert_eq!(
        readback(&bootstrap, "empty")
            .expect("an empty topic can be read")
            .messages,
        0
    );
    let error = readback(&bootstrap, "absent").expect_err("there is no such topic");
    assert!(error.to_string().contains("UNKNOWN_TOPIC_OR_PART"), "{error}");
}

/// Not a test by itself: the process that the next one kills.
#[test]
#[ignore = "started by brokers_die_with_a_killed_test"]
fn holds_a_cluster_until_killed() {
    let cluster = KafkaCluster::builder().start().expect("the broker starts");
    let report = std::env::var_os("K2M_TEST_REPORT").expect("set by the test that starts this");
    let pid = cluster.pid(1).expect("the id is right").expect("it runs");
    let log = cluster.log_file(1).expect("the id is right");
    std::fs::write(report, format!("{pid}\n{}\n", log.display())).expect("the report can be written");
    // Whoever started this closes the pipe or kills the process.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a pipe can be read");
}

#[test]
fn brokers_die_with_a_killed_test() {
    let folder = tempfile::tempdir().expect("a temp dir");
    let report = folder.path().join("report");
    let mut holder = Command::new(std::env::current_exe().expect("this test's file"))
        .args(["--ignored", "--exact", "holds_a_cluster_until_killed"])
        .env("K2M_TEST_REPORT", &report)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test's file can be started");
    let found = RefCell::new(Vec::new());
    wait_until("the other process has a broker", 3 * BOUND, || {
        let Ok(file) = std::fs::File::open(&report) else {
            return Ok(false);
        };
        *found.borrow_mut() = BufReader::new(file)
            .lines()
            .map_while(std::result::Result::ok)
            .collect();
        Ok(found.borrow().len() == 2)
    })
    .expect("it starts one");
    let found = found.into_inner();
    let (process, log) = (Path::new("/proc").join(&found[0]), Path::new(&found[1]));
    assert!(process.join("cmdline").exists() && log.exists(), "the broker runs");
    holder.kill().expect("it runs");
    holder.wait().expect("it ends");
    wait_until("the broker is gone, and its data", BOUND, || {
        Ok(!is_alive(&process) && !log.exists())
    })
    .expect("the watcher sees to it");
}

/// Whether a process runs; one that no one has waited for yet does not.
fn is_alive(process: &Path) -> bool {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z') && !line.contains('X'))
}

#[test]
fn what_was_not_built_is_not_there() -> Result<()> {
    let cluster = KafkaCluster::builder().start()?;
    for error in [
        cluster.proxy().err(),
        cluster.proxied_bootstrap_servers().err(),
        cluster.ca_file().err(),
        cluster.tls_bootstrap_servers().err(),
        cluster.iam_bootstrap_servers().err(),
        cluster.kill(2).err(),
        cluster.resume(1).err(),
    ] {
        let error = error.expect("that was not asked for");
        assert!(matches!(error, k2m_testkit::Error::Usage(_)), "{error}");
    }
    cluster.stop(1)?;
    assert!(cluster.stop(1).is_err(), "it is down");
    Ok(())
}

#[test]
fn the_clerk_reads_moves_leaders_and_deletes() -> Result<()> {
    let cluster = KafkaCluster::builder().brokers(3).start()?;
    cluster.create_topic("t", 2, 3, &[])?;
    let (clerk, bootstrap) = (Clerk::start()?, cluster.bootstrap_servers());
    assert_eq!(clerk.read(&bootstrap, "t")?, []);
    let sender = Sender::new(&bootstrap, &[]);
    sender.send("t", 7).expect("it is delivered");
    let before = [cluster.leader("t", 0)?, cluster.leader("t", 1)?];
    let moved = clerk.move_leaders(&bootstrap, "t")?;
    for (partition, old) in (0..).zip(before) {
        let new = cluster.leader("t", partition)?;
        assert_eq!(moved.get(&partition.to_string()), Some(&new));
        assert_ne!(new, old, "partition {partition}");
    }
    sender.send("t", 8).expect("it finds the new leader");
    let read = clerk.read(&bootstrap, "t")?;
    let sequences: Vec<_> = read
        .iter()
        .map(|message| message.headers["k2m-sequence"].as_deref())
        .collect();
    assert_eq!(sequences, [Some("7"), Some("8")]);
    assert_eq!(
        (read[0].offset, read[0].key.as_deref(), read[0].value.as_deref()),
        (0, Some("key"), Some("value"))
    );

    assert_eq!(clerk.delete(&bootstrap, &["t", "no-such-topic"])?, ["t"]);
    let error = wait_until("the topic is gone", BOUND, || Ok(clerk.read(&bootstrap, "t").is_err()));
    error.expect("it goes soon");
    let error = clerk.read(&bootstrap, "t").expect_err("it is gone").to_string();
    assert!(error.contains("UNKNOWN_TOPIC_OR_PART"), "{error}");
    Ok(())
}

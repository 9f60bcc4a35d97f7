//! A sandbox that is frozen between invocations, as Lambda does it, for longer than anything lives on the other side: no batch fails.
//!
//! What takes minutes at AWS is shortened where that is the same thing: how long brokers keep idle connections and sessions, and the idle
//! time after which the function mistrusts its own connections. One freeze is as long as it says.

use std::time::{Duration, Instant};

use k2m_testkit::{KafkaCluster, KafkaClusterBuilder, readback, wait_until};

use crate::one::{BATCH, One, Variables, answer, plaintext};

/// Shorter than librdkafka waits for an answer on a connection that is dead: its own patience must not save the batch.
const TIME_OUT: Duration = Duration::from_secs(8);
/// How long brokers keep an idle connection, in milliseconds; they look whenever that time has passed.
const BROKER_IDLE_MS: u64 = 1_000;
/// `K2M_IDLE_LIMIT_MS`: from when on the function mistrusts its connections.
const IDLE_LIMIT_MS: u64 = 500;
/// Longer than both.
const SHORTENED: [Duration; 2] = [Duration::from_millis(2 * BROKER_IDLE_MS + 200); 2];
const REGION: &str = "eu-central-1";

/// Whether a process is stopped by a signal.
fn is_stopped(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && line.contains('T'))
}

/// Sends a batch to a sandbox, and another after each freeze, which lasts so long; `meanwhile` is what happens then.
fn thaw(kafka: &KafkaCluster, variables: &Variables, freezes: &[Duration], meanwhile: impl Fn()) {
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let mut one = One::new(variables, TIME_OUT, true);
    assert_eq!(one.invoke(0), answer(None), "{}", one.said());
    let mut sent = BATCH;
    for frozen in freezes {
        wait_until("the process is frozen", *frozen, || {
            Ok(one.pids().iter().all(|pid| is_stopped(*pid)))
        })
        .expect("it is");
        meanwhile();
        let since = Instant::now();
        // Time itself is the condition here.
        wait_until("it was frozen for its time", 2 * *frozen, || {
            Ok(since.elapsed() >= *frozen)
        })
        .expect("time passes");
        assert_eq!(one.invoke(sent), answer(None), "{}", one.said());
        sent += BATCH;
    }
    assert_eq!(one.pids().len(), 1, "one process served all batches");
    one.close();
    let found = readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read");
    let sent = u64::from(sent);
    assert_eq!(
        (found.messages, found.distinct, found.keys_out_of_order),
        (sent, sent, 0),
        "{found:?}"
    );
}

/// Brokers that forget idle connections soon.
fn forgetful() -> KafkaClusterBuilder {
    KafkaCluster::builder().broker_setting("connections.max.idle.ms", BROKER_IDLE_MS.to_string())
}

fn shortened() -> (&'static str, String) {
    ("K2M_IDLE_LIMIT_MS", IDLE_LIMIT_MS.to_string())
}

#[test]
fn connections_that_the_brokers_have_closed_meanwhile_cost_no_batch() {
    let kafka = forgetful().start().expect("a broker");
    let mut variables = plaintext(kafka.bootstrap_servers());
    variables.push(shortened());
    thaw(&kafka, &variables, &SHORTENED, || {});
    // The same where the function has not noticed that it was idle.
    let kafka = forgetful().start().expect("a broker");
    thaw(&kafka, &plaintext(kafka.bootstrap_servers()), &SHORTENED, || {});
}

#[test]
fn connections_that_died_silently_cost_no_batch() {
    let kafka = forgetful().proxied(true).start().expect("a broker");
    let mut variables = plaintext(kafka.proxied_bootstrap_servers().expect("a proxy"));
    variables.push(shortened());
    thaw(&kafka, &variables, &SHORTENED, || {
        let silenced = kafka.proxy().expect("a proxy").silence_existing();
        assert!(silenced > 0, "there were connections to silence");
    });
}

#[test]
fn a_session_that_ended_with_its_token_costs_no_batch() {
    let kafka = forgetful()
        .iam(REGION)
        // The brokers end a session as if its token had lived so short.
        .broker_setting("listener.name.iam.oauthbearer.connections.max.reauth.ms", "1500")
        .broker_setting("connections.max.idle.ms", "600000")
        .start()
        .expect("a broker");
    let variables = vec![
        (
            "K2M_BOOTSTRAP_SERVERS",
            kafka.iam_bootstrap_servers().expect("an IAM listener"),
        ),
        (
            "K2M_CA_FILE",
            kafka.ca_file().expect("an authority").display().to_string(),
        ),
        ("K2M_AUTHENTICATION", "iam".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
        (
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        ),
        shortened(),
    ];
    thaw(&kafka, &variables, &SHORTENED, || {});
}

#[test]
fn half_a_minute_costs_no_batch() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    thaw(
        &kafka,
        &plaintext(kafka.bootstrap_servers()),
        &[Duration::from_secs(30)],
        || {},
    );
}

//! Faults, each with the claims that must hold through it. They run twice: with the handler, which must keep every claim, and with one
//! that breaks a promise, of which at least one claim must notice.

use std::path::Path;
use std::time::Duration;

use k2m_testkit::{KafkaCluster, Readback, readback, wait_until};

use crate::driver::{Ended, Run, line, lines};

/// What a scenario found, as claims that do not hold; none if all do.
pub(crate) type Broken = Vec<String>;

/// The claims of every scenario: what was reported is what is there.
fn claims(ended: &Ended, found: &Readback, sent: u64) -> Broken {
    let mut broken = Broken::new();
    let mut claim = |holds: bool, what: String| {
        if !holds {
            broken.push(what);
        }
    };
    claim(ended.code == Some(0), "the run does not end well".into());
    let acknowledged = ended.summary["acknowledged"].as_u64().unwrap_or_default();
    claim(
        acknowledged == sent,
        format!("{sent} were sent and {acknowledged} are reported as acknowledged"),
    );
    claim(
        found.distinct >= acknowledged,
        format!("{acknowledged} are reported and {} are there", found.distinct),
    );
    claim(
        found.without_headers == 0,
        format!("{} have no identity", found.without_headers),
    );
    claim(
        found.keys_out_of_order == 0,
        format!(
            "keys out of order: {}, such as {:?}",
            found.keys_out_of_order, found.out_of_order_examples
        ),
    );
    claim(
        found.keys_in_several_partitions == 0,
        "a key is in more than one partition".into(),
    );
    let retried = ended.summary["retried"].as_u64().unwrap_or_default();
    claim(
        found.duplicates <= retried,
        format!("{} duplicates, and only {retried} were sent again", found.duplicates),
    );
    if !broken.is_empty() {
        broken.push(ended.told());
    }
    broken
}

fn one_broker() -> KafkaCluster {
    KafkaCluster::builder().proxied(true).start().expect("a broker")
}

/// The broker is killed while a batch is under way, and comes back only after the handler has answered for it.
pub(crate) fn broker_killed_in_a_batch(handler: &Path, flaw: Option<&str>) -> Broken {
    let kafka = one_broker();
    kafka.create_topic("orders", 1, 1, &[]).expect("a topic");
    let mut run = start(
        &kafka.bootstrap_servers(),
        handler,
        flaw,
        &["--timeout", "4", "--batch-size", "500"],
    );
    run.feed(&lines(0, 500, 50, 100));
    run.wait_for_log("\"acknowledged\":500");
    kafka.kill(1).expect("the broker dies");
    // More than one batch, so that a wrong answer for the first one shows even if a later one is right.
    run.feed(&lines(500, 1_500, 50, 100));
    run.end_input();
    // The handler answers for a batch that could not be sent; a flawed one has nothing to report, and the run ends.
    run.wait_for_log("\"acknowledged\":0");
    kafka.start_broker(1).expect("the broker comes back");
    let ended = run.end();
    claims(
        &ended,
        &readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read"),
        2_000,
    )
}

/// Every third acknowledgement is lost after the broker has stored the records.
pub(crate) fn acknowledgements_lost(handler: &Path, flaw: Option<&str>) -> Broken {
    let kafka = one_broker();
    kafka.create_topic("orders", 2, 1, &[]).expect("a topic");
    let proxy = kafka.proxy().expect("a proxy");
    proxy.lose_every(3);
    let mut run = start(
        &kafka.proxied_bootstrap_servers().expect("a proxy"),
        handler,
        flaw,
        &["--batch-size", "100"],
    );
    run.feed(&lines(0, 2_000, 20, 100));
    let ended = run.end();
    let lost = proxy.counters().responses_lost;
    assert!(
        lost >= 5,
        "the proxy lost only {lost} acknowledgements: {}",
        ended.told()
    );
    claims(
        &ended,
        &readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read"),
        2_000,
    )
}

/// The broker refuses a record in the middle of a batch, and takes it later: what stands behind it has to wait.
pub(crate) fn refused_in_the_middle(handler: &Path, flaw: Option<&str>) -> Broken {
    refused_for_a_while(handler, flaw, &[600_000, 600_000, 900_000, 600_000, 600_000])
}

/// The same with the first record that the partition hears of this producer: a broker has no sequence number to expect then, and would
/// accept what is in flight behind it.
pub(crate) fn refused_at_first_contact(handler: &Path, flaw: Option<&str>) -> Broken {
    refused_for_a_while(handler, flaw, &[900_000, 600_000, 600_000])
}

/// Sends records of these sizes, of which the topic takes the one of 900,000 bytes only after it has refused it.
fn refused_for_a_while(handler: &Path, flaw: Option<&str>, sizes: &[usize]) -> Broken {
    let kafka = one_broker();
    kafka
        .create_topic("orders", 1, 1, &[("max.message.bytes", "700000")])
        .expect("a topic");
    // The handler is told a limit above the topic's, so that it is the broker that refuses. Each record takes a request of its own.
    let limit = ["--handler-env", "K2M_MAX_MESSAGE_BYTES=3000000"];
    let mut run = start(&kafka.bootstrap_servers(), handler, flaw, &limit);
    run.feed(
        &sizes
            .iter()
            .map(|size| line("key", &"x".repeat(*size)))
            .collect::<String>(),
    );
    run.end_input();
    run.wait_for_log("for its size");
    kafka
        .set_topic("orders", &[("max.message.bytes", "2000000")])
        .expect("the topic takes more");
    let ended = run.end();
    claims(
        &ended,
        &readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read"),
        sizes.len() as u64,
    )
}

/// The broker hangs (SIGSTOP) in the middle of a batch for longer than the function has time, then goes on.
pub(crate) fn broker_hangs(handler: &Path, flaw: Option<&str>) -> Broken {
    let kafka = one_broker();
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let mut run = start(
        &kafka.bootstrap_servers(),
        handler,
        flaw,
        &["--timeout", "4", "--batch-size", "500"],
    );
    run.feed(&lines(0, 500, 50, 100));
    run.wait_for_log("\"acknowledged\":500");
    kafka.pause(1).expect("the broker hangs");
    run.feed(&lines(500, 1_500, 50, 100));
    run.end_input();
    run.wait_for_log("time ran out");
    kafka.resume(1).expect("the broker goes on");
    let ended = run.end();
    claims(
        &ended,
        &readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read"),
        2_000,
    )
}

/// The function's process is killed in the middle of a batch.
pub(crate) fn function_killed(handler: &Path, flaw: Option<&str>) -> Broken {
    let kafka = one_broker();
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let mut run = start(&kafka.bootstrap_servers(), handler, flaw, &["--batch-size", "500"]);
    run.feed(&lines(0, 500, 50, 100));
    run.wait_for_log("\"acknowledged\":500");
    // While the broker hangs the batch stays under way for certain.
    kafka.pause(1).expect("the broker hangs");
    run.feed(&lines(500, 1_500, 50, 100));
    run.end_input();
    let parent = run.pid();
    wait_until(
        "the function's process is there to be killed",
        Duration::from_secs(20),
        || {
            // A child is listed with the thread that started it.
            let tasks = std::fs::read_dir(format!("/proc/{parent}/task"))
                .into_iter()
                .flatten()
                .flatten();
            let children: String = tasks
                .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
                .collect();
            let child = children
                .split_whitespace()
                .find_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?));
            Ok(child.is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()))
        },
    )
    .expect("a process to kill");
    kafka.resume(1).expect("the broker goes on");
    let ended = run.end();
    claims(
        &ended,
        &readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read"),
        2_000,
    )
}

fn start(bootstrap_servers: &str, handler: &Path, flaw: Option<&str>, more: &[&str]) -> Run {
    let handler = handler.to_str().expect("a path in UTF-8");
    let flaw = flaw.map(|flaw| format!("FLAW={flaw}"));
    let mut arguments = vec![
        "--topic",
        "orders",
        "--bootstrap-servers",
        bootstrap_servers,
        "--handler",
        handler,
    ];
    if let Some(flaw) = &flaw {
        arguments.extend(["--handler-env", flaw]);
    }
    arguments.extend(more);
    Run::start(&arguments)
}

//! Whatever little time the function is told to have, and however wrong its clock is, it answers before it is killed.

use std::time::Duration;

use k2m::local::sandbox::Allowance;
use k2m_testkit::{KafkaCluster, readback};

use crate::one::{BATCH, One, answer, plaintext};

/// The function's time-out, as it is told in its environment.
const TIME_OUT: Duration = Duration::from_secs(2);
/// How much later than the deadline the function is killed: more than the time-out, which counts where a busy machine lets a deadline pass before
/// the function looks at its clock, and nothing against a function that would wait for the broker.
const GRACE: Duration = Duration::from_secs(3);

/// What the function is told to have left, in milliseconds, and what it has.
const TIMES: [(i64, Duration); 5] = [
    (1_000, Duration::from_secs(1)),
    (100, Duration::from_millis(100)),
    // Its clock is an hour ahead of the one that the deadline was made with, an hour behind, and where it was when no clock was set.
    (-3_600_000, TIME_OUT),
    (3_600_000, TIME_OUT),
    (1_700_000_000_000, TIME_OUT),
];

#[test]
fn the_answer_comes_in_time_though_the_broker_never_answers() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let mut one = One::new(&plaintext(kafka.bootstrap_servers()), TIME_OUT, false);
    assert_eq!(one.invoke(0), answer(None), "{}", one.said());
    kafka.pause(1).expect("the broker hangs");
    for (told, left) in TIMES {
        one.allow(Allowance {
            limit: left + GRACE,
            told,
        });
        assert_eq!(one.invoke(BATCH), answer(Some(BATCH)), "{told} ms left\n{}", one.said());
    }
    kafka.resume(1).expect("the broker goes on");
    assert_eq!(one.invoke(BATCH), answer(None), "{}", one.said());
    assert_eq!(one.pids().len(), 1, "one process answered all of them\n{}", one.said());
    one.close();
    let found = readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read");
    assert_eq!(
        (found.distinct, found.keys_out_of_order),
        (2 * u64::from(BATCH), 0),
        "{found:?}"
    );
}

#[test]
fn a_clock_that_jumps_costs_no_batch() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let mut one = One::new(&plaintext(kafka.bootstrap_servers()), Duration::from_secs(20), false);
    for (number, (told, _)) in (0..).zip(&TIMES[2..]) {
        one.allow(Allowance {
            limit: Duration::from_secs(20),
            told: *told,
        });
        assert_eq!(
            one.invoke(number * BATCH),
            answer(None),
            "{told} ms left\n{}",
            one.said()
        );
    }
    one.close();
}

//! One row or test per rule of the mapping. A lane is driven with a function that is a closure and a clock that is a number.

use super::*;
use crate::local::event::Parts;

/// Records whose sequence numbers are the given ones.
pub(in crate::local) fn records(numbers: impl IntoIterator<Item = u32>) -> Vec<Record> {
    numbers.into_iter().map(|number| record(number, 1)).collect()
}

fn record(number: u32, bytes: usize) -> Record {
    let data = vec![b'x'; bytes];
    let parts = Parts {
        shard: 0,
        sequence_number: &number.to_string(),
        partition_key: "k",
        data: &data,
        arrival: 1_000,
    };
    Record::new(&parts)
}

fn settings() -> Settings {
    Settings {
        batch_size: 4,
        window: 1_000,
        retries: Some(2),
        maximum_age: None,
        bisect: true,
        partial_failures: true,
        longest_backoff: LONGEST_BACKOFF,
    }
}

fn numbers(records: &[Record]) -> Vec<u32> {
    records
        .iter()
        .map(|record| record.sequence_number().parse().unwrap())
        .collect()
}

/// Works a lane off, with time passing only where it waits. Says what happened as text, such as
/// `send 1-4 | send 1-2 | give up 1 RetryAttemptsExhausted after 3`.
fn story(settings: Settings, records: Vec<Record>, mut function: impl FnMut(&[u32]) -> Outcome) -> String {
    let mut lane = Lane::new(settings);
    let mut now = 1_000;
    lane.push(records, now);
    lane.end();
    let mut told = Vec::new();
    for _ in 0..1_000 {
        match lane.next(now) {
            Step::Invoke => {
                let batch = numbers(lane.batch());
                told.push(format!("send {}", span(&batch)));
                lane.complete(function(&batch), now);
            }
            Step::Discard(given_up) => told.push(format!(
                "give up {} {} after {}{}",
                span(&numbers(&given_up.records)),
                given_up.condition.as_str(),
                given_up.invocations,
                if given_up.function_error { " (error)" } else { "" }
            )),
            Step::Backoff(until) => {
                told.push(format!("wait {}", until - now));
                now = until;
            }
            Step::Fill(_) => panic!("a lane that has ended waits for records: {told:?}"),
            Step::Done => return told.join(" | "),
        }
    }
    panic!("no end: {told:?}");
}

fn span(numbers: &[u32]) -> String {
    match numbers {
        [] => "nothing".to_owned(),
        [only] => only.to_string(),
        [first, .., last] => format!("{first}-{last}"),
    }
}

type Function<'a> = &'a dyn Fn(&[u32]) -> Outcome;

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn one_row_per_rule_of_failure() {
    let accept = |_: &[u32]| Outcome::Accepted;
    let error = |_: &[u32]| Outcome::Error;
    let error_with_3 = |batch: &[u32]| {
        if batch.contains(&3) {
            Outcome::Error
        } else {
            Outcome::Accepted
        }
    };
    let partial_at_3 = |batch: &[u32]| {
        batch
            .iter()
            .position(|&n| n == 3)
            .map_or(Outcome::Accepted, Outcome::Partial)
    };
    let no_bisect = || Settings {
        bisect: false,
        ..settings()
    };
    let retries = |retries| Settings { retries, ..settings() };
    let rows: [(&str, Settings, u32, Function<'_>, &str); 11] = [
        (
            "batches follow each other",
            settings(),
            6,
            &accept,
            "send 1-4 | send 5-6",
        ),
        (
            "an error halves the batch until one record is alone; halves use up no retry",
            settings(),
            4,
            &error_with_3,
            "send 1-4 | send 1-2 | send 3-4 | send 3 | wait 100 | send 3 | wait 200 | send 3 | \
             give up 3 RetryAttemptsExhausted after 5 (error) | send 4",
        ),
        (
            "a half takes its own way, in order",
            retries(Some(0)),
            3,
            &error,
            "send 1-3 | send 1 | give up 1 RetryAttemptsExhausted after 2 (error) | send 2-3 | send 2 | \
             give up 2 RetryAttemptsExhausted after 3 (error) | send 3 | \
             give up 3 RetryAttemptsExhausted after 3 (error)",
        ),
        (
            "without bisect an error retries the batch as it is",
            no_bisect(),
            4,
            &error,
            "send 1-4 | wait 100 | send 1-4 | wait 200 | send 1-4 | \
             give up 1-4 RetryAttemptsExhausted after 3 (error)",
        ),
        (
            "a partial answer splits at the number: what lies before is done, and no retry is used up",
            settings(),
            4,
            &partial_at_3,
            "send 1-4 | send 3-4 | wait 100 | send 3-4 | wait 200 | send 3-4 | \
             give up 3-4 RetryAttemptsExhausted after 4",
        ),
        (
            "without bisect a partial answer uses up a retry",
            no_bisect(),
            4,
            &partial_at_3,
            "send 1-4 | wait 100 | send 3-4 | wait 200 | send 3-4 | \
             give up 3-4 RetryAttemptsExhausted after 3",
        ),
        (
            "no retries means one invocation",
            retries(Some(0)),
            1,
            &error,
            "send 1 | give up 1 RetryAttemptsExhausted after 1 (error)",
        ),
        ("an empty lane is done at once", settings(), 0, &error, ""),
        (
            "partial answers that go on need no retries",
            retries(Some(0)),
            4,
            &|batch| {
                if batch.len() > 1 {
                    Outcome::Partial(1)
                } else {
                    Outcome::Accepted
                }
            },
            "send 1-4 | send 2-4 | send 3-4 | send 4",
        ),
        (
            "an index beyond the batch accepts all of it",
            settings(),
            2,
            &|_| Outcome::Partial(9),
            "send 1-2",
        ),
        (
            "the lane goes on after records were given up",
            Settings {
                bisect: false,
                retries: Some(0),
                ..settings()
            },
            6,
            &error_with_3,
            "send 1-4 | give up 1-4 RetryAttemptsExhausted after 1 (error) | send 5-6",
        ),
    ];
    for (rule, settings, count, function, expected) in rows {
        let told = story(settings, records(1..=count), function);
        assert_eq!(told, expected, "{rule}");
    }
}

#[test]
fn retries_without_end_do_not_end() {
    let mut failures = 0;
    let told = story(
        Settings {
            retries: None,
            ..settings()
        },
        records(1..=1),
        |_| {
            failures += 1;
            if failures <= 400 {
                Outcome::Error
            } else {
                Outcome::Accepted
            }
        },
    );
    assert!(told.ends_with("wait 2000 | send 1"), "{told}");
}

#[test]
fn the_wait_doubles_to_its_limit() {
    let waits: Vec<_> = [1, 2, 3, 4, 5, 6, 7, u32::MAX]
        .map(|failures| backoff(failures, LONGEST_BACKOFF))
        .into();
    assert_eq!(waits, [100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
}

#[test]
fn a_batch_goes_when_it_is_full_or_the_window_has_passed() {
    let mut lane = Lane::new(settings());
    assert!(matches!(lane.next(0), Step::Fill(None)), "nothing to send");
    lane.push(records(1..=3), 500);
    assert!(
        matches!(lane.next(500), Step::Fill(Some(1_500))),
        "three of four wait for the window"
    );
    assert!(matches!(lane.next(1_499), Step::Fill(Some(1_500))));
    lane.push(records(4..=9), 1_000);
    assert!(matches!(lane.next(1_000), Step::Invoke), "four are a batch");
    assert_eq!(numbers(lane.batch()), [1, 2, 3, 4]);
    lane.complete(Outcome::Accepted, 1_000);
    assert!(matches!(lane.next(1_000), Step::Invoke));
    assert_eq!(numbers(lane.batch()), [5, 6, 7, 8]);
    lane.complete(Outcome::Accepted, 1_200);
    assert!(
        matches!(lane.next(1_200), Step::Fill(Some(2_000))),
        "the window of what stayed behind began when it was cut"
    );
    assert!(matches!(lane.next(2_000), Step::Invoke), "the window has passed");
    assert_eq!(numbers(lane.batch()), [9]);
}

#[test]
fn without_a_window_what_is_there_goes_at_once() {
    let mut lane = Lane::new(Settings {
        window: 0,
        ..settings()
    });
    lane.push(records(1..=1), 7);
    assert!(matches!(lane.next(7), Step::Invoke));
}

#[test]
fn at_the_end_a_part_of_a_batch_goes_at_once() {
    let mut lane = Lane::new(Settings {
        window: 300_000,
        ..settings()
    });
    lane.push(records(1..=1), 0);
    assert!(matches!(lane.next(0), Step::Fill(Some(300_000))));
    lane.end();
    assert!(matches!(lane.next(0), Step::Invoke));
    lane.complete(Outcome::Accepted, 0);
    assert!(matches!(lane.next(0), Step::Done));
}

#[test]
fn a_batch_is_cut_at_the_payload_limit_exactly() {
    // Two records whose event has exactly 6 MB, then a third.
    let one = record(1, 3_000_000).json().len();
    let spare = PAYLOAD_LIMIT - size(2, one + record(2, 0).json().len());
    for (second, expected) in [(spare / 4 * 3, vec![1, 2]), (spare / 4 * 3 + 3, vec![1])] {
        let mut lane = Lane::new(settings());
        lane.push(vec![record(1, 3_000_000), record(2, second), record(3, 1)], 0);
        assert!(
            matches!(lane.next(0), Step::Invoke),
            "full before the window has passed"
        );
        assert_eq!(numbers(lane.batch()), expected);
        assert!(crate::local::event::render(lane.batch()).len() <= PAYLOAD_LIMIT);
    }
}

#[test]
fn a_record_that_no_invocation_can_hold_is_given_up_unsent_and_in_its_turn() {
    let told = story(
        settings(),
        vec![record(1, 1), record(2, 5_000_000), record(3, 1)],
        |_| Outcome::Accepted,
    );
    assert_eq!(told, "send 1 | give up 2 PayloadLimitExceeded after 0 | send 3");
}

#[test]
fn records_that_are_too_old_are_given_up_before_and_between_invocations() {
    // The records arrived at 1,000.
    let limit = |age| Settings {
        maximum_age: Some(age),
        retries: None,
        ..settings()
    };
    let mut lane = Lane::new(limit(60_000));
    lane.push(records(1..=2), 61_000);
    lane.end();
    assert!(matches!(lane.next(61_000), Step::Invoke), "exactly as old as allowed");
    lane.complete(Outcome::Partial(0), 61_000);
    let Step::Discard(given_up) = lane.next(61_001) else {
        panic!("one millisecond too old")
    };
    assert_eq!(
        (given_up.condition, given_up.invocations),
        (Condition::RecordAgeExceeded, 1)
    );
    assert_eq!(numbers(&given_up.records), [1, 2]);
    assert!(matches!(lane.next(61_001), Step::Done));
    assert_eq!(
        story(limit(-1), records(1..=2), |_| Outcome::Accepted),
        "give up 1-2 RecordAgeExceeded after 0",
        "never sent"
    );
}

#[test]
fn progress_counts_what_was_accepted() {
    let mut lane = Lane::new(settings());
    lane.push(vec![record(1, 10), record(2, 20), record(3, 30)], 0);
    lane.end();
    assert!(matches!(lane.next(0), Step::Invoke));
    assert_eq!(
        lane.complete(Outcome::Partial(2), 0),
        Progress { accepted: 2, bytes: 30 }
    );
    assert_eq!(lane.invocations(), 1);
    assert!(matches!(lane.next(0), Step::Invoke));
    assert_eq!(lane.complete(Outcome::Error, 0), Progress::default());
}

//! The test of the property test: a handler that breaks one promise breaks a claim.

use crate::campaign::{Borrowed, judge};
use crate::claims::Claim;
use crate::run::Handler;
use crate::schedule::{Fault, OnPoison, Planned, Schedule, Trigger};

/// Schedules that a flaw is given to show itself.
const SCHEDULES: u64 = 10;

/// Runs schedules, each made by `bias` from a random one without faults, until a claim breaks: it has to be this one. The handler that
/// keeps its promises has to keep all claims through the same schedule.
fn noticed(flaw: &'static str, by: Claim, bias: impl Fn(&mut Schedule)) {
    let borrowed = Borrowed::new(1);
    let handler = Handler::flawed(flaw);
    for seed in 1..=SCHEDULES {
        let mut schedule = Schedule::quiet(seed);
        bias(&mut schedule);
        let (_, broken) = judge(&schedule, &borrowed.ground, &handler).expect("the ground holds");
        if let Some(first) = broken.first() {
            let (_, unbroken) = judge(&schedule, &borrowed.ground, &Handler::real()).expect("the ground holds");
            assert_eq!(unbroken, [], "without {flaw}, too: {schedule}");
            assert_eq!(
                first.claim, by,
                "{flaw} broke another claim first: {broken:#?}\n{schedule}"
            );
            return;
        }
    }
    panic!("{flaw} broke no claim in {SCHEDULES} schedules");
}

/// From the first invocation on.
fn at_once(what: Fault) -> Vec<Planned> {
    vec![Planned {
        when: Trigger::Accepted(0),
        what,
    }]
}

/// Nothing is poison.
fn wholesome(schedule: &mut Schedule) {
    schedule.poisons.clear();
    schedule.largest.clear();
    schedule.told_limit = None;
}

/// The broker hangs while records are sent, and for longer than the function has time.
fn hangs(schedule: &mut Schedule) {
    wholesome(schedule);
    schedule.time_out = 2_000;
    schedule.faults = at_once(Fault::BrokerPaused { until: 2 });
}

#[test]
fn success_without_waiting_is_noticed() {
    noticed("no-wait", Claim::NeverLost, |schedule| {
        hangs(schedule);
        // Its process ends with what it has not sent.
        schedule.faults.push(Planned {
            when: Trigger::Accepted(0),
            what: Fault::HandlerKilled {
                at: crate::schedule::Moment::Answered,
            },
        });
    });
}

#[test]
fn the_highest_failed_number_is_noticed() {
    noticed("highest-failed", Claim::NeverLost, hangs);
}

#[test]
fn success_on_the_deadline_is_noticed() {
    noticed("success-on-deadline", Claim::NeverLost, hangs);
}

/// The topic takes less than it did; what it refuses stands among records that it takes.
fn refused(schedule: &mut Schedule) {
    wholesome(schedule);
    schedule.on_poison = OnPoison::Block;
    // One lane, one partition, one key, and requests of few records: whatever is sent on behind a refused one is disorder.
    (schedule.shards, schedule.factor, schedule.partitions, schedule.keys) = (1, 1, 1, 1);
    schedule.batch_size = 200;
    schedule.records = 400;
    schedule.limit = 1_500;
    schedule.faults = vec![Planned {
        when: Trigger::Invocation { lane: 0, number: 2 },
        what: Fault::LimitLowered { to: 500, until: 8 },
    }];
}

#[test]
fn sending_on_behind_a_refused_record_is_noticed() {
    noticed("no-purge", Claim::InOrder, refused);
}

#[test]
fn retries_that_store_twice_are_noticed() {
    noticed("not-idempotent", Claim::DuplicatesExplained, |schedule| {
        wholesome(schedule);
        schedule.time_out = 10_000;
        schedule.faults = at_once(Fault::AcknowledgementsLost { every: 2, until: 50 });
    });
}

#[test]
fn what_is_sent_again_uncounted_is_noticed() {
    noticed("uncounted", Claim::DuplicatesExplained, |schedule| {
        wholesome(schedule);
        schedule.on_poison = OnPoison::Block;
        // One partition refuses a record while the others have stored what they are said not to lead: it waits in librdkafka's queue to be sent again, and is
        // purged there with what was never sent.
        (schedule.shards, schedule.factor, schedule.partitions, schedule.keys) = (1, 1, 3, 40);
        (schedule.records, schedule.batch_size) = (200, 200);
        schedule.limit = 20_000;
        schedule.poisons = vec![100];
        schedule.retries = 12;
        schedule.time_out = 10_000;
        schedule.faults = at_once(Fault::LeaderDenied { until: 50 });
    });
}

#[test]
fn a_batch_that_is_not_halved_is_noticed() {
    noticed("no-bisect", Claim::NamedAlone, |schedule| {
        wholesome(schedule);
        schedule.on_poison = OnPoison::Block;
        schedule.limit = 20_000;
        schedule.poisons = vec![schedule.records / 2];
        schedule.retries = 1;
    });
}

#[test]
fn a_purge_that_comes_late_is_noticed() {
    noticed("late-purge", Claim::InOrder, refused);
}

#[test]
fn a_connection_error_taken_for_success_is_noticed() {
    noticed("connection-error-is-success", Claim::NeverLost, |schedule| {
        wholesome(schedule);
        schedule.time_out = 2_000;
        schedule.faults = at_once(Fault::ConnectionsRefused { until: 2 });
    });
}

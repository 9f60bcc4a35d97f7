//! The tests of the tests: a handler that breaks one promise is noticed by a scenario that the real one passes.

use std::path::Path;

use crate::driver::flawed_bootstrap;
use crate::scenarios::{
    Broken, acknowledgements_lost, broker_killed_in_a_batch, refused_at_first_contact, refused_in_the_middle,
};

fn noticed(flaw: &str, scenario: fn(&Path, Option<&str>) -> Broken, by: &str) {
    let broken = scenario(&flawed_bootstrap(), Some(flaw));
    assert!(
        broken.iter().any(|claim| claim.contains(by)),
        "{flaw} should break the claim {by:?}; broken: {broken:#?}"
    );
}

#[test]
fn success_without_waiting_is_noticed() {
    noticed("no-wait", broker_killed_in_a_batch, "are there");
}

#[test]
fn the_highest_failed_number_is_noticed() {
    noticed("highest-failed", broker_killed_in_a_batch, "are there");
}

#[test]
fn success_on_the_deadline_is_noticed() {
    noticed("success-on-deadline", broker_killed_in_a_batch, "are there");
}

#[test]
fn sending_on_behind_a_refused_record_is_noticed() {
    noticed("no-purge", refused_in_the_middle, "keys out of order");
}

#[test]
fn retries_that_store_twice_are_noticed() {
    noticed("not-idempotent", acknowledgements_lost, "duplicates");
}

#[test]
fn more_than_one_record_at_first_contact_is_noticed() {
    noticed("no-first-contact", refused_at_first_contact, "keys out of order");
}

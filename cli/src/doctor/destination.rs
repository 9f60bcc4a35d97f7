//! D: where what is given up goes.

use super::{Case, Outcome, given};
use crate::facts::{Fact, GivenDestination};
use crate::plan::destination::verdict;
use crate::plan::policy::{Caller, Verdict};

/// Whether the mapping has a failure destination, and one that was given takes what is given up.
pub(super) fn present(case: &Case<'_>) -> Outcome {
    let mapping = given!(case.mapping());
    let Some(destination) = &mapping.destination else {
        return Outcome::warn(
            "the mapping has no failure destination: a batch that is given up is gone without a word",
            case.deploy(&[]),
        );
    };
    match case.facts.destinations.get(destination) {
        // The stack's own.
        None => Outcome::pass(destination),
        Some(Fact::Found { value }) => takes(case, value),
        Some(Fact::Absent) => Outcome::fail(
            format!("{destination} is not there: a batch that is given up is gone without a word"),
            "make it again, or name another with --failure-destination (`failure_destination` in k2m.yaml), then `k2m deploy`",
        ),
        Some(Fact::Unreadable(why)) => Outcome::unreadable(why),
    }
}

/// Whether a given destination keeps what it is sent, as far as it says.
fn takes(case: &Case<'_>, found: &GivenDestination) -> Outcome {
    let arn = &found.arn;
    let caller = Caller {
        account: &case.settings.home.account,
        role: case.resource("Role").map(String::as_str),
    };
    let verdict = found.policy.found().map(|policy| verdict(arn, policy, caller));
    match verdict {
        Some(Verdict::Denies(how)) => Outcome::fail(
            format!(
                "the policy of {arn} denies it to the function's role: {how}; a batch that is given up is gone without a word"
            ),
            "change that policy, or name another with --failure-destination (`failure_destination` in k2m.yaml), then `k2m deploy`",
        ),
        Some(Verdict::Perhaps(how)) => Outcome::warn(
            format!("the policy of {arn} may deny it to the function's role: {how}"),
            "see that it doesn't hold for the role",
        ),
        Some(Verdict::Passes) | None if found.subscriptions.is_some_and(|all| all.confirmed == 0) => Outcome::warn(
            format!(
                "{arn} has no confirmed subscription, and SNS keeps nothing: a batch that is given up is gone without a word"
            ),
            "subscribe a queue, and have subscriptions confirmed that wait for it",
        ),
        Some(Verdict::Passes) | None => Outcome::pass(arn),
    }
}

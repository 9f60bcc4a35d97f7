//! D: where what is given up goes.

use super::{Case, Outcome, given};

/// Whether the mapping has a failure destination.
pub(super) fn present(case: &Case<'_>) -> Outcome {
    let mapping = given!(case.mapping());
    match &mapping.destination {
        Some(destination) => Outcome::pass(destination),
        None => Outcome::warn(
            "the mapping has no failure destination: a batch that is given up is gone without a word",
            case.deploy(&[]),
        ),
    }
}

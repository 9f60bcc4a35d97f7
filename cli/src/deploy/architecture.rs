//! Which processor the functions have: decided here alone, from what was chosen and what handlers there are. Pure.

use crate::settings::Architecture;

/// The handler to deploy, by its processor, of those that there are. What is chosen counts; else arm64 costs less for the same work. Nothing where no
/// handler is for the chosen one, or there is none at all.
pub fn choose(chosen: Option<Architecture>, there: &[Architecture]) -> Option<Architecture> {
    let has = |wanted: &Architecture| there.contains(wanted);
    match chosen {
        Some(wanted) => Some(wanted).filter(has),
        None => [Architecture::Arm64, Architecture::X86_64].into_iter().find(has),
    }
}

#[cfg(test)]
mod tests {
    use super::Architecture::{Arm64, X86_64};
    use super::*;

    #[test]
    fn what_is_chosen_counts_and_else_arm64_where_it_is_there() {
        for (chosen, there, wanted) in [
            (None, &[X86_64, Arm64][..], Some(Arm64)),
            (None, &[Arm64], Some(Arm64)),
            (None, &[X86_64], Some(X86_64)),
            (None, &[], None),
            (Some(X86_64), &[Arm64, X86_64], Some(X86_64)),
            (Some(Arm64), &[X86_64, Arm64], Some(Arm64)),
            (Some(Arm64), &[X86_64], None),
            (Some(X86_64), &[], None),
        ] {
            assert_eq!(choose(chosen, there), wanted, "{chosen:?} of {there:?}");
        }
    }
}

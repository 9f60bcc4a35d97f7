//! What doctor says of the stack that stands, for commands that would else call it fine because its template has not changed.

use crate::doctor::{self, Outcome};
use crate::facts::Facts;
use crate::settings::Settings;

/// A line for each cause that is broken now, and for what was changed outside the stack; none where nothing is deployed.
pub(super) fn warnings(settings: &Settings, facts: &Facts) -> Vec<String> {
    if facts.function.found().is_none() && facts.mapping.found().is_none() {
        return Vec::new();
    }
    let report = doctor::examine(settings, facts);
    let lines = report.checks.iter().filter_map(|check| {
        let of_itself = report.causes.iter().any(|cause| cause.code == check.code);
        let evidence = match &check.outcome {
            Outcome::Fail { evidence, .. } if of_itself => evidence,
            Outcome::Warn { evidence, .. } if check.code == doctor::DRIFT => evidence,
            _ => return None,
        };
        Some(format!(
            "as it is deployed now: {} ({}); `k2m doctor` says how to mend it",
            evidence.first()?,
            check.code
        ))
    });
    lines.collect()
}

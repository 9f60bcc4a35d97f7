//! What doctor says of the stack that stands, for commands that would else call it fine because its template has not changed.

use crate::arn::Arn;
use crate::doctor::{self, Examined, Outcome, PipelineReport};
use crate::facts::Facts;
use crate::settings::Settings;

/// A line for each cause that is broken now, and for what was changed outside the stack; none where nothing is deployed.
pub(super) fn warnings(settings: &Settings, facts: &Facts) -> Vec<String> {
    let deployed = |stream: &Arn| {
        let seen = facts.pipelines.get(stream.as_str());
        seen.is_some_and(|seen| seen.function.found().is_some() || seen.mapping.found().is_some())
    };
    // Doctor would plan a deployment where there is none, which plan and deploy do themselves.
    if !settings
        .pipelines
        .iter()
        .any(|pipeline| deployed(&pipeline.stream.value))
    {
        return Vec::new();
    }
    let several = settings.pipelines.len() > 1;
    let report = doctor::examine(settings, facts);
    let examined = settings.pipelines.iter().zip(&report.pipelines);
    // What is to be created is not broken.
    let examined = examined.filter(|(pipeline, _)| deployed(&pipeline.stream.value));
    examined
        .flat_map(|(_, Examined { stream, report })| {
            let of = if several { format!("{stream}: ") } else { String::new() };
            lines(report).into_iter().map(move |line| format!("{of}{line}"))
        })
        .collect()
}

fn lines(report: &PipelineReport) -> Vec<String> {
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

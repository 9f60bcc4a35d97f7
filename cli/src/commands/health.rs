//! What doctor says of the stack that stands, for commands that would else call it fine because its template has not changed.

use super::{CommandError, rendered};
use crate::arn::Arn;
use crate::deploy::bundle::Bundle;
use crate::deploy::machine::other_code;
use crate::deploy::options::Options;
use crate::doctor::by_hand::{self, ByHand};
use crate::doctor::{self, Examined, Outcome, PipelineReport};
use crate::facts::Facts;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::template::Template;

/// What was changed by hand since the stack was deployed, and what the plan's deployment does with it; `handler` is absent where it is not known yet.
pub(super) fn by_hand(
    settings: &Settings,
    facts: &Facts,
    plan: &Plan,
    handler: Option<&Bundle>,
) -> Result<Vec<ByHand>, CommandError> {
    let Some(stack) = facts.stack.found() else {
        return Ok(Vec::new());
    };
    let options = Options::of(settings);
    let bucket = options.bucket(&plan.region);
    let before = plan.before_topics().map(|before| rendered(&before)).transpose()?;
    let then = rendered(plan)?;
    let templates: Vec<&str> = before.iter().chain([&then]).map(Template::text).collect();
    Ok(by_hand::by_hand(
        settings,
        facts,
        &by_hand::Change {
            templates: &templates,
            code: handler.map(|handler| other_code(&stack.parameters, &plan.stack, handler, bucket)),
            tags: stack.tags != options.tags,
        },
    ))
}

/// A line for each cause that is broken now, and one where nobody could look what was changed by hand; none where nothing is deployed.
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
            Outcome::Unknown { why, .. } if check.code == doctor::DRIFT => {
                return Some(format!("whether anything was changed by hand is not known: {why}"));
            }
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

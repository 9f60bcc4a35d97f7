//! How a pipeline takes over from the mapping that was there, at the right position and without a loss. Pure.

use serde::Serialize;

use super::carry::{Part, kept};
use super::document::shown;
use super::{Carried, Project};
use crate::arn::{Arn, Kind};
use crate::shell::Command;

/// A step, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What to do.
    pub what: String,
    /// Commands that do it, or show what is needed for it.
    pub commands: Vec<String>,
}

/// The steps.
pub(super) fn steps(project: &Project, parts: &[Part<'_>], settings: &[Carried]) -> Vec<Step> {
    let streams: Vec<(&str, Option<&str>)> = parts
        .iter()
        .filter_map(|part| part.reads.as_ref())
        .map(|reads| (reads.text.as_str(), reads.consumer.as_deref()))
        .collect();
    let region = streams
        .first()
        .and_then(|(stream, _)| Some(Arn::parse(Kind::Stream, stream).ok()?.region));
    let region = region.unwrap_or_default();
    let list = streams.iter().map(|(stream, consumer)| {
        Command::new("aws lambda list-event-source-mappings")
            .option("--event-source-arn", consumer.unwrap_or(stream))
            .option("--region", &region)
            .option("--query", "EventSourceMappings[].[UUID,State,FunctionArn]")
            .option("--output", "text")
            .to_string()
    });
    let lambda = |action: &str, more: &str| {
        let command = Command::new("aws lambda").flag(action).flag("--uuid UUID").flag(more);
        command.option("--region", &region).to_string()
    };
    let mut stop: Vec<String> = list.collect();
    stop.push(lambda("update-event-source-mapping", "--no-enabled"));
    stop.push(lambda("get-event-source-mapping", "--query State"));
    let age = Command::new("aws cloudwatch get-metric-statistics")
        .option("--namespace", "AWS/Lambda")
        .option("--metric-name", "IteratorAge")
        .flag("--dimensions Name=FunctionName,Value=FUNCTION --statistics Maximum --period 60")
        .flag("--start-time $(date -u -d '15 minutes ago' +%FT%TZ) --end-time $(date -u +%FT%TZ)")
        .option("--region", &region)
        .to_string();
    let by_time = settings
        .iter()
        .any(|carried| carried.setting == "starting_position" && carried.value == "AT_TIMESTAMP");
    let mut steps = vec![
        step(
            "Look at what will be, which changes nothing. What is not carried over is said above: settle it first.",
            vec!["k2m plan".to_owned()],
        ),
        step(
            "Stop the old mapping, and wait until its State is Disabled. Records wait in the stream meanwhile: go on well within its retention (a day, unless it was raised). \
             Then nothing reads twice at the same time, and no position is passed over.",
            stop,
        ),
        step(
            "Choose the TIME to begin at: the moment that it was stopped, less the largest IteratorAge (milliseconds) of the last minutes, less five minutes. Earlier costs \
             duplicates; later loses records.",
            vec![age],
        ),
    ];
    let how = if by_time {
        "Deploy. The settings begin at a time already: make sure that it is TIME or earlier."
    } else {
        "Put `starting_position: AT_TIMESTAMP` and `starting_timestamp: TIME` into the file of settings in place of its starting position (or import again with the flags \
         --starting-position AT_TIMESTAMP --starting-timestamp TIME --yes), and deploy. Leave them there: another position later would be another mapping."
    };
    steps.push(step(how, vec!["k2m deploy".to_owned()]));
    let kept = kept(project, parts);
    let keep = if kept.is_empty() {
        String::new()
    } else {
        format!(
            " The pipelines go on using {} of the old stack: take the function and its mapping out of the template, and do not delete the stack.",
            shown(&kept.join(", "))
        )
    };
    steps.push(step(
        &format!("When doctor finds it healthy and records arrive, remove the old function with its mapping.{keep}"),
        vec!["k2m doctor".to_owned()],
    ));
    steps.push(step(
        "What to expect: what arrived between TIME and the stop is in the topic twice, so that each partition key goes back once and comes forward again; consumers have to take \
         that. Headers (k2m-sequence) tell the new ones. To go back, disable k2m's mapping and enable the old one: it goes on where it was stopped.",
        Vec::new(),
    ));
    steps
}

fn step(what: &str, commands: Vec<String>) -> Step {
    Step {
        what: what.to_owned(),
        commands,
    }
}

//! How a pipeline takes over from the mapping that was there, at the right position and without a loss: by the rule of [`crate::deploy::resume`], for people. Pure.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde::Serialize;

use super::document::Node;
use super::part::{Part, Reads};
use super::{Carried, Project};
use crate::arn::{Arn, Kind};
use crate::deploy::resume::{CALM_MINUTES, KEEPS_UP_MS, MARGIN_MINUTES, meanwhile};
use crate::shell::Command;
use crate::shown::shown;

/// A step, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What to do.
    pub what: String,
    /// Commands that do it, or show what is needed for it.
    pub commands: Vec<String>,
}

/// The steps. `all` has the settings of the stack and of its pipelines.
pub(super) fn steps(project: &Project, parts: &[Part<'_>], all: &[&Carried]) -> Vec<Step> {
    let several = parts.len() > 1;
    let by_time = all
        .iter()
        .any(|carried| carried.setting == "starting_position" && carried.value == "AT_TIMESTAMP");
    let (mapping, mappings) = if several {
        ("the old mappings", "each State")
    } else {
        ("the old mapping", "its State")
    };
    let where_to_begin = if several {
        " Where several differ, the earliest holds for all."
    } else {
        ""
    };
    let how = if by_time {
        "Deploy. The settings begin at a time already: make it TIME. An earlier one costs duplicates, a later one loses records.".to_owned()
    } else {
        "Put `starting_position: AT_TIMESTAMP` and `starting_timestamp: TIME` into the file of settings in place of its starting position (or import again with the flags \
         --starting-position AT_TIMESTAMP --starting-timestamp TIME --yes), and deploy. Leave them there: another position later would be another mapping."
            .to_owned()
    };
    let kept = kept(project, parts);
    let keep = if kept.is_empty() {
        String::new()
    } else {
        format!(
            " The pipelines go on using {} of the old stack: take the function and its mapping out of the template, and do not delete the stack.",
            shown(&kept.join(", "))
        )
    };
    let commands = Commands::new(project, parts);
    vec![
        step(
            "Look at what will be, which changes nothing. What is not carried over is said above: settle it first.",
            vec!["k2m plan".to_owned()],
        ),
        step(
            &format!(
                "Note the time and stop {mapping}; wait until {mappings} is Disabled. Records wait in the stream meanwhile: go on well within its retention (a day, unless \
                 it was raised). Then nothing reads twice at the same time, and no position is passed over."
            ),
            commands.stop(),
        ),
        step(
            &format!(
                "Choose the TIME to begin at, such as 2026-01-31T12:00:00Z. Where the old function kept up in the last {CALM_MINUTES} minutes (no IteratorAge above {KEEPS_UP_MS} \
                 milliseconds, no Errors, no Throttles): {MARGIN_MINUTES} minutes, and the function's time-out, before it was stopped. Where it did not: as much before it last did, or \
                 TRIM_HORIZON with `maximum_record_age: -1` until it has caught up, which is all that the stream still has. Earlier costs duplicates; later loses records.{where_to_begin}"
            ),
            commands.look(),
        ),
        step(
            &format!("{how}{}", settings_of_before(all)),
            vec!["k2m deploy".to_owned()],
        ),
        step(
            &format!(
                "When doctor finds it healthy and records arrive, remove the old function with its mapping.{keep}"
            ),
            vec!["k2m doctor".to_owned()],
        ),
        step(
            "What to expect: what arrived between TIME and the stop is in the topic twice, so that each partition key goes back once and comes forward again; consumers have to take \
             that. Headers (k2m-sequence) tell the new ones. To go back, disable k2m's mapping and enable the old one: it goes on where it was stopped.",
            Vec::new(),
        ),
    ]
}

/// What of the old mapping's settings would be in the way of it.
fn settings_of_before(all: &[&Carried]) -> String {
    let mut text = String::new();
    let mut ages = all.iter().filter(|carried| carried.setting == "maximum_record_age");
    if let Some(words) = ages.find_map(|age| meanwhile(age.value.parse().ok()?)) {
        text.extend([" ", &words]);
    }
    if all
        .iter()
        .any(|carried| carried.setting == "enabled" && carried.value == "false")
    {
        text += " `enabled: false` is what the template says, and nothing is read before it is true.";
    }
    text
}

/// Commands of AWS's own command line.
struct Commands<'p> {
    profile: Option<&'p str>,
    region: String,
    /// What the old mappings read.
    sources: Vec<&'p str>,
}

impl<'p> Commands<'p> {
    fn new(project: &'p Project, parts: &'p [Part<'p>]) -> Self {
        let reads: Vec<&Reads> = parts.iter().filter_map(|part| part.reads.as_ref()).collect();
        let region = reads
            .first()
            .and_then(|reads| Some(Arn::parse(Kind::Stream, &reads.text).ok()?.region));
        Self {
            profile: project.given.flags.get("profile").map(String::as_str),
            region: region.unwrap_or_default(),
            sources: reads
                .iter()
                .map(|reads| reads.consumer.as_deref().unwrap_or(&reads.text))
                .collect(),
        }
    }

    fn whole(&self, command: Command) -> String {
        let command = command.option("--region", &self.region);
        match self.profile {
            Some(profile) => command.option("--profile", profile).to_string(),
            None => command.to_string(),
        }
    }

    /// Finds the old mappings, stops one, and looks whether it is.
    fn stop(&self) -> Vec<String> {
        let list = self.sources.iter().map(|source| {
            let command = Command::new("aws lambda list-event-source-mappings").option("--event-source-arn", source);
            let command = command.option("--query", "EventSourceMappings[].[UUID,State,FunctionArn]");
            self.whole(command.option("--output", "text"))
        });
        let mut all: Vec<String> = list.collect();
        let lambda = |action: &str, more: &str| {
            let command = Command::new("aws lambda").flag(action).flag("--uuid UUID").flag(more);
            self.whole(command)
        };
        all.push(lambda("update-event-source-mapping", "--no-enabled"));
        all.push(lambda("get-event-source-mapping", "--query State"));
        all
    }

    /// Shows how far behind the old function was.
    fn look(&self) -> Vec<String> {
        let metrics = [("IteratorAge", "Maximum"), ("Errors", "Sum"), ("Throttles", "Sum")];
        let each = metrics.map(|(metric, statistic)| {
            let command = Command::new("aws cloudwatch get-metric-statistics --namespace AWS/Lambda")
                .flag(&format!(
                    "--metric-name {metric} --dimensions Name=FunctionName,Value=FUNCTION"
                ))
                .flag(&format!("--statistics {statistic} --period 300"))
                .flag("--start-time $(date -u -d '1 hour ago' +%FT%TZ) --end-time $(date -u +%FT%TZ)")
                .option(
                    "--query",
                    &format!("sort_by(Datapoints,&Timestamp)[].[Timestamp,{statistic}]"),
                );
            self.whole(command.option("--output", "text"))
        });
        each.into()
    }
}

fn step(what: &str, commands: Vec<String>) -> Step {
    Step {
        what: what.to_owned(),
        commands,
    }
}

/// Resources of the template that the pipelines go on using, by logical id.
fn kept(project: &Project, parts: &[Part<'_>]) -> Vec<String> {
    let scope = &project.scope;
    let mut all = BTreeSet::new();
    for part in parts {
        let mut nodes: Vec<Rc<Node>> = vec![Rc::clone(&part.mapping.source)];
        let destination = part.mapping.properties.get("DestinationConfig");
        let destination =
            destination.and_then(|config| scope.within(config, &["OnFailure", "Destination"]).ok().flatten());
        // What is not known is not used.
        nodes.extend(
            part.mapping
                .properties
                .get("DestinationConfig")
                .filter(|_| destination.is_some() && !part.flag("failure_destination"))
                .cloned(),
        );
        let function = part.mapping.function.as_ref();
        nodes.extend(function.and_then(|function| function.properties.get("VpcConfig")?.get("SubnetIds").cloned()));
        for node in nodes {
            all.extend(scope.names(&node));
        }
    }
    all.into_iter().collect()
}

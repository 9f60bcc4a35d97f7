//! Positions in streams: which pipelines have one, what a deployment makes of them, and where those that go can be gone on with.

use std::collections::{BTreeMap, BTreeSet};

use super::super::CommandError;
use super::super::attended::Attended;
use crate::args::DeployArgs;
use crate::aws::Aws;
use crate::deploy::port::User as _;
use crate::deploy::position::{self, Anew, Deployed, Positions, is_live};
use crate::deploy::resume::{self, Resume};
use crate::facts::{Fact, Facts, Mapping, Stack, StackPipeline};
use crate::plan::{Plan, plan, plan_anew, stands, streams_of};
use crate::settings::Settings;

/// Columns where nobody knows them, as in a log.
const ELSEWHERE: usize = 120;

/// A plan, and what becomes of positions by it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// Logical ids of mappings that no change set may take away, with the ARNs of their streams.
    pub(super) kept: BTreeMap<String, String>,
    /// ARNs of streams whose old mapping has to go before the new one can come.
    pub(super) apart: BTreeSet<String>,
    /// ARNs of streams whose positions go, or whose mappings were gone before and are made anew or let go.
    going: BTreeSet<String>,
}

/// The plan, unless it loses a position that nobody said may go.
pub(super) async fn planned(
    aws: &Aws,
    settings: &Settings,
    facts: &Facts,
    args: &DeployArgs,
) -> Result<Planned, CommandError> {
    let first = plan(settings, facts)?;
    let deployed = looked_at(aws, facts, &first.region).await;
    let gone = deployed.iter().filter(|one| !one.live);
    let gone: BTreeSet<String> = gone.map(|one| one.stream.clone()).collect();
    let positions = Positions::new(&first.stack, deployed, &args.allow_position_loss, &args.remove)?;
    positions.check(&first)?;
    let anew = positions.anew(&first);
    let asked = first.losses.iter().map(|loss| &loss.stream);
    let asked = asked.chain(first.removed.iter().map(|removed| &removed.stream));
    let over: Vec<String> = asked.filter(|stream| gone.contains(*stream)).cloned().collect();
    let unknown = positions.gone(&first.stack, &args.remove);
    let mut planned = Planned {
        kept: positions.kept(),
        apart: positions.one_after_the_other(&first),
        going: positions.going(&first).into_iter().chain(over).collect(),
        plan: if anew.is_empty() {
            first
        } else {
            plan_anew(settings, facts, &anew)?
        },
    };
    planned.plan.warnings.extend(unknown);
    Ok(planned)
}

/// The pipelines of the stack that stands, each with what is known of its mapping.
fn seen(facts: &Facts) -> Vec<(Deployed, Option<&Fact<Mapping>>)> {
    let stack = facts.stack.found().filter(|stack| stands(stack));
    let streams = stack.map(streams_of).unwrap_or_default().into_iter();
    let seen = streams.map(|(id, stream)| {
        let mapping = facts.pipelines.get(stream).map(|seen| &seen.mapping);
        let deployed = Deployed {
            id: id.to_owned(),
            stream: stream.to_owned(),
            live: mapping.is_none_or(is_live),
        };
        (deployed, mapping)
    });
    seen.collect()
}

/// Refuses a plan that would lose a position, as far as facts tell.
pub(in crate::commands) fn check(plan: &Plan, facts: &Facts) -> Result<(), CommandError> {
    let deployed = seen(facts).into_iter().map(|(deployed, _)| deployed).collect();
    Ok(Positions::new(&plan.stack, deployed, &[], &[])?.check(plan)?)
}

/// The pipelines of the stack that stands. Mappings of streams that the settings don't name are not among the facts.
async fn looked_at(aws: &Aws, facts: &Facts, region: &str) -> Vec<Deployed> {
    let resources = facts.stack.found().map(|stack| &stack.resources);
    let uuid = |id: &str| {
        resources
            .and_then(|resources| resources.get(&format!("{id}Mapping")))
            .cloned()
    };
    let (mut deployed, mut asked) = (Vec::new(), Vec::new());
    for (mut one, mapping) in seen(facts) {
        if mapping.is_none() {
            match uuid(&one.id) {
                Some(uuid) => asked.push((deployed.len(), uuid)),
                None => one.live = false,
            }
        }
        deployed.push(one);
    }
    let uuids: Vec<String> = asked.iter().map(|(_, uuid)| uuid.clone()).collect();
    let answers = if uuids.is_empty() {
        Vec::new()
    } else {
        aws.mappings(region, &uuids).await
    };
    for ((place, _), mapping) in asked.iter().zip(&answers) {
        if let Some(one) = deployed.get_mut(*place) {
            one.live = is_live(mapping);
        }
    }
    deployed
}

impl Planned {
    /// What the confirmation is asked for because of positions.
    pub(super) fn conditions(&self) -> Vec<String> {
        self.anew().iter().map(Anew::to_string).collect()
    }

    /// What is said where the old mappings are gone and the new ones have not come.
    pub(super) fn between(&self, resumes: &[Resume]) -> String {
        position::between(&self.anew(), resumes)
    }

    fn anew(&self) -> Vec<Anew> {
        let latest = |stream: &String| {
            let mut pipelines = self.plan.pipelines.iter();
            pipelines.any(|one| one.stream == *stream && one.mapping.starting_position == "LATEST")
        };
        let anew = self.apart.iter().map(|stream| Anew {
            stream: stream.clone(),
            at_latest: latest(stream),
        });
        anew.collect()
    }

    /// Where those can be gone on with whose positions go.
    pub(super) async fn resumes(&self, aws: &Aws, facts: &Facts) -> Vec<Resume> {
        match facts.stack.found() {
            Some(stack) if !self.going.is_empty() => {
                resumes(aws, &self.plan.region, stack, |stream| self.going.contains(stream)).await
            }
            _ => Vec::new(),
        }
    }
}

/// Where pipelines of a stack, those of some streams, can be gone on with when they are gone.
pub(in crate::commands) async fn resumes(
    aws: &Aws,
    region: &str,
    stack: &Stack,
    of: impl Fn(&str) -> bool,
) -> Vec<Resume> {
    let mut pipelines = StackPipeline::of(stack);
    pipelines.retain(|pipeline| of(pipeline.stream.as_str()));
    if pipelines.is_empty() {
        return Vec::new();
    }
    let now = jiff::Timestamp::now();
    let readings = aws.readings(region, &pipelines, now, resume::MINUTES).await;
    readings.iter().map(|reading| resume::resume(reading, now)).collect()
}

/// Says it to the person who is asked then.
pub(super) fn tell(attended: &Attended<'_>, resumes: &[Resume]) {
    let columns = attended
        .columns()
        .map_or(ELSEWHERE, |columns| columns.saturating_sub(1));
    for line in resume::lines(resumes, columns) {
        attended.tell_line(&line);
    }
}

//! What doctor says of the stack that stands, for commands that would else call it fine because its template has not changed.

use super::deploy::next;
use super::{CommandError, rendered};
use crate::deploy::bundle::Bundle;
use crate::deploy::machine::other_code;
use crate::deploy::options::Options;
use crate::doctor::by_hand::{self, ByHand};
use crate::doctor::{self, Checked, Examined, Outcome, PipelineReport};
use crate::facts::{Facts, PipelineFacts};
use crate::plan::{Pipeline, Plan};
use crate::settings::Settings;
use crate::template::Template;

/// Checks that say of a pipeline's topics that they are there.
const TOPICS: [&str; 2] = ["K2M-T01", "K2M-T03"];
/// What all checks of topics begin with.
const OF_TOPICS: &str = "K2M-T";
/// Variables that say where records go.
const WRITES_TO: [&str; 3] = ["K2M_TOPIC", "K2M_TOPIC_MAP", "K2M_DEAD_LETTER_TOPIC"];

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

/// A line for each cause that is broken now, and one where nobody could look what was changed by hand; none where nothing is deployed. What the plan's
/// deployment mends of topics is no cause.
pub(super) fn warnings(settings: &Settings, facts: &Facts, plan: &Plan) -> Vec<String> {
    examined(settings, facts)
        .iter()
        .flat_map(|one| one.lines(settings, facts, plan))
        .collect()
}

/// What a pipeline that is to read lacks, and goes on lacking: it is gone, and the plan's deployment does not make it again. A line each.
pub(super) fn lacking(settings: &Settings, facts: &Facts, plan: &Plan, drift: &[ByHand]) -> Vec<String> {
    let reads = |stream: &str| {
        let mut pipelines = plan.pipelines.iter();
        pipelines.any(|pipeline| pipeline.stream_name == stream && pipeline.mapping.enabled)
    };
    let gone = drift.iter().filter(|one| one.stays_gone() && reads(&one.stream));
    let gone = gone.map(|one| format!("the {}", one.resource()));
    let pipelines = examined(settings, facts);
    let topics = pipelines.iter().flat_map(|one| one.lacking_topics(facts, plan));
    let topics = topics.map(|name| format!("the topic {name}"));
    let mut all: Vec<String> = Vec::new();
    for what in gone.chain(topics) {
        let line = format!(
            "{what} is gone, and no deployment of the same template makes it again: `{}` says how to have it again",
            next::doctor(settings)
        );
        if !all.contains(&line) {
            all.push(line);
        }
    }
    all
}

/// A pipeline of which something is deployed.
struct Deployed<'a> {
    stream: &'a str,
    several: bool,
    seen: &'a PipelineFacts,
    report: PipelineReport,
}

fn examined<'a>(settings: &'a Settings, facts: &'a Facts) -> Vec<Deployed<'a>> {
    // Doctor would plan a deployment where there is none, which plan and deploy do themselves.
    let Some(stack) = facts.stack.found() else {
        return Vec::new();
    };
    let all = settings.pipelines.iter().map(|pipeline| {
        let seen = facts.pipelines.get(pipeline.stream.value.as_str())?;
        let listed = stack
            .outputs
            .values()
            .any(|value| *value == pipeline.stream.value.as_str());
        // What is to be created is not broken, and what is gone is.
        let deployed = seen.function.found().is_some() || seen.mapping.found().is_some() || listed;
        deployed.then_some((pipeline.stream.value.as_str(), seen))
    });
    let all: Vec<Option<(&str, &PipelineFacts)>> = all.collect();
    if all.iter().all(Option::is_none) {
        return Vec::new();
    }
    let several = settings.pipelines.len() > 1;
    let report = doctor::examine(settings, facts);
    let examined = all.into_iter().zip(report.pipelines);
    let examined = examined.filter_map(|(deployed, Examined { report, .. })| {
        let (stream, seen) = deployed?;
        Some(Deployed {
            stream,
            several,
            seen,
            report,
        })
    });
    examined.collect()
}

impl Deployed<'_> {
    fn planned<'p>(&self, plan: &'p Plan) -> Option<&'p Pipeline> {
        plan.pipelines.iter().find(|pipeline| pipeline.stream == self.stream)
    }

    fn lines(&self, settings: &Settings, facts: &Facts, plan: &Plan) -> Vec<String> {
        let planned = self.planned(plan);
        let name = planned.map_or(self.stream, |pipeline| pipeline.stream_name.as_str());
        let of = if self.several {
            format!("{name}: ")
        } else {
            String::new()
        };
        let lines = self.report.checks.iter().filter_map(|check| {
            let evidence = match &check.outcome {
                Outcome::Fail { evidence, .. } if self.is_cause(check) => evidence,
                Outcome::Unknown { why, .. } if check.code == doctor::DRIFT => {
                    return Some(format!("{of}whether anything was changed by hand is not known: {why}"));
                }
                _ => return None,
            };
            if planned.is_some_and(|pipeline| self.mends(check.code, facts, pipeline)) {
                return None;
            }
            // What the stack had and is gone no deployment makes again, and doctor does.
            let how = if check.all_done {
                format!("`{} --fix` mends it", next::doctor(settings))
            } else {
                "`k2m doctor` says how to mend it".to_owned()
            };
            Some(format!(
                "{of}as it is deployed now: {} ({}); {how}",
                evidence.first()?,
                check.code
            ))
        });
        lines.collect()
    }

    fn is_cause(&self, check: &Checked) -> bool {
        self.report.causes.iter().any(|cause| cause.code == check.code)
    }

    /// Whether it is otherwise once the plan is deployed: the function then writes to other topics, or those that are missing are made.
    fn mends(&self, code: &str, facts: &Facts, planned: &Pipeline) -> bool {
        if !code.starts_with(OF_TOPICS) {
            return false;
        }
        let told = self.seen.function.found().map(|function| &function.variables);
        let elsewhere = told.is_some_and(|told| {
            let mut names = WRITES_TO.iter();
            names.any(|name| told.get(*name) != planned.function.variables.get(*name))
        });
        let mut missing = missing(facts, planned).peekable();
        let made = TOPICS.contains(&code) && missing.peek().is_some() && missing.all(|(_, made)| made);
        elsewhere || made
    }

    /// Topics of a pipeline that is to read which are gone and which nothing makes.
    fn lacking_topics<'p>(&self, facts: &Facts, plan: &'p Plan) -> Vec<&'p str> {
        let Some(planned) = self.planned(plan).filter(|planned| planned.mapping.enabled) else {
            return Vec::new();
        };
        let mut checks = self.report.checks.iter();
        if !checks.any(|check| TOPICS.contains(&check.code) && matches!(check.outcome, Outcome::Fail { .. })) {
            return Vec::new();
        }
        let missing = missing(facts, planned).filter(|(_, made)| !made);
        missing.map(|(name, _)| name).collect()
    }
}

/// Topics of a planned pipeline that are not in the cluster, and whether its deployment makes them.
fn missing<'p>(facts: &Facts, planned: &'p Pipeline) -> impl Iterator<Item = (&'p str, bool)> {
    let missing = planned.topics().filter(|(name, _)| {
        let seen = facts.topics.get(*name);
        seen.is_some_and(crate::facts::Fact::is_absent)
    });
    missing.map(|(name, topic)| (name, topic.is_some_and(|topic| !topic.exists)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::{facts, settings, without_topic};
    use crate::facts::Fact;
    use crate::plan::sample::sample;
    use crate::plan::{Maker, NewTopic};

    struct Row {
        what: &'static str,
        facts: fn(&mut Facts),
        plan: fn(&mut Plan),
        /// Codes of what is warned of before.
        warned: &'static [&'static str],
        /// What is lacking afterwards.
        lacking: &'static [&'static str],
    }

    fn topic(plan: &mut Plan, exists: bool) {
        plan.pipelines[0].new_topic = Some(NewTopic {
            by: Maker::CloudFormation,
            partitions: 1,
            replication_factor: Some(3),
            configs: None,
            unconfirmed: false,
            exists,
        });
    }

    fn elsewhere(facts: &mut Facts) {
        let Fact::Found { value } = &mut facts.one().function else {
            panic!("a function")
        };
        value
            .variables
            .insert("K2M_TOPIC".to_owned(), "orders-before".to_owned());
        without_topic(facts);
    }

    fn no_mapping(facts: &mut Facts) {
        facts.one().mapping = Fact::Absent;
    }

    fn nothing_left(facts: &mut Facts) {
        no_mapping(facts);
        facts.one().function = Fact::Absent;
        let stream = sample().pipelines[0].stream.clone();
        let Fact::Found { value } = &mut facts.stack else {
            panic!("a stack")
        };
        value.outputs.insert("OrdersStream".to_owned(), stream);
    }

    const ROWS: [Row; 10] = [
        Row {
            what: "all is there",
            facts: |_| {},
            plan: |plan| topic(plan, true),
            warned: &[],
            lacking: &[],
        },
        Row {
            what: "the stack's topic is gone",
            facts: without_topic,
            plan: |plan| topic(plan, true),
            warned: &["K2M-T01"],
            lacking: &["the topic orders"],
        },
        Row {
            what: "a topic that the stack did not make is gone",
            facts: without_topic,
            plan: |_| {},
            warned: &["K2M-T01"],
            lacking: &["the topic orders"],
        },
        Row {
            what: "the deployment makes it",
            facts: without_topic,
            plan: |plan| topic(plan, false),
            warned: &[],
            lacking: &[],
        },
        Row {
            what: "another topic, which the deployment makes",
            facts: elsewhere,
            plan: |plan| topic(plan, false),
            warned: &[],
            lacking: &[],
        },
        Row {
            what: "another topic, which nothing makes: what is deployed does not write to it yet",
            facts: elsewhere,
            plan: |plan| topic(plan, true),
            warned: &[],
            lacking: &["the topic orders"],
        },
        Row {
            what: "a pipeline that is not to read",
            facts: |facts| {
                without_topic(facts);
                no_mapping(facts);
            },
            plan: |plan| plan.pipelines[0].mapping.enabled = false,
            warned: &["K2M-T01", "K2M-E02"],
            lacking: &[],
        },
        Row {
            what: "the mapping is gone",
            facts: no_mapping,
            plan: |_| {},
            warned: &["K2M-E02"],
            lacking: &["the event source mapping for orders"],
        },
        Row {
            what: "the function too",
            facts: nothing_left,
            plan: |_| {},
            warned: &["K2M-L02", "K2M-E02"],
            lacking: &["the function for orders", "the event source mapping for orders"],
        },
        Row {
            what: "nothing is deployed",
            facts: |facts| {
                nothing_left(facts);
                without_topic(facts);
                facts.stack = Fact::Absent;
            },
            plan: |plan| topic(plan, false),
            warned: &[],
            lacking: &[],
        },
    ];

    #[test]
    fn what_is_broken_is_what_the_deployment_leaves_so() {
        for row in ROWS {
            let Row { what, warned, .. } = row;
            let (settings, mut facts, mut plan) = (settings(), facts(), sample());
            // What the function was asked is not known before a deployment.
            facts.one().probe = None;
            (row.facts)(&mut facts);
            (row.plan)(&mut plan);
            let template = facts.stack.found().and_then(|stack| stack.template.clone());
            let change = by_hand::Change {
                templates: &template.as_deref().into_iter().collect::<Vec<_>>(),
                code: Some(false),
                tags: false,
            };
            let drift = by_hand::by_hand(&settings, &facts, &change);
            let warnings = warnings(&settings, &facts, &plan);
            for code in warned {
                assert!(
                    warnings.iter().any(|line| line.contains(code)),
                    "{what}: {code}: {warnings:#?}"
                );
            }
            assert_eq!(warnings.len(), warned.len(), "{what}: {warnings:#?}");
            let lacking = lacking(&settings, &facts, &plan, &drift);
            let begins: Vec<&str> = lacking
                .iter()
                .filter_map(|line| Some(line.split_once(" is gone,")?.0))
                .collect();
            assert_eq!(begins, row.lacking, "{what}: {lacking:#?}");
        }
    }
}

//! Plans of several pipelines, from the facts of examples/many-pipelines: what is shared is decided once, what is of one says of which, and what one
//! leaves behind when it goes is told.

use std::fmt::Write as _;

use super::*;
use crate::facts::{Concurrency, PipelineFacts};
use crate::plan::change::Change;
use crate::plan::limits;
use crate::settings::{File, Sources, resolve};
use crate::template::Template;

pub(super) const CLICKS: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks";
pub(super) const LEGACY: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders-legacy";

/// The settings and the facts of the example.
pub(crate) fn example() -> (Settings, Facts) {
    let text = include_bytes!("../../../../examples/many-pipelines/k2m.yaml");
    let file = File::parse("k2m.yaml", text).unwrap();
    let (settings, _) = resolve(Sources {
        flags: &crate::args::SettingsArgs::default(),
        environment: &BTreeMap::new(),
        file: Some(&file),
    })
    .unwrap();
    let facts = include_str!("../../../../examples/many-pipelines/facts.json");
    (settings, serde_json::from_str(facts).unwrap())
}

/// The settings of the pipeline of this stream.
pub(super) fn of<'a>(settings: &'a mut Settings, stream: &str) -> &'a mut PipelineSettings {
    let mut pipelines = settings.pipelines.iter_mut();
    pipelines.find(|one| one.stream.value.as_str() == stream).unwrap()
}

fn seen<'a>(facts: &'a mut Facts, stream: &str) -> &'a mut PipelineFacts {
    facts.pipelines.get_mut(stream).unwrap()
}

fn shards(facts: &mut Facts, stream: &str, shards: u32) {
    found(&mut seen(facts, stream).stream).open_shards = shards;
}

/// The facts once the plan is deployed: the stack with its real template, functions that were told what the plan says, and every topic.
pub(super) fn deployed(plan: &Plan, before: &Facts) -> Facts {
    let mut facts = before.clone();
    let template = Template::new(plan).unwrap();
    let document: serde_yaml::Value = serde_yaml::from_str(template.text()).unwrap();
    let outputs = document["Outputs"].as_mapping().unwrap().iter();
    let outputs = outputs.filter_map(|(key, output)| {
        let value = output["Value"].as_str()?;
        Some((key.as_str().unwrap().to_owned(), value.to_owned()))
    });
    facts.stack = Fact::Found {
        value: Stack {
            tags: std::collections::BTreeMap::new(),
            protected: false,
            name: plan.stack.clone(),
            status: "CREATE_COMPLETE".to_owned(),
            made_by_k2m: true,
            resources: template
                .resources()
                .map(|id| (id.to_owned(), id.to_lowercase()))
                .collect(),
            outputs: outputs.collect(),
            parameters: BTreeMap::new(),
            template: Some(template.text().to_owned()),
            template_unreadable: None,
        },
    };
    for pipeline in &plan.pipelines {
        let subnets: Vec<&str> = plan
            .network
            .as_ref()
            .unwrap()
            .subnets
            .iter()
            .map(String::as_str)
            .collect();
        let mut function = function(&subnets);
        found(&mut function).variables.clone_from(&pipeline.function.variables);
        if let Some(seen) = facts.pipelines.get_mut(&pipeline.stream) {
            seen.function = function;
        }
        for (name, topic) in pipeline.topics() {
            // Of the others nobody can tell.
            let Some(topic) = topic.filter(|topic| topic.by == Maker::CloudFormation) else {
                continue;
            };
            let limit = topic.configs.as_ref().map_or("1048588", |_| "11534336");
            *facts.topic_named(name) = Fact::Found {
                value: Topic {
                    name: name.to_owned(),
                    partitions: topic.partitions,
                    replication_factor: topic.replication_factor.unwrap(),
                    settings: BTreeMap::from([("max.message.bytes".to_owned(), limit.to_owned())]),
                },
            };
        }
    }
    facts
}

type Row = (&'static str, fn(&mut Settings, &mut Facts));

const ROWS: &[Row] = &[
    ("as it is", |_, _| {}),
    ("a shared topic that is missing", |_, f| {
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    (
        "a shared topic that is missing, and nobody agrees on its partitions",
        |s, f| {
            *f.topic_named(ORDERS) = Fact::Absent;
            of(s, LEGACY).topic_partitions = Some(chosen(12));
        },
    ),
    ("a shared topic that must not be made", |s, f| {
        *f.topic_named(ORDERS) = Fact::Absent;
        of(s, STREAM).create_topic = Some(chosen(false));
    }),
    ("dead letters into another's topic", |s, _| {
        of(s, CLICKS).dead_letter_topic = Some(chosen(ORDERS.to_owned()));
    }),
    ("one stream is gone", |_, f| seen(f, LEGACY).stream = Fact::Absent),
    ("one stream is going", |_, f| {
        found(&mut seen(f, LEGACY).stream).status = "DELETING".to_owned();
    }),
    ("nobody may look at two things", |_, f| {
        seen(f, LEGACY).stream = denied("kinesis:DescribeStreamSummary");
        seen(f, CLICKS).function = denied("lambda:GetFunctionConfiguration");
    }),
    ("facts of fewer streams", |_, f| drop(f.pipelines.remove(LEGACY))),
    ("one warns", |s, _| of(s, LEGACY).memory = chosen(128)),
    ("many shards", |_, f| shards(f, CLICKS, 100)),
    ("too many shards for the brokers", |_, f| {
        f.concurrency = None;
        shards(f, CLICKS, 1000);
        shards(f, STREAM, 1200);
    }),
    ("an account with little room", |_, f| {
        f.concurrency = Some(Fact::Found {
            value: Concurrency {
                limit: 10,
                unreserved: 10,
            },
        });
    }),
    ("nobody knows the account's room", |_, f| {
        f.concurrency = Some(denied("lambda:GetAccountSettings"));
        shards(f, CLICKS, 40);
    }),
    ("two are deployed, one of which is not wanted any more", |s, f| {
        let plan = plan(s, f).unwrap();
        *f = deployed(&plan, f);
        s.pipelines.retain(|one| one.stream.value.as_str() != CLICKS);
    }),
    ("one of the list is left out by a flag", |s, f| {
        let plan = plan(s, f).unwrap();
        *f = deployed(&plan, f);
        s.pipelines.retain(|one| one.stream.value.as_str() != CLICKS);
        s.left_out = vec![Arn::parse(Kind::Stream, CLICKS).unwrap()];
    }),
    ("none of what is deployed is wanted", |s, f| {
        s.pipelines.retain(|one| one.stream.value.as_str() == CLICKS);
        let plan = plan(s, f).unwrap();
        *f = deployed(&plan, f);
        *s = example().0;
        s.pipelines.retain(|one| one.stream.value.as_str() != CLICKS);
    }),
    ("one is new", |s, f| {
        let whole = s.clone();
        s.pipelines.retain(|one| one.stream.value.as_str() != STREAM);
        let plan = plan(s, f).unwrap();
        *f = deployed(&plan, f);
        *s = whole;
    }),
];

#[test]
fn what_differs_is_said_of_the_pipeline_that_differs() {
    let (settings, facts) = example();
    let healthy = plan(&settings, &facts).unwrap();
    let mut text = String::new();
    for (name, change) in ROWS {
        let (mut settings, mut facts) = example();
        change(&mut settings, &mut facts);
        writeln!(text, "== {name}").unwrap();
        let plan = match plan(&settings, &facts) {
            Ok(plan) => plan,
            Err(error) => {
                writeln!(text, "exit {}: {error}\n", error.exit().code()).unwrap();
                continue;
            }
        };
        let new = plan
            .decisions
            .iter()
            .filter(|decision| !healthy.decisions.contains(decision));
        for decision in new {
            let of = decision.pipeline.as_deref().unwrap_or("all");
            writeln!(
                text,
                "{of}: {}: {}\n    {}",
                decision.about, decision.choice, decision.why
            )
            .unwrap();
        }
        for warning in &plan.warnings {
            writeln!(text, "warning: {warning}").unwrap();
        }
        for removed in &plan.removed {
            writeln!(text, "{removed}").unwrap();
        }
        for pipeline in plan.pipelines.iter().filter(|pipeline| !pipeline.after.is_empty()) {
            writeln!(
                text,
                "{} begins after {}",
                pipeline.stream_name,
                pipeline.after.join(", ")
            )
            .unwrap();
        }
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

/// Whatever is shared, and in whatever order pipelines are listed: the template that was deployed is the one that is planned again.
#[test]
fn a_plan_after_the_deployment_is_the_plan_before_it() {
    let worlds: &[Row] = &[
        ("the example", |_, _| {}),
        ("a shared topic is new", |_, f| *f.topic_named(ORDERS) = Fact::Absent),
        ("shared dead letters are new", |s, f| {
            for pipeline in &mut s.pipelines {
                pipeline.on_poison = chosen(OnPoison::Divert);
                pipeline.dead_letter_topic = Some(chosen("dead-letters".to_owned()));
            }
            *f.topic_named("dead-letters") = Fact::Absent;
        }),
    ];
    for (name, change) in worlds {
        let (mut settings, mut facts) = example();
        change(&mut settings, &mut facts);
        let before = plan(&settings, &facts).unwrap();
        let names: Vec<&str> = before
            .pipelines
            .iter()
            .flat_map(Pipeline::made)
            .map(|(_, name)| name)
            .collect();
        let once: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(once.len(), names.len(), "{name}: a topic is made twice");
        let now = deployed(&before, &facts);
        let again = plan(&settings, &now).unwrap();
        let text = Template::new(&again).unwrap().to_string();
        let change = Change::between(&now.stack, &text).unwrap();
        assert_eq!(change, Change::None, "{name}: {change}");

        // In another order nothing is made or let go: the pipeline that brings a topic goes on to.
        settings.pipelines.reverse();
        let turned = plan(&settings, &now).unwrap();
        let text = Template::new(&turned).unwrap().to_string();
        let change = Change::between(&now.stack, &text).unwrap();
        if let Change::Update {
            added,
            changed,
            removed,
            ..
        } = &change
        {
            assert!(
                added.is_empty() && changed.len() <= 1 && removed.is_empty(),
                "{name}: {change}"
            );
        }
    }
}

/// The pipeline that brings a shared topic goes, and the topic stays: the other one uses it as it is.
#[test]
fn a_shared_topic_outlives_the_pipeline_that_brought_it() {
    let (mut settings, mut facts) = example();
    *facts.topic_named(ORDERS) = Fact::Absent;
    let before = plan(&settings, &facts).unwrap();
    let now = deployed(&before, &facts);
    settings.pipelines.retain(|one| one.stream.value.as_str() != STREAM);
    let after = plan(&settings, &now).unwrap();
    let removed: Vec<&str> = after.removed.iter().map(|removed| removed.stream.as_str()).collect();
    assert_eq!(removed, [STREAM]);
    let legacy = &after.pipelines[0];
    assert_eq!(
        (legacy.topic.as_str(), &legacy.new_topic, legacy.after.len()),
        (ORDERS, &None, 0)
    );
}

/// So many pipelines, of streams with such names.
fn many(count: usize, destination: Option<&str>) -> Plan {
    let (mut settings, mut facts) = example();
    let (pattern, seen) = (settings.pipelines[0].clone(), facts.pipelines[STREAM].clone());
    let topic = found(facts.topic_named(ORDERS)).clone();
    settings.pipelines.clear();
    facts.pipelines.clear();
    for number in 0..count {
        let name = format!("team-{number:03}.orders");
        let arn = STREAM.replace("orders", &name);
        let mut seen = seen.clone();
        found(&mut seen.stream).arn.clone_from(&arn);
        facts.pipelines.insert(arn.clone(), seen);
        *facts.topic_named(&name) = Fact::Found {
            value: Topic {
                name: name.clone(),
                ..topic.clone()
            },
        };
        settings.pipelines.push(PipelineSettings {
            stream: chosen(Arn::parse(Kind::Stream, &arn).unwrap()),
            topic: default(name),
            failure_destination: destination.map(|arn| chosen(arn.to_owned())),
            ..pattern.clone()
        });
    }
    plan(&settings, &facts).unwrap()
}

#[test]
fn a_stack_has_as_many_pipelines_as_cloudformation_takes_and_no_more() {
    let queue = "arn:aws:sqs:eu-west-1:123456789012:failed";
    let mut text = String::new();
    for (count, destination) in [
        (22, None),
        (23, None),
        (38, None),
        (39, None),
        (80, None),
        (55, Some(queue)),
        (80, Some(queue)),
    ] {
        let plan = many(count, destination);
        let template = Template::new(&plan).unwrap();
        let document: serde_yaml::Value = serde_yaml::from_str(template.text()).unwrap();
        let outputs = document["Outputs"].as_mapping().unwrap().len();
        let said = document["Description"].as_str().unwrap();
        assert!(said.len() <= 1024, "{count}: {said}");
        let (bytes, resources) = (template.text().len(), template.resources().count());
        let fits = limits::fit(&plan, bytes, template.resources());
        let verdict = fits.map_or_else(|error| error.to_string(), |()| "fits".to_owned());
        assert!(verdict != "fits" || outputs <= 200, "{count}: {outputs} outputs");
        writeln!(
            text,
            "{count} pipelines: {resources} resources, {outputs} outputs: {verdict}"
        )
        .unwrap();
        assert!(bytes / count < 16_000, "{count}: {bytes}");
    }
    // However few resources, the template has an end too.
    let plan = many(10, None);
    let error = limits::fit(&plan, 1_200_000, ["a"].into_iter()).unwrap_err();
    writeln!(text, "{error}").unwrap();
    insta::assert_snapshot!(text);
}

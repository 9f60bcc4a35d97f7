//! Which question is left, by what AWS says, what follows, and what was said.

use std::fmt::Write as _;

use super::*;
use crate::facts::Unreadable;
use crate::plan::tests::{facts, settings};
use crate::plan::{Obstacle, plan};
use crate::settings::{Servers, Setting, Source};

/// A world, and what is answered.
struct Row {
    name: &'static str,
    settings: Settings,
    facts: Option<Facts>,
    planned: Option<PlanError>,
    said: Said,
    load: Option<Fact<Load>>,
}

impl Row {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            settings: settings(),
            facts: Some(facts()),
            planned: None,
            said: Said::default(),
            load: None,
        }
    }

    fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

fn load(records: u64, bytes: u64) -> Fact<Load> {
    let value = Load {
        days: 7,
        seconds: 300,
        records,
        bytes,
    };
    Fact::Found { value }
}

fn servers() -> Kafka {
    Kafka::BootstrapServers(Setting {
        value: Servers::parse("kafka:9092").unwrap(),
        source: Source::Default,
    })
}

#[expect(clippy::too_many_lines, reason = "one row a case")]
fn rows() -> Vec<Row> {
    let (leading, unsure) = (
        vec!["vpc-1 (shared, 10.1.0.0/16)".to_owned()],
        vec![(
            "vpc-2 (10.2.0.0/16)".to_owned(),
            "subnet-2".to_owned(),
            Obstacle::Unknown("nobody knows".to_owned()),
        )],
    );
    let firmly = |name: &'static str, value: &str| BTreeMap::from([(name, value.to_owned())]);
    let several = |row: &mut Row| {
        if let Some(Fact::Found { value }) = row.facts.as_mut().map(|facts| &mut facts.cluster) {
            value.authentication.iam = false;
            value.authentication.scram = true;
            value.authentication.unauthenticated = true;
            for way in ["", "Tls", "SaslScram"] {
                value
                    .bootstrap_brokers
                    .insert(way.to_owned(), "b-1.example.com:9096".to_owned());
            }
        }
    };
    vec![
        Row::new("all is clear"),
        Row::new("nothing can be seen").but(|row| row.facts = None),
        Row::new("destination and address are said").but(|row| {
            row.said.firmly = firmly("failure_destination", "arn:x");
            row.said.firmly.insert("failure_email", "a@b.c".to_owned());
        }),
        Row::new("the file has an address").but(|row| row.said.before = firmly("failure_email", "a@b.c")),
        Row::new("another's destination").but(|row| {
            row.settings.one().failure_destination = Some(Setting {
                value: "arn:aws:sqs:eu-west-1:123456789012:q".to_owned(),
                source: Source::Default,
            });
        }),
        Row::new("no topic").but(|row| {
            let topics = row.facts.as_mut().map(|facts| &mut facts.topics).unwrap();
            topics.insert("orders".to_owned(), Fact::Absent);
        }),
        Row::new("no topic, and the file says that it is created").but(|row| {
            let topics = row.facts.as_mut().map(|facts| &mut facts.topics).unwrap();
            topics.insert("orders".to_owned(), Fact::Absent);
            row.said.before = firmly("create_topic", "true");
        }),
        Row::new("nobody knows of the topic").but(|row| {
            let topics = row.facts.as_mut().map(|facts| &mut facts.topics).unwrap();
            let why = Unreadable {
                missing_action: None,
                message: "x".to_owned(),
            };
            topics.insert("orders".to_owned(), Fact::Unreadable(why));
        }),
        Row::new("several ways to be known to the brokers").but(several),
        Row::new("several ways, one is said").but(|row| {
            several(row);
            row.said.firmly = firmly("authentication", "tls");
        }),
        Row::new("not MSK").but(|row| row.settings.kafka = servers()),
        Row::new("not MSK, and the file says how").but(|row| {
            row.settings.kafka = servers();
            row.said.before = firmly("authentication", "scram");
        }),
        Row::new("no secret").but(|row| {
            row.planned = Some(PlanError::NoSecret {
                ways: "scram".to_owned(),
                holds: "a user and a password",
                known: String::new(),
            });
        }),
        Row::new("which VPC").but(|row| {
            row.planned = Some(PlanError::WhichVpc {
                region: "eu-west-1".to_owned(),
                leading,
                unsure,
            });
        }),
        Row::new("which VPC to join").but(|row| {
            row.planned = Some(PlanError::ChooseVpc {
                region: "eu-west-1".to_owned(),
                cluster_vpc: "vpc-9".to_owned(),
                vpcs: vec!["vpc-1 (10.1.0.0/16)".to_owned(), "vpc-2 (10.2.0.0/16)".to_owned()],
            });
        }),
        Row::new("little comes in").but(|row| row.load = Some(load(300, 60_000))),
        Row::new("large records").but(|row| row.load = Some(load(24_000, 24_000 * 100_000))),
        Row::new("large records, and the size is said").but(|row| {
            row.load = Some(load(24_000, 24_000 * 100_000));
            row.said.firmly = firmly("batch_size", "1000");
        }),
        Row::new("several pipelines").but(|row| {
            row.load = Some(load(24_000, 24_000 * 100_000));
            let more = row.settings.pipelines[0].clone();
            row.settings.pipelines.push(more);
        }),
        Row::new("figures that can't be read").but(|row| {
            let why = Unreadable {
                missing_action: Some("cloudwatch:GetMetricData".to_owned()),
                message: "denied".to_owned(),
            };
            row.load = Some(Fact::Unreadable(why));
        }),
        Row::new("figures of another account").but(|row| row.load = Some(Fact::Absent)),
    ]
}

#[test]
fn only_what_is_open_is_asked() {
    let mut shown = String::new();
    for row in rows() {
        let _ = writeln!(shown, "== {}", row.name);
        let planned = match (row.planned, &row.facts) {
            (Some(error), _) => Err(error),
            (None, Some(facts)) => plan(&row.settings, facts),
            (None, None) => Err(PlanError::Missing { what: "all".to_owned() }),
        };
        let mut asked = BTreeSet::new();
        let one = match row.settings.pipelines.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        loop {
            let known = Known {
                said: &row.said,
                asked: &asked,
                settings: &row.settings,
                pipeline: one,
                seen: row.facts.as_ref().map(|facts| (facts, &planned)),
                load: row.load.as_ref(),
            };
            let Some(question) = next(&known) else {
                if let Some(size) = sized(&known) {
                    let _ = writeln!(shown, "size: {size}");
                }
                break;
            };
            // Each is asked once.
            assert!(asked.insert(question.about), "{}: {}", row.name, question.about);
            if let Some(because) = &question.because {
                let _ = writeln!(shown, "{because}");
            }
            let taken = if question.taken { ", taken by --yes" } else { "" };
            let _ = writeln!(shown, "{}?{taken}", question.prompt);
            for choice in &question.choices {
                let _ = writeln!(shown, "  {}  {:?}", choice.shown, choice.sets);
            }
            if let Some(typed) = question.typed {
                let _ = writeln!(shown, "  {}: {}", typed.shown, typed.prompt);
                assert!((typed.check)("\n").is_err(), "{}", typed.setting);
            }
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn what_is_proposed_stands_first() {
    let choices = || {
        ["a", "b"]
            .map(|name| choice(format!("{name} (ACTIVE)"), "stream", Some(name)))
            .to_vec()
    };
    for (proposed, shown) in [
        (None, &["a (ACTIVE)", "b (ACTIVE)"][..]),
        (Some("b"), &["b (ACTIVE)", "a (ACTIVE)"]),
        (Some("c"), &["c", "a (ACTIVE)", "b (ACTIVE)"]),
    ] {
        let ordered = first(choices(), "stream", proposed);
        let ordered: Vec<&str> = ordered.iter().map(|choice| choice.shown.as_str()).collect();
        assert_eq!(ordered, shown, "{proposed:?}");
    }
}

//! A row for each way in which a verification can go, with AWS, the log and the clock scripted; and what people and programs read of it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;

use k2m_handler::probe::report::{
    Broker, ClusterRights, Failure, Millis, Purpose, Report, Right, Step, Topic, TopicRights,
};
use serde_json::json;

use super::judged::took_text;
use super::*;
use crate::arn::Kind;
use crate::deploy::DeployError;
use crate::exit::Exit;
use crate::facts::{Function, Mapping, Metrics, Point, Unreadable, WatchedPipeline};
use crate::logs::port::{Page, Question};
use crate::plan::sample::sample;

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
/// What the script's random numbers make.
const ID: &str = "00000000000000010000000000000002";

/// Answers of AWS, in this order; the last of a kind is given again and again. It remembers what was asked, told and waited for.
struct Script {
    probes: Mutex<VecDeque<Fact<Probe>>>,
    puts: Mutex<VecDeque<Result<(), Fault>>>,
    pages: Mutex<VecDeque<Result<Vec<String>, Fault>>>,
    watched: WatchedPipeline,
    elapsed: Mutex<Duration>,
    random: Mutex<u64>,
    told: Mutex<Vec<String>>,
}

fn next<T: Clone>(answers: &Mutex<VecDeque<T>>) -> T {
    let mut answers = answers.lock().unwrap();
    let answer = answers.pop_front().expect("an answer");
    if answers.is_empty() {
        answers.push_back(answer.clone());
    }
    answer
}

impl Script {
    fn note(&self, text: &str) {
        let seconds = self.elapsed.lock().unwrap().as_secs();
        self.told.lock().unwrap().push(format!("{seconds:>4} s  {text}"));
    }
}

impl Ground for Script {
    fn probe<'a>(&'a self, function: &'a str) -> Asked<'a, Fact<Probe>> {
        self.note(&format!("[probe of {function}]"));
        Box::pin(std::future::ready(next(&self.probes)))
    }

    fn put<'a>(&'a self, stream: &'a Arn, partition_key: &'a str, data: &'a str) -> Doing<'a, Placed> {
        self.note(&format!("[put into {}: {partition_key}]", stream.name()));
        assert_eq!(data, canary::data(ID));
        let put = next(&self.puts).map(|()| Placed {
            shard: "shardId-000000000000".to_owned(),
            sequence_number: "4959".to_owned(),
        });
        Box::pin(std::future::ready(put))
    }

    fn watch<'a>(&'a self, stack: &'a Stack, pipeline: &'a StackPipeline) -> Asked<'a, Watched> {
        self.note(&format!("[watch {} of {}]", pipeline.name(), stack.name));
        Box::pin(std::future::ready(Watched {
            taken_at: "2026-01-02T03:04:05Z".to_owned(),
            minutes: MINUTES,
            pipelines: vec![self.watched.clone()],
        }))
    }
}

impl Groups for Script {
    fn page<'a>(&'a self, question: Question<'a>) -> Doing<'a, Page> {
        assert_eq!((question.group, question.pattern), ("/k2m/orders", Some(ID)));
        assert!(question.since >= 1_000_000 - BEFORE, "{question:?}");
        self.note("[log]");
        let page = next(&self.pages).map(|lines| Page {
            events: lines
                .into_iter()
                .enumerate()
                .map(|(number, message)| Event {
                    // Each line once, as CloudWatch tells them apart.
                    id: format!("{number}{message}"),
                    at: 1_000_000,
                    ingested: 1_000_000,
                    message,
                })
                .collect(),
            next: None,
        });
        Box::pin(std::future::ready(page))
    }
}

impl World for Script {
    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        *self.elapsed.lock().unwrap() += time;
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> u64 {
        let mut random = self.random.lock().unwrap();
        *random += 1;
        *random
    }
}

impl User for Script {
    fn tell(&self, text: &str) {
        self.note(text);
    }

    fn confirm<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'a>> {
        panic!("a verification asks nothing of people")
    }

    fn stopped(&self, _: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

fn failure(step: Step, reason: &str) -> Failure {
    Failure {
        step,
        broker: None,
        topic: (step == Step::Topic).then(|| "orders".to_owned()),
        reason: reason.to_owned(),
        next: format!("mend {}", step.words()),
        detail: "said so".to_owned(),
    }
}

fn answered(failures: Vec<Failure>) -> Fact<Probe> {
    let exists = !failures.iter().any(|failure| failure.step == Step::Topic);
    let report = Report {
        ok: failures.is_empty(),
        version: "0.1.0".to_owned(),
        authentication: "plaintext".to_owned(),
        failure: failures.first().cloned(),
        failures,
        brokers: vec![Broker {
            address: "b-1:9092".to_owned(),
            ..Broker::default()
        }],
        cluster: None,
        topics: vec![Topic {
            name: "orders".to_owned(),
            purpose: Purpose::Pipeline,
            exists: Some(exists),
            partitions: Vec::new(),
            max_message_bytes: None,
            rights: TopicRights::not_asked(),
        }],
        rights: ClusterRights {
            idempotent_write: Right::not_asked(),
        },
        created: None,
        canary: None,
        milliseconds: Millis::default(),
    };
    Fact::Found {
        value: Probe::Answered(Box::new(report)),
    }
}

fn unreadable(action: Option<&str>, message: &str) -> Fact<Probe> {
    Fact::Unreadable(Unreadable {
        missing_action: action.map(str::to_owned),
        message: message.to_owned(),
    })
}

fn fault(kind: FaultKind, message: &str) -> Fault {
    Fault {
        kind,
        message: message.to_owned(),
    }
}

/// A line of the handler's about the canary.
fn line(outcome: &str, more: &serde_json::Value) -> String {
    let mut line = json!({"timestamp": "2026-01-02T03:04:05Z", "level": "INFO", "message": "canary", "canary": ID, "outcome": outcome,
        "shard": "shardId-000000000000", "sequenceNumber": "4959"});
    for (name, value) in more.as_object().expect("an object") {
        line[name] = value.clone();
    }
    line.to_string()
}

fn delivered() -> String {
    line(
        "delivered",
        &json!({"topic": "orders", "partition": 3, "offset": 1234, "milliseconds": 2149}),
    )
}

/// One way in which it goes.
struct Row {
    probes: Vec<Fact<Probe>>,
    puts: Vec<Result<(), Fault>>,
    pages: Vec<Result<Vec<String>, Fault>>,
    watched: WatchedPipeline,
    subject: Subject,
    fresh: bool,
    brokers_make: bool,
}

impl Default for Row {
    fn default() -> Self {
        let resources = ["Function", "Mapping", "LogGroup"].map(|end| {
            let id = format!("{}{end}", sample().pipelines[0].id);
            let named = if end == "LogGroup" {
                "/k2m/orders".to_owned()
            } else {
                format!("orders-{end}")
            };
            (id, named)
        });
        let stream = Arn::parse(Kind::Stream, STREAM).expect("an ARN");
        Self {
            probes: vec![answered(Vec::new())],
            puts: vec![Ok(())],
            pages: vec![Ok(Vec::new()), Ok(vec![delivered()])],
            watched: WatchedPipeline {
                stream: STREAM.to_owned(),
                topic: Some("orders".to_owned()),
                function: Fact::Found {
                    value: Function {
                        state: "Active".to_owned(),
                        ..Function::default()
                    },
                },
                mapping: Fact::Found {
                    value: Mapping {
                        state: "Enabled".to_owned(),
                        ..Mapping::default()
                    },
                },
                metrics: Fact::Found {
                    value: Metrics {
                        minutes: MINUTES,
                        ..Metrics::default()
                    },
                },
                flow: None,
                waiting: None,
            },
            subject: Subject::of(&sample().pipelines[0], stream, &resources.into()),
            fresh: false,
            brokers_make: false,
        }
    }
}

impl Row {
    fn of(change: impl FnOnce(&mut Self)) -> Self {
        let mut row = Self::default();
        change(&mut row);
        row
    }

    fn mapping(&mut self) -> &mut Mapping {
        match &mut self.watched.mapping {
            Fact::Found { value } => value,
            _ => panic!("it is there"),
        }
    }

    async fn run(self) -> (Verified, Vec<String>) {
        let script = Script {
            probes: Mutex::new(self.probes.into()),
            puts: Mutex::new(self.puts.into()),
            pages: Mutex::new(self.pages.into()),
            watched: self.watched,
            elapsed: Mutex::default(),
            random: Mutex::default(),
            told: Mutex::default(),
        };
        let stack = stack();
        let verification = Verification {
            ground: &script,
            groups: &script,
            world: &script,
            user: &script,
            stack: &stack,
            region: "eu-west-1",
            now: 1_000_000,
            fresh: self.fresh,
            brokers_make: self.brokers_make,
        };
        let verified = verification.run(&[self.subject]).await;
        let [verified] = <[Verified; 1]>::try_from(verified).expect("one for each pipeline");
        (verified, script.told.into_inner().unwrap())
    }
}

fn stack() -> Stack {
    Stack {
        name: "k2m-orders".to_owned(),
        status: "CREATE_COMPLETE".to_owned(),
        made_by_k2m: true,
        resources: BTreeMap::new(),
        outputs: BTreeMap::new(),
        parameters: BTreeMap::new(),
        tags: BTreeMap::new(),
        protected: false,
        template: None,
        template_unreadable: None,
    }
}

fn failed_line() -> String {
    line("failed", &json!({"reason": "the topic orders does not exist"}))
}

#[expect(clippy::too_many_lines, reason = "a row for each way")]
fn rows() -> Vec<(&'static str, Row)> {
    vec![
        ("it arrives", Row::default()),
        (
            "its offset is not certain",
            Row::of(|row| {
                let line = line(
                    "delivered",
                    &json!({"topic": "orders", "partition": 3, "milliseconds": 12}),
                );
                row.pages = vec![Ok(vec!["{}".to_owned(), "no JSON".to_owned(), line])];
            }),
        ),
        (
            "a function that gets nowhere: nothing is put",
            Row::of(|row| {
                row.fresh = true;
                let tcp = failure(Step::Tcp, "nothing listens at b-1:9092");
                row.probes = vec![answered(vec![tcp, failure(Step::Secret, "the secret can't be read")])];
            }),
        ),
        (
            "a right that was given just now",
            Row::of(|row| {
                row.fresh = true;
                let denied = answered(vec![failure(Step::Write, "it may not write to orders")]);
                row.probes = vec![denied.clone(), denied, answered(Vec::new())];
            }),
        ),
        (
            "the same of a right that does not come",
            Row::of(|row| {
                row.fresh = true;
                row.probes = vec![answered(vec![failure(Step::Sasl, "access denied")])];
            }),
        ),
        (
            "the same where nothing was changed",
            Row::of(|row| row.probes = vec![answered(vec![failure(Step::Sasl, "access denied")])]),
        ),
        (
            "a topic that is missing",
            Row::of(|row| row.probes = vec![answered(vec![failure(Step::Topic, "orders is not there")])]),
        ),
        (
            "the same where the first record makes it",
            Row::of(|row| {
                row.brokers_make = true;
                row.probes = vec![answered(vec![failure(Step::Topic, "orders is not there")])];
            }),
        ),
        (
            "a function that fails before it can look",
            Row::of(|row| {
                row.probes = vec![Fact::Found {
                    value: Probe::Failed {
                        kind: "K2m.Configuration".to_owned(),
                        message: "K2M_TOPIC is not set".to_owned(),
                    },
                }];
            }),
        ),
        (
            "a function that is not ready, and then is",
            Row::of(|row| {
                let words = "ResourceConflictException: The operation cannot be performed at this time";
                row.probes = vec![unreadable(None, words), answered(Vec::new())];
            }),
        ),
        (
            "no right to invoke: the record is followed all the same",
            Row::of(|row| {
                row.probes = vec![unreadable(Some("lambda:InvokeFunction"), "AccessDenied: no")];
            }),
        ),
        (
            "no right to put",
            Row::of(|row| {
                let denied = FaultKind::Denied("kinesis:PutRecord".to_owned());
                row.puts = vec![Err(fault(denied, "AccessDeniedException: User: u is not authorized"))];
            }),
        ),
        (
            "a stream that takes no more for a while",
            Row::of(|row| {
                let full = fault(FaultKind::Passing, "ProvisionedThroughputExceededException: slow down");
                row.puts = vec![Err(full.clone()), Err(full), Ok(())];
                // The random numbers of the waits come between.
            }),
        ),
        (
            "a stream that takes no more at all",
            Row::of(|row| row.puts = vec![Err(fault(FaultKind::Passing, "Throttling: slow down"))]),
        ),
        (
            "no right to read the log",
            Row::of(|row| {
                let denied = FaultKind::Denied("logs:FilterLogEvents".to_owned());
                row.pages = vec![Err(fault(denied, "AccessDeniedException: no"))];
            }),
        ),
        (
            "a log that is gone",
            Row::of(|row| row.pages = vec![Err(fault(FaultKind::Absent, "it is not there"))]),
        ),
        (
            "it fails at first",
            Row::of(|row| {
                row.pages = vec![Ok(vec![failed_line()]), Ok(vec![failed_line(), delivered()])];
            }),
        ),
        (
            "it fails again and again",
            Row::of(|row| row.pages = vec![Ok(vec![failed_line()])]),
        ),
        (
            "it can never be delivered",
            Row::of(|row| {
                let refused = line(
                    "refused",
                    &json!({"reason": "orders takes no record of this timestamp"}),
                );
                row.pages = vec![Ok(vec![refused])];
            }),
        ),
        (
            "it is a dead letter",
            Row::of(|row| {
                let letter = json!({"topic": "orders-dead-letter", "partition": 0, "offset": 7, "milliseconds": 300_000, "reason": "too large"});
                row.pages = vec![Ok(vec![line("deadLettered", &letter)])];
            }),
        ),
        (
            "nothing is heard of it, and the pipeline is behind",
            Row::of(|row| {
                row.pages = vec![Ok(Vec::new())];
                if let Fact::Found { value } = &mut row.watched.metrics {
                    value.invocations = Some(3);
                    value.iterator_age_ms = vec![Point {
                        at: "2026-01-02T03:00:00Z".to_owned(),
                        value: 7_200_000,
                    }];
                }
            }),
        ),
        (
            "nothing is heard of it, and no batch is delivered",
            Row::of(|row| {
                row.pages = vec![Ok(Vec::new())];
                row.mapping().last_result = Some("PROBLEM: Function call failed".to_owned());
            }),
        ),
        (
            "nothing is heard of it, and the mapping does not read",
            Row::of(|row| {
                row.pages = vec![Ok(Vec::new())];
                "Disabled".clone_into(&mut row.mapping().state);
            }),
        ),
        (
            "nothing is heard of it, and it may have been passed over",
            Row::of(|row| {
                row.pages = vec![Ok(Vec::new())];
                row.fresh = true;
                row.subject.begins_at_latest = true;
                row.mapping().filters = vec!["{}".to_owned()];
            }),
        ),
        (
            "a mapping that is not to read",
            Row::of(|row| row.subject.unread = Some(Unread::as_planned())),
        ),
        (
            "a stack without what it takes",
            Row::of(|row| {
                row.subject.of_stack.function = None;
                row.subject.of_stack.log_group = None;
            }),
        ),
    ]
}

#[tokio::test]
async fn each_way_is_told_with_what_was_done_for_it() {
    let mut said = String::new();
    for (why, row) in rows() {
        let (verified, told) = row.run().await;
        let looks = told.iter().filter(|line| line.ends_with("[log]")).count();
        let told = told.iter().filter(|line| !line.ends_with("[log]"));
        let told: Vec<&str> = told.map(String::as_str).collect();
        writeln!(said, "# {why}: exit {}", verified.verdict.exit() as i32).unwrap();
        writeln!(said, "{}\n{looks} look(s) at the log\n{verified}", told.join("\n")).unwrap();
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn what_programs_read() {
    let (verified, _) = Row::default().run().await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&verified).unwrap());
    assert_eq!(worst(&[verified]), Some(Verdict::Verified));
    assert_eq!(worst(&[]), None);
}

#[tokio::test]
async fn pipelines_wait_side_by_side() {
    let script = |row: Row| Script {
        probes: Mutex::new(row.probes.into()),
        puts: Mutex::new(row.puts.into()),
        pages: Mutex::new(vec![Ok(vec![delivered()])].into()),
        watched: row.watched,
        elapsed: Mutex::default(),
        random: Mutex::default(),
        told: Mutex::default(),
    };
    let (script, stack) = (script(Row::default()), stack());
    let verification = Verification {
        ground: &script,
        groups: &script,
        world: &script,
        user: &script,
        stack: &stack,
        region: "eu-west-1",
        now: 1_000_000,
        fresh: false,
        brokers_make: false,
    };
    let mut disabled = Row::default().subject;
    disabled.unread = Some(Unread::as_planned());
    let verified = verification.run(&[disabled, Row::default().subject]).await;
    let verdicts: Vec<Verdict> = verified.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Unknown, Verdict::Verified]);
    assert_eq!(worst(&verified), Some(Verdict::Unknown));
}

#[test]
fn times_are_told_as_long_as_they_mean_anything() {
    for (milliseconds, text) in [
        (7, "7 ms"),
        (100, "0.1 s"),
        (2_149, "2.1 s"),
        (59_990, "59.9 s"),
        (180_000, "3 min"),
    ] {
        assert_eq!(took_text(milliseconds), text);
    }
}

#[test]
fn a_stack_that_can_t_be_looked_at_is_told_with_the_right_to_allow() {
    let why = Unreadable {
        missing_action: Some("cloudformation:DescribeStacks".to_owned()),
        message: "AccessDenied".to_owned(),
    };
    let verified = Verified::unseen(&Row::default().subject, &why);
    assert_eq!(verified.verdict.exit(), Exit::CouldNotTell);
    let said = verified.to_string();
    assert!(
        said.contains("allow cloudformation:DescribeStacks to these credentials"),
        "{said}"
    );
}

//! Says which hop, right or topic is broken, and how to mend it: a list of checks over facts. Pure: no check calls AWS. A check is one line of
//! [`CHECKS`] and one function; a check that can't be made is shown with its reason.

mod authentication;
mod destination;
mod drift;
mod function;
mod network;
mod pages;
mod probe;
mod report;
mod source;
mod topic;

use std::collections::BTreeMap;

use serde::Serialize;

use self::drift::Drift;
pub use self::pages::{Contents, Entry, Page};
pub(crate) use self::report::DRIFT;
use self::report::Judged;
pub use self::report::{Cause, Checked, Examined, Health, PipelineReport, Report};
use crate::facts::deployed::pipeline_id;
use crate::facts::{Cluster, Fact, Facts, Function, Mapping, PipelineFacts, Stack, Topic, Unreadable};
use crate::settings::{Authentication, Kafka, Payload, PipelineSettings, Setting, Settings, Source, TABLE};
use crate::shell::Command;

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum Outcome {
    /// It is as it should be.
    Pass {
        /// What was seen, a line each; never empty.
        evidence: Vec<String>,
    },
    /// It works, but should be looked at.
    Warn {
        /// What was seen, a line each; never empty.
        evidence: Vec<String>,
        /// How to mend it, a step each.
        fix: Vec<String>,
    },
    /// It is broken.
    Fail {
        /// What was seen, a line each; never empty.
        evidence: Vec<String>,
        /// How to mend it, a step each; never empty.
        fix: Vec<String>,
    },
    /// There is nothing to judge.
    Skip {
        /// Why.
        why: String,
    },
    /// The facts don't say.
    #[serde(rename_all = "camelCase")]
    Unknown {
        /// What isn't known.
        why: String,
        /// The IAM action to allow, where a right is what is missing.
        #[serde(skip_serializing_if = "Option::is_none")]
        missing_action: Option<String>,
    },
}

impl Outcome {
    fn pass(evidence: impl Into<String>) -> Self {
        Self::Pass {
            evidence: vec![evidence.into()],
        }
    }

    fn warn(evidence: impl Into<String>, fix: impl Into<Steps>) -> Self {
        Self::Warn {
            evidence: vec![evidence.into()],
            fix: fix.into().0,
        }
    }

    fn fail(evidence: impl Into<String>, fix: impl Into<Steps>) -> Self {
        Self::Fail {
            evidence: vec![evidence.into()],
            fix: fix.into().0,
        }
    }

    fn skip(why: impl Into<String>) -> Self {
        Self::Skip { why: why.into() }
    }

    /// How bad it is, where it was judged.
    const fn trouble(&self) -> Option<u8> {
        match self {
            Self::Pass { .. } => Some(0),
            Self::Warn { .. } => Some(1),
            Self::Fail { .. } => Some(2),
            Self::Skip { .. } | Self::Unknown { .. } => None,
        }
    }

    fn unreadable(why: &Unreadable) -> Self {
        Self::Unknown {
            why: format!("it could not be read: {}", why.message),
            missing_action: why.missing_action.clone(),
        }
    }
}

/// Steps that mend something: a command alone, to be run as it stands, or what to do in words.
struct Steps(Vec<String>);

impl From<&str> for Steps {
    fn from(step: &str) -> Self {
        Self(vec![step.to_owned()])
    }
}

impl From<String> for Steps {
    fn from(step: String) -> Self {
        Self(vec![step])
    }
}

impl<const N: usize> From<[String; N]> for Steps {
    fn from(steps: [String; N]) -> Self {
        Self(steps.into())
    }
}

/// A check, declared.
#[derive(Debug)]
struct Check {
    /// `K2M-` and the part of the way (N network, A authentication, T topic, E source, L function, P probe, D destination) with a number: never given to
    /// another check.
    code: &'static str,
    /// What should be so.
    title: &'static str,
    /// What it means, how it shows, how to confirm it by hand and how to mend it, in Markdown.
    page: &'static str,
    /// What users and logs say when it fails; empty where they say nothing of their own.
    seen_as: &'static str,
    /// Checks that fail because of what makes one of these fail.
    after: &'static [&'static str],
    judge: fn(&Case<'_>) -> Outcome,
}

/// What kafka-python and what Lambda say when the brokers can't be spoken to.
const NO_METADATA: &str = "`Failed to update metadata after 60.0 secs` (kafka-python), `Local: Broker transport failure` (librdkafka), \
                           or `Task timed out` where the function's time is shorter";

/// Every check, in the order of the way: what is deployed, the stream, the mapping, the function, the brokers, the topic, the delivery.
const CHECKS: [Check; 21] = [
    Check {
        code: "K2M-L01",
        title: "the stack is deployed",
        page: include_str!("../../../docs/checks/K2M-L01.md"),
        seen_as: "",
        after: &[],
        judge: function::deployed,
    },
    Check {
        code: "K2M-E01",
        title: "the stream can be read",
        page: include_str!("../../../docs/checks/K2M-E01.md"),
        seen_as: "",
        after: &[],
        judge: source::stream,
    },
    Check {
        code: "K2M-E02",
        title: "the event source mapping reads the stream",
        page: include_str!("../../../docs/checks/K2M-E02.md"),
        seen_as: "the iterator age grows and nothing is invoked",
        after: &["K2M-L01", "K2M-E01"],
        judge: source::mapping,
    },
    Check {
        code: "K2M-E03",
        title: "the mapping understands partial failures",
        page: include_str!("../../../docs/checks/K2M-E03.md"),
        seen_as: "records are missing in the topic though every invocation succeeded",
        after: &["K2M-L01"],
        judge: source::partial_failures,
    },
    Check {
        code: "K2M-E04",
        title: "the batch size suits the function",
        page: include_str!("../../../docs/checks/K2M-E04.md"),
        seen_as: "",
        after: &[],
        judge: source::batch_size,
    },
    Check {
        code: "K2M-L02",
        title: "the function is ready",
        page: include_str!("../../../docs/checks/K2M-L02.md"),
        seen_as: "",
        after: &["K2M-L01"],
        judge: function::ready,
    },
    Check {
        code: "K2M-N01",
        title: "the cluster takes connections",
        page: include_str!("../../../docs/checks/K2M-N01.md"),
        seen_as: NO_METADATA,
        after: &[],
        judge: network::cluster,
    },
    Check {
        code: "K2M-A01",
        title: "the cluster has the function's authentication switched on",
        page: include_str!("../../../docs/checks/K2M-A01.md"),
        seen_as: NO_METADATA,
        after: &["K2M-N01"],
        judge: authentication::switched_on,
    },
    Check {
        code: "K2M-A02",
        title: "the function speaks to the cluster's brokers, on the port of its authentication",
        page: include_str!("../../../docs/checks/K2M-A02.md"),
        seen_as: NO_METADATA,
        after: &["K2M-N01", "K2M-A01"],
        judge: authentication::brokers,
    },
    Check {
        code: "K2M-N02",
        title: "the function's subnets reach each broker, and answers come back",
        page: include_str!("../../../docs/checks/K2M-N02.md"),
        seen_as: NO_METADATA,
        after: &["K2M-N01", "K2M-A01", "K2M-A02"],
        judge: network::reach,
    },
    Check {
        code: "K2M-T01",
        title: "the topic exists",
        page: include_str!("../../../docs/checks/K2M-T01.md"),
        seen_as: "`Failed to update metadata after 60.0 secs` (kafka-python), `Broker: Unknown topic or partition` (librdkafka)",
        after: &["K2M-N01"],
        judge: topic::exists,
    },
    Check {
        code: "K2M-T02",
        title: "the function writes to the topics of the settings",
        page: include_str!("../../../docs/checks/K2M-T02.md"),
        seen_as: "",
        after: &[],
        judge: topic::same,
    },
    Check {
        code: "K2M-T03",
        title: "the dead-letter topic takes what the topic can't",
        page: include_str!("../../../docs/checks/K2M-T03.md"),
        seen_as: "a record that should be diverted is retried again and again",
        after: &["K2M-N01"],
        judge: topic::dead_letter,
    },
    Check {
        code: "K2M-L03",
        title: "the function's time-out leaves time to deliver",
        page: include_str!("../../../docs/checks/K2M-L03.md"),
        seen_as: "`Task timed out after N seconds`, whatever the cause",
        after: &[],
        judge: function::time_out,
    },
    Check {
        code: "K2M-L04",
        title: "the function's memory suits the batch size",
        page: include_str!("../../../docs/checks/K2M-L04.md"),
        seen_as: "",
        after: &[],
        judge: function::memory,
    },
    Check {
        code: "K2M-P01",
        title: "the function itself reaches the brokers",
        page: include_str!("../../../docs/checks/K2M-P01.md"),
        seen_as: NO_METADATA,
        after: &["K2M-L02", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T02"],
        judge: probe::way,
    },
    Check {
        code: "K2M-P02",
        title: "the brokers let the function in",
        page: include_str!("../../../docs/checks/K2M-P02.md"),
        seen_as: "`Local: Authentication failure` (librdkafka), or `Task timed out` where the function's time is short",
        after: &["K2M-N01", "K2M-A01", "K2M-A02", "K2M-P01"],
        judge: probe::identity,
    },
    Check {
        code: "K2M-P03",
        title: "the function finds its topics and may write to them",
        page: include_str!("../../../docs/checks/K2M-P03.md"),
        seen_as: "`Broker: Topic authorization failed`, `Broker: Cluster authorization failed`, `Broker: Unknown topic or partition` (librdkafka)",
        after: &["K2M-A01", "K2M-A02", "K2M-T01", "K2M-T03", "K2M-P01", "K2M-P02"],
        judge: probe::rights,
    },
    Check {
        code: "K2M-E05",
        title: "the last batch was delivered",
        page: include_str!("../../../docs/checks/K2M-E05.md"),
        seen_as: "`PROBLEM: Function call failed` at the mapping",
        after: &[
            "K2M-E01", "K2M-L02", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T01", "K2M-T03", "K2M-L03",
            "K2M-P01", "K2M-P02", "K2M-P03",
        ],
        judge: source::last_result,
    },
    Check {
        code: "K2M-D01",
        title: "what is given up is kept",
        page: include_str!("../../../docs/checks/K2M-D01.md"),
        seen_as: "",
        after: &[],
        judge: destination::present,
    },
    Check {
        code: "K2M-L05",
        title: "nothing was changed outside the stack",
        page: include_str!("../../../docs/checks/K2M-L05.md"),
        seen_as: "",
        after: &[],
        judge: drift::none,
    },
];

/// Judges each pipeline by the facts that were taken of it.
pub fn examine(settings: &Settings, facts: &Facts) -> Report {
    let read = drift::read(&facts.stack);
    let pipelines = settings.pipelines.iter().map(|pipeline| Examined {
        stream: pipeline.stream.value.name().to_owned(),
        report: examine_one(settings, pipeline, facts, &read),
    });
    Report::new(pipelines.collect())
}

fn examine_one(
    settings: &Settings,
    pipeline: &PipelineSettings,
    facts: &Facts,
    read: &drift::Read<'_>,
) -> PipelineReport {
    const UNSEEN: &PipelineFacts = &PipelineFacts {
        stream: Fact::Absent,
        consumer: None,
        function: Fact::Absent,
        mapping: Fact::Absent,
        probe: None,
    };
    let seen = facts.pipelines.get(pipeline.stream.value.as_str()).unwrap_or(UNSEEN);
    let drift = Drift::of(read, seen);
    let case = Case {
        settings,
        pipeline,
        facts,
        seen,
        drift: &drift,
    };
    PipelineReport::new(CHECKS.iter().map(|check| judged(check, &case)).collect())
}

/// Makes a check. Where all was well if the stack's template still held, what was changed outside the stack is what is said, and the fix takes
/// that back: a deployment would not.
fn judged(check: &'static Check, case: &Case<'_>) -> Judged {
    let judge = |seen: &PipelineFacts| (check.judge)(&Case { seen, ..*case });
    let mut outcome = judge(case.seen);
    let mut changes = Vec::new();
    let trouble = outcome.trouble();
    let (Outcome::Warn { evidence, fix } | Outcome::Fail { evidence, fix }) = &mut outcome else {
        return Judged {
            check,
            outcome,
            changes,
        };
    };
    match case.drift {
        Drift::Known(known) if known.count() > 0 => {
            let undone = |which: &dyn Fn(usize) -> bool| judge(&known.undone(case.seen, which)).trouble();
            let cured = undone(&|_| true);
            if cured.is_some() && cured < trouble {
                let all = 0..known.count();
                let needed = |index: &usize| undone(&|other| other != *index) != cured;
                changes = all.clone().filter(needed).collect();
                if changes.is_empty() {
                    changes = all.collect();
                }
                let told = known.told(&changes);
                evidence.extend(told.map(|difference| format!("changed outside the stack: {difference}")));
                *fix = known.commands(case, &changes);
            }
        }
        Drift::Unknown(Outcome::Unknown { missing_action, .. })
            if fix.iter().any(|step| step.contains("k2m deploy")) =>
        {
            let allow = missing_action
                .as_ref()
                .map(|action| format!("allow {action} and "))
                .unwrap_or_default();
            fix.push(format!(
                "if k2m deploy says that nothing changes, it was changed outside the stack: {allow}ask again"
            ));
        }
        _ => {}
    }
    Judged {
        check,
        outcome,
        changes,
    }
}

/// Why what MSK would tell can't be judged.
const NOT_MSK: &str =
    "the Kafka is not MSK, so that nothing of AWS tells of it: the function is asked, see K2M-P01 to K2M-P03";

/// What the checks look at.
#[derive(Clone, Copy)]
struct Case<'a> {
    settings: &'a Settings,
    pipeline: &'a PipelineSettings,
    facts: &'a Facts,
    /// What of the facts is the pipeline's.
    seen: &'a PipelineFacts,
    drift: &'a Drift,
}

impl<'a> Case<'a> {
    /// The stack, where it is one of k2m's; else why what belongs to it can't be judged.
    fn stack(&self) -> Result<&'a Stack, Outcome> {
        match &self.facts.stack {
            Fact::Found { value } if value.made_by_k2m => Ok(value),
            Fact::Found { .. } => Err(Outcome::skip("the stack of this name is not of k2m")),
            Fact::Absent => Err(Outcome::skip("nothing is deployed")),
            Fact::Unreadable(_) => Err(Outcome::skip("the stack could not be read, see K2M-L01")),
        }
    }

    /// The function, else why nothing of it can be judged.
    fn function(&self) -> Result<&'a Function, Outcome> {
        self.stack()?;
        match &self.seen.function {
            Fact::Found { value } => Ok(value),
            Fact::Absent => Err(Outcome::skip("the stack has no function")),
            Fact::Unreadable(_) => Err(Outcome::skip("the function could not be read, see K2M-L02")),
        }
    }

    /// The mapping, else why nothing of it can be judged.
    fn mapping(&self) -> Result<&'a Mapping, Outcome> {
        self.stack()?;
        match &self.seen.mapping {
            Fact::Found { value } => Ok(value),
            Fact::Absent => Err(Outcome::skip("the stack has no event source mapping")),
            Fact::Unreadable(_) => Err(Outcome::skip("the event source mapping could not be read, see K2M-E02")),
        }
    }

    /// The cluster, else why nothing of it can be judged.
    fn cluster(&self) -> Result<&'a Cluster, Outcome> {
        if self.settings.cluster().is_none() {
            return Err(Outcome::skip(NOT_MSK));
        }
        match &self.facts.cluster {
            Fact::Found { value } => Ok(value),
            Fact::Absent => Err(Outcome::skip("there is no cluster")),
            Fact::Unreadable(_) => Err(Outcome::skip("the cluster could not be read, see K2M-N01")),
        }
    }

    /// A variable of the function that holds something.
    fn variable(&self, name: &str) -> Option<&'a str> {
        let variables: &BTreeMap<String, String> = &self.seen.function.found()?.variables;
        variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The brokers that the function begins with.
    fn servers(&self) -> Vec<Server<'a>> {
        let list = self.variable("K2M_BOOTSTRAP_SERVERS").unwrap_or_default();
        let servers = list.split(',').map(str::trim);
        servers
            .filter_map(|text| {
                let (host, port) = text.rsplit_once(':')?;
                let port = port.parse().ok()?;
                Some(Server { text, host, port })
            })
            .collect()
    }

    /// `k2m deploy` of the stack with these options more, which stand for what was said before: what was said with flags has to be said again,
    /// what k2m.yaml and the environment say is heard by itself. Where the pipeline was found without them, what its function is told stands for them.
    fn deploy(&self, more: &[(&str, &str)]) -> String {
        fn heard<T>(setting: &Setting<T>) -> bool {
            matches!(setting.source, Source::File { .. } | Source::Environment(_))
        }
        fn flag<T>(setting: &Setting<T>) -> bool {
            matches!(setting.source, Source::Flag(_))
        }
        fn word(on: bool) -> &'static str {
            if on { "true" } else { "false" }
        }
        let (settings, pipeline) = (self.settings, self.pipeline);
        if settings.pipelines.len() > 1 {
            return self.deploy_several(more);
        }
        let mut command = Command::new("k2m deploy");
        let (kafka, kafka_flag, kafka_value) = match &settings.kafka {
            Kafka::Cluster(cluster) => (&cluster.source, "--cluster", cluster.value.to_string()),
            Kafka::BootstrapServers(servers) => (&servers.source, "--bootstrap-servers", servers.value.to_string()),
        };
        let kafka_heard = matches!(kafka, Source::File { .. } | Source::Environment(_));
        let blocks = settings.broker_cidrs.as_ref().filter(|blocks| flag(blocks));
        let blocks: Vec<String> = blocks
            .iter()
            .flat_map(|blocks| blocks.value.iter().map(ToString::to_string))
            .collect();
        let blocks = blocks.join(",");
        let file = [&pipeline.stream.source, kafka]
            .into_iter()
            .find_map(|source| match source {
                Source::File { path, .. } if path != "k2m.yaml" => Some(path),
                _ => None,
            });
        if let Some(path) = file {
            command = command.option("--config", path);
        }
        let mut options = vec![
            (!heard(&pipeline.stream), "--stream", pipeline.stream.value.as_str()),
            (!kafka_heard, kafka_flag, kafka_value.as_str()),
            (!blocks.is_empty(), "--broker-cidrs", blocks.as_str()),
            (
                flag(&settings.public_access),
                "--public-access",
                word(settings.public_access.value),
            ),
            (flag(&pipeline.topic), "--topic", pipeline.topic.value.as_str()),
            (flag(&settings.stack), "--stack", settings.stack.value.as_str()),
            (
                flag(&pipeline.on_poison),
                "--on-poison",
                pipeline.on_poison.value.name(),
            ),
            (
                pipeline.dead_letter_topic.as_ref().is_some_and(flag),
                "--dead-letter-topic",
                pipeline
                    .dead_letter_topic
                    .as_ref()
                    .map_or("", |topic| topic.value.as_str()),
            ),
            (
                flag(&pipeline.payload.strict_order),
                "--strict-order",
                word(pipeline.payload.strict_order.value),
            ),
        ];
        let found = !heard(&pipeline.stream) && !kafka_heard;
        let way = said_or_told(
            settings.authentication.as_ref(),
            |way| way.value.name(),
            || self.told_way().filter(|_| found),
        );
        let replaced = |name: &str| more.iter().any(|(more, _)| *more == name);
        // A secret belongs to its way.
        let secret = settings.secret.as_ref();
        let secret = said_or_told(
            secret,
            |secret| secret.value.as_str(),
            || self.variable("K2M_SECRET_ARN").filter(|_| found),
        );
        let secret = secret.filter(|_| !replaced("--authentication"));
        let ca = settings.ca_secret.as_ref();
        let ca = said_or_told(
            ca,
            |secret| secret.value.as_str(),
            || self.variable("K2M_CA_SECRET_ARN").filter(|_| found),
        );
        let shown = [("--authentication", way), ("--secret", secret), ("--ca-secret", ca)];
        options.extend(shown.map(|(name, value)| (value.is_some(), name, value.unwrap_or_default())));
        for (given, name, value) in options {
            if given && !replaced(name) {
                command = command.option(name, value);
            }
        }
        for (name, value) in self.payload(found) {
            if !replaced(&name) {
                command = command.option(&name, &value);
            }
        }
        for (name, value) in more {
            command = command.option(name, value);
        }
        command.to_string()
    }

    /// The same of a stack with several pipelines: what is of one of them has its place in the list of k2m.yaml, since a flag would be for all, and a
    /// stream that is not said again would be taken away.
    fn deploy_several(&self, more: &[(&str, &str)]) -> String {
        let (settings, pipeline) = (self.settings, self.pipeline);
        let mut command = Command::new("k2m deploy");
        match &pipeline.stream.source {
            Source::File { path, .. } if path != "k2m.yaml" => command = command.option("--config", path),
            Source::File { .. } | Source::Environment(_) => {}
            Source::Flag(_) | Source::Default => command = command.option("--config", "k2m.yaml"),
        }
        if matches!(settings.stack.source, Source::Flag(_)) && matches!(pipeline.stream.source, Source::File { .. }) {
            command = command.option("--stack", &settings.stack.value);
        }
        let of_stack = |name: &str| TABLE.iter().any(|row| row.of_stack() && row.flag() == name);
        let mut own = Vec::new();
        for (name, value) in more {
            // A topic that is missing is missing whoever asks.
            if of_stack(name) || *name == "--create-topic" {
                command = command.option(name, value);
            } else {
                own.push(format!(
                    "`{}: {value}`",
                    name.trim_start_matches("--").replace('-', "_")
                ));
            }
        }
        if own.is_empty() {
            return command.to_string();
        }
        format!(
            "set {} in the pipeline of {} in k2m.yaml, then {command}",
            own.join(" and "),
            pipeline.stream.value.name()
        )
    }

    /// The payload's options: those that were said with flags, and what the function is told where nobody said anything.
    fn payload(&self, found: bool) -> Vec<(String, String)> {
        let settings = self.pipeline.payload.settings();
        let mut options = Vec::new();
        for row in TABLE.iter().filter(|row| Payload::NAMES.contains(&row.name)) {
            let setting = settings.iter().find(|(one, ..)| one.name == row.name);
            let value = match setting {
                Some((_, text, Source::Flag(_))) => Some(text.clone()),
                Some((_, _, Source::Default)) | None if found => self.variable(&row.variable()).map(str::to_owned),
                _ => None,
            };
            options.extend(value.map(|value| (row.flag(), value)));
        }
        options
    }

    /// The function's authentication, where a deployment might choose another by itself.
    fn told_way(&self) -> Option<&'a str> {
        let told = self.variable("K2M_AUTHENTICATION")?;
        let mut known = Authentication::ALL.into_iter();
        known
            .any(|way| way != Authentication::Iam && way.name() == told)
            .then_some(told)
    }

    /// The deployment that gives a setting another value, and how to make that last.
    fn setting(&self, name: &str, value: &str) -> [String; 2] {
        let flag = format!("--{}", name.replace('_', "-"));
        let of_stack = TABLE.iter().any(|row| row.of_stack() && row.name == name);
        let lasting = if of_stack || self.settings.pipelines.len() == 1 {
            format!("to make it last: `{name}: {value}` in k2m.yaml")
        } else {
            format!("`{name}: {value}` outside `pipelines` is for each of them")
        };
        [self.deploy(&[(&flag, value)]), lasting]
    }

    /// `k2m destroy` of this pipeline.
    fn destroy(&self) -> String {
        Command::new("k2m destroy")
            .option("--stack", &self.settings.stack.value)
            .option("--region", &self.settings.home.region)
            .to_string()
    }

    /// What brings back a resource of the stack that was deleted by another hand, and with it the mapping.
    fn anew(&self, evidence: String) -> Outcome {
        let mut fix = if self.settings.pipelines.len() == 1 {
            vec![self.destroy(), self.deploy(&[])]
        } else {
            // The other pipelines work on.
            let deploy = self.deploy(&[]);
            vec![
                format!(
                    "take the pipeline of {} out of k2m.yaml, and run `{deploy}`: it lets go what is left of it",
                    self.pipeline.stream.value.name()
                ),
                "put it back, and run it once more:".to_owned(),
                deploy,
            ]
        };
        fix.push(if self.settings.pipelines.len() == 1 {
            "the new mapping begins at the starting position: to begin where the old one ended, add --starting-position AT_TIMESTAMP and \
             --starting-timestamp with a time before the last record that arrived"
                .to_owned()
        } else {
            "the new mapping begins at the starting position: to begin where the old one ended, give the pipeline `starting_position: AT_TIMESTAMP` and \
             `starting_timestamp` with a time before the last record that arrived"
                .to_owned()
        });
        Outcome::Fail {
            evidence: vec![
                evidence,
                "changed outside the stack: it was deleted; CloudFormation takes it to be there, so k2m deploy does not make it again"
                    .to_owned(),
            ],
            fix,
        }
    }

    /// The physical id of a resource of this pipeline, by the end of its logical id; where it is the stack's only pipeline, whatever that begins with.
    fn resource(&self, end: &str) -> Option<&'a String> {
        let resources = &self.facts.stack.found()?.resources;
        let own = resources.get(&format!("{}{end}", pipeline_id(&self.pipeline.stream.value)));
        let only = self.settings.pipelines.len() == 1;
        own.or_else(|| {
            resources
                .iter()
                .filter(|_| only)
                .find(|(logical, _)| logical.ends_with(end))
                .map(|(_, id)| id)
        })
    }

    /// What is known of a topic, by its name.
    fn topic(&self, name: &str) -> Option<&'a Fact<Topic>> {
        self.facts.topics.get(name)
    }

    /// The function's authentication, as [`crate::settings::Authentication`] names it; the handler's default where it isn't told.
    fn authentication(&self) -> &'a str {
        self.variable("K2M_AUTHENTICATION").unwrap_or("tls")
    }
}

/// What has to be said again of a setting: a flag's, or what the function is told where nobody said anything.
fn said_or_told<'s, T>(
    setting: Option<&'s Setting<T>>,
    said: impl FnOnce(&'s Setting<T>) -> &'s str,
    told: impl FnOnce() -> Option<&'s str>,
) -> Option<&'s str> {
    match setting {
        Some(setting) if matches!(setting.source, Source::Flag(_)) => Some(said(setting)),
        Some(_) => None,
        None => told(),
    }
}

/// `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Server<'a> {
    text: &'a str,
    host: &'a str,
    port: u16,
}

/// The value, or the outcome that stands in its place.
macro_rules! given {
    ($value:expr) => {
        match $value {
            Ok(value) => value,
            Err(outcome) => return outcome,
        }
    };
}
use given;

#[cfg(test)]
pub(crate) mod tests;

//! What the checks look at of one pipeline, and the commands that they name.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::Outcome;
use super::drift::Drift;
use super::mend::{Deployment, Mend};
use super::whole::Whole;
use crate::facts::deployed::pipeline_id;
use crate::facts::{Cluster, Fact, Facts, Function, Mapping, PipelineFacts, Stack, Topic};
use crate::plan::{Plan, PlanError};
use crate::settings::{Authentication, Kafka, Listed, Payload, PipelineSettings, Setting, Settings, Source, TABLE};
use crate::shell::Command;

/// Why what MSK would tell can't be judged.
pub(super) const NOT_MSK: &str =
    "the Kafka is not MSK, so that nothing of AWS tells of it: the function is asked, see K2M-P01 to K2M-P03";

/// The authentication of a function that k2m did not deploy, where its servers don't say it.
pub(super) const UNKNOWN_WAY: &str = "unknown";
/// Stands where the person puts an ARN in.
pub(super) const OPEN: &str = "ARN";

/// What the checks look at.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) settings: &'a Settings,
    pub(super) pipeline: &'a PipelineSettings,
    pub(super) facts: &'a Facts,
    /// What of the facts is the pipeline's.
    pub(super) seen: &'a PipelineFacts,
    pub(super) drift: &'a Drift,
    /// What a deployment would come to, where nothing is deployed yet.
    pub(super) planned: Option<&'a Result<Plan, PlanError>>,
    /// What k2m can do itself of the steps that are said.
    pub(super) offered: &'a RefCell<Vec<Mend>>,
}

impl<'a> Case<'a> {
    /// The stack, where it is one of k2m's; else why what belongs to it can't be judged.
    pub(super) fn stack(&self) -> Result<&'a Stack, Outcome> {
        self.not_foreign(": there is no stack of k2m's to judge it by")?;
        match &self.facts.stack {
            Fact::Found { value } if value.made_by_k2m => Ok(value),
            Fact::Found { .. } => Err(Outcome::skip("the stack of this name is not of k2m")),
            Fact::Absent => Err(Outcome::skip("nothing is deployed")),
            Fact::Unreadable(_) => Err(Outcome::skip("the stack could not be read, see K2M-L01")),
        }
    }

    /// Why neither function nor mapping can be judged, where that is so: nothing of k2m's is deployed, and no function was named.
    pub(super) fn deployed(&self) -> Result<(), Outcome> {
        if self.foreign().is_some() {
            return Ok(());
        }
        self.stack().map(drop)
    }

    /// The function, else why nothing of it can be judged.
    pub(super) fn function(&self) -> Result<&'a Function, Outcome> {
        self.deployed()?;
        match &self.seen.function {
            Fact::Found { value } => Ok(value),
            Fact::Absent if self.foreign().is_some() => Err(Outcome::skip("the function is not there")),
            Fact::Absent => Err(Outcome::skip("the stack has no function")),
            Fact::Unreadable(_) => Err(Outcome::skip("the function could not be read, see K2M-L02")),
        }
    }

    /// The mapping, else why nothing of it can be judged.
    pub(super) fn mapping(&self) -> Result<&'a Mapping, Outcome> {
        self.deployed()?;
        match &self.seen.mapping {
            Fact::Found { value } => Ok(value),
            Fact::Absent if self.foreign().is_some() => Err(Outcome::skip(
                "no event source mapping lets the function read this stream",
            )),
            Fact::Absent => Err(Outcome::skip("the stack has no event source mapping")),
            Fact::Unreadable(_) => Err(Outcome::skip("the event source mapping could not be read, see K2M-E02")),
        }
    }

    /// The cluster, else why nothing of it can be judged.
    pub(super) fn cluster(&self) -> Result<&'a Cluster, Outcome> {
        if self.settings.cluster().is_none() {
            return Err(Outcome::skip(NOT_MSK));
        }
        match &self.facts.cluster {
            Fact::Found { value } => Ok(value),
            Fact::Absent => Err(Outcome::skip("there is no cluster")),
            Fact::Unreadable(_) => Err(Outcome::skip("the cluster could not be read, see K2M-N01")),
        }
    }

    /// The step of a fix that this is. Said as a step of its own, it is what `k2m doctor --fix` does.
    pub(super) fn offer(&self, mend: Mend) -> String {
        let step = mend.to_string();
        self.offered.borrow_mut().push(mend);
        step
    }

    /// A variable of the function that holds something.
    pub(super) fn variable(&self, name: &str) -> Option<&'a str> {
        let variables: &BTreeMap<String, String> = &self.seen.function.found()?.variables;
        variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable as the stack's template has it, where that is known: what another hand gave the function is not said again.
    fn deployed_variable(&self, name: &str) -> Option<String> {
        let changed = self.drift.known().filter(|known| !known.variables().is_empty());
        let undone = changed.map(|known| known.undone(self.seen, |_| true));
        let function = undone.as_ref().unwrap_or(self.seen).function.found()?;
        let value = function.variables.get(name).cloned();
        value.filter(|value| !value.is_empty())
    }

    /// The brokers that the function begins with.
    pub(super) fn servers(&self) -> Vec<Server<'a>> {
        let said = self.foreign().and_then(|foreign| foreign.servers.found());
        let list = said.map(|said| said.value.as_str());
        let list = list
            .or_else(|| self.variable("K2M_BOOTSTRAP_SERVERS"))
            .unwrap_or_default();
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
    pub(super) fn deploy(&self, more: &[(&str, &str)]) -> String {
        match self.foreign() {
            Some(foreign) => self.redeploy(foreign, more),
            None => match self.whole(more) {
                Whole::One => self.deploy_one(more),
                Whole::File => self.deploy_several(more),
                Whole::Flags(streams) => self.offer_deployment(self.said(more, &streams), more),
                Whole::Nowhere(why) => why,
            },
        }
    }

    fn deploy_one(&self, more: &[(&str, &str)]) -> String {
        self.offer_deployment(self.said(more, &[]), more)
    }

    /// What is said again of a deployment of the judged pipeline alone, or of these streams.
    fn said(&self, more: &[(&str, &str)], streams: &[&str]) -> Vec<(String, String)> {
        fn heard<T>(setting: &Setting<T>) -> bool {
            matches!(setting.source, Source::File(_) | Source::Environment(_))
        }
        fn flag<T>(setting: &Setting<T>) -> bool {
            matches!(setting.source, Source::Flag(_))
        }
        fn word(on: bool) -> &'static str {
            if on { "true" } else { "false" }
        }
        let (settings, pipeline) = (self.settings, self.pipeline);
        let mut said = Vec::new();
        let (kafka, kafka_flag, kafka_value) = match &settings.kafka {
            Kafka::Cluster(cluster) => (&cluster.source, "--cluster", cluster.value.to_string()),
            Kafka::BootstrapServers(servers) => (&servers.source, "--bootstrap-servers", servers.value.to_string()),
        };
        let kafka_heard = matches!(kafka, Source::File(_) | Source::Environment(_));
        let blocks = settings.broker_cidrs.as_ref().filter(|blocks| flag(blocks));
        let blocks: Vec<String> = blocks
            .iter()
            .flat_map(|blocks| blocks.value.iter().map(ToString::to_string))
            .collect();
        let blocks = blocks.join(",");
        let file = [&pipeline.stream.source, kafka]
            .into_iter()
            .find_map(|source| match source {
                Source::File(line) if line.path != "k2m.yaml" => Some(&line.path),
                _ => None,
            });
        if let Some(path) = file {
            said.push(("--config".to_owned(), path.clone()));
        }
        let alone = streams.is_empty();
        let mut options = vec![(
            alone && !heard(&pipeline.stream),
            "--stream",
            pipeline.stream.value.as_str(),
        )];
        options.extend(streams.iter().map(|arn| (true, "--stream", *arn)));
        options.extend([
            (!kafka_heard, kafka_flag, kafka_value.as_str()),
            (!blocks.is_empty(), "--broker-cidrs", blocks.as_str()),
            (
                flag(&settings.public_access),
                "--public-access",
                word(settings.public_access.value),
            ),
            (alone && flag(&pipeline.topic), "--topic", pipeline.topic.value.as_str()),
            (
                flag(&settings.stack) || !alone && !heard(&settings.stack),
                "--stack",
                settings.stack.value.as_str(),
            ),
            (
                flag(&pipeline.on_poison),
                "--on-poison",
                pipeline.on_poison.value.name(),
            ),
            (
                alone && pipeline.dead_letter_topic.as_ref().is_some_and(flag),
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
        ]);
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
        let given = options.into_iter().filter(|(given, ..)| *given);
        said.extend(given.map(|(_, name, value)| (name.to_owned(), value.to_owned())));
        said.extend(self.payload(found));
        said.retain(|(name, _)| !replaced(name));
        said
    }

    /// A deployment as a step, which k2m can do itself unless something is still to be put in or decided.
    fn offer_deployment(&self, said: Vec<(String, String)>, more: &[(&str, &str)]) -> String {
        // How the function proves itself is for a person to decide.
        let open = more
            .iter()
            .any(|(name, value)| *value == OPEN || *name == "--authentication");
        let more = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let said_streams = said.iter().any(|(name, _)| name == "--stream");
        let deploy = Mend::Deploy(Deployment {
            said,
            more: more.collect(),
            adds: false,
            by_file: self.several() && !said_streams,
        });
        if open { deploy.to_string() } else { self.offer(deploy) }
    }

    /// The deployment that changes no setting, for what it adds.
    pub(super) fn deployment(&self) -> Option<Mend> {
        let step = self.deploy(&[]);
        let offered = self.offered.borrow();
        offered.iter().find_map(|mend| match mend {
            Mend::Deploy(deployment) if mend.to_string() == step => Some(Mend::Deploy(Deployment {
                adds: true,
                ..deployment.clone()
            })),
            _ => None,
        })
    }

    /// The file of settings that names the pipeline.
    pub(super) fn path(&self) -> &'a str {
        match (&self.pipeline.stream.source, &self.settings.listed) {
            (Source::File(line), _) => &line.path,
            (_, Some(Listed { path, .. })) => path,
            _ => "k2m.yaml",
        }
    }

    /// The same of a stack with several pipelines: what is of one of them has its place in the list of k2m.yaml, since a flag would be for all, and a
    /// stream that is not said again would be taken away.
    pub(super) fn deploy_several(&self, more: &[(&str, &str)]) -> String {
        let (settings, pipeline) = (self.settings, self.pipeline);
        let mut said = Vec::new();
        let path = self.path();
        if path != "k2m.yaml" {
            said.push(("--config".to_owned(), path.to_owned()));
        }
        if matches!(settings.stack.source, Source::Flag(_)) {
            said.push(("--stack".to_owned(), settings.stack.value.clone()));
        }
        let of_stack = |name: &str| TABLE.iter().any(|row| row.of_stack() && row.flag() == name);
        let (mut own, mut of_all) = (Vec::new(), Vec::new());
        for (name, value) in more {
            // A topic that is missing is missing whoever asks.
            if of_stack(name) || *name == "--create-topic" {
                of_all.push((*name, *value));
            } else {
                own.push(format!(
                    "`{}: {value}`",
                    name.trim_start_matches("--").replace('-', "_")
                ));
            }
        }
        let command = self.offer_deployment(said, &of_all);
        if own.is_empty() {
            return command;
        }
        format!(
            "set {} in the pipeline of {} in {path}, then {command}",
            own.join(" and "),
            pipeline.stream.value.name()
        )
    }

    /// The payload's options: those that were said with flags, and what the function is told where nobody said anything.
    pub(super) fn payload(&self, found: bool) -> Vec<(String, String)> {
        let settings = self.pipeline.payload.settings();
        let mut options = Vec::new();
        for row in TABLE.iter().filter(|row| Payload::NAMES.contains(&row.name)) {
            let setting = settings.iter().find(|(one, ..)| one.name == row.name);
            let value = match setting {
                Some((_, text, Source::Flag(_))) => Some(text.clone()),
                Some((_, _, Source::Default)) | None if found => {
                    let told = self.deployed_variable(&row.variable());
                    told.filter(|text| Payload::takes(row.name, text))
                }
                _ => None,
            };
            options.extend(value.map(|value| (row.flag(), value)));
        }
        options
    }

    /// The function's authentication, where a deployment might choose another by itself.
    pub(super) fn told_way(&self) -> Option<&'a str> {
        let told = self.variable("K2M_AUTHENTICATION")?;
        let mut known = Authentication::ALL.into_iter();
        known
            .any(|way| way != Authentication::Iam && way.name() == told)
            .then_some(told)
    }

    /// The deployment that gives a setting another value, and how to make that last.
    pub(super) fn setting(&self, name: &str, value: &str) -> [String; 2] {
        if let Some(foreign) = self.foreign() {
            return self.setting_of_foreign(foreign, name, value);
        }
        let flag = format!("--{}", name.replace('_', "-"));
        let of_stack = TABLE.iter().any(|row| row.of_stack() && row.name == name);
        let lasting = if of_stack || !self.several() {
            format!("to make it last: `{name}: {value}` in k2m.yaml")
        } else {
            format!("`{name}: {value}` outside `pipelines` is for each of them")
        };
        [self.deploy(&[(&flag, value)]), lasting]
    }

    /// `k2m destroy` of this pipeline.
    pub(super) fn destroy(&self) -> String {
        Command::new("k2m destroy")
            .option("--stack", &self.settings.stack.value)
            .option("--region", &self.settings.home.region)
            .to_string()
    }

    /// Steps that take the pipeline away and make it again, with these options more: others of its stack work on meanwhile.
    pub(super) fn made_anew(&self, more: &[(&str, &str)]) -> Vec<String> {
        let name = self.pipeline.stream.value.name();
        match self.whole(&[]) {
            Whole::One => vec![self.destroy(), self.deploy(more)],
            Whole::File => {
                let deploy = self.deploy(&[]);
                vec![
                    format!(
                        "take the pipeline of {name} out of {}, and run `{deploy}`: it lets go what is left of it",
                        self.path()
                    ),
                    "put it back, and run it once more:".to_owned(),
                    self.deploy(more),
                ]
            }
            Whole::Flags(streams) => {
                let own = self.pipeline.stream.value.as_str();
                let others: Vec<&str> = streams.into_iter().filter(|arn| *arn != own).collect();
                // What takes a pipeline away is for a person to run.
                let without = Mend::Deploy(Deployment {
                    said: self.said(&[], &others),
                    more: vec![("--remove".to_owned(), name.to_owned())],
                    ..Deployment::default()
                });
                vec![
                    format!("let go what is left of the pipeline of {name}; the others work on:"),
                    without.to_string(),
                    "then with it again:".to_owned(),
                    self.deploy(more),
                ]
            }
            Whole::Nowhere(why) => vec![why],
        }
    }

    /// What brings back a resource of the stack that was deleted by another hand, and with it the mapping.
    pub(super) fn anew(&self, evidence: String, lost: Option<Mend>) -> Outcome {
        let again = lost.map(|mend| {
            let words = format!("to {}", mend.deed());
            [self.offer(mend), words, "or with another starting position:".to_owned()]
        });
        let steps = self.made_anew(&[]);
        let mut fix: Vec<String> = again.into_iter().flatten().chain(steps).collect();
        fix.push(if self.several() {
            "the new mapping begins at the starting position: to begin where the old one ended, give the pipeline `starting_position: AT_TIMESTAMP` and \
             `starting_timestamp` with a time before the last record that arrived"
                .to_owned()
        } else {
            "the new mapping begins at the starting position: to begin where the old one ended, add --starting-position AT_TIMESTAMP and \
             --starting-timestamp with a time before the last record that arrived"
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
    pub(super) fn resource(&self, end: &str) -> Option<&'a String> {
        let resources = &self.stack().ok()?.resources;
        let own = resources.get(&format!("{}{end}", pipeline_id(&self.pipeline.stream.value)));
        let only = !self.several();
        own.or_else(|| {
            resources
                .iter()
                .filter(|_| only)
                .find(|(logical, _)| logical.ends_with(end))
                .map(|(_, id)| id)
        })
    }

    /// What is known of a topic, by its name.
    pub(super) fn topic(&self, name: &str) -> Option<&'a Fact<Topic>> {
        self.facts.topics.get(name)
    }

    /// The function's authentication, as [`crate::settings::Authentication`] names it; the handler's default where it isn't told.
    /// Of a function that k2m did not deploy what its ports say, or [`UNKNOWN_WAY`].
    pub(super) fn authentication(&self) -> &'a str {
        let told = self.variable("K2M_AUTHENTICATION");
        match self.foreign() {
            Some(_) => told.or_else(|| self.way_by_port()).unwrap_or(UNKNOWN_WAY),
            None => match self.planned {
                Some(Ok(plan)) => plan.cluster.authentication.name(),
                _ => told.unwrap_or("tls"),
            },
        }
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
pub(super) struct Server<'a> {
    pub(super) text: &'a str,
    pub(super) host: &'a str,
    pub(super) port: u16,
}

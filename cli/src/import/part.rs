//! One mapping with its function as settings of a pipeline. Pure.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::document::Node;
use super::found::{Function, Mapping};
use super::kafka::{Kafka, Said};
use super::notes::Notes;
use super::referring;
use super::resolve::{Gap, Scope};
use super::{Carried, From, ImportError, Project};
use crate::settings::check;
use crate::shell::Command;
use crate::shown::shown;

/// Shorter than this the function has no time to connect, to be told of the topics and to try again (doctor's K2M-L03 says the same of others' functions).
const LEAST_SECONDS: u32 = 30;

/// Properties of a mapping whose text is a setting's.
const PLAIN: [(&str, &str); 7] = [
    ("BatchSize", "batch_size"),
    ("MaximumBatchingWindowInSeconds", "batching_window"),
    ("ParallelizationFactor", "parallelization_factor"),
    ("MaximumRetryAttempts", "retries"),
    ("MaximumRecordAgeInSeconds", "maximum_record_age"),
    ("BisectBatchOnFunctionError", "bisect"),
    ("Enabled", "enabled"),
];

/// What Lambda does where a mapping says nothing, and k2m otherwise.
const SILENT: [(&str, &str, &str); 5] = [
    ("batch_size", "100", "1000: small batches waste invocations"),
    ("batching_window", "0", "1: a second lets a batch fill"),
    (
        "bisect",
        "false",
        "true: a batch that fails is halved until one record is left to blame",
    ),
    (
        "retries",
        "-1, without end",
        "100: a record that the topic can never take would hold its shard up until the stream forgets it, and all that came with it; --retries -1 keeps it",
    ),
    (
        "maximum_record_age",
        "-1, without end",
        "7 days, or the stream's retention where that is shorter: what is given up goes to the failure destination, before the stream forgets it; --maximum-record-age -1 keeps it",
    ),
];

/// The same of a function.
const MEMORY: (&str, &str, &str) = ("memory", "128", "256: processing power follows memory");

/// Properties of a mapping that are looked at one by one.
const OF_MAPPING: [&str; 9] = [
    "Stream",
    "EventSourceArn",
    "FunctionName",
    "StartingPosition",
    "StartingPositionTimestamp",
    "DestinationConfig",
    "FunctionResponseTypes",
    "TumblingWindowInSeconds",
    "FilterCriteria",
];

/// Properties of a function that say nothing k2m could lack.
const OF_FUNCTION: [&str; 18] = [
    "Timeout",
    "MemorySize",
    "VpcConfig",
    "Environment",
    "Events",
    "Description",
    "Handler",
    "Runtime",
    "CodeUri",
    "Code",
    "InlineCode",
    "PackageType",
    "FunctionName",
    "LoggingConfig",
    "AutoPublishAlias",
    "Tags",
    "PermissionsBoundary",
    "Architectures",
];

/// Why a property of a function is left. All else has no setting.
const WHY: [(&str, &str); 11] = [
    (
        "DeadLetterQueue",
        "it is for asynchronous invocations, and a mapping makes none",
    ),
    (
        "DeadLetterConfig",
        "it is for asynchronous invocations, and a mapping makes none",
    ),
    (
        "EventInvokeConfig",
        "it is for asynchronous invocations, and a mapping makes none",
    ),
    (
        "DeploymentPreference",
        "k2m deploys all at once, and CloudFormation rolls back what fails",
    ),
    ("FileSystemConfigs", "k2m's handler reads no files"),
    ("ImageConfig", "k2m brings its own handler"),
    ("ImageUri", "k2m brings its own handler"),
    ("Layers", "k2m's handler has all that it needs in itself"),
    (
        "Policies",
        "the role's rights follow from the plan: for this stream, this topic and this failure destination alone",
    ),
    (
        "ReservedConcurrentExecutions",
        "k2m has no setting for it: parallelization_factor and the number of shards bound what runs at the same time",
    ),
    (
        "Role",
        "the stack has a role of its own for each pipeline: for this stream, this topic and this failure destination alone",
    ),
];

/// What a mapping reads.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    /// The stream's ARN.
    pub(super) text: String,
    /// The ARN of a consumer of it.
    pub(super) consumer: Option<String>,
    from: From,
}

/// A mapping with all that is known of it.
#[derive(Clone, Copy)]
struct Known<'p> {
    project: &'p Project,
    scope: &'p Scope,
}

/// A mapping on its way to be a pipeline.
pub(super) struct Part<'p> {
    known: Known<'p>,
    /// As it is in the template.
    pub(super) mapping: &'p Mapping,
    /// Where its function writes to.
    pub(super) kafka: &'p Kafka,
    /// What it reads, once that is known.
    pub(super) reads: Option<Reads>,
}

impl<'p> Part<'p> {
    pub(super) fn new(project: &'p Project, mapping: &'p Mapping, kafka: &'p Kafka) -> Self {
        Self {
            known: Known {
                project,
                scope: &project.scope,
            },
            mapping,
            kafka,
            reads: None,
        }
    }

    pub(super) fn flag(&self, setting: &str) -> bool {
        self.known.project.given.flags.contains_key(setting)
    }

    pub(super) fn from(&self, line: usize) -> From {
        From::Template {
            file: self.known.project.path.clone(),
            line,
        }
    }

    /// The stream; nothing where it isn't known.
    pub(super) fn stream(&self, notes: &mut Notes<'_>) -> Result<Option<Reads>, ImportError> {
        let source = &self.mapping.source;
        if let Some(flag) = self.known.project.given.flags.get("stream")
            && self.known.project.mappings.len() == 1
        {
            return Ok(Some(Reads {
                text: flag.clone(),
                consumer: None,
                from: From::Flag("--stream".to_owned()),
            }));
        }
        let text = match self.known.scope.text(source) {
            Ok(Some(text)) => text,
            Ok(None) => {
                let why = ("the mapping names no stream".to_owned(), "give --stream".to_owned());
                notes.open(self.mapping, "stream", why, source.line, true);
                return Ok(None);
            }
            Err(gap) => {
                notes.gap(self.mapping, "stream", &gap, true);
                return Ok(None);
            }
        };
        let (stream, consumer) = match text.split_once("/consumer/") {
            Some((stream, _)) => (stream.to_owned(), Some(text.clone())),
            None => (text.clone(), None),
        };
        self.fits("stream", &stream, source.line)?;
        Ok(Some(Reads {
            text: stream,
            consumer,
            from: self.from(source.line),
        }))
    }

    pub(super) fn fits(&self, setting: &'static str, value: &str, line: usize) -> Result<(), ImportError> {
        check(setting, value).map_err(|reason| ImportError::Value {
            path: self.known.project.path.clone(),
            line,
            setting,
            value: value.to_owned(),
            reason,
        })
    }

    /// Its settings.
    pub(super) fn carry(&self, notes: &mut Notes<'_>) -> Result<Vec<Carried>, ImportError> {
        let mut settings = Vec::new();
        if let Some(reads) = &self.reads {
            settings.push(Carried {
                setting: "stream",
                value: reads.text.clone(),
                from: reads.from.clone(),
            });
            if let Some(consumer) = reads.consumer.as_ref().filter(|_| !self.flag("consumer")) {
                self.fits("consumer", consumer, self.mapping.source.line)?;
                settings.push(Carried {
                    setting: "consumer",
                    value: consumer.clone(),
                    from: reads.from.clone(),
                });
            }
        }
        if let Some(gap) = &self.mapping.open {
            let why = (
                format!("whether this mapping is there: {}", gap.what),
                gap.give.as_ref().map_or_else(
                    || "leave it out with --mapping".to_owned(),
                    |name| format!("give {}", Command::new("--parameter").word(&format!("{name}=VALUE"))),
                ),
            );
            notes.open(self.mapping, "enabled", why, gap.line, false);
        }
        self.topic(&mut settings, notes)?;
        self.plain(&mut settings, notes)?;
        self.position(&mut settings, notes)?;
        self.destination(&mut settings, notes)?;
        self.rest_of_mapping(notes);
        match &self.mapping.function {
            Some(function) => self.function(function, &mut settings, notes)?,
            None => notes.left(
                Some(self.mapping),
                "its function",
                "it is not of this template: memory, time-out and network are k2m's own choice".to_owned(),
                self.mapping.line,
            ),
        }
        settings.retain(|carried| !self.flag(carried.setting));
        Ok(settings)
    }

    fn topic(&self, settings: &mut Vec<Carried>, notes: &mut Notes<'_>) -> Result<(), ImportError> {
        if self.flag("topic") {
            return Ok(());
        }
        let line = self.mapping.line;
        let why = match &self.kafka.topic {
            Said::One(topic, from) => {
                self.fits("topic", topic, line)?;
                settings.push(Carried {
                    setting: "topic",
                    value: topic.clone(),
                    from: from.clone(),
                });
                return Ok(());
            }
            Said::Several(names) => format!("{names} say different things"),
            Said::Nothing => {
                "neither a variable of the function nor a constant in config.py or its code names it, and k2m takes the stream's name".to_owned()
            }
        };
        let give = if self.known.project.mappings.len() > 1 {
            "write `topic` into the pipeline where that is not right"
        } else {
            "give --topic where that is not right"
        };
        notes.open(self.mapping, "topic", (why, give.to_owned()), line, false);
        Ok(())
    }

    /// What Lambda and k2m call by one number or word.
    fn plain(&self, settings: &mut Vec<Carried>, notes: &mut Notes<'_>) -> Result<(), ImportError> {
        for (property, setting) in PLAIN {
            if self.flag(setting) {
                continue;
            }
            let node = self.mapping.properties.get(property);
            let value = match node.map(|node| self.known.scope.text(node)).transpose() {
                Ok(value) => value.flatten().filter(|value| !value.is_empty()),
                Err(gap) => {
                    notes.gap(self.mapping, setting, &gap, false);
                    continue;
                }
            };
            let line = node.map_or(self.mapping.line, |node| node.line);
            let Some(value) = value else {
                if let Some((_, before, after)) = SILENT.iter().find(|(silent, ..)| *silent == setting) {
                    self.silent(setting, before, after, notes);
                }
                continue;
            };
            let value = if matches!(setting, "bisect" | "enabled") {
                boolean(&value)
            } else {
                value
            };
            self.fits(setting, &value, line)?;
            settings.push(Carried {
                setting,
                value,
                from: self.from(line),
            });
        }
        Ok(())
    }

    fn silent(&self, setting: &str, before: &str, after: &str, notes: &mut Notes<'_>) {
        self.note_of(
            setting,
            &format!("{before}, Lambda's default"),
            after,
            self.mapping.line,
            notes,
        );
    }

    /// A change whose words are `value: why`.
    fn note_of(&self, setting: &str, before: &str, words: &str, line: usize, notes: &mut Notes<'_>) {
        let (after, why) = words.split_once(": ").unwrap_or((words, ""));
        notes.changed(self.mapping, setting, (before, after), why, line);
    }

    fn position(&self, settings: &mut Vec<Carried>, notes: &mut Notes<'_>) -> Result<(), ImportError> {
        if self.flag("starting_position") {
            return Ok(());
        }
        let properties = &self.mapping.properties;
        let Some(node) = properties.get("StartingPosition") else {
            return Ok(());
        };
        let position = match self.known.scope.text(node) {
            Ok(position) => position.unwrap_or_default(),
            Err(gap) => {
                notes.gap(self.mapping, "starting_position", &gap, false);
                return Ok(());
            }
        };
        self.fits("starting_position", &position, node.line)?;
        match position.as_str() {
            "LATEST" => self.note_of(
                "starting_position",
                "LATEST",
                "TRIM_HORIZON: with LATEST, what arrives between the end of the old mapping and the first read of the new one is lost; how to take over says what to give instead",
                node.line,
                notes,
            ),
            "AT_TIMESTAMP" => {
                let time = properties.get("StartingPositionTimestamp");
                let seconds = time.map(|time| self.known.scope.text(time)).transpose();
                let text = seconds.ok().flatten().flatten();
                let text = text.and_then(|text| {
                    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite())?;
                    #[expect(clippy::cast_possible_truncation, reason = "parts of a second don't matter, and what is too large is no time")]
                    jiff::Timestamp::from_second(seconds as i64).ok()
                });
                let line = time.map_or(node.line, |time| time.line);
                let Some(time) = text else {
                    let why = (
                        "AT_TIMESTAMP goes with a time, and StartingPositionTimestamp is no number of seconds that is known".to_owned(),
                        "give --starting-position and --starting-timestamp".to_owned(),
                    );
                    notes.open(self.mapping, "starting_timestamp", why, line, false);
                    return Ok(());
                };
                for (setting, value, line) in [
                    ("starting_position", position, node.line),
                    ("starting_timestamp", time.to_string(), line),
                ] {
                    settings.push(Carried {
                        setting,
                        value,
                        from: self.from(line),
                    });
                }
            }
            _ => settings.push(Carried {
                setting: "starting_position",
                value: position,
                from: self.from(node.line),
            }),
        }
        Ok(())
    }

    fn destination(&self, settings: &mut Vec<Carried>, notes: &mut Notes<'_>) -> Result<(), ImportError> {
        const SETTING: &str = "failure_destination";
        if self.flag(SETTING) {
            return Ok(());
        }
        let Some(config) = self.mapping.properties.get("DestinationConfig") else {
            self.note_of(
                SETTING,
                "none",
                "an SNS topic of the stack's own with an SQS queue: what is given up would be lost",
                self.mapping.line,
                notes,
            );
            return Ok(());
        };
        let target = self
            .known
            .scope
            .within(config, &["OnFailure", "Destination"])
            .and_then(|node| Ok(node.map(|node| self.known.scope.text(&node)).transpose()?.flatten()));
        match target {
            Ok(Some(target)) => {
                self.fits(SETTING, &target, config.line)?;
                settings.push(Carried {
                    setting: SETTING,
                    value: target,
                    from: self.from(config.line),
                });
            }
            Ok(None) => {}
            Err(gap) => notes.gap(self.mapping, SETTING, &gap, false),
        }
        Ok(())
    }

    /// What of the mapping has no setting.
    fn rest_of_mapping(&self, notes: &mut Notes<'_>) {
        let properties = &self.mapping.properties;
        let types = properties.get("FunctionResponseTypes");
        let reports = types.is_some_and(|types| {
            let types = self.known.scope.texts(types);
            types.is_ok_and(|types| types.iter().any(|text| text == "ReportBatchItemFailures"))
        });
        let line = types.map_or(self.mapping.line, |types| types.line);
        match (reports, self.kafka.answers_failures) {
            (false, _) => notes.changed(
                self.mapping,
                "partial_failures",
                ("none", "true"),
                "the handler says from which record on a batch failed, so that only these are sent again",
                line,
            ),
            (true, Some(false)) => notes.changed(
                self.mapping,
                "partial_failures",
                ("ReportBatchItemFailures, which the code never answers", "true"),
                "an answer without batchItemFailures counts as success, so that nothing that failed was ever sent again; k2m's handler answers",
                line,
            ),
            (true, _) => {}
        }
        if let Some(filter) = properties.get("FilterCriteria") {
            notes.left(
                Some(self.mapping),
                "FilterCriteria",
                "k2m has no filters: records that were left out will be in the topic too; filter where they are consumed".to_owned(),
                filter.line,
            );
        }
        if let Some(window) = properties.get("TumblingWindowInSeconds")
            && !matches!(
                self.known.scope.text(window).as_ref().map(Option::as_deref),
                Ok(Some("0") | None)
            )
        {
            notes.left(
                Some(self.mapping),
                "TumblingWindowInSeconds",
                "a tumbling window makes Lambda hold state between invocations; k2m keeps none".to_owned(),
                window.line,
            );
        }
        for (name, node) in properties.entries() {
            let known = OF_MAPPING.contains(&name.as_str()) || PLAIN.iter().any(|(property, _)| property == name);
            if !known {
                notes.left(Some(self.mapping), name, no_setting(name), node.line);
            }
        }
    }

    fn function(
        &self,
        function: &Function,
        settings: &mut Vec<Carried>,
        notes: &mut Notes<'_>,
    ) -> Result<(), ImportError> {
        self.size(function, settings, notes)?;
        self.code(function, notes);
        for (what, line) in referring::to(self.known.scope, function) {
            let why = "it refers to the function: it has to go or to follow before that can go";
            notes.left(Some(self.mapping), &what, why.to_owned(), line);
        }
        self.log_retention(function, settings, notes)?;
        for (name, kind, line) in &function.other_events {
            let why = format!(
                "{}: k2m reads Kinesis alone; keep the function for it, or move it",
                shown(kind)
            );
            notes.left(Some(self.mapping), &format!("the event {}", shown(name)), why, *line);
        }
        for (name, node) in function.properties.entries() {
            if OF_FUNCTION.contains(&name.as_str()) {
                continue;
            }
            let why = WHY.iter().find(|(property, _)| property == name);
            let why = why.map_or_else(|| no_setting(name), |(_, why)| (*why).to_owned());
            notes.left(Some(self.mapping), name, why, node.line);
        }
        if let Some(environment) = function.properties.get("Environment") {
            let variables = self.known.scope.within(environment, &["Variables"]).ok().flatten();
            let names: Vec<&str> = variables
                .iter()
                .flat_map(|variables| variables.entries())
                .map(|(name, _)| name.as_str())
                .filter(|name| !self.kafka.used.iter().any(|used| used == name))
                .collect();
            if !names.is_empty() {
                let what = format!("the variables {}", names.join(", "));
                let why = "they were for the old code; k2m's handler has its own".to_owned();
                notes.left(Some(self.mapping), &what, why, environment.line);
            }
        }
        Ok(())
    }

    /// Memory and time-out.
    fn size(&self, function: &Function, settings: &mut Vec<Carried>, notes: &mut Notes<'_>) -> Result<(), ImportError> {
        for (property, setting, default) in [("MemorySize", "memory", "128"), ("Timeout", "timeout", "3")] {
            if self.flag(setting) {
                continue;
            }
            let node = function.properties.get(property);
            let value = match node.map(|node| self.known.scope.text(node)).transpose() {
                Ok(value) => value.flatten(),
                Err(gap) => {
                    notes.gap(self.mapping, setting, &gap, false);
                    continue;
                }
            };
            let line = node.map_or(function.line, |node| node.line);
            let (seconds, said) = value.as_ref().map_or_else(
                || (default, format!("{default} s, Lambda's default")),
                |value| (value.as_str(), format!("{value} s")),
            );
            if setting == "timeout"
                && seconds
                    .parse::<u32>()
                    .is_ok_and(|seconds| (1..LEAST_SECONDS).contains(&seconds))
            {
                self.note_of(
                    setting,
                    &said,
                    "60 s: connecting, metadata and one retry take longer, and an invocation that is cut off hides the cause of every failure",
                    line,
                    notes,
                );
                continue;
            }
            let Some(value) = value else {
                let (_, before, after) = MEMORY;
                self.note_of(setting, &format!("{before}, Lambda's default"), after, line, notes);
                continue;
            };
            self.fits(setting, &value, line)?;
            settings.push(Carried {
                setting,
                value,
                from: self.from(line),
            });
        }
        Ok(())
    }

    /// What the function's own code did.
    fn code(&self, function: &Function, notes: &mut Notes<'_>) {
        let text = |name: &str| {
            let node = function.properties.get(name);
            node.and_then(|node| self.known.scope.text(node).ok().flatten())
        };
        let runtime = text("Runtime").map_or_else(|| "an image".to_owned(), |runtime| shown(&runtime));
        let what = format!("the function's own code ({runtime})");
        notes.left(
            Some(self.mapping),
            &what,
            "k2m brings its own handler: the bytes of a record as they are, keyed by its partition key, with headers that name it; what the code did to them \
             (docs/payload.md has what k2m can), it does no more"
                .to_owned(),
            function.line,
        );
        if let Some(file) = &self.kafka.no_flush {
            self.note_of(
                "delivery",
                &format!("{} sends without a flush", shown(file)),
                "an answer for what the brokers have acknowledged: what is on its way when an invocation ends is frozen with the sandbox, and lost without a word",
                function.line,
                notes,
            );
        }
        if let Some(name) = function.properties.get("FunctionName") {
            notes.left(
                Some(self.mapping),
                "FunctionName",
                "CloudFormation names k2m's functions: what refers to the old name (dashboards, alarms) has to follow"
                    .to_owned(),
                name.line,
            );
        }
    }

    /// How long its logs are kept, where the template has its log group.
    fn log_retention(
        &self,
        function: &Function,
        settings: &mut Vec<Carried>,
        notes: &mut Notes<'_>,
    ) -> Result<(), ImportError> {
        if self.flag("log_retention") {
            return Ok(());
        }
        let scope = self.known.scope;
        let own = function
            .properties
            .get("LoggingConfig")
            .map(|config| scope.names(config))
            .unwrap_or_default();
        let group = scope.section("Resources").iter().find(|(id, resource)| {
            let names = resource
                .get("Properties")
                .and_then(|properties| properties.get("LogGroupName"));
            scope.kind(id) == Some("AWS::Logs::LogGroup")
                && (own.contains(id) || names.is_some_and(|name| scope.names(name).contains(&function.id)))
        });
        let days = group.and_then(|(_, group)| group.get("Properties")?.get("RetentionInDays"));
        let Some(days) = days else { return Ok(()) };
        match scope.text(days) {
            Ok(Some(value)) => {
                self.fits("log_retention", &value, days.line)?;
                settings.push(Carried {
                    setting: "log_retention",
                    value,
                    from: self.from(days.line),
                });
            }
            Ok(None) => {}
            Err(gap) => notes.gap(self.mapping, "log_retention", &gap, false),
        }
        Ok(())
    }

    /// A property of its function, and the line that it is in.
    fn of_function(&self, name: &str) -> Option<(&Rc<Node>, usize)> {
        let node = self.mapping.function.as_ref()?.properties.get(name)?;
        Some((node, node.line))
    }

    /// Tags as a setting has them: SAM's mapping, or CloudFormation's list. What no tag of k2m's can be is noted.
    pub(super) fn tags(&self, notes: &mut Notes<'_>) -> Option<(String, usize)> {
        const SETTING: &str = "tags";
        let (node, line) = self.of_function("Tags")?;
        let scope = self.known.scope;
        let reduced = match scope.reduce(node) {
            Ok(reduced) => reduced?,
            Err(gap) => {
                notes.gap(self.mapping, SETTING, &gap, false);
                return None;
            }
        };
        let mut pairs: Vec<(Rc<Node>, Rc<Node>)> = Vec::new();
        for (key, value) in reduced.entries() {
            pairs.push((Node::text(value.line, key.as_str()), Rc::clone(value)));
        }
        for item in reduced.items() {
            let part = |name: &str| scope.within(item, &[name]);
            match (part("Key"), part("Value")) {
                (Ok(Some(key)), Ok(Some(value))) => pairs.push((key, value)),
                (Err(gap), _) | (_, Err(gap)) => notes.gap(self.mapping, SETTING, &gap, false),
                // AWS::NoValue takes it away.
                _ => {}
            }
        }
        let mut tags = BTreeMap::new();
        for (key, value) in pairs {
            let (key, value) = match (scope.text(&key), scope.text(&value)) {
                (Ok(Some(key)), Ok(Some(value))) => (key, value),
                (Err(gap), _) | (_, Err(gap)) => {
                    notes.gap(self.mapping, SETTING, &gap, false);
                    continue;
                }
                _ => continue,
            };
            match check(SETTING, &as_json(&BTreeMap::from([(&key, &value)]))) {
                Ok(()) => {
                    tags.insert(key, value);
                }
                Err(why) => notes.left(Some(self.mapping), &format!("the tag {}", shown(&key)), why, line),
            }
        }
        (!tags.is_empty()).then(|| (as_json(&tags), line))
    }

    /// The boundary of the role that SAM makes for its function, or of the role of the template that it has.
    pub(super) fn boundary(&self) -> Result<Option<(String, usize)>, Gap> {
        const PROPERTY: &str = "PermissionsBoundary";
        let scope = self.known.scope;
        let of_role = || {
            let (role, _) = self.of_function("Role")?;
            let names = scope.names(role);
            let mut roles = names.iter().filter(|id| scope.kind(id) == Some("AWS::IAM::Role"));
            scope.resource(roles.next()?)?.get("Properties")?.get(PROPERTY)
        };
        let Some(node) = self.of_function(PROPERTY).map(|(node, _)| node).or_else(of_role) else {
            return Ok(None);
        };
        Ok(scope.text(node)?.map(|text| (text, node.line)))
    }

    /// The processor, where the function says one.
    pub(super) fn architecture(&self) -> Result<Option<(String, usize)>, Gap> {
        let Some((node, line)) = self.of_function("Architectures") else {
            return Ok(None);
        };
        // What holds for all functions stands before what is its own.
        Ok(self.known.scope.texts(node)?.pop().map(|text| (text, line)))
    }

    /// A list of its VPC's configuration; nothing where it has none.
    pub(super) fn in_vpc(&self, name: &str) -> Result<Option<(Vec<String>, usize)>, Gap> {
        let Some(function) = &self.mapping.function else {
            return Ok(None);
        };
        let Some(config) = function.properties.get("VpcConfig") else {
            return Ok(None);
        };
        let Some(node) = self
            .known
            .scope
            .reduce(config)?
            .and_then(|config| config.get(name).cloned())
        else {
            return Ok(None);
        };
        // What holds for all functions and what is a function's own may be the same.
        let mut ids: Vec<String> = Vec::new();
        for id in self.known.scope.texts(&node)? {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok((!ids.is_empty()).then_some((ids, node.line)))
    }
}

/// YAML's other words for true and false, as CloudFormation takes them.
fn boolean(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "true".to_owned(),
        "false" | "no" | "off" => "false".to_owned(),
        _ => text.to_owned(),
    }
}

fn as_json<T: AsRef<str> + Ord + serde::Serialize>(tags: &BTreeMap<T, T>) -> String {
    serde_json::to_string(tags).unwrap_or_default()
}

fn no_setting(name: &str) -> String {
    format!("k2m has no setting for {}", shown(name))
}

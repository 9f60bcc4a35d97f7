//! Which pipelines a deployment has to carry: all that the stack has, whichever are judged. A stream that a deployment does not name is one that it takes away,
//! with its position in the stream and with what waits in its failure queue.

use super::Case;
use crate::facts::{Facts, stream_name};
use crate::plan::{stands, streams_of};
use crate::settings::{Settings, Source, TABLE, default_dead_letter_topic};

/// Settings that no flag says for several pipelines at once: each has its own, or a mapping that is made anew loses its position.
const OF_ONE: [&str; 5] = [
    "--topic",
    "--dead-letter-topic",
    "--consumer",
    "--starting-position",
    "--starting-timestamp",
];

/// What a step begins with that stands where no deployment can be said.
pub(super) const NOT_HERE: &str = "no deployment from here: ";

/// How a deployment of the whole stack is said.
pub(super) enum Whole<'a> {
    /// There is one pipeline.
    One,
    /// A file of settings lists all of them.
    File,
    /// With flags, these streams.
    Flags(Vec<&'a str>),
    /// Not at all: why, and what to do.
    Nowhere(String),
}

/// Streams of the stack's pipelines that are not among the settings, in their order.
pub(super) fn beside<'a>(settings: &Settings, facts: &'a Facts) -> Vec<&'a str> {
    let Some(stack) = facts.stack.found().filter(|stack| stands(stack)) else {
        return Vec::new();
    };
    let judged = |arn: &str| settings.pipelines.iter().any(|one| one.stream.value.as_str() == arn);
    let all = streams_of(stack).into_iter().map(|(_, arn)| arn);
    all.filter(|arn| !judged(arn)).collect()
}

impl<'a> Case<'a> {
    /// Streams of the stack's pipelines that nobody judges here.
    fn beside(&self) -> Vec<&'a str> {
        beside(self.settings, self.facts)
    }

    /// Whether the stack has, or is to have, more than one pipeline.
    pub(super) fn several(&self) -> bool {
        self.settings.pipelines.len() > 1 || !self.beside().is_empty()
    }

    /// How a deployment that carries all of the stack's pipelines is said, with these options more.
    pub(super) fn whole(&self, more: &[(&str, &str)]) -> Whole<'a> {
        let Self { settings, .. } = *self;
        let beside = self.beside();
        let judged = || settings.pipelines.iter().map(|one| one.stream.value.as_str());
        if settings.pipelines.len() == 1 && beside.is_empty() {
            return Whole::One;
        }
        let by_file = |source: &Source| matches!(source, Source::File(_));
        let from_file = settings.pipelines.iter().all(|one| by_file(&one.stream.source));
        if from_file && beside.is_empty() {
            return Whole::File;
        }
        let stack = &settings.stack.value;
        let listed = |arn: &str| {
            let listed = settings.listed.as_ref();
            listed.is_some_and(|listed| listed.streams.iter().any(|one| one.as_str() == arn))
        };
        let path = settings
            .listed
            .as_ref()
            .map_or("k2m.yaml", |listed| listed.path.as_str());
        let unlisted: Vec<&str> = judged()
            .chain(beside.iter().copied())
            .filter(|arn| !listed(arn))
            .collect();
        let by_variable = settings
            .pipelines
            .iter()
            .any(|one| matches!(one.stream.source, Source::Environment(_)));
        if unlisted.is_empty() && by_variable && !settings.left_out.is_empty() {
            return Whole::Nowhere(format!(
                "{NOT_HERE}K2M_STREAM leaves out {}, which the stack {stack} and {path} have too, and a deployment would take that away; unset it, then ask again",
                names(&beside)
            ));
        }
        if unlisted.is_empty() {
            return Whole::File;
        }
        if unlisted.len() < settings.pipelines.len() + beside.len() {
            return Whole::Nowhere(format!(
                "{NOT_HERE}{path} has no pipeline of {}, which the stack {stack} has: a deployment by it would take that away, with its position and what waits in its failure \
                 queue; put it into {path}, then ask again",
                names(&unlisted)
            ));
        }
        if let Some(why) = self.unsayable(&beside, more) {
            return Whole::Nowhere(format!(
                "{NOT_HERE}the stack {stack} has the pipelines of {}, which it must not take away, and no flags say all of them: {why}; list all of \
                 them under `pipelines` in k2m.yaml, with `stack: {stack}`, then ask again",
                names(&unlisted)
            ));
        }
        let stack_order = judged().chain(beside.iter().copied());
        Whole::Flags(stack_order.collect::<Vec<_>>()).sorted()
    }

    /// Why flags can't say what the pipelines have; a flag is for each of them.
    fn unsayable(&self, beside: &[&str], more: &[(&str, &str)]) -> Option<String> {
        let outputs = &self.facts.stack.found()?.outputs;
        if let Some((name, _)) = more.iter().find(|(name, _)| OF_ONE.contains(name)) {
            return Some(format!("{name} would be for each of them"));
        }
        let ids = self.facts.stack.found().map(streams_of).unwrap_or_default();
        // Where each record goes, of those that are judged and of those that aren't.
        let judged = self.settings.pipelines.iter().map(|one| {
            let dead = one.dead_letter_topic.as_ref().map(|topic| topic.value.as_str());
            (one.stream.value.as_str(), Some(one.topic.value.as_str()), dead)
        });
        let others = ids.iter().filter(|(_, arn)| beside.contains(arn)).map(|(id, arn)| {
            let output = |end: &str| outputs.get(&format!("{id}{end}")).map(String::as_str);
            (*arn, output("Topic"), output("DeadLetterTopic"))
        });
        let all: Vec<_> = judged.chain(others).collect();
        for (arn, topic, dead) in &all {
            let stream = stream_name(arn);
            if let Some(topic) = topic.filter(|topic| *topic != stream) {
                return Some(format!("that of {stream} writes to {topic}"));
            }
            if let Some(dead) = dead.filter(|dead| *dead != default_dead_letter_topic(stream)) {
                return Some(format!("what the topic of {stream} can't take goes to {dead}"));
            }
        }
        let diverts = all.iter().filter(|(.., dead)| dead.is_some()).count();
        if diverts > 0 && diverts < all.len() {
            return Some("some of them divert what their topic can't take, and some don't".to_owned());
        }
        self.other_payload(&ids)
    }

    /// What the functions are told of the payload, where by the stack's template they are not told the same.
    fn other_payload(&self, ids: &[(&str, &str)]) -> Option<String> {
        let text = self.facts.stack.found()?.template.as_deref()?;
        let template: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
        let resources = template.get("Resources")?;
        let told = |id: &str, variable: &str| {
            let environment = resources
                .get(format!("{id}Function"))?
                .get("Properties")?
                .get("Environment")?;
            environment.get("Variables")?.get(variable)
        };
        let rows = TABLE
            .iter()
            .filter(|row| crate::settings::Payload::NAMES.contains(&row.name));
        for row in rows {
            let mut each = ids.iter().map(|(id, _)| told(id, &row.variable()));
            let first = each.next()?;
            if each.any(|other| other != first) {
                return Some(format!("their functions have each their own {}", row.name));
            }
        }
        None
    }
}

impl Whole<'_> {
    /// The same streams in one order, whoever of them is judged: what mends one is joined with what mends another.
    fn sorted(self) -> Self {
        match self {
            Self::Flags(mut streams) => {
                streams.sort_unstable();
                Self::Flags(streams)
            }
            other => other,
        }
    }
}

/// Streams by their names, for people.
pub(super) fn names(arns: &[&str]) -> String {
    arns.iter().map(|arn| stream_name(arn)).collect::<Vec<_>>().join(", ")
}

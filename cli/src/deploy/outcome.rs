//! What a deployment or a destruction came to, for people and for programs, and the changes as they are shown before they are confirmed. Pure.

use std::collections::BTreeMap;
use std::fmt;

use k2m_handler::probe::creation::{Became, Outcome};
use serde::Serialize;

use super::names::Names;
use super::network::NetworkOutcome;
use super::port::{Action, Change, Line, Look, PropertyChange};
use crate::plan::topic::shape;

/// What happened to the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Happened {
    /// It is new.
    Created,
    /// It was changed.
    Updated,
    /// It was as it should be.
    Unchanged,
    /// It never worked, was deleted, and is new.
    Replaced,
}

/// A deployment that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// The stack's name.
    pub stack: String,
    /// Its region.
    pub region: String,
    /// What happened to it.
    pub status: Happened,
    /// What changed in it.
    pub changes: Vec<Change>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// What should be known, though nothing stands in the way.
    pub warnings: Vec<String>,
    /// The same of the plan: people were told before they were asked.
    pub plan_warnings: Vec<String>,
    /// Topics that its functions were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<TopicOutcome>,
    /// Network stacks that were deployed before it, or given back after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_stacks: Vec<NetworkOutcome>,
    /// What to do next.
    pub next_step: String,
}

impl fmt::Display for Deployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let happened = match self.status {
            Happened::Created => "is created",
            Happened::Updated => "is updated",
            Happened::Unchanged => "has no changes",
            Happened::Replaced => "is deleted and created again",
        };
        writeln!(f, "The stack {} in {} {happened}.", self.stack, self.region)?;
        self.topics.iter().try_for_each(|topic| writeln!(f, "{topic}."))?;
        networks(f, &self.network_stacks)?;
        let width = self.outputs.keys().map(String::len).max().unwrap_or_default();
        for (key, value) in &self.outputs {
            writeln!(f, "  {key:width$}  {value}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "Warning: {warning}")?;
        }
        if !self.next_step.is_empty() {
            writeln!(f, "Next: {}", self.next_step)?;
        }
        Ok(())
    }
}

/// A topic that a function was asked for, and that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicOutcome {
    /// Its name.
    pub name: String,
    /// Whether the function made it now: else it was there.
    pub created: bool,
    /// Its partitions.
    pub partitions: Option<u32>,
    /// Replicas of each.
    pub replication_factor: Option<u32>,
    /// In what it is not as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
}

impl From<&Became> for TopicOutcome {
    fn from(topic: &Became) -> Self {
        Self {
            name: topic.name.clone(),
            created: topic.outcome == Outcome::Created,
            partitions: topic.partitions.and_then(|count| u32::try_from(count).ok()),
            replication_factor: topic.replication_factor.and_then(|count| u32::try_from(count).ok()),
            differs: topic.differs.clone(),
        }
    }
}

impl fmt::Display for TopicOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.created {
            "is created by the function"
        } else {
            "was there"
        };
        write!(f, "The topic {} {how}", self.name)?;
        if let (Some(partitions), Some(replicas)) = (self.partitions, self.replication_factor) {
            write!(f, ": {}", shape((partitions, Some(replicas))))?;
        }
        match &self.differs {
            Some(differs) => write!(f, " ({differs}, and nothing was changed)"),
            None => Ok(()),
        }
    }
}

/// A destruction that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destroyed {
    /// The stack's name.
    pub stack: String,
    /// Its region.
    pub region: String,
    /// `destroyed`, or `absent` where there was none.
    pub status: &'static str,
    /// Resources that CloudFormation kept, as the template says: logical ids.
    pub kept: Vec<String>,
    /// How many artifacts were removed.
    pub artifacts_removed: usize,
    /// The artifact bucket, where nothing was left in it.
    pub bucket_removed: Option<String>,
    /// Network stacks that it needed something in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_stacks: Vec<NetworkOutcome>,
}

/// A line for each network stack.
fn networks(f: &mut fmt::Formatter<'_>, stacks: &[NetworkOutcome]) -> fmt::Result {
    stacks.iter().try_for_each(|NetworkOutcome { stack, region, status }| {
        writeln!(f, "The network stack {stack} in {region} is {status}.")
    })
}

impl fmt::Display for Destroyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stack, region, .. } = self;
        if self.status == ABSENT {
            writeln!(f, "There is no stack {stack} in {region}.")?;
        } else {
            writeln!(f, "The stack {stack} in {region} is deleted.")?;
        }
        networks(f, &self.network_stacks)?;
        if !self.kept.is_empty() {
            writeln!(f, "  kept: {}", self.kept.join(", "))?;
        }
        if self.artifacts_removed > 0 {
            writeln!(f, "  artifacts removed: {}", self.artifacts_removed)?;
        }
        if let Some(bucket) = &self.bucket_removed {
            writeln!(f, "  artifact bucket removed: {bucket}")?;
        }
        Ok(())
    }
}

/// [`Destroyed::status`] where there was a stack.
pub const DESTROYED: &str = "destroyed";
/// [`Destroyed::status`] where there was none.
pub const ABSENT: &str = "absent";

/// Most characters of a value that are shown.
const LONGEST_VALUE: usize = 60;
/// What CloudFormation says of a value that it learns only when it is done.
const LATER: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";

/// The changes as lines: what goes or is replaced is named one by one, first, with what changes of it; what is made is gathered by its type. `resources` is how many the
/// stack has now, where that is known.
pub fn lines(changes: &[Change], names: &Names, resources: Option<usize>) -> Vec<Line> {
    if changes.is_empty() {
        return vec![Line::new(
            Look::Plain,
            "  no resource changes: only outputs, tags or descriptions of the stack",
        )];
    }
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| (change.action, &change.resource_type, &change.logical_id));
    let mut lines = Vec::new();
    let mut made: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for change in sorted {
        let (word, look) = match change.action {
            Action::Add => {
                made.entry(&change.resource_type).or_default().push(&change.logical_id);
                continue;
            }
            Action::Replace => ("± replaced", Look::Bad),
            Action::MayReplace => ("± may be replaced", Look::Bad),
            Action::Remove => ("- removed", Look::Bad),
            Action::Modify => ("~ changed", Look::Plain),
        };
        let name = names.of(&change.logical_id, &change.resource_type);
        let mut line = format!("  {word}: {name} ({})", change.logical_id);
        let lost = lost(change);
        if !lost.is_empty() {
            line.extend([": ", lost]);
        }
        lines.push(Line::new(look, line));
        lines.extend(change.properties.iter().map(property));
    }
    lines.extend(
        made.iter()
            .map(|(kind, ids)| Line::new(Look::Good, format!("  + to be made: {} ({kind})", ids.join(", ")))),
    );
    let touched = changes.iter().filter(|change| change.action != Action::Add).count();
    let unchanged = resources.map_or(0, |resources| resources.saturating_sub(touched));
    if unchanged > 0 {
        lines.push(Line::new(Look::Faint, format!("  {unchanged} unchanged")));
    }
    lines
}

/// A property with its value before and after.
fn property(change: &PropertyChange) -> Line {
    let shown = |value: &Option<String>| match value.as_deref() {
        None => "(nothing)".to_owned(),
        Some(LATER) => "(known when it is done)".to_owned(),
        Some(value) if value.chars().count() > LONGEST_VALUE => {
            let begin: String = value.chars().take(LONGEST_VALUE).collect();
            format!("{begin}…")
        }
        Some(value) => value.to_owned(),
    };
    let PropertyChange {
        path,
        before,
        after,
        replaces,
    } = change;
    let mut text = format!("      {path}");
    // Of a secret, or by an older CloudFormation, neither is told.
    if before.is_some() || after.is_some() {
        text += &format!(": {} -> {}", shown(before), shown(after));
    }
    if *replaces {
        text += " (which replaces it)";
    }
    Line::new(if *replaces { Look::Bad } else { Look::Plain }, text)
}

/// What is lost with the resource that goes; empty where that is nothing that anybody would miss.
pub(super) fn lost(change: &Change) -> &'static str {
    match (change.action, change.resource_type.as_str()) {
        (Action::Replace | Action::MayReplace, MAPPING) => {
            "with a new one, its position in the stream is lost: it begins at its starting position"
        }
        (Action::Remove, MAPPING) => "its position in the stream is lost",
        (Action::Replace | Action::MayReplace | Action::Remove, QUEUE) => "the messages in it are lost",
        _ => "",
    }
}

/// What keeps the messages of the stack's own failure destination.
pub(super) const QUEUE: &str = "AWS::SQS::Queue";
/// What keeps the position in the stream.
pub(super) const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_property_by_property() {
        let property = |path: &str, before: Option<&str>, after: Option<&str>, replaces| PropertyChange {
            path: path.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            replaces,
        };
        let change = |action, logical_id: &str, kind: &str, properties: Vec<PropertyChange>| Change {
            action,
            logical_id: logical_id.to_owned(),
            resource_type: kind.to_owned(),
            properties,
        };
        let changes = [
            change(
                Action::Modify,
                "OrdersMapping",
                MAPPING,
                vec![
                    property("BatchSize", Some("100"), Some("500"), false),
                    property("FilterCriteria", None, Some(&"x".repeat(80)), false),
                    property("Tags", None, None, false),
                ],
            ),
            change(
                Action::Replace,
                "ClicksMapping",
                MAPPING,
                vec![
                    property("EventSourceArn", Some("arn:old"), Some("arn:new"), true),
                    property("FunctionName", Some("f"), Some(LATER), false),
                ],
            ),
            change(Action::Remove, "Queue", QUEUE, vec![]),
            change(Action::Add, "Alarm", "AWS::CloudWatch::Alarm", vec![]),
        ];
        let text: Vec<String> = lines(&changes, &Names::default(), Some(44))
            .iter()
            .map(|line| format!("{:5} {}", format!("{:?}", line.look), line.text))
            .collect();
        insta::assert_snapshot!(text.join("\n"));
        assert_eq!(
            lines(&changes[..1], &Names::default(), Some(1)).len(),
            4,
            "nothing is unchanged"
        );
        assert_eq!(lines(&[], &Names::default(), Some(3)).len(), 1);
    }

    #[test]
    fn a_topic_is_told_as_it_is() {
        let topic = |outcome, partitions, differs: Option<&str>| {
            TopicOutcome::from(&Became {
                name: "orders".to_owned(),
                outcome,
                partitions,
                replication_factor: partitions.map(|_| 1),
                differs: differs.map(str::to_owned),
                code: None,
                failure: None,
            })
            .to_string()
        };
        assert_eq!(
            topic(Outcome::Created, Some(3), None),
            "The topic orders is created by the function: 3 partitions, 1 replica of each"
        );
        assert_eq!(
            topic(
                Outcome::Exists,
                Some(1),
                Some("it has 1 partition, and 3 were asked for")
            ),
            "The topic orders was there: 1 partition, 1 replica of each (it has 1 partition, and 3 were asked for, and nothing was changed)"
        );
        assert_eq!(
            topic(Outcome::Created, None, None),
            "The topic orders is created by the function"
        );
    }
}

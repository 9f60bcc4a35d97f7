//! What a deployment or a destruction came to, for people and for programs, and the changes as they are shown before they are confirmed. Pure.

use std::collections::BTreeMap;
use std::fmt;

use k2m_handler::probe::creation::{Became, Outcome};
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::columns::{hung, shortened};
use super::machine::Job;
use super::names::Names;
use super::network::NetworkOutcome;
use super::port::{Action, Change, Line, Look, PropertyChange, Resource};
use super::verify::Verified;
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
    /// CloudFormation is at work on it, and nobody waits.
    Begun,
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
    /// Whether its pipelines deliver, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verified: Vec<Verified>,
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
            Happened::Begun => "is left to CloudFormation, which is at work on it",
        };
        writeln!(f, "The stack {} in {} {happened}.", self.stack, self.region)?;
        self.topics.iter().try_for_each(|topic| writeln!(f, "{topic}."))?;
        networks(f, &self.network_stacks)?;
        let width = self.outputs.keys().map(String::len).max().unwrap_or_default();
        for (key, value) in &self.outputs {
            writeln!(f, "  {key:width$}  {value}")?;
        }
        self.verified.iter().try_for_each(|verified| write!(f, "{verified}"))?;
        for warning in &self.warnings {
            writeln!(f, "Warning: {warning}")?;
        }
        if !self.next_step.is_empty() {
            writeln!(f, "Next: {}", self.next_step)?;
        }
        Ok(())
    }
}

/// What a deployment finds, and does first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// No stack.
    Nothing,
    /// A stack that is updated.
    Stack,
    /// A stack in review, with these change sets, which it deletes.
    InReview(Vec<String>),
    /// A stack of this status, which never worked: it is deleted and created again.
    Replaces(String),
    /// A stack of this status, whose update failed: it is rolled back first, and what changes then is not known before.
    RollsBack(String),
}

/// What a deployment would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The stack's name.
    pub stack: String,
    /// Its region.
    pub region: String,
    /// What it finds.
    pub before: Before,
    /// What of the stack it changes; nothing where that is nothing, or not known yet.
    pub changes: Option<Vec<Change>>,
    /// How many resources the stack has, where that is known.
    pub resources: Option<usize>,
    /// What it asks for beside that.
    pub conditions: Vec<String>,
    /// What people call the resources.
    pub names: Names,
}

impl Planned {
    /// Of nothing yet.
    pub(super) fn new(stack: &str, region: &str, job: &Job<'_>) -> Self {
        Self {
            stack: stack.to_owned(),
            region: region.to_owned(),
            before: Before::Stack,
            changes: None,
            resources: None,
            conditions: job.conditions.clone(),
            names: Names::of_template(job.template),
        }
    }

    /// Whether a deployment would do anything.
    pub fn pending(&self) -> bool {
        self.changes.is_some() || self.before != Before::Stack
    }

    /// How many resources stay as they are, where that is known.
    pub fn unchanged(&self) -> Option<usize> {
        let changes = self.changes.iter().flatten();
        let touched = changes.filter(|change| change.action != Action::Add).count();
        self.resources.map(|resources| resources.saturating_sub(touched))
    }

    /// `create`, `replace`, `rollBack`, `update` or `none`.
    pub fn word(&self) -> &'static str {
        match (&self.before, &self.changes) {
            (Before::Nothing | Before::InReview(_), _) => "create",
            (Before::Replaces(_), _) => "replace",
            (Before::RollsBack(_), _) => "rollBack",
            (Before::Stack, Some(_)) => "update",
            (Before::Stack, None) => "none",
        }
    }

    /// It as lines of at most so many columns.
    pub fn lines(&self, columns: usize) -> Vec<Line> {
        let Self { stack, region, .. } = self;
        let title = match &self.before {
            Before::Nothing => format!("The stack {stack} in {region} would be created, from the template alone:"),
            Before::InReview(_) => format!(
                "The stack {stack} in {region} is in review, and nothing of it was ever created. It would be created, from the template alone:"
            ),
            Before::Replaces(status) => format!(
                "The stack {stack} in {region} is {status} and can't be updated. What is left of it would be deleted, and it would be created again:"
            ),
            Before::RollsBack(status) => format!(
                "The stack {stack} in {region} is {status}: it would be rolled back first. What would be updated then is known when that is done."
            ),
            Before::Stack if self.changes.is_some() => format!("The stack {stack} in {region} would be updated:"),
            Before::Stack => format!("The stack {stack} in {region} has no changes."),
        };
        let plain = |text: String| Line::new(Look::Plain, text);
        let mut all: Vec<Line> = hung("", &title, columns).into_iter().map(plain).collect();
        if let Some(changes) = &self.changes {
            all.extend(lines(changes, &self.names, self.resources, columns));
        }
        let change_sets = match &self.before {
            Before::InReview(change_sets) => change_sets.as_slice(),
            _ => &[],
        };
        let left = change_sets
            .iter()
            .map(|name| format!("deletes the change set {name}, which nobody has executed"));
        for text in self.conditions.iter().cloned().chain(left) {
            all.extend(hung("  ! ", &text, columns).into_iter().map(plain));
        }
        all
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
    /// The same in people's names.
    #[serde(skip)]
    pub kept_by_name: Vec<String>,
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
    stacks.iter().try_for_each(|outcome| write!(f, "{outcome}"))
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
        if !self.kept_by_name.is_empty() {
            writeln!(f, "  kept: {}", self.kept_by_name.join(", "))?;
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

/// What CloudFormation says of a value that it learns only when it is done.
const LATER: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";
/// Most properties of a resource that are shown.
const MOST_PROPERTIES: usize = 12;

/// The changes as lines of at most so many columns: what goes or is replaced is named one by one, first, with what changes of it; what is made is gathered by
/// its pipeline. `resources` is how many the stack has now, where that is known.
pub fn lines(changes: &[Change], names: &Names, resources: Option<usize>, columns: usize) -> Vec<Line> {
    if changes.is_empty() {
        return vec![Line::new(
            Look::Plain,
            "  no resource changes: only outputs, tags or descriptions of the stack",
        )];
    }
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| (change.action, &change.resource_type, &change.logical_id));
    let mut lines = Vec::new();
    let mut made: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for change in sorted {
        let (word, look) = match change.action {
            Action::Add => {
                let noun = names.noun(&change.logical_id, &change.resource_type);
                made.entry(names.stream(&change.logical_id)).or_default().push(noun);
                continue;
            }
            Action::Replace => ("± replaced", Look::Bad),
            Action::MayReplace => ("± may be replaced", Look::Bad),
            Action::Remove => ("- removed", Look::Bad),
            Action::Modify => ("~ changed", Look::Plain),
        };
        let name = names.in_full(&change.logical_id, &change.resource_type);
        let mut add = |text: &str, introduction: &str, look| {
            let hung = hung(introduction, text, columns).into_iter();
            lines.extend(hung.map(|line| Line::new(look, line)));
        };
        add(&name, &format!("  {word}: "), look);
        let lost = lost(change);
        if !lost.is_empty() {
            add(lost, "      ! ", look);
        }
        for shown in change.properties.iter().take(MOST_PROPERTIES) {
            lines.extend(property(shown, columns));
        }
        let more = change.properties.len().saturating_sub(MOST_PROPERTIES);
        if more > 0 {
            lines.push(Line::new(Look::Plain, format!("      and {more} more properties")));
        }
    }
    for (stream, nouns) in made {
        let of = stream.map(|stream| format!(" for {stream}")).unwrap_or_default();
        let hung = hung(&format!("  + new{of}: "), &gathered(&nouns).join(", "), columns);
        lines.extend(hung.into_iter().map(|line| Line::new(Look::Good, line)));
    }
    let touched = changes.iter().filter(|change| change.action != Action::Add).count();
    let unchanged = resources.map_or(0, |resources| resources.saturating_sub(touched));
    if unchanged > 0 {
        lines.push(Line::new(Look::Faint, format!("  {unchanged} unchanged")));
    }
    lines
}

/// What goes with a stack and what stays, as lines of at most so many columns.
pub(super) fn going(goes: &[&Resource], stays: &[&Resource], names: &Names, columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |introduction: &str, text: &str, look| {
        let hung = hung(introduction, text, columns).into_iter();
        lines.extend(hung.map(|line| Line::new(look, line)));
    };
    let mut rest: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for resource in goes {
        let (id, kind) = (&resource.logical_id, resource.resource_type.as_str());
        let lost = match kind {
            QUEUE => "with the messages in it, which name what was given up",
            MAPPING => {
                "with its position in the stream; the next deployment begins at its starting position, and TRIM_HORIZON sends again what the stream still holds"
            }
            _ => {
                rest.entry(names.stream(id)).or_default().push(names.noun(id, kind));
                continue;
            }
        };
        add("  - ", &format!("{}: {lost}", names.in_full(id, kind)), Look::Bad);
    }
    for (stream, nouns) in rest {
        let of = stream.map(|stream| format!("for {stream}: ")).unwrap_or_default();
        add(&format!("  - {of}"), &gathered(&nouns).join(", "), Look::Plain);
    }
    if goes
        .iter()
        .any(|resource| resource.resource_type == "AWS::Lambda::Function")
    {
        add(
            "  ",
            "this may take long: Lambda takes up to 40 minutes to give back the network interfaces of a function, and its security group waits for that",
            Look::Faint,
        );
    }
    add(
        "what stays: ",
        "the stream, the cluster with its own rules, and every topic with its records",
        Look::Plain,
    );
    for resource in stays {
        let name = names.in_full(&resource.logical_id, &resource.resource_type);
        add("  = ", &name, Look::Plain);
    }
    lines
}

/// Several alarms as one, each with what it is on.
pub(super) fn gathered(nouns: &[String]) -> Vec<String> {
    const ALARM: &str = "alarm on ";
    let (alarms, mut rest): (Vec<&String>, Vec<&String>) = nouns.iter().partition(|noun| noun.starts_with(ALARM));
    rest.sort_by_key(|noun| noun.to_lowercase());
    let mut all: Vec<String> = rest.into_iter().cloned().collect();
    match alarms.as_slice() {
        [] => {}
        [one] => all.push((*one).clone()),
        several => {
            let on: Vec<&str> = several.iter().filter_map(|noun| noun.strip_prefix(ALARM)).collect();
            all.push(format!("{} alarms (on {})", on.len(), on.join(", ")));
        }
    }
    all
}

/// A property with its value before and after: in a line, where both fit, else one below the other.
fn property(change: &PropertyChange, columns: usize) -> Vec<Line> {
    let shown = |value: &Option<String>| match value.as_deref() {
        None => "(nothing)".to_owned(),
        Some(LATER) => "(known when it is done)".to_owned(),
        // One line, whatever is in it.
        Some(value) => value.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let PropertyChange {
        path,
        before,
        after,
        replaces,
    } = change;
    let look = if *replaces { Look::Bad } else { Look::Plain };
    let why = if *replaces { " (which replaces it)" } else { "" };
    let line = |text: String| Line::new(look, text);
    // Of what only follows from another change neither is told.
    if before.is_none() && after.is_none() {
        return hung("      ", &format!("{path}{why}"), columns)
            .into_iter()
            .map(line)
            .collect();
    }
    let (before, after) = (shown(before), shown(after));
    let whole = format!("      {path}: {before} -> {after}{why}");
    if whole.width() <= columns {
        return vec![line(whole)];
    }
    let room = columns.saturating_sub(13);
    let mut lines: Vec<Line> = hung("      ", &format!("{path}{why}"), columns)
        .into_iter()
        .map(line)
        .collect();
    lines.push(line(format!("        was  {}", shortened(&before, &after, room))));
    lines.push(line(format!("        now  {}", shortened(&after, &before, room))));
    lines
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
    use std::fmt::Write as _;

    use super::*;
    use crate::deploy::port::Context;

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
            context: Context::default(),
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
            change(Action::Add, "Group", "AWS::EC2::SecurityGroup", vec![]),
            change(Action::Add, "OrdersLogGroup", "AWS::Logs::LogGroup", vec![]),
            change(Action::Add, "OrdersAlarmErrors", "AWS::CloudWatch::Alarm", vec![]),
            change(Action::Add, "OrdersAlarmIteratorAge", "AWS::CloudWatch::Alarm", vec![]),
            change(
                Action::Modify,
                "OrdersRole",
                "AWS::IAM::Role",
                (0..14)
                    .map(|number| {
                        let topic = |name: &str| format!("arn:aws:kafka:eu-west-1:123456789012:topic/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3/{name}");
                        let path = format!("Policies.pipeline.PolicyDocument.Statement.Topic{number}.Resource");
                        property(&path, Some(&topic("orders")), Some(&topic("page-views")), false)
                    })
                    .collect(),
            ),
        ];
        let names = Names::of_template(
            "Outputs:\n  OrdersStream: {Value: 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders'}\n",
        );
        let mut text = String::new();
        for columns in [79, 159] {
            for line in lines(&changes, &names, Some(44), columns) {
                assert!(line.text.width() <= columns, "{}", line.text);
                writeln!(text, "{:5}|{}", format!("{:?}", line.look), line.text).unwrap();
            }
        }
        insta::assert_snapshot!(text);
        let nothing_unchanged = lines(&changes[..1], &names, Some(1), 79);
        assert!(
            nothing_unchanged.iter().all(|line| line.look != Look::Faint),
            "{nothing_unchanged:?}"
        );
        assert_eq!(lines(&[], &names, Some(3), 79).len(), 1);
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

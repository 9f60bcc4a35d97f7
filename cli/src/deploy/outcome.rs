//! What a deployment or a destruction came to, for people and for programs. Pure.

use std::collections::BTreeMap;
use std::fmt;

use k2m_handler::probe::creation::{Became, Outcome};
use serde::Serialize;

use super::changes::lines;
use super::columns::hung;
use super::names::Names;
use super::network::NetworkOutcome;
use super::port::{Action, Change, Line, Look};
use super::resume::Resume;
use super::verify::Verified;
use crate::doctor::by_hand::ByHand;
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
    /// What was changed by hand before, and what became of it: people were told before they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<ByHand>,
    /// Topics that its functions were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<TopicOutcome>,
    /// Network stacks that were deployed before it, or given back after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_stacks: Vec<NetworkOutcome>,
    /// Whether its pipelines deliver, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verified: Vec<Verified>,
    /// Where pipelines whose mappings went by it could be gone on with: people were told before they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resume: Vec<Resume>,
    /// What to do next.
    pub next_step: String,
}

impl Deployed {
    /// What came of two deployments of a stack, one after the other: what went by the first and came by the second is replaced.
    #[must_use]
    pub fn and(mut self, last: Self) -> Self {
        for change in last.changes {
            let known = self
                .changes
                .iter_mut()
                .find(|known| known.logical_id == change.logical_id);
            match known {
                Some(known) if (known.action, change.action) == (Action::Remove, Action::Add) => {
                    known.action = Action::Replace;
                }
                // What was made first is told once.
                Some(_) => {}
                None => self.changes.push(change),
            }
        }
        if self.status == Happened::Unchanged || last.status == Happened::Begun {
            self.status = last.status;
        }
        self.outputs = last.outputs;
        self.warnings.extend(last.warnings);
        self.topics.extend(last.topics);
        self
    }
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
    pub(super) fn new((stack, region): (&str, &str), template: &str, conditions: &[String]) -> Self {
        Self {
            stack: stack.to_owned(),
            region: region.to_owned(),
            before: Before::Stack,
            changes: None,
            resources: None,
            conditions: conditions.to_vec(),
            names: Names::of_template(template),
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
    /// Where its pipelines can be gone on with: people were told before they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resume: Vec<Resume>,
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

#[cfg(test)]
mod tests {
    use super::*;

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

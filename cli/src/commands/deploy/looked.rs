//! What `k2m deploy --plan` says: the changes of the stack and of the network stacks that go with it.

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

use crate::deploy::columns::told;
use crate::deploy::outcome::Planned;
use crate::deploy::port::{Line, Look};
use crate::deploy::resume::{self, Resume};
use crate::doctor::by_hand::{self, ByHand};
use crate::exit::Exit;
use crate::plan::change::NetworkChange;
use crate::plan::shared::GivenBack;

/// What a deployment would change.
#[derive(Debug)]
pub(super) struct Looked {
    /// The stack itself.
    pub(super) planned: Planned,
    /// The network stacks that it needs.
    pub(super) network_changes: Vec<NetworkChange>,
    /// The network stacks that it needs no more.
    pub(super) given_back: Vec<GivenBack>,
    /// What was changed by hand since, and what becomes of it.
    pub(super) drift: Vec<ByHand>,
    /// Where pipelines whose mappings go by it could be gone on with.
    pub(super) resume: Vec<Resume>,
    /// What the plan warns of.
    pub(super) warnings: Vec<String>,
    /// Whether something deployed is gone that the deployment does not make again.
    pub(super) lacks: bool,
}

impl Looked {
    /// What is pending anywhere is certain; what nobody knows is not.
    pub(super) fn exit(&self) -> Exit {
        let pending = |wanted: Option<bool>| {
            let mut changes = self.network_changes.iter();
            changes.any(|change| change.change.pending() == wanted)
        };
        if self.planned.pending() || pending(Some(true)) || !self.given_back.is_empty() {
            Exit::ChangesPending
        } else if self.lacks {
            Exit::Failed
        } else if pending(None) {
            Exit::CouldNotTell
        } else {
            Exit::Fine
        }
    }

    /// It for people, in at most so many columns.
    pub(super) fn lines(&self, columns: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        for change in self
            .network_changes
            .iter()
            .filter(|change| change.change.pending() != Some(false))
        {
            let text = change.to_string();
            lines.extend(text.lines().map(|line| Line::new(Look::Plain, line)));
        }
        lines.extend(self.planned.lines(columns));
        for given_back in &self.given_back {
            let text = told(&given_back.to_string(), columns);
            lines.extend(text.lines().map(|line| Line::new(Look::Plain, line)));
        }
        for line in by_hand::lines(&self.drift) {
            let text = told(&line, columns);
            lines.extend(text.lines().map(|line| Line::new(Look::Plain, line)));
        }
        lines.extend(resume::lines(&self.resume, columns));
        for warning in &self.warnings {
            let text = told(&format!("Warning: {warning}"), columns);
            lines.extend(text.lines().map(|line| Line::new(Look::Plain, line)));
        }
        if self.exit() == Exit::ChangesPending {
            lines.push(Line::new(
                Look::Plain,
                "Nothing was changed. The same command without --plan deploys it.",
            ));
        } else if self.lacks {
            lines.push(Line::new(
                Look::Plain,
                "The stack is not as it should be, and a deployment would leave it so.",
            ));
        }
        lines
    }
}

impl Serialize for Looked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_struct("Looked", 11)?;
        document.serialize_field("stack", &self.planned.stack)?;
        document.serialize_field("region", &self.planned.region)?;
        document.serialize_field("change", self.planned.word())?;
        document.serialize_field("changes", self.planned.changes.as_deref().unwrap_or_default())?;
        document.serialize_field("unchanged", &self.planned.unchanged())?;
        document.serialize_field("conditions", &self.planned.conditions)?;
        document.serialize_field("networkChanges", &self.network_changes)?;
        document.serialize_field("givenBack", &self.given_back)?;
        document.serialize_field("drift", &self.drift)?;
        document.serialize_field("resume", &self.resume)?;
        document.serialize_field("planWarnings", &self.warnings)?;
        document.end()
    }
}

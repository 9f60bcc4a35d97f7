//! The change set: made, shown, agreed to, and taken away again where it is not executed.

use std::time::Duration;

use super::{CHANGE_SET, Job, Machine, TRIES, call};
use crate::deploy::DeployError;
use crate::deploy::backoff::Waits;
use crate::deploy::changes::{lines, lost};
use crate::deploy::names::Names;
use crate::deploy::port::{Change, ChangeSet, Doing, Fault, FaultKind, MadeChangeSet, NewChangeSet, Stack};
use crate::deploy::position;
use crate::deploy::properties::{Resources, Source, complete, lacks_values};
use crate::deploy::reasons::known;
use crate::deploy::state::Status;

/// Columns where nobody knows them, as in a log.
const ELSEWHERE: usize = 120;
/// Columns beyond which no line goes.
const WIDEST: usize = 160;
/// How long CloudFormation may work on one.
const LIMIT: Duration = Duration::from_mins(15);

impl Machine<'_> {
    /// Change sets of a stack in review that nobody has executed: what an earlier run left, or what somebody else is asked about just now.
    pub(super) async fn left_overs(&self, name: &str) -> Result<Vec<String>, DeployError> {
        let left = self.waiting(name).await?;
        self.user.tell(&format!(
            "the stack {name} is {}: nothing of it was ever created",
            Status::ReviewInProgress
        ));
        Ok(left)
    }

    /// Deletes those of k2m's among the change sets that were left. With the rest CloudFormation does so itself when another is executed.
    async fn take_away_left_overs(&self, name: &str, left: &[String]) -> Result<(), DeployError> {
        for change_set in left.iter().filter(|left| left.starts_with(CHANGE_SET)) {
            let deleted = self.patiently(|| self.stacks.delete_change_set(name, change_set)).await;
            deleted.map_err(|fault| call("delete a change set that nobody has executed", fault))?;
        }
        Ok(())
    }

    /// Makes the change set, and says what it changes. Nothing where there is nothing to change. An error where it would lose a position that is to be kept.
    pub(super) async fn changed(
        &self,
        job: &Job<'_>,
        change_set: &NewChangeSet,
        stack: Option<&Stack>,
    ) -> Result<Option<(MadeChangeSet, Vec<Change>)>, DeployError> {
        let name = job.stack;
        let refused = |reason: String| DeployError::ChangeSet {
            stack: name.to_owned(),
            next_step: known("", &reason).map(|known| known.to_string()),
            reason,
        };
        // Not given up at the first signal: a request that is under way has to be known to its end, so that what it made can be taken away.
        let made = tokio::select! {
            biased;
            () = self.user.stopped(2) => return Err(self.halfway(change_set)),
            made = self.patiently(|| self.stacks.create_change_set(change_set)) => match made {
                Ok(made) => made,
                Err(fault) if !change_set.create && nothing_to_change(&fault.message) => return Ok(None),
                Err(fault) if fault.kind == FaultKind::Refused => return Err(refused(fault.message)),
                Err(fault) => return Err(call("create a change set", fault)),
            },
        };
        match self.unless_stopped(name, self.until_ready(&made.id)).await? {
            ChangeSet::Ready(mut changes) => {
                self.unless_stopped(name, async {
                    self.complete(job, change_set, stack, &mut changes).await;
                    Ok(())
                })
                .await?;
                position::spared(name, &changes, &job.kept)?;
                Ok(Some((made, changes)))
            }
            ChangeSet::Failed(reason) if !change_set.create && nothing_to_change(&reason) => Ok(None),
            ChangeSet::Failed(reason) => Err(refused(reason)),
            ChangeSet::Pending => Err(DeployError::TooLong {
                what: format!("the change set of {name}"),
                minutes: LIMIT.as_secs() / 60,
            }),
        }
    }

    /// Adds the values before and after, where CloudFormation told only names of properties.
    async fn complete(&self, job: &Job<'_>, change_set: &NewChangeSet, stack: Option<&Stack>, changes: &mut [Change]) {
        let mut before = Resources::default();
        if let Some(stack) = stack.filter(|_| !change_set.create && lacks_values(changes)) {
            // Who may not read the template sees the names.
            if let Ok(template) = self.patiently(|| self.stacks.template(&stack.id)).await {
                before = Resources::of(Source {
                    template: &template,
                    parameters: &stack.parameters,
                });
            }
        }
        let after = Resources::of(Source {
            template: job.template,
            parameters: &change_set.parameters,
        });
        complete(changes, &before, &after);
    }

    /// Makes the change set, shows it with what goes with it (`left`), and asks. Nothing where there is nothing to change.
    pub(super) async fn agree(
        &self,
        job: &Job<'_>,
        change_set: &NewChangeSet,
        left: &[String],
        names: &Names,
        stack: Option<&Stack>,
    ) -> Result<Option<(MadeChangeSet, Vec<Change>)>, DeployError> {
        let name = job.stack;
        let Some((made, changes)) = self.changed(job, change_set, stack).await? else {
            return Ok(None);
        };
        let verb = if change_set.create { "created" } else { "updated" };
        let region = &self.place.region;
        self.user.tell(&format!(
            "the stack {name} in {region} is to be {verb}; changes of resources: {}",
            changes.len()
        ));
        let resources = if change_set.create {
            None
        } else {
            self.unless_stopped(name, async { Ok(self.count(name).await) }).await?
        };
        for line in lines(&changes, names, resources, self.columns()) {
            self.user.tell_line(&line);
        }
        for condition in &job.conditions {
            self.user.tell(&format!("  ! {condition}"));
        }
        for waiting in left {
            self.user.tell(&format!(
                "  ! deletes the change set {waiting}, which nobody has executed"
            ));
        }
        // What would be lost nobody was shown before.
        let loses = changes.iter().any(|change| !lost(change).is_empty());
        if !job.agreed || loses {
            self.unless_stopped(name, self.agreed(&format!("Deploy {name}?")))
                .await?;
        }
        self.unless_stopped(name, self.take_away_left_overs(name, left)).await?;
        Ok(Some((made, changes)))
    }

    /// How many resources the stack has. It is told where it can be seen, and no more.
    pub(super) async fn count(&self, name: &str) -> Option<usize> {
        let listed = self.patiently(|| self.stacks.resources(name)).await;
        listed.ok().map(|resources| resources.len())
    }

    /// Columns that lists are laid out for.
    pub(super) fn columns(&self) -> usize {
        // The last is left free: some terminals break the line there.
        let seen = self.user.columns().map(|columns| columns.saturating_sub(1));
        seen.map_or(ELSEWHERE, |columns| columns.min(WIDEST))
    }

    /// The change set when CloudFormation is done with it; pending where it is not done in time.
    async fn until_ready(&self, id: &str) -> Result<ChangeSet, DeployError> {
        let start = self.world.elapsed();
        let mut waits = Waits::default();
        loop {
            let wait = match self.stacks.change_set(id).await {
                Ok(ChangeSet::Pending) => waits.answered(),
                Ok(done) => return Ok(done),
                Err(fault) if fault.passes() => waits.failed(self.world.random()),
                Err(fault) => return Err(call("read the change set", fault)),
            };
            if self.world.elapsed().saturating_sub(start) > LIMIT {
                return Ok(ChangeSet::Pending);
            }
            self.world.sleep(wait).await;
        }
    }

    /// Takes the change set away after this error. Gives it back, or says that something is left over.
    pub(super) async fn withdraw(&self, change_set: &NewChangeSet, error: DeployError) -> DeployError {
        match (self.take_away(change_set).await, error) {
            (Err(left), DeployError::Stopped { .. }) => left,
            (_, error) => error,
        }
    }

    /// Takes the change set away, and the empty stack that came with it.
    pub(super) async fn take_away(&self, change_set: &NewChangeSet) -> Result<(), DeployError> {
        tokio::select! {
            biased;
            () = self.user.stopped(2) => Err(self.halfway(change_set)),
            taken = self.try_take_away(change_set) => taken.map_err(|fault| {
                self.user.tell(&format!("the change set {} can't be deleted: {fault}", change_set.name));
                self.halfway(change_set)
            }),
        }
    }

    async fn try_take_away(&self, change_set: &NewChangeSet) -> Result<(), Fault> {
        let name = change_set.stack.as_str();
        // While CloudFormation works on a change set it can't be deleted.
        self.repeatedly(|| self.stacks.delete_change_set(name, &change_set.name))
            .await?;
        if !change_set.create || change_set.in_review {
            return Ok(());
        }
        let Some(stack) = self.repeatedly(|| self.stacks.stack(name)).await? else {
            return Ok(());
        };
        if stack.status == Status::ReviewInProgress
            && self.repeatedly(|| self.stacks.change_sets(&stack.id)).await?.is_empty()
        {
            let token = self.token();
            self.repeatedly(|| {
                self.stacks
                    .delete_stack(&stack.id, &token, self.options.role.as_deref())
            })
            .await?;
        }
        Ok(())
    }

    fn halfway(&self, change_set: &NewChangeSet) -> DeployError {
        DeployError::LeftOver {
            stack: change_set.stack.clone(),
            region: self.place.region.clone(),
            change_set: change_set.name.clone(),
        }
    }

    async fn repeatedly<'b, T>(&self, ask: impl Fn() -> Doing<'b, T>) -> Result<T, Fault> {
        let mut waits = Waits::default();
        let mut tries = 0;
        loop {
            tries += 1;
            match ask().await {
                Err(fault) if tries < TRIES && fault.passes() => {
                    self.world.sleep(waits.failed(self.world.random())).await;
                }
                Err(fault) if tries < TRIES && fault.kind == FaultKind::Refused => {
                    self.world.sleep(waits.answered()).await;
                }
                answer => return answer,
            }
        }
    }
}

/// CloudFormation's ways to say that there is nothing to do.
fn nothing_to_change(reason: &str) -> bool {
    ["didn't contain changes", "No updates are to be performed"]
        .iter()
        .any(|words| reason.contains(words))
}

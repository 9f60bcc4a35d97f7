//! An operation of CloudFormation from its beginning to its end, and what is to be said when it failed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Machine, TRIES, call};
use crate::deploy::backoff::Waits;
use crate::deploy::events::{self, Mark};
use crate::deploy::names::Names;
use crate::deploy::port::{Fault, FaultKind, MadeChangeSet, NewChangeSet, Stack, StackEvent};
use crate::deploy::reasons::{is_cascade, known, root_cause};
use crate::deploy::state::Status;
use crate::deploy::{DeployError, Failure, Withdrawn};
use crate::shell::Command;

/// How long an operation may take.
const LIMIT: Duration = Duration::from_hours(3);
/// How long nothing may answer.
const SILENCE: Duration = Duration::from_mins(15);
/// Looks at a stack at rest whose events don't say yet that the operation ended, before its status alone is believed.
const LOOKS_AT_REST: u32 = 20;
/// The same where events can't be read.
const LOOKS_WHEN_BLIND: u32 = 5;

/// How often the time is drawn.
const TICK: Duration = Duration::from_secs(1);
/// Tries to cancel an operation that CloudFormation may not have begun yet.
const TRIES_TO_CANCEL: u32 = 6;

/// An operation at its end.
#[derive(Debug)]
pub(super) struct Ended {
    /// The stack's status.
    pub(super) status: Status,
    /// The stack, where it is still there.
    pub(super) stack: Option<Stack>,
    /// What happened, in order.
    pub(super) events: Vec<StackEvent>,
}

/// An operation under way.
#[derive(Debug)]
struct Following<'a> {
    id: &'a str,
    /// Nothing where events can't be read.
    mark: Option<Mark>,
    happened: Vec<StackEvent>,
    /// The stack and its region.
    title: String,
    start: Duration,
    /// When AWS answered last.
    heard: Duration,
    at_rest: u32,
}

impl Following<'_> {
    /// Whether the last that was told of the stack itself is this.
    fn told(&self, status: &Status) -> bool {
        let last = self.happened.iter().rev().find(|event| event.of_stack());
        last.is_some_and(|event| event.status == status.word())
    }
}

impl Machine<'_> {
    /// Executes the change set, and follows it to its end. Nothing where nobody waits for that.
    pub(super) async fn execute(
        &self,
        change_set: &NewChangeSet,
        made: &MadeChangeSet,
        names: &Names,
        waits: bool,
    ) -> Result<Option<Ended>, DeployError> {
        let marked = self.unless_stopped(&change_set.stack, async { Ok(self.mark(&made.stack, false).await) });
        let mark = match marked.await {
            Ok(mark) => mark,
            Err(error) => return Err(self.withdraw(change_set, error).await),
        };
        let token = self.token();
        let begun = self.begin(&change_set.stack, "execute the change set", || {
            self.stacks.execute(&made.id, &token)
        });
        if let Err(error) = begun.await {
            return Err(self.withdraw(change_set, error).await);
        }
        if !waits {
            return Ok(None);
        }
        let own = if change_set.create {
            Withdrawn::Creation
        } else {
            Withdrawn::Update
        };
        let followed = self.follow(&change_set.stack, &made.stack, mark, Some(own), names);
        followed.await.map(Some)
    }

    /// Where the events of an operation begin: of one that is under way, or of the next. Nothing where they can't be read.
    pub(super) async fn mark(&self, id: &str, under_way: bool) -> Option<Mark> {
        let mut waits = Waits::default();
        for _ in 0..TRIES {
            let mark = if under_way {
                events::before_operation(self.stacks, id).await
            } else {
                events::newest(self.stacks, id).await
            };
            match mark {
                Ok(mark) => return Some(mark),
                Err(fault) if fault.passes() => self.world.sleep(waits.failed(self.world.random())).await,
                Err(fault) => {
                    self.user
                        .tell(&format!("what happens to the resources can't be shown: {fault}"));
                    return None;
                }
            }
        }
        None
    }

    /// Follows an operation to its end, and tells what happens. Without a mark (no right to read events) the status alone is followed. The first signal takes
    /// back what this run began itself (`own`), and the second leaves it to CloudFormation; what another began the first leaves.
    pub(super) async fn follow(
        &self,
        name: &str,
        id: &str,
        mark: Option<Mark>,
        own: Option<Withdrawn>,
        names: &Names,
    ) -> Result<Ended, DeployError> {
        let start = self.world.elapsed();
        let mut following = Following {
            id,
            mark,
            happened: Vec::new(),
            title: self.title(name),
            start,
            heard: start,
            at_rest: 0,
        };
        self.board.begin(&following.title, names, start);
        let ended = self.unless_left(name, &mut following, own).await;
        self.board.end(&following.title, self.world.elapsed());
        self.draw();
        ended
    }

    async fn unless_left(
        &self,
        name: &str,
        following: &mut Following<'_>,
        own: Option<Withdrawn>,
    ) -> Result<Ended, DeployError> {
        let ended = tokio::select! {
            biased;
            () = self.user.stopped(1) => None,
            ended = self.to_the_end(name, following) => Some(ended),
        };
        if let Some(ended) = ended {
            return ended;
        }
        let left = || DeployError::Left { stack: name.to_owned() };
        let Some(withdrawn) = own else {
            return Err(left());
        };
        tokio::select! {
            biased;
            () = self.user.stopped(2) => Err(left()),
            ended = self.take_back(name, following, withdrawn) => ended,
        }
    }

    /// Cancels what is under way, and follows that to its end. An error also then, unless it came too late.
    async fn take_back(
        &self,
        name: &str,
        following: &mut Following<'_>,
        withdrawn: Withdrawn,
    ) -> Result<Ended, DeployError> {
        let token = self.token();
        let (says, doing) = match withdrawn {
            Withdrawn::Creation => (
                "deleting the stack, which is being created",
                "delete the stack, which is being created",
            ),
            Withdrawn::Update => ("cancelling the update, which is then rolled back", "cancel the update"),
        };
        let ask = || match withdrawn {
            Withdrawn::Creation => self
                .stacks
                .delete_stack(following.id, &token, self.options.role.as_deref()),
            Withdrawn::Update => self.stacks.cancel_update(following.id, &token),
        };
        let (mut waits, mut taken_back, mut refused) = (Waits::default(), false, None);
        let mut said = false;
        for _ in 0..TRIES_TO_CANCEL {
            let status = match self.patiently(|| self.stacks.stack(following.id)).await {
                Ok(Some(stack)) => stack.status,
                Ok(None) => break,
                Err(fault) => {
                    refused = Some(fault);
                    break;
                }
            };
            let can = match (withdrawn, &status) {
                (Withdrawn::Creation, status) => {
                    matches!(status, Status::ReviewInProgress | Status::CreateInProgress)
                }
                (Withdrawn::Update, Status::UpdateInProgress) => true,
                // The status from before: CloudFormation has not begun yet. It refuses then, and is asked again.
                (Withdrawn::Update, status) => !status.in_progress() && !following.told(status),
            };
            if !said {
                let what = if can {
                    says.to_owned()
                } else {
                    format!("the stack is {status}, which can't be cancelled, and is followed to its end")
                };
                self.user.tell(&format!(
                    "stopped: {what}; once more leaves {name} to CloudFormation, and the same command comes back to it"
                ));
                said = true;
            }
            if !can {
                break;
            }
            match self.patiently(ask).await {
                Ok(()) => {
                    taken_back = true;
                    break;
                }
                Err(fault) => {
                    let again = fault.passes() || fault.kind == FaultKind::Refused;
                    refused = Some(fault);
                    if !again {
                        break;
                    }
                    self.world.sleep(waits.answered()).await;
                }
            }
        }
        if let Some(fault) = refused.filter(|_| !taken_back) {
            self.user.tell(&format!("failed to {doing}: {fault}"));
        }
        following.at_rest = 0;
        let mut ended = self.to_the_end(name, following).await?;
        // What was made to its end meanwhile is deleted all the same, though its status may not say so yet.
        let deletes = taken_back && withdrawn == Withdrawn::Creation;
        for _ in 0..LOOKS_AT_REST {
            if !deletes || ended.status != Status::CreateComplete {
                break;
            }
            self.pause(waits.answered()).await;
            following.happened = ended.events;
            ended = self.to_the_end(name, following).await?;
        }
        match ended.status {
            Status::CreateComplete | Status::UpdateComplete => {
                self.user.tell("all was done before it could be cancelled");
                Ok(ended)
            }
            _ if taken_back => Err(DeployError::Cancelled {
                stack: name.to_owned(),
                withdrawn,
                status: ended.stack.map(|stack| stack.status),
            }),
            // It failed by itself, and says why.
            _ => Ok(ended),
        }
    }

    async fn to_the_end(&self, name: &str, following: &mut Following<'_>) -> Result<Ended, DeployError> {
        let start = self.world.elapsed();
        let mut waits = Waits::default();
        loop {
            let wait = match self.look_again(following).await {
                Ok(Some((status, stack))) => {
                    return Ok(Ended {
                        status,
                        stack,
                        events: std::mem::take(&mut following.happened),
                    });
                }
                Ok(None) => waits.answered(),
                Err(fault) if self.goes_on(following, &fault) => waits.failed(self.world.random()),
                Err(fault) => {
                    return Err(call(
                        "follow the stack, which CloudFormation goes on with by itself",
                        fault,
                    ));
                }
            };
            if self.world.elapsed().saturating_sub(start) > LIMIT {
                return Err(DeployError::TooLong {
                    what: format!("the stack {name}"),
                    minutes: LIMIT.as_secs() / 60,
                });
            }
            self.pause(wait).await;
        }
    }

    /// Whether a failed call is no reason to stop following.
    fn goes_on(&self, following: &Following<'_>, fault: &Fault) -> bool {
        let silent = self.world.elapsed().saturating_sub(following.heard);
        fault.passes() && (fault.kind != FaultKind::Unreachable || silent <= SILENCE)
    }

    /// Tells what is new. The stack at the operation's end; nothing before.
    async fn look_again(&self, following: &mut Following<'_>) -> Result<Option<(Status, Option<Stack>)>, Fault> {
        // The status first: what led to it is then among the events.
        let stack = self.stacks.stack(following.id).await?;
        following.heard = self.world.elapsed();
        self.tell_events(following).await?;
        let status = stack
            .as_ref()
            .map_or(Status::DeleteComplete, |stack| stack.status.clone());
        if status.in_progress() || status == Status::ReviewInProgress {
            following.at_rest = 0;
            return Ok(None);
        }
        following.at_rest += 1;
        // CloudFormation may still show the status from before the operation: its own event tells.
        let told = following.told(&status);
        let enough = if following.mark.is_some() {
            LOOKS_AT_REST
        } else {
            LOOKS_WHEN_BLIND
        };
        let ended = told || status == Status::DeleteComplete || following.at_rest >= enough;
        Ok(ended.then_some((status, stack)))
    }

    async fn tell_events(&self, following: &mut Following<'_>) -> Result<(), Fault> {
        let new = match &mut following.mark {
            Some(mark) => events::since(self.stacks, following.id, mark).await,
            None => Ok(Vec::new()),
        };
        let new = match new {
            Ok(new) => new,
            Err(fault) if fault.passes() => return Err(fault),
            Err(fault) => {
                // A stack that is gone has nothing more to tell.
                if fault.kind != FaultKind::Absent {
                    self.user
                        .tell(&format!("what happens to the resources can't be shown: {fault}"));
                    following.mark = None;
                }
                Vec::new()
            }
        };
        let now = following.heard;
        let seconds = now.saturating_sub(following.start).as_secs();
        let lines = self.board.happened(&following.title, &new, now);
        following.happened.extend(new);
        if self.user.canvas().is_some() {
            self.draw();
            return Ok(());
        }
        for line in lines {
            self.user
                .tell(&format!("  {:>2}:{:02}  {line}", seconds / 60, seconds % 60));
        }
        Ok(())
    }

    /// Draws the tree where there is a terminal.
    fn draw(&self) {
        if let Some((columns, rows)) = self.user.canvas() {
            // Not into the last column and row, where some terminals break the line.
            let (columns, rows) = (columns.saturating_sub(1), rows.saturating_sub(2));
            self.user.draw(&self.board.tree(self.world.elapsed(), columns, rows));
        }
    }

    /// Waits; what is drawn shows the time meanwhile.
    async fn pause(&self, wait: Duration) {
        if self.user.canvas().is_none() {
            return self.world.sleep(wait).await;
        }
        let mut left = wait;
        while !left.is_zero() {
            let slice = left.min(TICK);
            self.world.sleep(slice).await;
            left -= slice;
            self.draw();
        }
    }

    pub(super) fn failed(&self, name: &str, doing: &'static str, ended: &Ended, names: &Names) -> DeployError {
        let cause = root_cause(&ended.events);
        let reason = cause
            .and_then(|event| event.reason.clone())
            .or_else(|| ended.stack.as_ref().and_then(|stack| stack.reason.clone()));
        let kind = cause.map(|event| event.resource_type.as_str()).unwrap_or_default();
        let known = known(kind, reason.as_deref().unwrap_or_default());
        DeployError::Failed(Box::new(Failure {
            stack: name.to_owned(),
            doing,
            status: ended.status.clone(),
            resource: cause
                .filter(|event| !event.of_stack())
                .map(|event| (event.logical_id.clone(), event.resource_type.clone())),
            name: cause
                .filter(|event| !event.of_stack())
                .map(|event| names.of(&event.logical_id, &event.resource_type)),
            known: known.as_ref().map(|known| known.means.clone()),
            next_step: known.map(|known| known.next),
            reason,
            state: self.state_after(name, ended),
        }))
    }

    /// The command that does something with the stack without these resources, where there are any.
    fn without(&self, name: &str, (verb, option): (&str, &str), resources: &[&str]) -> Option<Command> {
        let command = Command::new("aws cloudformation")
            .flag(verb)
            .option("--stack-name", name)
            .option("--region", &self.place.region)
            .flag(option);
        (!resources.is_empty()).then(|| resources.iter().fold(command, |command, id| command.word(id)))
    }

    /// Where a failed operation leaves the stack, and what comes next.
    fn state_after(&self, name: &str, ended: &Ended) -> String {
        let (region, status) = (&self.place.region, &ended.status);
        let left = names(&ended.events, "DELETE_FAILED");
        let left = if left.is_empty() {
            String::new()
        } else {
            format!(", and this is left: {}", left.join(", "))
        };
        match status {
            Status::RollbackComplete => {
                format!(
                    "the stack is {status}: what was made is deleted again; when the cause is mended, `k2m deploy` replaces the stack"
                )
            }
            Status::UpdateRollbackComplete => {
                format!(
                    "the stack is {status}: it works as before; when the cause is mended, run the same command again"
                )
            }
            Status::UpdateRollbackFailed => {
                let skip = self.without(
                    name,
                    ("continue-update-rollback", "--resources-to-skip"),
                    &names(&ended.events, "UPDATE_FAILED"),
                );
                let skip = skip.map(|skip| format!("; what can't be mended is left as it is with `{skip}`"));
                format!(
                    "the stack is {status}: when the cause is mended, `k2m deploy` offers to go on with the rollback{}",
                    skip.unwrap_or_default()
                )
            }
            Status::DeleteFailed => {
                let retain = self.without(
                    name,
                    ("delete-stack", "--retain-resources"),
                    &names(&ended.events, "DELETE_FAILED"),
                );
                let retain = retain.map(|retain| format!(", or let the rest go and keep that with `{retain}`"));
                format!(
                    "the stack is {status}{left}; run `k2m destroy --stack {name} --region {region}` again when the cause is mended{}",
                    retain.unwrap_or_default()
                )
            }
            Status::RollbackFailed | Status::CreateFailed => {
                format!("the stack is {status}{left}; when the cause is mended, `k2m deploy` replaces the stack")
            }
            Status::DeleteComplete => "the stack is deleted: something else deleted it".to_owned(),
            _ => format!("the stack is {status}{left}"),
        }
    }
}

/// Logical ids of resources that came to this status, each once, in order.
fn names<'a>(events: &'a [StackEvent], status: &str) -> Vec<&'a str> {
    let of = |event: &&StackEvent| event.status == status && !event.of_stack();
    let names: BTreeSet<&str> = events
        .iter()
        .filter(of)
        .filter(|event| !is_cascade(event.reason.as_deref().unwrap_or_default()))
        .map(|event| event.logical_id.as_str())
        .collect();
    names.into_iter().collect()
}

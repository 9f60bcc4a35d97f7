//! From a template to a stack and back: the function's code, the artifact bucket, the change set, and what CloudFormation says while it works. The
//! next step is a pure function of the stack's state (`state`); what is asked of AWS goes through small ports (`port`).

pub mod architecture;
pub mod artifacts;
pub mod backoff;
pub mod board;
pub mod bundle;
mod changes;
pub mod columns;
pub mod events;
pub mod machine;
pub mod names;
pub mod network;
pub mod options;
pub mod outcome;
pub mod port;
pub mod position;
pub mod progress;
pub mod properties;
pub mod reasons;
pub mod resume;
pub mod state;
pub mod topics;
pub mod verify;

use thiserror::Error;

use crate::exit::Exit;
use crate::plan::PlanError;
use bundle::BundleError;
use port::{Fault, FaultKind};
use state::{Refusal, Status};

/// Why it was not deployed or destroyed.
#[derive(Debug, Error)]
pub enum DeployError {
    /// There is no handler to deploy.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A call to AWS failed.
    #[error("failed to {doing}: {fault}")]
    Call {
        /// What was tried.
        doing: String,
        /// What came back.
        fault: Fault,
    },
    /// The state of the stack forbids it.
    #[error("{}", refused(stack, region, status, *refusal))]
    Refused {
        /// The stack's name.
        stack: String,
        /// Its region.
        region: String,
        /// Its status.
        status: Status,
        /// Why.
        refusal: Refusal,
    },
    /// Somebody else began an operation after k2m had looked.
    #[error(
        "something else began to work on the stack {stack} ({status}) after k2m had looked\n  run the same command again"
    )]
    Busy {
        /// The stack's name.
        stack: String,
        /// Its status.
        status: Status,
    },
    /// CloudFormation is at work, so that nobody knows what a deployment would change.
    #[error(
        "CloudFormation is at work on the stack {stack} ({status}): what a deployment would change then can't be told now\n  \
         run the same command again when it is done; without --plan it follows that to its end, and goes on"
    )]
    UnderWay {
        /// The stack's name.
        stack: String,
        /// Its status.
        status: Status,
    },
    /// CloudFormation does not take the change set.
    #[error("CloudFormation refused the change of the stack {stack}: {reason}{}\n  the stack is as it was", next(next_step.as_deref()))]
    ChangeSet {
        /// The stack's name.
        stack: String,
        /// CloudFormation's words.
        reason: String,
        /// What to do.
        next_step: Option<String>,
    },
    /// The operation failed.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// A function was to make topics, and did not.
    #[error(transparent)]
    Topics(#[from] topics::NotMade),
    /// A pipeline that nobody said is to go.
    #[error("{}", removes(stack, streams))]
    Removes {
        /// The stack's name.
        stack: String,
        /// Names of the streams whose pipelines would go; never empty.
        streams: Vec<String>,
    },
    /// A position in a stream that would be lost.
    #[error("{0}")]
    Position(Box<position::Refused>),
    /// A position that is said to go and is not there.
    #[error("{}", not_deployed(stack, stream, deployed))]
    NotDeployed {
        /// The stack's name.
        stack: String,
        /// What is named.
        stream: String,
        /// Names of the streams whose pipelines it has; never empty.
        deployed: Vec<String>,
    },
    /// A pipeline that is said to go and to stay.
    #[error("--remove names {stream}, whose pipeline the settings have: leave one of them out")]
    RemovesKept {
        /// What is named.
        stream: String,
    },
    /// The user said no.
    #[error("not confirmed: the stack is as it was")]
    Declined,
    /// There is nobody to ask.
    #[error(
        "there is no terminal to ask for confirmation\n  look at what is said above, and run the same command with --yes"
    )]
    NobodyToAsk,
    /// The terminal failed.
    #[error("failed to ask for confirmation: {0}\n  run the same command with --yes")]
    Terminal(std::io::Error),
    /// Ctrl-C or SIGTERM while nothing is under way.
    #[error(
        "stopped: the stack {stack} is left as it is, and nothing more is begun with it\n  run the same command to go on from here"
    )]
    Stopped {
        /// The stack's name.
        stack: String,
    },
    /// The change set could not be taken away, or a second Ctrl-C came meanwhile.
    #[error(
        "nothing was changed, but the change set {change_set} of the stack {stack} is left over\n  \
         run the same command to go on from here, or delete it with `aws cloudformation delete-change-set --stack-name {stack} --change-set-name {change_set} --region {region}`"
    )]
    LeftOver {
        /// The stack's name.
        stack: String,
        /// Its region.
        region: String,
        /// The change set's name.
        change_set: String,
    },
    /// Ctrl-C or SIGTERM while CloudFormation works.
    #[error(
        "stopped waiting: CloudFormation goes on with the stack {stack} by itself\n  run the same command to follow it to its end and to go on from there"
    )]
    Left {
        /// The stack's name.
        stack: String,
    },
    /// Ctrl-C or SIGTERM while CloudFormation worked: what it did was taken back.
    #[error("{}", cancelled(stack, *withdrawn, status.as_ref()))]
    Cancelled {
        /// The stack's name.
        stack: String,
        /// What was taken back.
        withdrawn: Withdrawn,
        /// The stack's status at the end; nothing where it is gone.
        status: Option<Status>,
    },
    /// It took longer than anything should.
    #[error("{what} took longer than {minutes} minutes\n  run the same command again: it goes on from there")]
    TooLong {
        /// What.
        what: String,
        /// The limit.
        minutes: u64,
    },
    /// What a network stack has to be can't be told.
    #[error("{0}")]
    Network(Box<PlanError>),
    /// The template of a network stack, or of what comes after its topics, can't be made.
    #[error("{0}")]
    Template(String),
    /// A network stack leads through a peering connection that nobody tells the id of.
    #[error(
        "no network stack says which peering connection joins {vpc} to {peer}\n  run the same command again, and if it stays so, `k2m destroy` and `k2m deploy` the stack anew"
    )]
    NoPeering {
        /// The VPC that leads there.
        vpc: String,
        /// The VPC whose network stack makes it.
        peer: String,
    },
    /// A peering connection that will never carry anything.
    #[error(
        "the peering connection {id} is {status}\n  delete it, see in the console of the accepter's VPC why, and run the same command again"
    )]
    Peering {
        /// Its id.
        id: String,
        /// AWS's word.
        status: String,
    },
    /// A bucket that was named and is not to be used.
    #[error(
        "the artifact bucket {bucket} is not there, or not of the account {account} in {region}\n  name a bucket of that account and region with artifact_bucket, or leave it out: k2m makes one then"
    )]
    NoBucket {
        /// Its name.
        bucket: String,
        /// The stack's account.
        account: String,
        /// The stack's region.
        region: String,
    },
    /// A stack that is kept from being deleted.
    #[error(
        "the stack {stack} is protected from deletion, and stays as it is\n  \
         to have it deleted, lift that first: `aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {stack} --region {region}`, \
         or `k2m deploy` with termination_protection false; then run the same command again"
    )]
    Protected {
        /// The stack's name.
        stack: String,
        /// Its region.
        region: String,
    },
    /// A handler for another processor than the chosen one.
    #[error(
        "the handler is built for {built}, and {setting} says {chosen}\n  name a handler that is built for {chosen} with --handler PATH, or leave architecture out"
    )]
    Architecture {
        /// What it is built for.
        built: &'static str,
        /// Who chose.
        setting: String,
        /// What was chosen.
        chosen: &'static str,
    },
    /// No region to destroy in.
    #[error("nothing says in which region the stack is\n  name it with --region, --stream ARN or AWS_REGION")]
    NoRegion,
}

impl DeployError {
    /// The exit code that it ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Bundle(error) => match error {
                BundleError::Read { .. } | BundleError::NoFile { .. } => Exit::NoFile,
                BundleError::Unfit { .. }
                | BundleError::TooLarge { .. }
                | BundleError::Zip { .. }
                | BundleError::Carried { .. }
                | BundleError::Nowhere { .. }
                | BundleError::Build { .. } => Exit::Failed,
            },
            Self::Network(error) => error.exit(),
            Self::NobodyToAsk
            | Self::NoRegion
            | Self::NoBucket { .. }
            | Self::Architecture { .. }
            | Self::Removes { .. }
            | Self::NotDeployed { .. }
            | Self::RemovesKept { .. } => Exit::Usage,
            Self::Stopped { .. } | Self::LeftOver { .. } | Self::Left { .. } | Self::Cancelled { .. } => {
                Exit::Interrupted
            }
            Self::UnderWay { .. } => Exit::CouldNotTell,
            // Nothing was changed for want of a right to look.
            Self::Call { doing, fault } if matches!(fault.kind, FaultKind::Denied(_)) && only_looks(doing) => {
                Exit::CouldNotTell
            }
            Self::Call { .. }
            | Self::Refused { .. }
            | Self::Protected { .. }
            | Self::Busy { .. }
            | Self::ChangeSet { .. }
            | Self::Failed(_)
            | Self::Topics(_)
            | Self::Position(_)
            | Self::Declined
            | Self::Terminal(_)
            | Self::Template(_)
            | Self::NoPeering { .. }
            | Self::Peering { .. }
            | Self::TooLong { .. } => Exit::Failed,
        }
    }
}

impl DeployError {
    /// Whether the deployment that ended so left nothing of itself in the stack, so that what was made for it can go too. `before` and `now` are the stack's statuses.
    /// Of a deployment in two steps the first may stand.
    pub fn comes_to_nothing(&self, before: Option<&Status>, now: Option<&Status>, two_steps: bool) -> bool {
        // Whoever leaves wants nothing more to be done.
        if matches!(self, Self::Left { .. } | Self::LeftOver { .. } | Self::TooLong { .. }) {
            return false;
        }
        match now {
            None | Some(Status::DeleteComplete | Status::RollbackComplete | Status::ReviewInProgress) => true,
            _ if two_steps => false,
            Some(Status::UpdateRollbackComplete) if matches!(self, Self::Failed(_) | Self::Cancelled { .. }) => true,
            // Nothing of the stack was executed.
            now => {
                let early = matches!(
                    self,
                    Self::Call { .. }
                        | Self::ChangeSet { .. }
                        | Self::Declined
                        | Self::Position(_)
                        | Self::NobodyToAsk
                        | Self::Terminal(_)
                        | Self::Peering { .. }
                        | Self::NoPeering { .. }
                        | Self::Failed(_)
                        | Self::Cancelled { .. }
                        | Self::Stopped { .. }
                );
                early && before == now
            }
        }
    }
}

/// What a signal takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawn {
    /// A stack that was being created is deleted.
    Creation,
    /// An update is rolled back.
    Update,
}

fn cancelled(stack: &str, withdrawn: Withdrawn, status: Option<&Status>) -> String {
    let again = "run the same command to begin anew";
    match (withdrawn, status) {
        (_, None | Some(Status::DeleteComplete)) => {
            format!("stopped: the stack {stack}, which was being created, is deleted again\n  {again}")
        }
        (Withdrawn::Update, Some(status @ Status::UpdateRollbackComplete)) => {
            format!(
                "stopped: the update of the stack {stack} is rolled back ({status}), and it works as before\n  {again}"
            )
        }
        (_, Some(status)) => format!(
            "stopped, but the stack {stack} could not be brought back to what it was: it is {status}\n  run the same command: it says what holds it, and goes on from there"
        ),
    }
}

fn removes(stack: &str, streams: &[String]) -> String {
    let said: Vec<String> = streams.iter().map(|name| format!("--remove {name}")).collect();
    format!(
        "the stack {stack} has pipelines that the settings don't name, and an update would take them away, with what waits in their failure queues: {}\n  \
         to keep them, name their streams too, with --stream or in k2m.yaml; to have them go, run the same command with {}",
        streams.join(", "),
        said.join(" ")
    )
}

/// Whether what was done when a call failed changes nothing.
fn only_looks(doing: &str) -> bool {
    const LOOKS: [&str; 3] = ["look at ", "list ", "read "];
    LOOKS.iter().any(|begin| doing.starts_with(begin))
}

fn not_deployed(stack: &str, stream: &str, deployed: &[String]) -> String {
    let flag = position::FLAG;
    format!(
        "{flag} names {stream}, which is no stream of the stack {stack}\n  name one of its streams: {}; or leave {flag} out",
        deployed.join(", ")
    )
}

/// An operation that CloudFormation began and could not end as it should.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", failure(self))]
pub struct Failure {
    /// The stack's name.
    pub stack: String,
    /// What was tried: `create`, `update`, `delete` or `roll back`.
    pub doing: &'static str,
    /// The stack's status at the end.
    pub status: Status,
    /// The resource that failed first by itself: logical id and type.
    pub resource: Option<(String, String)>,
    /// The same as people call it.
    pub name: Option<String>,
    /// AWS's words.
    pub reason: Option<String>,
    /// What is known of such a reason.
    pub known: Option<String>,
    /// What to do about it.
    pub next_step: Option<String>,
    /// Where the stack is now, and what comes next.
    pub state: String,
}

fn failure(failure: &Failure) -> String {
    let mut text = format!("failed to {} the stack {}: ", failure.doing, failure.stack);
    if let (Some(name), Some((logical_id, kind))) = (&failure.name, &failure.resource) {
        let id = if name.ends_with(logical_id.as_str()) {
            ""
        } else {
            logical_id
        };
        let comma = if id.is_empty() { "" } else { ", " };
        text.extend([name, " (", id, comma, kind, "): "]);
    }
    text += failure.reason.as_deref().unwrap_or("CloudFormation gives no reason");
    text += &next(failure.known.as_deref());
    text += &next(failure.next_step.as_deref());
    text + &next(Some(&failure.state))
}

fn next(step: Option<&str>) -> String {
    step.map(|step| format!("\n  {step}")).unwrap_or_default()
}

fn refused(stack: &str, region: &str, status: &Status, refusal: Refusal) -> String {
    match refusal {
        Refusal::Foreign => format!(
            "the stack {stack} ({status}) was not made by k2m, which never touches another's stack\n  choose another name with --stack NAME"
        ),
        Refusal::ImportRollbackFailed => format!(
            "an import into the stack {stack} failed, and so did its rollback ({status})\n  \
             look at its events in the console of CloudFormation, or start anew with `k2m destroy --stack {stack} --region {region}`"
        ),
        Refusal::Unknown => format!(
            "the stack {stack} is in a state that this version of k2m doesn't know: {status}\n  wait until it is another, or use a newer k2m"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_for_a_stack_goes_only_where_nothing_of_the_stack_stands() {
        let stack = || "k2m-orders".to_owned();
        let failed = || {
            DeployError::Failed(Box::new(Failure {
                stack: stack(),
                doing: "update",
                status: Status::UpdateRollbackComplete,
                resource: None,
                name: None,
                reason: None,
                known: None,
                next_step: None,
                state: String::new(),
            }))
        };
        let left = || DeployError::Left { stack: stack() };
        let stopped = || DeployError::Stopped { stack: stack() };
        let topics = || {
            DeployError::Topics(topics::NotMade {
                reason: String::new(),
                next: String::new(),
            })
        };
        let (old, rolled) = (Status::UpdateComplete, Status::UpdateRollbackComplete);
        for (error, before, now, two_steps, wanted) in [
            (failed(), Some(&old), Some(&rolled), false, true),
            (failed(), None, Some(&Status::RollbackComplete), false, true),
            (failed(), None, None, true, true),
            (failed(), Some(&old), Some(&Status::UpdateRollbackFailed), false, false),
            // The first of two steps stands.
            (failed(), Some(&old), Some(&rolled), true, false),
            (topics(), Some(&old), Some(&old), false, false),
            // Nothing was executed.
            (DeployError::Declined, Some(&old), Some(&old), false, true),
            (stopped(), Some(&old), Some(&old), false, true),
            (stopped(), Some(&old), Some(&Status::UpdateInProgress), false, false),
            // Whoever left wants nothing more to be done.
            (left(), None, None, false, false),
        ] {
            assert_eq!(
                error.comes_to_nothing(before, now, two_steps),
                wanted,
                "{error} {before:?} {now:?} {two_steps}"
            );
        }
    }
}

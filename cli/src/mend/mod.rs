//! Carries out what doctor's fixes say, through ports: directly where a stack's own resource gets back what the stack's template says of it, and through
//! CloudFormation where something is to be made. Each is followed to its end.

pub mod port;
pub mod without;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use self::port::Settle;
use self::without::without;
use crate::deploy::DeployError;
use crate::deploy::machine::{Job, Machine, Running};
use crate::deploy::network::NetworkStacks;
use crate::deploy::port::{Doing, Fault, FaultKind, User, World};
use crate::doctor::mend::{FunctionChange, Lost, MappingChange, Mend, Remaking};

/// How long a change may take, and how often it is looked at.
const LIMIT: Duration = Duration::from_mins(5);
const WAIT: Duration = Duration::from_secs(2);

/// What AWS says while an earlier change is under way.
const UNDER_WAY: [&str; 2] = ["ResourceConflictException", "ResourceInUseException"];

/// Who is asked, and who waits.
pub struct Mender<'a> {
    /// AWS, but for CloudFormation.
    pub settle: &'a dyn Settle,
    /// Stacks as they are now.
    pub stacks: &'a dyn NetworkStacks,
    /// CloudFormation, by region.
    pub machines: &'a BTreeMap<String, Machine<'a>>,
    /// Time.
    pub world: &'a dyn World,
    /// Who waits.
    pub user: &'a dyn User,
}

impl std::fmt::Debug for Mender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mender").finish_non_exhaustive()
    }
}

impl Mender<'_> {
    /// Does it, and waits until it is done. A deployment is not for here: it begins with a look of its own.
    pub fn mend<'a>(&'a self, mend: &'a Mend) -> Running<'a, ()> {
        Box::pin(async move {
            match mend {
                Mend::Deploy(_) => Ok(()),
                Mend::RestoreFunction(change) => self.restore_function(change).await,
                Mend::RestoreMapping(change) => self.restore_mapping(change).await,
                Mend::RestoreGroup(change) => {
                    let let_out = || self.settle.let_out(change);
                    self.patiently("give a security group its rules back", let_out).await
                }
                Mend::Remake(remaking) => self.remake(remaking).await,
                Mend::AssociateSecret { cluster, secret } => {
                    let associate = || self.settle.associate(cluster, secret);
                    self.patiently("associate the secret with the cluster", associate).await
                }
            }
        })
    }

    async fn restore_function(&self, change: &FunctionChange) -> Result<(), DeployError> {
        const DOING: &str = "change the function";
        self.patiently(DOING, || self.settle.change_function(change)).await?;
        let look = || -> Doing<'_, Seen> {
            Box::pin(async {
                let (update, why) = self.settle.function_update(&change.region, &change.function).await?;
                Ok(match update.as_str() {
                    "Successful" => Seen::Done,
                    "Failed" => Seen::Failed(why.unwrap_or_else(|| "Lambda gives no reason".to_owned())),
                    _ => Seen::NotYet(update),
                })
            })
        };
        self.until(DOING, look).await
    }

    async fn restore_mapping(&self, change: &MappingChange) -> Result<(), DeployError> {
        const DOING: &str = "change the event source mapping";
        self.patiently(DOING, || self.settle.change_mapping(change)).await?;
        let look = || -> Doing<'_, Seen> {
            Box::pin(async {
                let state = self.settle.mapping_state(&change.region, &change.uuid).await?;
                let wanted = match change.enabled {
                    Some(true) => state == "Enabled",
                    Some(false) => state == "Disabled",
                    None => matches!(state.as_str(), "Enabled" | "Disabled"),
                };
                Ok(if wanted { Seen::Done } else { Seen::NotYet(state) })
            })
        };
        self.until(DOING, look).await
    }

    /// Takes what is gone out of its stack, which then forgets it, and puts it back: both times by a change set. Nothing between the two is left to a signal.
    async fn remake(&self, remaking: &Remaking) -> Result<(), DeployError> {
        let mut stacks: BTreeMap<(&str, &str), Vec<&Lost>> = BTreeMap::new();
        for lost in &remaking.lost {
            stacks.entry((&lost.region, &lost.stack)).or_default().push(lost);
        }
        for ((region, stack), lost) in stacks {
            let seen = self.stacks.network_stack(region, stack).await;
            let seen = seen.map_err(|fault| call("look at the stack", fault))?;
            if let Some(why) = seen.unreadable() {
                return Err(call("look at the stack", Fault::from(why)));
            }
            let seen = seen.found().filter(|stack| stack.made_by_k2m);
            let template = seen.and_then(|stack| stack.template.as_deref().map(|template| (stack, template)));
            let Some((seen, template)) = template else {
                return Err(refused(
                    "read the template of the stack",
                    format!("{stack} has none that k2m may read, or is not of k2m: allow cloudformation:GetTemplate"),
                ));
            };
            let ids: BTreeSet<&str> = lost.iter().map(|lost| lost.logical_id.as_str()).collect();
            let shorter = without(template, &ids);
            let shorter = shorter.map_err(|error| refused("take what is gone out of the stack", error.to_string()))?;
            let machine = self.machines.get(region).ok_or(DeployError::NoRegion)?;
            for template in [shorter.as_str(), template] {
                let job = Job {
                    stack,
                    template,
                    bundle: None,
                    parameters: seen.parameters.clone(),
                    agreed: true,
                    conditions: Vec::new(),
                    replaces: false,
                    waits: true,
                    kept: BTreeMap::new(),
                };
                machine.deploy(&job).await?;
            }
        }
        Ok(())
    }

    /// What comes of a call, which is made again while something that passes stands in its way.
    async fn patiently<'b, T>(&self, doing: &str, ask: impl Fn() -> Doing<'b, T>) -> Result<T, DeployError> {
        let start = self.world.elapsed();
        loop {
            match ask().await {
                Err(fault) if passes(&fault) && self.world.elapsed().saturating_sub(start) < LIMIT => {
                    self.pause(doing).await?;
                }
                answer => return answer.map_err(|fault| call(doing, fault)),
            }
        }
    }

    /// Looks until it is done.
    async fn until<'b>(&self, doing: &str, look: impl Fn() -> Doing<'b, Seen>) -> Result<(), DeployError> {
        let start = self.world.elapsed();
        loop {
            let state = match look().await {
                Ok(Seen::Done) => return Ok(()),
                Ok(Seen::Failed(why)) => return Err(refused(doing, why)),
                Ok(Seen::NotYet(state)) => state,
                Err(fault) if passes(&fault) => fault.message,
                Err(fault) => return Err(call(doing, fault)),
            };
            if self.world.elapsed().saturating_sub(start) >= LIMIT {
                return Err(DeployError::TooLong {
                    what: format!("to {doing} ({state})"),
                    minutes: LIMIT.as_secs() / 60,
                });
            }
            self.pause(doing).await?;
        }
    }

    /// Waits, unless the person gives up. What was begun goes on without k2m.
    async fn pause(&self, doing: &str) -> Result<(), DeployError> {
        tokio::select! {
            biased;
            () = self.user.stopped(1) => Err(DeployError::Left { stack: doing.to_owned() }),
            () = self.world.sleep(WAIT) => Ok(()),
        }
    }
}

/// How far a change is.
enum Seen {
    Done,
    NotYet(String),
    Failed(String),
}

fn passes(fault: &Fault) -> bool {
    fault.passes() || (fault.kind == FaultKind::Refused && UNDER_WAY.iter().any(|code| fault.message.contains(code)))
}

fn call(doing: &str, fault: Fault) -> DeployError {
    DeployError::Call {
        doing: doing.to_owned(),
        fault,
    }
}

fn refused(doing: &str, message: String) -> DeployError {
    call(
        doing,
        Fault {
            kind: FaultKind::Refused,
            message,
        },
    )
}

/// The person who has agreed: to all that is asked, and whose first signal comes after what is under way.
pub struct Agreed<'a>(pub &'a dyn User);

impl std::fmt::Debug for Agreed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agreed").finish_non_exhaustive()
    }
}

impl User for Agreed<'_> {
    fn tell(&self, text: &str) {
        self.0.tell(text);
    }

    fn confirm<'a>(
        &'a self,
        _question: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'a>> {
        Box::pin(async { Ok(true) })
    }

    fn stopped(&self, times: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.stopped(times + 1)
    }
}

#[cfg(test)]
mod tests;

//! Network stacks around the stack of a pipeline: deployed before it, and given back after it. A stack that nobody needs any more is deleted; else it
//! keeps what the others need.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;

use super::DeployError;
use super::machine::{Job, Machine};
use super::outcome::{DESTROYED, Happened};
use super::port::{Doing, Fault, FaultKind, Line, User};
use super::state::{Goal, Step};
use crate::facts::{Fact, Stack};
use crate::plan::PlanError;
use crate::plan::shared::{NETWORK_STACK_PREFIX, NetworkStack, named, named_in, peering_id};
use crate::template::render_network;

/// How long a peering connection may take to become active.
const PEERING_LIMIT: Duration = Duration::from_mins(5);
/// How long CloudFormation has for accepting one itself.
const PEERING_PATIENCE: Duration = Duration::from_mins(1);
/// How long to wait before a connection is looked at again.
const PEERING_WAIT: Duration = Duration::from_secs(5);

/// A peering connection that a network stack makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The network stack, which the connection's tag names.
    pub stack: String,
    /// Region and id of the VPC that asks.
    pub requester: (String, String),
    /// Region and id of the VPC that is asked.
    pub accepter: (String, String),
}

/// Peering connections, as the deployment asks for them.
pub trait Peerings: Sync {
    /// The connection that this stack made between these VPCs, if there is one that is not over: its id and its status, as the requester's region has it.
    fn find<'a>(&'a self, link: &'a Link) -> Doing<'a, Option<(String, String)>>;
    /// Accepts it, in the accepter's region.
    fn accept<'a>(&'a self, link: &'a Link, id: &'a str) -> Doing<'a, ()>;
}

/// Network stacks as they are now.
pub trait NetworkStacks: Sync {
    /// The stack with its template.
    fn network_stack<'a>(&'a self, region: &'a str, name: &'a str) -> Doing<'a, Fact<Stack>>;
    /// Names of the network stacks of a region.
    fn network_stack_names<'a>(&'a self, region: &'a str) -> Doing<'a, Vec<String>>;
}

/// What became of a network stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkOutcome {
    /// Its name.
    pub stack: String,
    /// Its region.
    pub region: String,
    /// `created`, `updated`, `unchanged`, `replaced`, or `destroyed` with its last user.
    pub status: &'static str,
}

impl fmt::Display for NetworkOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stack, region, status } = self;
        writeln!(f, "The network stack {stack} in {region} is {status}.")
    }
}

/// Where network stacks are deployed.
pub struct Networks<'a> {
    /// By region.
    pub machines: &'a BTreeMap<String, Machine<'a>>,
    /// Peering connections.
    pub peerings: &'a dyn Peerings,
    /// The stacks themselves.
    pub stacks: &'a dyn NetworkStacks,
}

impl std::fmt::Debug for Networks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Networks")
            .field("machines", self.machines)
            .finish_non_exhaustive()
    }
}

impl Networks<'_> {
    /// Deploys them in this order, which is that of what they need of each other. The user has agreed to it.
    /// Of their users only this one is changed: what the others need is read again, when nothing else is at work on the stack.
    pub async fn deploy(&self, stacks: &[NetworkStack], user: &str) -> Result<Vec<NetworkOutcome>, DeployError> {
        let mut outcomes = Vec::new();
        // By VPC.
        let mut outputs: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
        for stack in stacks {
            let machine = self.machine(&stack.region)?;
            let replaces = self.make_room(machine, &stack.stack).await?;
            let seen = self.seen(&stack.region, &stack.stack).await?;
            let fresh = stack.beside_others(&seen, user).map_err(network)?;
            let (outcome, told) = self.put(machine, &fresh, &outputs, replaces).await?;
            outputs.insert(&stack.vpc, told);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Gives back what a stack needed: of each network stack, named as `region/stack`, what others need stays.
    pub async fn release(&self, names: &[(String, String)], user: &str) -> Result<Vec<NetworkOutcome>, DeployError> {
        let mut outcomes = Vec::new();
        // What leads through a peering connection goes before the connection.
        let mut ordered = Vec::new();
        for (region, name) in names {
            let seen = self.seen(region, name).await?;
            ordered.push((makes_peerings(&seen, user), region, name));
        }
        ordered.sort_by_key(|(makes, ..)| *makes);
        for (_, region, name) in ordered {
            let Some(vpc) = name.strip_prefix(NETWORK_STACK_PREFIX) else {
                continue;
            };
            let machine = self.machine(region)?;
            // At rest first: what it has to be follows from what it is.
            machine.settle(name, Goal::Destroy).await?;
            let seen = self.seen(region, name).await?;
            if seen.is_absent() {
                continue;
            }
            let rest = NetworkStack::of_others(&seen, region, vpc, user).map_err(network)?;
            if rest.users.is_empty() {
                machine.remove(name).await?;
                outcomes.push(NetworkOutcome {
                    stack: name.clone(),
                    region: region.clone(),
                    status: DESTROYED,
                });
            } else {
                let (outcome, _) = self.put(machine, &rest, &BTreeMap::new(), false).await?;
                outcomes.push(outcome);
            }
        }
        Ok(outcomes)
    }

    /// Brings network stacks, each with what was deployed of it before, back to what this user needed of them then; what others need by now stays. In this order, which
    /// is the reverse of that in which they were deployed.
    pub async fn restore(
        &self,
        stacks: &[(&NetworkStack, Fact<Stack>)],
        user: &str,
    ) -> Result<Vec<NetworkOutcome>, DeployError> {
        let mut outcomes = Vec::new();
        for (stack, before) in stacks {
            let needed = before.found().and_then(|before| named_in(before, user));
            let restored = if needed.is_some() {
                let former = NetworkStack::of_others(before, &stack.region, &stack.vpc, NOBODY).map_err(network)?;
                self.deploy(std::slice::from_ref(&former), user).await?
            } else {
                let name = (stack.region.clone(), stack.stack.clone());
                self.release(&[name], user).await?
            };
            outcomes.extend(restored);
        }
        Ok(outcomes)
    }

    async fn seen(&self, region: &str, name: &str) -> Result<Fact<Stack>, DeployError> {
        let seen = self.stacks.network_stack(region, name).await;
        seen.map_err(|fault| call("look at a network stack", fault))
    }

    fn machine(&self, region: &str) -> Result<&Machine<'_>, DeployError> {
        self.machines.get(region).ok_or(DeployError::NoRegion)
    }

    /// Deletes a stack that never worked. Whether there was one.
    async fn make_room(&self, machine: &Machine<'_>, name: &str) -> Result<bool, DeployError> {
        let settled = machine.settle(name, Goal::Deploy).await?;
        let replaces = settled.step == Step::Replace;
        if let Some(stack) = settled.stack.as_ref().filter(|_| replaces) {
            machine.make_room(name, stack).await?;
        }
        Ok(replaces)
    }

    /// Makes a network stack what it has to be; its outputs come back too.
    async fn put(
        &self,
        machine: &Machine<'_>,
        stack: &NetworkStack,
        outputs: &BTreeMap<&str, BTreeMap<String, String>>,
        replaces: bool,
    ) -> Result<(NetworkOutcome, BTreeMap<String, String>), DeployError> {
        let resources = stack.resources();
        let template = render_network(stack).map_err(|error| DeployError::Template(error.to_string()))?;
        let now = machine.stacks.stack(&stack.stack).await;
        let now = now.map_err(|fault| call("look at a network stack", fault))?;
        let deployed = now.map(|now| now.parameters).unwrap_or_default();
        let output = peering_id(&stack.vpc);
        let mut parameters = BTreeMap::new();
        for (name, peer) in &resources.parameters {
            let told = outputs.get(peer.as_str()).and_then(|outputs| outputs.get(&output));
            let id = told
                .or_else(|| deployed.get(name))
                .ok_or_else(|| DeployError::NoPeering {
                    vpc: stack.vpc.clone(),
                    peer: peer.clone(),
                })?;
            parameters.insert(name.clone(), id.clone());
        }
        let job = Job {
            stack: &stack.stack,
            template: &template,
            bundle: None,
            parameters,
            agreed: true,
            conditions: Vec::new(),
            replaces,
            waits: true,
            kept: BTreeMap::new(),
        };
        let links: Vec<Link> = resources
            .peerings
            .values()
            .map(|peering| Link {
                stack: stack.stack.clone(),
                requester: (stack.region.clone(), stack.vpc.clone()),
                accepter: (peering.region.clone(), peering.vpc.clone()),
            })
            .collect();
        // CloudFormation may wait for a connection that waits for somebody to accept it.
        let deployed = tokio::select! {
            deployed = machine.deploy(&job) => deployed?,
            never = self.accept_for_ever(machine, &links) => match never {},
        };
        for link in &links {
            self.until_active(machine, link).await?;
        }
        let outcome = NetworkOutcome {
            stack: stack.stack.clone(),
            region: stack.region.clone(),
            status: match deployed.status {
                Happened::Created => "created",
                Happened::Updated => "updated",
                Happened::Unchanged => "unchanged",
                Happened::Replaced => "replaced",
                Happened::Begun => "begun",
            },
        };
        Ok((outcome, deployed.outputs))
    }

    /// Accepts what waits, as long as it is polled. What can't be told now is told when the stack is there.
    async fn accept_for_ever(&self, machine: &Machine<'_>, links: &[Link]) -> std::convert::Infallible {
        machine.world.sleep(PEERING_PATIENCE).await;
        loop {
            machine.world.sleep(PEERING_WAIT).await;
            for link in links {
                if let Ok(Some((id, status))) = self.peerings.find(link).await
                    && status == PENDING
                {
                    let _ = self.peerings.accept(link, &id).await;
                }
            }
        }
    }

    /// Waits until the connection carries packets, and accepts it where it waits for that.
    async fn until_active(&self, machine: &Machine<'_>, link: &Link) -> Result<(), DeployError> {
        let start = machine.world.elapsed();
        let mut last = "absent".to_owned();
        loop {
            match self.peerings.find(link).await {
                Ok(Some((_, status))) if status == "active" => return Ok(()),
                Ok(Some((id, status))) if status == PENDING => {
                    let accepted = self.peerings.accept(link, &id).await;
                    if let Err(fault) = accepted
                        && !fault.passes()
                    {
                        return Err(call("accept the peering connection", fault));
                    }
                    last = status;
                }
                Ok(Some((id, status))) if matches!(status.as_str(), "failed" | "rejected" | "expired") => {
                    return Err(DeployError::Peering { id, status });
                }
                Ok(Some((_, status))) => last = status,
                Ok(None) => {}
                Err(fault) if fault.passes() => {}
                Err(fault) => return Err(call("look at the peering connection", fault)),
            }
            if machine.world.elapsed().saturating_sub(start) > PEERING_LIMIT {
                return Err(DeployError::TooLong {
                    what: format!(
                        "the peering connection between {} and {} ({last})",
                        link.requester.1, link.accepter.1
                    ),
                    minutes: PEERING_LIMIT.as_secs() / 60,
                });
            }
            tokio::select! {
                biased;
                () = machine.user.stopped(1) => return Err(DeployError::Stopped { stack: link.stack.clone() }),
                () = machine.world.sleep(PEERING_WAIT) => {}
            }
        }
    }
}

/// The network stacks that this user needs something in, as `(region, stack)`: those of these regions, and those that they name; for a stack that is
/// gone and says nothing any more.
pub async fn users_networks(
    stacks: &dyn NetworkStacks,
    regions: &[&str],
    user: &str,
) -> Result<Vec<(String, String)>, DeployError> {
    let mut found = Vec::new();
    for region in regions {
        let names = match stacks.network_stack_names(region).await {
            Ok(names) => names,
            // Most have none; who may see a stack by its name only still may delete it.
            Err(fault) if matches!(fault.kind, FaultKind::Denied(_)) => continue,
            Err(fault) => return Err(call("list network stacks", fault)),
        };
        for name in names {
            let seen = stacks.network_stack(region, &name).await;
            let seen = seen.map_err(|fault| call("look at a network stack", fault))?;
            // Also one that never worked, or is half deleted.
            let needs = seen.found().filter(|stack| stack.made_by_k2m);
            let Some(needs) = needs.and_then(|stack| named_in(stack, user)) else {
                continue;
            };
            let beside = needs.beside.iter().flat_map(|place| named(place));
            for stack in std::iter::once(((*region).to_owned(), name)).chain(beside) {
                if !found.contains(&stack) {
                    found.push(stack);
                }
            }
        }
    }
    Ok(found)
}

/// No user's name.
const NOBODY: &str = "";

/// A person who said yes to the whole operation, and some of whose signals have had their effect already.
pub struct Persistent<'a> {
    /// Who.
    pub user: &'a dyn User,
    /// How many signals.
    pub spent: u32,
}

impl fmt::Debug for Persistent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persistent")
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}

impl User for Persistent<'_> {
    fn tell(&self, text: &str) {
        self.user.tell(text);
    }

    fn tell_line(&self, line: &Line) {
        self.user.tell_line(line);
    }

    fn columns(&self) -> Option<usize> {
        self.user.columns()
    }

    fn canvas(&self) -> Option<(usize, usize)> {
        self.user.canvas()
    }

    fn draw(&self, lines: &[Line]) {
        self.user.draw(lines);
    }

    fn confirm<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(true)))
    }

    fn stopped(&self, times: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.user.stopped(times + self.spent)
    }
}

/// Whether a network stack makes a peering connection for this user.
fn makes_peerings(stack: &Fact<Stack>, user: &str) -> bool {
    let needs = stack.found().and_then(|stack| named_in(stack, user));
    needs.is_some_and(|needs| !needs.peerings.is_empty())
}

/// AWS's word for a connection that nobody has accepted.
const PENDING: &str = "pending-acceptance";

fn network(error: PlanError) -> DeployError {
    DeployError::Network(Box::new(error))
}

fn call(doing: &str, fault: Fault) -> DeployError {
    DeployError::Call {
        doing: doing.to_owned(),
        fault,
    }
}

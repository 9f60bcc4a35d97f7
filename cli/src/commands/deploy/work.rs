//! The stacks of a deployment, in their order, and back where it comes to nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use k2m_handler::probe::creation::Became;

use super::agree::{agree_to_networks, conditions};
use super::positions::Planned;
use crate::aws::Aws;
use crate::commands::attended::Attended;
use crate::commands::networks::{self, Regions};
use crate::commands::{CommandError, rendered};
use crate::deploy::DeployError;
use crate::deploy::artifacts::Place;
use crate::deploy::board::Board;
use crate::deploy::bundle::Bundle;
use crate::deploy::machine::{Job, Machine};
use crate::deploy::network::{Networks, Persistent};
use crate::deploy::options::Options;
use crate::deploy::outcome::{Deployed, Happened};
use crate::deploy::port::User as _;
use crate::deploy::resume::Resume;
use crate::deploy::state::Status;
use crate::deploy::topics::Topics;
use crate::exit::Exit;
use crate::facts::{Fact, Facts};
use crate::plan::Plan;
use crate::plan::change::NetworkChange;
use crate::plan::shared::{GivenBack, NetworkStack, user};
use crate::template::render;

/// What is to be deployed, and what for.
pub(super) struct Work<'a> {
    pub(super) aws: &'a Aws,
    pub(super) attended: &'a Attended<'a>,
    pub(super) board: &'a Board,
    pub(super) place: &'a Place,
    pub(super) facts: &'a Facts,
    pub(super) plan: &'a Plan,
    /// The same with what becomes of positions in streams.
    pub(super) planned: &'a Planned,
    pub(super) template: &'a str,
    /// The network stacks that the deployed stack needs no more.
    pub(super) over: Vec<GivenBack>,
    /// Where pipelines could be gone on with whose mappings go.
    pub(super) resume: &'a [Resume],
    pub(super) options: &'a Options,
    /// Whether the stack is followed to its end.
    pub(super) waits: bool,
    /// Whether the stack is what it was to be, whatever comes then.
    pub(super) stands: AtomicBool,
}

impl Work<'_> {
    /// Deploys the network stacks, the stack itself, and gives back what it needs no more: one operation, also where it comes to nothing.
    pub(super) async fn deploy(
        &self,
        machine: &Machine<'_>,
        handler: &Bundle,
        replaces: bool,
    ) -> Result<Deployed, CommandError> {
        let Self { plan, over, .. } = self;
        let changes = networks::changes(plan, self.facts, &self.options.tags)?;
        let pending: Vec<&NetworkChange> = changes
            .iter()
            .filter(|change| change.change.pending() != Some(false))
            .collect();
        let agreed = agree_to_networks(
            self.attended,
            plan,
            self.facts,
            (self.template, self.options),
            &pending,
            over,
        )
        .await?;
        let titles = pending
            .iter()
            .map(|change| format!("{} in {}", change.stack, change.region));
        self.board.expect(titles.chain([machine.title(&plan.stack)]));

        let regions = plan.network_stacks.iter().map(|stack| stack.region.as_str());
        let regions = regions.chain(over.iter().map(|stack| stack.region.as_str()));
        let regions = Regions::new(self.aws, self.place, regions);
        let before = async { machine.stacks.stack(&plan.stack).await.ok().flatten() };
        let before = before.await.map(|stack| stack.status);
        let done = self.deploy_in_order(machine, &regions, handler, replaces, agreed).await;
        match done {
            Err(CommandError::Deploy(error)) => {
                let touched: Vec<&NetworkStack> = plan
                    .network_stacks
                    .iter()
                    .filter(|stack| pending.iter().any(|change| change.stack == stack.stack))
                    .collect();
                if !touched.is_empty() && !self.stands.load(Ordering::Relaxed) {
                    self.take_back(machine, &regions, &touched, before, &error).await;
                }
                Err(error.into())
            }
            done => done,
        }
    }

    async fn deploy_in_order(
        &self,
        machine: &Machine<'_>,
        regions: &Regions,
        handler: &Bundle,
        replaces: bool,
        agreed: bool,
    ) -> Result<Deployed, CommandError> {
        let Self {
            aws,
            attended,
            board,
            place,
            facts,
            plan,
            options,
            over,
            ..
        } = self;
        let machines = regions.machines(*attended, *attended, options, board);
        let networks = Networks {
            machines: &machines,
            peerings: *aws,
            stacks: *aws,
        };
        let me = user(&place.region, &plan.stack);
        // First with what the functions need where they are, and when they have moved, without.
        let widened = plan.network_stacks.iter().map(|stack| {
            let deployed = facts.network_stacks.get(&stack.stack).unwrap_or(&Fact::Absent);
            stack.with_former(deployed, &me)
        });
        let widened = widened.collect::<Result<Vec<_>, _>>()?;
        let mut network_stacks = networks.deploy(&widened, &me).await?;

        let mut deployed = self.deploy_stack(machine, handler, replaces, agreed).await?;
        self.stands.store(true, Ordering::Relaxed);
        deployed.plan_warnings = plan.warnings.clone();
        if deployed.status == Happened::Begun {
            if widened != plan.network_stacks || !over.is_empty() {
                deployed.warnings.push(
                    "what the stack needs no more of network stacks is still there: the same command without --no-wait gives it back"
                        .to_owned(),
                );
            }
            deployed.network_stacks = network_stacks;
            return Ok(deployed);
        }
        if widened != plan.network_stacks {
            // What came of it first is told: the second time only takes away.
            let narrowed = networks.deploy(&plan.network_stacks, &me).await?;
            for (first, then) in network_stacks.iter_mut().zip(narrowed) {
                if first.status == "unchanged" {
                    *first = then;
                }
            }
        }
        deployed.network_stacks = network_stacks;
        let over: Vec<_> = over
            .iter()
            .map(|GivenBack { region, stack }| (region.clone(), stack.clone()))
            .collect();
        let released = networks.release(&over, &me).await?;
        deployed.network_stacks.extend(released);
        Ok(deployed)
    }

    /// Brings network stacks back to what they were, after the stack that they were changed for has come to nothing.
    async fn take_back(
        &self,
        machine: &Machine<'_>,
        regions: &Regions,
        changed: &[&NetworkStack],
        before: Option<Status>,
        error: &DeployError,
    ) {
        let names: Vec<String> = changed.iter().map(|stack| stack.place()).collect();
        let now = machine.stacks.stack(&self.plan.stack).await;
        let now = now.map(|stack| stack.map(|stack| stack.status));
        let two_steps = self.plan.before_topics().is_some() || !self.planned.apart.is_empty();
        let nothing = now.is_ok_and(|now| error.comes_to_nothing(before.as_ref(), now.as_ref(), two_steps));
        if !nothing {
            self.attended.tell(&format!(
                "the network stacks stay as they are, since {} may need them: {}; the same command goes on from there, and `k2m destroy` gives them back",
                self.plan.stack,
                names.join(", ")
            ));
            return;
        }
        self.attended.tell(&format!(
            "nothing of it stands: bringing the network stacks back to what they were: {}",
            names.join(", ")
        ));
        // The signal that stopped the stack is not one that stops this too.
        let persistent = Persistent {
            user: self.attended,
            spent: u32::from(error.exit() == Exit::Interrupted),
        };
        let machines = regions.machines(self.attended, &persistent, self.options, self.board);
        let networks = Networks {
            machines: &machines,
            peerings: self.aws,
            stacks: self.aws,
        };
        let me = user(&self.place.region, &self.plan.stack);
        let deployed = |stack: &NetworkStack| {
            self.facts
                .network_stacks
                .get(&stack.stack)
                .unwrap_or(&Fact::Absent)
                .clone()
        };
        let former = changed.iter().rev().map(|stack| (*stack, deployed(stack)));
        match networks.restore(&former.collect::<Vec<_>>(), &me).await {
            Ok(outcomes) => outcomes
                .iter()
                .for_each(|outcome| self.attended.tell(outcome.to_string().trim_end())),
            Err(failed) => self.attended.tell(&format!(
                "failed to bring a network stack back: {failed}\n  the same command goes on from there, and `k2m destroy` gives back what is left"
            )),
        }
    }

    /// Deploys the stack itself: first without the mappings that have to go before others of the same stream can come.
    async fn deploy_stack(
        &self,
        machine: &Machine<'_>,
        handler: &Bundle,
        replaces: bool,
        agreed: bool,
    ) -> Result<Deployed, CommandError> {
        let apart = &self.planned.apart;
        if apart.is_empty() {
            return self
                .deploy_with_topics(machine, handler, replaces, (agreed, conditions(self.plan)))
                .await;
        }
        if !self.waits {
            self.attended
                .tell("an old mapping goes before a new one comes, and the first of these changes of the stack is followed to its end for that");
        }
        let before = self.plan.before_topics();
        let before = before.as_ref().unwrap_or(self.plan).without_mappings(apart);
        let template = rendered(&before)?;
        let mut conditions = conditions(self.plan);
        conditions.extend(self.planned.conditions());
        let job = Job {
            stack: &self.plan.stack,
            template: template.text(),
            bundle: Some(handler),
            parameters: BTreeMap::new(),
            agreed,
            conditions,
            replaces,
            waits: true,
            kept: self.planned.kept.clone(),
        };
        let first = machine.deploy(&job).await?;
        self.attended
            .tell("the old mapping is gone: the stack becomes as planned, with the new one");
        let last = self
            .deploy_with_topics(machine, handler, replaces, (true, Vec::new()))
            .await;
        if last.is_err() {
            self.attended.tell(&self.planned.between(self.resume));
        }
        Ok(first.and(last?))
    }

    /// Deploys the stack: in two steps where functions are to make topics between them.
    async fn deploy_with_topics(
        &self,
        machine: &Machine<'_>,
        handler: &Bundle,
        replaces: bool,
        (agreed, conditions): (bool, Vec<String>),
    ) -> Result<Deployed, CommandError> {
        let plan = self.plan;
        let before = plan.before_topics().map(|before| rendered(&before)).transpose()?;
        if before.is_some() && !self.waits {
            self.attended
                .tell("functions make topics between two changes of the stack, which is followed to its end for that");
        }
        let job = Job {
            stack: &plan.stack,
            template: before.as_ref().map_or(self.template, |before| before.text()),
            bundle: Some(handler),
            parameters: BTreeMap::new(),
            agreed,
            conditions,
            replaces,
            waits: self.waits || before.is_some(),
            kept: self.planned.kept.clone(),
        };
        if before.is_none() {
            return Ok(machine.deploy(&job).await?);
        }
        let functions = self.aws.functions(&plan.region);
        let topics = Topics {
            functions: &functions,
            world: self.attended,
            user: self.attended,
        };
        let then = |became: &[Became]| render(&plan.after_topics(became));
        Ok(topics.deploy(machine, &job, &plan.asked(), &then).await?)
    }
}

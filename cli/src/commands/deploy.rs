//! `k2m deploy`: what was chosen becomes a stack, or the change of one.

mod looked;
pub(super) mod positions;
mod verify;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k2m_handler::probe::creation::Became;

use super::attended::Attended;
use super::chosen::chosen;
use super::look::{Depth, connect, look};
use super::networks::{self, Regions};
use super::{CommandError, health, output, rendered};
use crate::args::DeployArgs;
use crate::arn::PlaceError;
use crate::aws::{Aws, LookError};
use crate::deploy::DeployError;
use crate::deploy::artifacts::Place;
use crate::deploy::board::Board;
use crate::deploy::bundle::{self, Bundle, Origin, Wanted};
use crate::deploy::machine::{Job, Machine};
use crate::deploy::network::{Networks, Persistent, named};
use crate::deploy::options::Options;
use crate::deploy::outcome::{Deployed, Happened};
use crate::deploy::port::{User as _, World as _};
use crate::deploy::state::{Goal, Status, Step};
use crate::deploy::topics::Topics;
use crate::doctor::by_hand;
use crate::exit::Exit;
use crate::facts::{Fact, Facts, stream_name};
use crate::plan::change::{Change, NetworkChange};
use crate::plan::shared::{NETWORK_STACKS, NetworkStack, needed_before, user};
use crate::plan::topic::shape;
use crate::plan::{Maker, Pipeline, Plan, Removed};
use crate::report::Reporter;
use crate::settings::{Architecture, ENVIRONMENT_FLAG, Kafka, Settings, Source};
use crate::shell::Command;
use crate::template::render;
use looked::Looked;

/// How long a mapping is waited for, and how often it is looked at.
const MAPPING_LIMIT: Duration = Duration::from_mins(2);
const MAPPING_WAIT: Duration = Duration::from_secs(3);

/// Runs the command.
pub async fn run(args: DeployArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let attended = Attended::new(reporter, args.yes)?;
    if args.plan {
        let looked = Box::pin(look_only(&args, &attended)).await?;
        output(reporter.drawn(&looked, |columns| looked.lines(columns)))?;
        return Ok(looked.exit());
    }
    let (deployed, exit) = Box::pin(deploy(&args, &attended)).await?;
    output(reporter.sentences(&deployed))?;
    Ok(exit)
}

/// Where it is deployed to, and with whose rights.
struct Start {
    settings: Settings,
    aws: Aws,
    place: Place,
    origin: Origin,
    /// The handler, where it has not to be built first.
    handler: Option<Bundle>,
}

impl Start {
    /// Refuses what can be refused before anything is waited for or deleted: also another account.
    async fn of(args: &DeployArgs, attended: &Attended<'_>) -> Result<Self, CommandError> {
        let (settings, access) = chosen(&args.settings)?;
        let name = settings.stack.value.as_str();
        // First what needs no AWS.
        let origin = origin(args.handler.as_deref(), &settings)?;
        let handler = match &origin {
            Origin::Carried(architecture) => {
                Some(bundle::carried(&executable()?, *architecture).map_err(DeployError::from)?)
            }
            Origin::File(path) => Some(fitting(bundle::read(path).map_err(DeployError::from)?, &settings)?),
            Origin::Checkout(_) => None,
        };
        let place = Place {
            account: settings.home.account.clone(),
            region: settings.home.region.clone(),
            partition: settings.home.partition.clone(),
        };
        let aws = attended.unless_stopped(name, connect(&settings, &access)).await?;
        let (caller, _) = attended.unless_stopped(name, aws.caller(&place.region)).await?;
        if caller != place.account {
            return Err(CommandError::Place(PlaceError::Caller {
                caller,
                arn: place.account,
            }));
        }
        Ok(Self {
            settings,
            aws,
            place,
            origin,
            handler,
        })
    }

    /// The handler, built where it comes from a checkout.
    async fn handler(&mut self, attended: &Attended<'_>) -> Result<Bundle, CommandError> {
        if let (None, Origin::Checkout(workspace)) = (&self.handler, &self.origin) {
            attended.tell(&format!(
                "building the handler in {}: minutes the first time",
                workspace.display()
            ));
            let built = attended.unless_stopped(&self.settings.stack.value, async {
                bundle::build(workspace).await.map_err(DeployError::from)
            });
            let built = bundle::read(&built.await?).map_err(DeployError::from)?;
            self.handler = Some(fitting(built, &self.settings)?);
        }
        self.handler.take().ok_or_else(|| match executable() {
            Ok(executable) => {
                let wanted = architecture(&self.settings);
                DeployError::from(bundle::BundleError::Nowhere { executable, wanted }).into()
            }
            Err(error) => error,
        })
    }
}

/// What would be deployed, with nothing left behind.
async fn look_only(args: &DeployArgs, attended: &Attended<'_>) -> Result<Looked, CommandError> {
    let mut start = Start::of(args, attended).await?;
    let facts = look(&start.aws, &start.settings, Depth::Plan);
    let facts = attended.unless_stopped(&start.settings.stack.value, facts).await?;
    let planned = positions::planned(&start.aws, &start.settings, &facts, args);
    let planned = attended.unless_stopped(&start.settings.stack.value, planned).await?;
    let mut conditions = conditions(&planned.plan);
    conditions.extend(planned.conditions());
    let positions::Planned { mut plan, kept, .. } = planned;
    plan.warnings.extend(health::warnings(&start.settings, &facts));
    let template = rendered(&plan)?;
    let handler = start.handler(attended).await?;
    let place = &start.place;
    let (stacks, artifacts) = (
        start.aws.stacks(&place.region),
        start.aws.artifacts(&place.region, &place.account),
    );
    let (board, options) = (Board::default(), Options::of(&start.settings));
    let machine = Machine {
        options: &options,
        stacks: &stacks,
        artifacts: &artifacts,
        world: attended,
        user: attended,
        place,
        board: &board,
    };
    let job = Job {
        stack: &plan.stack,
        template: template.text(),
        bundle: Some(&handler),
        parameters: BTreeMap::new(),
        agreed: false,
        conditions,
        replaces: false,
        waits: true,
        kept,
    };
    let planned = machine.look(&job).await?;
    Ok(Looked {
        planned,
        network_changes: networks::changes(&plan, &facts, &options.tags)?,
        drift: health::by_hand(&start.settings, &facts, &plan, Some(&handler))?,
        warnings: plan.warnings,
    })
}

pub(super) async fn deploy(args: &DeployArgs, attended: &Attended<'_>) -> Result<(Deployed, Exit), CommandError> {
    let board = Board::default();
    let done = deploy_on(args, attended, &board).await;
    // Also where it failed: what happened stands above why.
    board.finish(attended, attended.elapsed());
    done
}

async fn deploy_on(
    args: &DeployArgs,
    attended: &Attended<'_>,
    board: &Board,
) -> Result<(Deployed, Exit), CommandError> {
    let mut start = Start::of(args, attended).await?;
    let name = start.settings.stack.value.clone();
    let name = name.as_str();
    let place = start.place.clone();
    let (stacks, artifacts) = (
        start.aws.stacks(&place.region),
        start.aws.artifacts(&place.region, &place.account),
    );
    let options = Options::of(&start.settings);
    let machine = Machine {
        options: &options,
        stacks: &stacks,
        artifacts: &artifacts,
        world: attended,
        user: attended,
        place: &place,
        board,
    };
    let settled = machine.settle(name, Goal::Deploy).await?;
    let replaces = settled.step == Step::Replace;
    if let Some(stack) = settled.stack.as_ref().filter(|_| replaces) {
        machine.make_room(name, stack).await?;
    }

    let facts = attended
        .unless_stopped(name, look(&start.aws, &start.settings, Depth::Plan))
        .await?;
    let planned = positions::planned(&start.aws, &start.settings, &facts, args);
    let mut planned = attended.unless_stopped(name, planned).await?;
    agree_to_remove(attended, &planned.plan, &args.remove, args.yes).await?;
    let template = rendered(&planned.plan)?;
    tell_decisions(attended, &planned.plan);
    planned.plan.warnings.extend(health::warnings(&start.settings, &facts));
    // Before the question: afterwards they come too late.
    for warning in &planned.plan.warnings {
        attended.tell(&format!("warning: {warning}"));
    }
    let resume = async { Ok::<_, CommandError>(planned.resumes(&start.aws, &facts).await) };
    let resume = attended.unless_stopped(name, resume).await?;
    positions::tell(attended, &resume);
    let handler = start.handler(attended).await?;
    let drift = health::by_hand(&start.settings, &facts, &planned.plan, Some(&handler))?;
    for line in by_hand::lines(&drift) {
        attended.tell(&line);
    }
    let Start { settings, aws, .. } = start;

    let before = settled.stack.as_ref().filter(|_| !replaces);
    let before = before.and_then(|stack| stack.outputs.get(NETWORK_STACKS));
    let mut former: Vec<(String, String)> = before.map(|output| named(output)).unwrap_or_default();
    // What an earlier run that was stopped half way had no time to give back.
    for stack in needed_before(&facts, &user(&place.region, name)) {
        if !former.contains(&stack) {
            former.push(stack);
        }
    }
    let work = Work {
        aws: &aws,
        attended,
        board,
        place: &place,
        facts: &facts,
        plan: &planned.plan,
        planned: &planned,
        template: template.text(),
        former,
        options: &options,
        waits: !args.no_wait,
        stands: AtomicBool::new(false),
    };
    let mut deployed = work.deploy(&machine, &handler, replaces).await?;
    deployed.drift = drift;
    deployed.resume = resume;
    let plan = &planned.plan;
    if deployed.status == Happened::Begun {
        "the same command without --no-wait follows it to its end, and `k2m doctor` looks whether records can flow"
            .clone_into(&mut deployed.next_step);
        return Ok((deployed, Exit::Fine));
    }
    let waited = attended.unless_stopped(name, async {
        Ok::<_, LookError>(mapping_trouble(&aws, attended, plan).await)
    });
    let exit = match waited.await {
        Ok(troubles) => {
            deployed.warnings.extend(troubles);
            if args.verify {
                verify::verify(&aws, attended, &settings, (&facts, plan), &mut deployed).await
            } else {
                Exit::Fine
            }
        }
        Err(stopped) => {
            deployed.warnings.push(stopped_waiting(plan));
            stopped.exit()
        }
    };
    deployed.next_step = format!("`{}` looks whether records can flow", doctor(&settings));
    Ok((deployed, exit))
}

/// What is said where nobody waited any longer for the mappings of a stack that is deployed.
fn stopped_waiting(plan: &Plan) -> String {
    let mappings = match plan.pipelines.as_slice() {
        [_] => "mapping was",
        _ => "mappings were",
    };
    format!("stopped while the event source {mappings} waited for; the stack is deployed")
}

fn architecture(settings: &Settings) -> Option<Architecture> {
    settings.architecture.as_ref().map(|chosen| chosen.value)
}

/// The handler, where it is for the processor that was chosen.
fn fitting(handler: Bundle, settings: &Settings) -> Result<Bundle, DeployError> {
    let chosen = settings.architecture.as_ref();
    match chosen.filter(|chosen| chosen.value != handler.architecture) {
        None => Ok(handler),
        Some(chosen) => Err(DeployError::Architecture {
            built: handler.architecture.name(),
            setting: match &chosen.source {
                source @ Source::File(_) => format!("{source}: architecture"),
                source => source.to_string(),
            },
            chosen: chosen.value.name(),
        }),
    }
}

/// The command that looks at these very pipelines.
fn doctor(settings: &Settings) -> String {
    let mut whose = Command::new("");
    if let Some(environment) = &settings.environment {
        whose = whose
            .file(&environment.path)
            .option(ENVIRONMENT_FLAG, &environment.name);
    }
    if let Some(profile) = &settings.profile {
        whose = whose.option("--profile", profile);
    }
    let [pipeline] = settings.pipelines.as_slice() else {
        // The stack knows them all.
        return format!(
            "k2m doctor --stack {} --region {}{whose}",
            settings.stack.value, settings.home.region
        );
    };
    let mut command = format!("k2m doctor --stream {}", pipeline.stream.value);
    match &settings.kafka {
        Kafka::Cluster(cluster) => command.extend([" --cluster ", cluster.value.as_str()]),
        Kafka::BootstrapServers(servers) => command.extend([" --bootstrap-servers ", &servers.value.to_string()]),
    }
    if let Some(blocks) = &settings.broker_cidrs {
        let blocks: Vec<String> = blocks.value.iter().map(ToString::to_string).collect();
        command.extend([" --broker-cidrs ", &blocks.join(",")]);
    }
    // Only of a cluster of MSK the ports tell that functions are meant to be in no VPC.
    if settings.servers().is_some() && settings.public_access.value {
        command.push_str(" --public-access true");
    }
    if let Some(vpc) = &settings.vpc {
        command.extend([" --vpc ", &vpc.value]);
    }
    for (flag, setting) in [("--topic", &pipeline.topic), ("--stack", &settings.stack)] {
        if setting.source != Source::Default {
            command.extend([" ", flag, " ", &setting.value]);
        }
    }
    if let Some(topic) = &pipeline.dead_letter_topic {
        command.extend([" --on-poison ", pipeline.on_poison.value.name()]);
        if topic.source != Source::Default {
            command.extend([" --dead-letter-topic ", &topic.value]);
        }
    }
    command + &whose.to_string()
}

fn tell_decisions(attended: &Attended<'_>, plan: &Plan) {
    for decision in &plan.decisions {
        let of = decision.pipeline.as_ref().map(|stream| format!("{stream}: "));
        attended.tell(&format!(
            "{}{}: {}",
            of.unwrap_or_default(),
            decision.about,
            decision.choice
        ));
    }
}

/// What is to be deployed, and what for.
struct Work<'a> {
    aws: &'a Aws,
    attended: &'a Attended<'a>,
    board: &'a Board,
    place: &'a Place,
    facts: &'a Facts,
    plan: &'a Plan,
    /// The same with what becomes of positions in streams.
    planned: &'a positions::Planned,
    template: &'a str,
    /// The network stacks that the deployed stack needs, as `(region, stack)`.
    former: Vec<(String, String)>,
    options: &'a Options,
    /// Whether the stack is followed to its end.
    waits: bool,
    /// Whether the stack is what it was to be, whatever comes then.
    stands: AtomicBool,
}

impl Work<'_> {
    /// Deploys the network stacks, the stack itself, and gives back what it needs no more: one operation, also where it comes to nothing.
    async fn deploy(&self, machine: &Machine<'_>, handler: &Bundle, replaces: bool) -> Result<Deployed, CommandError> {
        let Self { plan, former, .. } = self;
        // What the stack needed before, and needs no more.
        let needed = |(region, name): &(String, String)| {
            let mut stacks = plan.network_stacks.iter();
            stacks.any(|stack| stack.stack == *name && stack.region == *region)
        };
        let over: Vec<(String, String)> = former.iter().rev().filter(|stack| !needed(stack)).cloned().collect();
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
            &over,
        )
        .await?;
        let titles = pending
            .iter()
            .map(|change| format!("{} in {}", change.stack, change.region));
        self.board.expect(titles.chain([machine.title(&plan.stack)]));

        let regions = plan.network_stacks.iter().map(|stack| stack.region.as_str());
        let regions = regions.chain(former.iter().map(|(region, _)| region.as_str()));
        let regions = Regions::new(self.aws, self.place, regions);
        let before = async { machine.stacks.stack(&plan.stack).await.ok().flatten() };
        let before = before.await.map(|stack| stack.status);
        let done = self
            .deploy_in_order(machine, &regions, handler, replaces, agreed, &over)
            .await;
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
        over: &[(String, String)],
    ) -> Result<Deployed, CommandError> {
        let Self {
            aws,
            attended,
            board,
            place,
            facts,
            plan,
            options,
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
        let released = networks.release(over, &me).await?;
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
            let streams: Vec<&str> = apart.iter().map(|stream| stream_name(stream)).collect();
            self.attended.tell(&format!(
                "the stack has no mapping for {} now, and its records wait in the stream: the same command makes the new one",
                streams.join(", ")
            ));
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

/// Whether each pipeline that would be taken away was named for that, or is agreed to: a general yes is none to that.
async fn agree_to_remove(
    attended: &Attended<'_>,
    plan: &Plan,
    named: &[String],
    yes: bool,
) -> Result<(), CommandError> {
    let is = |stream: &str, named: &str| stream == named || stream_name(stream) == named;
    let kept = |named: &&String| plan.pipelines.iter().any(|one| is(&one.stream, named));
    if let Some(stream) = named.iter().find(kept) {
        return Err(DeployError::RemovesKept { stream: stream.clone() }.into());
    }
    let open: Vec<&Removed> = plan
        .removed
        .iter()
        .filter(|removed| !named.iter().any(|named| is(&removed.stream, named)))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    for removed in &open {
        attended.tell(&format!("  ! {removed}"));
    }
    let streams: Vec<String> = open.iter().map(|one| stream_name(&one.stream).to_owned()).collect();
    if yes || !attended.can_ask() {
        return Err(DeployError::Removes {
            stack: plan.stack.clone(),
            streams,
        }
        .into());
    }
    let question = format!("Take the pipeline of {} away from {}?", streams.join(", "), plan.stack);
    if attended
        .unless_stopped(&plan.stack, attended.confirm(&question))
        .await?
    {
        Ok(())
    } else {
        Err(DeployError::Declined.into())
    }
}

/// Shows what would change in network stacks, and asks once for them and the stack. Whether that was asked.
async fn agree_to_networks(
    attended: &Attended<'_>,
    plan: &Plan,
    facts: &Facts,
    (template, options): (&str, &Options),
    pending: &[&NetworkChange],
    over: &[(String, String)],
) -> Result<bool, CommandError> {
    if pending.is_empty() && over.is_empty() {
        return Ok(false);
    }
    for change in pending {
        attended.tell(change.to_string().trim_end());
    }
    let own = Change::between(&facts.stack, template)?.with_options(&facts.stack, options);
    attended.tell(format!("{} in {}: {own}", plan.stack, plan.region).trim_end());
    for condition in conditions(plan) {
        attended.tell(&format!("  ! {condition}"));
    }
    for (region, stack) in over {
        attended.tell(&format!(
            "then {stack} in {region} is given back: it goes with the last that needs it"
        ));
    }
    let names: Vec<&str> = pending.iter().map(|change| change.stack.as_str()).collect();
    let question = if names.is_empty() {
        format!("Deploy {}?", plan.stack)
    } else {
        format!("Deploy {}, and then {}?", names.join(", "), plan.stack)
    };
    let agreed = attended
        .unless_stopped(&plan.stack, attended.confirm(&question))
        .await?;
    if agreed {
        Ok(true)
    } else {
        Err(DeployError::Declined.into())
    }
}

/// What the confirmation is asked for beside the changes themselves.
pub(super) fn conditions(plan: &Plan) -> Vec<String> {
    let removed = plan.removed.iter().map(ToString::to_string);
    let topics = plan.pipelines.iter().flat_map(Pipeline::topics);
    let topics = topics.filter_map(|(name, topic)| {
        let topic = topic.filter(|topic| !topic.exists)?;
        let size = shape((topic.partitions, topic.replication_factor));
        match topic.by {
            // In two steps, also where nothing is left to be confirmed.
            Maker::Function => Some(format!(
                "has the function create the topic {name} where it is missing, with {size}, before anything is read for it; it stays when the stack goes"
            )),
            Maker::CloudFormation => topic
                .unconfirmed
                .then(|| format!("creates the topic {name} with {size}; it stays when the stack goes")),
        }
    });
    let endpoint = plan
        .secrets_endpoint
        .iter()
        .filter(|endpoint| endpoint.unconfirmed && !endpoint.exists);
    let endpoint = endpoint.map(|endpoint| {
        format!(
            "creates an interface endpoint {} in {}, with {} network interface(s), each of which AWS charges for by the hour; it goes with the last stack that needs it",
            endpoint.service, endpoint.vpc, endpoint.interfaces
        )
    });
    let connection = plan.connection.iter();
    let connection = connection.filter(|connection| connection.unconfirmed && !connection.exists);
    let connection = connection.map(|connection| {
        format!(
            "creates a VPC connection to the cluster in {}, with network interfaces in {} subnets, which AWS charges for by the hour; it goes with the last stack that needs it",
            connection.vpc,
            connection.subnets.len()
        )
    });
    removed.chain(topics).chain(endpoint).chain(connection).collect()
}

/// A mapping that is waited for.
struct Awaited {
    /// How it is called.
    what: String,
    /// Its UUID, where the stack has it.
    uuid: String,
    /// The state that it is to reach.
    wanted: &'static str,
    /// The state that it was last seen in.
    state: String,
}

/// Waits until the mappings are as the plan has them. What is to be said when they are not.
async fn mapping_trouble(aws: &Aws, attended: &Attended<'_>, plan: &Plan) -> Vec<String> {
    let resources = match aws.resources(&plan.region, &plan.stack).await {
        Fact::Found { value } => value,
        Fact::Absent => BTreeMap::new(),
        Fact::Unreadable(why) => return vec![format!("the event source mappings can't be looked at: {}", why.message)],
    };
    let several = plan.pipelines.len() > 1;
    let (mut awaited, mut troubles) = (Vec::new(), Vec::new());
    for pipeline in &plan.pipelines {
        let of = several.then(|| format!(" of {}", pipeline.stream_name));
        let what = format!("the event source mapping{}", of.unwrap_or_default());
        match resources.get(&format!("{}Mapping", pipeline.id)) {
            Some(uuid) => awaited.push(Awaited {
                what,
                uuid: uuid.clone(),
                wanted: if pipeline.mapping.enabled {
                    "Enabled"
                } else {
                    "Disabled"
                },
                state: String::new(),
            }),
            None => troubles.push(format!("{what} is absent: look again with `k2m doctor`")),
        }
    }
    let start = attended.elapsed();
    while !awaited.is_empty() {
        let uuids: Vec<String> = awaited.iter().map(|one| one.uuid.clone()).collect();
        let seen = aws.mappings(&plan.region, &uuids).await;
        let late = attended.elapsed().saturating_sub(start) > MAPPING_LIMIT;
        for (mut one, seen) in std::mem::take(&mut awaited).into_iter().zip(seen) {
            one.state = match seen {
                Fact::Found { value } => value.state,
                Fact::Absent => "absent".to_owned(),
                Fact::Unreadable(why) => {
                    troubles.push(format!("{} can't be looked at: {}", one.what, why.message));
                    continue;
                }
            };
            if one.state == one.wanted {
                continue;
            }
            if late {
                let Awaited {
                    what, wanted, state, ..
                } = one;
                troubles.push(format!(
                    "{what} is {state} and not yet {wanted}: look again with `k2m doctor`"
                ));
            } else {
                awaited.push(one);
            }
        }
        if !awaited.is_empty() {
            attended.sleep(MAPPING_WAIT).await;
        }
    }
    troubles
}

fn executable() -> Result<std::path::PathBuf, CommandError> {
    std::env::current_exe().map_err(|source| CommandError::Machine {
        what: "find k2m's own executable",
        source,
    })
}

fn origin(named: Option<&Path>, settings: &Settings) -> Result<Origin, CommandError> {
    let here = std::env::current_dir().map_err(|source| CommandError::Machine {
        what: "find the current folder",
        source,
    })?;
    let wanted = Wanted {
        handler: named,
        architecture: architecture(settings),
    };
    Ok(bundle::find(wanted, &executable()?, &here).map_err(DeployError::from)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command as Subcommand};
    use crate::plan::sample::sample;
    use crate::plan::{DeadLetterTopic, NewTopic};
    use crate::settings::{Sources, resolve};

    #[test]
    fn the_next_step_says_again_what_the_function_is_told_by_nobody_else() {
        let next = |more: &[&str]| {
            let stream = [
                "k2m",
                "plan",
                "--stream",
                "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
            ];
            let cli = Cli::try_parse_from(stream.iter().chain(more)).unwrap();
            let Subcommand::Plan(args) = cli.command else {
                panic!("{:?}", cli.command)
            };
            let sources = Sources {
                flags: &args.plan.settings,
                environment: &BTreeMap::new(),
                file: None,
            };
            doctor(&resolve(sources).unwrap().0)
        };
        let looks = "k2m doctor --stream arn:aws:kinesis:eu-west-1:123456789012:stream/orders --bootstrap-servers 203.0.113.9:9092";
        let servers = ["--bootstrap-servers", "203.0.113.9:9092"];
        assert_eq!(next(&servers), looks);
        assert_eq!(
            next(&[&servers[..], &["--public-access", "true"]].concat()),
            format!("{looks} --public-access true")
        );
        let cluster = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3";
        let of_msk = next(&["--cluster", cluster, "--public-access", "true"]);
        assert!(of_msk.ends_with(cluster), "{of_msk}");
    }

    #[test]
    fn a_pipeline_that_goes_is_asked_for_first() {
        let mut plan = sample();
        plan.removed = vec![Removed {
            stream: "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks".to_owned(),
            topic: Some("page-views".to_owned()),
        }];
        let asked = conditions(&plan);
        assert!(
            asked[0].starts_with("removes the pipeline of the stream clicks: ")
                && asked[0].ends_with("the topic page-views stays"),
            "{asked:?}"
        );
    }

    #[test]
    fn each_topic_that_nobody_has_confirmed_is_asked_for() {
        let topic = |unconfirmed, exists| NewTopic {
            by: Maker::CloudFormation,
            partitions: 1,
            replication_factor: Some(3),
            configs: None,
            unconfirmed,
            exists,
        };
        let asked = |new_topic, dead_letter_topic| {
            let mut plan = sample();
            plan.pipelines[0].new_topic = new_topic;
            plan.pipelines[0].dead_letter_topic = Some(DeadLetterTopic {
                name: "poison".to_owned(),
                new_topic: dead_letter_topic,
            });
            conditions(&plan)
        };
        let line = |name| {
            format!("creates the topic {name} with 1 partition, 3 replicas of each; it stays when the stack goes")
        };
        assert_eq!(
            asked(Some(topic(true, false)), Some(topic(true, false))),
            [line("orders"), line("poison")]
        );
        assert_eq!(asked(None, Some(topic(true, false))), [line("poison")]);
        assert!(asked(Some(topic(false, false)), Some(topic(true, true))).is_empty());
        assert!(asked(None, None).is_empty());
        // What the function makes is told of in any case.
        let mut by_function = topic(false, false);
        by_function.by = Maker::Function;
        by_function.replication_factor = None;
        assert_eq!(
            asked(Some(by_function), None),
            [
                "has the function create the topic orders where it is missing, with 1 partition, the cluster's own number of replicas of each, before anything is read \
                 for it; it stays when the stack goes"
            ]
        );
        let mut made = topic(false, true);
        made.by = Maker::Function;
        assert!(asked(Some(made), None).is_empty());
    }
}

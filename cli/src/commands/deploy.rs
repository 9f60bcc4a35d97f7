//! `k2m deploy`: what was chosen becomes a stack, or the change of one.

mod agree;
mod looked;
mod mappings;
pub(super) mod next;
pub(super) mod positions;
mod start;
mod verify;
mod work;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::attended::Attended;
use super::look::{Depth, look};
use super::{CommandError, health, networks, output, rendered};
use crate::args::DeployArgs;
use crate::aws::{Aws, LookError};
use crate::deploy::board::Board;
use crate::deploy::machine::{Job, Machine};
use crate::deploy::options::Options;
use crate::deploy::outcome::{Deployed, Happened};
use crate::deploy::port::{User as _, World as _};
use crate::deploy::state::{Goal, Step};
use crate::doctor::by_hand;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::plan::Plan;
use crate::plan::shared::given_back;
use crate::report::Reporter;
use crate::settings::Settings;
pub(super) use agree::conditions;
use agree::{agree_to_remove, tell_decisions};
use looked::Looked;
use start::Start;
use work::Work;

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

/// What would be deployed, with nothing left behind.
async fn look_only(args: &DeployArgs, attended: &Attended<'_>) -> Result<Looked, CommandError> {
    let mut start = Start::of(args, attended).await?;
    let facts = look(&start.aws, &start.settings, Depth::Plan);
    let facts = attended.unless_stopped(&start.settings.stack.value, facts).await?;
    let planned = positions::planned(&start.aws, &start.settings, &facts, args);
    let planned = attended.unless_stopped(&start.settings.stack.value, planned).await?;
    let mut conditions = conditions(&planned.plan);
    conditions.extend(planned.conditions());
    let resume = async { Ok::<_, CommandError>(planned.resumes(&start.aws, &facts).await) };
    let resume = attended.unless_stopped(&start.settings.stack.value, resume).await?;
    let positions::Planned { mut plan, kept, .. } = planned;
    let template = rendered(&plan)?;
    let handler = start.handler(attended).await?;
    let drift = health::by_hand(&start.settings, &facts, &plan, Some(&handler))?;
    let warnings = health::warnings(&start.settings, &facts, &plan);
    plan.warnings.extend(warnings);
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
        given_back: given_back(&plan, &facts),
        lacks: !health::lacking(&start.settings, &facts, &plan, &drift).is_empty(),
        drift,
        resume,
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
    let handler = start.handler(attended).await?;
    let drift = health::by_hand(&start.settings, &facts, &planned.plan, Some(&handler))?;
    let warnings = health::warnings(&start.settings, &facts, &planned.plan);
    planned.plan.warnings.extend(warnings);
    // Before the question: afterwards they come too late.
    for warning in &planned.plan.warnings {
        attended.tell(&format!("warning: {warning}"));
    }
    let resume = async { Ok::<_, CommandError>(planned.resumes(&start.aws, &facts).await) };
    let resume = attended.unless_stopped(name, resume).await?;
    positions::tell(attended, &resume);
    for line in by_hand::lines(&drift) {
        attended.tell(&line);
    }
    let Start { settings, aws, .. } = start;

    let work = Work {
        aws: &aws,
        attended,
        board,
        place: &place,
        facts: &facts,
        plan: &planned.plan,
        planned: &planned,
        template: template.text(),
        over: given_back(&planned.plan, &facts),
        resume: &resume,
        options: &options,
        waits: !args.no_wait,
        stands: AtomicBool::new(false),
    };
    let mut deployed = work.deploy(&machine, &handler, replaces).await?;
    deployed.drift = drift;
    deployed.resume.clone_from(&resume);
    let lacking = health::lacking(&settings, &facts, &planned.plan, &deployed.drift);
    let exit = follow(&aws, attended, args, (&settings, &facts, &planned.plan), &mut deployed).await;
    let lacks = !lacking.is_empty() && exit != Exit::Interrupted;
    deployed.warnings.extend(lacking);
    Ok((deployed, if lacks { Exit::Failed } else { exit }))
}

/// Waits for the mappings of what is deployed, sends a canary where that is wanted, and says what comes next.
async fn follow(
    aws: &Aws,
    attended: &Attended<'_>,
    args: &DeployArgs,
    (settings, facts, plan): (&Settings, &Facts, &Plan),
    deployed: &mut Deployed,
) -> Exit {
    if deployed.status == Happened::Begun {
        "the same command without --no-wait follows it to its end, and `k2m doctor` looks whether records can flow"
            .clone_into(&mut deployed.next_step);
        return Exit::Fine;
    }
    let waited = attended.unless_stopped(&plan.stack, async {
        Ok::<_, LookError>(mappings::trouble(aws, attended, plan, &deployed.drift).await)
    });
    let exit = match waited.await {
        Ok(troubles) => {
            let said = troubles.iter().filter_map(|trouble| trouble.said.clone());
            deployed.warnings.extend(said);
            if args.verify {
                verify::verify(aws, attended, settings, (facts, plan), &troubles, deployed).await
            } else {
                Exit::Fine
            }
        }
        Err(stopped) => {
            deployed.warnings.push(mappings::stopped_waiting(plan));
            stopped.exit()
        }
    };
    deployed.next_step = format!("`{}` looks whether records can flow", next::doctor(settings));
    exit
}

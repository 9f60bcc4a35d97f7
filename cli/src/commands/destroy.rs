//! `k2m destroy`: the stack goes, and what was uploaded for it.

use std::collections::BTreeSet;

use super::attended::Attended;
use super::chosen::chosen_stack;
use super::deploy::positions;
use super::networks::Regions;
use super::{CommandError, output};
use crate::args::DestroyArgs;
use crate::arn::PlaceError;
use crate::aws::{Aws, default_region};
use crate::deploy::DeployError;
use crate::deploy::artifacts::Place;
use crate::deploy::board::Board;
use crate::deploy::machine::{Machine, Settled};
use crate::deploy::network::{Networks, users_networks};
use crate::deploy::options::Options;
use crate::deploy::outcome::Destroyed;
use crate::deploy::port::{Stacks as _, User as _, World as _};
use crate::deploy::resume::Resume;
use crate::deploy::state::{Goal, Step};
use crate::exit::Exit;
use crate::facts::Fact;
use crate::plan::shared::{NETWORK_STACKS, named, user};
use crate::report::Reporter;
use crate::settings::ChosenStack;

/// Runs the command.
pub async fn run(args: DestroyArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let attended = Attended::new(reporter, args.yes)?;
    let board = Board::default();
    let destroyed = Box::pin(destroy(&args, &attended, &board)).await;
    // Also where it failed: what happened stands above why.
    board.finish(&attended, attended.elapsed());
    let destroyed = destroyed?;
    output(reporter.sentences(&destroyed))?;
    Ok(Exit::Fine)
}

/// Where its pipelines can be gone on with.
async fn resumes(aws: &Aws, region: &str, name: &str, settled: &Settled) -> Vec<Resume> {
    if settled.step != Step::Delete {
        return Vec::new();
    }
    match aws.stack(region, name).await {
        Fact::Found { value } => positions::resumes(aws, region, &value, |_| true).await,
        // It was seen just now; who may not list its resources may not delete it either.
        Fact::Absent | Fact::Unreadable(_) => Vec::new(),
    }
}

async fn destroy(args: &DestroyArgs, attended: &Attended<'_>, board: &Board) -> Result<Destroyed, CommandError> {
    let chosen_stack = chosen_stack(&args.settings)?;
    let ChosenStack {
        name,
        region,
        account: chosen,
        cluster_region,
        access,
        ..
    } = chosen_stack.clone();
    let name = name.value;
    let profile = access.profile.as_deref();
    let region = match region {
        Some(region) => region,
        None => default_region(profile).await?.ok_or(DeployError::NoRegion)?,
    };
    let aws = attended.unless_stopped(&name, Aws::connect(profile, &region)).await?;
    let (account, partition) = attended.unless_stopped(&name, aws.caller(&region)).await?;
    // A stack of the same name in another account is another stack.
    if let Some(arn) = chosen.filter(|chosen| *chosen != account) {
        return Err(CommandError::Place(PlaceError::Caller { caller: account, arn }));
    }
    let (stacks, artifacts) = (aws.stacks(&region), aws.artifacts(&region, &account));
    let place = Place {
        account,
        region,
        partition,
    };
    let options = Options::of_deletion(&chosen_stack, &place.region);
    let machine = Machine {
        options: &options,
        stacks: &stacks,
        artifacts: &artifacts,
        world: attended,
        user: attended,
        place: &place,
        board,
    };
    let me = user(&place.region, &name);
    let looked = async {
        stacks.stack(&name).await.map_err(|fault| DeployError::Call {
            doing: "look at the stack".to_owned(),
            fault,
        })
    };
    let stack = attended.unless_stopped(&name, looked).await?;
    let absent = stack.is_none();
    let told = stack.and_then(|stack| stack.outputs.get(NETWORK_STACKS).cloned());
    let mut needed = told.map(|output| named(&output)).unwrap_or_default();
    let others = cluster_region.as_deref().into_iter().chain([place.region.as_str()]);
    let told: Vec<String> = needed.iter().map(|(region, _)| region.clone()).collect();
    let regions: BTreeSet<&str> = others.chain(told.iter().map(String::as_str)).collect();
    // A stack that is gone half way says nothing any more, and one that was stopped half way not all.
    let regions: Vec<&str> = regions.into_iter().collect();
    let found = attended
        .unless_stopped(&name, users_networks(&aws, &regions, &me))
        .await?;
    if absent && found.is_empty() && cluster_region.is_none() {
        attended.tell(
            "what the stack may have left in the cluster's region was not looked for: name the cluster too, with --cluster ARN, where that is another",
        );
    }
    for stack in found {
        if !needed.contains(&stack) {
            needed.push(stack);
        }
    }
    let everywhere = needed.iter().map(|(region, _)| region.as_str());
    let all = Regions::new(&aws, &place, everywhere);
    let machines = all.machines(attended, attended, &options, board);
    let networks = Networks {
        machines: &machines,
        peerings: &aws,
        stacks: &aws,
    };
    // What leads through a peering connection goes before the connection itself.
    needed.reverse();
    for (region, stack) in &needed {
        attended.tell(&format!(
            "with it goes the network stack {stack} in {region}, or what of it no other stack needs"
        ));
    }
    if !absent {
        board.expect([machine.title(&name)]);
    }
    board.expect(needed.iter().map(|(region, stack)| format!("{stack} in {region}")));
    let settled = machine.settle(&name, Goal::Destroy).await?;
    let resume = attended
        .unless_stopped(&name, async {
            Ok::<_, CommandError>(resumes(&aws, &place.region, &name, &settled).await)
        })
        .await?;
    let mut destroyed = machine.destroy(&name, settled, resume).await?;
    destroyed.network_stacks = networks.release(&needed, &me).await?;
    Ok(destroyed)
}

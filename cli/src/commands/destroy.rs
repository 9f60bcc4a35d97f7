//! `k2m destroy`: the stack goes, and what was uploaded for it.

use super::attended::Attended;
use super::chosen::chosen_stack;
use super::{CommandError, output};
use crate::args::DestroyArgs;
use crate::arn::PlaceError;
use crate::aws::{Aws, default_region};
use crate::deploy::DeployError;
use crate::deploy::artifacts::Place;
use crate::deploy::machine::Machine;
use crate::deploy::outcome::Destroyed;
use crate::exit::Exit;
use crate::report::Reporter;
use crate::settings::ChosenStack;

/// Runs the command.
pub async fn run(args: DestroyArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let attended = Attended::new(reporter, args.yes)?;
    let destroyed = Box::pin(destroy(&args, &attended)).await?;
    output(reporter.result(&destroyed))?;
    Ok(Exit::Fine)
}

async fn destroy(args: &DestroyArgs, attended: &Attended<'_>) -> Result<Destroyed, CommandError> {
    let ChosenStack {
        name,
        region,
        account: chosen,
        access,
    } = chosen_stack(&args.settings)?;
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
    let machine = Machine {
        stacks: &stacks,
        artifacts: &artifacts,
        world: attended,
        user: attended,
        place: &place,
    };
    Ok(machine.destroy(&name).await?)
}

//! `k2m plan`: decides what a pipeline needs, proves that its function will reach the brokers, and says what a deployment would change.

mod digest;

use super::{CommandError, chosen, health, look, networks, output, rendered};
use crate::args::PlanArgs;
use crate::exit::Exit;
use crate::plan;
use crate::plan::change::Change;
use crate::report::Reporter;
use digest::Digest;

/// Runs the command.
pub async fn run(args: PlanArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let (settings, access) = chosen::chosen(&args.settings)?;
    let facts = look::facts(&settings, &access, args.facts.as_deref()).await?;
    let mut plan = plan::plan(&settings, &facts)?;
    let template = rendered(&plan)?;
    let change = Change::between(&facts.stack, template.text())?;
    let network_changes = networks::changes(&plan, &facts)?;
    let exit = exit(network_changes.iter().map(|network| &network.change).chain([&change]));
    plan.warnings.extend(health::warnings(&settings, &facts));
    output(reporter.result(&Digest {
        plan,
        network_changes,
        change,
    }))?;
    Ok(exit)
}

/// What is pending anywhere is certain; what nobody knows is not.
fn exit<'a>(changes: impl Iterator<Item = &'a Change> + Clone) -> Exit {
    if changes.clone().any(|change| change.pending() == Some(true)) {
        Exit::ChangesPending
    } else if changes.clone().any(|change| change.pending().is_none()) {
        Exit::CouldNotTell
    } else {
        Exit::Fine
    }
}

#[cfg(test)]
mod tests;

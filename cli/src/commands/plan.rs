//! `k2m plan`: decides what a pipeline needs, proves that its function will reach the brokers, and says what a deployment would change.

mod digest;

use super::{CommandError, chosen, health, look, output, rendered};
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
    let exit = exit(&change);
    plan.warnings.extend(health::warnings(&settings, &facts));
    output(reporter.result(&Digest { plan, change }))?;
    Ok(exit)
}

fn exit(change: &Change) -> Exit {
    match change.pending() {
        Some(false) => Exit::Fine,
        Some(true) => Exit::ChangesPending,
        None => Exit::CouldNotTell,
    }
}

#[cfg(test)]
mod tests;

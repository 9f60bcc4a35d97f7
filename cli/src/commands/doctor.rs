//! `k2m doctor`: says which hop, right or topic is broken, and how to mend it.

use super::chosen::chosen;
use super::{CommandError, look, output};
use crate::args::PlanArgs;
use crate::doctor;
use crate::exit::Exit;
use crate::report::Reporter;

/// Runs the command.
pub async fn run(args: PlanArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let (settings, access) = chosen(&args.settings)?;
    let facts = look::facts(&settings, &access, args.facts.as_deref()).await?;
    let report = doctor::examine(&settings, &facts);
    output(reporter.result(&report))?;
    Ok(report.exit())
}

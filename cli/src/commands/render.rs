//! `k2m render`: prints the CloudFormation template of the plan.

use super::chosen::chosen;
use super::{CommandError, look, output, rendered};
use crate::args::PlanArgs;
use crate::exit::Exit;
use crate::plan::plan;
use crate::report::Reporter;

/// Runs the command.
pub async fn run(args: PlanArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let (settings, access) = chosen(&args.settings)?;
    let facts = look::facts(&settings, &access, args.facts.as_deref()).await?;
    let plan = plan(&settings, &facts)?;
    let template = rendered(&plan)?;
    // Standard output is the template alone: what should be known besides goes to standard error.
    for warning in &plan.warnings {
        reporter.note(&format!("warning: {warning}"));
    }
    output(reporter.result(&template))?;
    Ok(Exit::Fine)
}

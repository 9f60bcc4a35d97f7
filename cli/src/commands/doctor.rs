//! `k2m doctor`: says which hop, right or topic is broken, and how to mend it.

use super::chosen::{chosen, chosen_stack, completed};
use super::{CommandError, look, output};
use crate::args::PlanArgs;
use crate::aws::{Aws, default_region};
use crate::deploy::DeployError;
use crate::deploy::port::Stacks as _;
use crate::doctor;
use crate::exit::Exit;
use crate::facts::file;
use crate::report::Reporter;
use crate::settings::{Access, ChosenStack, Settings, SettingsError, StackOutputs};

/// Runs the command.
pub async fn run(args: PlanArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let (settings, access) = settings(&args).await?;
    let facts = look::facts(&settings, &access, args.facts.as_deref()).await?;
    let report = doctor::examine(&settings, &facts);
    output(reporter.result(&report))?;
    Ok(report.exit())
}

/// The settings. The ends of the pipeline that nobody names are those of its stack.
async fn settings(args: &PlanArgs) -> Result<(Settings, Access), CommandError> {
    match chosen(&args.settings) {
        Err(CommandError::Settings(missing @ SettingsError::Missing { .. })) => match outputs(args).await? {
            Some(outputs) => completed(&args.settings, &outputs),
            None => Err(missing.into()),
        },
        chosen => chosen,
    }
}

/// What the stack says of the pipeline, where there is one: that of the file of facts, or the one that is named.
async fn outputs(args: &PlanArgs) -> Result<Option<StackOutputs>, CommandError> {
    if let Some(path) = &args.facts {
        let stack = file::read(path)?.stack;
        let stack = stack.found().filter(|stack| stack.made_by_k2m);
        return Ok(stack.map(|stack| StackOutputs {
            stack: stack.name.clone(),
            outputs: stack.outputs.clone(),
        }));
    }
    let ChosenStack {
        name, region, access, ..
    } = match chosen_stack(&args.settings) {
        Err(CommandError::Settings(SettingsError::NoStack)) => return Ok(None),
        chosen => chosen?,
    };
    let stack = name.value;
    let profile = access.profile.as_deref();
    let region = match region {
        Some(region) => region,
        None => default_region(profile).await?.ok_or(DeployError::NoRegion)?,
    };
    let aws = Aws::connect(profile, &region).await?;
    let found = aws.stacks(&region).stack(&stack).await;
    let found = found.map_err(|fault| DeployError::Call {
        doing: format!("look at the stack {stack}, to find its stream and its cluster"),
        fault,
    })?;
    match found.filter(|found| found.made_by_k2m) {
        Some(found) => Ok(Some(StackOutputs {
            stack,
            outputs: found.outputs,
        })),
        None => Err(SettingsError::StackAbsent { stack, region }.into()),
    }
}

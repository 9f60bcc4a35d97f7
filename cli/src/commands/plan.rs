//! `k2m plan`: decides what a pipeline needs, proves that its function will reach the brokers, and says what a deployment would change.

pub(super) mod digest;

use std::path::Path;

use super::{CommandError, chosen, file, folded, health, look, networks, output, rendered};
use crate::args::DrawnPlanArgs;
use crate::deploy::options::Options;
use crate::exit::Exit;
use crate::picture::{Scene, svg};
use crate::plan;
use crate::plan::change::Change;
use crate::plan::shared::{GivenBack, given_back};
use crate::report::Reporter;
use digest::Digest;

/// Runs the command.
pub async fn run(args: DrawnPlanArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let DrawnPlanArgs { plan: args, diagram } = args;
    let diagram = diagram.as_deref();
    let (settings, access) = chosen::chosen(&args.settings)?;
    let facts = look::facts(&settings, &access, args.facts.as_deref()).await?;
    let mut plan = match plan::plan(&settings, &facts) {
        Ok(plan) => plan,
        Err(error) => {
            if let Some(scene) = Scene::of_error(&error, &settings, &facts) {
                // Why there is no plan counts more than that it could not be drawn.
                if let Err(error) = drawn(&scene, diagram, reporter) {
                    reporter.note(&format!("warning: {error}"));
                }
            }
            return Err(error.into());
        }
    };
    let template = rendered(&plan)?;
    let options = Options::of(&settings);
    let change = Change::between(&facts.stack, template.text())?.with_options(&facts.stack, &options);
    let network_changes = networks::changes(&plan, &facts, &options.tags)?;
    let given_back = given_back(&plan, &facts);
    let changes = network_changes.iter().map(|network| &network.change);
    let exit = exit(&changes.chain([&change]).collect::<Vec<_>>(), &given_back);
    // The handler is not looked at here.
    let drift = health::by_hand(&settings, &facts, &plan, None)?;
    let warnings = health::warnings(&settings, &facts, &plan);
    plan.warnings.extend(warnings);
    drawn(&Scene::of_plan(&plan, &facts), diagram, reporter)?;
    let digest = Digest {
        plan,
        network_changes,
        given_back,
        drift,
        change,
    };
    output(reporter.laid_out(&digest, folded))?;
    Ok(exit)
}

/// Draws the way into the file that was named, and for whoever looks on.
fn drawn(scene: &Scene, path: Option<&Path>, reporter: &Reporter) -> Result<(), CommandError> {
    if let Some(path) = path {
        file::replace(path, &svg::draw(scene)).map_err(|source| CommandError::Write {
            path: path.to_owned(),
            source,
        })?;
        reporter.note(&format!("wrote {}", path.display()));
    }
    output(reporter.picture(scene))
}

/// What is pending anywhere is certain; what nobody knows is not.
fn exit(changes: &[&Change], given_back: &[GivenBack]) -> Exit {
    if !given_back.is_empty() || changes.iter().any(|change| change.pending() == Some(true)) {
        Exit::ChangesPending
    } else if changes.iter().any(|change| change.pending().is_none()) {
        Exit::CouldNotTell
    } else {
        Exit::Fine
    }
}

#[cfg(test)]
mod tests;

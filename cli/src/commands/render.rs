//! `k2m render`: prints the CloudFormation template of the plan, or writes all of them into a folder.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::chosen::chosen;
use super::{CommandError, file, look, output, rendered};
use crate::args::RenderArgs;
use crate::exit::Exit;
use crate::plan::{Plan, plan};
use crate::report::Reporter;
use crate::template::Template;

/// Templates that were written.
#[derive(Debug, Serialize)]
struct Written {
    /// In the order in which they are deployed.
    templates: Vec<WrittenTemplate>,
}

#[derive(Debug, Serialize)]
struct WrittenTemplate {
    stack: String,
    region: String,
    path: PathBuf,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.templates
            .iter()
            .try_for_each(|WrittenTemplate { stack, region, path }| {
                writeln!(f, "wrote {}: {stack} in {region}", path.display())
            })
    }
}

/// Runs the command.
pub async fn run(args: RenderArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let (settings, access) = chosen(&args.plan.settings)?;
    let facts = look::facts(&settings, &access, args.plan.facts.as_deref()).await?;
    let plan = plan(&settings, &facts)?;
    let template = rendered(&plan)?;
    // Standard output is the result alone: what should be known besides goes to standard error.
    for warning in &plan.warnings {
        reporter.note(&format!("warning: {warning}"));
    }
    let Some(folder) = &args.directory else {
        for stack in &plan.network_stacks {
            reporter.note(&format!(
                "the network stack {} in {} goes before this one: --directory FOLDER writes its template too",
                stack.stack, stack.region
            ));
        }
        output(reporter.result(&template))?;
        return Ok(Exit::Fine);
    };
    let written = write(&plan, &template, folder)?;
    output(reporter.result(&written))?;
    Ok(Exit::Fine)
}

/// Writes all templates. All are made before the first is written.
fn write(plan: &Plan, template: &Template, folder: &Path) -> Result<Written, CommandError> {
    let networks = plan.network_stacks.iter().map(|stack| {
        let template = Template::of_network(stack)?;
        Ok((stack.stack.as_str(), stack.region.as_str(), template))
    });
    let mut all = networks.collect::<Result<Vec<_>, CommandError>>()?;
    all.push((&plan.stack, &plan.region, template.clone()));
    std::fs::create_dir_all(folder).map_err(|source| CommandError::Write {
        path: folder.to_owned(),
        source,
    })?;
    let mut templates = Vec::new();
    for (stack, region, template) in all {
        let path = folder.join(format!("{stack}.yaml"));
        file::replace(&path, template.text()).map_err(|source| CommandError::Write {
            path: path.clone(),
            source,
        })?;
        templates.push(WrittenTemplate {
            stack: stack.to_owned(),
            region: region.to_owned(),
            path,
        });
    }
    Ok(Written { templates })
}

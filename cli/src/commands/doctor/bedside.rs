//! Looks and mends in AWS.

use clap::Parser as _;

use super::super::attended::Attended;
use super::super::chosen::chosen;
use super::super::function::Chosen;
use super::super::networks::{self, Regions};
use super::super::{CommandError, deploy, look, rendered};
use super::fix::Bedside;
use super::{asked, probe};
use crate::args::{Cli, Command, DeployArgs, DoctorArgs};
use crate::aws::Aws;
use crate::deploy::artifacts::Place;
use crate::deploy::port::User as _;
use crate::doctor::mend::{Deployment, Mend};
use crate::doctor::{self, Report};
use crate::facts::Facts;
use crate::mend::{Agreed, Mender};
use crate::plan::change::{Change, NetworkChange};
use crate::report::Reporter;
use crate::settings::Settings;

/// Where it happens.
pub(super) struct Room<'a> {
    pub(super) args: &'a DoctorArgs,
    pub(super) settings: &'a Settings,
    /// The function, where k2m did not deploy it.
    pub(super) foreign: Option<&'a Chosen>,
    pub(super) aws: &'a Aws,
    pub(super) reporter: &'a Reporter,
    pub(super) attended: &'a Attended<'a>,
}

impl Room<'_> {
    async fn look(&self) -> Result<Facts, CommandError> {
        let what = format!(
            "looking at AWS: {}, the brokers, and what is between them",
            self.settings.stack.value
        );
        let look = look::look(self.aws, self.settings, look::Depth::Doctor);
        let mut facts = self.reporter.waiting(&what, look).await?;
        if !self.args.no_probe
            && let Some(names) = asked(&mut facts)
        {
            let what = format!("asking {names}: the way to the brokers, and the topics");
            let probe = probe(&mut facts, &self.settings.home.region, self.aws);
            self.reporter.waiting(&what, probe).await;
        }
        Ok(facts)
    }
}

impl Bedside for Room<'_> {
    type Seen = Facts;

    async fn examine(&self) -> Result<(Report, Facts), CommandError> {
        let facts = match self.foreign {
            // Nobody asks another's function anything.
            Some(chosen) => {
                let what = "looking at AWS: the function, the brokers, and what is between them";
                self.reporter.waiting(what, chosen.look(self.aws)).await
            }
            None => self.look().await,
        };
        self.reporter.finish();
        let facts = facts?;
        Ok((doctor::examine(self.settings, &facts), facts))
    }

    fn preview(&self, mend: &Mend, facts: &Facts) -> Result<Option<Vec<String>>, CommandError> {
        let Mend::Deploy(deployment) = mend else {
            return Ok(Some(Vec::new()));
        };
        let planned = || {
            let (settings, _) = chosen(&deploy_args(self.args, deployment)?.settings)?;
            let plan = crate::plan::plan(&settings, facts)?;
            let change = Change::between(&facts.stack, rendered(&plan)?.text())?;
            let networks = networks::changes(&plan, facts)?;
            Ok((plan, change, networks))
        };
        let (plan, change, networks) = match planned() {
            Ok(planned) => planned,
            // Nobody has said that it would help.
            Err(_) if deployment.adds => return Ok(None),
            Err(error) => return Err(error),
        };
        let pending: Vec<&NetworkChange> = networks
            .iter()
            .filter(|network| network.change.pending() != Some(false))
            .collect();
        let mut changes = std::iter::once(&change).chain(pending.iter().map(|network| &network.change));
        let helps = changes.any(|change| {
            if deployment.adds {
                change.adds()
            } else {
                change.pending() != Some(false)
            }
        });
        if !helps {
            return Ok(None);
        }
        let told = pending.iter().map(ToString::to_string).chain([change.to_string()]);
        let mut lines: Vec<String> = told
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let conditions = deploy::conditions(&plan);
        lines.extend(conditions.iter().map(|condition| format!("  ! {condition}")));
        Ok(Some(lines))
    }

    async fn mend(&self, mend: &Mend) -> Result<(), CommandError> {
        if let Mend::Deploy(deployment) = mend {
            let args = deploy_args(self.args, deployment)?;
            // It was agreed to, and stops by its own rules.
            let agreed = Attended::new(self.reporter, true)?;
            let (deployed, _) = Box::pin(deploy::deploy(&args, &agreed)).await?;
            deployed
                .warnings
                .iter()
                .for_each(|warning| self.reporter.note(&format!("warning: {warning}")));
            return Ok(());
        }
        let place = Place {
            account: self.settings.home.account.clone(),
            region: self.settings.home.region.clone(),
            partition: self.settings.home.partition.clone(),
        };
        let lost = match mend {
            Mend::Remake(remaking) => remaking.lost.as_slice(),
            _ => &[],
        };
        let regions = Regions::new(self.aws, &place, lost.iter().map(|lost| lost.region.as_str()));
        let user = Agreed(self.attended);
        let machines = regions.machines(self.attended, &user);
        let mender = Mender {
            settle: self.aws,
            stacks: self.aws,
            machines: &machines,
            world: self.attended,
            user: &user,
        };
        let mut work = mender.mend(mend);
        let done = tokio::select! {
            done = &mut work => done,
            () = self.attended.stopped(1) => {
                self.attended.tell("this step is brought to its end, and then k2m stops; a second Ctrl-C leaves it as it is then");
                work.await
            }
        };
        Ok(done?)
    }
}

/// What `k2m deploy` is told: what doctor was told, and the deployment's own options.
fn deploy_args(args: &DoctorArgs, deployment: &Deployment) -> Result<DeployArgs, CommandError> {
    let told = || DeployArgs {
        settings: args.plan.settings.clone(),
        yes: true,
        handler: args.handler.clone(),
        output: args.plan.output,
    };
    let mut cli = Cli {
        command: Command::Deploy(Box::new(told())),
    };
    let options = deployment.options().map(|(name, value)| format!("{name}={value}"));
    let words = ["k2m", "deploy"].map(str::to_owned).into_iter().chain(options);
    cli.try_update_from(words)
        .map_err(|error| CommandError::Usage(error.to_string()))?;
    match cli.command {
        Command::Deploy(deploy) => Ok(DeployArgs {
            settings: deploy.settings,
            ..told()
        }),
        _ => Ok(told()),
    }
}

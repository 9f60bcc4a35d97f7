//! Looks and mends in AWS.

use clap::Parser as _;

use super::super::attended::Attended;
use super::super::chosen::chosen;
use super::super::function::Chosen;
use super::super::networks::{self, Regions};
use super::super::{CommandError, deploy, look, rendered};
use super::fix::Bedside;
use super::{asked, probe};
use crate::args::{Cli, Command, DeployArgs, DoctorArgs, MannerArgs};
use crate::aws::Aws;
use crate::deploy::DeployError;
use crate::deploy::artifacts::Place;
use crate::deploy::board::Board;
use crate::deploy::options::Options;
use crate::deploy::port::User as _;
use crate::doctor::mend::{Deployment, Mend};
use crate::doctor::{self, Report};
use crate::facts::{Facts, stream_name};
use crate::mend::{Agreed, Mender};
use crate::plan::Plan;
use crate::plan::change::{Change, NetworkChange};
use crate::report::Reporter;
use crate::settings::{PipelineSettings, Settings};

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
        if let Some(contradiction) = doctor::contradicted(self.settings, &facts) {
            return Err(Box::new(contradiction).into());
        }
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

impl Room<'_> {
    /// The settings of a deployment, and the facts that it takes where it carries more pipelines than were looked at.
    async fn seen_for(
        &self,
        deployment: &Deployment,
        facts: &Facts,
    ) -> Result<(Settings, Option<Facts>), CommandError> {
        let (settings, _) = chosen(&deploy_args(self.args, deployment)?.settings)?;
        let seen = |one: &PipelineSettings| facts.pipelines.contains_key(one.stream.value.as_str());
        if settings.pipelines.iter().all(seen) {
            return Ok((settings, None));
        }
        self.reporter
            .wait("looking at AWS: the other pipelines of the stack, which a deployment carries too");
        let facts = look::look(self.aws, &settings, look::Depth::Plan).await;
        self.reporter.finish();
        Ok((settings, Some(facts?)))
    }

    /// That a deployment changes nothing of pipelines that nobody judged: they are carried as they are, or not at all.
    fn spares_others(&self, plan: &Plan, change: &Change) -> Result<(), CommandError> {
        let Change::Update { changed, .. } = change else {
            return Ok(());
        };
        let judged = |stream: &str| {
            let mut judged = self.settings.pipelines.iter();
            judged.any(|one| one.stream.value.as_str() == stream)
        };
        for one in changed {
            let of = plan
                .pipelines
                .iter()
                .filter(|pipeline| one.resource.logical_id.starts_with(&pipeline.id));
            let of = of.max_by_key(|pipeline| pipeline.id.len());
            if let Some(other) = of.filter(|pipeline| !judged(&pipeline.stream)) {
                return Err(CommandError::Usage(format!(
                    "a deployment that says no more than this would also change {} of {}, of the pipeline of {}, which has settings of its own: list the pipelines of \
                     {} in k2m.yaml with theirs, and ask again",
                    one.properties.join(", "),
                    one.resource.logical_id,
                    other.stream_name,
                    plan.stack
                )));
            }
        }
        Ok(())
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

    async fn preview(&self, mend: &Mend, facts: &Facts) -> Result<Option<Vec<String>>, CommandError> {
        let Mend::Deploy(deployment) = mend else {
            return Ok(Some(Vec::new()));
        };
        let wide;
        let (settings, facts) = match self.seen_for(deployment, facts).await {
            Ok((settings, None)) => (settings, facts),
            Ok((settings, Some(more))) => {
                wide = more;
                (settings, &wide)
            }
            Err(_) if deployment.adds => return Ok(None),
            Err(error) => return Err(error),
        };
        let planned = || {
            let plan = crate::plan::plan(&settings, facts)?;
            if !plan.removed.is_empty() {
                let gone = plan.removed.iter().map(|one| stream_name(&one.stream).to_owned());
                return Err(DeployError::Removes {
                    stack: plan.stack.clone(),
                    streams: gone.collect(),
                }
                .into());
            }
            let change = Change::between(&facts.stack, rendered(&plan)?.text())?
                .with_options(&facts.stack, &Options::of(self.settings));
            self.spares_others(&plan, &change)?;
            let networks = networks::changes(&plan, facts, &Options::of(self.settings).tags)?;
            Ok::<_, CommandError>((plan, change, networks))
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
        let options = Options::of(self.settings);
        let board = Board::default();
        let machines = regions.machines(self.attended, &user, &options, &board);
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
        settings: {
            let mut settings = args.plan.settings.clone();
            if deployment.by_file {
                settings.stream.clear();
            }
            settings
        },
        yes: true,
        remove: Vec::new(),
        handler: args.handler.clone(),
        plan: false,
        no_wait: false,
        verify: false,
        output: args.plan.output,
    };
    let mut cli = Cli {
        manner: MannerArgs::default(),
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

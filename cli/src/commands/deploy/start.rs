//! What a deployment starts from: settings, access to AWS, and the function's code.

use std::path::{Path, PathBuf};

use crate::args::DeployArgs;
use crate::arn::PlaceError;
use crate::aws::Aws;
use crate::commands::CommandError;
use crate::commands::attended::Attended;
use crate::commands::chosen::chosen;
use crate::commands::look::connect;
use crate::deploy::DeployError;
use crate::deploy::artifacts::Place;
use crate::deploy::bundle::{self, Bundle, Origin, Wanted};
use crate::deploy::port::User as _;
use crate::settings::{Architecture, Settings, Source};

/// Where it is deployed to, and with whose rights.
pub(super) struct Start {
    pub(super) settings: Settings,
    pub(super) aws: Aws,
    pub(super) place: Place,
    origin: Origin,
    /// The handler, where it has not to be built first.
    handler: Option<Bundle>,
}

impl Start {
    /// Refuses what can be refused before anything is waited for or deleted: also another account.
    pub(super) async fn of(args: &DeployArgs, attended: &Attended<'_>) -> Result<Self, CommandError> {
        let (settings, access) = chosen(&args.settings)?;
        let name = settings.stack.value.as_str();
        // First what needs no AWS.
        removes_what_goes(&args.remove, &settings)?;
        let origin = origin(args.handler.as_deref(), &settings)?;
        let handler = match &origin {
            Origin::Carried(architecture) => {
                Some(bundle::carried(&executable()?, *architecture).map_err(DeployError::from)?)
            }
            Origin::File(path) => Some(fitting(bundle::read(path).map_err(DeployError::from)?, &settings)?),
            Origin::Checkout(_) => None,
        };
        let place = Place {
            account: settings.home.account.clone(),
            region: settings.home.region.clone(),
            partition: settings.home.partition.clone(),
        };
        let aws = attended.unless_stopped(name, connect(&settings, &access)).await?;
        let (caller, _) = attended.unless_stopped(name, aws.caller(&place.region)).await?;
        if caller != place.account {
            return Err(CommandError::Place(PlaceError::Caller {
                caller,
                arn: place.account,
            }));
        }
        Ok(Self {
            settings,
            aws,
            place,
            origin,
            handler,
        })
    }

    /// The handler, built where it comes from a checkout.
    pub(super) async fn handler(&mut self, attended: &Attended<'_>) -> Result<Bundle, CommandError> {
        if let (None, Origin::Checkout(workspace)) = (&self.handler, &self.origin) {
            attended.tell(&format!(
                "building the handler in {}: minutes the first time",
                workspace.display()
            ));
            let built = attended.unless_stopped(&self.settings.stack.value, async {
                bundle::build(workspace).await.map_err(DeployError::from)
            });
            let built = bundle::read(&built.await?).map_err(DeployError::from)?;
            self.handler = Some(fitting(built, &self.settings)?);
        }
        self.handler.take().ok_or_else(|| match executable() {
            Ok(executable) => {
                let wanted = architecture(&self.settings);
                DeployError::from(bundle::BundleError::Nowhere { executable, wanted }).into()
            }
            Err(error) => error,
        })
    }
}

fn architecture(settings: &Settings) -> Option<Architecture> {
    settings.architecture.as_ref().map(|chosen| chosen.value)
}

/// Refuses to have a pipeline go that the settings have.
fn removes_what_goes(named: &[String], settings: &Settings) -> Result<(), DeployError> {
    let kept = |named: &&String| {
        let mut pipelines = settings.pipelines.iter();
        pipelines.any(|one| one.stream.value.as_str() == *named || one.stream.value.name() == *named)
    };
    named.iter().find(kept).map_or(Ok(()), |stream| {
        Err(DeployError::RemovesKept { stream: stream.clone() })
    })
}

/// The handler, where it is for the processor that was chosen.
fn fitting(handler: Bundle, settings: &Settings) -> Result<Bundle, DeployError> {
    let chosen = settings.architecture.as_ref();
    match chosen.filter(|chosen| chosen.value != handler.architecture) {
        None => Ok(handler),
        Some(chosen) => Err(DeployError::Architecture {
            built: handler.architecture.name(),
            setting: match &chosen.source {
                source @ Source::File(_) => format!("{source}: architecture"),
                source => source.to_string(),
            },
            chosen: chosen.value.name(),
        }),
    }
}

fn executable() -> Result<PathBuf, CommandError> {
    std::env::current_exe().map_err(|source| CommandError::Machine {
        what: "find k2m's own executable",
        source,
    })
}

fn origin(named: Option<&Path>, settings: &Settings) -> Result<Origin, CommandError> {
    let here = std::env::current_dir().map_err(|source| CommandError::Machine {
        what: "find the current folder",
        source,
    })?;
    let wanted = Wanted {
        handler: named,
        architecture: architecture(settings),
    };
    Ok(bundle::find(wanted, &executable()?, &here).map_err(DeployError::from)?)
}

//! What `k2m init` looks at, behind a port: AWS, and AWS's configuration on this machine.

use std::path::PathBuf;

use super::profiles::{Profiles, profiles};
use crate::arn::Arn;
use crate::aws::{Aws, Candidate, LookError, default_region};
use crate::commands::CommandError;
use crate::commands::look::{self, Depth};
use crate::facts::{Fact, Facts};
use crate::plan::size::Load;
use crate::settings::Settings;

/// What can be seen.
pub(super) trait World {
    /// The profiles to choose from, where nothing says whose credentials are used.
    fn profiles(&self) -> Option<Profiles>;
    /// The region that AWS's own rules find.
    async fn region(&self, profile: Option<&str>) -> Result<Option<String>, LookError>;
    /// The streams of a region.
    async fn streams(&mut self, profile: Option<&str>, region: &str) -> Result<Fact<Vec<Candidate>>, LookError>;
    /// The clusters of a region.
    async fn clusters(&mut self, profile: Option<&str>, region: &str) -> Result<Fact<Vec<Candidate>>, LookError>;
    /// The topics of a cluster.
    async fn topics(&mut self, profile: Option<&str>, cluster: &Arn) -> Result<Fact<Vec<Candidate>>, LookError>;
    /// All that a plan needs.
    async fn facts(&mut self, profile: Option<&str>, settings: &Settings) -> Result<Facts, CommandError>;
    /// What comes into a stream.
    async fn load(&mut self, profile: Option<&str>, stream: &Arn, account: &str) -> Result<Fact<Load>, LookError>;
}

/// The real one: a way to AWS, found once.
#[derive(Debug, Default)]
pub(super) struct Reality {
    aws: Option<Aws>,
}

impl Reality {
    async fn connect(&mut self, profile: Option<&str>, region: &str) -> Result<&Aws, LookError> {
        let aws = match self.aws.take() {
            Some(aws) => aws,
            None => Aws::connect(profile, region).await?,
        };
        Ok(self.aws.insert(aws))
    }
}

impl World for Reality {
    fn profiles(&self) -> Option<Profiles> {
        /// Each of them says whose credentials are used.
        const SAID: [&str; 5] = [
            "AWS_PROFILE",
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ];
        let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if SAID.into_iter().any(|name| said(name).is_some()) {
            return None;
        }
        let home = said("HOME").map(PathBuf::from).unwrap_or_default();
        let read = |variable: &str, file: &str| {
            let path = said(variable).map_or_else(|| home.join(".aws").join(file), PathBuf::from);
            std::fs::read_to_string(path).unwrap_or_default()
        };
        let configuration = read("AWS_CONFIG_FILE", "config");
        Some(profiles(
            &configuration,
            &read("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ))
    }

    async fn region(&self, profile: Option<&str>) -> Result<Option<String>, LookError> {
        default_region(profile).await
    }

    async fn streams(&mut self, profile: Option<&str>, region: &str) -> Result<Fact<Vec<Candidate>>, LookError> {
        self.connect(profile, region).await?.streams(region).await
    }

    async fn clusters(&mut self, profile: Option<&str>, region: &str) -> Result<Fact<Vec<Candidate>>, LookError> {
        self.connect(profile, region).await?.clusters(region).await
    }

    async fn topics(&mut self, profile: Option<&str>, cluster: &Arn) -> Result<Fact<Vec<Candidate>>, LookError> {
        let aws = self.connect(profile, &cluster.region).await?;
        aws.topics(&cluster.region, cluster.as_str()).await
    }

    async fn facts(&mut self, profile: Option<&str>, settings: &Settings) -> Result<Facts, CommandError> {
        let aws = self.connect(profile, &settings.home.region).await?;
        look::look(aws, settings, Depth::Plan).await
    }

    async fn load(&mut self, profile: Option<&str>, stream: &Arn, account: &str) -> Result<Fact<Load>, LookError> {
        let aws = self.connect(profile, &stream.region).await?;
        Ok(aws.load(stream, account, jiff::Timestamp::now()).await)
    }
}

//! What a stack is made with beside its template: tags, protection, a role, a bucket. The same for each stack of one command.

use std::collections::BTreeMap;

use crate::settings::{ChosenStack, Setting, Settings};

/// What CloudFormation and S3 are told beside the template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Tags beside k2m's own.
    pub tags: BTreeMap<String, String>,
    /// Whether the stack of the pipelines is kept from being deleted; left as it is where nobody says.
    pub protection: Option<bool>,
    /// ARN of the role whose rights CloudFormation works with.
    pub role: Option<String>,
    /// A bucket in place of k2m's own.
    pub bucket: Option<GivenBucket>,
}

/// A bucket that is used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenBucket {
    /// Its name.
    pub name: String,
    /// Its region: that of the pipelines' stack.
    pub region: String,
}

impl Options {
    /// Those of settings.
    pub fn of(settings: &Settings) -> Self {
        fn value<T: Clone>(setting: Option<&Setting<T>>) -> Option<T> {
            setting.map(|setting| setting.value.clone())
        }
        Self {
            tags: value(settings.tags.as_ref()).unwrap_or_default(),
            protection: value(settings.termination_protection.as_ref()),
            role: value(settings.cloudformation_role.as_ref()),
            bucket: value(settings.artifact_bucket.as_ref()).map(|name| GivenBucket {
                name,
                region: settings.home.region.clone(),
            }),
        }
    }

    /// Those that a deletion has, in this region.
    pub fn of_deletion(chosen: &ChosenStack, region: &str) -> Self {
        Self {
            role: chosen.cloudformation_role.clone(),
            bucket: chosen.artifact_bucket.clone().map(|name| GivenBucket {
                name,
                region: region.to_owned(),
            }),
            ..Self::default()
        }
    }

    /// The bucket for what is uploaded in this region.
    pub fn bucket(&self, region: &str) -> Option<&str> {
        let bucket = self.bucket.as_ref().filter(|bucket| bucket.region == region);
        bucket.map(|bucket| bucket.name.as_str())
    }
}

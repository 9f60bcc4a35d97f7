//! What the stack is made with beside what is in it: only what somebody chose is told.

use super::notes::{Notes, why};
use crate::settings::Settings;

/// Tells it.
pub(super) fn decide(settings: &Settings, notes: &mut Notes) {
    if let Some(tags) = &settings.tags {
        let pairs: Vec<String> = tags.value.iter().map(|(key, value)| format!("{key}={value}")).collect();
        notes.decide("tags", pairs.join(", "), why(tags, ""));
    }
    if let Some(protection) = &settings.termination_protection {
        let word = if protection.value { "on" } else { "off" };
        notes.decide("termination protection", word, why(protection, ""));
    }
    for (about, setting) in [
        ("permissions boundary", &settings.permissions_boundary),
        ("CloudFormation's role", &settings.cloudformation_role),
        ("artifact bucket", &settings.artifact_bucket),
    ] {
        if let Some(setting) = setting {
            notes.decide(about, setting.value.as_str(), why(setting, ""));
        }
    }
    if let Some(architecture) = &settings.architecture {
        notes.decide("architecture", architecture.value.name(), why(architecture, ""));
    }
}

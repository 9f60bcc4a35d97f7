//! What a plan says of itself while it is made: decisions with their reasons, and warnings.

use super::Decision;
use crate::settings::{Setting, Source};

/// Decisions and warnings, in the order in which they are made.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) decisions: Vec<Decision>,
    pub(super) warnings: Vec<String>,
}

impl Notes {
    pub(super) fn decide(&mut self, about: &'static str, choice: impl Into<String>, why: impl Into<String>) {
        self.decisions.push(Decision {
            about,
            choice: choice.into(),
            why: why.into(),
        });
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

/// Why a setting has its value: who chose it, else why it is the default.
pub(super) fn why<T>(setting: &Setting<T>, default: &str) -> String {
    match &setting.source {
        Source::Default => default.to_owned(),
        source => format!("chosen by {source}"),
    }
}

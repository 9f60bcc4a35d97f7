//! What a plan says of itself while it is made: decisions with their reasons, and warnings.

use super::{Decision, Pipeline};
use crate::settings::{Setting, Source};

/// Decisions and warnings, in the order in which they are made.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    pub(super) decisions: Vec<Decision>,
    pub(super) warnings: Vec<String>,
    /// The stream of the pipeline that is decided about, where a plan has several.
    pub(super) of: Option<String>,
}

impl Notes {
    pub(super) fn decide(&mut self, about: &'static str, choice: impl Into<String>, why: impl Into<String>) {
        self.decisions.push(Decision {
            pipeline: self.of.clone(),
            about,
            choice: choice.into(),
            why: why.into(),
        });
    }

    /// Puts what is of all pipelines first, and then what is of each together. Of one pipeline all is of all.
    pub(super) fn in_order(&mut self, pipelines: &[Pipeline]) {
        let place = |of: &Option<String>| {
            let of = of.as_ref()?;
            pipelines.iter().position(|pipeline| pipeline.stream_name == *of)
        };
        self.decisions.sort_by_key(|decision| place(&decision.pipeline));
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(match &self.of {
            None => text.into(),
            Some(stream) => format!("{stream}: {}", text.into()),
        });
    }
}

/// Why a setting has its value: who chose it, else why it is the default.
pub(super) fn why<T>(setting: &Setting<T>, default: &str) -> String {
    match &setting.source {
        Source::Default => default.to_owned(),
        source => format!("chosen by {source}"),
    }
}

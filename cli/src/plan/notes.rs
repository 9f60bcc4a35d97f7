//! What a plan says of itself while it is made: decisions with their reasons, and warnings.

use std::fmt;

use super::{Decision, Loss, Pipeline};
use crate::settings::{Setting, Source};

/// Decisions and warnings, in the order in which they are made.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    pub(super) decisions: Vec<Decision>,
    /// What was asked for and would lose the position of a deployed mapping.
    pub(super) losses: Vec<Loss>,
    warnings: Vec<Warning>,
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

    /// Adds a warning, or the stream to one that says the same of another.
    pub(super) fn warn(&mut self, text: impl Into<String>) {
        let text = text.into();
        let Some(stream) = self.of.clone() else {
            self.warnings.push(Warning { of: Vec::new(), text });
            return;
        };
        let mut known = self.warnings.iter_mut();
        match known.find(|warning| warning.text == text && !warning.of.is_empty()) {
            Some(warning) => warning.of.push(stream),
            None => self.warnings.push(Warning { of: vec![stream], text }),
        }
    }

    /// The warnings, each once, with the streams that it is of in front.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.iter().map(ToString::to_string).collect()
    }
}

/// What is to be known before the plan is carried out.
#[derive(Debug, Clone)]
struct Warning {
    /// Names of the streams whose pipelines it is about; empty where it is about all that is planned.
    of: Vec<String>,
    text: String,
}

/// Most streams that one warning names.
const MOST_NAMED: usize = 3;

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (named, others) = match self.of.len().checked_sub(MOST_NAMED) {
            // "and 1 others" would save nothing.
            None | Some(0 | 1) => (self.of.as_slice(), 0),
            Some(others) => (self.of.split_at(MOST_NAMED).0, others),
        };
        match (named.is_empty(), others) {
            (true, _) => out.write_str(&self.text),
            (false, 0) => write!(out, "{}: {}", named.join(", "), self.text),
            (false, _) => write!(out, "{} and {others} others: {}", named.join(", "), self.text),
        }
    }
}

/// Why a setting has its value: who chose it, else why it is the default.
pub(super) fn why<T>(setting: &Setting<T>, default: &str) -> String {
    match &setting.source {
        Source::Default => default.to_owned(),
        source => format!("chosen by {source}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_said_once_for_all_streams_that_it_is_about() {
        let of = |streams: &[&str]| {
            let mut notes = Notes::default();
            notes.warn("one broker");
            for stream in streams {
                notes.of = Some((*stream).to_owned());
                notes.warn("no queue");
                notes.warn(format!("{stream} is slow"));
            }
            notes.warnings().swap_remove(1)
        };
        for (streams, said) in [
            (&["a"][..], "a: no queue"),
            (&["a", "b", "c"], "a, b, c: no queue"),
            (&["a", "b", "c", "d"], "a, b, c, d: no queue"),
            (&["a", "b", "c", "d", "e"], "a, b, c and 2 others: no queue"),
        ] {
            assert_eq!(of(streams), said);
        }
    }

    #[test]
    fn what_is_of_all_is_not_of_one() {
        let mut notes = Notes::default();
        notes.warn("slow");
        notes.of = Some("a".to_owned());
        notes.warn("slow");
        assert_eq!(notes.warnings(), ["slow", "a: slow"]);
    }
}

//! The text of k2m.yaml, and the file: the whole of it or nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_yaml::{Mapping, Value};
use thiserror::Error;

use crate::commands::plan::digest;
use crate::init::rewrite::{Edit, RewriteError, rewrite};
use crate::plan::{Decision, Plan};
use crate::report::{Screen, printable};
use crate::settings::{Row, Shape, TABLE};
use crate::shell::{Command, quoted};

const HEADER: &str = "\
# Settings of k2m, written by `k2m init`; docs/settings.md describes them all.
# Each has a flag (batch_size: --batch-size) and a variable (K2M_BATCH_SIZE) too, which count more than this file.

";

/// What was answered, setting by setting: none takes one out.
pub(super) type Answers = BTreeMap<&'static str, Option<String>>;

/// What was written, and what follows from it.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    path: PathBuf,
    settings: Mapping,
    /// Whether each subnet is proven to reach each broker; left out where nobody could look.
    #[serde(skip_serializing_if = "Option::is_none")]
    proven: Option<bool>,
    /// What was decided from what was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<Decision>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// Why there is no plan, or why nobody could look.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unseen: Option<String>,
    /// Commands that make something of it.
    next: Vec<String>,
}

/// What came of looking.
#[derive(Debug)]
pub(super) enum Checked {
    /// There is a plan.
    Planned(Box<Plan>),
    /// There is none.
    Refused(String),
    /// Nobody could look.
    Unseen(String),
}

impl Written {
    pub(super) fn new(path: &Path, settings: Mapping, checked: Checked) -> Self {
        let next = match checked {
            Checked::Refused(_) => ["plan", "doctor"],
            Checked::Planned(_) | Checked::Unseen(_) => ["plan", "deploy"],
        };
        let mut written = Self {
            path: path.to_owned(),
            settings,
            proven: None,
            decisions: Vec::new(),
            warnings: Vec::new(),
            refused: None,
            unseen: None,
            next: next
                .map(|command| {
                    let command = Command::new(&format!("k2m {command}"));
                    command.file(&path.to_string_lossy()).to_string()
                })
                .to_vec(),
        };
        match checked {
            Checked::Planned(plan) => {
                written.proven = Some(true);
                written.decisions = plan.decisions;
                written.warnings = plan.warnings;
            }
            Checked::Refused(why) => {
                written.proven = Some(false);
                written.refused = Some(why);
            }
            Checked::Unseen(why) => written.unseen = Some(why),
        }
        written
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "wrote {}:", quoted(&self.path.to_string_lossy()))?;
        let text = serde_yaml::to_string(&self.settings).map_err(|_| fmt::Error)?;
        for line in text.lines() {
            writeln!(f, "  {line}")?;
        }
        let [first, second] = self.next.as_slice() else {
            return Err(fmt::Error);
        };
        match &self.refused {
            Some(_) => writeln!(
                f,
                "next: mend what is in the way; `{first}` looks again, `{second}` says how to mend it"
            ),
            None => writeln!(f, "next: `{first}` shows what will be created, `{second}` creates it"),
        }
    }
}

/// What was found out, for people: decisions, the proof, what to confirm, what to know.
pub(super) struct FoundOut<'a>(pub(super) &'a Plan);

impl fmt::Display for FoundOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digest::decisions(f, self.0)?;
        digest::proven(f, self.0)?;
        digest::warnings(f, self.0)?;
        writeln!(f)
    }
}

/// The file's text with what was said: the old one with its changes in place, else a new one in which each setting has its reason above it.
pub(super) fn text(
    old: Option<&str>,
    said: &Answers,
    reasons: &BTreeMap<&str, String>,
    pipeline: Option<&Mapping>,
) -> Result<String, NotWritten> {
    let mut edits = Vec::new();
    for row in TABLE {
        let answer = said.get(row.name);
        let gone = (row.name == "starting_timestamp" && moved(said)) || elsewhere(said, row.name);
        let value = match answer {
            Some(Some(text)) => Some(value(row, text)?),
            Some(None) => None,
            None if gone => None,
            None => continue,
        };
        let reason = reasons.get(row.name).cloned();
        let comment = reason.or_else(|| old.is_none().then(|| format!("{}.", capitalized(row.why))));
        let comment = comment.map(|text| wrapped(&text));
        edits.push(Edit {
            name: row.name,
            value,
            comment,
        });
    }
    Ok(rewrite(old.unwrap_or(HEADER), &edits, pipeline)?)
}

/// Why there is no text.
#[derive(Debug, Error)]
pub(super) enum NotWritten {
    #[error(transparent)]
    Value(#[from] serde_yaml::Error),
    #[error(transparent)]
    InPlace(#[from] RewriteError),
}

/// A setting as an entry of a pipeline.
pub(super) fn entry(row: &Row, text: &str) -> Result<(Value, Value), serde_yaml::Error> {
    Ok((row.name.into(), value(row, text)?))
}

/// Lines of a comment.
fn wrapped(text: &str) -> String {
    const MOST: usize = 78;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > MOST {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    printable(&lines.join("\n")).into_owned()
}

pub(super) fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect()
}

/// A text for people, its long lines in several: what goes on stands below its beginning.
pub(super) fn folded(text: &str, screen: Screen) -> String {
    /// Behind the label of a decision.
    const LABELLED: usize = 21;
    const NARROWEST: usize = 40;
    let Some(columns) = screen.columns.map(|columns| columns.max(NARROWEST)) else {
        return text.to_owned();
    };
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let indent = line.chars().take_while(|c| *c == ' ').count();
        let hang = if indent == 0 && line.contains("  ") {
            LABELLED
        } else {
            indent
        };
        let mut width = 0;
        for word in line.split_inclusive(' ') {
            let long = word.trim_end().chars().count();
            if width + long > columns && width > hang {
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
                out.push_str(&" ".repeat(hang));
                width = hang;
            }
            out.push_str(word);
            width += word.trim_end_matches('\n').chars().count();
        }
    }
    out
}

/// Whether an answer says that records go to another kind of Kafka than this setting is of.
fn elsewhere(said: &Answers, setting: &str) -> bool {
    let is_said = |name: &str| said.get(name).is_some_and(Option::is_some);
    match setting {
        "cluster" => is_said("bootstrap_servers"),
        "bootstrap_servers" | "broker_cidrs" => is_said("cluster"),
        _ => false,
    }
}

/// Whether an answer puts the starting position where no time belongs to it.
fn moved(said: &Answers) -> bool {
    let position = said.get("starting_position").and_then(Option::as_deref);
    position.is_some_and(|position| position != "AT_TIMESTAMP")
}

/// The setting's text as YAML writes such a thing. It was checked before; what is no number or boolean stays a text, in quotes.
pub(in crate::commands) fn value(row: &Row, text: &str) -> Result<Value, serde_yaml::Error> {
    Ok(match row.shape {
        Shape::Text => text.into(),
        Shape::TextOrList if !text.contains(',') => text.into(),
        Shape::List | Shape::TextOrList => Value::Sequence(text.split(',').map(|item| item.trim().into()).collect()),
        // Not as YAML, which takes some characters within quotes for line ends.
        Shape::Map => match serde_json::from_str::<BTreeMap<String, String>>(text) {
            Ok(map) => serde_yaml::to_value(map)?,
            Err(_) => text.into(),
        },
        Shape::Word => match serde_yaml::from_str(text)? {
            word @ (Value::Number(_) | Value::Bool(_)) => word,
            _ => text.into(),
        },
    })
}

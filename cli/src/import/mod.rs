//! What a template of SAM or CloudFormation says of a function that reads Kinesis and writes to Kafka, as settings of k2m: what is carried over, what becomes
//! different and why, what has no place in k2m, what nobody can tell, and how to take over without a loss. Pure.
//!
//! ```text
//! bytes -> document   a tree with lines                         resolve   what its functions come to
//!       -> found      mappings of Kinesis, with their functions
//!       -> carry      settings of all, with notes               kafka     where a function writes to, and how
//!            part     of one mapping with its function          takeover  how its pipeline takes over from it
//!            stack    of what all have in common
//!       -> Imported   settings, notes, takeover                 (the command writes k2m.yaml out of it)
//! ```

mod carry;
pub mod document;
mod found;
mod kafka;
mod notes;
mod part;
mod referring;
mod resolve;
pub mod samconfig;
mod stack;
mod takeover;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use thiserror::Error;

use self::document::{DocumentError, parse};
use self::found::{Aside, Mapping};
use self::resolve::Scope;
use self::samconfig::SamConfig;
use crate::exit::Exit;
use crate::settings::TABLE;
use crate::shown::shown;

pub use self::document::SIZE_LIMIT;
pub use self::takeover::Step;

/// CloudFormation's limit of a template.
const MOST_RESOURCES: usize = 500;

/// Why nothing is imported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportError {
    /// The text is no template.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A template without `Resources`.
    #[error("{path}: this is no template of SAM or CloudFormation: it has no `Resources`")]
    NoResources {
        /// The file.
        path: String,
    },
    /// A template that CloudFormation doesn't take.
    #[error(
        "{path}: it has {count} resources, and CloudFormation takes no template with more than {MOST_RESOURCES}: name a template that is deployed"
    )]
    TooMany {
        /// The file.
        path: String,
        /// How many.
        count: usize,
    },
    /// Nothing to import.
    #[error(
        "{path}: no function in it reads a Kinesis data stream: there is neither an event of type Kinesis nor an AWS::Lambda::EventSourceMapping of a stream{}",
        besides(asides)
    )]
    NoMapping {
        /// The file.
        path: String,
        /// What could have one.
        asides: Vec<(String, String)>,
    },
    /// `--mapping` names something else.
    #[error("there is no mapping `{}` of Kinesis in {path}: give --mapping one of {}", shown(name), known.join(", "))]
    UnknownMapping {
        /// The file.
        path: String,
        /// What is named.
        name: String,
        /// Ids of what is there.
        known: Vec<String>,
    },
    /// `--parameter` names something that nothing asks for.
    #[error(
        "--parameter {}: nothing that is imported from {path} asks for it{}",
        shown(name),
        parameters(known)
    )]
    UnknownParameter {
        /// The file.
        path: String,
        /// What is named.
        name: String,
        /// The template's parameters.
        known: Vec<String>,
    },
    /// A value that the setting can't have.
    #[error("{path}:{line}: `{}` can't be {setting}: {reason}", shown(value))]
    Value {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// The setting.
        setting: &'static str,
        /// As it is there.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What has to be known is not.
    #[error("what k2m needs is not known, and nothing was written:{}", lines(missing))]
    Unknown {
        /// What is missing.
        missing: Vec<Unknown>,
    },
    /// One topic for several.
    #[error("--topic is of one pipeline, and {count} are imported: choose one with --mapping ID, or leave it out")]
    TopicOfAll {
        /// How many.
        count: usize,
    },
    /// Several into different Kafkas.
    #[error(
        "{} write to different brokers, and a stack has one Kafka: import each with --mapping ID, into a file of its own with --config FILE",
        mappings.join(" and ")
    )]
    TwoKafkas {
        /// Their ids.
        mappings: Vec<String>,
    },
}

impl ImportError {
    /// The exit code that it ends with.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Document(_) | Self::NoResources { .. } | Self::TooMany { .. } | Self::Value { .. } => Exit::BadInput,
            Self::NoMapping { .. } | Self::TwoKafkas { .. } => Exit::Failed,
            Self::UnknownMapping { .. } | Self::UnknownParameter { .. } | Self::TopicOfAll { .. } => Exit::Usage,
            Self::Unknown { .. } => Exit::CouldNotTell,
        }
    }
}

fn besides(asides: &[(String, String)]) -> String {
    let each = asides.iter().map(|(id, why)| format!("; {}: {why}", shown(id)));
    each.collect()
}

fn parameters(known: &[String]) -> String {
    if known.is_empty() {
        return "; the template has no parameters".to_owned();
    }
    format!("; its parameters: {}", shown(&known.join(", ")))
}

fn lines(missing: &[Unknown]) -> String {
    missing
        .iter()
        .fold(String::new(), |text, unknown| text + "\n  " + &unknown.to_string())
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum From {
    /// A line of the template.
    Template {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
    },
    /// A constant of the function's code.
    Constant {
        /// The file.
        file: String,
        /// Its name.
        name: String,
    },
    /// A variable of the function's environment.
    Variable {
        /// The file.
        file: String,
        /// Its name.
        name: String,
    },
    /// A flag of this command.
    Flag(String),
    /// Something else that is known, in words.
    Follows(String),
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template { file, line } => write!(f, "{file}:{line}"),
            Self::Constant { file, name } => write!(f, "{name} in {file}"),
            Self::Variable { file, name } => write!(f, "the variable {name} in {file}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Follows(words) => f.write_str(words),
        }
    }
}

/// A setting that is carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Carried {
    /// Its name in k2m.yaml.
    pub setting: &'static str,
    /// Its text; a list is joined by commas.
    pub value: String,
    /// Where it comes from.
    pub from: From,
}

/// A setting, or something that the function does, that becomes different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// The mapping that it is of.
    pub mapping: String,
    /// Such as `timeout`.
    pub what: String,
    /// What it was.
    pub before: String,
    /// What it becomes.
    pub after: String,
    /// Why.
    pub why: String,
    /// Such as `template.yaml:12`.
    pub place: String,
}

/// Something to be said of a place in the template, which several mappings may have in common.
pub trait Note {
    /// Such as `template.yaml:12`.
    fn place(&self) -> &str;
    /// Whether it says the same of another place.
    fn alike(&self, other: &Self) -> bool;
    /// What it says, of these places.
    fn at(&self, places: &str) -> String;
}

impl Note for Changed {
    fn place(&self) -> &str {
        &self.place
    }

    fn alike(&self, other: &Self) -> bool {
        (&self.what, &self.before, &self.after, &self.why) == (&other.what, &other.before, &other.after, &other.why)
    }

    fn at(&self, places: &str) -> String {
        let Self {
            what,
            before,
            after,
            why,
            ..
        } = self;
        format!("{what}: {before} ({places}) becomes {after}: {why}")
    }
}

/// What has no place in k2m.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// The mapping that it is of; none where it is of the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// Such as `Layers`.
    pub what: String,
    /// Why.
    pub why: String,
    /// Such as `template.yaml:12`.
    pub place: String,
}

impl Note for Left {
    fn place(&self) -> &str {
        &self.place
    }

    fn alike(&self, other: &Self) -> bool {
        (&self.what, &self.why) == (&other.what, &other.why)
    }

    fn at(&self, places: &str) -> String {
        format!("{} ({places}): {}", self.what, self.why)
    }
}

/// What nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// The mapping that it is of.
    pub mapping: String,
    /// Its name in k2m.yaml.
    pub setting: &'static str,
    /// Why it is not known.
    pub why: String,
    /// What to give.
    pub give: String,
    /// Such as `template.yaml:12`.
    pub place: String,
}

impl Note for Unknown {
    fn place(&self) -> &str {
        &self.place
    }

    fn alike(&self, other: &Self) -> bool {
        (self.setting, &self.why, &self.give) == (other.setting, &other.why, &other.give)
    }

    fn at(&self, places: &str) -> String {
        let Self { setting, why, give, .. } = self;
        format!("{places}: {setting}: {why}; {give}")
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at(&self.place))
    }
}

/// The settings of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    /// The mapping that it comes from.
    pub mapping: String,
    /// Its settings.
    pub settings: Vec<Carried>,
}

/// What comes of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// The file.
    pub template: String,
    /// Settings of the whole stack, or of all its pipelines alike.
    pub settings: Vec<Carried>,
    /// Each pipeline; of a single one all is here.
    pub pipelines: Vec<Pipeline>,
    /// What becomes different.
    pub changed: Vec<Changed>,
    /// What has no place in k2m.
    pub not_carried: Vec<Left>,
    /// What nobody can tell, and k2m's own default stands for.
    pub unknown: Vec<Unknown>,
    /// How to take over.
    pub take_over: Vec<Step>,
}

impl Imported {
    /// Whether all could be told.
    pub const fn exit(&self) -> Exit {
        if self.unknown.is_empty() {
            Exit::Fine
        } else {
            Exit::CouldNotTell
        }
    }
}

/// What is said beside a template.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `--parameter`, by name.
    pub parameters: BTreeMap<String, String>,
    /// samconfig.toml.
    pub sam: SamConfig,
    /// `--region`.
    pub region: Option<String>,
    /// `--mapping`, ids of what is imported; all where none is named.
    pub mappings: Vec<String>,
    /// Settings that flags say, by name.
    pub flags: BTreeMap<&'static str, String>,
}

/// A template that was read, and what in it is imported.
#[derive(Debug)]
pub struct Project {
    path: String,
    scope: Scope,
    given: Given,
    mappings: Vec<Mapping>,
    asides: Vec<Aside>,
}

impl Project {
    /// Reads the bytes of a template; `path` is as it was named.
    pub fn read(path: &str, bytes: &[u8], given: Given) -> Result<Self, ImportError> {
        let root = parse(path, bytes)?;
        if root
            .get("Resources")
            .is_none_or(|resources| resources.entries().is_empty())
        {
            return Err(ImportError::NoResources { path: path.to_owned() });
        }
        let count = root.get("Resources").map_or(0, |resources| resources.entries().len());
        if count > MOST_RESOURCES {
            return Err(ImportError::TooMany {
                path: path.to_owned(),
                count,
            });
        }
        let region = given.region.as_deref().or(given.sam.region.as_deref());
        let stack = given.sam.stack.as_deref();
        let scope = Scope::new(
            root,
            given.parameters.clone(),
            given.sam.parameters.clone(),
            region,
            stack,
        );
        let (mut mappings, asides) = found::find(&scope);
        if mappings.is_empty() {
            return Err(ImportError::NoMapping {
                path: path.to_owned(),
                asides: asides.into_iter().map(|aside| (aside.id, aside.why)).collect(),
            });
        }
        if !given.mappings.is_empty() {
            let named = |mapping: &Mapping, name: &str| {
                let function = mapping.function.as_ref();
                mapping.id == name || function.is_some_and(|function| function.id == name)
            };
            if let Some(name) = given
                .mappings
                .iter()
                .find(|name| !mappings.iter().any(|mapping| named(mapping, name)))
            {
                return Err(ImportError::UnknownMapping {
                    path: path.to_owned(),
                    name: name.clone(),
                    known: mappings.into_iter().map(|mapping| mapping.id).collect(),
                });
            }
            mappings.retain(|mapping| given.mappings.iter().any(|name| named(mapping, name)));
        }
        Ok(Self {
            path: path.to_owned(),
            scope,
            given,
            mappings,
            asides,
        })
    }

    /// Files of code that may say where functions write to, relative to the template's folder, each once.
    pub fn files(&self) -> BTreeSet<String> {
        let each = self
            .mappings
            .iter()
            .flat_map(|mapping| kafka::files(&self.scope, mapping));
        each.collect()
    }

    /// What comes of it; `files` are the texts of those of [`Self::files`] that are there.
    pub fn import(&self, files: &BTreeMap<String, String>) -> Result<Imported, ImportError> {
        let imported = carry::all(self, files)?;
        if let Some(name) = self.scope.useless().first() {
            return Err(ImportError::UnknownParameter {
                path: self.path.clone(),
                name: (*name).to_owned(),
                known: self.scope.parameters().into_iter().map(str::to_owned).collect(),
            });
        }
        Ok(imported)
    }
}

/// The place of a setting in the documentation's order.
fn order(setting: &str) -> usize {
    TABLE.iter().position(|row| row.name == setting).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;

//! The text of k2m.yaml, and the file: the whole of it or nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_yaml::{Mapping, Value};

use crate::args::SettingsArgs;
use crate::settings::{File, Row, Shape, TABLE};

const HEADER: &str = "\
# Settings of k2m, written by `k2m init`; docs/settings.md describes them all.
# Each has a flag (batch_size: --batch-size) and a variable (K2M_BATCH_SIZE) too, which count more than this file.
";

/// What was written.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    path: PathBuf,
    settings: Mapping,
    /// Commands that make something of it.
    next: [String; 2],
}

impl Written {
    pub(super) fn new(path: &Path, default: &str, settings: Mapping) -> Self {
        let config = if path == Path::new(default) {
            String::new()
        } else {
            format!(" --config {}", quoted(&path.to_string_lossy()))
        };
        Self {
            path: path.to_owned(),
            settings,
            next: [format!("k2m plan{config}"), format!("k2m deploy{config}")],
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "wrote {}:", self.path.display())?;
        let text = serde_yaml::to_string(&self.settings).map_err(|_| fmt::Error)?;
        for line in text.lines() {
            writeln!(f, "  {line}")?;
        }
        let [plan, deploy] = &self.next;
        writeln!(f, "next: `{plan}` shows what will be created, `{deploy}` creates it")
    }
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | '@' | '%');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The file's text, and its settings: the flags over what the file says already, in the order of the documentation.
pub(super) fn render(flags: &SettingsArgs, file: Option<&File>) -> Result<(String, Mapping), serde_yaml::Error> {
    let mut settings = Mapping::new();
    for row in TABLE {
        let flag = (row.flag_value)(flags);
        let kept = file
            .and_then(|file| file.entries.get(row.name))
            .filter(|_| !(row.name == "starting_timestamp" && moved(flags)))
            .filter(|_| !elsewhere(flags, row.name));
        if let Some(text) = flag.or(kept.map(|entry| Cow::Borrowed(entry.text.as_str()))) {
            settings.insert(row.name.into(), value(row, &text)?);
        }
    }
    Ok((format!("{HEADER}{}", serde_yaml::to_string(&settings)?), settings))
}

/// Whether a flag says that records go to another kind of Kafka than this setting is of.
fn elsewhere(flags: &SettingsArgs, setting: &str) -> bool {
    match setting {
        "cluster" => flags.bootstrap_servers.is_some(),
        "bootstrap_servers" | "broker_cidrs" => flags.cluster.is_some(),
        _ => false,
    }
}

/// Whether a flag puts the starting position where no time belongs to it.
fn moved(flags: &SettingsArgs) -> bool {
    flags
        .starting_position
        .as_deref()
        .is_some_and(|position| position != "AT_TIMESTAMP")
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

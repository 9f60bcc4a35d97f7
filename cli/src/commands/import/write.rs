//! The text of k2m.yaml with a comment behind each setting, and what is said of it.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_yaml::Mapping;

use super::super::init::write::value;
use crate::exit::Exit;
use crate::import::{Carried, Imported, Note};
use crate::report::printable;
use crate::settings::TABLE;
use crate::shell::{Command, quoted};

/// As wide as comments are made.
const WIDTH: usize = 118;

/// The file's text.
pub(super) fn rendered(imported: &Imported) -> Result<String, serde_yaml::Error> {
    let mut text = String::new();
    comment(
        &mut text,
        "",
        &format!(
            "Settings of k2m, written by `k2m import` from {}; docs/settings.md describes them all.",
            imported.template
        ),
    );
    comment(
        &mut text,
        "",
        "Each has a flag (batch_size: --batch-size) and a variable (K2M_BATCH_SIZE) too, which count more than this file.",
    );
    for carried in &imported.settings {
        setting(&mut text, carried, ["", ""])?;
    }
    if imported.pipelines.len() > 1 {
        text += "pipelines:\n";
        for pipeline in &imported.pipelines {
            comment(&mut text, "  ", &pipeline.mapping);
            let mut begins = "  - ";
            for carried in &pipeline.settings {
                setting(&mut text, carried, [begins, "    "])?;
                begins = "    ";
            }
        }
    }
    let sections = [
        ("Not as it was:", texts(&imported.changed)),
        ("Not known, so that k2m's own default holds:", texts(&imported.unknown)),
        ("Not carried over:", texts(&imported.not_carried)),
    ];
    for (title, lines) in sections.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        text += "\n";
        comment(&mut text, "", title);
        for line in lines {
            comment(&mut text, "", &format!("- {line}"));
        }
    }
    Ok(text)
}

/// Notes as lines. What several say alike is said once, with the place of each.
fn texts<T: Note>(notes: &[T]) -> Vec<String> {
    let mut all: Vec<(&T, Vec<&str>)> = Vec::new();
    for note in notes {
        match all.iter_mut().find(|(known, _)| known.alike(note)) {
            Some((_, places)) if places.contains(&note.place()) => {}
            Some((_, places)) => places.push(note.place()),
            None => all.push((note, vec![note.place()])),
        }
    }
    all.iter().map(|(note, places)| note.at(&places.join(", "))).collect()
}

/// A setting with where it comes from; `begins` stands before its first line and its others.
fn setting(text: &mut String, carried: &Carried, begins: [&str; 2]) -> Result<(), serde_yaml::Error> {
    let Some(row) = TABLE.iter().find(|row| row.name == carried.setting) else {
        return Ok(());
    };
    let mut mapping = Mapping::new();
    mapping.insert(row.name.into(), value(row, &carried.value)?);
    let yaml = serde_yaml::to_string(&mapping)?;
    let from = one_line(&carried.from.to_string());
    let [first, others] = begins;
    let alone = yaml.lines().count() == 1;
    for (index, line) in yaml.lines().enumerate() {
        text.push_str(if index == 0 { first } else { others });
        text.push_str(line);
        // A comment can stand behind a key too, but not within a text of several lines.
        if index == 0 && (alone || line.ends_with(':')) {
            text.extend(["  # ", &from]);
        }
        text.push('\n');
    }
    Ok(())
}

/// A comment, broken between words.
fn comment(text: &mut String, begins: &str, words: &str) {
    let words = one_line(words);
    let mut line = format!("{begins}#");
    let mut width = line.len();
    let hang = if words.starts_with("- ") { "  " } else { "" };
    for word in words.split(' ') {
        let length = word.chars().count();
        if width + 1 + length > WIDTH && width > begins.len() + 3 {
            text.extend([line.as_str(), "\n"]);
            line = format!("{begins}#{hang}");
            width = line.len();
        }
        line.extend([" ", word]);
        width += 1 + length;
    }
    text.extend([line.as_str(), "\n"]);
}

/// A text fit for a comment: nothing in it ends the line, nor steers a terminal.
fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t', '\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'], " ")
}

/// What is said of an import: one document for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// The file that was written; none where its text was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(flatten)]
    imported: Imported,
    /// The file's text.
    text: String,
    /// Commands that make something of it.
    next: Vec<String>,
}

impl Document {
    pub(super) fn new(path: Option<&Path>, default: &str, mut imported: Imported, text: String) -> Self {
        let named = path.filter(|path| *path != Path::new(default));
        let command = |name: &str| {
            let command = Command::new(name);
            match named {
                Some(path) => command.option("--config", &path.to_string_lossy()).to_string(),
                None => command.to_string(),
            }
        };
        // Steps name the commands as they are without a file.
        for step in &mut imported.take_over {
            for each in step.commands.iter_mut().filter(|each| each.starts_with("k2m ")) {
                *each = command(each);
            }
        }
        Self {
            path: path.map(Path::to_owned),
            next: vec![command("k2m plan"), command("k2m deploy")],
            imported,
            text,
        }
    }

    /// The exit code that the command ends with.
    pub(super) const fn exit(&self) -> Exit {
        self.imported.exit()
    }

    /// The file's text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The same with the file's text as what people see.
    pub(super) fn of_text(&self) -> OfText<'_> {
        OfText(self)
    }

    /// What people should know besides the file.
    pub(super) fn notes(&self) -> String {
        let mut text = String::new();
        let imported = &self.imported;
        let sections = [
            ("Not as it was:", texts(&imported.changed)),
            ("Not carried over:", texts(&imported.not_carried)),
            ("Not known, so that k2m's own default holds:", texts(&imported.unknown)),
        ];
        for (title, lines) in sections.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            text.extend(["\n", title, "\n"]);
            for line in lines {
                text.extend(["  - ", &line, "\n"]);
            }
        }
        text += "\nTo take over without a loss:\n";
        for (number, step) in imported.take_over.iter().enumerate() {
            // Writing to a text never fails.
            let _ = writeln!(text, "  {}. {}", number + 1, step.what);
            for command in &step.commands {
                let _ = writeln!(text, "       {command}");
            }
        }
        text
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_deref().unwrap_or(Path::new("-"));
        writeln!(
            f,
            "wrote {} from {}:",
            quoted(&path.to_string_lossy()),
            self.imported.template
        )?;
        for carried in &self.imported.settings {
            writeln!(f, "  {}: {}  ({})", carried.setting, carried.value, carried.from)?;
        }
        if self.imported.pipelines.len() > 1 {
            for pipeline in &self.imported.pipelines {
                writeln!(f, "  {}:", pipeline.mapping)?;
                for carried in &pipeline.settings {
                    writeln!(f, "    {}: {}  ({})", carried.setting, carried.value, carried.from)?;
                }
            }
        }
        f.write_str(&self.notes())?;
        if let [plan, deploy] = self.next.as_slice() {
            writeln!(
                f,
                "\nnext: `{plan}` shows what will be created, `{deploy}` creates it, once the old mapping is stopped"
            )?;
        }
        Ok(())
    }
}

/// A document whose text people see.
#[derive(Debug)]
pub(super) struct OfText<'d>(&'d Document);

impl fmt::Display for OfText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl Serialize for OfText<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

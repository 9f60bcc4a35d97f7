//! What is said of an import: what becomes otherwise, what is left, what nobody can tell. Pure.

use std::collections::BTreeSet;

use super::found::Mapping;
use super::resolve::Gap;
use super::{Changed, Left, Project, Unknown};
use crate::shell::Command;
use crate::shown::shown;

/// Notes as they come.
pub(super) struct Notes<'p> {
    path: &'p str,
    pub(super) changed: Vec<Changed>,
    pub(super) left: Vec<Left>,
    /// What of `left` was said: what, why and where.
    said: BTreeSet<(String, String, String)>,
    pub(super) unknown: Vec<Unknown>,
    pub(super) missing: Vec<Unknown>,
}

impl<'p> Notes<'p> {
    pub(super) fn new(project: &'p Project) -> Self {
        Self {
            path: &project.path,
            changed: Vec::new(),
            left: Vec::new(),
            said: BTreeSet::new(),
            unknown: Vec::new(),
            missing: Vec::new(),
        }
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }

    pub(super) fn left(&mut self, mapping: Option<&Mapping>, what: &str, why: String, line: usize) {
        let place = self.place(line);
        let note = Left {
            mapping: mapping.map(|mapping| mapping.id.clone()),
            what: shown(what),
            why,
            place,
        };
        // What holds for all functions is said once.
        if self
            .said
            .insert((note.what.clone(), note.why.clone(), note.place.clone()))
        {
            self.left.push(note);
        }
    }

    pub(super) fn changed(
        &mut self,
        mapping: &Mapping,
        what: &str,
        (before, after): (&str, &str),
        why: &str,
        line: usize,
    ) {
        let place = self.place(line);
        self.changed.push(Changed {
            mapping: mapping.id.clone(),
            what: what.to_owned(),
            before: shown(before),
            after: after.to_owned(),
            why: why.to_owned(),
            place,
        });
    }

    /// What nobody can tell; `needed`: k2m has no default for it.
    pub(super) fn gap(&mut self, mapping: &Mapping, setting: &'static str, gap: &Gap, needed: bool) {
        let flag = format!("--{}", setting.replace('_', "-"));
        let by_value = gap
            .give
            .as_ref()
            .map(|name| format!(", or {}", Command::new("--parameter").word(&format!("{name}=VALUE"))));
        let give = format!("give {flag}{}", by_value.unwrap_or_default());
        self.open(mapping, setting, (gap.what.clone(), give), gap.line, needed);
    }

    pub(super) fn open(
        &mut self,
        mapping: &Mapping,
        setting: &'static str,
        (why, give): (String, String),
        line: usize,
        needed: bool,
    ) {
        let note = Unknown {
            mapping: mapping.id.clone(),
            setting,
            why,
            give,
            place: self.place(line),
        };
        let list = if needed { &mut self.missing } else { &mut self.unknown };
        if !list.iter().any(|known| {
            Unknown {
                mapping: note.mapping.clone(),
                ..known.clone()
            } == note
        }) {
            list.push(note);
        }
    }
}

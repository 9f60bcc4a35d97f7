//! Changes settings in the text of a k2m.yaml and leaves all else as it is: comments, order, blank lines, quotes, line ends. Pure.
//!
//! Each change replaces a stretch of the text; the rest is never written anew. In the end the new text is read, and must say what the old one said but for
//! the changes, else there is no new text. Anchors, aliases and tags are no business of its: a file of settings has none.

mod render;
mod tree;

use std::ops::Range;

use serde_yaml::{Mapping, Value};
use thiserror::Error;

use self::render::{Quotes, block, inline};
use self::tree::{Entry, Kind, Node, Tree};
use crate::settings::TABLE;

/// What lists pipelines in a file.
const PIPELINES: &str = "pipelines";
/// How far what is inside stands from what it is in.
const STEP: usize = 2;

/// A setting that is to be otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Its name.
    pub name: &'static str,
    /// What it is to be; none takes it out.
    pub value: Option<Value>,
    /// What is said above it, on lines of its own, where it is new in the file.
    pub comment: Option<String>,
}

/// Why a file can't be changed in place. It stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RewriteError {
    /// The reader with places doesn't take it.
    #[error("it is read, but not with the places of its parts: {0}")]
    Parse(String),
    /// A form that can't be changed without more of it.
    #[error("`{name}` stands in a form that k2m can't change: {reason}")]
    Form {
        /// The setting.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// What would come out says something else.
    #[error("changed in place it would say more than was asked for")]
    Otherwise,
}

/// A stretch of the text, and what stands there instead.
type Change = (Range<usize>, String);

/// The text with these changes, and with this pipeline at the end of its list.
pub fn rewrite(text: &str, edits: &[Edit], pipeline: Option<&Mapping>) -> Result<String, RewriteError> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mark = text.get(..text.len() - body.len()).unwrap_or_default();
    let old = settings(body)?;
    let tree = Tree::parse(body)?;
    let mut wanted = old.clone();
    for edit in edits {
        match &edit.value {
            Some(value) => wanted.insert(edit.name.into(), value.clone()),
            None => wanted.remove(edit.name),
        };
    }
    if let Some(pipeline) = pipeline {
        let list = wanted.get_mut(PIPELINES).and_then(Value::as_sequence_mut);
        let list = list.ok_or_else(|| form(PIPELINES, "there is no list of pipelines"))?;
        list.push(pipeline.clone().into());
    }
    let writer = Writer {
        text: body,
        end: if body.contains("\r\n") { "\r\n" } else { "\n" },
        tree: &tree,
    };
    let mut changes = Vec::new();
    for edit in edits {
        writer.change(edit, &old, &mut changes)?;
    }
    if let Some(pipeline) = pipeline {
        changes.push(writer.another(pipeline)?);
    }
    let new = applied(body, changes)?;
    if settings(&new).is_ok_and(|new| new == wanted) {
        Ok(format!("{mark}{new}"))
    } else {
        Err(RewriteError::Otherwise)
    }
}

fn form(name: &str, reason: &'static str) -> RewriteError {
    RewriteError::Form {
        name: name.to_owned(),
        reason,
    }
}

/// What a text says.
fn settings(text: &str) -> Result<Mapping, RewriteError> {
    match serde_yaml::from_str(text).map_err(|error| RewriteError::Parse(error.to_string()))? {
        Value::Mapping(settings) => Ok(settings),
        Value::Null => Ok(Mapping::new()),
        _ => Err(RewriteError::Parse("it is no mapping of settings".to_owned())),
    }
}

/// The text with each stretch replaced.
fn applied(text: &str, mut changes: Vec<Change>) -> Result<String, RewriteError> {
    // What is put in at a place comes before what is replaced there; else what begins at the same place keeps its order.
    changes.sort_by_key(|(range, _)| (range.start, range.end));
    let (mut new, mut done) = (String::new(), 0);
    for (range, instead) in changes {
        new += text.get(done..range.start).ok_or(RewriteError::Otherwise)?;
        // What is put behind a text without an end of its last line needs one.
        let lines = range.is_empty() && range.start == text.len() && instead.ends_with('\n');
        if lines && !new.is_empty() && !new.ends_with('\n') {
            new += if instead.ends_with("\r\n") { "\r\n" } else { "\n" };
        }
        new += &instead;
        done = range.end;
    }
    new += text.get(done..).ok_or(RewriteError::Otherwise)?;
    Ok(new)
}

/// What changes are made with.
struct Writer<'a> {
    text: &'a str,
    /// The end of a line.
    end: &'static str,
    tree: &'a Tree,
}

impl Writer<'_> {
    fn change(&self, edit: &Edit, old: &Mapping, changes: &mut Vec<Change>) -> Result<(), RewriteError> {
        match (self.tree.entry(edit.name), &edit.value) {
            (None, None) => {}
            (Some(entry), Some(value)) => {
                if old.get(edit.name) != Some(value) {
                    changes.push(self.replaced(entry, value));
                }
            }
            (Some(entry), None) => changes.push(self.removed(entry)?),
            (None, Some(value)) => changes.push(self.added(edit, value)),
        }
        Ok(())
    }

    /// The entry with another value.
    fn replaced(&self, entry: &Entry, value: &Value) -> Change {
        let node = &entry.value;
        let quotes = match node.kind {
            Kind::Single => Quotes::Single,
            Kind::Double => Quotes::Double,
            _ => Quotes::Least,
        };
        let gap = entry.colon..node.end;
        if self.tree.flow {
            let comments = self.comments(&gap, &node.leaves);
            if comments.is_empty() {
                return (node.start..node.end, inline(value, quotes));
            }
            // A comment ends with its line, and what follows goes on in the next.
            let comments: String = comments
                .iter()
                .flat_map(|(_, text)| [" ", text, self.end, "  "])
                .collect();
            return (gap, format!(" {}{comments}", inline(value, quotes)));
        }
        if !self.slice(&gap).contains('\n') && !matches!(node.kind, Kind::Sequence | Kind::Mapping) {
            return (node.start..node.end, inline(value, quotes));
        }
        let region = entry.colon..self.line_end(node.end);
        if let (Kind::Sequence, Value::Sequence(items)) = (node.kind, value)
            && !items.is_empty()
            && let Some(new) = self.list(node, &region, items)
        {
            return (region, new);
        }
        let comments = self.comments(&region, &node.leaves);
        let margin = " ".repeat(self.tree.column);
        let mut new = match value {
            Value::Sequence(_) | Value::Mapping(_) if matches!(node.kind, Kind::Sequence | Kind::Mapping) => {
                let inner = node.column.max(self.tree.column);
                format!("{}{}", self.end, block(value, inner, self.end))
            }
            _ => format!(" {}", inline(value, quotes)),
        };
        for (_, comment) in comments {
            new += self.end;
            new += &margin;
            new += comment;
        }
        (region, new)
    }

    /// A list with other items: those that stay keep their lines and their comments, and no comment of another is lost.
    fn list(&self, node: &Node, region: &Range<usize>, items: &[Value]) -> Option<String> {
        let margin = " ".repeat(node.column);
        let mut head = String::new();
        // Of each old item: what it says, as it is written, comments above it, and the one beside it.
        let mut old: Vec<(Value, &str, Vec<&str>, Option<&str>)> = Vec::new();
        let mut above = Vec::new();
        let mut last = region.start;
        for leaf in &node.leaves {
            self.sort_comments(last..leaf.start, &mut head, &mut old, &mut above);
            let written = self.slice(leaf);
            // An item in several lines is not one to be moved.
            let value: Value = serde_yaml::from_str(written).ok().filter(|_| !written.contains('\n'))?;
            old.push((value, written, std::mem::take(&mut above), None));
            last = leaf.end;
        }
        self.sort_comments(last..region.end, &mut head, &mut old, &mut above);
        let mut new = head;
        let mut line = |text: &str| {
            new += self.end;
            new += &margin;
            new += text;
        };
        for (_, _, comments, beside) in old.iter().filter(|(value, ..)| !items.contains(value)) {
            for comment in comments.iter().chain(beside) {
                line(comment);
            }
        }
        for item in items {
            match old.iter().find(|(value, ..)| value == item) {
                Some((_, written, comments, beside)) => {
                    for comment in comments {
                        line(comment);
                    }
                    let beside = beside.map(|comment| format!(" {comment}")).unwrap_or_default();
                    line(&format!("- {written}{beside}"));
                }
                None => line(&format!("- {}", inline(item, Quotes::Least))),
            }
        }
        for comment in above {
            line(comment);
        }
        Some(new)
    }

    /// Whose the comments of a gap between items are.
    fn sort_comments<'t>(
        &'t self,
        gap: Range<usize>,
        head: &mut String,
        old: &mut [(Value, &'t str, Vec<&'t str>, Option<&'t str>)],
        above: &mut Vec<&'t str>,
    ) {
        for (at, comment) in self.comments(&gap, &[]) {
            let beside = !self.slice(&(gap.start..at)).contains('\n');
            match old.last_mut() {
                Some((.., place)) if beside => *place = Some(comment),
                None if beside => head.extend([" ", comment]),
                _ => above.push(comment),
            }
        }
    }

    /// The entry gone. Its comments stay, in its place.
    fn removed(&self, entry: &Entry) -> Result<Change, RewriteError> {
        if self.tree.flow {
            let place = self
                .tree
                .entries
                .iter()
                .position(|one| one.key.start == entry.key.start);
            let place = place.unwrap_or_default();
            let next = self.tree.entries.get(place + 1);
            let before = place.checked_sub(1).and_then(|before| self.tree.entries.get(before));
            let region = match (next, before) {
                (Some(next), _) => entry.key.start..next.key.start,
                (None, Some(before)) => before.value.end..entry.value.end,
                (None, None) => entry.key.start..entry.value.end,
            };
            let mut leaves = entry.value.leaves.clone();
            leaves.insert(0, entry.key.clone());
            let comments = self.comments(&region, &leaves);
            let comments: String = comments.iter().flat_map(|(_, text)| [text, self.end, "  "]).collect();
            let blank = if comments.is_empty() || next.is_some() { "" } else { " " };
            return Ok((region, format!("{blank}{comments}")));
        }
        let from = self.line_start(entry.key.start);
        let lead = self.slice(&(from..entry.key.start));
        if !lead.chars().all(|c| matches!(c, ' ' | '?')) {
            return Err(form(&entry.name, "something stands before it on its line"));
        }
        let region = from..self.next_line(entry.value.end);
        let mut leaves = entry.value.leaves.clone();
        leaves.insert(0, entry.key.clone());
        let margin = " ".repeat(self.tree.column);
        let comments = self.comments(&region, &leaves);
        let lines = comments.iter().flat_map(|(_, text)| [margin.as_str(), text, self.end]);
        Ok((region, lines.collect()))
    }

    /// A new entry, behind the one that comes before it in the documentation, else behind all.
    fn added(&self, edit: &Edit, value: &Value) -> Change {
        let order = |name: &str| TABLE.iter().position(|row| row.name == name);
        let entries = &self.tree.entries;
        let before = entries
            .iter()
            .filter(|entry| order(&entry.name).is_some_and(|place| Some(place) < order(edit.name)))
            .max_by_key(|entry| order(&entry.name));
        let before = before.or(entries.last());
        if self.tree.flow {
            let entry = format!("{}: {}", edit.name, inline(value, Quotes::Least));
            return match before {
                Some(before) => (before.value.end..before.value.end, format!(", {entry}")),
                None => (self.tree.inside..self.tree.inside, entry),
            };
        }
        let at = before.map_or(self.tree.inside, |before| {
            let open = before.value.kind == Kind::Block && self.line_end(before.value.end) == self.text.len();
            // A text of lines whose last one has no end would get one.
            if open {
                self.line_start(before.key.start)
            } else {
                self.next_line(before.value.end)
            }
        });
        let margin = " ".repeat(self.tree.column);
        let mut new = String::new();
        for line in edit.comment.iter().flat_map(|comment| comment.lines()) {
            new.extend([&margin, "# ", line, self.end]);
        }
        new.extend([&margin, edit.name, ":"]);
        match value {
            Value::Sequence(items) if !items.is_empty() => {
                new.extend([self.end, &block(value, self.tree.column + STEP, self.end)]);
            }
            Value::Mapping(entries) if !entries.is_empty() => {
                new.extend([self.end, &block(value, self.tree.column + STEP, self.end)]);
            }
            _ => new.extend([" ", &inline(value, Quotes::Least)]),
        }
        new += self.end;
        (at..at, new)
    }

    /// One more pipeline at the end of the list.
    fn another(&self, pipeline: &Mapping) -> Result<Change, RewriteError> {
        let entry = self.tree.entry(PIPELINES).filter(|_| !self.tree.flow);
        let node = entry
            .map(|entry| &entry.value)
            .filter(|node| node.kind == Kind::Sequence);
        let node = node.ok_or_else(|| form(PIPELINES, "it is no list with an item a line"))?;
        let at = self.next_line(node.end);
        let (mut new, mut lead) = (String::new(), "- ");
        for (name, value) in pipeline {
            let name = name.as_str().unwrap_or_default();
            new.extend([
                &" ".repeat(node.column),
                lead,
                name,
                ": ",
                &inline(value, Quotes::Least),
                self.end,
            ]);
            lead = "  ";
        }
        Ok((at..at, new))
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn line_start(&self, at: usize) -> usize {
        self.slice(&(0..at)).rfind('\n').map_or(0, |end| end + 1)
    }

    /// Where the line ends, without its end.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.slice(&(at..self.text.len()));
        let line = rest.split('\n').next().unwrap_or_default();
        at + line.strip_suffix('\r').unwrap_or(line).len()
    }

    fn next_line(&self, at: usize) -> usize {
        let rest = self.slice(&(at..self.text.len()));
        rest.find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    /// The comments of a stretch, outside of what is said in it; each with its place.
    fn comments(&self, range: &Range<usize>, leaves: &[Range<usize>]) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        let mut at = range.start;
        while at < range.end {
            if let Some(leaf) = leaves.iter().find(|leaf| leaf.contains(&at)) {
                at = leaf.end;
                continue;
            }
            let rest = self.slice(&(at..range.end));
            let Some(character) = rest.chars().next() else { break };
            let before = self.slice(&(0..at)).chars().next_back();
            if character == '#' && before.is_none_or(char::is_whitespace) {
                let line = rest.split('\n').next().unwrap_or_default();
                found.push((at, line.trim_end()));
                at += line.len();
            } else {
                at += character.len_utf8();
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;

//! k2m.yaml: its text becomes the texts of settings, each with its line and column. Pure.
//!
//! The YAML reader tells a place only in its errors. So the place of a key or a value is asked for by reading that one with a visitor that accepts
//! nothing. A file has few settings, and reading it anew for each costs nothing that anyone could notice.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize as _;
use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_yaml::{Deserializer, Error};
use thiserror::Error as ThisError;

use super::table::{Row, Shape, TABLE};

/// What lists pipelines in a file: beside the settings, since a pipeline has some of them itself.
pub(super) const PIPELINES: &str = "pipelines";

/// What says in a file what is otherwise in an environment: each has its name, and settings and pipelines of its own.
pub(super) const ENVIRONMENTS: &str = "environments";

/// Longest name of an environment.
pub(super) const LONGEST_NAME: usize = 64;

/// More than this is no file of settings; and in a longer one, brackets without end would keep the YAML reader busy for minutes.
pub const SIZE_LIMIT: usize = 64 << 10;

/// More entries than this no mapping of a setting has: a function is told 4 KB at most. Each entry is looked at by itself, so that more would take long.
const MOST_ENTRIES: usize = 256;

/// The settings of a file, as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The file's name as it was given.
    pub path: String,
    /// By name.
    pub entries: BTreeMap<&'static str, Entry>,
    /// Each of its pipelines; empty where it lists none.
    pub pipelines: Vec<FilePipeline>,
    /// What it says of each environment, in its own order.
    pub environments: Vec<Overlay>,
    /// Which of them was chosen.
    chosen: Option<usize>,
}

/// What a file says is otherwise in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Its name.
    pub name: String,
    /// By name.
    pub entries: BTreeMap<&'static str, Entry>,
    /// Its pipelines, in place of the file's; empty where it lists none.
    pub pipelines: Vec<FilePipeline>,
}

/// The settings of one pipeline of a file, as they are written; its stream is among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePipeline {
    /// By name.
    pub entries: BTreeMap<&'static str, Entry>,
}

/// A setting of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its value as text; a list is joined by commas, a mapping is a JSON object.
    pub text: String,
    /// The line of the value, from 1.
    pub line: usize,
    /// The column of the value in characters, from 1.
    pub column: usize,
}

/// Why a file is no file of settings, and where.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{path}:{line}:{column}: {reason}")]
pub struct FileError {
    path: String,
    line: usize,
    column: usize,
    reason: String,
}

impl File {
    /// Reads the bytes of a file; `path` is only for what is said about it.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, FileError> {
        let wrong = |place: Place, reason: String| FileError {
            path: path.to_owned(),
            line: place.line,
            column: place.column,
            reason,
        };
        let text = decode(bytes).map_err(|(place, reason)| wrong(place, reason))?;
        content(text)
            .map(|content| Self {
                path: path.to_owned(),
                entries: content.entries,
                pipelines: content.pipelines,
                environments: content.environments,
                chosen: None,
            })
            .map_err(|(place, reason)| wrong(place, reason))
    }

    /// The file as it counts in the environment of this name; itself where it says nothing of that.
    pub fn choose(mut self, name: &str) -> Result<Self, Self> {
        self.chosen = self.environments.iter().position(|one| one.name == name);
        if self.chosen.is_some() { Ok(self) } else { Err(self) }
    }

    /// The environment that was chosen.
    pub fn overlay(&self) -> Option<&Overlay> {
        self.chosen.and_then(|index| self.environments.get(index))
    }

    /// What it says of a setting for all pipelines, and the environment that says it.
    pub fn entry(&self, name: &str) -> Option<(&Entry, Option<&str>)> {
        let overlay = self.overlay();
        let own = overlay.and_then(|overlay| Some((overlay.entries.get(name)?, Some(overlay.name.as_str()))));
        // Which streams there are is one choice, whether they are listed or named.
        let listed = name == STREAM && overlay.is_some_and(|overlay| !overlay.pipelines.is_empty());
        let beneath = || self.entries.get(name).filter(|_| !listed).map(|entry| (entry, None));
        own.or_else(beneath)
    }

    /// The pipelines that it lists, and the environment that does.
    pub fn listed(&self) -> (&[FilePipeline], Option<&str>) {
        match self.overlay() {
            Some(overlay) if !overlay.pipelines.is_empty() => (&overlay.pipelines, Some(&overlay.name)),
            Some(overlay) if overlay.entries.contains_key(STREAM) => (&[], None),
            _ => (&self.pipelines, None),
        }
    }
}

/// The setting that a pipeline can't be without.
const STREAM: &str = "stream";

/// Where something is in a text.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
    /// In characters from the beginning.
    index: usize,
    /// What stands there.
    character: Option<char>,
}

type Wrong = (Place, String);

impl Place {
    const START: Self = Self {
        line: 1,
        column: 1,
        index: 0,
        character: None,
    };

    /// The place behind this much text.
    fn after(text: &str) -> Self {
        let last = text.rsplit('\n').next().unwrap_or_default();
        Self {
            line: text.matches('\n').count() + 1,
            column: last.chars().count() + 1,
            index: text.chars().count(),
            character: None,
        }
    }

    /// The place that an error of the YAML reader names.
    fn of(error: &Error, text: &str) -> Self {
        error.location().map_or(Self::START, |location| Self {
            line: location.line(),
            column: location.column(),
            index: location.index(),
            // The reader's index is of characters.
            character: text.chars().nth(location.index()),
        })
    }
}

fn decode(bytes: &[u8]) -> Result<&str, Wrong> {
    if bytes.len() > SIZE_LIMIT {
        let reason = "the file has more than 64 KiB: that is no file of settings".to_owned();
        return Err((Place::START, reason));
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") => {
            return Err((Place::START, "this is UTF-16: save the file as UTF-8".to_owned()));
        }
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let place = Place::after(&String::from_utf8_lossy(good));
            return Err((place, "this is not UTF-8: save the file as UTF-8".to_owned()));
        }
    };
    // The mark that some editors put first says nothing but that it is UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.char_indices().find(|&(_, c)| !is_printable(c)) {
        Some((index, odd)) => Err((
            Place::after(text.get(..index).unwrap_or_default()),
            format!("`{}` is a control character: take it out", odd.escape_unicode()),
        )),
        None => Ok(text),
    }
}

/// YAML's own rule.
fn is_printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && c != '\u{feff}'
}

/// What a file holds, or an environment of it, which has no others in it.
#[derive(Debug, Default)]
struct Content {
    entries: BTreeMap<&'static str, Entry>,
    pipelines: Vec<FilePipeline>,
    environments: Vec<Overlay>,
}

fn content(text: &str) -> Result<Content, Wrong> {
    one_document(text)?;
    let ground = Ground { text, path: Vec::new() };
    let root = ground.place(&[], Place::START);
    plain(root)?;
    match ground.kind(&[])? {
        Kind::Mapping => {}
        // All of it may be comments.
        Kind::Null => return Ok(Content::default()),
        found @ (Kind::Scalar | Kind::List) => {
            let reason =
                format!("this is {found}: write settings as `name: value`, one a line, such as `batch_size: 1000`");
            return Err((root, reason));
        }
    }
    ground.content(root, Room::File)
}

/// Which mapping settings are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    File,
    Environment,
    Pipeline,
}

/// A step into a document.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The key of this entry of a mapping.
    Key(usize),
    /// The value of this entry of a mapping.
    Value(usize),
    /// This item of a list.
    Item(usize),
}

/// Which entry of a mapping it is, and the places of its key and its value.
#[derive(Debug, Clone, Copy)]
struct Found {
    index: usize,
    key: Place,
    value: Place,
}

/// What stands between these places, in the same lines and columns: reading a short text again and again takes less time than a long one.
/// It need not be the node as it is written, so that the caller compares.
fn alone(text: &str, from: Place, to: Option<&Place>) -> String {
    let byte = |index: usize| text.char_indices().nth(index).map_or(text.len(), |(byte, _)| byte);
    let first = byte(from.index);
    let next = to.map_or(text.len(), |to| byte(to.index));
    // The next one begins with its line.
    let last = match to {
        Some(_) => text.get(..next).and_then(|before| before.rfind('\n')).unwrap_or(next),
        None => next,
    };
    let mut alone = "\n".repeat(from.line.saturating_sub(1));
    alone += &" ".repeat(from.column.saturating_sub(1));
    alone += text.get(first..last).unwrap_or_default();
    alone
}

/// A node of a text, by the way to it from the root.
#[derive(Clone)]
struct Ground<'t> {
    text: &'t str,
    path: Vec<Step>,
}

impl<'t> Ground<'t> {
    /// What is there, by these more steps.
    fn read_at<S: DeserializeSeed<'t>>(&self, more: &[Step], seed: S) -> Result<S::Value, Error> {
        let path: Vec<Step> = self.path.iter().chain(more).copied().collect();
        At { path: &path, seed }.deserialize(Deserializer::from_str(self.text))
    }

    /// Where it is; the reader tells it in its complaint.
    fn place(&self, more: &[Step], otherwise: Place) -> Place {
        let found = self.read_at(more, PhantomData::<Nothing>).err();
        found.map_or(otherwise, |error| self.at(&error))
    }

    fn kind(&self, more: &[Step]) -> Result<Kind, Wrong> {
        self.read_at(more, PhantomData::<Kind>)
            .map_err(|error| self.wrong(&error))
    }

    fn at(&self, error: &Error) -> Place {
        Place::of(error, self.text)
    }

    fn wrong(&self, error: &Error) -> Wrong {
        wrong(error, self.text)
    }

    /// The node of this step, which ends before that place where anything follows, written out in `short` where that reads as the same.
    fn apart<'s>(&self, step: Step, from: Place, to: Option<&Place>, short: &'s mut String) -> Ground<'s>
    where
        't: 's,
    {
        *short = alone(self.text, from, to);
        let whole = self.read_at(&[step], PhantomData::<serde_yaml::Value>).ok();
        let same =
            whole.is_some_and(|whole| serde_yaml::from_str::<serde_yaml::Value>(short).is_ok_and(|it| it == whole));
        if same {
            return Ground {
                text: short,
                path: Vec::new(),
            };
        }
        let mut path = self.path.clone();
        path.push(step);
        Ground { text: self.text, path }
    }

    /// What this mapping holds.
    fn content(&self, root: Place, within: Room) -> Result<Content, Wrong> {
        let Keys(names) = self.read_at(&[], PhantomData::<Keys>).map_err(|error| {
            let reason = "the name of a setting stands here, such as `topic`: nothing else can";
            (self.at(&error), reason.to_owned())
        })?;
        let mut content = Content::default();
        let (mut list, mut environments) = (None, None);
        let mut first_lines: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            let found = Found {
                index,
                key: self.place(&[Step::Key(index)], root),
                value: self.place(&[Step::Value(index)], root),
            };
            plain(found.key)?;
            let row = TABLE.iter().find(|row| row.name == name);
            known(name, row, within).map_err(|reason| (found.key, reason))?;
            if let Some(line) = first_lines.insert(name, found.key.line) {
                return Err((
                    found.key,
                    format!("`{name}` is in line {line} already: leave one of them"),
                ));
            }
            plain(found.value)?;
            let Some(row) = row else {
                let slot = if name == PIPELINES {
                    &mut list
                } else {
                    &mut environments
                };
                *slot = Some(found);
                continue;
            };
            let text = self.read(index, row, found.value)?;
            let Place { line, column, .. } = found.value;
            content.entries.insert(row.name, Entry { text, line, column });
        }
        if let Some(found) = list {
            if let Some(entry) = content.entries.get(STREAM) {
                let reason = format!(
                    "`{STREAM}` is in line {} already, and `{PIPELINES}` has a stream for each: leave one of them",
                    entry.line
                );
                return Err((found.key, reason));
            }
            content.pipelines = self.pipelines(found)?;
        }
        if let Some(found) = environments {
            content.environments = self.environments(found)?;
        }
        Ok(content)
    }

    /// The pipelines of the list that is the value of this entry.
    fn pipelines(
        &self,
        Found {
            index, value: start, ..
        }: Found,
    ) -> Result<Vec<FilePipeline>, Wrong> {
        let list = |reason: &str| {
            let reason = format!("{reason}: `{PIPELINES}` is a list, a pipeline an item, each with its `{STREAM}`");
            (start, reason)
        };
        let here = Step::Value(index);
        match self.kind(&[here])? {
            Kind::List => {}
            found => return Err(list(&format!("this is {found}"))),
        }
        let kinds = self.read_at(&[here], PhantomData::<Vec<Kind>>);
        let kinds = kinds.map_err(|error| self.wrong(&error))?;
        if kinds.is_empty() {
            return Err(list("there is no pipeline in it"));
        }
        let places: Vec<Place> = (0..kinds.len())
            .map(|item| self.place(&[here, Step::Item(item)], start))
            .collect();
        let mut whole = self.clone();
        whole.path.push(here);
        let mut pipelines = Vec::new();
        for (item, (kind, place)) in kinds.into_iter().zip(&places).enumerate() {
            plain(*place)?;
            if kind != Kind::Mapping {
                let reason = format!("this is {kind}, and a pipeline is a mapping, such as `{STREAM}: ARN`");
                return Err((*place, reason));
            }
            let mut short = String::new();
            let ground = whole.apart(Step::Item(item), *place, places.get(item + 1), &mut short);
            let Content { entries, .. } = ground.content(*place, Room::Pipeline)?;
            if !entries.contains_key(STREAM) {
                let reason = format!("this pipeline has no `{STREAM}`: give it one, the ARN of a Kinesis data stream");
                return Err((*place, reason));
            }
            pipelines.push(FilePipeline { entries });
        }
        Ok(pipelines)
    }

    /// The environments of the mapping that is the value of this entry.
    fn environments(
        &self,
        Found {
            index, value: start, ..
        }: Found,
    ) -> Result<Vec<Overlay>, Wrong> {
        let such = format!("such as `{ENVIRONMENTS}: {{prod: {{cluster: ARN}}}}`");
        let here = Step::Value(index);
        let found = self.kind(&[here])?;
        if found != Kind::Mapping {
            let reason = format!("this is {found}: `{ENVIRONMENTS}` has a name for each and its settings, {such}");
            return Err((start, reason));
        }
        let Keys(names) = self.read_at(&[here], PhantomData::<Keys>).map_err(|error| {
            let reason = format!("the name of an environment stands here, {such}: nothing else can");
            (self.at(&error), reason)
        })?;
        if names.is_empty() {
            return Err((start, format!("there is no environment in it: give one, {such}")));
        }
        let keys: Vec<Place> = (0..names.len())
            .map(|inner| self.place(&[here, Step::Key(inner)], start))
            .collect();
        let mut whole = self.clone();
        whole.path.push(here);
        let mut environments: Vec<Overlay> = Vec::new();
        let mut first_lines: BTreeMap<&str, usize> = BTreeMap::new();
        for (inner, (name, key)) in names.iter().zip(&keys).enumerate() {
            plain(*key)?;
            let shown = super::shown(name);
            is_environment(name)
                .map_err(|reason| (*key, format!("`{shown}` can't be the name of an environment: {reason}")))?;
            if let Some(line) = first_lines.insert(name, key.line) {
                let reason = format!("the environment {shown} is in line {line} already: leave one of them");
                return Err((*key, reason));
            }
            let step = Step::Value(inner);
            let place = whole.place(&[step], *key);
            plain(place)?;
            let content = match whole.kind(&[step])? {
                // Nothing is otherwise there.
                Kind::Null => Content::default(),
                Kind::Mapping => {
                    let mut short = String::new();
                    let ground = whole.apart(step, place, keys.get(inner + 1), &mut short);
                    ground.content(place, Room::Environment)?
                }
                found @ (Kind::Scalar | Kind::List) => {
                    let reason = format!(
                        "this is {found}, and the environment {shown} is a mapping of settings, such as `cluster: ARN`"
                    );
                    return Err((place, reason));
                }
            };
            environments.push(Overlay {
                name: name.clone(),
                entries: content.entries,
                pipelines: content.pipelines,
            });
        }
        Ok(environments)
    }

    /// The value of a setting, as text.
    fn read(&self, index: usize, row: &Row, place: Place) -> Result<String, Wrong> {
        let here = [Step::Value(index)];
        let kind = self.kind(&here)?;
        let name = row.name;
        match (kind, row.shape) {
            (Kind::Null, _) => Err((
                place,
                format!("`{name}` has no value: give it one, or take the line out"),
            )),
            (Kind::Scalar, _) => self
                .read_at(&here, PhantomData::<String>)
                .map_err(|error| self.wrong(&error)),
            (Kind::List, Shape::List | Shape::TextOrList) => match self.read_at(&here, PhantomData::<Vec<String>>) {
                Ok(items) => Ok(items.join(",")),
                Err(error) => Err((self.at(&error), format!("`{name}` is a list of texts: {}", row.values))),
            },
            (Kind::Mapping, Shape::Map) => self.mapping(index, row, place),
            (found @ (Kind::List | Kind::Mapping), _) => Err((
                place,
                format!("this is {found}, and `{name}` can't be one: {}", row.values),
            )),
        }
    }

    /// The value of a setting that is a mapping of texts to texts, as a JSON object.
    fn mapping(&self, index: usize, row: &Row, start: Place) -> Result<String, Wrong> {
        let name = row.name;
        let Keys(keys) = self
            .read_at(&[Step::Value(index)], PhantomData::<Keys>)
            .map_err(|error| {
                let reason = format!(
                    "a text stands here, as in `{name}: {{{}}}`: nothing else can",
                    row.form.sample()
                );
                (self.at(&error), reason)
            })?;
        if keys.len() > MOST_ENTRIES {
            let reason = format!(
                "`{name}` has {} entries, and k2m takes {MOST_ENTRIES} at most: leave some out",
                keys.len()
            );
            return Err((start, reason));
        }
        let mut entries = BTreeMap::new();
        let mut first_lines: BTreeMap<&str, usize> = BTreeMap::new();
        for (inner, key) in keys.iter().enumerate() {
            let of_key = [Step::Value(index), Step::Key(inner)];
            let of_value = [Step::Value(index), Step::Value(inner)];
            let (key_place, place) = (self.place(&of_key, start), self.place(&of_value, start));
            plain(key_place)?;
            let shown = super::shown(key);
            if let Some(line) = first_lines.insert(key, key_place.line) {
                let reason = format!("`{shown}` is in line {line} of `{name}` already: leave one of them");
                return Err((key_place, reason));
            }
            plain(place)?;
            match self.kind(&of_value)? {
                Kind::Scalar => {}
                Kind::Null => {
                    return Err((
                        place,
                        format!("`{shown}` has no value in `{name}`: give it one, or take the line out"),
                    ));
                }
                found @ (Kind::List | Kind::Mapping) => {
                    let reason = format!("this is {found}, and the value of `{shown}` can't be one: give one text");
                    return Err((place, reason));
                }
            }
            let value = self.read_at(&of_value, PhantomData::<String>);
            entries.insert(key, value.map_err(|error| self.wrong(&error))?);
        }
        serde_json::to_string(&entries).map_err(|error| (start, error.to_string()))
    }
}

/// Whether a mapping of this kind may have an entry of that name; else why not.
fn known(name: &str, row: Option<&Row>, room: Room) -> Result<(), String> {
    match (room, row) {
        (Room::Pipeline, Some(row)) if row.of_stack() => Err(format!(
            "`{name}` is of the whole stack, not of one pipeline: put it outside `{PIPELINES}`, once for all"
        )),
        (Room::Pipeline, None) if name == PIPELINES => Err(format!(
            "a pipeline can't hold `{PIPELINES}`: list each pipeline in the `{PIPELINES}` of the file"
        )),
        (Room::Pipeline | Room::Environment, None) if name == ENVIRONMENTS => Err(format!(
            "`{ENVIRONMENTS}` is of the whole file: put it in the first column, once for all"
        )),
        (_, Some(_)) => Ok(()),
        (_, None) if [PIPELINES, ENVIRONMENTS].contains(&name) => Ok(()),
        (_, None) => Err(unknown(name, room)),
    }
}

/// Whether this is a name that an environment can have: one that means nothing to a shell.
pub(super) fn is_environment(name: &str) -> Result<(), String> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= LONGEST_NAME
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if fits {
        return Ok(());
    }
    Err(format!(
        "give 1 to {LONGEST_NAME} letters, digits, `_`, `-` and `.`, a letter or a digit first"
    ))
}

/// Refuses what a file of settings has no need for: what it says should stand where it is used.
fn plain(place: Place) -> Result<(), Wrong> {
    let what = match place.character {
        Some('&' | '*') => "an anchor or an alias",
        Some('!') => "a tag",
        _ => return Ok(()),
    };
    Err((
        place,
        format!("a file of settings has no use for {what}: write the value itself (in quotes, if it begins like that)"),
    ))
}

fn unknown(name: &str, room: Room) -> String {
    let like = name.to_ascii_lowercase().replace('-', "_");
    let names = TABLE.iter().map(|row| row.name);
    let names = names.chain([PIPELINES, ENVIRONMENTS]);
    // What would be refused next is no help.
    let fitting = names.filter(|name| {
        let row = TABLE.iter().find(|row| row.name == *name);
        known(name, row, room).is_ok()
    });
    let shown = super::shown(name);
    match super::closest(&like, fitting) {
        Some(known) => format!("there is no setting `{shown}`; did you mean `{known}`?"),
        None => format!("there is no setting `{shown}`; docs/settings.md has all that there are"),
    }
}

/// What the YAML reader says, with the place taken out of the words, and a hint where the words don't help.
fn wrong(error: &Error, text: &str) -> Wrong {
    let place = Place::of(error, text);
    let words = error.to_string();
    let own = format!(" at line {} column {}", place.line, place.column);
    let words = words.replacen(&own, "", 1);
    let hint = if place.character == Some('\t') {
        ": indent with spaces, YAML takes no tabs"
    } else if words.starts_with("mapping values are not allowed") {
        ": put a value with `: ` in it in quotes, and begin each setting in the first column"
    } else {
        ""
    };
    (place, format!("this is not YAML: {words}{hint}"))
}

fn one_document(text: &str) -> Result<(), Wrong> {
    let mut documents = Deserializer::from_str(text);
    if let Some(first) = documents.next() {
        IgnoredAny::deserialize(first).map_err(|error| wrong(&error, text))?;
    }
    let Some(second) = documents.next() else { return Ok(()) };
    match second.deserialize_any(Nowhere) {
        Ok(never) => match never {},
        Err(error) => Err((
            Place::of(&error, text),
            "a second document begins before this: settings are one document; take `---` out".to_owned(),
        )),
    }
}

/// What is at the end of a path, with all that is beside it passed over.
struct At<'p, S> {
    path: &'p [Step],
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for At<'_, S> {
    type Value = S::Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        match self.path.first() {
            None => self.seed.deserialize(deserializer),
            Some(Step::Key(_) | Step::Value(_)) => deserializer.deserialize_map(self),
            Some(Step::Item(_)) => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for At<'_, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let missing = || M::Error::custom("an entry is missing");
        let Some((step, path)) = self.path.split_first() else {
            return Err(missing());
        };
        let rest = At { path, seed: self.seed };
        let (Step::Key(index) | Step::Value(index) | Step::Item(index)) = step;
        for _ in 0..*index {
            map.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        let found = if let Step::Key(_) = step {
            let key = map.next_key_seed(rest)?;
            map.next_value::<IgnoredAny>()?;
            key.ok_or_else(missing)?
        } else {
            map.next_key::<IgnoredAny>()?;
            map.next_value_seed(rest)?
        };
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let missing = || A::Error::custom("an item is missing");
        let Some((Step::Item(index), path)) = self.path.split_first() else {
            return Err(missing());
        };
        for _ in 0..*index {
            list.next_element::<IgnoredAny>()?;
        }
        let found = list.next_element_seed(At { path, seed: self.seed })?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        found.ok_or_else(missing)
    }
}

/// Accepts nothing: the error tells the place.
struct Nowhere;

impl Visitor<'_> for Nowhere {
    type Value = Nothing;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[derive(Debug)]
enum Nothing {}

impl<'de> serde::Deserialize<'de> for Nothing {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nowhere)
    }
}

/// The keys of the file's mapping.
struct Keys(Vec<String>);

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Keys, M::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Scalar,
    List,
    Mapping,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "nothing",
            Self::Scalar => "a single value",
            Self::List => "a list",
            Self::Mapping => "a mapping",
        })
    }
}

impl<'de> serde::Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Kind, E> {
        Ok(Kind::Scalar)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Kind, E> {
        Ok(Kind::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Kind, S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Kind::List)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Kind, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Kind::Mapping)
    }

    fn visit_enum<E: EnumAccess<'de>>(self, _: E) -> Result<Kind, E::Error> {
        Err(E::Error::custom("a tag"))
    }
}

//! k2m.yaml: its text becomes the texts of settings, each with its line and column. Pure.
//!
//! Two readers go over the text, each of them a fixed number of times however much is in it: `serde_yaml` says what is no YAML, in words that help, and
//! what a value says; and saphyr's parser says where it is, which the other tells in its errors alone.

use std::collections::BTreeMap;
use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Deserializer, Error};
use thiserror::Error as ThisError;

use super::table::{Row, Shape, TABLE};
use crate::shown::shown;

/// What lists pipelines in a file: beside the settings, since a pipeline has some of them itself.
pub(super) const PIPELINES: &str = "pipelines";

/// What says in a file what is otherwise in an environment: each has its name, and settings and pipelines of its own.
pub(super) const ENVIRONMENTS: &str = "environments";

/// Longest name of an environment.
pub(super) const LONGEST_NAME: usize = 64;

/// More than this is no file of settings; and in a longer one, brackets without end would keep the YAML reader busy for minutes.
pub const SIZE_LIMIT: usize = 64 << 10;

/// More entries than this no mapping of a setting has: a function is told 4 KB at most.
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

/// Where something is in a text, both from 1, the column in characters.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
}

type Wrong = (Place, String);

impl Place {
    const START: Self = Self { line: 1, column: 1 };

    /// The place behind this much text.
    fn after(text: &str) -> Self {
        let last = text.rsplit('\n').next().unwrap_or_default();
        Self {
            line: text.matches('\n').count() + 1,
            column: last.chars().count() + 1,
        }
    }

    /// A place of the parser's.
    fn at(mark: Marker) -> Self {
        Self {
            line: mark.line().max(1),
            column: mark.col() + 1,
        }
    }

    /// The place that an error of the YAML reader names.
    fn of(error: &Error) -> Self {
        error.location().map_or(Self::START, |location| Self {
            line: location.line(),
            column: location.column(),
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
    let Some(mut root) = tree(text)? else {
        // All of it is comments.
        return Ok(Content::default());
    };
    if let Err(error) = Fill(&mut root).deserialize(Deserializer::from_str(text)) {
        let reason =
            "it is not clear what YAML means here: write it in another way, such as a text in quotes on one line";
        return Err((Place::of(&error), reason.to_owned()));
    }
    root.plain()?;
    match &root.holds {
        Holds::Mapping(entries) => mapping(entries, Room::File),
        Holds::Null(_) => Ok(Content::default()),
        found @ (Holds::Scalar(_) | Holds::List(_)) => {
            let reason =
                format!("this is {found}: write settings as `name: value`, one a line, such as `batch_size: 1000`");
            Err((root.place, reason))
        }
    }
}

/// Which mapping settings are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    File,
    Environment,
    Pipeline,
}

/// A value of the text, and where it is.
#[derive(Debug)]
struct Node {
    place: Place,
    holds: Holds,
    /// What a file of settings has no use for, and this has.
    odd: Option<&'static str>,
}

/// What a value is.
#[derive(Debug)]
enum Holds {
    /// Nothing, with the word for it.
    Null(String),
    /// A text as it is, or a number or a boolean as it is written.
    Scalar(String),
    List(Vec<Node>),
    Mapping(Vec<Pair>),
}

/// The key and the value of an entry.
type Pair = (Node, Node);

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null(_) => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Mapping(_) => "a mapping",
        })
    }
}

impl Node {
    /// Refuses what a file of settings has no need for: what it says should stand where it is used.
    fn plain(&self) -> Result<(), Wrong> {
        let Some(what) = self.odd else { return Ok(()) };
        Err((
            self.place,
            format!(
                "a file of settings has no use for {what}: write the value itself (in quotes, if it begins like that)"
            ),
        ))
    }

    /// The text, where it is a single value.
    fn text(&self) -> Option<&str> {
        match &self.holds {
            Holds::Null(text) | Holds::Scalar(text) => Some(text),
            Holds::List(_) | Holds::Mapping(_) => None,
        }
    }
}

/// The root of a text that is one document of YAML; none where nothing is in it. What its texts say is not in it yet.
fn tree(text: &str) -> Result<Option<Node>, Wrong> {
    let bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
    let around = |mark: Marker| text.split_at(bytes.get(mark.index()).copied().unwrap_or(text.len()));
    // What is not at its end, with the key whose value comes next.
    let mut open: Vec<(Node, Option<Node>)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let reason = format!("this is not YAML: {}", shown(error.info()));
            (Place::at(*error.marker()), reason)
        })?;
        let node = |place, holds, anchor: usize, tag: bool| Node {
            place,
            holds,
            odd: match (anchor, tag) {
                (0, false) => None,
                (0, true) => Some("a tag"),
                _ => Some("an anchor or an alias"),
            },
        };
        let start = Place::at(span.start);
        let whole = match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                continue;
            }
            Event::Alias(anchor) => node(start, Holds::Null(String::new()), anchor, false),
            Event::Scalar(text, style, anchor, tag) => {
                let odd = anchor != 0 || tag.is_some();
                let (before, rest) = around(span.start);
                let place = match style {
                    _ if odd => start,
                    ScalarStyle::Plain if text.is_empty() && rest.starts_with(':') => Place {
                        column: start.column + 1,
                        ..start
                    },
                    ScalarStyle::Literal | ScalarStyle::Folded => header(before, start).unwrap_or(start),
                    _ => start,
                };
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let holds = if null { Holds::Null } else { Holds::Scalar };
                node(place, holds(String::new()), anchor, tag.is_some())
            }
            Event::SequenceStart(anchor, tag) => {
                open.push((node(start, Holds::List(Vec::new()), anchor, tag.is_some()), None));
                continue;
            }
            Event::MappingStart(anchor, tag) => {
                open.push((node(start, Holds::Mapping(Vec::new()), anchor, tag.is_some()), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((whole, _)) = open.pop() else { continue };
                whole
            }
        };
        let Some((within, key)) = open.last_mut() else {
            return Ok(Some(whole));
        };
        match &mut within.holds {
            Holds::List(items) => items.push(whole),
            Holds::Mapping(entries) => match key.take() {
                Some(key) => entries.push((key, whole)),
                None => *key = Some(whole),
            },
            Holds::Null(_) | Holds::Scalar(_) => {}
        }
    }
    Ok(None)
}

/// Where the `|` or `>` of a text of several lines is; the parser says where the first of these lines is, which begins behind this.
fn header(before: &str, first: Place) -> Option<Place> {
    let (head, _) = before
        .trim_end()
        .char_indices()
        .rfind(|&(_, c)| matches!(c, '\n' | '\r'))
        .map_or((0, ' '), |(at, c)| (at + 1, c));
    let line = before.get(head..)?;
    let (at, _) = line.match_indices(['|', '>']).find(|&(at, mark)| {
        let apart = line
            .get(..at)
            .is_some_and(|key| key.is_empty() || key.ends_with([' ', '\t']));
        let behind = line.get(at + mark.len()..).unwrap_or_default();
        let behind = behind.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        apart && (behind.trim_start_matches([' ', '\t']).is_empty() || behind.starts_with([' ', '\t', '\n', '\r']))
    })?;
    let breaks = line.matches('\n').count() + line.matches('\r').count() - line.matches("\r\n").count();
    Some(Place {
        line: first.line.checked_sub(breaks)?,
        column: line.get(..at)?.chars().count() + 1,
    })
}

/// Puts into a tree what its texts say, and refuses what is another tree for this reader.
struct Fill<'n>(&'n mut Node);

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match &mut self.0.holds {
            // It is refused anyway.
            _ if self.0.odd.is_some() => IgnoredAny::deserialize(deserializer).map(drop),
            Holds::Null(text) | Holds::Scalar(text) => {
                *text = String::deserialize(deserializer)?;
                Ok(())
            }
            Holds::List(_) => deserializer.deserialize_seq(self),
            Holds::Mapping(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Holds::List(items) = &mut self.0.holds else {
            return Err(A::Error::custom("a list"));
        };
        for item in items {
            list.next_element_seed(Fill(item))?
                .ok_or_else(|| A::Error::custom("an item is missing"))?;
        }
        match list.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("an item too many")),
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let Holds::Mapping(entries) = &mut self.0.holds else {
            return Err(M::Error::custom("a mapping"));
        };
        for (key, value) in entries {
            map.next_key_seed(Fill(key))?
                .ok_or_else(|| M::Error::custom("an entry is missing"))?;
            map.next_value_seed(Fill(value))?;
        }
        match map.next_key::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(M::Error::custom("an entry too many")),
        }
    }
}

/// The names of the entries of a mapping; else where none stands.
fn names(entries: &[Pair]) -> Result<Vec<&str>, Place> {
    entries.iter().map(|(key, _)| key.text().ok_or(key.place)).collect()
}

/// The settings that a mapping holds.
fn mapping(entries: &[Pair], within: Room) -> Result<Content, Wrong> {
    let names = names(entries).map_err(|place| {
        let reason = "the name of a setting stands here, such as `topic`: nothing else can";
        (place, reason.to_owned())
    })?;
    let mut content = Content::default();
    let (mut list, mut overlays) = (None, None);
    let mut first_lines: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, entry @ (key, value)) in names.into_iter().zip(entries) {
        key.plain()?;
        let row = TABLE.iter().find(|row| row.name == name);
        known(name, row, within).map_err(|reason| (key.place, reason))?;
        if let Some(line) = first_lines.insert(name, key.place.line) {
            return Err((
                key.place,
                format!("`{name}` is in line {line} already: leave one of them"),
            ));
        }
        value.plain()?;
        let Some(row) = row else {
            let slot = if name == PIPELINES { &mut list } else { &mut overlays };
            *slot = Some(entry);
            continue;
        };
        let text = read(row, value)?;
        let Place { line, column } = value.place;
        content.entries.insert(row.name, Entry { text, line, column });
    }
    if let Some((key, value)) = list {
        if let Some(entry) = content.entries.get(STREAM) {
            let reason = format!(
                "`{STREAM}` is in line {} already, and `{PIPELINES}` has a stream for each: leave one of them",
                entry.line
            );
            return Err((key.place, reason));
        }
        content.pipelines = pipelines(value)?;
    }
    if let Some((_, value)) = overlays {
        content.environments = environments(value)?;
    }
    Ok(content)
}

/// The pipelines of a list.
fn pipelines(value: &Node) -> Result<Vec<FilePipeline>, Wrong> {
    let list = |reason: &str| {
        let reason = format!("{reason}: `{PIPELINES}` is a list, a pipeline an item, each with its `{STREAM}`");
        (value.place, reason)
    };
    let items = match &value.holds {
        Holds::List(items) if items.is_empty() => return Err(list("there is no pipeline in it")),
        Holds::List(items) => items,
        found => return Err(list(&format!("this is {found}"))),
    };
    let mut pipelines = Vec::new();
    for item in items {
        item.plain()?;
        let entries = match &item.holds {
            Holds::Mapping(entries) => entries,
            found => {
                let reason = format!("this is {found}, and a pipeline is a mapping, such as `{STREAM}: ARN`");
                return Err((item.place, reason));
            }
        };
        let Content { entries, .. } = mapping(entries, Room::Pipeline)?;
        if !entries.contains_key(STREAM) {
            let reason = format!("this pipeline has no `{STREAM}`: give it one, the ARN of a Kinesis data stream");
            return Err((item.place, reason));
        }
        pipelines.push(FilePipeline { entries });
    }
    Ok(pipelines)
}

/// The environments of a mapping.
fn environments(value: &Node) -> Result<Vec<Overlay>, Wrong> {
    let such = format!("such as `{ENVIRONMENTS}: {{prod: {{cluster: ARN}}}}`");
    let entries = match &value.holds {
        Holds::Mapping(entries) => entries,
        found => {
            let reason = format!("this is {found}: `{ENVIRONMENTS}` has a name for each and its settings, {such}");
            return Err((value.place, reason));
        }
    };
    let names = names(entries).map_err(|place| {
        let reason = format!("the name of an environment stands here, {such}: nothing else can");
        (place, reason)
    })?;
    if names.is_empty() {
        return Err((value.place, format!("there is no environment in it: give one, {such}")));
    }
    let mut environments: Vec<Overlay> = Vec::new();
    let mut first_lines: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, (key, value)) in names.into_iter().zip(entries) {
        key.plain()?;
        let shown = shown(name);
        is_environment(name).map_err(|reason| {
            (
                key.place,
                format!("`{shown}` can't be the name of an environment: {reason}"),
            )
        })?;
        if let Some(line) = first_lines.insert(name, key.place.line) {
            let reason = format!("the environment {shown} is in line {line} already: leave one of them");
            return Err((key.place, reason));
        }
        value.plain()?;
        let content = match &value.holds {
            // Nothing is otherwise there.
            Holds::Null(_) => Content::default(),
            Holds::Mapping(entries) => mapping(entries, Room::Environment)?,
            found @ (Holds::Scalar(_) | Holds::List(_)) => {
                let reason = format!(
                    "this is {found}, and the environment {shown} is a mapping of settings, such as `cluster: ARN`"
                );
                return Err((value.place, reason));
            }
        };
        environments.push(Overlay {
            name: name.to_owned(),
            entries: content.entries,
            pipelines: content.pipelines,
        });
    }
    Ok(environments)
}

/// The value of a setting, as text.
fn read(row: &Row, value: &Node) -> Result<String, Wrong> {
    let name = row.name;
    match (&value.holds, row.shape) {
        (Holds::Null(_), _) => Err((
            value.place,
            format!("`{name}` has no value: give it one, or take the line out"),
        )),
        (Holds::Scalar(text), _) => Ok(text.clone()),
        (Holds::List(items), Shape::List | Shape::TextOrList) => {
            let mut texts = Vec::new();
            for item in items {
                item.plain()?;
                let wrong = || (item.place, format!("`{name}` is a list of texts: {}", row.values));
                texts.push(item.text().ok_or_else(wrong)?);
            }
            Ok(texts.join(","))
        }
        (Holds::Mapping(entries), Shape::Map) => map(row, value.place, entries),
        (found @ (Holds::List(_) | Holds::Mapping(_)), _) => Err((
            value.place,
            format!("this is {found}, and `{name}` can't be one: {}", row.values),
        )),
    }
}

/// The value of a setting that is a mapping of texts to texts, as a JSON object.
fn map(row: &Row, start: Place, entries: &[Pair]) -> Result<String, Wrong> {
    let name = row.name;
    let keys = names(entries).map_err(|place| {
        let reason = format!(
            "a text stands here, as in `{name}: {{{}}}`: nothing else can",
            row.form.sample()
        );
        (place, reason)
    })?;
    if keys.len() > MOST_ENTRIES {
        let reason = format!(
            "`{name}` has {} entries, and k2m takes {MOST_ENTRIES} at most: leave some out",
            keys.len()
        );
        return Err((start, reason));
    }
    let mut texts = BTreeMap::new();
    let mut first_lines: BTreeMap<&str, usize> = BTreeMap::new();
    for (text, (key, value)) in keys.into_iter().zip(entries) {
        key.plain()?;
        let shown = shown(text);
        if let Some(line) = first_lines.insert(text, key.place.line) {
            let reason = format!("`{shown}` is in line {line} of `{name}` already: leave one of them");
            return Err((key.place, reason));
        }
        value.plain()?;
        match &value.holds {
            Holds::Scalar(value) => {
                texts.insert(text, value);
            }
            Holds::Null(_) => {
                return Err((
                    value.place,
                    format!("`{shown}` has no value in `{name}`: give it one, or take the line out"),
                ));
            }
            found @ (Holds::List(_) | Holds::Mapping(_)) => {
                let reason = format!("this is {found}, and the value of `{shown}` can't be one: give one text");
                return Err((value.place, reason));
            }
        }
    }
    serde_json::to_string(&texts).map_err(|error| (start, error.to_string()))
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

fn unknown(name: &str, room: Room) -> String {
    let like = name.to_ascii_lowercase().replace('-', "_");
    let names = TABLE.iter().map(|row| row.name);
    let names = names.chain([PIPELINES, ENVIRONMENTS]);
    // What would be refused next is no help.
    let fitting = names.filter(|name| {
        let row = TABLE.iter().find(|row| row.name == *name);
        known(name, row, room).is_ok()
    });
    let shown = shown(name);
    match super::closest(&like, fitting) {
        Some(known) => format!("there is no setting `{shown}`; did you mean `{known}`?"),
        None => format!("there is no setting `{shown}`; docs/settings.md has all that there are"),
    }
}

/// What the YAML reader says, with the place taken out of the words, and a hint where the words don't help.
fn wrong(error: &Error, text: &str) -> Wrong {
    let place = Place::of(error);
    let words = error.to_string();
    let own = format!(" at line {} column {}", place.line, place.column);
    let words = words.replacen(&own, "", 1);
    // The reader's index is of characters.
    let character = error.location().and_then(|location| text.chars().nth(location.index()));
    let hint = if character == Some('\t') {
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
            Place::of(&error),
            "a second document begins before this: settings are one document; take `---` out".to_owned(),
        )),
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

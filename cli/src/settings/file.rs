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
            .map(|(entries, pipelines)| Self {
                path: path.to_owned(),
                entries,
                pipelines,
            })
            .map_err(|(place, reason)| wrong(place, reason))
    }
}

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

/// What a file holds.
type Content = (BTreeMap<&'static str, Entry>, Vec<FilePipeline>);

fn content(text: &str) -> Result<Content, Wrong> {
    one_document(text)?;
    let root = whole(text, PhantomData::<Nothing>)
        .map_err(|error| Place::of(&error, text))
        .err()
        .unwrap_or(Place::START);
    plain(root)?;
    match whole(text, PhantomData::<Kind>).map_err(|error| wrong(&error, text))? {
        Kind::Mapping => {}
        // All of it may be comments.
        Kind::Null => return Ok(Content::default()),
        found @ (Kind::Scalar | Kind::List) => {
            let reason =
                format!("this is {found}: write settings as `name: value`, one a line, such as `batch_size: 1000`");
            return Err((root, reason));
        }
    }
    let (entries, list) = Ground { text, item: None }.entries(root, true)?;
    let Some((index, key, place)) = list else {
        return Ok((entries, Vec::new()));
    };
    if let Some(entry) = entries.get("stream") {
        let reason = format!(
            "`stream` is in line {} already, and `{PIPELINES}` has a stream for each: leave one of them",
            entry.line
        );
        return Err((key, reason));
    }
    Ok((entries, pipelines(text, index, place)?))
}

/// The pipelines of the list that is the value of this entry.
fn pipelines(text: &str, entry: usize, start: Place) -> Result<Vec<FilePipeline>, Wrong> {
    let list = |reason: &str| {
        let reason = format!("{reason}: `{PIPELINES}` is a list, a pipeline an item, each with its `stream`");
        (start, reason)
    };
    match nth(text, entry, Part::Value, PhantomData::<Kind>).map_err(|error| wrong(&error, text))? {
        Kind::List => {}
        found => return Err(list(&format!("this is {found}"))),
    }
    let kinds = nth(text, entry, Part::Value, PhantomData::<Vec<Kind>>).map_err(|error| wrong(&error, text))?;
    if kinds.is_empty() {
        return Err(list("there is no pipeline in it"));
    }
    let places: Vec<Place> = (0..kinds.len())
        .map(|item| {
            let found = Ground {
                text,
                item: Some((entry, item)),
            };
            let found = found.all(PhantomData::<Nothing>).err();
            found.map_or(start, |error| Place::of(&error, text))
        })
        .collect();
    let values = nth(text, entry, Part::Value, PhantomData::<Vec<serde_yaml::Value>>).unwrap_or_default();
    let mut pipelines = Vec::new();
    for (item, (kind, place)) in kinds.into_iter().zip(&places).enumerate() {
        plain(*place)?;
        if kind != Kind::Mapping {
            let reason = format!("this is {kind}, and a pipeline is a mapping, such as `stream: ARN`");
            return Err((*place, reason));
        }
        let alone = alone(text, *place, places.get(item + 1));
        let same = values
            .get(item)
            .is_some_and(|value| serde_yaml::from_str::<serde_yaml::Value>(&alone).is_ok_and(|alone| alone == *value));
        let ground = if same {
            Ground {
                text: &alone,
                item: None,
            }
        } else {
            Ground {
                text,
                item: Some((entry, item)),
            }
        };
        let (entries, _) = ground.entries(*place, false)?;
        if !entries.contains_key("stream") {
            let reason = "this pipeline has no `stream`: give it one, the ARN of a Kinesis data stream";
            return Err((*place, reason.to_owned()));
        }
        pipelines.push(FilePipeline { entries });
    }
    Ok(pipelines)
}

/// What stands between the places of two items, in the same lines and columns: reading a short text again and again takes less time than a long one.
/// It need not be the item as it is written, so that the caller compares.
fn alone(text: &str, from: Place, to: Option<&Place>) -> String {
    let byte = |index: usize| text.char_indices().nth(index).map_or(text.len(), |(byte, _)| byte);
    let first = byte(from.index);
    let next = to.map_or(text.len(), |to| byte(to.index));
    // The next item begins with its line.
    let last = match to {
        Some(_) => text.get(..next).and_then(|before| before.rfind('\n')).unwrap_or(next),
        None => next,
    };
    let mut alone = "\n".repeat(from.line.saturating_sub(1));
    alone += &" ".repeat(from.column.saturating_sub(1));
    alone += text.get(first..last).unwrap_or_default();
    alone
}

/// Which entry of the file's mapping lists pipelines, and the places of its key and its value.
type Listed = (usize, Place, Place);

/// A mapping of settings: the whole text, or an item of the list that is the value of one of its entries.
#[derive(Clone, Copy)]
struct Ground<'t> {
    text: &'t str,
    /// The entry, and the item.
    item: Option<(usize, usize)>,
}

impl<'t> Ground<'t> {
    /// The mapping itself.
    fn all<S: DeserializeSeed<'t>>(self, seed: S) -> Result<S::Value, Error> {
        match self.item {
            None => whole(self.text, seed),
            Some((entry, index)) => nth(self.text, entry, Part::Value, Item { index, seed }),
        }
    }

    /// A key or a value of it.
    fn nth<S: DeserializeSeed<'t>>(self, index: usize, part: Part, seed: S) -> Result<S::Value, Error> {
        self.all(entry(index, part, seed))
    }

    fn at(self, error: &Error) -> Place {
        Place::of(error, self.text)
    }

    fn wrong(self, error: &Error) -> Wrong {
        wrong(error, self.text)
    }

    /// Its settings; of the file's mapping also which entry lists pipelines, with the places of its key and its value.
    fn entries(self, root: Place, of_file: bool) -> Result<(BTreeMap<&'static str, Entry>, Option<Listed>), Wrong> {
        let Keys(names) = self.all(PhantomData::<Keys>).map_err(|error| {
            let reason = "the name of a setting stands here, such as `topic`: nothing else can";
            (self.at(&error), reason.to_owned())
        })?;
        let mut entries = BTreeMap::new();
        let mut list = None;
        let mut first_lines: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            let locate = |part| {
                let found = self.nth(index, part, PhantomData::<Nothing>).err();
                found.map_or(root, |error| self.at(&error))
            };
            let (key, value) = (locate(Part::Key), locate(Part::Value));
            plain(key)?;
            let row = TABLE.iter().find(|row| row.name == name);
            if row.is_none() && name != PIPELINES {
                return Err((key, unknown(name)));
            }
            if !of_file && row.is_none_or(Row::of_stack) {
                let reason = format!(
                    "`{name}` is of the whole stack, not of one pipeline: put it outside `{PIPELINES}`, once for all"
                );
                return Err((key, reason));
            }
            if let Some(line) = first_lines.insert(name, key.line) {
                return Err((key, format!("`{name}` is in line {line} already: leave one of them")));
            }
            plain(value)?;
            let Some(row) = row else {
                list = Some((index, key, value));
                continue;
            };
            let text = self.read(index, row, value)?;
            let (line, column) = (value.line, value.column);
            entries.insert(row.name, Entry { text, line, column });
        }
        Ok((entries, list))
    }

    /// The value of a setting, as text.
    fn read(self, index: usize, row: &Row, place: Place) -> Result<String, Wrong> {
        let kind = self
            .nth(index, Part::Value, PhantomData::<Kind>)
            .map_err(|error| self.wrong(&error))?;
        let name = row.name;
        match (kind, row.shape) {
            (Kind::Null, _) => Err((
                place,
                format!("`{name}` has no value: give it one, or take the line out"),
            )),
            (Kind::Scalar, _) => self
                .nth(index, Part::Value, PhantomData::<String>)
                .map_err(|error| self.wrong(&error)),
            (Kind::List, Shape::List | Shape::TextOrList) => {
                match self.nth(index, Part::Value, PhantomData::<Vec<String>>) {
                    Ok(items) => Ok(items.join(",")),
                    Err(error) => Err((self.at(&error), format!("`{name}` is a list of texts: {}", row.values))),
                }
            }
            (Kind::Mapping, Shape::Map) => self.mapping(index, row, place),
            (found @ (Kind::List | Kind::Mapping), _) => Err((
                place,
                format!("this is {found}, and `{name}` can't be one: {}", row.values),
            )),
        }
    }

    /// The value of a setting that is a mapping of texts to texts, as a JSON object.
    fn mapping(self, index: usize, row: &Row, start: Place) -> Result<String, Wrong> {
        let name = row.name;
        let Keys(keys) = self.nth(index, Part::Value, PhantomData::<Keys>).map_err(|error| {
            let reason = format!("a text stands here, as in `{name}: {{created: orders-created}}`: nothing else can");
            (self.at(&error), reason)
        })?;
        if keys.len() > MOST_ENTRIES {
            let reason = format!(
                "`{name}` has {} entries, and more than {MOST_ENTRIES} can't be told to a function: leave some out",
                keys.len()
            );
            return Err((start, reason));
        }
        let mut entries = BTreeMap::new();
        let mut first_lines: BTreeMap<&str, usize> = BTreeMap::new();
        for (inner, key) in keys.iter().enumerate() {
            let locate = |part| {
                let found = self
                    .nth(index, Part::Value, entry(inner, part, PhantomData::<Nothing>))
                    .err();
                found.map_or(start, |error| self.at(&error))
            };
            let (key_place, place) = (locate(Part::Key), locate(Part::Value));
            plain(key_place)?;
            let shown = super::shown(key);
            if let Some(line) = first_lines.insert(key, key_place.line) {
                let reason = format!("`{shown}` is in line {line} of `{name}` already: leave one of them");
                return Err((key_place, reason));
            }
            plain(place)?;
            let kind = self.nth(index, Part::Value, entry(inner, Part::Value, PhantomData::<Kind>));
            match kind.map_err(|error| self.wrong(&error))? {
                Kind::Scalar => {}
                Kind::Null => {
                    return Err((
                        place,
                        format!("`{shown}` has no value in `{name}`: give it one, or take the line out"),
                    ));
                }
                found @ (Kind::List | Kind::Mapping) => {
                    let reason = format!("this is {found}, and what `{shown}` leads to can't be one: give one text");
                    return Err((place, reason));
                }
            }
            let value = self.nth(index, Part::Value, entry(inner, Part::Value, PhantomData::<String>));
            entries.insert(key, value.map_err(|error| self.wrong(&error))?);
        }
        serde_json::to_string(&entries).map_err(|error| (start, error.to_string()))
    }
}

/// A key or a value of a mapping.
const fn entry<S>(index: usize, part: Part, seed: S) -> Nth<S> {
    Nth { index, part, seed }
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

fn unknown(name: &str) -> String {
    let like = name.to_ascii_lowercase().replace('-', "_");
    let names = TABLE.iter().map(|row| row.name).chain([PIPELINES]);
    let close = names
        .map(|name| (strsim::jaro_winkler(name, &like), name))
        .filter(|(similarity, _)| *similarity > 0.84)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let shown = super::shown(name);
    match close {
        Some((_, known)) => format!("there is no setting `{shown}`; did you mean `{known}`?"),
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

fn whole<'de, S: DeserializeSeed<'de>>(text: &'de str, seed: S) -> Result<S::Value, Error> {
    seed.deserialize(Deserializer::from_str(text))
}

/// A key or a value of the file's mapping.
fn nth<'de, S: DeserializeSeed<'de>>(text: &'de str, index: usize, part: Part, seed: S) -> Result<S::Value, Error> {
    Deserializer::from_str(text).deserialize_map(Nth { index, part, seed })
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Key,
    Value,
}

struct Nth<S> {
    index: usize,
    part: Part,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Nth<S> {
    type Value = S::Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Nth<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        for _ in 0..self.index {
            map.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        let found = match self.part {
            Part::Key => {
                let key = map.next_key_seed(self.seed)?;
                map.next_value::<IgnoredAny>()?;
                key.ok_or_else(|| M::Error::custom("an entry is missing"))?
            }
            Part::Value => {
                map.next_key::<IgnoredAny>()?;
                map.next_value_seed(self.seed)?
            }
        };
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// An item of a list.
struct Item<S> {
    index: usize,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Item<S> {
    type Value = S::Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Item<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        for _ in 0..self.index {
            list.next_element::<IgnoredAny>()?;
        }
        let found = list.next_element_seed(self.seed)?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        found.ok_or_else(|| A::Error::custom("an item is missing"))
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

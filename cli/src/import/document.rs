//! The text of a template, YAML or JSON, as a tree that knows its lines. Short tags (`!Ref`) become their long forms. Pure.
//!
//! An alias shares what it stands for. How large the tree would be if it were written out is counted while it grows, so that a few lines can't become
//! millions of values.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use thiserror::Error;

use crate::shown::shown;

/// More than CloudFormation takes of a template, in bytes: 1,000,000.
pub const SIZE_LIMIT: usize = 1_000_000;
/// Deeper than any template that CloudFormation takes.
const MOST_DEPTH: usize = 100;
/// More values than a template of that size is written with.
const MOST_VALUES: usize = 500_000;

/// CloudFormation's functions that have a short tag, and their long names.
const TAGS: [(&str, &str); 21] = [
    ("And", "Fn::And"),
    ("Base64", "Fn::Base64"),
    ("Cidr", "Fn::Cidr"),
    ("Condition", "Condition"),
    ("Equals", "Fn::Equals"),
    ("FindInMap", "Fn::FindInMap"),
    ("ForEach", "Fn::ForEach"),
    ("GetAZs", "Fn::GetAZs"),
    ("GetAtt", "Fn::GetAtt"),
    ("If", "Fn::If"),
    ("ImportValue", "Fn::ImportValue"),
    ("Join", "Fn::Join"),
    ("Length", "Fn::Length"),
    ("Not", "Fn::Not"),
    ("Or", "Fn::Or"),
    ("Ref", "Ref"),
    ("Select", "Fn::Select"),
    ("Split", "Fn::Split"),
    ("Sub", "Fn::Sub"),
    ("ToJsonString", "Fn::ToJsonString"),
    ("Transform", "Fn::Transform"),
];

/// A value of a template, and the line it begins in, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// What it is.
    pub content: Content,
    /// How many values it is, written out.
    weight: usize,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text, a number, true, false; null is the empty text without quotes.
    Scalar(String),
    /// A list.
    List(Vec<Rc<Node>>),
    /// A mapping, in its order.
    Map(Vec<(String, Rc<Node>)>),
}

/// Why a text is no template, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}:{line}: {reason}")]
pub struct DocumentError {
    path: String,
    line: usize,
    reason: String,
}

impl Node {
    /// A text.
    pub fn text(line: usize, text: impl Into<String>) -> Rc<Self> {
        Self::new(line, Content::Scalar(text.into()))
    }

    /// A list.
    pub fn list(line: usize, items: Vec<Rc<Self>>) -> Rc<Self> {
        Self::new(line, Content::List(items))
    }

    /// A mapping.
    pub fn map(line: usize, entries: Vec<(String, Rc<Self>)>) -> Rc<Self> {
        Self::new(line, Content::Map(entries))
    }

    fn new(line: usize, content: Content) -> Rc<Self> {
        let weight = match &content {
            Content::Scalar(_) => 1,
            Content::List(items) => items.iter().fold(1_usize, |sum, item| sum.saturating_add(item.weight)),
            Content::Map(entries) => entries
                .iter()
                .fold(1_usize, |sum, (_, value)| sum.saturating_add(value.weight)),
        };
        Rc::new(Self { line, content, weight })
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text) => Some(text),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The items, if it is a list.
    pub fn items(&self) -> &[Rc<Self>] {
        match &self.content {
            Content::List(items) => items,
            Content::Scalar(_) | Content::Map(_) => &[],
        }
    }

    /// The entries, if it is a mapping.
    pub fn entries(&self) -> &[(String, Rc<Self>)] {
        match &self.content {
            Content::Map(entries) => entries,
            Content::Scalar(_) | Content::List(_) => &[],
        }
    }

    /// An entry of a mapping.
    pub fn get(&self, name: &str) -> Option<&Rc<Self>> {
        self.entries()
            .iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// What a function of CloudFormation is asked, where this is a call of one.
    pub fn call(&self) -> Option<(&str, &Rc<Self>)> {
        match self.entries() {
            [(name, argument)] if name == "Ref" || name == "Condition" || name.starts_with("Fn::") => {
                Some((name, argument))
            }
            _ => None,
        }
    }
}

/// Reads the bytes of a template; `path` is only for what is said about it.
pub fn parse(path: &str, bytes: &[u8]) -> Result<Rc<Node>, DocumentError> {
    let wrong = |(line, reason): Wrong| DocumentError {
        path: path.to_owned(),
        line,
        reason,
    };
    let text = decode(bytes).map_err(wrong)?;
    let root = if text.trim_start().starts_with('{') {
        json(text)
    } else {
        yaml(text)
    };
    let root = root.map_err(wrong)?;
    if let Content::Map(_) = root.content {
        return Ok(root);
    }
    let reason = "this is no template: a template is a mapping with `Resources` in it";
    Err(wrong((root.line, reason.to_owned())))
}

/// A line, and what is wrong there.
type Wrong = (usize, String);

fn decode(bytes: &[u8]) -> Result<&str, Wrong> {
    if bytes.len() > SIZE_LIMIT {
        let reason = "the file has more than 1,000,000 bytes, and CloudFormation takes no such template: name the template itself";
        return Err((1, reason.to_owned()));
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.split(|&byte| byte == b'\n').count();
        (
            line,
            "this is not UTF-8, and so no template: name a YAML or JSON file".to_owned(),
        )
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// A list or a mapping that is not at its end.
enum Open {
    List(Vec<Rc<Node>>),
    Map {
        entries: Vec<(String, Rc<Node>)>,
        /// With its line.
        key: Option<(String, usize)>,
        /// What `<<` brings, where no entry is of the same name.
        merged: Vec<(String, Rc<Node>)>,
        /// The names of these.
        brought: HashSet<String>,
        seen: HashMap<String, usize>,
    },
}

/// A tree that grows, shared by both notations.
#[derive(Default)]
struct Growing {
    open: Vec<(Open, usize, Option<&'static str>, usize)>,
    anchors: HashMap<usize, Rc<Node>>,
    /// How many entries `<<` was asked for: it copies what an alias shares.
    copied: usize,
    root: Option<Rc<Node>>,
}

impl Growing {
    fn begin(&mut self, open: Open, line: usize, tag: Option<&'static str>, anchor: usize) -> Result<(), Wrong> {
        if self.open.len() >= MOST_DEPTH {
            let reason =
                format!("more than {MOST_DEPTH} values within each other: CloudFormation takes no such template");
            return Err((line, reason));
        }
        self.key_is_no_text(line)?;
        self.open.push((open, line, tag, anchor));
        Ok(())
    }

    /// Refuses a list or a mapping where a name has to stand.
    fn key_is_no_text(&self, line: usize) -> Result<(), Wrong> {
        match self.open.last() {
            Some((Open::Map { key: None, .. }, ..)) => {
                Err((line, "a name stands here, such as `Type`: nothing else can".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let Some((open, line, tag, anchor)) = self.open.pop() else {
            return Err((1, "it ends what did not begin".to_owned()));
        };
        let node = match open {
            Open::List(items) => Node::list(line, items),
            Open::Map {
                mut entries,
                merged,
                seen,
                ..
            } => {
                let new: Vec<_> = merged
                    .into_iter()
                    .filter(|(name, _)| !seen.contains_key(name))
                    .collect();
                entries.extend(new);
                Node::map(line, entries)
            }
        };
        self.value(node, tag, anchor)
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<(), Wrong> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            // Within itself it would have no end.
            return Err((
                line,
                "this alias is within what it stands for: write the value itself".to_owned(),
            ));
        };
        if let Some((Open::Map { key: None, .. }, ..)) = self.open.last() {
            let Some(text) = node.as_text().map(str::to_owned) else {
                return self.key_is_no_text(line);
            };
            return self.scalar(text, line, None, 0);
        }
        self.value(node, None, 0)
    }

    fn scalar(&mut self, text: String, line: usize, tag: Option<&'static str>, anchor: usize) -> Result<(), Wrong> {
        if let Some((
            Open::Map {
                key: key @ None, seen, ..
            },
            ..,
        )) = self.open.last_mut()
        {
            if anchor != 0 {
                self.anchors.insert(anchor, Node::text(line, text.clone()));
            }
            if text != "<<"
                && let Some(first) = seen.insert(text.clone(), line)
            {
                let reason = format!("`{}` is in line {first} already: leave one of them", shown(&text));
                return Err((line, reason));
            }
            *key = Some((text, line));
            return Ok(());
        }
        self.value(Node::text(line, text), tag, anchor)
    }

    /// A value is whole.
    fn value(&mut self, node: Rc<Node>, tag: Option<&'static str>, anchor: usize) -> Result<(), Wrong> {
        let line = node.line;
        let node = match tag {
            None => node,
            Some(function) => {
                let argument = match (function, node.as_text()) {
                    ("Fn::GetAtt", Some(text)) => {
                        let (id, attribute) = text.split_once('.').unwrap_or((text, ""));
                        Node::list(line, vec![Node::text(line, id), Node::text(line, attribute)])
                    }
                    _ => node,
                };
                Node::map(line, vec![(function.to_owned(), argument)])
            }
        };
        if node.weight > MOST_VALUES {
            return Err(many(line));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Open::List(items), ..)) => items.push(node),
            Some((
                Open::Map {
                    entries,
                    key,
                    merged,
                    brought,
                    ..
                },
                ..,
            )) => match key.take() {
                Some((name, _)) if name == "<<" => {
                    let sources: Vec<&Rc<Node>> = match &node.content {
                        Content::List(items) => items.iter().collect(),
                        _ => vec![&node],
                    };
                    for source in sources {
                        self.copied += source.entries().len();
                        if self.copied > MOST_VALUES {
                            return Err(many(line));
                        }
                        for (name, value) in source.entries() {
                            if brought.insert(name.clone()) {
                                merged.push((name.clone(), Rc::clone(value)));
                            }
                        }
                    }
                }
                Some((name, _)) => entries.push((name, node)),
                None => return Err((line, "a name stands here, such as `Type`: nothing else can".to_owned())),
            },
        }
        Ok(())
    }
}

fn many(line: usize) -> Wrong {
    let reason = format!("its aliases make it more than {MOST_VALUES} values: CloudFormation takes no such template");
    (line, reason)
}

impl Open {
    fn map() -> Self {
        Self::Map {
            entries: Vec::new(),
            key: None,
            merged: Vec::new(),
            brought: HashSet::new(),
            seen: HashMap::new(),
        }
    }
}

fn yaml(text: &str) -> Result<Rc<Node>, Wrong> {
    let mut growing = Growing::default();
    let mut documents = 0_u32;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span): (Event<'_>, Span) = event.map_err(|error| not_yaml(&error))?;
        let line = span.start.line();
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    let reason = "a second document begins here: a template is one document";
                    return Err((line, reason.to_owned()));
                }
            }
            Event::Alias(anchor) => growing.alias(anchor, line)?,
            Event::Scalar(value, style, anchor, tag) => {
                let null = style == ScalarStyle::Plain && matches!(value.as_ref(), "~" | "null" | "Null" | "NULL");
                let value = if null { String::new() } else { value.into_owned() };
                growing.scalar(value, line, function(tag.as_deref(), line)?, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                growing.begin(Open::List(Vec::new()), line, function(tag.as_deref(), line)?, anchor)?;
            }
            Event::MappingStart(anchor, tag) => {
                growing.begin(Open::map(), line, function(tag.as_deref(), line)?, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => growing.end()?,
        }
    }
    growing
        .root
        .ok_or_else(|| (1, "there is nothing in this file: name a template".to_owned()))
}

fn not_yaml(error: &ScanError) -> Wrong {
    (
        error.marker().line().max(1),
        format!("this is not YAML: {}", shown(error.info())),
    )
}

/// The function that a tag stands for; YAML's own tags say nothing that matters here.
fn function(tag: Option<&Tag>, line: usize) -> Result<Option<&'static str>, Wrong> {
    const OWN: [&str; 8] = ["bool", "float", "int", "map", "null", "seq", "str", "timestamp"];
    let Some(tag) = tag else { return Ok(None) };
    let suffix = tag.suffix.as_str();
    let own = suffix.strip_prefix("tag:yaml.org,2002:");
    let own = own.or_else(|| (tag.handle == "tag:yaml.org,2002:" || tag.handle == "!!").then_some(suffix));
    if own.is_some_and(|own| OWN.contains(&own)) || (tag.handle.is_empty() && suffix == "!") {
        return Ok(None);
    }
    let known = TAGS.iter().find(|(short, _)| tag.handle == "!" && *short == suffix);
    if let Some((_, long)) = known {
        return Ok(Some(long));
    }
    let written = shown(&format!("{}{suffix}", tag.handle));
    let reason = format!("CloudFormation has no tag `{written}`: this is no template that it takes");
    Err((line, reason))
}

/// JSON by its own rules, which are not all those of YAML: tabs, and pairs of surrogates.
fn json(text: &str) -> Result<Rc<Node>, Wrong> {
    let mut reader = Json {
        text,
        place: 0,
        counted: 0,
        line: 1,
    };
    let mut growing = Growing::default();
    // A name was read, or a value; what may follow depends on it.
    reader.value(&mut growing)?;
    reader.blanks();
    match (reader.peek(), growing.root) {
        (None, Some(root)) => Ok(root),
        (Some(_), _) => Err(reader.wrong("nothing can follow the last `}`")),
        (None, None) => Err(reader.wrong("it ends too early")),
    }
}

struct Json<'t> {
    text: &'t str,
    place: usize,
    /// Up to where lines are counted.
    counted: usize,
    line: usize,
}

impl Json<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.place..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.place += 1;
        }
    }

    fn line(&mut self) -> usize {
        let passed = self.text.as_bytes().get(self.counted..self.place).unwrap_or_default();
        self.line += passed.split(|&byte| byte == b'\n').count() - 1;
        self.counted = self.place;
        self.line
    }

    fn wrong(&mut self, reason: &str) -> Wrong {
        (self.line(), format!("this is not JSON: {reason}"))
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.place += usize::from(found);
        found
    }

    /// A value with all that is in it. The depth is limited by what grows.
    fn value(&mut self, growing: &mut Growing) -> Result<(), Wrong> {
        self.blanks();
        let line = self.line();
        match self.peek() {
            Some(b'{') => {
                self.place += 1;
                growing.begin(Open::map(), line, None, 0)?;
                if !self.eat(b'}') {
                    loop {
                        self.blanks();
                        if self.peek() != Some(b'"') {
                            return Err(self.wrong("a name in double quotes has to stand here"));
                        }
                        let line = self.line();
                        let name = self.text()?;
                        growing.scalar(name, line, None, 0)?;
                        if !self.eat(b':') {
                            return Err(self.wrong("a `:` is missing after a name"));
                        }
                        self.value(growing)?;
                        if self.eat(b'}') {
                            break;
                        }
                        if !self.eat(b',') {
                            return Err(self.wrong("a `,` or a `}` is missing"));
                        }
                    }
                }
                growing.end()
            }
            Some(b'[') => {
                self.place += 1;
                growing.begin(Open::List(Vec::new()), line, None, 0)?;
                if !self.eat(b']') {
                    loop {
                        self.value(growing)?;
                        if self.eat(b']') {
                            break;
                        }
                        if !self.eat(b',') {
                            return Err(self.wrong("a `,` or a `]` is missing"));
                        }
                    }
                }
                growing.end()
            }
            Some(b'"') => {
                let text = self.text()?;
                growing.scalar(text, line, None, 0)
            }
            _ => {
                let word = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
                let rest = self.rest();
                let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
                let found = rest.get(..end).unwrap_or_default().to_owned();
                let value = serde_json::from_str::<serde_json::Value>(&found);
                self.place += end;
                match value {
                    Ok(serde_json::Value::Null) => growing.scalar(String::new(), line, None, 0),
                    // As it is written: no digit of a long number is lost.
                    Ok(_) => growing.scalar(found, line, None, 0),
                    Err(_) => Err(self.wrong("no value stands where one has to be")),
                }
            }
        }
    }

    /// What is in double quotes.
    fn text(&mut self) -> Result<String, Wrong> {
        let bytes = self.rest().as_bytes();
        let mut end = 1;
        loop {
            match bytes.get(end) {
                Some(b'\\') => end += 2,
                Some(b'"') => break,
                Some(_) => end += 1,
                None => return Err(self.wrong("a text has no end")),
            }
        }
        let quoted = self.rest().get(..=end).unwrap_or_default();
        let Ok(text) = serde_json::from_str(quoted) else {
            return Err(self.wrong("a text has a character or an escape that can't be in one"));
        };
        self.place += end + 1;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in one line; functions in their long form.
    fn flat(node: &Node) -> String {
        match &node.content {
            Content::Scalar(text) => text.clone(),
            Content::List(items) => {
                let items: Vec<String> = items.iter().map(|item| flat(item)).collect();
                format!("[{}]", items.join(" "))
            }
            Content::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(name, value)| format!("{name}@{}={}", value.line, flat(value)))
                    .collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    fn read(text: &str) -> String {
        parse("t", text.as_bytes()).map_or_else(|error| error.to_string(), |root| flat(&root))
    }

    #[test]
    fn both_notations_become_one_tree_with_lines() {
        for (text, wanted) in [
            ("A: 1\nB:\n  - x\n  - 'y'\n", "{A@1=1 B@3=[x y]}"),
            (
                "{\n\t\"A\": 1,\n\t\"B\": [\"x\", true, null]\n}",
                "{A@2=1 B@3=[x true ]}",
            ),
            (r#"{"A": "\ud83d\ude00 \/"}"#, "{A@1=😀 /}"),
            ("A: !Ref B", "{A@1={Ref@1=B}}"),
            ("A: !GetAtt B.C.D", "{A@1={Fn::GetAtt@1=[B C.D]}}"),
            ("A: !GetAtt [B, Arn]", "{A@1={Fn::GetAtt@1=[B Arn]}}"),
            (
                "A: !Sub\n  - '${x}'\n  - x: !Ref Y",
                "{A@1={Fn::Sub@1=[${x} {x@3={Ref@3=Y}}]}}",
            ),
            ("A: !Join ['', [a, !Ref B]]", "{A@1={Fn::Join@1=[ [a {Ref@1=B}]]}}"),
            ("A: !!str 5\nB: ! x", "{A@1=5 B@2=x}"),
            ("A: ~\nB:\nC: 012345678901", "{A@1= B@2= C@3=012345678901}"),
            ("A: &a {x: 1}\nB: *a", "{A@1={x@1=1} B@1={x@1=1}}"),
            (
                "A: &a {x: 1, y: 2}\nB:\n  <<: *a\n  y: 3",
                "{A@1={x@1=1 y@1=2} B@3={y@4=3 x@1=1}}",
            ),
            ("\u{feff}---\nA: 1\n...\n", "{A@2=1}"),
        ] {
            assert_eq!(read(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_template_is_said_with_its_line() {
        let deep = format!("A: {}", "[".repeat(120));
        let deeper = format!("A: {}", "[".repeat(5000));
        let deep_json = format!("{{\"A\": {}", "[".repeat(5000));
        let laughs = (1..20).fold("a0: &a0 [lol]\n".to_owned(), |laughs, n| {
            laughs + &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))
        });
        // Each is small, and shares nothing with the others.
        let wide = (0..2000).fold(String::new(), |text, n| text + &format!("  k{n}: 1\n"));
        let merging = format!("A: &a\n{wide}B:\n{}", "- {<<: *a}\n".repeat(3000));
        let again = format!("A: &a\n{wide}B:\n  <<: [{}]\n", vec!["*a"; 3000].join(", "));
        let large = "#".repeat(SIZE_LIMIT + 1);
        for (text, wanted) in [
            ("", "t:1: there is nothing in this file"),
            ("# only this", "there is nothing in this file"),
            ("hello", "t:1: this is no template"),
            ("- a", "t:1: this is no template"),
            ("A: 1\n\tB: 2", "this is not YAML"),
            ("A: [1\nB: }", "this is not YAML"),
            ("A: 1\nA: 2", "t:2: `A` is in line 1 already"),
            ("A: 1\n---\nB: 2", "t:2: a second document"),
            (
                "A: !!python/object/apply:os.system ['x']",
                "t:1: CloudFormation has no tag `",
            ),
            ("A:\n  B: !Reff x", "t:2: CloudFormation has no tag `!Reff`"),
            ("A: &a [*a]", "t:1: this alias is within what it stands for"),
            ("A: *b", "this is not YAML"),
            ("? [a]\n: 1", "t:1: a name stands here"),
            (&deep, "more than 100 values within each other"),
            (&deeper, "this is not YAML: recursion limit"),
            (&deep_json, "more than 100 values within each other"),
            (&laughs, "aliases make it more than 500000 values"),
            (&merging, "aliases make it more than 500000 values"),
            (&again, "aliases make it more than 500000 values"),
            (&large, "more than 1,000,000 bytes"),
            ("{\"A\": 1,\n}", "t:2: this is not JSON: a name"),
            ("{\"A\": 1} x", "this is not JSON: nothing can follow"),
            ("{\"A\": \"x", "a text has no end"),
            ("{\"A\": \"\\x\"}", "an escape"),
            ("{\"A\": 1, \"A\": 2}", "`A` is in line 1 already"),
            ("{\"A\" 1}", "a `:` is missing"),
            ("{\"A\": nope}", "no value stands"),
            ("{", "this is not JSON"),
        ] {
            let said = read(text);
            assert!(
                said.contains(wanted),
                "{:?}: {said}",
                text.chars().take(60).collect::<String>()
            );
        }
        let said = parse("t", b"A: \xff").unwrap_err().to_string();
        assert!(said.contains("this is not UTF-8"), "{said}");
    }

    #[test]
    fn no_text_is_too_strange() {
        let pieces = [
            "A", ":", " ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "\"", "'", "!Ref ", "&a ", "*a", "<<", "|", "é",
            "\\",
        ];
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let count = random.usize(0..16);
            let text: String = (0..count).map(|_| pieces[random.usize(0..pieces.len())]).collect();
            // It comes to an end, with a tree or a reason.
            let _ = parse("t", text.as_bytes());
        }
    }
}

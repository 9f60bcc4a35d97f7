//! Where the settings of a text stand: the parser's events with their places, mended where a place reaches too far. Pure.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{RewriteError, form};

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Single,
    Double,
    /// `|` or `>`.
    Block,
    /// In brackets.
    Flow,
    /// A list, an item a line.
    Sequence,
    /// A mapping, an entry a line.
    Mapping,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where it begins on its line, of a list or a mapping.
    pub(super) column: usize,
    /// What it says, outside of which a `#` is a comment.
    pub(super) leaves: Vec<Range<usize>>,
}

/// A setting.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) key: Range<usize>,
    /// Behind its colon.
    pub(super) colon: usize,
    pub(super) value: Node,
}

/// A whole text.
#[derive(Debug)]
pub(super) struct Tree {
    /// Whether it stands in brackets.
    pub(super) flow: bool,
    /// Where an entry begins on its line.
    pub(super) column: usize,
    /// Where the first entry would go.
    pub(super) inside: usize,
    pub(super) entries: Vec<Entry>,
}

impl Tree {
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    pub(super) fn parse(text: &str) -> Result<Self, RewriteError> {
        let mut bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
        bytes.push(text.len());
        let events: Result<Vec<_>, _> = Parser::new_from_str(text).collect();
        let events = events.map_err(|error| RewriteError::Parse(error.to_string()))?;
        let skipped = |event: &Event| {
            matches!(
                event,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd
            )
        };
        let events = events.into_iter().filter(|(event, _)| !skipped(event)).collect();
        let mut reader = Reader {
            text,
            bytes,
            events,
            next: 0,
        };
        let mut tree = Self {
            flow: false,
            column: 0,
            inside: text.len(),
            entries: Vec::new(),
        };
        let Some((first, span)) = reader.take() else {
            return Ok(tree);
        };
        match first {
            Event::MappingStart(..) => {}
            // All of it may be comments.
            Event::Scalar(said, ..) if said.is_empty() || said == "~" => return Ok(tree),
            _ => return Err(RewriteError::Parse("it is no mapping of settings".to_owned())),
        }
        let start = reader.byte(span.start.index());
        tree.flow = reader.rest(start).starts_with('{');
        tree.inside = if tree.flow { start + 1 } else { text.len() };
        while !matches!(reader.events.get(reader.next), Some((Event::MappingEnd, _)) | None) {
            let entry = reader.entry()?;
            tree.entries.push(entry);
        }
        if !tree.flow
            && let Some(entry) = tree.entries.first()
        {
            let line = text
                .get(..entry.key.start)
                .and_then(|before| before.rsplit('\n').next());
            // A `?` before a key stands where the key else would.
            tree.column = line.map_or(0, |line| line.find('?').unwrap_or(line.len()));
        }
        Ok(tree)
    }
}

struct Reader<'t> {
    text: &'t str,
    /// The byte of each character.
    bytes: Vec<usize>,
    events: Vec<(Event<'t>, Span)>,
    next: usize,
}

impl<'t> Reader<'t> {
    fn byte(&self, index: usize) -> usize {
        self.bytes.get(index).copied().unwrap_or(self.text.len())
    }

    fn rest(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    fn take(&mut self) -> Option<(Event<'t>, Span)> {
        let event = self.events.get(self.next).cloned();
        self.next += 1;
        event
    }

    fn entry(&mut self) -> Result<Entry, RewriteError> {
        let incomplete = || RewriteError::Parse("it ends too soon".to_owned());
        let name = match self.events.get(self.next) {
            Some((Event::Scalar(name, ..), _)) => name.to_string(),
            _ => return Err(RewriteError::Parse("the name of a setting is no text".to_owned())),
        };
        let key = self.node().ok_or_else(incomplete)?;
        let colon = self.rest(key.end).find(':');
        let colon = colon.ok_or_else(|| form(&name, "there is no colon behind it"))?;
        let value = self.node().ok_or_else(incomplete)?;
        Ok(Entry {
            name,
            key: key.start..key.end,
            colon: key.end + colon + 1,
            value,
        })
    }

    /// The next value, whole.
    fn node(&mut self) -> Option<Node> {
        let (event, span) = self.take()?;
        let start = self.byte(span.start.index());
        let node = |kind, end| Node {
            kind,
            start,
            end,
            column: span.start.col(),
            leaves: std::iter::once(start..end).collect(),
        };
        let trimmed = || {
            let said = self.text.get(start..self.byte(span.end.index())).unwrap_or_default();
            start + said.trim_end().len()
        };
        match event {
            Event::Scalar(_, style, ..) => {
                let (kind, end) = match style {
                    ScalarStyle::Plain => (Kind::Plain, trimmed()),
                    ScalarStyle::SingleQuoted => (Kind::Single, self.closed(start, '\'')),
                    ScalarStyle::DoubleQuoted => (Kind::Double, self.closed(start, '"')),
                    ScalarStyle::Literal | ScalarStyle::Folded => (Kind::Block, trimmed()),
                };
                Some(node(kind, end))
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let mapping = matches!(event, Event::MappingStart(..));
                let flow = self.rest(start).starts_with(['[', '{']);
                let kind = match (flow, mapping) {
                    (true, _) => Kind::Flow,
                    (false, true) => Kind::Mapping,
                    (false, false) => Kind::Sequence,
                };
                let mut all = Node {
                    leaves: Vec::new(),
                    ..node(kind, start)
                };
                loop {
                    if let (Event::SequenceEnd | Event::MappingEnd, span) = self.events.get(self.next)? {
                        if flow {
                            all.end = self.byte(span.start.index()) + 1;
                        }
                        self.next += 1;
                        break;
                    }
                    let inner = self.node()?;
                    all.end = all.end.max(inner.end);
                    all.leaves.extend(inner.leaves);
                }
                if kind == Kind::Sequence {
                    // The parser's place may be that of the first item.
                    let first = all.leaves.first().map_or(start, |leaf| leaf.start);
                    let line = self.text.get(..first).and_then(|before| before.rsplit('\n').next());
                    all.column = line.and_then(|line| line.find('-')).unwrap_or(all.column);
                }
                Some(all)
            }
            _ => None,
        }
    }

    /// Where a text in quotes ends: the parser's place may be that of the next thing.
    fn closed(&self, start: usize, quote: char) -> usize {
        let Some(open) = self.rest(start).find(quote) else {
            return start;
        };
        let mut escaped = false;
        let mut characters = self.rest(start + open + 1).char_indices().peekable();
        while let Some((at, c)) = characters.next() {
            if escaped {
                escaped = false;
            } else if c == '\\' && quote == '"' {
                escaped = true;
            } else if c == quote {
                if quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == quote) {
                    escaped = true;
                    continue;
                }
                return start + open + 1 + at + 1;
            }
        }
        self.text.len()
    }
}

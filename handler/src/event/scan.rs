//! Reads an event of the shape that Lambda sends in one pass over its bytes, faster than any parser of all JSON: nearly all of the text is base64,
//! which is only looked at for its end. Whatever is not of that shape is left to the parser: no answer, rather than another one. Pure.
//!
//! A raw control character within a string, which JSON forbids, goes unnoticed here.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::{KINESIS, Record, millis};

/// The records of `payload`, in order; `None`: ask the parser.
pub(super) fn scan(payload: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut scanner = Scanner {
        payload,
        at: 0,
        arn: b"",
        stream: Cow::Borrowed(""),
    };
    let mut records = None;
    scanner.object(|scanner, key| match key {
        b"Records" => once(&mut records, scanner.records()?),
        _ => scanner.skip(),
    })?;
    scanner.blank();
    if scanner.at == payload.len() { records } else { None }
}

/// Fills a field; a second time there is no telling what is meant.
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

struct Scanner<'a> {
    payload: &'a [u8],
    at: usize,
    /// The ARN that was split last, and the stream's name in it: nearly always it is the next record's too.
    arn: &'a [u8],
    stream: Cow<'a, str>,
}

/// What stands between the quotes of a string.
#[derive(Clone, Copy)]
struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    fn decode(self) -> Option<Cow<'a, str>> {
        if self.escaped {
            let quoted = [b"\"", self.raw, b"\""].concat();
            return serde_json::from_slice(&quoted).ok().map(Cow::Owned);
        }
        str::from_utf8(self.raw).ok().map(Cow::Borrowed)
    }

    fn plain(self) -> Option<&'a [u8]> {
        (!self.escaped).then_some(self.raw)
    }
}

impl<'a> Scanner<'a> {
    fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.payload.get(self.at) {
            self.at += 1;
        }
    }

    /// Takes this byte, after any blanks.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.blank();
        (self.payload.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    fn string(&mut self) -> Option<Text<'a>> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let end = self.at + memchr2(b'"', b'\\', &self.payload[self.at..])?;
            if self.payload[end] == b'"' {
                self.at = end + 1;
                let raw = &self.payload[start..end];
                return Some(Text { raw, escaped });
            }
            escaped = true;
            self.at = end + 2;
            if self.at > self.payload.len() {
                return None;
            }
        }
    }

    /// Items between commas, up to `close`.
    fn items(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.take(b',').is_none() {
                return self.take(close);
            }
        }
    }

    /// An object, whose members' values `member` takes.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        self.items(b'}', |scanner| {
            let key = scanner.string()?.plain()?;
            scanner.take(b':')?;
            member(scanner, key)
        })
    }

    fn records(&mut self) -> Option<Vec<Record<'a>>> {
        self.take(b'[')?;
        let mut records = Vec::new();
        self.items(b']', |scanner| {
            records.push(scanner.record()?);
            Some(())
        })?;
        Some(records)
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let (mut source, mut id, mut arn, mut kinesis) = (None, None, None, None);
        self.object(|scanner, key| match key {
            b"eventSource" => once(&mut source, scanner.string()?.plain()?),
            b"eventID" => once(&mut id, scanner.string()?.plain()?),
            b"eventSourceARN" => once(&mut arn, scanner.string()?.plain()?),
            b"kinesis" => once(&mut kinesis, scanner.kinesis()?),
            _ => scanner.skip(),
        })?;
        if source? != KINESIS.as_bytes() {
            return None;
        }
        let id = id?;
        let (partition_key, sequence_number, data, arrival_millis) = kinesis?;
        Some(Record {
            stream: self.stream(arn?)?,
            shard: Cow::Borrowed(str::from_utf8(&id[..memchr(b':', id).unwrap_or(id.len())]).ok()?),
            sequence_number,
            partition_key,
            arrival_millis,
            data,
        })
    }

    #[expect(clippy::type_complexity, reason = "taken apart where it is made")]
    fn kinesis(&mut self) -> Option<(Cow<'a, str>, Cow<'a, str>, Cow<'a, [u8]>, i64)> {
        let (mut key, mut number, mut data, mut arrival) = (None, None, None, None);
        self.object(|scanner, name| match name {
            b"partitionKey" => once(&mut key, scanner.string()?.decode()?),
            b"sequenceNumber" => once(&mut number, scanner.string()?.decode()?),
            b"data" => once(&mut data, Cow::Borrowed(scanner.string()?.plain()?)),
            b"approximateArrivalTimestamp" => once(&mut arrival, scanner.number()?),
            _ => scanner.skip(),
        })?;
        Some((key?, number?, data?, millis(arrival?)))
    }

    fn stream(&mut self, arn: &'a [u8]) -> Option<Cow<'a, str>> {
        if arn != self.arn {
            let start = memchr(b'/', arn).map_or(0, |slash| slash + 1);
            self.stream = Cow::Borrowed(str::from_utf8(&arn[start..]).ok()?);
            self.arn = arn;
        }
        Some(self.stream.clone())
    }

    /// A bare word: a number or a literal.
    fn word(&mut self) -> Option<&'a str> {
        self.blank();
        let rest = &self.payload[self.at..];
        let end = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'.' | b'+' | b'-'))?;
        self.at += end;
        str::from_utf8(&rest[..end]).ok()
    }

    fn number(&mut self) -> Option<f64> {
        let word = self.word()?;
        // Rust's own numbers include some that JSON's don't.
        let is_json =
            word.starts_with(|c: char| c.is_ascii_digit() || c == '-') && word.ends_with(|c: char| c.is_ascii_digit());
        is_json.then(|| word.parse().ok())?
    }

    /// Passes over a value of no interest, if it is a plain one.
    fn skip(&mut self) -> Option<()> {
        self.blank();
        match self.payload.get(self.at)? {
            b'"' => self.string().map(|_| ()),
            b'0'..=b'9' | b'-' => self.number().map(|_| ()),
            _ => matches!(self.word()?, "true" | "false" | "null").then_some(()),
        }
    }
}

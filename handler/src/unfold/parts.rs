//! The parts of a record's data, one after the other: out of an aggregate, decompressed, split. Pure.

use std::ops::Range;
use std::sync::Arc;

use memchr::memchr;

use super::cloudwatch::{self, Envelope};
use super::gzip::{self, GzipError};
use super::{UNPACKED_LIMIT, kpl};
use crate::json::Object;
use crate::parcel::Span;
use crate::payload::{Decode, Split};

/// What becomes one message.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The record's data; keys and `raw` are in it.
    pub(super) source: Arc<Vec<u8>>,
    /// What holds the part's data; names of logs are in it.
    pub(super) buffer: Arc<Vec<u8>>,
    /// Its data.
    pub(super) data: Span,
    /// The same as it came, where it was not split off: before it was decompressed.
    pub(super) raw: Option<Span>,
    pub(super) partition_key: Option<Span>,
    pub(super) explicit_hash_key: Option<Span>,
    /// Log group and log stream.
    pub(super) log: Option<(Span, Span)>,
    /// The log event's own time.
    pub(super) event_millis: Option<i64>,
    /// Its place in the record, where that was taken apart.
    pub(super) subsequence: Option<u32>,
    /// Why it can never be sent.
    pub(super) flaw: Option<Box<str>>,
}

/// A record's parts. Cloned, it begins where the one that it was cloned from stands.
#[derive(Clone)]
pub(super) struct Parts {
    decode: Decode,
    source: Arc<Vec<u8>>,
    /// The records of an aggregate; `None`: it is none.
    records: Option<Arc<Vec<kpl::SubRecord>>>,
    /// The next of them.
    next: usize,
    /// Bytes that may still come of decompressing.
    room: usize,
    /// Bytes that came of it so far, also where they were too many.
    work: usize,
    /// What the one before is being split into.
    splitting: Option<Splitting>,
    /// Parts that were told.
    told: u32,
    controls: usize,
}

#[derive(Clone)]
struct Splitting {
    /// What all pieces have in common; its data is what is split.
    part: Part,
    into: Pieces,
}

#[derive(Clone)]
enum Pieces {
    /// Lines, from this byte of the data on.
    Lines(usize),
    /// Log events with their times, from this one on.
    Events(Arc<Vec<(Span, i64)>>, usize),
}

impl Parts {
    pub(super) fn new(data: Vec<u8>, decode: Decode) -> Self {
        let records = if decode.kpl { kpl::take_apart(&data) } else { None };
        Self {
            decode,
            source: Arc::new(data),
            records: records.map(Arc::new),
            next: 0,
            room: UNPACKED_LIMIT,
            work: 0,
            splitting: None,
            told: 0,
            controls: 0,
        }
    }

    /// Whether there may be another number of parts than one.
    pub(super) fn may_be_several(&self) -> bool {
        self.records.is_some() || self.decode.split != Split::Whole
    }

    /// Bytes that were gone through so far.
    pub(super) fn work(&self) -> usize {
        self.source.len() + self.work
    }

    /// Control messages that were passed over so far.
    pub(super) fn controls(&self) -> usize {
        self.controls
    }

    /// The next record of the aggregate, or the whole.
    fn record(&mut self) -> Option<Part> {
        let place = self.next;
        self.next += 1;
        let (data, partition_key, explicit_hash_key) = match &self.records {
            Some(records) => {
                let record = records.get(place)?;
                (record.data, Some(record.partition_key), record.explicit_hash_key)
            }
            None if place == 0 => (Span::new(0, self.source.len()), None, None),
            None => return None,
        };
        Some(Part {
            source: Arc::clone(&self.source),
            buffer: Arc::clone(&self.source),
            data,
            raw: Some(data),
            partition_key,
            explicit_hash_key,
            log: None,
            event_millis: None,
            subsequence: None,
            flaw: None,
        })
    }

    /// Gives a part its place: `split_off`: whether it comes of a split.
    fn tell(&mut self, part: Part, split_off: bool) -> Part {
        let several = split_off || self.records.is_some();
        let subsequence = several.then_some(self.told);
        self.told = self.told.saturating_add(1);
        Part { subsequence, ..part }
    }

    /// Decompresses one part, as far as it is compressed. `Err`: it is a message as it is.
    fn decompress(&mut self, mut part: Part) -> Result<Part, Part> {
        if !self.decode.gzip {
            return Ok(part);
        }
        match gzip::decompress(part.data.of(&part.buffer), self.room) {
            Ok(unpacked) => {
                self.room -= unpacked.len();
                self.work += unpacked.len();
                part.data = Span::new(0, unpacked.len());
                part.buffer = Arc::new(unpacked);
                Ok(part)
            }
            // Cut into lines, it could not be put together again.
            Err(GzipError::Broken) if self.decode.split == Split::Lines => Err(part),
            Err(GzipError::Not | GzipError::Broken) => Ok(part),
            Err(GzipError::TooLarge) => {
                self.work += self.room;
                let reason = format!("it decompresses to more than {UNPACKED_LIMIT} bytes, the most that a record may");
                part.flaw = Some(reason.into());
                Err(part)
            }
        }
    }

    /// Begins to split a part; `Err`: it is a message as it is.
    fn split(&mut self, mut part: Part) -> Result<Option<Splitting>, Part> {
        match self.decode.split {
            Split::Whole => Err(part),
            Split::Lines => Ok(Some(Splitting {
                part,
                into: Pieces::Lines(0),
            })),
            Split::CloudwatchLogs => match cloudwatch::read(part.data.of(&part.buffer)) {
                Ok(Some(envelope)) => {
                    let (buffer, log, events) = gather(&envelope);
                    drop(envelope);
                    part.buffer = Arc::new(buffer);
                    part.log = Some(log);
                    Ok(Some(Splitting {
                        part,
                        into: Pieces::Events(Arc::new(events), 0),
                    }))
                }
                Ok(None) => {
                    self.controls += 1;
                    Ok(None)
                }
                Err(reason) => Err(Part {
                    flaw: Some(reason.into()),
                    ..part
                }),
            },
        }
    }
}

impl Iterator for Parts {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        loop {
            if let Some(splitting) = &mut self.splitting {
                if let Some(piece) = splitting.next() {
                    return Some(self.tell(piece, true));
                }
                self.splitting = None;
            }
            let part = self.record()?;
            match self.decompress(part).and_then(|part| self.split(part)) {
                Ok(splitting) => self.splitting = splitting,
                Err(part) => return Some(self.tell(part, false)),
            }
        }
    }
}

impl Splitting {
    fn next(&mut self) -> Option<Part> {
        let piece = |data, event_millis| Part {
            data,
            raw: None,
            event_millis,
            ..self.part.clone()
        };
        match &mut self.into {
            Pieces::Lines(at) => {
                let line = line(self.part.data.of(&self.part.buffer), at)?;
                let first = self.part.data.start();
                Some(piece(Span::new(first + line.start, first + line.end), None))
            }
            Pieces::Events(events, next) => {
                let (data, millis) = *events.get(*next)?;
                *next += 1;
                Some(piece(data, Some(millis)))
            }
        }
    }
}

/// The next line that isn't empty, from `at` on, which then stands behind it.
fn line(text: &[u8], at: &mut usize) -> Option<Range<usize>> {
    while *at < text.len() {
        let start = *at;
        let end = memchr(b'\n', &text[start..]).map_or(text.len(), |length| start + length);
        *at = end + 1;
        let line = &text[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            return Some(start..start + line.len());
        }
    }
    None
}

/// The texts of an envelope one after another: log group and log stream, and each event's message with its time.
type Gathered = (Vec<u8>, (Span, Span), Vec<(Span, i64)>);

fn gather(envelope: &Envelope<'_>) -> Gathered {
    let mut buffer = Vec::new();
    let mut add = |text: &str| {
        let start = buffer.len();
        buffer.extend_from_slice(text.as_bytes());
        Span::new(start, buffer.len())
    };
    let log = (add(&envelope.group), add(&envelope.stream));
    let events = envelope.events.iter();
    let events = events
        .map(|Object(event)| (add(&event.message), event.timestamp))
        .collect();
    (buffer, log, events)
}

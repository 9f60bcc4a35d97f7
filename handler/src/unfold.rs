//! What is in a record: taken apart as the pipeline says, with key, topic and timestamp of each part. Pure.
//!
//! A record that nothing has to be known of is left as it is, without being decoded: what may be an aggregate or gzip is seen in its base64.

mod cloudwatch;
mod gzip;
mod kpl;
mod mapping;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use memchr::memchr;

use self::gzip::GzipError;
use self::mapping::{Choice, choose};
use crate::event::Record;
use crate::json::Object;
use crate::parcel::{KeyPart, Parcel, Span, Taken};
use crate::payload::{Decode, Key, Payload, Split, Timestamp, ValueForm};

/// Bytes that one record may have once it is decompressed. Three times Kinesis' largest record, and a small part of what a function has.
pub const UNPACKED_LIMIT: usize = 32 << 20;

/// How records are unfolded.
#[derive(Debug, Clone)]
pub struct Unfolding {
    payload: Payload,
    /// The topics, the pipeline's own first.
    topics: Vec<String>,
    /// Whether a record with a part that can never be sent is sent in no part.
    all_or_nothing: bool,
}

/// How much was in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfolded {
    /// How many messages; none where there is nothing to send.
    pub messages: usize,
    /// How many control messages, which aren't sent.
    pub controls: usize,
}

impl Unfolding {
    /// For a pipeline into `topic`.
    pub fn new(payload: &Payload, topic: &str) -> Self {
        let mut topics = vec![topic.to_owned()];
        for name in payload.topic.iter().flat_map(|choice| choice.topics.values()) {
            if !topics.contains(name) {
                topics.push(name.clone());
            }
        }
        Self {
            payload: payload.clone(),
            topics,
            all_or_nothing: false,
        }
    }

    /// Lets a record of which one part can never be sent be sent in no part. Where such a record is given up as a whole, after retries, whatever of it was sent
    /// would be there as often as it was tried.
    #[must_use]
    pub fn all_or_nothing(self, all_or_nothing: bool) -> Self {
        Self { all_or_nothing, ..self }
    }

    /// What messages are made of.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The topics, the pipeline's own first.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Whether a record has to be looked into.
    fn concerns(&self, record: &Record<'_>) -> bool {
        let Decode { kpl, gzip, split } = self.payload.decode;
        let encoded = record.encoded();
        (kpl && kpl::may_be(encoded))
            || (gzip && gzip::may_be(encoded))
            || split != Split::Whole
            || self.payload.value == ValueForm::Json
            || self.payload.topic.is_some()
            || matches!(self.payload.key, Key::Pointer(_))
            || matches!(self.payload.timestamp, Timestamp::Pointer(_))
    }

    /// Adds what is in `record`, which stands at `place` of its batch, to `parcels`, in order.
    pub fn unfold(&self, place: usize, record: &Record<'_>, parcels: &mut VecDeque<Parcel>) -> Unfolded {
        let mut data = Vec::new();
        let mut whole = |flaw| {
            let key = match self.payload.key {
                Key::None => KeyPart::None,
                Key::PartitionKey | Key::ExplicitHashKey | Key::Pointer(_) => KeyPart::Partition,
            };
            let whole = Parcel::whole(place, record, key);
            parcels.push_back(Parcel { flaw, ..whole });
            Unfolded {
                messages: 1,
                controls: 0,
            }
        };
        // What isn't base64 is told by whoever sends it.
        if !self.concerns(record) || record.data_into(&mut data).is_err() {
            return whole(None);
        }
        let Contents {
            mut buffer,
            pieces,
            several,
            controls,
        } = Contents::of(data, self.payload.decode);
        // Texts that the mapping makes go into the buffer too, so all pieces are looked at before it is shared.
        let choices: Vec<Choice> = pieces
            .iter()
            .map(|piece| choose(&self.payload, &self.topics, piece, record.arrival_millis, &mut buffer))
            .collect();
        if self.all_or_nothing && several {
            let flaws = pieces.iter().zip(&choices).enumerate();
            let mut flaws = flaws
                .filter_map(|(place, (piece, choice))| Some((place, piece.flaw.as_ref().or(choice.flaw.as_ref())?)));
            if let Some((place, flaw)) = flaws.next() {
                return whole(Some(
                    format!("of the messages in it the one at {place} can't be sent: {flaw}").into(),
                ));
            }
        }
        let buffer = Arc::new(buffer);
        let messages = pieces.len();
        parcels.extend(
            pieces
                .into_iter()
                .zip(choices)
                .zip(0..)
                .map(|((piece, choice), subsequence)| {
                    let mut parcel = Parcel {
                        record: place,
                        subsequence: several.then_some(subsequence),
                        topic: choice.topic,
                        timestamp_millis: choice.timestamp_millis,
                        value_bytes: piece.data.bytes(),
                        flaw: piece.flaw.or(choice.flaw),
                        key: choice.key,
                        taken: Some(Taken {
                            buffer: Arc::clone(&buffer),
                            data: piece.data,
                            partition_key: piece.partition_key,
                            explicit_hash_key: piece.explicit_hash_key,
                            log: piece.log,
                        }),
                    };
                    if self.payload.value == ValueForm::Json {
                        parcel.value_bytes = parcel.described_bytes(record, piece.data.of(&buffer));
                    }
                    parcel
                }),
        );
        Unfolded { messages, controls }
    }
}

/// A part of a record, by places in the record's buffer.
#[derive(Debug, Clone)]
struct Piece {
    data: Span,
    partition_key: Option<Span>,
    explicit_hash_key: Option<Span>,
    log: Option<(Span, Span)>,
    /// The log event's own time.
    event_millis: Option<i64>,
    flaw: Option<Box<str>>,
}

impl Piece {
    fn new(data: Span) -> Self {
        Self {
            data,
            partition_key: None,
            explicit_hash_key: None,
            log: None,
            event_millis: None,
            flaw: None,
        }
    }
}

/// A record taken apart.
struct Contents {
    /// The record's data, and behind it what was made of it.
    buffer: Vec<u8>,
    pieces: Vec<Piece>,
    /// Whether a piece may be one of several.
    several: bool,
    controls: usize,
}

impl Contents {
    fn of(data: Vec<u8>, decode: Decode) -> Self {
        let records = if decode.kpl { kpl::take_apart(&data) } else { None };
        let several = records.is_some() || decode.split != Split::Whole;
        let span = |range: Range<usize>| Span::new(range.start, range.end);
        let parts: Vec<Piece> = match records {
            Some(records) => records
                .into_iter()
                .map(|record| Piece {
                    partition_key: Some(span(record.partition_key)),
                    explicit_hash_key: record.explicit_hash_key.map(span),
                    ..Piece::new(span(record.data))
                })
                .collect(),
            None => vec![Piece::new(span(0..data.len()))],
        };
        let mut contents = Self {
            buffer: data,
            pieces: Vec::new(),
            several,
            controls: 0,
        };
        if !decode.gzip && decode.split == Split::Whole {
            contents.pieces = parts;
            return contents;
        }
        let mut room = UNPACKED_LIMIT;
        for part in parts {
            contents.unpack(part, decode, &mut room);
        }
        contents
    }

    /// Decompresses and splits one part; `room`: bytes that may still be added.
    fn unpack(&mut self, mut part: Piece, decode: Decode, room: &mut usize) {
        let unpacked = if decode.gzip {
            gzip::decompress(part.data.of(&self.buffer), *room)
        } else {
            Err(GzipError::Not)
        };
        let unpacked = match unpacked {
            Ok(unpacked) => {
                *room -= unpacked.len();
                Some(unpacked)
            }
            Err(GzipError::Not) => None,
            Err(GzipError::TooLarge) => {
                part.flaw = Some(
                    format!("it decompresses to more than {UNPACKED_LIMIT} bytes, the most that a record may").into(),
                );
                self.pieces.push(part);
                return;
            }
        };
        if decode.split == Split::CloudwatchLogs {
            let envelope = unpacked.unwrap_or_else(|| part.data.of(&self.buffer).to_vec());
            match cloudwatch::read(&envelope) {
                Ok(Some(envelope)) => self.log_events(&part, &envelope),
                Ok(None) => self.controls += 1,
                Err(reason) => {
                    part.flaw = Some(reason.into());
                    self.pieces.push(part);
                }
            }
            return;
        }
        if let Some(unpacked) = unpacked {
            part.data = self.add(&unpacked);
        }
        match decode.split {
            Split::Lines => self.lines(&part),
            Split::Whole | Split::CloudwatchLogs => self.pieces.push(part),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> Span {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        Span::new(start, self.buffer.len())
    }

    fn log_events(&mut self, part: &Piece, envelope: &cloudwatch::Envelope<'_>) {
        let log = Some((
            self.add(envelope.log_group.as_bytes()),
            self.add(envelope.log_stream.as_bytes()),
        ));
        for Object(event) in &envelope.log_events {
            let piece = Piece {
                data: self.add(event.message.as_bytes()),
                log,
                event_millis: Some(event.timestamp),
                ..part.clone()
            };
            self.pieces.push(piece);
        }
    }

    /// A piece for each line that isn't empty.
    fn lines(&mut self, part: &Piece) {
        let text = part.data.of(&self.buffer);
        let first = part.data.start();
        let mut start = 0;
        while start < text.len() {
            let end = memchr(b'\n', &text[start..]).map_or(text.len(), |length| start + length);
            let line = &text[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                self.pieces.push(Piece {
                    data: Span::new(first + start, first + start + line.len()),
                    ..part.clone()
                });
            }
            start = end + 1;
        }
    }
}

#[cfg(test)]
mod tests;

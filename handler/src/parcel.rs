//! What is to become one message: a record as it is, or a part that was taken out of one. Pure.
//!
//! Nothing is copied for a record as it is: its data stays base64 until it is sent. What was taken out of one record shares one buffer.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::canary;
use crate::event::{DataError, Record};
use crate::message::{Message, Origin};
use crate::payload::{Payload, ValueForm};

/// A place in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// From `start` to before `end`. Buffers are far smaller than 32 bits can tell; beyond, it would be empty.
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |place| u32::try_from(place).unwrap_or(u32::MAX);
        Self {
            start: narrow(start),
            end: narrow(end),
        }
    }

    /// Its bytes in `buffer`.
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Where it begins.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// How many there are.
    pub fn bytes(self) -> usize {
        (self.end - self.start) as usize
    }
}

/// What the key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPart {
    /// The partition key.
    Partition,
    /// The explicit hash key, where there is one, else the partition key.
    HashKey,
    /// There is none.
    None,
    /// This.
    Text(Box<[u8]>),
}

/// What is to become one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Parcel {
    /// The record's place in the batch.
    pub record: usize,
    /// Its own place among the record's, where the record was taken apart.
    pub subsequence: Option<u32>,
    /// The topic's place among the pipeline's topics; the first is the one for what no other is for.
    pub topic: usize,
    /// Milliseconds since the Unix epoch.
    pub timestamp_millis: i64,
    /// Bytes of its value as a message.
    pub value_bytes: usize,
    /// Why it can never be sent.
    pub flaw: Option<Box<str>>,
    /// What the key is.
    pub key: KeyPart,
    /// What was taken out of the record, if anything was.
    pub taken: Option<Taken>,
}

/// What was taken out of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The record's data.
    pub source: Arc<Vec<u8>>,
    /// What holds this part's data: the record's, or what was decompressed out of it.
    pub buffer: Arc<Vec<u8>>,
    /// The data, in `buffer`.
    pub data: Span,
    /// The same as it came, in `source`, where it was not split off.
    pub raw: Option<Span>,
    /// The partition key, in `source`, where it isn't the record's own.
    pub partition_key: Option<Span>,
    /// The explicit hash key, in `source`, where an aggregate had one.
    pub explicit_hash_key: Option<Span>,
    /// Log group and log stream, in `buffer`.
    pub log: Option<(Span, Span)>,
}

impl Taken {
    fn data(&self) -> &[u8] {
        self.data.of(&self.buffer)
    }
}

/// Room for one message under way: one serves a whole batch.
#[derive(Debug, Default)]
pub struct Scratch {
    data: Vec<u8>,
    value: Vec<u8>,
}

impl Parcel {
    /// A record as it is.
    pub fn whole(place: usize, record: &Record<'_>, key: KeyPart) -> Self {
        Self {
            record: place,
            subsequence: None,
            topic: 0,
            timestamp_millis: record.arrival_millis,
            value_bytes: record.data_bytes(),
            flaw: None,
            key,
            taken: None,
        }
    }

    /// The id of a canary, which is always a whole record.
    pub fn canary<'a>(&self, record: &'a Record<'_>) -> Option<&'a str> {
        canary::id(record).filter(|_| self.taken.is_none())
    }

    fn partition_key<'a>(&'a self, record: &'a Record<'_>) -> &'a [u8] {
        let own = self
            .taken
            .as_ref()
            .and_then(|taken| Some((taken, taken.partition_key?)));
        own.map_or(record.partition_key.as_bytes(), |(taken, span)| span.of(&taken.source))
    }

    fn key<'a>(&'a self, record: &'a Record<'_>) -> Option<&'a [u8]> {
        match &self.key {
            KeyPart::None => None,
            KeyPart::Text(text) => Some(text),
            KeyPart::Partition => Some(self.partition_key(record)),
            KeyPart::HashKey => {
                let taken = self.taken.as_ref();
                let own = taken.and_then(|taken| Some(taken.explicit_hash_key?.of(&taken.source)));
                Some(own.unwrap_or_else(|| self.partition_key(record)))
            }
        }
    }

    /// What the partition follows from: the key, or what tells the message from every other.
    pub fn follows_from<'a>(&'a self, record: &'a Record<'_>) -> Cow<'a, [u8]> {
        let own = || {
            let place = self.subsequence.unwrap_or_default();
            Cow::Owned([record.sequence_number.as_bytes(), &place.to_be_bytes()].concat())
        };
        self.key(record).map_or_else(own, Cow::Borrowed)
    }

    /// Bytes of a record batch that holds this message alone.
    pub fn batch_bytes(&self, record: &Record<'_>, payload: &Payload) -> usize {
        self.envelope(record, payload).batch_bytes(self.value_bytes)
    }

    /// All of the message but its value.
    pub fn envelope<'a>(&'a self, record: &'a Record<'_>, payload: &Payload) -> Message<'a> {
        let log = self.taken.as_ref().and_then(|taken| Some((taken, taken.log?)));
        Message {
            key: self.key(record),
            value: &[],
            timestamp_millis: self.timestamp_millis,
            origin: Origin {
                stream: &record.stream,
                shard: &record.shard,
                sequence_number: &record.sequence_number,
                subsequence: self.subsequence.map(|it| u64::from(it).into()),
                log: log.map(|(taken, (group, stream))| (group.of(&taken.buffer), stream.of(&taken.buffer))),
            },
            canary: self.canary(record),
            identified: payload.headers,
            grounds: None,
        }
    }

    /// The whole message.
    ///
    /// # Errors
    /// The record's data isn't base64.
    pub fn message<'a>(
        &'a self,
        record: &'a Record<'_>,
        payload: &Payload,
        scratch: &'a mut Scratch,
    ) -> Result<Message<'a>, DataError> {
        let Scratch { data, value } = scratch;
        let data: &'a [u8] = if let Some(taken) = &self.taken {
            taken.data()
        } else {
            record.data_into(data)?;
            data
        };
        let value: &'a [u8] = match payload.value {
            ValueForm::Bytes => data,
            ValueForm::Json => {
                value.clear();
                self.described(record, data).write(&mut *value);
                value
            }
        };
        Ok(Message {
            value,
            ..self.envelope(record, payload)
        })
    }

    /// The message for the dead-letter topic, as far as the parcel makes it: the data as it came, never wrapped, and as far as it was not split
    /// off not decompressed either; base64 where it is nothing else. It has the record's arrival as its timestamp, since another may be what was
    /// refused, and always the headers that say where it comes from.
    pub fn letter<'a>(&'a self, record: &'a Record<'_>, payload: &Payload, scratch: &'a mut Scratch) -> Message<'a> {
        let data = &mut scratch.data;
        let value: &'a [u8] = match &self.taken {
            Some(taken) => taken.raw.map_or(taken.data(), |raw| raw.of(&taken.source)),
            None if record.data_into(data).is_ok() => data,
            None => record.encoded(),
        };
        Message {
            value,
            timestamp_millis: record.arrival_millis,
            identified: true,
            ..self.envelope(record, payload)
        }
    }

    /// Bytes of its data as a JSON envelope; `whole` is the data where nothing was taken out of the record.
    pub(crate) fn described_bytes(&self, record: &Record<'_>, whole: &[u8]) -> usize {
        let mut counter = Counter(0);
        let data = self.taken.as_ref().map_or(whole, Taken::data);
        self.described(record, data).write(&mut counter);
        counter.0
    }

    fn described<'a>(&'a self, record: &'a Record<'_>, data: &'a [u8]) -> Described<'a> {
        let taken = self.taken.as_ref();
        let in_source = |span: fn(&Taken) -> Option<Span>| taken.and_then(|taken| text(&taken.source, span(taken)));
        let in_buffer = |span: fn(&Taken) -> Option<Span>| taken.and_then(|taken| text(&taken.buffer, span(taken)));
        let mut described = Described {
            stream: &record.stream,
            shard: &record.shard,
            sequence_number: &record.sequence_number,
            sub_sequence_number: self.subsequence,
            partition_key: in_source(|taken| taken.partition_key).unwrap_or(&record.partition_key),
            explicit_hash_key: in_source(|taken| taken.explicit_hash_key),
            approximate_arrival_timestamp: record.arrival_millis,
            log_group: in_buffer(|taken| Some(taken.log?.0)),
            log_stream: in_buffer(|taken| Some(taken.log?.1)),
            json: None,
            text: None,
            base64: None,
        };
        match (serde_json::from_slice(data), str::from_utf8(data)) {
            (Ok(json), _) => described.json = Some(json),
            (Err(_), Ok(text)) => described.text = Some(text),
            (Err(_), Err(_)) => described.base64 = Some(crate::event::encode(data)),
        }
        described
    }
}

/// What stands there, if it is text.
fn text(buffer: &[u8], span: Option<Span>) -> Option<&str> {
    span.and_then(|span| str::from_utf8(span.of(buffer)).ok())
}

/// A message's value with the metadata: the data is in one of the last three, the first that can hold it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    stream: &'a str,
    shard: &'a str,
    sequence_number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_sequence_number: Option<u32>,
    partition_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<&'a str>,
    /// Milliseconds since the Unix epoch.
    approximate_arrival_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_stream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl Described<'_> {
    fn write(&self, to: impl std::io::Write) {
        // Texts, numbers and JSON that was read before: it can't fail, and neither can a buffer.
        let _ = serde_json::to_writer(to, self);
    }
}

/// Counts what is written.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

//! What is in a record: taken apart as the pipeline says, with key, topic and timestamp of each message. Pure.
//!
//! A record that nothing has to be known of is left as it is, without being decoded: what may be an aggregate or gzip is seen in its base64. Messages are
//! made one after the other, since a few kilobytes can become millions of them.

mod cloudwatch;
mod gzip;
mod kpl;
mod mapping;
mod parts;

use self::mapping::choose;
use self::parts::{Part, Parts};
use crate::canary;
use crate::event::Record;
use crate::parcel::{KeyPart, Parcel, Taken};
use crate::payload::{Decode, Key, Payload, Split, Timestamp, ValueForm};

/// Bytes that one record may have once it is decompressed. Three times Kinesis' largest record, and a small part of what a function has.
const UNPACKED_LIMIT: usize = 32 << 20;

/// Messages that one record may become: more than an aggregate within Lambda's 6 MB can hold. They are sent while one invocation lasts, or never.
const MESSAGES_LIMIT: usize = 1_000_000;

/// Bytes that all messages of one record may have together, keys and headers included: an aggregate can give one long key to each of its records.
const MESSAGES_BYTES_LIMIT: usize = 256 << 20;

/// Bytes that one message's value may have: what decompressed data may, and then some for what it is wrapped into. librdkafka holds a copy beside it.
pub(crate) const VALUE_LIMIT: usize = 40 << 20;

/// How records are unfolded.
#[derive(Debug, Clone)]
pub struct Unfolding {
    payload: Payload,
    /// The topics, the pipeline's own first.
    topics: Vec<String>,
    /// Whether a record with a part that can never be sent is sent in no part.
    all_or_nothing: bool,
}

impl Unfolding {
    /// For a pipeline into `topic`.
    pub fn new(payload: &Payload, topic: &str) -> Self {
        Self {
            topics: payload.topics(topic).into_iter().map(str::to_owned).collect(),
            payload: payload.clone(),
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

    /// Opens `record`, which stands at `place` of its batch. `known`: why it can't be sent, where that is known from before.
    pub fn open<'a>(&'a self, place: usize, record: &'a Record<'a>, known: Option<Box<str>>) -> Opened<'a> {
        let opened = |inside, work| Opened {
            unfolding: self,
            place,
            record,
            messages: 1,
            controls: 0,
            work,
            inside,
        };
        let whole = |flaw, work| {
            let key = match self.payload.key {
                Key::None => KeyPart::None,
                Key::PartitionKey | Key::ExplicitHashKey | Key::Pointer(_) => KeyPart::Partition,
            };
            let whole = Parcel::whole(place, record, key);
            opened(Inside::Made(Some(Parcel { flaw, ..whole })), work)
        };
        if known.is_some() {
            return whole(known, 0);
        }
        if let Some(id) = canary::id(record) {
            // Whatever data is taken for: it is none of what the pipeline is for.
            let mut opened = whole(None, 0);
            if let (ValueForm::Json, Inside::Made(Some(parcel))) = (self.payload.value, &mut opened.inside) {
                parcel.value_bytes = parcel.described_bytes(record, canary::data(id).as_bytes());
            }
            return opened;
        }
        let mut data = Vec::new();
        // What isn't base64 is told by whoever sends it.
        if !self.concerns(record) || record.data_into(&mut data).is_err() {
            return whole(None, 0);
        }
        let parts = Parts::new(data, self.payload.decode);
        let mut looked_through = opened(Inside::Parts(parts.clone()), 0);
        if !parts.may_be_several() {
            let only = looked_through.next();
            return opened(Inside::Made(only), looked_through.work);
        }
        let Looked { messages, flaw } = looked_through.look();
        if flaw.is_some() {
            return whole(flaw, looked_through.work);
        }
        Opened {
            messages,
            controls: looked_through.controls,
            ..opened(Inside::Parts(parts), looked_through.work)
        }
    }
}

/// What looking through a record told.
struct Looked {
    /// How many messages are in it.
    messages: usize,
    /// Why it can be sent in no part.
    flaw: Option<Box<str>>,
}

/// A record whose messages are made one after the other.
pub struct Opened<'a> {
    unfolding: &'a Unfolding,
    place: usize,
    record: &'a Record<'a>,
    /// How many messages are in it; none where there is nothing to send.
    pub messages: usize,
    /// How many control messages, which aren't sent.
    pub controls: usize,
    /// Bytes that were gone through to know that.
    pub(crate) work: usize,
    inside: Inside,
}

enum Inside {
    /// The only message.
    Made(Option<Parcel>),
    Parts(Parts),
}

impl Iterator for Opened<'_> {
    type Item = Parcel;

    fn next(&mut self) -> Option<Parcel> {
        match &mut self.inside {
            Inside::Made(parcel) => parcel.take(),
            Inside::Parts(parts) => {
                let part = parts.next();
                (self.controls, self.work) = (parts.controls(), parts.work());
                Some(self.parcel(part?))
            }
        }
    }
}

impl Opened<'_> {
    /// Looks through all that is in it.
    fn look(&mut self) -> Looked {
        let payload = &self.unfolding.payload;
        let (mut messages, mut bytes, mut first_flaw) = (0, 0_usize, None);
        while let Some(parcel) = self.next() {
            bytes = bytes.saturating_add(parcel.batch_bytes(self.record, payload));
            let excess = if messages == MESSAGES_LIMIT {
                Some(format!("it holds more than {MESSAGES_LIMIT} messages"))
            } else if bytes > MESSAGES_BYTES_LIMIT {
                Some(format!(
                    "its messages have more than {MESSAGES_BYTES_LIMIT} bytes together"
                ))
            } else {
                None
            };
            if let Some(excess) = excess {
                let reason = format!("{excess}, the most that one record's may");
                return Looked {
                    messages,
                    flaw: Some(self.flaw(&reason)),
                };
            }
            if let (None, Some(flaw)) = (&first_flaw, parcel.flaw) {
                first_flaw = Some((messages, flaw));
            }
            messages += 1;
        }
        let flaw = first_flaw.filter(|_| self.unfolding.all_or_nothing);
        let flaw = flaw.map(|(at, flaw)| match messages {
            1 => flaw,
            _ => format!("{flaw} (the message at {at} of those in it)").into(),
        });
        Looked { messages, flaw }
    }

    /// Why the record, or something in it, can never be sent.
    fn flaw(&self, reason: &str) -> Box<str> {
        format!("record {} can't be sent: {reason}", self.record.sequence_number).into()
    }

    fn parcel(&self, part: Part) -> Parcel {
        let Unfolding { payload, topics, .. } = self.unfolding;
        let choice = choose(payload, topics, &part, self.record.arrival_millis);
        let data_bytes = part.data.bytes();
        let mut parcel = Parcel {
            record: self.place,
            subsequence: part.subsequence,
            topic: choice.topic,
            timestamp_millis: choice.timestamp_millis,
            value_bytes: data_bytes,
            flaw: part.flaw.or(choice.flaw).map(|reason| self.flaw(&reason)),
            key: choice.key,
            taken: Some(Taken {
                source: part.source,
                buffer: part.buffer,
                data: part.data,
                raw: part.raw,
                partition_key: part.partition_key,
                explicit_hash_key: part.explicit_hash_key,
                log: part.log,
            }),
        };
        if payload.value == ValueForm::Json {
            parcel.value_bytes = parcel.described_bytes(self.record, &[]);
        }
        if parcel.value_bytes > VALUE_LIMIT && parcel.flaw.is_none() {
            let reason = format!(
                "its value would have {} bytes, and {VALUE_LIMIT} is the most",
                parcel.value_bytes
            );
            parcel.flaw = Some(self.flaw(&reason));
        }
        parcel
    }
}

#[cfg(test)]
mod tests;

//! What is sent at once: messages of a segment, where each goes, and why it may not.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::time::Instant;

use crate::event::Record;
use crate::failure::Failure;
use crate::kafka::live::Live;
use crate::message::{Grounds, Message};
use crate::parcel::{Parcel, Scratch};
use crate::unfold::Unfolding;

/// As much of a batch as is in memory as messages at once.
pub(super) struct Segment<'a> {
    pub(super) records: &'a [Record<'a>],
    pub(super) parcels: Vec<Parcel>,
    pub(super) unfolding: &'a Unfolding,
}

impl<'a> Segment<'a> {
    /// The record that the message at `place` is of.
    pub(super) fn record(&self, place: usize) -> &'a Record<'a> {
        &self.records[self.parcels[place].record]
    }

    /// The topic that it is meant for.
    pub(super) fn topic(&self, place: usize) -> &'a str {
        &self.unfolding.topics()[self.parcels[place].topic]
    }

    /// Bytes of a record batch that holds it alone.
    pub(super) fn bytes(&self, place: usize) -> usize {
        self.parcels[place].batch_bytes(self.record(place), self.unfolding.payload())
    }

    /// The topic's place among the pipeline's, and what the partition follows from.
    pub(super) fn follows_from(&self, place: usize) -> (usize, Cow<'_, [u8]>) {
        let parcel = &self.parcels[place];
        (parcel.topic, parcel.follows_from(self.record(place)))
    }
}

/// What is sent at once, and where to.
pub(super) struct Round<'a> {
    pub(super) segment: &'a Segment<'a>,
    pub(super) places: &'a [usize],
    /// Set where it goes to the dead-letter topic.
    pub(super) letter: Option<Letter<'a>>,
}

/// Where a poison goes, and why.
#[derive(Clone, Copy)]
pub(super) struct Letter<'a> {
    pub(super) topic: &'a str,
    pub(super) grounds: Grounds<'a>,
}

impl<'a> Round<'a> {
    /// A round of messages to the topics that they are meant for.
    pub(super) fn of(segment: &'a Segment<'a>, places: &'a [usize]) -> Self {
        Self {
            segment,
            places,
            letter: None,
        }
    }

    /// The topic that failures of the client as a whole are told of.
    pub(super) fn own_topic(&self) -> &'a str {
        self.letter
            .map_or(&self.segment.unfolding.topics()[0], |letter| letter.topic)
    }

    /// The message at `place`; or why there can be none.
    pub(super) fn message<'m>(&'m self, place: usize, scratch: &'m mut Scratch) -> Result<Message<'m>, String> {
        let (parcel, record) = (&self.segment.parcels[place], self.segment.record(place));
        let payload = self.segment.unfolding.payload();
        match (self.letter, &parcel.flaw) {
            (Some(letter), _) => Ok(Message {
                grounds: Some(letter.grounds),
                ..parcel.letter(record, payload, scratch)
            }),
            (None, Some(flaw)) => Err(format!("record {} can't be sent: {flaw}", record.sequence_number)),
            (None, None) => parcel
                .message(record, payload, scratch)
                .map_err(|error| error.to_string()),
        }
    }

    /// Topic and partition of the message at `place`, where librdkafka doesn't choose the partition by the key.
    pub(super) fn target(&self, place: usize, message: &Message<'_>, live: &Live) -> (&'a str, Option<i32>) {
        if let Some(letter) = self.letter {
            return (letter.topic, None);
        }
        let partition = if message.key.is_some() {
            None
        } else {
            let (topic, follows_from) = self.segment.follows_from(place);
            live.partition(topic, &follows_from)
        };
        (self.segment.topic(place), partition)
    }

    /// Why the message at this place was refused.
    pub(super) fn refused(&self, place: usize, code: Code) -> Failure {
        let topic = self.letter.map_or(self.segment.topic(place), |letter| letter.topic);
        Failure::from_kafka(code, None, topic).of_one_record(code, self.segment.bytes(place), topic)
    }
}

/// Finds each topic that something at `places` goes to.
pub(super) async fn meet_all(
    live: &mut Live,
    segment: &Segment<'_>,
    places: &[usize],
    deadline: Instant,
) -> Result<(), Failure> {
    let topics: BTreeSet<usize> = places.iter().map(|place| segment.parcels[*place].topic).collect();
    for topic in topics {
        live.meet(topic, &segment.unfolding.topics()[topic], deadline).await?;
    }
    Ok(())
}

//! What is sent at once: messages of a segment, where each goes, and why it may not.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::time::Instant;

use crate::event::{DataError, Record};
use crate::failure::Failure;
use crate::kafka::live::Live;
use crate::message::{Grounds, Message};
use crate::parcel::{Parcel, Scratch};
use crate::rounds::Refusal;
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

    /// The id of the message at `place`, where it is a canary.
    pub(super) fn canary(&self, place: usize) -> Option<&'a str> {
        self.parcels[place].canary(self.record(place))
    }

    /// What can never be sent, as is known before it is tried.
    pub(super) fn flawed(&self) -> Vec<Refusal> {
        let flawed = self.parcels.iter().enumerate().filter_map(|(place, parcel)| {
            let failure = Failure::unreadable(parcel.flaw.as_deref()?.to_owned());
            Some(Refusal { place, failure })
        });
        flawed.collect()
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
    /// The dead-letter topic.
    pub(super) topic: &'a str,
    /// Its place among the topics that a producer knows.
    pub(super) index: usize,
    /// Why; `None`: for the flaw that is known of each.
    pub(super) reason: Option<&'a str>,
    /// In place of the record's arrival, which the dead-letter topic refused.
    pub(super) timestamp_millis: Option<i64>,
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
    pub(super) fn message<'m>(&'m self, place: usize, scratch: &'m mut Scratch) -> Result<Message<'m>, DataError> {
        let (parcel, record) = (&self.segment.parcels[place], self.segment.record(place));
        let payload = self.segment.unfolding.payload();
        let Some(letter) = self.letter else {
            return parcel.message(record, payload, scratch);
        };
        let own_time = (parcel.timestamp_millis != record.arrival_millis).then_some(parcel.timestamp_millis);
        let message = parcel.letter(record, payload, scratch);
        Ok(Message {
            grounds: Some(Grounds {
                topic: self.segment.topic(place),
                reason: letter.reason.or(parcel.flaw.as_deref()).unwrap_or_default(),
                timestamp_millis: own_time.and_then(|it| u64::try_from(it).ok()).map(Into::into),
            }),
            timestamp_millis: letter.timestamp_millis.unwrap_or(message.timestamp_millis),
            ..message
        })
    }

    /// Topic and partition of the message at `place`, where librdkafka doesn't choose the partition by the key.
    pub(super) fn target(&self, place: usize, message: &Message<'_>, live: &Live) -> (&'a str, Option<i32>) {
        let (own, follows_from) = self.segment.follows_from(place);
        let index = self.letter.map_or(own, |letter| letter.index);
        let topic = self.letter.map_or(self.segment.topic(place), |letter| letter.topic);
        let partition = match message.key {
            Some(_) => None,
            None => live.partition(index, &follows_from),
        };
        (topic, partition)
    }

    /// Why the message at this place was refused.
    pub(super) fn refused(&self, place: usize, code: Code) -> Failure {
        let topic = self.letter.map_or(self.segment.topic(place), |letter| letter.topic);
        let timestamp_millis = self.segment.parcels[place].timestamp_millis;
        Failure::from_kafka(code, None, topic).of_one_record(code, self.segment.bytes(place), timestamp_millis, topic)
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

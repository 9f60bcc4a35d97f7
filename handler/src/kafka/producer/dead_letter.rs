//! What can never be sent to its topic, sent to the dead-letter topic.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::time::Instant;

use super::KafkaProducer;
use crate::canary::Line;
use crate::config::OnPoison;
use crate::failure::Failure;
use crate::kafka::live::Broken;
use crate::kafka::round::{Letter, Round, Segment};
use crate::kafka::tracker::is_consequence;
use crate::ledger::Ledger;
use crate::note;
use crate::rounds::{Refusal, Rounds};

impl KafkaProducer {
    /// Sends all of a segment that is known to be poison to the dead-letter topic at once. What it doesn't take is left to [`KafkaProducer::divert`], one after
    /// the other, with the reason.
    pub(super) async fn divert_flawed(
        &mut self,
        segment: &Segment<'_>,
        rounds: &mut Rounds,
        ledger: &mut Ledger,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let config = Arc::clone(&self.config);
        let OnPoison::Divert(dead_letter_topic) = &config.on_poison else {
            return Ok(());
        };
        let flawed = segment.flawed();
        let mut left: Vec<usize> = flawed.iter().map(|refusal| refusal.place).collect();
        if left.len() < 2 {
            return Ok(());
        }
        let index = self.unfolding.topics().len();
        let mut live = self.ready(false, deadline).await?;
        // What keeps the topic from being found is told when the first letter is sent alone.
        let mut uncertain = false;
        let mut goes_on = live.meet(index, dead_letter_topic, deadline).await.is_ok();
        while goes_on && !left.is_empty() {
            let first_contacts = live.first_contacts(&left, |place| (index, segment.follows_from(place).1));
            let places = if first_contacts.is_empty() {
                left.clone()
            } else {
                first_contacts
            };
            let round = Round {
                segment,
                places: &places,
                letter: Some(Letter {
                    topic: dead_letter_topic,
                    index,
                    reason: None,
                    timestamp_millis: None,
                }),
            };
            let told = self.round(&live, &round, deadline).await;
            for (at, partition) in told.acknowledged() {
                live.acquaint(index, partition);
                rounds.settle(places[at]);
                ledger.dead_letter(segment.parcels[places[at]].record);
            }
            left.retain(|place| !rounds.is_settled(*place));
            goes_on = told.is_clean();
            uncertain = told.uncertain() > 0;
            // What is left is sent once more, one after the other.
            ledger.resent += told.uncertain();
        }
        if goes_on {
            self.live = Some(live);
        } else {
            self.give_up(live, uncertain);
        }
        let count = flawed.len() - left.len();
        if count > 0 {
            let first = &flawed[0].failure.reason;
            tracing::warn!(
                messages = count,
                reason = first,
                topic = dead_letter_topic,
                "messages went to the dead-letter topic"
            );
        }
        Ok(())
    }

    /// Decides what becomes of a poison: an error with `block`, and with `divert` where the dead-letter topic does not take it.
    pub(super) async fn divert(
        &mut self,
        segment: &Segment<'_>,
        poison: &Refusal,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let refused = match self.divert_at(segment, poison, None, deadline).await {
            Err((Some(Code::InvalidTimestamp), _)) => {
                // Not even the arrival is near enough to the brokers' clock: now is.
                let now = self.surroundings.now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let now = i64::try_from(now.as_millis()).ok();
                self.divert_at(segment, poison, now, deadline).await
            }
            told => told,
        };
        refused.map_err(|(_, failure)| failure)
    }

    /// Sends a poison to the dead-letter topic, with this timestamp in place of its arrival. The error has the dead-letter topic's own refusal, if that is
    /// what it was.
    async fn divert_at(
        &mut self,
        segment: &Segment<'_>,
        poison: &Refusal,
        timestamp_millis: Option<i64>,
        deadline: Instant,
    ) -> Result<(), (Option<Code>, Failure)> {
        let config = Arc::clone(&self.config);
        let OnPoison::Divert(dead_letter_topic) = &config.on_poison else {
            return Err((None, poison.failure.clone()));
        };
        let live = self.ready(false, deadline).await.map_err(|failure| (None, failure))?;
        let record = segment.record(poison.place);
        let round = Round {
            segment,
            places: &[poison.place],
            letter: Some(Letter {
                topic: dead_letter_topic,
                index: self.unfolding.topics().len(),
                reason: Some(&poison.failure.reason),
                timestamp_millis,
            }),
        };
        let told = self.round(&live, &round, deadline).await;
        if let [Some(Ok(stored))] = told.reports[..] {
            if let Some(id) = segment.canary(poison.place) {
                let offset = stored.certain_offset(told.put_back > 0, told.sent);
                let at = (dead_letter_topic.as_str(), stored.partition, offset);
                let stored = Line::stored(record, id, at, self.surroundings.now());
                note::canary(&stored.dead_lettered(&poison.failure.reason));
            }
            tracing::warn!(
                reason = poison.failure.reason,
                sequenceNumber = %record.sequence_number,
                shard = %record.shard,
                topic = dead_letter_topic,
                "a record went to the dead-letter topic"
            );
            self.live = Some(live);
            return Ok(());
        }
        let complaint = live.client_failure(dead_letter_topic);
        self.give_up(live, told.uncertain() > 0);
        let refusal = match told.reports.first() {
            Some(Some(Err(code))) if !is_consequence(*code) => Some(*code),
            _ => None,
        };
        let failure = match (refusal, &told.broken) {
            (Some(code), _) => round.refused(poison.place, code),
            (_, Some(Broken::Deadline)) => Failure::deadline(complaint.as_ref(), false),
            _ => told
                .client_failure()
                .or(told.unsendable)
                .or(complaint)
                .unwrap_or_else(|| Failure::from_kafka(Code::Fatal, None, dead_letter_topic)),
        };
        Err((refusal, failure.not_diverted(&poison.failure)))
    }
}

//! One invocation: payload in, records delivered through an injected port, answer out, in time.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::Flaw;
use crate::batch::{Answer, Delivery, Response, answer};
use crate::canary::Line;
use crate::event::{EventError, Record, decode};
use crate::failure::Failure;
use crate::note::{self, Summary};
use crate::probe::AskedWrongly;

/// Delivers a batch: all in order, acknowledged or told why not, before the deadline.
pub trait Deliver {
    /// Sends `records` and waits for the brokers; returns by `deadline` with what became of each. Nothing is in flight when it
    /// returns, and nothing behind a record that failed was sent.
    fn deliver(&mut self, records: &[Record<'_>], deadline: Instant) -> impl Future<Output = Delivery>;
}

/// A function error: Lambda retries the batch, halved where the mapping bisects.
#[derive(thiserror::Error)]
pub enum InvocationError {
    /// The payload isn't a batch of Kinesis records.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A poison record stands first in its batch.
    #[error("{}: it stands first in its batch, which is to be halved until it is alone", .0.reason)]
    Poison(Failure),
    /// The payload is meant for k2m itself and asks for what it can't do.
    #[error(transparent)]
    Asked(#[from] AskedWrongly),
}

/// The runtime logs errors so.
impl fmt::Debug for InvocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl InvocationError {
    /// The error's type as Lambda shows it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "K2m.NotAKinesisEvent",
            Self::Poison(_) => "K2m.PoisonRecord",
            Self::Asked(_) => "K2m.AskedWrongly",
        }
    }
}

/// What an invocation is given beside its payload.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// AWS's id of the invocation.
    pub request_id: &'a str,
    /// When the answer is due: the function's deadline less the margin.
    pub due: Instant,
}

/// Handles one invocation.
///
/// # Errors
/// The payload isn't a Kinesis event, or its first record is a poison in a batch of more than one.
pub async fn handle(
    payload: &[u8],
    call: Call<'_>,
    broker: &mut impl Deliver,
    flaw: Option<Flaw>,
) -> Result<Response, InvocationError> {
    let start = Instant::now();
    let records = decode(payload)?;
    let decoded = Instant::now();
    let delivery = if records.is_empty() {
        Delivery {
            outcomes: vec![],
            messages: 0,
            controls: 0,
            bytes: 0,
            resent: 0,
            failure: None,
        }
    } else {
        broker.deliver(&records, call.due).await
    };
    let summary = Summary {
        request_id: call.request_id,
        records: &records,
        delivery: &delivery,
        decoding: decoded - start,
        delivering: decoded.elapsed(),
    };
    summary.write();
    Line::failed(&records, &delivery).for_each(|line| note::canary(&line));
    match answer(&records, &delivery, flaw) {
        Answer::Response(response) => Ok(response),
        Answer::Halve(failure) => Err(InvocationError::Poison(failure)),
    }
}

/// When the answer is due, given the deadline in milliseconds since the Unix epoch and the wall clock; read once, since the
/// wall clock may jump and the monotonic one doesn't. `time_out`: the function's own; a clock by which none of it is left, or more than
/// all of it, has jumped before, and all of it is taken to be left.
pub fn due(deadline_millis: u64, margin: Option<Duration>, time_out: Option<Duration>) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = left(Duration::from_millis(deadline_millis), now, time_out);
    Instant::now() + left.saturating_sub(margin.unwrap_or_else(|| default_margin(left)))
}

/// The time left of an invocation; `deadline` and `now` since the Unix epoch.
fn left(deadline: Duration, now: Duration, time_out: Option<Duration>) -> Duration {
    let left = deadline.saturating_sub(now);
    match time_out {
        Some(time_out) if left.is_zero() || left > time_out => time_out,
        _ => left.min(LONGEST),
    }
}

/// The longest time-out that Lambda takes.
const LONGEST: Duration = Duration::from_mins(15);

/// A tenth of the time left, from 100 ms to 1 s.
fn default_margin(left: Duration) -> Duration {
    (left / 10).clamp(Duration::from_millis(100), Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Outcome;
    use crate::failure::Class;

    /// Acknowledges as scripted and remembers what it was asked.
    struct Scripted {
        outcomes: Vec<Outcome>,
        class: Class,
        seen: Vec<String>,
    }

    impl Deliver for Scripted {
        async fn deliver(&mut self, records: &[Record<'_>], _deadline: Instant) -> Delivery {
            self.seen
                .extend(records.iter().map(|record| record.sequence_number.clone().into_owned()));
            let failure = Failure {
                class: self.class,
                reason: "scripted".into(),
                librdkafka: String::new(),
            };
            Delivery {
                outcomes: self.outcomes.clone(),
                messages: 0,
                controls: 0,
                bytes: 0,
                resent: 0,
                failure: self.outcomes.contains(&Outcome::Failed).then_some(failure),
            }
        }
    }

    fn event(sequence_numbers: &[u32]) -> String {
        let records: Vec<String> = sequence_numbers
            .iter()
            .map(|number| {
                format!(
                    r#"{{"eventSource":"aws:kinesis","eventID":"shardId-000000000000:{number}","eventSourceARN":"arn:aws:kinesis:r:1:stream/s",
                    "kinesis":{{"partitionKey":"k","sequenceNumber":"{number}","data":"aGk=","approximateArrivalTimestamp":1.5}}}}"#
                )
            })
            .collect();
        format!(r#"{{"Records":[{}]}}"#, records.join(","))
    }

    async fn told(sequence_numbers: &[u32], outcomes: &[Outcome], class: Class) -> (String, Vec<String>) {
        let mut broker = Scripted {
            outcomes: outcomes.to_vec(),
            class,
            seen: vec![],
        };
        let call = Call {
            request_id: "r",
            due: Instant::now(),
        };
        let said = match handle(event(sequence_numbers).as_bytes(), call, &mut broker, None).await {
            Ok(response) => serde_json::to_string(&response).expect("JSON"),
            Err(error) => format!("{}: {error}", error.kind()),
        };
        (said, broker.seen)
    }

    #[tokio::test]
    async fn the_records_reach_the_port_in_order_and_success_is_an_empty_list() {
        let (said, seen) = told(&[1, 2, 3], &[Outcome::Acknowledged; 3], Class::Retryable).await;
        assert_eq!(said, r#"{"batchItemFailures":[]}"#);
        assert_eq!(seen, ["1", "2", "3"]);
    }

    #[tokio::test]
    async fn an_empty_batch_asks_nothing_of_the_brokers() {
        let (said, seen) = told(&[], &[], Class::Retryable).await;
        assert_eq!((said.as_str(), seen.len()), (r#"{"batchItemFailures":[]}"#, 0));
    }

    #[tokio::test]
    async fn a_leading_poison_is_a_function_error() {
        let (said, _) = told(&[1, 2], &[Outcome::Failed; 2], Class::Poison).await;
        assert_eq!(
            said,
            "K2m.PoisonRecord: scripted: it stands first in its batch, which is to be halved until it is alone"
        );
    }

    #[test]
    fn the_margin_is_a_tenth_within_bounds() {
        for (left, margin) in [(60_000, 1_000), (5_000, 500), (300, 100), (0, 100)] {
            assert_eq!(
                default_margin(Duration::from_millis(left)),
                Duration::from_millis(margin),
                "{left}"
            );
        }
    }

    #[test]
    fn a_deadline_in_the_past_is_due_at_once() {
        assert!(due(1, None, None) <= Instant::now());
    }

    #[test]
    fn what_is_left_is_no_more_than_the_time_out_and_a_clock_that_jumped_is_noticed() {
        let seconds = Duration::from_secs;
        let minute = Some(seconds(60));
        for (what, deadline, now, time_out, expected) in [
            ("as usual", 1_059, 1_000, minute, 59),
            ("the clock fell behind by an hour", 4_659, 1_000, minute, 60),
            ("the clock ran ahead by an hour", 1_059, 4_600, minute, 60),
            ("behind, and the time-out is not known", 4_659, 1_000, None, 900),
            ("ahead, and the time-out is not known", 1_059, 4_600, None, 0),
        ] {
            assert_eq!(
                left(seconds(deadline), seconds(now), time_out),
                seconds(expected),
                "{what}"
            );
        }
    }
}

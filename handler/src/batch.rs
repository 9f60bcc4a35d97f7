//! What became of a batch's records, and what Lambda is told of it. Pure.

use serde::Serialize;

use crate::Flaw;
use crate::event::Record;
use crate::failure::{Class, Failure};

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The topic has it: the brokers acknowledged it.
    Acknowledged,
    /// The topic can't take it, and the dead-letter topic has it.
    DeadLettered,
    /// Neither, as far as is known.
    Failed,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What became of each record, by its place in the batch.
    pub outcomes: Vec<Outcome>,
    /// Messages that were acknowledged; a record may be several, or none.
    pub messages: usize,
    /// Control messages of CloudWatch Logs, which are not sent.
    pub controls: usize,
    /// Bytes of data that were acknowledged.
    pub bytes: u64,
    /// Messages that were sent again within the invocation though the brokers may have stored them: each may be there twice.
    pub resent: usize,
    /// Why the first record that failed did; absent when none did.
    pub failure: Option<Failure>,
}

/// The answer that an event source mapping with `ReportBatchItemFailures` understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Empty: the whole batch succeeded. Else one item: the lowest sequence number that failed, from which Lambda goes on.
    pub batch_item_failures: Vec<ItemFailure>,
}

/// One record to go on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    /// The record's sequence number.
    pub item_identifier: String,
}

/// What the invocation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A response: all, or all before the item it names.
    Response(Response),
    /// A function error. A poison record that stands first among others can't be told by a partial response: Lambda would
    /// retry the same batch. An error makes it halve the batch, until the poison is alone and the destination names it.
    Halve(Failure),
}

impl Delivery {
    /// How many records came to this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|it| **it == outcome).count()
    }
}

/// The answer for `records`, of which `delivery` tells what became. Names the lowest sequence number that failed, which Lambda takes as its
/// checkpoint; `flaw`: only for tests of the tests.
pub fn answer(records: &[Record<'_>], delivery: &Delivery, flaw: Option<Flaw>) -> Answer {
    let failed = records
        .iter()
        .zip(&delivery.outcomes)
        .enumerate()
        .filter(|(_, (_, outcome))| **outcome == Outcome::Failed)
        .map(|(place, (record, _))| (magnitude(&record.sequence_number), place));
    let named = if flaw == Some(Flaw::HighestFailed) {
        failed.max()
    } else {
        failed.min()
    };
    let Some((_, place)) = named else {
        return Answer::Response(Response {
            batch_item_failures: vec![],
        });
    };
    if let Some(failure) = &delivery.failure
        && failure.class == Class::Poison
        && place == 0
        && records.len() > 1
        && flaw != Some(Flaw::NoBisect)
    {
        return Answer::Halve(failure.clone());
    }
    let item = ItemFailure {
        item_identifier: records[place].sequence_number.clone().into_owned(),
    };
    Answer::Response(Response {
        batch_item_failures: vec![item],
    })
}

/// Orders decimal numbers of any length by value.
fn magnitude(number: &str) -> (usize, &str) {
    let digits = number.trim_start_matches('0');
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(sequence_numbers: &[&str]) -> Vec<Record<'static>> {
        let items: Vec<String> = sequence_numbers
            .iter()
            .map(|number| {
                format!(
                    r#"{{"eventSource":"aws:kinesis","eventID":"s:{number}","eventSourceARN":"arn:stream/s","kinesis":{{"partitionKey":"k",
                    "sequenceNumber":"{number}","data":"","approximateArrivalTimestamp":1}}}}"#
                )
            })
            .collect();
        let event = format!(r#"{{"Records":[{}]}}"#, items.join(",")).leak();
        crate::event::decode(event.as_bytes()).expect("an event")
    }

    fn delivery(outcomes: &[Outcome], class: Class) -> Delivery {
        let failure = Failure {
            class,
            reason: "reason".into(),
            librdkafka: String::new(),
        };
        Delivery {
            outcomes: outcomes.to_vec(),
            messages: 0,
            controls: 0,
            bytes: 0,
            resent: 0,
            failure: outcomes.contains(&Outcome::Failed).then_some(failure),
        }
    }

    fn told(answer: &Answer) -> String {
        match answer {
            Answer::Response(response) => serde_json::to_string(response).expect("JSON"),
            Answer::Halve(failure) => format!("error: {}", failure.reason),
        }
    }

    type Row<'a> = (&'a str, &'a [&'a str], &'a [Outcome], Class, &'a str);

    #[test]
    fn one_row_per_rule() {
        let (ok, no, letter) = (Outcome::Acknowledged, Outcome::Failed, Outcome::DeadLettered);
        let rows: [Row<'_>; 10] = [
            (
                "all acknowledged",
                &["1", "2"],
                &[ok, ok],
                Class::Retryable,
                r#"{"batchItemFailures":[]}"#,
            ),
            (
                "an empty batch",
                &[],
                &[],
                Class::Retryable,
                r#"{"batchItemFailures":[]}"#,
            ),
            (
                "the first failure is named",
                &["1", "2", "3"],
                &[ok, no, no],
                Class::Retryable,
                r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#,
            ),
            (
                "a later success changes nothing",
                &["1", "2", "3"],
                &[no, ok, no],
                Class::Retryable,
                r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#,
            ),
            (
                "numbers, not text: 9 is below 10",
                &["9", "10"],
                &[no, no],
                Class::Retryable,
                r#"{"batchItemFailures":[{"itemIdentifier":"9"}]}"#,
            ),
            (
                "a poison behind others is named",
                &["1", "2"],
                &[ok, no],
                Class::Poison,
                r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#,
            ),
            (
                "a poison first among others halves",
                &["1", "2"],
                &[no, no],
                Class::Poison,
                "error: reason",
            ),
            (
                "a record in the dead-letter topic is done with",
                &["1", "2"],
                &[letter, ok],
                Class::Poison,
                r#"{"batchItemFailures":[]}"#,
            ),
            (
                "what failed behind it is named",
                &["1", "2"],
                &[letter, no],
                Class::Retryable,
                r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#,
            ),
            (
                "a poison alone is named",
                &["1"],
                &[no],
                Class::Poison,
                r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#,
            ),
        ];
        for (rule, numbers, outcomes, class, expected) in rows {
            let answer = answer(&records(numbers), &delivery(outcomes, class), None);
            assert_eq!(told(&answer), expected, "{rule}");
        }
    }

    #[test]
    fn the_flawed_answers_are_told_apart() {
        let (ok, no) = (Outcome::Acknowledged, Outcome::Failed);
        let named = |outcomes: &[Outcome], class, flaw| {
            let answer = answer(&records(&["1", "2", "3"]), &delivery(outcomes, class), Some(flaw));
            told(&answer)
        };
        assert_eq!(
            named(&[ok, no, no], Class::Retryable, Flaw::HighestFailed),
            r#"{"batchItemFailures":[{"itemIdentifier":"3"}]}"#
        );
        assert_eq!(
            named(&[no, no, no], Class::Poison, Flaw::NoBisect),
            r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#
        );
    }
}

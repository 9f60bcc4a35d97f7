//! What became of a batch's records, and what Lambda is told of it. Pure.

use serde::Serialize;

use crate::event::Record;
use crate::failure::{Class, Failure};

/// What became of each record of a batch, by its place in the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `true` where the brokers acknowledged the record.
    pub acknowledged: Vec<bool>,
    /// Bytes of data that were acknowledged.
    pub bytes: u64,
    /// Why the first record that was not acknowledged wasn't; absent when all were.
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
    /// How many records were acknowledged.
    pub fn acknowledged_count(&self) -> usize {
        self.acknowledged.iter().filter(|it| **it).count()
    }
}

/// Which of the records that failed is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The lowest sequence number: what Lambda takes as its checkpoint.
    Lowest,
    /// The highest: loses what failed before it. Only for tests of the tests, see [`crate::Flaw`].
    Highest,
}

/// The answer for `records`, of which `delivery` tells what became.
pub fn answer(records: &[Record<'_>], delivery: &Delivery, naming: Naming) -> Answer {
    let failed = records
        .iter()
        .zip(&delivery.acknowledged)
        .enumerate()
        .filter(|(_, (_, acknowledged))| !**acknowledged)
        .map(|(place, (record, _))| (magnitude(&record.sequence_number), place));
    let named = match naming {
        Naming::Lowest => failed.min(),
        Naming::Highest => failed.max(),
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
        crate::event::decode(event).expect("an event")
    }

    fn delivery(acknowledged: &[bool], class: Class) -> Delivery {
        let failure = Failure {
            class,
            reason: "reason".into(),
            librdkafka: String::new(),
        };
        Delivery {
            acknowledged: acknowledged.to_vec(),
            bytes: 0,
            failure: acknowledged.contains(&false).then_some(failure),
        }
    }

    fn told(answer: &Answer) -> String {
        match answer {
            Answer::Response(response) => serde_json::to_string(response).expect("JSON"),
            Answer::Halve(failure) => format!("error: {}", failure.reason),
        }
    }

    type Row<'a> = (&'a str, &'a [&'a str], &'a [bool], Class, &'a str);

    #[test]
    fn one_row_per_rule() {
        let ok = true;
        let no = false;
        let rows: [Row<'_>; 8] = [
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
                "a poison alone is named",
                &["1"],
                &[no],
                Class::Poison,
                r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#,
            ),
        ];
        for (rule, numbers, acknowledged, class, expected) in rows {
            let answer = answer(&records(numbers), &delivery(acknowledged, class), Naming::Lowest);
            assert_eq!(told(&answer), expected, "{rule}");
        }
    }

    #[test]
    fn the_flawed_naming_is_told_apart() {
        let answer = answer(
            &records(&["1", "2", "3"]),
            &delivery(&[true, false, false], Class::Retryable),
            Naming::Highest,
        );
        assert_eq!(told(&answer), r#"{"batchItemFailures":[{"itemIdentifier":"3"}]}"#);
    }
}

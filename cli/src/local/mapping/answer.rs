//! Reads a function's answer as the event source mapping does.

use std::collections::HashSet;

use serde::Deserialize;

use super::Outcome;
use crate::local::event::Record;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "batchItemFailures")]
    failures: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "itemIdentifier")]
    identifier: Option<String>,
}

/// What the answer says about the records that were sent. No failures, `null` or an empty answer accept the batch;
/// identifiers of these records accept what lies before the lowest; anything else fails the batch as a whole, without
/// being a function error.
pub fn read(body: &[u8], records: &[Record], partial_failures: bool) -> Outcome {
    if !partial_failures || body.trim_ascii().is_empty() {
        return Outcome::Accepted;
    }
    let failures = match serde_json::from_slice::<Option<Answer>>(body) {
        Ok(answer) => answer.and_then(|answer| answer.failures).unwrap_or_default(),
        Err(_) => return Outcome::Partial(0),
    };
    if failures.is_empty() {
        return Outcome::Accepted;
    }
    let Some(named) = failures
        .iter()
        .map(|failure| failure.identifier.as_deref())
        .collect::<Option<HashSet<_>>>()
    else {
        return Outcome::Partial(0);
    };
    let mut found = records
        .iter()
        .enumerate()
        .filter(|(_, record)| named.contains(record.sequence_number()));
    // Records are in the order of their sequence numbers, so the first found is the lowest.
    match found.next() {
        Some((first, _)) if found.count() + 1 == named.len() => Outcome::Partial(first),
        _ => Outcome::Partial(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::mapping::tests::records;

    #[test]
    fn one_row_per_answer() {
        let records = records(100..104);
        for (body, outcome) in [
            ("", Outcome::Accepted),
            ("null", Outcome::Accepted),
            ("{}", Outcome::Accepted),
            (r#"{"batchItemFailures":null}"#, Outcome::Accepted),
            (r#"{"batchItemFailures":[]}"#, Outcome::Accepted),
            (r#"{"other":1}"#, Outcome::Accepted),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"102"}]}"#,
                Outcome::Partial(2),
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"103"},{"itemIdentifier":"101"}]}"#,
                Outcome::Partial(1),
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"101"},{"itemIdentifier":"101"}]}"#,
                Outcome::Partial(1),
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"100"}]}"#,
                Outcome::Partial(0),
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"999"}]}"#,
                Outcome::Partial(0),
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"102"},{"itemIdentifier":"999"}]}"#,
                Outcome::Partial(0),
            ),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, Outcome::Partial(0)),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
                Outcome::Partial(0),
            ),
            (r#"{"batchItemFailures":[{"id":"102"}]}"#, Outcome::Partial(0)),
            (r#"{"batchItemFailures":"102"}"#, Outcome::Partial(0)),
            ("nonsense", Outcome::Partial(0)),
        ] {
            assert_eq!(read(body.as_bytes(), &records, true), outcome, "{body}");
            assert_eq!(read(body.as_bytes(), &records, false), Outcome::Accepted, "{body}");
        }
    }
}

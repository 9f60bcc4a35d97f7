//! What a function's log says that is known to mean trouble. Its lines are looked at and let go: they may hold anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use jiff::Timestamp;

use super::MINUTES;
use crate::aws::answer::{Answer, Trouble, trouble};
use crate::aws::pace::Paced;
use crate::facts::Sighting;
use crate::facts::log::{SIGNATURES, seen_in};

/// The longest filter pattern that AWS takes.
const LONGEST: usize = 1024;
/// How many pages are looked at of what one pattern finds, and how many lines are on a page: the latest of them.
pub(in crate::aws) const PAGES: usize = 2;
const LINES: i32 = 1000;

/// Patterns of which each line with a signature matches one.
pub(in crate::aws) fn patterns<'a>(signatures: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut patterns: Vec<String> = Vec::new();
    for words in signatures {
        // Optional terms: a line needs one of them.
        let term = format!("?\"{}\"", words.replace('\\', "\\\\").replace('"', "\\\""));
        match patterns.last_mut() {
            Some(pattern) if pattern.len() + 1 + term.len() <= LONGEST => {
                pattern.push(' ');
                pattern.push_str(&term);
            }
            _ => patterns.push(term),
        }
    }
    patterns
}

/// Counts what the log group says that is known, in the order in which signatures are known, and whether there is more of it that nobody looked at. A group
/// that isn't there was never written to.
pub(in crate::aws) async fn sightings(
    client: &Client,
    group: &str,
    now: Timestamp,
    paced: &Paced,
) -> Answer<(Vec<Sighting>, bool)> {
    let patterns = patterns(SIGNATURES.iter().map(|signature| signature.words));
    let searches = patterns
        .iter()
        .map(|pattern| search(client, group, pattern, now, paced));
    let found = futures_util::future::join_all(searches).await;
    // One line may match several patterns.
    let mut events = BTreeSet::new();
    let mut counted: BTreeMap<&str, (u32, i64)> = BTreeMap::new();
    let mut unfinished = false;
    for found in found {
        let (lines, more) = found?;
        unfinished |= more;
        for Line { id, at, words } in lines {
            if events.insert(id) {
                let (count, last) = counted.entry(words).or_insert((0, at));
                *count = count.saturating_add(1);
                *last = at.max(*last);
            }
        }
    }
    let known = SIGNATURES.iter().filter_map(|signature| {
        let (count, last) = counted.get(signature.words)?;
        Some(Sighting {
            signature: signature.words.to_owned(),
            count: *count,
            last: Timestamp::from_millisecond(*last).ok()?.to_string(),
        })
    });
    Ok((known.collect(), unfinished))
}

/// What is kept of a line that says something known.
struct Line {
    id: String,
    /// Milliseconds since 1970.
    at: i64,
    words: &'static str,
}

/// The lines that match, and whether AWS has more: it looks through so much of a log at once, and answers with what it found by then, which may be nothing.
async fn search(
    client: &Client,
    group: &str,
    pattern: &str,
    now: Timestamp,
    paced: &Paced,
) -> Answer<(Vec<Line>, bool)> {
    let since = now - Duration::from_secs(u64::from(MINUTES) * 60);
    let mut lines = Vec::new();
    let mut next = None;
    for _ in 0..PAGES {
        let call = client
            .filter_log_events()
            .log_group_name(group)
            .filter_pattern(pattern)
            .start_time(since.as_millisecond())
            .end_time(now.as_millisecond())
            .start_from_head(false)
            .limit(LINES)
            .set_next_token(next);
        let answer = paced.one(call.send()).await;
        let answer = answer.map_err(|error| trouble(&error, "logs:FilterLogEvents", &["ResourceNotFoundException"]));
        let page = match answer {
            Err(Trouble::Absent) => return Ok((Vec::new(), false)),
            answer => answer?,
        };
        for (number, event) in page.events.unwrap_or_default().into_iter().enumerate() {
            let Some(signature) = event.message.as_deref().and_then(seen_in) else {
                continue;
            };
            let at = event.timestamp.unwrap_or_default();
            lines.push(Line {
                id: event.event_id.unwrap_or_else(|| format!("{at} {number}")),
                at,
                words: signature.words,
            });
        }
        next = page.next_token;
        if next.is_none() {
            break;
        }
    }
    Ok((lines, next.is_some()))
}

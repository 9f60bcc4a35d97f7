//! L: what the function's log says that is known to mean trouble.

use super::{Case, Outcome, given};
use crate::facts::log::{Signature, known_as};
use crate::facts::{Fact, Sighting};
use crate::shell::Command;

/// Seconds after which what a log says is no news, where batches are delivered since.
pub(super) const RECENT: u64 = 15 * 60;
/// Most sightings that another check tells.
const A_FEW: usize = 3;

/// Whether the log says nothing that means trouble.
pub(super) fn quiet(case: &Case<'_>) -> Outcome {
    given!(case.function());
    let all = match &case.seen.log {
        None => return Outcome::skip("nobody looked at the function's log"),
        Some(Fact::Absent) => return Outcome::skip("the function has no log group"),
        Some(Fact::Unreadable(why)) => return Outcome::unreadable(why),
        Some(Fact::Found { value }) => value,
    };
    if all.is_empty() && case.seen.log_unfinished {
        return unfinished(case);
    }
    if all.is_empty() {
        return Outcome::pass("nothing in the function's log of the last hours is known to mean trouble");
    }
    let (news, over): (Vec<&Sighting>, Vec<&Sighting>) = latest(all).into_iter().partition(|seen| is_news(case, seen));
    let Some(latest) = news.first() else {
        let said: Vec<String> = over.iter().map(|seen| quoted(case, seen)).collect();
        return Outcome::pass(format!(
            "nothing of late, and the last batch was delivered; before, {}",
            said.join(", ")
        ));
    };
    Outcome::Warn {
        fix: vec![
            "to see the lines themselves:".to_owned(),
            in_log(case, &format!("\"{}\"", latest.signature.replace('"', "\\\""))),
        ],
        evidence: news.iter().map(|seen| told(case, seen)).collect(),
    }
}

/// Nothing was found in the part of a long log that was searched, which is the latest.
fn unfinished(case: &Case<'_>) -> Outcome {
    let found = "nothing in the latest of the function's log is known to mean trouble";
    if case.delivers() {
        return Outcome::pass(format!(
            "{found}, and the last batch was delivered; all of it was too much to search"
        ));
    }
    Outcome::Unknown {
        why: format!(
            "{found}; all of it was too much to search: `{}` shows more",
            in_log(case, "?ERROR ?error")
        ),
        missing_action: None,
    }
}

/// The newest first: what is said now explains what is broken now.
fn latest(all: &[Sighting]) -> Vec<&Sighting> {
    let mut all: Vec<&Sighting> = all.iter().collect();
    all.sort_by(|one, other| other.last.cmp(&one.last));
    all
}

/// Whether it may still be so.
fn is_news(case: &Case<'_>, seen: &Sighting) -> bool {
    !case.delivers() || case.seconds_since(&seen.last).is_none_or(|seconds| seconds <= RECENT)
}

/// What the log says, how often, and when last.
fn quoted(case: &Case<'_>, seen: &Sighting) -> String {
    format!("`{}` {}", seen.signature, often(case, seen))
}

fn often(case: &Case<'_>, seen: &Sighting) -> String {
    match seen.count {
        1 => format!("once, {}", case.ago(&seen.last)),
        count => format!("{count} times, last {}", case.ago(&seen.last)),
    }
}

/// The same with what it means, and the checks that look closer.
fn told(case: &Case<'_>, seen: &Sighting) -> String {
    let said = format!("the log says {}", quoted(case, seen));
    match known_as(&seen.signature) {
        Some(Signature { means, leads_to, .. }) => format!("{said}: {means}; see {}", leads_to.join(", ")),
        None => format!("{said}, which this k2m does not know"),
    }
}

/// What the log says of a failure that is told elsewhere: the newest, a line each.
pub(super) fn says(case: &Case<'_>) -> Vec<String> {
    let Some(Fact::Found { value }) = &case.seen.log else {
        return Vec::new();
    };
    let news = latest(value).into_iter().filter(|seen| is_news(case, seen));
    news.take(A_FEW).map(|seen| told(case, seen)).collect()
}

/// How often, and when last, the log said these words, where that may still be so.
pub(super) fn recent(case: &Case<'_>, words: &str) -> Option<String> {
    let Some(Fact::Found { value }) = &case.seen.log else {
        return None;
    };
    let seen = value.iter().find(|seen| seen.signature == words)?;
    is_news(case, seen).then(|| often(case, seen))
}

/// The command that shows lines of the function's log.
pub(super) fn in_log(case: &Case<'_>, pattern: &str) -> String {
    let function = case.seen.function.found();
    let own = function.and_then(|function| function.log_group.clone());
    // Lambda's own name for it, where nobody gave another.
    let usual = || {
        let foreign = case.foreign()?;
        Some(format!("/aws/lambda/{}", foreign.name()))
    };
    let group = own.or_else(|| case.resource("LogGroup").cloned()).or_else(usual);
    let Some(group) = group else {
        return "CloudWatch Logs, the log group of the function".to_owned();
    };
    let tail = Command::new("aws logs tail").word(&group).option("--since", "1h");
    // What the handler says has these words; another's may say anything.
    let tail = match case.foreign() {
        Some(_) => tail,
        None => tail.option("--filter-pattern", pattern),
    };
    tail.option("--region", &case.settings.home.region).to_string()
}

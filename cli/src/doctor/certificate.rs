//! A: how long the brokers' certificates are valid, as the function saw them.

use jiff::Timestamp;

use super::{Case, Outcome, given};
use crate::facts::{Fact, Probe};

/// So long before its end a certificate is worth a look.
const SOON_DAYS: i64 = 30;
const SECONDS_A_DAY: i64 = 86_400;

/// Whether they are valid for long enough.
pub(super) fn valid(case: &Case<'_>) -> Outcome {
    given!(case.function());
    if case.authentication() == "plaintext" {
        return Outcome::skip("plaintext has no certificates");
    }
    let report = match &case.seen.probe {
        Some(Fact::Found {
            value: Probe::Answered(report),
        }) => report,
        Some(Fact::Unreadable(why)) if why.missing_action.is_some() => {
            return Outcome::skip("the function alone sees them, and may not be asked, see K2M-P01");
        }
        _ => return Outcome::skip("the function alone sees them, and did not answer, see K2M-P01"),
    };
    let Ok(now) = case.facts.taken_at.parse::<Timestamp>() else {
        return Outcome::Unknown {
            why: format!("the facts were taken at {}, which is no time", case.facts.taken_at),
            missing_action: None,
        };
    };
    let mut seen: Vec<(Timestamp, &str, &str)> = report
        .brokers
        .iter()
        .filter_map(|broker| {
            let certificate = broker.tls.as_ref()?.certificate.as_ref()?;
            let expires = certificate.expires.parse().ok()?;
            Some((expires, broker.address.as_str(), certificate.subject.as_str()))
        })
        .collect();
    seen.sort_unstable();
    let Some((first, ..)) = seen.first().copied() else {
        return Outcome::skip("the function saw no certificate, see K2M-P01");
    };
    let left = |expires: Timestamp| expires.as_second() - now.as_second();
    let told = |(expires, address, subject): &(Timestamp, &str, &str)| {
        let seconds = left(*expires);
        if seconds <= 0 {
            format!("the certificate of {address} ({subject}) ended on {expires}")
        } else {
            let days = seconds / SECONDS_A_DAY;
            format!("the certificate of {address} ({subject}) ends on {expires}, in {days} days")
        }
    };
    let ending = seen
        .iter()
        .filter(|(expires, ..)| left(*expires) < SOON_DAYS * SECONDS_A_DAY);
    let evidence: Vec<String> = ending.map(told).collect();
    if evidence.is_empty() {
        return Outcome::pass(format!("the first of {} to end is valid until {first}", seen.len()));
    }
    let fix = if case.settings.cluster().is_some() {
        "MSK renews the certificates of its brokers by itself: where that does not happen in time, ask AWS's support"
            .to_owned()
    } else {
        "renew them where they were made, and give each broker its new one".to_owned()
    };
    if left(first) <= 0 {
        Outcome::Fail {
            evidence,
            fix: vec![fix],
        }
    } else {
        Outcome::Warn {
            evidence,
            fix: vec![fix],
        }
    }
}

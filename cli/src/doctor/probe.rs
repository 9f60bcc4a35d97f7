//! P: what the function itself says of its way to the brokers.

use k2m_handler::probe::report::{Failure, Report, Step};

use super::{Case, Outcome, given};
use crate::facts::{Fact, Probe};

/// The error by which a function that doesn't know the probe refuses it.
const OLDER: &str = "K2m.NotAKinesisEvent";

/// Whether it reaches the brokers.
pub(super) fn way(case: &Case<'_>) -> Outcome {
    let report = match given!(answer(case)) {
        Probe::Answered(report) => report,
        Probe::Failed { kind, message } => {
            return Outcome::fail(
                format!("the function fails before it can look: {kind}: {message}"),
                ["mend what it names, then deploy again:".to_owned(), case.deploy(&[])],
            );
        }
    };
    let of_the_way = |step| matches!(step, Step::Dns | Step::Tcp | Step::Tls | Step::ApiVersions);
    judge(report, of_the_way, || {
        let names: Vec<&str> = report.brokers.iter().map(|broker| broker.address.as_str()).collect();
        let tls = report.brokers.iter().find_map(|broker| broker.tls.as_ref());
        let over = tls.and_then(|tls| tls.protocol.as_deref()).unwrap_or("plaintext");
        format!("it reaches {} over {over}", names.join(", "))
    })
}

/// Whether the brokers know it.
pub(super) fn identity(case: &Case<'_>) -> Outcome {
    let report = given!(report(case));
    let of_identity = |step| matches!(step, Step::Secret | Step::Sasl | Step::Metadata);
    let failed = report.failures.iter().any(|failure| of_identity(failure.step));
    if report.cluster.is_none() && !failed {
        return Outcome::skip("no broker came so far as to ask, see K2M-P01");
    }
    judge(report, of_identity, || {
        let sasl = report.brokers.iter().find_map(|broker| broker.sasl.as_ref());
        match sasl {
            Some(sasl) => format!("it is known by {} ({})", report.authentication, sasl.mechanism),
            None => format!("it is let in by {}", report.authentication),
        }
    })
}

/// Whether it finds its topics, and may do there what it does.
pub(super) fn rights(case: &Case<'_>) -> Outcome {
    let report = given!(report(case));
    if report.cluster.is_none() {
        return Outcome::skip("the cluster could not be asked, see K2M-P01 and K2M-P02");
    }
    let of_the_topics = |step| {
        matches!(
            step,
            Step::CreateTopic | Step::Topic | Step::Write | Step::IdempotentWrite | Step::Canary
        )
    };
    judge(report, of_the_topics, || {
        let topics = report.topics.iter();
        let topics = topics.map(|topic| {
            let plural = if topic.partitions.len() == 1 { "" } else { "s" };
            format!("{} ({} partition{plural})", topic.name, topic.partitions.len())
        });
        format!(
            "it may describe and write, idempotently too: {}",
            topics.collect::<Vec<_>>().join(", ")
        )
    })
}

/// What the function answered, or why there is nothing to judge: nobody has to let doctor invoke.
fn answer<'a>(case: &Case<'a>) -> Result<&'a Probe, Outcome> {
    case.function()?;
    match &case.facts.probe {
        Some(Fact::Found {
            value: Probe::Failed { kind, .. },
        }) if kind == OLDER => Err(Outcome::skip(
            "the function is older than the probe and does not know it: k2m deploy gives it the new one",
        )),
        Some(Fact::Found { value }) => Ok(value),
        Some(Fact::Unreadable(why)) => Err(Outcome::skip(match &why.missing_action {
            Some(action) => format!("the function was not asked: {action} is not allowed"),
            None => format!("the function could not be asked: {}", why.message),
        })),
        Some(Fact::Absent) => Err(Outcome::skip("the function is gone")),
        None => Err(Outcome::skip(
            "the function was not asked: it is not ready, or --no-probe or --facts says not to",
        )),
    }
}

fn report<'a>(case: &Case<'a>) -> Result<&'a Report, Outcome> {
    match answer(case)? {
        Probe::Answered(report) => Ok(report),
        Probe::Failed { .. } => Err(Outcome::skip("the function fails before it can look, see K2M-P01")),
    }
}

/// What failed at some of the steps, with the step that mends each; else what was seen.
fn judge(report: &Report, step: impl Fn(Step) -> bool, seen: impl FnOnce() -> String) -> Outcome {
    let failures: Vec<&Failure> = report.failures.iter().filter(|failure| step(failure.step)).collect();
    if failures.is_empty() {
        return Outcome::pass(seen());
    }
    let mut evidence = Vec::new();
    let mut fix: Vec<String> = Vec::new();
    for failure in failures {
        evidence.push(format!("the function says: {}", failure.reason));
        if !failure.detail.is_empty() {
            evidence.push(failure.detail.clone());
        }
        if !fix.contains(&failure.next) {
            fix.push(failure.next.clone());
        }
    }
    Outcome::Fail { evidence, fix }
}

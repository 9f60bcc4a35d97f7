//! P: what the function itself says of its way to the brokers.

use k2m_handler::probe::report::{Failure, Report, Right, Step};

use super::topic::made_by_brokers;
use super::{Case, Outcome, given};
use crate::facts::{Fact, Probe, Unreadable};
use crate::shell::Command;

/// The error by which a function that doesn't know the probe refuses it.
pub(super) const OLDER: &str = "K2m.NotAKinesisEvent";
/// Lambda's words where it has no room for an invocation, and where that is the function's own share.
const THROTTLED: &str = "TooManyRequestsException";
const OWN_SHARE: &str = "ReservedFunctionConcurrent";
/// Lambda's word where an inactive function has to be made ready first.
const NOT_READY: &str = "ResourceNotReadyException";

/// The check that begins where the function does.
pub(super) const WAY: &str = "K2M-P01";
/// Which check speaks of a variable that the function can't use.
const TOLD: [(&str, &str); 4] = [
    ("K2M_BOOTSTRAP_SERVERS", "K2M-A02"),
    ("K2M_AUTHENTICATION", "K2M-A01"),
    ("K2M_TOPIC", "K2M-T02"),
    ("K2M_DEAD_LETTER_TOPIC", "K2M-T02"),
];
/// Checks that fail because of what keeps any function from running.
const RUNS: [&str; 4] = ["K2M-L02", "K2M-N05", "K2M-L08", "K2M-L07"];

/// All that K2M-P01 may follow from, where the function fails before it looks at the network: nothing there explains that. None where it looks, or may
/// have looked until its time was over.
pub(super) fn only_after(case: &Case<'_>) -> Option<Vec<&'static str>> {
    let Ok(Probe::Failed { kind, message }) = answer(case) else {
        return None;
    };
    if kind.ends_with("Timedout") || message.contains("Task timed out") {
        return None;
    }
    // Its words begin with the variable; others may stand before them, or for them.
    let mut words = message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let named = words.find(|word| word.starts_with("K2M_"));
    let may_say = TOLD
        .iter()
        .filter(|(variable, _)| named.is_none_or(|named| named == *variable));
    Some(may_say.map(|(_, code)| *code).chain(RUNS).collect())
}

/// Whether it reaches the brokers.
pub(super) fn way(case: &Case<'_>) -> Outcome {
    let report = match given!(answer(case)) {
        Probe::Answered(report) => report,
        Probe::Failed { kind, message } => {
            return Outcome::fail(
                fails_before(kind, message),
                ["mend what it names, then deploy again:".to_owned(), case.deploy(&[])],
            );
        }
    };
    // Without what it shows, TLS and all that follows fail for another reason than they seem to.
    if report.failures.iter().any(|failure| failure.step == Step::Secret) {
        return Outcome::skip("its secret can't be read, see K2M-P02: the way is judged once it can");
    }
    judge(report, of_the_way, || Outcome::pass(reached(report)))
}

/// That it fails, and with what.
pub(crate) fn fails_before(kind: &str, message: &str) -> String {
    format!("the function fails before it can look: {kind}: {message}")
}

/// What it reaches, and over what.
pub(crate) fn reached(report: &Report) -> String {
    let names: Vec<&str> = report.brokers.iter().map(|broker| broker.address.as_str()).collect();
    let tls = report.brokers.iter().find_map(|broker| broker.tls.as_ref());
    let over = tls.and_then(|tls| tls.protocol.as_deref()).unwrap_or("plaintext");
    format!("it reaches {} over {over}", names.join(", "))
}

/// Steps of the way.
const fn of_the_way(step: Step) -> bool {
    matches!(step, Step::Dns | Step::Tcp | Step::Tls | Step::ApiVersions)
}

/// Whether the function says that it gets through to every broker that it knows of.
pub(super) fn gets_through(case: &Case<'_>) -> bool {
    let Ok(Probe::Answered(report)) = answer(case) else {
        return false;
    };
    let fails = |failure: &Failure| of_the_way(failure.step) || failure.step == Step::Secret;
    !report.brokers.is_empty() && !report.failures.iter().any(fails)
}

/// Whether Lambda ended the function before it could answer.
pub(super) fn timed_out(case: &Case<'_>) -> bool {
    matches!(answer(case), Ok(Probe::Failed { kind, message }) if kind == "Sandbox.Timedout" || message.contains("Task timed out"))
}

/// Whether the function says that it does not get so far.
pub(super) fn stopped_short(case: &Case<'_>) -> bool {
    matches!(answer(case), Ok(Probe::Answered(_))) && !gets_through(case)
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
        Outcome::pass(match sasl {
            Some(sasl) => format!("it is known by {} ({})", report.authentication, sasl.mechanism),
            None => format!("it is let in by {}", report.authentication),
        })
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
    let coming = |failure: &Failure| {
        let name = failure.topic.as_deref().filter(|_| failure.step == Step::Topic);
        name.is_some_and(|name| missing(report, name) && made_by_brokers(case))
    };
    let mut failures = report.failures.iter().filter(|failure| of_the_topics(failure.step));
    if report.failures.iter().any(coming) && failures.all(coming) {
        return Outcome::skip("the first record creates the topic, see K2M-T01: its rights are judged then");
    }
    judge(report, of_the_topics, || allowed(report))
}

/// Whether the function says that there is no such topic.
fn missing(report: &Report, name: &str) -> bool {
    let mut topics = report.topics.iter().filter(|topic| topic.name == name);
    topics.any(|topic| topic.exists == Some(false))
}

/// What it may do, as far as the brokers said so.
fn allowed(report: &Report) -> Outcome {
    let idempotent = ("write idempotently".to_owned(), &report.rights.idempotent_write);
    let rights = report.topics.iter().flat_map(|topic| {
        let plural = if topic.partitions.len() == 1 { "" } else { "s" };
        let shown = format!("{} ({} partition{plural})", topic.name, topic.partitions.len());
        [
            (format!("describe {shown}"), &topic.rights.describe),
            (format!("write to {}", topic.name), &topic.rights.write),
        ]
    });
    let (mut may, mut unknown) = (Vec::new(), Vec::new());
    for (what, right) in rights.chain([idempotent]) {
        match right {
            Right::Allowed => may.push(what),
            Right::Denied { reason } => unknown.push(format!(
                "{what} (the brokers said {reason}, and it did not count as a failure)"
            )),
            Right::Unknown { reason } => unknown.push(format!("{what} ({reason})")),
        }
    }
    let may = if may.is_empty() {
        "nothing that is known".to_owned()
    } else {
        may.join(", ")
    };
    if unknown.is_empty() {
        return Outcome::pass(format!("it may {may}"));
    }
    Outcome::Unknown {
        why: format!(
            "it may {may}; the probe could not tell whether it may {}",
            unknown.join(", ")
        ),
        missing_action: None,
    }
}

/// What the function answered, or why there is nothing to judge. Nobody has to let doctor invoke, but who does is told where that fails.
fn answer<'a>(case: &Case<'a>) -> Result<&'a Probe, Outcome> {
    case.not_foreign(", so it is not invoked: what it would do then, nobody knows")?;
    case.function()?;
    match &case.seen.probe {
        Some(Fact::Found {
            value: Probe::Failed { kind, .. },
        }) if kind == OLDER => Err(Outcome::skip(
            "the function is older than the probe and does not know it: k2m deploy gives it the new one",
        )),
        Some(Fact::Found { value }) => Ok(value),
        Some(Fact::Unreadable(why)) => Err(unanswered(case, why)),
        Some(Fact::Absent) => Err(Outcome::Unknown {
            why: "the function was there when AWS was asked, and gone when it was to answer itself: ask again"
                .to_owned(),
            missing_action: None,
        }),
        None => Err(Outcome::skip(
            "the function was not asked: it is not ready, or --no-probe or --facts says not to",
        )),
    }
}

/// Why the function did not answer.
fn unanswered(case: &Case<'_>, why: &Unreadable) -> Outcome {
    let Unreadable {
        missing_action,
        message,
    } = why;
    if let Some(action) = missing_action {
        return Outcome::skip(format!("the function was not asked: {action} is not allowed"));
    }
    if message.contains(THROTTLED) {
        return throttled(case, message);
    }
    let why = if message.contains(NOT_READY) {
        "the function was inactive, and being asked makes it ready: ask again in a minute".to_owned()
    } else {
        format!("the function could not be asked: {message}; ask again, or leave the probe out with --no-probe")
    };
    Outcome::Unknown {
        why,
        missing_action: None,
    }
}

/// Lambda did not invoke it: that holds for the stream's batches, too.
fn throttled(case: &Case<'_>, message: &str) -> Outcome {
    let function = case.seen.function.found().map_or("", |function| function.arn.as_str());
    let command = |action: &str| {
        let command = Command::new(&format!("aws lambda {action}")).option("--function-name", function);
        command.option("--region", &case.settings.home.region).to_string()
    };
    let evidence = format!("Lambda does not invoke the function: {message}");
    if message.contains(OWN_SHARE) {
        return Outcome::fail(
            format!("{evidence}; its reserved concurrency is 0, or all of it is in use"),
            [
                "to see what is reserved for it:".to_owned(),
                command("get-function-concurrency"),
                "to let it have the account's:".to_owned(),
                command("delete-function-concurrency"),
            ],
        );
    }
    Outcome::fail(
        evidence,
        "all of the account's concurrent executions are in use: find the function that takes them, or have the quota of Lambda raised",
    )
}

fn report<'a>(case: &Case<'a>) -> Result<&'a Report, Outcome> {
    let elsewhere = |why: &str| Outcome::skip(format!("{why}, see K2M-P01"));
    match answer(case) {
        Ok(Probe::Answered(report)) => Ok(report),
        Ok(Probe::Failed { .. }) => Err(elsewhere("the function fails before it can look")),
        // Once is enough.
        Err(Outcome::Unknown { .. } | Outcome::Fail { .. }) => Err(elsewhere("the function did not answer")),
        Err(outcome) => Err(outcome),
    }
}

/// What failed at some of the steps, with the step that mends each; else what was seen.
fn judge(report: &Report, step: impl Fn(Step) -> bool, seen: impl FnOnce() -> Outcome) -> Outcome {
    let failures: Vec<&Failure> = report.failures.iter().filter(|failure| step(failure.step)).collect();
    if failures.is_empty() {
        return seen();
    }
    let (evidence, fix) = said_of(failures.into_iter());
    Outcome::Fail { evidence, fix }
}

/// Failures in the function's words, and the step that mends each.
pub(crate) fn said_of<'a>(failures: impl Iterator<Item = &'a Failure>) -> (Vec<String>, Vec<String>) {
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
    (evidence, fix)
}

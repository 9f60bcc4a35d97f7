//! L: whether the function has the time and the room for what comes.

use super::backlog::STANDSTILL;
use super::history::{Trend, lasting, lasting_ms, trend, window};
use super::log::{RECENT, in_log};
use super::{Case, Outcome, given};
use crate::facts::{Concurrency, Fact, Metrics, Probe, Unreadable};
use crate::shell::Command;

/// Of a hundred: what an invocation may take of its time before a slower broker ends it.
const MOST_OF_TIME: u64 = 80;
/// Of a hundred: invocations that fail now and then, as while a broker restarts.
const FEW: u64 = 1;
/// Of a hundred: invocations that fail so often that little gets through.
const MANY: u64 = 50;
/// Seconds since the log last said something that say that it still does.
const NOW: u64 = 2 * 60;

/// Whether invocations end before Lambda ends them.
pub(super) fn in_time(case: &Case<'_>) -> Outcome {
    let function = given!(case.function());
    let metrics = given!(case.metrics());
    let within = window(metrics);
    let Some(longest) = metrics.longest_ms else {
        return Outcome::skip(format!("the function was not invoked in {within}"));
    };
    let timeout = u64::from(function.timeout_seconds) * 1000;
    let took = format!("the longest invocation of {within} took {}", lasting_ms(longest));
    let longer = || {
        let seconds = (function.timeout_seconds.saturating_mul(2)).clamp(60, 900);
        let [deploy, lasting] = case.setting("timeout", &seconds.to_string());
        [
            "find what it waits for, which other checks and the function's log name; to give it more time:".to_owned(),
            deploy,
            lasting,
        ]
    };
    if longest >= timeout {
        let ended = format!(
            "{took}: Lambda ended it, since its time-out is {} s",
            function.timeout_seconds
        );
        return if case.delivers() {
            Outcome::warn(format!("{ended}; the last batch was delivered since"), longer())
        } else {
            Outcome::fail(ended, longer())
        };
    }
    if longest * 100 > timeout * MOST_OF_TIME {
        return Outcome::warn(
            format!(
                "{took}, of a time-out of {} s: a little more, and it ends before it has delivered",
                function.timeout_seconds
            ),
            longer(),
        );
    }
    let wait = case.seen.mapping.found().and_then(|mapping| mapping.batching_window);
    let slower = wait.is_some_and(|wait| longest > u64::from(wait) * 1000);
    // Where nothing gets through at all, it is not for want of speed.
    let behind = matches!(trend(&metrics.iterator_age_ms), Trend::Grows(rate) if rate < STANDSTILL);
    if slower && behind && late(metrics) {
        return Outcome::warn(
            format!(
                "{took}, longer than the next batch is waited for ({} s), and the backlog grows: each shard waits for its last batch",
                wait.unwrap_or(0)
            ),
            [
                "more batches of a shard at once, and more memory, with which comes processing power:".to_owned(),
                case.deploy(&[
                    ("--parallelization-factor", &more_at_once(case).to_string()),
                    (
                        "--memory",
                        &function.memory_mb.saturating_mul(2).min(10_240).to_string(),
                    ),
                ]),
            ],
        );
    }
    Outcome::pass(format!("{took}, of a time-out of {} s", function.timeout_seconds))
}

/// Whether the last batch was older than a burst explains.
fn late(metrics: &Metrics) -> bool {
    const LATE: u64 = 60 * 1000;
    metrics.iterator_age_ms.last().is_some_and(|last| last.value > LATE)
}

fn more_at_once(case: &Case<'_>) -> u32 {
    let mapping = case.seen.mapping.found();
    let factor = mapping.and_then(|mapping| mapping.parallelization_factor).unwrap_or(1);
    (factor * 2).min(10)
}

/// Whether Lambda may run as many at once as the stream asks for.
pub(super) fn room(case: &Case<'_>) -> Outcome {
    let function = given!(case.function());
    let command = |action: &str| Command::new(&format!("aws lambda {action}")).option("--function-name", &function.arn);
    let region = &case.settings.home.region;
    let free = || {
        [
            "to let it have the account's:".to_owned(),
            command("delete-function-concurrency")
                .option("--region", region)
                .to_string(),
        ]
    };
    let reserved = function.reserved_concurrency.as_ref();
    if let Some(Fact::Found { value: 0 }) = reserved {
        return Outcome::fail(
            "0 invocations at once are reserved for the function: Lambda never invokes it",
            free(),
        );
    }
    let metrics = match case.metrics() {
        Ok(metrics) => Some(metrics),
        Err(Outcome::Skip { .. }) => None,
        Err(unknown) => return unknown,
    };
    let throttled = metrics.and_then(|metrics| refused(case, metrics));
    if let Some(outcome @ Outcome::Fail { .. }) = throttled {
        return outcome;
    }
    let wanted = wanted(case);
    if let (Some(Fact::Found { value: reserved }), Some(wanted)) = (reserved, wanted)
        && *reserved < wanted
    {
        let mut fix = vec![
            format!("to reserve as many as the stream can ask for ({wanted}):"),
            command("put-function-concurrency")
                .option("--reserved-concurrent-executions", &wanted.to_string())
                .option("--region", region)
                .to_string(),
        ];
        fix.extend(free().map(|step| step.replace("to let", "or let")));
        return Outcome::Warn {
            evidence: vec![format!(
                "{reserved} invocations at once are reserved for the function, and the stream can ask for {wanted}: its open shards times the \
                 parallelization factor"
            )],
            fix,
        };
    }
    let whole = case.facts.concurrency.as_ref();
    let shared = !matches!(reserved, Some(Fact::Found { .. }));
    if let (true, Some(Fact::Found { value }), Some(wanted)) = (shared, whole, wanted)
        && value.unreserved < wanted
    {
        return crowded(*value, wanted);
    }
    if let Some(outcome) = throttled {
        return outcome;
    }
    if let Some(why) = unread(reserved).or_else(|| unread(whole)) {
        return Outcome::unreadable(why);
    }
    if reserved.is_none() && whole.is_none() && metrics.is_none() {
        return Outcome::skip("nobody looked at what Lambda has room for");
    }
    let has = match (reserved, whole) {
        (Some(Fact::Found { value }), _) => format!("{value} are reserved for it"),
        (_, Some(Fact::Found { value })) => {
            format!("functions without a share of their own may run {}", value.unreserved)
        }
        _ => "no invocation was refused".to_owned(),
    };
    Outcome::pass(match wanted {
        Some(wanted) => format!("the stream can ask for {wanted} at once, and {has}"),
        None => has,
    })
}

/// Batches that the stream has in work at the same time at the most.
fn wanted(case: &Case<'_>) -> Option<u32> {
    let shards = case.seen.stream.found()?.open_shards;
    let factor = case.seen.mapping.found()?.parallelization_factor.unwrap_or(1);
    Some(shards.saturating_mul(factor))
}

fn unread<T>(fact: Option<&Fact<T>>) -> Option<&Unreadable> {
    fact.and_then(Fact::unreadable)
}

/// What all functions together leave to this one.
fn crowded(has: Concurrency, wanted: u32) -> Outcome {
    Outcome::warn(
        format!(
            "the stream can ask for {wanted} invocations at once, and the account has {} of {} for all functions without a share of their own",
            has.unreserved, has.limit
        ),
        "have the quota 'Concurrent executions' of Lambda raised, or take a share back that is reserved for another function",
    )
}

/// Invocations that Lambda had no room for.
fn refused(case: &Case<'_>, metrics: &Metrics) -> Option<Outcome> {
    let throttles = metrics.throttles.filter(|throttles| *throttles > 0)?;
    let invocations = metrics.invocations.unwrap_or(0);
    let within = window(metrics);
    let fix = [
        "see what is reserved for it, and what other functions take; more room: the quota 'Concurrent executions' of Lambda".to_owned(),
        Command::new("aws lambda get-account-settings")
            .option("--region", &case.settings.home.region)
            .to_string(),
    ];
    Some(if invocations == 0 && !case.delivers() {
        Outcome::fail(
            format!("Lambda refused all {throttles} invocations of {within} for want of room"),
            fix,
        )
    } else {
        Outcome::warn(
            format!(
                "Lambda refused {throttles} invocations in {within} for want of room, and let {invocations} in: what is refused waits and is tried again"
            ),
            fix,
        )
    })
}

/// Whether what was invoked ended well.
pub(super) fn succeeds(case: &Case<'_>) -> Outcome {
    given!(case.function());
    let metrics = given!(case.metrics());
    let within = window(metrics);
    let Some(invocations) = metrics.invocations.filter(|invocations| *invocations > 0) else {
        return Outcome::skip(format!("the function was not invoked in {within}"));
    };
    let errors = metrics.errors.unwrap_or(0);
    if errors == 0 {
        return Outcome::pass(format!("all {invocations} invocations of {within} ended well"));
    }
    // They are told together with batches, and they end well.
    let asked = matches!(
        &case.seen.probe,
        Some(Fact::Found {
            value: Probe::Answered(_)
        })
    );
    let own = if asked {
        " (k2m's own questions, which ended well, among them)"
    } else {
        ""
    };
    let failed = format!("{errors} of {invocations} invocations of {within}{own} ended with an error");
    let result = case
        .seen
        .mapping
        .found()
        .and_then(|mapping| mapping.last_result.as_deref());
    if result.is_some_and(|result| result.starts_with("PROBLEM")) {
        return Outcome::skip(format!("{failed}, as the last did, see K2M-E05"));
    }
    let last = match &case.seen.log {
        // A long log whose latest says nothing may have said something before.
        Some(Fact::Found { value }) if value.is_empty() && case.seen.log_unfinished => None,
        Some(Fact::Found { value }) => Some(value.iter().filter_map(|seen| case.seconds_since(&seen.last)).min()),
        _ => None,
    };
    if let Some(last) = last.filter(|last| case.delivers() && last.is_none_or(|seconds| seconds > RECENT)) {
        let since = match last {
            Some(seconds) => format!("the log has been quiet for {}", lasting(seconds)),
            None => "the log says nothing that is known to mean trouble".to_owned(),
        };
        return Outcome::pass(format!(
            "{failed}, and it is over: the last batch was delivered, and {since}"
        ));
    }
    let share = errors.saturating_mul(100) / invocations;
    let fix = || {
        [
            "what the function said of it, which K2M-L09 explains where it is known:".to_owned(),
            in_log(case, "?ERROR ?WARN ?error"),
        ]
    };
    let still = last.flatten().is_some_and(|seconds| seconds <= NOW);
    if share >= MANY && (still || !case.delivers()) {
        Outcome::fail(failed, fix())
    } else if share < FEW {
        Outcome::pass(failed)
    } else {
        Outcome::warn(failed, fix())
    }
}

//! L: the stack and its function.

use super::foreign::FOREIGN;
use super::{Case, Outcome, given, planned, subnets};
use crate::facts::Fact;
use crate::plan::fitting_memory;
use crate::shell::Command;

/// Under this many seconds a delivery that meets any trouble can't say which: a connection with TLS and SASL, metadata and one retry of each take
/// longer.
const LEAST_SECONDS: u32 = 15;
/// From here on, a broker's restart is survived within one invocation.
const GOOD_SECONDS: u32 = 30;

/// Whether the stack is there, whole, and k2m's.
pub(super) fn deployed(case: &Case<'_>) -> Outcome {
    let name = &case.settings.stack.value;
    if let Some(foreign) = case.foreign() {
        let of = foreign
            .stack
            .as_ref()
            .map(|stack| format!(": it is of the stack {stack}"));
        return Outcome::skip(format!("{FOREIGN}{}", of.unwrap_or_default()));
    }
    let stack = match &case.facts.stack {
        Fact::Found { value } => value,
        Fact::Absent => return planned::nothing(case),
        Fact::Unreadable(why) => return Outcome::unreadable(why),
    };
    if !stack.made_by_k2m {
        return Outcome::fail(
            format!("the stack {name} was made by something else than k2m: it lacks the tag k2m:stack"),
            "give the pipeline's own stack with --stack NAME",
        );
    }
    let status = &stack.status;
    let is = format!("{name} is {status}");
    match status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => Outcome::pass(is),
        "UPDATE_ROLLBACK_COMPLETE" => Outcome::warn(
            format!("{is}: the last update failed and was taken back; what was there before works on"),
            [
                "what failed first, its events say:".to_owned(),
                events(case),
                "mend that, and deploy again what was to change; where nothing is to change any more it does no harm, and goes with the next deployment that changes \
                 something"
                    .to_owned(),
            ],
        ),
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => Outcome::fail(
            format!("{is}: its first creation failed, so there is no pipeline"),
            [
                case.deploy(&[]),
                "it removes what is left and creates it anew".to_owned(),
            ],
        ),
        "REVIEW_IN_PROGRESS" => Outcome::fail(format!("{is}: it was planned and never created"), case.deploy(&[])),
        "UPDATE_ROLLBACK_FAILED" => stuck(case, &is, "continue-update-rollback"),
        "UPDATE_FAILED" => stuck(case, &is, "rollback-stack"),
        "IMPORT_ROLLBACK_FAILED" => Outcome::fail(
            format!("{is}: k2m deploy does not touch it"),
            [
                "mend what its events name, or destroy it and deploy again:".to_owned(),
                events(case),
                case.destroy(),
                case.deploy(&[]),
            ],
        ),
        status if status.ends_with("_FAILED") => Outcome::fail(
            is,
            [
                "mend what its events name; k2m deploy then removes what is left and creates it anew:".to_owned(),
                events(case),
                case.deploy(&[]),
            ],
        ),
        status if status.starts_with("DELETE_") => Outcome::fail(is, ["once it is gone:".to_owned(), case.deploy(&[])]),
        _ => Outcome::warn(
            format!("{is}: something is at work on it"),
            "wait until it is done, then ask again",
        ),
    }
}

/// A stack that CloudFormation has to bring back before it can be updated, which k2m deploy offers.
fn stuck(case: &Case<'_>, is: &str, action: &str) -> Outcome {
    let back = of_stack(case, action);
    Outcome::fail(
        format!("{is}: it can't be updated until it is rolled back"),
        [
            "mend what its events name, then deploy again, which rolls it back first:".to_owned(),
            events(case),
            case.deploy(&[]),
            "to roll it back and deploy nothing:".to_owned(),
            back,
        ],
    )
}

fn events(case: &Case<'_>) -> String {
    of_stack(case, "describe-stack-events")
}

fn of_stack(case: &Case<'_>, action: &str) -> String {
    Command::new(&format!("aws cloudformation {action}"))
        .option("--stack-name", &case.settings.stack.value)
        .option("--region", &case.settings.home.region)
        .to_string()
}

/// Whether the function can be invoked, with what was last deployed.
pub(super) fn ready(case: &Case<'_>) -> Outcome {
    given!(case.deployed());
    let function = match &case.seen.function {
        Fact::Found { value } => value,
        Fact::Absent if case.foreign().is_some() => {
            return Outcome::fail("the function is gone", "name another with --function");
        }
        Fact::Absent if case.resource("Function").is_some() => {
            return case.anew("the stack's function is gone".to_owned(), None);
        }
        Fact::Absent => return Outcome::fail("the stack has no function", case.deploy(&[])),
        Fact::Unreadable(why) => return Outcome::unreadable(why),
    };
    let because = |reason: &Option<String>| {
        reason
            .as_ref()
            .filter(|reason| !reason.is_empty())
            .map(|reason| format!(": {}", reason.trim_end_matches('.')))
            .unwrap_or_default()
    };
    let mend = || {
        let how = match case.foreign() {
            Some(foreign) => format!("its settings are kept {}", foreign.home()),
            None => case.deploy(&[]),
        };
        ["mend what it names, then deploy again:".to_owned(), how]
    };
    let state = &function.state;
    let is = format!("its state is {state}{}", because(&function.state_reason));
    match (state.as_str(), function.last_update.as_deref()) {
        ("Failed", _) => Outcome::fail(is, mend()),
        (_, Some("Failed")) => Outcome::fail(
            format!("its last update failed{}", because(&function.last_update_reason)),
            mend(),
        ),
        ("Pending", _) => Outcome::warn(is, "wait a minute, then ask again"),
        (_, Some("InProgress")) => Outcome::warn(
            format!("{is}, and an update is under way"),
            "wait a minute, then ask again",
        ),
        ("Inactive", _) => Outcome::warn(
            format!("{is}: Lambda took back its network interfaces since nobody invoked it for long"),
            "put a record: the first invocations fail and are tried again while it wakes",
        ),
        ("Active", _) => Outcome::pass(is),
        _ => Outcome::fail(is, "wait a minute, then ask again"),
    }
}

/// Whether the function may not be ready for what its role lacks: the role, or the rights that Lambda makes network interfaces with.
pub(super) fn lacks_rights(case: &Case<'_>) -> bool {
    match (&case.seen.rights, case.seen.function.found()) {
        (Some(Fact::Absent), _) => true,
        (Some(Fact::Found { value }), Some(function)) => {
            let mut denied = value.iter().filter(|right| right.denied_by.is_some());
            denied.any(|right| right.action.starts_with("ec2:")) && subnets::may_be_network(function)
        }
        _ => false,
    }
}

/// Whether an invocation can connect, deliver and retry before Lambda ends it.
pub(super) fn time_out(case: &Case<'_>) -> Outcome {
    let function = given!(case.function());
    let seconds = function.timeout_seconds;
    let milliseconds = u64::from(seconds) * 1000;
    // The handler's own rule, of handler/README.md.
    let margin = case
        .variable("K2M_DEADLINE_MARGIN_MS")
        .and_then(|text| text.parse().ok());
    let margin: u64 = margin.unwrap_or_else(|| (milliseconds / 10).clamp(100, 1000));
    let left = milliseconds.saturating_sub(margin);
    let leaves =
        format!("{seconds} s: the handler answers {margin} ms before its end, so {left} ms are left to deliver");
    let raise = || case.setting("timeout", "60");
    if case.foreign().is_some() {
        return time_out_of_foreign(case, seconds);
    }
    if left == 0 {
        Outcome::fail(
            format!("{SETTING} {seconds} s, and K2M_DEADLINE_MARGIN_MS is as long: no time is left to deliver"),
            "take the variable away: no k2m sets it",
        )
    } else if seconds < LEAST_SECONDS {
        Outcome::Fail {
            evidence: vec![
                too_short(seconds),
                format!(
                    "the handler answers {margin} ms before its end, so {left} ms are left to deliver: connecting (TCP, TLS, SASL), metadata and one \
                     retry take longer, so every trouble looks like a time-out"
                ),
            ],
            fix: raise().into(),
        }
    } else if let Some(told) = case
        .variable("K2M_TIMEOUT_MS")
        .and_then(|text| text.parse::<u64>().ok())
        .filter(|told| *told != milliseconds)
    {
        Outcome::warn(
            format!(
                "{SETTING} {leaves}; but K2M_TIMEOUT_MS is {told}: the handler never takes more than that for left, and can't tell a clock that jumps"
            ),
            case.deploy(&[]),
        )
    } else if seconds < GOOD_SECONDS {
        Outcome::warn(
            format!("{SETTING} {leaves}: not enough to wait for a broker that restarts"),
            raise(),
        )
    } else {
        Outcome::pass(leaves)
    }
}

/// What is said of a time-out begins so.
const SETTING: &str = "the function's time-out is";

fn too_short(seconds: u32) -> String {
    format!("{SETTING} {seconds} s: too short to connect and retry")
}

/// The same of a function that need not answer before Lambda ends it. What it was copied from waits a minute for the brokers before it says why.
fn time_out_of_foreign(case: &Case<'_>, seconds: u32) -> Outcome {
    let raise = || case.setting("timeout", "90");
    if seconds < LEAST_SECONDS {
        Outcome::Fail {
            evidence: vec![
                too_short(seconds),
                "connecting, metadata and one retry take longer, and Lambda ends the function before its client says why (kafka-python waits 60 s): every \
                 trouble, a missing topic too, looks like a time-out"
                    .to_owned(),
            ],
            fix: raise().into(),
        }
    } else if seconds < GOOD_SECONDS {
        Outcome::warn(
            format!("{SETTING} {seconds} s: not enough to wait for a broker that restarts"),
            raise(),
        )
    } else {
        Outcome::pass(format!("{seconds} s"))
    }
}

/// Whether the memory, and with it the share of a CPU, is enough for a full batch.
pub(super) fn memory(case: &Case<'_>) -> Outcome {
    let (function, mapping) = (given!(case.function()), given!(case.mapping()));
    let (memory, batch) = (function.memory_mb, mapping.batch_size);
    let wanted = fitting_memory(batch);
    if memory < wanted {
        Outcome::warn(
            format!(
                "{memory} MB for batches of up to {batch}: its share of a CPU ({memory}/1769) makes deliveries slow"
            ),
            case.setting("memory", &wanted.to_string()),
        )
    } else {
        Outcome::pass(format!("{memory} MB for batches of up to {batch}"))
    }
}

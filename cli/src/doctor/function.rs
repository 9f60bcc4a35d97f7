//! L: the stack and its function.

use super::{Case, Outcome, given};
use crate::facts::Fact;
use crate::plan::fitting_memory;

/// Under this many seconds a delivery that meets any trouble can't say which: a connection with TLS and SASL, metadata and one retry of each take
/// longer.
const LEAST_SECONDS: u32 = 15;
/// From here on, a broker's restart is survived within one invocation.
const GOOD_SECONDS: u32 = 30;

/// Whether the stack is there, whole, and k2m's.
pub(super) fn deployed(case: &Case<'_>) -> Outcome {
    let name = &case.settings.stack.value;
    let stack = match &case.facts.stack {
        Fact::Found { value } => value,
        Fact::Absent => {
            return Outcome::fail(
                format!("nothing is deployed: there is no stack {name}"),
                format!(
                    "k2m deploy --stream {} --cluster {}",
                    case.settings.stream.value, case.settings.cluster.value
                ),
            );
        }
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
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => Outcome::pass(is),
        "UPDATE_ROLLBACK_COMPLETE" => Outcome::warn(
            format!("{is}: the last update failed and was taken back; what was there before works on"),
            "k2m deploy, which says why it fails",
        ),
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => Outcome::fail(
            format!("{is}: its first creation failed, so there is no pipeline"),
            "k2m deploy, which removes what is left and creates it anew",
        ),
        "REVIEW_IN_PROGRESS" => Outcome::fail(format!("{is}: it was planned and never created"), "k2m deploy"),
        status if status.ends_with("_FAILED") => Outcome::fail(
            is,
            format!(
                "k2m deploy goes on from there; what failed: aws cloudformation describe-stack-events --stack-name {name} --region {}",
                case.settings.stream.value.region
            ),
        ),
        status if status.starts_with("DELETE_") => Outcome::fail(is, "k2m deploy, once it is gone"),
        _ => Outcome::warn(
            format!("{is}: something is at work on it"),
            "wait until it is done, then ask again",
        ),
    }
}

/// Whether the function can be invoked, with what was last deployed.
pub(super) fn ready(case: &Case<'_>) -> Outcome {
    given!(case.stack());
    let function = match &case.facts.function {
        Fact::Found { value } => value,
        Fact::Absent => return Outcome::fail("the stack has no function", "k2m deploy"),
        Fact::Unreadable(why) => return Outcome::unreadable(why),
    };
    let because = |reason: &Option<String>| {
        reason
            .as_ref()
            .map(|reason| format!(": {}", reason.trim_end_matches('.')))
            .unwrap_or_default()
    };
    let state = &function.state;
    let is = format!("its state is {state}{}", because(&function.state_reason));
    match (state.as_str(), function.last_update.as_deref()) {
        ("Failed", _) => Outcome::fail(is, "mend what it names, then k2m deploy"),
        (_, Some("Failed")) => Outcome::fail(
            format!("its last update failed{}", because(&function.last_update_reason)),
            "mend what it names, then k2m deploy",
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
        _ => Outcome::fail(is, "k2m deploy"),
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
    let raise = "raise the function's time-out to 60 s in k2m.yaml, then k2m deploy";
    if left == 0 {
        Outcome::fail(
            format!("{leaves}: K2M_DEADLINE_MARGIN_MS is as long as the time-out"),
            "take the variable away, or raise the time-out",
        )
    } else if seconds < LEAST_SECONDS {
        Outcome::fail(
            format!(
                "{leaves}: connecting (TCP, TLS, SASL), metadata and one retry take longer, so every trouble looks like a time-out"
            ),
            raise,
        )
    } else if seconds < GOOD_SECONDS {
        Outcome::warn(
            format!("{leaves}: not enough to wait for a broker that restarts"),
            raise,
        )
    } else {
        Outcome::pass(leaves)
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
            format!("k2m deploy --memory {wanted}, or `memory: {wanted}` in k2m.yaml"),
        )
    } else {
        Outcome::pass(format!("{memory} MB for batches of up to {batch}"))
    }
}

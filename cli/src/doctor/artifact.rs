//! L: the code that the function runs: for which processor it is, and how old.

use k2m_handler::probe::report::Report;

use super::log::recent;
use super::probe::OLDER;
use super::{Case, Outcome, given};
use crate::facts::{Fact, Function, Probe};
use crate::shell::Command;

/// The runtime that k2m's handler is built for.
const RUNTIME: &str = "provided.al2023";
/// What runtimes without a language begin with.
const OWN_BINARY: &str = "provided";
/// What the handler's own errors begin with.
const OF_HANDLER: &str = "K2m.";
/// The stack's parameters that say where the code is, and what it is for.
const ARCHITECTURE: &str = "Architecture";
const BUCKET: &str = "ArtifactBucket";
const KEY: &str = "ArtifactKey";

/// Whether the function can run its binary.
pub(super) fn runs(case: &Case<'_>) -> Outcome {
    let function = given!(case.function());
    let Some(runtime) = &function.runtime else {
        return Outcome::skip("the facts don't say which runtime the function has; inspect again");
    };
    given!(case.not_foreign(&format!(": what its runtime, {runtime}, is to run is not known")));
    let own = case.facts.stack.found().is_some_and(|stack| stack.made_by_k2m);
    if !runtime.starts_with(OWN_BINARY) && !own {
        return Outcome::skip(format!("the function's runtime is {runtime}: it is not k2m's handler"));
    }
    let region = &case.settings.home.region;
    if runtime != RUNTIME {
        let seen = format!("the function's runtime is {runtime}, and k2m's handler is built for {RUNTIME}");
        let fix = Command::new("aws lambda update-function-configuration")
            .option("--function-name", &function.arn)
            .option("--runtime", RUNTIME)
            .option("--region", region)
            .to_string();
        return if runtime.starts_with(OWN_BINARY) {
            Outcome::warn(format!("{seen}: an older C library may not do for it"), fix)
        } else {
            Outcome::fail(seen, fix)
        };
    }
    let parameters = case.facts.stack.found().map(|stack| &stack.parameters);
    let built = parameters.and_then(|parameters| parameters.get(ARCHITECTURE));
    if let (Some(is), Some(built)) = (&function.architecture, built)
        && is != built
    {
        return Outcome::fail(
            format!("the function is for {is}, and its binary for {built}: Lambda can't start it"),
            [
                rebuilt(case, function, built),
                "or deploy a handler for it, with k2m deploy --handler PATH".to_owned(),
            ],
        );
    }
    // What runs now has started, whatever the log says of before.
    let starts = case.delivers() || started(case);
    for words in ["exec format error", "version `GLIBC_", "Runtime.InvalidEntrypoint"] {
        if let Some(seen) = recent(case, words).filter(|_| !starts) {
            return Outcome::fail(
                format!("Lambda can't start the function's binary: its log says `{words}` {seen}"),
                ["a deployment puts k2m's handler in place:".to_owned(), case.deploy(&[])],
            );
        }
    }
    match (&function.architecture, built) {
        (Some(is), Some(_)) => Outcome::pass(format!("{runtime} on {is}, as its binary is for")),
        (Some(is), None) => Outcome::skip(format!(
            "the stack does not say what the function's binary is for; it runs on {is}"
        )),
        (None, _) => Outcome::skip("the facts don't say what the function runs on; inspect again"),
    }
}

/// Whether the handler itself answered when it was asked, if only that it can't look.
fn started(case: &Case<'_>) -> bool {
    let Some(Fact::Found { value }) = &case.seen.probe else {
        return false;
    };
    match value {
        Probe::Answered(_) => true,
        Probe::Failed { kind, .. } => kind.starts_with(OF_HANDLER),
    }
}

/// The command that gives the function its own binary's architecture back: a deployment of the same template does not look.
fn rebuilt(case: &Case<'_>, function: &Function, built: &str) -> String {
    let parameters = case.facts.stack.found().map(|stack| &stack.parameters);
    let of = |name: &str| parameters.and_then(|parameters| parameters.get(name));
    let (Some(bucket), Some(key)) = (of(BUCKET), of(KEY)) else {
        return case.deploy(&[]);
    };
    Command::new("aws lambda update-function-code")
        .option("--function-name", &function.arn)
        .option("--architectures", built)
        .option("--s3-bucket", bucket)
        .option("--s3-key", key)
        .option("--region", &case.settings.home.region)
        .to_string()
}

/// Whether the handler is of this k2m's version.
pub(super) fn as_new(case: &Case<'_>) -> Outcome {
    given!(case.function());
    let own = env!("CARGO_PKG_VERSION");
    let update = |seen: String| Outcome::warn(seen, ["to give the function this k2m's:".to_owned(), case.deploy(&[])]);
    let version = match &case.seen.probe {
        Some(Fact::Found {
            value: Probe::Answered(report),
        }) => &<Box<Report> as AsRef<Report>>::as_ref(report).version,
        Some(Fact::Found {
            value: Probe::Failed { kind, .. },
        }) if kind == OLDER => {
            return update(format!(
                "the handler is older than the probe, which it does not know; this k2m is {own}"
            ));
        }
        Some(Fact::Found { .. } | Fact::Unreadable(_) | Fact::Absent) => {
            return Outcome::skip("the function did not say its version, see K2M-P01");
        }
        None => {
            return Outcome::skip("the function was not asked: it is not ready, or --no-probe or --facts says not to");
        }
    };
    if version == own {
        return Outcome::pass(format!("it is {version}, as this k2m"));
    }
    match (numbers(version), numbers(own)) {
        (Some(is), Some(this)) if is > this => Outcome::warn(
            format!("the handler is {version}, and this k2m {own}: what it deploys would be older"),
            format!("update k2m to {version} or later before you deploy again"),
        ),
        _ => update(format!("the handler is {version}, and this k2m {own}")),
    }
}

/// A version's three numbers; what follows a hyphen or a plus comes before or beside them, and is left out.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let core = version.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| part.parse().ok());
    let all = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(all)
}

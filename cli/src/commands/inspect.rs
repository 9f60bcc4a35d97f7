//! `k2m inspect`: looks at everything in AWS that matters for a pipeline, and shows it as facts.

mod digest;

use super::chosen::chosen;
use super::look::Depth;
use super::{CommandError, function, look, output};
use crate::args::InspectArgs;
use crate::exit::Exit;
use crate::facts::{Fact, Facts};
use crate::report::Reporter;
use digest::Digest;

/// Runs the command.
pub async fn run(args: InspectArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let (settings, facts) = if let Some(function) = &args.function {
        let chosen = function::choose(&args.settings, function).await?;
        let aws = look::connect(&chosen.settings, &chosen.access).await?;
        let facts = chosen.look(&aws).await?;
        (chosen.settings, facts)
    } else {
        let (settings, access) = chosen(&args.settings)?;
        let aws = look::connect(&settings, &access).await?;
        let facts = look::look(&aws, &settings, Depth::Doctor).await?;
        (settings, facts)
    };
    let question = look::question(&settings, Depth::Doctor);
    let exit = exit(&facts);
    output(reporter.result(&Digest {
        question: &question,
        facts: &facts,
    }))?;
    Ok(exit)
}

/// Whether the pipelines' ends are there, and whether all that is needed could be seen.
fn exit(facts: &Facts) -> Exit {
    let mut streams = facts.pipelines.values().map(|pipeline| &pipeline.stream);
    if streams.any(Fact::is_absent) || facts.servers.is_empty() && facts.cluster.is_absent() {
        Exit::Failed
    } else if facts.unreadable().iter().any(|(name, _)| needed(name)) {
        Exit::CouldNotTell
    } else {
        Exit::Fine
    }
}

/// Not every cluster tells of its topics through AWS, the ARNs name the account too, a secret can be named, what the account has room for is only
/// compared, what is given is used as it is, an account may not see the policies of another's streams, where servers are that this machine can't resolve
/// `broker_cidrs` say, what joins a VPC to others or is shared with others matters where the way leads there, which plan and doctor tell, and what has
/// happened only doctor judges: none stands in the way.
fn needed(name: &str) -> bool {
    let lists = [".peerings", ".transitGatewayAttachments", ".endpoints"];
    let joint = name.starts_with("networks.") && lists.iter().any(|list| name.ends_with(list));
    let parts = [
        ".consumer",
        ".function.reservedConcurrency",
        ".metrics",
        ".log",
        ".rights",
        ".waiting",
        ".secret",
        ".foreign.servers",
        ".foreign.topic",
    ];
    let beside = name.starts_with("pipelines.") && parts.iter().any(|part| name.ends_with(part));
    let resolution = name.starts_with("networks.") && name.ends_with(".vpcs.dns");
    let others = ["topics.", "destinations.", "streamPolicies.", "servers."];
    !joint
        && !beside
        && !resolution
        && !matches!(
            name,
            "account" | "concurrency" | "cluster.scramSecrets" | "cluster.policy"
        )
        && !others.iter().any(|list| name.starts_with(list))
        && !name.starts_with("networkStacks.")
}

#[cfg(test)]
mod tests;

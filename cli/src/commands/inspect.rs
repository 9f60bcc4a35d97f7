//! `k2m inspect`: looks at everything in AWS that matters for a pipeline, and shows it as facts.

mod digest;

use super::{CommandError, output};
use crate::args::InspectArgs;
use crate::arn::{PlaceError, fit};
use crate::aws::{Aws, Question};
use crate::exit::Exit;
use crate::facts::Facts;
use crate::facts::deployed::default_stack_name;
use crate::report::Reporter;
use digest::Digest;

/// Runs the command.
pub async fn run(args: InspectArgs, reporter: &Reporter) -> Result<Exit, CommandError> {
    fit(&args.stream, &args.cluster, args.region.as_deref())?;
    let question = Question {
        topic: args.topic.unwrap_or_else(|| args.stream.name().to_owned()),
        stack: args.stack.unwrap_or_else(|| default_stack_name(args.stream.name())),
        stream: args.stream,
        cluster: args.cluster,
    };
    let aws = Aws::connect(args.profile.as_deref(), &question.stream.region).await?;
    let facts = aws.look(&question, jiff::Timestamp::now().to_string()).await?;
    if let Some(caller) = facts
        .account
        .found()
        .filter(|caller| **caller != question.stream.account)
    {
        return Err(CommandError::Place(PlaceError::Caller {
            caller: caller.clone(),
            arn: question.stream.account,
        }));
    }
    let exit = exit(&facts);
    output(reporter.result(&Digest {
        question: &question,
        facts: &facts,
    }))?;
    Ok(exit)
}

/// Whether the pipeline's ends are there, and whether all that is needed could be seen.
fn exit(facts: &Facts) -> Exit {
    if facts.stream.is_absent() || facts.cluster.is_absent() {
        Exit::Failed
    } else if facts.unreadable().iter().any(|(name, _)| needed(name)) {
        Exit::CouldNotTell
    } else {
        Exit::Fine
    }
}

/// Not every cluster tells of its topics through AWS, and the ARNs name the account too: neither stands in the way.
fn needed(name: &str) -> bool {
    !matches!(name, "topic" | "account")
}

#[cfg(test)]
mod tests;

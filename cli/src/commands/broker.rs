//! `k2m broker`, hidden: the embedded cluster as a process of its own.

use super::CommandError;
use crate::args::EmbeddedArgs;
use crate::exit::Exit;
use crate::local::embedded::{Plan, serve};

/// Serves until standard input ends.
pub fn run(args: EmbeddedArgs) -> Result<Exit, CommandError> {
    let plan = Plan {
        brokers: args.brokers,
        topic: args.topic,
        partitions: args.partitions,
    };
    serve(&plan, std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(Exit::Fine)
}

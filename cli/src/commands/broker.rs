//! `k2m broker`, hidden: the embedded cluster as a process of its own.

use super::CommandError;
use crate::args::EmbeddedArgs;
use crate::exit::Exit;
use crate::local::embedded::{EmbeddedError, Plan, serve};

/// Serves until standard input ends.
pub fn run(args: EmbeddedArgs) -> Result<Exit, CommandError> {
    let plan = Plan {
        brokers: args.brokers,
        topic: args.topic,
        partitions: args.partitions,
        mapped_topics: args.mapped_topic,
        dead_letter_topic: args.dead_letter_topic,
    };
    match serve(&plan, std::io::stdin().lock(), std::io::stdout().lock()) {
        // k2m is gone: that ends this process as its input's end does, and there is nobody to tell.
        Err(EmbeddedError::Process(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
        served => Ok(served.map(|()| Exit::Fine)?),
    }
}

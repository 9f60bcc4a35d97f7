//! `k2m status`: how the pipelines of a stack are, once or again and again.

use std::time::Duration;

use super::attended::Attended;
use super::deployed::{Deployed, deployed};
use super::{CommandError, output};
use crate::args::{Output, StatusArgs};
use crate::deploy::port::{User as _, World};
use crate::exit::Exit;
use crate::report::{Block, Reporter};
use crate::status::{Status, table};

/// Runs the command.
pub async fn run(args: StatusArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let attended = Attended::new(reporter, false)?;
    reporter.wait("looking at AWS: the stack");
    tokio::select! {
        biased;
        () = attended.stopped(1) => {
            if args.watch.is_some() {
                // That is how it ends.
                return Ok(Exit::Interrupted);
            }
            Err(CommandError::InterruptedLook)
        }
        done = looked(&args, reporter, &attended) => done,
    }
}

async fn looked(args: &StatusArgs, reporter: &Reporter, world: &impl World) -> Result<Exit, CommandError> {
    let deployed = deployed(&args.stack).await?;
    let Some(pause) = args.watch else {
        reporter.wait("looking at AWS: the pipelines and their figures");
        let status = look(&deployed, args.since).await;
        reporter.finish();
        output(reporter.laid_out(&status, |_, screen| table::laid_out(&status, screen)))?;
        return Ok(status.exit());
    };
    let mut block = Block::default();
    loop {
        let status = look(&deployed, args.since).await;
        reporter.finish();
        let read = match reporter.output() {
            Output::Human => reporter.show(&mut block, &table::laid_out(&status, reporter.screen())),
            Output::Json => reporter.document_line(&status),
        };
        if !read.map_err(CommandError::Output)? {
            return Ok(status.exit());
        }
        world.sleep(pause).await;
    }
}

/// Looks at all pipelines now.
async fn look(deployed: &Deployed, since: Duration) -> Status {
    let Deployed {
        aws,
        region,
        stack,
        pipelines,
    } = deployed;
    let minutes = u32::try_from(since.as_secs() / 60).unwrap_or(u32::MAX);
    let watched = aws
        .watch(region, stack, pipelines, jiff::Timestamp::now(), minutes)
        .await;
    Status::of(stack, region, &watched)
}

//! `k2m logs`: what the functions of a stack's pipelines log.

use jiff::Timestamp;

use super::CommandError;
use super::attended::Attended;
use super::deployed::{Deployed, DeployedError, deployed, doctor, unread_lines};
use crate::args::{LogsArgs, Output};
use crate::deploy::port::{User as _, World};
use crate::exit::Exit;
use crate::facts::Fact;
use crate::logs::line::PATTERN_OF_FAILURES;
use crate::logs::port::{Event, Groups};
use crate::logs::shown;
use crate::logs::tail::{Ended, Reader, Source};
use crate::plan::needs::log_group;
use crate::report::Reporter;

/// Runs the command.
pub async fn run(args: LogsArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let attended = Attended::new(reporter, false)?;
    reporter.wait("looking at AWS: the stack and its functions");
    tokio::select! {
        biased;
        () = attended.stopped(1) => {
            if args.follow {
                // That is how it ends.
                return Ok(Exit::Interrupted);
            }
            Err(CommandError::InterruptedLook)
        }
        done = Box::pin(read(&args, reporter, &attended)) => done,
    }
}

async fn read(args: &LogsArgs, reporter: &Reporter, world: &impl World) -> Result<Exit, CommandError> {
    let deployed = deployed(&args.stack).await?;
    let now = Timestamp::now().as_millisecond();
    let since = now.saturating_sub(i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX));
    let sources = sources(&deployed).await?;
    let names: Vec<&str> = sources.iter().map(|(name, _)| name.as_str()).collect();
    let mut sources: Vec<Source> = sources
        .iter()
        .map(|(_, group)| Source::new(group.clone(), since))
        .collect();
    reporter.wait(&format!("reading {}", names.join(", ")));
    let groups = deployed.aws.log_groups(&deployed.region);
    let mut printer = Printer {
        args,
        reporter,
        names: &names,
        shown: 0,
        failed: None,
    };
    let ended = tail(args, &groups, world, &mut sources, now, &mut printer).await;
    reporter.finish();
    if let Some(error) = printer.failed {
        return Err(CommandError::Output(error));
    }
    if let Err(failed) = ended {
        let (name, group) = (names[failed.source], &sources[failed.source].group);
        return Err(unread_lines(name, group, &deployed.region, failed.fault).into());
    }
    if printer.shown == 0 && reporter.output() == Output::Human {
        reporter.note(&nothing(args));
    }
    Ok(Exit::Fine)
}

async fn tail<G: Groups, W: World>(
    args: &LogsArgs,
    groups: &G,
    world: &W,
    sources: &mut [Source],
    now: i64,
    printer: &mut Printer<'_>,
) -> Result<Ended, crate::logs::tail::Failed> {
    let reporter = printer.reporter;
    let tell = |text: &str| reporter.note(text);
    let reader = Reader {
        groups,
        world,
        // What CloudWatch leaves out need not be fetched.
        pattern: args.failures.then_some(PATTERN_OF_FAILURES),
        tell: &tell,
    };
    let mut line = |source, event| printer.line(source, &event);
    if args.follow {
        reader.follow(sources, &mut line).await
    } else {
        reader.once(sources, now, &mut line).await
    }
}

/// Each pipeline's name, and the log group that its function writes to.
async fn sources(deployed: &Deployed) -> Result<Vec<(String, String)>, CommandError> {
    let pipelines = &deployed.pipelines;
    let names: Vec<String> = pipelines.iter().filter_map(|one| one.function.clone()).collect();
    let mut functions = deployed.aws.functions_named(&deployed.region, &names).await.into_iter();
    let each = pipelines.iter().map(|pipeline| {
        let function = pipeline.function.as_ref().and_then(|_| functions.next());
        let name = pipeline.name().to_owned();
        match (function, &pipeline.log_group) {
            (Some(Fact::Found { value }), _) => Ok((name, log_group(&value))),
            // Its stack made the group, and says which without it.
            (_, Some(group)) => Ok((name, group.clone())),
            (Some(Fact::Unreadable(why)), None) => Err(DeployedError::Unread {
                stack: deployed.stack.name.clone(),
                region: deployed.region.clone(),
                why,
            }
            .into()),
            (Some(Fact::Absent) | None, None) => Err(DeployedError::NoFunction {
                name,
                doctor: doctor(&deployed.stack.name, &deployed.region),
            }
            .into()),
        }
    });
    each.collect()
}

/// Why there is nothing to see.
fn nothing(args: &LogsArgs) -> String {
    let seconds = args.since.as_secs();
    let within = crate::doctor::history::lasting(seconds);
    let what = if args.failures || args.filter.is_some() {
        "no such line"
    } else {
        "no line"
    };
    format!("{what} in the last {within}: --since looks further back, as --since 1d; --follow waits for what comes")
}

/// Prints lines that are wanted.
struct Printer<'a> {
    args: &'a LogsArgs,
    reporter: &'a Reporter,
    names: &'a [&'a str],
    shown: u64,
    failed: Option<std::io::Error>,
}

impl Printer<'_> {
    /// Whether more is wanted.
    fn line(&mut self, source: usize, event: &Event) -> bool {
        let wanted = shown::Wanted {
            filter: self.args.filter.as_deref(),
            failures: self.args.failures,
            all: self.args.all,
        };
        let Some(line) = shown::line(self.names[source], event, wanted) else {
            return true;
        };
        if self.shown == 0 {
            self.reporter.finish();
        }
        self.shown += 1;
        let written = match self.reporter.output() {
            Output::Human => {
                let room = self.names.iter().map(|name| name.chars().count()).max();
                let room = room.filter(|_| self.names.len() > 1);
                self.reporter
                    .text(&shown::for_people(&line, room, self.reporter.screen()))
            }
            Output::Json => self.reporter.document_line(&line),
        };
        match written {
            Ok(read) => read,
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }
}

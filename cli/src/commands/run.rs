//! `k2m run`: delivers a file of records through the real handler.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{CommandError, not_a_folder, output, own_handler, probe, signals, unless_stopped};
use crate::args::{FunctionArgs, MappingArgs, RunArgs};
use crate::exit::Exit;
use crate::local::broker::Connection;
use crate::local::destination::Destination;
use crate::local::embedded::{Embedded, Plan};
use crate::local::engine::Event;
use crate::local::mapping::{LONGEST_BACKOFF, Settings};
use crate::local::sandbox::Program;
use crate::local::session::{Notice, Session};
use crate::local::stream::Reshard;
use crate::local::summary::Summary;
use crate::report::{Reporter, Total};
use crate::settings::parse::topic;
use crate::settings::{OnPoison, default_dead_letter_topic};

/// Runs the command, and reports what it did.
pub async fn run(args: RunArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    if args.probe.probe {
        return probe::run(&args, reporter).await;
    }
    let mut signals = signals()?;
    let dead_letter_topic = dead_letter_topic(&args)?;
    rising(&args.mapping.reshard)?;
    let (source, total) = open(&args.input)?;
    let embedded;
    let (connection, in_memory) = if let Some(connection) = Connection::from_args(&args.broker).await? {
        unless_stopped(&mut signals, connection.check(&args.topic)).await?;
        if let Some(topic) = &dead_letter_topic {
            unless_stopped(&mut signals, connection.check_dead_letter(topic)).await?;
        }
        (connection, false)
    } else {
        embedded = Embedded::start(&Plan {
            brokers: 1,
            topic: args.topic.clone(),
            partitions: args.partitions.unwrap_or(3),
            dead_letter_topic: dead_letter_topic.clone(),
        })?;
        (embedded.connection(), true)
    };
    let environment = environment(&args, &connection, dead_letter_topic.as_deref());
    let session = Session {
        settings: settings(&args.mapping),
        shards: args.mapping.shards,
        reshardings: args.mapping.reshard,
        parallelization_factor: args.mapping.parallelization_factor,
        program: program(&args.function, in_memory, environment)?,
        destination: args.mapping.on_failure.as_deref().map(Destination::open).transpose()?,
    };
    reporter.start(total);
    let ended = session
        .run(source, signals, |notice, tally| match notice {
            Notice::Event(Event::Discarded {
                what,
                diverted: false,
                records,
            }) => {
                reporter.note(&format!(
                    "discarded {records} record(s) without a failure destination: {what}"
                ));
            }
            Notice::Event(Event::Warning(text)) => reporter.note(&format!("warning: {text}")),
            Notice::Event(_) => {}
            Notice::Tick => reporter.progress(tally),
            Notice::Interrupted => {
                reporter.note("interrupted: running invocations end, nothing new begins; once more to kill them");
            }
        })
        .await;
    reporter.finish();

    let failed = ended.summary.failed > 0;
    let error = ended.result.err().map(CommandError::from);
    let exit = match &error {
        Some(error) => error.exit(),
        None if ended.interrupted => Exit::Interrupted,
        None if failed => Exit::Failed,
        None => Exit::Fine,
    };
    let report = Report {
        topic: args.topic,
        dead_letter_topic,
        bootstrap_servers: (!in_memory).then_some(connection.bootstrap_servers),
        in_memory,
        interrupted: ended.interrupted,
        error: error.as_ref().map(ToString::to_string),
        exit_code: exit.code(),
        summary: ended.summary,
    };
    output(reporter.result(&report))?;
    let how_far = format!(
        "{} lines were read; of {} records {} are acknowledged, {} dead-lettered, {} diverted, {} failed, {} not sent",
        report.summary.lines,
        report.summary.records,
        report.summary.acknowledged,
        report.summary.dead_lettered,
        report.summary.diverted,
        report.summary.failed,
        report.summary.unsent
    );
    if let Some(error) = error {
        reporter.error(&format!("{error}\n  how far it came: {how_far}"));
    } else if ended.interrupted {
        reporter.error(&format!("stopped by a signal\n  how far it came: {how_far}"));
    } else if failed {
        let advice = "run again with --on-failure FILE to keep such records";
        reporter.error(&format!(
            "{} record(s) were given up and are lost; {advice}",
            report.summary.failed
        ));
    }
    Ok(exit)
}

/// The handler's variables.
pub(super) fn environment(
    args: &RunArgs,
    connection: &Connection,
    dead_letter_topic: Option<&str>,
) -> Vec<(String, String)> {
    let mut environment = connection.environment(&args.topic);
    if let Some(topic) = dead_letter_topic {
        environment.push(("K2M_ON_POISON".to_owned(), args.on_poison.name().to_owned()));
        environment.push(("K2M_DEAD_LETTER_TOPIC".to_owned(), topic.to_owned()));
    }
    environment
}

/// The dead-letter topic, if poison is to go there.
pub(super) fn dead_letter_topic(args: &RunArgs) -> Result<Option<String>, CommandError> {
    let named = match (args.on_poison, &args.dead_letter_topic) {
        (OnPoison::Block, None) => return Ok(None),
        (OnPoison::Block, Some(name)) => {
            return Err(CommandError::Usage(format!(
                "--dead-letter-topic {name} takes nothing with --on-poison block; add --on-poison divert, or leave it out"
            )));
        }
        (OnPoison::Divert, named) => named,
    };
    let name = named.clone().unwrap_or_else(|| default_dead_letter_topic(&args.topic));
    let name = topic(&name).map_err(|error| {
        CommandError::Usage(format!(
            "{name} can't be the dead-letter topic: {error}; name one with --dead-letter-topic"
        ))
    })?;
    if name == args.topic {
        return Err(CommandError::Usage(format!(
            "--dead-letter-topic {name} is the topic itself, which can't take what it refuses; name another"
        )));
    }
    Ok(Some(name))
}

/// Refuses reshardings whose order can't be meant.
fn rising(reshardings: &[Reshard]) -> Result<(), CommandError> {
    match reshardings.windows(2).find(|pair| pair[1].after <= pair[0].after) {
        None => Ok(()),
        Some(pair) => Err(CommandError::Usage(format!(
            "--reshard {}:{} does not come after --reshard {}:{}; give each resharding after one with a lower RECORD",
            pair[1].after, pair[1].shards, pair[0].after, pair[0].shards
        ))),
    }
}

fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Total), CommandError> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), Total::Unknown));
    }
    let failed = |source| CommandError::Open {
        path: path.to_owned(),
        option: "--input",
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    not_a_folder(path, "--input", &metadata)?;
    let total = if metadata.is_file() {
        Total::Bytes(metadata.len())
    } else {
        Total::Unknown
    };
    Ok((Box::new(file), total))
}

fn settings(args: &MappingArgs) -> Settings {
    Settings {
        batch_size: args.batch_size as usize,
        window: i64::from(args.batching_window) * 1000,
        retries: u32::try_from(args.retries).ok(),
        maximum_age: (args.maximum_record_age >= 0).then(|| i64::from(args.maximum_record_age) * 1000),
        bisect: !args.no_bisect,
        // Without them the handler's answer would say nothing, and what failed would count as done.
        partial_failures: true,
        longest_backoff: LONGEST_BACKOFF,
    }
}

/// The handler's process.
pub(super) fn program(
    args: &FunctionArgs,
    embedded: bool,
    mut environment: Vec<(String, String)>,
) -> Result<Program, CommandError> {
    let (path, arguments) = match &args.handler {
        Some(handler) => {
            let failed = |source| CommandError::Open {
                path: handler.clone(),
                option: "--handler",
                source,
            };
            // Absolute, since a bare name would be looked up in PATH.
            let path = std::path::absolute(handler).map_err(failed)?;
            not_a_folder(handler, "--handler", &std::fs::metadata(&path).map_err(failed)?)?;
            (path, Vec::new())
        }
        None => own_handler(embedded)?,
    };
    let log = args.handler_log.as_deref().map(|path| {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map_err(|source| CommandError::Open {
            path: path.to_owned(),
            option: "--handler-log",
            source,
        })
    });
    environment.extend(args.handler_env.iter().cloned());
    Ok(Program {
        path,
        arguments,
        environment,
        timeout: Duration::from_secs(u64::from(args.timeout)),
        freeze: args.freeze,
        log: log.transpose()?.map(Arc::new),
    })
}

/// What `run` says at its end.
#[derive(Debug, Serialize)]
struct Report {
    topic: String,
    dead_letter_topic: Option<String>,
    bootstrap_servers: Option<String>,
    in_memory: bool,
    interrupted: bool,
    #[serde(flatten)]
    summary: Summary,
    error: Option<String>,
    exit_code: u8,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary)?;
        if self.in_memory {
            writeln!(
                f,
                "topic {} was on the embedded broker, in memory only, and is gone; --bootstrap-servers names a real one",
                self.topic
            )?;
        }
        Ok(())
    }
}

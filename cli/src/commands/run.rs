//! `k2m run`: delivers a file of records through the real handler.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::chosen::load;
use super::{CommandError, not_a_folder, output, own_handler, probe, signals, unless_stopped};
use crate::args::{FunctionArgs, RunArgs, SettingsArgs};
use crate::clock::Clock;
use crate::exit::Exit;
use crate::local::broker::{BrokerError, Connection};
use crate::local::destination::Destination;
use crate::local::embedded::{Embedded, Plan};
use crate::local::engine::Event;
use crate::local::mapping::{LONGEST_BACKOFF, Settings};
use crate::local::retries::{Retries, with_step};
use crate::local::sandbox::Program;
use crate::local::session::{Notice, Session};
use crate::local::stream::Reshard;
use crate::local::summary::Summary;
use crate::plan::PlanError;
use crate::report::{Reporter, Total};
use crate::settings::{Environment, LocalSettings, Sources, in_environment, resolve_local};

/// Runs the command, and reports what it did.
pub async fn run(args: RunArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    if args.probe.probe {
        return probe::run(&args, reporter).await;
    }
    let mut signals = signals()?;
    let chosen = chosen(&args)?;
    let topic = chosen.topic.value.clone();
    let mapped_topics = chosen.payload.other_topics(&topic).into_iter();
    let mapped_topics: Vec<String> = mapped_topics.map(str::to_owned).collect();
    let dead_letter_topic = chosen.dead_letter_topic.as_ref().map(|topic| topic.value.clone());
    rising(&args.mapping.reshard)?;
    let (source, total) = open(&args.input)?;
    let embedded;
    let (connection, in_memory) = if let Some(connection) = Connection::from_args(&args.broker).await? {
        unless_stopped(&mut signals, topics_exist(&connection, &chosen)).await?;
        (connection, false)
    } else {
        embedded = Embedded::start(&Plan {
            brokers: 1,
            topic: topic.clone(),
            partitions: args.partitions.unwrap_or(3),
            mapped_topics: mapped_topics.clone(),
            dead_letter_topic: dead_letter_topic.clone(),
        })?;
        (embedded.connection(), true)
    };
    let environment = variables(&connection, &chosen);
    let session = Session {
        settings: mapping(&chosen),
        shards: args.mapping.shards,
        reshardings: args.mapping.reshard,
        parallelization_factor: chosen.parallelization_factor.value,
        program: program(&args.function, chosen.timeout.value, in_memory, environment)?,
        destination: args.mapping.on_failure.as_deref().map(Destination::open).transpose()?,
    };
    if let Some(warning) = chosen.payload.disorder_by_lanes(&chosen.parallelization_factor) {
        reporter.note(&format!("warning: {warning}"));
    }
    reporter.start(total);
    let (clock, mut retries) = (Clock::start(), Retries::default());
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
            Notice::Event(event) => {
                if let Some(text) = retries.hear(event, tally.last_failure(), clock.elapsed()) {
                    reporter.note(&text);
                }
            }
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
        mapped_topics,
        topic,
        dead_letter_topic,
        bootstrap_servers: (!in_memory).then_some(connection.bootstrap_servers),
        in_memory,
        interrupted: ended.interrupted,
        error: error.as_ref().map(ToString::to_string),
        exit_code: exit.code(),
        summary: ended.summary,
    };
    output(reporter.result(&report))?;
    if let Some(error) = error {
        reporter.error(&format!("{error}\n  how far it came: {}", report.how_far()));
    } else if ended.interrupted {
        reporter.error(&format!("stopped by a signal\n  how far it came: {}", report.how_far()));
    } else if failed {
        let cause = report.summary.last_failure.as_deref();
        let cause = cause.map_or_else(String::new, |reason| format!(": {}", with_step(reason)));
        reporter.error(&format!(
            "{} record(s) were given up and are lost{cause}; run again with --on-failure FILE to keep such records",
            report.summary.failed
        ));
    }
    Ok(exit)
}

/// What the flags and the file of `--config` say, by the rules of a pipeline's settings. No variable of the environment counts here.
pub(super) fn chosen(args: &RunArgs) -> Result<LocalSettings, CommandError> {
    let RunArgs { mapping, function, .. } = args;
    let text = |number: Option<u32>| number.map(|number| number.to_string());
    let signed = |number: Option<i32>| number.map(|number| number.to_string());
    let flags = SettingsArgs {
        env: args.env.clone(),
        stream: args.stream.iter().cloned().collect(),
        topic: args.topic.clone(),
        payload: args.payload.clone(),
        on_poison: args.on_poison.map(|how| how.name().to_owned()),
        dead_letter_topic: args.dead_letter_topic.clone(),
        batch_size: text(mapping.batch_size),
        batching_window: text(mapping.batching_window),
        parallelization_factor: text(mapping.parallelization_factor),
        retries: signed(mapping.retries),
        maximum_record_age: signed(mapping.maximum_record_age),
        bisect: mapping.no_bisect.then(|| "false".to_owned()),
        timeout: text(function.timeout),
        ..SettingsArgs::default()
    };
    let file = args.config.as_deref().map(load).transpose()?;
    let file = in_environment(&flags, &Environment::new(), file, "")?;
    let chosen = resolve_local(Sources {
        flags: &flags,
        environment: &Environment::new(),
        file: file.as_ref(),
    })?;
    let strict = &chosen.payload.strict_order;
    let reasons = chosen.payload.disorder(&chosen.parallelization_factor);
    if strict.value && !reasons.is_empty() {
        return Err(PlanError::Disorder {
            by: strict.source.clone(),
            reasons,
        }
        .into());
    }
    Ok(chosen)
}

/// Asks the cluster for each topic that messages may go to.
async fn topics_exist(connection: &Connection, chosen: &LocalSettings) -> Result<(), BrokerError> {
    let topic = &chosen.topic.value;
    connection.check(topic).await?;
    for name in chosen.payload.other_topics(topic) {
        connection.check_mapped(name).await?;
    }
    if let Some(topic) = &chosen.dead_letter_topic {
        connection.check_dead_letter(&topic.value).await?;
    }
    Ok(())
}

/// The handler's variables.
pub(super) fn variables(connection: &Connection, chosen: &LocalSettings) -> Vec<(String, String)> {
    let mut variables = connection.environment(&chosen.topic.value);
    variables.extend(chosen.payload.variables());
    if let Some(topic) = &chosen.dead_letter_topic {
        let how = chosen.on_poison.value.name();
        variables.push(("K2M_ON_POISON".to_owned(), how.to_owned()));
        variables.push(("K2M_DEAD_LETTER_TOPIC".to_owned(), topic.value.clone()));
    }
    variables
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

fn mapping(chosen: &LocalSettings) -> Settings {
    let age = chosen.maximum_record_age.as_ref().map(|age| i64::from(age.value));
    Settings {
        batch_size: chosen.batch_size.value as usize,
        window: i64::from(chosen.batching_window.value) * 1000,
        retries: u32::try_from(chosen.retries.value).ok(),
        maximum_age: age.filter(|age| *age >= 0).map(|age| age * 1000),
        bisect: chosen.bisect.value,
        // Without them the handler's answer would say nothing, and what failed would count as done.
        partial_failures: true,
        longest_backoff: LONGEST_BACKOFF,
    }
}

/// The handler's process.
pub(super) fn program(
    args: &FunctionArgs,
    timeout: u32,
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
        timeout: Duration::from_secs(u64::from(timeout)),
        freeze: args.freeze,
        log: log.transpose()?.map(Arc::new),
    })
}

/// What `run` says at its end.
#[derive(Debug, Serialize)]
struct Report {
    topic: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mapped_topics: Vec<String>,
    dead_letter_topic: Option<String>,
    bootstrap_servers: Option<String>,
    in_memory: bool,
    interrupted: bool,
    #[serde(flatten)]
    summary: Summary,
    error: Option<String>,
    exit_code: u8,
}

impl Report {
    /// For a run that ended before its time.
    fn how_far(&self) -> String {
        let Summary {
            lines,
            records,
            acknowledged,
            dead_lettered,
            diverted,
            failed,
            unsent,
            ..
        } = &self.summary;
        format!(
            "{lines} lines were read; of {records} records {acknowledged} are acknowledged, {dead_lettered} dead-lettered, {diverted} diverted, {failed} failed, \
             {unsent} not sent"
        )
    }
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

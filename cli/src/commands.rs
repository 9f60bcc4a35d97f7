//! The subcommands, one short file each, and what can end them.

mod attended;
pub mod bootstrap;
pub mod broker;
mod chosen;
pub mod completions;
pub mod demo;
pub mod deploy;
mod deployed;
pub mod destroy;
pub mod doctor;
pub mod explain;
mod file;
mod function;
mod health;
pub mod import;
pub mod init;
pub mod inspect;
pub mod logs;
mod look;
mod networks;
pub mod plan;
mod probe;
pub mod render;
pub mod run;
pub mod schema;
pub mod status;

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use k2m_handler::secret::SecretError;
use thiserror::Error;

pub use self::deployed::DeployedError;
pub use self::function::FunctionError;
use self::import::ImportError;
use self::init::InitError;
use crate::arn::PlaceError;
use crate::aws::LookError;
use crate::deploy::{DeployError, columns};
use crate::doctor::Contradiction;
use crate::doctor::html::PageError;
use crate::exit::Exit;
use crate::facts::file::FactsError;
use crate::local::broker::BrokerError;
use crate::local::destination::DestinationError;
use crate::local::embedded::EmbeddedError;
use crate::local::engine::EngineError;
use crate::local::input::InputError;
use crate::local::session::Signals;
use crate::plan::{Plan, PlanError, limits};
use crate::report::{Failure, Screen};
use crate::settings::SettingsError;
use crate::template::{Template, TemplateError};

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CommandError {
    /// Options of the command line that don't fit together.
    #[error("{0}")]
    Usage(String),
    /// A file that is named on the command line.
    #[error("failed to open {path}, given with {option}: {source}; name a file that is there and can be read")]
    Open {
        /// The file.
        path: PathBuf,
        /// The option that names it.
        option: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// The cluster.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The embedded cluster.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The failure destination, before the run.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The ARNs, the region and the credentials don't fit together.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// AWS can't be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A function that was named by itself.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// A stack that is to be watched.
    #[error(transparent)]
    Deployed(#[from] DeployedError),
    /// No settings were written.
    #[error(transparent)]
    Init(#[from] InitError),
    /// Nothing was imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The file of `--facts`.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// There is no plan.
    #[error(transparent)]
    Plan(Box<PlanError>),
    /// The template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// What was named is not what the stack has.
    #[error(transparent)]
    Contradiction(#[from] Box<Contradiction>),
    /// What the settings are to be completed by could not be seen.
    #[error(transparent)]
    Unseen(Box<DeployError>),
    /// The page of a report.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The deployment.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// A file that a command was to write.
    #[error("failed to write {path}: {source}; name a place that is there and can be written to, with room")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Standard output.
    #[error("failed to write to standard output: {0}; see whether the disk that it goes to is full")]
    Output(io::Error),
    /// Something of this machine that is needed for any run.
    #[error(
        "failed to {what}: {source}; this machine refuses it, see its limits on processes and open files (ulimit -a)"
    )]
    Machine {
        /// What was tried.
        what: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// Ctrl-C or SIGTERM before anything was done.
    #[error("stopped by a signal before anything was sent or changed; run the same command to begin again")]
    Interrupted,
    /// Ctrl-C or SIGTERM while doctor looked.
    #[error("stopped by a signal while looking, which changes nothing; run the same command to look again")]
    InterruptedLook,
    /// Ctrl-C or SIGTERM while the function was at what it was asked to do.
    #[error("stopped by a signal while the probe was under way: {0}")]
    InterruptedProbe(&'static str),
    /// The function did not answer the probe.
    #[error("the handler did not answer the probe: {0}; --handler-log keeps all that it says")]
    NoProbe(String),
    /// What the demo delivered can't be told.
    #[error("{0}")]
    Unverified(String),
}

impl From<PlanError> for CommandError {
    fn from(error: PlanError) -> Self {
        Self::Plan(Box::new(error))
    }
}

impl CommandError {
    /// What kind of an error it is, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) | Self::Place(_) => "usage",
            Self::Open { .. } | Self::Write { .. } | Self::Output(_) | Self::Page(_) => "file",
            Self::Broker(_) | Self::Embedded(_) => "broker",
            Self::Engine(EngineError::Input(_)) => "input",
            Self::Engine(_) | Self::Destination(_) => "run",
            Self::Look(_) | Self::Unseen(_) => "aws",
            Self::Settings(_) => "settings",
            Self::Function(_) => "function",
            Self::Deployed(_) => "stack",
            Self::Init(_) => "init",
            Self::Import(_) => "import",
            Self::Facts(_) => "facts",
            Self::Plan(_) => "plan",
            Self::Template(_) => "template",
            Self::Contradiction(_) => "contradiction",
            Self::Deploy(_) => "deploy",
            Self::Machine { .. } => "machine",
            Self::Interrupted | Self::InterruptedLook | Self::InterruptedProbe(_) => "interrupted",
            Self::NoProbe(_) => "probe",
            Self::Unverified(_) => "demo",
        }
    }

    /// The document of it.
    pub fn failure(&self) -> Failure {
        let error = self.to_string();
        let mut causes = Vec::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        // What is passed through says nothing more.
        causes.retain(|cause| *cause != error);
        causes.dedup();
        Failure {
            kind: self.kind(),
            causes,
            next: self.next(&error),
            exit_code: self.exit().code(),
            error,
        }
    }

    /// What to do next, which mostly its text says.
    fn next(&self, error: &str) -> Vec<String> {
        let steps = next(error);
        match self {
            Self::Settings(SettingsError::Invalid { setting, .. }) if steps.is_empty() => {
                vec![format!("docs/settings.md says what {setting} can be")]
            }
            _ => steps,
        }
    }

    /// The exit code that it ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Open { .. } => Exit::NoFile,
            Self::Broker(error) => match error {
                BrokerError::NoSecret { .. }
                | BrokerError::UnusedSecret { .. }
                | BrokerError::UnusedRegion { .. }
                | BrokerError::SecretArn { .. }
                | BrokerError::NoRegion
                | BrokerError::Region(_) => Exit::Usage,
                BrokerError::CaFile { .. }
                | BrokerError::NoCertificate { .. }
                | BrokerError::Secret {
                    source: SecretError::File { .. } | SecretError::Shape { .. },
                    ..
                } => Exit::NoFile,
                BrokerError::NoTopic { .. } => Exit::NoTopic,
                BrokerError::Settings { .. }
                | BrokerError::Unreachable { .. }
                | BrokerError::Topic { .. }
                | BrokerError::Question { .. } => Exit::NoBroker,
                BrokerError::Internal(_) | BrokerError::Secret { .. } => Exit::Failed,
            },
            Self::Engine(error) => match error {
                EngineError::Input(InputError::Line { .. }) => Exit::BadInput,
                EngineError::Input(InputError::Read { .. }) => Exit::Io,
                EngineError::Destination(error) => destination(error),
                EngineError::Sandbox(_) | EngineError::Internal(_) => Exit::Failed,
            },
            Self::Destination(error) => destination(error),
            Self::Output(_) | Self::Write { .. } => Exit::Io,
            Self::Interrupted | Self::InterruptedLook | Self::InterruptedProbe(_) => Exit::Interrupted,
            Self::Usage(_) | Self::Place(_) => Exit::Usage,
            Self::Look(_) | Self::Unseen(_) => Exit::CouldNotTell,
            Self::Contradiction(error) => error.exit(),
            Self::Settings(error) => error.exit(),
            Self::Function(error) => error.exit(),
            Self::Deployed(error) => error.exit(),
            Self::Init(error) => error.exit(),
            Self::Import(error) => error.exit(),
            Self::Facts(error) => error.exit(),
            Self::Plan(error) => error.exit(),
            Self::Template(error) => error.exit(),
            Self::Page(error) => error.exit(),
            Self::Deploy(error) => error.exit(),
            Self::Embedded(_) | Self::Machine { .. } | Self::NoProbe(_) | Self::Unverified(_) => Exit::Failed,
        }
    }
}

/// The next steps that an error names: its indented lines without evidence, which is a list or has a name before it, else what its first line says to do, and all that
/// comes after that; where it says so in other words, what comes after its last semicolon.
fn next(error: &str) -> Vec<String> {
    let named = |line: &str| {
        let name = line.split_once(": ").map(|(name, _)| name);
        name.is_some_and(|name| name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric))
    };
    let hints = error.lines().filter_map(|line| line.strip_prefix("  "));
    let hints = hints.filter(|line| !line.starts_with(['-', ' ']) && !named(line));
    let hints: Vec<String> = hints.map(str::to_owned).collect();
    if !hints.is_empty() {
        return hints;
    }
    let line = error.lines().next().unwrap_or_default();
    let parts = parts(line);
    let told = parts
        .iter()
        .position(|part| STEPS.iter().any(|step| part.text.starts_with(step)));
    let last = || parts.iter().rposition(|part| part.after == ';');
    let Some(first) = told.or_else(last) else {
        return Vec::new();
    };
    let mut steps: Vec<String> = Vec::new();
    for part in parts.get(first..).unwrap_or_default() {
        match steps.last_mut().filter(|_| part.after == ':') {
            Some(step) => step.extend([": ", part.text]),
            None => steps.push(part.text.to_owned()),
        }
    }
    steps
}

/// What a step begins with that stands behind a colon, or has another behind it.
const STEPS: [&str; 17] = [
    "add ",
    "choose ",
    "did you mean ",
    "give ",
    "leave ",
    "look again",
    "name a ",
    "name an ",
    "name another",
    "name each ",
    "name it",
    "name one ",
    "name the ",
    "run ",
    "set it ",
    "take ",
    "use ",
];

/// A part of a sentence.
struct Part<'a> {
    /// The sign that it comes after.
    after: char,
    text: &'a str,
}

/// A line at its semicolons and colons, but for those of what stands in backticks.
fn parts(line: &str) -> Vec<Part<'_>> {
    let (mut parts, mut from, mut after) = (Vec::new(), 0, ' ');
    let (mut code, mut before) = (false, ' ');
    for (at, c) in line.char_indices() {
        code ^= c == '`';
        if c == ' ' && !code && matches!(before, ';' | ':') {
            let text = line.get(from..at - 1).unwrap_or_default();
            parts.push(Part { after, text });
            (from, after) = (at + 1, before);
        }
        before = c;
    }
    let text = line.get(from..).unwrap_or_default();
    parts.push(Part { after, text });
    parts
}

/// The template of a plan, unless it is more than CloudFormation takes.
fn rendered(plan: &Plan) -> Result<Template, CommandError> {
    let template = Template::new(plan)?;
    limits::fit(plan, template.text().len(), template.resources())?;
    Ok(template)
}

fn destination(error: &DestinationError) -> Exit {
    match error {
        DestinationError::Open { .. } => Exit::NoFile,
        DestinationError::Write { .. } => Exit::Io,
    }
}

/// Passes over a reader that has gone away, such as `head`: it has seen what it wanted.
pub fn output(written: io::Result<()>) -> Result<(), CommandError> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::Output(error)),
        _ => Ok(()),
    }
}

/// A text for people, laid out for where it is read: on a terminal long lines are broken between words, elsewhere it stays as it is.
fn folded(text: &str, screen: Screen) -> String {
    const NARROWEST: usize = 40;
    let columns = screen.columns.map(|columns| columns.max(NARROWEST));
    columns.map_or_else(|| text.to_owned(), |columns| columns::folded(text, columns))
}

/// Begins to listen for signals.
pub fn signals() -> Result<Signals, CommandError> {
    Signals::listen().map_err(|source| CommandError::Machine {
        what: "listen for signals",
        source,
    })
}

/// What the work comes to, given up when a signal comes: for work that has sent and changed nothing yet.
pub async fn unless_stopped<T, E>(
    signals: &mut Signals,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, CommandError>
where
    CommandError: From<E>,
{
    tokio::select! {
        done = work => Ok(done?),
        () = signals.next() => Err(CommandError::Interrupted),
    }
}

/// This executable, as the handler's process; `embedded`: in front of the embedded brokers.
fn own_handler(embedded: bool) -> Result<(PathBuf, Vec<String>), CommandError> {
    let path = std::env::current_exe().map_err(|source| CommandError::Machine {
        what: "find k2m's own executable",
        source,
    })?;
    let arguments = ["bootstrap"].into_iter().chain(embedded.then_some("--embedded"));
    Ok((path, arguments.map(str::to_owned).collect()))
}

/// Refuses a folder where a file is asked for.
fn not_a_folder(path: &Path, option: &'static str, metadata: &std::fs::Metadata) -> Result<(), CommandError> {
    if metadata.is_dir() {
        return Err(CommandError::Open {
            path: path.to_owned(),
            option,
            source: io::ErrorKind::IsADirectory.into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::SettingsArgs;
    use crate::settings::{Environment, Sources, resolve};

    #[test]
    fn next_steps_are_what_an_error_says_to_do() {
        for (error, steps) in [
            (
                "no topic: give --topic NAME, or --config FILE",
                &["give --topic NAME, or --config FILE"][..],
            ),
            ("it is gone; `k2m deploy` makes it", &["`k2m deploy` makes it"]),
            (
                "no cluster: give `cluster: ARN`; `k2m init` asks",
                &["give `cluster: ARN`", "`k2m init` asks"],
            ),
            (
                "invalid value `a; b: give c` for --region: give a region",
                &["give a region"],
            ),
            ("x says a: give one: such as b; or c", &["give one: such as b", "or c"]),
            ("it is broken\n  - evidence\n  mend it\n  Error: said", &["mend it"]),
            ("it is named env: prod", &[]),
            ("stopped", &[]),
        ] {
            assert_eq!(next(error), steps, "{error}");
        }
    }

    #[test]
    fn settings_that_cannot_be_used_say_what_to_give() {
        let mut text = String::new();
        let whole = || SettingsArgs {
            stream: vec!["arn:aws:kinesis:eu-west-1:123456789012:stream/orders".to_owned()],
            cluster: Some("arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1".to_owned()),
            ..SettingsArgs::default()
        };
        let all = [
            SettingsArgs::default(),
            SettingsArgs {
                region: Some("x".to_owned()),
                ..whole()
            },
            SettingsArgs {
                topic: Some("..".to_owned()),
                ..whole()
            },
            SettingsArgs {
                region: Some("us-east-1".to_owned()),
                ..whole()
            },
        ];
        for flags in all {
            let error = resolve(Sources {
                flags: &flags,
                environment: &Environment::new(),
                file: None,
            });
            let failure = CommandError::from(error.unwrap_err()).failure();
            assert!(!failure.next.is_empty(), "{}", failure.error);
            let next = failure.next.join("\nnext: ");
            text.extend(["error: ", &failure.error, "\nnext: ", &next, "\n\n"]);
        }
        insta::assert_snapshot!(text);
    }
}

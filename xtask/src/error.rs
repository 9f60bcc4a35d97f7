//! Why a release can't be packed.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use thiserror::Error;

/// Why a release can't be packed.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A program can't be started, or says that it failed.
    #[error("failed to run `{command}`: {reason}")]
    Program {
        /// Its command line.
        command: String,
        /// What happened.
        reason: String,
    },
    /// A file or a folder.
    #[error("failed to {doing} {path}: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Anything else, with the next step.
    #[error("{0}")]
    Unfit(String),
}

/// What the work comes to.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// For a file or a folder.
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}

/// Waits for a program that must succeed; what it says is kept.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let output = command.output().map_err(|error| failed(command, &error.to_string()))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(command, &format!("{}\n{}", output.status, said.trim_end())))
}

/// The same for its standard output as text.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&output(command)?.stdout).into_owned())
}

/// The same of a program that tells whoever watches how it gets on.
pub(crate) fn watched(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(command, &error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(command, &output.status.to_string()))
}

fn failed(command: &Command, reason: &str) -> Error {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect();
    Error::Program {
        command: words.join(" "),
        reason: reason.to_owned(),
    }
}

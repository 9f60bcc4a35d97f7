//! Everything that can go wrong while the ground is laid or used.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::error::KafkaError;

/// What the functions of this crate answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the ground can't be used; the text says what to do about it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program that the tests need is not on the PATH.
    #[error("`{program}` was not found: install {install}")]
    Missing {
        /// The program's name.
        program: &'static str,
        /// What to install, or what to set instead.
        install: &'static str,
    },
    /// A program ran and failed.
    #[error("`{command}` failed ({status}): {output}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// A folder given by the environment does not hold what it should.
    #[error("{variable}={}: {reason}", path.display())]
    Setting {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// The operating system refused something.
    #[error("can't {doing}: {source}")]
    Io {
        /// What was being done, with the path or address.
        doing: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("can't make the certificates of the TLS listener: {0}")]
    Certificate(#[from] rcgen::Error),
    /// Every block of ports is in use.
    #[error("no {wanted} free ports between {first} and {last} on 127.0.0.1: stop what listens there")]
    NoPorts {
        /// Ports wanted at once.
        wanted: usize,
        /// First port looked at.
        first: u16,
        /// Last port looked at.
        last: u16,
    },
    /// A broker's process ended by itself.
    #[error("broker {id} ended by itself ({status}); its log ends with:\n{log}")]
    BrokerExited {
        /// The broker's id.
        id: i32,
        /// How it ended.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A condition did not come true in time.
    #[error("{what}: not so after {waited:?}{last}")]
    NotInTime {
        /// The condition.
        what: String,
        /// How long it was waited for.
        waited: Duration,
        /// The last reason why not, or empty.
        last: String,
    },
    /// The broker was asked for something and refused.
    #[error("{doing}: {reason}")]
    Refused {
        /// What was asked for.
        doing: String,
        /// The broker's or client's reason.
        reason: String,
    },
    /// The Kafka client failed.
    #[error("can't {doing}: {source}")]
    Client {
        /// What was being done.
        doing: String,
        /// The client's reason.
        source: KafkaError,
    },
    /// The cluster was built otherwise than it is used.
    #[error("{0}")]
    Usage(String),
    /// The reader's report could not be understood.
    #[error("the reader printed no report that can be read ({source}): {text}")]
    Report {
        /// The reason.
        source: serde_json::Error,
        /// What it printed.
        text: String,
    },
}

/// A test that fails shows its error through `Debug`: the text serves the reader better than the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Adapts an IO error: `doing` reads well after "can't".
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let doing = doing.into();
        move |source| Error::Io { doing, source }
    }

    /// Adapts an error of the Kafka client: `doing` reads well after "can't".
    pub(crate) fn client(doing: impl Into<String>) -> impl FnOnce(KafkaError) -> Error {
        let doing = doing.into();
        move |source| Error::Client { doing, source }
    }
}

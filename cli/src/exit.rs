//! The exit codes of `k2m`, in one table that the documentation is checked against.

/// How a command ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Fine = 0,
    /// Records were lost to `failed`, or the run broke.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A deployment would change something.
    ChangesPending = 3,
    /// AWS did not say enough to judge.
    CouldNotTell = 4,
    /// A line of the input is not a record.
    BadInput = 65,
    /// A file named on the command line can't be opened.
    NoFile = 66,
    /// The topic does not exist.
    NoTopic = 67,
    /// The broker can't be reached or used.
    NoBroker = 69,
    /// A file could not be written or read to its end.
    Io = 74,
    /// Stopped by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl Exit {
    /// Each code with its meaning, in the order of the documentation.
    pub const TABLE: [(Self, &'static str); 9] = [
        (
            Self::Fine,
            "everything was done; diverted records are safe in the file of `--on-failure`, dead-lettered ones in their topic",
        ),
        (
            Self::Failed,
            "records were discarded without a failure destination, the run broke, or the probe found a failure",
        ),
        (Self::Usage, "the command line is wrong"),
        (
            Self::BadInput,
            "a line of the input is not a record; the lines before it were delivered",
        ),
        (Self::NoFile, "a file named on the command line can't be opened"),
        (Self::NoTopic, "the topic or the dead-letter topic does not exist"),
        (Self::NoBroker, "the broker can't be reached or used"),
        (Self::Io, "a file could not be written or read to its end (disk full)"),
        (Self::Interrupted, "stopped by Ctrl-C or SIGTERM"),
    ];

    /// The codes of the commands that look at AWS, in the order of the documentation.
    pub const LOOKING: [(Self, &'static str); 4] = [
        (Self::Fine, "all that is needed could be seen"),
        (Self::Failed, "a stream or the cluster is absent"),
        (
            Self::Usage,
            "the command line is wrong, or the ARNs, the region and the credentials don't fit together",
        ),
        (
            Self::CouldNotTell,
            "something that is needed could not be seen: no right to look, no credentials, nothing answered",
        ),
    ];

    /// The codes of `k2m plan`, in the order of the documentation.
    pub const PLANNING: [(Self, &'static str); 5] = [
        (Self::Fine, "the plan is what is deployed: nothing would change"),
        (
            Self::Failed,
            "there is no plan: something stands in the way, and the message says how to mend it",
        ),
        (
            Self::Usage,
            "the command line or k2m.yaml is wrong, or the facts are of other pipelines",
        ),
        (Self::ChangesPending, "a deployment would change something"),
        (
            Self::CouldNotTell,
            "what the plan needs could not be seen, or what is deployed could not be compared",
        ),
    ];

    /// The codes of `deploy` and `destroy`, in the order of the documentation.
    pub const DEPLOYING: [(Self, &'static str); 7] = [
        (Self::Fine, "the stack is as it should be"),
        (
            Self::Failed,
            "AWS refused or failed, there is no plan, or the change was not confirmed; a function, an event source mapping or a topic is gone, and no deployment makes it again; `--verify`: a pipeline does not deliver, and the stack stays",
        ),
        (
            Self::Usage,
            "the command line is wrong, or there is nobody to ask and no `--yes`",
        ),
        (Self::ChangesPending, "`--plan`: there are changes"),
        (
            Self::CouldNotTell,
            "AWS can't be reached, or a right to look is missing, and nothing was changed; `--plan`: what would change can't be told; `--verify`: whether records arrive can't be told",
        ),
        (Self::NoFile, "the file of `--handler` can't be read"),
        (Self::Interrupted, "stopped by Ctrl-C or SIGTERM"),
    ];

    /// The codes of `k2m import`, in the order of the documentation.
    pub const IMPORTING: [(Self, &'static str); 8] = [
        (
            Self::Fine,
            "all that the template says of the mapping is settled, and the file is written",
        ),
        (
            Self::Failed,
            "no function reads a Kinesis data stream, what there is does not fit into one stack, or the file was not to be overwritten",
        ),
        (
            Self::Usage,
            "the command line is wrong, such as a value that the template's parameter does not take, or a file is there and there is nobody to ask and no `--yes`",
        ),
        (
            Self::CouldNotTell,
            "something could not be told: of stream, cluster or authentication, and nothing is written; of something else, and k2m's default holds",
        ),
        (
            Self::BadInput,
            "the file is no template, or a value in it or in samconfig.toml can't be",
        ),
        (Self::NoFile, "there is no template, or it can't be read"),
        (Self::Io, "the file of settings could not be written"),
        (Self::Interrupted, "stopped by Ctrl-C or SIGTERM"),
    ];

    /// The number that the process returns.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn documentation_has_the_same_tables() {
        type Table = [(Exit, &'static str)];
        let tables: [(&str, &str, &Table); 5] = [
            ("run.md", include_str!("../../docs/run.md"), &Exit::TABLE),
            ("facts.md", include_str!("../../docs/facts.md"), &Exit::LOOKING),
            ("plan.md", include_str!("../../docs/plan.md"), &Exit::PLANNING),
            ("deploy.md", include_str!("../../docs/deploy.md"), &Exit::DEPLOYING),
            ("import.md", include_str!("../../docs/import.md"), &Exit::IMPORTING),
        ];
        for (file, documented, table) in tables {
            for (exit, meaning) in table {
                let row = format!("| {} | {meaning} |", exit.code());
                assert!(documented.contains(&row), "docs/{file} lacks the row `{row}`");
            }
        }
    }
}

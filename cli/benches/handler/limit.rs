//! A limit to the memory of a process and of what it becomes: a control group where the kernel lets us make one, else the weaker limit that
//! every process can set itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;

/// The limit; it ends with this value.
pub(crate) enum Limit {
    /// A control group: everything that the kernel counts for the process, page cache too.
    Group {
        folder: PathBuf,
        /// Names of the files that tell its peak and how often the limit was hit.
        files: Files,
    },
    /// `RLIMIT_DATA`: private memory that the process may write to.
    Data { bytes: u64 },
}

/// A version of control groups.
#[derive(Clone, Copy)]
pub(crate) struct Files {
    version: u8,
    root: &'static str,
    limit: &'static str,
    peak: &'static str,
}

const VERSIONS: [Files; 3] = [
    Files {
        version: 2,
        root: "/sys/fs/cgroup",
        limit: "memory.max",
        peak: "memory.peak",
    },
    Files {
        version: 2,
        root: "/sys/fs/cgroup/unified",
        limit: "memory.max",
        peak: "memory.peak",
    },
    Files {
        version: 1,
        root: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        peak: "memory.max_usage_in_bytes",
    },
];

impl Limit {
    /// The strongest one that can be had.
    pub(crate) fn new(bytes: u64) -> Self {
        for (number, files) in VERSIONS.into_iter().enumerate() {
            let folder = Path::new(files.root).join(format!("k2m-benchmark-{}-{number}", std::process::id()));
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            // The kernel fills the folder of a group with files; without the controller for memory this one is missing, and where control groups
            // are mounted elsewhere all are.
            let file = folder.join(files.limit);
            if file.is_file() && fs::write(file, bytes.to_string()).is_ok() {
                return Self::Group { folder, files };
            }
            // It is empty, or the kernel's: else it stays, and does no harm.
            let _ = fs::remove_dir(&folder);
        }
        Self::Data { bytes }
    }

    /// A shell's arguments that put it under the limit, and then make it the program.
    pub(crate) fn command(&self, program: &Path) -> Vec<String> {
        let program = program.display();
        let script = match self {
            Self::Group { folder, .. } => format!("echo $$ > '{}/cgroup.procs' && exec '{program}'", folder.display()),
            Self::Data { bytes } => format!("ulimit -d {} && exec '{program}'", bytes / 1024),
        };
        vec!["-c".to_owned(), script]
    }

    /// What limits, in words.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Group { files, .. } => format!("a control group (version {}, `{}`)", files.version, files.limit),
            Self::Data { .. } => {
                "`RLIMIT_DATA`, since no control group could be made: it leaves out code and page cache".to_owned()
            }
        }
    }

    /// The most that was ever counted, where it is.
    pub(crate) fn peak(&self) -> Result<Option<u64>> {
        match self {
            Self::Group { folder, files } => match fs::read_to_string(folder.join(files.peak)) {
                Ok(text) => Ok(Some(text.trim().parse()?)),
                // Older kernels lack it in version 2.
                Err(_) => Ok(None),
            },
            Self::Data { .. } => Ok(None),
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Self::Group { folder, .. } = self {
            // Its process was waited for; a group that can't be removed holds nothing.
            let _ = fs::remove_dir(folder);
        }
    }
}

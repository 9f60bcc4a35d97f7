//! The function's code: where it is found, in k2m's own executable, in a file or built in a checkout; and that Lambda can run it.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::path::{Path, PathBuf};

use k2m_bundle::carried::{Carried, CarriedError};
pub use k2m_bundle::{Architecture, BOOTSTRAP, sha256};
use k2m_bundle::{check, pack};
use thiserror::Error;
use zip::ZipArchive;

use super::architecture::choose;

/// Lambda's limit for a zip, in bytes.
const MOST_ZIPPED: u64 = 50 * 1024 * 1024;
/// Lambda's limit for what is in it, in bytes.
const MOST_UNZIPPED: u64 = 250 * 1024 * 1024;

/// A zip that holds `bootstrap`, ready to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The zip.
    pub zip: Vec<u8>,
    /// SHA-256 of the zip, 64 hexadecimal digits.
    pub sha256: String,
    /// What it runs on.
    pub architecture: Architecture,
}

/// Why there is no bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// It can't be read.
    #[error(
        "failed to read the handler {path}: {source}\n  name a bootstrap binary, or a zip that holds one, with --handler PATH"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// It is no file.
    #[error(
        "the handler {path} is {what}, not a file\n  name a bootstrap binary, or a zip that holds one, with --handler PATH"
    )]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Lambda can't run it.
    #[error("Lambda can't run the handler {path}: {reason}\n  {next}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        next: &'static str,
    },
    /// It is more than Lambda takes.
    #[error(
        "the handler {path} is too large: {what} of {bytes} bytes, and Lambda takes {most}\n  build it with --release and strip it"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is measured.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The zip can't be read or written.
    #[error(
        "failed to {doing} the zip of the handler {path}: {reason}\n  a zip with the executable `bootstrap` at its root is needed"
    )]
    Zip {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        reason: String,
    },
    /// What k2m carries can't be read.
    #[error(
        "failed to read the handler that k2m carries: {executable}: {source}\n  unpack the archive of the release again, or name a handler with --handler PATH"
    )]
    Carried {
        /// k2m's own executable.
        executable: PathBuf,
        /// Why not.
        source: CarriedError,
    },
    /// There is none, and nothing to build one from.
    #[error(
        "there is no handler to deploy{}: none in {executable}, no `bootstrap` beside it, and this is not a checkout of k2m\n  \
         take the k2m of a release, which carries it, or name one with --handler PATH",
        wanted.map(|wanted| format!(" for {}", wanted.name())).unwrap_or_default()
    )]
    Nowhere {
        /// k2m's own executable.
        executable: PathBuf,
        /// The processor that was chosen.
        wanted: Option<Architecture>,
    },
    /// Cargo can't build it.
    #[error(
        "failed to build the handler in {workspace}: {reason}\n  build it with `{BUILD}` to see more, or name one with --handler PATH"
    )]
    Build {
        /// The checkout.
        workspace: PathBuf,
        /// The end of what cargo said.
        reason: String,
    },
}

/// How the handler is built in a checkout.
pub const BUILD: &str = "cargo build --release --locked -p k2m-handler --bin bootstrap";

/// Where the handler comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// k2m's own executable, which carries one for this processor.
    Carried(Architecture),
    /// A file that is there.
    File(PathBuf),
    /// A checkout to build it in.
    Checkout(PathBuf),
}

/// What somebody chose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The handler itself.
    pub handler: Option<&'a Path>,
    /// The processor that it has to be for.
    pub architecture: Option<Architecture>,
}

/// Finds the handler: the one that was named, else one that k2m carries, else the one beside k2m's executable, else the checkout that k2m runs from.
/// `here` is the current folder.
pub fn find(wanted: Wanted<'_>, executable: &Path, here: &Path) -> Result<Origin, BundleError> {
    if let Some(path) = wanted.handler {
        return Ok(Origin::File(path.to_owned()));
    }
    if let Some(architecture) = choose(wanted.architecture, &open(executable)?.architectures()) {
        return Ok(Origin::Carried(architecture));
    }
    let beside = executable.with_file_name(BOOTSTRAP);
    if beside.is_file() {
        return Ok(Origin::File(beside));
    }
    let checkout = executable
        .ancestors()
        .skip(1)
        .chain(here.ancestors())
        .find(|folder| is_checkout(folder));
    checkout
        .map(|folder| Origin::Checkout(folder.to_owned()))
        .ok_or_else(|| BundleError::Nowhere {
            executable: executable.to_owned(),
            wanted: wanted.architecture,
        })
}

fn open(executable: &Path) -> Result<Carried, BundleError> {
    Carried::open(executable).map_err(|source| BundleError::Carried {
        executable: executable.to_owned(),
        source,
    })
}

/// The handler that k2m carries for a processor, packed when k2m was.
pub fn carried(executable: &Path, architecture: Architecture) -> Result<Bundle, BundleError> {
    let zip = open(executable)?
        .read(architecture)
        .map_err(|source| BundleError::Carried {
            executable: executable.to_owned(),
            source,
        })?
        .ok_or_else(|| BundleError::Nowhere {
            executable: executable.to_owned(),
            wanted: Some(architecture),
        })?;
    Ok(Bundle {
        sha256: sha256(&zip),
        zip,
        architecture,
    })
}

fn is_checkout(folder: &Path) -> bool {
    let manifest = std::fs::read_to_string(folder.join("handler/Cargo.toml")).unwrap_or_default();
    folder.join("Cargo.lock").is_file() && manifest.lines().any(|line| line.trim() == "name = \"k2m-handler\"")
}

/// Builds the handler in a checkout, and says where it is.
pub async fn build(workspace: &Path) -> Result<PathBuf, BundleError> {
    let failed = |reason: String| BundleError::Build {
        workspace: workspace.to_owned(),
        reason,
    };
    let mut words = BUILD.split(' ');
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| words.next().unwrap_or_default().into());
    let output = tokio::process::Command::new(cargo)
        .args(BUILD.split(' ').skip(1))
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(format!("cargo can't be run: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().collect();
        return Err(failed(lines[lines.len().saturating_sub(12)..].join("\n")));
    }
    // Cargo knows where it put it; CARGO_TARGET_DIR and the configuration can move it anywhere.
    output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == BOOTSTRAP)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| failed("cargo did not say where it put the binary".to_owned()))
}

/// Reads the handler, a binary or a zip that holds one, checks it and packs it.
pub fn read(path: &Path) -> Result<Bundle, BundleError> {
    let unreadable = |source| BundleError::Read {
        path: path.to_owned(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() {
            "a folder"
        } else {
            "a device or a pipe"
        };
        return Err(BundleError::NoFile {
            path: path.to_owned(),
            what,
        });
    }
    within(path, "a file", metadata.len(), MOST_UNZIPPED)?;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let binary = if bytes.starts_with(b"PK") {
        unpack(path, &bytes)?
    } else {
        bytes
    };
    let architecture = check(&binary).map_err(|unfit| BundleError::Unfit {
        path: path.to_owned(),
        reason: unfit.reason,
        next: unfit.next,
    })?;
    // A zip is packed anew too: what else is in it is of no use to the function, and its times would change the hash.
    let zip = pack(&binary).map_err(|error| BundleError::Zip {
        path: path.to_owned(),
        doing: "write",
        reason: error.to_string(),
    })?;
    within(path, "a zip", zip.len() as u64, MOST_ZIPPED)?;
    Ok(Bundle {
        sha256: sha256(&zip),
        zip,
        architecture,
    })
}

fn within(path: &Path, what: &'static str, bytes: u64, most: u64) -> Result<(), BundleError> {
    if bytes <= most {
        return Ok(());
    }
    Err(BundleError::TooLarge {
        path: path.to_owned(),
        what,
        bytes,
        most,
    })
}

fn unpack(path: &Path, zip: &[u8]) -> Result<Vec<u8>, BundleError> {
    let unreadable = |reason: String| BundleError::Zip {
        path: path.to_owned(),
        doing: "read",
        reason,
    };
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|error| unreadable(error.to_string()))?;
    let entry = archive
        .by_name(BOOTSTRAP)
        .map_err(|error| unreadable(format!("no `{BOOTSTRAP}` at its root: {error}")))?;
    // Its own word for its size is not to be trusted.
    let mut binary = Vec::new();
    entry
        .take(MOST_UNZIPPED + 1)
        .read_to_end(&mut binary)
        .map_err(|error| unreadable(error.to_string()))?;
    within(path, "a `bootstrap`", binary.len() as u64, MOST_UNZIPPED)?;
    Ok(binary)
}

#[cfg(test)]
mod tests;

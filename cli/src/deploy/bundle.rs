//! The function's code as Lambda takes it: finds the `bootstrap`, checks that Lambda can run it, and packs it so that the same binary always gives
//! the same bytes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use object::LittleEndian;
use object::elf::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64};
use object::read::elf::FileHeader as _;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

pub use crate::settings::Architecture;

/// What Lambda calls the executable of a custom runtime.
pub const BOOTSTRAP: &str = "bootstrap";
/// Lambda's limit for a zip, in bytes.
const MOST_ZIPPED: u64 = 50 * 1024 * 1024;
/// Lambda's limit for what is in it, in bytes.
const MOST_UNZIPPED: u64 = 250 * 1024 * 1024;
/// The C library of Amazon Linux 2023, which `provided.al2023` runs on.
const GLIBC: (u32, u32) = (2, 34);

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
    /// There is none, and nothing to build one from.
    #[error(
        "there is no handler to deploy: no `bootstrap` beside {executable}, and this is not a checkout of k2m\n  \
         put the `bootstrap` of the release beside k2m, or name one with --handler PATH"
    )]
    Nowhere {
        /// k2m's own executable.
        executable: PathBuf,
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
    /// A file that is there.
    File(PathBuf),
    /// A checkout to build it in.
    Checkout(PathBuf),
}

/// Finds the handler: the one that was named, else the one beside k2m's executable, else the checkout that k2m runs from. `here` is the current
/// folder.
pub fn find(named: Option<&Path>, executable: &Path, here: &Path) -> Result<Origin, BundleError> {
    if let Some(path) = named {
        return Ok(Origin::File(path.to_owned()));
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

/// SHA-256 as 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
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

/// A zip with nothing in it that depends on the time or the machine.
fn pack(binary: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o755);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(BOOTSTRAP, options)?;
    writer.write_all(binary)?;
    Ok(writer.finish()?.into_inner())
}

#[derive(Debug)]
struct Unfit {
    reason: String,
    next: &'static str,
}

const OTHER_FORMAT: &str = "a Linux executable for x86_64 or aarch64 is needed: `cargo build --release -p k2m-handler --bin bootstrap` on Linux";
const OLDER_GLIBC: &str = "build it where the C library is 2.34 or older (Amazon Linux 2023), with `cargo zigbuild --target <triple>.2.34`, or statically";

/// Whether Lambda's `provided.al2023` can run it, and on which processor.
fn check(binary: &[u8]) -> Result<Architecture, Unfit> {
    let unfit = |reason: &str| Unfit {
        reason: reason.to_owned(),
        next: OTHER_FORMAT,
    };
    if !binary.starts_with(b"\x7fELF") {
        return Err(unfit(other_format(binary)));
    }
    let damaged = |error: object::Error| unfit(&format!("it is a damaged ELF file: {error}"));
    let header = FileHeader64::<LittleEndian>::parse(binary)
        .map_err(|_| unfit("it is an ELF file, but not of 64 bits, or damaged"))?;
    let endian = header
        .endian()
        .map_err(|_| unfit("it is an ELF file of a big-endian processor"))?;
    if !matches!(header.e_type(endian), ET_EXEC | ET_DYN) || header.e_entry(endian) == 0 {
        return Err(unfit("it is an ELF file, but not an executable"));
    }
    let architecture = match header.e_machine(endian) {
        EM_X86_64 => Architecture::X86_64,
        EM_AARCH64 => Architecture::Arm64,
        other => {
            return Err(unfit(&format!("it is for another processor (ELF machine {})", other.0)));
        }
    };
    let sections = header.sections(endian, binary).map_err(damaged)?;
    let mut newest: Option<(u32, u32)> = None;
    if let Some((mut needs, link)) = sections.gnu_verneed(endian, binary).map_err(damaged)? {
        let strings = sections.strings(endian, binary, link).map_err(damaged)?;
        while let Some((_, mut versions)) = needs.next().map_err(damaged)? {
            while let Some(version) = versions.next().map_err(damaged)? {
                let name = version.name(endian, strings).map_err(damaged)?;
                newest = newest.max(glibc(name));
            }
        }
    }
    match newest {
        Some(version) if version > GLIBC => Err(Unfit {
            reason: format!(
                "it needs GLIBC {}.{}, and Amazon Linux 2023 has {}.{}",
                version.0, version.1, GLIBC.0, GLIBC.1
            ),
            next: OLDER_GLIBC,
        }),
        _ => Ok(architecture),
    }
}

/// `GLIBC_2.34` as numbers; nothing for other names.
fn glibc(name: &[u8]) -> Option<(u32, u32)> {
    let version = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn other_format(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "it is empty",
        [b'#', b'!', ..] => "it is a script, not an executable",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "it is an executable for macOS",
        [b'M', b'Z', ..] => "it is an executable for Windows",
        _ => "it is not an ELF executable",
    }
}

#[cfg(test)]
mod tests;

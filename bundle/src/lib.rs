//! The function's code as Lambda takes it: whether Lambda can run a `bootstrap`, the zip that is uploaded, which has the same bytes for the same binary,
//! and the zips that a released k2m carries in its own executable (`carried`).

pub mod carried;

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use object::LittleEndian;
use object::elf::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64};
use object::read::elf::FileHeader as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// What Lambda calls the executable of a custom runtime.
pub const BOOTSTRAP: &str = "bootstrap";
/// The C library of Amazon Linux 2023, which `provided.al2023` runs on.
pub const GLIBC: (u32, u32) = (2, 34);

/// What the function's processor is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Architecture {
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
    /// Graviton.
    #[serde(rename = "arm64")]
    Arm64,
}

impl Architecture {
    /// Both.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// Lambda's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// Why Lambda can't run a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub next: &'static str,
}

const OTHER_FORMAT: &str = "a Linux executable for x86_64 or aarch64 is needed: `cargo build --release -p k2m-handler --bin bootstrap` on Linux";
const OLDER_GLIBC: &str = "build it where the C library is 2.34 or older (Amazon Linux 2023), with `cargo zigbuild --target <triple>.2.34`, or statically";

/// Whether Lambda's `provided.al2023` can run it, and on which processor.
pub fn check(binary: &[u8]) -> Result<Architecture, Unfit> {
    let (architecture, newest) = read(binary).map_err(|reason| Unfit {
        reason,
        next: OTHER_FORMAT,
    })?;
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

/// The processor that an executable is for, and the newest version of the GNU C library that it asks for, or why it is no such executable.
pub fn read(binary: &[u8]) -> Result<(Architecture, Option<(u32, u32)>), String> {
    if !binary.starts_with(b"\x7fELF") {
        return Err(other_format(binary).to_owned());
    }
    let damaged = |error: object::Error| format!("it is a damaged ELF file: {error}");
    let header = FileHeader64::<LittleEndian>::parse(binary)
        .map_err(|_| "it is an ELF file, but not of 64 bits, or damaged".to_owned())?;
    let endian = header
        .endian()
        .map_err(|_| "it is an ELF file of a big-endian processor".to_owned())?;
    if !matches!(header.e_type(endian), ET_EXEC | ET_DYN) || header.e_entry(endian) == 0 {
        return Err("it is an ELF file, but not an executable".to_owned());
    }
    let architecture = match header.e_machine(endian) {
        EM_X86_64 => Architecture::X86_64,
        EM_AARCH64 => Architecture::Arm64,
        other => return Err(format!("it is for another processor (ELF machine {})", other.0)),
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
    Ok((architecture, newest))
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

/// A zip with the binary as `bootstrap`, and nothing in it that depends on the time or the machine.
pub fn pack(binary: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o755);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(BOOTSTRAP, options)?;
    writer.write_all(binary)?;
    Ok(writer.finish()?.into_inner())
}

/// SHA-256 as 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

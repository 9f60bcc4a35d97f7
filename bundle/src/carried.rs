//! Bundles that an executable of k2m carries: a zip behind its end, stored, with one entry an architecture. The system runs the executable as before and
//! never loads them, `unzip -l` lists them, and packing needs no second compilation. Their mark ends the file, so that an executable
//! without any is told from one that was cut short.

use std::fs::File;
use std::io::{self, Cursor, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use thiserror::Error;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::Architecture;

/// The comment of the zip, which is the end of the file.
const MARK: &str = "bundles of k2m, 1";
/// More than a bundle may be: Lambda takes 50 MiB.
const MOST: u64 = 64 * 1024 * 1024;

/// Why bundles can't be read or written.
#[derive(Debug, Error)]
pub enum CarriedError {
    /// The executable can't be read.
    #[error("it can't be read: {0}")]
    Read(#[from] io::Error),
    /// Its mark is there, and what should be before it is not.
    #[error("it is damaged: {0}")]
    Damaged(#[from] zip::result::ZipError),
    /// It carries bundles already.
    #[error("it carries bundles already")]
    Twice,
}

/// The name of an entry.
fn entry(architecture: Architecture) -> String {
    format!("{}.zip", architecture.name())
}

/// The executable with these bundles behind it, each the zip that Lambda gets.
pub fn attach(executable: &[u8], bundles: &[(Architecture, Vec<u8>)]) -> Result<Vec<u8>, CarriedError> {
    if executable.ends_with(MARK.as_bytes()) {
        return Err(CarriedError::Twice);
    }
    let mut bundles: Vec<_> = bundles.iter().collect();
    bundles.sort_by_key(|(architecture, _)| *architecture);
    let mut file = Cursor::new(executable.to_vec());
    file.seek(SeekFrom::End(0))?;
    let mut writer = ZipWriter::new(file);
    // They are compressed already.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o644);
    for (architecture, bundle) in bundles {
        writer.start_file(entry(*architecture), options)?;
        writer.write_all(bundle)?;
    }
    writer.set_comment(MARK)?;
    Ok(writer.finish()?.into_inner())
}

/// What an executable carries, looked at without reading the bundles.
#[derive(Debug)]
pub struct Carried(Option<ZipArchive<File>>);

impl Carried {
    /// Opens an executable; one that carries nothing is no error.
    pub fn open(executable: &Path) -> Result<Self, CarriedError> {
        let mut file = File::open(executable)?;
        let length = file.metadata()?.len();
        let mut end = [0; MARK.len()];
        if length < end.len() as u64 {
            return Ok(Self(None));
        }
        file.seek(SeekFrom::Start(length - end.len() as u64))?;
        file.read_exact(&mut end)?;
        if end != MARK.as_bytes() {
            return Ok(Self(None));
        }
        Ok(Self(Some(ZipArchive::new(file)?)))
    }

    /// Which there are.
    pub fn architectures(&self) -> Vec<Architecture> {
        let there = |architecture: &Architecture| {
            let archive = self.0.as_ref();
            archive.is_some_and(|archive| archive.index_for_name(&entry(*architecture)).is_some())
        };
        Architecture::ALL.into_iter().filter(there).collect()
    }

    /// The bundle for an architecture, its checksum verified; nothing if there is none.
    pub fn read(&mut self, architecture: Architecture) -> Result<Option<Vec<u8>>, CarriedError> {
        let Some(archive) = &mut self.0 else {
            return Ok(None);
        };
        let Some(index) = archive.index_for_name(&entry(architecture)) else {
            return Ok(None);
        };
        let mut bundle = Vec::new();
        archive.by_index(index)?.take(MOST).read_to_end(&mut bundle)?;
        Ok(Some(bundle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k2m");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    /// As an executable that has the marks of zips among its constants.
    const EXECUTABLE: &[u8] = b"\x7fELF and PK\x05\x06, PK\x03\x04 and PK\x01\x02 somewhere in it";

    #[test]
    fn what_was_attached_is_carried_and_the_executable_stays_as_it_was() {
        let bundles = [
            (Architecture::Arm64, vec![7; 70_000]),
            (Architecture::X86_64, vec![1, 2, 3]),
        ];
        let file = attach(EXECUTABLE, &bundles).unwrap();
        assert!(file.starts_with(EXECUTABLE));
        // Also in another order.
        let [arm64, x86_64] = bundles.clone();
        assert_eq!(file, attach(EXECUTABLE, &[x86_64, arm64]).unwrap());
        let (_folder, path) = written(&file);
        let mut carried = Carried::open(&path).unwrap();
        assert_eq!(carried.architectures(), Architecture::ALL);
        for (architecture, bundle) in &bundles {
            assert_eq!(carried.read(*architecture).unwrap().as_ref(), Some(bundle));
        }
        assert!(matches!(attach(&file, &bundles), Err(CarriedError::Twice)));
    }

    #[test]
    fn one_of_two_and_none_are_no_errors() {
        let one = attach(EXECUTABLE, &[(Architecture::X86_64, vec![9; 100])]).unwrap();
        let (_folder, path) = written(&one);
        let mut carried = Carried::open(&path).unwrap();
        assert_eq!(carried.architectures(), [Architecture::X86_64]);
        assert_eq!(carried.read(Architecture::Arm64).unwrap(), None);
        for plain in [EXECUTABLE, b"", b"short", &one[..one.len() - 1]] {
            let (_folder, path) = written(plain);
            let mut carried = Carried::open(&path).unwrap();
            assert_eq!(carried.architectures(), []);
            assert_eq!(carried.read(Architecture::X86_64).unwrap(), None);
        }
        // The tests' own executable has the mark among its constants, and not at its end.
        let own = std::env::current_exe().unwrap();
        assert_eq!(Carried::open(&own).unwrap().architectures(), []);
    }

    #[test]
    fn what_is_damaged_is_an_error_and_never_another_bundle() {
        let file = attach(EXECUTABLE, &[(Architecture::X86_64, vec![9; 1000])]).unwrap();
        let mut flipped = file.clone();
        let inside = EXECUTABLE.len() + 500;
        flipped[inside] ^= 1;
        let (_folder, path) = written(&flipped);
        let read = Carried::open(&path).unwrap().read(Architecture::X86_64);
        assert!(read.is_err(), "{read:?}");
        let mut cut = file[..200].to_vec();
        cut.extend_from_slice(MARK.as_bytes());
        let (_folder, path) = written(&cut);
        assert!(matches!(Carried::open(&path), Err(CarriedError::Damaged(_))));
        let (folder, _path) = written(b"");
        assert!(matches!(
            Carried::open(&folder.path().join("missing")),
            Err(CarriedError::Read(_))
        ));
    }
}

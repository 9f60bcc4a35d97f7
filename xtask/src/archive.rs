//! A .tar.gz whose bytes follow from what is in it and one date: sorted, owned by nobody in particular, no name of a machine. Pure.

use std::io::{self, Write as _};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// Its path in the archive's folder.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) content: Vec<u8>,
    /// Whether it is to be run.
    pub(crate) executable: bool,
}

impl Entry {
    /// A file to read.
    pub(crate) fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
            executable: false,
        }
    }
}

/// The archive, everything in it in the folder of this name; `date` in seconds since 1970.
pub(crate) fn archive(folder: &str, entries: &[Entry], date: u64) -> io::Result<Vec<u8>> {
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort();
    // The time of a gzip header is that of packing; 0 is none.
    let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let mut tar = Builder::new(gzip);
    let mut folders: Vec<String> = Vec::new();
    for entry in entries {
        let path = format!("{folder}/{}", entry.path);
        for (end, _) in path.match_indices('/') {
            let parent = &path[..=end];
            if !folders.iter().any(|folder| folder == parent) {
                let mut header = header(EntryType::Directory, 0o755, 0, date);
                tar.append_data(&mut header, parent, io::empty())?;
                folders.push(parent.to_owned());
            }
        }
        let mode = if entry.executable { 0o755 } else { 0o644 };
        let mut header = header(EntryType::Regular, mode, entry.content.len() as u64, date);
        tar.append_data(&mut header, &path, entry.content.as_slice())?;
    }
    let mut gzip = tar.into_inner()?;
    gzip.flush()?;
    gzip.finish()
}

fn header(kind: EntryType, mode: u32, size: u64, date: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(date);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_same_files_are_the_same_bytes_in_any_order() {
        let run = Entry {
            executable: true,
            ..Entry::new("k2m", vec![0; 100_000])
        };
        let text = Entry::new("completions/k2m.bash", "complete");
        let packed = archive("k2m-1", &[run.clone(), text.clone()], 1_700_000_000).unwrap();
        assert_eq!(
            packed,
            archive("k2m-1", &[text.clone(), run.clone()], 1_700_000_000).unwrap()
        );
        assert_ne!(packed, archive("k2m-1", &[text, run], 1_700_000_001).unwrap());

        // No time, no name: flags and time of the gzip header.
        assert_eq!(&packed[3..8], [0; 5]);
        let mut read = tar::Archive::new(GzDecoder::new(packed.as_slice()));
        let seen: Vec<_> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let header = entry.header();
                assert_eq!(
                    (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()),
                    (0, 0, 1_700_000_000)
                );
                let path = entry.path().unwrap().display().to_string();
                (path, header.mode().unwrap(), content.len())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("k2m-1/".to_owned(), 0o755, 0),
                ("k2m-1/completions/".to_owned(), 0o755, 0),
                ("k2m-1/completions/k2m.bash".to_owned(), 0o644, 8),
                ("k2m-1/k2m".to_owned(), 0o755, 100_000),
            ]
        );
    }
}

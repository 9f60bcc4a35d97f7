//! Files that commands write: whole, or not at all.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Writes the file whole, beside the old one first, so that nobody ever sees a half of it.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let (target, mut file) = beside(path)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

/// Whether [`replace`] could begin, before there is anything to write. Leaves nothing behind.
pub(super) fn can_replace(path: &Path) -> io::Result<()> {
    beside(path).map(drop)
}

/// The file that is meant, and a new one beside it, which is gone with its value.
fn beside(path: &Path) -> io::Result<(PathBuf, NamedTempFile)> {
    // A link stays one: what it leads to is replaced.
    let target = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        found => found?,
    };
    let permissions = match fs::metadata(&target) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(metadata) => metadata.permissions(),
        // The system takes away what the user's mask says.
        Err(_) => Permissions::from_mode(0o666),
    };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // Asked for first, since an error below is about a file of a name that nobody chose.
    fs::metadata(folder)?;
    let file = tempfile::Builder::new()
        .prefix(".k2m.")
        .permissions(permissions)
        .tempfile_in(folder)?;
    Ok((target, file))
}

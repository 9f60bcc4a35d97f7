//! Debian at its least, in a folder: where a program that was built elsewhere has to do with what it brings along.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Error, Result, ground};

/// A shell, what its commands take, and what unpacks an archive; the C library comes with them.
const PACKAGES: [&str; 5] = ["base-files+", "bash+", "coreutils+", "gzip+", "tar+"];
/// What the kernel gives a system, and a folder of the caller's, are put into the root; other programs see nothing of it.
const ENTER: &str = r#"
set -e
mount --bind "$2" "$1/mnt"
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/tmp"
root=$1
shift 2
cd /
exec chroot "$root" "$@"
"#;

/// A system with little more than a shell, of the release that this machine has. It shares this machine's kernel and network, and nothing of its files.
#[derive(Debug)]
pub struct Debian {
    root: PathBuf,
    shared: TempDir,
}

impl Debian {
    /// One with nothing in its folder; what it is made of is fetched on first use.
    pub fn new() -> Result<Self> {
        Ok(Self {
            root: ground::debian("debian", &PACKAGES)?,
            shared: tempfile::Builder::new()
                .prefix("k2m-debian-")
                .tempdir()
                .map_err(Error::io("create a folder for a Debian"))?,
        })
    }

    /// The folder that is `/mnt` in it.
    pub fn shared(&self) -> &Path {
        self.shared.path()
    }

    /// A script of its shell with these arguments, as `root` in `/mnt` with an empty environment.
    pub fn command(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command
            .args(["--mount", "sh", "-c", ENTER, "debian"])
            .arg(&self.root)
            .arg(self.shared())
            .args(["bash", "-euc"])
            .arg(format!("cd /mnt; {script}"))
            .arg("bash")
            .args(arguments)
            .env_clear()
            .envs([
                ("HOME", "/root"),
                ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ]);
        command
    }
}

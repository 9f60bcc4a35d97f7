//! Child processes that never outlive the test, also when the test is killed.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, Result, wait_until};

/// Runs the program as the shell's own process (same process id) beside a watcher that reads from our pipe. A line means
/// that the child ended in good order; the end of the pipe without one means that we are gone: the watcher then kills the
/// child and removes the folder. Unlike a parent-death signal this does not depend on the thread that started the child.
const WATCHED: &str = r#"
exec 3<&0
( if read -r _ <&3; then exit 0; fi; kill -9 $$; sleep 1; rm -rf -- "$1" ) &
shift
exec "$@" </dev/null 3<&-
"#;

/// A child process that is killed when this value is dropped or this process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Watched {
    child: Child,
    pipe: ChildStdin,
}

impl Watched {
    /// Starts `command`, its output going to `log`; `folder` is removed should this process be killed.
    pub(crate) fn spawn(command: &[&std::ffi::OsStr], log: &File, folder: &Path) -> Result<Self> {
        let doing = || {
            format!(
                "start {}",
                command.first().unwrap_or(&std::ffi::OsStr::new("nothing")).display()
            )
        };
        let output = || {
            log.try_clone()
                .map(Stdio::from)
                .map_err(Error::io("share the log file"))
        };
        let mut child = Command::new("sh")
            .args(["-c", WATCHED, "watched"])
            .arg(folder)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(output()?)
            .stderr(output()?)
            .spawn()
            .map_err(Error::io(doing()))?;
        let Some(pipe) = child.stdin.take() else {
            return Err(Error::Usage("the child has no pipe to watch".to_owned()));
        };
        Ok(Self { child, pipe })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).map_err(|errno| Error::Io {
            doing: format!("signal process {}", self.pid()),
            source: errno.into(),
        })
    }

    /// How the process ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(Error::io("look at a child process"))
    }

    /// Waits for the end; false when `bound` is over first.
    pub(crate) fn wait(&mut self, bound: Duration) -> Result<bool> {
        let what = format!("process {} ends", self.pid());
        match wait_until(&what, bound, || Ok(self.ended()?.is_some())) {
            Ok(()) => Ok(true),
            Err(Error::NotInTime { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.pipe.write_all(b"\n");
    }
}

//! A terminal that a test sits at: a command runs at it, keys are typed, and the screen is what a person would see.

mod picture;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};
use vt100::Parser;

use crate::{Error, Result, wait_until};

/// Longest that anything may take to be seen: what is shown may have to wait for an emulator.
const BOUND: Duration = Duration::from_mins(1);
/// Lines that are kept above the screen.
const ABOVE: usize = 1000;

/// A command at a terminal of its own, which Ctrl-C reaches as it does a person's. It ends when this value is dropped.
pub struct Terminal {
    child: Child,
    keys: File,
    theirs: OwnedFd,
    before: Termios,
    screen: Arc<Mutex<Parser>>,
}

impl Terminal {
    /// Starts the command at a terminal with so many columns and rows. `TERM` is `xterm`, and colours are left out, unless the command says otherwise.
    pub fn start(command: &Command, columns: u16, rows: u16) -> Result<Self> {
        let doing = || format!("start {} at a terminal", command.get_program().display());
        let failed = |errno: rustix::io::Errno| Error::Io {
            doing: doing(),
            source: errno.into(),
        };
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).map_err(failed)?;
        unlockpt(&ours).map_err(failed)?;
        let theirs = ioctl_tiocgptpeer(&ours, flags).map_err(failed)?;
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size).map_err(failed)?;
        let before = tcgetattr(&theirs).map_err(failed)?;
        let one = |number| NonZeroU16::new(number).ok_or_else(|| Error::Usage("a terminal without a size".to_owned()));
        let screen = Arc::new(Mutex::new(Parser::new(one(rows)?, one(columns)?, ABOVE)));

        // What it is started by makes the terminal the one that it is controlled by.
        let mut started = Command::new("setsid");
        started
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args());
        started.env("TERM", "xterm").env("NO_COLOR", "1").env_remove("COLUMNS");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => started.env(name, value),
                None => started.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            started.current_dir(folder);
        }
        let end = || theirs.try_clone().map(Stdio::from).map_err(Error::io(doing()));
        let child = started
            .stdin(end()?)
            .stdout(end()?)
            .stderr(end()?)
            .spawn()
            .map_err(Error::io(doing()))?;
        let keys = File::from(ours);
        let mut shown = keys.try_clone().map_err(Error::io(doing()))?;
        let seen = Arc::clone(&screen);
        // It ends with the terminal, whose last user is this value.
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = shown.read(&mut piece) {
                lock(&seen).process(piece.get(..length).unwrap_or_default());
            }
        });
        Ok(Self {
            child,
            keys,
            theirs,
            before,
            screen,
        })
    }

    /// What is on the screen, without blanks at the ends of lines.
    pub fn screen(&self) -> String {
        lock(&self.screen).screen().contents()
    }

    /// All that has been shown and not wiped, also what has left the screen above. A line that the terminal broke at its end is one, as for whoever copies it.
    pub fn all(&self) -> String {
        let mut all = String::new();
        self.each_row(|screen, row, columns| {
            let shown = screen.rows(0, columns).nth(usize::from(row));
            let shown = shown.unwrap_or_default();
            if screen.row_wrapped(row) {
                all += &shown;
            } else {
                all.extend([shown.trim_end(), "\n"]);
            }
        });
        all.trim_end().to_owned()
    }

    /// An SVG of what has been shown, from the last row that has one text to the last that has the other, below the command that was typed.
    pub fn picture(&self, title: &str, typed: &str, from: &str, to: &str) -> Result<String> {
        let mut lines = Vec::new();
        let mut width = 0;
        self.each_row(|screen, row, columns| {
            lines.push(picture::Line::of(screen, row, columns));
            width = columns;
        });
        let first = lines.iter().rposition(|line| line.text().contains(from));
        let last = lines.iter().rposition(|line| line.text().contains(to));
        match (first, last) {
            (Some(first), Some(last)) if first <= last => {
                let shown = lines.get(first..=last).unwrap_or_default();
                Ok(picture::draw(title, typed, shown, width))
            }
            _ => Err(self.told(&Error::Usage(format!("no rows from `{from}` to `{to}`")))),
        }
    }

    /// Gives each row to `see`, those above the screen first: the screen as it then is, the row's number in it, and the columns.
    fn each_row(&self, mut see: impl FnMut(&vt100::Screen, u16, u16)) {
        let mut parser = lock(&self.screen);
        let (rows, columns) = parser.screen().size();
        parser.screen_mut().set_scrollback(usize::MAX);
        let above = parser.screen().scrollback();
        for left in (1..=above).rev() {
            parser.screen_mut().set_scrollback(left);
            see(parser.screen(), 0, columns.get());
        }
        parser.screen_mut().set_scrollback(0);
        for row in 0..rows.get() {
            see(parser.screen(), row, columns.get());
        }
    }

    /// Waits until the screen has this text.
    pub fn wait_for(&self, text: &str) -> Result<()> {
        let seen = wait_until(&format!("`{text}` is on the screen"), BOUND, || {
            Ok(self.screen().contains(text))
        });
        seen.map_err(|error| self.told(&error))
    }

    /// Types keys once the command reads each of them: before that they would be shown as they are, and Ctrl-C be a signal at once.
    pub fn type_keys(&mut self, keys: &str) -> Result<()> {
        wait_until("the command reads keys", BOUND, || {
            let modes = tcgetattr(&self.theirs).map_err(|errno| Error::Io {
                doing: "look at a terminal".to_owned(),
                source: errno.into(),
            })?;
            Ok(!modes.local_modes.contains(LocalModes::ICANON))
        })
        .map_err(|error| self.told(&error))?;
        self.type_at_once(keys)
    }

    /// Types keys that the terminal itself takes: a line for a command that reads lines, or Ctrl-C, which is a signal then.
    pub fn type_at_once(&mut self, keys: &str) -> Result<()> {
        self.keys
            .write_all(keys.as_bytes())
            .map_err(Error::io("type at a terminal"))
    }

    /// Sends the command a signal, past the terminal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).map_err(|errno| Error::Io {
            doing: "signal a command at a terminal".to_owned(),
            source: errno.into(),
        })
    }

    /// Waits for the end of the command.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let mut status = None;
        let ended = wait_until("the command ends", BOUND, || {
            status = self
                .child
                .try_wait()
                .map_err(Error::io("look at a command at a terminal"))?;
            Ok(status.is_some())
        });
        match (status, ended) {
            (Some(status), _) => Ok(status),
            (None, Err(error)) => Err(self.told(&error)),
            (None, Ok(())) => Err(Error::Usage("a command ended without a status".to_owned())),
        }
    }

    /// Whether the terminal is what it was before the command: its modes, and a cursor to be seen.
    pub fn is_as_before(&self) -> bool {
        let now = tcgetattr(&self.theirs).ok();
        let same = |now: &Termios| {
            let modes = |of: &Termios| (of.input_modes, of.output_modes, of.control_modes, of.local_modes);
            modes(now) == modes(&self.before)
        };
        now.as_ref().is_some_and(same) && !lock(&self.screen).screen().hide_cursor()
    }

    /// The error with the screen, without which it says little.
    fn told(&self, error: &Error) -> Error {
        Error::Refused {
            doing: "wait at a terminal".to_owned(),
            reason: format!("{error}; all that was shown:\n{}", self.all()),
        }
    }
}

fn lock(screen: &Mutex<Parser>) -> MutexGuard<'_, Parser> {
    // A parser that was left half-way shows what it has.
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal")
            .field("child", &self.child)
            .finish_non_exhaustive()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

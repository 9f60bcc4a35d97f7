//! The only room that writes to the terminal: results to stdout, progress and diagnostics to stderr.

mod beside;
mod calls;
mod colour;
mod live;

pub use self::beside::hanging;
pub use self::live::Block;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::args::{Color, MannerArgs, Output};
use crate::deploy::columns::told;
use crate::deploy::port::{Line, Look};
use crate::local::summary::Tally;
use crate::picture::Scene;
use crate::picture::terminal::{Canvas, draw};

/// What the progress shows the share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Bytes of the input.
    Bytes(u64),
    /// Records.
    Records(u64),
    /// Nobody knows, as when the input is a pipe.
    Unknown,
}

/// From here on somebody wonders.
const LONG: Duration = Duration::from_secs(5);

/// What ended a command before it had a result: the document of docs/schemas/error.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What people read on stderr.
    pub error: String,
    /// What kind of an error it is.
    pub kind: &'static str,
    /// What it follows from, the nearest first.
    pub causes: Vec<String>,
    /// What to do next.
    pub next: Vec<String>,
    /// The exit code.
    pub exit_code: u8,
}

/// Writes in the form that was asked for.
#[derive(Debug)]
pub struct Reporter {
    output: Output,
    manner: MannerArgs,
    /// Whether programs get a document a line.
    in_lines: bool,
    total: Total,
    /// What is shown while something is waited for.
    bar: Mutex<Option<ProgressBar>>,
    /// The lines that are drawn below what was told. The cursor is below them: what a terminal writes itself for Ctrl-C breaks none of them.
    drawn: Mutex<Vec<String>>,
}

impl Reporter {
    /// A reporter without progress.
    pub fn new(output: Output, manner: MannerArgs) -> Self {
        if manner.verbose {
            calls::listen();
        }
        Self {
            output,
            manner,
            in_lines: false,
            total: Total::Unknown,
            bar: Mutex::default(),
            drawn: Mutex::default(),
        }
    }

    /// The same for a command that has no end: programs get a document a line, an error too.
    #[must_use]
    pub fn in_lines(self) -> Self {
        Self { in_lines: true, ..self }
    }

    /// How results are shown.
    pub const fn output(&self) -> Output {
        self.output
    }

    fn shown(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        // Nothing that holds it can fail half-way.
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is waited for is shown: not where nobody looks on, and not between lines that others write.
    fn shows_waiting(&self) -> bool {
        io::stderr().is_terminal() && !self.manner.quiet && !self.manner.verbose
    }

    /// Begins to show progress, if stderr is a terminal.
    pub fn start(&mut self, total: Total) {
        if !self.shows_waiting() {
            return;
        }
        self.total = total;
        let (length, template) = match total {
            Total::Bytes(length) | Total::Records(length) => {
                (Some(length), "{wide_bar} {percent:>3} %  {prefix}  {eta} left  {msg}")
            }
            Total::Unknown => (None, "{spinner} {prefix}  {elapsed}  {msg}"),
        };
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.shown() = Some(bar);
    }

    /// Shows what is waited for, if stderr is a terminal, until the next thing is, or [`Self::finish`].
    pub fn wait(&self, what: &str) {
        if !self.shows_waiting() {
            return;
        }
        let mut shown = self.shown();
        let bar = shown.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
            // What doesn't fit into the line is left out of it.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>3}  {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        bar.set_message(printable(what).replace('\n', " "));
    }

    /// What the work comes to. Meanwhile what is waited for is shown, and where stderr is no terminal it is said once that takes long.
    pub async fn waiting<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        self.wait(what);
        let mut work = pin!(work);
        if let Ok(done) = tokio::time::timeout(LONG, work.as_mut()).await {
            return done;
        }
        if !io::stderr().is_terminal() {
            self.note(&format!("still {what}"));
        }
        work.await
    }

    /// Shows how far it is.
    pub fn progress(&self, tally: &Tally) {
        let Some(bar) = self.shown().clone() else { return };
        bar.set_position(match self.total {
            Total::Bytes(_) => tally.position(),
            Total::Records(_) | Total::Unknown => tally.accepted(),
        });
        bar.set_prefix(format!(
            "{} records  {}/s",
            tally.accepted(),
            rate(tally.accepted(), bar.elapsed())
        ));
        if let Some(reason) = tally.last_failure() {
            // One line of it: a bar has no second.
            bar.set_message(
                printable(reason)
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .take(100)
                    .collect::<String>(),
            );
        }
    }

    /// Takes the progress away.
    pub fn finish(&self) {
        if let Some(bar) = self.shown().take() {
            bar.finish_and_clear();
        }
        self.draw(&[]);
    }

    /// A line of a story, as it happens: to stdout for people, to nowhere for programs.
    pub fn tell(&self, line: &str) -> io::Result<()> {
        match self.output {
            Output::Human if self.manner.quiet => Ok(()),
            Output::Human => self.suspended(|| writeln!(io::stdout(), "{}", printable(line))),
            Output::Json => Ok(()),
        }
    }

    /// Something that the user should know, to stderr, unless only results and errors were asked for.
    pub fn note(&self, text: &str) {
        if !self.manner.quiet {
            self.insist(text);
        }
    }

    /// Something that the user has to know, to stderr.
    pub fn insist(&self, text: &str) {
        // There is no place left to say that stderr can't be written to.
        let _ = self.suspended(|| writeln!(io::stderr(), "{}", printable(text)));
    }

    /// The same in the line's colour, where stderr has some.
    pub fn note_line(&self, line: &Line) {
        if !self.manner.quiet {
            self.insist_line(line);
        }
    }

    /// The same also where only results and errors were asked for.
    pub fn insist_line(&self, line: &Line) {
        let text = painted(line, self.colours());
        let _ = self.suspended(|| writeln!(io::stderr(), "{text}"));
    }

    /// Whether stderr has colours.
    fn colours(&self) -> bool {
        colour::coloured(self.manner.color, said, io::stderr().is_terminal())
    }

    /// Columns and rows of stderr, where it is a terminal that can be drawn on, and nobody else writes there.
    pub fn drawing_board(&self) -> Option<(usize, usize)> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        if dumb || !self.shows_waiting() {
            return None;
        }
        let (columns, rows) = terminal_size()?;
        (columns >= 30 && rows >= 8).then_some((columns, rows))
    }

    /// Columns of stderr, where it is a terminal.
    pub fn columns(&self) -> Option<usize> {
        terminal_size()
            .map(|(columns, _)| columns)
            .filter(|columns| *columns > 0)
    }

    /// Draws these lines below what was told, in place of those that were drawn before; none take them away.
    pub fn draw(&self, lines: &[Line]) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_empty() && lines.is_empty() {
            return;
        }
        let colour = self.colours();
        let above = erased(rows(&drawn));
        *drawn = lines.iter().map(|line| painted(line, colour)).collect();
        // All at once, so that nothing flickers.
        let text = ended(&drawn);
        let _ = write!(io::stderr(), "{above}{text}");
    }

    /// The same, laid out for what stderr is; without colours.
    pub fn note_laid_out(&self, text: &str, layout: impl FnOnce(&str, Screen) -> String) {
        if !self.manner.quiet {
            self.insist_laid_out(text, layout);
        }
    }

    /// The same also where only results and errors were asked for.
    pub fn insist_laid_out(&self, text: &str, layout: impl FnOnce(&str, Screen) -> String) {
        let screen = Screen {
            columns: self.columns(),
            colour: false,
        };
        let text = layout(&printable(text), screen);
        let _ = self.suspended(|| writeln!(io::stderr(), "{text}"));
    }

    /// Whether somebody can be asked: standard input and stderr are a terminal.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// A question that a line answers, to stderr. The terminal stays as it is, so that Ctrl-C is a signal as ever and leaves nothing to mend.
    pub fn ask(&self, question: &str) {
        let _ = self.suspended(|| {
            write!(io::stderr(), "{} [y/N] ", printable(question))?;
            io::stderr().flush()
        });
    }

    /// What ended a command, to stderr; on a terminal it is broken between words.
    pub fn error(&self, text: &str) {
        let text = format!("error: {text}");
        let columns = self.columns();
        self.insist(&columns.map_or_else(|| text.clone(), |columns| told(&text, columns - 1)));
    }

    /// What ended a command before it had a result: to stderr, and for programs as the one document on stdout.
    pub fn failure(&self, failure: &Failure) {
        self.error(&failure.error);
        self.failed(failure);
    }

    /// The same where people were told already.
    pub fn failed(&self, failure: &Failure) {
        if self.output == Output::Json {
            // The exit code says it too, where nobody reads stdout any more.
            let _ = if self.in_lines {
                self.document_line(failure).map(drop)
            } else {
                result_document(failure)
            };
        }
    }

    /// A text for a program that is no document, to stdout as it is.
    pub fn raw(&self, text: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text)?;
        stdout.flush()
    }

    /// The result, to stdout.
    pub fn result<T: Display + Serialize>(&self, result: &T) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        match self.output {
            Output::Human => write!(stdout, "{}", printable(&result.to_string()))?,
            Output::Json => {
                drop(stdout);
                return result_document(result);
            }
        }
        stdout.flush()
    }

    /// The result, to stdout; for people laid out for what stdout is.
    pub fn laid_out<T: Display + Serialize>(
        &self,
        result: &T,
        layout: impl FnOnce(&str, Screen) -> String,
    ) -> io::Result<()> {
        match self.output {
            Output::Human => self.write_laid_out(result, layout),
            Output::Json => self.result(result),
        }
    }

    /// The result, to stdout; for people sentences that are broken between words on a terminal.
    pub fn sentences<T: Display + Serialize>(&self, result: &T) -> io::Result<()> {
        self.laid_out(result, |text, screen| match screen.columns {
            Some(columns) => beside::beside(text, columns.saturating_sub(1)) + "\n",
            None => text.to_owned(),
        })
    }

    /// A part of a story, for people alone: to stdout, laid out for what that is.
    pub fn told<T: Display>(&self, what: &T, layout: impl FnOnce(&str, Screen) -> String) -> io::Result<()> {
        match self.output {
            Output::Human => self.write_laid_out(what, layout),
            Output::Json => Ok(()),
        }
    }

    /// For people: to stdout, laid out for what that is.
    fn write_laid_out(&self, what: &impl Display, layout: impl FnOnce(&str, Screen) -> String) -> io::Result<()> {
        let text = layout(&printable(&what.to_string()), screen(self.manner.color));
        let mut stdout = io::stdout().lock();
        write!(stdout, "{text}")?;
        stdout.flush()
    }

    /// The result, to stdout; for people as lines of at most so many columns, in their colours.
    pub fn drawn<T: Serialize>(&self, result: &T, lines: impl FnOnce(usize) -> Vec<Line>) -> io::Result<()> {
        match self.output {
            Output::Human => {
                let Screen { columns, colour } = screen(self.manner.color);
                let mut stdout = io::stdout().lock();
                for line in lines(columns.unwrap_or(ELSEWHERE)) {
                    writeln!(stdout, "{}", painted(&line, colour))?;
                }
                stdout.flush()
            }
            Output::Json => result_document(result),
        }
    }

    /// A picture, for people: to stdout, as wide as the terminal. Its texts are harmless, and only it knows its colours.
    pub fn picture(&self, scene: &Scene) -> io::Result<()> {
        match self.output {
            Output::Human => {
                let mut stdout = io::stdout().lock();
                writeln!(stdout, "{}", draw(scene, canvas(self.manner.color)))?;
                stdout.flush()
            }
            Output::Json => Ok(()),
        }
    }

    fn suspended<T>(&self, write: impl FnOnce() -> T) -> T {
        let bar = self.shown().clone();
        if let Some(bar) = &bar {
            return bar.suspend(write);
        }
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_empty() {
            return write();
        }
        let _ = write!(io::stderr(), "{}", erased(rows(&drawn)));
        let written = write();
        let text = ended(&drawn);
        let _ = write!(io::stderr(), "{text}");
        written
    }
}

/// Lines with their ends.
fn ended(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// Columns and rows of stderr, where it is a terminal.
fn terminal_size() -> Option<(usize, usize)> {
    let stderr = io::stderr();
    let size = rustix::termios::tcgetwinsize(&stderr)
        .ok()
        .filter(|_| stderr.is_terminal())?;
    Some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// Rows that drawn lines take now: a terminal that has become narrower has broken them.
fn rows(drawn: &[String]) -> usize {
    let bare: Vec<String> = drawn.iter().map(|line| live::bare(line)).collect();
    live::rows_of(&bare, terminal_size().map_or(0, |(columns, _)| columns))
}

/// What takes so many rows above the cursor away, and what stands in its own.
fn erased(rows: usize) -> String {
    if rows == 0 {
        return String::new();
    }
    format!("\r\u{1b}[{rows}A\u{1b}[J")
}

/// Columns of lists where nobody looks on.
const ELSEWHERE: usize = 120;

/// A document for programs, to stdout.
fn result_document<T: Serialize>(result: &T) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, result)?;
    writeln!(stdout)?;
    stdout.flush()
}

/// What stdout is, for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Its columns; none where nobody looks on, as in a pipe: lines are whole there, for `grep` and its like.
    pub columns: Option<usize>,
    /// Whether it has colours.
    pub colour: bool,
}

fn screen(asked: Color) -> Screen {
    let Canvas { columns, colour } = canvas(asked);
    Screen {
        columns: io::stdout().is_terminal().then_some(columns),
        colour,
    }
}

/// A variable of the environment that is not empty.
fn said(name: &str) -> Option<String> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(|value| value.to_string_lossy().into_owned())
}

/// What stdout is, for a picture.
fn canvas(asked: Color) -> Canvas {
    /// What fits into mails, issues and logs.
    const PICTURE: usize = 80;
    let stdout = io::stdout();
    let columns = rustix::termios::tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_col));
    // Where nobody knows, as in a pipe: what the shell says.
    let columns = Some(columns).filter(|columns| *columns > 0);
    let columns = columns.or_else(|| said("COLUMNS")?.parse().ok());
    Canvas {
        columns: columns.unwrap_or(PICTURE),
        colour: colour::coloured(asked, said, stdout.is_terminal()),
    }
}

/// A line in its colour. Only its look steers the terminal.
fn painted(line: &Line, colour: bool) -> String {
    let text = printable(&line.text);
    let code = match line.look {
        Look::Plain => "",
        Look::Good => "32",
        Look::Bad => "31",
        Look::Faint => "2",
    };
    if !colour || code.is_empty() {
        return text.into_owned();
    }
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// The text with its control characters written out, but for line ends and tabs, and with those that turn the direction of what follows: what comes from a
/// file, a broker or a process must not steer the terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| steers(c) && !matches!(c, '\n' | '\t');
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is one that a terminal obeys instead of showing it.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A JSON document with all of these written out, which JSON itself asks for only of some.
fn harmless_json(document: &str) -> Cow<'_, str> {
    if !document.contains(steers) {
        return Cow::Borrowed(document);
    }
    // What steers is in a string: none is more than one UTF-16 unit.
    let mut shown = String::with_capacity(document.len());
    for c in document.chars() {
        if steers(c) {
            // Writing to a text never fails.
            let _ = std::fmt::Write::write_fmt(&mut shown, format_args!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whole records per second.
fn rate(records: u64, elapsed: Duration) -> u64 {
    let millis = elapsed.as_millis().max(1);
    u64::try_from(u128::from(records) * 1000 / millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{harmless_json, painted, printable};
    use crate::deploy::port::{Line, Look};

    #[test]
    fn only_the_look_of_a_line_steers_the_terminal() {
        let line = Line::new(Look::Bad, "failed: \u{1b}[2Jx");
        assert_eq!(painted(&line, true), "\u{1b}[31mfailed: \\u{1b}[2Jx\u{1b}[0m");
        assert_eq!(painted(&line, false), "failed: \\u{1b}[2Jx");
        assert_eq!(painted(&Line::new(Look::Plain, "x"), true), "x");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        for (text, shown) in [
            ("plain, naïve\n\tindented", "plain, naïve\n\tindented"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("over\rwritten\u{9b}2J", "over\\rwritten\\u{9b}2J"),
            ("turned\u{202e}round", "turned\\u{202e}round"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn a_document_for_programs_does_not_steer_it_either() {
        let text = "a\u{1b}[31m\u{9b}2J\u{202e}b\u{7f}注";
        let document = serde_json::to_string(text).unwrap();
        let shown = harmless_json(&document);
        assert_eq!(shown, r#""a\u001b[31m\u009b2J\u202eb\u007f注""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}

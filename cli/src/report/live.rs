//! What is written more than once: lines as they come, and a text that takes its own place.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use super::{Reporter, Screen, harmless_json, screen};
use crate::picture::text::columns;

/// A text that is shown in one place on a terminal, and elsewhere one after the other.
#[derive(Debug, Default)]
pub struct Block {
    /// What stands there now, without its colours.
    shown: Vec<String>,
    count: u64,
}

impl Reporter {
    /// What stdout is.
    pub fn screen(&self) -> Screen {
        screen(self.manner.color)
    }

    /// A text that is laid out and harmless already, to stdout. Whether somebody still reads there is said.
    pub fn text(&self, text: &str) -> io::Result<bool> {
        self.suspended(|| read(write!(io::stdout(), "{text}").and_then(|()| io::stdout().flush())))
    }

    /// A document for programs on a line of its own, to stdout, from which nothing steers a terminal.
    pub fn document_line<T: Serialize>(&self, document: &T) -> io::Result<bool> {
        let text = serde_json::to_string(document)?;
        self.text(&(harmless_json(&text) + "\n"))
    }

    /// Shows a laid-out text where the last one was, as much of it as the terminal has room for; elsewhere below it, after an empty line.
    pub fn show(&self, block: &mut Block, text: &str) -> io::Result<bool> {
        let before = std::mem::take(&mut block.count);
        block.count = before + 1;
        if !io::stdout().is_terminal() {
            let between = if before > 0 { "\n" } else { "" };
            return self.text(&format!("{between}{text}"));
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let (rows, width) = size.map_or((0, 0), |size| (usize::from(size.ws_row), usize::from(size.ws_col)));
        let lines = cut(text, rows);
        let up = rows_of(&block.shown, width);
        block.shown = lines.iter().map(|line| bare(line)).collect();
        self.text(&over(&lines, up, width))
    }
}

/// Lines in the place of what stands on the rows above, each written over what was there: nothing flickers, and nothing goes into what can be scrolled back to.
fn over(lines: &[String], up: usize, width: usize) -> String {
    let mut text = if up > 0 {
        format!("\u{1b}[{up}A\r")
    } else {
        "\r".to_owned()
    };
    for line in lines {
        text += line;
        // At the end of a full row the cursor still stands on its last character, which must stay.
        let columns = columns(&bare(line));
        if width == 0 || columns == 0 || !columns.is_multiple_of(width) {
            text += "\u{1b}[K";
        }
        text.push('\n');
    }
    // What of the last text is longer goes.
    text + "\u{1b}[J"
}

/// The lines that fit; the last says how many are left out.
fn cut(text: &str, rows: usize) -> Vec<String> {
    let lines: Vec<&str> = text.trim_end_matches('\n').split('\n').collect();
    // The cursor needs a row below.
    let most = rows.saturating_sub(1);
    if most < 2 || lines.len() <= most {
        return lines.into_iter().map(str::to_owned).collect();
    }
    let kept = most - 1;
    let left = lines.len() - kept;
    let kept = lines.into_iter().take(kept).map(str::to_owned);
    kept.chain([format!("… {left} more lines: the terminal is too low")])
        .collect()
}

/// Rows that lines take on a terminal of this width.
pub(super) fn rows_of(lines: &[String], width: usize) -> usize {
    lines
        .iter()
        .map(|line| {
            if width == 0 {
                1
            } else {
                columns(line).div_ceil(width).max(1)
            }
        })
        .sum()
}

/// A line without its colours.
pub(super) fn bare(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut bare = parts.next().unwrap_or_default().to_owned();
    bare.extend(parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)));
    bare
}

/// Whether somebody still reads; a reader that has gone away, such as `head`, is no error.
fn read(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_higher_than_the_terminal_is_cut() {
        let text = "a\nb\nc\nd\n";
        assert_eq!(cut(text, 24), ["a", "b", "c", "d"]);
        assert_eq!(cut(text, 5), ["a", "b", "c", "d"]);
        assert_eq!(cut(text, 4), ["a", "b", "… 2 more lines: the terminal is too low"]);
        assert_eq!(cut(text, 0), ["a", "b", "c", "d"], "nobody knows how high it is");
    }

    #[test]
    fn a_text_is_written_over_the_last() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(over(&lines(&["a"]), 0, 4), "\ra\u{1b}[K\n\u{1b}[J");
        let colours = "\u{1b}[32mwell\u{1b}[0m";
        assert_eq!(
            over(&lines(&["abcd", "", "abc", colours]), 5, 4),
            format!("\u{1b}[5A\rabcd\n\u{1b}[K\nabc\u{1b}[K\n{colours}\n\u{1b}[J")
        );
    }

    #[test]
    fn rows_are_counted_as_the_terminal_breaks_them_now() {
        let lines = [
            String::new(),
            bare("\u{1b}[1;31mfailing\u{1b}[0m. It is"),
            "x".repeat(80),
        ];
        assert_eq!(lines[1], "failing. It is");
        assert_eq!(rows_of(&lines, 80), 3);
        assert_eq!(rows_of(&lines, 79), 4);
        assert_eq!(rows_of(&lines, 10), 1 + 2 + 8);
        assert_eq!(rows_of(&lines, 0), 3);
    }
}

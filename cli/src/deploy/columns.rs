//! Text in so many columns of a terminal: fitted, wrapped, and shortened around what counts. Pure.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Beyond these the eye does not find from the left to the right.
const WIDEST: usize = 100;
/// So much of what two values have in common is left before what differs.
const COMMON: usize = 12;

/// A text on the left and one on the right, in at most so many columns: the left gives way.
pub fn fitted(left: &str, right: &str, columns: usize) -> String {
    let columns = columns.min(WIDEST);
    let text = cut(left, columns.saturating_sub(right.width() + 2));
    if right.is_empty() {
        return text;
    }
    let space = columns.saturating_sub(text.width() + right.width());
    format!("{text}{}{right}", " ".repeat(space))
}

/// The beginning of a text, in at most so many columns.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let (mut begin, mut width) = (String::new(), 0);
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if width + wide + 1 > columns {
            break;
        }
        begin.push(c);
        width += wide;
    }
    begin + "…"
}

/// A text in lines of at most so many columns. A word that is longer is cut.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(10);
    let (mut lines, mut line, mut width) = (Vec::new(), String::new(), 0);
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.width() > columns {
            lines.push(std::mem::take(&mut line));
            width = 0;
        }
        if width > 0 {
            line.push(' ');
            width += 1;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if width + wide > columns {
                lines.push(std::mem::take(&mut line));
                width = 0;
            }
            line.push(c);
            width += wide;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A text after what introduces it, wrapped below itself.
pub fn hung(introduction: &str, text: &str, columns: usize) -> Vec<String> {
    // Where little room is left beside the introduction, the text stands below it.
    let indent = introduction.width().min(columns / 2);
    let lines = wrapped(text, columns.saturating_sub(indent)).into_iter().enumerate();
    lines
        .map(|(number, line)| {
            if number == 0 {
                format!("{introduction}{line}")
            } else {
                format!("{}{line}", " ".repeat(indent))
            }
        })
        .collect()
}

/// What is told, in lines of at most so many columns: each is broken between words, and goes on below its own beginning. Commands stay whole, to be copied, and so do
/// lines that are columns of values already.
pub fn told(text: &str, columns: usize) -> String {
    let lines = text.lines().flat_map(|line| {
        let rest = line.trim_start();
        if line.width() <= columns || rest.contains("  ") || is_command(rest) {
            return vec![line.to_owned()];
        }
        let spaces = line.len() - rest.len();
        // Below the words, not below what introduces them, such as `!` or `error:`.
        let mark = LABELS.iter().find(|label| rest.starts_with(**label)).map_or_else(
            || {
                let signs = rest.chars().take_while(|c| !c.is_alphanumeric() && *c != '`');
                signs.map(char::len_utf8).sum::<usize>()
            },
            |label| label.len(),
        );
        let indent = match spaces + mark {
            // What goes on is no line of its own.
            0 => 2,
            indent => indent,
        };
        let (begin, words) = line.split_at(spaces + mark);
        let (mut lines, mut line) = (Vec::new(), begin.to_owned());
        let (mut width, mut empty) = (begin.width(), true);
        for word in atoms(words) {
            let fits = width + usize::from(!empty) + word.width() <= columns;
            // What no line has room for begins where it comes.
            if !fits && !empty && indent + word.width() <= columns || width > columns {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
                (width, empty) = (indent, true);
            }
            if !empty {
                line.push(' ');
                width += 1;
            }
            line += word;
            width += word.width();
            empty = false;
        }
        lines.push(line);
        lines
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether a line is a command of another program, to be copied.
fn is_command(line: &str) -> bool {
    let program = line.split(' ').next().unwrap_or_default();
    let of_kafka = program
        .strip_prefix("kafka-")
        .is_some_and(|rest| rest.strip_suffix(".sh").is_some());
    program == "aws" || of_kafka
}

/// What introduces a line that goes on below its words.
const LABELS: [&str; 3] = ["error: ", "warning: ", "Warning: "];

/// The words of a line; a command between backticks is one.
fn atoms(line: &str) -> Vec<&str> {
    let mut commands = false;
    let ends = move |c: char| {
        commands ^= c == '`';
        c.is_whitespace() && !commands
    };
    line.split(ends).filter(|word| !word.is_empty()).collect()
}

/// A value in at most so many columns, so that what it has otherwise than the other one is seen.
pub fn shortened(value: &str, other: &str, columns: usize) -> String {
    if value.width() <= columns {
        return value.to_owned();
    }
    let common = value.chars().zip(other.chars()).take_while(|(one, two)| one == two);
    let skipped = common.count().saturating_sub(COMMON);
    // What follows from near the first difference, unless the whole end fits.
    let end: String = value.chars().skip(skipped).collect();
    if skipped <= 1 {
        return cut(value, columns);
    }
    format!("…{}", cut(&end, columns.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wider_than_its_columns() {
        let long = "arn:aws:kafka:eu-west-1:123456789012:topic/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3/bestellungen-für-日本";
        for columns in [20, 40, 79] {
            assert!(cut(long, columns).width() <= columns);
            assert!(fitted(long, "made  0:20", columns).width() <= columns);
            assert!(shortened(long, "arn:aws:kafka:eu-west-1:123456789012:topic/x", columns).width() <= columns);
            for text in [long, "one two three four five six seven eight nine ten"] {
                for line in hung("  + made: ", text, columns) {
                    assert!(line.width() <= columns, "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn what_is_told_is_broken_between_words_and_commands_are_not() {
        for (text, shown) in [
            ("one two three four", "one two three\n  four"),
            ("  ! one two three four", "  ! one two\n    three four"),
            ("  one two three four", "  one two\n  three four"),
            ("error: one two three", "error: one two\n       three"),
            (
                "run `one two three four`\nthen rest here",
                "run `one two three four`\nthen rest here",
            ),
            (
                "run it: `k2m a b`, then the rest",
                "run it:\n  `k2m a b`,\n  then the\n  rest",
            ),
            (
                "Next: `k2m one two three four` looks at it",
                "Next: `k2m one two three four`\n  looks at it",
            ),
            ("  Key      a value of many words", "  Key      a value of many words"),
            ("", ""),
            ("  - ", "  - "),
        ] {
            assert_eq!(told(text, 14), shown);
        }
    }

    #[test]
    fn what_differs_is_seen() {
        let (old, new) = ("a".repeat(60) + "old", "a".repeat(60) + "new");
        assert_eq!(shortened(&old, &new, 30), format!("…{}old", "a".repeat(12)));
        assert_eq!(shortened(&new, "", 10), "aaaaaaaaa…");
        assert_eq!(shortened("short", &new, 10), "short");
        assert_eq!(
            hung("  - ", "what is long is wrapped below", 20),
            ["  - what is long is", "    wrapped below"]
        );
    }
}

//! What doctor says, laid out for a terminal: lines end between words and go on below where they began, and words have colours. What is there to be copied is
//! never broken: the terminal does that, and what is copied is whole.

use super::steps::{copied, is_command};
use crate::picture::text::columns;
use crate::report::Screen;

/// The narrowest that lines are made; a narrower terminal breaks them itself.
const NARROWEST: usize = 40;
/// What a line of a check begins with, in the colours of the picture.
const WORDS: [(&str, &str); 5] = [
    ("pass", "32"),
    ("WARN", "33"),
    ("FAIL", "1;31"),
    ("skip", "2"),
    ("????", "33"),
];
/// What other lines begin with.
const HEADS: [(&str, &str); 6] = [
    ("Broken:", "1;31"),
    ("Also broken:", "1;31"),
    ("Worth a look:", "33"),
    ("Could not be judged:", "33"),
    ("Nothing is known to be broken.", "33"),
    ("Healthy.", "32"),
];
/// Columns of a line's label, before what it is a label of.
const LABEL: usize = 12;

/// Lays out a text. What it says stays the same: only spaces become line ends, and colours are added.
pub fn laid_out(text: &str, screen: Screen) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let form = Form::of(line);
        let fitted = match screen.columns {
            Some(columns) => form.fitted(line, columns.max(NARROWEST)),
            None => line.to_owned(),
        };
        match form.painted.filter(|_| screen.colour) {
            Some((to, code)) => {
                let (begins, rest) = fitted.split_at(to);
                // Spaces need no colour, and come first.
                let words = begins.trim_start();
                let space = &begins[..begins.len() - words.len()];
                out.extend([space, "\u{1b}[", code, "m", words, "\u{1b}[0m", rest]);
            }
            None => out.push_str(&fitted),
        }
        out.push_str(end);
    }
    out
}

/// How a line is built.
struct Form {
    /// Bytes at its beginning that stand for themselves: what follows is words.
    begins: usize,
    /// Spaces before the lines that it goes on in.
    hang: usize,
    /// Whether it is never broken.
    whole: bool,
    /// Bytes at its beginning that have this colour.
    painted: Option<(usize, &'static str)>,
}

impl Form {
    fn of(line: &str) -> Self {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let plain = Self {
            begins: indent,
            hang: indent + 2,
            whole: false,
            painted: None,
        };
        let word = WORDS
            .iter()
            .find(|(word, _)| line.strip_prefix(word).is_some_and(|rest| rest.starts_with("  K2M-")));
        if let Some((word, code)) = word {
            // The code is followed by two spaces, and then by the title.
            let begins = line
                .match_indices("  ")
                .nth(1)
                .map_or(0, |(at, spaces)| at + spaces.len());
            return Self {
                begins,
                hang: begins,
                painted: Some((word.len(), code)),
                ..plain
            };
        }
        if let Some((head, code)) = HEADS.iter().find(|(head, _)| line.starts_with(head)) {
            return Self {
                begins: head.len(),
                painted: Some((head.len(), code)),
                ..plain
            };
        }
        if line.starts_with("== ") {
            return Self {
                painted: Some((line.len(), "1")),
                whole: true,
                ..plain
            };
        }
        let Some((label, rest)) = line
            .split_at_checked(LABEL)
            .filter(|(label, _)| label.starts_with("  ") && label.ends_with("  "))
        else {
            return plain;
        };
        Self {
            begins: LABEL,
            hang: LABEL,
            whole: is_command(rest),
            painted: Some(label.trim_end().len())
                .filter(|end| *end > 0)
                .map(|end| (end, "2")),
        }
    }

    /// The line in as many as it takes.
    fn fitted(&self, line: &str, most: usize) -> String {
        if self.whole || columns(line) <= most {
            return line.to_owned();
        }
        let (begins, words) = line.split_at(self.begins);
        let mut text = begins.to_owned();
        let mut at = columns(begins);
        // Whether a line holds anything yet but what it begins with.
        let mut empty = true;
        for unit in units(words) {
            let bare = unit.trim_start_matches(' ');
            let width = columns(unit);
            if at + width > most && !empty {
                text.push('\n');
                text.extend(std::iter::repeat_n(' ', self.hang));
                text.push_str(bare);
                at = self.hang + columns(bare);
            } else {
                text.push_str(unit);
                at += width;
            }
            empty = false;
        }
        text
    }
}

/// What no line end comes between, each with the spaces before it: words, and what is there to be copied together with what is written close to it.
fn units(text: &str) -> Vec<&str> {
    // Where a line must not end: the spaces inside of code.
    let kept = copied(text);
    let mut units = Vec::new();
    let mut from = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c == ' ' && before != ' ' && !kept.iter().any(|kept| kept.whole.contains(&at)) {
            units.push(&text[from..at]);
            from = at;
        }
        before = c;
    }
    units.push(&text[from..]);
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
FAIL  K2M-N02  the function's subnets reach each broker, and answers come back: 4 of 4 ways are blocked (and 3 more)
pass  K2M-D01  what is given up is kept: arn:aws:sns:eu-west-1:123456789012:k2m-orders-OrdersFailureTopic-0123456789ABCDEF
skip  K2M-P01  short: nothing is deployed

Broken: the function's subnets reach no broker, since no ingress rule of sg-brokers allows tcp 9098 (K2M-N02)
  why       security group ingress: no ingress rule of sg-brokers allows tcp 9098 from 10.0.0.0/24; add one
  fix       aws ec2 authorize-security-group-ingress --group-id sg-brokers --ip-permissions '[{\"FromPort\": 9098}]' --region eu-west-1
            set `batch_size: 10` in the pipeline of orders in k2m.yaml, then k2m deploy --config 'my own k2m.yaml' --yes
  seen as   `Failed to update metadata after 60.0 secs` (kafka-python), `Local: Broker transport failure` (librdkafka)
";

    fn plain(columns: usize) -> String {
        laid_out(
            TEXT,
            Screen {
                columns: Some(columns),
                colour: false,
            },
        )
    }

    #[test]
    fn lines_hang_below_what_they_say() {
        insta::assert_snapshot!(plain(80));
    }

    #[test]
    fn nothing_is_broken_where_nobody_looks_on() {
        let screen = Screen {
            columns: None,
            colour: false,
        };
        assert_eq!(laid_out(TEXT, screen), TEXT);
        assert_eq!(plain(1000), TEXT);
        assert_eq!(laid_out("", screen), "");
        assert_eq!(laid_out("no line end", screen), "no line end");
    }

    /// Only single spaces between words become line ends, and what is longer than a line is a single word, or there to be copied.
    #[test]
    fn what_is_said_stays_the_same() {
        for columns in 0..=200 {
            let text = plain(columns);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&text), words(TEXT), "{columns}");
            for line in text
                .lines()
                .filter(|line| super::columns(line) > columns.max(NARROWEST))
            {
                let rest = Form::of(line);
                assert!(
                    rest.whole || units(&line[rest.begins..]).len() == 1 || units(line.trim_start()).len() == 1,
                    "{columns}: {line}"
                );
            }
            for command in [
                "aws ec2 authorize-security-group-ingress --group-id sg-brokers --ip-permissions '[{\"FromPort\": 9098}]' --region eu-west-1",
                "`batch_size: 10`",
                "k2m deploy --config 'my own k2m.yaml' --yes",
                "`Failed to update metadata after 60.0 secs`",
            ] {
                assert!(text.contains(command), "{columns}: {command}\n{text}");
            }
        }
    }

    #[test]
    fn colours_are_only_added() {
        for columns in [None, Some(80)] {
            let text = laid_out(TEXT, Screen { columns, colour: true });
            let mut bare = String::new();
            for (index, piece) in text.split('\u{1b}').enumerate() {
                let end = if index == 0 { 0 } else { piece.find('m').unwrap() + 1 };
                bare.push_str(&piece[end..]);
            }
            assert_eq!(bare, laid_out(TEXT, Screen { columns, colour: false }));
            for painted in [
                "\u{1b}[1;31mFAIL\u{1b}[0m  K2M-N02",
                "\u{1b}[32mpass\u{1b}[0m  K2M-D01",
                "\u{1b}[2mskip\u{1b}[0m",
                "\u{1b}[1;31mBroken:\u{1b}[0m the",
                "  \u{1b}[2mfix\u{1b}[0m       aws ec2",
            ] {
                assert!(text.contains(painted), "{painted:?} in {text:?}");
            }
        }
    }
}

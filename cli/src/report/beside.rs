//! Lines for a terminal, of which some have a label or a key on the left, and what it is of beside it. Pure.

use unicode_width::UnicodeWidthStr as _;

use crate::deploy::columns::told;

/// How much further than its key a value begins that stands below it.
const BELOW: usize = 2;

/// A text in lines of at most so many columns, broken between words. What stands beside a label goes on below itself; a value beside a key, which is to be
/// copied, stays whole, and stands below the key where there is no room beside it.
pub(super) fn beside(text: &str, columns: usize) -> String {
    let lines = text
        .lines()
        .map(|line| match apart(line).filter(|_| line.width() > columns) {
            Some((key, value)) if !value.contains(char::is_whitespace) => {
                let indent = key.len() - key.trim_start().len() + BELOW;
                format!("{}\n{}{value}", key.trim_end(), " ".repeat(indent))
            }
            Some((label, words)) => hanging(label, words, columns),
            None => told(line, columns),
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// Words behind what introduces them, which is as wide as it looks; they go on below their own beginning, or on the next line where little room is left there.
pub fn hanging(introduction: &str, words: &str, columns: usize) -> String {
    let width = introduction.width();
    if width > columns / 2 {
        let indent = introduction.len() - introduction.trim_start().len() + 2 * BELOW;
        let below = told(&format!("{}{words}", " ".repeat(indent)), columns);
        return format!("{}\n{below}", introduction.trim_end());
    }
    let below = told(&format!("{}{words}", " ".repeat(width)), columns);
    format!("{introduction}{}", below.get(width..).unwrap_or_default())
}

/// What is on the left with the blanks behind it, and what is on the right; none of a line of other columns.
fn apart(line: &str) -> Option<(&str, &str)> {
    let spaces = line.len() - line.trim_start().len();
    let at = spaces + line.get(spaces..)?.find("  ")?;
    let rest = line.get(at..)?.trim_start();
    let left = line.get(..line.len() - rest.len())?;
    (!rest.is_empty() && !rest.contains("  ")).then_some((left, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_broken_within_a_word() {
        let text = "\
The stack k2m-two in eu-west-1 is created.
  ClicksFailureTopic  arn:aws:sns:eu-west-1:123456789012:k2m-two-ClicksFailureTopic
  ClicksTopic         clicks
Not verified: records of payments do not arrive in payments:
  probe:   the function reaches the brokers and the topic payments is there, with 3 partitions
  canary:  put into shard-0, delivered to payments[0]@0; it got through in 5 ms
           and so did a second one that goes on for long enough to be broken by a terminal
      fix: `k2m logs --stack k2m-two --region eu-west-1 --filter 00000000-0000-4000 --follow` says when it comes
a  b  c and many words that are columns of values already, which are left as they are
Next: nothing, records can flow.
";
        for columns in [40, 80, 200] {
            let shown = beside(text, columns);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&shown), words(text), "{columns}");
            for line in shown.lines() {
                let whole = line.contains("arn:") || line.contains('`') || line.starts_with("a  b");
                assert!(line.width() <= columns || whole, "{columns}: {line}");
            }
        }
        assert_eq!(beside(text, 200), text.trim_end());
        insta::assert_snapshot!(beside(text, 60));
    }

    #[test]
    fn a_wide_introduction_stands_above_its_words() {
        assert_eq!(
            hanging(
                "2026-01-02T03:04:05.678Z  info   ",
                "delivered 5 of 5 records in 3 ms",
                40
            ),
            "2026-01-02T03:04:05.678Z  info\n    delivered 5 of 5 records in 3 ms"
        );
        assert_eq!(
            hanging("info  ", "delivered 5 records", 18),
            "info  delivered 5\n      records"
        );
        assert_eq!(hanging("info  ", "", 18), "info  ");
    }
}

//! Text that can break neither lines nor columns, and its division into lines.

use unicode_width::UnicodeWidthChar as _;

/// The text with everything written out that steers a terminal, has no width of its own, or is drawn differently from one terminal to the next: control
/// characters, line ends, joiners, combining marks, what changes the direction, what nobody has a sign for. What is left has the sum of its characters'
/// widths.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        // The standard library knows what has a sign; quotes and backslashes it would write out as well.
        let signed = matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1;
        if signed && column(c) > 0 && !turns(c) && !joins(c) {
            cleaned.push(c);
        } else {
            cleaned.extend(c.escape_unicode());
        }
    }
    cleaned
}

/// Whether this is written from right to left, so that terminals and browsers would turn what stands beside it.
fn turns(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Whether this becomes one sign with its neighbour where the font has that, and two elsewhere.
fn joins(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Columns that a cleaned text takes in a terminal.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// Columns of one character.
pub(crate) fn column(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The text in lines that are no wider than `most`, by what `width` says of a character: between words where there are some, else within a word. The
/// first line may have a `most` of its own.
pub(crate) fn wrap(text: &str, first: usize, most: usize, width: impl Fn(char) -> usize) -> Vec<String> {
    let of = |text: &str| text.chars().map(&width).sum::<usize>();
    let room = |lines: &Vec<String>| if lines.is_empty() { first } else { most };
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let gap = if line.is_empty() { 0 } else { width(' ') };
        if of(&line) + gap + of(word) <= room(&lines) {
            if gap > 0 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        } else if lines.is_empty() && of(word) <= most && first < most {
            lines.push(String::new());
        }
        for c in word.chars() {
            if !line.is_empty() && of(&line) + width(c) > room(&lines) {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A number with its noun.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, column, columns, wrap};

    #[test]
    fn nothing_breaks_lines_or_columns() {
        for (text, cleaned) in [
            ("orders", "orders"),
            ("naïve Größe 注文", "naïve Größe 注文"),
            ("\"it\u{27}s\" a\\b", "\"it\u{27}s\" a\\b"),
            ("a\nb\tc\r\u{1b}[2J", "a\\u{a}b\\u{9}c\\u{d}\\u{1b}[2J"),
            (
                "\u{85}\u{9b}\u{2028}\u{2029}\0",
                "\\u{85}\\u{9b}\\u{2028}\\u{2029}\\u{0}",
            ),
            ("\u{202e}evil\u{2066}", "\\u{202e}evil\\u{2066}"),
            ("e\u{301}", "e\\u{301}"),
            ("🚀", "🚀"),
            ("👩\u{200d}🚀", "👩\\u{200d}🚀"),
            ("🇪🇺", "\\u{1f1ea}\\u{1f1fa}"),
            ("שלום", "\\u{5e9}\\u{5dc}\\u{5d5}\\u{5dd}"),
            ("\u{fffe}\u{e000}", "\\u{fffe}\\u{e000}"),
        ] {
            assert_eq!(clean(text), cleaned);
            assert_eq!(clean(&clean(text)), cleaned, "it is clean already");
        }
    }

    #[test]
    fn lines_end_between_words_and_else_within_one() {
        let lines = |text: &str, first, most| wrap(text, first, most, column);
        assert_eq!(lines("one two three", 20, 20), ["one two three"]);
        assert_eq!(lines("one two three", 7, 7), ["one two", "three"]);
        assert_eq!(lines("one two three", 3, 9), ["one", "two three"]);
        assert_eq!(lines("abcdefghij", 4, 4), ["abcd", "efgh", "ij"]);
        assert_eq!(lines("abcdefghij", 4, 12), ["", "abcdefghij"]);
        assert_eq!(lines("注文注文", 4, 4), ["注文", "注文"]);
        assert!(lines("", 4, 4).is_empty());
        // A room too small for anything still ends.
        assert_eq!(lines("注文", 1, 1), ["注", "文"]);
        assert_eq!(columns("注文 a"), 6);
    }
}

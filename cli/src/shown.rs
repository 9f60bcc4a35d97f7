//! Texts of others within k2m's own words. Pure.

/// A text that a user gave or a file has, fit for an error: on one line, and not longer than one.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 120;
    let mut characters = text.chars();
    let mut shown = String::new();
    for c in characters.by_ref().take(MOST) {
        // What has no width, or turns the direction of what follows, is written out.
        if c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ' {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_text_stays_on_its_line_and_steers_nothing() {
        for (text, wanted) in [
            ("batch-size", "batch-size"),
            ("it's \"so\" \\", "it's \"so\" \\"),
            ("Grüße 東京", "Grüße 東京"),
            ("a\nb\tc", r"a\nb\tc"),
            ("\u{1b}[2J\u{85}\u{202e}\u{200b}", r"\u{1b}[2J\u{85}\u{202e}\u{200b}"),
            ("", ""),
        ] {
            assert_eq!(shown(text), wanted);
        }
        let long = "x".repeat(121);
        assert_eq!(shown(&long), format!("{}…", "x".repeat(120)));
        assert_eq!(shown(&long[1..]), long[1..]);
    }
}

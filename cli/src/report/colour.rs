//! Whether what is written has colours. Pure.

use crate::args::Color;

/// By what was asked for, by the variables of the environment that are not empty, and by whether it is written to a terminal. Of what contradicts itself the
/// narrower counts: the flag, then `NO_COLOR` (no-color.org), then `CLICOLOR_FORCE` (bixense.com/clicolors), then what the terminal is.
pub(super) fn coloured(asked: Color, said: impl Fn(&str) -> Option<String>, terminal: bool) -> bool {
    match asked {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if said("NO_COLOR").is_some() => false,
        Color::Auto if said("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        Color::Auto => {
            let dumb = said("TERM").is_none_or(|term| term == "dumb");
            terminal && !dumb && said("CLICOLOR").is_none_or(|value| value != "0")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_counts_most_then_the_environment_then_the_terminal() {
        use Color::{Always, Auto, Never};
        type Row = (Color, &'static [(&'static str, &'static str)], bool, bool);
        const TERM: (&str, &str) = ("TERM", "xterm-256color");
        let rows: [Row; 17] = [
            (Auto, &[TERM], true, true),
            (Auto, &[TERM], false, false),
            (Auto, &[], true, false),
            (Auto, &[("TERM", "dumb")], true, false),
            (Auto, &[TERM, ("NO_COLOR", "1")], true, false),
            (Auto, &[TERM, ("NO_COLOR", "0")], true, false),
            (Auto, &[TERM, ("NO_COLOR", "")], true, true),
            (Auto, &[TERM, ("CLICOLOR", "0")], true, false),
            (Auto, &[TERM, ("CLICOLOR", "1")], false, false),
            (Auto, &[("CLICOLOR_FORCE", "1")], false, true),
            (Auto, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true, true),
            (Auto, &[TERM, ("CLICOLOR_FORCE", "0")], false, false),
            (Auto, &[TERM, ("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true, false),
            (Always, &[("NO_COLOR", "1"), ("TERM", "dumb")], false, true),
            (Always, &[], false, true),
            (Never, &[TERM, ("CLICOLOR_FORCE", "1")], true, false),
            (Never, &[TERM], true, false),
        ];
        for (asked, environment, terminal, colours) in rows {
            let said = |name: &str| {
                let found = environment.iter().find(|(of, value)| *of == name && !value.is_empty());
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(
                coloured(asked, said, terminal),
                colours,
                "{asked:?} {environment:?} {terminal}"
            );
        }
    }
}

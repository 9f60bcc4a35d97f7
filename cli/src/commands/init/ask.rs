//! Questions at the terminal. They are written to standard error, and leave the terminal as it was, also when nobody waits for the answer any more.

use std::fmt;
use std::io::{self, IsTerminal as _};

use dialoguer::console::{Term, truncate_str};
use dialoguer::theme::Theme;
use dialoguer::{Confirm, FuzzySelect, Input};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::InitError;
use crate::init::questions::{Question, Sets, Typed};
use crate::report::printable;

/// What stands beside a choice on its line: marks, and blanks between them.
const ORNAMENTS: usize = 4;
/// More choices than these are worth filtering.
const FEW: usize = 4;
/// Narrower than this a choice is not cut.
const LEAST_ROOM: usize = 20;

/// A terminal that somebody sits at. It is put back to what it was when this goes: a question that is given up leaves it without a cursor, and
/// without an echo of what is typed.
#[derive(Debug)]
pub(super) struct Terminal {
    before: Option<Termios>,
}

/// Who answers.
pub(super) trait Ask {
    /// Asks for one of the choices, or for a text.
    async fn choose(&self, question: Question) -> Result<Sets, InitError>;
    /// Asks for yes or no.
    async fn confirm(&self, prompt: &str, default: bool) -> Result<bool, InitError>;
}

impl Terminal {
    /// The terminal, where there is one to read from and to write to.
    pub(super) fn found() -> Option<Self> {
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then(|| Self {
            before: tcgetattr(io::stdin()).ok(),
        })
    }
}

impl Ask for Terminal {
    async fn confirm(&self, prompt: &str, default: bool) -> Result<bool, InitError> {
        let prompt = printable(prompt).into_owned();
        asked(move || Confirm::new().with_prompt(prompt).default(default).interact()).await
    }

    async fn choose(&self, question: Question) -> Result<Sets, InitError> {
        asked(move || {
            let Question {
                prompt, choices, typed, ..
            } = question;
            // Among a few one sees at once which it is.
            let prompt = if choices.len() > FEW {
                format!("{prompt} (type to filter)")
            } else {
                prompt
            };
            if !choices.is_empty() {
                // A line that wraps is not wiped when the next is drawn.
                let (_, width) = Term::stderr().size();
                let room = usize::from(width).saturating_sub(ORNAMENTS).max(LEAST_ROOM);
                let shown = choices.iter().map(|choice| choice.shown.as_str());
                let shown = shown.chain(typed.iter().map(|typed| typed.shown.as_str()));
                let lines: Vec<String> = shown
                    .map(|line| truncate_str(&harmless(line), room, "…").into_owned())
                    .collect();
                let filtering = Filtering(&lines);
                let chosen = FuzzySelect::with_theme(&filtering)
                    .with_prompt(truncate_str(&prompt, room, "…"))
                    .items(&lines)
                    .default(0)
                    .report(false)
                    .interact()?;
                // Dialoguer's own report has the prompt and the choice on one line, which may not be long enough.
                if let Some(line) = lines.get(chosen) {
                    Term::stderr().write_line(&format!("{prompt}:\n  {}", line.trim_end()))?;
                }
                if let Some(choice) = choices.into_iter().nth(chosen) {
                    return Ok(choice.sets);
                }
            }
            let Some(Typed {
                setting, prompt, check, ..
            }) = typed
            else {
                return Ok(Sets::new());
            };
            let text: String = Input::new()
                .with_prompt(prompt)
                .validate_with(move |text: &String| check(text))
                .interact_text()?;
            Ok(vec![(setting, Some(text))])
        })
        .await
    }
}

/// A list as ever, which says it where nothing of it is left.
struct Filtering<'a>(&'a [String]);

impl Theme for Filtering<'_> {
    fn format_fuzzy_select_prompt(
        &self,
        f: &mut dyn fmt::Write,
        prompt: &str,
        typed: &str,
        cursor: usize,
    ) -> fmt::Result {
        let (before, after) = typed.split_at(cursor);
        write!(f, "{prompt} {before}|{after}")?;
        if self.0.iter().any(|line| fits(line, typed)) {
            return Ok(());
        }
        write!(f, "  (nothing fits)")
    }
}

/// Whether dialoguer leaves a line in the list: it has all letters of the filter in their order; capitals count where the filter has some.
fn fits(line: &str, filter: &str) -> bool {
    let exact = filter.chars().any(char::is_uppercase);
    let mut letters = line.chars();
    filter.chars().all(|wanted| {
        letters.any(|letter| {
            if exact {
                letter == wanted
            } else {
                letter.eq_ignore_ascii_case(&wanted)
            }
        })
    })
}

/// On one line, and without what would steer the terminal.
fn harmless(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // There is nothing left to do about a terminal that is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
            let _ = Term::stderr().show_cursor();
        }
    }
}

/// Asks on a thread of its own, so that a signal is heard meanwhile.
async fn asked<T: Send + 'static>(
    question: impl FnOnce() -> dialoguer::Result<T> + Send + 'static,
) -> Result<T, InitError> {
    match tokio::task::spawn_blocking(question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(dialoguer::Error::IO(error))) if error.kind() == io::ErrorKind::Interrupted => {
            Err(InitError::Interrupted)
        }
        Ok(Err(dialoguer::Error::IO(error))) => Err(InitError::Ask(error)),
        Err(error) => Err(InitError::Ask(io::Error::other(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_fits_nothing_is_told() {
        let lines = ["stream/clicks  (ACTIVE)".to_owned(), "stream/Orders".to_owned()];
        for (filter, nothing) in [
            ("", false),
            ("clicks", false),
            ("CLICKS", true),
            ("sords", false),
            ("Ord", false),
            ("active", false),
            ("ordersx", true),
            ("kcilc", true),
            ("é", true),
        ] {
            let mut shown = String::new();
            let cursor = filter.len();
            Filtering(&lines)
                .format_fuzzy_select_prompt(&mut shown, "Stream", filter, cursor)
                .unwrap();
            let end = if nothing { "  (nothing fits)" } else { "" };
            assert_eq!(shown, format!("Stream {filter}|{end}"));
        }
    }
}

//! Questions at the terminal. They are written to standard error, and leave the terminal as it was, also when nobody waits for the answer any more.

use std::io::{self, IsTerminal as _};

use dialoguer::console::{Term, truncate_str};
use dialoguer::{Confirm, FuzzySelect, Input};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::InitError;

/// What stands beside the prompt and the choice on a line: marks, and blanks between them.
const ORNAMENTS: usize = 6;
/// Narrower than this a choice is not cut.
const LEAST_ROOM: usize = 20;

/// A terminal that somebody sits at. It is put back to what it was when this goes: a question that is given up leaves it without a cursor, and
/// without an echo of what is typed.
#[derive(Debug)]
pub(super) struct Terminal {
    before: Option<Termios>,
}

/// A choice.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// What it is.
    pub(super) answer: String,
    /// What is shown, on one line.
    pub(super) shown: String,
}

/// A choice to be made, or an answer to be typed.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// What is asked.
    pub(super) prompt: String,
    /// What there is to choose from.
    pub(super) items: Vec<Item>,
    /// What is shown for an answer that is typed.
    pub(super) other: String,
    /// What is asked then.
    pub(super) other_prompt: String,
    /// What stands first.
    pub(super) proposed: Option<String>,
    /// Whether what is typed can be an answer, and why not.
    pub(super) check: fn(&str) -> Result<(), String>,
}

impl Question {
    /// All choices with the proposed one first, whether or not it was found; the last one is to type an answer.
    pub(super) fn choices(&self) -> Vec<Item> {
        let mut items = self.items.clone();
        if let Some(proposed) = &self.proposed {
            let first = match items.iter().position(|item| item.answer == *proposed) {
                Some(found) => items.remove(found),
                None => Item {
                    answer: proposed.clone(),
                    shown: proposed.clone(),
                },
            };
            items.insert(0, first);
        }
        items
    }
}

impl Terminal {
    /// The terminal, where there is one to read from and to write to.
    pub(super) fn found() -> Option<Self> {
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then(|| Self {
            before: tcgetattr(io::stdin()).ok(),
        })
    }

    /// Asks for yes or no.
    pub(super) async fn confirm(&self, prompt: String) -> Result<bool, InitError> {
        asked(move || Confirm::new().with_prompt(prompt).default(false).interact()).await
    }

    /// Asks for one of the choices, or for a text.
    pub(super) async fn choose(&self, question: Question) -> Result<String, InitError> {
        asked(move || {
            let choices = question.choices();
            if !choices.is_empty() {
                // A line that wraps is not wiped when the next is drawn.
                let (_, width) = Term::stderr().size();
                let room = usize::from(width).saturating_sub(question.prompt.chars().count() + ORNAMENTS);
                let mut lines: Vec<_> = choices
                    .iter()
                    .map(|item| truncate_str(&item.shown, room.max(LEAST_ROOM), "…"))
                    .collect();
                lines.push(question.other.as_str().into());
                let chosen = FuzzySelect::new()
                    .with_prompt(&question.prompt)
                    .items(&lines)
                    .default(0)
                    .interact()?;
                if let Some(item) = choices.get(chosen) {
                    return Ok(item.answer.clone());
                }
            }
            let check = question.check;
            Input::new()
                .with_prompt(&question.other_prompt)
                .validate_with(move |text: &String| check(text))
                .interact_text()
        })
        .await
    }
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

//! The handler with one promise broken on purpose, named by the variable `FLAW`: what the tests must notice. For tests of the tests only.

use std::process::ExitCode;

use k2m_handler::{Flaw, main_with};

fn main() -> ExitCode {
    let chosen = std::env::var("FLAW").unwrap_or_default();
    match Flaw::ALL.iter().find(|(name, _)| *name == chosen) {
        Some((_, flaw)) => main_with(*flaw),
        // Without a flaw it would be taken for a handler that passes: refused.
        None => ExitCode::FAILURE,
    }
}

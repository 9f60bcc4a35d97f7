//! `k2m completions`: the script that completes k2m's commands, flags and their values in a shell.

use clap_complete::Shell as Generated;

use super::{CommandError, output};
use crate::args::{CompletionsArgs, Shell};
use crate::exit::Exit;
use crate::help;
use crate::report::Reporter;

/// Runs the command.
pub fn run(args: &CompletionsArgs, reporter: &Reporter) -> Result<Exit, CommandError> {
    let shell = match args.shell {
        Shell::Bash => Generated::Bash,
        Shell::Zsh => Generated::Zsh,
        Shell::Fish => Generated::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::completed(), "k2m", &mut script);
    output(reporter.raw(&script))?;
    Ok(Exit::Fine)
}

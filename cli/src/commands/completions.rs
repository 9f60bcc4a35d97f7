//! `k2m completions`: the script that completes k2m's commands, flags and their values in a shell.

use clap::builder::PossibleValue;
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
    let mut command = help::completed();
    clap_complete::generate(shell, &mut command, "k2m", &mut script);
    if args.shell == Shell::Fish {
        script.extend(words(&command).into_bytes());
    }
    output(reporter.raw(&script))?;
    Ok(Exit::Fine)
}

/// What the generator leaves out for fish: the words that a command takes without an option, such as a code.
fn words(command: &clap::Command) -> String {
    let mut lines = String::new();
    for command in command.get_subcommands() {
        for argument in command.get_positionals() {
            let values = argument.get_possible_values();
            let names: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
            if !names.is_empty() {
                let when = [
                    "complete -c k2m -n \"__fish_k2m_using_subcommand ",
                    command.get_name(),
                    "\"",
                ];
                lines.extend(when);
                lines.extend([" -f -a \"", &names.join(" "), "\"\n"]);
            }
        }
    }
    lines
}

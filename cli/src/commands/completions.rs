//! `k2m completions`: what makes a shell complete k2m's commands and flags.

use std::fmt;

use clap::CommandFactory as _;
use clap_complete::{Generator, Shell as Grammar};
use serde::Serialize;

use super::{CommandError, output};
use crate::args::{Cli, CompletionsArgs, Shell};
use crate::exit::Exit;
use crate::report::Reporter;

/// A script for a shell.
#[derive(Debug, Serialize)]
struct Completions {
    script: String,
}

impl fmt::Display for Completions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.script)
    }
}

/// Runs the command.
pub fn run(args: &CompletionsArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    output(reporter.result(&Completions {
        script: script(args.shell),
    }))?;
    Ok(Exit::Fine)
}

fn script(shell: Shell) -> String {
    let grammar = match shell {
        Shell::Bash => Grammar::Bash,
        Shell::Zsh => Grammar::Zsh,
        Shell::Fish => Grammar::Fish,
    };
    // Generators show also the commands that are hidden: k2m's own processes.
    let whole = Cli::command();
    let shown = whole
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .cloned();
    let mut command = clap::Command::new("k2m")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommands(shown);
    command.set_bin_name("k2m");
    command.build();
    let mut script = Vec::new();
    grammar.generate(&command, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_told_the_commands_and_none_of_those_that_are_hidden() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for command in ["deploy", "doctor", "completions"] {
                assert!(script.contains(command), "{shell:?} has no {command}");
            }
            for hidden in ["bootstrap", "broker"] {
                assert!(
                    !script.contains(&format!("k2m__subcmd__{hidden}")),
                    "{shell:?} has {hidden}"
                );
            }
            assert!(!script.contains("Serve the Lambda Runtime API"), "{shell:?}");
        }
    }
}

//! Commands that are printed for a user to run. Whatever a name holds, the shell takes it for one word and runs nothing of it, and the program
//! takes it for a value and not for an option. Pure.

use std::fmt::{self, Display, Write as _};

/// A command, word by word.
#[derive(Debug, Clone)]
pub(crate) struct Command(String);

impl Command {
    /// A program with its subcommands, as they are.
    pub(crate) fn new(program: &str) -> Self {
        Self(program.to_owned())
    }

    /// A value without an option.
    pub(crate) fn word(mut self, value: &str) -> Self {
        self.0.extend([" ", &quoted(value)]);
        self
    }

    /// The file of settings, unless it is the one that is read anyway.
    pub(crate) fn file(self, path: &str) -> Self {
        if path == "k2m.yaml" {
            self
        } else {
            self.option("--config", path)
        }
    }

    /// An option without a value, as it is.
    pub(crate) fn flag(mut self, name: &str) -> Self {
        self.0.extend([" ", name]);
        self
    }

    /// An option with its value.
    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        // Only so is a value that begins like an option none.
        let joint = if value.starts_with('-') { "=" } else { " " };
        self.0.extend([" ", name, joint, &quoted(value)]);
        self
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word as a shell's command has it: bare where nothing in it means anything to a shell, else in single quotes.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.contains(char::is_control) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    // What steers a terminal or ends a line is written out, which a shell reads in this form only.
    let mut text = "$'".to_owned();
    for c in word.chars() {
        if c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                // Writing to a text never fails.
                let _ = write!(text, r"\{byte:03o}");
            }
        } else {
            if matches!(c, '\'' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::{Command, quoted};

    /// Names, kind and unkind.
    const WORDS: [&str; 14] = [
        "orders",
        "b-1.events:9098,b-2.events:9098",
        "arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1",
        "",
        "two words",
        "$(touch harm)",
        "`touch harm`; touch harm & # |",
        "it's",
        "\"$HOME\" \\ ~ * ?",
        "!! ^a^b^ {a,b} =ls",
        "{\"Variables\":{\"K2M_TOPIC\":\"it's\"}}",
        "a line\nand 'another' \\ one\u{1b}[2J\u{85}1",
        "Grüße",
        "--force",
    ];

    #[test]
    fn a_shell_reads_back_the_very_word() {
        for word in WORDS {
            let output = Process::new("bash")
                .args(["-c", &format!("printf %s {}", quoted(&format!("+{word}")))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), format!("+{word}"), "{word:?}");
            assert!(!quoted(word).contains(char::is_control), "{word:?}");
        }
    }

    #[test]
    fn a_value_is_never_an_option() {
        let command = Command::new("aws kafka create-topic")
            .option("--topic-name", "--force")
            .option("--region", "eu-west-1")
            .flag("--debug");
        assert_eq!(
            command.to_string(),
            "aws kafka create-topic --topic-name=--force --region eu-west-1 --debug"
        );
    }
}

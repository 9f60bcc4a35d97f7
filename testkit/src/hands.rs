//! Hands in an account: one Python process that does one thing after another, for those who ask so often that a process for each would cost more than what it does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::{AwsEmulator, Error, Result, ground};

/// A process that waits for what to do. It ends when this value is dropped or this process ends.
#[derive(Debug)]
pub struct Hands {
    process: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Answer(Value),
    Error(String),
}

impl AwsEmulator {
    /// Starts a Python script that reads a JSON list of words a line, and answers each with a line: `{"answer": …}`, or `{"error": "…"}`.
    pub fn hands(&self, script: &str, arguments: &[&str]) -> Result<Hands> {
        let mut command = Command::new(ground::python()?);
        command.args(["-c", script]).args(arguments).envs(self.environment());
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::io("start hands in the account"))?;
        let (Some(asked), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Error::Usage("the hands have no pipes".to_owned()));
        };
        let answers = BufReader::new(answers);
        Ok(Hands {
            process,
            asked,
            answers,
        })
    }
}

impl Hands {
    /// Has one thing done, and gives the answer.
    pub fn ask(&mut self, words: &[&str]) -> Result<Value> {
        let doing = || format!("ask the hands in the account for {}", words.join(" "));
        let line = serde_json::to_string(words).unwrap_or_default();
        writeln!(self.asked, "{line}").map_err(Error::io(doing()))?;
        let mut text = String::new();
        self.answers.read_line(&mut text).map_err(Error::io(doing()))?;
        match serde_json::from_str(&text) {
            Ok(Answer::Answer(value)) => Ok(value),
            Ok(Answer::Error(reason)) => Err(Error::Refused { doing: doing(), reason }),
            Err(source) => Err(Error::Report { source, text }),
        }
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

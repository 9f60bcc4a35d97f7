//! A long-lived Python process that reads topics whole, moves leaders and deletes topics, with clients that share no code with k2m's:
//! for tests that ask often.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result, ground};

const SCRIPT: &str = include_str!("../python/clerk.py");

/// A message as it is in a topic.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its partition.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Its key as text.
    pub key: Option<String>,
    /// Its value as text.
    pub value: Option<String>,
    /// Its headers as text.
    pub headers: BTreeMap<String, Option<String>>,
}

/// The process; it ends when its input does, and so with this value or with the test.
#[derive(Debug)]
pub struct Clerk {
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    child: Child,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    Ok(serde_json::Value),
    Error(String),
}

impl Clerk {
    /// Starts the process.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(ground::python()?)
            .arg(ground::script("clerk.py", SCRIPT)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::io("start the clerk"))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Usage("the clerk has no pipes".to_owned()));
        };
        Ok(Self {
            pipes: Mutex::new((to, BufReader::new(from))),
            child,
        })
    }

    /// All of `topic` up to the end offsets of now, by partition and offset.
    pub fn read(&self, bootstrap: &str, topic: &str) -> Result<Vec<Message>> {
        self.ask(&serde_json::json!({"read": topic, "from": bootstrap}))
    }

    /// Makes another replica in sync the leader of each partition of `topic`, and waits until it is. Answers the new leaders by partition.
    pub fn move_leaders(&self, bootstrap: &str, topic: &str) -> Result<BTreeMap<String, i32>> {
        self.ask(&serde_json::json!({"move_leaders": topic, "from": bootstrap}))
    }

    /// Deletes those of the topics that are there; answers which were.
    pub fn delete(&self, bootstrap: &str, topics: &[&str]) -> Result<Vec<String>> {
        self.ask(&serde_json::json!({"delete": topics, "from": bootstrap}))
    }

    fn ask<T: DeserializeOwned>(&self, request: &serde_json::Value) -> Result<T> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (to, from) = &mut *pipes;
        writeln!(to, "{request}").map_err(Error::io("ask the clerk"))?;
        let mut line = String::new();
        from.read_line(&mut line).map_err(Error::io("hear the clerk"))?;
        let unreadable = |source| Error::Report {
            source,
            text: line.clone(),
        };
        match serde_json::from_str(&line).map_err(unreadable)? {
            Reply::Ok(value) => serde_json::from_value(value).map_err(unreadable),
            Reply::Error(reason) => Err(Error::Refused {
                doing: request.to_string(),
                reason,
            }),
        }
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

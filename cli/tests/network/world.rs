//! A process that holds network namespaces, and in them one topology at a time. Nothing has a name outside of it, and it ends with its input: whatever ends
//! the test's process, nothing stays.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::kernel::Build;

const AGENT: &str = include_str!("agent.py");

/// One connection to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) source: Ipv4Addr,
    pub(crate) source_port: u16,
    pub(crate) destination: Ipv4Addr,
    pub(crate) port: u16,
}

/// A connection from one host to another: their names, and the sample.
pub(crate) type Try<'a> = (&'a str, &'a str, Sample);

#[derive(Serialize)]
#[serde(tag = "do", rename_all = "camelCase")]
enum Request<'a> {
    Build(&'a Build),
    Connect {
        tries: Vec<(&'a str, Ipv4Addr, u16, &'a str, Ipv4Addr, u16)>,
        bound: f32,
    },
}

#[derive(Deserialize)]
struct Answer {
    trouble: Option<String>,
    said: Vec<String>,
}

/// The namespaces, for as long as this lives.
pub(crate) struct World {
    process: Child,
    requests: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl World {
    pub(crate) fn new() -> Self {
        for (program, package) in [("ip", "iproute2"), ("nft", "nftables"), ("unshare", "util-linux")] {
            let there = Command::new(program).arg("--version").output();
            assert!(
                there.is_ok(),
                "`{program}` was not found: install {package}, or run scripts/test, which does"
            );
        }
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let mut process = command
            .args(["--net", "python3", "-c", AGENT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a namespace");
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Self {
            process,
            requests,
            answers,
        }
    }

    /// Replaces what is there by another topology.
    pub(crate) fn build(&mut self, build: &Build) {
        self.ask(&Request::Build(build));
    }

    /// What became of each connection: `connected`, or why not, after so many seconds at most.
    pub(crate) fn connect(&mut self, tries: &[Try], bound: f32) -> Vec<String> {
        let tries = tries
            .iter()
            .map(|(from, to, sample)| {
                (
                    *from,
                    sample.source,
                    sample.source_port,
                    *to,
                    sample.destination,
                    sample.port,
                )
            })
            .collect();
        self.ask(&Request::Connect { tries, bound })
    }

    fn ask(&mut self, request: &Request) -> Vec<String> {
        let mut line = serde_json::to_string(request).expect("plain data");
        line.push('\n');
        let requests = self.requests.as_mut().expect("taken only when this ends");
        let sent = requests.write_all(line.as_bytes());
        let answer = self.answers.next().and_then(Result::ok);
        let (Ok(()), Some(answer)) = (sent, answer) else {
            panic!("the process with the namespaces has ended: what was printed says why");
        };
        let answer: Answer = serde_json::from_str(&answer).expect("an answer");
        assert!(answer.trouble.is_none(), "{}", answer.trouble.unwrap_or_default());
        answer.said
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The end of its input is its end.
        drop(self.requests.take());
        let _ = self.process.wait();
    }
}

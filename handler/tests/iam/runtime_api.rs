//! As much of Lambda's Runtime API as one invocation of the `bootstrap` binary needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How one invocation went.
pub(crate) struct Outcome {
    /// What the function answered, as JSON text; an error where its path ends with `error`.
    pub(crate) answer: String,
    /// All that it printed.
    pub(crate) output: String,
}

impl Outcome {
    /// The summary line's field, or nothing.
    pub(crate) fn summary(&self, field: &str) -> String {
        let lines = self
            .output
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let summary = lines.into_iter().find(|line| line["message"] == "invocation");
        summary
            .map(|line| line[field].as_str().unwrap_or_default().to_owned())
            .unwrap_or_default()
    }
}

/// A child that does not outlive its test.
struct Function(Child);

impl Drop for Function {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `bootstrap` with these variables and no others, invokes it once, and ends it.
pub(crate) fn invoke(variables: &[(&str, &str)], event: &str, time_out: Duration) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let (answers, answered) = channel();
    let event = Arc::new(Mutex::new(Some(event.to_owned())));
    // Ends with the test's process: the listener has no other end.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (event, answers) = (Arc::clone(&event), answers.clone());
            std::thread::spawn(move || serve(&stream, &event, &answers, time_out));
        }
    });
    let child = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "iam-test")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut function = Function(child);
    let mut pipe = function.0.stdout.take().expect("it was piped");
    let reader = std::thread::spawn(move || {
        let mut output = String::new();
        pipe.read_to_string(&mut output).expect("UTF-8");
        output
    });
    let answer = answer(&answered, time_out);
    drop(function);
    let output = reader.join().expect("the reader does not panic");
    Outcome {
        answer: answer.unwrap_or_else(|| panic!("no answer; it printed: {output}")),
        output,
    }
}

fn answer(answered: &Receiver<String>, time_out: Duration) -> Option<String> {
    answered.recv_timeout(time_out + Duration::from_secs(15)).ok()
}

/// Serves one connection to its end.
fn serve(stream: &TcpStream, event: &Mutex<Option<String>>, answers: &Sender<String>, time_out: Duration) {
    let mut reader = BufReader::new(stream);
    while let Some((path, body)) = request(&mut reader) {
        let response = if path.ends_with("/invocation/next") {
            let Some(event) = event.lock().expect("no panic with the lock").take() else {
                // As Lambda freezes a sandbox: the next event never comes, and the connection stays until the function ends.
                let _ = reader.read(&mut [0]);
                return;
            };
            let deadline = (SystemTime::now() + time_out)
                .duration_since(UNIX_EPOCH)
                .expect("after 1970");
            format!(
                "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: request-1\r\nlambda-runtime-deadline-ms: {}\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:111122223333:function:iam-test\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{event}",
                deadline.as_millis(),
                event.len()
            )
        } else {
            // The test may have gone on without it.
            let _ = answers.send(body);
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
        };
        if (&mut &*stream).write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

/// The next request's path and body; none at the connection's end.
fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8(body).ok()?))
}

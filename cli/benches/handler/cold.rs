//! The first batch of a cold sandbox over TLS: from the start of the process to the answer, beside confluent-kafka in a fresh Python process
//! with the same settings and messages.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use k2m_testkit::ground;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::report::{Goal, Section, Spread};
use crate::sandbox::Sandbox;
use crate::workload::{Batch, SMALL, Workload};
use crate::{Kafka, LIMIT, Result, Run, librdkafka};

/// Records of the batch.
const RECORDS: usize = 100;
/// Processes of each side that count.
const ROUNDS: usize = 15;
/// Processes before the first that counts.
const WARM_UP: usize = 3;
const SCRIPT: &str = include_str!("cold.py");

pub(crate) async fn measure(run: &Run<'_>, kafka: &Kafka) -> Result<Section> {
    let batch = Workload::new(SMALL)?.batch(RECORDS)?;
    let [by_handler, by_confluent] = ["cold-handler", "cold-confluent"];
    for topic in [by_handler, by_confluent] {
        kafka.topic(topic)?;
    }
    let job = job(kafka.tls(by_confluent)?, &batch)?;
    let python = ground::python()?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut versions = String::new();
    let rounds = run.rounds(ROUNDS);
    for round in 0..WARM_UP + rounds {
        let mut sandbox = Sandbox::new(&run.programs.bootstrap, kafka.tls(by_handler)?)?;
        let invocation = sandbox.deliver(&batch.event).await?;
        sandbox.close().await?;
        let (time, said) = confluent(&python, job.path()).await?;
        versions = said;
        if round >= WARM_UP {
            ours.push(invocation.time);
            theirs.push(time);
        }
    }
    for topic in [by_handler, by_confluent] {
        kafka.holds(topic, (WARM_UP + rounds) * RECORDS)?;
    }

    let (ours, theirs) = (Spread::of(&ours), Spread::of(&theirs));
    let times = theirs.median / ours.median;
    let mut text = String::from("| side | start to the last acknowledgement | processes |\n|---|---:|---:|\n");
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "| the handler: `bootstrap`, to its answer | {} | {rounds} |",
        ours.cell()
    );
    let _ = writeln!(
        text,
        "| confluent-kafka: Python, to the end of `flush` | {} | {rounds} |",
        theirs.cell()
    );
    let _ = writeln!(
        text,
        "\n{RECORDS} records of {SMALL} bytes. Milliseconds: median (least-most). {}, over TLS; {versions}.",
        kafka.name()
    );
    let goals = vec![Goal {
        what: format!("first batch of a cold sandbox, TLS, {RECORDS} records"),
        against: "confluent-kafka in a fresh process".into(),
        ours: ours.millis(),
        theirs: theirs.millis(),
        ratio: times,
        aim: "faster".into(),
        met: times > 1.0,
    }];
    Ok(Section { text, goals })
}

/// What the script is given.
fn job(environment: Vec<(String, String)>, batch: &Batch) -> Result<NamedTempFile> {
    let (mut settings, topic) = librdkafka::settings(environment)?;
    // Else it warns on standard error of what the handler sets.
    settings.set("log_level", "3");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let messages: Vec<_> = batch
        .messages
        .iter()
        .map(|message| {
            json!({
                "key": text(&message.key),
                "value": text(&message.value),
                "timestamp": message.timestamp_millis,
                "headers": message.headers.iter().map(|(name, value)| (name, text(value))).collect::<Vec<_>>(),
            })
        })
        .collect();
    let file = NamedTempFile::new()?;
    let job = json!({"settings": settings.config_map(), "topic": topic, "messages": messages});
    serde_json::to_writer(file.as_file(), &job)?;
    Ok(file)
}

/// One process of the other side: how long until it was done, and what runs there.
async fn confluent(python: &Path, job: &Path) -> Result<(Duration, String)> {
    let mut command = Command::new(python);
    command
        .args(["-c", SCRIPT])
        .arg(job)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let start = Instant::now();
    let mut process = command.spawn()?;
    let output = process.stdout.take().ok_or("Python was started without a pipe")?;
    let mut line = String::new();
    timeout(LIMIT, BufReader::new(output).read_line(&mut line)).await??;
    let time = start.elapsed();
    process.wait().await?;
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["done", client, python] => Ok((time, format!("confluent-kafka {client} on Python {python}"))),
        _ => Err(format!("confluent-kafka did not deliver the batch: {line}").into()),
    }
}

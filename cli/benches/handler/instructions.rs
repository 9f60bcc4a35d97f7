//! Instructions for each record, counted by callgrind: the same whatever else the machine does. Counted twice with different numbers of
//! invocations, so that the start of the process falls out of the difference.

use std::fmt::Write as _;
use std::process::Stdio;

use bytes::Bytes;
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::report::{Goal, Section};
use crate::workload::{SMALL, Workload};
use crate::{Kafka, Result, Run, drive};

/// How much dearer a record of the largest batch may be than one of a small batch and still be called the same.
const GOAL: f64 = 1.1;

/// What the messages are given to.
#[derive(Clone, Copy)]
enum Broker {
    Scripted,
    Kafka,
}

/// Instructions of one invocation.
struct Counted {
    records: f64,
    scripted: f64,
    kafka: f64,
}

pub(crate) async fn measure(run: &Run<'_>, kafka: &Kafka) -> Result<Section> {
    let workload = Workload::new(SMALL)?;
    let topic = "instructions";
    kafka.topic(topic)?;
    let mut counted = Vec::new();
    for size in workload.sizes() {
        let event = workload.batch(size)?.event;
        // More where one invocation is little beside the start.
        let times = if size <= 100 { [10, 110] } else { [2, 2 + run.rounds(8)] };
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^53 records")]
        let records = size as f64;
        counted.push(Counted {
            records,
            scripted: invocation(Broker::Scripted, &event, times, Vec::new()).await?,
            kafka: invocation(Broker::Kafka, &event, times, kafka.plaintext(topic)).await?,
        });
    }

    let mut text = String::from(concat!(
        "| records | the handler without Kafka | a record | one more record | with librdkafka and brokers | a record | one more record |\n",
        "|---:|---:|---:|---:|---:|---:|---:|\n"
    ));
    let mut before: Option<&Counted> = None;
    for now in &counted {
        let more = |figure: fn(&Counted) -> f64| {
            before.map_or_else(|| "-".to_owned(), |before| format!("{:.0}", slope(before, now, figure)))
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {} | {:.0} | {:.0} | {} |",
            now.records,
            now.scripted,
            now.scripted / now.records,
            more(|it| it.scripted),
            now.kafka,
            now.kafka / now.records,
            more(|it| it.kafka),
        );
        before = Some(now);
    }
    text.push_str(
        "\nInstructions of one invocation, of all threads, kernel not counted. *One more record*: the difference to the row above, for each record \
         more. Without Kafka: reading the event, base64, the messages, the answer, the log. With it: all of that, through librdkafka to real brokers.\n",
    );

    let [_, hundred, thousand, largest] = &counted[..] else {
        return Err("four sizes were to be counted".into());
    };
    let goal = |name: &str, figure: fn(&Counted) -> f64| {
        let (small, large) = (slope(hundred, thousand, figure), slope(thousand, largest, figure));
        Goal {
            what: format!("instructions for one more record, {name}: from 1,000 to the largest batch"),
            against: "from 100 to 1,000".into(),
            ours: format!("{large:.0}"),
            theirs: format!("{small:.0}"),
            ratio: large / small,
            aim: format!("linear: at most {GOAL} times"),
            met: large / small <= GOAL,
        }
    };
    let goals = vec![
        goal("without Kafka", |it| it.scripted),
        goal("with librdkafka", |it| it.kafka),
    ];
    Ok(Section { text, goals })
}

/// Instructions for each record that `now` has more.
fn slope(before: &Counted, now: &Counted, figure: fn(&Counted) -> f64) -> f64 {
    (figure(now) - figure(before)) / (now.records - before.records)
}

/// Instructions of one invocation with this event.
async fn invocation(
    broker: Broker,
    event: &Bytes,
    [few, many]: [usize; 2],
    environment: Vec<(String, String)>,
) -> Result<f64> {
    let file = NamedTempFile::new()?;
    std::fs::write(file.path(), event)?;
    let (few_cost, many_cost) = (
        process(broker, few, &file, &environment).await?,
        process(broker, many, &file, &environment).await?,
    );
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let each = (many_cost - few_cost) as f64 / (many - few) as f64;
    Ok(each)
}

/// Instructions of a whole process.
async fn process(broker: Broker, times: usize, event: &NamedTempFile, environment: &[(String, String)]) -> Result<u64> {
    let broker = match broker {
        Broker::Scripted => "scripted",
        Broker::Kafka => "kafka",
    };
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .env(drive::VARIABLE, format!("{broker} {times} {}", event.path().display()))
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .await
        .map_err(|error| format!("valgrind can't be run: {error}; on Debian `apt-get install valgrind` brings it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected :").map(|(_, count)| count.trim().to_owned()));
    match collected {
        Some(count) if output.status.success() => Ok(count.parse()?),
        _ => Err(format!("callgrind did not count ({}): {said}", output.status).into()),
    }
}

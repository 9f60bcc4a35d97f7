//! Where the time goes: the handler's process is sampled by `perf` while it delivers the largest batches, and each sample is put down to the
//! first stage whose functions are on its stack.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::Command;

use crate::report::{Section, Spread};
use crate::sandbox::Sandbox;
use crate::workload::{RECORD_BYTES, Workload};
use crate::{Kafka, Result, Run};

/// Invocations that are sampled.
const ROUNDS: usize = 101;
/// Invocations before.
const WARM_UP: usize = 15;
/// Samples a second: no divisor of anything that happens regularly.
const FREQUENCY: &str = "1499";

/// Stages with what functions on a stack show, in the order they are tried. A part is a substring of a function's name; all of a rule's must be
/// found, on the stack anywhere.
const STAGES: [(&str, &[&[&str]]); 11] = [
    ("base64", &[&["base64"]]),
    (
        "JSON: reading the records",
        &[&["serde_json", "decode"], &["event::"], &["serde_json", "handle"]],
    ),
    ("HTTP: the event into one piece", &[&["to_bytes"]]),
    ("headers for librdkafka", &[&["OwnedHeaders"], &["rd_kafka_header_add"]]),
    (
        "librdkafka: taking a message",
        &[&["rd_kafka_producev"], &["BaseProducer", "::send"]],
    ),
    (
        "librdkafka: giving messages back",
        &[&["rd_kafka_op_destroy"], &["rd_kafka_msg_destroy"]],
    ),
    (
        "librdkafka: making requests",
        &[&["msgset"], &["rd_kafka_produce_batch"], &["msgq_set_metadata"]],
    ),
    (
        "librdkafka: network, with the kernel",
        &[&["rd_kafka_transport"], &["rd_kafka_send"], &["rd_kafka_recv"]],
    ),
    ("librdkafka: all else", &[&["rd_kafka"], &["rdkafka"]]),
    (
        "the handler itself",
        &[
            &["k2m_handler::kafka"],
            &["k2m_handler::rounds"],
            &["k2m_handler::note"],
            &["k2m_handler::batch"],
        ],
    ),
    (
        "HTTP: all else, with the kernel",
        &[&["hyper"], &["tokio"], &["lambda_runtime"]],
    ),
];
const ELSE: &str = "all else";

/// What the processor did, whichever stage it was in, by the innermost function.
const DEEDS: [(&str, &[&str]); 4] = [
    (
        "copying bytes",
        &["memcpy", "memmove", "copy_to_iter", "copy_from_iter"],
    ),
    (
        "allocating and freeing",
        &["malloc", "calloc", "realloc", "free", "unlink_chunk", "tcache"],
    ),
    (
        "new pages from the kernel",
        &[
            "page_fault",
            "clear_page",
            "anonymous_page",
            "handle_mm_fault",
            "unmap_page",
            "_folio",
            "memcg",
        ],
    ),
    ("looking at the clock", &["clock_gettime"]),
];

pub(crate) async fn measure(run: &Run<'_>, kafka: &Kafka) -> Result<Section> {
    let mut columns = Vec::new();
    for record_bytes in RECORD_BYTES {
        columns.push(Column::sample(run, kafka, record_bytes).await?);
    }
    let header: String = RECORD_BYTES
        .iter()
        .fold(String::new(), |text, bytes| text + &format!(" {bytes} B |"));
    let rule = "---:|".repeat(RECORD_BYTES.len());
    let mut text = format!("| stage |{header}\n|---|{rule}\n");
    let row = |text: &mut String, name: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: String = columns
            .iter()
            .fold(String::new(), |cells, column| cells + &format!(" {} |", cell(column)));
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {name} |{cells}");
    };
    for (stage, _) in STAGES {
        row(&mut text, stage, &|column| share(&column.stages, stage, column.samples));
    }
    row(&mut text, ELSE, &|column| share(&column.stages, ELSE, column.samples));
    let _ = write!(
        text,
        "\nOf all that, whichever stage it was in:\n\n| deed |{header}\n|---|{rule}\n"
    );
    for (deed, _) in DEEDS {
        row(&mut text, deed, &|column| share(&column.deeds, deed, column.samples));
    }
    row(&mut text, "in the kernel", &|column| {
        share(&column.deeds, KERNEL, column.samples)
    });
    let _ = write!(
        text,
        "\nThe same invocations in milliseconds, medians:\n\n| what |{header}\n|---|{rule}\n"
    );
    row(&mut text, "whole invocation, by the clock", &|column| {
        format!("{:.1}", column.whole)
    });
    row(&mut text, "of that: reading the event", &|column| {
        format!("{:.1}", column.decoding)
    });
    row(&mut text, "of that: delivery", &|column| {
        format!("{:.1}", column.delivery)
    });
    row(
        &mut text,
        "the rest: the event's way through HTTP, and the answer's",
        &|column| format!("{:.1}", column.whole - column.decoding - column.delivery),
    );
    row(&mut text, "processor time of the process, mean", &|column| {
        format!("{:.1}", column.processor)
    });
    let _ = writeln!(
        text,
        "\nShares of the process' own processor time on all its threads, sampled {FREQUENCY} times a second by `perf` over {} invocations; what \
         the brokers do is not in it. {}.",
        run.rounds(ROUNDS),
        kafka.name()
    );
    Ok(Section {
        text,
        goals: Vec::new(),
    })
}

/// The key of [`Column::deeds`] for what the kernel did.
const KERNEL: &str = "kernel";

/// What was found with records of one size.
#[derive(Default)]
struct Column {
    samples: usize,
    stages: BTreeMap<&'static str, usize>,
    deeds: BTreeMap<&'static str, usize>,
    whole: f64,
    decoding: f64,
    delivery: f64,
    processor: f64,
}

#[expect(clippy::cast_precision_loss, reason = "samples are far below 2^53")]
fn share(counts: &BTreeMap<&'static str, usize>, name: &str, of: usize) -> String {
    format!("{:.1} %", *counts.get(name).unwrap_or(&0) as f64 * 100.0 / of as f64)
}

impl Column {
    async fn sample(run: &Run<'_>, kafka: &Kafka, record_bytes: usize) -> Result<Self> {
        let batch = Workload::new(record_bytes)?.largest()?;
        let topic = format!("profile-{record_bytes}");
        kafka.topic(&topic)?;
        let mut sandbox = Sandbox::new(&run.programs.named, kafka.plaintext(&topic))?;
        for _ in 0..WARM_UP {
            sandbox.deliver(&batch.event).await?;
        }
        let pid = sandbox.pid()?;
        let folder = TempDir::new()?;
        let data = folder.path().join("perf.data");
        let perf = Command::new("perf")
            .args([
                "record",
                "-e",
                "cpu-clock",
                "-F",
                FREQUENCY,
                "--call-graph",
                "dwarf,16384",
                "-o",
            ])
            .arg(&data)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("perf can't be run: {error}; on Debian `apt-get install linux-perf` brings it"))?;

        let before = processor_time(pid)?;
        let mut invocations = Vec::new();
        for _ in 0..run.rounds(ROUNDS) {
            invocations.push(sandbox.deliver(&batch.event).await?);
        }
        let processor = (processor_time(pid)? - before) * 1000.0;
        if let Some(perf) = perf.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            // It writes what it has when it is interrupted; one that has ended already tells why below.
            let _ = kill_process(perf, Signal::INT);
        }
        let output = perf.wait_with_output().await?;
        let said = sandbox.close().await?;

        let mut column = Self::read(&data, &String::from_utf8_lossy(&output.stderr)).await?;
        let summaries: Vec<_> = invocations.iter().filter_map(|it| said.get(&it.request_id)).collect();
        column.whole = Spread::of(&invocations.iter().map(|it| it.time).collect::<Vec<_>>()).median;
        column.decoding = Spread::of_millis(summaries.iter().map(|it| it.decode_milliseconds).collect()).median;
        column.delivery = Spread::of_millis(summaries.iter().map(|it| it.delivery_milliseconds).collect()).median;
        #[expect(clippy::cast_precision_loss, reason = "a few invocations")]
        let count = invocations.len() as f64;
        column.processor = processor / count;
        Ok(column)
    }

    /// Puts each sample of a recording down to its stage. `said`: perf's own words, to explain a recording without samples.
    async fn read(data: &Path, said: &str) -> Result<Self> {
        let output = Command::new("perf")
            .args(["script", "-F", "comm,tid,ip,sym", "-i"])
            .arg(data)
            .stdin(Stdio::null())
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut column = Self::default();
        // A line that names the thread, the stack from the inside out, an empty line.
        for sample in text.split("\n\n") {
            let stack: Vec<(&str, &str)> = sample
                .lines()
                .skip(1)
                .filter_map(|line| line.trim().split_once(' '))
                .collect();
            if stack.is_empty() {
                continue;
            }
            column.samples += 1;
            *column.stages.entry(stage(&stack)).or_default() += 1;
            let (address, innermost) = stack[0];
            for (deed, parts) in DEEDS {
                if parts.iter().any(|part| innermost.contains(part)) {
                    *column.deeds.entry(deed).or_default() += 1;
                    break;
                }
            }
            // The kernel's half of the addresses.
            if address.len() == 16 && address.starts_with('f') {
                *column.deeds.entry(KERNEL).or_default() += 1;
            }
        }
        if column.samples == 0 {
            return Err(format!(
                "perf has no samples, so it can't be said where the time goes; it may lack the right (kernel.perf_event_paranoid): {said}"
            )
            .into());
        }
        Ok(column)
    }
}

/// The stage that a stack belongs to.
fn stage(stack: &[(&str, &str)]) -> &'static str {
    let has = |part: &str| stack.iter().any(|(_, function)| function.contains(part));
    let found = STAGES
        .iter()
        .find(|(_, rules)| rules.iter().any(|parts| parts.iter().all(|part| has(part))));
    found.map_or(ELSE, |(stage, _)| stage)
}

/// Seconds of processor time that a process has used, in the kernel and outside.
fn processor_time(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name stands in parentheses, and may itself hold blanks.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    let ticks = |index: usize| -> Result<f64> { Ok(fields.get(index).ok_or("no time in /proc/PID/stat")?.parse()?) };
    #[expect(clippy::cast_precision_loss, reason = "100 on every Linux that matters")]
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Ok((ticks(11)? + ticks(12)?) / per_second)
}

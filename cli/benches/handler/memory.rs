//! Peak memory with the largest events, over TLS, under the limit of Lambda's smallest function.

use std::fmt::Write as _;
use std::path::Path;

use crate::limit::Limit;
use crate::report::{Goal, Section};
use crate::sandbox::Sandbox;
use crate::workload::{RECORD_BYTES, Workload};
use crate::{Kafka, Result, Run};

/// Lambda's smallest memory.
const LIMIT_MIB: u64 = 128;
/// Invocations after the first.
const AGAIN: usize = 20;
const MIB: f64 = 1024.0 * 1024.0;

pub(crate) async fn measure(run: &Run<'_>, kafka: &Kafka) -> Result<Section> {
    let mut text = format!(
        "| bytes a record | event, MiB | peak after the first, MiB | after {AGAIN} more | goal | counted by the limit, MiB |\n\
         |---:|---:|---:|---:|---:|---:|\n"
    );
    let mut goals = Vec::new();
    let mut limited_by = String::new();
    for record_bytes in RECORD_BYTES {
        let batch = Workload::new(record_bytes)?.largest()?;
        let topic = format!("memory-{record_bytes}");
        kafka.topic(&topic)?;
        let limit = Limit::new(LIMIT_MIB << 20);
        limited_by = limit.name();
        let command = limit.command(&run.programs.bootstrap);
        let mut sandbox = Sandbox::with_command(Path::new("/bin/sh"), command, kafka.tls(&topic)?)?;

        sandbox.deliver(&batch.event).await?;
        let pid = sandbox.pid()?;
        let first = peak(pid)?;
        for _ in 0..AGAIN {
            sandbox.deliver(&batch.event).await?;
        }
        let last = peak(pid)?;
        sandbox.close().await?;
        kafka.holds(&topic, (1 + AGAIN) * batch.messages.len())?;

        let event = mib(u64::try_from(batch.event.len())?);
        let goal = event * 3.0 + 24.0;
        let counted = limit
            .peak()?
            .map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", mib(bytes)));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {record_bytes} | {event:.1} | {first:.1} | {last:.1} | {goal:.1} | {counted} |"
        );
        goals.push(Goal {
            what: format!("peak memory, records of {record_bytes} B"),
            against: "the event's size".into(),
            ours: format!("{last:.1} MiB"),
            theirs: format!("{event:.1} MiB"),
            ratio: last / event,
            aim: format!("event x 3 + 24 MiB = {goal:.1} MiB, and works at {LIMIT_MIB} MiB"),
            // That it works was seen: a batch that is not acknowledged ends the run.
            met: last <= goal,
        });
    }
    let _ = writeln!(
        text,
        "\n`VmHWM` of `bootstrap`: the most of it that was ever in memory, code included. It was limited to {LIMIT_MIB} MiB by {limited_by}, \
         and acknowledged every batch. {}, over TLS.",
        kafka.name()
    );
    Ok(Section { text, goals })
}

/// The most memory that a process ever had, in MiB.
fn peak(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let kib: u64 = peak
        .ok_or("the kernel does not tell the process' peak memory")?
        .parse()?;
    Ok(mib(kib * 1024))
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

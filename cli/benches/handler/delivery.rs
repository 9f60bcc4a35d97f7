//! From the end of decoding to the last acknowledgement, beside librdkafka alone with the same settings and messages. The handler tells its
//! own time; both deliver the largest batch that an event can hold, in turns.

use std::fmt::Write as _;

use crate::librdkafka::Librdkafka;
use crate::report::{Goal, Section, Spread};
use crate::sandbox::Sandbox;
use crate::workload::{RECORD_BYTES, Workload};
use crate::{Kafka, Result, Run};

/// Batches of each side that count.
const ROUNDS: usize = 41;
/// Batches of each side before the first that counts: until the brokers' Java is compiled, they would measure that.
const WARM_UP: usize = 15;
/// At most so many times librdkafka's.
const GOAL: f64 = 1.15;

pub(crate) async fn measure(run: &Run<'_>, kafka: &Kafka) -> Result<Section> {
    let mut text = String::from(concat!(
        "| bytes a record | records | event, bytes | the handler's delivery | librdkafka alone | batches | ratio |\n",
        "|---:|---:|---:|---:|---:|---:|---:|\n"
    ));
    let mut goals = Vec::new();
    for record_bytes in RECORD_BYTES {
        let batch = Workload::new(record_bytes)?.largest()?;
        let topics = ["handler", "librdkafka"].map(|side| format!("delivery-{record_bytes}-{side}"));
        for topic in &topics {
            kafka.topic(topic)?;
        }
        let mut handler = Sandbox::new(&run.programs.bootstrap, kafka.plaintext(&topics[0]))?;
        let mut alone = Librdkafka::start(kafka.plaintext(&topics[1]))?;

        let (mut invocations, mut theirs) = (Vec::new(), Vec::new());
        let (warm_up, rounds) = (run.rounds(WARM_UP), run.rounds(ROUNDS));
        for round in 0..warm_up + rounds {
            // Each comes first in every second round, so that neither finds the brokers warmer.
            let mut time = None;
            if round % 2 == 0 {
                time = Some(tokio::task::block_in_place(|| alone.deliver(&batch))?);
            }
            let invocation = handler.deliver(&batch.event).await?;
            let time = match time {
                Some(time) => time,
                None => tokio::task::block_in_place(|| alone.deliver(&batch))?,
            };
            if round >= warm_up {
                invocations.push(invocation.request_id);
                theirs.push(time);
            }
        }
        let said = handler.close().await?;
        for topic in &topics {
            kafka.holds(topic, (warm_up + rounds) * batch.messages.len())?;
        }
        let ours: Option<Vec<f64>> = invocations
            .iter()
            .map(|id| said.get(id).map(|summary| summary.delivery_milliseconds))
            .collect();
        let ours = ours.ok_or("the handler's log lacks an invocation's summary")?;

        let (ours, theirs) = (Spread::of_millis(ours), Spread::of(&theirs));
        let ratio = ours.median / theirs.median;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {record_bytes} | {} | {} | {} | {} | {rounds} | {ratio:.2} |",
            batch.messages.len(),
            batch.event.len(),
            ours.cell(),
            theirs.cell(),
        );
        goals.push(Goal {
            what: format!("delivering the largest batch, records of {record_bytes} B"),
            against: "librdkafka alone".into(),
            ours: ours.millis(),
            theirs: theirs.millis(),
            ratio,
            aim: format!("at most {GOAL} times"),
            met: ratio <= GOAL,
        });
    }
    let _ = writeln!(text, "\nMilliseconds: median (least-most). {}.", kafka.name());
    Ok(Section { text, goals })
}

//! Whole invocations: the handler, the original sample's way and librdkafka alone deliver the same batches to the same brokers, in turns.

use std::fmt::Write as _;
use std::time::Duration;

use crate::librdkafka::Librdkafka;
use crate::report::{Goal, Section, Spread};
use crate::sample::Sample;
use crate::sandbox::Sandbox;
use crate::workload::{Batch, SMALL, Workload};
use crate::{Kafka, Result, Run};

/// Invocations of each side, of [`WARM_UP_RECORDS`], before everything else: until the brokers' Java is compiled, a small batch would
/// measure that.
const WARM_UP: usize = 51;
const WARM_UP_RECORDS: usize = 100;
/// Invocations of each side and size before the first that counts.
const SETTLE: usize = 5;

pub(crate) async fn measure(run: &Run<'_>, kafka: &Kafka) -> Result<Section> {
    let mut sides = Sides::start(run, kafka)?;
    let workload = Workload::new(SMALL)?;

    let batch = workload.batch(WARM_UP_RECORDS)?;
    for _ in 0..run.rounds(WARM_UP) {
        sides.turn(&batch).await?;
    }
    let mut text = String::from(concat!(
        "| records | event, bytes | A: k2m's handler | B: the sample's way | C: librdkafka alone | invocations | B/A | A/C |\n",
        "|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    ));
    let mut goals = Vec::new();
    for size in workload.sizes() {
        let batch = workload.batch(size)?;
        let rounds = run.rounds(rounds(size));
        let [a, b, c] = sides.measure(&batch, rounds).await?;
        let times = b.median / a.median;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {size} | {} | {} | {} | {} | {rounds} | {times:.1} | {:.2} |",
            batch.event.len(),
            a.cell(),
            b.cell(),
            c.cell(),
            a.median / c.median,
        );
        // With more brokers than cores everything waits for them alike: only what one broker leaves to be seen is a goal.
        if kafka.brokers == 1 {
            let goal = if size <= 1_000 { 20.0 } else { 8.0 };
            goals.push(Goal {
                what: format!("whole invocation, {size} records"),
                against: "the sample's way".into(),
                ours: a.millis(),
                theirs: b.millis(),
                ratio: times,
                aim: format!("{goal} times as fast"),
                met: times >= goal,
            });
        }
    }
    let versions = sides.sample.versions().to_owned();
    sides.end(kafka).await?;
    let _ = writeln!(
        text,
        "\nMilliseconds: median (least-most). {}; {versions}.",
        kafka.name()
    );
    Ok(Section { text, goals })
}

/// The three ways, each with a topic of its own.
struct Sides {
    handler: Sandbox,
    sample: Sample,
    librdkafka: Librdkafka,
    /// Records that each of them was given, in the order of [`Sides::TOPICS`].
    records: [usize; 3],
}

impl Sides {
    const TOPICS: [&str; 3] = ["by-handler", "by-sample", "by-librdkafka"];

    fn start(run: &Run<'_>, kafka: &Kafka) -> Result<Self> {
        for topic in Self::TOPICS {
            kafka.topic(topic)?;
        }
        let [by_handler, by_sample, by_librdkafka] = Self::TOPICS;
        Ok(Self {
            handler: Sandbox::new(&run.programs.bootstrap, kafka.plaintext(by_handler))?,
            sample: Sample::start(&kafka.cluster.bootstrap_servers(), by_sample)?,
            librdkafka: Librdkafka::start(kafka.plaintext(by_librdkafka))?,
            records: [0; 3],
        })
    }

    /// One batch through all sides, one after the other: the handler, the sample, librdkafka, and the sample again, uncounted. So the
    /// handler and librdkafka both come after the sample, and neither finds brokers and processor warmer than the other does.
    async fn turn(&mut self, batch: &Batch) -> Result<[Duration; 3]> {
        for (records, times) in self.records.iter_mut().zip([1, 2, 1]) {
            *records += times * batch.messages.len();
        }
        let by_handler = self.handler.deliver(&batch.event).await?.time;
        tokio::task::block_in_place(|| {
            let by_sample = self.sample.deliver(batch)?;
            let by_librdkafka = self.librdkafka.deliver(batch)?;
            self.sample.deliver(batch)?;
            Ok([by_handler, by_sample, by_librdkafka])
        })
    }

    /// The times of one batch. The sides take turns, so that whatever else the machine does meets all of them alike.
    async fn measure(&mut self, batch: &Batch, rounds: usize) -> Result<[Spread; 3]> {
        for _ in 0..SETTLE {
            self.turn(batch).await?;
        }
        let mut times: [Vec<Duration>; 3] = Default::default();
        for _ in 0..rounds {
            for (all, time) in times.iter_mut().zip(self.turn(batch).await?) {
                all.push(time);
            }
        }
        Ok(times.each_ref().map(|times| Spread::of(times)))
    }

    /// Ends what was started, and counts: a side that lost records was not faster.
    async fn end(self, kafka: &Kafka) -> Result<()> {
        self.handler.close().await?;
        for (topic, records) in Self::TOPICS.into_iter().zip(self.records) {
            kafka.holds(topic, records)?;
        }
        Ok(())
    }
}

/// Invocations that count, for a batch of so many records: more where one is short, and so easily disturbed.
fn rounds(records: usize) -> usize {
    match records {
        0..=100 => 31,
        101..=1_000 => 15,
        _ => 9,
    }
}

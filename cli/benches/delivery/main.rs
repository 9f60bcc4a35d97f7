//! The delivery benchmark: k2m's handler, the original sample's way, and librdkafka alone deliver the same batches to the same
//! Apache Kafka, in turns. `docs/benchmark.md` says what the figures mean and holds the last ones written.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table, or why there is none, is what this program is for"
)]

mod handler;
mod librdkafka;
mod sample;
mod table;
mod workload;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use k2m::args::Authentication;
use k2m::local::broker::Connection;
use k2m_testkit::{KafkaCluster, KafkaVersion};

use crate::handler::Handler;
use crate::librdkafka::Librdkafka;
use crate::sample::Sample;
use crate::table::{Machine, Row};
use crate::workload::{Batch, Workload};

/// What a function of this program answers: each error is shown to the person at the terminal, and ends the run.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Partitions of each topic.
const PARTITIONS: i32 = 6;
/// Invocations of each side, of [`WARM_UP_RECORDS`], before everything else: until the brokers' Java is compiled, a small batch would
/// measure that.
const WARM_UP: usize = 50;
const WARM_UP_RECORDS: usize = 100;
/// Invocations of each side and size before the first that counts.
const SETTLE: usize = 5;

/// Measures k2m's handler beside the original sample's way and librdkafka alone.
#[derive(Debug, Parser)]
struct Args {
    /// Brokers of the cluster, each with a replica of everything: 1 or 3
    #[arg(long, default_value_t = 1)]
    brokers: u8,
    /// Put the table into docs/benchmark.md
    #[arg(long)]
    write: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // `cargo test --benches` starts this too, with whatever arguments its tests take: building it is the test then.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing measured: `cargo bench -p k2m --bench delivery` does that");
        return ExitCode::SUCCESS;
    }
    match measure(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run(args: &Args) -> Result<()> {
    let load = table::load();
    let version = KafkaVersion::default();
    let cluster = KafkaCluster::builder().version(version).brokers(args.brokers).start()?;
    let mut sides = Sides::start(&cluster, args.brokers)?;
    let workload = Workload::new()?;

    let batch = workload.batch(WARM_UP_RECORDS)?;
    for _ in 0..WARM_UP {
        sides.turn(&batch).await?;
    }
    let mut rows = Vec::new();
    for size in workload.sizes() {
        let batch = workload.batch(size)?;
        rows.push(sides.measure(&batch).await?);
    }
    sides.end(&cluster).await?;

    let machine = Machine {
        kafka: version.number(),
        brokers: args.brokers,
        sample: sides.sample.versions(),
        load,
    };
    let text = table::render(&machine, &rows);
    print!("{text}");
    if args.write {
        table::write(args.brokers, &text)?;
    }
    Ok(())
}

/// The three ways, each with a topic of its own.
struct Sides {
    handler: Handler,
    sample: Sample,
    librdkafka: Librdkafka,
    /// Records that each of them was given, in the order of [`Sides::TOPICS`].
    records: [usize; 3],
}

impl Sides {
    const TOPICS: [&str; 3] = ["by-handler", "by-sample", "by-librdkafka"];

    fn start(cluster: &KafkaCluster, brokers: u8) -> Result<Self> {
        for topic in Self::TOPICS {
            cluster.create_topic(topic, PARTITIONS, i32::from(brokers), &[])?;
        }
        let [by_handler, by_sample, by_librdkafka] = Self::TOPICS;
        let connection = Connection {
            bootstrap_servers: cluster.bootstrap_servers(),
            authentication: Authentication::Plaintext,
            ca_file: None,
            max_message_bytes: None,
        };
        Ok(Self {
            handler: Handler::build(connection.environment(by_handler))?,
            sample: Sample::start(&connection.bootstrap_servers, by_sample)?,
            librdkafka: Librdkafka::start(connection.environment(by_librdkafka))?,
            records: [0; 3],
        })
    }

    /// One batch through all sides, one after the other: the handler, the sample, librdkafka, and the sample again, uncounted. So the
    /// handler and librdkafka both come after the sample, and neither finds brokers and processor warmer than the other does.
    async fn turn(&mut self, batch: &Batch) -> Result<[Duration; 3]> {
        for (records, times) in self.records.iter_mut().zip([1, 2, 1]) {
            *records += times * batch.messages.len();
        }
        let by_handler = self.handler.deliver(batch).await?;
        let by_sample = self.sample.deliver(batch)?;
        let by_librdkafka = self.librdkafka.deliver(batch)?;
        self.sample.deliver(batch)?;
        Ok([by_handler, by_sample, by_librdkafka])
    }

    /// The times of one batch. The sides take turns, so that whatever else the machine does meets all of them alike.
    async fn measure(&mut self, batch: &Batch) -> Result<Row> {
        for _ in 0..SETTLE {
            self.turn(batch).await?;
        }
        let mut row = Row::new(batch);
        for _ in 0..rounds(batch.messages.len()) {
            row.add(self.turn(batch).await?);
        }
        Ok(row)
    }

    /// Ends what was started, and counts: a side that lost records was not faster.
    async fn end(&mut self, cluster: &KafkaCluster) -> Result<()> {
        self.handler.close().await;
        for (topic, records) in Self::TOPICS.into_iter().zip(self.records) {
            let arrived: i64 = cluster.end_offsets(topic)?.iter().sum();
            if usize::try_from(arrived) != Ok(records) {
                return Err(format!("{records} records were sent to topic {topic}, but it holds {arrived}").into());
            }
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

/// Longest time that a delivery may take before the benchmark gives up on it.
const LIMIT: Duration = Duration::from_mins(1);

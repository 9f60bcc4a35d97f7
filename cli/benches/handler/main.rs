//! The benchmark of the handler: how fast, how soon, how large, beside what it is compared with, in one run. `docs/benchmark.md` says
//! what the figures mean and holds the last ones written.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tables, or why there are none, are what this program is for"
)]

mod cold;
mod decode;
mod delivery;
mod drive;
mod instructions;
mod invocation;
mod librdkafka;
mod limit;
mod memory;
mod profile;
mod programs;
mod report;
mod sample;
mod sandbox;
mod start;
mod workload;
mod zip;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use k2m::args::Authentication;
use k2m::local::broker::Connection;
use k2m_testkit::{KafkaCluster, KafkaVersion};

use crate::programs::Programs;
use crate::report::{Goal, Machine, Section};

/// What a function of this program answers: each error is shown to the person at the terminal, and ends the run.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Longest time that a delivery may take before the benchmark gives up on it.
const LIMIT: Duration = Duration::from_mins(1);

/// What is measured; each is a section of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Reading the event, beside the fastest crates
    Decode,
    /// The zip's size
    Zip,
    /// Delivering the largest batch, beside librdkafka alone
    Delivery,
    /// Whole invocations, beside the original sample
    Invocation,
    /// From the start to the first request for an invocation, beside an empty function
    Start,
    /// The first batch of a cold sandbox over TLS, beside confluent-kafka in a fresh process
    Cold,
    /// Peak memory, under a limit of 128 MB
    Memory,
    /// Instructions for each record
    Instructions,
    /// Where the time goes
    Profile,
    /// Whole invocations with three brokers
    ThreeBrokers,
}

/// Measures k2m's handler.
#[derive(Debug, Parser)]
struct Args {
    /// Measure only these parts; the table of goals is written only when all are measured
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// A quarter of the rounds: whether everything works, not what it takes
    #[arg(long, conflicts_with = "write")]
    quick: bool,
    /// Put the tables into docs/benchmark.md
    #[arg(long)]
    write: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let outcome = if let Some(drive) = drive::wanted() {
        drive
    } else if std::env::args().any(|argument| argument == "--bench") {
        measure(&Args::parse())
    } else {
        // `cargo test --benches` starts this too, with whatever arguments its tests take: building it is the test then.
        println!("nothing measured: `cargo bench -p k2m --bench handler` does that");
        Ok(())
    };
    match outcome {
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
    let programs = Programs::build().await?;
    // The load is that of others, so it is looked at before anything is measured, but after building.
    let run = Run {
        args,
        machine: Machine::look(),
        programs,
    };
    let mut goals = Vec::new();
    for part in Part::value_variants() {
        if matches!(part, Part::Decode | Part::Zip) {
            run.part(*part, None, &mut goals).await?;
        }
    }
    let one = [
        Part::Delivery,
        Part::Invocation,
        Part::Start,
        Part::Cold,
        Part::Memory,
        Part::Instructions,
        Part::Profile,
    ];
    run.with_brokers(1, &one, &mut goals).await?;
    run.with_brokers(3, &[Part::ThreeBrokers], &mut goals).await?;

    let summary = report::goals(&goals, &run.machine);
    println!("\n{summary}");
    if args.write && args.only.is_empty() {
        report::write("goals", &summary)?;
    }
    Ok(())
}

/// What every part is given.
struct Run<'a> {
    args: &'a Args,
    machine: Machine,
    programs: Programs,
}

impl Run<'_> {
    /// Measurements of a part that takes `full` of them, an odd number, so that the median is one of them.
    fn rounds(&self, full: usize) -> usize {
        if self.args.quick { (full / 4) | 1 } else { full }
    }

    fn wants(&self, part: Part) -> bool {
        self.args.only.is_empty() || self.args.only.contains(&part)
    }

    /// Measures these parts with a cluster of their own.
    async fn with_brokers(&self, brokers: u8, parts: &[Part], goals: &mut Vec<Goal>) -> Result<()> {
        if !parts.iter().any(|part| self.wants(*part)) {
            return Ok(());
        }
        let kafka = Kafka::start(brokers)?;
        for part in parts {
            self.part(*part, Some(&kafka), goals).await?;
        }
        Ok(())
    }

    async fn part(&self, part: Part, kafka: Option<&Kafka>, goals: &mut Vec<Goal>) -> Result<()> {
        if !self.wants(part) {
            return Ok(());
        }
        let kafka = || kafka.ok_or("this part needs brokers");
        let section = match part {
            Part::Decode => decode::measure(self)?,
            Part::Zip => zip::measure(self)?,
            Part::Delivery => delivery::measure(self, kafka()?).await?,
            Part::Invocation | Part::ThreeBrokers => invocation::measure(self, kafka()?).await?,
            Part::Start => start::measure(self, kafka()?).await?,
            Part::Cold => cold::measure(self, kafka()?).await?,
            Part::Memory => memory::measure(self, kafka()?).await?,
            Part::Instructions => instructions::measure(self, kafka()?).await?,
            Part::Profile => profile::measure(self, kafka()?).await?,
        };
        let Section { text, goals: reached } = section;
        let name = part.to_possible_value().map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        let text = format!("{text}\n{}\n", self.machine.line());
        println!("\n{name}\n\n{text}");
        if self.args.write {
            report::write(&name, &text)?;
        }
        goals.extend(reached);
        Ok(())
    }
}

/// The cluster that everything is delivered to.
struct Kafka {
    cluster: KafkaCluster,
    version: KafkaVersion,
    brokers: u8,
}

impl Kafka {
    /// Partitions of each topic.
    const PARTITIONS: i32 = 6;

    fn start(brokers: u8) -> Result<Self> {
        let version = KafkaVersion::default();
        Ok(Self {
            cluster: KafkaCluster::builder()
                .version(version)
                .brokers(brokers)
                .tls(true)
                .start()?,
            version,
            brokers,
        })
    }

    /// A new topic, replicated to every broker.
    fn topic(&self, name: &str) -> Result<()> {
        Ok(self
            .cluster
            .create_topic(name, Self::PARTITIONS, i32::from(self.brokers), &[])?)
    }

    /// The handler's variables for a topic, without encryption.
    fn plaintext(&self, topic: &str) -> Vec<(String, String)> {
        let connection = Connection {
            bootstrap_servers: self.cluster.bootstrap_servers(),
            authentication: Authentication::Plaintext,
            secret: None,
            identity: None,
            region: None,
            ca_file: None,
            max_message_bytes: None,
        };
        connection.environment(topic)
    }

    /// The handler's variables for a topic, over TLS.
    fn tls(&self, topic: &str) -> Result<Vec<(String, String)>> {
        let connection = Connection {
            bootstrap_servers: self.cluster.tls_bootstrap_servers()?,
            authentication: Authentication::Tls,
            secret: None,
            identity: None,
            region: None,
            ca_file: Some(self.cluster.ca_file()?.to_owned()),
            max_message_bytes: None,
        };
        Ok(connection.environment(topic))
    }

    /// Fails unless a topic holds exactly so many records: a side that lost some was not faster.
    fn holds(&self, topic: &str, records: usize) -> Result<()> {
        let arrived: i64 = self.cluster.end_offsets(topic)?.iter().sum();
        if usize::try_from(arrived) == Ok(records) {
            return Ok(());
        }
        Err(format!("{records} records were sent to topic {topic}, but it holds {arrived}").into())
    }

    /// Such as `Apache Kafka 4.1.0, brokers: 1`.
    fn name(&self) -> String {
        format!("Apache Kafka {}, brokers: {}", self.version.number(), self.brokers)
    }
}

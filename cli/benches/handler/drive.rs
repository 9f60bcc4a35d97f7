//! The program that the instructions are counted of: this one, started with [`VARIABLE`] set. It handles the same event again and again in
//! its own process, without a Runtime API.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use k2m_handler::batch::{Delivery, Outcome};
use k2m_handler::config::{Config, LogLevel};
use k2m_handler::event::Record;
use k2m_handler::invocation::{Call, Deliver, handle};
use k2m_handler::kafka::KafkaProducer;
use k2m_handler::note;
use k2m_handler::parcel::{Parcel, Scratch};
use k2m_handler::payload::Payload;
use k2m_handler::unfold::Unfolding;
use tokio::time::Instant;

use crate::Result;

/// Says what to do: `scripted` or `kafka`, how often, and the file with the event.
pub(crate) const VARIABLE: &str = "BENCHMARK_DRIVE";

/// Valgrind makes everything some fifty times slower.
const DUE: Duration = Duration::from_mins(10);

/// What a process that is to drive comes to; `None` in all others.
pub(crate) fn wanted() -> Option<Result<()>> {
    std::env::var(VARIABLE).ok().map(|job| drive(&job))
}

fn drive(job: &str) -> Result<()> {
    let parts: Vec<&str> = job.splitn(3, ' ').collect();
    let [broker, times, file] = parts[..] else {
        return Err(format!("{VARIABLE} is {job:?}: it takes scripted or kafka, a number, and a file").into());
    };
    let (times, event) = (times.parse()?, std::fs::read(PathBuf::from(file))?);
    note::start(LogLevel::Info);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match broker {
            "kafka" => {
                let variables = std::env::vars().filter(|(name, _)| name != "K2M_TEST_GROUND");
                let mut producer = KafkaProducer::new(Config::from_env(variables)?, None);
                invoke(&mut producer, &event, times).await
            }
            _ => invoke(&mut Scripted, &event, times).await,
        }
    })
}

async fn invoke(broker: &mut impl Deliver, event: &[u8], times: usize) -> Result<()> {
    for _ in 0..times {
        let call = Call {
            request_id: "00000000-0000-4000-8000-000000000000",
            due: Instant::now() + DUE,
        };
        let response = handle(event, call, broker, None).await?;
        if !response.batch_item_failures.is_empty() {
            return Err("the batch was not acknowledged".into());
        }
    }
    Ok(())
}

/// Makes the messages, and acknowledges them all.
struct Scripted;

impl Deliver for Scripted {
    async fn deliver(&mut self, records: &[Record<'_>], _: Instant) -> Delivery {
        let unfolding = Unfolding::new(&Payload::default(), "orders");
        let (mut scratch, mut bytes) = (Scratch::default(), 0);
        let records_in_order = records.iter().enumerate();
        let parcels: Vec<Parcel> = records_in_order
            .flat_map(|(place, record)| unfolding.open(place, record, None))
            .collect();
        let outcomes = parcels.iter().map(|parcel| {
            let record = &records[parcel.record];
            black_box(parcel.batch_bytes(record, unfolding.payload()));
            let Ok(message) = parcel.message(record, unfolding.payload(), &mut scratch) else {
                return Outcome::Failed;
            };
            black_box(&message);
            bytes += message.value.len() as u64;
            Outcome::Acknowledged
        });
        Delivery {
            outcomes: outcomes.collect(),
            messages: records.len(),
            controls: 0,
            bytes,
            resent: 0,
            failure: None,
        }
    }
}

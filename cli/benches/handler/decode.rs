//! Reading the event: the handler's decoding, and each record's data out of its base64, beside the fastest crates there are. They get the
//! same bytes and must give the same fields; what they do with a record is the least that can be done.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::{Simd, general_purpose::PAD};
use base64_simd::Out;
use k2m_handler::event::decode;
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;

use crate::report::{Goal, Section, Spread};
use crate::workload::{RECORD_BYTES, Workload};
use crate::{Result, Run};

/// Decodings of each candidate that count.
const ROUNDS: usize = 61;
/// Decodings before the first that counts.
const WARM_UP: usize = 3;
/// At most so many times the fastest pair's.
const GOAL: f64 = 1.5;

/// Crates that parse JSON.
#[derive(Debug, Clone, Copy)]
enum Json {
    Sonic,
    Simd,
    Serde,
}

/// Crates that decode base64.
#[derive(Debug, Clone, Copy)]
enum Base64 {
    Turbo,
    Simd,
    Usual,
}

impl Json {
    const ALL: [Self; 3] = [Self::Sonic, Self::Simd, Self::Serde];

    fn name(self) -> &'static str {
        match self {
            Self::Sonic => "sonic-rs",
            Self::Simd => "simd-json",
            Self::Serde => "serde_json",
        }
    }
}

impl Base64 {
    const ALL: [Self; 3] = [Self::Turbo, Self::Simd, Self::Usual];

    fn name(self) -> &'static str {
        match self {
            Self::Turbo => "base64-turbo",
            Self::Simd => "base64-simd",
            Self::Usual => "base64 (SIMD)",
        }
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    kinesis: Kinesis<'a>,
    #[serde(rename = "eventID")]
    event_id: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kinesis<'a> {
    partition_key: &'a str,
    sequence_number: &'a str,
    data: &'a str,
    approximate_arrival_timestamp: f64,
}

/// What every decoding must come to, so that none is fast by leaving something out.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    records: usize,
    keys: usize,
    sequence_numbers: usize,
    arrivals: f64,
    data: usize,
    /// Of the data's bytes, over all records.
    bytes: u64,
}

/// What the crates want to keep between two events.
struct Scratch {
    /// simd-json writes into what it parses. It puts strings in place, and ours have no escapes: the text stays as it is, and the copy that it
    /// would need otherwise is spared.
    text: Vec<u8>,
    buffers: simd_json::Buffers,
    engine: Simd,
    data: Vec<u8>,
}

pub(crate) fn measure(run: &Run<'_>) -> Result<Section> {
    let mut text =
        String::from("| bytes a record | records | event, bytes | decoded by | ms | MB/s | times the fastest |\n");
    text.push_str("|---:|---:|---:|---|---:|---:|---:|\n");
    let mut goals = Vec::new();
    for record_bytes in RECORD_BYTES {
        let batch = Workload::new(record_bytes)?.largest()?;
        let event: &[u8] = &batch.event;
        let mut scratch = Scratch {
            text: event.to_vec(),
            buffers: simd_json::Buffers::new(event.len()),
            engine: Simd::standard(PAD),
            data: vec![0; record_bytes + 64],
        };
        let pairs: Vec<(Json, Base64)> = Json::ALL
            .into_iter()
            .flat_map(|json| Base64::ALL.map(|base64| (json, base64)))
            .collect();
        let expected = by_handler(event, true)?;
        for (json, base64) in &pairs {
            let found = by_crates(*json, *base64, event, &mut scratch, true)?;
            if found != expected {
                return Err(format!(
                    "{} and {} decode to {found:?}, the handler to {expected:?}",
                    json.name(),
                    base64.name()
                )
                .into());
            }
        }

        let (mut ours, mut theirs) = (Vec::new(), vec![Vec::new(); pairs.len()]);
        let rounds = run.rounds(ROUNDS);
        for round in 0..WARM_UP + rounds {
            let time = timed(|| by_handler(event, false))?;
            if round >= WARM_UP {
                ours.push(time);
            }
            for ((json, base64), times) in pairs.iter().zip(&mut theirs) {
                let time = timed(|| by_crates(*json, *base64, event, &mut scratch, false))?;
                if round >= WARM_UP {
                    times.push(time);
                }
            }
        }

        let mut rows: Vec<(String, Spread)> = pairs
            .iter()
            .zip(&theirs)
            .map(|((json, base64), times)| (format!("{} and {}", json.name(), base64.name()), Spread::of(times)))
            .collect();
        rows.sort_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
        let ours = Spread::of(&ours);
        let Some((fastest, best)) = rows.first().cloned() else {
            return Err("there is nothing to compare with".into());
        };
        rows.insert(0, ("**the handler**".into(), ours));
        for (name, spread) in &rows {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| {record_bytes} | {} | {} | {name} | {:.2} | {:.0} | {:.2} |",
                expected.records,
                event.len(),
                spread.median,
                rate(event.len(), spread),
                spread.median / best.median,
            );
        }
        let ratio = ours.median / best.median;
        goals.push(Goal {
            what: format!("decoding the event, records of {record_bytes} B"),
            against: fastest,
            ours: format!("{:.0} MB/s", rate(event.len(), &ours)),
            theirs: format!("{:.0} MB/s", rate(event.len(), &best)),
            ratio,
            aim: format!("at most {GOAL} times"),
            met: ratio <= GOAL,
        });
    }
    let _ = writeln!(
        text,
        "\nMilliseconds of processor time: medians of {}, one thread. MB of event JSON.",
        run.rounds(ROUNDS)
    );
    Ok(Section { text, goals })
}

/// 10^6 bytes a second.
#[expect(clippy::cast_precision_loss, reason = "an event is far below 2^53 bytes")]
fn rate(bytes: usize, spread: &Spread) -> f64 {
    bytes as f64 / 1000.0 / spread.median
}

/// This thread's processor time: nothing here waits, so that is what the clock on the wall would say if the machine had nothing else to do.
fn timed(decode: impl FnOnce() -> Result<Sum>) -> Result<Duration> {
    let start = clock_gettime(ClockId::ThreadCPUTime);
    black_box(decode()?);
    Ok((clock_gettime(ClockId::ThreadCPUTime) - start).try_into()?)
}

/// As the function does it. `all`: also what takes time and is only for the comparison of the results.
fn by_handler(event: &[u8], all: bool) -> Result<Sum> {
    let records = decode(event)?;
    let mut sum = Sum::default();
    let mut data = Vec::new();
    for record in &records {
        record.data_into(&mut data)?;
        black_box(&record.stream);
        black_box(&record.shard);
        sum.add(
            &record.partition_key,
            &record.sequence_number,
            record.arrival_millis,
            &data,
            all,
        );
    }
    Ok(sum)
}

/// As these crates do it, into one buffer.
fn by_crates(json: Json, base64: Base64, event: &[u8], scratch: &mut Scratch, all: bool) -> Result<Sum> {
    let parsed: Event<'_> = match json {
        Json::Sonic => sonic_rs::from_slice(event)?,
        Json::Simd => simd_json::serde::from_slice_with_buffers(&mut scratch.text, &mut scratch.buffers)?,
        Json::Serde => serde_json::from_slice(event)?,
    };
    let mut sum = Sum::default();
    for record in &parsed.records {
        let Kinesis { data, .. } = record.kinesis;
        let bytes = match base64 {
            Base64::Turbo => {
                let length = base64_turbo::STANDARD.decode_slice(data, &mut scratch.data);
                length.map_err(|error| format!("base64-turbo: {error:?}"))?
            }
            Base64::Simd => {
                let decoded = base64_simd::STANDARD.decode(data.as_bytes(), Out::from_slice(&mut scratch.data));
                decoded.map_err(|error| format!("base64-simd: {error}"))?.len()
            }
            Base64::Usual => scratch.engine.decode_slice(data, &mut scratch.data)?,
        };
        black_box(record.event_source_arn);
        black_box(record.event_id);
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this era")]
        let arrival = (record.kinesis.approximate_arrival_timestamp * 1000.0).round() as i64;
        let (key, number) = (record.kinesis.partition_key, record.kinesis.sequence_number);
        sum.add(key, number, arrival, &scratch.data[..bytes], all);
    }
    Ok(sum)
}

impl Sum {
    fn add(&mut self, key: &str, sequence_number: &str, arrival: i64, data: &[u8], all: bool) {
        self.records += 1;
        self.keys += key.len();
        self.sequence_numbers += sequence_number.len();
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of this era, of some thousand records"
        )]
        let arrival = arrival as f64;
        self.arrivals += arrival;
        self.data += black_box(data).len();
        if all {
            self.bytes += data.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        }
    }
}

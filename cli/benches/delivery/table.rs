//! The result: medians as a Markdown table, and its place in the documentation.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::workload::Batch;

/// What the figures were measured on, as far as the machine doesn't say it itself.
pub(crate) struct Machine<'a> {
    /// Kafka's release.
    pub(crate) kafka: &'a str,
    /// How many of its brokers.
    pub(crate) brokers: u8,
    /// The sample's Python and client.
    pub(crate) sample: &'a str,
    /// What the processor had to do before: [`load`].
    pub(crate) load: String,
}

/// The times of one size: of the handler, the sample and librdkafka, in this order.
pub(crate) struct Row {
    records: usize,
    event_bytes: usize,
    times: [Vec<Duration>; 3],
}

/// What is told of a side's times, in milliseconds.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(times: &[Duration]) -> Self {
        let mut millis: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1000.0).collect();
        millis.sort_by(f64::total_cmp);
        let at = |index: usize| millis.get(index).copied().unwrap_or(f64::NAN);
        // The numbers of rounds are odd, so the middle is one of them.
        Self {
            median: at(millis.len() / 2),
            least: at(0),
            most: at(millis.len().saturating_sub(1)),
        }
    }

    fn cell(&self) -> String {
        format!("{:.1} ({:.1}-{:.1})", self.median, self.least, self.most)
    }
}

impl Row {
    /// A row without times.
    pub(crate) fn new(batch: &Batch) -> Self {
        Self {
            records: batch.messages.len(),
            event_bytes: batch.event.len(),
            times: Default::default(),
        }
    }

    /// Adds one time of each side.
    pub(crate) fn add(&mut self, times: [Duration; 3]) {
        for (all, time) in self.times.iter_mut().zip(times) {
            all.push(time);
        }
    }
}

/// The table, and the machine it is of.
pub(crate) fn render(machine: &Machine<'_>, rows: &[Row]) -> String {
    let mut text = String::from(concat!(
        "| records | event, bytes | A: k2m's handler | B: the sample's way | C: librdkafka alone | invocations | B/A | A/C |\n",
        "|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    ));
    for Row {
        records,
        event_bytes,
        times,
    } in rows
    {
        let [a, b, c] = times.each_ref().map(|times| Spread::of(times));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {records} | {event_bytes} | {} | {} | {} | {} | {:.1} | {:.2} |",
            a.cell(),
            b.cell(),
            c.cell(),
            times[0].len(),
            b.median / a.median,
            a.median / c.median,
        );
    }
    let Machine {
        kafka,
        brokers,
        sample,
        load,
    } = machine;
    let cores = std::thread::available_parallelism().map_or_else(|_| "unknown".to_owned(), |cores| cores.to_string());
    let processor = processor();
    let _ = writeln!(
        text,
        "\nMilliseconds: median (least-most). Apache Kafka {kafka}, brokers: {brokers}; {sample}; processor cores: {cores}, {processor}; \
         all of it on one machine, whose load average was {load} before the run."
    );
    text
}

/// The system's load average of the last minute: how many processes wanted a core while nothing was measured yet.
pub(crate) fn load() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split(' ').next().unwrap_or_default().to_owned()
}

/// The processor's name.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "of unknown model".to_owned(), |(_, name)| name.trim().to_owned())
}

/// Puts the table into the documentation, in place of the last one for as many brokers.
pub(crate) fn write(brokers: u8, table: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmark.md");
    let text = std::fs::read_to_string(&path)?;
    let (start, end) = (
        format!("<!-- figures: {brokers} -->\n"),
        format!("<!-- end of figures: {brokers} -->"),
    );
    let parts = text
        .split_once(&start)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let Some((before, after)) = parts else {
        return Err(format!(
            "{} lacks the lines {start:?} and {end:?}, between which the table goes",
            path.display()
        )
        .into());
    };
    std::fs::write(&path, format!("{before}{start}{table}{end}{after}"))?;
    Ok(())
}

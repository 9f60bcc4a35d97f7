//! The results: medians as Markdown tables, the goals beside them, and their places in the documentation.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::Result;

/// What a part found.
pub(crate) struct Section {
    /// Its table, and what must be said with it.
    pub(crate) text: String,
    /// What it says about the goals.
    pub(crate) goals: Vec<Goal>,
}

/// One goal, and whether this run met it.
pub(crate) struct Goal {
    /// What was measured.
    pub(crate) what: String,
    /// What it was measured against.
    pub(crate) against: String,
    /// k2m's figure.
    pub(crate) ours: String,
    /// The other one.
    pub(crate) theirs: String,
    /// How they compare.
    pub(crate) ratio: f64,
    /// What was aimed at, in words.
    pub(crate) aim: String,
    /// Whether it was met.
    pub(crate) met: bool,
}

/// The table of goals, and the machine it is of.
pub(crate) fn goals(goals: &[Goal], machine: &Machine) -> String {
    let mut text =
        String::from("| what | k2m | against | there | ratio | goal | met |\n|---|---:|---|---:|---:|---|---|\n");
    for goal in goals {
        let Goal {
            what,
            against,
            ours,
            theirs,
            ratio,
            aim,
            met,
        } = goal;
        let met = if *met { "yes" } else { "**no**" };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {what} | {ours} | {against} | {theirs} | {ratio:.2} | {aim} | {met} |"
        );
    }
    let met = goals.iter().filter(|goal| goal.met).count();
    let _ = writeln!(text, "\nMet in this run: {met} of {}. {}", goals.len(), machine.line());
    text
}

/// What is told of a side's measurements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of durations, in milliseconds.
    pub(crate) fn of(times: &[Duration]) -> Self {
        Self::of_millis(times.iter().map(|time| time.as_secs_f64() * 1000.0).collect())
    }

    /// Of milliseconds.
    pub(crate) fn of_millis(mut millis: Vec<f64>) -> Self {
        millis.sort_by(f64::total_cmp);
        let at = |index: usize| millis.get(index).copied().unwrap_or(f64::NAN);
        // The numbers of rounds are odd, so the middle is one of them.
        Self {
            median: at(millis.len() / 2),
            least: at(0),
            most: at(millis.len().saturating_sub(1)),
        }
    }

    /// `median (least-most)`.
    pub(crate) fn cell(&self) -> String {
        format!("{:.1} ({:.1}-{:.1})", self.median, self.least, self.most)
    }

    /// The median with its unit.
    pub(crate) fn millis(&self) -> String {
        format!("{:.1} ms", self.median)
    }
}

/// The machine, and how busy it was before.
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    memory_gib: f64,
    kernel: String,
    load: String,
}

impl Machine {
    /// Looks at it.
    pub(crate) fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines().find_map(|line| {
                line.strip_prefix(name)?
                    .split_once(':')
                    .map(|(_, value)| value.trim().to_owned())
            })
        };
        let processor =
            field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "processor of unknown model".into());
        let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
        Self {
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            processor,
            memory_gib: kib / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            // Of the last minute: how many processes wanted a core while nothing was measured yet.
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    /// One sentence.
    pub(crate) fn line(&self) -> String {
        let Self {
            cores,
            processor,
            memory_gib,
            kernel,
            load,
        } = self;
        format!(
            "Everything on one machine: {cores} cores ({processor}), {memory_gib:.0} GiB of memory, Linux {kernel}, k2m {}; \
             its load average was {load} before the run.",
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// Puts a text into the documentation, in place of the last one of this name.
pub(crate) fn write(name: &str, text: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmark.md");
    let all = std::fs::read_to_string(&path)?;
    let (start, end) = (
        format!("<!-- figures: {name} -->\n"),
        format!("<!-- end of figures: {name} -->"),
    );
    let parts = all
        .split_once(&start)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let Some((before, after)) = parts else {
        return Err(format!(
            "{} lacks the lines {start:?} and {end:?}, between which the table goes",
            path.display()
        )
        .into());
    };
    let text = text.trim_end();
    std::fs::write(&path, format!("{before}{start}{text}\n{end}{after}"))?;
    Ok(())
}

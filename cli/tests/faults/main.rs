//! The property test: random batches and random faults through the engine of `k2m run`, the real `bootstrap` and real Apache Kafka,
//! and claims that hold over what is in Kafka afterwards. `docs/faults.md` says how to run more of it and how to replay a seed.

mod campaign;
mod claims;
mod flaws;
mod ground;
mod mischief;
mod report;
mod run;
mod schedule;
mod shrink;

use std::path::Path;
use std::time::Instant;

use crate::campaign::campaign;
use crate::run::Handler;
use crate::schedule::Schedule;

/// Schedules, if the environment asks for no other number.
const SCHEDULES: u64 = 100;
/// Runs that are spent on making a failing schedule smaller.
const ATTEMPTS: u64 = 40;

/// A number of the environment.
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value:?} is no number")),
        Err(_) => default,
    }
}

/// The schedules that the environment asks for, each as often as it asks for.
fn schedules() -> Vec<Schedule> {
    let times = usize::try_from(number("K2M_FAULTS_TIMES", 1)).expect("a small number");
    let once = chosen();
    once.iter().flat_map(|it| vec![it.clone(); times]).collect()
}

fn chosen() -> Vec<Schedule> {
    if let Ok(text) = std::env::var("K2M_FAULTS_SCHEDULE") {
        let schedule = serde_json::from_str(&text).unwrap_or_else(|error| panic!("K2M_FAULTS_SCHEDULE: {error}"));
        return vec![schedule];
    }
    if std::env::var_os("K2M_FAULTS_SEED").is_some() {
        return vec![Schedule::new(number("K2M_FAULTS_SEED", 1))];
    }
    let first = number("K2M_FAULTS_FIRST_SEED", 1);
    (first..first + number("K2M_FAULTS_SCHEDULES", SCHEDULES))
        .map(Schedule::new)
        .collect()
}

/// Puts the report between the marks of a file, or makes the file.
fn write_report(file: &Path, table: &str) {
    const MARKS: [&str; 2] = ["<!-- report -->\n", "<!-- end of report -->"];
    let before = std::fs::read_to_string(file).unwrap_or_default();
    let [start, end] = MARKS.map(|mark| before.find(mark));
    let text = match (start, end) {
        (Some(start), Some(end)) => format!("{}\n{table}\n{}", &before[..start + MARKS[0].len()], &before[end..]),
        _ => table.to_owned(),
    };
    std::fs::write(file, text).expect("the report can be written");
}

#[test]
fn claims_hold_through_random_faults() {
    let schedules = schedules();
    let attempts = usize::try_from(number("K2M_FAULTS_SHRINK", ATTEMPTS)).expect("a small number");
    let began = Instant::now();
    let (report, smallest) = campaign(schedules, &Handler::real(), attempts);
    let table = report.table(began.elapsed());
    if let Some(file) = std::env::var_os("K2M_FAULTS_REPORT") {
        write_report(Path::new(&file), &table);
    }
    let failed: Vec<String> = report
        .broken()
        .iter()
        .map(|(seed, broken)| format!("K2M_FAULTS_SEED={seed}\n{}", report::told(broken)))
        .collect();
    assert!(
        failed.is_empty(),
        "claims broke:\n{}\n{}",
        failed.concat(),
        smallest.unwrap_or_default()
    );
}

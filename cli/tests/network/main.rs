//! The reachability engine against a real kernel: random topologies in network namespaces, and real TCP connections. What the engine says must come true for
//! every one, and doing what it asks for must make them. `docs/network.md` says how to run more of it and how to replay a seed.

mod campaign;
mod flaws;
mod judge;
mod kernel;
mod mend;
mod report;
mod topology;
mod world;

use std::path::Path;
use std::sync::LazyLock;

use crate::campaign::{Seen, campaign};
use crate::flaws::Noticed;
use crate::report::Report;

/// The first seed, if the environment asks for no other.
const FIRST_SEED: u64 = 1;
/// Topologies, if the environment asks for no other number.
const TOPOLOGIES: u64 = 40;
/// Seeds that show flaws which the usual ones don't: some need a topology in which hardly anything else is wrong. Where the topologies are drawn otherwise one
/// day, others are looked for.
const TELLING_SEEDS: [u64; 6] = [52, 57, 62, 63, 64, 112];
/// So many more, as long as a flaw is not shown, up to so many.
const MORE_TOPOLOGIES: u64 = 20;
const MOST_TOPOLOGIES: u64 = 200;

/// A number of the environment.
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value:?} is no number")),
        Err(_) => default,
    }
}

/// The seeds that the environment asks for.
fn seeds() -> Vec<u64> {
    if std::env::var_os("K2M_NETWORK_SEED").is_some() {
        return vec![number("K2M_NETWORK_SEED", 1)];
    }
    let first = number("K2M_NETWORK_FIRST_SEED", FIRST_SEED);
    from(first, number("K2M_NETWORK_TOPOLOGIES", TOPOLOGIES).max(1))
}

/// The seeds if the environment asks for none.
fn usual_seeds() -> Vec<u64> {
    from(FIRST_SEED, TOPOLOGIES)
}

/// So many seeds from the first on.
fn from(first: u64, amount: u64) -> Vec<u64> {
    (0..amount).map(|number| first + number).collect()
}

/// What the usual seeds come to, for both tests.
static USUAL: LazyLock<(Report, Vec<Seen>)> = LazyLock::new(|| campaign(usual_seeds()));

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

fn check(report: &Report) {
    let table = report.table();
    if let Some(file) = std::env::var_os("K2M_NETWORK_REPORT") {
        write_report(Path::new(&file), &table);
    }
    let failed: Vec<String> = report
        .wrong()
        .iter()
        .map(|(seed, wrong)| format!("K2M_NETWORK_SEED={seed}\n{}\n", wrong.join("\n")))
        .collect();
    assert!(
        failed.is_empty(),
        "the engine and the kernel disagree; the evidence is in the folder target/tmp/network\n{}",
        failed.concat()
    );
}

#[test]
fn what_the_engine_says_comes_true() {
    let seeds = seeds();
    println!("seeds {} to {}", seeds[0], seeds[seeds.len() - 1]);
    if seeds == usual_seeds() {
        println!("{}", USUAL.0.table());
        check(&USUAL.0);
    } else {
        let (report, _) = campaign(seeds);
        println!("{}", report.table());
        check(&report);
    }
}

#[test]
fn a_flawed_engine_is_noticed() {
    let mut noticed = Noticed::new();
    noticed.add(&USUAL.1);
    if !noticed.missing().is_empty() {
        noticed.add(&campaign(TELLING_SEEDS.to_vec()).1);
    }
    let mut next = FIRST_SEED + TOPOLOGIES;
    while !noticed.missing().is_empty() && next < FIRST_SEED + MOST_TOPOLOGIES {
        noticed.add(&campaign(from(next, MORE_TOPOLOGIES)).1);
        next += MORE_TOPOLOGIES;
    }
    println!("{}", noticed.table());
    assert!(
        noticed.missing().is_empty(),
        "nothing shows these flaws: {:#?}",
        noticed.missing()
    );
}

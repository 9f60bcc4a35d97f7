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

use std::sync::LazyLock;

use crate::campaign::{Seen, campaign};
use crate::report::Report;

/// The first seed, if the environment asks for no other.
const FIRST_SEED: u64 = 1;
/// Topologies, if the environment asks for no other number.
const TOPOLOGIES: u64 = 40;

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
    (first..first + number("K2M_NETWORK_TOPOLOGIES", TOPOLOGIES)).collect()
}

/// The seeds if the environment asks for none.
fn usual_seeds() -> Vec<u64> {
    (FIRST_SEED..FIRST_SEED + TOPOLOGIES).collect()
}

/// What the usual seeds come to, for both tests.
static USUAL: LazyLock<(Report, Vec<Seen>)> = LazyLock::new(|| campaign(usual_seeds()));

fn check(report: &Report) {
    println!("{}", report.table());
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
    if seeds == usual_seeds() {
        check(&USUAL.0);
    } else {
        check(&campaign(seeds).0);
    }
}

#[test]
fn a_flawed_engine_is_noticed() {
    let (unnoticed, table) = flaws::unnoticed(&USUAL.1);
    println!("{table}");
    assert!(unnoticed.is_empty(), "nothing shows these flaws: {unnoticed:#?}");
}

//! The reachability engine against a real kernel: random topologies in network namespaces, and real TCP connections. What the engine says must come true for
//! every one, and doing what it asks for must make them. `docs/network.md` says how to run more of it and how to replay a seed.

mod campaign;
mod judge;
mod kernel;
mod mend;
mod report;
mod topology;
mod world;

use crate::campaign::campaign;

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
    let first = number("K2M_NETWORK_FIRST_SEED", 1);
    (first..first + number("K2M_NETWORK_TOPOLOGIES", TOPOLOGIES)).collect()
}

#[test]
fn what_the_engine_says_comes_true() {
    let (report, _) = campaign(seeds());
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

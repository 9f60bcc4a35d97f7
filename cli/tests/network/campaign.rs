//! Many topologies: builds each in the kernel, tries every connection, mends what is refused as the engine says, and tries again.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use k2m::network::{Proof, Refusal, Remedy, Verdict, View, prove};

use crate::judge::{Pair, samples, stand_where_it_is_refused};
use crate::kernel::build;
use crate::mend::{Mended, apply, mend};
use crate::report::Report;
use crate::topology::Topology;
use crate::world::World;

/// Worlds at a time: most of the time goes by waiting for what doesn't come.
const WORKERS: usize = 4;
/// Seconds after which a connection is not made. Here an answer takes a millisecond, and a packet that is lost is dropped by a filter.
const BOUND: f32 = 0.3;
/// Seconds for those that should have been made: the machine may have been busy.
const LONG_BOUND: f32 = 5.0;
/// Topologies after which it is said how it goes.
const PROGRESS: u64 = 100;

/// A topology and what happened in the kernel.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) topology: Topology,
    pub(crate) pairs: Vec<Pair>,
}

/// What the engine says of a function and a broker.
pub(crate) fn judge(topology: &Topology, from: usize, to: usize) -> Proof {
    let (from, to) = (&topology.hosts[from], &topology.hosts[to]);
    prove(
        &View::new(&topology.regions),
        &from.source(),
        &to.destination(),
        topology.port,
    )
}

/// What a seed came to.
#[derive(Default)]
struct Outcome {
    seen: Vec<Seen>,
    wrong: Vec<String>,
}

impl Outcome {
    fn add(&mut self, (seen, wrong): (Seen, Vec<String>)) -> &Seen {
        self.wrong.extend(wrong);
        self.seen.push(seen);
        &self.seen[self.seen.len() - 1]
    }
}

/// Builds it, tries all pairs, and compares them with the engine's word.
fn try_all(world: &mut World, mut topology: Topology, stage: &str, report: &mut Report) -> (Seen, Vec<String>) {
    let numbers: Vec<(usize, usize)> = topology
        .pairs()
        .map(|(from, to)| (topology.number_of(from), topology.number_of(to)))
        .collect();
    for pair in &numbers {
        let proof = judge(&topology, pair.0, pair.1);
        stand_where_it_is_refused(&mut topology, *pair, &proof);
    }
    let built = build(&topology);
    world.build(&built);
    let mut pairs: Vec<Pair> = numbers
        .into_iter()
        .map(|(from, to)| {
            let proof = judge(&topology, from, to);
            let samples = samples(&topology, &topology.hosts[from], &topology.hosts[to], &proof);
            Pair {
                from,
                to,
                said: Vec::new(),
                samples,
            }
        })
        .collect();
    connect(world, &topology, &mut pairs);
    let mut wrong = Vec::new();
    for pair in &pairs {
        let proof = judge(&topology, pair.from, pair.to);
        report.add(&proof, pair);
        wrong.extend(pair.disagreements(&topology, &proof));
    }
    if !wrong.is_empty() {
        keep(&topology, stage, &built, &pairs, &wrong);
    }
    (Seen { topology, pairs }, wrong)
}

fn connect(world: &mut World, topology: &Topology, pairs: &mut [Pair]) {
    let name = |number: usize| topology.hosts[number].name.as_str();
    let tries = pairs.iter().flat_map(|pair| {
        let (from, to) = (name(pair.from), name(pair.to));
        pair.samples.iter().map(move |sample| (from, to, *sample))
    });
    let tries: Vec<_> = tries.collect();
    let mut said = world.connect(&tries, BOUND).into_iter();
    for pair in pairs.iter_mut() {
        pair.said = said.by_ref().take(pair.samples.len()).collect();
    }
    // What should have been made and was not, again: time is no evidence.
    for pair in pairs {
        let proof = judge(topology, pair.from, pair.to);
        let late: Vec<usize> = pair
            .surprises(topology, &proof)
            .filter(|number| !pair.connected(*number))
            .collect();
        let again: Vec<_> = late
            .iter()
            .map(|number| (name(pair.from), name(pair.to), pair.samples[*number]))
            .collect();
        if again.is_empty() {
            continue;
        }
        for (number, said) in late.into_iter().zip(world.connect(&again, LONG_BOUND)) {
            pair.said[number] = said;
        }
    }
}

/// Tries a topology as it is, mended as the engine says, and mended but for one thing.
fn run(world: &mut World, seed: u64, report: &mut Report) -> Outcome {
    let mut outcome = Outcome::default();
    let Seen { topology, pairs } = outcome
        .add(try_all(world, Topology::new(seed), "as it is", report))
        .clone();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut mendable = Vec::new();
    for pair in pairs {
        if !matches!(judge(&topology, pair.from, pair.to).verdict, Verdict::Refused { .. }) {
            continue;
        }
        match mend(&topology, pair.from, pair.to) {
            Mended::Yes(mended, remedies) => mendable.push((pair.from, pair.to, mended, remedies)),
            Mended::Hopeless => {}
            Mended::Astray(reason) => outcome.wrong.push(reason),
        }
    }
    if mendable.is_empty() {
        return outcome;
    }
    let (from, to, mended, remedies) = mendable.swap_remove(rng.usize(..mendable.len()));
    outcome.add(try_all(world, mended, "mended", report));
    report.mended(&remedies);

    let left_out = rng.usize(..remedies.len());
    let mut nearly = topology;
    let others = remedies.iter().enumerate().filter(|(number, _)| *number != left_out);
    // What is only possible after what is left out, such as routes to a peering connection, is left out with it.
    apply(&mut nearly, others.map(|(_, remedy)| remedy));
    let seen = outcome.add(try_all(world, nearly, "mended but for one", report));
    let pair = seen.pairs.iter().find(|pair| (pair.from, pair.to) == (from, to));
    if pair.is_some_and(|pair| (0..pair.samples.len()).all(|number| pair.connected(number))) {
        let needless = &remedies[left_out];
        // A rule that names a group holds again as soon as a peering connection that was missing is there.
        if holds_again(&judge(&outcome.seen[0].topology, from, to), needless) {
            return outcome;
        }
        outcome
            .wrong
            .push(format!("was asked for and not needed: {needless:?}"));
    }
    outcome
}

fn holds_again(before: &Proof, remedy: &Remedy) -> bool {
    before.refusals().any(|(_, reason)| {
        let unhonoured = matches!(reason, Refusal::NoRule { unhonoured, .. } if !unhonoured.is_empty());
        unhonoured && reason.remedies().contains(remedy)
    })
}

/// The evidence of a disagreement.
fn keep(topology: &Topology, stage: &str, built: &crate::kernel::Build, pairs: &[Pair], wrong: &[String]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("network")
        .join(topology.seed.to_string());
    std::fs::create_dir_all(&folder).expect("a folder for the evidence");
    let facts = serde_json::to_string_pretty(&topology.regions).expect("plain data");
    let text = format!(
        "{}\n\n{facts}\n\n{:#?}\n\n{built}\n\n{pairs:#?}\n",
        wrong.join("\n"),
        topology.hosts
    );
    std::fs::write(folder.join(stage), text).expect("the evidence can be written");
}

/// Runs all seeds.
pub(crate) fn campaign(seeds: Vec<u64>) -> (Report, Vec<Seen>) {
    let began = Instant::now();
    let queue = Mutex::new(VecDeque::from(seeds));
    let all = Mutex::new((Report::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut world = World::new();
                loop {
                    let Some(seed) = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
                        return;
                    };
                    let mut report = Report::default();
                    let began = Instant::now();
                    let outcome = run(&mut world, seed, &mut report);
                    report.finish(seed, outcome.wrong, began.elapsed());
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.0.merge(report);
                    all.1.extend(outcome.seen);
                    if all.0.topologies() % PROGRESS == 0 {
                        // Whether anybody reads it does not matter.
                        let _ = writeln!(std::io::stderr(), "{} topologies", all.0.topologies());
                    }
                }
            });
        }
    });
    let (mut report, mut seen) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    seen.sort_by_key(|seen| seen.topology.seed);
    report.set_elapsed(began.elapsed());
    (report, seen)
}

//! Many topologies: builds each in the kernel, tries every connection, mends what is refused as the engine says, and tries again.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use fastrand::Rng;
use k2m::network::{Proof, Remedy, Verdict, View, prove};

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
        report.add(&topology, &proof, pair);
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
    let mut rng = Rng::with_seed(seed);
    let mut mendable = Vec::new();
    for pair in pairs {
        if !matches!(judge(&topology, pair.from, pair.to).verdict, Verdict::Refused { .. }) {
            continue;
        }
        match mend(&topology, pair.from, pair.to) {
            Mended::Yes(mended, remedies) => mendable.push(Mendable {
                from: pair.from,
                to: pair.to,
                mended,
                remedies,
            }),
            Mended::Hopeless => {}
            Mended::Astray(reason) => outcome.wrong.push(reason),
        }
    }
    if mendable.is_empty() {
        return outcome;
    }
    let Mendable {
        from,
        to,
        mended,
        remedies,
    } = choose(mendable, &mut rng);
    outcome.add(try_all(world, mended, "mended", report));
    report.mended(&remedies);

    for number in left_out(&remedies, &mut rng) {
        let mut nearly = topology.clone();
        let others = remedies.iter().enumerate().filter(|(other, _)| *other != number);
        // What is only possible after what is left out, such as routes to a peering connection, is left out with it.
        apply(&mut nearly, others.map(|(_, remedy)| remedy));
        let stage = format!("mended but for {number}");
        let after = outcome.add(try_all(world, nearly, &stage, report));
        report.left_out();
        // Whether it is refused in the kernel too is known by now.
        let is_refused = judge(&after.topology, from, to).refusals().next().is_some();
        if !is_refused && !may_be_spared(&remedies, number) {
            outcome.wrong.push(format!(
                "was asked for and not needed: {:?}\nof {remedies:?}\n{}",
                remedies[number],
                judge(&topology, from, to)
            ));
        }
    }
    outcome
}

/// A function and a broker that is refused to it, and what makes it reachable.
struct Mendable {
    from: usize,
    to: usize,
    mended: Topology,
    remedies: Vec<Remedy>,
}

/// How seldom something is asked for: the lower, the more there is to learn from it.
fn rarity(remedy: &Remedy) -> u8 {
    match remedy {
        Remedy::AddRule { .. } | Remedy::AllowInAcl { .. } => 2,
        Remedy::AddRoute { .. } => 1,
        _ => 0,
    }
}

/// One of them: mostly the one that asks for the rarest thing.
fn choose(mut mendable: Vec<Mendable>, rng: &mut Rng) -> Mendable {
    rng.shuffle(&mut mendable);
    if rng.u8(..4) > 0 {
        mendable.sort_by_key(|it| it.remedies.iter().map(rarity).min());
    }
    mendable.swap_remove(0)
}

/// Numbers of the things that are left out, each alone: the rarest, and another.
fn left_out(remedies: &[Remedy], rng: &mut Rng) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..remedies.len()).collect();
    rng.shuffle(&mut numbers);
    let another = numbers[0];
    numbers.sort_by_key(|number| (rarity(&remedies[*number]), *number == another));
    if numbers[0] == another {
        vec![another]
    } else {
        vec![numbers[0], another]
    }
}

/// Whether something may be asked for and not be needed: what another thing does may lead packets where other network ACLs are asked, and make rules hold
/// that name a group; and each direction asks for what joins the VPCs where its own route leads, of which one would do.
fn may_be_spared(remedies: &[Remedy], number: usize) -> bool {
    let joins = |remedy: &Remedy| matches!(remedy, Remedy::CreatePeering { .. });
    match &remedies[number] {
        Remedy::AddRule { .. } | Remedy::AllowInAcl { .. } => remedies
            .iter()
            .any(|remedy| !matches!(remedy, Remedy::AddRule { .. } | Remedy::AllowInAcl { .. })),
        Remedy::Attach { .. } => remedies.iter().any(joins),
        _ => false,
    }
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

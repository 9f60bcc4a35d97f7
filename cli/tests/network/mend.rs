//! Does to a network what a refusal asks for, and nothing more.

use k2m::network::{Proof, Remedy};

use crate::campaign::judge;
use crate::topology::Topology;

/// Rounds after which it is taken that nothing helps: what is missing behind something that is missing is asked for next.
const ROUNDS: usize = 6;

/// What a proof asks for, each thing once; none where it says of one of its refusals that nothing helps.
pub(crate) fn remedies(proof: &Proof) -> Option<Vec<Remedy>> {
    let mut all = Vec::new();
    for (_, reason) in proof.refusals() {
        let remedies = reason.remedies();
        if remedies.is_empty() {
            return None;
        }
        all.extend(remedies);
    }
    Some(once(all))
}

fn once(all: Vec<Remedy>) -> Vec<Remedy> {
    let mut once: Vec<Remedy> = Vec::with_capacity(all.len());
    for remedy in all {
        if !once.contains(&remedy) {
            once.push(remedy);
        }
    }
    once
}

/// Does these things, and answers with what can't be done.
pub(crate) fn apply<'a>(topology: &mut Topology, remedies: impl IntoIterator<Item = &'a Remedy>) -> Vec<&'a Remedy> {
    let mut impossible = Vec::new();
    for remedy in remedies {
        let is_possible = match remedy {
            Remedy::AddRoute { target, .. } | Remedy::ReplaceRoute { target, .. } => topology.has_gateway(target),
            _ => true,
        };
        if !is_possible || !remedy.apply(&mut topology.regions) {
            impossible.push(remedy);
        }
    }
    topology.settle();
    impossible
}

/// How the engine's requests end.
pub(crate) enum Mended {
    /// Nothing is refused any more after these things were done, in their order.
    Yes(Topology, Vec<Remedy>),
    /// It says that nothing helps against something.
    Hopeless,
    /// It asks on and on, or for what can't be done.
    Astray(String),
}

/// Does what is asked for until nothing is.
pub(crate) fn mend(topology: &Topology, from: usize, to: usize) -> Mended {
    let mut topology = topology.clone();
    let mut done = Vec::new();
    for _ in 0..ROUNDS {
        let proof = judge(&topology, from, to);
        if proof.refusals().next().is_none() {
            return Mended::Yes(topology, done);
        }
        let Some(remedies) = remedies(&proof) else {
            return Mended::Hopeless;
        };
        let impossible = apply(&mut topology, &remedies);
        if !impossible.is_empty() {
            return Mended::Astray(format!("can't be done: {impossible:?}\n{proof}"));
        }
        done = once([done, remedies].concat());
    }
    Mended::Astray(format!(
        "everything that was asked for is done, {ROUNDS} times over, and it is still refused:\n{}",
        judge(&topology, from, to)
    ))
}

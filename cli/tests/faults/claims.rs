//! The claims, checked over what is in Kafka, what the mapping did and what the failure destination holds. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use k2m_testkit::clerk::Message;

use crate::mischief::{Call, End};
use crate::schedule::{OnPoison, PLACE_BYTES, Planted, Schedule};

/// Examples of a broken claim that are told.
const EXAMPLES: usize = 5;

/// What is claimed of every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// Every record is in the topic, in the dead-letter topic, or named by the failure destination; what was accepted is in one of the
    /// topics; what must not be given up isn't.
    NeverLost,
    /// What is given up is poison, and is named alone.
    NamedAlone,
    /// Per key the order of first appearance is the order of the input.
    InOrder,
    /// A record appears at most once more than it was sent again.
    DuplicatesExplained,
    /// A message is what its record was: key, value, identity, reason.
    Whole,
    /// The run ends by itself.
    Ends,
    /// An answer comes before the sandbox is killed.
    AnsweredInTime,
    /// What is harmless costs no failed batch.
    Untroubled,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverLost => "never lost",
            Self::NamedAlone => "given up only if poison, and named alone",
            Self::InOrder => "per key the order of first appearance",
            Self::DuplicatesExplained => "every duplicate is explained by a retry",
            Self::Whole => "messages are whole",
            Self::Ends => "the run ends by itself",
            Self::AnsweredInTime => "the answer comes before the kill",
            Self::Untroubled => "frozen sandboxes and jumping clocks cost no failed batch",
        })
    }
}

/// A claim that does not hold, and the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) claim: Claim,
    pub(crate) evidence: String,
}

/// A line of the failure destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    pub(crate) places: Vec<usize>,
    pub(crate) condition: String,
}

/// What was seen of a run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: Vec<Call>,
    pub(crate) topic: Vec<Message>,
    pub(crate) dead_letters: Vec<Message>,
    pub(crate) given_up: Vec<GivenUp>,
    /// Records that the function says to have sent again by itself, by request.
    pub(crate) resent: HashMap<String, u64>,
    /// Why the run ended before its input did, or did not end.
    pub(crate) early_end: Option<String>,
    /// Faults by kind.
    pub(crate) happened: BTreeMap<&'static str, u64>,
    /// What went wrong with the ground itself: then nothing is claimed.
    pub(crate) trouble: Vec<String>,
    pub(crate) seconds: f64,
}

impl Seen {
    /// How often each record was sent by the mapping: once through each process of each invocation.
    fn sent(&self) -> HashMap<usize, u64> {
        let mut sent = HashMap::new();
        for call in &self.calls {
            for record in &call.records {
                *sent.entry(record.place).or_default() += call.processes;
            }
        }
        sent
    }

    /// How many records the function sent again by itself in an invocation, as it says; one that was killed before its summary may have
    /// sent all.
    fn resent(&self, call: &Call) -> u64 {
        let all = call.records.len() as u64 * call.processes;
        self.resent.get(&call.request_id).copied().unwrap_or(all)
    }

    /// Records of retries: sent again, counted each time.
    pub(crate) fn retried(&self) -> u64 {
        let mut invoked: HashMap<usize, u64> = HashMap::new();
        for record in self.calls.iter().flat_map(|call| &call.records) {
            *invoked.entry(record.place).or_default() += 1;
        }
        invoked.values().map(|count| count - 1).sum()
    }

    /// Messages that repeat a record.
    pub(crate) fn duplicates(&self) -> usize {
        let distinct: BTreeSet<usize> = self.topic.iter().filter_map(place).collect();
        self.topic.len() - distinct.len()
    }
}

/// The record that a message was, by the number in its value.
fn place(message: &Message) -> Option<usize> {
    message.value.as_deref()?.get(..PLACE_BYTES)?.parse().ok()
}

/// Those of the claims that do not hold.
pub(crate) fn broken(schedule: &Schedule, seen: &Seen) -> Vec<Broken> {
    let mut court = Court {
        schedule,
        input: schedule.input(),
        seen,
        broken: Vec::new(),
    };
    court.ends();
    court.whole();
    court.in_order();
    court.duplicates_explained();
    court.never_lost();
    court.named_alone();
    court.answered_in_time();
    court.untroubled();
    court.broken.sort_by_key(|broken| broken.claim);
    court.broken
}

/// A run under judgement.
struct Court<'a> {
    schedule: &'a Schedule,
    input: Vec<Planted>,
    seen: &'a Seen,
    broken: Vec<Broken>,
}

impl Court<'_> {
    /// Breaks a claim if there are counterexamples.
    fn none<T: fmt::Debug>(&mut self, claim: Claim, what: &str, counterexamples: &[T]) {
        if !counterexamples.is_empty() {
            let some = &counterexamples[..counterexamples.len().min(EXAMPLES)];
            let evidence = format!("{} {what}, such as {some:?}", counterexamples.len());
            self.broken.push(Broken { claim, evidence });
        }
    }

    /// Whether the topic never takes a record.
    fn is_poison(&self, place: usize) -> bool {
        self.input[place].batch_bytes() > self.schedule.limit
    }

    /// Whether the topic did not take a record for some time.
    fn wavers(&self, place: usize) -> bool {
        !self.is_poison(place) && self.input[place].batch_bytes() > self.schedule.lowest_limit()
    }

    fn ends(&mut self) {
        let early: Vec<&String> = self.seen.early_end.iter().collect();
        self.none(Claim::Ends, "reason to end early", &early);
    }

    fn never_lost(&mut self) {
        let there: BTreeSet<usize> = self.seen.topic.iter().filter_map(place).collect();
        let dead: BTreeSet<usize> = self.seen.dead_letters.iter().filter_map(place).collect();
        let named: BTreeSet<usize> = self.seen.given_up.iter().flat_map(|it| &it.places).copied().collect();
        let stored = |place: &usize| there.contains(place) || dead.contains(place);
        if self.seen.early_end.is_none() {
            let lost: Vec<usize> = (0..self.input.len())
                .filter(|place| !stored(place) && !named.contains(place))
                .collect();
            self.none(Claim::NeverLost, "records are nowhere", &lost);
        }

        let mut accepted = Vec::new();
        for call in &self.seen.calls {
            if let End::Accepted(count) = call.end {
                accepted.extend(call.records[..count].iter().map(|record| record.place));
            }
        }
        accepted.retain(|place| !stored(place));
        self.none(
            Claim::NeverLost,
            "records were accepted and are in neither topic",
            &accepted,
        );

        let diverts = self.schedule.on_poison == OnPoison::Divert;
        let wrongly: Vec<usize> = dead
            .iter()
            .filter(|place| !diverts || !(self.is_poison(**place) || self.wavers(**place)))
            .copied()
            .collect();
        self.none(
            Claim::NamedAlone,
            "dead letters were no poison, or nobody asked for them",
            &wrongly,
        );
    }

    fn named_alone(&mut self) {
        let blocks = self.schedule.on_poison == OnPoison::Block;
        let may = |place: &usize| blocks && (self.is_poison(*place) || self.wavers(*place));
        let wrongly: Vec<usize> = self
            .seen
            .given_up
            .iter()
            .flat_map(|it| &it.places)
            .filter(|place| !may(place))
            .copied()
            .collect();
        let together: Vec<&GivenUp> = self.seen.given_up.iter().filter(|it| it.places.len() != 1).collect();
        self.none(Claim::NamedAlone, "records were given up that are no poison", &wrongly);
        self.none(
            Claim::NamedAlone,
            "times more than one record was given up at once",
            &together,
        );
    }

    fn in_order(&mut self) {
        // Given up, a record has left the order: a process that nobody waits for may still store it, late.
        let out: BTreeSet<usize> = self
            .seen
            .given_up
            .iter()
            .flat_map(|it| &it.places)
            .copied()
            .chain(self.seen.dead_letters.iter().filter_map(place))
            .collect();
        let mut latest: HashMap<&str, usize> = HashMap::new();
        let mut partitions: HashMap<&str, i32> = HashMap::new();
        let mut appeared = BTreeSet::new();
        let (mut disorder, mut scattered) = (Vec::new(), Vec::new());
        for message in &self.seen.topic {
            let (Some(place), Some(key)) = (place(message), message.key.as_deref()) else {
                continue;
            };
            if *partitions.entry(key).or_insert(message.partition) != message.partition {
                scattered.push(place);
            }
            if out.contains(&place) || !appeared.insert(place) {
                continue;
            }
            let before = latest.entry(key).or_insert(place);
            if place < *before {
                disorder.push((key, *before, place));
            }
            *before = place.max(*before);
        }
        self.none(
            Claim::InOrder,
            "records appeared behind a later one of their key (key, later, earlier)",
            &disorder,
        );
        self.none(
            Claim::InOrder,
            "records are in another partition than their key",
            &scattered,
        );
    }

    fn duplicates_explained(&mut self) {
        let mut appearances: BTreeMap<usize, u64> = BTreeMap::new();
        for place in self.seen.topic.iter().chain(&self.seen.dead_letters).filter_map(place) {
            *appearances.entry(place).or_default() += 1;
        }
        let sent = self.seen.sent();
        let more: Vec<(usize, u64, u64)> = appearances
            .into_iter()
            .map(|(place, times)| (place, times, sent.get(&place).copied().unwrap_or(0)))
            .filter(|(_, times, sent)| times > sent)
            .collect();
        // What goes beyond has to be in an invocation that sent records again by itself, and all of it within what such invocations say.
        let says_so = |place: usize| {
            let mut calls = self.seen.calls.iter();
            calls.any(|call| self.seen.resent(call) > 0 && call.records.iter().any(|record| record.place == place))
        };
        let unsaid: Vec<_> = more.iter().filter(|(place, ..)| !says_so(*place)).collect();
        self.none(
            Claim::DuplicatesExplained,
            "records appear more often than they were sent, and no invocation says that it sent them again (record, appearances, times sent)",
            &unsaid,
        );
        let excess: u64 = more.iter().map(|(_, times, sent)| times - sent).sum();
        let resent: u64 = self.seen.calls.iter().map(|call| self.seen.resent(call)).sum();
        if unsaid.is_empty() && excess > resent {
            self.none(
                Claim::DuplicatesExplained,
                "duplicates beyond retries, more than all invocations say (duplicates, sent again by themselves)",
                &[(excess, resent)],
            );
        }
    }

    fn whole(&mut self) {
        let mut identities = HashMap::new();
        for record in self.seen.calls.iter().flat_map(|call| &call.records) {
            identities.insert(record.place, (record.shard.as_str(), record.sequence.as_str()));
        }
        let mut damaged = Vec::new();
        for (message, is_dead) in
            (self.seen.topic.iter().map(|it| (it, false))).chain(self.seen.dead_letters.iter().map(|it| (it, true)))
        {
            let header = |name: &str| message.headers.get(name).and_then(Option::as_deref);
            let found = place(message);
            let planted = found.and_then(|place| self.input.get(place));
            let is_whole = planted.is_some_and(|planted| {
                message.key.as_deref() == Some(&planted.key) && message.value.as_deref() == Some(&planted.value)
            });
            let identity = (
                header("k2m-shard").unwrap_or_default(),
                header("k2m-sequence").unwrap_or_default(),
            );
            let is_known = found.and_then(|place| identities.get(&place)) == Some(&identity)
                && header("k2m-stream") == Some("k2m-local");
            let is_explained = !is_dead
                || (header("k2m-topic").is_some_and(|topic| !topic.is_empty())
                    && header("k2m-reason").is_some_and(|reason| !reason.is_empty()));
            if !(is_whole && is_known && is_explained) {
                damaged.push((found, message.headers.clone()));
            }
        }
        self.none(Claim::Whole, "messages are not what was sent", &damaged);
    }

    fn answered_in_time(&mut self) {
        let overdue: Vec<_> = self
            .seen
            .calls
            .iter()
            .filter(|call| call.overdue)
            .map(|call| (call.lane, call.number, &call.mischief, &call.end))
            .collect();
        self.none(Claim::AnsweredInTime, "invocations had to be killed", &overdue);
    }

    fn untroubled(&mut self) {
        if !self.schedule.is_harmless() {
            return;
        }
        let failed: Vec<_> = self
            .seen
            .calls
            .iter()
            .filter(|call| !call.is_accepted())
            .map(|call| (call.lane, call.number, &call.mischief, &call.end))
            .collect();
        self.none(Claim::Untroubled, "batches failed", &failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mischief::Sent;
    use crate::schedule::{Fault, Planned, Trigger};

    /// Four records of one key; the last is poison.
    fn schedule() -> Schedule {
        let mut schedule = Schedule::new(1);
        schedule.brokers = 1;
        schedule.partitions = 1;
        schedule.records = 4;
        schedule.keys = 1;
        schedule.poisons = vec![3];
        schedule.largest = Vec::new();
        schedule.limit = 20_000;
        schedule.told_limit = None;
        schedule.on_poison = OnPoison::Block;
        schedule.faults = vec![Planned {
            when: Trigger::Accepted(0),
            what: Fault::ConnectionsCut,
        }];
        schedule
    }

    fn message(place: usize, offset: i64) -> Message {
        let planted = schedule().input().remove(place);
        let headers = [
            ("k2m-stream", "k2m-local".to_owned()),
            ("k2m-shard", "shardId-0".to_owned()),
            ("k2m-sequence", place.to_string()),
        ];
        Message {
            partition: 0,
            offset,
            timestamp: 1,
            key: Some(planted.key),
            value: Some(planted.value),
            headers: headers.map(|(name, value)| (name.to_owned(), Some(value))).into(),
        }
    }

    fn call(places: std::ops::Range<usize>, end: End) -> Call {
        let record = |place: usize| Sent {
            place,
            shard: "shardId-0".to_owned(),
            sequence: place.to_string(),
        };
        Call {
            lane: 0,
            number: 1,
            request_id: places.start.to_string(),
            records: places.map(record).collect(),
            processes: 1,
            end,
            overdue: false,
            mischief: Vec::new(),
        }
    }

    /// A run in which everything went as it should: the poison was named alone.
    fn good() -> Seen {
        Seen {
            calls: vec![call(0..4, End::Accepted(3)), call(3..4, End::Accepted(0))],
            topic: (0..3).map(|place| message(place, place.try_into().unwrap())).collect(),
            given_up: vec![GivenUp {
                places: vec![3],
                condition: "RetryAttemptsExhausted".to_owned(),
            }],
            resent: [("0".to_owned(), 0), ("3".to_owned(), 0)].into(),
            ..Seen::default()
        }
    }

    fn judged(change: impl FnOnce(&mut Schedule, &mut Seen)) -> Vec<Claim> {
        let (mut schedule, mut seen) = (schedule(), good());
        change(&mut schedule, &mut seen);
        broken(&schedule, &seen)
            .into_iter()
            .map(|broken| broken.claim)
            .collect()
    }

    type Change = fn(&mut Schedule, &mut Seen);

    /// What is changed of a good run, and the claims that it breaks.
    const CHANGES: [(&str, Change, &[Claim]); 18] = [
        ("nothing", |_, _| {}, &[]),
        (
            "lost",
            |_, seen| seen.topic.truncate(2),
            &[Claim::NeverLost, Claim::NeverLost],
        ),
        ("unnamed", |_, seen| seen.given_up.clear(), &[Claim::NeverLost]),
        (
            "accepted alone",
            |_, seen| seen.calls[1].end = End::Accepted(1),
            &[Claim::NeverLost],
        ),
        (
            "a good one given up",
            |_, seen| seen.given_up[0].places = vec![2, 3],
            &[Claim::NamedAlone, Claim::NamedAlone],
        ),
        ("swapped", |_, seen| seen.topic.swap(1, 2), &[Claim::InOrder]),
        ("scattered", |_, seen| seen.topic[2].partition = 1, &[Claim::InOrder]),
        (
            "twice",
            |_, seen| seen.topic.push(message(0, 3)),
            &[Claim::DuplicatesExplained],
        ),
        (
            "twice, and sent twice",
            |_, seen| {
                seen.topic.push(message(0, 3));
                seen.calls.push(call(0..1, End::Error(String::new())));
            },
            &[],
        ),
        (
            "twice, sent by the function itself",
            |_, seen| {
                seen.topic.push(message(0, 3));
                seen.resent.insert("0".to_owned(), 1);
            },
            &[],
        ),
        (
            "thrice, sent once by the function itself",
            |_, seen| {
                seen.topic.extend([message(0, 3), message(0, 4)]);
                seen.resent.insert("0".to_owned(), 1);
            },
            &[Claim::DuplicatesExplained],
        ),
        (
            "twice, sent again in an invocation that it was not part of",
            |_, seen| {
                seen.topic.push(message(0, 3));
                seen.resent.insert("3".to_owned(), 1);
            },
            &[Claim::DuplicatesExplained],
        ),
        (
            "twice, of two processes",
            |_, seen| {
                seen.topic.push(message(0, 3));
                seen.calls[0].processes = 2;
            },
            &[],
        ),
        (
            "cut short",
            |_, seen| seen.topic[0].value = Some("00000000".to_owned()),
            &[Claim::Whole],
        ),
        (
            "of another shard",
            |_, seen| drop(seen.topic[0].headers.remove("k2m-shard")),
            &[Claim::Whole],
        ),
        (
            "hangs",
            |_, seen| seen.early_end = Some("hangs".to_owned()),
            &[Claim::Ends],
        ),
        (
            "killed",
            |_, seen| seen.calls[0].overdue = true,
            &[Claim::AnsweredInTime],
        ),
        (
            "retried for a jumped clock",
            |schedule, seen| {
                schedule.poisons.clear();
                schedule.faults.clear();
                seen.topic.push(message(3, 3));
                seen.topic[3].value = Some(schedule.input().remove(3).value);
                seen.given_up.clear();
            },
            &[Claim::Untroubled, Claim::Untroubled],
        ),
    ];

    #[test]
    fn a_good_run_breaks_nothing_and_each_claim_can_be_broken() {
        for (row, change, expected) in CHANGES {
            let mut expected = expected.to_vec();
            if row == "retried for a jumped clock" {
                expected.pop();
            }
            assert_eq!(judged(change), expected, "{row}");
        }
    }

    #[test]
    fn dead_letters_have_to_be_wanted_and_explained() {
        let divert = |explained: bool| {
            move |schedule: &mut Schedule, seen: &mut Seen| {
                schedule.on_poison = OnPoison::Divert;
                seen.given_up.clear();
                let mut dead = message(3, 0);
                if explained {
                    for name in ["k2m-topic", "k2m-reason"] {
                        dead.headers.insert(name.to_owned(), Some("words".to_owned()));
                    }
                }
                seen.dead_letters.push(dead);
            }
        };
        assert_eq!(judged(divert(true)), []);
        assert_eq!(judged(divert(false)), [Claim::Whole]);
        let unwanted = judged(|schedule, seen| {
            divert(true)(schedule, seen);
            schedule.on_poison = OnPoison::Block;
        });
        assert_eq!(unwanted, [Claim::NamedAlone]);
        let no_poison = judged(|schedule, seen| {
            divert(true)(schedule, seen);
            seen.dead_letters.push(seen.dead_letters[0].clone());
            seen.dead_letters[1].value = seen.topic[2].value.clone();
            seen.topic.truncate(2);
            seen.dead_letters[1]
                .headers
                .insert("k2m-sequence".to_owned(), Some("2".to_owned()));
        });
        assert_eq!(no_poison, [Claim::NamedAlone]);
    }
}

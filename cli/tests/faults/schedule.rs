//! A schedule: what one run sends, through which mapping, and what goes wrong when. Plain data, made from a seed. Pure.
//!
//! A fault waits for progress, never for a time: a run repeats the schedule, though not the interleaving of its processes.

use std::fmt;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// Bytes of a record's number in the input, with which its value begins.
pub(crate) const PLACE_BYTES: usize = 8;
/// Retries of a batch that nothing but a fault holds up: k2m's default.
const RETRIES: u32 = 100;
/// A schedule has at most so many processes at once.
const MOST_LANES: u32 = 10;
/// What the topic takes in most schedules: Kafka's own default.
const ROOMY: usize = 1_048_588;

/// What happens to a record that the topic can never take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnPoison {
    Block,
    Divert,
}

/// When a fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Trigger {
    /// Before the first invocation of any lane after so many records were accepted.
    Accepted(u64),
    /// Before this invocation of this lane, counted from 1.
    Invocation { lane: usize, number: u64 },
}

/// When something happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Moment {
    /// As soon as it has taken the invocation.
    Taken,
    /// When so many further Produce requests have left for the brokers.
    Requested(u64),
    /// When it has answered, before it is sent the next.
    Answered,
}

/// What goes wrong. `until` is a number of invocations that end meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// Every `every`-th acknowledgement is lost after the broker has stored the records.
    AcknowledgementsLost { every: u64, until: u64 },
    /// A broker is killed (SIGKILL) and started again.
    BrokerKilled { until: u64 },
    /// A broker hangs (SIGSTOP) and goes on.
    BrokerPaused { until: u64 },
    /// A broker ends in good order and is started again.
    BrokerRestarted { until: u64 },
    /// Other brokers lead the partitions.
    LeaderMoved,
    /// The first acknowledgement of each record batch becomes the answer of a broker that has ceased to lead. No seed makes it: it is what
    /// [`Fault::LeaderMoved`] does to a batch that is under way just then, made certain.
    LeaderDenied { until: u64 },
    /// The topic takes no more than so many bytes.
    LimitLowered { to: usize, until: u64 },
    /// All connections are cut.
    ConnectionsCut,
    /// All connections are cut, and no new ones are taken.
    ConnectionsRefused { until: u64 },
    /// Connections pass nothing on any more, without an end.
    ConnectionsSilent,
    /// The function has so little time left.
    DeadlineNear { milliseconds: u32 },
    /// The function is told a deadline that is off by so much.
    ClockJumped { milliseconds: i64, until: u64 },
    /// The function's process is killed (SIGKILL).
    HandlerKilled { at: Moment },
    /// The function's process is stopped (SIGSTOP) for longer than the idle limits, and goes on.
    HandlerStopped { at: Moment },
    /// Two processes are given the batch at the same time; one's answer counts.
    Doubled { second_counts: bool },
    /// Nobody waits for the process any more: it is stopped, counts as failed, and goes on with the old batch so many of its lane's
    /// invocations later.
    LeftBehind { at: Moment, later: u64 },
}

impl Fault {
    /// Every kind, as reports name it.
    pub(crate) const KINDS: [&'static str; 16] = [
        "acknowledgements lost",
        "broker killed",
        "broker paused",
        "broker restarted",
        "leader moved",
        "leader denied",
        "record refused",
        "connection cut",
        "connection refused",
        "connection silent",
        "deadline near",
        "clock jumped",
        "handler killed",
        "handler stopped",
        "two sandboxes at once",
        "old sandbox goes on",
    ];

    /// Its kind.
    pub(crate) fn kind(&self) -> &'static str {
        Self::KINDS[match self {
            Self::AcknowledgementsLost { .. } => 0,
            Self::BrokerKilled { .. } => 1,
            Self::BrokerPaused { .. } => 2,
            Self::BrokerRestarted { .. } => 3,
            Self::LeaderMoved => 4,
            Self::LeaderDenied { .. } => 5,
            Self::LimitLowered { .. } => 6,
            Self::ConnectionsCut => 7,
            Self::ConnectionsRefused { .. } => 8,
            Self::ConnectionsSilent => 9,
            Self::DeadlineNear { .. } => 10,
            Self::ClockJumped { .. } => 11,
            Self::HandlerKilled { .. } => 12,
            Self::HandlerStopped { .. } => 13,
            Self::Doubled { .. } => 14,
            Self::LeftBehind { .. } => 15,
        }]
    }

    /// How often a batch may fail for it, at most.
    fn most_failures(&self) -> u64 {
        match self {
            Self::AcknowledgementsLost { until, .. }
            | Self::LeaderDenied { until }
            | Self::LimitLowered { until, .. }
            | Self::ClockJumped { until, .. } => until + 1,
            // One that was under way when they came back may fail, too.
            Self::BrokerKilled { until }
            | Self::BrokerPaused { until }
            | Self::BrokerRestarted { until }
            | Self::ConnectionsRefused { until } => until + 3,
            _ => 2,
        }
    }

    /// Whether the function has to see to it that no batch fails for it.
    pub(crate) fn is_harmless(&self) -> bool {
        matches!(
            self,
            Self::ClockJumped { .. } | Self::HandlerStopped { at: Moment::Answered }
        )
    }
}

/// A fault and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) when: Trigger,
    pub(crate) what: Fault,
}

/// Shards from a record on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resharding {
    /// Records before it.
    pub(crate) after: u64,
    pub(crate) shards: u32,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    /// 1 or 3.
    pub(crate) brokers: u8,
    pub(crate) partitions: i32,
    /// The topic's `max.message.bytes`.
    pub(crate) limit: usize,
    /// `K2M_MAX_MESSAGE_BYTES`, where the function doesn't ask for the limit.
    pub(crate) told_limit: Option<usize>,
    pub(crate) records: usize,
    pub(crate) keys: usize,
    /// Records that are larger than the topic takes.
    pub(crate) poisons: Vec<usize>,
    /// Records that the topic just takes.
    pub(crate) largest: Vec<usize>,
    pub(crate) shards: u32,
    pub(crate) reshardings: Vec<Resharding>,
    pub(crate) factor: u32,
    pub(crate) batch_size: usize,
    /// Milliseconds.
    pub(crate) window: i64,
    pub(crate) retries: u32,
    /// The function's, in milliseconds.
    pub(crate) time_out: u64,
    pub(crate) freeze: bool,
    pub(crate) on_poison: OnPoison,
    pub(crate) faults: Vec<Planned>,
}

/// A record of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planted {
    pub(crate) key: String,
    /// Its number in the input, and filling.
    pub(crate) value: String,
}

impl Planted {
    /// Bytes of a record batch that holds this record alone: what a broker compares with the topic's `max.message.bytes`. Worked out
    /// from Kafka's record batch format, version 2, and not by k2m's own code.
    pub(crate) fn batch_bytes(&self) -> usize {
        batch_bytes(self.key.len(), self.value.len())
    }
}

fn batch_bytes(key: usize, value: usize) -> usize {
    // Lengths and numbers are varints, whose lowest bit is the sign.
    let varint = |number: usize| 1 + usize::try_from((2 * number).max(1).ilog2() / 7).unwrap_or(0);
    let sized = |bytes: usize| varint(bytes) + bytes;
    let headers: usize = [("k2m-stream", 9), ("k2m-shard", 20), ("k2m-sequence", 56)]
        .iter()
        .map(|(name, value)| sized(name.len()) + sized(*value))
        .sum();
    61 + sized(3 + sized(key) + sized(value) + varint(3) + headers)
}

/// The longest value with which a record takes at most so many bytes.
fn longest_value(key: usize, limit: usize) -> usize {
    (0..=limit)
        .rev()
        .find(|value| batch_bytes(key, *value) <= limit)
        .unwrap_or(PLACE_BYTES)
}

impl Schedule {
    /// The schedule of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut schedule = Self::without_faults(seed, &mut rng);
        match rng.u8(..100) {
            0..10 => schedule.brokers = 3,
            10..25 => schedule.reshard(&mut rng),
            25..35 => {
                schedule.only_harmless(&mut rng);
                return schedule;
            }
            _ => {}
        }
        let heavy = rng.u8(..100) < 24;
        let faults = rng.usize(1..=4);
        for number in 0..faults {
            let what = match schedule.brokers {
                3 if number == 0 && !heavy => Fault::LeaderMoved,
                _ if heavy && number == 0 && rng.bool() => Fault::BrokerKilled { until: rng.u64(..3) },
                _ if heavy && number == 0 => Fault::BrokerRestarted { until: rng.u64(..2) },
                _ => Self::light(&mut rng),
            };
            schedule.plan(what, &mut rng);
        }
        schedule.settle(&mut rng);
        schedule
    }

    /// The schedule of a seed without its faults.
    pub(crate) fn quiet(seed: u64) -> Self {
        Self::without_faults(seed, &mut Rng::with_seed(seed))
    }

    fn without_faults(seed: u64, rng: &mut Rng) -> Self {
        let records = rng.usize(50..=600);
        let shards = rng.u32(1..=4);
        let some = |rng: &mut Rng, odds: u8, most: usize| -> Vec<usize> {
            let count = if rng.u8(..100) < odds { rng.usize(1..=most) } else { 0 };
            let mut places: Vec<usize> = (0..count).map(|_| rng.usize(..records)).collect();
            places.sort_unstable();
            places.dedup();
            places
        };
        let poisons = some(rng, 40, 4);
        let mut largest = some(rng, 40, 4);
        largest.retain(|place| !poisons.contains(place));
        let roomy = poisons.is_empty() && rng.bool();
        let limit = if roomy { ROOMY } else { rng.usize(20_000..=60_000) };
        Self {
            seed,
            brokers: 1,
            partitions: rng.i32(1..=3),
            limit,
            told_limit: (!roomy && rng.u8(..3) == 0).then_some(3_000_000),
            records,
            keys: rng.usize(1..=40),
            poisons,
            largest: if roomy { Vec::new() } else { largest },
            shards,
            reshardings: Vec::new(),
            factor: rng.u32(1..=10).min(MOST_LANES / shards).max(1),
            batch_size: rng.usize(5..=200),
            window: rng.i64(0..=300),
            retries: RETRIES,
            time_out: rng.u64(1_000..=4_000),
            freeze: rng.u8(..4) == 0,
            on_poison: if rng.u8(..5) < 2 {
                OnPoison::Divert
            } else {
                OnPoison::Block
            },
            faults: Vec::new(),
        }
    }

    /// From 2 shards to 8 to 3, somewhere.
    fn reshard(&mut self, rng: &mut Rng) {
        let most = self.records as u64;
        let mut after = [rng.u64(1..most), rng.u64(1..most)];
        after.sort_unstable();
        (self.shards, self.factor) = (2, 1);
        self.reshardings = [8, 3]
            .into_iter()
            .zip(after)
            .map(|(shards, after)| Resharding { after, shards })
            .collect();
    }

    /// Nothing that a batch may fail for.
    fn only_harmless(&mut self, rng: &mut Rng) {
        self.poisons.clear();
        self.told_limit = None;
        for _ in 0..rng.usize(1..=3) {
            let what = loop {
                let what = Self::light(rng);
                if what.is_harmless() {
                    break what;
                }
            };
            self.plan(what, rng);
        }
        self.settle(rng);
    }

    fn light(rng: &mut Rng) -> Fault {
        let moment = |rng: &mut Rng| match rng.u8(..4) {
            0 => Moment::Taken,
            1 => Moment::Answered,
            _ => Moment::Requested(rng.u64(1..=3)),
        };
        match rng.u8(..14) {
            0 | 1 => Fault::AcknowledgementsLost {
                every: rng.u64(1..=4),
                until: rng.u64(1..=10),
            },
            2 => Fault::BrokerPaused { until: rng.u64(..=2) },
            3 => Fault::LimitLowered {
                to: rng.usize(250..=700),
                until: rng.u64(1..=8),
            },
            4 => Fault::ConnectionsCut,
            5 => Fault::ConnectionsRefused { until: rng.u64(..=2) },
            6 => Fault::ConnectionsSilent,
            7 => Fault::DeadlineNear {
                milliseconds: if rng.bool() { 100 } else { 1_000 },
            },
            8 => Fault::ClockJumped {
                milliseconds: rng
                    .choice([-86_400_000, -10_000, 10_000, 3_600_000, i64::from(u32::MAX)])
                    .unwrap_or_default(),
                until: rng.u64(1..=5),
            },
            9 | 10 => Fault::HandlerKilled { at: moment(rng) },
            11 => Fault::HandlerStopped { at: moment(rng) },
            12 => Fault::Doubled {
                second_counts: rng.bool(),
            },
            _ => Fault::LeftBehind {
                at: match moment(rng) {
                    Moment::Answered => Moment::Taken,
                    inside => inside,
                },
                later: rng.u64(1..=3),
            },
        }
    }

    fn plan(&mut self, what: Fault, rng: &mut Rng) {
        let when = if rng.bool() {
            Trigger::Accepted(rng.u64(..=self.records as u64 / 2))
        } else {
            Trigger::Invocation {
                lane: rng.usize(..self.lanes()),
                number: if rng.bool() { 1 } else { rng.u64(2..=3) },
            }
        };
        self.faults.push(Planned { when, what });
    }

    /// Retries and time-outs that fit the faults.
    fn settle(&mut self, rng: &mut Rng) {
        if self.on_poison == OnPoison::Block && !self.poisons.is_empty() {
            // As few as the faults allow: each is spent on each poison.
            let spent: u64 = self.faults.iter().map(|fault| fault.what.most_failures()).sum();
            self.retries = rng.u32(1..=3) + u32::try_from(spent).unwrap_or(RETRIES);
        }
        if self.is_harmless() {
            // What is claimed of them must not fail for a busy machine.
            self.time_out = 10_000;
        }
    }

    /// Lanes of all shards that there ever are.
    pub(crate) fn lanes(&self) -> usize {
        let shards = self.shards + self.reshardings.iter().map(|it| it.shards).sum::<u32>();
        (shards * self.factor) as usize
    }

    /// The records of the input. Fewer records are the first of more.
    pub(crate) fn input(&self) -> Vec<Planted> {
        let mut rng = Rng::with_seed(self.seed ^ 0x5eed);
        (0..self.records)
            .map(|place| {
                let (key, small, slack) = (rng.usize(..self.keys), rng.usize(PLACE_BYTES..=400), rng.usize(..20));
                let key = format!("key-{key}");
                let bytes = if self.poisons.contains(&place) {
                    longest_value(key.len(), self.limit) + 1 + slack
                } else if self.largest.contains(&place) {
                    longest_value(key.len(), self.limit) - slack
                } else {
                    small
                };
                Planted {
                    key,
                    value: format!("{place:0PLACE_BYTES$}{:x<1$}", "", bytes.saturating_sub(PLACE_BYTES)),
                }
            })
            .collect()
    }

    /// The smallest limit that the topic ever has.
    pub(crate) fn lowest_limit(&self) -> usize {
        let lowered = self.faults.iter().filter_map(|fault| match fault.what {
            Fault::LimitLowered { to, .. } => Some(to),
            _ => None,
        });
        lowered.min().unwrap_or(self.limit).min(self.limit)
    }

    /// Whether no batch may fail at all.
    pub(crate) fn is_harmless(&self) -> bool {
        self.poisons.is_empty() && self.told_limit.is_none() && self.faults.iter().all(|fault| fault.what.is_harmless())
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} records of {} keys ({} poison, {} of the largest size), {} shards",
            self.seed,
            self.records,
            self.keys,
            self.poisons.len(),
            self.largest.len(),
            self.shards
        )?;
        for resharding in &self.reshardings {
            write!(f, ", {} after {}", resharding.shards, resharding.after)?;
        }
        write!(
            f,
            " with factor {}, batches of {}, {} retries, {} ms, {:?}, {} brokers, {} partitions",
            self.factor, self.batch_size, self.retries, self.time_out, self.on_poison, self.brokers, self.partitions
        )?;
        for fault in &self.faults {
            write!(f, "\n  {:?}: {:?}", fault.when, fault.what)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_schedule_always_and_another_seed_another() {
        for seed in 1..=100 {
            let schedule = Schedule::new(seed);
            assert_eq!(schedule, Schedule::new(seed));
            let text = serde_json::to_string(&schedule).expect("plain data");
            assert_eq!(serde_json::from_str::<Schedule>(&text).expect("the same"), schedule);
            assert_ne!(schedule.input(), Schedule::new(seed + 100).input());
        }
    }

    #[test]
    fn a_hundred_schedules_have_every_fault() {
        let schedules: Vec<Schedule> = (1..=100).map(Schedule::new).collect();
        let planned_by_hand = Fault::LeaderDenied { until: 1 }.kind();
        for kind in Fault::KINDS.into_iter().filter(|kind| *kind != planned_by_hand) {
            let mut faults = schedules.iter().flat_map(|schedule| &schedule.faults);
            assert!(faults.any(|fault| fault.what.kind() == kind), "{kind}");
        }
        let heavy = schedules.iter().filter(|schedule| {
            let mut faults = schedule.faults.iter();
            faults.any(|fault| matches!(fault.what, Fault::BrokerKilled { .. } | Fault::BrokerRestarted { .. }))
        });
        assert!((5..=20).contains(&heavy.count()));
    }

    #[test]
    fn sizes_are_what_they_claim_to_be() {
        for schedule in (1..=100).map(Schedule::new) {
            for (place, record) in schedule.input().iter().enumerate() {
                let fits = record.batch_bytes() <= schedule.limit;
                assert_eq!(fits, !schedule.poisons.contains(&place), "{place} of {schedule}");
                assert_eq!(record.value[..PLACE_BYTES].parse(), Ok(place));
            }
        }
    }
}

//! From which time it is gone on, row by row, and that no record which was not delivered is older.

use super::*;
use crate::facts::{Function, Minute};

/// 2026-01-31T12:00:00Z.
const NOW: i64 = 1_769_860_800;
const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";

fn found<T>(value: T) -> Fact<T> {
    Fact::Found { value }
}

/// Minutes by how long ago they began: invocations that went well, none of them behind.
fn well(ago: impl IntoIterator<Item = i64>) -> Vec<(i64, Minute)> {
    let minute = Minute {
        invocations: 3,
        told: true,
        incoming: 20,
        ..Minute::default()
    };
    ago.into_iter().map(|ago| (ago, minute.clone())).collect()
}

fn reading(minutes: Vec<(i64, Minute)>) -> Reading {
    let function = Function {
        timeout_seconds: 60,
        ..Function::default()
    };
    let mapping = Mapping {
        state: "Enabled".to_owned(),
        starting_position: Some("TRIM_HORIZON".to_owned()),
        batching_window: Some(1),
        maximum_record_age: Some(86_400),
        ..Mapping::default()
    };
    Reading {
        stream: STREAM.to_owned(),
        function: found(function),
        mapping: found(mapping),
        minutes: found(Minutes {
            looked_back: MINUTES,
            counted: minutes
                .into_iter()
                .map(|(ago, minute)| (NOW - ago * MINUTE, minute))
                .collect(),
        }),
    }
}

fn with(mut minutes: Vec<(i64, Minute)>, ago: i64, change: impl Fn(&mut Minute)) -> Vec<(i64, Minute)> {
    let mut known = minutes.iter_mut();
    if let Some((_, minute)) = known.find(|(at, _)| *at == ago) {
        change(minute);
    } else {
        let mut minute = Minute::default();
        change(&mut minute);
        minutes.push((ago, minute));
    }
    minutes
}

fn mapping(mut reading: Reading, change: impl Fn(&mut Mapping)) -> Reading {
    if let Fact::Found { value } = &mut reading.mapping {
        change(value);
    }
    reading
}

/// Minutes ago that it says to begin at; none for all that the stream holds.
fn ago(reading: &Reading) -> Option<i64> {
    let resume = resume(reading, Timestamp::from_second(NOW).unwrap());
    let time = resume.starting_timestamp?;
    let time = time.parse::<Timestamp>().unwrap().as_second();
    assert_eq!(time % MINUTE, 0, "{time}");
    Some((NOW - time) / MINUTE)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a row a case")]
fn it_begins_before_whatever_may_not_have_been_delivered() {
    let long = || well(0..600);
    let fails = |minute: &mut Minute| minute.failures = 1;
    let behind = |ms| move |minute: &mut Minute| minute.behind_ms = ms;
    let unseen = |minutes: Vec<(i64, Minute)>| {
        let each = minutes
            .into_iter()
            .map(|(ago, minute)| (ago, Minute { told: false, ..minute }));
        each.collect::<Vec<_>>()
    };
    let rows: Vec<(&str, Reading, Option<i64>)> = vec![
        // The last that is counted for certain began 7 minutes ago; 1 for what it may take, 10 to be certain.
        ("all goes well", reading(long()), Some(18)),
        ("5 min behind", reading(with(long(), 20, behind(300_000))), Some(23)),
        ("a moment behind", reading(with(long(), 20, behind(1))), Some(19)),
        (
            "long ago it was",
            reading(with(long(), 90, behind(3_600_000))),
            Some(18),
        ),
        (
            "behind in a minute without an invocation",
            reading(with(well((0..600).filter(|ago| *ago != 20)), 20, behind(120_000))),
            Some(20),
        ),
        // What fails is not delivered, and may have been waiting since the last good minute.
        (
            "it fails since 30 min",
            reading((0..=30).fold(long(), |all, ago| with(all, ago, fails))),
            Some(42 + 11),
        ),
        ("it failed just now", reading(with(long(), 0, fails)), Some(12 + 11)),
        (
            "it failed once, two hours ago",
            reading(with(long(), 120, fails)),
            Some(18),
        ),
        (
            "it failed once, half an hour ago",
            reading(with(long(), 30, fails)),
            Some(42 + 11),
        ),
        (
            "it fails every half hour",
            reading((0..=20).fold(long(), |all, half| with(all, half * 30, fails))),
            None,
        ),
        // Nothing comes in, so nothing was missed.
        ("idle since an hour", reading(well(60..600)), Some(71)),
        ("idle since a day", reading(well(1440..1500)), Some(1451)),
        ("two invocations in two days", reading(well([100, 2000])), Some(111)),
        // It came in, and nobody took it: the mapping was disabled, and each shard may not have been read since.
        (
            "disabled for an hour, enabled 20 min ago",
            reading({
                let idle = |ago: &i64| (20..80).contains(ago);
                let mut all = well((0..600).filter(|ago| !idle(ago)));
                all = (20..80).fold(all, |all, ago| with(all, ago, |minute| minute.incoming = 5));
                all
            }),
            Some(80 + 11),
        ),
        (
            "disabled since an hour",
            reading((0..60).fold(well(60..600), |all, ago| with(all, ago, |minute| minute.incoming = 5))),
            Some(60 + 11),
        ),
        // Filters leave out what they will.
        (
            "all is left out",
            mapping(
                reading(
                    (10..60).fold(well((0..600).filter(|ago| !(10..60).contains(ago))), |all, ago| {
                        with(all, ago, |minute| minute.incoming = 5)
                    }),
                ),
                |mapping| mapping.filters = vec!["{}".to_owned()],
            ),
            Some(18),
        ),
        // A mapping takes minutes until it reads each shard.
        ("it is new", reading(well(0..16)), None),
        ("it is an hour old", reading(well(0..60)), Some(18)),
        ("it was invoked once", reading(well([300])), None),
        ("it never was", reading(vec![]), None),
        // Without the handler's own figures a failure in part shows only in how far it has fallen behind.
        ("its log can't be seen", reading(unseen(long())), Some(18)),
        (
            "nor does it keep up",
            reading(unseen(with(long(), 20, behind(60_001)))),
            Some(32 + 11),
        ),
        // What it takes at most, where it can't be seen: 15 minutes before now, and off the time.
        (
            "its function can't be seen",
            Reading {
                function: Fact::Absent,
                ..reading(long())
            },
            Some(21 + 15 + 10),
        ),
        (
            "nor can CloudWatch",
            Reading {
                minutes: Fact::Absent,
                ..reading(long())
            },
            None,
        ),
        (
            "nor its mapping",
            Reading {
                mapping: Fact::Unreadable(Unreadable {
                    missing_action: None,
                    message: "no".to_owned(),
                }),
                ..reading(long())
            },
            Some(18),
        ),
        // It was never to read what came before its own beginning.
        (
            "it began half an hour ago",
            mapping(reading(well(0..30)), |mapping| {
                mapping.starting_timestamp = Some("2026-01-31T11:30:00Z".to_owned());
            }),
            Some(18),
        ),
        (
            "10 min ago",
            mapping(reading(well(0..30)), |mapping| {
                mapping.starting_timestamp = Some("2026-01-31T11:50:00Z".to_owned());
            }),
            Some(10),
        ),
        (
            "and does nothing",
            mapping(reading(vec![]), |mapping| {
                mapping.starting_timestamp = Some("2026-01-31T11:50:00Z".to_owned());
            }),
            Some(10),
        ),
        (
            "it began a day ago",
            mapping(reading(long()), |mapping| {
                mapping.starting_timestamp = Some("2026-01-30T11:50:00Z".to_owned());
            }),
            Some(18),
        ),
    ];
    for (what, reading, wanted) in rows {
        assert_eq!(ago(&reading), wanted, "{what}");
    }
}

#[test]
fn a_mapping_that_is_gone_has_been_somewhere() {
    let now = Timestamp::from_second(NOW).unwrap();
    let without = |minutes| Reading {
        mapping: Fact::Absent,
        ..reading(minutes)
    };
    // It was deleted an hour ago, and records came that nobody took.
    let since = || (0..60).fold(well(60..600), |all, ago| with(all, ago, |minute| minute.incoming = 5));
    let going = |minutes| mapping(reading(minutes), |mapping| "Deleting".clone_into(&mut mapping.state));
    assert_eq!(ago(&without(since())), Some(60 + 11));
    assert_eq!(ago(&without(well(60..600))), Some(71));
    assert_eq!(ago(&going(since())), Some(60 + 11));
    // Long ago: all that the stream holds.
    assert_eq!(ago(&without(well([]))), None);
    for (reading, words) in [
        (
            without(since()),
            "its mapping is gone already; the function was invoked at ",
        ),
        (
            without(well([])),
            "its mapping is gone already; of the last 48 hours CloudWatch tells of no invocation",
        ),
        (
            going(since()),
            "its mapping is being deleted already; the function was invoked at ",
        ),
    ] {
        let why = resume(&reading, now).why;
        assert!(why.starts_with(words), "{why}");
    }
    assert_eq!(lines(&[], 80), []);
}

/// Shards that are read as Lambda does, with a fault: whatever they have not delivered when the mapping goes is put at or after the time that is told.
#[test]
fn no_record_that_was_not_delivered_is_passed_over() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |most: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        i64::try_from(random % most).unwrap()
    };
    let (mut told, mut late) = (0, 0);
    for round in 0..2000 {
        let (timeout, length) = (1 + below(120), 4 * 3600);
        let begin = NOW - length;
        let mut minutes = Minutes {
            looked_back: MINUTES,
            counted: std::collections::BTreeMap::new(),
        };
        let mut oldest: Option<i64> = None;
        // The mapping is disabled for a time, of all shards.
        let off = if below(3) == 0 {
            let from = begin + below(4 * 3600);
            let length = below(5400);
            from..from + length
        } else {
            0..0
        };
        for _ in 0..=below(3) {
            let often = below(2) == 0;
            let every = 1 + below(if often { 30 } else { 1800 });
            let fault = begin + below(5 * 3600);
            let ended = fault + below(3600);
            let fault = if below(2) == 0 { fault..ended } else { 0..0 };
            let slow = 1 + below(4);
            // Seconds at which records came, all before the beginning at once.
            let behind = usize::try_from(below(50)).unwrap();
            let mut waiting = std::collections::VecDeque::from(vec![begin - 3600; behind]);
            let mut free = begin + below(120);
            let mut last = begin;
            for second in begin..NOW {
                if second >= last + every {
                    last = second;
                    waiting.push_back(second);
                    minutes.counted.entry(second - second % MINUTE).or_default().incoming += 1;
                }
                if second < free || waiting.is_empty() || off.contains(&second) {
                    continue;
                }
                let batch: Vec<i64> = waiting.iter().take(100).copied().collect();
                let takes = (slow * 20).min(timeout);
                let ended = second + takes;
                let counted = minutes.counted.entry(second - second % MINUTE).or_default();
                let age = u64::try_from((second - batch[batch.len() - 1]) * 1000).unwrap();
                let known = ended + 120 <= NOW;
                if known {
                    counted.invocations += 1;
                    counted.behind_ms = counted.behind_ms.max(age);
                }
                free = ended + 1;
                if fault.contains(&second) {
                    counted.failures += u64::from(known);
                    free += 30;
                } else if ended <= NOW {
                    waiting.drain(..batch.len());
                }
            }
            oldest = [oldest, waiting.front().copied()].into_iter().flatten().min();
        }
        minutes.counted.values_mut().for_each(|minute| minute.told = true);
        let mut reading = reading(vec![]);
        reading.minutes = found(minutes);
        if let Fact::Found { value } = &mut reading.function {
            value.timeout_seconds = u32::try_from(timeout).unwrap();
        }
        let Some(ago) = ago(&reading) else { continue };
        told += 1;
        late += i32::from(oldest.is_some());
        let at = NOW - ago * MINUTE;
        assert!(
            oldest.is_none_or(|oldest| oldest >= at),
            "round {round}: {at} is after {oldest:?}, {reading:#?}"
        );
    }
    assert!(told > 1000 && late > 300, "{told} told, {late} with records left");
}

#[test]
fn it_is_told_with_its_reason() {
    let now = Timestamp::from_second(NOW).unwrap();
    let denied = Fact::Unreadable(Unreadable {
        missing_action: Some("cloudwatch:GetMetricData".to_owned()),
        message: "AccessDenied".to_owned(),
    });
    let started = |reading| {
        mapping(reading, |mapping| {
            mapping.starting_timestamp = Some("2026-01-31T11:50:00Z".to_owned());
        })
    };
    let all = [
        reading(well(0..600)),
        reading(vec![]),
        started(reading(vec![])),
        started(reading(well(0..60))),
        Reading {
            minutes: denied,
            ..mapping(reading(vec![]), |mapping| mapping.maximum_record_age = Some(3600))
        },
    ];
    let resumes: Vec<Resume> = all.iter().map(|reading| resume(reading, now)).collect();
    let text = [79, 159].map(|columns| {
        let lines = lines(&resumes, columns).into_iter().map(|line| line.text + "\n");
        lines.collect::<String>()
    });
    insta::assert_snapshot!(text.join("\n"));
    insta::assert_json_snapshot!(resumes);
}

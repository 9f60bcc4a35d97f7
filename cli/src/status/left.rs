//! What is left in a stream, as far as CloudWatch tells it by the minute: what came in after the last record that the function got, and how long nothing was
//! taken since. Sums don't tell it: a record may hold several, and filters leave some out.

use jiff::Timestamp;

use crate::facts::{Fact, Flow, Mapping, WatchedPipeline};

const MINUTE: i64 = 60;
/// Seconds after which CloudWatch has a figure, for certain.
const LATE: i64 = 5 * MINUTE;
/// Seconds that an invocation may take, where the function's own limit isn't known: its age is counted when it ends.
const LONGEST: u32 = 900;

/// What is left, and what that rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    /// Records that came in after the last that the function got, so long ago that an invocation with them would be counted.
    pub(super) records: u64,
    /// Whether more came in after those: CloudWatch may not have counted yet who got them.
    pub(super) coming: bool,
    /// Whether for so long no invocation is counted that there is none.
    pub(super) quiet: bool,
    /// Seconds since the last invocation; none where there was none.
    pub(super) invoked_ago: Option<u64>,
    /// Whether all was looked at that came in after the last record that the function got.
    pub(super) seen_whole: bool,
    /// Records that came in, in all that was looked at.
    pub(super) incoming: u64,
}

/// What is left of a pipeline that is switched on; none where nobody can tell.
pub(super) fn left(seen: &WatchedPipeline, now: &str) -> Option<Left> {
    let (flow, mapping): (&Flow, &Mapping) = (seen.flow.as_ref()?.found()?, seen.mapping.found()?);
    let now = now.parse::<Timestamp>().ok()?.as_second();
    let timeout = match &seen.function {
        Fact::Found { value } => value.timeout_seconds,
        Fact::Absent | Fact::Unreadable(_) => LONGEST,
    };
    let fills = mapping
        .batching_window
        .unwrap_or(0)
        .max(mapping.tumbling_window.unwrap_or(0));
    let settles = LATE + i64::from(timeout) + i64::from(fills);
    let taken = flow
        .minutes
        .iter()
        .filter_map(|(at, minute)| Some((*at, minute.youngest_ms?)));
    let taken: Vec<(i64, i64)> = taken
        .map(|(at, age)| (at, i64::try_from(age / 1000).unwrap_or(i64::MAX)))
        .collect();
    // What came before this was got, at least of one shard: as long as others have some, there are invocations.
    let got = taken.iter().map(|(at, age)| (at + MINUTE).saturating_sub(*age)).max();
    let begins = begins(mapping, flow.changed);
    if got.is_none() && (begins.is_none() || flow.changed.is_none()) {
        return None;
    }
    let from = got.max(begins).unwrap_or(i64::MIN);
    let last = taken.last().map(|(at, _)| at + MINUTE);
    let since = last.max(flow.changed).unwrap_or(i64::MIN);
    let (mut records, mut coming, mut incoming) = (0, false, 0);
    for (at, minute) in &flow.minutes {
        incoming += minute.incoming;
        if *at < from || minute.incoming == 0 {
            continue;
        }
        if at + MINUTE + settles <= now {
            records += minute.incoming;
        } else {
            coming = true;
        }
    }
    Some(Left {
        records,
        coming,
        quiet: since.saturating_add(settles) <= now,
        invoked_ago: last.map(|last| u64::try_from(now - last).unwrap_or(0)),
        seen_whole: from >= now - i64::from(flow.looked_back) * MINUTE,
        incoming,
    })
}

/// The earliest time whose records the mapping reads, in seconds since 1970; none where that isn't known.
fn begins(mapping: &Mapping, changed: Option<i64>) -> Option<i64> {
    match mapping.starting_position.as_deref()? {
        "TRIM_HORIZON" => Some(i64::MIN),
        "AT_TIMESTAMP" => {
            let at = mapping.starting_timestamp.as_deref()?.parse::<Timestamp>().ok()?;
            Some(at.as_second())
        }
        // It may have been made only then, and what came before is not its own.
        "LATEST" => changed,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{FlowMinute, Function, Metrics};

    const NOW: &str = "2026-01-02T03:04:05.678Z";

    /// A minute of the clock, so many before now's.
    fn ago(minutes: i64) -> i64 {
        let now: Timestamp = NOW.parse().unwrap();
        let now = now.as_second();
        now - now.rem_euclid(MINUTE) - minutes * MINUTE
    }

    /// Minutes ago, the records that came in then, and the age in seconds of what was taken then.
    type Minutes = [(i64, u64, Option<u64>)];

    fn seen(position: &str, changed: Option<i64>, minutes: &Minutes) -> WatchedPipeline {
        let minutes = minutes.iter().map(|&(at, incoming, age)| {
            let youngest_ms = age.map(|age| age * 1000);
            (ago(at), FlowMinute { incoming, youngest_ms })
        });
        WatchedPipeline {
            stream: "orders".to_owned(),
            topic: None,
            function: Fact::Found {
                value: Function {
                    timeout_seconds: 60,
                    ..Function::default()
                },
            },
            mapping: Fact::Found {
                value: Mapping {
                    state: "Enabled".to_owned(),
                    starting_position: Some(position.to_owned()),
                    batching_window: Some(1),
                    ..Mapping::default()
                },
            },
            metrics: Fact::Found {
                value: Metrics::default(),
            },
            flow: Some(Fact::Found {
                value: Flow {
                    looked_back: 180,
                    changed: changed.map(ago),
                    minutes: minutes.collect(),
                },
            }),
            waiting: None,
        }
    }

    /// What happened, where the mapping begins, when it was changed, minute by minute; and of it the records that are left, whether more may be, whether it is
    /// quiet, and whether all was looked at.
    type Row<'a> = (
        &'a str,
        &'a str,
        Option<i64>,
        &'a Minutes,
        Option<(u64, bool, bool, bool)>,
    );

    const ROWS: [Row<'static>; 15] = [
        (
            "got as it came",
            "LATEST",
            Some(170),
            &[(2, 9, Some(1))],
            Some((0, false, false, true)),
        ),
        (
            "got, long ago",
            "LATEST",
            Some(170),
            &[(50, 9, Some(1))],
            Some((0, false, true, true)),
        ),
        (
            "came just now",
            "LATEST",
            Some(170),
            &[(50, 9, Some(1)), (2, 5, None)],
            Some((0, true, true, true)),
        ),
        (
            "came after",
            "LATEST",
            Some(170),
            &[(50, 9, Some(1)), (20, 5, None), (2, 5, None)],
            Some((5, true, true, true)),
        ),
        (
            "old, and all of it got",
            "TRIM_HORIZON",
            Some(12),
            &[(20, 9, None), (11, 0, Some(500))],
            Some((0, false, true, true)),
        ),
        (
            "old, and got just now",
            "TRIM_HORIZON",
            Some(5),
            &[(12, 9, None), (4, 0, Some(480))],
            Some((0, false, false, true)),
        ),
        (
            "old, and not all of it",
            "TRIM_HORIZON",
            Some(12),
            &[(20, 9, None), (15, 7, None), (11, 0, Some(500))],
            Some((7, false, true, true)),
        ),
        (
            "a burst is read down",
            "TRIM_HORIZON",
            Some(170),
            &[(60, 9, None), (50, 9, None), (1, 0, Some(3500))],
            Some((9, false, false, true)),
        ),
        (
            "one shard is further than the other",
            "TRIM_HORIZON",
            Some(170),
            &[(60, 9, None), (30, 9, Some(0)), (10, 0, Some(3000))],
            Some((0, false, true, true)),
        ),
        (
            "never read",
            "TRIM_HORIZON",
            Some(30),
            &[(60, 9, None)],
            Some((9, false, true, false)),
        ),
        (
            "made just now",
            "TRIM_HORIZON",
            Some(2),
            &[(60, 9, None)],
            Some((9, false, false, false)),
        ),
        (
            "came before it was made",
            "LATEST",
            Some(30),
            &[(60, 9, None)],
            Some((0, false, true, true)),
        ),
        (
            "another mapping got the last",
            "LATEST",
            Some(30),
            &[(60, 9, Some(0)), (50, 9, None)],
            Some((0, false, true, true)),
        ),
        (
            "AWS doesn't say when it was made",
            "TRIM_HORIZON",
            None,
            &[(60, 9, None)],
            None,
        ),
        (
            "came before what was looked at",
            "LATEST",
            None,
            &[(170, 0, Some(3600))],
            Some((0, false, true, false)),
        ),
    ];

    #[test]
    fn what_came_after_the_last_record_that_was_got_is_left() {
        for (what, position, changed, minutes, expected) in ROWS {
            let found = left(&seen(position, changed, minutes), NOW);
            let told = found.map(|left| (left.records, left.coming, left.quiet, left.seen_whole));
            assert_eq!(told, expected, "{what}");
        }
    }

    #[test]
    fn an_invocation_is_counted_when_it_ends() {
        let mut slow = seen("LATEST", Some(170), &[(20, 9, Some(1)), (12, 5, None)]);
        assert_eq!(left(&slow, NOW).map(|left| left.records), Some(5));
        let Fact::Found { value } = &mut slow.function else {
            panic!("{slow:?}")
        };
        value.timeout_seconds = 900;
        assert_eq!(
            left(&slow, NOW).map(|left| (left.records, left.quiet)),
            Some((0, false))
        );
        slow.function = Fact::Absent;
        assert_eq!(
            left(&slow, NOW).map(|left| left.records),
            Some(0),
            "a limit that isn't known is Lambda's"
        );
    }

    #[test]
    fn a_position_is_only_of_what_comes_after_it() {
        let mut at = seen("AT_TIMESTAMP", Some(30), &[(60, 9, None), (40, 4, None)]);
        let Fact::Found { value } = &mut at.mapping else {
            panic!("{at:?}")
        };
        value.starting_timestamp = Some("2026-01-02T02:20:00Z".to_owned());
        assert_eq!(left(&at, NOW).map(|left| left.records), Some(4));
    }
}

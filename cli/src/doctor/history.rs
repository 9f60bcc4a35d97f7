//! What the checks look at of a pipeline's past: its metrics, their trend, and how long ago something was.

use jiff::Timestamp;

use super::{Case, Outcome};
use crate::facts::{Fact, Metrics, Point};

impl<'a> Case<'a> {
    /// The metrics, else why nothing of them can be judged.
    pub(super) fn metrics(&self) -> Result<&'a Metrics, Outcome> {
        match &self.seen.metrics {
            Some(Fact::Found { value }) => Ok(value),
            Some(Fact::Unreadable(why)) => Err(Outcome::unreadable(why)),
            Some(Fact::Absent) | None => {
                // What isn't there has none.
                self.function()?;
                Err(Outcome::skip("nobody looked at the metrics"))
            }
        }
    }

    /// Seconds from a time to when the facts were taken; nothing where one of both is no time.
    pub(super) fn seconds_since(&self, time: &str) -> Option<u64> {
        let taken: Timestamp = self.facts.taken_at.parse().ok()?;
        let time: Timestamp = time.parse().ok()?;
        // A clock that runs ahead says that it was just now.
        Some(u64::try_from(taken.as_second() - time.as_second()).unwrap_or(0))
    }

    /// How long ago, in words.
    pub(super) fn ago(&self, time: &str) -> String {
        match self.seconds_since(time) {
            Some(seconds) => format!("{} ago", lasting(seconds)),
            None => format!("at {time:?}"),
        }
    }

    /// Whether the last batch that Lambda read was delivered.
    pub(super) fn delivers(&self) -> bool {
        let mapping = self.seen.mapping.found();
        mapping.is_some_and(|mapping| mapping.last_result.as_deref() == Some("OK"))
    }
}

/// The time that the metrics are of.
pub(super) fn window(metrics: &Metrics) -> String {
    format!("the last {}", lasting(u64::from(metrics.minutes) * 60))
}

/// A duration in the largest unit that leaves no more than a few: people compare it, and don't calculate with it.
pub(crate) fn lasting(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / MINUTE),
        7200..172_800 => format!("{} h", seconds / HOUR),
        _ => format!("{} days", seconds / DAY),
    }
}

/// The same of milliseconds.
pub(crate) fn lasting_ms(milliseconds: u64) -> String {
    if milliseconds < 10_000 {
        format!("{milliseconds} ms")
    } else {
        lasting(milliseconds / 1000)
    }
}

/// Where a figure goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trend {
    /// There is too little to tell.
    Unknown,
    /// Neither up nor down for long.
    Level,
    /// Up, by so much a minute.
    Grows(u64),
    /// Down, by so much a minute.
    Falls(u64),
}

/// Milliseconds of the last points that the trend is of.
const TREND_OF: i128 = 60 * 60 * 1000;
/// Fewer points, or points that are nearer together, tell no trend.
const FEWEST: usize = 3;
const SHORTEST: i128 = 10 * 60 * 1000;

/// Where a figure has gone in the last hour: a line through its points, and three steps of four going its way.
pub(crate) fn trend(points: &[Point]) -> Trend {
    let all = points.iter().filter_map(|point| {
        let at: Timestamp = point.at.parse().ok()?;
        Some((i128::from(at.as_millisecond()), i128::from(point.value)))
    });
    let all: Vec<(i128, i128)> = all.collect();
    let Some(&(end, last)) = all.last() else {
        return Trend::Unknown;
    };
    let recent: Vec<(i128, i128)> = all.into_iter().filter(|(at, _)| end - at <= TREND_OF).collect();
    let begin = recent.first().map_or(end, |(at, _)| *at);
    if recent.len() < FEWEST || end - begin < SHORTEST {
        return Trend::Unknown;
    }
    let count = i128::try_from(recent.len()).unwrap_or(i128::MAX);
    let sum = |of: fn(i128, i128) -> i128| recent.iter().map(|&(at, value)| of(at - begin, value)).sum::<i128>();
    let (times, values) = (sum(|at, _| at), sum(|_, value| value));
    let (squares, products) = (sum(|at, _| at * at), sum(|at, value| at * value));
    // Least squares, in whole numbers.
    let spread = count * squares - times * times;
    if spread <= 0 {
        return Trend::Unknown;
    }
    let a_minute = (count * products - times * values) * 60_000 / spread;
    let steps = recent.len() - 1;
    let most = |way: fn(i128, i128) -> bool| {
        let so = recent
            .windows(2)
            .filter(|pair| matches!(pair, [(_, one), (_, next)] if way(*one, *next)));
        so.count() * 4 >= steps * 3
    };
    let rate = u64::try_from(a_minute.unsigned_abs()).unwrap_or(u64::MAX);
    if a_minute > 0 && most(|one, next| next > one) && recent.iter().all(|(_, value)| *value <= last) {
        Trend::Grows(rate)
    } else if a_minute < 0 && most(|one, next| next < one) && recent.iter().all(|(_, value)| *value >= last) {
        Trend::Falls(rate)
    } else {
        Trend::Level
    }
}

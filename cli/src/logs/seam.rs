//! Where one look at a log ends and the next one begins. Pure.
//!
//! CloudWatch shows a line some time after it was written, and lines of several sandboxes not in the order in which they were written: a look that began where
//! the last one ended would miss those that came late. So each look goes back behind the newest line of the look before, and what was seen there already is known
//! by its id.

use std::collections::BTreeSet;

use super::port::Event;

/// How much later than a newer line a line may be shown, in milliseconds.
pub const LATE: i64 = 60_000;

/// How far a log has been seen.
#[derive(Debug, Clone)]
pub struct Seam {
    since: i64,
    newest: i64,
    /// Times and ids of what was seen since `since`.
    seen: BTreeSet<(i64, String)>,
}

impl Seam {
    /// Nothing has been seen; what was written before this time, in milliseconds since 1970, is not wanted.
    pub const fn new(since: i64) -> Self {
        Self {
            since,
            newest: i64::MIN,
            seen: BTreeSet::new(),
        }
    }

    /// From when on to look, in milliseconds since 1970.
    pub const fn since(&self) -> i64 {
        self.since
    }

    /// Whether a line is new; from now on it is not.
    pub fn is_new(&mut self, event: &Event) -> bool {
        // A line that says of itself that it is of the future says nothing of how far the others are.
        self.newest = self.newest.max(event.at.min(event.ingested));
        let is_new = event.at >= self.since && self.seen.insert((event.at, event.id.clone()));
        // The next look does not go back to there, and a look that goes over days may be larger than memory is.
        while self.seen.first().is_some_and(|(at, _)| *at < self.forgotten_before()) {
            self.seen.pop_first();
        }
        is_new
    }

    /// Up to when nothing will be seen again, in milliseconds since 1970.
    fn forgotten_before(&self) -> i64 {
        self.since.max(self.newest.saturating_sub(LATE))
    }

    /// A look is over, and has seen all there was.
    pub fn end(&mut self) {
        self.since = self.forgotten_before();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, id: &str) -> Event {
        Event {
            id: id.to_owned(),
            at,
            ingested: at + 5,
            message: String::new(),
        }
    }

    /// Ids of what is new in each look.
    fn looks(seam: &mut Seam, looks: &[&[(i64, &str)]]) -> Vec<Vec<String>> {
        let each = looks.iter().map(|look| {
            let events = look.iter().map(|(at, id)| event(*at, id));
            let found = events.filter(|event| event.at >= seam.since()).collect::<Vec<_>>();
            let new = found.iter().filter(|event| seam.is_new(event));
            let new = new.map(|event| event.id.clone()).collect();
            seam.end();
            new
        });
        each.collect()
    }

    #[test]
    fn no_line_is_seen_twice_and_none_is_missed_that_comes_late() {
        let mut seam = Seam::new(1_000_000);
        let seen = looks(
            &mut seam,
            &[
                &[(999_999, "early"), (1_000_000, "a"), (1_000_100, "b")],
                // Another of the same time, and one that was written before the newest.
                &[
                    (1_000_000, "a"),
                    (1_000_050, "late"),
                    (1_000_100, "b"),
                    (1_000_100, "c"),
                ],
                &[
                    (1_000_000, "a"),
                    (1_000_050, "late"),
                    (1_000_100, "b"),
                    (1_000_100, "c"),
                    (1_080_000, "d"),
                ],
                &[(1_000_100, "c"), (1_020_000, "very late"), (1_080_000, "d")],
            ],
        );
        assert_eq!(seen, [vec!["a", "b"], vec!["late", "c"], vec!["d"], vec!["very late"]]);
        assert_eq!(seam.since(), 1_080_000 - LATE);
        assert_eq!(seam.seen.len(), 2, "what can't come again is forgotten");
    }

    #[test]
    fn a_line_of_the_future_hides_none_of_now() {
        let mut seam = Seam::new(0);
        let future = Event {
            at: 9_000_000,
            ingested: 100_000,
            ..event(0, "future")
        };
        assert!(seam.is_new(&future));
        seam.end();
        assert_eq!(seam.since(), 100_000 - LATE);
        assert!(seam.is_new(&event(100_000, "now")) && !seam.is_new(&future));
    }

    #[test]
    fn one_long_look_holds_no_more_than_could_come_again() {
        let mut seam = Seam::new(0);
        for second in 0..100_000 {
            assert!(seam.is_new(&event(second * 1000, "line")));
            assert!(seam.seen.len() <= 61, "{}", seam.seen.len());
        }
        // What comes late is seen all the same.
        assert!(seam.is_new(&event(5, "late")));
        seam.end();
        assert!(!seam.is_new(&event(99_999_000, "line")));
    }

    #[test]
    fn where_nothing_is_there_the_beginning_stays() {
        let mut seam = Seam::new(5);
        seam.end();
        seam.end();
        assert_eq!(seam.since(), 5);
    }
}

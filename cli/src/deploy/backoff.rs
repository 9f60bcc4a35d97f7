//! How long to wait before AWS is asked again. Pure.

use std::time::Duration;

/// Waits between two looks: the first is twice as long, the longest is that of an operation that goes well.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5);
/// The longest wait while calls fail.
const LONGEST_AFTER_FAILURE: Duration = Duration::from_mins(1);
/// Into how many parts a wait is cut by chance.
const PARTS: u32 = 1024;

/// Waits between calls, one after the other.
#[derive(Debug, Clone)]
pub struct Waits(Duration);

impl Default for Waits {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Waits {
    /// The wait after an answer: at most 5 s.
    pub fn answered(&mut self) -> Duration {
        self.0 = (self.0 * 2).min(LONGEST);
        self.0
    }

    /// The wait after a call that may succeed later: twice the last, at most a minute, and somewhere in its second half, so that callers that were
    /// refused together don't come again together.
    pub fn failed(&mut self, random: u64) -> Duration {
        self.0 = (self.0 * 2).min(LONGEST_AFTER_FAILURE);
        let half = self.0 / 2;
        // Of less than PARTS.
        let part = u32::try_from(random % u64::from(PARTS)).unwrap_or_default();
        half + half * part / PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_while_calls_fail_and_are_short_again_after_an_answer() {
        let seconds = |wait: Duration| wait.as_secs_f64();
        let mut waits = Waits::default();
        let well: Vec<f64> = (0..4).map(|_| seconds(waits.answered())).collect();
        assert_eq!(well, [2.0, 4.0, 5.0, 5.0]);
        // Each between its half and its whole, whatever comes by chance.
        for whole in [10.0, 20.0, 40.0, 60.0, 60.0] {
            let (mut least, mut most) = (waits.clone(), waits.clone());
            assert!((seconds(least.failed(0)) - whole / 2.0).abs() < 1e-9, "{whole}");
            let most = seconds(most.failed(u64::MAX));
            assert!(most < whole && most > whole * 0.99, "{whole}: {most}");
            waits.failed(7);
        }
        assert!((seconds(waits.answered()) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn callers_that_were_refused_together_come_again_one_by_one() {
        let waits: std::collections::BTreeSet<Duration> = (0..100_u64)
            .map(|caller| Waits::default().failed(caller.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        assert!(waits.len() > 80, "{}", waits.len());
    }
}

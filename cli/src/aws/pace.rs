//! How fast services are asked: of what is asked at one pace no second sees more calls than the service takes, however many there are to make and in whatever
//! order they come up. What is asked once of a region or of an account goes without.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

/// How fast a service is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How many calls may begin in a second.
    pub(super) a_second: u32,
    /// How many calls of one list, see [`Paced::all`], are under way at once. Single calls wait for nothing but their turn.
    pub(super) at_once: usize,
}

/// As many calls as a second may have are so far from the next ones.
const APART: Duration = Duration::from_secs(2);

/// `DescribeStreamSummary` is taken 20 times a second of an account.
pub(super) const KINESIS: Pace = Pace {
    a_second: 20,
    at_once: 8,
};
/// Lambda takes 15 calls a second of those that are neither invocations nor `GetFunction`.
pub(super) const LAMBDA: Pace = Pace {
    a_second: 15,
    at_once: 8,
};
/// MSK names no rate for topics, and throttles soon.
pub(super) const MSK: Pace = Pace {
    a_second: 10,
    at_once: 4,
};
/// SNS takes 30 calls a second about topics; SQS and S3 take more.
pub(super) const GIVEN: Pace = Pace {
    a_second: 20,
    at_once: 8,
};
/// Kinesis names no rate for policies: they are asked of few.
pub(super) const POLICIES: Pace = Pace {
    a_second: 8,
    at_once: 2,
};
/// `CloudFormation` names no rate, and throttles soon.
pub(super) const CLOUDFORMATION: Pace = Pace {
    a_second: 10,
    at_once: 4,
};
/// EC2 takes 20 calls a second for good of those that change nothing, and more for a moment: VPC attributes and prefix lists are asked each at this pace, and
/// what is asked once of a whole region comes beside them.
pub(super) const EC2: Pace = Pace {
    a_second: 20,
    at_once: 8,
};

/// CloudWatch Logs takes 5 searches a second in many regions, and can't be talked into more.
pub(super) const LOGS: Pace = Pace {
    a_second: 5,
    at_once: 2,
};
/// CloudWatch takes 50 questions a second for metrics, each of which holds very many.
pub(super) const METRICS: Pace = Pace {
    a_second: 20,
    at_once: 4,
};
/// IAM names no rate for simulations, and throttles soon.
pub(super) const IAM: Pace = Pace {
    a_second: 10,
    at_once: 4,
};
/// SQS names no rate, SNS takes 30 calls a second about topics, and Secrets Manager takes thousands.
pub(super) const LEFT: Pace = Pace {
    a_second: 20,
    at_once: 8,
};

/// Calls that share a rate. What the service takes in a second may begin at once, for that is all that a pipeline needs; and no more than that in any two
/// seconds, so that half of it is left to everybody else.
#[derive(Debug)]
pub(super) struct Paced {
    pace: Pace,
    /// When the last calls began, or will, the oldest first: as many as may begin at once.
    last: Mutex<VecDeque<Instant>>,
}

impl Paced {
    pub(super) const fn new(pace: Pace) -> Self {
        Self {
            pace,
            last: Mutex::new(VecDeque::new()),
        }
    }

    /// When the next call may begin, if it comes up now. It counts as made.
    fn next(&self, now: Instant) -> Instant {
        // Nobody panics while holding it.
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let full = last.len() >= self.pace.a_second as usize;
        let before = if full { last.pop_front() } else { None };
        let begin = before.map_or(now, |before| (before + APART).max(now));
        last.push_back(begin);
        begin
    }

    /// Makes a call when it may begin, however many are under way.
    pub(super) async fn one<T>(&self, ask: impl Future<Output = T>) -> T {
        tokio::time::sleep_until(self.next(Instant::now())).await;
        ask.await
    }

    /// Asks for each, and gives the answers in the order of the items.
    pub(super) async fn all<'a, T, R, F: Future<Output = R>>(
        &self,
        items: &'a [T],
        ask: impl Fn(&'a T) -> F,
    ) -> Vec<R> {
        // Not lazily: a closure within a future is more than the compiler can prove to be sendable.
        let asked: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(number, item)| {
                let answer = self.one(ask(item));
                async move { (number, answer.await) }
            })
            .collect();
        // In the order of the answers, so that one that takes its time holds up no other.
        let answers = futures_util::stream::iter(asked).buffer_unordered(self.pace.at_once);
        let mut answers: Vec<(usize, R)> = answers.collect().await;
        answers.sort_by_key(|(number, _)| *number);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;

    use super::*;

    #[test]
    fn no_second_sees_more_calls_than_the_service_takes() {
        for pace in [
            KINESIS,
            LAMBDA,
            MSK,
            GIVEN,
            POLICIES,
            CLOUDFORMATION,
            EC2,
            LOGS,
            METRICS,
            IAM,
            LEFT,
        ] {
            let paced = Paced::new(pace);
            let start = Instant::now();
            // All at once, some more when these have begun, a pause, and many again: no second may see where one lot ends.
            let comes_up = [(0, 60), (3_100, 10), (9_000, 1), (40_000, 60), (41_300, 20)];
            let mut begins = Vec::new();
            for (after, calls) in comes_up {
                let now = start + Duration::from_millis(after);
                begins.extend((0..calls).map(|_| paced.next(now)));
            }
            let at_once = begins.iter().filter(|begin| **begin == start).count();
            assert_eq!(
                at_once, pace.a_second as usize,
                "{pace:?}: what a second takes begins at once"
            );
            begins.sort();
            for begin in &begins {
                let within = begins
                    .iter()
                    .filter(|other| *other >= begin && **other - *begin < Duration::from_millis(999));
                assert!(
                    within.count() <= pace.a_second as usize,
                    "{pace:?} after {:?}",
                    *begin - start
                );
            }
            // Half of the rate is used: of 151 calls 80 come after 40 s.
            let last = *begins.last().unwrap() - start;
            let most = 43 + 80 / u64::from(pace.a_second / 2);
            assert!(last < Duration::from_secs(most), "{pace:?}: {last:?}");
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_side_by_side_is_answered_in_order() {
        let paced = Paced::new(Pace {
            a_second: 1000,
            at_once: 3,
        });
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let numbers: Vec<u64> = (0..20).collect();
        let answers = paced.all(&numbers, async |number| {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::time::sleep(Duration::from_millis(5 - number % 5)).await;
            now.fetch_sub(1, SeqCst);
            *number
        });
        assert_eq!(answers.await, numbers);
        let most = most.into_inner();
        assert!((2..=3).contains(&most), "{most} at once");
    }
}

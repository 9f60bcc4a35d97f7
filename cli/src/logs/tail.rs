//! Reads the logs of several functions as one, in the order of time, once or for as long as somebody looks on.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::join_all;

use super::port::{Event, Groups, Page, Question};
use super::seam::Seam;
use crate::deploy::backoff::Waits;
use crate::deploy::port::{Fault, World};

/// How long is waited between two looks: CloudWatch shows a line some seconds after it was written anyway.
pub const PAUSE: Duration = Duration::from_secs(2);
/// Longest wait for a service that takes no more calls.
const LONGEST: Duration = Duration::from_mins(1);
/// How often a call is tried where nobody follows: with what the SDK tries itself, about a minute.
const TRIES: u32 = 5;

/// A log group, and what is known of it already.
#[derive(Debug)]
pub struct Source {
    /// The group's name.
    pub group: String,
    seam: Seam,
    waiting: VecDeque<Event>,
    next: Option<String>,
    ended: bool,
}

impl Source {
    /// Nothing of it has been read; `since` as [`Question::since`].
    pub const fn new(group: String, since: i64) -> Self {
        Self {
            group,
            seam: Seam::new(since),
            waiting: VecDeque::new(),
            next: None,
            ended: false,
        }
    }
}

/// Why reading ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// All was read.
    Read,
    /// Nobody wants more.
    Enough,
}

/// A call that failed for good.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed {
    /// The number of the source.
    pub source: usize,
    /// Why.
    pub fault: Fault,
}

/// Who reads.
pub struct Reader<'a, G: ?Sized, W: ?Sized> {
    /// CloudWatch Logs.
    pub groups: &'a G,
    /// The clock.
    pub world: &'a W,
    /// See [`Question::pattern`].
    pub pattern: Option<&'a str>,
    /// Told what keeps it from reading for a while.
    pub tell: &'a (dyn Fn(&str) + Sync),
}

impl<G: ?Sized, W: ?Sized> std::fmt::Debug for Reader<'_, G, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("pattern", &self.pattern)
            .finish_non_exhaustive()
    }
}

impl<G: Groups + ?Sized, W: World + ?Sized> Reader<'_, G, W> {
    /// Reads what is there up to `until`, in milliseconds since 1970. `line` gets the number of the source and the line, and says whether it wants more.
    pub async fn once(
        &self,
        sources: &mut [Source],
        until: i64,
        line: &mut impl FnMut(usize, Event) -> bool,
    ) -> Result<Ended, Failed> {
        self.look(sources, Some(until), Some(TRIES), line).await
    }

    /// Reads what is there and what comes, until `line` wants no more or a call fails for good. Too many calls, and a network that is gone for a while, are waited
    /// for without end.
    pub async fn follow(
        &self,
        sources: &mut [Source],
        line: &mut impl FnMut(usize, Event) -> bool,
    ) -> Result<Ended, Failed> {
        loop {
            if self.look(sources, None, None, line).await? == Ended::Enough {
                return Ok(Ended::Enough);
            }
            self.world.sleep(PAUSE).await;
        }
    }

    /// Reads what is there and what comes, until `line` wants no more, a call fails for good, or so much time is over; ever more seldom.
    pub async fn follow_for(
        &self,
        sources: &mut [Source],
        time: Duration,
        line: &mut impl FnMut(usize, Event) -> bool,
    ) -> Result<Ended, Failed> {
        let (start, mut waits) = (self.world.elapsed(), Waits::default());
        loop {
            if self.look(sources, None, Some(TRIES), line).await? == Ended::Enough {
                return Ok(Ended::Enough);
            }
            let left = time.saturating_sub(self.world.elapsed().saturating_sub(start));
            if left.is_zero() {
                return Ok(Ended::Read);
            }
            self.world.sleep(waits.answered().min(left)).await;
        }
    }

    /// One look at all of them.
    async fn look(
        &self,
        sources: &mut [Source],
        until: Option<i64>,
        tries: Option<u32>,
        line: &mut impl FnMut(usize, Event) -> bool,
    ) -> Result<Ended, Failed> {
        for source in &mut *sources {
            source.ended = false;
            source.next = None;
        }
        loop {
            // The next line is known only where each source has one, or has no more.
            let asked = sources.iter_mut().enumerate().map(|(number, source)| async move {
                let filled = self.fill(source, until, tries).await;
                filled.map_err(|fault| Failed { source: number, fault })
            });
            for filled in join_all(asked).await {
                filled?;
            }
            let first = sources.iter().enumerate().filter_map(|(number, source)| {
                let event = source.waiting.front()?;
                Some((event.at, number))
            });
            let Some((_, number)) = first.min() else {
                break;
            };
            if let Some(event) = sources[number].waiting.pop_front()
                && !line(number, event)
            {
                return Ok(Ended::Enough);
            }
        }
        for source in sources {
            source.seam.end();
        }
        Ok(Ended::Read)
    }

    /// Gets pages until there is a new line, or no more.
    async fn fill(&self, source: &mut Source, until: Option<i64>, tries: Option<u32>) -> Result<(), Fault> {
        while source.waiting.is_empty() && !source.ended {
            let page = self.page(source, until, tries).await?;
            let seam = &mut source.seam;
            source.waiting = page.events.into_iter().filter(|event| seam.is_new(event)).collect();
            source.ended = page.next.is_none();
            source.next = page.next;
        }
        Ok(())
    }

    /// Gets a page, and waits where that is all that helps.
    async fn page(&self, source: &Source, until: Option<i64>, tries: Option<u32>) -> Result<Page, Fault> {
        let mut asked = 0;
        loop {
            let question = Question {
                group: &source.group,
                since: source.seam.since(),
                until,
                pattern: self.pattern,
                token: source.next.as_deref(),
            };
            let fault = match self.groups.page(question).await {
                Ok(page) => return Ok(page),
                Err(fault) => fault,
            };
            asked += 1;
            if !fault.passes() || tries.is_some_and(|tries| asked >= tries) {
                return Err(fault);
            }
            let wait = PAUSE.saturating_mul(1 << (asked - 1).min(8)).min(LONGEST);
            (self.tell)(&format!(
                "could not read {}: {}; asking again in {} s",
                source.group,
                fault.message,
                wait.as_secs()
            ));
            self.world.sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;

    use super::*;
    use crate::deploy::port::{Doing, FaultKind};

    /// An answer: lines as time and id, and where it goes on.
    type Answer = Result<(Vec<(i64, &'static str)>, Option<&'static str>), FaultKind>;

    /// Answers in this order, and remembers what it was asked and what was waited for.
    struct Script {
        answers: Mutex<VecDeque<Answer>>,
        asked: Mutex<Vec<(String, i64, Option<String>)>>,
        slept: Mutex<Vec<u64>>,
        told: Mutex<Vec<String>>,
    }

    impl Script {
        fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
            Self {
                answers: Mutex::new(answers.into_iter().collect()),
                asked: Mutex::default(),
                slept: Mutex::default(),
                told: Mutex::default(),
            }
        }
    }

    impl Groups for Script {
        fn page<'a>(&'a self, question: Question<'a>) -> Doing<'a, Page> {
            let asked = (
                question.group.to_owned(),
                question.since,
                question.token.map(str::to_owned),
            );
            self.asked.lock().unwrap().push(asked);
            let answer = self.answers.lock().unwrap().pop_front().expect("an answer");
            Box::pin(async move {
                let (lines, next) = answer.map_err(|kind| Fault {
                    kind,
                    message: "Throttling: slow down".to_owned(),
                })?;
                let events = lines.into_iter().map(|(at, id)| Event {
                    id: id.to_owned(),
                    at,
                    ingested: at,
                    message: id.to_owned(),
                });
                Ok(Page {
                    events: events.collect(),
                    next: next.map(str::to_owned),
                })
            })
        }
    }

    impl World for Script {
        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }

        fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            self.slept.lock().unwrap().push(time.as_secs());
            Box::pin(std::future::ready(()))
        }

        fn random(&self) -> u64 {
            0
        }
    }

    async fn read(script: &Script, groups: &[&str], lines: Option<usize>) -> (Result<Ended, Failed>, Vec<String>) {
        let mut sources: Vec<Source> = groups
            .iter()
            .map(|group| Source::new((*group).to_owned(), 1000))
            .collect();
        let tell = |text: &str| script.told.lock().unwrap().push(text.to_owned());
        let reader = Reader {
            groups: script,
            world: script,
            pattern: None,
            tell: &tell,
        };
        let mut seen = Vec::new();
        let mut line = |number: usize, event: Event| {
            seen.push(format!("{number}{}", event.id));
            lines != Some(seen.len())
        };
        let ended = match lines {
            None => reader.once(&mut sources, 9_999_999, &mut line).await,
            Some(_) => reader.follow(&mut sources, &mut line).await,
        };
        (ended, seen)
    }

    #[tokio::test]
    async fn logs_of_several_become_one_in_the_order_of_time() {
        // A page of one may be empty and not the last; one source ends before the other.
        let script = Script::of([
            Ok((vec![(1001, "a"), (1005, "c")], Some("2"))),
            Ok((vec![], Some("2"))),
            Ok((vec![(1003, "b"), (1010, "e")], None)),
            Ok((vec![(1005, "c"), (1007, "d")], None)),
        ]);
        let (ended, seen) = read(&script, &["one", "other"], None).await;
        assert_eq!(ended, Ok(Ended::Read));
        assert_eq!(seen, ["0a", "1b", "0c", "0d", "1e"]);
        let asked = script.asked.into_inner().unwrap();
        let tokens: Vec<_> = asked
            .iter()
            .map(|(group, _, token)| (group.as_str(), token.as_deref()))
            .collect();
        assert_eq!(
            tokens,
            [("one", None), ("other", None), ("other", Some("2")), ("one", Some("2"))]
        );
    }

    #[tokio::test]
    async fn who_follows_sees_each_line_once_and_those_that_come_late() {
        let script = Script::of([
            Ok((vec![(100_000, "a")], None)),
            Ok((vec![(100_000, "a")], None)),
            Ok((vec![(90_000, "late"), (100_000, "a"), (100_000, "b")], Some("2"))),
            Ok((vec![(101_000, "c")], None)),
            Ok((vec![(100_000, "b"), (101_000, "c"), (102_000, "d")], None)),
        ]);
        let (ended, seen) = read(&script, &["one"], Some(5)).await;
        assert_eq!(
            (ended, seen.join(" ")),
            (Ok(Ended::Enough), "0a 0late 0b 0c 0d".to_owned())
        );
        assert_eq!(*script.slept.lock().unwrap(), [2, 2, 2]);
        let since: Vec<i64> = script
            .asked
            .into_inner()
            .unwrap()
            .into_iter()
            .map(|(_, since, _)| since)
            .collect();
        assert_eq!(since, [1000, 40_000, 40_000, 40_000, 41_000]);
    }

    #[tokio::test]
    async fn who_follows_waits_for_as_long_as_it_takes_and_loses_nothing() {
        let busy = || Err(FaultKind::Passing);
        let mut answers = vec![
            Ok((vec![(100_000, "a")], Some("2"))),
            busy(),
            Err(FaultKind::Unreachable),
        ];
        answers.extend((0..5).map(|_| busy()));
        answers.extend([
            Ok((vec![(100_001, "b")], None)),
            busy(),
            Ok((vec![(100_002, "c")], None)),
        ]);
        let script = Script::of(answers);
        let (ended, seen) = read(&script, &["one"], Some(3)).await;
        assert_eq!((ended, seen.join(" ")), (Ok(Ended::Enough), "0a 0b 0c".to_owned()));
        assert_eq!(
            *script.slept.lock().unwrap(),
            [2, 4, 8, 16, 32, 60, 60, 2, 2],
            "each time longer, and from the beginning after it went well"
        );
        let told = script.told.lock().unwrap().join("\n");
        assert!(
            told.contains("could not read one: Throttling: slow down; asking again in 16 s"),
            "{told}"
        );
        // The page that failed is asked for again, not the one after it.
        let asked = script.asked.into_inner().unwrap();
        assert!(
            asked[1..9]
                .iter()
                .all(|(_, since, token)| *since == 1000 && token.as_deref() == Some("2"))
        );
    }

    #[tokio::test]
    async fn who_looks_once_does_not_wait_without_end_and_nobody_for_what_no_waiting_mends() {
        let script = Script::of((0..5).map(|_| Err(FaultKind::Passing)));
        let (ended, _) = read(&script, &["one"], None).await;
        assert_eq!(ended.unwrap_err().fault.kind, FaultKind::Passing);
        assert_eq!(*script.slept.lock().unwrap(), [2, 4, 8, 16]);
        for kind in [FaultKind::Absent, FaultKind::Denied("logs:FilterLogEvents".to_owned())] {
            let script = Script::of([Ok((vec![], None)), Err(kind.clone())]);
            let (ended, _) = read(&script, &["one", "other"], Some(1)).await;
            let failed = ended.unwrap_err();
            assert_eq!((failed.source, failed.fault.kind), (1, kind));
            assert!(script.slept.lock().unwrap().is_empty());
        }
    }
}

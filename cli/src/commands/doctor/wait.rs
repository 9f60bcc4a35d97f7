//! Looks again and again until all is healthy, and tells what changes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::CommandError;
use crate::deploy::port::{User, World};
use crate::doctor::{Checked, Examined, Health, Report};

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_secs(10);

/// The last report: a healthy one, or the one at the end of the time.
pub(super) async fn until_healthy(
    first: Report,
    limit: Duration,
    world: &dyn World,
    user: &dyn User,
    examine: impl AsyncFn() -> Result<Report, CommandError>,
) -> Result<Report, CommandError> {
    let start = world.elapsed();
    let mut last = Ok(first);
    let mut told = None;
    loop {
        let passed = world.elapsed().saturating_sub(start);
        match &last {
            Ok(report) => {
                let words = words(report);
                let healthy = report.health == Health::Healthy;
                if told.is_none() && !healthy {
                    user.tell(&format!(
                        "{}: looking again until it is healthy, for {}",
                        summary(report),
                        time(limit)
                    ));
                }
                let before = told.replace(words.clone()).unwrap_or_else(|| words.clone());
                for (key, (word, line)) in &words {
                    let was = before.get(key).map_or("new", |(was, _)| was);
                    if was != *word {
                        user.tell(&format!("{:>7}  {line} (it was {was})", time(passed)));
                    }
                }
                if healthy {
                    return last;
                }
            }
            Err(error) => user.tell(&format!("{:>7}  could not look: {error}", time(passed))),
        }
        let Some(left) = limit.checked_sub(passed).filter(|left| !left.is_zero()) else {
            return last;
        };
        world.sleep(PAUSE.min(left)).await;
        last = examine().await;
    }
}

/// By pipeline and code, the word of each check, and its line.
fn words(report: &Report) -> BTreeMap<(String, &'static str), (&'static str, String)> {
    let several = report.pipelines.len() > 1;
    let of_pipeline = |Examined { stream, report }: &Examined| {
        let of = if several { format!("{stream}: ") } else { String::new() };
        let of_check = |check: &Checked| {
            let word = check.outcome.word();
            let line = format!("{of}{word}  {}  {}: {}", check.code, check.title, check.outcome.says());
            ((stream.clone(), check.code), (word, line))
        };
        report.checks.iter().map(of_check).collect::<Vec<_>>()
    };
    report.pipelines.iter().flat_map(of_pipeline).collect()
}

fn summary(report: &Report) -> String {
    let causes = report.pipelines.iter().flat_map(|one| &one.report.causes);
    let codes: Vec<&str> = causes.map(|cause| cause.code).collect();
    if codes.is_empty() {
        "not all could be judged".to_owned()
    } else {
        format!("broken ({})", codes.join(", "))
    }
}

/// Minutes and seconds, as `5:07`.
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Script, judge, no_topic, short, with};
    use super::*;
    use crate::exit::Exit;
    use crate::facts::Facts;

    async fn waited(script: &Script, seconds: u64) -> Result<Report, CommandError> {
        let first = judge(&script.look()?);
        let limit = Duration::from_secs(seconds);
        until_healthy(first, limit, script, script, async || Ok(judge(&script.look()?))).await
    }

    fn both(facts: &mut Facts) {
        short(facts);
        no_topic(facts);
    }

    #[tokio::test]
    async fn what_changes_is_told_until_all_is_well() {
        let script = Script::of([with(both), with(both), with(short), with(short), with(|_| {})]);
        let report = waited(&script, 300).await.unwrap();
        assert_eq!(report.exit(), Exit::Fine);
        assert_eq!(World::elapsed(&script), PAUSE * 4);
        insta::assert_snapshot!(script.told());
    }

    #[tokio::test]
    async fn what_is_well_is_not_waited_for() {
        let script = Script::of([with(|_| {})]);
        assert_eq!(waited(&script, 300).await.unwrap().exit(), Exit::Fine);
        assert_eq!((World::elapsed(&script), script.told().as_str()), (Duration::ZERO, ""));
    }

    #[tokio::test]
    async fn at_the_end_of_the_time_the_last_look_counts() {
        let script = Script::of([with(short)]);
        assert_eq!(waited(&script, 25).await.unwrap().exit(), Exit::Failed);
        assert_eq!(
            World::elapsed(&script),
            Duration::from_secs(25),
            "the last look is at the very end"
        );
        let just = Script::of([with(short), with(short), with(short), with(|_| {})]);
        assert_eq!(waited(&just, 25).await.unwrap().exit(), Exit::Fine);
    }

    #[tokio::test]
    async fn a_look_that_fails_is_not_the_end_unless_it_is_the_last() {
        let unreachable = || CommandError::Usage("AWS can't be reached".to_owned());
        let script = Script::of([]);
        script
            .looks
            .lock()
            .unwrap()
            .extend([Ok(with(short)), Err(unreachable()), Ok(with(|_| {}))]);
        assert_eq!(waited(&script, 60).await.unwrap().exit(), Exit::Fine);
        assert!(
            script.told().contains("0:10  could not look: AWS can't be reached"),
            "{}",
            script.told()
        );
        let script = Script::of([]);
        script
            .looks
            .lock()
            .unwrap()
            .extend([Ok(with(short)), Err(unreachable())]);
        assert!(waited(&script, 10).await.is_err());
    }
}

//! E: whether the stream is read as fast as it is written.

use super::history::{Trend, lasting, lasting_ms, trend, window};
use super::{Case, Outcome, given};
use crate::facts::{Mapping, Metrics};
use crate::shell::Command;

/// An age in milliseconds that a burst, or a broker that restarts, explains.
const LATE: u64 = 5 * 60 * 1000;
/// A figure that is older than these seconds says nothing of now: CloudWatch has one of each five minutes, some minutes later.
const STALE: u64 = 20 * 60;
/// Minutes within which a loss that is to come is a failure of today.
const SOON: u64 = 24 * 60;
/// Milliseconds of age that a minute adds where hardly anything gets through: 60,000 where nothing does.
pub(super) const STANDSTILL: u64 = 55_000;
/// Lambda's most.
const MOST_AT_ONCE: u32 = 10;

/// What a record's age is measured by.
struct Kept {
    milliseconds: u64,
    /// Whose rule it is.
    by: String,
    /// What becomes of an older record.
    then: &'static str,
    /// Hours that the stream keeps records, where that is the rule.
    hours: Option<u32>,
}

/// Whether batches are read before their records are lost.
pub(super) fn keeps_up(case: &Case<'_>) -> Outcome {
    let mapping = given!(case.mapping());
    let metrics = given!(case.metrics());
    let Some(last) = metrics.iterator_age_ms.last() else {
        return unread(case, mapping, metrics);
    };
    let Some(kept) = kept(case, mapping) else {
        return Outcome::skip("how long the stream keeps records isn't known, see K2M-E01");
    };
    let age = last.value;
    let old = case.seconds_since(&last.at).filter(|seconds| *seconds > STALE);
    let figure = match old {
        None => format!("the last batch was {} old when the function got it", lasting_ms(age)),
        Some(seconds) => format!(
            "the last batch, {} ago, was {} old when the function got it",
            lasting(seconds),
            lasting_ms(age)
        ),
    };
    let figure = format!("{figure}; {}", kept.by);
    // What was long ago may have been caught up with since.
    let trend = if old.is_some() {
        Trend::Unknown
    } else {
        trend(&metrics.iterator_age_ms)
    };
    let late = LATE + u64::from(mapping.batching_window.unwrap_or(0)) * 1000;
    let half = age >= kept.milliseconds / 2;
    match trend {
        Trend::Falls(rate) => Outcome::pass(if age < late {
            figure
        } else {
            format!(
                "{figure}; it catches up, and is there in about {}",
                lasting(age / rate.max(1) * 60)
            )
        }),
        Trend::Grows(rate) if half || age >= late => grows(case, mapping, &kept, &figure, age, rate),
        Trend::Unknown if half => Outcome::Warn {
            evidence: vec![
                figure,
                "there are too few figures to tell whether it catches up".to_owned(),
            ],
            fix: faster(case, mapping, &kept, "ask again in ten minutes; to read faster:"),
        },
        _ if half => Outcome::Fail {
            evidence: vec![
                figure,
                format!(
                    "that is past half of it, and it does not catch up: what is older {}",
                    kept.then
                ),
            ],
            fix: faster(case, mapping, &kept, "to read faster:"),
        },
        _ => Outcome::pass(figure),
    }
}

/// It falls behind, and how long that can go on.
fn grows(case: &Case<'_>, mapping: &Mapping, kept: &Kept, figure: &str, age: u64, rate: u64) -> Outcome {
    let minutes = kept.milliseconds.saturating_sub(age) / rate.max(1);
    let forecast = format!(
        "it gains {} of age a minute: at this rate the oldest record {} in about {}",
        lasting_ms(rate),
        kept.then,
        lasting(minutes.saturating_mul(60))
    );
    let evidence = vec![format!("the function falls behind: {figure}"), forecast];
    if age >= kept.milliseconds / 2 || minutes <= SOON {
        let begin = if rate >= STANDSTILL {
            "hardly anything gets through: mend what other checks and the function's log say; else, to read faster:"
        } else {
            "to read faster:"
        };
        Outcome::Fail {
            evidence,
            fix: faster(case, mapping, kept, begin),
        }
    } else {
        Outcome::Warn {
            evidence,
            fix: faster(case, mapping, kept, "where it goes on for long, to read faster:"),
        }
    }
}

/// What gives time, and what reads faster.
fn faster(case: &Case<'_>, mapping: &Mapping, kept: &Kept, begin: &str) -> Vec<String> {
    /// A week.
    const LONGER: u32 = 168;
    let mut fix = Vec::new();
    if kept.hours.is_some_and(|hours| hours < LONGER) {
        fix.push("to have time first, let the stream keep records for longer, which AWS charges for:".to_owned());
        fix.push(
            Command::new("aws kinesis increase-stream-retention-period")
                .option("--stream-arn", case.pipeline.stream.value.as_str())
                .option("--retention-period-hours", &LONGER.to_string())
                .option("--region", &case.settings.home.region)
                .to_string(),
        );
    }
    fix.push(begin.to_owned());
    let factor = mapping.parallelization_factor.unwrap_or(1);
    if factor < MOST_AT_ONCE {
        let more = (factor * 2).min(MOST_AT_ONCE);
        fix.extend(case.setting("parallelization_factor", &more.to_string()));
    } else {
        fix.push(shards(case).unwrap_or_else(|| {
            "the stream is on demand, so AWS splits its shards as more is written: see that the function takes less time for a batch".to_owned()
        }));
    }
    fix
}

/// The command that doubles the shards; none where AWS alone decides of them.
fn shards(case: &Case<'_>) -> Option<String> {
    let stream = case.seen.stream.found();
    if stream.is_some_and(|stream| stream.on_demand) {
        return None;
    }
    let open = stream.map_or(1, |stream| stream.open_shards);
    let command = Command::new("aws kinesis update-shard-count")
        .option("--stream-arn", case.pipeline.stream.value.as_str())
        .option("--target-shard-count", &open.saturating_mul(2).to_string())
        .option("--scaling-type", "UNIFORM_SCALING")
        .option("--region", &case.settings.home.region);
    Some(command.to_string())
}

/// The shorter of how long the stream keeps records and how old they may be for the mapping.
fn kept(case: &Case<'_>, mapping: &Mapping) -> Option<Kept> {
    let hours = case.seen.stream.found().map(|stream| stream.retention_hours);
    let by_stream = hours.map(|hours| u64::from(hours) * 3600);
    let by_mapping = mapping.maximum_record_age.and_then(|age| u64::try_from(age).ok());
    match (by_stream, by_mapping) {
        (Some(stream), mapping) if mapping.is_none_or(|age| age >= stream) => Some(Kept {
            milliseconds: stream * 1000,
            by: format!("the stream keeps records for {}", lasting(stream)),
            then: "is lost",
            hours,
        }),
        (_, Some(age)) => Some(Kept {
            milliseconds: age * 1000,
            by: format!(
                "records are given up when they are {} old (maximum_record_age)",
                lasting(age)
            ),
            then: "is given up",
            hours: None,
        }),
        _ => None,
    }
}

/// No batch was read: since there was nothing, or since nothing is read.
fn unread(case: &Case<'_>, mapping: &Mapping, metrics: &Metrics) -> Outcome {
    let within = window(metrics);
    let incoming = metrics.incoming_records.unwrap_or(0);
    if incoming == 0 {
        return Outcome::skip(format!(
            "nothing was put into the stream in {within}, and no batch was read"
        ));
    }
    let invoked = metrics.invocations.unwrap_or(0) > 0;
    // What the mapping read counts where it is counted: among the invocations are k2m's own questions.
    let counted = mapping.counts_events == Some(true) || metrics.polled.is_some();
    let polled = metrics.polled.unwrap_or(0);
    if invoked && (!counted || polled > 0) {
        return Outcome::skip(format!(
            "CloudWatch has no iterator age of {within}; of the invocations that it has some may be k2m's own questions"
        ));
    }
    if mapping.state != "Enabled" {
        return Outcome::skip(format!("the mapping is {}, see K2M-E02", mapping.state));
    }
    if polled > 0 && metrics.filtered_out.unwrap_or(0) >= polled {
        return Outcome::skip("the filters leave out all that is read, see K2M-E08");
    }
    let put = format!("{incoming} records were put into the stream in {within}");
    let evidence = if polled > 0 {
        format!("nothing gets to the function: {put}, {polled} were read, and it was not invoked")
    } else if invoked {
        format!(
            "nothing is read: {put}, and the mapping counts none of them; the invocations are k2m's own questions, or another's"
        )
    } else {
        format!("nothing is read: {put}, and the function was not invoked")
    };
    Outcome::warn(
        evidence,
        [
            "where it was deployed or switched on some minutes ago, wait and ask again; else see what Lambda says of the mapping:".to_owned(),
            Command::new("aws lambda get-event-source-mapping")
                .option("--uuid", &mapping.uuid)
                .option("--region", &case.settings.home.region)
                .to_string(),
        ],
    )
}

/// Whether reads of the stream are answered.
pub(super) fn throttled(case: &Case<'_>) -> Outcome {
    let metrics = given!(case.metrics());
    let within = window(metrics);
    let refused = metrics.throttled_reads.unwrap_or(0);
    if refused == 0 {
        return Outcome::pass(format!("no read of the stream was refused in {within}"));
    }
    let seen = format!("{refused} reads of the stream were refused in {within}, of all its readers together");
    if case.pipeline.consumer.is_some() {
        return Outcome::pass(format!(
            "{seen}; the mapping reads by a consumer of its own, which they don't concern"
        ));
    }
    let shards = shards(case).map(|command| ["or twice the shards:".to_owned(), command]);
    let steps = [
        "fewer readers, or a consumer of its own for the mapping (enhanced fan-out, which AWS charges for):".to_owned(),
        Command::new("aws kinesis register-stream-consumer")
            .option("--stream-arn", case.pipeline.stream.value.as_str())
            .option("--consumer-name", "k2m")
            .option("--region", &case.settings.home.region)
            .to_string(),
        "then name its ARN with `consumer` in k2m.yaml, and `k2m deploy`".to_owned(),
    ];
    Outcome::warn(
        format!("{seen}: a shard answers 5 reads and 2 MB a second, and who is refused waits"),
        steps
            .into_iter()
            .chain(shards.into_iter().flatten())
            .collect::<Vec<_>>(),
    )
}

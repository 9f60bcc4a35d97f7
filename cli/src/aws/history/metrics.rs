//! Figures of CloudWatch for all pipelines at once: one question holds many.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StatusCode};
use jiff::Timestamp;

use super::Ran;
use crate::aws::answer::{Answer, Trouble, trouble};
use crate::aws::pace::{METRICS, Paced};
use crate::facts::{Flow, FlowMinute, Metrics, Minute, Minutes, Point};

/// AWS's most in one question.
const MOST: usize = 500;
/// The figures are of so many seconds each.
const PERIOD: i32 = 300;

/// What a figure is of.
#[derive(Debug, Clone, Copy)]
enum Of {
    Stream,
    Function,
    Mapping,
    /// Of the function too, by what its handler logs.
    Handler,
}

/// A figure: of what it is, its name, and what becomes of many.
type Figure = (Of, &'static str, &'static str);

const IN_ALL: &str = "Sum";
const THE_MOST: &str = "Maximum";
const THE_LEAST: &str = "Minimum";
const FIGURES: [Figure; 15] = [
    (Of::Function, "IteratorAge", THE_MOST),
    (Of::Stream, "IncomingRecords", IN_ALL),
    (Of::Stream, "ReadProvisionedThroughputExceeded", IN_ALL),
    (Of::Function, "Invocations", IN_ALL),
    (Of::Function, "Errors", IN_ALL),
    (Of::Function, "Throttles", IN_ALL),
    (Of::Function, "Duration", THE_MOST),
    (Of::Function, "ConcurrentExecutions", THE_MOST),
    (Of::Mapping, "PolledEventCount", IN_ALL),
    (Of::Mapping, "FilteredOutEventCount", IN_ALL),
    (Of::Mapping, "DroppedEventCount", IN_ALL),
    (Of::Mapping, "OnFailureDestinationDeliveredEventCount", IN_ALL),
    (Of::Handler, "Acknowledged", IN_ALL),
    (Of::Handler, "DeadLettered", IN_ALL),
    (Of::Handler, "Failures", IN_ALL),
];

/// Those that tell how far a stream was read, with their places.
const OF_READING: [Figure; 7] = [
    (Of::Function, "Invocations", IN_ALL),
    (Of::Function, "Errors", IN_ALL),
    (Of::Function, "Throttles", IN_ALL),
    (Of::Handler, "Failures", IN_ALL),
    (Of::Function, "IteratorAge", THE_MOST),
    (Of::Stream, "GetRecords.IteratorAgeMilliseconds", THE_MOST),
    (Of::Stream, "IncomingRecords", IN_ALL),
];
const MINUTE: i32 = 60;

/// Those that tell what came into a stream and was taken out of it, with their places.
const OF_FLOW: [Figure; 2] = [
    (Of::Stream, "IncomingRecords", IN_ALL),
    (Of::Function, "IteratorAge", THE_LEAST),
];

/// What is asked for: figures, of so many seconds each, of the last `minutes`.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    figures: &'static [Figure],
    period: i32,
    now: Timestamp,
    minutes: u32,
}

/// The figures of each of the last `minutes`, in their order.
pub(in crate::aws) async fn metrics(
    client: &Client,
    ran: &[Ran<'_>],
    now: Timestamp,
    minutes: u32,
) -> Vec<Answer<Metrics>> {
    let wanted = Wanted {
        figures: &FIGURES,
        period: PERIOD,
        now,
        minutes,
    };
    let answers = all(client, ran, wanted).await.into_iter();
    let told = answers.map(|answer| answer.map(|series| told(minutes, &series)));
    told.collect()
}

/// The last `minutes` of each, one by one.
pub(in crate::aws) async fn by_minute(
    client: &Client,
    ran: &[Ran<'_>],
    now: Timestamp,
    minutes: u32,
) -> Vec<Answer<Minutes>> {
    let wanted = Wanted {
        figures: &OF_READING,
        period: MINUTE,
        now,
        minutes,
    };
    let answers = all(client, ran, wanted).await.into_iter();
    let counted = answers.map(|answer| {
        answer.map(|series| Minutes {
            looked_back: minutes,
            counted: counted(&series),
        })
    });
    counted.collect()
}

/// What came into the streams of these and was taken out of them, in each of the last `minutes`.
pub(in crate::aws) async fn flow(client: &Client, ran: &[Ran<'_>], now: Timestamp, minutes: u32) -> Vec<Answer<Flow>> {
    let wanted = Wanted {
        figures: &OF_FLOW,
        period: MINUTE,
        now,
        minutes,
    };
    let answers = all(client, ran, wanted).await.into_iter();
    let flown = answers.map(|answer| {
        answer.map(|series| Flow {
            looked_back: minutes,
            changed: None,
            minutes: flown(&series),
        })
    });
    flown.collect()
}

async fn all(client: &Client, ran: &[Ran<'_>], wanted: Wanted) -> Vec<Answer<Vec<Series>>> {
    let some: Vec<&[Ran<'_>]> = ran.chunks(MOST / wanted.figures.len()).collect();
    let paced = Paced::new(METRICS);
    let answers = paced.all(&some, |some| of_some(client, some, wanted)).await;
    let each = some.iter().zip(answers).flat_map(|(some, answer)| match answer {
        Ok(series) => series,
        Err(trouble) => some.iter().map(|_| Err(trouble.clone())).collect(),
    });
    each.collect()
}

/// Values by their time, in seconds since 1970.
type Series = BTreeMap<i64, f64>;

/// The series of each, in the order of the figures.
async fn of_some(client: &Client, ran: &[Ran<'_>], wanted: Wanted) -> Answer<Vec<Answer<Vec<Series>>>> {
    let Wanted {
        figures: wanted,
        period: seconds,
        now,
        minutes,
    } = wanted;
    let end = now.as_second();
    let start = (now - Duration::from_secs(u64::from(minutes) * 60)).as_second();
    let period = i64::from(seconds);
    let queries: Vec<MetricDataQuery> = ran
        .iter()
        .enumerate()
        .flat_map(|(number, one)| {
            let figures = wanted.iter().enumerate();
            figures.filter_map(move |(figure, kind)| query(one, *kind, seconds, &id(number, figure)))
        })
        .collect();
    let mut pages = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries))
        // Whole periods: the first begins a little earlier, rather than later.
        .start_time(DateTime::from_secs(start - start.rem_euclid(period)))
        .end_time(DateTime::from_secs(end))
        .scan_by(ScanBy::TimestampAscending)
        .into_paginator()
        .send();
    let mut found: BTreeMap<String, Series> = BTreeMap::new();
    let mut withheld: BTreeMap<String, Trouble> = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| trouble(&error, "cloudwatch:GetMetricData", &[]))?;
        for result in page.metric_data_results.unwrap_or_default() {
            let points = result.timestamps().iter().zip(result.values());
            let points = points.map(|(at, value)| (at.secs(), *value)).collect::<Vec<_>>();
            let id = result.id.unwrap_or_default();
            // A figure that is kept back looks like one that there is none of.
            if let Some(trouble) = result.status_code.and_then(|status| kept_back(&status)) {
                withheld.insert(id.clone(), trouble);
            }
            found.entry(id).or_default().extend(points);
        }
    }
    Ok((0..ran.len())
        .map(|number| {
            let ids = || (0..wanted.len()).map(|figure| id(number, figure));
            match ids().find_map(|id| withheld.remove(&id)) {
                Some(trouble) => Err(trouble),
                None => Ok(ids().map(|id| found.remove(&id).unwrap_or_default()).collect()),
            }
        })
        .collect())
}

/// Why CloudWatch keeps a figure back while it gives others.
fn kept_back(status: &StatusCode) -> Option<Trouble> {
    const ACTION: &str = "cloudwatch:GetMetricData";
    let message = format!("CloudWatch keeps a figure back ({})", status.as_str());
    match status {
        StatusCode::Forbidden => Some(Trouble::Denied {
            action: ACTION.to_owned(),
            message,
        }),
        StatusCode::InternalError => Some(Trouble::Refused(format!("{ACTION}: {message}"))),
        // Some of it comes on a later page.
        _ => None,
    }
}

/// The answer names its question so: a small letter first.
fn id(number: usize, figure: usize) -> String {
    format!("m{number}_{figure}")
}

fn query(ran: &Ran<'_>, (of, name, statistic): Figure, seconds: i32, id: &str) -> Option<MetricDataQuery> {
    let (namespace, dimension, value) = match of {
        Of::Stream => ("AWS/Kinesis", "StreamName", ran.stream.name()),
        Of::Function => ("AWS/Lambda", "FunctionName", ran.function.name()),
        Of::Handler => ("k2m", "FunctionName", ran.function.name()),
        Of::Mapping => ("AWS/Lambda", "EventSourceMappingUUID", ran.mapping?.uuid.as_str()),
    };
    let metric = Metric::builder()
        .namespace(namespace)
        .metric_name(name)
        .dimensions(Dimension::builder().name(dimension).value(value).build())
        .build();
    let statistic = MetricStat::builder()
        .metric(metric)
        .period(seconds)
        .stat(statistic)
        .build();
    Some(MetricDataQuery::builder().id(id).metric_stat(statistic).build())
}

/// What the figures of [`OF_READING`] tell together, minute by minute.
fn counted(series: &[Series]) -> BTreeMap<i64, Minute> {
    let mut counted: BTreeMap<i64, Minute> = BTreeMap::new();
    for (figure, series) in series.iter().enumerate() {
        for (at, value) in series {
            let minute = counted.entry(*at).or_default();
            let value = whole(*value);
            match figure {
                0 => minute.invocations = value,
                1 | 2 => minute.failures += value,
                3 => {
                    minute.failures += value;
                    minute.told = true;
                }
                4 | 5 => minute.behind_ms = minute.behind_ms.max(value),
                _ => minute.incoming = value,
            }
        }
    }
    counted
}

/// What the figures of [`OF_FLOW`] tell together, minute by minute.
fn flown(series: &[Series]) -> BTreeMap<i64, FlowMinute> {
    let mut flown: BTreeMap<i64, FlowMinute> = BTreeMap::new();
    for (figure, series) in series.iter().enumerate() {
        for (at, value) in series {
            let minute = flown.entry(*at).or_default();
            match figure {
                0 => minute.incoming = whole(*value),
                _ => minute.youngest_ms = Some(whole(*value)),
            }
        }
    }
    flown
}

/// The figures by their places in [`FIGURES`].
fn told(minutes: u32, each: &[Series]) -> Metrics {
    let none = Series::new();
    let series = |figure: usize| each.get(figure).unwrap_or(&none);
    let sum = |figure| {
        let series = series(figure);
        (!series.is_empty()).then(|| whole(series.values().sum()))
    };
    let most = |figure| series(figure).values().copied().map(whole).max();
    let ages = series(0).iter().filter_map(|(at, value)| {
        Some(Point {
            at: Timestamp::from_second(*at).ok()?.to_string(),
            value: whole(*value),
        })
    });
    Metrics {
        minutes,
        iterator_age_ms: ages.collect(),
        incoming_records: sum(1),
        throttled_reads: sum(2),
        invocations: sum(3),
        errors: sum(4),
        throttles: sum(5),
        longest_ms: most(6),
        most_at_once: most(7),
        polled: sum(8),
        filtered_out: sum(9),
        dropped: sum(10),
        given_up: sum(11),
        acknowledged: sum(12),
        dead_lettered: sum(13),
        undelivered: sum(14),
    }
}

/// CloudWatch gives counts and milliseconds as floating-point numbers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and none of these figures is negative"
)]
pub(in crate::aws) fn whole(value: f64) -> u64 {
    value.round() as u64
}

//! What comes into a stream, as CloudWatch has it: the busiest time of some days.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use jiff::Timestamp;

use super::answer::{Answer, trouble};
use super::history::metrics::whole;
use crate::plan::size::Load;

/// A week has each weekday, and figures of five minutes are kept for longer.
const DAYS: u32 = 7;
const PERIOD: u32 = 300;
/// The figures' names, each with the id of its question.
const FIGURES: [(&str, &str); 2] = [("records", "IncomingRecords"), ("bytes", "IncomingBytes")];

/// The most of each figure. A stream into which nothing came has none: that is nothing.
pub(super) async fn busiest(client: &Client, stream: &str, now: Timestamp) -> Answer<Load> {
    let queries = FIGURES.map(|(id, name)| {
        let dimension = Dimension::builder().name("StreamName").value(stream).build();
        let metric = Metric::builder()
            .namespace("AWS/Kinesis")
            .metric_name(name)
            .dimensions(dimension);
        let statistic = MetricStat::builder()
            .metric(metric.build())
            .period(i32::try_from(PERIOD).unwrap_or(i32::MAX))
            .stat("Sum");
        MetricDataQuery::builder().id(id).metric_stat(statistic.build()).build()
    });
    let end = now.as_second();
    let start = (now - Duration::from_secs(u64::from(DAYS) * 24 * 60 * 60)).as_second();
    let mut pages = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries.into()))
        .start_time(DateTime::from_secs(start - start.rem_euclid(i64::from(PERIOD))))
        .end_time(DateTime::from_secs(end))
        .into_paginator()
        .send();
    let mut most: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| trouble(&error, "cloudwatch:GetMetricData", &[]))?;
        for result in page.metric_data_results.unwrap_or_default() {
            let page_most = result.values().iter().copied().map(whole).max().unwrap_or_default();
            let known = most.entry(result.id.unwrap_or_default()).or_default();
            *known = page_most.max(*known);
        }
    }
    let of = |id: &str| most.get(id).copied().unwrap_or_default();
    Ok(Load {
        days: DAYS,
        seconds: PERIOD,
        records: of("records"),
        bytes: of("bytes"),
    })
}

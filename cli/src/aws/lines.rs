//! The lines of log groups, a page at a time.

use super::Aws;
use super::pace::{LOGS, Paced};
use super::stacks::sorted;
use crate::deploy::port::Doing;
use crate::logs::port::{Event, Groups, Page, Question};

/// CloudWatch Logs in one region.
#[derive(Debug)]
pub struct LogGroups {
    pub(super) client: aws_sdk_cloudwatchlogs::Client,
    paced: Paced,
}

impl LogGroups {
    pub(super) const fn new(client: aws_sdk_cloudwatchlogs::Client) -> Self {
        Self {
            client,
            paced: Paced::new(LOGS),
        }
    }
}

impl Aws {
    /// The log groups of a region.
    pub fn log_groups(&self, region: &str) -> LogGroups {
        LogGroups::new(aws_sdk_cloudwatchlogs::Client::new(&self.in_region(region)))
    }
}

impl Groups for LogGroups {
    fn page<'a>(&'a self, question: Question<'a>) -> Doing<'a, Page> {
        Box::pin(async move {
            let call = self
                .client
                .filter_log_events()
                .log_group_name(question.group)
                .set_filter_pattern(question.pattern.map(str::to_owned))
                .start_time(question.since)
                .set_end_time(question.until)
                .set_next_token(question.token.map(str::to_owned));
            let answer = self.paced.one(call.send()).await;
            let found =
                answer.map_err(|error| sorted(&error, "logs:FilterLogEvents", &["ResourceNotFoundException"]))?;
            let events = found.events.unwrap_or_default().into_iter().map(|event| {
                let at = event.timestamp.unwrap_or_default();
                Event {
                    id: event.event_id.unwrap_or_default(),
                    at,
                    ingested: event.ingestion_time.unwrap_or(at),
                    message: event.message.unwrap_or_default(),
                }
            });
            Ok(Page {
                events: events.collect(),
                next: found.next_token.filter(|token| !token.is_empty()),
            })
        })
    }
}

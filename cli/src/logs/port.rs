//! What is asked of CloudWatch Logs.

use crate::deploy::port::Doing;

/// A line of a log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What tells it from all others of its group.
    pub id: String,
    /// When it was written, by who wrote it, in milliseconds since 1970.
    pub at: i64,
    /// When CloudWatch got it, likewise.
    pub ingested: i64,
    /// The line, as it was written.
    pub message: String,
}

/// Which lines of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The group's name.
    pub group: &'a str,
    /// From this time on, in milliseconds since 1970.
    pub since: i64,
    /// To this time; to the end where none is given.
    pub until: Option<i64>,
    /// A filter pattern of CloudWatch's; all lines where none is given.
    pub pattern: Option<&'a str>,
    /// Where the page before said that it goes on.
    pub token: Option<&'a str>,
}

/// Lines in the order of their time. A page may be empty and not be the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The lines.
    pub events: Vec<Event>,
    /// Where it goes on; absent on the last page.
    pub next: Option<String>,
}

/// Log groups of a region.
pub trait Groups {
    /// One page of lines.
    fn page<'a>(&'a self, question: Question<'a>) -> Doing<'a, Page>;
}

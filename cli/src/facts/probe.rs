//! What the deployed function says of its own way to the brokers.

use k2m_handler::probe::report::Report;
use serde::{Deserialize, Serialize};

/// What came of asking the function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// Its report.
    Answered(Box<Report>),
    /// The function failed instead.
    Failed {
        /// The error's type, such as `K2m.Configuration`.
        kind: String,
        /// The error's message.
        message: String,
    },
}

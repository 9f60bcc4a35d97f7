//! Every check, declared: its code, what should be so, and what it explains.

use super::{Case, Outcome, authentication, destination, drift, function, network, probe, source, topic};

/// A check, declared.
#[derive(Debug)]
pub(super) struct Check {
    /// `K2M-` and the part of the way (N network, A authentication, T topic, E source, L function, P probe, D destination) with a number: never given to
    /// another check.
    pub(super) code: &'static str,
    /// What should be so.
    pub(super) title: &'static str,
    /// What it means, how it shows, how to confirm it by hand and how to mend it, in Markdown.
    pub(super) page: &'static str,
    /// What users and logs say when it fails; empty where they say nothing of their own.
    pub(super) seen_as: &'static str,
    /// Checks that fail because of what makes one of these fail.
    pub(super) after: &'static [&'static str],
    pub(super) judge: fn(&Case<'_>) -> Outcome,
}

/// What kafka-python and what Lambda say when the brokers can't be spoken to.
const NO_METADATA: &str = "`Failed to update metadata after 60.0 secs` (kafka-python), `Local: Broker transport failure` (librdkafka), \
                           or `Task timed out` where the function's time is shorter";

/// Every check, in the order of the way: what is deployed, the stream, the mapping, the function, the brokers, the topic, the delivery.
pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "K2M-L01",
        title: "the stack is deployed",
        page: include_str!("../../../docs/checks/K2M-L01.md"),
        seen_as: "",
        after: &[],
        judge: function::deployed,
    },
    Check {
        code: "K2M-E01",
        title: "the stream can be read",
        page: include_str!("../../../docs/checks/K2M-E01.md"),
        seen_as: "",
        after: &[],
        judge: source::stream,
    },
    Check {
        code: "K2M-E02",
        title: "the event source mapping reads the stream",
        page: include_str!("../../../docs/checks/K2M-E02.md"),
        seen_as: "the iterator age grows and nothing is invoked",
        after: &["K2M-L01", "K2M-E01"],
        judge: source::mapping,
    },
    Check {
        code: "K2M-E03",
        title: "the mapping understands partial failures",
        page: include_str!("../../../docs/checks/K2M-E03.md"),
        seen_as: "records are missing in the topic though every invocation succeeded",
        after: &["K2M-L01"],
        judge: source::partial_failures,
    },
    Check {
        code: "K2M-E04",
        title: "the batch size suits the function",
        page: include_str!("../../../docs/checks/K2M-E04.md"),
        seen_as: "",
        after: &[],
        judge: source::batch_size,
    },
    Check {
        code: "K2M-L02",
        title: "the function is ready",
        page: include_str!("../../../docs/checks/K2M-L02.md"),
        seen_as: "",
        after: &["K2M-L01"],
        judge: function::ready,
    },
    Check {
        code: "K2M-N01",
        title: "the cluster takes connections",
        page: include_str!("../../../docs/checks/K2M-N01.md"),
        seen_as: NO_METADATA,
        after: &[],
        judge: network::cluster,
    },
    Check {
        code: "K2M-A01",
        title: "the cluster has the function's authentication switched on",
        page: include_str!("../../../docs/checks/K2M-A01.md"),
        seen_as: NO_METADATA,
        after: &["K2M-N01"],
        judge: authentication::switched_on,
    },
    Check {
        code: "K2M-A02",
        title: "the function speaks to the cluster's brokers, on the port of its authentication",
        page: include_str!("../../../docs/checks/K2M-A02.md"),
        seen_as: NO_METADATA,
        after: &["K2M-N01", "K2M-A01"],
        judge: authentication::brokers,
    },
    Check {
        code: "K2M-N02",
        title: "the function's subnets reach each broker, and answers come back",
        page: include_str!("../../../docs/checks/K2M-N02.md"),
        seen_as: NO_METADATA,
        after: &["K2M-N01", "K2M-A01", "K2M-A02"],
        judge: network::reach,
    },
    Check {
        code: "K2M-T01",
        title: "the topic exists",
        page: include_str!("../../../docs/checks/K2M-T01.md"),
        seen_as: "`Failed to update metadata after 60.0 secs` (kafka-python), `Broker: Unknown topic or partition` (librdkafka)",
        after: &["K2M-N01"],
        judge: topic::exists,
    },
    Check {
        code: "K2M-T02",
        title: "the function writes to the topics of the settings",
        page: include_str!("../../../docs/checks/K2M-T02.md"),
        seen_as: "",
        after: &[],
        judge: topic::same,
    },
    Check {
        code: "K2M-T03",
        title: "the dead-letter topic takes what the topic can't",
        page: include_str!("../../../docs/checks/K2M-T03.md"),
        seen_as: "a record that should be diverted is retried again and again",
        after: &["K2M-N01"],
        judge: topic::dead_letter,
    },
    Check {
        code: "K2M-L03",
        title: "the function's time-out leaves time to deliver",
        page: include_str!("../../../docs/checks/K2M-L03.md"),
        seen_as: "`Task timed out after N seconds`, whatever the cause",
        after: &[],
        judge: function::time_out,
    },
    Check {
        code: "K2M-L04",
        title: "the function's memory suits the batch size",
        page: include_str!("../../../docs/checks/K2M-L04.md"),
        seen_as: "",
        after: &[],
        judge: function::memory,
    },
    Check {
        code: "K2M-P01",
        title: "the function itself reaches the brokers",
        page: include_str!("../../../docs/checks/K2M-P01.md"),
        seen_as: NO_METADATA,
        after: &["K2M-L02", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T02"],
        judge: probe::way,
    },
    Check {
        code: "K2M-P02",
        title: "the brokers let the function in",
        page: include_str!("../../../docs/checks/K2M-P02.md"),
        seen_as: "`Local: Authentication failure` (librdkafka), or `Task timed out` where the function's time is short",
        after: &["K2M-N01", "K2M-A01", "K2M-A02", "K2M-P01"],
        judge: probe::identity,
    },
    Check {
        code: "K2M-P03",
        title: "the function finds its topics and may write to them",
        page: include_str!("../../../docs/checks/K2M-P03.md"),
        seen_as: "`Broker: Topic authorization failed`, `Broker: Cluster authorization failed`, `Broker: Unknown topic or partition` (librdkafka)",
        after: &["K2M-A01", "K2M-A02", "K2M-T01", "K2M-T03", "K2M-P01", "K2M-P02"],
        judge: probe::rights,
    },
    Check {
        code: "K2M-E05",
        title: "the last batch was delivered",
        page: include_str!("../../../docs/checks/K2M-E05.md"),
        seen_as: "`PROBLEM: Function call failed` at the mapping",
        after: &[
            "K2M-E01", "K2M-L02", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T01", "K2M-T03", "K2M-L03",
            "K2M-P01", "K2M-P02", "K2M-P03",
        ],
        judge: source::last_result,
    },
    Check {
        code: "K2M-D01",
        title: "what is given up is kept",
        page: include_str!("../../../docs/checks/K2M-D01.md"),
        seen_as: "",
        after: &[],
        judge: destination::present,
    },
    Check {
        code: "K2M-L05",
        title: "nothing was changed outside the stack",
        page: include_str!("../../../docs/checks/K2M-L05.md"),
        seen_as: "",
        after: &[],
        judge: drift::none,
    },
];

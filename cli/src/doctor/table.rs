//! Every check, declared: its code, what should be so, and what it explains.

use super::{
    Case, Outcome, acls, artifact, authentication, backlog, certificate, creation, destination, drift, function, load,
    log, manager, names, network, probe, reading, regions, replicas, rights, rules, secret, size, source, subnets,
    topic, waiting,
};

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
    /// Checks that fail because of what makes one of these fail; but see [`apart`].
    pub(super) after: &'static [&'static str],
    pub(super) judge: fn(&Case<'_>) -> Outcome,
}

/// What kafka-python and what Lambda say when the brokers can't be spoken to.
const NO_METADATA: &str = "`Failed to update metadata after 60.0 secs` (kafka-python), `Local: Broker transport failure` (librdkafka), \
                           or `Task timed out` where the function's time is shorter";

/// Checks that see only what came of something: what they warn of is said by what fails or warns before them, where anything does.
pub(super) const SYMPTOMS: [&str; 4] = ["K2M-E06", "K2M-L06", "K2M-L09", "K2M-L11"];

/// Checks that see what the function says of the brokers.
pub(super) const FUNCTION_SAYS: [&str; 3] = ["K2M-P01", "K2M-P02", "K2M-P03"];

/// Checks whose fixes open something to the function's security groups.
pub(super) const OPENS: [&str; 2] = ["K2M-N02", "K2M-N07"];

/// What a check of this code, which fails, does not follow from though it may: the facts say that it has a cause of its own.
pub(super) fn apart(code: &str, case: &Case<'_>) -> &'static [&'static str] {
    let (follows, may): (bool, &'static [&'static str]) = match code {
        "K2M-L02" => (function::lacks_rights(case), &["K2M-A04"]),
        "K2M-N02" => (network::by_port(case), &["K2M-A01", "K2M-A02"]),
        "K2M-P01" => (probe::timed_out(case), &["K2M-L03"]),
        _ => return &[],
    };
    if follows { &[] } else { may }
}

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
        code: "K2M-A04",
        title: "the function's role may do all else that the pipeline needs",
        page: include_str!("../../../docs/checks/K2M-A04.md"),
        seen_as: "`PROBLEM: …` at the mapping, `Failed` at the function, or nothing where records are given up",
        after: &["K2M-L01"],
        judge: rights::outside_kafka,
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
        code: "K2M-N05",
        title: "the function's subnets have room, and are in two zones",
        page: include_str!("../../../docs/checks/K2M-N05.md"),
        seen_as: "the function stays `Pending` or becomes `Failed`; under load, invocations fail with `EC2ThrottledException` or `SubnetIPAddressLimitReachedException`",
        after: &["K2M-L01"],
        judge: subnets::room,
    },
    Check {
        code: "K2M-E07",
        title: "what can't be delivered is given up in time, and nothing else is",
        page: include_str!("../../../docs/checks/K2M-E07.md"),
        seen_as: "one shard stands still while the others go on, or records are given up while a broker restarts",
        after: &["K2M-L01"],
        judge: reading::gives_up,
    },
    Check {
        code: "K2M-E08",
        title: "the filters let records through",
        page: include_str!("../../../docs/checks/K2M-E08.md"),
        seen_as: "records are read, and nothing is invoked",
        after: &["K2M-L01"],
        judge: reading::filters,
    },
    Check {
        code: "K2M-E10",
        title: "what is in the stream is read from where it should be",
        page: include_str!("../../../docs/checks/K2M-E10.md"),
        seen_as: "what was put before the deployment never arrives",
        after: &["K2M-L01"],
        judge: reading::position,
    },
    Check {
        code: "K2M-L02",
        title: "the function is ready",
        page: include_str!("../../../docs/checks/K2M-L02.md"),
        seen_as: "",
        after: &["K2M-L01", "K2M-A04", "K2M-N05"],
        judge: function::ready,
    },
    Check {
        code: "K2M-L08",
        title: "the function can run its binary",
        page: include_str!("../../../docs/checks/K2M-L08.md"),
        seen_as: "`Runtime.InvalidEntrypoint`, `exec format error`",
        after: &["K2M-L01", "K2M-L02"],
        judge: artifact::runs,
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
        code: "K2M-N08",
        title: "stream, function and cluster are in the regions and accounts that they are taken to be in",
        page: include_str!("../../../docs/checks/K2M-N08.md"),
        seen_as: NO_METADATA,
        after: &["K2M-L01"],
        judge: regions::agree,
    },
    Check {
        code: "K2M-A05",
        title: "the function's secret can be read, and MSK takes users from it",
        page: include_str!("../../../docs/checks/K2M-A05.md"),
        seen_as: "`Local: Authentication failure` (librdkafka)",
        after: &["K2M-N01"],
        judge: secret::usable,
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
        after: &["K2M-N01", "K2M-A01", "K2M-N08"],
        judge: authentication::brokers,
    },
    Check {
        code: "K2M-N06",
        title: "the brokers' names are resolved where the function is",
        page: include_str!("../../../docs/checks/K2M-N06.md"),
        seen_as: "`Failed to resolve 'HOST:PORT'`, `Local: Host resolution failure` (librdkafka)",
        after: &["K2M-N01"],
        judge: names::resolved,
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
        code: "K2M-N03",
        title: "no rule is for ports that no broker has",
        page: include_str!("../../../docs/checks/K2M-N03.md"),
        seen_as: "",
        after: &[],
        judge: rules::ports,
    },
    Check {
        code: "K2M-N04",
        title: "rules name groups that are there",
        page: include_str!("../../../docs/checks/K2M-N04.md"),
        seen_as: "",
        after: &[],
        judge: rules::references,
    },
    Check {
        code: "K2M-N07",
        title: "the function's secrets are reached from its subnets",
        page: include_str!("../../../docs/checks/K2M-N07.md"),
        seen_as: "`Secrets Manager can't be reached` in the function's log, or `Task timed out`",
        after: &["K2M-N06", "K2M-L01"],
        judge: manager::reached,
    },
    Check {
        code: "K2M-A03",
        title: "the function's role may do in Kafka what the function does there",
        page: include_str!("../../../docs/checks/K2M-A03.md"),
        seen_as: "`[...]: Access denied` (librdkafka), `Broker: Topic authorization failed`, `Broker: Cluster authorization failed`",
        after: &["K2M-N01", "K2M-A01"],
        judge: rights::in_cluster,
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
        code: "K2M-T04",
        title: "no topic is left to be made by its first record",
        page: include_str!("../../../docs/checks/K2M-T04.md"),
        seen_as: "",
        after: &[],
        judge: creation::chosen,
    },
    Check {
        code: "K2M-T05",
        title: "the topics keep records safely, and can be written while a broker restarts",
        page: include_str!("../../../docs/checks/K2M-T05.md"),
        seen_as: "`Broker: Not enough in-sync replicas` (librdkafka)",
        after: &["K2M-N01"],
        judge: replicas::safe,
    },
    Check {
        code: "K2M-T06",
        title: "the topic takes the stream's largest record",
        page: include_str!("../../../docs/checks/K2M-T06.md"),
        seen_as: "`Broker: Message size too large` (librdkafka)",
        after: &[],
        judge: size::fits,
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
        code: "K2M-A06",
        title: "the brokers' certificates are valid for long enough",
        page: include_str!("../../../docs/checks/K2M-A06.md"),
        seen_as: "`broker certificate could not be verified`, `SSL handshake failed` (librdkafka)",
        after: &[],
        judge: certificate::valid,
    },
    Check {
        code: "K2M-L07",
        title: "Lambda has room for the function",
        page: include_str!("../../../docs/checks/K2M-L07.md"),
        seen_as: "`Rate exceeded`, `TooManyRequestsException`; the iterator age grows and little is invoked",
        after: &["K2M-L01"],
        judge: load::room,
    },
    Check {
        code: "K2M-P01",
        title: "the function itself reaches the brokers",
        page: include_str!("../../../docs/checks/K2M-P01.md"),
        seen_as: NO_METADATA,
        after: &[
            "K2M-L02", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T02", "K2M-N05", "K2M-N06", "K2M-N08",
            "K2M-A06", "K2M-L08", "K2M-L07", "K2M-L03",
        ],
        judge: probe::way,
    },
    Check {
        code: "K2M-P02",
        title: "the brokers let the function in",
        page: include_str!("../../../docs/checks/K2M-P02.md"),
        seen_as: "`Local: Authentication failure` (librdkafka), or `Task timed out` where the function's time is short",
        after: &[
            "K2M-N01", "K2M-A01", "K2M-A02", "K2M-P01", "K2M-N07", "K2M-N08", "K2M-A03", "K2M-A04", "K2M-A05",
            "K2M-A06",
        ],
        judge: probe::identity,
    },
    Check {
        code: "K2M-A07",
        title: "Kafka's own rules let the function do what it does",
        page: include_str!("../../../docs/checks/K2M-A07.md"),
        seen_as: "`Broker: Topic authorization failed`, `Broker: Cluster authorization failed` (librdkafka)",
        after: &["K2M-A01", "K2M-A02"],
        judge: acls::allowed,
    },
    Check {
        code: "K2M-P03",
        title: "the function finds its topics and may write to them",
        page: include_str!("../../../docs/checks/K2M-P03.md"),
        seen_as: "`Broker: Topic authorization failed`, `Broker: Cluster authorization failed`, `Broker: Unknown topic or partition` (librdkafka)",
        after: &[
            "K2M-A01", "K2M-A02", "K2M-T01", "K2M-T03", "K2M-P01", "K2M-P02", "K2M-T05", "K2M-A03", "K2M-A07",
            "K2M-T02",
        ],
        judge: probe::rights,
    },
    Check {
        code: "K2M-L10",
        title: "the handler is as new as this k2m",
        page: include_str!("../../../docs/checks/K2M-L10.md"),
        seen_as: "",
        after: &["K2M-L01"],
        judge: artifact::as_new,
    },
    Check {
        code: "K2M-L06",
        title: "an invocation ends before its time is over",
        page: include_str!("../../../docs/checks/K2M-L06.md"),
        seen_as: "`Task timed out after N seconds`",
        after: &[
            "K2M-A03", "K2M-A04", "K2M-A05", "K2M-A07", "K2M-N06", "K2M-N07", "K2M-N08", "K2M-T05", "K2M-T06",
            "K2M-L02", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T01", "K2M-T03", "K2M-L03", "K2M-P01",
            "K2M-P02", "K2M-P03", "K2M-A06", "K2M-N05",
        ],
        judge: load::in_time,
    },
    Check {
        code: "K2M-E05",
        title: "the last batch was delivered",
        page: include_str!("../../../docs/checks/K2M-E05.md"),
        seen_as: "`PROBLEM: Function call failed` at the mapping",
        after: &[
            "K2M-E01", "K2M-L02", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T01", "K2M-T03", "K2M-L03",
            "K2M-P01", "K2M-P02", "K2M-P03", "K2M-A04", "K2M-N05", "K2M-N06", "K2M-N07", "K2M-N08", "K2M-A03",
            "K2M-A05", "K2M-A06", "K2M-A07", "K2M-T05", "K2M-T06", "K2M-L08", "K2M-L07", "K2M-L06", "K2M-T02",
        ],
        judge: source::last_result,
    },
    Check {
        code: "K2M-L11",
        title: "invocations end well",
        page: include_str!("../../../docs/checks/K2M-L11.md"),
        seen_as: "",
        after: &[
            "K2M-A03", "K2M-A04", "K2M-A05", "K2M-A07", "K2M-N06", "K2M-N07", "K2M-N08", "K2M-T05", "K2M-T06",
            "K2M-E01", "K2M-L02", "K2M-L08", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T01", "K2M-T03",
            "K2M-L03", "K2M-L07", "K2M-P01", "K2M-P02", "K2M-P03", "K2M-L06", "K2M-E05", "K2M-A06", "K2M-N05",
            "K2M-T02",
        ],
        judge: load::succeeds,
    },
    Check {
        code: "K2M-E09",
        title: "reads of the stream are answered",
        page: include_str!("../../../docs/checks/K2M-E09.md"),
        seen_as: "`ProvisionedThroughputExceededException`",
        after: &[],
        judge: backlog::throttled,
    },
    Check {
        code: "K2M-E06",
        title: "the stream is read as fast as it is written",
        page: include_str!("../../../docs/checks/K2M-E06.md"),
        seen_as: "the iterator age grows",
        after: &[
            "K2M-A03", "K2M-A04", "K2M-A05", "K2M-A07", "K2M-N06", "K2M-N07", "K2M-N08", "K2M-T05", "K2M-T06",
            "K2M-E01", "K2M-E02", "K2M-E07", "K2M-E08", "K2M-L02", "K2M-L08", "K2M-N01", "K2M-A01", "K2M-A02",
            "K2M-N02", "K2M-T01", "K2M-T03", "K2M-L03", "K2M-L07", "K2M-P01", "K2M-P02", "K2M-P03", "K2M-L06",
            "K2M-E05", "K2M-L11", "K2M-E09", "K2M-A06", "K2M-N05", "K2M-T02",
        ],
        judge: backlog::keeps_up,
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
        code: "K2M-D02",
        title: "nothing was given up that somebody has to look at",
        page: include_str!("../../../docs/checks/K2M-D02.md"),
        seen_as: "messages in the failure queue",
        after: &[
            "K2M-A03", "K2M-A04", "K2M-A05", "K2M-A07", "K2M-N06", "K2M-N07", "K2M-N08", "K2M-T05", "K2M-T06",
            "K2M-E01", "K2M-L02", "K2M-L08", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T01", "K2M-T03",
            "K2M-L03", "K2M-L07", "K2M-P01", "K2M-P02", "K2M-P03", "K2M-L06", "K2M-E05", "K2M-L11", "K2M-E06",
            "K2M-D01", "K2M-A06", "K2M-N05", "K2M-T02",
        ],
        judge: waiting::nothing,
    },
    Check {
        code: "K2M-L05",
        title: "nothing was changed outside the stack",
        page: include_str!("../../../docs/checks/K2M-L05.md"),
        seen_as: "",
        after: &[],
        judge: drift::none,
    },
    Check {
        code: "K2M-L09",
        title: "the log says nothing that means trouble",
        page: include_str!("../../../docs/checks/K2M-L09.md"),
        seen_as: "",
        after: &[
            "K2M-A03", "K2M-A04", "K2M-A05", "K2M-A06", "K2M-A07", "K2M-N05", "K2M-N06", "K2M-N07", "K2M-N08",
            "K2M-T05", "K2M-T06", "K2M-E02", "K2M-L02", "K2M-L08", "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02",
            "K2M-T01", "K2M-T02", "K2M-T03", "K2M-L03", "K2M-L04", "K2M-L07", "K2M-P01", "K2M-P02", "K2M-P03",
            "K2M-L10", "K2M-L06", "K2M-E05", "K2M-E09", "K2M-D02", "K2M-L05",
        ],
        judge: log::quiet,
    },
];

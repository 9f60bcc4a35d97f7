//! The probe's report for people: a short tree, what failed last. Pure.

use std::fmt::{self, Display};

use k2m_handler::probe::report::{
    Broker, Canary, Failure, Millis, Partition, Purpose, Report, Right, Step, Tls, Topic, TopicRights,
};
use serde::Serialize;

/// A report, and whom it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The report.
    #[serde(flatten)]
    pub report: Report,
    /// The brokers to begin with.
    #[serde(skip)]
    pub bootstrap_servers: String,
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.report;
        writeln!(
            f,
            "probe of {} with {}, {}",
            self.bootstrap_servers, report.authentication, report.milliseconds
        )?;
        for broker in &report.brokers {
            writeln!(f)?;
            self::broker(f, broker)?;
        }
        if let Some(cluster) = &report.cluster {
            let id = cluster.id.as_deref().unwrap_or("without an id");
            let brokers = count(cluster.brokers, "broker");
            let left_out = match cluster.left_out {
                0 => String::new(),
                left_out => format!(" ({left_out} of them not tried)"),
            };
            writeln!(f, "\ncluster {id}")?;
            line(
                f,
                "pass",
                "metadata",
                Some(cluster.milliseconds),
                &format!("{brokers}{left_out}, asked of {}", cluster.asked),
            )?;
            right(f, "idempotent write", &report.rights.idempotent_write)?;
        }
        if let Some(created) = &report.created {
            let (word, text) = match created.created {
                true => ("pass", "it was created now"),
                false if failed(report, Step::CreateTopic, None).is_some() => ("FAIL", "it could not be created"),
                false => ("pass", "it was there before"),
            };
            line(f, word, "create topic", Some(created.milliseconds), text)?;
        }
        for topic in &report.topics {
            self::topic(f, topic, report)?;
        }
        if let Some(canary) = &report.canary {
            self::canary(f, canary, report)?;
        }
        for (number, failure) in report.failures.iter().enumerate() {
            self::failure(f, if number == 0 { "Broken" } else { "Also broken" }, failure)?;
        }
        if report.ok {
            writeln!(f, "\nHealthy.")?;
        }
        Ok(())
    }
}

/// A step's line: its word, its name, its time, and what was seen.
fn line(f: &mut fmt::Formatter<'_>, word: &str, name: &str, time: Option<Millis>, seen: &str) -> fmt::Result {
    let time = time.map(|time| time.to_string()).unwrap_or_default();
    let text = format!("  {word}  {name:<16} {time:>11}  {seen}");
    writeln!(f, "{}", text.trim_end())
}

fn word(ok: bool) -> &'static str {
    if ok { "pass" } else { "FAIL" }
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn broker(f: &mut fmt::Formatter<'_>, broker: &Broker) -> fmt::Result {
    let id = broker.id.map(|id| format!(", broker {id}")).unwrap_or_default();
    let named = if broker.bootstrap { "" } else { ", named by the cluster" };
    writeln!(f, "{}{id}{named}", broker.address)?;
    if let Some(dns) = &broker.dns {
        line(
            f,
            word(dns.ok),
            "DNS",
            Some(dns.milliseconds),
            &broker.addresses.join(", "),
        )?;
    }
    let reached = broker.tcp.iter().any(|tcp| tcp.ok);
    for tcp in &broker.tcp {
        // One address that answers is enough.
        let word = match (tcp.ok, reached) {
            (true, _) => "pass",
            (false, true) => "skip",
            (false, false) => "FAIL",
        };
        line(f, word, "TCP", Some(tcp.milliseconds), &tcp.address)?;
    }
    if let Some(tls) = &broker.tls {
        line(f, word(tls.ok), "TLS", Some(tls.milliseconds), &encryption(tls))?;
    }
    if let Some(versions) = &broker.api_versions {
        line(f, word(versions.ok), "API versions", Some(versions.milliseconds), "")?;
    }
    if let Some(sasl) = &broker.sasl {
        line(f, word(sasl.ok), "SASL", Some(sasl.milliseconds), &sasl.mechanism)?;
    }
    Ok(())
}

fn encryption(tls: &Tls) -> String {
    let certificate = tls.certificate.as_ref().map(|certificate| {
        format!(
            "{}, signed by {}, good until {}",
            certificate.subject, certificate.issuer, certificate.expires
        )
    });
    let parts = [tls.protocol.clone(), certificate];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn right(f: &mut fmt::Formatter<'_>, name: &str, right: &Right) -> fmt::Result {
    match right {
        Right::Allowed => line(f, "pass", name, None, "allowed"),
        Right::Denied { reason } => line(f, "FAIL", name, None, &format!("denied: {reason}")),
        Right::Unknown { reason } => line(f, "????", name, None, &format!("not known: {reason}")),
    }
}

fn topic(f: &mut fmt::Formatter<'_>, topic: &Topic, report: &Report) -> fmt::Result {
    let what = match topic.purpose {
        Purpose::Pipeline => "",
        Purpose::Chosen => ", chosen by values",
        Purpose::DeadLetter => ", for dead letters",
    };
    writeln!(f, "\ntopic {}{what}", topic.name)?;
    let word = word(failed(report, Step::Topic, Some(&topic.name)).is_none());
    let limit = topic.max_message_bytes;
    let limit = limit
        .map(|bytes| format!(", max.message.bytes {bytes}"))
        .unwrap_or_default();
    let seen = match topic.exists {
        Some(true) => partitions(&topic.partitions) + &limit,
        Some(false) => "it is not there".to_owned(),
        None => "the brokers don't say whether it is there".to_owned(),
    };
    line(f, word, "topic", None, &seen)?;
    let TopicRights {
        describe,
        write,
        describe_configs,
    } = &topic.rights;
    right(f, "describe", describe)?;
    right(f, "write", write)?;
    match describe_configs {
        // Nothing that delivery needs.
        Right::Denied { .. } => line(
            f,
            "skip",
            "describe configs",
            None,
            "denied: only its size limit stays unknown",
        ),
        Right::Unknown { .. } if topic.exists == Some(false) => Ok(()),
        other => right(f, "describe configs", other),
    }
}

fn partitions(partitions: &[Partition]) -> String {
    let leaders: std::collections::BTreeSet<i32> = partitions.iter().filter_map(|it| it.leader).collect();
    let leaders: Vec<String> = leaders.iter().map(i32::to_string).collect();
    let behind = partitions.iter().filter(|it| it.in_sync < it.replicas).count();
    let replicas = match behind {
        0 => "every replica in sync".to_owned(),
        behind => format!("{} with replicas out of sync", count(behind, "partition")),
    };
    format!(
        "{}, led by {}, {replicas}",
        count(partitions.len(), "partition"),
        if leaders.is_empty() {
            "nobody".to_owned()
        } else {
            leaders.join(", ")
        }
    )
}

fn canary(f: &mut fmt::Formatter<'_>, canary: &Canary, report: &Report) -> fmt::Result {
    writeln!(f)?;
    let failed = failed(report, Step::Canary, None).is_some();
    match canary.offset {
        None => line(
            f,
            "FAIL",
            "canary",
            None,
            &format!("partition {} did not take it", canary.partition),
        ),
        Some(offset) => {
            let place = format!("written to partition {}, offset {offset}", canary.partition);
            line(f, "pass", "canary", canary.produce_milliseconds, &place)?;
            match (&canary.read_milliseconds, &canary.not_read) {
                (Some(time), _) => line(f, "pass", "canary", Some(*time), "read back"),
                (None, Some(why)) => line(f, "skip", "canary", None, &format!("not read back: {why}")),
                (None, None) => line(f, word(!failed), "canary", None, "not read back"),
            }
        }
    }
}

/// The failure of a step, of this topic where one is given.
fn failed<'a>(report: &'a Report, step: Step, topic: Option<&str>) -> Option<&'a Failure> {
    let mut failures = report.failures.iter();
    failures.find(|failure| failure.step == step && (topic.is_none() || failure.topic.as_deref() == topic))
}

/// What failed, as doctor tells it.
fn failure(f: &mut fmt::Formatter<'_>, begins: &str, failure: &Failure) -> fmt::Result {
    writeln!(f, "\n{begins}: {} ({})", failure.reason, failure.step.words())?;
    writeln!(f, "  {:<8}  {}", "fix", failure.next)?;
    if !failure.detail.is_empty() {
        writeln!(f, "  {:<8}  {}", "said", failure.detail)?;
    }
    Ok(())
}

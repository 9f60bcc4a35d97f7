//! What a line of a function's log says. Pure.
//!
//! The handler writes JSON, one object a line: those become sentences. Lambda's own lines around an invocation, and the handler's metrics, say again what such a
//! line says already. All else is told as it is.

use std::fmt::Write as _;

use k2m_handler::canary;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::facts::log::seen_in;

/// How bad a line says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For who looks for a bug.
    Debug,
    /// As it should be, or it doesn't say.
    Info,
    /// Something failed, and is tried again or was set aside.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// As it is shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "ERROR",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "DEBUG" | "TRACE" => Some(Self::Debug),
            "INFO" => Some(Self::Info),
            "WARN" | "WARNING" => Some(Self::Warn),
            "ERROR" | "CRITICAL" | "FATAL" => Some(Self::Error),
            _ => None,
        }
    }

    /// Whether it tells of a failure.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Warn | Self::Error)
    }
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// How bad it is.
    pub level: Level,
    /// The line in a sentence, or as it is. It may hold anything that was written into the log.
    pub text: String,
    /// Whether other lines say the same: it is left out unless all are asked for.
    pub is_chatter: bool,
}

/// A pattern of CloudWatch's that leaves out lines of which none tells of a failure: those of the handler that say so themselves, metrics, and the beginnings and
/// ends of invocations. What it lets through is still to be judged by [`read`].
pub const PATTERN_OF_FAILURES: &str =
    r#"-"\"level\":\"INFO\"" -"\"level\":\"DEBUG\"" -"\"CloudWatchMetrics\"" -"START RequestId: " -"END RequestId: ""#;

/// Reads a line.
pub fn read(line: &str) -> Said {
    let line = line.trim_end_matches(['\n', '\r']);
    if let Some(said) = of_the_handler(line) {
        return said;
    }
    let chatter = ["START RequestId: ", "END RequestId: ", "INIT_START "];
    if chatter.iter().any(|begin| line.starts_with(begin)) {
        return Said {
            level: Level::Info,
            text: line.to_owned(),
            is_chatter: true,
        };
    }
    if let Some(report) = line.strip_prefix("REPORT RequestId: ") {
        return reported(line, report);
    }
    let level = if is_bad(line) { Level::Error } else { Level::Info };
    Said {
        level,
        text: line.to_owned(),
        is_chatter: false,
    }
}

/// Whether a line that is not the handler's tells of a failure.
fn is_bad(line: &str) -> bool {
    /// As loggers and runtimes begin, or call, what failed.
    const WORDS: [&str; 6] = [
        "ERROR",
        "FATAL",
        "CRITICAL",
        "Traceback (most recent call last)",
        "panicked at",
        "Exception: ",
    ];
    // Such a line says of itself that nothing is wrong, and is left out by the pattern.
    if line.contains(r#""level":"INFO""#) || line.contains(r#""level":"DEBUG""#) {
        return false;
    }
    let began_badly = line.starts_with("INIT_REPORT ") && line.contains("Status: ");
    began_badly || WORDS.iter().any(|word| line.contains(word)) || seen_in(line).is_some()
}

/// Lambda's account of an invocation.
fn reported(line: &str, report: &str) -> Said {
    let status = report
        .split('\t')
        .find_map(|field| field.trim().strip_prefix("Status: "));
    match status.filter(|status| *status != "success") {
        Some(_) => Said {
            level: Level::Error,
            text: line.to_owned(),
            is_chatter: false,
        },
        None => Said {
            level: Level::Info,
            text: line.to_owned(),
            is_chatter: true,
        },
    }
}

/// A line of the handler's, which has a time, a level and a message; else none.
fn of_the_handler(line: &str) -> Option<Said> {
    if !line.starts_with('{') {
        return None;
    }
    let mut fields: Map<String, Value> = serde_json::from_str(line).ok()?;
    if fields
        .get("_aws")
        .is_some_and(|aws| aws.get("CloudWatchMetrics").is_some())
    {
        return Some(Said {
            level: Level::Info,
            text: line.to_owned(),
            is_chatter: true,
        });
    }
    let Some(Value::String(message)) = fields.remove("message") else {
        return None;
    };
    fields.get("timestamp")?.as_str()?;
    let level = fields.remove("level")?;
    // librdkafka's own lines bring a level of their own, which means less.
    let level = if message == "librdkafka" {
        Level::Debug
    } else {
        Level::parse(level.as_str()?)?
    };
    let fields = Fields(fields);
    let text = match message.as_str() {
        "invocation" => invocation(&fields),
        "probe" => probe(&fields),
        "topic" => topic(&fields),
        canary::MESSAGE => canary(&fields),
        "a record went to the dead-letter topic" => fields.of_shard(&format!(
            "a record went to the dead-letter topic{}: {}",
            fields.after(" ", "topic"),
            fields.text("reason"),
        )),
        "messages went to the dead-letter topic" => format!(
            "{} went to the dead-letter topic{}; the first: {}",
            count(fields.number("messages"), "message"),
            fields.after(" ", "topic"),
            fields.text("reason"),
        ),
        "librdkafka" => format!(
            "librdkafka{}: {}",
            fields.after(" ", "facility"),
            fields.text("librdkafka")
        ),
        other => fields.all(other),
    };
    Some(Said {
        level,
        text,
        is_chatter: false,
    })
}

/// The batch, and what became of it.
fn invocation(fields: &Fields) -> String {
    let [records, messages, acknowledged, dead, failures, resent] = [
        "records",
        "messages",
        "acknowledged",
        "deadLettered",
        "failures",
        "resent",
    ]
    .map(|name| fields.number(name));
    let mut text = if failures == 0 {
        format!("delivered {}", count(acknowledged, "record"))
    } else if acknowledged == 0 {
        format!("delivered none of {}", count(records, "record"))
    } else {
        format!("delivered {acknowledged} of {}", count(records, "record"))
    };
    // Writing to a text never fails.
    if messages != acknowledged && messages > 0 && failures == 0 && dead == 0 {
        let _ = write!(text, " as {}", count(messages, "message"));
    }
    if let Some(took) = fields.0.get("milliseconds").and_then(Value::as_f64) {
        let _ = write!(text, " in {}", lasting(took));
    }
    if dead > 0 {
        let _ = write!(text, "; {} went to the dead-letter topic", count(dead, "record"));
    }
    if resent > 0 {
        let _ = write!(text, "; {} had to be sent again", count(resent, "message"));
    }
    let reason = fields.text("reason");
    if reason.is_empty() {
        return text;
    }
    let waits = fields.text("sequenceNumber");
    if !waits.is_empty() {
        let _ = write!(text, "; {} waits at {waits}", fields.text("shard"));
    }
    let _ = write!(text, ": {reason}");
    let code = fields.text("librdkafka");
    if !code.is_empty() && !reason.contains(&code) {
        let _ = write!(text, " ({code})");
    }
    text
}

fn probe(fields: &Fields) -> String {
    let took = fields.0.get("milliseconds").and_then(Value::as_f64);
    let took = took.map(|took| format!(" in {}", lasting(took))).unwrap_or_default();
    if fields.text("reason").is_empty() {
        return format!("was asked for the probe, and got through{took}");
    }
    format!(
        "was asked for the probe, which ended{took} at {}{}: {}{}",
        fields.text("step"),
        fields.after(" of ", "broker"),
        fields.text("reason"),
        fields.after("; ", "next"),
    )
}

fn topic(fields: &Fields) -> String {
    let head = format!(
        "was asked for the topic {}: {}",
        fields.text("topic"),
        fields.text("outcome")
    );
    let differs = fields.after("; ", "differs");
    if fields.text("reason").is_empty() {
        return head + &differs;
    }
    format!(
        "{head}{}: {}{}",
        fields.after(" at ", "step"),
        fields.text("reason"),
        fields.after("; ", "next")
    )
}

/// The record that a deployment is verified with.
fn canary(fields: &Fields) -> String {
    let at = |name: &str| fields.0.get(name).map(plain);
    let place = match (at("topic"), at("partition"), at("offset")) {
        (Some(topic), Some(partition), Some(offset)) => format!("{topic}[{partition}]@{offset}"),
        (Some(topic), Some(partition), None) => format!("{topic}[{partition}]"),
        _ => "the topic".to_owned(),
    };
    let took = fields.0.get("milliseconds").and_then(Value::as_f64);
    let took = took.map(|took| format!(" after {}", lasting(took))).unwrap_or_default();
    let what = match fields.text("outcome").as_str() {
        "delivered" => format!("was delivered to {place}{took}"),
        "deadLettered" => format!("went to the dead-letter topic, {place}{took}"),
        "refused" => "can never be delivered".to_owned(),
        _ => "could not be delivered".to_owned(),
    };
    fields.of_shard(&format!(
        "the canary {} {what}{}",
        fields.text("canary"),
        fields.after(": ", "reason")
    ))
}

/// What a line has beside its message.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&self, name: &str) -> String {
        self.0.get(name).map(plain).unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.0.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    /// A field behind these words, or nothing at all.
    fn after(&self, words: &str, name: &str) -> String {
        let text = self.text(name);
        if text.is_empty() {
            text
        } else {
            format!("{words}{text}")
        }
    }

    /// The text, and which record it is about.
    fn of_shard(&self, text: &str) -> String {
        let place: Vec<String> = ["shard", "sequenceNumber"]
            .iter()
            .map(|name| self.text(name))
            .filter(|text| !text.is_empty())
            .collect();
        if place.is_empty() {
            text.to_owned()
        } else {
            format!("{text} ({})", place.join(" "))
        }
    }

    /// A line that nothing more is known of: its message, why, and all else that it has.
    fn all(&self, message: &str) -> String {
        let why = ["error", "reason"].iter().find(|name| !self.text(name).is_empty());
        let mut text = message.to_owned();
        if let Some(why) = why {
            let _ = write!(text, ": {}", self.text(why));
        }
        let told = |name: &str| Some(name) == why.copied() || matches!(name, "timestamp" | "requestId");
        let rest = self
            .0
            .iter()
            .filter(|(name, value)| !told(name) && !plain(value).is_empty());
        let rest: Vec<String> = rest.map(|(name, value)| format!("{name} {}", plain(value))).collect();
        if !rest.is_empty() {
            let _ = write!(text, " ({})", rest.join(", "));
        }
        text
    }
}

/// A value as people write it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn count(number: u64, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

/// Milliseconds in words: an invocation takes minutes at the most.
fn lasting(milliseconds: f64) -> String {
    if milliseconds < 999.5 {
        format!("{milliseconds:.0} ms")
    } else {
        format!("{:.1} s", milliseconds / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as the handler, Lambda and others write them.
    const LINES: [&str; 35] = [
        r#"{"timestamp":"2026-01-02T03:04:05.1Z","level":"INFO","requestId":"r","records":500,"messages":500,"controlMessages":0,"acknowledged":500,"deadLettered":0,"failures":0,"resent":0,"bytes":9,"milliseconds":35.12,"decodeMilliseconds":1.0,"deliveryMilliseconds":34.1,"message":"invocation"}"#,
        r#"{"timestamp":"t","level":"INFO","records":1,"messages":1,"acknowledged":1,"failures":0,"milliseconds":0.4,"message":"invocation"}"#,
        r#"{"timestamp":"t","level":"INFO","records":2,"messages":60,"acknowledged":2,"failures":0,"milliseconds":1234.0,"resent":3,"message":"invocation"}"#,
        r#"{"timestamp":"t","level":"INFO","records":5,"messages":5,"acknowledged":4,"deadLettered":1,"failures":0,"milliseconds":80,"message":"invocation"}"#,
        r#"{"timestamp":"t","level":"WARN","records":500,"messages":500,"acknowledged":488,"deadLettered":0,"failures":12,"resent":0,"milliseconds":59000,"shard":"shardId-000000000001","sequenceNumber":"4959","reason":"the topic orders is not in the cluster","librdkafka":"UnknownTopicOrPartition","message":"invocation"}"#,
        r#"{"timestamp":"t","level":"WARN","records":3,"messages":0,"acknowledged":0,"failures":3,"milliseconds":10,"shard":"shardId-000000000000","sequenceNumber":"1","reason":"no way (Timeout)","librdkafka":"Timeout","message":"invocation"}"#,
        r#"{"timestamp":"t","level":"INFO","requestId":"r","ok":true,"milliseconds":350.4,"message":"probe"}"#,
        r#"{"timestamp":"t","level":"WARN","ok":false,"milliseconds":5000,"step":"TCP","broker":"b-1:9098","reason":"no answer","next":"look at the rules","detail":"d","message":"probe"}"#,
        r#"{"timestamp":"t","level":"INFO","topic":"orders","outcome":"created","differs":"","message":"topic"}"#,
        r#"{"timestamp":"t","level":"INFO","topic":"orders","outcome":"exists","differs":"it has 3 partitions, not 6","message":"topic"}"#,
        r#"{"timestamp":"t","level":"WARN","topic":"orders","outcome":"refused","step":"creation","reason":"not allowed","next":"allow it","message":"topic"}"#,
        r#"{"timestamp":"t","level":"INFO","message":"canary","canary":"00ff","outcome":"delivered","topic":"orders","partition":3,"offset":1234,"milliseconds":2100,"shard":"shardId-1","sequenceNumber":"4959"}"#,
        r#"{"timestamp":"t","level":"WARN","message":"canary","canary":"00ff","outcome":"deadLettered","topic":"dead","partition":0,"reason":"too large","shard":"shardId-1","sequenceNumber":"4959"}"#,
        r#"{"timestamp":"t","level":"WARN","message":"canary","canary":"00ff","outcome":"refused","reason":"too old","shard":"shardId-1","sequenceNumber":"4959"}"#,
        r#"{"timestamp":"t","level":"WARN","message":"canary","canary":"00ff","outcome":"failed","reason":"no topic","shard":"shardId-1","sequenceNumber":"4959"}"#,
        r#"{"timestamp":"t","level":"WARN","reason":"too large","sequenceNumber":"4959","shard":"shardId-1","topic":"dead","message":"a record went to the dead-letter topic"}"#,
        r#"{"timestamp":"t","level":"WARN","messages":12,"reason":"not JSON","topic":"dead","message":"messages went to the dead-letter topic"}"#,
        r#"{"timestamp":"t","level":"WARN","error":"timed out","assumed":524288,"message":"the topic's max.message.bytes can't be asked for"}"#,
        r#"{"timestamp":"t","level":"ERROR","error":"K2M_TOPIC is not set","message":"the configuration can't be used"}"#,
        r#"{"timestamp":"t","level":"ERROR","message":"AWS_LAMBDA_RUNTIME_API is not set"}"#,
        r#"{"timestamp":"t","level":"DEBUG","librdkafka":"[thrd:main]: Connection refused","facility":"FAIL","level":"Error","message":"librdkafka"}"#,
        r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[]},"FunctionName":"f","Records":5}"#,
        // Of another hand, though it looks alike.
        r#"{"level":"ERROR","message":"no time"}"#,
        r#"{"timestamp":"t","level":"LOUD","message":"no level"}"#,
        r#"{"timestamp":"t","level":"INFO","message":5}"#,
        "{not JSON",
        "START RequestId: 1 Version: $LATEST",
        "END RequestId: 1",
        "INIT_START Runtime Version: provided:al2023.v1",
        "REPORT RequestId: 1\tDuration: 5 ms\tMemory Size: 256 MB\t",
        "REPORT RequestId: 1\tDuration: 60000 ms\tStatus: timeout",
        "2026-01-02T03:04:05Z 1 Task timed out after 60.00 seconds\n",
        "[ERROR] KafkaTimeoutError: Failed to update metadata after 60.0 secs.",
        "hello",
        "",
    ];

    #[test]
    fn every_line_is_told() {
        let mut told = String::new();
        for line in LINES {
            let said = read(line);
            let chatter = if said.is_chatter { " (chatter)" } else { "" };
            writeln!(told, "{}{chatter}: {}", said.level.word(), said.text).unwrap();
        }
        insta::assert_snapshot!(told);
    }

    #[test]
    fn what_the_pattern_leaves_out_tells_of_no_failure() {
        // As CloudWatch has it: a line goes if it holds one of the quoted texts.
        let words = PATTERN_OF_FAILURES.split(" -").map(|term| {
            let term = term.trim_start_matches('-');
            let term = term.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            term.replace("\\\"", "\"")
        });
        let words: Vec<String> = words.collect();
        assert_eq!(words.len(), 5, "{words:?}");
        assert!(words.contains(&r#""level":"INFO""#.to_owned()), "{words:?}");
        for line in LINES {
            let out = words.iter().any(|word| line.contains(word.as_str()));
            assert!(!(out && read(line).level.is_failure()), "{line}");
        }
    }
}

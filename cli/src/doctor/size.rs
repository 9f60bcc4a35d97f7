//! T: whether the topic takes the stream's largest record.

use k2m_handler::message::{Message, Origin};
use k2m_handler::payload::ValueForm;

use super::topic::{from_a_machine, reached_at, serverless, way};
use super::{Case, NOT_MSK, Outcome};
use crate::facts::{Fact, Probe, Sighting};
use crate::plan::topic::{MAX_RECORD_KIB, SERVERLESS_BYTES, configure_command, limit_of};

/// The topic's setting.
const LIMIT: &str = "max.message.bytes";
/// What brokers and the handler say of a record that is too large.
const TOO_LARGE: [&str; 3] = ["Message size too large", "for its size", "MessageTooLarge"];
/// A record's key, headers and what a batch adds, at the most.
const AROUND_A_RECORD: u64 = 64 * 1024;
/// What a raised limit leaves for them, and for records that are put together.
const ROOM: u64 = 1024 * 1024;

/// Whether it does, as far as anybody says; and whether one was refused.
pub(super) fn fits(case: &Case<'_>) -> Outcome {
    if case.settings.cluster().is_none() {
        return Outcome::skip(NOT_MSK);
    }
    let Fact::Found { value: stream } = &case.seen.stream else {
        return Outcome::skip("the stream could not be seen, see K2M-E01");
    };
    let name = case.pipeline.topic.value.as_str();
    let limit = match limit(case, name) {
        Ok(limit) => limit,
        Err(outcome) => return outcome,
    };
    let record = u64::from(stream.max_record_kib.unwrap_or(MAX_RECORD_KIB)) * 1024;
    let to = match &case.pipeline.dead_letter_topic {
        None => {
            "goes to the failure destination when its retries are used up, and the shard waits until then".to_owned()
        }
        Some(topic) => format!("goes to the dead-letter topic {}", topic.value),
    };
    let sizes = format!("{name} takes messages of up to {limit} bytes ({LIMIT}), the stream records of up to {record}");
    let refused = refused(case).filter(|_| limit < record + AROUND_A_RECORD);
    let mut raised = record + ROOM;
    if serverless(case) {
        raised = raised.min(SERVERLESS_BYTES);
    }
    let raise = || {
        let setting = format!("{LIMIT}={raised}");
        let (command, file) = configure_command(&reached_at(case), way(case), name, &setting);
        let mut fix = vec![from_a_machine("", file), command.to_string()];
        if case.variable("K2M_MAX_MESSAGE_BYTES").is_some() {
            fix.push("then the function is told of it:".to_owned());
            fix.push(case.deploy(&[]));
        }
        fix
    };
    if let Some(sighting) = refused {
        let evidence = vec![
            format!(
                "brokers refused {} (`{}`, last {}): such a record {to}",
                if sighting.count == 1 {
                    "a record for its size".to_owned()
                } else {
                    format!("records for their size, {} times", sighting.count)
                },
                sighting.signature,
                sighting.last
            ),
            sizes,
        ];
        let result = case
            .seen
            .mapping
            .found()
            .and_then(|mapping| mapping.last_result.as_deref());
        let over = result.is_none_or(|result| !result.starts_with("PROBLEM"));
        return if over || case.pipeline.dead_letter_topic.is_some() {
            Outcome::Warn { evidence, fix: raise() }
        } else {
            Outcome::Fail { evidence, fix: raise() }
        };
    }
    if limit < record {
        return Outcome::Warn {
            evidence: vec![format!("{sizes}: a larger record {to}")],
            fix: raise(),
        };
    }
    let told = case
        .variable("K2M_MAX_MESSAGE_BYTES")
        .and_then(|text| text.parse::<u64>().ok());
    match told {
        Some(told) if told < record => Outcome::warn(
            format!(
                "{sizes}; but the function is told {told} (K2M_MAX_MESSAGE_BYTES), as it was when it was deployed: what is larger it gives up without asking"
            ),
            case.deploy(&[]),
        ),
        _ => Outcome::pass(format!("{sizes}{}", short_of_room(case, limit, record))),
    }
}

/// From which size on a record is refused although its own bytes would fit: Kinesis counts data and partition key, Kafka counts headers and the batch around them too. Every
/// topic with Kafka's default limit is so, hence it is no warning.
fn short_of_room(case: &Case<'_>, limit: u64, record: u64) -> String {
    let payload = &case.pipeline.payload;
    if payload.value.value.choice != ValueForm::Bytes {
        return String::new();
    }
    let around = around(case.pipeline.stream.value.name(), payload.headers.value, record);
    if limit >= record + around {
        return String::new();
    }
    let most = limit.saturating_sub(around);
    format!(
        "; a message has headers and a batch around it, up to {around} bytes: a record with over {most} bytes of data and key is refused, unless it is \
         compressed (`compression`)"
    )
}

/// Bytes that Kafka counts beside data and key of the stream's largest record.
fn around(stream: &str, identified: bool, record: u64) -> u64 {
    /// The longest key of Kinesis: its length takes the most bytes.
    const KEY: [u8; 256] = [0; 256];
    /// As long as Kinesis makes them.
    const SHARD: &str = "shardId-000000000000";
    const SEQUENCE: &str = "49590338271490256608559692538361571095921575989136588898";
    let message = Message {
        key: Some(&KEY),
        value: &[],
        timestamp_millis: 0,
        origin: Origin {
            stream,
            shard: SHARD,
            sequence_number: SEQUENCE,
            subsequence: None,
            log: None,
        },
        canary: None,
        identified,
        grounds: None,
    };
    let data = usize::try_from(record).unwrap_or(usize::MAX).saturating_sub(KEY.len());
    let whole = message.batch_bytes(data).saturating_sub(data + KEY.len());
    u64::try_from(whole).unwrap_or(u64::MAX)
}

/// The topic's limit: what MSK says, else what the function saw of it.
fn limit(case: &Case<'_>, name: &str) -> Result<u64, Outcome> {
    let seen = || {
        let Some(Fact::Found {
            value: Probe::Answered(report),
        }) = &case.seen.probe
        else {
            return None;
        };
        report.topics.iter().find(|topic| topic.name == name)?.max_message_bytes
    };
    let Some(Fact::Found { value: topic }) = case.topic(name) else {
        return seen()
            .ok_or_else(|| Outcome::skip(format!("nobody says how large a message {name} takes, see K2M-T01")));
    };
    let own = topic.settings.contains_key(LIMIT);
    match &case.facts.configuration {
        Fact::Unreadable(why) if !own => seen().ok_or_else(|| Outcome::unreadable(why)),
        configuration => {
            let properties = configuration.found();
            Ok(limit_of(Some(topic), |name| {
                properties
                    .and_then(|properties| properties.get(name))
                    .map(String::as_str)
            }))
        }
    }
}

/// What the log says of records that were too large.
fn refused<'a>(case: &Case<'a>) -> Option<&'a Sighting> {
    let sightings = case.seen.log.as_ref()?.found()?;
    let says = |sighting: &&Sighting| TOO_LARGE.iter().any(|words| sighting.signature.contains(words));
    sightings.iter().find(says)
}

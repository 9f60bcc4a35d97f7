//! What data is taken for, and what messages are made of: read by the handler's own rules, so that both can never disagree, and told to it as
//! variables. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k2m_handler::payload::{Compression, Decode, Key, Pointer, Split, Timestamp, ValueForm};
use serde::{Serialize, Serializer};

use super::table::{Preset, Row, TABLE};
use super::{Setting, Source, parse, table};
use crate::shown::shown;

/// A choice, and its text as the handler reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<T> {
    /// The choice.
    pub choice: T,
    /// Its text.
    pub text: String,
}

impl<T> Serialize for Told<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The choices of a payload, resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// How data is taken apart.
    pub decode: Setting<Told<Decode>>,
    /// What the message's key is.
    pub key: Setting<Told<Key>>,
    /// Where in the value it is said which topic of the map is meant; given with it, and only with it.
    pub topic_pointer: Option<Setting<Told<Pointer>>>,
    /// The topic for each text at the pointer.
    pub topic_map: Option<Setting<Told<BTreeMap<String, String>>>>,
    /// What the value is.
    pub value: Setting<Told<ValueForm>>,
    /// What the timestamp is.
    pub timestamp: Setting<Told<Timestamp>>,
    /// Whether headers say which record a message is.
    pub headers: Setting<bool>,
    /// How record batches are compressed.
    pub compression: Setting<Told<Compression>>,
    /// Whether what gives the order of a partition key up is refused.
    pub strict_order: Setting<bool>,
}

impl Payload {
    /// The settings that the handler is told, by their names.
    pub const NAMES: [&str; 8] = [
        "decode",
        "key",
        "topic_pointer",
        "topic_map",
        "value",
        "timestamp",
        "headers",
        "compression",
    ];

    /// Whether a setting of this name, one of [`Self::NAMES`], can have this text.
    pub fn takes(name: &str, text: &str) -> bool {
        match name {
            "decode" => (table::DECODE.parse)(text).is_ok(),
            "key" => (table::KEY.parse)(text).is_ok(),
            "topic_pointer" => (table::TOPIC_POINTER.parse)(text).is_ok(),
            "topic_map" => (table::TOPIC_MAP.parse)(text).is_ok(),
            "value" => (table::VALUE.parse)(text).is_ok(),
            "timestamp" => (table::TIMESTAMP.parse)(text).is_ok(),
            "headers" => (table::HEADERS.parse)(text).is_ok(),
            "compression" => (table::COMPRESSION.parse)(text).is_ok(),
            _ => false,
        }
    }

    /// The topics of the map beside `topic`, each once, in order.
    pub fn other_topics(&self, topic: &str) -> Vec<&str> {
        let names: BTreeSet<&str> = self.map().values().map(String::as_str).collect();
        names.into_iter().filter(|name| *name != topic).collect()
    }

    /// The texts that lead to a topic of the map.
    pub fn texts_of(&self, topic: &str) -> Vec<&str> {
        let to = self.map().iter().filter(|(_, name)| *name == topic);
        to.map(|(text, _)| text.as_str()).collect()
    }

    fn map(&self) -> &BTreeMap<String, String> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        self.topic_map.as_ref().map_or(NONE, |map| &map.value.choice)
    }

    /// What the handler is told, where there is anything to tell: the setting's row, its value as text, and who chose it.
    pub fn settings(&self) -> Vec<(&'static Row, String, &Source)> {
        fn told<T>(setting: &Setting<Told<T>>) -> (String, &Source) {
            (setting.value.text.clone(), &setting.source)
        }
        let headers = (self.headers.value.to_string(), &self.headers.source);
        let all = [
            ("decode", Some(told(&self.decode))),
            ("key", Some(told(&self.key))),
            ("topic_pointer", self.topic_pointer.as_ref().map(told)),
            ("topic_map", self.topic_map.as_ref().map(told)),
            ("value", Some(told(&self.value))),
            ("timestamp", Some(told(&self.timestamp))),
            ("headers", Some(headers)),
            ("compression", Some(told(&self.compression))),
        ];
        let row = |name| TABLE.iter().find(|row| row.name == name);
        let all = all.into_iter().filter_map(|(name, told)| Some((row(name)?, told?)));
        all.map(|(row, (text, source))| (row, text, source)).collect()
    }

    /// Those of them that are not as they are by default.
    pub fn chosen(&self) -> Vec<(&'static Row, String, &Source)> {
        let mut settings = self.settings();
        settings.retain(|(row, text, _)| !matches!(row.default, Preset::Is(default) if default == text));
        settings
    }

    /// The handler's variables for what is not as it is by default.
    pub fn variables(&self) -> Vec<(String, String)> {
        let chosen = self.chosen().into_iter();
        chosen.map(|(row, text, _)| (row.variable(), text)).collect()
    }

    /// All that gives the order of a partition key up, each with the next step; none where the order is kept.
    pub fn disorder(&self, parallelization_factor: &Setting<u32>) -> Vec<String> {
        let by_key = self.disorder_by_key().map(|why| {
            let Setting { value, source } = &self.key;
            let key = shown(&value.text);
            format!("key is {key} ({source}): {why}; `key: partition_key` keeps the order")
        });
        let by_lanes = self.disorder_by_lanes(parallelization_factor);
        by_lanes.into_iter().chain(by_key).collect()
    }

    /// Why the order of a partition key is given up where a shard has several batches in work at the same time.
    pub fn disorder_by_lanes(&self, parallelization_factor: &Setting<u32>) -> Option<String> {
        let Setting { value, source } = parallelization_factor;
        (self.decode.value.choice.kpl && *value > 1).then(|| {
            format!(
                "with a parallelization factor above 1 ({value} by {source}) the order of the records inside KPL aggregates can't be kept: Lambda knows the aggregates' \
                 own partition keys only; set parallelization_factor to 1, or take kpl out of decode if no producer aggregates"
            )
        })
    }

    /// Why the order of a partition key is given up by another key than it.
    pub fn disorder_by_key(&self) -> Option<&'static str> {
        match self.key.value.choice {
            Key::PartitionKey => None,
            Key::None => Some("without a key, messages of one partition key are spread over the topic's partitions"),
            Key::ExplicitHashKey | Key::Pointer(_) => Some(
                "messages of one key may come from several shards and invocations, which know nothing of each other",
            ),
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        fn told<T>(choice: T, text: &str) -> Setting<Told<T>> {
            by_default(Told {
                choice,
                text: text.to_owned(),
            })
        }
        Self {
            decode: told(Decode::default(), "kpl"),
            key: told(Key::PartitionKey, "partition_key"),
            topic_pointer: None,
            topic_map: None,
            value: told(ValueForm::Bytes, "bytes"),
            timestamp: told(Timestamp::Arrival, "arrival"),
            headers: by_default(true),
            compression: told(Compression::None, "none"),
            strict_order: by_default(false),
        }
    }
}

const fn by_default<T>(value: T) -> Setting<T> {
    Setting {
        value,
        source: Source::Default,
    }
}

/// The steps in one form always, since their order doesn't matter.
pub(super) fn decode(text: &str) -> Result<Told<Decode>, String> {
    let choice = Decode::parse(text).map_err(|takes| give(&takes))?;
    let steps = [
        (choice.kpl, "kpl"),
        // Envelopes of CloudWatch Logs are gzip always.
        (choice.gzip && choice.split != Split::CloudwatchLogs, "gzip"),
        (choice.split == Split::Lines, "lines"),
        (choice.split == Split::CloudwatchLogs, "cloudwatch_logs"),
        (choice.is_nothing(), Decode::NOTHING),
    ];
    let steps: Vec<&str> = steps.into_iter().filter_map(|(is, step)| is.then_some(step)).collect();
    Ok(Told {
        choice,
        text: steps.join(","),
    })
}

pub(super) fn key(text: &str) -> Result<Told<Key>, String> {
    told(text, Key::parse(text))
}

pub(super) fn pointer(text: &str) -> Result<Told<Pointer>, String> {
    let read = Pointer::parse(text).map_err(|reason| format!("a JSON pointer: {reason}"));
    told(text, read)
}

pub(super) fn value(text: &str) -> Result<Told<ValueForm>, String> {
    told(text, word(text, &ValueForm::ALL))
}

pub(super) fn timestamp(text: &str) -> Result<Told<Timestamp>, String> {
    told(text, Timestamp::parse(text))
}

pub(super) fn compression(text: &str) -> Result<Told<Compression>, String> {
    told(text, word(text, &Compression::ALL))
}

/// The map in one form always, with names that topics can have.
pub(super) fn topic_map(text: &str) -> Result<Told<BTreeMap<String, String>>, String> {
    let choice = k2m_handler::payload::topic_map(text).map_err(|takes| give(&takes))?;
    for (text, name) in &choice {
        parse::topic(name).map_err(|reason| format!("`{}` is for `{}`: {reason}", shown(name), shown(text)))?;
    }
    let text = serde_json::to_string(&choice).map_err(|error| error.to_string())?;
    literal(&text)?;
    Ok(Told { choice, text })
}

/// `CloudFormation` would replace what looks like a reference, wherever in a template it stands.
fn literal(text: &str) -> Result<(), String> {
    const REFERENCE: &str = "{{resolve:";
    if text.contains(REFERENCE) {
        return Err(format!(
            "CloudFormation takes `{REFERENCE}` for a reference to replace, and there is no way to write it as it is: choose another name"
        ));
    }
    Ok(())
}

fn told<T>(text: &str, read: Result<T, String>) -> Result<Told<T>, String> {
    literal(text)?;
    read.map_err(|takes| give(&takes)).map(|choice| Told {
        choice,
        text: text.to_owned(),
    })
}

/// The handler says what a value takes.
fn give(takes: &str) -> String {
    format!("give {takes}")
}

fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
    found.map(|(_, value)| *value).ok_or_else(known)
}

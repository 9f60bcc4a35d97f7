//! What a record's data is taken for, and what its message is made of: the user's choices as plain values. Pure.
//!
//! The command line checks its settings by the same rules; the errors say what a value takes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// How data is taken apart before it is sent, in this order: a KPL aggregate, then gzip, then the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decode {
    /// Takes aggregates of the Kinesis Producer Library apart; known by their magic and their checksum.
    pub kpl: bool,
    /// Decompresses what begins as gzip does.
    pub gzip: bool,
    /// How what is then there becomes several messages.
    pub split: Split,
}

/// How data becomes several messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Not at all.
    Whole,
    /// One for each line that isn't empty.
    Lines,
    /// One for each log event of a subscription envelope of CloudWatch Logs.
    CloudwatchLogs,
}

/// What the message's key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The Kinesis partition key.
    PartitionKey,
    /// There is none.
    None,
    /// The explicit hash key, which only records of a KPL aggregate carry; else the partition key.
    ExplicitHashKey,
    /// What stands at this place of the value.
    Pointer(Pointer),
}

/// What the message's timestamp is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timestamp {
    /// The record's approximate arrival in Kinesis.
    Arrival,
    /// The log event's own; goes with the split `cloudwatch_logs`.
    Event,
    /// What stands at this place of the value.
    Pointer(Pointer),
}

/// What the message's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueForm {
    /// The bytes as they are.
    Bytes,
    /// A JSON object with the metadata, and the bytes in it.
    Json,
}

/// How record batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
    /// Snappy.
    Snappy,
    /// gzip.
    Gzip,
}

/// Which topic a message goes to, where its value says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicChoice {
    /// Where in the value it is said.
    pub pointer: Pointer,
    /// The topic for each text that may stand there. What isn't here goes to the pipeline's topic: never to a name out of the data.
    pub topics: BTreeMap<String, String>,
}

/// All the choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// How data is taken apart.
    pub decode: Decode,
    /// What the key is.
    pub key: Key,
    /// Other topics than the pipeline's; `None`: all goes there.
    pub topic: Option<TopicChoice>,
    /// What the value is.
    pub value: ValueForm,
    /// What the timestamp is.
    pub timestamp: Timestamp,
    /// Whether headers identify the record.
    pub headers: bool,
    /// How record batches are compressed.
    pub compression: Compression,
}

impl Payload {
    /// The topics that messages may go to, each once: `own`, the pipeline's, first.
    pub fn topics<'a>(&'a self, own: &'a str) -> Vec<&'a str> {
        let mut topics = vec![own];
        for name in self.topic.iter().flat_map(|choice| choice.topics.values()) {
            if !topics.contains(&name.as_str()) {
                topics.push(name);
            }
        }
        topics
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self {
            decode: Decode::default(),
            key: Key::PartitionKey,
            topic: None,
            value: ValueForm::Bytes,
            timestamp: Timestamp::Arrival,
            headers: true,
            compression: Compression::None,
        }
    }
}

impl Default for Decode {
    fn default() -> Self {
        Self {
            kpl: true,
            gzip: false,
            split: Split::Whole,
        }
    }
}

/// A JSON Pointer (RFC 6901), such as `/customer/id`: well-formed, and not the whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// What a pointer must be like.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let escaped = |part: &str| part.is_empty() || !part.starts_with(['0', '1']);
        if !text.starts_with('/') {
            return Err("a JSON pointer begins with `/`, such as `/customer/id`");
        }
        if text.contains(char::is_control) {
            return Err(
                "a JSON pointer has no control characters here: it is told in an environment variable, which can't hold NUL",
            );
        }
        if text.split('~').skip(1).any(escaped) {
            return Err("in a JSON pointer `~` is written `~0`, and a `/` within a name `~1`");
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names and places to go through, from the outermost.
    pub fn steps(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.split('/').skip(1).map(|step| {
            if step.contains('~') {
                Cow::Owned(step.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(step)
            }
        })
    }
}

impl Decode {
    /// The words of a list of steps.
    pub const STEPS: [&str; 4] = ["kpl", "gzip", "lines", "cloudwatch_logs"];
    /// The word for no step at all.
    pub const NOTHING: &str = "none";

    /// Reads a list of steps, separated by commas. Their order doesn't matter. Envelopes of CloudWatch Logs are gzip always.
    ///
    /// # Errors
    /// What the list takes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut decode = Self {
            kpl: false,
            gzip: false,
            split: Split::Whole,
        };
        if text == Self::NOTHING {
            return Ok(decode);
        }
        for step in text.split(',').map(str::trim) {
            let split = match step {
                "kpl" => {
                    decode.kpl = true;
                    continue;
                }
                "gzip" => {
                    decode.gzip = true;
                    continue;
                }
                "lines" => Split::Lines,
                "cloudwatch_logs" => Split::CloudwatchLogs,
                _ => {
                    return Err(format!(
                        "steps of {}, separated by commas, or {}",
                        Self::STEPS.join(", "),
                        Self::NOTHING
                    ));
                }
            };
            if decode.split != Split::Whole && decode.split != split {
                return Err("one of lines and cloudwatch_logs: a log event is a message already".to_owned());
            }
            decode.split = split;
        }
        decode.gzip |= decode.split == Split::CloudwatchLogs;
        Ok(decode)
    }

    /// Whether nothing is looked into at all.
    pub fn is_nothing(self) -> bool {
        !self.kpl && !self.gzip && self.split == Split::Whole
    }
}

impl Key {
    /// Reads `partition_key`, `none`, `explicit_hash_key` or a pointer.
    ///
    /// # Errors
    /// What it takes.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "partition_key" => Ok(Self::PartitionKey),
            "none" => Ok(Self::None),
            "explicit_hash_key" => Ok(Self::ExplicitHashKey),
            other => Pointer::parse(other)
                .map(Self::Pointer)
                .map_err(|reason| format!("partition_key, none, explicit_hash_key or a JSON pointer: {reason}")),
        }
    }
}

impl Timestamp {
    /// Reads `arrival`, `event` or a pointer.
    ///
    /// # Errors
    /// What it takes.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "arrival" => Ok(Self::Arrival),
            "event" => Ok(Self::Event),
            other => Pointer::parse(other)
                .map(Self::Pointer)
                .map_err(|reason| format!("arrival, event or a JSON pointer: {reason}")),
        }
    }
}

impl ValueForm {
    /// Each with its word.
    pub const ALL: [(&str, Self); 2] = [("bytes", Self::Bytes), ("json", Self::Json)];
}

impl Compression {
    /// Each with its word, which is librdkafka's too.
    pub const ALL: [(&str, Self); 5] = [
        ("none", Self::None),
        ("lz4", Self::Lz4),
        ("zstd", Self::Zstd),
        ("snappy", Self::Snappy),
        ("gzip", Self::Gzip),
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, it)| *it == self);
        found.map_or("none", |(name, _)| name)
    }
}

/// Reads a map of topics: a JSON object of texts, as `{"created": "orders-created"}`. The topics' names are not checked here.
///
/// # Errors
/// What it takes.
pub fn topic_map(text: &str) -> Result<BTreeMap<String, String>, String> {
    let Ok(Entries(entries)) = serde_json::from_str(text) else {
        return Err(r#"a JSON object of texts that is not empty, such as {"created": "orders-created"}"#.to_owned());
    };
    let mut map = BTreeMap::new();
    for (text, topic) in entries {
        if map.contains_key(&text) {
            return Err(format!("each text of the map once: {text:?} is there twice"));
        }
        map.insert(text, topic);
    }
    Ok(map)
}

/// An object's texts, those that are there twice included, of which a map would keep the last. Never empty.
struct Entries(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts that is not empty")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                if entries.is_empty() {
                    return Err(serde::de::Error::invalid_length(0, &self));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_a_list_in_any_order() {
        let decode = |text| Decode::parse(text).map(|it| (it.kpl, it.gzip, it.split));
        assert_eq!(decode("kpl"), Ok((true, false, Split::Whole)));
        assert_eq!(Decode::parse("kpl"), Ok(Decode::default()));
        assert_eq!(decode("lines, gzip"), Ok((false, true, Split::Lines)));
        assert_eq!(decode("cloudwatch_logs"), Ok((false, true, Split::CloudwatchLogs)));
        assert_eq!(decode("none"), Ok((false, false, Split::Whole)));
        assert!(Decode::parse("none").is_ok_and(Decode::is_nothing));
        for wrong in ["", "zip", "kpl,", "none,kpl", "lines,cloudwatch_logs"] {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pointer_is_checked() {
        for good in ["/a", "/a/0", "/a~1b~0c", "/"] {
            assert!(Pointer::parse(good).is_ok(), "{good}");
        }
        for wrong in ["", "a", "$.a", "/a~", "/a~2", "/a\0b", "/a\n"] {
            assert!(Pointer::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pointer_s_steps_are_unescaped() {
        let pointer = Pointer::parse("/a~1b/~01/0/").expect("a pointer");
        assert_eq!(pointer.steps().collect::<Vec<_>>(), ["a/b", "~1", "0", ""]);
    }

    #[test]
    fn a_map_of_topics_is_an_object_of_texts() {
        assert_eq!(
            topic_map(r#"{"created": "orders-created"}"#),
            Ok(BTreeMap::from([("created".to_owned(), "orders-created".to_owned())]))
        );
        for wrong in ["", "{}", "[]", r#"{"a": 1}"#, r#""a""#, r#"{"a": "b"} x"#] {
            assert!(topic_map(wrong).is_err(), "{wrong}");
        }
        for twice in [r#"{"a": "b", "a": "c"}"#, r#"{"a": "b", "\u0061": "b"}"#] {
            assert_eq!(
                topic_map(twice),
                Err(r#"each text of the map once: "a" is there twice"#.to_owned())
            );
        }
    }
}

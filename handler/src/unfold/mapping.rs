//! Key, topic and timestamp of a message, where its value says them. Pure.

use std::borrow::Cow;
use std::fmt;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Piece;
use crate::parcel::{KeyPart, Span};
use crate::payload::{Key, Payload, Pointer, Timestamp};

/// What was chosen for a message.
pub(super) struct Choice {
    pub(super) key: KeyPart,
    /// The topic's place among the pipeline's.
    pub(super) topic: usize,
    pub(super) timestamp_millis: i64,
    /// Why it can't be chosen as it should be.
    pub(super) flaw: Option<Box<str>>,
}

/// Chooses for `piece`; a text that the key is made of is added to `buffer`.
pub(super) fn choose(
    payload: &Payload,
    topics: &[String],
    piece: &Piece,
    arrival_millis: i64,
    buffer: &mut Vec<u8>,
) -> Choice {
    let mut choice = Choice {
        key: match payload.key {
            Key::None => KeyPart::None,
            Key::ExplicitHashKey => piece.explicit_hash_key.map_or(KeyPart::Partition, KeyPart::At),
            Key::PartitionKey | Key::Pointer(_) => KeyPart::Partition,
        },
        topic: 0,
        timestamp_millis: arrival_millis,
        flaw: None,
    };
    let mut key = None;
    let data = piece.data.of(buffer);
    if let Some(chooser) = &payload.topic {
        // What says nothing goes where all does that no topic is named for.
        let text = find(data, &chooser.pointer).ok().flatten().and_then(scalar);
        let named = text.and_then(|text| chooser.topics.get(&*text));
        let place = named.and_then(|name| topics.iter().position(|topic| topic == name));
        choice.topic = place.unwrap_or_default();
    }
    if let Key::Pointer(pointer) = &payload.key {
        match text_at(data, pointer) {
            Ok(text) => key = Some(text.into_owned()),
            Err(reason) => choice.flaw = Some(format!("its key can't be told: {reason}").into()),
        }
    }
    match &payload.timestamp {
        Timestamp::Arrival => {}
        Timestamp::Event => choice.timestamp_millis = piece.event_millis.unwrap_or(arrival_millis),
        Timestamp::Pointer(pointer) => match text_at(data, pointer).and_then(|text| millis(&text, pointer)) {
            Ok(millis) => choice.timestamp_millis = millis,
            Err(reason) => {
                choice
                    .flaw
                    .get_or_insert(format!("its timestamp can't be told: {reason}").into());
            }
        },
    }
    if let Some(key) = key {
        let start = buffer.len();
        buffer.extend_from_slice(key.as_bytes());
        choice.key = KeyPart::At(Span::new(start, buffer.len()));
    }
    choice
}

/// The text, the number or the truth at a place of JSON. Errors hold nothing of the data.
fn text_at<'a>(data: &'a [u8], pointer: &Pointer) -> Result<Cow<'a, str>, String> {
    let place = pointer.as_str();
    let found = find(data, pointer).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("its value is no JSON that has {place} (at line {line} column {column})")
    })?;
    let found = found.ok_or_else(|| format!("there is nothing at {place} of its value"))?;
    scalar(found).ok_or_else(|| format!("what is at {place} of its value is null, an object or a list"))
}

/// A text as it is, a number or a truth as JSON writes it.
fn scalar(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().as_bytes().first()? {
        b'{' | b'[' | b'n' => None,
        b'"' => match serde_json::from_str(raw.get()) {
            Ok(Text(text)) => Some(text),
            Err(_) => None,
        },
        _ => Some(Cow::Borrowed(raw.get())),
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Milliseconds since 1970 from a time of RFC 3339, or from a number whose size tells the unit: in each of them, it is a time between 1973 and 5138.
fn millis(text: &str, pointer: &Pointer) -> Result<i64, String> {
    const SECONDS: f64 = 1e11;
    const MILLIS: f64 = 1e14;
    const MICROS: f64 = 1e17;
    let wrong = || {
        format!(
            "what is at {} of its value is neither a time of RFC 3339 nor a number of seconds, milliseconds, microseconds or nanoseconds since 1970",
            pointer.as_str()
        )
    };
    if let Ok(time) = DateTime::from_str(text, Format::DateTimeWithOffset) {
        return time.to_millis().ok().filter(|millis| *millis >= 0).ok_or_else(wrong);
    }
    let number = text.parse::<f64>().ok().filter(|it| it.is_finite() && *it >= 0.0);
    let number = number.ok_or_else(wrong)?;
    let millis = if number < SECONDS {
        number * 1e3
    } else if number < MILLIS {
        number
    } else if number < MICROS {
        number / 1e3
    } else {
        number / 1e6
    };
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
    Ok(millis as i64)
}

/// What is at a place of JSON, unread; the whole is checked. Takes no memory, however large the data is. Of two members with one name the last counts.
fn find<'a>(data: &'a [u8], pointer: &Pointer) -> Result<Option<&'a RawValue>, serde_json::Error> {
    let mut found: &RawValue = serde_json::from_slice(data)?;
    for step in pointer.steps() {
        let mut inner = serde_json::Deserializer::from_str(found.get());
        match Step(&step).deserialize(&mut inner)? {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// One step of a pointer.
struct Step<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(Text(name)) = map.next_key()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        let wanted = self.0.parse::<usize>().ok();
        // RFC 6901 has no leading zeros.
        let wanted = wanted.filter(|place| place.to_string() == self.0);
        let mut found = None;
        for place in 0.. {
            if Some(place) == wanted {
                found = seq.next_element()?;
                if found.is_none() {
                    break;
                }
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(data: &str, pointer: &str) -> Result<String, String> {
        let pointer = Pointer::parse(pointer).expect("a pointer");
        text_at(data.as_bytes(), &pointer).map(Cow::into_owned)
    }

    #[test]
    fn a_text_is_as_it_is_and_a_number_as_json_writes_it() {
        let data = r#"{"a": "x\"y", "b": {"c/d": [1.50, true, {"e": ""}]}, "n": null, "a": "last", "": 7}"#;
        for (pointer, expected) in [
            ("/a", Ok("last")),
            ("/b/c~1d/0", Ok("1.50")),
            ("/b/c~1d/1", Ok("true")),
            ("/b/c~1d/2/e", Ok("")),
            ("/", Ok("7")),
            ("/n", Err("what is at /n of its value is null, an object or a list")),
            ("/b", Err("what is at /b of its value is null, an object or a list")),
            ("/x", Err("there is nothing at /x of its value")),
            ("/a/b", Err("there is nothing at /a/b of its value")),
            ("/b/c~1d/3", Err("there is nothing at /b/c~1d/3 of its value")),
            ("/b/c~1d/00", Err("there is nothing at /b/c~1d/00 of its value")),
        ] {
            let found = at(data, pointer);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{pointer}");
        }
        for broken in ["", "secret", r#"{"a": "b"} secret"#, r#"{"a": "b""#] {
            let error = at(broken, "/a").expect_err(broken);
            assert!(
                error.starts_with("its value is no JSON") && !error.contains("secret"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_time_is_text_or_a_number_of_a_telling_size() {
        let pointer = Pointer::parse("/t").expect("a pointer");
        for (text, expected) in [
            ("2023-11-14T22:13:20Z", 1_700_000_000_000),
            ("2023-11-14T23:13:20.5+01:00", 1_700_000_000_500),
            ("1700000000", 1_700_000_000_000),
            ("1700000000.25", 1_700_000_000_250),
            ("1700000000000", 1_700_000_000_000),
            ("1700000000000123", 1_700_000_000_000),
            ("1700000000000123456", 1_700_000_000_000),
            ("0", 0),
        ] {
            assert_eq!(millis(text, &pointer), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "-1",
            "NaN",
            "inf",
            "yesterday",
            "true",
            "1969-12-31T23:59:59Z",
            "2023-11-14",
        ] {
            let error = millis(wrong, &pointer).expect_err(wrong);
            assert!(error.starts_with("what is at /t of its value is neither"), "{error}");
        }
    }
}

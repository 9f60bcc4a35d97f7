//! Key, topic and timestamp of a message, where its value says them. Pure.

use std::borrow::Cow;
use std::fmt;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::parts::Part;
use crate::parcel::KeyPart;
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

/// Chooses for one part of a record.
pub(super) fn choose(payload: &Payload, topics: &[String], part: &Part, arrival_millis: i64) -> Choice {
    let mut choice = Choice {
        key: match payload.key {
            Key::None => KeyPart::None,
            Key::ExplicitHashKey => KeyPart::HashKey,
            Key::PartitionKey | Key::Pointer(_) => KeyPart::Partition,
        },
        topic: 0,
        timestamp_millis: arrival_millis,
        flaw: None,
    };
    if part.flaw.is_some() {
        return choice;
    }
    let data = part.data.of(&part.buffer);
    if let Some(chooser) = &payload.topic {
        // What says nothing goes where all does that no topic is named for.
        let text = find(data, &chooser.pointer)
            .ok()
            .flatten()
            .and_then(|raw| scalar(raw).ok());
        let named = text.and_then(|text| chooser.topics.get(&*text));
        let place = named.and_then(|name| topics.iter().position(|topic| topic == name));
        choice.topic = place.unwrap_or_default();
    }
    if let Key::Pointer(pointer) = &payload.key {
        match text_at(data, pointer) {
            Ok(text) => choice.key = KeyPart::Text(text.as_bytes().into()),
            Err(reason) => choice.flaw = Some(format!("its key can't be told (K2M_KEY): {reason}").into()),
        }
    }
    let millis = match &payload.timestamp {
        Timestamp::Arrival => Ok(arrival_millis),
        Timestamp::Event => part.event_millis.map_or(Ok(arrival_millis), |millis| {
            within(millis).ok_or_else(|| "the log event's is before 1970 or after the year 9999".to_owned())
        }),
        Timestamp::Pointer(pointer) => text_at(data, pointer).and_then(|text| millis(&text, pointer)),
    };
    match millis {
        Ok(millis) => choice.timestamp_millis = millis,
        Err(reason) => {
            let flaw = format!("its timestamp can't be told (K2M_TIMESTAMP): {reason}");
            choice.flaw.get_or_insert(flaw.into());
        }
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
    scalar(found).map_err(|what| format!("what is at {place} of its value is {what}"))
}

/// A text as it is, a number or a truth as JSON writes it; or what it is instead.
fn scalar(raw: &RawValue) -> Result<Cow<'_, str>, &'static str> {
    match raw.get().as_bytes().first() {
        Some(b'{') => Err("an object"),
        Some(b'[') => Err("a list"),
        None | Some(b'n') => Err("null"),
        // JSON can write halves of characters, which no text can hold.
        Some(b'"') => serde_json::from_str(raw.get())
            .map(|Text(text)| text)
            .map_err(|_| "no Unicode text"),
        Some(_) => Ok(Cow::Borrowed(raw.get())),
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The first millisecond after the year 9999.
const END_MILLIS: i64 = 253_402_300_800_000;

/// The time, if it is one from 1970 to 9999.
fn within(millis: i64) -> Option<i64> {
    (0..END_MILLIS).contains(&millis).then_some(millis)
}

/// Milliseconds since 1970 from a time of RFC 3339, or from a number, which may be written as a text, and whose size tells the unit: in each of them, it is a time
/// between 1973 and 5138.
fn millis(text: &str, pointer: &Pointer) -> Result<i64, String> {
    const SECONDS: f64 = 1e11;
    const MILLIS: f64 = 1e14;
    const MICROS: f64 = 1e17;
    let wrong = || {
        format!(
            "what is at {} of its value is neither a time of RFC 3339 nor a number of seconds, milliseconds, microseconds or nanoseconds since 1970, \
             up to the year 9999",
            pointer.as_str()
        )
    };
    if let Ok(time) = DateTime::from_str(text, Format::DateTimeWithOffset) {
        return time.to_millis().ok().and_then(within).ok_or_else(wrong);
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
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, and what is that large is refused"
    )]
    within(millis as i64).ok_or_else(wrong)
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
        let data =
            r#"{"a": "x\"y", "b": {"c/d": [1.50, true, {"e": ""}]}, "n": null, "half": "\ud800", "a": "last", "": 7}"#;
        for (pointer, expected) in [
            ("/a", Ok("last")),
            ("/b/c~1d/0", Ok("1.50")),
            ("/b/c~1d/1", Ok("true")),
            ("/b/c~1d/2/e", Ok("")),
            ("/", Ok("7")),
            ("/n", Err("what is at /n of its value is null")),
            ("/b", Err("what is at /b of its value is an object")),
            ("/half", Err("what is at /half of its value is no Unicode text")),
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

//! The input: JSON lines, read as a stream, each turned into a record of the stream it stands for.

use std::borrow::Cow;
use std::io::{self, BufRead as _, BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::event::{Parts, Record};
use super::stream::{PlaceError, Stream};

/// Largest payload of a Kinesis record, in bytes.
pub const DATA_LIMIT: usize = 10 * 1024 * 1024;
/// Longest line, in bytes: room for the largest payload with every byte escaped as `\u00xx`.
const LINE_LIMIT: usize = 6 * DATA_LIMIT + 64 * 1024;
const KEY_LIMIT: usize = 256;
/// Later than the year 5000 in seconds: such a number is one of milliseconds.
const SECONDS_LIMIT: f64 = 1e11;

const FIELDS: [(&str, &str); 7] = [
    ("partitionKey", "a string"),
    ("data", "a string"),
    ("dataBase64", "a string of base64"),
    ("shard", "a whole number from 0 or a name like \"shardId-000000000000\""),
    ("sequenceNumber", "digits in quotes"),
    ("explicitHashKey", "digits in quotes"),
    ("approximateArrivalTimestamp", "a number of seconds since 1970"),
];

/// Why reading ended early.
#[derive(Debug, Error)]
pub enum InputError {
    /// A line is not a record.
    #[error("line {line} of the input is not a record: {reason}")]
    Line {
        /// From 1.
        line: u64,
        /// What was wrong.
        reason: LineError,
    },
    /// The input could not be read.
    #[error(
        "failed to read the input after line {line}: {source}; what came before it was delivered, so go on from the next line"
    )]
    Read {
        /// Lines that were read.
        line: u64,
        /// The system's word.
        source: io::Error,
    },
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum LineError {
    /// Not JSON.
    #[error(
        "it is not JSON ({detail}); each line must be one object such as {{\"partitionKey\": \"a\", \"data\": \"text\"}}"
    )]
    NotJson {
        /// The parser's word, with the column.
        detail: String,
    },
    /// JSON, but no object.
    #[error(
        "it is {found}, not an object; each line must be one object such as {{\"partitionKey\": \"a\", \"data\": \"text\"}}"
    )]
    NotAnObject {
        /// What kind of value it is.
        found: &'static str,
    },
    /// A field that no record has.
    #[error("`{field}` is no field of a record; {advice}")]
    UnknownField {
        /// The name.
        field: String,
        /// What may have been meant.
        advice: String,
    },
    /// A field of another type.
    #[error("`{field}` is {found}; it must be {expected}")]
    WrongType {
        /// The name.
        field: &'static str,
        /// What kind of value it has.
        found: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// Another refusal of the parser, such as a field given twice.
    #[error("{detail}")]
    Refused {
        /// The parser's word.
        detail: String,
    },
    /// No partition key.
    #[error("`partitionKey` is missing; add one, for example the id that must stay in order")]
    NoPartitionKey,
    /// A partition key that Kinesis refuses.
    #[error("`partitionKey` has {characters} characters; Kinesis takes 1 to {KEY_LIMIT}")]
    PartitionKey {
        /// How long it is.
        characters: usize,
    },
    /// No payload.
    #[error("`data` is missing; add it, or `dataBase64` for bytes that are not text (both may be empty)")]
    NoData,
    /// Two payloads.
    #[error("it has both `data` and `dataBase64`; keep one")]
    TwoData,
    /// Bad base64.
    #[error("`dataBase64` is not base64: {0}")]
    Base64(base64::DecodeError),
    /// A payload that Kinesis refuses.
    #[error("its data has {bytes} bytes; Kinesis takes at most {DATA_LIMIT} (10 MiB)")]
    DataTooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// A line that can't be a record.
    #[error("it is longer than {LINE_LIMIT} bytes, more than any record needs; is a line end missing?")]
    TooLong,
    /// A shard's name that is none.
    #[error("`shard` is \"{0}\"; it must be a number or a name like \"shardId-000000000000\"")]
    Shard(String),
    /// Not a sequence number.
    #[error("`sequenceNumber` is \"{0}\"; it must have 1 to 128 digits and no leading zero")]
    SequenceNumber(String),
    /// Not a hash key.
    #[error("`explicitHashKey` is \"{0}\"; it must be a decimal number below 2^128")]
    HashKey(String),
    /// Not a time.
    #[error("`approximateArrivalTimestamp` is {0}; it must be seconds since 1970, with a fraction if need be")]
    Timestamp(f64),
    /// No place in the stream.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// A line as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(borrow)]
    data_base64: Option<Text<'a>>,
    shard: Option<Shard>,
    #[serde(borrow)]
    sequence_number: Option<Text<'a>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Text<'a>>,
    approximate_arrival_timestamp: Option<f64>,
}

/// Text that is borrowed from the line unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Shard {
    Number(u32),
    Name(String),
}

/// The input, and how far it was read.
#[derive(Debug)]
pub struct Input<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    data: Vec<u8>,
    lines: u64,
    bytes: u64,
}

impl<R: Read> Input<R> {
    /// Reads from the start of `source`.
    pub fn new(source: R) -> Self {
        Self {
            reader: BufReader::with_capacity(256 * 1024, source),
            line: Vec::new(),
            data: Vec::new(),
            lines: 0,
            bytes: 0,
        }
    }

    /// Lines read, blank ones included.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Bytes read, line ends included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the next record may have to be waited for, as when somebody types.
    pub fn is_drained(&self) -> bool {
        !self.reader.buffer().contains(&b'\n')
    }

    /// The next record with the index of its lane; nothing at the end. Blank lines are passed over. `now`, in milliseconds
    /// since the epoch, is the arrival of a record that names none.
    pub fn next(&mut self, stream: &mut Stream, now: i64) -> Result<Option<(usize, Record)>, InputError> {
        loop {
            self.line.clear();
            let limit = LINE_LIMIT as u64 + 1;
            let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line);
            let read = read.map_err(|source| InputError::Read {
                line: self.lines,
                source,
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.lines += 1;
            self.bytes += read as u64;
            if read as u64 == limit {
                return Err(InputError::Line {
                    line: self.lines,
                    reason: LineError::TooLong,
                });
            }
            if self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            // Without its end, so that the column of an error is one of this line.
            let parsed = record(self.line.trim_ascii_end(), &mut self.data, stream, now);
            return parsed.map(Some).map_err(|reason| InputError::Line {
                line: self.lines,
                reason,
            });
        }
    }
}

fn record(line: &[u8], decoded: &mut Vec<u8>, stream: &mut Stream, now: i64) -> Result<(usize, Record), LineError> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| diagnose(line, &error))?;
    let Text(partition_key) = line.partition_key.ok_or(LineError::NoPartitionKey)?;
    // Counting characters is for long keys only: no key has more characters than bytes.
    if partition_key.is_empty() || (partition_key.len() > KEY_LIMIT && partition_key.chars().count() > KEY_LIMIT) {
        return Err(LineError::PartitionKey {
            characters: partition_key.chars().count(),
        });
    }
    let data = match (&line.data, &line.data_base64) {
        (Some(Text(text)), None) => text.as_bytes(),
        (None, Some(Text(text))) => {
            decoded.clear();
            BASE64.decode_vec(text.as_bytes(), decoded).map_err(LineError::Base64)?;
            decoded.as_slice()
        }
        (None, None) => return Err(LineError::NoData),
        (Some(_), Some(_)) => return Err(LineError::TwoData),
    };
    if data.len() > DATA_LIMIT {
        return Err(LineError::DataTooLarge { bytes: data.len() });
    }
    let arrival = line.approximate_arrival_timestamp.map_or(Ok(now), milliseconds)?;
    let hash_key = line.explicit_hash_key.map(|Text(text)| hash_key(&text)).transpose()?;
    let shard = line.shard.map(shard_number).transpose()?;
    let sequence_number = line
        .sequence_number
        .map(|Text(text)| sequence_number(text))
        .transpose()?;
    let place = stream.place(&partition_key, hash_key, shard, sequence_number.as_deref())?;
    let parts = Parts {
        shard: place.shard,
        sequence_number: place.sequence_number,
        partition_key: &partition_key,
        data,
        arrival,
    };
    Ok((place.lane, Record::new(&parts)))
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn milliseconds(seconds: f64) -> Result<i64, LineError> {
    if (0.0..SECONDS_LIMIT).contains(&seconds) {
        Ok((seconds * 1000.0).round() as i64)
    } else {
        Err(LineError::Timestamp(seconds))
    }
}

fn hash_key(text: &str) -> Result<u128, LineError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| LineError::HashKey(text.to_owned()))
}

fn shard_number(shard: Shard) -> Result<u32, LineError> {
    match shard {
        Shard::Number(number) => Ok(number),
        Shard::Name(name) => {
            let digits = name
                .strip_prefix("shardId-")
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            digits
                .and_then(|digits| digits.parse().ok())
                .ok_or(LineError::Shard(name))
        }
    }
}

fn sequence_number(text: Cow<'_, str>) -> Result<Cow<'_, str>, LineError> {
    let digits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (text.len() == 1 || !text.starts_with('0')) {
        Ok(text)
    } else {
        Err(LineError::SequenceNumber(text.into_owned()))
    }
}

/// Finds words for a line that the parser refused. Slow, and used once: the run ends with it.
fn diagnose(line: &[u8], error: &serde_json::Error) -> LineError {
    let detail = error.to_string().replace(" at line 1 column ", " at column ");
    let value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) => {
            return LineError::NotJson {
                detail: error.to_string().replace(" at line 1 column ", " at column "),
            };
        }
    };
    let Value::Object(fields) = value else {
        return LineError::NotAnObject { found: kind(&value) };
    };
    for (name, value) in fields {
        let Some(&(field, expected)) = FIELDS.iter().find(|(field, _)| *field == name) else {
            return LineError::UnknownField {
                advice: advice(&name),
                field: name,
            };
        };
        let fits = match field {
            "shard" => value.is_string() || value.as_u64().is_some_and(|shard| u32::try_from(shard).is_ok()),
            "approximateArrivalTimestamp" => value.is_number(),
            _ => value.is_string(),
        };
        // A null is as good as a field left out.
        if !fits && !value.is_null() {
            return LineError::WrongType {
                field,
                found: kind(&value),
                expected,
            };
        }
    }
    LineError::Refused { detail }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn advice(name: &str) -> String {
    let plain = |text: &str| {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .collect::<String>()
            .to_lowercase()
    };
    let near = FIELDS
        .iter()
        .map(|(field, _)| (strsim::jaro_winkler(&plain(field), &plain(name)), field))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.85);
    match near {
        Some((_, field)) => format!("is `{field}` meant?"),
        None => format!(
            "a record has {}",
            FIELDS.map(|(field, _)| format!("`{field}`")).join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Record>, String> {
        let mut input = Input::new(text.as_bytes());
        let mut stream = Stream::new(2, 1);
        let mut records = Vec::new();
        loop {
            match input.next(&mut stream, 1_000) {
                Ok(Some((_, record))) => records.push(record),
                Ok(None) => return Ok(records),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    #[test]
    fn good_lines_become_records() {
        let records = read(concat!(
            "{\"partitionKey\":\"a\",\"data\":\"x\"}\r\n",
            "\n",
            "{\"partitionKey\":\"a\",\"data\":\"\",\"shard\":1,\"sequenceNumber\":\"7\"}\n",
            "{\"partitionKey\":\"\\u00e4\",\"dataBase64\":\"/w==\",\"shard\":\"shardId-000000000001\",",
            "\"explicitHashKey\":\"0\",\"approximateArrivalTimestamp\":12.3456}",
        ))
        .unwrap();
        let seen: Vec<_> = records.iter().map(|r| (r.data_bytes(), r.arrival())).collect();
        assert_eq!(seen, [(1, 1_000), (0, 1_000), (1, 12_346)]);
        assert_eq!(records[1].sequence_number(), "7");
        assert_eq!(records[2].sequence_number(), "8");
        assert!(records[2].json().contains("\"data\":\"/w==\""));
    }

    #[test]
    fn each_bad_line_is_named_with_its_reason() {
        let long_key = format!(r#"{{"partitionKey":"{}","data":""}}"#, "ü".repeat(257));
        let cases = [
            "{",
            "nonsense",
            "[1]",
            "3",
            r#"{"data":"x"}"#,
            r#"{"partitionKey":"","data":"x"}"#,
            &long_key,
            r#"{"partitionKey":"a"}"#,
            r#"{"partitionKey":"a","data":null}"#,
            r#"{"partitionKey":"a","data":"x","dataBase64":"eA=="}"#,
            r#"{"partitionKey":"a","dataBase64":"e"}"#,
            r#"{"partitionkey":"a","data":"x"}"#,
            r#"{"partitionKey":"a","Data":"x"}"#,
            r#"{"partitionKey":"a","payload":"x"}"#,
            r#"{"partitionKey":5,"data":"x"}"#,
            r#"{"partitionKey":"a","data":{"x":1}}"#,
            r#"{"partitionKey":"a","data":"x","data":"y"}"#,
            r#"{"partitionKey":"a","data":"x","shard":-1}"#,
            r#"{"partitionKey":"a","data":"x","shard":2}"#,
            r#"{"partitionKey":"a","data":"x","shard":"one"}"#,
            r#"{"partitionKey":"a","data":"x","sequenceNumber":1}"#,
            r#"{"partitionKey":"a","data":"x","sequenceNumber":"007"}"#,
            r#"{"partitionKey":"a","data":"x","sequenceNumber":""}"#,
            r#"{"partitionKey":"a","data":"x","explicitHashKey":"+1"}"#,
            r#"{"partitionKey":"a","data":"x","explicitHashKey":"340282366920938463463374607431768211456"}"#,
            r#"{"partitionKey":"a","data":"x","approximateArrivalTimestamp":1700000000000}"#,
            r#"{"partitionKey":"a","data":"x","approximateArrivalTimestamp":-1}"#,
            r#"{"partitionKey":"a","data":"x"} {}"#,
        ];
        let said: Vec<String> = cases
            .iter()
            .map(|case| {
                let short: String = case.chars().take(90).collect();
                format!(
                    "{short}\n    {}",
                    read(&format!("{{\"partitionKey\":\"a\",\"data\":\"x\"}}\n{case}\n")).unwrap_err()
                )
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_number_that_goes_back_is_an_error() {
        let line =
            |number| format!("{{\"partitionKey\":\"a\",\"data\":\"\",\"shard\":0,\"sequenceNumber\":\"{number}\"}}\n");
        assert!(read(&(line(9) + &line(10))).is_ok());
        let error = read(&(line(10) + &line(9))).unwrap_err();
        assert!(
            error.starts_with("line 2 of the input is not a record: sequence number 9"),
            "{error}"
        );
    }

    #[test]
    fn ten_mebibytes_pass_and_one_byte_more_does_not() {
        let line = |bytes| format!("{{\"partitionKey\":\"a\",\"data\":\"{}\"}}\n", "x".repeat(bytes));
        assert_eq!(read(&line(DATA_LIMIT)).unwrap()[0].data_bytes(), DATA_LIMIT);
        let error = read(&line(DATA_LIMIT + 1)).unwrap_err();
        assert!(error.contains("10485761 bytes"), "{error}");
    }

    #[test]
    fn a_line_without_end_is_not_read_into_memory() {
        let mut input = Input::new(io::repeat(b'x'));
        let error = input.next(&mut Stream::new(1, 1), 0).unwrap_err();
        assert!(matches!(
            error,
            InputError::Line {
                line: 1,
                reason: LineError::TooLong
            }
        ));
    }
}

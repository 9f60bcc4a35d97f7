//! Aggregates of the Kinesis Producer Library. Pure.
//!
//! Four bytes of magic, a protobuf message, the MD5 of that message. Source: the library's `aggregation-format.md`. What departs from it in any way
//! is no aggregate: the magic alone may stand in anybody's data.

use std::ops::Range;

use md5::{Digest as _, Md5};

use crate::parcel::Span;

/// What an aggregate begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
/// Bytes of the MD5 at its end.
const DIGEST_BYTES: usize = 16;

/// One record of an aggregate: where its parts are in the aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubRecord {
    /// The partition key, UTF-8.
    pub(super) partition_key: Span,
    /// The explicit hash key, UTF-8.
    pub(super) explicit_hash_key: Option<Span>,
    /// The data.
    pub(super) data: Span,
}

/// Whether data in base64 may be an aggregate: told from the magic without decoding it.
pub(super) fn may_be(encoded: &[u8]) -> bool {
    // The magic is five whole characters and two bits of the sixth.
    encoded.starts_with(b"84maw") && matches!(encoded.get(5), Some(b'g'..=b'v'))
}

/// The records of an aggregate, in order; `None`: it is no aggregate.
pub(super) fn take_apart(data: &[u8]) -> Option<Vec<SubRecord>> {
    let body_end = data.len().checked_sub(DIGEST_BYTES)?;
    let body = data.get(MAGIC.len()..body_end).filter(|body| !body.is_empty())?;
    if !data.starts_with(&MAGIC) || Md5::digest(body)[..] != data[body_end..] {
        return None;
    }
    let mut message = Reader {
        data: &data[..body_end],
        at: MAGIC.len(),
    };
    let (mut partition_keys, mut hash_keys, mut records) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(field) = message.field()? {
        match field {
            (1, Field::Bytes(key)) => partition_keys.push(text(data, &key)?),
            (2, Field::Bytes(key)) => hash_keys.push(text(data, &key)?),
            (3, Field::Bytes(record)) => records.push(Indexed::read(data, record)?),
            _ => {}
        }
    }
    // The tables may stand behind the records.
    records
        .into_iter()
        .map(|record| {
            Some(SubRecord {
                partition_key: *partition_keys.get(record.partition_key as usize)?,
                explicit_hash_key: match record.explicit_hash_key {
                    Some(index) => Some(*hash_keys.get(index as usize)?),
                    None => None,
                },
                data: record.data,
            })
        })
        .collect()
}

/// The range, if there is UTF-8 in it.
fn text(data: &[u8], range: &Range<usize>) -> Option<Span> {
    let text = str::from_utf8(&data[range.clone()]);
    text.is_ok().then(|| Span::new(range.start, range.end))
}

/// A record as the message has it: keys are places in the tables.
struct Indexed {
    partition_key: u32,
    explicit_hash_key: Option<u32>,
    data: Span,
}

impl Indexed {
    fn read(data: &[u8], range: Range<usize>) -> Option<Self> {
        let mut message = Reader {
            data: &data[..range.end],
            at: range.start,
        };
        let (mut partition_key, mut explicit_hash_key, mut own) = (None, None, None);
        while let Some(field) = message.field()? {
            match field {
                (1, Field::Number(index)) => partition_key = Some(u32::try_from(index).ok()?),
                (2, Field::Number(index)) => explicit_hash_key = Some(u32::try_from(index).ok()?),
                (3, Field::Bytes(bytes)) => own = Some(Span::new(bytes.start, bytes.end)),
                _ => {}
            }
        }
        Some(Self {
            partition_key: partition_key?,
            explicit_hash_key,
            data: own?,
        })
    }
}

/// Reads the fields of a protobuf message, which ends where `data` does.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

/// A field's value, as far as aggregates have such.
enum Field {
    Number(u64),
    Bytes(Range<usize>),
    /// Of a type that no field here has.
    Other,
}

impl Reader<'_> {
    /// The next field and its number; `Some(None)` at the end, `None` where this is no protobuf.
    #[expect(clippy::option_option, reason = "broken and ended are two things")]
    fn field(&mut self) -> Option<Option<(u64, Field)>> {
        if self.at == self.data.len() {
            return Some(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        let value = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.pass(8).map(|_| Field::Other)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.pass(length)?)
            }
            5 => self.pass(4).map(|_| Field::Other)?,
            _ => return None,
        };
        (number > 0).then_some(Some((number, value)))
    }

    fn pass(&mut self, length: usize) -> Option<Range<usize>> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.data.len())?;
        Some(std::mem::replace(&mut self.at, end)..end)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.data.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// A field that holds bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).expect("a short field");
        [&[number << 3 | 2, length], bytes].concat()
    }

    fn aggregate(body: &[u8]) -> Vec<u8> {
        [&MAGIC, body, &Md5::digest(body)[..]].concat()
    }

    /// Keys, hash key and data of each record.
    fn read(data: &[u8]) -> Option<Vec<(String, Option<String>, String)>> {
        let text = |span: Span| String::from_utf8_lossy(span.of(data)).into_owned();
        let records = take_apart(data)?.into_iter();
        Some(
            records
                .map(|it| (text(it.partition_key), it.explicit_hash_key.map(text), text(it.data)))
                .collect(),
        )
    }

    #[test]
    fn keys_are_looked_up_wherever_the_tables_stand() {
        let tables = [field(1, b"k1"), field(1, "ключ".as_bytes()), field(2, b"7")].concat();
        let records = [
            field(3, &[&[8, 1, 16, 0][..], &field(3, b"one")].concat()),
            // With a tag and a field that nobody knows.
            field(
                3,
                &[
                    &[8, 0][..],
                    &field(3, b""),
                    &field(4, b"tag"),
                    &[0x2d, 1, 2, 3, 4, 0x40, 0x96, 1],
                ]
                .concat(),
            ),
        ]
        .concat();
        let expected = vec![
            ("ключ".to_owned(), Some("7".to_owned()), "one".to_owned()),
            ("k1".to_owned(), None, String::new()),
        ];
        for body in [[tables.clone(), records.clone()].concat(), [records, tables].concat()] {
            assert_eq!(read(&aggregate(&body)), Some(expected.clone()));
        }
    }

    #[test]
    fn what_departs_in_any_way_is_no_aggregate() {
        let record = |content: &[u8]| [field(1, b"k"), field(3, content)].concat();
        let good = record(&[8, 0, 26, 1, b'x']);
        assert!(read(&aggregate(&good)).is_some());
        let rows: [(&str, Vec<u8>); 9] = [
            ("nothing in it", vec![]),
            ("a record without data", record(&[8, 0])),
            ("a record without a partition key", record(&[26, 1, b'x'])),
            (
                "a partition key that the table doesn't have",
                record(&[8, 1, 26, 1, b'x']),
            ),
            (
                "a hash key that the table doesn't have",
                record(&[8, 0, 16, 0, 26, 1, b'x']),
            ),
            ("a field longer than its message", record(&[8, 0, 26, 2, b'x'])),
            ("a number without an end", [[8; 1].as_slice(), &[0xff; 11]].concat()),
            ("a key that is no UTF-8", [field(1, b"\xff"), good.clone()].concat()),
            ("a group", [&[0x0b][..], &good].concat()),
        ];
        for (what, body) in rows {
            assert_eq!(read(&aggregate(&body)), None, "{what}");
        }
        let whole = aggregate(&good);
        for at in 0..whole.len() {
            assert_eq!(take_apart(&whole[..at]), None, "cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(take_apart(&changed), None, "changed at {at}");
        }
    }

    #[test]
    fn tables_alone_are_an_aggregate_of_none() {
        assert_eq!(read(&aggregate(&field(1, b"k"))), Some(vec![]));
    }

    #[test]
    fn the_magic_is_seen_in_base64() {
        for last in [0, 0x3f, 0x80, 0xff] {
            let encoded = STANDARD.encode([&MAGIC[..], &[last]].concat());
            assert!(may_be(encoded.as_bytes()), "{encoded}");
        }
        for other in [
            [0xf3, 0x89, 0x9a, 0x42],
            [0xf3, 0x89, 0x9a, 0x02],
            [0xf3, 0x89, 0x9b, 0xc2],
        ] {
            let encoded = STANDARD.encode(other);
            assert!(!may_be(encoded.as_bytes()), "{encoded}");
        }
        assert!(!may_be(b"84maw"));
    }
}

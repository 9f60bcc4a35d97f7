//! Which partition a key goes to: the murmur2 hash that Java's clients and librdkafka's `murmur2_random` use. Pure.

/// The partition, from 0, of a record with this key in a topic of `count` partitions.
pub fn of_key(key: &[u8], count: usize) -> usize {
    // Java's clients clear the sign, since their hash is a signed number.
    let hash = murmur2(key) & 0x7fff_ffff;
    hash as usize % count.max(1)
}

/// 32-bit `MurmurHash2` with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MULTIPLIER: u32 = 0x5bd1_e995;
    const SHIFT: u32 = 24;
    let mix = |word: u32| {
        let word = word.wrapping_mul(MULTIPLIER);
        (word ^ (word >> SHIFT)).wrapping_mul(MULTIPLIER)
    };
    // The length enters as 32 bits; Kafka takes no longer key.
    #[expect(clippy::cast_possible_truncation, reason = "as in the reference")]
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_mul(MULTIPLIER) ^ mix(u32::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that Kafka's own tests of its hash expect.
    #[test]
    fn hashes_are_kafka_s() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn a_key_s_partition_is_within_the_topic() {
        for count in [1, 2, 7, 1_000] {
            assert!((0..100).all(|key: i32| of_key(&key.to_be_bytes(), count) < count));
        }
        // -973932308 without its sign is 1173551340.
        assert_eq!(of_key(b"21", 1_000), 340);
    }
}

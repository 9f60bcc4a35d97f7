//! Data that is compressed with gzip, within bounds. Pure.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// What gzip begins with: its magic and its only method.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Why data isn't decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GzipError {
    /// It doesn't begin as gzip does.
    Not,
    /// It does, but isn't gzip to its end.
    Broken,
    /// There is more in it than may be.
    TooLarge,
}

/// Whether data in base64 begins as gzip does.
pub(super) fn may_be(encoded: &[u8]) -> bool {
    encoded.starts_with(b"H4sI")
}

/// Decompresses `data`, which may be several members one after another, to at most `limit` bytes.
pub(super) fn decompress(data: &[u8], limit: usize) -> Result<Vec<u8>, GzipError> {
    if !data.starts_with(&MAGIC) {
        return Err(GzipError::Not);
    }
    let mut bytes = Vec::new();
    // One byte more tells that there is more.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match MultiGzDecoder::new(data).take(most).read_to_end(&mut bytes) {
        Ok(read) if read > limit => Err(GzipError::TooLarge),
        Ok(_) => Ok(bytes),
        Err(_) => Err(GzipError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).expect("a vector takes all");
        encoder.finish().expect("a vector takes all")
    }

    #[test]
    fn what_is_gzip_is_decompressed_within_the_limit() {
        let packed = gzip(b"hello");
        assert!(may_be(STANDARD.encode(&packed).as_bytes()));
        assert_eq!(decompress(&packed, 5), Ok(b"hello".to_vec()));
        assert_eq!(decompress(&packed, 4), Err(GzipError::TooLarge));
        assert_eq!(
            decompress(&[packed.clone(), gzip(b" world")].concat(), 20),
            Ok(b"hello world".to_vec())
        );
        assert_eq!(decompress(&gzip(b""), 0), Ok(vec![]));
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        let packed = gzip(b"hello");
        for at in 0..packed.len() {
            let not = if at < MAGIC.len() {
                GzipError::Not
            } else {
                GzipError::Broken
            };
            assert_eq!(decompress(&packed[..at], 100), Err(not), "cut at {at}");
        }
        let mut broken = packed.clone();
        broken[12] ^= 0xff;
        assert_eq!(decompress(&broken, 100), Err(GzipError::Broken));
        let with_more = [packed, b"more".to_vec()].concat();
        assert_eq!(decompress(&with_more, 100), Err(GzipError::Broken));
        assert_eq!(decompress(b"hello", 100), Err(GzipError::Not));
    }

    #[test]
    fn a_bomb_is_noticed_before_it_is_there() {
        let bomb = gzip(&vec![0; 1 << 24]);
        assert!(bomb.len() < 1 << 15);
        assert_eq!(decompress(&bomb, 1 << 20), Err(GzipError::TooLarge));
    }
}

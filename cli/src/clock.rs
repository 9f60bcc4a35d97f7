//! The time and the randomness that everything else is given.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A wall clock that never goes back: read once, carried on by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    start_millis: i64,
}

impl Clock {
    /// Starts at the system's time.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            start: Instant::now(),
            start_millis: i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        self.start_millis + i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The instant at which [`Clock::now`] will be `millis`.
    pub fn instant(&self, millis: i64) -> Instant {
        self.start + Duration::from_millis(u64::try_from(millis - self.start_millis).unwrap_or(0))
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Random bits, good enough for names, not for secrets.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// A random UUID (version 4), as Lambda's request ids are.
pub fn uuid() -> String {
    let (high, low) = (random(), random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (low >> 48) & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn uuids_have_their_shape_and_differ() {
        let (one, two) = (super::uuid(), super::uuid());
        assert_ne!(one, two);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }
}

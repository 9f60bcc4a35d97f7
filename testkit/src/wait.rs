//! Waiting for a condition, never for a time.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Time between two looks at a condition: short against what is waited for, long against the look itself.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `holds` answers true, at most for `bound`.
///
/// An error of `holds` counts as "not yet": it is repeated in the error when the time is over.
/// `what` is the condition in words, such as "topic orders has a leader".
#[expect(
    clippy::disallowed_methods,
    reason = "another process's state can only be looked at again and again"
)]
pub fn wait_until(what: &str, bound: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    loop {
        let last = match holds() {
            Ok(true) => return Ok(()),
            Ok(false) => String::new(),
            // A broker that has ended will not come up by waiting.
            Err(error @ Error::BrokerExited { .. }) => return Err(error),
            Err(error) => format!("; last: {error}"),
        };
        if started.elapsed() >= bound {
            return Err(Error::NotInTime {
                what: what.to_owned(),
                waited: bound,
                last,
            });
        }
        std::thread::sleep(PAUSE);
    }
}

/// Runs a future to its end on this thread, also on one that belongs to an async runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

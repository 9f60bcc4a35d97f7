//! `--verbose`: each call to AWS as a line on stderr. The room of AWS says them as events of `tracing`, so that it needs to know nobody who listens.

use std::fmt::{Debug, Write as FmtWrite};
use std::io::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::printable;
use crate::aws::CALLS;

/// Writes each call from now on.
pub(super) fn listen() {
    // Another one listens already where a process has two reporters: it does the same.
    let _ = tracing::subscriber::set_global_default(Listener);
}

struct Listener;

/// The text of an event.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing into a string can't fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == CALLS
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // None is enabled: calls are events.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        // There is no place left to say that stderr can't be written to.
        let _ = writeln!(io::stderr(), "{}", printable(&text.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

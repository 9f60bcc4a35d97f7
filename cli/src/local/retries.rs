//! What a run says while it tries records again: that it does and why, once at first, and seldom after that. Pure.

use std::time::Duration;

use super::engine::Event;

/// How long it is quiet between.
const PAUSE: Duration = Duration::from_mins(1);
/// What the handler says of a record that is too large.
const FOR_ITS_SIZE: &str = "for its size";

/// What was said of records that are tried again.
#[derive(Debug, Default)]
pub struct Retries {
    /// When it was said last.
    said: Option<Duration>,
    /// Whether something is to be said as soon as it is known why.
    due: bool,
}

impl Retries {
    /// What to say of an event that comes so long after the start; `reason`: the newest of a failure.
    pub fn hear(&mut self, event: &Event, reason: Option<&str>, at: Duration) -> Option<String> {
        match event {
            // What fails once may only have met a broker that restarts.
            Event::Invoked {
                again,
                accepted,
                records,
                ..
            } if *again > 0 && accepted < records => self.due = true,
            // What failed is there now.
            Event::Invoked { again, .. } if *again > 0 => self.due = false,
            _ => {}
        }
        let quiet = self.said.is_some_and(|said| at < said + PAUSE);
        let reason = reason.filter(|_| self.due && !quiet)?;
        self.said = Some(at);
        self.due = false;
        Some(format!(
            "what failed is tried again, and fails again: {}",
            with_step(reason)
        ))
    }
}

/// The reason with what helps, where that is certain and the handler can't know it.
pub fn with_step(reason: &str) -> String {
    if reason.contains(FOR_ITS_SIZE) {
        // The handler names the topic's own setting.
        let also = if reason.contains("max.message.bytes") {
            "or"
        } else {
            "raise max.message.bytes of the topic, or"
        };
        return format!(
            "{reason}; {also} send less with --compression zstd, or give it up at once with --on-poison divert"
        );
    }
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoked(again: usize, accepted: usize) -> Event {
        Event::Invoked {
            records: 3,
            again,
            accepted,
            bytes: 0,
            duration: Duration::ZERO,
            error: None,
        }
    }

    #[test]
    fn the_first_time_and_then_seldom() {
        let reason = Some("topic \"orders\" refuses it");
        let mut retries = Retries::default();
        let mut said = Vec::new();
        for (second, event, reason) in [
            (0, invoked(0, 3), None),
            // Not yet: it may pass by itself.
            (1, invoked(0, 2), reason),
            (2, invoked(1, 0), None),
            // Now it is known why.
            (3, Event::Warning(String::new()), reason),
            (4, invoked(1, 0), reason),
            (62, invoked(1, 0), reason),
            (63, invoked(1, 0), reason),
            (64, invoked(1, 3), reason),
            (200, invoked(0, 3), reason),
            (201, invoked(2, 1), reason),
        ] {
            if let Some(text) = retries.hear(&event, reason, Duration::from_secs(second)) {
                said.push(format!("{second}: {text}"));
            }
        }
        let text = "what failed is tried again, and fails again: topic \"orders\" refuses it";
        assert_eq!(
            said,
            [format!("3: {text}"), format!("63: {text}"), format!("201: {text}")]
        );
    }

    #[test]
    fn a_record_that_is_too_large_has_a_next_step() {
        let says = with_step("the topic refuses it, sent alone, for its size: raise the topic's max.message.bytes");
        assert!(
            says.ends_with(
                "max.message.bytes; or send less with --compression zstd, or give it up at once with --on-poison divert"
            ),
            "{says}"
        );
        assert!(with_step("refused for its size").contains("; raise max.message.bytes of the topic, or send less"));
        assert_eq!(with_step("no leader"), "no leader");
    }
}

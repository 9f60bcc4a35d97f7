//! What happens to a stack as a few lines: what became ready since the last look in one line, failures each in its own, and now and then what is
//! waited for. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::names::Names;
use super::port::StackEvent;
use super::reasons::is_cascade;

/// The first silence that is broken; each next one is twice as long.
const SILENCE: Duration = Duration::from_mins(1);

/// Turns events into lines.
#[derive(Debug)]
pub struct Progress {
    names: Names,
    /// What CloudFormation works on: types by logical ids.
    running: BTreeMap<String, (String, bool)>,
    last_line: Duration,
    silence: Duration,
}

impl Progress {
    /// Begins at this time.
    pub fn new(names: Names, now: Duration) -> Self {
        Self {
            names,
            running: BTreeMap::new(),
            last_line: now,
            silence: SILENCE,
        }
    }

    /// The lines for what happened since the last call, until `now`.
    pub fn lines(&mut self, events: &[StackEvent], now: Duration) -> Vec<String> {
        let mut done: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut lines = Vec::new();
        for event in events {
            if event.of_stack() {
                if let Some(words) = of_stack(&event.status) {
                    lines.push(words.to_owned());
                }
                continue;
            }
            let id = event.logical_id.as_str();
            if event.status.ends_with("_IN_PROGRESS") {
                let deleting = event.status.starts_with("DELETE");
                self.running
                    .insert(id.to_owned(), (event.resource_type.clone(), deleting));
                continue;
            }
            self.running.remove(id);
            let reason = event.reason.as_deref().unwrap_or("CloudFormation gives no reason");
            let word = match event.status.as_str() {
                "CREATE_COMPLETE" | "IMPORT_COMPLETE" => "made",
                "UPDATE_COMPLETE" => "changed",
                "DELETE_COMPLETE" => "removed",
                "DELETE_SKIPPED" => "kept",
                status if status.ends_with("_FAILED") && is_cascade(reason) => "cancelled",
                status if status.ends_with("_FAILED") => {
                    lines.push(format!(
                        "failed: {} ({id}): {reason}",
                        self.names.of(id, &event.resource_type)
                    ));
                    continue;
                }
                _ => continue,
            };
            match done.iter_mut().find(|(of, _)| *of == word) {
                Some((_, ids)) if !ids.contains(&id) => ids.push(id),
                Some(_) => {}
                None => done.push((word, vec![id])),
            }
        }
        lines.extend(
            done.into_iter()
                .map(|(word, ids)| format!("{word}: {}", ids.join(", "))),
        );
        if !lines.is_empty() {
            self.last_line = now;
            self.silence = SILENCE;
        } else if now.saturating_sub(self.last_line) >= self.silence {
            lines.push(self.waiting());
            self.last_line = now;
            self.silence *= 2;
        }
        lines
    }

    fn waiting(&self) -> String {
        if self.running.is_empty() {
            return "waiting for CloudFormation".to_owned();
        }
        let names: Vec<&str> = self.running.keys().map(String::as_str).collect();
        let mut line = format!("waiting for: {}", names.join(", "));
        let interfaces = |(kind, deleting): &(String, bool)| {
            *deleting && matches!(kind.as_str(), "AWS::Lambda::Function" | "AWS::EC2::SecurityGroup")
        };
        if self.running.values().any(interfaces) {
            line += " (Lambda takes up to 40 minutes to give back the network interfaces of a function)";
        }
        line
    }
}

fn of_stack(status: &str) -> Option<&'static str> {
    match status {
        "ROLLBACK_IN_PROGRESS" | "UPDATE_ROLLBACK_IN_PROGRESS" | "IMPORT_ROLLBACK_IN_PROGRESS" => Some("rolling back"),
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => Some("all is changed; what was replaced is taken away"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn event(logical_id: &str, resource_type: &str, status: &str, reason: Option<&str>) -> StackEvent {
        StackEvent {
            id: format!("{logical_id}-{status}"),
            logical_id: logical_id.to_owned(),
            physical_id: format!("arn:aws:cloudformation:eu-west-1:123456789012:stack/{logical_id}/1"),
            resource_type: resource_type.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn what_became_ready_together_is_one_line_and_silence_is_broken_ever_less_often() {
        let seconds = Duration::from_secs;
        let mut progress = Progress::new(Names::default(), seconds(0));
        let (role, function, stack) = ("AWS::IAM::Role", "AWS::Lambda::Function", "AWS::CloudFormation::Stack");
        let batches = [
            (
                1,
                vec![
                    event("Role", role, "CREATE_IN_PROGRESS", None),
                    event("Topic", "AWS::SNS::Topic", "CREATE_IN_PROGRESS", None),
                ],
            ),
            (
                3,
                vec![
                    event("Role", role, "CREATE_COMPLETE", None),
                    event("Topic", "AWS::SNS::Topic", "CREATE_COMPLETE", None),
                ],
            ),
            (4, vec![event("Function", function, "CREATE_IN_PROGRESS", None)]),
            (62, vec![]),
            (63, vec![]),
            (123, vec![]),
            (182, vec![]),
            (183, vec![]),
            (
                184,
                vec![
                    event("Function", function, "CREATE_FAILED", Some("S3 Error Code: NoSuchKey")),
                    event(
                        "Alarm",
                        "AWS::CloudWatch::Alarm",
                        "CREATE_FAILED",
                        Some("Resource creation cancelled"),
                    ),
                    event(
                        "k2m-orders",
                        stack,
                        "ROLLBACK_IN_PROGRESS",
                        Some("The following resource(s) failed to create: [Function]"),
                    ),
                    event("Function", function, "DELETE_IN_PROGRESS", None),
                ],
            ),
            (244, vec![]),
            (
                250,
                vec![
                    event("Function", function, "DELETE_COMPLETE", None),
                    event("Topic", "AWS::SNS::Topic", "DELETE_SKIPPED", None),
                ],
            ),
        ];
        let mut text = String::new();
        for (at, events) in batches {
            for line in progress.lines(&events, seconds(at)) {
                writeln!(text, "{at:>3}  {line}").unwrap();
            }
        }
        insta::assert_snapshot!(text);
    }
}

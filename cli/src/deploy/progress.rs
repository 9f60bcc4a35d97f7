//! What happens to a stack, in people's names for its resources: as lines where nobody looks on (what became ready since the last look in one line, failures each in
//! its own, and now and then what is waited for), and as a tree that is drawn anew on a terminal. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::changes::gathered;
use super::columns::{fitted, wrapped};
use super::names::Names;
use super::port::{Line, Look, StackEvent};
use super::reasons::is_cascade;

/// The first silence that is broken; each next one is twice as long.
const SILENCE: Duration = Duration::from_mins(1);
/// Lines that are told as soon as there is something to tell; after that what became ready is gathered, ever longer.
const PROMPT: usize = 20;
/// The first time that it is gathered for then.
const GATHERED: Duration = Duration::from_secs(20);
/// Failures that have a line each.
const FAILURES: usize = 10;

/// How a resource stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Done,
    Failed,
    Cancelled,
}

/// A resource that something happened to.
#[derive(Debug, Clone)]
struct Node {
    id: String,
    kind: String,
    state: State,
    /// What is done, or was: `making`, `made`.
    word: &'static str,
    begun: Duration,
    ended: Option<Duration>,
    reason: Option<String>,
}

/// Resources of one kind of news: the streams of their pipelines, and their names.
type Groups = Vec<(Option<String>, Vec<String>)>;
/// What became of resources and is not told yet, by what became of them.
type Gathered = Vec<(&'static str, Groups)>;

/// Turns events into lines, and into a tree.
#[derive(Debug)]
pub struct Progress {
    names: Names,
    start: Duration,
    /// In the order in which something happened to them first.
    nodes: Vec<Node>,
    /// What the stack itself said last.
    stack: Option<String>,
    gathered: Gathered,
    told: usize,
    failures: usize,
    gap: Duration,
    last_line: Duration,
    silence: Duration,
}

impl Progress {
    /// Begins at this time.
    pub fn new(names: Names, now: Duration) -> Self {
        Self {
            names,
            start: now,
            nodes: Vec::new(),
            stack: None,
            gathered: Vec::new(),
            told: 0,
            failures: 0,
            gap: GATHERED,
            last_line: now,
            silence: SILENCE,
        }
    }

    /// Another operation on the same stack begins: what is said of it is said anew, and what happened stays.
    pub fn again(&mut self, names: Names, now: Duration) {
        self.names = names.with(Some(std::mem::take(&mut self.names)));
        self.stack = None;
        self.last_line = now;
        self.silence = SILENCE;
    }

    /// Whether anything failed.
    pub fn failed(&self) -> bool {
        let failed = self.nodes.iter().any(|node| node.state == State::Failed);
        failed || self.stack.as_deref().is_some_and(|status| status.contains("ROLLBACK"))
    }

    /// The lines for what happened since the last call, until `now`. However much happens, they are few: at most one for each of the first transitions, and
    /// after some 20 of them ever fewer.
    pub fn lines(&mut self, events: &[StackEvent], now: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        let mut ends = false;
        for event in events {
            if event.of_stack() {
                if let Some(words) = of_stack(&event.status)
                    && self.stack.as_deref() != Some(event.status.as_str())
                {
                    lines.push(words.to_owned());
                }
                ends |= !event.status.ends_with("_IN_PROGRESS");
                self.stack = Some(event.status.clone());
                continue;
            }
            let Some((state, word)) = state(event) else { continue };
            let again = self.note(event, state, word, now);
            if again || state == State::Running {
                continue;
            }
            let id = event.logical_id.as_str();
            if state == State::Failed && self.failures < FAILURES {
                self.failures += 1;
                lines.push(format!(
                    "failed: {}: {}",
                    self.names.in_full(id, &event.resource_type),
                    reason(event)
                ));
            } else {
                self.gather(word, id, &event.resource_type);
            }
        }
        let urgent = ends || !lines.is_empty();
        let due = self.told < PROMPT || now.saturating_sub(self.last_line) >= self.gap;
        if (urgent || due) && !self.gathered.is_empty() {
            if self.told >= PROMPT {
                self.gap *= 2;
            }
            lines.extend(std::mem::take(&mut self.gathered).into_iter().map(told));
        }
        if !lines.is_empty() {
            self.told += lines.len();
            self.last_line = now;
            self.silence = SILENCE.max(self.silence / 2);
        } else if self.gathered.is_empty() && now.saturating_sub(self.last_line) >= self.silence {
            lines.push(self.waiting());
            self.last_line = now;
            self.silence *= 2;
        }
        lines
    }

    /// Remembers what happened to a resource. Whether that was known.
    fn note(&mut self, event: &StackEvent, state: State, word: &'static str, now: Duration) -> bool {
        let ended = (state != State::Running).then_some(now);
        let reason = (state == State::Failed).then(|| reason(event).to_owned());
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == event.logical_id) else {
            self.nodes.push(Node {
                id: event.logical_id.clone(),
                kind: event.resource_type.clone(),
                state,
                word,
                begun: now,
                ended,
                reason,
            });
            return false;
        };
        let again = node.state == state && node.word == word;
        // Something new is done to it, such as when it is rolled back: why it failed stays.
        if state == State::Running && node.state != State::Running {
            node.begun = now;
        }
        node.state = if node.state == State::Failed && state != State::Running {
            State::Failed
        } else {
            state
        };
        node.word = word;
        node.ended = ended;
        node.reason = reason.or(node.reason.take());
        again
    }

    fn gather(&mut self, word: &'static str, id: &str, kind: &str) {
        let stream = self.names.stream(id).map(str::to_owned);
        let noun = self.names.noun(id, kind);
        let at = self.gathered.iter().position(|(of, _)| *of == word);
        let at = at.unwrap_or_else(|| {
            self.gathered.push((word, Vec::new()));
            self.gathered.len() - 1
        });
        let groups = &mut self.gathered[at].1;
        match groups.iter_mut().find(|(of, _)| *of == stream) {
            Some((_, nouns)) if nouns.contains(&noun) => {}
            Some((_, nouns)) => nouns.push(noun),
            None => groups.push((stream, vec![noun])),
        }
    }

    fn waiting(&self) -> String {
        let running: Vec<&Node> = self.nodes.iter().filter(|node| node.state == State::Running).collect();
        if running.is_empty() {
            return "waiting for CloudFormation".to_owned();
        }
        let names: Vec<String> = running.iter().map(|node| self.names.of(&node.id, &node.kind)).collect();
        let mut line = format!("waiting for: {}", names.join(", "));
        if running.iter().any(|node| node.waits_for_interfaces()) {
            line.extend([" (", INTERFACES, ")"]);
        }
        line
    }

    /// The tree of a stack as it stands `now`: no line is wider than `columns`, and there are no more than `rows`. What went well is folded first.
    pub fn tree(&self, stack: &str, now: Duration, columns: usize, rows: usize) -> Vec<Line> {
        let title = format!("{stack}: {}", self.stack.as_deref().map_or("waiting", doing));
        let spent = clock(now.saturating_sub(self.start));
        let mut lines = vec![Line::new(Look::Plain, fitted(&title, &spent, columns))];
        let mut groups: BTreeMap<Option<&str>, Vec<&Node>> = BTreeMap::new();
        for node in &self.nodes {
            groups.entry(self.names.stream(&node.id)).or_default().push(node);
        }
        let mut fold = 0;
        loop {
            let mut body = Vec::new();
            for (stream, nodes) in &groups {
                self.branch(*stream, nodes, now, columns, fold, &mut body);
            }
            if lines.len() + body.len() <= rows || fold == 2 {
                let room = rows.saturating_sub(lines.len()).max(1);
                if body.len() > room {
                    let more = body.len() - (room - 1);
                    body.truncate(room - 1);
                    body.push(Line::new(Look::Faint, format!("  … and {more} more lines")));
                }
                lines.extend(body);
                return lines;
            }
            fold += 1;
        }
    }

    /// The resources of a pipeline, or those of all. `fold`: 0 shows each, 1 counts those that are done, 2 shows failures and counts the rest.
    fn branch(
        &self,
        stream: Option<&str>,
        nodes: &[&Node],
        now: Duration,
        columns: usize,
        fold: u8,
        lines: &mut Vec<Line>,
    ) {
        let shown = |node: &&&Node| match fold {
            0 => true,
            1 => node.state != State::Done,
            _ => node.state == State::Failed,
        };
        let count = |state| nodes.iter().filter(|node| node.state == state && !shown(node)).count();
        let mut folded = Vec::new();
        for (state, word) in [
            (State::Done, "done"),
            (State::Running, "under way"),
            (State::Cancelled, "cancelled"),
        ] {
            let count = count(state);
            if count > 0 {
                folded.push(format!("{count} {word}"));
            }
        }
        let name = stream.unwrap_or("for all pipelines");
        lines.push(Line::new(
            Look::Plain,
            fitted(&format!("  {name}"), &folded.join(", "), columns),
        ));
        for node in nodes.iter().filter(shown) {
            let (mark, look) = match node.state {
                State::Running => ("·", Look::Plain),
                State::Done => ("✓", Look::Good),
                State::Failed => ("✗", Look::Bad),
                State::Cancelled => ("-", Look::Faint),
            };
            let noun = self.names.noun(&node.id, &node.kind);
            let spent = clock(node.ended.unwrap_or(now).saturating_sub(node.begun));
            let right = format!("{}  {spent:>5}", node.word);
            lines.push(Line::new(look, fitted(&format!("    {mark} {noun}"), &right, columns)));
            for line in node
                .reason
                .iter()
                .flat_map(|reason| wrapped(reason, columns.saturating_sub(8)))
            {
                lines.push(Line::new(Look::Bad, format!("        {line}")));
            }
            if node.state == State::Running && node.waits_for_interfaces() {
                lines.extend(
                    wrapped(INTERFACES, columns.saturating_sub(8))
                        .into_iter()
                        .map(|line| Line::new(Look::Faint, format!("        {line}"))),
                );
            }
        }
    }
}

const INTERFACES: &str = "Lambda takes up to 40 minutes to give back the network interfaces of a function";

impl Node {
    fn waits_for_interfaces(&self) -> bool {
        self.word == "removing" && matches!(self.kind.as_str(), "AWS::Lambda::Function" | "AWS::EC2::SecurityGroup")
    }
}

fn reason(event: &StackEvent) -> &str {
    event.reason.as_deref().unwrap_or("CloudFormation gives no reason")
}

/// How a resource stands after this event, and the word for it; nothing where that says nothing.
fn state(event: &StackEvent) -> Option<(State, &'static str)> {
    Some(match event.status.as_str() {
        "CREATE_IN_PROGRESS" | "IMPORT_IN_PROGRESS" => (State::Running, "making"),
        "DELETE_IN_PROGRESS" => (State::Running, "removing"),
        status if status.ends_with("_IN_PROGRESS") => (State::Running, "changing"),
        "CREATE_COMPLETE" | "IMPORT_COMPLETE" => (State::Done, "made"),
        "UPDATE_COMPLETE" => (State::Done, "changed"),
        "DELETE_COMPLETE" => (State::Done, "removed"),
        "DELETE_SKIPPED" => (State::Done, "kept"),
        status if status.ends_with("_FAILED") && is_cascade(reason(event)) => (State::Cancelled, "cancelled"),
        status if status.ends_with("_FAILED") => (State::Failed, "failed"),
        _ => return None,
    })
}

/// What became of some resources, in a line.
fn told((word, groups): (&'static str, Groups)) -> String {
    let groups = groups.into_iter().map(|(stream, nouns)| {
        let of = stream.map(|stream| format!(" for {stream}"));
        let mut nouns = gathered(&nouns);
        let last = nouns.pop().unwrap_or_default();
        let and = if nouns.is_empty() { "" } else { " and " };
        format!("{}{and}{last}{}", nouns.join(", "), of.unwrap_or_default())
    });
    format!("{word}: {}", groups.collect::<Vec<_>>().join("; "))
}

/// `1:05`, or `1:02:03`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// What CloudFormation does with a stack of this status.
fn doing(status: &str) -> &'static str {
    match status {
        "CREATE_IN_PROGRESS" | "REVIEW_IN_PROGRESS" => "creating",
        "UPDATE_IN_PROGRESS" => "updating",
        "DELETE_IN_PROGRESS" => "deleting",
        "IMPORT_IN_PROGRESS" => "importing",
        "ROLLBACK_IN_PROGRESS" | "UPDATE_ROLLBACK_IN_PROGRESS" | "IMPORT_ROLLBACK_IN_PROGRESS" => "rolling back",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => {
            "taking away what was replaced"
        }
        "CREATE_COMPLETE" => "created",
        "UPDATE_COMPLETE" => "updated",
        "DELETE_COMPLETE" => "deleted",
        "IMPORT_COMPLETE" => "imported",
        "ROLLBACK_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => "rolled back",
        status if status.ends_with("_FAILED") => "failed",
        _ => "waiting",
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

    use unicode_width::UnicodeWidthStr as _;

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

    fn names() -> Names {
        Names::of_template(
            "Outputs:\n  OrdersStream: {Value: 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders'}\n  ClicksStream: {Value: 'arn:aws:kinesis:eu-west-1:123456789012:stream/clicks'}\n",
        )
    }

    /// A creation in which a mapping fails, and what comes of it.
    fn failing() -> Vec<(u64, Vec<StackEvent>)> {
        let (function, mapping, stack) = (
            "AWS::Lambda::Function",
            "AWS::Lambda::EventSourceMapping",
            "AWS::CloudFormation::Stack",
        );
        let why = "Resource handler returned message: \"Invalid request provided: Cannot access stream arn:aws:kinesis:eu-west-1:123456789012:stream/orders. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams Actions on your stream in IAM.\" (RequestToken: 0f1e2d3c, HandlerErrorCode: InvalidRequest)";
        vec![
            (
                1,
                vec![
                    event("k2m-orders", stack, "CREATE_IN_PROGRESS", None),
                    event(
                        "FunctionSecurityGroup",
                        "AWS::EC2::SecurityGroup",
                        "CREATE_IN_PROGRESS",
                        None,
                    ),
                    event("OrdersRole", "AWS::IAM::Role", "CREATE_IN_PROGRESS", None),
                    event("ClicksRole", "AWS::IAM::Role", "CREATE_IN_PROGRESS", None),
                ],
            ),
            (
                21,
                vec![
                    event(
                        "FunctionSecurityGroup",
                        "AWS::EC2::SecurityGroup",
                        "CREATE_COMPLETE",
                        None,
                    ),
                    event("OrdersRole", "AWS::IAM::Role", "CREATE_COMPLETE", None),
                    event("ClicksRole", "AWS::IAM::Role", "CREATE_COMPLETE", None),
                    event("OrdersFunction", function, "CREATE_IN_PROGRESS", None),
                    event("ClicksFunction", function, "CREATE_IN_PROGRESS", None),
                ],
            ),
            (
                50,
                vec![
                    event("OrdersFunction", function, "CREATE_COMPLETE", None),
                    event("OrdersMapping", mapping, "CREATE_IN_PROGRESS", None),
                ],
            ),
            (
                75,
                vec![
                    event("OrdersMapping", mapping, "CREATE_FAILED", Some(why)),
                    event(
                        "ClicksFunction",
                        function,
                        "CREATE_FAILED",
                        Some("Resource creation cancelled"),
                    ),
                    event(
                        "k2m-orders",
                        stack,
                        "ROLLBACK_IN_PROGRESS",
                        Some("The following resource(s) failed to create"),
                    ),
                    event("OrdersMapping", mapping, "DELETE_COMPLETE", None),
                    event("OrdersFunction", function, "DELETE_IN_PROGRESS", None),
                ],
            ),
        ]
    }

    #[test]
    fn the_tree_fits_its_terminal() {
        let mut text = String::new();
        let mut show = |name: String, lines: &[Line], columns: usize, rows: usize| {
            writeln!(text, "== {name}, {columns} x {rows}").unwrap();
            assert!(lines.len() <= rows, "{name}: {}", lines.len());
            for line in lines {
                assert!(line.text.width() <= columns, "{name}: {}", line.text);
                writeln!(text, "{:5}|{}", format!("{:?}", line.look), line.text).unwrap();
            }
        };
        for columns in [80, 160] {
            let mut progress = Progress::new(names(), Duration::ZERO);
            for (at, events) in failing() {
                let now = Duration::from_secs(at);
                progress.lines(&events, now);
                if at != 1 {
                    let now = now + Duration::from_secs(7);
                    show(
                        format!("{at} s"),
                        &progress.tree("k2m-orders in eu-west-1", now, columns, 40),
                        columns,
                        40,
                    );
                }
            }
            for rows in [14, 9, 5] {
                let now = Duration::from_hours(2);
                show(
                    "little room".to_owned(),
                    &progress.tree("k2m-orders in eu-west-1", now, columns, rows),
                    columns,
                    rows,
                );
            }
        }
        let mut progress = Progress::new(names(), Duration::ZERO);
        progress.lines(&failing().remove(0).1, Duration::ZERO);
        let long = "k2m-with-a-name-that-is-far-longer-than-any-terminal-that-is-30-columns-wide";
        show(
            "narrow".to_owned(),
            &progress.tree(long, Duration::ZERO, 30, 20),
            30,
            20,
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn names_gather_what_belongs_together() {
        let mut progress = Progress::new(names(), Duration::ZERO);
        let mut text = String::new();
        for (at, events) in failing() {
            for line in progress.lines(&events, Duration::from_secs(at)) {
                writeln!(text, "{at:>3}  {line}").unwrap();
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_log_is_short_however_much_happens() {
        // 400 resources, each ready by itself, 30 of them failing, all removed again; and then hours in which nothing happens.
        let mut progress = Progress::new(names(), Duration::ZERO);
        let (mut lines, mut now) = (0, Duration::ZERO);
        let mut told = String::new();
        let mut look = |events: &[StackEvent], after: u64| {
            now += Duration::from_secs(after);
            for line in progress.lines(events, now) {
                lines += 1;
                told += &line;
                told.push('\n');
            }
        };
        for number in 0..400 {
            let id = format!("Queue{number}");
            look(&[event(&id, "AWS::SQS::Queue", "CREATE_IN_PROGRESS", None)], 5);
            if number % 14 == 0 {
                look(
                    &[event(&id, "AWS::SQS::Queue", "CREATE_FAILED", Some("Internal Failure"))],
                    5,
                );
            } else {
                look(&[event(&id, "AWS::SQS::Queue", "CREATE_COMPLETE", None)], 5);
            }
        }
        for _ in 0..2000 {
            look(&[], 5);
        }
        look(
            &[event(
                "k2m-orders",
                "AWS::CloudFormation::Stack",
                "CREATE_COMPLETE",
                None,
            )],
            5,
        );
        assert!(lines < 50, "{lines}:\n{told}");
        // And nothing is missing.
        for number in 0..400 {
            let name = format!("Queue{number}");
            assert!(
                told.split(|c: char| !c.is_alphanumeric()).any(|word| word == name),
                "{name}"
            );
        }
    }
}

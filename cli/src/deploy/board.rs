//! One operation on one stack or several, as people see it: a tree with a part for each stack, drawn anew on a terminal, and lines elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::columns::fitted;
use super::names::Names;
use super::port::{Line, Look, StackEvent, User};
use super::progress::Progress;

/// The parts of the operation, in the order in which they come. It is shared by the machines of all regions.
#[derive(Debug, Default)]
pub struct Board(Mutex<Vec<Part>>);

/// What happens to one stack.
#[derive(Debug)]
struct Part {
    /// The stack and its region.
    title: String,
    /// Nothing while it waits for those before it.
    progress: Option<Progress>,
    /// When CloudFormation was done with it, for now.
    ended: Option<Duration>,
}

impl Board {
    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        // Nothing that holds it can fail half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the stacks that will come, in order.
    pub fn expect(&self, titles: impl IntoIterator<Item = String>) {
        let mut parts = self.parts();
        for title in titles {
            if parts.iter().all(|part| part.title != title) {
                parts.push(Part {
                    title,
                    progress: None,
                    ended: None,
                });
            }
        }
    }

    /// CloudFormation begins with a stack, or begins with it again.
    pub fn begin(&self, title: &str, names: &Names, now: Duration) {
        self.expect([title.to_owned()]);
        let mut parts = self.parts();
        for part in parts.iter_mut().filter(|part| part.title == title) {
            part.ended = None;
            match &mut part.progress {
                Some(progress) => progress.again(names.clone(), now),
                none => *none = Some(Progress::new(names.clone(), now)),
            }
        }
    }

    /// Takes in what happened to a stack: the lines that tell it.
    pub fn happened(&self, title: &str, events: &[StackEvent], now: Duration) -> Vec<String> {
        let mut parts = self.parts();
        let part = parts.iter_mut().find(|part| part.title == title);
        let progress = part.and_then(|part| part.progress.as_mut());
        progress.map(|progress| progress.lines(events, now)).unwrap_or_default()
    }

    /// CloudFormation is done with a stack.
    pub fn end(&self, title: &str, now: Duration) {
        let mut parts = self.parts();
        for part in parts.iter_mut().filter(|part| part.title == title) {
            part.ended = Some(now);
        }
    }

    /// All parts as they stand `now`, in at most so many columns and rows: what is done or waits is a line, and what is under way has the rest.
    pub fn tree(&self, now: Duration, columns: usize, rows: usize) -> Vec<Line> {
        let parts = self.parts();
        let folded = parts.iter().filter(|part| part.is_folded()).count();
        let open = (parts.len() - folded).max(1);
        let room = (rows.saturating_sub(folded) / open).max(1);
        let lines = parts
            .iter()
            .flat_map(|part| part.lines(now, columns, room, part.is_folded()));
        lines.take(rows).collect()
    }

    /// What was drawn stays, whole, above what comes next.
    pub fn finish(&self, user: &dyn User, now: Duration) {
        let parts = std::mem::take(&mut *self.parts());
        let Some((columns, _)) = user.canvas() else { return };
        user.draw(&[]);
        if parts.iter().all(|part| part.progress.is_none()) {
            return;
        }
        for part in &parts {
            for line in part.lines(now, columns.saturating_sub(1), usize::MAX, false) {
                user.tell_line(&line);
            }
        }
    }
}

impl Part {
    /// Whether its line is enough.
    fn is_folded(&self) -> bool {
        let failed = self.progress.as_ref().is_some_and(Progress::failed);
        self.progress.is_none() || (self.ended.is_some() && !failed)
    }

    fn lines(&self, now: Duration, columns: usize, rows: usize, folded: bool) -> Vec<Line> {
        let Some(progress) = &self.progress else {
            let text = fitted(&format!("{}: waiting", self.title), "", columns);
            return vec![Line::new(Look::Faint, text)];
        };
        let rows = if folded { 1 } else { rows };
        let mut lines = progress.tree(&self.title, self.ended.unwrap_or(now), columns, rows);
        if folded {
            lines.truncate(1);
            for line in &mut lines {
                line.look = Look::Good;
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    fn event(logical_id: &str, kind: &str, status: &str, reason: Option<&str>) -> StackEvent {
        StackEvent {
            id: format!("{logical_id}-{status}"),
            logical_id: logical_id.to_owned(),
            physical_id: format!("arn:aws:cloudformation:eu-west-1:123456789012:stack/{logical_id}/1"),
            resource_type: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn two_stacks_are_one_tree_also_when_they_are_rolled_back() {
        const STACK: &str = "AWS::CloudFormation::Stack";
        let seconds = Duration::from_secs;
        let (network, main) = ("k2m-network-vpc-0a in eu-west-1", "k2m-orders in eu-central-1");
        let board = Board::default();
        let mut text = String::new();
        let mut show = |when: &str, now: u64, rows: usize| {
            writeln!(text, "== {when}").unwrap();
            let lines = board.tree(seconds(now), 79, rows);
            assert!(lines.len() <= rows, "{lines:?}");
            for line in lines {
                assert!(line.text.width() <= 79, "{}", line.text);
                writeln!(text, "{:5}|{}", format!("{:?}", line.look), line.text).unwrap();
            }
        };
        board.expect([network.to_owned(), main.to_owned()]);
        show("nothing has begun", 0, 20);
        board.begin(network, &Names::default(), seconds(2));
        board.happened(
            network,
            &[
                event("k2m-network-vpc-0a", STACK, "CREATE_IN_PROGRESS", None),
                event("Peering", "AWS::EC2::VPCPeeringConnection", "CREATE_IN_PROGRESS", None),
            ],
            seconds(4),
        );
        show("the first is under way", 9, 20);
        board.happened(
            network,
            &[
                event("Peering", "AWS::EC2::VPCPeeringConnection", "CREATE_COMPLETE", None),
                event("k2m-network-vpc-0a", STACK, "CREATE_COMPLETE", None),
            ],
            seconds(30),
        );
        board.end(network, seconds(30));
        board.begin(main, &Names::default(), seconds(40));
        board.happened(
            main,
            &[
                event("k2m-orders", STACK, "CREATE_IN_PROGRESS", None),
                event("Function", "AWS::Lambda::Function", "CREATE_FAILED", Some("no right")),
                event("k2m-orders", STACK, "ROLLBACK_IN_PROGRESS", None),
                event("k2m-orders", STACK, "ROLLBACK_COMPLETE", None),
            ],
            seconds(60),
        );
        show("the second is rolled back", 61, 20);
        board.end(main, seconds(62));
        board.begin(network, &Names::default(), seconds(63));
        board.happened(
            network,
            &[
                event("k2m-network-vpc-0a", STACK, "DELETE_IN_PROGRESS", None),
                event("Peering", "AWS::EC2::VPCPeeringConnection", "DELETE_IN_PROGRESS", None),
            ],
            seconds(64),
        );
        show("and then the first", 70, 20);
        show("in little room", 70, 6);
        insta::assert_snapshot!(text);
    }
}

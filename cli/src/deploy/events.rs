//! Which events of a stack belong to the operation that is being followed, each once and in order.

use super::port::{Fault, StackEvent, Stacks};

/// More pages than any operation has: 100 events a page.
const MOST_PAGES: usize = 100;

/// Where reading has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark(Option<String>);

/// The newest event of a stack: what comes after it belongs to the next operation.
pub async fn newest(stacks: &dyn Stacks, stack: &str) -> Result<Mark, Fault> {
    let page = stacks.events(stack, None).await?;
    Ok(Mark(page.events.into_iter().next().map(|event| event.id)))
}

/// The event before the operation that is under way began: what comes after it belongs to that operation.
pub async fn before_operation(stacks: &dyn Stacks, stack: &str) -> Result<Mark, Fault> {
    let mut page = None;
    let mut begun = false;
    for _ in 0..MOST_PAGES {
        let answer = stacks.events(stack, page).await?;
        for event in answer.events {
            if begun {
                return Ok(Mark(Some(event.id)));
            }
            begun = begins(&event);
        }
        page = answer.next;
        if page.is_none() {
            break;
        }
    }
    Ok(Mark(None))
}

/// Whether it says that somebody began an operation on the whole stack.
fn begins(event: &StackEvent) -> bool {
    event.of_stack()
        && matches!(
            event.status.as_str(),
            "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "IMPORT_IN_PROGRESS"
        )
}

/// What happened after the mark, in order; the mark moves on.
pub async fn since(stacks: &dyn Stacks, stack: &str, mark: &mut Mark) -> Result<Vec<StackEvent>, Fault> {
    let mut found = Vec::new();
    let mut page = None;
    'pages: for _ in 0..MOST_PAGES {
        let answer = stacks.events(stack, page).await?;
        for event in answer.events {
            if mark.0.as_deref() == Some(event.id.as_str()) {
                break 'pages;
            }
            found.push(event);
        }
        page = answer.next;
        if page.is_none() {
            break;
        }
    }
    found.reverse();
    if let Some(last) = found.last() {
        mark.0 = Some(last.id.clone());
    }
    Ok(found)
}

impl StackEvent {
    /// Whether it is about the stack itself.
    pub fn of_stack(&self) -> bool {
        self.resource_type == "AWS::CloudFormation::Stack"
            && self.physical_id.contains(":stack/")
            && self.physical_id.split('/').nth(1) == Some(self.logical_id.as_str())
    }
}

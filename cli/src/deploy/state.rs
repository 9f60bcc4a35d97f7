//! What comes next for a stack in each of its states. Pure.

use std::fmt;

/// The statuses of a stack, in CloudFormation's words.
macro_rules! statuses {
    ($($variant:ident = $word:literal,)*) => {
        /// A stack's status.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the words are CloudFormation's")]
        pub enum Status {
            $($variant,)*
            /// A word that this k2m doesn't know.
            Unknown(String),
        }

        impl Status {
            /// Every status that CloudFormation documents.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The status of that word.
            pub fn parse(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Unknown(other.to_owned()),
                }
            }

            /// CloudFormation's word.
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Unknown(word) => word,
                }
            }
        }
    };
}

statuses! {
    CreateInProgress = "CREATE_IN_PROGRESS",
    CreateFailed = "CREATE_FAILED",
    CreateComplete = "CREATE_COMPLETE",
    RollbackInProgress = "ROLLBACK_IN_PROGRESS",
    RollbackFailed = "ROLLBACK_FAILED",
    RollbackComplete = "ROLLBACK_COMPLETE",
    DeleteInProgress = "DELETE_IN_PROGRESS",
    DeleteFailed = "DELETE_FAILED",
    DeleteComplete = "DELETE_COMPLETE",
    UpdateInProgress = "UPDATE_IN_PROGRESS",
    UpdateCompleteCleanupInProgress = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    UpdateComplete = "UPDATE_COMPLETE",
    UpdateFailed = "UPDATE_FAILED",
    UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS",
    UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED",
    UpdateRollbackCompleteCleanupInProgress = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE",
    ReviewInProgress = "REVIEW_IN_PROGRESS",
    ImportInProgress = "IMPORT_IN_PROGRESS",
    ImportComplete = "IMPORT_COMPLETE",
    ImportRollbackInProgress = "IMPORT_ROLLBACK_IN_PROGRESS",
    ImportRollbackFailed = "IMPORT_ROLLBACK_FAILED",
    ImportRollbackComplete = "IMPORT_ROLLBACK_COMPLETE",
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Status {
    /// Whether CloudFormation is at work. A stack in review waits for somebody, not for CloudFormation.
    pub fn in_progress(&self) -> bool {
        self.word().ends_with("_IN_PROGRESS") && *self != Self::ReviewInProgress
    }
}

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The stack as the plan has it.
    Deploy,
    /// No stack.
    Destroy,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A change set that creates the stack.
    Create,
    /// The same, after what an earlier run left is taken away.
    Resume,
    /// A change set that updates the stack.
    Update,
    /// Delete the stack and create it again: it never worked, and can't be updated.
    Replace,
    /// Follow CloudFormation until it is done, then look again.
    Wait,
    /// Go on with the rollback that failed, then look again.
    ContinueRollback,
    /// Roll back the update that failed, then look again.
    RollBack,
    /// Delete the stack.
    Delete,
    /// There is no stack, and none is wanted.
    Nothing,
    /// Nothing may be done.
    Refuse(Refusal),
}

/// Why nothing may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The stack is not k2m's.
    Foreign,
    /// An import failed, and so did its rollback.
    ImportRollbackFailed,
    /// The status is none that this k2m knows.
    Unknown,
}

/// The next step for a stack of this status, or for no stack. `ours`: whether k2m made it.
pub fn next(goal: Goal, stack: Option<(&Status, bool)>) -> Step {
    use Status as S;
    let absent = match goal {
        Goal::Deploy => Step::Create,
        Goal::Destroy => Step::Nothing,
    };
    let Some((status, ours)) = stack.filter(|(status, _)| **status != S::DeleteComplete) else {
        return absent;
    };
    if !ours {
        return Step::Refuse(Refusal::Foreign);
    }
    if status.in_progress() && !matches!(status, S::Unknown(_)) {
        return Step::Wait;
    }
    match (goal, status) {
        (_, S::Unknown(_)) => Step::Refuse(Refusal::Unknown),
        (Goal::Destroy, _) => Step::Delete,
        (Goal::Deploy, S::ReviewInProgress) => Step::Resume,
        (Goal::Deploy, S::CreateFailed | S::RollbackFailed | S::RollbackComplete | S::DeleteFailed) => Step::Replace,
        (Goal::Deploy, S::UpdateRollbackFailed) => Step::ContinueRollback,
        (Goal::Deploy, S::UpdateFailed) => Step::RollBack,
        (Goal::Deploy, S::ImportRollbackFailed) => Step::Refuse(Refusal::ImportRollbackFailed),
        // What is in progress or gone was handled above.
        (Goal::Deploy, _) => Step::Update,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every status, for k2m's own stack: what deploy does, what destroy does.
    #[test]
    fn every_status_has_its_next_step() {
        use Refusal as R;
        use Step as T;
        let table = [
            ("CREATE_IN_PROGRESS", T::Wait, T::Wait),
            ("CREATE_FAILED", T::Replace, T::Delete),
            ("CREATE_COMPLETE", T::Update, T::Delete),
            ("ROLLBACK_IN_PROGRESS", T::Wait, T::Wait),
            ("ROLLBACK_FAILED", T::Replace, T::Delete),
            ("ROLLBACK_COMPLETE", T::Replace, T::Delete),
            ("DELETE_IN_PROGRESS", T::Wait, T::Wait),
            ("DELETE_FAILED", T::Replace, T::Delete),
            ("DELETE_COMPLETE", T::Create, T::Nothing),
            ("UPDATE_IN_PROGRESS", T::Wait, T::Wait),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", T::Wait, T::Wait),
            ("UPDATE_COMPLETE", T::Update, T::Delete),
            ("UPDATE_FAILED", T::RollBack, T::Delete),
            ("UPDATE_ROLLBACK_IN_PROGRESS", T::Wait, T::Wait),
            ("UPDATE_ROLLBACK_FAILED", T::ContinueRollback, T::Delete),
            ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", T::Wait, T::Wait),
            ("UPDATE_ROLLBACK_COMPLETE", T::Update, T::Delete),
            ("REVIEW_IN_PROGRESS", T::Resume, T::Delete),
            ("IMPORT_IN_PROGRESS", T::Wait, T::Wait),
            ("IMPORT_COMPLETE", T::Update, T::Delete),
            ("IMPORT_ROLLBACK_IN_PROGRESS", T::Wait, T::Wait),
            ("IMPORT_ROLLBACK_FAILED", T::Refuse(R::ImportRollbackFailed), T::Delete),
            ("IMPORT_ROLLBACK_COMPLETE", T::Update, T::Delete),
        ];
        let words: Vec<&str> = Status::ALL.iter().map(Status::word).collect();
        assert_eq!(table.map(|row| row.0).as_slice(), words, "one row for each status");
        for (word, deploy, destroy) in table {
            let status = Status::parse(word);
            assert_eq!(status.word(), word);
            assert_eq!(next(Goal::Deploy, Some((&status, true))), deploy, "deploy, {word}");
            assert_eq!(next(Goal::Destroy, Some((&status, true))), destroy, "destroy, {word}");
            // Another tool's stack is never touched, whatever its status; a deleted one is nobody's.
            let foreign = if status == Status::DeleteComplete {
                (T::Create, T::Nothing)
            } else {
                (T::Refuse(R::Foreign), T::Refuse(R::Foreign))
            };
            assert_eq!(next(Goal::Deploy, Some((&status, false))), foreign.0, "{word}");
            assert_eq!(next(Goal::Destroy, Some((&status, false))), foreign.1, "{word}");
        }
    }

    #[test]
    fn no_stack_and_an_unknown_status() {
        assert_eq!(next(Goal::Deploy, None), Step::Create);
        assert_eq!(next(Goal::Destroy, None), Step::Nothing);
        for word in ["SOMETHING_NEW", "SOMETHING_IN_PROGRESS"] {
            let status = Status::parse(word);
            for goal in [Goal::Deploy, Goal::Destroy] {
                assert_eq!(
                    next(goal, Some((&status, true))),
                    Step::Refuse(Refusal::Unknown),
                    "{word}"
                );
            }
        }
    }
}

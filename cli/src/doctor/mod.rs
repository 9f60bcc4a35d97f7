//! Says which hop, right or topic is broken, and how to mend it: a list of checks over facts. Pure: no check calls AWS. A check is one line of
//! [`CHECKS`] and one function; a check that can't be made is shown with its reason.

mod acls;
mod artifact;
mod authentication;
mod backlog;
mod case;
mod certificate;
mod contradiction;
mod creation;
mod destination;
mod drawn;
mod drift;
mod foreign;
mod function;
pub(crate) mod history;
pub mod html;
mod load;
mod log;
mod lost;
mod manager;
mod markdown;
mod mask;
pub mod mend;
mod names;
mod network;
mod pages;
mod planned;
mod probe;
mod reading;
mod regions;
mod replicas;
mod report;
mod rights;
mod role;
mod rules;
mod secret;
mod size;
mod source;
mod steps;
mod subnets;
mod table;
pub mod text;
mod topic;
mod waiting;
mod whole;

use std::cell::RefCell;

use serde::Serialize;

use self::case::{Case, NOT_MSK, Server};
pub use self::contradiction::{Contradiction, contradicted};
use self::drift::Drift;
use self::foreign::FOREIGN;
pub use self::pages::{Contents, Entry, Page};
pub(crate) use self::probe::{fails_before, reached, said_of};
pub(crate) use self::report::DRIFT;
use self::report::Judged;
pub use self::report::{Cause, Checked, Examined, Health, Left, PipelineReport, Report};
use self::table::{CHECKS, Check, FUNCTION_SAYS, OPENS, apart};
pub(crate) use self::topic::brokers_make_topics;
use crate::facts::{Facts, PipelineFacts, Unreadable};
use crate::plan::{Plan, PlanError, plan};
use crate::settings::{PipelineSettings, Settings};

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum Outcome {
    /// It is as it should be.
    Pass {
        /// What was seen, a line each; never empty.
        evidence: Vec<String>,
    },
    /// It works, but should be looked at.
    Warn {
        /// What was seen, a line each; never empty.
        evidence: Vec<String>,
        /// How to mend it, a step each.
        fix: Vec<String>,
    },
    /// It is broken.
    Fail {
        /// What was seen, a line each; never empty.
        evidence: Vec<String>,
        /// How to mend it, a step each; never empty.
        fix: Vec<String>,
    },
    /// There is nothing to judge.
    Skip {
        /// Why.
        why: String,
    },
    /// The facts don't say.
    #[serde(rename_all = "camelCase")]
    Unknown {
        /// What isn't known.
        why: String,
        /// The IAM action to allow, where a right is what is missing.
        #[serde(skip_serializing_if = "Option::is_none")]
        missing_action: Option<String>,
    },
}

/// The trouble of what fails.
const FAILS: u8 = 2;

impl Outcome {
    fn pass(evidence: impl Into<String>) -> Self {
        Self::Pass {
            evidence: vec![evidence.into()],
        }
    }

    fn warn(evidence: impl Into<String>, fix: impl Into<Steps>) -> Self {
        Self::Warn {
            evidence: vec![evidence.into()],
            fix: fix.into().0,
        }
    }

    fn fail(evidence: impl Into<String>, fix: impl Into<Steps>) -> Self {
        Self::Fail {
            evidence: vec![evidence.into()],
            fix: fix.into().0,
        }
    }

    fn skip(why: impl Into<String>) -> Self {
        Self::Skip { why: why.into() }
    }

    /// How bad it is. Of what fails now, not to know it to fail is better.
    const fn trouble(&self) -> u8 {
        match self {
            Self::Pass { .. } => 0,
            Self::Warn { .. } | Self::Skip { .. } | Self::Unknown { .. } => 1,
            Self::Fail { .. } => FAILS,
        }
    }

    fn unreadable(why: &Unreadable) -> Self {
        Self::Unknown {
            why: format!("it could not be read: {}", rights::told(why)),
            missing_action: why.missing_action.clone(),
        }
    }
}

/// Steps that mend something: a command alone, to be run as it stands, or what to do in words.
struct Steps(Vec<String>);

impl From<&str> for Steps {
    fn from(step: &str) -> Self {
        Self(vec![step.to_owned()])
    }
}

impl From<String> for Steps {
    fn from(step: String) -> Self {
        Self(vec![step])
    }
}

impl From<Vec<String>> for Steps {
    fn from(steps: Vec<String>) -> Self {
        Self(steps)
    }
}

impl<const N: usize> From<[String; N]> for Steps {
    fn from(steps: [String; N]) -> Self {
        Self(steps.into())
    }
}

/// Judges each pipeline by the facts that were taken of it.
pub fn examine(settings: &Settings, facts: &Facts) -> Report {
    let read = drift::read(&facts.stack);
    // What is there before anything is deployed is what a deployment would find.
    let planned = (facts.stack.is_absent()).then(|| plan(settings, facts));
    let pipelines = settings.pipelines.iter().map(|pipeline| Examined {
        stream: pipeline.stream.value.name().to_owned(),
        report: examine_one(settings, pipeline, facts, &read, planned.as_ref()),
    });
    Report::new(pipelines.collect(), facts, steps::Whose::of(settings))
}

fn examine_one(
    settings: &Settings,
    pipeline: &PipelineSettings,
    facts: &Facts,
    read: &drift::Read<'_>,
    planned: Option<&Result<Plan, PlanError>>,
) -> PipelineReport {
    let seen = facts.pipelines.get(pipeline.stream.value.as_str());
    let seen = seen.unwrap_or(&PipelineFacts::NOTHING);
    let drift = match seen.foreign {
        Some(_) => Drift::Unknown(Outcome::skip(format!(
            "{FOREIGN}: it has no template of k2m's to compare with"
        ))),
        None => Drift::of(read, seen),
    };
    let offered = RefCell::default();
    let case = Case {
        settings,
        pipeline,
        facts,
        seen,
        drift: &drift,
        planned: planned.filter(|_| seen.foreign.is_none()),
        offered: &offered,
    };
    let judged: Vec<Judged> = CHECKS.iter().map(|check| judged(check, &case)).collect();
    PipelineReport::new(&judged, case.deployment())
}

/// Makes a check. Where all was well if the stack's template still held, what was changed outside the stack is what is said, and the fix takes
/// that back: a deployment would not.
fn judged(check: &'static Check, case: &Case<'_>) -> Judged {
    // Each check offers what its own steps say.
    let offered = RefCell::default();
    let case = &Case {
        offered: &offered,
        ..*case
    };
    let judge = |seen: &PipelineFacts| (check.judge)(&Case { seen, ..*case });
    let mut outcome = judge(case.seen);
    let mut changes = Vec::new();
    let stopped_by = planned::stopped_by(case);
    let only_after = probe::only_after(case).filter(|_| check.code == probe::WAY);
    let trouble = outcome.trouble();
    let (Outcome::Warn { evidence, fix } | Outcome::Fail { evidence, fix }) = &mut outcome else {
        return Judged {
            check,
            outcome: outcome.in_lines(),
            changes,
            only_after,
            stopped_by,
            apart: &[],
            mends: Vec::new(),
            all_done: false,
        };
    };
    match case.drift {
        Drift::Known(known) if known.count() > 0 => {
            let undone = |which: &dyn Fn(usize) -> bool| judge(&known.undone(case.seen, which)).trouble();
            let cured = undone(&|_| true);
            if cured < trouble {
                let all = 0..known.count();
                let needed = |index: &usize| undone(&|other| other != *index) != cured;
                // What the check speaks of has its part in it, too.
                let words = |which: usize| judge(&known.undone(case.seen, |other| other == which));
                let spoken_of = |index: &usize| words(*index).parts().1 != evidence.as_slice();
                changes = all.clone().filter(|index| needed(index) || spoken_of(index)).collect();
                if changes.is_empty() {
                    changes = all.collect();
                }
                changes = known.together(changes);
                let told = known.told(&changes);
                evidence.extend(told.map(|difference| format!("changed outside the stack: {difference}")));
                *fix = known.commands(case, &changes);
            } else if OPENS.contains(&check.code)
                && let groups @ [_, ..] = known.together(known.groups()).as_slice()
                && let taken_back = judge(&known.undone(case.seen, |index| groups.contains(&index)))
                && let (_, left, rest) = taken_back.parts()
                && (left, rest) != (evidence.as_slice(), fix.as_slice())
            {
                // What the groups lack that the function is not meant to have is not to be opened.
                let same = left == evidence.as_slice();
                evidence.truncate(1);
                let told = known.told(groups);
                evidence.extend(told.map(|difference| format!("changed outside the stack: {difference}")));
                let then = left.iter().filter(|_| !same);
                evidence.extend(then.map(|line| format!("with that taken back: {line}")));
                *fix = known.commands(case, groups);
                if !rest.is_empty() {
                    fix.push("to mend what is left then:".to_owned());
                    fix.extend(rest.iter().cloned());
                }
                changes = groups.to_vec();
            } else if FUNCTION_SAYS.contains(&check.code) && trouble == FAILS {
                // What the function said stays said: that it was told something else since the deployment may be why.
                changes = known.variables();
                let told = known.told(&changes);
                evidence.extend(
                    told.map(|difference| format!("changed outside the stack, which may be why: {difference}")),
                );
                if !changes.is_empty() {
                    let or = "where that was not why:".to_owned();
                    let own = std::mem::take(fix);
                    fix.extend(known.commands(case, &changes).into_iter().chain([or]).chain(own));
                }
            }
        }
        Drift::Unknown(Outcome::Unknown { missing_action, .. })
            if fix.iter().any(|step| step.contains("k2m deploy")) =>
        {
            let allow = missing_action
                .as_ref()
                .map(|action| format!("allow {action} and "))
                .unwrap_or_default();
            fix.push(format!(
                "if k2m deploy says that nothing changes, it was changed outside the stack: {allow}ask again"
            ));
        }
        _ => {}
    }
    let (mends, all_done) = mend::done_by_k2m(fix, &case.offered.borrow());
    let whose = steps::Whose::of(case.settings);
    for step in fix.iter_mut() {
        *step = steps::with_whose(step, &whose);
    }
    Judged {
        check,
        outcome: outcome.in_lines(),
        changes,
        only_after,
        stopped_by,
        apart: if trouble == FAILS { apart(check.code, case) } else { &[] },
        mends,
        all_done,
    }
}

/// The value, or the outcome that stands in its place.
macro_rules! given {
    ($value:expr) => {
        match $value {
            Ok(value) => value,
            Err(outcome) => return outcome,
        }
    };
}
use given;

#[cfg(test)]
pub(crate) mod tests;

//! What doctor found: every check, and what is at the root. The same value for people and for programs.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use serde::{Serialize, Serializer};

use super::mend::{self, Mend};
use super::steps::{Whose, with_whose};
use super::table::SYMPTOMS;
use super::whole::NOT_HERE;
use super::{Check, Outcome};
use crate::exit::Exit;
use crate::facts::Facts;

/// Each pipeline with its checks, and the whole in a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The worst of the pipelines.
    pub health: Health,
    /// Each pipeline, in the user's order; never empty.
    pub pipelines: Vec<Examined>,
    /// IAM actions to allow, so that all could be read and judged: also of what no check misses.
    pub missing_actions: BTreeSet<String>,
    /// What its commands say of whose account they are about.
    pub(super) whose: Whose,
}

/// A pipeline that was examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Examined {
    /// The stream's name.
    pub stream: String,
    /// What was found.
    #[serde(flatten)]
    pub report: PipelineReport,
}

/// Every check with its outcome, and what follows from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineReport {
    /// The whole in a word.
    pub health: Health,
    /// What is broken of itself, in the order of the way: the first is the first to mend. Empty unless something is broken.
    pub causes: Vec<Cause>,
    /// Every check, in the order of the way.
    pub checks: Vec<Checked>,
    /// A deployment as it is, which adds to the stack what is missing in it.
    #[serde(skip)]
    pub deployment: Option<Mend>,
}

/// The whole in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    /// No check failed, and all that was to be judged could be.
    Healthy,
    /// No check failed, but not all could be judged.
    Unknown,
    /// A check failed.
    Broken,
}

impl Health {
    /// The exit code for it.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Healthy => Exit::Fine,
            Self::Broken => Exit::Failed,
            Self::Unknown => Exit::CouldNotTell,
        }
    }
}

/// A check that failed of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// Its code.
    pub code: &'static str,
    /// What users and logs say of it; empty where they say nothing of their own.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub seen_as: &'static str,
    /// Codes of checks that also failed and may well follow from it, and of those that warn of nothing else.
    pub explains: Vec<&'static str>,
}

/// A check that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Its code, such as `K2M-N02`.
    pub code: &'static str,
    /// What should be so.
    pub title: &'static str,
    /// What it says.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Codes of checks that already say all that this one warns of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said_by: Vec<&'static str>,
    /// The steps of its fix that k2m can do itself.
    #[serde(skip)]
    pub mends: Vec<Mend>,
    /// Whether these are all that it takes.
    #[serde(skip)]
    pub all_done: bool,
}

/// A check with its outcome, and which changes outside the stack are at its root.
pub(super) struct Judged {
    pub(super) check: &'static Check,
    pub(super) outcome: Outcome,
    /// Their numbers.
    pub(super) changes: Vec<usize>,
    /// All that it may follow from, where that is less than its check says.
    pub(super) only_after: Option<Vec<&'static str>>,
    /// The check that says why nothing can be deployed, where nothing is and nothing can be.
    pub(super) stopped_by: Option<&'static str>,
    /// Checks that it does not follow from, though others of its code do.
    pub(super) apart: &'static [&'static str],
    /// The steps of its fix that k2m can do itself.
    pub(super) mends: Vec<Mend>,
    /// Whether these are all that it takes.
    pub(super) all_done: bool,
}

/// A cause that k2m does not mend, or not in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// The stream's name.
    pub stream: String,
    /// The check's code.
    pub code: &'static str,
    /// What is broken.
    pub says: String,
    /// Why k2m does not mend it.
    pub why: &'static str,
    /// How a person does, a step each.
    pub fix: Vec<String>,
}

impl Report {
    /// What the exit codes mean, in the order of the documentation.
    pub const EXITS: [(Exit, &'static str); 4] = [
        (
            Exit::Fine,
            "healthy: nothing is broken and all could be judged; warnings are allowed",
        ),
        (Exit::Failed, "something is broken, or nothing is deployed"),
        (Exit::Usage, "the command line or k2m.yaml is wrong"),
        (
            Exit::CouldNotTell,
            "nothing is known to be broken, but not all could be judged",
        ),
    ];

    pub(super) fn new(pipelines: Vec<Examined>, facts: &Facts, whose: Whose) -> Self {
        let any = |health| pipelines.iter().any(|examined| examined.report.health == health);
        let health = if any(Health::Broken) {
            Health::Broken
        } else if any(Health::Unknown) {
            Health::Unknown
        } else {
            Health::Healthy
        };
        let unread = facts.unreadable();
        let unread = unread.iter().filter_map(|(_, why)| why.missing_action.as_deref());
        let judged = pipelines.iter().flat_map(|examined| examined.report.missing_actions());
        let missing_actions = unread.chain(judged).map(str::to_owned).collect();
        Self {
            health,
            pipelines,
            missing_actions,
            whose,
        }
    }

    /// The command that does the same as a mend of this report, with what says whose account it is about.
    pub fn command(&self, mend: &Mend) -> String {
        with_whose(&mend.to_string(), &self.whose)
    }

    /// The exit code that it ends with.
    pub const fn exit(&self) -> Exit {
        self.health.exit()
    }

    /// How many there are of each health.
    pub(super) fn counts(&self) -> String {
        let count = |health| {
            let of_it = self
                .pipelines
                .iter()
                .filter(|examined| examined.report.health == health);
            of_it.count()
        };
        let each = [
            (Health::Healthy, "healthy"),
            (Health::Broken, "broken"),
            (Health::Unknown, "not known to be broken, but not all could be judged"),
        ];
        let each = each.map(|(health, word)| (count(health), word));
        let each = each
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"));
        format!(
            "{} pipelines: {}.",
            self.pipelines.len(),
            each.collect::<Vec<_>>().join(", ")
        )
    }

    /// What k2m can mend, in the order in which it is to be done: what is broken of itself, the first cause first, then all that was changed outside the
    /// stack.
    pub fn mends(&self) -> Vec<Mend> {
        let of_pipeline = |examined: &Examined| {
            let report = &examined.report;
            let causes = report.causes.iter().filter_map(|cause| report.check(cause.code));
            let causes = causes.flat_map(|check| {
                // What a stack lacks on the way to the brokers a deployment adds, if it has something to add.
                let adds = report
                    .deployment
                    .clone()
                    .filter(|_| check.code == WAY && check.mends.is_empty());
                check.mends.clone().into_iter().chain(adds).collect::<Vec<_>>()
            });
            let drift = report.check(DRIFT).map(|check| check.mends.clone());
            // What somebody deleted of the stack is made again, also where the pipeline still works.
            let warned = report
                .checks
                .iter()
                .filter(|check| matches!(check.outcome, Outcome::Warn { .. }));
            let gone = warned.flat_map(|check| check.mends.iter().filter(|mend| matches!(mend, Mend::Remake(_))));
            let gone: Vec<Mend> = gone.cloned().collect();
            causes
                .chain(drift.into_iter().flatten())
                .chain(gone)
                .collect::<Vec<_>>()
        };
        mend::gathered(self.pipelines.iter().flat_map(of_pipeline))
    }

    /// What is broken and k2m does not mend, or not in all; once it was `tried` to mend it, all that is still broken.
    pub fn left(&self, tried: bool) -> Vec<Left> {
        let of_pipeline = |examined: &Examined| {
            let Examined { stream, report } = examined;
            let causes = report.causes.iter().filter_map(|cause| report.check(cause.code));
            let left = causes.filter_map(|check| {
                let (_, evidence, fix) = check.outcome.parts();
                let any = |program: &str| fix.iter().any(|step| step.starts_with(program));
                let why = match (check.all_done, check.mends.is_empty()) {
                    (false, _) if any(NOT_HERE) => {
                        "a deployment from here would take other pipelines of the stack away, or change them"
                    }
                    (false, true) if any("set `") => "it is a setting of one pipeline in its file, which k2m does not change",
                    (true, _) if tried => "what k2m can do about it was not enough, or would change nothing",
                    (true, _) => return None,
                    (false, false) => "k2m does a part of it, and the rest is not its stack's to change",
                    (false, true) if any("k2m destroy") || any("take the pipeline") => {
                        "making it again loses the position in the stream, and where to begin nobody but you can say"
                    }
                    (false, true) if check.code == WAY => {
                        "k2m changes nothing that is not of its stack; it deploys where a deployment would add something to that"
                    }
                    (false, true) if any("aws ") || any("kafka-") => {
                        "it is not of k2m's stack, so k2m does not change it"
                    }
                    (false, true) if any("k2m ") => "something has to be done or decided first that k2m leaves to you",
                    (false, true) => "no command mends it",
                };
                Some(Left {
                    stream: stream.clone(),
                    code: check.code,
                    says: evidence.first().cloned().unwrap_or_default(),
                    why,
                    fix: fix.to_vec(),
                })
            });
            left.collect::<Vec<_>>()
        };
        self.pipelines.iter().flat_map(of_pipeline).collect()
    }
}

/// One pipeline alone is told as if there could be no other.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Several<'a> {
            health: Health,
            pipelines: &'a [Examined],
        }
        match self.pipelines.as_slice() {
            [one] => one.report.serialize(serializer),
            many => Several {
                health: self.health,
                pipelines: many,
            }
            .serialize(serializer),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.pipelines.as_slice() {
            return one
                .report
                .told(f, &self.missing_actions.iter().map(String::as_str).collect());
        }
        for Examined { stream, report } in &self.pipelines {
            // Of many pipelines those that are well in all would hide the others.
            let well = |check: &Checked| matches!(check.outcome, Outcome::Pass { .. });
            if report.checks.iter().all(well) {
                writeln!(
                    f,
                    "== the pipeline of {stream}: {} checks, all pass",
                    report.checks.len()
                )?;
                continue;
            }
            writeln!(f, "== the pipeline of {stream}")?;
            report.fmt(f)?;
            writeln!(f)?;
        }
        let of_checks: BTreeSet<&str> = self
            .pipelines
            .iter()
            .flat_map(|one| one.report.missing_actions())
            .collect();
        if of_checks.len() < self.missing_actions.len() {
            let actions: Vec<&str> = self.missing_actions.iter().map(String::as_str).collect();
            writeln!(f, "To have all of it judged, allow: {}", actions.join(", "))?;
        }
        writeln!(f, "{}", self.counts())
    }
}

impl PipelineReport {
    pub(super) fn new(judged: &[Judged], deployment: Option<Mend>) -> Self {
        let failed: Vec<&Check> = judged
            .iter()
            .filter(|judged| matches!(judged.outcome, Outcome::Fail { .. }))
            .map(|judged| judged.check)
            .collect();
        let stopped_by = judged.iter().find_map(|judged| judged.stopped_by);
        let follows = |check: &Check, from: &Check| {
            let stopped = check.code == STACK && stopped_by == Some(from.code);
            let mut judged = judged.iter();
            let judged = judged.find(|judged| judged.check.code == check.code);
            let after = judged.and_then(|judged| judged.only_after.as_deref());
            let apart = judged.is_some_and(|judged| judged.apart.contains(&from.code));
            (after.unwrap_or(check.after).contains(&from.code) && !apart) || stopped
        };
        let roots = || {
            failed
                .iter()
                .filter(|check| !failed.iter().any(|other| follows(check, other)))
        };
        let shown = |judged: &Judged| match judged.outcome {
            Outcome::Fail { .. } => roots().any(|root| root.code == judged.check.code),
            _ => true,
        };
        let said_by = said_by(judged, shown);
        // What warns of nothing but what is told before it.
        let is_symptom =
            |judged: &Judged| matches!(judged.outcome, Outcome::Warn { .. }) && SYMPTOMS.contains(&judged.check.code);
        let told: Vec<&Check> = judged
            .iter()
            .filter(|judged| {
                matches!(judged.outcome, Outcome::Fail { .. } | Outcome::Warn { .. }) && !is_symptom(judged)
            })
            .map(|judged| judged.check)
            .collect();
        let told_by = |judged: &Judged| -> Vec<&'static str> {
            let by = told
                .iter()
                .filter(|check| is_symptom(judged) && follows(judged.check, check));
            by.map(|check| check.code).collect()
        };
        let causes: Vec<Cause> = roots()
            .map(|cause| Cause {
                code: cause.code,
                seen_as: cause.seen_as,
                explains: failed
                    .iter()
                    .filter(|check| follows(check, cause))
                    .map(|check| check.code)
                    .chain(
                        judged
                            .iter()
                            .filter(|judged| told_by(judged).contains(&cause.code))
                            .map(|judged| judged.check.code),
                    )
                    .chain(said_by.contains(&cause.code).then_some(DRIFT))
                    .collect(),
            })
            .collect();
        let unknown = judged
            .iter()
            .any(|judged| matches!(judged.outcome, Outcome::Unknown { .. }));
        Self {
            health: match (failed.is_empty(), unknown) {
                (false, _) => Health::Broken,
                (true, true) => Health::Unknown,
                (true, false) => Health::Healthy,
            },
            causes,
            checks: judged
                .iter()
                .map(|judged| Checked {
                    mends: judged.mends.clone(),
                    all_done: judged.all_done,
                    code: judged.check.code,
                    title: judged.check.title,
                    outcome: judged.outcome.clone(),
                    said_by: if judged.check.code == DRIFT {
                        said_by.clone()
                    } else {
                        told_by(judged)
                    },
                })
                .collect(),
            deployment,
        }
    }

    /// IAM actions that its checks miss, in no order.
    pub(super) fn missing_actions(&self) -> impl Iterator<Item = &str> {
        self.checks.iter().filter_map(|check| match &check.outcome {
            Outcome::Unknown { missing_action, .. } => missing_action.as_deref(),
            _ => None,
        })
    }

    pub(super) fn check(&self, code: &str) -> Option<&Checked> {
        self.checks.iter().find(|check| check.code == code)
    }
}

/// The check that says that nothing is deployed.
const STACK: &str = "K2M-L01";

/// The check that lists every change outside the stack.
pub(crate) const DRIFT: &str = "K2M-L05";
/// The check of the way to the brokers.
const WAY: &str = "K2M-N02";

/// Checks, of those that are shown in full, that say of every change outside the stack what it does; none where the list has more.
fn said_by(judged: &[Judged], shown: impl Fn(&Judged) -> bool) -> Vec<&'static str> {
    let listed = judged.iter().find(|judged| judged.check.code == DRIFT);
    let listed = listed.map_or(0, |drift| match &drift.outcome {
        Outcome::Warn { evidence, .. } => evidence.len(),
        _ => 0,
    });
    let say: Vec<&Judged> = judged
        .iter()
        .filter(|judged| !judged.changes.is_empty() && shown(judged))
        .collect();
    let said: BTreeSet<usize> = say.iter().flat_map(|judged| &judged.changes).copied().collect();
    if said.len() < listed {
        return Vec::new();
    }
    say.iter().map(|judged| judged.check.code).collect()
}

/// A text in one line: what AWS, a function or a variable says must not look like a line of the report.
pub(super) fn in_one_line(text: &mut String) {
    let ends = |c: char| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    if text.contains(ends) {
        let lines: Vec<&str> = text
            .split(ends)
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        *text = lines.join(" ");
    }
}

impl Outcome {
    /// The same with each of its texts in one line.
    pub(super) fn in_lines(mut self) -> Self {
        match &mut self {
            Self::Pass { evidence } => evidence.iter_mut().for_each(in_one_line),
            Self::Warn { evidence, fix } | Self::Fail { evidence, fix } => {
                evidence.iter_mut().chain(fix).for_each(in_one_line);
            }
            Self::Skip { why } | Self::Unknown { why, .. } => in_one_line(why),
        }
        self
    }

    /// Its word for people.
    pub fn word(&self) -> &'static str {
        self.parts().0
    }

    /// The first that was seen, or why there is nothing to see.
    pub fn says(&self) -> &str {
        self.parts().1.first().map(String::as_str).unwrap_or_default()
    }

    /// The word, what was seen (a line each), and the steps that mend it.
    pub(super) fn parts(&self) -> (&'static str, &[String], &[String]) {
        match self {
            Self::Pass { evidence } => ("pass", evidence, &[]),
            Self::Warn { evidence, fix } => ("WARN", evidence, fix),
            Self::Fail { evidence, fix } => ("FAIL", evidence, fix),
            Self::Skip { why } => ("skip", std::slice::from_ref(why), &[]),
            Self::Unknown { why, .. } => ("????", std::slice::from_ref(why), &[]),
        }
    }
}

/// Most causes that are told ahead of the checks.
const AHEAD: usize = 3;

impl PipelineReport {
    /// What is broken of itself, in a sentence each: ahead of the checks, so that whoever sees only the beginning knows it.
    fn ahead(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, cause) in self.causes.iter().take(AHEAD).enumerate() {
            let begins = if number == 0 { "Broken" } else { "Also broken" };
            let Some(check) = self.check(cause.code) else { continue };
            let (_, evidence, _) = check.outcome.parts();
            let first = evidence.first().map(String::as_str).unwrap_or_default();
            writeln!(f, "{begins}: {first} ({})", cause.code)?;
            if !cause.seen_as.is_empty() {
                writeln!(f, "  seen as   {}", cause.seen_as)?;
            }
        }
        match self.causes.len().saturating_sub(AHEAD) {
            0 => Ok(()),
            more => writeln!(f, "and {more} more, below"),
        }
    }
}

impl Display for PipelineReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told(f, &self.missing_actions().collect())
    }
}

impl PipelineReport {
    /// All of it, for people. `actions`: IAM actions to allow where something could not be judged.
    fn told(&self, f: &mut fmt::Formatter<'_>, actions: &BTreeSet<&str>) -> fmt::Result {
        self.ahead(f)?;
        for check in &self.checks {
            check.fmt(f)?;
        }
        let warned = self
            .checks
            .iter()
            .filter(|check| matches!(check.outcome, Outcome::Warn { .. }) && check.said_by.is_empty());
        let unknown: Vec<&Checked> = self
            .checks
            .iter()
            .filter(|check| matches!(check.outcome, Outcome::Unknown { .. }))
            .collect();
        for (number, cause) in self.causes.iter().enumerate() {
            let begins = if number == 0 { "Broken" } else { "Also broken" };
            let Some(check) = self.check(cause.code) else { continue };
            details(f, begins, check)?;
            if !cause.seen_as.is_empty() {
                writeln!(f, "  seen as   {}", cause.seen_as)?;
            }
            if !cause.explains.is_empty() {
                writeln!(f, "  explains  {}", cause.explains.join(", "))?;
            }
        }
        for check in warned {
            details(f, "Worth a look", check)?;
        }
        if !unknown.is_empty() {
            let codes: Vec<&str> = unknown.iter().map(|check| check.code).collect();
            writeln!(f, "\nCould not be judged: {}", codes.join(", "))?;
            if !actions.is_empty() {
                let actions: Vec<&str> = actions.iter().copied().collect();
                writeln!(f, "  allow     {}", actions.join(", "))?;
            }
        }
        match self.health {
            Health::Healthy => writeln!(f, "\nHealthy."),
            Health::Unknown => writeln!(f, "\nNothing is known to be broken."),
            Health::Broken => Ok(()),
        }
    }
}

impl Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, evidence, _) = self.outcome.parts();
        let first = evidence.first().map(String::as_str).unwrap_or_default();
        let more = match evidence.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        writeln!(f, "{word}  {}  {}: {first}{more}", self.code, self.title)
    }
}

/// All that was seen, and all steps.
fn details(f: &mut fmt::Formatter<'_>, begins: &str, check: &Checked) -> fmt::Result {
    let (_, evidence, fix) = check.outcome.parts();
    let (first, more) = evidence
        .split_first()
        .map_or(("", evidence), |(first, more)| (first, more));
    writeln!(f, "\n{begins}: {first} ({})", check.code)?;
    for (label, lines) in [("why", more), ("fix", fix)] {
        let mut label = label;
        for line in lines {
            writeln!(f, "  {label:<8}  {line}")?;
            label = "";
        }
    }
    Ok(())
}

//! Mends what doctor found: shows what it would do, asks, does it in order, and looks again.

use std::fmt;

use serde::Serialize;

use super::super::CommandError;
use crate::deploy::DeployError;
use crate::deploy::port::User;
use crate::doctor::mend::Mend;
use crate::doctor::{Left, Report};

/// How often what is still broken is mended again: what one mend brings to light the next may mend.
const ROUNDS: usize = 3;

/// Where the patient is, and who looks and mends.
pub(super) trait Bedside {
    /// What was seen, for those who plan a deployment.
    type Seen;

    /// Looks, and judges.
    async fn examine(&self) -> Result<(Report, Self::Seen), CommandError>;

    /// What a mend would change besides what its words say, a line each; none where it would change nothing.
    async fn preview(&self, mend: &Mend, seen: &Self::Seen) -> Result<Option<Vec<String>>, CommandError>;

    /// Does it, and waits until it is done.
    async fn mend(&self, mend: &Mend) -> Result<(), CommandError>;
}

/// What was done, what was left, and the last report.
#[derive(Debug, Serialize)]
pub(super) struct Fixed {
    pub(super) mends: Vec<Mended>,
    pub(super) left: Vec<Left>,
    pub(super) report: Report,
}

/// Something that was to be mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Mended {
    /// In words.
    what: String,
    /// The command that does the same.
    command: String,
    outcome: Became,
    /// What has to be written down for it to last.
    #[serde(skip_serializing_if = "Option::is_none")]
    lasting: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Became {
    Done,
    Failed,
    /// The plan says why it can't be done.
    Refused,
}

impl From<Report> for Fixed {
    fn from(report: Report) -> Self {
        Self {
            mends: Vec::new(),
            left: report.left(true),
            report,
        }
    }
}

impl Fixed {
    /// The same after another look.
    pub(super) fn look_again(&mut self, report: Report) {
        self.left = report.left(true);
        self.report = report;
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mended in &self.mends {
            let word = match mended.outcome {
                Became::Done => "Done",
                Became::Failed => "Failed",
                Became::Refused => "Not done",
            };
            write!(f, "{word}: {}", mended.what)?;
            match &mended.error {
                Some(error) => writeln!(f, "\n  {}", error.replace('\n', "\n  "))?,
                None => writeln!(f)?,
            }
            if let Some(lasting) = &mended.lasting {
                writeln!(f, "  {lasting}")?;
            }
        }
        if !self.mends.is_empty() {
            writeln!(f)?;
        }
        self.report.fmt(f)?;
        if !self.left.is_empty() {
            writeln!(f)?;
        }
        for left in &self.left {
            writeln!(f, "k2m leaves {} to you: {}", named(left, &self.report), left.why)?;
        }
        Ok(())
    }
}

/// Examines, and mends what k2m can, as long as that helps. Gives what was seen last, too.
pub(super) async fn fix<B: Bedside>(room: &B, user: &dyn User, stack: &str) -> Result<(Fixed, B::Seen), CommandError> {
    let (mut report, mut seen) = unless_stopped(user, stack, room.examine()).await?;
    let mut mends = Vec::new();
    let mut before: Vec<Mend> = Vec::new();
    for _ in 0..ROUNDS {
        let planned = unless_stopped(user, stack, async {
            Ok(planned(room, &report, &seen, &mut mends).await)
        })
        .await?;
        let plan: Vec<Mend> = planned.iter().map(|(mend, _)| mend.clone()).collect();
        // What was done and did not help does not help the second time.
        if plan.is_empty() || plan == before {
            break;
        }
        tell(user, &report, &planned);
        if !unless_stopped(user, stack, async { Ok(user.confirm("Do this?").await?) }).await? {
            return Err(DeployError::Declined.into());
        }
        let mut helped = false;
        for mend in &plan {
            if is_stopped(user).await {
                return Err(stopped(stack));
            }
            user.tell(&format!("now: {}", mend.deed()));
            match room.mend(mend).await {
                Ok(()) => {
                    helped = true;
                    mends.push(mended(&report, mend, None));
                }
                Err(error) if over(&error) => return Err(error),
                Err(error) => {
                    user.tell(&format!("it failed: {error}"));
                    mends.push(mended(&report, mend, Some(error)));
                }
            }
        }
        before = plan;
        (report, seen) = unless_stopped(user, stack, room.examine()).await?;
        if !helped {
            break;
        }
    }
    let fixed = Fixed {
        mends,
        left: report.left(true),
        report,
    };
    Ok((fixed, seen))
}

/// What is to be done with what it would change; what the plan refuses is remembered, once.
async fn planned<B: Bedside>(
    room: &B,
    report: &Report,
    seen: &B::Seen,
    mends: &mut Vec<Mended>,
) -> Vec<(Mend, Vec<String>)> {
    let mut planned = Vec::new();
    for mend in report.mends() {
        match room.preview(&mend, seen).await {
            Ok(Some(lines)) => planned.push((mend, lines)),
            Ok(None) => {}
            Err(error) => {
                let refused = Mended {
                    outcome: Became::Refused,
                    ..mended(report, &mend, Some(error))
                };
                if !mends.contains(&refused) {
                    mends.push(refused);
                }
            }
        }
    }
    planned
}

fn mended(report: &Report, mend: &Mend, error: Option<CommandError>) -> Mended {
    Mended {
        what: mend.deed(),
        command: report.command(mend),
        lasting: mend.lasting().filter(|_| error.is_none()),
        outcome: if error.is_some() { Became::Failed } else { Became::Done },
        error: error.map(|error| error.to_string()),
    }
}

/// Shows what is to be done, and what is left.
fn tell(user: &dyn User, report: &Report, planned: &[(Mend, Vec<String>)]) {
    for examined in &report.pipelines {
        for cause in &examined.report.causes {
            let check = examined.report.checks.iter().find(|check| check.code == cause.code);
            let says = check.map(|check| check.outcome.says()).unwrap_or_default();
            user.tell(&format!(
                "broken: {}{says} ({})",
                of(&examined.stream, report),
                cause.code
            ));
        }
    }
    user.tell("to mend it, in this order:");
    for (number, (mend, lines)) in planned.iter().enumerate() {
        user.tell(&format!("  {}. {}", number + 1, mend.deed()));
        user.tell(&format!("       {}", report.command(mend)));
        for line in lines {
            user.tell(&format!("       {line}"));
        }
    }
    for left in report.left(false) {
        user.tell(&format!("{} is left to you: {}", named(&left, report), left.why));
        for step in left.fix {
            user.tell(&format!("       {step}"));
        }
    }
}

/// The code of what is left, with its pipeline where there are several.
fn named(left: &Left, report: &Report) -> String {
    match report.pipelines.as_slice() {
        [_] => left.code.to_owned(),
        _ => format!("{} of {}", left.code, left.stream),
    }
}

/// The pipeline, ahead of what is said of it, where there are several.
fn of(stream: &str, report: &Report) -> String {
    match report.pipelines.as_slice() {
        [_] => String::new(),
        _ => format!("{stream}: "),
    }
}

/// What comes of it, unless a signal comes first.
async fn unless_stopped<T>(
    user: &dyn User,
    stack: &str,
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    tokio::select! {
        biased;
        () = user.stopped(1) => Err(stopped(stack)),
        done = work => done,
    }
}

async fn is_stopped(user: &dyn User) -> bool {
    tokio::select! {
        biased;
        () = user.stopped(1) => true,
        () = std::future::ready(()) => false,
    }
}

fn stopped(stack: &str) -> CommandError {
    DeployError::Stopped {
        stack: stack.to_owned(),
    }
    .into()
}

/// Whether the person ended it.
fn over(error: &CommandError) -> bool {
    matches!(
        error,
        CommandError::Interrupted
            | CommandError::Deploy(
                DeployError::Stopped { .. }
                    | DeployError::Left { .. }
                    | DeployError::LeftOver { .. }
                    | DeployError::Cancelled { .. }
            )
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::scripted::{Script, no_topic, short, with};
    use super::*;
    use crate::deploy::port::{Fault, FaultKind};
    use crate::exit::Exit;
    use crate::facts::Facts;

    const STACK: &str = "k2m-orders";
    const RESTORE: &str =
        "aws lambda update-function-configuration --function-name orders --timeout 60 --region eu-west-1";

    async fn fixed(script: &Script) -> Result<Fixed, CommandError> {
        Ok(fix(script, script, STACK).await?.0)
    }

    fn failure() -> CommandError {
        DeployError::Call {
            doing: "change the function".to_owned(),
            fault: Fault {
                kind: FaultKind::Denied("lambda:UpdateFunctionConfiguration".to_owned()),
                message: "AccessDenied".to_owned(),
            },
        }
        .into()
    }

    /// Each look in turn; every question is answered with yes.
    fn agreed(looks: impl IntoIterator<Item = Facts>) -> Script {
        Script {
            answers: Mutex::new([true; 9].into()),
            ..Script::of(looks)
        }
    }

    #[tokio::test]
    async fn what_is_broken_is_shown_asked_for_mended_and_looked_at_again() {
        let script = agreed([with(short), with(|_| {})]);
        let done = fixed(&script).await.unwrap();
        assert_eq!(script.mended(), [RESTORE]);
        assert_eq!((done.report.exit(), done.left.len()), (Exit::Fine, 0));
        insta::assert_snapshot!(script.told());
        let text = done.to_string();
        assert!(
            text.starts_with("Done: give the function orders what") && text.ends_with("\nHealthy.\n"),
            "{text}"
        );
        let document = serde_json::to_value(&done).unwrap();
        assert_eq!(document["mends"][0]["command"], RESTORE);
        assert_eq!(document["mends"][0]["outcome"], "done");
        assert_eq!(document["report"]["health"], "healthy");
        assert_eq!(document["left"], serde_json::json!([]));
    }

    #[tokio::test]
    async fn what_is_well_is_not_asked_about() {
        let script = Script::of([with(|_| {})]);
        let done = fixed(&script).await.unwrap();
        assert!(done.mends.is_empty() && script.told().is_empty(), "{}", script.told());
    }

    #[tokio::test]
    async fn without_a_yes_nothing_is_done() {
        let nobody = Script::of([with(short)]);
        let error = fixed(&nobody).await.unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.to_string().contains("--yes"), "{error}");
        assert!(nobody.told().contains(RESTORE), "{}", nobody.told());
        let declined = Script {
            answers: Mutex::new([false].into()),
            ..Script::of([with(short)])
        };
        let error = fixed(&declined).await.unwrap_err();
        assert_eq!(
            (error.exit(), error.to_string().as_str()),
            (Exit::Failed, "not confirmed: the stack is as it was")
        );
        assert!(nobody.mended().is_empty() && declined.mended().is_empty());
    }

    #[tokio::test]
    async fn what_a_mend_brings_to_light_is_mended_too_and_not_without_end() {
        // First the time, then the topic, which only shows then, and then all is well.
        let mut script = agreed([with(short), with(no_topic), with(|_| {})]);
        script.preview = Some(Ok(vec!["  + OrdersTopic (AWS::MSK::Topic)".to_owned()]));
        let done = fixed(&script).await.unwrap();
        assert_eq!(script.mended().len(), 2, "{:?}", script.mended());
        assert!(
            script.mended()[1].contains("--create-topic true"),
            "{:?}",
            script.mended()
        );
        assert_eq!(done.report.exit(), Exit::Fine);
        assert!(script.told().contains("+ OrdersTopic"), "{}", script.told());

        // What did not help is not done again.
        let script = agreed([with(short)]);
        let done = fixed(&script).await.unwrap();
        assert_eq!(script.mended(), [RESTORE]);
        assert_eq!(done.report.exit(), Exit::Failed);

        // Each time something else: it ends all the same.
        let mut script = agreed((0..20).map(|number| {
            with(|facts| {
                short(facts);
                no_topic(facts);
                if number % 2 == 0 {
                    *facts.topic_named("orders") = crate::doctor::tests::facts().topic_named("orders").clone();
                }
            })
        }));
        script.preview = Some(Ok(Vec::new()));
        fixed(&script).await.unwrap();
        assert_eq!(script.told().matches("to mend it").count(), ROUNDS);
    }

    #[tokio::test]
    async fn what_fails_is_told_and_the_rest_is_done() {
        let mut script = agreed([with(|facts| {
            short(facts);
            no_topic(facts);
        })]);
        script.preview = Some(Ok(Vec::new()));
        script.failures = Mutex::new([failure()].into());
        let done = fixed(&script).await.unwrap();
        let outcomes: Vec<Became> = done.mends.iter().map(|mended| mended.outcome).collect();
        assert!(
            outcomes.contains(&Became::Failed) && outcomes.contains(&Became::Done),
            "{outcomes:?}"
        );
        let text = done.to_string();
        assert!(
            text.contains("Failed: ") && text.contains("allow lambda:UpdateFunctionConfiguration"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_deployment_that_changes_nothing_or_has_no_plan_is_not_begun() {
        let script = agreed([with(no_topic)]);
        let done = fixed(&script).await.unwrap();
        assert!(script.mended().is_empty() && done.mends.is_empty());
        let mut refused = agreed([with(no_topic)]);
        refused.preview = Some(Err("no VPC leads there"));
        let done = fixed(&refused).await.unwrap();
        assert_eq!(done.mends.len(), 1, "once: {:?}", done.mends);
        assert_eq!(done.mends[0].outcome, Became::Refused);
        assert!(
            done.to_string()
                .contains("Not done: deploy the stack with --create-topic true\n  no VPC leads there")
        );
    }

    #[tokio::test]
    async fn programs_see_what_the_schema_says() {
        let both = |facts: &mut Facts| {
            short(facts);
            no_topic(facts);
        };
        let mut refused = agreed([with(no_topic)]);
        refused.preview = Some(Err("no VPC leads there"));
        let failed = Script {
            preview: Some(Ok(Vec::new())),
            failures: Mutex::new([failure()].into()),
            ..agreed([with(both)])
        };
        for script in [
            agreed([with(short), with(|_| {})]),
            agreed([with(|_| {})]),
            refused,
            failed,
        ] {
            let document = serde_json::to_value(fixed(&script).await.unwrap()).unwrap();
            assert_eq!(crate::doctor::tests::schema::wrong(&document), None, "{document:#}");
        }
        let mut document = serde_json::to_value(fixed(&agreed([with(|_| {})])).await.unwrap()).unwrap();
        document["left"] = serde_json::json!([{"stream": "orders", "code": "K2M-L01"}]);
        assert!(crate::doctor::tests::schema::wrong(&document).is_some());
    }

    #[tokio::test]
    async fn a_signal_ends_it_between_two_deeds() {
        let mut script = agreed([with(|facts| {
            short(facts);
            no_topic(facts);
        })]);
        script.preview = Some(Ok(Vec::new()));
        script.signal_after = Some(1);
        let error = fixed(&script).await.unwrap_err();
        assert_eq!(script.mended().len(), 1, "the second is not begun");
        assert_eq!(error.exit(), Exit::Interrupted);
        // Also where the deed itself says so.
        let mut script = agreed([with(short)]);
        let left = DeployError::Left {
            stack: STACK.to_owned(),
        };
        script.failures = Mutex::new([left.into()].into());
        assert_eq!(fixed(&script).await.unwrap_err().exit(), Exit::Interrupted);
    }
}

//! `k2m deploy --verify`: after the deployment, shows that records arrive.

use jiff::Timestamp;

use super::mappings::Trouble;
use crate::arn::{Arn, Kind};
use crate::aws::{Aws, LookError};
use crate::commands::attended::Attended;
use crate::deploy::outcome::{Deployed, Happened};
use crate::deploy::port::User as _;
use crate::deploy::verify::{Subject, Verdict, Verification, Verified, worst};
use crate::doctor::brokers_make_topics;
use crate::exit::Exit;
use crate::facts::{Fact, Facts, Unreadable};
use crate::plan::Plan;
use crate::settings::{Authentication, Settings};

/// Verifies each pipeline of the plan that was deployed, and adds what came of it. The exit code that it comes to: the stack stays in any case.
pub(super) async fn verify(
    aws: &Aws,
    attended: &Attended<'_>,
    settings: &Settings,
    (facts, plan): (&Facts, &Plan),
    troubles: &[Trouble],
    deployed: &mut Deployed,
) -> Exit {
    let iam = plan.cluster.authentication == Authentication::Iam;
    let brokers_make = brokers_make_topics(settings, facts) && !iam;
    let fresh = deployed.status != Happened::Unchanged;
    let verified = attended.unless_stopped(&plan.stack, async {
        Ok::<_, LookError>(run(aws, attended, plan, troubles, (fresh, brokers_make)).await)
    });
    match verified.await {
        Ok(verified) => deployed.verified = verified,
        Err(stopped) => {
            let words = "stopped while it was verified; the stack is deployed";
            deployed.warnings.push(words.to_owned());
            return stopped.exit();
        }
    }
    let verdict = worst(&deployed.verified).unwrap_or(Verdict::Unknown);
    if verdict != Verdict::Verified {
        let words = "the stack stays as it is deployed; the same command verifies it again";
        deployed.warnings.push(words.to_owned());
    }
    verdict.exit()
}

async fn run(
    aws: &Aws,
    attended: &Attended<'_>,
    plan: &Plan,
    troubles: &[Trouble],
    (fresh, brokers_make): (bool, bool),
) -> Vec<Verified> {
    let seen = aws.stack(&plan.region, &plan.stack).await;
    let nothing = std::collections::BTreeMap::new();
    let resources = seen.found().map_or(&nothing, |stack| &stack.resources);
    let subjects: Vec<Subject> = plan
        .pipelines
        .iter()
        .filter_map(|pipeline| {
            // It was an ARN when the plan was made of it.
            let stream = Arn::parse(Kind::Stream, &pipeline.stream).ok()?;
            let mut subject = Subject::of(pipeline, stream, resources);
            let known = troubles.iter().find(|trouble| trouble.stream == pipeline.stream);
            if let Some(unread) = known.and_then(|trouble| trouble.unread.clone()) {
                subject.unread = Some(unread);
            }
            Some(subject)
        })
        .collect();
    let stack = match &seen {
        Fact::Found { value } => value,
        Fact::Absent => {
            let why = Unreadable {
                missing_action: None,
                message: "it is not there".to_owned(),
            };
            return subjects.iter().map(|subject| Verified::unseen(subject, &why)).collect();
        }
        Fact::Unreadable(why) => return subjects.iter().map(|subject| Verified::unseen(subject, why)).collect(),
    };
    let (ground, groups) = (aws.canaries(&plan.region), aws.log_groups(&plan.region));
    let verification = Verification {
        ground: &ground,
        groups: &groups,
        world: attended,
        user: attended,
        stack,
        region: &plan.region,
        now: Timestamp::now().as_millisecond(),
        fresh,
        brokers_make,
    };
    attended.tell(match subjects.as_slice() {
        [_] => "verifying that records arrive",
        _ => "verifying that records arrive, of all pipelines at once",
    });
    verification.run(&subjects).await
}

//! Event source mappings after a deployment: they are waited for until they are as the plan has them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::aws::Aws;
use crate::commands::attended::Attended;
use crate::deploy::port::World as _;
use crate::deploy::verify::{Unread, Verdict};
use crate::doctor::by_hand::{Becomes, ByHand};
use crate::facts::Fact;
use crate::plan::{Pipeline, Plan};

/// How long a mapping is waited for, and how often it is looked at.
const LIMIT: Duration = Duration::from_mins(2);
const WAIT: Duration = Duration::from_secs(3);

/// What is said where nobody waited any longer for the mappings of a stack that is deployed.
pub(super) fn stopped_waiting(plan: &Plan) -> String {
    let mappings = match plan.pipelines.as_slice() {
        [_] => "mapping was",
        _ => "mappings were",
    };
    format!("stopped while the event source {mappings} waited for; the stack is deployed")
}

/// What is the matter with the mapping of a pipeline.
pub(super) struct Trouble {
    /// The stream's ARN.
    pub(super) stream: String,
    /// What is to be said of it, where that is not said elsewhere.
    pub(super) said: Option<String>,
    /// Why nothing reads the stream, where that is certain.
    pub(super) unread: Option<Unread>,
}

impl Trouble {
    fn said(stream: &str, said: String) -> Self {
        Self {
            stream: stream.to_owned(),
            said: Some(said),
            unread: None,
        }
    }
}

/// A mapping that is waited for.
struct Awaited {
    /// The stream's ARN.
    stream: String,
    /// How it is called.
    what: String,
    /// Its UUID, where the stack has it.
    uuid: String,
    /// The state that it is to reach.
    wanted: &'static str,
    /// The state that it was last seen in.
    state: String,
    /// What it means where it is disabled: another hand did that, and CloudFormation, which has ended, did not take it back.
    disabled: Option<Unread>,
}

impl Awaited {
    /// Whether it stays disabled, whoever waits.
    fn stays_disabled(&self) -> Option<Trouble> {
        let unread = self.disabled.as_ref().filter(|_| self.state == "Disabled")?;
        let command = unread.fix.first();
        let command = command.map(|command| format!(": `{command}` lets it read again"));
        Some(Trouble {
            stream: self.stream.clone(),
            said: Some(format!(
                "{} was disabled by hand, and the deployment leaves it so, so that nothing reads the stream{}",
                self.what,
                command.unwrap_or_default()
            )),
            unread: Some(unread.clone()),
        })
    }
}

/// Why nothing will read the stream of a pipeline that is to read, by what was changed by hand before and stays: a mapping that is gone, or one that is disabled.
fn left(pipeline: &Pipeline, drift: &[ByHand]) -> Option<Unread> {
    let id = format!("{}Mapping", pipeline.id);
    let mut of_it = drift
        .iter()
        .filter(|one| one.logical_id == id && pipeline.mapping.enabled);
    of_it.find_map(|one| {
        let disabled = one.property.as_deref() == Some("Enabled") && one.by_hand.as_deref() == Some("false");
        let (verdict, why) = match one.becomes {
            Becomes::StaysGone => (
                Verdict::Failed,
                "the event source mapping is gone, so nothing reads it".to_owned(),
            ),
            Becomes::Stays | Becomes::MayBeOverwritten if disabled => (
                Verdict::Unknown,
                "the event source mapping was disabled by hand, and the deployment leaves it so: nothing reads it"
                    .to_owned(),
            ),
            _ => return None,
        };
        Some(Unread {
            verdict,
            why,
            fix: one.take_back.clone(),
        })
    })
}

/// Waits until the mappings are as the plan has them, unless this deployment leaves them as another hand has made them. What is the matter where they are not.
pub(super) async fn trouble(aws: &Aws, attended: &Attended<'_>, plan: &Plan, drift: &[ByHand]) -> Vec<Trouble> {
    let resources = match aws.resources(&plan.region, &plan.stack).await {
        Fact::Found { value } => value,
        Fact::Absent => BTreeMap::new(),
        Fact::Unreadable(why) => {
            let said = format!("the event source mappings can't be looked at: {}", why.message);
            return vec![Trouble::said("", said)];
        }
    };
    let several = plan.pipelines.len() > 1;
    let (mut awaited, mut troubles) = (Vec::new(), Vec::new());
    for pipeline in &plan.pipelines {
        let of = several.then(|| format!(" of {}", pipeline.stream_name));
        let what = format!("the event source mapping{}", of.unwrap_or_default());
        let left = left(pipeline, drift);
        if left.as_ref().is_some_and(|left| left.verdict == Verdict::Failed) {
            // What the deployment lacks is said of the whole.
            troubles.push(Trouble {
                stream: pipeline.stream.clone(),
                said: None,
                unread: left,
            });
            continue;
        }
        match resources.get(&format!("{}Mapping", pipeline.id)) {
            Some(uuid) => awaited.push(Awaited {
                stream: pipeline.stream.clone(),
                what,
                uuid: uuid.clone(),
                wanted: if pipeline.mapping.enabled {
                    "Enabled"
                } else {
                    "Disabled"
                },
                state: String::new(),
                disabled: left,
            }),
            None => troubles.push(Trouble::said(
                &pipeline.stream,
                format!("{what} is absent: look again with `k2m doctor`"),
            )),
        }
    }
    let start = attended.elapsed();
    while !awaited.is_empty() {
        let uuids: Vec<String> = awaited.iter().map(|one| one.uuid.clone()).collect();
        let seen = aws.mappings(&plan.region, &uuids).await;
        let late = attended.elapsed().saturating_sub(start) > LIMIT;
        for (mut one, seen) in std::mem::take(&mut awaited).into_iter().zip(seen) {
            one.state = match seen {
                Fact::Found { value } => value.state,
                Fact::Absent => "absent".to_owned(),
                Fact::Unreadable(why) => {
                    let said = format!("{} can't be looked at: {}", one.what, why.message);
                    troubles.push(Trouble::said(&one.stream, said));
                    continue;
                }
            };
            if one.state == one.wanted {
                continue;
            }
            if let Some(trouble) = one.stays_disabled() {
                troubles.push(trouble);
            } else if late {
                let Awaited {
                    stream,
                    what,
                    wanted,
                    state,
                    ..
                } = one;
                let said = format!("{what} is {state} and not yet {wanted}: look again with `k2m doctor`");
                troubles.push(Trouble::said(&stream, said));
            } else {
                awaited.push(one);
            }
        }
        if !awaited.is_empty() {
            attended.sleep(WAIT).await;
        }
    }
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::sample;

    fn by_hand(property: Option<&str>, by_hand: Option<&str>, becomes: Becomes) -> ByHand {
        ByHand {
            stream: "orders".to_owned(),
            logical_id: "OrdersMapping".to_owned(),
            resource_type: "AWS::Lambda::EventSourceMapping",
            property: property.map(str::to_owned),
            template: None,
            by_hand: by_hand.map(str::to_owned),
            planned: None,
            becomes,
            why: "so".to_owned(),
            take_back: vec!["aws lambda mend".to_owned()],
            keep: None,
        }
    }

    #[test]
    fn what_was_done_to_a_mapping_and_stays_leaves_its_stream_unread() {
        use Becomes::{Fails, MadeAnew, MayBeOverwritten, Overwritten, Stays, StaysGone};
        let rows = [
            (by_hand(None, None, StaysGone), Some(Verdict::Failed)),
            (by_hand(None, None, MadeAnew), None),
            (by_hand(None, None, Fails), None),
            (by_hand(Some("Enabled"), Some("false"), Stays), Some(Verdict::Unknown)),
            (
                by_hand(Some("Enabled"), Some("false"), MayBeOverwritten),
                Some(Verdict::Unknown),
            ),
            (by_hand(Some("Enabled"), Some("false"), Overwritten), None),
            (by_hand(Some("Enabled"), Some("true"), Stays), None),
            (by_hand(Some("BatchSize"), Some("50"), Stays), None),
        ];
        for (one, wanted) in rows {
            let mut plan = sample();
            let all = [one.clone()];
            let found = left(&plan.pipelines[0], &all);
            assert_eq!(found.as_ref().map(|left| left.verdict), wanted, "{one:#?}");
            if let Some(left) = found {
                assert_eq!(left.fix, ["aws lambda mend"], "{one:#?}");
            }
            // It is not of another pipeline, nor of one that is not to read.
            plan.pipelines[0].mapping.enabled = false;
            assert_eq!(left(&plan.pipelines[0], &all), None, "{one:#?}");
            let mut plan = sample();
            "Clicks".clone_into(&mut plan.pipelines[0].id);
            assert_eq!(left(&plan.pipelines[0], &all), None, "{one:#?}");
        }
    }

    #[test]
    fn only_what_another_hand_has_disabled_is_not_waited_for() {
        let plan = sample();
        let awaited = |state: &str, left: Option<Unread>| Awaited {
            stream: plan.pipelines[0].stream.clone(),
            what: "the event source mapping".to_owned(),
            uuid: "uuid".to_owned(),
            wanted: "Enabled",
            state: state.to_owned(),
            disabled: left,
        };
        let drift = [by_hand(Some("Enabled"), Some("false"), Becomes::Stays)];
        let known = left(&plan.pipelines[0], &drift);
        let trouble = awaited("Disabled", known.clone()).stays_disabled().unwrap();
        assert_eq!(
            trouble.said.as_deref(),
            Some(
                "the event source mapping was disabled by hand, and the deployment leaves it so, so that nothing reads the stream: `aws lambda mend` lets it read again"
            )
        );
        assert_eq!(trouble.unread, known);
        for (state, left) in [("Disabled", None), ("Enabling", known.clone()), ("Disabling", known)] {
            assert!(awaited(state, left).stays_disabled().is_none(), "{state}");
        }
    }
}

//! Event source mappings after a deployment: they are waited for until they are as the plan has them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::aws::Aws;
use crate::commands::attended::Attended;
use crate::deploy::port::World as _;
use crate::facts::Fact;
use crate::plan::Plan;

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

/// A mapping that is waited for.
struct Awaited {
    /// How it is called.
    what: String,
    /// Its UUID, where the stack has it.
    uuid: String,
    /// The state that it is to reach.
    wanted: &'static str,
    /// The state that it was last seen in.
    state: String,
}

/// Waits until the mappings are as the plan has them. What is to be said when they are not.
pub(super) async fn trouble(aws: &Aws, attended: &Attended<'_>, plan: &Plan) -> Vec<String> {
    let resources = match aws.resources(&plan.region, &plan.stack).await {
        Fact::Found { value } => value,
        Fact::Absent => BTreeMap::new(),
        Fact::Unreadable(why) => return vec![format!("the event source mappings can't be looked at: {}", why.message)],
    };
    let several = plan.pipelines.len() > 1;
    let (mut awaited, mut troubles) = (Vec::new(), Vec::new());
    for pipeline in &plan.pipelines {
        let of = several.then(|| format!(" of {}", pipeline.stream_name));
        let what = format!("the event source mapping{}", of.unwrap_or_default());
        match resources.get(&format!("{}Mapping", pipeline.id)) {
            Some(uuid) => awaited.push(Awaited {
                what,
                uuid: uuid.clone(),
                wanted: if pipeline.mapping.enabled {
                    "Enabled"
                } else {
                    "Disabled"
                },
                state: String::new(),
            }),
            None => troubles.push(format!("{what} is absent: look again with `k2m doctor`")),
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
                    troubles.push(format!("{} can't be looked at: {}", one.what, why.message));
                    continue;
                }
            };
            if one.state == one.wanted {
                continue;
            }
            if late {
                let Awaited {
                    what, wanted, state, ..
                } = one;
                troubles.push(format!(
                    "{what} is {state} and not yet {wanted}: look again with `k2m doctor`"
                ));
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

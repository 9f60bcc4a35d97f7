//! Alarms: what must not happen unseen, each with what it means.

use super::notes::{Notes, why};
use super::seen::One;
use super::{Alarm, Dimension};
use crate::settings::OnPoison;

/// The alarms of a pipeline.
pub(super) fn alarms(one: &One, notes: &mut Notes) -> Vec<Alarm> {
    let One { settings, stream, .. } = one;
    let hours = u64::from(stream.retention_hours);
    // A quarter of the time has passed when somebody is told, and three are left to mend it.
    let late = hours * 3_600_000 / 4;
    let late_hours = f64::from(stream.retention_hours) / 4.0;
    let topic = settings.alarm_topic.as_ref();
    let alarm = |id, metric, of, description: String| Alarm {
        id,
        description,
        namespace: "AWS/Lambda",
        metric,
        of,
        statistic: "Sum",
        period_seconds: 60,
        evaluation_periods: 5,
        datapoints: 3,
        threshold: 0,
        topic: topic.map(|setting| setting.value.clone()),
    };
    // Once is enough: each stands for records that were given up.
    let at_once = |id, metric, description: &str| Alarm {
        evaluation_periods: 1,
        datapoints: 1,
        ..alarm(id, metric, Dimension::Mapping, description.to_owned())
    };
    match topic {
        Some(setting) => notes.decide("alarms", format!("tell {}", setting.value), why(setting, "")),
        None => notes.decide(
            "alarms",
            "tell nobody",
            "no alarm_topic was chosen; CloudWatch shows them",
        ),
    }
    let dead_lettered = Alarm {
        namespace: "k2m",
        of: Dimension::Function,
        ..at_once(
            "DeadLettered",
            "DeadLettered",
            "Records went to the dead-letter topic, since the topic can't take them: each has the reason in its header k2m-reason.",
        )
    };
    let diverts = settings.on_poison.value == OnPoison::Divert;
    let mut alarms = vec![
        Alarm {
            statistic: "Maximum",
            datapoints: 5,
            threshold: late,
            ..alarm(
                "IteratorAge",
                "IteratorAge",
                Dimension::Function,
                format!(
                    "Records reach the function more than {late_hours} hours after they arrived, a quarter of the {hours} hours that the stream keeps them: the \
                     pipeline can't keep up, or a failure blocks a shard. `k2m doctor` says which."
                ),
            )
        },
        alarm(
            "Errors",
            "Errors",
            Dimension::Function,
            "Invocations fail again and again: their batches are retried. `k2m doctor` names the cause.".to_owned(),
        ),
        alarm(
            "Throttles",
            "Throttles",
            Dimension::Function,
            "Lambda refuses invocations again and again: raise the account's concurrency, or reserve some for the function."
                .to_owned(),
        ),
        at_once(
            "Dropped",
            "DroppedEventCount",
            "Records were dropped: they were too old, or retries were used up. Unless the failure destination has them, they are lost to the topic.",
        ),
        at_once(
            "Delivered",
            "OnFailureDestinationDeliveredEventCount",
            "Records were given up, and a message to the failure destination names them: read them again from the stream before they expire.",
        ),
    ];
    alarms.extend(diverts.then_some(dead_lettered));
    alarms
}

//! What a deployment asks before it changes anything, and what it tells for that.

use crate::commands::CommandError;
use crate::commands::attended::Attended;
use crate::deploy::DeployError;
use crate::deploy::options::Options;
use crate::deploy::port::User as _;
use crate::facts::{Facts, stream_name};
use crate::plan::change::{Change, NetworkChange};
use crate::plan::shared::GivenBack;
use crate::plan::topic::shape;
use crate::plan::{Maker, Pipeline, Plan, Removed};

/// What the plan has settled by itself, and why.
pub(super) fn tell_decisions(attended: &Attended<'_>, plan: &Plan) {
    for decision in &plan.decisions {
        let of = decision.pipeline.as_ref().map(|stream| format!("{stream}: "));
        attended.tell(&format!(
            "{}{}: {}",
            of.unwrap_or_default(),
            decision.about,
            decision.choice
        ));
    }
}

/// Whether each pipeline that would be taken away was named for that, or is agreed to: a general yes is none to that.
pub(super) async fn agree_to_remove(
    attended: &Attended<'_>,
    plan: &Plan,
    named: &[String],
    yes: bool,
) -> Result<(), CommandError> {
    let is = |stream: &str, named: &str| stream == named || stream_name(stream) == named;
    let open: Vec<&Removed> = plan
        .removed
        .iter()
        .filter(|removed| !named.iter().any(|named| is(&removed.stream, named)))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    for removed in &open {
        attended.tell(&format!("  ! {removed}"));
    }
    let streams: Vec<String> = open.iter().map(|one| stream_name(&one.stream).to_owned()).collect();
    if yes || !attended.can_ask() {
        return Err(DeployError::Removes {
            stack: plan.stack.clone(),
            streams,
        }
        .into());
    }
    let question = format!("Take the pipeline of {} away from {}?", streams.join(", "), plan.stack);
    if attended
        .unless_stopped(&plan.stack, attended.confirm(&question))
        .await?
    {
        Ok(())
    } else {
        Err(DeployError::Declined.into())
    }
}

/// Shows what would change in network stacks, and asks once for them and the stack. Whether that was asked.
pub(super) async fn agree_to_networks(
    attended: &Attended<'_>,
    plan: &Plan,
    facts: &Facts,
    (template, options): (&str, &Options),
    pending: &[&NetworkChange],
    over: &[GivenBack],
) -> Result<bool, CommandError> {
    if pending.is_empty() && over.is_empty() {
        return Ok(false);
    }
    for change in pending {
        attended.tell(change.to_string().trim_end());
    }
    let own = Change::between(&facts.stack, template)?.with_options(&facts.stack, options);
    attended.tell(format!("{} in {}: {own}", plan.stack, plan.region).trim_end());
    for condition in conditions(plan) {
        attended.tell(&format!("  ! {condition}"));
    }
    for given_back in over {
        attended.tell(&given_back.to_string());
    }
    let names: Vec<&str> = pending.iter().map(|change| change.stack.as_str()).collect();
    let question = if names.is_empty() {
        format!("Deploy {}?", plan.stack)
    } else {
        format!("Deploy {}, and then {}?", names.join(", "), plan.stack)
    };
    let agreed = attended
        .unless_stopped(&plan.stack, attended.confirm(&question))
        .await?;
    if agreed {
        Ok(true)
    } else {
        Err(DeployError::Declined.into())
    }
}

/// What the confirmation is asked for beside the changes themselves.
pub(in crate::commands) fn conditions(plan: &Plan) -> Vec<String> {
    let removed = plan.removed.iter().map(ToString::to_string);
    let topics = plan.pipelines.iter().flat_map(Pipeline::topics);
    let topics = topics.filter_map(|(name, topic)| {
        let topic = topic.filter(|topic| !topic.exists)?;
        let size = shape((topic.partitions, topic.replication_factor));
        match topic.by {
            // In two steps, also where nothing is left to be confirmed.
            Maker::Function => Some(format!(
                "has the function create the topic {name} where it is missing, with {size}, before anything is read for it; it stays when the stack goes"
            )),
            Maker::CloudFormation => topic
                .unconfirmed
                .then(|| format!("creates the topic {name} with {size}; it stays when the stack goes")),
        }
    });
    let endpoint = plan
        .secrets_endpoint
        .iter()
        .filter(|endpoint| endpoint.unconfirmed && !endpoint.exists);
    let endpoint = endpoint.map(|endpoint| {
        format!(
            "creates an interface endpoint {} in {}, with {} network interface(s), each of which AWS charges for by the hour; it goes with the last stack that needs it",
            endpoint.service, endpoint.vpc, endpoint.interfaces
        )
    });
    let connection = plan.connection.iter();
    let connection = connection.filter(|connection| connection.unconfirmed && !connection.exists);
    let connection = connection.map(|connection| {
        format!(
            "creates a VPC connection to the cluster in {}, with network interfaces in {} subnets, which AWS charges for by the hour; it goes with the last stack that needs it",
            connection.vpc,
            connection.subnets.len()
        )
    });
    removed.chain(topics).chain(endpoint).chain(connection).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::sample;
    use crate::plan::{DeadLetterTopic, NewTopic};

    #[test]
    fn a_pipeline_that_goes_is_asked_for_first() {
        let mut plan = sample();
        plan.removed = vec![Removed {
            stream: "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks".to_owned(),
            topic: Some("page-views".to_owned()),
        }];
        let asked = conditions(&plan);
        assert!(
            asked[0].starts_with("removes the pipeline of the stream clicks: ")
                && asked[0].ends_with("the topic page-views stays"),
            "{asked:?}"
        );
    }

    #[test]
    fn each_topic_that_nobody_has_confirmed_is_asked_for() {
        let topic = |unconfirmed, exists| NewTopic {
            by: Maker::CloudFormation,
            partitions: 1,
            replication_factor: Some(3),
            configs: None,
            unconfirmed,
            exists,
        };
        let asked = |new_topic, dead_letter_topic| {
            let mut plan = sample();
            plan.pipelines[0].new_topic = new_topic;
            plan.pipelines[0].dead_letter_topic = Some(DeadLetterTopic {
                name: "poison".to_owned(),
                new_topic: dead_letter_topic,
            });
            conditions(&plan)
        };
        let line = |name| {
            format!("creates the topic {name} with 1 partition, 3 replicas of each; it stays when the stack goes")
        };
        assert_eq!(
            asked(Some(topic(true, false)), Some(topic(true, false))),
            [line("orders"), line("poison")]
        );
        assert_eq!(asked(None, Some(topic(true, false))), [line("poison")]);
        assert!(asked(Some(topic(false, false)), Some(topic(true, true))).is_empty());
        assert!(asked(None, None).is_empty());
        // What the function makes is told of in any case.
        let mut by_function = topic(false, false);
        by_function.by = Maker::Function;
        by_function.replication_factor = None;
        assert_eq!(
            asked(Some(by_function), None),
            [
                "has the function create the topic orders where it is missing, with 1 partition, the cluster's own number of replicas of each, before anything is read \
                 for it; it stays when the stack goes"
            ]
        );
        let mut made = topic(false, true);
        made.by = Maker::Function;
        assert!(asked(Some(made), None).is_empty());
    }
}

//! CloudFormation as the deployment asks for it: stacks, their events, and change sets.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, ExecutionStatus, Parameter, Replacement,
    RequiresRecreation, ResourceChange, ResourceChangeDetail, Tag, TemplateStage,
};

use super::answer::{Trouble, trouble};
use crate::deploy::port::{
    Action, Change, ChangeSet, Context, Doing, EventPage, Fault, FaultKind, MadeChangeSet, NewChangeSet,
    PropertyChange, Resource, Stack, StackEvent, Stacks, Template,
};
use crate::deploy::state::Status;
use crate::facts::deployed::STACK_TAG;

/// CloudFormation in one region.
#[derive(Debug)]
pub struct CloudFormation {
    client: Client,
}

impl CloudFormation {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }
}

/// Codes of failures that pass: too many calls, or trouble on AWS's side.
const PASSING: [&str; 14] = [
    "InternalError",
    "InternalFailure",
    "InternalServiceError",
    "KMSThrottlingException",
    "OperationAborted",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        let (kind, message) = match trouble {
            Trouble::Absent => (FaultKind::Absent, "it is not there".to_owned()),
            Trouble::Denied { action, message } => (FaultKind::Denied(action), message),
            Trouble::Credentials(message) => (FaultKind::Credentials, message),
            Trouble::Unreachable(message) => (FaultKind::Unreachable, message),
            Trouble::Refused(message) => {
                let code = message.split(':').next().unwrap_or_default();
                let passes = PASSING.contains(&code);
                (if passes { FaultKind::Passing } else { FaultKind::Refused }, message)
            }
        };
        Self { kind, message }
    }
}

/// The fault of a call; CloudFormation says that a stack is not there with the code of every other mistake in a request.
fn fault<E>(error: &SdkError<E>, action: &str) -> Fault
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let words = error.as_service_error().and_then(|error| error.meta().message());
    if words.is_some_and(|words| words.contains("does not exist")) {
        return Fault {
            kind: FaultKind::Absent,
            message: words.unwrap_or_default().to_owned(),
        };
    }
    sorted(error, action, &["ChangeSetNotFound", "ChangeSetNotFoundException"])
}

/// The fault of a call; `absent` are the codes by which the service says that there is no such thing.
pub(super) fn sorted<E>(error: &SdkError<E>, action: &str, absent: &[&str]) -> Fault
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let mut fault = Fault::from(trouble(error, action, absent));
    let status = error.raw_response().map(|response| response.status().as_u16());
    // Whatever the code: what is wrong on AWS's side passes.
    if fault.kind == FaultKind::Refused && status.is_some_and(|status| status >= 500 || status == 429) {
        fault.kind = FaultKind::Passing;
    }
    fault
}

/// Absence as a value.
fn unless_absent<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.kind == FaultKind::Absent => Ok(None),
        Err(fault) => Err(fault),
    }
}

impl Stacks for CloudFormation {
    fn stack<'a>(&'a self, stack: &'a str) -> Doing<'a, Option<Stack>> {
        Box::pin(async move {
            let answer = self.client.describe_stacks().stack_name(stack).send().await;
            let output = unless_absent(answer.map_err(|error| fault(&error, "cloudformation:DescribeStacks")))?;
            let found = output.and_then(|output| output.stacks?.into_iter().next());
            Ok(found.map(|found| Stack {
                status: Status::parse(found.stack_status.as_ref().map_or("unknown", |status| status.as_str())),
                made_by_k2m: found.tags().iter().any(|tag| tag.key() == Some(STACK_TAG)),
                tags: pairs(found.tags(), |tag| (tag.key.clone(), tag.value.clone())),
                protected: found.enable_termination_protection.unwrap_or_default(),
                parameters: pairs(found.parameters(), |one| {
                    (one.parameter_key.clone(), one.parameter_value.clone())
                }),
                outputs: pairs(found.outputs(), |one| {
                    (one.output_key.clone(), one.output_value.clone())
                }),
                id: found.stack_id.unwrap_or_else(|| stack.to_owned()),
                reason: found.stack_status_reason.filter(|reason| !reason.is_empty()),
            }))
        })
    }

    fn resources<'a>(&'a self, stack: &'a str) -> Doing<'a, Vec<Resource>> {
        Box::pin(async move {
            let items = self
                .client
                .list_stack_resources()
                .stack_name(stack)
                .into_paginator()
                .items()
                .send();
            let found: Vec<_> = items
                .try_collect()
                .await
                .map_err(|error| fault(&error, "cloudformation:ListStackResources"))?;
            let there = found.into_iter().filter(|resource| {
                let status = resource.resource_status.as_ref();
                status.is_none_or(|status| !matches!(status.as_str(), "DELETE_COMPLETE" | "DELETE_SKIPPED"))
            });
            let mut resources: Vec<Resource> = there
                .filter_map(|resource| {
                    Some(Resource {
                        logical_id: resource.logical_resource_id?,
                        resource_type: resource.resource_type?,
                        status: resource
                            .resource_status
                            .map(|status| status.as_str().to_owned())
                            .unwrap_or_default(),
                        reason: resource.resource_status_reason.filter(|reason| !reason.is_empty()),
                    })
                })
                .collect();
            resources.sort_by(|one, other| one.logical_id.cmp(&other.logical_id));
            Ok(resources)
        })
    }

    fn template<'a>(&'a self, stack: &'a str) -> Doing<'a, String> {
        Box::pin(async move {
            let call = self.client.get_template().stack_name(stack);
            let output = call
                .template_stage(TemplateStage::Original)
                .send()
                .await
                .map_err(|error| fault(&error, "cloudformation:GetTemplate"))?;
            Ok(output.template_body.unwrap_or_default())
        })
    }

    fn events<'a>(&'a self, stack: &'a str, page: Option<String>) -> Doing<'a, EventPage> {
        Box::pin(async move {
            let call = self
                .client
                .describe_stack_events()
                .stack_name(stack)
                .set_next_token(page);
            let output = call
                .send()
                .await
                .map_err(|error| fault(&error, "cloudformation:DescribeStackEvents"))?;
            let events = output.stack_events.unwrap_or_default().into_iter();
            Ok(EventPage {
                next: output.next_token.filter(|token| !token.is_empty()),
                events: events
                    .map(|event| StackEvent {
                        id: event.event_id.unwrap_or_default(),
                        logical_id: event.logical_resource_id.unwrap_or_default(),
                        physical_id: event.physical_resource_id.unwrap_or_default(),
                        resource_type: event.resource_type.unwrap_or_default(),
                        status: event
                            .resource_status
                            .map(|status| status.as_str().to_owned())
                            .unwrap_or_default(),
                        reason: event.resource_status_reason.filter(|reason| !reason.is_empty()),
                    })
                    .collect(),
            })
        })
    }

    fn change_sets<'a>(&'a self, stack: &'a str) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            let items = self
                .client
                .list_change_sets()
                .stack_name(stack)
                .into_paginator()
                .items()
                .send();
            let found: Result<Vec<_>, Fault> = items
                .try_collect()
                .await
                .map_err(|error| fault(&error, "cloudformation:ListChangeSets"));
            // One that was executed stays in the list.
            let executed = |status: &ExecutionStatus| status.as_str().starts_with("EXECUTE_");
            let waiting = unless_absent(found)?.unwrap_or_default().into_iter();
            let waiting = waiting.filter(|change_set| !change_set.execution_status.as_ref().is_some_and(executed));
            Ok(waiting.filter_map(|change_set| change_set.change_set_name).collect())
        })
    }

    fn create_change_set<'a>(&'a self, change_set: &'a NewChangeSet) -> Doing<'a, MadeChangeSet> {
        Box::pin(async move {
            let call = self
                .client
                .create_change_set()
                .stack_name(&change_set.stack)
                .change_set_name(&change_set.name)
                .client_token(&change_set.token)
                .change_set_type(if change_set.create {
                    ChangeSetType::Create
                } else {
                    ChangeSetType::Update
                })
                .set_parameters(Some(
                    change_set
                        .parameters
                        .iter()
                        .map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build())
                        .collect(),
                ))
                .set_tags(Some(
                    change_set
                        .tags
                        .iter()
                        .map(|(key, value)| Tag::builder().key(key).value(value).build())
                        .collect(),
                ))
                .set_role_arn(change_set.role.clone())
                .capabilities(Capability::CapabilityIam);
            let call = match &change_set.template {
                Template::Body(body) => call.template_body(body),
                Template::Url(url) => call.template_url(url),
            };
            let output = call
                .send()
                .await
                .map_err(|error| fault(&error, "cloudformation:CreateChangeSet"))?;
            Ok(MadeChangeSet {
                id: output.id.unwrap_or_else(|| change_set.name.clone()),
                stack: output.stack_id.unwrap_or_else(|| change_set.stack.clone()),
            })
        })
    }

    fn change_set<'a>(&'a self, id: &'a str) -> Doing<'a, ChangeSet> {
        Box::pin(async move {
            let mut changes = Vec::new();
            let mut page = None;
            loop {
                let call = self
                    .client
                    .describe_change_set()
                    .change_set_name(id)
                    .include_property_values(true)
                    .set_next_token(page);
                let output = call
                    .send()
                    .await
                    .map_err(|error| fault(&error, "cloudformation:DescribeChangeSet"))?;
                let reason = output.status_reason.filter(|reason| !reason.is_empty());
                match (output.status, output.execution_status) {
                    (None | Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress), _) => {
                        return Ok(ChangeSet::Pending);
                    }
                    (Some(ChangeSetStatus::CreateComplete), Some(ExecutionStatus::Available) | None) => {}
                    (Some(status), execution) => {
                        return Ok(ChangeSet::Failed(reason.unwrap_or_else(|| {
                            let execution = execution.as_ref().map_or("unknown", |execution| execution.as_str());
                            format!("its status is {}, its execution status {execution}", status.as_str())
                        })));
                    }
                }
                let found = output.changes.unwrap_or_default().into_iter();
                changes.extend(found.filter_map(|change| change.resource_change.map(change_of)));
                page = output.next_token.filter(|token| !token.is_empty());
                if page.is_none() {
                    return Ok(ChangeSet::Ready(changes));
                }
            }
        })
    }

    fn delete_change_set<'a>(&'a self, stack: &'a str, name: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            let call = self.client.delete_change_set().stack_name(stack).change_set_name(name);
            let answer = call.send().await;
            unless_absent(answer.map_err(|error| fault(&error, "cloudformation:DeleteChangeSet"))).map(drop)
        })
    }

    fn execute<'a>(&'a self, id: &'a str, token: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            let call = self
                .client
                .execute_change_set()
                .change_set_name(id)
                .client_request_token(token);
            let answer = call.send().await;
            answer
                .map(drop)
                .map_err(|error| fault(&error, "cloudformation:ExecuteChangeSet"))
        })
    }

    fn delete_stack<'a>(&'a self, stack: &'a str, token: &'a str, role: Option<&'a str>) -> Doing<'a, ()> {
        Box::pin(async move {
            let call = self
                .client
                .delete_stack()
                .stack_name(stack)
                .client_request_token(token)
                .set_role_arn(role.map(str::to_owned));
            let answer = call.send().await;
            unless_absent(answer.map_err(|error| fault(&error, "cloudformation:DeleteStack"))).map(drop)
        })
    }

    fn protect<'a>(&'a self, stack: &'a str, protected: bool) -> Doing<'a, ()> {
        Box::pin(async move {
            let call = self
                .client
                .update_termination_protection()
                .stack_name(stack)
                .enable_termination_protection(protected);
            let answer = call.send().await;
            answer
                .map(drop)
                .map_err(|error| fault(&error, "cloudformation:UpdateTerminationProtection"))
        })
    }

    fn cancel_update<'a>(&'a self, stack: &'a str, token: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            let call = self.client.cancel_update_stack().stack_name(stack);
            let answer = call.client_request_token(token).send().await;
            answer
                .map(drop)
                .map_err(|error| fault(&error, "cloudformation:CancelUpdateStack"))
        })
    }

    fn continue_rollback<'a>(&'a self, stack: &'a str, token: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            let call = self.client.continue_update_rollback().stack_name(stack);
            let answer = call.client_request_token(token).send().await;
            answer
                .map(drop)
                .map_err(|error| fault(&error, "cloudformation:ContinueUpdateRollback"))
        })
    }

    fn roll_back<'a>(&'a self, stack: &'a str, token: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            let call = self.client.rollback_stack().stack_name(stack);
            let answer = call.client_request_token(token).send().await;
            answer
                .map(drop)
                .map_err(|error| fault(&error, "cloudformation:RollbackStack"))
        })
    }
}

fn pairs<T>(list: &[T], pair: impl Fn(&T) -> (Option<String>, Option<String>)) -> BTreeMap<String, String> {
    let pairs = list.iter().map(pair);
    pairs.filter_map(|(key, value)| Some((key?, value?))).collect()
}

fn change_of(change: ResourceChange) -> Change {
    let replaced = match change.replacement {
        Some(Replacement::True) => Action::Replace,
        Some(Replacement::Conditional) => Action::MayReplace,
        _ => Action::Modify,
    };
    Change {
        action: match change.action {
            Some(ChangeAction::Add | ChangeAction::Import) => Action::Add,
            Some(ChangeAction::Remove) => Action::Remove,
            // What CloudFormation can't tell yet.
            Some(ChangeAction::Dynamic) => Action::MayReplace,
            _ => replaced,
        },
        logical_id: change.logical_resource_id.unwrap_or_default(),
        resource_type: change.resource_type.unwrap_or_default(),
        properties: properties(change.details.unwrap_or_default()),
        context: Context {
            before: document(change.before_context),
            after: document(change.after_context),
        },
    }
}

/// A document of a resource, where CloudFormation gives one.
fn document(text: Option<String>) -> Option<serde_json::Value> {
    let document = serde_json::from_str(&text?).ok()?;
    Some(document).filter(serde_json::Value::is_object)
}

/// What changes of a resource, each property once: CloudFormation names one again for each cause.
fn properties(details: Vec<ResourceChangeDetail>) -> Vec<PropertyChange> {
    let mut changes: Vec<PropertyChange> = Vec::new();
    for target in details.into_iter().filter_map(|detail| detail.target) {
        let path = target.path.as_deref().unwrap_or_default().trim_start_matches('/');
        let path = path.strip_prefix("Properties/").unwrap_or(path).replace('/', ".");
        let attribute = || target.attribute.as_ref().map(|attribute| attribute.as_str().to_owned());
        let named = target.name.clone().filter(|name| !name.is_empty()).or_else(attribute);
        let path = if path.is_empty() {
            named.unwrap_or_default()
        } else {
            path
        };
        let change = PropertyChange {
            path,
            before: target.before_value,
            after: target.after_value,
            replaces: target.requires_recreation == Some(RequiresRecreation::Always),
        };
        match changes.iter_mut().find(|known| known.path == change.path) {
            Some(known) => {
                known.replaces |= change.replaces;
                known.before = known.before.take().or(change.before);
                known.after = known.after.take().or(change.after);
            }
            None => changes.push(change),
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::StackStatus;

    use super::*;

    #[test]
    fn the_state_table_knows_every_status_of_the_sdk() {
        let known: Vec<&str> = Status::ALL.iter().map(Status::word).collect();
        for word in StackStatus::values() {
            assert!(known.contains(word), "{word}");
        }
        assert_eq!(known.len(), StackStatus::values().len());
    }

    #[test]
    fn throttling_passes_and_a_mistake_does_not() {
        for (message, kind) in [
            ("Throttling: Rate exceeded", FaultKind::Passing),
            ("SlowDown: Please reduce your request rate.", FaultKind::Passing),
            ("InternalFailure", FaultKind::Passing),
            ("ValidationError: Template format error", FaultKind::Refused),
        ] {
            assert_eq!(
                Fault::from(Trouble::Refused(message.to_owned())).kind,
                kind,
                "{message}"
            );
        }
    }
}

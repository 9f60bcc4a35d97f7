//! The stack of a name, with its resources, outputs, parameters and template.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Stack as SdkStack, StackResourceSummary, TemplateStage};

use super::answer::{Answer, Trouble, trouble};
use super::incomplete;
use crate::facts::Stack;
use crate::facts::deployed::STACK_TAG;

/// A stack, and those of its resources that are looked at themselves.
#[derive(Debug)]
pub(super) struct Seen {
    /// The fact.
    pub(super) stack: Stack,
    /// Names of its functions, in the order of logical ids.
    pub(super) functions: Vec<String>,
    /// UUIDs of its event source mappings, in the order of logical ids.
    pub(super) mappings: Vec<String>,
}

/// What stands for a user of a network stack.
const HANDLE: &str = "AWS::CloudFormation::WaitConditionHandle";

/// Looks at the stack, and at its template.
pub(super) async fn whole(client: &Client, name: &str) -> Answer<Stack> {
    let mut seen = stack(client, name).await?;
    add_template(client, &mut seen.stack).await;
    Ok(seen.stack)
}

/// Looks at the stack, without its template.
pub(super) async fn stack(client: &Client, name: &str) -> Answer<Seen> {
    let (described, resources) = tokio::join!(describe(client, name), resources(client, name));
    // Of a stack that isn't there, the list says the same in other words.
    let (stack, made_by_k2m) = described?;
    let mut resources = resources?;
    // The id of a handle is an address that whoever knows it may write to.
    resources.retain(|resource| resource.resource_type() != Some(HANDLE));
    resources.sort_by(|one, other| one.logical_resource_id.cmp(&other.logical_resource_id));
    let of_type = |kind: &str| -> Vec<String> {
        let of_type = resources
            .iter()
            .filter(|resource| resource.resource_type() == Some(kind));
        of_type
            .filter_map(|resource| resource.physical_resource_id.clone())
            .collect()
    };
    let (functions, mappings) = (
        of_type("AWS::Lambda::Function"),
        of_type("AWS::Lambda::EventSourceMapping"),
    );
    Ok(Seen {
        functions,
        mappings,
        stack: Stack {
            name: name.to_owned(),
            status: stack
                .stack_status
                .as_ref()
                .map_or("unknown", |status| status.as_str())
                .to_owned(),
            // What others put into their outputs and parameters is theirs to show.
            outputs: if made_by_k2m {
                let outputs = stack.outputs().iter();
                outputs
                    .filter_map(|output| Some((output.output_key.clone()?, output.output_value.clone()?)))
                    .collect()
            } else {
                BTreeMap::new()
            },
            parameters: if made_by_k2m {
                let parameters = stack.parameters().iter();
                parameters
                    .filter_map(|parameter| {
                        Some((parameter.parameter_key.clone()?, parameter.parameter_value.clone()?))
                    })
                    .collect()
            } else {
                BTreeMap::new()
            },
            tags: if made_by_k2m {
                let tags = stack.tags().iter();
                tags.filter_map(|tag| Some((tag.key.clone()?, tag.value.clone()?)))
                    .filter(|(key, _)| !key.starts_with("k2m:") && !key.starts_with("aws:"))
                    .collect()
            } else {
                BTreeMap::new()
            },
            protected: stack.enable_termination_protection.unwrap_or_default(),
            template: None,
            template_unreadable: None,
            made_by_k2m,
            resources: resources
                .into_iter()
                .filter_map(|resource| Some((resource.logical_resource_id?, resource.physical_resource_id?)))
                .collect(),
        },
    })
}

async fn describe(client: &Client, name: &str) -> Answer<(SdkStack, bool)> {
    const ACTION: &str = "cloudformation:DescribeStacks";
    let answer = client.describe_stacks().stack_name(name).send().await;
    let output = answer.map_err(|error| {
        // CloudFormation's code for this is that of every other mistake in a request.
        let words = error.as_service_error().and_then(|error| error.meta().message());
        if words.is_some_and(|words| words.contains("does not exist")) {
            Trouble::Absent
        } else {
            trouble(&error, ACTION, &[])
        }
    })?;
    let Some(stack) = output.stacks.unwrap_or_default().into_iter().next() else {
        return Err(Trouble::Absent);
    };
    let made_by_k2m = stack.tags().iter().any(|tag| tag.key() == Some(STACK_TAG));
    Ok((stack, made_by_k2m))
}

/// Adds the template of a stack that k2m made. The rest of a stack says enough without it.
pub(super) async fn add_template(client: &Client, stack: &mut Stack) {
    if !stack.made_by_k2m {
        return;
    }
    match template(client, &stack.name).await {
        Ok(template) => stack.template = Some(template),
        Err(trouble) => stack.template_unreadable = Some(trouble.into()),
    }
}

/// Physical ids of the stack's resources by logical ids.
pub(super) async fn ids(client: &Client, name: &str) -> Answer<BTreeMap<String, String>> {
    let resources = resources(client, name).await?.into_iter();
    Ok(resources
        .filter_map(|resource| Some((resource.logical_resource_id?, resource.physical_resource_id?)))
        .collect())
}

async fn resources(client: &Client, name: &str) -> Answer<Vec<StackResourceSummary>> {
    let items = client
        .list_stack_resources()
        .stack_name(name)
        .into_paginator()
        .items()
        .send();
    let found: Vec<StackResourceSummary> = items
        .try_collect()
        .await
        .map_err(|error| trouble(&error, "cloudformation:ListStackResources", &[]))?;
    // A deleted resource stays in the list, with the id that it had.
    Ok(found
        .into_iter()
        .filter(|resource| {
            let status = resource.resource_status.as_ref();
            status.is_none_or(|status| status.as_str() != "DELETE_COMPLETE")
        })
        .collect())
}

/// The template as it was given, before CloudFormation's own transformations.
async fn template(client: &Client, name: &str) -> Answer<String> {
    const ACTION: &str = "cloudformation:GetTemplate";
    let output = client
        .get_template()
        .stack_name(name)
        .template_stage(TemplateStage::Original)
        .send()
        .await
        .map_err(|error| trouble(&error, ACTION, &[]))?;
    output.template_body.ok_or_else(|| incomplete(ACTION))
}

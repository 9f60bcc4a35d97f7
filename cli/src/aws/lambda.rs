//! The function of a stack and its event source mapping.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{EventSourceMappingMetric, FunctionResponseType, ThrottleReason};

use k2m_handler::probe::creation::{Answer as Made, CreateTopics};
use k2m_handler::probe::report::Answer as Answered;
use k2m_handler::probe::{Payload, Request};
use serde::Deserialize;

use super::answer::{Answer, Trouble, trouble};
use super::stacks::sorted;
use super::{cloudformation, number};
use crate::deploy::port::{Doing, Fault, FaultKind};
use crate::deploy::topics::{self, Reply};
use crate::facts::{Concurrency, Function, Mapping, Probe};

const NOT_FOUND: &[&str] = &["ResourceNotFoundException"];
/// What the names of k2m's own variables begin with.
pub(super) const OURS: &str = "K2M_";

/// What a mapping is between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reads {
    /// The stream's ARN, where it names one.
    pub(super) stream: Option<String>,
    /// The function's name or ARN.
    pub(super) function: String,
    /// When it was last changed, or its state, in seconds since 1970.
    pub(super) changed: Option<i64>,
}

/// Looks at a mapping.
pub(super) async fn mapping(client: &Client, uuid: &str) -> Answer<(Mapping, Reads)> {
    let answer = client.get_event_source_mapping().uuid(uuid).send().await;
    let found = answer.map_err(|error| trouble(&error, "lambda:GetEventSourceMapping", NOT_FOUND))?;
    let partial_failures = found
        .function_response_types()
        .contains(&FunctionResponseType::ReportBatchItemFailures);
    let patterns = found.filter_criteria.and_then(|criteria| criteria.filters);
    let metrics = found.metrics_config;
    let mapping = Mapping {
        uuid: uuid.to_owned(),
        state: found.state.unwrap_or_default(),
        last_result: found.last_processing_result,
        batch_size: number(found.batch_size.unwrap_or_default()),
        starting_position: found.starting_position.map(|position| position.as_str().to_owned()),
        starting_timestamp: found.starting_position_timestamp.as_ref().and_then(super::history::at),
        batching_window: found.maximum_batching_window_in_seconds.map(number),
        parallelization_factor: found.parallelization_factor.map(number),
        retries: found.maximum_retry_attempts,
        maximum_record_age: found.maximum_record_age_in_seconds,
        bisect: found.bisect_batch_on_function_error,
        tumbling_window: found.tumbling_window_in_seconds.map(number),
        filters: patterns
            .into_iter()
            .flatten()
            .filter_map(|filter| filter.pattern)
            .collect(),
        counts_events: Some(metrics.iter().any(|metric| {
            let metrics = metric.metrics();
            metrics.contains(&EventSourceMappingMetric::EventCount)
        })),
        partial_failures,
        destination: found
            .destination_config
            .and_then(|destinations| destinations.on_failure?.destination),
    };
    let reads = Reads {
        stream: found.event_source_arn,
        function: found.function_arn.unwrap_or_default(),
        changed: found.last_modified.map(|at| at.secs()),
    };
    Ok((mapping, reads))
}

/// Looks at what the account may run at the same time.
pub(super) async fn concurrency(client: &Client) -> Answer<Concurrency> {
    const ACTION: &str = "lambda:GetAccountSettings";
    let answer = client.get_account_settings().send().await;
    let answer = answer.map_err(|error| trouble(&error, ACTION, &[]))?;
    let limit = answer.account_limit.ok_or_else(|| super::incomplete(ACTION))?;
    Ok(Concurrency {
        limit: number(limit.concurrent_executions),
        unreserved: number(
            limit
                .unreserved_concurrent_executions
                .unwrap_or(limit.concurrent_executions),
        ),
    })
}

/// Looks at a function by its name or ARN.
pub(super) async fn function(client: &Client, name: &str) -> Answer<Function> {
    let found = client
        .get_function_configuration()
        .function_name(name)
        .send()
        .await
        .map_err(|error| trouble(&error, "lambda:GetFunctionConfiguration", NOT_FOUND))?;
    let (vpc, mut subnets, mut security_groups) = found
        .vpc_config
        .map(|vpc| {
            (
                vpc.vpc_id.filter(|id| !id.is_empty()),
                vpc.subnet_ids.unwrap_or_default(),
                vpc.security_group_ids.unwrap_or_default(),
            )
        })
        .unwrap_or_default();
    subnets.sort();
    security_groups.sort();
    let variables = found
        .environment
        .and_then(|environment| environment.variables)
        .unwrap_or_default();
    // Only our own: another's variables may hold secrets.
    let (variables, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        variables.into_iter().partition(|(name, _)| name.starts_with(OURS));
    Ok(Function {
        arn: found.function_arn.unwrap_or_default(),
        state: found
            .state
            .as_ref()
            .map_or("unknown", |state| state.as_str())
            .to_owned(),
        state_reason: found.state_reason,
        last_update: found.last_update_status.map(|status| status.as_str().to_owned()),
        last_update_reason: found.last_update_status_reason,
        timeout_seconds: number(found.timeout.unwrap_or_default()),
        memory_mb: number(found.memory_size.unwrap_or_default()),
        vpc,
        subnets,
        security_groups,
        variables,
        other_variables: others.into_keys().collect(),
        // AWS gives a list of exactly one.
        architecture: found
            .architectures
            .and_then(|all| all.first().map(|one| one.as_str().to_owned())),
        runtime: found.runtime.map(|runtime| runtime.as_str().to_owned()),
        role: found.role,
        log_group: found.logging_config.and_then(|logging| logging.log_group),
        reserved_concurrency: None,
    })
}

/// Looks at how many invocations at the same time are reserved for a function. AWS answers nothing where none are.
pub(super) async fn reserved_concurrency(client: &Client, name: &str) -> Answer<u32> {
    let answer = client.get_function_concurrency().function_name(name).send().await;
    let found = answer.map_err(|error| trouble(&error, "lambda:GetFunctionConcurrency", NOT_FOUND))?;
    found.reserved_concurrent_executions.map(number).ok_or(Trouble::Absent)
}

/// What Lambda makes of an error of the function's.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FunctionError {
    error_type: String,
    error_message: String,
}

/// Asks a function for its probe.
pub(super) async fn probe(client: &Client, name: &str) -> Answer<Probe> {
    let unreadable =
        |error: serde_json::Error| Trouble::Refused(format!("its answer to the probe can't be read: {error}"));
    let payload = serde_json::to_vec(&Payload::new(Request::default())).map_err(unreadable)?;
    let answer = client
        .invoke()
        .function_name(name)
        .payload(Blob::new(payload))
        .send()
        .await
        .map_err(|error| {
            let trouble = trouble(&error, "lambda:InvokeFunction", NOT_FOUND);
            // Whose share is used up is said beside the words.
            match (trouble, error.as_service_error()) {
                (Trouble::Refused(message), Some(InvokeError::TooManyRequestsException(throttled))) => {
                    let reason = throttled.reason().map(ThrottleReason::as_str);
                    Trouble::Refused(reason.map_or(message.clone(), |reason| format!("{message} ({reason})")))
                }
                (trouble, _) => trouble,
            }
        })?;
    let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
    if let Some(how) = answer.function_error {
        let error: FunctionError = serde_json::from_slice(&body).unwrap_or_default();
        return Ok(Probe::Failed {
            kind: if error.error_type.is_empty() {
                how
            } else {
                error.error_type
            },
            message: error.error_message,
        });
    }
    let answer: Answered = serde_json::from_slice(&body).map_err(unreadable)?;
    Ok(Probe::Answered(Box::new(answer.k2m.probe)))
}

/// The functions of stacks, as a deployment asks them.
#[derive(Debug)]
pub struct Functions {
    pub(super) client: Client,
    pub(super) stacks: aws_sdk_cloudformation::Client,
}

impl topics::Functions for Functions {
    fn create_topics<'a>(&'a self, stack: &'a str, logical_id: &'a str, wanted: &'a CreateTopics) -> Doing<'a, Reply> {
        Box::pin(async move {
            let ids = cloudformation::ids(&self.stacks, stack).await.map_err(Fault::from)?;
            let name = ids.get(logical_id).ok_or_else(|| Fault {
                kind: FaultKind::Absent,
                message: format!("the stack {stack} has no {logical_id}"),
            })?;
            let unreadable = |error: serde_json::Error| Fault {
                kind: FaultKind::Refused,
                message: format!("the function's answer can't be read: {error}"),
            };
            let payload = serde_json::to_vec(&Payload::create_topics(wanted.clone())).map_err(unreadable)?;
            let asked = self.client.invoke().function_name(name).payload(Blob::new(payload));
            let answer = asked.send().await;
            let answer = answer.map_err(|error| sorted(&error, "lambda:InvokeFunction", NOT_FOUND))?;
            let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
            if let Some(how) = answer.function_error {
                let FunctionError {
                    error_type,
                    error_message,
                } = serde_json::from_slice(&body).unwrap_or_default();
                return Ok(Reply::Failed {
                    kind: if error_type.is_empty() { how } else { error_type },
                    message: error_message,
                });
            }
            let answer: Made = serde_json::from_slice(&body).map_err(unreadable)?;
            Ok(Reply::Answered(answer.k2m.topics))
        })
    }
}

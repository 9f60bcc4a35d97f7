//! Settings that are put back: of a function, of its event source mapping, of a security group; and secrets of the cluster.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{IpPermission, IpRange, PrefixListId, UserIdGroupPair};
use aws_sdk_lambda::types::{
    DestinationConfig, Environment, FilterCriteria, FunctionResponseType, OnFailure, VpcConfig,
};

use super::Aws;
use super::lambda;
use super::stacks::sorted;
use crate::arn::Arn;
use crate::deploy::port::{Doing, Fault, FaultKind};
use crate::doctor::mend::{FunctionChange, GroupChange, MappingChange, OutwardRule};
use crate::facts::network::RulePeer;
use crate::mend::port::Settle;

const NOT_FOUND: &[&str] = &["ResourceNotFoundException"];

impl Settle for Aws {
    fn change_function<'a>(&'a self, change: &'a FunctionChange) -> Doing<'a, ()> {
        Box::pin(async move {
            let client = aws_sdk_lambda::Client::new(&self.in_region(&change.region));
            let variables = match &change.variables {
                Some(ours) => Some(environment(&client, &change.function, ours).await?),
                None => None,
            };
            let vpc = change.network.as_ref().map(|(subnets, groups)| {
                VpcConfig::builder()
                    .set_subnet_ids(Some(subnets.clone()))
                    .set_security_group_ids(Some(groups.clone()))
                    .build()
            });
            let changed = client
                .update_function_configuration()
                .function_name(&change.function)
                .set_timeout(change.timeout.map(signed))
                .set_memory_size(change.memory.map(signed))
                .set_environment(variables)
                .set_vpc_config(vpc)
                .send()
                .await;
            changed
                .map(drop)
                .map_err(|error| sorted(&error, "lambda:UpdateFunctionConfiguration", NOT_FOUND))
        })
    }

    fn function_update<'a>(&'a self, region: &'a str, function: &'a str) -> Doing<'a, (String, Option<String>)> {
        Box::pin(async move {
            let client = aws_sdk_lambda::Client::new(&self.in_region(region));
            let found = lambda::function(&client, function).await.map_err(Fault::from)?;
            // A function that was never changed has no last change.
            let update = found.last_update.unwrap_or_else(|| "Successful".to_owned());
            Ok((update, found.last_update_reason))
        })
    }

    fn change_mapping<'a>(&'a self, change: &'a MappingChange) -> Doing<'a, ()> {
        Box::pin(async move {
            let client = aws_sdk_lambda::Client::new(&self.in_region(&change.region));
            let destination = change.destination.as_ref().map(|arn| {
                let on_failure = OnFailure::builder().destination(arn).build();
                DestinationConfig::builder().on_failure(on_failure).build()
            });
            let types = change.partial_failures.map(|on| {
                let types = on.then_some(FunctionResponseType::ReportBatchItemFailures);
                types.into_iter().collect()
            });
            let number = |name| change.numbers.get(name).copied();
            let changed = client
                .update_event_source_mapping()
                .uuid(&change.uuid)
                .set_enabled(change.enabled)
                .set_batch_size(change.batch_size.map(signed))
                .set_function_response_types(types)
                .set_destination_config(destination)
                .set_maximum_retry_attempts(number("MaximumRetryAttempts"))
                .set_maximum_record_age_in_seconds(number("MaximumRecordAgeInSeconds"))
                .set_maximum_batching_window_in_seconds(number("MaximumBatchingWindowInSeconds"))
                .set_parallelization_factor(number("ParallelizationFactor"))
                .set_tumbling_window_in_seconds(number("TumblingWindowInSeconds"))
                .set_bisect_batch_on_function_error(change.bisect)
                .set_filter_criteria(change.no_filters.then(|| FilterCriteria::builder().build()))
                .send()
                .await;
            changed
                .map(drop)
                .map_err(|error| sorted(&error, "lambda:UpdateEventSourceMapping", NOT_FOUND))
        })
    }

    fn mapping_state<'a>(&'a self, region: &'a str, uuid: &'a str) -> Doing<'a, String> {
        Box::pin(async move {
            let client = aws_sdk_lambda::Client::new(&self.in_region(region));
            let found = lambda::mapping(&client, uuid).await.map_err(Fault::from)?;
            Ok(found.0.state)
        })
    }

    fn let_out<'a>(&'a self, change: &'a GroupChange) -> Doing<'a, ()> {
        Box::pin(async move {
            let client = aws_sdk_ec2::Client::new(&self.in_region(&change.region));
            for rule in &change.rules {
                let given = client
                    .authorize_security_group_egress()
                    .group_id(&change.group)
                    .ip_permissions(permission(rule))
                    .send()
                    .await;
                // One by one: whoever was stopped half-way finds some of them there.
                let there = ["InvalidPermission.Duplicate"];
                match given.map_err(|error| sorted(&error, "ec2:AuthorizeSecurityGroupEgress", &there)) {
                    Err(fault) if fault.kind == FaultKind::Absent => {}
                    given => drop(given?),
                }
            }
            Ok(())
        })
    }

    fn associate<'a>(&'a self, cluster: &'a Arn, secret: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            let client = aws_sdk_kafka::Client::new(&self.in_region(&cluster.region));
            let answer = client
                .batch_associate_scram_secret()
                .cluster_arn(cluster.as_str())
                .secret_arn_list(secret)
                .send()
                .await;
            let answer =
                answer.map_err(|error| sorted(&error, "kafka:BatchAssociateScramSecret", &["NotFoundException"]))?;
            match answer.unprocessed_scram_secrets().first() {
                None => Ok(()),
                Some(refused) => Err(Fault {
                    kind: FaultKind::Refused,
                    message: format!(
                        "{}: {}",
                        refused.error_code().unwrap_or("unprocessed"),
                        refused.error_message().unwrap_or("MSK gives no reason")
                    ),
                }),
            }
        })
    }
}

/// The function's variables with k2m's as they are to be. Lambda replaces them whole, so those of anybody else are read just before, and kept.
async fn environment(
    client: &aws_sdk_lambda::Client,
    function: &str,
    ours: &BTreeMap<String, String>,
) -> Result<Environment, Fault> {
    let answer = client.get_function_configuration().function_name(function).send().await;
    let found = answer.map_err(|error| sorted(&error, "lambda:GetFunctionConfiguration", NOT_FOUND))?;
    let environment = found.environment;
    if let Some(error) = environment.as_ref().and_then(|environment| environment.error.as_ref()) {
        return Err(Fault {
            kind: FaultKind::Refused,
            message: format!(
                "Lambda does not tell the function's variables ({}): who may decrypt them has to set them, so that none is lost",
                error.message().or(error.error_code()).unwrap_or("no reason given")
            ),
        });
    }
    let mut all = environment
        .and_then(|environment| environment.variables)
        .unwrap_or_default();
    all.retain(|name, _| !name.starts_with(lambda::OURS));
    all.extend(ours.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(Environment::builder().set_variables(Some(all)).build())
}

fn permission(rule: &OutwardRule) -> IpPermission {
    let described = rule.description.clone();
    let permission = IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(i32::from(rule.ports.0))
        .to_port(i32::from(rule.ports.1));
    match &rule.peer {
        RulePeer::Cidr(cidr) => {
            permission.ip_ranges(IpRange::builder().cidr_ip(cidr).set_description(described).build())
        }
        RulePeer::Group(group) => permission.user_id_group_pairs(
            UserIdGroupPair::builder()
                .group_id(group)
                .set_description(described)
                .build(),
        ),
        RulePeer::PrefixList(list) => permission.prefix_list_ids(
            PrefixListId::builder()
                .prefix_list_id(list)
                .set_description(described)
                .build(),
        ),
    }
    .build()
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

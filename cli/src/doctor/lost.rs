//! What stacks have by their lists and AWS has no more: somebody deleted it. CloudFormation does not look, so no deployment makes it again.

use serde_yaml::Value;

use super::Case;
use super::drift::{ids_of, text};
use super::mend::{Lost, Mend, Remaking};
use crate::deploy::network::named;
use crate::facts::network::SecurityGroup;
use crate::facts::{Fact, Stack};
use crate::plan::shared::NETWORK_STACKS;

/// The type of a topic.
const TOPIC: &str = "AWS::MSK::Topic";
/// The type of a route.
pub(super) const ROUTE: &str = "AWS::EC2::Route";
/// The type of an event source mapping.
const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

/// Rules of security groups that are gone.
pub(super) fn rules(case: &Case<'_>) -> Vec<Lost> {
    of_stacks(case, |stack, kind, properties, id| {
        if !matches!(kind, "AWS::EC2::SecurityGroupIngress" | "AWS::EC2::SecurityGroupEgress")
            || !id.starts_with("sgr-")
        {
            return false;
        }
        let of = properties.get("GroupId").and_then(|group| text(stack, group));
        let group = of.and_then(|of| group(case, &of));
        group.is_some_and(|group| group.rules.iter().all(|rule| rule.id != id))
    })
}

/// Routes that are gone.
pub(super) fn routes(case: &Case<'_>) -> Vec<Lost> {
    of_stacks(case, |_, kind, _, id| {
        let Some((table, destination)) = id.split_once('|').filter(|_| kind == ROUTE) else {
            return false;
        };
        let networks = case.facts.networks.values();
        let mut tables = networks.filter_map(|network| network.route_tables.found()).flatten();
        let table = tables.find(|one| one.id == table);
        table.is_some_and(|table| table.routes.iter().all(|route| route.destination != destination))
    })
}

/// The topic of this name, where a stack has it: whether it is gone is for the caller to know.
pub(super) fn topic(case: &Case<'_>, name: &str) -> Option<Lost> {
    let is = |_: &Stack, kind: &str, properties: &Value, _: &str| {
        kind == TOPIC && properties.get("TopicName").and_then(Value::as_str) == Some(name)
    };
    of_stacks(case, is).pop()
}

/// The mapping of this UUID, where its stack has a new one deliver twice at worst. At LATEST one would miss what came since the old one was deleted, and where
/// that ended nobody knows: a person has to say.
pub(super) fn mapping(case: &Case<'_>, uuid: &str) -> Option<Lost> {
    let again = |properties: &Value| {
        let position = properties.get("StartingPosition").and_then(Value::as_str);
        matches!(position, Some("TRIM_HORIZON" | "AT_TIMESTAMP"))
    };
    of_stacks(case, |_, kind, properties, id| {
        kind == MAPPING && id == uuid && again(properties)
    })
    .pop()
}

/// These as something that k2m can do: none where nothing is gone.
pub(super) fn remake(case: &Case<'_>, lost: Vec<Lost>, caution: Option<&'static str>) -> Option<Mend> {
    (!lost.is_empty()).then(|| {
        Mend::Remake(Remaking {
            stack: case.settings.stack.value.clone(),
            region: case.settings.home.region.clone(),
            lost,
            caution,
        })
    })
}

/// The security group of this id, where its region's could be read.
pub(super) fn group<'a>(case: &Case<'a>, id: &str) -> Option<&'a SecurityGroup> {
    let networks = case.facts.networks.values();
    let mut groups = networks.filter_map(|network| network.security_groups.found()).flatten();
    groups.find(|group| group.id == id)
}

/// Resources of the stack, and of the network stacks that it needs, that are so: of each its stack, type, properties and physical id are asked about.
fn of_stacks(case: &Case<'_>, mut is: impl FnMut(&Stack, &str, &Value, &str) -> bool) -> Vec<Lost> {
    let Ok(own) = case.stack() else { return Vec::new() };
    let needed = own
        .outputs
        .get(NETWORK_STACKS)
        .map(|output| named(output))
        .unwrap_or_default();
    let networks = needed.iter().filter_map(|(region, name)| {
        let stack = case.facts.network_stacks.get(name).and_then(Fact::found)?;
        stack.made_by_k2m.then_some((region.as_str(), stack))
    });
    let mut found = Vec::new();
    for (region, stack) in std::iter::once((case.settings.home.region.as_str(), own)).chain(networks) {
        let template = stack.template.as_deref();
        let template: Option<Value> = template.and_then(|text| serde_yaml::from_str(text).ok());
        // What else a stack may be, its template need not be what is there.
        let settled = stack.status.ends_with("_COMPLETE")
            && !matches!(stack.status.as_str(), "ROLLBACK_COMPLETE" | "DELETE_COMPLETE");
        let Some(template) = template.filter(|_| settled) else {
            continue;
        };
        for (logical_id, kind, properties, id) in ids_of(&template, stack) {
            if is(stack, kind, properties, id) {
                found.push(Lost {
                    region: region.to_owned(),
                    stack: stack.name.clone(),
                    logical_id: logical_id.to_owned(),
                    kind: kind.to_owned(),
                    id: id.to_owned(),
                });
            }
        }
    }
    found
}

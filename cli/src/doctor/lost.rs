//! What stacks have by their lists and AWS has no more: somebody deleted it. CloudFormation does not look, so no deployment makes it again.

use ipnet::Ipv4Net;
use serde_yaml::Value;

use super::Case;
use super::drift::{ids_of, text};
use super::mend::{Lost, Mend, Remaking};
use crate::facts::network::{Rule, RulePeer, SecurityGroup};
use crate::facts::{Fact, Owner, Stack};
use crate::plan::shared::{NETWORK_STACKS, named};

/// The types of a security group's rules.
const INGRESS: &str = "AWS::EC2::SecurityGroupIngress";
const EGRESS: &str = "AWS::EC2::SecurityGroupEgress";
/// The type of a topic.
const TOPIC: &str = "AWS::MSK::Topic";
/// The type of a route.
pub(super) const ROUTE: &str = "AWS::EC2::Route";
/// The type of an event source mapping.
const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

/// Rules of security groups that are gone, and that nothing stands in for.
pub(super) fn rules(case: &Case<'_>) -> Vec<Lost> {
    rules_where(case, false)
}

/// Rules of security groups that are gone, where another hand made one that lets the same pass: nobody misses them, and EC2 takes no rule twice.
pub(super) fn replaced_rules(case: &Case<'_>) -> Vec<Lost> {
    rules_where(case, true)
}

/// Rules that are gone, where another one does, or does not, let the same pass.
fn rules_where(case: &Case<'_>, replaced: bool) -> Vec<Lost> {
    of_stacks(case, |stack, kind, properties, id| {
        if !matches!(kind, INGRESS | EGRESS) || !id.starts_with("sgr-") {
            return false;
        }
        let of = properties.get("GroupId").and_then(|group| text(stack, group));
        let group = of.and_then(|of| group(case, &of));
        let gone = group.filter(|group| group.rules.iter().all(|rule| rule.id != id));
        let Some(group) = gone else { return false };
        let was = rule(stack, kind, properties);
        let another = was.is_some_and(|was| group.rules.iter().any(|rule| lets_pass(rule, &was)));
        another == replaced
    })
}

/// The rule that a template gives; none where not all of it is known.
fn rule(stack: &Stack, kind: &str, properties: &Value) -> Option<Rule> {
    let word = |name: &str| properties.get(name).and_then(|value| text(stack, value));
    let port = |name: &str| word(name)?.parse::<u16>().ok();
    let egress = kind == EGRESS;
    let side = if egress { "Destination" } else { "Source" };
    let peer = word("CidrIp")
        .map(RulePeer::Cidr)
        .or_else(|| word(&format!("{side}SecurityGroupId")).map(RulePeer::Group))
        .or_else(|| word(&format!("{side}PrefixListId")).map(RulePeer::PrefixList))?;
    Some(Rule {
        id: String::new(),
        egress,
        protocol: word("IpProtocol")?,
        ports: Some((port("FromPort")?, port("ToPort")?)),
        peer,
        owner: Owner::ThisStack,
    })
}

/// Whether a rule lets all pass that another one did.
fn lets_pass(rule: &Rule, was: &Rule) -> bool {
    let protocol = rule.protocol == "-1" || rule.protocol == was.protocol;
    let ports = match (rule.ports, was.ports) {
        (None, _) => true,
        (Some((first, last)), Some((was_first, was_last))) => first <= was_first && was_last <= last,
        (Some(_), None) => false,
    };
    let block = |text: &str| text.parse::<Ipv4Net>().ok();
    let peer = match (&rule.peer, &was.peer) {
        (RulePeer::Cidr(one), RulePeer::Cidr(was)) => {
            let holds = block(one).zip(block(was)).is_some_and(|(one, was)| one.contains(&was));
            one == was || holds
        }
        // Whatever has the group has an address.
        (RulePeer::Cidr(all), RulePeer::Group(_)) => all == "0.0.0.0/0",
        (one, was) => one == was,
    };
    rule.egress == was.egress && protocol && ports && peer
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

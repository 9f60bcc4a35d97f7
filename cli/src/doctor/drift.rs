//! What was changed outside the stack: the function and its mapping as they are, against the stack's template. CloudFormation does not look, and a
//! deployment of the same template changes nothing, so that only the direct command takes such a change back.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::rc::Rc;

use serde_yaml::Value;

use super::mend::{FunctionChange, MappingChange, Mend, OutwardRule};
use super::rights::told;
use super::{Case, Outcome, given};
use crate::facts::network::RulePeer;
use crate::facts::{Fact, Function, Mapping, PipelineFacts, Stack};
use crate::plan::FunctionTopics;
use crate::settings::{Payload, Row, TABLE};

/// What is known of changes outside the stack.
#[derive(Debug)]
pub(super) enum Drift {
    /// All that can be compared.
    Known(Known),
    /// There is nothing to compare with; how the check says so.
    Unknown(Outcome),
}

/// The comparison.
#[derive(Debug)]
pub(super) struct Known {
    template: Rc<Value>,
    /// All variables of the function, where the template has nothing but text for them.
    variables: Option<BTreeMap<String, String>>,
    differences: Vec<Difference>,
}

/// One thing that is not as the template says.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) template: Property,
    /// What is there in its place; absent where nothing is.
    pub(super) deployed: Option<String>,
}

/// A property of the function or the mapping, as the template has it.
#[derive(Debug, Clone)]
pub(super) enum Property {
    Timeout(u32),
    Memory(u32),
    /// Absent where the template has no such variable.
    Variable(String, Option<String>),
    Subnets(Vec<String>),
    SecurityGroups(Vec<String>),
    Enabled(bool),
    BatchSize(u32),
    PartialFailures(bool),
    Destination(String),
    Number(&'static Number, i32),
    Bisect(bool),
    /// No template of k2m's has filters.
    NoFilters,
}

/// A number of the mapping's.
#[derive(Debug)]
pub(super) struct Number {
    /// In the template.
    name: &'static str,
    /// The setting that it follows from, where that can be another.
    setting: Option<&'static str>,
    /// What holds where the template doesn't say.
    otherwise: Option<i32>,
    get: fn(&Mapping) -> Option<i32>,
    set: fn(&mut Mapping, i32),
}

/// The type of the pipeline's function in a template.
pub(super) const FUNCTION: &str = "AWS::Lambda::Function";
/// The type of its event source mapping.
pub(super) const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

const NUMBERS: [Number; 5] = [
    Number {
        name: "MaximumRetryAttempts",
        setting: Some("retries"),
        otherwise: None,
        get: |mapping| mapping.retries,
        set: |mapping, retries| mapping.retries = Some(retries),
    },
    Number {
        name: "MaximumRecordAgeInSeconds",
        setting: Some("maximum_record_age"),
        otherwise: None,
        get: |mapping| mapping.maximum_record_age,
        set: |mapping, age| mapping.maximum_record_age = Some(age),
    },
    Number {
        name: "MaximumBatchingWindowInSeconds",
        setting: Some("batching_window"),
        otherwise: None,
        get: |mapping| i32::try_from(mapping.batching_window?).ok(),
        set: |mapping, window| mapping.batching_window = u32::try_from(window).ok(),
    },
    Number {
        name: "ParallelizationFactor",
        setting: Some("parallelization_factor"),
        otherwise: None,
        get: |mapping| i32::try_from(mapping.parallelization_factor?).ok(),
        set: |mapping, factor| mapping.parallelization_factor = u32::try_from(factor).ok(),
    },
    Number {
        name: "TumblingWindowInSeconds",
        setting: None,
        otherwise: Some(0),
        get: |mapping| i32::try_from(mapping.tumbling_window?).ok(),
        set: |mapping, window| mapping.tumbling_window = u32::try_from(window).ok(),
    },
];

/// Whether nothing was changed outside the stack.
pub(super) fn none(case: &Case<'_>) -> Outcome {
    let stack = given!(case.stack());
    let known = match case.drift {
        Drift::Known(known) => known,
        Drift::Unknown(outcome) => return outcome.clone(),
    };
    given!(case.function());
    if known.differences.is_empty() {
        return Outcome::pass(format!(
            "the function and its mapping are as the template of {} says",
            stack.name
        ));
    }
    let all: Vec<usize> = (0..known.differences.len()).collect();
    let mut fix = known.commands(case, &all);
    fix.push(
        "where a change is to stay, set it in k2m.yaml or with a flag, then k2m deploy: the template has it then"
            .to_owned(),
    );
    Outcome::Warn {
        evidence: known.told(&all).collect(),
        fix,
    }
}

impl Drift {
    /// Compares a pipeline with what the stack's template says.
    pub(super) fn of(read: &Read<'_>, seen: &PipelineFacts) -> Self {
        match read {
            Ok((stack, template)) => Self::Known(Known::new(stack, Rc::clone(template), seen)),
            Err(outcome) => Self::Unknown(outcome.clone()),
        }
    }

    /// The comparison, where there is one.
    pub(super) fn known(&self) -> Option<&Known> {
        match self {
            Self::Known(known) => Some(known),
            Self::Unknown(_) => None,
        }
    }
}

/// The stack with its template, where both are what is deployed; else how a check says why not. All pipelines share it.
pub(super) type Read<'a> = Result<(&'a Stack, Rc<Value>), Outcome>;

/// Reads the stack's template.
pub(super) fn read(stack: &Fact<Stack>) -> Read<'_> {
    let Some(stack) = stack.found().filter(|stack| stack.made_by_k2m) else {
        return Err(Outcome::skip("there is no stack of k2m to compare with"));
    };
    let settled = stack.status.ends_with("_COMPLETE") && !matches!(stack.status.as_str(), "ROLLBACK_COMPLETE");
    if !settled {
        return Err(Outcome::skip(format!(
            "{} is {}, so its template need not be what is deployed",
            stack.name, stack.status
        )));
    }
    match (&stack.template, &stack.template_unreadable) {
        (Some(text), _) => match serde_yaml::from_str(text) {
            Ok(template) => Ok((stack, Rc::new(template))),
            Err(error) => Err(Outcome::skip(format!("the stack's template is no YAML: {error}"))),
        },
        (None, Some(why)) => Err(Outcome::Unknown {
            why: format!("the stack's template could not be read: {}", told(why)),
            missing_action: why.missing_action.clone(),
        }),
        (None, None) => Err(Outcome::skip("the facts have no template of the stack; inspect again")),
    }
}

impl Known {
    fn new(stack: &Stack, template: Rc<Value>, seen: &PipelineFacts) -> Self {
        let mut known = Self {
            variables: None,
            differences: Vec::new(),
            template,
        };
        if let Some(function) = seen.function.found() {
            known.compare_function(stack, function);
        }
        if let Some(mapping) = seen.mapping.found() {
            known.compare_mapping(stack, mapping);
        }
        known
    }

    fn compare_function(&mut self, stack: &Stack, function: &Function) {
        let name = function.name();
        let Some(properties) = properties(&self.template, stack, FUNCTION, name) else {
            return;
        };
        let mut found = Vec::new();
        let mut differs = |template: Property, deployed: Option<String>| found.push(Difference { template, deployed });
        if let Some(seconds) = number(properties.get("Timeout")).filter(|seconds| *seconds != function.timeout_seconds)
        {
            differs(Property::Timeout(seconds), Some(function.timeout_seconds.to_string()));
        }
        if let Some(memory) = number(properties.get("MemorySize")).filter(|memory| *memory != function.memory_mb) {
            differs(Property::Memory(memory), Some(function.memory_mb.to_string()));
        }
        let variables = variables(properties.get("Environment"));
        for (name, said) in variables.iter().flatten().filter(|(name, _)| name.starts_with("K2M_")) {
            let deployed = function.variables.get(name);
            if deployed != Some(said) {
                differs(Property::Variable(name.clone(), Some(said.clone())), deployed.cloned());
            }
        }
        if let Some(variables) = &variables {
            for (name, deployed) in &function.variables {
                if !variables.contains_key(name) {
                    differs(Property::Variable(name.clone(), None), Some(deployed.clone()));
                }
            }
        }
        let vpc = properties.get("VpcConfig");
        let list = |name| ids(stack, vpc.and_then(|vpc| vpc.get(name)));
        if let Some(subnets) = list("SubnetIds").filter(|subnets| *subnets != function.subnets) {
            differs(Property::Subnets(subnets), joined(&function.subnets));
        }
        if let Some(groups) = list("SecurityGroupIds").filter(|groups| *groups != function.security_groups) {
            differs(Property::SecurityGroups(groups), joined(&function.security_groups));
        }
        self.differences.extend(found);
        self.variables = variables;
    }

    fn compare_mapping(&mut self, stack: &Stack, mapping: &Mapping) {
        let Some(properties) = properties(&self.template, stack, MAPPING, &mapping.uuid) else {
            return;
        };
        let mut found = Vec::new();
        let mut differs = |template: Property, deployed: Option<String>| found.push(Difference { template, deployed });
        let enabled = match mapping.state.as_str() {
            "Enabled" | "Enabling" => Some(true),
            "Disabled" | "Disabling" => Some(false),
            _ => None,
        };
        if let (Some(said), Some(is)) = (properties.get("Enabled").and_then(Value::as_bool), enabled)
            && said != is
        {
            differs(Property::Enabled(said), Some(is.to_string()));
        }
        if let Some(size) = number(properties.get("BatchSize")).filter(|size| *size != mapping.batch_size) {
            differs(Property::BatchSize(size), Some(mapping.batch_size.to_string()));
        }
        if let Some(said) = partial_failures(properties).filter(|said| *said != mapping.partial_failures) {
            differs(
                Property::PartialFailures(said),
                Some(on_or_off(mapping.partial_failures).to_owned()),
            );
        }
        if let Some(said) = destination(stack, properties).filter(|said| mapping.destination.as_ref() != Some(said)) {
            differs(Property::Destination(said), mapping.destination.clone());
        }
        for setting in &NUMBERS {
            let said = signed(properties.get(setting.name)).or(setting.otherwise);
            if let (Some(said), Some(is)) = (said, (setting.get)(mapping))
                && said != is
            {
                differs(Property::Number(setting, said), Some(is.to_string()));
            }
        }
        if let (Some(said), Some(is)) = (
            properties.get("BisectBatchOnFunctionError").and_then(Value::as_bool),
            mapping.bisect,
        ) && said != is
        {
            differs(Property::Bisect(said), Some(is.to_string()));
        }
        if !mapping.filters.is_empty() && properties.get("FilterCriteria").is_none() {
            differs(Property::NoFilters, Some(mapping.filters.join(", ")));
        }
        self.differences.extend(found);
    }

    /// The stack's template.
    pub(super) fn template(&self) -> &Value {
        &self.template
    }

    /// All differences, in their order.
    pub(super) fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// Which differences are of the function's variables.
    pub(super) fn variables(&self) -> Vec<usize> {
        let is_variable = |index: &usize| {
            matches!(
                self.differences.get(*index),
                Some(Difference {
                    template: Property::Variable(..),
                    ..
                })
            )
        };
        (0..self.count()).filter(is_variable).collect()
    }

    /// How many differences there are.
    pub(super) fn count(&self) -> usize {
        self.differences.len()
    }

    /// What was seen as it would be if these were as the template says.
    pub(super) fn undone(&self, seen: &PipelineFacts, which: impl Fn(usize) -> bool) -> PipelineFacts {
        let mut seen = seen.clone();
        for (_, difference) in self.differences.iter().enumerate().filter(|(index, _)| which(*index)) {
            if let Fact::Found { value: function } = &mut seen.function {
                difference.template.give_function(function);
            }
            if let Fact::Found { value: mapping } = &mut seen.mapping {
                difference.template.give_mapping(mapping);
            }
        }
        seen
    }

    /// Which differences are of the function's security groups.
    pub(super) fn groups(&self) -> Vec<usize> {
        let all = self.differences.iter().enumerate();
        let groups = all.filter(|(_, one)| matches!(one.template, Property::SecurityGroups(_)));
        groups.map(|(index, _)| index).collect()
    }

    /// Which differences are of the function's VPC.
    pub(super) fn of_vpc(&self) -> Vec<usize> {
        let all = self.differences.iter().enumerate();
        let of_vpc = all.filter(|(_, one)| matches!(one.template, Property::Subnets(_) | Property::SecurityGroups(_)));
        of_vpc.map(|(index, _)| index).collect()
    }

    /// These differences, and where one of them is of the function's VPC all that are: Lambda takes subnets and groups together, or none of both.
    pub(super) fn together(&self, which: Vec<usize>) -> Vec<usize> {
        let of_vpc = self.of_vpc();
        if !which.iter().any(|index| of_vpc.contains(index)) {
            return which;
        }
        let all = 0..self.count();
        all.filter(|index| which.contains(index) || of_vpc.contains(index))
            .collect()
    }

    /// These differences, a line each.
    pub(super) fn told(&self, which: &[usize]) -> impl Iterator<Item = String> {
        let these = which.iter().filter_map(|index| self.differences.get(*index));
        these.map(ToString::to_string)
    }

    /// Commands that take these differences back: one for the function, since Lambda refuses a second while the first is under way, and one for
    /// the mapping.
    pub(super) fn commands(&self, case: &Case<'_>, which: &[usize]) -> Vec<String> {
        let mends = self
            .function_s(case, which)
            .into_iter()
            .chain(self.mapping_s(case, which));
        mends
            .flat_map(|mend| {
                let by_hand = match &mend {
                    Mend::RestoreFunction(change) => change.by_hand(),
                    _ => None,
                };
                by_hand.into_iter().chain([case.offer(mend)])
            })
            .collect()
    }

    fn these<'a>(&'a self, which: &'a [usize]) -> impl Iterator<Item = &'a Difference> {
        which.iter().filter_map(|index| self.differences.get(*index))
    }

    fn function_s(&self, case: &Case<'_>, which: &[usize]) -> Option<Mend> {
        let function = case.seen.function.found()?;
        let mut change = FunctionChange {
            region: case.settings.home.region.clone(),
            function: function.name().to_owned(),
            ..FunctionChange::default()
        };
        // Both are replaced whole.
        let whole = || (function.subnets.clone(), function.security_groups.clone());
        for difference in self.these(which) {
            match &difference.template {
                Property::Timeout(seconds) => change.timeout = Some(*seconds),
                Property::Memory(memory) => change.memory = Some(*memory),
                Property::Variable(..) => {
                    change.variables.clone_from(&self.variables);
                    change.kept.clone_from(&function.other_variables);
                }
                Property::Subnets(subnets) => {
                    change.network.get_or_insert_with(whole).0.clone_from(subnets);
                }
                Property::SecurityGroups(groups) => {
                    change.network.get_or_insert_with(whole).1.clone_from(groups);
                }
                Property::Enabled(_)
                | Property::BatchSize(_)
                | Property::PartialFailures(_)
                | Property::Destination(_)
                | Property::Number(..)
                | Property::Bisect(_)
                | Property::NoFilters => continue,
            }
            change.told.push(difference.to_string());
        }
        change.is_any().then_some(Mend::RestoreFunction(change))
    }

    fn mapping_s(&self, case: &Case<'_>, which: &[usize]) -> Option<Mend> {
        let mapping = case.seen.mapping.found()?;
        let mut change = MappingChange {
            region: case.settings.home.region.clone(),
            uuid: mapping.uuid.clone(),
            ..MappingChange::default()
        };
        for difference in self.these(which) {
            match &difference.template {
                Property::Enabled(on) => change.enabled = Some(*on),
                Property::BatchSize(size) => change.batch_size = Some(*size),
                Property::PartialFailures(on) => change.partial_failures = Some(*on),
                Property::Destination(arn) => change.destination = Some(arn.clone()),
                Property::Number(setting, said) => {
                    change.numbers.insert(setting.name, *said);
                }
                Property::Bisect(on) => change.bisect = Some(*on),
                Property::NoFilters => change.no_filters = true,
                Property::Timeout(_)
                | Property::Memory(_)
                | Property::Variable(..)
                | Property::Subnets(_)
                | Property::SecurityGroups(_) => continue,
            }
            change.told.push(difference.to_string());
        }
        (!change.told.is_empty()).then_some(Mend::RestoreMapping(change))
    }

    /// The rules for what leaves that the template gives to this security group of the stack; none where the group is not the stack's.
    pub(super) fn lets_out(&self, stack: &Stack, group: &str) -> Vec<OutwardRule> {
        let properties = properties(&self.template, stack, "AWS::EC2::SecurityGroup", group);
        let rules = properties.and_then(|properties| properties.get("SecurityGroupEgress")?.as_sequence());
        let rules = rules.into_iter().flatten();
        let rules = rules.filter_map(|rule| {
            let port = |name| {
                rule.get(name)
                    .and_then(Value::as_u64)
                    .and_then(|port| u16::try_from(port).ok())
            };
            let id = |name| rule.get(name).and_then(|value| text(stack, value));
            let tcp = rule.get("IpProtocol")?.as_str()? == "tcp";
            let peer = id("CidrIp")
                .map(RulePeer::Cidr)
                .or_else(|| id("DestinationSecurityGroupId").map(RulePeer::Group))?;
            tcp.then_some(OutwardRule {
                ports: (port("FromPort")?, port("ToPort")?),
                peer,
                description: rule.get("Description").and_then(Value::as_str).map(str::to_owned),
            })
        });
        rules.collect()
    }

    /// The topics that the mapping of a pipeline is kept from reading for, until its function has made them.
    pub(super) fn waits_for(&self, pipeline: &str) -> Vec<String> {
        let mapping = self
            .template
            .get("Resources")
            .and_then(|all| all.get(format!("{pipeline}Mapping")));
        let remembered = mapping.and_then(|mapping| mapping.get("Metadata")?.get("k2m").cloned());
        let remembered = remembered.and_then(|topics| serde_yaml::from_value::<FunctionTopics>(topics).ok());
        remembered.map(|topics| topics.waits_for).unwrap_or_default()
    }

    /// Whether the stack remembers that a function made the topic of this name, or found it there.
    pub(super) fn made_by_function(&self, name: &str, cluster: &str) -> bool {
        let resources = self.template.get("Resources").and_then(Value::as_mapping);
        let mut remembered = resources.into_iter().flatten().filter_map(|(_, resource)| {
            let remembered = resource.get("Metadata")?.get("k2m")?.clone();
            serde_yaml::from_value::<FunctionTopics>(remembered).ok()
        });
        remembered.any(|topics| topics.cluster == cluster && topics.made.contains_key(name))
    }

    /// What the template says of a property of the mapping; nothing where the mapping is not the template's.
    pub(super) fn of_mapping(&self, stack: &Stack, uuid: &str, name: &str) -> Option<&Value> {
        properties(&self.template, stack, MAPPING, uuid)?.get(name)
    }

    /// Partitions and replicas of the topic of this name, where it is the stack's.
    pub(super) fn topic(&self, name: &str) -> Option<(Option<u32>, Option<u32>)> {
        let resources = self.template.get("Resources")?.as_mapping()?;
        let properties = resources.values().find_map(|resource| {
            let properties = resource.get("Properties")?;
            let fits =
                resource.get("Type")?.as_str()? == "AWS::MSK::Topic" && properties.get("TopicName")?.as_str()? == name;
            fits.then_some(properties)
        })?;
        Some((
            number(properties.get("PartitionCount")),
            number(properties.get("ReplicationFactor")),
        ))
    }
}

impl Property {
    /// The type of the resource that it is of.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Timeout(_) | Self::Memory(_) | Self::Variable(..) | Self::Subnets(_) | Self::SecurityGroups(_) => {
                FUNCTION
            }
            Self::Enabled(_)
            | Self::BatchSize(_)
            | Self::PartialFailures(_)
            | Self::Destination(_)
            | Self::Number(..)
            | Self::Bisect(_)
            | Self::NoFilters => MAPPING,
        }
    }

    /// Where it stands among the resource's properties, as change sets call it. What Lambda takes as one stands below one name.
    pub(super) fn path(&self) -> String {
        let path = match self {
            Self::Timeout(_) => "Timeout",
            Self::Memory(_) => "MemorySize",
            Self::Variable(name, _) => return format!("{VARIABLES}{name}"),
            Self::Subnets(_) => "VpcConfig.SubnetIds",
            Self::SecurityGroups(_) => "VpcConfig.SecurityGroupIds",
            Self::Enabled(_) => "Enabled",
            Self::BatchSize(_) => "BatchSize",
            Self::PartialFailures(_) => "FunctionResponseTypes",
            Self::Destination(_) => "DestinationConfig.OnFailure.Destination",
            Self::Number(number, _) => number.name,
            Self::Bisect(_) => "BisectBatchOnFunctionError",
            Self::NoFilters => "FilterCriteria",
        };
        path.to_owned()
    }

    /// What the template says, as a difference tells what is there; nothing where it says nothing.
    pub(super) fn said(&self) -> Option<String> {
        match self {
            Self::Timeout(number) | Self::Memory(number) | Self::BatchSize(number) => Some(number.to_string()),
            Self::Variable(_, value) => value.clone(),
            Self::Subnets(ids) | Self::SecurityGroups(ids) => joined(ids),
            Self::Enabled(on) | Self::Bisect(on) => Some(on.to_string()),
            Self::PartialFailures(on) => Some(on_or_off(*on).to_owned()),
            Self::Destination(arn) => Some(arn.clone()),
            Self::Number(_, number) => Some(number.to_string()),
            Self::NoFilters => None,
        }
    }

    /// The same as these properties have it, of another template of the stack; nothing also where it refers to what is not there yet.
    pub(super) fn said_by(&self, stack: &Stack, properties: &Value) -> Option<String> {
        let number_of = |name: &str| number(properties.get(name)).map(|number| number.to_string());
        let word_of = |name: &str| properties.get(name)?.as_bool().map(|on| on.to_string());
        let ids_of = |name: &str| joined(&ids(stack, properties.get("VpcConfig")?.get(name))?);
        match self {
            Self::Timeout(_) => number_of("Timeout"),
            Self::Memory(_) => number_of("MemorySize"),
            Self::Variable(name, _) => variables(properties.get("Environment"))?.remove(name),
            Self::Subnets(_) => ids_of("SubnetIds"),
            Self::SecurityGroups(_) => ids_of("SecurityGroupIds"),
            Self::Enabled(_) => word_of("Enabled"),
            Self::BatchSize(_) => number_of("BatchSize"),
            Self::PartialFailures(_) => partial_failures(properties).map(|on| on_or_off(on).to_owned()),
            Self::Destination(_) => destination(stack, properties),
            Self::Number(number, _) => {
                let said = signed(properties.get(number.name)).or(number.otherwise);
                said.map(|said| said.to_string())
            }
            Self::Bisect(_) => word_of("BisectBatchOnFunctionError"),
            Self::NoFilters => None,
        }
    }

    /// The setting that it follows from, where that can be another.
    pub(super) fn setting(&self) -> Option<&'static str> {
        let named = |name: &str| {
            let mut rows = TABLE.iter();
            // Of others the handler is told something else than what was set.
            let told = |row: &&Row| row.name == "topic" || Payload::NAMES.contains(&row.name);
            rows.find(|row| told(row) && row.variable() == name).map(|row| row.name)
        };
        match self {
            Self::Timeout(_) => Some("timeout"),
            Self::Memory(_) => Some("memory"),
            Self::Variable(name, _) => named(name),
            Self::Subnets(_) => Some("subnets"),
            Self::SecurityGroups(_) => Some("security_group"),
            Self::Enabled(_) => Some("enabled"),
            Self::BatchSize(_) => Some("batch_size"),
            Self::Destination(_) => Some("failure_destination"),
            Self::Number(number, _) => number.setting,
            Self::Bisect(_) => Some("bisect"),
            // k2m knows one way.
            Self::PartialFailures(_) | Self::NoFilters => None,
        }
    }

    fn give_function(&self, function: &mut Function) {
        match self {
            Self::Timeout(seconds) => function.timeout_seconds = *seconds,
            Self::Memory(memory) => function.memory_mb = *memory,
            Self::Variable(name, Some(value)) => drop(function.variables.insert(name.clone(), value.clone())),
            Self::Variable(name, None) => drop(function.variables.remove(name)),
            Self::Subnets(subnets) => function.subnets.clone_from(subnets),
            Self::SecurityGroups(groups) => function.security_groups.clone_from(groups),
            Self::Enabled(_)
            | Self::BatchSize(_)
            | Self::PartialFailures(_)
            | Self::Destination(_)
            | Self::Number(..)
            | Self::Bisect(_)
            | Self::NoFilters => {}
        }
    }

    fn give_mapping(&self, mapping: &mut Mapping) {
        match self {
            Self::Enabled(true) => "Enabled".clone_into(&mut mapping.state),
            Self::Enabled(false) => "Disabled".clone_into(&mut mapping.state),
            Self::BatchSize(size) => mapping.batch_size = *size,
            Self::PartialFailures(on) => mapping.partial_failures = *on,
            Self::Destination(arn) => mapping.destination = Some(arn.clone()),
            Self::Number(setting, said) => (setting.set)(mapping, *said),
            Self::Bisect(on) => mapping.bisect = Some(*on),
            Self::NoFilters => mapping.filters.clear(),
            Self::Timeout(_) | Self::Memory(_) | Self::Variable(..) | Self::Subnets(_) | Self::SecurityGroups(_) => {}
        }
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, said) = match &self.template {
            Property::Timeout(seconds) => ("Timeout", seconds.to_string()),
            Property::Memory(memory) => ("MemorySize", memory.to_string()),
            Property::Variable(name, Some(value)) => (name.as_str(), value.clone()),
            Property::Variable(name, None) => {
                let deployed = self.deployed.as_deref().unwrap_or_default();
                return write!(f, "{name} is {deployed}, and the template does not have it");
            }
            Property::Subnets(subnets) => ("SubnetIds", subnets.join(", ")),
            Property::SecurityGroups(groups) => ("SecurityGroupIds", groups.join(", ")),
            Property::Enabled(on) => ("Enabled", on.to_string()),
            Property::BatchSize(size) => ("BatchSize", size.to_string()),
            Property::PartialFailures(on) => ("ReportBatchItemFailures", on_or_off(*on).to_owned()),
            Property::Destination(arn) => ("the failure destination", arn.clone()),
            Property::Number(setting, said) => (setting.name, said.to_string()),
            Property::Bisect(on) => ("BisectBatchOnFunctionError", on.to_string()),
            Property::NoFilters => {
                let deployed = self.deployed.as_deref().unwrap_or_default();
                return write!(
                    f,
                    "the mapping filters by {deployed}, and the template does not have it"
                );
            }
        };
        match &self.deployed {
            Some(deployed) => write!(f, "{name} is {deployed}, the template says {said}"),
            None => write!(f, "{name} is not set, the template says {said}"),
        }
    }
}

/// What the names of properties begin with that are variables.
pub(super) const VARIABLES: &str = "Environment.Variables.";

const fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Whether a mapping with these properties understands partial failures, where they say so.
fn partial_failures(properties: &Value) -> Option<bool> {
    let types = properties.get("FunctionResponseTypes")?.as_sequence()?;
    let mut types = types.iter();
    Some(types.any(|each| each.as_str() == Some("ReportBatchItemFailures")))
}

/// What is told of what a mapping with these properties gives up.
fn destination(stack: &Stack, properties: &Value) -> Option<String> {
    let destinations = properties.get("DestinationConfig")?;
    text(stack, destinations.get("OnFailure")?.get("Destination")?)
}

/// The properties of the resource of this type that is this very thing.
fn properties<'a>(template: &'a Value, stack: &Stack, kind: &str, physical: &str) -> Option<&'a Value> {
    let resources = template.get("Resources")?.as_mapping()?;
    resources.iter().find_map(|(logical, resource)| {
        let fits = resource.get("Type")?.as_str()? == kind
            && stack.resources.get(logical.as_str()?).map(String::as_str) == Some(physical);
        fits.then(|| resource.get("Properties")).flatten()
    })
}

/// What a template has of a stack: of each resource its logical id, type, properties and physical id.
pub(super) fn ids_of<'a>(
    template: &'a Value,
    stack: &'a Stack,
) -> impl Iterator<Item = (&'a str, &'a str, &'a Value, &'a str)> {
    let resources = template.get("Resources").and_then(Value::as_mapping);
    resources.into_iter().flatten().filter_map(|(logical_id, resource)| {
        let logical_id = logical_id.as_str()?;
        let id = stack.resources.get(logical_id)?;
        Some((
            logical_id,
            resource.get("Type")?.as_str()?,
            resource.get("Properties")?,
            id.as_str(),
        ))
    })
}

fn number(value: Option<&Value>) -> Option<u32> {
    match value? {
        Value::String(text) => text.parse().ok(),
        value => u32::try_from(value.as_u64()?).ok(),
    }
}

fn signed(value: Option<&Value>) -> Option<i32> {
    match value? {
        Value::String(text) => text.parse().ok(),
        value => i32::try_from(value.as_i64()?).ok(),
    }
}

/// What a value comes to: a text, or a reference whose end is known.
pub(super) fn text(stack: &Stack, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        Value::Mapping(_) => {
            if let Some(name) = value.get("Ref").and_then(Value::as_str) {
                return stack
                    .resources
                    .get(name)
                    .or_else(|| stack.parameters.get(name))
                    .cloned();
            }
            let attribute = value.get("Fn::GetAtt")?;
            let part = |index: usize| attribute.get(index).and_then(Value::as_str);
            let group = part(0).filter(|_| part(1) == Some("GroupId"))?;
            stack.resources.get(group).cloned()
        }
        _ => None,
    }
}

/// A list of ids, sorted as the facts have them; nothing unless all of it is known.
fn ids(stack: &Stack, value: Option<&Value>) -> Option<Vec<String>> {
    let list = value?.as_sequence()?;
    let mut ids: Vec<String> = list.iter().map(|id| text(stack, id)).collect::<Option<_>>()?;
    ids.sort();
    Some(ids)
}

/// The function's variables; nothing where one of them is no plain text.
fn variables(environment: Option<&Value>) -> Option<BTreeMap<String, String>> {
    let Some(variables) = environment.and_then(|environment| environment.get("Variables")) else {
        return Some(BTreeMap::new());
    };
    let pairs = variables.as_mapping()?.iter();
    pairs
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(on) => on.to_string(),
                _ => return None,
            };
            Some((name.as_str()?.to_owned(), value))
        })
        .collect()
}

fn joined(ids: &[String]) -> Option<String> {
    (!ids.is_empty()).then(|| ids.join(", "))
}

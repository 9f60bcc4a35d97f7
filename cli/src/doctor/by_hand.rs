//! What was changed by hand since the stack was deployed, and what the next deployment does with it. CloudFormation compares the new template with the one before, and
//! does not look at what is there: what the templates say alike of a resource it leaves, whatever that has become. Pure.

use std::cell::RefCell;
use std::fmt::{self, Display};

use serde::Serialize;
use serde_yaml::Value;

use super::drift::{self, Difference, Drift, FUNCTION, Known, VARIABLES};
use super::{Case, Outcome, function, source, steps};
use crate::deploy::properties::HIDDEN;
use crate::facts::{Fact, Facts, Stack};
use crate::settings::{Settings, Shape, TABLE, check};

/// A property that is not as the template of the deployed stack says, or a resource of it that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ByHand {
    /// The name of the pipeline's stream.
    pub stream: String,
    /// The resource's logical id.
    pub logical_id: String,
    /// `AWS::Lambda::Function` or `AWS::Lambda::EventSourceMapping`.
    pub resource_type: &'static str,
    /// Such as `MemorySize`, or `Environment.Variables.K2M_TOPIC`; none where the whole resource is gone.
    pub property: Option<String>,
    /// What the deployed template says of it, where it says anything.
    pub template: Option<String>,
    /// What is there, where anything is. What may be secret is not shown.
    pub by_hand: Option<String>,
    /// What the new template says of it, where it says anything that is known before.
    pub planned: Option<String>,
    /// What the deployment does with what was changed.
    pub becomes: Becomes,
    /// Why it does that.
    pub why: String,
    /// Steps that take it back, with all else of the resource that stays or may stay, or that bring back what is gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub take_back: Vec<String>,
    /// What has to be set for it to be as it was changed, where a setting can say that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
}

/// What a deployment does with what was changed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Becomes {
    /// What was changed goes: the property becomes what the new template says.
    Overwritten,
    /// Nobody can tell before: something else of the resource changes, and AWS does not say whether CloudFormation sets the rest with it.
    MayBeOverwritten,
    /// The deployment does not touch it.
    Stays,
    /// The new template says the same as was done by hand.
    Adopted,
    /// It goes with its resource.
    Removed,
    /// The resource is gone, and the deployment does not make it again.
    StaysGone,
    /// The resource is gone, and the deployment changes it, which fails.
    Fails,
    /// The resource is gone, and the deployment makes a new one.
    MadeAnew,
}

/// A deployment, as far as CloudFormation is concerned with functions and mappings.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The templates that are deployed, one after the other.
    pub templates: &'a [&'a str],
    /// Whether functions get other code, where that is known.
    pub code: Option<bool>,
    /// Whether tags of the stack, which its resources have too, become others.
    pub tags: bool,
}

/// What was changed by hand of each pipeline, in the order of the settings. Nothing where there is nothing to compare with.
pub fn by_hand(settings: &Settings, facts: &Facts, change: &Change<'_>) -> Vec<ByHand> {
    let read = drift::read(&facts.stack);
    let templates = change.templates.iter();
    let after: Vec<Value> = templates.filter_map(|text| serde_yaml::from_str(text).ok()).collect();
    let pipelines = settings.pipelines.iter().flat_map(|pipeline| {
        let seen = facts.pipelines.get(pipeline.stream.value.as_str());
        let (Ok((stack, _)), Some(seen)) = (&read, seen.filter(|seen| seen.foreign.is_none())) else {
            return Vec::new();
        };
        let drift = Drift::of(&read, seen);
        let Some(known) = drift.known() else { return Vec::new() };
        let case = Case {
            settings,
            pipeline,
            facts,
            seen,
            drift: &drift,
            planned: None,
            offered: &RefCell::default(),
        };
        Pipeline {
            case,
            stack,
            known,
            after: &after,
            change: *change,
        }
        .all()
    });
    pipelines.collect()
}

/// It for people: what was changed, a line each, and then what can be done about it; nothing where there is nothing.
pub fn lines(all: &[ByHand]) -> Vec<String> {
    if all.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["changed by hand since it was deployed, see `k2m explain K2M-L05`:".to_owned()];
    lines.extend(all.iter().map(|one| format!("  * {one}")));
    let mut more: Vec<String> = Vec::new();
    for one in all.iter().filter(|one| one.property.is_none()) {
        let step = |step: &String| {
            if steps::is_command(step) {
                format!("    `{step}`")
            } else {
                format!("    {step}")
            }
        };
        let steps: Vec<String> = one.take_back.iter().map(step).collect();
        if !steps.is_empty() && !more.windows(steps.len()).any(|known| known == steps) {
            more.push(format!("  to have the {} again:", one.resource()));
            more.extend(steps);
        }
    }
    for one in all {
        let Some(property) = &one.property else { continue };
        let mut add = |line: String| {
            if !more.contains(&line) {
                more.push(line);
            }
        };
        let resource = one.resource();
        for step in &one.take_back {
            add(if steps::is_command(step) {
                format!("  to take back what stays of the {resource}: `{step}`")
            } else {
                format!("  {step}")
            });
        }
        if let Some(keep) = &one.keep {
            add(format!("  to keep {property} as it is now: {keep}"));
        }
    }
    lines.extend(more);
    lines
}

impl ByHand {
    /// Whether the deployment leaves a resource away that is gone.
    pub fn stays_gone(&self) -> bool {
        self.becomes == Becomes::StaysGone
    }

    /// What people call the resource.
    pub fn resource(&self) -> String {
        let noun = if self.resource_type == FUNCTION {
            "function"
        } else {
            "event source mapping"
        };
        format!("{noun} for {}", self.stream)
    }
}

impl Display for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.resource())?;
        match (&self.property, &self.by_hand, &self.template) {
            (None, ..) => write!(f, "it is gone: somebody deleted it"),
            (Some(property), Some(by_hand), Some(template)) => {
                write!(f, "{property} is {by_hand}, the template says {template}")
            }
            (Some(property), Some(by_hand), None) => {
                write!(f, "{property} is {by_hand}, and the template does not have it")
            }
            (Some(property), None, Some(template)) => write!(f, "{property} is not set, the template says {template}"),
            (Some(property), None, None) => write!(f, "{property} is not set"),
        }?;
        let planned = self.planned.as_deref();
        match self.becomes {
            Becomes::Overwritten => match planned {
                Some(planned) => write!(f, "; overwritten with {planned}"),
                None if self.template.is_none() => write!(f, "; taken away"),
                None => write!(f, "; overwritten"),
            },
            Becomes::MayBeOverwritten => write!(f, "; may be overwritten"),
            Becomes::Stays => write!(f, "; stays"),
            Becomes::Adopted => write!(f, "; stays, and the new template says so too"),
            Becomes::Removed => write!(f, "; goes with its resource"),
            Becomes::StaysGone => write!(f, "; stays away"),
            Becomes::Fails => write!(f, "; the deployment will fail"),
            Becomes::MadeAnew => write!(f, "; made anew"),
        }?;
        write!(f, ": {}", self.why)
    }
}

/// A pipeline, and what it becomes.
struct Pipeline<'a> {
    case: Case<'a>,
    stack: &'a Stack,
    known: &'a Known,
    after: &'a [Value],
    change: Change<'a>,
}

/// What a deployment does with a resource.
enum Touch<'a> {
    /// The new template does not have it.
    Gone,
    /// A new one takes its place, because of this property.
    Anew(&'a str),
    /// These of its properties become others, by the names that they stand below; none where it is left as it is.
    Changed(Vec<&'a str>),
}

impl Pipeline<'_> {
    fn all(&self) -> Vec<ByHand> {
        let differences = self.known.differences();
        let gone = self.gone();
        let of_gone = |one: &ByHand| gone.iter().any(|gone| gone.logical_id == one.logical_id);
        // What a resource had that is being deleted is no matter any more.
        let mut all: Vec<(Option<usize>, ByHand)> = differences
            .iter()
            .enumerate()
            .filter_map(|(index, difference)| Some((Some(index), self.one(difference)?)))
            .filter(|(_, one)| !of_gone(one))
            .collect();
        all.extend(self.variables_of_others().into_iter().map(|one| (None, one)));
        let open = |one: &ByHand| matches!(one.becomes, Becomes::Stays | Becomes::MayBeOverwritten);
        let which = |kind: &str| {
            let these = all.iter().filter(|(_, one)| open(one) && one.resource_type == kind);
            these.filter_map(|(index, _)| *index).collect::<Vec<usize>>()
        };
        let whose = steps::Whose::of(self.case.settings);
        let take_back = |kind: &str| -> Vec<String> {
            let commands = self.known.commands(&self.case, &which(kind)).into_iter();
            commands.map(|step| steps::with_whose(&step, &whose)).collect()
        };
        let of_each = [FUNCTION, drift::MAPPING].map(|kind| (kind, take_back(kind)));
        let told = all.into_iter().map(|(index, mut one)| {
            if index.is_some() && open(&one) {
                let steps = of_each.iter().find(|(kind, _)| *kind == one.resource_type);
                one.take_back = steps.map(|(_, steps)| steps.clone()).unwrap_or_default();
            }
            one
        });
        gone.iter().cloned().chain(told).collect()
    }

    /// Resources of the pipeline that the stack has by its list and AWS has no more, with what doctor says that brings them back.
    fn gone(&self) -> Vec<ByHand> {
        let seen = self.case.seen;
        let deleting = |state: &str| state == "Deleting";
        let mapping = match &seen.mapping {
            Fact::Found { value } => deleting(&value.state),
            Fact::Absent => true,
            Fact::Unreadable(_) => false,
        };
        let function = seen.function.is_absent();
        let whose = steps::Whose::of(self.case.settings);
        // A mapping is of no use without its function, and comes with it.
        let judged: fn(&Case<'_>) -> Outcome = if function { function::ready } else { source::mapping };
        let kinds = [(FUNCTION, "Function", function), (drift::MAPPING, "Mapping", mapping)];
        let gone = kinds.into_iter().filter(|(.., gone)| *gone);
        let gone = gone.filter_map(|(kind, end, _)| {
            let physical = self.case.resource(end)?;
            let mut all = drift::ids_of(self.known.template(), self.stack);
            let (logical_id, ..) = all.find(|(_, of, _, id)| *of == kind && *id == physical.as_str())?;
            let (becomes, why) = self.fate_of_gone(kind, logical_id);
            let helps = matches!(becomes, Becomes::StaysGone | Becomes::Fails);
            let outcome = judged(&self.case);
            let (_, _, fix) = outcome.parts();
            let fix = fix.iter().filter(|_| helps);
            Some(ByHand {
                stream: self.stream(),
                logical_id: logical_id.to_owned(),
                resource_type: kind,
                property: None,
                template: None,
                by_hand: None,
                planned: None,
                becomes,
                why,
                take_back: fix.map(|step| steps::with_whose(step, &whose)).collect(),
                keep: None,
            })
        });
        gone.collect()
    }

    /// What the deployment does with a resource that is gone, and why.
    fn fate_of_gone(&self, kind: &str, logical_id: &str) -> (Becomes, String) {
        let noun = noun(kind);
        match self.touch(kind, logical_id) {
            Touch::Gone => (
                Becomes::Removed,
                format!("the new template does not have the {noun} either"),
            ),
            Touch::Anew(property) => (
                Becomes::MadeAnew,
                format!("{property} changes, so that a new {noun} takes its place"),
            ),
            Touch::Changed(changed) => {
                let beside = self.beside(kind, changed);
                if beside.is_empty() {
                    let why = format!(
                        "CloudFormation takes the {noun} to be there, and a deployment of the same template does not make it again"
                    );
                    return (Becomes::StaysGone, why);
                }
                let why = format!(
                    "it changes {} of the {noun}, which CloudFormation takes to be there, and can't find",
                    beside.join(", ")
                );
                (Becomes::Fails, why)
            }
        }
    }

    /// With what of a resource changes in its template, what else a deployment changes of it.
    fn beside<'b>(&self, kind: &str, changed: Vec<&'b str>) -> Vec<&'b str> {
        let mut beside = changed;
        if kind == FUNCTION && self.change.code == Some(true) && !beside.contains(&"Code") {
            beside.push("Code");
        }
        if self.change.tags && !beside.contains(&"Tags") {
            beside.push("Tags");
        }
        beside
    }

    fn one(&self, difference: &Difference) -> Option<ByHand> {
        let Difference { template, deployed } = difference;
        let (logical_id, _) = self.resource(template.kind())?;
        let new = self.after.last().and_then(|after| properties(after, logical_id));
        let planned = new.and_then(|new| template.said_by(self.stack, new));
        // What it will refer to need not be known yet, and is not nothing.
        let known = planned.is_some() || new.is_some_and(|new| at(new, &template.path()).is_none());
        let set = if known && planned == *deployed {
            Becomes::Adopted
        } else {
            Becomes::Overwritten
        };
        let (becomes, why) = self.fate(template.kind(), logical_id, &template.path(), set);
        let keep = matches!(
            becomes,
            Becomes::Overwritten | Becomes::Stays | Becomes::MayBeOverwritten
        );
        let keep = template.setting().zip(deployed.as_deref()).filter(|_| keep);
        Some(ByHand {
            stream: self.stream(),
            logical_id: logical_id.to_owned(),
            resource_type: template.kind(),
            property: Some(template.path()),
            template: template.said(),
            by_hand: deployed.clone(),
            planned,
            becomes,
            why,
            take_back: Vec::new(),
            keep: keep.and_then(|(name, value)| self.keep(name, value)),
        })
    }

    /// Variables that are not k2m's, which the stack's template does not have either: another tool may need them, so that they are no trouble, unless a deployment takes
    /// them away with all other variables.
    fn variables_of_others(&self) -> Vec<ByHand> {
        let Some(((logical_id, properties), function)) = self.resource(FUNCTION).zip(self.case.seen.function.found())
        else {
            return Vec::new();
        };
        let known = |name: &str| {
            let variables = properties.get("Environment").and_then(|all| all.get("Variables"));
            variables.is_some_and(|variables| variables.get(name).is_some())
        };
        let others = function.other_variables.iter().filter(|name| !known(name));
        let others = others.filter_map(|name| {
            let property = format!("{VARIABLES}{name}");
            let (becomes, why) = self.fate(FUNCTION, logical_id, &property, Becomes::Overwritten);
            (becomes != Becomes::Stays).then(|| ByHand {
                stream: self.stream(),
                logical_id: logical_id.to_owned(),
                resource_type: FUNCTION,
                property: Some(property),
                template: None,
                by_hand: Some(HIDDEN.to_owned()),
                planned: None,
                becomes,
                why,
                take_back: Vec::new(),
                keep: None,
            })
        });
        others.collect()
    }

    /// What becomes of a property, and why; `set` is what becomes of it where the deployment sets it.
    fn fate(&self, kind: &str, logical_id: &str, path: &str, set: Becomes) -> (Becomes, String) {
        let noun = noun(kind);
        let unit = path.split('.').next().unwrap_or(path);
        let changed = match self.touch(kind, logical_id) {
            Touch::Gone => {
                return (Becomes::Removed, format!("the new template does not have the {noun}"));
            }
            Touch::Anew(property) => return (set, format!("{property} changes, so that the {noun} is made anew")),
            Touch::Changed(changed) => changed,
        };
        if changed.contains(&unit) {
            let why = if unit == path {
                format!("the template changes {unit}")
            } else {
                format!("the template changes {unit}, which is set whole")
            };
            return (set, why);
        }
        let beside = self.beside(kind, changed);
        if !beside.is_empty() {
            return (
                Becomes::MayBeOverwritten,
                format!(
                    "the deployment changes {} of the {noun}, and AWS does not say whether CloudFormation sets the rest with it",
                    beside.join(", ")
                ),
            );
        }
        if kind == FUNCTION && self.change.code.is_none() {
            return (
                Becomes::MayBeOverwritten,
                "nothing of it changes in the template, but the handler may, which `k2m deploy --plan` knows; AWS does not say whether CloudFormation sets the rest with it"
                    .to_owned(),
            );
        }
        (
            Becomes::Stays,
            format!("nothing of the {noun} changes in the template, which is all that CloudFormation looks at"),
        )
    }

    /// What the deployment does with a resource, in all its steps.
    fn touch(&self, kind: &str, logical_id: &str) -> Touch<'_> {
        let mut changed: Vec<&str> = Vec::new();
        let mut before = self.known.template();
        for after in self.after {
            let (Some(old), Some(new)) = (properties(before, logical_id), properties(after, logical_id)) else {
                return Touch::Gone;
            };
            for name in others(old, new) {
                if replaces(kind, name) {
                    return Touch::Anew(name);
                }
                if !changed.contains(&name) {
                    changed.push(name);
                }
            }
            // What refers to something that is made anew becomes another, though the template says the same.
            for (name, value) in named(new) {
                if !changed.contains(&name) && refers_to_new(value, before, after) {
                    changed.push(name);
                }
            }
            before = after;
        }
        Touch::Changed(changed)
    }

    /// The pipeline's resource of this type: its logical id, and its properties in the deployed template.
    fn resource(&self, kind: &str) -> Option<(&str, &Value)> {
        let seen = self.case.seen;
        let physical = if kind == FUNCTION {
            seen.function.found()?.name()
        } else {
            seen.mapping.found()?.uuid.as_str()
        };
        let mut all = drift::ids_of(self.known.template(), self.stack);
        all.find_map(|(logical_id, of, properties, id)| {
            (of == kind && id == physical).then_some((logical_id, properties))
        })
    }

    fn stream(&self) -> String {
        self.case.pipeline.stream.value.name().to_owned()
    }

    /// The setting that says what was done by hand, and where it stands.
    fn keep(&self, name: &str, value: &str) -> Option<String> {
        let row = TABLE.iter().find(|row| row.name == name)?;
        let list = value.replace(", ", ",");
        check(name, &list).ok()?;
        let value = if row.shape == Shape::List {
            format!("[{value}]")
        } else {
            value.to_owned()
        };
        let path = self.case.path();
        Some(if self.case.several() && !row.of_stack() {
            format!("`{name}: {value}` in the pipeline of {} in {path}", self.stream())
        } else {
            format!("`{name}: {value}` in {path}")
        })
    }
}

/// What a resource of this type is called beside its pipeline.
fn noun(kind: &str) -> &'static str {
    if kind == FUNCTION { "function" } else { "mapping" }
}

/// The properties of a resource of a template.
fn properties<'a>(template: &'a Value, logical_id: &str) -> Option<&'a Value> {
    template.get("Resources")?.get(logical_id)?.get("Properties")
}

/// What stands at a path among properties.
fn at<'a>(properties: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(properties, |value, name| value.get(name))
}

/// Properties by their names, in their order.
fn named(properties: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = properties.as_mapping().into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.as_str()?, value)))
}

/// Names of what is otherwise: what the new properties have, in their order, then what only the old ones have.
fn others<'a>(old: &'a Value, new: &'a Value) -> Vec<&'a str> {
    let differ = named(new).filter(|(name, value)| old.get(name) != Some(value));
    let gone = named(old).filter(|(name, _)| new.get(name).is_none());
    differ.chain(gone).map(|(name, _)| name).collect()
}

/// Properties that no resource of these types can change and stay: a new one takes its place.
const REPLACING: [(&str, &[&str]); 7] = [
    (FUNCTION, &["FunctionName", "PackageType"]),
    (
        drift::MAPPING,
        &["EventSourceArn", "StartingPosition", "StartingPositionTimestamp"],
    ),
    ("AWS::EC2::SecurityGroup", &["GroupDescription", "GroupName", "VpcId"]),
    ("AWS::IAM::Role", &["Path", "RoleName"]),
    ("AWS::Logs::LogGroup", &["LogGroupName"]),
    ("AWS::SNS::Topic", &["FifoTopic", "TopicName"]),
    ("AWS::SQS::Queue", &["FifoQueue", "QueueName"]),
];

/// Whether another value of this property has a new resource take the place of the old one. Of a type that is not known here any may.
fn replaces(kind: &str, property: &str) -> bool {
    let known = REPLACING.iter().find(|(of, _)| *of == kind);
    known.is_none_or(|(_, properties)| properties.contains(&property))
}

/// Whether a value refers to a resource that is not the same any more.
fn refers_to_new(value: &Value, before: &Value, after: &Value) -> bool {
    match value {
        Value::Mapping(map) => {
            let target = value.get("Ref").or_else(|| value.get("Fn::GetAtt")?.get(0));
            match target.and_then(Value::as_str).filter(|_| map.len() == 1) {
                Some(target) => is_new(target, before, after),
                None => map.values().any(|value| refers_to_new(value, before, after)),
            }
        }
        Value::Sequence(list) => list.iter().any(|value| refers_to_new(value, before, after)),
        _ => false,
    }
}

/// Whether a new resource takes the place of this one; a parameter is none.
fn is_new(logical_id: &str, before: &Value, after: &Value) -> bool {
    let resource = |template: &Value| Some(template.get("Resources")?.get(logical_id)?.clone());
    let Some(new) = resource(after) else { return false };
    let Some(old) = resource(before) else { return true };
    let kind = |resource: &Value| resource.get("Type").and_then(Value::as_str).map(str::to_owned);
    let of = |resource: &Value| resource.get("Properties").cloned().unwrap_or_default();
    let (before, after) = (of(&old), of(&new));
    kind(&old) != kind(&new)
        || others(&before, &after)
            .iter()
            .any(|name| replaces(kind(&new).as_deref().unwrap_or_default(), name))
}

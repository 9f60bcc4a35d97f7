//! What a deployment would change: the rendered template against the one that was deployed, resource by resource. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_yaml::Value;

use super::error::PlanError;
use super::seen::stands;
use crate::deploy::options::Options;
use crate::facts::{Fact, Stack};

/// Most properties that are named of one resource.
const PROPERTIES: usize = 8;

/// What would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Change {
    /// There is no stack yet.
    Create {
        /// All that it will have.
        resources: Vec<Resource>,
    },
    /// What is deployed is what would be.
    None,
    /// The stack would be updated.
    Update {
        /// Resources that are new.
        added: Vec<Resource>,
        /// Resources that are there and would be different.
        changed: Vec<Changed>,
        /// Resources that would be let go.
        removed: Vec<Resource>,
        /// Other sections of the template that would be different, such as `Outputs`, and other parts of the stack, such as `Tags`.
        sections: Vec<String>,
    },
    /// Nobody knows: the deployed template isn't among the facts.
    Unknown {
        /// Why not, and what to do.
        reason: String,
    },
}

/// What would change in a network stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkChange {
    /// Its name.
    pub stack: String,
    /// Its region.
    pub region: String,
    /// What would change.
    pub change: Change,
}

impl fmt::Display for NetworkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", self.stack, self.region, self.change)
    }
}

/// A resource of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its logical id.
    pub logical_id: String,
    /// Such as `AWS::Lambda::Function`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A resource that would be different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// Which.
    #[serde(flatten)]
    pub resource: Resource,
    /// What of it, such as `BatchSize` or `Environment.Variables.K2M_TOPIC`; attributes other than properties have their own names, such as
    /// `DependsOn`.
    pub properties: Vec<String>,
}

impl Change {
    /// Compares the rendered template with what is deployed. Comments, spaces and the order of keys don't count. The function's code, a
    /// parameter, is not compared. An error where the rendered text is no template.
    pub fn between(deployed: &Fact<Stack>, rendered: &str) -> Result<Self, PlanError> {
        let after: Value = serde_yaml::from_str(rendered).map_err(|error| PlanError::Template(error.to_string()))?;
        let stack = match deployed {
            Fact::Found { value } if stands(value) => value,
            Fact::Found { .. } | Fact::Absent => {
                return Ok(Self::Create {
                    resources: resources(&after).map(|(id, value)| resource(id, value)).collect(),
                });
            }
            Fact::Unreadable(why) => {
                let next = why
                    .missing_action
                    .as_ref()
                    .map(|action| format!("; allow {action}"))
                    .unwrap_or_default();
                return Ok(Self::Unknown {
                    reason: format!("the stack could not be read: {}{next}", why.message),
                });
            }
        };
        let Some(text) = &stack.template else {
            return Ok(Self::Unknown {
                reason: format!(
                    "the template of the stack {} could not be read; allow cloudformation:GetTemplate",
                    stack.name
                ),
            });
        };
        Ok(match serde_yaml::from_str(text) {
            Ok(before) => Self::of(&before, &after),
            Err(error) => Self::Unknown {
                reason: format!("the deployed template of the stack {} is no YAML: {error}", stack.name),
            },
        })
    }

    /// The same with tags of the stack: those that would be added or become others, and, where it is nobody else's, those that would go.
    #[must_use]
    pub fn with_tags(self, deployed: &Fact<Stack>, wanted: &BTreeMap<String, String>, own: bool) -> Self {
        let Some(stack) = deployed.found() else { return self };
        let lacks = wanted.iter().any(|(key, value)| stack.tags.get(key) != Some(value));
        let more = own && stack.tags.keys().any(|key| !wanted.contains_key(key));
        self.with(lacks || more, "Tags")
    }

    /// The same with what the pipelines' stack is made with beside its template.
    #[must_use]
    pub fn with_options(self, deployed: &Fact<Stack>, options: &Options) -> Self {
        let Some(stack) = deployed.found() else { return self };
        let protects = options.protection.is_some_and(|wanted| wanted != stack.protected);
        self.with_tags(deployed, &options.tags, true)
            .with(protects, "Termination protection")
    }

    /// The same with another part of the stack that would be different.
    fn with(self, differs: bool, what: &str) -> Self {
        match self {
            Self::None if differs => Self::Update {
                added: Vec::new(),
                changed: Vec::new(),
                removed: Vec::new(),
                sections: vec![what.to_owned()],
            },
            Self::Update {
                added,
                changed,
                removed,
                mut sections,
            } if differs => {
                sections.push(what.to_owned());
                Self::Update {
                    added,
                    changed,
                    removed,
                    sections,
                }
            }
            other => other,
        }
    }

    /// Whether a deployment would do anything; unknown where nobody knows.
    pub fn pending(&self) -> Option<bool> {
        match self {
            Self::Create { .. } | Self::Update { .. } => Some(true),
            Self::None => Some(false),
            Self::Unknown { .. } => None,
        }
    }

    /// Whether a deployment would make anything that is not there.
    pub fn adds(&self) -> bool {
        match self {
            Self::Create { .. } => true,
            Self::Update { added, .. } => !added.is_empty(),
            Self::None | Self::Unknown { .. } => false,
        }
    }

    fn of(before: &Value, after: &Value) -> Self {
        if before == after {
            return Self::None;
        }
        let was = |id: &str| resources(before).find(|(other, _)| *other == id);
        let is = |id: &str| resources(after).any(|(other, _)| other == id);
        let mut added = Vec::new();
        let mut changed = Vec::new();
        for (id, value) in resources(after) {
            match was(id) {
                None => added.push(resource(id, value)),
                Some((_, before)) if before != value => changed.push(Changed {
                    resource: resource(id, value),
                    properties: differences(before, value),
                }),
                Some(_) => {}
            }
        }
        Self::Update {
            added,
            changed,
            removed: resources(before)
                .filter(|(id, _)| !is(id))
                .map(|(id, value)| resource(id, value))
                .collect(),
            sections: keys(before, after)
                .into_iter()
                .filter(|key| key != "Resources" && before.get(key) != after.get(key))
                .collect(),
        }
    }
}

fn resources(template: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let resources = template.get("Resources").and_then(Value::as_mapping);
    resources
        .into_iter()
        .flatten()
        .filter_map(|(id, value)| Some((id.as_str()?, value)))
}

fn resource(id: &str, value: &Value) -> Resource {
    let kind = value.get("Type").and_then(Value::as_str);
    Resource {
        logical_id: id.to_owned(),
        kind: kind.unwrap_or("unknown").to_owned(),
    }
}

/// Paths to what differs, in the order in which they stand.
fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    walk(before, after, "", &mut paths);
    for path in &mut paths {
        if let Some(property) = path.strip_prefix("Properties.") {
            *path = property.to_owned();
        }
    }
    paths
}

fn walk(before: &Value, after: &Value, path: &str, paths: &mut Vec<String>) {
    if before == after {
        return;
    }
    if !(before.is_mapping() && after.is_mapping()) {
        paths.push(path.to_owned());
        return;
    }
    for key in keys(before, after) {
        let deeper = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match (before.get(&key), after.get(&key)) {
            (Some(before), Some(after)) => walk(before, after, &deeper, paths),
            _ => paths.push(deeper),
        }
    }
}

/// The keys of both mappings, each once: those of the second in its order, then what only the first has.
fn keys(before: &Value, after: &Value) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in [after, before]
        .into_iter()
        .filter_map(Value::as_mapping)
        .flat_map(|mapping| mapping.keys())
        .filter_map(Value::as_str)
    {
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    keys
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { resources } => {
                writeln!(f, "Would create the stack, with")?;
                resources.iter().try_for_each(|resource| writeln!(f, "  + {resource}"))
            }
            Self::None => writeln!(f, "No change: the deployed stack is what the plan wants"),
            Self::Update {
                added,
                changed,
                removed,
                sections,
            } => {
                writeln!(f, "Would update the stack:")?;
                added.iter().try_for_each(|resource| writeln!(f, "  + {resource}"))?;
                changed.iter().try_for_each(|changed| writeln!(f, "  ~ {changed}"))?;
                removed.iter().try_for_each(|resource| writeln!(f, "  - {resource}"))?;
                sections.iter().try_for_each(|section| writeln!(f, "  ~ {section}"))
            }
            Self::Unknown { reason } => writeln!(f, "Whether anything would change could not be told: {reason}"),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.logical_id, self.kind)
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<&str> = self.properties.iter().take(PROPERTIES).map(String::as_str).collect();
        write!(f, "{}: {}", self.resource, shown.join(", "))?;
        match self.properties.len().saturating_sub(PROPERTIES) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Unreadable;

    const TEMPLATE: &str = r#"
# A comment.
Description: "k2m"
Parameters: {ArtifactKey: {Type: String}}
Resources:
  Function:
    Type: "AWS::Lambda::Function"
    Properties:
      MemorySize: 256
      Environment: {Variables: {K2M_TOPIC: orders, K2M_LOG: info}}
  Queue:
    Type: "AWS::SQS::Queue"
"#;

    fn stack(status: &str, template: Option<&str>) -> Fact<Stack> {
        Fact::Found {
            value: Stack {
                name: "k2m-orders".to_owned(),
                status: status.to_owned(),
                made_by_k2m: true,
                resources: BTreeMap::new(),
                outputs: BTreeMap::new(),
                parameters: BTreeMap::new(),
                tags: BTreeMap::new(),
                protected: false,
                template: template.map(str::to_owned),
                template_unreadable: None,
            },
        }
    }

    #[test]
    fn each_kind_of_change() {
        let unreadable = Fact::Unreadable(Unreadable {
            missing_action: Some("cloudformation:DescribeStacks".to_owned()),
            message: "AccessDenied".to_owned(),
        });
        let edited = TEMPLATE
            .replace("MemorySize: 256", "MemorySize: 512")
            .replace("K2M_LOG: info", "K2M_MAX_MESSAGE_BYTES: \"1\"")
            .replace("  Queue:\n", "  Dlq:\n")
            .replace("\"k2m\"", "\"k2m, too\"");
        let reordered = TEMPLATE.replace("# A comment.", "").replace(
            "{K2M_TOPIC: orders, K2M_LOG: info}",
            "{\"K2M_LOG\": \"info\",\n        \"K2M_TOPIC\": \"orders\"}",
        );
        let whole = Some(TEMPLATE);
        let table = [
            ("absent", Fact::Absent, TEMPLATE, Some(true)),
            (
                "failed first creation",
                stack("ROLLBACK_COMPLETE", whole),
                TEMPLATE,
                Some(true),
            ),
            ("never begun", stack("REVIEW_IN_PROGRESS", None), TEMPLATE, Some(true)),
            ("the same", stack("CREATE_COMPLETE", whole), TEMPLATE, Some(false)),
            (
                "written otherwise",
                stack("UPDATE_COMPLETE", whole),
                &reordered,
                Some(false),
            ),
            ("edited", stack("UPDATE_ROLLBACK_COMPLETE", whole), &edited, Some(true)),
            ("no template", stack("CREATE_COMPLETE", None), TEMPLATE, None),
            ("no YAML", stack("CREATE_COMPLETE", Some("{")), TEMPLATE, None),
            ("unreadable", unreadable, TEMPLATE, None),
        ];
        let mut text = String::new();
        for (name, deployed, rendered, pending) in table {
            let change = Change::between(&deployed, rendered).unwrap();
            assert_eq!(change.pending(), pending, "{name}: {change}");
            text.extend(["== ", name, "\n", &change.to_string()]);
        }
        insta::assert_snapshot!(text);
        assert!(Change::between(&Fact::Absent, "a: [").is_err());
    }
}

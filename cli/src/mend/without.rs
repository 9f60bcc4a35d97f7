//! A stack's template without some of its resources, so that CloudFormation forgets them and makes them again with the template as it was. Pure.

use std::collections::BTreeSet;

use serde_yaml::{Mapping, Value};
use thiserror::Error;

/// What may go along with a resource that it names: it holds nothing, and is made again with it.
const GOES_ALONG: &str = "AWS::CloudWatch::Alarm";

/// Why there is no such template.
#[derive(Debug, Error)]
pub enum WithoutError {
    /// The deployed text is no template.
    #[error("the deployed template can't be read: {0}")]
    Unreadable(String),
    /// The template has no such resource.
    #[error("the deployed template has no {0}: the stack was changed meanwhile")]
    Absent(String),
    /// Another resource would have to go too.
    #[error("{resource} ({kind}) needs {lost}, and can't be without it")]
    Needed {
        /// Its logical id.
        resource: String,
        /// Its type.
        kind: String,
        /// What it needs.
        lost: String,
    },
}

/// The template without these logical ids and the alarms on them, as JSON of printable ASCII. What only waits for them waits no more, and outputs that name them
/// are left out.
pub fn without(template: &str, lost: &BTreeSet<&str>) -> Result<String, WithoutError> {
    let unreadable = |error: &dyn ToString| WithoutError::Unreadable(error.to_string());
    let mut template: Value = serde_yaml::from_str(template).map_err(|error| unreadable(&error))?;
    let resources = template.get("Resources").and_then(Value::as_mapping);
    let resources = resources.ok_or_else(|| unreadable(&"it has no resources"))?;
    if let Some(absent) = lost.iter().find(|id| !resources.contains_key(**id)) {
        return Err(WithoutError::Absent((*absent).to_owned()));
    }
    let mut gone: BTreeSet<String> = lost.iter().map(|id| (*id).to_owned()).collect();
    for (id, resource) in resources {
        let Some(id) = id.as_str().filter(|id| !lost.contains(id)) else {
            continue;
        };
        let Some(named) = resource
            .get("Properties")
            .and_then(|properties| names(properties, &gone))
        else {
            continue;
        };
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        if kind != GOES_ALONG {
            return Err(WithoutError::Needed {
                resource: id.to_owned(),
                kind: kind.to_owned(),
                lost: named,
            });
        }
        // Nothing names an alarm.
        gone.insert(id.to_owned());
    }
    if let Some(resources) = template.get_mut("Resources").and_then(Value::as_mapping_mut) {
        resources.retain(|id, _| id.as_str().is_none_or(|id| !gone.contains(id)));
        for resource in resources.values_mut().filter_map(Value::as_mapping_mut) {
            wait_no_more(resource, &gone);
        }
    }
    if let Some(outputs) = template.get_mut("Outputs").and_then(Value::as_mapping_mut) {
        outputs.retain(|_, output| names(output, &gone).is_none());
        if outputs.is_empty() {
            template.as_mapping_mut().map(|sections| sections.remove("Outputs"));
        }
    }
    let text = serde_json::to_string(&template).map_err(|error| unreadable(&error))?;
    Ok(ascii(&text))
}

/// Which of these a value names by `Ref`, `Fn::GetAtt` or `Fn::Sub`.
fn names(value: &Value, these: &BTreeSet<String>) -> Option<String> {
    match value {
        Value::Mapping(entries) => entries.iter().find_map(|(key, value)| {
            let named = match (key.as_str(), value) {
                (Some("Ref"), Value::String(id)) => these.get(id),
                (Some("Fn::GetAtt"), Value::Sequence(parts)) => {
                    parts.first().and_then(Value::as_str).and_then(|id| these.get(id))
                }
                (Some("Fn::GetAtt"), Value::String(path)) => path.split('.').next().and_then(|id| these.get(id)),
                (Some("Fn::Sub"), Value::String(text)) => substituted(text, these),
                (Some("Fn::Sub"), Value::Sequence(parts)) => parts
                    .first()
                    .and_then(Value::as_str)
                    .and_then(|text| substituted(text, these)),
                _ => None,
            };
            named.cloned().or_else(|| names(value, these))
        }),
        Value::Sequence(values) => values.iter().find_map(|value| names(value, these)),
        _ => None,
    }
}

fn substituted<'a>(text: &str, these: &'a BTreeSet<String>) -> Option<&'a String> {
    these
        .iter()
        .find(|id| text.contains(&format!("${{{id}}}")) || text.contains(&format!("${{{id}.")))
}

fn wait_no_more(resource: &mut Mapping, gone: &BTreeSet<String>) {
    let is_gone = |id: &Value| id.as_str().is_some_and(|id| gone.contains(id));
    let empty = match resource.get_mut("DependsOn") {
        Some(Value::Sequence(ids)) => {
            ids.retain(|id| !is_gone(id));
            ids.is_empty()
        }
        Some(id) => is_gone(id),
        None => false,
    };
    if empty {
        resource.remove("DependsOn");
    }
}

/// CloudFormation makes question marks of what is not ASCII: it is written out.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.extend([format!("\\u{unit:04x}")]);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Description: "für alle 🎉"
Resources:
  Ingress: {Type: "AWS::EC2::SecurityGroupIngress", Properties: {GroupId: sg-1}}
  Topic: {Type: "AWS::MSK::Topic", DeletionPolicy: Retain, Properties: {TopicName: orders}}
  Function: {Type: "AWS::Lambda::Function", Properties: {Timeout: 60}}
  Mapping:
    Type: "AWS::Lambda::EventSourceMapping"
    DependsOn: [Ingress, Topic]
    Properties: {FunctionName: {Ref: Function}}
  MappingAlarm:
    Type: "AWS::CloudWatch::Alarm"
    Properties: {Dimensions: [{Name: UUID, Value: {Ref: Mapping}}]}
  FunctionAlarm:
    Type: "AWS::CloudWatch::Alarm"
    DependsOn: Topic
    Properties: {Dimensions: [{Name: Name, Value: {"Fn::GetAtt": [Function, Arn]}}]}
Outputs:
  Mapping: {Value: {Ref: Mapping}}
  Function: {Value: {"Fn::Sub": "${Function.Arn}"}}
"#;

    fn left(lost: &[&str]) -> serde_json::Value {
        serde_json::from_str(&without(TEMPLATE, &lost.iter().copied().collect()).unwrap()).unwrap()
    }

    #[test]
    fn what_is_lost_goes_and_what_waited_for_it_waits_no_more() {
        let without_rule = left(&["Ingress"]);
        assert_eq!(without_rule["Resources"]["Mapping"]["DependsOn"], json!(["Topic"]));
        assert!(without_rule["Resources"].get("Ingress").is_none());
        assert_eq!(without_rule["Outputs"].as_object().unwrap().len(), 2);
        assert_eq!(without_rule["Description"], "für alle 🎉");
        let neither = left(&["Ingress", "Topic"]);
        assert!(neither["Resources"]["Mapping"].get("DependsOn").is_none());
        assert!(neither["Resources"]["FunctionAlarm"].get("DependsOn").is_none());
    }

    #[test]
    fn alarms_and_outputs_go_along_and_nothing_else() {
        let no_mapping = left(&["Mapping"]);
        let ids: Vec<&String> = no_mapping["Resources"].as_object().unwrap().keys().collect();
        assert_eq!(ids, ["Function", "FunctionAlarm", "Ingress", "Topic"]);
        assert_eq!(
            no_mapping["Outputs"],
            json!({"Function": {"Value": {"Fn::Sub": "${Function.Arn}"}}})
        );
        let needed = without(TEMPLATE, &BTreeSet::from(["Function"])).unwrap_err();
        assert_eq!(
            needed.to_string(),
            "Mapping (AWS::Lambda::EventSourceMapping) needs Function, and can't be without it"
        );
    }

    #[test]
    fn the_text_is_ascii_and_a_bad_template_is_told() {
        let text = without(TEMPLATE, &BTreeSet::from(["Topic"])).unwrap();
        assert!(
            text.is_ascii() && text.contains("\\u00fc") && text.contains("\\ud83c\\udf89"),
            "{text}"
        );
        for (template, lost, words) in [
            ("a: [", "Topic", "can't be read"),
            ("a: b", "Topic", "it has no resources"),
            (TEMPLATE, "Nobody", "has no Nobody"),
        ] {
            let error = without(template, &BTreeSet::from([lost])).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}

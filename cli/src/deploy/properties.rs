//! What changes of a resource, property by property: what CloudFormation tells, completed from both templates where it tells only the names. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::port::{Action, Change, Context, PropertyChange};

/// What stands in place of what nobody should read on a screen or in a log.
pub(crate) const HIDDEN: &str = "(not shown)";
/// What the names of a function's variables follow.
const VARIABLES: &str = "Environment.Variables.";
/// Ends of names of properties that hold a secret, in lower case.
const SECRETS: [&str; 5] = ["password", "secretstring", "secretkey", "token", "privatekey"];

/// A template, and the values of its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its text.
    pub template: &'a str,
    /// Values of its parameters.
    pub parameters: &'a BTreeMap<String, String>,
}

/// The resources of a template with its parameters filled in.
#[derive(Debug, Default)]
pub struct Resources(BTreeMap<String, Value>);

impl Resources {
    /// Those of this template; none where it is none that k2m can read.
    pub fn of(source: Source<'_>) -> Self {
        let template: Value = serde_yaml::from_str(source.template).unwrap_or_default();
        let resources = template.get("Resources").and_then(Value::as_object);
        let resources = resources.into_iter().flatten().map(|(id, resource)| {
            let mut resource = resource.clone();
            fill(&mut resource, source.parameters);
            (id.clone(), resource)
        });
        Self(resources.collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All of them as new.
    pub fn added(&self) -> Vec<Change> {
        let resources = self.0.iter().map(|(id, resource)| Change {
            action: Action::Add,
            logical_id: id.clone(),
            resource_type: resource.get("Type").map(text).unwrap_or_default(),
            properties: Vec::new(),
            context: Context::default(),
        });
        resources.collect()
    }
}

/// Puts the values of parameters in the place of what refers to them.
fn fill(value: &mut Value, parameters: &BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            let named = map.get("Ref").filter(|_| map.len() == 1).and_then(Value::as_str);
            if let Some(known) = named.and_then(|name| parameters.get(name)) {
                *value = Value::String(known.clone());
                return;
            }
            map.values_mut().for_each(|value| fill(value, parameters));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| fill(value, parameters)),
        _ => {}
    }
}

/// Whether CloudFormation told less than the values of what changes.
pub fn lacks_values(changes: &[Change]) -> bool {
    changes
        .iter()
        .any(|change| stays(change) && change.context == Context::default() && !told(&change.properties))
}

fn stays(change: &Change) -> bool {
    matches!(change.action, Action::Modify | Action::Replace | Action::MayReplace)
}

fn told(properties: &[PropertyChange]) -> bool {
    !properties.is_empty() && properties.iter().all(|one| one.before.is_some() || one.after.is_some())
}

/// Adds to the changes what CloudFormation did not tell of them: from its own documents of the resource where it gave them, else from the templates.
pub fn complete(changes: &mut [Change], before: &Resources, after: &Resources) {
    for change in changes.iter_mut().filter(|change| stays(change)) {
        let context = std::mem::take(&mut change.context);
        let before = context.before.as_ref().or_else(|| before.0.get(&change.logical_id));
        let after = context.after.as_ref().or_else(|| after.0.get(&change.logical_id));
        if let (Some(before), Some(after)) = (before, after) {
            let differences = differences(before, after);
            change.properties = if told(&change.properties) {
                by_name(std::mem::take(&mut change.properties), &differences, (before, after))
            } else {
                joined(std::mem::take(&mut change.properties), differences)
            };
            for property in &mut change.properties {
                property.path = with_names(&property.path, after);
            }
        }
    }
    // Also of what comes or goes, should CloudFormation ever tell more than that.
    for property in changes.iter_mut().flat_map(|change| &mut change.properties) {
        hide(property);
    }
}

/// Where a list of members with names has become longer or shorter, CloudFormation tells that each is what stood in its place: what really differs there is put
/// in the place of that.
fn by_name(told: Vec<PropertyChange>, differences: &[PropertyChange], both: (&Value, &Value)) -> Vec<PropertyChange> {
    let mut all: Vec<PropertyChange> = Vec::new();
    let mut done: Vec<String> = Vec::new();
    for property in told {
        let Some(list) = moved(&property.path, both) else {
            all.push(property);
            continue;
        };
        if done.contains(&list) {
            continue;
        }
        let named = with_names(&list, both.1);
        let found = differences.iter().filter(|one| below(&one.path, &named));
        let found: Vec<PropertyChange> = found
            .map(|one| PropertyChange {
                replaces: property.replaces,
                ..one.clone()
            })
            .collect();
        if found.is_empty() {
            all.push(property);
        } else {
            all.extend(found);
            done.push(list);
        }
    }
    all
}

/// The path of the list of members with names that the property stands in and that has other members than before.
fn moved(path: &str, (before, after): (&Value, &Value)) -> Option<String> {
    let (mut one, mut two) = (before.get("Properties")?, after.get("Properties")?);
    let mut at = String::new();
    for word in path.split('.') {
        if let (Value::Array(first), Value::Array(second)) = (one, two)
            && named(first)
            && named(second)
            && !first.iter().map(name).eq(second.iter().map(name))
        {
            return Some(at);
        }
        one = step(one, word)?;
        two = step(two, word)?;
        at = joint(&at, word);
    }
    None
}

/// What stands there in a document.
fn step<'a>(value: &'a Value, word: &str) -> Option<&'a Value> {
    match value {
        Value::Array(list) => list.get(word.parse::<usize>().ok()?),
        value => value.get(word),
    }
}

/// What CloudFormation named, each with the differences below it. What it did not name, such as a description, follows.
fn joined(named: Vec<PropertyChange>, differences: Vec<PropertyChange>) -> Vec<PropertyChange> {
    let mut rest = differences;
    let mut all = Vec::new();
    for named in named {
        if named.before.is_some() || named.after.is_some() {
            rest.retain(|one| !below(&one.path, &named.path));
            all.push(named);
            continue;
        }
        let (found, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|one| below(&one.path, &named.path));
        rest = others;
        let replaces = named.replaces;
        if found.is_empty() {
            all.push(named);
        }
        all.extend(found.into_iter().map(|one| PropertyChange { replaces, ..one }));
    }
    all.extend(rest);
    all
}

/// Whether a path is that one, or leads on from there.
fn below(path: &str, from: &str) -> bool {
    path.strip_prefix(from)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What differs between two documents of a resource, at its leaves.
fn differences(before: &Value, after: &Value) -> Vec<PropertyChange> {
    let mut found = Vec::new();
    walk(Some(before), Some(after), "", &mut found);
    for change in &mut found {
        if let Some(property) = change.path.strip_prefix("Properties.") {
            change.path = property.to_owned();
        }
    }
    found
}

fn walk(before: Option<&Value>, after: Option<&Value>, path: &str, found: &mut Vec<PropertyChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(two))) if !intrinsic(one) && !intrinsic(two) => {
            let both = two.keys().chain(one.keys().filter(|key| !two.contains_key(*key)));
            for key in both {
                walk(one.get(key), two.get(key), &joint(path, key), found);
            }
        }
        // Members that have a name are compared by it, however many stand before them.
        (Some(Value::Array(one)), Some(Value::Array(two))) if named(one) && named(two) => {
            let in_one = |key: &str| one.iter().find(|member| name(member) == Some(key));
            let in_two = |key: &str| two.iter().find(|member| name(member) == Some(key));
            for key in two.iter().filter_map(name) {
                walk(in_one(key), in_two(key), &joint(path, key), found);
            }
            for key in one.iter().filter_map(name).filter(|key| in_two(key).is_none()) {
                walk(in_one(key), None, &joint(path, key), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(two)))
            if one.len() == two.len() && one.iter().chain(two).any(Value::is_object) =>
        {
            for (number, (one, two)) in one.iter().zip(two).enumerate() {
                walk(Some(one), Some(two), &joint(path, &number.to_string()), found);
            }
        }
        _ => found.push(PropertyChange {
            path: path.to_owned(),
            before: before.map(text),
            after: after.map(text),
            replaces: false,
        }),
    }
}

fn joint(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Whether it is a function of CloudFormation, such as `{"Ref": …}`.
fn intrinsic(map: &serde_json::Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

/// What a member of a list is called: a statement of a policy, a policy of a role, a tag, a dimension.
fn name(member: &Value) -> Option<&str> {
    ["Sid", "PolicyName", "Key", "Name"]
        .iter()
        .find_map(|key| member.get(key)?.as_str())
}

fn named(list: &[Value]) -> bool {
    let names: Vec<Option<&str>> = list.iter().map(name).collect();
    let unique = |(at, name): (usize, Option<&str>)| name.is_some() && !names[..at].contains(&name);
    names.iter().copied().enumerate().all(unique)
}

/// The path with the names of members in place of their numbers, as CloudFormation gives them: `Policies.0.PolicyDocument.Statement.2.Resource` is the
/// statement's, by its `Sid`.
fn with_names(path: &str, resource: &Value) -> String {
    let mut at = resource.get("Properties");
    let mut words = Vec::new();
    for word in path.split('.') {
        let member = match at {
            Some(Value::Array(list)) if named(list) => word
                .parse()
                .ok()
                .and_then(|number: usize| list.get(number))
                .or_else(|| list.iter().find(|member| name(member) == Some(word))),
            Some(Value::Array(list)) => word.parse().ok().and_then(|number: usize| list.get(number)),
            Some(value) => value.get(word),
            None => None,
        };
        let called = matches!(at, Some(Value::Array(_)))
            .then(|| member.and_then(name))
            .flatten();
        words.push(called.unwrap_or(word));
        at = member;
    }
    words.join(".")
}

/// A value in a line.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            // A statement says what it allows; its resources are below.
            if let (Some(effect), Some(action)) = (map.get("Effect"), map.get("Action")) {
                return format!("{} {}", text(effect), text(action));
            }
            if let (true, Some((key, of))) = (intrinsic(map), map.iter().next()) {
                let parts = match of {
                    Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join("."),
                    of => text(of),
                };
                return match key.as_str() {
                    "Ref" | "Fn::GetAtt" => format!("({parts})"),
                    key => format!("({} {parts})", key.trim_start_matches("Fn::")),
                };
            }
            value.to_string()
        }
        value => value.to_string(),
    }
}

/// Hides what may be a secret, also within a document. Templates of k2m have none; another hand may have given a stack one.
fn hide(property: &mut PropertyChange) {
    for value in [&mut property.before, &mut property.after].into_iter().flatten() {
        if is_secret(&property.path) {
            HIDDEN.clone_into(value);
        } else if value.starts_with('{') {
            // Several stand in a row.
            match serde_json::from_str::<Vec<Value>>(&format!("[{value}]")) {
                Ok(mut documents) => {
                    let hidden = documents.iter_mut().map(|document| hide_in(document, &property.path));
                    if hidden.fold(false, |any, one| any | one) {
                        let documents: Vec<String> = documents.iter().map(Value::to_string).collect();
                        *value = documents.join(", ");
                    }
                }
                // A part of one.
                Err(_) => HIDDEN.clone_into(value),
            }
        }
    }
}

/// Hides what may be a secret in a document that stands there. Whether anything was hidden.
fn hide_in(document: &mut Value, path: &str) -> bool {
    let mut hidden = false;
    match document {
        Value::Object(map) => {
            for (key, value) in map {
                let path = joint(path, key);
                if is_secret(&path) {
                    *value = Value::String(HIDDEN.to_owned());
                    hidden = true;
                } else {
                    hidden |= hide_in(value, &path);
                }
            }
        }
        Value::Array(list) => {
            for value in list {
                hidden |= hide_in(value, path);
            }
        }
        _ => {}
    }
    hidden
}

/// Whether nobody should read what stands there: its name says that it is a secret, or it is a variable of a function that k2m knows nothing of.
fn is_secret(path: &str) -> bool {
    let foreign = |name: &str| !name.starts_with("K2M_");
    if path.strip_prefix(VARIABLES).is_some_and(foreign) {
        return true;
    }
    let last = path.rsplit('.').next().unwrap_or_default();
    let last: String = last.chars().filter(char::is_ascii_alphanumeric).collect();
    let last = last.to_ascii_lowercase();
    SECRETS.iter().any(|end| last.ends_with(end))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const BEFORE: &str = r#"
Parameters: {ArtifactKey: {Type: String}}
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Code: {S3Key: {Ref: ArtifactKey}}
      MemorySize: 256
      Role: {"Fn::GetAtt": [Role, Arn]}
      Environment: {Variables: {K2M_TOPIC: orders, K2M_LOG: info, DB_PASSWORD: hunter2}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: pipeline
          PolicyDocument:
            Statement:
              - {Sid: Read, Effect: Allow, Action: ["kinesis:GetRecords"], Resource: ["arn:stream/orders"]}
              - {Sid: Write, Effect: Allow, Action: ["kafka-cluster:WriteData"], Resource: ["arn:topic/orders"]}
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: {Threshold: 1}
"#;

    fn after() -> String {
        BEFORE
            .replace("MemorySize: 256", "MemorySize: 512")
            .replace("K2M_LOG: info", "K2M_RETRIES: 3")
            .replace("hunter2", "hunter3")
            .replace("[Role, Arn]", "[OtherRole, Arn]")
            .replace(
                "              - {Sid: Read",
                "              - {Sid: Decrypt, Effect: Allow, Action: [\"kms:Decrypt\"], Resource: [\"arn:key/1\"]}\n              - {Sid: Read",
            )
            .replace("arn:topic/orders", "arn:topic/page-views")
    }

    fn change(logical_id: &str, properties: &[(&str, Option<&str>, Option<&str>)]) -> Change {
        let properties = properties.iter().map(|(path, before, after)| PropertyChange {
            path: (*path).to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            replaces: *path == "Code",
        });
        Change {
            action: Action::Modify,
            logical_id: logical_id.to_owned(),
            resource_type: String::new(),
            properties: properties.collect(),
            context: Context::default(),
        }
    }

    fn shown(changes: &[Change]) -> String {
        let mut text = String::new();
        for change in changes {
            writeln!(text, "{}", change.logical_id).unwrap();
            for property in &change.properties {
                let PropertyChange {
                    path,
                    before,
                    after,
                    replaces,
                } = property;
                let marks = if *replaces { " !" } else { "" };
                writeln!(text, "  {path}: {before:?} -> {after:?}{marks}").unwrap();
            }
        }
        text
    }

    #[test]
    fn what_cloudformation_does_not_tell_is_in_the_templates() {
        let parameters = |key: &str| BTreeMap::from([("ArtifactKey".to_owned(), key.to_owned())]);
        let (old, new) = (parameters("old.zip"), parameters("new.zip"));
        let before = Resources::of(Source {
            template: BEFORE,
            parameters: &old,
        });
        let text = after();
        let after = Resources::of(Source {
            template: &text,
            parameters: &new,
        });
        assert_eq!((before.count(), after.added().len()), (3, 3));
        let mut changes = [
            // The names only, as of an older answer; of the alarm only that something it refers to changes.
            change(
                "Function",
                &[
                    ("Code", None, None),
                    ("Environment", None, None),
                    ("MemorySize", None, None),
                ],
            ),
            change("Role", &[]),
            change("Alarm", &[("Dimensions", None, None)]),
            change("Absent", &[("Tags", None, None)]),
            // All, as it is told today: only a number has to become a name.
            change(
                "Role",
                &[(
                    "Policies.0.PolicyDocument.Statement.2.Resource.0",
                    Some("arn:topic/orders"),
                    Some("arn:topic/page-views"),
                )],
            ),
        ];
        assert!(lacks_values(&changes) && !lacks_values(&changes[4..]));
        complete(&mut changes, &before, &after);
        insta::assert_snapshot!(shown(&changes));
    }

    #[test]
    fn a_statement_that_comes_changes_none_that_stands_in_its_place() {
        let none = BTreeMap::new();
        let source = |template| {
            Resources::of(Source {
                template,
                parameters: &none,
            })
        };
        let (text, both) = (after(), |one: &Resources, two: &Resources| {
            let path = |end: &str| format!("Policies.0.PolicyDocument.Statement.{end}");
            // As CloudFormation tells it: place by place.
            let told = [
                (path("0.Sid"), Some("Read"), Some("Decrypt")),
                (path("0.Action.0"), Some("kinesis:GetRecords"), Some("kms:Decrypt")),
                (path("1.Sid"), Some("Write"), Some("Read")),
                (path("2.Sid"), None, Some("Write")),
            ];
            let told: Vec<_> = told
                .iter()
                .map(|(path, before, after)| (path.as_str(), *before, *after))
                .collect();
            let mut changes = [change("Role", &told)];
            complete(&mut changes, one, two);
            shown(&changes)
        });
        insta::assert_snapshot!(format!(
            "{}\n{}",
            both(&source(BEFORE), &source(&text)),
            both(&source(&text), &source(BEFORE))
        ));
    }

    #[test]
    fn its_own_documents_come_before_the_templates() {
        let document = |size: u32| serde_json::json!({"Properties": {"MemorySize": size}});
        let mut one = change("Function", &[("MemorySize", None, None)]);
        one.context = Context {
            before: Some(document(128)),
            after: Some(document(1024)),
        };
        assert!(!lacks_values(std::slice::from_ref(&one)));
        let mut changes = [one];
        complete(&mut changes, &Resources::default(), &Resources::default());
        assert_eq!(
            shown(&changes),
            "Function\n  MemorySize: Some(\"128\") -> Some(\"1024\")\n"
        );
    }

    #[test]
    fn what_may_be_a_secret_is_hidden_and_nothing_else() {
        let rows = [
            ("MemorySize", "256", "256"),
            ("Environment.Variables.K2M_TOPIC", "orders", "orders"),
            ("Environment.Variables.K2M_PASSWORD", "hunter2", HIDDEN),
            ("Environment.Variables.API_KEY", "hunter2", HIDDEN),
            ("Properties.Environment.Variables", r#"{"a":1}"#, r#"{"a":1}"#),
            (
                "Environment",
                r#"{"Variables":{"K2M_TOPIC":"orders","DB_PASS":"hunter2"}}"#,
                r#"{"Variables":{"DB_PASS":"(not shown)","K2M_TOPIC":"orders"}}"#,
            ),
            (
                "Environment.Variables",
                r#"{"CLIENT_SECRET":"hunter2"}"#,
                r#"{"CLIENT_SECRET":"(not shown)"}"#,
            ),
            (
                "Targets",
                r#"{"Id":"a","Token":"hunter2"}, {"Id":"b"}"#,
                r#"{"Id":"a","Token":"(not shown)"}, {"Id":"b"}"#,
            ),
            ("Environment", r#"{"Variables":{"DB_PASS":"hunt"#, HIDDEN),
            ("Policies", "Allow kinesis:GetRecords", "Allow kinesis:GetRecords"),
        ];
        for (path, value, shown) in rows {
            let mut property = PropertyChange {
                path: path.to_owned(),
                before: Some(value.to_owned()),
                after: None,
                replaces: false,
            };
            hide(&mut property);
            assert_eq!(property.before.as_deref(), Some(shown), "{path}");
            assert_eq!(property.after, None, "{path}");
        }
    }

    #[test]
    fn nothing_is_shown_of_what_goes_either() {
        let mut gone = change("Function", &[("Environment.Variables.API_KEY", Some("hunter2"), None)]);
        gone.action = Action::Remove;
        let mut changes = [gone];
        complete(&mut changes, &Resources::default(), &Resources::default());
        assert_eq!(changes[0].properties[0].before.as_deref(), Some(HIDDEN));
    }

    #[test]
    fn what_is_no_template_has_nothing() {
        let none = BTreeMap::new();
        for template in ["", "no: [template", "Resources: [1]"] {
            let source = Source {
                template,
                parameters: &none,
            };
            assert_eq!(Resources::of(source).count(), 0, "{template}");
        }
    }
}

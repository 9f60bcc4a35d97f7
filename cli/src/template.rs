//! Prints a plan as a CloudFormation template, and decides nothing. Pure: the same plan gives the same bytes.
//!
//! Every value passes [`print`], whatever the template does with it, so that no name of a stream, a topic or a stack can become structure.

#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::exit::Exit;
use crate::plan::shared::{NetworkResources, NetworkStack};
use crate::plan::{Pipeline, Plan, PlannedCluster, PlannedNetwork};

/// The template that the others are included in.
const STACK: &str = "stack.yaml.jinja";
/// That of a network stack.
const NETWORK: &str = "network.yaml.jinja";

/// Every template by its name.
const TEMPLATES: [(&str, &str); 6] = [
    (STACK, include_str!("../../templates/stack.yaml.jinja")),
    (NETWORK, include_str!("../../templates/network.yaml.jinja")),
    (
        "pipeline.yaml.jinja",
        include_str!("../../templates/pipeline.yaml.jinja"),
    ),
    ("failure.yaml.jinja", include_str!("../../templates/failure.yaml.jinja")),
    ("alarm.yaml.jinja", include_str!("../../templates/alarm.yaml.jinja")),
    ("outputs.yaml.jinja", include_str!("../../templates/outputs.yaml.jinja")),
];

/// What CloudFormation replaces wherever it stands in a string: there is no way to escape it.
const DYNAMIC_REFERENCE: &str = "{{resolve:";

/// Why there is no template.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// A value that CloudFormation would not take as it is.
    #[error(
        "`{}` can't stand in a template: CloudFormation replaces `{DYNAMIC_REFERENCE}…` by a parameter or a secret; choose another value",
        .0.escape_debug()
    )]
    DynamicReference(String),
    /// The templates and the plan don't fit together.
    #[error("failed to fill the template in, which is a fault of k2m: {0:#}; please report it")]
    Engine(#[from] Error),
    /// What was printed can't be read again.
    #[error("failed to read the template again, which is a fault of k2m: {0}; please report it")]
    Document(#[from] serde_yaml::Error),
    /// The plan is no plain data.
    #[error("failed to hand the plan to the template, which is a fault of k2m: {0}; please report it")]
    Plan(#[from] serde_json::Error),
}

impl TemplateError {
    /// The exit code that it ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::DynamicReference(_) | Self::Engine(_) | Self::Document(_) | Self::Plan(_) => Exit::Failed,
        }
    }
}

/// A template for people and for programs: the YAML text, and the same as a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    text: String,
    document: serde_yaml::Value,
}

impl Template {
    /// The plan's template.
    pub fn new(plan: &Plan) -> Result<Self, TemplateError> {
        let text = render(plan)?;
        let document = serde_yaml::from_str(&text)?;
        Ok(Self { text, document })
    }

    /// That of a network stack.
    pub fn of_network(stack: &NetworkStack) -> Result<Self, TemplateError> {
        let text = render_network(stack)?;
        let document = serde_yaml::from_str(&text)?;
        Ok(Self { text, document })
    }

    /// Its YAML.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Logical ids of its resources.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let resources = self.document.get("Resources").and_then(serde_yaml::Value::as_mapping);
        resources.into_iter().flatten().filter_map(|(id, _)| id.as_str())
    }
}

impl Display for Template {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

/// What of a plan the templates see.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    stack: &'a str,
    description: String,
    brief: bool,
    cluster: &'a PlannedCluster,
    network: Option<&'a PlannedNetwork>,
    /// Each as `region/stack`.
    network_stacks: Vec<String>,
    /// Whether topics are the stack's: `CloudFormation` makes them in the cluster's region alone, elsewhere the brokers' network stack has them.
    topics_here: bool,
    permissions_boundary: Option<&'a str>,
    pipelines: &'a [Pipeline],
}

/// What of a network stack its template sees.
#[derive(Serialize)]
struct NetworkContext<'a> {
    stack: &'a str,
    vpc: &'a str,
    #[serde(flatten)]
    resources: NetworkResources,
}

/// The plan's template as YAML: printable ASCII and line ends, with parameters `ArtifactBucket`, `ArtifactKey` and `Architecture` to be given
/// when it is deployed.
pub fn render(plan: &Plan) -> Result<String, TemplateError> {
    let context = serde_json::to_value(Context {
        stack: &plan.stack,
        description: description(&plan.pipelines),
        brief: plan.brief_outputs,
        cluster: &plan.cluster,
        network: plan.network.as_ref(),
        network_stacks: plan
            .network_stacks
            .iter()
            .map(|NetworkStack { region, stack, .. }| format!("{region}/{stack}"))
            .collect(),
        topics_here: plan.cluster.region == plan.region,
        permissions_boundary: plan.permissions_boundary.as_deref(),
        pipelines: &plan.pipelines,
    })?;
    fill_in(STACK, context)
}

/// The template of a network stack, as [`render`] gives that of the plan. Its parameters are ids of peering connections.
pub fn render_network(stack: &NetworkStack) -> Result<String, TemplateError> {
    let context = serde_json::to_value(NetworkContext {
        stack: &stack.stack,
        vpc: &stack.vpc,
        resources: stack.resources(),
    })?;
    fill_in(NETWORK, context)
}

fn fill_in(template: &str, context: Value) -> Result<String, TemplateError> {
    refuse_dynamic_references(&context)?;
    Ok(environment()?.get_template(template)?.render(Serde(context))?)
}

/// Most bytes that CloudFormation takes of a description.
const DESCRIPTION_BYTES: usize = 1024;

/// What the stack is for, in as many words as there is room for.
fn description(pipelines: &[Pipeline]) -> String {
    let joined = |of: fn(&Pipeline) -> &str| pipelines.iter().map(of).collect::<Vec<_>>().join(", ");
    let whole = format!(
        "k2m: Kinesis stream {} to Kafka topic {}",
        joined(|pipeline| &pipeline.stream_name),
        joined(|pipeline| &pipeline.topic)
    );
    if whole.len() <= DESCRIPTION_BYTES {
        whole
    } else {
        format!("k2m: {} Kinesis streams to Kafka topics", pipelines.len())
    }
}

fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(format);
    // A line that holds a block only leaves nothing behind.
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?,
    );
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment)
}

fn format(out: &mut Output, _state: &mut State, value: &minijinja::Value) -> Result<(), Error> {
    let value = serde_json::to_value(value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, "a value is no plain data").with_source(error))?;
    let mut text = String::new();
    print(&value, &mut text)?;
    out.write_str(&text).map_err(Error::from)
}

/// A value in YAML's flow style, on one line: JSON, but that what is not printable ASCII is escaped by its code point, as YAML has no
/// surrogate pairs.
fn print(value: &Value, out: &mut String) -> Result<(), Error> {
    match value {
        // CloudFormation refuses it everywhere: the template lacks an `if`.
        Value::Null => return Err(Error::new(ErrorKind::UndefinedError, "a value is null")),
        Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::String(text) => print_text(text, out),
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                print(value, out)?;
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                print_text(key, out);
                out.push_str(": ");
                print(value, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn print_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            '\u{0}'..='\u{ffff}' => out.extend([format!("\\u{:04X}", u32::from(c))]),
            _ => out.extend([format!("\\U{:08X}", u32::from(c))]),
        }
    }
    out.push('"');
}

fn refuse_dynamic_references(value: &Value) -> Result<(), TemplateError> {
    let text = |text: &String| {
        if text.contains(DYNAMIC_REFERENCE) {
            return Err(TemplateError::DynamicReference(text.clone()));
        }
        Ok(())
    };
    match value {
        Value::String(value) => text(value),
        Value::Array(values) => values.iter().try_for_each(refuse_dynamic_references),
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
            text(key)?;
            refuse_dynamic_references(value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

//! The JSON Schema of k2m.yaml, from the table of settings. Pure. It says what can be said of each value by itself; what does not fit together k2m says.

use serde_json::{Map, Value, json};

use super::file::{ENVIRONMENTS, LONGEST_NAME, PIPELINES};
use super::form::Form;
use super::table::{Preset, Row, Shape, TABLE};

/// The dialect.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a file of settings.
pub fn settings() -> Value {
    let of_stack = |_: &&Row| true;
    let mut of_file = references(of_stack);
    let list = json!({
        "description": "Pipelines that differ, each with its stream: what stands beside the list is for each that says nothing else. In place of `stream`.",
        "type": "array",
        "items": {"$ref": "#/$defs/pipeline"},
        "minItems": 1,
    });
    of_file.insert(PIPELINES.to_owned(), list);
    let mut of_environment = of_file.clone();
    of_file.insert(
        ENVIRONMENTS.to_owned(),
        json!({
            "description": "What is otherwise in an environment, by its name: chosen with --env NAME or K2M_ENV. Counts more than what stands outside of it; its `pipelines` take the place of the others whole.",
            "type": "object",
            "propertyNames": {"pattern": format!("^[A-Za-z0-9][A-Za-z0-9_.-]{{0,{}}}$", LONGEST_NAME - 1)},
            "additionalProperties": {"$ref": "#/$defs/environment"},
            "minProperties": 1,
        }),
    );
    let mut definitions: Map<String, Value> = TABLE.iter().map(|row| (row.name.to_owned(), definition(row))).collect();
    let mut pipeline = mapping(
        "A pipeline: a stream, and what is its own.",
        references(|row| !row.of_stack()),
    );
    pipeline.insert("type".to_owned(), json!("object"));
    pipeline.insert("required".to_owned(), json!(["stream"]));
    definitions.insert("pipeline".to_owned(), pipeline.into());
    of_environment = mapping("What is otherwise in an environment.", of_environment);
    definitions.insert("environment".to_owned(), of_environment.into());
    let mut root = mapping(
        "Settings of k2m. Each has a flag and a variable of the environment too, which count more: docs/settings.md.",
        of_file,
    );
    root.insert("$schema".to_owned(), json!(DRAFT));
    root.insert("title".to_owned(), json!("k2m.yaml"));
    root.insert("$defs".to_owned(), definitions.into());
    root.into()
}

/// A mapping of settings, which may say nothing.
fn mapping(description: &str, properties: Map<String, Value>) -> Map<String, Value> {
    let parts = [
        ("description", json!(description)),
        ("type", json!(["object", "null"])),
        ("properties", properties.into()),
        ("additionalProperties", json!(false)),
        ("not", json!({"type": "object", "required": ["stream", PIPELINES]})),
    ];
    parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect()
}

/// The settings of a mapping, each by where it is described.
fn references(of: impl Fn(&&Row) -> bool) -> Map<String, Value> {
    let rows = TABLE.iter().filter(of);
    rows.map(|row| (row.name.to_owned(), json!({"$ref": format!("#/$defs/{}", row.name)})))
        .collect()
}

fn definition(row: &Row) -> Value {
    let mut definition = match row.shape {
        Shape::Text | Shape::Word => single(row.form),
        Shape::List | Shape::TextOrList => list(row.form),
        Shape::Map => map(row.form),
    };
    let default = match row.default {
        Preset::Is(text) => format!("`{text}`"),
        Preset::Follows(text) => text.to_owned(),
        Preset::Required => "none, it is to be given".to_owned(),
    };
    let description = format!("{}: {}. Default: {default}.", capital(row.why), row.values);
    definition.insert("description".to_owned(), description.into());
    if let Preset::Is(text) = row.default {
        definition.insert("default".to_owned(), word(row.form, text));
    }
    definition.into()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// The text of a value as JSON has it.
fn word(form: Form, text: &str) -> Value {
    match form {
        Form::Booleans(_) => text.parse::<bool>().map_or(Value::Null, Value::from),
        Form::Numbers(_) | Form::OneOf(_) => text.parse::<i64>().map_or(Value::Null, Value::from),
        _ => text.into(),
    }
}

/// The whole of a text, or nothing of it.
fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn single(form: Form) -> Map<String, Value> {
    object(match form {
        Form::Text(pattern) => json!({"type": "string", "pattern": whole(pattern)}),
        Form::But(pattern, not) => json!({"type": "string", "pattern": whole(pattern), "not": {"pattern": not}}),
        // What is no text passes a pattern, and a schema that is not to take it has to say so.
        Form::Name(pattern, not) => json!({
            "type": ["string", "number"],
            "pattern": whole(pattern),
            "not": {"type": "string", "pattern": not},
        }),
        Form::Tag(value, ..) => json!({"type": ["string", "number", "boolean"], "pattern": whole(value)}),
        Form::Words(words) => json!({"enum": words}),
        Form::Booleans([one]) => json!({"const": one}),
        Form::Booleans(_) => json!({"type": "boolean"}),
        Form::Numbers([(least, most)]) if least == most => json!({"const": least}),
        Form::Numbers([(least, most)]) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Form::Numbers(ranges) => {
            let ranges = ranges
                .iter()
                .map(|(least, most)| json!({"minimum": least, "maximum": most}));
            json!({"type": "integer", "anyOf": ranges.collect::<Vec<_>>()})
        }
        Form::OneOf(numbers) => json!({"enum": numbers}),
    })
}

/// A list, or one text with commas.
fn list(form: Form) -> Map<String, Value> {
    let item = match form {
        Form::Words(words) => format!("(?:{})", words.join("|")),
        Form::Text(pattern) => format!("(?:{pattern})"),
        _ => ".+".to_owned(),
    };
    object(json!({"anyOf": [
        {"type": "array", "items": single(form), "minItems": 1, "uniqueItems": true},
        {"type": "string", "pattern": format!("^ *{item}(?: *, *{item})* *$")},
    ]}))
}

/// A mapping, or one text as a flag has it.
fn map(form: Form) -> Map<String, Value> {
    let mut mapping = object(json!({"type": "object", "additionalProperties": single(form)}));
    let text = if let Form::Tag(_, key, not) = form {
        mapping.insert(
            "propertyNames".to_owned(),
            json!({"pattern": whole(key), "not": {"pattern": not}}),
        );
        "[{=]"
    } else {
        "^\\s*\\{"
    };
    object(json!({"anyOf": [mapping, {"type": "string", "pattern": text}]}))
}

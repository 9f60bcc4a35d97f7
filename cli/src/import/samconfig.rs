//! samconfig.toml: what `sam deploy` is told of a template's parameters, its stack and its region. Pure.

use std::collections::BTreeMap;

use thiserror::Error;
use toml::{Table, Value};

use crate::shown::shown;

/// What it says that matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SamConfig {
    /// Values of parameters, by name.
    pub parameters: BTreeMap<String, String>,
    /// Such as `kinesis-to-kafka`.
    pub stack: Option<String>,
    /// Such as `eu-west-1`.
    pub region: Option<String>,
}

/// Why it can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: this is no samconfig.toml: {reason}")]
pub struct SamConfigError {
    path: String,
    reason: String,
}

/// Reads the file's text; `environment` is the part of it that counts, `default` where nobody names another.
pub fn parse(path: &str, text: &str, environment: &str) -> Result<SamConfig, SamConfigError> {
    let wrong = |reason: String| SamConfigError {
        path: path.to_owned(),
        reason,
    };
    let file: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| {
            text.get(..span.start).unwrap_or_default().matches('\n').count() + 1
        });
        wrong(format!("line {line}: {}", shown(error.message())))
    })?;
    let Some(environment) = file.get(environment).and_then(Value::as_table) else {
        if environment == "default" {
            return Ok(SamConfig::default());
        }
        let known: Vec<&str> = file
            .iter()
            .filter(|(_, value)| value.is_table())
            .map(|(name, _)| name.as_str())
            .collect();
        return Err(wrong(format!(
            "it has no environment `{}`, but: {}",
            shown(environment),
            shown(&known.join(", "))
        )));
    };
    let mut found = SamConfig::default();
    // What is said of `deploy` counts more than what is said of all commands.
    for command in ["global", "deploy"] {
        let parameters = environment.get(command).and_then(|command| command.get("parameters"));
        let Some(parameters) = parameters.and_then(Value::as_table) else {
            continue;
        };
        let text = |name: &str| parameters.get(name).and_then(Value::as_str).map(str::to_owned);
        found.stack = text("stack_name").or(found.stack);
        found.region = text("region").or(found.region);
        if let Some(overrides) = parameters.get("parameter_overrides") {
            found.parameters = of_parameters(overrides);
        }
    }
    Ok(found)
}

/// What `parameter_overrides` says: one text, a list of texts, or a table.
fn of_parameters(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::String(text) => words(text).iter().filter_map(|word| pair(word)).collect(),
        Value::Array(items) => {
            let texts = items.iter().filter_map(Value::as_str);
            texts.flat_map(words).filter_map(|word| pair(&word)).collect()
        }
        Value::Table(table) => table
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), plain(value)?)))
            .collect(),
        _ => BTreeMap::new(),
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(held) => Some(held.to_string()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(plain).collect();
            Some(items.join(","))
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

/// Words as a shell has them: apart by blanks, whole within quotes.
fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('\\', _) => word.get_or_insert_default().extend(characters.next()),
            (_, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => all.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}

/// `Name=value`, or `ParameterKey=Name,ParameterValue=value`.
fn pair(word: &str) -> Option<(String, String)> {
    let long = word
        .strip_prefix("ParameterKey=")
        .and_then(|rest| rest.split_once(",ParameterValue="));
    let (name, value) = long.or_else(|| word.split_once('='))?;
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, environment: &str) -> String {
        match parse("samconfig.toml", text, environment) {
            Ok(found) => {
                let pairs: Vec<String> = found
                    .parameters
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                format!("{} {:?} {:?}", pairs.join("|"), found.stack, found.region)
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn parameters_are_read_in_every_form() {
        let of = |overrides: &str| {
            format!("version = 0.1\n[default.deploy.parameters]\nparameter_overrides = {overrides}\n")
        };
        for (overrides, wanted) in [
            (r#""A=x B=\"y z\" C=""#, "A=x|B=y z|C="),
            (r#"'A="x=y" B=\"q\"'"#, "A=x=y|B=\"q\""),
            (r#"["A=x", "B=y"]"#, "A=x|B=y"),
            (
                r#""ParameterKey=A,ParameterValue=x ParameterKey=B,ParameterValue='y,z'""#,
                "A=x|B=y,z",
            ),
            (r#"{A = "x", B = 5, C = true, D = ["p", "q"]}"#, "A=x|B=5|C=true|D=p,q"),
            ("5", ""),
            (r#""nothing here""#, ""),
        ] {
            assert_eq!(
                said(&of(overrides), "default"),
                format!("{wanted} None None"),
                "{overrides}"
            );
        }
    }

    #[test]
    fn an_environment_and_a_command_are_chosen() {
        let text = "
version = 0.1
[default.global.parameters]
stack_name = 'all'
region = 'eu-west-1'
[default.deploy.parameters]
stack_name = 'shop'
[prod.deploy.parameters]
region = 'us-east-1'
";
        for (environment, wanted) in [
            ("default", " Some(\"shop\") Some(\"eu-west-1\")"),
            ("prod", " None Some(\"us-east-1\")"),
            (
                "test",
                "samconfig.toml: this is no samconfig.toml: it has no environment `test`, but: default, prod",
            ),
        ] {
            assert_eq!(said(text, environment), wanted);
        }
        assert_eq!(said("version = 0.1", "default"), " None None");
        let wrong = said("version = 0.1\n[default", "default");
        assert!(
            wrong.starts_with("samconfig.toml: this is no samconfig.toml: line 2: "),
            "{wrong}"
        );
    }
}

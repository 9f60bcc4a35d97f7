//! JSON Schemas of what k2m prints, and whether a document fits: as much of JSON Schema as those of docs/schemas use, and no more. A property that a schema
//! does not describe does not fit, so that none can be forgotten.

#![expect(clippy::unwrap_used, reason = "a schema of ours that is none fails the test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn is(document: &Value, wanted: &Value) -> bool {
    match wanted.as_str().unwrap() {
        "object" => document.is_object(),
        "array" => document.is_array(),
        "string" => document.is_string(),
        "integer" => document.is_u64() || document.is_i64(),
        "number" => document.is_number(),
        "boolean" => document.is_boolean(),
        "null" => document.is_null(),
        other => panic!("{other}"),
    }
}

/// What a schema of ours may say; whatever else it said would be passed over here.
const WORDS: [&str; 19] = [
    "$schema",
    "title",
    "description",
    "$defs",
    "$ref",
    "oneOf",
    "type",
    "required",
    "properties",
    "items",
    "additionalProperties",
    "minItems",
    "enum",
    "const",
    "pattern",
    "minLength",
    "minimum",
    "maximum",
    "default",
];

/// Why a document doesn't fit, without what is in it.
fn of_itself(rules: &serde_json::Map<String, Value>, document: &Value, at: &str) -> Option<String> {
    let says = |wrong: bool, what: &str| wrong.then(|| format!("{at}: {what}: {document}"));
    let number = |word: &str| rules.get(word).and_then(Value::as_u64);
    let wrong = [
        says(
            rules.get("type").is_some_and(|wanted| match wanted {
                Value::Array(any) => !any.iter().any(|one| is(document, one)),
                one => !is(document, one),
            }),
            "of another type",
        ),
        says(
            rules.get("const").is_some_and(|wanted| wanted != document),
            "another value",
        ),
        says(
            rules
                .get("enum")
                .is_some_and(|wanted| !wanted.as_array().unwrap().contains(document)),
            "none of those",
        ),
        says(
            rules.get("pattern").is_some_and(|pattern| {
                // The only one there is.
                assert_eq!(pattern, "^K2M-[A-Z][0-9]{2}$");
                let code = document
                    .as_str()
                    .unwrap_or_default()
                    .strip_prefix("K2M-")
                    .unwrap_or_default();
                let mut letters = code.chars();
                let fits = code.len() == 3
                    && letters.next().is_some_and(|c| c.is_ascii_uppercase())
                    && letters.all(|c| c.is_ascii_digit());
                !fits
            }),
            "no code",
        ),
        says(
            number("minItems").is_some_and(|least| document.as_array().is_some_and(|all| (all.len() as u64) < least)),
            "too few",
        ),
        says(
            number("minLength").is_some_and(|least| document.as_str().is_some_and(|text| (text.len() as u64) < least)),
            "too short",
        ),
        says(
            number("minimum").is_some_and(|least| document.as_u64().is_some_and(|n| n < least)),
            "too small",
        ),
        says(
            number("maximum").is_some_and(|most| document.as_u64().is_some_and(|n| n > most)),
            "too large",
        ),
    ];
    wrong.into_iter().flatten().next()
}

/// Why a document doesn't fit, with what of its properties is described.
fn misfit(whole: &Value, schema: &Value, document: &Value, at: &str, known: &mut BTreeSet<String>) -> Option<String> {
    let rules = schema.as_object().unwrap();
    for word in rules.keys() {
        assert!(WORDS.contains(&word.as_str()), "{at}: nobody checks {word}");
    }
    if let Some(place) = rules.get("$ref") {
        let place = place.as_str().unwrap();
        let why = if let Some(place) = place.strip_prefix('#') {
            let schema = whole.pointer(place).unwrap_or_else(|| panic!("{place} is nowhere"));
            misfit(whole, schema, document, at, known)
        } else {
            // A schema of its own, beside this one.
            let whole = read(&folder().join(place));
            misfit(&whole, &whole, document, at, known)
        };
        if why.is_some() {
            return why;
        }
    }
    if let Some(why) = of_itself(rules, document, at) {
        return Some(why);
    }
    for name in rules.get("required").and_then(Value::as_array).into_iter().flatten() {
        if document.get(name.as_str().unwrap()).is_none() {
            return Some(format!("{at}: {name} is missing: {document}"));
        }
    }
    for (name, schema) in rules.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let Some(value) = document.get(name) else { continue };
        let at = format!("{at}.{name}");
        if let Some(why) = misfit(whole, schema, value, &at, known) {
            return Some(why);
        }
        known.insert(at);
    }
    if let (Some(schema), Some(object)) = (rules.get("additionalProperties"), document.as_object()) {
        for (name, value) in object {
            let at = format!("{at}.{name}");
            if let Some(why) = misfit(whole, schema, value, &at, known) {
                return Some(why);
            }
            known.insert(at);
        }
    }
    // Whatever is there is fine.
    if rules.keys().all(|word| word == "description") {
        properties(document, at, known);
    }
    if let (Some(schema), Some(items)) = (rules.get("items"), document.as_array()) {
        for (index, item) in items.iter().enumerate() {
            if let Some(why) = misfit(whole, schema, item, &format!("{at}[{index}]"), known) {
                return Some(why);
            }
        }
    }
    let choices = rules.get("oneOf").and_then(Value::as_array)?;
    let mut fitting = Vec::new();
    let mut misfits = Vec::new();
    for choice in choices {
        let mut theirs = BTreeSet::new();
        match misfit(whole, choice, document, at, &mut theirs) {
            None => fitting.push(theirs),
            Some(why) => misfits.push(why),
        }
    }
    match fitting.as_mut_slice() {
        [one] => {
            known.append(one);
            None
        }
        [] => Some(format!("{at}: none of its choices: {}", misfits.join("; "))),
        _ => Some(format!("{at}: more than one of its choices")),
    }
}

/// Every property of a document, by where it is.
fn properties(document: &Value, at: &str, all: &mut BTreeSet<String>) {
    if let Some(object) = document.as_object() {
        for (name, value) in object {
            let at = format!("{at}.{name}");
            properties(value, &at, all);
            all.insert(at);
        }
    }
    for (index, item) in document.as_array().into_iter().flatten().enumerate() {
        properties(item, &format!("{at}[{index}]"), all);
    }
}

/// Where the schemas are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Why a document doesn't fit the schema of that name in docs/schemas, or what of it the schema doesn't describe.
///
/// # Panics
///
/// Where there is no such schema, or it says what nobody checks: that is a mistake of the schema's.
pub fn misfits(name: &str, document: &Value) -> Option<String> {
    let schema = read(&folder().join(format!("{name}.json")));
    let (mut known, mut all) = (BTreeSet::new(), BTreeSet::new());
    if let Some(why) = misfit(&schema, &schema, document, "", &mut known) {
        return Some(why);
    }
    // What AWS says the parts of are.
    if document.get("AWSTemplateFormatVersion").is_some() {
        return None;
    }
    properties(document, "", &mut all);
    let rest: Vec<&String> = all.difference(&known).collect();
    (!rest.is_empty()).then(|| format!("not described: {rest:?}"))
}

//! `docs/schemas/doctor.json` against what doctor prints for programs: every document fits, and every property is described.

use serde_json::Value;

use super::*;
use crate::doctor;
use outside::outside;

/// What a schema of ours may say; whatever else it said would be passed over here.
const WORDS: [&str; 18] = [
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
            rules.get("type").is_some_and(|wanted| match wanted.as_str().unwrap() {
                "object" => !document.is_object(),
                "array" => !document.is_array(),
                "string" => !document.is_string(),
                "integer" => !document.is_u64(),
                other => panic!("{other}"),
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
        let place = place.as_str().unwrap().strip_prefix('#').unwrap();
        let schema = whole.pointer(place).unwrap_or_else(|| panic!("{place} is nowhere"));
        if let Some(why) = misfit(whole, schema, document, at, known) {
            return Some(why);
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

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/schemas/doctor.json")).unwrap()
}

/// Why the document doesn't fit doctor's schema, or what of it that doesn't describe.
pub(crate) fn wrong(document: &Value) -> Option<String> {
    wrong_by(&schema(), document)
}

/// Why the document doesn't fit the schema, or what of it the schema doesn't describe.
pub(crate) fn wrong_by(schema: &Value, document: &Value) -> Option<String> {
    let (mut known, mut all) = (BTreeSet::new(), BTreeSet::new());
    if let Some(why) = misfit(schema, schema, document, "", &mut known) {
        return Some(why);
    }
    properties(document, "", &mut all);
    let rest: Vec<&String> = all.difference(&known).collect();
    (!rest.is_empty()).then(|| format!("not described: {rest:?}"))
}

#[test]
fn every_document_fits_its_schema() {
    let mut results = BTreeSet::new();
    let mut judge = |settings: &Settings, facts: &Facts, what: &str| {
        let document = serde_json::to_value(doctor::examine(settings, facts)).unwrap();
        assert_eq!(wrong(&document), None, "{what}");
        let checks = document["checks"].as_array().into_iter().flatten();
        results.extend(checks.map(|check| check["result"].as_str().unwrap().to_owned()));
    };
    for (number, (code, change, ..)) in ROWS.iter().enumerate() {
        let (mut settings, mut facts) = (settings(), facts());
        change(&mut settings, &mut facts);
        judge(&settings, &facts, &format!("row {number}, {code}"));
    }
    let (several, facts) = two();
    judge(&several, &facts, "two pipelines");
    let (elsewhere, facts) = outside();
    judge(&elsewhere, &facts, "outside");
    assert_eq!(results.len(), 5, "{results:?}");
    assert_eq!(wrong(&json!({"error": "no AWS credentials", "exit_code": 4})), None);
}

/// What is wrong then, and how it comes about.
type Row = (&'static str, fn(&mut Value));

#[test]
fn what_is_no_such_document_does_not_fit() {
    let healthy = || serde_json::to_value(changed(|_, _| {})).unwrap();
    let rows: [Row; 12] = [
        ("health", |d| d["health"] = json!("fine")),
        ("health", |d| drop(d.as_object_mut().unwrap().remove("health"))),
        ("checks", |d| d["checks"] = json!([])),
        ("checks", |d| d["checks"] = json!({})),
        ("code", |d| d["checks"][0]["code"] = json!("N02")),
        ("result", |d| d["checks"][0]["result"] = json!("fail")),
        ("evidence", |d| d["checks"][0]["evidence"] = json!([])),
        ("evidence", |d| d["checks"][0]["evidence"] = json!("a line")),
        ("why", |d| {
            d["checks"][0] = json!({"code": "K2M-L01", "title": "t", "result": "skip"});
        }),
        ("explains", |d| d["causes"] = json!([{"code": "K2M-L01"}])),
        ("extra", |d| d["extra"] = json!(1)),
        ("fix", |d| d["checks"][0]["fix"] = json!(["of what passes"])),
    ];
    assert_eq!(wrong(&healthy()), None);
    for (word, change) in rows {
        let mut document = healthy();
        change(&mut document);
        let why = wrong(&document).unwrap_or_else(|| panic!("{document:#} fits"));
        assert!(why.contains(word), "{word}: {why}");
    }
    for document in [
        json!(null),
        json!({}),
        json!({"error": "e", "exit_code": 0}),
        json!({"health": "healthy", "pipelines": []}),
    ] {
        assert!(wrong(&document).is_some(), "{document}");
    }
}

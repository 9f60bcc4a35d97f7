//! `docs/schemas/doctor.json` against what doctor prints for programs: every document fits, and every property is described.

use k2m_testkit::schema::misfits;
use serde_json::Value;

use super::*;
use crate::doctor;
use outside::outside;

/// Why the document doesn't fit the schema, or what of it the schema doesn't describe.
pub(crate) fn wrong(document: &Value) -> Option<String> {
    misfits("doctor", document)
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
    let failure = json!({"error": "no AWS credentials", "kind": "aws", "causes": [], "next": [], "exit_code": 4});
    assert_eq!(wrong(&failure), None);
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

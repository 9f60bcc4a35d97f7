//! The JSON Schema of k2m.yaml against k2m itself: what k2m takes fits it, and what k2m refuses of a single value does not.

use serde_json::{Value, json};

use super::*;
use crate::settings::schema;

/// Why a document doesn't fit. Whatever word of a schema is not known here would be passed over, and so fails.
fn misfit(root: &Value, rules: &Value, document: &Value, at: &str) -> Option<String> {
    let matches = |pattern: &Value, text: &str| {
        regex_lite::Regex::new(pattern.as_str().unwrap())
            .unwrap()
            .is_match(text)
    };
    let fits = |rules: &Value, document: &Value| misfit(root, rules, document, at).is_none();
    for (word, rule) in rules.as_object().unwrap() {
        let number = |rule: &Value| rule.as_f64().unwrap();
        let fine = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" => true,
            "$ref" => {
                let found = root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
                if let Some(why) = misfit(root, found, document, at) {
                    return Some(why);
                }
                true
            }
            "type" => {
                let is = |kind: &Value| match kind.as_str().unwrap() {
                    "object" => document.is_object(),
                    "array" => document.is_array(),
                    "string" => document.is_string(),
                    "boolean" => document.is_boolean(),
                    "number" => document.is_number(),
                    "integer" => document.is_i64() || document.is_u64(),
                    "null" => document.is_null(),
                    other => panic!("{other}"),
                };
                rule.as_array().map_or_else(|| is(rule), |kinds| kinds.iter().any(is))
            }
            "enum" => rule.as_array().unwrap().contains(document),
            "const" => rule == document,
            "pattern" => document.as_str().is_none_or(|text| matches(rule, text)),
            "minimum" => document.as_f64().is_none_or(|value| value >= number(rule)),
            "maximum" => document.as_f64().is_none_or(|value| value <= number(rule)),
            "minItems" => document
                .as_array()
                .is_none_or(|items| json!(items.len()).as_f64().unwrap() >= number(rule)),
            "minProperties" => document
                .as_object()
                .is_none_or(|all| json!(all.len()).as_f64().unwrap() >= number(rule)),
            "uniqueItems" => document
                .as_array()
                .is_none_or(|items| (1..items.len()).all(|at| !items[..at].contains(&items[at]))),
            "not" => !fits(rule, document),
            "anyOf" => rule.as_array().unwrap().iter().any(|rules| fits(rules, document)),
            "required" => document.as_object().is_none_or(|all| {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .all(|name| all.contains_key(name.as_str().unwrap()))
            }),
            "propertyNames" => document
                .as_object()
                .is_none_or(|all| all.keys().all(|name| fits(rule, &json!(name)))),
            "items" => {
                let mut items = document.as_array().into_iter().flatten();
                if let Some(why) = items.find_map(|item| misfit(root, rule, item, &format!("{at}[]"))) {
                    return Some(why);
                }
                true
            }
            "properties" => {
                let known = document.as_object().into_iter().flatten();
                let mut known = known.filter_map(|(name, value)| Some((name, value, rule.get(name)?)));
                if let Some(why) =
                    known.find_map(|(name, value, rule)| misfit(root, rule, value, &format!("{at}.{name}")))
                {
                    return Some(why);
                }
                true
            }
            "additionalProperties" => {
                let known = |name: &str| rules.get("properties").is_some_and(|known| known.get(name).is_some());
                let mut others = document
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(name, _)| !known(name));
                match rule {
                    Value::Bool(false) => others.next().is_none(),
                    rule => others.all(|(_, value)| fits(rule, value)),
                }
            }
            other => panic!("{at}: nobody checks {other}"),
        };
        if !fine {
            return Some(format!("{at}: {word}"));
        }
    }
    None
}

/// Why the schema refuses a file.
fn refused(text: &str) -> Option<String> {
    let schema = schema::settings();
    let document: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    misfit(&schema, &schema, &serde_json::to_value(document).unwrap(), "")
}

/// Why k2m refuses it: as a file, or for the value that is not overridden.
fn by_k2m(text: &str) -> Option<String> {
    match File::parse("k2m.yaml", text.as_bytes()) {
        Err(error) => Some(error.to_string()),
        Ok(file) => {
            let (flags, environment) = (SettingsArgs::default(), Environment::new());
            let chosen = match file.environments.first().map(|one| one.name.clone()) {
                Some(name) => file.choose(&name).unwrap(),
                None => file,
            };
            let sources = Sources {
                flags: &flags,
                environment: &environment,
                file: Some(&chosen),
            };
            resolve(sources).err().map(|error| error.to_string())
        }
    }
}

#[test]
fn every_example_fits() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut count = 0;
    for example in std::fs::read_dir(folder).unwrap() {
        let path = example.unwrap().path().join("k2m.yaml");
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        assert_eq!(refused(&text), None, "{}", path.display());
        count += 1;
    }
    assert!(count > 10, "{count}");
    for text in ["", "# nothing\n", ALL, &all_outside(), &two()] {
        assert_eq!(refused(text), None, "{text}");
    }
}

/// A setting beside what has to be there.
fn beside(line: &str) -> String {
    let name = line.split(':').next().unwrap_or_default();
    let ends = [("stream", STREAM), ("cluster", CLUSTER)];
    let ends = ends
        .iter()
        .filter(|(end, _)| *end != name && !(name == "pipelines" && *end == "stream"));
    ends.flat_map(|(end, arn)| [end, ": ", arn, "\n"]).collect::<String>() + line + "\n"
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_one_refuses_the_other_does_and_what_one_takes() {
    for line in [
        "batch_size: 0",
        "batch_size: many",
        "batch_size: 1.5",
        "batch_size: [1]",
        "batchsize: 1",
        "batch_size:",
        "topic: a b",
        "topic: ..",
        "topic: {a: b}",
        "stream: orders",
        "stream: []",
        "cluster: events",
        "bootstrap_servers: [kafka]",
        "broker_cidrs: [10.0.0.0]",
        "stack: 1st",
        "stack: k2m-network-x",
        "profile: ''",
        "region: europe",
        "authentication: kerberos",
        "secret: AmazonMSK_orders",
        "create_topic: yes please",
        "on_poison: drop",
        "consumer: k2m",
        "starting_position: NOW",
        "starting_timestamp: yesterday",
        "starting_timestamp: 1969-12-31T23:59:59Z",
        "maximum_record_age: 59",
        "partial_failures: false",
        "tumbling_window: 60",
        "failure_destination: arn:aws:sqs:eu-west-1:123456789012:a.fifo",
        "failure_email: nobody",
        "alarm_topic: arn:aws:sqs:eu-west-1:123456789012:a",
        "log_retention: 2",
        "subnets: [net-1]",
        "subnets: subnet-1, net-2",
        "vpc: subnet-1",
        "peering: vpc-1",
        "security_group: default",
        "public_access: 1",
        "tags: {'k2m:stack': x}",
        "tags: {'aws:x': y}",
        "tags: {team: 'a;b'}",
        "tags: {'': x}",
        "tags: [team]",
        "termination_protection: on it",
        "permissions_boundary: most",
        "cloudformation_role: arn:aws:iam::123456789012:user/me",
        "artifact_bucket: Ours",
        "architecture: amd64",
        "decode: [zip]",
        "decode: zip",
        "key: id",
        "topic_pointer: type",
        "topic_map: {created: a b}",
        "topic_map: [created]",
        "value: xml",
        "timestamp: now",
        "headers: 3",
        "compression: brotli",
        "pipelines: []",
        "pipelines: [{topic: a}]",
        "pipelines: [{stream: a}]",
        &format!("pipelines: [{{stream: '{STREAM}', stack: a}}]"),
        &format!("pipelines: [{{stream: '{STREAM}', environments: {{a: {{}}}}}}]"),
        "environments: {}",
        "environments: [prod]",
        "environments: {'my prod': {}}",
        "environments: {prod: a}",
        "environments: {prod: {topic: a b}}",
        "environments: {prod: {topics: a}}",
        "environments: {prod: {environments: {dev: {}}}}",
    ] {
        let text = beside(line);
        assert!(by_k2m(&text).is_some(), "k2m takes {line}");
        assert!(refused(&text).is_some(), "the schema takes {line}");
    }
    let clicks = format!("pipelines: [{{stream: '{CLICKS}', memory: 512}}]");
    for line in [
        "batch_size: 10000",
        "topic: 2024.10",
        "broker_cidrs: 10.0.0.0/8",
        "subnets: subnet-1, subnet-2",
        "subnets: [subnet-1]",
        "decode: gzip,lines",
        "maximum_record_age: -1",
        "log_retention: 3653",
        "tags: {Team: payments, 'a b/c': 7, on: true, empty: ''}",
        "tags: team=payments,cost-center=42",
        "permissions_boundary: arn:aws:iam::aws:policy/PowerUserAccess",
        "cloudformation_role: arn:aws:iam::123456789012:role/a/b/deployer",
        "artifact_bucket: our.artifacts-1",
        "failure_destination: arn:aws:s3:::failed",
        "failure_email: on-call+k2m@example.com",
        "environments: {prod: , dev: {batch_size: 2}}",
        &clicks,
        &format!("environments: {{prod: {{{clicks}, stack: a}}}}"),
    ] {
        // Blocks are refused beside a cluster, whatever they are.
        let text = beside(line);
        let why = by_k2m(&text).filter(|_| !line.starts_with("broker_cidrs"));
        assert_eq!(why, None, "{line}");
        assert_eq!(refused(&text), None, "{line}");
    }
}

#[test]
fn a_form_s_limits_are_those_of_the_reader() {
    for row in TABLE {
        let takes = |value: String| {
            let text = beside(&format!("{}: {value}", row.name));
            (by_k2m(&text).is_none(), refused(&text).is_none())
        };
        match row.form {
            Form::Numbers(ranges) => {
                let within = |number: i64| ranges.iter().any(|(least, most)| (*least..=*most).contains(&number));
                for end in ranges.iter().flat_map(|(least, most)| [*least, *most]) {
                    for number in [end - 1, end, end + 1] {
                        let wanted = within(number);
                        assert_eq!(takes(number.to_string()), (wanted, wanted), "{}: {number}", row.name);
                    }
                }
            }
            Form::OneOf(numbers) => {
                for number in 0..=4000 {
                    let wanted = numbers.contains(&number);
                    if wanted || number % 97 == 0 {
                        assert_eq!(takes(number.to_string()), (wanted, wanted), "{}: {number}", row.name);
                    }
                }
            }
            Form::Booleans(values) => {
                for value in [true, false] {
                    let wanted = values.contains(&value);
                    assert_eq!(takes(value.to_string()), (wanted, wanted), "{}: {value}", row.name);
                }
            }
            _ => {}
        }
    }
}

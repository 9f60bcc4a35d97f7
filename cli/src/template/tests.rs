use std::collections::{BTreeMap, BTreeSet};

use k2m_testkit::cfn_lint;
use serde_json::json;

use super::*;
use crate::plan::Destination;
use crate::plan::sample::{sample, variants};

/// What has a meaning to YAML, to the template engine, to CloudFormation or to a terminal.
const HOSTILE: [&str; 34] = [
    "",
    " ",
    "\"",
    "'",
    "\\",
    "\\\"",
    "a: b",
    "a #b",
    "# b",
    "- b",
    "---",
    "...",
    "\nResources: {}\n",
    "\r\n\t",
    "\"\n  Type: AWS::IAM::User",
    "{{",
    "{{ stack }}",
    "{% raw %}",
    "{# b #}",
    "}}",
    "!Ref b",
    "!!binary b",
    "%YAML 1.1",
    "&a *a",
    "<<",
    "${AWS::AccountId}",
    "null",
    "yes",
    "1e3",
    "naïve ключ 鍵 😀",
    "\u{2028}\u{2029}\u{85}",
    "\u{0}\u{7}\u{1b}[31m\u{7f}\u{9b}",
    "\u{feff}\u{fffe}\u{ffff}\u{d7ff}\u{e000}",
    "\u{10000}\u{10ffff}",
];

/// The plan with another word in each string that isn't k2m's own.
fn with_words(mut plan: Plan, mut word: impl FnMut() -> String) -> Plan {
    plan.stack = word();
    plan.permissions_boundary = Some(word());
    plan.cluster.arn = Some(word());
    let network = plan.network.as_mut().unwrap();
    network.vpc = word();
    network.cluster_group = Some(word());
    network.subnets = vec![word(), word()];
    for pipeline in &mut plan.pipelines {
        pipeline.id = word();
        pipeline.stream = word();
        pipeline.mapping.source = word();
        pipeline.stream_name = word();
        pipeline.topic = word();
        pipeline.function.variables = BTreeMap::from([(word(), word())]);
        if let Destination::Sns(arn) | Destination::Sqs(arn) | Destination::S3(arn) = &mut pipeline.destination {
            *arn = word();
        }
        for statement in &mut pipeline.statements {
            statement.sid = word();
            statement.action = vec![word(), word()];
            statement.resource = vec![json!(word()), json!({ word(): word() })];
            statement.condition = Some(json!({ word(): { word(): [word(), word()] } }));
        }
        for alarm in &mut pipeline.alarms {
            alarm.description = word();
            alarm.topic = Some(word());
        }
    }
    plan
}

fn parsed(plan: &Plan) -> serde_yaml::Value {
    serde_yaml::from_str(&render(plan).unwrap()).unwrap()
}

/// The document with every marker, also within a string, replaced.
fn replaced(value: &serde_yaml::Value, marker: &str, by: &str) -> serde_yaml::Value {
    use serde_yaml::Value;
    match value {
        Value::String(text) => Value::String(text.replace(marker, by)),
        Value::Sequence(values) => values.iter().map(|value| replaced(value, marker, by)).collect(),
        Value::Mapping(entries) => Value::Mapping(
            entries
                .iter()
                .map(|(key, value)| (replaced(key, marker, by), replaced(value, marker, by)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[test]
fn a_whole_template() {
    insta::assert_snapshot!(render(&sample()).unwrap());
}

#[test]
fn what_differs_by_variant() {
    let whole = render(&sample()).unwrap();
    let whole: BTreeSet<&str> = whole.lines().collect();
    let mut shown = String::new();
    for (name, _, plan) in variants() {
        // The other partitions differ in every ARN, and two pipelines by one more.
        if plan.partition != "aws" || plan.pipelines.len() > 1 {
            continue;
        }
        let text = render(&plan).unwrap();
        let lines: BTreeSet<&str> = text.lines().collect();
        let gone = whole.difference(&lines).map(|line| format!("- {line}\n"));
        let new = text.lines().filter(|line| !whole.contains(line));
        shown.extend([format!("== {name}\n")]);
        shown.extend(gone.chain(new.map(|line| format!("+ {line}\n"))));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn cfn_lint_is_silent_about_every_variant() {
    let texts: Vec<_> = variants()
        .into_iter()
        .map(|(name, region, plan)| (name, region, render(&plan).unwrap()))
        .collect();
    let regions: BTreeSet<&str> = texts.iter().map(|(_, region, _)| *region).collect();
    assert_eq!(regions.len(), 3);
    for region in regions {
        let of_region: Vec<(&str, &str)> = texts
            .iter()
            .filter(|(_, of, _)| *of == region)
            .map(|(name, _, text)| (*name, text.as_str()))
            .collect();
        let said: Vec<String> = cfn_lint(&of_region, &[region])
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(said.is_empty(), "{region}: {}", said.join("\n"));
    }
}

#[test]
fn the_longest_names_fit_wherever_they_stand() {
    let mut plan = sample();
    plan.stack = "s".repeat(128);
    let pipeline = &mut plan.pipelines[0];
    pipeline.stream_name = "n".repeat(128);
    pipeline.stream = pipeline.stream.replace("orders", &pipeline.stream_name);
    pipeline.topic = "t".repeat(249);
    let said = cfn_lint(&[("longest", &render(&plan).unwrap())], &["eu-west-1"]).unwrap();
    assert_eq!(said, []);
}

#[test]
fn cfn_lint_notices_what_is_wrong() {
    let good = render(&sample()).unwrap();
    let bad = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let no_such_type = bad("AWS::SQS::QueuePolicy", "AWS::SQS::QueuePolic");
    let out_of_range = bad("BatchSize: 1000", "BatchSize: 10001");
    let no_such_resource = bad("{\"Ref\": \"OrdersLogGroup\"}", "{\"Ref\": \"OrdersLogGrou\"}");
    let unused_parameter = bad("[{\"Ref\": \"Architecture\"}]", "[arm64]");
    let said = cfn_lint(
        &[
            ("good", &good),
            ("type", &no_such_type),
            ("range", &out_of_range),
            ("reference", &no_such_resource),
            ("parameter", &unused_parameter),
        ],
        &["eu-west-1"],
    )
    .unwrap();
    let said: BTreeSet<(&str, &str)> = said
        .iter()
        .map(|complaint| (complaint.template.as_str(), complaint.rule.as_str()))
        .collect();
    for expected in [
        ("type", "E3006"),
        ("range", "E3034"),
        ("reference", "E1020"),
        ("parameter", "W2001"),
    ] {
        assert!(said.contains(&expected), "{expected:?} is not among {said:?}");
    }
    assert!(!said.iter().any(|(template, _)| *template == "good"), "{said:?}");
}

#[test]
fn no_value_becomes_structure() {
    for (name, _, plan) in variants() {
        if plan.pipelines.len() > 1 {
            // The same word in both would be the same key twice.
            continue;
        }
        let marker = "Marker";
        let plain = parsed(&with_words(plan.clone(), || marker.to_owned()));
        for word in HOSTILE {
            let hostile = parsed(&with_words(plan.clone(), || word.to_owned()));
            // Two whole documents side by side would help nobody.
            assert!(hostile == replaced(&plain, marker, word), "{name}: {word:?}");
        }
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes_in_printable_ascii() {
    for (name, _, plan) in variants() {
        let text = render(&plan).unwrap();
        assert_eq!(text, render(&plan.clone()).unwrap(), "{name}");
        let hostile = render(&with_words(plan, || HOSTILE.concat())).unwrap();
        for text in [text, hostile] {
            assert!(text.chars().all(|c| matches!(c, ' '..='~' | '\n')), "{name}");
            assert!(text.lines().all(|line| !line.ends_with(' ')), "{name}");
            assert!(
                text.ends_with('\n') && !text.ends_with("\n\n") && !text.contains("\n\n\n"),
                "{name}"
            );
        }
    }
}

#[test]
fn a_pipeline_fits_into_a_request() {
    for (name, _, plan) in variants() {
        let length = render(&plan).unwrap().len();
        assert!(length < 51_200 * plan.pipelines.len() / 2, "{name}: {length} bytes");
    }
}

#[test]
fn json_is_the_same_document() {
    let template = Template::new(&with_words(sample(), || HOSTILE.concat())).unwrap();
    let text = template.to_string();
    assert_eq!(text, render(&with_words(sample(), || HOSTILE.concat())).unwrap());
    let json = serde_json::to_string(&template).unwrap();
    let from_json: serde_yaml::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(from_json, serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap());
    // In the order of the text, for people who read it.
    let place = |key: &str| json.find(&format!("\"{key}\":")).unwrap();
    assert!(place("AWSTemplateFormatVersion") < place("Parameters"));
    assert!(place("Parameters") < place("Resources") && place("Resources") < place("Outputs"));
}

#[test]
fn what_cloudformation_would_replace_is_refused() {
    for place in ["value", "key"] {
        let mut plan = sample();
        let bad = "x{{resolve:ssm:secret\n}}".to_owned();
        let variables = &mut plan.pipelines[0].function.variables;
        match place {
            "key" => variables.insert(bad, "v".to_owned()),
            _ => variables.insert("K2M_TOPIC".to_owned(), bad),
        };
        let error = render(&plan).unwrap_err();
        assert_eq!(error.exit(), Exit::Failed);
        insta::assert_snapshot!(format!("refused_as_a_{place}"), error.to_string());
    }
}

#[test]
fn what_the_plan_lacks_is_an_error_and_never_a_hole() {
    let mut environment = environment().unwrap();
    for (template, fine) in [
        ("{{ stack }}", true),
        ("{{ stak }}", false),
        ("{{ stack.name }}", false),
        ("{{ none }}", false),
        ("{{ [1, none] }}", false),
        ("{% if stak %}{% endif %}", false),
        ("{% for x in stak %}{% endfor %}", false),
        // Marking a value as safe is no way around.
        ("{{ stack | safe }}", true),
    ] {
        environment.add_template("test", template).unwrap();
        let printed = environment
            .get_template("test")
            .unwrap()
            .render(Serde(json!({"stack": "a\"b"})));
        match printed {
            Ok(text) => assert!(fine && text == "\"a\\\"b\"", "{template}: {text}"),
            Err(error) => assert!(!fine, "{template}: {error}"),
        }
    }
}

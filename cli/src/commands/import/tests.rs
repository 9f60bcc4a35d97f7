//! `docs/schemas/import.json` against what the command prints for programs, for templates of every style.

use std::collections::BTreeSet;

use clap::Parser as _;
use serde_json::{Value, json};

use super::*;
use crate::args::{Cli, Command};

const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3";
const KNOWN: [&str; 4] = ["--region", "eu-west-1", "--parameter", "AWS::AccountId=123456789012"];

fn document_of(folder: &str, more: &[&str]) -> Value {
    let folder = format!("{}/tests/import/{folder}", env!("CARGO_MANIFEST_DIR"));
    let arguments = [&["k2m", "import", folder.as_str()], more].concat();
    let Command::Import(args) = Cli::try_parse_from(arguments).unwrap().command else {
        unreachable!("it is named");
    };
    let path = (!args.stdout).then(|| chosen::path(&args.settings));
    serde_json::to_value(document(&args, path.as_deref(), &environment()).unwrap()).unwrap()
}

/// One setting by a variable, for all documents.
fn environment() -> Environment {
    Environment::from([("K2M_LOG_RETENTION".to_owned(), "30".to_owned())])
}

fn wrong(document: &Value) -> Option<String> {
    k2m_testkit::schema::misfits("import", document)
}

#[test]
fn every_document_fits_its_schema() {
    let with_cluster = ["--cluster", CLUSTER];
    let known = [&KNOWN[..], &["--parameter", "Group=sg-1"]].concat();
    let told = [
        &with_cluster[..],
        &[
            "--authentication",
            "iam",
            "--parameter",
            "shop-orders=arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
        ],
    ]
    .concat();
    let rows: [(&str, &[&str]); 7] = [
        ("sample", &with_cluster),
        ("sample", &["--cluster", CLUSTER, "--stdout"]),
        ("plain", &known),
        ("json", &KNOWN),
        ("globals", &[]),
        ("several", &with_cluster),
        ("leftovers", &told),
    ];
    let (mut kinds, mut lists) = (BTreeSet::new(), BTreeSet::new());
    for (folder, more) in rows {
        let document = document_of(folder, more);
        assert_eq!(wrong(&document), None, "{folder} {more:?}");
        assert_eq!(document.get("path").is_none(), more.contains(&"--stdout"), "{folder}");
        let pipelines = document["pipelines"].as_array().unwrap().iter();
        let settings = pipelines
            .map(|pipeline| &pipeline["settings"])
            .chain([&document["settings"]]);
        for carried in settings.flat_map(|settings| settings.as_array().unwrap()) {
            kinds.extend(carried["from"].as_object().unwrap().keys().cloned());
        }
        for list in ["changed", "notCarried", "unknown", "takeOver"] {
            if !document[list].as_array().unwrap().is_empty() {
                lists.insert(list);
            }
        }
    }
    // All that the schema speaks of was there.
    assert_eq!(
        kinds.iter().map(String::as_str).collect::<Vec<_>>(),
        ["constant", "environment", "flag", "follows", "template", "variable"]
    );
    assert_eq!(lists.len(), 4, "{lists:?}");
    assert_eq!(wrong(&json!({"error": "no template", "exit_code": 66})), None);
}

/// What is wrong then, and how it comes about.
type Row = (&'static str, fn(&mut Value));

#[test]
fn what_is_no_such_document_does_not_fit() {
    let rows: [Row; 9] = [
        ("path", |d| d["path"] = Value::Null),
        ("settings", |d| drop(d.as_object_mut().unwrap().remove("settings"))),
        ("pipelines", |d| d["pipelines"] = json!([])),
        ("from", |d| d["settings"][0]["from"] = json!({"guess": "x"})),
        ("from", |d| {
            d["settings"][0]["from"] = json!({"flag": "--x", "follows": "y"});
        }),
        ("line", |d| {
            d["settings"][0]["from"] = json!({"template": {"file": "t", "line": 0}});
        }),
        ("why", |d| drop(d["changed"][0].as_object_mut().unwrap().remove("why"))),
        ("commands", |d| d["takeOver"][0]["commands"] = json!("k2m plan")),
        ("extra", |d| d["extra"] = json!(1)),
    ];
    for (word, change) in rows {
        let mut document = document_of("sample", &["--cluster", CLUSTER]);
        change(&mut document);
        let why = wrong(&document).unwrap_or_else(|| panic!("{document:#} fits"));
        assert!(why.contains(word), "{word}: {why}");
    }
    for document in [json!(null), json!({}), json!({"error": "e", "exit_code": 0})] {
        assert!(wrong(&document).is_some(), "{document}");
    }
}

/// Settings that flags and variables say, or why they can't.
fn said(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let arguments = [&["k2m", "import"], flags].concat();
    let Command::Import(args) = Cli::try_parse_from(arguments).unwrap().command else {
        unreachable!("it is named");
    };
    let variables = variables
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()));
    match settings(&args.settings, &variables.collect()) {
        Ok((all, by_variable)) => {
            let each = all.iter().map(|(name, value)| {
                let by = if by_variable.contains(name) { " by variable" } else { "" };
                format!("{name}={value}{by}")
            });
            each.collect::<Vec<_>>().join("|")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_variable_counts_as_a_flag_does_and_less() {
    for (flags, variables, wanted) in [
        (&[][..], &[][..], ""),
        (&[], &[("K2M_BATCH_SIZE", "7")], "batch_size=7 by variable"),
        (&[], &[("K2M_BATCH_SIZE", "")], ""),
        (&[], &[("K2M_ENV", "prod"), ("K2M_LOG", "debug")], ""),
        (&["--batch-size", "8"], &[("K2M_BATCH_SIZE", "7")], "batch_size=8"),
        (
            &[],
            &[("K2M_BATCH_SIZE", "0")],
            "invalid value `0` for K2M_BATCH_SIZE: give a whole number from 1 to 10000: the most records that Lambda passes to an invocation",
        ),
        // What a flag makes void is not looked at.
        (&["--batch-size", "8"], &[("K2M_BATCH_SIZE", "0")], "batch_size=8"),
        (
            &["--bootstrap-servers", "k1:9092"],
            &[("K2M_CLUSTER", CLUSTER)],
            "bootstrap_servers=k1:9092",
        ),
        (
            &["--cluster", CLUSTER],
            &[("K2M_BOOTSTRAP_SERVERS", "k1:9092")],
            "cluster=arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3",
        ),
    ] {
        assert_eq!(said(flags, variables), wanted, "{flags:?} {variables:?}");
    }
}

/// What a narrow terminal shows can be copied: each command is on a line of its own, whole.
#[test]
fn commands_stay_whole_however_narrow_the_terminal_is() {
    let document = document_of("sample", &["--cluster", CLUSTER]);
    let steps = document["takeOver"].as_array().unwrap().iter();
    let commands: Vec<&str> = steps
        .flat_map(|step| step["commands"].as_array().unwrap())
        .map(|command| command.as_str().unwrap())
        .collect();
    assert!(
        commands.iter().any(|command| command.contains("$(date ")),
        "{commands:?}"
    );
    let text: String = commands.iter().flat_map(|command| ["       ", command, "\n"]).collect();
    for columns in [40, 80, 120] {
        let screen = crate::report::Screen {
            columns: Some(columns),
            colour: false,
        };
        assert_eq!(doctor::text::laid_out(&text, screen), text);
    }
}

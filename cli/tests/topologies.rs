//! The examples of topologies, as built: each is rendered from its facts, as the templates beside it say, and a linter finds nothing in any of them.
//! What checkov finds in those of all examples is what a file explains.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use k2m_testkit::{Failed, cfn_lint, checkov};
use serde::Deserialize;
use serde_json::Value;

const TOPOLOGIES: [&str; 10] = [
    "same-vpc",
    "peered-vpc",
    "new-peering",
    "transit-gateway",
    "cross-region",
    "public-access",
    "serverless",
    "express",
    "private-connectivity",
    "self-managed",
];

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "examples", name].iter().collect()
}

fn k2m(example: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    // Nothing of this machine's own settings may shine through.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name.to_string_lossy().starts_with("K2M_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder(example))
        .args(arguments)
        .args(["--config", "k2m.yaml", "--facts", "facts.json"])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Writes all templates of an example into a folder: the region of each, by its file's name.
fn rendered(example: &str, into: &Path) -> BTreeMap<String, String> {
    let output = k2m(
        example,
        &["render", "--directory", into.to_str().unwrap(), "-o", "json"],
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{example}: {said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let templates = document["templates"].as_array().unwrap().iter();
    let named = templates.map(|template| {
        let stack = template["stack"].as_str().unwrap();
        (format!("{stack}.yaml"), template["region"].as_str().unwrap().to_owned())
    });
    named.collect()
}

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn the_templates_beside_each_are_what_is_rendered() {
    for example in TOPOLOGIES {
        let kept = folder(example).join("templates");
        if std::env::var_os("K2M_UPDATE_DOCS").is_some() {
            let _ = std::fs::remove_dir_all(&kept);
            rendered(example, &kept);
        }
        let made = tempfile::tempdir().unwrap();
        rendered(example, made.path());
        assert!(
            texts(&kept) == texts(made.path()),
            "{example}/templates is not what `k2m render` writes: K2M_UPDATE_DOCS=1 with this test writes it anew"
        );
    }
}

#[test]
fn cfn_lint_is_silent_about_each() {
    let mut by_region: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for example in TOPOLOGIES {
        let made = tempfile::tempdir().unwrap();
        let regions = rendered(example, made.path());
        for (name, text) in texts(made.path()) {
            let all = by_region.entry(regions[&name].clone()).or_default();
            all.push((format!("{example}-{name}"), text));
        }
    }
    assert_eq!(by_region.keys().collect::<Vec<_>>(), ["eu-west-1", "us-east-1"]);
    for (region, templates) in by_region {
        let templates: Vec<(&str, &str)> = templates
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let said = cfn_lint(&templates, &[&region]).unwrap();
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert!(said.is_empty(), "{}", said.join("\n"));
    }
}

/// The network stack of a VPC from which nothing led to Secrets Manager, as the plan's own test has it.
fn with_an_endpoint() -> &'static str {
    let kept = include_str!("../src/plan/tests/snapshots/k2m__plan__tests__topologies__secrets-endpoint.snap");
    let template = kept.splitn(3, "---\n").nth(2).unwrap();
    assert!(template.contains("AWS::EC2::VPCEndpoint"), "{template}");
    template
}

#[test]
fn cfn_lint_is_silent_about_an_endpoint() {
    let said = cfn_lint(&[("secrets-endpoint", with_an_endpoint())], &["eu-west-1"]).unwrap();
    assert!(said.is_empty(), "{said:?}");
}

/// A check that templates don't pass, and why they needn't.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    check: String,
    of: String,
    reason: String,
}

/// The templates of all examples, those of producers too, and the one with an endpoint.
fn of_all_examples() -> Vec<(String, String)> {
    let examples = std::fs::read_dir(folder(""))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let examples = examples.filter(|path| path.join("facts.json").is_file());
    let names: BTreeSet<String> = examples
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(TOPOLOGIES.iter().all(|example| names.contains(*example)), "{names:?}");
    assert!(names.len() > TOPOLOGIES.len(), "{names:?}");
    let mut templates = vec![("secrets-endpoint".to_owned(), with_an_endpoint().to_owned())];
    for example in names {
        let made = tempfile::tempdir().unwrap();
        rendered(&example, made.path());
        let texts = texts(made.path()).into_iter();
        templates.extend(texts.map(|(name, text)| (format!("{example}-{name}"), text)));
    }
    templates
}

/// One process of it judges all: most of its time is its start.
#[test]
fn checkov_finds_only_what_is_explained() {
    const FLAWED: &str = "flawed";
    let accepted: Vec<Accepted> = serde_yaml::from_str(include_str!("../../templates/checkov.yaml")).unwrap();
    for Accepted { check, reason, .. } in &accepted {
        assert!(
            reason.split_whitespace().count() > 5,
            "{check}: {reason:?} explains nothing"
        );
    }
    let explained: BTreeSet<(&str, &str)> = accepted.iter().map(|one| (&*one.check, &*one.of)).collect();
    assert_eq!(explained.len(), accepted.len(), "something is explained twice");

    let mut templates = of_all_examples();
    // That it looks at all is shown by a template that leaves something open.
    let encrypted = "      KmsMasterKeyId: alias/aws/sns\n";
    let (_, good) = templates.iter().find(|(_, text)| text.contains(encrypted)).unwrap();
    templates.push((FLAWED.to_owned(), good.replace(encrypted, "")));
    let templates: Vec<(&str, &str)> = templates.iter().map(|(name, text)| (&**name, &**text)).collect();
    let failed = checkov(&templates).unwrap();

    let is_explained = |failed: &&Failed| explained.contains(&(&*failed.check, &*failed.kind));
    let (known, new): (Vec<&Failed>, Vec<&Failed>) = failed.iter().partition(is_explained);
    let (noticed, new): (Vec<&Failed>, Vec<&Failed>) = new.into_iter().partition(|failed| failed.template == FLAWED);
    let noticed: Vec<&str> = noticed.iter().map(|failed| &*failed.check).collect();
    assert_eq!(noticed, ["CKV_AWS_26"], "an SNS topic that isn't encrypted");
    let new: Vec<String> = new.iter().map(ToString::to_string).collect();
    assert!(
        new.is_empty(),
        "mend these, or explain them in templates/checkov.yaml:\n{}",
        new.join("\n")
    );
    let found = known.into_iter().filter(|failed| failed.template != FLAWED);
    let found: BTreeSet<(&str, &str)> = found.map(|failed| (&*failed.check, &*failed.kind)).collect();
    assert_eq!(explained, found, "templates/checkov.yaml explains what is no longer so");
}

#[test]
fn each_is_described() {
    let text = std::fs::read_to_string(folder("README.md")).unwrap();
    for example in TOPOLOGIES {
        assert!(
            text.contains(&format!("({example})")),
            "{example} is not in examples/README.md"
        );
    }
}

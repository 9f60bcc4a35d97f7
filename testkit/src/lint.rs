//! What cfn-lint, AWS's own linter, says of CloudFormation templates.

use std::fmt::{self, Display, Formatter};
use std::process::Stdio;

use serde::Deserialize;

use crate::{Error, Result, ground};

/// One thing that cfn-lint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The template's name.
    pub template: String,
    /// From 1.
    pub line: u64,
    /// The rule's id, its level first: `E3006`.
    pub rule: String,
    /// What is wrong.
    pub message: String,
}

impl Display for Complaint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            template,
            line,
            rule,
            message,
        } = self;
        write!(f, "{template}, line {line}: {rule} {message}")
    }
}

/// All that cfn-lint says of templates, each with its name, in these regions: errors, warnings and informational rules, but for the one that
/// asks for prose in `Metadata`. Empty is good.
pub fn cfn_lint(templates: &[(&str, &str)], regions: &[&str]) -> Result<Vec<Complaint>> {
    let folder = tempfile::tempdir().map_err(Error::io("create a temporary folder"))?;
    let mut command = ground::cfn_lint()?;
    command
        .args([
            "--format",
            "json",
            "--include-checks",
            "I",
            "--ignore-checks",
            "I4010",
            "--regions",
        ])
        .args(regions)
        .arg("--template");
    for (number, (_, text)) in templates.iter().enumerate() {
        let path = folder.path().join(format!("{number}.yaml"));
        std::fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
        command.arg(path);
    }
    let output = command
        // Settings of the project or of whoever runs the tests are not those of the gate.
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("run cfn-lint"))?;
    // The exit code is that of findings, too: what tells them from a failure is that they are JSON.
    let findings: Vec<Finding> = serde_json::from_slice(&output.stdout).map_err(|_| Error::Command {
        command: "cfn-lint".to_owned(),
        status: output.status.to_string(),
        output: ground::tail(&[output.stdout.clone(), output.stderr.clone()].concat(), 20),
    })?;
    let name = |file: &str| {
        let number = file.rsplit('/').next().and_then(|file| file.strip_suffix(".yaml"));
        let template = number.and_then(|number| templates.get(number.parse::<usize>().ok()?));
        template.map_or(file, |(name, _)| *name).to_owned()
    };
    let complaints = findings.into_iter().map(|finding| Complaint {
        template: name(&finding.filename),
        line: finding.location.start.line_number,
        rule: finding.rule.id,
        message: finding.message,
    });
    Ok(complaints.collect())
}

/// One of cfn-lint's JSON.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Finding {
    filename: String,
    location: Location,
    message: String,
    rule: Rule,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Location {
    start: Position,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Position {
    line_number: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    id: String,
}

//! What checkov, a judge of what templates leave open, says of CloudFormation templates.

use std::fmt::{self, Display, Formatter};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::{Error, Result, ground};

/// The most seconds that it may take: it takes five.
const SECONDS: &str = "300";

/// One check that a template doesn't pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failed {
    /// The check's id: `CKV_AWS_26`.
    pub check: String,
    /// The type of the resource that it is about: `AWS::SNS::Topic`.
    pub kind: String,
    /// The resource's logical id.
    pub resource: String,
    /// The template's name.
    pub template: String,
    /// What the check asks for.
    pub asks: String,
}

impl Display for Failed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            check,
            kind,
            resource,
            template,
            asks,
        } = self;
        write!(f, "{template}, {resource} ({kind}): {check} {asks}")
    }
}

/// The checks that fail in any of the templates, each of which has a name, in one process: most of its time is its start.
///
/// Nothing is fetched and nothing is sent: its rules come with it. A template that it can't read is an error, since it would pass every check.
pub fn checkov(templates: &[(&str, &str)]) -> Result<Vec<Failed>> {
    let folder = tempfile::tempdir().map_err(Error::io("create a temporary folder"))?;
    for (number, (_, text)) in templates.iter().enumerate() {
        let path = folder.path().join(format!("{number}.yaml"));
        std::fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
    }
    let program = ground::checkov()?;
    let output = Command::new("timeout")
        .arg(SECONDS)
        .arg(program.get_program())
        .args(program.get_args())
        .args([
            "--framework",
            "cloudformation",
            "--skip-download",
            "--compact",
            "--output",
            "json",
            "--directory",
            ".",
        ])
        // Settings of the project or of whoever runs the tests are not those of the gate.
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("LOG_LEVEL", "ERROR")
        .env_remove("BC_API_KEY")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("run checkov"))?;
    let refused = |reason: &str| Error::Command {
        command: "checkov".to_owned(),
        status: format!("{}, {reason}", output.status),
        output: ground::tail(&[output.stdout.clone(), output.stderr.clone()].concat(), 20),
    };
    // The exit code is that of failed checks, too: what tells them from a failure is that they are JSON.
    let report: Report = serde_json::from_slice(&output.stdout).map_err(|_| refused("without a report"))?;
    let Results {
        failed_checks,
        parsing_errors,
    } = report.results;
    let name = |file: &str| {
        let number = file.rsplit('/').next().and_then(|file| file.strip_suffix(".yaml"));
        let template = number.and_then(|number| templates.get(number.parse::<usize>().ok()?));
        template.map_or(file, |(name, _)| *name).to_owned()
    };
    if !parsing_errors.is_empty() {
        let unread: Vec<String> = parsing_errors.iter().map(|file| name(file)).collect();
        return Err(refused(&format!("which could not read {}", unread.join(", "))));
    }
    let mut failed: Vec<Failed> = failed_checks
        .into_iter()
        .map(|check| {
            let (kind, resource) = check.resource.rsplit_once('.').unwrap_or(("", &check.resource));
            Failed {
                kind: kind.to_owned(),
                resource: resource.to_owned(),
                template: name(&check.file_path),
                check: check.id,
                asks: check.asks,
            }
        })
        .collect();
    failed.sort();
    Ok(failed)
}

/// The part of checkov's JSON that matters.
#[derive(Deserialize)]
struct Report {
    results: Results,
}

#[derive(Deserialize)]
struct Results {
    failed_checks: Vec<Check>,
    parsing_errors: Vec<String>,
}

#[derive(Deserialize)]
struct Check {
    #[serde(rename = "check_id")]
    id: String,
    #[serde(rename = "check_name")]
    asks: String,
    file_path: String,
    /// Its type and its logical id, with a dot between them.
    resource: String,
}

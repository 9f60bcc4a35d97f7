//! `k2m doctor --report` as built, with facts from a file: the page beside what is printed, and what is refused before AWS is asked.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn example(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "examples", "same-vpc", file]
        .iter()
        .collect()
}

/// `facts`: from that file, else AWS is asked, where nobody answers.
fn doctor(facts: Option<&Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    // Nothing of this machine's own settings may shine through.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name.to_string_lossy().starts_with("K2M_") {
            command.env_remove(name);
        }
    }
    command.args(["doctor", "--config"]).arg(example("k2m.yaml"));
    match facts {
        Some(path) => command.arg("--facts").arg(path),
        None => command
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
            .env("AWS_EC2_METADATA_DISABLED", "true"),
    };
    command
        .args(arguments)
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_page_is_replaced_whole_and_changes_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a report.html");
    std::fs::write(&path, "old").unwrap();
    let facts = example("facts.json");
    let without = doctor(Some(&facts), &[]);
    let with = doctor(Some(&facts), &["--report", path.to_str().unwrap()]);
    // Nothing is deployed there.
    assert_eq!((without.status.code(), with.status.code()), (Some(1), Some(1)));
    assert_eq!(text(&without.stdout), text(&with.stdout));
    let said = format!("{}wrote {}\n", text(&without.stderr), path.display());
    assert_eq!(text(&with.stderr), said);
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.trim_start().starts_with("<!DOCTYPE html>"), "{page}");
    assert!(page.contains("123456789012") && page.ends_with("</html>\n"), "{page}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );

    let output = doctor(
        Some(&facts),
        &["--report", path.to_str().unwrap(), "--mask", "-o", "json"],
    );
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["health"], "broken", "nothing but the document");
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(
        page.contains("111111111111") && !page.contains("123456789012"),
        "{page}"
    );
}

#[test]
fn lines_are_whole_and_without_colours_where_nobody_looks_on() {
    let output = doctor(Some(&example("facts.json")), &[]);
    let said = text(&output.stdout);
    assert!(!said.contains('\u{1b}'), "{said}");
    let (checks, _) = said.split_once("\n\n").unwrap();
    // What is broken is said ahead of them.
    let lines = checks
        .lines()
        .skip_while(|line| line.starts_with("Broken") || line.starts_with("  "));
    let lines: Vec<&str> = lines.collect();
    assert!(lines.len() > 40, "{checks}");
    for line in lines {
        assert_eq!(line.get(6..10), Some("K2M-"), "{line}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_aws_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let facts = example("facts.json");
    for facts in [Some(facts.as_path()), None] {
        for (path, reason) in [
            (folder.path().join("no/such/folder.html"), "No such file or directory"),
            (folder.path().to_owned(), "it is not a regular file"),
            (PathBuf::from("/dev/null"), "it is not a regular file"),
        ] {
            let output = doctor(facts, &["--report", path.to_str().unwrap()]);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(74), "{said}");
            let wanted = format!("error: failed to write {}: {reason}", path.display());
            assert!(said.starts_with(&wanted), "{said}");
            assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
        }
    }
    let output = doctor(Some(&facts), &["--mask"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--report <FILE>"), "{said}");
}

/// Where nothing could be examined there is no page, and what is there stays.
#[test]
fn a_page_that_was_there_stays_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, "old").unwrap();
    let output = doctor(None, &["--report", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

//! `k2m plan` as built, with facts from a file: the picture on standard output, and as a file.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn example(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "examples", "same-vpc", file]
        .iter()
        .collect()
}

fn plan(facts: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    // Nothing of this machine's own settings may shine through.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name.to_string_lossy().starts_with("K2M_") {
            command.env_remove(name);
        }
    }
    command
        .args(["plan", "--config"])
        .arg(example("k2m.yaml"))
        .arg("--facts")
        .arg(facts)
        .args(arguments)
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Facts by which a network ACL keeps everybody from the brokers.
fn broken(folder: &Path) -> PathBuf {
    let facts = std::fs::read(example("facts.json")).unwrap();
    let mut facts: serde_json::Value = serde_json::from_slice(&facts).unwrap();
    let acls = facts["networks"]["eu-west-1"]["networkAcls"]["value"]
        .as_array_mut()
        .unwrap();
    for acl in acls {
        let entries = acl["entries"].as_array_mut().unwrap();
        entries.retain(|entry| entry["egress"] == true || entry["allow"] == false);
    }
    let path = folder.join("facts.json");
    std::fs::write(&path, facts.to_string()).unwrap();
    path
}

#[test]
fn the_picture_is_plain_text_where_nobody_looks_on() {
    let output = plan(&example("facts.json"), &[]);
    let seen = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(seen.contains("✓ proven") && seen.contains("┌ Kinesis stream"), "{seen}");
    assert!(!seen.contains('\u{1b}'), "{seen}");
    let picture = seen.lines().take_while(|line| !line.starts_with("stack "));
    assert!(picture.map(|line| line.chars().count()).max() <= Some(80), "{seen}");
}

#[test]
fn a_diagram_is_replaced_whole_and_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("path to.svg");
    std::fs::write(&path, "old").unwrap();
    let output = plan(
        &example("facts.json"),
        &["--diagram", path.to_str().unwrap(), "-o", "json"],
    );
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["stack"], "k2m-orders", "nothing but the document");
    let documented = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pictures/same-vpc.svg");
    let drawn = std::fs::read_to_string(&path).unwrap();
    assert_eq!(drawn, std::fs::read_to_string(documented).unwrap());
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn a_broken_way_is_drawn_and_the_exit_code_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (facts, path) = (broken(folder.path()), folder.path().join("broken.svg"));
    let output = plan(&facts, &["--diagram", path.to_str().unwrap()]);
    let (seen, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(seen.contains("✕ network ACL") && seen.contains("broken"), "{seen}");
    assert!(said.contains("error: no subnet of vpc-"), "{said}");
    let drawn = std::fs::read_to_string(path).unwrap();
    assert!(drawn.contains("k2m-wrong\" x="), "{drawn}");

    let output = plan(&facts, &["--diagram", "/no/such/folder/broken.svg"]);
    let said = text(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(1),
        "why there is no plan counts more: {said}"
    );
    assert!(
        said.contains("warning: failed to write /no/such/folder/broken.svg"),
        "{said}"
    );
}

#[test]
fn a_diagram_that_cannot_be_written_is_an_error_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (path, reason) in [
        (folder.path().join("no/such/folder.svg"), "No such file or directory"),
        (folder.path().to_owned(), "it is not a regular file"),
        (PathBuf::from("/dev/null"), "it is not a regular file"),
    ] {
        let output = plan(&example("facts.json"), &["--diagram", path.to_str().unwrap()]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{said}");
        let wanted = format!("error: failed to write {}: {reason}", path.display());
        assert!(said.starts_with(&wanted), "{said}");
    }
    // Whoever may write anywhere is not kept out by this.
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
    if std::fs::write(closed.join("probe"), "").is_err() {
        let path = closed.join("path.svg");
        let output = plan(&example("facts.json"), &["--diagram", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(74), "{}", text(&output.stderr));
    }
}

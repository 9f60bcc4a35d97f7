//! The licences of everything that is compiled into k2m and its handler, as their packages have them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::error::{Error, Result, text};

/// What packages bring along that others wrote, and where they keep its licence.
const BROUGHT: [(&str, &str); 4] = [
    ("libz-sys", "src/zlib/LICENSE"),
    ("openssl-src", "openssl/LICENSE.txt"),
    ("rdkafka-sys", "librdkafka/LICENSES.txt"),
    ("zstd-sys", "zstd/LICENSE"),
];
/// Beginnings of names of files with licences, in upper case.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// The packages that there are, as cargo tells of them.
pub(crate) fn metadata() -> Result<Value> {
    let metadata = text(cargo().args(["metadata", "--locked", "--format-version", "1"]))?;
    serde_json::from_str(&metadata).map_err(|error| Error::Unfit(format!("cargo's metadata can't be read: {error}")))
}

/// The texts, each once, under the packages that have it.
pub(crate) fn licences(metadata: &Value, shipped: &BTreeSet<String>) -> Result<String> {
    let mut listed = String::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let word = |name: &str| package[name].as_str().unwrap_or_default();
        let name = format!("{} {}", word("name"), word("version"));
        if package["source"].is_null() || !shipped.contains(&name) {
            continue;
        }
        let _ = writeln!(listed, "{name}: {}", word("license"));
        let folder = Path::new(word("manifest_path")).parent().unwrap_or(Path::new("."));
        for text in found(folder, word("name"))? {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    let mut all = format!("What is compiled into k2m and its handler, and under which licences.\n\n{listed}");
    for (text, packages) in texts {
        let packages: Vec<_> = packages.into_iter().collect();
        let _ = write!(all, "\n{}\n{}\n\n{text}\n", "-".repeat(78), packages.join("\n"));
    }
    Ok(all)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Names and versions of what ends in an executable: no macros, no tools of the build but the one that holds OpenSSL.
pub(crate) fn shipped() -> Result<BTreeSet<String>> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "-p", "k2m", "--prefix", "none", "--format", "{p}"]);
    for target in ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"] {
        tree.args(["--target", target]);
    }
    let named = |text: &str, only: Option<&str>| -> BTreeSet<String> {
        text.lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
                only.is_none_or(|only| only == name)
                    .then(|| format!("{name} {version}"))
            })
            .collect()
    };
    let mut shipped = named(&text(tree.args(["--edges", "normal,no-proc-macro"]))?, None);
    let mut whole = cargo();
    whole.args([
        "tree",
        "--locked",
        "-p",
        "k2m",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--edges",
        "normal,build",
    ]);
    shipped.extend(named(&text(&mut whole)?, Some("openssl-src")));
    Ok(shipped)
}

/// The texts in a package's folder.
fn found(folder: &Path, package: &str) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
        let entry = entry.map_err(Error::file("read", folder))?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if NAMES.iter().any(|beginning| name.starts_with(beginning)) && entry.path().is_file() {
            paths.push(entry.path());
        }
    }
    let brought = BROUGHT.iter().filter(|(name, _)| *name == package);
    paths.extend(brought.map(|(_, path)| folder.join(path)));
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = fs::read(path).map_err(Error::file("read", path))?;
            Ok(String::from_utf8_lossy(&text).replace("\r\n", "\n").trim().to_owned())
        })
        .collect()
}

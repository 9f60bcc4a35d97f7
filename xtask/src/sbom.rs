//! The bill of materials of what is shipped, as CycloneDX JSON: the same packages give the same text, so it has neither a date nor a random number. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use toml::Table;

use crate::error::{Error, Result};

/// Of the packages of cargo's metadata those that are shipped (`NAME VERSION`), with their checksums from Cargo.lock.
pub(crate) fn sbom(metadata: &Value, lock: &str, shipped: &BTreeSet<String>, version: &str) -> Result<String> {
    let checksums = checksums(lock)?;
    let mut components = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let word = |name: &str| package[name].as_str().unwrap_or_default();
        let name = format!("{} {}", word("name"), word("version"));
        // Those without a source are k2m's own.
        if package["source"].is_null() || !shipped.contains(&name) {
            continue;
        }
        let checksum = checksums.get(&name).ok_or_else(|| {
            Error::Unfit(format!(
                "Cargo.lock has no checksum of {name}: a release takes packages of a registry alone"
            ))
        })?;
        let licence = word("license");
        if licence.is_empty() {
            return Err(Error::Unfit(format!("{name} says no licence in its Cargo.toml")));
        }
        let purl = purl(word("name"), word("version"));
        let component = json!({
            "type": "library",
            "bom-ref": purl,
            "name": word("name"),
            "version": word("version"),
            "hashes": [{"alg": "SHA-256", "content": checksum}],
            // Before SPDX expressions a slash was how packages wrote a choice.
            "licenses": [{"expression": licence.replace('/', " OR ").replace("  OR  ", " OR ")}],
            "purl": purl,
        });
        components.insert(name, component);
    }
    if let Some(missing) = shipped
        .iter()
        .find(|name| checksums.contains_key(*name) && !components.contains_key(*name))
    {
        return Err(Error::Unfit(format!(
            "cargo's metadata doesn't have {missing}, which is shipped"
        )));
    }
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application",
            "bom-ref": "k2m",
            "name": "k2m",
            "version": version,
            "licenses": [{"expression": "Apache-2.0"}],
        }},
        "components": components.into_values().collect::<Vec<_>>(),
    });
    Ok(format!("{document:#}\n"))
}

/// A package's URL; the only character of a version that it writes otherwise is the plus sign.
fn purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn checksums(lock: &str) -> Result<BTreeMap<String, String>> {
    let lock: Table = lock
        .parse()
        .map_err(|error| Error::Unfit(format!("Cargo.lock can't be read: {error}")))?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    Ok(packages
        .into_iter()
        .flatten()
        .filter_map(|package| {
            let word = |name: &str| package.get(name).and_then(toml::Value::as_str);
            let name = format!("{} {}", word("name")?, word("version")?);
            Some((name, word("checksum")?.to_owned()))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
        version = 4
        [[package]]
        name = "k2m"
        version = "0.1.0"
        [[package]]
        name = "openssl-src"
        version = "300.5.4+3.5.4"
        checksum = "aa"
        [[package]]
        name = "tar"
        version = "0.4.46"
        checksum = "bb"
        [[package]]
        name = "cc"
        version = "1.2.0"
        checksum = "cc"
    "#;

    fn metadata(licence: &str) -> Value {
        let registry = "registry+https://registry.example";
        json!({"packages": [
            {"name": "tar", "version": "0.4.46", "source": registry, "license": "MIT/Apache-2.0"},
            {"name": "openssl-src", "version": "300.5.4+3.5.4", "source": registry, "license": licence},
            {"name": "cc", "version": "1.2.0", "source": registry, "license": "MIT"},
            {"name": "k2m", "version": "0.1.0", "source": null, "license": "Apache-2.0"},
        ]})
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_shipped_is_listed_with_licence_checksum_and_address() {
        let shipped = names(&["k2m 0.1.0", "openssl-src 300.5.4+3.5.4", "tar 0.4.46"]);
        let text = sbom(&metadata("MIT OR Apache-2.0"), LOCK, &shipped, "0.1.0").unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let seen: Vec<_> = document["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                (
                    &one["purl"],
                    &one["hashes"][0]["content"],
                    &one["licenses"][0]["expression"],
                )
            })
            .map(|(purl, hash, licence)| [purl, hash, licence].map(|word| word.as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(
            seen,
            [
                ["pkg:cargo/openssl-src@300.5.4%2B3.5.4", "aa", "MIT OR Apache-2.0"],
                ["pkg:cargo/tar@0.4.46", "bb", "MIT OR Apache-2.0"],
            ]
        );
        assert_eq!(document["metadata"]["component"]["version"], "0.1.0");
    }

    #[test]
    fn what_would_be_left_out_is_an_error() {
        let shipped = names(&["openssl-src 300.5.4+3.5.4"]);
        let refused = |metadata: &Value, lock: &str, shipped: &BTreeSet<String>| {
            sbom(metadata, lock, shipped, "0.1.0").unwrap_err().to_string()
        };
        let said = refused(&metadata(""), LOCK, &shipped);
        assert!(said.contains("openssl-src") && said.contains("licence"), "{said}");
        let said = refused(&metadata("MIT"), "version = 4", &shipped);
        assert!(said.contains("no checksum of openssl-src"), "{said}");
        let said = refused(&metadata("MIT"), "version = ", &shipped);
        assert!(said.contains("Cargo.lock can't be read"), "{said}");
        let said = refused(&json!({"packages": []}), LOCK, &shipped);
        assert!(said.contains("doesn't have openssl-src"), "{said}");
    }
}

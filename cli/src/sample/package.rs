//! The zip that a function was deployed from: the constants of those of its files that say where it writes to. Pure.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::config::constants;

/// More than a file of constants has.
const MOST_BYTES: u64 = 1 << 20;

/// A file with its constants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name in the package.
    pub file: String,
    /// By name, texts.
    pub constants: BTreeMap<String, String>,
}

/// Reads `config.py` beside the handler, that at the package's top, and the handler's own module, as far as they are there; `handler` is what Lambda is told,
/// such as `app.lambda_handler`. Says what is wrong where the package can't be read.
pub fn modules(zip: &[u8], handler: Option<&str>) -> Result<Vec<Module>, String> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|error| format!("it is no zip: {error}"))?;
    let mut found = Vec::new();
    for file in files(handler) {
        let Ok(entry) = archive.by_name(&file) else { continue };
        let mut bytes = Vec::new();
        entry
            .take(MOST_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("{file} in it can't be read: {error}"))?;
        let constants = constants(&String::from_utf8_lossy(&bytes));
        found.push(Module { file, constants });
    }
    Ok(found)
}

/// Names of files that are looked for, in the order in which they count.
pub(crate) fn files(handler: Option<&str>) -> Vec<String> {
    let module = handler
        .and_then(|handler| handler.rsplit_once('.'))
        .map(|(module, _)| module.replace('.', "/"));
    let beside = module
        .as_deref()
        .and_then(|module| module.rsplit_once('/'))
        .map(|(folder, _)| format!("{folder}/config.py"));
    let own = module.map(|module| format!("{module}.py"));
    let mut files: Vec<String> = beside.into_iter().chain(["config.py".to_owned()]).collect();
    files.extend(own.filter(|own| own != "config.py"));
    files
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn packed(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn read(files: &[(&str, &str)], handler: Option<&str>) -> Vec<String> {
        let modules = modules(&packed(files), handler).unwrap().into_iter();
        let all = modules.flat_map(|module| {
            let file = module.file;
            module
                .constants
                .into_iter()
                .map(move |(name, text)| format!("{file}:{name}={text}"))
        });
        all.collect()
    }

    #[test]
    fn the_files_that_matter_are_read() {
        let config = ("config.py", "A = 'x'");
        for (files, handler, wanted) in [
            (
                &[config, ("app.py", "B = 'y'"), ("other.py", "C = 'z'")][..],
                Some("app.handler"),
                &["config.py:A=x", "app.py:B=y"][..],
            ),
            (&[config], None, &["config.py:A=x"]),
            (&[config], Some("config.handler"), &["config.py:A=x"]),
            (
                &[("src/config.py", "A = 'x'"), config],
                Some("src/app.handler"),
                &["src/config.py:A=x", "config.py:A=x"],
            ),
            (
                &[("src/app.py", "A = 'x'")],
                Some("src.app.handler"),
                &["src/app.py:A=x"],
            ),
            (&[("lib/config.py", "A = 'x'")], Some("app.handler"), &[]),
            (&[("index.js", "A = 'x'")], Some("index.handler"), &[]),
        ] {
            assert_eq!(read(files, handler), wanted, "{files:?}");
        }
    }

    #[test]
    fn what_is_no_package_is_said() {
        let wrong = modules(b"not a zip", None).unwrap_err();
        assert!(wrong.starts_with("it is no zip"), "{wrong}");
        assert!(modules(&[], None).is_err());
        // Much of what is read to its end is not kept.
        let long = "x".repeat(3 << 20);
        assert_eq!(
            read(&[("config.py", &format!("A = 'x'\n#{long}\nB = 'y'"))], None),
            ["config.py:A=x"]
        );
    }
}

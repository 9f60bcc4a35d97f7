//! The table of docs/probe.md: each test has its own part of it, and compares it with what was printed. With `K2M_UPDATE_DOCS=1` it writes the
//! part anew instead.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::driver::Seen;

/// Tests run side by side, and there is one file.
static FILE: Mutex<()> = Mutex::new(());

/// A part of the table.
pub(crate) struct Table {
    name: &'static str,
    lines: Vec<String>,
    /// What stands for what changes from run to run.
    filters: Vec<(String, String)>,
}

impl Table {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            lines: vec![
                "| case | step | what was printed | and the fix |".to_owned(),
                "|---|---|---|---|".to_owned(),
            ],
            filters: Vec::new(),
        }
    }

    /// Shows `this` as `that` from here on.
    pub(crate) fn show(&mut self, this: impl Into<String>, that: &str) {
        self.filters.push((this.into(), that.to_owned()));
    }

    /// Adds a case, and checks that its cause is named.
    pub(crate) fn row(&mut self, case: &str, seen: &Seen) {
        let failure = seen.failure();
        for empty in ["timed out", "Timed out", "time-out"] {
            assert!(!failure.reason.contains(empty), "{case}: {}", failure.reason);
        }
        let filtered = |text: &str| {
            let text = self
                .filters
                .iter()
                .fold(text.to_owned(), |text, (this, that)| text.replace(this, that));
            text.replace('|', "\\|")
        };
        self.lines.push(format!(
            "| {case} | {} | {} | {} |",
            failure.step.words(),
            filtered(&failure.reason),
            filtered(&failure.next)
        ));
    }

    /// Compares the part with the file's.
    pub(crate) fn check(self) {
        compare(self.name, &self.lines.join("\n"), "\n");
    }
}

/// Compares an example, which stands in the file as code.
pub(crate) fn example(name: &str, printed: &str) {
    compare(name, printed.trim_end(), "\n```text\n");
}

/// Compares what stands between the marks of this name with `wanted`, which is framed by `frame`.
fn compare(name: &str, wanted: &str, frame: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/probe.md");
    let _held = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = std::fs::read_to_string(&path).expect("docs/probe.md is there");
    let (begin, end) = (format!("<!-- printed: {name} -->\n"), format!("<!-- end: {name} -->"));
    let close = if frame.contains("```") { "\n```\n" } else { "\n" };
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("docs/probe.md has no {begin}"));
    let (there, after) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("docs/probe.md has no {end}"));
    let wanted = format!("{}{wanted}{close}", frame.trim_start());
    if std::env::var_os("K2M_UPDATE_DOCS").is_some() {
        let whole = format!("{before}{begin}{wanted}{end}{after}");
        std::fs::write(&path, whole).expect("docs/probe.md can be written");
        return;
    }
    assert_eq!(
        there, wanted,
        "docs/probe.md tells something else of {name}: K2M_UPDATE_DOCS=1 writes it anew"
    );
}

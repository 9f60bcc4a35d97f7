//! The table of docs/faults-doctor.md.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Tests run side by side, and there is one file.
static FILE: Mutex<()> = Mutex::new(());

/// What came of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// What was broken is named, first, and nothing else.
    Caught,
    /// It isn't.
    Missed,
    /// It is, and so is something that is well.
    FalseAlarm,
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caught => "caught",
            Self::Missed => "**missed**",
            Self::FalseAlarm => "**false alarm**",
        })
    }
}

impl Verdict {
    /// Judges what was found, in order, by what was to be.
    pub(crate) fn of(expected: &[&str], found: &[String]) -> Self {
        let first = expected.len() <= found.len() && expected.iter().zip(found).all(|(wanted, code)| wanted == code);
        if expected.is_empty() && !found.is_empty() || first && found.len() > expected.len() {
            Self::FalseAlarm
        } else if first {
            Self::Caught
        } else {
            Self::Missed
        }
    }
}

/// The rows of a topology.
#[derive(Debug)]
pub(crate) struct Table {
    topology: &'static str,
    lines: Vec<String>,
    count: BTreeMap<Verdict, usize>,
    /// Rows that are not as they should be, with all that doctor said.
    wrong: Vec<String>,
}

impl Table {
    pub(crate) fn new(topology: &'static str) -> Self {
        Self {
            topology,
            lines: Vec::new(),
            count: BTreeMap::new(),
            wrong: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, fault: &str, expected: &[&str], found: &[String], verdict: Verdict, said: &str) {
        let short = |codes: Vec<&str>| {
            let codes: Vec<&str> = codes.into_iter().map(|code| code.trim_start_matches("K2M-")).collect();
            if codes.is_empty() {
                "nothing".to_owned()
            } else {
                codes.join(", ")
            }
        };
        let seen = short(found.iter().map(String::as_str).collect());
        let line = format!(
            "| {fault} | {} | {} | {seen} | {verdict} |",
            self.topology,
            short(expected.to_vec())
        );
        *self.count.entry(verdict).or_default() += 1;
        if verdict != Verdict::Caught {
            self.wrong.push(format!("{line}\n{said}"));
        }
        self.lines.push(line);
    }

    /// Prints the rows, compares them with the file's, and fails where one of them is wrong.
    #[expect(clippy::print_stdout, reason = "the matrix prints as a table")]
    pub(crate) fn check(self) {
        let head = "| what is broken | where | expected | found | |\n|---|---|---|---|---|\n";
        let rows = format!("{head}{}", self.lines.join("\n"));
        let of = |verdict| self.count.get(&verdict).copied().unwrap_or_default();
        println!(
            "{rows}\n{}: {} caught, {} missed, {} false alarms\n",
            self.topology,
            of(Verdict::Caught),
            of(Verdict::Missed),
            of(Verdict::FalseAlarm)
        );
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n\n"));
        compare(self.topology, &rows);
    }
}

/// Compares what stands between the marks of a topology.
fn compare(topology: &str, rows: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/faults-doctor.md");
    let _held = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {topology} -->\n"), format!("<!-- end: {topology} -->"));
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("docs/faults-doctor.md has no {begin}"));
    let (there, after) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("docs/faults-doctor.md has no {end}"));
    let wanted = format!("{rows}\n");
    if std::env::var_os("K2M_UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }
    assert!(
        there == wanted,
        "docs/faults-doctor.md tells something else of {topology}: K2M_UPDATE_DOCS=1 writes it anew\n{rows}"
    );
}

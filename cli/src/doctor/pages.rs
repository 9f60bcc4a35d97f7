//! What a code means, to somebody who was sent one.

use std::fmt;

use serde::Serialize;

use super::{CHECKS, Check};

/// The page of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Such as `K2M-N02`.
    pub code: &'static str,
    /// What should be so.
    pub title: &'static str,
    /// What it means, how its failure shows, how to confirm it by hand and how to mend it, in Markdown.
    pub page: &'static str,
}

impl Page {
    /// The page of a code, with or without its `K2M-`, in small letters or large ones.
    pub fn of(code: &str) -> Option<Self> {
        let code = code.trim().to_ascii_uppercase();
        let code = code.strip_prefix("K2M-").unwrap_or(&code);
        let is = |check: &&Check| check.code.strip_prefix("K2M-") == Some(code);
        CHECKS.iter().find(is).map(Self::from)
    }
}

impl From<&Check> for Page {
    fn from(check: &Check) -> Self {
        Self {
            code: check.code,
            title: check.title,
            page: check.page,
        }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.page)
    }
}

/// Every check there is, in the order in which doctor makes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// Their codes and titles.
    pub checks: Vec<Entry>,
}

/// A check by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Such as `K2M-N02`.
    pub code: &'static str,
    /// What should be so.
    pub title: &'static str,
}

impl Contents {
    /// All of them.
    pub fn all() -> Self {
        let checks = CHECKS.iter().map(|check| Entry {
            code: check.code,
            title: check.title,
        });
        Self {
            checks: checks.collect(),
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = self.checks.iter();
        all.try_for_each(|Entry { code, title }| writeln!(f, "{code}  {title}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_written() {
        for code in ["K2M-N02", "k2m-n02", "N02", "n02", " N02 "] {
            assert_eq!(Page::of(code).unwrap().code, "K2M-N02");
        }
        for code in ["", "K2M-", "N2", "N99", "K2M-K2M-N02", "N02\u{1b}[31m"] {
            assert_eq!(Page::of(code), None, "{code:?}");
        }
    }
}

//! Values as YAML writes them, so that both readers of YAML take them for the same. Pure.

use std::fmt::Write as _;

use serde_yaml::Value;

/// Which quotes a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// None where that goes.
    Least,
    /// `'` where that goes.
    Single,
    /// `"`.
    Double,
}

/// On one line, also inside of brackets.
pub(super) fn inline(value: &Value, quotes: Quotes) -> String {
    match value {
        Value::String(text) => scalar(text, quotes),
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(|item| inline(item, quotes)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(name, value)| format!("{}: {}", inline(name, quotes), inline(value, quotes)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Tagged(_) => "null".to_owned(),
    }
}

/// An item or an entry a line, so far from the margin; without the last line's end.
pub(super) fn block(value: &Value, column: usize, end: &str) -> String {
    let margin = " ".repeat(column);
    let least = |value| inline(value, Quotes::Least);
    let lines: Vec<String> = match value {
        Value::Sequence(items) => items.iter().map(|item| format!("{margin}- {}", least(item))).collect(),
        Value::Mapping(entries) => {
            let entries = entries.iter();
            entries
                .map(|(name, value)| format!("{margin}{}: {}", least(name), least(value)))
                .collect()
        }
        other => vec![format!("{margin}{}", least(other))],
    };
    lines.join(end)
}

fn scalar(text: &str, quotes: Quotes) -> String {
    let printable = text
        .chars()
        .all(|c| matches!(c, ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{3000}'..='\u{d7ff}'));
    match quotes {
        Quotes::Least if is_plain(text) => text.to_owned(),
        Quotes::Single if printable => format!("'{}'", text.replace('\'', "''")),
        _ => double(text),
    }
}

/// Whether it needs no quotes anywhere: ARNs, names, addresses.
fn is_plain(text: &str) -> bool {
    let first = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric() || c == '/');
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | '@' | '=');
    let said = || serde_yaml::from_str::<Value>(text).is_ok_and(|value| value.as_str() == Some(text));
    first && text.chars().all(inside) && !text.ends_with(':') && said()
}

/// In double quotes, with all escaped that a reader may take for a line end or a mark.
fn double(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ if c.is_alphanumeric() => quoted.push(c),
            _ if u32::from(c) > 0xffff => {
                // Writing into a text doesn't fail.
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            _ => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

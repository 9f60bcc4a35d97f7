//! What a template lets a parameter's value be, as CloudFormation judges it before it deploys anything. Pure.

use regex_lite::RegexBuilder;

use super::document::Node;
use crate::shown::shown;

/// As many allowed values are named.
const MOST_NAMED: usize = 20;

/// Whether a value is not to be shown.
pub(super) fn is_secret(declared: &Node) -> bool {
    said(declared, "NoEcho").is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// What a parameter takes, where that is something other than this value; nothing where it takes it, or nobody can tell.
pub(super) fn broken(declared: &Node, value: &str) -> Option<String> {
    let kind = said(declared, "Type").unwrap_or_default();
    // What is there is looked up by a name, and the limits are that name's.
    if kind.starts_with("AWS::SSM::Parameter::Value<") {
        return None;
    }
    let items: Vec<&str> = if kind == "CommaDelimitedList" || kind.starts_with("List<") {
        value.split(',').map(str::trim).collect()
    } else {
        vec![value]
    };
    let each = items.iter().find_map(|item| of_one(declared, kind, item));
    each.map(|takes| {
        if items.len() > 1 {
            format!("a list, and each of it {takes}")
        } else {
            takes
        }
    })
}

fn of_one(declared: &Node, kind: &str, value: &str) -> Option<String> {
    let allowed = declared.get("AllowedValues").map_or(&[][..], |all| all.items());
    let allowed: Vec<&str> = allowed.iter().filter_map(|value| value.as_text()).collect();
    let number = number(value);
    if matches!(kind, "Number" | "List<Number>") {
        let (least, most) = (bound(declared, "MinValue"), bound(declared, "MaxValue"));
        let fits = number.is_some_and(|number| {
            least.is_none_or(|(least, _)| number >= least) && most.is_none_or(|(most, _)| number <= most)
        });
        if !fits {
            return Some(format!("a number{}", between(least, most)));
        }
    }
    // Numbers are compared as such: `5` is `5.0`.
    let same = |one: &&str| *one == value || number.is_some() && kind.contains("Number") && self::number(one) == number;
    if !allowed.is_empty() && !allowed.iter().any(same) {
        let mut named = allowed
            .iter()
            .take(MOST_NAMED)
            .map(|one| shown(one))
            .collect::<Vec<_>>()
            .join(", ");
        if allowed.len() > MOST_NAMED {
            named += ", …";
        }
        return Some(format!("one of: {named}"));
    }
    let (least, most) = (bound(declared, "MinLength"), bound(declared, "MaxLength"));
    #[expect(clippy::cast_precision_loss, reason = "no parameter's value is that long")]
    let length = value.chars().count() as f64;
    if least.is_some_and(|(least, _)| length < least) || most.is_some_and(|(most, _)| length > most) {
        return Some(format!("a length{}", between(least, most)));
    }
    let pattern = said(declared, "AllowedPattern")?;
    if matches(pattern, value) {
        return None;
    }
    let why = said(declared, "ConstraintDescription").map(|why| format!(": {}", shown(why)));
    Some(format!(
        "a text of the form `{}`{}",
        shown(pattern),
        why.unwrap_or_default()
    ))
}

/// Whether the whole value is of the pattern; also where that can't be judged, since the pattern is Java's.
fn matches(pattern: &str, value: &str) -> bool {
    /// A pattern that takes more is not judged.
    const MOST_BYTES: usize = 1 << 20;
    /// What Java reads in another way.
    const OTHERWISE: [&str; 4] = ["&&", "++", "*+", "?+"];
    if OTHERWISE.iter().any(|part| pattern.contains(part)) {
        return true;
    }
    let whole = RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(MOST_BYTES)
        .build();
    whole.map_or(true, |whole| whole.is_match(value))
}

fn between(least: Option<(f64, &str)>, most: Option<(f64, &str)>) -> String {
    match (least, most) {
        (Some((_, least)), Some((_, most))) => format!(" from {} to {}", shown(least), shown(most)),
        (Some((_, least)), None) => format!(" of at least {}", shown(least)),
        (None, Some((_, most))) => format!(" of at most {}", shown(most)),
        (None, None) => String::new(),
    }
}

fn bound<'n>(declared: &'n Node, name: &str) -> Option<(f64, &'n str)> {
    let text = said(declared, name)?;
    Some((number(text)?, text))
}

fn number(text: &str) -> Option<f64> {
    // Nor is what only Rust takes for one.
    let plain = text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    text.parse().ok().filter(|_| plain)
}

fn said<'n>(declared: &'n Node, name: &str) -> Option<&'n str> {
    declared.get(name)?.as_text()
}

#[cfg(test)]
mod tests {
    use super::super::document::parse;
    use super::*;

    #[test]
    fn a_value_is_held_to_what_the_template_says() {
        for (declared, value, wanted) in [
            ("Type: String", "", None),
            ("Type: String, AllowedValues: [dev, prod]", "prod", None),
            (
                "Type: String, AllowedValues: [dev, prod]",
                "Prod",
                Some("one of: dev, prod"),
            ),
            ("Type: Number", "5.5", None),
            ("Type: Number", "five", Some("a number")),
            ("Type: Number", "inf", Some("a number")),
            ("Type: Number, MinValue: 1, MaxValue: 10", "10", None),
            (
                "Type: Number, MinValue: 1, MaxValue: 10",
                "11",
                Some("a number from 1 to 10"),
            ),
            ("Type: Number, MinValue: 1", "0", Some("a number of at least 1")),
            ("Type: Number, MaxValue: 1", "2", Some("a number of at most 1")),
            ("Type: Number, AllowedValues: [1, 5]", "5.0", None),
            ("Type: Number, AllowedValues: [1, 5]", "2", Some("one of: 1, 5")),
            ("Type: String, MinLength: 2, MaxLength: 3", "äöü", None),
            (
                "Type: String, MinLength: 2, MaxLength: 3",
                "a",
                Some("a length from 2 to 3"),
            ),
            ("Type: String, MaxLength: 3", "abcd", Some("a length of at most 3")),
            ("Type: String, AllowedPattern: '[a-z]+'", "abc", None),
            // All of it has to be of the form.
            (
                "Type: String, AllowedPattern: '[a-z]+'",
                "abc1",
                Some("a text of the form `[a-z]+`"),
            ),
            (
                "Type: String, AllowedPattern: 'a|b'",
                "ab",
                Some("a text of the form `a|b`"),
            ),
            (
                "Type: String, AllowedPattern: '[a-z]*', ConstraintDescription: small letters",
                "A",
                Some("a text of the form `[a-z]*`: small letters"),
            ),
            // Only Java could tell.
            ("Type: String, AllowedPattern: '(?!x)[a-z]+'", "x", None),
            ("Type: String, AllowedPattern: '[a-z&&[^x]]+'", "x", None),
            ("Type: String, AllowedPattern: '('", "x", None),
            (
                "Type: String, AllowedPattern: '\\w+'",
                "naïve",
                Some("a text of the form `\\w+`"),
            ),
            ("Type: CommaDelimitedList, AllowedValues: [a, b]", "a, b", None),
            (
                "Type: CommaDelimitedList, AllowedValues: [a, b]",
                "a,c",
                Some("a list, and each of it one of: a, b"),
            ),
            ("Type: List<Number>, MinValue: 1", "1,2", None),
            (
                "Type: List<Number>, MinValue: 1",
                "1,0",
                Some("a list, and each of it a number of at least 1"),
            ),
            (
                "Type: 'AWS::SSM::Parameter::Value<String>', AllowedValues: [/a]",
                "x",
                None,
            ),
        ] {
            let template = parse("t", format!("P: {{{declared}}}").as_bytes()).unwrap();
            let parameter = template.get("P").unwrap();
            assert_eq!(broken(parameter, value).as_deref(), wanted, "{declared}: {value}");
        }
    }
}

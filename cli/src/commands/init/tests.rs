//! What is proposed, what `--yes` takes, and that no name gets out of its line in the file.

use super::ask::{Item, Question};
use super::*;
use crate::args::PayloadArgs;
use crate::settings::TABLE;

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";

fn candidate(id: &str, hints: &[&str]) -> Candidate {
    Candidate {
        id: id.to_owned(),
        hints: hints.iter().map(|&hint| hint.to_owned()).collect(),
    }
}

fn streams(names: &[&str]) -> Vec<(Arn, Candidate)> {
    let arns = names.iter().map(|name| STREAM.replace("orders", name));
    arns.map(|arn| (Arn::parse(Kind::Stream, &arn).unwrap(), candidate(&arn, &["ACTIVE"])))
        .collect()
}

#[test]
fn yes_takes_the_only_one_and_no_guess() {
    let only = |names: &[&str]| only("stream", "eu-west-1".to_owned(), streams(names));
    assert_eq!(only(&["orders"]).unwrap().name(), "orders");
    let many: Vec<String> = (1..=20).map(|number| format!("stream-{number:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let texts: Vec<String> = [&[][..], &["a", "b"], &many]
        .into_iter()
        .map(|names| only(names).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn what_is_proposed_stands_first() {
    let question = |proposed: Option<&str>| Question {
        prompt: String::new(),
        items: ["a", "b"]
            .map(|name| Item {
                answer: name.to_owned(),
                shown: format!("{name} (ACTIVE)"),
            })
            .to_vec(),
        other: String::new(),
        other_prompt: String::new(),
        proposed: proposed.map(str::to_owned),
        check: |_| Ok(()),
    };
    for (proposed, shown) in [
        (None, &["a (ACTIVE)", "b (ACTIVE)"][..]),
        (Some("b"), &["b (ACTIVE)", "a (ACTIVE)"]),
        (Some("c"), &["c", "a (ACTIVE)", "b (ACTIVE)"]),
    ] {
        let choices = question(proposed).choices();
        let choices: Vec<&str> = choices.iter().map(|item| item.shown.as_str()).collect();
        assert_eq!(choices, shown, "{proposed:?}");
    }
}

#[test]
fn what_aws_says_stays_on_its_line() {
    let hostile = candidate("a\u{1b}[2Jb", &["ACT\nIVE", "3\tshards"]);
    assert_eq!(line(&hostile), "a\\u{1b}[2Jb  (ACT IVE, 3 shards)");
}

/// Whatever a name is, the file is read back with it, and with nothing else.
#[test]
fn a_hostile_name_does_not_break_the_file() {
    for name in [
        "orders",
        "a: b",
        "a\nmemory: 1",
        "a\r\n- b",
        "'",
        "\"\\",
        "# no",
        "null",
        "~",
        "true",
        "12",
        "1e3",
        "0x10",
        "!tag",
        "&anchor",
        "*alias",
        "{a: b}",
        "[a]",
        "%x",
        "@x",
        "`x",
        "---",
        "...",
        "<<",
        "=",
        "naïve 🦀 \u{2028}",
        "\u{85}",
        " padded ",
        "- x",
        "? x",
        "| x",
        "> x",
        &"long ".repeat(200),
    ] {
        let map = serde_json::json!({name: name, "other": "t"}).to_string();
        let flags = SettingsArgs {
            payload: PayloadArgs {
                topic_map: Some(map.clone()),
                ..PayloadArgs::default()
            },
            stream: vec![name.to_owned()],
            topic: Some(name.to_owned()),
            batch_size: Some("500".to_owned()),
            create_topic: Some("true".to_owned()),
            subnets: Some("subnet-1, subnet-2".to_owned()),
            ..SettingsArgs::default()
        };
        let (text, _) = render(&flags, None).unwrap();
        let file = File::parse("k2m.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let read = |setting: &str| file.entries[setting].text.as_str();
        assert_eq!((read("stream"), read("topic")), (name, name), "{text}");
        assert_eq!(
            (read("batch_size"), read("create_topic"), read("subnets")),
            ("500", "true", "subnet-1,subnet-2")
        );
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(json(read("topic_map")), json(&map), "{text}");
        assert_eq!(file.entries.len(), 6, "{text}");
    }
}

#[test]
fn settings_stay_and_flags_count_more() {
    let old = "starting_timestamp: 2026-01-02T03:04:05Z\nstarting_position: AT_TIMESTAMP\nmemory: 512\nbatch_size: 3\n";
    let file = File::parse("k2m.yaml", old.as_bytes()).unwrap();
    let with = |flags: &SettingsArgs| {
        let (_, settings) = render(flags, Some(&file)).unwrap();
        serde_json::to_string(&settings).unwrap()
    };
    let flags = SettingsArgs {
        batch_size: Some("4".to_owned()),
        ..SettingsArgs::default()
    };
    assert_eq!(
        with(&flags),
        r#"{"starting_position":"AT_TIMESTAMP","starting_timestamp":"2026-01-02T03:04:05Z","batch_size":4,"memory":512}"#
    );
    // A time that belongs to a position goes with it.
    let flags = SettingsArgs {
        starting_position: Some("LATEST".to_owned()),
        ..SettingsArgs::default()
    };
    assert_eq!(
        with(&flags),
        r#"{"starting_position":"LATEST","batch_size":3,"memory":512}"#
    );
    assert!(TABLE.iter().any(|row| row.name == "starting_timestamp"));
}

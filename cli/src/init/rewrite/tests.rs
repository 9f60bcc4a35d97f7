//! Each form that a file can have, changed: what was asked for is otherwise, and not a word more.

use std::fmt::Write as _;

use super::*;
use crate::settings::File;

fn edit(name: &'static str, value: impl Into<Value>) -> Edit {
    Edit {
        name,
        value: Some(value.into()),
        comment: None,
    }
}

fn gone(name: &'static str) -> Edit {
    Edit {
        name,
        value: None,
        comment: None,
    }
}

fn list(items: &[&str]) -> Value {
    items.iter().map(|item| Value::from(*item)).collect::<Vec<_>>().into()
}

/// Line ends and marks as one sees them.
fn seen(text: &str) -> String {
    text.replace('\u{feff}', "<BOM>").replace('\r', "<CR>")
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row a case")]
fn every_form_keeps_what_is_not_changed() {
    let cases: &[(&str, &str, Vec<Edit>)] = &[
        (
            "beside a comment",
            "# head\n\nstream: a   # why\n\ntopic: t\n# foot\n",
            vec![edit("stream", "b")],
        ),
        (
            "behind its neighbour",
            "stream: a # s\n# of the network\nvpc: v\n",
            vec![edit("topic", "t")],
        ),
        ("at the end without its end", "stream: a", vec![edit("memory", 512)]),
        ("nothing but comments", "# later\n", vec![edit("memory", 512)]),
        ("empty", "", vec![edit("memory", 512)]),
        ("quotes", "stream: 'a' # x\ntopic: \"b\"# no comment\"\n", vec![]),
        (
            "single quotes",
            "stream: 'it''s' # x\ntopic: t\n",
            vec![edit("stream", "that's")],
        ),
        ("double quotes", "stream: \"a\\\"#\" # x\n", vec![edit("stream", "b\"")]),
        (
            "aligned",
            "stream:   a\ntopic :   b\n",
            vec![edit("stream", "c"), edit("topic", "d")],
        ),
        (
            "line ends",
            "stream: a # x\r\ntopic: 't' # y\r\n",
            vec![edit("topic", "u"), edit("memory", 1), edit("subnets", list(&["s-1"]))],
        ),
        ("mark", "\u{feff}stream: a\n", vec![edit("stream", "b")]),
        (
            "brackets",
            "{stream: a, topic: b}\n",
            vec![edit("topic", "c,d"), edit("memory", 1)],
        ),
        (
            "brackets in lines",
            "{\n  stream: a, # x\n  topic: b, # y\n}\n",
            vec![edit("stream", "c"), gone("topic"), edit("memory", 1)],
        ),
        ("empty brackets", "{} # none\n", vec![edit("memory", 1)]),
        (
            "brackets, the first goes",
            "{stream: a, topic: b}",
            vec![gone("stream")],
        ),
        ("brackets, the last goes", "{stream: a, topic: b}", vec![gone("topic")]),
        ("brackets, the only goes", "{stream: a}", vec![gone("stream")]),
        (
            "indented",
            "  stream: a\n  topic: b\n",
            vec![edit("memory", 1), edit("topic", "c")],
        ),
        (
            "document marks",
            "--- # begins\nstream: a\n... # ends\n",
            vec![edit("topic", "t")],
        ),
        (
            "list",
            "subnets: # all\n# first\n- a # one\n\n- b # two\n# last\n- c # three\nvpc: v\n",
            vec![edit("subnets", list(&["c", "d", "a"]))],
        ),
        (
            "list becomes a text",
            "stream:\n  - a # one\n  # two\n  - b\ntopic: t\n",
            vec![edit("stream", "a")],
        ),
        (
            "list in brackets",
            "subnets: [a, b] # both\n",
            vec![edit("subnets", list(&["b"]))],
        ),
        (
            "list in brackets and lines",
            "subnets: [\n  a, # one\n  b,\n] # both\nvpc: v\n",
            vec![edit("subnets", list(&["b"]))],
        ),
        (
            "text becomes a list",
            "stream: a # one\n",
            vec![edit("stream", list(&["a", "b"]))],
        ),
        (
            "mapping",
            "topic_map:\n  # x\n  a: b # y\n  c: d\ntopic: t\n",
            vec![edit(
                "topic_map",
                Value::Mapping([("a".into(), "e: f".into())].into_iter().collect()),
            )],
        ),
        (
            "folded",
            "stream: >- # folded\n  a # no comment\n\n# next\ntopic: t\n",
            vec![edit("stream", "b")],
        ),
        (
            "goes with its comments kept",
            "stream: a\n# above\ncluster: c # beside\n# below\ntopic: t\n",
            vec![gone("cluster"), edit("bootstrap_servers", "h:1")],
        ),
        ("all go", "stream: a\ntopic: t\n", vec![gone("stream"), gone("topic")]),
        (
            "in two lines",
            "stream: a\n  b # x\ntopic: t\n",
            vec![edit("stream", "c")],
        ),
        (
            "question mark",
            "? stream\n: a # x\n? topic\n: t\n",
            vec![edit("stream", "c"), gone("topic")],
        ),
        (
            "beyond ASCII",
            "topic: ü # ö\nstream: \"ä\" # é\n",
            vec![edit("stream", "b"), edit("topic", "naïve")],
        ),
        (
            "hostile",
            "topic: t # x\n",
            vec![edit("topic", "a # b: \u{2028}\u{85}\u{1f980}\n- c")],
        ),
        (
            "words that are no texts",
            "topic: t\n",
            vec![edit("topic", "null"), edit("secret", "12"), edit("stack", "true")],
        ),
        ("the same", "stream: 'a'\n", vec![edit("stream", "a")]),
    ];
    let mut shown = String::new();
    for (name, text, edits) in cases {
        let new = rewrite(text, edits, None).unwrap_or_else(|error| format!("ERROR {error}\n"));
        let _ = write!(shown, "== {name}\n{}\n-- becomes\n{}\n", seen(text), seen(&new));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_comment_stands_above_what_is_new_and_only_there() {
    let edits = [Edit {
        comment: Some("why\nit is so".to_owned()),
        ..edit("memory", 512)
    }];
    assert_eq!(
        rewrite("stream: a\n", &edits, None).unwrap(),
        "stream: a\n# why\n# it is so\nmemory: 512\n"
    );
    assert_eq!(rewrite("memory: 1\n", &edits, None).unwrap(), "memory: 512\n");
}

#[test]
fn a_pipeline_more_stands_at_the_end_of_the_list() {
    let pipeline: Mapping = [("stream".into(), "c".into()), ("topic".into(), "t".into())]
        .into_iter()
        .collect();
    for (text, new) in [
        (
            "cluster: x\npipelines: # all\n  - stream: a # one\n  - stream: b\n    # two\n    topic: u # three\n# end\nmemory: 1\n",
            "cluster: x\npipelines: # all\n  - stream: a # one\n  - stream: b\n    # two\n    topic: u # three\n  - stream: c\n    topic: t\n# end\nmemory: 1\n",
        ),
        (
            "pipelines:\n- stream: a",
            "pipelines:\n- stream: a\n- stream: c\n  topic: t\n",
        ),
    ] {
        assert_eq!(rewrite(text, &[], Some(&pipeline)).unwrap(), new);
    }
    for text in [
        "pipelines: [{stream: a}]\n",
        "{pipelines: [{stream: a}]}\n",
        "stream: a\n",
    ] {
        assert!(rewrite(text, &[], Some(&pipeline)).is_err(), "{text}");
    }
}

#[test]
fn what_can_not_be_changed_is_said() {
    assert_eq!(
        rewrite(
            "a: &x 1
b: *x
",
            &[edit("topic", "t")],
            None
        ),
        Err(RewriteError::Parse("it ends too soon".to_owned()))
    );
    assert!(rewrite("a: [\n", &[], None).is_err());
    assert!(rewrite("- a\n", &[], None).is_err());
}

/// Random files, random changes: what is asked for is otherwise, all else says what it said, and each comment is there as often as before.
#[test]
#[expect(clippy::too_many_lines, reason = "one piece of a file after the other")]
fn random_files_lose_nothing() {
    const NAMES: [&str; 8] = [
        "stream",
        "cluster",
        "topic",
        "subnets",
        "batch_size",
        "memory",
        "vpc",
        "decode",
    ];
    let mut random = fastrand::Rng::with_seed(17);
    let mut refused = String::new();
    for round in 0..4000 {
        let end = if random.bool() { "\n" } else { "\r\n" };
        let mut comments = 0;
        let mut comment = |random: &mut fastrand::Rng| {
            comments += 1;
            (random.u8(..3) > 0).then(|| format!("# c{comments}: 'odd' \"[{{&x *y"))
        };
        let mut names = NAMES;
        random.shuffle(&mut names);
        let mut text = String::new();
        if random.bool() {
            text.extend(["\u{feff}", "--- # mark", end].iter().skip(random.usize(..2)).copied());
        }
        for name in names.iter().take(random.usize(..=NAMES.len())) {
            for _ in 0..random.usize(..3) {
                text.extend(comment(&mut random).as_deref());
                text += end;
            }
            let beside = comment(&mut random)
                .map(|comment| format!(" {comment}"))
                .unwrap_or_default();
            let above = comment(&mut random)
                .map(|comment| format!("  {comment}{end}"))
                .unwrap_or_default();
            let value = match random.u8(..10) {
                0 => format!(" plain{beside}{end}"),
                1 => format!("  'single ''#'{beside}{end}"),
                2 => format!(" \"double \\\" #\"{beside}{end}"),
                3 => format!(" [a, 'b', \"c\"]{beside}{end}"),
                4 => format!(" [{end}  a,{beside}{end}{above}  b{end}]{end}"),
                5 => format!("{beside}{end}{above}  - one{end}  - 'two'{beside}{end}"),
                6 => format!("{beside}{end}- one{end}{above}- two{end}"),
                7 => format!("{beside}{end}{above}  k: v{end}  l: w{beside}{end}"),
                8 => format!(" |{beside}{end}  text # no comment{end}  more{end}"),
                _ => format!(" {}{beside}{end}", random.u16(..)),
            };
            text.extend([name, ":", &value]);
        }
        if random.bool() {
            text.truncate(text.trim_end().len());
        }
        let mut edits = Vec::new();
        for name in NAMES {
            match random.u8(..8) {
                0 => edits.push(gone(name)),
                1 => edits.push(edit(name, random.u32(..))),
                2 => edits.push(edit(name, "a 'new' # \"text\"")),
                3 => edits.push(edit(name, list(&["two", "b", "x: y"]))),
                _ => {}
            }
        }
        let old =
            settings(text.trim_start_matches('\u{feff}')).unwrap_or_else(|error| panic!("{round}: {error}\n{text}"));
        match rewrite(&text, &edits, None) {
            Ok(new) => {
                let said = settings(new.trim_start_matches('\u{feff}')).unwrap();
                for name in NAMES {
                    let wanted = match edits.iter().find(|edit| edit.name == name) {
                        Some(edit) => edit.value.as_ref(),
                        None => old.get(name),
                    };
                    assert_eq!(said.get(name), wanted, "{round}: {name}\n{text}\n--\n{new}");
                }
                let marks = |text: &str, mark: &str| text.matches(mark).count();
                for number in 1..=comments {
                    let mark = format!("# c{number}: ");
                    assert_eq!(
                        marks(&text, &mark),
                        marks(&new, &mark),
                        "{round}: {mark}\n{text}\n--\n{new}"
                    );
                }
                let whole = marks(&new, "\r\n");
                assert!(whole == 0 || whole == marks(&new, "\n"), "{round}: {new:?}");
                // Once more changes nothing.
                assert_eq!(rewrite(&new, &edits, None).as_ref(), Ok(&new), "{round}");
            }
            Err(error) => {
                let _ = writeln!(refused, "{round}: {error}\n{text}\n{edits:?}");
            }
        }
    }
    assert!(refused.is_empty(), "{refused}");
    let file = File::parse(
        "k2m.yaml",
        rewrite("stream: a # b\n", &[edit("stream", "c")], None)
            .unwrap()
            .as_bytes(),
    );
    assert_eq!(file.unwrap().entries["stream"].text, "c");
}

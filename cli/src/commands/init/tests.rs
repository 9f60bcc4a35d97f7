//! What is proposed, what `--yes` takes, and that no name gets out of its line in the file.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;

use super::profiles::Profiles;
use super::*;
use crate::aws::LookError;

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
fn what_aws_says_stays_on_its_line() {
    let hostile = candidate("a\u{1b}[2Jb", &["ACT\nIVE", "3\tshards"]);
    assert_eq!(line(&hostile), "a\\u{1b}[2Jb  (ACT IVE, 3 shards)");
}

/// What is to be typed next means this very file, to the shell and to k2m; and nothing in its name gets out of its line.
#[test]
fn what_follows_names_the_file_whatever_it_is_called() {
    for (path, wanted) in [
        ("k2m.yaml", "k2m plan"),
        ("other.yaml", "k2m plan --config other.yaml"),
        ("-x.yaml", "k2m plan --config=-x.yaml"),
        ("two words.yaml", "k2m plan --config 'two words.yaml'"),
        ("a\nb.yaml", r"k2m plan --config $'a\012b.yaml'"),
    ] {
        let written = Written::new(Path::new(path), Mapping::new(), Checked::Unseen(String::new()));
        let text = written.to_string();
        let next = format!(
            "next: `{wanted}` shows what will be created, `{}` creates it",
            wanted.replace("plan", "deploy")
        );
        assert_eq!(text.lines().last(), Some(next.as_str()), "{text}");
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("wrote ") && first.ends_with(':'), "{text}");
        let document = serde_json::to_value(&written).unwrap();
        assert_eq!(document["next"][0], wanted);
    }
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
        let said = said(&[
            ("topic_map", &map),
            ("stream", name),
            ("topic", name),
            ("batch_size", "500"),
            ("create_topic", "true"),
            ("subnets", "subnet-1, subnet-2"),
        ]);
        let text = text(None, &said, &BTreeMap::new(), None).unwrap();
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
fn settings_stay_and_answers_count_more() {
    let old = "starting_timestamp: 2026-01-02T03:04:05Z\nstarting_position: AT_TIMESTAMP # then\nmemory: 512\nbatch_size: 3\n";
    let with = |answers: &[(&'static str, &str)]| text(Some(old), &said(answers), &BTreeMap::new(), None).unwrap();
    assert_eq!(
        with(&[("batch_size", "4")]),
        old.replace("batch_size: 3", "batch_size: 4")
    );
    // A time that belongs to a position goes with it.
    assert_eq!(
        with(&[("starting_position", "LATEST")]),
        "starting_position: LATEST # then\nmemory: 512\nbatch_size: 3\n"
    );
}

#[test]
fn long_lines_go_on_below_their_beginning() {
    let screen = |columns| crate::report::Screen { columns, colour: false };
    let text = "label                choice of many words that is long enough\n                       and why it is so, in many words\nshort\n";
    insta::assert_snapshot!(folded(text, screen(Some(44))));
    assert_eq!(folded(text, screen(None)), text);
}

fn said(answers: &[(&'static str, &str)]) -> Answers {
    answers
        .iter()
        .map(|(name, text)| (*name, Some((*text).to_owned())))
        .collect()
}

/// Answers in their order, each to a question with this beginning; what was asked and what was offered is kept.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<(&'static str, Option<&'static str>)>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn of(answers: &[(&'static str, Option<&'static str>)]) -> Self {
        Self {
            answers: Mutex::new(answers.iter().copied().collect()),
            ..Self::default()
        }
    }

    fn answer(&self, prompt: &str) -> Option<&'static str> {
        let next = self.answers.lock().unwrap().pop_front();
        let (begins, answer) = next.unwrap_or_else(|| panic!("nobody expects `{prompt}`"));
        assert!(prompt.starts_with(begins), "`{prompt}` in place of `{begins}`");
        answer
    }
}

impl Ask for Script {
    async fn choose(&self, question: Question) -> Result<Sets, InitError> {
        let offered: Vec<&str> = question.choices.iter().map(|choice| choice.shown.as_str()).collect();
        let typed = question.typed.as_ref().map_or("", |typed| typed.shown.as_str());
        self.asked
            .lock()
            .unwrap()
            .push(format!("{}: {} | {typed}", question.prompt, offered.join(" | ")));
        let first = question
            .choices
            .first()
            .map(|choice| choice.sets.clone())
            .unwrap_or_default();
        Ok(match self.answer(&question.prompt) {
            // The first.
            None => first,
            Some(text) => {
                let setting = question.typed.as_ref().map_or(question.about, |typed| typed.setting);
                vec![(setting, Some(text.to_owned()))]
            }
        })
    }

    async fn confirm(&self, prompt: &str, default: bool) -> Result<bool, InitError> {
        self.asked.lock().unwrap().push(prompt.to_owned());
        Ok(self.answer(prompt).map_or(default, |answer| answer == "yes"))
    }
}

/// The example's account.
struct Paper {
    facts: Facts,
    load: Fact<Load>,
    profiles: Option<Profiles>,
}

impl World for Paper {
    fn profiles(&self) -> Option<Profiles> {
        self.profiles.clone()
    }

    async fn region(&self, _: Option<&str>) -> Result<Option<String>, LookError> {
        Ok(None)
    }

    async fn streams(&mut self, _: Option<&str>, _: &str) -> Result<Fact<Vec<Candidate>>, LookError> {
        let value = vec![candidate(STREAM, &["ACTIVE", "4 open shards"])];
        Ok(Fact::Found { value })
    }

    async fn clusters(&mut self, _: Option<&str>, _: &str) -> Result<Fact<Vec<Candidate>>, LookError> {
        let arn = &self.facts.cluster.found().unwrap().arn;
        let value = vec![candidate(arn, &["ACTIVE", "IAM"])];
        Ok(Fact::Found { value })
    }

    async fn topics(&mut self, _: Option<&str>, _: &Arn) -> Result<Fact<Vec<Candidate>>, LookError> {
        let value = vec![candidate("other", &["3 partitions"])];
        Ok(Fact::Found { value })
    }

    async fn facts(&mut self, _: Option<&str>, _: &Settings) -> Result<Facts, CommandError> {
        Ok(self.facts.clone())
    }

    async fn load(&mut self, _: Option<&str>, _: &Arn, _: &str) -> Result<Fact<Load>, LookError> {
        Ok(self.load.clone())
    }
}

fn facts() -> Facts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/same-vpc/facts.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn a_whole_conversation_asks_only_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k2m.yaml");
    let profiles = profiles::profiles("[profile dev]\nregion = eu-west-1\n[default]\n", "");
    let mut facts = facts();
    facts.topics.insert("orders".to_owned(), Fact::Absent);
    let load = Load {
        days: 7,
        seconds: 300,
        records: 24_000,
        bytes: 24_000 * 100_000,
    };
    let mut told = String::new();
    for (answers, environment) in [
        (
            &[
                ("Profile", Some("dev")),
                ("Region", None),
                ("Stream", None),
                ("Cluster", None),
                ("Topic", None),
                ("Create the topic", None),
                ("Where records go", None),
                ("Who is told", Some("ops@example.com")),
                ("Size", None),
                ("Write", None),
            ][..],
            &[][..],
        ),
        // Once more: nothing is as open as it was.
        (
            &[
                ("Stream", None),
                ("Cluster", None),
                ("Topic", None),
                ("Where records go", None),
                ("Who is told", None),
                ("Write", Some("no")),
            ],
            &[("K2M_REGION", "eu-west-1")],
        ),
    ] {
        let script = Script::of(answers);
        let mut asking = Asking {
            path: path.clone(),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            args: InitArgs {
                settings: SettingsArgs::default(),
                yes: false,
                output: crate::args::Output::Json,
            },
            asker: Some(&script),
            world: Paper {
                facts: facts.clone(),
                load: Fact::Found { value: load },
                profiles: Some(profiles.clone()),
            },
            old: None,
            answers: Answers::new(),
            reasons: BTreeMap::new(),
        };
        let done = asking
            .work(&Reporter::new(
                crate::args::Output::Json,
                crate::args::MannerArgs::default(),
            ))
            .await;
        assert!(
            script.answers.lock().unwrap().is_empty(),
            "{:?}",
            script.answers.lock().unwrap()
        );
        for line in script.asked.lock().unwrap().iter() {
            told.extend([line.as_str(), "\n"]);
        }
        match done {
            Ok(_) => told.extend(["--\n", &std::fs::read_to_string(&path).unwrap(), "--\n"]),
            Err(error) => told.extend(["-- ", &error.to_string(), "\n"]),
        }
    }
    let folder = folder.path().to_string_lossy().into_owned();
    insta::assert_snapshot!(told.replace(&folder, "<folder>"));
}

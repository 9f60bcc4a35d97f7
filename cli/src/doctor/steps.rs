//! Which pieces of a text are there to be copied: commands, JSON such as a policy's statement, and what stands in backticks. Such a piece is never broken by a line of ours, and a page shows it
//! as code.

use std::ops::Range;

use serde::de::IgnoredAny;

use crate::settings::{ChosenEnvironment, ENVIRONMENT_FLAG, Settings};
use crate::shell::Command;

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Words, for people.
    Words(&'a str),
    /// Something to copy, without its backticks.
    Code(&'a str),
}

/// Whether the whole of it is a command, to be run as it stands.
pub(super) fn is_command(step: &str) -> bool {
    command(step).is_some_and(|end| end == step.len())
}

/// The step as words, and what follows them to be copied in one piece: a command that is all of it, or JSON at its end.
pub(super) fn split(step: &str) -> (Vec<Piece<'_>>, Option<&str>) {
    let mut words = pieces(step);
    match words.last() {
        Some(Piece::Code(code)) if is_command(step) || json(code) == Some(code.len()) => {
            let code = *code;
            words.pop();
            (words, Some(code))
        }
        _ => (words, None),
    }
}

/// Its pieces, in order.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for Copied { whole, code } in copied(text) {
        pieces.push(Piece::Words(&text[at..whole.start]));
        pieces.push(Piece::Code(&text[code]));
        at = whole.end;
    }
    pieces.push(Piece::Words(&text[at..]));
    pieces.retain(|piece| *piece != Piece::Words(""));
    pieces
}

/// Where something stands that is there to be copied.
pub(super) struct Copied {
    /// With its backticks.
    pub(super) whole: Range<usize>,
    /// Without them.
    pub(super) code: Range<usize>,
}

/// All that is there to be copied, in order.
pub(super) fn copied(text: &str) -> Vec<Copied> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let quoted = rest.strip_prefix('`').and_then(|rest| rest.split_once('`'));
        let begins = text[..at].chars().next_back().is_none_or(|c| c == ' ' || c == '(');
        // A piece of JSON that is cut off is nothing to copy.
        let inside = text[..at].ends_with("\": ");
        if let Some((code, _)) = quoted.filter(|(code, _)| !code.is_empty()) {
            let end = at + code.len() + 2;
            found.push(Copied {
                whole: at..end,
                code: at + 1..end - 1,
            });
            at = end;
        } else if let Some(length) = Some(rest)
            .filter(|_| begins)
            .and_then(|rest| command(rest).or_else(|| json(rest).filter(|_| !inside)))
        {
            let end = at + length;
            found.push(Copied {
                whole: at..end,
                code: at..end,
            });
            at = end;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    found
}

/// Where the JSON object, or the list of such, ends that the text begins with.
fn json(text: &str) -> Option<usize> {
    if !text.starts_with("{\"") && !text.starts_with("[{\"") {
        return None;
    }
    let mut read = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    read.next()?.ok()?;
    Some(read.byte_offset())
}

/// Commands of k2m that look at an AWS account.
const OF_ACCOUNT: [&str; 8] = [
    "deploy", "destroy", "doctor", "inspect", "logs", "plan", "render", "status",
];

/// The text, with what says whose account it is about in each of its commands that asks AWS, ours and AWS's own: the profile, and to ours the environment of
/// k2m.yaml. Without it they may be of another account. What only speaks of a command in a sentence stays as it is.
pub(super) fn with_whose(text: &str, whose: &Whose) -> String {
    let mut out = String::new();
    let mut at = 0;
    for Copied { whole, code } in copied(text) {
        let said = &text[code.clone()];
        let (ours, asks) = match said.split_once(' ') {
            Some(("aws", _)) => (false, true),
            Some(("k2m", rest)) => (true, OF_ACCOUNT.contains(&rest.split(' ').next().unwrap_or_default())),
            _ => (false, false),
        };
        let is_whole = whole != code || whole.end == text.len() || said.contains(" --");
        if asks && is_whole && is_command(said) {
            out.extend([&text[at..code.start], &whose.said(said, ours)]);
            at = code.end;
        }
    }
    out.push_str(&text[at..]);
    out
}

/// Whose account commands are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Whose {
    /// The profile that was named.
    profile: Option<String>,
    /// The environment of k2m.yaml that was chosen.
    environment: Option<ChosenEnvironment>,
}

impl Whose {
    /// As the settings have it.
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            profile: settings.profile.clone(),
            environment: settings.environment.clone(),
        }
    }

    /// The command with it, as far as it does not say so itself.
    fn said(&self, command: &str, ours: bool) -> String {
        let open = |flag: &str| !command.contains(flag);
        let mut said = Command::new(command);
        if let Some(environment) = self.environment.as_ref().filter(|_| ours && open(" --env")) {
            if open(" --config") {
                said = said.file(&environment.path);
            }
            said = said.option(ENVIRONMENT_FLAG, &environment.name);
        }
        if let Some(profile) = self.profile.as_ref().filter(|_| open(" --profile")) {
            said = said.option("--profile", profile);
        }
        said.to_string()
    }
}

/// Where the command ends that the text begins with.
fn command(text: &str) -> Option<usize> {
    let lower = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let mut words = Words { text, at: 0 };
    let (program, mut end) = words.next()?;
    let subcommands = match program {
        "aws" => 2,
        "k2m" => 1,
        script if script.strip_suffix(".sh").is_some() => 0,
        _ => return None,
    };
    for _ in 0..subcommands {
        let (word, after) = words.next()?;
        let bare = word.trim_end_matches(PUNCTUATION);
        if !lower(bare) {
            return None;
        }
        end = after - (word.len() - bare.len());
        if bare != word {
            // A sentence goes on.
            return Some(end);
        }
    }
    let mut option = false;
    loop {
        let mut ahead = words.clone();
        let Some((word, after)) = ahead.next() else {
            return Some(end);
        };
        let bare = bare(word);
        let is_option = word.starts_with("--") && word.len() > 2;
        // A value, or a word of the sentence that the command stands in.
        let is_value = option
            || bare.contains(|c: char| !c.is_ascii_lowercase())
            || ahead.next().is_some_and(|(next, _)| next.starts_with("--"));
        if bare.is_empty() || !(is_option || is_value) {
            return Some(end);
        }
        end = after - (word.len() - bare.len());
        if bare != word {
            return Some(end);
        }
        option = is_option && !word.contains('=');
        words.at = after;
    }
}

/// A word without what the sentence puts behind it.
fn bare(word: &str) -> &str {
    let mut bare = word;
    while let Some(rest) = bare.strip_suffix(PUNCTUATION) {
        // What closes something of the word is part of it.
        if bare.ends_with(')') && bare.matches('(').count() >= bare.matches(')').count() {
            break;
        }
        bare = rest;
    }
    bare
}

/// What may stand behind a command in a sentence.
const PUNCTUATION: [char; 6] = [',', ';', ':', '.', ')', '`'];

/// Words as a shell sees them, each with where it ends.
#[derive(Debug, Clone)]
struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = (&'a str, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let begin = self.at + rest.len() - rest.trim_start_matches(' ').len();
        // Where each kind of quote ends; a backslash takes what follows it along.
        let mut quote = None;
        let mut before = ' ';
        let mut escaped = false;
        // How many `$(` are open: what stands in one is part of the word.
        let mut within = 0_u32;
        let mut end = self.text.len();
        for (at, c) in self.text[begin..].char_indices() {
            match quote {
                _ if escaped => escaped = false,
                None | Some('$') if c == '\\' => escaped = true,
                None if c == ' ' && within == 0 => {
                    end = begin + at;
                    break;
                }
                None if c == '\'' => quote = Some(if before == '$' { '$' } else { '\'' }),
                Some('\'' | '$') if c == '\'' => quote = None,
                None if c == '(' && (before == '$' || within > 0) => within += 1,
                None if c == ')' && within > 0 => within -= 1,
                _ => {}
            }
            before = c;
        }
        self.at = end;
        Some((&self.text[begin..end], end)).filter(|(word, _)| !word.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{ChosenEnvironment, Piece, Whose, is_command, pieces, split, with_whose};

    fn with_profile(text: &str, profile: &str) -> String {
        let whose = Whose {
            profile: Some(profile.to_owned()),
            environment: None,
        };
        with_whose(text, &whose)
    }

    #[test]
    fn an_environment_is_said_again_with_its_file() {
        let said = |path: &str, profile: Option<&str>, text: &str| {
            let whose = Whose {
                profile: profile.map(str::to_owned),
                environment: Some(ChosenEnvironment {
                    name: "prod".to_owned(),
                    path: path.to_owned(),
                }),
            };
            with_whose(text, &whose)
        };
        for (path, profile, text, wanted) in [
            ("k2m.yaml", None, "k2m deploy", "k2m deploy --env prod"),
            (
                "a b.yaml",
                None,
                "k2m deploy",
                "k2m deploy --config 'a b.yaml' --env prod",
            ),
            (
                "other.yaml",
                Some("ops"),
                "k2m deploy --config other.yaml --yes",
                "k2m deploy --config other.yaml --yes --env prod --profile ops",
            ),
            ("k2m.yaml", None, "k2m plan --env dev", "k2m plan --env dev"),
            (
                "k2m.yaml",
                Some("ops"),
                "k2m status --stack k2m-orders",
                "k2m status --stack k2m-orders --env prod --profile ops",
            ),
            ("k2m.yaml", None, "k2m logs --failed", "k2m logs --failed --env prod"),
            ("k2m.yaml", None, "k2m render", "k2m render --env prod"),
            // Nobody else knows of it.
            (
                "k2m.yaml",
                Some("ops"),
                "aws kafka list-nodes --cluster-arn a",
                "aws kafka list-nodes --cluster-arn a --profile ops",
            ),
            ("k2m.yaml", None, "k2m explain N02", "k2m explain N02"),
        ] {
            assert_eq!(said(path, profile, text), wanted);
        }
    }

    #[test]
    fn commands_say_the_profile_and_sentences_do_not() {
        for (text, wanted) in [
            ("k2m deploy", "k2m deploy --profile prod"),
            (
                "aws sqs receive-message --queue-url https://sqs.x/1/q --region eu-west-1",
                "aws sqs receive-message --queue-url https://sqs.x/1/q --region eu-west-1 --profile prod",
            ),
            (
                "set `topic: a` in k2m.yaml, then k2m deploy",
                "set `topic: a` in k2m.yaml, then k2m deploy --profile prod",
            ),
            (
                "run `k2m deploy --config 'my k2m.yaml'`: it lets go what is left of it",
                "run `k2m deploy --config 'my k2m.yaml' --profile prod`: it lets go what is left of it",
            ),
            (
                "make one in vpc-1: aws kafka create-vpc-connection --vpc-id vpc-1; or put it elsewhere",
                "make one in vpc-1: aws kafka create-vpc-connection --vpc-id vpc-1 --profile prod; or put it elsewhere",
            ),
            ("k2m deploy makes one", "k2m deploy makes one"),
            ("`k2m explain T04` has the steps", "`k2m explain T04` has the steps"),
            ("`K2M_TOPIC`, `aws`", "`K2M_TOPIC`, `aws`"),
            ("kafka-topics.sh --list", "kafka-topics.sh --list"),
            ("k2m plan --profile other", "k2m plan --profile other"),
        ] {
            assert_eq!(with_profile(text, "prod"), wanted);
            assert_eq!(with_whose(text, &Whose::default()), text);
        }
        assert_eq!(with_profile("k2m deploy", "it's"), r"k2m deploy --profile 'it'\''s'");
    }

    #[test]
    fn commands_are_told_from_words() {
        for command in [
            "k2m deploy",
            "k2m deploy --stream arn:aws:kinesis:eu-west-1:123456789012:stream/orders --timeout 60",
            "aws lambda update-function-configuration --function-name orders --environment '{\"Variables\":{\"A\":\"it'\\''s b\"}}' --region eu-west-1",
            "aws logs tail orders --since 1h --region eu-west-1",
            "aws logs tail /k2m/orders --since 1h",
            "aws lambda update-function-configuration --subnet-ids subnet-1 subnet-2 --region eu-west-1",
            "k2m destroy --stack $'a\\033[2J \\' b' --region eu-west-1",
            "kafka-topics.sh --bootstrap-server b-1:9098,b-2:9098 --create --topic orders --partitions 7",
            "aws cloudwatch get-metric-statistics --start-time $(date -u -d '1 hour ago' +%FT%TZ) --end-time $(date -u +%FT%TZ) --query 'sort_by(Datapoints,&Timestamp)[].[Timestamp,Sum]' --output text",
        ] {
            assert!(is_command(command), "{command}");
            assert_eq!(pieces(command), [Piece::Code(command)]);
        }
        for words in [
            "wait until it is ACTIVE",
            "k2m deploy makes one",
            "aws kafka update-connectivity --cluster-arn ARN switches it on; without, k2m deploy looks for another way",
            "to make it last: `timeout: 60` in k2m.yaml",
            "aws",
            "k2m",
            "k2m: what",
            "it's",
            "",
        ] {
            assert!(!is_command(words), "{words}");
        }
    }

    #[test]
    fn a_command_in_a_sentence_is_one_piece() {
        use Piece::{Code, Words};
        for (text, wanted) in [
            (
                "aws kafka update-connectivity --cluster-arn ARN switches it on; without, k2m deploy looks for another way",
                &[
                    Code("aws kafka update-connectivity --cluster-arn ARN"),
                    Words(" switches it on; without, "),
                    Code("k2m deploy"),
                    Words(" looks for another way"),
                ][..],
            ),
            (
                "set `topic: a b` in the pipeline of orders in k2m.yaml, then k2m deploy --config 'my k2m.yaml'",
                &[
                    Words("set "),
                    Code("topic: a b"),
                    Words(" in the pipeline of orders in k2m.yaml, then "),
                    Code("k2m deploy --config 'my k2m.yaml'"),
                ],
            ),
            (
                "put it back (k2m deploy --timeout 60), and wait",
                &[
                    Words("put it back ("),
                    Code("k2m deploy --timeout 60"),
                    Words("), and wait"),
                ],
            ),
            (
                "ask (aws logs tail g --since $(date -d '1 hour ago' +%s)), then wait",
                &[
                    Words("ask ("),
                    Code("aws logs tail g --since $(date -d '1 hour ago' +%s)"),
                    Words("), then wait"),
                ],
            ),
            (
                "a ` alone, or `` with nothing",
                &[Words("a "), Code(" alone, or "), Words("` with nothing")],
            ),
            (
                r#"the filter {"data": {"a": ["x y"]}} passes none, {"data" is no JSON, nor is {} one to copy"#,
                &[
                    Words("the filter "),
                    Code(r#"{"data": {"a": ["x y"]}}"#),
                    Words(" passes none, {\"data\" is no JSON, nor is {} one to copy"),
                ],
            ),
            (
                r#"the filter {"data": {"kind": ["a"]}, "body": ["x…"#,
                &[Words("the filter {\"data\": {\"kind\": [\"a\"]}, \"body\": [\"x…")],
            ),
            ("naïve 注文 `ü`", &[Words("naïve 注文 "), Code("ü")]),
            (
                "ask k2m deploy, then wait",
                &[Words("ask "), Code("k2m deploy"), Words(", then wait")],
            ),
        ] {
            assert_eq!(pieces(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_a_step_ends_with_stands_alone() {
        use Piece::{Code, Words};
        let statement =
            r#"{"Action":["kinesis:GetRecords"],"Effect":"Allow","Resource":"arn:aws:kinesis:::stream/a b"}"#;
        let list = format!("[{statement},{statement}]");
        for (text, words, block) in [
            ("k2m deploy", vec![], Some("k2m deploy")),
            (
                &format!("add to a policy of the role: {statement}"),
                vec![Words("add to a policy of the role: ")],
                Some(statement),
            ),
            (&format!("add: {list}"), vec![Words("add: ")], Some(list.as_str())),
            (
                &format!("add {statement} to it"),
                vec![Words("add "), Code(statement), Words(" to it")],
                None,
            ),
            ("then `k2m deploy`", vec![Words("then "), Code("k2m deploy")], None),
            ("wait", vec![Words("wait")], None),
            ("", vec![], None),
        ] {
            assert_eq!(split(text), (words, block), "{text}");
        }
    }
}

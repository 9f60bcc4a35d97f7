//! The help of the command line: which commands belong together, which flags are the main ones, and examples that work. Pure.

use std::any::TypeId;
use std::ffi::OsString;
use std::fmt::Write as _;

use clap::builder::{PossibleValue, PossibleValuesParser, Styles};
use clap::error::ErrorKind;
use clap::{Arg, Args as _, ColorChoice, CommandFactory as _, FromArgMatches as _};

use crate::args::{Cli, Color, PayloadArgs};
use crate::doctor::{Contents, Entry};
use crate::settings::TABLE;

/// As wide as help gets, however wide the terminal is.
const COLUMNS: usize = 80;

/// Commands by what somebody is up to.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Begin", &["init", "import"]),
    (
        "Look",
        &["inspect", "plan", "render", "status", "logs", "doctor", "explain"],
    ),
    ("Change", &["deploy", "destroy"]),
    ("Local, without AWS", &["run", "demo"]),
    ("This program", &["schema", "completions"]),
];

/// Flags that `-h` shows although they are under a heading: what most calls take.
const MAIN: [&str; 15] = [
    "stream",
    "cluster",
    "bootstrap_servers",
    "topic",
    "create_topic",
    "stack",
    "profile",
    "region",
    "authentication",
    "secret",
    "secret_file",
    "payload",
    "shards",
    "on_failure",
    "probe",
];

/// Examples of commands: what is typed, and what for.
type Examples = &'static [(&'static str, &'static str)];

/// Those of each command, and without a name those of k2m itself.
const EXAMPLES: [(&str, Examples); 16] = [
    (
        "",
        &[
            ("k2m demo", "see it work here, without AWS"),
            ("k2m init", "answer questions, get k2m.yaml"),
            ("k2m plan", "see the way to the brokers, change nothing"),
            ("k2m deploy", "deploy what k2m.yaml says, after a question"),
            ("k2m doctor", "see which hop, right or topic is broken"),
        ],
    ),
    (
        "init",
        &[
            ("k2m init", "ask, show what follows, write k2m.yaml"),
            ("k2m init --stream ARN --cluster ARN", "ask for the rest"),
            (
                "k2m init --yes --stream ARN --cluster ARN",
                "ask nothing, take the defaults, as in a script",
            ),
            ("k2m init --yes --batch-size 500", "change one setting of k2m.yaml"),
            (
                "k2m init --config prod.yaml -o json",
                "another file, and a document for programs",
            ),
        ],
    ),
    (
        "import",
        &[
            ("k2m import --cluster ARN", "the project in this folder"),
            ("k2m import kinesis2msk --cluster ARN", "the one in another folder"),
            (
                "k2m import stack.json --parameter Stage=prod",
                "a template of CloudFormation, with a parameter's value",
            ),
            ("k2m import --mapping OrdersFunction", "one of several functions"),
            (
                "k2m import --stdout -o json",
                "what would be written and why, as one document",
            ),
        ],
    ),
    (
        "inspect",
        &[
            ("k2m inspect", "of the pipelines of k2m.yaml"),
            (
                "k2m inspect -o json > facts.json",
                "keep the facts: plan, render and doctor take them with --facts",
            ),
            (
                "k2m inspect --function kinesis2msk",
                "of a function that k2m did not deploy",
            ),
        ],
    ),
    (
        "plan",
        &[
            ("k2m plan", "of the pipelines of k2m.yaml"),
            (
                "k2m plan --stream ARN --cluster ARN --diagram way.svg",
                "draw the way into a file too",
            ),
            (
                "k2m plan --config k2m.yaml --facts facts.json",
                "without AWS, by what k2m inspect -o json saw",
            ),
        ],
    ),
    (
        "render",
        &[
            ("k2m render > template.yaml", "the stack's template"),
            (
                "k2m render --directory templates",
                "those of network stacks too, a file each",
            ),
            (
                "k2m render --config k2m.yaml --facts facts.json -o json",
                "without AWS, as JSON",
            ),
        ],
    ),
    (
        "doctor",
        &[
            ("k2m doctor", "the pipelines of k2m.yaml"),
            (
                "k2m doctor --stack k2m-orders --region eu-west-1",
                "those of a stack that k2m deployed",
            ),
            (
                "k2m doctor --function kinesis2msk --cluster ARN",
                "a function that k2m did not deploy; it is not invoked",
            ),
            (
                "k2m doctor --stream ARN --cluster ARN",
                "what stands in the way, before anything is deployed",
            ),
            ("k2m doctor --fix", "mend what k2m can, after a question"),
            (
                "k2m doctor --fix --yes --wait 5m",
                "in a script: mend, then look until it is healthy",
            ),
            (
                "k2m doctor --report orders.html --mask",
                "a page to send along, without ids of accounts",
            ),
            (
                "k2m doctor --facts facts.json -o json",
                "without AWS, by what k2m inspect -o json saw",
            ),
        ],
    ),
    (
        "status",
        &[
            ("k2m status", "the pipelines of k2m.yaml's stack"),
            (
                "k2m status --stack k2m-orders --region eu-west-1",
                "those of a stack that k2m deployed",
            ),
            ("k2m status --watch", "again every 30 s, until Ctrl-C"),
            (
                "k2m status --watch 10s --since 15m",
                "more often, with figures of the last 15 minutes",
            ),
            ("k2m status -o json | jq -r .state", "in a script"),
        ],
    ),
    (
        "logs",
        &[
            ("k2m logs", "the last 15 minutes, of k2m.yaml's stack"),
            (
                "k2m logs --stack k2m-orders --region eu-west-1",
                "of a stack that k2m deployed",
            ),
            ("k2m logs --follow", "and what comes, until Ctrl-C"),
            ("k2m logs --failures --since 1d", "only what failed, of the last day"),
            (
                "k2m logs --filter shardId-000000000003",
                "only lines with these words in them",
            ),
            (
                "k2m logs --failures -o json | jq -r .text",
                "in a script: a JSON document a line",
            ),
        ],
    ),
    (
        "explain",
        &[
            ("k2m explain", "list every code"),
            ("k2m explain K2M-N02", "what one means, and what to do"),
            ("k2m explain n02 -o json", "the same for programs"),
        ],
    ),
    (
        "deploy",
        &[
            ("k2m deploy", "what k2m.yaml says, after a question"),
            ("k2m deploy --stream ARN --cluster ARN", "without a file of settings"),
            (
                "k2m deploy --verify",
                "and show then that a record arrives in each topic",
            ),
            (
                "k2m deploy --yes --quiet -o json",
                "in a script: ask nothing, say only the result",
            ),
        ],
    ),
    (
        "destroy",
        &[
            ("k2m destroy", "the stack of k2m.yaml, after a question"),
            (
                "k2m destroy --stack k2m-orders --region eu-west-1",
                "a stack by its name",
            ),
            ("k2m destroy --stream ARN --yes", "in a script"),
        ],
    ),
    (
        "run",
        &[
            (
                "k2m run --topic orders --input examples/orders.jsonl",
                "into an embedded broker",
            ),
            (
                "k2m run --topic orders --bootstrap-servers localhost:9092 < orders.jsonl",
                "into a broker of yours, from a pipe",
            ),
            (
                "k2m run --config k2m.yaml --input records.jsonl -o json",
                "as a pipeline is deployed",
            ),
        ],
    ),
    (
        "demo",
        &[
            ("k2m demo", "10,000 records, into embedded brokers"),
            ("k2m demo --records 1000 -o json", "fewer, for programs"),
        ],
    ),
    (
        "schema",
        &[
            (
                "k2m schema > k2m.schema.json",
                "k2m.yaml then begins with `# yaml-language-server: $schema=k2m.schema.json`",
            ),
            ("k2m schema doctor", "what k2m doctor -o json prints"),
        ],
    ),
    (
        "completions",
        &[
            (
                "k2m completions bash > ~/.local/share/bash-completion/completions/k2m",
                "for the next shells; needs bash-completion",
            ),
            (
                "k2m completions zsh > ~/.zfunc/_k2m",
                "with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc",
            ),
            (
                "k2m completions fish > ~/.config/fish/completions/k2m.fish",
                "for the next shells",
            ),
        ],
    ),
];

/// The command line, with its help as it is shown.
pub fn command() -> clap::Command {
    let mut command = Cli::command().max_term_width(COLUMNS);
    let payload = PayloadArgs::augment_args(clap::Command::new("payload"));
    let payload = payload.get_arguments().map(|arg| arg.get_id().to_string());
    let payload: Vec<String> = payload.chain(["strict_order".to_owned()]).collect();
    // Of a subcommand's flags, `-h` has those without a heading and the main ones; `--help` has all.
    command = command.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let command = command.mut_args(|arg| {
            // What is declared after the settings would be under the last heading of theirs.
            let stray = arg.get_help_heading() == Some("Payload") && !payload.contains(&arg.get_id().to_string());
            let arg = if stray {
                arg.help_heading(None::<&'static str>)
            } else {
                arg
            };
            // It is refused there, with what to do instead.
            let arg = if name == "init" && arg.get_id() == "env" {
                arg.hide(true)
            } else {
                arg
            };
            let hidden = arg.get_help_heading().is_some() && !MAIN.contains(&arg.get_id().as_str());
            arg.hide_short_help(hidden)
        });
        let after = [
            examples(&name),
            command.get_after_help().map(ToString::to_string).unwrap_or_default(),
        ];
        let after = after.iter().filter(|text| !text.is_empty()).cloned();
        let after = after.collect::<Vec<_>>().join("\n\n");
        if after.is_empty() {
            command
        } else {
            command.after_help(after)
        }
    });
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{}\n{{options}}\n\n{}\n\n\
         `k2m COMMAND -h` has a command's main flags, `k2m COMMAND --help` all of them.\n",
        groups(&command),
        heading("Options:"),
        examples("")
    );
    command.help_template(template)
}

/// The command line as shells complete it: without what only k2m itself calls, and with the values of settings, which the command line takes as text.
pub fn completed() -> clap::Command {
    let whole = command();
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set());
    let shown = shown.map(|command| command.clone().mut_args(with_values));
    clap::Command::new("k2m")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(whole.get_arguments().cloned().collect::<Vec<_>>())
        .subcommands(shown)
}

/// An argument with the values that it can have, as far as these are few words.
fn with_values(arg: Arg) -> Arg {
    // What has another type is no setting, or knows its values.
    if arg.get_value_parser().type_id() != TypeId::of::<String>() {
        return arg;
    }
    let values: Vec<PossibleValue> = if arg.get_id() == CODE {
        let all = Contents::all().checks.into_iter();
        all.map(|Entry { code, title }| PossibleValue::new(code).help(title))
            .collect()
    } else {
        let setting = TABLE.iter().find(|row| arg.get_id() == row.name);
        let words = setting.map(|row| row.form.words()).unwrap_or_default();
        words.into_iter().map(PossibleValue::new).collect()
    };
    if values.is_empty() {
        return arg;
    }
    arg.value_parser(PossibleValuesParser::new(values))
}

/// The argument of `k2m explain`.
const CODE: &str = "code";

fn heading(text: &str) -> String {
    let style = Styles::default();
    let style = style.get_header();
    format!("{style}{text}{style:#}")
}

/// The commands, each with its line, by what somebody is up to.
fn groups(command: &clap::Command) -> String {
    let width = command
        .get_subcommands()
        .map(|command| command.get_name().len())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for (title, names) in GROUPS {
        // Writing into a string can't fail.
        let _ = writeln!(text, "{}", heading(&format!("{title}:")));
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {name:width$}  {about}");
        }
        text.push('\n');
    }
    text
}

/// The examples of a command; what does not fit beside one is below it.
fn examples(name: &str) -> String {
    let Some((_, examples)) = EXAMPLES.iter().find(|(of, _)| *of == name) else {
        return String::new();
    };
    let beside = examples.iter().map(|(typed, why)| (typed.len(), why.len()));
    let width = beside.clone().map(|(typed, _)| typed).max().unwrap_or_default();
    let fits = beside.clone().all(|(_, why)| 2 + width + 3 + why <= COLUMNS);
    let mut text = heading("Examples:");
    for (typed, why) in *examples {
        let _ = if fits {
            write!(text, "\n  {typed:width$}   {why}")
        } else {
            write!(text, "\n  {typed}\n      {why}")
        };
    }
    text
}

/// What was typed, as the command line has it.
pub fn parse(typed: &[OsString]) -> Result<Cli, clap::Error> {
    // How help looks costs more than to read a line: it is laid out only where it is shown.
    match Cli::command().try_get_matches_from(typed) {
        Ok(matches) => Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command())),
        Err(error) if error.kind() == ErrorKind::DisplayVersion => Err(error),
        Err(_) => laid_out(typed),
    }
}

fn laid_out(typed: &[OsString]) -> Result<Cli, clap::Error> {
    let colour = match color(typed) {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let mut command = command().color(colour);
    let matches = command.try_get_matches_from_mut(typed)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The value of a flag in what can't be read as a whole, as far as it is certain.
fn value<'a>(typed: &'a [OsString], short: Option<char>, long: &str) -> Option<&'a str> {
    let mut last = None;
    let mut words = typed.iter().skip(1).map(|word| word.to_str().unwrap_or_default());
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if let Some(rest) = word.strip_prefix("--") {
            match rest.split_once('=') {
                Some((name, value)) if name == long => last = Some(value),
                None if rest == long => last = words.next(),
                _ => {}
            }
        } else if let (Some(rest), Some(short)) = (word.strip_prefix('-'), short) {
            // Those before it in the same word take no value.
            let Some((before, value)) = rest.split_once(short) else {
                continue;
            };
            if before.chars().all(|c| "qvy".contains(c)) {
                last = if value.is_empty() {
                    words.next()
                } else {
                    Some(value.strip_prefix('=').unwrap_or(value))
                };
            }
        }
    }
    last
}

fn color(typed: &[OsString]) -> Color {
    match value(typed, None, "color") {
        Some("always") => Color::Always,
        Some("never") => Color::Never,
        _ => Color::Auto,
    }
}

/// Whether a program reads the result, also of what is no command line.
pub fn wants_json(typed: &[OsString]) -> bool {
    value(typed, Some('o'), "output") == Some("json")
}

/// Whether it was help that was asked for, or the version.
pub fn asked_for(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

/// What is wrong with a command line, without clap's headings: the error and what it consists of, and the next steps.
pub fn told(error: &clap::Error) -> (String, Vec<String>) {
    let text = error.render().to_string();
    let mut said = Vec::new();
    let mut next = Vec::new();
    for part in text.split("\n\n") {
        let part = part.trim_end();
        if let Some(tip) = part.trim_start().strip_prefix("tip: ") {
            next.extend(
                tip.lines()
                    .map(|line| line.trim().trim_start_matches("tip: ").to_owned()),
            );
        } else if let Some(help) = part.strip_prefix("For more information, try ") {
            next.push(format!("for more information, try {}", help.trim_end_matches('.')));
        } else if !part.trim_start().starts_with("Usage:") {
            said.push(part.strip_prefix("error: ").unwrap_or(part).to_owned());
        }
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return (
            "no command is given".to_owned(),
            vec!["k2m --help lists the commands".to_owned()],
        );
    }
    (said.join("\n"), next)
}

#[cfg(test)]
mod tests;

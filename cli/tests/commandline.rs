//! The command line as built: examples of help that work, completions that shells take, and a start that needs nothing.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _, pipe};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use k2m::help;
use k2m_testkit::wait_until;

const PATIENCE: Duration = Duration::from_mins(1);
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_ascii_uppercase();
        let ours = ["AWS_", "K2M_", "CLICOLOR"]
            .iter()
            .any(|prefix| upper.starts_with(prefix));
        if ours || upper == "NO_COLOR" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn k2m(folder: &Path, arguments: &[&str]) -> Output {
    bare().current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines that help offers to be typed, of all commands.
fn examples() -> Vec<String> {
    let command = help::command();
    let names = command.get_subcommands().map(|command| command.get_name().to_owned());
    let mut all = Vec::new();
    for name in std::iter::once(String::new()).chain(names) {
        let line: Vec<&str> = ["k2m", &name, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let error = help::command().try_get_matches_from(line).unwrap_err();
        let help = error.render().to_string();
        let typed = help.lines().filter_map(|line| {
            let line = line.strip_prefix("  ").filter(|line| line.starts_with("k2m "))?;
            Some(line.split("   ").next().unwrap_or(line).to_owned())
        });
        all.extend(typed);
    }
    all
}

/// Without what is the shell's, and with something for each word that stands for something.
fn typed(example: &str) -> Vec<OsString> {
    let ours = example.split(['<', '>', '|']).next().unwrap();
    let words = ours.split_whitespace().scan("", |before, word| {
        let value = match (word, *before) {
            ("ARN", "--cluster") => {
                "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-0123-4567-89ab-0123456789ab-1"
            }
            ("ARN", _) => "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
            _ => word,
        };
        *before = word;
        Some(value.into())
    });
    words.collect()
}

#[test]
fn every_example_of_help_is_a_command_line() {
    let all = examples();
    assert!(all.len() >= 30, "{all:?}");
    for example in all {
        if let Err(error) = help::parse(&typed(&example)) {
            panic!("{example}: {error}");
        }
    }
}

#[test]
fn examples_that_need_no_aws_work() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["k2m.yaml", "facts.json"] {
        fs::copy(
            Path::new(EXAMPLES).join("same-vpc").join(name),
            folder.path().join(name),
        )
        .unwrap();
    }
    fs::create_dir(folder.path().join("examples")).unwrap();
    for name in ["examples/orders.jsonl", "records.jsonl"] {
        fs::copy(Path::new(EXAMPLES).join("orders.jsonl"), folder.path().join(name)).unwrap();
    }
    let here = |line: &String| {
        let without = ["k2m run", "k2m demo", "k2m explain", "k2m completions"];
        let remote = line.contains("--bootstrap-servers");
        (without.iter().any(|command| line.starts_with(command)) || line.contains("--facts")) && !remote
    };
    let home = folder.path().join("home");
    for place in [
        ".local/share/bash-completion/completions",
        ".zfunc",
        ".config/fish/completions",
    ] {
        fs::create_dir_all(home.join(place)).unwrap();
    }
    let mut all: Vec<String> = examples().into_iter().filter(here).collect();
    // The demo of 10,000 records has a test of its own.
    all.retain(|line| line != "k2m demo");
    all.dedup();
    assert!(all.len() >= 10, "{all:?}");
    let path = Path::new(env!("CARGO_BIN_EXE_k2m")).parent().unwrap().to_owned();
    for example in all {
        // As it stands, by a shell.
        let output = Command::new("bash")
            .args(["-c", &example])
            .current_dir(folder.path())
            .env("HOME", &home)
            .env("PATH", format!("{}:{}", path.display(), std::env::var("PATH").unwrap()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let code = output.status.code();
        // That something would change, or that nothing is deployed yet, is no failure of the example.
        let fits = match example.split(' ').nth(1) {
            Some("plan") => code == Some(3),
            Some("doctor") => code == Some(1),
            _ => code == Some(0),
        };
        assert!(fits, "{example}: {code:?}\n{}", text(&output.stderr));
    }
}

#[test]
fn shells_take_the_completions() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let output = k2m(folder.path(), &["completions", shell]);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            text(&output.stderr)
        );
        let script = folder.path().join(shell);
        fs::write(&script, &output.stdout).unwrap();
        assert!(text(&output.stdout).contains("starting-position"), "{shell}");
        assert_eq!(
            k2m(folder.path(), &["completions", shell]).stdout,
            output.stdout,
            "{shell}"
        );
        let checked = Command::new(shell).arg(check).arg(&script).output();
        let checked = checked.unwrap_or_else(|error| panic!("{shell}, which scripts/test installs: {error}"));
        assert!(checked.status.success(), "{shell}: {}", text(&checked.stderr));
    }
    // In use: what bash offers after `k2m d` and after `k2m plan --dia`.
    let offered = |words: &str, at: usize| {
        let script = format!(
            "source ./bash; COMP_WORDS=({words}); COMP_CWORD={at}; _k2m k2m \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{}]}}\"; echo \"${{COMPREPLY[*]}}\"",
            at - 1
        );
        let output = Command::new("bash")
            .args(["--norc", "-c", &script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        text(&output.stdout).trim().to_owned()
    };
    assert_eq!(offered("k2m d", 1), "deploy doctor destroy demo");
    assert_eq!(offered("k2m plan --dia", 2), "--diagram");
    // What only k2m itself calls is no command for people.
    assert_eq!(offered("k2m b", 1), "");
    assert_eq!(offered("k2m h", 1), "");
    for (words, expected) in [
        ("k2m plan --authentication ''", "iam tls plaintext scram mutual_tls"),
        ("k2m init --starting-position ''", "TRIM_HORIZON LATEST AT_TIMESTAMP"),
        ("k2m deploy --compression z", "zstd"),
        ("k2m import --on-poison ''", "block divert"),
        ("k2m doctor --architecture ''", "x86_64 arm64"),
        ("k2m render --value ''", "bytes json"),
        ("k2m run --value ''", "bytes json"),
        ("k2m plan --bisect ''", "true false"),
        ("k2m plan --create-topic t", "true"),
        ("k2m run --create-topic t", ""),
    ] {
        assert_eq!(offered(words, 3), expected, "{words}");
    }
    let codes = offered("k2m explain K2M-N0", 2);
    assert!(
        codes.split(' ').any(|code| code == "K2M-N02") && codes.split(' ').all(|code| code.starts_with("K2M-N0")),
        "{codes}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = fs::read_to_string(folder.path().join(shell)).unwrap();
        for hidden in [
            "bootstrap'",
            "k2m,bootstrap",
            "_k2m__bootstrap",
            "'bootstrap",
            "\"bootstrap\"",
            "broker)",
            "'broker",
            "\"broker\"",
            "\"help\"",
        ] {
            assert!(!script.contains(hidden), "{shell} knows {hidden}");
        }
        for known in ["mutual_tls", "AT_TIMESTAMP", "K2M-N02"] {
            assert!(script.contains(known), "{shell} does not know {known}");
        }
    }
    let refused = k2m(folder.path(), &["completions", "tcsh"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("possible values: bash, zsh, fish"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn fish_offers_words_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let script = k2m(folder.path(), &["completions", "fish"]);
    fs::write(folder.path().join("fish"), script.stdout).unwrap();
    for (typed, wanted) in [
        ("k2m explain K2M-N0", "K2M-N02"),
        ("k2m schema ", "doctor"),
        ("k2m plan --authentication ", "iam"),
    ] {
        let script = format!("source ./fish; complete -C '{typed}'");
        let output = Command::new("fish")
            .args(["--no-config", "-c", &script])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .output()
            .unwrap();
        let offered = text(&output.stdout);
        assert!(
            offered.lines().any(|line| line.split('\t').next() == Some(wanted)),
            "{typed}: {offered}{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn values_that_are_offered_are_not_demanded() {
    let folder = tempfile::tempdir().unwrap();
    // What a setting can be is the settings' to judge.
    let arguments = [
        "plan",
        "--stream",
        STREAM,
        "--cluster",
        CLUSTER,
        "--authentication",
        "magic",
    ];
    let taken = k2m(folder.path(), &arguments);
    assert!(
        text(&taken.stderr).contains("invalid value `magic` for --authentication: give iam, tls"),
        "{}",
        text(&taken.stderr)
    );
}

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3";

#[test]
fn a_file_with_a_byte_order_mark_is_changed_in_place_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let old = format!("\u{feff}stream: {STREAM}\ncluster: {CLUSTER}\ntopic: orders\n");
    fs::write(folder.path().join("b.yaml"), &old).unwrap();
    let written = k2m(
        folder.path(),
        &[
            "init",
            "--yes",
            "--config",
            "b.yaml",
            "--batch-size",
            "5",
            "--tags",
            "team=payments,cost-center=42",
        ],
    );
    // Nobody could look at AWS.
    assert_eq!(written.status.code(), Some(4), "{}", text(&written.stderr));
    let new = fs::read_to_string(folder.path().join("b.yaml")).unwrap();
    assert!(new.starts_with(&old) && new.contains("batch_size: 5\n"), "{new}");
    // A mapping, as a hand would write it.
    assert!(
        new.contains("tags:\n  cost-center: '42'\n  team: payments\n") || new.contains("cost-center: \"42\""),
        "{new}"
    );
    let read = k2m(folder.path(), &["plan", "--config", "b.yaml", "--facts", "none.json"]);
    assert!(text(&read.stderr).contains("none.json"), "{}", text(&read.stderr));
    assert_eq!(read.status.code(), Some(66), "{}", text(&read.stderr));
}

#[test]
fn init_has_no_environment_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let help = k2m(folder.path(), &["init", "--help"]);
    assert!(!text(&help.stdout).contains("--env"), "{}", text(&help.stdout));
    let refused = k2m(folder.path(), &["init", "--env", "prod"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("--env names an environment"),
        "{}",
        text(&refused.stderr)
    );
    let ignored = bare()
        .current_dir(folder.path())
        .env("K2M_ENV", "prod")
        .args(["init", "--yes", "--stream", STREAM, "--cluster", CLUSTER])
        .output()
        .unwrap();
    assert!(
        text(&ignored.stderr).contains("warning: K2M_ENV names the environment prod, which counts nothing here"),
        "{}",
        text(&ignored.stderr)
    );
}

#[test]
fn help_that_cannot_be_written_is_an_error_unless_nobody_reads_it() {
    for arguments in [&["--help"][..], &["--version"], &["plan", "-h"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = bare().args(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(74), "{arguments:?}");
        assert!(
            text(&output.stderr).starts_with("error: failed to write to standard output: "),
            "{}",
            text(&output.stderr)
        );
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = bare().args(arguments).stdout(writer).output().unwrap();
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(0), String::new()),
            "{arguments:?}"
        );
    }
}

#[test]
fn an_error_shows_what_was_written_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let arns = format!("stream: {STREAM}\ncluster: {CLUSTER}\n");
    for (file, wanted) in [
        (
            "tags: {aws:x: y}\n",
            "`{\"aws:x\":\"y\"}` for tags: the tag `aws:x` is AWS's own to set",
        ),
        ("subnets: []\n", "for subnets: the list is empty; give ids such as"),
    ] {
        fs::write(folder.path().join("k2m.yaml"), format!("{arns}{file}")).unwrap();
        let refused = k2m(folder.path(), &["plan"]);
        assert!(text(&refused.stderr).contains(wanted), "{}", text(&refused.stderr));
        assert_eq!(refused.status.code(), Some(2));
    }
    fs::write(folder.path().join("k2m.yaml"), arns).unwrap();
    for (document, is) in [
        ("[]", "an array"),
        ("3", "a number"),
        ("{}", "an object without one"),
        ("{\"schema\": \"2\"}", "an object without one"),
    ] {
        fs::write(folder.path().join("facts.json"), document).unwrap();
        let refused = k2m(folder.path(), &["plan", "--facts", "facts.json"]);
        let wanted =
            format!("facts.json holds no facts: they are a JSON object with a number as `schema`, and this is {is}; ");
        assert!(text(&refused.stderr).contains(&wanted), "{}", text(&refused.stderr));
        assert_eq!(refused.status.code(), Some(2));
    }
    let place = k2m(
        folder.path(),
        &[
            "init",
            "--yes",
            "--config",
            "no/such.yaml",
            "--stream",
            STREAM,
            "--cluster",
            CLUSTER,
            "-o",
            "json",
        ],
    );
    let failure: serde_json::Value = serde_json::from_slice(&place.stdout).unwrap();
    assert!(
        failure["next"][0]
            .as_str()
            .unwrap()
            .starts_with("name a place with --config"),
        "{failure}"
    );
}

/// The number of the call that writes: where a process waits for its reader.
#[cfg(target_arch = "x86_64")]
const WRITE: &str = "1 0x1 ";
#[cfg(not(target_arch = "x86_64"))]
const WRITE: &str = "64 0x1 ";

/// What a process has open.
fn opened(process: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(process.join("fd")).unwrap();
    all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

/// What only says something is looked at while it says it: no thread beside its first, no socket, no file, and no `k2m.yaml` or configuration of AWS's that
/// was opened on the way, for these are pipes that nobody writes into.
#[test]
fn what_only_says_something_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lure = folder.path().join("k2m.yaml");
    assert!(Command::new("mkfifo").arg(&lure).status().unwrap().success());
    for arguments in [
        &["--version"][..],
        &["--help"],
        &["deploy", "--help"],
        &["explain"],
        &["explain", "N02", "-o", "json"],
        &["completions", "bash"],
    ] {
        let (mut reader, writer) = pipe().unwrap();
        // Full to the brim, by somebody who goes on as soon as there is room.
        let mut filler = writer.try_clone().unwrap();
        let filling = std::thread::spawn(move || filler.write_all(&vec![0; 4 << 20]).unwrap());
        let mut child = bare()
            .args(arguments)
            .current_dir(folder.path())
            .env("AWS_CONFIG_FILE", &lure)
            .env("AWS_SHARED_CREDENTIALS_FILE", &lure)
            .stdout(writer)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let process = Path::new("/proc").join(child.id().to_string());
        wait_until("it writes", PATIENCE, || {
            let call = fs::read_to_string(process.join("syscall")).unwrap_or_default();
            Ok(call.starts_with(WRITE))
        })
        .unwrap();
        let threads = fs::read_dir(process.join("task")).unwrap().count();
        // What this process was given itself, it may have passed on.
        let ours = opened(Path::new("/proc/self"));
        let open: Vec<_> = opened(&process)
            .into_iter()
            .filter(|place| !ours.contains(place))
            .collect();
        let mut said = Vec::new();
        reader.read_to_end(&mut said).unwrap();
        filling.join().unwrap();
        assert!(child.wait().unwrap().success(), "{arguments:?}");
        assert_eq!((threads, open.len()), (1, 0), "{arguments:?}: {open:?}");
        said.retain(|byte| *byte != 0);
        assert!(text(&said).len() > 5, "{arguments:?}");
    }
}

#[test]
fn colours_of_help_are_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let coloured = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = bare();
        let output = command
            .current_dir(folder.path())
            .args(arguments)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        text(&output.stdout).contains('\u{1b}') || text(&output.stderr).contains('\u{1b}')
    };
    let help = ["plan", "--help"];
    assert!(!coloured(&help, &[]));
    assert!(!coloured(&help, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(coloured(&help, &[("CLICOLOR_FORCE", "1")]));
    assert!(coloured(&["plan", "--help", "--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!coloured(
        &["plan", "--help", "--color=never"],
        &[("CLICOLOR_FORCE", "1")]
    ));
    assert!(coloured(&["--color", "always", "plan", "--nonsense"], &[]));
    // The way that plan draws.
    let offline = |colour: &'static str| {
        let facts = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/same-vpc/facts.json");
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/same-vpc/k2m.yaml");
        ["plan", "--config", config, "--facts", facts, "--color", colour]
    };
    assert!(coloured(&offline("always"), &[]));
    assert!(!coloured(&offline("auto"), &[("TERM", "xterm")]));
    assert!(coloured(&offline("auto"), &[("CLICOLOR_FORCE", "1")]));
}

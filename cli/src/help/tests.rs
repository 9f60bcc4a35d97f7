use super::*;

fn typed(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}

/// Every help there is, by what shows it, as plain text.
fn helps() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut names = vec![String::new()];
    let command_line = command();
    let shown = command_line.get_subcommands().filter(|command| !command.is_hide_set());
    names.extend(shown.map(|command| command.get_name().to_owned()));
    for name in names {
        for flag in ["-h", "--help"] {
            let line = format!("k2m {name} {flag}");
            let error = command().try_get_matches_from(typed(&line)).unwrap_err();
            assert!(asked_for(&error), "{line}: {error}");
            all.push((line, error.render().to_string()));
        }
    }
    all
}

#[test]
fn help_fits_in_80_columns() {
    for (line, help) in helps() {
        for (number, text) in help.lines().enumerate() {
            let wide = text.chars().count();
            assert!(wide <= COLUMNS, "{line}:{number} has {wide} columns: {text}");
        }
    }
}

#[test]
fn a_summary_is_one_line() {
    for command in command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let about = command.get_about().unwrap().to_string();
        assert!(
            about.len() <= 65 && !about.contains('\n'),
            "{}: {about}",
            command.get_name()
        );
    }
}

#[test]
fn every_command_that_is_shown_is_in_one_group_and_has_examples() {
    let command = command();
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    let mut shown: Vec<&str> = shown.map(clap::Command::get_name).collect();
    let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    shown.sort_unstable();
    grouped.sort_unstable();
    assert_eq!(shown, grouped);
    for name in shown {
        let help = command
            .find_subcommand(name)
            .unwrap()
            .clone()
            .render_long_help()
            .to_string();
        let count = help.lines().filter(|line| line.starts_with("  k2m ")).count();
        assert!(count >= 2, "{name} has {count} examples:\n{help}");
    }
}

#[test]
fn the_short_help_of_a_command_fits_on_a_screen() {
    for (line, help) in helps() {
        let lines = help.lines().count();
        assert!(!line.ends_with("-h") || lines <= 85, "{line}: {lines} lines\n{help}");
    }
}

#[test]
fn flags_are_read_out_of_what_is_no_command_line() {
    for (line, json) in [
        ("k2m plan -o json --nonsense", true),
        ("k2m plan -ojson", true),
        ("k2m plan -o=json", true),
        ("k2m plan --output json", true),
        ("k2m plan --output=json", true),
        ("k2m deploy -yo json", true),
        ("k2m deploy -qyojson", true),
        ("k2m -o json nonsense", true),
        ("k2m plan", false),
        ("k2m plan -o human", false),
        ("k2m plan -o", false),
        ("k2m plan -- -o json", false),
        ("k2m plan --out json", false),
        ("k2m plan --topic -o", false),
        ("k2m plan -xo json", false),
        ("k2m plan -o json -o human", false),
    ] {
        assert_eq!(wants_json(&typed(line)), json, "{line}");
    }
    for (line, expected) in [
        ("k2m plan --color never", Color::Never),
        ("k2m --color=always plan", Color::Always),
        ("k2m plan --color", Color::Auto),
        ("k2m plan --color green", Color::Auto),
        ("k2m plan", Color::Auto),
    ] {
        assert_eq!(color(&typed(line)), expected, "{line}");
    }
}

#[test]
fn what_is_wrong_is_told_apart_from_the_next_step() {
    let mut text = String::new();
    for line in [
        "k2m",
        "k2m deplyo",
        "k2m deploy --straem x",
        "k2m deploy --quiet --verbose",
        "k2m plan -o yaml",
        "k2m explain a b",
        "k2m completions tcsh",
        "k2m run --topic",
    ] {
        let error = parse(&typed(line)).unwrap_err();
        let (said, next) = told(&error);
        assert!(!said.is_empty() && !next.is_empty(), "{line}: {said:?} {next:?}");
        let _ = writeln!(text, "== {line}\n{said}\nnext: {}", next.join("\nnext: "));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_k2m_says_of_itself() {
    let short = helps().into_iter().filter(|(line, _)| line.ends_with(" -h"));
    let text: String = short.fold(String::new(), |text, (line, help)| {
        text + "== " + &line + "\n" + &help + "\n"
    });
    insta::assert_snapshot!(text);
}

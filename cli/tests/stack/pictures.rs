//! The pictures of a terminal that both READMEs show: what `k2m deploy` and `k2m doctor` print, in their colours.

use std::path::PathBuf;
use std::process::Command;

use k2m_testkit::Terminal;
use regex_lite::Regex;

use crate::driver::Account;
use crate::terminal::{ended, sit};

const COLUMNS: u16 = 84;

#[test]
fn readmes_show_what_is_printed() {
    let account = Account::new(&["orders"]);
    let [_, stream, _, cluster] = account.ends("orders");
    std::fs::write(
        account.file("k2m.yaml"),
        format!("stream: {stream}\ncluster: {cluster}\ntopic: orders\ncreate_topic: true\n"),
    )
    .unwrap();

    let mut terminal = sit(&in_colours(account.k2m(&["deploy"])), COLUMNS);
    terminal.wait_for("[y/N]").unwrap();
    terminal.type_at_once("y\r").unwrap();
    ended(&mut terminal, 0);
    terminal.wait_for("records can flow").unwrap();
    let (from, to) = ("the stack k2m-orders in", "k2m-orders in eu-west-1 is created");
    is_shown("terminal-deploy.svg", &terminal, "k2m deploy", [from, to]);

    account.ask(&["break_ingress", &account.group, "k2m-orders"]);
    let mut terminal = sit(&in_colours(account.k2m(&["doctor"])), COLUMNS);
    ended(&mut terminal, 1);
    terminal.wait_for("time is shorter").unwrap();
    is_shown(
        "terminal-doctor.svg",
        &terminal,
        "k2m doctor",
        ["Broken:", "time is shorter"],
    );
}

fn in_colours(mut command: Command) -> Command {
    command.env_remove("NO_COLOR");
    command
}

/// With `K2M_UPDATE_DOCS=1` it draws it anew instead. Ids, ports and times are others each time, and so is the order of subnets, which goes by their ids.
fn is_shown(name: &str, terminal: &Terminal, typed: &str, [from, to]: [&str; 2]) {
    let picture = terminal
        .picture(&format!("{typed} at a terminal"), typed, from, to)
        .unwrap();
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "docs", "pictures", name]
        .iter()
        .collect();
    if std::env::var_os("K2M_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &picture).unwrap();
        return;
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        same(&there) == same(&picture),
        "{}: K2M_UPDATE_DOCS=1 draws it anew; now it would be\n{picture}",
        path.display()
    );
}

fn same(picture: &str) -> String {
    let others = [
        (r"\b(acl|rtb|subnet|sg|sgr|vpc)-[0-9a-f]{8,17}\b", "$1-id"),
        (r"\b10\.0\.\d\.0/24\b", "10.0.n.0/24"),
        (r"\btcp \d{5}\b", "tcp port"),
        (r"Port&quot;:\d{5}", "Port&quot;:port"),
        (r">\d:\d\d<", ">t:tt<"),
    ];
    let blank = |picture: String, (pattern, instead): (&str, &str)| {
        Regex::new(pattern).unwrap().replace_all(&picture, instead).into_owned()
    };
    others.into_iter().fold(picture.to_owned(), blank)
}

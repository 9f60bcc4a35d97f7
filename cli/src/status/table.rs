//! The status as people see it: a line a pipeline, and under it what is to be said of each. Narrow, it fits 80 columns; with more room names are whole and figures exact.

use super::{Figure, Pipeline, State, Status};
use crate::doctor::history::lasting_ms;
use crate::picture::text::{clean, column, columns, wrap};
use crate::report::Screen;

/// With so many columns there is room for all of it.
const WIDE: usize = 140;
/// The narrowest that lines are made; a narrower terminal breaks them itself.
const NARROWEST: usize = 72;
/// Between two columns of the table.
const GAP: usize = 2;
/// Longest topics and results where there is room, and shortest of what is shortened.
const LONGEST: usize = 32;
const SHORTEST: usize = 12;

/// A column: its head, its cells, and whether they stand at its right end.
struct Column {
    head: &'static str,
    right: bool,
    cells: Vec<String>,
}

/// Lays the status out. It ends with a line end.
pub fn laid_out(status: &Status, screen: Screen) -> String {
    let width = screen.columns.map(|columns| columns.max(NARROWEST));
    let mut text = head(status) + "\n\n";
    text += &table(status, width, screen.colour);
    text.push('\n');
    for pipeline in &status.pipelines {
        let mark = format!("{}: ", clean(&pipeline.name));
        text += &sentence(&mark, pipeline.state, &clean(&pipeline.why), width, screen.colour);
    }
    if status.pipelines.len() > 1 {
        text += &sentence("", status.state, &clean(&status.why), width, screen.colour);
    }
    if let Some(next) = &status.next {
        // A command is never broken: the terminal does that, and what is copied is whole.
        text.extend(["next: ", &clean(next), "\n"]);
    }
    text
}

fn head(status: &Status) -> String {
    let minutes = u64::from(status.minutes) * 60;
    format!(
        "{} in {}, {}, figures of the last {}",
        clean(&status.stack),
        clean(&status.region),
        time(&status.taken_at),
        crate::doctor::history::lasting(minutes)
    )
}

/// A time without what is less than a second.
fn time(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{}Z", clean(seconds)),
        None => clean(time),
    }
}

fn table(status: &Status, width: Option<usize>, colour: bool) -> String {
    let wide = width.is_none_or(|width| width >= WIDE);
    let mut table = if wide { whole(status) } else { short(status) };
    if let Some(width) = width {
        fit(&mut table, width);
    }
    let widths: Vec<usize> = table.iter().map(Column::width).collect();
    let mut text = String::new();
    let heads: Vec<String> = table.iter().map(|column| column.head.to_owned()).collect();
    text += &line(&table, &widths, &heads, None);
    for (number, pipeline) in status.pipelines.iter().enumerate() {
        let cells: Vec<String> = table
            .iter()
            .map(|column| column.cells.get(number).cloned().unwrap_or_default())
            .collect();
        text += &line(&table, &widths, &cells, colour.then_some(pipeline.state));
    }
    text
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| columns(cell));
        cells.chain([columns(self.head)]).max().unwrap_or_default()
    }
}

/// Makes what can be shortened as short as the table needs, the names of the pipelines last.
fn fit(table: &mut [Column], width: usize) {
    for head in [TOPIC, RESULT, NAME] {
        let all: usize = table.iter().map(|column| column.width() + GAP).sum();
        let over = all.saturating_sub(GAP).saturating_sub(width);
        let column = table.iter_mut().find(|column| column.head == head);
        let Some(column) = column.filter(|_| over > 0) else {
            continue;
        };
        let least = if head == NAME { columns(head) } else { SHORTEST };
        let room = column.width().saturating_sub(over).max(least);
        for cell in &mut column.cells {
            *cell = shortened(cell, room);
        }
    }
}

/// The beginning and the end of a text that is longer than that.
fn shortened(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let take = |characters: &mut dyn Iterator<Item = char>, room: usize| -> Vec<char> {
        let mut at = 0;
        characters
            .take_while(|c| {
                at += column(*c);
                at <= room
            })
            .collect()
    };
    let room = most.saturating_sub(1);
    let begin = take(&mut text.chars(), room.div_ceil(2));
    let end = take(&mut text.chars().rev(), room / 2);
    begin.into_iter().chain(['…']).chain(end.into_iter().rev()).collect()
}

fn line(table: &[Column], widths: &[usize], cells: &[String], state: Option<State>) -> String {
    let mut line = String::new();
    for ((column, width), cell) in table.iter().zip(widths).zip(cells) {
        let space = " ".repeat(width.saturating_sub(columns(cell)));
        let shown = match state.filter(|_| column.head == STATE) {
            Some(state) => painted(state, cell),
            None => cell.clone(),
        };
        line += &if column.right { space + &shown } else { shown + &space };
        line += &" ".repeat(GAP);
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

fn painted(state: State, text: &str) -> String {
    let code = match state {
        State::Healthy => "32",
        State::Unknown | State::Behind => "33",
        State::Stopped | State::Failing => "1;31",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Whose sentence, the state in a word, and why; what doesn't fit goes on below.
fn sentence(mark: &str, state: State, why: &str, width: Option<usize>, colour: bool) -> String {
    let word = match state {
        State::Unknown => "cannot tell",
        state => state.word(),
    };
    let begin = columns(mark) + columns(word) + 2;
    let why = capital(why) + ".";
    let lines = match width {
        Some(width) => wrap(&why, width.saturating_sub(begin).max(1), width - 2, column),
        None => vec![why],
    };
    // Without a name before it the word begins the sentence.
    let word = if mark.is_empty() {
        capital(word)
    } else {
        word.to_owned()
    };
    let word = if colour { painted(state, &word) } else { word };
    format!("{mark}{word}. {}\n", lines.join("\n  "))
}

/// With a capital letter at its beginning, where that is an ASCII one.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}

const NAME: &str = "PIPELINE";
const TOPIC: &str = "TOPIC";
const STATE: &str = "STATE";
const RESULT: &str = "LAST RESULT";

fn of(head: &'static str, right: bool, status: &Status, cell: impl Fn(&Pipeline) -> String) -> Column {
    Column {
        head,
        right,
        cells: status.pipelines.iter().map(cell).collect(),
    }
}

/// A figure out of the metrics.
fn metric(pipeline: &Pipeline, figure: Option<u64>, shown: fn(u64) -> String) -> String {
    shown_as(pipeline.figure(figure, "metrics"), shown)
}

fn shown_as(figure: Figure, shown: fn(u64) -> String) -> String {
    match figure {
        Figure::Is(figure) => shown(figure),
        Figure::None => "-".to_owned(),
        Figure::Unread => "?".to_owned(),
    }
}

fn short(status: &Status) -> Vec<Column> {
    vec![
        of(NAME, false, status, |one| clean(&one.name)),
        of(STATE, false, status, |one| one.state.word().to_owned()),
        of("AGE", true, status, |one| metric(one, one.iterator_age_ms, lasting_ms)),
        of("IN", true, status, |one| metric(one, one.records_in, rounded)),
        of("OUT", true, status, |one| metric(one, one.records_out, rounded)),
        of("ERR", true, status, |one| metric(one, one.errors, rounded)),
        of("THR", true, status, |one| metric(one, one.throttles, rounded)),
        of("LONGEST", true, status, |one| metric(one, one.longest_ms, lasting_ms)),
        of("LEFT", true, status, |one| {
            shown_as(one.figure(one.waiting, "waiting"), rounded)
        }),
    ]
}

fn whole(status: &Status) -> Vec<Column> {
    let text = |text: Option<&String>, unread: bool| match text {
        Some(text) => shortened(&clean(text), LONGEST),
        None if unread => "?".to_owned(),
        None => "-".to_owned(),
    };
    vec![
        of(NAME, false, status, |one| clean(&one.name)),
        of(TOPIC, false, status, |one| text(one.topic.as_ref(), false)),
        of(STATE, false, status, |one| one.state.word().to_owned()),
        of("MAPPING", false, status, |one| {
            text(one.mapping.as_ref(), one.is_unread("mapping"))
        }),
        of(RESULT, false, status, |one| {
            text(one.last_result.as_ref(), one.is_unread("mapping"))
        }),
        of("AGE", true, status, |one| metric(one, one.iterator_age_ms, lasting_ms)),
        of("IN", true, status, |one| metric(one, one.records_in, exact)),
        of("OUT", true, status, |one| metric(one, one.records_out, exact)),
        of("ERRORS", true, status, |one| metric(one, one.errors, exact)),
        of("THROTTLED", true, status, |one| metric(one, one.throttles, exact)),
        of("LONGEST", true, status, |one| metric(one, one.longest_ms, lasting_ms)),
        of("LEFT", true, status, |one| {
            shown_as(one.figure(one.waiting, "waiting"), exact)
        }),
    ]
}

/// A number with commas between its thousands.
fn exact(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in five characters: it is rounded down, so that no thousand is there that isn't.
fn rounded(number: u64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    if number < 10_000 {
        return number.to_string();
    }
    let (mut whole, mut rest, mut unit) = (number, 0, 0);
    while whole >= 1000 {
        rest = whole % 1000;
        whole /= 1000;
        unit += 1;
    }
    if whole < 100 {
        format!("{whole}.{}{}", rest / 100, UNITS[unit])
    } else {
        format!("{whole}{}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_five_characters_or_are_exact() {
        for (number, short, long) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (9_999, "9999", "9,999"),
            (10_000, "10.0k", "10,000"),
            (99_999, "99.9k", "99,999"),
            (100_000, "100k", "100,000"),
            (1_234_567, "1.2M", "1,234,567"),
            (u64::MAX, "18.4E", "18,446,744,073,709,551,615"),
        ] {
            assert_eq!((rounded(number).as_str(), exact(number).as_str()), (short, long));
        }
    }

    #[test]
    fn a_long_name_keeps_its_ends() {
        assert_eq!(shortened("orders", 6), "orders");
        assert_eq!(shortened("orders-of-eu", 7), "ord…-eu");
        assert_eq!(shortened("注文注文注文", 6), "注…文");
        assert_eq!(shortened("orders", 1), "…");
    }
}

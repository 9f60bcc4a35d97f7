//! How a line of a log is shown: to people in a sentence, to programs as a document. Pure.

use jiff::Timestamp;
use serde::Serialize;

use super::line::read;
use super::port::Event;
use super::{Level, Said};
use crate::picture::text::clean;
use crate::report::{Screen, hanging, printable};

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Those with this text in them, as they were written or as they are shown; capitals and small letters are the same.
    pub filter: Option<&'a str>,
    /// Those that tell of a failure.
    pub failures: bool,
    /// Also those that say nothing more.
    pub all: bool,
}

/// A line, as programs get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When it was written, RFC 3339.
    pub time: String,
    /// The name of the stream whose function wrote it.
    pub pipeline: String,
    /// How bad it is.
    pub level: Level,
    /// What it says, in a sentence.
    pub text: String,
    /// The line itself.
    pub line: String,
}

/// A line of a pipeline's function; none where it is not wanted.
pub fn line(pipeline: &str, event: &Event, wanted: Wanted<'_>) -> Option<Line> {
    let Said {
        level,
        text,
        is_chatter,
    } = read(&event.message);
    let left_out = (is_chatter && !wanted.all) || (wanted.failures && !level.is_failure());
    let has = |filter: &str| {
        let filter = filter.to_lowercase();
        [&text, &event.message]
            .iter()
            .any(|text| text.to_lowercase().contains(&filter))
    };
    if left_out || !wanted.filter.is_none_or(has) {
        return None;
    }
    Some(Line {
        time: time(event.at),
        pipeline: pipeline.to_owned(),
        level,
        text,
        line: event.message.trim_end_matches(['\n', '\r']).to_owned(),
    })
}

/// The line for a terminal, with its line end: what is in it steers nothing, and begins no line that looks like another. `room` is that for the pipeline's name,
/// where several are shown. On a terminal it is broken between words, and goes on below them.
pub fn for_people(line: &Line, room: Option<usize>, Screen { columns, colour }: Screen) -> String {
    let paint = |code: &str, text: &str| {
        if colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    };
    let name = room.map_or_else(String::new, |room| format!("{:room$}  ", clean(&line.pipeline)));
    let word = format!("{:5}", line.level.word());
    let introduction = format!("{}  {name}{word}  ", line.time);
    let word = match line.level {
        Level::Debug => paint("2", &word),
        Level::Info => word,
        Level::Warn => paint("33", &word),
        Level::Error => paint("1;31", &word),
    };
    let text = printable(&line.text);
    let mut lines = text.split('\n').enumerate().map(|(number, text)| {
        let before = if number == 0 { introduction.as_str() } else { "    " };
        match columns {
            Some(columns) => hanging(before, text, columns.saturating_sub(1)),
            None => format!("{before}{text}"),
        }
    });
    let first = lines.next().unwrap_or_default();
    let said = match first.strip_prefix(&introduction) {
        Some(beside) => format!("  {beside}"),
        // Below it.
        None => first
            .strip_prefix(introduction.trim_end())
            .unwrap_or_default()
            .to_owned(),
    };
    let rest: String = lines.flat_map(|line| ["\n".to_owned(), line]).collect();
    format!("{}  {name}{word}{said}{rest}\n", paint("2", &line.time))
}

/// Milliseconds since 1970, as RFC 3339 has it. What is no time of this world is shown as it is.
fn time(milliseconds: i64) -> String {
    match Timestamp::from_millisecond(milliseconds) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => milliseconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> Event {
        Event {
            id: "1".to_owned(),
            at: 1_767_323_045_678,
            ingested: 1_767_323_046_000,
            message: message.to_owned(),
        }
    }

    const PIPE: Screen = Screen {
        columns: None,
        colour: false,
    };
    const DELIVERED: &str = r#"{"timestamp":"t","level":"INFO","records":5,"messages":5,"acknowledged":5,"failures":0,"milliseconds":3,"message":"invocation"}"#;
    const REFUSED: &str = r#"{"timestamp":"t","level":"WARN","records":5,"messages":5,"acknowledged":0,"failures":5,"milliseconds":3,"reason":"the Topic is gone","message":"invocation"}"#;
    const START: &str = "START RequestId: 1 Version: $LATEST";

    #[test]
    fn only_what_is_wanted_is_shown() {
        let filter = |filter| Wanted {
            filter: Some(filter),
            ..Wanted::default()
        };
        let failures = Wanted {
            failures: true,
            ..Wanted::default()
        };
        let all = Wanted {
            all: true,
            ..Wanted::default()
        };
        for (wanted, message, shown) in [
            (Wanted::default(), DELIVERED, true),
            (Wanted::default(), START, false),
            (all, START, true),
            (failures, DELIVERED, false),
            (failures, REFUSED, true),
            (failures, "Task timed out after 3.00 seconds", true),
            (failures, "hello", false),
            (Wanted { failures: true, ..all }, START, false),
            // As it is shown, as it was written, and not at all.
            (filter("DELIVERED 5 records"), DELIVERED, true),
            (filter("\"acknowledged\":5"), DELIVERED, true),
            (filter("the topic is"), REFUSED, true),
            (filter("clicks"), REFUSED, false),
            (filter("START"), START, false),
        ] {
            assert_eq!(
                line("orders", &event(message), wanted).is_some(),
                shown,
                "{wanted:?} {message}"
            );
        }
    }

    #[test]
    fn what_people_see_and_what_programs_get() {
        let line = |message: &str| line("orders", &event(message), Wanted::default()).unwrap();
        let refused = line(REFUSED);
        assert_eq!(
            for_people(&refused, None, PIPE),
            "2026-01-02T03:04:05.678Z  warn   delivered none of 5 records in 3 ms: the Topic is gone\n"
        );
        assert_eq!(
            for_people(&refused, Some(8), Screen { colour: true, ..PIPE }),
            "\u{1b}[2m2026-01-02T03:04:05.678Z\u{1b}[0m  orders    \u{1b}[33mwarn \u{1b}[0m  delivered none of 5 records in 3 ms: the Topic is gone\n"
        );
        assert_eq!(
            serde_json::to_value(&refused).unwrap(),
            serde_json::json!({
                "time": "2026-01-02T03:04:05.678Z", "pipeline": "orders", "level": "warn",
                "text": "delivered none of 5 records in 3 ms: the Topic is gone", "line": REFUSED,
            })
        );
    }

    #[test]
    fn a_terminal_breaks_no_word() {
        let refused = line("orders", &event(REFUSED), Wanted::default()).unwrap();
        let on = |columns, room, colour| {
            let columns = Some(columns);
            for_people(&refused, room, Screen { columns, colour })
        };
        assert_eq!(
            on(70, None, false),
            "2026-01-02T03:04:05.678Z  warn   delivered none of 5 records in 3 ms:\n                                 the Topic is gone\n"
        );
        // Beside a wide name there is no room.
        assert_eq!(
            on(70, Some(12), true),
            "\u{1b}[2m2026-01-02T03:04:05.678Z\u{1b}[0m  orders        \u{1b}[33mwarn \u{1b}[0m\n    delivered none of 5 records in 3 ms: the Topic is gone\n"
        );
        assert_eq!(on(200, None, false), for_people(&refused, None, PIPE));
    }

    #[test]
    fn nothing_in_a_line_reaches_the_terminal_as_it_is() {
        let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}red\u{9b}31m\r2026-01-02T03:04:05.678Z  info\n2026-01-02T03:04:06.000Z  info   all is well\u{202e}";
        let json = serde_json::json!({"timestamp": "t", "level": "WARN", "reason": hostile, "message": "invocation", "shard": hostile, "sequenceNumber": hostile});
        for message in [hostile.to_owned(), json.to_string()] {
            let shown = line("orders", &event(&message), Wanted::default()).unwrap();
            let narrow = Screen {
                columns: Some(60),
                ..PIPE
            };
            for text in [for_people(&shown, None, PIPE), for_people(&shown, None, narrow)] {
                assert!(
                    text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'),
                    "{text:?}"
                );
                let lines: Vec<&str> = text.lines().collect();
                assert!(
                    lines.len() > 1 && lines[1..].iter().all(|line| line.starts_with("    ")),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn every_document_fits_its_schema() {
        let wrong = |document: &serde_json::Value| k2m_testkit::schema::misfits("logs", document);
        let all = Wanted {
            all: true,
            ..Wanted::default()
        };
        for message in [DELIVERED, REFUSED, START, "[ERROR] no", "", "\u{1b}[2J"] {
            let line = line("orders", &event(message), all).unwrap();
            assert_eq!(wrong(&serde_json::to_value(line).unwrap()), None, "{message}");
        }
        assert_eq!(
            wrong(&serde_json::json!({"kind": "aws", "causes": [], "next": [], "error": "no", "exit_code": 4})),
            None
        );
        for document in [
            serde_json::json!({"kind": "aws", "causes": [], "next": [], "error": "no", "exit_code": 0}),
            serde_json::json!({"time": "t", "pipeline": "p", "level": "bad", "text": "", "line": ""}),
            serde_json::json!({"time": "t", "level": "info", "text": "", "line": ""}),
        ] {
            assert!(wrong(&document).is_some(), "{document}");
        }
    }

    #[test]
    fn a_time_that_is_none_is_no_panic() {
        assert_eq!(time(i64::MAX), i64::MAX.to_string());
    }
}

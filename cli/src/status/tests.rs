//! A row for each way in which a pipeline can be, and the screens that come of it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;
use crate::facts::{Flow, FlowMinute, Point, Waiting};
use crate::report::Screen;

const NOW: &str = "2026-01-02T03:04:05.678Z";

fn found<T>(value: T) -> Fact<T> {
    Fact::Found { value }
}

fn denied<T>(action: &str) -> Fact<T> {
    Fact::Unreadable(Unreadable {
        missing_action: Some(action.to_owned()),
        message: format!("AccessDenied: no {action}"),
    })
}

fn point(at: &str, value: u64) -> Point {
    Point {
        at: format!("2026-01-02T{at}:00Z"),
        value,
    }
}

/// Ages of every five minutes, the last of 03:00.
fn ages(values: &[u64]) -> Vec<Point> {
    let at = |before: usize| {
        let minutes = 180 - 5 * before;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    };
    let each = values.iter().rev().enumerate();
    let mut points: Vec<Point> = each.map(|(before, value)| point(&at(before), *value)).collect();
    points.reverse();
    points
}

/// A pipeline that is well.
fn well(name: &str) -> WatchedPipeline {
    WatchedPipeline {
        stream: format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{name}"),
        topic: Some(name.to_owned()),
        function: found(Function {
            arn: format!("arn:aws:lambda:eu-west-1:123456789012:function:{name}"),
            state: "Active".to_owned(),
            ..Function::default()
        }),
        mapping: found(Mapping {
            uuid: "u-1".to_owned(),
            state: "Enabled".to_owned(),
            last_result: Some("OK".to_owned()),
            batching_window: Some(1),
            ..Mapping::default()
        }),
        metrics: found(Metrics {
            minutes: 180,
            iterator_age_ms: ages(&[900, 1200, 812]),
            incoming_records: Some(12_345),
            invocations: Some(40),
            errors: Some(0),
            throttles: Some(0),
            longest_ms: Some(812),
            acknowledged: Some(12_345),
            undelivered: Some(0),
            ..Metrics::default()
        }),
        flow: None,
        waiting: Some(found(Waiting {
            queue: "arn:aws:sqs:eu-west-1:123456789012:failed".to_owned(),
            messages: 0,
            one: None,
        })),
    }
}

fn mapping(seen: &mut WatchedPipeline) -> &mut Mapping {
    match &mut seen.mapping {
        Fact::Found { value } => value,
        other => panic!("{other:?}"),
    }
}

fn metrics(seen: &mut WatchedPipeline) -> &mut Metrics {
    match &mut seen.metrics {
        Fact::Found { value } => value,
        other => panic!("{other:?}"),
    }
}

fn function(seen: &mut WatchedPipeline) -> &mut Function {
    match &mut seen.function {
        Fact::Found { value } => value,
        other => panic!("{other:?}"),
    }
}

fn waits(seen: &mut WatchedPipeline, messages: u32) {
    seen.waiting = Some(found(Waiting {
        queue: "q".to_owned(),
        messages,
        one: None,
    }));
}

/// What came in and was taken: minutes before 03:04, the records, and the age of what was taken then in milliseconds. The mapping is of 02:45.
fn flow(seen: &mut WatchedPipeline, minutes: &[(i64, u64, Option<u64>)]) {
    const AT: i64 = 1_767_323_040;
    let minutes = minutes
        .iter()
        .map(|&(ago, incoming, youngest_ms)| (AT - ago * 60, FlowMinute { incoming, youngest_ms }));
    mapping(seen).starting_position = Some("TRIM_HORIZON".to_owned());
    function(seen).timeout_seconds = 60;
    seen.flow = Some(found(Flow {
        looked_back: 180,
        changed: Some(AT - 19 * 60),
        minutes: minutes.collect(),
    }));
}

/// Records of before the pipeline was made, which it read down some minutes ago.
fn read_down(seen: &mut WatchedPipeline) {
    metrics(seen).iterator_age_ms = ages(&[480_000]);
    metrics(seen).incoming_records = Some(300);
    metrics(seen).acknowledged = Some(300);
    mapping(seen).last_result = Some("No records processed".to_owned());
    flow(seen, &[(24, 300, None), (16, 0, Some(480_000))]);
}

/// Records that nothing takes any more.
fn left_lying(seen: &mut WatchedPipeline) {
    metrics(seen).iterator_age_ms = ages(&[1150]);
    metrics(seen).incoming_records = Some(310);
    metrics(seen).acknowledged = Some(300);
    flow(seen, &[(40, 300, Some(1150)), (20, 10, None)]);
}

/// What happened, the state that it comes to, and how it comes about.
type Row = (&'static str, State, fn(&mut WatchedPipeline));

const ROWS: [Row; 47] = [
    ("all is well", State::Healthy, |_| {}),
    ("nothing comes", State::Healthy, |seen| {
        seen.metrics = found(Metrics {
            minutes: 180,
            ..Metrics::default()
        });
    }),
    ("it never read anything", State::Healthy, |seen| {
        mapping(seen).last_result = Some("No records processed".to_owned());
        seen.metrics = found(Metrics {
            minutes: 15,
            ..Metrics::default()
        });
    }),
    ("no age, but invocations", State::Healthy, |seen| {
        metrics(seen).iterator_age_ms.clear();
    }),
    ("some invocations failed", State::Healthy, |seen| {
        metrics(seen).errors = Some(3);
    }),
    ("some were refused", State::Healthy, |seen| {
        metrics(seen).throttles = Some(7);
    }),
    ("dead letters", State::Healthy, |seen| {
        metrics(seen).dead_lettered = Some(1);
    }),
    ("one message waits from before", State::Healthy, |seen| waits(seen, 1)),
    ("no queue is known", State::Healthy, |seen| seen.waiting = None),
    ("the queue is gone", State::Healthy, |seen| {
        seen.waiting = Some(Fact::Absent);
    }),
    ("the queue can't be read", State::Healthy, |seen| {
        seen.waiting = Some(denied("sqs:GetQueueAttributes"));
    }),
    ("the function can't be read", State::Healthy, |seen| {
        seen.function = denied("lambda:GetFunctionConfiguration");
    }),
    ("an inactive function", State::Healthy, |seen| {
        function(seen).state = "Inactive".to_owned();
    }),
    ("filters leave out all", State::Healthy, |seen| {
        *metrics(seen) = Metrics {
            minutes: 180,
            incoming_records: Some(9),
            polled: Some(9),
            filtered_out: Some(9),
            ..Metrics::default()
        };
    }),
    ("tries that failed before one that did not", State::Healthy, |seen| {
        metrics(seen).undelivered = Some(500);
    }),
    ("some minutes late is no backlog", State::Healthy, |seen| {
        metrics(seen).iterator_age_ms = ages(&[100, 299_000]);
    }),
    ("it has caught up, and nothing came since", State::Healthy, read_down),
    ("the same, and the figures go back less far", State::Healthy, |seen| {
        read_down(seen);
        metrics(seen).incoming_records = None;
        metrics(seen).acknowledged = None;
    }),
    ("it caught up a minute ago, as the sums say", State::Healthy, |seen| {
        read_down(seen);
        flow(seen, &[(10, 300, None), (1, 0, Some(480_000))]);
    }),
    ("a minute ago, and the sums don't say so", State::Behind, |seen| {
        read_down(seen);
        metrics(seen).acknowledged = Some(299);
        flow(seen, &[(10, 300, None), (1, 0, Some(480_000))]);
    }),
    ("a minute ago, and the sums are of less", State::Behind, |seen| {
        read_down(seen);
        metrics(seen).incoming_records = Some(100);
        flow(seen, &[(10, 300, None), (1, 0, Some(480_000))]);
    }),
    ("it caught up, and more came just now", State::Behind, |seen| {
        read_down(seen);
        flow(seen, &[(24, 300, None), (16, 0, Some(480_000)), (1, 5, None)]);
    }),
    ("old, and what came meanwhile is left", State::Stopped, |seen| {
        read_down(seen);
        flow(seen, &[(24, 300, None), (20, 9, None), (16, 0, Some(480_000))]);
    }),
    ("old, and it goes on", State::Behind, |seen| {
        read_down(seen);
        flow(seen, &[(24, 300, None), (20, 9, None), (1, 0, Some(1_380_000))]);
    }),
    ("the flow can't be read", State::Behind, |seen| {
        read_down(seen);
        seen.flow = Some(denied("cloudwatch:GetMetricData"));
    }),
    ("records lie there", State::Stopped, left_lying),
    ("records lie there, or filters left them out", State::Healthy, |seen| {
        left_lying(seen);
        mapping(seen).filters = vec!["{}".to_owned()];
    }),
    ("records came in just now", State::Healthy, |seen| {
        left_lying(seen);
        flow(seen, &[(40, 300, Some(1150)), (2, 10, None)]);
    }),
    ("none was ever taken", State::Stopped, |seen| {
        *metrics(seen) = Metrics {
            minutes: 180,
            incoming_records: Some(310),
            ..Metrics::default()
        };
        flow(seen, &[(40, 310, None)]);
    }),
    ("old, and too few figures", State::Behind, |seen| {
        metrics(seen).iterator_age_ms = ages(&[600_000]);
    }),
    ("old, and older", State::Behind, |seen| {
        metrics(seen).iterator_age_ms = ages(&[600_000, 840_000, 1_080_000, 1_320_000]);
    }),
    ("old, and younger", State::Behind, |seen| {
        metrics(seen).iterator_age_ms = ages(&[3_600_000, 3_000_000, 2_400_000, 1_800_000]);
    }),
    ("old, and long ago", State::Behind, |seen| {
        metrics(seen).iterator_age_ms = vec![point("01:04", 3_600_000)];
    }),
    ("switched off", State::Stopped, |seen| {
        mapping(seen).state = "Disabled".to_owned();
    }),
    (
        "switched off, which can be seen without figures",
        State::Stopped,
        |seen| {
            mapping(seen).state = "Disabling".to_owned();
            seen.metrics = denied("cloudwatch:GetMetricData");
        },
    ),
    ("the mapping is gone", State::Stopped, |seen| {
        seen.mapping = Fact::Absent;
    }),
    ("the function is gone", State::Stopped, |seen| {
        seen.function = Fact::Absent;
    }),
    ("the last batch failed", State::Failing, |seen| {
        mapping(seen).last_result = Some("PROBLEM: Function call failed".to_owned());
        metrics(seen).errors = Some(40);
        metrics(seen).iterator_age_ms = ages(&[600_000]);
    }),
    (
        "the last batch failed, and there are no figures",
        State::Failing,
        |seen| {
            mapping(seen).last_result = Some("PROBLEM: Function call failed".to_owned());
            seen.metrics = denied("cloudwatch:GetMetricData");
        },
    ),
    ("nothing gets through", State::Failing, |seen| {
        metrics(seen).acknowledged = None;
        metrics(seen).undelivered = Some(500);
    }),
    ("given up", State::Failing, |seen| {
        metrics(seen).given_up = Some(1);
        waits(seen, 1);
    }),
    ("dropped", State::Failing, |seen| metrics(seen).dropped = Some(12)),
    ("no room", State::Failing, |seen| {
        *metrics(seen) = Metrics {
            minutes: 180,
            throttles: Some(90),
            incoming_records: Some(9),
            ..Metrics::default()
        };
    }),
    ("a function that failed", State::Failing, |seen| {
        function(seen).state = "Failed".to_owned();
        function(seen).state_reason = Some("the subnet is gone".to_owned());
    }),
    ("figures are late", State::Unknown, |seen| {
        *metrics(seen) = Metrics {
            minutes: 180,
            incoming_records: Some(1),
            ..Metrics::default()
        };
    }),
    ("the mapping can't be read", State::Unknown, |seen| {
        seen.mapping = denied("lambda:GetEventSourceMapping");
    }),
    ("figures can't be read", State::Unknown, |seen| {
        seen.metrics = denied("cloudwatch:GetMetricData");
    }),
];

#[test]
fn each_way_to_be_has_its_word_and_its_reason() {
    let mut told = String::new();
    for (what, state, change) in ROWS {
        let mut seen = well("orders");
        change(&mut seen);
        let (judged, why) = judge::judge(&seen, NOW);
        assert_eq!(judged, state, "{what}: {why}");
        assert!(!why.is_empty() && !why.ends_with('.'), "{what}: {why}");
        writeln!(told, "{what}: {}: {why}", judged.word()).unwrap();
    }
    for between in ["Creating", "Enabling", "Whatever"] {
        let mut seen = well("orders");
        between.clone_into(&mut mapping(&mut seen).state);
        assert_eq!(judge::judge(&seen, NOW).0, State::Unknown, "{between}");
    }
    let mut seen = well("orders");
    "Pending".clone_into(&mut function(&mut seen).state);
    assert_eq!(judge::judge(&seen, NOW).0, State::Unknown);
    insta::assert_snapshot!(told);
}

fn stack() -> Stack {
    Stack {
        name: "k2m-all".to_owned(),
        status: "CREATE_COMPLETE".to_owned(),
        made_by_k2m: true,
        resources: std::collections::BTreeMap::new(),
        outputs: std::collections::BTreeMap::new(),
        parameters: std::collections::BTreeMap::new(),
        tags: std::collections::BTreeMap::new(),
        protected: false,
        template: None,
        template_unreadable: None,
    }
}

fn status(pipelines: Vec<WatchedPipeline>) -> Status {
    let watched = Watched {
        taken_at: NOW.to_owned(),
        minutes: 180,
        pipelines,
    };
    Status::of(&stack(), "eu-west-1", &watched)
}

/// One of each state, with names short and long, and large figures.
fn each() -> Status {
    let mut late = well("clicks-of-the-whole-wide-world-in-one-single-stream");
    metrics(&mut late).iterator_age_ms = ages(&[3_600_000, 3_000_000, 2_400_000, 1_800_000]);
    metrics(&mut late).incoming_records = Some(123_456_789);
    metrics(&mut late).acknowledged = Some(98_765_432);
    metrics(&mut late).throttles = Some(12_345);
    let mut off = well("views");
    mapping(&mut off).state = "Disabled".to_owned();
    let mut failing = well("payments");
    mapping(&mut failing).last_result = Some("PROBLEM: Function call failed".to_owned());
    metrics(&mut failing).errors = Some(39);
    metrics(&mut failing).longest_ms = Some(60_000);
    waits(&mut failing, 12);
    let mut unread = well("logs");
    unread.metrics = denied("cloudwatch:GetMetricData");
    unread.waiting = Some(denied("sqs:GetQueueAttributes"));
    status(vec![well("orders"), late, off, failing, unread])
}

fn on(status: &Status, columns: usize) -> String {
    let screen = Screen {
        columns: Some(columns),
        colour: false,
    };
    let text = table::laid_out(status, screen);
    for line in text.lines().filter(|line| !line.starts_with("next: ")) {
        assert!(crate::picture::text::columns(line) <= columns, "{columns}: {line}");
    }
    text
}

#[test]
fn it_fits_80_columns() {
    insta::assert_snapshot!(on(&each(), 80));
}

#[test]
fn with_160_columns_names_are_whole_and_figures_exact() {
    insta::assert_snapshot!(on(&each(), 160));
}

#[test]
fn one_that_is_well_needs_no_more_than_a_line() {
    insta::assert_snapshot!(on(&status(vec![well("orders")]), 80));
}

#[test]
fn no_width_breaks_it_and_nothing_in_it_steers_a_terminal() {
    for columns in 72..200 {
        on(&each(), columns);
    }
    let mut hostile = well("orders");
    hostile.topic = Some("\u{1b}[2J\n\u{202e}topic".to_owned());
    mapping(&mut hostile).last_result = Some("PROBLEM: \u{1b}]0;x\u{7}\r\nall is well".to_owned());
    function(&mut hostile).state = "Active".to_owned();
    let status = status(vec![hostile]);
    let text = on(&status, 160) + &status.to_string();
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'),
        "{text:?}"
    );
    assert!(!text.lines().any(|line| line.starts_with("all is well")), "{text}");
}

#[test]
fn only_the_states_have_colours() {
    let screen = Screen {
        columns: Some(80),
        colour: true,
    };
    let text = table::laid_out(&each(), screen);
    for painted in [
        "\u{1b}[32mhealthy",
        "\u{1b}[33mbehind",
        "\u{1b}[1;31mstopped",
        "\u{1b}[1;31mfailing",
        "\u{1b}[33munknown",
    ] {
        assert!(text.contains(painted), "{painted:?}: {text:?}");
    }
    let mut bare = text.clone();
    for code in ["32", "33", "1;31", "0"] {
        bare = bare.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(bare, on(&each(), 80));
}

/// What happened to one of two, the state that both come to, its exit code, and what to do.
type Worst = (fn(&mut WatchedPipeline), State, u8, Option<&'static str>);

/// What is wrong with a document, and how it comes about.
type Wrong = (&'static str, fn(&mut Value));

#[test]
fn the_worst_decides_the_exit_code_and_what_to_do() {
    let well_and = |change: fn(&mut WatchedPipeline)| {
        let mut other = well("clicks");
        change(&mut other);
        status(vec![well("orders"), other])
    };
    let doctor = Some("k2m doctor --stack k2m-all --region eu-west-1");
    let rows: [Worst; 6] = [
        (|_| {}, State::Healthy, 0, None),
        (
            |seen| seen.metrics = denied("cloudwatch:GetMetricData"),
            State::Unknown,
            4,
            Some("allow cloudwatch:GetMetricData to these credentials"),
        ),
        (
            |seen| seen.waiting = Some(denied("sqs:GetQueueAttributes")),
            State::Healthy,
            0,
            Some("allow sqs:GetQueueAttributes to these credentials"),
        ),
        (
            |seen| mapping(seen).state = "Creating".to_owned(),
            State::Unknown,
            4,
            doctor,
        ),
        (
            |seen| metrics(seen).iterator_age_ms = ages(&[600_000]),
            State::Behind,
            1,
            doctor,
        ),
        (|seen| seen.mapping = Fact::Absent, State::Stopped, 1, doctor),
    ];
    for (change, state, code, next) in rows {
        let status = well_and(change);
        assert_eq!(
            (status.state, status.exit().code(), status.next.as_deref()),
            (state, code, next)
        );
    }
    let all = |status: &Status| status.why.clone();
    assert_eq!(all(&well_and(|_| {})), "all 2 pipelines are healthy");
    assert_eq!(
        all(&each()),
        "of 5 pipelines 1 is failing (payments), 1 is stopped (views), 1 is behind (clicks-of-the-whole-wide-world-in-one-single-stream), \
         1 can't be judged (logs)"
    );
}

fn wrong(document: &Value) -> Option<String> {
    k2m_testkit::schema::misfits("status", document)
}

#[test]
fn every_document_fits_its_schema() {
    let document = |status: &Status| serde_json::to_value(status).unwrap();
    for (what, _, change) in ROWS {
        let mut seen = well("orders");
        change(&mut seen);
        assert_eq!(wrong(&document(&status(vec![seen]))), None, "{what}");
    }
    assert_eq!(wrong(&document(&each())), None);
    assert_eq!(
        wrong(&json!({"kind": "aws", "causes": [], "next": [], "error": "nothing is deployed", "exit_code": 1})),
        None
    );
    let rows: [Wrong; 6] = [
        ("state", |d| d["state"] = json!("fine")),
        ("state", |d| {
            drop(d["pipelines"][0].as_object_mut().unwrap().remove("state"));
        }),
        ("pipelines", |d| d["pipelines"] = json!([])),
        ("recordsIn", |d| d["pipelines"][0]["recordsIn"] = json!("many")),
        ("missingAction", |d| {
            d["pipelines"][4]["unread"][0]["missingAction"] = json!(1);
        }),
        ("extra", |d| d["extra"] = json!(1)),
    ];
    for (word, change) in rows {
        let mut document = document(&each());
        change(&mut document);
        let why = wrong(&document).unwrap_or_else(|| panic!("{document:#} fits"));
        assert!(why.contains(word), "{word}: {why}");
    }
}

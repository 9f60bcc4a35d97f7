//! What has happened to a pipeline, and how it is set: what the checks of the stream, the function and the failure destination say when one thing about a
//! healthy one is changed.

use super::*;
use crate::facts::{Concurrency, GivenUp, Metrics, Point, Sighting, Waiting};

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:orders-failures";
const TAKEN: &str = "2026-01-02T03:04:05Z";

/// Deployed, delivering, and looked at whole.
pub(super) fn healthy() -> Facts {
    let mut facts = facts();
    facts.concurrency = Some(found(Concurrency {
        limit: 1000,
        unreserved: 900,
    }));
    let stack = get(&mut facts.stack);
    stack.parameters = map(&[
        ("Architecture", "x86_64"),
        ("ArtifactBucket", "k2m-123456789012-eu-west-1-00000001"),
        ("ArtifactKey", "handler/1.zip"),
    ]);
    let mut template: serde_json::Value = serde_json::from_str(stack.template.as_ref().unwrap()).unwrap();
    let properties = &mut template["Resources"]["OrdersMapping"]["Properties"];
    properties["MaximumRetryAttempts"] = json!(100);
    properties["MaximumRecordAgeInSeconds"] = json!(86_400);
    properties["MaximumBatchingWindowInSeconds"] = json!(1);
    properties["ParallelizationFactor"] = json!(1);
    properties["BisectBatchOnFunctionError"] = json!(true);
    properties["StartingPosition"] = json!("TRIM_HORIZON");
    stack.template = Some(template.to_string());
    let one = facts.one();
    one.metrics = Some(found(Metrics {
        minutes: 180,
        iterator_age_ms: points(&[150, 900, 120, 340, 180, 200]),
        incoming_records: Some(90_000),
        throttled_reads: Some(0),
        invocations: Some(1000),
        errors: Some(0),
        throttles: Some(0),
        longest_ms: Some(2_300),
        most_at_once: Some(2),
        polled: Some(90_000),
        filtered_out: None,
        dropped: None,
        given_up: None,
        acknowledged: None,
        dead_lettered: None,
        undelivered: None,
    }));
    one.log = Some(found(Vec::new()));
    one.waiting = Some(found(Waiting {
        queue: QUEUE.to_owned(),
        messages: 0,
        one: None,
    }));
    let function = get(&mut one.function);
    function.architecture = Some("x86_64".to_owned());
    function.runtime = Some("provided.al2023".to_owned());
    function.log_group = Some("k2m-orders-OrdersLogGroup-1".to_owned());
    function.reserved_concurrency = Some(Fact::Absent);
    let mapping = get(&mut one.mapping);
    mapping.starting_position = Some("TRIM_HORIZON".to_owned());
    mapping.batching_window = Some(1);
    mapping.parallelization_factor = Some(1);
    mapping.retries = Some(100);
    mapping.maximum_record_age = Some(86_400);
    mapping.bisect = Some(true);
    mapping.tumbling_window = Some(0);
    mapping.counts_events = Some(true);
    facts
}

/// A figure each five minutes, the last of them now.
fn points(values: &[u64]) -> Vec<Point> {
    let taken: jiff::Timestamp = TAKEN.parse().unwrap();
    let count = i64::try_from(values.len()).unwrap();
    let at = |place: usize| taken.as_second() - 300 * (count - i64::try_from(place).unwrap());
    let each = values.iter().enumerate().map(|(place, value)| Point {
        at: jiff::Timestamp::from_second(at(place)).unwrap().to_string(),
        value: *value,
    });
    each.collect()
}

fn metrics(facts: &mut Facts) -> &mut Metrics {
    get(facts.one().metrics.as_mut().unwrap())
}

fn mapping(facts: &mut Facts) -> &mut Mapping {
    get(&mut facts.one().mapping)
}

fn function(facts: &mut Facts) -> &mut Function {
    get(&mut facts.one().function)
}

fn aged(facts: &mut Facts, values: &[u64]) {
    metrics(facts).iterator_age_ms = points(values);
}

/// What the log says, how often, and how many minutes before the facts were taken last.
fn logged(facts: &mut Facts, words: &str, count: u32, minutes: i64) {
    let taken: jiff::Timestamp = TAKEN.parse().unwrap();
    let last = jiff::Timestamp::from_second(taken.as_second() - 60 * minutes).unwrap();
    get(facts.one().log.as_mut().unwrap()).push(Sighting {
        signature: words.to_owned(),
        count,
        last: last.to_string(),
    });
}

/// What a message says of a batch that arrived then.
fn waits(facts: &mut Facts, condition: &str, arrived: &str) {
    let waiting = get(facts.one().waiting.as_mut().unwrap());
    waiting.messages = 3;
    waiting.one = Some(GivenUp {
        condition: condition.to_owned(),
        function_error: None,
        shard: "shardId-000000000003".to_owned(),
        first: "4950".to_owned(),
        last: "4960".to_owned(),
        records: 12,
        arrived: arrived.to_owned(),
    });
}

fn said_version(facts: &mut Facts, version: &str) {
    let Probe::Answered(mut report) = answered() else {
        panic!("it answers")
    };
    report.version = version.to_owned();
    facts.one().probe = Some(found(Probe::Answered(report)));
}

/// The template's property of the mapping.
fn in_template(facts: &mut Facts, name: &str, value: serde_json::Value) {
    let stack = get(&mut facts.stack);
    let mut template: serde_json::Value = serde_json::from_str(stack.template.as_ref().unwrap()).unwrap();
    template["Resources"]["OrdersMapping"]["Properties"][name] = value;
    stack.template = Some(template.to_string());
}

fn by_flag<T>(value: T, name: &str) -> Setting<T> {
    Setting {
        value,
        source: Source::Flag(name.to_owned()),
    }
}

/// Nobody looked at what has happened, as facts of an older k2m.
fn unseen(_: &mut Settings, f: &mut Facts) {
    *f = facts();
}

const HOUR: u64 = 3_600_000;
const MINUTE: u64 = 60_000;

/// The check, what is changed, what it says then, and words of it.
#[rustfmt::skip]
pub(super) const ROWS: &[(&str, Change, &str, &str)] = &[
    // Behind or not.
    ("K2M-E06", |_, _| {}, "pass", "the last batch was 200 ms old when the function got it; the stream keeps records for 24 h"),
    ("K2M-E06", unseen, "skip", "nobody looked"),
    ("K2M-E06", |_, f| f.one().metrics = Some(denied("cloudwatch:GetMetricData")), "unknown", "cloudwatch:GetMetricData"),
    ("K2M-E06", not_deployed, "skip", "nothing is deployed"),
    ("K2M-E06", |_, f| aged(f, &[MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE]), "pass", "4 min old"),
    ("K2M-E06", |_, f| aged(f, &[6 * MINUTE, 9 * MINUTE, 12 * MINUTE, 15 * MINUTE]), "warn", "it gains 36 s of age a minute: at this rate the oldest record is lost in about 39 h"),
    ("K2M-E06", |_, f| aged(f, &[6 * MINUTE, 11 * MINUTE, 16 * MINUTE, 21 * MINUTE]), "fail", "is lost in about 23 h"),
    ("K2M-E06", |_, f| aged(f, &[6 * MINUTE, 11 * MINUTE, 16 * MINUTE, 21 * MINUTE]), "fail", "aws kinesis increase-stream-retention-period --stream-arn arn:aws:kinesis:eu-west-1:123456789012:stream/orders --retention-period-hours 168"),
    ("K2M-E06", |_, f| aged(f, &[6 * MINUTE, 11 * MINUTE, 16 * MINUTE, 21 * MINUTE]), "fail", "--parallelization-factor 2"),
    ("K2M-E06", |_, f| aged(f, &[13 * HOUR, 13 * HOUR + MINUTE, 13 * HOUR + 2 * MINUTE]), "fail", "it gains 12 s of age a minute: at this rate the oldest record is lost in about 2 days"),
    ("K2M-E06", |_, f| aged(f, &[14 * HOUR, 13 * HOUR, 14 * HOUR, 13 * HOUR]), "fail", "past half of it"),
    ("K2M-E06", |_, f| aged(f, &[23 * HOUR, 20 * HOUR, 16 * HOUR, 13 * HOUR]), "pass", "it catches up, and is there in about"),
    ("K2M-E06", |_, f| aged(f, &[23 * HOUR]), "warn", "too few figures to tell"),
    ("K2M-E06", |_, f| aged(f, &[HOUR, 9 * MINUTE, 8 * MINUTE]), "pass", "catches up"),
    ("K2M-E06", |_, f| aged(f, &[8 * MINUTE, 30 * MINUTE, 6 * MINUTE, 7 * MINUTE]), "pass", "7 min old"),
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[20 * MINUTE, 22 * MINUTE, 24 * MINUTE, 26 * MINUTE]);
            mapping(f).maximum_record_age = Some(3600);
        },
        "fail",
        "records are given up when they are 60 min old (maximum_record_age)",
    ),
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[6 * MINUTE, 9 * MINUTE, 12 * MINUTE, 15 * MINUTE]);
            get(&mut f.one().stream).retention_hours = 168;
            mapping(f).maximum_record_age = Some(-1);
        },
        "warn",
        "is lost in about 11 days",
    ),
    // What was long ago says nothing of now.
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[6 * MINUTE, 11 * MINUTE, 16 * MINUTE, 21 * MINUTE]);
            f.taken_at = "2026-01-02T05:04:05Z".to_owned();
        },
        "pass",
        "the last batch, 2 h ago",
    ),
    ("K2M-E06", |_, f| aged(f, &[]), "skip", "no iterator age"),
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[]);
            metrics(f).invocations = None;
            metrics(f).polled = None;
        },
        "warn",
        "nothing is read: 90000 records were put into the stream in the last 3 h, and the function was not invoked",
    ),
    // k2m's own questions are invocations, too.
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[]);
            metrics(f).invocations = Some(2);
            metrics(f).polled = None;
        },
        "warn",
        "nothing is read: 90000 records were put into the stream in the last 3 h, and the mapping counts none of them",
    ),
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[]);
            metrics(f).invocations = Some(2);
            metrics(f).polled = None;
            mapping(f).counts_events = Some(false);
        },
        "skip",
        "some may be k2m's own questions",
    ),
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[]);
            metrics(f).invocations = None;
        },
        "warn",
        "nothing gets to the function: 90000 records were put into the stream in the last 3 h, 90000 were read, and it was not invoked",
    ),
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[]);
            metrics(f).invocations = None;
            metrics(f).incoming_records = None;
        },
        "skip",
        "nothing was put into the stream",
    ),
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[]);
            metrics(f).invocations = None;
            metrics(f).filtered_out = Some(90_000);
        },
        "skip",
        "see K2M-E08",
    ),
    (
        "K2M-E06",
        |_, f| {
            aged(f, &[]);
            metrics(f).invocations = None;
            mapping(f).state = "Disabled".to_owned();
        },
        "skip",
        "see K2M-E02",
    ),
    ("K2M-E06", |_, f| { f.one().stream = denied("kinesis:DescribeStreamSummary"); mapping(f).maximum_record_age = Some(-1); }, "skip", "see K2M-E01"),
    // Times that are no times are no figures.
    ("K2M-E06", |_, f| for point in &mut metrics(f).iterator_age_ms { point.at = "noon".to_owned(); point.value = 13 * HOUR }, "warn", "too few figures"),
    // Given up in time.
    ("K2M-E07", |_, _| {}, "pass", "a batch that fails is tried 100 times more and halved, until its records are 24 h old"),
    ("K2M-E07", unseen, "skip", "inspect again"),
    ("K2M-E07", |_, f| f.one().mapping = denied("lambda:GetEventSourceMapping"), "skip", "see K2M-E02"),
    ("K2M-E07", |_, f| { mapping(f).retries = Some(-1); mapping(f).maximum_record_age = Some(-1); }, "warn", "blocks its shard until it expires"),
    (
        "K2M-E07",
        |_, f| { mapping(f).retries = Some(-1); mapping(f).maximum_record_age = Some(-1); },
        "warn",
        "aws lambda update-event-source-mapping --uuid u-2 --maximum-record-age-in-seconds 86400 --maximum-retry-attempts 100 --region eu-west-1",
    ),
    (
        "K2M-E07",
        |s, f| {
            s.one().retries = by_flag(-1, "--retries");
            mapping(f).retries = Some(-1);
            mapping(f).maximum_record_age = Some(-1);
            in_template(f, "MaximumRetryAttempts", json!(-1));
            in_template(f, "MaximumRecordAgeInSeconds", json!(-1));
        },
        "warn",
        "as the settings say (--retries)",
    ),
    ("K2M-E07", |_, f| mapping(f).retries = Some(-1), "warn", "the failure destination hears of it no sooner"),
    ("K2M-E07", |_, f| { mapping(f).retries = Some(-1); mapping(f).destination = None; }, "warn", "gone without a word"),
    ("K2M-E07", |s, f| { s.one().retries = by_flag(-1, "--retries"); mapping(f).retries = Some(-1); }, "pass", "is tried again without end"),
    ("K2M-E07", |_, f| { mapping(f).retries = Some(-1); in_template(f, "MaximumRetryAttempts", json!(-1)); }, "pass", "without end"),
    ("K2M-E07", |_, f| mapping(f).bisect = Some(false), "warn", "aws lambda update-event-source-mapping --uuid u-2 --bisect-batch-on-function-error --region eu-west-1"),
    ("K2M-E07", |s, f| { s.one().bisect = by_flag(false, "--bisect"); mapping(f).bisect = Some(false); }, "pass", "100 times more,"),
    ("K2M-E07", |_, f| { mapping(f).bisect = Some(false); in_template(f, "BisectBatchOnFunctionError", json!(false)); }, "pass", "100 times more,"),
    ("K2M-E07", |_, f| mapping(f).retries = Some(2), "warn", "what fails for 3 min, as while a broker restarts, is given up"),
    ("K2M-E07", |s, f| { s.one().retries = by_flag(2, "--retries"); mapping(f).retries = Some(2); }, "pass", "tried 2 times more"),
    ("K2M-E07", |_, f| mapping(f).maximum_record_age = Some(600), "warn", "a broker's restart is enough for that"),
    ("K2M-E07", |s, f| { s.one().maximum_record_age = Some(by_flag(600, "--maximum-record-age")); mapping(f).maximum_record_age = Some(600); }, "pass", "10 min old"),
    // Dangerous, whoever said so.
    (
        "K2M-E07",
        |s, f| { s.one().maximum_record_age = Some(by_flag(100, "--maximum-record-age")); mapping(f).maximum_record_age = Some(100); in_template(f, "MaximumRecordAgeInSeconds", json!(100)); },
        "warn",
        "one that times out once may not be tried again",
    ),
    (
        "K2M-E07",
        |_, f| { mapping(f).maximum_record_age = Some(60); mapping(f).batching_window = Some(300); },
        "fail",
        "a record may be given up before the function gets it",
    ),
    ("K2M-E07", |_, f| mapping(f).tumbling_window = Some(30), "warn", "--tumbling-window-in-seconds 0"),
    // Filters.
    ("K2M-E08", |_, _| {}, "pass", "there are no filters"),
    ("K2M-E08", unseen, "skip", "inspect again"),
    ("K2M-E08", |_, f| { mapping(f).filters = vec![r#"{"data": {"kind": ["a"]}}"#.into()]; metrics(f).filtered_out = Some(90_000); }, "fail", "left out all of the 90000 records"),
    ("K2M-E08", |_, f| { mapping(f).filters = vec![r#"{"data": {"kind": ["a"]}}"#.into()]; metrics(f).filtered_out = Some(90_000); }, "fail", "aws lambda update-event-source-mapping --uuid u-2 --filter-criteria '{}' --region eu-west-1"),
    ("K2M-E08", |_, f| { mapping(f).filters = vec![r#"{"data": {"kind": ["a"]}}"#.into()]; metrics(f).filtered_out = Some(30_000); }, "pass", "left out 30000 of 90000"),
    ("K2M-E08", |_, f| { mapping(f).filters = vec![r#"{"partitionKey": ["a"]}"#.into()]; metrics(f).polled = None; }, "pass", "nobody counts those that don't"),
    ("K2M-E08", |_, f| { mapping(f).filters = vec![r#"{"data": {"kind": ["a"]}}"#.into()]; f.one().metrics = None; }, "pass", "nobody counts"),
    ("K2M-E08", |_, f| { mapping(f).filters = vec![r#"{"data": {"kind": ["a"]}}"#.into()]; f.one().metrics = Some(denied("cloudwatch:GetMetricData")); }, "unknown", "cloudwatch:GetMetricData"),
    ("K2M-E08", |_, f| mapping(f).filters = vec!["kind = a".into()], "fail", "the filter kind = a can never match: it is no JSON"),
    ("K2M-E08", |_, f| mapping(f).filters = vec!["[1]".into()], "fail", "no JSON object"),
    ("K2M-E08", |_, f| mapping(f).filters = vec![r#"{"body": {"kind": ["a"]}}"#.into()], "fail", "a record of Kinesis has no `body`"),
    ("K2M-E08", |_, f| mapping(f).filters = vec![r#"{"body": ["a"]}"#.into(), r#"{"data": {"kind": ["a"]}}"#.into()], "warn", "a record of Kinesis has no `body`"),
    // Reads.
    ("K2M-E09", |_, _| {}, "pass", "no read of the stream was refused in the last 3 h"),
    ("K2M-E09", |_, f| metrics(f).throttled_reads = None, "pass", "no read"),
    ("K2M-E09", |_, f| metrics(f).throttled_reads = Some(77), "warn", "77 reads of the stream were refused in the last 3 h"),
    ("K2M-E09", |_, f| metrics(f).throttled_reads = Some(77), "warn", "register-stream-consumer"),
    ("K2M-E09", |_, f| metrics(f).throttled_reads = Some(77), "warn", "--target-shard-count 4"),
    ("K2M-E09", |s, f| { metrics(f).throttled_reads = Some(77); by_consumer(s, f, found("ACTIVE")); }, "pass", "which they don't concern"),
    ("K2M-E09", unseen, "skip", "nobody looked"),
    ("K2M-E09", |_, f| f.one().metrics = Some(denied("cloudwatch:GetMetricData")), "unknown", "cloudwatch:GetMetricData"),
    // Where it began.
    ("K2M-E10", |_, _| {}, "pass", "the mapping began at TRIM_HORIZON"),
    ("K2M-E10", unseen, "skip", "inspect again"),
    ("K2M-E10", |_, f| get(&mut f.one().stream).status = "UPDATING".into(), "pass", "the stream is being changed (UPDATING)"),
    ("K2M-E10", |_, f| mapping(f).starting_position = Some("LATEST".into()), "warn", "were passed over"),
    ("K2M-E10", |_, f| mapping(f).starting_position = Some("LATEST".into()), "warn", "--starting-position TRIM_HORIZON"),
    ("K2M-E10", |s, f| { s.one().starting_position = by_flag(StartingPosition::Latest, "--starting-position"); mapping(f).starting_position = Some("LATEST".into()); }, "pass", "as the settings say (--starting-position)"),
    ("K2M-E10", |_, f| { mapping(f).starting_position = Some("LATEST".into()); in_template(f, "StartingPosition", json!("LATEST")); }, "pass", "as it was deployed"),
    // Time.
    ("K2M-L06", |_, _| {}, "pass", "the longest invocation of the last 3 h took 2300 ms, of a time-out of 60 s"),
    ("K2M-L06", |_, f| metrics(f).longest_ms = Some(50_000), "warn", "took 50 s, of a time-out of 60 s"),
    ("K2M-L06", |_, f| metrics(f).longest_ms = Some(60_000), "warn", "the last batch was delivered since"),
    ("K2M-L06", |_, f| { metrics(f).longest_ms = Some(60_000); failing(f); }, "fail", "--timeout 120"),
    ("K2M-L06", |_, f| metrics(f).longest_ms = None, "skip", "not invoked"),
    ("K2M-L06", unseen, "skip", "nobody looked"),
    ("K2M-L06", |_, f| f.one().metrics = Some(denied("cloudwatch:GetMetricData")), "unknown", "cloudwatch:GetMetricData"),
    ("K2M-L06", |_, f| { aged(f, &[6 * MINUTE, 9 * MINUTE, 12 * MINUTE, 15 * MINUTE]); metrics(f).longest_ms = Some(7000); }, "warn", "longer than the next batch is waited for (1 s), and the backlog grows"),
    // Room.
    ("K2M-L07", |_, _| {}, "pass", "the stream can ask for 2 at once, and functions without a share of their own may run 900"),
    ("K2M-L07", |_, f| function(f).reserved_concurrency = Some(found(0)), "fail", "aws lambda delete-function-concurrency --function-name arn:aws:lambda:eu-west-1:123456789012:function:orders --region eu-west-1"),
    ("K2M-L07", |_, f| function(f).reserved_concurrency = Some(found(1)), "warn", "1 invocations at once are reserved for the function, and the stream can ask for 2"),
    ("K2M-L07", |_, f| function(f).reserved_concurrency = Some(found(2)), "pass", "2 are reserved for it"),
    ("K2M-L07", |_, f| { mapping(f).parallelization_factor = Some(10); in_template(f, "ParallelizationFactor", json!(10)); function(f).reserved_concurrency = Some(found(19)); }, "warn", "--reserved-concurrent-executions 20"),
    ("K2M-L07", |_, f| { get(&mut f.one().stream).open_shards = 901; }, "warn", "the account has 900 of 1000"),
    ("K2M-L07", |_, f| { metrics(f).throttles = Some(40); }, "warn", "Lambda refused 40 invocations in the last 3 h for want of room, and let 1000 in"),
    ("K2M-L07", |_, f| { metrics(f).throttles = Some(40); metrics(f).invocations = None; failing(f); }, "fail", "refused all 40"),
    ("K2M-L07", |_, f| function(f).reserved_concurrency = Some(denied("lambda:GetFunctionConcurrency")), "unknown", "lambda:GetFunctionConcurrency"),
    ("K2M-L07", |_, f| f.concurrency = Some(denied("lambda:GetAccountSettings")), "unknown", "lambda:GetAccountSettings"),
    ("K2M-L07", |_, f| f.one().metrics = Some(denied("cloudwatch:GetMetricData")), "unknown", "cloudwatch:GetMetricData"),
    ("K2M-L07", |_, f| { f.one().metrics = Some(denied("cloudwatch:GetMetricData")); function(f).reserved_concurrency = Some(found(0)); }, "fail", "never invokes it"),
    ("K2M-L07", unseen, "skip", "nobody looked"),
    // The binary.
    ("K2M-L08", |_, _| {}, "pass", "provided.al2023 on x86_64"),
    ("K2M-L08", unseen, "skip", "inspect again"),
    ("K2M-L08", |_, f| function(f).architecture = Some("arm64".into()), "fail", "the function is for arm64, and its binary for x86_64"),
    (
        "K2M-L08",
        |_, f| function(f).architecture = Some("arm64".into()),
        "fail",
        "aws lambda update-function-code --function-name arn:aws:lambda:eu-west-1:123456789012:function:orders --architectures x86_64 --s3-bucket \
         k2m-123456789012-eu-west-1-00000001 --s3-key handler/1.zip --region eu-west-1",
    ),
    ("K2M-L08", |_, f| { function(f).architecture = Some("arm64".into()); get(&mut f.stack).parameters.insert("Architecture".into(), "arm64".into()); }, "pass", "on arm64"),
    ("K2M-L08", |_, f| get(&mut f.stack).parameters.clear(), "skip", "does not say what the function's binary is for"),
    ("K2M-L08", |_, f| function(f).runtime = Some("provided.al2".into()), "warn", "--runtime provided.al2023"),
    ("K2M-L08", |_, f| function(f).runtime = Some("python3.12".into()), "fail", "python3.12"),
    ("K2M-L08", |_, f| { logged(f, "exec format error", 9, 1); failing(f); f.one().probe = None; }, "fail", "its log says `exec format error` 9 times, last 60 s ago"),
    ("K2M-L08", |_, f| logged(f, "exec format error", 9, 60), "pass", "on x86_64"),
    // What was an hour ago is over where the function starts, whatever is wrong now.
    ("K2M-L08", |_, f| { logged(f, "exec format error", 9, 60); failing(f); }, "pass", "on x86_64"),
    ("K2M-L08", |_, f| { logged(f, "exec format error", 9, 1); f.one().probe = None; }, "pass", "on x86_64"),
    ("K2M-L08", |_, f| { logged(f, "exec format error", 9, 1); failing(f); f.one().probe = Some(fails("K2m.Configuration", "K2M_TOPIC")); }, "pass", "on x86_64"),
    ("K2M-L08", |_, f| { logged(f, "exec format error", 9, 1); failing(f); f.one().probe = Some(fails("Runtime.InvalidEntrypoint", "exec format error")); }, "fail", "9 times"),
    ("K2M-L08", |_, f| f.one().function = denied("lambda:GetFunctionConfiguration"), "skip", "see K2M-L02"),
    // The log.
    ("K2M-L09", |_, _| {}, "pass", "nothing in the function's log"),
    ("K2M-L09", unseen, "skip", "nobody looked at the function's log"),
    ("K2M-L09", |_, f| f.one().log = Some(Fact::Absent), "skip", "no log group"),
    ("K2M-L09", |_, f| f.one().log_unfinished = true, "pass", "nothing in the latest of the function's log is known to mean trouble, and the last batch was delivered"),
    ("K2M-L09", |_, f| { f.one().log_unfinished = true; failing(f); }, "unknown", "all of it was too much to search: `aws logs tail k2m-orders-OrdersLogGroup-1"),
    ("K2M-L09", |_, f| { f.one().log_unfinished = true; logged(f, "Task timed out after", 12, 3); }, "warn", "12 times"),
    ("K2M-L09", |_, f| f.one().log = Some(denied("logs:FilterLogEvents")), "unknown", "logs:FilterLogEvents"),
    ("K2M-L09", |_, f| logged(f, "Task timed out after", 12, 3), "warn", "the log says `Task timed out after` 12 times, last 3 min ago: Lambda ended the function when its time was over"),
    ("K2M-L09", |_, f| logged(f, "Task timed out after", 12, 3), "warn", "see K2M-L03, K2M-N02, K2M-T01"),
    ("K2M-L09", |_, f| logged(f, "Task timed out after", 12, 3), "warn", "aws logs tail k2m-orders-OrdersLogGroup-1 --since 1h --filter-pattern '\\\"Task timed out after\\\"' --region eu-west-1"),
    ("K2M-L09", |_, f| logged(f, "Task timed out after", 1, 40), "pass", "nothing of late, and the last batch was delivered; before, `Task timed out after` once, 40 min ago"),
    ("K2M-L09", |_, f| { logged(f, "Task timed out after", 1, 40); failing(f); }, "warn", "once, 40 min ago"),
    ("K2M-L09", |_, f| logged(f, "words of another version", 2, 1), "warn", "which this k2m does not know"),
    // The version.
    ("K2M-L10", |_, _| {}, "pass", "as this k2m"),
    ("K2M-L10", |_, f| said_version(f, "0.0.9"), "warn", "the handler is 0.0.9, and this k2m"),
    ("K2M-L10", |_, f| said_version(f, "0.0.9"), "warn", "k2m deploy --stream"),
    ("K2M-L10", |_, f| said_version(f, "1000.0.0"), "warn", "update k2m to 1000.0.0 or later"),
    ("K2M-L10", |_, f| said_version(f, "what"), "warn", "the handler is what"),
    ("K2M-L10", |_, f| f.one().probe = Some(fails("K2m.NotAKinesisEvent", "no records")), "warn", "older than the probe"),
    ("K2M-L10", |_, f| f.one().probe = Some(fails("K2m.Configuration", "K2M_TOPIC")), "skip", "see K2M-P01"),
    ("K2M-L10", |_, f| f.one().probe = Some(denied("lambda:InvokeFunction")), "skip", "see K2M-P01"),
    ("K2M-L10", |_, f| f.one().probe = None, "skip", "--no-probe"),
    // Errors.
    ("K2M-L11", |_, _| {}, "pass", "all 1000 invocations of the last 3 h ended well"),
    ("K2M-L11", unseen, "skip", "nobody looked"),
    ("K2M-L11", |_, f| f.one().metrics = Some(denied("cloudwatch:GetMetricData")), "unknown", "cloudwatch:GetMetricData"),
    ("K2M-L11", |_, f| metrics(f).invocations = None, "skip", "not invoked"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(600); failing(f); }, "skip", "as the last did, see K2M-E05"),
    ("K2M-L11", |_, f| metrics(f).errors = Some(600), "pass", "it is over: the last batch was delivered"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(600); f.one().log_unfinished = true; }, "warn", "600 of 1000 invocations"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(600); logged(f, "Task timed out after", 600, 1); }, "fail", "(k2m's own questions, which ended well, among them) ended with an error"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(600); f.one().probe = None; logged(f, "Task timed out after", 600, 1); }, "fail", "of the last 3 h ended with an error"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(600); logged(f, "Task timed out after", 600, 20); }, "pass", "the log has been quiet for 20 min"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(600); logged(f, "Task timed out after", 600, 1); }, "fail", "600 of 1000 invocations"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(600); logged(f, "Task timed out after", 600, 5); }, "warn", "600 of 1000 invocations"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(100); logged(f, "Task timed out after", 100, 1); }, "warn", "aws logs tail"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(5); logged(f, "Task timed out after", 5, 1); }, "pass", "5 of 1000"),
    ("K2M-L11", |_, f| { metrics(f).errors = Some(100); f.one().log = None; }, "warn", "100 of 1000"),
    // What was given up.
    ("K2M-D02", |_, _| {}, "pass", "nothing waits in arn:aws:sqs"),
    ("K2M-D02", unseen, "skip", "nobody looked"),
    ("K2M-D02", |_, f| f.one().waiting = Some(Fact::Absent), "skip", "no queue is known"),
    ("K2M-D02", |_, f| f.one().waiting = Some(denied("sqs:GetQueueAttributes")), "unknown", "sqs:GetQueueAttributes"),
    ("K2M-D02", |_, f| { f.one().waiting = Some(Fact::Absent); f.one().metrics = Some(denied("cloudwatch:GetMetricData")); }, "unknown", "cloudwatch:GetMetricData"),
    ("K2M-D02", |_, f| { metrics(f).dropped = Some(4); mapping(f).destination = None; }, "fail", "4 records were given up in the last 3 h and went nowhere"),
    ("K2M-D02", |_, f| metrics(f).dropped = Some(4), "warn", "no failure destination took them; the mapping has one now"),
    ("K2M-D02", |_, f| { metrics(f).dropped = Some(4); waits(f, "RetryAttemptsExhausted", "2026-01-02T01:00:00Z"); }, "warn", "about 3 messages wait"),
    ("K2M-D02", |_, f| metrics(f).given_up = Some(4), "pass", "somebody took the messages"),
    ("K2M-D02", |_, f| { metrics(f).given_up = Some(4); f.one().waiting = Some(Fact::Absent); }, "warn", "4 records were given up"),
    ("K2M-D02", |_, f| get(f.one().waiting.as_mut().unwrap()).messages = 1, "warn", "about 1 message waits in arn:aws:sqs"),
    ("K2M-D02", |_, f| waits(f, "RetryAttemptsExhausted", "2026-01-02T01:00:00Z"), "warn", "its retries were used up (RetryAttemptsExhausted); 12 records of shardId-000000000003, from 4950 to 4960"),
    ("K2M-D02", |_, f| waits(f, "RetryAttemptsExhausted", "2026-01-02T01:00:00Z"), "warn", "its records are in the stream until 2026-01-03T01:00:00Z (for 21 h)"),
    (
        "K2M-D02",
        |_, f| waits(f, "RetryAttemptsExhausted", "2026-01-02T01:00:00Z"),
        "warn",
        "aws kinesis get-shard-iterator --stream-arn arn:aws:kinesis:eu-west-1:123456789012:stream/orders --shard-id shardId-000000000003 --shard-iterator-type \
         AT_SEQUENCE_NUMBER --starting-sequence-number 4950 --region eu-west-1",
    ),
    (
        "K2M-D02",
        |_, f| waits(f, "MaximumRecordAgeExceeded", "2026-01-01T01:00:00Z"),
        "warn",
        "its records have left the stream since 2026-01-02T01:00:00Z (2 h ago)",
    ),
    ("K2M-D02", |_, f| waits(f, "MaximumRecordAgeExceeded", "noon"), "warn", "older than maximum_record_age"),
    ("K2M-D02", |_, f| waits(f, "RetryAttemptsExhausted", "2026-01-02T01:00:00Z"), "warn", "aws kinesis get-records --shard-iterator ITERATOR --limit 12 --region eu-west-1"),
    ("K2M-D02", |_, f| waits(f, "RetryAttemptsExhausted", "2026-01-02T01:00:00Z"), "warn", "aws sqs receive-message --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/orders-failures"),
    // Whoever may write to the queue writes what is told of it.
    ("K2M-D02", |_, f| waits(f, "\u{1b}[31mgone\nHealthy.", "2026-01-02T01:00:00Z"), "warn", r"\\u{1b}[31mgone\\nHealthy."),
];

fn examined(change: Change) -> PipelineReport {
    let (mut settings, mut facts) = (settings(), healthy());
    change(&mut settings, &mut facts);
    examine(&settings, &facts)
}

#[test]
fn each_check_says_what_it_sees() {
    let mut wrong = Vec::new();
    for (code, change, wanted, words) in ROWS {
        let report = examined(*change);
        let check = report.checks.iter().find(|check| check.code == *code).unwrap();
        let text = format!("{:?}", check.outcome);
        if word(&check.outcome) != *wanted || !text.contains(words) {
            wrong.push(format!("{code}: {wanted}, `{words}` is not\n    {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_healthy_pipeline_has_no_finding_whether_its_past_is_known_or_not() {
    for change in [(|_, _| {}) as Change, unseen] {
        let report = examined(change);
        let found: Vec<String> = report
            .checks
            .iter()
            .filter(|check| !matches!(check.outcome, Outcome::Pass { .. } | Outcome::Skip { .. }))
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, [""; 0]);
        assert_eq!(report.health, Health::Healthy);
    }
    // All that is of this file can be judged.
    let judged: BTreeSet<&str> = ROWS.iter().map(|row| row.0).collect();
    let skipped: Vec<&str> = examined(|_, _| {})
        .checks
        .iter()
        .filter(|check| judged.contains(check.code) && matches!(check.outcome, Outcome::Skip { .. }))
        .map(|check| check.code)
        .collect();
    assert_eq!(skipped, [""; 0]);
}

/// What is changed, the causes with what each explains, and what is worth a look beside them.
type Folded = (
    Change,
    &'static [(&'static str, &'static [&'static str])],
    &'static [&'static str],
);

#[test]
fn what_comes_of_a_cause_is_folded_under_it() {
    let rows: [Folded; 8] = [
        (|_, _| {}, &[], &[]),
        // Nothing reaches the brokers: the log, the time and the backlog say no more than that.
        (
            |s, f| {
                no_ingress(s, f);
                logged(f, "Connection setup timed out in state CONNECT", 40, 1);
                aged(f, &[6 * MINUTE, 9 * MINUTE, 12 * MINUTE, 15 * MINUTE]);
                metrics(f).longest_ms = Some(59_000);
            },
            &[("K2M-N02", &["K2M-E05", "K2M-L06", "K2M-E06", "K2M-L09"])],
            &[],
        ),
        // The same, and records are about to be lost.
        (
            |s, f| {
                no_ingress(s, f);
                aged(f, &[HOUR, HOUR + 5 * MINUTE, HOUR + 10 * MINUTE]);
            },
            &[("K2M-N02", &["K2M-E05", "K2M-E06"])],
            &[],
        ),
        // No share: nothing is invoked, nothing is read.
        (
            |_, f| {
                function(f).reserved_concurrency = Some(found(0));
                metrics(f).throttles = Some(90);
                metrics(f).invocations = None;
                aged(f, &[]);
            },
            &[("K2M-L07", &["K2M-E06"])],
            &[],
        ),
        // The log alone says why a batch fails: it is told with it.
        (
            |_, f| {
                failing(f);
                logged(f, "Broker: Message size too large", 3, 1);
            },
            &[("K2M-T06", &["K2M-E05", "K2M-L09"])],
            &[],
        ),
        // Another processor.
        (
            |_, f| {
                function(f).architecture = Some("arm64".into());
                failing(f);
                f.one().probe = Some(fails("Runtime.InvalidEntrypoint", "exec format error"));
                logged(f, "exec format error", 3, 1);
            },
            &[("K2M-L08", &["K2M-P01", "K2M-E05", "K2M-L09"])],
            &[],
        ),
        // It works again, and a while ago it didn't.
        (|_, f| logged(f, "Task timed out after", 3, 5), &[], &["K2M-L09"]),
        // A cause of something else leaves the log to itself.
        (
            |_, f| {
                given(f, |_| ());
                f.destinations.insert(GIVEN.to_owned(), Fact::Absent);
                logged(f, "Task timed out after", 3, 5);
            },
            &[("K2M-D01", &[])],
            &["K2M-L09"],
        ),
    ];
    for (number, (change, wanted, look)) in rows.into_iter().enumerate() {
        let report = examined(change);
        let causes: Vec<(&str, &[&str])> = report
            .causes
            .iter()
            .map(|cause| (cause.code, cause.explains.as_slice()))
            .collect();
        assert_eq!(causes, wanted, "row {number}: {report}");
        let shown: Vec<&str> = report
            .checks
            .iter()
            .filter(|check| matches!(check.outcome, Outcome::Warn { .. }) && check.said_by.is_empty())
            .map(|check| check.code)
            .collect();
        assert_eq!(shown, look, "row {number}: {report}");
        let text = report.to_string();
        for check in &report.checks {
            if !check.said_by.is_empty() {
                assert!(!text.contains(&format!("({})", check.code)), "row {number}: {text}");
            }
        }
    }
    let told = examined(|_, f| {
        failing(f);
        logged(f, "Local: Message timed out", 3, 1);
    });
    let told = told.to_string();
    assert!(
        told.contains("why       the log says `Local: Message timed out` 3 times, last 60 s ago"),
        "{told}"
    );
}

#[test]
fn what_people_see() {
    let cases: [(&str, Change); 5] = [
        ("the backlog grows", |_, f| {
            aged(f, &[6 * MINUTE, 11 * MINUTE, 16 * MINUTE, 21 * MINUTE]);
        }),
        ("ingress removed, an hour ago", |s, f| {
            no_ingress(s, f);
            logged(f, "Connection setup timed out in state CONNECT", 40, 1);
            aged(f, &[6 * MINUTE, 11 * MINUTE, 16 * MINUTE, 21 * MINUTE]);
            metrics(f).longest_ms = Some(59_000);
        }),
        ("batches were given up", |_, f| {
            waits(f, "RetryAttemptsExhausted", "2026-01-02T01:00:00Z");
        }),
        ("changed by hand", |_, f| {
            mapping(f).retries = Some(-1);
            mapping(f).bisect = Some(false);
            mapping(f).filters = vec![r#"{"body": ["a"]}"#.to_owned()];
        }),
        ("no right to look at the past", |_, f| {
            f.one().metrics = Some(denied("cloudwatch:GetMetricData"));
            f.one().log = Some(denied("logs:FilterLogEvents"));
            f.one().waiting = Some(denied("sqs:GetQueueAttributes"));
        }),
    ];
    let text: Vec<String> = cases
        .iter()
        .map(|(name, change)| {
            let report = examined(*change);
            format!("== {name}\n{report}exit {}\n", report.health.exit().code())
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

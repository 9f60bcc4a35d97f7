//! The engine with a function that is a closure: what is delivered, in which order, what stops it, and that memory is bounded.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::*;
use crate::local::mapping::LONGEST_BACKOFF;
use crate::local::runtime_api::FunctionError;
use crate::local::summary::{Summary, Tally};

/// One delivered record: its shard and the number in its data.
type Delivered = (String, u64);
type Function = dyn Fn(&[(Delivered, String)]) -> Result<Reply, SandboxError> + Send + Sync;

/// A sandbox that calls a closure with what the event holds: shard, data and sequence number of each record.
struct Fake {
    function: Arc<Function>,
    closed: Arc<AtomicU64>,
}

impl Sandbox for Fake {
    async fn invoke(&mut self, _request_id: &str, event: Bytes) -> Result<Reply, SandboxError> {
        (self.function)(&decode(&event))
    }

    async fn close(&mut self) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

fn decode(event: &[u8]) -> Vec<(Delivered, String)> {
    use base64::Engine as _;
    let event: Value = serde_json::from_slice(event).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let decode = |record: &Value| {
        let id = text(&record["eventID"]);
        let (shard, number) = id.split_once(':').unwrap();
        let data = base64::engine::general_purpose::STANDARD
            .decode(text(&record["kinesis"]["data"]))
            .unwrap();
        let data = String::from_utf8(data).unwrap().trim().parse().unwrap();
        ((shard.to_owned(), data), number.to_owned())
    };
    event["Records"].as_array().unwrap().iter().map(decode).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "what a function returns")]
fn accept() -> Result<Reply, SandboxError> {
    Ok(Reply::Response(Bytes::from_static(b"{\"batchItemFailures\":[]}")))
}

#[expect(clippy::unnecessary_wraps, reason = "what a function returns")]
fn fail() -> Result<Reply, SandboxError> {
    Ok(Reply::Error(FunctionError {
        error_type: "Fake".to_owned(),
        error_message: "on purpose".to_owned(),
    }))
}

struct Setup {
    shards: u32,
    reshardings: Vec<Reshard>,
    factor: u32,
    batch_size: usize,
    retries: Option<u32>,
    destination: Option<Destination>,
    stop: Stop,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            shards: 1,
            reshardings: Vec::new(),
            factor: 1,
            batch_size: 10,
            retries: Some(0),
            destination: None,
            stop: Stop::default(),
        }
    }
}

async fn run(
    setup: Setup,
    source: impl Read + Send + 'static,
    function: impl Fn(&[(Delivered, String)]) -> Result<Reply, SandboxError> + Send + Sync + 'static,
) -> (Result<(), EngineError>, Summary) {
    let (events, mut happened) = Events::channel();
    let lanes = Stream::resharded(setup.shards, setup.factor, &setup.reshardings).lanes();
    let engine = Engine {
        settings: Settings {
            batch_size: setup.batch_size,
            window: 0,
            retries: setup.retries,
            maximum_age: None,
            bisect: true,
            partial_failures: true,
            longest_backoff: LONGEST_BACKOFF,
        },
        shards: setup.shards,
        reshardings: setup.reshardings,
        parallelization_factor: setup.factor,
        destination: setup.destination,
        clock: Clock::start(),
        events,
        stop: setup.stop,
    };
    let function: Arc<Function> = Arc::new(function);
    let closed = Arc::new(AtomicU64::new(0));
    let sandbox = |_| Fake {
        function: Arc::clone(&function),
        closed: Arc::clone(&closed),
    };
    let result = engine.run(source, sandbox).await;
    assert_eq!(closed.load(Ordering::SeqCst), lanes as u64, "every sandbox is closed");
    let mut tally = Tally::default();
    while let Ok(event) = happened.try_recv() {
        tally.count(&event);
    }
    (result, tally.summary(Duration::from_secs(1)))
}

#[expect(clippy::format_collect, reason = "short texts")]
fn lines(numbers: std::ops::Range<u64>, keys: u64) -> String {
    numbers
        .map(|n| format!("{{\"partitionKey\":\"key-{}\",\"data\":\"{n}\"}}\n", n % keys))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_delivered_once_in_the_order_of_each_key() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&seen);
    let setup = Setup {
        shards: 3,
        factor: 4,
        ..Setup::default()
    };
    let (result, summary) = run(setup, Cursor::new(lines(0..5_000, 37)), move |records| {
        assert!(records.len() <= 10);
        copy.lock()
            .unwrap()
            .extend(records.iter().map(|((_, number), _)| *number));
        accept()
    })
    .await;
    result.unwrap();
    assert_eq!(
        (summary.records, summary.acknowledged, summary.unsent, summary.lines),
        (5_000, 5_000, 0, 5_000)
    );
    let mut newest = BTreeMap::new();
    let mut seen = seen.lock().unwrap().clone();
    for number in &seen {
        let before = newest.insert(number % 37, *number);
        assert!(
            before.is_none_or(|before| before < *number),
            "{number} after {before:?}"
        );
    }
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..5_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_isolated_and_diverted_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("failed");
    let setup = Setup {
        destination: Some(Destination::open(&path).unwrap()),
        ..Setup::default()
    };
    let (result, summary) = run(setup, Cursor::new(lines(0..100, 5)), |records| {
        if records.iter().any(|((_, number), _)| *number == 42) {
            fail()
        } else {
            accept()
        }
    })
    .await;
    result.unwrap();
    assert_eq!(
        (summary.acknowledged, summary.diverted, summary.failed, summary.unsent),
        (99, 1, 0, 0)
    );
    let message: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(message["records"][0]["kinesis"]["data"], "NDI=");
    assert_eq!(message["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(summary.last_failure.as_deref(), Some("Fake: on purpose"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_destination_what_is_given_up_counts_as_failed() {
    let (result, summary) = run(Setup::default(), Cursor::new(lines(0..3, 1)), |_| fail()).await;
    result.unwrap();
    assert_eq!((summary.acknowledged, summary.diverted, summary.failed), (0, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_answer_is_taken_at_its_word() {
    let failed = Arc::new(Mutex::new(false));
    let setup = Setup {
        retries: Some(1),
        ..Setup::default()
    };
    let (result, summary) = run(setup, Cursor::new(lines(0..10, 1)), move |records| {
        if std::mem::replace(&mut *failed.lock().unwrap(), true) {
            return accept();
        }
        let body = serde_json::json!({"batchItemFailures": [{"itemIdentifier": records[1].1}]});
        Ok(Reply::Response(Bytes::from(body.to_string())))
    })
    .await;
    result.unwrap();
    assert_eq!(summary.acknowledged, 10);
    assert!(summary.retried > 0, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_before_a_bad_one_are_delivered_first() {
    let text = lines(0..25, 3) + "nonsense\n" + &lines(25..30, 3);
    let (result, summary) = run(Setup::default(), Cursor::new(text), |_| accept()).await;
    assert!(
        matches!(result, Err(EngineError::Input(InputError::Line { line: 26, .. }))),
        "{result:?}"
    );
    assert_eq!(
        (summary.records, summary.acknowledged, summary.unsent, summary.lines),
        (25, 25, 0, 26)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_run_and_counts_nothing_as_diverted() {
    let destination = Destination::open(std::path::Path::new("/dev/full")).unwrap();
    let setup = Setup {
        destination: Some(destination),
        ..Setup::default()
    };
    let (result, summary) = run(setup, Cursor::new(lines(0..30, 1)), |_| fail()).await;
    assert!(
        matches!(result, Err(EngineError::Destination(DestinationError::Write { .. }))),
        "{result:?}"
    );
    assert_eq!((summary.acknowledged, summary.diverted, summary.failed), (0, 0, 0));
    assert_eq!(summary.unsent, summary.records);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_cannot_start_ends_the_run() {
    let (result, summary) = run(Setup::default(), Cursor::new(lines(0..30, 1)), |_| {
        Err(SandboxError::Init {
            message: "no".to_owned(),
        })
    })
    .await;
    assert!(
        matches!(result, Err(EngineError::Sandbox(SandboxError::Init { .. }))),
        "{result:?}"
    );
    assert_eq!(summary.acknowledged, 0);
}

/// An input without end that counts what was taken of it.
struct Endless {
    line: Cursor<String>,
    taken: Arc<AtomicU64>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.line.position() == self.line.get_ref().len() as u64 {
            self.line.set_position(0);
        }
        let count = self.line.read(buffer)?;
        self.taken.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_input_is_read_no_further_than_the_queues_hold_and_a_stop_ends_it() {
    let taken = Arc::new(AtomicU64::new(0));
    let source = Endless {
        line: Cursor::new(format!("{{\"partitionKey\":\"k\",\"data\":\"{:1000}\"}}\n", 7)),
        taken: Arc::clone(&taken),
    };
    let stop = Stop::default();
    let setup = Setup {
        stop: stop.clone(),
        ..Setup::default()
    };
    let copy = Arc::clone(&taken);
    let (result, summary) = run(setup, source, move |_| {
        // The reader stands still, since the queue is full.
        wait_for_standstill(&copy);
        stop.halt(Halt::Soon);
        accept()
    })
    .await;
    result.unwrap();
    let limit = (QUEUE as u64 + 4) * 4 * CHUNK_BYTES as u64;
    assert!(
        taken.load(Ordering::SeqCst) < limit,
        "{} bytes were read",
        taken.load(Ordering::SeqCst)
    );
    assert_eq!(
        summary.invocations, 1,
        "the running invocation ended, and nothing new began"
    );
    assert!((1..=10).contains(&summary.acknowledged));
    assert_eq!(summary.unsent, summary.records - summary.acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_is_sent_before_more_is_typed() {
    let (reader, mut writer) = io::pipe().unwrap();
    let delivered = Arc::new(AtomicU64::new(0));
    let copy = Arc::clone(&delivered);
    let typing = std::thread::spawn(move || {
        use io::Write as _;
        for number in 1..=3_u64 {
            writer.write_all(lines(number..number + 1, 1).as_bytes()).unwrap();
            for _ in 0..10_000 {
                if copy.load(Ordering::SeqCst) == number {
                    break;
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
            assert_eq!(copy.load(Ordering::SeqCst), number, "delivered while the pipe is open");
        }
    });
    let (result, _) = run(Setup::default(), reader, move |records| {
        delivered.fetch_add(records.len() as u64, Ordering::SeqCst);
        accept()
    })
    .await;
    result.unwrap();
    typing.join().unwrap();
}

fn reshard(after: u64, shards: u32) -> Reshard {
    Reshard { after, shards }
}

/// Which records of the input are in which shard, and which shards are parents of which.
struct Lineage {
    records: BTreeMap<String, Vec<u64>>,
    parents: BTreeMap<String, Vec<String>>,
}

impl Lineage {
    /// Of the input `lines(0..records, keys)`.
    fn new(mut stream: Stream, records: u64, keys: u64) -> Self {
        let mut of_shard: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for number in 0..records {
            let place = stream
                .place(&format!("key-{}", number % keys), None, None, None)
                .unwrap();
            of_shard.entry(event::shard_id(place.shard)).or_default().push(number);
        }
        let parents = |shard| stream.parents(shard).map(event::shard_id).collect();
        Self {
            records: of_shard,
            parents: (0..stream.shards())
                .map(|shard| (event::shard_id(shard), parents(shard)))
                .collect(),
        }
    }

    /// Panics unless every record of every ancestor of `shard` is among `done`.
    fn assert_parents_done(&self, shard: &str, done: &std::collections::BTreeSet<u64>) {
        for parent in &self.parents[shard] {
            for number in self.records.get(parent).into_iter().flatten() {
                assert!(
                    done.contains(number),
                    "a record of {shard} was sent before record {number} of its parent {parent} was done"
                );
            }
            self.assert_parents_done(parent, done);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_child_is_invoked_before_its_parents_are_done() {
    const KEYS: u64 = 41;
    // Record 90 is of the first generation and fails for long, while the children have all that they get.
    for (factor, gives_up) in [(1, false), (4, false), (1, true), (4, true)] {
        let reshardings = vec![reshard(100, 8), reshard(2_000, 3), reshard(2_500, 3)];
        let stream = Stream::resharded(2, factor, &reshardings);
        let lineage = Lineage::new(stream, 3_000, KEYS);
        let done = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
        let newest = Arc::new(Mutex::new(BTreeMap::new()));
        let (failures, alone) = (AtomicU64::new(0), AtomicU64::new(0));
        let setup = Setup {
            shards: 2,
            reshardings,
            factor,
            retries: Some(if gives_up { 3 } else { 100 }),
            ..Setup::default()
        };
        let (all_done, order) = (Arc::clone(&done), Arc::clone(&newest));
        let (result, summary) = run(setup, Cursor::new(lines(0..3_000, KEYS)), move |records| {
            let mut done = done.lock().unwrap();
            lineage.assert_parents_done(&records[0].0.0, &done);
            if records.iter().any(|((_, number), _)| *number == 90) {
                // Alone it is given up after three retries.
                if gives_up && records.len() == 1 && alone.fetch_add(1, Ordering::SeqCst) == 3 {
                    done.insert(90);
                }
                if gives_up || failures.fetch_add(1, Ordering::SeqCst) < 6 {
                    return fail();
                }
            }
            for ((_, number), _) in records {
                let before = newest.lock().unwrap().insert(number % KEYS, *number);
                assert!(
                    before.is_none_or(|before| before < *number),
                    "{number} after {before:?}"
                );
                done.insert(*number);
            }
            accept()
        })
        .await;
        result.unwrap();
        let given_up = u64::from(gives_up);
        assert_eq!((summary.acknowledged, summary.failed), (3_000 - given_up, given_up));
        assert!(summary.errors >= 4, "{summary}");
        assert_eq!(all_done.lock().unwrap().len(), 3_000);
        assert_eq!(order.lock().unwrap().len() as u64, KEYS);
    }
}

/// Waits until nothing more is taken of an input.
fn wait_for_standstill(taken: &AtomicU64) {
    let mut before = u64::MAX;
    let mut quiet = 0;
    for _ in 0..10_000 {
        let now = taken.load(Ordering::SeqCst);
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        if quiet == 100 {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("{before} bytes were read, and there is no end");
}

/// A text that counts what was taken of it.
struct Counted {
    text: Cursor<String>,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        self.taken.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_larger_than_the_queues_waits_for_the_parents_and_then_comes_whole() {
    const RECORDS: u64 = 20 * QUEUE as u64 * CHUNK_RECORDS as u64;
    for factor in [1, 4] {
        let text = lines(0..RECORDS, 16);
        let whole = text.len() as u64;
        let taken = Arc::new(AtomicU64::new(0));
        let source = Counted {
            text: Cursor::new(text),
            taken: Arc::clone(&taken),
        };
        let setup = Setup {
            shards: 2,
            reshardings: vec![reshard(100, 1), reshard(200, 2)],
            factor,
            batch_size: 1_000,
            ..Setup::default()
        };
        let waited = Mutex::new(false);
        let (result, summary) = run(setup, source, move |records| {
            // The first invocation is one of a parent: nothing of the third generation can leave its queue.
            let mut waited = waited.lock().unwrap();
            if !*waited {
                let shard = &records[0].0.0;
                assert!([event::shard_id(0), event::shard_id(1)].contains(shard), "{shard}");
                wait_for_standstill(&taken);
                let read = taken.load(Ordering::SeqCst);
                assert!(read < whole, "all {whole} bytes were read");
                *waited = true;
            }
            accept()
        })
        .await;
        result.unwrap();
        assert_eq!((summary.acknowledged, summary.unsent), (RECORDS, 0), "factor {factor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_parent_that_was_broken_off_no_child_begins() {
    let setup = || Setup {
        reshardings: vec![reshard(10, 2)],
        factor: 4,
        ..Setup::default()
    };
    let only_parents = |records: &[(Delivered, String)]| assert_eq!(records[0].0.0, event::shard_id(0));
    let (result, summary) = run(setup(), Cursor::new(lines(0..1_000, 8)), move |records| {
        only_parents(records);
        Err(SandboxError::Init {
            message: "no".to_owned(),
        })
    })
    .await;
    assert!(matches!(result, Err(EngineError::Sandbox(_))), "{result:?}");
    assert_eq!(summary.acknowledged, 0);

    let stop = Stop::default();
    let stopped = Setup {
        stop: stop.clone(),
        ..setup()
    };
    let (result, summary) = run(stopped, Cursor::new(lines(0..1_000, 8)), move |records| {
        only_parents(records);
        stop.halt(Halt::Soon);
        accept()
    })
    .await;
    result.unwrap();
    assert!(summary.acknowledged <= 10, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resharding_behind_the_input_is_told() {
    let (events, mut happened) = Events::channel();
    let engine = Engine {
        settings: Settings {
            batch_size: 10,
            window: 0,
            retries: None,
            maximum_age: None,
            bisect: true,
            partial_failures: true,
            longest_backoff: LONGEST_BACKOFF,
        },
        shards: 1,
        reshardings: vec![reshard(3, 2), reshard(5, 4)],
        parallelization_factor: 1,
        destination: None,
        clock: Clock::start(),
        events,
        stop: Stop::default(),
    };
    let sandbox = |_| Fake {
        function: Arc::new(|_: &[(Delivered, String)]| accept()),
        closed: Arc::default(),
    };
    engine.run(Cursor::new(lines(0..5, 1)), sandbox).await.unwrap();
    let mut warnings = Vec::new();
    while let Ok(event) = happened.try_recv() {
        if let Event::Warning(text) = event {
            warnings.push(text);
        }
    }
    assert_eq!(
        warnings,
        ["the input ended after 5 records, so the stream was not resharded to 4 shard(s) after record 5"]
    );
}

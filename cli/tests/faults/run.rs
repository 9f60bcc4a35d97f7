//! Runs a schedule: through the engine of `k2m run` as a library, the built `bootstrap` and Apache Kafka, and collects what is to be
//! seen of it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use k2m::clock::Clock;
use k2m::local::destination::Destination;
use k2m::local::engine::{Engine, Events, Halt, Stop};
use k2m::local::mapping::Settings;
use k2m::local::sandbox::Program;
use k2m::local::stream::Reshard;
use k2m_testkit::Result;
use serde_json::{Value, json};

use crate::claims::{GivenUp, Seen};
use crate::ground::Ground;
use crate::mischief::{IDLE_LIMIT_MS, Mischief, Stage};
use crate::schedule::{OnPoison, PLACE_BYTES, Schedule};

/// Longest that a run may take before it counts as one that does not end.
const BOUND: Duration = Duration::from_mins(3);
/// The longest wait between retries here: a test is in a hurry.
const BACKOFF_MS: i64 = 30;

/// The function's program.
#[derive(Clone, Debug)]
pub(crate) struct Handler {
    pub(crate) path: PathBuf,
    /// A promise that it breaks.
    pub(crate) flaw: Option<&'static str>,
}

impl Handler {
    /// The `bootstrap` binary, as AWS runs it.
    pub(crate) fn real() -> Self {
        Self {
            path: built("bootstrap"),
            flaw: None,
        }
    }

    /// The handler that breaks a promise.
    pub(crate) fn flawed(flaw: &'static str) -> Self {
        Self {
            path: built("examples/flawed-bootstrap"),
            flaw: Some(flaw),
        }
    }
}

fn built(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_k2m"))
        .parent()
        .expect("a binary is in a folder");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: run the tests with scripts/test, or for the whole --workspace",
        path.display()
    );
    path
}

/// A name that no other run of this process has.
fn topic(seed: u64) -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    format!("faults-{seed}-{}", RUNS.fetch_add(1, Ordering::Relaxed))
}

/// Runs a schedule. `log` gets what the function says.
pub(crate) fn run(schedule: &Schedule, ground: &Arc<Ground>, handler: &Handler, log: &Path) -> Seen {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let topic = topic(schedule.seed);
    let dead_letters = format!("{topic}-dead");
    let seen = runtime.block_on(seen(schedule, ground, handler, log, [&topic, &dead_letters]));
    let mended = ground.mend(&[&topic, &dead_letters]);
    seen.and_then(|seen| mended.map(|()| seen))
        .unwrap_or_else(|error| Seen {
            trouble: vec![error.to_string()],
            ..Seen::default()
        })
}

async fn seen(
    schedule: &Schedule,
    ground: &Arc<Ground>,
    handler: &Handler,
    log: &Path,
    [topic, dead_letters]: [&str; 2],
) -> Result<Seen> {
    let began = Instant::now();
    let kafka = &ground.kafka;
    let (replication, limit) = (i32::from(schedule.brokers), schedule.limit.to_string());
    kafka.create_topic(
        topic,
        schedule.partitions,
        replication,
        &[("max.message.bytes", &limit)],
    )?;
    kafka.create_topic(dead_letters, 1, replication, &[("max.message.bytes", "4000000")])?;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let failed = folder.path().join("failed.jsonl");
    let program = Arc::new(Program {
        path: handler.path.clone(),
        arguments: Vec::new(),
        environment: environment(schedule, ground, handler, [topic, dead_letters]),
        timeout: Duration::from_millis(schedule.time_out),
        freeze: schedule.freeze,
        log: Some(Arc::new(File::create(log).expect("a file"))),
    });
    let (events, happened) = Events::channel();
    // Nobody listens: the stage itself writes down what counts.
    drop(happened);
    let (clock, stop) = (Clock::start(), Stop::default());
    let stage = Arc::new(Stage::new(
        schedule.clone(),
        Arc::clone(ground),
        topic.to_owned(),
        program,
        clock,
        events.clone(),
    ));
    let engine = Engine {
        settings: Settings {
            batch_size: schedule.batch_size,
            window: schedule.window,
            retries: Some(schedule.retries),
            maximum_age: None,
            bisect: true,
            partial_failures: true,
            longest_backoff: BACKOFF_MS,
        },
        shards: schedule.shards,
        reshardings: schedule
            .reshardings
            .iter()
            .map(|it| Reshard {
                after: it.after,
                shards: it.shards,
            })
            .collect(),
        parallelization_factor: schedule.factor,
        destination: Some(Destination::open(&failed).expect("a file")),
        clock,
        events,
        stop: stop.clone(),
    };
    let mut running = std::pin::pin!(engine.run(Cursor::new(lines(schedule)), |lane| Mischief::new(&stage, lane)));
    let early_end = if let Ok(ended) = tokio::time::timeout(BOUND, &mut running).await {
        ended.err().map(|error| error.to_string())
    } else {
        stop.halt(Halt::Now);
        let _ = running.await;
        Some(format!("it still ran after {BOUND:?}"))
    };
    let (calls, happened, trouble) = stage.close().await;
    let bootstrap = kafka.bootstrap_servers();
    Ok(Seen {
        calls,
        topic: ground.clerk.read(&bootstrap, topic)?,
        dead_letters: ground.clerk.read(&bootstrap, dead_letters)?,
        given_up: given_up(&std::fs::read_to_string(failed).unwrap_or_default()),
        resent: resent(&std::fs::read_to_string(log).unwrap_or_default()),
        early_end,
        happened,
        trouble,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// The variables of the function.
fn environment(
    schedule: &Schedule,
    ground: &Ground,
    handler: &Handler,
    [topic, dead_letters]: [&str; 2],
) -> Vec<(String, String)> {
    let mut variables = HashMap::from([
        (
            "K2M_BOOTSTRAP_SERVERS",
            ground.kafka.proxied_bootstrap_servers().expect("a proxy"),
        ),
        ("K2M_TOPIC", topic.to_owned()),
        ("K2M_AUTHENTICATION", "plaintext".to_owned()),
        // Its summaries say what it sent again by itself.
        (
            "K2M_LOG",
            std::env::var("K2M_FAULTS_LOG").unwrap_or_else(|_| "info".to_owned()),
        ),
        ("K2M_IDLE_LIMIT_MS", IDLE_LIMIT_MS.to_string()),
    ]);
    if schedule.on_poison == OnPoison::Divert {
        variables.insert("K2M_ON_POISON", "divert".to_owned());
        variables.insert("K2M_DEAD_LETTER_TOPIC", dead_letters.to_owned());
    }
    if let Some(limit) = schedule.told_limit {
        variables.insert("K2M_MAX_MESSAGE_BYTES", limit.to_string());
    }
    if let Some(flaw) = handler.flaw {
        variables.insert("FLAW", flaw.to_owned());
    }
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn lines(schedule: &Schedule) -> String {
    schedule.input().iter().fold(String::new(), |mut lines, record| {
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{}", json!({"partitionKey": record.key, "data": record.value}));
        lines
    })
}

/// How many records the function says to have sent again by itself, by request.
fn resent(log: &str) -> HashMap<String, u64> {
    let mut resent = HashMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let (Some("invocation"), Some(request)) = (line["message"].as_str(), line["requestId"].as_str()) {
            *resent.entry(request.to_owned()).or_default() += line["resent"].as_u64().unwrap_or_default();
        }
    }
    resent
}

fn given_up(lines: &str) -> Vec<GivenUp> {
    let place = |record: &Value| {
        let data = record["kinesis"]["data"].as_str().unwrap_or_default();
        let data = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        let place = std::str::from_utf8(&data[..PLACE_BYTES]).expect("digits");
        place.parse().expect("a number")
    };
    lines
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("a JSON line");
            GivenUp {
                places: line["records"].as_array().expect("records").iter().map(place).collect(),
                condition: line["requestContext"]["condition"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            }
        })
        .collect()
}

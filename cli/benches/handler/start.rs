//! From the start of the process to its first request for an invocation, beside a function that does nothing.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use k2m::clock::Clock;
use k2m::local::runtime_api::RuntimeApi;
use tokio::process::Command;
use tokio::time::timeout;

use crate::report::{Goal, Section, Spread};
use crate::{Kafka, LIMIT, Result, Run};

/// Starts of each program that count.
const ROUNDS: usize = 41;
/// Starts before the first that counts: then the binaries are in memory.
const WARM_UP: usize = 3;
/// At most so many times the empty function's.
const GOAL: f64 = 1.5;

pub(crate) async fn measure(run: &Run<'_>, kafka: &Kafka) -> Result<Section> {
    let topic = "start";
    kafka.topic(topic)?;
    let programs = [
        ("an empty function", &run.programs.empty, Vec::new()),
        (
            "the handler, plaintext",
            &run.programs.bootstrap,
            kafka.plaintext(topic),
        ),
        ("the handler, TLS", &run.programs.bootstrap, kafka.tls(topic)?),
    ];
    let mut times: [Vec<Duration>; 3] = Default::default();
    let rounds = run.rounds(ROUNDS);
    for round in 0..WARM_UP + rounds {
        for (times, (_, program, environment)) in times.iter_mut().zip(&programs) {
            let time = first_request(program, environment).await?;
            if round >= WARM_UP {
                times.push(time);
            }
        }
    }

    let spreads = times.each_ref().map(|times| Spread::of(times));
    let empty = spreads[0];
    let mut text =
        String::from("| program | to the first request | starts | times the empty function |\n|---|---:|---:|---:|\n");
    let mut goals = Vec::new();
    for (spread, (name, ..)) in spreads.iter().zip(&programs) {
        let ratio = spread.median / empty.median;
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {name} | {} | {rounds} | {ratio:.2} |", spread.cell());
        if *name != programs[0].0 {
            goals.push(Goal {
                what: format!("start to the first request: {name}"),
                against: "an empty function".into(),
                ours: spread.millis(),
                theirs: empty.millis(),
                ratio,
                aim: format!("at most {GOAL} times"),
                met: ratio <= GOAL,
            });
        }
    }
    let _ = writeln!(text, "\nMilliseconds: median (least-most). {}.", kafka.name());
    Ok(Section { text, goals })
}

/// Starts a program and waits until it asks for its first invocation.
async fn first_request(program: &Path, environment: &[(String, String)]) -> Result<Duration> {
    let api = RuntimeApi::start(Clock::start()).await?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("K2M_") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "k2m")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/k2m")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "start")
        .env("AWS_REGION", "us-east-1")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let start = Instant::now();
    let mut process = command.spawn()?;
    let asked = tokio::select! {
        asked = timeout(LIMIT, api.idle()) => asked.map_err(|_| "it asked for no invocation".to_owned()),
        error = api.init_error() => Err(error.error_message),
        status = process.wait() => Err(format!("it ended: {status:?}")),
    };
    let time = start.elapsed();
    asked.map_err(|reason| format!("{} did not start: {reason}", program.display()))?;
    process.kill().await?;
    Ok(time)
}

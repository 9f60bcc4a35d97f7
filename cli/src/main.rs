//! The `k2m` binary: parses the command line, and turns what a command returns into an exit code.

use std::process::ExitCode;

use clap::Parser as _;
use k2m::args::{Cli, Command, Output};
use k2m::commands::{
    CommandError, bootstrap, broker, demo, deploy, destroy, doctor, explain, init, inspect, logs, plan, render, run,
    signals, status, unless_stopped,
};
use k2m::exit::Exit;
use k2m::report::Reporter;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Bootstrap { embedded } => bootstrap::run(embedded),
        Command::Broker(args) => finish(broker::run(args), &mut Reporter::new(Output::Human)),
        Command::Run(args) => {
            let mut reporter = Reporter::new(args.output);
            let result = block_on(run::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Init(args) => {
            let mut reporter = Reporter::new(args.output);
            let result = block_on(init::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Inspect(args) => {
            let mut reporter = Reporter::new(args.output);
            let result = block_on(looking(inspect::run(*args, &mut reporter)));
            finish(result, &mut reporter)
        }
        Command::Plan(args) => {
            let mut reporter = Reporter::new(args.plan.output);
            let result = block_on(looking(plan::run(*args, &mut reporter)));
            finish(result, &mut reporter)
        }
        Command::Render(args) => {
            let mut reporter = Reporter::new(args.plan.output);
            let result = block_on(looking(render::run(*args, &mut reporter)));
            finish(result, &mut reporter)
        }
        Command::Deploy(args) => {
            let mut reporter = Reporter::new(args.output);
            let result = block_on(deploy::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Destroy(args) => {
            let mut reporter = Reporter::new(args.output);
            let result = block_on(destroy::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Doctor(args) => {
            let mut reporter = Reporter::new(args.plan.output);
            let result = block_on(doctor::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Explain(args) => {
            let mut reporter = Reporter::new(args.output);
            let result = explain::run(&args, &mut reporter);
            finish(result, &mut reporter)
        }
        Command::Status(args) => {
            let mut reporter = Reporter::new(args.output);
            let result = block_on(status::run(args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Logs(args) => {
            let mut reporter = Reporter::new(args.output).in_lines();
            let result = block_on(logs::run(args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Demo(args) => {
            let mut reporter = Reporter::new(args.output);
            let result = block_on(demo::run(args, &mut reporter));
            finish(result, &mut reporter)
        }
    }
}

/// A command that changes nothing, which ends at once when a signal comes.
async fn looking(command: impl Future<Output = Result<Exit, CommandError>>) -> Result<Exit, CommandError> {
    unless_stopped(&mut signals()?, command).await
}

fn block_on(command: impl Future<Output = Result<Exit, CommandError>>) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CommandError::Machine {
            what: "start k2m's threads",
            source,
        })?;
    let result = runtime.block_on(command);
    // A thread that waits for somebody to type must not keep the process alive.
    runtime.shutdown_background();
    result
}

fn finish(result: Result<Exit, CommandError>, reporter: &mut Reporter) -> ExitCode {
    reporter.finish();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = error.exit();
            reporter.failure(&error.to_string(), exit);
            exit.into()
        }
    }
}

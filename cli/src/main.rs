//! The `k2m` binary: parses the command line, and turns what a command returns into an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use k2m::args::{Cli, Command, MannerArgs, Output};
use k2m::commands::{
    CommandError, bootstrap, broker, completions, demo, deploy, destroy, doctor, explain, import, init, inspect, logs,
    output, plan, render, run, schema, signals, status, unless_stopped,
};
use k2m::exit::Exit;
use k2m::help;
use k2m::report::{Failure, Reporter};

/// No runtime, no client and no certificate before a command needs one: `--version` and its like are to be there at once.
fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let Cli { manner, command } = match help::parse(&typed) {
        Ok(cli) => cli,
        Err(error) => return no_command(&error, &typed),
    };
    let reporter = |output| Reporter::new(output, manner);
    match command {
        Command::Bootstrap { embedded } => bootstrap::run(embedded),
        Command::Broker(args) => finish(broker::run(args), &mut reporter(Output::Human)),
        Command::Run(args) => {
            let mut reporter = reporter(args.output);
            let result = block_on(run::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Init(args) => {
            let mut reporter = reporter(args.output);
            let result = block_on(init::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Import(args) => {
            let mut reporter = reporter(args.output);
            let result = block_on(import::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Inspect(args) => {
            let mut reporter = reporter(args.output);
            let result = block_on(looking(inspect::run(*args, &mut reporter)));
            finish(result, &mut reporter)
        }
        Command::Plan(args) => {
            let mut reporter = reporter(args.plan.output);
            let result = block_on(looking(plan::run(*args, &mut reporter)));
            finish(result, &mut reporter)
        }
        Command::Render(args) => {
            let mut reporter = reporter(args.plan.output);
            let result = block_on(looking(render::run(*args, &mut reporter)));
            finish(result, &mut reporter)
        }
        Command::Deploy(args) => {
            let mut reporter = reporter(args.output);
            let result = block_on(deploy::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Destroy(args) => {
            let mut reporter = reporter(args.output);
            let result = block_on(destroy::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Doctor(args) => {
            let mut reporter = reporter(args.plan.output);
            let result = block_on(doctor::run(*args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Explain(args) => {
            let mut reporter = reporter(args.output);
            let result = explain::run(&args, &mut reporter);
            finish(result, &mut reporter)
        }
        Command::Completions(args) => {
            let mut reporter = reporter(Output::Human);
            let result = completions::run(&args, &reporter);
            finish(result, &mut reporter)
        }
        Command::Status(args) => {
            let mut reporter = reporter(args.output);
            let result = block_on(status::run(args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Logs(args) => {
            let mut reporter = reporter(args.output).in_lines();
            let result = block_on(logs::run(args, &mut reporter));
            finish(result, &mut reporter)
        }
        Command::Schema(args) => {
            let mut reporter = reporter(Output::Human);
            let result = schema::run(&args, &reporter);
            finish(result, &mut reporter)
        }
        Command::Demo(args) => {
            let mut reporter = reporter(args.output);
            let result = block_on(demo::run(args, &mut reporter));
            finish(result, &mut reporter)
        }
    }
}

/// Help or the version, or what is wrong with what was typed.
fn no_command(error: &clap::Error, typed: &[OsString]) -> ExitCode {
    if help::asked_for(error) {
        let mut reporter = Reporter::new(Output::Human, MannerArgs::default());
        let shown = error.print().and_then(|()| reporter.raw(&[]));
        return finish(output(shown).map(|()| Exit::Fine), &mut reporter);
    }
    // There is no place left to say that it can't be written.
    let _ = error.print();
    if help::wants_json(typed) {
        let (error, next) = help::told(error);
        Reporter::new(Output::Json, MannerArgs::default()).failed(&Failure {
            error,
            kind: "usage",
            causes: Vec::new(),
            next,
            exit_code: Exit::Usage.code(),
        });
    }
    Exit::Usage.into()
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
            reporter.failure(&error.failure());
            exit.into()
        }
    }
}

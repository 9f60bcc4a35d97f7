//! `k2m run --probe`: asks the handler, on this machine, how its way to the brokers is.

use std::sync::Arc;

use k2m_handler::probe::report::Answer;
use k2m_handler::probe::{Payload, Request};

use super::run::{chosen, program, variables};
use super::{CommandError, output, signals};
use crate::args::RunArgs;
use crate::clock::{Clock, uuid};
use crate::exit::Exit;
use crate::local::broker::Connection;
use crate::local::engine::{EngineError, Events, Sandbox as _};
use crate::local::runtime_api::Reply;
use crate::local::sandbox::ProcessSandbox;
use crate::probe::Shown;
use crate::report::Reporter;

/// Runs the command.
pub(super) async fn run(args: &RunArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let mut signals = signals()?;
    let chosen = chosen(args)?;
    let Some(connection) = Connection::from_args(&args.broker).await? else {
        let words = "--probe tries the way to the brokers of --bootstrap-servers; name them";
        return Err(CommandError::Usage(words.to_owned()));
    };
    let environment = variables(&connection, &chosen);
    let program = program(&args.function, chosen.timeout.value, false, environment)?;
    let request = Payload::new(Request {
        create_topic: args.probe.create_topic,
        canary: args.probe.canary,
    });
    let payload = serde_json::to_vec(&request).map_err(|error| CommandError::NoProbe(error.to_string()))?;
    let (events, _happened) = Events::channel();
    let mut sandbox = ProcessSandbox::new(Arc::new(program), 0, Clock::start(), events);
    let request_id = uuid();
    let reply = tokio::select! {
        reply = sandbox.invoke(&request_id, payload.into()) => reply,
        () = signals.next() => return Err(interrupted(args)),
    };
    let reply = reply.map_err(|error| CommandError::Engine(EngineError::Sandbox(error)))?;
    sandbox.close().await;
    let answer = match reply {
        Reply::Response(answer) => answer,
        Reply::Error(error) => return Err(CommandError::NoProbe(error.error_message)),
    };
    let answer: Answer = serde_json::from_slice(&answer)
        .map_err(|error| CommandError::NoProbe(format!("it answers something else: {error}")))?;
    let report = answer.k2m.probe;
    let ok = report.ok;
    output(reporter.result(&Shown {
        report,
        bootstrap_servers: connection.bootstrap_servers,
    }))?;
    Ok(if ok { Exit::Fine } else { Exit::Failed })
}

/// What may have been done already: only without a canary and a topic to create nothing was.
fn interrupted(args: &RunArgs) -> CommandError {
    match (args.probe.create_topic.is_some(), args.probe.canary) {
        (false, false) => CommandError::Interrupted,
        (true, false) => CommandError::InterruptedProbe("the topic may have been created"),
        (false, true) => CommandError::InterruptedProbe("the canary may have been written"),
        (true, true) => CommandError::InterruptedProbe("the topic may have been created, and the canary written"),
    }
}

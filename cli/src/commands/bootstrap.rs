//! `k2m bootstrap`, hidden: this executable as the function's process, so that `run` and `demo` need no second binary.

use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

/// Serves the Lambda Runtime API until it goes away; `embedded`: in front of the embedded brokers.
pub fn run(embedded: bool) -> ExitCode {
    // A process in the middle of an invocation would notice the death of its parent only when it answers.
    // Best effort: where it is refused, noticing late is all that is lost.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if embedded {
        k2m_handler::main_with_embedded_brokers()
    } else {
        k2m_handler::main()
    }
}

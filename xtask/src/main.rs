//! What is done to k2m beside building it: `cargo xtask dist` makes a release.

mod archive;
mod dist;
mod error;
mod licences;
mod sbom;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "What is done to k2m beside building it")]
enum Task {
    /// Compile k2m and its handlers, and pack them as archives with completions, licences, a bill of materials and checksums
    Dist(dist::DistArgs),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Dist(args) => dist::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A line for whoever watches.
fn say(line: &str) {
    // Nobody may be reading any more; the work goes on.
    let _ = writeln!(std::io::stderr(), "{line}");
}

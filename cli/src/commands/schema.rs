//! `k2m schema`: the JSON Schema of k2m.yaml, or of what a command prints for programs.

use super::{CommandError, output};
use crate::args::SchemaArgs;
use crate::exit::Exit;
use crate::report::Reporter;
use crate::schemas::Schema;

/// Runs the command.
pub fn run(args: &SchemaArgs, reporter: &Reporter) -> Result<Exit, CommandError> {
    let schema = Schema::of(args.of).map_err(|source| CommandError::Machine {
        what: "read a schema that k2m holds, which is a fault of k2m",
        source: source.into(),
    })?;
    output(reporter.result(&schema))?;
    Ok(Exit::Fine)
}

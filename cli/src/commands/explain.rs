//! `k2m explain`: what a code of doctor means.

use super::{CommandError, folded, output};
use crate::args::ExplainArgs;
use crate::doctor::{Contents, Page};
use crate::exit::Exit;
use crate::report::Reporter;

/// Runs the command.
pub fn run(args: &ExplainArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let Some(code) = &args.code else {
        output(reporter.laid_out(&Contents::all(), folded))?;
        return Ok(Exit::Fine);
    };
    let page = Page::of(code).ok_or_else(|| {
        CommandError::Usage(format!(
            "{code:?} is the code of no check: give one such as N02; without any, k2m explain lists them"
        ))
    })?;
    output(reporter.result(&page))?;
    Ok(Exit::Fine)
}

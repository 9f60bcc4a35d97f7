//! The zip that `k2m deploy` uploads.

use k2m::deploy::bundle;

use crate::report::{Goal, Section};
use crate::{Result, Run};

/// 5 MB.
const GOAL: usize = 5_000_000;

pub(crate) fn measure(run: &Run<'_>) -> Result<Section> {
    let bootstrap = &run.programs.bootstrap;
    let binary = std::fs::metadata(bootstrap)?.len();
    let zip = bundle::read(bootstrap)?.zip.len();
    let text = format!(
        "| `bootstrap`, bytes | zip, bytes |\n|---:|---:|\n| {binary} | {zip} |\n\nBuilt by `{}`, as `k2m deploy` does.\n",
        bundle::BUILD
    );
    #[expect(clippy::cast_precision_loss, reason = "a zip is far below 2^53 bytes")]
    let ratio = zip as f64 / GOAL as f64;
    let goals = vec![Goal {
        what: "the zip".into(),
        against: "the goal".into(),
        ours: format!("{zip} bytes"),
        theirs: format!("{GOAL} bytes"),
        ratio,
        aim: "at most 5 MB".into(),
        met: zip <= GOAL,
    }];
    Ok(Section { text, goals })
}

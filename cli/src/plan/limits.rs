//! Whether CloudFormation takes a stack of this size, and how many pipelines one stack has room for. Pure.

use std::fmt;

use super::{Destination, Pipeline, Plan, PlanError};

/// Most resources that CloudFormation takes in a template.
const RESOURCES: usize = 500;
/// Most bytes that it takes of a template in S3. Its documentation says 1 MB, of which this is the smaller reading.
const BYTES: usize = 1_000_000;
/// Most outputs that it takes.
pub(super) const OUTPUTS: usize = 200;

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMuch {
    /// Resources of the stack.
    Resources,
    /// Bytes of the template.
    Bytes,
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resources => "resources",
            Self::Bytes => "bytes of template",
        })
    }
}

/// Refuses a plan whose template has more than CloudFormation takes: these bytes, and resources of these logical ids.
pub fn fit<'a>(plan: &Plan, bytes: usize, resources: impl Iterator<Item = &'a str>) -> Result<(), PlanError> {
    let ids: Vec<&str> = resources.collect();
    let pipelines = plan.pipelines.len();
    let refuse = |what, count, most, fitting| {
        let own = plan
            .pipelines
            .iter()
            .filter(|pipeline| pipeline.destination == Destination::Own);
        Err(PlanError::TooLarge {
            what,
            count,
            most,
            pipelines,
            fitting,
            own_destinations: own.count(),
        })
    };
    if ids.len() > RESOURCES {
        let of = |pipeline: &Pipeline| ids.iter().filter(|id| id.starts_with(&pipeline.id)).count();
        let each: Vec<usize> = plan.pipelines.iter().map(of).collect();
        let shared = ids.len().saturating_sub(each.iter().sum());
        let largest = each.into_iter().max().unwrap_or_default().max(1);
        let fitting = RESOURCES.saturating_sub(shared) / largest;
        return refuse(TooMuch::Resources, ids.len(), RESOURCES, fitting);
    }
    if bytes > BYTES {
        let fitting = pipelines.saturating_mul(BYTES) / bytes;
        return refuse(TooMuch::Bytes, bytes, BYTES, fitting);
    }
    Ok(())
}

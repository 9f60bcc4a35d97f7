//! The picture of what was examined: the way of each pipeline as it is, with what is wrong where it is wrong; of what is not deployed, the plan's.

use std::cell::RefCell;

use super::case::Case;
use super::drift::{self, Drift};
use super::network::{Ways, ways};
use super::{Health, Outcome, PipelineReport};
use crate::facts::{Fact, Facts, PipelineFacts};
use crate::network::Verdict;
use crate::picture::Scene;
use crate::picture::scene::{Deployed, Mark, Place, Trouble};
use crate::plan::plan;
use crate::settings::{PipelineSettings, Settings};

/// The check that the hops of the picture speak for.
const REACH: &str = "K2M-N02";

/// Where on the picture a check looks.
fn place(code: &str) -> Place {
    match code.strip_prefix("K2M-").unwrap_or(code) {
        "E01" => Place::Stream,
        "N01" | "P02" => Place::Brokers,
        "P03" => Place::Topics,
        other => match other.chars().next() {
            Some('E') => Place::Mapping,
            Some('N' | 'P') => Place::Way,
            Some('A') => Place::Brokers,
            Some('T') => Place::Topics,
            Some('D') => Place::Destination,
            // L, and whatever there may be of which nothing better is known.
            _ => Place::Function,
        },
    }
}

/// Whether anything of the pipeline is there to be drawn.
pub(super) fn is_deployed(seen: Option<&PipelineFacts>) -> bool {
    seen.is_some_and(|seen| !seen.function.is_absent() || !seen.mapping.is_absent())
}

/// Of a pipeline that is deployed.
pub(super) fn pipeline(
    settings: &Settings,
    pipeline: &PipelineSettings,
    facts: &Facts,
    report: &PipelineReport,
) -> Option<Scene> {
    let seen = facts.pipelines.get(pipeline.stream.value.as_str());
    let seen = seen.filter(|seen| is_deployed(Some(seen)))?;
    let read = drift::read(&facts.stack);
    let drift = Drift::of(&read, seen);
    let offered = RefCell::default();
    let case = Case {
        settings,
        pipeline,
        facts,
        seen,
        drift: &drift,
        planned: None,
        offered: &offered,
    };
    let ways = ways(&case).ok();
    let (proofs, connection) = match &ways {
        Some(Ways { proofs, connection, .. }) => (proofs.as_slice(), *connection),
        None => (&[][..], None),
    };
    let troubles = troubles(report, !proofs.is_empty());
    let (mark, summary) = whole(report);
    let through = |verdict: &Verdict| matches!(verdict, Verdict::ThroughGateway { .. });
    let mark = match mark {
        Mark::Passes if proofs.iter().any(|proof| through(&proof.verdict)) => Mark::Trusted,
        mark => mark,
    };
    Some(Scene::of_deployed(Deployed {
        settings,
        pipeline,
        facts,
        seen,
        proofs,
        connection,
        troubles: &troubles,
        mark,
        summary: &summary,
    }))
}

/// Of what is not deployed: what a deployment would make, else why there is no picture.
pub(super) fn planned(settings: &Settings, facts: &Facts) -> Result<Scene, String> {
    if let Fact::Unreadable(_) = &facts.stack {
        return Err("The stack could not be read, so nothing says what is deployed.".to_owned());
    }
    match plan(settings, facts) {
        Ok(plan) => Ok(Scene::of_plan(&plan, facts)),
        Err(error) => Scene::of_error(&error, settings, facts)
            .ok_or_else(|| format!("Nothing is deployed, and there is no plan to draw: {error}")),
    }
}

/// What is broken of itself, and what nobody knows. What hops show, they say themselves.
fn troubles(report: &PipelineReport, proven: bool) -> Vec<Trouble> {
    let of_itself = |code: &str| report.causes.iter().any(|cause| cause.code == code);
    let checks = report.checks.iter().filter(|check| !(proven && check.code == REACH));
    let troubles = checks.filter_map(|check| {
        let (mark, reason) = match &check.outcome {
            Outcome::Fail { evidence, .. } if of_itself(check.code) => (Mark::Broken, evidence.first()?),
            Outcome::Unknown { why, .. } => (Mark::Unknown, why),
            _ => return None,
        };
        Some(Trouble {
            place: place(check.code),
            mark,
            reason: reason.clone(),
            code: check.code,
        })
    });
    troubles.collect()
}

/// What became of it, in a sentence.
pub(super) fn whole(report: &PipelineReport) -> (Mark, String) {
    let check = |code: &str| report.checks.iter().find(|check| check.code == code);
    match report.health {
        Health::Healthy => (
            Mark::Passes,
            "healthy: nothing is broken, and all could be judged".to_owned(),
        ),
        Health::Unknown => {
            let unknown = report.checks.iter();
            let unknown = unknown.filter(|check| matches!(check.outcome, Outcome::Unknown { .. }));
            let codes: Vec<&str> = unknown.map(|check| check.code).collect();
            let summary = format!(
                "nothing is known to be broken, but not all could be judged: {}",
                codes.join(", ")
            );
            (Mark::Unknown, summary)
        }
        Health::Broken => {
            let first = report.causes.first().and_then(|cause| check(cause.code));
            let summary = match first.map(|check| (check.code, &check.outcome)) {
                Some((code, Outcome::Fail { evidence, .. })) => {
                    format!("broken: {} ({code})", evidence.first().map_or("", String::as_str))
                }
                _ => "broken".to_owned(),
            };
            (Mark::Broken, summary)
        }
    }
}

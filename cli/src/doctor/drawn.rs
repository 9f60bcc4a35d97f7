//! The picture of what was examined: the way of each pipeline as it is, with what is wrong where it is wrong; of what is not deployed, the plan's.

use std::cell::RefCell;

use super::case::Case;
use super::drift::{self, Drift};
use super::network::{Ways, ways};
use super::steps::{Piece, pieces};
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
        // Lambda and the function act with the role's rights, and the addresses that are short are for the function's interfaces.
        "A04" | "A05" | "N05" => Place::Function,
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
    let summary = drawn(&summary);
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
    let mut troubles: Vec<Trouble> = Vec::new();
    for check in checks {
        let (mark, reason) = match &check.outcome {
            Outcome::Fail { evidence, .. } if of_itself(check.code) => match evidence.first() {
                Some(first) => (Mark::Broken, first),
                None => continue,
            },
            Outcome::Unknown { why, .. } => (Mark::Unknown, why),
            _ => continue,
        };
        let (place, reason) = (place(check.code), drawn(reason));
        // What several checks say is said once.
        let same = |known: &&mut Trouble| (known.place, known.mark, &known.reason) == (place, mark, &reason);
        if let Some(known) = troubles.iter_mut().find(same) {
            known.codes.push(check.code);
        } else {
            troubles.push(Trouble {
                place,
                mark,
                reason,
                codes: vec![check.code],
            });
        }
    }
    troubles
}

/// A text as it stands in a picture, which shows no code.
fn drawn(text: &str) -> String {
    pieces(text)
        .into_iter()
        .map(|piece| match piece {
            Piece::Words(text) | Piece::Code(text) => text,
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::super::CHECKS;
    use super::{Place, place};

    /// Each check, so that a new one is given thought.
    #[test]
    fn each_check_looks_somewhere() {
        let places = [
            (Place::Stream, &["E01"][..]),
            (
                Place::Mapping,
                &["E02", "E03", "E04", "E05", "E06", "E07", "E08", "E09", "E10"],
            ),
            (
                Place::Function,
                &[
                    "A04", "A05", "N05", "L01", "L02", "L03", "L04", "L05", "L06", "L07", "L08", "L09", "L10", "L11",
                ],
            ),
            (Place::Way, &["N02", "N03", "N04", "N06", "N07", "N08", "P01"]),
            (Place::Brokers, &["N01", "P02", "A01", "A02", "A03", "A06", "A07"]),
            (Place::Topics, &["P03", "T01", "T02", "T03", "T04", "T05", "T06"]),
            (Place::Destination, &["D01", "D02"]),
        ];
        for check in CHECKS {
            let short = check.code.strip_prefix("K2M-").unwrap();
            let known = places.iter().find(|(_, codes)| codes.contains(&short));
            assert_eq!(Some(place(check.code)), known.map(|(place, _)| *place), "{short}");
        }
    }
}

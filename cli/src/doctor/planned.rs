//! What a deployment would come to, where nothing is deployed yet: judged by the plan that it would be made of.

use super::{Case, Outcome};
use crate::exit::Exit;
use crate::network::Verdict;
use crate::plan::PlanError;

/// The check that says why there is no plan; nothing where none is for that.
pub(super) const fn stops(error: &PlanError) -> Option<&'static str> {
    match error {
        PlanError::Authentication { .. }
        | PlanError::ChooseAuthentication { .. }
        | PlanError::NoSecret { .. }
        | PlanError::Secret { .. } => Some("K2M-A01"),
        PlanError::NoAddress { .. }
        | PlanError::OutsideBlocks { .. }
        | PlanError::NoBroker { .. }
        | PlanError::TooManyPlaces { .. }
        | PlanError::WhichVpc { .. }
        | PlanError::NoVpcLeads { .. }
        | PlanError::NoWayToSecrets { .. }
        | PlanError::SecretsEndpoint { .. }
        | PlanError::Subnets { .. }
        | PlanError::NoWay { .. }
        | PlanError::NotPublic { .. }
        | PlanError::NotPrivate { .. }
        | PlanError::NotReachedPublicly { .. }
        | PlanError::ServerlessElsewhere { .. }
        | PlanError::ChooseVpc { .. }
        | PlanError::NoVpc { .. }
        | PlanError::NoGroup { .. }
        | PlanError::RuleOfOther { .. }
        | PlanError::SubnetsOfVpcs { .. }
        | PlanError::RouteOfOther { .. }
        | PlanError::GoneFromStack { .. }
        | PlanError::TooManySubnets { .. } => Some("K2M-N02"),
        PlanError::NoTopic { .. } | PlanError::CannotMakeTopic { .. } => Some("K2M-T01"),
        _ => None,
    }
}

/// The check that fails, or can't tell, for what leaves us without a plan.
fn said_by(case: &Case<'_>, error: &PlanError) -> Option<&'static str> {
    let stream = &case.seen.stream;
    match error {
        PlanError::Absent { .. } | PlanError::State { .. } => {
            let streams = stream.found().map(|stream| stream.status.as_str());
            let well = matches!(streams, Some("ACTIVE" | "UPDATING"));
            Some(if well { "K2M-N01" } else { "K2M-E01" })
        }
        PlanError::Blind(_) => Some("K2M-N02"),
        error => stops(error),
    }
}

/// The check that what stops a deployment is told by.
pub(super) fn stopped_by(case: &Case<'_>) -> Option<&'static str> {
    let error = case.planned?.as_ref().err()?;
    said_by(case, error)
}

/// That nothing is deployed, and whether anything can be.
pub(super) fn nothing(case: &Case<'_>) -> Outcome {
    let nothing = format!("nothing is deployed: there is no stack {}", case.settings.stack.value);
    let deploy = case.deploy(&[]);
    let Some(Err(error)) = case.planned else {
        return Outcome::fail(nothing, deploy);
    };
    if let Some(code) = said_by(case, error) {
        return Outcome::Fail {
            evidence: vec![nothing, format!("and a deployment can't be planned, see {code}")],
            fix: vec![format!("mend what {code} says, then:"), deploy],
        };
    }
    let why = "and a deployment can't be planned:".to_owned();
    Outcome::Fail {
        evidence: [nothing, why].into_iter().chain(lines(error)).collect(),
        fix: vec!["mend that, then:".to_owned(), deploy],
    }
}

/// Whether the function that would be made reaches the brokers.
pub(super) fn reach(case: &Case<'_>) -> Option<Outcome> {
    let plan = match case.planned? {
        Ok(plan) => plan,
        Err(error) => return Some(lacking(case, error, "K2M-N02")),
    };
    let Some(network) = plan.network.as_ref().filter(|_| !plan.proofs.is_empty()) else {
        return Some(Outcome::skip(
            "the brokers would be reached over the internet, which the facts say nothing of",
        ));
    };
    let subnets = network.subnets.join(", ");
    let count = plan.proofs.len();
    let whole = plan.proofs.iter().all(|proof| proof.verdict == Verdict::Reachable);
    Some(if whole {
        Outcome::pass(format!(
            "planned: {count} ways from {subnets} to the brokers on {}, with the rules that a deployment adds",
            plan.cluster.port
        ))
    } else {
        Outcome::Unknown {
            why: format!(
                "planned: {count} ways from {subnets} to the brokers on {}, as far as AWS shows them: what lies behind the gateway, the function says once it is \
                 deployed",
                plan.cluster.port
            ),
            missing_action: None,
        }
    })
}

/// Whether there is a way of authentication that the cluster has and the plan can take.
pub(super) fn authentication(case: &Case<'_>, offer: &str) -> Option<Outcome> {
    Some(match case.planned? {
        Ok(plan) => Outcome::pass(format!("planned: {}: {offer}", plan.cluster.authentication.name())),
        Err(error) => lacking(case, error, "K2M-A01"),
    })
}

/// What a check says without a plan: why, where it is for that; else where that is said.
fn lacking(case: &Case<'_>, error: &PlanError, code: &str) -> Outcome {
    let by = said_by(case, error);
    if by != Some(code) {
        return Outcome::skip(format!("no deployment can be planned, see {}", by.unwrap_or("K2M-L01")));
    }
    if error.exit() == Exit::CouldNotTell {
        let unread = match error {
            PlanError::Blind(unread) => unread.iter().find_map(|(_, why)| why.missing_action.clone()),
            _ => None,
        };
        return Outcome::Unknown {
            why: lines(error).join("; ").replace(":; ", ": "),
            missing_action: unread,
        };
    }
    let deploy = case.deploy(&[]);
    let plan = deploy
        .strip_prefix("k2m deploy")
        .map_or_else(|| "k2m plan".to_owned(), |rest| format!("k2m plan{rest}"));
    Outcome::Fail {
        evidence: lines(error),
        fix: vec!["mend what it names; to see whether that does:".to_owned(), plan],
    }
}

/// An error, a line each.
fn lines(error: &PlanError) -> Vec<String> {
    error.to_string().lines().map(|line| line.trim().to_owned()).collect()
}

//! What `k2m plan` shows: the plan with what it would change, whole for programs, in brief for people.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::doctor::by_hand::{self, ByHand};
use crate::network::{Proof, Verdict};
use crate::plan::change::{Change, NetworkChange};
use crate::plan::shared::GivenBack;
use crate::plan::{Pipeline, Plan};

/// Wide enough for what decisions are about.
const LABEL: usize = 20;

/// A plan, and what it would change.
#[derive(Serialize)]
pub(super) struct Digest {
    #[serde(flatten)]
    pub(super) plan: Plan,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) network_changes: Vec<NetworkChange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) given_back: Vec<GivenBack>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) drift: Vec<ByHand>,
    pub(super) change: Change,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        decisions(f, plan)?;
        proven(f, plan)?;
        for pipeline in &plan.pipelines {
            role(f, pipeline)?;
        }
        if !plan.removed.is_empty() {
            writeln!(f, "\nTo be confirmed:")?;
            plan.removed.iter().try_for_each(|removed| writeln!(f, "  {removed}"))?;
        }
        warnings(f, plan)?;
        for (number, line) in by_hand::lines(&self.drift).iter().enumerate() {
            writeln!(f, "{}{line}", if number == 0 { "\n" } else { "" })?;
        }
        for network in &self.network_changes {
            write!(f, "\n{network}")?;
        }
        write!(f, "\n{}", self.change)?;
        self.given_back.iter().try_for_each(|stack| writeln!(f, "\n{stack}"))
    }
}

/// Each decision with its reason.
pub(in crate::commands) fn decisions(f: &mut fmt::Formatter<'_>, plan: &Plan) -> fmt::Result {
    row(
        f,
        "stack",
        &plan.stack,
        &format!("in {}, account {}", plan.region, plan.account),
    )?;
    let mut of = &None;
    for decision in &plan.decisions {
        if let Some(stream) = decision.pipeline.as_ref().filter(|_| decision.pipeline != *of) {
            writeln!(f, "\nThe pipeline of {stream}:")?;
        }
        of = &decision.pipeline;
        row(f, decision.about, &decision.choice, &decision.why)?;
    }
    Ok(())
}

/// What was proven. Of the internet nothing is.
pub(in crate::commands) fn proven(f: &mut fmt::Formatter<'_>, plan: &Plan) -> fmt::Result {
    if plan.proofs.is_empty() {
        return Ok(());
    }
    let trusts = |proof: &Proof| matches!(proof.verdict, Verdict::ThroughGateway { .. });
    let far = if plan.proofs.iter().any(trusts) {
        ", as far as the gateways that lead there"
    } else {
        ""
    };
    writeln!(f, "\nProven, there and back{far}:")?;
    reached(f, plan)
}

/// What should be known before.
pub(in crate::commands) fn warnings(f: &mut fmt::Formatter<'_>, plan: &Plan) -> fmt::Result {
    if plan.warnings.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nWarnings:")?;
    plan.warnings.iter().try_for_each(|warning| writeln!(f, "  {warning}"))
}

/// A choice, and under it the reason.
fn row(f: &mut fmt::Formatter<'_>, label: &str, choice: &str, why: &str) -> fmt::Result {
    writeln!(f, "{label:<LABEL$} {choice}")?;
    writeln!(f, "{:<LABEL$}   {why}", "")
}

/// One line for each subnet, and for each port where there are several.
fn reached(f: &mut fmt::Formatter<'_>, plan: &Plan) -> fmt::Result {
    let proofs = plan.proofs.as_slice();
    let mut sorted: Vec<&Proof> = proofs.iter().collect();
    sorted.sort_by_key(|proof| (place_of(proofs, &proof.source_subnet), proof.port));
    for of_subnet in sorted.chunk_by(|one, other| (&one.source_subnet, one.port) == (&other.source_subnet, other.port))
    {
        let Some(first) = of_subnet.first() else { continue };
        let brokers: Vec<&str> = of_subnet
            .iter()
            .map(|proof| proof.destination_address.as_str())
            .collect();
        writeln!(
            f,
            "  {} to {} on {}",
            first.source_subnet,
            brokers.join(", "),
            // Of a VPC connection's ports one speaks for all.
            if plan.connection.is_some() {
                plan.cluster.ports()
            } else {
                format!("port {}", first.port)
            }
        )?;
    }
    Ok(())
}

/// Where a subnet first comes.
fn place_of(proofs: &[Proof], subnet: &str) -> Option<usize> {
    proofs.iter().position(|proof| proof.source_subnet == subnet)
}

/// An ARN, or the logical id of what the stack makes itself.
fn named(resource: &Value) -> String {
    let own = resource["Ref"].as_str().or_else(|| resource["Fn::GetAtt"][0].as_str());
    match (resource.as_str(), own) {
        (Some(arn), _) => arn.to_owned(),
        (None, Some(id)) => format!("the stack's {id}"),
        (None, None) => resource.to_string(),
    }
}

fn role(f: &mut fmt::Formatter<'_>, pipeline: &Pipeline) -> fmt::Result {
    writeln!(f, "\nThe role of {}'s function may:", pipeline.stream_name)?;
    for statement in &pipeline.statements {
        let resources: Vec<String> = statement.resource.iter().map(named).collect();
        writeln!(
            f,
            "  {}\n    {}\n    on {}",
            statement.sid,
            statement.action.join(", "),
            resources.join(", ")
        )?;
        if let Some(condition) = &statement.condition {
            writeln!(f, "    if {condition}")?;
        }
    }
    Ok(())
}

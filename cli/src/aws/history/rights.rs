//! What a role may do, as IAM's simulator has it: the role's policies, its permissions boundary, and the organization's. What the policy of a queue, a key or
//! a cluster allows besides is not in it.

use std::collections::BTreeMap;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType as Decision,
};

use crate::arn::Arn;
use crate::aws::answer::{Answer, Trouble, trouble};
use crate::aws::incomplete;
use crate::aws::pace::Paced;
use crate::facts::{Denier, Right};
use crate::plan::needs::{Need, Thing};

const ACTION: &str = "iam:SimulatePrincipalPolicy";
/// By these words IAM refuses to tell of several actions together that are not on one kind of thing.
const APART: &str = "different authorization information";

/// Whether the role may do what is needed, in the order of the needs, and on which conditions a denial may hang.
pub(in crate::aws) async fn rights(
    client: &Client,
    role: &str,
    stream: &Arn,
    needs: &[Need],
    paced: &Paced,
) -> Answer<Vec<Right>> {
    let asked = needs.iter().map(|need| async move {
        match simulated(client, role, stream, need, need.actions, paced).await {
            Err(Trouble::Refused(words)) if words.contains(APART) && need.actions.len() > 1 => {
                let singly = need.actions.iter().map(std::slice::from_ref);
                let singly = singly.map(|action| simulated(client, role, stream, need, action, paced));
                let rights = futures_util::future::try_join_all(singly).await?;
                Ok(rights.into_iter().flatten().collect())
            }
            answer => answer,
        }
    });
    let rights = futures_util::future::try_join_all(asked).await?;
    Ok(rights.into_iter().flatten().collect())
}

async fn simulated(
    client: &Client,
    role: &str,
    stream: &Arn,
    need: &Need,
    actions: &[&str],
    paced: &Paced,
) -> Answer<Vec<Right>> {
    let Need { things, context, .. } = need;
    let named = things.iter().map(|thing| thing.asked.clone());
    // All things are what the simulator takes where none is named.
    let named: Vec<String> = named.filter(|arn| arn != "*").collect();
    // What is the same of each of the function's requests, so that a policy with such a condition is judged by it.
    let always = [
        ("aws:SecureTransport", "true"),
        ("aws:RequestedRegion", stream.region.as_str()),
    ];
    let context = context.iter().map(|(key, value)| (*key, value.as_str()));
    let entries = always.into_iter().chain(context).map(|(key, value)| {
        let kind = match value {
            "true" => ContextKeyTypeEnum::Boolean,
            _ => ContextKeyTypeEnum::String,
        };
        let entry = ContextEntry::builder().context_key_name(key).context_key_type(kind);
        entry.context_key_values(value).build()
    });
    let pages = client
        .simulate_principal_policy()
        .policy_source_arn(role)
        .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
        .set_resource_arns(Some(named).filter(|named| !named.is_empty()))
        .set_context_entries(Some(entries.collect()))
        .into_paginator()
        .items()
        .send();
    let results: Vec<EvaluationResult> = paced
        .one(pages.try_collect())
        .await
        .map_err(|error| trouble(&error, ACTION, &["NoSuchEntity"]))?;
    let mut by_action: BTreeMap<&str, Vec<&EvaluationResult>> = BTreeMap::new();
    for result in &results {
        by_action.entry(result.eval_action_name()).or_default().push(result);
    }
    let mut rights = Vec::new();
    for action in actions {
        let results = by_action.get(action).map(Vec::as_slice).unwrap_or_default();
        for thing in things {
            let judged = judged(results, thing).ok_or_else(|| incomplete(ACTION))?;
            let untold = if judged.is_denied() { judged.missing } else { &[] };
            rights.push(Right {
                action: (*action).to_owned(),
                resource: thing.granted.clone(),
                denied_by: judged.denier(),
                untold: untold.to_vec(),
            });
        }
    }
    Ok(rights)
}

/// What the simulator says of one action on one thing.
struct Judged<'a> {
    decision: &'a Decision,
    within_boundary: Option<bool>,
    within_organization: Option<bool>,
    missing: &'a [String],
}

/// What is said of a thing by itself, else of all things together. Of what the organization allows only the latter tells.
fn judged<'a>(results: &[&'a EvaluationResult], thing: &Thing) -> Option<Judged<'a>> {
    let whole = results.first()?;
    let organization = results
        .iter()
        .find_map(|result| Some(result.organizations_decision_detail()?.allowed_by_organizations));
    let mut specific = results.iter().flat_map(|result| result.resource_specific_results());
    if let Some(own) = specific.find(|own| own.eval_resource_name() == thing.asked) {
        let boundary = own.permissions_boundary_decision_detail();
        return Some(Judged {
            decision: own.eval_resource_decision(),
            within_boundary: boundary.map(|detail| detail.allowed_by_permissions_boundary),
            within_organization: organization,
            missing: own.missing_context_values(),
        });
    }
    // As the simulator answered before: a result for each thing.
    let own = results
        .iter()
        .find(|result| result.eval_resource_name() == Some(&thing.asked));
    let own = own.unwrap_or(whole);
    let boundary = own.permissions_boundary_decision_detail();
    Some(Judged {
        decision: own.eval_decision(),
        within_boundary: boundary.map(|detail| detail.allowed_by_permissions_boundary),
        within_organization: organization,
        missing: own.missing_context_values(),
    })
}

impl Judged<'_> {
    fn is_denied(&self) -> bool {
        *self.decision != Decision::Allowed
    }

    fn denier(&self) -> Option<Denier> {
        if !self.is_denied() {
            None
        } else if self.within_organization == Some(false) {
            Some(Denier::ServiceControlPolicy)
        } else if self.within_boundary == Some(false) {
            Some(Denier::PermissionsBoundary)
        } else if *self.decision == Decision::ExplicitDeny {
            Some(Denier::Policy)
        } else {
            Some(Denier::NoPolicy)
        }
    }
}

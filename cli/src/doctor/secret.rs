//! A: whether the secret that proves who the function is can do so.

use super::mend::Mend;
use super::rights::told;
use super::{Case, Outcome, given};
use crate::arn::SecretArn;
use crate::facts::{Fact, Secret};
use crate::plan::rights::is_managed;
use crate::plan::secret::{SCRAM_PREFIX, associate};
use crate::shell::Command;

/// Whether the function's secret can be read, and MSK takes users from it.
pub(super) fn usable(case: &Case<'_>) -> Outcome {
    given!(case.function());
    let way = case.authentication();
    let Some(arn) = case
        .variable("K2M_SECRET_ARN")
        .filter(|_| matches!(way, "scram" | "mutual_tls"))
    else {
        return Outcome::skip(format!("{way} shows the brokers no secret"));
    };
    let seen = match &case.seen.secret {
        Some(Fact::Absent) => {
            return Outcome::fail(
                format!("there is no secret {arn} (K2M_SECRET_ARN)"),
                [
                    "make it again, or deploy with another (docs/settings.md says what is in it):".to_owned(),
                    case.deploy(&[("--secret", "ARN")]),
                ],
            );
        }
        Some(Fact::Found { value }) => Some(value),
        None | Some(Fact::Unreadable(_)) => None,
    };
    if let Some(outcome) = seen.and_then(|secret| of_no_use(case, way, secret)) {
        return outcome;
    }
    let association = if way == "scram" {
        given!(association(case, arn))
    } else {
        None
    };
    let Some(secret) = seen else {
        return match &case.seen.secret {
            Some(Fact::Unreadable(why)) => Outcome::unreadable(why),
            _ => Outcome::skip("the secret was not looked at; inspect again"),
        };
    };
    let name = &secret.name;
    let key = secret.kms_key.as_deref().unwrap_or("the account's own key for secrets");
    let mut evidence = vec![format!("{name}, encrypted with {key}")];
    let again = "the function reads it anew where the brokers refuse what it holds";
    evidence.extend(secret.changed.as_ref().map(|at| format!("last changed {at}: {again}")));
    if secret.rotates {
        evidence.push(format!("it is rotated by itself: {again}, which costs one try"));
    }
    evidence.extend(association);
    Outcome::Pass { evidence }
}

/// What keeps a secret that is there from being read, or taken.
fn of_no_use(case: &Case<'_>, way: &str, secret: &Secret) -> Option<Outcome> {
    let region = SecretArn::parse(&secret.arn).map_or_else(|_| case.settings.home.region.clone(), |arn| arn.region);
    if let Some(deleted) = &secret.deleted {
        let name = &secret.name;
        return Some(Outcome::fail(
            format!("the secret {name} was deleted on {deleted}: it is kept for a while, and nobody can read it"),
            Command::new("aws secretsmanager restore-secret")
                .option("--secret-id", &secret.arn)
                .option("--region", &region)
                .to_string(),
        ));
    }
    if way == "scram" {
        refused(case, secret, &region)
    } else {
        None
    }
}

/// What is to be said of a secret that the cluster knows, or might; of one that it doesn't, what is wrong.
fn association(case: &Case<'_>, secret: &str) -> Result<Option<String>, Outcome> {
    let (Some(arn), Some(cluster)) = (case.settings.cluster(), case.facts.cluster.found()) else {
        return Ok(None);
    };
    match &cluster.scram_secrets {
        Some(Fact::Found { value }) if value.iter().any(|one| one == secret) => {
            Ok(Some("it is associated with the cluster".to_owned()))
        }
        Some(Fact::Found { .. }) => Err(Outcome::fail(
            format!(
                "the function's secret {secret} is not associated with the cluster: its brokers don't know the user"
            ),
            case.offer(Mend::AssociateSecret {
                cluster: arn.value.clone(),
                secret: secret.to_owned(),
            }),
        )),
        Some(Fact::Unreadable(why)) => Err(Outcome::Unknown {
            why: format!(
                "whether {secret} is one of the cluster's secrets could not be compared: {}",
                told(why)
            ),
            missing_action: why.missing_action.clone(),
        }),
        Some(Fact::Absent) | None => Ok(Some(format!(
            "whether {secret} is one of the cluster's secrets could not be compared: the facts do not list them"
        ))),
    }
}

/// What MSK demands of a secret for SASL/SCRAM and this one hasn't. One that is associated was taken.
fn refused(case: &Case<'_>, secret: &Secret, region: &str) -> Option<Outcome> {
    let cluster = &case.settings.cluster()?.value;
    let seen = case.facts.cluster.found();
    let associated = seen.and_then(|cluster| cluster.scram_secrets.as_ref()?.found());
    if associated.is_some_and(|all| all.contains(&secret.arn)) {
        return None;
    }
    let name = &secret.name;
    let another = || {
        [
            format!(
                "make a secret whose name begins with {SCRAM_PREFIX}, in {} and account {}, encrypted with a key of your own, associate it, and deploy with it:",
                cluster.region, cluster.account
            ),
            associate(cluster, "ARN").to_string(),
            case.deploy(&[("--secret", "ARN")]),
        ]
    };
    if !name.starts_with(SCRAM_PREFIX) {
        return Some(Outcome::fail(
            format!(
                "the secret is named {name}, and MSK takes users only from those whose names begin with {SCRAM_PREFIX}"
            ),
            another(),
        ));
    }
    let place = SecretArn::parse(&secret.arn).ok();
    if let Some(place) = place.filter(|place| (&place.region, &place.account) != (&cluster.region, &cluster.account)) {
        return Some(Outcome::fail(
            format!(
                "the secret {name} is in {} and account {}, and MSK takes users only from secrets of the cluster's, {} and {}",
                place.region, place.account, cluster.region, cluster.account
            ),
            another(),
        ));
    }
    if secret.kms_key.as_deref().is_none_or(is_managed) {
        return Some(Outcome::fail(
            format!(
                "the secret {name} is encrypted with the account's own key for secrets, and MSK associates none but those with a key of the customer's"
            ),
            [
                "with a symmetric key of yours in place of KEY:".to_owned(),
                Command::new("aws secretsmanager update-secret")
                    .option("--secret-id", &secret.arn)
                    .option("--kms-key-id", "KEY")
                    .option("--region", region)
                    .to_string(),
                associate(cluster, &secret.arn).to_string(),
            ],
        ));
    }
    None
}

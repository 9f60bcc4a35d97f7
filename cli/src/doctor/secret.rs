//! A: whether the secret that proves who the function is can do so.

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
    let secret = match &case.seen.secret {
        None => return Outcome::skip("the secret was not looked at; inspect again"),
        Some(Fact::Unreadable(why)) => return Outcome::unreadable(why),
        Some(Fact::Absent) => {
            return Outcome::fail(
                format!("there is no secret {arn} (K2M_SECRET_ARN)"),
                [
                    "make it again, or deploy with another (docs/settings.md says what is in it):".to_owned(),
                    case.deploy(&[("--secret", "ARN")]),
                ],
            );
        }
        Some(Fact::Found { value }) => value,
    };
    let region = SecretArn::parse(&secret.arn).map_or_else(|_| case.settings.home.region.clone(), |arn| arn.region);
    let name = &secret.name;
    if let Some(deleted) = &secret.deleted {
        return Outcome::fail(
            format!("the secret {name} was deleted on {deleted}: it is kept for a while, and nobody can read it"),
            Command::new("aws secretsmanager restore-secret")
                .option("--secret-id", &secret.arn)
                .option("--region", &region)
                .to_string(),
        );
    }
    if way == "scram"
        && let Some(outcome) = refused(case, secret, &region)
    {
        return outcome;
    }
    let key = secret.kms_key.as_deref().unwrap_or("the account's own key for secrets");
    let mut evidence = vec![format!("{name}, encrypted with {key}")];
    let again = "the function reads it anew where the brokers refuse what it holds";
    evidence.extend(secret.changed.as_ref().map(|at| format!("last changed {at}: {again}")));
    if secret.rotates {
        evidence.push(format!("it is rotated by itself: {again}, which costs one try"));
    }
    Outcome::Pass { evidence }
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

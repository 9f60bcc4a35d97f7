//! What the function shows to the brokers out of secrets.

use super::PlannedSecrets;
use super::error::PlanError;
use super::notes::{Notes, why};
use super::seen::Seen;
use crate::arn::{Arn, SecretArn};
use crate::facts::{Cluster, Fact};
use crate::settings::{Authentication, Home, Setting};
use crate::shell::Command;

/// What MSK demands of the names of secrets for SASL/SCRAM.
pub(crate) const SCRAM_PREFIX: &str = "AmazonMSK_";

/// The way that a secret is for, where nobody chose a way and the cluster takes only those that need one.
pub(super) fn way(seen: &Seen, possible: &[Authentication]) -> Result<Authentication, PlanError> {
    let is_possible = |way: Authentication| possible.contains(&way);
    let (scram, mutual_tls) = (
        is_possible(Authentication::Scram),
        is_possible(Authentication::MutualTls),
    );
    match &seen.settings.secret {
        Some(secret) if mutual_tls && !(scram && secret.value.name.starts_with(SCRAM_PREFIX)) => {
            Ok(Authentication::MutualTls)
        }
        Some(_) => Ok(Authentication::Scram),
        None if scram && user(seen).is_some() => Ok(Authentication::Scram),
        None => Err(missing(seen.cluster, possible)),
    }
}

/// Decides which secrets are read.
pub(super) fn choose(seen: &Seen, way: Authentication, notes: &mut Notes) -> Result<PlannedSecrets, PlanError> {
    let settings = seen.settings;
    let identity = match (&settings.secret, way) {
        (Some(setting), Authentication::Scram) => {
            // What MSK demands no other Kafka does.
            if let (Some(arn), Some(cluster)) = (settings.cluster(), seen.cluster) {
                scram(setting, &arn.value)?;
                unless_associated(&setting.value, cluster, &arn.value, settings.profile.as_deref(), notes);
            }
            Some((setting.value.clone(), why(setting, "")))
        }
        (None, Authentication::Scram) => {
            let (found, reason) = user(seen).ok_or_else(|| missing(seen.cluster, &[way]))?;
            Some((found, reason.to_owned()))
        }
        (Some(setting), Authentication::MutualTls) => {
            if seen.cluster.is_some() && setting.value.name.starts_with(SCRAM_PREFIX) {
                notes.warn(format!(
                    "the secret {} ({}) has the name of one with user and password, as MSK takes for SASL/SCRAM, but mutual TLS needs one with a certificate and its \
                     private key: choose the authentication `scram`, or another secret",
                    setting.value, setting.source
                ));
            }
            Some((setting.value.clone(), why(setting, "")))
        }
        (None, Authentication::MutualTls) => return Err(missing(seen.cluster, &[way])),
        (Some(setting), Authentication::Iam | Authentication::Tls | Authentication::Plaintext) => {
            notes.warn(format!(
                "secret ({}) has no effect: {} shows none; to use it, choose the authentication `scram` or `mutual_tls`",
                setting.source,
                way.name()
            ));
            None
        }
        (None, Authentication::Iam | Authentication::Tls | Authentication::Plaintext) => None,
    };
    if let Some((secret, reason)) = &identity {
        notes.decide("secret", secret.as_str(), reason.clone());
    }
    let ca = settings.ca_secret.as_ref().filter(|setting| {
        let used = way != Authentication::Plaintext;
        if !used {
            notes.warn(format!(
                "ca_secret ({}) has no effect: plaintext has no certificates",
                setting.source
            ));
        }
        used
    });
    if let Some(setting) = ca {
        notes.decide("certificate authority", setting.value.as_str(), why(setting, ""));
    }
    let secrets = PlannedSecrets {
        identity: identity.map(|(secret, _)| secret),
        ca: ca.map(|setting| setting.value.clone()),
    };
    let used = |setting: &&Setting<SecretArn>| secrets.all().any(|secret| *secret == setting.value);
    let named = settings.secret.iter().chain(&settings.ca_secret);
    for setting in named.filter(used) {
        elsewhere(setting, &settings.home, notes)?;
    }
    Ok(secrets)
}

/// What MSK demands of a secret for SASL/SCRAM.
fn scram(setting: &Setting<SecretArn>, cluster: &Arn) -> Result<(), PlanError> {
    let secret = &setting.value;
    let wrong = |reason: String| {
        Err(PlanError::Secret {
            arn: secret.to_string(),
            by: setting.source.clone(),
            reason,
        })
    };
    if !secret.name.starts_with(SCRAM_PREFIX) {
        return wrong(format!(
            "MSK takes users only from secrets whose names begin with {SCRAM_PREFIX}, and this one is {}: create another, encrypted with a key of your own, and \
             associate it with the cluster",
            secret.name
        ));
    }
    if (&secret.region, &secret.account) != (&cluster.region, &cluster.account) {
        return wrong(format!(
            "MSK takes users only from secrets of the cluster's account and region, {} and {}, and this one is in {} and {}",
            cluster.account, cluster.region, secret.account, secret.region
        ));
    }
    Ok(())
}

/// Warns where the cluster doesn't know the secret.
fn unless_associated(secret: &SecretArn, seen: &Cluster, cluster: &Arn, profile: Option<&str>, notes: &mut Notes) {
    let associated = seen.scram_secrets.as_ref().and_then(Fact::found);
    if associated.is_some_and(|all| !all.iter().any(|one| one == secret.as_str())) {
        let command = associate(cluster, secret.as_str());
        let command = match profile {
            Some(profile) => command.option("--profile", profile),
            None => command,
        };
        notes.warn(format!(
            "the secret {secret} is not associated with the cluster, whose brokers won't know its user: `{command}`"
        ));
    }
}

/// The command that makes a secret's user known to the cluster's brokers.
pub(crate) fn associate(cluster: &Arn, secret: &str) -> Command {
    Command::new("aws kafka batch-associate-scram-secret")
        .option("--cluster-arn", cluster.as_str())
        .option("--secret-arn-list", secret)
        .option("--region", &cluster.region)
}

/// The secret for SASL/SCRAM where nobody named one, and why it is that.
fn user(seen: &Seen) -> Option<(SecretArn, &'static str)> {
    let deployed = deployed(seen).map(|secret| (secret, "that of the deployed function"));
    deployed.or_else(|| Some((only(seen.cluster?)?, "the only one that is associated with the cluster")))
}

/// The secret whose user the deployed function is, unless the cluster is known not to know it. Without this, a second secret at the cluster would
/// leave a pipeline that works without one.
fn deployed(seen: &Seen) -> Option<SecretArn> {
    // A user of the one is none of the other.
    if seen.cluster.is_none() != seen.deployed_outside() {
        return None;
    }
    let is_user = seen.deployed_variable("K2M_AUTHENTICATION") == Some(Authentication::Scram.name());
    let secret = seen.deployed_variable("K2M_SECRET_ARN").filter(|_| is_user)?;
    let known = seen.cluster.and_then(|cluster| cluster.scram_secrets.as_ref()?.found());
    let gone = known.is_some_and(|known| !known.iter().any(|one| one == secret));
    SecretArn::parse(secret).ok().filter(|_| !gone)
}

/// The only secret that is associated with the cluster.
fn only(cluster: &Cluster) -> Option<SecretArn> {
    match cluster.scram_secrets.as_ref()?.found()?.as_slice() {
        [one] => SecretArn::parse(one).ok(),
        _ => None,
    }
}

fn missing(cluster: Option<&Cluster>, ways: &[Authentication]) -> PlanError {
    let scram = ways.contains(&Authentication::Scram);
    let associated = cluster.and_then(|cluster| cluster.scram_secrets.as_ref());
    let known = match associated.filter(|_| scram) {
        Some(Fact::Found { value }) if value.is_empty() => {
            "; none is associated with the cluster yet: docs/settings.md says how".to_owned()
        }
        Some(Fact::Found { value }) => format!("; associated with the cluster are {}", value.join(", ")),
        Some(Fact::Unreadable(why)) => {
            let action = why.missing_action.as_deref().unwrap_or("kafka:ListScramSecrets");
            format!("; which ones are associated with the cluster could not be read: allow {action} to see them")
        }
        Some(Fact::Absent) | None => String::new(),
    };
    let names: Vec<String> = ways.iter().map(|way| format!("`{}`", way.name())).collect();
    PlanError::NoSecret {
        ways: names.join(" or "),
        holds: match ways {
            [Authentication::Scram] => "user and password",
            [Authentication::MutualTls] => "certificate and private key",
            _ => "user and password, or of the one with certificate and private key",
        },
        known,
    }
}

/// Checks where a secret is, against where the function is.
fn elsewhere(setting: &Setting<SecretArn>, stream: &Home, notes: &mut Notes) -> Result<(), PlanError> {
    let secret = &setting.value;
    if secret.partition != stream.partition {
        return Err(PlanError::Secret {
            arn: secret.to_string(),
            by: setting.source.clone(),
            reason: format!(
                "it is in partition {}, and the function in {}: nothing leads from one to the other",
                secret.partition, stream.partition
            ),
        });
    }
    if secret.account != stream.account {
        notes.warn(format!(
            "the secret {secret} is in account {}: its own policy, and that of its KMS key, which can't be the one that AWS manages, must let account {} read it too",
            secret.account, stream.account
        ));
    }
    Ok(())
}

//! The bucket that CloudFormation and Lambda take the function's code from: one for each account and region, found again by its name, finished where
//! an earlier run left it half made, and emptied of what no stack needs any more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::DeployError;
use super::port::{Artifacts, Fault, FaultKind, World};

/// The tag that says that a bucket is k2m's, and finished: it is given last.
pub const TAG: &str = "k2m:artifacts";

/// Where a stack is, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Twelve digits.
    pub account: String,
    /// The stack's region.
    pub region: String,
    /// Such as `aws`.
    pub partition: String,
}

/// The bucket's name, but for its random end.
fn prefix(place: &Place) -> String {
    format!("k2m-{}-{}-", place.account, place.region)
}

/// Whether a name is one that k2m gives: the prefix and eight hexadecimal digits. The names of `eu-west-1` never fit those of another region.
fn is_ours(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|end| end.len() == 8 && end.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Refuses every request that does not come through TLS.
fn policy(partition: &str, bucket: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "OnlyTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [format!("arn:{partition}:s3:::{bucket}"), format!("arn:{partition}:s3:::{bucket}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }],
    })
    .to_string()
}

/// Adds what was tried to a fault.
fn failed(doing: String) -> impl FnOnce(Fault) -> DeployError {
    |fault| DeployError::Call { doing, fault }
}

/// Whether a key is one that k2m gives to what it uploads for the stack: its hash, and what it is.
fn is_artifact(key: &str, stack: &str) -> bool {
    let name = key.strip_prefix(stack).and_then(|rest| rest.strip_prefix('/'));
    let hash = name.and_then(|name| name.strip_suffix(".zip").or_else(|| name.strip_suffix(".template")));
    hash.is_some_and(|hash| hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()))
}

/// The bucket of k2m that is there: the one that the stack was deployed from, else any of the name that k2m gives.
pub async fn find(
    artifacts: &dyn Artifacts,
    place: &Place,
    deployed: Option<&str>,
) -> Result<Option<String>, DeployError> {
    // One of another name is the user's, who may have named another meanwhile.
    if let Some(bucket) = deployed.filter(|bucket| is_ours(bucket, &prefix(place))) {
        let there = artifacts.exists(bucket).await;
        if there.map_err(failed(format!("look at the artifact bucket {bucket}")))? {
            return Ok(Some(bucket.to_owned()));
        }
    }
    let prefix = prefix(place);
    let buckets = artifacts.buckets(&prefix).await;
    let buckets = buckets.map_err(failed("look for the artifact bucket".to_owned()))?;
    for bucket in buckets.into_iter().filter(|name| is_ours(name, &prefix)) {
        let there = artifacts.exists(&bucket).await;
        if there.map_err(failed(format!("look at the artifact bucket {bucket}")))? {
            return Ok(Some(bucket));
        }
    }
    Ok(None)
}

/// The bucket that the user named, used as it is.
pub async fn given(artifacts: &dyn Artifacts, place: &Place, bucket: &str) -> Result<(), DeployError> {
    let absent = || DeployError::NoBucket {
        bucket: bucket.to_owned(),
        account: place.account.clone(),
        region: place.region.clone(),
    };
    match artifacts.exists(bucket).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(absent()),
        // A bucket of another region answers with where it is, and nothing else.
        Err(fault) if fault.kind == FaultKind::Refused => Err(absent()),
        Err(fault) => Err(failed(format!("look at the artifact bucket {bucket}"))(fault)),
    }
}

/// The bucket, made or finished where it has to be. Also whether it is new.
pub async fn ready(
    artifacts: &dyn Artifacts,
    world: &dyn World,
    place: &Place,
    deployed: Option<&str>,
    more_tags: &BTreeMap<String, String>,
) -> Result<(String, bool), DeployError> {
    let (bucket, new) = if let Some(bucket) = find(artifacts, place, deployed).await? {
        let tags = artifacts.tags(&bucket).await;
        if tags
            .map_err(failed(format!("read the tags of the artifact bucket {bucket}")))?
            .contains_key(TAG)
        {
            return Ok((bucket, false));
        }
        (bucket, false)
    } else {
        let bucket = format!("{}{:08x}", prefix(place), world.random() & 0xffff_ffff);
        let made = artifacts.create(&bucket).await;
        made.map_err(failed(format!("create the artifact bucket {bucket}")))?;
        (bucket, true)
    };
    let secured = artifacts.secure(&bucket, &policy(&place.partition, &bucket)).await;
    secured.map_err(failed(format!("secure the artifact bucket {bucket}")))?;
    let mut tags = more_tags.clone();
    tags.insert(TAG.to_owned(), "true".to_owned());
    let tagged = artifacts.tag(&bucket, &tags).await;
    tagged.map_err(failed(format!("tag the artifact bucket {bucket}")))?;
    Ok((bucket, new))
}

/// Uploads what is not there yet; the key says what is in it. Whether it was uploaded.
pub async fn upload(artifacts: &dyn Artifacts, bucket: &str, key: &str, bytes: &[u8]) -> Result<bool, DeployError> {
    let there = artifacts.has(bucket, key).await;
    if there.map_err(failed(format!("look for {key} in the artifact bucket {bucket}")))? {
        return Ok(false);
    }
    let put = artifacts.put(bucket, key, bytes).await;
    put.map_err(failed(format!("upload {key} into the artifact bucket {bucket}")))?;
    Ok(true)
}

/// Removes all that was uploaded for the stack, but for what is to be kept. How many objects went.
pub async fn prune(
    artifacts: &dyn Artifacts,
    place: &Place,
    bucket: &str,
    stack: &str,
    keep: impl Fn(&str) -> bool,
) -> Result<usize, DeployError> {
    // The slash keeps `k2m-orders-eu` out of what is `k2m-orders`'s.
    let versions = artifacts.versions(bucket, &format!("{stack}/")).await;
    let mut versions = versions.map_err(failed(format!("list the artifacts of {stack} in {bucket}")))?;
    // In a bucket that is not k2m's own anything may have such a name before it.
    let own = is_ours(bucket, &prefix(place));
    versions.retain(|version| (own || is_artifact(&version.key, stack)) && !keep(&version.key));
    let keys: BTreeSet<&String> = versions.iter().map(|version| &version.key).collect();
    let count = keys.len();
    if !versions.is_empty() {
        let removed = artifacts.remove(bucket, &versions).await;
        removed.map_err(failed(format!("remove old artifacts of {stack} from {bucket}")))?;
    }
    Ok(count)
}

/// Removes all that was uploaded for the stack, and k2m's own bucket after its last stack. What the stack was deployed from and what the user names may
/// be another bucket, which stays.
pub async fn clear(
    artifacts: &dyn Artifacts,
    place: &Place,
    stack: &str,
    deployed: Option<&str>,
    named: Option<&str>,
) -> Result<Cleared, DeployError> {
    let mut cleared = Cleared::default();
    let ours = |bucket: &str| is_ours(bucket, &prefix(place)) && named != Some(bucket);
    let others: BTreeSet<&str> = deployed
        .into_iter()
        .chain(named)
        .filter(|one| !one.is_empty())
        .collect();
    for bucket in others.into_iter().filter(|bucket| !ours(bucket)) {
        let there = artifacts.exists(bucket).await;
        if there.map_err(failed(format!("look at the artifact bucket {bucket}")))? {
            cleared.artifacts += prune(artifacts, place, bucket, stack, |_| false).await?;
        }
    }
    let own = find(artifacts, place, deployed).await?;
    let Some(bucket) = own.filter(|bucket| ours(bucket)) else {
        return Ok(cleared);
    };
    let gone =
        |error: &DeployError| matches!(error, DeployError::Call { fault, .. } if fault.kind == FaultKind::Absent);
    cleared.artifacts += match prune(artifacts, place, &bucket, stack, |_| false).await {
        // Another run was faster.
        Err(error) if gone(&error) => return Ok(cleared),
        removed => removed?,
    };
    let deleted = artifacts.delete(&bucket).await;
    let bucket_removed = deleted.map_err(failed(format!("delete the artifact bucket {bucket}")))?;
    cleared.bucket = bucket_removed.then_some(bucket);
    Ok(cleared)
}

/// What [`clear`] removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleared {
    /// How many artifacts.
    pub artifacts: usize,
    /// The bucket, where it went.
    pub bucket: Option<String>,
}

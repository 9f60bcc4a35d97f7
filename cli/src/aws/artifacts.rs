//! S3 as the deployment asks for it: the artifact bucket and what is in it. Every call that can says whose bucket it expects.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    BucketVersioningStatus as Versioning, CreateBucketConfiguration, Delete, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, ObjectIdentifier, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging,
    VersioningConfiguration,
};

use super::stacks::sorted;
use crate::deploy::port::{Artifacts, Doing, Fault, FaultKind, Version};

/// Longest time for one try of an upload: 50 MB on a slow line.
const UPLOAD: Duration = Duration::from_mins(20);
/// S3's limit for one call.
const MOST_AT_ONCE: usize = 1000;
/// Days until an upload that was given up is taken away.
const UPLOAD_DAYS: i32 = 7;

/// S3 in one region, for one account.
#[derive(Debug)]
pub struct S3 {
    pub(super) client: Client,
    pub(super) account: String,
    pub(super) region: String,
    /// What begins the address of an object, where it is not AWS's own.
    pub(super) endpoint: Option<String>,
    pub(super) dns_suffix: &'static str,
}

/// The fault of a call. An answer to `HEAD` has no body, so that the status alone tells.
fn fault<E>(error: &SdkError<E>, action: &str) -> Fault
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    const ABSENT: [&str; 5] = [
        "NoSuchBucket",
        "NoSuchKey",
        "NoSuchTagSet",
        "NoSuchTagSetError",
        "NotFound",
    ];
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.as_service_error().and_then(|error| error.meta().code());
    let sorted = sorted(error, action, &ABSENT);
    match (status, code) {
        (Some(404), None) => Fault {
            kind: FaultKind::Absent,
            ..sorted
        },
        (Some(403), None) => Fault {
            kind: FaultKind::Denied(action.to_owned()),
            ..sorted
        },
        _ => sorted,
    }
}

fn invalid(error: impl std::fmt::Display) -> Fault {
    Fault {
        kind: FaultKind::Refused,
        message: error.to_string(),
    }
}

impl Artifacts for S3 {
    fn buckets<'a>(&'a self, prefix: &'a str) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            let items = self
                .client
                .list_buckets()
                .prefix(prefix)
                .bucket_region(&self.region)
                .max_buckets(1000)
                .into_paginator()
                .items()
                .send();
            let found: Vec<_> = items
                .try_collect()
                .await
                .map_err(|error| fault(&error, "s3:ListAllMyBuckets"))?;
            let mut names: Vec<String> = found.into_iter().filter_map(|bucket| bucket.name).collect();
            names.sort();
            Ok(names)
        })
    }

    fn exists<'a>(&'a self, bucket: &'a str) -> Doing<'a, bool> {
        Box::pin(async move {
            let call = self
                .client
                .head_bucket()
                .bucket(bucket)
                .expected_bucket_owner(&self.account);
            there(call.send().await.map_err(|error| fault(&error, "s3:ListBucket")))
        })
    }

    fn tags<'a>(&'a self, bucket: &'a str) -> Doing<'a, BTreeMap<String, String>> {
        Box::pin(async move {
            let call = self
                .client
                .get_bucket_tagging()
                .bucket(bucket)
                .expected_bucket_owner(&self.account);
            match call.send().await.map_err(|error| fault(&error, "s3:GetBucketTagging")) {
                Ok(output) => Ok(output.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect()),
                Err(fault) if fault.kind == FaultKind::Absent => Ok(BTreeMap::new()),
                Err(fault) => Err(fault),
            }
        })
    }

    fn create<'a>(&'a self, bucket: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            // The first region of S3 has no name there.
            let place = (self.region != "us-east-1").then(|| {
                CreateBucketConfiguration::builder()
                    .location_constraint(BucketLocationConstraint::from(self.region.as_str()))
                    .build()
            });
            let call = self
                .client
                .create_bucket()
                .bucket(bucket)
                .set_create_bucket_configuration(place);
            let answer = call.send().await;
            answer.map(drop).map_err(|error| fault(&error, "s3:CreateBucket"))
        })
    }

    fn secure<'a>(&'a self, bucket: &'a str, policy: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            let (client, owner) = (&self.client, self.account.as_str());
            let public = PublicAccessBlockConfiguration::builder()
                .block_public_acls(true)
                .ignore_public_acls(true)
                .block_public_policy(true)
                .restrict_public_buckets(true)
                .build();
            let call = client
                .put_public_access_block()
                .bucket(bucket)
                .expected_bucket_owner(owner);
            let answer = call.public_access_block_configuration(public).send().await;
            answer.map_err(|error| fault(&error, "s3:PutBucketPublicAccessBlock"))?;

            let algorithm = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256);
            let rule = ServerSideEncryptionRule::builder()
                .apply_server_side_encryption_by_default(algorithm.build().map_err(invalid)?)
                .build();
            let encryption = ServerSideEncryptionConfiguration::builder()
                .rules(rule)
                .build()
                .map_err(invalid)?;
            let call = client
                .put_bucket_encryption()
                .bucket(bucket)
                .expected_bucket_owner(owner);
            let answer = call.server_side_encryption_configuration(encryption).send().await;
            answer.map_err(|error| fault(&error, "s3:PutEncryptionConfiguration"))?;

            let versioning = VersioningConfiguration::builder().status(Versioning::Enabled).build();
            let call = client
                .put_bucket_versioning()
                .bucket(bucket)
                .expected_bucket_owner(owner);
            let answer = call.versioning_configuration(versioning).send().await;
            answer.map_err(|error| fault(&error, "s3:PutBucketVersioning"))?;

            let rule = LifecycleRule::builder()
                .id("incomplete-uploads")
                .status(ExpirationStatus::Enabled)
                .filter(LifecycleRuleFilter::builder().prefix("").build())
                .abort_incomplete_multipart_upload(
                    AbortIncompleteMultipartUpload::builder()
                        .days_after_initiation(UPLOAD_DAYS)
                        .build(),
                )
                .build()
                .map_err(invalid)?;
            let lifecycle = BucketLifecycleConfiguration::builder()
                .rules(rule)
                .build()
                .map_err(invalid)?;
            let call = client
                .put_bucket_lifecycle_configuration()
                .bucket(bucket)
                .expected_bucket_owner(owner);
            let answer = call.lifecycle_configuration(lifecycle).send().await;
            answer.map_err(|error| fault(&error, "s3:PutLifecycleConfiguration"))?;

            let call = client.put_bucket_policy().bucket(bucket).expected_bucket_owner(owner);
            let answer = call.policy(policy).send().await;
            answer.map_err(|error| fault(&error, "s3:PutBucketPolicy"))?;
            Ok(())
        })
    }

    fn tag<'a>(&'a self, bucket: &'a str, tags: &'a BTreeMap<String, String>) -> Doing<'a, ()> {
        Box::pin(async move {
            let mut tagging = Tagging::builder();
            for (key, value) in tags {
                tagging = tagging.tag_set(Tag::builder().key(key).value(value).build().map_err(invalid)?);
            }
            let call = self
                .client
                .put_bucket_tagging()
                .bucket(bucket)
                .expected_bucket_owner(&self.account);
            let answer = call.tagging(tagging.build().map_err(invalid)?).send().await;
            answer.map(drop).map_err(|error| fault(&error, "s3:PutBucketTagging"))
        })
    }

    fn has<'a>(&'a self, bucket: &'a str, key: &'a str) -> Doing<'a, bool> {
        Box::pin(async move {
            let call = self
                .client
                .head_object()
                .bucket(bucket)
                .key(key)
                .expected_bucket_owner(&self.account);
            there(call.send().await.map_err(|error| fault(&error, "s3:GetObject")))
        })
    }

    fn put<'a>(&'a self, bucket: &'a str, key: &'a str, bytes: &'a [u8]) -> Doing<'a, ()> {
        Box::pin(async move {
            let patient = aws_sdk_s3::config::Builder::new()
                .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(UPLOAD).build());
            let call = self
                .client
                .put_object()
                .bucket(bucket)
                .key(key)
                .expected_bucket_owner(&self.account);
            let call = call.body(ByteStream::from(bytes.to_vec()));
            let answer = call.customize().config_override(patient).send().await;
            answer.map(drop).map_err(|error| fault(&error, "s3:PutObject"))
        })
    }

    fn versions<'a>(&'a self, bucket: &'a str, prefix: &'a str) -> Doing<'a, Vec<Version>> {
        Box::pin(async move {
            let mut found = Vec::new();
            let (mut key_marker, mut version_marker) = (None, None);
            loop {
                let call = self
                    .client
                    .list_object_versions()
                    .bucket(bucket)
                    .prefix(prefix)
                    .expected_bucket_owner(&self.account)
                    .set_key_marker(key_marker)
                    .set_version_id_marker(version_marker);
                let output = call
                    .send()
                    .await
                    .map_err(|error| fault(&error, "s3:ListBucketVersions"))?;
                let versions = output.versions.unwrap_or_default().into_iter();
                found.extend(versions.filter_map(|version| version_of(version.key, version.version_id)));
                let markers = output.delete_markers.unwrap_or_default().into_iter();
                found.extend(markers.filter_map(|marker| version_of(marker.key, marker.version_id)));
                if output.is_truncated != Some(true) {
                    return Ok(found);
                }
                (key_marker, version_marker) = (output.next_key_marker, output.next_version_id_marker);
            }
        })
    }

    fn remove<'a>(&'a self, bucket: &'a str, versions: &'a [Version]) -> Doing<'a, ()> {
        Box::pin(async move {
            for some in versions.chunks(MOST_AT_ONCE) {
                let mut delete = Delete::builder().quiet(true);
                for version in some {
                    let object = ObjectIdentifier::builder().key(&version.key).version_id(&version.id);
                    delete = delete.objects(object.build().map_err(invalid)?);
                }
                let call = self
                    .client
                    .delete_objects()
                    .bucket(bucket)
                    .expected_bucket_owner(&self.account);
                let output = call
                    .delete(delete.build().map_err(invalid)?)
                    .send()
                    .await
                    .map_err(|error| fault(&error, "s3:DeleteObjectVersion"))?;
                // The call succeeds though objects may stay.
                if let Some(error) = output.errors().first() {
                    let (code, words) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
                    return Err(Fault {
                        kind: if code == "AccessDenied" {
                            FaultKind::Denied("s3:DeleteObjectVersion".to_owned())
                        } else {
                            FaultKind::Refused
                        },
                        message: format!("{}: {code}: {words}", error.key().unwrap_or_default()),
                    });
                }
            }
            Ok(())
        })
    }

    fn delete<'a>(&'a self, bucket: &'a str) -> Doing<'a, bool> {
        Box::pin(async move {
            let call = self
                .client
                .delete_bucket()
                .bucket(bucket)
                .expected_bucket_owner(&self.account);
            let answer = call.send().await;
            match answer {
                Err(error)
                    if error.as_service_error().and_then(|error| error.meta().code()) == Some("BucketNotEmpty") =>
                {
                    Ok(false)
                }
                // Another run was faster: it is gone.
                other => there(other.map_err(|error| fault(&error, "s3:DeleteBucket"))),
            }
        })
    }

    fn url(&self, bucket: &str, key: &str) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
            None => format!("https://{bucket}.s3.{}.{}/{key}", self.region, self.dns_suffix),
        }
    }
}

fn there<T>(answer: Result<T, Fault>) -> Result<bool, Fault> {
    match answer {
        Ok(_) => Ok(true),
        Err(fault) if fault.kind == FaultKind::Absent => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn version_of(key: Option<String>, id: Option<String>) -> Option<Version> {
    Some(Version { key: key?, id: id? })
}

//! ARNs of the two things a user names, a Kinesis data stream and an MSK cluster: pure parsing, with an error that says what to give instead.

use std::fmt;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// What an ARN is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Kinesis data stream.
    Stream,
    /// An MSK cluster.
    Cluster,
}

impl Kind {
    /// The service's part of the ARN, and what its resource begins with.
    const fn marks(self) -> (&'static str, &'static str) {
        match self {
            Self::Stream => ("kinesis", "stream/"),
            Self::Cluster => ("kafka", "cluster/"),
        }
    }

    /// What such an ARN looks like.
    const fn shape(self) -> &'static str {
        match self {
            Self::Stream => "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME",
            Self::Cluster => "arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID",
        }
    }

    /// The command that shows the right one.
    const fn lister(self) -> &'static str {
        match self {
            Self::Stream => "aws kinesis describe-stream-summary --stream-name NAME",
            Self::Cluster => "aws kafka list-clusters-v2",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "a Kinesis data stream",
            Self::Cluster => "an MSK cluster",
        })
    }
}

/// The ARN of a stream or a cluster, whole and taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arn {
    text: String,
    /// What it is of.
    pub kind: Kind,
    /// `aws`, `aws-cn`, `aws-us-gov` and so on.
    pub partition: String,
    /// Such as `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// What comes last: `stream/NAME` or `cluster/NAME/UUID`.
    pub resource: String,
}

impl Arn {
    /// Takes an ARN of this kind apart.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, ArnError> {
        let wrong = |reason: String| ArnError { kind, reason };
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, service, region, account, resource] = parts.as_slice() else {
            return Err(wrong("it is not an ARN".to_owned()));
        };
        let (wanted_service, prefix) = kind.marks();
        if service != wanted_service {
            return Err(wrong(format!("it is an ARN of the service `{service}`, not of {kind}")));
        }
        let Some(name) = resource.strip_prefix(prefix) else {
            let found = resource.split(['/', ':']).next().unwrap_or_default();
            return Err(wrong(format!("it is the ARN of a `{found}`, not of {kind}")));
        };
        if partition != "aws" && !partition.starts_with("aws-") {
            return Err(wrong(format!("`{partition}` is not a partition of AWS")));
        }
        if region.split('-').count() < 3 || !region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(wrong(format!("`{region}` is not the name of a region")));
        }
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong(format!("`{account}` is not an account of twelve digits")));
        }
        let word = |part: &str, others: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
        };
        let fits = match kind {
            Kind::Stream => word(name, "_.-") && name.len() <= 128,
            Kind::Cluster => name
                .split_once('/')
                .is_some_and(|(name, uuid)| word(name, "-") && word(uuid, "-")),
        };
        if !fits {
            let extra = if kind == Kind::Stream && name.contains("/consumer/") {
                ": that is a consumer of the stream, which `consumer` takes beside the stream"
            } else {
                ""
            };
            return Err(wrong(format!("`{resource}` does not name {kind}{extra}")));
        }
        Ok(Self {
            text: text.to_owned(),
            kind,
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            resource: resource.to_owned(),
        })
    }

    /// The name of the stream or the cluster.
    pub fn name(&self) -> &str {
        self.resource.split('/').nth(1).unwrap_or_default()
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Arn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The ARN of a secret in Secrets Manager, whole and taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretArn {
    text: String,
    /// `aws`, `aws-cn`, `aws-us-gov` and so on.
    pub partition: String,
    /// Such as `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// Its name, without the hyphen and the six characters that Secrets Manager puts behind it.
    pub name: String,
}

/// Why a text is no ARN of a secret. Reads well after "invalid value `…`".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0}; give all of an ARN, arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX with the six characters at its end, as `aws secretsmanager list-secrets` \
     shows it"
)]
pub struct SecretArnError(&'static str);

impl SecretArn {
    /// Characters behind a secret's name.
    const SUFFIX: usize = 6;

    /// Takes the ARN of a secret apart. It must be whole: rights name it, and an ARN without its end is another text to them.
    pub fn parse(text: &str) -> Result<Self, SecretArnError> {
        let parts: Vec<&str> = text.split(':').collect();
        let &["arn", partition, "secretsmanager", region, account, "secret", resource] = parts.as_slice() else {
            return Err(SecretArnError("it is not the ARN of a secret in Secrets Manager"));
        };
        if partition != "aws" && !partition.starts_with("aws-") {
            return Err(SecretArnError("its partition is none of AWS"));
        }
        if k2m_handler::config::Region::new("", region).is_err() {
            return Err(SecretArnError("its region is none of AWS"));
        }
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SecretArnError("its account has not twelve digits"));
        }
        let known = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
        let name = resource
            .rsplit_once('-')
            .filter(|(name, end)| {
                let is_end = end.len() == Self::SUFFIX && end.bytes().all(|byte| byte.is_ascii_alphanumeric());
                is_end && !name.is_empty() && name.chars().all(known)
            })
            .map(|(name, _)| name)
            .ok_or(SecretArnError("its end is missing, or its name can't be"))?;
        Ok(Self {
            text: text.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            name: name.to_owned(),
        })
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for SecretArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for SecretArn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Why a text is no ARN of the kind that is wanted. Reads well after "invalid value `…`".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}; give one of the shape {}, as `{}` shows it", kind.shape(), kind.lister())]
pub struct ArnError {
    kind: Kind,
    reason: String,
}

/// Why a stream and a cluster can't be joined.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// Two partitions, between which nothing goes.
    #[error(
        "the stream is in partition {stream}, the cluster in {cluster}: no network joins them; name a stream and a cluster of one partition"
    )]
    Partitions {
        /// The stream's.
        stream: String,
        /// The cluster's.
        cluster: String,
    },
    /// Credentials of another account.
    #[error(
        "the credentials are of account {caller}, but the ARNs name account {arn}: name a profile of {arn} with --profile, or check the ARNs"
    )]
    Caller {
        /// The caller's account.
        caller: String,
        /// The cluster's account; the stream's where no cluster is named.
        arn: String,
    },
}

/// Checks that a stream and a cluster fit together. A stream may be of another account: its owner lets it be read.
pub fn fit(stream: &Arn, cluster: &Arn) -> Result<(), PlaceError> {
    if stream.partition != cluster.partition {
        return Err(PlaceError::Partitions {
            stream: stream.partition.clone(),
            cluster: cluster.partition.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
    const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-aaaa-bbbb-cccc-0123456789ab-3";

    #[test]
    fn good_ones_are_taken_apart() {
        for (kind, text, partition, region, name) in [
            (Kind::Stream, STREAM, "aws", "eu-west-1", "orders"),
            (Kind::Cluster, CLUSTER, "aws", "eu-west-1", "events"),
            (
                Kind::Stream,
                "arn:aws-us-gov:kinesis:us-gov-west-1:123456789012:stream/a.b_c-d",
                "aws-us-gov",
                "us-gov-west-1",
                "a.b_c-d",
            ),
            (
                Kind::Cluster,
                "arn:aws-cn:kafka:cn-north-1:123456789012:cluster/x/1-s1",
                "aws-cn",
                "cn-north-1",
                "x",
            ),
        ] {
            let arn = Arn::parse(kind, text).unwrap();
            assert_eq!(
                (arn.partition.as_str(), arn.region.as_str(), arn.name()),
                (partition, region, name)
            );
            assert_eq!((arn.account.as_str(), arn.to_string().as_str()), ("123456789012", text));
        }
    }

    #[test]
    fn bad_ones_say_what_to_give() {
        let mut table = String::new();
        for (kind, text) in [
            (Kind::Stream, ""),
            (Kind::Stream, "orders"),
            (Kind::Stream, CLUSTER),
            (
                Kind::Stream,
                "arn:aws:firehose:eu-west-1:123456789012:deliverystream/orders",
            ),
            (
                Kind::Stream,
                "arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/c:1",
            ),
            (Kind::Stream, "arn:aws:kinesis:eu-west-1:123456789012:stream/"),
            (Kind::Stream, "arn:aws:kinesis:eu-west-1:123456789012:stream/a b"),
            (Kind::Stream, "arn:aws:kinesis::123456789012:stream/orders"),
            (Kind::Stream, "arn:aws:kinesis:eu-west-1:12345:stream/orders"),
            (Kind::Stream, "arn:gcp:kinesis:eu-west-1:123456789012:stream/orders"),
            (Kind::Cluster, STREAM),
            (
                Kind::Cluster,
                "arn:aws:kafka:eu-west-1:123456789012:topic/events/u/orders",
            ),
            (Kind::Cluster, "arn:aws:kafka:eu-west-1:123456789012:cluster/events"),
            (
                Kind::Cluster,
                "arn:aws:kafka:eu-west-1:１２３４５６７８９０１２:cluster/events/u",
            ),
        ] {
            let error = Arn::parse(kind, text).unwrap_err();
            writeln!(table, "{text}\n    {error}").unwrap();
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_arn_of_a_secret_is_taken_apart_or_refused() {
        let arn = SecretArn::parse("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:AmazonMSK_a/b-c-Ab12Cd")
            .unwrap();
        assert_eq!(
            (
                arn.partition.as_str(),
                arn.region.as_str(),
                arn.account.as_str(),
                arn.name.as_str()
            ),
            ("aws-cn", "cn-north-1", "123456789012", "AmazonMSK_a/b-c")
        );
        let texts: Vec<String> = [
            "AmazonMSK_orders",
            "arn:aws:kms:eu-west-1:123456789012:key/1",
            "arn:gcp:secretsmanager:eu-west-1:123456789012:secret:orders-Ab12Cd",
            "arn:aws:secretsmanager:europe:123456789012:secret:orders-Ab12Cd",
            "arn:aws:secretsmanager:eu-west-1:12345:secret:orders-Ab12Cd",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a b-Ab12Cd",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-Ab12Cd:username::",
        ]
        .into_iter()
        .map(|text| format!("{text}\n    {}", SecretArn::parse(text).unwrap_err()))
        .collect();
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn stream_and_cluster_must_fit() {
        let stream = |text: &str| Arn::parse(Kind::Stream, text).unwrap();
        let cluster = Arn::parse(Kind::Cluster, CLUSTER).unwrap();
        assert_eq!(fit(&stream(STREAM), &cluster), Ok(()));
        // Another region is a pipeline of its own kind, not a mistake.
        let far = stream("arn:aws:kinesis:us-east-1:123456789012:stream/orders");
        assert_eq!(fit(&far, &cluster), Ok(()));
        // So is another account, whose owner has a part in it.
        let lent = stream("arn:aws:kinesis:eu-west-1:999999999999:stream/orders");
        assert_eq!(fit(&lent, &cluster), Ok(()));
        let china = stream("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders");
        insta::assert_snapshot!(fit(&china, &cluster).unwrap_err());
    }
}

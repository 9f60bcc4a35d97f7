//! How the function proves who it is, and where what it needs for that is kept.

use std::path::PathBuf;

use super::{AUTHENTICATION, AWS_REGION, CA_FILE, CA_SECRET_ARN, CLUSTER_REGION, ConfigError, SECRET_ARN, SECRET_FILE};

/// How the function proves who it is to the brokers, and whether the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// No encryption, no identity (MSK port 9092).
    Plaintext,
    /// TLS, the broker's certificate is verified, no identity of ours (MSK port 9094).
    Tls,
    /// TLS, and a certificate of ours is shown to the brokers (MSK port 9094). The secret holds it, and its key.
    MutualTls(SecretSource),
    /// TLS, and a user with a password over SASL/SCRAM-SHA-512 (MSK port 9096). The secret holds both.
    Scram(SecretSource),
    /// TLS, and the function's role proves itself by a signed token over SASL/OAUTHBEARER (MSK port 9098). The region is the
    /// cluster's, which need not be the function's.
    Iam(Region),
}

impl Authentication {
    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        *self != Self::Plaintext
    }

    /// Where the secret is kept, for the ways that need one.
    pub fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::MutualTls(source) | Self::Scram(source) => Some(source),
            Self::Plaintext | Self::Tls | Self::Iam(_) => None,
        }
    }
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In AWS Secrets Manager, under this ARN.
    Arn(String),
    /// In this file, in the same shape: to try the function outside AWS.
    File(PathBuf),
}

impl SecretSource {
    /// What a secret's ARN looks like, in words.
    pub const EXPECTED: &str = "the ARN of a secret in Secrets Manager, such as \
                            arn:aws:secretsmanager:eu-central-1:123456789012:secret:NAME-Ab12Cd";

    /// Checks an ARN that was found in `variable`.
    ///
    /// # Errors
    /// It is not the ARN of a secret.
    pub fn arn(variable: &'static str, value: &str) -> Result<Self, ConfigError> {
        if region_of(variable, value).is_none() {
            return Err(ConfigError::Invalid {
                variable,
                value: value.to_owned(),
                expected: Self::EXPECTED.to_owned(),
            });
        }
        Ok(Self::Arn(value.to_owned()))
    }

    /// The region that an ARN names.
    pub fn region(&self) -> Option<Region> {
        match self {
            Self::Arn(arn) => region_of(SECRET_ARN, arn),
            Self::File(_) => None,
        }
    }
}

/// The region of a secret's ARN; none where it is no such ARN.
fn region_of(variable: &'static str, arn: &str) -> Option<Region> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    match parts[..] {
        ["arn", partition, "secretsmanager", region, account, "secret", name] => {
            let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            let well_formed = !partition.is_empty() && is_account && !name.is_empty();
            Region::new(variable, region).ok().filter(|_| well_formed)
        }
        _ => None,
    }
}

/// An AWS region, such as `eu-central-1`: well-formed, though not known to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(String);

impl Region {
    /// The partitions with a DNS suffix of their own, by how their regions' names begin.
    const DNS_SUFFIXES: [(&str, &str); 6] = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
    ];

    /// Checks a region's name that was found in `variable`.
    ///
    /// # Errors
    /// It is not lower-case words and a number, joined by hyphens.
    pub fn new(variable: &'static str, value: &str) -> Result<Self, ConfigError> {
        let parts: Vec<&str> = value.split('-').collect();
        let well_formed = match parts.split_last() {
            Some((number, words)) => {
                let word = |it: &&str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_lowercase());
                words.len() >= 2 && words.iter().all(word) && number.parse::<u8>().is_ok()
            }
            None => false,
        };
        if !well_formed {
            return Err(ConfigError::Invalid {
                variable,
                value: value.to_owned(),
                expected: Self::expected(),
            });
        }
        Ok(Self(value.to_owned()))
    }

    /// The region's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the names of AWS's endpoints in this region's partition end with.
    pub fn dns_suffix(&self) -> &'static str {
        let found = Self::DNS_SUFFIXES.iter().find(|(prefix, _)| self.0.starts_with(prefix));
        found.map_or("amazonaws.com", |(_, suffix)| suffix)
    }

    fn expected() -> String {
        "the AWS region of the cluster, such as eu-central-1".to_owned()
    }
}

/// The way of authentication that the variables ask for.
pub(super) fn read<'v>(get: impl Fn(&str) -> Option<&'v str>) -> Result<Authentication, ConfigError> {
    // Checked also where it isn't needed: a slip would show only once IAM is switched on.
    let region = get(CLUSTER_REGION)
        .map(|region| Region::new(CLUSTER_REGION, region))
        .transpose()?;
    let secret = secret(&get)?;
    let name = get(AUTHENTICATION).unwrap_or("tls");
    let needed = || ConfigError::Missing {
        variable: SECRET_ARN,
        expected: format!("{}; {AUTHENTICATION}={name} needs one", SecretSource::EXPECTED),
    };
    match (name, secret) {
        ("mutual_tls", secret) => secret.map(Authentication::MutualTls).ok_or_else(needed),
        ("scram", secret) => secret.map(Authentication::Scram).ok_or_else(needed),
        ("plaintext" | "tls" | "iam", Some(_)) => Err(secret_without_use(&get)),
        ("plaintext", None) => Ok(Authentication::Plaintext),
        ("tls", None) => Ok(Authentication::Tls),
        ("iam", None) => match (region, get(AWS_REGION)) {
            (Some(region), _) => Ok(Authentication::Iam(region)),
            (None, Some(own)) => Region::new(AWS_REGION, own).map(Authentication::Iam),
            (None, None) => Err(ConfigError::Missing {
                variable: CLUSTER_REGION,
                expected: Region::expected(),
            }),
        },
        (other, _) => Err(ConfigError::Invalid {
            variable: AUTHENTICATION,
            value: other.to_owned(),
            expected: "plaintext, tls, mutual_tls, scram or iam".to_owned(),
        }),
    }
}

/// The secret with the certificate authority to trust.
pub(super) fn ca_secret<'v>(get: impl Fn(&str) -> Option<&'v str>) -> Result<Option<SecretSource>, ConfigError> {
    match (get(CA_SECRET_ARN), get(CA_FILE)) {
        (Some(arn), Some(_)) => Err(ConfigError::Invalid {
            variable: CA_SECRET_ARN,
            value: arn.to_owned(),
            expected: format!("nothing where {CA_FILE} is set: one of both names the authority"),
        }),
        (arn, _) => arn.map(|arn| SecretSource::arn(CA_SECRET_ARN, arn)).transpose(),
    }
}

fn secret<'v>(get: impl Fn(&str) -> Option<&'v str>) -> Result<Option<SecretSource>, ConfigError> {
    match (get(SECRET_ARN), get(SECRET_FILE)) {
        (Some(arn), None) => SecretSource::arn(SECRET_ARN, arn).map(Some),
        (None, file) => Ok(file.map(PathBuf::from).map(SecretSource::File)),
        (Some(_), Some(file)) => Err(ConfigError::Invalid {
            variable: SECRET_FILE,
            value: file.to_owned(),
            expected: format!("nothing where {SECRET_ARN} is set: one of both names the secret"),
        }),
    }
}

/// A secret that nothing would read: most likely the way of authentication was forgotten.
fn secret_without_use<'v>(get: impl Fn(&str) -> Option<&'v str>) -> ConfigError {
    let given = [SECRET_ARN, SECRET_FILE]
        .into_iter()
        .find_map(|variable| get(variable).map(|value| (variable, value)));
    let (variable, value) = given.unwrap_or_default();
    ConfigError::Invalid {
        variable,
        value: value.to_owned(),
        expected: format!("a secret only where {AUTHENTICATION} is mutual_tls or scram"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const ARN: &str = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let good = [("K2M_BOOTSTRAP_SERVERS", "b-1:9096"), ("K2M_TOPIC", "orders")];
        let all = good.iter().chain(pairs);
        Config::from_env(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_cluster_s_region_is_the_function_s_unless_given() {
        let iam = |more: &[(&str, &str)]| read(&[&[(AUTHENTICATION, "iam")], more].concat());
        let region = |name: &str| Authentication::Iam(Region(name.to_owned()));
        let own = (AWS_REGION, "us-gov-west-1");
        assert_eq!(iam(&[own]).expect("a region").authentication, region("us-gov-west-1"));
        let both = iam(&[own, (CLUSTER_REGION, "cn-north-1")]).expect("a region");
        assert_eq!(both.authentication, region("cn-north-1"));
        let bad = iam(&[(AWS_REGION, "here")]).expect_err("no region");
        assert!(bad.to_string().starts_with("AWS_REGION is \"here\": "), "{bad}");
    }

    #[test]
    fn a_secret_is_named_by_its_arn_or_for_a_trial_by_a_file() {
        let arn = SecretSource::Arn(ARN.to_owned());
        let file = SecretSource::File("secret.json".into());
        for (way, variable, value, expected) in [
            ("scram", SECRET_ARN, ARN, Authentication::Scram(arn.clone())),
            ("scram", SECRET_FILE, "secret.json", Authentication::Scram(file.clone())),
            ("mutual_tls", SECRET_ARN, ARN, Authentication::MutualTls(arn.clone())),
            (
                "mutual_tls",
                SECRET_FILE,
                "secret.json",
                Authentication::MutualTls(file),
            ),
        ] {
            let config = read(&[(AUTHENTICATION, way), (variable, value)]).expect("a good configuration");
            assert_eq!(config.authentication, expected);
        }
        assert_eq!(arn.region(), Some(Region("cn-north-1".to_owned())));
        let with_ca = read(&[(CA_SECRET_ARN, ARN)]).expect("a good configuration");
        assert_eq!(
            (with_ca.ca_secret, with_ca.authentication),
            (Some(arn), Authentication::Tls)
        );
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        let rows: [&[(&str, &str)]; 5] = [
            &[
                (AUTHENTICATION, "scram"),
                (SECRET_ARN, ARN),
                (SECRET_FILE, "secret.json"),
            ],
            &[(AUTHENTICATION, "mutual_tls")],
            &[(AUTHENTICATION, "iam"), (AWS_REGION, "eu-central-1"), (SECRET_ARN, ARN)],
            &[(SECRET_FILE, "secret.json")],
            &[(CA_SECRET_ARN, ARN), (CA_FILE, "ca.pem")],
        ];
        let said: Vec<String> = rows
            .iter()
            .map(|pairs| read(pairs).expect_err("they exclude each other").to_string())
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}

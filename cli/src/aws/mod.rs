//! Every call to AWS: SDK types become facts here and go no further. Nothing is decided in this room; it looks, and says what it saw.

#![expect(clippy::disallowed_types, reason = "this is the room that calls AWS")]

mod answer;
pub mod artifacts;
mod cloudformation;
mod ec2;
mod kafka;
mod kinesis;
mod lambda;
mod list;
mod owner;
pub mod stacks;
mod sts;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::ProvideCredentials as _;
use aws_sdk_sts::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use thiserror::Error;

use self::answer::{Answer, Trouble, chain, fact};
pub use self::list::{Candidate, default_region};
use self::owner::Claims;
use crate::arn::Arn;
use crate::facts::{Fact, Facts, Function, Mapping, Probe, SCHEMA};

/// Longest wait for a connection, and for the answer to one try of a call. The SDK tries three times.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// What to look at.
#[derive(Debug, Clone)]
pub struct Question {
    /// The stream to read.
    pub stream: Arn,
    /// The cluster to write to.
    pub cluster: Arn,
    /// The topic.
    pub topic: String,
    /// The dead-letter topic, where poison goes to one.
    pub dead_letter_topic: Option<String>,
    /// The topics that the data chooses among, beside the topic.
    pub mapped_topics: Vec<String>,
    /// The stack, in the stream's region.
    pub stack: String,
}

/// Why nothing at all could be seen.
#[derive(Debug, Error)]
pub enum LookError {
    /// There are none, or the profile's can't be had.
    #[error(
        "no AWS credentials{}: {reason}\n  sign in (`aws sso login`, `aws configure`), name a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        of_profile(profile.as_deref())
    )]
    NoCredentials {
        /// The profile that was named.
        profile: Option<String>,
        /// The SDK's words.
        reason: String,
    },
    /// AWS refused them.
    #[error(
        "AWS refused the credentials{}: {reason}\n  they may have expired: sign in again (`aws sso login`), or get new ones; check the clock of this machine too",
        of_profile(profile.as_deref())
    )]
    BadCredentials {
        /// The profile that was named.
        profile: Option<String>,
        /// AWS's words.
        reason: String,
    },
    /// Nothing answered.
    #[error(
        "AWS can't be reached in region {region}: {reason}\n  check the network, HTTPS_PROXY, the region in the ARN, and AWS_ENDPOINT_URL where it is set"
    )]
    Unreachable {
        /// The region of the stream.
        region: String,
        /// The client's words.
        reason: String,
    },
}

fn of_profile(profile: Option<&str>) -> String {
    profile.map(|name| format!(" of profile {name}")).unwrap_or_default()
}

/// What this room will have to say. Boxed, so that the code behind it is compiled once, here: the body of an async function is compiled anew in
/// each binary that awaits it, and with it all of the SDKs that it calls.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, LookError>> + Send + 'a>>;

/// A way to AWS: who asks, and how. Everything but the region follows the SDK's own rules.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    profile: Option<String>,
}

impl Aws {
    /// Finds the credentials, of this profile where one is named.
    pub fn connect<'a>(profile: Option<&'a str>, region: &'a str) -> Pending<'a, Self> {
        Box::pin(Self::find(profile, region))
    }

    async fn find(profile: Option<&str>, region: &str) -> Result<Self, LookError> {
        let http = http_client();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .timeout_config(timeouts)
            .region(Region::new(region.to_owned()));
        if let Some(profile) = profile {
            // A profile that is named beats keys in the environment, as it does for AWS's own command line; the SDK's chain has it the other way.
            let provider = ProviderConfig::default()
                .with_http_client(http)
                .with_region(Some(Region::new(region.to_owned())));
            let credentials = ProfileFileCredentialsProvider::builder()
                .profile_name(profile)
                .configure(&provider);
            loader = loader.profile_name(profile).credentials_provider(credentials.build());
        }
        let aws = Self {
            config: loader.load().await,
            profile: profile.map(str::to_owned),
        };
        // Asked for first: without them each call would fail with the same words.
        let credentials = match aws.config.credentials_provider() {
            Some(provider) => provider
                .provide_credentials()
                .await
                .map(drop)
                .map_err(|error| chain(&error)),
            None => Err("there is no credentials provider".to_owned()),
        };
        match credentials {
            Ok(()) => Ok(aws),
            Err(reason) => Err(LookError::NoCredentials {
                profile: aws.profile,
                reason,
            }),
        }
    }

    fn in_region(&self, region: &str) -> SdkConfig {
        self.config.to_builder().region(Region::new(region.to_owned())).build()
    }

    /// Whose credentials these are: account and partition.
    pub fn caller<'a>(&'a self, region: &'a str) -> Pending<'a, (String, String)> {
        Box::pin(async move {
            let answer = sts::caller(&aws_sdk_sts::Client::new(&self.in_region(region))).await;
            let account = answer
                .as_ref()
                .map(|(account, _)| account.clone())
                .map_err(Clone::clone);
            let trouble = account.as_ref().err().cloned();
            self.reachable(region, &account, trouble.as_ref())?;
            answer.map_err(|trouble| LookError::BadCredentials {
                profile: self.profile.clone(),
                reason: crate::facts::Unreadable::from(trouble).message,
            })
        })
    }

    /// The event source mapping of the pipeline, as it is now.
    pub fn mapping<'a>(&'a self, question: &'a Question) -> Pin<Box<dyn Future<Output = Fact<Mapping>> + Send + 'a>> {
        Box::pin(async move {
            deployed(&self.in_region(&question.stream.region), question)
                .await
                .mapping
        })
    }

    /// Asks a function how its way to the brokers is. It changes nothing, and takes nine seconds at the most.
    pub fn probe<'a>(
        &'a self,
        region: &'a str,
        function: &'a str,
    ) -> Pin<Box<dyn Future<Output = Fact<Probe>> + Send + 'a>> {
        Box::pin(async move {
            let client = aws_sdk_lambda::Client::new(&self.in_region(region));
            fact(lambda::probe(&client, function).await)
        })
    }

    /// CloudFormation in a region.
    pub fn stacks(&self, region: &str) -> stacks::CloudFormation {
        stacks::CloudFormation::new(aws_sdk_cloudformation::Client::new(&self.in_region(region)))
    }

    /// S3 in a region, for the buckets of this account.
    pub fn artifacts(&self, region: &str, account: &str) -> artifacts::S3 {
        let config = self.in_region(region);
        let endpoint = config
            .endpoint_url()
            .filter(|endpoint| !endpoint.contains(".amazonaws.com"));
        // Another's endpoint has no name for each bucket.
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(endpoint.is_some());
        artifacts::S3 {
            client: aws_sdk_s3::Client::from_conf(s3.build()),
            account: account.to_owned(),
            region: region.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            dns_suffix: if region.starts_with("cn-") {
                "amazonaws.com.cn"
            } else {
                "amazonaws.com"
            },
        }
    }

    /// Looks at everything that matters for one pipeline. `taken_at` is the time, RFC 3339.
    pub fn look<'a>(&'a self, question: &'a Question, taken_at: String) -> Pending<'a, Facts> {
        Box::pin(self.look_around(question, taken_at))
    }

    async fn look_around(&self, question: &Question, taken_at: String) -> Result<Facts, LookError> {
        let Question { stream, cluster, .. } = question;
        let (here, there) = (self.in_region(&stream.region), self.in_region(&cluster.region));
        let kafka = aws_sdk_kafka::Client::new(&there);
        let (account, stream_seen, deployed, cluster_seen, brokers, topic, dead_letter_topic, mapped_topics) = tokio::join!(
            async { sts::account(&aws_sdk_sts::Client::new(&here)).await },
            async { kinesis::stream(&aws_sdk_kinesis::Client::new(&here), stream.as_str()).await },
            deployed(&here, question),
            kafka::cluster(&kafka, cluster.as_str()),
            kafka::brokers(&kafka, cluster.as_str()),
            kafka::topic(&kafka, cluster.as_str(), &question.topic),
            async {
                let name = question.dead_letter_topic.as_ref()?;
                Some(kafka::topic(&kafka, cluster.as_str(), name).await)
            },
            async {
                let mut topics = BTreeMap::new();
                // One after the other: MSK throttles soon.
                for name in &question.mapped_topics {
                    let topic = kafka::topic(&kafka, cluster.as_str(), name).await;
                    topics.insert(name.clone(), fact(topic));
                }
                topics
            },
        );
        self.reachable(&stream.region, &account, stream_seen.as_ref().err())?;

        let claims = Claims::new(&question.stack, &deployed.stack);
        let groups = groups(&cluster_seen, deployed.function.found(), &claims);
        let (configuration, networks) = tokio::join!(
            async {
                match &cluster_seen.configuration {
                    Ok(revision) => kafka::configuration(&kafka, revision).await,
                    Err(trouble) => Err(trouble.clone()),
                }
            },
            async {
                let mut networks = BTreeMap::new();
                let subnets = &cluster_seen.subnets;
                if *subnets != Err(Trouble::Absent) {
                    let ec2 = aws_sdk_ec2::Client::new(&there);
                    networks.insert(
                        cluster.region.clone(),
                        ec2::network(&ec2, subnets, &groups, &claims).await,
                    );
                }
                // A function elsewhere has a network of its own.
                let function = deployed
                    .function
                    .found()
                    .filter(|function| !function.subnets.is_empty());
                if let Some(function) = function.filter(|_| stream.region != cluster.region) {
                    let ec2 = aws_sdk_ec2::Client::new(&here);
                    let subnets = Ok(function.subnets.clone());
                    let network = ec2::network(&ec2, &subnets, &function.security_groups, &claims).await;
                    networks.insert(stream.region.clone(), network);
                }
                networks
            },
        );
        Ok(Facts {
            schema: SCHEMA,
            taken_at,
            account: fact(account),
            stream: fact(stream_seen),
            brokers: if cluster_seen.has_brokers {
                fact(brokers)
            } else {
                Fact::Absent
            },
            cluster: fact(cluster_seen.cluster),
            configuration: fact(configuration),
            topic: fact(topic),
            dead_letter_topic: dead_letter_topic.map(fact),
            mapped_topics,
            networks,
            stack: deployed.stack,
            function: deployed.function,
            mapping: deployed.mapping,
            probe: None,
        })
    }

    /// An error where the caller's identity shows that no call can succeed.
    fn reachable(&self, region: &str, account: &Answer<String>, stream: Option<&Trouble>) -> Result<(), LookError> {
        match (account, stream) {
            (Err(Trouble::Credentials(reason)), _) => Err(LookError::BadCredentials {
                profile: self.profile.clone(),
                reason: reason.clone(),
            }),
            (Err(Trouble::Unreachable(_)), Some(Trouble::Unreachable(reason))) => Err(LookError::Unreachable {
                region: region.to_owned(),
                reason: reason.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// The only HTTP client: the proxies of the environment, and TLS.
fn http_client() -> SharedHttpClient {
    HttpBuilder::new().build_with_connector_fn(|settings, _| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    })
}

/// The stack with its function and mapping.
#[derive(Debug)]
struct Deployed {
    stack: Fact<crate::facts::Stack>,
    function: Fact<Function>,
    mapping: Fact<Mapping>,
}

async fn deployed(config: &SdkConfig, question: &Question) -> Deployed {
    let seen = match cloudformation::stack(&aws_sdk_cloudformation::Client::new(config), &question.stack).await {
        Ok(seen) => seen,
        Err(trouble) => {
            return Deployed {
                stack: fact(Err(trouble.clone())),
                function: fact(Err(trouble.clone())),
                mapping: fact(Err(trouble)),
            };
        }
    };
    let client = aws_sdk_lambda::Client::new(config);
    let mapping = lambda::mapping(&client, &seen.mappings, question.stream.as_str()).await;
    // The mapping knows its function; without one the stack's only function is meant.
    let named = match &mapping {
        Ok((_, function)) => Some(function.as_str()),
        Err(_) => seen.functions.first().map(String::as_str),
    };
    let function = match named {
        Some(name) => lambda::function(&client, name).await,
        None => Err(Trouble::Absent),
    };
    Deployed {
        stack: Fact::Found { value: seen.stack },
        function: fact(function),
        mapping: fact(mapping.map(|(mapping, _)| mapping)),
    }
}

/// Security groups that matter in the cluster's region: the cluster's, the function's, the stack's.
fn groups(cluster: &kafka::Seen, function: Option<&Function>, claims: &Claims<'_>) -> Vec<String> {
    let mut groups = cluster.security_groups.clone();
    groups.extend(
        function
            .into_iter()
            .flat_map(|function| function.security_groups.clone()),
    );
    groups.extend(claims.ids("sg-").map(str::to_owned));
    groups.sort();
    groups.dedup();
    groups
}

/// A count, which AWS gives as a signed number.
fn number(count: i32) -> u32 {
    u32::try_from(count).unwrap_or_default()
}

/// An answer that lacks what it is asked for.
fn incomplete(action: &str) -> Trouble {
    Trouble::Refused(format!("the answer to {action} has nothing in it"))
}

#[cfg(test)]
mod emulated;
#[cfg(test)]
mod tests;

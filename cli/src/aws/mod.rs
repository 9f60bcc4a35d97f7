//! Every call to AWS: SDK types become facts here and go no further. Nothing is decided in this room; it looks, and says what it saw.

#![expect(clippy::disallowed_types, reason = "this is the room that calls AWS")]

mod answer;
pub mod artifacts;
mod calls;
pub mod canary;
mod cloudformation;
mod ec2;
mod foreign;
mod given;
mod history;
mod kafka;
mod kinesis;
pub mod lambda;
pub mod lines;
mod list;
mod load;
mod networks;
mod owner;
mod pace;
mod settle;
mod shared;
pub mod stacks;
mod sts;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::ProvideCredentials as _;
use aws_sdk_sts::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use jiff::Timestamp;
use thiserror::Error;

use self::answer::{Answer, Trouble, chain, fact};
pub use self::calls::CALLS;
pub use self::foreign::{Named, Reading};
pub use self::list::{Candidate, default_region};
use self::owner::Claims;
use self::pace::{GIVEN, KINESIS, LAMBDA, MSK, POLICIES, Paced};
use crate::arn::Arn;
use crate::facts::deployed::pipeline_id;
use crate::facts::{Consumer, Fact, Facts, Foreign, Function, GivenDestination, Mapping, PipelineFacts, Probe, SCHEMA};

/// How often a call is tried: enough for a service that throttles to take it in the end.
const ATTEMPTS: u32 = 5;
/// Longest wait for a connection, and for the answer to one try of a call.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// The same where it is only looked: who waits wants to know what does not answer, and the rest. All tries of a call together have as long as a service takes
/// that throttles.
const LOOK_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const LOOK_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
const LOOK_TIMEOUT: Duration = Duration::from_secs(12);
/// The longest pause before a call is tried again: with five tries there are pauses of at most 1, 2, 2.5 and 2.5 seconds.
const LOOK_BACKOFF: Duration = Duration::from_millis(2500);
/// The same of asking a function for its probe, which takes nine seconds at the most once the function is started; and how often, where Lambda throttles.
const PROBE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);
const PROBE_TIMEOUT: Duration = Duration::from_secs(13);
const PROBE_ATTEMPTS: u32 = 3;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Question {
    /// The streams' region.
    pub region: String,
    /// The account that all is in.
    pub account: String,
    /// The streams to read, each once.
    pub streams: Vec<Arn>,
    /// The cluster to write to; none where the Kafka is not MSK.
    pub cluster: Option<Arn>,
    /// Every topic that may be written to.
    pub topics: BTreeSet<String>,
    /// ARNs of all that is named for what is given up.
    pub destinations: BTreeSet<String>,
    /// By the stream's ARN, consumers by which streams are read.
    pub consumers: BTreeMap<String, String>,
    /// The stack, in the streams' region.
    pub stack: String,
    /// The functions' VPC, where one is named.
    pub vpc: Option<String>,
    /// The functions' subnets, where they are named.
    pub subnets: Vec<String>,
    /// The functions' security group, where it is named.
    pub security_group: Option<String>,
    /// By the stream's ARN, the topics that its pipeline writes to, and the name of the authentication where it is chosen: for functions that no variable of
    /// k2m's tells.
    pub writes: BTreeMap<String, Vec<String>>,
    /// See `writes`.
    pub authentication: Option<String>,
    /// Whether to look at what has happened to the pipelines too, at their rights, and at all else that only doctor needs.
    pub history: bool,
    /// The function, where one was named in place of a stack's.
    pub function: Option<NamedFunction>,
}

/// A function to look at in place of a stack's.
#[derive(Debug, Clone)]
pub struct NamedFunction {
    /// What is known of it already.
    pub foreign: Foreign,
    /// By the stream's ARN, UUIDs of the mappings by which it reads.
    pub mappings: Fact<BTreeMap<String, String>>,
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

/// The same where what isn't known is a fact too.
pub type Looking<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
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

    /// The same way, for looking alone: what does not answer is given up soon.
    #[must_use]
    pub fn looking(&self) -> Self {
        self.bounded(LOOK_ATTEMPT_TIMEOUT, LOOK_TIMEOUT, ATTEMPTS)
    }

    fn bounded(&self, attempt: Duration, all: Duration, attempts: u32) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(LOOK_CONNECT_TIMEOUT)
            .operation_attempt_timeout(attempt)
            .operation_timeout(all)
            .build();
        // Together shorter than the bound, so that what is refused at once is told as that, and not as late.
        let retries = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_max_backoff(LOOK_BACKOFF);
        let config = self.config.to_builder().timeout_config(timeouts).retry_config(retries);
        Self {
            config: config.build(),
            profile: self.profile.clone(),
        }
    }

    fn in_region(&self, region: &str) -> SdkConfig {
        self.config.to_builder().region(Region::new(region.to_owned())).build()
    }

    /// Whose credentials these are: account and partition.
    pub fn caller<'a>(&'a self, region: &'a str) -> Pending<'a, (String, String)> {
        Box::pin(async move {
            let answer = sts::caller(&aws_sdk_sts::Client::new(&self.looking().in_region(region))).await;
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

    /// Physical ids of a stack's resources by logical ids.
    pub fn resources<'a>(&'a self, region: &'a str, stack: &'a str) -> Looking<'a, Fact<BTreeMap<String, String>>> {
        Box::pin(async move {
            let client = aws_sdk_cloudformation::Client::new(&self.looking().in_region(region));
            fact(cloudformation::ids(&client, stack).await)
        })
    }

    /// The event source mappings of these, as they are now; in their order.
    pub fn mappings<'a>(&'a self, region: &'a str, uuids: &'a [String]) -> Looking<'a, Vec<Fact<Mapping>>> {
        Box::pin(async move {
            let client = aws_sdk_lambda::Client::new(&self.looking().in_region(region));
            let seen = Paced::new(LAMBDA)
                .all(uuids, |uuid| lambda::mapping(&client, uuid))
                .await;
            seen.into_iter()
                .map(|answer| fact(answer.map(|(mapping, _)| mapping)))
                .collect()
        })
    }

    /// A function by its name or ARN: whose it is, what it reads, and where it writes to.
    pub fn named<'a>(&'a self, region: &'a str, function: &'a str) -> Looking<'a, Fact<Named>> {
        Box::pin(async move {
            let config = self.looking().in_region(region);
            let client = aws_sdk_lambda::Client::new(&config);
            fact(foreign::look(&client, function, config.endpoint_url()).await)
        })
    }

    /// Asks a function how its way to the brokers is. It changes nothing, and takes nine seconds at the most; where nothing answers, thirteen.
    pub fn probe<'a>(&'a self, region: &'a str, function: &'a str) -> Looking<'a, Fact<Probe>> {
        Box::pin(async move {
            let asking = self.bounded(PROBE_ATTEMPT_TIMEOUT, PROBE_TIMEOUT, PROBE_ATTEMPTS);
            let client = aws_sdk_lambda::Client::new(&asking.in_region(region));
            fact(lambda::probe(&client, function).await)
        })
    }

    /// The functions of stacks in a region, to be asked for topics.
    pub fn functions(&self, region: &str) -> lambda::Functions {
        let config = self.in_region(region);
        lambda::Functions {
            client: aws_sdk_lambda::Client::new(&config),
            stacks: aws_sdk_cloudformation::Client::new(&config),
        }
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

    /// Looks at everything that matters for the pipelines of a stack. `now` is the time.
    pub fn look<'a>(&'a self, question: &'a Question, now: Timestamp) -> Pending<'a, Facts> {
        Box::pin(async move { Box::pin(self.looking().look_around(question, now)).await })
    }

    async fn look_around(&self, question: &Question, now: Timestamp) -> Result<Facts, LookError> {
        let Question {
            region,
            cluster,
            topics,
            stack,
            vpc,
            subnets,
            security_group,
            history,
            ..
        } = question;
        // Beside a cluster that there isn't no network is to be looked at.
        let there_region = cluster.as_ref().map_or("", |cluster| cluster.region.as_str());
        let (here, there) = (self.in_region(region), self.in_region(there_region));
        let (kafka, functions_ec2) = (aws_sdk_kafka::Client::new(&there), aws_sdk_ec2::Client::new(&here));
        let topics: Vec<&String> = topics.iter().collect();
        let paced_lambda = Paced::new(LAMBDA);
        // Where nobody says where the functions are to be, and they can't be where the brokers are.
        let anywhere = *region != there_region && vpc.is_none() && subnets.is_empty();
        let (
            account,
            own,
            concurrency,
            ((mut cluster_seen, cluster_vpcs, connections), brokers, topics_seen),
            named_vpcs,
            all_vpcs,
        ) = tokio::join!(
            async { sts::account(&aws_sdk_sts::Client::new(&here)).await },
            self.own(question, &paced_lambda),
            async {
                let lambda = aws_sdk_lambda::Client::new(&here);
                paced_lambda.one(lambda::concurrency(&lambda)).await
            },
            of_msk(&there, cluster.as_ref(), &topics, *history),
            ec2::vpcs_of(&functions_ec2, subnets),
            all_vpcs(&functions_ec2, anywhere),
        );
        let first = own.streams.first().and_then(|seen| seen.as_ref().err());
        self.reachable(region, &account, first)?;
        let deployed = &own.deployed;

        let claims = Claims::new(stack, &deployed.stack);
        let functions = || deployed.pipelines.iter().filter_map(|(function, _)| function.found());
        let deployed_groups = functions().flat_map(|function| function.security_groups.clone());
        let own_groups = claims.ids("sg-").map(str::to_owned).chain(security_group.clone());
        let deployed_vpcs = functions().filter_map(|function| function.vpc.clone());
        let known = deployed_vpcs.chain(vpc.clone());
        let function_vpcs = named_vpcs.and_then(|named| Ok(each_once(named.into_iter().chain(all_vpcs?).chain(known))));
        let connections = connections.map(|connections| owner::owned(connections, &claims));
        let guards = connections.iter().flatten().flatten();
        let guards = guards.flat_map(|connection| connection.security_groups.clone());
        let cluster_groups = cluster_seen.security_groups.iter().cloned().chain(guards);
        let ends = networks::Ends {
            here: region,
            there: there_region,
            cluster_vpcs: &cluster_vpcs,
            function_vpcs: &function_vpcs,
            cluster_groups: each_once(cluster_groups),
            function_groups: each_once(deployed_groups.chain(own_groups)),
            claims: &claims,
            history: *history,
        };
        let (configuration, (networks, network_stacks), happened) = tokio::join!(
            kafka::configuration(&kafka, &cluster_seen.configuration),
            networks::look(|region| self.in_region(region), ends),
            self.happened(question, now, &own, &paced_lambda),
        );
        let connections = connections.map(|connections| owner::standing(connections, &networks, &network_stacks));
        if let Ok(found) = &mut cluster_seen.cluster {
            found.vpc_connections = connections.map(fact);
        }
        let Own {
            streams: streams_seen,
            deployed,
            given,
        } = own;
        Ok(Facts {
            schema: SCHEMA,
            taken_at: now.to_string(),
            account: fact(account),
            concurrency: Some(fact(concurrency)),
            servers: Vec::new(),
            brokers: Some(brokers)
                .filter(|_| cluster_seen.has_brokers)
                .map_or(Fact::Absent, fact),
            cluster: fact(cluster_seen.cluster),
            configuration: fact(configuration),
            topics: by_name(topics.into_iter(), topics_seen.into_iter().map(fact)),
            stream_policies: given.policies,
            destinations: given.destinations,
            networks,
            network_stacks,
            stack: deployed.stack,
            pipelines: pipelines(question, streams_seen, given.consumers, deployed.pipelines, happened),
        })
    }

    /// Looks at what has happened to the pipelines whose function is there, where that is asked for. Of others nothing is said.
    async fn happened(
        &self,
        question: &Question,
        now: Timestamp,
        own: &Own,
        paced_lambda: &Paced,
    ) -> BTreeMap<String, history::Happened> {
        if !question.history {
            return BTreeMap::new();
        }
        let Own {
            streams,
            deployed,
            given,
        } = own;
        let each = question.streams.iter().zip(streams).zip(&deployed.pipelines);
        let ran = each.filter_map(|((stream, seen), (function, mapping))| {
            Some(history::Ran {
                stream,
                seen: seen.as_ref().ok(),
                function: function.found()?,
                mapping: mapping.found(),
            })
        });
        let ran: Vec<history::Ran<'_>> = ran.collect();
        let config = |region: &str| self.in_region(region);
        let happened = history::look(&config, question, now, &deployed.stack, given, &ran, paced_lambda).await;
        let arns = ran.iter().map(|one| one.stream.to_string());
        arns.zip(happened).collect()
    }

    /// Looks at the streams, and at what is deployed and given for them.
    async fn own(&self, question: &Question, paced_lambda: &Paced) -> Own {
        let Question {
            region, streams: arns, ..
        } = question;
        let here = self.in_region(region);
        let (streams, deployed, given) = tokio::join!(
            async {
                let kinesis = aws_sdk_kinesis::Client::new(&here);
                let paced = Paced::new(KINESIS);
                paced.all(arns, |arn| kinesis::stream(&kinesis, arn.as_str())).await
            },
            deployed(&here, question, paced_lambda),
            self.given(question),
        );
        Own {
            streams,
            deployed,
            given,
        }
    }

    /// Looks at what was given, and at the policies of what is of another account.
    async fn given(&self, question: &Question) -> Given {
        let Question {
            region,
            account,
            streams,
            destinations,
            consumers,
            ..
        } = question;
        let here = self.in_region(region);
        let foreign = streams.iter().filter(|stream| stream.account != *account);
        let shared: Vec<String> = foreign
            .flat_map(|stream| std::iter::once(stream.to_string()).chain(consumers.get(stream.as_str()).cloned()))
            .collect();
        let asked: Vec<&String> = destinations.iter().collect();
        let read_by: Vec<&String> = consumers.values().collect();
        let (paced_destinations, paced_consumers) = (Paced::new(GIVEN), Paced::new(KINESIS));
        let kinesis = aws_sdk_kinesis::Client::new(&here);
        let (sns, sqs) = (aws_sdk_sns::Client::new(&here), aws_sdk_sqs::Client::new(&here));
        let s3 = |region: &str| self.artifacts(region, account).client;
        let (seen, ready, policies) = tokio::join!(
            paced_destinations.all(&asked, async |arn| {
                fact(match arn.split(':').nth(2) {
                    Some("sns") => given::topic(&sns, arn).await,
                    Some("sqs") => given::queue(&sqs, arn).await,
                    _ => given::bucket(s3, region, account, arn).await,
                })
            }),
            paced_consumers.all(&read_by, async |arn| fact(given::consumer(&kinesis, arn).await)),
            async {
                let paced = Paced::new(POLICIES);
                paced
                    .all(&shared, async |arn| fact(kinesis::policy(&kinesis, arn).await))
                    .await
            },
        );
        Given {
            destinations: by_name(destinations.iter(), seen.into_iter()),
            consumers: by_name(consumers.keys(), ready.into_iter()),
            policies: by_name(shared.iter(), policies.into_iter()),
        }
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
    calls::told(HttpBuilder::new().build_with_connector_fn(|settings, _| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    }))
}

/// The streams in their order, what is deployed for them, and what was given.
#[derive(Debug)]
struct Own {
    streams: Vec<Answer<crate::facts::Stream>>,
    deployed: Deployed,
    given: Given,
}

/// What was given: destinations and policies by their ARN, consumers by their stream's.
#[derive(Debug)]
struct Given {
    destinations: BTreeMap<String, Fact<GivenDestination>>,
    consumers: BTreeMap<String, Fact<Consumer>>,
    policies: BTreeMap<String, Fact<String>>,
}

fn by_name<'a, T>(names: impl Iterator<Item = &'a String>, facts: impl Iterator<Item = T>) -> BTreeMap<String, T> {
    names.cloned().zip(facts).collect()
}

/// The stack, and the function and mapping of each stream, in their order.
#[derive(Debug)]
struct Deployed {
    stack: Fact<crate::facts::Stack>,
    pipelines: Vec<(Fact<Function>, Fact<Mapping>)>,
}

async fn deployed(config: &SdkConfig, question: &Question, paced: &Paced) -> Deployed {
    let Question { stack, streams, .. } = question;
    match &question.function {
        Some(function) => named(config, stack, function, streams, paced).await,
        None => of_stack(config, stack, streams, paced).await,
    }
}

async fn of_stack(config: &SdkConfig, stack: &str, streams: &[Arn], paced: &Paced) -> Deployed {
    let cloudformation = aws_sdk_cloudformation::Client::new(config);
    let mut seen = match cloudformation::stack(&cloudformation, stack).await {
        Ok(seen) => seen,
        Err(trouble) => {
            let unknown = || (fact(Err(trouble.clone())), fact(Err(trouble.clone())));
            return Deployed {
                pipelines: streams.iter().map(|_| unknown()).collect(),
                stack: fact(Err(trouble)),
            };
        }
    };
    let client = aws_sdk_lambda::Client::new(config);
    // Mappings and functions together: they share one rate.
    let (uuids, names) = of_streams(&seen, streams);
    let listed: Vec<Listed<'_>> = (0..uuids.len().max(names.len()))
        .flat_map(|number| {
            let mapping = uuids.get(number).map(Listed::Mapping);
            mapping.into_iter().chain(names.get(number).map(Listed::Function))
        })
        .collect();
    let ((), looked_at) = tokio::join!(
        cloudformation::add_template(&cloudformation, &mut seen.stack),
        paced.all(&listed, async |listed| match listed {
            Listed::Mapping(uuid) => LookedAt::Mapping(lambda::mapping(&client, uuid).await),
            Listed::Function(name) => LookedAt::Function((*name).clone(), lambda::function(&client, name).await),
        }),
    );
    let (mut mappings, mut functions) = (Vec::new(), Vec::new());
    for one in looked_at {
        match one {
            LookedAt::Mapping(mapping) => mappings.push(mapping),
            LookedAt::Function(name, function) => functions.push((name, function)),
        }
    }
    let meant: Vec<(Answer<Mapping>, Option<String>)> = streams
        .iter()
        .map(|stream| match of_stream(&mappings, stream.as_str()) {
            // The mapping knows its function; without one the stack's list does.
            Ok((mapping, reads)) => (Ok(mapping), Some(reads.function)),
            Err(trouble) => {
                let own = seen.stack.resources.get(&format!("{}Function", pipeline_id(stream)));
                let only = functions.first().filter(|_| functions.len() == 1);
                (Err(trouble), own.or(only.map(|(name, _)| name)).cloned())
            }
        })
        .collect();
    // Somebody may have had a mapping invoke another function than the stack's.
    let known = |meant: &str| functions.iter().any(|(name, function)| is(meant, name, function));
    let others: BTreeSet<&String> = meant.iter().filter_map(|(_, meant)| meant.as_ref()).collect();
    let others: Vec<&String> = others.into_iter().filter(|meant| !known(meant)).collect();
    let looked_at = paced.all(&others, |name| lambda::function(&client, name)).await;
    functions.extend(others.into_iter().cloned().zip(looked_at));
    let function = |meant: &str| {
        let mut functions = functions.iter();
        let found = functions.find(|(name, function)| is(meant, name, function));
        found.map_or(Err(Trouble::Absent), |(_, function)| function.clone())
    };
    let pipelines = meant
        .iter()
        .map(|(mapping, meant)| {
            let function = meant.as_deref().map_or(Err(Trouble::Absent), function);
            (fact(function), fact(mapping.clone()))
        })
        .collect();
    Deployed {
        stack: Fact::Found { value: seen.stack },
        pipelines,
    }
}

/// The stack of the settings' name, as it is, and in place of its functions and mappings the one that was named with its own.
async fn named(config: &SdkConfig, stack: &str, named: &NamedFunction, streams: &[Arn], paced: &Paced) -> Deployed {
    let cloudformation = aws_sdk_cloudformation::Client::new(config);
    let client = aws_sdk_lambda::Client::new(config);
    let uuids = named.mappings.found();
    let uuids: Vec<Option<&String>> = streams
        .iter()
        .map(|stream| uuids.and_then(|uuids| uuids.get(stream.as_str())))
        .collect();
    let (stack, function, mappings) = tokio::join!(
        cloudformation::whole(&cloudformation, stack),
        paced.one(lambda::function(&client, &named.foreign.function)),
        paced.all(&uuids, async |uuid| match uuid {
            Some(uuid) => fact(lambda::mapping(&client, uuid).await.map(|(mapping, _)| mapping)),
            None => named
                .mappings
                .unreadable()
                .map_or(Fact::Absent, |why| Fact::Unreadable(why.clone())),
        }),
    );
    // Nobody gives it back its variables, so nobody has to know the names of those that say nothing of Kafka.
    let function = fact(function.map(|function| Function {
        other_variables: Vec::new(),
        ..function
    }));
    Deployed {
        stack: fact(stack),
        pipelines: mappings
            .into_iter()
            .map(|mapping| (function.clone(), mapping))
            .collect(),
    }
}

/// UUIDs of mappings and names of functions that are looked at: those of the streams' own pipelines where the stack has them by k2m's names, else all.
/// What is in another's stack is no pipeline.
fn of_streams(seen: &cloudformation::Seen, streams: &[Arn]) -> (Vec<String>, Vec<String>) {
    if !seen.stack.made_by_k2m {
        return (Vec::new(), Vec::new());
    }
    let own = |end: &str, all: &[String]| {
        let named = streams.iter().map(|stream| {
            let id = format!("{}{end}", pipeline_id(stream));
            seen.stack.resources.get(&id).cloned()
        });
        named.collect::<Option<Vec<String>>>().unwrap_or_else(|| all.to_vec())
    };
    (own("Mapping", &seen.mappings), own("Function", &seen.functions))
}

/// What of a stack is looked at in Lambda.
enum Listed<'a> {
    /// By its UUID.
    Mapping(&'a String),
    /// By its name.
    Function(&'a String),
}

/// What came of it.
enum LookedAt {
    Mapping(Answer<(Mapping, lambda::Reads)>),
    /// With the name by which it was asked for.
    Function(String, Answer<Function>),
}

/// Whether a function that was asked for by this name is the one that is meant, by its name or ARN.
fn is(meant: &str, name: &str, function: &Answer<Function>) -> bool {
    meant == name
        || meant.ends_with(&format!(":function:{name}"))
        || function.as_ref().is_ok_and(|function| function.arn == meant)
}

/// The one of the stack's mappings that reads this stream. Where none is known to, one that could not be read may.
fn of_stream(mappings: &[Answer<(Mapping, lambda::Reads)>], stream: &str) -> Answer<(Mapping, lambda::Reads)> {
    let reads = |answer: &&Answer<(Mapping, lambda::Reads)>| match answer {
        // Itself, or by a consumer of it.
        Ok((_, reads)) => {
            let source = reads.stream.as_deref().unwrap_or_default();
            source.split("/consumer/").next() == Some(stream)
        }
        Err(_) => false,
    };
    let unread = mappings
        .iter()
        .find(|answer| !matches!(answer, Ok(_) | Err(Trouble::Absent)));
    let found = mappings.iter().find(reads).or(unread);
    found.cloned().unwrap_or(Err(Trouble::Absent))
}

/// The cluster with its secrets, the VPCs of its subnets, and VPC connections that lead to it where it has private connectivity.
type AroundCluster = (kafka::Seen, Answer<Vec<String>>, Option<Answer<Vec<kafka::Tagged>>>);

/// Ids of all VPCs of the region, where they are asked for.
async fn all_vpcs(client: &aws_sdk_ec2::Client, asked: bool) -> Answer<Vec<String>> {
    if asked {
        ec2::all_vpcs(client).await
    } else {
        Ok(Vec::new())
    }
}

/// What MSK tells of a cluster with its VPCs, of its brokers, and of topics in their order; all of it absent where there is none.
async fn of_msk(
    config: &SdkConfig,
    cluster: Option<&Arn>,
    topics: &[&String],
    history: bool,
) -> (
    AroundCluster,
    Answer<Vec<crate::facts::Broker>>,
    Vec<Answer<crate::facts::Topic>>,
) {
    let Some(cluster) = cluster.map(Arn::as_str) else {
        let absent = (kafka::Seen::none(&Trouble::Absent), Err(Trouble::Absent), None);
        return (absent, Err(Trouble::Absent), vec![Err(Trouble::Absent); topics.len()]);
    };
    let client = aws_sdk_kafka::Client::new(config);
    let paced = Paced::new(MSK);
    tokio::join!(
        cluster_and_vpcs(config, cluster, history),
        kafka::brokers(&client, cluster),
        paced.all(topics, |name| kafka::topic(&client, cluster, name)),
    )
}

async fn cluster_and_vpcs(config: &SdkConfig, cluster: &str, history: bool) -> AroundCluster {
    let (kafka, ec2) = (aws_sdk_kafka::Client::new(config), aws_sdk_ec2::Client::new(config));
    let mut seen = kafka::cluster(&kafka, cluster).await;
    let (vpcs, secrets, connections, policy) = tokio::join!(
        async {
            match &seen.subnets {
                Ok(subnets) => ec2::vpcs_of(&ec2, subnets).await,
                Err(trouble) => Err(trouble.clone()),
            }
        },
        async {
            match &seen.cluster {
                Ok(found) if found.authentication.scram => Some(fact(kafka::scram_secrets(&kafka, cluster).await)),
                _ => None,
            }
        },
        async {
            match &seen.cluster {
                Ok(found) if !found.private_connectivity.is_off() => {
                    Some(kafka::vpc_connections(&kafka, cluster).await)
                }
                _ => None,
            }
        },
        async {
            match &seen.cluster {
                Ok(_) if history => Some(fact(kafka::policy(&kafka, cluster).await)),
                _ => None,
            }
        },
    );
    if let Ok(found) = &mut seen.cluster {
        found.scram_secrets = secrets;
        found.policy = policy;
    }
    (seen, vpcs, connections)
}

fn each_once(ids: impl Iterator<Item = String>) -> Vec<String> {
    let ids: BTreeSet<String> = ids.collect();
    ids.into_iter().collect()
}

fn pipelines(
    question: &Question,
    seen: Vec<Answer<crate::facts::Stream>>,
    mut consumers: BTreeMap<String, Fact<Consumer>>,
    deployed: Vec<(Fact<Function>, Fact<Mapping>)>,
    mut happened: BTreeMap<String, history::Happened>,
) -> BTreeMap<String, PipelineFacts> {
    let each = question.streams.iter().zip(seen).zip(deployed);
    let facts = each.map(|((arn, stream), (function, mapping))| {
        let mut pipeline = PipelineFacts {
            stream: fact(stream),
            consumer: consumers.remove(arn.as_str()),
            foreign: question.function.as_ref().map(|function| function.foreign.clone()),
            function,
            mapping,
            ..PipelineFacts::NOTHING
        };
        if let Some(happened) = happened.remove(arn.as_str()) {
            if let Fact::Found { value } = &mut pipeline.function {
                value.reserved_concurrency = Some(happened.reserved_concurrency);
            }
            pipeline.metrics = Some(happened.metrics);
            (pipeline.log, pipeline.log_unfinished) = (Some(happened.log), happened.log_unfinished);
            pipeline.rights = Some(happened.rights);
            pipeline.subscribed = happened.subscribed;
            pipeline.waiting = happened.waiting;
            pipeline.secret = happened.secret;
        }
        (arn.to_string(), pipeline)
    });
    facts.collect()
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

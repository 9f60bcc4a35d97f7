//! What has happened to pipelines, for doctor: asked once their functions are known, all at the same time.

pub(super) mod log;
pub(super) mod metrics;
pub(super) mod rights;
pub(super) mod waiting;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::primitives::DateTime;
use jiff::Timestamp;

use super::answer::{Answer, fact, trouble};
use super::pace::{IAM, LEFT, LOGS, Paced};
use super::{Given, Question, lambda};
use crate::arn::{Arn, SecretArn};
use crate::facts::{Fact, Function, Mapping, Metrics, Right, Secret, Sighting, Stack, Stream, Waiting};
use crate::plan::needs::{self, needs};

/// How far back doctor looks, in minutes.
const MINUTES: u32 = 180;

/// A client's configuration, by its region.
pub(super) type Config<'a> = &'a (dyn Fn(&str) -> SdkConfig + Send + Sync);

/// Clients of a service, one a region: making one takes its time, and each pipeline may need it.
pub(super) struct ByRegion<'a, C> {
    config: Config<'a>,
    make: fn(&SdkConfig) -> C,
    made: Mutex<BTreeMap<String, C>>,
}

impl<'a, C: Clone> ByRegion<'a, C> {
    fn new(config: Config<'a>, make: fn(&SdkConfig) -> C) -> Self {
        Self {
            config,
            make,
            made: Mutex::default(),
        }
    }

    fn at(&self, region: &str) -> C {
        // Nobody panics while holding it.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let anew = || (self.make)(&(self.config)(region));
        made.entry(region.to_owned()).or_insert_with(anew).clone()
    }
}

/// A pipeline of which something happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran<'a> {
    pub(super) stream: &'a Arn,
    /// Where it is known.
    pub(super) seen: Option<&'a Stream>,
    pub(super) function: &'a Function,
    pub(super) mapping: Option<&'a Mapping>,
}

/// What was seen of it.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) reserved_concurrency: Fact<u32>,
    pub(super) metrics: Fact<Metrics>,
    pub(super) log: Fact<Vec<Sighting>>,
    /// Whether the log has more than was looked at.
    pub(super) log_unfinished: bool,
    pub(super) rights: Fact<Vec<Right>>,
    /// Where the mapping is known, and tells a topic.
    pub(super) subscribed: Option<Fact<Vec<String>>>,
    /// Where the mapping is known.
    pub(super) waiting: Option<Fact<Waiting>>,
    /// Where the function has a secret.
    pub(super) secret: Option<Fact<Secret>>,
}

/// Looks at what happened to these, in their order.
pub(super) async fn look(
    config: Config<'_>,
    question: &Question,
    now: Timestamp,
    stack: &Fact<Stack>,
    given: &Given,
    ran: &[Ran<'_>],
    paced_lambda: &Paced,
) -> Vec<Happened> {
    let here = config(&question.region);
    let lambda = aws_sdk_lambda::Client::new(&here);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&here);
    let iam = aws_sdk_iam::Client::new(&here);
    let (paced_logs, paced_iam, paced_secrets) = (Paced::new(LOGS), Paced::new(IAM), Paced::new(LEFT));
    let asked = &waiting::Asked::new(config);
    let manager = &ByRegion::new(config, aws_sdk_secretsmanager::Client::new);
    let (paced_logs, paced_iam, paced_secrets) = (&paced_logs, &paced_iam, &paced_secrets);
    let (lambda, logs, iam) = (&lambda, &logs, &iam);
    let each = ran.iter().map(|one| async move {
        let function = one.function;
        let name = function.name();
        let group = needs::log_group(function);
        tokio::join!(
            paced_lambda.one(lambda::reserved_concurrency(lambda, name)),
            log::sightings(logs, &group, now, paced_logs),
            async {
                let secrets = secrets(manager, function, paced_secrets).await;
                let known: Vec<Secret> = secrets.iter().filter_map(|(_, answer)| answer.clone().ok()).collect();
                let rights = rights_of(question, given, *one, &known, iam, paced_iam).await;
                let own = function.variables.get("K2M_SECRET_ARN");
                let secret = secrets.into_iter().find(|(arn, _)| Some(arn) == own);
                (rights, secret.map(|(_, answer)| fact(answer)))
            },
            async {
                let left = waiting::Left::of(one.mapping?, one.stream, stack)?;
                Some(waiting::look(left, asked).await)
            },
        )
    });
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&here);
    let (metrics, each) = tokio::join!(
        metrics::metrics(&cloudwatch, ran, now, MINUTES),
        futures_util::future::join_all(each),
    );
    let both = metrics.into_iter().zip(each);
    both.map(|(metrics, (reserved_concurrency, log, (rights, secret), left))| {
        let log_unfinished = log.as_ref().is_ok_and(|(_, unfinished)| *unfinished);
        let (subscribed, waiting) = left.map_or((None, None), |(subscribed, waiting)| (subscribed, Some(waiting)));
        Happened {
            reserved_concurrency: fact(reserved_concurrency),
            metrics: fact(metrics),
            log: fact(log.map(|(sightings, _)| sightings)),
            log_unfinished,
            rights: fact(rights),
            subscribed: subscribed.map(fact),
            waiting: waiting.map(fact),
            secret,
        }
    })
    .collect()
}

async fn rights_of(
    question: &Question,
    given: &Given,
    ran: Ran<'_>,
    secrets: &[Secret],
    client: &aws_sdk_iam::Client,
    paced: &Paced,
) -> Answer<Vec<Right>> {
    let Some(role) = &ran.function.role else {
        return Err(super::incomplete("lambda:GetFunctionConfiguration"));
    };
    let destination = ran.mapping.and_then(|mapping| mapping.destination.as_deref());
    let written = question.writes.get(ran.stream.as_str());
    let needed = needs(&needs::Pipeline {
        stream: ran.stream,
        stream_key: ran.seen.and_then(|stream| stream.kms_key.as_deref()),
        consumer: question.consumers.get(ran.stream.as_str()).map(String::as_str),
        function: ran.function,
        cluster: question.cluster.as_ref(),
        authentication: question.authentication.as_deref(),
        topics: written.map(Vec::as_slice).unwrap_or_default(),
        destination,
        given: destination.and_then(|arn| given.destinations.get(arn)?.found()),
        secrets,
    });
    rights::rights(client, role, ran.stream, &needed, paced).await
}

/// What there is to know of the function's secrets without reading them, each by the ARN that the function has of it.
async fn secrets(
    manager: &ByRegion<'_, aws_sdk_secretsmanager::Client>,
    function: &Function,
    paced: &Paced,
) -> Vec<(String, Answer<Secret>)> {
    let arns = needs::secrets(function);
    let each = arns.iter().map(|arn| async move {
        let client = manager.at(&arn.region);
        (arn.as_str().to_owned(), paced.one(secret(&client, arn)).await)
    });
    futures_util::future::join_all(each).await
}

/// Looks at a secret, not at what is secret in it.
pub(super) async fn secret(client: &aws_sdk_secretsmanager::Client, arn: &SecretArn) -> Answer<Secret> {
    const ACTION: &str = "secretsmanager:DescribeSecret";
    let answer = client.describe_secret().secret_id(arn.as_str()).send().await;
    let found = answer.map_err(|error| trouble(&error, ACTION, &["ResourceNotFoundException"]))?;
    Ok(Secret {
        arn: found.arn.unwrap_or_else(|| arn.as_str().to_owned()),
        name: found.name.unwrap_or_else(|| arn.name.clone()),
        kms_key: found.kms_key_id.filter(|key| !key.is_empty()),
        rotates: found.rotation_enabled.unwrap_or_default(),
        changed: found.last_changed_date.as_ref().and_then(at),
        deleted: found.deleted_date.as_ref().and_then(at),
    })
}

/// A time of AWS's, RFC 3339.
pub(super) fn at(time: &DateTime) -> Option<String> {
    Some(Timestamp::from_second(time.secs()).ok()?.to_string())
}

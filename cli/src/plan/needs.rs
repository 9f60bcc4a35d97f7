//! What a pipeline needs of the function's role: each action with the thing that it is needed for, in groups that IAM can be asked about together.

use std::collections::BTreeMap;

use k2m_handler::config::Region;
use k2m_handler::payload::topic_map;

use super::is_managed_key;
use crate::arn::{Arn, SecretArn};
use crate::facts::{Function, GivenDestination, Secret};

/// Actions that a pipeline needs, all on the same kind of thing: actions on things of several kinds can't be asked about in one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// Such as `kafka-cluster:WriteData`.
    pub(crate) actions: &'static [&'static str],
    /// What each of them is needed for; `*` alone where they take no ARN.
    pub(crate) things: Vec<Thing>,
    /// Keys of conditions with the values that a real request has.
    pub(crate) context: BTreeMap<&'static str, String>,
}

/// A thing that an action is needed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    /// As a policy names it: an ARN, which ends with `*` where what is in the thing is not known before.
    pub(crate) granted: String,
    /// An ARN that a request may name: the same, or something in it.
    pub(crate) asked: String,
}

impl Thing {
    fn whole(arn: impl Into<String>) -> Self {
        let arn = arn.into();
        Self {
            granted: arn.clone(),
            asked: arn,
        }
    }

    fn within(arn: &str, any: &str, one: &str) -> Self {
        Self {
            granted: format!("{arn}{any}"),
            asked: format!("{arn}{one}"),
        }
    }
}

/// What of a pipeline decides what its function's role needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pipeline<'a> {
    /// The stream.
    pub(crate) stream: &'a Arn,
    /// The KMS key that encrypts it, as AWS names it; none where none is known to.
    pub(crate) stream_key: Option<&'a str>,
    /// ARN of the consumer by which it is read, where it is.
    pub(crate) consumer: Option<&'a str>,
    /// The function, with the variables that k2m set.
    pub(crate) function: &'a Function,
    /// The cluster, where the Kafka is MSK.
    pub(crate) cluster: Option<&'a Arn>,
    /// The authentication's name, and every topic, of the settings: for a function that isn't told by variables of k2m's.
    pub(crate) authentication: Option<&'a str>,
    pub(crate) topics: &'a [String],
    /// ARN of what is told of batches that are given up, where something is.
    pub(crate) destination: Option<&'a str>,
    /// What is known of it, where it was looked at.
    pub(crate) given: Option<&'a GivenDestination>,
    /// The function's secrets, as far as they could be described: which key encrypts them is not known otherwise.
    pub(crate) secrets: &'a [Secret],
}

/// The function's secrets: ARNs in its variables.
pub(crate) fn secrets(function: &Function) -> Vec<SecretArn> {
    let named = ["K2M_SECRET_ARN", "K2M_CA_SECRET_ARN"].into_iter();
    let named = named.filter_map(|name| SecretArn::parse(function.variables.get(name)?).ok());
    named.collect()
}

/// The log group that a function writes to: AWS's default unless it has another.
pub(crate) fn log_group(function: &Function) -> String {
    let default = || format!("/aws/lambda/{}", function.name());
    function.log_group.clone().unwrap_or_else(default)
}

/// What the pipeline needs. A KMS key that is known by its alias alone is left out: which it is, is not said.
pub(crate) fn needs(pipeline: &Pipeline<'_>) -> Vec<Need> {
    let Pipeline {
        stream,
        stream_key,
        consumer,
        function,
        ..
    } = *pipeline;
    let Some(place) = Place::of(&function.arn) else {
        return Vec::new();
    };
    let mut needs = vec![need(
        &[
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
        ],
        vec![Thing::whole(stream.as_str())],
        &[],
    )];
    needs.extend(consumer.map(|consumer| {
        need(
            &["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"],
            vec![Thing::whole(consumer)],
            &[],
        )
    }));
    // Those of all services that take no ARN, or of which Lambda checks none: IAM tells of them together.
    let in_vpc = function.vpc.is_some() || !function.subnets.is_empty();
    let without_arn: &'static [&'static str] = if in_vpc { &WITHOUT_ARN } else { &WITHOUT_ARN[..1] };
    needs.push(need(without_arn, vec![Thing::whole("*")], &[]));
    let owner = Place {
        partition: &stream.partition,
        region: &stream.region,
        account: &stream.account,
    };
    needs.extend(stream_key.and_then(|key| {
        let encrypted = ("kms:EncryptionContext:aws:kinesis:arn", stream.as_str());
        use_key(&["kms:Decrypt"], owner, "kinesis", key, encrypted)
    }));
    let group = log_group(function);
    let Place {
        partition,
        region,
        account,
    } = place;
    let group = format!("arn:{partition}:logs:{region}:{account}:log-group:{group}");
    for action in [&["logs:CreateLogStream"], &["logs:PutLogEvents"]] {
        needs.push(need(action, vec![Thing::within(&group, ":*", ":log-stream:k2m")], &[]));
    }
    needs.extend(to_kafka(pipeline));
    needs.extend(of_secrets(pipeline));
    needs.extend(to_destination(pipeline, place));
    needs
}

/// The first is the stream's, the others are those of a function in a VPC.
const WITHOUT_ARN: [&str; 7] = [
    "kinesis:ListStreams",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
];

fn need(actions: &'static [&'static str], things: Vec<Thing>, context: &[(&'static str, &str)]) -> Need {
    Need {
        actions,
        things,
        context: context.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
    }
}

/// Where a thing is, and whose it is.
#[derive(Clone, Copy)]
struct Place<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
}

impl<'a> Place<'a> {
    fn of(arn: &'a str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, _, region, account, _] => Some(Self {
                partition,
                region,
                account,
            }),
            _ => None,
        }
    }
}

/// What the brokers check of IAM: nothing of those who come another way.
fn to_kafka(pipeline: &Pipeline<'_>) -> Vec<Need> {
    let Pipeline {
        function,
        cluster,
        authentication,
        topics,
        ..
    } = *pipeline;
    let variable = |name: &str| {
        let value = function.variables.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    };
    let told = variable("K2M_TOPIC");
    // The handler's default, unless it isn't the handler.
    let way = variable("K2M_AUTHENTICATION").or(if told.is_some() { Some("tls") } else { authentication });
    let Some(cluster) = cluster.filter(|_| way == Some("iam")) else {
        return Vec::new();
    };
    let topics: Vec<String> = match told {
        Some(topic) => {
            // A map that can't be read is no reason not to ask about the others.
            let map = variable("K2M_TOPIC_MAP").and_then(|map| topic_map(map).ok());
            let mapped = map.into_iter().flat_map(BTreeMap::into_values);
            let mut topics = vec![topic.to_owned()];
            topics.extend(mapped.chain(variable("K2M_DEAD_LETTER_TOPIC").map(str::to_owned)));
            topics
        }
        None => topics.to_vec(),
    };
    let Arn {
        partition,
        region,
        account,
        ..
    } = cluster;
    let name = cluster.resource.strip_prefix("cluster/").unwrap_or(&cluster.resource);
    let mut things: Vec<Thing> = Vec::new();
    for topic in topics {
        let thing = Thing::whole(format!("arn:{partition}:kafka:{region}:{account}:topic/{name}/{topic}"));
        if !things.contains(&thing) {
            things.push(thing);
        }
    }
    let mut needs = vec![need(
        &["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"],
        vec![Thing::whole(cluster.as_str())],
        &[],
    )];
    if !things.is_empty() {
        needs.push(need(
            &["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"],
            things,
            &[],
        ));
    }
    needs
}

fn of_secrets(pipeline: &Pipeline<'_>) -> Vec<Need> {
    let secrets = secrets(pipeline.function);
    let mut needs = Vec::new();
    if !secrets.is_empty() {
        let things = secrets.iter().map(|secret| Thing::whole(secret.as_str())).collect();
        needs.push(need(&["secretsmanager:GetSecretValue"], things, &[]));
    }
    for secret in &secrets {
        let described = pipeline.secrets.iter().find(|known| known.arn == secret.as_str());
        let key = described.and_then(|known| known.kms_key.as_deref());
        let place = Place {
            partition: &secret.partition,
            region: &secret.region,
            account: &secret.account,
        };
        needs.extend(key.and_then(|key| {
            let encrypted = ("kms:EncryptionContext:SecretARN", secret.as_str());
            use_key(&["kms:Decrypt"], place, "secretsmanager", key, encrypted)
        }));
    }
    needs
}

fn to_destination(pipeline: &Pipeline<'_>, here: Place<'_>) -> Vec<Need> {
    let Some(arn) = pipeline.destination else {
        return Vec::new();
    };
    let service = arn.split(':').nth(2).unwrap_or_default();
    let (mut needs, encrypted): (Vec<Need>, &'static str) = match service {
        "sns" => (
            vec![need(&["sns:Publish"], vec![Thing::whole(arn)], &[])],
            "kms:EncryptionContext:aws:sns:topicArn",
        ),
        "sqs" => (
            vec![need(&["sqs:SendMessage"], vec![Thing::whole(arn)], &[])],
            "kms:EncryptionContext:aws:sqs:arn",
        ),
        "s3" => {
            let owner = [
                ("s3:ResourceAccount", here.account),
                ("aws:ResourceAccount", here.account),
            ];
            let objects = Thing::within(arn, "/*", "/aws/lambda/k2m");
            let needs = vec![
                need(&["s3:PutObject"], vec![objects], &owner),
                need(&["s3:ListBucket"], vec![Thing::whole(arn)], &owner),
            ];
            (needs, "kms:EncryptionContext:aws:s3:arn")
        }
        _ => return Vec::new(),
    };
    let actions: &'static [&'static str] = match service {
        "s3" => &["kms:GenerateDataKey"],
        _ => &["kms:Decrypt", "kms:GenerateDataKey"],
    };
    let given = pipeline.given.filter(|given| given.arn == arn);
    let key = given.and_then(|given| Some((given, given.kms_key.found()?)));
    needs.extend(key.and_then(|(given, key)| {
        let region = given.region.as_deref().unwrap_or(here.region);
        use_key(
            actions,
            Place { region, ..here },
            kms_service(service),
            key,
            (encrypted, arn),
        )
    }));
    needs
}

fn kms_service(service: &str) -> &'static str {
    match service {
        "sns" => "sns",
        "sqs" => "sqs",
        _ => "s3",
    }
}

/// The right to use a customer's key, by its id or ARN; where it is, unless its ARN says so.
fn use_key(
    actions: &'static [&'static str],
    place: Place<'_>,
    service: &'static str,
    key: &str,
    encrypted: (&'static str, &str),
) -> Option<Need> {
    let resource = key.rsplit_once(':').map_or(key, |(_, resource)| resource);
    if is_managed_key(key) || resource.starts_with("alias/") {
        return None;
    }
    let Place {
        partition,
        region,
        account,
    } = place;
    let arn = if resource == key {
        let id = resource.strip_prefix("key/").unwrap_or(resource);
        format!("arn:{partition}:kms:{region}:{account}:key/{id}")
    } else {
        key.to_owned()
    };
    let suffix = Region::new("region", region).map_or("amazonaws.com", |region| region.dns_suffix());
    let through = format!("{service}.{region}.{suffix}");
    Some(need(
        actions,
        vec![Thing::whole(arn)],
        &[("kms:ViaService", &through), encrypted],
    ))
}

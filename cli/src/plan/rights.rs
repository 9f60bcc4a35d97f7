//! What the function's role may do: no action that isn't needed, and the ARN of the one thing wherever AWS allows one.

use k2m_handler::config::Region;
use serde_json::{Value, json};

use super::error::PlanError;
use super::policy::Request;
use super::seen::{One, Seen};
use super::{Destination, PlannedCluster, Statement};
use crate::arn::{Arn, SecretArn};
use crate::facts::Fact;
use crate::settings::{Authentication, Home};

/// The most characters, without white space, that IAM takes for all inline policies of a role; this one is the function's only one.
const POLICY_CHARACTERS: usize = 10_240;
/// What a reference to a thing of the stack may become: an ARN with the stack's name in it.
const RESOLVED_CHARACTERS: usize = 350;

/// The statements of the role's policy, and the one that it has besides until the function has made these topics.
pub(super) fn statements(
    one: &One,
    seen: &Seen,
    cluster: &PlannedCluster,
    destination: &Destination,
    pending: &[&str],
) -> Result<(Vec<Statement>, Option<Statement>), PlanError> {
    let One {
        settings, id: pipeline, ..
    } = one;
    let stream = &settings.stream.value;
    let mut statements = vec![
        allow(
            "ReadStream",
            &[
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            ],
            json!(stream.as_str()),
        ),
        // It has no resource level, and Lambda asks for it when the mapping is made.
        allow("ListStreams", &["kinesis:ListStreams"], json!("*")),
    ];
    statements.extend(settings.consumer.as_ref().map(|consumer| {
        allow(
            "ReadConsumer",
            &["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"],
            json!(consumer.value),
        )
    }));
    let at_stream = format!("arn:{}:kms:{}:{}:", stream.partition, stream.region, stream.account);
    let key = one.stream.kms_key.as_deref();
    statements.extend(key.and_then(|key| use_key("DecryptStream", &["kms:Decrypt"], &at_stream, key)));
    // Also while the deployed function is in a VPC still: its network interfaces go with these rights.
    let inside = seen.functions.iter().any(|function| !function.subnets.is_empty());
    if !seen.settings.public_access.value || inside {
        statements.push(manage_interfaces());
    }
    // The attribute ends with `:*`, which takes in the group's log streams.
    statements.push(allow(
        "WriteLogs",
        &["logs:CreateLogStream", "logs:PutLogEvents"],
        json!({"Fn::GetAtt": [format!("{pipeline}LogGroup"), "Arn"]}),
    ));
    let by_iam = cluster.authentication == Authentication::Iam;
    if let Some(setting) = seen.settings.cluster().filter(|_| by_iam) {
        let cluster_arn = &setting.value;
        statements.extend(write_topic(cluster_arn, &settings.topic.value));
        let mapped = settings.mapped_topics();
        if !mapped.is_empty() {
            statements.push(write("WriteMappedTopics", cluster_arn, &mapped));
        }
        if let Some(topic) = &settings.dead_letter_topic {
            statements.push(write("WriteDeadLetterTopic", cluster_arn, &[&topic.value]));
        }
    }
    for (name, secret) in [("Secret", &cluster.secrets.identity), ("CaSecret", &cluster.secrets.ca)] {
        statements.extend(secret.iter().flat_map(|secret| read_secret(name, secret)));
    }
    statements.extend(send_failures(one, seen, destination));
    let of_msk = seen.settings.cluster().filter(|_| by_iam && !pending.is_empty());
    let creation = of_msk.map(|setting| Statement {
        resource: topic_arns(&setting.value, pending),
        ..allow("CreateTopics", &["kafka-cluster:CreateTopic"], Value::Null)
    });
    let characters = characters(statements.iter().chain(&creation));
    if characters > POLICY_CHARACTERS {
        return Err(PlanError::Policy {
            characters,
            topics: settings.mapped_topics().len(),
            map: settings.payload.topic_map.as_ref().map(|map| map.source.clone()),
        });
    }
    Ok((statements, creation))
}

/// Lambda checks these without naming an interface, and EC2 describes on `*` only: there is no ARN before the interface exists.
fn manage_interfaces() -> Statement {
    allow(
        "ManageNetworkInterfaces",
        &[
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
        ],
        json!("*"),
    )
}

/// What IAM counts of a policy. Nothing in it has white space: neither ARNs nor actions can.
fn characters<'a>(statements: impl Iterator<Item = &'a Statement>) -> usize {
    let statements: Vec<&Statement> = statements.collect();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let resources = statements.iter().flat_map(|statement| &statement.resource);
    let references = resources.filter(|resource| !resource.is_string()).count();
    policy.len() + references * RESOLVED_CHARACTERS
}

/// A secret, and the key that encrypts it. Which one that is can't be told from the secret's ARN, so the right is bound to this secret, and to
/// Secrets Manager asking.
fn read_secret(name: &str, secret: &SecretArn) -> [Statement; 2] {
    let SecretArn {
        partition,
        region,
        account,
        ..
    } = secret;
    // Checked where the ARN was read.
    let suffix = Region::new("region", region).map_or("amazonaws.com", |region| region.dns_suffix());
    let read = format!("Read{name}");
    let decrypt = format!("Decrypt{name}");
    [
        allow(&read, &["secretsmanager:GetSecretValue"], json!(secret.as_str())),
        Statement {
            condition: Some(json!({"StringEquals": {
                "kms:EncryptionContext:SecretARN": secret.as_str(),
                "kms:ViaService": format!("secretsmanager.{region}.{suffix}"),
            }})),
            ..allow(
                &decrypt,
                &["kms:Decrypt"],
                json!(format!("arn:{partition}:kms:{region}:{account}:key/*")),
            )
        },
    ]
}

fn allow(sid: &str, actions: &[&str], resource: Value) -> Statement {
    Statement {
        sid: sid.to_owned(),
        effect: "Allow",
        action: actions.iter().map(|action| (*action).to_owned()).collect(),
        resource: vec![resource],
        condition: None,
    }
}

/// Whether AWS manages this key, as its aliases say: every role of the account may use one, through the service that it is for.
pub(crate) fn is_managed(key: &str) -> bool {
    let resource = key.rsplit_once(':').map_or(key, |(_, resource)| resource);
    resource.starts_with("alias/aws/")
}

/// A customer's key, by its id, ARN or alias; where it is, unless its ARN says so. A policy can't name a key by its alias, only ask for it in a condition.
fn use_key(sid: &str, actions: &[&str], place: &str, key: &str) -> Option<Statement> {
    if is_managed(key) {
        return None;
    }
    let resource = key.rsplit_once(':').map_or(key, |(_, resource)| resource);
    let place = key
        .strip_suffix(resource)
        .filter(|place| !place.is_empty())
        .unwrap_or(place);
    Some(if resource.starts_with("alias/") {
        Statement {
            condition: Some(json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": resource}})),
            ..allow(sid, actions, json!(format!("{place}key/*")))
        }
    } else {
        let id = resource.strip_prefix("key/").unwrap_or(resource);
        allow(sid, actions, json!(format!("{place}key/{id}")))
    })
}

fn write_topic(cluster: &Arn, topic: &str) -> [Statement; 2] {
    [
        allow(
            "ConnectToCluster",
            &["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"],
            json!(cluster.as_str()),
        ),
        write("WriteTopic", cluster, &[topic]),
    ]
}

fn write(sid: &str, cluster: &Arn, topics: &[&str]) -> Statement {
    Statement {
        resource: topic_arns(cluster, topics),
        ..allow(
            sid,
            &["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"],
            Value::Null,
        )
    }
}

/// What a function does in Kafka over IAM, with these topics.
pub(crate) fn in_kafka(cluster: &Arn, topics: &[&str]) -> Vec<Request> {
    let of_cluster = ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"];
    let of_topic = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"];
    let of_cluster = of_cluster.map(|action| Request {
        action,
        resource: cluster.to_string(),
    });
    let arns = topic_arns(cluster, topics);
    let arns = arns.iter().filter_map(Value::as_str);
    let of_topics = arns.flat_map(|arn| {
        of_topic.map(|action| Request {
            action,
            resource: arn.to_owned(),
        })
    });
    of_cluster.into_iter().chain(of_topics).collect()
}

fn topic_arns(cluster: &Arn, topics: &[&str]) -> Vec<Value> {
    let name_and_uuid = cluster.resource.strip_prefix("cluster/").unwrap_or(&cluster.resource);
    let Arn {
        partition,
        region,
        account,
        ..
    } = cluster;
    let arn = |topic: &&str| {
        json!(format!(
            "arn:{partition}:kafka:{region}:{account}:topic/{name_and_uuid}/{topic}"
        ))
    };
    topics.iter().map(arn).collect()
}

fn send_failures(one: &One, seen: &Seen, destination: &Destination) -> Vec<Statement> {
    let Home {
        partition,
        region,
        account,
    } = &seen.settings.home;
    let pipeline = &one.id;
    let mut statements = match destination {
        Destination::Own => vec![allow(
            "SendFailures",
            &["sns:Publish"],
            json!({"Ref": format!("{pipeline}FailureTopic")}),
        )],
        Destination::Sns(arn) => vec![allow("SendFailures", &["sns:Publish"], json!(arn))],
        Destination::Sqs(arn) => vec![allow("SendFailures", &["sqs:SendMessage"], json!(arn))],
        // Lambda looks whether the bucket is there. Only in this account: who takes the name of a bucket that is gone gets nothing.
        Destination::S3(arn) => [
            allow("SendFailures", &["s3:PutObject"], json!(format!("{arn}/*"))),
            allow("FindBucket", &["s3:ListBucket"], json!(arn)),
        ]
        .map(|statement| Statement {
            condition: Some(json!({"StringEquals": {"s3:ResourceAccount": account}})),
            ..statement
        })
        .into(),
    };
    // SNS and SQS open the data key that they encrypt by, too.
    let actions: &[&str] = match destination {
        Destination::S3(_) => &["kms:GenerateDataKey"],
        Destination::Own | Destination::Sns(_) | Destination::Sqs(_) => &["kms:Decrypt", "kms:GenerateDataKey"],
    };
    let found = one.destination.and_then(Fact::found);
    let key = found.and_then(|found| Some((found, found.kms_key.found()?)));
    statements.extend(key.and_then(|(found, key)| {
        let region = found.region.as_ref().unwrap_or(region);
        use_key(
            "EncryptFailures",
            actions,
            &format!("arn:{partition}:kms:{region}:{account}:"),
            key,
        )
    }));
    statements
}

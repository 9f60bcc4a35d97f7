//! Plans as literals, for tests of what comes after planning.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::topic::{DEAD_LETTER_BYTES, configs_of};
use super::{
    Alarm, DeadLetterTopic, Decision, Destination, Dimension, FunctionTopics, Maker, MappedTopic, NewTopic, Pipeline,
    Plan, PlannedCluster, PlannedFunction, PlannedMapping, PlannedNetwork, PlannedPeer, PlannedSecrets, Statement,
    TopicShape,
};
use crate::arn::SecretArn;
use crate::settings::Authentication;

/// A stream `orders` into a topic of that name, over IAM, with all defaults.
pub(crate) fn sample() -> Plan {
    in_partition("aws", "eu-west-1")
}

/// The same in another partition.
#[expect(clippy::too_many_lines, reason = "one literal")]
pub(crate) fn in_partition(partition: &str, region: &str) -> Plan {
    let account = "123456789012";
    let uuid = "0f1e2d3c-0123-4567-89ab-0123456789ab-1";
    let arn = |service: &str, rest: &str| format!("arn:{partition}:{service}:{region}:{account}:{rest}");
    let stream = arn("kinesis", "stream/orders");
    let cluster = arn("kafka", &format!("cluster/events/{uuid}"));
    let topic = arn("kafka", &format!("topic/events/{uuid}/orders"));
    let suffix = if partition == "aws-cn" { ".cn" } else { "" };
    let bootstrap_servers = [1, 2]
        .map(|n| format!("b-{n}.events.a1b2c3.c2.kafka.{region}.amazonaws.com{suffix}:9098"))
        .join(",");
    Plan {
        permissions_boundary: None,
        stack: "k2m-orders".to_owned(),
        region: region.to_owned(),
        account: account.to_owned(),
        partition: partition.to_owned(),
        cluster: PlannedCluster {
            arn: Some(cluster.clone()),
            region: region.to_owned(),
            authentication: Authentication::Iam,
            bootstrap_servers: bootstrap_servers.clone(),
            broker_cidrs: Vec::new(),
            port: 9098,
            secrets: PlannedSecrets::default(),
        },
        network: Some(PlannedNetwork {
            vpc: "vpc-0a1b2c3d4e5f60718".to_owned(),
            subnets: vec![
                "subnet-0a1b2c3d4e5f60718".to_owned(),
                "subnet-0b1b2c3d4e5f60718".to_owned(),
            ],
            cluster_vpc: "vpc-0a1b2c3d4e5f60718".to_owned(),
            cluster_group: Some("sg-0a1b2c3d4e5f60718".to_owned()),
            ports: (9098, 9098),
            function_group: None,
            egress: vec![PlannedPeer::Group("sg-0a1b2c3d4e5f60718".to_owned())],
            ingress_by_group: true,
        }),
        secrets_endpoint: None,
        connection: None,
        network_stacks: Vec::new(),
        pipelines: vec![Pipeline {
            id: "Orders".to_owned(),
            stream: stream.clone(),
            stream_name: "orders".to_owned(),
            topic: "orders".to_owned(),
            after: Vec::new(),
            function_topics: None,
            creation: None,
            new_topic: None,
            mapped_topics: Vec::new(),
            dead_letter_topic: None,
            function: PlannedFunction {
                memory_mb: 256,
                timeout_seconds: 60,
                variables: BTreeMap::from(
                    [
                        ("K2M_AUTHENTICATION", "iam"),
                        ("K2M_BOOTSTRAP_SERVERS", bootstrap_servers.as_str()),
                        ("K2M_CLUSTER_REGION", region),
                        ("K2M_TIMEOUT_MS", "60000"),
                        ("K2M_TOPIC", "orders"),
                    ]
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
                ),
                log_retention_days: 30,
            },
            mapping: PlannedMapping {
                source: stream.clone(),
                starting_position: "TRIM_HORIZON",
                starting_position_timestamp: None,
                batch_size: 1000,
                maximum_batching_window_seconds: 1,
                parallelization_factor: 1,
                maximum_retry_attempts: 100,
                maximum_record_age_seconds: 86_400,
                bisect: true,
                enabled: true,
            },
            destination: Destination::Own,
            failure_email: None,
            statements: vec![
                allow(
                    "ReadStream",
                    &[
                        "kinesis:DescribeStream",
                        "kinesis:DescribeStreamSummary",
                        "kinesis:GetRecords",
                        "kinesis:GetShardIterator",
                        "kinesis:ListShards",
                    ],
                    vec![json!(stream)],
                ),
                allow(
                    "WriteLogs",
                    &["logs:CreateLogStream", "logs:PutLogEvents"],
                    vec![json!({"Fn::GetAtt": ["OrdersLogGroup", "Arn"]})],
                ),
                Statement {
                    condition: Some(json!({"StringEquals": {"ec2:Region": region}})),
                    // None of these actions knows a resource.
                    ..allow(
                        "NetworkInterfaces",
                        &["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"],
                        vec![json!("*")],
                    )
                },
                allow(
                    "ConnectToCluster",
                    &["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"],
                    vec![json!(cluster)],
                ),
                allow(
                    "WriteTopic",
                    &["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"],
                    vec![json!(topic)],
                ),
                allow(
                    "FailureDestination",
                    &["sns:Publish"],
                    vec![json!({"Ref": "OrdersFailureTopic"})],
                ),
            ],
            alarms: vec![
                alarm("IteratorAge", "IteratorAge", Dimension::Function, "Maximum", 3_600_000),
                alarm("Errors", "Errors", Dimension::Function, "Sum", 0),
                alarm("Throttles", "Throttles", Dimension::Function, "Sum", 0),
                alarm("Dropped", "DroppedEventCount", Dimension::Mapping, "Sum", 0),
                alarm(
                    "GivenUp",
                    "OnFailureDestinationDeliveredEventCount",
                    Dimension::Mapping,
                    "Sum",
                    0,
                ),
            ],
            without_mapping: false,
        }],
        decisions: vec![Decision {
            pipeline: None,
            about: "port",
            choice: "9098".to_owned(),
            why: "the cluster's port for SASL/IAM".to_owned(),
        }],
        removed: Vec::new(),
        losses: Vec::new(),
        brief_outputs: false,
        proofs: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Every variant that a template differs by, each with its name and the region that it is for.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn variants() -> Vec<(&'static str, &'static str, Plan)> {
    const REGION: &str = "eu-west-1";
    let vary = |change: fn(&mut Plan)| {
        let mut plan = sample();
        change(&mut plan);
        plan
    };
    let given = |arn: &'static str, destination: fn(String) -> Destination, action: &str| {
        let mut plan = sample();
        let pipeline = &mut plan.pipelines[0];
        pipeline.destination = destination(arn.to_owned());
        pipeline
            .statements
            .retain(|statement| statement.sid != "FailureDestination");
        pipeline
            .statements
            .push(allow("FailureDestination", &[action], vec![json!(arn)]));
        plan
    };
    vec![
        ("own destination", REGION, sample()),
        (
            "SNS given",
            REGION,
            given(
                "arn:aws:sns:eu-west-1:123456789012:given-up",
                Destination::Sns,
                "sns:Publish",
            ),
        ),
        (
            "SQS given",
            REGION,
            given(
                "arn:aws:sqs:eu-west-1:123456789012:given-up",
                Destination::Sqs,
                "sqs:SendMessage",
            ),
        ),
        (
            "S3 given",
            REGION,
            given("arn:aws:s3:::given-up", Destination::S3, "s3:PutObject"),
        ),
        (
            "within a boundary",
            REGION,
            vary(|plan| plan.permissions_boundary = Some("arn:aws:iam::123456789012:policy/bounds/most".to_owned())),
        ),
        (
            "told by e-mail",
            REGION,
            vary(|plan| plan.pipelines[0].failure_email = Some("on-call@example.com".to_owned())),
        ),
        (
            "from a point in time, switched off",
            REGION,
            vary(|plan| {
                let mapping = &mut plan.pipelines[0].mapping;
                mapping.starting_position = "AT_TIMESTAMP";
                mapping.starting_position_timestamp = Some(1_767_225_600);
                mapping.maximum_retry_attempts = -1;
                mapping.maximum_record_age_seconds = -1;
                mapping.maximum_batching_window_seconds = 0;
                mapping.bisect = false;
                mapping.enabled = false;
            }),
        ),
        (
            "new topic",
            REGION,
            vary(|plan| {
                plan.pipelines[0].new_topic = Some(NewTopic {
                    by: Maker::CloudFormation,
                    partitions: 6,
                    replication_factor: Some(3),
                    configs: None,
                    unconfirmed: false,
                    exists: false,
                });
            }),
        ),
        (
            "mapped topics, one of them new",
            REGION,
            vary(|plan| {
                plan.pipelines[0].mapped_topics = vec![
                    MappedTopic {
                        name: "orders-cancelled".to_owned(),
                        id: "MappedTopic01234567".to_owned(),
                        new_topic: None,
                    },
                    MappedTopic {
                        name: "orders-created".to_owned(),
                        id: "MappedTopic89abcdef".to_owned(),
                        new_topic: Some(NewTopic {
                            by: Maker::CloudFormation,
                            partitions: 6,
                            replication_factor: Some(3),
                            configs: None,
                            unconfirmed: false,
                            exists: false,
                        }),
                    },
                ];
            }),
        ),
        (
            "dead letters",
            REGION,
            vary(|plan| {
                plan.pipelines[0].dead_letter_topic = Some(DeadLetterTopic {
                    name: "orders-dead-letter".to_owned(),
                    new_topic: None,
                });
                plan.pipelines[0].alarms.push(Alarm {
                    namespace: "k2m",
                    ..alarm("DeadLettered", "DeadLettered", Dimension::Function, "Sum", 0)
                });
            }),
        ),
        (
            "new dead-letter topic",
            REGION,
            vary(|plan| {
                plan.pipelines[0].dead_letter_topic = Some(DeadLetterTopic {
                    name: "orders-dead-letter".to_owned(),
                    new_topic: Some(NewTopic {
                        by: Maker::CloudFormation,
                        partitions: 1,
                        replication_factor: Some(3),
                        configs: Some(configs_of(DEAD_LETTER_BYTES)),
                        unconfirmed: false,
                        exists: false,
                    }),
                });
            }),
        ),
        (
            "topics that the function makes",
            REGION,
            vary(|plan| {
                let by_function = |exists| NewTopic {
                    by: Maker::Function,
                    partitions: 6,
                    replication_factor: None,
                    configs: None,
                    unconfirmed: false,
                    exists,
                };
                plan.pipelines[0].new_topic = Some(by_function(true));
                plan.pipelines[0].dead_letter_topic = Some(DeadLetterTopic {
                    name: "orders-dead-letter".to_owned(),
                    new_topic: Some(by_function(false)),
                });
                plan.pipelines[0].mapping.enabled = false;
                let shape = TopicShape {
                    partitions: 6,
                    replication_factor: Some(3),
                };
                plan.pipelines[0].function_topics = Some(FunctionTopics {
                    cluster: plan.cluster.identity().to_owned(),
                    made: BTreeMap::from([("orders".to_owned(), shape)]),
                    waits_for: vec!["orders-dead-letter".to_owned()],
                });
            }),
        ),
        (
            "alarms that tell a topic",
            REGION,
            vary(|plan| {
                for alarm in &mut plan.pipelines[0].alarms {
                    alarm.topic = Some("arn:aws:sns:eu-west-1:123456789012:on-call".to_owned());
                }
            }),
        ),
        (
            "all broker ports",
            REGION,
            vary(|plan| plan.network.as_mut().unwrap().ports = (9092, 9098)),
        ),
        (
            "plaintext",
            REGION,
            vary(|plan| {
                plan.cluster.authentication = Authentication::Plaintext;
                plan.cluster.port = 9092;
                plan.network.as_mut().unwrap().ports = (9092, 9092);
                let pipeline = &mut plan.pipelines[0];
                pipeline
                    .statements
                    .retain(|statement| !statement.action[0].starts_with("kafka-cluster:"));
                let variables = &mut pipeline.function.variables;
                variables.insert("K2M_AUTHENTICATION".to_owned(), "plaintext".to_owned());
                variables.remove("K2M_CLUSTER_REGION");
            }),
        ),
        (
            "SCRAM",
            REGION,
            vary(|plan| {
                let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";
                plan.cluster.authentication = Authentication::Scram;
                plan.cluster.port = 9096;
                plan.cluster.secrets.identity = SecretArn::parse(secret).ok();
                plan.network.as_mut().unwrap().ports = (9096, 9096);
                let pipeline = &mut plan.pipelines[0];
                pipeline
                    .statements
                    .retain(|statement| !statement.action[0].starts_with("kafka-cluster:"));
                pipeline.statements.push(allow(
                    "ReadSecret",
                    &["secretsmanager:GetSecretValue"],
                    vec![json!(secret)],
                ));
                pipeline.statements.push(Statement {
                    condition: Some(json!({"StringEquals": {
                        "kms:EncryptionContext:SecretARN": secret,
                        "kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com",
                    }})),
                    ..allow(
                        "DecryptSecret",
                        &["kms:Decrypt"],
                        vec![json!("arn:aws:kms:eu-west-1:123456789012:key/*")],
                    )
                });
                let variables = &mut pipeline.function.variables;
                variables.insert("K2M_AUTHENTICATION".to_owned(), "scram".to_owned());
                variables.insert("K2M_SECRET_ARN".to_owned(), secret.to_owned());
                variables.remove("K2M_CLUSTER_REGION");
            }),
        ),
        (
            "two pipelines",
            REGION,
            vary(|plan| {
                let text = serde_json::to_string(&plan.pipelines[0].statements).unwrap();
                let mut second = plan.pipelines[0].clone();
                second.id = "Clicks".to_owned();
                second.stream = second.stream.replace("orders", "clicks");
                second.mapping.source.clone_from(&second.stream);
                second.stream_name = "clicks".to_owned();
                second.topic = "clicks".to_owned();
                let resources: Vec<Value> =
                    serde_json::from_str::<Vec<Value>>(&text.replace("Orders", "Clicks").replace("orders", "clicks"))
                        .unwrap();
                for (statement, changed) in second.statements.iter_mut().zip(resources) {
                    statement.resource = changed["Resource"].as_array().unwrap().clone();
                }
                plan.pipelines.push(second);
            }),
        ),
        (
            "two pipelines into one new topic, in brief",
            REGION,
            vary(|plan| {
                plan.brief_outputs = true;
                let mut second = plan.pipelines[0].clone();
                second.id = "Returns".to_owned();
                second.stream = second.stream.replace("orders", "returns");
                second.mapping.source.clone_from(&second.stream);
                second.stream_name = "returns".to_owned();
                second.after = vec!["OrdersTopic".to_owned()];
                for statement in &mut second.statements {
                    let text = serde_json::to_string(&statement.resource).unwrap();
                    statement.resource = serde_json::from_str(&text.replace("Orders", "Returns")).unwrap();
                }
                plan.pipelines[0].new_topic = Some(NewTopic {
                    by: Maker::CloudFormation,
                    partitions: 6,
                    replication_factor: Some(3),
                    configs: None,
                    unconfirmed: false,
                    exists: false,
                });
                plan.pipelines.push(second);
            }),
        ),
        ("China", "cn-north-1", in_partition("aws-cn", "cn-north-1")),
        ("GovCloud", "us-gov-west-1", in_partition("aws-us-gov", "us-gov-west-1")),
    ]
}

fn allow(sid: &str, action: &[&str], resource: Vec<Value>) -> Statement {
    Statement {
        sid: sid.to_owned(),
        effect: "Allow",
        action: action.iter().map(|&action| action.to_owned()).collect(),
        resource,
        condition: None,
    }
}

fn alarm(id: &'static str, metric: &'static str, of: Dimension, statistic: &'static str, threshold: u64) -> Alarm {
    Alarm {
        id,
        description: format!("{metric} of orders is over {threshold}: see `k2m doctor`"),
        namespace: "AWS/Lambda",
        metric,
        of,
        statistic,
        period_seconds: 60,
        evaluation_periods: 5,
        datapoints: 3,
        threshold,
        topic: None,
    }
}

//! Least privilege: what a pipeline needs, written down here from AWS's and MSK's own words and from nothing else, is what its role may do: every need is
//! granted, and every right is needed. For each topology and each way of authentication.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::table::open_acls;
use super::topologies::{TOPOLOGIES, example};
use super::*;
use crate::arn::SecretArn;
use crate::facts::cluster::PrivateConnectivity;
use crate::facts::{Function, GivenDestination, Secret};
use crate::plan::needs;
use crate::settings::Authentication;

const SECRET: &str = "secret:AmazonMSK_orders-Ab12Cd";
const CA: &str = "secret:ca-Ab12Cd";
/// A customer's key on every stream, so that the right to it is asked for everywhere.
const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
/// Another on whatever is given for what is given up.
const FAILURES_KEY: &str = "9876fedc-12ab-34cd-56ef-1234567890ab";

/// Actions that IAM takes for `*` alone, or that Lambda checks without naming a thing. All others name theirs.
const WITHOUT_ARN: [&str; 7] = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "kinesis:ListStreams",
];

/// One action on one thing, under a condition or without.
type Right = (String, String, String);

fn right(action: &str, thing: &Value, condition: &Value) -> Right {
    (action.to_owned(), thing.to_string(), condition.to_string())
}

/// What a pipeline needs, told by what it does.
fn needs(plan: &Plan, pipeline: &Pipeline, settings: &Settings) -> BTreeSet<Right> {
    let mut needs = BTreeSet::new();
    let mut need = |actions: &[&str], thing: Value, condition: Value| {
        needs.extend(actions.iter().map(|action| right(action, &thing, &condition)));
    };
    let Plan {
        partition,
        account,
        region,
        ..
    } = plan;
    // The event source mapping reads the stream, and whoever reads an encrypted one uses its key.
    let stream = json!(pipeline.stream);
    let read = [
        "DescribeStream",
        "DescribeStreamSummary",
        "GetRecords",
        "GetShardIterator",
        "ListShards",
    ];
    for action in read {
        need(&[&format!("kinesis:{action}")], stream.clone(), Value::Null);
    }
    need(&["kinesis:ListStreams"], json!("*"), Value::Null);
    // Of a consumer it is told by being subscribed.
    if pipeline.mapping.source != pipeline.stream {
        let consumer = json!(pipeline.mapping.source);
        need(
            &["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"],
            consumer,
            Value::Null,
        );
    }
    let owner = pipeline.stream.split(':').nth(4).unwrap();
    let key = json!(format!("arn:{partition}:kms:{region}:{owner}:key/{KEY}"));
    need(&["kms:Decrypt"], key, Value::Null);
    // Its log lines.
    let group = json!({"Fn::GetAtt": [format!("{}LogGroup", pipeline.id), "Arn"]});
    need(&["logs:CreateLogStream", "logs:PutLogEvents"], group, Value::Null);
    // A function in a VPC has network interfaces there.
    if plan.network.is_some() {
        let interfaces: Vec<&str> = WITHOUT_ARN
            .into_iter()
            .filter(|action| action.starts_with("ec2:"))
            .collect();
        need(&interfaces, json!("*"), Value::Null);
    }
    // The brokers check IAM's word for those who come by IAM alone: to connect, to be idempotent, and for each topic to find it and to write.
    if plan.cluster.authentication == Authentication::Iam {
        let cluster = plan.cluster.arn.as_ref().unwrap();
        need(
            &["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"],
            json!(cluster),
            Value::Null,
        );
        for (topic, _) in pipeline.topics() {
            let topic = format!("{}/{topic}", cluster.replacen(":cluster/", ":topic/", 1));
            need(
                &["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"],
                json!(topic),
                Value::Null,
            );
        }
    }
    // A function makes topics with its own rights, until they are there.
    let waits = pipeline.function_topics.iter().flat_map(|topics| &topics.waits_for);
    for topic in waits.filter(|_| plan.cluster.authentication == Authentication::Iam) {
        let topic = format!(
            "{}/{topic}",
            plan.cluster.identity().replacen(":cluster/", ":topic/", 1)
        );
        need(&["kafka-cluster:CreateTopic"], json!(topic), Value::Null);
    }
    // Others show what a secret holds, and Secrets Manager decrypts it in their name.
    let identity = settings
        .secret
        .as_ref()
        .filter(|_| plan.cluster.authentication.needs_secret());
    for secret in identity.into_iter().chain(&settings.ca_secret) {
        let SecretArn { region, account, .. } = &secret.value;
        let arn = secret.value.as_str();
        need(&["secretsmanager:GetSecretValue"], json!(arn), Value::Null);
        let condition = json!({"StringEquals": {
            "kms:EncryptionContext:SecretARN": arn,
            "kms:ViaService": format!("secretsmanager.{region}.amazonaws.com"),
        }});
        need(
            &["kms:Decrypt"],
            json!(format!("arn:{partition}:kms:{region}:{account}:key/*")),
            condition,
        );
    }
    // The mapping sends what it gives up with the function's rights.
    match &pipeline.destination {
        Destination::Own => {
            let topic = json!({"Ref": format!("{}FailureTopic", pipeline.id)});
            need(&["sns:Publish"], topic, Value::Null);
        }
        Destination::Sns(arn) => need(&["sns:Publish"], json!(arn), Value::Null),
        Destination::Sqs(arn) => need(&["sqs:SendMessage"], json!(arn), Value::Null),
        // AWS's advice: whoever makes a bucket of that name elsewhere, once it is gone here, must get nothing.
        Destination::S3(arn) => {
            let here = json!({"StringEquals": {"s3:ResourceAccount": account}});
            need(&["s3:PutObject"], json!(format!("{arn}/*")), here.clone());
            need(&["s3:ListBucket"], json!(arn), here);
        }
    }
    // What is encrypted by a customer's key takes a data key; SNS and SQS open it again.
    let key = json!(format!("arn:{partition}:kms:{region}:{account}:key/{FAILURES_KEY}"));
    match &pipeline.destination {
        Destination::Own => {}
        Destination::S3(_) => need(&["kms:GenerateDataKey"], key, Value::Null),
        Destination::Sns(_) | Destination::Sqs(_) => need(&["kms:Decrypt", "kms:GenerateDataKey"], key, Value::Null),
    }
    needs
}

fn granted(pipeline: &Pipeline) -> BTreeSet<Right> {
    let mut granted = BTreeSet::new();
    for statement in &pipeline.statements {
        assert_eq!(statement.effect, "Allow", "{}", statement.sid);
        let condition = statement.condition.clone().unwrap_or_default();
        for (action, resource) in statement
            .action
            .iter()
            .flat_map(|action| statement.resource.iter().map(move |resource| (action, resource)))
        {
            let new = granted.insert(right(action, resource, &condition));
            assert!(new, "{action} on {resource} is granted twice");
            let all = resource == "*";
            assert_eq!(all, WITHOUT_ARN.contains(&action.as_str()), "{action} on {resource}");
        }
    }
    granted
}

/// What doctor asks IAM about such a pipeline, once it is deployed, is what its role was granted: nothing else, and nothing less.
fn is_asked_about(of: &str, plan: &Plan, pipeline: &Pipeline, settings: &Settings, facts: &Facts) {
    let Plan {
        partition,
        account,
        region,
        ..
    } = plan;
    let one = settings
        .pipelines
        .iter()
        .find(|one| one.stream.value.as_str() == pipeline.stream);
    let one = one.unwrap();
    let (group, topic) = ("/orders", format!("arn:{partition}:sns:{region}:{account}:own"));
    let function = Function {
        arn: format!("arn:{partition}:lambda:{region}:{account}:function:orders"),
        log_group: Some(group.to_owned()),
        vpc: plan.network.as_ref().map(|_| "vpc-1".to_owned()),
        variables: pipeline.function.variables.clone(),
        ..Function::default()
    };
    let key = |secret: &SecretArn| format!("arn:{partition}:kms:{}:{}:key/{KEY}", secret.region, secret.account);
    let described: Vec<Secret> = needs::secrets(&function)
        .iter()
        .map(|secret| Secret {
            arn: secret.as_str().to_owned(),
            name: secret.name.clone(),
            kms_key: Some(KEY.to_owned()),
            rotates: false,
            changed: None,
            deleted: None,
        })
        .collect();
    let destination = match &pipeline.destination {
        Destination::Own => &topic,
        Destination::Sns(arn) | Destination::Sqs(arn) | Destination::S3(arn) => arn,
    };
    let needed = needs::needs(&needs::Pipeline {
        stream: &one.stream.value,
        stream_key: Some(KEY),
        consumer: one.consumer.as_ref().map(|consumer| consumer.value.as_str()),
        function: &function,
        cluster: settings.cluster().map(|cluster| &cluster.value),
        authentication: None,
        topics: &[],
        destination: Some(destination),
        given: facts.destinations.get(destination).and_then(Fact::found),
        secrets: &described,
    });
    let mut asked: BTreeSet<(String, String)> = BTreeSet::new();
    for need in &needed {
        for (action, thing) in need
            .actions
            .iter()
            .flat_map(|action| need.things.iter().map(move |thing| (action, thing)))
        {
            assert_eq!(thing.granted == "*", WITHOUT_ARN.contains(action), "{of}: {action}");
            let beginning = thing.granted.trim_end_matches('*');
            assert!(thing.asked.starts_with(beginning), "{of}: {thing:?}");
            asked.insert(((*action).to_owned(), thing.granted.clone()));
        }
    }
    let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
    for statement in &pipeline.statements {
        let secret = statement.condition.as_ref().and_then(|condition| {
            let arn = condition["StringEquals"]["kms:EncryptionContext:SecretARN"].as_str()?;
            SecretArn::parse(arn).ok()
        });
        for resource in &statement.resource {
            let resource = match (resource.as_str(), &secret) {
                // Which key it is, the secret says once it is described.
                (Some(_), Some(secret)) => key(secret),
                (Some(resource), None) => resource.to_owned(),
                (None, _) if resource.to_string().contains("LogGroup") => {
                    format!("arn:{partition}:logs:{region}:{account}:log-group:{group}:*")
                }
                (None, _) => topic.clone(),
            };
            expected.extend(statement.action.iter().map(|action| (action.clone(), resource.clone())));
        }
    }
    assert_eq!(asked, expected, "{of}");
}

/// The cluster takes this way alone, and the settings have the secrets that it needs.
fn take(way: Authentication, settings: &mut Settings, facts: &mut Facts) {
    if settings.cluster().is_some() {
        of_cluster(way, facts);
    }
    let region = settings.brokers_region().to_owned();
    let home = settings.home.clone();
    let arn = |resource: &str| {
        let text = format!(
            "arn:{}:secretsmanager:{}:{}:{resource}",
            home.partition, region, home.account
        );
        chosen(SecretArn::parse(&text).unwrap())
    };
    settings.authentication = Some(chosen(way));
    settings.secret = way.needs_secret().then(|| arn(SECRET));
    settings.ca_secret = (way == Authentication::MutualTls).then(|| arn(CA));
}

fn of_cluster(way: Authentication, facts: &mut Facts) {
    let cluster = cluster(facts);
    let (key, port) = match way {
        Authentication::Iam => ("SaslIam", 98),
        Authentication::Tls | Authentication::MutualTls => ("Tls", 94),
        Authentication::Plaintext => ("", 92),
        Authentication::Scram => ("SaslScram", 96),
    };
    let on = &mut cluster.authentication;
    on.iam = way == Authentication::Iam;
    on.scram = way == Authentication::Scram;
    on.mutual_tls = way == Authentication::MutualTls;
    on.unauthenticated = matches!(way, Authentication::Tls | Authentication::Plaintext);
    cluster.client_encryption = Some(
        if way == Authentication::Plaintext {
            "PLAINTEXT"
        } else {
            "TLS"
        }
        .to_owned(),
    );
    let apart = !cluster.private_connectivity.is_off();
    if apart {
        cluster.private_connectivity = PrivateConnectivity {
            iam: on.iam,
            scram: on.scram,
            tls: on.mutual_tls,
        };
    }
    for (place, first) in [("", "90"), ("Public", "91"), ("VpcConnectivity", "14")] {
        let servers: Vec<String> = (1..=3)
            .map(|number| match place {
                "VpcConnectivity" => format!("b-{number}.events.example.com:{first}00{number}"),
                _ => format!("b-{number}.events.example.com:{first}{port}"),
            })
            .collect();
        let name = format!("{place}{key}");
        if place.is_empty() || way != Authentication::Plaintext {
            cluster.bootstrap_brokers.insert(name, servers.join(","));
        }
    }
    // What the example lets in is its own way's port.
    let wide = |ports: &mut Option<(u16, u16)>| {
        if ports.is_some_and(|(first, last)| first >= 9092 && last <= 9198) {
            *ports = Some((9092, 9198));
        }
    };
    for network in facts.networks.values_mut() {
        let acls = found(&mut network.network_acls).iter_mut();
        let entries = acls.flat_map(|acl| &mut acl.entries);
        entries
            .filter(|entry| entry.allow)
            .for_each(|entry| wide(&mut entry.ports));
        let groups = found(&mut network.security_groups).iter_mut();
        groups
            .flat_map(|group| &mut group.rules)
            .for_each(|rule| wide(&mut rule.ports));
    }
    if way.needs_secret() {
        open_acls(facts);
    }
}

fn no_more_and_no_less(of: &str, plan: &Plan, pipeline: &Pipeline, settings: &Settings) {
    let (needs, granted) = (needs(plan, pipeline, settings), granted(pipeline));
    let missing: Vec<&Right> = needs.difference(&granted).collect();
    let unneeded: Vec<&Right> = granted.difference(&needs).collect();
    assert!(
        missing.is_empty() && unneeded.is_empty(),
        "{of}: missing {missing:#?}, not needed {unneeded:#?}"
    );
}

/// The owner's part is in the owner's policies; the role's is the same as at home.
#[test]
fn a_stream_of_another_account_takes_the_same_rights() {
    let (mut settings, mut facts) = example("same-vpc");
    let (arn, mut seen) = facts.pipelines.pop_first().unwrap();
    let lent = arn.replace("123456789012", "999999999999");
    let stream = found(&mut seen.stream);
    (stream.arn, stream.kms_key) = (lent.clone(), Some(KEY.to_owned()));
    facts.pipelines.insert(lent.clone(), seen);
    settings.pipelines[0].stream = chosen(Arn::parse(Kind::Stream, &lent).unwrap());
    let plan = plan(&settings, &facts).unwrap();
    no_more_and_no_less(&lent, &plan, &plan.pipelines[0], &settings);
}

#[test]
fn every_right_is_needed_and_every_need_is_granted() {
    let (mut planned, mut creating) = (0, 0);
    let names = TOPOLOGIES.into_iter().chain(["many-pipelines"]);
    for (name, by_function) in names.flat_map(|name| [(name, false), (name, true)]) {
        for way in Authentication::ALL {
            let (mut settings, mut facts) = example(name);
            if by_function && facts.cluster.found().is_some() {
                old_kafka(&mut facts);
            }
            let kind = facts.cluster.found().map(|cluster| cluster.kind.as_str());
            let impossible = match kind {
                Some("SERVERLESS") => way != Authentication::Iam,
                Some(_) => false,
                // IAM is MSK's alone.
                None => way == Authentication::Iam,
            };
            if impossible {
                continue;
            }
            take(way, &mut settings, &mut facts);
            // Each kind of destination in turn.
            let destinations = [
                None,
                Some("arn:aws:sns:eu-west-1:123456789012:failed"),
                Some("arn:aws:sqs:eu-west-1:123456789012:failed"),
                Some("arn:aws:s3:::failed"),
            ];
            for pipeline in &mut settings.pipelines {
                let arn = destinations[planned % destinations.len()];
                pipeline.create_topic = by_function.then(|| chosen(true));
                let consumer = format!("{}/consumer/k2m:1700000000", pipeline.stream.value);
                pipeline.consumer = (planned % 2 == 1).then(|| chosen(consumer));
                pipeline.failure_destination = arn.map(|arn| chosen(arn.to_owned()));
                facts.destinations.extend(arn.map(|arn| {
                    let value = GivenDestination {
                        arn: arn.to_owned(),
                        kms_key: Fact::Found {
                            value: FAILURES_KEY.to_owned(),
                        },
                        policy: Fact::Absent,
                        subscriptions: None,
                        region: None,
                    };
                    (arn.to_owned(), Fact::Found { value })
                }));
            }
            for pipeline in facts.pipelines.values_mut() {
                found(&mut pipeline.stream).kms_key = Some(KEY.to_owned());
            }
            let plan = match plan(&settings, &facts) {
                Ok(plan) => plan,
                // No cluster is spoken to without encryption from outside its VPC.
                Err(PlanError::Authentication { .. })
                    if name == "public-access" && way == Authentication::Plaintext =>
                {
                    continue;
                }
                // Nor is private connectivity for clients that show nothing.
                Err(PlanError::Subnets { .. })
                    if name == "private-connectivity"
                        && matches!(way, Authentication::Plaintext | Authentication::Tls) =>
                {
                    continue;
                }
                Err(error) => panic!("{name} over {}: {error}", way.name()),
            };
            let before = plan.before_topics();
            assert_eq!(before.is_some(), by_function, "{name} over {}", way.name());
            creating += usize::from(before.is_some());
            for pipeline in &plan.pipelines {
                let of = format!("{name} over {}, {}", way.name(), pipeline.stream_name);
                is_asked_about(&of, &plan, pipeline, &settings, &facts);
            }
            let plans = before.iter().chain([&plan]);
            for (plan, pipeline) in plans.flat_map(|plan| plan.pipelines.iter().map(move |pipeline| (plan, pipeline))) {
                let of = format!("{name} over {}, {}", way.name(), pipeline.stream_name);
                no_more_and_no_less(&of, plan, pipeline, &settings);
                planned += 1;
            }
        }
    }
    // So that no topology is passed over unseen.
    assert!(
        planned >= 10 * TOPOLOGIES.len() - 6 && creating >= 5 * TOPOLOGIES.len() - 8,
        "{planned}, {creating}"
    );
}

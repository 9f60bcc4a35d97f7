//! Calls against scripted answers as they are on the wire: pages, what is absent, what is refused, what is throttled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;

mod deploy;
mod settle;

use k2m_handler::probe::creation::{CreateTopics, Wanted};

use super::answer::{Answer, Trouble, fact};
use super::owner::Claims;
use super::*;
use crate::deploy::port::FaultKind;
use crate::deploy::topics::{Functions as _, Next, Reply, next};
use crate::facts::network::RulePeer;
use crate::facts::{Owner, Stack};

const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1";
const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";

/// Status and body.
type Wire = (u16, String);

/// What answers, in bytes.
type Answers = dyn Fn(&str) -> (u16, Vec<u8>) + Send + Sync;

/// Answers each request, given as its path and body, and counts them.
#[derive(Clone)]
struct Script {
    answer: Arc<Answers>,
    header: Option<(&'static str, &'static str)>,
    requests: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let (status, body) = (self.answer)(&format!("{} {body}", request.uri()));
        let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), body.into());
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl Script {
    fn new(answer: impl Fn(&str) -> Wire + Send + Sync + 'static) -> Self {
        Self::binary(move |request| {
            let (status, body) = answer(request);
            (status, body.into_bytes())
        })
    }

    /// The same of a service whose answers are no text.
    fn binary(answer: impl Fn(&str) -> (u16, Vec<u8>) + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            header: None,
            requests: Arc::default(),
        }
    }

    /// With this in the head of every answer.
    fn with_header(self, name: &'static str, value: &'static str) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    /// The same to every request.
    fn always(status: u16, body: &str) -> Self {
        let body = body.to_owned();
        Self::new(move |_| (status, body.clone()))
    }

    fn http(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// What it answers to a request, without counting it.
    fn text(&self, request: &str) -> Wire {
        let (status, body) = (self.answer)(request);
        (status, String::from_utf8(body).unwrap())
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// A client that this script answers; it retries as the real one does, with hardly any waiting.
macro_rules! client {
    ($sdk:ident, $script:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-west-1"))
                .allow_no_auth()
                .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
                .http_client($script.http())
                .build(),
        )
    };
}

// Below the macro that they use.
mod canary;
mod foreign;
mod gifts;
mod happened;
mod joints;
mod watched;

/// An error of a service that speaks JSON.
fn json_error(code: &str, message: &str) -> String {
    format!(r#"{{"__type":"{code}","message":"{message}"}}"#)
}

#[tokio::test]
async fn brokers_come_from_every_page_in_the_order_of_their_numbers() {
    let script = Script::new(|request| {
        let page = if request.contains("nextToken=more") {
            r#"{"nodeInfoList":[{"brokerNodeInfo":{"brokerId":2.0,"clientSubnet":"subnet-2","clientVpcIpAddress":"10.0.2.7"}},{"brokerNodeInfo":{"brokerId":1.0}}]}"#
        } else {
            r#"{"nodeInfoList":[{"brokerNodeInfo":{"brokerId":3.0}},{"nodeType":"CONTROLLER"}],"nextToken":"more"}"#
        };
        (200, page.to_owned())
    });
    let brokers = kafka::brokers(&client!(aws_sdk_kafka, script), CLUSTER).await.unwrap();
    assert_eq!(brokers.iter().map(|broker| broker.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(
        (brokers[1].subnet.as_str(), brokers[1].address.as_str()),
        ("subnet-2", "10.0.2.7")
    );
    assert_eq!(script.requests(), 2);
}

#[tokio::test]
async fn choices_come_from_every_page() {
    let candidate = |id: &str, hints: &[&str]| Candidate {
        id: id.to_owned(),
        hints: hints.iter().map(|&hint| hint.to_owned()).collect(),
    };
    let summary = |name: &str| {
        let arn = STREAM.replace("orders", name);
        format!(r#"{{"StreamName":"{name}","StreamARN":"{arn}","StreamStatus":"ACTIVE"}}"#)
    };
    let script = Script::new(move |request| {
        let page = |names: &str, summaries: String, more: &str| {
            format!(r#"{{"StreamNames":[{names}],"StreamSummaries":[{summaries}],{more}}}"#)
        };
        let body = if request.contains("stream/clicks") {
            // Shards are a help: without the right to see them there still is a choice.
            return (400, json_error("AccessDeniedException", "no"));
        } else if request.contains("StreamARN") {
            let arn = STREAM;
            format!(
                r#"{{"StreamDescriptionSummary":{{"StreamName":"orders","StreamARN":"{arn}","StreamStatus":"ACTIVE","RetentionPeriodHours":24,"StreamCreationTimestamp":1.0,"EnhancedMonitoring":[],"StreamModeDetails":{{"StreamMode":"PROVISIONED"}},"OpenShardCount":1}}}}"#
            )
        } else if request.contains("\"NextToken\":\"more\"") {
            page(r#""clicks""#, summary("clicks"), r#""HasMoreStreams":false"#)
        } else {
            page(
                r#""orders""#,
                summary("orders"),
                r#""HasMoreStreams":true,"NextToken":"more""#,
            )
        };
        (200, body)
    });
    let streams = list::streams(&client!(aws_sdk_kinesis, script)).await.unwrap();
    let clicks = STREAM.replace("orders", "clicks");
    assert_eq!(
        streams,
        [
            candidate(STREAM, &["ACTIVE", "1 open shard", "provisioned"]),
            candidate(&clicks, &["ACTIVE"])
        ]
    );

    let script = Script::new(|request| {
        let body = if request.contains("nextToken=more") {
            r#"{"clusterInfoList":[{"clusterArn":"arn:b","clusterType":"SERVERLESS","state":"CREATING","serverless":{"vpcConfigs":[],"clientAuthentication":{"sasl":{"iam":{"enabled":true}}}}}]}"#
        } else {
            r#"{"clusterInfoList":[{"clusterArn":"arn:a","clusterType":"PROVISIONED","state":"ACTIVE","provisioned":{"clientAuthentication":{"sasl":{"iam":{"enabled":true},"scram":{"enabled":true}}}}}],"nextToken":"more"}"#
        };
        (200, body.to_owned())
    });
    let clusters = list::clusters(&client!(aws_sdk_kafka, script)).await.unwrap();
    assert_eq!(
        clusters,
        [
            candidate("arn:a", &["ACTIVE", "PROVISIONED", "IAM and SCRAM"]),
            candidate("arn:b", &["CREATING", "SERVERLESS", "IAM"])
        ]
    );

    let script = Script::new(|request| {
        let body = if request.contains("nextToken=more") {
            r#"{"topics":[{"topicName":"b","partitionCount":1}]}"#
        } else {
            r#"{"topics":[{"topicName":"a","partitionCount":6}],"nextToken":"more"}"#
        };
        (200, body.to_owned())
    });
    let topics = list::topics(&client!(aws_sdk_kafka, script), CLUSTER).await.unwrap();
    assert_eq!(
        topics,
        [candidate("a", &["6 partitions"]), candidate("b", &["1 partition"])]
    );
}

#[tokio::test]
async fn resources_come_from_every_page_and_deleted_ones_are_left_out() {
    let member = |logical: &str, kind: &str, id: &str, status: &str| {
        format!(
            "<member><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{id}</PhysicalResourceId><ResourceType>{kind}</ResourceType>\
             <ResourceStatus>{status}</ResourceStatus><LastUpdatedTimestamp>2026-01-02T03:04:05Z</LastUpdatedTimestamp></member>"
        )
    };
    let pages = [
        member(
            "Mapping",
            "AWS::Lambda::EventSourceMapping",
            "uuid-1",
            "CREATE_COMPLETE",
        ) + &member("Old", "AWS::EC2::SecurityGroup", "sg-0", "DELETE_COMPLETE"),
        member("Function", "AWS::Lambda::Function", "f-1", "CREATE_COMPLETE"),
    ];
    let stack = |tag: &'static str, may_see_template: bool| {
        let pages = pages.clone();
        Script::new(move |request| {
            let (action, result) = if request.contains("Action=DescribeStacks") {
                let stack = format!(
                    "<DescribeStacksResult><Stacks><member><StackName>k2m-orders</StackName><CreationTime>2026-01-02T03:04:05Z</CreationTime>\
                     <StackStatus>CREATE_COMPLETE</StackStatus><Tags><member><Key>{tag}</Key><Value>k2m-orders</Value></member></Tags>\
                     <Parameters><member><ParameterKey>Artifact</ParameterKey><ParameterValue>a.zip</ParameterValue></member></Parameters>\
                     <Outputs><member><OutputKey>Function</OutputKey><OutputValue>f</OutputValue></member></Outputs></member></Stacks></DescribeStacksResult>"
                );
                ("DescribeStacks", stack)
            } else if request.contains("Action=GetTemplate&") {
                assert!(request.contains("TemplateStage=Original"), "{request}");
                if !may_see_template {
                    let denied = "User: u is not authorized to perform: cloudformation:GetTemplate";
                    let error = format!(
                        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>{denied}</Message></Error></ErrorResponse>"
                    );
                    return (403, error);
                }
                let template = "<GetTemplateResult><TemplateBody>Resources: {}</TemplateBody></GetTemplateResult>";
                ("GetTemplate", template.to_owned())
            } else {
                let (page, next) = if request.contains("NextToken=2") {
                    (&pages[1], "")
                } else {
                    (&pages[0], "<NextToken>2</NextToken>")
                };
                let list = format!(
                    "<ListStackResourcesResult><StackResourceSummaries>{page}</StackResourceSummaries>{next}</ListStackResourcesResult>"
                );
                ("ListStackResources", list)
            };
            (200, format!("<{action}Response>{result}</{action}Response>"))
        })
    };
    let look = async |script: Script| {
        let client = client!(aws_sdk_cloudformation, script);
        let mut seen = cloudformation::stack(&client, "k2m-orders").await.unwrap();
        cloudformation::add_template(&client, &mut seen.stack).await;
        seen
    };
    let ours = look(stack("k2m:stack", true)).await;
    assert_eq!(
        (ours.functions, ours.mappings),
        (vec!["f-1".to_owned()], vec!["uuid-1".to_owned()])
    );
    insta::assert_json_snapshot!(ours.stack);
    // The right to see the template is missing: the rest is there all the same.
    let blind = look(stack("k2m:stack", false)).await.stack;
    let action = blind.template_unreadable.unwrap().missing_action;
    assert_eq!(action.as_deref(), Some("cloudformation:GetTemplate"));
    assert_eq!((blind.template, blind.resources.len()), (None, 2));
    // What another's stack is made of may be anything, secrets too.
    let another = look(stack("team", true)).await.stack;
    assert!(!another.made_by_k2m && another.outputs.is_empty(), "{another:?}");
    assert!(
        another.parameters.is_empty() && another.template.is_none(),
        "{another:?}"
    );
}

#[tokio::test]
async fn groups_and_rules_come_from_every_page_with_their_owners() {
    let rule = |id: &str, protocol: &str, from: i32, to: i32, rest: &str| {
        format!(
            "<item><securityGroupRuleId>{id}</securityGroupRuleId><groupId>sg-1</groupId><isEgress>false</isEgress>\
             <ipProtocol>{protocol}</ipProtocol><fromPort>{from}</fromPort><toPort>{to}</toPort>{rest}</item>"
        )
    };
    let first = rule("sgr-3", "tcp", 0, 65_535, "<prefixListId>pl-1</prefixListId>")
        + &rule(
            "sgr-2",
            "tcp",
            9098,
            9098,
            "<referencedGroupInfo><groupId>sg-9</groupId></referencedGroupInfo><description>k2m k2m-clicks: function</description>",
        );
    let second = rule("sgr-1", "icmp", 8, -1, "<cidrIpv4>10.0.0.0/8</cidrIpv4>");
    let script = Script::new(move |request| {
        let body = if request.contains("Action=DescribeSecurityGroupRules") {
            let (page, next) = if request.contains("NextToken=2") {
                (&second, "")
            } else {
                (&first, "<nextToken>2</nextToken>")
            };
            format!(
                "<DescribeSecurityGroupRulesResponse><securityGroupRuleSet>{page}</securityGroupRuleSet>{next}</DescribeSecurityGroupRulesResponse>"
            )
        } else if request.contains("Action=DescribeSecurityGroups") {
            "<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-1</groupId><groupName>brokers</groupName><vpcId>vpc-1</vpcId></item></securityGroupInfo></DescribeSecurityGroupsResponse>".to_owned()
        } else {
            "<GetManagedPrefixListEntriesResponse><entrySet><item><cidr>10.2.0.0/16</cidr></item><item><cidr>10.1.0.0/16</cidr></item></entrySet></GetManagedPrefixListEntriesResponse>".to_owned()
        };
        (200, body)
    });
    let stack = Fact::<Stack>::Absent;
    let claims = Claims::new("k2m-orders", &stack);
    let groups = ["sg-1".to_owned()];
    let network = ec2::network(&client!(aws_sdk_ec2, script), &Ok(Vec::new()), &groups, &claims, false).await;
    let group = &network.security_groups.found().unwrap()[0];
    let rules: Vec<_> = group
        .rules
        .iter()
        .map(|rule| (rule.id.as_str(), rule.ports, &rule.peer, &rule.owner))
        .collect();
    let (foreign, clicks) = (Owner::Foreign, Owner::K2mStack("k2m-clicks".to_owned()));
    assert_eq!(
        rules,
        [
            ("sgr-1", None, &RulePeer::Cidr("10.0.0.0/8".to_owned()), &foreign),
            (
                "sgr-2",
                Some((9098, 9098)),
                &RulePeer::Group("sg-9".to_owned()),
                &clicks
            ),
            (
                "sgr-3",
                Some((0, 65_535)),
                &RulePeer::PrefixList("pl-1".to_owned()),
                &foreign
            ),
        ]
    );
    assert_eq!(
        network.prefix_lists.found().unwrap()[0].cidrs,
        ["10.1.0.0/16", "10.2.0.0/16"]
    );
}

#[tokio::test]
async fn what_the_service_does_not_find_is_absent() {
    let kafka = client!(
        aws_sdk_kafka,
        Script::always(404, &json_error("NotFoundException", "no such cluster"))
    );
    let seen = kafka::cluster(&kafka, CLUSTER).await;
    assert_eq!(seen.cluster, Err(Trouble::Absent));
    assert_eq!(seen.subnets, Err(Trouble::Absent));
    assert!(!seen.has_brokers);
    assert_eq!(kafka::topic(&kafka, CLUSTER, "orders").await, Err(Trouble::Absent));
    let script = Script::always(404, &json_error("ResourceNotFoundException", "no such function"));
    let lambda = client!(aws_sdk_lambda, script);
    assert_eq!(lambda::function(&lambda, "f").await, Err(Trouble::Absent));
    assert_eq!(lambda::mapping(&lambda, "u").await, Err(Trouble::Absent));
    let answer = "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id k2m-orders does not exist</Message></Error></ErrorResponse>";
    let cloudformation = client!(aws_sdk_cloudformation, Script::always(400, answer));
    let stack = cloudformation::stack(&cloudformation, "k2m-orders").await;
    assert!(matches!(stack, Err(Trouble::Absent)), "{stack:?}");
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let denied = |answer: Answer<()>| match fact(answer) {
        Fact::Unreadable(why) => why.missing_action.unwrap_or_else(|| panic!("{}", why.message)),
        other => panic!("{other:?}"),
    };
    // AWS names the action, which need not be the call's own.
    let words = "User: u is not authorized to perform: kafka-cluster:Connect on resource: c";
    let script = Script::always(403, &json_error("AccessDeniedException", words));
    let kafka = client!(aws_sdk_kafka, script);
    assert_eq!(
        denied(kafka::topic(&kafka, CLUSTER, "orders").await.map(drop)),
        "kafka-cluster:Connect"
    );
    assert_eq!(script.requests(), 1, "a right does not come by trying again");
    // It doesn't: the call's own is what is missing.
    let kafka = client!(
        aws_sdk_kafka,
        Script::always(403, &json_error("ForbiddenException", "no"))
    );
    assert_eq!(
        denied(kafka::brokers(&kafka, CLUSTER).await.map(drop)),
        "kafka:ListNodes"
    );
    let answer = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation.</Message></Error></Errors><RequestID>r</RequestID></Response>";
    let stack = Fact::<Stack>::Absent;
    let (subnets, groups) = (["subnet-1".to_owned()], ["sg-1".to_owned()]);
    let ec2 = client!(aws_sdk_ec2, Script::always(403, answer));
    let vpcs = ec2::vpcs_of(&ec2, &subnets).await;
    let network = ec2::network(&ec2, &vpcs, &groups, &Claims::new("k2m-orders", &stack), false).await;
    let actions = [
        network.subnets.unreadable(),
        network.vpcs.unreadable(),
        network.security_groups.unreadable(),
    ]
    .map(|why| why.unwrap().missing_action.clone().unwrap());
    // The VPCs are found through the subnets: that right is the one to give first.
    assert_eq!(actions[..2], ["ec2:DescribeSubnets", "ec2:DescribeSubnets"]);
    assert!(actions[2].starts_with("ec2:DescribeSecurityGroup"), "{actions:?}");
}

#[tokio::test]
async fn throttling_is_retried_and_then_told() {
    let script = Script::always(429, &json_error("TooManyRequestsException", "slow down"));
    let answer = kafka::brokers(&client!(aws_sdk_kafka, script), CLUSTER).await;
    assert_eq!(
        answer,
        Err(Trouble::Refused("TooManyRequestsException: slow down".to_owned()))
    );
    assert_eq!(script.requests(), 3);
}

#[tokio::test]
async fn expired_credentials_are_told_from_a_missing_right() {
    let answer = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error></ErrorResponse>";
    let account = sts::account(&client!(aws_sdk_sts, Script::always(403, answer))).await;
    let words = "ExpiredToken: The security token included in the request is expired";
    assert_eq!(account, Err(Trouble::Credentials(words.to_owned())));
    let aws = Aws {
        config: SdkConfig::builder().build(),
        profile: Some("dev".to_owned()),
    };
    let error = aws.reachable("eu-west-1", &account, None).unwrap_err();
    insta::assert_snapshot!(error);
}

#[tokio::test]
async fn a_cluster_without_brokers_yet_tells_its_state() {
    let cluster = |state: &'static str, status: u16, bootstrap: String| {
        Script::new(move |request| {
            if request.contains("bootstrap-brokers") {
                (status, bootstrap.clone())
            } else {
                let info = format!(
                    r#"{{"clusterInfo":{{"state":"{state}","clusterType":"PROVISIONED","provisioned":{{"brokerNodeGroupInfo":{{"clientSubnets":["subnet-2","subnet-1"],"instanceType":"kafka.m5.large"}},"numberOfBrokerNodes":2}}}}}}"#
                );
                (200, info)
            }
        })
    };
    let early = cluster("CREATING", 400, json_error("BadRequestException", "too early"));
    let seen = kafka::cluster(&client!(aws_sdk_kafka, early), CLUSTER).await;
    let fact = seen.cluster.unwrap();
    assert_eq!((fact.state.as_str(), fact.bootstrap_brokers.len()), ("CREATING", 0));
    assert_eq!(seen.subnets.unwrap(), ["subnet-1", "subnet-2"]);
    assert_eq!(seen.configuration, Err(Trouble::Absent), "MSK's default has no ARN");

    let denied = cluster("ACTIVE", 403, json_error("ForbiddenException", "no"));
    let seen = kafka::cluster(&client!(aws_sdk_kafka, denied), CLUSTER).await;
    let action = match seen.cluster {
        Err(Trouble::Denied { action, .. }) => action,
        other => panic!("{other:?}"),
    };
    assert_eq!(action, "kafka:GetBootstrapBrokers");
    assert!(seen.subnets.is_ok(), "the network can be looked at all the same");

    let body = r#"{"bootstrapBrokerString":"","bootstrapBrokerStringTls":"b-2:9094,b-1:9094"}"#;
    let given = cluster("ACTIVE", 200, body.to_owned());
    let seen = kafka::cluster(&client!(aws_sdk_kafka, given), CLUSTER).await;
    let brokers: Vec<_> = seen.cluster.unwrap().bootstrap_brokers.into_iter().collect();
    assert_eq!(brokers, [("Tls".to_owned(), "b-1:9094,b-2:9094".to_owned())]);
}

#[tokio::test]
async fn a_serverless_cluster_has_subnets_and_iam() {
    let script = Script::new(|request| {
        let body = if request.contains("bootstrap-brokers") {
            r#"{"bootstrapBrokerStringSaslIam":"boot:9098"}"#
        } else {
            r#"{"clusterInfo":{"state":"ACTIVE","clusterType":"SERVERLESS","serverless":{"vpcConfigs":[{"subnetIds":["subnet-2","subnet-1"],"securityGroupIds":["sg-1"]}],"clientAuthentication":{"sasl":{"iam":{"enabled":true}}}}}}"#
        };
        (200, body.to_owned())
    });
    let seen = kafka::cluster(&client!(aws_sdk_kafka, script), CLUSTER).await;
    assert!(!seen.has_brokers);
    insta::assert_json_snapshot!(seen.cluster.unwrap());
}

#[tokio::test]
async fn settings_are_read_from_properties_and_of_a_topic_from_json_too() {
    let script = Script::new(|request| {
        let body = if request.contains("/topics/json") {
            // {"max.message.bytes":"2000000","retention.ms":1}
            r#"{"partitionCount":6,"replicationFactor":3,"configs":"eyJtYXgubWVzc2FnZS5ieXRlcyI6IjIwMDAwMDAiLCJyZXRlbnRpb24ubXMiOjF9"}"#.to_owned()
        } else if request.contains("/topics/") {
            // max.message.bytes=2000000
            r#"{"partitionCount":6,"replicationFactor":3,"configs":"bWF4Lm1lc3NhZ2UuYnl0ZXM9MjAwMDAwMA=="}"#.to_owned()
        } else {
            use base64::Engine as _;
            let text = "# ours\nauto.create.topics.enable = true\n\nnum.partitions=3\r\n! old\nlog.dirs:x=y";
            let blob = base64::engine::general_purpose::STANDARD.encode(text);
            format!(r#"{{"arn":"c","revision":2,"serverProperties":"{blob}"}}"#)
        };
        (200, body)
    });
    let client = client!(aws_sdk_kafka, script);
    let settings = kafka::configuration(&client, &Ok(("c".to_owned(), 2))).await.unwrap();
    let settings: Vec<_> = settings
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        settings,
        [
            ("auto.create.topics.enable", "true"),
            ("log.dirs", "x=y"),
            ("num.partitions", "3")
        ]
    );
    let topic = kafka::topic(&client, CLUSTER, "orders").await.unwrap();
    assert_eq!((topic.partitions, topic.replication_factor), (6, 3));
    assert_eq!(topic.settings["max.message.bytes"], "2000000");
    let topic = kafka::topic(&client, CLUSTER, "json").await.unwrap();
    let settings: Vec<_> = topic
        .settings
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(settings, [("max.message.bytes", "2000000"), ("retention.ms", "1")]);
}

#[tokio::test]
async fn a_function_is_asked_for_its_probe_and_its_own_error_is_no_missing_right() {
    let asked = Script::new(|request| {
        assert!(request.contains(r#"{"k2m":{"probe":{"canary":false}}}"#), "{request}");
        (200, r#"{"k2m":{"probe":{"ok":true}}}"#.to_owned())
    });
    let answer = lambda::probe(&client!(aws_sdk_lambda, asked), "orders").await;
    let Err(Trouble::Refused(why)) = answer else {
        panic!("half an answer is none: {answer:?}")
    };
    assert!(
        why.contains("its answer to the probe can't be read: missing field"),
        "{why}"
    );

    let denied = json_error(
        "AccessDeniedException",
        "User: u is not authorized to perform: lambda:InvokeFunction",
    );
    let answer = lambda::probe(&client!(aws_sdk_lambda, Script::always(403, &denied)), "orders").await;
    assert!(
        matches!(&answer, Err(Trouble::Denied { action, .. }) if action == "lambda:InvokeFunction"),
        "{answer:?}"
    );
    let throttled = r#"{"__type":"TooManyRequestsException","Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}"#;
    let answer = lambda::probe(&client!(aws_sdk_lambda, Script::always(429, throttled)), "orders").await;
    assert!(
        matches!(&answer, Err(Trouble::Refused(why)) if why.contains("TooManyRequests") && why.contains("ReservedFunctionConcurrent")),
        "{answer:?}"
    );
    let absent = json_error("ResourceNotFoundException", "no such function");
    let answer = lambda::probe(&client!(aws_sdk_lambda, Script::always(404, &absent)), "orders").await;
    assert_eq!(answer, Err(Trouble::Absent));
}

#[tokio::test]
async fn a_function_of_a_stack_is_asked_for_topics_by_its_logical_id() {
    let stacks = || {
        let resource = "<member><LogicalResourceId>OrdersFunction</LogicalResourceId><PhysicalResourceId>k2m-orders-1</PhysicalResourceId>\
                        <ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>";
        let list = format!("<StackResourceSummaries>{resource}</StackResourceSummaries>");
        let body = format!(
            "<ListStackResourcesResponse><ListStackResourcesResult>{list}</ListStackResourcesResult></ListStackResourcesResponse>"
        );
        Script::always(200, &body)
    };
    let wanted = CreateTopics {
        topics: vec![Wanted {
            name: "orders".to_owned(),
            partitions: 3,
            replication_factor: None,
            configs: BTreeMap::new(),
        }],
    };
    let ask = async |lambda: Script, logical_id: &str| {
        let functions = lambda::Functions {
            client: client!(aws_sdk_lambda, lambda),
            stacks: client!(aws_sdk_cloudformation, stacks()),
        };
        functions.create_topics("k2m-orders", logical_id, &wanted).await
    };
    let asked = Script::new(|request| {
        let (place, body) = request.split_once(' ').unwrap();
        assert!(place.contains("/functions/k2m-orders-1/invocations"), "{place}");
        assert_eq!(
            body,
            r#"{"k2m":{"createTopics":{"topics":[{"name":"orders","partitions":3}]}}}"#
        );
        let report = r#"{"ok":true,"version":"0.1.0","authentication":"iam","topics":[],"milliseconds":1.0}"#;
        (200, format!(r#"{{"k2m":{{"topics":{report}}}}}"#))
    });
    let answer = ask(asked, "OrdersFunction").await;
    assert!(
        matches!(&answer, Ok(Reply::Answered(report)) if report.ok),
        "{answer:?}"
    );

    let nobody = Script::new(|request| panic!("{request}: there is no such function"));
    let absent = ask(nobody, "ClicksFunction").await.unwrap_err();
    assert_eq!(absent.kind, FaultKind::Absent);
    let half = ask(Script::always(200, r#"{"k2m":{}}"#), "OrdersFunction")
        .await
        .unwrap_err();
    assert!(half.message.contains("can't be read"), "{half:?}");
    for (status, code, kind, asks_again) in [
        (
            403,
            "AccessDeniedException",
            FaultKind::Denied("lambda:InvokeFunction".to_owned()),
            false,
        ),
        (404, "ResourceNotFoundException", FaultKind::Absent, false),
        (409, "ResourceConflictException", FaultKind::Refused, true),
        (429, "TooManyRequestsException", FaultKind::Passing, true),
        (502, "EC2ThrottledException", FaultKind::Passing, true),
    ] {
        let words = json_error(code, "as Lambda says it");
        let fault = ask(Script::always(status, &words), "OrdersFunction").await.unwrap_err();
        assert_eq!(fault.kind, kind, "{code}");
        let next = next(Err(fault), Duration::ZERO);
        assert_eq!(matches!(next, Next::Again(_)), asks_again, "{code}: {next:?}");
    }
}

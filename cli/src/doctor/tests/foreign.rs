//! A function that k2m did not deploy, as the sample leaves it behind, and what each check says of it.

use super::super::FOREIGN;
use super::*;
use crate::facts::{Denier, Foreign, Origin, Said};

/// What is known of the sample's function.
pub(crate) fn foreign() -> Foreign {
    let constant = |name: &str, value: &str| {
        found(Said {
            value: value.to_owned(),
            by: Origin::Constant {
                file: "config.py".to_owned(),
                name: name.to_owned(),
            },
        })
    };
    Foreign {
        function: "kinesis2msk".to_owned(),
        stack: Some("sample".to_owned()),
        servers: constant("SERVER", "b-1.events:9092,b-2.events:9092"),
        topic: constant("TOPIC", "orders"),
    }
}

/// A healthy one: enough time and memory, batches that are worth an invocation, and rules as the article has them.
pub(super) fn healthy(settings: &mut Settings, f: &mut Facts) {
    settings.one().topic.source = Source::Flag("--topic".to_owned());
    f.stack = Fact::Absent;
    f.one().foreign = Some(foreign());
    f.one().probe = None;
    let function = get(&mut f.one().function);
    function.arn = "arn:aws:lambda:eu-west-1:123456789012:function:kinesis2msk".to_owned();
    function.timeout_seconds = 90;
    function.variables.clear();
    function.role = Some("arn:aws:iam::123456789012:role/sample-Role-1".to_owned());
    let destination = "arn:aws:sns:eu-west-1:123456789012:failures";
    f.destinations.insert(
        destination.to_owned(),
        found(GivenDestination {
            arn: destination.to_owned(),
            kms_key: Fact::Absent,
            policy: Fact::Absent,
            subscriptions: Some(Subscriptions {
                confirmed: 1,
                pending: 0,
            }),
            region: None,
        }),
    );
    for group in get(&mut the_network(f).security_groups) {
        for rule in &mut group.rules {
            rule.ports = Some((9092, 9093));
        }
    }
}

fn known(f: &mut Facts) -> &mut Foreign {
    f.one().foreign.as_mut().unwrap()
}

/// Speaks to these servers.
fn speaks_to(f: &mut Facts, servers: &str) {
    get(&mut known(f).servers).value = servers.to_owned();
}

/// The role may not do these of what was asked.
fn lacks(f: &mut Facts, actions: &[&str]) {
    let denied = actions.iter().map(|action| (*action, Some(Denier::NoPolicy)));
    let all = [("kinesis:GetRecords", None)].into_iter().chain(denied);
    let all = all.map(|(action, denied_by)| crate::facts::Right {
        action: action.to_owned(),
        resource: "*".to_owned(),
        denied_by,
        untold: Vec::new(),
    });
    f.one().rights = Some(found(all.collect()));
}

fn runs_on(f: &mut Facts, runtime: &str) {
    get(&mut f.one().function).runtime = Some(runtime.to_owned());
}

/// What was changed of the healthy one, and what the check says then.
const ROWS: &[(&str, Change, &str, &str)] = &[
    (
        "K2M-L01",
        |_, _| {},
        "skip",
        "k2m did not deploy this function: it is of the stack sample",
    ),
    (
        "K2M-L01",
        |_, f| known(f).stack = None,
        "skip",
        "k2m did not deploy this function",
    ),
    ("K2M-E01", |_, _| {}, "pass", "orders is ACTIVE"),
    ("K2M-E02", |_, _| {}, "pass", "u-2 is Enabled"),
    (
        "K2M-E02",
        |_, f| f.one().mapping = Fact::Absent,
        "fail",
        "aws lambda create-event-source-mapping --function-name kinesis2msk --event-source-arn arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
    ),
    (
        "K2M-E02",
        |_, f| "Disabled".clone_into(&mut get(&mut f.one().mapping).state),
        "fail",
        "aws lambda update-event-source-mapping --uuid u-2 --enabled --region eu-west-1",
    ),
    (
        "K2M-E02",
        |_, f| "Deleting".clone_into(&mut get(&mut f.one().mapping).state),
        "fail",
        "create-event-source-mapping",
    ),
    (
        "K2M-E02",
        |_, f| f.one().mapping = denied("lambda:ListEventSourceMappings"),
        "unknown",
        "lambda:ListEventSourceMappings",
    ),
    ("K2M-E03", |_, _| {}, "pass", "ReportBatchItemFailures is on"),
    (
        "K2M-E03",
        |_, f| get(&mut f.one().mapping).partial_failures = false,
        "pass",
        "as a whole",
    ),
    (
        "K2M-E03",
        |_, f| f.one().mapping = Fact::Absent,
        "skip",
        "no event source mapping lets the function read this stream",
    ),
    (
        "K2M-E04",
        |_, f| get(&mut f.one().mapping).batch_size = 10,
        "warn",
        "aws lambda update-event-source-mapping --uuid u-2 --batch-size 1000 --region eu-west-1",
    ),
    ("K2M-L02", |_, _| {}, "pass", "its state is Active"),
    (
        "K2M-L02",
        |_, f| f.one().function = Fact::Absent,
        "fail",
        "name another with --function",
    ),
    (
        "K2M-L02",
        |_, f| f.one().function = denied("lambda:GetFunctionConfiguration"),
        "unknown",
        "lambda:GetFunctionConfiguration",
    ),
    (
        "K2M-L02",
        |_, f| "Failed".clone_into(&mut get(&mut f.one().function).state),
        "fail",
        "in the template of the stack sample",
    ),
    (
        "K2M-A01",
        |_, _| {},
        "pass",
        "plaintext: the cluster takes IAM, unauthenticated access",
    ),
    ("K2M-A01", |_, f| speaks_to(f, "b-1.events:9098"), "pass", "iam: "),
    (
        "K2M-A01",
        |_, f| {
            speaks_to(f, "b-1.events:9096");
        },
        "fail",
        "the function speaks scram, by the port of SERVER in its config.py, and the cluster takes IAM",
    ),
    (
        "K2M-A01",
        |_, f| {
            speaks_to(f, "b-1.events:9096");
        },
        "fail",
        "make SERVER in its config.py say b-1.events:9098,b-2.events:9098, with a client that speaks iam",
    ),
    (
        "K2M-A01",
        |_, f| speaks_to(f, "b-1.events:19092"),
        "unknown",
        "how the function speaks to b-1.events:19092 (SERVER in its config.py) is not known",
    ),
    (
        "K2M-A01",
        |_, f| speaks_to(f, "b-1.events:9092,b-2.events:9098"),
        "unknown",
        "not those of one way",
    ),
    (
        "K2M-A01",
        |_, f| known(f).servers = Fact::Absent,
        "unknown",
        "no variable of it and no constant in its code",
    ),
    (
        "K2M-A01",
        |_, f| known(f).servers = denied("lambda:GetFunction"),
        "unknown",
        "missing_action: Some(\"lambda:GetFunction\")",
    ),
    (
        "K2M-A01",
        |_, f| {
            speaks_to(f, "b-1.events:19092");
            variable(f, "K2M_AUTHENTICATION", "iam");
        },
        "pass",
        "iam: ",
    ),
    (
        "K2M-A02",
        |_, _| {},
        "pass",
        "b-1.events:9092,b-2.events:9092: the cluster's brokers for plaintext",
    ),
    (
        "K2M-A02",
        |_, f| speaks_to(f, "b-9.other:9092"),
        "fail",
        "SERVER in its config.py is b-9.other:9092: none of these is a broker of the cluster",
    ),
    (
        "K2M-A02",
        |_, f| speaks_to(f, "b-9.other:19092"),
        "fail",
        "none of these is a broker of the cluster",
    ),
    (
        "K2M-A02",
        |_, f| speaks_to(f, "b-1.events:19092"),
        "unknown",
        "is not known",
    ),
    (
        "K2M-A02",
        |_, f| speaks_to(f, "b-1.events:9092,b-9.gone:9092"),
        "warn",
        "SERVER in its config.py is stale: b-9.gone:9092",
    ),
    (
        "K2M-A02",
        |_, f| known(f).servers = Fact::Absent,
        "unknown",
        "which servers it begins with is not known",
    ),
    ("K2M-N02", |_, _| {}, "pass", "on 9092"),
    (
        "K2M-N02",
        |_, f| speaks_to(f, "b-1.events:9098"),
        "fail",
        "aws ec2 authorize-security-group-egress",
    ),
    (
        "K2M-N02",
        |_, f| known(f).servers = Fact::Absent,
        "unknown",
        "which servers it begins with is not known",
    ),
    (
        "K2M-N02",
        |_, f| {
            known(f).servers = denied("lambda:GetFunction");
            get(&mut f.cluster).bootstrap_brokers = map(&[("", "b-1.events:9092")]);
        },
        "pass",
        "on 9092",
    ),
    (
        "K2M-N02",
        |_, f| {
            let function = get(&mut f.one().function);
            function.subnets.clear();
            function.vpc = None;
        },
        "fail",
        "aws lambda update-function-configuration --function-name kinesis2msk --vpc-config",
    ),
    ("K2M-T01", |_, _| {}, "pass", "orders has 6 partitions"),
    (
        "K2M-T01",
        |_, f| *f.topic_named(TOPIC) = Fact::Absent,
        "fail",
        "auto.create.topics.enable is false: nothing creates it",
    ),
    (
        "K2M-T01",
        |_, f| *f.topic_named(TOPIC) = Fact::Absent,
        "fail",
        "aws kafka create-topic --cluster-arn arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1 --topic-name orders",
    ),
    (
        "K2M-T01",
        |_, f| {
            *f.topic_named(TOPIC) = Fact::Absent;
            f.configuration = found(map(&[("auto.create.topics.enable", "true")]));
            speaks_to(f, "b-1.events:9098");
        },
        "warn",
        "the first record creates it",
    ),
    (
        "K2M-T01",
        |s, f| {
            s.one().topic.source = Source::Default;
            known(f).topic = denied("lambda:GetFunction");
        },
        "unknown",
        "name it with --topic",
    ),
    (
        "K2M-T01",
        |s, f| {
            s.one().topic.source = Source::Default;
            known(f).topic = Fact::Absent;
        },
        "unknown",
        "no variable of it and no constant in its code names one",
    ),
    (
        "K2M-T01",
        |_, f| known(f).topic = Fact::Absent,
        "pass",
        "orders has 6 partitions",
    ),
    ("K2M-T02", |_, _| {}, "skip", "k2m did not deploy this function"),
    ("K2M-T03", |_, _| {}, "skip", "k2m did not deploy this function"),
    ("K2M-L03", |_, _| {}, "pass", "90 s"),
    (
        "K2M-L03",
        |_, f| get(&mut f.one().function).timeout_seconds = 5,
        "fail",
        "a missing topic too, looks like a time-out",
    ),
    (
        "K2M-L03",
        |_, f| get(&mut f.one().function).timeout_seconds = 5,
        "fail",
        "\"aws lambda update-function-configuration --function-name kinesis2msk --timeout 90 --region eu-west-1\", \"change it in the template of the stack sample too, or its next deployment takes it back\"",
    ),
    (
        "K2M-L03",
        |_, f| get(&mut f.one().function).timeout_seconds = 20,
        "warn",
        "--timeout 90",
    ),
    (
        "K2M-L04",
        |_, f| get(&mut f.one().function).memory_mb = 128,
        "warn",
        "aws lambda update-function-configuration --function-name kinesis2msk --memory-size 256 --region eu-west-1",
    ),
    (
        "K2M-P01",
        |_, f| f.one().probe = Some(found(answered())),
        "skip",
        "so it is not invoked",
    ),
    ("K2M-P02", |_, _| {}, "skip", "so it is not invoked"),
    ("K2M-P03", |_, _| {}, "skip", "so it is not invoked"),
    (
        "K2M-E05",
        |_, f| get(&mut f.one().mapping).last_result = Some("PROBLEM: Function call failed".to_owned()),
        "fail",
        "aws logs tail /aws/lambda/kinesis2msk --since 1h --region eu-west-1",
    ),
    (
        "K2M-E05",
        |_, f| {
            get(&mut f.one().mapping).last_result = Some("PROBLEM: Function call failed".to_owned());
            get(&mut f.one().function).log_group = Some("/of/its/own".to_owned());
        },
        "fail",
        "aws logs tail /of/its/own ",
    ),
    ("K2M-D01", |_, _| {}, "pass", "failures"),
    (
        "K2M-D01",
        |_, f| get(&mut f.one().mapping).destination = None,
        "warn",
        "aws lambda update-event-source-mapping --uuid u-2 --destination-config",
    ),
    ("K2M-D01", |_, f| f.destinations.clear(), "skip", "inspect again"),
    (
        "K2M-D01",
        |_, f| f.destinations.values_mut().for_each(|one| *one = Fact::Absent),
        "fail",
        "is not there",
    ),
    ("K2M-L05", |_, _| {}, "skip", "no stack of k2m's to judge it by"),
    // Where another began is another's choice.
    (
        "K2M-E10",
        |_, f| get(&mut f.one().mapping).starting_position = Some("LATEST".to_owned()),
        "pass",
        "what was put before is not read",
    ),
    (
        "K2M-E10",
        |_, f| get(&mut f.one().mapping).starting_position = Some("TRIM_HORIZON".to_owned()),
        "pass",
        "began at TRIM_HORIZON",
    ),
    // Its role.
    (
        "K2M-A04",
        |_, f| f.one().rights = Some(Fact::Absent),
        "fail",
        "the function's role, sample-Role-1, is gone",
    ),
    (
        "K2M-A04",
        |_, f| f.one().rights = Some(Fact::Absent),
        "fail",
        "aws iam create-role --role-name sample-Role-1 --assume-role-policy-document",
    ),
    (
        "K2M-A04",
        |_, f| {
            f.one().rights = Some(Fact::Absent);
            get(&mut f.one().function).role = Some("arn:aws:iam::123456789012:role/of/us/own".to_owned());
        },
        "fail",
        "--role-name own --path /of/us/",
    ),
    (
        "K2M-A04",
        |_, f| f.one().rights = Some(Fact::Absent),
        "fail",
        "aws lambda update-function-configuration --function-name kinesis2msk --role arn:aws:iam::123456789012:role/sample-Role-1 --region eu-west-1",
    ),
    // Its policies may be older than AWS's lists, and what it is for is done all the same.
    (
        "K2M-A04",
        |_, f| lacks(f, &["kinesis:ListStreams"]),
        "pass",
        "the role may",
    ),
    (
        "K2M-A04",
        |_, f| lacks(f, &["kinesis:DescribeStreamSummary", "ec2:DescribeSubnets"]),
        "warn",
        "the last batch was delivered all the same",
    ),
    (
        "K2M-A04",
        |_, f| lacks(f, &["kms:Decrypt"]),
        "warn",
        "a policy of the thing itself may allow it",
    ),
    (
        "K2M-A04",
        |_, f| {
            lacks(f, &["kinesis:ListStreams", "ec2:DescribeSubnets"]);
            get(&mut f.one().mapping).last_result = Some("PROBLEM: Function call failed".to_owned());
        },
        "fail",
        "may not kinesis:ListStreams",
    ),
    (
        "K2M-A04",
        |_, f| {
            lacks(f, &["ec2:CreateNetworkInterface"]);
            "Failed".clone_into(&mut get(&mut f.one().function).state);
        },
        "fail",
        "add to a policy of the role sample-Role-1",
    ),
    // What it runs is another's.
    (
        "K2M-L08",
        |_, f| runs_on(f, "provided.al2"),
        "skip",
        "what its runtime, provided.al2, is to run",
    ),
    ("K2M-L08", |_, f| runs_on(f, "python3.12"), "skip", "python3.12"),
    // Where its names are resolved, deliveries say.
    (
        "K2M-N06",
        |_, f| get(&mut the_network(f).vpcs)[0].dns_support = Some(false),
        "pass",
        "batches are delivered all the same",
    ),
    (
        "K2M-N06",
        |_, f| {
            get(&mut the_network(f).vpcs)[0].dns_support = Some(false);
            get(&mut f.one().mapping).last_result = Some("PROBLEM: Function call failed".to_owned());
        },
        "fail",
        "unless the VPC's DHCP options name DNS servers",
    ),
    (
        "K2M-N05",
        |_, f| get(&mut f.one().function).subnets.truncate(1),
        "warn",
        "subnets has to be subnet-1,subnet-2: change it in the template of the stack sample",
    ),
    (
        "K2M-N05",
        |_, f| {
            get(&mut f.one().function).subnets.truncate(1);
            get(&mut the_network(f).subnets).truncate(1);
        },
        "warn",
        "the function takes it in the template of the stack sample",
    ),
];

fn changed(change: Change) -> PipelineReport {
    let (mut settings, mut facts) = (settings(), facts());
    healthy(&mut settings, &mut facts);
    change(&mut settings, &mut facts);
    examine(&settings, &facts)
}

/// What is printed of a check: all of it.
fn text(report: &PipelineReport, code: &str) -> String {
    let check = report.checks.iter().find(|check| check.code == code).unwrap();
    format!("{}: {:?}", word(&check.outcome), check.outcome)
}

#[test]
fn each_check_says_what_it_sees() {
    for (code, change, wanted, words) in ROWS {
        // A shell's quotes are Rust's too.
        let text = text(&changed(*change), code);
        assert!(text.starts_with(&format!("{wanted}: ")), "{code}: {text}");
        assert!(text.contains(words), "{code}: `{words}` is not in {text}");
    }
}

#[test]
fn a_healthy_one_has_no_finding() {
    let report = changed(|_, _| {});
    let well = |outcome: &Outcome| matches!(outcome, Outcome::Pass { .. } | Outcome::Skip { .. });
    assert!(report.checks.iter().all(|check| well(&check.outcome)), "{report}");
    assert_eq!(report.health, Health::Healthy);
}

/// No fix for such a function is one of k2m's, whatever is wrong with it: that would make another function beside it.
#[test]
fn no_fix_deploys_anything() {
    let of_k2m = |step: &String| {
        let names = ["k2m destroy", "--config"].iter().any(|word| step.contains(word));
        let deed = step.starts_with("k2m ") && !step.starts_with(FOREIGN);
        names || deed || step.contains("then `k2m")
    };
    let as_foreign = |change: &Change, mut facts: Facts| {
        let mut settings = settings();
        change(&mut settings, &mut facts);
        for pipeline in facts.pipelines.values_mut() {
            pipeline.foreign = Some(foreign());
            pipeline.probe = None;
            if let Fact::Found { value } = &mut pipeline.function {
                value.variables.clear();
            }
        }
        super::super::examine(&settings, &facts)
    };
    let own = ROWS.iter().map(|(_, change, ..)| changed(*change));
    let others = super::ROWS
        .iter()
        .chain(super::nat::ROWS)
        .flat_map(|(_, change, ..)| as_foreign(change, facts()).pipelines);
    let past = super::eld::ROWS
        .iter()
        .flat_map(|(_, change, ..)| as_foreign(change, super::eld::healthy()).pipelines);
    let others = others.chain(past);
    for report in own.chain(others.map(|examined| examined.report)) {
        for check in &report.checks {
            let (Outcome::Warn { fix, .. } | Outcome::Fail { fix, .. }) = &check.outcome else {
                continue;
            };
            assert!(!fix.is_empty() && !fix.iter().any(of_k2m), "{check:?}");
        }
    }
}

/// The two questions of the sample's FAQ, in what a user sees first.
#[test]
fn the_sample_is_explained_in_its_first_ten_lines() {
    let report = changed(|_, f| {
        let function = get(&mut f.one().function);
        function.timeout_seconds = 5;
        function.memory_mb = 128;
        let mapping = get(&mut f.one().mapping);
        mapping.batch_size = 10;
        mapping.last_result = Some("PROBLEM: Function call failed".to_owned());
        *f.topic_named(TOPIC) = Fact::Absent;
    });
    let printed = report.to_string();
    let first: Vec<&str> = printed.lines().take(10).collect();
    let first = first.join("\n");
    assert!(first.contains("orders is not in the cluster"), "{printed}");
    assert!(
        first.contains("the function's time-out is 5 s: too short to connect and retry (K2M-L03)"),
        "{printed}"
    );
    insta::assert_snapshot!(printed);
}

//! What `k2m doctor --fix` would do about each fault: the very commands that the fixes print, in order, and what it leaves to a person.

use std::fmt::Write as _;

use super::*;
use crate::doctor::Report;

const NETWORK: &str = "k2m-network-vpc-1";

/// The template, with what `--fix` looks at besides.
fn whole(facts: &mut Facts) {
    let text = template(facts);
    let mut template: serde_json::Value = serde_json::from_str(&text).unwrap();
    let resources = &mut template["Resources"];
    resources["ClusterIngress"]["Properties"] = json!({"GroupId": "sg-brokers"});
    resources["FunctionSecurityGroup"] = json!({"Type": "AWS::EC2::SecurityGroup", "Properties": {"SecurityGroupEgress": [{
        "Description": "k2m k2m-orders: to the brokers", "IpProtocol": "tcp", "FromPort": 9098, "ToPort": 9098,
        "DestinationSecurityGroupId": "sg-brokers",
    }]}});
    resources["OrdersMapping"]["Properties"]["StartingPosition"] = json!("TRIM_HORIZON");
    resources["OrdersTopic"] = json!({"Type": "AWS::MSK::Topic", "Properties": {"TopicName": TOPIC, "PartitionCount": 6, "ReplicationFactor": 3}});
    let stack = get(&mut facts.stack);
    stack.template = Some(template.to_string());
    stack
        .resources
        .insert("OrdersTopic".to_owned(), format!("{CLUSTER}/topic/{TOPIC}"));
}

fn judged(change: Change) -> Report {
    let (mut settings, mut facts) = (settings(), facts());
    whole(&mut facts);
    change(&mut settings, &mut facts);
    super::super::examine(&settings, &facts)
}

/// Nothing comes in at the brokers, and nothing leaves the function.
fn no_rules(facts: &mut Facts, group: &str) {
    for one in get(&mut the_network(facts).security_groups) {
        if one.id == group {
            one.rules.clear();
        }
    }
}

fn at_latest(facts: &mut Facts) {
    let stack = get(&mut facts.stack);
    stack.template = stack.template.take().map(|text| text.replace("TRIM_HORIZON", "LATEST"));
}

/// A network stack brings the route to the brokers' VPC, and the rule there.
fn beside(facts: &mut Facts) {
    let template = json!({"Resources": {
        "Route": {"Type": "AWS::EC2::Route", "Properties": {"RouteTableId": "rtb-1", "DestinationCidrBlock": "10.9.0.0/16"}},
        "Rule": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {"GroupId": "sg-brokers"}},
    }});
    let mut stack = get(&mut facts.stack).clone();
    stack.name = NETWORK.to_owned();
    stack.resources = map(&[("Route", "rtb-1|10.9.0.0/16"), ("Rule", "sgr-beside")]);
    stack.template = Some(template.to_string());
    facts.network_stacks.insert(NETWORK.to_owned(), found(stack));
    let outputs = &mut get(&mut facts.stack).outputs;
    outputs.insert("NetworkStacks".to_owned(), format!("{REGION}/{NETWORK}"));
}

const ROWS: &[(&str, Change)] = &[
    ("healthy", |_, _| {}),
    ("changed outside: all of it", |_, f| {
        variable(f, "K2M_TOPIC", "others");
        let function = get(&mut f.one().function);
        function.timeout_seconds = 5;
        function.memory_mb = 128;
        function.subnets = vec!["subnet-2".to_owned()];
        let mapping = get(&mut f.one().mapping);
        mapping.state = "Disabled".to_owned();
        mapping.batch_size = 10;
        mapping.partial_failures = false;
        mapping.destination = None;
    }),
    ("a variable changed outside, beside others than k2m's", |_, f| {
        variable(f, "K2M_TOPIC", "others");
        get(&mut f.one().function).other_variables = vec!["AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "RUST_LOG".to_owned()];
    }),
    ("deployed with too little time", |_, f| {
        get(&mut f.one().function).timeout_seconds = 5;
        whole(f);
    }),
    ("deployed with too little time, and changed outside", |_, f| {
        get(&mut f.one().function).timeout_seconds = 5;
        whole(f);
        get(&mut f.one().mapping).state = "Disabled".to_owned();
    }),
    ("the brokers' rule is gone", |_, f| no_rules(f, "sg-brokers")),
    ("what the function lets out is gone", |_, f| no_rules(f, "sg-function")),
    ("a rule that the stack never had is missing", |_, f| {
        no_rules(f, "sg-brokers");
        get(&mut f.stack).resources.remove("ClusterIngress");
    }),
    ("the network stack's rule is gone too", |_, f| {
        beside(f);
        no_rules(f, "sg-brokers");
    }),
    ("the rule's group can't be read", |_, f| {
        the_network(f).security_groups = denied("ec2:DescribeSecurityGroups");
    }),
    ("the mapping is gone", |_, f| f.one().mapping = Fact::Absent),
    ("the mapping is gone, and a new one would miss records", |_, f| {
        at_latest(f);
        f.one().mapping = Fact::Absent;
    }),
    ("the function is gone", |_, f| f.one().function = Fact::Absent),
    ("the stack's topic is gone", |_, f| without_topic(f)),
    ("a topic that the stack never had is missing", |_, f| {
        without_topic(f);
        redeployed(f);
        get(&mut f.stack).resources.remove("OrdersTopic");
    }),
    ("the cluster forgot the secret", |_, f| {
        over_scram(f);
        whole(f);
        get(&mut f.cluster).scram_secrets = Some(found(Vec::new()));
    }),
    ("the cluster takes another way", |_, f| {
        get(&mut f.cluster).authentication.iam = false;
    }),
    ("a network ACL denies", |_, f| {
        for acl in get(&mut the_network(f).network_acls) {
            acl.entries.retain(|entry| entry.egress);
        }
    }),
    ("the cluster is being created", |_, f| {
        "CREATING".clone_into(&mut get(&mut f.cluster).state);
    }),
    ("the last update of the function failed", |_, f| {
        get(&mut f.one().function).last_update = Some("Failed".to_owned());
    }),
    ("the stack is not of k2m", |_, f| get(&mut f.stack).made_by_k2m = false),
    ("nothing is deployed", |_, f| {
        f.stack = Fact::Absent;
        *f.one() = PipelineFacts {
            stream: f.one().stream.clone(),
            ..PipelineFacts::NOTHING
        };
    }),
];

#[test]
fn what_is_mended_and_what_is_left() {
    let mut text = String::new();
    for (name, change) in ROWS {
        let report = judged(*change);
        writeln!(text, "== {name}").unwrap();
        for mend in report.mends() {
            writeln!(text, "{}\n  {mend}", mend.deed()).unwrap();
        }
        for left in report.left(false) {
            writeln!(text, "left: {} ({}): {}", left.says, left.code, left.why).unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_deed_of_a_cause_is_a_step_of_its_fix() {
    for (name, change) in ROWS {
        for check in &judged(*change).pipelines[0].report.checks {
            let (Outcome::Warn { fix, .. } | Outcome::Fail { fix, .. }) = &check.outcome else {
                assert!(check.mends.is_empty(), "{name}: {}", check.code);
                continue;
            };
            for mend in &check.mends {
                assert!(fix.contains(&mend.to_string()), "{name}: {}: {mend}", check.code);
            }
        }
    }
}

//! Nothing is deployed yet: what stands in the way of a deployment, and what could be deployed at once.

use super::*;

/// A change, and what is broken then: each cause with what it explains, and words of the first.
type Row = (
    &'static str,
    Change,
    &'static [(&'static str, &'static [&'static str])],
    &'static str,
);

/// No entry of the network ACL lets anything out.
fn denied_by_acl(_: &mut Settings, facts: &mut Facts) {
    for acl in get(&mut the_network(facts).network_acls) {
        acl.entries.retain(|entry| !entry.egress);
    }
}

const ROWS: &[Row] = &[
    (
        "all is well",
        |_, _| {},
        &[("K2M-L01", &[])],
        "nothing is deployed: there is no stack k2m-orders",
    ),
    (
        "the stream is missing",
        |_, f| f.one().stream = Fact::Absent,
        &[("K2M-E01", &["K2M-L01"])],
        "there is no stream",
    ),
    (
        "the cluster is missing",
        |_, f| f.cluster = Fact::Absent,
        &[("K2M-N01", &["K2M-L01"])],
        "there is no cluster",
    ),
    (
        "the cluster is being made",
        |_, f| "CREATING".clone_into(&mut get(&mut f.cluster).state),
        &[("K2M-N01", &["K2M-L01"])],
        "is CREATING",
    ),
    (
        "a network ACL denies",
        denied_by_acl,
        &[("K2M-N02", &["K2M-L01"])],
        "no subnet of vpc-1 can be the function's",
    ),
    (
        "another way than the cluster's",
        |s, _| {
            s.authentication = Some(default(crate::settings::Authentication::MutualTls));
        },
        &[("K2M-A01", &["K2M-L01"])],
        "authentication `mutual_tls`",
    ),
    (
        "the topic is missing",
        |_, f| *f.topic_named(TOPIC) = Fact::Absent,
        // A deployment makes it.
        &[("K2M-L01", &[])],
        "nothing is deployed",
    ),
    (
        "the topic is missing, and must not be made",
        |s, f| {
            *f.topic_named(TOPIC) = Fact::Absent;
            s.one().create_topic = Some(default(false));
        },
        &[("K2M-T01", &["K2M-L01"])],
        "orders is not in the cluster",
    ),
    (
        "a destination that denies",
        |s, f| {
            let queue = "arn:aws:sqs:eu-west-1:123456789012:given";
            s.one().failure_destination = Some(default(queue.to_owned()));
            let policy = json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]});
            f.destinations.insert(
                queue.to_owned(),
                found(GivenDestination {
                    arn: queue.to_owned(),
                    kms_key: Fact::Absent,
                    policy: found(policy.to_string()),
                    subscriptions: None,
                    region: None,
                }),
            );
        },
        &[("K2M-L01", &[])],
        "and a deployment can't be planned:",
    ),
    (
        "route tables that nobody may see",
        |_, f| the_network(f).route_tables = denied("ec2:DescribeRouteTables"),
        &[("K2M-L01", &[])],
        "a deployment can't be planned, see K2M-N02",
    ),
];

fn undeployed(change: Change) -> PipelineReport {
    changed_of(|settings, facts| {
        facts.stack = Fact::Absent;
        facts.one().function = Fact::Absent;
        facts.one().mapping = Fact::Absent;
        facts.one().probe = None;
        change(settings, facts);
    })
}

fn changed_of(change: impl FnOnce(&mut Settings, &mut Facts)) -> PipelineReport {
    let (mut settings, mut facts) = (settings(), facts());
    change(&mut settings, &mut facts);
    examine(&settings, &facts)
}

#[test]
fn what_would_stop_a_deployment_is_named_first() {
    for (what, change, wanted, words) in ROWS {
        let report = undeployed(*change);
        let causes: Vec<(&str, &[&str])> = report
            .causes
            .iter()
            .map(|cause| (cause.code, cause.explains.as_slice()))
            .collect();
        assert_eq!(causes, *wanted, "{what}: {report}");
        assert_eq!(report.health, Health::Broken, "{what}");
        let cause = report.check(report.causes[0].code).unwrap();
        let Outcome::Fail { evidence, fix } = &cause.outcome else {
            panic!("{what}: {cause:?}");
        };
        assert!(evidence.join("\n").contains(words), "{what}: {evidence:?}");
        assert!(!fix.is_empty(), "{what}");
        // How to deploy is said whatever stands in the way.
        let stack = report.check("K2M-L01").unwrap();
        let Outcome::Fail { fix, .. } = &stack.outcome else {
            panic!("{what}: {stack:?}");
        };
        assert!(
            fix.iter().any(|step| step.starts_with("k2m deploy ")),
            "{what}: {fix:?}"
        );
    }
}

#[test]
fn what_nobody_may_see_is_unknown() {
    let report = undeployed(|_, f| the_network(f).route_tables = denied("ec2:DescribeRouteTables"));
    let way = report.check("K2M-N02").unwrap();
    assert!(
        matches!(&way.outcome, Outcome::Unknown { missing_action: Some(action), .. } if action == "ec2:DescribeRouteTables"),
        "{way:?}"
    );
}

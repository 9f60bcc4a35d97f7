//! What other hands did: a function that can't start, a rule made again, addresses in place of names, groups swapped, an ACL's first entry.

use super::*;
use crate::doctor::mend::Mend;

fn causes(report: &PipelineReport) -> Vec<&str> {
    report.causes.iter().map(|cause| cause.code).collect()
}

/// Evidence and fix of a check, with its word.
fn said<'a>(report: &'a PipelineReport, code: &str) -> (&'static str, &'a [String], &'a [String]) {
    let check = report.checks.iter().find(|check| check.code == code).unwrap();
    check.outcome.parts()
}

/// The stack's template with its rule and its group, whole.
fn with_rules(facts: &mut Facts) {
    let mut template: serde_json::Value = serde_json::from_str(&template(facts)).unwrap();
    let resources = &mut template["Resources"];
    resources["ClusterIngress"]["Properties"] = json!({
        "GroupId": "sg-brokers", "IpProtocol": "tcp", "FromPort": 9098, "ToPort": 9098,
        "SourceSecurityGroupId": {"Fn::GetAtt": ["FunctionSecurityGroup", "GroupId"]},
    });
    resources["FunctionSecurityGroup"] = json!({"Type": "AWS::EC2::SecurityGroup", "Properties": {"SecurityGroupEgress": [{
        "IpProtocol": "tcp", "FromPort": 9098, "ToPort": 9098, "DestinationSecurityGroupId": "sg-brokers",
    }]}});
    get(&mut facts.stack).template = Some(template.to_string());
}

fn rules<'a>(facts: &'a mut Facts, of: &str) -> &'a mut Vec<Rule> {
    let mut groups = get(&mut the_network(facts).security_groups).iter_mut();
    &mut groups.find(|group| group.id == of).unwrap().rules
}

#[test]
fn a_function_that_can_not_start_is_a_cause_beside_the_network() {
    /// What it fails with, what else is changed, and the causes.
    type Row = (&'static str, &'static str, Change, &'static [&'static str]);
    let config = "K2m.Configuration";
    let rows: [Row; 9] = [
        (
            config,
            "K2M_TIMEOUT_MS is \"abc\": it takes a number",
            |_, _| {},
            &["K2M-N02", "K2M-P01"],
        ),
        ("Runtime.ExitError", "exit status 1", |_, _| {}, &["K2M-N02", "K2M-P01"]),
        // What it does not say may be what it was told.
        (
            "Runtime.ExitError",
            "exit status 1",
            |_, f| variable(f, "K2M_TOPIC", "a b"),
            &["K2M-N02", "K2M-T02"],
        ),
        // The check that speaks of it is the cause.
        (
            config,
            "K2M_TOPIC is \"a b\": it takes a Kafka topic's name",
            |_, f| variable(f, "K2M_TOPIC", "a b"),
            &["K2M-N02", "K2M-T02"],
        ),
        (
            config,
            "K2M_DEAD_LETTER_TOPIC is \"..\": it takes a Kafka topic's name",
            |_, f| variable(f, "K2M_DEAD_LETTER_TOPIC", ".."),
            &["K2M-N02", "K2M-T02"],
        ),
        (
            config,
            "K2M_TIMEOUT_MS is \"abc\": it takes a number",
            |_, f| variable(f, "K2M_TOPIC", "a b"),
            &["K2M-N02", "K2M-T02", "K2M-P01"],
        ),
        (
            config,
            "K2M_AUTHENTICATION is \"kerberos\": it takes a way",
            |_, f| variable(f, "K2M_AUTHENTICATION", "kerberos"),
            // No port is known to be the way's.
            &["K2M-A01"],
        ),
        // It looked until its time was over.
        (
            "Sandbox.Timedout",
            "Task timed out after 5.00 seconds",
            |_, _| {},
            &["K2M-N02"],
        ),
        (
            "Unhandled",
            "2026 u Task timed out after 5.00 seconds",
            |_, _| {},
            &["K2M-N02"],
        ),
    ];
    for (kind, message, change, wanted) in rows {
        let report = changed(|settings, facts| {
            no_ingress(settings, facts);
            change(settings, facts);
            facts.one().probe = Some(fails(kind, message));
        });
        assert_eq!(causes(&report), wanted, "{kind}: {message}");
    }
}

fn changed(change: impl FnOnce(&mut Settings, &mut Facts)) -> PipelineReport {
    let (mut settings, mut facts) = (settings(), facts());
    change(&mut settings, &mut facts);
    examine(&settings, &facts)
}

#[test]
fn a_rule_that_another_hand_made_again_is_not_missed() {
    let again = |peer: RulePeer, ports, protocol: &str| Rule {
        ports,
        protocol: protocol.to_owned(),
        peer,
        ..rule("sgr-by-hand", false, "")
    };
    let of_group = |group: &str| RulePeer::Group(group.to_owned());
    let lets_all_in = again(RulePeer::Cidr("0.0.0.0/0".to_owned()), None, "-1");
    for (rule, missed) in [
        (again(of_group("sg-function"), Some((9098, 9098)), "tcp"), false),
        (again(of_group("sg-function"), Some((9000, 9100)), "tcp"), false),
        (again(of_group("sg-function"), None, "-1"), false),
        (again(of_group("sg-function"), Some((9098, 9098)), "udp"), true),
        (again(of_group("sg-function"), Some((9099, 9100)), "tcp"), true),
        (again(of_group("sg-other"), Some((9098, 9098)), "tcp"), true),
        (lets_all_in, false),
    ] {
        let told = format!("{rule:?}");
        let report = changed(|_, facts| {
            with_rules(facts);
            *rules(facts, "sg-brokers") = vec![rule];
            rules(facts, "sg-function").clear();
        });
        let (word, evidence, fix) = said(&report, "K2M-N02");
        assert_eq!(word, "FAIL", "{told}");
        assert_eq!(
            evidence.join(" ").contains("ClusterIngress"),
            missed,
            "{told}: {evidence:?}"
        );
        let remade = fix.iter().any(|step| step.starts_with("k2m doctor"));
        assert_eq!(remade, missed, "{told}: {fix:?}");
        let check = report.checks.iter().find(|check| check.code == "K2M-N02").unwrap();
        let remakes = check.mends.iter().any(|mend| matches!(mend, Mend::Remake(_)));
        assert_eq!(remakes, missed, "{told}: {:?}", check.mends);
        if !missed {
            assert!(
                matches!(check.mends.as_slice(), [Mend::RestoreGroup(_)]),
                "{told}: {:?}",
                check.mends
            );
        }
    }
}

#[test]
fn the_addresses_of_brokers_are_theirs() {
    let plaintext = |facts: &mut Facts, servers: &str| {
        variable(facts, "K2M_AUTHENTICATION", "plaintext");
        variable(facts, "K2M_BOOTSTRAP_SERVERS", servers);
    };
    let report = changed(|_, facts| {
        variable(facts, "K2M_BOOTSTRAP_SERVERS", "10.0.0.10:9098,b-2.events:9098");
        redeployed(facts);
    });
    let (word, evidence, _) = said(&report, "K2M-A02");
    assert_eq!(word, "WARN", "{evidence:?}");
    assert!(evidence[0].contains("has 10.0.0.10:9098: addresses"), "{evidence:?}");
    let report = changed(|_, facts| {
        plaintext(facts, "10.0.0.10:9092,10.0.1.10:9092");
        redeployed(facts);
    });
    assert_eq!(said(&report, "K2M-A02").0, "pass");
    let report = changed(|_, facts| {
        plaintext(facts, "10.0.7.7:9092");
        redeployed(facts);
    });
    let (word, evidence, _) = said(&report, "K2M-A02");
    assert_eq!(word, "FAIL");
    assert!(evidence[0].contains("none of these"), "{evidence:?}");
    // What the function says of it decides.
    let report = changed(|_, facts| {
        variable(facts, "K2M_BOOTSTRAP_SERVERS", "10.0.0.10:9098");
        redeployed(facts);
        says(facts, Step::Tls, "the certificate is for another name", "deploy again");
    });
    assert_eq!(causes(&report), ["K2M-A02"]);
}

#[test]
fn groups_that_were_swapped_are_taken_back_before_anything_is_opened() {
    let report = changed(|_, facts| {
        with_rules(facts);
        let others = group("sg-other", vec![rule("sgr-other", true, "sg-brokers")]);
        get(&mut the_network(facts).security_groups).push(others);
        rules(facts, "sg-brokers").clear();
        get(&mut facts.one().function).security_groups = vec!["sg-other".to_owned()];
    });
    let (word, evidence, fix) = said(&report, "K2M-N02");
    assert_eq!(word, "FAIL");
    assert!(
        fix[0].starts_with("aws lambda update-function-configuration"),
        "{fix:#?}"
    );
    assert!(fix[0].contains("sg-function"), "{fix:#?}");
    assert!(fix.iter().all(|step| !step.contains("sg-other")), "{fix:#?}");
    assert!(fix.iter().any(|step| step.starts_with("k2m doctor")), "{fix:#?}");
    let told = "changed outside the stack: SecurityGroupIds is sg-other, the template says sg-function";
    assert!(evidence.iter().any(|line| line == told), "{evidence:#?}");
    let check = report.checks.iter().find(|check| check.code == "K2M-N02").unwrap();
    assert!(
        matches!(check.mends.as_slice(), [Mend::RestoreFunction(_), Mend::Remake(_)]),
        "{:?}",
        check.mends
    );
    // Said once.
    let drift = report.checks.iter().find(|check| check.code == "K2M-L05").unwrap();
    assert_eq!(drift.said_by, ["K2M-N02"]);
}

/// Does what an `aws ec2` command of network ACL entries says.
fn apply(facts: &mut Facts, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    let after = |option: &str| {
        let at = words.iter().position(|word| *word == option)?;
        words.get(at + 1).copied()
    };
    let ports = after("--port-range").map(|range| {
        let (first, last) = range.strip_prefix("From=").unwrap().split_once(",To=").unwrap();
        (first.parse().unwrap(), last.parse().unwrap())
    });
    let entry = AclEntry {
        number: after("--rule-number").unwrap().parse().unwrap(),
        egress: words.contains(&"--egress"),
        allow: after("--rule-action") == Some("allow"),
        protocol: match after("--protocol").unwrap() {
            "tcp" => "6".to_owned(),
            "all" => "-1".to_owned(),
            other => other.to_owned(),
        },
        cidr: after("--cidr-block").unwrap().to_owned(),
        ports,
    };
    let acls = get(&mut the_network(facts).network_acls);
    let acl = acls
        .iter_mut()
        .find(|acl| Some(acl.id.as_str()) == after("--network-acl-id"))
        .unwrap();
    let same = |one: &AclEntry| (one.number, one.egress) == (entry.number, entry.egress);
    let there = acl.entries.iter().position(same);
    match (words[2], there) {
        ("create-network-acl-entry", None) => acl.entries.push(entry),
        ("replace-network-acl-entry", Some(at)) => acl.entries[at] = entry,
        (_, there) => panic!("{command}: {there:?}"),
    }
}

fn denying(facts: &mut Facts, number: u32, between: &[u32]) {
    let entry = |number, allow| AclEntry {
        number,
        egress: false,
        allow,
        protocol: "-1".to_owned(),
        cidr: "0.0.0.0/0".to_owned(),
        ports: None,
    };
    let acl = &mut get(&mut the_network(facts).network_acls)[0];
    acl.entries.push(entry(number, false));
    acl.entries.extend(between.iter().map(|number| entry(*number, true)));
}

#[test]
fn what_denies_first_makes_room_by_commands_that_work() {
    for number in [1, 2, 3, 50] {
        let (settings, mut facts) = (settings(), facts());
        denying(&mut facts, number, &[]);
        let report = examine(&settings, &facts);
        let (word, _, fix) = said(&report, "K2M-N02");
        assert_eq!(word, "FAIL", "{number}");
        for step in fix {
            assert!(step.starts_with("aws ec2 "), "{number}: {step}");
            apply(&mut facts, step);
        }
        let report = examine(&settings, &facts);
        assert_eq!(said(&report, "K2M-N02").0, "pass", "{number}: {fix:#?}");
        // All else is denied as before.
        let acls = get(&mut the_network(&mut facts).network_acls);
        let denies = |entry: &&AclEntry| !entry.allow && entry.protocol == "-1";
        assert_eq!(acls[0].entries.iter().filter(denies).count(), 1, "{number}");
    }
    // Nowhere to go.
    let report = changed(|_, facts| denying(facts, 1, &[2]));
    let (_, _, fix) = said(&report, "K2M-N02");
    assert_eq!(fix.len(), 1, "{fix:#?}");
    assert!(
        fix[0].starts_with("give entry 1 of acl-1 a higher number, then allow before it"),
        "{fix:#?}"
    );
}

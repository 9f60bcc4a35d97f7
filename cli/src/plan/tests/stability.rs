//! What must hold whatever the facts are: the same input gives the same plan, nothing panics, and a deployment changes no decision.

use super::*;
use crate::facts::network::{Rule, RulePeer, SecurityGroup};

/// What the template prints: all of the plan that a deployment makes.
fn deployable(plan: &Plan) -> serde_json::Value {
    let mut value = serde_json::to_value(plan).unwrap();
    for notes in ["decisions", "proofs", "warnings"] {
        value.as_object_mut().unwrap().remove(notes);
    }
    // The right to make topics goes when they are there.
    value["pipelines"][0].as_object_mut().unwrap().remove("creation");
    for topic in [
        "/pipelines/0/newTopic",
        "/pipelines/0/mappedTopics/1/newTopic",
        "/pipelines/0/deadLetterTopic/newTopic",
    ] {
        if let Some(topic) = value.pointer_mut(topic).and_then(|topic| topic.as_object_mut()) {
            // For people: whether to ask, and what to say.
            topic.remove("unconfirmed");
            topic.remove("exists");
        }
    }
    value
}

/// The account after the plan was deployed.
fn deployed(plan: &Plan, before: &Facts) -> Facts {
    let mut facts = before.clone();
    let pipeline = &plan.pipelines[0];
    let group = "sg-0e0e0e0e0e0e0e0e0";
    let own = |id: &str, egress, peer: &str| Rule {
        id: id.to_owned(),
        egress,
        protocol: "tcp".to_owned(),
        ports: Some(plan.network.as_ref().unwrap().ports),
        peer: RulePeer::Group(peer.to_owned()),
        owner: Owner::ThisStack,
    };
    let network = network(&mut facts);
    let groups = found(&mut network.security_groups);
    groups.push(SecurityGroup {
        id: group.to_owned(),
        vpc: plan.network.as_ref().unwrap().vpc.clone(),
        name: "k2m-orders-FunctionSecurityGroup-1".to_owned(),
        rules: vec![own(
            "sgr-out",
            true,
            plan.network.as_ref().unwrap().cluster_group.as_deref().unwrap(),
        )],
        owner: Owner::ThisStack,
    });
    let cluster_group = groups
        .iter_mut()
        .find(|group| Some(&group.id) == plan.network.as_ref().unwrap().cluster_group.as_ref())
        .unwrap();
    cluster_group.rules.push(own("sgr-in", false, group));
    // Its network interfaces took the last addresses.
    for subnet in found(&mut network.subnets) {
        if plan.network.as_ref().unwrap().subnets.contains(&subnet.id) {
            subnet.free_addresses = 0;
        } else {
            subnet.free_addresses += 100;
        }
    }
    let ids: Vec<&str> = plan
        .network
        .as_ref()
        .unwrap()
        .subnets
        .iter()
        .map(String::as_str)
        .collect();
    facts.one().function = function(&ids);
    let mut resources = vec![("FunctionSecurityGroup".to_owned(), group.to_owned())];
    let mut template = serde_json::json!({"Resources": {
        format!("{}Mapping", pipeline.id): {"Properties": {
            "StartingPosition": pipeline.mapping.starting_position,
            "StartingPositionTimestamp": pipeline.mapping.starting_position_timestamp,
        }, "Metadata": {"k2m": pipeline.function_topics}},
        format!("{}Function", pipeline.id): {"Properties": {"Environment": {"Variables": pipeline.function.variables}}},
    }});
    let mapped = pipeline.mapped_topics.iter().map(|topic| topic.id.as_str());
    let ends = std::iter::once("Topic").chain(mapped).chain(["DeadLetterTopic"]);
    for (end, (name, topic)) in ends.zip(pipeline.topics()) {
        let Some(topic) = topic.filter(|topic| topic.by == Maker::CloudFormation) else {
            continue;
        };
        let logical = format!("{}{end}", pipeline.id);
        resources.push((logical.clone(), CLUSTER.replace(":cluster/", ":topic/") + "/" + name));
        template["Resources"][logical] = serde_json::json!({"Properties": {
            "TopicName": name, "PartitionCount": topic.partitions, "ReplicationFactor": topic.replication_factor, "Configs": topic.configs,
        }});
        let limit = topic.configs.as_ref().map_or("1048588", |_| "11534336");
        let made = Fact::Found {
            value: Topic {
                name: name.to_owned(),
                partitions: topic.partitions,
                replication_factor: topic.replication_factor.unwrap(),
                settings: BTreeMap::from([("max.message.bytes".to_owned(), limit.to_owned())]),
            },
        };
        *facts.topic_named(name) = made;
    }
    let resources: Vec<(&str, &str)> = resources
        .iter()
        .map(|(one, other)| (one.as_str(), other.as_str()))
        .collect();
    facts.stack = stack("CREATE_COMPLETE", &resources, Some(&template.to_string()));
    facts
}

type World = (&'static str, fn(&mut Settings, &mut Facts));

#[test]
fn a_plan_after_the_deployment_is_the_plan_before_it() {
    let worlds: &[World] = &[
        ("the example", |_, _| {}),
        ("a new topic", |_, facts| *facts.topic_named(ORDERS) = Fact::Absent),
        ("a new topic of a certain shape", |settings, facts| {
            settings.one().topic_partitions = Some(chosen(40));
            settings.one().create_topic = Some(chosen(true));
            *facts.topic_named(ORDERS) = Fact::Absent;
        }),
        ("two new topics", |settings, facts| {
            settings.one().on_poison = chosen(OnPoison::Divert);
            settings.one().dead_letter_topic = Some(default("orders-dead-letter".to_owned()));
            *facts.topic_named(ORDERS) = Fact::Absent;
            *facts.topic_named("orders-dead-letter") = Fact::Absent;
        }),
        ("topics that the function makes", |settings, facts| {
            settings.one().create_topic = Some(chosen(true));
            settings.one().on_poison = chosen(OnPoison::Divert);
            settings.one().dead_letter_topic = Some(default("orders-dead-letter".to_owned()));
            *facts.topic_named("orders-dead-letter") = Fact::Absent;
            old_kafka(facts);
        }),
        ("a new topic that the data chooses", |settings, facts| {
            table::mapped(settings, facts, None);
        }),
        ("the cluster's only secret", |_, facts| {
            table::scram_only(facts, Some(table::secrets(&[table::USER])));
        }),
        ("own subnets", |settings, _| {
            settings.subnets = Some(chosen(vec![PRIVATE_C.to_owned(), PRIVATE_A.to_owned()]));
        }),
        ("one zone", |_, facts| {
            found(&mut network(facts).subnets).retain(|subnet| subnet.zone == "eu-west-1a");
            found(&mut facts.brokers).truncate(1);
        }),
        ("a second group of the cluster", |_, facts| {
            let groups = found(&mut network(facts).security_groups);
            let mut second = groups[0].clone();
            second.id = "sg-00000000000000000".to_owned();
            second.rules.clear();
            groups.push(second);
            cluster(facts).security_groups = vec![GROUP.to_owned(), "sg-00000000000000000".to_owned()];
        }),
        ("from a time on", |settings, _| {
            settings.one().starting_position = chosen(StartingPosition::AtTimestamp("2026-01-31T08:00:00Z".to_owned()));
        }),
    ];
    for (name, change) in worlds {
        let (mut settings, mut facts) = (settings(), facts());
        change(&mut settings, &mut facts);
        let first = plan(&settings, &facts).unwrap();
        let mut after = deployed(&first, &facts);
        let second = plan(&settings, &after).unwrap();
        assert_eq!(deployable(&second), deployable(&first), "{name}");
        let moved = |warning: &&String| warning.contains("deployed mapping");
        assert_eq!(second.warnings.iter().find(moved), None, "{name}");
        // AWS gives the cluster's groups in any order: the rule stays where it is.
        cluster(&mut after).security_groups.reverse();
        assert_eq!(
            deployable(&plan(&settings, &after).unwrap()),
            deployable(&first),
            "{name}"
        );
        // Whether the cluster's group still has the rule is a doctor's question, not the plan's.
        for group in found(&mut network(&mut after).security_groups) {
            group.rules.retain(|rule| rule.owner != Owner::ThisStack);
        }
        after.cluster = facts.cluster.clone();
        assert_eq!(
            deployable(&plan(&settings, &after).unwrap()),
            deployable(&first),
            "{name}"
        );
    }
}

#[test]
fn a_second_secret_at_the_cluster_changes_nothing() {
    let mut facts = facts();
    table::scram_only(&mut facts, Some(table::secrets(&[table::USER])));
    let first = plan(&settings(), &facts).unwrap();
    let mut after = deployed(&first, &facts);
    table::scram_only(&mut after, Some(table::secrets(&[table::OTHER_USER, table::USER])));
    let second = plan(&settings(), &after).unwrap();
    assert_eq!(deployable(&second), deployable(&first));
    assert_eq!(second.pipelines[0].function.variables["K2M_SECRET_ARN"], table::USER);
}

#[test]
fn the_proof_leans_on_no_rule_of_an_earlier_deployment() {
    // The own group of an earlier deployment may do everything; what is planned may not.
    let first = plan(&settings(), &facts()).unwrap();
    let mut after = deployed(&first, &facts());
    // By CIDR block, they would let any group pass.
    for group in found(&mut network(&mut after).security_groups) {
        let former = group.rules.iter_mut().filter(|rule| rule.owner == Owner::ThisStack);
        former.for_each(|rule| rule.peer = RulePeer::Cidr("10.20.0.0/16".to_owned()));
    }
    let second = plan(&settings(), &after).unwrap();
    let leaning = |plan: &Plan| serde_json::to_string(&plan.proofs).unwrap();
    assert!(!leaning(&second).contains("sgr-in") && !leaning(&second).contains("sgr-out"));
    assert!(leaning(&second).contains("planned rule ClusterIngress"));
}

/// Takes away or replaces something anywhere in the document: a document that is no facts any more is passed over.
fn spoil(value: &mut serde_json::Value, random: &mut fastrand::Rng) {
    match value {
        serde_json::Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(random.usize(..map.len())).cloned().unwrap_or_default();
            let inner = &mut map[&key];
            if inner.get("status").is_some() && random.u8(..8) == 0 {
                *inner = serde_json::json!({"status": "absent"});
            } else {
                spoil(inner, random);
            }
        }
        serde_json::Value::Array(list) if !list.is_empty() => {
            let index = random.usize(..list.len());
            match random.u8(..4) {
                0 => drop(list.remove(index)),
                1 => list.push(list[index].clone()),
                _ => spoil(&mut list[index], random),
            }
        }
        serde_json::Value::Number(_) => *value = random.choice([0_u64, 1, 2, 32767, 4_294_967_295]).into(),
        serde_json::Value::Bool(on) => *on = !*on,
        serde_json::Value::String(text) => {
            *text = match random.u8(..5) {
                0 => String::new(),
                1 => "0.0.0.0/0".to_owned(),
                2 => "\u{0}:é/\"'".to_owned(),
                3 => text.chars().rev().collect(),
                _ => text.replace('1', "2"),
            }
        }
        _ => {}
    }
}

#[test]
fn spoilt_facts_give_the_same_plan_twice_or_the_same_error_and_never_a_panic() {
    let whole = serde_json::to_value(facts()).unwrap();
    let mut random = fastrand::Rng::with_seed(20_260_302);
    let (mut plans, mut errors) = (0, 0);
    for _ in 0..3000 {
        let mut document = whole.clone();
        for _ in 0..random.usize(1..4) {
            spoil(&mut document, &mut random);
        }
        let Ok(facts) = serde_json::from_value::<Facts>(document) else {
            continue;
        };
        match (plan(&settings(), &facts), plan(&settings(), &facts)) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one, other);
                let reached = |proof: &crate::network::Proof| proof.verdict == crate::network::Verdict::Reachable;
                assert!(one.proofs.iter().all(reached));
                assert!(
                    !one.network.as_ref().unwrap().subnets.is_empty()
                        && one.network.as_ref().unwrap().subnets.is_sorted()
                );
                plans += 1;
            }
            (Err(one), Err(other)) => {
                assert_eq!(one.to_string(), other.to_string());
                assert!(one.to_string().lines().count() <= 20, "{one}");
                errors += 1;
            }
            (one, other) => panic!("{one:?} and {other:?}"),
        }
    }
    assert!(plans > 300 && errors > 300, "{plans} plans, {errors} errors");
}

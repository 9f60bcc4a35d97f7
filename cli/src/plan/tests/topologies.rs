//! The plan of each topology's example: what it decides, both regions' templates, and that a deployment changes none of it.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::args::SettingsArgs;
use crate::facts::network::{Peering, PeeringSide, Route, Rule, RulePeer};
use crate::plan::shared::{NETWORK_STACKS, NetworkStack, RouteTarget, peering_id};
use crate::settings::{Environment, File, Sources, resolve};
use crate::template::{render, render_network};

/// The folders of examples that are for a topology.
pub(crate) const TOPOLOGIES: [&str; 5] = [
    "same-vpc",
    "peered-vpc",
    "new-peering",
    "transit-gateway",
    "cross-region",
];

/// Settings and facts of an example.
pub(crate) fn example(name: &str) -> (Settings, Facts) {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "examples", name].iter().collect();
    let file = File::parse("k2m.yaml", &std::fs::read(folder.join("k2m.yaml")).unwrap()).unwrap();
    let (settings, _) = resolve(Sources {
        flags: &SettingsArgs::default(),
        environment: &Environment::new(),
        file: Some(&file),
    })
    .unwrap();
    let facts = std::fs::read(folder.join("facts.json")).unwrap();
    (settings, serde_json::from_slice(&facts).unwrap())
}

/// The account after the plan was deployed, by this stack or by another of that name that shares the network.
fn deployed(plan: &Plan, before: &Facts) -> Facts {
    let mut facts = before.clone();
    for stack in &plan.network_stacks {
        put(&mut facts, plan, stack);
    }
    let group = "sg-0e0e0e0e0e0e0e0e0";
    let rule = |id: String, egress, peer| Rule {
        id,
        egress,
        protocol: "tcp".to_owned(),
        ports: Some(plan.network.ports),
        peer,
        owner: Owner::ThisStack,
    };
    let egress = plan.network.egress.iter().zip(1..).map(|(peer, number)| {
        let peer = match peer {
            PlannedPeer::Group(id) => RulePeer::Group(id.clone()),
            PlannedPeer::Cidr(cidr) => RulePeer::Cidr(cidr.clone()),
        };
        rule(format!("sgr-out-{number}"), true, peer)
    });
    let own = crate::facts::network::SecurityGroup {
        id: group.to_owned(),
        vpc: plan.network.vpc.clone(),
        name: "k2m-orders-FunctionSecurityGroup-1".to_owned(),
        rules: egress.collect(),
        owner: Owner::ThisStack,
    };
    let here = facts.networks.get_mut(&plan.region).unwrap();
    found(&mut here.security_groups).push(own);
    if plan.network.ingress_by_group {
        let there = facts.networks.get_mut(&plan.cluster.region).unwrap();
        let mut groups = found(&mut there.security_groups).iter_mut();
        let cluster = groups.find(|group| group.id == plan.network.cluster_group).unwrap();
        let peer = RulePeer::Group(group.to_owned());
        cluster.rules.push(rule("sgr-in".to_owned(), false, peer));
    }
    let ids: Vec<&str> = plan.network.subnets.iter().map(String::as_str).collect();
    let pipeline = facts.pipelines.values_mut().next().unwrap();
    pipeline.function = function(&ids);
    facts.stack = stack(
        "CREATE_COMPLETE",
        &[("FunctionSecurityGroup", group)],
        Some(&render(plan).unwrap()),
    );
    let outputs = &mut found(&mut facts.stack).outputs;
    outputs.insert(
        format!("{}Stream", plan.pipelines[0].id),
        plan.pipelines[0].stream.clone(),
    );
    let names = plan
        .network_stacks
        .iter()
        .map(|stack| format!("{}/{}", stack.region, stack.stack));
    outputs.insert(NETWORK_STACKS.to_owned(), names.collect::<Vec<_>>().join(","));
    facts
}

/// Makes a network stack, and all that it has.
fn put(facts: &mut Facts, plan: &Plan, stack: &NetworkStack) {
    let owner = Owner::K2mStack(stack.stack.clone());
    let resources = stack.resources();
    let side = |vpc: &str, region: &str| PeeringSide {
        vpc: vpc.to_owned(),
        region: region.to_owned(),
        account: plan.account.clone(),
        cidrs: vec![],
    };
    let network = facts.networks.get_mut(&stack.region).unwrap();
    for peering in resources.peerings.values() {
        let id = format!("pcx-{}", peering_id(&peering.vpc));
        found(&mut network.peerings).push(Peering {
            id,
            status: "active".to_owned(),
            requester: side(&stack.vpc, &stack.region),
            accepter: side(&peering.vpc, &peering.region),
            owner: owner.clone(),
        });
    }
    let needs = stack.users.values();
    let routes: std::collections::BTreeSet<_> = needs.flat_map(|needs| &needs.routes).collect();
    for route in routes {
        let target = match &route.target {
            RouteTarget::Peering(id) => id.clone(),
            RouteTarget::Own(vpc) => format!("pcx-{}", peering_id(vpc)),
            RouteTarget::OfPeer(_) => format!("pcx-{}", peering_id(&stack.vpc)),
        };
        let mut tables = found(&mut network.route_tables).iter_mut();
        let table = tables.find(|table| table.id == route.table).unwrap();
        table.routes.push(Route {
            destination: route.destination.clone(),
            target,
            active: true,
            propagated: false,
            owner: owner.clone(),
        });
    }
    for (id, rule) in &resources.ingress {
        let mut groups = found(&mut network.security_groups).iter_mut();
        let group = groups.find(|group| group.id == rule.group).unwrap();
        group.rules.push(Rule {
            id: format!("sgr-{id}"),
            egress: false,
            protocol: "tcp".to_owned(),
            ports: Some(rule.ports),
            peer: RulePeer::Cidr(rule.cidr.clone()),
            owner: owner.clone(),
        });
    }
    let mut made = super::stack("CREATE_COMPLETE", &[], Some(&render_network(stack).unwrap()));
    found(&mut made).name.clone_from(&stack.stack);
    facts.network_stacks.insert(stack.stack.clone(), made);
}

#[test]
fn each_decides_and_is_rendered() {
    for name in TOPOLOGIES {
        let (settings, facts) = example(name);
        let plan = plan(&settings, &facts).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut text = String::new();
        for decision in &plan.decisions {
            writeln!(text, "{}: {}\n  {}", decision.about, decision.choice, decision.why).unwrap();
        }
        for warning in &plan.warnings {
            writeln!(text, "warning: {warning}").unwrap();
        }
        for proof in &plan.proofs {
            writeln!(
                text,
                "{} to {}:{} {}",
                proof.source_subnet, proof.destination_address, proof.port, proof.verdict
            )
            .unwrap();
        }
        for stack in &plan.network_stacks {
            writeln!(
                text,
                "\n--- {} in {}\n{}",
                stack.stack,
                stack.region,
                render_network(stack).unwrap()
            )
            .unwrap();
        }
        writeln!(
            text,
            "\n--- {} in {}\n{}",
            plan.stack,
            plan.region,
            render(&plan).unwrap()
        )
        .unwrap();
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn a_deployment_changes_no_decision() {
    for name in TOPOLOGIES {
        let (settings, facts) = example(name);
        let first = plan(&settings, &facts).unwrap();
        let facts = deployed(&first, &facts);
        let second = plan(&settings, &facts).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(first.network, second.network, "{name}");
        assert_eq!(first.network_stacks, second.network_stacks, "{name}");
        assert_eq!(render(&first).unwrap(), render(&second).unwrap(), "{name}");
    }
}

#[test]
fn a_topic_is_made_in_the_region_of_its_cluster() {
    let (mut settings, mut facts) = example("cross-region");
    settings.pipelines[0].create_topic = Some(chosen(true));
    facts.topics.insert("orders".to_owned(), Fact::Absent);
    let first = plan(&settings, &facts).unwrap();
    let topics = |stack: &NetworkStack| -> Vec<String> {
        let topics = stack.resources().topics.into_values();
        topics.map(|topic| topic.name).collect()
    };
    let made: Vec<Vec<String>> = first.network_stacks.iter().map(topics).collect();
    assert_eq!(made, [vec!["orders".to_owned()], vec![]]);
    assert!(!render(&first).unwrap().contains("AWS::MSK::Topic"));
    // It is there after that, and stays the network stack's.
    let mut facts = deployed(&first, &facts);
    let topic = serde_json::json!({"name": "orders", "partitions": 4, "replicationFactor": 3, "settings": {}});
    facts.topics.insert(
        "orders".to_owned(),
        serde_json::from_value(serde_json::json!({"status": "found", "value": topic})).unwrap(),
    );
    let second = plan(&settings, &facts).unwrap();
    assert_eq!(first.network_stacks, second.network_stacks);
    // More partitions are a change of that stack.
    settings.pipelines[0].topic_partitions = Some(chosen(8));
    let more = plan(&settings, &facts).unwrap();
    let topics = more.network_stacks[0].resources().topics;
    assert_eq!(topics.values().map(|topic| topic.partitions).collect::<Vec<_>>(), [8]);
}

#[test]
fn two_stacks_share_a_network_and_either_may_go_first() {
    let (settings, facts) = example("cross-region");
    let first = plan(&settings, &facts).unwrap();
    let after_first = deployed(&first, &facts);
    // The other has another stream and another stack, and the same subnets.
    let mut other = settings.clone();
    other.stack = chosen("k2m-clicks".to_owned());
    let mut seen = after_first.clone();
    seen.stack = Fact::Absent;
    for pipeline in seen.pipelines.values_mut() {
        pipeline.function = Fact::Absent;
    }
    let second = plan(&other, &seen).unwrap();
    for (one, both) in first.network_stacks.iter().zip(&second.network_stacks) {
        assert_eq!(one.users.len() + 1, both.users.len());
        let (one, both) = (one.resources(), both.resources());
        assert_eq!(
            (one.routes, one.peerings, one.ingress),
            (both.routes, both.peerings, both.ingress)
        );
    }
    // Once both are there, each gives back its own part alone.
    for stack in &second.network_stacks {
        put(&mut seen, &second, stack);
    }
    for stack in &second.network_stacks {
        let deployed = &seen.network_stacks[&stack.stack];
        for (user, other) in [
            ("us-east-1/k2m-orders", "us-east-1/k2m-clicks"),
            ("us-east-1/k2m-clicks", "us-east-1/k2m-orders"),
        ] {
            let rest = NetworkStack::of_others(deployed, &stack.region, &stack.vpc, user).unwrap();
            assert_eq!(rest.users.keys().collect::<Vec<_>>(), [other]);
            assert_eq!(rest.resources().routes, stack.resources().routes);
        }
    }
}

//! A Kafka that is not MSK: the plan from the facts of examples/self-managed, spoilt in one thing a row; and what is so of every plan.

use std::fmt::Write as _;

use super::topologies::example;
use super::*;
use crate::facts::Server;
use crate::facts::network::{Route, Rule, RulePeer, SecurityGroup};
use crate::network::Verdict;
use crate::settings::{Authentication, Servers};

const NAME: &str = "self-managed";
const VPC: &str = "vpc-0b2c3d4e5f6071829";
const SUBNET: &str = "subnet-0a11b22c33d44e501";
const OTHER: &str = "subnet-0b22c33d44e55f602";
const THIRD: &str = "subnet-0c33d44e55f66a703";

/// The same with other servers; a name that is no address leads nowhere that anybody knows.
fn servers(settings: &mut Settings, facts: &mut Facts, text: &str) {
    let servers = Servers::parse(text).unwrap();
    facts.servers = servers
        .iter()
        .map(|server| Server {
            host: server.host.clone(),
            port: server.port,
            addresses: match server.address() {
                Some(address) => Fact::Found {
                    value: vec![address.to_string()],
                },
                None => Fact::Unreadable(Unreadable {
                    missing_action: None,
                    message: format!("{} can't be resolved: no such host", server.host),
                }),
            },
        })
        .collect();
    settings.kafka = Kafka::BootstrapServers(chosen(servers));
}

fn blocks(settings: &mut Settings, blocks: &[&str]) {
    settings.broker_cidrs = Some(chosen(blocks.iter().map(|block| block.parse().unwrap()).collect()));
}

fn routes(facts: &mut Facts) -> &mut Vec<Route> {
    let mut tables = found(&mut network(facts).route_tables).iter_mut();
    &mut tables.find(|table| !table.main).unwrap().routes
}

fn group(facts: &mut Facts, rules: Vec<Rule>) {
    found(&mut network(facts).security_groups).push(SecurityGroup {
        id: "sg-1".to_owned(),
        vpc: VPC.to_owned(),
        name: "functions".to_owned(),
        rules,
        owner: Owner::Foreign,
    });
}

/// A rule that lets everything out.
fn all_out(owner: Owner) -> Rule {
    Rule {
        id: "sgr-1".to_owned(),
        egress: true,
        protocol: "-1".to_owned(),
        ports: None,
        peer: RulePeer::Cidr("0.0.0.0/0".to_owned()),
        owner,
    }
}

/// A second VPC of the region, with a subnet, that leads to a target or nowhere.
fn another_vpc(facts: &mut Facts, target: Option<&str>) {
    let network = network(facts);
    let mut vpc = found(&mut network.vpcs)[0].clone();
    let mut subnet = found(&mut network.subnets)[0].clone();
    let mut table = found(&mut network.route_tables)[0].clone();
    let mut acl = found(&mut network.network_acls)[0].clone();
    (vpc.id, vpc.name, vpc.cidrs) = ("vpc-1".to_owned(), None, vec!["10.40.0.0/16".to_owned()]);
    (subnet.id, subnet.vpc, subnet.cidr) = ("subnet-1".to_owned(), vpc.id.clone(), "10.40.0.0/20".to_owned());
    (table.id, table.vpc, table.main, table.subnets) = ("rtb-1".to_owned(), vpc.id.clone(), true, vec![]);
    table.routes.clear();
    table.routes.extend(target.map(|target| Route {
        destination: "0.0.0.0/0".to_owned(),
        target: target.to_owned(),
        active: true,
        propagated: false,
        owner: Owner::Foreign,
    }));
    (acl.id, acl.vpc, acl.default, acl.subnets) = ("acl-1".to_owned(), vpc.id.clone(), true, vec![]);
    found(&mut network.vpcs).push(vpc);
    found(&mut network.subnets).push(subnet);
    found(&mut network.route_tables).push(table);
    found(&mut network.network_acls).push(acl);
}

type Row = (&'static str, fn(&mut Settings, &mut Facts));

const ROWS: &[Row] = &[
    ("no authentication", |s, _| {
        (s.authentication, s.secret, s.ca_secret) = (None, None, None);
    }),
    ("SASL/IAM", |s, _| {
        s.authentication = Some(chosen(Authentication::Iam));
    }),
    ("plaintext, with what it shows nobody", |s, _| {
        s.authentication = Some(chosen(Authentication::Plaintext));
    }),
    ("SCRAM without a secret", |s, _| s.secret = None),
    ("mutual TLS without a secret", |s, _| {
        (s.authentication, s.secret) = (Some(chosen(Authentication::MutualTls)), None);
    }),
    ("a topic to be created", |s, _| {
        s.one().create_topic = Some(chosen(true));
    }),
    ("a topic of another shape", |s, _| {
        s.one().topic_partitions = Some(chosen(12));
    }),
    ("a dead-letter topic", |s, _| {
        s.one().on_poison = chosen(OnPoison::Divert);
        s.one().dead_letter_topic = Some(default("orders-dead-letter".to_owned()));
    }),
    ("a name that nobody knows", |s, f| {
        servers(s, f, "10.60.4.11:9093,kafka.invalid:9093");
    }),
    ("a name without an IPv4 address", |_, f| {
        f.servers[0].addresses = Fact::Absent;
    }),
    ("a name that nobody knows, and blocks", |s, f| {
        servers(s, f, "10.60.4.11:9093,kafka.invalid:9093");
        blocks(s, &["10.60.4.0/24", "10.60.5.0/24"]);
    }),
    ("a name that leads out of the blocks", |s, _| {
        blocks(s, &["10.60.5.0/24"]);
    }),
    ("an address that is in none of the blocks", |s, f| {
        servers(s, f, "10.60.4.11:9093");
        blocks(s, &["10.60.5.0/24"]);
    }),
    ("a name that leads this machine to itself", |_, f| {
        f.servers[1].addresses = Fact::Found {
            value: vec!["10.60.4.12".to_owned(), "127.0.0.1".to_owned()],
        };
    }),
    ("a name that leads this machine to itself, and blocks", |s, f| {
        f.servers[1].addresses = Fact::Found {
            value: vec!["127.0.0.1".to_owned()],
        };
        blocks(s, &["10.60.4.0/24"]);
    }),
    ("blocks that nothing leads to all of", |s, _| {
        blocks(s, &["10.60.0.0/15"]);
    }),
    ("blocks around the VPC's own", |s, _| blocks(s, &["10.0.0.0/8"])),
    ("two ports, and no route", |s, f| {
        servers(s, f, "10.60.4.11:9094,10.60.4.11:9093");
        routes(f).retain(|route| route.target == "local");
    }),
    ("two ports", |s, f| servers(s, f, "10.60.4.11:9093,10.60.4.11:9094")),
    ("a server in the function's own VPC", |s, f| {
        servers(s, f, "10.30.32.9:9092");
    }),
    ("servers at both", |s, f| {
        servers(s, f, "10.30.32.9:9092,10.60.4.11:9092");
    }),
    ("public addresses, by NAT", |s, f| servers(s, f, "203.0.113.9:9092")),
    ("no route", |_, f| routes(f).retain(|route| route.target == "local")),
    ("the gateway is gone", |_, f| {
        for route in routes(f).iter_mut().filter(|route| route.target.starts_with("vgw-")) {
            route.active = false;
        }
    }),
    ("the internet gateway in its place", |_, f| {
        for route in routes(f).iter_mut().filter(|route| route.target.starts_with("vgw-")) {
            route.target = "igw-1".to_owned();
        }
    }),
    ("a network ACL that lets no answers in", |_, f| {
        for acl in found(&mut network(f).network_acls) {
            acl.entries.retain(|entry| entry.egress || !entry.allow);
        }
    }),
    ("network ACLs that nobody could read", |_, f| {
        network(f).network_acls = denied("ec2:DescribeNetworkAcls");
    }),
    ("own subnets", |s, _| {
        s.subnets = Some(chosen(vec![THIRD.to_owned(), SUBNET.to_owned()]));
    }),
    ("own subnets, one without a route", |s, _| {
        s.subnets = Some(chosen(vec!["subnet-0d44e55f66a77b804".to_owned(), SUBNET.to_owned()]));
    }),
    ("no free address", |_, f| {
        for subnet in found(&mut network(f).subnets) {
            subnet.free_addresses = 0;
        }
    }),
    ("one zone", |_, f| {
        found(&mut network(f).subnets).retain(|subnet| subnet.zone == "eu-west-1a");
    }),
    ("no VPC named, and only one", |s, _| s.vpc = None),
    ("no VPC named, and another that leads nowhere", |s, f| {
        s.vpc = None;
        another_vpc(f, None);
    }),
    ("no VPC named, and another that leads there", |s, f| {
        s.vpc = None;
        another_vpc(f, Some("vgw-1"));
    }),
    ("no VPC named, and another of which nobody can tell", |s, f| {
        s.vpc = None;
        another_vpc(f, Some("i-1"));
        routes(f).retain(|route| !route.target.starts_with("nat-"));
    }),
    (
        "no VPC named, another of which nobody can tell, and none that leads there",
        |s, f| {
            s.vpc = None;
            routes(f).retain(|route| route.target == "local");
            another_vpc(f, Some("i-1"));
        },
    ),
    ("no VPC named, and none that leads there", |s, f| {
        s.vpc = None;
        routes(f).retain(|route| route.target == "local");
        another_vpc(f, None);
    }),
    ("a VPC that isn't there", |s, _| {
        s.vpc = Some(chosen("vpc-0".to_owned()));
    }),
    ("no VPC at all", |s, f| {
        s.vpc = None;
        f.networks.clear();
    }),
    ("a group of the user's that lets out", |s, f| {
        s.security_group = Some(chosen("sg-1".to_owned()));
        group(f, vec![all_out(Owner::Foreign)]);
    }),
    ("a group of the user's that lets nothing out", |s, f| {
        s.security_group = Some(chosen("sg-1".to_owned()));
        group(f, vec![]);
    }),
    (
        "a group of the user's that lets out by what an earlier deployment made",
        |s, f| {
            s.security_group = Some(chosen("sg-1".to_owned()));
            group(f, vec![all_out(Owner::ThisStack)]);
        },
    ),
    ("what has no effect", |s, _| {
        s.peering = Some(chosen("pcx-1".to_owned()));
        s.all_broker_ports = chosen(true);
    }),
    ("public access to private addresses", |s, _| {
        s.public_access = chosen(true);
    }),
    ("public access to carriers' addresses", |s, f| {
        s.public_access = chosen(true);
        servers(s, f, "100.64.1.2:9092");
    }),
    ("public access to this machine", |s, f| {
        s.public_access = chosen(true);
        f.servers[0].addresses = Fact::Found {
            value: vec!["127.0.0.1".to_owned()],
        };
    }),
    ("public access", |s, f| {
        s.public_access = chosen(true);
        servers(s, f, "203.0.113.9:9092,kafka.invalid:9092");
        blocks(s, &["203.0.113.0/24"]);
        f.networks.clear();
    }),
    ("an address of the VPC's that is in no subnet", |s, f| {
        servers(s, f, "10.30.200.9:9092");
    }),
    ("facts of the same servers in another order and case", |_, f| {
        f.servers.reverse();
        f.servers[0].host.make_ascii_uppercase();
    }),
    ("facts of fewer servers", |_, f| drop(f.servers.pop())),
    ("facts of other servers", |_, f| f.servers[0].port = 9094),
    ("facts of a cluster", |_, f| {
        let (_, of_cluster) = example("same-vpc");
        (f.cluster, f.servers) = (of_cluster.cluster, vec![]);
    }),
    ("facts of no Kafka", |_, f| f.servers.clear()),
    ("facts of servers for a cluster", |s, _| {
        s.kafka = super::settings().kafka;
    }),
];

#[test]
fn what_cannot_be_is_refused_and_what_should_be_known_is_said() {
    let mut text = String::new();
    for (name, change) in ROWS {
        let (mut settings, mut facts) = example(NAME);
        let healthy = plan(&settings, &facts).unwrap();
        change(&mut settings, &mut facts);
        writeln!(text, "## {name}").unwrap();
        match plan(&settings, &facts) {
            Err(error) => writeln!(text, "exit {}: {error}\n", error.exit().code()).unwrap(),
            Ok(plan) => {
                for decision in &plan.decisions {
                    if !healthy.decisions.contains(decision) {
                        writeln!(text, "{}: {}\n  {}", decision.about, decision.choice, decision.why).unwrap();
                    }
                }
                for warning in plan
                    .warnings
                    .iter()
                    .filter(|warning| !healthy.warnings.contains(warning))
                {
                    writeln!(text, "warning: {warning}").unwrap();
                }
                for proof in plan.proofs.iter().filter(|proof| !healthy.proofs.contains(proof)) {
                    writeln!(text, "proof: {proof}").unwrap();
                }
                writeln!(text).unwrap();
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn more_places_than_a_group_has_rules_for_are_warned_of() {
    let (mut settings, mut facts) = example(NAME);
    let many: Vec<String> = (1..=50).map(|number| format!("10.60.4.{number}:9093")).collect();
    servers(&mut settings, &mut facts, &many.join(","));
    let warned = |facts: &Facts| {
        let plan = plan(&settings, facts).unwrap();
        let rules = plan
            .decisions
            .iter()
            .find(|decision| decision.about == "rules")
            .unwrap();
        assert!(rules.choice.ends_with("more: port 9093"), "{}", rules.choice);
        plan.warnings
            .iter()
            .any(|warning| warning.contains("default quota is 60"))
    };
    assert!(!warned(&facts));
    for server in &mut facts.servers {
        let second = server.host.replace("10.60.4", "10.60.5");
        found(&mut server.addresses).push(second);
    }
    assert!(warned(&facts));
}

#[test]
fn more_places_than_there_can_be_rules_for_are_refused() {
    let (mut settings, mut facts) = example(NAME);
    servers(&mut settings, &mut facts, "kafka.example.com:9093");
    let addresses = (0..=1000_u16).map(|number| format!("10.60.{}.{}", number / 256, number % 256));
    facts.servers[0].addresses = Fact::Found {
        value: addresses.collect(),
    };
    let error = plan(&settings, &facts).unwrap_err();
    assert_eq!(error.exit().code(), 2);
    insta::assert_snapshot!(error, @"the brokers are at 1001 places (an address or a block, and a port), and AWS takes at most 1000 rules for a function's network interface: name fewer servers, or wider blocks, with --broker-cidrs (or K2M_BROKER_CIDRS, or `broker_cidrs` in k2m.yaml)");
    // As many as there can be are places.
    found(&mut facts.servers[0].addresses).pop();
    assert_eq!(crate::facts::server::places(&facts.servers, None).unwrap().len(), 1000);
}

#[test]
fn nothing_is_made_but_at_the_functions_side() {
    let mut planned = 0;
    for (name, change) in ROWS {
        let (mut settings, mut facts) = example(NAME);
        change(&mut settings, &mut facts);
        let Ok(plan) = plan(&settings, &facts) else { continue };
        planned += 1;
        let template = crate::template::render(&plan).unwrap();
        assert_eq!(plan.network_stacks, [], "{name}");
        for none in ["AWS::MSK", "SecurityGroupIngress", "kafka-cluster:", "\n  Cluster:"] {
            assert!(!template.contains(none), "{name}: {none}");
        }
        assert!(template.contains("\n  BootstrapServers:\n"), "{name}");
        // Nothing else tells that the function is meant to be in no VPC.
        assert_eq!(
            template.contains("\n  PublicAccess:\n"),
            plan.network.is_none(),
            "{name}"
        );
        let refused = |proof: &&crate::network::Proof| matches!(proof.verdict, Verdict::Refused { .. });
        assert_eq!(plan.proofs.iter().find(refused), None, "{name}");
        // Each of the subnets to each place, and a rule for each, unless the group is the user's or there is none.
        if let Some(network) = plan.network.as_ref().filter(|network| network.function_group.is_none()) {
            assert_eq!(
                plan.proofs.len(),
                network.subnets.len() * network.egress.len(),
                "{name}"
            );
        }
    }
    // What is refused is in the other test: of neither there may be none.
    assert!((ROWS.len() / 3..ROWS.len()).contains(&planned), "{planned}");
}

#[test]
fn the_servers_of_a_deployed_stack_stay_as_they_are_spoken_to() {
    let (mut settings, facts) = example(NAME);
    settings.authentication = Some(chosen(Authentication::Tls));
    (settings.secret, settings.ca_secret) = (None, None);
    let first = plan(&settings, &facts).unwrap();
    let after = super::topologies::deployed(&first, &facts);
    // Nobody says again how they are spoken to.
    settings.authentication = None;
    let second = plan(&settings, &after).unwrap();
    assert_eq!(second.cluster.authentication, Authentication::Tls);
    assert_eq!(
        crate::template::render(&first).unwrap(),
        crate::template::render(&second).unwrap()
    );
    // What another Kafka took before says nothing of this one.
    let mut moved = after.clone();
    found(&mut moved.stack).outputs.remove("BootstrapServers");
    assert!(matches!(
        plan(&settings, &moved),
        Err(PlanError::ChooseAuthentication { .. })
    ));
    // Where a subnet is used no more, it goes, and the other stays.
    settings.subnets = Some(chosen(vec![OTHER.to_owned()]));
    let fewer = plan(&settings, &after).unwrap();
    assert_eq!(fewer.network.unwrap().subnets, [OTHER]);
}

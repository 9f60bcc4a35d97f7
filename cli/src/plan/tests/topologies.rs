//! The plan of each topology's example: what it decides, both regions' templates, and that a deployment changes none of it.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::args::SettingsArgs;
use crate::facts::cluster::VpcConnection;
use crate::facts::network::{Peering, PeeringSide, Route, Rule, RulePeer};
use crate::plan::shared::{NETWORK_STACKS, NetworkStack, RouteTarget, peering_id};
use crate::settings::{Authentication, Environment, File, Sources, resolve};
use crate::template::{render, render_network};

/// The folders of examples that are for a topology.
pub(crate) const TOPOLOGIES: [&str; 10] = [
    "same-vpc",
    "peered-vpc",
    "new-peering",
    "transit-gateway",
    "cross-region",
    "public-access",
    "serverless",
    "express",
    "private-connectivity",
    "self-managed",
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
pub(crate) fn deployed(plan: &Plan, before: &Facts) -> Facts {
    let mut facts = before.clone();
    for stack in &plan.network_stacks {
        put(&mut facts, plan, stack);
    }
    let group = "sg-0e0e0e0e0e0e0e0e0";
    if let Some(network) = &plan.network {
        let rule = |id: String, egress, peer| Rule {
            id,
            egress,
            protocol: "tcp".to_owned(),
            ports: Some(network.ports),
            peer,
            owner: Owner::ThisStack,
        };
        let egress = plan
            .network
            .as_ref()
            .unwrap()
            .egress
            .iter()
            .zip(1..)
            .map(|(peer, number)| {
                let peer = match peer {
                    PlannedPeer::Group(id) => RulePeer::Group(id.clone()),
                    PlannedPeer::Cidr(cidr) | PlannedPeer::Server { cidr, .. } => RulePeer::Cidr(cidr.clone()),
                };
                rule(format!("sgr-out-{number}"), true, peer)
            });
        let own = crate::facts::network::SecurityGroup {
            id: group.to_owned(),
            vpc: network.vpc.clone(),
            name: "k2m-orders-FunctionSecurityGroup-1".to_owned(),
            rules: egress.collect(),
            owner: Owner::ThisStack,
        };
        let here = facts.networks.get_mut(&plan.region).unwrap();
        found(&mut here.security_groups).push(own);
        if network.ingress_by_group {
            let there = facts.networks.get_mut(&plan.cluster.region).unwrap();
            let mut groups = found(&mut there.security_groups).iter_mut();
            let cluster = groups
                .find(|group| Some(&group.id) == network.cluster_group.as_ref())
                .unwrap();
            let peer = RulePeer::Group(group.to_owned());
            cluster.rules.push(rule("sgr-in".to_owned(), false, peer));
        }
    }
    let ids = plan
        .network
        .iter()
        .flat_map(|network| network.subnets.iter().map(String::as_str));
    let ids: Vec<&str> = ids.collect();
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
    if plan.cluster.arn.is_none() {
        outputs.insert("BootstrapServers".to_owned(), plan.cluster.bootstrap_servers.clone());
        if plan.network.is_none() {
            outputs.insert("PublicAccess".to_owned(), "true".to_owned());
        }
    }
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
    for (id, endpoint) in &resources.endpoints {
        found(&mut network.endpoints).push(crate::facts::network::Endpoint {
            id: format!("vpce-{id}"),
            vpc: stack.vpc.clone(),
            service: endpoint.service.clone(),
            kind: "Interface".to_owned(),
            state: "available".to_owned(),
            subnets: endpoint.subnets.values().cloned().collect(),
            security_groups: vec![format!("sg-{id}")],
            private_dns: true,
            owner: owner.clone(),
        });
    }
    for (id, connection) in &resources.connections {
        let cluster = super::cluster(facts);
        let connections = cluster.vpc_connections.as_mut().unwrap();
        found(connections).push(VpcConnection {
            arn: format!("arn:aws:kafka:{}:{}:vpc-connection/{id}", stack.region, plan.account),
            vpc: stack.vpc.clone(),
            authentication: connection.authentication.clone(),
            state: "AVAILABLE".to_owned(),
            subnets: connection.subnets.values().cloned().collect(),
            security_groups: vec![format!("sg-{id}")],
            owner: owner.clone(),
        });
    }
    let mut made = super::stack("CREATE_COMPLETE", &[], Some(&render_network(stack).unwrap()));
    found(&mut made).name.clone_from(&stack.stack);
    facts.network_stacks.insert(stack.stack.clone(), made);
}

/// The cluster has private connectivity as well.
fn privately_too(facts: &mut Facts) {
    let cluster = super::cluster(facts);
    cluster.private_connectivity.iam = true;
    cluster.vpc_connections = Some(Fact::Found { value: Vec::new() });
    let brokers = "b-1.iam.events:14001,b-2.iam.events:14002".to_owned();
    cluster
        .bootstrap_brokers
        .insert("VpcConnectivitySaslIam".to_owned(), brokers);
}

/// Somebody else's VPC connection from the functions' VPC, with a group that lets in what these rules say.
fn connect(facts: &mut Facts, state: &str, rules: Vec<Rule>) {
    group(facts, "sg-0d0d0d0d0d0d0d0d0", VPC, rules);
    let connection = VpcConnection {
        arn: "arn:aws:kafka:eu-west-1:123456789012:vpc-connection/123456789012/events/1".to_owned(),
        vpc: VPC.to_owned(),
        authentication: "SASL_IAM".to_owned(),
        state: state.to_owned(),
        subnets: vec![
            "subnet-0a11b22c33d44e501".to_owned(),
            "subnet-0b22c33d44e55f602".to_owned(),
            "subnet-0c33d44e55f66a703".to_owned(),
        ],
        security_groups: vec!["sg-0d0d0d0d0d0d0d0d0".to_owned()],
        owner: Owner::Foreign,
    };
    let connections = super::cluster(facts).vpc_connections.get_or_insert(Fact::Absent);
    *connections = Fact::Found {
        value: vec![connection],
    };
}

type Row = (&'static str, &'static str, fn(&mut Settings, &mut Facts));

const VPC: &str = "vpc-0b2c3d4e5f6071829";
const PEERING: &str = "pcx-0a7b8c9d0e1f2a315";

fn peering(facts: &mut Facts) -> &mut Peering {
    let peerings = found(&mut super::network(facts).peerings);
    peerings.iter_mut().find(|peering| peering.id == PEERING).unwrap()
}

fn table<'a>(facts: &'a mut Facts, id: &str) -> &'a mut RouteTable {
    let mut tables = found(&mut super::network(facts).route_tables).iter_mut();
    tables.find(|table| table.id == id).unwrap()
}

fn group(facts: &mut Facts, id: &str, vpc: &str, rules: Vec<Rule>) {
    let groups = found(&mut super::network(facts).security_groups);
    groups.push(crate::facts::network::SecurityGroup {
        id: id.to_owned(),
        vpc: vpc.to_owned(),
        name: "functions".to_owned(),
        rules,
        owner: Owner::Foreign,
    });
}

fn foreign(id: &str, egress: bool, peer: RulePeer) -> Rule {
    Rule {
        id: id.to_owned(),
        egress,
        protocol: "tcp".to_owned(),
        ports: Some((9098, 9098)),
        peer,
        owner: Owner::Foreign,
    }
}

/// A second VPC in the stream's region, with one subnet.
fn another_vpc(facts: &mut Facts, region: &str, name: Option<&str>) {
    let network = facts.networks.get_mut(region).unwrap();
    let mut vpc = found(&mut network.vpcs)
        .iter()
        .find(|vpc| vpc.id == VPC)
        .unwrap()
        .clone();
    vpc.id = "vpc-0c0c0c0c0c0c0c0c0".to_owned();
    vpc.name = name.map(str::to_owned);
    vpc.cidrs = vec!["10.40.0.0/16".to_owned()];
    let mut subnet = found(&mut network.subnets)
        .iter()
        .find(|subnet| subnet.vpc == VPC)
        .unwrap()
        .clone();
    subnet.id = "subnet-0c0c0c0c0c0c0c0c0".to_owned();
    subnet.vpc.clone_from(&vpc.id);
    subnet.cidr = "10.40.0.0/20".to_owned();
    found(&mut network.vpcs).push(vpc);
    found(&mut network.subnets).push(subnet);
}

const ROWS: &[Row] = &[
    ("peering pending acceptance", "peered-vpc", |_, f| {
        peering(f).status = "pending-acceptance".to_owned();
    }),
    ("peering being made", "peered-vpc", |_, f| {
        peering(f).status = "provisioning".to_owned();
    }),
    ("peering failed", "peered-vpc", |_, f| {
        peering(f).status = "failed".to_owned();
    }),
    ("another peering named", "peered-vpc", |s, _| {
        s.peering = Some(chosen("pcx-00000000000000000".to_owned()));
    }),
    ("the peering named", "peered-vpc", |s, _| {
        s.peering = Some(chosen(PEERING.to_owned()));
    }),
    (
        "a route to one broker's subnet leads elsewhere",
        "peered-vpc",
        |_, f| {
            table(f, "rtb-0b5c6d7e8f90a1b12").routes.push(Route {
                destination: "10.20.2.0/24".to_owned(),
                target: "tgw-0a8b9c0d1e2f3a416".to_owned(),
                active: true,
                propagated: false,
                owner: Owner::Foreign,
            });
        },
    ),
    ("the route back is a blackhole", "peered-vpc", |_, f| {
        for route in &mut table(f, "rtb-01d2e3f4a5b6c7d01").routes {
            route.active = route.target == "local";
        }
    }),
    ("peerings unreadable", "new-peering", |_, f| {
        super::network(f).peerings = denied("ec2:DescribeVpcPeeringConnections");
    }),
    ("overlapping addresses", "new-peering", |_, f| {
        let vpcs = found(&mut super::network(f).vpcs);
        vpcs.iter_mut()
            .find(|vpc| vpc.id == VPC)
            .unwrap()
            .cidrs
            .push("10.20.128.0/17".to_owned());
    }),
    ("the network stack unreadable", "new-peering", |_, f| {
        let name = crate::plan::shared::network_stack_name(VPC);
        f.network_stacks.insert(name, denied("cloudformation:GetTemplate"));
    }),
    ("another's stack of that name", "new-peering", |_, f| {
        let name = crate::plan::shared::network_stack_name(VPC);
        let mut stack = super::stack("CREATE_COMPLETE", &[("Bucket", "b")], None);
        found(&mut stack).made_by_k2m = false;
        found(&mut stack).name.clone_from(&name);
        f.network_stacks.insert(name, stack);
    }),
    ("the brokers' network ACL lets nothing in", "new-peering", |_, f| {
        for acl in found(&mut super::network(f).network_acls) {
            acl.entries.retain(|entry| entry.cidr != "10.30.0.0/16");
        }
    }),
    ("no VPC of that id", "new-peering", |s, _| {
        s.vpc = Some(chosen("vpc-0".to_owned()));
    }),
    ("subnets of two VPCs", "new-peering", |s, _| {
        s.vpc = None;
        s.subnets = Some(chosen(vec![
            "subnet-0a11b22c33d44e501".to_owned(),
            BROKERS_A.to_owned(),
        ]));
    }),
    (
        "a subnet of the named VPC's and one of the brokers'",
        "new-peering",
        |s, _| {
            s.subnets = Some(chosen(vec![
                "subnet-0a11b22c33d44e501".to_owned(),
                BROKERS_A.to_owned(),
            ]));
        },
    ),
    ("a broker's subnet is gone", "same-vpc", |_, f| {
        found(&mut super::network(f).subnets).retain(|subnet| subnet.id != BROKERS_A);
    }),
    ("a group that isn't there", "same-vpc", |s, _| {
        s.security_group = Some(chosen("sg-0".to_owned()));
    }),
    ("a group of another VPC", "peered-vpc", |s, f| {
        group(f, "sg-1", "vpc-0a1b2c3d4e5f60718", vec![]);
        s.security_group = Some(chosen("sg-1".to_owned()));
    }),
    ("a group that lets nothing out", "same-vpc", |s, f| {
        group(f, "sg-1", "vpc-0a1b2c3d4e5f60718", vec![]);
        s.security_group = Some(chosen("sg-1".to_owned()));
    }),
    ("a group that lets out", "same-vpc", |s, f| {
        let out = foreign("sgr-1", true, RulePeer::Group(GROUP.to_owned()));
        group(f, "sg-1", "vpc-0a1b2c3d4e5f60718", vec![out]);
        s.security_group = Some(chosen("sg-1".to_owned()));
    }),
    ("a group that the brokers let in already", "same-vpc", |s, f| {
        let out = foreign("sgr-1", true, RulePeer::Group(GROUP.to_owned()));
        group(f, "sg-1", "vpc-0a1b2c3d4e5f60718", vec![out]);
        let groups = found(&mut super::network(f).security_groups);
        let cluster = groups.iter_mut().find(|group| group.id == GROUP).unwrap();
        cluster
            .rules
            .push(foreign("sgr-2", false, RulePeer::Group("sg-1".to_owned())));
        s.security_group = Some(chosen("sg-1".to_owned()));
    }),
    ("the cluster's group has 60 rules", "cross-region", |_, f| {
        let groups = found(&mut super::network(f).security_groups);
        let cluster = groups.iter_mut().find(|group| group.id == GROUP).unwrap();
        for number in 0..60 {
            let cidr = RulePeer::Cidr(format!("10.9.{number}.0/24"));
            cluster.rules.push(foreign(&format!("sgr-{number}"), false, cidr));
        }
    }),
    ("two VPCs, one with an odd name", "cross-region", |_, f| {
        another_vpc(f, "us-east-1", Some("\"quo'ted\" \u{1f980}\n<b>\u{202e}x"));
    }),
    ("two VPCs, one named", "cross-region", |s, f| {
        another_vpc(f, "us-east-1", None);
        s.vpc = Some(chosen(VPC.to_owned()));
    }),
    ("no network of the function's region", "cross-region", |_, f| {
        f.networks.remove("us-east-1");
    }),
    ("no right to see the function's route tables", "cross-region", |_, f| {
        f.networks.get_mut("us-east-1").unwrap().route_tables = denied("ec2:DescribeRouteTables");
    }),
    ("serverless in another VPC", "serverless", |s, _| {
        s.vpc = Some(chosen(VPC.to_owned()));
    }),
    ("serverless in public", "serverless", |s, _| {
        s.public_access = chosen(true);
    }),
    ("public access that is switched off", "same-vpc", |s, _| {
        s.public_access = chosen(true);
    }),
    ("public access without a way out", "public-access", |_, f| {
        for table in found(&mut super::network(f).route_tables) {
            table.routes.retain(|route| route.target == "local");
        }
    }),
    ("public access, let in already", "public-access", |s, f| {
        let groups = found(&mut super::network(f).security_groups);
        let cluster = groups.iter_mut().find(|group| group.id == GROUP).unwrap();
        let mut open = foreign("sgr-open", false, RulePeer::Cidr("0.0.0.0/0".to_owned()));
        open.ports = None;
        cluster.rules.push(open);
        s.vpc = Some(chosen(VPC.to_owned()));
    }),
    (
        "private connectivity that is switched off",
        "private-connectivity",
        |_, f| {
            super::cluster(f).private_connectivity.iam = false;
        },
    ),
    (
        "private connectivity for another way than the chosen one",
        "private-connectivity",
        |s, f| {
            super::cluster(f).authentication.scram = true;
            super::cluster(f).private_connectivity.scram = true;
            super::cluster(f).private_connectivity.iam = false;
            s.authentication = Some(chosen(Authentication::Iam));
            s.private_connectivity = Some(chosen(true));
        },
    ),
    (
        "private connectivity that is being switched on",
        "private-connectivity",
        |s, f| {
            super::cluster(f).bootstrap_brokers.remove("VpcConnectivitySaslIam");
            s.private_connectivity = Some(chosen(true));
        },
    ),
    (
        "private connectivity on a port of another door",
        "private-connectivity",
        |_, f| {
            let brokers = &mut super::cluster(f).bootstrap_brokers;
            brokers.insert("VpcConnectivitySaslIam".to_owned(), "b-1.iam.events:9098".to_owned());
        },
    ),
    ("no private connectivity wanted", "private-connectivity", |s, _| {
        s.private_connectivity = Some(chosen(false));
    }),
    (
        "private connectivity from the brokers' own VPC",
        "private-connectivity",
        |s, _| {
            s.vpc = None;
            s.private_connectivity = Some(chosen(true));
        },
    ),
    ("private connectivity of a serverless cluster", "serverless", |s, _| {
        s.private_connectivity = Some(chosen(true));
    }),
    ("private connectivity from another region", "cross-region", |s, f| {
        super::cluster(f).private_connectivity.iam = true;
        s.private_connectivity = Some(chosen(true));
    }),
    ("private connectivity and public access", "public-access", |s, _| {
        s.private_connectivity = Some(chosen(true));
    }),
    (
        "a zone of the brokers without a subnet",
        "private-connectivity",
        |_, f| {
            let subnets = found(&mut super::network(f).subnets);
            subnets.retain(|subnet| subnet.vpc != VPC || subnet.zone != "eu-west-1c");
        },
    ),
    ("VPC connections unreadable", "private-connectivity", |_, f| {
        super::cluster(f).vpc_connections = Some(denied("kafka:ListVpcConnections"));
    }),
    ("somebody else's VPC connection", "private-connectivity", |s, f| {
        connect(f, "AVAILABLE", vec![]);
        s.peering = Some(chosen("pcx-1".to_owned()));
        s.all_broker_ports = chosen(true);
        s.private_connectivity = Some(chosen(true));
    }),
    (
        "somebody else's VPC connection, which lets the VPC in",
        "private-connectivity",
        |_, f| {
            let mut open = foreign("sgr-open", false, RulePeer::Cidr("10.0.0.0/8".to_owned()));
            open.ports = Some((14001, 14100));
            connect(f, "AVAILABLE", vec![open]);
        },
    ),
    ("a VPC connection that is being made", "private-connectivity", |_, f| {
        connect(f, "CREATING", vec![]);
    }),
    ("a VPC connection that was rejected", "private-connectivity", |_, f| {
        connect(f, "REJECTED", vec![]);
    }),
    (
        "a VPC connection where no peering connection is",
        "new-peering",
        |_, f| {
            connect(f, "AVAILABLE", vec![]);
            let cluster = super::cluster(f);
            cluster.private_connectivity.iam = true;
            let brokers = "b-1.iam.events:14001,b-2.iam.events:14002".to_owned();
            cluster
                .bootstrap_brokers
                .insert("VpcConnectivitySaslIam".to_owned(), brokers);
        },
    ),
    (
        "a network ACL of the function's VPC lets no such port in",
        "private-connectivity",
        |_, f| {
            for acl in found(&mut super::network(f).network_acls) {
                for entry in acl.entries.iter_mut().filter(|entry| entry.allow && !entry.egress) {
                    (entry.protocol, entry.ports) = ("6".to_owned(), Some((9000, 10000)));
                }
            }
        },
    ),
    (
        "a named group that lets out to no such port",
        "private-connectivity",
        |s, f| {
            let rules = vec![foreign("sgr-out", true, RulePeer::Cidr("10.20.0.0/16".to_owned()))];
            group(f, "sg-1", VPC, rules);
            s.security_group = Some(chosen("sg-1".to_owned()));
        },
    ),
    (
        "of two VPC connections the one that is available",
        "private-connectivity",
        |_, f| {
            connect(f, "CREATING", vec![]);
            let connections = found(super::cluster(f).vpc_connections.as_mut().unwrap());
            let mut second = connections[0].clone();
            second.arn.push('2');
            second.state = "AVAILABLE".to_owned();
            connections.push(second);
        },
    ),
    ("a VPC connection in no subnet", "private-connectivity", |_, f| {
        connect(f, "AVAILABLE", vec![]);
        found(super::cluster(f).vpc_connections.as_mut().unwrap())[0]
            .subnets
            .clear();
    }),
    (
        "another stack of k2m lets the named group in",
        "private-connectivity",
        |s, f| {
            let mut rule = foreign("sgr-other", false, RulePeer::Group("sg-1".to_owned()));
            rule.ports = Some((14001, 14100));
            rule.owner = Owner::K2mStack("k2m-other".to_owned());
            connect(f, "AVAILABLE", vec![rule]);
            let mut out = foreign("sgr-out", true, RulePeer::Cidr("10.0.0.0/8".to_owned()));
            out.ports = None;
            group(f, "sg-1", VPC, vec![out]);
            s.security_group = Some(chosen("sg-1".to_owned()));
        },
    ),
    (
        "a named group, and k2m's own VPC connection",
        "private-connectivity",
        |s, f| {
            let mut out = foreign("sgr-out", true, RulePeer::Cidr("10.0.0.0/8".to_owned()));
            out.ports = Some((14001, 14100));
            group(f, "sg-1", VPC, vec![out]);
            s.security_group = Some(chosen("sg-1".to_owned()));
        },
    ),
    (
        "six brokers, and a named group that lets out to three",
        "private-connectivity",
        |s, f| {
            let brokers = found(&mut f.brokers);
            for id in 4..=6 {
                let mut more = brokers[0].clone();
                more.id = id;
                brokers.push(more);
            }
            let mut out = foreign("sgr-out", true, RulePeer::Cidr("10.0.0.0/8".to_owned()));
            out.ports = Some((14001, 14003));
            group(f, "sg-1", VPC, vec![out]);
            s.security_group = Some(chosen("sg-1".to_owned()));
        },
    ),
    ("one address left in each subnet", "private-connectivity", |_, f| {
        for subnet in found(&mut super::network(f).subnets) {
            subnet.free_addresses = 1;
        }
    }),
    (
        "a group of somebody else's that is full",
        "private-connectivity",
        |_, f| {
            let rules = (0..60).map(|n| foreign(&format!("sgr-{n}"), false, RulePeer::Cidr(format!("192.0.2.{n}/32"))));
            connect(f, "AVAILABLE", rules.collect());
        },
    ),
    (
        "private connectivity for TLS alone, over IAM",
        "private-connectivity",
        |s, f| {
            super::cluster(f).private_connectivity.iam = false;
            super::cluster(f).private_connectivity.tls = true;
            s.authentication = Some(chosen(Authentication::Iam));
        },
    ),
    (
        "private connectivity for a way that the cluster does not take",
        "private-connectivity",
        |s, f| {
            super::cluster(f).private_connectivity.iam = false;
            super::cluster(f).private_connectivity.tls = true;
            s.private_connectivity = Some(chosen(true));
        },
    ),
    (
        "a peering connection, and a network ACL in the way",
        "peered-vpc",
        |_, f| {
            privately_too(f);
            for acl in found(&mut super::network(f).network_acls) {
                acl.entries.retain(|entry| entry.cidr != "10.30.0.0/16");
            }
        },
    ),
    (
        "a route that nobody could read, and private connectivity",
        "peered-vpc",
        |_, f| {
            privately_too(f);
            for table in found(&mut super::network(f).route_tables) {
                for route in &mut table.routes {
                    if route.target.starts_with("pcx-") {
                        "pl-0a1b2c3d4e5f60718".clone_into(&mut route.destination);
                    }
                }
            }
            super::network(f).prefix_lists = denied("ec2:GetManagedPrefixListEntries");
        },
    ),
    ("two replicas on Express brokers", "express", |s, _| {
        s.pipelines[0].topic_replication_factor = Some(chosen(2));
    }),
];

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let mut text = String::new();
    for (name, base, change) in ROWS {
        let (mut settings, mut facts) = example(base);
        let healthy = plan(&settings, &facts).unwrap();
        change(&mut settings, &mut facts);
        writeln!(text, "## {name} ({base})").unwrap();
        match plan(&settings, &facts) {
            Err(error) => writeln!(text, "exit {}: {error}\n", error.exit().code()).unwrap(),
            Ok(plan) => {
                for decision in plan
                    .decisions
                    .iter()
                    .filter(|decision| !healthy.decisions.contains(decision))
                {
                    writeln!(text, "{}: {}\n  {}", decision.about, decision.choice, decision.why).unwrap();
                }
                for warning in plan
                    .warnings
                    .iter()
                    .filter(|warning| !healthy.warnings.contains(warning))
                {
                    writeln!(text, "warning: {warning}").unwrap();
                }
                writeln!(text).unwrap();
            }
        }
    }
    insta::assert_snapshot!(text);
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

#[test]
fn an_endpoint_for_secrets_is_shared_and_stays_while_anybody_needs_it() {
    let (settings, mut facts) = example("same-vpc");
    super::table::scram_only(&mut facts, Some(super::table::secrets(&[super::table::USER])));
    let first = plan(&settings, &facts).unwrap();
    let endpoint = first.secrets_endpoint.clone().unwrap();
    assert!(endpoint.unconfirmed && !endpoint.exists, "{endpoint:?}");
    insta::assert_snapshot!("secrets-endpoint", render_network(&first.network_stacks[0]).unwrap());
    let after = deployed(&first, &facts);
    let second = plan(&settings, &after).unwrap();
    assert!(second.secrets_endpoint.as_ref().unwrap().exists);
    assert_eq!(first.network_stacks, second.network_stacks);
    assert_eq!(render(&first).unwrap(), render(&second).unwrap());
    // Another stack of the VPC has the same one.
    let mut other = settings.clone();
    other.stack = chosen("k2m-clicks".to_owned());
    let mut seen = after;
    seen.stack = Fact::Absent;
    for pipeline in seen.pipelines.values_mut() {
        pipeline.function = Fact::Absent;
    }
    let shared = plan(&other, &seen).unwrap();
    let stack = &shared.network_stacks[0];
    assert_eq!((stack.users.len(), stack.resources().endpoints.len()), (2, 1));
    assert!(shared.secrets_endpoint.unwrap().exists);
}

#[test]
fn a_vpc_connection_is_shared_and_stays_as_it_is() {
    let (settings, facts) = example("private-connectivity");
    let first = plan(&settings, &facts).unwrap();
    let connection = first.connection.clone().unwrap();
    assert!(
        connection.own && connection.unconfirmed && !connection.exists,
        "{connection:?}"
    );
    let mut seen = deployed(&first, &facts);
    // It can't be changed, so it stays in its subnets though others would be chosen now.
    for subnet in found(&mut super::network(&mut seen).subnets) {
        subnet.free_addresses = 10;
    }
    let second = plan(&settings, &seen).unwrap();
    assert!(second.connection.as_ref().unwrap().exists);
    assert_eq!(first.network_stacks, second.network_stacks);
    // Another stack of the VPC has the same one, for the same way of authentication.
    let mut other = settings.clone();
    other.stack = chosen("k2m-clicks".to_owned());
    seen.stack = Fact::Absent;
    for pipeline in seen.pipelines.values_mut() {
        pipeline.function = Fact::Absent;
    }
    let shared = plan(&other, &seen).unwrap();
    let stack = &shared.network_stacks[0];
    assert_eq!((stack.users.len(), stack.resources().connections.len()), (2, 1));
    assert!(shared.connection.unwrap().exists);
    let user = "eu-west-1/k2m-orders";
    put(&mut seen, &first, stack);
    let rest = NetworkStack::of_others(&seen.network_stacks[&stack.stack], &stack.region, &stack.vpc, user).unwrap();
    assert_eq!(rest.resources().connections, stack.resources().connections);
}

#[test]
fn of_more_than_three_brokers_those_stay_that_the_function_knows() {
    let (settings, facts) = example("private-connectivity");
    let first = plan(&settings, &facts).unwrap();
    let mut seen = deployed(&first, &facts);
    let brokers = found(&mut seen.brokers);
    for id in 4..=6 {
        let mut more = brokers[0].clone();
        more.id = id;
        more.endpoints = vec![format!("b-{id}.events.a1b2c3.c3.kafka.eu-west-1.amazonaws.com")];
        brokers.push(more);
    }
    let others: Vec<String> = (4..=6)
        .map(|id| {
            format!(
                "b-{id}.iam.events.a1b2c3.c3.kafka.eu-west-1.amazonaws.com:{}",
                14000 + id
            )
        })
        .collect();
    let names = &mut super::cluster(&mut seen).bootstrap_brokers;
    names.insert("VpcConnectivitySaslIam".to_owned(), others.join(","));
    let second = plan(&settings, &seen).unwrap();
    assert_eq!(first.cluster.bootstrap_servers, second.cluster.bootstrap_servers);
}

#[test]
fn what_a_network_stack_made_and_somebody_deleted_is_not_taken_for_there() {
    let mut text = String::new();
    for (name, region) in [
        ("new-peering", "eu-west-1"),
        ("cross-region", "eu-west-1"),
        ("private-connectivity", "eu-west-1"),
    ] {
        let (settings, facts) = example(name);
        let first = plan(&settings, &facts).unwrap();
        let mut seen = deployed(&first, &facts);
        for network in seen.networks.values_mut() {
            found(&mut network.peerings).clear();
        }
        if let Some(connections) = &mut super::cluster(&mut seen).vpc_connections {
            found(connections).clear();
        }
        let error = plan(&settings, &seen).unwrap_err();
        writeln!(text, "{name}: exit {}: {error}", error.exit().code()).unwrap();
        assert!(error.to_string().contains(region), "{error}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_deployed_stays_by_its_door() {
    // By k2m's own VPC connection, though somebody else's appears beside it, in whatever state.
    let (settings, facts) = example("private-connectivity");
    let first = plan(&settings, &facts).unwrap();
    for state in ["AVAILABLE", "INACTIVE"] {
        let mut seen = deployed(&first, &facts);
        let own = found(super::cluster(&mut seen).vpc_connections.as_mut().unwrap()).clone();
        connect(&mut seen, state, vec![]);
        found(super::cluster(&mut seen).vpc_connections.as_mut().unwrap()).extend(own);
        let second = plan(&settings, &seen).unwrap_or_else(|error| panic!("{state}: {error}"));
        assert_eq!(first.network, second.network, "{state}");
        assert_eq!(first.network_stacks, second.network_stacks, "{state}");
    }
    // It may be moved into the brokers' own VPC, which takes none.
    let mut seen = deployed(&first, &facts);
    let mut moved = settings.clone();
    moved.vpc = Some(chosen("vpc-0a1b2c3d4e5f60718".to_owned()));
    let inside = plan(&moved, &seen).unwrap();
    assert_eq!((inside.cluster.port, inside.connection.is_none()), (9098, true));
    // Its own connection has to carry packets, and is not taken for deleted where it failed.
    found(super::cluster(&mut seen).vpc_connections.as_mut().unwrap())[0].state = "FAILED".to_owned();
    let error = plan(&settings, &seen).unwrap_err().to_string();
    assert!(error.contains("is FAILED, and has to be AVAILABLE"), "{error}");
    // By a peering connection, whatever is in its way: that is said, and nothing moved.
    let (settings, mut facts) = example("peered-vpc");
    let first = plan(&settings, &facts).unwrap();
    privately_too(&mut facts);
    connect(&mut facts, "AVAILABLE", vec![]);
    let mut seen = deployed(&first, &facts);
    assert_eq!(plan(&settings, &seen).unwrap().network, first.network);
    for acl in found(&mut super::network(&mut seen).network_acls) {
        acl.entries.retain(|entry| entry.cidr != "10.30.0.0/16");
    }
    let error = plan(&settings, &seen).unwrap_err().to_string();
    assert!(error.contains("network ACL") && error.contains("9098"), "{error}");
}

#[test]
fn the_group_of_a_deployed_connection_lets_new_blocks_of_its_vpc_in() {
    let (settings, facts) = example("private-connectivity");
    let first = plan(&settings, &facts).unwrap();
    let mut seen = deployed(&first, &facts);
    let vpcs = found(&mut super::network(&mut seen).vpcs);
    let vpc = vpcs.iter_mut().find(|vpc| vpc.id == VPC).unwrap();
    vpc.cidrs.push("100.64.0.0/16".to_owned());
    let second = plan(&settings, &seen).unwrap();
    let (before, after) = (
        first.network_stacks[0].resources(),
        second.network_stacks[0].resources(),
    );
    let (before, after) = (
        before.connections.values().next().unwrap(),
        after.connections.values().next().unwrap(),
    );
    assert_eq!(before.subnets, after.subnets);
    assert_eq!(
        after.cidrs.iter().collect::<Vec<_>>(),
        ["10.20.0.0/16", "100.64.0.0/16"]
    );
}

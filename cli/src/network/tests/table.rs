//! One row per rule of AWS's: what differs from a healthy network, and what must be said.

use std::fmt::Write as _;

use super::world::Expected::{self, Reachable, Refused, Unknown};
use super::world::{EPHEMERAL, KAFKA, World, gone, to_cidr, to_group, to_list};
use super::*;
use crate::network::{Change, Hop, View, prove};

type Row = (&'static str, Expected, fn(&mut World));

/// VPC, "Security group rules" and "Control traffic to your AWS resources using security groups".
const GROUPS: &[Row] = &[
    ("healthy", Reachable, |_| {}),
    ("port beside the rules", Refused(Hop::Egress), |w| w.port = 9094),
    ("no egress rule", Refused(Hop::Egress), |w| w.rules("sg-fn").clear()),
    ("no ingress rule", Refused(Hop::Ingress), |w| w.rules("sg-msk").clear()),
    (
        "an egress rule of the cluster is no ingress rule",
        Refused(Hop::Ingress),
        |w| w.rules("sg-msk")[0].egress = true,
    ),
    ("no rules at all: answers need none", Refused(Hop::Egress), |w| {
        w.rules("sg-fn").clear();
        w.rules("sg-msk").clear();
    }),
    ("by the CIDR block of the subnet", Reachable, |w| {
        w.ingress("tcp", KAFKA, to_cidr("10.0.1.0/24"));
    }),
    ("by a CIDR block with bits beyond its prefix", Reachable, |w| {
        w.ingress("tcp", KAFKA, to_cidr("10.0.1.9/16"));
    }),
    ("by half of the subnet's block", Refused(Hop::Ingress), |w| {
        w.ingress("tcp", KAFKA, to_cidr("10.0.1.0/25"));
    }),
    ("by half of the subnet's block, one address in it", Reachable, |w| {
        w.ingress("tcp", KAFKA, to_cidr("10.0.1.0/25"));
        w.source.address = Some("10.0.1.127".to_owned());
    }),
    (
        "by half of the subnet's block, one address outside",
        Refused(Hop::Ingress),
        |w| {
            w.ingress("tcp", KAFKA, to_cidr("10.0.1.0/25"));
            w.source.address = Some("10.0.1.128".to_owned());
        },
    ),
    ("two groups cover half each", Reachable, |w| {
        w.ingress("tcp", KAFKA, to_cidr("10.0.1.0/25"));
        let other = rule("sgr-more", false, "tcp", KAFKA, to_cidr("10.0.1.128/25"));
        items(&mut w.network.security_groups).push(group("sg-more", "vpc-a", vec![other]));
        w.destination.security_groups.push("sg-more".to_owned());
    }),
    ("protocol -1 takes in all ports, whatever it says", Reachable, |w| {
        w.ingress("-1", Some((1, 2)), to_cidr("0.0.0.0/0"));
    }),
    ("protocol by number", Reachable, |w| {
        w.ingress("6", Some((9092, 9098)), to_cidr("10.0.0.0/8"));
    }),
    ("another protocol", Refused(Hop::Ingress), |w| {
        w.ingress("udp", None, to_cidr("0.0.0.0/0"));
    }),
    ("a range of ports that ends before", Refused(Hop::Ingress), |w| {
        w.ingress("tcp", Some((9092, 9097)), to_cidr("0.0.0.0/0"));
    }),
    ("ports in the wrong order", Refused(Hop::Ingress), |w| {
        w.ingress("tcp", Some((9099, 9092)), to_cidr("0.0.0.0/0"));
    }),
    ("by an IPv6 block", Refused(Hop::Ingress), |w| {
        w.ingress("tcp", KAFKA, to_cidr("::/0"));
    }),
    ("by a group that the function isn't in", Refused(Hop::Ingress), |w| {
        w.ingress("tcp", KAFKA, to_group("sg-x"));
    }),
    ("by one of the function's groups", Reachable, |w| {
        w.ingress("tcp", KAFKA, to_group("sg-x"));
        items(&mut w.network.security_groups).push(group("sg-x", "vpc-a", vec![]));
        w.source.security_groups.push("sg-x".to_owned());
    }),
    ("both in one group that names itself", Reachable, |w| {
        *w.rules("sg-msk") = vec![
            rule("sgr-in", false, "-1", None, to_group("sg-msk")),
            rule("sgr-out", true, "-1", None, to_cidr("0.0.0.0/0")),
        ];
        w.source.security_groups = owned(&["sg-msk"]);
    }),
    (
        "both in one group that doesn't name itself",
        Refused(Hop::Ingress),
        |w| {
            *w.rules("sg-msk") = vec![rule("sgr-out", true, "-1", None, to_cidr("0.0.0.0/0"))];
            w.source.security_groups = owned(&["sg-msk"]);
        },
    ),
    ("by a prefix list", Reachable, |w| {
        w.ingress("tcp", KAFKA, to_list("pl-fn"));
    }),
    ("by a prefix list that holds half", Refused(Hop::Ingress), |w| {
        items(&mut w.network.prefix_lists)[0].cidrs.remove(1);
        w.ingress("tcp", KAFKA, to_list("pl-fn"));
    }),
    ("by a prefix list that nobody saw", Unknown(Hop::Ingress), |w| {
        w.ingress("tcp", KAFKA, to_list("pl-x"));
    }),
    (
        "by a prefix list that nobody saw, for another port",
        Refused(Hop::Ingress),
        |w| {
            w.ingress("tcp", Some((9092, 9092)), to_list("pl-x"));
        },
    ),
    ("prefix lists can't be read", Unknown(Hop::Ingress), |w| {
        w.network.prefix_lists = unreadable("ec2:DescribeManagedPrefixLists");
        w.ingress("tcp", KAFKA, to_list("pl-fn"));
    }),
    ("groups can't be read", Unknown(Hop::Egress), |w| {
        w.network.security_groups = unreadable("ec2:DescribeSecurityGroups");
    }),
    (
        "the cluster's group is not among the facts",
        Unknown(Hop::Ingress),
        |w| {
            w.open_egress();
            w.destination.security_groups = owned(&["sg-x"]);
        },
    ),
    ("no group is named", Unknown(Hop::Ingress), |w| {
        w.open_egress();
        w.destination.security_groups.clear();
    }),
    ("a rule's block is none", Unknown(Hop::Ingress), |w| {
        w.ingress("tcp", KAFKA, to_cidr("10.0.1.0/33"));
    }),
    (
        "refused for certain although another hop is unknown",
        Refused(Hop::Ingress),
        |w| {
            w.source.security_groups = owned(&["sg-x"]);
            w.rules("sg-msk").clear();
        },
    ),
];

const PLANNED: &[Row] = &[
    (
        "a planned group with its rule, and a planned ingress rule",
        Reachable,
        |w| {
            w.source.security_groups = owned(&["FunctionSecurityGroup"]);
            let out = rule("FunctionToBrokers", true, "tcp", KAFKA, to_group("sg-msk"));
            let into = rule(
                "BrokersFromFunction",
                false,
                "tcp",
                KAFKA,
                to_group("FunctionSecurityGroup"),
            );
            w.changes = vec![
                Change::Group(group("FunctionSecurityGroup", "vpc-a", vec![out])),
                Change::AddRule {
                    group: "sg-msk".to_owned(),
                    rule: into,
                },
            ];
        },
    ),
    ("a planned group without the ingress rule", Refused(Hop::Ingress), |w| {
        w.source.security_groups = owned(&["FunctionSecurityGroup"]);
        let out = rule("FunctionToBrokers", true, "tcp", KAFKA, to_group("sg-msk"));
        w.changes = vec![Change::Group(group("FunctionSecurityGroup", "vpc-a", vec![out]))];
    }),
    (
        "a planned rule is enough, whatever else the group holds",
        Reachable,
        |w| {
            w.network.security_groups = unreadable("ec2:DescribeSecurityGroups");
            let out = rule("FunctionToBrokers", true, "tcp", KAFKA, to_group("sg-msk"));
            let into = rule("BrokersFromFunction", false, "tcp", KAFKA, to_group("sg-fn"));
            w.changes = vec![
                Change::AddRule {
                    group: "sg-fn".to_owned(),
                    rule: out,
                },
                Change::AddRule {
                    group: "sg-msk".to_owned(),
                    rule: into,
                },
            ];
        },
    ),
    (
        "a planned rule for something else leaves it unknown",
        Unknown(Hop::Ingress),
        |w| {
            w.destination.security_groups = owned(&["sg-x"]);
            w.open_egress();
            let into = rule("Other", false, "tcp", Some((1, 1)), to_group("sg-fn"));
            w.changes = vec![Change::AddRule {
                group: "sg-x".to_owned(),
                rule: into,
            }];
        },
    ),
    ("a rule that will be gone", Refused(Hop::Ingress), |w| {
        w.changes = vec![Change::RemoveRule("sgr-in".to_owned())];
    }),
    ("a group that will be exactly this", Refused(Hop::Egress), |w| {
        w.changes = vec![Change::Group(group("sg-fn", "vpc-a", vec![]))];
    }),
];

/// VPC, "Control subnet traffic with network access control lists", "Network ACL rules" and "Ephemeral ports".
const ACLS: &[Row] = &[
    ("a denying entry before the allowing one", Refused(Hop::AclOut), |w| {
        let deny = entry(90, true, false, "6", "10.0.2.5/32", KAFKA);
        w.acl(
            "acl-fn",
            "subnet-fn",
            vec![entry(100, true, true, "-1", "0.0.0.0/0", None), deny],
        );
    }),
    ("a denying entry after the allowing one", Reachable, |w| {
        let all = |number, egress, allow| entry(number, egress, allow, "-1", "0.0.0.0/0", None);
        let entries = vec![
            all(200, true, false),
            all(100, true, true),
            all(200, false, false),
            all(100, false, true),
        ];
        w.acl("acl-fn", "subnet-fn", entries);
    }),
    ("only what is needed", Reachable, |w| {
        let out = entry(100, true, true, "6", "10.0.2.0/24", KAFKA);
        w.acl(
            "acl-fn",
            "subnet-fn",
            vec![out, entry(100, false, true, "6", "10.0.2.0/24", EPHEMERAL)],
        );
        let into = entry(100, false, true, "6", "10.0.1.0/24", KAFKA);
        w.acl(
            "acl-msk",
            "subnet-msk",
            vec![into, entry(100, true, true, "6", "10.0.1.0/24", EPHEMERAL)],
        );
    }),
    ("no entries: only the final one", Refused(Hop::AclOut), |w| {
        w.acl("acl-fn", "subnet-fn", vec![]);
    }),
    ("answers don't come back in", Refused(Hop::AnswerAclIn), |w| {
        w.acl(
            "acl-fn",
            "subnet-fn",
            vec![entry(100, true, true, "-1", "0.0.0.0/0", None)],
        );
    }),
    (
        "answers are let back in on Linux's ports only",
        Refused(Hop::AnswerAclIn),
        |w| {
            let answers = entry(100, false, true, "6", "0.0.0.0/0", Some((32768, 60999)));
            w.acl(
                "acl-fn",
                "subnet-fn",
                vec![entry(100, true, true, "-1", "0.0.0.0/0", None), answers],
            );
        },
    ),
    (
        "the broker's subnet lets in half of the source",
        Refused(Hop::AclIn),
        |w| {
            let entries = vec![
                entry(90, false, false, "-1", "10.0.1.64/26", None),
                entry(100, false, true, "-1", "0.0.0.0/0", None),
                entry(100, true, true, "-1", "0.0.0.0/0", None),
            ];
            w.acl("acl-msk", "subnet-msk", entries);
        },
    ),
    (
        "the broker's subnet lets some answers out",
        Refused(Hop::AnswerAclOut),
        |w| {
            let entries = vec![
                entry(100, false, true, "-1", "0.0.0.0/0", None),
                entry(80, true, false, "6", "10.0.1.0/25", Some((2000, 2999))),
                entry(90, true, false, "6", "10.0.1.0/24", Some((2500, 2600))),
                entry(100, true, true, "-1", "0.0.0.0/0", None),
            ];
            w.acl("acl-msk", "subnet-msk", entries);
        },
    ),
    ("entries for other protocols and IPv6 decide nothing", Reachable, |w| {
        let entries = vec![
            entry(10, true, false, "17", "0.0.0.0/0", None),
            entry(20, true, false, "-1", "::/0", None),
            entry(100, true, true, "-1", "0.0.0.0/0", None),
            entry(100, false, true, "-1", "0.0.0.0/0", None),
        ];
        w.acl("acl-fn", "subnet-fn", entries);
    }),
    ("inside a subnet no network ACL applies", Reachable, |w| {
        w.source.subnet = "subnet-msk".to_owned();
        w.acl("acl-msk", "subnet-msk", vec![]);
    }),
    ("inside a subnet groups still apply", Refused(Hop::Ingress), |w| {
        w.source.subnet = "subnet-msk".to_owned();
        w.rules("sg-msk").clear();
    }),
    ("network ACLs can't be read", Unknown(Hop::AclOut), |w| {
        w.network.network_acls = unreadable("ec2:DescribeNetworkAcls");
    }),
    ("network ACLs can't be read, but nothing needs them", Reachable, |w| {
        w.source.subnet = "subnet-msk".to_owned();
        w.network.network_acls = unreadable("ec2:DescribeNetworkAcls");
    }),
    ("an entry's block is none, behind one that decides", Reachable, |w| {
        items(&mut w.network.network_acls)[0]
            .entries
            .push(entry(200, true, false, "-1", "10.0.0.0", None));
    }),
    (
        "an entry's block is none, before one that decides",
        Unknown(Hop::AclOut),
        |w| {
            items(&mut w.network.network_acls)[0]
                .entries
                .push(entry(50, true, false, "-1", "10.0.0.0", None));
        },
    ),
];

/// VPC, "Subnet route tables" and "How route priority works".
const ROUTES: &[Row] = &[
    (
        "a table of the subnet's own without the route",
        Refused(Hop::Route),
        |w| w.routes("rtb-fn", "subnet-fn", vec![]),
    ),
    ("a default route doesn't matter beside local", Reachable, |w| {
        items(&mut w.network.route_tables)[0]
            .routes
            .push(route("0.0.0.0/0", "nat-1"));
    }),
    ("a blackhole with a longer prefix", Refused(Hop::Route), |w| {
        items(&mut w.network.route_tables)[0]
            .routes
            .push(gone("10.0.2.0/24", "eni-1"));
    }),
    ("a blackhole with a shorter prefix", Reachable, |w| {
        items(&mut w.network.route_tables)[0]
            .routes
            .push(gone("10.0.0.0/8", "pcx-1"));
    }),
    ("a longer prefix through an endpoint", Unknown(Hop::Gateway), |w| {
        w.open_egress();
        w.ingress("tcp", KAFKA, to_cidr("10.0.1.0/24"));
        items(&mut w.network.route_tables)[0]
            .routes
            .push(route("10.0.2.0/24", "vpce-1"));
    }),
    (
        "answers go into a blackhole, for a part of the source",
        Refused(Hop::AnswerRoute),
        |w| {
            w.routes(
                "rtb-msk",
                "subnet-msk",
                vec![route("10.0.0.0/16", "local"), gone("10.0.1.32/27", "eni-1")],
            );
        },
    ),
    (
        "answers have a route for a part of the source",
        Refused(Hop::AnswerRoute),
        |w| {
            w.routes("rtb-msk", "subnet-msk", vec![route("10.0.1.0/25", "local")]);
        },
    ),
    ("a CIDR route wins over an equal one of a prefix list", Reachable, |w| {
        items(&mut w.network.prefix_lists).push(prefix_list("pl-all", &["10.0.0.0/16"]));
        items(&mut w.network.route_tables)[0]
            .routes
            .insert(0, gone("pl-all", "tgw-1"));
    }),
    ("a longer prefix of a prefix list wins", Refused(Hop::Route), |w| {
        items(&mut w.network.prefix_lists).push(prefix_list("pl-msk", &["10.9.0.0/16", "10.0.2.0/24"]));
        items(&mut w.network.route_tables)[0]
            .routes
            .push(gone("pl-msk", "tgw-1"));
    }),
    ("two prefix lists with equal blocks", Unknown(Hop::Route), |w| {
        items(&mut w.network.prefix_lists).extend([
            prefix_list("pl-1", &["10.0.2.0/24"]),
            prefix_list("pl-2", &["10.0.2.0/24"]),
        ]);
        items(&mut w.network.route_tables)[0]
            .routes
            .extend([gone("pl-1", "tgw-1"), gone("pl-2", "pcx-1")]);
    }),
    ("a prefix list that nobody saw", Unknown(Hop::Route), |w| {
        items(&mut w.network.route_tables)[0]
            .routes
            .push(route("pl-x", "vpce-1"));
    }),
    (
        "a propagated route gives way to local, however specific",
        Reachable,
        |w| {
            items(&mut w.network.route_tables)[0].routes.push(Route {
                propagated: true,
                ..gone("10.0.2.0/24", "vgw-1")
            });
        },
    ),
    ("an IPv6 route matches no IPv4 packet", Reachable, |w| {
        items(&mut w.network.route_tables)[0]
            .routes
            .push(gone("::/0", "eigw-1"));
    }),
    ("another VPC, no route", Refused(Hop::Route), |w| {
        w.broker_in_other_vpc();
        w.rules("sg-fn")[0].peer = to_cidr("10.1.0.0/16");
    }),
    (
        "another VPC, by a peering connection that nobody saw",
        Unknown(Hop::Gateway),
        |w| {
            w.broker_in_other_vpc();
            w.rules("sg-fn")[0].peer = to_cidr("10.1.0.0/16");
            w.ingress("tcp", KAFKA, to_cidr("10.0.1.0/24"));
            items(&mut w.network.route_tables)[0]
                .routes
                .push(route("10.1.0.0/16", "pcx-1"));
            items(&mut w.network.route_tables)[1]
                .routes
                .push(route("10.0.0.0/16", "pcx-1"));
        },
    ),
    ("another VPC, rules by group", Unknown(Hop::Egress), |w| {
        w.broker_in_other_vpc();
        items(&mut w.network.route_tables)[0]
            .routes
            .push(route("10.1.0.0/16", "pcx-1"));
        items(&mut w.network.route_tables)[1]
            .routes
            .push(route("10.0.0.0/16", "pcx-1"));
    }),
    ("another VPC whose blocks overlap", Refused(Hop::Route), |w| {
        items(&mut w.network.subnets).push(subnet("subnet-twin", "vpc-b", "10.0.2.0/24"));
        w.destination.subnet = "subnet-twin".to_owned();
        w.open_egress();
    }),
    ("route tables can't be read", Unknown(Hop::Route), |w| {
        w.network.route_tables = unreadable("ec2:DescribeRouteTables");
    }),
    ("subnets can't be read", Unknown(Hop::Ends), |w| {
        w.network.subnets = unreadable("ec2:DescribeSubnets");
    }),
    ("the broker's subnet is not among the facts", Unknown(Hop::Ends), |w| {
        w.destination.subnet = "subnet-gone".to_owned();
    }),
    ("the broker's address is outside its subnet", Unknown(Hop::Ends), |w| {
        w.destination.address = Some("10.0.3.5".to_owned());
    }),
    ("any address of the subnet may be the broker's", Reachable, |w| {
        w.destination.address = None;
    }),
    (
        "any address of the subnet, half of which is let out to",
        Refused(Hop::Egress),
        |w| {
            w.destination.address = None;
            let rules = w.rules("sg-fn");
            rules.clear();
            rules.push(Rule {
                id: "sgr-half".to_owned(),
                egress: true,
                protocol: "tcp".to_owned(),
                ports: Some((PORT, PORT)),
                peer: RulePeer::Cidr("10.0.2.0/25".to_owned()),
                owner: Owner::Foreign,
            });
        },
    ),
    ("the broker's address is of IPv6", Unknown(Hop::Ends), |w| {
        w.destination.address = Some("fd00::5".to_owned());
    }),
];

#[test]
fn what_aws_says() {
    let mut lines = String::new();
    for (title, rows) in [
        ("groups", GROUPS),
        ("planned", PLANNED),
        ("acls", ACLS),
        ("routes", ROUTES),
    ] {
        writeln!(lines, "## {title}").unwrap();
        for (name, expected, spoil) in rows {
            let mut world = World::healthy();
            spoil(&mut world);
            let proof = world.prove();
            let said = Expected::of(&proof.verdict);
            assert_eq!(&said, expected, "{name}: {proof}");
            writeln!(lines, "{name}:\n    {}", proof.verdict).unwrap();
        }
    }
    insta::assert_snapshot!(lines);
}

/// Text and JSON of one value: a healthy proof shows each rule that decides, a spoilt one each hop that refuses.
#[test]
fn a_whole_proof() {
    let mut world = World::healthy();
    let healthy = prove(&View::new(&world.networks()), &world.source, &world.destination, PORT);
    world.acl(
        "acl-msk",
        "subnet-msk",
        vec![entry(100, false, true, "6", "10.0.1.0/25", None)],
    );
    world.rules("sg-msk").clear();
    let spoilt = prove(&View::new(&world.networks()), &world.source, &world.destination, PORT);
    assert_eq!(
        spoilt.refusals().map(|(hop, _)| hop).collect::<Vec<_>>(),
        [Hop::AclIn, Hop::Ingress, Hop::AnswerAclOut]
    );

    let mut text = String::new();
    for proof in [&healthy, &spoilt] {
        writeln!(text, "{proof}").unwrap();
        for step in &proof.steps {
            writeln!(text, "    {step}").unwrap();
        }
    }
    insta::assert_snapshot!(text);
    insta::assert_json_snapshot!(spoilt);
}

//! One row per rule of AWS's about what lies between VPCs, regions and data centres: where AWS says it, what differs from a healthy network,
//! and what must be said. Where something mends it, that is done too, and the connection must work.

use std::fmt::Write as _;

use super::world::Expected::{self, Reachable, Refused, Through, Unknown};
use super::world::{KAFKA, World, gone, peering, to_cidr, to_group};
use super::*;
use crate::network::{Change, Hop, Verdict};

/// Name, where AWS says it, what must be said, and what differs from one VPC in which all is well.
type Row = (&'static str, &'static str, Expected, Spoil);

type Spoil = fn(&mut World);

const PEER_GROUPS: &str = "VPC Peering, \"Update your security groups to reference peer security groups\"";
const PEERING: &str = "VPC Peering, \"How VPC peering connections work\"";
const PEERING_ROUTES: &str = "VPC Peering, \"Update your route tables for a VPC peering connection\"";
const PRIORITY: &str = "VPC, \"How route priority works\"";
const VPN_PRIORITY: &str = "Site-to-Site VPN, \"Route tables and VPN route priority\"";
const SUBNET_TABLES: &str = "VPC, \"Subnet route tables\"";
const NAT: &str = "VPC, \"NAT gateways\"";
const INTERNET: &str = "VPC, \"Enable internet access using internet gateways\"";
const EGRESS_ONLY: &str = "VPC, \"Egress-only internet gateways\"";
const MIDDLEBOX: &str = "VPC, \"Middlebox routing\"";
const ACL: &str = "VPC, \"Control subnet traffic with network access control lists\"";
const ATTACHMENTS: &str = "Transit Gateways, \"VPC attachments\"";
const GATEWAY_ACLS: &str = "Transit Gateways, \"Network ACLs for transit gateways\"";
const GATEWAY_GROUPS: &str = "AWS blog, \"Introducing security group referencing for AWS Transit Gateway\"";
const GATEWAY: &str = "Transit Gateways, \"How transit gateways work\"";
const LAMBDA: &str = "Lambda, \"Enable internet access for VPC-connected Lambda functions\"";

const PEERINGS: &[Row] = &[
    (
        "rules name groups both ways over an active peering",
        PEER_GROUPS,
        Reachable,
        World::peered,
    ),
    (
        "a group of the peer, peering not active yet",
        PEER_GROUPS,
        Refused(Hop::Egress),
        |w| {
            w.peered();
            w.peering().status = "pending-acceptance".to_owned();
        },
    ),
    (
        "a stale group: peering gone, packets leave by a VPN",
        PEER_GROUPS,
        Refused(Hop::Ingress),
        |w| {
            w.broker_in_other_vpc();
            w.lead("vgw-1", "vgw-2");
            w.open_egress();
        },
    ),
    ("not accepted yet", PEERING, Refused(Hop::Gateway), |w| {
        w.peered_as("pending-acceptance");
    }),
    ("being made", PEERING, Refused(Hop::Gateway), |w| {
        w.peered_as("provisioning");
    }),
    ("being asked for", PEERING, Refused(Hop::Gateway), |w| {
        w.peered_as("initiating-request");
    }),
    ("failed", PEERING, Refused(Hop::Gateway), |w| w.peered_as("failed")),
    ("rejected", PEERING, Refused(Hop::Gateway), |w| w.peered_as("rejected")),
    ("no route there", PEERING_ROUTES, Refused(Hop::Route), |w| {
        w.peered();
        w.table("rtb-a").pop();
    }),
    ("no route back", PEERING_ROUTES, Refused(Hop::AnswerRoute), |w| {
        w.peered();
        w.table("rtb-b").pop();
    }),
    (
        "a route to a part of the subnet",
        PEERING_ROUTES,
        Refused(Hop::Route),
        |w| {
            w.peered();
            w.destination.address = None;
            w.table("rtb-a")[1].destination = "10.1.2.0/25".to_owned();
        },
    ),
    (
        "a route back to a part of the subnet",
        PEERING_ROUTES,
        Refused(Hop::AnswerRoute),
        |w| {
            w.peered();
            w.table("rtb-b")[1].destination = "10.0.1.0/28".to_owned();
        },
    ),
    ("nothing joins the VPCs", PEERING_ROUTES, Refused(Hop::Route), |w| {
        w.broker_in_other_vpc();
        w.by_cidr();
    }),
    (
        "the peering is gone and its routes are blackholes",
        PEERING_ROUTES,
        Refused(Hop::Route),
        |w| {
            w.broker_in_other_vpc();
            w.by_cidr();
            w.table("rtb-a").push(gone("10.1.0.0/16", "pcx-1"));
        },
    ),
    (
        "a new peering, and the old one's route is a blackhole",
        PEERING_ROUTES,
        Refused(Hop::Route),
        |w| {
            w.peered();
            w.table("rtb-a")[1] = gone("10.1.0.0/16", "pcx-0");
        },
    ),
    ("no transit through a third VPC", PEERING, Refused(Hop::Gateway), |w| {
        w.broker_in_other_vpc();
        w.by_cidr();
        w.lead("pcx-2", "pcx-3");
        let third = peering("pcx-2", "active", "vpc-c", (REGION, "10.2.0.0/16"));
        items(&mut w.network.peerings).push(third);
    }),
    ("the wrong one of two peerings", PEERING, Refused(Hop::Gateway), |w| {
        w.peered();
        w.by_cidr();
        w.table("rtb-a")[1].target = "pcx-2".to_owned();
        let third = peering("pcx-2", "active", "vpc-c", (REGION, "10.2.0.0/16"));
        items(&mut w.network.peerings).push(third);
    }),
    (
        "any overlap of blocks, used or not",
        PEERING,
        Refused(Hop::Gateway),
        |w| {
            w.peered();
            items(&mut w.network.vpcs)[1].cidrs.push("10.0.128.0/17".to_owned());
        },
    ),
    (
        "overlapping blocks, and no peering",
        PEERING,
        Refused(Hop::Route),
        |w| {
            w.broker_in_other_vpc();
            w.by_cidr();
            items(&mut w.network.vpcs)[1].cidrs.push("10.0.128.0/17".to_owned());
        },
    ),
    ("a peering that nobody saw", PEERING, Unknown(Hop::Gateway), |w| {
        w.peered_as("active");
        items(&mut w.network.peerings).clear();
    }),
    ("peerings can't be read", PEERING, Unknown(Hop::Gateway), |w| {
        w.peered_as("active");
        w.network.peerings = unreadable("ec2:DescribeVpcPeeringConnections");
    }),
    (
        "peerings can't be read, rules name groups",
        PEER_GROUPS,
        Unknown(Hop::Egress),
        |w| {
            w.peered();
            w.network.peerings = unreadable("ec2:DescribeVpcPeeringConnections");
        },
    ),
    (
        "VPCs can't be read, but the peering says their blocks",
        PEERING,
        Reachable,
        |w| {
            w.peered();
            w.network.vpcs = unreadable("ec2:DescribeVpcs");
        },
    ),
    (
        "VPCs can't be read, nor does the peering say",
        PEERING,
        Unknown(Hop::Gateway),
        |w| {
            w.peered();
            w.peering().accepter.cidrs.clear();
            w.network.vpcs = unreadable("ec2:DescribeVpcs");
        },
    ),
    (
        "network ACLs see the real addresses across a peering",
        ACL,
        Reachable,
        |w| {
            w.peered();
            let into = entry(100, false, true, "6", "10.0.1.0/24", KAFKA);
            let out = entry(100, true, true, "6", "10.0.1.0/24", Some((1024, 65535)));
            let own = acl("acl-far", "vpc-b", &["subnet-far"], vec![into, out]);
            items(&mut w.network.network_acls).push(own);
        },
    ),
    (
        "the peer's network ACL denies the source's addresses",
        ACL,
        Refused(Hop::AclIn),
        |w| {
            w.peered();
            let far = &mut items(&mut w.network.network_acls)[1];
            far.entries.push(entry(10, false, false, "6", "10.0.1.0/24", None));
        },
    ),
    (
        "there by a peering, back by a transit gateway",
        PEERING_ROUTES,
        Through(Hop::AnswerGateway),
        |w| {
            w.attached();
            w.peered();
            w.table("rtb-a").remove(1);
            w.table("rtb-b").pop();
        },
    ),
];

const PLANNED: &[Row] = &[
    (
        "a peering, its routes and rules that name groups",
        PEERING_ROUTES,
        Reachable,
        |w| {
            w.broker_in_other_vpc();
            let add = |table: &str, destination| Change::AddRoute {
                table: table.to_owned(),
                route: route(destination, "Peering"),
            };
            w.changes = vec![
                Change::Peering(peering("Peering", "active", "vpc-b", (REGION, "10.1.0.0/16"))),
                add("rtb-a", "10.1.0.0/16"),
                add("rtb-b", "10.0.0.0/16"),
            ];
        },
    ),
    ("the waiting peering will be accepted", PEERING, Reachable, |w| {
        w.peered_as("pending-acceptance");
        let sides = (REGION, "10.1.0.0/16");
        w.changes = vec![Change::Peering(peering("pcx-1", "active", "vpc-b", sides))];
    }),
    (
        "a route to a destination that has one",
        SUBNET_TABLES,
        Unknown(Hop::Route),
        |w| {
            w.peered();
            w.table("rtb-a")[1].target = "pcx-0".to_owned();
            w.changes = vec![Change::AddRoute {
                table: "rtb-a".to_owned(),
                route: route("10.1.0.0/16", "pcx-1"),
            }];
        },
    ),
    ("the old route will be gone", SUBNET_TABLES, Reachable, |w| {
        w.peered();
        w.table("rtb-a")[1].target = "pcx-0".to_owned();
        w.changes = vec![
            Change::RemoveRoute {
                table: "rtb-a".to_owned(),
                destination: "10.1.0.0/16".to_owned(),
            },
            Change::AddRoute {
                table: "rtb-a".to_owned(),
                route: route("10.1.0.0/16", "pcx-1"),
            },
        ];
    }),
    (
        "a route in another table than the subnet's",
        SUBNET_TABLES,
        Refused(Hop::Route),
        |w| {
            w.peered();
            w.routes("rtb-fn", "subnet-fn", vec![route("10.0.0.0/16", "local")]);
        },
    ),
];

const REGIONS: &[Row] = &[
    (
        "by CIDR blocks across regions",
        PEER_GROUPS,
        Reachable,
        World::in_other_region,
    ),
    (
        "a rule that names a group across regions",
        PEER_GROUPS,
        Refused(Hop::Egress),
        |w| {
            w.in_other_region();
            w.rules("sg-fn")[0].peer = to_group("sg-msk");
        },
    ),
    (
        "a rule that names a group across regions, for what comes in",
        PEER_GROUPS,
        Refused(Hop::Ingress),
        |w| {
            w.in_other_region();
            items(&mut w.far().security_groups)[0].rules[0].peer = to_group("sg-fn");
        },
    ),
    (
        "accepted in the accepter's region",
        PEERING,
        Refused(Hop::Gateway),
        |w| {
            w.in_other_region();
            w.peering().status = "pending-acceptance".to_owned();
            items(&mut w.far().peerings)[0].status = "pending-acceptance".to_owned();
        },
    ),
    (
        "what one region can't read, the other one has",
        PEERING,
        Reachable,
        |w| {
            w.in_other_region();
            w.network.peerings = unreadable("ec2:DescribeVpcPeeringConnections");
        },
    ),
    (
        "route tables of the other region can't be read",
        SUBNET_TABLES,
        Unknown(Hop::AnswerRoute),
        |w| {
            w.in_other_region();
            w.far().route_tables = unreadable("ec2:DescribeRouteTables");
        },
    ),
    (
        "groups of the own region can't be read",
        PEER_GROUPS,
        Unknown(Hop::Egress),
        |w| {
            w.in_other_region();
            w.network.security_groups = unreadable("ec2:DescribeSecurityGroups");
        },
    ),
    (
        "subnets of the other region can't be read",
        SUBNET_TABLES,
        Unknown(Hop::Ends),
        |w| {
            w.in_other_region();
            w.far().subnets = unreadable("ec2:DescribeSubnets");
        },
    ),
    ("nothing joins two regions", PEERING, Refused(Hop::Route), |w| {
        w.in_other_region();
        w.table("rtb-a").pop();
        items(&mut w.far().route_tables)[0].routes.pop();
        items(&mut w.network.peerings).clear();
        items(&mut w.far().peerings).clear();
    }),
];

const TRANSIT: &[Row] = &[
    ("as far as the gateway", GATEWAY, Through(Hop::Gateway), World::attached),
    (
        "egress rules can't name groups across it",
        GATEWAY_GROUPS,
        Refused(Hop::Egress),
        |w| {
            w.attached();
            w.rules("sg-fn")[0].peer = to_group("sg-msk");
        },
    ),
    (
        "ingress rules can, where that is switched on",
        GATEWAY_GROUPS,
        Unknown(Hop::Ingress),
        |w| {
            w.attached();
            w.ingress("tcp", KAFKA, to_group("sg-fn"));
        },
    ),
    ("not attached", ATTACHMENTS, Refused(Hop::Gateway), |w| {
        w.attached();
        items(&mut w.network.transit_gateway_attachments).remove(0);
    }),
    (
        "the other VPC is not attached",
        ATTACHMENTS,
        Refused(Hop::Gateway),
        |w| {
            w.attached();
            items(&mut w.network.transit_gateway_attachments).remove(1);
        },
    ),
    (
        "the other VPC is not attached, but answers over a VPN",
        ATTACHMENTS,
        Through(Hop::Gateway),
        |w| {
            w.attached();
            items(&mut w.network.transit_gateway_attachments).remove(1);
            w.table("rtb-b")[1].target = "vgw-1".to_owned();
        },
    ),
    (
        "the attachment waits for its gateway's owner",
        ATTACHMENTS,
        Refused(Hop::Gateway),
        |w| {
            w.attached();
            w.attachment("tgw-attach-a").state = "pendingAcceptance".to_owned();
        },
    ),
    (
        "the other attachment is failing",
        ATTACHMENTS,
        Refused(Hop::Gateway),
        |w| {
            w.attached();
            w.attachment("tgw-attach-b").state = "failing".to_owned();
        },
    ),
    (
        "the attachment is being changed",
        ATTACHMENTS,
        Unknown(Hop::Gateway),
        |w| {
            w.attached();
            w.attachment("tgw-attach-a").state = "modifying".to_owned();
        },
    ),
    (
        "no attachment in the source's zone",
        ATTACHMENTS,
        Refused(Hop::Gateway),
        |w| {
            w.attached();
            w.zone("subnet-fn", "eu-west-1b");
        },
    ),
    (
        "no attachment in the broker's zone",
        ATTACHMENTS,
        Refused(Hop::AnswerGateway),
        |w| {
            w.attached();
            w.zone("subnet-far", "eu-west-1b");
        },
    ),
    ("attachments can't be read", ATTACHMENTS, Unknown(Hop::Gateway), |w| {
        w.attached();
        w.network.transit_gateway_attachments = unreadable("ec2:DescribeTransitGatewayVpcAttachments");
    }),
    (
        "the attachment's subnet is not among the facts",
        ATTACHMENTS,
        Unknown(Hop::Gateway),
        |w| {
            w.attached();
            w.attachment("tgw-attach-a").subnets = owned(&["subnet-x"]);
        },
    ),
    (
        "the attachment's network ACL lets nothing of the source in",
        GATEWAY_ACLS,
        Refused(Hop::Gateway),
        |w| {
            w.attached();
            w.closed("vpc-a", "subnet-tgw-a", false);
        },
    ),
    (
        "the attachment's network ACL: nothing goes out to the gateway by it",
        GATEWAY_ACLS,
        Refused(Hop::AnswerGateway),
        |w| {
            w.attached();
            w.closed("vpc-a", "subnet-tgw-a", true);
        },
    ),
    (
        "the other attachment's network ACL lets nothing out to the broker",
        GATEWAY_ACLS,
        Refused(Hop::Gateway),
        |w| {
            w.attached();
            w.closed("vpc-b", "subnet-tgw-b", true);
        },
    ),
    (
        "one of two subnets that packets may come in by denies them",
        GATEWAY_ACLS,
        Unknown(Hop::Gateway),
        |w| {
            w.attached();
            items(&mut w.network.subnets).push(subnet("subnet-tgw-c", "vpc-b", "10.1.9.16/28"));
            w.attachment("tgw-attach-b").subnets.push("subnet-tgw-c".to_owned());
            w.closed("vpc-b", "subnet-tgw-c", true);
        },
    ),
    (
        "in the attachment's own subnet, what comes from the gateway meets no ACL",
        GATEWAY_ACLS,
        Refused(Hop::Gateway),
        |w| {
            w.attached();
            w.attachment("tgw-attach-a").subnets = owned(&["subnet-fn"]);
            w.closed("vpc-a", "subnet-fn", false);
        },
    ),
    (
        "in the attachment's own subnet, answers are not denied",
        GATEWAY_ACLS,
        Through(Hop::Gateway),
        |w| {
            w.attached();
            w.attachment("tgw-attach-a").subnets = owned(&["subnet-fn"]);
            let into = entry(100, false, true, "6", "10.0.1.0/24", KAFKA);
            let out = entry(100, true, true, "6", "10.1.0.0/16", KAFKA);
            w.acl("acl-fn", "subnet-fn", vec![into, out]);
        },
    ),
    (
        "in one of the attachment's own subnets",
        GATEWAY_ACLS,
        Unknown(Hop::AclIn),
        |w| {
            w.attached();
            w.attachment("tgw-attach-b").subnets.push("subnet-far".to_owned());
            let answers = entry(90, false, true, "6", "10.1.0.0/16", Some((1024, 9000)));
            w.closed("vpc-b", "subnet-far", false);
            let own = items(&mut w.network.network_acls).last_mut().unwrap();
            own.entries.push(answers);
        },
    ),
    (
        "the way to a transit gateway of the other region",
        GATEWAY,
        Through(Hop::Gateway),
        |w| {
            w.attached();
            w.attachment("tgw-attach-b").gateway = "tgw-2".to_owned();
            w.table("rtb-b")[1].target = "tgw-2".to_owned();
        },
    ),
];

const GATEWAYS: &[Row] = &[
    (
        "by a virtual private gateway",
        VPN_PRIORITY,
        Through(Hop::Gateway),
        |w| {
            w.broker_in_other_vpc();
            w.by_cidr();
            w.lead("vgw-1", "vgw-2");
        },
    ),
    ("by a core network", SUBNET_TABLES, Through(Hop::Gateway), |w| {
        w.broker_in_other_vpc();
        w.by_cidr();
        let arn = "arn:aws:networkmanager::111122223333:core-network/core-network-1";
        w.lead(arn, arn);
    }),
    (
        "a default route to the internet leads to no other VPC",
        INTERNET,
        Refused(Hop::Gateway),
        |w| {
            w.peered();
            w.by_cidr();
            w.table("rtb-a")[1] = route("0.0.0.0/0", "igw-1");
        },
    ),
    ("a default route to a NAT gateway", NAT, Refused(Hop::Gateway), |w| {
        w.peered();
        w.by_cidr();
        w.table("rtb-a")[1] = route("0.0.0.0/0", "nat-1");
        w.routes("rtb-public", "subnet-public", vec![route("0.0.0.0/0", "igw-1")]);
    }),
    (
        "a NAT gateway, and a table that leads on to a transit gateway",
        NAT,
        Unknown(Hop::Gateway),
        |w| {
            w.peered();
            w.by_cidr();
            w.table("rtb-a")[1] = route("0.0.0.0/0", "nat-1");
            w.routes("rtb-nat", "subnet-nat", vec![route("10.1.0.0/16", "tgw-1")]);
        },
    ),
    (
        "an egress-only internet gateway",
        EGRESS_ONLY,
        Refused(Hop::Gateway),
        |w| {
            w.peered();
            w.by_cidr();
            w.table("rtb-a")[1].target = "eigw-1".to_owned();
        },
    ),
    (
        "an endpoint of a gateway load balancer",
        MIDDLEBOX,
        Unknown(Hop::Gateway),
        |w| {
            w.peered();
            w.by_cidr();
            w.table("rtb-a")[1].target = "vpce-1".to_owned();
        },
    ),
    ("an appliance both ways", MIDDLEBOX, Through(Hop::Gateway), |w| {
        w.by_cidr();
        w.rules("sg-fn")[0].peer = to_cidr("10.0.2.0/24");
        w.table("rtb-a")
            .extend([route("10.0.2.0/24", "eni-1"), route("10.0.1.0/24", "eni-1")]);
    }),
    ("an appliance one way", MIDDLEBOX, Unknown(Hop::Gateway), |w| {
        w.by_cidr();
        w.rules("sg-fn")[0].peer = to_cidr("10.0.2.0/24");
        w.table("rtb-a").push(route("10.0.2.0/24", "eni-1"));
    }),
    (
        "rules can't name groups behind an appliance",
        PEER_GROUPS,
        Refused(Hop::Egress),
        |w| {
            w.table("rtb-a")
                .extend([route("10.0.2.0/24", "eni-1"), route("10.0.1.0/24", "eni-1")]);
        },
    ),
    (
        "a default route to an instance's interface",
        NAT,
        Unknown(Hop::Gateway),
        |w| {
            w.peered();
            w.by_cidr();
            w.table("rtb-a")[1] = route("0.0.0.0/0", "eni-1");
        },
    ),
    (
        "a static route wins over an equal propagated one",
        PRIORITY,
        Reachable,
        |w| {
            w.peered();
            w.table("rtb-a").insert(0, propagated("10.1.0.0/16"));
        },
    ),
    (
        "a more specific propagated route wins",
        PRIORITY,
        Through(Hop::Gateway),
        |w| {
            w.peered_as("active");
            w.table("rtb-a").push(propagated("10.1.2.0/24"));
        },
    ),
    (
        "a prefix list's route wins over an equal propagated one",
        PRIORITY,
        Reachable,
        |w| {
            w.peered();
            w.table("rtb-a")[1].destination = "pl-b".to_owned();
            w.table("rtb-a").insert(0, propagated("10.1.0.0/16"));
            items(&mut w.network.prefix_lists).push(prefix_list("pl-b", &["10.1.0.0/16"]));
        },
    ),
    (
        "local wins over a more specific propagated route",
        VPN_PRIORITY,
        Reachable,
        |w| {
            w.table("rtb-a").push(propagated("10.0.2.0/24"));
        },
    ),
    (
        "a more specific static route wins over local, a propagated one between doesn't",
        VPN_PRIORITY,
        Refused(Hop::Route),
        |w| {
            w.table("rtb-a")
                .extend([propagated("10.0.2.0/28"), gone("10.0.2.0/24", "eni-1")]);
        },
    ),
];

const OUTSIDE: &[Row] = &[
    (
        "by a virtual private gateway",
        VPN_PRIORITY,
        Through(Hop::Gateway),
        |w| {
            w.outside("172.20.0.9", Some(route("172.20.0.0/16", "vgw-1")));
        },
    ),
    ("by a propagated route", VPN_PRIORITY, Through(Hop::Gateway), |w| {
        w.outside("172.20.0.0/24", Some(propagated("172.20.0.0/16")));
    }),
    ("by a transit gateway", GATEWAY, Through(Hop::Gateway), |w| {
        w.attached();
        w.outside("172.20.0.9", Some(route("172.16.0.0/12", "tgw-1")));
    }),
    (
        "by a transit gateway without an attachment",
        ATTACHMENTS,
        Refused(Hop::Gateway),
        |w| {
            w.outside("172.20.0.9", Some(route("172.16.0.0/12", "tgw-1")));
        },
    ),
    ("no route", SUBNET_TABLES, Refused(Hop::Route), |w| {
        w.outside("172.20.0.9", None);
    }),
    ("a rule that names a group", PEER_GROUPS, Refused(Hop::Egress), |w| {
        w.outside("172.20.0.9", Some(route("172.20.0.0/16", "vgw-1")));
        w.rules("sg-fn")[0].peer = to_group("sg-msk");
    }),
    ("the network ACL lets nothing out", ACL, Refused(Hop::AclOut), |w| {
        w.outside("172.20.0.9", Some(route("172.20.0.0/16", "vgw-1")));
        w.closed("vpc-a", "subnet-fn", true);
    }),
    (
        "the network ACL lets no answers in",
        ACL,
        Refused(Hop::AnswerAclIn),
        |w| {
            w.outside("172.20.0.9", Some(route("172.20.0.0/16", "vgw-1")));
            w.closed("vpc-a", "subnet-fn", false);
        },
    ),
    ("a public address by a NAT gateway", NAT, Through(Hop::Gateway), |w| {
        w.outside("203.0.113.9", Some(route("0.0.0.0/0", "nat-1")));
    }),
    ("a private address by a NAT gateway", NAT, Refused(Hop::Gateway), |w| {
        w.outside("172.20.0.9", Some(route("0.0.0.0/0", "nat-1")));
    }),
    (
        "a public address by an internet gateway: the function has none",
        LAMBDA,
        Refused(Hop::Gateway),
        |w| {
            w.outside("203.0.113.9", Some(route("0.0.0.0/0", "igw-1")));
        },
    ),
    ("an address of the peer's", PEERING, Through(Hop::Gateway), |w| {
        w.peered();
        w.outside("10.1.7.7", None);
    }),
    (
        "a gateway of the peer's can't be used",
        PEERING,
        Refused(Hop::Gateway),
        |w| {
            w.peered();
            w.outside("172.20.0.9", Some(route("172.20.0.0/16", "pcx-1")));
        },
    ),
    (
        "an address of the VPC itself",
        SUBNET_TABLES,
        Unknown(Hop::Route),
        |w| {
            w.outside("10.0.7.7", None);
        },
    ),
    ("no address at all", SUBNET_TABLES, Unknown(Hop::Ends), |w| {
        w.outside("kafka.example", None);
    }),
];

fn propagated(destination: &str) -> Route {
    Route {
        propagated: true,
        ..route(destination, "vgw-1")
    }
}

/// Mends what is refused until nothing is left to mend.
fn mended(world: &World) -> Verdict {
    let mut networks = world.networks();
    let mut verdict = world.prove().verdict;
    for _ in 0..20 {
        let Verdict::Refused { reason, .. } = &verdict else {
            break;
        };
        let remedies = reason.remedies();
        if remedies.is_empty() {
            break;
        }
        for remedy in remedies {
            assert!(remedy.apply(&mut networks), "{remedy:?} for {reason}");
        }
        verdict = world.prove_in(&networks).verdict;
    }
    verdict
}

#[test]
fn what_aws_says_of_what_lies_between() {
    let mut lines = String::new();
    for (title, rows) in [
        ("peering connections", PEERINGS),
        ("planned", PLANNED),
        ("regions", REGIONS),
        ("transit gateways", TRANSIT),
        ("other gateways, and routes to them", GATEWAYS),
        ("outside every known VPC", OUTSIDE),
    ] {
        writeln!(lines, "## {title}").unwrap();
        for (name, source, expected, spoil) in rows {
            let mut world = World::healthy();
            spoil(&mut world);
            let proof = world.prove();
            assert_eq!(&Expected::of(&proof.verdict), expected, "{name}: {proof}");
            writeln!(lines, "{name} ({source}):\n    {}", proof.verdict).unwrap();
            if let Verdict::Refused { .. } = proof.verdict {
                writeln!(lines, "    mended as far as that goes: {}", mended(&world)).unwrap();
            }
        }
    }
    insta::assert_snapshot!(lines);
}

/// Every hop in the order of the way and of the way back, as text and as JSON.
#[test]
fn whole_proofs_between_vpcs() {
    let spoil: [(&str, Spoil); 4] = [
        ("by a peering connection", World::peered),
        ("by a transit gateway", World::attached),
        ("not accepted, and no way back", |w| {
            w.peered_as("pending-acceptance");
            w.table("rtb-b").pop();
        }),
        ("outside every known VPC", |w| {
            w.outside("172.20.0.9", Some(route("172.20.0.0/16", "vgw-1")));
        }),
    ];
    let mut text = String::new();
    let mut documents = Vec::new();
    for (name, spoil) in spoil {
        let mut world = World::healthy();
        spoil(&mut world);
        let proof = world.prove();
        writeln!(text, "## {name}\n{proof}").unwrap();
        for step in &proof.steps {
            writeln!(text, "    {step}").unwrap();
        }
        let remedies: Vec<_> = proof.refusals().flat_map(|(_, reason)| reason.remedies()).collect();
        documents.push((proof.verdict, remedies));
    }
    insta::assert_snapshot!(text);
    insta::assert_json_snapshot!(documents);
}

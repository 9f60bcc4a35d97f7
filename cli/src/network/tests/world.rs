//! A healthy network, to be spoilt by the rows of tables: one VPC, and on demand another one, behind a peering connection or a transit
//! gateway, in the same region or in another.

use super::*;
use crate::network::{Change, Hop, Proof, Verdict, View, prove, prove_outside};

pub(super) const KAFKA: Option<(u16, u16)> = Some((PORT, PORT));
pub(super) const EPHEMERAL: Option<(u16, u16)> = Some((1024, 65535));

/// A network in which the function's subnet reaches the broker, to be spoilt by a row.
pub(super) struct World {
    pub(super) network: Network,
    pub(super) source: Source,
    pub(super) destination: Destination,
    pub(super) changes: Vec<Change>,
    pub(super) port: u16,
    /// The other VPC's region, where it has one of its own.
    pub(super) far: Option<Network>,
    /// An address that is in no known VPC, in the place of the destination.
    pub(super) outside: Option<&'static str>,
}

impl World {
    pub(super) fn healthy() -> Self {
        let open = |id, vpc| {
            let all = |egress| entry(100, egress, true, "-1", "0.0.0.0/0", None);
            acl(id, vpc, &[], vec![all(true), all(false)])
        };
        let broker_port = Some((PORT, PORT));
        let network = Network {
            vpcs: found(vec![vpc("vpc-a", "10.0.0.0/16"), vpc("vpc-b", "10.1.0.0/16")]),
            subnets: found(vec![
                subnet("subnet-fn", "vpc-a", "10.0.1.0/24"),
                subnet("subnet-msk", "vpc-a", "10.0.2.0/24"),
                subnet("subnet-far", "vpc-b", "10.1.2.0/24"),
            ]),
            route_tables: found(vec![
                table("rtb-a", "vpc-a", &[], vec![route("10.0.0.0/16", "local")]),
                table("rtb-b", "vpc-b", &[], vec![route("10.1.0.0/16", "local")]),
            ]),
            network_acls: found(vec![open("acl-a", "vpc-a"), open("acl-b", "vpc-b")]),
            security_groups: found(vec![
                group(
                    "sg-fn",
                    "vpc-a",
                    vec![rule("sgr-out", true, "tcp", broker_port, to_group("sg-msk"))],
                ),
                group(
                    "sg-msk",
                    "vpc-a",
                    vec![rule("sgr-in", false, "tcp", broker_port, to_group("sg-fn"))],
                ),
            ]),
            prefix_lists: found(vec![prefix_list(
                "pl-fn",
                &["10.0.1.0/25", "10.0.1.128/25", "fd00::/8"],
            )]),
            peerings: found(Vec::new()),
            transit_gateway_attachments: found(Vec::new()),
            endpoints: found(Vec::new()),
            stale_groups: std::collections::BTreeSet::new(),
        };
        Self {
            network,
            source: Source {
                subnet: "subnet-fn".to_owned(),
                address: None,
                security_groups: owned(&["sg-fn"]),
            },
            destination: Destination {
                subnet: "subnet-msk".to_owned(),
                address: Some("10.0.2.5".to_owned()),
                security_groups: owned(&["sg-msk"]),
            },
            changes: vec![],
            port: PORT,
            far: None,
            outside: None,
        }
    }

    pub(super) fn networks(&self) -> BTreeMap<String, Network> {
        let mut networks = BTreeMap::from([(REGION.to_owned(), self.network.clone())]);
        if let Some(far) = &self.far {
            networks.insert(FAR_REGION.to_owned(), far.clone());
        }
        networks
    }

    pub(super) fn prove(&self) -> Proof {
        self.prove_in(&self.networks())
    }

    pub(super) fn prove_in(&self, networks: &BTreeMap<String, Network>) -> Proof {
        let view = View::new(networks).with(self.changes.clone());
        match self.outside {
            Some(address) => prove_outside(&view, &self.source, address, self.port),
            None => prove(&view, &self.source, &self.destination, self.port),
        }
    }

    pub(super) fn rules(&mut self, group: &str) -> &mut Vec<Rule> {
        let groups = items(&mut self.network.security_groups);
        &mut groups.iter_mut().find(|candidate| candidate.id == group).unwrap().rules
    }

    /// Lets everything out of the function.
    pub(super) fn open_egress(&mut self) {
        self.rules("sg-fn")[0].peer = to_cidr("0.0.0.0/0");
    }

    /// Puts one ingress rule of the cluster in the place of the healthy one.
    pub(super) fn ingress(&mut self, protocol: &str, ports: Option<(u16, u16)>, peer: RulePeer) {
        *self.rules("sg-msk") = vec![rule("sgr-in", false, protocol, ports, peer)];
    }

    /// Gives the subnet a network ACL of its own.
    pub(super) fn acl(&mut self, id: &str, subnet: &str, entries: Vec<AclEntry>) {
        items(&mut self.network.network_acls).push(acl(id, "vpc-a", &[subnet], entries));
    }

    /// Gives the subnet a route table of its own.
    pub(super) fn routes(&mut self, id: &str, subnet: &str, routes: Vec<Route>) {
        items(&mut self.network.route_tables).push(table(id, "vpc-a", &[subnet], routes));
    }

    pub(super) fn broker_in_other_vpc(&mut self) {
        self.destination.subnet = "subnet-far".to_owned();
        self.destination.address = Some("10.1.2.5".to_owned());
    }

    /// Rules for CIDR blocks of both VPCs, in the place of those that name groups.
    pub(super) fn by_cidr(&mut self) {
        self.rules("sg-fn")[0].peer = to_cidr("10.1.0.0/16");
        self.ingress("tcp", KAFKA, to_cidr("10.0.0.0/16"));
    }

    /// The broker is in the other VPC, behind an active peering connection.
    pub(super) fn peered(&mut self) {
        self.broker_in_other_vpc();
        let sides = (REGION, "10.1.0.0/16");
        items(&mut self.network.peerings).push(peering("pcx-1", "active", "vpc-b", sides));
        self.lead("pcx-1", "pcx-1");
    }

    /// The same, by CIDR blocks and with this status.
    pub(super) fn peered_as(&mut self, status: &str) {
        self.peered();
        self.by_cidr();
        self.peering().status = status.to_owned();
    }

    /// Routes between the two VPCs.
    pub(super) fn lead(&mut self, there: &str, back: &str) {
        self.table("rtb-a").push(route("10.1.0.0/16", there));
        self.table("rtb-b").push(route("10.0.0.0/16", back));
    }

    /// The broker is in the other VPC, behind a transit gateway that both are attached to in subnets of its own; rules are for CIDR blocks.
    pub(super) fn attached(&mut self) {
        self.broker_in_other_vpc();
        self.by_cidr();
        self.lead("tgw-1", "tgw-1");
        items(&mut self.network.subnets).extend([
            subnet("subnet-tgw-a", "vpc-a", "10.0.9.0/28"),
            subnet("subnet-tgw-b", "vpc-b", "10.1.9.0/28"),
        ]);
        items(&mut self.network.transit_gateway_attachments).extend([
            attachment("tgw-attach-a", "vpc-a", &["subnet-tgw-a"]),
            attachment("tgw-attach-b", "vpc-b", &["subnet-tgw-b"]),
        ]);
    }

    /// The broker is in a VPC of another region, behind an active peering connection; rules are for CIDR blocks.
    pub(super) fn in_other_region(&mut self) {
        self.peered();
        self.by_cidr();
        self.peering().accepter.region = FAR_REGION.to_owned();
        let near = &mut self.network;
        let mut far = near.clone();
        items(&mut near.vpcs).retain(|vpc| vpc.id == "vpc-a");
        items(&mut far.vpcs).retain(|vpc| vpc.id == "vpc-b");
        items(&mut near.subnets).retain(|subnet| subnet.vpc == "vpc-a");
        items(&mut far.subnets).retain(|subnet| subnet.vpc == "vpc-b");
        items(&mut near.route_tables).retain(|table| table.vpc == "vpc-a");
        items(&mut far.route_tables).retain(|table| table.vpc == "vpc-b");
        items(&mut near.network_acls).retain(|acl| acl.vpc == "vpc-a");
        items(&mut far.network_acls).retain(|acl| acl.vpc == "vpc-b");
        items(&mut near.security_groups).retain(|group| group.id == "sg-fn");
        items(&mut far.security_groups).retain(|group| group.id == "sg-msk");
        items(&mut far.prefix_lists).clear();
        self.far = Some(far);
    }

    /// What the other region's facts hold.
    pub(super) fn far(&mut self) -> &mut Network {
        self.far.as_mut().expect("the row is about two regions")
    }

    pub(super) fn peering(&mut self) -> &mut Peering {
        &mut items(&mut self.network.peerings)[0]
    }

    pub(super) fn attachment(&mut self, id: &str) -> &mut TransitGatewayAttachment {
        let attachments = items(&mut self.network.transit_gateway_attachments);
        attachments.iter_mut().find(|attachment| attachment.id == id).unwrap()
    }

    /// The routes of a table.
    pub(super) fn table(&mut self, id: &str) -> &mut Vec<Route> {
        let tables = items(&mut self.network.route_tables);
        &mut tables.iter_mut().find(|table| table.id == id).unwrap().routes
    }

    /// Gives a subnet of any VPC a network ACL that lets nothing pass in one direction and everything in the other.
    pub(super) fn closed(&mut self, vpc: &str, subnet: &str, egress: bool) {
        let all = entry(100, !egress, true, "-1", "0.0.0.0/0", None);
        items(&mut self.network.network_acls).push(acl("acl-closed", vpc, &[subnet], vec![all]));
    }

    /// Moves a subnet into another zone.
    pub(super) fn zone(&mut self, id: &str, zone: &str) {
        let subnets = items(&mut self.network.subnets);
        let subnet = subnets.iter_mut().find(|subnet| subnet.id == id).unwrap();
        zone.clone_into(&mut subnet.zone);
    }

    /// An address in the data centre, which a route leads to, and a rule that lets it out.
    pub(super) fn outside(&mut self, address: &'static str, route: Option<Route>) {
        self.outside = Some(address);
        self.rules("sg-fn")[0].peer = to_cidr("0.0.0.0/0");
        self.table("rtb-a").extend(route);
    }
}

/// A peering connection that `vpc-a` asked for.
pub(super) fn peering(id: &str, status: &str, accepter: &str, (region, cidr): (&str, &str)) -> Peering {
    let side = |vpc: &str, region: &str, cidr: &str| PeeringSide {
        vpc: vpc.to_owned(),
        region: region.to_owned(),
        account: "111122223333".to_owned(),
        cidrs: vec![cidr.to_owned()],
    };
    Peering {
        id: id.to_owned(),
        status: status.to_owned(),
        requester: side("vpc-a", REGION, "10.0.0.0/16"),
        accepter: side(accepter, region, cidr),
        owner: Owner::Foreign,
    }
}

/// What joins a VPC to `tgw-1`.
pub(super) fn attachment(id: &str, vpc: &str, subnets: &[&str]) -> TransitGatewayAttachment {
    TransitGatewayAttachment {
        id: id.to_owned(),
        gateway: "tgw-1".to_owned(),
        vpc: vpc.to_owned(),
        subnets: owned(subnets),
        state: "available".to_owned(),
    }
}

pub(super) fn to_group(id: &str) -> RulePeer {
    RulePeer::Group(id.to_owned())
}

pub(super) fn to_cidr(cidr: &str) -> RulePeer {
    RulePeer::Cidr(cidr.to_owned())
}

pub(super) fn to_list(id: &str) -> RulePeer {
    RulePeer::PrefixList(id.to_owned())
}

pub(super) fn gone(destination: &str, target: &str) -> Route {
    Route {
        active: false,
        ..route(destination, target)
    }
}

/// What a row expects.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Reachable,
    Through(Hop),
    Refused(Hop),
    Unknown(Hop),
}

impl Expected {
    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Reachable => Self::Reachable,
            Verdict::ThroughGateway { hop, .. } => Self::Through(*hop),
            Verdict::Refused { hop, .. } => Self::Refused(*hop),
            Verdict::Unknown { hop, .. } => Self::Unknown(*hop),
        }
    }
}

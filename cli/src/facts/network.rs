//! The networks of one region, as EC2 tells them: what decides whether a packet arrives.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Fact, Owner, Unreadable};

/// What was seen in one region. Each list is what AWS answered for the VPCs that matter, in the order of ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    /// VPCs.
    pub vpcs: Fact<Vec<Vpc>>,
    /// Their subnets.
    pub subnets: Fact<Vec<Subnet>>,
    /// Their route tables.
    pub route_tables: Fact<Vec<RouteTable>>,
    /// Their network ACLs.
    pub network_acls: Fact<Vec<NetworkAcl>>,
    /// The security groups that matter.
    pub security_groups: Fact<Vec<SecurityGroup>>,
    /// Prefix lists that their rules and routes name.
    pub prefix_lists: Fact<Vec<PrefixList>>,
    /// Peering connections that one of the VPCs is a side of; those that are deleted, rejected or expired are left out.
    #[serde(default = "unasked")]
    pub peerings: Fact<Vec<Peering>>,
    /// What joins the VPCs to transit gateways.
    #[serde(default = "unasked")]
    pub transit_gateway_attachments: Fact<Vec<TransitGatewayAttachment>>,
    /// VPC endpoints in the VPCs.
    #[serde(default = "unasked")]
    pub endpoints: Fact<Vec<Endpoint>>,
    /// Security groups of this account that rules of these groups name, and that are gone: such rules, which EC2 calls stale, match nobody. Empty where nobody
    /// looked, or might.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stale_groups: BTreeSet<String>,
}

impl Network {
    /// Why it could not be read whether names are resolved in a VPC, where that is so of one.
    pub fn dns_unreadable(&self) -> Option<&Unreadable> {
        self.vpcs.found()?.iter().find_map(|vpc| vpc.dns_unreadable.as_ref())
    }
}

/// What a document says of a list that the k2m which wrote it did not ask for.
fn unasked<T>() -> Fact<Vec<T>> {
    Fact::Unreadable(Unreadable {
        missing_action: None,
        message: "these facts are of a k2m that did not ask: inspect again".to_owned(),
    })
}

/// A VPC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vpc {
    /// Such as `vpc-0a…`.
    pub id: String,
    /// All its IPv4 CIDR blocks.
    pub cidrs: Vec<String>,
    /// All its IPv6 CIDR blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv6_cidrs: Vec<String>,
    /// The value of its tag `Name`: any text, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether names are resolved in it at all (`enableDnsSupport`); left out where nobody looked, or AWS doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_support: Option<bool>,
    /// Whether private names of its own endpoints are resolved in it (`enableDnsHostnames`); left out likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_hostnames: Option<bool>,
    /// Why one of these two is not there though somebody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_unreadable: Option<Unreadable>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subnet {
    /// Such as `subnet-0a…`.
    pub id: String,
    /// The VPC it is in.
    pub vpc: String,
    /// The zone's name, such as `eu-west-1a`.
    pub zone: String,
    /// Its IPv4 CIDR block.
    pub cidr: String,
    /// Addresses that are free.
    pub free_addresses: u32,
}

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteTable {
    /// Such as `rtb-0a…`.
    pub id: String,
    /// The VPC it is in.
    pub vpc: String,
    /// Whether it is the VPC's main table, which subnets without one of their own use.
    pub main: bool,
    /// Subnets that use it explicitly.
    pub subnets: Vec<String>,
    /// Its routes.
    pub routes: Vec<Route>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// An IPv4 or IPv6 CIDR block, or a prefix list's id.
    pub destination: String,
    /// Where it leads: `local`, or an id (`pcx-…`, `tgw-…`, `nat-…`, `igw-…`, `vpce-…`, `eni-…`, `vgw-…`).
    pub target: String,
    /// Whether its target is there; AWS calls one whose target is gone a blackhole.
    pub active: bool,
    /// Whether a virtual private gateway put it there: such a route gives way to others for the same destination.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub propagated: bool,
    /// Who made it.
    pub owner: Owner,
}

/// A network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkAcl {
    /// Such as `acl-0a…`.
    pub id: String,
    /// The VPC it is in.
    pub vpc: String,
    /// Whether it is the VPC's default, which subnets without one of their own use.
    pub default: bool,
    /// Subnets that use it.
    pub subnets: Vec<String>,
    /// Its entries, inbound and outbound, in any order: their numbers decide.
    pub entries: Vec<AclEntry>,
}

/// An entry of a network ACL. Stateless: answers need an entry of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AclEntry {
    /// The lowest that matches decides; 32767 is the final refusal.
    pub number: u32,
    /// Whether it is for what leaves the subnet.
    pub egress: bool,
    /// Whether it allows.
    pub allow: bool,
    /// `-1` for all, else a protocol's number: `6` is TCP.
    pub protocol: String,
    /// IPv4 or IPv6 CIDR block of the other side.
    pub cidr: String,
    /// First and last port; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<(u16, u16)>,
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityGroup {
    /// Such as `sg-0a…`.
    pub id: String,
    /// The VPC it is in.
    pub vpc: String,
    /// Its name.
    pub name: String,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// Who made it.
    pub owner: Owner,
}

/// A rule of a security group. Stateful: answers pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Such as `sgr-0a…`.
    pub id: String,
    /// Whether it is for what leaves.
    pub egress: bool,
    /// `-1` for all, `tcp`, `udp`, `icmp`, or a number.
    pub protocol: String,
    /// First and last port; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<(u16, u16)>,
    /// The other side.
    pub peer: RulePeer,
    /// Who made it.
    pub owner: Owner,
}

/// The other side of a security group's rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RulePeer {
    /// An IPv4 or IPv6 CIDR block.
    Cidr(String),
    /// A security group's id.
    Group(String),
    /// A prefix list's id.
    PrefixList(String),
}

/// A managed prefix list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrefixList {
    /// Such as `pl-0a…`.
    pub id: String,
    /// Its CIDR blocks.
    pub cidrs: Vec<String>,
}

/// A VPC peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peering {
    /// Such as `pcx-0a…`; the same in both regions.
    pub id: String,
    /// `active`, `pending-acceptance`, `provisioning`, `initiating-request`, `failed` and so on. Only an active one carries packets.
    pub status: String,
    /// The side that asked for it.
    pub requester: PeeringSide,
    /// The side that was asked.
    pub accepter: PeeringSide,
    /// Who made it.
    pub owner: Owner,
}

/// One side of a peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeeringSide {
    /// The VPC's id.
    pub vpc: String,
    /// The VPC's region.
    pub region: String,
    /// The VPC's account, twelve digits.
    pub account: String,
    /// The VPC's IPv4 CIDR blocks; AWS says none before the connection is active.
    pub cidrs: Vec<String>,
}

impl Peering {
    /// Whether it carries packets.
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }

    /// Whether it is deleted or never came to be, and is only shown for a while: nothing can be done with it any more.
    pub fn is_over(&self) -> bool {
        matches!(
            self.status.as_str(),
            "deleted" | "deleting" | "expired" | "failed" | "rejected"
        )
    }

    /// The side that is this VPC.
    pub fn side(&self, vpc: &str) -> Option<&PeeringSide> {
        [&self.requester, &self.accepter]
            .into_iter()
            .find(|side| side.vpc == vpc)
    }

    /// The side opposite of this VPC, where this VPC is one of the sides.
    pub fn other_side(&self, vpc: &str) -> Option<&PeeringSide> {
        match (self.requester.vpc == vpc, self.accepter.vpc == vpc) {
            (true, false) => Some(&self.accepter),
            (false, true) => Some(&self.requester),
            (true, true) | (false, false) => None,
        }
    }

    /// Whether both sides are in one region: only there do rules of security groups name groups of the other side.
    pub fn in_one_region(&self) -> bool {
        self.requester.region == self.accepter.region
    }
}

/// What joins a VPC to a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransitGatewayAttachment {
    /// Such as `tgw-attach-0a…`.
    pub id: String,
    /// The transit gateway's id, such as `tgw-0a…`.
    pub gateway: String,
    /// The VPC's id.
    pub vpc: String,
    /// The subnets that hold its network interfaces, one a zone. Only zones that have one reach the gateway.
    pub subnets: Vec<String>,
    /// `available`, `pendingAcceptance`, `modifying` and so on.
    pub state: String,
}

/// A VPC endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// Such as `vpce-0a…`.
    pub id: String,
    /// The VPC's id.
    pub vpc: String,
    /// The service, such as `com.amazonaws.eu-west-1.secretsmanager`.
    pub service: String,
    /// `Interface`, `Gateway` and so on.
    pub kind: String,
    /// `available`, `pendingAcceptance` and so on.
    pub state: String,
    /// Subnets with a network interface of an interface endpoint.
    pub subnets: Vec<String>,
    /// Security groups of those network interfaces.
    pub security_groups: Vec<String>,
    /// Whether the service's own name leads here inside the VPC.
    pub private_dns: bool,
    /// Who made it.
    pub owner: Owner,
}

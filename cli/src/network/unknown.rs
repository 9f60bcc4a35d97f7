//! Why a hop can't be judged from the facts, and as far as which gateway it could be.

use serde::Serialize;
use thiserror::Error;

/// Why a hop can't be judged. The text ends with the next step, where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Unknown {
    /// Nobody could read it.
    #[error("{}", unreadable(what, id, missing_action.as_deref(), message))]
    Unreadable {
        /// What was looked for.
        what: &'static str,
        /// Its id, or that of the subnet it belongs to.
        id: String,
        /// The IAM action that would have to be allowed; absent where rights are not the reason.
        #[serde(skip_serializing_if = "Option::is_none")]
        missing_action: Option<String>,
        /// AWS's or the client's own words.
        message: String,
    },
    /// The facts were read, and it isn't among them.
    #[error("the {what} {id} is not among the facts; inspect again, and check that it still exists")]
    NotAmongFacts {
        /// What was looked for.
        what: &'static str,
        /// Its id, or that of the subnet it belongs to.
        id: String,
    },
    /// A value of the facts is no IPv4 address or CIDR block.
    #[error("`{value}`, of {of}, is no IPv4 address or CIDR block; inspect again")]
    Malformed {
        /// The value.
        value: String,
        /// The id of what it belongs to.
        of: String,
    },
    /// The facts contradict themselves.
    #[error("the address {address} is outside {subnet} ({cidr}), which it should be in; inspect again")]
    OutsideSubnet {
        /// The address.
        address: String,
        /// The subnet's id.
        subnet: String,
        /// The subnet's CIDR block.
        cidr: String,
    },
    /// A network interface always has a security group, but none was given.
    #[error("no security group is known of this network interface; inspect again, or name one")]
    NoSecurityGroups,
    /// A rule names a group of the other side, across a transit gateway.
    #[error(
        "the rule {rule} names {group}, of another VPC behind {gateway}: that holds only where the transit gateway and both attachments have \
         security group referencing switched on, which the facts don't say; a rule for CIDR blocks holds in any case"
    )]
    GroupOverTransitGateway {
        /// The rule's id.
        rule: String,
        /// The security group that it names.
        group: String,
        /// The transit gateway's id.
        gateway: String,
    },
    /// The route leads to something that isn't judged.
    #[error("leaves by {target} (route {destination} of {table}): what lies behind it is not proven")]
    LeavesBy {
        /// The route table's id.
        table: String,
        /// The route's CIDR block or prefix list.
        destination: String,
        /// Its target.
        target: String,
    },
    /// The route leads to a NAT gateway, behind which the other side sees another address.
    #[error(
        "leaves by {target} (route {destination} of {table}): the other side sees the NAT gateway's address, and the facts don't say which \
         subnet it is in"
    )]
    Translated {
        /// The route table's id.
        table: String,
        /// The route's CIDR block or prefix list.
        destination: String,
        /// The NAT gateway's id.
        target: String,
    },
    /// What should lie outside lies in the VPC that packets begin in.
    #[error(
        "the route {destination} of {table} keeps it inside {vpc}: what is at that address there is not known; name its subnet"
    )]
    Inside {
        /// The route table's id.
        table: String,
        /// The local route's CIDR block.
        destination: String,
        /// The VPC's id.
        vpc: String,
    },
    /// The attachment to the transit gateway is being changed.
    #[error(
        "{attachment}, to {gateway}, is {state}: what it carries meanwhile is not known; inspect again when it is available"
    )]
    AttachmentChanging {
        /// The attachment's id.
        attachment: String,
        /// The transit gateway's id.
        gateway: String,
        /// Its state.
        state: String,
    },
    /// A network ACL denies it, where packets aren't delivered by the transit gateway's own interface in the subnet.
    #[error(
        "{acl} denies at least a part of it, but {subnet} holds an interface of a transit gateway, and no network ACL applies to what that \
         delivers inside its subnet; look which zone's interface packets come by"
    )]
    AclMayNotApply {
        /// The network ACL's id.
        acl: String,
        /// The subnet's id.
        subnet: String,
    },
    /// Some zones' interfaces of the transit gateway are in subnets whose network ACL denies it.
    #[error(
        "packets come into {vpc} by one of the subnets of {attachment}, and {acl}, of {subnet}, denies at least a part of them; let every one \
         of its subnets pass them"
    )]
    EntryMayDeny {
        /// The VPC's id.
        vpc: String,
        /// The attachment's id.
        attachment: String,
        /// The network ACL's id.
        acl: String,
        /// The subnet of the attachment.
        subnet: String,
    },
    /// Packets and their answers take different ways, and something on one of them may want to see both.
    #[error(
        "packets pass {there}, their answers {back}: an appliance that sees only one direction of a connection may drop it"
    )]
    Asymmetric {
        /// What packets pass.
        there: String,
        /// What answers pass.
        back: String,
    },
    /// Two routes compete, and the facts don't say which wins.
    #[error(
        "{table} has the routes {destination} to {target} and {other_destination} to {other_target}: which of them wins can't be told \
         from the facts; keep one of them"
    )]
    RoutesCompete {
        /// The route table's id.
        table: String,
        /// The CIDR block or prefix list of the one.
        destination: String,
        /// Its target.
        target: String,
        /// The CIDR block or prefix list of the other.
        other_destination: String,
        /// Its target.
        other_target: String,
    },
}

/// Something that carries packets out of a VPC, and of which the facts don't say what it does with them.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("as far as {gateway} (route {destination} of {table}): {}", kind.doubt())]
#[serde(rename_all = "camelCase")]
pub struct Beyond {
    /// Its id.
    pub gateway: String,
    /// What it is.
    pub kind: GatewayKind,
    /// The route table that leads there.
    pub table: String,
    /// The route's CIDR block or prefix list.
    pub destination: String,
}

/// What carries packets out of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GatewayKind {
    /// A transit gateway.
    TransitGateway,
    /// A virtual private gateway: VPN or Direct Connect.
    VirtualPrivateGateway,
    /// A Cloud WAN core network.
    CoreNetwork,
    /// An Outpost's local gateway.
    LocalGateway,
    /// A network interface or instance that forwards packets.
    Appliance,
    /// A public NAT gateway, to the internet.
    NatGateway,
    /// A peering connection, to a VPC that isn't among the facts.
    Peering,
}

impl GatewayKind {
    pub(crate) fn doubt(self) -> &'static str {
        match self {
            Self::TransitGateway => "the transit gateway's route tables are not among the facts",
            Self::VirtualPrivateGateway => "what the VPN or Direct Connect carries is not among the facts",
            Self::CoreNetwork => "the core network's policy is not among the facts",
            Self::LocalGateway => "the Outpost's own network is not among the facts",
            Self::Appliance => "what the appliance does with packets is not among the facts",
            Self::NatGateway => "what the internet does is not among the facts",
            Self::Peering => "the VPC at the other side is not among the facts",
        }
    }
}

fn unreadable(what: &str, id: &str, missing_action: Option<&str>, message: &str) -> String {
    let next = missing_action
        .map(|action| format!("; allow {action}"))
        .unwrap_or_default();
    format!("the {what} {id} could not be read: {message}{next}")
}

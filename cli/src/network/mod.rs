//! Whether a TCP connection gets from a subnet to a broker and its answers back, judged from facts and the changes a plan would make: plan
//! and doctor share it, so that they can't disagree. Pure, and three-valued: what the facts don't say is unknown, never unreachable.

mod acls;
mod area;
mod gateways;
mod groups;
mod mend;
mod outside;
mod proof;
mod prove;
mod public;
mod refusal;
mod remedy;
mod routes;
mod transit;
mod unknown;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use acls::FINAL_ENTRY;
pub use outside::prove_block;
pub use proof::{Hop, Outcome, Proof, Step, Verdict};
pub use prove::{EPHEMERAL_PORTS, prove, prove_outside};
pub use public::{INTERNET, prove_public};
pub use refusal::{Denial, Flow, GroupLimit, Link, PortRange, Refusal, Unhonoured, VpcIn};
pub use remedy::Remedy;
pub use unknown::{Beyond, GatewayKind, Unknown};
pub use view::{Change, View, lets_tcp_in};

use crate::facts::Broker;

/// Where a connection begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The subnet's id.
    pub subnet: String,
    /// One IPv4 address of it; absent where any address of the subnet may be the one, as with a function that isn't deployed yet.
    pub address: Option<String>,
    /// Security groups of its network interface, by id.
    pub security_groups: Vec<String>,
}

/// Where a connection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The subnet's id.
    pub subnet: String,
    /// Its private IPv4 address; absent where any address of the subnet may be the one, as with a broker whose address AWS doesn't say.
    pub address: Option<String>,
    /// Security groups of its network interface, by id.
    pub security_groups: Vec<String>,
}

impl Destination {
    /// A broker, with the security groups of its cluster.
    pub fn broker(broker: &Broker, security_groups: &[String]) -> Self {
        Self {
            subnet: broker.subnet.clone(),
            address: Some(broker.address.clone()).filter(|address| !address.is_empty()),
            security_groups: security_groups.to_vec(),
        }
    }
}

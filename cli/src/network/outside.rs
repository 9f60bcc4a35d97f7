//! To an address or a block that nobody says the subnet of, such as that of a Kafka that is not MSK.

use ipnet::Ipv4Net;

use super::proof::Proof;
use super::unknown::Unknown;
use super::view::View;
use super::{Destination, Source, prove, prove_outside};

/// Judges a TCP connection on `port` to all of a block: to the subnet of the source's own VPC that it is in, else as far as the gateway that leads there. Blocks of
/// other VPCs may be those of a data centre too, so that which it is only the routes say.
pub fn prove_block(view: &View, from: &Source, to: Ipv4Net, port: u16) -> Proof {
    let single = to.prefix_len() == to.max_prefix_len();
    match view.neighbour(&from.subnet, to) {
        Some(subnet) => {
            let to = Destination {
                subnet: subnet.to_owned(),
                address: single.then(|| to.addr().to_string()),
                security_groups: Vec::new(),
            };
            prove(view, from, &to, port)
        }
        None if single => prove_outside(view, from, &to.addr().to_string(), port),
        None => prove_outside(view, from, &to.to_string(), port),
    }
}

impl Proof {
    /// Whether it stands but for the security groups of the other end, which nobody says: what those let in is for whoever has them.
    pub fn lacks_only_groups(&self) -> bool {
        let mut unknowns = self.unknowns().peekable();
        self.refusals().next().is_none()
            && unknowns.peek().is_some()
            && unknowns.all(|(_, unknown)| matches!(unknown, Unknown::NoSecurityGroups))
    }
}

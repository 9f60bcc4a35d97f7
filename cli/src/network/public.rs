//! From the internet to a broker with a public address: the function is in no VPC then, and its address may be any.

use super::Destination;
use super::area::Area;
use super::groups::{self, Peer};
use super::proof::{Hop, Outcome, Proof, Step};
use super::prove::{EPHEMERAL_PORTS, acl, lost};
use super::refusal::Refusal;
use super::view::{Placed, View};
use crate::facts::network::Subnet;

/// Where such a connection begins, in place of a subnet.
pub const INTERNET: &str = "the internet";

/// Everywhere that no other route leads to.
const ANYWHERE: &str = "0.0.0.0/0";

/// Judges a TCP connection on `port` from any address of the internet, and its answers. Steps are in the order of the way.
pub fn prove_public(view: &View, to: &Destination, port: u16) -> Proof {
    let address = to.address.as_deref().unwrap_or("an unknown address");
    let proof = |steps| Proof::new((INTERNET, None), (Some(&to.subnet), address), port, steps);
    let subnet = match view.subnet(&to.subnet) {
        Ok(subnet) => subnet,
        Err(reason) => return proof(vec![lost(reason)]),
    };
    let located = format!("{INTERNET}, {} in {}", subnet.id, subnet.vpc);
    let from_anywhere = Area::everywhere((port, port));
    let to_anywhere = Area::everywhere(EPHEMERAL_PORTS);
    let nobody = Peer {
        groups: &[],
        references: Vec::new(),
    };
    let own = &to.security_groups;
    let ingress = groups::judge(view, &subnet.region, own, false, from_anywhere, &nobody);
    proof(vec![
        Step::new(
            Hop::Ends,
            vec![to.subnet.clone()],
            Outcome::Passes { by: vec![located] },
        ),
        acl(view, Hop::AclIn, subnet, false, from_anywhere),
        Step::new(Hop::Ingress, own.clone(), ingress),
        acl(view, Hop::AnswerAclOut, subnet, true, to_anywhere),
        answers(view, subnet),
    ])
}

/// Whether the subnet's default route leads to an internet gateway.
fn answers(view: &View, subnet: &Placed<Subnet>) -> Step {
    let table = match view.route_table(subnet) {
        Ok(table) => table,
        Err(reason) => return Step::new(Hop::AnswerRoute, vec![], Outcome::Unknown { reason }),
    };
    let mut defaults = table.routes.iter().map(|viewed| &viewed.route);
    let default = defaults.find(|route| route.destination == ANYWHERE);
    let outcome = match default {
        Some(route) if route.target.starts_with("igw-") && route.active => Outcome::Passes {
            by: vec![format!("route {ANYWHERE} to {} of {}", route.target, table.id)],
        },
        other => Outcome::Refused {
            reason: Refusal::NoInternetGateway {
                table: table.id.clone(),
                target: other.map(|route| route.target.clone()),
            },
        },
    };
    Step::new(Hop::AnswerRoute, vec![table.id.clone()], outcome)
}

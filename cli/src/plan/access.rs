//! By which of a cluster's doors functions come in: that of its own VPC, the one to the internet, or multi-VPC private connectivity. Each has bootstrap
//! brokers and ports of its own.

use super::error::PlanError;
use super::model::PlannedCluster;
use super::notes::Notes;
use super::place::{self, Place};
use super::seen::Seen;
use super::{authentication, outside, private, public};

/// A door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The brokers' own network interfaces.
    Inside,
    /// Their public addresses.
    Public,
    /// A VPC connection: network interfaces in the function's VPC.
    Private,
}

impl Access {
    /// What AWS's names of its bootstrap brokers begin with.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Inside => "",
            Self::Public => "Public",
            Self::Private => "VpcConnectivity",
        }
    }
}

/// What was chosen: how the brokers are spoken to, and where the functions are.
type Chosen = (PlannedCluster, Place);

/// Chooses the door, and all that follows from it. Nobody's choice is the brokers' own network interfaces; but where the addresses of the VPCs overlap, or k2m
/// would have to join them although a VPC connection does already, it is private connectivity. What is deployed stays.
pub(super) fn choose(seen: &Seen, notes: &mut Notes) -> Result<Chosen, PlanError> {
    let settings = seen.settings;
    if let Some(servers) = settings.servers() {
        let cluster = outside::speak(servers, seen, notes)?;
        let place = if settings.public_access.value {
            outside::public(settings, seen, notes)?
        } else {
            outside::choose(servers, &cluster.secrets, seen, notes)?
        };
        return Ok((cluster, place));
    }
    if settings.public_access.value {
        let cluster = authentication::choose(seen, Access::Public, notes)?;
        let place = public::choose(settings, seen, cluster.port, notes)?;
        return Ok((cluster, place));
    }
    let able = private::is_possible(seen) && private::is_apart(seen);
    match settings.private_connectivity.as_ref().map(|setting| setting.value) {
        Some(true) => return privately(seen, notes),
        None if able && private::is_deployed(seen) => return privately(seen, notes),
        None if able && !private::is_deployed_beside(seen) => {}
        Some(false) | None => return inside(seen, notes),
    }
    let (mut at_first, mut instead) = (notes.clone(), notes.clone());
    let direct = inside(seen, &mut at_first);
    let joins = matches!(&direct, Ok((_, place)) if place.makes_peering);
    if !joins && !direct.as_ref().is_err_and(PlanError::is_lost) {
        *notes = at_first;
        return direct;
    }
    let indirect = privately(seen, &mut instead);
    let there = matches!(&indirect, Ok((_, place)) if place.uses_connection());
    if there || direct.is_err() && private::is_only_way(seen) {
        *notes = instead;
        return indirect;
    }
    *notes = at_first;
    direct.map_err(|error| {
        error.nor("the cluster has multi-VPC private connectivity: with --private-connectivity true k2m makes a VPC connection, which AWS charges for")
    })
}

fn inside(seen: &Seen, notes: &mut Notes) -> Result<Chosen, PlanError> {
    let cluster = authentication::choose(seen, Access::Inside, notes)?;
    let place = place::choose(seen, &cluster, notes)?;
    Ok((cluster, place))
}

fn privately(seen: &Seen, notes: &mut Notes) -> Result<Chosen, PlanError> {
    private::refuse_elsewhere(seen)?;
    let cluster = authentication::choose(seen, Access::Private, notes)?;
    let place = private::choose(seen, &cluster, notes)?;
    Ok((cluster, place))
}

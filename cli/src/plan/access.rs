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

/// Chooses the door, and all that follows from it. Nobody's choice is the brokers' own network interfaces; but where no way leads there, or k2m would have to
/// join the VPCs although a VPC connection does already, it is private connectivity. What is deployed stays.
pub(super) fn choose(seen: &Seen, notes: &mut Notes) -> Result<Chosen, PlanError> {
    let settings = seen.settings;
    if let Some(servers) = settings.servers() {
        let cluster = outside::speak(servers, seen, notes)?;
        let place = if settings.public_access.value {
            outside::public(settings, seen, notes)?
        } else {
            outside::choose(servers, settings, seen, notes)?
        };
        return Ok((cluster, place));
    }
    if settings.public_access.value {
        let cluster = authentication::choose(seen, Access::Public, notes)?;
        let place = public::choose(settings, seen, cluster.port, notes)?;
        return Ok((cluster, place));
    }
    match settings.private_connectivity.as_ref().map(|setting| setting.value) {
        Some(true) => return privately(seen, notes),
        None if private::is_deployed(seen) && private::is_possible(seen) => return privately(seen, notes),
        Some(false) => return inside(seen, notes),
        None => {}
    }
    let mut at_first = notes.clone();
    let direct = inside(seen, &mut at_first);
    let lost = matches!(direct, Err(PlanError::NoWay { .. } | PlanError::Subnets { .. }));
    let joins = matches!(&direct, Ok((_, place)) if place.makes_peering);
    if (lost || joins) && private::is_possible(seen) && private::is_apart(seen) {
        let mut instead = notes.clone();
        match (direct, privately(seen, &mut instead)) {
            (Err(_), Ok(indirect)) => {
                *notes = instead;
                return Ok(indirect);
            }
            (Ok(_), Ok(indirect)) if indirect.1.uses_connection() => {
                *notes = instead;
                return Ok(indirect);
            }
            // What no route can ever join is not to be mended there.
            (Err(_), Err(other)) if private::is_only_way(seen) => return Err(other),
            (Err(error), Err(other)) => return Err(error.nor(&other)),
            (direct, _) => {
                *notes = at_first;
                return direct;
            }
        }
    }
    *notes = at_first;
    direct
}

fn inside(seen: &Seen, notes: &mut Notes) -> Result<Chosen, PlanError> {
    let cluster = authentication::choose(seen, Access::Inside, notes)?;
    let place = place::choose(seen.settings, seen, cluster.port, notes)?;
    Ok((cluster, place))
}

fn privately(seen: &Seen, notes: &mut Notes) -> Result<Chosen, PlanError> {
    private::refuse_elsewhere(seen)?;
    let cluster = authentication::choose(seen, Access::Private, notes)?;
    let place = private::choose(seen, &cluster, notes)?;
    Ok((cluster, place))
}

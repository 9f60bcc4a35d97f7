//! Transit gateways, as far as the facts show them: whether both VPCs are attached in the zones that matter, and the network ACLs of the
//! subnets that hold the gateway's interfaces. Its own route tables are not among the facts.

use super::acls;
use super::area::Areas;
use super::gateways::{Crossed, Crossing};
use super::proof::Outcome;
use super::prove::Towards;
use super::refusal::Refusal;
use super::routes::{Lead, Leg};
use super::unknown::{GatewayKind, Unknown};
use super::view::{Placed, View};
use crate::facts::network::{Route, Subnet, TransitGatewayAttachment};

impl<'a> Crossing<'a> {
    pub(super) fn transit_gateway(&self, route: &Route, areas: &Areas) -> Result<Crossed, Unknown> {
        let gateway = route.target.as_str();
        let Some(attachment) = self.attachment(gateway, self.subnet)? else {
            return Ok(not_attached(gateway, self.subnet));
        };
        if let Some(crossed) = usable(attachment) {
            return Ok(crossed);
        }
        let entry = match self.in_zone(attachment)? {
            Ok(entry) => entry,
            Err(refusal) => return Ok(Crossed::Refused(refusal)),
        };
        // Also where that is the subnet that packets begin in.
        match acls::judge(self.view.acl(entry)?, false, self.answers, &self.origin.into()) {
            Outcome::Refused { reason } => return Ok(Crossed::Refused(reason)),
            Outcome::Unknown { reason } => return Err(reason),
            _ => {}
        }
        if let Towards::Subnet(destination) = self.towards
            && let Some(crossed) = self.enter(gateway, destination, areas)?
        {
            return Ok(crossed);
        }
        Ok(self.beyond(route, GatewayKind::TransitGateway))
    }

    /// What speaks against the way from the transit gateway into the destination's VPC, if anything does.
    fn enter(&self, gateway: &str, destination: &'a Placed<Subnet>, areas: &Areas) -> Result<Option<Crossed>, Unknown> {
        if let Some(attachment) = self.attachment(gateway, destination)? {
            return match usable(attachment) {
                Some(crossed) => Ok(Some(crossed)),
                None => self.entries(attachment, destination, areas),
            };
        }
        // Another transit gateway may be joined to this one; and what comes back over a VPN may have come that way too.
        let mut all = self.view.attachments(&destination.vpc, &destination.region)?;
        let elsewhere = self.back.iter().any(|leg| match &leg.lead {
            Lead::Out(viewed) => !viewed.route.target.starts_with("tgw-"),
            Lead::Undecided(_) => true,
            Lead::Local(_) | Lead::Gone(_) | Lead::Nowhere => false,
        });
        let lost = all.next().is_none() && !elsewhere && !self.back.is_empty();
        Ok(lost.then(|| not_attached(gateway, destination)))
    }

    /// What speaks against the network ACLs of the subnets that packets may come into the other VPC by, if anything does. Which of them it is,
    /// the facts don't say.
    fn entries(
        &self,
        attachment: &TransitGatewayAttachment,
        destination: &Subnet,
        areas: &Areas,
    ) -> Result<Option<Crossed>, Unknown> {
        let asked = areas.on_ports(self.ports);
        let mut refused = Vec::new();
        for id in &attachment.subnets {
            // Inside its own subnet no network ACL applies to what the gateway delivers.
            if *id == destination.id {
                continue;
            }
            let acl = self.view.acl(self.view.subnet(id)?)?;
            match acls::judge(acl, true, self.answers, &asked) {
                Outcome::Refused { reason } => refused.push((id, acl.id.clone(), reason)),
                Outcome::Unknown { reason } => return Err(reason),
                _ => {}
            }
        }
        let all = refused.len() == attachment.subnets.len();
        Ok(refused.into_iter().next().map(|(subnet, acl, reason)| {
            if all {
                Crossed::Refused(reason)
            } else {
                Crossed::Unknown(Unknown::EntryMayDeny {
                    vpc: attachment.vpc.clone(),
                    attachment: attachment.id.clone(),
                    acl,
                    subnet: subnet.clone(),
                })
            }
        }))
    }

    /// The attachment of the subnet's VPC to this transit gateway; AWS allows one at most.
    fn attachment(
        &self,
        gateway: &str,
        subnet: &'a Placed<Subnet>,
    ) -> Result<Option<&'a TransitGatewayAttachment>, Unknown> {
        let mut all = self.view.attachments(&subnet.vpc, &subnet.region)?;
        Ok(all.find(|attachment| attachment.gateway == gateway))
    }

    /// The attachment's subnet in the zone that packets begin in.
    fn in_zone(&self, attachment: &TransitGatewayAttachment) -> Result<Result<&'a Placed<Subnet>, Refusal>, Unknown> {
        let mut unseen = None;
        for id in &attachment.subnets {
            match self.view.subnet(id) {
                Ok(entry) if entry.zone == self.subnet.zone => return Ok(Ok(entry)),
                Ok(_) => {}
                Err(reason) => unseen = Some(reason),
            }
        }
        match unseen {
            Some(reason) => Err(reason),
            None => Ok(Err(Refusal::ZoneNotAttached {
                attachment: attachment.id.clone(),
                gateway: attachment.gateway.clone(),
                subnet: self.subnet.id.clone(),
                zone: self.subnet.zone.clone(),
            })),
        }
    }
}

/// What speaks against an attachment, if anything does.
fn usable(attachment: &TransitGatewayAttachment) -> Option<Crossed> {
    match attachment.state.as_str() {
        "available" => None,
        "modifying" => Some(Crossed::Unknown(Unknown::AttachmentChanging {
            attachment: attachment.id.clone(),
            gateway: attachment.gateway.clone(),
            state: attachment.state.clone(),
        })),
        _ => Some(Crossed::Refused(Refusal::AttachmentNotAvailable {
            attachment: attachment.id.clone(),
            gateway: attachment.gateway.clone(),
            vpc: attachment.vpc.clone(),
            state: attachment.state.clone(),
        })),
    }
}

/// How packets come into a subnet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Past its network ACL.
    Plain,
    /// By a transit gateway's interface in that very subnet, where no network ACL applies to them.
    Inside,
    /// One or the other.
    Either,
}

/// How packets that take these legs out of another VPC come into this subnet.
pub(super) fn arrival(view: &View, to: &Placed<Subnet>, legs: Result<&[Leg], &Unknown>) -> Arrival {
    let by_gateway = |leg: &Leg| match &leg.lead {
        Lead::Out(viewed) => viewed.route.target.starts_with("tgw-"),
        Lead::Undecided(_) => true,
        Lead::Local(_) | Lead::Gone(_) | Lead::Nowhere => false,
    };
    let certain = |leg: &Leg| matches!(leg.lead, Lead::Out(_)) && by_gateway(leg);
    let (may, must) = legs.map_or((true, false), |legs| {
        (legs.iter().any(by_gateway), legs.iter().all(certain))
    });
    if !may {
        return Arrival::Plain;
    }
    let Ok(attachments) = view.attachments(&to.vpc, &to.region) else {
        return Arrival::Either;
    };
    let entries: Vec<&String> = attachments.flat_map(|attachment| &attachment.subnets).collect();
    if !entries.contains(&&to.id) {
        Arrival::Plain
    } else if must && entries.iter().all(|entry| **entry == to.id) {
        Arrival::Inside
    } else {
        Arrival::Either
    }
}

fn not_attached(gateway: &str, subnet: &Subnet) -> Crossed {
    Crossed::Refused(Refusal::NotAttached {
        gateway: gateway.to_owned(),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
    })
}

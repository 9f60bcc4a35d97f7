//! Which VPC: the brokers', and those that the function may be in.

use std::collections::BTreeSet;

use crate::facts::network::{Subnet, Vpc};
use crate::facts::{Broker, Unreadable};
use crate::plan::error::PlanError;
use crate::plan::notes::why;
use crate::plan::seen::Seen;
use crate::plan::way::{End, Ends};
use crate::settings::Settings;

/// The VPC of the brokers' subnets.
pub(in crate::plan) fn vpc(seen: &Seen) -> Result<String, PlanError> {
    let vpcs: BTreeSet<&str> = broker_subnets(seen)?
        .into_iter()
        .map(|subnet| subnet.vpc.as_str())
        .collect();
    let mut vpcs = vpcs.into_iter();
    match (vpcs.next(), vpcs.next()) {
        (Some(vpc), None) => Ok(vpc.to_owned()),
        (Some(one), Some(other)) => Err(PlanError::NotYet {
            what: format!("the brokers are in two VPCs, {one} and {other}"),
            next: "look again, and name another cluster if it stays so",
        }),
        (None, _) => Err(PlanError::Missing {
            what: "the brokers' VPC".to_owned(),
        }),
    }
}

/// The brokers' subnets, each once, in the order of ids.
pub(in crate::plan) fn broker_subnets<'a>(seen: &Seen<'a>) -> Result<Vec<&'a Subnet>, PlanError> {
    let ids: BTreeSet<&str> = seen
        .brokers
        .iter()
        .map(|Broker { subnet, .. }| subnet.as_str())
        .collect();
    let find = |id: &str| {
        let found = seen.subnets.iter().find(|candidate| candidate.id == id);
        found.ok_or_else(|| PlanError::Missing {
            what: format!("the brokers' subnet {id}"),
        })
    };
    ids.into_iter().map(find).collect()
}

/// The VPCs that the function may be in, and why these: what was named, where the deployed function is, the brokers' own, else all of the region.
pub(in crate::plan) fn function_vpcs(
    settings: &Settings,
    seen: &Seen,
    region: &str,
    (cluster_region, cluster_vpc): (&str, &str),
) -> Result<(Vec<String>, String), PlanError> {
    if let Some((vpc, reason)) = named_vpc(settings, seen, region)? {
        return Ok((vec![vpc], reason));
    }
    if region == cluster_region {
        return Ok((vec![cluster_vpc.to_owned()], "the brokers are in it".to_owned()));
    }
    let vpcs: BTreeSet<String> = subnets_of(seen, region)
        .iter()
        .map(|subnet| subnet.vpc.clone())
        .collect();
    if vpcs.is_empty() {
        return Err(PlanError::Missing {
            what: format!("a VPC with subnets in {region}, where the function has to be"),
        });
    }
    let reason = match vpcs.len() {
        1 => format!("it is the only one in {region}, where the stream is"),
        _ => format!("of those in {region}, where the stream is, it is joined to the brokers'"),
    };
    Ok((vpcs.into_iter().collect(), reason))
}

fn subnets_of<'a>(seen: &Seen<'a>, region: &str) -> &'a [Subnet] {
    let network = seen.networks.get(region).and_then(|network| network.subnets.found());
    network.map_or(&[][..], Vec::as_slice)
}

/// The VPC that was named, by itself or by its subnets, or where the deployed function is; and why it.
pub(in crate::plan) fn named_vpc(
    settings: &Settings,
    seen: &Seen,
    region: &str,
) -> Result<Option<(String, String)>, PlanError> {
    let subnets = || subnets_of(seen, region);
    let vpcs_of = |ids: &[String]| -> BTreeSet<String> {
        let found = subnets().iter().filter(|subnet| ids.contains(&subnet.id));
        found.map(|subnet| subnet.vpc.clone()).collect()
    };
    let known = |vpc: &str| subnets().iter().any(|subnet| subnet.vpc == vpc);
    if let Some(setting) = &settings.vpc {
        if !known(&setting.value) {
            return Err(PlanError::NoVpc {
                vpc: setting.value.clone(),
                by: setting.source.clone(),
                region: region.to_owned(),
            });
        }
        return Ok(Some((setting.value.clone(), why(setting, ""))));
    }
    if let Some(setting) = &settings.subnets {
        let vpcs = vpcs_of(&setting.value);
        if vpcs.len() > 1 {
            return Err(PlanError::SubnetsOfVpcs {
                vpcs: vpcs.into_iter().collect(),
                by: setting.source.clone(),
            });
        }
        if let Some(vpc) = vpcs.into_iter().next() {
            return Ok(Some((vpc, format!("the subnets are in it ({})", setting.source))));
        }
    }
    let deployed: Vec<String> = seen
        .functions
        .iter()
        .flat_map(|function| function.subnets.clone())
        .collect();
    let vpc = vpcs_of(&deployed).into_iter().next();
    Ok(vpc.map(|vpc| (vpc, "the function is in it".to_owned())))
}

/// Of these VPCs the one that the named group is of.
pub(in crate::plan) fn with_group(
    settings: &Settings,
    seen: &Seen,
    region: &str,
    mut vpcs: Vec<String>,
) -> Result<Vec<String>, PlanError> {
    let Some(setting) = &settings.security_group else {
        return Ok(vpcs);
    };
    let network = seen.networks.get(region);
    if let Some(why) = network.and_then(|network| network.security_groups.unreadable()) {
        let name = format!("networks.{region}.securityGroups");
        return Err(PlanError::Blind(vec![(name, why.clone())]));
    }
    let groups = network.and_then(|network| network.security_groups.found());
    let group = groups.into_iter().flatten().find(|group| group.id == setting.value);
    if group.is_none_or(|group| !vpcs.contains(&group.vpc)) {
        return Err(PlanError::NoGroup {
            group: setting.value.clone(),
            by: setting.source.clone(),
            vpc: group.map(|group| group.vpc.clone()),
            vpcs,
        });
    }
    vpcs.retain(|vpc| group.is_some_and(|group| group.vpc == *vpc));
    Ok(vpcs)
}

/// Refuses what can't be told: whether two VPCs are joined, and whether they can be.
pub(super) fn sighted(ends: &Ends) -> Result<(), PlanError> {
    if ends.same_vpc() {
        return Ok(());
    }
    let of_end = |end: &End| {
        let name = |list| format!("networks.{}.{list}", end.region);
        // Whether a transit gateway that routes lead to has the VPC is only asked where there is one.
        let tables = end.network.route_tables.found().into_iter().flatten();
        let mut routes = tables
            .filter(|table| table.vpc == end.vpc)
            .flat_map(|table| &table.routes);
        let led = routes.any(|route| route.target.starts_with("tgw-"));
        let attachments = end.network.transit_gateway_attachments.unreadable();
        let lists = [
            (name("vpcs"), end.network.vpcs.unreadable().cloned()),
            (name("peerings"), end.network.peerings.unreadable().cloned()),
            (name("transitGatewayAttachments"), attachments.cloned().filter(|_| led)),
        ];
        lists.into_iter().filter_map(|(name, why)| Some((name, why?)))
    };
    let mut unread: Vec<(String, Unreadable)> = of_end(&ends.function).chain(of_end(&ends.brokers)).collect();
    unread.sort_by(|one, other| one.0.cmp(&other.0));
    unread.dedup_by(|one, other| one.0 == other.0);
    if unread.is_empty() {
        Ok(())
    } else {
        Err(PlanError::Blind(unread))
    }
}

/// VPCs of a region, for people.
pub(super) fn named(seen: &Seen, region: &str, vpcs: &[String]) -> Vec<String> {
    vpcs.iter().map(|vpc| shown(seen, region, vpc)).collect()
}

/// A VPC with its name, which may be any text, and its blocks.
pub(in crate::plan) fn shown(seen: &Seen, region: &str, id: &str) -> String {
    let network = seen.networks.get(region);
    let vpcs = network.and_then(|network| network.vpcs.found());
    let Some(vpc) = vpcs.into_iter().flatten().find(|vpc| vpc.id == id) else {
        return id.to_owned();
    };
    let Vpc { cidrs, name, .. } = vpc;
    let name = name.as_deref().map(|name| format!("{}, ", name.escape_debug()));
    format!("{id} ({}{})", name.unwrap_or_default(), cidrs.join(", "))
}

//! A serverless cluster shows no brokers: it has a network interface in each subnet that it was given, and its names resolve in the VPCs of those
//! subnets alone. So the function has to be in one of these, and each of that VPC's subnets stands in for a broker.

use std::collections::{BTreeMap, BTreeSet};

use super::error::PlanError;
use crate::facts::{Broker, Cluster, Facts};
use crate::settings::Settings;

/// AWS's word for such a cluster.
pub(super) const SERVERLESS: &str = "SERVERLESS";

/// The network interfaces of the VPC that the function is in, or will be in, as brokers of which AWS doesn't say the addresses.
pub(super) fn brokers(settings: &Settings, facts: &Facts, cluster: &Cluster) -> Result<Vec<Broker>, PlanError> {
    let region = settings.brokers_region();
    let network = facts.networks.get(region);
    let subnets = network.and_then(|network| network.subnets.found());
    let subnets = subnets.map_or(&[][..], Vec::as_slice);
    // By VPC, the cluster's subnets.
    let mut own: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for subnet in subnets.iter().filter(|subnet| cluster.subnets.contains(&subnet.id)) {
        own.entry(&subnet.vpc).or_default().insert(&subnet.id);
    }
    let Some(first) = own.keys().next().copied() else {
        return Err(PlanError::Missing {
            what: format!("the subnets of the cluster ({})", cluster.subnets.join(", ")),
        });
    };
    let vpc_of = |ids: &[String]| {
        let found = subnets.iter().find(|subnet| ids.contains(&subnet.id));
        found.map(|subnet| subnet.vpc.as_str())
    };
    let named = settings.vpc.as_ref().map(|setting| setting.value.as_str());
    let named = named.or_else(|| settings.subnets.as_ref().and_then(|setting| vpc_of(&setting.value)));
    let elsewhere = named.filter(|vpc| !own.contains_key(vpc));
    if settings.home.region != region || elsewhere.is_some() {
        return Err(PlanError::ServerlessElsewhere {
            there: elsewhere.map_or_else(|| settings.home.region.clone(), str::to_owned),
            own: own.keys().map(|vpc| (*vpc).to_owned()).collect(),
            region: region.to_owned(),
        });
    }
    let deployed = facts.functions().find_map(|function| vpc_of(&function.subnets));
    let vpc = named.or(deployed.filter(|vpc| own.contains_key(vpc))).unwrap_or(first);
    let ids = own.remove(vpc).unwrap_or_default();
    let brokers = ids.into_iter().zip(1..).map(|(subnet, id)| Broker {
        id,
        subnet: subnet.to_owned(),
        address: String::new(),
        network_interface: None,
        endpoints: Vec::new(),
    });
    Ok(brokers.collect())
}

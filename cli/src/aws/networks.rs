//! The networks at both ends: which VPCs matter, what decides in them whether a packet arrives, and the network stacks of these VPCs.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;

use super::answer::{Answer, Trouble, fact};
use super::owner::Claims;
use super::pace::{CLOUDFORMATION, Paced};
use super::{cloudformation, ec2};
use crate::facts::{Fact, Network, Stack};
use crate::plan::shared::network_stack_name;

/// What is known before the networks are looked at.
pub(super) struct Ends<'a> {
    /// The functions' region.
    pub(super) here: &'a str,
    /// The cluster's region; empty where the Kafka is not MSK.
    pub(super) there: &'a str,
    /// The VPCs of the cluster's subnets.
    pub(super) cluster_vpcs: &'a Answer<Vec<String>>,
    /// The VPCs that the functions are in or may be in.
    pub(super) function_vpcs: &'a Answer<Vec<String>>,
    /// Security groups of the cluster, and of the functions.
    pub(super) cluster_groups: Vec<String>,
    pub(super) function_groups: Vec<String>,
    pub(super) claims: &'a Claims<'a>,
    /// Whether to look at all that doctor needs.
    pub(super) history: bool,
}

/// A region, the VPCs that matter there, and the security groups.
type Region<'a> = (&'a str, Answer<Vec<String>>, Vec<String>);

/// What was seen: networks by region, network stacks by name.
pub(super) type Seen = (BTreeMap<String, Network>, BTreeMap<String, Fact<Stack>>);

/// Looks at the networks of both ends, and at their network stacks.
pub(super) async fn look(config: impl Fn(&str) -> SdkConfig, ends: Ends<'_>) -> Seen {
    let Ends {
        here,
        there,
        cluster_vpcs,
        function_vpcs,
        mut cluster_groups,
        function_groups,
        claims,
        history,
    } = ends;
    let mut regions: Vec<Region> = Vec::new();
    if *cluster_vpcs != Err(Trouble::Absent) {
        let mut vpcs = cluster_vpcs.clone();
        if here == there {
            cluster_groups.extend_from_slice(&function_groups);
            vpcs = both(vpcs, function_vpcs);
        }
        regions.push((there, vpcs, cluster_groups));
    }
    let elsewhere = here != there && *function_vpcs != Ok(Vec::new());
    if elsewhere {
        regions.push((here, function_vpcs.clone(), function_groups));
    }
    let mut stacks: BTreeSet<(&str, String)> = BTreeSet::new();
    for (region, vpcs, _) in &regions {
        let names = vpcs.iter().flatten().map(|vpc| network_stack_name(vpc));
        stacks.extend(names.map(|name| (*region, name)));
    }
    let stacks: Vec<(&str, String)> = stacks.into_iter().collect();
    let looked: Vec<String> = stacks.iter().map(|(_, name)| name.clone()).collect();
    let networks = regions.iter().map(|(region, vpcs, groups)| {
        let client = aws_sdk_ec2::Client::new(&config(region));
        async move {
            (
                (*region).to_owned(),
                ec2::network(&client, vpcs, groups, claims, history).await,
            )
        }
    });
    let paced = Paced::new(CLOUDFORMATION);
    let (networks, seen) = tokio::join!(
        futures_util::future::join_all(networks),
        paced.all(&stacks, |(region, name)| {
            let client = aws_sdk_cloudformation::Client::new(&config(region));
            async move { cloudformation::whole(&client, name).await }
        }),
    );
    let mut networks: BTreeMap<String, Network> = networks.into_iter().collect();
    let stacks: BTreeMap<String, Fact<Stack>> = stacks
        .into_iter()
        .zip(seen)
        // Most VPCs have none.
        .filter(|(_, seen)| !matches!(seen, Err(Trouble::Absent)))
        .map(|((_, name), seen)| (name, fact(seen)))
        .collect();
    for network in networks.values_mut() {
        super::owner::claim_shared(network, &looked, &stacks);
    }
    (networks, stacks)
}

/// VPCs of both lists, as far as they are known: what could not be read of one end is no reason not to look at the other.
fn both(one: Answer<Vec<String>>, other: &Answer<Vec<String>>) -> Answer<Vec<String>> {
    let all: BTreeSet<String> = one?.into_iter().chain(other.iter().flatten().cloned()).collect();
    Ok(all.into_iter().collect())
}

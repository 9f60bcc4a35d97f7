//! N: whether the brokers' names are resolved where the function is.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k2m_handler::probe::report::{Report, Step};

use super::network::joined;
use super::{Case, Outcome, given};
use crate::facts::network::Vpc;
use crate::facts::{Fact, Function, Probe};
use crate::plan::private::is_port;
use crate::plan::topic::is_serverless;
use crate::shell::Command;

/// Whether they are.
pub(super) fn resolved(case: &Case<'_>) -> Outcome {
    let function = given!(case.function());
    let servers = case.servers();
    if servers.is_empty() {
        return Outcome::skip("the function is told of no brokers");
    }
    if servers.iter().all(|server| server.host.parse::<IpAddr>().is_ok()) {
        return Outcome::pass("the function is told addresses, no names");
    }
    let seen = probed(case);
    if function.subnets.is_empty() {
        return match seen {
            Some(true) => Outcome::pass("the function itself resolves the brokers' names, see K2M-P01"),
            _ => Outcome::skip("the function is in no VPC: Lambda resolves names there"),
        };
    }
    let region = &case.settings.home.region;
    if is_serverless(case.facts.cluster.found())
        && let Some(outcome) = unattached(case, function)
    {
        return outcome;
    }
    let vpcs = match case.facts.networks.get(region).map(|network| &network.vpcs) {
        Some(Fact::Found { value }) => value.as_slice(),
        Some(Fact::Unreadable(why)) if seen != Some(true) => return Outcome::unreadable(why),
        _ => &[],
    };
    let Some(vpc) = vpcs.iter().find(|vpc| Some(vpc.id.as_str()) == function.vpc.as_deref()) else {
        return match seen {
            Some(true) => Outcome::pass("the function itself resolves the brokers' names, see K2M-P01"),
            _ => Outcome::skip("the facts have no such VPC as the function's; inspect again"),
        };
    };
    let private = servers.iter().any(|server| is_port(server.port));
    match (vpc.dns_support, vpc.dns_hostnames, seen) {
        (Some(false), _, Some(true)) => Outcome::pass(format!(
            "enableDnsSupport of {} is off, and the function resolves the names all the same: by DNS servers of the VPC's own DHCP options",
            vpc.id
        )),
        (Some(false), _, None) if case.delivers() => Outcome::pass(format!(
            "enableDnsSupport of {} is off, and batches are delivered all the same: by DNS servers of the VPC's own DHCP options",
            vpc.id
        )),
        (Some(false), ..) => Outcome::fail(
            format!(
                "enableDnsSupport of {} is off: nothing resolves names there, unless the VPC's DHCP options name DNS servers of their own",
                vpc.id
            ),
            switch_on(vpc, "support", region),
        ),
        (_, Some(false), Some(false)) if private => Outcome::fail(
            format!(
                "enableDnsHostnames of {} is off, and the function does not resolve the names of the cluster's private connectivity, which are known in this VPC alone",
                vpc.id
            ),
            switch_on(vpc, "hostnames", region),
        ),
        (None, ..) if seen != Some(true) => match &vpc.dns_unreadable {
            Some(why) => Outcome::unreadable(why),
            None => Outcome::skip(format!("whether {} resolves names was not asked", vpc.id)),
        },
        (_, _, Some(true)) => Outcome::pass(format!("{}: the function itself resolves the brokers' names", vpc.id)),
        _ => Outcome::pass(format!("enableDnsSupport of {} is on", vpc.id)),
    }
}

/// The command that switches on an attribute of a VPC.
fn switch_on(vpc: &Vpc, attribute: &str, region: &str) -> String {
    Command::new("aws ec2 modify-vpc-attribute")
        .option("--vpc-id", &vpc.id)
        .option(&format!("--enable-dns-{attribute}"), r#"{"Value":true}"#)
        .option("--region", region)
        .to_string()
}

/// Whether the function resolves the names, where it was asked and came so far.
fn probed(case: &Case<'_>) -> Option<bool> {
    let Some(Fact::Found {
        value: Probe::Answered(report),
    }) = &case.seen.probe
    else {
        return None;
    };
    let report: &Report = report;
    if report.failures.iter().any(|failure| failure.step == Step::Dns) {
        return Some(false);
    }
    let tried: Vec<bool> = report
        .brokers
        .iter()
        .filter_map(|broker| Some(broker.dns.as_ref()?.ok))
        .collect();
    (!tried.is_empty()).then(|| tried.into_iter().all(|ok| ok))
}

/// A serverless cluster is known by name in the VPCs alone that it is attached to.
fn unattached(case: &Case<'_>, function: &Function) -> Option<Outcome> {
    let cluster = case.facts.cluster.found()?;
    let there = case.settings.brokers_region();
    let subnets = case.facts.networks.get(there)?.subnets.found()?;
    let attached: BTreeSet<&str> = subnets
        .iter()
        .filter(|subnet| cluster.subnets.contains(&subnet.id))
        .map(|subnet| subnet.vpc.as_str())
        .collect();
    let vpc = function.vpc.as_deref()?;
    if attached.contains(vpc) {
        return None;
    }
    let first = attached.first()?;
    let evidence = format!(
        "the names of a serverless cluster are resolved in the VPCs alone that it is attached to, {}, and the function is in {vpc} of {}",
        joined(&attached),
        case.settings.home.region
    );
    Some(if case.settings.home.region == there {
        Outcome::fail(evidence, case.setting("vpc", first))
    } else {
        Outcome::fail(
            evidence,
            "the stream has to be in the cluster's region: then k2m deploy puts the function beside the cluster",
        )
    })
}

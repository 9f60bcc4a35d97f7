//! The networks of one region: the VPCs that given subnets are in, and all in them that decides whether a packet arrives.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types as sdk;

use super::answer::{Answer, Trouble, fact, trouble};
use super::number;
use super::owner::Claims;
use super::pace::{EC2, Paced};
use crate::facts::Network;
use crate::facts::network::{
    AclEntry, Endpoint, NetworkAcl, Peering, PeeringSide, PrefixList, Route, RouteTable, Rule, RulePeer, SecurityGroup,
    Subnet, TransitGatewayAttachment, Vpc,
};

/// AWS takes up to 200 values a filter.
const MOST_VALUES: usize = 200;

/// Looks at these VPCs, and at `groups`; with `history` also at whether names are resolved in them, and whether the groups that rules name are there.
pub(super) async fn network(
    client: &Client,
    vpcs: &Answer<Vec<String>>,
    groups: &[String],
    claims: &Claims<'_>,
    history: bool,
) -> Network {
    let security_groups = security_groups(client, groups, claims);
    let ids = match vpcs {
        Ok(ids) => ids,
        Err(trouble) => {
            let trouble = trouble.clone();
            let security_groups = security_groups.await;
            return Network {
                vpcs: fact(Err(trouble.clone())),
                subnets: fact(Err(trouble.clone())),
                route_tables: fact(Err(trouble.clone())),
                network_acls: fact(Err(trouble.clone())),
                prefix_lists: fact(prefix_lists(client, &named_lists(&Err(trouble.clone()), &security_groups)).await),
                security_groups: fact(security_groups.map(|seen| seen.groups)),
                peerings: fact(Err(trouble.clone())),
                transit_gateway_attachments: fact(Err(trouble.clone())),
                endpoints: fact(Err(trouble)),
                stale_groups: BTreeSet::new(),
            };
        }
    };
    let (vpcs, subnets, route_tables, network_acls, security_groups, peerings, attachments, endpoints) = tokio::join!(
        self::vpcs(client, ids, history),
        self::subnets(client, ids),
        route_tables(client, ids, claims),
        network_acls(client, ids),
        security_groups,
        peerings(client, ids, claims),
        transit_gateway_attachments(client, ids),
        endpoints(client, ids, claims),
    );
    // What leads to Secrets Manager may keep a function out; other endpoints are not on any way of ours.
    let known: BTreeSet<&String> = security_groups
        .iter()
        .flat_map(|seen| &seen.groups)
        .map(|group| &group.id)
        .collect();
    let guards = endpoints.iter().flatten();
    let guards =
        guards.filter(|endpoint| endpoint.kind == "Interface" && endpoint.service.ends_with(".secretsmanager"));
    let guards: BTreeSet<&String> = guards.flat_map(|endpoint| &endpoint.security_groups).collect();
    let guards: Vec<String> = guards.difference(&known).map(|id| (*id).clone()).collect();
    let lists = named_lists(&route_tables, &security_groups);
    let all: BTreeSet<String> = known.iter().map(|id| (*id).clone()).collect();
    let named = security_groups
        .iter()
        .filter(|_| history)
        .flat_map(|seen| seen.named.difference(&all));
    let named: Vec<String> = named.cloned().collect();
    let (prefix_lists, guards, stale_groups) = tokio::join!(
        self::prefix_lists(client, &lists),
        self::security_groups(client, &guards, claims),
        gone(client, &named),
    );
    // Those that can't be read are unknown by themselves, and no reason not to know the others.
    let security_groups = security_groups.map(|seen| {
        let mut groups = seen.groups;
        groups.extend(guards.map(|seen| seen.groups).unwrap_or_default());
        groups.sort_by(|one, other| one.id.cmp(&other.id));
        groups
    });
    Network {
        vpcs: fact(vpcs),
        subnets: fact(subnets),
        route_tables: fact(route_tables),
        network_acls: fact(network_acls),
        security_groups: fact(security_groups),
        prefix_lists: fact(prefix_lists),
        peerings: fact(peerings),
        transit_gateway_attachments: fact(attachments),
        endpoints: fact(endpoints),
        stale_groups,
    }
}

fn filters(name: &str, values: &[String]) -> Vec<sdk::Filter> {
    vec![
        sdk::Filter::builder()
            .name(name)
            .set_values(Some(values.to_vec()))
            .build(),
    ]
}

/// Every page of a filtered question, however many values the filter has.
macro_rules! all {
    ($call:expr, $action:literal, $filter:literal, $values:expr) => {{
        let mut all = Vec::new();
        for values in $values.chunks(MOST_VALUES) {
            let items = $call
                .set_filters(Some(filters($filter, values)))
                .into_paginator()
                .items()
                .send();
            all.extend(
                items
                    .try_collect()
                    .await
                    .map_err(|error| trouble(&error, concat!("ec2:", $action), &[]))?,
            );
        }
        all
    }};
}

/// Ids of the VPCs that these subnets are in.
pub(super) async fn vpcs_of(client: &Client, subnets: &[String]) -> Answer<Vec<String>> {
    let found: Vec<sdk::Subnet> = all!(client.describe_subnets(), "DescribeSubnets", "subnet-id", subnets);
    let ids: BTreeSet<String> = found.into_iter().filter_map(|subnet| subnet.vpc_id).collect();
    Ok(ids.into_iter().collect())
}

/// Ids of all VPCs of the region.
pub(super) async fn all_vpcs(client: &Client) -> Answer<Vec<String>> {
    let items = client.describe_vpcs().into_paginator().items().send();
    let found: Vec<sdk::Vpc> = items
        .try_collect()
        .await
        .map_err(|error| trouble(&error, "ec2:DescribeVpcs", &[]))?;
    let mut ids: Vec<String> = found.into_iter().filter_map(|vpc| vpc.vpc_id).collect();
    ids.sort();
    Ok(ids)
}

async fn vpcs(client: &Client, ids: &[String], history: bool) -> Answer<Vec<Vpc>> {
    let described = async {
        let found: Vec<sdk::Vpc> = all!(client.describe_vpcs(), "DescribeVpcs", "vpc-id", ids);
        Ok::<Vec<Vpc>, Trouble>(found.into_iter().map(vpc).collect())
    };
    // By the ids alone, so that it needs no answer.
    let resolution = async {
        if history {
            resolution(client, ids).await
        } else {
            BTreeMap::new()
        }
    };
    let (vpcs, mut resolution) = tokio::join!(described, resolution);
    let mut vpcs = vpcs?;
    for vpc in &mut vpcs {
        if let Some((support, hostnames)) = resolution.remove(&vpc.id) {
            (vpc.dns_support, vpc.dns_hostnames) = (
                support.clone().unwrap_or_default(),
                hostnames.clone().unwrap_or_default(),
            );
            vpc.dns_unreadable = support.err().or(hostnames.err()).map(Into::into);
        }
    }
    vpcs.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(vpcs)
}

fn vpc(vpc: sdk::Vpc) -> Vpc {
    let mut cidrs: Vec<String> = vpc
        .cidr_block_association_set()
        .iter()
        .filter(|block| associated(block.cidr_block_state()))
        .filter_map(|block| block.cidr_block.clone())
        .collect();
    if cidrs.is_empty() {
        cidrs.extend(vpc.cidr_block.clone());
    }
    let mut ipv6_cidrs: Vec<String> = vpc
        .ipv6_cidr_block_association_set()
        .iter()
        .filter(|block| associated(block.ipv6_cidr_block_state()))
        .filter_map(|block| block.ipv6_cidr_block.clone())
        .collect();
    cidrs.sort();
    ipv6_cidrs.sort();
    Vpc {
        id: vpc.vpc_id.unwrap_or_default(),
        cidrs,
        ipv6_cidrs,
        name: name(vpc.tags.unwrap_or_default()),
        dns_support: None,
        dns_hostnames: None,
        dns_unreadable: None,
    }
}

/// What AWS says of `enableDnsSupport` and `enableDnsHostnames`.
type Resolution = (Answer<Option<bool>>, Answer<Option<bool>>);

/// Looks at whether names are resolved in these VPCs. Each attribute is a question of its own.
async fn resolution(client: &Client, ids: &[String]) -> BTreeMap<String, Resolution> {
    let paced = Paced::new(EC2);
    let ask = |id: &String, attribute: sdk::VpcAttributeName| {
        let call = client.describe_vpc_attribute().vpc_id(id).attribute(attribute);
        let asked = paced.one(async move { call.send().await });
        async move {
            let answer = asked.await;
            answer.map_err(|error| trouble(&error, "ec2:DescribeVpcAttribute", &[]))
        }
    };
    let value = |value: Option<sdk::AttributeBooleanValue>| value.and_then(|value| value.value);
    let each = ids.iter().map(|id| {
        let support = ask(id, sdk::VpcAttributeName::EnableDnsSupport);
        let hostnames = ask(id, sdk::VpcAttributeName::EnableDnsHostnames);
        async move {
            let (support, hostnames) = tokio::join!(support, hostnames);
            let support = support.map(|answer| value(answer.enable_dns_support));
            let hostnames = hostnames.map(|answer| value(answer.enable_dns_hostnames));
            (id.clone(), (support, hostnames))
        }
    });
    futures_util::future::join_all(each).await.into_iter().collect()
}

/// The value of the tag `Name`.
fn name(tags: Vec<sdk::Tag>) -> Option<String> {
    let tag = tags.into_iter().find(|tag| tag.key() == Some("Name"))?;
    tag.value.filter(|name| !name.is_empty())
}

fn associated(state: Option<&sdk::VpcCidrBlockState>) -> bool {
    let state = state.and_then(sdk::VpcCidrBlockState::state);
    state.is_none_or(|state| *state == sdk::VpcCidrBlockStateCode::Associated)
}

async fn subnets(client: &Client, vpcs: &[String]) -> Answer<Vec<Subnet>> {
    let found: Vec<sdk::Subnet> = all!(client.describe_subnets(), "DescribeSubnets", "vpc-id", vpcs);
    let mut subnets: Vec<Subnet> = found
        .into_iter()
        .map(|subnet| Subnet {
            id: subnet.subnet_id.unwrap_or_default(),
            vpc: subnet.vpc_id.unwrap_or_default(),
            zone: subnet.availability_zone.unwrap_or_default(),
            cidr: subnet.cidr_block.unwrap_or_default(),
            free_addresses: number(subnet.available_ip_address_count.unwrap_or_default()),
        })
        .collect();
    subnets.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(subnets)
}

async fn route_tables(client: &Client, vpcs: &[String], claims: &Claims<'_>) -> Answer<Vec<RouteTable>> {
    let found: Vec<sdk::RouteTable> = all!(client.describe_route_tables(), "DescribeRouteTables", "vpc-id", vpcs);
    let mut tables: Vec<RouteTable> = found.into_iter().map(|table| route_table(table, claims)).collect();
    tables.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(tables)
}

fn route_table(table: sdk::RouteTable, claims: &Claims<'_>) -> RouteTable {
    let id = table.route_table_id.unwrap_or_default();
    let associations = table.associations.unwrap_or_default();
    let mut routes: Vec<Route> = table
        .routes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|route| {
            let destination = route
                .destination_cidr_block
                .or(route.destination_ipv6_cidr_block)
                .or(route.destination_prefix_list_id)?;
            // An instance is given together with its network interface, which is what the packet goes to.
            let target = route
                .gateway_id
                .or(route.nat_gateway_id)
                .or(route.transit_gateway_id)
                .or(route.vpc_peering_connection_id)
                .or(route.network_interface_id)
                .or(route.egress_only_internet_gateway_id)
                .or(route.local_gateway_id)
                .or(route.carrier_gateway_id)
                .or(route.core_network_arn)
                .or(route.odb_network_arn)
                .or(route.instance_id)
                .unwrap_or_default();
            Some(Route {
                owner: claims.route(&id, &destination, &target),
                active: route.state != Some(sdk::RouteState::Blackhole),
                propagated: route.origin == Some(sdk::RouteOrigin::EnableVgwRoutePropagation),
                destination,
                target,
            })
        })
        .collect();
    routes.sort_by(|one, other| (&one.destination, &one.target).cmp(&(&other.destination, &other.target)));
    let mut subnets: Vec<String> = associations
        .iter()
        .filter_map(|association| association.subnet_id.clone())
        .collect();
    subnets.sort();
    RouteTable {
        id,
        vpc: table.vpc_id.unwrap_or_default(),
        main: associations.iter().any(|association| association.main == Some(true)),
        subnets,
        routes,
    }
}

/// Peering connections that are over: AWS shows them for some hours.
const OVER: [sdk::VpcPeeringConnectionStateReasonCode; 5] = [
    sdk::VpcPeeringConnectionStateReasonCode::Failed,
    sdk::VpcPeeringConnectionStateReasonCode::Deleted,
    sdk::VpcPeeringConnectionStateReasonCode::Deleting,
    sdk::VpcPeeringConnectionStateReasonCode::Expired,
    sdk::VpcPeeringConnectionStateReasonCode::Rejected,
];

async fn peerings(client: &Client, vpcs: &[String], claims: &Claims<'_>) -> Answer<Vec<Peering>> {
    let of = |filter: &'static str| async move {
        let mut found = Vec::new();
        for values in vpcs.chunks(MOST_VALUES) {
            let items = client
                .describe_vpc_peering_connections()
                .set_filters(Some(filters(filter, values)))
                .into_paginator()
                .items()
                .send();
            let items: Vec<sdk::VpcPeeringConnection> = items
                .try_collect()
                .await
                .map_err(|error| trouble(&error, "ec2:DescribeVpcPeeringConnections", &[]))?;
            found.extend(items);
        }
        Ok::<_, Trouble>(found)
    };
    let (asked, was_asked) = tokio::try_join!(of("requester-vpc-info.vpc-id"), of("accepter-vpc-info.vpc-id"))?;
    let mut peerings: Vec<Peering> = asked
        .into_iter()
        .chain(was_asked)
        .filter(|connection| !is_over(connection))
        .map(|connection| peering(connection, claims))
        .collect();
    peerings.sort_by(|one, other| one.id.cmp(&other.id));
    // One between two of the VPCs came twice.
    peerings.dedup_by(|one, other| one.id == other.id);
    Ok(peerings)
}

/// Whether it is deleted or never came to be, and is only shown for a while.
pub(super) fn is_over(connection: &sdk::VpcPeeringConnection) -> bool {
    let code = connection.status().and_then(|status| status.code());
    code.is_some_and(|code| OVER.contains(code))
}

/// AWS's word for its status.
pub(super) fn status_of(connection: &sdk::VpcPeeringConnection) -> String {
    let code = connection.status().and_then(|status| status.code());
    code.map_or("unknown", |code| code.as_str()).to_owned()
}

fn peering(connection: sdk::VpcPeeringConnection, claims: &Claims<'_>) -> Peering {
    let status = status_of(&connection);
    let id = connection.vpc_peering_connection_id.unwrap_or_default();
    let tags = connection.tags.unwrap_or_default();
    let tags = tags.iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
    Peering {
        owner: claims.tagged(&id, tags),
        id,
        status,
        requester: peering_side(connection.requester_vpc_info),
        accepter: peering_side(connection.accepter_vpc_info),
    }
}

fn peering_side(side: Option<sdk::VpcPeeringConnectionVpcInfo>) -> PeeringSide {
    let (mut cidrs, vpc, region, account) = side
        .map(|side| {
            let blocks = side.cidr_block_set.unwrap_or_default().into_iter();
            let mut cidrs: Vec<String> = blocks.filter_map(|block| block.cidr_block).collect();
            if cidrs.is_empty() {
                cidrs.extend(side.cidr_block);
            }
            (cidrs, side.vpc_id, side.region, side.owner_id)
        })
        .unwrap_or_default();
    cidrs.sort();
    PeeringSide {
        vpc: vpc.unwrap_or_default(),
        region: region.unwrap_or_default(),
        account: account.unwrap_or_default(),
        cidrs,
    }
}

async fn transit_gateway_attachments(client: &Client, vpcs: &[String]) -> Answer<Vec<TransitGatewayAttachment>> {
    let found: Vec<sdk::TransitGatewayVpcAttachment> = all!(
        client.describe_transit_gateway_vpc_attachments(),
        "DescribeTransitGatewayVpcAttachments",
        "vpc-id",
        vpcs
    );
    let text = Option::unwrap_or_default;
    let mut attachments: Vec<TransitGatewayAttachment> = found
        .into_iter()
        .map(|attachment| {
            let state = attachment.state.as_ref().map_or("unknown", |state| state.as_str());
            let state = state.to_owned();
            let mut subnets = attachment.subnet_ids.unwrap_or_default();
            subnets.sort();
            TransitGatewayAttachment {
                id: text(attachment.transit_gateway_attachment_id),
                gateway: text(attachment.transit_gateway_id),
                vpc: text(attachment.vpc_id),
                subnets,
                state,
            }
        })
        .filter(|attachment| {
            !matches!(
                attachment.state.as_str(),
                "deleted" | "deleting" | "rejected" | "failed"
            )
        })
        .collect();
    attachments.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(attachments)
}

async fn endpoints(client: &Client, vpcs: &[String], claims: &Claims<'_>) -> Answer<Vec<Endpoint>> {
    let found: Vec<sdk::VpcEndpoint> = all!(client.describe_vpc_endpoints(), "DescribeVpcEndpoints", "vpc-id", vpcs);
    let mut endpoints: Vec<Endpoint> = found.into_iter().map(|found| endpoint(found, claims)).collect();
    endpoints.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(endpoints)
}

fn endpoint(endpoint: sdk::VpcEndpoint, claims: &Claims<'_>) -> Endpoint {
    let tags = endpoint.tags.unwrap_or_default();
    let id = endpoint.vpc_endpoint_id.unwrap_or_default();
    let groups = endpoint.groups.unwrap_or_default().into_iter();
    let mut security_groups: Vec<String> = groups.filter_map(|group| group.group_id).collect();
    let mut subnets = endpoint.subnet_ids.unwrap_or_default();
    security_groups.sort();
    subnets.sort();
    let word = |word: Option<&str>| word.unwrap_or("unknown").to_owned();
    Endpoint {
        owner: claims.tagged(&id, tags.iter().filter_map(|tag| Some((tag.key()?, tag.value()?)))),
        id,
        vpc: endpoint.vpc_id.unwrap_or_default(),
        service: endpoint.service_name.unwrap_or_default(),
        kind: word(endpoint.vpc_endpoint_type.as_ref().map(sdk::VpcEndpointType::as_str)),
        state: word(endpoint.state.as_ref().map(sdk::State::as_str)),
        subnets,
        security_groups,
        private_dns: endpoint.private_dns_enabled.unwrap_or_default(),
    }
}

async fn network_acls(client: &Client, vpcs: &[String]) -> Answer<Vec<NetworkAcl>> {
    let found: Vec<sdk::NetworkAcl> = all!(client.describe_network_acls(), "DescribeNetworkAcls", "vpc-id", vpcs);
    let mut acls: Vec<NetworkAcl> = found
        .into_iter()
        .map(|acl| {
            let mut subnets: Vec<String> = acl
                .associations()
                .iter()
                .filter_map(|association| association.subnet_id.clone())
                .collect();
            subnets.sort();
            let mut entries: Vec<AclEntry> = acl.entries().iter().filter_map(acl_entry).collect();
            entries.sort_by(|one, other| {
                (one.egress, one.number, &one.cidr).cmp(&(other.egress, other.number, &other.cidr))
            });
            NetworkAcl {
                id: acl.network_acl_id.unwrap_or_default(),
                vpc: acl.vpc_id.unwrap_or_default(),
                default: acl.is_default.unwrap_or_default(),
                subnets,
                entries,
            }
        })
        .collect();
    acls.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(acls)
}

fn acl_entry(entry: &sdk::NetworkAclEntry) -> Option<AclEntry> {
    let protocol = entry.protocol().unwrap_or("-1").to_owned();
    let range = entry.port_range();
    Some(AclEntry {
        number: number(entry.rule_number?),
        egress: entry.egress.unwrap_or_default(),
        allow: entry.rule_action == Some(sdk::RuleAction::Allow),
        ports: ports(
            &protocol,
            range.and_then(|range| range.from),
            range.and_then(|range| range.to),
        ),
        protocol,
        cidr: entry.cidr_block.clone().or_else(|| entry.ipv6_cidr_block.clone())?,
    })
}

/// First and last port, where the protocol has ports and they are not all. For ICMP the two numbers are type and code.
fn ports(protocol: &str, from: Option<i32>, to: Option<i32>) -> Option<(u16, u16)> {
    if !matches!(protocol, "tcp" | "6" | "udp" | "17") {
        return None;
    }
    Some((u16::try_from(from?).ok()?, u16::try_from(to?).ok()?))
}

/// Security groups, and the ids of those of the same account that their rules name.
struct Groups {
    groups: Vec<SecurityGroup>,
    named: BTreeSet<String>,
}

async fn security_groups(client: &Client, ids: &[String], claims: &Claims<'_>) -> Answer<Groups> {
    let groups = async {
        Ok::<Vec<sdk::SecurityGroup>, Trouble>(all!(
            client.describe_security_groups(),
            "DescribeSecurityGroups",
            "group-id",
            ids
        ))
    };
    let rules = async {
        Ok::<Vec<sdk::SecurityGroupRule>, Trouble>(all!(
            client.describe_security_group_rules(),
            "DescribeSecurityGroupRules",
            "group-id",
            ids
        ))
    };
    let (found, mut rules) = tokio::try_join!(groups, rules)?;
    rules.sort_by(|one, other| one.security_group_rule_id.cmp(&other.security_group_rule_id));
    let mut groups: Vec<SecurityGroup> = found
        .into_iter()
        .map(|group| {
            let id = group.group_id.clone().unwrap_or_default();
            let own = rules.iter().filter(|rule| rule.group_id() == Some(&id));
            SecurityGroup {
                vpc: group.vpc_id.clone().unwrap_or_default(),
                name: group.group_name.clone().unwrap_or_default(),
                rules: own.filter_map(|rule| self::rule(rule, claims)).collect(),
                owner: claims.tagged(
                    &id,
                    group.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?))),
                ),
                id,
            }
        })
        .collect();
    groups.sort_by(|one, other| one.id.cmp(&other.id));
    // Of another account's groups nobody here sees whether they are there.
    let named = rules.iter().filter_map(|rule| {
        let named = rule.referenced_group_info()?;
        let own = named.user_id().is_none() || named.user_id() == rule.group_owner_id();
        named.group_id().filter(|_| own).map(str::to_owned)
    });
    let named = named.collect();
    Ok(Groups { groups, named })
}

/// Which of these groups are not there. Where that can't be read nobody says it of any.
async fn gone(client: &Client, ids: &[String]) -> BTreeSet<String> {
    let found = async {
        Ok::<Vec<sdk::SecurityGroup>, Trouble>(all!(
            client.describe_security_groups(),
            "DescribeSecurityGroups",
            "group-id",
            ids
        ))
    };
    let Ok(found) = found.await else {
        return BTreeSet::new();
    };
    let is_there = |id: &String| found.iter().any(|group| group.group_id() == Some(id));
    ids.iter().filter(|id| !is_there(id)).cloned().collect()
}

fn rule(rule: &sdk::SecurityGroupRule, claims: &Claims<'_>) -> Option<Rule> {
    let group = || rule.referenced_group_info()?.group_id().map(str::to_owned);
    let peer = if let Some(cidr) = rule.cidr_ipv4().or(rule.cidr_ipv6()) {
        RulePeer::Cidr(cidr.to_owned())
    } else if let Some(list) = rule.prefix_list_id() {
        RulePeer::PrefixList(list.to_owned())
    } else {
        RulePeer::Group(group()?)
    };
    let id = rule.security_group_rule_id()?;
    let protocol = rule.ip_protocol().unwrap_or("-1");
    Some(Rule {
        id: id.to_owned(),
        egress: rule.is_egress.unwrap_or_default(),
        protocol: protocol.to_owned(),
        ports: ports(protocol, rule.from_port, rule.to_port),
        peer,
        owner: claims.rule(id, rule.description().unwrap_or_default()),
    })
}

/// Prefix lists that routes and rules name, as far as those could be read.
fn named_lists(tables: &Answer<Vec<RouteTable>>, groups: &Answer<Groups>) -> BTreeSet<String> {
    let routes = tables.iter().flatten().flat_map(|table| &table.routes);
    let routes = routes
        .map(|route| &route.destination)
        .filter(|destination| destination.starts_with("pl-"));
    let rules = groups
        .iter()
        .flat_map(|seen| &seen.groups)
        .flat_map(|group| &group.rules);
    let rules = rules.filter_map(|rule| match &rule.peer {
        RulePeer::PrefixList(id) => Some(id),
        RulePeer::Cidr(_) | RulePeer::Group(_) => None,
    });
    routes.chain(rules).cloned().collect()
}

async fn prefix_lists(client: &Client, ids: &BTreeSet<String>) -> Answer<Vec<PrefixList>> {
    let ids: Vec<&String> = ids.iter().collect();
    let lists = Paced::new(EC2).all(&ids, |id| prefix_list(client, id)).await;
    lists.into_iter().collect()
}

async fn prefix_list(client: &Client, id: &str) -> Answer<PrefixList> {
    let entries: Vec<sdk::PrefixListEntry> = client
        .get_managed_prefix_list_entries()
        .prefix_list_id(id)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(|error| trouble(&error, "ec2:GetManagedPrefixListEntries", &[]))?;
    let mut cidrs: Vec<String> = entries.into_iter().filter_map(|entry| entry.cidr).collect();
    cidrs.sort();
    Ok(PrefixList {
        id: id.to_owned(),
        cidrs,
    })
}

//! What the deployment of network stacks asks for: the stacks with their templates, and the peering connections that they make.

use aws_sdk_ec2::types::{Filter, VpcPeeringConnection};

use super::answer::{Trouble, fact};
use super::stacks::sorted;
use super::{Aws, cloudformation, ec2};
use crate::deploy::network::{Link, NetworkStacks, Peerings};
use crate::deploy::port::{Doing, Fault};
use crate::facts::deployed::STACK_TAG;
use crate::facts::{Fact, Stack};
use crate::plan::shared::NETWORK_STACK_PREFIX;

impl NetworkStacks for Aws {
    fn network_stack<'a>(&'a self, region: &'a str, name: &'a str) -> Doing<'a, Fact<Stack>> {
        Box::pin(async move {
            let client = aws_sdk_cloudformation::Client::new(&self.in_region(region));
            match cloudformation::whole(&client, name).await {
                Ok(value) => Ok(Fact::Found { value }),
                Err(Trouble::Absent) => Ok(Fact::Absent),
                // A missing right is said with the plan's words, all else with the deployment's.
                Err(trouble @ Trouble::Denied { .. }) => Ok(fact(Err(trouble))),
                Err(trouble) => Err(Fault::from(trouble)),
            }
        })
    }

    fn network_stack_names<'a>(&'a self, region: &'a str) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            let client = aws_sdk_cloudformation::Client::new(&self.in_region(region));
            let stacks: Vec<_> = client
                .describe_stacks()
                .into_paginator()
                .items()
                .send()
                .try_collect()
                .await
                .map_err(|error| sorted(&error, "cloudformation:DescribeStacks", &[]))?;
            let ours = stacks.into_iter().filter(|stack| {
                let mut tags = stack.tags().iter();
                tags.any(|tag| tag.key() == Some(STACK_TAG))
            });
            let names = ours.filter_map(|stack| stack.stack_name);
            let mut names: Vec<String> = names.filter(|name| name.starts_with(NETWORK_STACK_PREFIX)).collect();
            names.sort();
            Ok(names)
        })
    }
}

impl Peerings for Aws {
    fn find<'a>(&'a self, link: &'a Link) -> Doing<'a, Option<(String, String)>> {
        Box::pin(async move {
            let client = aws_sdk_ec2::Client::new(&self.in_region(&link.requester.0));
            let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
            let found: Vec<VpcPeeringConnection> = client
                .describe_vpc_peering_connections()
                .filters(filter("requester-vpc-info.vpc-id", &link.requester.1))
                .filters(filter("accepter-vpc-info.vpc-id", &link.accepter.1))
                .filters(filter(&format!("tag:{STACK_TAG}"), &link.stack))
                .into_paginator()
                .items()
                .send()
                .try_collect()
                .await
                .map_err(|error| sorted(&error, "ec2:DescribeVpcPeeringConnections", &[]))?;
            let live = found.into_iter().filter(|connection| !ec2::is_over(connection));
            // One that works counts before one that is on its way out.
            let live = live.max_by_key(|connection| match ec2::status_of(connection).as_str() {
                "active" => 2,
                "pending-acceptance" | "provisioning" | "initiating-request" => 1,
                _ => 0,
            });
            Ok(live.map(|connection| {
                let status = ec2::status_of(&connection);
                (connection.vpc_peering_connection_id.unwrap_or_default(), status)
            }))
        })
    }

    fn accept<'a>(&'a self, link: &'a Link, id: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            let client = aws_sdk_ec2::Client::new(&self.in_region(&link.accepter.0));
            let accepted = client
                .accept_vpc_peering_connection()
                .vpc_peering_connection_id(id)
                .send()
                .await;
            accepted
                .map(drop)
                .map_err(|error| sorted(&error, "ec2:AcceptVpcPeeringConnection", &[]))
        })
    }
}

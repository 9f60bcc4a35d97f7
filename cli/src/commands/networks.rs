//! Network stacks for a command: what would change in them, and where they are deployed.

use std::collections::BTreeMap;

use super::CommandError;
use crate::aws::Aws;
use crate::aws::artifacts::S3;
use crate::aws::stacks::CloudFormation;
use crate::deploy::artifacts::Place;
use crate::deploy::board::Board;
use crate::deploy::machine::Machine;
use crate::deploy::options::Options;
use crate::deploy::port::{User, World};
use crate::facts::{Fact, Facts};
use crate::plan::Plan;
use crate::plan::change::{Change, NetworkChange};
use crate::template::render_network;

/// What a deployment would change in the network stacks that the plan needs.
pub(super) fn changes(
    plan: &Plan,
    facts: &Facts,
    tags: &BTreeMap<String, String>,
) -> Result<Vec<NetworkChange>, CommandError> {
    let changes = plan.network_stacks.iter().map(|stack| {
        let deployed = facts.network_stacks.get(&stack.stack).unwrap_or(&Fact::Absent);
        Ok(NetworkChange {
            stack: stack.stack.clone(),
            region: stack.region.clone(),
            // Tags of others stay, and count for nothing here.
            change: Change::between(deployed, &render_network(stack)?)?.with_tags(deployed, tags, false),
        })
    });
    changes.collect()
}

/// `CloudFormation` and S3 of each region that is deployed to.
#[derive(Debug)]
pub(super) struct Regions(BTreeMap<String, (CloudFormation, S3, Place)>);

impl Regions {
    /// The account's, each with the place of its artifacts.
    pub(super) fn new<'a>(aws: &Aws, place: &Place, regions: impl IntoIterator<Item = &'a str>) -> Self {
        let regions = regions.into_iter().map(|region| {
            let place = Place {
                region: region.to_owned(),
                ..place.clone()
            };
            let (stacks, artifacts) = (aws.stacks(region), aws.artifacts(region, &place.account));
            (region.to_owned(), (stacks, artifacts, place))
        });
        Self(regions.collect())
    }

    /// A machine for each.
    pub(super) fn machines<'a>(
        &'a self,
        world: &'a dyn World,
        user: &'a dyn User,
        options: &'a Options,
        board: &'a Board,
    ) -> BTreeMap<String, Machine<'a>> {
        let machines = self.0.iter().map(|(region, (stacks, artifacts, place))| {
            let machine = Machine {
                stacks,
                artifacts,
                world,
                user,
                place,
                options,
                board,
            };
            (region.clone(), machine)
        });
        machines.collect()
    }
}

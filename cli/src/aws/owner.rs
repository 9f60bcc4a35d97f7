//! Who made a resource, from what AWS says of it: pure, so that every rule of ownership stands in one place.
//!
//! A resource belongs to a stack of k2m when that stack's own list names it, when it carries the tag [`STACK_TAG`], or, for a security group's
//! rule, when its description begins with [`RULE_DESCRIPTION`] and the stack's name. All else is somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::Answer;
use super::kafka;
use crate::facts::cluster::VpcConnection;
use crate::facts::deployed::{RULE_DESCRIPTION, STACK_TAG};
use crate::facts::{Fact, Network, Owner, Stack};
use crate::plan::shared::network_stack_name;

/// What the stack of this pipeline can lay claim to.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    name: &'a str,
    /// What is left of a stack that is gone is nobody's: its next deployment could not create the same again.
    gone: bool,
    resources: BTreeSet<&'a str>,
}

impl<'a> Claims<'a> {
    /// The claims of the stack of this name.
    pub(super) fn new(name: &'a str, stack: &'a Fact<Stack>) -> Self {
        let own = stack.found().filter(|stack| stack.made_by_k2m);
        Self {
            name,
            gone: match stack {
                Fact::Found { value } => !value.made_by_k2m,
                Fact::Absent => true,
                Fact::Unreadable(_) => false,
            },
            resources: own
                .map(|stack| stack.resources.values().map(String::as_str).collect())
                .unwrap_or_default(),
        }
    }

    /// The physical ids of the stack's resources that begin with `prefix`.
    pub(super) fn ids(&self, prefix: &str) -> impl Iterator<Item = &'a str> {
        self.resources.iter().copied().filter(move |id| id.starts_with(prefix))
    }

    /// The owner of a resource with tags.
    pub(super) fn tagged<'t>(&self, id: &str, mut tags: impl Iterator<Item = (&'t str, &'t str)>) -> Owner {
        if self.resources.contains(id) {
            return Owner::ThisStack;
        }
        match tags.find(|(key, _)| *key == STACK_TAG) {
            Some((_, stack)) => self.named(stack),
            None => Owner::Foreign,
        }
    }

    /// The owner of a security group's rule.
    pub(super) fn rule(&self, id: &str, description: &str) -> Owner {
        if self.resources.contains(id) {
            return Owner::ThisStack;
        }
        let mut words = description.split([' ', ':', ',']);
        match (words.next(), words.next()) {
            (Some(RULE_DESCRIPTION), Some(stack)) if !stack.is_empty() => self.named(stack),
            _ => Owner::Foreign,
        }
    }

    /// The owner of a route: it has neither id nor tags, so the stack's list says `table|destination`, or has what it leads to.
    pub(super) fn route(&self, table: &str, destination: &str, target: &str) -> Owner {
        if self.resources.contains(format!("{table}|{destination}").as_str()) || self.resources.contains(target) {
            Owner::ThisStack
        } else {
            Owner::Foreign
        }
    }

    fn named(&self, stack: &str) -> Owner {
        if stack != self.name {
            Owner::K2mStack(stack.to_owned())
        } else if self.gone {
            Owner::Foreign
        } else {
            Owner::ThisStack
        }
    }
}

/// Gives routes to the network stacks whose templates have them: such a route has neither an id nor tags. What names a network stack that is
/// known to be gone is nobody's.
pub(super) fn claim_shared(network: &mut Network, looked: &[String], stacks: &BTreeMap<String, Fact<Stack>>) {
    let gone = |owner: &Owner| match owner {
        Owner::K2mStack(stack) => looked.contains(stack) && !stacks.contains_key(stack),
        Owner::ThisStack | Owner::Foreign => false,
    };
    if let Fact::Found { value: groups } = &mut network.security_groups {
        let rules = groups.iter_mut().flat_map(|group| &mut group.rules);
        for rule in rules.filter(|rule| gone(&rule.owner)) {
            rule.owner = Owner::Foreign;
        }
    }
    if let Fact::Found { value: peerings } = &mut network.peerings {
        for peering in peerings.iter_mut().filter(|peering| gone(&peering.owner)) {
            peering.owner = Owner::Foreign;
        }
    }
    let Fact::Found { value: tables } = &mut network.route_tables else {
        return;
    };
    for stack in stacks
        .values()
        .filter_map(Fact::found)
        .filter(|stack| stack.made_by_k2m)
    {
        let own = routes_of(stack);
        for table in tables.iter_mut() {
            let routes = table.routes.iter_mut().filter(|route| route.owner == Owner::Foreign);
            for route in routes.filter(|route| own.contains(&(table.id.clone(), route.destination.clone()))) {
                route.owner = Owner::K2mStack(stack.name.clone());
            }
        }
    }
}

/// VPC connections, of which those that name a network stack that is known to be gone are nobody's.
pub(super) fn standing(
    connections: Answer<Vec<VpcConnection>>,
    networks: &BTreeMap<String, Network>,
    stacks: &BTreeMap<String, Fact<Stack>>,
) -> Answer<Vec<VpcConnection>> {
    let looked = |vpc: &str| {
        let vpcs = networks.values().filter_map(|network| network.vpcs.found());
        vpcs.flatten().any(|known| known.id == vpc)
    };
    let judged = connections?.into_iter().map(|mut connection| {
        let stack = network_stack_name(&connection.vpc);
        let gone = connection.owner == Owner::K2mStack(stack.clone()) && !stacks.contains_key(&stack);
        if gone && looked(&connection.vpc) {
            connection.owner = Owner::Foreign;
        }
        connection
    });
    Ok(judged.collect())
}

/// VPC connections, each with whose it is.
pub(super) fn owned(connections: Answer<Vec<kafka::Tagged>>, claims: &Claims) -> Answer<Vec<VpcConnection>> {
    let owned = connections?.into_iter().map(|(mut connection, tags)| {
        let tags = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        connection.owner = claims.tagged(&connection.arn, tags);
        connection
    });
    Ok(owned.collect())
}

/// Table and destination of each route in a stack's template.
fn routes_of(stack: &Stack) -> BTreeSet<(String, String)> {
    let template = stack.template.as_deref();
    let template: Option<serde_yaml::Value> = template.and_then(|text| serde_yaml::from_str(text).ok());
    let resources = template
        .as_ref()
        .and_then(|template| template.get("Resources")?.as_mapping());
    let routes = resources.into_iter().flatten().filter_map(|(_, resource)| {
        let properties = resource
            .get("Properties")
            .filter(|_| resource["Type"].as_str() == Some("AWS::EC2::Route"))?;
        let text = |name: &str| properties.get(name)?.as_str().map(str::to_owned);
        Some((text("RouteTableId")?, text("DestinationCidrBlock")?))
    });
    routes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Unreadable;

    fn stack(made_by_k2m: bool) -> Fact<Stack> {
        let resources = [
            ("Ingress", "sgr-1"),
            ("Group", "sg-1"),
            ("Route", "rtb-1|10.9.0.0/16"),
            ("Peering", "pcx-1"),
        ];
        Fact::Found {
            value: Stack {
                tags: BTreeMap::new(),
                protected: false,
                name: "k2m-orders".to_owned(),
                status: "CREATE_COMPLETE".to_owned(),
                made_by_k2m,
                resources: resources
                    .iter()
                    .map(|&(logical, id)| (logical.to_owned(), id.to_owned()))
                    .collect(),
                outputs: std::collections::BTreeMap::new(),
                parameters: std::collections::BTreeMap::new(),
                template: None,
                template_unreadable: None,
            },
        }
    }

    #[test]
    fn rules() {
        let (found, other, absent) = (stack(true), stack(false), Fact::Absent);
        let unreadable = Fact::Unreadable(Unreadable {
            missing_action: None,
            message: "no".to_owned(),
        });
        let another = Owner::K2mStack("k2m-clicks".to_owned());
        for (stack, id, description, owner) in [
            (&found, "sgr-1", "", Owner::ThisStack),
            (&found, "sgr-2", "k2m k2m-orders", Owner::ThisStack),
            (&found, "sgr-2", "k2m k2m-orders: brokers", Owner::ThisStack),
            (&found, "sgr-2", "k2m k2m-clicks", another.clone()),
            (&found, "sgr-2", "k2m", Owner::Foreign),
            (&found, "sgr-2", "k2m ", Owner::Foreign),
            (&found, "sgr-2", "k2mx k2m-orders", Owner::Foreign),
            (&found, "sgr-2", "brokers", Owner::Foreign),
            // A stack of this name that another tool made owns nothing here.
            (&other, "sgr-1", "", Owner::Foreign),
            (&other, "sgr-2", "k2m k2m-orders", Owner::Foreign),
            // Left behind by a stack that is gone.
            (&absent, "sgr-1", "k2m k2m-orders", Owner::Foreign),
            (&absent, "sgr-1", "k2m k2m-clicks", another.clone()),
            // Its word is all there is when the stack can't be read.
            (&unreadable, "sgr-1", "k2m k2m-orders", Owner::ThisStack),
            (&unreadable, "sgr-1", "", Owner::Foreign),
        ] {
            let claims = Claims::new("k2m-orders", stack);
            assert_eq!(claims.rule(id, description), owner, "{id} {description:?}");
        }
    }

    #[test]
    fn groups_and_routes() {
        let found = stack(true);
        let claims = Claims::new("k2m-orders", &found);
        let tag = |stack| [(STACK_TAG, stack)].into_iter();
        assert_eq!(claims.tagged("sg-1", [].into_iter()), Owner::ThisStack);
        assert_eq!(claims.tagged("sg-2", [("Name", "x")].into_iter()), Owner::Foreign);
        assert_eq!(claims.tagged("sg-2", tag("k2m-orders")), Owner::ThisStack);
        assert_eq!(claims.tagged("sg-2", tag("k2m-x")), Owner::K2mStack("k2m-x".to_owned()));
        assert_eq!(claims.route("rtb-1", "10.9.0.0/16", "pcx-7"), Owner::ThisStack);
        assert_eq!(claims.route("rtb-2", "10.9.0.0/16", "pcx-1"), Owner::ThisStack);
        assert_eq!(claims.route("rtb-1", "0.0.0.0/0", "nat-1"), Owner::Foreign);
        assert_eq!(claims.ids("sg-").collect::<Vec<_>>(), ["sg-1"]);
    }
}

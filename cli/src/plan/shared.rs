//! Network stacks: what a VPC can have only once, and so what several stacks share: a peering connection, a route, a rule by CIDR block, in a stack of their
//! own. A VPC has one network stack at most, whose name follows from the VPC; it goes with the last stack that needs it.
//!
//! Who needs what stands in the stack itself: each user is a resource there that does nothing (a wait condition's handle costs nothing and makes nothing),
//! with the needs as its metadata. So a user that comes or goes changes a resource, without which `CloudFormation` takes no update; and what a network
//! stack has to be follows from its users alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use super::Plan;
use super::error::PlanError;

use crate::facts::deployed::short_hash;
use crate::facts::{Fact, Facts, Owner, Stack};

/// What the names of network stacks begin with; the VPC's id follows.
pub const NETWORK_STACK_PREFIX: &str = "k2m-network-";

/// The output of a stack that names the network stacks it needs, each as `region/stack`.
pub const NETWORK_STACKS: &str = "NetworkStacks";

/// The type of the resource that stands for a user.
const USER_TYPE: &str = "AWS::CloudFormation::WaitConditionHandle";

/// The name of a VPC's network stack.
pub fn network_stack_name(vpc: &str) -> String {
    format!("{NETWORK_STACK_PREFIX}{vpc}")
}

/// What one stack needs of a VPC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Needs {
    /// Peering connections with these VPCs; the VPC is the one that asks for them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub peerings: BTreeSet<NeededPeering>,
    /// Routes in the VPC's tables.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub routes: BTreeSet<NeededRoute>,
    /// Rules of the VPC's security groups, for what comes in.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub ingress: BTreeSet<NeededIngress>,
    /// The other network stacks that the same stack needs, as `region/stack`: whoever finds one finds all.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub beside: BTreeSet<String>,
    /// Topics of clusters in the VPC, for functions in other regions: `CloudFormation` makes a topic in its cluster's region alone.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub topics: BTreeSet<NeededTopic>,
    /// Interface endpoints in the VPC.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub endpoints: BTreeSet<NeededEndpoint>,
    /// VPC connections, as MSK calls them, from the VPC to clusters.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub connections: BTreeSet<NeededConnection>,
}

impl Needs {
    /// Whether it is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.peerings.is_empty()
            && self.routes.is_empty()
            && self.ingress.is_empty()
            && self.topics.is_empty()
            && self.endpoints.is_empty()
            && self.connections.is_empty()
    }
}

/// A peering connection that a network stack makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeededPeering {
    /// The VPC at the other side.
    pub vpc: String,
    /// Its region.
    pub region: String,
}

/// A route that a network stack makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeededRoute {
    /// The route table's id.
    pub table: String,
    /// An IPv4 CIDR block.
    pub destination: String,
    /// Where it leads.
    pub target: RouteTarget,
}

/// Where a route of a network stack leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RouteTarget {
    /// Through a peering connection that is not k2m's, by its id.
    Peering(String),
    /// Through the peering connection with this VPC that the same stack makes.
    Own(String),
    /// Through the peering connection that the network stack of this VPC makes.
    OfPeer(String),
}

/// A rule that a network stack makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeededIngress {
    /// The security group's id.
    pub group: String,
    /// The IPv4 CIDR block that is let in.
    pub cidr: String,
    /// First and last TCP port.
    pub ports: (u16, u16),
}

/// A topic that a network stack makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeededTopic {
    /// The cluster's ARN.
    pub cluster: String,
    /// The topic's name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// How many replicas of each.
    pub replication_factor: u32,
    /// Its own settings, as `CloudFormation` takes them: a JSON object in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configs: Option<String>,
}

/// An interface endpoint that a network stack makes. A VPC can have one of a service only, since its name leads there in all of the VPC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeededEndpoint {
    /// The service, such as `com.amazonaws.eu-west-1.secretsmanager`.
    pub service: String,
    /// By zone, the subnet that gets a network interface: a zone can have one only.
    pub subnets: BTreeMap<String, String>,
    /// The VPC's IPv4 CIDR blocks, all of which are let in: their resolver leads all of them there.
    pub cidrs: BTreeSet<String>,
}

/// A VPC connection that a network stack makes: the VPC's way to a cluster by its multi-VPC private connectivity. One does for all functions in the VPC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeededConnection {
    /// The cluster's ARN.
    pub cluster: String,
    /// `SASL_IAM`, `SASL_SCRAM` or `TLS`.
    pub authentication: String,
    /// By zone, each of the brokers', the subnet that gets a network interface.
    pub subnets: BTreeMap<String, String>,
    /// The VPC's IPv4 CIDR blocks, all of which are let in: the brokers ask everybody who they are.
    pub cidrs: BTreeSet<String>,
}

/// The network stacks that a stack says it needs, `(region, stack)`, in the order in which they were deployed.
pub fn named(output: &str) -> Vec<(String, String)> {
    let pairs = output.split(',').filter_map(|pair| pair.split_once('/'));
    pairs
        .map(|(region, stack)| (region.to_owned(), stack.to_owned()))
        .collect()
}

/// A network stack that a deployed stack needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenBack {
    /// Its region.
    pub region: String,
    /// Its name.
    pub stack: String,
}

impl fmt::Display for GivenBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, stack } = self;
        write!(
            f,
            "then {stack} in {region} is given back: it goes with the last that needs it"
        )
    }
}

/// The network stacks that the deployed stack needs no more by this plan, the last deployed first: of those that it names, and of what an earlier run that was
/// stopped half way had no time to give back.
pub fn given_back(plan: &Plan, facts: &Facts) -> Vec<GivenBack> {
    let output = facts.stack.found().and_then(|stack| stack.outputs.get(NETWORK_STACKS));
    let mut before: Vec<(String, String)> = output.map(|output| named(output)).unwrap_or_default();
    for stack in needed_before(facts, &user(&plan.region, &plan.stack)) {
        if !before.contains(&stack) {
            before.push(stack);
        }
    }
    let needed = |region: &str, name: &str| {
        let mut stacks = plan.network_stacks.iter();
        stacks.any(|stack| stack.stack == name && stack.region == region)
    };
    let over = before.into_iter().rev().filter(|(region, name)| !needed(region, name));
    over.map(|(region, stack)| GivenBack { region, stack }).collect()
}

/// The network stacks among the facts that this user needs something in, as `(region, stack)`.
fn needed_before(facts: &Facts, user: &str) -> Vec<(String, String)> {
    let region_of = |vpc: &str| {
        let networks = facts.networks.iter();
        let mut here =
            networks.filter(|(_, network)| network.vpcs.found().into_iter().flatten().any(|found| found.id == vpc));
        here.next().map(|(region, _)| region.clone())
    };
    let needed = facts.network_stacks.iter().filter_map(|(name, stack)| {
        let needs = users(stack, name).ok()?.remove(user)?;
        let region = region_of(name.strip_prefix(NETWORK_STACK_PREFIX)?)?;
        let beside = needs.beside.iter().filter_map(|place| place.split_once('/'));
        let beside = beside.map(|(region, name)| (region.to_owned(), name.to_owned()));
        Some(
            std::iter::once((region, name.clone()))
                .chain(beside)
                .collect::<Vec<_>>(),
        )
    });
    let all: BTreeSet<(String, String)> = needed.flatten().collect();
    all.into_iter().collect()
}

/// What a user needs as the template of a network stack says, whatever became of that stack.
pub fn named_in(stack: &Stack, user: &str) -> Option<Needs> {
    let template: Value = serde_yaml::from_str(stack.template.as_deref()?).ok()?;
    let resources = template.get("Resources")?.as_mapping()?;
    let known = resources.values().filter_map(user_of);
    known
        .into_iter()
        .find(|known| known.user == user)
        .map(|known| known.needs)
}

/// The user that this resource stands for, if it stands for one.
fn user_of(resource: &Value) -> Option<NetworkUser> {
    let handle = resource.get("Type").and_then(Value::as_str) == Some(USER_TYPE);
    let user = resource.get("Metadata").filter(|_| handle)?.get("k2m")?;
    // By way of JSON: YAML's reader takes a mapping for no variant.
    serde_json::from_value(serde_json::to_value(user).ok()?).ok()
}

/// Says in each of these network stacks which others this user needs.
pub(super) fn name_each_other(stacks: &mut [NetworkStack], user: &str) {
    let names: BTreeSet<String> = stacks.iter().map(NetworkStack::place).collect();
    for stack in stacks {
        let own = stack.place();
        if let Some(needs) = stack.users.get_mut(user) {
            needs.beside = names.iter().filter(|name| **name != own).cloned().collect();
        }
    }
}

/// A network stack, decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStack {
    /// Its name.
    pub stack: String,
    /// Its region.
    pub region: String,
    /// The VPC that it is for.
    pub vpc: String,
    /// By `region/stack`, what each stack needs in it. Never empty.
    pub users: BTreeMap<String, Needs>,
}

/// How a stack is named among the users of a network stack.
pub fn user(region: &str, stack: &str) -> String {
    format!("{region}/{stack}")
}

/// What the template of a network stack prints; each with its logical id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkResources {
    /// Names of parameters, each with the VPC whose network stack says its value: the id of a peering connection.
    pub parameters: BTreeMap<String, String>,
    /// Who needs it.
    pub users: BTreeMap<String, NetworkUser>,
    /// Peering connections.
    pub peerings: BTreeMap<String, NeededPeering>,
    /// Routes.
    pub routes: BTreeMap<String, NetworkRoute>,
    /// Rules.
    pub ingress: BTreeMap<String, NeededIngress>,
    /// Topics.
    pub topics: BTreeMap<String, NeededTopic>,
    /// Interface endpoints.
    pub endpoints: BTreeMap<String, NeededEndpoint>,
    /// VPC connections.
    pub connections: BTreeMap<String, NeededConnection>,
}

/// A user, as its resource shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkUser {
    /// `region/stack`.
    pub user: String,
    /// What it needs.
    pub needs: Needs,
}

/// A route, with where it leads in `CloudFormation`'s words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRoute {
    /// The route table's id.
    pub table: String,
    /// An IPv4 CIDR block.
    pub destination: String,
    /// An id, or a reference.
    pub peering: serde_json::Value,
}

impl NetworkStack {
    /// What is deployed for a VPC, less what this user needed: nothing where nobody else needs anything. An error where the users can't be told, since an
    /// update would take away what they need.
    pub fn of_others(stack: &Fact<Stack>, region: &str, vpc: &str, without: &str) -> Result<Self, PlanError> {
        let mut users = users(stack, &network_stack_name(vpc))?;
        users.remove(without);
        Ok(Self {
            stack: network_stack_name(vpc),
            region: region.to_owned(),
            vpc: vpc.to_owned(),
            users,
        })
    }

    /// Refuses that what the deployed stack is known to have made is not there: its template would be the same, so that no deployment makes it again.
    pub(super) fn refuse_gone(
        deployed: &Fact<Stack>,
        (region, vpc): (&str, &str),
        what: &str,
        made: impl Fn(&Needs) -> bool,
    ) -> Result<(), PlanError> {
        let users = users(deployed, &network_stack_name(vpc))?;
        if !users.values().any(made) {
            return Ok(());
        }
        Err(PlanError::GoneFromStack {
            what: what.to_owned(),
            stack: network_stack_name(vpc),
            region: region.to_owned(),
            users: users.into_keys().collect(),
        })
    }

    /// The same with what this user needed until now: functions that are moved lose nothing before they have moved.
    pub fn with_former(&self, deployed: &Fact<Stack>, user: &str) -> Result<Self, PlanError> {
        let mut widened = self.clone();
        let former = users(deployed, &self.stack)?.remove(user);
        let (Some(former), Some(needs)) = (former, widened.users.get_mut(user)) else {
            return Ok(widened);
        };
        let led = |route: &NeededRoute| {
            let mut routes = needs.routes.iter();
            routes.any(|new| (&new.table, &new.destination) == (&route.table, &route.destination))
        };
        let routes: Vec<NeededRoute> = former.routes.into_iter().filter(|route| !led(route)).collect();
        needs.routes.extend(routes);
        needs.peerings.extend(former.peerings);
        needs.ingress.extend(former.ingress);
        needs.endpoints.extend(former.endpoints);
        needs.connections.extend(former.connections);
        Ok(widened)
    }

    /// It with its region: `region/stack`.
    pub fn place(&self) -> String {
        format!("{}/{}", self.region, self.stack)
    }

    /// What was decided for this user, beside what others need by now: they may have come or gone since the facts were taken.
    pub fn beside_others(&self, deployed: &Fact<Stack>, user: &str) -> Result<Self, PlanError> {
        let mut fresh = Self::of_others(deployed, &self.region, &self.vpc, user)?;
        if let Some(needs) = self.users.get(user) {
            fresh.users.insert(user.to_owned(), needs.clone());
        }
        fresh.refuse_clashes(user)?;
        Ok(fresh)
    }

    /// An error where this user and another need the same destination to lead to different ends.
    pub(super) fn refuse_clashes(&self, user: &str) -> Result<(), PlanError> {
        let Some(mine) = self.users.get(user) else {
            return Ok(());
        };
        for (other, theirs) in self.users.iter().filter(|(other, _)| *other != user) {
            let clash = mine.routes.iter().find(|mine| {
                let mut routes = theirs.routes.iter();
                routes.any(|one| {
                    one.table == mine.table && one.destination == mine.destination && one.target != mine.target
                })
            });
            if let Some(route) = clash {
                return Err(PlanError::RouteOfOther {
                    table: route.table.clone(),
                    destination: route.destination.clone(),
                    stack: self.stack.clone(),
                    user: other.clone(),
                });
            }
        }
        Ok(())
    }

    /// Everything that it has to have, each once.
    pub fn resources(&self) -> NetworkResources {
        let needs = || self.users.values();
        let mut parameters = BTreeMap::new();
        let routes: BTreeSet<&NeededRoute> = needs().flat_map(|needs| &needs.routes).collect();
        let routes = routes
            .into_iter()
            .map(|route| {
                let peering = match &route.target {
                    RouteTarget::Peering(id) => serde_json::json!(id),
                    RouteTarget::Own(vpc) => serde_json::json!({"Ref": peering_id(vpc)}),
                    RouteTarget::OfPeer(vpc) => {
                        let name = peering_id(vpc);
                        parameters.insert(name.clone(), vpc.clone());
                        serde_json::json!({"Ref": name})
                    }
                };
                let id = format!("Route{}", short_hash(&format!("{}|{}", route.table, route.destination)));
                let NeededRoute { table, destination, .. } = route.clone();
                let route = NetworkRoute {
                    table,
                    destination,
                    peering,
                };
                (id, route)
            })
            .collect();
        let peerings = needs().flat_map(|needs| &needs.peerings);
        let ingress = needs().flat_map(|needs| &needs.ingress);
        // In their order, so that of one topic with two numbers of partitions the higher one counts: it can't go down again.
        let topics: BTreeSet<&NeededTopic> = needs().flat_map(|needs| &needs.topics).collect();
        let mut endpoints: BTreeMap<String, NeededEndpoint> = BTreeMap::new();
        for needed in needs().flat_map(|needs| &needs.endpoints) {
            let id = format!("Endpoint{}", short_hash(&needed.service));
            let endpoint = endpoints.entry(id).or_insert_with(|| needed.clone());
            endpoint.cidrs.extend(needed.cidrs.iter().cloned());
            for (zone, subnet) in &needed.subnets {
                // Of two users with two subnets in a zone one decides, and always the same.
                let known = endpoint.subnets.entry(zone.clone()).or_insert_with(|| subnet.clone());
                if subnet < known {
                    known.clone_from(subnet);
                }
            }
        }
        let mut connections: BTreeMap<String, NeededConnection> = BTreeMap::new();
        for needed in needs().flat_map(|needs| &needs.connections) {
            let NeededConnection {
                cluster,
                authentication,
                ..
            } = needed;
            let id = format!("Connection{}", short_hash(&format!("{cluster}|{authentication}")));
            // It can't be changed, so a second user takes the first one's as it is; its group lets all in.
            let connection = connections.entry(id).or_insert_with(|| needed.clone());
            connection.cidrs.extend(needed.cidrs.iter().cloned());
        }
        NetworkResources {
            connections,
            endpoints,
            users: self
                .users
                .iter()
                .map(|(user, needs)| {
                    let shown = NetworkUser {
                        user: user.clone(),
                        needs: needs.clone(),
                    };
                    // Such a resource can't be updated: other needs are another one.
                    let text = format!("{user} {}", serde_json::json!(needs));
                    (format!("User{}", short_hash(&text)), shown)
                })
                .collect(),
            peerings: peerings
                .map(|peering| (peering_id(&peering.vpc), peering.clone()))
                .collect(),
            routes,
            ingress: ingress
                .map(|rule| {
                    let NeededIngress { group, cidr, ports } = rule;
                    let text = format!("{group}|{cidr}|{}-{}", ports.0, ports.1);
                    (format!("Ingress{}", short_hash(&text)), rule.clone())
                })
                .collect(),
            topics: topics
                .into_iter()
                .map(|topic| {
                    let text = format!("{}|{}", topic.cluster, topic.name);
                    (format!("Topic{}", short_hash(&text)), topic.clone())
                })
                .collect(),
            parameters,
        }
    }
}

/// What a user needs of a deployed network stack, as far as it can be read.
pub(super) fn needs_of(stack: &Fact<Stack>, user: &str) -> Option<Needs> {
    users(stack, "").ok()?.remove(user)
}

/// The topics that a user needs of deployed network stacks, as far as these can be read.
pub(super) fn topics_of<'s>(stacks: impl Iterator<Item = &'s Fact<Stack>>, user: &str) -> Vec<NeededTopic> {
    let needs = stacks.filter_map(|stack| users(stack, "").ok()?.remove(user));
    needs.flat_map(|needs| needs.topics).collect()
}

/// A VPC connection as somebody needs it of a deployed network stack, as far as that can be read.
pub(super) fn connection_of(stack: &Fact<Stack>, cluster: &str, authentication: &str) -> Option<NeededConnection> {
    let needs = users(stack, "").ok()?.into_values();
    let mut connections = needs.flat_map(|needs| needs.connections);
    connections.find(|one| one.cluster == cluster && one.authentication == authentication)
}

/// Adds the topics that pipelines of another region bring to the brokers' network stack, which may not be needed for anything else.
pub(super) fn add_topics(
    stacks: &mut Vec<NetworkStack>,
    deployed: &Fact<Stack>,
    (region, vpc): (&str, &str),
    user: &str,
    topics: &BTreeSet<NeededTopic>,
) -> Result<(), PlanError> {
    if topics.is_empty() {
        return Ok(());
    }
    let name = network_stack_name(vpc);
    if !stacks.iter().any(|stack| stack.stack == name) {
        // The brokers' goes first.
        stacks.insert(0, NetworkStack::of_others(deployed, region, vpc, user)?);
    }
    for stack in stacks.iter_mut().filter(|stack| stack.stack == name) {
        let needs = stack.users.entry(user.to_owned()).or_default();
        needs.topics.extend(topics.iter().cloned());
    }
    Ok(())
}

/// Adds an interface endpoint to the network stack of the functions' VPC, which may not be needed for anything else.
pub(super) fn add_endpoint(
    stacks: &mut Vec<NetworkStack>,
    deployed: &Fact<Stack>,
    (region, vpc): (&str, &str),
    user: &str,
    endpoint: NeededEndpoint,
) -> Result<(), PlanError> {
    let name = network_stack_name(vpc);
    let mut stack = match stacks.iter().position(|stack| stack.stack == name) {
        Some(place) => stacks.remove(place),
        None => NetworkStack::of_others(deployed, region, vpc, user)?,
    };
    stack
        .users
        .entry(user.to_owned())
        .or_default()
        .endpoints
        .insert(endpoint);
    // The functions' goes last.
    stacks.push(stack);
    Ok(())
}

/// The logical id of the peering connection with this VPC, the name of the output that tells its id, and of the parameter that takes it.
pub fn peering_id(vpc: &str) -> String {
    format!("Peering{}", short_hash(vpc))
}

/// Whether what has this owner is a network stack's of one of these VPCs.
pub fn of_network_stack(owner: &Owner, vpcs: &[&str]) -> bool {
    let Owner::K2mStack(stack) = owner else { return false };
    stack
        .strip_prefix(NETWORK_STACK_PREFIX)
        .is_some_and(|vpc| vpcs.contains(&vpc))
}

/// The users that a deployed network stack names.
fn users(stack: &Fact<Stack>, name: &str) -> Result<BTreeMap<String, Needs>, PlanError> {
    let stack = match stack {
        Fact::Absent => return Ok(BTreeMap::new()),
        Fact::Unreadable(why) => return Err(PlanError::Blind(vec![(format!("networkStacks.{name}"), why.clone())])),
        Fact::Found { value } => value,
    };
    if !super::seen::stands(stack) {
        if stack.made_by_k2m || stack.resources.is_empty() {
            return Ok(BTreeMap::new());
        }
        return Err(PlanError::ForeignStack {
            name: stack.name.clone(),
        });
    }
    if let Some(why) = &stack.template_unreadable {
        return Err(PlanError::Blind(vec![(
            format!("networkStacks.{name}.template"),
            why.clone(),
        )]));
    }
    let missing = || PlanError::Missing {
        what: format!("who needs the network stack {name}"),
    };
    let template: Value = stack
        .template
        .as_deref()
        .and_then(|text| serde_yaml::from_str(text).ok())
        .ok_or_else(missing)?;
    let resources = template
        .get("Resources")
        .and_then(Value::as_mapping)
        .ok_or_else(missing)?;
    let handles = resources
        .values()
        .filter(|resource| resource.get("Type").and_then(Value::as_str) == Some(USER_TYPE));
    handles
        .map(|handle| {
            let NetworkUser { user, needs } = user_of(handle).ok_or_else(missing)?;
            Ok((user, needs))
        })
        .collect()
}

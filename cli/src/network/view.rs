//! The networks of all regions as they will be: the facts, with the changes that a plan would make laid over them. It keeps apart what isn't
//! there from what nobody could read.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

use super::unknown::Unknown;
use crate::facts::network::{
    NetworkAcl, Peering, PrefixList, Route, RouteTable, Rule, SecurityGroup, Subnet, TransitGatewayAttachment, Vpc,
};
use crate::facts::{Fact, Network, Unreadable};

/// What a plan would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A security group will be exactly this, whether it is new or there already. A group that CloudFormation creates without an egress rule
    /// lets everything out: where that is meant, give it that rule.
    Group(SecurityGroup),
    /// A rule will be added.
    AddRule {
        /// The security group's id.
        group: String,
        /// The rule; its id may be whatever names it in the plan.
        rule: Rule,
    },
    /// The rule of this id will be gone, if it is there at all.
    RemoveRule(String),
    /// A route will be added.
    AddRoute {
        /// The route table's id.
        table: String,
        /// The route; its target may be a planned peering connection.
        route: Route,
    },
    /// Routes of this destination will be gone, if there are any.
    RemoveRoute {
        /// The route table's id.
        table: String,
        /// The CIDR block or the prefix list's id.
        destination: String,
    },
    /// A peering connection will be exactly this, whether it is new or there already.
    Peering(Peering),
}

/// Networks to judge.
#[derive(Debug, Clone)]
pub struct View {
    vpcs: Listing<Vpc>,
    subnets: Listing<Subnet>,
    route_tables: Listing<Table>,
    acls: Listing<NetworkAcl>,
    prefix_lists: Listing<PrefixList>,
    peerings: Listing<ViewedPeering>,
    attachments: Listing<TransitGatewayAttachment>,
    groups: BTreeMap<String, Group>,
    groups_unread: BTreeMap<String, Unreadable>,
}

/// A thing, and the region that it was seen in.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) region: String,
    thing: T,
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

/// A security group, as far as it is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) rules: Vec<ViewedRule>,
    /// Whether there may be rules that nobody saw: the group wasn't among the facts, but the plan adds rules to it.
    pub(super) in_part: bool,
}

/// A rule, and whether it is only planned.
#[derive(Debug, Clone)]
pub(super) struct ViewedRule {
    pub(super) rule: Rule,
    pub(super) planned: bool,
}

/// A route table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) id: String,
    pub(super) vpc: String,
    main: bool,
    subnets: Vec<String>,
    pub(super) routes: Vec<ViewedRoute>,
}

/// A route, and whether it is only planned.
#[derive(Debug, Clone)]
pub(super) struct ViewedRoute {
    pub(super) route: Route,
    pub(super) planned: bool,
}

/// A peering connection, and whether it is only planned.
#[derive(Debug, Clone)]
pub(super) struct ViewedPeering {
    pub(super) peering: Peering,
    pub(super) planned: bool,
}

impl View {
    /// The networks as they are, by region.
    pub fn new(networks: &BTreeMap<String, Network>) -> Self {
        let mut view = Self {
            vpcs: Listing::default(),
            subnets: Listing::default(),
            route_tables: Listing::default(),
            acls: Listing::default(),
            prefix_lists: Listing::default(),
            peerings: Listing::default(),
            attachments: Listing::default(),
            groups: BTreeMap::new(),
            groups_unread: BTreeMap::new(),
        };
        for (region, network) in networks {
            view.vpcs.add(region, &network.vpcs, Vpc::clone);
            view.subnets.add(region, &network.subnets, Subnet::clone);
            view.route_tables.add(region, &network.route_tables, Table::new);
            view.acls.add(region, &network.network_acls, NetworkAcl::clone);
            view.prefix_lists.add(region, &network.prefix_lists, PrefixList::clone);
            view.peerings.add(region, &network.peerings, |peering| ViewedPeering {
                peering: peering.clone(),
                planned: false,
            });
            let attachments = &network.transit_gateway_attachments;
            view.attachments
                .add(region, attachments, TransitGatewayAttachment::clone);
            match &network.security_groups {
                Fact::Found { value } => {
                    let seen = value.iter();
                    let seen = seen.map(|group| (group.id.clone(), Group::whole(group.rules.clone(), false)));
                    view.groups.extend(seen);
                }
                Fact::Absent => {}
                Fact::Unreadable(why) => {
                    view.groups_unread.insert(region.clone(), why.clone());
                }
            }
        }
        view
    }

    /// The networks as they will be after these changes, made in their order.
    #[must_use]
    pub fn with(mut self, changes: impl IntoIterator<Item = Change>) -> Self {
        for change in changes {
            match change {
                Change::Group(group) => {
                    self.groups.insert(group.id, Group::whole(group.rules, true));
                }
                Change::AddRule { group, rule } => self
                    .groups
                    .entry(group)
                    .or_insert_with(|| Group {
                        rules: Vec::new(),
                        in_part: true,
                    })
                    .rules
                    .push(ViewedRule { rule, planned: true }),
                Change::RemoveRule(id) => {
                    for group in self.groups.values_mut() {
                        group.rules.retain(|viewed| viewed.rule.id != id);
                    }
                }
                // A table that nobody saw is no subnet's table, so nothing is lost with its routes.
                Change::AddRoute { table, route } => {
                    for table in self.tables_mut(&table) {
                        table.routes.push(ViewedRoute {
                            route: route.clone(),
                            planned: true,
                        });
                    }
                }
                Change::RemoveRoute { table, destination } => {
                    for table in self.tables_mut(&table) {
                        table.routes.retain(|viewed| viewed.route.destination != destination);
                    }
                }
                Change::Peering(peering) => {
                    let peerings = Arc::make_mut(&mut self.peerings.items);
                    peerings.retain(|viewed| viewed.peering.id != peering.id);
                    peerings.push(Placed {
                        region: peering.requester.region.clone(),
                        thing: ViewedPeering { peering, planned: true },
                    });
                }
            }
        }
        self
    }

    fn tables_mut(&mut self, id: &str) -> impl Iterator<Item = &mut Table> {
        let tables = Arc::make_mut(&mut self.route_tables.items).iter_mut();
        tables.map(|table| &mut table.thing).filter(move |table| table.id == id)
    }

    pub(super) fn subnet(&self, id: &str) -> Result<&Placed<Subnet>, Unknown> {
        self.subnets.find(|subnet| subnet.id == id, "subnet", id, None)
    }

    /// The subnet of the same VPC as this one that all of a block is in, where there is one.
    pub(super) fn neighbour(&self, subnet: &str, block: Ipv4Net) -> Option<&str> {
        let vpc = &self.subnet(subnet).ok()?.vpc;
        let mut subnets = self.subnets.items.iter();
        let holds = |cidr: &str| cidr.parse::<Ipv4Net>().is_ok_and(|net| net.contains(&block));
        let found = subnets.find(|one| one.vpc == *vpc && holds(&one.cidr))?;
        Some(&found.id)
    }

    /// The IPv4 CIDR blocks of a VPC, which is in this region. Where the VPC isn't among the facts, what an active peering connection says of
    /// it will do.
    pub(super) fn blocks(&self, vpc: &str, region: &str) -> Result<Vec<Ipv4Net>, Unknown> {
        let found = self.vpcs.find(|found| found.id == vpc, "VPC", vpc, Some(region));
        let cidrs = match found {
            Ok(found) => &found.cidrs,
            Err(unknown) => {
                let mut sides = self.peerings.items.iter().filter_map(|viewed| viewed.peering.side(vpc));
                let side = sides.find(|side| !side.cidrs.is_empty());
                &side.ok_or(unknown)?.cidrs
            }
        };
        let nets = cidrs.iter().map(|cidr| ipv4(cidr, vpc));
        nets.filter_map(Result::transpose).collect()
    }

    /// The table that the subnet uses: its own, else the VPC's main one.
    pub(super) fn route_table(&self, subnet: &Placed<Subnet>) -> Result<&Table, Unknown> {
        let find = |wanted: &dyn Fn(&Table) -> bool| {
            self.route_tables
                .find(wanted, "route table of", &subnet.id, Some(&subnet.region))
        };
        find(&|table| table.subnets.contains(&subnet.id))
            .or_else(|_| find(&|table| table.main && table.vpc == subnet.vpc))
            .map(|table| &table.thing)
    }

    /// All route tables of a VPC, which are known to be all: a subnet's was found.
    pub(super) fn tables_of<'a>(&'a self, vpc: &'a str) -> impl Iterator<Item = &'a Table> {
        let tables = self.route_tables.items.iter();
        tables.map(|table| &table.thing).filter(move |table| table.vpc == vpc)
    }

    /// The network ACL that the subnet uses: its own, else the VPC's default.
    pub(super) fn acl(&self, subnet: &Placed<Subnet>) -> Result<&NetworkAcl, Unknown> {
        let find = |wanted: &dyn Fn(&NetworkAcl) -> bool| {
            self.acls
                .find(wanted, "network ACL of", &subnet.id, Some(&subnet.region))
        };
        find(&|acl| acl.subnets.contains(&subnet.id))
            .or_else(|_| find(&|acl| acl.default && acl.vpc == subnet.vpc))
            .map(|acl| &acl.thing)
    }

    /// What is known of a security group of an interface in this region, and what is missing where that isn't everything.
    pub(super) fn group(&self, id: &str, region: &str) -> (&[ViewedRule], Option<Unknown>) {
        let group = self.groups.get(id);
        let unknown = group
            .is_none_or(|group| group.in_part)
            .then(|| unseen(self.groups_unread.get(region), "security group", id));
        (group.map_or(&[], |group| &group.rules), unknown)
    }

    /// The IPv4 blocks of a prefix list that something in this region names.
    pub(super) fn prefix_list(&self, id: &str, region: &str) -> Result<Vec<Ipv4Net>, Unknown> {
        let list = self
            .prefix_lists
            .find(|list| list.id == id, "prefix list", id, Some(region))?;
        let nets = list.cidrs.iter().map(|cidr| ipv4(cidr, id));
        nets.filter_map(Result::transpose).collect()
    }

    /// Whether a route's target is a peering connection: a planned one has whatever name the plan gives it.
    pub(super) fn is_peering(&self, target: &str) -> bool {
        let mut peerings = self.peerings.items.iter();
        target.starts_with("pcx-") || peerings.any(|viewed| viewed.peering.id == target)
    }

    /// A peering connection that a route in this region leads to.
    pub(super) fn peering(&self, id: &str, region: &str) -> Result<&ViewedPeering, Unknown> {
        self.peerings
            .find(|viewed| viewed.peering.id == id, "peering connection", id, Some(region))
            .map(|peering| &peering.thing)
    }

    /// Peering connections between these VPCs, and why there may be more.
    pub(super) fn peerings_between<'a>(
        &'a self,
        one: &'a Placed<Subnet>,
        other: &'a Placed<Subnet>,
    ) -> (impl Iterator<Item = &'a Peering>, Option<Unknown>) {
        let all = self.peerings.items.iter().map(|viewed| &viewed.peering);
        let between = all.filter(|peering| {
            let far = peering.other_side(&one.vpc);
            far.is_some_and(|side| side.vpc == other.vpc)
        });
        // Both regions list it, so one that was read is enough.
        let unread = self.peerings.unread.get(&one.region);
        let unread = unread.filter(|_| self.peerings.unread.contains_key(&other.region));
        let unread = unread.map(|why| unseen(Some(why), "peering connections of", &one.vpc));
        (between, unread)
    }

    /// Attachments of a VPC, which is in this region; an error where nobody could read them.
    pub(super) fn attachments<'a>(
        &'a self,
        vpc: &'a str,
        region: &str,
    ) -> Result<impl Iterator<Item = &'a TransitGatewayAttachment>, Unknown> {
        if let Some(why) = self.attachments.unread.get(region) {
            return Err(unseen(Some(why), "transit gateway attachments of", vpc));
        }
        let all = self.attachments.items.iter().map(|attachment| &attachment.thing);
        Ok(all.filter(move |attachment| attachment.vpc == vpc))
    }
}

impl Group {
    fn whole(rules: Vec<Rule>, planned: bool) -> Self {
        Self {
            rules: rules.into_iter().map(|rule| ViewedRule { rule, planned }).collect(),
            in_part: false,
        }
    }
}

impl Table {
    fn new(table: &RouteTable) -> Self {
        let routes = table.routes.iter();
        Self {
            id: table.id.clone(),
            vpc: table.vpc.clone(),
            main: table.main,
            subnets: table.subnets.clone(),
            routes: routes
                .map(|route| ViewedRoute {
                    route: route.clone(),
                    planned: false,
                })
                .collect(),
        }
    }
}

/// Things of one kind, and by region why there are none of it where nobody could read them. Shared by all views until one changes them: a plan makes a
/// view for each of thousands of subnets.
#[derive(Debug, Clone)]
struct Listing<T> {
    items: Arc<Vec<Placed<T>>>,
    unread: BTreeMap<String, Unreadable>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            items: Arc::default(),
            unread: BTreeMap::new(),
        }
    }
}

impl<T: Clone> Listing<T> {
    fn add<F>(&mut self, region: &str, fact: &Fact<Vec<F>>, viewed: impl Fn(&F) -> T) {
        match fact {
            Fact::Found { value } => Arc::make_mut(&mut self.items).extend(value.iter().map(|thing| Placed {
                region: region.to_owned(),
                thing: viewed(thing),
            })),
            Fact::Absent => {}
            Fact::Unreadable(why) => {
                self.unread.insert(region.to_owned(), why.clone());
            }
        }
    }

    /// The thing that is wanted, which would have to be in this region; in any, where none is given.
    fn find(
        &self,
        wanted: impl Fn(&T) -> bool,
        what: &'static str,
        id: &str,
        region: Option<&str>,
    ) -> Result<&Placed<T>, Unknown> {
        let unread = || match region {
            Some(region) => self.unread.get(region),
            None => self.unread.values().next(),
        };
        self.items
            .iter()
            .find(|item| wanted(item))
            .ok_or_else(|| unseen(unread(), what, id))
    }
}

fn unseen(unread: Option<&Unreadable>, what: &'static str, id: &str) -> Unknown {
    match unread {
        Some(why) => Unknown::Unreadable {
            what,
            id: id.to_owned(),
            missing_action: why.missing_action.clone(),
            message: why.message.clone(),
        },
        None => Unknown::NotAmongFacts {
            what,
            id: id.to_owned(),
        },
    }
}

/// An IPv4 block, less bits beyond its prefix; none where it is one of IPv6, which no IPv4 packet matches. `of` is the id of what names it.
pub(super) fn ipv4(cidr: &str, of: &str) -> Result<Option<Ipv4Net>, Unknown> {
    match cidr.parse::<IpNet>() {
        Ok(IpNet::V4(net)) => Ok(Some(net.trunc())),
        Ok(IpNet::V6(_)) => Ok(None),
        Err(_) => Err(Unknown::Malformed {
            value: cidr.to_owned(),
            of: of.to_owned(),
        }),
    }
}

/// Whether a security group's rule lets TCP in on all of these ports, from whomever its peer is.
pub fn lets_tcp_in(rule: &Rule, (first, last): (u16, u16)) -> bool {
    let ports = tcp_ports(&rule.protocol, rule.ports);
    !rule.egress && ports.is_some_and(|ports| ports.0 <= first && last <= ports.1)
}

/// Whether a rule's or an entry's protocol takes TCP in, and on which ports: `-1` takes in all ports whatever it says of them.
pub(super) fn tcp_ports(protocol: &str, ports: Option<(u16, u16)>) -> Option<(u16, u16)> {
    match protocol {
        "-1" => Some(super::area::ALL_PORTS),
        "6" => Some(ports.unwrap_or(super::area::ALL_PORTS)),
        name if name.eq_ignore_ascii_case("tcp") => Some(ports.unwrap_or(super::area::ALL_PORTS)),
        _ => None,
    }
}

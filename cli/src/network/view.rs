//! A region's network as it will be: the facts, with the changes that a plan would make laid over them. It keeps apart what isn't there from
//! what nobody could read.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net};

use super::proof::Unknown;
use crate::facts::network::{NetworkAcl, PrefixList, RouteTable, Rule, SecurityGroup, Subnet};
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
}

/// A network to judge.
#[derive(Debug, Clone)]
pub struct View {
    subnets: Listing<Subnet>,
    route_tables: Listing<RouteTable>,
    acls: Listing<NetworkAcl>,
    prefix_lists: Listing<PrefixList>,
    groups: BTreeMap<String, Group>,
    groups_unread: Option<Unreadable>,
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

impl View {
    /// The network as it is.
    pub fn new(network: &Network) -> Self {
        let groups = Listing::new(&network.security_groups);
        Self {
            subnets: Listing::new(&network.subnets),
            route_tables: Listing::new(&network.route_tables),
            acls: Listing::new(&network.network_acls),
            prefix_lists: Listing::new(&network.prefix_lists),
            groups: groups
                .items
                .into_iter()
                .map(|group| (group.id, Group::whole(group.rules, false)))
                .collect(),
            groups_unread: groups.unread,
        }
    }

    /// The network as it will be after these changes, made in their order.
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
            }
        }
        self
    }

    pub(super) fn subnet(&self, id: &str) -> Result<&Subnet, Unknown> {
        self.subnets.find(|subnet| subnet.id == id, "subnet", id)
    }

    /// The table that the subnet uses: its own, else the VPC's main one.
    pub(super) fn route_table(&self, subnet: &Subnet) -> Result<&RouteTable, Unknown> {
        self.route_tables
            .find(|table| table.subnets.contains(&subnet.id), "route table of", &subnet.id)
            .or_else(|_| {
                self.route_tables.find(
                    |table| table.main && table.vpc == subnet.vpc,
                    "route table of",
                    &subnet.id,
                )
            })
    }

    /// The network ACL that the subnet uses: its own, else the VPC's default.
    pub(super) fn acl(&self, subnet: &Subnet) -> Result<&NetworkAcl, Unknown> {
        self.acls
            .find(|acl| acl.subnets.contains(&subnet.id), "network ACL of", &subnet.id)
            .or_else(|_| {
                self.acls
                    .find(|acl| acl.default && acl.vpc == subnet.vpc, "network ACL of", &subnet.id)
            })
    }

    /// What is known of a security group, and what is missing where that isn't everything.
    pub(super) fn group(&self, id: &str) -> (&[ViewedRule], Option<Unknown>) {
        let group = self.groups.get(id);
        let unknown = group
            .is_none_or(|group| group.in_part)
            .then(|| unseen(self.groups_unread.as_ref(), "security group", id));
        (group.map_or(&[], |group| &group.rules), unknown)
    }

    /// The IPv4 blocks of a prefix list.
    pub(super) fn prefix_list(&self, id: &str) -> Result<Vec<Ipv4Net>, Unknown> {
        let list = self.prefix_lists.find(|list| list.id == id, "prefix list", id)?;
        let nets = list.cidrs.iter().map(|cidr| ipv4(cidr, id));
        nets.filter_map(Result::transpose).collect()
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

/// A list of things of one kind, and why it is empty where nobody could read it.
#[derive(Debug, Clone)]
struct Listing<T> {
    items: Vec<T>,
    unread: Option<Unreadable>,
}

impl<T: Clone> Listing<T> {
    fn new(fact: &Fact<Vec<T>>) -> Self {
        match fact {
            Fact::Found { value } => Self {
                items: value.clone(),
                unread: None,
            },
            Fact::Absent => Self {
                items: Vec::new(),
                unread: None,
            },
            Fact::Unreadable(why) => Self {
                items: Vec::new(),
                unread: Some(why.clone()),
            },
        }
    }

    fn find(&self, wanted: impl Fn(&T) -> bool, what: &'static str, id: &str) -> Result<&T, Unknown> {
        self.items
            .iter()
            .find(|item| wanted(item))
            .ok_or_else(|| unseen(self.unread.as_ref(), what, id))
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

/// Whether a rule's or an entry's protocol takes TCP in, and on which ports: `-1` takes in all ports whatever it says of them.
pub(super) fn tcp_ports(protocol: &str, ports: Option<(u16, u16)>) -> Option<(u16, u16)> {
    match protocol {
        "-1" => Some(super::area::ALL_PORTS),
        "6" => Some(ports.unwrap_or(super::area::ALL_PORTS)),
        name if name.eq_ignore_ascii_case("tcp") => Some(ports.unwrap_or(super::area::ALL_PORTS)),
        _ => None,
    }
}

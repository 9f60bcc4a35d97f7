//! What `k2m inspect` shows: the facts themselves for programs, a digest of them for people.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

use super::needed;
use crate::arn::Arn;
use crate::aws::Question;
use crate::facts::{
    Broker, Cluster, Concurrency, Fact, Facts, Function, GivenDestination, Mapping, Network, Owner, PipelineFacts,
    Said, Stack, Stream, Topic,
};

/// Facts with the question that they answer.
pub(super) struct Digest<'a> {
    pub(super) question: &'a Question,
    pub(super) facts: &'a Facts,
}

impl Serialize for Digest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.facts.serialize(serializer)
    }
}

impl fmt::Display for Digest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { question, facts } = self;
        row(f, "account", &question.account, &facts.account, |_| {
            "these credentials are of it".to_owned()
        })?;
        for (arn, seen) in self.pipelines() {
            row(f, "stream", arn.name(), &seen.stream, stream)?;
            if let Some(consumer) = &seen.consumer {
                row(f, "consumer", "", consumer, |consumer| {
                    format!("{}\n{}", consumer.status, consumer.arn)
                })?;
            }
        }
        for server in &facts.servers {
            row(f, "server", &server.text(), &server.addresses, |addresses| {
                addresses.join(", ")
            })?;
        }
        if let Some(arn) = &question.cluster {
            of_msk(f, arn, facts)?;
        }
        for (name, fact) in &facts.topics {
            row(f, "topic", name, fact, topic)?;
        }
        for (arn, fact) in &facts.destinations {
            row(f, "given", arn, fact, destination)?;
        }
        for (arn, policy) in &facts.stream_policies {
            row(f, "policy", arn, policy, String::clone)?;
        }
        for (region, network) in &facts.networks {
            writeln!(f, "{:<14} {region}", "network")?;
            self::network(f, network)?;
        }
        row(f, "stack", &question.stack, &facts.stack, stack)?;
        let several = question.streams.len() > 1;
        for (arn, seen) in self.pipelines() {
            let name = if several { arn.name() } else { "" };
            row(f, "function", name, &seen.function, function)?;
            row(f, "mapping", name, &seen.mapping, mapping)?;
            if let Some(foreign) = &seen.foreign {
                let said = |said: &Said| format!("{} ({})", said.value, said.by);
                row(f, "its servers", name, &foreign.servers, said)?;
                row(f, "its topic", name, &foreign.topic, said)?;
            }
        }
        if let Some(concurrency) = &facts.concurrency {
            row(
                f,
                "concurrency",
                "",
                concurrency,
                |Concurrency { limit, unreserved }| {
                    format!("{limit} invocations at the same time, {unreserved} of them not reserved by a function")
                },
            )?;
        }
        unreadable(f, facts)
    }
}

/// What MSK tells.
fn of_msk(f: &mut fmt::Formatter<'_>, arn: &Arn, facts: &Facts) -> fmt::Result {
    row(f, "cluster", arn.name(), &facts.cluster, cluster)?;
    row(f, "brokers", "", &facts.brokers, |brokers| self::brokers(brokers))?;
    row(f, "configuration", "", &facts.configuration, |settings| {
        let automatic = settings
            .get("auto.create.topics.enable")
            .map_or("not set", String::as_str);
        format!(
            "{}; auto.create.topics.enable {automatic}",
            count(settings.len(), "property", "properties")
        )
    })
}

impl<'a> Digest<'a> {
    /// What was seen of each pipeline, in the order in which it was asked for.
    fn pipelines(&self) -> impl Iterator<Item = (&'a Arn, &'a PipelineFacts)> {
        let (question, facts) = (self.question, self.facts);
        let streams = question.streams.iter();
        streams.filter_map(|stream| Some((stream, facts.pipelines.get(stream.as_str())?)))
    }
}

/// A line, or a few, for one fact.
fn row<T>(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    name: &str,
    fact: &Fact<T>,
    found: impl FnOnce(&T) -> String,
) -> fmt::Result {
    let name = if name.is_empty() {
        String::new()
    } else {
        format!("{name}: ")
    };
    let text = match fact {
        Fact::Found { value } => match found(value) {
            empty if empty.is_empty() => "none".to_owned(),
            text => text,
        },
        Fact::Absent => "absent".to_owned(),
        Fact::Unreadable(_) => "could not be read".to_owned(),
    };
    let mut lines = text.lines();
    writeln!(f, "{label:<14} {name}{}", lines.next().unwrap_or_default())?;
    lines.try_for_each(|line| writeln!(f, "{:<14} {line}", ""))
}

fn stream(stream: &Stream) -> String {
    let key = stream.kms_key.as_ref().map(|key| format!("encrypted with {key}"));
    format!(
        "{}, {}, keeps records for {} hours, {}",
        stream.status,
        count(stream.open_shards as usize, "open shard", "open shards"),
        stream.retention_hours,
        key.as_deref().unwrap_or("not encrypted")
    )
}

fn cluster(cluster: &Cluster) -> String {
    let on = cluster.authentication;
    let ways = [
        (on.iam, "IAM"),
        (on.scram, "SCRAM"),
        (on.mutual_tls, "mutual TLS"),
        (on.unauthenticated, "none"),
    ];
    let ways: Vec<&str> = ways.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
    let version = cluster
        .kafka_version
        .as_ref()
        .map(|version| format!(", Kafka {version}"));
    let mut lines = vec![format!(
        "{}, {}{}",
        cluster.kind,
        cluster.state,
        version.unwrap_or_default()
    )];
    if !ways.is_empty() {
        lines.push(format!("authentication: {}", ways.join(", ")));
    }
    if let Some(encryption) = &cluster.client_encryption {
        lines.push(format!("between clients and brokers: {encryption}"));
    }
    for (name, brokers) in &cluster.bootstrap_brokers {
        let space = if name.is_empty() { "" } else { " " };
        lines.push(format!("bootstrap brokers{space}{name}: {brokers}"));
    }
    let doors = cluster.vpc_connections.as_ref().and_then(Fact::found);
    for door in doors.into_iter().flatten() {
        lines.push(format!(
            "VPC connection for {} of {}: {}, in {}",
            door.authentication,
            door.vpc,
            door.state,
            door.subnets.join(", ")
        ));
    }
    lines.join("\n")
}

fn brokers(brokers: &[Broker]) -> String {
    let each = brokers.iter().map(|broker| {
        let (address, subnet) = (or_unknown(&broker.address), or_unknown(&broker.subnet));
        format!("{}: {address} in {subnet}", broker.id)
    });
    std::iter::once(brokers.len().to_string())
        .chain(each)
        .collect::<Vec<_>>()
        .join("\n")
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

fn topic(topic: &Topic) -> String {
    format!(
        "{}, {} of each",
        count(topic.partitions as usize, "partition", "partitions"),
        count(topic.replication_factor as usize, "replica", "replicas")
    )
}

fn destination(destination: &GivenDestination) -> String {
    let said = |fact: &Fact<String>, found: &dyn Fn(&str) -> String, absent: &str| match fact {
        Fact::Found { value } => found(value),
        Fact::Absent => absent.to_owned(),
        Fact::Unreadable(_) => "could not be read".to_owned(),
    };
    let key = said(&destination.kms_key, &|key| key.to_owned(), "none");
    let policy = said(&destination.policy, &|_| "has one".to_owned(), "none");
    let heard = destination.subscriptions.map(|all| {
        format!(
            "{}, {} waiting",
            count(
                all.confirmed as usize,
                "confirmed subscription",
                "confirmed subscriptions"
            ),
            all.pending
        )
    });
    let region = destination.region.as_ref().map(|region| format!("in {region}"));
    let lines = [format!("KMS key: {key}; policy: {policy}")];
    lines
        .into_iter()
        .chain(heard)
        .chain(region)
        .collect::<Vec<_>>()
        .join("\n")
}

fn network(f: &mut fmt::Formatter<'_>, network: &Network) -> fmt::Result {
    row(f, "  VPCs", "", &network.vpcs, |vpcs| {
        let vpcs = vpcs.iter().map(|vpc| format!("{} {}", vpc.id, vpc.cidrs.join(" ")));
        vpcs.collect::<Vec<_>>().join("\n")
    })?;
    row(f, "  subnets", "", &network.subnets, |subnets| {
        let subnets = subnets.iter().map(|subnet| {
            let free = count(subnet.free_addresses as usize, "free address", "free addresses");
            format!("{} {} {}, {free}", subnet.id, subnet.cidr, subnet.zone)
        });
        subnets.collect::<Vec<_>>().join("\n")
    })?;
    row(f, "  route tables", "", &network.route_tables, |tables| {
        let tables = tables.iter().map(|table| {
            let main = if table.main { ", the main one" } else { "" };
            format!("{} {}{main}", table.id, count(table.routes.len(), "route", "routes"))
        });
        tables.collect::<Vec<_>>().join("\n")
    })?;
    row(f, "  network ACLs", "", &network.network_acls, |acls| {
        let acls = acls.iter().map(|acl| {
            let default = if acl.default { ", the default" } else { "" };
            format!("{} {}{default}", acl.id, count(acl.entries.len(), "entry", "entries"))
        });
        acls.collect::<Vec<_>>().join("\n")
    })?;
    row(f, "  groups", "", &network.security_groups, |groups| {
        let groups = groups.iter().map(|group| {
            let ours = group.rules.iter().filter(|rule| rule.owner != Owner::Foreign).count();
            let ours = if ours == 0 {
                String::new()
            } else {
                format!(", {ours} of k2m")
            };
            format!(
                "{} {} {}{ours}",
                group.id,
                group.name,
                count(group.rules.len(), "rule", "rules")
            )
        });
        groups.collect::<Vec<_>>().join("\n")
    })?;
    match &network.prefix_lists {
        Fact::Found { value } if value.is_empty() => Ok(()),
        lists => row(f, "  prefix lists", "", lists, |lists| {
            let lists = lists
                .iter()
                .map(|list| format!("{} {}", list.id, count(list.cidrs.len(), "block", "blocks")));
            lists.collect::<Vec<_>>().join("\n")
        }),
    }
}

fn stack(stack: &Stack) -> String {
    let whose = if stack.made_by_k2m {
        ""
    } else {
        ", made by something else than k2m"
    };
    format!(
        "{}, {}{whose}",
        stack.status,
        count(stack.resources.len(), "resource", "resources")
    )
}

fn function(function: &Function) -> String {
    format!(
        "{}, time-out {} s, {} MB, in {}\n{}",
        function.state,
        function.timeout_seconds,
        function.memory_mb,
        count(function.subnets.len(), "subnet", "subnets"),
        function.arn
    )
}

fn mapping(mapping: &Mapping) -> String {
    let last = mapping.last_result.as_deref().unwrap_or("nothing yet");
    format!("{}, last result: {last}\n{}", mapping.state, mapping.uuid)
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What could not be read, each reason once, and what to do about it.
fn unreadable(f: &mut fmt::Formatter<'_>, facts: &Facts) -> fmt::Result {
    let unreadable = facts.unreadable();
    if unreadable.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nCould not be read:")?;
    // Lists of one network often fail together, with the same words.
    let mut shown: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, why) in &unreadable {
        match shown.iter_mut().find(|(message, _)| *message == why.message) {
            Some((_, names)) => names.push(name),
            None => shown.push((&why.message, vec![name])),
        }
    }
    for (message, names) in shown {
        let optional = if names.iter().any(|name| needed(name)) {
            ""
        } else {
            " (not needed)"
        };
        writeln!(f, "  {}{optional}: {message}", names.join(", "))?;
    }
    let actions: BTreeSet<&str> = unreadable
        .iter()
        .filter_map(|(_, why)| why.missing_action.as_deref())
        .collect();
    if !actions.is_empty() {
        let list = actions.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(
            f,
            "Missing IAM actions: {list}\nAllow them to these credentials, then look again."
        )?;
    }
    Ok(())
}

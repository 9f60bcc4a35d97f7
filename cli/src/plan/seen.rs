//! What a plan stands on: the facts it needs, found and fit to be used, and of the pipeline that the settings name.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::error::PlanError;
use super::notes::Notes;
use crate::arn::Arn;
use crate::facts::network::{SecurityGroup, Subnet};
use crate::facts::{Broker, Cluster, Fact, Facts, Function, Network, Stack, Stream, Topic, Unreadable};
use crate::settings::Settings;

/// Facts that can be built on.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) stream: &'a Stream,
    pub(super) cluster: &'a Cluster,
    /// Never empty; each has a subnet.
    pub(super) brokers: &'a [Broker],
    pub(super) network: &'a Network,
    pub(super) subnets: &'a [Subnet],
    pub(super) groups: &'a [SecurityGroup],
    pub(super) topic: &'a Fact<Topic>,
    /// Absent where nobody asked for one.
    pub(super) dead_letter_topic: Option<&'a Fact<Topic>>,
    /// As many as were asked for.
    pub(super) mapped_topics: &'a BTreeMap<String, Fact<Topic>>,
    /// Server properties, as far as somebody changed them.
    pub(super) properties: Option<&'a BTreeMap<String, String>>,
    /// The stack, where it stands.
    pub(super) stack: Option<Standing<'a>>,
    /// The function, where the stack stands.
    pub(super) function: Option<&'a Function>,
}

/// A stack of k2m that the next deployment changes, rather than creates.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    stack: &'a Stack,
    template: Option<Value>,
}

impl<'a> Seen<'a> {
    /// Looks through the facts.
    pub(super) fn check(settings: &Settings, facts: &'a Facts, notes: &mut Notes) -> Result<Self, PlanError> {
        same_pipeline(settings, facts)?;
        let (stream_arn, cluster_arn) = (&settings.stream.value, &settings.cluster.value);
        if stream_arn.region != cluster_arn.region {
            return Err(PlanError::NotYet {
                what: format!(
                    "the stream is in {}, the cluster in {}",
                    stream_arn.region, cluster_arn.region
                ),
                next: "name a stream and a cluster of one region",
            });
        }
        // What is certain comes before what nobody could read.
        for (arn, absent) in [
            (stream_arn, facts.stream.is_absent()),
            (cluster_arn, facts.cluster.is_absent()),
        ] {
            if absent {
                return Err(absence(arn));
            }
        }
        // A cluster that is being created has no brokers to tell of, and that is all there is to say.
        let (stream, cluster) = (facts.stream.found(), facts.cluster.found());
        stream.map_or(Ok(()), |stream| stream_usable(stream_arn, stream))?;
        cluster.map_or(Ok(()), |cluster| cluster_usable(cluster_arn, cluster, notes))?;
        let network = facts.networks.get(&cluster_arn.region);
        blind(facts, network, &cluster_arn.region)?;
        let missing = |what: String| move || PlanError::Missing { what };
        let stream = stream.ok_or_else(missing(stream_name(stream_arn)))?;
        let cluster = cluster.ok_or_else(missing(cluster_name(cluster_arn)))?;
        let stack = standing(settings, &facts.stack, notes)?;
        let network = network.ok_or_else(missing(format!("the network in {}", cluster_arn.region)))?;
        let brokers = facts.brokers.found().map_or(&[][..], Vec::as_slice);
        if brokers.is_empty() {
            return Err(PlanError::Missing {
                what: format!("the brokers of {}", cluster_arn.name()),
            });
        }
        if let Some(broker) = brokers.iter().find(|broker| broker.subnet.is_empty()) {
            return Err(PlanError::Missing {
                what: format!("the subnet of broker {}", broker.id),
            });
        }
        Ok(Self {
            stream,
            cluster,
            brokers,
            network,
            subnets: network.subnets.found().map_or(&[], Vec::as_slice),
            groups: network.security_groups.found().map_or(&[], Vec::as_slice),
            topic: &facts.topic,
            dead_letter_topic: facts.dead_letter_topic.as_ref(),
            mapped_topics: &facts.mapped_topics,
            properties: facts.configuration.found(),
            function: facts.function.found().filter(|_| stack.is_some()),
            stack,
        })
    }

    /// The value of a server property.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        self.properties?.get(name).map(String::as_str)
    }
}

impl Standing<'_> {
    /// Whether the stack has this resource, and this property of it is this text. Its physical id decides where the template isn't known: an
    /// ARN that ends with the text.
    pub(super) fn has(&self, logical_id: &str, property: &str, text: &str) -> bool {
        let Some(physical_id) = self.stack.resources.get(logical_id) else {
            return false;
        };
        match &self.template {
            Some(_) => self.value(logical_id, property).and_then(Value::as_str) == Some(text),
            None => physical_id.ends_with(&format!("/{text}")),
        }
    }

    /// A variable of a pipeline's function, as it was deployed.
    pub(super) fn variable(&self, pipeline: &str, name: &str) -> Option<&str> {
        let environment = self.value(&format!("{pipeline}Function"), "Environment")?;
        environment.get("Variables")?.get(name)?.as_str()
    }

    /// A property of a resource, as it was deployed.
    pub(super) fn value(&self, logical_id: &str, property: &str) -> Option<&Value> {
        self.template
            .as_ref()?
            .get("Resources")?
            .get(logical_id)?
            .get("Properties")?
            .get(property)
    }
}

/// Whether the next deployment changes this stack. One whose creation failed or never began is made anew, and owns nothing that must be kept.
pub(super) fn stands(stack: &Stack) -> bool {
    let gone = matches!(
        stack.status.as_str(),
        "REVIEW_IN_PROGRESS" | "CREATE_FAILED" | "ROLLBACK_IN_PROGRESS" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED"
    );
    stack.made_by_k2m && !gone && !stack.status.starts_with("DELETE_")
}

fn standing<'a>(
    settings: &Settings,
    stack: &'a Fact<Stack>,
    notes: &mut Notes,
) -> Result<Option<Standing<'a>>, PlanError> {
    let Some(stack) = stack.found() else { return Ok(None) };
    // Of a stack whose change set was never executed nothing exists, not even its tags.
    let never_begun = stack.status == "REVIEW_IN_PROGRESS" && stack.resources.is_empty();
    if !stack.made_by_k2m && !never_begun {
        return Err(PlanError::ForeignStack {
            name: stack.name.clone(),
        });
    }
    if !stands(stack) {
        notes.warn(format!(
            "the stack {} is {}: `k2m deploy` makes it anew",
            stack.name, stack.status
        ));
        return Ok(None);
    }
    // Two streams can lead to one name (`a.b` and `a-b`), and an update takes away what its template lacks.
    let wanted = settings.stream.value.as_str();
    let streams = || {
        let outputs = stack.outputs.iter().filter(|(key, _)| key.ends_with("Stream"));
        outputs.map(|(_, arn)| arn.as_str())
    };
    if let Some(other) = streams().next().filter(|_| streams().all(|arn| arn != wanted)) {
        return Err(PlanError::OtherStream {
            name: stack.name.clone(),
            stream: other.to_owned(),
            region: settings.stream.value.region.clone(),
        });
    }
    if stack.status.ends_with("_IN_PROGRESS") {
        notes.warn(format!(
            "the stack {} is {}: what it will be in the end isn't known yet",
            stack.name, stack.status
        ));
    }
    Ok(Some(Standing {
        stack,
        template: stack
            .template
            .as_deref()
            .and_then(|text| serde_yaml::from_str(text).ok()),
    }))
}

/// Refuses facts of another pipeline: they prove nothing about this one.
pub(crate) fn same_pipeline(settings: &Settings, facts: &Facts) -> Result<(), PlanError> {
    let stream = &settings.stream.value;
    let seen = [
        (
            "stream",
            facts.stream.found().map(|stream| stream.arn.as_str()),
            stream.as_str(),
        ),
        (
            "cluster",
            facts.cluster.found().map(|cluster| cluster.arn.as_str()),
            settings.cluster.value.as_str(),
        ),
        (
            "account",
            facts.account.found().map(String::as_str),
            stream.account.as_str(),
        ),
        (
            "topic",
            facts.topic.found().map(|topic| topic.name.as_str()),
            &settings.topic.value,
        ),
        (
            "dead-letter topic",
            // Nobody minds one that is not asked for.
            facts
                .dead_letter_topic
                .as_ref()
                .and_then(Fact::found)
                .filter(|_| settings.dead_letter_topic.is_some())
                .map(|topic| topic.name.as_str()),
            settings
                .dead_letter_topic
                .as_ref()
                .map_or("", |topic| topic.value.as_str()),
        ),
        (
            "stack",
            facts.stack.found().map(|stack| stack.name.as_str()),
            &settings.stack.value,
        ),
    ];
    let mapped = facts.mapped_topics.iter();
    let mapped =
        mapped.filter_map(|(name, topic)| Some(("mapped topic", Some(topic.found()?.name.as_str()), name.as_str())));
    for (what, seen, wanted) in seen.into_iter().chain(mapped) {
        if let Some(seen) = seen.filter(|seen| *seen != wanted) {
            return Err(PlanError::OtherFacts {
                what,
                facts: seen.to_owned(),
                settings: wanted.to_owned(),
            });
        }
    }
    Ok(())
}

/// All that is needed and could not be read, at once.
fn blind(facts: &Facts, network: Option<&Network>, region: &str) -> Result<(), PlanError> {
    let mut needed: Vec<(String, Option<&Unreadable>)> = vec![
        ("stream".to_owned(), facts.stream.unreadable()),
        ("cluster".to_owned(), facts.cluster.unreadable()),
        ("brokers".to_owned(), facts.brokers.unreadable()),
        ("stack".to_owned(), facts.stack.unreadable()),
        ("function".to_owned(), facts.function.unreadable()),
    ];
    if let Some(network) = network {
        let name = |list| format!("networks.{region}.{list}");
        needed.extend([
            (name("subnets"), network.subnets.unreadable()),
            (name("routeTables"), network.route_tables.unreadable()),
            (name("networkAcls"), network.network_acls.unreadable()),
            (name("securityGroups"), network.security_groups.unreadable()),
        ]);
    }
    let unread: Vec<(String, Unreadable)> = needed
        .into_iter()
        .filter_map(|(name, why)| Some((name, why?.clone())))
        .collect();
    if unread.is_empty() {
        Ok(())
    } else {
        Err(PlanError::Blind(unread))
    }
}

fn stream_usable(arn: &Arn, stream: &Stream) -> Result<(), PlanError> {
    let next = match stream.status.as_str() {
        "ACTIVE" | "UPDATING" => return Ok(()),
        "CREATING" => "wait until it is ACTIVE, then try again",
        "DELETING" => "name a stream that stays",
        _ => "wait until it is ACTIVE, or name another stream",
    };
    Err(PlanError::State {
        what: stream_name(arn),
        state: stream.status.clone(),
        next,
    })
}

fn cluster_usable(arn: &Arn, cluster: &Cluster, notes: &mut Notes) -> Result<(), PlanError> {
    if cluster.kind != "PROVISIONED" {
        return Err(PlanError::NotYet {
            what: format!("{} is {}", cluster_name(arn), cluster.kind),
            next: "name a provisioned cluster",
        });
    }
    let next = match cluster.state.as_str() {
        "ACTIVE" => return Ok(()),
        state @ ("HEALING" | "MAINTENANCE" | "UPDATING" | "REBOOTING_BROKER") => {
            notes.warn(format!(
                "{} is {state}: single brokers may not answer until it is ACTIVE again",
                cluster_name(arn)
            ));
            return Ok(());
        }
        "CREATING" => "wait until it is ACTIVE, then try again",
        "DELETING" => "name a cluster that stays",
        "FAILED" => "its creation failed: delete it and create it anew, or name another cluster",
        _ => "wait until it is ACTIVE, or name another cluster",
    };
    Err(PlanError::State {
        what: cluster_name(arn),
        state: cluster.state.clone(),
        next,
    })
}

fn absence(arn: &Arn) -> PlanError {
    let (what, lister) = match arn.kind {
        crate::arn::Kind::Stream => (stream_name(arn), "aws kinesis list-streams"),
        crate::arn::Kind::Cluster => (cluster_name(arn), "aws kafka list-clusters-v2"),
    };
    PlanError::Absent {
        what,
        region: arn.region.clone(),
        account: arn.account.clone(),
        arn: arn.to_string(),
        lister,
    }
}

fn stream_name(arn: &Arn) -> String {
    format!("the stream {}", arn.name())
}

fn cluster_name(arn: &Arn) -> String {
    format!("the cluster {}", arn.name())
}

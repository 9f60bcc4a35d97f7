//! What a plan stands on: the facts it needs, found and fit to be used, and of the pipelines that the settings name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_yaml::Value;

use super::FunctionTopics;
use super::error::PlanError;
use super::notes::Notes;
use super::outside;
use super::serverless::{self, SERVERLESS};
use super::shared::{NeededTopic, Needs, needs_of, network_stack_name, topics_of, user};
use super::sharing;
use crate::arn::Arn;
use crate::facts::deployed::pipeline_id;
use crate::facts::network::{SecurityGroup, Subnet};
use crate::facts::{
    Broker, Cluster, Concurrency, Consumer, Fact, Facts, Function, GivenDestination, Network, Server, Stack, Stream,
    Topic, Unreadable,
};
use crate::settings::{Kafka, PipelineSettings, Servers, Settings};

/// Facts that can be built on, and the settings of the whole stack.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) settings: &'a Settings,
    /// None where the Kafka is not MSK.
    pub(super) cluster: Option<&'a Cluster>,
    /// Servers to begin with, where it is not.
    pub(super) servers: &'a [Server],
    /// Never empty but where the Kafka is not MSK; each has a subnet.
    pub(super) brokers: Cow<'a, [Broker]>,
    /// By region; that of the cluster and that of the stream are there.
    pub(super) networks: &'a BTreeMap<String, Network>,
    network_stacks: &'a BTreeMap<String, Fact<Stack>>,
    /// By ARN, policies of streams and consumers of another account.
    pub(super) stream_policies: &'a BTreeMap<String, Fact<String>>,
    /// Subnets of the cluster's region; of a Kafka that is not MSK, of the stream's.
    pub(super) subnets: &'a [Subnet],
    /// Security groups of the same region.
    pub(super) groups: &'a [SecurityGroup],
    /// Server properties, as far as somebody changed them.
    pub(super) properties: Option<&'a BTreeMap<String, String>>,
    /// What the account has room for, where it is known.
    pub(super) concurrency: Option<&'a Concurrency>,
    /// The stack, where it stands.
    pub(super) stack: Option<Standing<'a>>,
    /// The deployed functions of the stack, where it stands.
    pub(super) functions: Vec<&'a Function>,
    /// Each pipeline, in the user's order; never empty.
    pub(super) pipelines: Vec<One<'a>>,
    /// ARNs of streams whose mappings begin anew, whatever is deployed.
    pub(super) anew: BTreeSet<String>,
}

/// What is of one pipeline alone.
#[derive(Debug)]
pub(super) struct One<'a> {
    pub(super) settings: &'a PipelineSettings,
    /// What its logical ids begin with.
    pub(super) id: String,
    pub(super) stream: &'a Stream,
    /// Left out where none is named, and where the facts were taken without it.
    pub(super) consumer: Option<&'a Fact<Consumer>>,
    /// The same of a failure destination.
    pub(super) destination: Option<&'a Fact<GivenDestination>>,
    pub(super) topic: &'a Fact<Topic>,
    /// Absent where nobody asked for one.
    pub(super) dead_letter_topic: Option<&'a Fact<Topic>>,
    /// Each topic that its data chooses among, beside the topic.
    pub(super) mapped_topics: BTreeMap<&'a str, &'a Fact<Topic>>,
}

/// A stack of k2m that the next deployment changes, rather than creates.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    stack: &'a Stack,
    template: Option<Value>,
}

impl<'a> Seen<'a> {
    /// Looks through the facts.
    pub(super) fn check(settings: &'a Settings, facts: &'a Facts, notes: &mut Notes) -> Result<Self, PlanError> {
        same_pipelines(settings, facts)?;
        let cluster_arn = settings.cluster().map(|cluster| &cluster.value);
        // What is certain comes before what nobody could read.
        let streams = || {
            let pipelines = settings.pipelines.iter().map(|pipeline| &pipeline.stream.value);
            pipelines.map(|arn| (arn, facts.pipelines.get(arn.as_str()).map(|seen| &seen.stream)))
        };
        if let Some((arn, _)) = streams().find(|(_, stream)| stream.is_some_and(Fact::is_absent)) {
            return Err(absence(arn));
        }
        if let Some(arn) = cluster_arn.filter(|_| facts.cluster.is_absent()) {
            return Err(absence(arn));
        }
        // A cluster that is being created has no brokers to tell of, and that is all there is to say.
        for (arn, stream) in streams() {
            let stream = stream.and_then(Fact::found);
            stream.map_or(Ok(()), |stream| stream_usable(arn, stream))?;
        }
        let cluster = cluster_arn.map(|arn| (arn, facts.cluster.found()));
        if let Some((arn, Some(cluster))) = cluster {
            cluster_usable(arn, cluster, notes)?;
        }
        blind(settings, facts)?;
        let missing = |what: String| move || PlanError::Missing { what };
        let of_msk = cluster_arn.is_some();
        let pipelines = settings
            .pipelines
            .iter()
            .map(|pipeline| One::check(pipeline, facts, of_msk));
        let pipelines = pipelines.collect::<Result<Vec<One<'_>>, PlanError>>()?;
        let cluster = cluster.map(|(arn, cluster)| cluster.ok_or_else(missing(cluster_name(arn))));
        let cluster = cluster.transpose()?;
        let stack = standing(settings, &facts.stack, notes)?;
        let network = |region: &str| {
            let found = facts.networks.get(region);
            found.ok_or_else(missing(format!("the network in {region}")))
        };
        if !settings.public_access.value {
            let found = network(&settings.home.region);
            if found.is_err() && cluster_arn.is_none() {
                return Err(outside::no_vpc(&settings.home.region));
            }
            found?;
        }
        let network = cluster_arn.map_or_else(
            || Ok(facts.networks.get(&settings.home.region)),
            |arn| network(&arn.region).map(Some),
        )?;
        let brokers = match cluster {
            Some(cluster) if cluster.kind == SERVERLESS => Cow::Owned(serverless::brokers(settings, facts, cluster)?),
            Some(_) => Cow::Borrowed(facts.brokers.found().map_or(&[][..], Vec::as_slice)),
            None => Cow::Borrowed(&[][..]),
        };
        if let Some(arn) = cluster_arn.filter(|_| brokers.is_empty()) {
            return Err(PlanError::Missing {
                what: format!("the brokers of {}", arn.name()),
            });
        }
        if let Some(broker) = brokers.iter().find(|broker| broker.subnet.is_empty()) {
            return Err(PlanError::Missing {
                what: format!("the subnet of broker {}", broker.id),
            });
        }
        Ok(Self {
            settings,
            cluster,
            servers: &facts.servers,
            brokers,
            networks: &facts.networks,
            network_stacks: &facts.network_stacks,
            stream_policies: &facts.stream_policies,
            subnets: network
                .and_then(|network| network.subnets.found())
                .map_or(&[], Vec::as_slice),
            groups: network
                .and_then(|network| network.security_groups.found())
                .map_or(&[], Vec::as_slice),
            properties: facts.configuration.found().filter(|_| cluster.is_some()),
            concurrency: facts.concurrency.as_ref().and_then(Fact::found),
            functions: facts.functions().filter(|_| stack.is_some()).collect(),
            stack,
            pipelines,
            anew: BTreeSet::new(),
        })
    }

    /// A variable of the deployed functions, as the first that has it was told it.
    pub(super) fn deployed_variable(&self, name: &str) -> Option<&str> {
        let stack = self.stack.as_ref()?;
        let wanted = self.pipelines.iter().map(|one| one.id.as_str());
        let deployed = stack.streams().into_iter().map(|(id, _)| id);
        wanted.chain(deployed).find_map(|id| stack.variable(id, name))
    }

    /// The cluster, for what is only decided where it is one of MSK.
    pub(super) fn msk(&self) -> Result<&'a Cluster, PlanError> {
        self.cluster.ok_or_else(|| PlanError::Missing {
            what: "the cluster".to_owned(),
        })
    }

    /// Whether the stack was deployed for a Kafka that is not MSK.
    pub(super) fn deployed_outside(&self) -> bool {
        let stack = self.stack.as_ref();
        stack.is_some_and(|stack| stack.output("BootstrapServers").is_some())
    }

    /// Whether what is said of a pipeline has to say of which.
    pub(super) fn several(&self) -> bool {
        self.pipelines.len() > 1
    }

    /// The name of a pipeline's role, where it is deployed.
    pub(super) fn role(&self, one: &One) -> Option<&'a str> {
        self.stack.as_ref()?.physical_id(&format!("{}Role", one.id))
    }

    /// How the stack is named among the users of a network stack.
    pub(super) fn user(&self) -> String {
        user(&self.settings.home.region, &self.settings.stack.value)
    }

    /// A topic that an earlier deployment of the stack had a network stack make.
    pub(super) fn topic_elsewhere(&self, name: &str) -> Option<NeededTopic> {
        let cluster = &self.settings.cluster()?.value;
        let mut topics = topics_of(self.network_stacks.values(), &self.user()).into_iter();
        topics.find(|topic| topic.name == name && topic.cluster == cluster.as_str())
    }

    /// What the stack remembers of the topics of a pipeline's function.
    pub(super) fn function_topics(&self, one: &One) -> Option<FunctionTopics> {
        self.stack.as_ref()?.function_topics(&one.id, &self.settings.identity())
    }

    /// The network stack of a VPC.
    pub(super) fn network_stack(&self, vpc: &str) -> &'a Fact<Stack> {
        static ABSENT: Fact<Stack> = Fact::Absent;
        self.network_stacks.get(&network_stack_name(vpc)).unwrap_or(&ABSENT)
    }

    /// What the stack needs of a VPC's network stack until now.
    pub(super) fn needs(&self, vpc: &str) -> Option<Needs> {
        needs_of(self.network_stack(vpc), &self.user())
    }

    /// The value of a server property.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        self.properties?.get(name).map(String::as_str)
    }
}

/// What is known of a topic of a Kafka that is not MSK.
static UNTOLD: LazyLock<Fact<Topic>> = LazyLock::new(|| {
    Fact::Unreadable(Unreadable {
        missing_action: None,
        message: "nothing of AWS tells of the topics of a Kafka that is not MSK".to_owned(),
    })
});

impl<'a> One<'a> {
    fn check(settings: &'a PipelineSettings, facts: &'a Facts, of_msk: bool) -> Result<Self, PlanError> {
        let arn = &settings.stream.value;
        let missing = |what: String| move || PlanError::Missing { what };
        let seen = facts.pipelines.get(arn.as_str());
        let stream = seen.and_then(|seen| seen.stream.found());
        let destination = settings.failure_destination.as_ref();
        let topic = |name: &str, what: &str| {
            let topic = facts.topics.get(name).or_else(|| (!of_msk).then_some(&*UNTOLD));
            topic.ok_or_else(missing(format!("the {what} {name}")))
        };
        let mapped = settings.mapped_topics().into_iter();
        let dead_letter = settings.dead_letter_topic.as_ref();
        Ok(Self {
            settings,
            id: pipeline_id(arn),
            stream: stream.ok_or_else(missing(stream_name(arn)))?,
            consumer: settings.consumer.as_ref().and_then(|_| seen?.consumer.as_ref()),
            destination: destination.and_then(|given| facts.destinations.get(&given.value)),
            topic: topic(&settings.topic.value, "topic")?,
            mapped_topics: mapped
                .map(|name| Ok((name, topic(name, "mapped topic")?)))
                .collect::<Result<_, PlanError>>()?,
            dead_letter_topic: dead_letter
                .map(|name| topic(&name.value, "dead-letter topic"))
                .transpose()?,
        })
    }

    /// Shards that are open, each with so many batches in work at the same time: each has a sandbox of its own.
    pub(super) fn sandboxes(&self) -> u64 {
        u64::from(self.stream.open_shards) * u64::from(self.settings.parallelization_factor.value)
    }
}

impl<'a> Standing<'a> {
    /// An output, as it was deployed.
    pub(super) fn output(&self, name: &str) -> Option<&'a str> {
        self.stack.outputs.get(name).map(String::as_str)
    }

    /// Streams of the stack's pipelines, each with what its logical ids begin with.
    pub(super) fn streams(&self) -> Vec<(&'a str, &'a str)> {
        streams(self.stack)
    }

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

    /// A resource's physical id.
    pub(super) fn physical_id(&self, logical_id: &str) -> Option<&'a str> {
        self.stack.resources.get(logical_id).map(String::as_str)
    }

    /// A variable of a pipeline's function, as it was deployed.
    pub(super) fn variable(&self, pipeline: &str, name: &str) -> Option<&str> {
        let environment = self.value(&format!("{pipeline}Function"), "Environment")?;
        environment.get("Variables")?.get(name)?.as_str()
    }

    /// What the stack remembers of the topics of a pipeline's function, where they are of this cluster.
    pub(super) fn function_topics(&self, pipeline: &str, cluster: &str) -> Option<FunctionTopics> {
        let mapping = self
            .template
            .as_ref()?
            .get("Resources")?
            .get(format!("{pipeline}Mapping"))?;
        let remembered = mapping.get("Metadata")?.get("k2m")?.clone();
        let remembered: FunctionTopics = serde_yaml::from_value(remembered).ok()?;
        (remembered.cluster == cluster).then_some(remembered)
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
pub(crate) fn stands(stack: &Stack) -> bool {
    let gone = matches!(
        stack.status.as_str(),
        "REVIEW_IN_PROGRESS" | "CREATE_FAILED" | "ROLLBACK_IN_PROGRESS" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED"
    );
    stack.made_by_k2m && !gone && !stack.status.starts_with("DELETE_")
}

/// Streams of a stack's pipelines, each with what its logical ids begin with.
pub(crate) fn streams(stack: &Stack) -> Vec<(&str, &str)> {
    let outputs = stack.outputs.iter();
    let ids = outputs.filter_map(|(key, arn)| Some((key.strip_suffix("Stream")?, arn.as_str())));
    ids.collect()
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
    let wanted = |stream: &str| settings.pipelines.iter().any(|one| one.stream.value.as_str() == stream);
    let deployed = streams(stack);
    if let Some((_, other)) = deployed
        .first()
        .filter(|_| !deployed.iter().any(|(_, arn)| wanted(arn)))
    {
        return Err(PlanError::OtherStream {
            name: stack.name.clone(),
            stream: (*other).to_owned(),
            region: settings.home.region.clone(),
        });
    }
    let left_out = settings
        .left_out
        .iter()
        .find(|stream| deployed.iter().any(|(_, arn)| *arn == stream.as_str()));
    if let Some(stream) = left_out {
        return Err(PlanError::LeftOut {
            name: stack.name.clone(),
            stream: stream.to_string(),
        });
    }
    if stack.status.ends_with("_IN_PROGRESS") {
        notes.warn(format!(
            "the stack {} is {}: what it will be in the end isn't known yet",
            stack.name, stack.status
        ));
    }
    if stack.status.ends_with("_FAILED") {
        let does = match stack.status.as_str() {
            "UPDATE_ROLLBACK_FAILED" | "UPDATE_FAILED" => "`k2m deploy` asks whether it is to be rolled back first",
            "IMPORT_ROLLBACK_FAILED" => "`k2m deploy` does not touch it before it is mended",
            _ => "`k2m deploy` asks whether what is left of it is to be deleted first",
        };
        notes.warn(format!(
            "the stack {} is {}: {does}; `k2m doctor` says what holds it",
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

/// Refuses facts of another Kafka. The order of servers, and the case of their names, say nothing.
fn same_kafka(settings: &Settings, facts: &Facts) -> Result<(), PlanError> {
    let servers: Vec<String> = facts.servers.iter().map(Server::text).collect();
    let same = |wanted: &Servers| {
        let seen: BTreeSet<String> = servers.iter().map(|server| server.to_ascii_lowercase()).collect();
        let wanted = wanted.iter().map(|server| server.to_string().to_ascii_lowercase());
        seen == wanted.collect::<BTreeSet<String>>()
    };
    let servers_named = Some(servers.join(",")).filter(|servers| !servers.is_empty());
    let cluster = facts.cluster.found().map(|cluster| cluster.arn.clone());
    let (what, seen, wanted) = match &settings.kafka {
        Kafka::Cluster(wanted) => match cluster.or(servers_named) {
            Some(seen) if seen != wanted.value.as_str() => ("cluster", seen, wanted.value.to_string()),
            _ => return Ok(()),
        },
        Kafka::BootstrapServers(wanted) if same(&wanted.value) => return Ok(()),
        Kafka::BootstrapServers(wanted) => {
            let (what, seen) = match (servers_named, cluster) {
                (Some(servers), _) => ("Kafka", servers),
                (None, Some(cluster)) => ("cluster", cluster),
                (None, None) => ("stream alone,", "with no servers and no cluster".to_owned()),
            };
            (what, seen, wanted.value.to_string())
        }
    };
    Err(PlanError::OtherFacts {
        what,
        facts: seen,
        settings: wanted,
    })
}

/// Refuses credentials of the stream's account where the cluster is in another one: the stack has to be in the cluster's.
fn same_account(settings: &Settings, facts: &Facts) -> Result<(), PlanError> {
    let Some(cluster) = settings.cluster().map(|cluster| &cluster.value) else {
        return Ok(());
    };
    match facts.account.found() {
        Some(account) if *account != cluster.account => Err(PlanError::ClusterOfOther {
            cluster: cluster.to_string(),
            owner: cluster.account.clone(),
            account: account.clone(),
        }),
        _ => Ok(()),
    }
}

/// Refuses facts of other pipelines: they prove nothing about these.
pub(crate) fn same_pipelines(settings: &Settings, facts: &Facts) -> Result<(), PlanError> {
    same_kafka(settings, facts)?;
    same_account(settings, facts)?;
    let seen = [
        (
            "account",
            facts.account.found().map(String::as_str),
            settings.home.account.as_str(),
        ),
        (
            "stack",
            facts.stack.found().map(|stack| stack.name.as_str()),
            &settings.stack.value,
        ),
    ];
    let known = |names: Vec<&str>| names.join(", ");
    let (streams_known, topics_known) = (
        known(facts.pipelines.keys().map(String::as_str).collect()),
        known(facts.topics.keys().map(String::as_str).collect()),
    );
    let streams = settings.pipelines.iter().map(|pipeline| {
        let arn = pipeline.stream.value.as_str();
        match facts.pipelines.get(arn) {
            Some(seen) => ("stream", seen.stream.found().map(|stream| stream.arn.as_str()), arn),
            None => ("stream", Some(streams_known.as_str()), arn),
        }
    });
    // Facts that were taken without a topic of a map, or the dead-letter topic, are of the same pipeline, and know too little.
    let own = settings.pipelines.iter().map(|pipeline| pipeline.topic.value.as_str());
    let of_msk = settings.cluster().is_some();
    let own = own.filter(|name| of_msk && !facts.topics.contains_key(*name));
    let own = own.map(|name| ("topic", Some(topics_known.as_str()), name));
    let consumers = settings.pipelines.iter().filter_map(|pipeline| {
        let seen = facts.pipelines.get(pipeline.stream.value.as_str())?.consumer.as_ref()?;
        let wanted = pipeline.consumer.as_ref()?;
        Some((
            "consumer",
            seen.found().map(|consumer| consumer.arn.as_str()),
            wanted.value.as_str(),
        ))
    });
    let topics = settings.pipelines.iter().flat_map(PipelineSettings::topics);
    let topics = topics.filter_map(|name| {
        Some((
            "topic",
            facts.topics.get(name)?.found().map(|topic| topic.name.as_str()),
            name,
        ))
    });
    for (what, seen, wanted) in seen
        .into_iter()
        .chain(streams)
        .chain(own)
        .chain(consumers)
        .chain(topics)
    {
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
fn blind(settings: &Settings, facts: &Facts) -> Result<(), PlanError> {
    let (cluster_region, function_region) = (settings.brokers_region(), settings.home.region.as_str());
    let mut needed: Vec<(String, Option<&Unreadable>)> = vec![
        ("cluster".to_owned(), facts.cluster.unreadable()),
        ("brokers".to_owned(), facts.brokers.unreadable()),
        ("stack".to_owned(), facts.stack.unreadable()),
    ];
    for pipeline in &settings.pipelines {
        let arn = &pipeline.stream.value;
        let seen = facts.pipelines.get(arn.as_str());
        let name = |part| format!("pipelines.{}.{part}", arn.name());
        needed.extend([
            (name("stream"), seen.and_then(|seen| seen.stream.unreadable())),
            (name("function"), seen.and_then(|seen| seen.function.unreadable())),
        ]);
    }
    for (region, network) in &facts.networks {
        let name = |list| format!("networks.{region}.{list}");
        let (of_cluster, of_function) = (region == cluster_region, region == function_region);
        if of_cluster || of_function {
            needed.extend([
                (name("subnets"), network.subnets.unreadable()),
                (name("routeTables"), network.route_tables.unreadable()),
                (name("networkAcls"), network.network_acls.unreadable()),
            ]);
        }
        if of_cluster && (settings.cluster().is_some() || settings.security_group.is_some()) {
            needed.push((name("securityGroups"), network.security_groups.unreadable()));
        }
    }
    let unread: Vec<(String, Unreadable)> = needed
        .into_iter()
        .filter_map(|(name, why)| Some((name, why?.clone())))
        .collect();
    let unseen = settings.pipelines.iter().filter(|pipeline| {
        let seen = facts.pipelines.get(pipeline.stream.value.as_str());
        seen.is_some_and(|seen| seen.stream.unreadable().is_some())
    });
    let owners = sharing::ask_owners(unseen, settings);
    match (unread.is_empty(), owners.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => Err(PlanError::Blind(unread)),
        (false, false) => Err(PlanError::Unshared { unread, owners }),
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
    if !matches!(cluster.kind.as_str(), "PROVISIONED" | SERVERLESS) {
        return Err(PlanError::NotYet {
            what: format!("{} is {}", cluster_name(arn), cluster.kind),
            next: "name a provisioned or a serverless cluster",
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

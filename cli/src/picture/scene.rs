//! What a picture shows, as plain data from top to bottom: parts, the hops between them with their verdicts, what is new, and why a hop is broken. Every text
//! is harmless already, wherever it came from.

mod deployed;

use std::collections::BTreeSet;

pub use self::deployed::{Deployed, Place, Trouble};
use super::text::{clean, count};
use crate::facts::network::{Subnet, Vpc};
use crate::facts::{Fact, Facts, Owner, Stack, stream_name};
use crate::network::{Hop, INTERNET, Outcome, Proof, Verdict};
use crate::plan::shared::{Needs, user};
use crate::plan::{
    Attempt, Destination, Obstacle, Pipeline, Plan, PlanError, PlannedConnection, PlannedNetwork, PlannedPeer,
    doubtful, listed_ports, none_leads, stands, which,
};
use crate::settings::{PipelineSettings, Settings};

/// Most rows of one part: a plan of many pipelines must not explode.
const ROWS: usize = 5;
/// Most reasons of one hop.
const REASONS: usize = 3;

/// The whole picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The stack.
    pub title: String,
    /// Where it is.
    pub place: String,
    /// What became of the way as a whole.
    pub mark: Mark,
    /// The same in a sentence.
    pub summary: String,
    /// The way, from the streams to the topics.
    pub stages: Vec<Stage>,
}

/// A piece of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// In no VPC of ours.
    Open(Vec<Part>),
    /// In a VPC, or where another Kafka is.
    Vpc(Frame),
}

/// A VPC, or where another Kafka is, drawn around what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// `VPC`, or how what is elsewhere lies to its name: `behind`, `outside`, `on`.
    pub kind: &'static str,
    /// Its id.
    pub name: String,
    /// Its name, addresses and region.
    pub details: String,
    /// What is in it: the function's side and the brokers' side, where it has both.
    pub columns: Vec<Vec<Part>>,
}

/// One thing on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is: `Kinesis stream`, `network ACL`.
    pub kind: String,
    /// Its name, where it has one.
    pub name: String,
    /// How it stands on the way.
    pub shape: Shape,
    /// Whether it is there.
    pub state: State,
    /// What becomes of packets there.
    pub mark: Mark,
    /// What should be known of it.
    pub lines: Vec<String>,
    /// What it consists of.
    pub rows: Vec<Row>,
    /// Why packets don't pass, or nobody knows whether they do.
    pub reasons: Vec<String>,
}

/// One of the things that a part consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Below those of other rows, where there is room.
    pub cells: Vec<String>,
    /// Whether it is there.
    pub state: State,
    /// What becomes of packets there.
    pub mark: Mark,
}

/// How a part stands on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Something that records are in.
    Node,
    /// Something that they pass.
    Hop,
    /// Beside the way.
    Branch,
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Yes.
    #[default]
    Exists,
    /// Not yet: the plan makes it.
    New,
    /// It stands for several, of which this many are new.
    Partly(usize, usize),
}

/// What becomes of packets somewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// It isn't asked.
    #[default]
    None,
    /// They pass.
    Passes,
    /// They pass, and what becomes of them behind it isn't seen.
    Trusted,
    /// Nobody knows.
    Unknown,
    /// They don't pass.
    Broken,
}

impl Mark {
    /// Its sign, which tells marks apart where colours don't.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Passes => "✓",
            Self::Trusted => "~",
            Self::Unknown => "?",
            Self::Broken => "✕",
        }
    }

    /// The word for one that isn't as it should be.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::None | Self::Passes => "",
            Self::Trusted => "proven as far as here",
            Self::Unknown => "unknown",
            Self::Broken => "broken",
        }
    }
}

impl State {
    /// The word for one that isn't simply there.
    pub(super) fn word(self) -> String {
        match self {
            Self::Exists => String::new(),
            Self::New => "new".to_owned(),
            Self::Partly(new, all) => format!("{new} of {all} new"),
        }
    }

    fn of(exists: bool) -> Self {
        if exists { Self::Exists } else { Self::New }
    }

    fn of_all(states: &[Self]) -> Self {
        let new = states.iter().filter(|state| **state == Self::New).count();
        match new {
            0 => Self::Exists,
            _ if new == states.len() => Self::New,
            _ => Self::Partly(new, states.len()),
        }
    }
}

impl Part {
    fn new(shape: Shape, kind: impl Into<String>, name: &str) -> Self {
        Self {
            kind: kind.into(),
            name: clean(name),
            shape,
            state: State::Exists,
            mark: Mark::None,
            lines: Vec::new(),
            rows: Vec::new(),
            reasons: Vec::new(),
        }
    }
}

impl Row {
    fn new(cells: impl IntoIterator<Item = String>) -> Self {
        Self {
            cells: cells.into_iter().map(|cell| clean(&cell)).collect(),
            ..Self::default()
        }
    }
}

impl Scene {
    /// Of a plan: every hop passes, else there would be none.
    pub fn of_plan(plan: &Plan, facts: &Facts) -> Self {
        let me = user(&plan.region, &plan.stack);
        let of_vpc = |vpc: &str| {
            let stacks = plan.network_stacks.iter().filter(|stack| stack.vpc == vpc);
            let mut needs = stacks.filter_map(|stack| stack.users.get(&me));
            needs.next().cloned().unwrap_or_default()
        };
        let world = World::new(facts, &plan.stack);
        let nowhere;
        let network = if let Some(network) = &plan.network {
            network
        } else {
            nowhere = world.nowhere(plan);
            &nowhere
        };
        let path = Path {
            world,
            network,
            function: of_vpc(&network.vpc),
            brokers: of_vpc(&network.cluster_vpc),
            connection: plan.connection.as_ref(),
            proofs: &plan.proofs,
            obstacles: &[],
            port: plan.cluster.port,
        };
        let flows: Vec<Flow> = plan.pipelines.iter().map(|one| path.world.planned(one)).collect();
        let mut source = source(&flows, true);
        let removed = plan.removed.iter().map(|removed| {
            let stream = clean(stream_name(&removed.stream));
            format!("the pipeline of {stream} is removed")
        });
        if let Some(streams) = source.first_mut() {
            streams.lines.extend(removed);
        }
        let subnets = match &plan.network {
            Some(network) => count(network.subnets.len(), "subnet", "subnets"),
            None => INTERNET.to_owned(),
        };
        let brokers: BTreeSet<&str> = plan
            .proofs
            .iter()
            .map(|proof| proof.destination_address.as_str())
            .collect();
        let brokers = if plan.cluster.arn.is_none() {
            let blocks = brokers.iter().filter(|at| at.contains('/')).count();
            match (brokers.len() - blocks, blocks) {
                (0, blocks) => count(blocks, "block of addresses", "blocks of addresses"),
                (single, _) => count(single, "address", "addresses"),
            }
        } else if facts.brokers.found().is_some() {
            count(brokers.len(), "broker", "brokers")
        } else {
            count(brokers.len(), "subnet of the cluster", "subnets of the cluster")
        };
        let on = plan.cluster.ports();
        let trusted = plan
            .proofs
            .iter()
            .any(|proof| matches!(proof.verdict, Verdict::ThroughGateway { .. }));
        let groups_unseen = plan.proofs.iter().any(Proof::lacks_only_groups);
        let (mark, summary) = if plan.proofs.is_empty() {
            let summary = format!("taken on trust: over {INTERNET} to the brokers on {on}");
            (Mark::Trusted, summary)
        } else if groups_unseen && !trusted {
            let summary = format!(
                "proven as far as the brokers' own security groups: from {subnets} to {brokers} on {on}, and back"
            );
            (Mark::Trusted, summary)
        } else if trusted {
            let gateways: BTreeSet<String> = plan.proofs.iter().flat_map(Proof::gateways).collect();
            let gateways: Vec<String> = gateways.iter().map(|id| clean(id)).collect();
            let summary = format!(
                "proven as far as {}: from {subnets} to {brokers} on {on}, and back",
                gateways.join(", ")
            );
            (Mark::Trusted, summary)
        } else {
            let to = match &plan.connection {
                Some(connection) => format!(
                    "the VPC connection in {}",
                    count(connection.subnets.len(), "subnet", "subnets")
                ),
                None => brokers,
            };
            let summary = format!("proven: from {subnets} to {to} on {on}, and back");
            (Mark::Passes, summary)
        };
        let spoken = format!("{} on {on}", plan.cluster.authentication.name());
        let mut stages = vec![Stage::Open(source)];
        stages.extend(path.stages(&flows, plan.cluster.arn.as_deref(), Some(&spoken)));
        Self {
            title: clean(&plan.stack),
            place: format!("{} · account {}", clean(&plan.region), clean(&plan.account)),
            mark,
            summary,
            stages,
        }
    }

    /// Of a plan that there isn't, because no way leads to the brokers: as far as it was tried. Nothing where that is not the reason.
    pub fn of_error(error: &PlanError, settings: &Settings, facts: &Facts) -> Option<Self> {
        let world = World::new(facts, &settings.stack.value);
        let flows: Vec<Flow> = settings.pipelines.iter().map(|one| world.asked(one)).collect();
        let cluster = settings.cluster().map(|cluster| cluster.value.as_str());
        let (mark, summary, stages) = match error {
            PlanError::Subnets {
                ports,
                vpc,
                obstacles,
                attempt: Some(attempt),
                ..
            } => {
                let unknown = obstacles
                    .iter()
                    .all(|(_, obstacle)| matches!(obstacle, Obstacle::Unknown(_)));
                let Attempt {
                    network,
                    function,
                    brokers,
                    connection,
                    proofs,
                } = attempt.as_ref();
                let path = Path {
                    world,
                    network,
                    function: function.clone(),
                    brokers: brokers.clone(),
                    connection: connection.as_ref(),
                    proofs,
                    obstacles,
                    port: ports.first().copied().unwrap_or_default(),
                };
                let (mark, summary) = if unknown && !obstacles.is_empty() {
                    (Mark::Unknown, "unknown, so there is no plan")
                } else {
                    (Mark::Broken, "broken, so there is no plan")
                };
                let summary = format!(
                    "{summary}: from {} to the brokers on {}",
                    clean(vpc),
                    listed_ports(ports)
                );
                (mark, summary, path.stages(&flows, cluster, None))
            }
            PlanError::NoWay {
                vpcs,
                cluster_vpc,
                reasons,
                ..
            } => (
                Mark::Broken,
                format!("broken, so there is no plan: no way leads to {}", clean(cluster_vpc)),
                world.apart(&flows, vpcs, cluster_vpc, cluster, reasons),
            ),
            PlanError::WhichVpc { .. } | PlanError::NoVpcLeads { .. } => world.no_one_vpc(error, &flows)?,
            PlanError::ChooseVpc {
                region,
                cluster_vpc,
                vpcs,
            } => (
                Mark::Broken,
                format!(
                    "broken, so there is no plan: no VPC in {} leads to {}",
                    clean(region),
                    clean(cluster_vpc)
                ),
                world.apart(
                    &flows,
                    vpcs,
                    cluster_vpc,
                    cluster,
                    &["name the VPC to join to it with --vpc (or `vpc` in k2m.yaml)".to_owned()],
                ),
            ),
            _ => return None,
        };
        let mut whole = vec![Stage::Open(source(&flows, false))];
        whole.extend(stages);
        Some(Self {
            title: clean(&settings.stack.value),
            place: format!(
                "{} · account {}",
                clean(&settings.home.region),
                clean(&settings.home.account)
            ),
            mark,
            summary,
            stages: whole,
        })
    }
}

/// What is there.
#[derive(Clone, Copy)]
struct World<'a> {
    facts: &'a Facts,
    /// The stack, where it stands.
    stack: Option<&'a Stack>,
}

/// A pipeline, as far as it is drawn.
struct Flow {
    stream: String,
    shards: Option<u32>,
    topics: Vec<Row>,
    /// How batches are made.
    mapping: String,
    mapping_state: State,
    function: String,
    function_state: State,
    destination: Option<(String, State)>,
}

impl<'a> World<'a> {
    fn new(facts: &'a Facts, name: &str) -> Self {
        let stack = facts.stack.found().filter(|stack| stack.name == name && stands(stack));
        Self { facts, stack }
    }

    /// The network of functions that are in no VPC.
    fn nowhere(&self, plan: &Plan) -> PlannedNetwork {
        let subnet = plan.proofs.iter().find_map(|proof| proof.destination_subnet.as_deref());
        let subnet = subnet.and_then(|id| self.subnet(id));
        PlannedNetwork {
            vpc: String::new(),
            subnets: Vec::new(),
            cluster_vpc: subnet.map(|subnet| subnet.vpc.clone()).unwrap_or_default(),
            cluster_group: None,
            ports: (plan.cluster.port, plan.cluster.port),
            function_group: None,
            egress: Vec::new(),
            ingress_by_group: false,
        }
    }

    fn has(&self, logical_id: &str) -> State {
        State::of(self.stack.is_some_and(|stack| stack.resources.contains_key(logical_id)))
    }

    fn shards(&self, stream: &str) -> Option<u32> {
        let seen = self.facts.pipelines.get(stream)?.stream.found()?;
        Some(seen.open_shards)
    }

    fn deployed(&self, stream: &str) -> (State, State) {
        let seen = self.facts.pipelines.get(stream).filter(|_| self.stack.is_some());
        (
            State::of(seen.is_some_and(|seen| seen.mapping.found().is_some())),
            State::of(seen.is_some_and(|seen| seen.function.found().is_some())),
        )
    }

    /// A topic, as it is or will be.
    fn topic(&self, name: &str, role: &str, planned: Option<(u32, Option<u32>, bool)>) -> Row {
        let seen = self.facts.topics.get(name).and_then(Fact::found);
        let seen = seen.map(|topic| (topic.partitions, Some(topic.replication_factor), true));
        let (size, state) = match planned.or(seen) {
            Some((partitions, replicas, exists)) => {
                let mut size = count(partitions as usize, "partition", "partitions");
                if let Some(replicas) = replicas {
                    size.extend([", ", &replicas.to_string(), " replicas"]);
                }
                (size, State::of(exists))
            }
            None => (String::new(), State::Exists),
        };
        let details = [role.to_owned(), size];
        let details: Vec<String> = details.into_iter().filter(|text| !text.is_empty()).collect();
        Row {
            state,
            ..Row::new(
                [name.to_owned(), details.join(", ")]
                    .into_iter()
                    .filter(|cell| !cell.is_empty()),
            )
        }
    }

    fn planned(&self, pipeline: &Pipeline) -> Flow {
        let (mapping_state, function_state) = self.deployed(&pipeline.stream);
        let dead_letters = pipeline.dead_letter_topic.as_ref().map(|topic| topic.name.as_str());
        let topics = pipeline.topics().map(|(name, new)| {
            let role = if Some(name) == dead_letters { "dead letters" } else { "" };
            let new = new.map(|new| (new.partitions, new.replication_factor, new.exists));
            self.topic(name, role, new)
        });
        let mapping = &pipeline.mapping;
        let destination = match &pipeline.destination {
            Destination::Own => (
                "SNS topic with an encrypted queue that keeps messages for 14 days".to_owned(),
                self.has(&format!("{}FailureTopic", pipeline.id)),
            ),
            Destination::Sns(arn) | Destination::Sqs(arn) | Destination::S3(arn) => (clean(arn), State::Exists),
        };
        Flow {
            stream: clean(&pipeline.stream_name),
            shards: self.shards(&pipeline.stream),
            topics: topics.collect(),
            mapping: batches(
                mapping.starting_position,
                mapping.batch_size,
                mapping.maximum_batching_window_seconds,
                mapping.enabled,
            ),
            mapping_state,
            function: format!(
                "{} MB, {} s",
                pipeline.function.memory_mb, pipeline.function.timeout_seconds
            ),
            function_state,
            destination: Some(destination),
        }
    }

    fn asked(&self, pipeline: &PipelineSettings) -> Flow {
        let stream = &pipeline.stream.value;
        let (mapping_state, function_state) = self.deployed(stream.as_str());
        let dead_letters = pipeline.dead_letter_topic.as_ref().map(|topic| topic.value.as_str());
        let topics = pipeline.topics().into_iter().map(|name| {
            let role = if Some(name) == dead_letters { "dead letters" } else { "" };
            let mut row = self.topic(name, role, None);
            row.state = State::of(!self.facts.topics.get(name).is_some_and(Fact::is_absent));
            row
        });
        Flow {
            stream: clean(stream.name()),
            shards: self.shards(stream.as_str()),
            topics: topics.collect(),
            mapping: batches(
                pipeline.starting_position.value.word(),
                pipeline.batch_size.value,
                pipeline.batching_window.value,
                pipeline.enabled.value,
            ),
            mapping_state,
            function: format!("{} MB, {} s", pipeline.memory.value, pipeline.timeout.value),
            function_state,
            destination: None,
        }
    }

    fn subnet(&self, id: &str) -> Option<&'a Subnet> {
        let networks = self.facts.networks.values();
        networks
            .filter_map(|network| network.subnets.found())
            .flatten()
            .find(|subnet| subnet.id == id)
    }

    fn subnet_row(&self, id: &str) -> Row {
        match self.subnet(id) {
            Some(subnet) => Row::new([subnet.zone.clone(), subnet.cidr.clone(), id.to_owned()]),
            None => Row::new([id.to_owned()]),
        }
    }

    /// A VPC with nothing in it yet.
    fn frame(&self, id: &str) -> Frame {
        let mut details = Vec::new();
        for (region, network) in &self.facts.networks {
            let mut vpcs = network.vpcs.found().into_iter().flatten();
            let of_id = vpcs.find(|vpc| vpc.id == id);
            if let Some(Vpc { cidrs, name, .. }) = of_id {
                details.extend(name.as_deref().map(clean));
                details.extend(cidrs.iter().map(|cidr| clean(cidr)));
            }
            let subnets = network.subnets.found().into_iter().flatten();
            if of_id.is_some() || subnets.into_iter().any(|subnet| subnet.vpc == id) {
                details.push(clean(region));
                break;
            }
        }
        Frame {
            kind: "VPC",
            name: clean(id),
            details: details.join(" · "),
            columns: Vec::new(),
        }
    }

    /// A cluster of MSK, else the servers of another Kafka.
    fn kafka(&self, cluster: Option<&str>, port: Option<u16>, spoken: Option<&str>) -> Part {
        if let Some(arn) = cluster {
            return self.cluster(arn, port, spoken);
        }
        let mut kafka = Part::new(Shape::Node, "Kafka that is not MSK", "");
        kafka.lines.extend(spoken.map(str::to_owned));
        let rows = self.facts.servers.iter().map(|server| {
            let known: Vec<String> = server.known().iter().map(ToString::to_string).collect();
            let known = known.join(", ");
            let known = Some(known).filter(|known| !known.is_empty() && *known != server.host);
            Row::new(std::iter::once(server.text()).chain(known))
        });
        kafka.rows = some(rows.collect(), "servers");
        kafka
    }

    fn cluster(&self, arn: &str, port: Option<u16>, spoken: Option<&str>) -> Part {
        let seen = self.facts.cluster.found();
        let serverless = seen.is_some_and(|cluster| cluster.kind == "SERVERLESS");
        let kind = if serverless {
            "MSK Serverless cluster"
        } else {
            "MSK cluster"
        };
        let mut cluster = Part::new(Shape::Node, kind, arn.split('/').nth(1).unwrap_or(arn));
        let version = seen.and_then(|cluster| cluster.kafka_version.as_ref());
        let line = spoken.map(str::to_owned).into_iter();
        let line: Vec<String> = line
            .chain(version.map(|version| format!("Kafka {}", clean(version))))
            .collect();
        cluster
            .lines
            .extend(Some(line.join(" · ")).filter(|line| !line.is_empty()));
        let brokers = self.facts.brokers.found().map_or(&[][..], Vec::as_slice);
        let rows = brokers.iter().map(|broker| {
            let subnet = self.subnet(&broker.subnet);
            let address = match (broker.address.as_str(), port) {
                ("", _) => format!("broker {}", broker.id),
                (address, Some(port)) => format!("{address}:{port}"),
                (address, None) => address.to_owned(),
            };
            Row::new(
                subnet
                    .map(|subnet| subnet.zone.clone())
                    .into_iter()
                    .chain([address])
                    .chain(subnet.map(|subnet| subnet.cidr.clone()))
                    .chain([broker.subnet.clone()]),
            )
        });
        let mut rows: Vec<Row> = rows.collect();
        if rows.is_empty() {
            // Of a serverless cluster nobody says where its brokers are, only in which subnets.
            let ids = seen.map_or(&[][..], |cluster| &cluster.subnets).iter();
            rows.extend(ids.map(|id| self.subnet_row(id)));
            cluster.rows = some(rows, "subnets");
            return cluster;
        }
        cluster.rows = some(rows, "brokers");
        cluster
    }

    /// Of a Kafka that is not MSK, to which not one VPC alone leads that anybody named: the mark, the summary, and the picture.
    fn no_one_vpc(&self, error: &PlanError, flows: &[Flow]) -> Option<(Mark, String, Vec<Stage>)> {
        let names = |vpcs: &[(String, String, Obstacle)]| -> Vec<String> {
            let each = vpcs.iter();
            each.map(|(vpc, ..)| vpc.clone()).collect()
        };
        let (mark, summary, vpcs, reasons) = match error {
            PlanError::WhichVpc {
                region,
                leading,
                unsure,
            } => {
                let mut reasons = which(leading, unsure);
                reasons.push("name the VPC that leads there with --vpc (or `vpc` in k2m.yaml)".to_owned());
                let summary = format!(
                    "broken, so there is no plan: not one VPC alone in {} is known to lead to the brokers",
                    clean(region)
                );
                let vpcs = [leading.clone(), names(unsure)].concat();
                (Mark::Broken, summary, vpcs, reasons)
            }
            PlanError::NoVpcLeads { region, vpcs } => {
                let region = clean(region);
                let (mark, summary) = if doubtful(vpcs) {
                    let what = format!("no VPC in {region} is known to lead to the brokers");
                    (Mark::Unknown, format!("unknown, so there is no plan: {what}"))
                } else {
                    let what = format!("no VPC in {region} leads to the brokers");
                    (Mark::Broken, format!("broken, so there is no plan: {what}"))
                };
                (mark, summary, names(vpcs), none_leads(vpcs))
            }
            _ => return None,
        };
        Some((mark, summary, self.apart(flows, &vpcs, "", None, &reasons)))
    }

    /// Two VPCs, or more, that nothing joins.
    fn apart(
        &self,
        flows: &[Flow],
        vpcs: &[String],
        cluster_vpc: &str,
        cluster: Option<&str>,
        reasons: &[String],
    ) -> Vec<Stage> {
        let mut function = functions(flows);
        let near = if let [vpc] = vpcs {
            let mut frame = self.frame(vpc);
            frame.columns.push(vec![function]);
            Stage::Vpc(frame)
        } else {
            function.lines.push("in one of these VPCs".to_owned());
            function.rows = some(vpcs.iter().map(|vpc| Row::new([vpc.clone()])).collect(), "VPCs");
            Stage::Open(vec![function])
        };
        let mut gap = match cluster {
            Some(_) => gap("between the VPCs", "nothing that joins them"),
            None => gap(TO_BROKERS, "not one VPC alone that leads there"),
        };
        gap.reasons = reasons.iter().map(|reason| clean(reason)).collect();
        let brokers = vec![self.kafka(cluster, None, None), topics(flows)];
        let mut far = match cluster {
            Some(_) => self.frame(cluster_vpc),
            None => elsewhere("outside", "these VPCs"),
        };
        far.columns.push(brokers);
        vec![near, Stage::Open(vec![gap]), Stage::Vpc(far)]
    }
}

/// Where another Kafka is, of which nothing is seen.
fn elsewhere(kind: &'static str, name: &str) -> Frame {
    Frame {
        kind,
        name: clean(name),
        details: String::new(),
        columns: Vec::new(),
    }
}

/// What is between a VPC and another Kafka.
const TO_BROKERS: &str = "way to the brokers";

/// Where something should be between two VPCs.
fn gap(place: &str, nothing: &str) -> Part {
    Part {
        mark: Mark::Broken,
        ..Part::new(Shape::Node, place, nothing)
    }
}

fn batches(position: &str, size: u32, window: u32, enabled: bool) -> String {
    let off = if enabled { "" } else { "switched off; " };
    let waits = match window {
        0 => "no waiting".to_owned(),
        window => format!("waiting up to {window} s"),
    };
    format!("{off}from {position}, batches of up to {size} records, {waits}")
}

/// What is the same for all, else nothing.
fn common<'f>(flows: &'f [Flow], of: impl Fn(&'f Flow) -> &'f str) -> Option<String> {
    let mut texts = flows.iter().map(of);
    let first = texts.next()?;
    texts.all(|text| text == first).then(|| first.to_owned())
}

/// The streams, their mappings, and where goes what is given up.
fn source(flows: &[Flow], decided: bool) -> Vec<Part> {
    let shards = |flow: &Flow| {
        flow.shards
            .map(|shards| count(shards as usize, "open shard", "open shards"))
    };
    let mut streams = if let [flow] = flows {
        let mut stream = Part::new(Shape::Node, "Kinesis stream", &flow.stream);
        stream.lines.extend(shards(flow));
        stream
    } else {
        let mut streams = Part::new(Shape::Node, format!("{} Kinesis streams", flows.len()), "");
        let rows = flows.iter().map(|flow| {
            let cells = [Some(flow.stream.clone()), shards(flow)];
            let topic = flow.topics.first().and_then(|topic| topic.cells.first());
            let into = topic.map(|topic| format!("→ {topic}"));
            Row::new(cells.into_iter().chain([into]).flatten())
        });
        streams.rows = some(rows.collect(), "streams");
        streams
    };
    streams.state = State::Exists;
    let kind = match flows.len() {
        1 => "event source mapping".to_owned(),
        many => format!("{many} event source mappings"),
    };
    let mut mapping = Part::new(Shape::Node, kind, "");
    mapping.lines.extend(common(flows, |flow| &flow.mapping));
    mapping.state = State::of_all(&flows.iter().map(|flow| flow.mapping_state).collect::<Vec<_>>());
    let mut parts = vec![streams, mapping];
    if decided {
        let destinations: Vec<&(String, State)> = flows.iter().filter_map(|flow| flow.destination.as_ref()).collect();
        let distinct: BTreeSet<&str> = destinations.iter().map(|(text, _)| text.as_str()).collect();
        let mut destination = Part::new(Shape::Branch, "failure destination", "");
        destination.state = State::of_all(&destinations.iter().map(|(_, state)| *state).collect::<Vec<_>>());
        if let ([text], true) = (distinct.iter().collect::<Vec<_>>().as_slice(), true) {
            destination.lines.push((**text).to_owned());
        } else {
            let rows = distinct.into_iter().map(|text| Row::new([text.to_owned()]));
            destination.rows = some(rows.collect(), "destinations");
        }
        if flows.len() > 1 && destinations.iter().any(|(text, _)| !text.starts_with("arn:")) {
            destination.lines.push("each pipeline has its own".to_owned());
        }
        parts.push(destination);
    }
    parts
}

fn functions(flows: &[Flow]) -> Part {
    let kind = match flows.len() {
        1 => "Lambda function".to_owned(),
        many => format!("{many} Lambda functions"),
    };
    let mut part = Part::new(Shape::Node, kind, "");
    part.lines.extend(common(flows, |flow| &flow.function));
    part.state = State::of_all(&flows.iter().map(|flow| flow.function_state).collect::<Vec<_>>());
    part
}

fn topics(flows: &[Flow]) -> Part {
    let mut rows: Vec<Row> = Vec::new();
    for topic in flows.iter().flat_map(|flow| &flow.topics) {
        if !rows.iter().any(|row| row.cells.first() == topic.cells.first()) {
            rows.push(topic.clone());
        }
    }
    if let [topic] = rows.as_slice() {
        let mut part = Part::new(Shape::Node, "topic", topic.cells.first().map_or("", String::as_str));
        part.lines.extend(topic.cells.get(1).cloned());
        part.state = topic.state;
        return part;
    }
    let mut part = Part::new(Shape::Node, format!("{} topics", rows.len()), "");
    part.state = State::of_all(&rows.iter().map(|row| row.state).collect::<Vec<_>>());
    part.rows = some(rows, "topics");
    part
}

/// The first few rows, and how many there are beside them.
fn some(mut rows: Vec<Row>, what: &str) -> Vec<Row> {
    if rows.len() > ROWS + 1 {
        let more = rows.len() - ROWS;
        rows.truncate(ROWS);
        rows.push(Row::new([format!("and {more} more {what}")]));
    }
    rows
}

/// A way between two ends, as it will be or would be.
struct Path<'a> {
    world: World<'a>,
    network: &'a PlannedNetwork,
    /// What is made in the function's VPC.
    function: Needs,
    /// What is made in the brokers' VPC.
    brokers: Needs,
    /// What leads from the one to the other, where no route does.
    connection: Option<&'a PlannedConnection>,
    proofs: &'a [Proof],
    /// By subnet, why it can't be the function's.
    obstacles: &'a [(String, Obstacle)],
    port: u16,
}

/// What all proofs say of some hops.
#[derive(Default)]
struct Crossing {
    resources: Vec<String>,
    by: Vec<String>,
    mark: Mark,
    reasons: Vec<String>,
}

impl Path<'_> {
    fn stages(&self, flows: &[Flow], cluster: Option<&str>, spoken: Option<&str>) -> Vec<Stage> {
        if let (Some(connection), Some(cluster)) = (self.connection, cluster) {
            return self.privately(connection, flows, cluster, spoken);
        }
        let same_vpc = match cluster {
            Some(_) => self.network.vpc == self.network.cluster_vpc,
            // Another Kafka is in the function's VPC where all of it is at addresses there.
            None => !self.proofs.is_empty() && self.proofs.iter().all(|proof| proof.destination_subnet.is_some()),
        };
        let near = self.near(flows, same_vpc);
        let mut far = self.far(same_vpc);
        // Private addresses are not where the internet leads.
        let port = Some(self.port).filter(|_| !self.network.vpc.is_empty());
        far.push(self.world.kafka(cluster, port, spoken));
        far.push(topics(flows));
        let mut frame = self.world.frame(&self.network.vpc);
        if same_vpc {
            frame.columns = vec![near, far];
            return vec![Stage::Vpc(frame)];
        }
        frame.columns = vec![near];
        let brokers = |columns| {
            let gateways = self.crossing(&[Hop::Gateway]).resources;
            let mut brokers = match (cluster, gateways.as_slice()) {
                (Some(_), _) => self.world.frame(&self.network.cluster_vpc),
                (None, []) if self.network.vpc.is_empty() => elsewhere("on", INTERNET),
                (None, []) => elsewhere("outside", &self.network.vpc),
                (None, gateways) => elsewhere("behind", &gateways.join(", ")),
            };
            brokers.columns = vec![columns];
            Stage::Vpc(brokers)
        };
        if self.network.vpc.is_empty() {
            let near = frame.columns.into_iter().flatten().collect();
            let internet = Part::new(Shape::Node, INTERNET, "");
            return vec![Stage::Open(near), Stage::Open(vec![internet]), brokers(far)];
        }
        vec![Stage::Vpc(frame), Stage::Open(vec![self.between()]), brokers(far)]
    }

    /// By a VPC connection: all that can be judged is in the function's VPC.
    fn privately(
        &self,
        connection: &PlannedConnection,
        flows: &[Flow],
        cluster: &str,
        spoken: Option<&str>,
    ) -> Vec<Stage> {
        let mut door = Part::new(Shape::Node, "VPC connection", "");
        door.lines.push("by AWS PrivateLink, whatever the addresses".to_owned());
        door.lines.push(if connection.own {
            "shared by the stacks of k2m that need it".to_owned()
        } else {
            "somebody else's".to_owned()
        });
        door.state = State::of(connection.exists);
        let rows = connection.subnets.iter().map(|id| self.world.subnet_row(id));
        door.rows = some(rows.collect(), "subnets");
        let mut near = self.near(flows, true);
        near.extend(self.far(true));
        near.push(door);
        let mut frame = self.world.frame(&self.network.vpc);
        frame.columns = vec![near];
        let mut brokers = self.world.frame(&self.network.cluster_vpc);
        brokers.columns = vec![vec![self.world.cluster(cluster, None, spoken), topics(flows)]];
        vec![Stage::Vpc(frame), Stage::Vpc(brokers)]
    }

    /// The function, and what is between it and the end of its VPC.
    fn near(&self, flows: &[Flow], same_vpc: bool) -> Vec<Part> {
        let mut function = functions(flows);
        let ends = self.crossing(&[Hop::Ends]);
        if ends.mark > Mark::Passes {
            (function.mark, function.reasons) = (ends.mark, ends.reasons);
        }
        let shown = &self.network.subnets;
        let rows = shown.iter().map(|id| self.function_subnet(id));
        let mut rows: Vec<Row> = rows.collect();
        // By zone, as the brokers are.
        rows.sort_by(|one, other| one.cells.cmp(&other.cells));
        let (elsewhere, hidden): (Vec<_>, Vec<_>) = self
            .obstacles
            .iter()
            .filter(|(id, _)| !shown.contains(id))
            .partition(|(_, obstacle)| matches!(obstacle, Obstacle::Elsewhere { .. }));
        let elsewhere = elsewhere.into_iter().map(|(id, _)| Row {
            mark: Mark::Broken,
            ..Row::new([id.clone()])
        });
        rows.extend(elsewhere);
        function.rows = some(rows, "subnets");
        let mut unfit: Vec<(String, Vec<&str>)> = Vec::new();
        for (id, obstacle) in self.obstacles {
            if !matches!(obstacle, Obstacle::Full | Obstacle::Elsewhere { .. }) {
                continue;
            }
            let reason = obstacle.to_string();
            match unfit.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, ids)) => ids.push(id),
                None => unfit.push((reason, vec![id])),
            }
        }
        for (reason, ids) in unfit {
            function.mark = Mark::Broken;
            function.reasons.push(clean(&format!("{}: {reason}", ids.join(", "))));
        }
        if !hidden.is_empty() {
            let more = count(hidden.len(), "more subnet does", "more subnets do");
            function.lines.push(format!("{more} no better"));
        }

        if self.network.vpc.is_empty() {
            function.lines.push("in no VPC".to_owned());
        }
        let mut egress = self.hop("security group", &[Hop::Egress]);
        if let Some(group) = &self.network.function_group {
            egress.name = clean(group);
        } else {
            egress.name = String::from("of the function");
            egress.state = self.world.has("FunctionSecurityGroup");
        }
        let peers = self.network.egress.iter().map(|peer| {
            let (peer, to) = match peer {
                PlannedPeer::Group(id) | PlannedPeer::Cidr(id) => (id, self.network.ports),
                PlannedPeer::Server { cidr, port } => (cidr, (*port, *port)),
            };
            Row::new(["out to".to_owned(), peer.clone(), ports(to)])
        });
        egress.rows = some(peers.collect(), "rules");
        let mut acl = self.hop("network ACL", &[Hop::AclOut, Hop::AnswerAclIn]);
        acl.lines.push("out, and answers in".to_owned());
        let mut route = self.hop("route table", &[Hop::Route]);
        route.rows = self.routes(&[Hop::Route], &self.function);
        self.conflicts(&mut route);
        if same_vpc {
            route.lines.clear();
        }
        let mut parts = vec![function];
        parts.extend([egress, acl, route].into_iter().filter(is_met));
        parts
    }

    /// What is between the end of the brokers' VPC and the brokers. The table that answers take comes first: it is farthest from them.
    fn far(&self, same_vpc: bool) -> Vec<Part> {
        let mut route = self.hop("route table", &[Hop::AnswerRoute]);
        route.lines.push("for answers".to_owned());
        route.rows = self.routes(&[Hop::AnswerRoute], &self.brokers);
        let there = self.crossing(&[Hop::Route]);
        let back = self.crossing(&[Hop::AnswerRoute]);
        // Inside a VPC one table often leads both ways.
        let again =
            same_vpc && back.mark == Mark::Passes && back.resources.iter().all(|id| there.resources.contains(id));
        let mut acl = self.hop("network ACL", &[Hop::AclIn, Hop::AnswerAclOut]);
        acl.lines.push("in, and answers out".to_owned());
        let mut ingress = self.hop("security group", &[Hop::Ingress]);
        if let Some(connection) = self.connection.filter(|connection| connection.own) {
            ingress.name = String::from("of the VPC connection");
            ingress.state = State::of(connection.exists);
        }
        ingress.rows = self.ingress();
        let mut parts: Vec<Part> = Vec::new();
        parts.extend(Some(route).filter(|_| !again).filter(is_met));
        parts.extend([acl, ingress].into_iter().filter(is_met));
        parts
    }

    /// What leads from one VPC to the other.
    fn between(&self) -> Part {
        let crossing = self.crossing(&[Hop::Gateway, Hop::AnswerGateway]);
        let Some(first) = crossing.resources.first() else {
            let place = if self.network.cluster_vpc.is_empty() {
                TO_BROKERS
            } else {
                "between the VPCs"
            };
            return gap(place, "nothing that the routes lead to");
        };
        let kind = |id: &str| match id.split('-').next() {
            Some("pcx") => "peering connection",
            Some("tgw") => "transit gateway",
            Some("vgw") => "virtual private gateway",
            Some("nat") => "NAT gateway",
            Some("igw") => "internet gateway",
            Some("eni" | "i") => "appliance",
            Some("vpce") => "VPC endpoint",
            _ => "gateway",
        };
        let alike = crossing.resources.iter().all(|id| kind(id) == kind(first));
        let kind = if alike { kind(first) } else { "gateways" };
        let known = |id: &String| {
            let mut peerings = self
                .world
                .facts
                .networks
                .values()
                .filter_map(|network| network.peerings.found())
                .flatten();
            !id.starts_with("pcx-") || peerings.any(|peering| peering.id == *id)
        };
        let exists = crossing.resources.iter().all(known);
        let names: Vec<&str> = crossing.resources.iter().map(String::as_str).collect();
        let name = if exists { names.join(", ") } else { String::new() };
        let mut part = Part::new(Shape::Node, kind, &name);
        part.state = State::of(exists);
        if !exists {
            part.lines.push("shared by the stacks of k2m that need it".to_owned());
        }
        let ends = [&self.network.vpc, &self.network.cluster_vpc];
        let regions: BTreeSet<String> = ends.iter().filter_map(|vpc| self.region(vpc)).collect();
        if regions.len() > 1 {
            part.lines.push("between two regions".to_owned());
        }
        part.mark = crossing.mark;
        part.reasons = crossing.reasons;
        part
    }

    fn region(&self, vpc: &str) -> Option<String> {
        let networks = &self.world.facts.networks;
        let found = networks.iter().find(|(_, network)| {
            let subnets = network.subnets.found().into_iter().flatten();
            subnets.into_iter().any(|subnet| subnet.vpc == vpc)
        });
        found.map(|(region, _)| region.clone())
    }

    fn function_subnet(&self, id: &str) -> Row {
        let obstacle = self.obstacles.iter().find(|(subnet, _)| subnet == id);
        let mark = match obstacle {
            None => Mark::None,
            Some((_, Obstacle::Unknown(_))) => Mark::Unknown,
            Some(_) => Mark::Broken,
        };
        Row {
            mark,
            ..self.world.subnet_row(id)
        }
    }

    /// Routes that are in the way, and would have to be others.
    fn conflicts(&self, route: &mut Part) {
        for (id, obstacle) in self.obstacles {
            if !matches!(obstacle, Obstacle::Route { .. }) || !self.network.subnets.contains(id) {
                continue;
            }
            let reason = clean(&obstacle.to_string());
            if !route.reasons.contains(&reason) {
                route.reasons.insert(0, reason);
                route.mark = Mark::Broken;
            }
        }
        route.reasons.truncate(REASONS);
    }

    fn hop(&self, kind: &str, hops: &[Hop]) -> Part {
        let Crossing {
            resources,
            mark,
            reasons,
            ..
        } = self.crossing(hops);
        let name = some(resources.into_iter().map(|id| Row::new([id])).collect(), "of them");
        let name: Vec<String> = name.into_iter().flat_map(|row| row.cells).collect();
        Part {
            mark,
            reasons,
            ..Part::new(Shape::Hop, kind, &name.join(", "))
        }
    }

    /// Routes that decide, in the words of the engine.
    fn routes(&self, hops: &[Hop], needs: &Needs) -> Vec<Row> {
        let Crossing { resources, by, .. } = self.crossing(hops);
        let rows = by.iter().map(|by| {
            let route = by.strip_prefix("planned ").unwrap_or(by);
            let route = route.strip_prefix("route ").unwrap_or(route);
            let (route, table) = route.rsplit_once(" of ").unwrap_or((route, ""));
            let (destination, target) = route.split_once(" to ").unwrap_or((route, ""));
            let needed = needs
                .routes
                .iter()
                .any(|needed| needed.table == table && needed.destination == destination);
            let target = if needed { "the peering" } else { target };
            if target == "local" {
                return Row::new([destination.to_owned(), "stays in the VPC".to_owned()]);
            }
            let of = if resources.len() > 1 {
                format!(" in {table}")
            } else {
                String::new()
            };
            Row {
                state: State::of(!needed || self.has_route(table, destination)),
                ..Row::new([destination.to_owned(), format!("to {target}{of}")])
            }
        });
        let mut distinct: Vec<Row> = Vec::new();
        for row in rows {
            if !distinct.contains(&row) {
                distinct.push(row);
            }
        }
        some(distinct, "routes")
    }

    fn has_route(&self, table: &str, destination: &str) -> bool {
        let networks = self.world.facts.networks.values();
        let mut tables = networks.filter_map(|network| network.route_tables.found()).flatten();
        tables.any(|seen| seen.id == table && seen.routes.iter().any(|route| route.destination == destination))
    }

    fn ingress(&self) -> Vec<Row> {
        if self.network.ingress_by_group {
            return vec![Row {
                state: self.world.has("ClusterIngress"),
                ..Row::new([
                    "in from".to_owned(),
                    "the function's group".to_owned(),
                    ports(self.network.ports),
                ])
            }];
        }
        let needed = self.brokers.ingress.iter().map(|needed| {
            let networks = self.world.facts.networks.values();
            let groups = networks.filter_map(|network| network.security_groups.found()).flatten();
            let mut rules = groups
                .filter(|group| group.id == needed.group)
                .flat_map(|group| &group.rules);
            let exists = rules.any(|rule| {
                let same = rule.peer == crate::facts::network::RulePeer::Cidr(needed.cidr.clone());
                same && !rule.egress && rule.ports == Some(needed.ports) && rule.owner != Owner::Foreign
            });
            Row {
                state: State::of(exists),
                ..Row::new(["in from".to_owned(), needed.cidr.clone(), ports(needed.ports)])
            }
        });
        let doors = self.function.connections.iter().flat_map(|needed| &needed.cidrs);
        let doors = doors.map(|cidr| Row {
            state: State::of(self.connection.is_some_and(|connection| connection.exists)),
            ..Row::new(["in from".to_owned(), cidr.clone(), ports(self.network.ports)])
        });
        let needed: Vec<Row> = needed.chain(doors).collect();
        if needed.is_empty() {
            let by = self.crossing(&[Hop::Ingress]).by;
            return some(by.into_iter().map(|by| Row::new([by])).collect(), "rules");
        }
        some(needed, "rules")
    }

    /// What all proofs say of these hops. The worst counts; reasons that differ in addresses alone are said once, and of whom where that is not everybody.
    fn crossing(&self, hops: &[Hop]) -> Crossing {
        /// Reasons that are alike.
        struct Alike<'p> {
            key: String,
            first: String,
            texts: BTreeSet<String>,
            sources: BTreeSet<&'p str>,
            mark: Mark,
        }
        let mut whole = Crossing::default();
        let mut reasons: Vec<Alike> = Vec::new();
        let sources: BTreeSet<&str> = self.proofs.iter().map(|proof| proof.source_subnet.as_str()).collect();
        for proof in self.proofs {
            for step in proof.steps.iter().filter(|step| hops.contains(&step.hop)) {
                let (mark, reason) = match &step.outcome {
                    Outcome::Passes { by } => {
                        add(&mut whole.by, by);
                        (Mark::Passes, None)
                    }
                    Outcome::ThroughGateway { reason } => (Mark::Trusted, Some(reason.kind.doubt().to_owned())),
                    // It is nobody's hop.
                    Outcome::NotApplied { .. } => continue,
                    Outcome::Refused { reason } => (Mark::Broken, Some(reason.to_string())),
                    Outcome::Unknown { reason } => (Mark::Unknown, Some(reason.to_string())),
                };
                add(&mut whole.resources, &step.resources);
                whole.mark = whole.mark.max(mark);
                let Some(reason) = reason.map(|reason| clean(&reason)) else {
                    continue;
                };
                let key = without_addresses(&reason);
                let known = reasons.iter().position(|alike| alike.key == key);
                let known = known.unwrap_or(reasons.len());
                if known == reasons.len() {
                    reasons.push(Alike {
                        key,
                        first: reason.clone(),
                        texts: BTreeSet::new(),
                        sources: BTreeSet::new(),
                        mark,
                    });
                }
                let Some(alike) = reasons.get_mut(known) else {
                    continue;
                };
                alike.texts.insert(reason);
                alike.sources.insert(&proof.source_subnet);
            }
        }
        // The worst first: of too many reasons some are left out.
        reasons.sort_by_key(|alike| std::cmp::Reverse(alike.mark));
        let more = reasons.len().saturating_sub(REASONS);
        let said = reasons.into_iter().take(REASONS).map(|alike| {
            let of = if alike.sources.len() == sources.len() {
                String::new()
            } else {
                let of: Vec<String> = alike.sources.into_iter().map(clean).collect();
                format!("from {}: ", of.join(", "))
            };
            let others = match alike.texts.len() {
                1 => String::new(),
                texts => format!(" (and {} more like it)", texts - 1),
            };
            format!("{of}{}{others}", alike.first)
        });
        whole.reasons = said.collect();
        if more > 0 {
            whole
                .reasons
                .push(format!("and {}", count(more, "more reason", "more reasons")));
        }
        whole
    }
}

/// A reason with all addresses, blocks and subnets taken for the same.
fn without_addresses(reason: &str) -> String {
    let words = reason.split(' ').map(|word| {
        let bare = word.trim_matches([',', ';', ':', '(', ')']);
        let address = bare.split('/').next().unwrap_or_default();
        if address.parse::<std::net::Ipv4Addr>().is_ok() || bare.starts_with("subnet-") {
            "·"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether anybody passes a hop.
fn is_met(part: &Part) -> bool {
    part.mark != Mark::None
}

fn add(known: &mut Vec<String>, more: &[String]) {
    for one in more {
        if !known.contains(one) {
            known.push(one.clone());
        }
    }
}

fn ports((first, last): (u16, u16)) -> String {
    if first == last {
        format!("port {first}")
    } else {
        format!("ports {first}-{last}")
    }
}

//! The picture of a pipeline that is deployed: what is there, and what is wrong with it.

use super::{
    Flow, Frame, Hop, INTERNET, Mark, Part, Path, Row, Scene, Shape, Stage, State, TO_BROKERS, World, elsewhere,
    functions, some, source, topics,
};
use crate::facts::cluster::VpcConnection;
use crate::facts::{Fact, Facts, Owner, PipelineFacts};
use crate::network::Proof;
use crate::picture::text::clean;
use crate::plan::shared::Needs;
use crate::plan::{PlannedConnection, PlannedNetwork};
use crate::settings::{PipelineSettings, Settings};

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Deployed<'a> {
    /// The settings of all.
    pub settings: &'a Settings,
    /// The pipeline.
    pub pipeline: &'a PipelineSettings,
    /// What was seen.
    pub facts: &'a Facts,
    /// What of that is the pipeline's.
    pub seen: &'a PipelineFacts,
    /// Every way from its function to the brokers; empty where none can be judged.
    pub proofs: &'a [Proof],
    /// The VPC connection that they end at, where they do.
    pub connection: Option<&'a VpcConnection>,
    /// What is not as it should be.
    pub troubles: &'a [Trouble],
    /// What became of the whole.
    pub mark: Mark,
    /// The same in a sentence.
    pub summary: &'a str,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Where.
    pub place: Place,
    /// How bad it is.
    pub mark: Mark,
    /// What was found.
    pub reason: String,
    /// Who found it.
    pub codes: Vec<&'static str>,
}

/// Where something can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The stream.
    Stream,
    /// The event source mapping.
    Mapping,
    /// Where goes what is given up.
    Destination,
    /// The function.
    Function,
    /// Somewhere on the way from the function to the brokers, and no hop of the picture says where.
    Way,
    /// The cluster, or the servers of another Kafka.
    Brokers,
    /// The topics.
    Topics,
}

impl Scene {
    /// Of a pipeline that is deployed: nothing in it is new.
    pub fn of_deployed(drawn: Deployed<'_>) -> Self {
        let Deployed {
            settings,
            facts,
            mark,
            summary,
            ..
        } = drawn;
        let world = World::new(facts, &settings.stack.value);
        let flows = [drawn.flow(&world)];
        let mut parts = source(&flows, true);
        for (part, place) in parts
            .iter_mut()
            .zip([Place::Stream, Place::Mapping, Place::Destination])
        {
            drawn.marked(part, place);
        }
        let mut stages = vec![Stage::Open(parts)];
        stages.extend(drawn.way(world, &flows));
        Self {
            title: clean(&settings.stack.value),
            place: format!(
                "{} · account {}",
                clean(&settings.home.region),
                clean(&settings.home.account)
            ),
            mark,
            summary: clean(summary),
            stages,
        }
    }
}

impl Deployed<'_> {
    fn flow(&self, world: &World<'_>) -> Flow {
        let mapping = self.seen.mapping.found();
        let mut flow = world.asked(self.pipeline);
        for row in &mut flow.topics {
            row.state = State::Exists;
            let name = row.cells.first();
            // A cleaned name is as it was, unless AWS knows none such.
            let absent = name
                .and_then(|name| self.facts.topics.get(name))
                .is_some_and(Fact::is_absent);
            if absent {
                row.cells.push("not there".to_owned());
            }
        }
        (flow.mapping_state, flow.function_state) = (State::Exists, State::Exists);
        flow.mapping = match &self.seen.mapping {
            Fact::Found { value } => {
                let waits = value.batching_window.filter(|window| *window > 0);
                let waits = waits
                    .map(|window| format!(", waiting up to {window} s"))
                    .unwrap_or_default();
                format!(
                    "{}; batches of up to {} records{waits}",
                    clean(&value.state),
                    value.batch_size
                )
            }
            Fact::Absent => "not there".to_owned(),
            Fact::Unreadable(_) => "could not be read".to_owned(),
        };
        flow.function = match &self.seen.function {
            Fact::Found { value } => format!("{} MB, {} s", value.memory_mb, value.timeout_seconds),
            Fact::Absent => "not there".to_owned(),
            Fact::Unreadable(_) => "could not be read".to_owned(),
        };
        let destination = mapping.map(|mapping| match &mapping.destination {
            Some(arn) => clean(arn),
            None => "none".to_owned(),
        });
        flow.destination = Some((destination.unwrap_or_else(|| "not known".to_owned()), State::Exists));
        flow
    }

    /// Gives a part what is wrong there.
    fn marked(&self, part: &mut Part, place: Place) {
        for trouble in self.troubles.iter().filter(|trouble| trouble.place == place) {
            part.mark = part.mark.max(trouble.mark);
            part.reasons.push(trouble.said());
        }
    }

    /// From the function to the topics.
    fn way(&self, world: World<'_>, flows: &[Flow]) -> Vec<Stage> {
        let network = self.network(&world);
        let cluster = self.settings.cluster().map(|cluster| cluster.value.as_str());
        let port = self.proofs.first().map(|proof| proof.port);
        let spoken = self.spoken(port);
        let path = Path {
            world,
            network: &network,
            function: Needs::default(),
            brokers: Needs::default(),
            connection: None,
            proofs: self.proofs,
            obstacles: &[],
            port: port.unwrap_or_default(),
        };
        let connection = self.connection.map(|connection| PlannedConnection {
            vpc: connection.vpc.clone(),
            authentication: "",
            subnets: connection.subnets.clone(),
            own: connection.owner != Owner::Foreign,
            exists: true,
            unconfirmed: false,
        });
        let path = Path {
            connection: connection.as_ref(),
            ..path
        };
        let mut stages = if self.proofs.is_empty() {
            self.unproven(&path, flows, cluster, spoken.as_deref())
        } else {
            path.stages(flows, cluster, spoken.as_deref())
        };
        self.dress(&path, &mut stages);
        stages
    }

    /// The function and the brokers, where nobody can say what is between them.
    fn unproven(&self, path: &Path<'_>, flows: &[Flow], cluster: Option<&str>, spoken: Option<&str>) -> Vec<Stage> {
        let mut function = functions(flows);
        let subnets = path.network.subnets.iter().map(|id| path.world.subnet_row(id));
        function.rows = some(subnets.collect(), "subnets");
        let known = self.seen.function.found();
        if known.is_some_and(|function| function.subnets.is_empty()) {
            function.lines.push("in no VPC".to_owned());
        }
        let near = if path.network.vpc.is_empty() {
            Stage::Open(vec![function])
        } else {
            let mut frame = path.world.frame(&path.network.vpc);
            frame.columns.push(vec![function]);
            Stage::Vpc(frame)
        };
        let way = if known.is_some_and(|function| function.subnets.is_empty()) {
            Part::new(Shape::Node, INTERNET, "")
        } else {
            Part {
                mark: Mark::Unknown,
                ..Part::new(Shape::Node, TO_BROKERS, "")
            }
        };
        let mut far = match cluster {
            Some(_) if !path.network.cluster_vpc.is_empty() => path.world.frame(&path.network.cluster_vpc),
            Some(_) => elsewhere("in", "an unknown VPC"),
            None => elsewhere("outside", "AWS's sight"),
        };
        far.columns = vec![vec![path.world.kafka(cluster, None, spoken), topics(flows)]];
        vec![near, Stage::Open(vec![way]), Stage::Vpc(far)]
    }

    /// How the brokers are spoken to, as the function is told.
    fn spoken(&self, port: Option<u16>) -> Option<String> {
        let function = self.seen.function.found()?;
        let way = clean(function.variables.get("K2M_AUTHENTICATION")?);
        Some(match port {
            Some(port) => format!("{way} on port {port}"),
            None => way,
        })
    }

    /// The network as it is.
    fn network(&self, world: &World<'_>) -> PlannedNetwork {
        let function = self.seen.function.found();
        let mut subnets = function.map(|function| function.subnets.clone()).unwrap_or_default();
        subnets.sort();
        let of_subnet = |id: &String| world.subnet(id).map(|subnet| subnet.vpc.clone());
        let vpc = function.and_then(|function| function.vpc.clone());
        let brokers = self.facts.brokers.found().into_iter().flatten();
        let brokers = brokers.map(|broker| &broker.subnet);
        let cluster = self.facts.cluster.found();
        let cluster = cluster.into_iter().flat_map(|cluster| &cluster.subnets);
        let groups = function.map_or(&[][..], |function| &function.security_groups);
        PlannedNetwork {
            vpc: vpc.or_else(|| subnets.iter().find_map(of_subnet)).unwrap_or_default(),
            subnets,
            cluster_vpc: brokers.chain(cluster).find_map(of_subnet).unwrap_or_default(),
            cluster_group: None,
            ports: self.proofs.first().map_or((0, 0), |proof| (proof.port, proof.port)),
            function_group: Some(groups.join(", ")),
            egress: Vec::new(),
            ingress_by_group: false,
        }
    }

    /// Gives the parts their own names and what is wrong with them.
    fn dress(&self, path: &Path<'_>, stages: &mut [Stage]) {
        // What lets out is no rule of a plan, but one that is there.
        let egress = path.crossing(&[Hop::Egress]).by;
        let mut egress = some(egress.into_iter().map(|by| Row::new([by])).collect(), "rules");
        let group = path.network.function_group.as_deref().map(clean);
        let mut way = self.elsewhere_on_the_way();
        for parts in stages.iter_mut().flat_map(columns) {
            for part in parts.iter_mut() {
                match part.kind.as_str() {
                    "Lambda function" => {
                        self.name(part);
                        self.marked(part, Place::Function);
                    }
                    "security group" if group.as_ref() == Some(&part.name) => part.rows.append(&mut egress),
                    "MSK cluster" | "MSK Serverless cluster" | "Kafka that is not MSK" => {
                        self.marked(part, Place::Brokers);
                    }
                    kind if kind == "topic" || kind.ends_with(" topics") => self.marked(part, Place::Topics),
                    _ => {}
                }
            }
            // What the function sees of the way is seen where it ends.
            let end = parts.iter().position(|part| {
                part.shape == Shape::Node && (part.kind.starts_with("MSK ") || part.kind.starts_with("Kafka "))
            });
            if let Some(end) = end {
                parts.splice(end..end, way.take());
            }
        }
    }

    fn name(&self, part: &mut Part) {
        let Some(function) = self.seen.function.found() else {
            return;
        };
        part.name = clean(function.arn.rsplit(':').next().unwrap_or(&function.arn));
        if function.state != "Active" {
            part.lines.insert(0, clean(&function.state));
        }
    }

    /// What is wrong on the way though the hops don't say where.
    fn elsewhere_on_the_way(&self) -> Option<Part> {
        let troubles = self.troubles.iter().filter(|trouble| trouble.place == Place::Way);
        let mut part = Part::new(Shape::Hop, "the way as a whole", "");
        for trouble in troubles {
            part.mark = part.mark.max(trouble.mark);
            part.reasons.push(trouble.said());
        }
        Some(part).filter(|part| part.mark != Mark::None)
    }
}

impl Trouble {
    /// For people.
    fn said(&self) -> String {
        clean(&format!("{} ({})", self.reason, self.codes.join(", ")))
    }
}

/// Parts of a stage that stand below each other.
fn columns(stage: &mut Stage) -> impl Iterator<Item = &mut Vec<Part>> {
    let (open, framed) = match stage {
        Stage::Open(parts) => (Some(parts), None),
        Stage::Vpc(Frame { columns, .. }) => (None, Some(columns)),
    };
    open.into_iter().chain(framed.into_iter().flatten())
}

impl Scene {
    /// The same with every text changed.
    #[must_use]
    pub fn with_texts(mut self, change: impl Fn(&str) -> String) -> Self {
        let each = |texts: &mut Vec<String>| texts.iter_mut().for_each(|text| *text = change(text));
        for text in [&mut self.title, &mut self.place, &mut self.summary] {
            *text = change(text);
        }
        for stage in &mut self.stages {
            if let Stage::Vpc(frame) = stage {
                frame.name = change(&frame.name);
                frame.details = change(&frame.details);
            }
            for part in columns(stage).flatten() {
                part.kind = change(&part.kind);
                part.name = change(&part.name);
                each(&mut part.lines);
                each(&mut part.reasons);
                part.rows.iter_mut().for_each(|row| each(&mut row.cells));
            }
        }
        self
    }

    /// Whether anything in it is not there yet.
    pub(in crate::picture) fn has_new(&self) -> bool {
        let new = |part: &Part| part.state != State::Exists || part.rows.iter().any(|row| row.state != State::Exists);
        self.stages.iter().any(|stage| match stage {
            Stage::Open(parts) => parts.iter().any(new),
            Stage::Vpc(frame) => frame.columns.iter().flatten().any(new),
        })
    }

    /// Whether of anything in it that has an outline nobody knows how it is.
    pub(in crate::picture) fn has_unknown(&self) -> bool {
        let unknown = |part: &Part| part.mark == Mark::Unknown && part.shape != Shape::Hop;
        self.stages.iter().any(|stage| match stage {
            Stage::Open(parts) => parts.iter().any(unknown),
            Stage::Vpc(frame) => frame.columns.iter().flatten().any(unknown),
        })
    }
}

//! What was named against what the stack says of itself. Where they differ nothing is judged: what is deployed would be blamed for not being what was meant.

use std::collections::BTreeSet;

use thiserror::Error;

use super::whole::names;
use crate::exit::Exit;
use crate::facts::{Facts, Stack};
use crate::plan::{stands, streams_of};
use crate::settings::{Kafka, Settings, Source};

/// Most streams of a stack that are listed.
const LISTED: usize = 10;

/// What was named is not what the stack has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Contradiction {
    /// Another Kafka than that of the outputs.
    #[error(
        "the stack {stack} delivers to {deployed} (its output {output}), and {by} names {named}, so nothing was judged{}\n  \
         to judge what is deployed, leave {by} out: `k2m doctor --stack {stack} --region {region}` has it from the stack; to see what delivering to the other would \
         change, `k2m plan`",
        settled(status)
    )]
    Kafka {
        /// The stack's name.
        stack: String,
        /// Its region.
        region: String,
        /// Its status.
        status: String,
        /// The output's key.
        output: &'static str,
        /// The output's value.
        deployed: String,
        /// Who names the other.
        by: String,
        /// The other.
        named: String,
    },
    /// A stream of which the stack has no pipeline.
    #[error(
        "the stack {stack} has no pipeline of {named}, which {by} names; it has {}, so nothing was judged\n  {}\n  \
         name one of those, or the stack that reads the other with --stack; `k2m deploy` adds a pipeline to a stack, where all of its streams are named",
        names(&known.iter().map(String::as_str).collect::<Vec<_>>()),
        list(known)
    )]
    Stream {
        /// The stack's name.
        stack: String,
        /// The stream's ARN.
        named: String,
        /// Who names it.
        by: String,
        /// ARNs of the streams that it has; never empty.
        known: Vec<String>,
    },
}

impl Contradiction {
    /// The exit code that it ends with.
    pub const fn exit(&self) -> Exit {
        Exit::Usage
    }
}

fn settled(status: &str) -> String {
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => String::new(),
        status => format!(" (the stack is {status}: what was last deployed may not be what it has)"),
    }
}

fn list(arns: &[String]) -> String {
    let more = arns.len().saturating_sub(LISTED);
    let more = (more > 0).then(|| format!("and {more} more"));
    let shown = arns.iter().take(LISTED).cloned();
    shown.chain(more).collect::<Vec<_>>().join("\n  ")
}

fn by(source: &Source, otherwise: &str) -> String {
    match source {
        Source::Default => otherwise.to_owned(),
        source => source.to_string(),
    }
}

/// What of the settings the stack's outputs contradict; nothing where there is no stack of k2m's that says anything.
pub fn contradicted(settings: &Settings, facts: &Facts) -> Option<Contradiction> {
    let stack = facts.stack.found().filter(|stack| stands(stack))?;
    if facts.pipelines.values().any(|one| one.foreign.is_some()) {
        return None;
    }
    stream(settings, stack).or_else(|| kafka(settings, stack))
}

fn stream(settings: &Settings, stack: &Stack) -> Option<Contradiction> {
    let known: Vec<String> = streams_of(stack).into_iter().map(|(_, arn)| arn.to_owned()).collect();
    if known.is_empty() {
        return None;
    }
    let unknown = |arn: &str| known.iter().all(|one| one != arn);
    let none = settings.pipelines.iter().all(|one| unknown(one.stream.value.as_str()));
    // One that a file lists may be the next to be deployed; of one that was chosen for this look nothing is there to be seen.
    let stranger = settings.pipelines.iter().find(|one| {
        let listed = matches!(one.stream.source, Source::File(_));
        unknown(one.stream.value.as_str()) && (none || !listed)
    })?;
    Some(Contradiction::Stream {
        stack: stack.name.clone(),
        named: stranger.stream.value.to_string(),
        by: by(&stranger.stream.source, "--stream"),
        known,
    })
}

fn kafka(settings: &Settings, stack: &Stack) -> Option<Contradiction> {
    let output = |name: &'static str| stack.outputs.get(name).map(|value| (name, value.as_str()));
    let (output, deployed) = output("Cluster").or_else(|| output("BootstrapServers"))?;
    let servers = |list: &str| -> BTreeSet<String> {
        list.split(',')
            .map(|server| server.trim().to_ascii_lowercase())
            .collect()
    };
    let (named, source, same) = match &settings.kafka {
        Kafka::Cluster(cluster) => {
            let same = output == "Cluster" && cluster.value.as_str() == deployed;
            (cluster.value.to_string(), &cluster.source, same)
        }
        Kafka::BootstrapServers(named) => {
            let text = named.value.to_string();
            let same = output == "BootstrapServers" && servers(&text) == servers(deployed);
            (text, &named.source, same)
        }
    };
    (!same).then(|| Contradiction::Kafka {
        stack: stack.name.clone(),
        region: settings.home.region.clone(),
        status: stack.status.clone(),
        output,
        deployed: deployed.to_owned(),
        by: by(source, "the command"),
        named,
    })
}

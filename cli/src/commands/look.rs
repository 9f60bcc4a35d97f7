//! Facts for a command: from AWS, or from the file that the user gives in its place.

use std::path::Path;

use super::CommandError;
use crate::arn::PlaceError;
use crate::aws::{Aws, NamedFunction, Question};
use crate::facts::{Facts, file};
use crate::plan::same_pipelines;
use crate::resolver::resolve;
use crate::settings::{Access, PipelineSettings, Settings};

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// All that a plan needs.
    Plan,
    /// What has happened too, and rights, and all else that doctor needs.
    Doctor,
}

/// What the settings ask about.
pub(super) fn question(settings: &Settings, depth: Depth) -> Question {
    let topics = settings.pipelines.iter().flat_map(PipelineSettings::topics);
    let cluster = settings.cluster().map(|cluster| cluster.value.clone());
    Question {
        region: settings.home.region.clone(),
        account: settings.home.account.clone(),
        streams: settings.pipelines.iter().map(|one| one.stream.value.clone()).collect(),
        // Of the topics of a Kafka that is not MSK nothing of AWS tells.
        topics: topics.filter(|_| cluster.is_some()).map(str::to_owned).collect(),
        cluster,
        destinations: {
            let destinations = settings
                .pipelines
                .iter()
                .filter_map(|one| one.failure_destination.as_ref());
            destinations.map(|destination| destination.value.clone()).collect()
        },
        consumers: {
            let consumers = settings
                .pipelines
                .iter()
                .filter_map(|one| Some((one, one.consumer.as_ref()?)));
            consumers
                .map(|(one, consumer)| (one.stream.value.to_string(), consumer.value.clone()))
                .collect()
        },
        stack: settings.stack.value.clone(),
        security_group: settings.security_group.as_ref().map(|group| group.value.clone()),
        vpc: settings.vpc.as_ref().map(|vpc| vpc.value.clone()),
        subnets: settings
            .subnets
            .as_ref()
            .map(|subnets| subnets.value.clone())
            .unwrap_or_default(),
        writes: {
            let writes = settings.pipelines.iter().map(|one| {
                let topics = one.topics().into_iter().map(str::to_owned).collect();
                (one.stream.value.to_string(), topics)
            });
            writes.collect()
        },
        authentication: settings.authentication.as_ref().map(|way| way.value.name().to_owned()),
        history: depth == Depth::Doctor,
        function: None,
    }
}

/// Facts of a file where one is given, else AWS's own.
pub(super) async fn facts(settings: &Settings, access: &Access, path: Option<&Path>) -> Result<Facts, CommandError> {
    match path {
        Some(path) => {
            let facts = file::read(path)?;
            same_pipelines(settings, &facts)?;
            Ok(facts)
        }
        None => look(&connect(settings, access).await?, settings, Depth::Plan).await,
    }
}

/// A way to AWS in the region of the streams.
pub(super) async fn connect(settings: &Settings, access: &Access) -> Result<Aws, CommandError> {
    Ok(Aws::connect(access.profile.as_deref(), &settings.home.region).await?)
}

/// Looks at AWS, and asks this machine where the servers are that the settings name.
pub(super) async fn look(aws: &Aws, settings: &Settings, depth: Depth) -> Result<Facts, CommandError> {
    ask(aws, settings, question(settings, depth)).await
}

/// The same with a function that was named in place of a stack's, and what is told of what its mappings give up.
pub(super) async fn look_at(
    aws: &Aws,
    settings: &Settings,
    function: NamedFunction,
    destinations: impl Iterator<Item = String>,
) -> Result<Facts, CommandError> {
    let mut question = question(settings, Depth::Doctor);
    question.destinations.extend(destinations);
    question.function = Some(function);
    ask(aws, settings, question).await
}

async fn ask(aws: &Aws, settings: &Settings, question: Question) -> Result<Facts, CommandError> {
    let servers = async {
        match settings.servers() {
            Some(servers) => resolve(&servers.value).await,
            None => Vec::new(),
        }
    };
    let (facts, servers) = tokio::join!(aws.look(&question, jiff::Timestamp::now()), servers);
    let facts = Facts { servers, ..facts? };
    let account = &settings.home.account;
    match facts.account.found().filter(|caller| *caller != account) {
        Some(caller) => Err(CommandError::Place(PlaceError::Caller {
            caller: caller.clone(),
            arn: account.clone(),
        })),
        None => Ok(facts),
    }
}

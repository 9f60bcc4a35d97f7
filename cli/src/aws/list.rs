//! What a user can choose from: streams, clusters and topics, as AWS lists them.

use aws_config::Region;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::region::ProfileFileRegionProvider;
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::answer::{Answer, Trouble, fact, trouble};
use super::{Aws, LookError, Looking, Pending, kafka, kinesis, load};
use crate::arn::Arn;
use crate::facts::Fact;
use crate::plan::size::Load;

/// So many streams are asked for their shards: each is a call of its own, and AWS allows 20 a second.
const DESCRIBED: usize = 20;

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// An ARN, or a topic's name.
    pub id: String,
    /// What helps to choose, in AWS's words.
    pub hints: Vec<String>,
}

/// The region that the SDK's own rules find, in the environment and the profile. Not a machine's own: it says nothing of where a stream or a
/// stack is.
pub fn default_region(profile: Option<&str>) -> Pending<'_, Option<String>> {
    Box::pin(async move {
        let mut of_profile = ProfileFileRegionProvider::builder();
        if let Some(profile) = profile {
            of_profile = of_profile.profile_name(profile);
        }
        let chain =
            RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(of_profile.build());
        Ok(chain.region().await.as_ref().map(Region::to_string))
    })
}

impl Aws {
    /// The streams of a region, by name.
    pub fn streams<'a>(&'a self, region: &'a str) -> Pending<'a, Fact<Vec<Candidate>>> {
        Box::pin(async move {
            let client = aws_sdk_kinesis::Client::new(&self.in_region(region));
            self.listed(region, streams(&client).await)
        })
    }

    /// The clusters of a region, by ARN.
    pub fn clusters<'a>(&'a self, region: &'a str) -> Pending<'a, Fact<Vec<Candidate>>> {
        Box::pin(async move {
            let client = aws_sdk_kafka::Client::new(&self.in_region(region));
            self.listed(region, clusters(&client).await)
        })
    }

    /// The topics of a cluster, by name. Not every cluster tells.
    pub fn topics<'a>(&'a self, region: &'a str, cluster: &'a str) -> Pending<'a, Fact<Vec<Candidate>>> {
        Box::pin(async move {
            let client = aws_sdk_kafka::Client::new(&self.in_region(region));
            self.listed(region, topics(&client, cluster).await)
        })
    }

    /// What came into a stream in the busiest time of the last days. Absent where it is of another account, whose figures are its own.
    pub fn load<'a>(&'a self, stream: &'a Arn, account: &'a str, now: Timestamp) -> Looking<'a, Fact<Load>> {
        Box::pin(async move {
            if stream.account != account {
                return Fact::Absent;
            }
            let client = aws_sdk_cloudwatch::Client::new(&self.looking().in_region(&stream.region));
            fact(load::busiest(&client, stream.name(), now).await)
        })
    }

    /// A list as a fact, or an error where no call can succeed.
    fn listed(&self, region: &str, list: Answer<Vec<Candidate>>) -> Result<Fact<Vec<Candidate>>, LookError> {
        match list {
            Err(Trouble::Credentials(reason)) => Err(LookError::BadCredentials {
                profile: self.profile.clone(),
                reason,
            }),
            Err(Trouble::Unreachable(reason)) => Err(LookError::Unreachable {
                region: region.to_owned(),
                reason,
            }),
            list => Ok(fact(list.map(|mut list| {
                list.sort_by(|a, b| a.id.cmp(&b.id));
                list
            }))),
        }
    }
}

pub(super) async fn streams(client: &aws_sdk_kinesis::Client) -> Answer<Vec<Candidate>> {
    let pages = client.list_streams().into_paginator().send().try_collect().await;
    let pages = pages.map_err(|error| trouble(&error, "kinesis:ListStreams", &[]))?;
    let mut described: JoinSet<(usize, Answer<_>)> = JoinSet::new();
    let mut list = Vec::new();
    for summary in pages.into_iter().filter_map(|page| page.stream_summaries).flatten() {
        if list.len() < DESCRIBED {
            let (client, arn, index) = (client.clone(), summary.stream_arn.clone(), list.len());
            described.spawn(async move { (index, kinesis::stream(&client, &arn).await) });
        }
        list.push(Candidate {
            id: summary.stream_arn,
            hints: vec![summary.stream_status.as_str().to_owned()],
        });
    }
    // Shards are a help, no more: whoever may not ask for them still gets to choose.
    while let Some(done) = described.join_next().await {
        if let Ok((index, Ok(stream))) = done
            && let Some(candidate) = list.get_mut(index)
        {
            let plural = if stream.open_shards == 1 { "" } else { "s" };
            candidate
                .hints
                .push(format!("{} open shard{plural}", stream.open_shards));
            let mode = if stream.on_demand { "on-demand" } else { "provisioned" };
            candidate.hints.push(mode.to_owned());
        }
    }
    Ok(list)
}

pub(super) async fn clusters(client: &aws_sdk_kafka::Client) -> Answer<Vec<Candidate>> {
    let list = client
        .list_clusters_v2()
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await;
    let list: Vec<_> = list.map_err(|error| trouble(&error, "kafka:ListClustersV2", &[]))?;
    let candidates = list.into_iter().filter_map(|info| {
        let arn = info.cluster_arn.clone()?;
        let (cluster, _) = kafka::told(info, &arn);
        let ways = cluster.authentication;
        let ways = [
            (ways.iam, "IAM"),
            (ways.scram, "SCRAM"),
            (ways.mutual_tls, "mutual TLS"),
            (ways.unauthenticated, "unauthenticated"),
        ];
        let ways: Vec<&str> = ways.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
        let mut hints = vec![cluster.state, cluster.kind];
        if !ways.is_empty() {
            hints.push(ways.join(" and "));
        }
        Some(Candidate { id: arn, hints })
    });
    Ok(candidates.collect())
}

pub(super) async fn topics(client: &aws_sdk_kafka::Client, cluster: &str) -> Answer<Vec<Candidate>> {
    let list = client
        .list_topics()
        .cluster_arn(cluster)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await;
    let list: Vec<_> = list.map_err(|error| trouble(&error, "kafka-cluster:DescribeTopic", &[]))?;
    let candidates = list.into_iter().filter_map(|topic| {
        let partitions = topic.partition_count.unwrap_or_default();
        let plural = if partitions == 1 { "" } else { "s" };
        Some(Candidate {
            id: topic.topic_name?,
            hints: vec![format!("{partitions} partition{plural}")],
        })
    });
    Ok(candidates.collect())
}

//! The brokers that the probe has to do with, and the connections to those that were reached.

use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::Probe;
use super::connect::{Beside, Means, reach, side_by_side};
use super::report::{Broker, Purpose, Step};
use super::sasl::handshake;
use super::wire::Wire;
use super::words::Trouble;

/// All of them, in the order in which they were met.
pub(super) struct Crew {
    means: Means,
    members: Vec<(Broker, Option<Wire>)>,
    /// The place of the one that answers questions about the cluster.
    speaker: Option<usize>,
}

impl Crew {
    pub(super) fn new(means: Means) -> Self {
        Self {
            means,
            members: Vec::new(),
            speaker: None,
        }
    }

    /// When the probe has to be done.
    pub(super) fn end(&self) -> Instant {
        self.means.end
    }

    /// Reads the secrets, where there are any, for those who wait for them; the trouble where they can't be had.
    pub(super) async fn secret(&self) -> Option<Trouble> {
        self.means.prepared().await.secret.clone()
    }

    /// Reaches brokers, side by side.
    pub(super) async fn reach(&mut self, addresses: &[&str], bootstrap: bool) {
        let mut fresh: Vec<&str> = Vec::new();
        for address in addresses {
            let known = self.members.iter().any(|(broker, _)| broker.address == *address);
            if !known && !fresh.contains(address) {
                fresh.push(address);
            }
        }
        let means = &self.means;
        let ways = fresh
            .into_iter()
            .map(|address| -> Beside<'_, _> { Box::pin(reach(address, bootstrap, means)) });
        let met = side_by_side(ways.collect()).await;
        self.members.extend(met);
    }

    /// Asks for the cluster's brokers and these topics: the first broker that answers is the speaker from then on.
    pub(super) async fn metadata(
        &mut self,
        topics: &[(String, Purpose)],
        probe: &mut Probe,
    ) -> Option<(MetadataResponse, Duration)> {
        let request = metadata_request(topics);
        for place in 0..self.members.len() {
            let start = Instant::now();
            let (broker, wire) = &mut self.members[place];
            let Some(wire) = wire else { continue };
            match wire.ask(&request).await {
                Ok(metadata) => {
                    self.speaker = Some(place);
                    return Some((metadata, start.elapsed()));
                }
                Err(trouble) => {
                    let address = broker.address.clone();
                    let trouble = self.why_closed(trouble, &address).await;
                    probe.fail(Step::Metadata, &trouble, Some(&address), None);
                    self.members[place].1 = None;
                }
            }
        }
        None
    }

    /// A broker that wants SASL hangs up at the first question of a client without.
    async fn why_closed(&self, trouble: Trouble, address: &str) -> Trouble {
        if !matches!(trouble, Trouble::Closed(_)) || self.means.method.mechanism().is_some() {
            return trouble;
        }
        let (_, wire) = reach(address, true, &self.means).await;
        let Some(mut wire) = wire else { return trouble };
        match handshake(&mut wire, "SCRAM-SHA-512").await {
            Ok((offered, _)) if !offered.is_empty() => Trouble::WantsSasl(offered),
            _ => trouble,
        }
    }

    /// Takes note of the brokers that the metadata names, and reaches those that are new.
    pub(super) async fn meet(&mut self, metadata: &MetadataResponse) {
        let named: Vec<(String, i32)> = metadata
            .brokers
            .iter()
            .map(|broker| (address(broker), broker.node_id.0))
            .collect();
        let addresses: Vec<&str> = named.iter().map(|(address, _)| address.as_str()).collect();
        let before = self.members.len();
        self.reach(&addresses, false).await;
        for (broker, _) in &mut self.members {
            let found = named.iter().find(|(address, _)| *address == broker.address);
            broker.id = found.map(|(_, id)| *id);
        }
        for (broker, _) in &mut self.members[before..] {
            if let Some(failure) = &mut broker.failure {
                failure.reason += " (the cluster names this broker itself, in its metadata)";
            }
        }
    }

    /// The address of the speaker.
    pub(super) fn asked(&self) -> &str {
        let speaker = self.speaker.map(|place| self.members[place].0.address.as_str());
        speaker.unwrap_or_default()
    }

    /// The speaker's connection.
    pub(super) fn speaker(&mut self) -> Option<&mut Wire> {
        self.members
            .get_mut(self.speaker?)?
            .1
            .as_mut()
            .filter(|wire| wire.is_alive())
    }

    /// The broker of this id, where it was reached.
    pub(super) fn of_id(&mut self, id: i32) -> Option<(&str, &mut Wire)> {
        let found = self.members.iter_mut().find(|(broker, _)| broker.id == Some(id));
        let (broker, wire) = found?;
        Some((&broker.address, wire.as_mut().filter(|wire| wire.is_alive())?))
    }

    /// What came of each.
    pub(super) fn brokers(self) -> Vec<Broker> {
        self.members.into_iter().map(|(broker, _)| broker).collect()
    }
}

/// The question for the cluster's brokers and these topics.
pub(super) fn metadata_request(topics: &[(String, Purpose)]) -> MetadataRequest {
    let topic = |(name, _): &(String, Purpose)| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    MetadataRequest::default()
        .with_topics(Some(topics.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(false)
}

/// A topic's name, as requests have it.
pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn address(broker: &MetadataResponseBroker) -> String {
    let host = broker.host.as_str();
    if host.contains(':') {
        format!("[{host}]:{}", broker.port)
    } else {
        format!("{host}:{}", broker.port)
    }
}

//! The brokers that the probe has to do with, and the connections to those that were reached.

use std::collections::HashSet;
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
use super::words::{Trouble, short};

/// The most brokers that are connected to, whatever the metadata names: MSK's largest clusters have 60.
const BROKERS_MAX: usize = 100;

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

    /// Reaches brokers, side by side; returns how many were left out because they are too many.
    pub(super) async fn reach(&mut self, addresses: &[&str], bootstrap: bool) -> usize {
        let known = self.members.iter().map(|(broker, _)| broker.address.as_str());
        let (fresh, left_out) = choose(known.collect(), addresses);
        let means = &self.means;
        let ways = fresh
            .into_iter()
            .map(|address| -> Beside<'_, _> { Box::pin(reach(address, bootstrap, means)) });
        let met = side_by_side(ways.collect()).await;
        self.members.extend(met);
        left_out
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

    /// Takes note of the brokers that the metadata names, and reaches those that are new; returns how many were left out.
    pub(super) async fn meet(&mut self, metadata: &MetadataResponse) -> usize {
        let named: Vec<(String, i32)> = metadata
            .brokers
            .iter()
            .map(|broker| (address(broker), broker.node_id.0))
            .collect();
        let addresses: Vec<&str> = named.iter().map(|(address, _)| address.as_str()).collect();
        let before = self.members.len();
        let left_out = self.reach(&addresses, false).await;
        for (broker, _) in &mut self.members {
            let found = named.iter().find(|(address, _)| *address == broker.address);
            broker.id = found.map(|(_, id)| *id);
        }
        for (broker, _) in &mut self.members[before..] {
            if let Some(failure) = &mut broker.failure {
                failure.reason += " (the cluster names this broker itself, in its metadata)";
            }
        }
        left_out
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

    /// Each connection that more can be asked over.
    pub(super) fn wires(&mut self) -> impl Iterator<Item = &mut Wire> {
        let wires = self.members.iter_mut().filter_map(|(_, wire)| wire.as_mut());
        wires.filter(|wire| wire.is_alive())
    }

    /// What came of each.
    pub(super) fn brokers(self) -> Vec<Broker> {
        self.members.into_iter().map(|(broker, _)| broker).collect()
    }
}

/// The addresses that are not known yet, each once and as many as there may be, and how many are left out.
fn choose<'a>(mut known: HashSet<&'a str>, addresses: &[&'a str]) -> (Vec<&'a str>, usize) {
    let mut fresh: Vec<&str> = Vec::new();
    let mut left_out = 0;
    for address in addresses {
        if !known.insert(address) {
            continue;
        }
        if known.len() <= BROKERS_MAX {
            fresh.push(address);
        } else {
            left_out += 1;
        }
    }
    (fresh, left_out)
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
    let host = short(broker.host.as_str());
    if host.contains(':') {
        format!("[{host}]:{}", broker.port)
    } else {
        format!("{host}:{}", broker.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_hundred_brokers_are_gone_to() {
        let named: Vec<String> = (0..5_000).map(|number| format!("b-{number}:9092")).collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let (fresh, left_out) = choose(HashSet::new(), &named);
        assert_eq!((fresh.len(), left_out), (100, 4_900));
        let (fresh, left_out) = choose(named[..3].iter().copied().collect(), &named);
        assert_eq!((fresh[0], fresh.len(), left_out), ("b-3:9092", 97, 4_900));
        let (fresh, left_out) = choose(HashSet::from(["b-1:9092"]), &["b-1:9092", "b-2:9092", "b-2:9092"]);
        assert_eq!((fresh, left_out), (vec!["b-2:9092"], 0));
    }
}

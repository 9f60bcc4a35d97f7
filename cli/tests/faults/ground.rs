//! What schedules run on: a cluster of Apache Kafka behind a proxy that many schedules share, each with topics of its own, and what can
//! be done to it.

use std::sync::Arc;

use k2m_testkit::{Clerk, KafkaCluster, KafkaVersion, Proxy, Result};

/// The brokers forget idle connections after so long, so that a frozen sandbox need not be frozen for ten minutes.
pub(crate) const BROKER_IDLE_MS: u64 = 1_000;

/// Lines of a broker's log that are told when it failed.
const LOG_LINES: usize = 60;

/// The release of Kafka that the environment asks for.
fn version() -> KafkaVersion {
    match std::env::var("K2M_FAULTS_KAFKA").as_deref() {
        Ok("3") => KafkaVersion::V3,
        Ok("4") | Err(_) => KafkaVersion::V4,
        Ok(other) => panic!("K2M_FAULTS_KAFKA={other:?} is neither 3 nor 4"),
    }
}

/// A cluster and who looks after it.
pub(crate) struct Ground {
    pub(crate) kafka: KafkaCluster,
    pub(crate) clerk: Arc<Clerk>,
}

impl Ground {
    pub(crate) fn start(brokers: u8, clerk: Arc<Clerk>) -> Result<Self> {
        let kafka = KafkaCluster::builder()
            .version(version())
            .brokers(brokers)
            .proxied(true)
            .broker_setting("connections.max.idle.ms", BROKER_IDLE_MS.to_string())
            .start()?;
        Ok(Self { kafka, clerk })
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        self.kafka.proxy().expect("it was built with a proxy")
    }

    /// The broker to hurt: the one that leads the topic's first partition, or the only one that there is.
    pub(crate) fn victim(&self, topic: &str) -> i32 {
        self.kafka.leader(topic, 0).unwrap_or(1)
    }

    /// The ends of the brokers' logs.
    pub(crate) fn logs(&self) -> String {
        let log = |id| {
            let log = self
                .kafka
                .log_file(id)
                .map(|file| std::fs::read(file).unwrap_or_default());
            let log = log.unwrap_or_default();
            let text = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = text.lines().collect();
            format!(
                "broker {id} ({:?}):\n{}\n",
                self.kafka.pid(id),
                lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
            )
        };
        self.kafka.broker_ids().map(log).collect()
    }

    /// Ends what a schedule has left behind, so that the next one begins on a sound cluster.
    pub(crate) fn mend(&self, topics: &[&str]) -> Result<()> {
        self.proxy().behave();
        self.proxy().cut_all();
        self.clerk.delete(&self.kafka.bootstrap_servers(), topics).map(drop)
    }
}

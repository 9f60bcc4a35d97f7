//! The function's configuration as librdkafka's properties. Pure.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::Flaw;
use crate::config::{Authentication, Config};

/// Bytes of a record batch that librdkafka fills up to when the topic's limit allows it: its own default.
const BATCH_BYTES: usize = 1_000_000;

/// Bytes that librdkafka adds to the messages of a batch in its own reckoning: kept free below the topic's limit.
const BATCH_OVERHEAD_BYTES: usize = 512;

/// Largest message the client lets through: above Kinesis' largest record of 10 MiB, since the brokers are the judge of what a topic takes.
const CLIENT_MESSAGE_MAX_BYTES: usize = 16 << 20;

/// How to reach and speak to the brokers: shared by the producer and by what asks the cluster.
pub(super) fn connection(config: &Config) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &config.bootstrap_servers)
        .set("client.id", &config.client_id)
        .set("allow.auto.create.topics", "false")
        // The function's whole life is a minute: a broker that comes back is to be noticed within it.
        // Half of it is also how long a second connection waits for the first.
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.connection.setup.timeout.ms", "5000")
        .set("socket.keepalive.enable", "true")
        // At this level librdkafka tells of lost connections, which is how they are known of (see `Live::uncertain`).
        .set("log.connection.close", "true")
        .set_log_level(RDKafkaLogLevel::Info);
    match config.authentication {
        Authentication::Plaintext => settings.set("security.protocol", "plaintext"),
        Authentication::Tls => settings.set("security.protocol", "ssl"),
        // The token comes from the client's context: see `login`.
        Authentication::Iam(_) => settings
            .set("security.protocol", "sasl_ssl")
            .set("sasl.mechanisms", "OAUTHBEARER"),
    };
    if let Some(file) = &config.ca_file {
        settings.set("ssl.ca.location", file.to_string_lossy());
    }
    settings
}

/// How a producer fills its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    /// With as many records as the topic's `max.message.bytes` allows, given here.
    UpTo(usize),
    /// With one record each.
    OneByOne,
}

/// The producer's settings.
pub(super) fn producer(config: &Config, filling: Filling, flaw: Option<Flaw>) -> ClientConfig {
    let topic_limit = match filling {
        Filling::UpTo(bytes) => bytes,
        Filling::OneByOne => BATCH_BYTES,
    };
    let batch = BATCH_BYTES.min(topic_limit.saturating_sub(BATCH_OVERHEAD_BYTES)).max(1);
    let mut settings = connection(config);
    settings
        .set("acks", "all")
        // As Java clients do, also for null keys, so that a key's records meet those of other producers.
        .set("partitioner", "murmur2_random")
        .set("message.max.bytes", CLIENT_MESSAGE_MAX_BYTES.to_string())
        .set("batch.size", batch.to_string())
        .set("compression.type", config.payload.compression.name())
        // A batch is there as a whole, so waiting for more gains nothing; 1 ms lets librdkafka fill its requests.
        .set("linger.ms", "1")
        .set("queue.buffering.max.messages", "0")
        // The invocation's deadline is our own timer: librdkafka fixes its time-out when the producer is made.
        .set("message.timeout.ms", "0")
        .set("request.timeout.ms", "10000")
        .set("socket.timeout.ms", "15000")
        .set("retry.backoff.ms", "50")
        // A topic that isn't there is told within seconds, not half a minute.
        .set("topic.metadata.propagation.max.ms", "5000");
    if filling == Filling::OneByOne {
        settings.set("batch.num.messages", "1");
    }
    if flaw == Some(Flaw::NotIdempotent) {
        settings.set("enable.idempotence", "false");
    } else {
        settings.set("enable.idempotence", "true");
    }
    // Behind a refused message librdkafka would send on what is queued: with this it stops by itself, at once.
    if !matches!(flaw, Some(Flaw::NoPurge | Flaw::LatePurge | Flaw::NotIdempotent)) {
        settings.set("enable.gapless.guarantee", "true");
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Region;

    fn config() -> Config {
        let pairs = [
            ("K2M_BOOTSTRAP_SERVERS", "b-1:9094"),
            ("K2M_TOPIC", "t"),
            ("K2M_CA_FILE", "/ca.pem"),
        ];
        Config::from_env(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))).expect("a good configuration")
    }

    #[test]
    fn the_properties_librdkafka_gets() {
        let settings = producer(&config(), Filling::UpTo(1_048_588), None);
        let mut lines: Vec<String> = settings
            .config_map()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        lines.sort();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn the_properties_for_iam() {
        let mut iam = config();
        iam.authentication = Authentication::Iam(Region::new("", "eu-central-1").expect("a region"));
        let settings = connection(&iam);
        assert_eq!(settings.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(settings.get("sasl.mechanisms"), Some("OAUTHBEARER"));
    }

    #[test]
    fn a_batch_stays_under_a_small_topic_limit() {
        let batch = |limit| {
            producer(&config(), Filling::UpTo(limit), None)
                .get("batch.size")
                .map(str::to_owned)
        };
        assert_eq!(batch(50_000).as_deref(), Some("49488"));
        assert_eq!(batch(20_000_000).as_deref(), Some("1000000"));
    }

    #[test]
    fn one_by_one_is_one_message_a_batch() {
        let settings = producer(&config(), Filling::OneByOne, None);
        assert_eq!(settings.get("batch.num.messages"), Some("1"));
    }
}

//! The function's configuration as librdkafka's properties. Pure.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::Flaw;
use crate::config::{Authentication, Config};
use crate::kafka::credentials::Credentials;
use crate::kafka::tls::{TlsError, Trust};
use crate::secret::Secret;
use crate::unfold::VALUE_LIMIT;

/// Bytes of a record batch that librdkafka fills up to when the topic's limit allows it: its own default.
const BATCH_BYTES: usize = 1_000_000;

/// Bytes that librdkafka adds to the messages of a batch in its own reckoning: kept free below the topic's limit.
const BATCH_OVERHEAD_BYTES: usize = 512;

/// Largest message the client lets through: above the largest that is made, since the brokers are the judge of what a topic takes.
const CLIENT_MESSAGE_MAX_BYTES: usize = VALUE_LIMIT + (8 << 20);

/// How to reach and speak to the brokers: shared by the producer and by what asks the cluster.
pub(super) fn connection(config: &Config, credentials: &Credentials) -> Result<ClientConfig, TlsError> {
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
        .set_log_level(RDKafkaLogLevel::Info);
    match config.authentication {
        Authentication::Plaintext => settings.set("security.protocol", "plaintext"),
        Authentication::Tls | Authentication::MutualTls(_) => settings.set("security.protocol", "ssl"),
        Authentication::Scram(_) => settings
            .set("security.protocol", "sasl_ssl")
            .set("sasl.mechanisms", "SCRAM-SHA-512"),
        // The token comes from the client's context: see `login`.
        Authentication::Iam(_) => settings
            .set("security.protocol", "sasl_ssl")
            .set("sasl.mechanisms", "OAUTHBEARER"),
    };
    match &credentials.secret {
        Some(Secret::Scram { username, password }) => {
            settings.set("sasl.username", username).set("sasl.password", password);
        }
        Some(Secret::Certificate {
            chain,
            private_key,
            password,
        }) => {
            settings
                .set("ssl.certificate.pem", chain)
                .set("ssl.key.pem", private_key);
            if let Some(password) = password {
                settings.set("ssl.key.password", password);
            }
        }
        None => {}
    }
    if config.authentication.is_encrypted() {
        // librdkafka would look for the system's by itself, and fall silent where there are none.
        match Trust::choose(config, credentials.ca.as_deref())? {
            Trust::Pem(pem) => settings.set("ssl.ca.pem", pem),
            Trust::Path(path) => settings.set("ssl.ca.location", path.to_string_lossy()),
        };
    }
    Ok(settings)
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
pub(super) fn producer(
    config: &Config,
    credentials: &Credentials,
    filling: Filling,
    flaw: Option<Flaw>,
) -> Result<ClientConfig, TlsError> {
    let topic_limit = match filling {
        Filling::UpTo(bytes) => bytes,
        Filling::OneByOne => BATCH_BYTES,
    };
    let batch = BATCH_BYTES.min(topic_limit.saturating_sub(BATCH_OVERHEAD_BYTES)).max(1);
    let mut settings = connection(config, credentials)?;
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
        // A line a request and one an answer: that something is sent again is told nowhere else (see `tracker::put_back`).
        .set("debug", "msg")
        .set_log_level(RDKafkaLogLevel::Debug)
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
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Region, SecretSource};

    fn config() -> Config {
        let pairs = [
            ("K2M_BOOTSTRAP_SERVERS", "b-1:9094"),
            ("K2M_TOPIC", "t"),
            ("K2M_CA_FILE", "/ca.pem"),
        ];
        Config::from_env(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))).expect("a good configuration")
    }

    fn made(filling: Filling) -> ClientConfig {
        producer(&config(), &Credentials::default(), filling, None).expect("an authority is named")
    }

    /// The properties about TLS and identity.
    fn identity(authentication: Authentication, credentials: &Credentials) -> Vec<String> {
        let config = Config {
            authentication,
            ..config()
        };
        let settings = connection(&config, credentials).expect("an authority is named");
        let is_about = |name: &str| ["sasl.", "ssl.", "security."].iter().any(|it| name.starts_with(it));
        let chosen = settings.config_map().into_iter().filter(|(name, _)| is_about(name));
        let mut lines: Vec<String> = chosen.map(|(name, value)| format!("{name}={value}")).collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_properties_librdkafka_gets() {
        let settings = made(Filling::UpTo(1_048_588));
        let mut lines: Vec<String> = settings
            .config_map()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        lines.sort();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn the_properties_for_each_way_of_authentication() {
        let source = || SecretSource::File("secret.json".into());
        let certificate = |password: Option<&str>| Credentials {
            secret: Some(Secret::Certificate {
                chain: "CHAIN".into(),
                private_key: "KEY".into(),
                password: password.map(str::to_owned),
            }),
            ca: None,
        };
        let scram = Credentials {
            secret: Some(Secret::Scram {
                username: "alice".into(),
                password: "secret".into(),
            }),
            ca: Some("AUTHORITY".into()),
        };
        let iam = Authentication::Iam(Region::new("", "eu-central-1").expect("a region"));
        let none = Credentials::default();
        let rows = [
            identity(Authentication::Plaintext, &none),
            identity(Authentication::Tls, &none),
            identity(Authentication::MutualTls(source()), &certificate(None)),
            identity(Authentication::MutualTls(source()), &certificate(Some("opener"))),
            identity(Authentication::Scram(source()), &scram),
            identity(iam, &none),
        ];
        let said: Vec<String> = rows.iter().map(|lines| lines.join("\n")).collect();
        insta::assert_snapshot!(said.join("\n\n"));
    }

    #[test]
    fn a_batch_stays_under_a_small_topic_limit() {
        let batch = |limit| made(Filling::UpTo(limit)).get("batch.size").map(str::to_owned);
        assert_eq!(batch(50_000).as_deref(), Some("49488"));
        assert_eq!(batch(20_000_000).as_deref(), Some("1000000"));
    }

    #[test]
    fn one_by_one_is_one_message_a_batch() {
        assert_eq!(made(Filling::OneByOne).get("batch.num.messages"), Some("1"));
    }
}
